//! How far apart the hosts of a world are.
//!
//! Owns: the seam behind which an underlay stands, and the constant one.
//! Never does: lose, delay or reorder anything by itself: that is the weather's.

pub mod matrix;
pub mod plane;

pub use matrix::Measured;
pub use plane::Plane;

use crate::base::Span;

/// The network below the overlay. Nodes are numbered from 0 in the order in which they were added to
/// the world. The same question always gets the same answer.
pub trait Underlay {
    /// How long a packet takes from one node to another.
    fn one_way(&self, from: usize, to: usize) -> Span;

    /// How long a question and its answer take.
    fn round_trip(&self, from: usize, to: usize) -> Span {
        self.one_way(from, to) + self.one_way(to, from)
    }
}

/// Every node is as far from every other.
#[derive(Clone, Copy, Debug)]
pub struct Uniform(pub Span);

impl Underlay for Uniform {
    fn one_way(&self, _from: usize, _to: usize) -> Span {
        self.0
    }
}
