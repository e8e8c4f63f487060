//! Intervals that double while nothing changes.
//!
//! Owns: the pace of periodic maintenance (Trickle, RFC 6206 §4.2).
//! Never does: set a deadline itself, or suppress: each node speaks to few neighbours here.

use crate::base::{Chance, Span};

/// One pace between a shortest and a longest interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trickle {
    interval: Span,
    longest: Span,
}

impl Trickle {
    /// A pace that starts at its shortest interval.
    pub(super) fn new((shortest, longest): (Span, Span)) -> Trickle {
        Trickle { interval: shortest, longest: longest.max(shortest) }
    }

    /// How long to wait for the next turn: evenly from the second half of the interval (RFC 6206 §4.2
    /// rule 2), which then doubles.
    pub(super) fn next(&mut self, chance: &mut Chance) -> Span {
        let wait = self.interval.scaled(0.5 + 0.5 * chance.unit());
        self.interval = (self.interval * 2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_slows_to_its_limit() {
        let mut chance = Chance::from_seed(1);
        let mut pace = Trickle::new((Span::from_secs(2), Span::from_secs(16)));
        let waits: Vec<Span> = (0..6).map(|_| pace.next(&mut chance)).collect();
        for (wait, interval) in waits.iter().zip([2, 4, 8, 16, 16, 16]) {
            let interval = Span::from_secs(interval);
            assert!(*wait >= interval / 2 && *wait <= interval, "{wait} of {interval}");
        }
    }
}
