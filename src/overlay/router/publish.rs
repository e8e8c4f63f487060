//! What others get to see.
//!
//! Owns: when the view is published (at once, or gathered while changes pour in), the answer to people's
//! question, and the readings.
//! Never does: change the routing.

use super::Router;
use super::own::{Due, Turn};
use super::peers::{Link, Peer};
use super::size::SIZE_READING;
use super::status::{PeerStatus, RouterStatus};
use super::table::Nearness;
use crate::base::{Id, Instant, Span};
use crate::machine::Reading;
use crate::overlay::contract::{Effect, Fact};
use crate::overlay::view::{LeafView, PeerView, RouteView};
use std::sync::Arc;

/// What waits to be published or saved.
#[derive(Clone, Debug, Default)]
pub(super) struct Publication {
    /// Round trips or ways have drifted: that may wait half a second.
    pub(super) has_drifted: bool,
    /// Links or readiness changed: that may wait a little.
    pub(super) is_stale: bool,
    /// Readiness or the ready leaf set changed.
    pub(super) is_urgent: bool,
    /// The good contacts changed.
    pub(super) is_unsaved: bool,
    /// When contacts were saved last.
    pub(super) saved_at: Option<Instant>,
    last: Option<Instant>,
}

impl Router {
    /// Reviews the leaf sets if anything they rest on changed, and publishes what others must see at once.
    pub(super) fn show_changes(&mut self, t: &mut Turn) {
        if self.ring.stale {
            self.review_ring(t);
        }
        self.publish_if_due(t);
    }

    /// Publishes now if it matters or the last time is long enough ago, otherwise a little later.
    pub(super) fn publish_if_due(&mut self, t: &mut Turn) {
        let Publication { has_drifted, is_stale, is_urgent, last, .. } = self.publication;
        if is_urgent || is_stale || has_drifted {
            let gather = if is_stale { GATHER } else { self.drift_pause(t.now) };
            let at = last.map_or(t.now, |last| last + gather);
            if is_urgent || at <= t.now {
                self.publish(t);
            } else {
                self.own.due.set_earlier(Due::View, at);
            }
        }
        if self.publication.is_unsaved {
            let at = self.publication.saved_at.map_or(t.now + SAVE_FIRST, |last| (last + SAVE_PAUSE).max(t.now));
            self.own.due.set_earlier(Due::Save, at);
        }
    }

    /// Publishes the view.
    pub(super) fn publish(&mut self, t: &mut Turn) {
        self.publication.is_stale = false;
        self.publication.is_urgent = false;
        self.publication.last = Some(t.now);
        self.own.due.clear(&Due::View);
        self.review_reach(t.now);
        self.publication.has_drifted = self.reach.is_stale();
        for peer in self.peers.iter_mut() {
            if let Link::Up { rtt, told, .. } = &mut peer.link {
                *told = rtt.smoothed();
            }
        }
        self.own.tally.count("router_views_total");
        t.out.push(Effect::Tell(Fact::View(Arc::new(self.view()))));
    }

    /// The occupied slots of the prefix table: digits shared with this node (0 to 63) and the next digit (0 to 15), and who
    /// stands there.
    pub fn slots(&self) -> impl Iterator<Item = ((u8, u8), &[Id])> {
        self.ring.table.slots()
    }

    /// How the routing stands, for people.
    pub(super) fn status(&self) -> RouterStatus {
        RouterStatus {
            id: self.own.id(),
            ready: self.join.is_ready(),
            state: self.join.describe(self.peers.links()),
            coordinate: self.own.coordinate,
            leaf_before: self.ring.all.before().to_vec(),
            leaf_after: self.ring.all.after().to_vec(),
            row_fill: self.ring.table.row_fill(),
            size_estimate: self.size_estimate(),
            peers: self.peers.iter().map(|peer| self.peer_status(peer)).collect(),
        }
    }

    /// Everything there is to read off.
    pub(super) fn read(&self, into: &mut Vec<Reading>) {
        let links = self.peers.links();
        let dialling = self.peers.iter().filter(|peer| matches!(peer.link, Link::Dialling { .. })).count();
        let gauges = [
            ("router_ready", usize::from(self.join.is_ready())),
            ("router_leafset_size", self.ring.all.len()),
            ("router_leafset_ready_size", self.ring.ready.len()),
            ("router_peers", self.peers.len()),
            ("router_links", links),
            ("router_links_wanted", self.peers.iter().filter(|peer| peer.wanted).count()),
            ("router_link_budget", self.own.tuning.link_budget),
            ("router_dials_outstanding", dialling),
            ("router_measures_outstanding", self.proximity.outstanding()),
            ("router_cards_checking", self.gossip.checking()),
            ("router_doubts", self.liveness.doubted()),
            ("router_unfitness", self.liveness.unfitness() as usize),
            ("router_graves", self.graves.len()),
            ("router_detours", self.reach.len()),
        ];
        into.extend(gauges.map(|(name, value)| Reading::gauge(name, value as f64)));
        into.extend(self.size_estimate().map(|size| Reading::gauge(SIZE_READING, size)));
        into.push(Reading::gauge("router_coordinate_error", f64::from(self.own.coordinate.error())));
        for (row, entries) in self.ring.table.row_entries().into_iter().enumerate() {
            into.push(Reading::gauge("router_rt_entries", entries as f64).labelled("row", row.to_string()));
        }
        into.push(Reading::counter("router_peers_given_way_total", self.peers.given_way()));
        into.push(Reading::counter("router_graves_given_way_total", self.graves.given_way()));
        self.own.tally.read(into);
    }

    fn view(&self) -> RouteView {
        let seen = |peer: &Peer| {
            let way = self.reach.way(peer);
            PeerView {
                contact: Arc::clone(&peer.contact),
                coordinate: peer.coordinate,
                way,
                ready: peer.ready && !peer.suspected,
            }
        };
        // A client roots nothing and asks nobody to confirm its leaf set: it has none to show.
        let leaf_set = if self.own.is_client() { LeafView::default() } else { self.ring.ready.view() };
        RouteView {
            me: Arc::clone(&self.own.me),
            bearing: self.bearing(),
            ready: self.join.is_ready(),
            peers: self.peers.iter().filter(|peer| peer.is_present()).map(seen).collect(),
            adverts: self.reach.ways(),
            leaf_set: LeafView { is_whole_ring: leaf_set.is_whole_ring && self.join.is_ready(), ..leaf_set },
        }
    }

    fn peer_status(&self, peer: &Peer) -> PeerStatus {
        let (me, id) = (self.own.id(), peer.id());
        let estimated_rtt = match peer.nearness(&self.own.coordinate) {
            Nearness::Measured(rtt) | Nearness::Predicted(rtt) => Some(rtt),
            Nearness::Unknown => None,
        };
        PeerStatus {
            id,
            address: peer.contact.address(),
            link_rtt: peer.link_rtt(),
            estimated_rtt,
            in_leaf_set: self.ring.all.contains(&id),
            row: me.shared_prefix(&id),
            in_table: self.ring.table.contains(&me, &id),
            ready: peer.ready,
            client: !peer.is_server(),
            suspected: peer.suspected,
        }
    }
}

/// Changes are gathered this long while they pour in. A guess: a view of 300 nodes costs 30 us.
const GATHER: Span = Span::from_millis(15);
/// Contacts are saved soon after the start, then at most this often. Guesses.
const SAVE_FIRST: Span = Span::from_secs(5);
const SAVE_PAUSE: Span = Span::from_secs(30);
