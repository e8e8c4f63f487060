//! A crawl in one object.
//!
//! Owns: `crawl.json`: counts, errors by kind, coverage, messages, and the distributions of what the nodes
//! told.
//! Never does: name a node: `rows` does.

use super::census::{Census, Node, Outcome};
use super::coverage::Coverage;
use super::tuning::MESSAGES_MAX;
use crate::identity::Role;
use crate::survey::Summary as Distribution;
use crate::wire::Profile;
use serde::Serialize;
use std::collections::BTreeMap;

/// A crawl in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// Whether it was stopped before it was through.
    pub stopped: bool,
    /// Nodes visited in a second, on average.
    pub visited_per_s: f64,
    /// How much of the overlay was seen.
    pub coverage: Coverage,
    /// Visits with which not everything asked was answered.
    pub partial: usize,
    /// Nodes that came to nothing, by why.
    pub errors: BTreeMap<&'static str, usize>,
    /// Seeds' addresses of which no link came.
    pub seeds_silent: Vec<String>,
    /// What the crawl cost.
    pub messages: Messages,
    /// What the visited nodes told.
    pub nodes: Told,
}

/// What a crawl cost.
#[derive(Clone, Debug, Serialize)]
pub struct Messages {
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Both, for each node that was dialled or visited.
    pub per_node: Option<Distribution>,
    /// What is exchanged with one node for the crawl's sake at most.
    pub per_node_max: u16,
    /// Questions sent again for want of an answer.
    pub repeated: u64,
    /// Questions that stayed without one.
    pub unanswered: u64,
    /// Questions not asked, for the sake of `per_node_max`.
    pub spared: u64,
    /// Dials begun, and those that came to nothing.
    pub dials: u64,
    /// See `dials`.
    pub dials_failed: u64,
    /// Contacts read in answers.
    pub contacts: u64,
    /// Of these, contacts that did not belong into their row.
    pub contacts_misplaced: u64,
    /// Of these, contacts not taken in: unsound, of a client, or beyond the limit.
    pub contacts_refused: u64,
}

/// What the visited nodes told.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// By name and version of their program; `unknown` for those that did not tell.
    pub programs: BTreeMap<String, usize>,
    /// By role.
    pub roles: BTreeMap<&'static str, usize>,
    /// How many root keys.
    pub ready: usize,
    /// Round trips from the crawler, in ms.
    pub rtt_ms: Option<Distribution>,
    /// How long they have been running, in seconds.
    pub uptime_s: Option<Distribution>,
    /// Live links each holds.
    pub links: Option<Distribution>,
    /// Visited nodes each names in leaf set and prefix table.
    pub named: Option<Distribution>,
    /// Visited nodes that name each.
    pub named_by: Option<Distribution>,
    /// Edges between visited nodes.
    pub edges: usize,
}

impl Summary {
    /// This crawl in numbers.
    pub fn of(census: &Census) -> Summary {
        let coverage = Coverage::of(census);
        let seconds = census.frame.took.as_secs_f64();
        let mut errors = BTreeMap::new();
        for node in &census.nodes {
            if let Outcome::Failed(fault) = node.outcome {
                *errors.entry(fault.name()).or_insert(0) += 1;
            }
        }
        Summary {
            duration_s: seconds,
            stopped: census.frame.stopped,
            visited_per_s: if seconds > 0.0 { coverage.visited as f64 / seconds } else { 0.0 },
            coverage,
            partial: census.visited().filter(|(.., visit)| !visit.complete).count(),
            errors,
            seeds_silent: census.frame.seeds_silent.iter().map(ToString::to_string).collect(),
            messages: Messages::of(census),
            nodes: Told::of(census),
        }
    }
}

impl Messages {
    fn of(census: &Census) -> Messages {
        let tally = census.frame.tally;
        let sum = |count: fn(&Node) -> u16| census.nodes.iter().map(|node| u64::from(count(node))).sum();
        let dialled = census.nodes.iter().filter(|node| node.sessions > 0);
        Messages {
            sent: sum(|node| node.sent),
            received: sum(|node| node.heard),
            per_node: Distribution::of(dialled.map(|node| node.messages() as f64)),
            per_node_max: MESSAGES_MAX,
            repeated: tally.repeated,
            unanswered: tally.given_up,
            spared: tally.spared,
            dials: tally.dials,
            dials_failed: tally.dials_failed,
            contacts: tally.cards,
            contacts_misplaced: tally.misplaced,
            contacts_refused: census.names_refused,
        }
    }
}

impl Told {
    fn of(census: &Census) -> Told {
        let mut programs = BTreeMap::new();
        let mut roles = BTreeMap::new();
        for (_, node, visit) in census.visited() {
            let program = visit.profile.as_ref().map_or("unknown", |profile| profile.program.as_str());
            *programs.entry(program.to_owned()).or_insert(0) += 1;
            *roles.entry(role(node.contact.role())).or_insert(0) += 1;
        }
        let overlay = census.overlay();
        let (mut out, mut into) = (vec![0u32; overlay.nodes.len()], vec![0u32; overlay.nodes.len()]);
        for (from, to, _) in &overlay.edges {
            out[*from as usize] += 1;
            into[*to as usize] += 1;
        }
        let profiles = || census.visited().filter_map(|(.., visit)| visit.profile.as_ref());
        let told = |what: fn(&Profile) -> f64| Distribution::of(profiles().map(what));
        Told {
            programs,
            roles,
            ready: profiles().filter(|profile| profile.ready).count(),
            rtt_ms: Distribution::of(census.visited().map(|(.., visit)| visit.rtt.as_millis_f64())),
            uptime_s: told(|profile| profile.uptime.as_secs_f64()),
            links: told(|profile| f64::from(profile.links)),
            named: Distribution::of(out.into_iter().map(f64::from)),
            named_by: Distribution::of(into.into_iter().map(f64::from)),
            edges: overlay.edges.len(),
        }
    }
}

/// A role's name in the output.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Client => "client",
    }
}
