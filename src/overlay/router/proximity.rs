//! How near everybody is.
//!
//! Owns: this node's coordinate as it learns, and the linkless measuring of nodes that may be worth a
//! link.
//! Never does: have more echoes outstanding than its limit.

use super::Router;
use super::own::{Due, Turn};
use super::peers::Peer;
use crate::base::{Coordinate, Id, Instant, Span};
use crate::overlay::contract::Effect;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The echoes awaited.
#[derive(Clone, Debug, Default)]
pub(super) struct Proximity {
    outstanding: BTreeMap<Id, Instant>,
}

impl Proximity {
    /// How many echoes are awaited.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }
}

impl Router {
    /// What came of a measurement.
    pub(super) fn on_echo(&mut self, t: &mut Turn, id: Id, rtt: Option<Span>) {
        self.proximity.outstanding.remove(&id);
        self.own.soon(t.now, Due::Measure, MEASURE_PAUSE);
        let Some(peer) = self.peers.at(&id) else { return self.on_knock(t, &id, rtt.is_some()) };
        match rtt {
            Some(rtt) => {
                let is_news = peer.measured.is_none_or(|(before, _)| is_elsewhere(before, rtt));
                peer.measured = Some((rtt, t.now));
                peer.missed_echoes = 0;
                let there = peer.coordinate;
                self.learn_coordinate(there, rtt);
                if is_news {
                    self.plan_soon(t.now, PLAN_AFTER_ECHO);
                }
            }
            None => {
                peer.missed_echoes += 1;
                let gone = peer.missed_echoes >= ECHOES_MISSED_MAX && !peer.is_linked() && !peer.suspected;
                peer.measured = peer.measured.filter(|_| !gone);
                if gone {
                    self.bury(t, &id, "no_echo");
                }
            }
        }
    }

    /// A turn of measuring: those never measured first, then those whose echo failed or is old. Dials that never ended are
    /// forgotten.
    pub(super) fn measure_some(&mut self, t: &mut Turn) {
        self.proximity.outstanding.retain(|_, since| t.now.since(*since) < ECHO_FORGOTTEN);
        self.peers.forget_dials(t.now);
        // Who is near a joiner asks once it is in.
        let at_once = if self.join.is_settled() { MEASURES_MAX } else { 0 };
        let room = at_once.saturating_sub(self.proximity.outstanding.len());
        let old = |peer: &&Peer| {
            !peer.is_linked()
                && !peer.suspected
                && peer.is_server()
                && !self.proximity.outstanding.contains_key(&peer.id())
                && peer.measured.is_none_or(|(_, at)| t.now.since(at) > MEASURE_LASTS || peer.missed_echoes > 0)
        };
        let mut due: Vec<(Option<Instant>, u32, Id)> = self
            .peers
            .iter()
            .filter(old)
            .map(|peer| (peer.measured.map(|(_, at)| at), peer.missed_echoes, peer.id()))
            .collect();
        due.sort_unstable();
        let more = due.len() > room;
        for (_, _, id) in due.into_iter().take(room) {
            let Some(peer) = self.peers.find(&id) else { continue };
            self.proximity.outstanding.insert(id, t.now);
            self.own.tally.count("router_measures_total");
            t.out.push(Effect::Measure { contact: Arc::clone(&peer.contact) });
        }
        let wait = if more && at_once > 0 { MEASURE_PAUSE } else { MEASURE_IDLE };
        let wait = self.own.chance.jittered(wait, 0.2);
        self.own.due.set(Due::Measure, t.now + wait);
    }

    /// A node said on a link where it sees itself.
    pub(super) fn note_coordinate(&mut self, id: &Id, there: Coordinate) {
        let Some(peer) = self.peers.at(id) else { return };
        peer.coordinate = Some(there);
        // A client may be here for a moment, and knows little of its own place.
        if let Some(rtt) = peer.link_rtt().filter(|_| peer.is_server()) {
            self.learn_coordinate(Some(there), rtt);
        }
    }

    fn learn_coordinate(&mut self, there: Option<Coordinate>, rtt: Span) {
        if let Some(there) = there {
            let direction = std::array::from_fn(|_| self.own.chance.unit() as f32 - 0.5);
            self.own.coordinate.learn(&there, rtt, direction);
        }
    }
}

/// Whether two measurements of one way differ by so much that it may be worth another link.
fn is_elsewhere(before: Span, now: Span) -> bool {
    before.as_micros().abs_diff(now.as_micros()) * NEWS_SHARE > before.as_micros()
}

/// Echoes awaited at once: one packet each. A guess.
pub(super) const MEASURES_MAX: usize = 8;
/// Pause between turns while there is something to measure, and otherwise. Guesses.
pub(super) const MEASURE_PAUSE: Span = Span::from_millis(100);
const MEASURE_IDLE: Span = Span::from_secs(10);
/// A measurement is good for this long: paths across the Internet change within hours. A guess.
const MEASURE_LASTS: Span = Span::from_hours(2);
/// Echoes missed in a row that make a node without a link gone. A guess.
const ECHOES_MISSED_MAX: u32 = 2;
/// An echo the host never spoke of again.
const ECHO_FORGOTTEN: Span = Span::from_secs(10);
/// Round trips that differ by more than one in this many are news: links that are there count for more than that. A guess.
const NEWS_SHARE: u64 = 5;
/// Echoes are gathered before links are chosen again. A guess.
const PLAN_AFTER_ECHO: Span = Span::from_secs(1);
