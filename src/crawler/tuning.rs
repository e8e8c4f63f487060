//! How a crawl may be tuned.
//!
//! Owns: the knobs, the limits, and where they come from.
//! Never does: change during a crawl.

use crate::base::Span;

/// What whoever starts a crawl may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Nodes visited at once, at least 1. Nebula's default is 1,000 (PUBLISHED, "Crawler parameters"); ours
    /// need a sixteenth, because all questions of a visit go out in two or three batches.
    pub workers: usize,
    /// Nodes visited in all; the others that are named are counted, and not visited.
    pub limit: usize,
    /// The admission puzzle of the network, in bits: contacts that do not solve it are not believed.
    pub puzzle_bits: u32,
    /// Pause between two batches of questions to one node. A guess: with three questions a batch, no node
    /// gets more than 150 a second.
    pub pause: Span,
    /// How long one visit may take, dial included.
    pub visit_max: Span,
    /// Visits begun to one node that did not answer, at least 1: a node is not given up after one failed
    /// dial (Nebula, issue 3).
    pub sessions: u8,
    /// Pause before the next of them, jittered. A guess: a restart or a crowded moment is over by then.
    pub retry_after: Span,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            workers: 64,
            limit: usize::MAX,
            puzzle_bits: 8,
            pause: Span::from_millis(20),
            visit_max: Span::from_secs(15),
            sessions: 3,
            retry_after: Span::from_secs(2),
        }
    }
}

/// Visits at once, whatever is asked for: a quarter of the links a transport holds.
pub const WORKERS_MAX: usize = 1_024;
/// Nodes known by name in one crawl, some 600 bytes each. Beyond it names are refused, and counted.
pub const NAMES_MAX: usize = 2_000_000;
/// Messages exchanged with one node for the crawler's sake, both ways: issue 3's bar. What would exceed it
/// is not asked.
pub const MESSAGES_MAX: u16 = 16;
/// Questions on their way to one node at once: its profile, its leaf set and one row. A guess.
pub(super) const BATCH: usize = 3;
/// How often one question is asked in all. At 5 % loss one question in a thousand stays without an answer.
pub(super) const TRIES: u8 = 3;
/// The leaf set once more: without it the visit was in vain. With 5 % of the messages lost each way, three tries
/// lost one node in a thousand (20,000 simulated nodes, 2026-11-25).
pub(super) const LEAF_SET_TRIES: u8 = 4;
/// What an answer may take beside three round trips: a busy host's. A guess.
pub(super) const PATIENCE_FLOOR: Span = Span::from_millis(500);
/// How long the node behind a seed's address may take to come up. The transport's own limits (question and
/// dial) are shorter; this one is for a host that says nothing.
pub(super) const SEED_MAX: Span = Span::from_secs(20);
/// Nodes that a node alone named and that came to nothing, before no more are visited on its word alone:
/// half a leaf set that died at once. A guess.
pub(super) const VOID_MAX: u32 = 16;
