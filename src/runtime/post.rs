//! How effects leave a machine's thread.
//!
//! Owns: the ways from any thread of this process to the machines, the disk and the socket of one node,
//! and what happens where a way is full.
//! Never does: make the I/O thread wait. Membership, views and results are never shed; requests of the
//! directory are, with an answer that says so, and counted.

use super::crew::{Crew, Task};
use super::pending::Pending;
use super::store::StoreHandle;
use super::workers::{ITEMS_MAX, Item, Seat};
use crate::base::Id;
use crate::identity::Contact;
use crate::machine::Reading;
use crate::overlay::contract::{DiskDone, JobDone, Label, Ticket};
use crate::overlay::directory::{self, Directory};
use crate::overlay::router::{self, Router};
use crate::overlay::{Effect, Fact, Hearers, RequestId, Sharding, Station, forwarder};
use crate::wire::directory::{Answer, Refusal};
use crate::wire::{Card, CloseReason, Parcel, codec};
use bytes::Bytes;
use crossbeam::channel::Sender;
use mio::Waker;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the I/O thread is asked to do for one of its nodes.
pub enum IoItem {
    /// Send this over the link to a peer.
    Send(Id, Parcel),
    /// Send this, dialling first if need be.
    Reach(Arc<Contact>, Parcel),
    /// Dial a node.
    Dial(Arc<Contact>),
    /// Dial whatever node lives at this address.
    DialSeed(SocketAddr),
    /// Close a link.
    HangUp(Id, CloseReason),
    /// Measure a round trip without a link.
    Measure(Arc<Contact>),
    /// Something for the Forwarder.
    Forwarder(forwarder::Input),
    /// Something only the loop itself knows.
    Loop(super::turn::Errand),
}

/// The way to the I/O thread: a bounded channel and a waker that is poked only if the loop may sleep.
#[derive(Clone)]
pub struct IoWay {
    items: Sender<(usize, IoItem)>,
    waker: Arc<Waker>,
    poked: Arc<AtomicBool>,
}

/// The ways of one node.
pub struct Post {
    node: usize,
    puzzle_bits: u32,
    sharding: Sharding,
    io: IoWay,
    router: Sender<Item<Router>>,
    objects: Vec<Sender<Item<Directory>>>,
    crew: Crew,
    disk: StoreHandle,
    pending: Arc<Pending>,
    keeper: Box<dyn Keeper>,
    shed: AtomicU64,
}

/// What a node does with effects that concern its host as a whole.
pub trait Keeper: Send + Sync {
    /// Keep these contacts for the next start.
    fn save_contacts(&self, cards: Vec<Card>);
    /// A machine has finished leaving.
    fn left(&self, station: Station);
}

/// What a [`Post`] is made of.
pub struct Ways {
    /// The node's number in this process.
    pub node: usize,
    /// What the network asks of contacts.
    pub puzzle_bits: u32,
    /// How ids are spread over the shards.
    pub sharding: Sharding,
    /// To the I/O thread.
    pub io: IoWay,
    /// To the Router's thread.
    pub router: Sender<Item<Router>>,
    /// To the shards' threads; shard `s` of node `n` lives on thread `(n + s) % len`.
    pub objects: Vec<Sender<Item<Directory>>>,
    /// To the crew.
    pub crew: Crew,
    /// To the disk.
    pub disk: StoreHandle,
    /// The node's wishes under way.
    pub pending: Arc<Pending>,
    /// The node's own affairs.
    pub keeper: Box<dyn Keeper>,
}

impl IoWay {
    /// The way into this channel, with the loop's waker.
    pub fn new(items: Sender<(usize, IoItem)>, waker: Arc<Waker>, poked: Arc<AtomicBool>) -> IoWay {
        IoWay { items, waker, poked }
    }

    /// Hands an item over, waiting for room: the I/O thread never waits for us, so there will be.
    pub fn send(&self, node: usize, item: IoItem) {
        // The loop is gone only when the process stops.
        let _ = self.items.send((node, item));
        if !self.poked.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            log::error!("the event loop cannot be woken: {error}");
        }
    }
}

impl Post {
    /// A node's ways.
    pub fn new(ways: Ways) -> Post {
        let Ways { node, puzzle_bits, sharding, io, router, objects, crew, disk, pending, keeper } = ways;
        let shed = AtomicU64::new(0);
        Post { node, puzzle_bits, sharding, io, router, objects, crew, disk, pending, keeper, shed }
    }

    /// Carries out an effect of one of this node's machines, from that machine's thread.
    pub fn carry(self: &Arc<Self>, station: Station, effect: Effect) {
        match effect {
            Effect::Send { to, message } => self.io(IoItem::Send(to, message.parcel())),
            Effect::Reach { contact, message } => self.io(IoItem::Reach(contact, message.parcel())),
            Effect::Dial { contact } => self.io(IoItem::Dial(contact)),
            Effect::DialSeed { address } => self.io(IoItem::DialSeed(address)),
            Effect::HangUp { peer, reason } => self.io(IoItem::HangUp(peer, reason)),
            Effect::Measure { contact } => self.io(IoItem::Measure(contact)),
            Effect::Work { ticket, job } => self.crew.give(Task { post: self.clone(), station, ticket, job }),
            Effect::Disk { ticket, op } => self.disk(station, ticket, op),
            Effect::Tell(fact) => self.tell(fact),
            Effect::Answer { request, result } => self.pending.close(request, result),
            Effect::SaveContacts(cards) => self.keeper.save_contacts(cards),
            Effect::Left => self.keeper.left(station),
        }
    }

    /// Carries a fact to whoever hears it, from any thread but the I/O thread.
    fn tell(&self, fact: Fact) {
        match self.sharding.hearers(&fact) {
            Hearers::One(Station::Forwarder) => {
                if let Some(input) = for_forwarder(fact) {
                    self.io(IoItem::Forwarder(input));
                }
            }
            Hearers::One(Station::Router) => {
                if let Some(input) = for_router(fact) {
                    self.router(input);
                }
            }
            Hearers::One(Station::Shard(shard)) => {
                if let Some(input) = for_shard(fact) {
                    self.shard(shard, input);
                }
            }
            Hearers::ForwarderAndShards => {
                if let Some(input) = for_forwarder(fact.clone()) {
                    self.io(IoItem::Forwarder(input));
                }
                self.shards(fact);
            }
            Hearers::Shards => self.shards(fact),
        }
    }

    /// Carries a fact from the I/O thread, which must not wait: what cannot be taken is shed. A routed
    /// request that was shed is answered by the input this gives back.
    #[must_use]
    pub fn tell_from_io(&self, fact: Fact) -> Option<forwarder::Input> {
        match fact {
            Fact::HopSilent { peer } => {
                self.offer_router(router::Input::HopSilent { peer });
                None
            }
            Fact::Arrived(arrival) => {
                let (label, shard) = (arrival.label, self.sharding.shard_of(&arrival.key));
                self.offer_shard(shard, directory::Input::Arrived(arrival)).then(|| busy(label))
            }
            Fact::Returned { asker, outcome, payload, word_of } => {
                self.offer_shard(asker.shard, directory::Input::Returned { asker, outcome, payload, word_of });
                None
            }
            Fact::View(_) | Fact::Route(_) | Fact::Respond { .. } | Fact::Onward { .. } | Fact::Point { .. } => None,
        }
    }

    /// Gives the Router an input from the I/O thread. Membership is never shed: where the queue is full
    /// the input waits with the loop.
    pub fn offer_router(&self, input: router::Input) -> Option<router::Input> {
        if self.router.len() >= ITEMS_MAX {
            return Some(input);
        }
        self.router(input);
        None
    }

    /// Gives a shard an input from the I/O thread; says whether it was shed.
    pub fn offer_shard(&self, shard: usize, input: directory::Input) -> bool {
        let full = self.objects_of(shard).len() >= ITEMS_MAX;
        if full {
            self.shed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.shard(shard, input);
        }
        full
    }

    /// Gives the Router an input, however many wait.
    pub fn router(&self, input: router::Input) {
        // The worker is gone only when the process stops.
        let _ = self.router.send(Item::Input(self.seat(0), input));
    }

    /// Gives a shard an input, however many wait.
    pub fn shard(&self, shard: usize, input: directory::Input) {
        let _ = self.objects_of(shard).send(Item::Input(self.seat(shard), input));
    }

    /// Gives the I/O thread an item.
    pub fn io(&self, item: IoItem) {
        self.io.send(self.node, item);
    }

    /// Takes the result of a machine's work back to it.
    pub fn done(&self, station: Station, ticket: Ticket, done: JobDone) {
        match station {
            Station::Router => self.router(router::Input::Done { ticket, done }),
            Station::Shard(shard) => self.shard(shard, directory::Input::Done { ticket, done }),
            Station::Forwarder => {}
        }
    }

    /// Hands a local client's wish to its machine.
    pub fn wish(&self, request: RequestId, command: crate::overlay::Command) {
        match self.sharding.fulfiller(&command) {
            Station::Forwarder => self.io(IoItem::Forwarder(forwarder::Input::Wished { request, command })),
            Station::Router => self.router(router::Input::Wished { request, command }),
            Station::Shard(shard) => self.shard(shard, directory::Input::Wished { request, command }),
        }
    }

    /// Asks every machine of this node but the Forwarder what there is to read off it; each worker tells
    /// its part, [`Post::reading_parts`] parts in all.
    pub fn ask_readings(&self, reply: &Sender<Vec<Reading>>) {
        let _ = self.router.send(Item::Readings { node: self.node, reply: reply.clone() });
        for objects in &self.objects {
            let _ = objects.send(Item::Readings { node: self.node, reply: reply.clone() });
        }
        let mut store = Vec::new();
        self.disk.readings(&mut store);
        let _ = reply.try_send(store);
    }

    /// Parts that [`Post::ask_readings`] brings.
    pub fn reading_parts(&self) -> usize {
        self.objects.len() + 2
    }

    /// Moves this node's machines out of the workers.
    pub fn detach(&self) {
        let _ = self.router.send(Item::Detach { node: self.node });
        for objects in &self.objects {
            let _ = objects.send(Item::Detach { node: self.node });
        }
    }

    /// How ids are spread over the shards.
    pub fn sharding(&self) -> Sharding {
        self.sharding
    }

    /// What the network asks of contacts, in bits.
    pub fn puzzle_bits(&self) -> u32 {
        self.puzzle_bits
    }

    /// The wishes under way.
    pub fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }

    /// The node's number in this process.
    pub fn node(&self) -> usize {
        self.node
    }

    /// Inputs shed so far because a shard's queue was full.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    fn shards(&self, fact: Fact) {
        for shard in 0..self.sharding.count() {
            if let Some(input) = for_shard(fact.clone()) {
                self.shard(shard, input);
            }
        }
    }

    fn disk(&self, station: Station, ticket: Ticket, op: crate::overlay::contract::DiskOp) {
        let Station::Shard(shard) = station else { return };
        if let Err(fault) = self.disk.send(shard, ticket, op) {
            self.shard(shard, directory::Input::DiskDone { ticket, done: DiskDone::Failed(fault) });
        }
    }

    fn objects_of(&self, shard: usize) -> &Sender<Item<Directory>> {
        &self.objects[(self.node + shard) % self.objects.len()]
    }

    fn seat(&self, shard: usize) -> Seat {
        Seat { node: self.node, shard }
    }
}

fn for_forwarder(fact: Fact) -> Option<forwarder::Input> {
    Some(match fact {
        Fact::View(view) => forwarder::Input::View(view),
        Fact::Route(wish) => forwarder::Input::Route(wish),
        Fact::Respond { label, payload } => forwarder::Input::Respond { label, payload },
        Fact::Onward { label } => forwarder::Input::Onward { label },
        Fact::Point { label, holder } => forwarder::Input::Point { label, holder },
        Fact::HopSilent { .. } | Fact::Returned { .. } | Fact::Arrived(_) => return None,
    })
}

fn for_router(fact: Fact) -> Option<router::Input> {
    match fact {
        Fact::HopSilent { peer } => Some(router::Input::HopSilent { peer }),
        _ => None,
    }
}

fn for_shard(fact: Fact) -> Option<directory::Input> {
    Some(match fact {
        Fact::View(view) => directory::Input::View(view),
        Fact::Arrived(arrival) => directory::Input::Arrived(arrival),
        Fact::Returned { asker, outcome, payload, word_of } => {
            directory::Input::Returned { asker, outcome, payload, word_of }
        }
        _ => return None,
    })
}

/// The answer to a request for which the directory had no room.
fn busy(label: Label) -> forwarder::Input {
    let payload = Bytes::from(codec::encode(&Answer::Refused(Refusal::Busy)));
    forwarder::Input::Respond { label, payload }
}
