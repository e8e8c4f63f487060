//! How far apart the hosts of a world are.
//!
//! Owns: the seam behind which an underlay stands, and the constant one.
//! Never does: lose, delay or reorder anything by itself: that is the weather's.

pub mod graph;
pub mod matrix;
pub mod plane;
pub mod sphere;
pub mod transit_stub;

pub use matrix::Measured;
pub use plane::Plane;
pub use sphere::Sphere;
pub use transit_stub::{Shape, TransitStub};

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

    /// The numbers of the links a packet crosses, in order; none where the underlay has no links, only
    /// distances. Both directions of a link bear one number.
    fn path(&self, _from: usize, _to: usize) -> Vec<u32> {
        Vec::new()
    }

    /// Where a node is: those at one site lose power or the network together. `None` where the underlay knows no sites.
    fn site(&self, _node: usize) -> Option<usize> {
        None
    }

    /// How many links there are: their numbers are below this.
    fn links(&self) -> usize {
        0
    }
}

/// One way over one access link, where nothing else is said: the 1 ms LAN links by which Castro et al.
/// (MSR-TR-2003-52) attach nodes to routers. Each end adds its own: 2 ms one way, 4 ms a round trip.
pub const ACCESS: Span = Span::from_millis(1);

/// Every node is as far from every other.
#[derive(Clone, Copy, Debug)]
pub struct Uniform(pub Span);

impl Underlay for Uniform {
    fn one_way(&self, _from: usize, _to: usize) -> Span {
        self.0
    }
}
