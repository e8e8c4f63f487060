//! Does the crawler see what is there, and leave it as it was?
//!
//! Owns: crawls of worlds whose truth is known: at rest, among the dead, the silent, and liars, in bad
//! weather.
//! Never does: look inside the crawler.

use super::super::crawl::{Expedition, Manners};
use super::super::{Plan, Stage};
use crate::base::{Id, Span};
use crate::crawler::tuning::MESSAGES_MAX;
use crate::crawler::{Census, Summary, Tuning};
use crate::overlay::router::{self, RouterStatus};
use crate::overlay::{Command, Reply};
use std::collections::{BTreeMap, BTreeSet};

/// A world at rest whose leaf sets are small against it, so that the rows of the tables matter.
fn town(nodes: usize, seed: u64) -> Stage {
    let router = router::Tuning { leaf_set_per_side: 4, link_budget: 16, ..router::Tuning::default() };
    let mut stage = Stage::with(Plan { router, ..Plan::from_seed(seed) });
    stage.join(nodes);
    stage.pass(Span::from_mins(3));
    stage
}

fn status(stage: &mut Stage, node: usize) -> RouterStatus {
    match stage.ask(node, Command::RouterStatus) {
        Ok(Reply::Router(status)) => *status,
        other => panic!("a status brought {other:?}"),
    }
}

/// Whom a node has in its leaf set and its table.
fn truth(status: &RouterStatus) -> BTreeSet<Id> {
    status.peers.iter().filter(|peer| peer.in_leaf_set || peer.in_table).map(|peer| peer.id).collect()
}

fn crawl(stage: &mut Stage, manners: Manners) -> Census {
    let seed = stage.ready()[0];
    Expedition::whole(&mut stage.world, &[seed], Tuning::default(), manners, Span::from_mins(10))
}

fn found(census: &Census) -> BTreeMap<Id, BTreeSet<Id>> {
    let id = |index: u32| census.nodes[index as usize].id();
    let names = census
        .visited()
        .map(|(_, node, visit)| (node.id(), visit.edges.iter().map(|edge| id(edge.to)).collect::<BTreeSet<Id>>()));
    names.collect()
}

fn messages_max(census: &Census) -> u64 {
    census.nodes.iter().map(|node| node.messages()).max().unwrap_or(0)
}

#[test]
fn a_crawl_of_a_world_at_rest_finds_all_nodes_and_exactly_the_true_edges() {
    let mut stage = town(60, 11);
    let before: Vec<RouterStatus> = (0..60).map(|node| status(&mut stage, node)).collect();
    let census = crawl(&mut stage, Manners::default());
    let found = found(&census);
    assert_eq!(found.len(), 60);
    for status in &before {
        assert_eq!(found[&status.id], truth(status), "of {}", status.id.short());
    }
    let summary = Summary::of(&census);
    println!("{}", serde_json::to_string(&summary).expect("json"));
    assert_eq!((summary.partial, summary.coverage.coverage_estimate), (0, 1.0));
    assert_eq!(summary.nodes.ready, 60);
    assert!(messages_max(&census) <= u64::from(MESSAGES_MAX), "{}", messages_max(&census));
}

/// The same world twice, and in one of them a crawl: what differs later is what the crawl left behind.
#[test]
fn a_crawl_leaves_no_trace_though_all_links_are_in_use() {
    const NODES: usize = 24;
    let after_a_while = |crawled: bool| {
        let mut stage = town(NODES, 14);
        // Until hardly any link gives way to a better one any more: such swaps go by lot.
        stage.pass(Span::from_mins(5));
        let until = stage.now() + Span::from_secs(10);
        if crawled {
            assert_eq!(crawl(&mut stage, Manners::default()).visited().count(), NODES);
        }
        stage.world.run_until(until);
        let statuses: Vec<RouterStatus> = (0..NODES).map(|node| status(&mut stage, node)).collect();
        (statuses, QUIET.map(|(name, label)| counted(&stage, name, label)))
    };
    let ((with, counts), (without, counts_without)) = (after_a_while(true), after_a_while(false));
    assert!(with.iter().flat_map(|s| &s.peers).all(|peer| !peer.client), "a node remembers the crawler");
    let all = |of: fn(&RouterStatus) -> BTreeSet<Id>, statuses: &[RouterStatus]| -> BTreeSet<(Id, Id)> {
        statuses.iter().flat_map(|status| of(status).into_iter().map(|id| (status.id, id))).collect()
    };
    let differ = |of: fn(&RouterStatus) -> BTreeSet<Id>| {
        let (with, without) = (all(of, &with), all(of, &without));
        (with.symmetric_difference(&without).count(), with.len())
    };
    let (leaves, tables, links) = (differ(leaves), differ(truth), differ(links));
    println!("leaf sets {leaves:?} tables {tables:?} links {links:?} counts {counts:?} without {counts_without:?}");
    assert_eq!(leaves.0, 0, "leaf sets differ");
    assert_eq!(counts, counts_without);
    // Which of two nodes is pinged next is drawn anew, so the two worlds part slowly.
    assert!(tables.0 * 100 <= tables.1 && links.0 * 50 <= links.1, "tables {tables:?}, links {links:?}");
}

/// What would show that a node tried to reach the crawler, mourned it, or made room for it.
const QUIET: [(&str, Option<&str>); 4] = [
    ("router_graves", None),
    ("router_suspicions_total", None),
    ("router_dials_failed_total", None),
    ("router_evictions_total", Some("left")),
];

fn leaves(status: &RouterStatus) -> BTreeSet<Id> {
    status.leaf_before.iter().chain(&status.leaf_after).copied().collect()
}

/// The sum of a reading over all nodes.
pub(super) fn counted(stage: &Stage, name: &str, label: Option<&str>) -> f64 {
    let readings = stage.world.nodes().iter().flat_map(|node| node.readings());
    let wanted =
        readings.filter(|r| r.name == name && label.is_none_or(|l| r.label.as_ref().is_some_and(|(_, v)| v == l)));
    wanted.map(|reading| reading.value).sum()
}

/// To whom a node has links.
fn links(status: &RouterStatus) -> BTreeSet<Id> {
    status.peers.iter().filter(|peer| peer.link_rtt.is_some()).map(|peer| peer.id).collect()
}

#[test]
fn among_the_dead_the_silent_and_liars_in_bad_weather_all_others_are_found_within_the_budget() {
    let mut stage = town(40, 13);
    for node in [5, 17, 29] {
        stage.kill(node);
    }
    stage.world.weather.loss = 0.05;
    stage.world.weather.jitter = 0.3;
    let manners = Manners { mute: [8, 20].into(), liars: [(30, 60)].into() };
    let seed = stage.ready()[0];
    let tuning = Tuning { workers: 16, sessions: 2, ..Tuning::default() };
    let census = Expedition::whole(&mut stage.world, &[seed], tuning, manners, Span::from_mins(10));
    let found: BTreeSet<Id> = found(&census).into_keys().collect();
    let honest: BTreeSet<Id> =
        stage.up().into_iter().filter(|node| ![8, 20].contains(node)).map(|node| stage.id(node)).collect();
    assert_eq!(found, honest);
    let summary = Summary::of(&census);
    println!("{}", serde_json::to_string(&summary).expect("json"));
    assert!(!summary.stopped && summary.messages.repeated > 0);
    assert_eq!(summary.errors["silent"], 2);
    let invented = census.nodes.len() - 40;
    let dialled = census.nodes.iter().filter(|node| stage.world.index_of(&node.id()).is_none() && node.sessions > 0);
    assert!(invented > 100 && dialled.count() < 50, "{invented} invented");
    assert!(messages_max(&census) <= u64::from(MESSAGES_MAX), "{}", messages_max(&census));
}
