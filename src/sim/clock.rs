//! Clocks that do not run alike.
//!
//! Owns: what a node's own clock shows at a moment of the world, and at which moment it shows something.
//! Never does: jump: a clock runs a little fast or slow, evenly.

use super::underlay::plane::ODD;
use crate::base::{Chance, Instant};

/// A node's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// By how many millionths it is fast; slow, if negative.
    ppm: i64,
}

impl Clock {
    /// The clock of this node in the world of this seed: at most so many millionths fast or slow, evenly drawn.
    pub(super) fn drawn(seed: u64, node: usize, ppm_max: u32) -> Clock {
        let most = i64::from(ppm_max);
        let mut chance = Chance::from_seed(seed ^ DRIFT ^ (node as u64 + 1).wrapping_mul(ODD));
        Clock { ppm: chance.below(2 * most as u64 + 1) as i64 - most }
    }

    /// What it shows at this moment of the world.
    pub(super) fn shows(self, now: Instant) -> Instant {
        let shown = i128::from(now.as_micros()) * self.pace() / MILLION;
        Instant::from_micros(shown as u64)
    }

    /// The first moment of the world at which it shows this or more.
    pub(super) fn reaches(self, shown: Instant) -> Instant {
        let moment = (i128::from(shown.as_micros()) * MILLION + self.pace() - 1) / self.pace();
        Instant::from_micros(u64::try_from(moment).unwrap_or(u64::MAX))
    }

    fn pace(self) -> i128 {
        MILLION + i128::from(self.ppm)
    }
}

const MILLION: i128 = 1_000_000;
/// Sets the draw of a clock apart from all others.
const DRIFT: u64 = 0x4472_6966_7400_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clocks_are_drawn_evenly_within_their_bound() {
        let rates: Vec<i64> = (0..2_000).map(|node| Clock::drawn(7, node, 100).ppm).collect();
        assert!(rates.iter().all(|ppm| ppm.abs() <= 100));
        assert!(rates.contains(&100) && rates.contains(&-100));
        assert!(rates.iter().sum::<i64>().abs() < 2_000 * 5);
        assert_eq!(Clock::drawn(7, 3, 0), Clock::default());
    }

    proptest! {
        #[test]
        fn a_deadline_is_reached_at_the_first_moment_at_which_the_clock_shows_it(
            ppm in -100_000i64..=100_000, shown in 0u64..1 << 50,
        ) {
            let (clock, shown) = (Clock { ppm }, Instant::from_micros(shown));
            let moment = clock.reaches(shown);
            prop_assert!(clock.shows(moment) >= shown);
            let before = Instant::from_micros(moment.as_micros().saturating_sub(1));
            prop_assert!(moment == Instant::ORIGIN || clock.shows(before) < shown);
        }
    }
}
