//! Nodes that are away at night.
//!
//! Owns: which share is away at which hour, and when a node goes and comes back.
//! Never does: know time zones: it is night everywhere at once, the hardest case.

use crate::base::{Instant, Span};
use std::f64::consts::TAU;

/// A day's swing: a share that is away at midnight, nobody at noon, and a sine between the two. (Days show in what Bhagwan
/// et al., IPTPS 2003, measured; the sine is a guess.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Night {
    /// The share that is away at midnight, 0 to 1.
    depth: f64,
    /// What time of day it is at the first moment, in hours.
    hour: f64,
    /// The first moment.
    began: Instant,
}

impl Night {
    /// This share (0 to 1) is away at midnight; at `began` it is so many hours after midnight (0 to below 24).
    pub fn of(depth: f64, hour: f64, began: Instant) -> Night {
        Night { depth, hour, began }
    }

    /// The same swing, with its hour at another moment.
    #[must_use]
    pub fn beginning(self, began: Instant) -> Night {
        Night { began, ..self }
    }

    /// The share that is away.
    pub fn away_share(&self, now: Instant) -> f64 {
        self.depth * (1.0 + (self.hour_at(now) / DAY_HOURS * TAU).cos()) / 2.0
    }

    /// How long a node of this rank (0 to 1, evenly drawn) stays as it is, away or there; `None` if nights are nothing to
    /// it. Each is away around midnight, the longer the lower its rank.
    pub fn until_turn(&self, rank: f64, is_away: bool, now: Instant) -> Option<Span> {
        if rank >= self.depth {
            return None;
        }
        let half_night = (2.0 * rank / self.depth - 1.0).acos() / TAU * DAY_HOURS;
        let turn = if is_away { half_night } else { DAY_HOURS - half_night };
        let hours = (turn - self.hour_at(now)).rem_euclid(DAY_HOURS);
        // Who is away almost all day does not turn without time passing.
        Some(Span::from_hours(1).scaled(hours).max(TURN_MIN))
    }

    fn hour_at(&self, now: Instant) -> f64 {
        (self.hour + now.since(self.began).as_secs_f64() / 3_600.0).rem_euclid(DAY_HOURS)
    }
}

const DAY_HOURS: f64 = 24.0;
/// Far above what rounding loses of a moment. A guess.
const TURN_MIN: Span = Span::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Instant {
        Instant::ORIGIN + Span::from_hours(1).scaled(hours)
    }

    #[test]
    fn nobody_is_away_at_noon_the_whole_share_at_midnight_and_half_of_it_between() {
        let night = Night::of(0.4, 12.0, at(0.0));
        for (after, share) in [(0.0, 0.0), (6.0, 0.2), (12.0, 0.4), (18.0, 0.2), (24.0, 0.0), (36.0, 0.4)] {
            assert!((night.away_share(at(after)) - share).abs() < 1e-9, "{after}");
        }
        assert!((night.beginning(at(5.0)).away_share(at(17.0)) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn nodes_that_turn_when_they_should_are_away_in_the_share_that_is_due() {
        let night = Night::of(0.5, 15.0, at(0.0));
        let nodes = 1_000;
        let mut nodes: Vec<(f64, bool, Instant)> =
            (0..nodes).map(|node| (f64::from(node) / f64::from(nodes), false, at(0.0))).collect();
        for node in &mut nodes {
            node.1 = node.0 < night.away_share(at(0.0));
        }
        for quarter in 1..=48 * 4 {
            let now = at(f64::from(quarter) / 4.0);
            for (rank, is_away, since) in &mut nodes {
                while let Some(turn) = night.until_turn(*rank, *is_away, *since).map(|span| *since + span)
                    && turn <= now
                {
                    (*is_away, *since) = (!*is_away, turn);
                }
            }
            let away = nodes.iter().filter(|(_, is_away, _)| *is_away).count() as f64 / nodes.len() as f64;
            assert!((away - night.away_share(now)).abs() < 0.01, "{quarter}: {away}");
        }
        assert_eq!(night.until_turn(0.5, false, at(3.0)), None);
    }
}
