//! What is left of a graph when nodes go.
//!
//! Owns: the orders in which nodes go, and the largest part of those that stay, as a curve over the share that went.
//! Never does: repair; the graph stays as it was.

use super::betweenness::betweenness;
use super::components::Components;
use super::graph::Undirected;
use crate::base::Chance;
use serde::{Deserialize, Serialize};
use std::collections::BinaryHeap;

/// In which order nodes go. Equals go in random order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// At random.
    Random,
    /// Those with most links first, as counted before any went.
    Degree,
    /// At each step the one with most links to those that are left.
    DegreeReranked,
    /// Those on most shortest paths first, as estimated before any went, see [`betweenness`].
    Betweenness,
}

/// What is left as more and more nodes go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Removal {
    /// In which order they go.
    pub attack: Attack,
    /// From none removed on, in ascending order of the share.
    pub curve: Vec<Left>,
}

/// What is left when so many nodes are gone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// The share (0 to 1) of all nodes that went.
    pub removed: f64,
    /// How many stay.
    pub living: usize,
    /// How many of those are in the largest part.
    pub largest: usize,
    /// How many parts there are.
    pub parts: usize,
    /// The largest part as a share (0 to 1) of those that stay: what Balduf et al. (IMC 2023) quote.
    pub of_living: f64,
    /// The largest part as a share (0 to 1) of all nodes there were (Albert, Jeong and Barabási 2000).
    pub of_all: f64,
}

impl Attack {
    /// All of them.
    pub const ALL: [Attack; 4] = [Attack::Random, Attack::Degree, Attack::DegreeReranked, Attack::Betweenness];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Attack::Random => "random",
            Attack::Degree => "by degree",
            Attack::DegreeReranked => "by degree, re-ranked",
            Attack::Betweenness => "by betweenness",
        }
    }

    /// All nodes, the first to go first. Betweenness is estimated from this many starting points.
    pub fn order(self, graph: &Undirected, starts: usize, chance: &mut Chance) -> Vec<u32> {
        let mut order: Vec<u32> = graph.nodes().collect();
        chance.shuffle(&mut order);
        match self {
            Attack::Random => {}
            Attack::Degree => order.sort_by_key(|node| std::cmp::Reverse(graph.out_degree(*node))),
            Attack::DegreeReranked => order = reranked(graph, &order),
            Attack::Betweenness => {
                let scores = betweenness(graph, starts, chance);
                order.sort_by(|one, other| scores[*other as usize].total_cmp(&scores[*one as usize]));
            }
        }
        order
    }
}

impl Removal {
    /// The curve of this attack at these shares (0 to 1, ascending).
    pub fn of(graph: &Undirected, attack: Attack, shares: &[f64], starts: usize, chance: &mut Chance) -> Removal {
        let order = attack.order(graph, starts, chance);
        Removal { attack, curve: curve(graph, &order, shares) }
    }

    /// What is left when this share is gone: the last point of the curve not beyond it.
    pub fn at(&self, removed: f64) -> Option<Left> {
        self.curve.iter().rev().find(|left| left.removed <= removed + 1e-9).copied()
    }

    /// The share removed at which the largest part first falls below half of those that stay; `None` if it never does.
    pub fn shattered_at(&self) -> Option<f64> {
        self.curve.iter().find(|left| left.of_living < 0.5).map(|left| left.removed)
    }
}

/// What is left at each share when nodes go in this order. Counted from the end, the nodes coming instead of going, the whole
/// curve costs one pass over the links (Newman and Ziff 2000).
pub fn curve(graph: &Undirected, order: &[u32], shares: &[f64]) -> Vec<Left> {
    let all = order.len();
    let stays = |share: &f64| all - (share.clamp(0.0, 1.0) * all as f64).round() as usize;
    let mut sets = Components::of_none(graph.node_count());
    let mut coming = order.iter().rev();
    let mut living = 0;
    let mut curve: Vec<Left> = Vec::with_capacity(shares.len());
    for share in shares.iter().rev() {
        for node in coming.by_ref().take(stays(share) - living) {
            sets.add(*node);
            let links = graph.out(*node).iter().filter(|other| **other != *node);
            for other in links {
                if sets.has(*other) {
                    sets.join(*node, *other);
                }
            }
        }
        living = stays(share);
        curve.push(left(&sets, living, all));
    }
    curve.reverse();
    curve
}

fn left(sets: &Components, living: usize, all: usize) -> Left {
    let (largest, of) = (sets.largest(), |count: usize| sets.largest() as f64 / count.max(1) as f64);
    let removed = (all - living) as f64 / all.max(1) as f64;
    Left { removed, living, largest, parts: sets.count(), of_living: of(living), of_all: of(all) }
}

/// The shares at which a curve is drawn: every hundredth from none to all but one.
pub fn hundredths() -> Vec<f64> {
    (0..100).map(|percent| f64::from(percent) / 100.0).collect()
}

/// The order that always takes the node with most links to those that are left; of equals the one that comes first in `ties`.
fn reranked(graph: &Undirected, ties: &[u32]) -> Vec<u32> {
    let mut rank = vec![0u32; ties.len()];
    (0..).zip(ties).for_each(|(place, node)| rank[*node as usize] = u32::MAX - place);
    let mut degree: Vec<usize> = graph.nodes().map(|node| graph.out_degree(node)).collect();
    let mut heap: BinaryHeap<_> =
        graph.nodes().map(|node| (degree[node as usize], rank[node as usize], node)).collect();
    let mut order = Vec::with_capacity(ties.len());
    while let Some((counted, own_rank, node)) = heap.pop() {
        let now = degree[node as usize];
        if counted != now {
            // It has lost links since it was ranked.
            heap.push((now, own_rank, node));
            continue;
        }
        order.push(node);
        graph.out(node).iter().for_each(|other| degree[*other as usize] = degree[*other as usize].saturating_sub(1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{links, petgraph_of, random, small};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_of_five_loses_its_middle_and_then_its_ends() {
        let path = links(5, &[(0, 1), (1, 2), (2, 3), (3, 4)]);
        let curve = curve(&path, &[2, 0, 4, 1, 3], &[0.0, 0.2, 0.4, 0.8, 1.0]);
        let counts: Vec<_> = curve.iter().map(|left| (left.living, left.largest, left.parts)).collect();
        assert_eq!(counts, [(5, 5, 1), (4, 2, 2), (3, 2, 2), (1, 1, 1), (0, 0, 0)]);
        assert_eq!((curve[1].removed, curve[1].of_living, curve[1].of_all), (0.2, 0.5, 0.4));
    }

    #[test]
    fn a_star_stands_random_loss_and_not_the_loss_of_its_centre() {
        let star = links(6, &[(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
        for attack in [Attack::Degree, Attack::DegreeReranked, Attack::Betweenness] {
            let removal = Removal::of(&star, attack, &[0.0, 1.0 / 6.0], 6, &mut Chance::from_seed(1));
            assert_eq!((removal.curve[1].largest, removal.curve[1].parts), (1, 5), "{attack:?}");
            assert_eq!(removal.shattered_at(), Some(1.0 / 6.0));
            assert_eq!(removal.at(0.1), Some(removal.curve[0]));
        }
    }

    #[test]
    fn ranking_again_finds_what_the_first_ranking_hides() {
        // 0 and 1 share their neighbours 2, 3 and 4; 5 has a crowd of two of its own. After 0 has gone, 2, 3 and 4 have one link.
        let graph = links(8, &[(0, 2), (0, 3), (0, 4), (0, 1), (1, 2), (5, 6), (5, 7)]);
        let order = Attack::DegreeReranked.order(&graph, 0, &mut Chance::from_seed(1));
        assert_eq!(order[..2], [0, 5]);
    }

    #[test]
    fn the_curve_of_a_random_graph_bends_where_theory_says() {
        // A random graph of mean degree z keeps a giant part until 1 - 1/z of it are gone (Erdős and Rényi): here 1 - 1/20.
        let graph = random(4_000, 10, 7).undirected().unwrap();
        let removal = Removal::of(&graph, Attack::Random, &hundredths(), 0, &mut Chance::from_seed(2));
        assert!(removal.at(0.8).unwrap().of_living > 0.95);
        assert!((0.88..0.96).contains(&removal.shattered_at().unwrap()), "{:?}", removal.shattered_at());
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_petgraph_finds(graph in small(), seed in any::<u64>(), gone in 0usize..12) {
            let graph = graph.undirected().unwrap();
            let order = Attack::Random.order(&graph, 0, &mut Chance::from_seed(seed));
            let gone = gone.min(order.len());
            let left = curve(&graph, &order, &[gone as f64 / order.len() as f64])[0];
            let mut other = petgraph_of(&graph);
            other.retain_nodes(|_, node| !order[..gone].contains(&(node.index() as u32)));
            prop_assert_eq!(left.living, other.node_count());
            prop_assert_eq!(left.parts, petgraph::algo::connected_components(&other));
            let largest = petgraph::algo::tarjan_scc(&other).iter().map(Vec::len).max();
            prop_assert_eq!(left.largest, largest.unwrap_or(0));
        }
    }
}
