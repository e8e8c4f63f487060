//! The world: nodes, their network, and virtual time.
//!
//! Owns: the agenda, the life and death of nodes, and handing wishes to them.
//! Never does: draw anything but from its seed. What effects mean is in `carry`, what the network does
//! in `network`.

use super::agenda::Agenda;
use super::book::{Book, Note, Sent, Tally, Watched};
use super::canary::Canary;
use super::links::Links;
use super::network::{Dials, Packet};
use super::node::{Departure, Feed, Node, address_of};
use super::underlay::{Underlay, Uniform};
use super::weather::Weather;
use super::wishes::{Operation, Wishes};
use super::work::Bench;
use crate::base::{Chance, Id, Instant, Span};
use crate::identity::Role;
use crate::machine::Outbox;
use crate::overlay::contract::{DiskOp, Stored, Ticket};
use crate::overlay::router::{Agreement, Down};
use crate::overlay::{Command, Failure, Reply, RequestId, Station, directory, forwarder, router};
use crate::wire::CloseReason;
use std::collections::{BTreeMap, BTreeSet};

/// What a world is made of.
pub struct Plan {
    /// From which everything is drawn.
    pub seed: u64,
    /// How far apart the nodes are.
    pub underlay: Box<dyn Underlay>,
    /// What the nodes agree on. The puzzle is free by default: keys come from the seed.
    pub agreement: Agreement,
    /// The knobs of every Router.
    pub router: router::Tuning,
    /// The knobs of every Forwarder.
    pub forwarder: forwarder::Tuning,
    /// The knobs of every directory.
    pub directory: directory::Tuning,
    /// Directory shards of a node, at least 1.
    pub shards: usize,
    /// Whether every message is decoded from its bytes on arrival, as on a real link.
    pub through_codec: bool,
    /// Each node's clock is at most so many millionths fast or slow, at most 100,000: a tenth.
    pub drift_ppm: u32,
    /// A bug that all nodes have, for a test of the checkers.
    pub canary: Option<Canary>,
}

/// Nodes in virtual time. All of it follows from the plan's seed and what is asked of it.
pub struct World {
    /// The weather, to be changed at any moment.
    pub weather: Weather,
    pub(super) plan: Plan,
    pub(super) agenda: Agenda<Happening>,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Links,
    pub(super) dials: Dials,
    pub(super) chance: Chance,
    pub(super) bench: Bench,
    pub(super) book: Book,
    pub(super) by_id: BTreeMap<Id, usize>,
    wishes: Wishes,
    births: Chance,
    stirred: Instant,
}

/// Something that happens at a moment. Kept small: the agenda moves them often.
pub(super) enum Happening {
    /// Something within a node reaches one of its machines.
    Fed { node: usize, life: u32, feed: Box<Feed> },
    /// A machine wanted to be woken at this moment.
    Wake { node: usize, life: u32, station: Station, at: Instant },
    /// A disk operation is done.
    Disk { node: usize, life: u32, shard: usize, ticket: Ticket, op: Box<DiskOp> },
    /// Another second of a node's life has passed.
    Second { node: usize, life: u32 },
    /// A node has lost its end of a link.
    Down { node: usize, life: u32, peer: usize, why: Down },
    /// A node has been leaving for long enough.
    Overdue { node: usize, life: u32 },
    /// A packet arrives.
    Arrives(Box<Packet>),
    /// A packet that went by stream is sent again.
    Again(Box<Packet>),
    /// A handshake would be complete now, as far as the dialler can tell.
    Handshake { from: usize, to: usize, number: u64 },
    /// The other end can tell as well.
    Accepted { from: usize, to: usize, link: u64 },
    /// A dial is given up unless it has come to something.
    GivenUp { from: usize, to: usize, number: u64 },
    /// Word of a closed link arrives.
    Closed { at: usize, peer: usize, link: u64, reason: Option<CloseReason> },
}

impl Plan {
    /// Twenty milliseconds from everywhere to everywhere, the defaults of all machines, two shards.
    pub fn from_seed(seed: u64) -> Plan {
        Plan {
            seed,
            underlay: Box::new(Uniform(Span::from_millis(20))),
            agreement: Agreement { puzzle_bits: 0, ..Agreement::default() },
            router: router::Tuning::default(),
            forwarder: forwarder::Tuning::default(),
            directory: directory::Tuning::default(),
            shards: 2,
            through_codec: true,
            drift_ppm: 0,
            canary: None,
        }
    }
}

impl World {
    /// An empty world.
    pub fn new(plan: Plan) -> World {
        let mut seed = Chance::from_seed(plan.seed);
        World {
            weather: Weather::default(),
            plan,
            agenda: Agenda::new(),
            nodes: Vec::new(),
            links: Links::default(),
            dials: Dials::default(),
            chance: seed.fork(),
            bench: Bench::default(),
            book: Book::default(),
            by_id: BTreeMap::new(),
            wishes: Wishes::default(),
            births: seed.fork(),
            stirred: Instant::ORIGIN,
        }
    }

    /// Adds a node that does not run yet; gives its number.
    pub fn add(&mut self, role: Role) -> usize {
        let index = self.nodes.len();
        let node = Node::new(index, self.births.fork(), role, &self.plan);
        self.by_id.insert(node.contact.id(), index);
        self.nodes.push(node);
        index
    }

    /// Starts a node that does not run: with what is on its disk, its saved contacts, and these seeds.
    pub fn start(&mut self, index: usize, seeds: &[usize]) {
        let now = self.now();
        let node = &mut self.nodes[index];
        if node.is_up() {
            return;
        }
        node.awaken(now, &self.plan);
        node.seeds = seeds.iter().map(|seed| address_of(*seed)).collect();
        let (life, saved, seeds) = (node.life, node.saved.clone(), node.seeds.clone());
        let portions = portions(node, now);
        let id = self.nodes[index].contact.id();
        self.book.record(now, index, "started", id.as_bytes());
        self.stir();
        for (shard, stored) in portions.into_iter().enumerate() {
            self.feed(index, Feed::Shard(shard, directory::Input::Loaded(stored)));
        }
        self.feed(index, Feed::Router(router::Input::Start { saved, seeds }));
        self.agenda.after(SECOND, Happening::Second { node: index, life });
    }

    /// Crashes a node: it is gone at once, and nobody is told.
    pub fn kill(&mut self, index: usize) {
        self.stop(index);
        for peer in self.links.peers(index) {
            self.links.close(index, peer);
        }
        self.wishes.excuse(index);
    }

    /// Asks a node to leave in good order: its shards hand over, then its Router says farewell.
    pub fn leave(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let life = node.life;
        let Some(mind) = node.mind.as_mut().filter(|mind| mind.departure == Departure::None) else { return };
        let shards: BTreeSet<usize> = (0..mind.shards.len()).collect();
        mind.departure = Departure::HandingOver(shards.clone());
        self.stir();
        for shard in shards {
            self.feed(index, Feed::Shard(shard, directory::Input::Leaving));
        }
        self.agenda.after(LEAVE_MAX, Happening::Overdue { node: index, life });
    }

    /// Wishes something of a node; the result is found under the number given.
    pub fn wish(&mut self, index: usize, command: Command) -> RequestId {
        let request = self.wishes.begin(index, command.clone(), self.now());
        self.stir();
        let node = &self.nodes[index];
        match &node.mind {
            Some(mind) => {
                let feed = mind.wished(request, command);
                let life = node.life;
                self.agenda.after(Span::ZERO, Happening::Fed { node: index, life, feed: Box::new(feed) });
            }
            None => self.end(index, request, Err(Failure::Stopping)),
        }
        request
    }

    /// Lets time pass until that moment.
    pub fn run_until(&mut self, until: Instant) {
        while self.step(until) {}
    }

    /// Lets time pass until this holds, but not beyond that moment; says whether it holds.
    pub fn run_while(&mut self, until: Instant, goes_on: impl Fn(&World) -> bool) -> bool {
        while goes_on(self) {
            if !self.step(until) {
                return !goes_on(self);
            }
        }
        true
    }

    /// Begins taking notes of what happens.
    pub fn take_notes(&mut self) {
        self.book.open();
    }

    /// The notes taken since the last time.
    pub fn notes(&mut self) -> Vec<Note> {
        self.book.take()
    }

    /// Damages a node's copy of this object; says whether it has one.
    pub fn damage(&mut self, index: usize, object: &Id) -> bool {
        self.nodes[index].disk.damage(object)
    }

    /// What is wrong with a node's disk, to change.
    pub fn disk_weather(&mut self, index: usize) -> &mut super::disk::DiskWeather {
        &mut self.nodes[index].disk.weather
    }

    /// A node that does not run finds an empty disk at its next start: what it kept and its saved contacts are gone.
    pub fn lose_disk(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !node.is_up() {
            node.disk.wipe();
            node.saved.clear();
        }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.agenda.now()
    }

    /// All nodes there ever were, by number.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The number of the node of this id.
    pub fn index_of(&self, id: &Id) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// All wishes so far.
    pub fn operations(&self) -> impl Iterator<Item = (usize, RequestId, &Operation)> {
        self.wishes.iter()
    }

    /// One wish.
    pub fn operation(&self, node: usize, request: RequestId) -> Option<&Operation> {
        self.wishes.get(node, request)
    }

    /// Forgets a wish; gives what became of it. A result that comes later is lost.
    pub fn forget(&mut self, node: usize, request: RequestId) -> Option<Operation> {
        self.wishes.forget(node, request)
    }

    /// How many wishes have no result yet and may still expect one.
    pub fn unanswered(&self) -> usize {
        self.wishes.open()
    }

    /// Whether this node was the root of the key at some moment between these two: ready, and nearer than all that were.
    pub fn was_root(&self, node: usize, key: &Id, span: (Instant, Instant)) -> bool {
        self.book.reigns.was_root(node, key, span, |node| self.nodes[node].contact.id())
    }

    /// When something last happened that is not mere maintenance: a changed leaf set, a node's start or
    /// end, a wish, its result, or a directory's question.
    pub fn stirred(&self) -> Instant {
        self.stirred
    }

    /// How many links a node has.
    pub fn link_count(&self, index: usize) -> usize {
        self.links.count(index)
    }

    /// What the world is made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The counts so far.
    pub fn tally(&self) -> &Tally {
        &self.book.tally
    }

    /// What was sent so far, by kind.
    pub fn sent(&self) -> &Sent {
        &self.book.sent
    }

    /// From now on what this node says is counted apart from what the others say.
    pub fn watch(&mut self, node: usize) {
        self.book.watched = Some(Watched::new(node));
    }

    /// What was said by the node that is watched and by the others, if one is.
    pub fn watched(&self) -> Option<&Watched> {
        self.book.watched.as_ref()
    }

    /// The hash of everything delivered so far.
    pub fn trace_hash(&self) -> String {
        self.book.hash()
    }

    pub(super) fn stir(&mut self) {
        self.stirred = self.now();
    }

    /// Hands an input to a machine, and carries out what it wants done, in order.
    pub(super) fn feed(&mut self, index: usize, feed: Feed) {
        let (now, station) = (self.now(), feed.station());
        let shown = self.nodes[index].clock.shows(now);
        let Some(mind) = self.nodes[index].mind.as_mut() else { return self.feed_guest(index, feed) };
        self.book.record(now, index, feed.kind(), &[]);
        self.book.tally.inputs += 1;
        let mut out = Outbox::new();
        mind.handle(shown, feed, &mut out);
        self.plan_wake(index, station);
        let effects: Vec<_> = out.drain().collect();
        for effect in effects {
            self.carry_out(index, station, effect);
        }
    }

    /// Gives a wish its result.
    pub(super) fn end(&mut self, index: usize, request: RequestId, result: Result<Reply, Failure>) {
        let at = self.now();
        self.stir();
        self.book.record(at, index, "ended", format!("{request:?} {result:?}").as_bytes());
        self.book.note(|| Note::Ended { at, node: index, request, result: Box::new(result.clone()) });
        self.wishes.end(index, request, at, result);
    }

    /// The wishes of a node that have no result yet.
    pub(super) fn open_wishes(&self, index: usize) -> Vec<RequestId> {
        self.wishes.open_of(index)
    }

    /// A node is gone: of its own will, or not.
    pub(super) fn stop(&mut self, index: usize) {
        let at = self.now();
        self.book.record(at, index, "stopped", &[]);
        self.book.note(|| Note::Stopped { at, node: index });
        self.stir();
        self.nodes[index].mind = None;
        self.nodes[index].gone_since = Some(at);
        self.book.reigns.note(index, false, at);
        self.dials.forget(index);
    }

    fn step(&mut self, until: Instant) -> bool {
        let Some(happening) = self.agenda.next(until) else { return false };
        self.book.tally.events += 1;
        match self.weather.paused_until(happening.node(), self.now()) {
            Some(later) => self.agenda.at(later, happening),
            None => self.happen(happening),
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        if happening.life().is_some_and(|life| {
            let node = &self.nodes[happening.node()];
            node.life != life || !node.is_up()
        }) {
            return;
        }
        match happening {
            Happening::Fed { node, feed, .. } => self.feed(node, *feed),
            Happening::Wake { node, station, at, .. } => self.wake(node, station, at),
            Happening::Disk { node, shard, ticket, op, .. } => {
                let done = self.nodes[node].disk.carry_out(self.agenda.now(), *op);
                self.feed(node, Feed::Shard(shard, directory::Input::DiskDone { ticket, done }));
            }
            Happening::Second { node, life } => {
                self.tick(node);
                self.agenda.after(SECOND, Happening::Second { node, life });
            }
            Happening::Down { node, peer, why, .. } => self.link_down(node, peer, why),
            Happening::Overdue { node, .. } => self.depart(node),
            Happening::Arrives(packet) => self.arrive(packet),
            Happening::Again(packet) => self.launch(packet),
            Happening::Handshake { from, to, number } => self.shake_hands(from, to, number),
            Happening::Accepted { from, to, link } => self.accept(from, to, link),
            Happening::GivenUp { from, to, number } => self.give_up(from, to, number),
            Happening::Closed { at, peer, link, reason } => self.hear_close(at, peer, link, reason),
        }
    }

    fn wake(&mut self, index: usize, station: Station, at: Instant) {
        let node = &mut self.nodes[index];
        let shown = node.clock.shows(self.agenda.now());
        let Some(mind) = node.mind.as_mut() else { return };
        if mind.wakes.get(&station) != Some(&at) {
            return;
        }
        mind.wakes.remove(&station);
        if mind.next_deadline(station).is_some_and(|due| due <= shown) {
            self.feed(index, Feed::due(station));
        } else {
            self.plan_wake(index, station);
        }
    }

    fn plan_wake(&mut self, index: usize, station: Station) {
        let now = self.agenda.now();
        let node = &mut self.nodes[index];
        let (life, clock) = (node.life, node.clock);
        if self.plan.canary.is_some_and(|canary| canary.forgets(station)) {
            return;
        }
        let Some(mind) = node.mind.as_mut() else { return };
        let Some(at) = mind.next_deadline(station).map(|at| clock.reaches(at).max(now)) else { return };
        if mind.wakes.get(&station).is_some_and(|planned| *planned <= at) {
            return;
        }
        mind.wakes.insert(station, at);
        self.agenda.at(at, Happening::Wake { node: index, life, station, at });
    }
}

impl Happening {
    /// The node it happens to.
    fn node(&self) -> usize {
        match self {
            Happening::Fed { node, .. }
            | Happening::Wake { node, .. }
            | Happening::Disk { node, .. }
            | Happening::Second { node, .. }
            | Happening::Down { node, .. }
            | Happening::Overdue { node, .. } => *node,
            Happening::Arrives(packet) => packet.to,
            Happening::Again(packet) => packet.from,
            Happening::Handshake { to, .. } | Happening::Accepted { to, .. } => *to,
            Happening::GivenUp { from, .. } => *from,
            Happening::Closed { at, .. } => *at,
        }
    }

    /// The life of the node it belongs to; nothing for what comes from outside.
    fn life(&self) -> Option<u32> {
        match self {
            Happening::Fed { life, .. }
            | Happening::Wake { life, .. }
            | Happening::Disk { life, .. }
            | Happening::Second { life, .. }
            | Happening::Down { life, .. }
            | Happening::Overdue { life, .. } => Some(*life),
            _ => None,
        }
    }
}

/// What is on a node's disk, to each shard its own.
fn portions(node: &Node, now: Instant) -> Vec<Vec<Stored>> {
    let Some(mind) = &node.mind else { return Vec::new() };
    let mut portions = vec![Vec::new(); mind.sharding.count()];
    for stored in node.disk.load(now) {
        let id = match &stored {
            Stored::Value { object, .. } => object,
            Stored::Pointer { root, .. } => root,
        };
        portions[mind.sharding.shard_of(id)].push(stored);
    }
    portions
}

/// How often a host reports on its links.
const SECOND: Span = Span::from_secs(1);
/// How long a node may take to leave before its host closes it all the same. A guess: what a service
/// manager grants between its two signals, less some.
const LEAVE_MAX: Span = Span::from_secs(30);
