//! How unevenly something is spread over nodes or links.
//!
//! Owns: Gini's coefficient, the share of the top hundredth, and how far the largest stand above the mean.
//! Never does: say whether that is good.

use super::distribution::{mean, quantile, sorted};
use serde::{Deserialize, Serialize};

/// Concentration of amounts that are at least 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concentration {
    /// 0 if all have the same, towards 1 if one has everything (Gini 1912).
    pub gini: f64,
    /// The largest over the mean.
    pub max_to_mean: f64,
    /// The 99th percentile over the mean.
    pub p99_to_mean: f64,
    /// The share (0 to 1) that the largest hundredth holds, at least one.
    pub top_percent: f64,
    /// Standard deviation over mean (the population's): the coefficient of variation.
    pub variation: f64,
}

impl Concentration {
    /// Of these amounts; `None` if there are none or all are 0. Amounts below 0 and those that are not finite are left out.
    pub fn of(amounts: impl IntoIterator<Item = f64>) -> Option<Concentration> {
        let sorted = sorted(amounts.into_iter().filter(|amount| *amount >= 0.0));
        let mean = mean(&sorted).filter(|mean| *mean > 0.0)?;
        let (count, total) = (sorted.len() as f64, mean * sorted.len() as f64);
        let ranked: f64 = sorted.iter().enumerate().map(|(rank, amount)| (rank + 1) as f64 * amount).sum();
        let top = &sorted[sorted.len() - sorted.len().div_ceil(100)..];
        let variance = sorted.iter().map(|amount| (amount - mean).powi(2)).sum::<f64>() / count;
        Some(Concentration {
            gini: (2.0 * ranked / (count * total) - (count + 1.0) / count).max(0.0),
            max_to_mean: sorted.last()? / mean,
            p99_to_mean: quantile(&sorted, 0.99)? / mean,
            top_percent: top.iter().sum::<f64>() / total,
            variation: variance.sqrt() / mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_amounts_are_worked_out_by_hand() {
        // 1, 2, 3, 4: 2 * (1 + 4 + 9 + 16) / (4 * 10) - 5 / 4 = 0.25; variance 1.25.
        let found = Concentration::of([4.0, 2.0, 1.0, 3.0]).unwrap();
        assert!((found.gini - 0.25).abs() < 1e-12);
        assert!((found.variation - 1.25f64.sqrt() / 2.5).abs() < 1e-12);
        assert_eq!((found.max_to_mean, found.top_percent), (1.6, 0.4));
    }

    #[test]
    fn equal_amounts_are_not_concentrated_and_one_holder_is_all() {
        let equal = Concentration::of([7.0; 200]).unwrap();
        assert_eq!((equal.gini, equal.variation, equal.max_to_mean, equal.top_percent), (0.0, 0.0, 1.0, 0.01));
        let one = Concentration::of((0..100).map(|index| if index == 5 { 1.0 } else { 0.0 })).unwrap();
        assert!((one.gini - 0.99).abs() < 1e-12 && one.top_percent == 1.0 && one.p99_to_mean == 0.0);
        assert_eq!((Concentration::of([]), Concentration::of([0.0, -3.0, f64::NAN])), (None, None));
    }
}
