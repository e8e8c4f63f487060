//! An underlay somebody measured.
//!
//! Owns: which host of a latency matrix each node lives on.
//! Never does: read a file: the matrix is handed in.

use super::Underlay;
use crate::base::{Chance, Span};
use crate::survey::matrix::LatencyMatrix;

/// Nodes on hosts of a measured matrix.
#[derive(Clone, Debug)]
pub struct Measured {
    matrix: LatencyMatrix,
    hosts: Vec<usize>,
}

impl Measured {
    /// Draws hosts for `nodes` nodes; a later node shares the host of an earlier one.
    pub fn new(matrix: LatencyMatrix, nodes: usize, chance: &mut Chance) -> Measured {
        let hosts = matrix.draw_hosts(chance, nodes.max(1));
        Measured { matrix, hosts }
    }

    fn host(&self, node: usize) -> usize {
        self.hosts[node % self.hosts.len()]
    }
}

impl Underlay for Measured {
    fn one_way(&self, from: usize, to: usize) -> Span {
        self.matrix.one_way(self.host(from), self.host(to))
    }
}
