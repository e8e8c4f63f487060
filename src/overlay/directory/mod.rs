//! Objects: where they are, who keeps them, who may write.
//!
//! Owns: what can happen to a directory shard, and its dispatch.
//! Never does: choose a hop, or decide who belongs to the overlay.

pub mod status;
pub mod tuning;

pub use status::DirectoryStatus;
pub use tuning::Tuning;

use super::Sharding;
use super::contract::{Arrival, Asker, Command, DiskDone, Effect, JobDone, RequestId, Stored, Ticket};
use super::view::{Interest, RouteView};
use crate::base::{Chance, Id, Instant};
use crate::identity::{Contact, SecretKey};
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::Directory as Message;
use crate::wire::routing::Outcome;
use bytes::Bytes;
use std::sync::Arc;

/// What can happen to a directory shard.
#[derive(Clone, Debug)]
pub enum Input {
    /// What was on disk at the start; may come in several portions, before anything else.
    Loaded(Vec<Stored>),
    /// A peer said this over a link.
    Heard {
        /// Who.
        from: Id,
        /// What.
        message: Message,
    },
    /// The Router has a new view.
    View(Arc<RouteView>),
    /// Something routed came for this shard.
    Arrived(Arrival),
    /// What came of a wish to route.
    Returned {
        /// Whose wish: this shard's.
        asker: Asker,
        /// What became of it.
        outcome: Outcome,
        /// The answer, if it was answered.
        payload: Bytes,
    },
    /// Work is done.
    Done {
        /// The shard's name for it.
        ticket: Ticket,
        /// What came of it.
        done: JobDone,
    },
    /// The disk is done.
    DiskDone {
        /// The shard's name for it.
        ticket: Ticket,
        /// What came of it.
        done: DiskDone,
    },
    /// A local client's wish.
    Wished {
        /// The host's name for it.
        request: RequestId,
        /// The wish.
        command: Command,
    },
    /// The node leaves: hand over what is rooted here.
    Leaving,
    /// A deadline has come.
    Due,
}

/// Names under which an object's pointers live: the id and two salted variants. Tapestry (JSAC 2004,
/// §3.3) and Castro et al. (OSDI 2002) use several roots; three survive two lying or dead ones.
pub const ROOTS_PER_OBJECT: u8 = 3;

/// What a shard is made of.
pub struct Setup {
    /// This node.
    pub me: Arc<Contact>,
    /// Its key, which signs pointers and receipts.
    pub key: SecretKey,
    /// How ids are spread over the shards.
    pub sharding: Sharding,
    /// Which shard this is.
    pub shard: usize,
    /// The knobs.
    pub tuning: Tuning,
    /// Where this shard says which ids it can answer for.
    pub interest: Arc<Interest>,
    /// Its stream of chance.
    pub chance: Chance,
}

/// One shard of the machine that knows where objects are.
pub struct Directory {
    _setup: Setup,
}

impl Directory {
    /// An empty shard.
    pub fn new(setup: Setup) -> Directory {
        Directory { _setup: setup }
    }
}

impl Machine for Directory {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, _now: Instant, _input: Input, _out: &mut Outbox<Effect>) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn readings(&self, _into: &mut Vec<Reading>) {}
}
