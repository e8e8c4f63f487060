//! On how many shortest paths a node lies.
//!
//! Owns: betweenness by hops, exact or estimated from a sample of starting points.
//! Never does: weigh links.

use super::draw;
use super::graph::Undirected;
use crate::base::Chance;

/// Of each node the share of shortest paths between others that lead over it, summed over all pairs: Brandes, "A faster
/// algorithm for betweenness centrality" (2001). With fewer starting points than nodes it is scaled up from the random ones
/// followed (Brandes and Pich, "Centrality estimation in large networks", 2007). Unordered pairs: the middle of a path of
/// three has 1.
pub fn betweenness(graph: &Undirected, starts: usize, chance: &mut Chance) -> Vec<f64> {
    let nodes = graph.node_count();
    let drawn = draw::distinct(nodes, starts, chance);
    // Each pair is met from both its ends.
    let scale = nodes as f64 / drawn.len().max(1) as f64 / 2.0;
    let mut search = Search::new(nodes);
    let mut total = vec![0.0; nodes];
    for start in drawn {
        search.run(graph, start);
        for node in search.order.iter().skip(1) {
            total[*node as usize] += search.share[*node as usize] * scale;
        }
    }
    total
}

/// One search from one node, for use again.
struct Search {
    /// Hops from the start; [`FAR`] if not met.
    hops: Vec<u32>,
    /// How many shortest paths lead there.
    paths: Vec<f64>,
    /// Dependency: of how many targets' shortest paths the node has which share.
    share: Vec<f64>,
    /// The nodes in the order they were met.
    order: Vec<u32>,
}

impl Search {
    fn new(nodes: usize) -> Search {
        let zeros = vec![0.0; nodes];
        Search { hops: vec![FAR; nodes], paths: zeros.clone(), share: zeros, order: Vec::with_capacity(nodes) }
    }

    fn run(&mut self, graph: &Undirected, start: u32) {
        for node in self.order.drain(..) {
            self.hops[node as usize] = FAR;
            self.paths[node as usize] = 0.0;
            self.share[node as usize] = 0.0;
        }
        (self.hops[start as usize], self.paths[start as usize]) = (0, 1.0);
        self.order.push(start);
        self.outward(graph);
        self.back(graph);
    }

    fn outward(&mut self, graph: &Undirected) {
        let mut at = 0;
        while let Some(node) = self.order.get(at).copied() {
            let (further, paths) = (self.hops[node as usize] + 1, self.paths[node as usize]);
            for next in graph.out(node) {
                let hops = &mut self.hops[*next as usize];
                if *hops == FAR {
                    *hops = further;
                    self.order.push(*next);
                }
                if *hops == further {
                    self.paths[*next as usize] += paths;
                }
            }
            at += 1;
        }
    }

    fn back(&mut self, graph: &Undirected) {
        for node in self.order.iter().rev() {
            let (hops, each) =
                (self.hops[*node as usize], (1.0 + self.share[*node as usize]) / self.paths[*node as usize]);
            for before in graph.out(*node).iter().filter(|before| self.hops[**before as usize] + 1 == hops) {
                self.share[*before as usize] += each * self.paths[*before as usize];
            }
        }
    }
}

/// Not met. One more must not overflow.
const FAR: u32 = u32::MAX - 1;

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{links, petgraph_of, random, small};
    use super::*;
    use proptest::prelude::*;

    fn all(graph: &Undirected) -> Vec<f64> {
        betweenness(graph, usize::MAX, &mut Chance::from_seed(1))
    }

    #[test]
    fn small_graphs_are_counted_by_hand() {
        assert_eq!(all(&links(4, &[(0, 1), (1, 2), (2, 3)])), [0.0, 2.0, 2.0, 0.0]);
        assert_eq!(all(&links(5, &[(0, 1), (0, 2), (0, 3), (0, 4)])), [6.0, 0.0, 0.0, 0.0, 0.0]);
        // A ring of four: each of the two opposite pairs has two ways, half of them over each node between.
        assert_eq!(all(&links(4, &[(0, 1), (1, 2), (2, 3), (3, 0)])), [0.5; 4]);
    }

    #[test]
    fn a_sample_ranks_like_the_whole() {
        // Two crowds that only nodes 0 and 1 join.
        let crowd = random(100, 6, 3);
        let shifted = crowd.edges().map(|edge| (edge.from + 100, edge.to + 100));
        let edges: Vec<(u32, u32)> =
            crowd.edges().map(|edge| (edge.from, edge.to)).chain(shifted).chain([(0, 100)]).collect();
        let graph = links(200, &edges);
        let (exact, sample) = (all(&graph), betweenness(&graph, 40, &mut Chance::from_seed(8)));
        let top = |of: &[f64]| {
            let mut order: Vec<usize> = (0..of.len()).collect();
            order.sort_by(|a, b| of[*b].total_cmp(&of[*a]));
            order.truncate(2);
            order.sort_unstable();
            order
        };
        assert_eq!((top(&exact), top(&sample)), (vec![0, 100], vec![0, 100]));
        assert!((sample[0] / exact[0] - 1.0).abs() < 0.1, "{} {}", sample[0], exact[0]);
    }

    proptest! {
        #[test]
        fn all_interior_nodes_of_all_paths_are_counted(graph in small()) {
            // Summed over all nodes, betweenness is the sum of (hops - 1) over pairs; petgraph counts the hops.
            let graph = graph.undirected().unwrap();
            let hops = petgraph::algo::floyd_warshall(&petgraph_of(&graph), |_| 1u32).unwrap();
            let between: u32 = hops.into_values().filter(|hops| (1..u32::MAX).contains(hops)).map(|hops| hops - 1).sum();
            prop_assert!((all(&graph).iter().sum::<f64>() - f64::from(between) / 2.0).abs() < 1e-9);
        }
    }
}
