//! An underlay somebody measured.
//!
//! Owns: which host of a latency matrix each node lives on, and the access link by which it hangs there
//! where a host has several.
//! Never does: read a file: the matrix is handed in.

use super::Underlay;
use crate::base::{Chance, Span};
use crate::survey::matrix::LatencyMatrix;

/// Nodes on hosts of a measured matrix.
///
/// Up to as many nodes as hosts each have a host of their own, and a packet takes what was measured, as
/// in the lab. More nodes are attached to hosts drawn evenly, each by an access link of its own, and a
/// packet crosses both ends' access links and what was measured between the hosts; between two nodes of
/// one host it crosses the access links alone.
#[derive(Clone, Debug)]
pub struct Measured {
    matrix: LatencyMatrix,
    hosts: Vec<u16>,
    access: Option<Span>,
}

impl Measured {
    /// Draws hosts for `nodes` nodes; a later node shares the host of an earlier one. `access` is one way
    /// over one access link, used where there are more nodes than hosts.
    pub fn new(matrix: LatencyMatrix, nodes: usize, access: Span, chance: &mut Chance) -> Measured {
        let shared = nodes > matrix.hosts();
        let hosts = if shared {
            (0..nodes).map(|_| chance.index(matrix.hosts())).collect()
        } else {
            matrix.draw_hosts(chance, nodes.max(1))
        };
        let hosts = hosts.into_iter().map(|host| host as u16).collect();
        Measured { matrix, hosts, access: shared.then_some(access) }
    }

    /// One way over one access link, if nodes hang on such.
    pub fn access(&self) -> Option<Span> {
        self.access
    }

    fn host(&self, node: usize) -> usize {
        usize::from(self.hosts[node % self.hosts.len()])
    }
}

impl Underlay for Measured {
    fn one_way(&self, from: usize, to: usize) -> Span {
        let (a, b) = (self.host(from), self.host(to));
        match self.access {
            None => self.matrix.one_way(a, b),
            Some(access) if a == b => access * 2,
            Some(access) => self.matrix.one_way(a, b) + access * 2,
        }
    }

    /// A host of the matrix is a site.
    fn site(&self, node: usize) -> Option<usize> {
        Some(self.host(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::matrix::Missing;

    fn triangle() -> LatencyMatrix {
        let rtt = [0, 10_000, 20_000, 12_000, 0, 30_000, 20_000, 30_000, 0];
        LatencyMatrix::from_micros(3, rtt.to_vec(), Missing::Refuse).expect("a sound matrix")
    }

    #[test]
    fn with_a_host_each_nodes_are_as_far_apart_as_was_measured() {
        let underlay = Measured::new(triangle(), 3, Span::from_millis(1), &mut Chance::from_seed(1));
        assert_eq!(underlay.access(), None);
        let pairs = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)];
        let mut ways: Vec<u64> = pairs.iter().map(|(a, b)| underlay.one_way(*a, *b).as_micros()).collect();
        ways.sort_unstable();
        assert_eq!(ways, [5_000, 6_000, 10_000, 10_000, 15_000, 15_000]);
    }

    #[test]
    fn with_more_nodes_than_hosts_both_ends_add_their_access_link() {
        let access = Span::from_millis(1);
        let underlay = Measured::new(triangle(), 300, access, &mut Chance::from_seed(1));
        let ways: std::collections::BTreeSet<u64> =
            (1..300).map(|node| underlay.one_way(0, node).as_micros()).collect();
        let home: Vec<usize> = (0..300).filter(|node| underlay.host(*node) == underlay.host(0)).collect();
        assert!((50..150).contains(&home.len()), "hosts are drawn evenly: {}", home.len());
        assert!(ways.contains(&2_000) && ways.len() == 3, "{ways:?}");
        assert_eq!(underlay.round_trip(home[0], home[1]), Span::from_millis(4));
        assert!(home.iter().all(|node| underlay.site(*node) == underlay.site(0)));
    }
}
