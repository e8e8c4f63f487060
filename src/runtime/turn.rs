//! The event loop: one thread for all sockets of this process.
//!
//! Owns: the turn: wait, take, feed, drain, flush; and the nodes that sit at this loop.
//! Never does: wait for a worker, block, or decide anything: a node's affairs are in `seat.rs`, its
//! sockets in `net`.

use super::clock::Clock;
use super::net::NetBuffers;
use super::post::{IoItem, IoWay};
use super::seat::Seat;
use crate::base::{Deadlines, Instant, Span};
use crate::machine::Reading;
use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use mio::{Events, Poll, Registry, Token, Waker};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What only the loop itself can do.
pub enum Errand {
    /// A node sits down.
    Attach(Box<Seat>),
    /// A node gets up: its links are closed with a goodbye, or (not `kindly`) just dropped, as a crash
    /// would. Told when it is done.
    Detach {
        /// Whether to say goodbye.
        kindly: bool,
        /// Whom to tell.
        done: Sender<()>,
    },
    /// What is there to read off this node's Forwarder and transport?
    Readings(Sender<Vec<Reading>>),
    /// How exactly has the imposed latency been held? Tells the median and 90th percentile of the error.
    Lateness(Sender<Option<(Span, Span)>>),
}

/// The loop before it runs: nodes bind their sockets to its registry.
pub struct Loop {
    poll: Poll,
    items: Receiver<(usize, IoItem)>,
    poked: Arc<AtomicBool>,
    clock: Clock,
    seats: BTreeMap<usize, Box<Seat>>,
    deadlines: Deadlines<usize>,
    touched: BTreeSet<usize>,
    /// More items wait than one turn takes: do not sleep before they are taken.
    is_behind: bool,
    /// Nodes whose goodbyes are still under way, and who waits for that.
    leaving: BTreeMap<usize, Sender<()>>,
    buffers: NetBuffers,
}

/// The way to a running loop.
pub struct LoopHandle {
    /// For items.
    pub way: IoWay,
    /// For sockets; the token is the node's number.
    pub registry: Registry,
}

impl Loop {
    /// Starts the loop's thread. It ends when all ways to it are gone and no node sits there.
    pub fn start(clock: Clock) -> io::Result<LoopHandle> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, items) = bounded(ITEMS_MAX);
        let poked = Arc::new(AtomicBool::new(false));
        let way = IoWay::new(sender, waker, poked.clone());
        let mut event_loop = Loop {
            poll,
            items,
            poked,
            clock,
            seats: BTreeMap::new(),
            deadlines: Deadlines::new(),
            touched: BTreeSet::new(),
            is_behind: false,
            leaving: BTreeMap::new(),
            buffers: NetBuffers::new(),
        };
        thread::Builder::new().name("arras-io".into()).spawn(move || event_loop.run())?;
        Ok(LoopHandle { way, registry })
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            if let Err(error) = self.wait(&mut events) {
                log::error!("the event loop cannot wait for its sockets: {error}");
                return;
            }
            let now = self.clock.now();
            for event in &events {
                if event.token() != WAKER {
                    self.feed(event.token().0, now, event.is_writable());
                }
            }
            if !self.take_items(now) {
                return;
            }
            self.wake_due(now);
            self.settle();
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = match self.deadlines.next() {
            _ if std::mem::take(&mut self.is_behind) => Some(Duration::ZERO),
            None => None,
            Some(at) => Some(Duration::from(self.clock.now().until(at))),
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// A node's socket is ready.
    fn feed(&mut self, node: usize, now: Instant, writable: bool) {
        if let Some(seat) = self.seats.get_mut(&node) {
            seat.on_ready(now, writable, &mut self.buffers);
            self.touched.insert(node);
        }
    }

    /// Local work comes before new remote work is accepted. Says whether to go on.
    fn take_items(&mut self, now: Instant) -> bool {
        self.poked.store(false, Ordering::Release);
        for _ in 0..ITEMS_PER_TURN {
            match self.items.try_recv() {
                Ok((node, item)) => self.take(node, item, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return !self.seats.is_empty(),
            }
        }
        self.is_behind = true;
        true
    }

    fn take(&mut self, node: usize, item: IoItem, now: Instant) {
        match item {
            IoItem::Loop(Errand::Attach(seat)) => {
                self.seats.insert(node, seat);
            }
            IoItem::Loop(Errand::Detach { kindly, done }) => match self.seats.get_mut(&node) {
                Some(seat) if kindly => {
                    seat.say_goodbye(now, &mut self.buffers);
                    self.leaving.insert(node, done);
                }
                _ => self.remove(node, &done),
            },
            item => {
                if let Some(seat) = self.seats.get_mut(&node) {
                    seat.on_item(now, item);
                }
            }
        }
        self.touched.insert(node);
    }

    fn wake_due(&mut self, now: Instant) {
        while let Some(node) = self.deadlines.pop_due(now) {
            if let Some(seat) = self.seats.get_mut(&node) {
                seat.on_due(now, &mut self.buffers);
                self.touched.insert(node);
            }
        }
    }

    fn remove(&mut self, node: usize, done: &Sender<()>) {
        self.seats.remove(&node);
        self.deadlines.clear(&node);
        // Whoever asked may have stopped waiting.
        let _ = done.try_send(());
    }

    /// Drains and flushes every node that something happened to.
    fn settle(&mut self) {
        while let Some(node) = self.touched.pop_first() {
            let Some(seat) = self.seats.get_mut(&node) else { continue };
            let due = seat.settle(self.clock.now(), &mut self.buffers);
            if seat.is_drained()
                && let Some(done) = self.leaving.remove(&node)
            {
                self.remove(node, &done);
                continue;
            }
            match due {
                Some(at) => self.deadlines.set(node, at),
                None => {
                    self.deadlines.clear(&node);
                }
            }
        }
    }
}

const WAKER: Token = Token(usize::MAX);
/// Items that wait for the loop. Beyond it workers wait for the loop, which never waits for them. The channel
/// holds its slots in memory from the start, some 200 bytes each: eight turns of [`ITEMS_PER_TURN`].
const ITEMS_MAX: usize = 8_192;
/// Items taken before sockets are looked at again: some milliseconds' work.
const ITEMS_PER_TURN: usize = 1_024;
/// Sockets looked at in one turn.
const EVENTS_PER_TURN: usize = 256;
