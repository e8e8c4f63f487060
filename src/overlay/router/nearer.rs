//! Nearer contacts, found in what neighbours advertise.
//!
//! Owns: which nodes two links away may be nearer than those known for their slot, and asking the neighbour for
//! their cards. (Castro et al., MSR-TR-2003-52, gossip rows for this; adverts name more nodes, with their price.)
//! Never does: believe the sum of two round trips: it only says whom to measure.

use super::Router;
use super::own::Turn;
use super::table::Slot;
use crate::base::{Id, Instant, Span};
use crate::wire::membership::About;
use std::collections::{BTreeMap, BTreeSet};

/// Whom this node asked after lately.
#[derive(Clone, Debug)]
pub(super) struct Nearer {
    asked: BTreeSet<u64>,
    since: Instant,
    next: Instant,
}

impl Nearer {
    pub(super) fn new() -> Nearer {
        Nearer { asked: BTreeSet::new(), since: Instant::ORIGIN, next: Instant::ORIGIN }
    }
}

impl Router {
    /// Asks after some nodes that promise to be nearer than the contacts of their slots.
    pub(super) fn seek_nearer(&mut self, t: &mut Turn) {
        if t.now < self.nearer.next {
            return;
        }
        self.nearer.next = t.now + SEEK_PAUSE;
        if t.now.since(self.nearer.since) > ASKED_FOR || self.nearer.asked.len() > ASKED_MAX {
            self.nearer.asked.clear();
            self.nearer.since = t.now;
        }
        let promising = self.promising();
        if promising.is_empty() {
            self.nearer.next = t.now + SEEK_AGAIN;
        }
        for (via, prefix) in promising {
            self.nearer.asked.insert(prefix);
            self.own.tally.count("router_nearer_asked_total");
            self.ask(t, via, About::Node(prefix));
        }
    }

    /// The most promising of each slot, and who named it; those that promise most.
    fn promising(&self) -> Vec<(Id, u64)> {
        let me = self.own.id();
        // By slot: the longest round trip that promises something, once it was looked up.
        let mut hopeful: [Option<Span>; SLOTS] = [None; SLOTS];
        let mut best: BTreeMap<Slot, (Span, Id, u64)> = BTreeMap::new();
        for advert in self.reach.adverts().iter() {
            for entry in advert.links.iter() {
                let Some(slot) = slot_of_prefix(me.prefix_u64(), entry.peer) else { continue };
                let at = usize::from(slot.0) * 16 + usize::from(slot.1);
                let hopeful = hopeful[at].get_or_insert_with(|| self.farthest_held(slot).scaled(1.0 / HOPED));
                let sum = advert.rtt + entry.rtt;
                if sum < *hopeful && self.is_stranger(&me, entry.peer) {
                    *hopeful = sum;
                    best.insert(slot, (sum.scaled(HOPED), advert.via, entry.peer));
                }
            }
        }
        let gain = |slot: &Slot, hoped: Span| self.farthest_held(*slot).saturating_sub(hoped);
        let mut ranked: Vec<(Span, Id, u64)> =
            best.iter().map(|(slot, (hoped, via, prefix))| (gain(slot, *hoped), *via, *prefix)).collect();
        ranked.sort_unstable_by(|one, other| other.cmp(one));
        ranked.into_iter().take(ASKED_AT_ONCE).map(|(_, via, prefix)| (via, prefix)).collect()
    }

    /// Whether it is worth asking after this node: it was not, is not known, and is no matter of the leaf set.
    fn is_stranger(&self, me: &Id, prefix: u64) -> bool {
        !self.nearer.asked.contains(&prefix)
            && !self.knows(prefix)
            && !self.ring.all.has_place_for(me, &Id::from_prefix(prefix))
    }

    /// How near the farthest of a slot's contacts is, all being there.
    pub(super) fn farthest_held(&self, slot: Slot) -> Span {
        let per_slot = self.own.tuning.contacts_per_slot;
        let held = self.ring.table.slot(slot);
        let last = held.last().filter(|_| held.len() >= per_slot).and_then(|id| self.peers.find(id));
        last.and_then(super::Peer::rtt).unwrap_or(SLOT_OPEN)
    }

    /// Whether a known node's id begins so, or this node's own.
    pub(super) fn knows(&self, prefix: u64) -> bool {
        prefix == self.own.id().prefix_u64() || self.peers.named(prefix).is_some()
    }
}

/// The slot of the node whose id begins so, as far as 64 bits tell.
fn slot_of_prefix(me: u64, prefix: u64) -> Option<Slot> {
    let row = (me ^ prefix).leading_zeros() / 4;
    (me != prefix).then(|| (row as u8, (prefix >> (60 - 4 * row)) as u8 & 15))
}

/// Slots of the 16 rows that 64 bits tell apart.
const SLOTS: usize = 16 * 16;
/// Stands for the round trip of a contact that is missing: longer than any.
pub(super) const SLOT_OPEN: Span = Span::from_secs(60);
/// Nodes asked after in one turn: what is learnt of one says which is worth asking after next. Eight at once made half as many
/// questions again, and paths no shorter (400 nodes, 48 links, sessions of 138 minutes, 2026-11-28).
const ASKED_AT_ONCE: usize = 1;
/// Pause between turns. A guess.
const SEEK_PAUSE: Span = Span::from_secs(2);
/// And where nobody promised to be nearer. A guess.
const SEEK_AGAIN: Span = Span::from_secs(15);
/// How long, and for how many nodes, it is remembered that they were asked after. Guesses.
const ASKED_FOR: Span = Span::from_hours(1);
const ASKED_MAX: usize = 1_024;
/// The round trip to a neighbour's neighbour as part of the sum of the two on the way. A guess.
const HOPED: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::super::table::slot_of;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_beginning_of_an_id_tells_its_slot(me in any::<[u8; 32]>(), raw in any::<[u8; 32]>(), shared in 0usize..16) {
            let (me, mut id) = (Id::from_bytes(me), Id::from_bytes(raw));
            for index in 0..shared { id = id.with_digit(index, me.digit(index)); }
            prop_assume!(!me.begins_like(&id));
            prop_assert_eq!(slot_of_prefix(me.prefix_u64(), id.prefix_u64()), slot_of(&me, &id));
        }
    }

    #[test]
    fn nobody_stands_in_a_slot_of_its_own_table() {
        assert_eq!(slot_of_prefix(7, 7), None);
    }
}
