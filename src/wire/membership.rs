//! Who belongs where.
//!
//! Owns: asking a node for the contacts it knows, announcing oneself, comparing leaf sets, leaving.
//! Never does: carry anything about objects.

use crate::base::{Coordinate, Id, Span};
use crate::identity::Contact;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What nodes say to each other about who belongs where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Membership {
    /// Which contacts do you know about this?
    ContactsWanted {
        /// Comes back with the answer.
        round: u32,
        /// About what.
        about: About,
    },
    /// These.
    Contacts {
        /// Of the question.
        round: u32,
        /// About what.
        about: About,
        /// Whether the answerer's own leaf set is confirmed.
        ready: bool,
        /// At most [`CARDS_MAX`].
        cards: Vec<Card>,
    },
    /// I am here (again), and this is my leaf set: put me into yours, and tell me of closer ones.
    Announce {
        /// Comes back with the answer, a [`Membership::LeafSet`].
        round: u32,
        /// Whether the sender's leaf set is confirmed, so that it roots keys.
        ready: bool,
        /// The sender.
        card: Card,
        /// How the ids of its leaf set begin, so that the answer need only name the missing ones.
        leaf_set: Vec<u64>,
    },
    /// My leaf set, in full or what you seemed to lack.
    LeafSet {
        /// Of the announcement answered, 0 if none.
        round: u32,
        /// Whether the sender's leaf set is confirmed, so that it roots keys.
        ready: bool,
        /// Nodes the receiver seems to lack. At most [`CARDS_MAX`].
        cards: Vec<Card>,
        /// How the ids of the sender's leaf set begin.
        leaf_set: Vec<u64>,
    },
    /// I leave; these may take my place.
    Leaving {
        /// My leaf set.
        heirs: Vec<Card>,
    },
    /// What are you? Asked by those who survey the overlay.
    ProfileWanted {
        /// Comes back with the answer.
        round: u32,
    },
    /// This.
    Profile {
        /// Of the question.
        round: u32,
        /// The sender, in its own words.
        profile: Profile,
    },
}

impl Membership {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Membership::ContactsWanted { .. } => "contacts wanted",
            Membership::Contacts { .. } => "contacts",
            Membership::Announce { .. } => "announce",
            Membership::LeafSet { .. } => "leaf set",
            Membership::Leaving { .. } => "leaving",
            Membership::ProfileWanted { .. } => "profile wanted",
            Membership::Profile { .. } => "profile",
        }
    }
}

/// What a node tells of itself to those who survey the overlay. Unsigned, like all it says on a link that
/// has proved its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Name and version of its program, at most [`PROGRAM_BYTES_MAX`] bytes of UTF-8.
    pub program: String,
    /// How long it has been running.
    pub uptime: Span,
    /// Where it sees itself in latency space.
    pub coordinate: Coordinate,
    /// Whether its leaf set is confirmed, so that it roots keys.
    pub ready: bool,
    /// Live links it holds, the asker's included.
    pub links: u32,
    /// Nodes it knows, linked or not.
    pub known: u32,
    /// Rows of its prefix table as far as there are any: rows from this number on are empty. 0 to 64.
    pub rows: u8,
}

/// What a question for contacts is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum About {
    /// Your leaf set.
    LeafSet,
    /// Your prefix table's row of this number, 0 to 63.
    Row(u8),
    /// Those of your contacts closest to this place, and the rows you share with it: what a
    /// newcomer asks on its way to its root.
    Place(Id),
    /// Those nearest to you in the network: what a newcomer asks to find a nearby node.
    Nearby,
    /// The node whose id begins with these 64 bits, as your advert named it; nobody else.
    Node(u64),
}

/// A contact, and where it sees itself in the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Who and where, signed.
    pub contact: Arc<Contact>,
    /// Its Vivaldi coordinate as last heard; unsigned, an estimate.
    pub coordinate: Coordinate,
}

/// Cards in one message: a full leaf set (32) and a row of three a slot (45), and some.
pub const CARDS_MAX: usize = 96;
/// Bytes of a program's name and version: "arras/10.11.12-rc.1+build" and some.
pub const PROGRAM_BYTES_MAX: usize = 48;
