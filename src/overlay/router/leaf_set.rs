//! The nodes next to this one on the ring.
//!
//! Owns: which of a set of nodes are the nearest on each side, and whether the sides meet.
//! Never does: know who is alive or ready; it is told whom to choose from.

use crate::base::Id;
use crate::overlay::view::LeafView;
use std::collections::BTreeSet;

/// Up to `per_side` nearest nodes on each side, nearest first. In a small network a node may stand on
/// both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeafSet {
    before: Vec<Id>,
    after: Vec<Id>,
    per_side: usize,
    is_whole_ring: bool,
}

impl LeafSet {
    /// The leaf set of `me` among these ids, which are in order and distinct.
    pub(super) fn around(me: &Id, per_side: usize, ids: &[Id]) -> LeafSet {
        let split = ids.partition_point(|id| id < me);
        let skip = usize::from(ids.get(split) == Some(me));
        let (smaller, larger) = (&ids[..split], &ids[split + skip..]);
        let after = larger.iter().chain(smaller).copied();
        let before = smaller.iter().rev().chain(larger.iter().rev()).copied();
        LeafSet::of(per_side, before, after)
    }

    /// The leaf set of a node that sees these on either side, nearest first and each side all the way round. No more of
    /// them is looked at than it takes.
    pub(super) fn of(per_side: usize, before: impl Iterator<Item = Id>, after: impl Iterator<Item = Id>) -> LeafSet {
        // With 2 * per_side others the sides touch but do not overlap: a node between their ends may be
        // unknown, so the whole ring is claimed only below that.
        let mut after: Vec<Id> = after.take(2 * per_side).collect();
        let is_whole_ring = after.len() < 2 * per_side;
        after.truncate(per_side);
        LeafSet { before: before.take(per_side).collect(), after, per_side, is_whole_ring }
    }

    /// Counter-clockwise, nearest first.
    pub(super) fn before(&self) -> &[Id] {
        &self.before
    }

    /// Clockwise, nearest first.
    pub(super) fn after(&self) -> &[Id] {
        &self.after
    }

    /// The nearest on each side.
    pub(super) fn next_ones(&self) -> BTreeSet<Id> {
        self.before.first().into_iter().chain(self.after.first()).copied().collect()
    }

    /// The members that `me`, whose set this is, does not expect in the set of this one of them: they are more than a side away.
    pub(super) fn beyond(&self, me: &Id, member: &Id) -> Vec<Id> {
        let line: Vec<Id> = self.before.iter().rev().chain([me]).chain(&self.after).copied().collect();
        let Some(place) = line.iter().position(|id| id == member).filter(|_| !self.is_whole_ring) else {
            return Vec::new();
        };
        let far = |(index, _): &(usize, Id)| index.abs_diff(place) > self.per_side;
        line.into_iter().enumerate().filter(far).map(|(_, id)| id).collect()
    }

    /// Whether the sides meet: the members are the whole network.
    pub(super) fn is_whole_ring(&self) -> bool {
        self.is_whole_ring
    }

    /// How the ids of all members begin.
    pub(super) fn prefixes(&self) -> Vec<u64> {
        self.iter().map(|id| id.prefix_u64()).collect()
    }

    /// All members, each once.
    pub(super) fn iter(&self) -> impl Iterator<Item = Id> + '_ {
        // Where the whole ring is not known the sides do not overlap: see [`LeafSet::of`].
        self.before
            .iter()
            .chain(self.after.iter().filter(|id| !self.is_whole_ring || !self.before.contains(id)))
            .copied()
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether this node is a member.
    pub(super) fn contains(&self, id: &Id) -> bool {
        self.is_within(id) && (self.before.contains(id) || self.after.contains(id))
    }

    /// Whether this id lies between the ends or is one of them, as all do where the ring is known whole: of many known
    /// nodes few do.
    pub(super) fn is_within(&self, id: &Id) -> bool {
        match (self.before.last(), self.after.last()) {
            (Some(first), Some(last)) if !self.is_whole_ring => id == first || id.is_between(first, last),
            _ => true,
        }
    }

    /// Whether this id would be a member if it were there.
    pub(super) fn has_place_for(&self, me: &Id, id: &Id) -> bool {
        let is_short = self.before.len() < self.per_side || self.after.len() < self.per_side;
        id != me && (is_short || self.is_within(id))
    }

    /// The form in which the other machines see it.
    pub(super) fn view(&self) -> LeafView {
        LeafView { before: self.before.clone(), after: self.after.clone(), is_whole_ring: self.is_whole_ring }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(me: &Id, per_side: usize, ids: &BTreeSet<Id>) -> (Vec<Id>, Vec<Id>) {
        let mut after: Vec<Id> = ids.iter().filter(|id| *id != me).copied().collect();
        let mut before = after.clone();
        after.sort_by_key(|id| me.clockwise(id));
        before.sort_by_key(|id| id.clockwise(me));
        after.truncate(per_side);
        before.truncate(per_side);
        (before, after)
    }

    #[test]
    fn alone_the_ring_is_whole_and_everybody_has_a_place() {
        let set = LeafSet::around(&Id::ZERO, 4, &[]);
        assert!(set.view().is_whole_ring && set.len() == 0);
        assert!(set.has_place_for(&Id::ZERO, &Id::MAX) && !set.has_place_for(&Id::ZERO, &Id::ZERO));
    }

    #[test]
    fn two_full_sides_that_only_touch_do_not_claim_the_whole_ring() {
        let ids: Vec<Id> = (1..=8).map(|digit| Id::ZERO.with_digit(0, digit)).collect();
        assert!(!LeafSet::around(&Id::ZERO, 4, &ids).view().is_whole_ring);
        assert!(LeafSet::around(&Id::ZERO, 4, &ids[..7]).view().is_whole_ring);
    }

    #[test]
    fn whom_a_member_does_not_know_is_more_than_a_side_away_from_it() {
        let id = |digit: u8| Id::ZERO.with_digit(0, digit);
        let ids: Vec<Id> = (1..=15).map(id).collect();
        let set = LeafSet::around(&id(8), 4, &ids);
        // 4 5 6 7 (8) 9 10 11 12
        assert_eq!(set.beyond(&id(8), &id(6)), [id(11), id(12)]);
        assert_eq!(set.beyond(&id(8), &id(9)), [id(4)]);
        assert_eq!((set.beyond(&id(8), &id(2)), set.beyond(&id(8), &id(4)).len()), (vec![], 4));
        assert_eq!(LeafSet::around(&id(8), 4, &ids[4..11]).beyond(&id(8), &id(5)), []);
    }

    proptest! {
        #[test]
        fn holds_the_nearest_of_each_side(
            raw in prop::collection::btree_set(any::<[u8; 32]>(), 0..40), me in any::<[u8; 32]>(), per_side in 1usize..9,
            stranger in any::<[u8; 32]>(),
        ) {
            let (me, stranger) = (Id::from_bytes(me), Id::from_bytes(stranger));
            let mut ids: BTreeSet<Id> = raw.into_iter().map(Id::from_bytes).collect();
            let sorted: Vec<Id> = ids.iter().copied().collect();
            let set = LeafSet::around(&me, per_side, &sorted);
            let (before, after) = naive(&me, per_side, &ids);
            prop_assert_eq!(set.before(), &before[..]);
            prop_assert_eq!(set.after(), &after[..]);
            prop_assume!(stranger != me);
            ids.insert(stranger);
            let (before, after) = naive(&me, per_side, &ids);
            if before.contains(&stranger) || after.contains(&stranger) {
                prop_assert!(set.has_place_for(&me, &stranger));
            } else {
                prop_assert!(!set.has_place_for(&me, &stranger));
            }
        }
    }
}
