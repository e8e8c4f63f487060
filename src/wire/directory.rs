//! Objects: asking for them, keeping them, pointing at them.
//!
//! Owns: requests to a directory, routed or direct, and their answers.
//! Never does: say how a request travels: the same words go along a route and over a link.

use super::object::{Pointer, Receipt, Value};
use crate::base::{Coordinate, Id, Load, Span};
use crate::identity::Contact;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What directories say to each other over a link. Routed, the bare [`Request`] and [`Answer`] travel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Directory {
    /// Please.
    Ask {
        /// The asker's name for this question.
        number: u64,
        /// What is asked.
        request: Request,
    },
    /// Here.
    Answer {
        /// Of the question.
        number: u64,
        /// What object the question was about: finds the asking shard.
        object: Id,
        /// The answer.
        answer: Answer,
        /// How busy the answerer is.
        load: Load,
    },
    /// I keep these, and think you should too: say which you lack.
    Offer {
        /// At most [`OFFER_MAX`].
        entries: Vec<OfferEntry>,
    },
    /// Of what you offered I lack these.
    Wanted {
        /// At most [`OFFER_MAX`].
        objects: Vec<Id>,
    },
    /// Of what you offered I keep these, in that very version.
    Kept {
        /// At most [`OFFER_MAX`].
        objects: Vec<Id>,
    },
    /// Answer for me under this id, the object's or a salted one: many ask for it through you. Also how one who does so
    /// already gets a newer version, or a longer lease.
    Enlist {
        /// Under which id.
        root: Id,
        /// What to answer with.
        entry: Entry,
        /// For how long.
        lease: Span,
        /// Requests an hour for it in the whole network, as far as the granter knows.
        demand: u32,
    },
    /// My lease is over, or nearly: so many I answered for you. Give me another one if that is worth it.
    Serving {
        /// Under which id.
        root: Id,
        /// The version I have.
        version: u64,
        /// How many were answered since the lease began, or since this was told.
        served: u32,
    },
    /// I will not answer for you.
    Decline {
        /// Under which id.
        root: Id,
    },
    /// Answer for me no more: it is gone.
    Dismiss {
        /// Under which id.
        root: Id,
    },
    /// How much do you keep for their roots within these ranges? Each shard of the hearer answers for itself.
    Compare {
        /// Goes into every digest, so that nobody can make objects that stand for others; names the question.
        salt: u64,
        /// Only the ids of this shard of the asker's are asked for.
        slice: Slice,
        /// At most [`RANGES_MAX`].
        ranges: Vec<Range>,
    },
    /// So much.
    Compared {
        /// Of the question.
        salt: u64,
        /// The asking shard.
        asker: u8,
        /// The answering shard.
        shard: u8,
        /// How many shards answer.
        shards: u8,
        /// One for each range, in the same order. At most [`RANGES_MAX`].
        sums: Vec<RangeSum>,
    },
    /// All claims of mine that you root within these ranges hold again for as long as I signed them for. That I am their
    /// holder this link proves. Each shard of the hearer answers for itself.
    Renew {
        /// Goes into every digest; names the question.
        salt: u64,
        /// Only the objects of this shard of the asker's are meant.
        slice: Slice,
        /// Of the ids under which the claims are rooted; in order, none within another. At most [`RANGES_MAX`].
        ranges: Vec<Range>,
        /// Whether the claims are to be named, besides.
        named: bool,
    },
    /// They do, as many as these.
    Renewed {
        /// Of the question.
        salt: u64,
        /// The asking shard.
        asker: u8,
        /// The answering shard.
        shard: u8,
        /// How many shards answer.
        shards: u8,
        /// How much of what was asked about this is the answer for: what the answerer roots, and could look through. Of
        /// the rest nothing is said.
        covered: Range,
        /// One for each range as far as it is covered, in the same order. At most [`RANGES_MAX`].
        sums: Vec<RangeSum>,
        /// If asked for. At most [`CLAIMED_MAX`].
        claims: Vec<Claimed>,
    },
}

/// What a representative answers with. All of it proves itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// The object itself.
    Value(Value),
    /// Who holds it, or holds it no more. At most [`CLAIMS_MAX`].
    Claims(Vec<Pointer>),
    /// What you have already, in this version.
    Same {
        /// A record's sequence number, 0 for a blob.
        version: u64,
    },
    /// An object too large to be sent unasked: fetch it from me.
    Large,
}

impl Directory {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            // What copies cost is told apart: those of a put with receipts, those of repair without.
            Directory::Ask { request: Request::Replicate { receipt: true, .. }, .. } => "replicate",
            Directory::Ask { request: Request::Replicate { receipt: false, .. }, .. } => "push",
            Directory::Answer { answer: Answer::Stored { .. }, .. } => "stored",
            Directory::Answer { answer: Answer::Kept, .. } => "pushed",
            Directory::Ask { .. } => "ask",
            Directory::Answer { .. } => "answer",
            Directory::Offer { .. } => "offer",
            Directory::Wanted { .. } => "wanted",
            Directory::Kept { .. } => "kept",
            Directory::Enlist { .. } => "enlist",
            Directory::Serving { .. } => "serving",
            Directory::Decline { .. } => "decline",
            Directory::Dismiss { .. } => "dismiss",
            Directory::Compare { .. } => "compare",
            Directory::Compared { .. } => "compared",
            Directory::Renew { .. } => "renew",
            Directory::Renewed { .. } => "renewed",
        }
    }
}

/// One kept version of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OfferEntry {
    /// Which object.
    pub object: Id,
    /// Which version: a record's sequence number, 0 for a blob.
    pub version: u64,
    /// How much longer it is to be kept.
    pub remaining: Span,
}

/// The ids that one shard of a node owns: those that the node's keyed hash leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The node's keys.
    pub keys: (u64, u64),
    /// Which shard.
    pub shard: u8,
    /// How many there are, at least 1.
    pub shards: u8,
}

/// The ids whose first 64 bits are not below the first number and not above the second; none if that is the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Where it begins.
    pub first: u64,
    /// Where it ends.
    pub last: u64,
}

/// What is kept within a range, in brief: values by their ids, or claims by the ids under which they are rooted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeSum {
    /// How many.
    pub count: u32,
    /// The sum, modulo 2^128, of the first 16 bytes of BLAKE3 over salt, version (both little-endian in 8 bytes) and
    /// id of each; little-endian.
    pub digest: [u8; DIGEST_BYTES],
}

/// A claim of the asker's that a root knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The object.
    pub object: Id,
    /// Under which of its names.
    pub salt: u8,
    /// What the claim says, see [`claim_version`].
    pub version: u64,
}

/// What a claim says beside whose and of what it is, as one number: the version of a claim in the [`RangeSum`] of
/// [`Directory::Renewed`]. It changes with the holder's contact and with the lifetime, not with the signature.
pub fn claim_version(contact_sequence: u64, lifetime: Span) -> u64 {
    contact_sequence.wrapping_add(lifetime.as_millis().wrapping_mul(LIFETIME_FACTOR))
}

/// What a directory is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Remember this claim (or forget the claims it withdraws) under `root`, the object's id or one
    /// of its salted variants.
    Publish {
        /// Under which id.
        root: Id,
        /// The claim.
        pointer: Pointer,
        /// How much of its lifetime is left.
        remaining: Span,
    },
    /// Who holds this?
    Locate {
        /// The object.
        object: Id,
        /// Under which id it is sought: the object's or a salted variant.
        root: Id,
        /// Where the asker is, so that the nearest holders come first.
        coordinate: Coordinate,
    },
    /// Keep this, with your neighbours. Asked of the root.
    Put {
        /// What.
        value: Value,
        /// How long.
        lifetime: Span,
        /// On how many nodes.
        replicas: u8,
        /// If set, only where the record's present version is this (0: there is none yet).
        expected: Option<u64>,
    },
    /// Give me this, or say who holds it.
    Get {
        /// The object.
        object: Id,
        /// Where the asker is, so that the nearest holders come first.
        coordinate: Coordinate,
        /// Values longer than this are not sent along the route: holders are named instead.
        inline_bytes_max: u32,
        /// How often the asker has answered this itself under leases that have ended, beyond what it has told.
        served: u32,
    },
    /// Give me this over this link.
    Fetch {
        /// The object.
        object: Id,
    },
    /// Keep this: asked by the root of its replica set, and by whoever repairs it.
    Replicate {
        /// What.
        value: Value,
        /// How long.
        lifetime: Span,
        /// Whether the keeper's signed word is wanted; else it only says that it is kept.
        receipt: bool,
    },
    /// Who are you, that root this? Answered with one holder: the root itself. Asked before a value
    /// too large for a route is put over a link.
    Who {
        /// The object.
        object: Id,
    },
}

/// What a directory answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The claim is remembered for this long.
    Published {
        /// How long.
        lifetime: Span,
    },
    /// These hold it, nearest to the asker first. At most [`HOLDERS_MAX`].
    Holders {
        /// Who.
        holders: Vec<Holder>,
        /// As what the answerer knows.
        known_as: KnownAs,
    },
    /// It is kept: here is the word of each keeper.
    Stored {
        /// One a keeper, at least a majority of the replicas asked for (or of all nodes there are).
        receipts: Vec<Receipt>,
    },
    /// Here it is.
    Value {
        /// What.
        value: Value,
        /// Nodes known to keep it, the answerer included.
        replicas: u8,
        /// For so long the asker may answer itself and others with it. Zero: it may not.
        lease: Span,
        /// Whether so many want it that whoever asks should.
        for_all: bool,
    },
    /// I have it, and more to do than I can: try these. At most [`HOLDERS_MAX`], at least one.
    Busy {
        /// Others that have it.
        others: Vec<Holder>,
    },
    /// Nobody I know of has it.
    NotFound,
    /// I will not.
    Refused(Refusal),
    /// It is kept. Said where no receipt was wanted.
    Kept,
}

/// As what a node knows who holds an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownAs {
    /// It roots the id under which it was asked.
    Root,
    /// It keeps a copy itself.
    Keeper,
    /// Pointers passed by on their way to the root.
    Passing,
    /// It answers for another node, because many ask.
    Representative,
}

/// A node that has an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Who and where.
    pub contact: Contact,
    /// Where it sees itself, if known.
    pub coordinate: Option<Coordinate>,
    /// Whether it is one of the replica set (else it published).
    pub replica: bool,
    /// How busy it is, as far as the answerer knows.
    pub load: Load,
}

/// Why a directory refuses. Each names the limit met, so that whoever runs into it knows which knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// The answerer does not root keys yet: its leaf set is not confirmed.
    NotReady,
    /// Larger than a value may be.
    TooLarge {
        /// Bytes allowed.
        limit: u32,
    },
    /// `store.quota_bytes` is used up.
    Quota {
        /// Bytes allowed in all.
        limit: u64,
    },
    /// This publisher or source has used up its share.
    Share {
        /// The configuration key.
        limit: ShareLimit,
    },
    /// The signature or hash does not hold.
    Forged,
    /// An equal or newer version is there already.
    Stale {
        /// The version that is there.
        version: u64,
    },
    /// Compare-and-swap: the version there is another.
    Conflict {
        /// The version that is there (0: none).
        version: u64,
    },
    /// Too few of the replica set have it on disk.
    TooFewReplicas {
        /// How many have.
        stored: u8,
        /// How many must.
        needed: u8,
    },
    /// The disk failed or is full; nothing was promised.
    Disk,
    /// Too many requests wait already.
    Busy,
}

/// Which share was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ShareLimit {
    /// `directory.pointers_per_object`
    PointersPerObject,
    /// `directory.pointers_per_holder`
    PointersPerHolder,
    /// `directory.values_per_source`
    ValuesPerSource,
    /// `directory.writes_per_source_per_s`
    WriteRate,
}

impl Request {
    /// The id by which the request finds its shard and its root.
    pub fn subject(&self) -> Id {
        match self {
            Request::Publish { root, .. } | Request::Locate { root, .. } => *root,
            Request::Put { value, .. } | Request::Replicate { value, .. } => value.id(),
            Request::Get { object, .. } | Request::Fetch { object } | Request::Who { object } => *object,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotReady => f.write_str("the root is not ready yet"),
            Refusal::TooLarge { limit } => write!(f, "larger than {limit} bytes"),
            Refusal::Quota { limit } => write!(f, "the root's store.quota_bytes ({limit}) is used up"),
            Refusal::Share { limit } => write!(f, "the share {limit} is used up"),
            Refusal::Forged => f.write_str("the signature or hash does not hold"),
            Refusal::Stale { version } => write!(f, "version {version} is there already"),
            Refusal::Conflict { version: 0 } => f.write_str("there is no version yet"),
            Refusal::Conflict { version } => write!(f, "the version there is {version}"),
            Refusal::TooFewReplicas { stored, needed } => {
                write!(f, "only {stored} of the replica set have it on disk, {needed} must")
            }
            Refusal::Disk => f.write_str("the disk failed or is full"),
            Refusal::Busy => f.write_str("too busy"),
        }
    }
}

impl fmt::Display for ShareLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShareLimit::PointersPerObject => "directory.pointers_per_object",
            ShareLimit::PointersPerHolder => "directory.pointers_per_holder",
            ShareLimit::ValuesPerSource => "directory.values_per_source",
            ShareLimit::WriteRate => "directory.writes_per_source_per_s",
        })
    }
}

/// Holders named in one answer: those nearest to the asker.
pub const HOLDERS_MAX: usize = 8;
/// Pointers given to one representative: as many as one answer names, and as many withdrawals.
pub const CLAIMS_MAX: usize = 2 * HOLDERS_MAX;
/// Entries of an offer: 256 of some 45 bytes make 12 KiB.
pub const OFFER_MAX: usize = 256;
/// Ranges of a comparison: 128 of up to 18 bytes make 2 KiB.
pub const RANGES_MAX: usize = 128;
/// Claims named in one answer: 256 of some 43 bytes make 11 KiB.
pub const CLAIMED_MAX: usize = 256;
/// An odd number without pattern (2^64 over the golden ratio), so that small differences of a contact's sequence number
/// and of a lifetime do not make up for each other.
const LIFETIME_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// Bytes of a digest. A salt is used once, so that two sets meet by luck only: once in 2^128.
pub const DIGEST_BYTES: usize = 16;
