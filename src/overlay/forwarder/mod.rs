//! Messages in flight.
//!
//! Owns: what can happen to the Forwarder, and its dispatch.
//! Never does: decide who belongs to the overlay, or read a payload.

pub mod tuning;

pub use tuning::Tuning;

use super::contract::{Command, Effect, Label, RequestId, Wish};
use super::view::{Interest, RouteView};
use crate::base::{Chance, Id, Instant};
use crate::identity::Contact;
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::Routing;
use bytes::Bytes;
use std::sync::Arc;

/// What can happen to the Forwarder.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer said this.
    Heard {
        /// Who.
        from: Id,
        /// What.
        message: Routing,
    },
    /// The Router has a new view.
    View(Arc<RouteView>),
    /// A directory shard wants this routed.
    Route(Wish),
    /// A directory shard answers an arrival.
    Respond {
        /// Of the arrival.
        label: Label,
        /// The answer.
        payload: Bytes,
    },
    /// A directory shard cannot answer an arrival: on with it.
    Onward {
        /// Of the arrival.
        label: Label,
    },
    /// The link to a peer is gone.
    LinkDown {
        /// Which.
        peer: Id,
    },
    /// A local client's wish.
    Wished {
        /// The host's name for it.
        request: RequestId,
        /// The wish; only [`Command::Lookup`] comes here.
        command: Command,
    },
    /// A deadline has come.
    Due,
}

/// The machine that carries messages.
pub struct Forwarder {
    _me: Arc<Contact>,
}

impl Forwarder {
    /// A Forwarder that knows nobody until it gets a view.
    pub fn new(me: Arc<Contact>, _tuning: Tuning, _interest: Arc<Interest>, _chance: Chance) -> Forwarder {
        Forwarder { _me: me }
    }
}

impl Machine for Forwarder {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, _now: Instant, _input: Input, _out: &mut Outbox<Effect>) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn readings(&self, _into: &mut Vec<Reading>) {}
}
