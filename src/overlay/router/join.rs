//! Finding one's place.
//!
//! Owns: the joiner's way: a first node, the node nearest to its own id, the
//! confirmation of its leaf set. All state of a join is here, in the joiner.
//! Never does: wait for a silent node longer than its step allows.

use super::Router;
use super::own::{Due, Turn};
use super::peers::{Greeting, Link, Peer};
use super::proximity::MEASURE_PAUSE;
use crate::base::{Id, Instant, Span};
use crate::wire::membership::About;
use crate::wire::{Card, Probe};
use std::collections::BTreeSet;

/// How far the node has come.
#[derive(Clone, Debug)]
pub(super) enum Join {
    /// Not begun.
    Unstarted,
    /// Nobody was reached yet.
    Knocking,
    /// Looking for the node nearest to its own id.
    Seeking {
        /// The nearest that answered.
        at: Option<Id>,
        /// Whom it has asked or given up.
        tried: BTreeSet<Id>,
        /// What it waits for.
        stage: Seek,
        /// Until when.
        until: Instant,
    },
    /// Making itself known to its leaf set.
    Confirming {
        /// Since when.
        since: Instant,
    },
    /// The leaf set has confirmed: it says that it is ready, and roots keys as soon as the nodes next to it know. They
    /// rooted its keys until now, and stop before it begins.
    Committing {
        /// Questions from this one on said so.
        round: u32,
        /// Who answered one.
        known_to: BTreeSet<Id>,
    },
    /// It roots keys.
    Ready,
    /// A client that found its way in: it never roots keys.
    Client,
    /// It has left.
    Gone,
}

/// A step of the search.
#[derive(Clone, Debug)]
pub(super) enum Seek {
    /// The next node is to be chosen, as soon as what is known is checked.
    Choosing,
    /// A link to this one is awaited.
    Dialling(Id),
    /// This one was asked under this round.
    Asked(Id, u32),
}

impl Join {
    /// Whether this node roots keys.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Join::Ready)
    }

    /// Whether it says so.
    pub(super) fn says_ready(&self) -> bool {
        matches!(self, Join::Ready | Join::Committing { .. })
    }

    /// Whether it is taking or holding its place in the leaf sets.
    pub(super) fn is_placing(&self) -> bool {
        matches!(self, Join::Confirming { .. } | Join::Committing { .. } | Join::Ready)
    }

    /// Whether it is at work as far as it will get.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Join::Ready | Join::Client)
    }

    /// In words, for people.
    pub(super) fn describe(&self, links: usize) -> String {
        match self {
            Join::Unstarted => "not started".to_owned(),
            Join::Knocking => "joining: nobody has answered yet".to_owned(),
            Join::Seeking { .. } => "joining: looking for the node nearest to its id".to_owned(),
            Join::Confirming { .. } => "joining: waiting for the leaf set to confirm".to_owned(),
            Join::Committing { .. } => "joining: waiting for the next nodes to know it is ready".to_owned(),
            Join::Ready if links == 0 => "alone: ready, nobody else is reached".to_owned(),
            Join::Ready => "ready".to_owned(),
            Join::Client => "client".to_owned(),
            Join::Gone => "left".to_owned(),
        }
    }
}

impl Router {
    /// A first link while nobody was reached: the search begins there.
    pub(super) fn join_from(&mut self, t: &mut Turn, id: Id) {
        if !matches!(self.join, Join::Knocking) || !self.peers.find(&id).is_some_and(Peer::is_server) {
            return;
        }
        self.own.tally.count("router_joins_begun_total");
        let until = t.now + STEP_PATIENCE_MAX;
        self.join = Join::Seeking { at: None, tried: BTreeSet::new(), stage: Seek::Dialling(id), until };
        self.own.due.set(Due::Join, until);
    }

    /// Contacts were answered: the join may have waited for them.
    pub(super) fn on_contacts(&mut self, t: &mut Turn, from: Id, round: u32, cards: Vec<Card>) {
        self.consider(t, cards, false);
        if let Join::Seeking { at, stage, .. } = &mut self.join
            && matches!(*stage, Seek::Asked(id, r) if id == from && r == round)
        {
            *at = Some(from);
            *stage = Seek::Choosing;
        }
    }

    /// Takes every step of the join that can be taken now. Cheap when there is none.
    pub(super) fn advance_join(&mut self, t: &mut Turn) {
        // Each step either waits or comes nearer to the end; the bound is a guard only.
        for _ in 0..STEPS_AT_ONCE {
            let moved = match self.join {
                Join::Seeking { .. } => self.advance_search(t),
                Join::Confirming { since } => self.advance_confirmation(t, since),
                Join::Committing { .. } => self.advance_commitment(t),
                _ => false,
            };
            if !moved {
                return;
            }
        }
    }

    /// Something the join waits for may have waited long enough.
    pub(super) fn on_join_due(&mut self, t: &mut Turn) {
        if let Join::Confirming { .. } = self.join {
            self.greet_again(t);
            self.own.due.set(Due::Join, t.now + CONFIRM_TICK);
        }
    }

    fn advance_search(&mut self, t: &mut Turn) -> bool {
        let Join::Seeking { at, tried, stage, until } = &mut self.join else { return false };
        let late = t.now >= *until;
        match *stage {
            Seek::Dialling(id) | Seek::Asked(id, _) => {
                let link = self.peers.find(&id).map(|peer| peer.link);
                let lost = matches!(link, None | Some(Link::None)) || tried.len() > SEEK_STEPS;
                if late || lost {
                    tried.insert(id);
                    *stage = Seek::Choosing;
                    *until = t.now + STEP_PATIENCE_MAX;
                    return true;
                }
                if matches!(stage, Seek::Dialling(_)) && matches!(link, Some(Link::Up { .. })) {
                    tried.insert(id);
                    self.ask_about_place(t, id);
                }
                false
            }
            Seek::Choosing if self.gossip.awaits(t.now) && !late => false,
            Seek::Choosing => {
                let (at, tried) = (*at, std::mem::take(tried));
                self.choose_next(t, at, tried);
                true
            }
        }
    }

    fn ask_about_place(&mut self, t: &mut Turn, id: Id) {
        let round = self.ask(t, id, About::Place(self.own.id()));
        let wait = self.step_patience(&id);
        if let Join::Seeking { stage, until, .. } = &mut self.join {
            *stage = Seek::Asked(id, round);
            *until = t.now + wait;
        }
        self.own.due.set(Due::Join, t.now + wait);
    }

    /// The known node nearest to this one's id, unless one has answered that is among the nearest: its leaf set and this
    /// node's overlap, and members tell each other whom they lack.
    fn choose_next(&mut self, t: &mut Turn, at: Option<Id>, tried: BTreeSet<Id>) {
        let me = self.own.id();
        let is_there = |peer: &Peer| peer.is_server() && !peer.suspected;
        let near = self.peers.leaf_set(&me, self.own.tuning.leaf_set_per_side, is_there);
        let known = near.iter().filter(|_| at.is_none_or(|at| !near.contains(&at)));
        let next = known.filter(|id| !tried.contains(id)).min_by_key(|id| (id.distance(&me), *id));
        match next {
            Some(next) if tried.len() < SEEK_STEPS => {
                self.dial(t, &next);
                let until = t.now + self.step_patience(&next);
                self.own.due.set(Due::Join, until);
                self.join = Join::Seeking { at, tried, stage: Seek::Dialling(next), until };
            }
            _ if at.is_none() && self.peers.links() == 0 => self.begin_again(t),
            _ if self.own.is_client() => self.settle_as_client(t),
            _ => {
                self.join = Join::Confirming { since: t.now };
                self.own.due.set(Due::Join, t.now + CONFIRM_TICK);
                self.review_ring(t);
            }
        }
    }

    /// Everybody was lost on the way.
    fn begin_again(&mut self, t: &mut Turn) {
        self.own.tally.count("router_joins_restarted_total");
        self.join = Join::Knocking;
        self.knock_when_alone(t);
    }

    fn advance_confirmation(&mut self, t: &mut Turn, since: Instant) -> bool {
        if self.peers.linked().next().is_none() && t.now.since(since) >= STEP_PATIENCE_MAX {
            self.begin_again(t);
            return false;
        }
        if self.ring.all.len() == 0 || self.gossip.awaits(t.now) {
            return false;
        }
        let me = self.own.id();
        let outstanding = self.peers.iter().any(|peer| match peer.link {
            Link::Up { .. } => self.ring.all.contains(&peer.id()) && !is_confirmed(peer),
            Link::Dialling { since } => {
                t.now.since(since) < STEP_PATIENCE_MAX && self.ring.all.has_place_for(&me, &peer.id())
            }
            Link::None => false,
        });
        // Silent members do not hold the join up, but somebody must have confirmed it.
        let answered = |id: Id| self.peers.find(&id).is_some_and(|peer| peer.greeting == Greeting::Answered);
        if outstanding || !self.ring.all.iter().any(answered) {
            return false;
        }
        let round = self.own.next_round();
        self.join = Join::Committing { round, known_to: BTreeSet::new() };
        self.publication.is_stale = true;
        let (bearing, next) = (self.bearing(), self.ring.next_ones());
        for peer in self.peers.linked().filter(|peer| !next.contains(&peer.id())) {
            t.probe(peer.id(), Probe::Beat { bearing });
        }
        true
    }

    /// Asks the next nodes until all have answered, which says that they know.
    fn advance_commitment(&mut self, t: &mut Turn) -> bool {
        let next = self.ring.next_ones();
        let Join::Committing { known_to, .. } = &self.join else { return false };
        let unknowing: Vec<Id> = next.into_iter().filter(|id| !known_to.contains(id)).collect();
        if unknowing.is_empty() {
            self.become_ready(t);
            return true;
        }
        for id in unknowing {
            self.ping(t, &id, "ready");
        }
        false
    }

    /// A question of this round was answered.
    pub(super) fn note_known_to(&mut self, from: Id, answered: u32) {
        if let Join::Committing { round, known_to } = &mut self.join
            && answered > *round
        {
            known_to.insert(from);
        }
    }

    /// This node roots keys from now on.
    pub(super) fn become_ready(&mut self, t: &mut Turn) {
        self.join = Join::Ready;
        self.own.due.clear(&Due::Join);
        self.own.tally.count("router_joins_total");
        self.publication.is_urgent = true;
        self.publication.is_unsaved = true;
        self.settle(t);
    }

    fn settle_as_client(&mut self, t: &mut Turn) {
        self.join = Join::Client;
        self.own.due.clear(&Due::Join);
        self.settle(t);
    }

    /// The node is in: what waited for that begins.
    fn settle(&mut self, t: &mut Turn) {
        let nearest =
            self.peers.linked().filter(|peer| peer.is_server()).min_by_key(|peer| (peer.link_rtt(), peer.id()));
        if let Some(id) = nearest.map(Peer::id) {
            self.ask(t, id, About::Nearby);
        }
        self.start_exchanges(t);
        self.reach_changed(t);
        self.own.soon(t.now, Due::Measure, MEASURE_PAUSE);
        self.plan_soon(t.now, PLAN_AFTER_JOIN);
    }

    fn greet_again(&mut self, t: &mut Turn) {
        let stale: Vec<Id> = self
            .peers
            .linked()
            .filter(|peer| match peer.greeting {
                Greeting::Sent { at, .. } => !is_confirmed(peer) && t.now.since(at) >= self.step_patience(&peer.id()),
                _ => false,
            })
            .map(Peer::id)
            .collect();
        for id in stale {
            self.greet(t, id);
        }
    }

    /// How long a step may take: some round trips if they are known.
    fn step_patience(&self, id: &Id) -> Span {
        let rtt = self.peers.find(id).and_then(Peer::rtt);
        rtt.map_or(STEP_PATIENCE_MAX, |rtt| (rtt * 3 + STEP_FLOOR).min(STEP_PATIENCE_MAX))
    }
}

/// A member that answered, or was asked often enough to be left to the probes.
fn is_confirmed(peer: &Peer) -> bool {
    match peer.greeting {
        Greeting::Answered => true,
        Greeting::Sent { tries, .. } => tries >= GREETINGS_MAX,
        Greeting::Due => false,
    }
}

/// How long one silent node may hold a join up: "a second or so", yet a handshake over the slowest
/// pair of our data (675 ms) fits twice.
const STEP_PATIENCE_MAX: Span = Span::from_millis(1_500);
/// What a step may take beside round trips: a busy host's. A guess.
const STEP_FLOOR: Span = Span::from_millis(300);
/// Steps of the search: `log16` of any network there will ever be, and some that fail.
const SEEK_STEPS: usize = 16;
/// How often a confirmation under way looks for silent members. A guess.
const CONFIRM_TICK: Span = Span::from_millis(250);
/// Announcements a silent member is sent before the join goes on without its word. A guess.
const GREETINGS_MAX: u32 = 2;
/// A guard against endless steps in one turn.
const STEPS_AT_ONCE: usize = 32;
/// Table links wait until the join is through. A guess.
const PLAN_AFTER_JOIN: Span = Span::from_millis(50);
