//! All that is told of a topology.
//!
//! Owns: which measures make up the survey of a graph, how much work goes into each, and the report that holds them.
//! Never does: measure traffic; what needs more than a graph is handed in.

use super::clustering::{Clustering, ClusteringEffort};
use super::cut::Cuts;
use super::degree::Degrees;
use super::distribution::Summary;
use super::graph::{Graph, GraphError, Undirected};
use super::partition::{Partition, partitions};
use super::paths::{PathEffort, Paths};
use super::reach::Reach;
use super::removal::{Attack, Removal, hundredths};
use super::size::SizeError;
use super::stress::{AgainstDirect, LinkStress, NodeStress};
use super::stretch::Stretch;
use crate::base::{Chance, Span};
use serde::{Deserialize, Serialize};

/// The survey of a graph of who knows whom. What says "links" takes every edge to carry both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many directed edges.
    pub edges: usize,
    /// How many pairs of nodes of which at least one knows the other.
    pub links: usize,
    /// Round trips of the edges whose latency is known, in milliseconds.
    pub rtt_ms: Option<Summary>,
    /// Degrees, in edges.
    pub degrees: Degrees,
    /// Hops along directed edges; `None` if there is no edge.
    pub paths: Option<Paths>,
    /// Hops along links.
    pub link_paths: Option<Paths>,
    /// Clustering, in links; `None` if no node has two.
    pub clustering: Option<Clustering>,
    /// Edge-disjoint paths between sampled pairs, in links; `None` if there is no pair.
    pub cuts: Option<Cuts>,
    /// The largest part as nodes go, in links.
    pub removal: Vec<Removal>,
    /// How likely the living are parted, in links.
    pub partition: Vec<Partition>,
    /// What needs more than the graph.
    pub measured: Measured,
}

/// What a graph alone does not tell; empty where nobody measured it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What routing costs against the direct path.
    pub stretch: Option<Stretch>,
    /// Copies of messages on physical links.
    pub link_stress: Option<LinkStress>,
    /// The same against the direct paths of the same operations.
    pub against_direct: Option<AgainstDirect>,
    /// Messages passed on by nodes.
    pub node_stress: Option<NodeStress>,
    /// Lookups without repair.
    pub reach: Vec<Reach>,
    /// How well nodes know how many they are, each from its own leaf set.
    pub size: Option<SizeError>,
    /// The same when each has also heard what its contacts make of theirs: what a node shows.
    pub size_by_words: Option<SizeError>,
    /// The same as the first when each has also seen the roots of some random keys.
    pub size_by_lookups: Option<SizeError>,
}

/// How much work goes into a survey.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// Into path lengths.
    pub paths: PathEffort,
    /// Into clustering.
    pub clustering: ClusteringEffort,
    /// Random pairs between which disjoint paths are counted.
    pub cut_pairs: usize,
    /// In which orders nodes are removed.
    pub attacks: Vec<Attack>,
    /// At which shares (0 to 1, ascending) what is left is looked at.
    pub removed: Vec<f64>,
    /// From how many starting points betweenness is estimated.
    pub betweenness_starts: usize,
    /// At which shares of dead nodes (0 to 1, ascending) partition is counted.
    pub dead: Vec<f64>,
    /// In how many trials.
    pub partition_trials: usize,
}

impl Default for Effort {
    /// For up to some ten million edges: 25,000 nodes of 100 edges take 11 s on one core of a machine with other work.
    fn default() -> Effort {
        Effort {
            paths: PathEffort::default(),
            clustering: ClusteringEffort::default(),
            cut_pairs: 200,
            attacks: Attack::ALL.to_vec(),
            removed: hundredths(),
            betweenness_starts: 64,
            dead: (0..20).map(|twentieth| f64::from(twentieth) / 20.0).collect(),
            partition_trials: 100,
        }
    }
}

impl Effort {
    /// For larger graphs: no betweenness and no re-ranking, few trials of the rest. A million nodes of 200 edges take 200 s on one core
    /// of a machine with other work, and 3.3 GB.
    pub fn light() -> Effort {
        Effort {
            paths: PathEffort { targets: 256, ..PathEffort::default() },
            cut_pairs: 20,
            attacks: vec![Attack::Random, Attack::Degree],
            partition_trials: 3,
            ..Effort::default()
        }
    }
}

impl Topology {
    /// The survey of this graph. The same graph, effort and chance give the same report; each measure draws from a stream of its own.
    pub fn of(graph: &Graph, effort: &Effort, chance: &mut Chance) -> Result<Topology, GraphError> {
        let links = graph.undirected()?;
        let mut streams = std::array::from_fn::<Chance, 6, _>(|_| chance.fork());
        let [paths, link_paths, clustering, cuts, removal, partition] = &mut streams;
        let known = graph.edges().filter_map(|edge| edge.rtt()).map(Span::as_millis_f64);
        Ok(Topology {
            nodes: graph.node_count(),
            edges: graph.edge_count(),
            links: links.link_count(),
            rtt_ms: Summary::of(known),
            degrees: Degrees::of(graph).ok_or(GraphError::Empty)?,
            paths: Paths::of(graph, effort.paths, paths),
            link_paths: Paths::of_links(&links, effort.paths, link_paths),
            clustering: Clustering::of(&links, effort.clustering, clustering),
            cuts: Cuts::of_links(&links, effort.cut_pairs, cuts),
            removal: removals(&links, effort, removal),
            partition: partitions(&links, &effort.dead, effort.partition_trials, partition),
            measured: Measured::default(),
        })
    }

    /// What is left of the graph when this attack has removed this share (0 to 1) of it.
    pub fn left(&self, attack: Attack, removed: f64) -> Option<super::removal::Left> {
        self.removal.iter().find(|removal| removal.attack == attack)?.at(removed)
    }
}

fn removals(links: &Undirected, effort: &Effort, chance: &mut Chance) -> Vec<Removal> {
    let one =
        |attack: &Attack| Removal::of(links, *attack, &effort.removed, effort.betweenness_starts, &mut chance.fork());
    effort.attacks.iter().map(one).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::graph::tests::{graph, random};
    use super::*;

    /// A survey of 300 nodes, small enough for a test and with every part filled that a graph fills.
    pub fn sample() -> (Graph, Topology) {
        let graph = random(300, 6, 2);
        let effort = Effort { cut_pairs: 20, partition_trials: 20, ..Effort::default() };
        let topology = Topology::of(&graph, &effort, &mut Chance::from_seed(1)).unwrap();
        (graph, topology)
    }

    #[test]
    fn the_same_seed_gives_the_same_report_and_json_brings_it_back() {
        let (_, topology) = sample();
        assert_eq!(topology, sample().1);
        let json = serde_json::to_value(&topology).unwrap();
        assert_eq!((&json["nodes"], &json["removal"][1]["attack"]), (&300.into(), &"degree".into()));
        let back: Topology = serde_json::from_value(json).unwrap();
        assert_eq!(back, topology);
    }

    #[test]
    fn one_measure_less_changes_none_of_the_others() {
        let graph = random(300, 6, 2);
        let effort = Effort { cut_pairs: 0, partition_trials: 20, attacks: vec![Attack::Random], ..Effort::default() };
        let less = Topology::of(&graph, &effort, &mut Chance::from_seed(1)).unwrap();
        let (_, all) = sample();
        assert_eq!((less.cuts, &less.removal[0], &less.partition), (None, &all.removal[0], &all.partition));
    }

    #[test]
    fn a_ring_is_told_as_it_is() {
        let ring: Vec<(u32, u32)> = (0..10).map(|node| (node, (node + 1) % 10)).collect();
        let topology = Topology::of(&graph(10, &ring), &Effort::default(), &mut Chance::from_seed(1)).unwrap();
        assert_eq!((topology.nodes, topology.edges, topology.links, topology.rtt_ms), (10, 10, 10, None));
        assert_eq!(topology.paths.unwrap().diameter_max, Some(9));
        assert_eq!(topology.link_paths.unwrap().diameter_max, Some(5));
        assert_eq!((topology.cuts.unwrap().paths.min, topology.clustering.unwrap().local), (2.0, 0.0));
    }

    #[test]
    fn nothing_is_told_of_nobody_and_little_of_one() {
        let of = |nodes| Topology::of(&graph(nodes, &[]), &Effort::default(), &mut Chance::from_seed(1));
        assert_eq!(of(0), Err(GraphError::Empty));
        let one = of(1).unwrap();
        assert_eq!((one.nodes, one.paths, one.cuts, one.partition), (1, None, None, vec![]));
    }
}
