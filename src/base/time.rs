//! Moments and spans.
//!
//! Owns: our own clockless time, in microseconds.
//! Never does: ask what time it is. Only a host makes an `Instant`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// A moment, in microseconds since the host's origin. Only a host can tell which one is now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

/// A length of time, in microseconds. Lifetimes travel between nodes as spans, never as moments.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(u64);

impl Instant {
    /// The host's origin.
    pub const ORIGIN: Instant = Instant(0);

    /// The moment this many microseconds after the host's origin.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros)
    }

    /// Microseconds since the host's origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; nothing if it lies ahead.
    pub const fn since(self, earlier: Instant) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// How long it is until `later`; nothing if it has passed.
    pub const fn until(self, later: Instant) -> Span {
        later.since(self)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than anything: about 584,000 years.
    pub const MAX: Span = Span(u64::MAX);

    /// This many microseconds.
    pub const fn from_micros(micros: u64) -> Span {
        Span(micros)
    }

    /// This many milliseconds.
    pub const fn from_millis(millis: u64) -> Span {
        Span(millis.saturating_mul(1_000))
    }

    /// This many seconds.
    pub const fn from_secs(secs: u64) -> Span {
        Span(secs.saturating_mul(1_000_000))
    }

    /// This many minutes.
    pub const fn from_mins(mins: u64) -> Span {
        Span::from_secs(mins.saturating_mul(60))
    }

    /// This many hours.
    pub const fn from_hours(hours: u64) -> Span {
        Span::from_mins(hours.saturating_mul(60))
    }

    /// The span in microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The span in whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// The span in milliseconds with fractions.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// The span in seconds with fractions.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// This span times a factor; a negative or undefined factor gives nothing.
    pub fn scaled(self, factor: f64) -> Span {
        Span((self.0 as f64 * factor).max(0.0) as u64)
    }

    /// The difference, or nothing if `other` is longer.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add<Span> for Instant {
    type Output = Instant;
    fn add(self, span: Span) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Instant {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for Instant {
    type Output = Instant;
    fn sub(self, span: Span) -> Instant {
        Instant(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Mul<u64> for Span {
    type Output = Span;
    fn mul(self, factor: u64) -> Span {
        Span(self.0.saturating_mul(factor))
    }
}

impl Div<u64> for Span {
    type Output = Span;
    fn div(self, divisor: u64) -> Span {
        Span(self.0 / divisor)
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        std::time::Duration::from_micros(span.0)
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Instant {
    /// `02:07.250`: minutes, seconds, milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000;
        write!(f, "{:02}:{:02}.{:03}", millis / 60_000, millis / 1_000 % 60, millis % 1_000)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Span {
    /// `250us`, `12.5ms`, `3.0s`, `15.0min` or `12.0h`, whichever is readable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{}us", self.0),
            1_000..1_000_000 => write!(f, "{:.1}ms", self.as_millis_f64()),
            1_000_000..120_000_000 => write!(f, "{:.1}s", self.as_secs_f64()),
            120_000_000..7_200_000_000 => write!(f, "{:.1}min", self.as_secs_f64() / 60.0),
            _ => write!(f, "{:.1}h", self.as_secs_f64() / 3_600.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_read_well_in_a_trace() {
        assert_eq!(format!("{:?}", Instant::from_micros(127_250_000)), "02:07.250");
        assert_eq!(Span::from_millis(12).to_string(), "12.0ms");
        assert_eq!(Span::from_hours(12).to_string(), "12.0h");
    }

    #[test]
    fn time_never_wraps() {
        assert_eq!(Instant::ORIGIN + Span::MAX + Span::MAX, Instant::from_micros(u64::MAX));
        assert_eq!(Instant::ORIGIN - Span::from_secs(1), Instant::ORIGIN);
        assert_eq!(Instant::ORIGIN.since(Instant::from_micros(5)), Span::ZERO);
    }
}
