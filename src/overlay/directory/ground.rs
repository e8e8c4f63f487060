//! What every subject of the directory stands on.
//!
//! Owns: who this node is, the view, the moment, the outbox, deadlines, numbers, counters.
//! Never does: decide anything about objects.

use super::Setup;
use super::admission::Limits;
use super::away::Due;
use super::tuning::Tuning;
use crate::base::{Chance, Coordinate, Deadlines, Id, Instant, Load, Span};
use crate::identity::{Contact, SecretKey};
use crate::machine::Outbox;
use crate::overlay::contract::{Asker, Copies, DiskOp, Effect, Fact, Job, Ticket, Wish};
use crate::overlay::loads::Loads;
use crate::overlay::view::RouteView;
use crate::wire::directory::{Answer, HOLDERS_MAX, Holder, Request};
use crate::wire::object::Receipt;
use crate::wire::routing::Errand;
use crate::wire::{Directory as Message, Message as AnyMessage, codec};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The common ground of a shard.
pub(super) struct Ground {
    pub(super) key: SecretKey,
    pub(super) shard: usize,
    pub(super) tuning: Tuning,
    pub(super) limits: Limits,
    pub(super) view: Arc<RouteView>,
    /// When the leaf set changed last.
    pub(super) leaf_set_since: Instant,
    pub(super) chance: Chance,
    pub(super) now: Instant,
    pub(super) out: Outbox<Effect>,
    pub(super) deadlines: Deadlines<Due>,
    pub(super) tally: Tally,
    /// What this shard serves, and how busy those say they are that answered it.
    pub(super) loads: Loads,
    /// What this node has to do, as part of what is usual around here.
    pub(super) pressure: f64,
    next: u64,
}

/// What happened so far, counted by name: bounded, since the names are in the source.
#[derive(Default)]
pub(super) struct Tally {
    counts: BTreeMap<(Counter, &'static str), u64>,
}

/// What is counted. The label beside it says which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Counter {
    /// Local gets ended, by outcome.
    Gets,
    /// Local locates ended, by outcome.
    Locates,
    /// Local puts ended, by outcome.
    Puts,
    /// Local publishes and unpublishes ended, by outcome.
    Publishes,
    /// Requests of others answered, by what was asked.
    Served,
    /// Writes and requests refused, by limit.
    Refused,
    /// Claims of this node's own renewed, and steps on the way, by kind; claims of others extended.
    Renewals,
    /// Steps of repair, by kind.
    Repairs,
    /// Leases given and taken, by what became of them.
    Leases,
    /// Reads of values kept here, by where they were found.
    Reads,
    /// Values read only to see whether they are sound, by what was found.
    Scrubs,
    /// Messages that fitted nothing, by kind.
    Ignored,
}

impl Ground {
    pub(super) fn new(setup: Setup) -> (Ground, Arc<crate::overlay::view::Interest>) {
        let limits = Limits::part_of(&setup.tuning, setup.sharding.count());
        let ground = Ground {
            key: setup.key,
            shard: setup.shard,
            tuning: setup.tuning,
            limits,
            view: Arc::new(RouteView::alone(setup.me, false)),
            leaf_set_since: Instant::ORIGIN,
            chance: setup.chance,
            now: Instant::ORIGIN,
            out: Outbox::new(),
            deadlines: Deadlines::new(),
            tally: Tally::default(),
            loads: Loads::new(setup.sharding.count()),
            pressure: 1.0,
            next: 0,
        };
        (ground, setup.interest)
    }

    /// A name nothing else of this shard has.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Wakes this shard for `due` after `span`.
    pub(super) fn wake(&mut self, due: Due, span: Span) {
        self.deadlines.set(due, self.now + span);
    }

    /// Sends to a peer over the link there is, or over a new one.
    pub(super) fn send(&mut self, to: &Arc<Contact>, message: Message) {
        let id = to.id();
        let linked = self.view.peer(&id).is_some_and(|peer| peer.link().is_some());
        let message = AnyMessage::Directory(message);
        self.out.push(match linked {
            true => Effect::Send { to: id, message },
            false => Effect::Reach { contact: Arc::clone(to), message },
        });
    }

    /// Sends to a peer that has just spoken, or is known with a link.
    pub(super) fn send_linked(&mut self, to: Id, message: Message) {
        self.out.push(Effect::Send { to, message: AnyMessage::Directory(message) });
    }

    /// Routes a request; the outcome comes back under the number.
    pub(super) fn route(&mut self, number: u64, to: (Id, Errand), request: &Request, how: (Span, Copies)) {
        let asker = Asker { shard: self.shard, number };
        let payload = Bytes::from(codec::encode(request));
        let ((key, errand), (patience, copies)) = (to, how);
        self.out.push(Effect::Tell(Fact::Route(Wish { asker, key, errand, payload, patience, copies })));
    }

    pub(super) fn work(&mut self, ticket: Ticket, job: Job) {
        self.out.push(Effect::Work { ticket, job });
    }

    pub(super) fn disk(&mut self, ticket: Ticket, op: DiskOp) {
        self.out.push(Effect::Disk { ticket, op });
    }

    /// This node's id.
    pub(super) fn me(&self) -> Id {
        self.view.id()
    }

    /// The contact of a known node, or of oneself.
    pub(super) fn contact(&self, id: &Id) -> Option<Arc<Contact>> {
        if *id == self.me() {
            return Some(Arc::clone(&self.view.me));
        }
        self.view.peer(id).map(|peer| Arc::clone(&peer.contact))
    }

    /// The coordinate of a known node, or of oneself.
    pub(super) fn coordinate(&self, id: &Id) -> Option<Coordinate> {
        if *id == self.me() {
            return Some(self.view.bearing.coordinate);
        }
        self.view.peer(id).and_then(|peer| peer.coordinate)
    }

    /// The round trip to expect, if anything is known.
    pub(super) fn expected_rtt(&self, holder: &Holder) -> Option<Span> {
        let id = holder.contact.id();
        if id == self.me() {
            return Some(Span::ZERO);
        }
        let coordinate = holder.coordinate.or_else(|| self.coordinate(&id));
        self.view.expected_rtt(&id, coordinate.as_ref())
    }

    /// Orders holders as this node would fetch from them: the one with the shortest round trip first.
    pub(super) fn by_expected_rtt(&self, holders: &mut [Holder]) {
        holders.sort_by_cached_key(|holder| self.expected_rtt(holder).unwrap_or(Span::MAX));
    }

    /// How long to wait for a peer's direct answer that may cost it a write on disk.
    pub(super) fn answer_wait(&self, peer: &Id) -> Span {
        match self.view.peer(peer).and_then(|peer| peer.link()) {
            Some(rtt) => rtt.patience(ANSWER_FLOOR),
            None => ANSWER_UNKNOWN,
        }
    }

    /// Whether so many bytes of content travel within a routed reply.
    pub(super) fn is_inline(&self, bytes: u64) -> bool {
        bytes <= u64::from(self.tuning.inline_bytes_max)
    }

    /// A node known to this one as somebody that has an object.
    pub(super) fn holder(&self, id: &Id, replica: bool) -> Option<Holder> {
        let contact = self.contact(id)?;
        Some(Holder { contact: (*contact).clone(), coordinate: self.coordinate(id), replica, load: self.load(id) })
    }

    /// How busy a node is, as far as is known; nothing known counts as idle.
    pub(super) fn load(&self, id: &Id) -> Load {
        match *id == self.me() {
            true => self.loads.own(self.now),
            false => self.loads.said(id).unwrap_or(Load::NONE),
        }
    }

    /// This node's signed word that it keeps a version.
    pub(super) fn receipt(&self, object: Id, version: u64, lifetime: Span) -> Receipt {
        Receipt::sign(&self.key, object, version, lifetime)
    }

    /// The members of the replica set other than this node, nearest to the object first.
    pub(super) fn fellows(&self, object: &Id, count: usize) -> Vec<Id> {
        let me = self.me();
        self.view.replica_set(object, count).into_iter().filter(|id| *id != me).collect()
    }
}

impl Tally {
    pub(super) fn count(&mut self, counter: Counter, label: &'static str) {
        self.add(counter, label, 1);
    }

    /// So many at once.
    pub(super) fn add(&mut self, counter: Counter, label: &'static str, count: u64) {
        *self.counts.entry((counter, label)).or_insert(0) += count;
    }

    pub(super) fn total(&self, counter: Counter) -> u64 {
        self.iter().filter(|(c, _, _)| *c == counter).map(|(_, _, count)| count).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Counter, &'static str, u64)> + '_ {
        self.counts.iter().map(|(&(counter, label), &count)| (counter, label, count))
    }
}

/// Orders holders by what the asker at `coordinate` has to expect, names each node once, and keeps
/// those that fit an answer. Unknown places come last.
pub(super) fn nearest_holders(mut holders: Vec<Holder>, coordinate: &Coordinate) -> Vec<Holder> {
    let mut seen = std::collections::BTreeSet::new();
    holders.retain(|holder| seen.insert(holder.contact.id()));
    holders.sort_by_key(|holder| holder.coordinate.map_or(Span::MAX, |there| coordinate.rtt_to(&there)));
    holders.truncate(HOLDERS_MAX);
    holders
}

/// More than half of `count`.
pub(super) fn majority(count: usize) -> usize {
    count / 2 + 1
}

/// The answer's bytes, as they travel along a route.
pub(super) fn answer_bytes(answer: &Answer) -> Bytes {
    Bytes::from(codec::encode(answer))
}

/// Least wait for a direct answer beyond the smoothed round trip: a group commit of a busy disk takes
/// tens of milliseconds, a loaded core as much again. A guess.
const ANSWER_FLOOR: Span = Span::from_millis(1_000);
/// Wait for the answer of a node whose round trip is unknown: dialing included. A guess: twice the
/// longest round trip in our data.
const ANSWER_UNKNOWN: Span = Span::from_secs(4);
