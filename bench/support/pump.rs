//! Who loads the node under test?
//!
//! Owns: a thread of neighbours ([`Peer`]) that keep routed messages outstanding through one node, or send
//! single ones with the time on them.
//! Never does: share a thread with the node under test.

use super::Fault;
use super::peer::{Peer, PeerPlan};
use arras::base::{Chance, Deadlines, Id, Instant, Span};
use arras::identity::Contact;
use arras::runtime::clock::Clock;
use arras::runtime::net::NetBuffers;
use arras::wire::Routing;
use arras::wire::routing::{Errand, Header, Outcome, ReturnHeader};
use bytes::Bytes;
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use mio::{Events, Poll, Token, Waker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a pump is told.
pub enum Order {
    /// Every peer keeps so many messages outstanding through this node, to these keys; 0 ends it.
    Flood {
        /// The node under test.
        through: Id,
        /// Messages outstanding of each peer.
        each: usize,
        /// The keys, with the node that is their root.
        keys: Arc<Vec<(Id, Id)>>,
    },
    /// One peer opens a link.
    Dial {
        /// Its number in this pump.
        peer: usize,
        /// To whom.
        contact: Arc<Contact>,
    },
    /// One peer sends one message with the time on it.
    Single {
        /// Its number in this pump.
        peer: usize,
        /// Over which link.
        to: Id,
        /// For which key.
        key: Id,
    },
    /// How many peers are ready, and how many have a link to this node?
    State {
        /// Which node.
        of: Id,
        /// Whom to tell.
        reply: Sender<(usize, usize)>,
    },
}

/// What pumps count, together.
#[derive(Default)]
pub struct Tally {
    /// Messages whose reply came.
    pub answered: AtomicU64,
    /// Messages that reached a root.
    pub arrived: AtomicU64,
    /// Messages without a reply in time.
    pub lost: AtomicU64,
    /// Messages the node under test turned away.
    pub refused: AtomicU64,
}

/// One message with the time on it, at its root.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Hops it says it took.
    pub hops: u8,
    /// From its sender's turn to the root's.
    pub took: Span,
}

/// A running pump.
pub struct Pump {
    /// Its peers.
    pub contacts: Vec<Arc<Contact>>,
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Pump {
    /// Starts a thread with these peers.
    pub fn start(
        name: &str,
        plans: Vec<PeerPlan>,
        clock: Clock,
        tally: Arc<Tally>,
        singles: Sender<Arrived>,
    ) -> Result<Pump, Fault> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut peers = Vec::new();
        for (token, plan) in plans.into_iter().enumerate() {
            peers.push(Load::new(Peer::start(plan, clock, poll.registry(), token)?, token));
        }
        let contacts = peers.iter().map(|load| load.peer.contact.clone()).collect();
        let (orders, waiting) = unbounded();
        let mut due = Deadlines::new();
        (0..peers.len()).for_each(|peer| due.set(peer, Instant::ORIGIN));
        let flood = Flood { through: Id::ZERO, each: 0, keys: Arc::default() };
        let buffers = NetBuffers::new();
        let mut engine = Engine { poll, clock, peers, due, waiting, tally, singles, flood, buffers };
        let thread = thread::Builder::new().name(name.into()).spawn(move || engine.run())?;
        Ok(Pump { contacts, orders, waker, thread: Some(thread) })
    }

    /// Tells it something.
    pub fn order(&self, order: Order) {
        // It ends only with this handle.
        let _ = self.orders.send(order);
        let _ = self.waker.wake();
    }

    /// How many of its peers are ready, and how many have a link to this node.
    pub fn state(&self, of: Id) -> (usize, usize) {
        let (reply, told) = bounded(1);
        self.order(Order::State { of, reply });
        told.recv_timeout(Duration::from_secs(5)).unwrap_or((0, 0))
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let (orders, _) = unbounded();
        self.orders = orders;
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Flood {
    through: Id,
    each: usize,
    keys: Arc<Vec<(Id, Id)>>,
}

/// A peer and what it has outstanding.
struct Load {
    peer: Peer,
    chance: Chance,
    next_label: u32,
    outstanding: BTreeMap<u32, Instant>,
    looked_over: Instant,
}

struct Engine {
    poll: Poll,
    clock: Clock,
    peers: Vec<Load>,
    due: Deadlines<usize>,
    waiting: Receiver<Order>,
    tally: Arc<Tally>,
    singles: Sender<Arrived>,
    flood: Flood,
    buffers: NetBuffers,
}

impl Engine {
    fn run(&mut self) {
        let mut events = Events::with_capacity(256);
        let mut touched = vec![false; self.peers.len()];
        loop {
            let wait = self.due.next().map(|at| Duration::from(self.clock.now().until(at)));
            if self.poll.poll(&mut events, wait).is_err() {
                continue;
            }
            let now = self.clock.now();
            for event in &events {
                if event.token() != WAKER {
                    self.peers[event.token().0].peer.on_ready(now, event.is_writable(), &mut self.buffers);
                    touched[event.token().0] = true;
                }
            }
            if !self.take_orders(now, &mut touched) {
                return;
            }
            while let Some(peer) = self.due.pop_due(now) {
                self.peers[peer].peer.on_due(now, &mut self.buffers);
                touched[peer] = true;
            }
            for (peer, touched) in touched.iter_mut().enumerate().filter(|(_, touched)| **touched) {
                *touched = false;
                self.settle(peer);
            }
        }
    }

    fn take_orders(&mut self, now: Instant, touched: &mut [bool]) -> bool {
        loop {
            match self.waiting.try_recv() {
                Ok(Order::Flood { through, each, keys }) => {
                    self.flood = Flood { through, each, keys };
                    touched.fill(true);
                }
                Ok(Order::Dial { peer, contact }) => {
                    self.peers[peer].peer.dial(&contact, now);
                    touched[peer] = true;
                }
                Ok(Order::Single { peer, to, key }) => {
                    let stamp = Bytes::copy_from_slice(&self.clock.now().as_micros().to_le_bytes());
                    self.peers[peer].send_forward(&to, key, stamp);
                    touched[peer] = true;
                }
                Ok(Order::State { of, reply }) => {
                    let ready = self.peers.iter().filter(|load| load.peer.ready).count();
                    let linked = self.peers.iter().filter(|load| load.peer.is_linked(&of)).count();
                    let _ = reply.send((ready, linked));
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn settle(&mut self, number: usize) {
        let load = &mut self.peers[number];
        let now = self.clock.now();
        let mut heard = Vec::new();
        load.peer.drain(now, &mut heard);
        for (from, message) in heard {
            match message {
                Routing::Forward(header, payload) => {
                    load.answer(&from, &header);
                    self.tally.arrived.fetch_add(1, Ordering::Relaxed);
                    if let Ok(stamp) = <[u8; 8]>::try_from(&payload[..]) {
                        let sent = Instant::from_micros(u64::from_le_bytes(stamp));
                        let took = self.clock.now().since(sent);
                        let _ = self.singles.send(Arrived { hops: header.hops, took });
                    }
                }
                Routing::Return(header, _) => {
                    if load.outstanding.remove(&header.label).is_some() {
                        let answered = matches!(header.outcome, Outcome::Answered { .. });
                        let count = if answered { &self.tally.answered } else { &self.tally.refused };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Routing::Accept(_) | Routing::Holds(_) | Routing::HearsayWanted | Routing::Hearsay(_) => {}
            }
        }
        let lost = load.look_over(now);
        self.tally.lost.fetch_add(lost as u64, Ordering::Relaxed);
        load.fill(&self.flood, now);
        match load.peer.flush(now, &mut self.buffers) {
            Some(at) => self.due.set(number, at),
            None => {
                self.due.clear(&number);
            }
        }
    }
}

impl Load {
    fn new(peer: Peer, seed: usize) -> Load {
        let chance = Chance::from_seed(seed as u64 + 1);
        Load { peer, chance, next_label: 1, outstanding: BTreeMap::new(), looked_over: Instant::ORIGIN }
    }

    /// Sends until as many are outstanding as shall be.
    fn fill(&mut self, flood: &Flood, now: Instant) {
        let me = self.peer.contact.id();
        while self.outstanding.len() < flood.each {
            let Some((key, root)) = self.chance.pick(&flood.keys).copied() else { return };
            if root == me {
                continue;
            }
            let Some(label) = self.send_forward(&flood.through, key, Bytes::from_static(&PAYLOAD)) else { return };
            self.outstanding.insert(label, now);
        }
    }

    fn send_forward(&mut self, to: &Id, key: Id, payload: Bytes) -> Option<u32> {
        let label = self.next_label;
        self.next_label = self.next_label.wrapping_add(1).max(1);
        let origin = self.peer.contact.id();
        let header = Header {
            label,
            key,
            origin,
            errand: Errand::Lookup,
            traced: false,
            hops: 1,
            patience: Span::from_secs(10),
            closing: false,
            detour: None,
            words: 0,
        };
        self.peer.send(to, Routing::Forward(header, payload)).then_some(label)
    }

    /// Answers as the root does.
    fn answer(&mut self, to: &Id, header: &Header) {
        let outcome = Outcome::Answered { by: self.peer.contact.id() };
        let reply = ReturnHeader {
            label: header.label,
            outcome,
            hops: header.hops,
            last: Span::ZERO,
            load: arras::base::Load::NONE,
            trace: Vec::new(),
        };
        self.peer.send(to, Routing::Return(reply, Bytes::from_static(&PAYLOAD)));
    }

    /// Gives up what has waited too long; says how many.
    fn look_over(&mut self, now: Instant) -> usize {
        if now.since(self.looked_over) < LOOK_OVER {
            return 0;
        }
        self.looked_over = now;
        let before = self.outstanding.len();
        self.outstanding.retain(|_, sent| now.since(*sent) < GIVE_UP);
        before - self.outstanding.len()
    }
}

const WAKER: Token = Token(usize::MAX);
/// A small message: the header of about 100 bytes and this.
const PAYLOAD: [u8; 32] = [7; 32];
/// How often what is outstanding is looked over.
const LOOK_OVER: Span = Span::from_millis(250);
/// A reply that takes longer is not coming: custody gives up four times before.
const GIVE_UP: Span = Span::from_secs(2);
