//! A small town of directories in virtual time.
//!
//! Owns: nodes with two shards each, spread by a secret of their own, that know each other, a disk each, a route of at most two hops, and
//! knobs for loss, death and disk trouble.
//! Never does: route as the overlay does: everybody knows everybody.

use crate::base::{Chance, Id, Instant, Span};
use crate::identity::{Contact, NodeName, Role, SecretKey};
use crate::machine::{Machine, Outbox};
use crate::overlay::contract::{
    Arrival, DiskDone, DiskFault, DiskOp, Job, JobDone, Label, Place, Stored, Terms, Ticket,
};
use crate::overlay::directory::{Directory, Input, Setup, Tuning};
use crate::overlay::view::{LeafView, PeerView, RouteView, Way};
use crate::overlay::{Command, Effect, Fact, Failure, Hearers, Interest, Reply, RequestId, Sharding, Station};
use crate::wire::Message;
use crate::wire::object::{Pointer, Value};
use crate::wire::routing::{Errand, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) type Answered = Result<Reply, Failure>;

pub(super) struct Town {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Instant,
    /// Of each message the chance to be lost.
    pub(super) loss: f64,
    /// How long every disk takes.
    pub(super) disk_time: Span,
    pub(super) chance: Chance,
    pub(super) answers: BTreeMap<RequestId, Vec<Answered>>,
    /// Messages that get lost, told by whom they are for.
    pub(super) deaf: Option<fn(Id, &Message) -> bool>,
    /// Messages between peers so far, for looking at what was said.
    pub(super) said: Vec<(Id, Id, Message)>,
    /// Messages routed so far.
    pub(super) routed: usize,
    events: BTreeMap<(Instant, u64), (usize, usize, Input)>,
    flights: BTreeMap<u32, Flight>,
    next: u64,
    tuning: Tuning,
}

pub(super) struct Node {
    pub(super) contact: Arc<Contact>,
    pub(super) interest: Arc<Interest>,
    pub(super) shards: Vec<Directory>,
    pub(super) is_alive: bool,
    pub(super) disk_fails: bool,
    /// Whether nothing can be read from the disk just now.
    pub(super) reads_fail: bool,
    /// Whether what is to be dropped stays.
    pub(super) drops_fail: bool,
    pub(super) values: BTreeMap<Id, (Value, Terms<Instant>)>,
    pub(super) pointers: BTreeMap<(Id, Id), (Pointer, Instant)>,
    pub(super) left: usize,
    seed: u8,
    sharding: Sharding,
}

/// A routed message.
struct Flight {
    origin: usize,
    asker: crate::overlay::contract::Asker,
    path: Vec<usize>,
    at: usize,
    key: Id,
    errand: Errand,
    payload: bytes::Bytes,
    deadline: Instant,
}

impl Town {
    pub(super) fn of(count: u8, tuning: Tuning) -> Town {
        let mut town = Town {
            nodes: Vec::new(),
            now: Instant::from_micros(1),
            loss: 0.0,
            disk_time: DISK_TIME,
            chance: Chance::from_seed(7),
            answers: BTreeMap::new(),
            deaf: None,
            said: Vec::new(),
            routed: 0,
            events: BTreeMap::new(),
            flights: BTreeMap::new(),
            next: 0,
            tuning,
        };
        for seed in 1..=count {
            town.add(seed);
        }
        town.look_around();
        town
    }

    /// A new node; nobody knows it before `look_around`.
    pub(super) fn add(&mut self, seed: u8) -> usize {
        let key = SecretKey::from_seed([seed; 32]);
        let name = NodeName::solve(key.public(), 0);
        let address = format!("127.0.0.{seed}:1").parse().unwrap();
        let contact = Arc::new(Contact::sign(&key, name, &[address], Role::Server, 1));
        let interest = Arc::new(Interest::new((1, 2)));
        let sharding = Sharding::new((u64::from(seed), 4), 2);
        let mut node = Node {
            contact,
            interest,
            shards: Vec::new(),
            is_alive: true,
            disk_fails: false,
            reads_fail: false,
            drops_fail: false,
            values: BTreeMap::new(),
            pointers: BTreeMap::new(),
            left: 0,
            seed,
            sharding,
        };
        node.start(&self.tuning);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The next start of this node is with another address.
    pub(super) fn moves(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let key = SecretKey::from_seed([node.seed; 32]);
        let (name, sequence) = (*node.contact.name(), node.contact.sequence() + 1);
        let address = format!("127.0.1.{}:1", node.seed).parse().unwrap();
        node.contact = Arc::new(Contact::sign(&key, name, &[address], Role::Server, sequence));
    }

    /// Starts a dead node again, with what is on its disk.
    pub(super) fn restart(&mut self, index: usize) {
        let (tuning, now) = (self.tuning.clone(), self.now);
        let node = &mut self.nodes[index];
        node.interest = Arc::new(Interest::new((1, 2)));
        node.start(&tuning);
        node.is_alive = true;
        let live = node.values.iter().filter(|(_, (_, terms))| terms.is_running(now));
        let values = live.map(|(object, (value, terms))| Stored::Value {
            object: *object,
            version: value.version(),
            bytes: value.len() as u64,
            terms: terms.running(now).map(|until| now.until(until)),
        });
        let pointers = node.pointers.iter().map(|((root, _), (pointer, until))| Stored::Pointer {
            root: *root,
            pointer: Box::new(pointer.clone()),
            remaining: now.until(*until),
        });
        let stored: Vec<Stored> = values.chain(pointers).collect();
        for one in stored {
            let id = match &one {
                Stored::Value { object, .. } => *object,
                Stored::Pointer { root, .. } => *root,
            };
            let shard = self.nodes[index].sharding.shard_of(&id);
            self.feed(index, shard, Input::Loaded(vec![one]));
        }
        self.look_around();
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.nodes[index].is_alive = false;
        self.nodes[index].shards.clear();
    }

    /// Everybody learns who is alive now.
    pub(super) fn look_around(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].is_alive {
                let view = Arc::new(self.view_of(index));
                for shard in 0..self.nodes[index].shards.len() {
                    self.feed(index, shard, Input::View(Arc::clone(&view)));
                }
            }
        }
    }

    pub(super) fn wish(&mut self, index: usize, command: Command) -> RequestId {
        self.next += 1;
        let request = RequestId(self.next);
        self.answers.insert(request, Vec::new());
        let Station::Shard(shard) = self.nodes[index].sharding.fulfiller(&command) else {
            panic!("not a wish of ours")
        };
        self.feed(index, shard, Input::Wished { request, command });
        request
    }

    /// Wishes, and lets time pass until the answer is there.
    pub(super) fn ask(&mut self, index: usize, command: Command) -> Answered {
        let request = self.wish(index, command);
        for _ in 0..4_000 {
            if let [answer] = &self.answers[&request][..] {
                return answer.clone();
            }
            self.rest(Span::from_millis(10));
        }
        panic!("no answer in 40 s");
    }

    pub(super) fn leave(&mut self, index: usize) {
        for shard in 0..self.nodes[index].shards.len() {
            self.feed(index, shard, Input::Leaving);
        }
    }

    /// A message out of nowhere, as a stranger would send it.
    pub(super) fn hear(&mut self, index: usize, from: Id, message: crate::wire::Directory) {
        self.deliver(index, from, &Message::Directory(message));
    }

    /// Lets this much time pass.
    pub(super) fn rest(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let due =
                self.nodes.iter().flat_map(|node| node.shards.iter().filter_map(|shard| shard.next_deadline())).min();
            let Some(next) = [event, due].into_iter().flatten().min().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if event == Some(next) {
                let Some((_, (node, shard, input))) = self.events.pop_first() else { break };
                self.feed(node, shard, input);
                continue;
            }
            for node in 0..self.nodes.len() {
                for shard in 0..self.nodes[node].shards.len() {
                    if self.nodes[node].shards[shard].next_deadline().is_some_and(|at| at <= self.now) {
                        self.feed(node, shard, Input::Due);
                    }
                }
            }
        }
        self.now = until;
    }

    /// The nodes that are alive, nearest to the id first.
    pub(super) fn nearest(&self, key: &Id) -> Vec<usize> {
        let mut alive: Vec<usize> = (0..self.nodes.len()).filter(|index| self.nodes[*index].is_alive).collect();
        alive.sort_by_key(|index| (self.id(*index).distance(key), self.id(*index)));
        alive
    }

    pub(super) fn id(&self, index: usize) -> Id {
        self.nodes[index].contact.id()
    }

    /// How many living nodes have this on disk.
    pub(super) fn copies(&self, object: &Id) -> usize {
        self.nodes.iter().filter(|node| node.is_alive && node.values.contains_key(object)).count()
    }

    /// The sum of a reading over all shards of a node.
    pub(super) fn reading(&self, index: usize, name: &str) -> f64 {
        let mut readings = Vec::new();
        self.nodes[index].shards.iter().for_each(|shard| shard.readings(&mut readings));
        readings.iter().filter(|reading| reading.name == name).map(|reading| reading.value).sum()
    }

    /// The same of one kind only.
    pub(super) fn reading_of(&self, index: usize, name: &str, label: &str) -> f64 {
        let mut readings = Vec::new();
        self.nodes[index].shards.iter().for_each(|shard| shard.readings(&mut readings));
        let is_it = |reading: &&crate::machine::Reading| {
            reading.name == name && reading.label.as_ref().is_some_and(|(_, value)| *value == label)
        };
        readings.iter().filter(is_it).map(|reading| reading.value).sum()
    }

    fn view_of(&self, index: usize) -> RouteView {
        let mut view = RouteView::alone(Arc::clone(&self.nodes[index].contact), true);
        let me = view.id();
        let mut others: Vec<usize> = (0..self.nodes.len()).filter(|i| *i != index && self.nodes[*i].is_alive).collect();
        others.sort_by_key(|other| me.clockwise(&self.id(*other)));
        let after = others.iter().map(|other| self.id(*other)).collect();
        let before = others.iter().rev().map(|other| self.id(*other)).collect();
        view.leaf_set = LeafView { before, after, is_whole_ring: true };
        let rtt = crate::base::RttEstimate::first(MESSAGE_TIME * 2);
        view.peers = others
            .iter()
            .map(|other| PeerView {
                contact: Arc::clone(&self.nodes[*other].contact),
                coordinate: None,
                way: Way::Link { rtt },
                ready: true,
            })
            .collect();
        view.peers.sort_by_key(|peer| peer.contact.id());
        view
    }

    fn feed(&mut self, index: usize, shard: usize, input: Input) {
        let mut out = Outbox::new();
        let Some(directory) = self.nodes[index].shards.get_mut(shard) else { return };
        directory.handle(self.now, input, &mut out);
        let effects: Vec<Effect> = out.drain().collect();
        for effect in effects {
            self.carry_out(index, shard, effect);
        }
    }

    fn later(&mut self, after: Span, index: usize, shard: usize, input: Input) {
        self.next += 1;
        self.events.insert((self.now + after, self.next), (index, shard, input));
    }

    fn carry_out(&mut self, index: usize, shard: usize, effect: Effect) {
        match effect {
            Effect::Send { to, message } => self.say(index, to, message),
            Effect::Reach { contact, message } => self.say(index, contact.id(), message),
            Effect::Work { ticket, job } => {
                let done = work(job);
                self.later(Span::from_micros(50), index, shard, Input::Done { ticket, done });
            }
            Effect::Disk { ticket, op } => self.disk(index, shard, ticket, op),
            Effect::Tell(Fact::Route(wish)) => {
                self.routed += 1;
                let (key, errand) = (wish.key, wish.errand);
                let mut path = vec![index];
                path.extend(self.nearest(&key).into_iter().take(2).rev());
                path.dedup();
                let root = self.nearest(&key)[0];
                let end = path.iter().position(|hop| *hop == root).unwrap();
                path.truncate(end + 1);
                self.next += 1;
                let label = self.next as u32;
                let deadline = self.now + wish.patience;
                let flight = Flight {
                    origin: index,
                    asker: wish.asker,
                    path,
                    at: 0,
                    key,
                    errand,
                    payload: wish.payload,
                    deadline,
                };
                self.flights.insert(label, flight);
                self.fly(label);
            }
            Effect::Tell(Fact::Respond { label, payload }) => {
                let by = self.id(index);
                self.land(label.0, Outcome::Answered { by }, payload);
            }
            Effect::Tell(Fact::Onward { label }) => {
                self.flights.get_mut(&label.0).unwrap().at += 1;
                self.fly(label.0);
            }
            Effect::Answer { request, result } => self.answers.get_mut(&request).unwrap().push(result),
            Effect::Left => self.nodes[index].left += 1,
            other => panic!("not a directory's effect: {other:?}"),
        }
    }

    /// Carries a routed message on until a directory is to be asked.
    fn fly(&mut self, label: u32) {
        loop {
            let flight = &self.flights[&label];
            let here = flight.path[flight.at];
            let from = self.id(flight.path[flight.at.saturating_sub(1)]);
            let is_root = flight.at + 1 == flight.path.len();
            let is_known = self.nodes[here].interest.contains(&flight.key);
            let place = match flight.errand {
                _ if is_root => Some(Place::Root),
                Errand::Nearest if is_known => Some(Place::OnTheWay),
                Errand::Deposit => Some(Place::Passing),
                _ => None,
            };
            let (key, origin, payload) = (flight.key, self.id(flight.origin), flight.payload.clone());
            if self.chance.happens(self.loss) || !self.nodes[here].is_alive {
                return self.lose(label);
            }
            if let Some(place) = place {
                let shard = self.nodes[here].sharding.shard_of(&key);
                let arrival =
                    Arrival { label: Label(label), key, origin, from, place, may_point: false, pressure: 1.0, payload };
                self.later(MESSAGE_TIME, here, shard, Input::Arrived(arrival));
                if place != Place::Passing {
                    return;
                }
            }
            self.flights.get_mut(&label).unwrap().at += 1;
        }
    }

    fn land(&mut self, label: u32, outcome: Outcome, payload: bytes::Bytes) {
        if self.chance.happens(self.loss) {
            return self.lose(label);
        }
        let Some(flight) = self.flights.remove(&label) else { return };
        let input = Input::Returned { asker: flight.asker, outcome, payload, word_of: None };
        self.later(MESSAGE_TIME, flight.origin, flight.asker.shard, input);
    }

    fn lose(&mut self, label: u32) {
        let Some(flight) = self.flights.remove(&label) else { return };
        let at = self.id(flight.origin);
        let input = Input::Returned {
            asker: flight.asker,
            outcome: Outcome::Silence { at },
            payload: bytes::Bytes::new(),
            word_of: None,
        };
        self.later(self.now.until(flight.deadline), flight.origin, flight.asker.shard, input);
    }

    fn say(&mut self, from: usize, to: Id, message: Message) {
        let from = self.id(from);
        assert_ne!(from, to, "nobody talks to itself: {message:?}");
        self.said.push((from, to, message.clone()));
        if self.chance.happens(self.loss) || self.deaf.is_some_and(|is_lost| is_lost(to, &message)) {
            return;
        }
        let bytes = bytes::Bytes::from(message.encode());
        let message = Message::decode(&bytes).unwrap();
        if let Some(index) = (0..self.nodes.len()).find(|index| self.id(*index) == to) {
            self.deliver(index, from, &message);
        }
    }

    fn deliver(&mut self, index: usize, from: Id, message: &Message) {
        let shards: BTreeSet<usize> = match self.nodes[index].sharding.handler(message) {
            Hearers::One(Station::Shard(shard)) => [shard].into(),
            Hearers::Shards => (0..2).collect(),
            // What neighbours hold is the Forwarder's to know: there is none here.
            Hearers::One(Station::Forwarder) => return,
            other => panic!("not for a directory: {other:?}"),
        };
        let Message::Directory(message) = message else { return };
        for shard in shards {
            self.later(MESSAGE_TIME, index, shard, Input::Heard { from, message: message.clone() });
        }
    }

    fn disk(&mut self, index: usize, shard: usize, ticket: Ticket, op: DiskOp) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let done = match op {
            op if op.adds() && node.disk_fails => DiskDone::Failed(DiskFault::Full),
            DiskOp::DropValue { .. } | DiskOp::DropPointer { .. } if node.drops_fail => {
                DiskDone::Failed(DiskFault::Full)
            }
            DiskOp::ReadValue { .. } if node.reads_fail => DiskDone::Failed(DiskFault::Full),
            DiskOp::KeepValue { value, terms } => {
                node.values.insert(value.id(), (value, terms.map(|span| now + span)));
                DiskDone::Kept
            }
            DiskOp::SetTerms { object, terms } => {
                if let Some(kept) = node.values.get_mut(&object) {
                    kept.1 = terms.map(|span| now + span);
                }
                DiskDone::Kept
            }
            DiskOp::KeepPointer { root, pointer, remaining } => {
                node.pointers.insert((root, pointer.holder.id()), (pointer, now + remaining));
                DiskDone::Kept
            }
            DiskOp::ExtendPointers { holder, rows } => {
                for (root, remaining) in rows {
                    if let Some((pointer, until)) = node.pointers.get_mut(&(root, holder.id())) {
                        *until = now + remaining;
                        pointer.adopt(&holder);
                    }
                }
                DiskDone::Kept
            }
            DiskOp::DropValue { object } => {
                node.values.remove(&object);
                DiskDone::Dropped
            }
            DiskOp::DropPointer { root, holder } => {
                node.pointers.remove(&(root, holder));
                DiskDone::Dropped
            }
            DiskOp::ReadValue { object } => DiskDone::Read(node.values.get(&object).map(|(value, _)| value.clone())),
        };
        self.later(self.disk_time, index, shard, Input::DiskDone { ticket, done });
    }
}

impl Node {
    fn start(&mut self, tuning: &Tuning) {
        let shard = |shard| {
            Directory::new(Setup {
                me: Arc::clone(&self.contact),
                key: SecretKey::from_seed([self.seed; 32]),
                sharding: self.sharding,
                shard,
                tuning: tuning.clone(),
                interest: Arc::clone(&self.interest),
                chance: Chance::from_seed(u64::from(self.seed) * 2 + shard as u64),
            })
        };
        self.shards = (0..2).map(shard).collect();
    }
}

fn work(job: Job) -> JobDone {
    match job {
        Job::CheckCards(cards) => JobDone::Cards(cards),
        Job::CheckValue { id, value } => JobDone::Value { id, value: Some(value).filter(|value| value.proves(&id)) },
        Job::CheckPointer(pointer) => {
            JobDone::Pointer(Some(pointer).filter(|pointer| pointer.holds() && pointer.holder.check(0).is_ok()))
        }
        Job::CheckReceipts { object, version, mut receipts } => {
            receipts.retain(|receipt| receipt.object == object && receipt.version == version && receipt.holds());
            JobDone::Receipts(receipts)
        }
    }
}

const MESSAGE_TIME: Span = Span::from_millis(10);
const DISK_TIME: Span = Span::from_millis(2);
