//! What the world does to nodes and packets.
//!
//! Owns: the knobs: loss, jitter, duplication, partition, ways that are longer there than back, ways cut in one
//! direction, each or a share of all, narrow uplinks, slow and paused nodes, the disorder of a node's own machines.
//! Never does: draw a fault. The network draws, from the world's seed.

use super::network::DATAGRAM_BYTES_MAX;
use super::underlay::plane::ODD;
use crate::base::{Chance, Instant, Span};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What each node's own uplink carries, in bytes per second, more than 0; none: packets never wait for one another.
    pub uplink: Option<u64>,
    asymmetry: PerPair,
    broken: PerPair,
    groups: BTreeMap<usize, usize>,
    cuts: BTreeSet<(usize, usize)>,
    slow: BTreeMap<usize, Span>,
    paused: BTreeMap<usize, Instant>,
}

/// A share, and the seed from which it follows what it is to each pair of nodes.
#[derive(Clone, Copy, Debug, Default)]
struct PerPair {
    share: f64,
    seed: u64,
}

impl Weather {
    /// From now on the way from one node to another takes up to this share (0 to 1) longer or shorter than the
    /// underlay says, and the way back as much shorter or longer: a round trip stays as it is. Drawn from the seed,
    /// once for each two nodes; 0 ends it.
    pub fn lean(&mut self, share: f64, seed: u64) {
        self.asymmetry = PerPair { share: share.clamp(0.0, 1.0), seed };
    }

    /// From now on of this share (0 to 1) of all pairs of nodes packets pass in one direction only. Drawn from the seed, once
    /// for each two nodes; 0 ends it, and nothing else does.
    pub fn break_ways(&mut self, share: f64, seed: u64) {
        self.broken = PerPair { share: share.clamp(0.0, 1.0), seed };
    }

    /// Nothing passes from one node to the other any more; what comes back does.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cuts.insert((from, to));
    }

    /// Splits the network: from now on nothing passes between these groups. Nodes in none of them form
    /// one more.
    pub fn partition(&mut self, groups: &[Vec<usize>]) {
        self.groups.clear();
        for (group, members) in groups.iter().enumerate() {
            self.groups.extend(members.iter().map(|node| (*node, group + 1)));
        }
    }

    /// Ends the partition, and all cuts of single ways.
    pub fn heal(&mut self) {
        self.groups.clear();
        self.cuts.clear();
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

    /// Whether packets pass from one to the other.
    pub fn passes(&self, from: usize, to: usize) -> bool {
        let is_apart = self.groups.get(&from) != self.groups.get(&to);
        !is_apart && !self.cuts.contains(&(from, to)) && !self.is_broken(from, to)
    }

    /// Whether packets pass between the two, to and fro.
    pub fn passes_both_ways(&self, a: usize, b: usize) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }

    /// How long the way is that the underlay says takes `there`, and back takes `back`.
    pub fn way(&self, (from, to): (usize, usize), there: Span, back: Span) -> Span {
        let PerPair { share, seed } = self.asymmetry;
        if share == 0.0 || from == to {
            return there;
        }
        let mut chance = of_pair(seed, from, to);
        // The shorter of the two ways gives what the other takes, so that neither falls below nothing.
        let lean = there.min(back).scaled(share * chance.unit());
        let longer_upwards = chance.happens(0.5);
        if (from < to) == longer_upwards { there + lean } else { there.saturating_sub(lean) }
    }

    fn is_broken(&self, from: usize, to: usize) -> bool {
        let PerPair { share, seed } = self.broken;
        if share == 0.0 || from == to {
            return false;
        }
        let mut chance = of_pair(seed, from, to);
        chance.happens(share) && (from < to) == chance.happens(0.5)
    }

    /// Whether there is a partition.
    pub fn is_split(&self) -> bool {
        !self.groups.is_empty()
    }

    /// How long a node's uplink is busy with all packets of a message of so many bytes.
    pub fn on_uplink(&self, bytes: usize) -> Span {
        let Some(per_second) = self.uplink else { return Span::ZERO };
        let packets = bytes.div_ceil(DATAGRAM_BYTES_MAX).max(1);
        let sent = (bytes + packets * AROUND_BYTES) as u64;
        Span::from_micros((sent * 1_000_000).div_ceil(per_second.max(1)))
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

/// The same chance for both directions of a pair.
fn of_pair(seed: u64, a: usize, b: usize) -> Chance {
    let (low, high) = (a.min(b) as u64, a.max(b) as u64);
    Chance::from_seed(seed ^ (low + 1).wrapping_mul(ODD) ^ (high + 1).wrapping_mul(ODD).rotate_left(32))
}

/// Around each packet: IPv4 20, UDP 8, a short QUIC header with connection id 8 and packet number 4, frame 5, seal 16 bytes.
const AROUND_BYTES: usize = 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uplink_is_busy_with_headers_and_payload() {
        let mut weather = Weather::default();
        assert_eq!(weather.on_uplink(1_000), Span::ZERO);
        weather.uplink = Some(125_000);
        assert_eq!(weather.on_uplink(1_000), Span::from_micros(8_496));
        // Two packets, two headers.
        assert_eq!(weather.on_uplink(1_151), Span::from_micros((1_151 + 124) * 8));
    }

    #[test]
    fn of_broken_pairs_one_direction_passes() {
        let mut weather = Weather::default();
        weather.break_ways(0.2, 9);
        let pairs = || (0..60).flat_map(|a| (0..a).map(move |b| (a, b)));
        let broken: Vec<_> = pairs().filter(|(a, b)| !weather.passes_both_ways(*a, *b)).collect();
        assert!((280..430).contains(&broken.len()), "a fifth of 1,770: {}", broken.len());
        assert!(broken.iter().all(|(a, b)| weather.passes(*a, *b) != weather.passes(*b, *a)));
        let upwards = broken.iter().filter(|(a, b)| weather.passes(*b, *a)).count();
        assert!((broken.len() / 3..broken.len() * 2 / 3).contains(&upwards), "{upwards}");
        weather.heal();
        assert!(pairs().any(|(a, b)| !weather.passes(a, b)));
        weather.break_ways(0.0, 9);
        assert!(pairs().all(|(a, b)| weather.passes(a, b)));
    }

    #[test]
    fn a_way_that_leans_is_as_much_longer_as_the_way_back_is_shorter() {
        let mut weather = Weather::default();
        let (there, back) = (Span::from_millis(30), Span::from_millis(20));
        assert_eq!(weather.way((1, 2), there, back), there);
        weather.lean(0.5, 7);
        let mut shifts = Vec::new();
        for node in 1..500 {
            let (to, fro) = (weather.way((0, node), there, back), weather.way((node, 0), back, there));
            assert_eq!(to + fro, there + back);
            assert_eq!(to, weather.way((0, node), there, back), "drawn once");
            shifts.push(to.as_millis_f64() - 30.0);
        }
        assert!(shifts.iter().all(|shift| shift.abs() <= 10.0));
        assert!(shifts.iter().any(|shift| *shift > 9.0) && shifts.iter().any(|shift| *shift < -9.0));
        let other = {
            weather.lean(0.5, 8);
            weather.way((0, 1), there, back)
        };
        assert_ne!(other.as_millis_f64() - 30.0, shifts[0], "another seed draws otherwise");
        weather.lean(0.0, 7);
        assert_eq!(weather.way((0, 1), there, back), there);
    }

    #[test]
    fn a_cut_is_one_way_until_all_is_healed() {
        let mut weather = Weather::default();
        weather.cut(1, 2);
        assert!(!weather.passes(1, 2) && weather.passes(2, 1) && !weather.passes_both_ways(2, 1));
        assert!(weather.passes_both_ways(1, 3));
        weather.heal();
        assert!(weather.passes_both_ways(1, 2));
    }
}
