//! What a shard has given away and expects back.
//!
//! Owns: the names of deadlines, outstanding questions, routed wishes and tickets, and who goes on
//! when they come back. Each entry leaves by an answer or by its deadline.
//! Never does: interpret an answer.

use super::amend::{Amiss, Row, Why};
use super::keep::Keeping;
use super::representatives::Offered;
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::{Label, Ticket};
use crate::wire::Directory as Message;
use crate::wire::directory::Request;
use std::collections::BTreeMap;

/// Why a shard must be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A local wish must have its result.
    Patience(u64),
    /// A local wish tries again.
    Retry(u64),
    /// A get asks its next holder as well.
    Hedge(u64),
    /// A direct question was not answered.
    Ask(u64),
    /// A routed wish did not come back: the forwarder owes an outcome earlier than this.
    Routed(u64),
    /// A put at its root must be answered.
    RootPut(u64),
    /// A survey of neighbours must end.
    Survey(u64),
    /// One root of a deposit is tried again.
    Deposit(u64, u8),
    /// A published object's claims are to be renewed.
    Renew(Id),
    /// A round of renewals begins, or takes its next step.
    Round,
    /// This walker of a round goes on, or was not answered.
    Walk(u8),
    /// The next of the claims that are renewed singly are due.
    Singly,
    /// Something kept has outlived its time.
    Expiry,
    /// Repair takes its next step.
    Repair,
    /// A lease ends, or is about to.
    Leases,
    /// The neighbours are told of the copies held.
    Holding,
    /// The next kept value is read, whether it is still sound.
    Scrub,
    /// The disk is given again what it did not drop.
    Amend,
    /// Leaving must be over.
    Leave,
}

/// To whom an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replier {
    /// To whoever routed this here, where this node is the root.
    Root(Label),
    /// The same where this node is only on the way and may pass it on.
    Way(Label),
    /// To a peer, over the link.
    Peer { to: Id, number: u64, subject: Id },
    /// To a put of this node's own, of this number.
    Own(u64),
    /// To nobody: a copy in passing.
    Nobody,
}

impl Replier {
    /// Whether a client's request came here along a route.
    pub(super) fn is_routed(self) -> bool {
        matches!(self, Replier::Root(_) | Replier::Way(_))
    }
}

/// Why a peer was asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A local put, at the object's root.
    Put(u64),
    /// A local get, at a holder.
    Fetch(u64),
    /// A copy of a put rooted here.
    Replica(u64),
    /// A survey among neighbours.
    Survey(u64),
    /// A copy pushed by repair.
    Push(Id),
    /// A pointer handed to its new root.
    HandOver { root: Id, holder: Id },
    /// A large object to be answered for another.
    Enlist(Offered),
}

/// A question over a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) to: Id,
    pub(super) purpose: Purpose,
    pub(super) since: Instant,
}

/// Why something was routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routed {
    /// For a local wish.
    Wish(u64),
    /// A pointer on its way to one of its roots.
    Deposit { deposit: u64, salt: u8 },
    /// A walker of a round of renewals looks for a root.
    Who { walker: u8 },
}

/// What goes on when work is done.
pub(super) enum Pending {
    /// The receipts of a local put are checked.
    Receipts(u64),
    /// A value fetched for a local get is checked.
    Fetched { wish: u64, from: Id, replicas: u8 },
    /// A record to be put here as the root is checked.
    RootPut(u64),
    /// A record to be kept as a replica is checked.
    Replica { replier: Replier, receipt: bool, source: Id, lifetime: Span },
    /// What this node is to answer for another with is checked.
    Enlist(Offered),
    /// A pointer is checked.
    Pointer { replier: Replier, source: Id, root: Id, remaining: Span },
    /// A value is on disk.
    Keep(Box<Keeping>),
    /// A pointer is on disk.
    KeepPointer { replier: Replier, claim: (Id, Id), remaining: Span },
    /// Claims of this holder's were extended on disk; it is waiting for this.
    Extended { to: Id, answer: Box<Message> },
    /// A value was read.
    Read { object: Id, then: ReadThen },
    /// Something was dropped, or its terms set.
    Amend { row: Row, why: Why },
}

/// What a value was read for.
pub(super) enum ReadThen {
    /// To answer this request.
    Reply { replier: Replier, request: Box<Request> },
    /// For a local get.
    Wish(u64),
    /// To push it to a peer, by repair.
    Push(Id),
    /// To put it again where it belongs.
    BringHome,
    /// To see whether it is still sound.
    Scrub,
}

/// Everything given away.
#[derive(Default)]
pub(super) struct Away {
    pub(super) asks: BTreeMap<u64, Asked>,
    pub(super) routed: BTreeMap<u64, Routed>,
    pub(super) tickets: BTreeMap<Ticket, Pending>,
    /// What the disk has otherwise than this shard, and is told again.
    pub(super) amiss: Amiss,
}

impl Away {
    /// Whether strangers' requests must wait: too much is under way already.
    pub(super) fn is_crowded(&self) -> bool {
        self.tickets.len() >= WORK_MAX || self.asks.len() >= ASKS_MAX
    }
}

/// Jobs and disk operations under way for strangers, in one shard. At 35,700 durable puts a second
/// (issue 2, redb in batches) some 100 ms of work.
pub(super) const WORK_MAX: usize = 4_096;
/// Questions to peers under way in one shard when strangers' requests start to be refused. A guess: the
/// same again, for each of four copies.
pub(super) const ASKS_MAX: usize = 16_384;
