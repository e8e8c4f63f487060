//! Messages in flight.
//!
//! Owns: the header of a routed message, its reply, the custody receipt, and the trace of a path.
//! Never does: look into a payload.

use super::codec::{self, Malformed};
use crate::base::{Id, Load, Span};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What neighbours say to each other about messages on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Take this towards the key.
    Forward(Header, Bytes),
    /// Take this back where the labelled message came from.
    Return(ReturnHeader, Bytes),
    /// These labels are in my custody now.
    Accept(Vec<u32>),
    /// I have copies of these: whoever wants one may ask me.
    Holds(Holds),
    /// I look for much that none of my neighbours has: what have you heard of?
    HearsayWanted,
    /// Of copies of these, at neighbours of mine, in order of their names. At most [`HEARSAY_MAX`].
    Hearsay(Vec<Heard>),
}

/// What a node holds copies of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// Which part of all it holds this is: each part is told by itself, and replaces what was told of it before.
    pub part: u8,
    /// Of what, in order. At most [`HOLDS_MAX`].
    pub copies: Vec<Held>,
}

/// How an id begins: its first three bytes. Of 64 neighbours with 600 copies each one in 400 is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held([u8; 3]);

impl Held {
    /// Of this id.
    pub fn of(id: &Id) -> Held {
        let bytes = id.as_bytes();
        Held([bytes[0], bytes[1], bytes[2]])
    }
}

/// That a neighbour of the teller has a copy, and how far it is from the teller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Heard {
    /// Of what.
    pub held: Held,
    /// The round trip there, in units of [`HEARD_UNIT`], not rounded up.
    far: u8,
}

impl Heard {
    /// That a copy of this is so far away; nothing, if it is farther than can be said.
    pub fn of(held: Held, rtt: Span) -> Option<Heard> {
        let far = u8::try_from(rtt.as_micros() / HEARD_UNIT.as_micros()).ok()?;
        Some(Heard { held, far })
    }

    /// The round trip from the teller to the copy.
    pub fn rtt(&self) -> Span {
        HEARD_UNIT * u64::from(self.far)
    }
}

/// All a forwarder reads of a message on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The sender's name for this message on this link: custody and the reply refer to it.
    pub label: u32,
    /// Where it goes: the node numerically closest to this.
    pub key: Id,
    /// Who asks; its share of each hop's budget pays.
    pub origin: Id,
    /// What is to be done on the way and at the root.
    pub errand: Errand,
    /// Whether the hops report themselves in the reply.
    pub traced: bool,
    /// Hops taken so far, at most [`HOPS_MAX`].
    pub hops: u8,
    /// How long the sender waits for the reply, from now.
    pub patience: Span,
    /// Set once some hop found the key within its leaf set: from then on only numeric closeness counts.
    pub closing: bool,
    /// Set on a detour: the receiver was picked only for its good link to another node.
    pub detour: Option<Detour>,
    /// Steps it still may take for others' word that there is a copy, be they progress or not, at most [`WORDS_MAX`].
    pub words: u8,
}

/// A step beside the path of growing closeness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detour {
    /// Hand the message to this node.
    pub to: Id,
    /// If that is impossible, go on as this node would have: only to nodes closer than it. Keeps the
    /// path free of loops.
    pub floor: Id,
    /// Whether that node has a copy, or has heard of one, and was picked for it: nobody on the way there is to answer.
    pub for_copy: bool,
}

/// What a routed message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Errand {
    /// Tell me who the root is: answered by the root's forwarder.
    Lookup,
    /// For the directory at the root alone.
    Root,
    /// For any directory on the way that can answer; else the root's.
    Nearest,
    /// For the root's directory, and each directory on the way gets a copy.
    Deposit,
}

/// All a forwarder reads of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnHeader {
    /// The label under which the receiver sent the message out.
    pub label: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Hops the message took to whoever answers.
    pub hops: u8,
    /// The round trip of the last hop, as the node before it knows: what a lookup takes beside it is what finding the
    /// root cost.
    pub last: Span,
    /// How busy the node is that this comes from.
    pub load: Load,
    /// If asked for: the hops, the last one first.
    pub trace: Vec<TraceHop>,
}

/// What became of a routed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// This node answered; the payload is its answer.
    Answered {
        /// Who.
        by: Id,
    },
    /// This node knew no way on.
    NoRoute {
        /// Who.
        at: Id,
    },
    /// The message had taken [`HOPS_MAX`] hops when it reached this node.
    HopBudget {
        /// Who.
        at: Id,
    },
    /// This node heard nothing from any next hop in time.
    Silence {
        /// Who.
        at: Id,
    },
    /// This node turned the message away for load.
    Busy {
        /// Who.
        at: Id,
    },
}

/// One hop as the node before it saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceHop {
    /// The node that chose.
    pub at: Id,
    /// The node it chose.
    pub next: Id,
    /// Where that is, as the chooser sees it.
    pub address: Option<SocketAddr>,
    /// The chooser's smoothed round trip to it.
    pub rtt: Span,
    /// From handing on to having the reply.
    pub waited: Span,
    /// Why this one.
    pub why: Why,
}

/// Why a hop was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// The key lies within the leaf set, and this is its root there.
    LeafSet,
    /// It shares this many digits with the key, more than the chooser does.
    LongerPrefix {
        /// Digits shared.
        digits: u8,
    },
    /// It shares as many digits as the chooser, and is numerically closer.
    SamePrefixCloser,
    /// It says that it holds a copy of what is sought.
    Holds,
    /// It is the quicker way to the named node, which one of the other reasons picked.
    Detour {
        /// The node meant.
        to: Id,
    },
}

impl Routing {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Routing::Forward(..) => "forward",
            Routing::Return(..) => "return",
            Routing::Accept(_) => "accept",
            Routing::Holds(_) => "holds",
            Routing::HearsayWanted => "hearsay_wanted",
            Routing::Hearsay(_) => "hearsay",
        }
    }

    pub(super) fn encode_onto(&self, bytes: &mut Vec<u8>) {
        match self {
            Routing::Forward(header, payload) => {
                bytes.push(FORWARD);
                codec::encode_onto(header, bytes);
                bytes.extend_from_slice(payload);
            }
            Routing::Return(header, payload) => {
                bytes.push(RETURN);
                codec::encode_onto(header, bytes);
                bytes.extend_from_slice(payload);
            }
            Routing::Accept(labels) => {
                bytes.push(ACCEPT);
                codec::encode_onto(labels, bytes);
            }
            Routing::Holds(holds) => {
                bytes.push(HOLDS);
                codec::encode_onto(holds, bytes);
            }
            Routing::HearsayWanted => bytes.push(HEARSAY_WANTED),
            Routing::Hearsay(heard) => {
                bytes.push(HEARSAY);
                codec::encode_onto(heard, bytes);
            }
        }
    }

    pub(super) fn decode(tag: u8, body: &Bytes) -> Result<Routing, Malformed> {
        match tag {
            FORWARD => {
                let (header, length): (Header, usize) = codec::decode_head(body)?;
                if header.hops > HOPS_MAX {
                    return Err(Malformed::OutOfRange { what: "hops" });
                }
                if header.words > WORDS_MAX {
                    return Err(Malformed::OutOfRange { what: "words" });
                }
                Ok(Routing::Forward(header, body.slice(length..)))
            }
            RETURN => {
                let (header, length): (ReturnHeader, usize) = codec::decode_head(body)?;
                if header.hops > HOPS_MAX || header.trace.len() > usize::from(HOPS_MAX) + 1 {
                    return Err(Malformed::OutOfRange { what: "hops" });
                }
                Ok(Routing::Return(header, body.slice(length..)))
            }
            ACCEPT => Ok(Routing::Accept(codec::decode(body)?)),
            HOLDS => Ok(Routing::Holds(codec::decode(body)?)),
            HEARSAY_WANTED if body.is_empty() => Ok(Routing::HearsayWanted),
            HEARSAY => Ok(Routing::Hearsay(codec::decode(body)?)),
            _ => Err(Malformed::NotAValue),
        }
    }
}

pub(super) const FORWARD: u8 = 1;
pub(super) const RETURN: u8 = 2;
pub(super) const ACCEPT: u8 = 3;
pub(super) const HOLDS: u8 = 4;
pub(super) const HEARSAY_WANTED: u8 = 5;
pub(super) const HEARSAY: u8 = 6;

/// Copies one node tells of. A guess: three bytes each, so 3 KiB.
pub const HOLDS_MAX: usize = 1_024;
/// Neighbours, the nearest, that are told of copies, and asked what they have heard of. A guess: what is far is heard of through any
/// neighbour, of which a node of some thousand nodes needs as many.
pub const HEARERS: usize = 96;
/// Copies one node has heard of and tells of, if asked. A guess: four bytes each, so 8 KiB.
pub const HEARSAY_MAX: usize = 2_048;
/// In what the way to a copy is told: in one byte up to half a second. A guess.
pub const HEARD_UNIT: Span = Span::from_millis(2);

/// Steps for others' word: to who has heard of a copy, and from there to the copy. So nobody sends a message round and round.
pub const WORDS_MAX: u8 = 2;

/// Hops a message may take: eight times what a million nodes need on average (log16 of 10^6 is 5),
/// with room for detours.
pub const HOPS_MAX: u8 = 40;
