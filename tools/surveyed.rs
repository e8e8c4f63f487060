//! A surveyed overlay, found by a crawl or simulated.
//!
//! Owns: the graph of who knows whom with its measures, and the page, the GraphML and the CSV of both.
//! Never does: find out who knows whom, or write a file.

use arras::base::{Chance, Coordinate};
use arras::survey::csv::{self, Column};
use arras::survey::graph::GraphError;
use arras::survey::page::Page;
use arras::survey::topology::Effort;
use arras::survey::{Graph, Topology, graphml, projection};
use std::io::{self, Write};

/// Nodes and whom they know, surveyed.
pub struct Surveyed {
    /// Who knows whom.
    pub graph: Graph,
    /// The measures.
    pub topology: Topology,
    ids: Vec<String>,
    places: Vec<(f64, f64)>,
}

impl Surveyed {
    /// Surveys a graph whose nodes have these ids and coordinates, with the default effort up to so many edges and
    /// lightly above. Draws come from a fixed seed: the same graph gives the same survey.
    pub fn of(
        graph: Graph,
        ids: Vec<String>,
        coordinates: impl Iterator<Item = Option<Coordinate>>,
        edges_whole_max: usize,
    ) -> Result<Surveyed, GraphError> {
        let effort = if graph.edge_count() <= edges_whole_max { Effort::default() } else { Effort::light() };
        let topology = Topology::of(&graph, &effort, &mut Chance::from_seed(SEED))?;
        let place = |coordinate: Coordinate| coordinate.place().map(f64::from);
        // A map of some of the nodes would show a topology that is not there.
        let places = coordinates.map(|known| known.map(place)).collect::<Option<Vec<_>>>().unwrap_or_default();
        let places = projection::onto_plane(&places);
        Ok(Surveyed { graph, topology, ids, places })
    }

    /// The page, as SVG.
    pub fn page(&self, title: &str, facts: &[String]) -> Result<String, GraphError> {
        let (graph, topology, places) = (&self.graph, &self.topology, &self.places[..]);
        Ok(Page { title, facts, graph, topology, places }.report()?.to_svg())
    }

    /// The graph for other programs, with what is known of it as a whole.
    pub fn graphml(&self, whole: &[(&str, &str)], into: &mut dyn Write) -> io::Result<()> {
        graphml::graphml(&self.graph, whole, &[Column::texts("id", self.ids.iter().cloned())], into)
    }

    /// Each single measure, a line each.
    pub fn figures(&self, into: &mut dyn Write) -> io::Result<()> {
        csv::figures(&self.topology, into)
    }

    /// What is left as nodes go, a line a point.
    pub fn removal(&self, into: &mut dyn Write) -> io::Result<()> {
        csv::removal(&self.topology, into)
    }

    /// How likely the living are parted, a line a share of dead nodes.
    pub fn partition(&self, into: &mut dyn Write) -> io::Result<()> {
        csv::partition(&self.topology, into)
    }

    /// The edges, a line each, by the nodes' numbers.
    pub fn edges(&self, into: &mut dyn Write) -> io::Result<()> {
        csv::edges(&self.graph, into)
    }

    /// The nodes with their numbers and ids, a line each.
    pub fn nodes(&self, into: &mut dyn Write) -> io::Result<()> {
        csv::nodes(&self.graph, &[Column::texts("id", self.ids.iter().cloned())], into)
    }
}

const SEED: u64 = 1;
