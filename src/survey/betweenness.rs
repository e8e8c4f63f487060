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

/// One search from one node, for use again. Sums are pulled level by level from values that are 0 outside the level before: no
/// edge needs a look at where its end lies, which made it three times as fast (25,000 nodes of 200 links).
struct Search {
    is_met: Vec<bool>,
    /// How many shortest paths lead there.
    paths: Vec<f64>,
    /// Dependency: of how many targets' shortest paths the node has which share.
    share: Vec<f64>,
    /// What the nodes of one level give to their neighbours; 0 for all others.
    given: Vec<f64>,
    /// The nodes in the order they were met.
    order: Vec<u32>,
    /// Where in the order each distance begins, and the end.
    levels: Vec<usize>,
}

impl Search {
    fn new(nodes: usize) -> Search {
        let zeros = vec![0.0; nodes];
        let (paths, share, given) = (zeros.clone(), zeros.clone(), zeros);
        Search { is_met: vec![false; nodes], paths, share, given, order: Vec::with_capacity(nodes), levels: vec![] }
    }

    fn run(&mut self, graph: &Undirected, start: u32) {
        for node in self.order.drain(..) {
            self.is_met[node as usize] = false;
            self.share[node as usize] = 0.0;
        }
        self.is_met[start as usize] = true;
        self.paths[start as usize] = 1.0;
        self.order.push(start);
        self.levels = vec![0, 1];
        self.outward(graph);
        self.back(graph);
    }

    /// Counts shortest paths, one level of distance after the other.
    fn outward(&mut self, graph: &Undirected) {
        while let [.., begin, end] = self.levels[..] {
            for at in begin..end {
                for next in graph.out(self.order[at]) {
                    if !std::mem::replace(&mut self.is_met[*next as usize], true) {
                        self.order.push(*next);
                    }
                }
            }
            if self.order.len() == end {
                return;
            }
            let (level, found) = (&self.order[begin..end], &self.order[end..]);
            level.iter().for_each(|node| self.given[*node as usize] = self.paths[*node as usize]);
            found.iter().for_each(|node| self.paths[*node as usize] = pulled(graph, *node, &self.given));
            level.iter().for_each(|node| self.given[*node as usize] = 0.0);
            self.levels.push(self.order.len());
        }
    }

    /// Sums up dependencies, the farthest first.
    fn back(&mut self, graph: &Undirected) {
        for ends in self.levels.windows(3).rev() {
            let (level, further) = (&self.order[ends[0]..ends[1]], &self.order[ends[1]..ends[2]]);
            for node in further {
                self.given[*node as usize] = (1.0 + self.share[*node as usize]) / self.paths[*node as usize];
            }
            for node in level {
                self.share[*node as usize] = self.paths[*node as usize] * pulled(graph, *node, &self.given);
            }
            further.iter().for_each(|node| self.given[*node as usize] = 0.0);
        }
    }
}

/// What the neighbours of this node give together.
fn pulled(graph: &Undirected, node: u32, given: &[f64]) -> f64 {
    graph.out(node).iter().map(|other| given[*other as usize]).sum()
}

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
