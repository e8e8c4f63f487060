//! Who has a link to whom.
//!
//! Owns: both ends of every link, each as its own node sees it, and what the transport would know
//! about it: round trip, last word heard.
//! Never does: tell a machine. A node that crashed leaves the other end standing until that gives up.

use crate::base::{Instant, RttEstimate, Span};
use std::collections::BTreeMap;

/// The standing ends of all links.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By the node at which they stand, then by peer.
    ends: Vec<BTreeMap<usize, End>>,
    opened: u64,
}

/// One end of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Tells this link from an earlier one between the same two.
    pub number: u64,
    /// When anything was heard last, acknowledgements included.
    pub heard: Instant,
    /// Whether anything was heard since the last report.
    pub fresh: bool,
    /// The transport's round-trip estimate.
    pub rtt: RttEstimate,
}

impl Links {
    /// Makes both ends stand, in place of any old ones; gives the link's number.
    pub fn open(&mut self, a: usize, b: usize, now: Instant, rtt: Span) -> u64 {
        self.opened += 1;
        let end = End { number: self.opened, heard: now, fresh: true, rtt: RttEstimate::first(rtt) };
        self.ends.resize_with(self.ends.len().max(a.max(b) + 1), BTreeMap::new);
        self.ends[a].insert(b, end);
        self.ends[b].insert(a, end);
        self.opened
    }

    /// Takes the end at `at` away; says which link it was.
    pub fn close(&mut self, at: usize, peer: usize) -> Option<u64> {
        self.ends.get_mut(at)?.remove(&peer).map(|end| end.number)
    }

    /// The end at `at`, if it stands.
    pub fn end(&self, at: usize, peer: usize) -> Option<&End> {
        self.ends.get(at)?.get(&peer)
    }

    /// The end at `at` of this very link, to change.
    pub fn end_of(&mut self, at: usize, peer: usize, number: u64) -> Option<&mut End> {
        self.ends.get_mut(at)?.get_mut(&peer).filter(|end| end.number == number)
    }

    /// The peers to whom an end stands at `at`, in order.
    pub fn peers(&self, at: usize) -> Vec<usize> {
        self.ends.get(at).map(|ends| ends.keys().copied().collect()).unwrap_or_default()
    }

    /// How many ends stand at `at`.
    pub fn count(&self, at: usize) -> usize {
        self.ends.get(at).map_or(0, BTreeMap::len)
    }
}
