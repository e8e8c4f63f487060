//! Tables filled by constrained gossip.
//!
//! Owns: the rounds in which each node asks, for each row of its table, one node of that row for the same row, and keeps
//! the nearest (Castro, Druschel, Hu and Rowstron, MSR-TR-2003-52).
//! Never does: look at a node that nobody it knows has named.

use super::Recipe;
use super::slots::Slots;
use crate::base::{Chance, Span};
use crate::sim::underlay::Underlay;

/// The slots of all nodes: of each node row after row, in each slot the nearest met, nearest first.
pub(super) struct Gossip<'a> {
    slots: Vec<Vec<Vec<(Span, u32)>>>,
    /// Slots in a row.
    width: usize,
    per_slot: usize,
    underlay: &'a dyn Underlay,
    /// Round trips measured by all nodes together.
    pub(super) measured: u64,
}

impl<'a> Gossip<'a> {
    /// Each slot begins with as many contacts as it has room for, drawn evenly; then the rounds pass.
    pub(super) fn settled(
        slots: &mut Slots,
        nodes: usize,
        recipe: &Recipe,
        underlay: &'a dyn Underlay,
        chance: &mut Chance,
    ) -> Gossip<'a> {
        let (width, per_slot) = (1 << recipe.slot_bits, recipe.contacts_per_slot);
        let mut gossip = Gossip { slots: Vec::new(), width, per_slot, underlay, measured: 0 };
        for node in 0..nodes {
            let ranges = slots.ranges(node);
            gossip.slots.push(vec![Vec::new(); ranges.len()]);
            for (slot, range) in ranges.into_iter().enumerate().filter(|(_, range)| !range.is_empty()) {
                for _ in 0..per_slot {
                    gossip.meet(node, slot, (range.start + chance.index(range.len())) as u32);
                }
            }
        }
        for _ in 0..recipe.gossip_rounds {
            (0..nodes).for_each(|node| gossip.ask(node, chance));
        }
        gossip
    }

    /// What this node keeps in each slot, nearest first.
    pub(super) fn kept(&self, node: usize) -> impl Iterator<Item = Vec<usize>> {
        self.slots[node].iter().map(|slot| slot.iter().map(|(_, peer)| *peer as usize).collect())
    }

    /// One round of one node: for each row somebody of that row is asked for it. What is named in this node's own slot of a
    /// row shares a digit more and is of no use there.
    fn ask(&mut self, node: usize, chance: &mut Chance) {
        for row in 0..self.slots[node].len() / self.width {
            let slots = row * self.width..(row + 1) * self.width;
            let known: Vec<u32> = self.slots[node][slots.clone()].iter().flatten().map(|(_, peer)| *peer).collect();
            let Some(asked) = chance.pick(&known).copied() else { continue };
            for slot in slots.filter(|slot| !self.slots[node][*slot].is_empty()).collect::<Vec<_>>() {
                let named: Vec<u32> = self.slots[asked as usize][slot].iter().map(|(_, peer)| *peer).collect();
                named.into_iter().for_each(|peer| self.meet(node, slot, peer));
            }
        }
    }

    /// Measures this node, unless it is known already, and keeps it if it is near.
    fn meet(&mut self, node: usize, slot: usize, peer: u32) {
        let kept = &mut self.slots[node][slot];
        if kept.iter().any(|(_, known)| *known == peer) {
            return;
        }
        self.measured += 1;
        let found = (self.underlay.round_trip(node, peer as usize), peer);
        kept.insert(kept.partition_point(|each| *each < found), found);
        kept.truncate(self.per_slot);
    }
}
