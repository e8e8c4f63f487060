//! The prefix table.
//!
//! Owns: which known nodes stand in which slot: one row per length of common prefix, one slot per next
//! digit, the nearest by measured round trip first.
//! Never does: measure, or keep a node that its slot has no room for.

use crate::base::{Id, Span};

/// Row (digits shared with this node) and next digit.
pub(super) type Slot = (u8, u8);

/// How near a node is, for choosing between contacts of one slot: measured beats predicted, nearer
/// beats farther. A predicted one never displaces a measured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    /// Measured on a link or by an echo.
    Measured(Span),
    /// Predicted by coordinates.
    Predicted(Span),
    /// Nothing is known.
    Unknown,
}

/// Base 16, up to `per_slot` contacts a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The occupied slots in order, and where the contacts of each begin.
    slots: Vec<(Slot, u32)>,
    /// The contacts, slot by slot, the nearest of each first.
    contacts: Vec<Id>,
}

impl Table {
    /// The best table of `me` among these nodes.
    pub(super) fn of(me: &Id, per_slot: usize, nodes: impl Iterator<Item = (Id, Nearness)>) -> Table {
        let mut ranked: Vec<(Slot, Nearness, Id)> =
            nodes.filter_map(|(id, nearness)| Some((slot_of(me, &id)?, nearness, id))).collect();
        ranked.sort_unstable();
        let mut table = Table::default();
        for same in ranked.chunk_by(|one, next| one.0 == next.0) {
            table.slots.push((same[0].0, table.contacts.len() as u32));
            table.contacts.extend(same.iter().take(per_slot).map(|(.., id)| *id));
        }
        table
    }

    /// Whether this node stands in its slot.
    pub(super) fn contains(&self, me: &Id, id: &Id) -> bool {
        slot_of(me, id).is_some_and(|slot| self.slot(slot).contains(id))
    }

    /// The contacts of one slot, nearest first.
    pub(super) fn slot(&self, slot: Slot) -> &[Id] {
        self.slots.binary_search_by_key(&slot, |(slot, _)| *slot).map_or(&[], |at| self.contacts_of(at))
    }

    /// The contacts of one row, slot by slot.
    pub(super) fn row(&self, row: u8) -> impl Iterator<Item = &[Id]> {
        let before = |first: Slot| self.slots.partition_point(|(slot, _)| *slot < first);
        (before((row, 0))..before((row, 16))).map(|at| self.contacts_of(at))
    }

    /// All occupied slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = (Slot, &[Id])> {
        self.slots.iter().enumerate().map(|(at, (slot, _))| (*slot, self.contacts_of(at)))
    }

    /// Occupied slots of each row, as far as there are any.
    pub(super) fn row_fill(&self) -> Vec<usize> {
        (0..self.rows()).map(|row| self.row(row).count()).collect()
    }

    /// Contacts of each row, as far as there are any.
    pub(super) fn row_entries(&self) -> Vec<usize> {
        (0..self.rows()).map(|row| self.row(row).map(<[Id]>::len).sum()).collect()
    }

    /// Rows that are not empty, and those before them.
    pub(super) fn rows(&self) -> u8 {
        self.slots.last().map_or(0, |((row, _), _)| row + 1)
    }

    fn contacts_of(&self, at: usize) -> &[Id] {
        let end = self.slots.get(at + 1).map_or(self.contacts.len(), |(_, next)| *next as usize);
        &self.contacts[self.slots[at].1 as usize..end]
    }
}

/// Where `id` belongs in the table of `me`; nowhere if it is the same.
pub(super) fn slot_of(me: &Id, id: &Id) -> Option<Slot> {
    let row = me.shared_prefix(id);
    (me != id).then(|| (row as u8, id.digit(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn near(kind: u8, millis: u64) -> Nearness {
        match kind {
            0 => Nearness::Measured(Span::from_millis(millis)),
            1 => Nearness::Predicted(Span::from_millis(millis)),
            _ => Nearness::Unknown,
        }
    }

    #[test]
    fn a_predicted_contact_does_not_displace_a_measured_one() {
        let ids: Vec<Id> = (0..3).map(|last| Id::ZERO.with_digit(0, 5).with_digit(63, last)).collect();
        let nodes = [(ids[0], near(0, 90)), (ids[1], near(1, 1)), (ids[2], near(0, 100))];
        let table = Table::of(&Id::ZERO, 2, nodes.into_iter());
        assert_eq!(table.slot((0, 5)), &[ids[0], ids[2]]);
    }

    proptest! {
        #[test]
        fn every_contact_stands_in_its_slot_and_the_nearest_are_kept(
            raw in prop::collection::btree_map(any::<[u8; 32]>(), (0u8..3, 0u64..500), 0..60),
            me in any::<[u8; 32]>(), per_slot in 1usize..4,
        ) {
            let me = Id::from_bytes(me);
            // Half of the nodes share digits with this one, so that deeper rows are met.
            let nodes: BTreeMap<Id, Nearness> = raw.into_iter().map(|(bytes, (kind, millis))| {
                let mut id = Id::from_bytes(bytes);
                for index in 0..usize::from(bytes[31] % 4) { id = id.with_digit(index, me.digit(index)); }
                (id, near(kind, millis))
            }).collect();
            let table = Table::of(&me, per_slot, nodes.iter().map(|(id, nearness)| (*id, *nearness)));
            for ((row, digit), ids) in table.slots() {
                prop_assert!(!ids.is_empty() && ids.len() <= per_slot);
                for id in ids {
                    prop_assert_eq!(me.shared_prefix(id), usize::from(row));
                    prop_assert_eq!(id.digit(usize::from(row)), digit);
                }
            }
            for (id, nearness) in nodes.iter().filter(|(id, _)| **id != me) {
                let slot = table.slot(slot_of(&me, id).expect("another node"));
                let kept = slot.contains(id);
                prop_assert_eq!(kept, table.contains(&me, id));
                prop_assert!(kept || (slot.len() == per_slot && slot.iter().all(|other| nodes[other] <= *nearness)));
            }
        }
    }
}
