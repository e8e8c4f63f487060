//! Who has a link to whom.
//!
//! Owns: both ends of every link, each as its own node sees it, and what the transport would know
//! about it: round trip, last word heard.
//! Never does: tell a machine. A node that crashed leaves the other end standing until that gives up.

use crate::base::{Instant, RttEstimate, Span};

/// The standing ends of all links.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By the node at which they stand.
    at: Vec<Ends>,
    opened: u64,
}

/// The ends that stand at one node.
#[derive(Debug, Default)]
struct Ends {
    /// To whom, in order; and the ends, in the same order.
    peers: Vec<u32>,
    ends: Vec<End>,
    /// The peers of whom something was heard since the last report.
    fresh: Vec<u32>,
}

/// One end of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// Tells this link from an earlier one between the same two.
    pub number: u64,
    /// When anything was heard last, acknowledgements included.
    pub heard: Instant,
    /// Since when something sent into a broken way waits to be acknowledged. (What is only lost, the transport sends again
    /// and hears of before anybody minds.)
    pub waits: Option<Instant>,
    /// Whether anything was heard since the last report.
    pub is_fresh: bool,
    /// The transport's round-trip estimate.
    pub rtt: RttEstimate,
}

impl Ends {
    fn set(&mut self, peer: usize, end: End) -> bool {
        self.fresh.push(peer as u32);
        match self.peers.binary_search(&(peer as u32)) {
            Ok(at) => {
                self.ends[at] = end;
                true
            }
            Err(at) => {
                self.peers.insert(at, peer as u32);
                self.ends.insert(at, end);
                false
            }
        }
    }

    fn remove(&mut self, peer: usize) -> Option<End> {
        let at = self.peers.binary_search(&(peer as u32)).ok()?;
        self.peers.remove(at);
        Some(self.ends.remove(at))
    }

    fn get(&self, peer: usize) -> Option<&End> {
        self.peers.binary_search(&(peer as u32)).ok().map(|at| &self.ends[at])
    }

    fn get_mut(&mut self, peer: usize) -> Option<&mut End> {
        self.peers.binary_search(&(peer as u32)).ok().map(|at| &mut self.ends[at])
    }
}

impl Links {
    /// The number of the next link.
    pub fn number(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// Makes this link's end at `at` stand, in place of an old one; says whether there was one.
    pub fn open(&mut self, at: usize, peer: usize, number: u64, now: Instant, rtt: Span) -> bool {
        let end = End { number, heard: now, waits: None, is_fresh: true, rtt: RttEstimate::first(rtt) };
        self.at.resize_with(self.at.len().max(at + 1), Ends::default);
        self.at[at].set(peer, end)
    }

    /// Takes the end at `at` away; says which link it was.
    pub fn close(&mut self, at: usize, peer: usize) -> Option<u64> {
        self.at.get_mut(at)?.remove(peer).map(|end| end.number)
    }

    /// The end at `at`, if it stands.
    pub fn end(&self, at: usize, peer: usize) -> Option<&End> {
        self.at.get(at)?.get(peer)
    }

    /// The end at `at` of this very link, to change.
    pub fn end_of(&mut self, at: usize, peer: usize, number: u64) -> Option<&mut End> {
        self.at.get_mut(at)?.get_mut(peer).filter(|end| end.number == number)
    }

    /// Takes in that something was heard at `at` over this very link, now or (an acknowledgement) soon: gives the end to
    /// change, if it stands.
    pub fn hear(&mut self, at: usize, peer: usize, number: u64, when: Instant) -> Option<&mut End> {
        let Ends { peers, ends, fresh } = self.at.get_mut(at)?;
        let end = &mut ends[peers.binary_search(&(peer as u32)).ok()?];
        if end.number != number {
            return None;
        }
        end.heard = end.heard.max(when);
        if !std::mem::replace(&mut end.is_fresh, true) {
            fresh.push(peer as u32);
        }
        Some(end)
    }

    /// The ends at `at` on which something was heard by now since the last time, in order; what is only on its way stays
    /// for the next time.
    pub fn take_fresh(&mut self, at: usize, now: Instant) -> Vec<(usize, End)> {
        let Some(Ends { peers, ends, fresh }) = self.at.get_mut(at) else { return Vec::new() };
        fresh.sort_unstable();
        fresh.dedup();
        let mut heard = Vec::new();
        fresh.retain(|peer| {
            let Ok(place) = peers.binary_search(peer) else { return false };
            let end = &mut ends[place];
            let is_late = end.heard > now;
            if !is_late {
                end.is_fresh = false;
                heard.push((*peer as usize, *end));
            }
            is_late
        });
        heard
    }

    /// The peers of `at` of whom nothing was heard for so long, in order.
    pub fn silent_for(&self, at: usize, now: Instant, span: Span) -> Vec<usize> {
        let Some(Ends { peers, ends, .. }) = self.at.get(at) else { return Vec::new() };
        let silent = peers.iter().zip(ends).filter(|(_, end)| now.since(end.heard) >= span);
        silent.map(|(peer, _)| *peer as usize).collect()
    }

    /// The peers to whom an end stands at `at`, in order.
    pub fn peers(&self, at: usize) -> Vec<usize> {
        self.at.get(at).map(|ends| ends.peers.iter().map(|peer| *peer as usize).collect()).unwrap_or_default()
    }

    /// How many ends stand at `at`.
    pub fn count(&self, at: usize) -> usize {
        self.at.get(at).map_or(0, |ends| ends.peers.len())
    }
}
