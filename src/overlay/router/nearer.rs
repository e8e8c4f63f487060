//! Nearer contacts, found in what neighbours advertise.
//!
//! Owns: which nodes two links away may be nearer than those known for their slot, and asking the neighbour for
//! their cards. (Castro et al., MSR-TR-2003-52, gossip rows for this; adverts name more nodes, with their price.)
//! Never does: believe the sum of two round trips: it only says whom to measure.

use super::Router;
use super::own::Turn;
use super::table::{Slot, slot_of};
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
        for (via, prefix) in self.promising() {
            self.nearer.asked.insert(prefix);
            self.own.tally.count("router_nearer_asked_total");
            self.ask(t, via, About::Node(prefix));
        }
    }

    /// The most promising of each slot, and who named it; those that promise most.
    fn promising(&self) -> Vec<(Id, u64)> {
        let (me, per_slot) = (self.own.id(), self.own.tuning.contacts_per_slot);
        let mut held: BTreeMap<Slot, Span> = BTreeMap::new();
        let mut best: BTreeMap<Slot, (Span, Id, u64)> = BTreeMap::new();
        for advert in self.reach.adverts(&self.peers) {
            for entry in advert.links.iter() {
                let id = Id::from_prefix(entry.peer);
                let hoped = (advert.rtt + entry.rtt).scaled(HOPED);
                let Some(slot) = slot_of(&me, &id).filter(|_| !self.ring.all.has_place_for(&me, &id)) else { continue };
                let held = *held.entry(slot).or_insert_with(|| self.farthest_held(slot, per_slot));
                let better = hoped < held && best.get(&slot).is_none_or(|(other, ..)| hoped < *other);
                if better && !self.nearer.asked.contains(&entry.peer) && !self.knows(entry.peer) {
                    best.insert(slot, (hoped, advert.via, entry.peer));
                }
            }
        }
        let gain = |slot: &Slot, hoped: Span| held.get(slot).map_or(Span::ZERO, |held| held.saturating_sub(hoped));
        let mut ranked: Vec<(Span, Id, u64)> =
            best.iter().map(|(slot, (hoped, via, prefix))| (gain(slot, *hoped), *via, *prefix)).collect();
        ranked.sort_unstable_by(|one, other| other.cmp(one));
        ranked.into_iter().take(ASKED_AT_ONCE).map(|(_, via, prefix)| (via, prefix)).collect()
    }

    /// How near the farthest of a slot's contacts is, all being there.
    fn farthest_held(&self, slot: Slot, per_slot: usize) -> Span {
        let held = self.ring.table.slot(slot);
        let last = held.last().filter(|_| held.len() >= per_slot).and_then(|id| self.peers.find(id));
        last.and_then(super::Peer::rtt).unwrap_or(Span::MAX)
    }

    /// Whether a known node's id begins so, or this node's own.
    pub(super) fn knows(&self, prefix: u64) -> bool {
        prefix == self.own.id().prefix_u64() || self.peers.named(prefix).is_some()
    }
}

/// Nodes asked after in one turn: as many as are measured at once.
const ASKED_AT_ONCE: usize = super::proximity::MEASURES_MAX;
/// Pause between turns. A guess.
const SEEK_PAUSE: Span = Span::from_secs(2);
/// How long, and for how many nodes, it is remembered that they were asked after. Guesses.
const ASKED_FOR: Span = Span::from_mins(10);
const ASKED_MAX: usize = 1_024;
/// The round trip to a neighbour's neighbour as part of the sum of the two on the way. A guess.
const HOPED: f64 = 0.75;
