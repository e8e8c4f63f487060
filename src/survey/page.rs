//! A survey as a page.
//!
//! Owns: which plots and tables of a [`Topology`] stand on its report page, and in which order.
//! Never does: write a file, or draw an empty plot.

use super::graph::{Graph, GraphError};
use super::plot::{Histogram, Map, Report};
use super::plot::{degree_tail, hops_curve, partition_curve, reach_curve, removal_curves};
use super::topology::Topology;

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What was surveyed, and how.
    pub title: &'a str,
    /// How it came about, short: nodes, seed, date.
    pub facts: &'a [String],
    /// The graph.
    pub graph: &'a Graph,
    /// Its survey.
    pub topology: &'a Topology,
    /// Where its nodes are, in milliseconds, if known; otherwise empty.
    pub places: &'a [(f64, f64)],
}

impl Page<'_> {
    /// The page: figures, map, degrees, latencies, and what the graph stands.
    pub fn report(&self) -> Result<Report, GraphError> {
        let topology = self.topology;
        let mut report = Report::new(self.title, self.facts.iter().map(String::as_str));
        let links = "Every edge counts as a link both ways; nobody repairs.";
        report.full(topology.figures());
        if !self.places.is_empty() {
            let note = "Nodes at their coordinates, coloured by their number of links.";
            report.full(Map::new("Topology", note, "ms", &self.graph.undirected()?, self.places));
        }
        report.half(degree_tail("Degrees", "Nodes that have at least so many edges.", self.graph));
        let hops = [("along edges", &topology.paths), ("along links, both ways", &topology.link_paths)];
        let hops: Vec<_> = hops.into_iter().filter_map(|(name, paths)| Some((name, paths.as_ref()?))).collect();
        if !hops.is_empty() {
            report.half(hops_curve("Hops", "Shortest paths between pairs of nodes that have one.", &hops));
        }
        if topology.rtt_ms.is_some() {
            let rtts = self.graph.edges().filter_map(|edge| edge.rtt()).map(|rtt| rtt.as_millis_f64());
            report.half(Histogram::new("Edges by latency", "Round trips of all edges measured.", "RTT (ms)", rtts));
        }
        if !topology.removal.is_empty() {
            report.half(removal_curves("Largest part under removal", links, &topology.removal));
        }
        if let Some(one) = topology.partition.first() {
            let note = format!("{} random trials. {links}", one.parted.trials);
            report.half(partition_curve("Do the living fall apart?", note, &topology.partition));
        }
        if !topology.measured.reach.is_empty() {
            let note = "Lookups between living nodes, by tables that nobody repaired.";
            report.half(reach_curve("Lookups without repair", note, &topology.measured.reach));
        }
        for table in topology.tables().into_iter().skip(1) {
            report.full(table);
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::sample;
    use super::*;

    #[test]
    fn a_page_has_a_picture_where_there_are_places() {
        let (graph, topology) = sample();
        let facts = ["300 nodes".to_string()];
        let places: Vec<(f64, f64)> = graph.nodes().map(|node| (f64::from(node % 17), f64::from(node % 23))).collect();
        let page = Page { title: "Survey", facts: &facts, graph: &graph, topology: &topology, places: &places };
        let svg = page.report().unwrap().to_svg();
        for title in ["Topology", "Degrees", "Largest part under removal", "Do the living fall apart?", "Partition"] {
            assert!(svg.contains(&format!(">{title}</text>")), "{title}");
        }
        let without = Page { places: &[], ..page }.report().unwrap().to_svg();
        assert!(!without.contains("coloured by their number") && !without.contains("Edges by latency"));
    }
}
