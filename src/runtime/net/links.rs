//! All links of a node.
//!
//! Owns: links by handle and by peer, which of them want attention, and when each must be looked at.
//! Never does: scan them all, or decide which of two links stays.

use super::link::{Link, Phase};
use crate::base::{Deadlines, Id, Instant};
use crate::runtime::clock::Clock;
use quinn_proto::ConnectionHandle;
use std::collections::BTreeMap;

/// The links of one node; handles are those of QUIC's endpoint.
#[derive(Default)]
pub(super) struct Links {
    slots: Vec<Option<Box<Link>>>,
    peers: BTreeMap<Id, Seats>,
    count: usize,
    /// Those whose QUIC connection may have something to tell.
    touched: Vec<usize>,
    /// Those that may have packets to send.
    dirty: Vec<usize>,
    /// Those with traffic since the last report.
    active: Vec<usize>,
    due: Deadlines<usize>,
    /// Bytes of half-received messages over all links.
    pub assembling: usize,
    /// Handshakes by others that are not links yet.
    pub handshakes: usize,
}

/// Which links a peer has: hardly ever more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seats {
    pub up: Option<usize>,
    pub dialling: Option<usize>,
    pub retiring: Option<usize>,
}

impl Links {
    pub fn insert(&mut self, handle: ConnectionHandle, link: Link) {
        if self.slots.len() <= handle.0 {
            self.slots.resize_with(handle.0 + 1, || None);
        }
        self.slots[handle.0] = Some(Box::new(link));
        self.count += 1;
        self.touch(handle.0);
        self.soil(handle.0);
    }

    pub fn remove(&mut self, handle: usize) {
        if self.slots.get_mut(handle).and_then(Option::take).is_some() {
            self.count -= 1;
            self.due.clear(&handle);
        }
    }

    pub fn at(&mut self, handle: usize) -> Option<&mut Link> {
        self.slots.get_mut(handle)?.as_deref_mut()
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn seats(&self, peer: &Id) -> Seats {
        self.peers.get(peer).copied().unwrap_or_default()
    }

    pub fn set_seats(&mut self, peer: Id, seats: Seats) {
        if seats == Seats::default() {
            self.peers.remove(&peer);
        } else {
            self.peers.insert(peer, seats);
        }
    }

    /// Takes this link off whatever seat it has.
    pub fn vacate(&mut self, peer: Id, handle: usize) {
        let mut seats = self.seats(&peer);
        for seat in [&mut seats.up, &mut seats.dialling, &mut seats.retiring] {
            if *seat == Some(handle) {
                *seat = None;
            }
        }
        self.set_seats(peer, seats);
    }

    /// The link that messages to this peer take.
    pub fn up(&mut self, peer: &Id) -> Option<(usize, &mut Link)> {
        let handle = self.peers.get(peer)?.up?;
        Some((handle, self.slots.get_mut(handle)?.as_deref_mut()?))
    }

    /// All peers with a link that is up.
    pub fn peers_up(&self) -> impl Iterator<Item = &Id> {
        self.peers.iter().filter(|(_, seats)| seats.up.is_some()).map(|(peer, _)| peer)
    }

    pub fn peers(&self) -> impl Iterator<Item = &Id> {
        self.peers.keys()
    }

    /// Its QUIC connection may have something to tell.
    pub fn touch(&mut self, handle: usize) {
        let Some(Some(link)) = self.slots.get_mut(handle) else { return };
        if !std::mem::replace(&mut link.marks.touched, true) {
            self.touched.push(handle);
        }
    }

    pub fn next_touched(&mut self) -> Option<usize> {
        let handle = self.touched.pop()?;
        if let Some(link) = self.at(handle) {
            link.marks.touched = false;
        }
        Some(handle)
    }

    /// It may have packets to send.
    pub fn soil(&mut self, handle: usize) {
        let Some(Some(link)) = self.slots.get_mut(handle) else { return };
        if !std::mem::replace(&mut link.marks.dirty, true) {
            self.dirty.push(handle);
        }
        if !std::mem::replace(&mut link.marks.active, true) {
            self.active.push(handle);
        }
    }

    /// Takes the list of those that may have packets to send; each is clean from then on.
    pub fn take_dirty(&mut self) -> Vec<usize> {
        let dirty = std::mem::take(&mut self.dirty);
        for handle in &dirty {
            if let Some(link) = self.at(*handle) {
                link.marks.dirty = false;
            }
        }
        dirty
    }

    /// Gives the list's memory back, for the next time.
    pub fn reuse_dirty(&mut self, mut list: Vec<usize>) {
        list.clear();
        list.append(&mut self.dirty);
        self.dirty = list;
    }

    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Those with traffic since the last time.
    pub fn take_active(&mut self) -> Vec<usize> {
        let active = std::mem::take(&mut self.active);
        for handle in &active {
            if let Some(link) = self.at(*handle) {
                link.marks.active = false;
            }
        }
        active
    }

    /// Lists the link under the moment it must be looked at again. A moment that moves away is left as
    /// it is and found not due then: cheaper than moving it with every packet.
    pub fn arm(&mut self, handle: usize, clock: &Clock) {
        let Some(Some(link)) = self.slots.get_mut(handle) else { return };
        let timeout = link.conn.poll_timeout().map(|moment| clock.deadline(moment));
        let next = match (timeout, link.patience) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => match one.or(other) {
                Some(next) => next,
                None => return,
            },
        };
        if link.armed.is_none_or(|armed| next < armed) {
            link.armed = Some(next);
            self.due.set(handle, next);
        }
    }

    pub fn pop_due(&mut self, now: Instant) -> Option<usize> {
        let handle = self.due.pop_due(now)?;
        if let Some(link) = self.at(handle) {
            link.armed = None;
        }
        Some(handle)
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    /// Marks the link as over and takes it off its lists; what it was comes back.
    pub fn end(&mut self, handle: usize) -> Option<Phase> {
        let Some(Some(link)) = self.slots.get_mut(handle) else { return None };
        let phase = std::mem::replace(&mut link.phase, Phase::Over);
        link.patience = None;
        link.forget_incoming(&mut self.assembling);
        if matches!(phase, Phase::Handshake | Phase::Greeting { .. } | Phase::Refusing { .. }) && link.dialled.is_none()
        {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
        let peer = match &phase {
            Phase::Up { contact, .. } | Phase::Retiring { contact, .. } => Some(contact.id()),
            _ => link.dialled.as_ref().map(|dial| dial.contact.id()),
        };
        if let Some(peer) = peer {
            self.vacate(peer, handle);
        }
        self.soil(handle);
        Some(phase)
    }
}
