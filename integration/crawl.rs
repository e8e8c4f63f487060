//! Does `arras crawl` see a live overlay as it is, and leave it so?
//!
//! Owns: a lab of a few nodes on loopback, crawled by the command, and what its outputs must say.
//! Never does: judge speed.

use arras::base::Id;
use arras::overlay::router::RouterStatus;
use arras::runtime::host::{NodeTuning, Threads};
use arras::runtime::lab::{Lab, LabNode, LabSetup};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const NODES: usize = 12;

/// A lab whose leaf sets are small against it, so that rows of the tables matter.
fn lab(dir: &tempfile::TempDir) -> Lab {
    let mut tuning = NodeTuning::default();
    tuning.router.leaf_set_per_side = 2;
    let threads = Threads { objects: 1, storage: 1 };
    let setup = LabSetup { nodes: NODES, matrix: None, seed: 21, tuning, dir: dir.path().to_owned(), threads };
    let lab = Lab::start(setup, &mut |_| {}).expect("a lab");
    lab.await_ready(Duration::from_secs(60), &mut |_| {}).expect("ready");
    lab
}

fn arras(lab: &Lab, more: &[&str]) -> Command {
    let seed = lab.nodes()[0].node.contact().address().expect("a lab's node has an address").to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_arras"));
    command.args(["crawl", "--json", "--network", "lab", "--seed", &seed]).args(more);
    command
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn lines(dir: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.lines().map(str::to_owned).collect()
}

fn statuses(lab: &Lab) -> Vec<RouterStatus> {
    lab.nodes().iter().filter_map(LabNode::status).collect()
}

/// Whom each node has in its leaf set and its table.
fn truth(lab: &Lab) -> BTreeMap<String, BTreeSet<String>> {
    let named = |status: &RouterStatus| {
        let peers = status.peers.iter().filter(|peer| peer.in_leaf_set || peer.in_table);
        peers.map(|peer| peer.id.to_string()).collect()
    };
    statuses(lab).iter().map(|status| (status.id.to_string(), named(status))).collect()
}

#[test]
fn a_crawl_finds_every_node_and_every_edge_and_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("a directory");
    let lab = lab(&dir);
    let out = dir.path().join("out");
    // Tables of a young lab still change: a crawl between two equal pictures saw that very picture.
    let found = (0..10).find_map(|_| {
        std::thread::sleep(Duration::from_secs(1));
        let before = truth(&lab);
        let path = out.to_str().expect("a path in UTF-8");
        let crawl = arras(&lab, &["--out", path, "--neighbors"]).output().expect("arras runs");
        assert!(crawl.status.success(), "{}", String::from_utf8_lossy(&crawl.stderr));
        (before == truth(&lab)).then(|| (before, json(&String::from_utf8_lossy(&crawl.stdout))))
    });
    let (truth, summary) = found.expect("a lab at rest within ten crawls");
    assert_eq!(summary["coverage"]["visited"], NODES);
    assert_eq!((&summary["coverage"]["named"], &summary["partial"]), (&NODES.into(), &0.into()));
    assert!(summary["messages"]["per_node"]["max"].as_f64().expect("a number") <= 16.0, "{summary}");
    let [whole] = &lines(&out, "crawl.json")[..] else { panic!("one line") };
    let whole = json(whole);
    let seed = lab.nodes()[0].node.contact().address().expect("an address").to_string();
    assert_eq!((&whole["network"], &whole["workers"]), (&"lab".into(), &64.into()), "{whole}");
    assert_eq!(whole["seeds"], serde_json::json!([seed]), "{whole}");
    assert!(whole["started_unix_s"].as_u64() <= whole["finished_unix_s"].as_u64() && whole["coverage"].is_object());
    let visits: Vec<Value> = lines(&out, "visits.ndjson").iter().map(|line| json(line)).collect();
    let fine = |visit: &&Value| visit["outcome"] == "visited" && visit["ready"] == true && visit["rtt_ms"].is_f64();
    assert_eq!(visits.iter().filter(fine).count(), NODES);
    let edges = lines(&out, "edges.csv").split_off(1);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for edge in &edges {
        let mut fields = edge.split(',').map(str::to_owned);
        let (from, to) = (fields.next().expect("from"), fields.next().expect("to"));
        found.entry(from).or_default().insert(to);
    }
    assert_eq!(found, truth);
    assert_eq!(lines(&out, "neighbors.ndjson").len(), NODES);
    let survey = json(&lines(&out, "survey.json")[0]);
    assert_eq!((&survey["nodes"], &survey["edges"]), (&NODES.into(), &edges.len().into()));
    let degree = survey["degrees"]["out"]["mean"].as_f64().expect("a number");
    assert!((degree - edges.len() as f64 / NODES as f64).abs() < 1e-9, "{degree}");
    assert!(lines(&out, "topology.svg")[0].starts_with("<svg"));
    let nodes_told = lines(&out, "topology.graphml").iter().filter(|line| line.contains("<node ")).count();
    assert_eq!(nodes_told, NODES);
    let remembered = statuses(&lab).iter().flat_map(|status| &status.peers).filter(|peer| peer.client).count();
    assert_eq!(remembered, 0, "nodes remember the crawler");
}

#[test]
fn a_watch_reports_who_came() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut lab = lab(&dir);
    let mut watch =
        arras(&lab, &["--watch", "4s", "--rounds", "2"]).stdout(Stdio::piped()).spawn().expect("arras runs");
    let mut told = BufReader::new(watch.stdout.take().expect("piped")).lines().map(|line| json(&line.expect("a line")));
    let first = told.next().expect("a first crawl");
    assert_eq!((&first["coverage"]["visited"], &first["change"]), (&NODES.into(), &Value::Null));
    let came: Id = lab.add().expect("one more node").node.id();
    lab.await_ready(Duration::from_secs(60), &mut |_| {}).expect("ready");
    let second = told.next().expect("a second crawl");
    assert_eq!(second["change"]["came"], serde_json::json!([came.to_string()]));
    assert_eq!((&second["change"]["went"], &second["change"]["stayed"]), (&serde_json::json!([]), &NODES.into()));
    assert!(told.next().is_none() && watch.wait().expect("arras ends").success());
}

#[test]
fn a_watch_outlives_the_node_it_began_at_and_says_when_nobody_is_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let lab = lab(&dir);
    let mut watch = arras(&lab, &["--watch", "5s", "--rounds", "3", "--timeout", "5s"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("arras runs");
    let mut told = BufReader::new(watch.stdout.take().expect("piped")).lines().map(|line| json(&line.expect("a line")));
    assert_eq!(told.next().expect("a first crawl")["coverage"]["visited"], NODES);
    let first = &lab.nodes()[0].node;
    first.crash();
    let second = told.next().expect("a second crawl");
    assert_eq!(second["change"]["went"], serde_json::json!([first.id().to_string()]), "{second}");
    assert_eq!(second["change"]["stayed"], NODES - 1, "{second}");
    let seed = first.contact().address().expect("an address").to_string();
    assert_eq!(second["seeds_silent"], serde_json::json!([seed]), "{second}");
    lab.nodes().iter().skip(1).for_each(|node| node.node.crash());
    assert!(told.next().is_none(), "nobody is left to tell of");
    let watch = watch.wait_with_output().expect("arras ends");
    let said = String::from_utf8_lossy(&watch.stderr);
    assert!(watch.status.success() && said.contains("crawl 3: no node of network 'lab' answers"), "{said}");
}

#[test]
fn where_no_node_answers_the_command_says_so() {
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let seed = holder.local_addr().expect("bound").to_string();
    let crawl =
        Command::new(env!("CARGO_BIN_EXE_arras")).args(["crawl", "--seed", &seed]).output().expect("arras runs");
    assert_eq!(crawl.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&crawl.stderr).contains("no node of network 'arras' answers at"));
}
