//! Lookups over tables that were built directly.
//!
//! Owns: one message at a time, carried from view to view by the Forwarder's own rule, what it learns of
//! the ways ahead, and the hash of all walks.
//! Never does: choose a hop, or wait: a dead next hop is passed over at once, for no time, and counted.

use super::Built;
use crate::base::{Id, Span};
use crate::overlay::forwarder::ahead::Ahead;
use crate::overlay::forwarder::next_hop::{Course, Hop, Step, next_hop};
use crate::sim::underlay::Underlay;
use crate::wire::routing::HOPS_MAX;

/// Carries lookups. What they teach of the ways ahead is shared by all nodes: one experience, where live
/// nodes have one each. Every output says so.
pub struct Walker<'a> {
    built: &'a Built,
    underlay: &'a dyn Underlay,
    ahead: Ahead,
    learns: bool,
    dead: Vec<bool>,
    trace: blake3::Hasher,
    visits: u64,
}

/// What came of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Who asked.
    pub from: usize,
    /// For which key.
    pub key: Id,
    /// Who holds itself for the root; nobody, where no way led on.
    pub root: Option<usize>,
    /// The nodes it came to, the root last; none if the asker is the root.
    pub path: Vec<usize>,
    /// There and back along the path.
    pub routed: Span,
    /// Dead nodes that were tried in vain.
    pub in_vain: usize,
}

impl<'a> Walker<'a> {
    /// Nobody is dead, and nothing is learnt yet.
    pub fn new(built: &'a Built, underlay: &'a dyn Underlay) -> Walker<'a> {
        let mut ahead = Ahead::new();
        let known = if built.is_empty() { 0 } else { built.contacts_of(0).len() };
        ahead.set_spacing(1.0 / built.len() as f64, known);
        let dead = vec![false; built.len()];
        Walker { built, underlay, ahead, learns: true, dead, trace: blake3::Hasher::new(), visits: 0 }
    }

    /// Lets these die, and nobody know it beforehand.
    pub fn kill(&mut self, nodes: impl IntoIterator<Item = usize>) {
        nodes.into_iter().for_each(|node| self.dead[node] = true);
    }

    /// Whether a node is dead.
    pub fn is_dead(&self, node: usize) -> bool {
        self.dead[node]
    }

    /// The living node numerically closest to a key: the truth no node can see.
    pub fn root_of(&self, key: &Id) -> Option<usize> {
        self.built.root_of(key, |node| !self.dead[node])
    }

    /// Lets lookups teach what lies ahead, or no longer.
    pub fn learn(&mut self, learns: bool) {
        self.learns = learns;
    }

    /// Carries one lookup to its end.
    pub fn walk(&mut self, from: usize, key: Id) -> Trip {
        let mut trip = Trip { from, key, root: None, path: Vec::new(), routed: Span::ZERO, in_vain: 0 };
        let (mut at, mut closing, mut steps) = (from, false, Vec::new());
        while trip.path.len() <= usize::from(HOPS_MAX) {
            match self.hop(at, closing, &mut trip) {
                Hop::Root => {
                    trip.root = Some(at);
                    break;
                }
                Hop::Stuck => break,
                Hop::Forward(step) => {
                    let Some(next) = self.built.index_of(&step.to) else { break };
                    let rtt = self.underlay.round_trip(at, next);
                    trip.routed += rtt;
                    trip.path.push(next);
                    (at, closing) = (next, step.closing);
                    steps.push((step, rtt));
                }
            }
        }
        if self.learns && trip.root.is_some() && trip.in_vain == 0 {
            self.take_in(&key, &steps);
        }
        self.record(&trip);
        trip
    }

    /// How many nodes were come to in all: each had its view made.
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// The hash of all walks so far.
    pub fn trace_hash(&self) -> String {
        self.trace.finalize().to_hex()[..16].to_owned()
    }

    /// The next hop from here that is alive.
    fn hop(&mut self, at: usize, closing: bool, trip: &mut Trip) -> Hop {
        self.visits += 1;
        let view = self.built.view(at, self.underlay);
        let me = view.id();
        let mut avoid = Vec::new();
        loop {
            let course = Course { key: &trip.key, closing, floor: Some(&me), avoid: &avoid, is_detoured: false };
            match next_hop(&view, course, &self.ahead) {
                Hop::Forward(step) if self.built.index_of(&step.to).is_some_and(|next| self.dead[next]) => {
                    avoid.push(step.to);
                    trip.in_vain += 1;
                }
                hop => return hop,
            }
        }
    }

    /// What each hop's node learns when the answer comes back.
    fn take_in(&mut self, key: &Id, steps: &[(Step, Span)]) {
        let mut beyond = Span::ZERO;
        for (step, rtt) in steps.iter().rev() {
            self.ahead.learn(&step.target, key, step.is_nearest_known, beyond);
            self.ahead.learn_link(*rtt);
            beyond += *rtt;
        }
    }

    fn record(&mut self, trip: &Trip) {
        self.trace.update(&(trip.from as u64).to_le_bytes());
        self.trace.update(trip.key.as_bytes());
        trip.path.iter().for_each(|node| {
            self.trace.update(&(*node as u64).to_le_bytes());
        });
        self.trace.update(&trip.routed.as_micros().to_le_bytes());
        self.trace.update(&[u8::from(trip.root.is_some())]);
    }
}
