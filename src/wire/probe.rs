//! Are you there, and how far away?
//!
//! Owns: pings between linked nodes, the indirect ping through a third, and the exchange of link
//! round trips.
//! Never does: judge anybody.

use super::membership::Card;
use crate::base::{Coordinate, Id, Span};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What neighbours say to each other to know each other's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Probe {
    /// Are you there?
    Ping {
        /// Comes back in the pong.
        round: u32,
        /// How the sender stands.
        bearing: Bearing,
    },
    /// I am.
    Pong {
        /// Of the ping.
        round: u32,
        /// How the sender stands.
        bearing: Bearing,
    },
    /// I hear nothing of this node: please try it (SWIM, DSN 2002, §3.1).
    PingFor {
        /// Comes back with the answer.
        round: u32,
        /// Whom to try.
        suspect: Card,
    },
    /// What came of trying.
    PongFor {
        /// Of the request.
        round: u32,
        /// Whom we tried.
        suspect: Id,
        /// Whether it answered.
        alive: bool,
    },
    /// What my links cost: lets neighbours find the quicker way through me.
    Reach {
        /// Each entry replaces all we said before. At most [`REACH_MAX`].
        links: Arc<[ReachEntry]>,
    },
    /// I am here. Nothing need be said: the transport's acknowledgement tells that you are.
    Beat {
        /// How the sender stands.
        bearing: Bearing,
    },
    /// This node answers neither me nor others that I asked: see for yourself (MSPastry, DSN 2004, tells its leaf
    /// set so).
    Gone {
        /// Who.
        suspect: Id,
    },
}

/// How a node stands, as it says with each probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bearing {
    /// Where it sees itself in latency space.
    pub coordinate: Coordinate,
    /// Whether its leaf set is confirmed, so that it roots keys.
    pub ready: bool,
    /// How many nodes its own leaf set tells of; 0 if it does not know.
    pub nodes: u32,
}

impl Probe {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Probe::Ping { .. } => "ping",
            Probe::Pong { .. } => "pong",
            Probe::PingFor { .. } => "ping for",
            Probe::PongFor { .. } => "pong for",
            Probe::Reach { .. } => "reach",
            Probe::Beat { .. } => "beat",
            Probe::Gone { .. } => "gone",
        }
    }
}

/// One link of the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReachEntry {
    /// The first 64 bits of the peer's id: enough to name a node one knows or will meet.
    pub peer: u64,
    /// The smoothed round trip.
    pub rtt: Span,
}

impl ReachEntry {
    /// What an advert of these links says: the nearest of them, in the order of ids.
    pub fn nearest(links: Vec<ReachEntry>, count: usize) -> Arc<[ReachEntry]> {
        ReachEntry::chosen(links, (count, 0), |_| 0)
    }

    /// The same where adverts can show the whole network: a quarter are the nearest, the others those of the lowest `lot`, since a near
    /// neighbour's far links, and a far one's near ones, are the ways to what is far.
    pub fn spread(links: Vec<ReachEntry>, count: usize, lot: impl Fn(&ReachEntry) -> u64) -> Arc<[ReachEntry]> {
        let near = count / NEAR_SHARE;
        ReachEntry::chosen(links, (near, count - near), lot)
    }

    fn chosen(
        mut links: Vec<ReachEntry>,
        (near, others): (usize, usize),
        lot: impl Fn(&ReachEntry) -> u64,
    ) -> Arc<[ReachEntry]> {
        if links.len() > near + others {
            links.select_nth_unstable_by_key(near, |entry| (entry.rtt, entry.peer));
            links[near..].select_nth_unstable_by_key(others, |entry| (lot(entry), entry.peer));
            links.truncate(near + others);
        }
        links.sort_unstable();
        links.into()
    }
}

/// One in so many of those told of, and told, is of the nearest, where adverts can show the whole network. 1,000 nodes on PlanetLab hosts at
/// rest, 192 links (2026-11-28, seed 1): stretch 1.186 with the nearest alone, 1.120 with half of those told of by lot, 1.098 with
/// three quarters, 1.055 and 1.071 (two draws) with three quarters of those told as well, for the same bytes. In vast networks the nearest alone are
/// better: 16,384 nodes, 150 contacts, built directly, 1.128 instead of 1.134 with half of those told of by lot.
const NEAR_SHARE: usize = 4;
/// Links a node says the cost of at most, and nodes it tells them: where everybody is linked every link makes somebody's
/// detour. With 64 told to 64 stretch among 256 PlanetLab hosts was 0.977, with all told to all 0.909, for a quarter more
/// bytes (simulated, 2026-11-26). An advert of 256 entries is 3 KiB.
pub const REACH_MAX: usize = 256;
/// As many where not everybody can be linked: 64 entries of about 12 bytes fit one packet. Of
/// 80 links 48 made 1.144 of stretch, 64 1.141, all 1.139, built directly (16,384 nodes on PlanetLab hosts, 2026-11-25). They are told
/// to as many: told to the 32 nearest, nodes in far places, who are nobody's nearest, hardly heard any. By the whole protocol
/// stretch was 1.120 then and 1.054 with 64 (600 nodes, 80 links), 1.160 and 1.124 (1,024 nodes, 72 links), for ten bytes more a second
/// at rest (2026-11-26).
pub const REACH_NEAR: usize = 64;
