//! How much of the overlay was seen?
//!
//! Owns: the share of named nodes that answered, and an estimate of those that nobody named.
//! Never does: call a node dead: one that does not answer may be unreachable from here only.

use super::census::{Census, Outcome};
use serde::Serialize;

/// How much of the overlay a crawl saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// Nodes known by name.
    pub named: usize,
    /// Of these, nodes that told at least their leaf set.
    pub visited: usize,
    /// Of these, nodes that did not: dead, or not to be reached from here.
    pub failed: usize,
    /// Of these, nodes that were not visited, because of the limit or because the crawl was stopped.
    pub unvisited: usize,
    /// `visited / named`.
    pub visited_share: f64,
    /// Visited nodes named by exactly one, and by exactly two other visited nodes.
    pub named_once: usize,
    /// See `named_once`.
    pub named_twice: usize,
    /// How many live nodes nobody named, estimated from these by capture and recapture: each visited node is
    /// a trap that catches those it names, and `f1 (f1 - 1) / 2 (f2 + 1)` were caught by none (Chao 1984,
    /// bias-corrected: a lower bound where nodes differ in how often they are named).
    pub unseen_estimate: f64,
    /// `visited / (visited + unvisited + unseen_estimate)`: the share of the nodes that could have been
    /// visited.
    pub coverage_estimate: f64,
}

impl Coverage {
    /// The coverage of this crawl.
    pub fn of(census: &Census) -> Coverage {
        let named_by = census.named_by();
        let times = |n: u32| census.visited().filter(|(index, ..)| named_by[*index as usize] == n).count();
        let (once, twice) = (times(1), times(2));
        let named = census.nodes.len();
        let visited = census.visited().count();
        let unvisited = census.nodes.iter().filter(|node| node.outcome == Outcome::Unvisited).count();
        let unseen = unseen(once, twice);
        let reachable = visited as f64 + unvisited as f64 + unseen;
        Coverage {
            named,
            visited,
            failed: named - visited - unvisited,
            unvisited,
            visited_share: share(visited as f64, named as f64),
            named_once: once,
            named_twice: twice,
            unseen_estimate: unseen,
            coverage_estimate: share(visited as f64, reachable),
        }
    }
}

fn unseen(once: usize, twice: usize) -> f64 {
    (once * once.saturating_sub(1)) as f64 / (2 * (twice + 1)) as f64
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Chance;

    #[test]
    fn the_estimate_finds_what_random_traps_missed() {
        let mut chance = Chance::from_seed(3);
        let mut caught = vec![0; 2_000];
        for _ in 0..3_000 {
            caught[chance.index(2_000)] += 1;
        }
        let times = |n| caught.iter().filter(|count| **count == n).count();
        let (missed, estimate) = (times(0) as f64, unseen(times(1), times(2)));
        assert!((estimate / missed - 1.0).abs() < 0.15, "{estimate} of {missed}");
    }

    #[test]
    fn where_everybody_is_named_often_nobody_is_missed() {
        assert_eq!((unseen(0, 0), unseen(1, 0), unseen(0, 7)), (0.0, 0.0, 0.0));
    }
}
