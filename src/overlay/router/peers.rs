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
use crate::wire::probe::ReachEntry;
use std::sync::Arc;

/// One known node. Its contact is proven: by the host on a link, or by a checked signature.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    id: Id,
    pub(super) contact: Arc<Contact>,
    pub(super) coordinate: Option<Coordinate>,
    pub(super) link: Link,
    /// The last round trip measured, on a link or without, and when.
    pub(super) measured: Option<(Span, Instant)>,
    /// Echoes in a row that did not come.
    pub(super) missed_echoes: u32,
    /// Whether it says that it roots keys.
    pub(super) ready: bool,
    /// How many nodes its own leaf set tells of, by its own word; 0 if it has not said.
    pub(super) nodes_said: u32,
    /// When it was last heard from directly.
    pub(super) heard: Option<Instant>,
    /// Whether it is being asked after.
    pub(super) suspected: bool,
    pub(super) refused: Refused,
    pub(super) greeting: Greeting,
    /// Whether this node wants the link, so that it is kept alive.
    pub(super) wanted: bool,
    /// Whether the other end dialled the link there is: then it wants it, and keeps it alive.
    pub(super) theirs: bool,
}

/// What came of links to a node that had to give way, here or there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refused {
    /// Until when it is not to be dialled for the table's sake.
    pub(super) until: Option<Instant>,
    /// When that was last.
    pub(super) at: Option<Instant>,
    times: u32,
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
        /// Whether its other end, though heard, acknowledges nothing: the way there is broken.
        is_deaf: bool,
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

/// All known nodes, in the order of ids. Two plain lists: they are walked all the time, changed seldom, and in a
/// simulation of many nodes every line of memory touched is waited for.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    /// How the ids of `known` begin, to find one by.
    prefixes: Vec<u64>,
    known: Vec<Peer>,
    given_way: u64,
}

impl Peer {
    fn new(contact: Arc<Contact>, coordinate: Option<Coordinate>) -> Peer {
        Peer {
            id: contact.id(),
            contact,
            coordinate,
            link: Link::None,
            measured: None,
            missed_echoes: 0,
            ready: false,
            nodes_said: 0,
            heard: None,
            suspected: false,
            refused: Refused::default(),
            greeting: Greeting::Due,
            wanted: false,
            theirs: false,
        }
    }

    /// Who.
    pub(super) fn id(&self) -> Id {
        self.id
    }

    /// Whether it routes and stores for others.
    pub(super) fn is_server(&self) -> bool {
        self.contact.role() == Role::Server
    }

    /// Whether there is a live link.
    pub(super) fn is_linked(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether there is a link over which nothing arrives there, though something comes back.
    pub(super) fn is_deaf(&self) -> bool {
        matches!(self.link, Link::Up { is_deaf: true, .. })
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
        let pause = REFUSED * (1 << self.refused.times.min(REFUSALS_MAX));
        let until = Some(now + chance.jittered(pause, 0.5));
        self.refused = Refused { until, at: Some(now), times: self.refused.times + 1 };
    }

    /// How many nodes it says there are.
    pub(super) fn said_size(&self) -> Option<f64> {
        (self.nodes_said > 0).then(|| f64::from(self.nodes_said))
    }

    /// Its card, as others are told.
    pub(super) fn card(&self) -> Card {
        Card { contact: Arc::clone(&self.contact), coordinate: self.coordinate.unwrap_or_default() }
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
        let id = contact.id();
        let at = self.place(&id).unwrap_or_else(|at| {
            self.prefixes.insert(at, id.prefix_u64());
            self.known.insert(at, Peer::new(Arc::clone(&contact), coordinate));
            at
        });
        let peer = &mut self.known[at];
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
        let at = self.place(id).ok()?;
        self.prefixes.remove(at);
        Some(self.known.remove(at))
    }

    /// Makes room: beyond this many, nodes for which `keep` does not hold go, those not heard from for
    /// longest first.
    pub(super) fn make_room(&mut self, known_max: usize, keep: impl Fn(&Peer) -> bool) {
        let spare = self.known.iter().filter(|peer| !keep(peer));
        let mut spare: Vec<(Option<Instant>, Id)> = spare.map(|peer| (peer.heard, peer.id)).collect();
        spare.sort_unstable();
        for (_, id) in spare.into_iter().take(self.known.len().saturating_sub(known_max)) {
            self.remove(&id);
            self.given_way += 1;
        }
    }

    /// Forgets dials of which the host never spoke again.
    pub(super) fn forget_dials(&mut self, now: Instant) {
        for peer in &mut self.known {
            if matches!(peer.link, Link::Dialling { since } if now.since(since) > DIAL_FORGOTTEN) {
                peer.link = Link::None;
            }
        }
    }

    /// This node, to change.
    pub(super) fn at(&mut self, id: &Id) -> Option<&mut Peer> {
        let at = self.place(id).ok()?;
        Some(&mut self.known[at])
    }

    /// This node.
    pub(super) fn find(&self, id: &Id) -> Option<&Peer> {
        self.place(id).ok().map(|at| &self.known[at])
    }

    /// The known node whose id begins with these 64 bits.
    pub(super) fn named(&self, prefix: u64) -> Option<Id> {
        self.prefixes.binary_search(&prefix).ok().map(|at| self.known[at].id)
    }

    /// The far ends of these links, in the order of ids, that no known node's id begins with.
    pub(super) fn unnamed<'a>(&'a self, links: &'a [ReachEntry]) -> impl Iterator<Item = u64> + 'a {
        let mut known = self.prefixes.iter().peekable();
        links.iter().map(|entry| entry.peer).filter(move |prefix| {
            while known.next_if(|next| *next < prefix).is_some() {}
            known.peek() != Some(&prefix)
        })
    }

    /// Whether there is a live link to this node.
    pub(super) fn is_linked(&self, id: &Id) -> bool {
        self.find(id).is_some_and(Peer::is_linked)
    }

    /// The leaf set around a place among those that pass; whoever is at the very place is left out.
    pub(super) fn leaf_set(&self, place: &Id, per_side: usize, passes: impl Fn(&Peer) -> bool) -> LeafSet {
        let (smaller, larger) = match self.place(place) {
            Ok(at) => (&self.known[..at], &self.known[at + 1..]),
            Err(at) => self.known.split_at(at),
        };
        let id = |peer: &Peer| passes(peer).then_some(peer.id);
        let after = larger.iter().chain(smaller).filter_map(id);
        LeafSet::of(per_side, smaller.iter().rev().chain(larger.iter().rev()).filter_map(id), after)
    }

    /// All, in the order of ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.known.iter()
    }

    /// All, in the order of ids, to change.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.known.iter_mut()
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
        self.known.len()
    }

    /// How many were forgotten for want of room.
    pub(super) fn given_way(&self) -> u64 {
        self.given_way
    }

    /// Where this node stands among the known ones, or would stand.
    fn place(&self, id: &Id) -> Result<usize, usize> {
        let mut at = self.prefixes.partition_point(|prefix| *prefix < id.prefix_u64());
        // Ids that begin alike are as good as never met.
        while self.known.get(at).is_some_and(|peer| peer.id < *id) {
            at += 1;
        }
        if self.known.get(at).is_some_and(|peer| peer.id == *id) { Ok(at) } else { Err(at) }
    }
}

/// Nodes known beyond the link budget, candidates for links, some 300 bytes each: as many as are measured anew in a
/// few seconds. A guess.
pub(super) const KNOWN_SPARE: usize = 64;
/// A dial that never came to an end is forgotten: beyond any transport's handshake time-out.
const DIAL_FORGOTTEN: Span = Span::from_secs(20);
/// How long a refusal for want of room keeps a node from being dialled for the table's sake, and how often
/// that doubles at most: to half an hour. Guesses.
const REFUSED: Span = Span::from_secs(60);
const REFUSALS_MAX: u32 = 5;
/// Coordinates more wrong than this predict nothing: half of the way. A guess.
pub(super) const ERROR_OF_USE: f32 = 0.5;
/// How long after the last word of a node others are still told of it. A guess.
const TELL_FOR: Span = Span::from_mins(5);
