//! How many nodes there are, told from how dense they stand on the ring.
//!
//! Owns: the estimate from leaf sets and from the roots of random keys, its bias, its interval and its error against a known size.
//! Never does: ask anybody; it is given shares of the ring.
//!
//! The derivation. Ids are even draws from a ring of length 1. Seen from a fixed place, N such draws lie at even random distances
//! clockwise, and the m-th of them in order lies at a distance S distributed as Beta(m, N + 1 - m). By the exchangeability of the
//! spacings the same holds for any m spacings that follow each other. Since E\[1/S\] = N / (m - 1), **(m - 1) / S is an unbiased
//! estimate of N**, and it is the best unbiased one, S being all that such a sample tells; the obvious m / S is too high by m / (m - 1).
//! For small S this is the usual estimate of the rate of exponential spacings, S being a Gamma(m) over N. Its relative standard
//! deviation is sqrt(1 / (m - 2)) as long as S is small, its median absolute error about 0.67 of that.
//!
//! - A node's own leaf set, k spacings from its farthest member on one side to the farthest on the other: the other N = n - 1 nodes
//!   were drawn around it, m = k.
//! - The leaf set of the root of a random key: the key lies in a spacing that is longer for having been hit. With the key as one
//!   more point on the ring the k spacings become m = k + 1, among N = n nodes. (Whether the root lies before or behind
//!   the key depends on which half of the hit spacing is shorter, and both halves are counted.)
//! - The distance d alone from a random key to its root: no node of n lies within d on either side, so P(2d > y) = (1 - y)^n and
//!   -ln(1 - 2d) is exponential with rate n: m = 1 spacing of that length.
//!
//! Several such samples are added up, spacings to spacings and lengths to lengths; where they overlap on the ring a part is counted twice,
//! which biases nothing and makes the interval a little too narrow.

use super::distribution::{Summary, mean};
use crate::base::Id;
use serde::{Deserialize, Serialize};

/// Something seen of the ring. Lengths are shares of the ring, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sighting {
    /// From the farthest known neighbour on one side of the observer to the farthest on the other, all between being known.
    Own {
        /// One more than the nodes strictly between the two ends: 32 for 16 a side.
        spacings: usize,
        /// How long that is.
        length: f64,
    },
    /// The same around the root of a random key.
    Root {
        /// As above.
        spacings: usize,
        /// As above.
        length: f64,
    },
    /// The distance from a random key to its root.
    Nearest {
        /// The shorter way round, at most one half.
        distance: f64,
    },
}

/// How many nodes there seem to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeEstimate {
    /// The unbiased estimate.
    pub nodes: f64,
    /// What dividing spacings by length gives, too high by one spacing.
    pub uncorrected: f64,
    /// How many spacings it rests on.
    pub spacings: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How far estimates lie from the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeError {
    /// How many nodes there were.
    pub truth: usize,
    /// How far estimates are off, as a share of the truth, too high or too low: `p50` is the median error.
    pub error: Summary,
    /// The mean of the estimates over the truth, less 1: positive if they are too high on the whole.
    pub bias: f64,
}

impl Sighting {
    /// A node's own leaf set, each side nearest first. `None` if a side is empty or the two meet: then everybody is known, and counted.
    pub fn own(me: &Id, before: &[Id], after: &[Id]) -> Option<Sighting> {
        span(me, before, after).map(|(spacings, length)| Sighting::Own { spacings, length })
    }

    /// The leaf set of the root of a random key.
    pub fn root(root: &Id, before: &[Id], after: &[Id]) -> Option<Sighting> {
        span(root, before, after).map(|(spacings, length)| Sighting::Root { spacings, length })
    }

    /// The root of a random key.
    pub fn nearest(key: &Id, root: &Id) -> Sighting {
        Sighting::Nearest { distance: key.distance(root).as_ring_share() }
    }

    /// Spacings and length, and whether the observer is one of the nodes that make them.
    fn spacings(self) -> (f64, f64, bool) {
        match self {
            Sighting::Own { spacings, length } => (spacings as f64, length, true),
            Sighting::Root { spacings, length } => (spacings as f64 + 1.0, length, false),
            Sighting::Nearest { distance } => (1.0, -(-2.0 * distance).ln_1p(), false),
        }
    }
}

impl SizeEstimate {
    /// From all that was seen. `None` if that is fewer than two spacings, or no length.
    pub fn of(seen: impl IntoIterator<Item = Sighting>) -> Option<SizeEstimate> {
        let (mut spacings, mut length, mut own) = (0.0, 0.0, 0.0);
        for (one, long, is_own) in seen.into_iter().map(Sighting::spacings) {
            spacings += one;
            length += long;
            own += if is_own { one } else { 0.0 };
        }
        // Around itself a node sees the others only: there it is one more.
        let itself = own / spacings;
        // Length times size is a Gamma(spacings): its quantiles by Wilson and Hilferty (1931), good to 3 % from 3 spacings on, to 0.3 % from 8.
        let gamma = |normal: f64| {
            let cube = 1.0 - 1.0 / (9.0 * spacings) + normal / (3.0 * spacings.sqrt());
            spacings * cube.max(0.0).powi(3)
        };
        (spacings >= 2.0 && length > 0.0 && length.is_finite()).then(|| SizeEstimate {
            nodes: (spacings - 1.0) / length + itself,
            uncorrected: spacings / length + itself,
            spacings,
            low: gamma(-NORMAL_95) / length + itself,
            high: gamma(NORMAL_95) / length + itself,
        })
    }
}

impl SizeError {
    /// Of these estimates of one size; `None` if there are none.
    pub fn of(estimates: impl IntoIterator<Item = f64>, truth: usize) -> Option<SizeError> {
        let ratios: Vec<f64> = estimates.into_iter().map(|nodes| nodes / truth as f64).collect();
        let bias = mean(&ratios)? - 1.0;
        Some(SizeError { truth, error: Summary::of(ratios.iter().map(|ratio| (ratio - 1.0).abs()))?, bias })
    }
}

/// From the last one before to the last one after.
fn span(middle: &Id, before: &[Id], after: &[Id]) -> Option<(usize, f64)> {
    let (first, last) = (before.last()?, after.last()?);
    let length = first.clockwise(middle).as_ring_share() + middle.clockwise(last).as_ring_share();
    (length < 1.0).then_some((before.len() + after.len(), length))
}

/// The two-sided 95 % quantile of the normal distribution.
const NORMAL_95: f64 = 1.959_964;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Chance;

    /// A ring of random ids in order.
    struct Ring(Vec<Id>);

    impl Ring {
        fn new(nodes: usize, chance: &mut Chance) -> Ring {
            let mut ids: Vec<Id> = (0..nodes).map(|_| Id::from_bytes(chance.bytes32())).collect();
            ids.sort_unstable();
            Ring(ids)
        }

        fn sides(&self, at: usize, a_side: usize) -> (Vec<Id>, Vec<Id>) {
            let n = self.0.len();
            let after = (1..=a_side).map(|step| self.0[(at + step) % n]).collect();
            ((1..=a_side).map(|step| self.0[(at + n - step) % n]).collect(), after)
        }

        fn own(&self, at: usize, a_side: usize) -> Sighting {
            let (before, after) = self.sides(at, a_side);
            Sighting::own(&self.0[at], &before, &after).unwrap()
        }

        /// The key and the place of its root.
        fn lookup(&self, chance: &mut Chance) -> (Id, usize) {
            let key = Id::from_bytes(chance.bytes32());
            let after = self.0.partition_point(|id| *id < key) % self.0.len();
            let before = (after + self.0.len() - 1) % self.0.len();
            (key, if self.0[after].is_nearer(&key, &self.0[before]) { after } else { before })
        }

        fn root(&self, chance: &mut Chance) -> Sighting {
            let (_, root) = self.lookup(chance);
            let (before, after) = self.sides(root, 16);
            Sighting::root(&self.0[root], &before, &after).unwrap()
        }

        fn nearest(&self, chance: &mut Chance) -> Sighting {
            let (key, root) = self.lookup(chance);
            Sighting::nearest(&key, &self.0[root])
        }
    }

    const NODES: usize = 10_000;

    /// The error over many rings (one ring's neighbours see much the same), with what a node there sees.
    fn error(rings: usize, mut seen: impl FnMut(&Ring, usize, &mut Chance) -> Vec<Sighting>) -> (SizeError, f64) {
        let mut chance = Chance::from_seed(20);
        let (mut estimates, mut held) = (Vec::new(), 0);
        for _ in 0..rings {
            let ring = Ring::new(NODES, &mut chance);
            for at in (0..NODES).step_by(NODES / 50) {
                let estimate = SizeEstimate::of(seen(&ring, at, &mut chance)).unwrap();
                held += usize::from(estimate.low <= NODES as f64 && NODES as f64 <= estimate.high);
                estimates.push(estimate.nodes);
            }
        }
        let held = held as f64 / estimates.len() as f64;
        (SizeError::of(estimates, NODES).unwrap(), held)
    }

    #[test]
    fn a_third_of_the_ring_with_eight_spacings_is_worked_out_by_hand() {
        let estimate = SizeEstimate::of([Sighting::Own { spacings: 8, length: 0.25 }]).unwrap();
        assert_eq!((estimate.nodes, estimate.uncorrected, estimate.spacings), (29.0, 33.0, 8.0));
        // Gamma(8) has its 2.5th and 97.5th percentile at 3.454 and 14.42 (chi-squared of 16 degrees, halved).
        assert!((estimate.low - 14.8).abs() < 0.1 && (estimate.high - 58.7).abs() < 0.2, "{estimate:?}");
        let root = SizeEstimate::of([Sighting::Root { spacings: 8, length: 0.25 }]).unwrap();
        assert_eq!((root.nodes, root.spacings), (32.0, 9.0));
        assert_eq!(SizeEstimate::of([Sighting::Nearest { distance: 0.1 }]), None);
        assert_eq!(SizeEstimate::of([]), None);
    }

    #[test]
    fn the_whole_ring_is_counted_without_error() {
        // Four nodes: the four spacings around one of them are the ring.
        assert_eq!(SizeEstimate::of([Sighting::Own { spacings: 4, length: 1.0 }]).unwrap().nodes, 4.0);
        let id = |digit| Id::ZERO.with_digit(0, digit);
        assert_eq!(Sighting::own(&id(0), &[id(12), id(8)], &[id(4), id(8)]), None, "the sides meet");
        let quarter = Sighting::Own { spacings: 2, length: 0.25 };
        assert_eq!(Sighting::own(&id(0), &[id(14)], &[id(2)]), Some(quarter));
    }

    #[test]
    fn one_leaf_set_of_16_a_side_is_off_by_12_per_cent_and_unbiased() {
        let (error, held) = error(40, |ring, at, _| vec![ring.own(at, 16)]);
        // 0.6745 / sqrt(30) = 12.3 %: 32 spacings do not tell more.
        assert!((0.105..0.135).contains(&error.error.p50), "{error:?}");
        assert!(error.bias.abs() < 0.02 && (0.93..0.97).contains(&held), "{error:?} {held}");
    }

    #[test]
    fn with_the_leaf_sets_of_its_two_farthest_leaves_the_median_error_is_below_a_tenth() {
        // Announcements and their answers carry the leaf set of who sends them: a node is told who stands up to 32 places away.
        let (error, held) = error(40, |ring, at, _| vec![ring.own(at, 32)]);
        assert!(error.error.p50 <= 0.10 && error.error.p90 <= 0.22, "{error:?}");
        assert!(error.bias.abs() < 0.02 && held > 0.92, "{error:?} {held}");
    }

    #[test]
    fn after_32_lookups_that_bring_the_roots_leaf_sets_the_median_error_is_below_a_twentieth() {
        let (error, held) =
            error(10, |ring, at, chance| (0..32).map(|_| ring.root(chance)).chain([ring.own(at, 16)]).collect());
        assert!(error.error.p50 <= 0.05 && error.error.p90 <= 0.08, "{error:?}");
        assert!(error.bias.abs() < 0.01 && held > 0.85, "{error:?} {held}");
    }

    #[test]
    fn distances_of_the_roots_alone_say_less() {
        let (error, held) =
            error(20, |ring, at, chance| (0..32).map(|_| ring.nearest(chance)).chain([ring.own(at, 16)]).collect());
        assert!((0.06..0.10).contains(&error.error.p50) && error.bias.abs() < 0.02, "{error:?}");
        assert!(held > 0.92, "{held}");
    }

    #[test]
    fn a_root_counted_like_oneself_would_be_too_low() {
        let mut chance = Chance::from_seed(4);
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let ring = Ring::new(1_000, &mut chance);
            for _ in 0..200 {
                let (_, root) = ring.lookup(&mut chance);
                let (before, after) = ring.sides(root, 2);
                let of = |sighting: Option<Sighting>| SizeEstimate::of(sighting).unwrap().nodes;
                right.push(of(Sighting::root(&ring.0[root], &before, &after)));
                wrong.push(of(Sighting::own(&ring.0[root], &before, &after)));
            }
        }
        let bias = |estimates: Vec<f64>| SizeError::of(estimates, 1_000).unwrap().bias;
        // Four spacings, one of them hit: 3 / S instead of 4 / S.
        let (right, wrong) = (bias(right), bias(wrong));
        assert!(right.abs() < 0.05 && (-0.30..-0.20).contains(&wrong), "{right} {wrong}");
    }
}
