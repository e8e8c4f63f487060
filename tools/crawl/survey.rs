//! The survey of what a crawl found.
//!
//! Owns: the graph of the visited nodes, and the words above its page.
//! Never does: write a file, or count a node that was only named.

use crate::surveyed::Surveyed;
use arras::crawler::{Census, Summary};
use arras::survey::graph::GraphError;
use arras::survey::{Edge, Graph};

/// Surveys the visited nodes and whom they name.
pub fn survey(census: &Census) -> Result<Surveyed, GraphError> {
    let overlay = census.overlay();
    let edge = |(from, to, rtt): &(u32, u32, Option<arras::base::Span>)| match rtt {
        Some(rtt) => Edge::new(*from, *to).with_rtt(*rtt),
        None => Edge::new(*from, *to),
    };
    let edges: Vec<Edge> = overlay.edges.iter().map(edge).collect();
    let graph = Graph::from_edges(overlay.nodes.len(), &edges)?;
    let nodes = || overlay.nodes.iter().map(|index| &census.nodes[*index as usize]);
    let ids = nodes().map(|node| node.contact.id().to_string()).collect();
    Surveyed::of(graph, ids, nodes().map(|node| node.coordinate()), EDGES_WHOLE_MAX)
}

/// The page, as SVG.
pub fn page(surveyed: &Surveyed, summary: &Summary) -> Result<String, GraphError> {
    let coverage = 100.0 * summary.coverage.coverage_estimate;
    let (nodes, edges) = (surveyed.graph.node_count(), surveyed.graph.edge_count());
    let facts = [
        format!("{nodes} nodes visited, {edges} edges; estimated coverage {coverage:.1} %"),
        "An edge is an entry of a leaf set or table; its latency is what the two coordinates predict.".to_owned(),
    ];
    surveyed.page("arras: the overlay as a crawl found it", &facts)
}

/// Edges up to which everything is measured: some ten seconds of one core (`Effort`).
const EDGES_WHOLE_MAX: usize = 2_500_000;
