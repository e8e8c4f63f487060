//! How likely the living fall apart.
//!
//! Owns: the probability that the nodes which stay are no longer connected: counted in random trials, and expected from the degrees.
//! Never does: tell an expectation as a count.

use super::distribution::Share;
use super::graph::Undirected;
use super::removal::{Attack, curve};
use crate::base::Chance;
use serde::{Deserialize, Serialize};

/// What happens when this share of all nodes, drawn at random, is dead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// The share (0 to 1) of the nodes that are dead.
    pub dead: f64,
    /// In how many trials the living were in more than one part.
    pub parted: Share,
    /// The mean share (0 to 1) of the living that were outside the largest part.
    pub cut_off: f64,
    /// How many living nodes without a living neighbour are to be expected, see [`isolated`].
    pub isolated: f64,
    /// `1 - exp(-isolated)`: what `parted` is if being alone is the only way to be cut off and strikes nodes independently. In random
    /// graphs that is so in the limit (Erdős and Rényi 1961); where trials show more, the graph has narrower places than its nodes.
    pub expected: f64,
}

/// The probabilities at these shares of dead nodes (0 to 1, ascending), from so many trials. In each trial nodes die in one random
/// order, so that the figures of neighbouring shares hang together. Empty for a graph of fewer than two nodes or without a trial.
pub fn partitions(graph: &Undirected, shares: &[f64], trials: usize, chance: &mut Chance) -> Vec<Partition> {
    let mut parted = vec![0; shares.len()];
    let mut cut_off = vec![0.0; shares.len()];
    for _ in 0..trials {
        let order = Attack::Random.order(graph, 0, chance);
        for (place, left) in curve(graph, &order, shares).into_iter().enumerate() {
            parted[place] += usize::from(left.parts > 1);
            cut_off[place] += if left.living > 0 { 1.0 - left.of_living } else { 0.0 };
        }
    }
    let told = |(place, dead): (usize, &f64)| {
        let isolated = isolated(graph, *dead);
        Some(Partition {
            dead: *dead,
            parted: Share::of(parted[place], trials)?,
            cut_off: cut_off[place] / trials as f64,
            isolated,
            expected: 1.0 - (-isolated).exp(),
        })
    };
    let is_small = graph.node_count() < 2;
    if is_small { Vec::new() } else { shares.iter().enumerate().filter_map(told).collect() }
}

/// How many living nodes have no living neighbour if this share of all nodes, drawn without putting back, is dead: with m of n dead,
/// a node of d links lives with probability (n-m)/n, and then its neighbours are all dead with probability
/// m/(n-1) · (m-1)/(n-2) · … over d factors. Exact in the mean, whatever the graph, as long as more than one node lives.
pub fn isolated(graph: &Undirected, dead: f64) -> f64 {
    let nodes = graph.node_count();
    let gone = (dead.clamp(0.0, 1.0) * nodes as f64).round();
    if nodes as f64 - gone < 2.0 {
        return 0.0;
    }
    let alone = |degree: usize| -> f64 {
        (0..degree).map(|index| ((gone - index as f64) / (nodes as f64 - 1.0 - index as f64)).max(0.0)).product()
    };
    let all: f64 = graph.nodes().map(|node| alone(graph.out_degree(node))).sum();
    all * (nodes as f64 - gone) / nodes as f64
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{links, random};
    use super::*;

    fn at(graph: &Undirected, dead: f64, trials: usize) -> Partition {
        partitions(graph, &[dead], trials, &mut Chance::from_seed(1))[0]
    }

    #[test]
    fn a_ring_of_four_without_two_is_parted_in_one_of_three_cases() {
        // The two that go are opposite in 2 of the 6 ways to draw them.
        let ring = links(4, &[(0, 1), (1, 2), (2, 3), (3, 0)]);
        let found = at(&ring, 0.5, 3_000);
        assert!(found.parted.low < 1.0 / 3.0 && 1.0 / 3.0 < found.parted.high, "{found:?}");
        // Four nodes, each lives with 1/2 and then has both neighbours dead with 2/3 * 1/2.
        assert!((found.isolated - 4.0 * 0.5 / 3.0).abs() < 1e-12);
        assert!((found.cut_off - found.parted.share / 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_full_graph_never_parts_and_two_alone_always_are() {
        let full = links(5, &[(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]);
        assert_eq!((at(&full, 0.6, 50).parted.share, at(&full, 0.6, 50).isolated), (0.0, 0.0));
        assert_eq!(at(&links(2, &[]), 0.0, 5).parted.share, 1.0);
        assert_eq!(partitions(&links(1, &[]), &[0.0], 5, &mut Chance::from_seed(1)), []);
    }

    #[test]
    fn in_a_random_graph_isolation_explains_what_trials_find() {
        let graph = random(2_000, 8, 3).undirected().unwrap();
        let found = partitions(&graph, &[0.3, 0.6, 0.75], 200, &mut Chance::from_seed(5));
        for partition in &found {
            // Within the interval, widened: few nodes are cut off in pairs.
            let Share { low, high, .. } = partition.parted;
            assert!((low - 0.05..=high + 0.05).contains(&partition.expected), "{partition:?}");
        }
        assert!(found[0].parted.share < 0.1 && found[2].parted.share > 0.9, "{found:?}");
    }
}
