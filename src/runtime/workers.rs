//! The threads on which Routers and directory shards live.
//!
//! Owns: one loop for any kind of machine: take an input, handle it, carry out the effects, wake for
//! deadlines.
//! Never does: know what a machine is for, or touch a socket.

use super::clock::Clock;
use super::post::Post;
use crate::base::{Deadlines, Instant};
use crate::machine::{Machine, Outbox, Reading};
use crate::overlay::{Effect, Station};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Which machine of which node of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// The node's number.
    pub node: usize,
    /// The shard's index; 0 for Routers.
    pub shard: usize,
}

/// What a worker is sent.
pub enum Item<M: Machine> {
    /// Something happened to this machine.
    Input(Seat, M::Input),
    /// A machine moves in.
    Attach(Seat, Box<Tenant<M>>),
    /// All machines of this node move out.
    Detach {
        /// Which node.
        node: usize,
    },
    /// What is there to read off this node's machines?
    Readings {
        /// Which node.
        node: usize,
        /// Whom to tell.
        reply: Sender<Vec<Reading>>,
    },
}

/// A machine and how its effects leave.
pub struct Tenant<M> {
    /// The machine.
    pub machine: M,
    /// Which of its node's machines it is.
    pub station: Station,
    /// How its effects leave.
    pub post: Arc<Post>,
}

/// Starts a worker thread. It ends when all ways to it are gone.
pub fn start<M>(name: &str, clock: Clock, due: fn() -> M::Input) -> io::Result<(Sender<Item<M>>, JoinHandle<()>)>
where
    M: Machine<Effect = Effect> + Send + 'static,
    M::Input: Send,
{
    let (items, waiting) = unbounded();
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        Worker { clock, due, tenants: BTreeMap::new(), deadlines: Deadlines::new(), out: Outbox::new() }.run(&waiting);
    })?;
    Ok((items, thread))
}

struct Worker<M: Machine> {
    clock: Clock,
    due: fn() -> M::Input,
    tenants: BTreeMap<Seat, Box<Tenant<M>>>,
    deadlines: Deadlines<Seat>,
    out: Outbox<Effect>,
}

impl<M: Machine<Effect = Effect>> Worker<M> {
    fn run(&mut self, waiting: &Receiver<Item<M>>) {
        loop {
            let item = match self.deadlines.next() {
                None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => waiting.recv_deadline(self.clock.to_system(at)),
            };
            match item {
                Ok(item) => self.take(item),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.clock.now();
            while let Some(seat) = self.deadlines.pop_due(now) {
                self.handle(now, seat, (self.due)());
            }
        }
    }

    fn take(&mut self, item: Item<M>) {
        match item {
            Item::Input(seat, input) => self.handle(self.clock.now(), seat, input),
            Item::Attach(seat, tenant) => {
                self.tenants.insert(seat, tenant);
                self.schedule(seat);
            }
            Item::Detach { node } => {
                let gone: Vec<Seat> = self.of(node).map(|(seat, _)| *seat).collect();
                for seat in gone {
                    self.tenants.remove(&seat);
                    self.deadlines.clear(&seat);
                }
            }
            Item::Readings { node, reply } => {
                let mut readings = Vec::new();
                for (_, tenant) in self.of(node) {
                    tenant.machine.readings(&mut readings);
                }
                // Whoever asked may have stopped waiting.
                let _ = reply.try_send(readings);
            }
        }
    }

    fn handle(&mut self, now: Instant, seat: Seat, input: M::Input) {
        let Some(tenant) = self.tenants.get_mut(&seat) else { return };
        tenant.machine.handle(now, input, &mut self.out);
        for effect in self.out.drain() {
            tenant.post.carry(tenant.station, effect);
        }
        self.schedule(seat);
    }

    fn schedule(&mut self, seat: Seat) {
        match self.tenants.get(&seat).and_then(|tenant| tenant.machine.next_deadline()) {
            Some(at) if self.deadlines.when(&seat) != Some(at) => self.deadlines.set(seat, at),
            Some(_) => {}
            None => {
                self.deadlines.clear(&seat);
            }
        }
    }

    fn of(&self, node: usize) -> impl Iterator<Item = (&Seat, &Box<Tenant<M>>)> {
        self.tenants.range(Seat { node, shard: 0 }..=Seat { node, shard: usize::MAX })
    }
}

/// Items from the network that wait for one worker, some 400 bytes each: at 10 us an item, 40 ms of work. Beyond it the I/O
/// thread sheds what may be shed. What a machine has asked for itself (a check, a disk's answer) always has room, as have
/// local wishes: a worker that waited for room in its own queue would wait for ever, and each is counted where it was asked
/// for (`WORK_MAX`, `WISHES_MAX`).
pub const ITEMS_MAX: usize = 4_096;
