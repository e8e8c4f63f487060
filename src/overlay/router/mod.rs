//! Who belongs where, who lives, and how near they are.
//!
//! Owns: what can happen to the Router, and its dispatch.
//! Never does: carry anybody's message.

pub mod status;
pub mod tuning;

pub use status::RouterStatus;
pub use tuning::{Agreement, Tuning};

use super::contract::{Command, Effect, JobDone, RequestId, Ticket};
use crate::base::{Chance, Id, Instant, Span};
use crate::identity::Contact;
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::{Card, Membership, Probe};
use std::net::SocketAddr;
use std::sync::Arc;

/// What can happen to the Router.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin: with these saved contacts (unchecked), and these seed addresses whose nodes are
    /// not known by name yet. Without either, this node is the first of its network, and is ready.
    Start {
        /// From the last run.
        saved: Vec<Card>,
        /// Nodes to join through, dialled by [`Effect::DialSeed`](super::Effect::DialSeed).
        seeds: Vec<SocketAddr>,
    },
    /// A peer asked about membership or told of it.
    Membership {
        /// Who.
        from: Id,
        /// What.
        message: Membership,
    },
    /// A peer probed, or answered a probe.
    Probe {
        /// Who.
        from: Id,
        /// What.
        message: Probe,
    },
    /// A link is up: handshake done, contact proven and checked by the host.
    LinkUp {
        /// With whom.
        contact: Arc<Contact>,
        /// Whether this end dialled.
        dialled: bool,
        /// The handshake's round trip.
        rtt: Span,
    },
    /// A link is gone.
    LinkDown {
        /// With whom.
        peer: Id,
        /// Why.
        why: Down,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Whom it was for.
        peer: Id,
    },
    /// No node answered at a seed's address; the host will not try again unasked.
    SeedSilent {
        /// Which.
        address: SocketAddr,
    },
    /// Once a second: the links on which something was heard since.
    Links(Vec<LinkReport>),
    /// What came of [`Effect::Measure`](super::Effect::Measure): the round trip, or silence.
    Echo {
        /// Of which node.
        peer: Id,
        /// The round trip, if it answered.
        rtt: Option<Span>,
    },
    /// Work is done.
    Done {
        /// The Router's name for it.
        ticket: Ticket,
        /// What came of it.
        done: JobDone,
    },
    /// The Forwarder waited in vain for this peer to take custody.
    HopSilent {
        /// Which.
        peer: Id,
    },
    /// A local client's wish.
    Wished {
        /// The host's name for it.
        request: RequestId,
        /// The wish: [`Command::RouterStatus`] or [`Command::Leave`].
        command: Command,
    },
    /// A deadline has come.
    Due,
}

/// What the host knows about a live link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkReport {
    /// With whom.
    pub peer: Id,
    /// The transport's smoothed round trip.
    pub rtt: Span,
    /// How long ago anything was heard.
    pub silent_for: Span,
}

/// Why a link is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The peer closed it, and said why.
    Closed(crate::wire::CloseReason),
    /// Nothing was heard for too long, or the peer's host is gone.
    Lost,
    /// This end closed it.
    Ours,
}

/// The machine that knows who belongs where.
pub struct Router {
    me: Arc<Contact>,
}

impl Router {
    /// A Router that has not started: it waits for [`Input::Start`].
    pub fn new(me: Arc<Contact>, _agreement: Agreement, _tuning: Tuning, _chance: Chance) -> Router {
        Router { me }
    }

    /// This node's contact as it is now signed.
    pub fn me(&self) -> &Arc<Contact> {
        &self.me
    }
}

impl Machine for Router {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, _now: Instant, _input: Input, _out: &mut Outbox<Effect>) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn readings(&self, _into: &mut Vec<Reading>) {}
}
