//! The threads of a process, and the nodes that live on them.
//!
//! Owns: starting the loop, the workers, the crew and the storage threads; putting a node together and
//! taking it apart again. A process has one host; a node of its own, or a lab of many.
//! Never does: read a configuration or a file: a node comes as a [`NodeSetup`].

use super::clock::Clock;
use super::crew::Crew;
use super::handle::Done;
use super::net::imposed::PathDelay;
use super::net::{ImposedDelay, Net, NetError, NetOptions};
use super::pending::Pending;
use super::post::{IoItem, Keeper, Post, Ways};
use super::seat::Seat;
use super::store::{StoragePool, Store};
use super::turn::{Errand, Loop, LoopHandle};
use super::workers::{self, Item, Tenant};
use crate::base::{Chance, Id, Span};
use crate::identity::{Contact, NodeName, Role, SecretKey};
use crate::machine::Reading;
use crate::overlay::contract::Stored;
use crate::overlay::directory::{self, Directory};
use crate::overlay::forwarder::{self, Forwarder};
use crate::overlay::router::{self, Router};
use crate::overlay::{Command, Failure, Interest, RequestId, Sharding, Station};
use crate::wire::Card;
use crossbeam::channel::{Receiver, Sender, bounded};
use mio::Token;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The threads of this process.
pub struct Host {
    clock: Clock,
    io: LoopHandle,
    router: Sender<Item<Router>>,
    objects: Vec<Sender<Item<Directory>>>,
    crew: Crew,
    storage: StoragePool,
    nodes: AtomicUsize,
}

/// How many threads of each kind; one each serves a node of its own well.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// Object workers, at least 1.
    pub objects: usize,
    /// Storage threads, at least 1.
    pub storage: usize,
}

/// All a node needs to begin.
pub struct NodeSetup {
    /// Its key.
    pub secret: SecretKey,
    /// Its key and nonce: its id.
    pub name: NodeName,
    /// Of its contact: higher than at any earlier start.
    pub sequence: u64,
    /// What it is to others.
    pub role: Role,
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where others reach it; empty for where it listens.
    pub advertise: Vec<SocketAddr>,
    /// What its network agrees on.
    pub agreement: router::Agreement,
    /// Its own choices.
    pub tuning: NodeTuning,
    /// What it keeps on disk, and what was there.
    pub store: (Store, Vec<Stored>),
    /// Nodes to join through.
    pub seeds: Vec<SocketAddr>,
    /// Contacts of the last run.
    pub saved: Vec<Card>,
    /// Keeps contacts for the next start.
    pub save_contacts: Box<dyn Fn(Vec<Card>) + Send + Sync>,
    /// The lab's latency, if it lives in one.
    pub imposed: Option<PathDelay>,
}

/// A node's own choices, by subject.
#[derive(Clone, Debug, Default)]
pub struct NodeTuning {
    /// Membership.
    pub router: router::Tuning,
    /// Forwarding.
    pub forwarder: forwarder::Tuning,
    /// Objects.
    pub directory: directory::Tuning,
    /// Directory shards, at least 1; 0 means 1.
    pub shards: usize,
}

/// A node that lives on this host.
pub struct LocalNode {
    contact: Arc<Contact>,
    post: Arc<Post>,
    left: Receiver<Station>,
    stopped: AtomicBool,
}

impl Host {
    /// Starts the threads. They end when the host and all its nodes are gone.
    pub fn start(threads: Threads) -> io::Result<Host> {
        let clock = Clock::start();
        let io = Loop::start(clock)?;
        let (router, _) = workers::start::<Router>("arras-router", clock, || router::Input::Due)?;
        let objects = (0..threads.objects.max(1))
            .map(|index| {
                let name = format!("arras-objects-{index}");
                Ok(workers::start::<Directory>(&name, clock, || directory::Input::Due)?.0)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let (crew, _) = Crew::start()?;
        let storage = StoragePool::new(threads.storage)?;
        Ok(Host { clock, io, router, objects, crew, storage, nodes: AtomicUsize::new(0) })
    }

    /// Puts a node together and sets it going. It joins by itself; see its status for how far it is.
    pub fn add(&self, setup: NodeSetup) -> Result<LocalNode, NetError> {
        let node = self.nodes.fetch_add(1, Ordering::Relaxed);
        let mut net = Net::bind(
            NetOptions {
                listen: setup.listen,
                secret: setup.secret.clone(),
                network: setup.agreement.network.clone(),
                puzzle_bits: setup.agreement.puzzle_bits,
                imposed: setup.imposed.clone().map(ImposedDelay::new),
                clock: self.clock,
            },
            &self.io.registry,
            Token(node),
        )?;
        let addresses = if setup.advertise.is_empty() { vec![net.local_addr()?] } else { setup.advertise.clone() };
        let contact = Contact::sign(&setup.secret, setup.name, &addresses, setup.role, setup.sequence);
        let contact = Arc::new(contact);
        net.set_contact(contact.clone());
        let sharding = Sharding::new(random_keys(), setup.tuning.shards.max(1));
        let (tell_left, left) = bounded(sharding.count() + 1);
        let keeper = Affairs { save: setup.save_contacts, left: tell_left };
        let pending = Arc::new(Pending::default());
        let (store, stored) = setup.store;
        let post = Arc::new(Post::new(Ways {
            node,
            puzzle_bits: setup.agreement.puzzle_bits,
            sharding,
            io: self.io.way.clone(),
            router: self.router.clone(),
            objects: self.objects.clone(),
            crew: self.crew.clone(),
            disk: self.storage.attach(store, self.disk_reports(node)),
            pending,
            keeper: Box::new(keeper),
        }));
        let machines = Machines {
            contact: contact.clone(),
            secret: setup.secret,
            agreement: setup.agreement,
            tuning: setup.tuning,
            stored,
        };
        self.seat(net, &post, machines);
        post.router(router::Input::Start { saved: setup.saved, seeds: setup.seeds });
        Ok(LocalNode { contact, post, left, stopped: AtomicBool::new(false) })
    }

    /// Gives each machine its place: shards and Router with their workers, the Forwarder at the loop.
    fn seat(&self, net: Net, post: &Arc<Post>, machines: Machines) {
        let Machines { contact, secret, agreement, tuning, stored } = machines;
        let mut chance = Chance::from_seed(random_u64());
        let interest = Arc::new(Interest::new(random_keys()));
        let (node, sharding) = (post.node(), post.sharding());
        for shard in 0..sharding.count() {
            let machine = Directory::new(directory::Setup {
                me: contact.clone(),
                key: secret.clone(),
                sharding,
                shard,
                tuning: tuning.directory.clone(),
                interest: interest.clone(),
                chance: chance.fork(),
            });
            let tenant = Tenant { machine, station: Station::Shard(shard), post: post.clone() };
            let seat = workers::Seat { node, shard };
            // Workers are there as long as the host is.
            let _ = self.objects[(node + shard) % self.objects.len()].send(Item::Attach(seat, Box::new(tenant)));
        }
        for (shard, portion) in by_shard(stored, sharding) {
            post.shard(shard, directory::Input::Loaded(portion));
        }
        let forwarder = Forwarder::new(contact.clone(), tuning.forwarder, interest);
        post.io(IoItem::Loop(Errand::Attach(Box::new(Seat::new(net, forwarder, post.clone())))));
        let machine = Router::new(contact, agreement, tuning.router, chance.fork());
        let tenant = Tenant { machine, station: Station::Router, post: post.clone() };
        let _ = self.router.send(Item::Attach(workers::Seat { node, shard: 0 }, Box::new(tenant)));
    }

    /// Where the storage thread takes this node's results.
    fn disk_reports(&self, node: usize) -> super::store::writer::ReportTo {
        let objects = self.objects.clone();
        Box::new(move |shard, ticket, done| {
            let input = directory::Input::DiskDone { ticket, done };
            let seat = workers::Seat { node, shard };
            // The worker is gone only when the process stops.
            let _ = objects[(node + shard) % objects.len()].send(Item::Input(seat, input));
        })
    }
}

impl LocalNode {
    /// The node's contact.
    pub fn contact(&self) -> &Arc<Contact> {
        &self.contact
    }

    /// The node's id.
    pub fn id(&self) -> Id {
        self.contact.id()
    }

    /// Has a wish fulfilled; `done` is told its one result, on another thread.
    pub fn wish(&self, command: Command, done: Done) {
        if self.stopped.load(Ordering::Acquire) {
            return done(Err(Failure::Stopping));
        }
        if let Some(request) = self.post.pending().open(done) {
            self.post.wish(request, command);
        }
    }

    /// How many shards the directory has: each has a status of its own.
    pub fn shards(&self) -> usize {
        self.post.sharding().count()
    }

    /// What there is to read off the node now. Takes as long as its workers are busy, a second at most;
    /// parts that come later are left out.
    pub fn readings(&self) -> Vec<Reading> {
        readings(&self.post)
    }

    /// The same without waiting: `done` is told on a thread of its own.
    pub fn readings_to(&self, done: Box<dyn FnOnce(Vec<Reading>) + Send>) {
        let post = self.post.clone();
        let spawned = std::thread::Builder::new().name("arras-readings".into()).spawn(move || done(readings(&post)));
        if let Err(error) = spawned {
            log::warn!("nothing can be read off the node: {error}");
        }
    }

    /// How exactly an imposed latency has been held: median and 90th percentile of the error.
    pub fn lateness(&self) -> Option<(Span, Span)> {
        let (reply, replies) = bounded(1);
        self.post.io(IoItem::Loop(Errand::Lateness(reply)));
        replies.recv_timeout(READINGS_PATIENCE).ok().flatten()
    }

    /// Leaves: hands over, says farewell, closes. Each of these gets its part of the patience. Says
    /// whether all was done in time. A second call does nothing.
    pub fn leave(&self, patience: Span) -> bool {
        if self.stopped.swap(true, Ordering::AcqRel) {
            return true;
        }
        let shards = self.post.sharding().count();
        for shard in 0..shards {
            self.post.shard(shard, directory::Input::Leaving);
        }
        let handed_over = (0..shards).all(|_| self.left.recv_timeout(Duration::from(patience / 2)).is_ok());
        self.post.router(router::Input::Wished { request: NO_REQUEST, command: Command::Leave });
        let said_farewell = self.left.recv_timeout(Duration::from(patience / 4)).is_ok();
        self.detach(true, patience / 4) && handed_over && said_farewell
    }

    /// Stops as a crash would: no handover, no goodbye. What was acknowledged is on disk.
    pub fn crash(&self) {
        if !self.stopped.swap(true, Ordering::AcqRel) {
            self.detach(false, Span::from_secs(1));
        }
    }

    fn detach(&self, kindly: bool, patience: Span) -> bool {
        let (done, closed) = bounded(1);
        self.post.io(IoItem::Loop(Errand::Detach { kindly, done }));
        let closed = closed.recv_timeout(Duration::from(patience)).is_ok();
        self.post.detach();
        self.post.pending().close_all();
        closed
    }
}

impl Drop for LocalNode {
    fn drop(&mut self) {
        self.crash();
    }
}

/// What a node's machines are made of.
struct Machines {
    contact: Arc<Contact>,
    secret: SecretKey,
    agreement: router::Agreement,
    tuning: NodeTuning,
    stored: Vec<Stored>,
}

/// A node's own affairs, asked of from its machines' threads.
struct Affairs {
    save: Box<dyn Fn(Vec<Card>) + Send + Sync>,
    left: Sender<Station>,
}

impl Keeper for Affairs {
    fn save_contacts(&self, cards: Vec<Card>) {
        (self.save)(cards);
    }

    fn left(&self, station: Station) {
        // Told twice, or to nobody: both are fine.
        let _ = self.left.try_send(station);
    }
}

fn readings(post: &Post) -> Vec<Reading> {
    let parts = post.reading_parts() + 1;
    let (reply, replies) = bounded(parts);
    post.io(IoItem::Loop(Errand::Readings(reply.clone())));
    post.ask_readings(&reply);
    drop(reply);
    let mut readings = Vec::new();
    for _ in 0..parts {
        let Ok(part) = replies.recv_timeout(READINGS_PATIENCE) else { break };
        readings.extend(part);
    }
    readings
}

fn by_shard(stored: Vec<Stored>, sharding: Sharding) -> BTreeMap<usize, Vec<Stored>> {
    let mut portions: BTreeMap<usize, Vec<Stored>> = BTreeMap::new();
    for stored in stored {
        let id = match &stored {
            Stored::Value { object, .. } => object,
            Stored::Pointer { root, .. } => root,
        };
        portions.entry(sharding.shard_of(id)).or_default().push(stored);
    }
    portions
}

fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    // The system's generator does not fail once it has been seeded at boot (ring waits for that).
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    u64::from_le_bytes(bytes)
}

fn random_keys() -> (u64, u64) {
    (random_u64(), random_u64())
}

/// The host's own wish to leave, which nobody waits for.
const NO_REQUEST: RequestId = RequestId(0);
/// How long a reader of metrics waits for a busy worker.
const READINGS_PATIENCE: Duration = Duration::from_secs(1);
