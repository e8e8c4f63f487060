//! Who could stand in each slot of a node's table, and who does.
//!
//! Owns: the ranges of nodes that share a prefix (nodes are in the order of ids, so each slot is a
//! range), the choice of the nearest of a sample, and what of all choices a budget leaves.
//! Never does: look at more of a slot than the sample.

use super::Recipe;
use crate::base::{Chance, Span};
use crate::identity::Contact;
use crate::sim::underlay::Underlay;
use std::ops::Range;
use std::sync::Arc;

/// The ranges at hand, those of the node asked for last.
pub(super) struct Slots {
    /// The first 64 bits of each id.
    prefixes: Vec<u64>,
    bits: u32,
    levels: Vec<Level>,
}

/// The nodes that share some slots' worth of bits, and where each next slot's begin.
#[derive(Clone, Debug, Default)]
struct Level {
    nodes: Range<usize>,
    /// One more than there are slots.
    begins: Vec<usize>,
}

impl Slots {
    pub(super) fn new(contacts: &[Arc<Contact>], bits: u32) -> Slots {
        let prefixes = contacts.iter().map(|contact| contact.id().prefix_u64()).collect();
        Slots { prefixes, bits: bits.clamp(1, 8), levels: Vec::new() }
    }

    /// The nodes of each slot, row after row; of its own slot in each row none. Nodes are best asked for in order.
    pub(super) fn ranges(&mut self, node: usize) -> Vec<Range<usize>> {
        self.find_levels(node);
        let mut ranges = Vec::with_capacity(self.levels.len() << self.bits);
        for (depth, level) in self.levels.iter().enumerate() {
            let own = self.slot_at(node, depth);
            let slots = level.begins.windows(2).enumerate();
            ranges.extend(slots.map(|(slot, ends)| ends[0]..if slot == own { ends[0] } else { ends[1] }));
        }
        ranges
    }

    /// Brings the levels to those of this node: as far as the last node shares them they stay.
    fn find_levels(&mut self, node: usize) {
        let kept = self.levels.iter().take_while(|level| level.nodes.contains(&node)).count();
        self.levels.truncate(kept);
        while self.levels.len() < (64 / self.bits) as usize {
            let nodes = match self.levels.last() {
                None => 0..self.prefixes.len(),
                Some(level) => {
                    let own = self.slot_at(node, self.levels.len() - 1);
                    level.begins[own]..level.begins[own + 1]
                }
            };
            if nodes.len() < 2 {
                return;
            }
            let begins = self.begins(&nodes, self.levels.len());
            self.levels.push(Level { nodes, begins });
        }
    }

    fn begins(&self, nodes: &Range<usize>, depth: usize) -> Vec<usize> {
        let slots = 1usize << self.bits;
        let mut begins = Vec::with_capacity(slots + 1);
        let mut from = nodes.start;
        for slot in 0..slots {
            from += self.prefixes[from..nodes.end].partition_point(|prefix| self.slot_in(*prefix, depth) < slot);
            begins.push(from);
        }
        begins.push(nodes.end);
        begins
    }

    fn slot_at(&self, node: usize, depth: usize) -> usize {
        self.slot_in(self.prefixes[node], depth)
    }

    fn slot_in(&self, prefix: u64, depth: usize) -> usize {
        let shift = 64 - self.bits * (depth as u32 + 1);
        (prefix >> shift) as usize & ((1 << self.bits) - 1)
    }
}

/// Appends a node's contacts beyond its leaf set, in order: of those chosen for each slot as many as the recipe has room for.
pub(super) fn keep(
    node: usize,
    nodes: usize,
    recipe: &Recipe,
    chosen: impl Iterator<Item = Vec<usize>>,
    tables: &mut Vec<u32>,
) {
    let leaves = recipe.leaf_set_per_side.min(nodes.saturating_sub(1));
    let is_leaf = |peer: usize| {
        let ahead = (peer + nodes - node) % nodes;
        ahead <= leaves || nodes - ahead <= leaves
    };
    // By rank within the slot, then slot by slot.
    let mut ranks: Vec<Vec<usize>> = vec![Vec::new(); recipe.contacts_per_slot];
    for slot in chosen {
        slot.into_iter().enumerate().for_each(|(rank, peer)| ranks[rank].push(peer));
    }
    let room = recipe.contacts_max.saturating_sub((2 * leaves).min(nodes - 1));
    let begin = tables.len();
    let beyond = ranks.into_iter().flatten().filter(|peer| !is_leaf(*peer));
    tables.extend(beyond.take(room).map(|peer| peer as u32));
    tables[begin..].sort_unstable();
}

/// The nearest of a slot by round trip, nearest first; of equally near ones any.
pub(super) fn nearest(
    node: usize,
    slot: Range<usize>,
    recipe: &Recipe,
    underlay: &dyn Underlay,
    chance: &mut Chance,
) -> Vec<usize> {
    let mut best: Vec<(Span, u32, usize)> = Vec::with_capacity(recipe.contacts_per_slot + 1);
    let mut look = |peer: usize, lot: u32| {
        let found = (underlay.round_trip(node, peer), lot, peer);
        if best.len() == recipe.contacts_per_slot && best.last().is_some_and(|last| found >= *last) {
            return;
        }
        if best.iter().all(|(.., known)| *known != peer) {
            best.insert(best.partition_point(|each| *each < found), found);
            best.truncate(recipe.contacts_per_slot);
        }
    };
    // One draw is both: its upper half picks a node, its lower half is the lot that breaks ties.
    if slot.len() <= recipe.sample {
        slot.for_each(|peer| look(peer, chance.next_u64() as u32));
    } else {
        for _ in 0..recipe.sample {
            let drawn = chance.next_u64();
            look(slot.start + (((drawn >> 32) * slot.len() as u64) >> 32) as usize, drawn as u32);
        }
    }
    best.into_iter().map(|(.., peer)| peer).collect()
}
