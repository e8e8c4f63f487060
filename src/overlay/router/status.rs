//! How the routing stands, for people and tools.
//!
//! Owns: the answer to [`Command::RouterStatus`](crate::overlay::Command::RouterStatus).
//! Never does: feed back into routing.

use crate::base::{Coordinate, Id, Span};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The routing state in summary, and each known peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// This node.
    pub id: Id,
    /// Whether it roots keys.
    pub ready: bool,
    /// What it is doing about its place in the overlay, in words: `ready`, `joining: …`, `alone: …`.
    pub state: String,
    /// Where it sees itself in latency space.
    pub coordinate: Coordinate,
    /// Leaf set, counter-clockwise, nearest first.
    pub leaf_before: Vec<Id>,
    /// Leaf set, clockwise, nearest first.
    pub leaf_after: Vec<Id>,
    /// Occupied slots of each row of the prefix table, row 0 first, as far as there are any.
    pub row_fill: Vec<usize>,
    /// Nodes in the whole network, estimated from the leaf set's density.
    pub size_estimate: Option<f64>,
    /// Known nodes: leaf set, prefix table, and other links.
    pub peers: Vec<PeerStatus>,
}

/// One known node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Who.
    pub id: Id,
    /// Where.
    pub address: Option<SocketAddr>,
    /// The link's smoothed round trip, if there is a link.
    pub link_rtt: Option<Span>,
    /// The best known round trip otherwise: measured without a link, or predicted by coordinates.
    pub estimated_rtt: Option<Span>,
    /// Whether it is in the leaf set.
    pub in_leaf_set: bool,
    /// Digits its id shares with this node's: its row in the prefix table.
    pub row: usize,
    /// Whether it is in the prefix table.
    pub in_table: bool,
    /// Whether it says that it roots keys.
    pub ready: bool,
    /// Whether it is a client, which roots nothing.
    pub client: bool,
    /// Whether it is suspected to be dead.
    pub suspected: bool,
}
