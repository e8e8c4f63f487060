//! Samples in a few numbers.
//!
//! Owns: the exact summary of a set of samples, the middle and spread of repeats, and the confidence interval of a mean.
//! Never does: estimate what it can count; every quantile is one of the samples.

use serde::{Deserialize, Serialize};

/// Count, mean and quantiles of a set of samples, in their unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many samples there are; at least 1.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// The nearest-rank median, see [`quantile`].
    pub p50: f64,
    /// 90 of 100 are at most this.
    pub p90: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The standard deviation of a sample (over count - 1); 0 for a single one.
    pub std: f64,
}

/// The same figure from several runs: which one to quote, and how far the runs lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    /// How many runs there are; at least 1.
    pub count: usize,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// `(max - min) / median`; 0 if the median is 0.
    pub spread: f64,
}

/// A mean over independent runs and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// How many runs there are; at least 2.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// The lower end of the interval that holds the true mean in 95 of 100 such experiments.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How often something happened in independent trials, and how sure its probability is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How often it happened.
    pub happened: usize,
    /// In how many trials; at least 1.
    pub trials: usize,
    /// One over the other, 0 to 1.
    pub share: f64,
    /// The lower end of the 95 % interval of the probability (Wilson 1927), which is right near 0 and 1 too.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Share {
    /// So often in so many trials; `None` without a trial.
    pub fn of(happened: usize, trials: usize) -> Option<Share> {
        let (happened, n) = (happened.min(trials), trials as f64);
        let (share, z2) = (happened as f64 / n, NORMAL_95 * NORMAL_95);
        let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = NORMAL_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        // What never happened may have probability 0, and rounding must not say otherwise.
        let low = if happened == 0 { 0.0 } else { middle - half };
        let high = if happened == trials { 1.0 } else { middle + half };
        (trials > 0).then_some(Share { happened, trials, share, low, high })
    }
}

impl Summary {
    /// The summary of samples that are there so many times each; `None` if there is none. Samples that are not finite are left out.
    pub fn of_counts(counts: impl IntoIterator<Item = (f64, u64)>) -> Option<Summary> {
        let mut kept: Vec<(f64, u64)> = counts.into_iter().filter(|(value, n)| value.is_finite() && *n > 0).collect();
        kept.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let count: u64 = kept.iter().map(|(_, times)| times).sum();
        let mean = kept.iter().map(|(value, times)| value * *times as f64).sum::<f64>() / count as f64;
        let squares: f64 = kept.iter().map(|(value, times)| (value - mean).powi(2) * *times as f64).sum();
        let ranked = |q: f64| {
            let rank = ((q * count as f64 - 1e-9).ceil() as u64).clamp(1, count.max(1));
            let mut up_to = 0;
            let reaches = |(_, times): &&(f64, u64)| {
                up_to += times;
                up_to >= rank
            };
            kept.iter().find(reaches).map(|(value, _)| *value)
        };
        Some(Summary {
            count: count as usize,
            mean,
            p50: ranked(0.5)?,
            p90: ranked(0.9)?,
            p99: ranked(0.99)?,
            min: kept.first()?.0,
            max: kept.last()?.0,
            std: (squares / (count as f64 - 1.0).max(1.0)).sqrt(),
        })
    }

    /// The summary of these samples; `None` if there is none. Samples that are not finite are left out.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Summary> {
        let sorted = sorted(samples);
        Some(Summary {
            count: sorted.len(),
            mean: mean(&sorted)?,
            p50: quantile(&sorted, 0.5)?,
            p90: quantile(&sorted, 0.9)?,
            p99: quantile(&sorted, 0.99)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
            std: deviation(&sorted)?,
        })
    }
}

impl Repeats {
    /// The middle and spread of these runs; `None` if there is none. Runs that are not finite are left out.
    pub fn of(runs: impl IntoIterator<Item = f64>) -> Option<Repeats> {
        let sorted = sorted(runs);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        let spread = if median == 0.0 { 0.0 } else { (max - min) / median.abs() };
        Some(Repeats { count: sorted.len(), median, min, max, spread })
    }
}

impl Interval {
    /// The 95 % confidence interval of the mean of these runs by Student's t; `None` for fewer than two. The runs must be
    /// independent (one per seed, not one per lookup). Runs that are not finite are left out.
    pub fn of(runs: impl IntoIterator<Item = f64>) -> Option<Interval> {
        let sorted = sorted(runs);
        if sorted.len() < 2 {
            return None;
        }
        let mean = mean(&sorted)?;
        let half = student_t(sorted.len() - 1) * deviation(&sorted)? / (sorted.len() as f64).sqrt();
        Some(Interval { count: sorted.len(), mean, low: mean - half, high: mean + half })
    }
}

/// The nearest-rank quantile of ascending samples: the smallest sample that at least the share `q` (0 to 1) of all
/// do not exceed. `None` if there is no sample.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    // Products such as 0.9 * 10 must not be lifted over a whole number by rounding.
    let rank = (q * sorted.len() as f64 - 1e-9).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// The finite ones in ascending order.
pub fn sorted(samples: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut kept: Vec<f64> = samples.into_iter().filter(|sample| sample.is_finite()).collect();
    kept.sort_unstable_by(f64::total_cmp);
    kept
}

/// The mean; `None` if there is no sample.
pub fn mean(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| samples.iter().sum::<f64>() / samples.len() as f64)
}

fn deviation(samples: &[f64]) -> Option<f64> {
    let mean = mean(samples)?;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    Some((squares / (samples.len() as f64 - 1.0).max(1.0)).sqrt())
}

/// The two-sided 95 % quantile of Student's t with these degrees of freedom; between the rows of the table that of the next
/// smaller, which makes the interval a little wider, never narrower.
fn student_t(freedom: usize) -> f64 {
    let row = STUDENT_T_95.iter().rev().find(|(from, _)| *from <= freedom);
    row.map_or(STUDENT_T_95[0].1, |(_, t)| *t)
}

/// The two-sided 95 % quantile of the normal distribution (same tables).
const NORMAL_95: f64 = 1.959_964;

/// Degrees of freedom and t, from the usual tables (NIST Handbook of Statistical Methods, 1.3.6.7.2, column 0.975).
const STUDENT_T_95: [(usize, f64); 34] = [
    (1, 12.706),
    (2, 4.303),
    (3, 3.182),
    (4, 2.776),
    (5, 2.571),
    (6, 2.447),
    (7, 2.365),
    (8, 2.306),
    (9, 2.262),
    (10, 2.228),
    (11, 2.201),
    (12, 2.179),
    (13, 2.160),
    (14, 2.145),
    (15, 2.131),
    (16, 2.120),
    (17, 2.110),
    (18, 2.101),
    (19, 2.093),
    (20, 2.086),
    (21, 2.080),
    (22, 2.074),
    (23, 2.069),
    (24, 2.064),
    (25, 2.060),
    (26, 2.056),
    (27, 2.052),
    (28, 2.048),
    (29, 2.045),
    (30, 2.042),
    (40, 2.021),
    (60, 2.000),
    (100, 1.984),
    (1_000, 1.962),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    #[test]
    fn ten_samples_are_summed_up_as_by_hand() {
        let summary = Summary::of([3.0, 1.0, 2.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0]).unwrap();
        assert_eq!((summary.count, summary.mean, summary.min, summary.max), (10, 5.5, 1.0, 10.0));
        assert_eq!((summary.p50, summary.p90, summary.p99), (5.0, 9.0, 10.0));
        assert!(near(summary.std, 3.0277), "{}", summary.std);
    }

    #[test]
    fn one_sample_is_every_quantile_and_none_is_no_summary() {
        let summary = Summary::of([4.0, f64::NAN, f64::INFINITY]).unwrap();
        assert_eq!((summary.count, summary.p50, summary.p99, summary.std), (1, 4.0, 4.0, 0.0));
        assert_eq!(Summary::of([f64::NAN]), None);
        assert_eq!((Repeats::of([]), Interval::of([1.0])), (None, None));
    }

    #[test]
    fn repeats_have_a_middle_and_a_spread() {
        let repeats = Repeats::of([110.0, 90.0, 100.0, 104.0]).unwrap();
        assert_eq!((repeats.median, repeats.min, repeats.max), (102.0, 90.0, 110.0));
        assert!(near(repeats.spread, 20.0 / 102.0));
    }

    #[test]
    fn five_seeds_give_the_interval_of_the_tables() {
        // Mean 1.2, deviation 0.01581, t(4) = 2.776: half a width of 0.01963.
        let interval = Interval::of([1.18, 1.19, 1.20, 1.21, 1.22]).unwrap();
        assert!(near(interval.mean, 1.2) && near(interval.low, 1.18037) && near(interval.high, 1.21963));
        assert_eq!((student_t(1), student_t(35), student_t(9_999)), (12.706, 2.042, 1.962));
    }

    #[test]
    fn a_share_has_the_interval_of_wilson() {
        // 8 of 10, as worked out in the NIST handbook's way: 0.4902 to 0.9433.
        let share = Share::of(8, 10).unwrap();
        assert!(near(share.share, 0.8) && near(share.low, 0.4902) && near(share.high, 0.9433), "{share:?}");
        // Never in 100: z² / (n + z²) = 0.0370.
        let never = Share::of(0, 100).unwrap();
        assert!(never.low == 0.0 && near(never.high, 0.0370) && Share::of(100, 100).unwrap().high == 1.0);
        assert_eq!(Share::of(0, 0), None);
    }

    proptest! {
        #[test]
        fn counted_samples_sum_up_like_samples(samples in prop::collection::vec(0u32..20, 1..80)) {
            let mut counts = [0; 20];
            samples.iter().for_each(|sample| counts[*sample as usize] += 1);
            let counted = Summary::of_counts((0..20).map(f64::from).zip(counts)).unwrap();
            let plain = Summary::of(samples.into_iter().map(f64::from)).unwrap();
            prop_assert!((counted.mean - plain.mean).abs() < 1e-9 && (counted.std - plain.std).abs() < 1e-9);
            let rest = |of: Summary| (of.count, of.p50, of.p90, of.p99, of.min, of.max);
            prop_assert_eq!(rest(counted), rest(plain));
        }

        #[test]
        fn a_quantile_is_a_sample_that_enough_do_not_exceed(samples in prop::collection::vec(-1e6f64..1e6, 1..60), percent in 1u32..=100) {
            let sorted = sorted(samples);
            let found = quantile(&sorted, f64::from(percent) / 100.0).unwrap();
            let below = |limit: f64| sorted.iter().filter(|sample| **sample <= limit).count() as u32 * 100;
            prop_assert!(sorted.contains(&found));
            prop_assert!(below(found) >= percent * sorted.len() as u32);
            let smaller = sorted.iter().rev().find(|sample| **sample < found);
            prop_assert!(smaller.is_none_or(|smaller| below(*smaller) < percent * sorted.len() as u32));
        }
    }
}
