//! Each origin's share of a node's work.
//!
//! Owns: one token bucket per origin.
//! Never does: know what the work is.

use crate::base::{BoundedMap, Id, Instant};

/// Token buckets by origin, at most [`ORIGINS_MAX`].
#[derive(Debug)]
pub struct Shares {
    rate: f64,
    buckets: BoundedMap<Id, Bucket, ORIGINS_MAX>,
    refused: u64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Shares {
    /// Buckets that fill at `rate` tokens a second, up to two seconds' worth.
    pub fn new(rate: u32) -> Shares {
        Shares { rate: f64::from(rate), buckets: BoundedMap::new(), refused: 0 }
    }

    /// Takes a token of this origin's; says whether there was one.
    pub fn take(&mut self, now: Instant, origin: &Id) -> bool {
        let (rate, full) = (self.rate, self.rate * 2.0);
        if !self.buckets.contains_key(origin) {
            if self.buckets.len() >= ORIGINS_MAX {
                self.buckets.retain(|_, bucket| bucket.at(now, rate) < full);
            }
            // A crowd of new origins, none of them idle: they share the refusal.
            if self.buckets.insert(*origin, Bucket { tokens: full, filled: now }).is_err() {
                self.refused += 1;
                return false;
            }
        }
        let Some(bucket) = self.buckets.get_mut(origin) else { return false };
        bucket.tokens = bucket.at(now, rate).min(full);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            self.refused += 1;
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// How many messages were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many origins are remembered.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }
}

impl Bucket {
    fn at(&self, now: Instant, rate: f64) -> f64 {
        self.tokens + now.since(self.filled).as_secs_f64() * rate
    }
}

/// Origins remembered: 64 bytes each make a third of a MiB.
pub const ORIGINS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Chance, Span};

    #[test]
    fn an_origin_gets_its_rate_and_a_burst_of_two_seconds() {
        let mut shares = Shares::new(10);
        let start = Instant::ORIGIN;
        assert_eq!((0..100).filter(|_| shares.take(start, &Id::ZERO)).count(), 20);
        assert_eq!((0..100).filter(|_| shares.take(start + Span::from_secs(1), &Id::ZERO)).count(), 10);
        assert!(shares.take(start, &Id::MAX), "another origin has its own");
    }

    #[test]
    fn a_crowd_of_origins_meets_the_limit_and_idle_ones_make_room() {
        let (mut shares, mut chance) = (Shares::new(1), Chance::from_seed(1));
        let crowd: Vec<Id> = (0..ORIGINS_MAX).map(|_| Id::from_bytes(chance.bytes32())).collect();
        assert!(crowd.iter().all(|id| shares.take(Instant::ORIGIN, id)));
        assert!(!shares.take(Instant::ORIGIN, &Id::ZERO));
        assert_eq!((shares.len(), shares.refused()), (ORIGINS_MAX, 1));
        assert!(shares.take(Instant::ORIGIN + Span::from_secs(5), &Id::ZERO));
    }
}
