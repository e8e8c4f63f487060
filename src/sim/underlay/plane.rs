//! Nodes scattered over a plane.
//!
//! Owns: places drawn from a seed, one a node, and latency as their distance.
//! Never does: remember a place: each is computed from the seed and the node's number.

use super::Underlay;
use crate::base::{Chance, Span};

/// A square on which every node has an even random place; a packet takes the straight line, and a
/// little for the access links.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    seed: u64,
    side: Span,
    access: Span,
}

impl Plane {
    /// The plane of this seed. `side` is how long a packet takes from edge to edge; both access links
    /// together take half a millisecond.
    pub fn new(seed: u64, side: Span) -> Plane {
        Plane { seed, side, access: HALF_ACCESS }
    }

    /// With access links that take this long one way, each.
    #[must_use]
    pub fn with_access(self, access: Span) -> Plane {
        Plane { access, ..self }
    }

    fn place(&self, node: usize) -> [f64; 2] {
        let mut chance = Chance::from_seed(self.seed ^ (node as u64 + 1).wrapping_mul(ODD));
        [chance.unit(), chance.unit()]
    }
}

impl Underlay for Plane {
    fn one_way(&self, from: usize, to: usize) -> Span {
        let (a, b) = (self.place(from), self.place(to));
        self.side.scaled((a[0] - b[0]).hypot(a[1] - b[1])) + self.access * 2
    }

    fn round_trip(&self, from: usize, to: usize) -> Span {
        self.one_way(from, to) * 2
    }
}

/// One way over one access link, if nothing else is said: a quarter of the 1 ms LAN links of Castro et
/// al. (MSR-TR-2003-52).
const HALF_ACCESS: Span = Span::from_micros(250);
/// Spreads node numbers over all 64 bits: the golden ratio, as in SplitMix64.
pub(in crate::sim) const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_symmetric_and_the_same_for_ever() {
        let plane = Plane::new(3, Span::from_millis(50));
        assert_eq!(plane.one_way(1, 2), plane.one_way(2, 1));
        assert_eq!(plane.one_way(4, 9), Plane::new(3, Span::from_millis(50)).one_way(4, 9));
        assert_ne!(plane.one_way(0, 1), plane.one_way(0, 2));
        assert_eq!(plane.one_way(5, 5), Span::from_micros(500));
        assert_eq!(plane.with_access(Span::ZERO).one_way(5, 5), Span::ZERO);
    }
}
