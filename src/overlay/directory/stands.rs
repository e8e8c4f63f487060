//! For what this node stands in for others, and who stands in for it.
//!
//! Owns: the values held under a lease, with one interest each, the leases given to others, and when both end.
//! Never does: send, or judge whether a lease is worth its messages.

use crate::base::{Id, Instant};
use crate::overlay::view::Interest;
use crate::wire::object::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Both sides of one shard.
pub(super) struct Stands {
    held: BTreeMap<Id, Stand>,
    /// The next moment at which something is due for what is held, for each.
    by_turn: BTreeSet<(Instant, Id)>,
    by_granter: BTreeMap<Id, usize>,
    bytes: u64,
    bytes_max: u64,
    given: BTreeMap<(Id, Id), Given>,
    by_end: BTreeSet<(Instant, Id, Id)>,
    /// What was answered here under leases that have ended, until it is told to whoever is asked next.
    untold: BTreeMap<Id, u32>,
    interest: Arc<Interest>,
}

/// What this node answers for another.
#[derive(Clone, Debug)]
pub(super) struct Stand {
    pub(super) held: Held,
    /// Who gave the lease.
    pub(super) granter: Id,
    pub(super) until: Instant,
    /// Answered since the lease began, or since that was told.
    pub(super) served: u32,
    /// Requests a second in the whole network, by the granter's word.
    pub(super) demand: f64,
    /// Whether the granter knows this node by name, and is told before the lease ends.
    pub(super) is_enlisted: bool,
    /// Where it is among the turns.
    turn: Instant,
}

/// The thing itself.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Value(Value),
    /// Pointers: they are among those kept in passing.
    Claims,
}

/// A lease given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) until: Instant,
    /// The other would not have it: it is not asked again before then.
    pub(super) is_declined: bool,
}

/// What is due for something held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The granter is to be told how much was answered.
    Tell { root: Id, granter: Id, served: u32 },
    /// The lease has ended, with so much untold.
    Ended { root: Id, granter: Id, served: u32, is_enlisted: bool, is_immutable: bool },
}

impl Stands {
    pub(super) fn new(bytes_max: u64, interest: Arc<Interest>) -> Stands {
        Stands {
            held: BTreeMap::new(),
            by_turn: BTreeSet::new(),
            by_granter: BTreeMap::new(),
            bytes: 0,
            bytes_max,
            given: BTreeMap::new(),
            by_end: BTreeSet::new(),
            untold: BTreeMap::new(),
            interest,
        }
    }

    /// All that is held.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Id, &Stand)> {
        self.held.iter()
    }

    /// What is held under this id.
    pub(super) fn get(&self, root: &Id) -> Option<&Stand> {
        self.held.get(root)
    }

    /// The value held under this id, which is now answered once more.
    pub(super) fn serve(&mut self, root: &Id) -> Option<Value> {
        let stand = self.held.get_mut(root)?;
        let Held::Value(value) = &stand.held else { return None };
        stand.served = stand.served.saturating_add(1);
        Some(value.clone())
    }

    /// The pointers under this id are answered once more.
    pub(super) fn serve_claims(&mut self, root: &Id) {
        if let Some(stand) = self.held.get_mut(root).filter(|stand| matches!(stand.held, Held::Claims)) {
            stand.served = stand.served.saturating_add(1);
        }
    }

    /// Whether there is room for so many bytes by this granter under this id.
    pub(super) fn has_room(&self, root: &Id, granter: &Id, bytes: u64) -> bool {
        let replaced = self.held.get(root);
        let after = self.bytes - replaced.map_or(0, Stand::bytes) + bytes + STAND_BYTES;
        let of_granter = self.by_granter.get(granter).copied().unwrap_or(0);
        bytes <= self.bytes_max / LARGEST_SHARE
            && after <= self.bytes_max
            && (replaced.is_some() || (self.held.len() < HELD_MAX && of_granter < HELD_MAX / GRANTER_SHARE))
    }

    /// Takes something under a lease, for which there is room.
    pub(super) fn hold(&mut self, now: Instant, root: Id, mut stand: Stand) {
        let old = self.drop_held(&root);
        stand.served = stand.served.saturating_add(old.map_or(0, |old| old.served));
        stand.turn = stand.first_turn(now);
        if matches!(stand.held, Held::Value(_)) {
            self.interest.add(&root);
        }
        self.bytes += stand.bytes();
        *self.by_granter.entry(stand.granter).or_insert(0) += 1;
        self.by_turn.insert((stand.turn, root));
        self.held.insert(root, stand);
    }

    /// A lease goes on: the same thing for longer.
    pub(super) fn extend(&mut self, now: Instant, root: &Id, (granter, until): (Id, Instant), demand: f64) {
        let Some(mut stand) = self.drop_held(root) else { return };
        if until > stand.until {
            (stand.granter, stand.until) = (granter, until);
        }
        stand.demand = demand;
        self.hold(now, *root, stand);
    }

    /// Takes out what is held under this id.
    pub(super) fn drop_held(&mut self, root: &Id) -> Option<Stand> {
        let stand = self.held.remove(root)?;
        if matches!(stand.held, Held::Value(_)) {
            self.interest.remove(root);
        }
        self.bytes -= stand.bytes();
        self.by_turn.remove(&(stand.turn, *root));
        if let Some(count) = self.by_granter.get_mut(&stand.granter) {
            *count -= 1;
            if *count == 0 {
                self.by_granter.remove(&stand.granter);
            }
        }
        Some(stand)
    }

    /// The next thing that is due for what is held.
    pub(super) fn next_turn(&mut self, now: Instant) -> Option<Turn> {
        let (_, root) = *self.by_turn.first().filter(|(at, _)| *at <= now)?;
        let stand = self.held.get_mut(&root)?;
        let (granter, served) = (stand.granter, stand.served);
        if now < stand.until {
            stand.served = 0;
            self.by_turn.remove(&(stand.turn, root));
            stand.turn = stand.until;
            self.by_turn.insert((stand.turn, root));
            return Some(Turn::Tell { root, granter, served });
        }
        let (is_enlisted, is_immutable) = (stand.is_enlisted, stand.is_immutable());
        self.drop_held(&root);
        Some(Turn::Ended { root, granter, served, is_enlisted, is_immutable })
    }

    /// Keeps in mind what was answered under a lease nobody asks after.
    pub(super) fn note_untold(&mut self, root: Id, served: u32) {
        if served == 0 {
            return;
        }
        *self.untold.entry(root).or_insert(0) += served;
        if self.untold.len() > UNTOLD_MAX {
            self.untold.pop_first();
        }
    }

    /// What is to be told about this id, once.
    pub(super) fn tell(&mut self, root: &Id) -> u32 {
        self.untold.remove(root).unwrap_or(0)
    }

    /// Notes a lease given, or one that was declined.
    pub(super) fn give(&mut self, root: Id, peer: Id, given: Given) -> bool {
        if let Some(old) = self.given.get(&(root, peer)) {
            self.by_end.remove(&(old.until, root, peer));
        } else if self.given.len() >= GIVEN_MAX {
            return false;
        }
        self.by_end.insert((given.until, root, peer));
        self.given.insert((root, peer), given);
        true
    }

    /// The lease this peer has of this.
    pub(super) fn given(&self, root: &Id, peer: &Id) -> Option<Given> {
        self.given.get(&(*root, *peer)).copied()
    }

    /// Who stands in for this node under this id, and until when.
    pub(super) fn representatives(&self, root: &Id) -> Vec<(Id, Instant)> {
        let of_root = self.given.range((*root, Id::ZERO)..=(*root, Id::MAX));
        of_root.filter(|(_, given)| !given.is_declined).map(|((_, peer), given)| (*peer, given.until)).collect()
    }

    /// Forgets the leases given of this; gives back whose they were.
    pub(super) fn recall(&mut self, root: &Id) -> Vec<Id> {
        let peers = self.representatives(root);
        for (peer, until) in &peers {
            self.given.remove(&(*root, *peer));
            self.by_end.remove(&(*until, *root, *peer));
        }
        peers.into_iter().map(|(peer, _)| peer).collect()
    }

    /// Forgets the leases given that have ended.
    pub(super) fn expire_given(&mut self, now: Instant) {
        while let Some((until, root, peer)) = self.by_end.first().copied().filter(|(until, _, _)| *until <= now) {
            self.by_end.remove(&(until, root, peer));
            self.given.remove(&(root, peer));
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        let held = self.by_turn.first().map(|(at, _)| *at);
        let given = self.by_end.first().map(|(at, _, _)| *at);
        held.into_iter().chain(given).min()
    }

    /// How many things are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Bytes of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many leases are given, declined ones included.
    pub(super) fn given_len(&self) -> usize {
        self.given.len()
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.held.len() <= HELD_MAX && self.bytes <= self.bytes_max);
        assert_eq!(self.held.len(), self.by_turn.len());
        assert_eq!(self.given.len(), self.by_end.len());
        assert_eq!(self.by_granter.values().sum::<usize>(), self.held.len());
        assert!(self.given.len() <= GIVEN_MAX && self.untold.len() <= UNTOLD_MAX);
    }
}

impl Stand {
    /// Something held until then, that was answered `served` times already.
    pub(super) fn new(held: Held, granter: Id, until: Instant, demand: f64, is_enlisted: bool) -> Stand {
        Stand { held, granter, until, served: 0, demand, is_enlisted, turn: until }
    }

    /// Whether it can never change.
    pub(super) fn is_immutable(&self) -> bool {
        matches!(self.held, Held::Value(Value::Blob(_)))
    }

    /// Which version it is; 0 for a blob and for pointers.
    pub(super) fn version(&self) -> u64 {
        match &self.held {
            Held::Value(value) => value.version(),
            Held::Claims => 0,
        }
    }

    fn bytes(&self) -> u64 {
        let bytes = match &self.held {
            Held::Value(value) => value.len() as u64,
            Held::Claims => 0,
        };
        bytes + STAND_BYTES
    }

    /// When to do something about it: a last part of the lease is left for the answer to what is told.
    fn first_turn(&self, now: Instant) -> Instant {
        // Pointers never last longer than they were to: theirs can only be given anew.
        match self.is_enlisted && matches!(self.held, Held::Value(_)) {
            true => now + now.until(self.until).scaled(TOLD_AFTER),
            false => self.until,
        }
    }
}

/// Things held by one shard. A guess: more than its bytes allow of all but the smallest.
const HELD_MAX: usize = 16_384;
/// One granter's may be one part in this of them: nobody fills the table alone. A guess.
const GRANTER_SHARE: usize = 4;
/// What an entry takes beside its bytes, about.
const STAND_BYTES: u64 = 256;
/// The largest thing held takes one part in this of the room: one of several.
const LARGEST_SHARE: u64 = 4;
/// Leases given by one shard. A guess: hundreds for each of a dozen hot objects.
const GIVEN_MAX: usize = 8_192;
/// Ended leases of which something is to be told. A guess.
const UNTOLD_MAX: usize = 1_024;
/// The granter is told when so much of the lease is over, so that its answer comes in time. A guess.
pub(super) const TOLD_AFTER: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::wire::Blob;
    use proptest::prelude::*;

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Span::from_secs(secs)
    }

    fn blob(bytes: usize) -> Held {
        Held::Value(Value::Blob(Blob::from(vec![1; bytes])))
    }

    fn stands() -> (Stands, Arc<Interest>) {
        let interest = Arc::new(Interest::new((1, 2)));
        (Stands::new(100_000, Arc::clone(&interest)), interest)
    }

    #[test]
    fn what_was_answered_is_told_before_the_lease_ends_and_the_rest_at_its_end() {
        let (mut stands, interest) = stands();
        let (root, granter) = (Id::hash_of(b"object"), Id::MAX);
        stands.hold(at(0), root, Stand::new(blob(10), granter, at(100), 1.0, true));
        assert!(interest.contains(&root) && stands.serve(&root).is_some() && stands.serve(&root).is_some());
        assert_eq!(stands.next_turn(at(74)), None);
        assert_eq!(stands.next_turn(at(75)), Some(Turn::Tell { root, granter, served: 2 }));
        assert!(stands.serve(&root).is_some());
        assert_eq!((stands.next_turn(at(99)), stands.next()), (None, Some(at(100))));
        stands.extend(at(80), &root, (granter, at(200)), 1.0);
        assert_eq!(stands.next(), Some(at(170)));
        assert_eq!(stands.next_turn(at(170)), Some(Turn::Tell { root, granter, served: 1 }));
        let ended = Turn::Ended { root, granter, served: 0, is_enlisted: true, is_immutable: true };
        assert_eq!(stands.next_turn(at(200)), Some(ended));
        assert!(interest.is_empty() && stands.len() == 0 && stands.bytes() == 0);
    }

    #[test]
    fn a_lease_nobody_asks_after_ends_in_silence() {
        let (mut stands, _) = stands();
        let root = Id::hash_of(b"object");
        stands.hold(at(0), root, Stand::new(blob(10), Id::MAX, at(100), 1.0, false));
        assert_eq!(stands.next(), Some(at(100)));
        stands.serve(&root);
        let ended = Turn::Ended { root, granter: Id::MAX, served: 1, is_enlisted: false, is_immutable: true };
        assert_eq!(stands.next_turn(at(100)), Some(ended));
        stands.note_untold(root, 1);
        assert_eq!((stands.tell(&root), stands.tell(&root)), (1, 0));
    }

    #[test]
    fn one_granter_cannot_fill_the_table_and_nothing_takes_most_of_the_room() {
        let (mut stands, _) = (Stands::new(u64::MAX / 2, Arc::new(Interest::new((1, 2)))), ());
        for number in 0..HELD_MAX / GRANTER_SHARE {
            let root = Id::hash_of(&number.to_le_bytes());
            assert!(stands.has_room(&root, &Id::MAX, 1));
            stands.hold(at(0), root, Stand::new(blob(1), Id::MAX, at(9), 1.0, true));
        }
        assert!(!stands.has_room(&Id::ZERO, &Id::MAX, 1) && stands.has_room(&Id::ZERO, &Id::ZERO, 1));
        let small = Stands::new(1_000, Arc::new(Interest::new((1, 2))));
        assert!(small.has_room(&Id::ZERO, &Id::ZERO, 250) && !small.has_room(&Id::ZERO, &Id::ZERO, 251));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_leaks_whatever_is_held_and_given(
            steps in prop::collection::vec((0u8..5, 0u8..8, 0u8..4, 0u64..40), 0..120)
        ) {
            let (mut stands, interest) = stands();
            let mut now = at(0);
            for (what, name, peer, span) in steps {
                let (root, peer) = (Id::hash_of(&[name]), Id::hash_of(&[100 + peer]));
                let until = now + Span::from_secs(span);
                match what {
                    0 if stands.has_room(&root, &peer, 20) => {
                        let held = if name % 2 == 0 { blob(20) } else { Held::Claims };
                        stands.hold(now, root, Stand::new(held, peer, until, 1.0, span % 2 == 0));
                    }
                    1 => _ = stands.give(root, peer, Given { until, is_declined: span % 3 == 0 }),
                    2 => _ = stands.drop_held(&root),
                    3 => _ = stands.recall(&root),
                    _ => {
                        now += Span::from_secs(span);
                        while stands.next_turn(now).is_some() {}
                        stands.expire_given(now);
                    }
                }
                stands.assert_invariants();
                let values = stands.held.values().filter(|stand| matches!(stand.held, Held::Value(_))).count();
                prop_assert_eq!(interest.len(), values);
            }
            now += Span::from_secs(100);
            while stands.next_turn(now).is_some() {}
            stands.expire_given(now);
            prop_assert!(interest.is_empty() && stands.next().is_none() && stands.bytes() == 0);
        }
    }
}
