//! What is known of each node.
//!
//! Owns: contact, coordinate, round trip, link, readiness and doubt of every node this one knows, up to
//! a limit.
//! Never does: judge, dial or speak.

use super::leaf_set::LeafSet;
use super::table::Nearness;
use crate::base::{Chance, Coordinate, Id, Instant, RttEstimate, Span};
use crate::identity::Contact;
use crate::identity::contact::Role;
use crate::wire::Card;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// One known node. Its contact is proven: by the host on a link, or by a checked signature.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) contact: Arc<Contact>,
    pub(super) coordinate: Option<Coordinate>,
    pub(super) link: Link,
    /// The last round trip measured, on a link or without, and when.
    pub(super) measured: Option<(Span, Instant)>,
    /// Echoes in a row that did not come.
    pub(super) missed_echoes: u32,
    /// Whether it says that it roots keys.
    pub(super) ready: bool,
    /// When it was last heard from directly.
    pub(super) heard: Option<Instant>,
    /// Whether it is being asked after.
    pub(super) suspected: bool,
    /// Until when it is not to be dialled for the table's sake, because it refused.
    pub(super) refused_until: Option<Instant>,
    /// When it last refused, or was refused.
    pub(super) refused_at: Option<Instant>,
    refusals: u32,
    pub(super) greeting: Greeting,
    /// Whether this node wants the link, so that it is kept alive.
    pub(super) wanted: bool,
    /// Whether the other end dialled the link there is: then it wants it, and keeps it alive.
    pub(super) theirs: bool,
}

/// The link to a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    /// There is none.
    None,
    /// This end dials.
    Dialling {
        /// Since when.
        since: Instant,
    },
    /// It is up.
    Up {
        /// Its round trip.
        rtt: RttEstimate,
        /// The round trip the other machines were told of.
        told: Span,
        /// Since when.
        since: Instant,
    },
}

/// How far the exchange of leaf sets with a node has come, since the link came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// It was not greeted.
    Due,
    /// It was sent an announcement.
    Sent {
        /// Its round.
        round: u32,
        /// When.
        at: Instant,
        /// How often in vain before.
        tries: u32,
    },
    /// It answered with its leaf set.
    Answered,
}

/// All known nodes, in the order of ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    by_id: BTreeMap<Id, Peer>,
    given_way: u64,
}

impl Peer {
    fn new(contact: Arc<Contact>, coordinate: Option<Coordinate>) -> Peer {
        Peer {
            contact,
            coordinate,
            link: Link::None,
            measured: None,
            missed_echoes: 0,
            ready: false,
            heard: None,
            suspected: false,
            refused_until: None,
            refused_at: None,
            refusals: 0,
            greeting: Greeting::Due,
            wanted: false,
            theirs: false,
        }
    }

    /// Who.
    pub(super) fn id(&self) -> Id {
        self.contact.id()
    }

    /// Whether it routes and stores for others.
    pub(super) fn is_server(&self) -> bool {
        self.contact.role() == Role::Server
    }

    /// Whether there is a live link.
    pub(super) fn is_linked(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether it may stand in a leaf set: a server with a link, or one whose link was just lost and
    /// that is being asked after.
    pub(super) fn is_present(&self) -> bool {
        self.is_server() && (self.is_linked() || self.suspected)
    }

    /// The link's smoothed round trip.
    pub(super) fn link_rtt(&self) -> Option<Span> {
        match self.link {
            Link::Up { rtt, .. } => Some(rtt.smoothed()),
            _ => None,
        }
    }

    /// The round trip as measured, on the link or without.
    pub(super) fn rtt(&self) -> Option<Span> {
        self.link_rtt().or(self.measured.map(|(rtt, _)| rtt))
    }

    /// How near it is as far as one can say from `here`.
    pub(super) fn nearness(&self, here: &Coordinate) -> Nearness {
        match (self.rtt(), &self.coordinate) {
            (Some(rtt), _) => Nearness::Measured(rtt),
            (None, Some(there)) if there.error() < ERROR_OF_USE && here.error() < ERROR_OF_USE => {
                Nearness::Predicted(here.rtt_to(there))
            }
            _ => Nearness::Unknown,
        }
    }

    /// The link had to give way here or there: it is remembered, longer with each time.
    pub(super) fn refuse(&mut self, now: Instant, chance: &mut Chance) {
        let pause = REFUSED * (1 << self.refusals.min(REFUSALS_MAX));
        self.refusals += 1;
        self.refused_at = Some(now);
        self.refused_until = Some(now + chance.jittered(pause, 0.5));
    }

    /// Its card, as others are told.
    pub(super) fn card(&self) -> Card {
        Card { contact: (*self.contact).clone(), coordinate: self.coordinate.unwrap_or_default() }
    }

    /// Whether others may be told of it: heard from or measured not long ago.
    pub(super) fn is_worth_telling(&self, now: Instant) -> bool {
        let fresh = |at: Instant| now.since(at) < TELL_FOR;
        self.is_server()
            && !self.suspected
            && (self.is_linked() || self.heard.is_some_and(fresh) || self.measured.is_some_and(|(_, at)| fresh(at)))
    }
}

impl Peers {
    /// Learns of a node, or of its newer contact. With the link up or its signature checked.
    pub(super) fn learn(&mut self, contact: Arc<Contact>, coordinate: Option<Coordinate>) -> &mut Peer {
        let peer = self.by_id.entry(contact.id()).or_insert_with(|| Peer::new(Arc::clone(&contact), coordinate));
        if contact.supersedes(&peer.contact) {
            peer.contact = contact;
        }
        if coordinate.is_some() {
            peer.coordinate = coordinate;
        }
        peer
    }

    /// Forgets a node.
    pub(super) fn remove(&mut self, id: &Id) -> Option<Peer> {
        self.by_id.remove(id)
    }

    /// Makes room: beyond the limit, nodes for which `keep` does not hold go, those not heard from for
    /// longest first.
    pub(super) fn make_room(&mut self, keep: impl Fn(&Peer) -> bool) {
        if self.by_id.len() <= KNOWN_MAX {
            return;
        }
        let mut spare: Vec<(Option<Instant>, Id)> =
            self.by_id.values().filter(|peer| !keep(peer)).map(|peer| (peer.heard, peer.id())).collect();
        spare.sort_unstable();
        for (_, id) in spare.into_iter().take(self.by_id.len() - KNOWN_MAX) {
            self.by_id.remove(&id);
            self.given_way += 1;
        }
    }

    /// This node, to change.
    pub(super) fn at(&mut self, id: &Id) -> Option<&mut Peer> {
        self.by_id.get_mut(id)
    }

    /// This node.
    pub(super) fn find(&self, id: &Id) -> Option<&Peer> {
        self.by_id.get(id)
    }

    /// The known node whose id begins with these 64 bits.
    pub(super) fn named(&self, prefix: u64) -> Option<Id> {
        let first = Id::from_prefix(prefix);
        self.by_id.range(first..).next().map(|(id, _)| *id).filter(|id| id.begins_like(&first))
    }

    /// Whether there is a live link to this node.
    pub(super) fn is_linked(&self, id: &Id) -> bool {
        self.by_id.get(id).is_some_and(Peer::is_linked)
    }

    /// The leaf set around a place among those that pass; whoever is at the very place is left out.
    pub(super) fn leaf_set(&self, place: &Id, per_side: usize, passes: impl Fn(&Peer) -> bool) -> LeafSet {
        let id = |(id, peer): (&Id, &Peer)| passes(peer).then_some(*id);
        let smaller = || self.by_id.range(..*place);
        let larger = || self.by_id.range((Bound::Excluded(*place), Bound::Unbounded));
        let after = larger().chain(smaller()).filter_map(id);
        LeafSet::of(per_side, smaller().rev().chain(larger().rev()).filter_map(id), after)
    }

    /// All, in the order of ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.by_id.values()
    }

    /// All, in the order of ids, to change.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.by_id.values_mut()
    }

    /// All with a live link, in the order of ids.
    pub(super) fn linked(&self) -> impl Iterator<Item = &Peer> {
        self.iter().filter(|peer| peer.is_linked())
    }

    /// How many live links there are.
    pub(super) fn links(&self) -> usize {
        self.linked().count()
    }

    /// How many nodes are known.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many were forgotten for want of room.
    pub(super) fn given_way(&self) -> u64 {
        self.given_way
    }
}

/// Nodes known beside those with a link or a place in the tables: enough for everybody to know everybody
/// in a small network, about 150 KiB. A guess.
pub(super) const KNOWN_MAX: usize = 320;
/// How long a refusal for want of room keeps a node from being dialled for the table's sake, and how often
/// that doubles at most: to half an hour. Guesses.
const REFUSED: Span = Span::from_secs(60);
const REFUSALS_MAX: u32 = 5;
/// Coordinates more wrong than this predict nothing: half of the way. A guess.
const ERROR_OF_USE: f32 = 0.5;
/// How long after the last word of a node others are still told of it. A guess.
const TELL_FOR: Span = Span::from_mins(5);
