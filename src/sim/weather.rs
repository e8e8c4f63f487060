//! What the world does to nodes and packets.
//!
//! Owns: the knobs: loss, jitter, duplication, partition, slow and paused nodes, the disorder of a
//! node's own machines.
//! Never does: draw a fault. The network draws, from the world's seed.

use crate::base::{Instant, Span};
use std::collections::BTreeMap;

/// The knobs. A world starts with fair weather: nothing is lost, nothing is late.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Share of packets lost, 0 to 1. Datagrams are gone; what goes by stream is sent again, and late.
    pub loss: f64,
    /// Each packet takes up to this share longer than the underlay says, 0 to 1: so they overtake.
    pub jitter: f64,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplication: f64,
    /// What one machine tells another of its node takes up to this long; from one to one in order.
    pub fact_delay_max: Span,
    groups: BTreeMap<usize, usize>,
    slow: BTreeMap<usize, Span>,
    paused: BTreeMap<usize, Instant>,
}

impl Weather {
    /// Splits the network: from now on nothing passes between these groups. Nodes in none of them form
    /// one more.
    pub fn partition(&mut self, groups: &[Vec<usize>]) {
        self.groups.clear();
        for (group, members) in groups.iter().enumerate() {
            self.groups.extend(members.iter().map(|node| (*node, group + 1)));
        }
    }

    /// Ends the partition.
    pub fn heal(&mut self) {
        self.groups.clear();
    }

    /// Everything to and from this node takes this much longer; nothing ends that.
    pub fn slow_down(&mut self, node: usize, by: Span) {
        if by == Span::ZERO {
            self.slow.remove(&node);
        } else {
            self.slow.insert(node, by);
        }
    }

    /// This node does nothing until then; what happens to it meanwhile happens afterwards, in order.
    pub fn pause(&mut self, node: usize, until: Instant) {
        self.paused.insert(node, until);
    }

    /// Whether packets pass between the two.
    pub fn passes(&self, a: usize, b: usize) -> bool {
        self.groups.get(&a) == self.groups.get(&b)
    }

    /// Whether there is a partition.
    pub fn is_split(&self) -> bool {
        !self.groups.is_empty()
    }

    /// How much longer packets between the two take for their slowness.
    pub fn slowness(&self, a: usize, b: usize) -> Span {
        let of = |node| self.slow.get(&node).copied().unwrap_or(Span::ZERO);
        of(a) + of(b)
    }

    /// Until when this node is paused, if it is.
    pub fn paused_until(&self, node: usize, now: Instant) -> Option<Instant> {
        self.paused.get(&node).copied().filter(|until| *until > now)
    }
}
