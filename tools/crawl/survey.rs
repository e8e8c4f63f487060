//! The survey of what a crawl found.
//!
//! Owns: the graph of the visited nodes, its measures, and the page and the GraphML of both.
//! Never does: write a file, or count a node that was only named.

use arras::base::Chance;
use arras::crawler::{Census, Summary};
use arras::survey::csv::Column;
use arras::survey::graph::GraphError;
use arras::survey::page::Page;
use arras::survey::topology::Effort;
use arras::survey::{Edge, Graph, Topology, graphml};
use std::io::{self, Write};

/// The visited nodes and whom they name, surveyed.
pub struct Surveyed {
    graph: Graph,
    /// The measures.
    pub topology: Topology,
    ids: Vec<String>,
    places: Vec<(f64, f64)>,
}

impl Surveyed {
    /// Surveys a census. Draws come from a fixed seed: the same census gives the same survey.
    pub fn of(census: &Census) -> Result<Surveyed, GraphError> {
        let overlay = census.overlay();
        let edge = |(from, to, rtt): &(u32, u32, Option<arras::base::Span>)| match rtt {
            Some(rtt) => Edge::new(*from, *to).with_rtt(*rtt),
            None => Edge::new(*from, *to),
        };
        let edges: Vec<Edge> = overlay.edges.iter().map(edge).collect();
        let graph = Graph::from_edges(overlay.nodes.len(), &edges)?;
        let effort = if edges.len() <= EDGES_WHOLE_MAX { Effort::default() } else { Effort::light() };
        let topology = Topology::of(&graph, &effort, &mut Chance::from_seed(SEED))?;
        let nodes = || overlay.nodes.iter().map(|index| &census.nodes[*index as usize]);
        let place = |coordinate: Option<arras::base::Coordinate>| {
            coordinate.map(|coordinate| coordinate.place().map(f64::from)).map(|[x, y]| (x, y))
        };
        // A map of some of the nodes would show a topology that is not there.
        let places = nodes().map(|node| place(node.coordinate())).collect::<Option<Vec<_>>>().unwrap_or_default();
        let ids = nodes().map(|node| node.contact.id().to_string()).collect();
        Ok(Surveyed { graph, topology, ids, places })
    }

    /// The page, as SVG.
    pub fn page(&self, summary: &Summary) -> Result<String, GraphError> {
        let coverage = 100.0 * summary.coverage.coverage_estimate;
        let facts = [
            format!(
                "{} nodes visited, {} edges; estimated coverage {coverage:.1} %",
                self.ids.len(),
                self.graph.edge_count()
            ),
            "An edge is an entry of a leaf set or table; its latency is what the two coordinates predict.".to_owned(),
        ];
        let title = "arras: the overlay as a crawl found it";
        let (graph, topology, places) = (&self.graph, &self.topology, &self.places[..]);
        Ok(Page { title, facts: &facts, graph, topology, places }.report()?.to_svg())
    }

    /// The graph for other programs.
    pub fn graphml(&self, into: &mut dyn Write) -> io::Result<()> {
        graphml::graphml(&self.graph, &[Column::texts("id", self.ids.iter().cloned())], into)
    }
}

/// Edges up to which everything is measured: some ten seconds of one core (`Effort`).
const EDGES_WHOLE_MAX: usize = 2_500_000;
const SEED: u64 = 1;
