//! The one place where the clock is read.
//!
//! Owns: the mapping between the machines' moments and those of the operating system.
//! Never does: wait, or hand a clock to a machine: hosts read it and pass the time on.

use crate::base::Instant;
use std::time;

/// A clock with an origin: moments are microseconds since then. Copies share the origin, so the nodes
/// of one process speak of the same moments.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: time::Instant,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Clock {
        Clock { origin: time::Instant::now() }
    }

    /// What time it is, rounded down to the microsecond.
    pub fn now(&self) -> Instant {
        Instant::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    /// The same moment as the system tells it; a moment too far ahead for the system is the origin
    /// plus a century.
    pub fn to_system(&self, moment: Instant) -> time::Instant {
        let since = time::Duration::from_micros(moment.as_micros().min(CENTURY_MICROS));
        self.origin + since
    }

    /// The first moment of ours that is not before the system's: a deadline rounded down would be
    /// found not due yet when it is met.
    pub fn deadline(&self, moment: time::Instant) -> Instant {
        let since = moment.saturating_duration_since(self.origin);
        Instant::from_micros(since.as_nanos().div_ceil(1_000).min(u128::from(u64::MAX)) as u64)
    }
}

/// Far enough ahead for any deadline, near enough for every system's clock to express.
const CENTURY_MICROS: u64 = 100 * 365 * 86_400 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_way_to_the_system_and_back() {
        let clock = Clock::start();
        for micros in [0, 1, 999_999, 86_400_000_000] {
            let moment = Instant::from_micros(micros);
            assert_eq!(clock.deadline(clock.to_system(moment)), moment);
        }
        clock.to_system(Instant::from_micros(u64::MAX));
    }

    #[test]
    fn a_deadline_is_never_rounded_to_before_itself() {
        let clock = Clock::start();
        let exact = clock.to_system(Instant::from_micros(7)) + time::Duration::from_nanos(1);
        assert_eq!(clock.deadline(exact), Instant::from_micros(8));
    }
}
