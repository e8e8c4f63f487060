//! Between which bounds the diameter lies.
//!
//! Owns: what searches to a few nodes tell about the farthest pair of all.
//! Never does: search everything; see `paths` for what is exact.

use super::components::Components;
use super::graph::{Graph, Undirected};
use super::sweep::{LANES, Sweep, set};

/// What is known about how far the farthest node is from each: if a node is d from a target and the target's farthest is e away,
/// its own is at most d + e away (Takes and Kosters, "Determining the diameter of small world networks", CIKM 2011).
pub(super) struct Bounds<'a> {
    /// Distances *from* a node are found by a search *to* it along reversed edges.
    away: Sweep<'a>,
    reversed: &'a Graph,
    /// The farthest of each node is at most so far; `u32::MAX` if nothing is known.
    upper: Vec<u32>,
    /// The farthest found of any.
    lower: u32,
    /// For links: what the size of a node's part allows at most. Empty where edges have a direction; there only a target
    /// that reaches every node bounds anything.
    parts: Vec<u32>,
}

impl<'a> Bounds<'a> {
    /// Nothing is known yet of this graph, whose reverse is needed too.
    pub(super) fn of_edges(graph: &Graph, reversed: &'a Graph) -> Bounds<'a> {
        let at_first = |node| if graph.out_degree(node) == 0 { 0 } else { u32::MAX };
        let upper = graph.nodes().map(at_first).collect();
        Bounds { away: Sweep::new(reversed), reversed, upper, lower: 0, parts: Vec::new() }
    }

    /// Nothing is known yet of this graph but its parts.
    pub(super) fn of_links(graph: &'a Undirected) -> Bounds<'a> {
        Bounds { parts: parts(graph), ..Bounds::of_edges(graph, graph) }
    }

    /// Measures these nodes: how far the farthest of each is, and whether that tells anything about others: it does if they can
    /// reach no node that this one cannot.
    fn measure(&mut self, nodes: &[u32]) -> Vec<(u32, bool)> {
        let (mut farthest, mut reached) = (vec![0; nodes.len()], vec![1; nodes.len()]);
        self.away.run(nodes, |level, found| {
            for lane in found.iter().flat_map(set) {
                farthest[lane] = level;
                reached[lane] += 1;
            }
        });
        for (node, own) in nodes.iter().zip(&farthest) {
            self.upper[*node as usize] = *own;
            self.lower = self.lower.max(*own);
        }
        let all = |reached| reached == self.reversed.node_count() || !self.parts.is_empty();
        farthest.into_iter().zip(reached.into_iter().map(all)).collect()
    }

    /// Looks at these targets, to which `sweep` leads.
    pub(super) fn learn(&mut self, targets: &[u32], sweep: &mut Sweep<'_>) {
        let measured = self.measure(targets);
        let useful = |&(own, is_useful): &(u32, bool)| if is_useful { own } else { u32::MAX };
        let farthest: Vec<u32> = measured.iter().map(useful).collect();
        let least = farthest.iter().copied().min().unwrap_or(u32::MAX);
        sweep.run(targets, |level, reached| {
            self.lower = self.lower.max(level);
            for (upper, lanes) in self.upper.iter_mut().zip(reached) {
                if *upper > level.saturating_add(least) {
                    set(lanes).for_each(|lane| *upper = (*upper).min(farthest[lane].saturating_add(level)));
                }
            }
        });
    }

    /// Measures those of the widest bound: first some of them, in search of the farthest; then all, if they are few enough that
    /// the bound may come down.
    pub(super) fn look_at_the_widest(&mut self) {
        for round in 0..WIDEST_ROUNDS {
            let nodes = self.reversed.nodes();
            let most = nodes.clone().map(|node| self.bound(node)).max().unwrap_or(0);
            let mut widest: Vec<u32> = nodes.filter(|node| self.bound(*node) == most).collect();
            if most <= self.lower || (round > 0 && widest.len() > (WIDEST_ROUNDS - round) * LANES) {
                return;
            }
            widest.truncate(LANES);
            self.measure(&widest);
        }
    }

    /// The diameter is at least this.
    pub(super) fn at_least(&self) -> u32 {
        self.lower
    }

    /// And at most this, if anything bounds it.
    pub(super) fn at_most(&self) -> Option<u32> {
        self.reversed.nodes().map(|node| self.bound(node)).max().filter(|most| *most < u32::MAX)
    }

    fn bound(&self, node: u32) -> u32 {
        let part = self.parts.get(node as usize).copied().unwrap_or(u32::MAX);
        self.upper[node as usize].min(part)
    }
}

/// Of each node the number of nodes in its part, less one: no path within it is longer.
fn parts(graph: &Undirected) -> Vec<u32> {
    let mut sets = Components::of_none(graph.node_count());
    graph.nodes().for_each(|node| sets.add(node));
    graph.edges().for_each(|edge| sets.join(edge.from, edge.to));
    graph.nodes().map(|node| sets.size_at(node) as u32 - 1).collect()
}

/// Batches of 256 nodes with the widest bounds that are measured. A guess: each costs as much as a batch of targets.
const WIDEST_ROUNDS: usize = 4;
