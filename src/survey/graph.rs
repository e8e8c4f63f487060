//! A graph of nodes and who knows whom.
//!
//! Owns: a compact directed graph with latencies on its edges, its reverse, and the same seen as links that carry both ways.
//! Never does: know what a node is; it has numbers from 0.

use crate::base::Span;
use std::fmt;
use std::ops::Deref;

/// A directed graph in compressed rows: 4 bytes a node, 4 bytes an edge, 4 more where latencies are known. A million nodes of
/// 200 edges take 0.8 GB. No node has an edge to itself, no edge is there twice, the edges of a node ascend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Where the row of each node begins, and where the last one ends.
    starts: Vec<u32>,
    targets: Vec<u32>,
    /// Of each edge, or empty if no edge has one.
    rtt_us: Vec<u32>,
}

/// A graph in which every edge has its opposite: what is left if links carry both ways whoever made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undirected(Graph);

/// A directed edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Who knows.
    pub from: u32,
    /// Whom.
    pub to: u32,
    rtt_us: u32,
}

/// Why edges are not a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// An edge names a node that is not there.
    NoSuchNode {
        /// Its number.
        node: u32,
        /// How many nodes there are, from 0.
        nodes: usize,
    },
    /// There is no node.
    Empty,
    /// More nodes or edges than 32 bits can number.
    TooLarge,
}

impl Edge {
    /// An edge without a latency.
    pub fn new(from: u32, to: u32) -> Edge {
        Edge { from, to, rtt_us: UNKNOWN }
    }

    /// The same edge with this round trip: kept in whole microseconds, at most 71 minutes.
    pub fn with_rtt(self, rtt: Span) -> Edge {
        Edge { rtt_us: rtt.as_micros().min(u64::from(UNKNOWN - 1)) as u32, ..self }
    }

    /// Its round trip, if known.
    pub fn rtt(&self) -> Option<Span> {
        (self.rtt_us != UNKNOWN).then(|| Span::from_micros(u64::from(self.rtt_us)))
    }
}

impl Graph {
    /// The graph of these edges between nodes `0..nodes`. Edges of a node to itself are left out; of two between the same nodes
    /// the one with the shorter round trip stays.
    pub fn from_edges(nodes: usize, edges: &[Edge]) -> Result<Graph, GraphError> {
        if nodes >= UNKNOWN as usize || edges.len() >= UNKNOWN as usize {
            return Err(GraphError::TooLarge);
        }
        let beyond = edges.iter().flat_map(|edge| [edge.from, edge.to]).find(|node| *node as usize >= nodes);
        if let Some(node) = beyond {
            return Err(GraphError::NoSuchNode { node, nodes });
        }
        let mut starts = vec![0u32; nodes + 1];
        for edge in edges {
            starts[edge.from as usize + 1] += 1;
        }
        add_up(&mut starts);
        let mut heads = vec![(0, 0); edges.len()];
        let mut free = starts.clone();
        for edge in edges {
            let at = &mut free[edge.from as usize];
            heads[*at as usize] = (edge.to, edge.rtt_us);
            *at += 1;
        }
        let rows = (0..nodes).map(|node| &heads[starts[node] as usize..starts[node + 1] as usize]);
        Graph::collected(rows.map(|row| row.iter().copied()))
    }

    /// The graph whose node `i` has the edges of the `i`-th row, without latencies. The rows are taken one at a time, so that a
    /// large graph need not be there twice.
    pub fn from_rows<R: IntoIterator<Item = u32>>(rows: impl IntoIterator<Item = R>) -> Result<Graph, GraphError> {
        let graph = Graph::collected(rows.into_iter().map(|row| row.into_iter().map(|to| (to, UNKNOWN))))?;
        let nodes = graph.node_count();
        match graph.targets.iter().find(|to| **to as usize >= nodes) {
            Some(&node) => Err(GraphError::NoSuchNode { node, nodes }),
            None => Ok(graph),
        }
    }

    /// Rows of (target, microseconds), in any order and with repeats.
    fn collected<R: Iterator<Item = (u32, u32)>>(rows: impl Iterator<Item = R>) -> Result<Graph, GraphError> {
        let (mut starts, mut targets, mut rtt_us) = (vec![0u32], Vec::new(), Vec::new());
        let mut row = Vec::new();
        for (node, edges) in rows.enumerate() {
            row.clear();
            row.extend(edges.filter(|(to, _)| *to as usize != node));
            // Not the unstable sort: this one is quick where runs are in order already, as rows of two graphs are.
            row.sort();
            row.dedup_by_key(|(to, _)| *to);
            if row.iter().any(|(_, rtt)| *rtt != UNKNOWN) {
                rtt_us.resize(targets.len(), UNKNOWN);
                rtt_us.extend(row.iter().map(|(_, rtt)| *rtt));
            }
            targets.extend(row.iter().map(|(to, _)| *to));
            if node >= UNKNOWN as usize || targets.len() >= UNKNOWN as usize {
                return Err(GraphError::TooLarge);
            }
            starts.push(targets.len() as u32);
        }
        if !rtt_us.is_empty() {
            rtt_us.resize(targets.len(), UNKNOWN);
        }
        Ok(Graph { starts, targets, rtt_us })
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The numbers of all nodes.
    pub fn nodes(&self) -> std::ops::Range<u32> {
        0..self.node_count() as u32
    }

    /// How many directed edges there are.
    pub fn edge_count(&self) -> usize {
        self.targets.len()
    }

    /// Whom this node knows, in ascending order.
    pub fn out(&self, node: u32) -> &[u32] {
        &self.targets[self.row(node)]
    }

    /// How many nodes this one knows.
    pub fn out_degree(&self, node: u32) -> usize {
        self.row(node).len()
    }

    /// How many nodes know each one.
    pub fn in_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0; self.node_count()];
        for to in &self.targets {
            degrees[*to as usize] += 1;
        }
        degrees
    }

    /// Whether the first knows the second.
    pub fn has_edge(&self, from: u32, to: u32) -> bool {
        self.out(from).binary_search(&to).is_ok()
    }

    /// All edges, by their first node.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.nodes().flat_map(move |from| {
            self.row(from).map(move |at| Edge { from, to: self.targets[at], rtt_us: self.rtt_at(at) })
        })
    }

    /// Where the edges of this node lie among all edges.
    pub(super) fn row(&self, node: u32) -> std::ops::Range<usize> {
        self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize
    }

    /// Target and microseconds of each edge of this node.
    fn heads(&self, node: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.row(node).map(|at| (self.targets[at], self.rtt_at(at)))
    }

    fn rtt_at(&self, at: usize) -> u32 {
        self.rtt_us.get(at).copied().unwrap_or(UNKNOWN)
    }

    /// The graph with all edges turned round.
    pub fn reversed(&self) -> Graph {
        let mut starts = vec![0u32; self.node_count() + 1];
        for to in &self.targets {
            starts[*to as usize + 1] += 1;
        }
        add_up(&mut starts);
        let mut free = starts.clone();
        let mut targets = vec![0; self.targets.len()];
        let mut rtt_us = vec![UNKNOWN; self.rtt_us.len()];
        for from in self.nodes() {
            for at in self.row(from) {
                let place = &mut free[self.targets[at] as usize];
                targets[*place as usize] = from;
                if let Some(rtt) = rtt_us.get_mut(*place as usize) {
                    *rtt = self.rtt_at(at);
                }
                *place += 1;
            }
        }
        Graph { starts, targets, rtt_us }
    }

    /// The same with every edge in both directions; where the two had different latencies, both have the shorter one.
    pub fn undirected(&self) -> Result<Undirected, GraphError> {
        let reversed = self.reversed();
        let both = |node| self.heads(node).chain(reversed.heads(node));
        Graph::collected(self.nodes().map(both)).map(Undirected)
    }
}

impl Undirected {
    /// How many links there are, each counted once.
    pub fn link_count(&self) -> usize {
        self.edge_count() / 2
    }
}

impl Deref for Undirected {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.0
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::NoSuchNode { node, nodes } => write!(f, "an edge names node {node}, there are {nodes} from 0"),
            GraphError::Empty => write!(f, "the graph has no node"),
            GraphError::TooLarge => write!(f, "more than {UNKNOWN} nodes or edges"),
        }
    }
}

impl std::error::Error for GraphError {}

/// Counts, one place further, become the places where rows begin.
fn add_up(counts: &mut [u32]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

/// Stands for a latency that is not known; sorts behind all that are.
const UNKNOWN: u32 = u32::MAX;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::Chance;
    use proptest::prelude::*;

    /// The graph of these edges.
    pub fn graph(nodes: usize, edges: &[(u32, u32)]) -> Graph {
        let edges: Vec<Edge> = edges.iter().map(|(from, to)| Edge::new(*from, *to)).collect();
        Graph::from_edges(nodes, &edges).unwrap()
    }

    /// The same, every edge both ways.
    pub fn links(nodes: usize, edges: &[(u32, u32)]) -> Undirected {
        graph(nodes, edges).undirected().unwrap()
    }

    /// A graph in which every node knows this many others, drawn at random.
    pub fn random(nodes: usize, out: usize, seed: u64) -> Graph {
        let mut chance = Chance::from_seed(seed);
        let rows = (0..nodes).map(|_| (0..out).map(|_| chance.index(nodes) as u32).collect::<Vec<_>>());
        Graph::from_rows(rows).unwrap()
    }

    /// Up to 12 nodes and any edges between them.
    pub fn small() -> impl Strategy<Value = Graph> {
        let edges = |nodes: u32| prop::collection::vec((0..nodes, 0..nodes), 0..40);
        (2u32..12).prop_flat_map(move |nodes| (Just(nodes as usize), edges(nodes))).prop_map(|(n, e)| graph(n, &e))
    }

    /// The same graph as petgraph has it.
    pub fn petgraph_of(graph: &Graph) -> petgraph::graph::DiGraph<(), u32> {
        let mut other = petgraph::graph::DiGraph::new();
        let nodes: Vec<_> = graph.nodes().map(|_| other.add_node(())).collect();
        for edge in graph.edges() {
            other.add_edge(nodes[edge.from as usize], nodes[edge.to as usize], 1);
        }
        other
    }

    #[test]
    fn rows_ascend_and_the_shorter_of_two_edges_stays() {
        let ms = |from, to, ms| Edge::new(from, to).with_rtt(Span::from_millis(ms));
        let edges = [Edge::new(0, 2), ms(0, 1, 9), ms(0, 1, 7), Edge::new(0, 1), ms(1, 1, 1), ms(2, 0, 5)];
        let graph = Graph::from_edges(4, &edges).unwrap();
        assert_eq!((graph.node_count(), graph.edge_count()), (4, 3));
        assert_eq!((graph.out(0), graph.out(1), graph.out(2), graph.out(3)), (&[1, 2][..], &[][..], &[0][..], &[][..]));
        let found: Vec<_> = graph.edges().map(|edge| edge.rtt().map(Span::as_millis_f64)).collect();
        assert_eq!(found, [Some(7.0), None, Some(5.0)]);
        let undirected = graph.undirected().unwrap();
        assert_eq!((undirected.link_count(), undirected.out(2), undirected.out(1)), (2, &[0][..], &[0][..]));
        assert!(undirected.edges().all(|edge| edge.rtt().is_some()), "the known direction serves both");
    }

    #[test]
    fn a_node_that_is_not_there_is_refused() {
        let error = GraphError::NoSuchNode { node: 2, nodes: 2 };
        assert_eq!(Graph::from_edges(2, &[Edge::new(0, 2)]), Err(error));
        assert_eq!(Graph::from_rows([vec![1], vec![2]]), Err(error));
        assert_eq!(error.to_string(), "an edge names node 2, there are 2 from 0");
    }

    proptest! {
        #[test]
        fn turning_round_twice_changes_nothing(graph in small()) {
            let reversed = graph.reversed();
            prop_assert!(graph.edges().all(|edge| reversed.has_edge(edge.to, edge.from)));
            let inward: Vec<usize> = reversed.nodes().map(|node| reversed.out_degree(node)).collect();
            prop_assert_eq!(graph.in_degrees(), inward.iter().map(|degree| *degree as u32).collect::<Vec<_>>());
            prop_assert_eq!(reversed.reversed(), graph);
        }
    }
}
