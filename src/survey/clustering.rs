//! Whether the neighbours of a node know each other.
//!
//! Owns: the local clustering coefficient (Watts and Strogatz 1998) and the global one (transitivity, Luce and Perry 1949):
//! exact for graphs up to a size, sampled above it.
//! Never does: call a sample exact, or count nodes with fewer than two links: they have no pair of neighbours.

use super::distribution::{Interval, Share};
use super::draw;
use super::graph::Undirected;
use crate::base::Chance;
use serde::{Deserialize, Serialize};

/// Clustering of a graph of links.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clustering {
    /// Whether everything was counted.
    pub exact: bool,
    /// The mean over nodes of at least two links of the share (0 to 1) of the pairs of neighbours that are linked.
    pub local: f64,
    /// Of a sampled mean the 95 % interval.
    pub local_interval: Option<Interval>,
    /// The share (0 to 1) of all pairs of links at a node whose far ends are linked: nodes of many links weigh more.
    pub global: f64,
    /// Of a sampled share the 95 % interval and how many pairs were drawn.
    pub global_interval: Option<Share>,
}

/// How much work to put into clustering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusteringEffort {
    /// Up to so many nodes everything is counted.
    pub exact_up_to: usize,
    /// Above that so many nodes are drawn for the local coefficient,
    pub nodes: usize,
    /// and so many pairs of links for the global one.
    pub pairs: usize,
}

impl Default for ClusteringEffort {
    /// Exact up to 20,000 nodes, as path lengths are. 100,000 pairs put a global coefficient of 0.1 within 0.002.
    fn default() -> ClusteringEffort {
        ClusteringEffort { exact_up_to: 20_000, nodes: 2_000, pairs: 100_000 }
    }
}

impl Clustering {
    /// Of this graph; `None` if no node (or none that was drawn) has two links.
    pub fn of(graph: &Undirected, effort: ClusteringEffort, chance: &mut Chance) -> Option<Clustering> {
        let mut triangles = Triangles { graph, is_neighbour: vec![false; graph.node_count()] };
        if graph.node_count() <= effort.exact_up_to {
            return triangles.exact();
        }
        let drawn = draw::distinct(graph.node_count(), effort.nodes, chance);
        let local: Vec<f64> = drawn.into_iter().filter_map(|node| triangles.at(node)).map(|(c, of)| c / of).collect();
        let global = wedges(graph, effort.pairs, chance)?;
        Some(Clustering {
            exact: false,
            local: super::distribution::mean(&local)?,
            local_interval: Interval::of(local),
            global: global.share,
            global_interval: Some(global),
        })
    }
}

/// Counts linked neighbours.
struct Triangles<'a> {
    graph: &'a Undirected,
    /// Of the node that is looked at; all false between two.
    is_neighbour: Vec<bool>,
}

impl Triangles<'_> {
    fn exact(&mut self) -> Option<Clustering> {
        let nodes: Vec<(f64, f64)> = self.graph.nodes().filter_map(|node| self.at(node)).collect();
        let local: Vec<f64> = nodes.iter().map(|(closed, pairs)| closed / pairs).collect();
        let (closed, pairs) = nodes.iter().fold((0.0, 0.0), |sum, node| (sum.0 + node.0, sum.1 + node.1));
        Some(Clustering {
            exact: true,
            local: super::distribution::mean(&local)?,
            local_interval: None,
            global: closed / pairs,
            global_interval: None,
        })
    }

    /// How many pairs of neighbours are linked, and how many pairs there are.
    fn at(&mut self, node: u32) -> Option<(f64, f64)> {
        let neighbours = self.graph.out(node);
        let pairs = pairs_of(neighbours.len());
        if pairs == 0 {
            return None;
        }
        neighbours.iter().for_each(|neighbour| self.is_neighbour[*neighbour as usize] = true);
        let ends = neighbours.iter().flat_map(|neighbour| self.graph.out(*neighbour));
        let twice = ends.filter(|end| self.is_neighbour[**end as usize]).count();
        neighbours.iter().for_each(|neighbour| self.is_neighbour[*neighbour as usize] = false);
        Some((twice as f64 / 2.0, pairs as f64))
    }
}

/// Of so many pairs of links that meet, drawn evenly from all: how many are closed to a triangle.
fn wedges(graph: &Undirected, count: usize, chance: &mut Chance) -> Option<Share> {
    let mut up_to = Vec::with_capacity(graph.node_count());
    let mut sum = 0u64;
    for node in graph.nodes() {
        sum += pairs_of(graph.out_degree(node));
        up_to.push(sum);
    }
    if sum == 0 {
        return None;
    }
    let mut closed = 0;
    for _ in 0..count {
        let drawn = chance.below(sum);
        let neighbours = graph.out(up_to.partition_point(|end| *end <= drawn) as u32);
        let (one, other) = draw::pair(neighbours.len(), chance);
        closed += usize::from(graph.has_edge(neighbours[one as usize], neighbours[other as usize]));
    }
    Share::of(closed, count)
}

fn pairs_of(count: usize) -> u64 {
    (count as u64 * (count as u64).saturating_sub(1)) / 2
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{links, petgraph_of, random, small};
    use super::*;
    use proptest::prelude::*;

    fn all(graph: &Undirected) -> Option<Clustering> {
        Clustering::of(graph, ClusteringEffort::default(), &mut Chance::from_seed(1))
    }

    #[test]
    fn a_triangle_with_a_tail_is_counted_by_hand() {
        // 0-1-2-0 and 2-3: nodes 0 and 1 have 1 of 1, node 2 has 1 of 3; node 3 has no pair.
        let found = all(&links(4, &[(0, 1), (1, 2), (2, 0), (2, 3)])).unwrap();
        assert!((found.local - (1.0 + 1.0 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
        assert_eq!((found.global, found.exact), (3.0 / 5.0, true));
        let path = all(&links(3, &[(0, 1), (1, 2)])).unwrap();
        assert_eq!((path.local, path.global), (0.0, 0.0));
        assert_eq!(all(&links(4, &[(0, 1), (2, 3)])), None);
    }

    #[test]
    fn the_intervals_of_a_sample_hold_the_truth_most_times() {
        let graph = random(1_000, 12, 9).undirected().unwrap();
        let exact = all(&graph).unwrap();
        let effort = ClusteringEffort { exact_up_to: 0, nodes: 200, pairs: 5_000 };
        let (mut local_held, mut global_held) = (0, 0);
        for seed in 0..50 {
            let sample = Clustering::of(&graph, effort, &mut Chance::from_seed(seed)).unwrap();
            let (local, global) = (sample.local_interval.unwrap(), sample.global_interval.unwrap());
            local_held += usize::from(local.low <= exact.local && exact.local <= local.high);
            global_held += usize::from(global.low <= exact.global && exact.global <= global.high);
            assert!(!sample.exact && sample.global == global.share && global.trials == 5_000);
        }
        // 47.5 of 50 are expected; below 43 one in a hundred times.
        assert!(local_held >= 43 && global_held >= 43, "{local_held} {global_held}");
    }

    proptest! {
        #[test]
        fn triangles_are_those_of_petgraph(graph in small()) {
            let graph = graph.undirected().unwrap();
            let other = petgraph_of(&graph);
            let (mut closed, mut pairs, mut local) = (0, 0, Vec::new());
            for node in other.node_indices() {
                let near: Vec<_> = other.neighbors(node).collect();
                let of = |a: usize| (0..a).map(move |b| (a, b));
                let own: Vec<_> = (0..near.len()).flat_map(of).map(|(a, b)| other.contains_edge(near[a], near[b])).collect();
                let linked = own.iter().filter(|linked| **linked).count();
                (closed, pairs) = (closed + linked, pairs + own.len());
                local.extend((!own.is_empty()).then(|| linked as f64 / own.len() as f64));
            }
            let found = all(&graph);
            prop_assert_eq!(found.map(|found| found.global), (pairs > 0).then(|| closed as f64 / pairs as f64));
            let mean = super::super::distribution::mean(&local);
            prop_assert!(found.map_or(0.0, |found| found.local - mean.unwrap()).abs() < 1e-9);
        }
    }
}
