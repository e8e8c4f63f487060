//! Lookups over tables that were built directly.
//!
//! Owns: one message at a time, carried from view to view by the Forwarder's own rule or one to compare it with, what it learns of
//! the ways ahead, and the hash of all walks.
//! Never does: choose a hop, or wait: a dead next hop is passed over at once, for no time, and counted.

use super::{Built, Rule};
use crate::base::{Id, Span};
use crate::overlay::forwarder::ahead::{Ahead, Scale};
use crate::overlay::forwarder::next_hop::{CERTAIN, Course, DIRECT, Hop, Step, hand_over};
use crate::overlay::view::{Advert, RouteView};
use crate::sim::underlay::Underlay;
use crate::wire::probe::{REACH_NEAR, ReachEntry};
use crate::wire::routing::{Detour, HOPS_MAX};
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// Carries lookups. What they teach of the ways ahead is shared by all nodes: one experience, where live
/// nodes have one each. Every output says so.
pub struct Walker<'a> {
    built: &'a Built,
    underlay: &'a dyn Underlay,
    ahead: Ahead,
    rule: Rule,
    learns: bool,
    /// The roots each node found lately and has no link to, the last first; at most so many.
    remembered: Vec<VecDeque<u32>>,
    remember: usize,
    dead: Vec<bool>,
    /// What each node says of its links, once somebody wants to know.
    adverts: Vec<OnceCell<Arc<[ReachEntry]>>>,
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
    /// Who holds itself for the root, or has what is asked for; nobody, where no way led on.
    pub root: Option<usize>,
    /// The nodes it came to, the root last; none if the asker is the root.
    pub path: Vec<usize>,
    /// There and back along the path.
    pub routed: Span,
    /// Dead nodes that were tried in vain.
    pub in_vain: usize,
    /// Hand-overs to a relay on the way to the node that was chosen.
    pub detours: usize,
}

impl<'a> Walker<'a> {
    /// Nobody is dead, and nothing is learnt yet.
    pub fn new(built: &'a Built, underlay: &'a dyn Underlay) -> Walker<'a> {
        let (ahead, dead) = (Ahead::new(), vec![false; built.len()]);
        let adverts = vec![OnceCell::new(); built.len()];
        let trace = blake3::Hasher::new();
        let (rule, remembered) = (Rule::ExpectedLatency, Vec::new());
        let mut walker = Walker {
            built,
            underlay,
            ahead,
            rule,
            learns: true,
            remembered,
            remember: 0,
            dead,
            adverts,
            trace,
            visits: 0,
        };
        let distant = (built.len() > 1).then(|| walker.distant());
        let view = RouteView { adverts: walker.adverts(0), ..built.view(0, underlay) };
        let spacing = 1.0 / built.len() as f64;
        walker.ahead.set_scale(Scale { spacing, distant, ..Scale::of(&view) });
        walker
    }

    /// The mean round trip of pairs all over.
    fn distant(&self) -> Span {
        let of = |pair: usize| {
            let from = pair * PAIR_STEP % self.built.len();
            self.underlay.round_trip(from, (from + 1) % self.built.len())
        };
        (0..DISTANT_PAIRS).map(of).fold(Span::ZERO, |total, rtt| total + rtt) / DISTANT_PAIRS as u64
    }

    /// Lets these die, and nobody know it beforehand.
    pub fn kill(&mut self, nodes: impl IntoIterator<Item = usize>) {
        nodes.into_iter().for_each(|node| self.dead[node] = true);
    }

    /// Lets all live again.
    pub fn revive(&mut self) {
        self.dead.fill(false);
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

    /// Lets another rule choose the hops.
    pub fn go_by(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// Lets whoever asks remember the last so many roots it found beyond its links, and go straight to one that is all but
    /// certainly the root: a link has to be made first, which takes one round trip more.
    pub fn remember_roots(&mut self, count: usize) {
        self.remember = count;
        self.remembered = vec![VecDeque::new(); if count > 0 { self.built.len() } else { 0 }];
    }

    /// The round trips to others as this node expects them, with what its contacts said of their links; the longest there
    /// is where nothing is known.
    pub fn expected_rtts(&self, node: usize, others: &[usize]) -> Vec<Span> {
        let view = RouteView { adverts: self.adverts(node), ..self.built.view(node, self.underlay) };
        let expected = |other: usize| view.expected_rtt(&self.built.id(other), self.built.coordinate(other).as_ref());
        others.iter().map(|other| expected(*other).unwrap_or(Span::MAX)).collect()
    }

    /// The tables.
    pub fn built(&self) -> &Built {
        self.built
    }

    /// Carries one lookup to its end.
    pub fn walk(&mut self, from: usize, key: Id) -> Trip {
        let (trip, steps) = self.carry(from, key, &[]);
        if self.learns && trip.root.is_some() && trip.in_vain == 0 {
            self.take_in(&key, &steps);
        }
        if let Some(root) =
            trip.root.filter(|root| self.remember > 0 && *root != from && !self.built.knows(from, *root))
        {
            let remembered = &mut self.remembered[from];
            remembered.retain(|known| *known != root as u32);
            remembered.push_front(root as u32);
            remembered.truncate(self.remember);
        }
        trip
    }

    /// The remembered root to go straight to.
    fn remembered_for(&self, from: usize, key: &Id) -> Option<usize> {
        let nearer = |best: usize, next: usize| {
            if self.built.id(next).is_nearer(key, &self.built.id(best)) { next } else { best }
        };
        let known = self.remembered.get(from)?.iter().map(|node| *node as usize);
        let best = known.reduce(nearer)?;
        if self.ahead.root_chance(&self.built.id(best), key) < CERTAIN {
            return None;
        }
        let linked = self.built.contacts_of(from).into_iter().chain([from]).reduce(nearer)?;
        (nearer(linked, best) == best).then_some(best)
    }

    /// Carries one message until it comes to any of these, who answers it in the root's place.
    pub fn walk_to(&mut self, from: usize, key: Id, holders: &[usize]) -> Trip {
        self.carry(from, key, holders).0
    }

    fn carry(&mut self, from: usize, key: Id, holders: &[usize]) -> (Trip, Vec<(Step, Span)>) {
        let mut trip = Trip { from, key, root: None, path: Vec::new(), routed: Span::ZERO, in_vain: 0, detours: 0 };
        let (mut at, mut closing, mut steps) = (from, false, Vec::new());
        let mut detour: Option<Detour> = None;
        // Whom the node at hand has tried in vain; and who chose the detour under way, as it stood there.
        let mut avoid: Vec<Id> = Vec::new();
        let mut chosen: Option<(usize, bool, Vec<Id>)> = None;
        if let Some(root) = self.remembered_for(from, &key) {
            if self.dead[root] {
                trip.in_vain += 1;
            } else {
                trip.routed += self.underlay.round_trip(from, root) * 2;
                trip.path.push(root);
                at = root;
            }
        }
        while trip.path.len() <= usize::from(HOPS_MAX) {
            if holders.contains(&at) {
                trip.root = Some(at);
                break;
            }
            match self.hop(at, closing, detour, &mut avoid, &mut trip) {
                Hop::Root => {
                    trip.root = Some(at);
                    break;
                }
                Hop::Stuck => {
                    // Whoever chose this node for a link that leads nowhere can choose better (`forwarder/journey.rs`).
                    let Some((chooser, was_closing, tried)) = chosen.take() else { break };
                    trip.in_vain += 1;
                    trip.path.pop();
                    steps.pop();
                    avoid = tried;
                    avoid.push(self.built.id(at));
                    (at, closing, detour) = (chooser, was_closing, None);
                }
                Hop::Forward(step) => {
                    let Some(next) = self.built.index_of(&step.to) else { break };
                    let floor = detour.map_or(self.built.id(at), |detour| detour.floor);
                    let rtt = self.underlay.round_trip(at, next);
                    trip.routed += rtt;
                    trip.path.push(next);
                    trip.detours += usize::from(step.to != step.target);
                    let tried = std::mem::take(&mut avoid);
                    chosen = (detour.is_none() && step.to != step.target).then_some((at, closing, tried));
                    detour = (step.to != step.target).then_some(Detour { to: step.target, floor, for_copy: false });
                    (at, closing) = (next, step.closing);
                    steps.push((step, rtt));
                }
            }
        }
        self.record(&trip);
        (trip, steps)
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
    fn hop(&mut self, at: usize, closing: bool, detour: Option<Detour>, avoid: &mut Vec<Id>, trip: &mut Trip) -> Hop {
        self.visits += 1;
        let mut view = self.built.view(at, self.underlay);
        if detour.is_none() && self.rule == Rule::ExpectedLatency {
            view.adverts = self.adverts(at);
        }
        let me = view.id();
        let floor = detour.map_or(me, |detour| detour.floor);
        loop {
            let is_detoured = detour.is_some();
            let course = Course {
                key: &trip.key,
                closing,
                floor: Some(&floor),
                avoid,
                is_detoured,
                any_answers: false,
                holders: &[],
                long: DIRECT,
            };
            let relayed = detour.and_then(|detour| hand_over(&view, detour, course));
            let hop = match relayed {
                Some(step) if !view.is_root_of(&trip.key) => Hop::Forward(step),
                _ => self.rule.next_hop(&view, course, &self.ahead),
            };
            match hop {
                Hop::Forward(step) if self.built.index_of(&step.to).is_some_and(|next| self.dead[next]) => {
                    avoid.push(step.to);
                    trip.in_vain += 1;
                }
                hop => return hop,
            }
        }
    }

    /// What a node's nearest contacts said of their links.
    fn adverts(&self, node: usize) -> Arc<[Advert]> {
        if self.built.recipe().adverts == 0 {
            return Arc::default();
        }
        let advert = |peer: usize| Advert {
            via: self.built.id(peer),
            rtt: self.underlay.round_trip(node, peer),
            links: Arc::clone(self.adverts[peer].get_or_init(|| self.built.advert_of(peer, self.underlay))),
        };
        let mut told = self.built.contacts_of(node);
        told.sort_by_cached_key(|peer| self.underlay.round_trip(node, *peer));
        told.into_iter().take(REACH_NEAR).map(advert).collect()
    }

    /// What each hop's node learns when the answer comes back.
    fn take_in(&mut self, key: &Id, steps: &[(Step, Span)]) {
        let mut beyond = Span::ZERO;
        let Some((root, last)) = steps.last().map(|(step, rtt)| (step.to, *rtt)) else { return };
        for (step, rtt) in steps.iter().rev() {
            if !step.is_handed_over() && !root.begins_like(&step.target) {
                self.ahead.learn(&step.target, key, (beyond + *rtt).saturating_sub(step.rtt + last));
            }
            if let Some(nearest) = step.nearest {
                self.ahead.learn_root(&nearest, key, root.begins_like(&nearest));
            }
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

/// Pairs whose mean round trip stands for that to a root anywhere. A guess.
const DISTANT_PAIRS: usize = 1_024;
/// A prime, so that they come from all over.
const PAIR_STEP: usize = 7_919;
