//! What happened, for comparing and for reading.
//!
//! Owns: the trace hash over everything delivered, the counts, who was ready when, and notes for a narrator.
//! Never does: influence what happens: a world that takes notes goes the same way as one that does not.

use super::reigns::Reigns;
use crate::base::Instant;
use crate::overlay::contract::{Failure, Reply, RequestId};
use crate::overlay::router::Down;
use crate::wire::Message;
use std::collections::BTreeMap;

/// The books of a world.
#[derive(Debug, Default)]
pub(super) struct Book {
    hasher: blake3::Hasher,
    notes: Option<Vec<Note>>,
    /// The counts.
    pub tally: Tally,
    /// What was sent, by kind.
    pub sent: Sent,
    /// The same of one node apart from the others, if somebody wants to know.
    pub watched: Option<Watched>,
    /// Who was ready when.
    pub reigns: Reigns,
}

/// What was sent, by kind ([`Message::kind`]; dials and linkless measurements, whose packets are not messages, as well):
/// how many, and their encoded bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent(BTreeMap<&'static str, (u64, u64)>);

impl Sent {
    /// One more.
    pub(super) fn add(&mut self, kind: &'static str, bytes: usize) {
        let (count, sum) = self.0.entry(kind).or_default();
        (*count, *sum) = (*count + 1, *sum + bytes as u64);
    }

    /// By kind, how many more and how many bytes more than before.
    pub fn since(&self, before: &Sent) -> Vec<(&'static str, u64, u64)> {
        let more = |(kind, (count, bytes)): (&&'static str, &(u64, u64))| {
            let (count_before, bytes_before) = before.0.get(kind).copied().unwrap_or_default();
            (*kind, count - count_before, bytes - bytes_before)
        };
        self.0.iter().map(more).collect()
    }
}

/// What one node said since it is watched, and what all others said.
#[derive(Clone, Debug)]
pub struct Watched {
    node: usize,
    /// By the node.
    pub own: Sent,
    /// By all others together.
    pub others: Sent,
}

impl Watched {
    pub(super) fn new(node: usize) -> Watched {
        Watched { node, own: Sent::default(), others: Sent::default() }
    }

    pub(super) fn said_by(&mut self, from: usize) -> &mut Sent {
        if from == self.node { &mut self.own } else { &mut self.others }
    }
}

/// Something worth telling.
#[derive(Clone, Debug)]
pub enum Note {
    /// One node said this to another, and it arrived.
    Said {
        /// When it arrived.
        at: Instant,
        /// Who.
        from: usize,
        /// To whom.
        to: usize,
        /// What.
        message: Box<Message>,
    },
    /// A link came up.
    LinkUp {
        /// When.
        at: Instant,
        /// Who dialled.
        from: usize,
        /// Who was dialled.
        to: usize,
    },
    /// A node lost its end of a link.
    LinkDown {
        /// When.
        at: Instant,
        /// Which node.
        node: usize,
        /// To whom.
        peer: usize,
        /// Why.
        why: Down,
    },
    /// A node's Router says that it is ready, or no longer.
    Ready {
        /// When.
        at: Instant,
        /// Which node.
        node: usize,
        /// Whether it is.
        ready: bool,
    },
    /// A local client got its result.
    Ended {
        /// When.
        at: Instant,
        /// Whose.
        node: usize,
        /// Of which wish.
        request: RequestId,
        /// What came of it.
        result: Box<Result<Reply, Failure>>,
    },
    /// A node stopped.
    Stopped {
        /// When.
        at: Instant,
        /// Which.
        node: usize,
    },
}

/// Counts over a world's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages handed to a link, by family in the order of [`Family::ALL`](crate::wire::Family::ALL).
    pub messages: [u64; 4],
    /// Their encoded bytes.
    pub bytes: [u64; 4],
    /// Datagrams that never arrived: lost, or sent into a partition.
    pub lost: u64,
    /// Datagrams that found more waiting for their node's uplink than may wait.
    pub overflowed: u64,
    /// Datagrams that arrived twice.
    pub duplicated: u64,
    /// Stream messages that had to be sent again.
    pub resent: u64,
    /// Messages for which there was no link.
    pub unsent: u64,
    /// Messages that waited for a link that never came up, or found the waiting room full.
    pub unreached: u64,
    /// Links that came up.
    pub links: u64,
    /// Inputs handed to machines.
    pub inputs: u64,
    /// Everything that happened at a moment of its own: packets, wake-ups, reports, work done.
    pub events: u64,
}

impl Book {
    /// Takes something delivered into the trace hash.
    pub fn record(&mut self, at: Instant, node: usize, kind: &str, detail: &[u8]) {
        self.hasher.update(&at.as_micros().to_le_bytes());
        self.hasher.update(&(node as u64).to_le_bytes());
        self.hasher.update(&[kind.len() as u8]);
        self.hasher.update(kind.as_bytes());
        self.hasher.update(&(detail.len() as u64).to_le_bytes());
        self.hasher.update(detail);
    }

    /// The hash of all that was recorded.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex()[..16].to_owned()
    }

    /// Begins taking notes.
    pub fn open(&mut self) {
        self.notes.get_or_insert_with(Vec::new);
    }

    /// Takes the notes made so far.
    pub fn take(&mut self) -> Vec<Note> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Makes a note, if notes are taken.
    pub fn note(&mut self, note: impl FnOnce() -> Note) {
        if let Some(notes) = &mut self.notes {
            notes.push(note());
        }
    }
}
