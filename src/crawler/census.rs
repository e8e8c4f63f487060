//! What a crawl found.
//!
//! Owns: every node that was named and what came of it, who names whom, and the overlay as a graph.
//! Never does: ask anybody, or add up: that is `summary` and `coverage`.

use super::frontier::{Fault, Frontier, Known, Session, Verdict, Visit};
use super::{Edge, Tally};
use crate::base::{Coordinate, Id, Instant, Span};
use crate::identity::Contact;
use std::net::SocketAddr;
use std::sync::Arc;

/// All that one crawl found.
#[derive(Clone, Debug)]
pub struct Census {
    /// Every node known by name, in the order in which they were named; [`Edge::to`] counts in it.
    pub nodes: Vec<Node>,
    /// The crawl itself.
    pub frame: Frame,
    /// Contacts that were named and not taken in: unsound, of a client, or beyond the limit.
    pub names_refused: u64,
}

/// The crawl itself.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it began, by the host's clock.
    pub began: Instant,
    /// How long it took.
    pub took: Span,
    /// Whether it was stopped before it was through.
    pub stopped: bool,
    /// What was counted.
    pub tally: Tally,
    /// Seeds' addresses of which no link came.
    pub seeds_silent: Vec<SocketAddr>,
}

/// One node, and what came of it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Who and where, in its own signed words.
    pub contact: Arc<Contact>,
    /// What came of visiting it.
    pub outcome: Outcome,
    /// Visits begun to it.
    pub sessions: u8,
    /// Messages sent to it.
    pub sent: u16,
    /// Messages heard from it, those that came unasked included.
    pub heard: u16,
}

/// What came of visiting a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It told at least its leaf set.
    Visited(Box<Visit>),
    /// It did not.
    Failed(Fault),
    /// It was not visited: the limit was reached, or the crawl was stopped.
    Unvisited,
}

/// The overlay as the crawl saw it: the nodes that were visited, and who names whom among them.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// The nodes, as numbers in the census.
    pub nodes: Vec<u32>,
    /// From, to (both as places in `nodes`), and the round trip that their coordinates predict, if both
    /// told theirs.
    pub edges: Vec<(u32, u32, Option<Span>)>,
}

impl Census {
    pub(super) fn of(frontier: &Frontier, frame: Frame) -> Census {
        Census { nodes: frontier.iter().map(Node::of).collect(), frame, names_refused: frontier.refused }
    }

    /// The nodes that were visited, with their numbers.
    pub fn visited(&self) -> impl Iterator<Item = (u32, &Node, &Visit)> {
        let numbered = (0..).zip(&self.nodes);
        numbered.filter_map(|(index, node)| Some((index, node, node.visit()?)))
    }

    /// The overlay as a graph.
    pub fn overlay(&self) -> Overlay {
        let nodes: Vec<u32> = self.visited().map(|(index, ..)| index).collect();
        let mut places = vec![None; self.nodes.len()];
        for (place, index) in (0u32..).zip(&nodes) {
            places[*index as usize] = Some(place);
        }
        let mut edges = Vec::new();
        for (from, node, visit) in self.visited() {
            let named = visit.edges.iter().filter_map(|edge| Some((edge.to, places[edge.to as usize]?)));
            for (to, place) in named {
                let there = self.nodes[to as usize].coordinate();
                let predicted = node.coordinate().zip(there).map(|(here, there)| here.rtt_to(&there));
                edges.extend(places[from as usize].map(|from| (from, place, predicted)));
            }
        }
        Overlay { nodes, edges }
    }

    /// How often each node is named by visited ones, by the nodes' numbers.
    pub fn named_by(&self) -> Vec<u32> {
        let mut named = vec![0; self.nodes.len()];
        let edges = self.visited().flat_map(|(_, _, visit)| &visit.edges);
        edges.for_each(|Edge { to, .. }| named[*to as usize] += 1);
        named
    }
}

impl Node {
    fn of(known: &Known) -> Node {
        let outcome = match &known.session {
            Session::Closed(Verdict::Visited(visit)) => Outcome::Visited(visit.clone()),
            Session::Closed(Verdict::Failed(fault)) => Outcome::Failed(*fault),
            Session::Pending | Session::Dialling | Session::Open(_) => Outcome::Unvisited,
        };
        let Known { contact, sessions, sent, heard, .. } = known;
        Node { contact: Arc::clone(contact), outcome, sessions: *sessions, sent: *sent, heard: *heard }
    }

    /// Its id.
    pub fn id(&self) -> Id {
        self.contact.id()
    }

    /// What the visit brought, if it brought something.
    pub fn visit(&self) -> Option<&Visit> {
        match &self.outcome {
            Outcome::Visited(visit) => Some(visit),
            Outcome::Failed(_) | Outcome::Unvisited => None,
        }
    }

    /// Where it sees itself in latency space, if it told.
    pub fn coordinate(&self) -> Option<Coordinate> {
        Some(self.visit()?.profile.as_ref()?.coordinate)
    }

    /// Messages exchanged with it.
    pub fn messages(&self) -> u64 {
        u64::from(self.sent) + u64::from(self.heard)
    }
}
