//! What can be said.
//!
//! Owns: the message families, one a subject, and their bytes.
//! Never does: know a state machine, or decide anything. A new message is a new arm at the end of one
//! family; variants are appended, never reordered (golden bytes in `integration/golden.rs`).

pub mod codec;
pub mod directory;
pub mod hello;
pub mod membership;
pub mod object;
pub mod probe;
pub mod routing;

pub use codec::{Blob, MESSAGE_BYTES_MAX, Malformed};
pub use directory::Directory;
pub use hello::{CloseReason, Hello};
pub use membership::{Card, Membership, Profile};
pub use probe::Probe;
pub use routing::Routing;

use bytes::Bytes;

/// Anything one node says to another over a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Messages in flight.
    Routing(Routing),
    /// Liveness and round trips.
    Probe(Probe),
    /// Who belongs where.
    Membership(Membership),
    /// Objects.
    Directory(Directory),
}

/// Which family a message belongs to: the label of its metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Messages in flight.
    Routing,
    /// Liveness and round trips.
    Probe,
    /// Who belongs where.
    Membership,
    /// Objects.
    Directory,
}

/// A message as a link takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    /// The message.
    pub bytes: Bytes,
    /// Whether it must not be lost on the way.
    pub is_vital: bool,
}

impl Message {
    /// The bytes: one for the kind, the rest for the content.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length_guess());
        match self {
            Message::Routing(routing) => routing.encode_onto(&mut bytes),
            Message::Probe(probe) => tagged(PROBE, probe, &mut bytes),
            Message::Membership(membership) => tagged(MEMBERSHIP, membership, &mut bytes),
            Message::Directory(directory) => tagged(DIRECTORY, directory, &mut bytes),
        }
        bytes
    }

    /// The bytes, and how they are to be carried.
    pub fn parcel(&self) -> Parcel {
        Parcel { bytes: self.encode().into(), is_vital: self.is_vital() }
    }

    /// Whether nobody says it again if it is lost: a link carries it by a stream, which sends it until it has arrived.
    pub fn is_vital(&self) -> bool {
        matches!(self, Message::Probe(Probe::Gone { .. }))
    }

    /// About how many bytes it takes.
    fn length_guess(&self) -> usize {
        match self {
            Message::Probe(Probe::Reach { links }) => HEADER_GUESS + links.len() * REACH_ENTRY_GUESS,
            _ => HEADER_GUESS,
        }
    }

    /// The message these bytes are. Total: no input panics, and nothing is allocated by an unchecked
    /// length.
    pub fn decode(bytes: &Bytes) -> Result<Message, Malformed> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLong { bytes: bytes.len(), limit: MESSAGE_BYTES_MAX });
        }
        let Some(&tag) = bytes.first() else { return Err(Malformed::NotAValue) };
        let body = bytes.slice(1..);
        let message = match tag {
            PROBE => Message::Probe(codec::decode(&body)?),
            MEMBERSHIP => Message::Membership(codec::decode(&body)?),
            DIRECTORY => Message::Directory(codec::decode(&body)?),
            _ => Message::Routing(Routing::decode(tag, &body)?),
        };
        message.within_limits()?;
        Ok(message)
    }

    /// Which family it belongs to.
    pub fn family(&self) -> Family {
        match self {
            Message::Routing(_) => Family::Routing,
            Message::Probe(_) => Family::Probe,
            Message::Membership(_) => Family::Membership,
            Message::Directory(_) => Family::Directory,
        }
    }

    /// Its name within the family, in small letters: what counts are kept by.
    pub fn kind(&self) -> &'static str {
        match self {
            Message::Routing(routing) => routing.kind(),
            Message::Probe(probe) => probe.kind(),
            Message::Membership(membership) => membership.kind(),
            Message::Directory(directory) => directory.kind(),
        }
    }

    /// List lengths beyond the limits their types name.
    fn within_limits(&self) -> Result<(), Malformed> {
        let (length, limit, what) = match self {
            Message::Routing(Routing::Holds(holds)) => (holds.copies.len(), routing::HOLDS_MAX, "holds"),
            Message::Routing(Routing::Hearsay(heard)) => (heard.len(), routing::HEARSAY_MAX, "hearsay"),
            Message::Probe(Probe::Reach { links }) => (links.len(), probe::REACH_MAX, "reach"),
            Message::Membership(Membership::Contacts { cards, .. } | Membership::Leaving { heirs: cards }) => {
                (cards.len(), membership::CARDS_MAX, "cards")
            }
            Message::Membership(Membership::Announce { leaf_set, .. }) => {
                (leaf_set.len(), membership::CARDS_MAX, "leaf set")
            }
            Message::Membership(Membership::LeafSet { cards, leaf_set, .. }) => {
                (cards.len().max(leaf_set.len()), membership::CARDS_MAX, "cards")
            }
            Message::Membership(Membership::Profile { profile, .. }) => {
                (profile.program.len(), membership::PROGRAM_BYTES_MAX, "program")
            }
            Message::Directory(Directory::Offer { entries }) => (entries.len(), directory::OFFER_MAX, "offer"),
            Message::Directory(Directory::Wanted { objects } | Directory::Kept { objects }) => {
                (objects.len(), directory::OFFER_MAX, "wanted")
            }
            Message::Directory(Directory::Enlist { entry: directory::Entry::Claims(claims), .. }) => {
                (claims.len(), directory::CLAIMS_MAX, "claims")
            }
            Message::Directory(Directory::Compare { ranges, .. }) => (ranges.len(), directory::RANGES_MAX, "ranges"),
            Message::Directory(Directory::Compared { sums, .. }) => (sums.len(), directory::RANGES_MAX, "sums"),
            Message::Directory(Directory::Renew { ranges, .. }) => (ranges.len(), directory::RANGES_MAX, "ranges"),
            Message::Directory(Directory::Renewed { sums, .. }) if sums.len() > directory::RANGES_MAX => {
                (sums.len(), directory::RANGES_MAX, "sums")
            }
            Message::Directory(Directory::Renewed { claims, .. }) => (claims.len(), directory::CLAIMED_MAX, "claims"),
            _ => return Ok(()),
        };
        if length > limit { Err(Malformed::OutOfRange { what }) } else { Ok(()) }
    }
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 4] = [Family::Routing, Family::Probe, Family::Membership, Family::Directory];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Family::Routing => "routing",
            Family::Probe => "probe",
            Family::Membership => "membership",
            Family::Directory => "directory",
        }
    }
}

fn tagged<T: serde::Serialize>(tag: u8, value: &T, bytes: &mut Vec<u8>) {
    bytes.push(tag);
    codec::encode_onto(value, bytes);
}

/// Tags 1 to 4 are the routing family's.
const PROBE: u8 = 16;
const MEMBERSHIP: u8 = 17;
const DIRECTORY: u8 = 18;

/// Most messages are a header and little else.
const HEADER_GUESS: usize = 192;
/// Of an advert the links are most of it: nine bytes and a round trip in microseconds.
const REACH_ENTRY_GUESS: usize = 14;

#[cfg(test)]
mod tests;
