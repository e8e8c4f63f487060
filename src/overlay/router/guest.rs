//! Those who only pass by.
//!
//! Owns: the answer to those who survey the overlay, and forgetting a client whose link is gone.
//! Never does: dial a client, bury one, or let it push a neighbour out.

use super::Router;
use super::own::Turn;
use super::peers::{Link, Peer};
use crate::base::{Id, Instant, Span};
use crate::wire::{Membership, Profile};

impl Router {
    /// Somebody surveys the overlay.
    pub(super) fn on_profile_wanted(&self, t: &mut Turn, from: Id, round: u32) {
        let profile = Profile {
            program: PROGRAM.to_owned(),
            uptime: t.now.since(self.own.started),
            coordinate: self.own.coordinate,
            ready: self.join.says_ready(),
            links: self.peers.links() as u32,
            known: self.peers.len() as u32,
            rows: self.ring.table.rows(),
        };
        t.tell(from, Membership::Profile { round, profile });
    }

    /// A client's link is gone: nobody dials it, so there is nothing to keep. Says whether it was one.
    pub(super) fn forget_guest(&mut self, id: &Id) -> bool {
        if self.peers.find(id).is_none_or(Peer::is_server) {
            return false;
        }
        self.drop_doubt(id);
        self.peers.remove(id);
        true
    }

    /// Clients whose links are so young that they may be gone in a moment: they cost no neighbour its
    /// link.
    pub(super) fn young_guests(&self, now: Instant) -> usize {
        let young =
            |peer: &&Peer| matches!(peer.link, Link::Up { since, .. } if !peer.is_server() && now.since(since) < STAY);
        self.peers.linked().filter(young).count()
    }
}

/// What this node runs, as it tells.
const PROGRAM: &str = concat!("arras/", env!("CARGO_PKG_VERSION"));
/// A survey's visit takes a handshake and a few questions: some seconds on the slowest path. A guess.
const STAY: Span = Span::from_secs(10);
