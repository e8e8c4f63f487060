//! The survey of a simulated overlay.
//!
//! Owns: the graph of who knows whom, what the measured lookups loaded, and the files of both.
//! Never does: measure (the library does), or show what was left out without a word.

use super::options::Options;
use super::overlay::Found;
use crate::folder::Folder;
use crate::output::{Exit, FAILED};
use crate::surveyed::Surveyed;
use arras::base::{Chance, Id};
use arras::overlay::view::PeerView;
use arras::sim::density::Teller;
use arras::sim::direct::{Built, Walker};
use arras::sim::look::Look;
use arras::sim::{Stage, Underlay, burden, density};
use arras::survey::graph::GraphError;
use arras::survey::number::decimals;
use arras::survey::topology::Measured;
use arras::survey::{Edge, Graph, Pair, Stretch};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Surveys tables that were built directly.
pub fn of_built(
    built: &Built,
    walker: &mut Walker,
    underlay: &dyn Underlay,
    found: &Found,
    chance: &mut Chance,
) -> Result<Surveyed, Exit> {
    let nodes = 0..built.len();
    let ids = nodes.clone().map(|node| built.id(node).to_string()).collect();
    let graph = graph_of(built, underlay).map_err(failed)?;
    let coordinates = nodes.clone().map(|node| built.coordinate(node));
    let mut surveyed = Surveyed::of(graph, ids, coordinates, EDGES_WHOLE_MAX).map_err(failed)?;
    let mut measured = measured(found, underlay, built.len());
    let sampled = nodes.step_by(built.len().div_ceil(SIZES_MAX));
    let tellers: Vec<Teller> = sampled.map(|node| built.teller(node)).collect();
    let root_of = |key: &Id| built.root_of(key, |_| true).map(|root| built.id(root));
    let sizes = density::size_errors(&tellers, built.len(), SIZE_LOOKUPS, root_of, &mut chance.fork());
    (measured.size, measured.size_by_words, measured.size_by_lookups) = (sizes.own, sizes.by_words, sizes.by_lookups);
    // What a larger graph would allow takes too long to find at each share of dead nodes.
    let is_small = surveyed.graph.edge_count() <= EDGES_WHOLE_MAX;
    let links = is_small.then(|| surveyed.graph.undirected()).transpose().map_err(failed)?;
    measured.reach = walker.reach(links.as_ref(), &DEAD, REACH_LOOKUPS, &mut chance.fork());
    surveyed.topology.measured = measured;
    Ok(surveyed)
}

/// Surveys nodes that run the whole protocol.
pub fn of_world(stage: &Stage, found: &Found, chance: &mut Chance) -> Result<Surveyed, Exit> {
    let nodes = stage.world.nodes();
    let mut edges = Vec::new();
    for (from, view) in nodes.iter().enumerate().filter_map(|(from, node)| Some((from, node.view()?))) {
        edges.extend(view.peers.iter().filter_map(|peer| {
            let edge = Edge::new(from as u32, stage.world.index_of(&peer.contact.id())? as u32);
            Some(PeerView::link(peer).map_or(edge, |rtt| edge.with_rtt(rtt.smoothed())))
        }));
    }
    let graph = Graph::from_edges(nodes.len(), &edges).map_err(failed)?;
    let ids = nodes.iter().map(|node| node.contact().id().to_string()).collect();
    let coordinates = nodes.iter().map(|node| node.view().map(|view| view.bearing.coordinate));
    let mut surveyed = Surveyed::of(graph, ids, coordinates, EDGES_WHOLE_MAX).map_err(failed)?;
    let mut measured = measured(found, stage.world.plan().underlay.as_ref(), nodes.len());
    let sampled = (0..nodes.len()).step_by(nodes.len().div_ceil(SIZES_MAX));
    let tellers: Vec<Teller> = sampled.filter_map(|node| stage.teller(node)).collect();
    let root_of = |key: &Id| stage.root_of(key).map(|root| stage.id(root));
    let sizes = density::size_errors(&tellers, nodes.len(), SIZE_LOOKUPS, root_of, &mut chance.fork());
    (measured.size, measured.size_by_words, measured.size_by_lookups) = (sizes.own, sizes.by_words, sizes.by_lookups);
    surveyed.topology.measured = measured;
    Ok(surveyed)
}

/// Lookups that were answered rightly, by another node.
pub fn answered<'a>(looks: &'a [Look], is_right: &'a [bool]) -> impl Iterator<Item = &'a Look> + Clone {
    looks.iter().zip(is_right).filter(|(look, right)| **right && look.hops > 0).map(|(look, _)| look)
}

/// Writes the survey of a run, if there is one, and tells the outcome where; gives the tables for people.
pub fn keep(options: &Options, run: &str, is_only: bool, found: &Found, outcome: &mut Value) -> Result<String, Exit> {
    let (Some(surveyed), Some(dir)) = (&found.survey, &options.survey.dir) else { return Ok(String::new()) };
    let below =
        if is_only { PathBuf::new() } else { PathBuf::from(slug(run)).join(format!("seed-{}", options.seed())) };
    let folder = Folder::make(&dir.join(below))?;
    let (nodes, edges) = (surveyed.graph.node_count(), surveyed.graph.edge_count());
    let build = outcome["build"].as_str().unwrap_or("-").to_owned();
    let mut whole = json!(surveyed.topology);
    whole["build"] = json!(build);
    folder.replace("survey.json", std::iter::once(whole.to_string()))?;
    let facts = facts(run, outcome, nodes, edges);
    let page = surveyed.page("arras: a simulated overlay", &facts).map_err(failed)?;
    folder.replace("topology.svg", std::iter::once(page))?;
    folder.replace_with("figures.csv", |file| surveyed.figures(file))?;
    folder.replace_with("removal.csv", |file| surveyed.removal(file))?;
    folder.replace_with("partition.csv", |file| surveyed.partition(file))?;
    folder.replace_with("nodes.csv", |file| surveyed.nodes(file))?;
    let mut files = vec!["survey.json", "topology.svg", "figures.csv", "removal.csv", "partition.csv", "nodes.csv"];
    let mut left_out = Vec::new();
    for (name, most) in [("edges.csv", CSV_EDGES_MAX), ("topology.graphml", GRAPHML_EDGES_MAX)] {
        if edges > most {
            folder.remove(name)?;
            left_out.push(format!("{name} (more than {most} edges)"));
            continue;
        }
        files.push(name);
        match name {
            "edges.csv" => folder.replace_with(name, |file| surveyed.edges(file))?,
            _ => folder.replace_with(name, |file| surveyed.graphml(&[("build", &build)], file))?,
        }
    }
    let dir = folder.path().display().to_string();
    let tables: String =
        surveyed.topology.tables().iter().map(|table| format!("\n{}\n{table}", table.title())).collect();
    let without = if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(", ")) };
    outcome["survey"] = json!({ "dir": dir, "files": files, "left_out": left_out });
    Ok(format!("{tables}\nfiles in {dir}: {}{without}\n", files.join(", ")))
}

/// What stands above the page.
fn facts(run: &str, outcome: &Value, nodes: usize, edges: usize) -> Vec<String> {
    let word = |name: &str| outcome[name].as_str().unwrap_or("-").to_owned();
    let [nodes, edges] = [nodes, edges].map(|count| decimals(count as f64, 0));
    let over = format!("{nodes} nodes over {}, {edges} edges, seed {}", word("underlay"), outcome["seed"]);
    vec![
        format!("{run}: {over}; {}.", word("build")),
        format!(
            "An edge is a contact of a leaf set or table. {} lookups measured; {}.",
            outcome["lookups"],
            word("experience")
        ),
    ]
}

/// What the measured lookups cost and loaded.
fn measured(found: &Found, underlay: &dyn Underlay, nodes: usize) -> Measured {
    let answered = || answered(&found.looks, &found.is_right);
    let (link_stress, against_direct) = burden::link_stress(answered(), underlay).unzip();
    let pairs: Vec<Pair> = answered().map(Look::pair).collect();
    let node_stress = burden::node_stress(answered(), nodes);
    Measured { stretch: Stretch::of(&pairs), link_stress, against_direct, node_stress, ..Measured::default() }
}

/// Who knows whom; of very many edges without their latencies, which would be there twice.
fn graph_of(built: &Built, underlay: &dyn Underlay) -> Result<Graph, GraphError> {
    let nodes = || 0..built.len();
    let edges: usize = nodes().map(|node| built.contacts_of(node).len()).sum();
    if edges > EDGES_WHOLE_MAX {
        return Graph::from_rows(nodes().map(|node| built.contacts_of(node).into_iter().map(|peer| peer as u32)));
    }
    let edge = |from, to| Edge::new(from as u32, to as u32).with_rtt(underlay.round_trip(from, to));
    let all = nodes().flat_map(|from| built.contacts_of(from).into_iter().map(move |to| edge(from, to)));
    Graph::from_edges(built.len(), &all.collect::<Vec<_>>())
}

/// A run's name as that of a directory.
fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let words: String = name.chars().filter(|c| *c != ',').map(plain).collect();
    words.split_whitespace().collect::<Vec<_>>().join("-")
}

fn failed(error: GraphError) -> Exit {
    Exit::new(FAILED, format!("no survey: {error}"))
}

/// Edges up to which everything is measured: a minute of one core (`Effort`).
const EDGES_WHOLE_MAX: usize = 10_000_000;
/// Edges of the largest file: 20 bytes each as CSV, 80 as GraphML, which other programs hold in memory. Guesses.
const CSV_EDGES_MAX: usize = 10_000_000;
const GRAPHML_EDGES_MAX: usize = 500_000;
/// Nodes that are asked how many they are; neighbours on the ring see much the same.
const SIZES_MAX: usize = 2_000;
/// Random keys whose root each of them has seen: as many as the tests of `survey::size` take.
const SIZE_LOOKUPS: usize = 32;
/// Shares of dead nodes at which lookups are tried without repair, and how many at each.
const DEAD: [f64; 6] = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9];
const REACH_LOOKUPS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::super::options::Build;
    use super::super::{outcome, overlay, scenario::figure};
    use super::*;

    /// A small overlay surveyed into a directory: the outcome, and what people read.
    fn surveyed(build: Build, nodes: usize) -> (tempfile::TempDir, Value, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut options = Options::default();
        options.network.nodes = Some(nodes);
        options.network.underlay = Some("transit-stub-1092".to_owned());
        (options.tables.build, options.tables.leaf_set) = (Some(build), Some(4));
        (options.lookups.lookups, options.lookups.warm_up, options.lookups.keys) = (Some(50), Some(0), Some(1));
        options.survey.dir = Some(dir.path().to_owned());
        options.check().expect("sound");
        let found = overlay::run(&options, true).expect("runs");
        let mut value = outcome::json(&options, &found);
        let text = keep(&options, "a run", true, &found, &mut value).expect("written");
        (dir, value, text)
    }

    #[test]
    fn tables_built_directly_are_surveyed_with_all_there_is_to_measure() {
        let (dir, outcome, text) = surveyed(Build::Direct, 300);
        let files: Vec<&str> =
            outcome["survey"]["files"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();
        assert_eq!(files.len(), 8);
        for name in files {
            assert!(dir.path().join(name).metadata().is_ok_and(|file| file.len() > 0), "{name}");
        }
        let file = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("read");
        assert!(file("survey.json").contains("\"build\":\"built directly, sample 32 per slot\""));
        assert!(file("topology.graphml").contains("<data key=\"build\">built directly, sample 32 per slot</data>"));
        assert!(file("figures.csv").contains("\nnodes,300\n") && file("removal.csv").lines().count() > 10);
        assert!(file("partition.csv").starts_with("dead,trials,parted,"));
        let measured = |name: &str| figure(&outcome["topology"]["measured"], name).unwrap_or(f64::NAN);
        assert!(measured("link_stress.copies.mean") >= 1.0 && measured("against_direct.crossings") >= 1.0);
        assert!(measured("node_stress.messages.max") >= 1.0 && measured("stretch.ratio_of_means") > 0.9);
        assert!(measured("size.error.p50") > 0.0 && measured("reach.0.found.share") == 1.0);
        assert!(text.contains("found %"), "{text}");
        for title in ["Topology", "Largest part, % of those that stay", "Partition", "Lookups without repair"] {
            assert!(text.lines().any(|line| line == title), "{title} is missing in {text}");
        }
        assert!(text.contains("topology.graphml") && !text.contains("left out"), "{text}");
    }

    #[test]
    fn nodes_of_the_whole_protocol_are_surveyed_by_their_views() {
        let (_dir, outcome, _) = surveyed(Build::Crowd, 24);
        let topology = &outcome["topology"];
        assert_eq!(topology["nodes"], 24);
        assert!(topology["edges"].as_u64().is_some_and(|edges| (24 * 8..=24 * 23).contains(&edges)), "{topology}");
        assert!(topology["rtt_ms"].is_object() && topology["measured"]["link_stress"].is_object());
        assert!(topology["measured"]["size"].is_object());
        assert!(topology["measured"]["reach"].as_array().is_some_and(Vec::is_empty));
    }

    #[test]
    fn what_a_survey_cannot_do_is_refused() {
        let mut options = Options::default();
        (options.tables.build, options.survey.dir) = (Some(Build::Direct), Some("x".into()));
        assert!(options.check().is_ok());
        options.lookups.dead = Some(0.1);
        assert!(options.check().is_err_and(|exit| exit.line.contains("--survey")));
    }

    #[test]
    fn a_runs_name_becomes_that_of_a_directory() {
        assert_eq!(slug("25,000 nodes: who is left?"), "25000-nodes-who-is-left");
        assert_eq!(slug("../Etc/x"), "etc-x");
    }
}
