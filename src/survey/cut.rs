//! How many paths without a common edge two nodes have.
//!
//! Owns: edge-disjoint paths between sampled pairs, which is the smallest cut between them (Menger 1927).
//! Never does: look at all pairs; it says how many it drew.

use super::distribution::{Share, Summary};
use super::draw;
use super::graph::{Graph, GraphError, Undirected};
use crate::base::Chance;
use serde::{Deserialize, Serialize};

/// Edge-disjoint paths between sampled pairs of different nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cuts {
    /// Each pair with its paths.
    pub pairs: Vec<PairCut>,
    /// The paths of all pairs summed up; its `min` is the smallest cut found.
    pub paths: Summary,
    /// How many pairs have as many paths as the end with fewer edges allows: there nothing between the two is narrower than they are.
    pub at_degree: Share,
}

/// A pair and how well it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCut {
    /// From this node
    pub from: u32,
    /// to this one
    pub to: u32,
    /// there are so many paths without a common edge: so many edges must break before no path is left.
    pub paths: u32,
    /// At most so many are possible: edges that leave the first, or edges that reach the second, whichever are fewer.
    pub degree: u32,
}

impl Cuts {
    /// Along directed edges, for this many random pairs; `None` with fewer than two nodes or no pair.
    pub fn of(graph: &Graph, pairs: usize, chance: &mut Chance) -> Result<Option<Cuts>, GraphError> {
        let links = graph.undirected()?;
        Ok(sampled(&mut Flow::along(graph, &links), pairs, chance))
    }

    /// Along links that carry both ways; `None` with fewer than two nodes or no pair.
    pub fn of_links(graph: &Undirected, pairs: usize, chance: &mut Chance) -> Option<Cuts> {
        let edges = graph.edge_count();
        sampled(&mut Flow::new(graph, vec![1; edges], vec![2; edges]), pairs, chance)
    }
}

fn sampled(flow: &mut Flow<'_>, pairs: usize, chance: &mut Chance) -> Option<Cuts> {
    let nodes = flow.links.node_count();
    if nodes < 2 {
        return None;
    }
    let pairs: Vec<PairCut> =
        (0..pairs).map(|_| draw::pair(nodes, chance)).map(|(from, to)| flow.cut(from, to)).collect();
    let at_degree = pairs.iter().filter(|pair| pair.paths == pair.degree).count();
    Some(Cuts {
        paths: Summary::of(pairs.iter().map(|pair| f64::from(pair.paths)))?,
        at_degree: Share::of(at_degree, pairs.len())?,
        pairs,
    })
}

/// Flow of one unit an edge, augmented path by path (Ford and Fulkerson 1956). A path is searched from both ends at once, the
/// smaller front first: in graphs of few hops the fronts meet after a small part of the edges.
struct Flow<'a> {
    links: &'a Undirected,
    /// What each direction of each link can still carry: 0, 1, or 2 where the other direction's unit can be taken back.
    room: Vec<u8>,
    /// What both directions of its link carry together.
    total: Vec<u8>,
    /// Edges that a path changed, to be put back.
    changed: Vec<(usize, u8)>,
    /// Which of the two searches of which round met the node last: twice the round, and one more for the far one.
    met: Vec<u32>,
    /// From where it met it: the node before it, or the node behind it.
    via: Vec<u32>,
    round: u32,
}

impl<'a> Flow<'a> {
    /// Along the directed edges of a graph, whose links these are.
    fn along(graph: &Graph, links: &'a Undirected) -> Flow<'a> {
        let carries = |from, to| u8::from(graph.has_edge(from, to));
        let room: Vec<u8> = links.edges().map(|edge| carries(edge.from, edge.to)).collect();
        let total = links.edges().zip(&room).map(|(edge, there)| there + carries(edge.to, edge.from)).collect();
        Flow::new(links, room, total)
    }

    fn new(links: &'a Undirected, room: Vec<u8>, total: Vec<u8>) -> Flow<'a> {
        let nodes = vec![0; links.node_count()];
        Flow { links, room, total, changed: Vec::new(), met: nodes.clone(), via: nodes, round: 0 }
    }

    /// The paths from one to the other.
    fn cut(&mut self, from: u32, to: u32) -> PairCut {
        let leaves: u32 = self.links.row(from).map(|at| u32::from(self.room[at])).sum();
        let arrives: u32 = self.links.row(to).map(|at| u32::from(self.total[at] - self.room[at])).sum();
        let degree = leaves.min(arrives);
        let mut paths = 0;
        while paths < degree && self.augment(from, to) {
            paths += 1;
        }
        while let Some((at, room)) = self.changed.pop() {
            self.room[at] = room;
        }
        PairCut { from, to, paths, degree }
    }

    /// Finds one more path and takes it.
    fn augment(&mut self, from: u32, to: u32) -> bool {
        self.round += 1;
        let (near, far) = (2 * self.round, 2 * self.round + 1);
        (self.met[from as usize], self.met[to as usize]) = (near, far);
        let (mut out, mut back) = (vec![from], vec![to]);
        while !out.is_empty() && !back.is_empty() {
            let is_out = out.len() <= back.len();
            let front = if is_out { &mut out } else { &mut back };
            let (next, meeting) = self.grow(front, if is_out { near } else { far });
            *front = next;
            if let Some((before, behind)) = meeting {
                self.take(from, to, (before, behind));
                return true;
            }
        }
        false
    }

    /// The nodes next to this front, and the edge that joins it to the other search if there is one.
    fn grow(&mut self, front: &[u32], own: u32) -> (Vec<u32>, Option<(u32, u32)>) {
        let (mut next, is_out) = (Vec::new(), own.is_multiple_of(2));
        for node in front {
            for (at, &other) in self.links.row(*node).zip(self.links.out(*node)) {
                let carries = if is_out { self.room[at] } else { self.total[at] - self.room[at] };
                let met = self.met[other as usize];
                if carries == 0 || met == own {
                    continue;
                }
                if met == own ^ 1 {
                    return (next, Some(if is_out { (*node, other) } else { (other, *node) }));
                }
                self.met[other as usize] = own;
                self.via[other as usize] = *node;
                next.push(other);
            }
        }
        (next, None)
    }

    /// Sends a unit along the path that the two searches found.
    fn take(&mut self, from: u32, to: u32, meeting: (u32, u32)) {
        self.carry(meeting.0, meeting.1);
        let mut node = meeting.0;
        while node != from {
            let before = self.via[node as usize];
            self.carry(before, node);
            node = before;
        }
        let mut node = meeting.1;
        while node != to {
            let behind = self.via[node as usize];
            self.carry(node, behind);
            node = behind;
        }
    }

    fn carry(&mut self, from: u32, to: u32) {
        let (there, back) = (self.place(from, to), self.place(to, from));
        self.changed.extend([(there, self.room[there]), (back, self.room[back])]);
        self.room[there] -= 1;
        self.room[back] += 1;
    }

    /// Where this edge lies among all; links have both directions.
    fn place(&self, from: u32, to: u32) -> usize {
        let row = self.links.row(from);
        row.start + self.links.out(from).partition_point(|known| *known < to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{graph, links, petgraph_of, random, small};
    use super::*;
    use proptest::prelude::*;

    fn between(graph: &Graph, from: u32, to: u32) -> u32 {
        let links = graph.undirected().unwrap();
        let mut flow = Flow::along(graph, &links);
        let cut = flow.cut(from, to);
        assert_eq!(flow.cut(from, to), cut, "a second look finds the same");
        cut.paths
    }

    #[test]
    fn a_bridge_is_the_smallest_cut() {
        // Two triangles, joined by 2-3.
        let graph = links(6, &[(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (2, 3)]);
        assert_eq!((between(&graph, 0, 1), between(&graph, 0, 5), between(&graph, 2, 3)), (2, 1, 1));
        let cuts = Cuts::of_links(&graph, 60, &mut Chance::from_seed(1)).unwrap();
        assert_eq!((cuts.pairs.len(), cuts.paths.min, cuts.paths.max), (60, 1.0, 2.0));
        let narrow = cuts.pairs.iter().filter(|pair| (pair.from < 3) != (pair.to < 3)).count();
        assert_eq!(cuts.at_degree.happened, 60 - narrow);
    }

    #[test]
    fn a_path_that_took_the_wrong_turn_is_taken_back() {
        // The first shortest path may be 0-1-4-5 over the one edge that both need; two paths exist.
        let graph = graph(6, &[(0, 1), (0, 2), (1, 4), (1, 3), (2, 4), (3, 5), (4, 5)]);
        assert_eq!((between(&graph, 0, 5), between(&graph, 5, 0)), (2, 0));
    }

    #[test]
    fn a_random_graph_is_as_well_connected_as_its_nodes() {
        let graph = random(500, 8, 4).undirected().unwrap();
        let cuts = Cuts::of_links(&graph, 50, &mut Chance::from_seed(2)).unwrap();
        assert_eq!(cuts.at_degree.share, 1.0);
        assert_eq!(Cuts::of_links(&links(1, &[]), 5, &mut Chance::from_seed(2)), None);
    }

    proptest! {
        #[test]
        fn directed_and_undirected_flows_are_those_of_petgraph(graph in small()) {
            let undirected = graph.undirected().unwrap();
            for graph in [&graph, &*undirected] {
                let other = petgraph_of(graph);
                for (from, to) in [(0, 1), (1, 0)] {
                    let (flow, _) = petgraph::algo::ford_fulkerson(&other, from.into(), to.into());
                    prop_assert_eq!(between(graph, from, to), flow);
                }
            }
        }
    }
}
