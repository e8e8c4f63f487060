//! Nodes scattered over a sphere.
//!
//! Owns: places drawn from a seed, one a node, and latency as the way along the great circle.
//! Never does: remember a place: each is computed from the seed and the node's number.

use super::Underlay;
use super::plane::ODD;
use crate::base::{Chance, Span};

/// A sphere on which every node has an even random place; a packet takes the great circle, and both
/// ends' access links. Unlike a plane it has no middle and no edge.
#[derive(Clone, Copy, Debug)]
pub struct Sphere {
    seed: u64,
    half: Span,
    access: Span,
}

impl Sphere {
    /// The sphere of this seed. `half` is how long a packet takes from pole to pole, `access` how long
    /// over one access link.
    pub fn new(seed: u64, half: Span, access: Span) -> Sphere {
        Sphere { seed, half, access }
    }

    /// A point of the unit sphere: an even height and an even angle (Archimedes' hat box).
    fn place(&self, node: usize) -> [f64; 3] {
        let mut chance = Chance::from_seed(self.seed ^ (node as u64 + 1).wrapping_mul(ODD));
        let (height, angle) = (2.0 * chance.unit() - 1.0, std::f64::consts::TAU * chance.unit());
        let radius = (1.0 - height * height).max(0.0).sqrt();
        [radius * angle.cos(), radius * angle.sin(), height]
    }
}

impl Underlay for Sphere {
    fn one_way(&self, from: usize, to: usize) -> Span {
        let (a, b) = (self.place(from), self.place(to));
        let chord = ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)).sqrt();
        let angle = 2.0 * (chord / 2.0).min(1.0).asin();
        self.half.scaled(angle / std::f64::consts::PI) + self.access * 2
    }

    fn round_trip(&self, from: usize, to: usize) -> Span {
        self.one_way(from, to) * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_any_node_half_of_the_sphere_is_nearer_than_half_the_way_round() {
        let sphere = Sphere::new(5, Span::from_millis(100), Span::ZERO);
        let ways: Vec<u64> = (1..2_001).map(|node| sphere.one_way(0, node).as_micros()).collect();
        let near = ways.iter().filter(|way| **way < 50_000).count();
        assert!((900..1_100).contains(&near), "{near}");
        assert!(ways.iter().all(|way| *way <= 100_000));
        assert_eq!(sphere.one_way(3, 8), sphere.one_way(8, 3));
        assert_eq!(sphere.one_way(3, 3), Span::ZERO);
    }
}
