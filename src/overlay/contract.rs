//! What the three machines take in and give out.
//!
//! Owns: effects (what a machine wants done), facts (what machines tell each other), commands (what a
//! local client wishes), replies and failures.
//! Never does: say who hears a fact: that is the wiring in `mod.rs`.

use super::directory::DirectoryStatus;
use super::router::RouterStatus;
pub use super::terms::Terms;
use super::view::RouteView;
use crate::base::{Id, Span};
use crate::identity::Contact;
use crate::wire::directory::{Holder, KnownAs, Refusal};
use crate::wire::object::{Pointer, Receipt, Value};
use crate::wire::routing::{Errand, Outcome, TraceHop};
use crate::wire::{Card, CloseReason, Message};
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a machine wants done. All machines of a node share the vocabulary.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Say this over the link to a peer. Without a link it is lost (and counted by the host): custody
    /// and deadlines stand behind every message that matters.
    Send {
        /// Whom to.
        to: Id,
        /// What.
        message: Message,
    },
    /// Say this to a node that may have no link yet: the host dials first, and keeps the message
    /// until the link is up, within a limit. The link goes when it falls idle.
    Reach {
        /// Whom to.
        contact: Arc<Contact>,
        /// What.
        message: Message,
    },
    /// Open a link. Comes back as `LinkUp` or `DialFailed`, to the Router.
    Dial {
        /// To whom.
        contact: Arc<Contact>,
    },
    /// Open a link to whatever node lives at this address. Comes back as `LinkUp` or `SeedSilent`, to
    /// the Router.
    DialSeed {
        /// Where.
        address: SocketAddr,
    },
    /// Close the link to a peer.
    HangUp {
        /// Which.
        peer: Id,
        /// Why, as the peer will read it.
        reason: CloseReason,
    },
    /// Measure the round trip to a node without opening a link. Comes back as `Echo`, to the Router.
    Measure {
        /// Which node.
        contact: Arc<Contact>,
    },
    /// Do this slow work. Comes back as `Done` with the ticket, to the same machine.
    Work {
        /// The machine's name for it.
        ticket: Ticket,
        /// What.
        job: Job,
    },
    /// Do this on disk. Comes back as `DiskDone` with the ticket, to the same shard, in order.
    Disk {
        /// The shard's name for it.
        ticket: Ticket,
        /// What.
        op: DiskOp,
    },
    /// Tell this node's other machines.
    Tell(Fact),
    /// Give a local client its one result.
    Answer {
        /// Of which wish.
        request: RequestId,
        /// What came of it.
        result: Result<Reply, Failure>,
    },
    /// Keep these contacts for the next start (host: atomic replace, bounded).
    SaveContacts(Vec<Card>),
    /// This machine has finished leaving: shards have handed over, the Router has said its farewells.
    /// When all shards have, the host tells the Router to leave; when that has, the host closes.
    Left,
}

/// A machine's own name for work it has given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A host's name for a local client's wish, unique per node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Slow arithmetic: live, a worker's; in the simulator done in place.
#[derive(Clone, Debug)]
pub enum Job {
    /// Which of these contacts hold (signature, puzzle)?
    CheckCards(Vec<Card>),
    /// Does this value stand under this id?
    CheckValue {
        /// The id.
        id: Id,
        /// The value.
        value: Value,
    },
    /// Is this pointer its holder's word, and the holder's contact sound?
    CheckPointer(Pointer),
    /// Which of these receipts hold, for this object and version?
    CheckReceipts {
        /// The object.
        object: Id,
        /// The version.
        version: u64,
        /// The receipts.
        receipts: Vec<Receipt>,
    },
}

impl Job {
    /// Does the work, the same for every host. `is_sound` tells whether a contact checks out in this
    /// network.
    pub fn perform(self, mut is_sound: impl FnMut(&Contact) -> bool) -> JobDone {
        match self {
            Job::CheckCards(mut cards) => {
                cards.retain(|card| is_sound(&card.contact));
                JobDone::Cards(cards)
            }
            Job::CheckValue { id, value } => {
                let value = value.proves(&id).then_some(value);
                JobDone::Value { id, value }
            }
            Job::CheckPointer(pointer) => {
                let sound = pointer.holds() && is_sound(&pointer.holder);
                JobDone::Pointer(sound.then_some(pointer))
            }
            Job::CheckReceipts { object, version, mut receipts } => {
                receipts.retain(|receipt| receipt.object == object && receipt.version == version && receipt.holds());
                JobDone::Receipts(receipts)
            }
        }
    }
}

/// What came of a job. Values are handed back, so that a machine need not keep a copy meanwhile.
#[derive(Clone, Debug)]
pub enum JobDone {
    /// Those that hold.
    Cards(Vec<Card>),
    /// The value, if it stands under its id.
    Value {
        /// The id.
        id: Id,
        /// The value, if sound.
        value: Option<Value>,
    },
    /// The pointer, if it holds.
    Pointer(Option<Pointer>),
    /// Those that hold.
    Receipts(Vec<Receipt>),
}

/// What a directory shard wants of the disk. Every acknowledged write is on stable storage.
#[derive(Clone, Debug)]
pub enum DiskOp {
    /// Keep this value, replacing any other version.
    KeepValue {
        /// The value.
        value: Value,
        /// For what, and how long from now.
        terms: Terms<Span>,
    },
    /// Keep what is there of an object on these terms instead of its own; nothing if it is not there.
    SetTerms {
        /// Which.
        object: Id,
        /// For what, and how long from now.
        terms: Terms<Span>,
    },
    /// Keep this pointer, replacing any other by the same holder under the same root.
    KeepPointer {
        /// Under which id.
        root: Id,
        /// The claim.
        pointer: Pointer,
        /// For how long from now.
        remaining: Span,
    },
    /// Keep these pointers of one holder for longer, each as long from now as is said, and its contact with them, if that
    /// is newer. Those that are not there stay away.
    ExtendPointers {
        /// Whose.
        holder: Arc<Contact>,
        /// Under which ids, and how long.
        rows: Vec<(Id, Span)>,
    },
    /// Forget a value.
    DropValue {
        /// Which.
        object: Id,
    },
    /// Forget a holder's pointer.
    DropPointer {
        /// Under which id.
        root: Id,
        /// Whose.
        holder: Id,
    },
    /// Read a value.
    ReadValue {
        /// Which.
        object: Id,
    },
}

impl DiskOp {
    /// Whether it needs room on the disk, and so fails where that is full.
    pub fn adds(&self) -> bool {
        !matches!(self, DiskOp::DropValue { .. } | DiskOp::DropPointer { .. } | DiskOp::ReadValue { .. })
    }
}

/// What the disk did.
#[derive(Clone, Debug)]
pub enum DiskDone {
    /// It is on stable storage.
    Kept,
    /// It is gone.
    Dropped,
    /// Here it is, if it was there and sound.
    Read(Option<Value>),
    /// It did not work; nothing has changed.
    Failed(DiskFault),
}

/// Why the disk did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// No space left.
    Full,
    /// Anything else, in the system's words.
    Io(String),
}

/// What was on disk at the start, handed to the shard that owns the id.
#[derive(Clone, Debug)]
pub enum Stored {
    /// A value's particulars; the bytes stay on disk.
    Value {
        /// The object.
        object: Id,
        /// Its version.
        version: u64,
        /// Bytes of content.
        bytes: u64,
        /// For what it is to be kept, and how much longer.
        terms: Terms<Span>,
    },
    /// A pointer.
    Pointer {
        /// Under which id.
        root: Id,
        /// The claim.
        pointer: Box<Pointer>,
        /// How much longer it is good.
        remaining: Span,
    },
}

/// What one machine of a node tells the others.
#[derive(Clone, Debug)]
pub enum Fact {
    /// By the Router: the routing state has changed.
    View(Arc<RouteView>),
    /// By the Forwarder: this peer did not take custody in time.
    HopSilent {
        /// Which.
        peer: Id,
    },
    /// By a shard: route this.
    Route(Wish),
    /// By the Forwarder: what came of a shard's wish.
    Returned {
        /// Whose wish.
        asker: Asker,
        /// What became of it.
        outcome: Outcome,
        /// The answer, if it was answered.
        payload: Bytes,
        /// The neighbour it went to, if that was asked only because it says that it has a copy, or has heard of one.
        word_of: Option<Id>,
    },
    /// By the Forwarder: this came for the directory.
    Arrived(Arrival),
    /// By a shard: the answer to what arrived.
    Respond {
        /// Of the arrival.
        label: Label,
        /// The answer.
        payload: Bytes,
    },
    /// By a shard: cannot answer this, let it go on.
    Onward {
        /// Of the arrival.
        label: Label,
    },
    /// By a shard: this node has what arrived is for, so hand it there. Where there is no way, it arrives again.
    Point {
        /// Of the arrival.
        label: Label,
        /// Who.
        holder: Id,
    },
}

/// A message to be routed for a shard.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who wants it.
    pub asker: Asker,
    /// Where to.
    pub key: Id,
    /// What for.
    pub errand: Errand,
    /// The encoded request.
    pub payload: Bytes,
    /// How long to wait for the answer.
    pub patience: Span,
    /// Whether a copy will do, whoever has it.
    pub copies: Copies,
}

/// Whether a neighbour that says it has a copy, or has heard of one, may be asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// Any may.
    WillDo {
        /// How long what is sought is waited for after an answer that no such word led to, in the mean: roots that know only who
        /// holds it leave it to be fetched.
        fetch: Span,
    },
    /// None may.
    WillNotDo,
    /// None may any more: this one said so, and answered with none.
    MisledBy(Id),
}

/// Which shard, and its own name for the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asker {
    /// The shard's index.
    pub shard: usize,
    /// The shard's number for the wish.
    pub number: u64,
}

/// A routed message that is the directory's business.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The forwarder's name for it.
    pub label: Label,
    /// Where it was routed to: the id that finds the shard.
    pub key: Id,
    /// Who asks, by its own word.
    pub origin: Id,
    /// Which neighbour handed it in; oneself for one's own wishes.
    pub from: Id,
    /// What is expected here.
    pub place: Place,
    /// Whether [`Fact::Point`] will do as well.
    pub may_point: bool,
    /// What this node has to do, as part of what is usual around here: 2 is twice as much.
    pub pressure: f64,
    /// The encoded request.
    pub payload: Bytes,
}

/// What is expected of a directory that gets an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An answer ([`Fact::Respond`]): this node is the key's root.
    Root,
    /// An answer, or [`Fact::Onward`]: this node is on the way, and `Interest` said it might know.
    OnTheWay,
    /// Nothing: a copy for those on the way.
    Passing,
}

/// A forwarder's own name for a message in its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub u32);

/// What a local client wishes.
#[derive(Clone, Debug)]
pub enum Command {
    /// Who is the root of this key? To the Forwarder.
    Lookup {
        /// The key.
        key: Id,
        /// Whether the hops shall report themselves.
        traced: bool,
    },
    /// Keep this value on the replica set of its root. To its shard, as all that follow.
    Put {
        /// The value.
        value: Value,
        /// How long it is to be kept.
        lifetime: Span,
        /// On how many nodes; 0 for the configured number.
        replicas: u8,
        /// If set, only where the record's present version is this (0: there is none yet).
        expected: Option<u64>,
    },
    /// Fetch this object from whoever is best.
    Get {
        /// The object.
        object: Id,
    },
    /// Keep this value here, and tell the overlay that this node holds it.
    Publish {
        /// The value.
        value: Value,
        /// For how long; `None`: until it is withdrawn.
        lifetime: Option<Span>,
    },
    /// Withdraw the claim, and forget the value.
    Unpublish {
        /// The object.
        object: Id,
    },
    /// Who holds this object?
    Locate {
        /// The object.
        object: Id,
    },
    /// How the routing stands. To the Router.
    RouterStatus,
    /// How a shard stands. To the shard named.
    DirectoryStatus {
        /// Its index.
        shard: usize,
    },
    /// Say farewell, and close. To the Router, after the shards have handed over.
    Leave,
}

/// What a local client gets.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The root of the key, and how it was reached.
    Root(Root),
    /// The value is kept: the word of each keeper.
    Stored {
        /// Its id.
        object: Id,
        /// The receipts, checked.
        receipts: Vec<Receipt>,
    },
    /// The object, checked.
    Value {
        /// What.
        value: Value,
        /// Who gave it.
        from: Id,
        /// Nodes known to keep it.
        replicas: u8,
    },
    /// The claim stands at this many roots.
    Published {
        /// The object.
        object: Id,
        /// Of [`ROOTS_PER_OBJECT`](super::directory::ROOTS_PER_OBJECT).
        roots: u8,
    },
    /// The claim is withdrawn at this many roots.
    Unpublished {
        /// The object.
        object: Id,
        /// Of [`ROOTS_PER_OBJECT`](super::directory::ROOTS_PER_OBJECT).
        roots: u8,
    },
    /// These hold it.
    Holders {
        /// Nearest first.
        holders: Vec<Holder>,
        /// Who knew that.
        by: Located,
    },
    /// How the routing stands.
    Router(Box<RouterStatus>),
    /// How a shard stands.
    Directory(Box<DirectoryStatus>),
}

/// Who answered a locate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The node.
    pub node: Id,
    /// As what it knew.
    pub known_as: KnownAs,
    /// Under which of the object's ids it was asked: 0 for its own, else a salted one.
    pub salt: u8,
}

/// The root of a key as one lookup found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    /// The root.
    pub contact: Contact,
    /// Hops taken; 0 if the asker is the root itself.
    pub hops: u8,
    /// From asking to the answer.
    pub took: Span,
    /// The path, first hop first, if it was asked for.
    pub trace: Vec<TraceHop>,
}

/// Why a local client's wish was not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody who should know has it.
    NotFound,
    /// This node has no confirmed place in the overlay yet.
    NotReady,
    /// A node on the way knew no way on.
    NoRoute {
        /// Which.
        at: Id,
    },
    /// The message went in circles or the overlay is broken: the hop budget is used up.
    HopBudget {
        /// Where it ended.
        at: Id,
    },
    /// A node on the way heard nothing from any next hop.
    Silence {
        /// Which.
        at: Id,
    },
    /// No answer within the deadline.
    TimedOut,
    /// The other side refuses, and says which limit.
    Refused(Refusal),
    /// A limit of this node was met: its configuration key.
    Limit(&'static str),
    /// This node is stopping.
    Stopping,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotFound => f.write_str("not found"),
            Failure::NotReady => f.write_str("this node is not ready: its leaf set is not confirmed yet"),
            Failure::NoRoute { at } => write!(f, "node {} knows no way on", at.short()),
            Failure::HopBudget { at } => write!(f, "hop budget used up at node {}", at.short()),
            Failure::Silence { at } => write!(f, "node {} heard nothing from any next hop", at.short()),
            Failure::TimedOut => f.write_str("timed out"),
            Failure::Refused(refusal) => write!(f, "refused: {refusal}"),
            Failure::Limit(key) => write!(f, "limit {key} of this node is used up"),
            Failure::Stopping => f.write_str("this node is stopping"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// The failure behind an unhappy outcome; nothing if it was answered.
    pub fn of(outcome: Outcome) -> Option<Failure> {
        match outcome {
            Outcome::Answered { .. } => None,
            Outcome::NoRoute { at } => Some(Failure::NoRoute { at }),
            Outcome::HopBudget { at } => Some(Failure::HopBudget { at }),
            Outcome::Silence { at } => Some(Failure::Silence { at }),
            Outcome::Busy { .. } => Some(Failure::Refused(Refusal::Busy)),
        }
    }
}
