//! How the Router may be tuned, and what a network must agree on.
//!
//! Owns: the knobs, their defaults and where these come from.
//! Never does: change at run time.

use crate::base::Span;

/// What all nodes of a network must agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The network's name: nodes of another are refused. At most 64 bytes of UTF-8.
    pub network: String,
    /// Leading zero bits of the admission puzzle, 0 to 40. 8 costs a tenth of a millisecond; a
    /// consortium may ask for more.
    pub puzzle_bits: u32,
}

/// What one node may choose for itself about membership.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Leaf-set members on each side, 1 to 24. DESIGN §5; MSPastry and Bamboo use 12 to 16.
    pub leaf_set_per_side: usize,
    /// Contacts in each slot of the prefix table, 1 to 8. DESIGN §5, from a first trial: 1.24 stretch
    /// with one, 1.11 with three and the lowest-expected-latency rule.
    pub contacts_per_slot: usize,
    /// Live links kept, leaf set included; at least twice `leaf_set_per_side`. DESIGN §5.
    pub link_budget: usize,
    /// Whether it tells its neighbours what its links cost, and goes through others where that is quicker than its own link.
    pub detours: bool,
    /// Shortest and longest interval of leaf-set exchange (Trickle, RFC 6206), longer each time; a change is told within seconds
    /// besides, and not sooner again: all whom it concerns hear of a newcomer or a death from others as well.
    pub leaf_set_interval: (Span, Span),
    /// Shortest and longest interval of prefix-table maintenance, one row a turn. MSPastry (DSN 2004) has 20 minutes; DESIGN §6:
    /// "near rows in minutes".
    pub table_interval: (Span, Span),
    /// How long the next node on the ring may be quiet before it is probed; a third of it where several died within a
    /// minute. Other links may be quiet for as long as the deaths
    /// seen here allow, 20 s to 10 min. MSPastry (DSN 2004) has 30 s; with 20 a silent death is known within half a minute.
    pub probe_after: Span,
    /// Longest pause between attempts to rejoin when nobody is left; the pause starts at 1 s and
    /// doubles, jittered. It never ends.
    pub rejoin_pause_max: Span,
}

impl Default for Agreement {
    fn default() -> Agreement {
        Agreement { network: "arras".to_owned(), puzzle_bits: 8 }
    }
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            leaf_set_per_side: 16,
            contacts_per_slot: 3,
            link_budget: 256,
            detours: true,
            leaf_set_interval: (Span::from_secs(4), Span::from_mins(10)),
            table_interval: (Span::from_secs(15), Span::from_mins(20)),
            probe_after: Span::from_secs(20),
            rejoin_pause_max: Span::from_secs(60),
        }
    }
}
