//! What routing costs against the direct path.
//!
//! Owns: every usual definition of stretch, over all pairs and by distance.
//! Never does: mix the definitions: published figures differ by them more than by the systems.

use super::distribution::{mean, quantile, sorted};
use crate::base::Span;
use serde::{Deserialize, Serialize};

/// One routed operation: its round trip through the overlay, and that of the direct path between the same two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Through the overlay, there and back, in microseconds.
    pub routed: Span,
    /// Straight between the two ends, there and back, in microseconds.
    pub direct: Span,
}

/// Stretch over a set of pairs. 1 is as fast as the direct path; below 1 the overlay found a shorter one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// How many pairs count; at least 1.
    pub pairs: usize,
    /// How many were left out because their direct RTT is 0 or below the minimum asked for.
    pub left_out: usize,
    /// Mean routed RTT over mean direct RTT: what all traffic together pays.
    pub ratio_of_means: f64,
    /// Median routed RTT over median direct RTT (Gummadi et al., SIGCOMM 2003).
    pub ratio_of_medians: f64,
    /// The mean of the pairs' ratios (Castro et al., MSR-TR-2003-52: "relative delay penalty"); near pairs weigh as much as far ones.
    pub mean: f64,
    /// The median of the pairs' ratios (Zhao et al., JSAC 2004). Nearest rank, as all below.
    pub p50: f64,
    /// The 90th percentile of the ratios.
    pub p90: f64,
    /// The 99th percentile of the ratios.
    pub p99: f64,
    /// The largest ratio.
    pub max: f64,
    /// The share of pairs (0 to 1) routed faster than their direct path.
    pub below_one: f64,
    /// The same by distance, nearest tenth of the pairs first; fewer than ten parts if there are fewer than ten pairs.
    pub deciles: Vec<Decile>,
}

/// Stretch of the pairs whose direct RTTs lie next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decile {
    /// The smallest direct RTT in it, in milliseconds.
    pub from_ms: f64,
    /// The largest, in milliseconds.
    pub to_ms: f64,
    /// The median direct RTT, in milliseconds.
    pub middle_ms: f64,
    /// How many pairs are in it.
    pub pairs: usize,
    /// Mean routed RTT over mean direct RTT.
    pub ratio_of_means: f64,
    /// The mean of the ratios.
    pub mean: f64,
    /// The median of the ratios.
    pub p50: f64,
    /// The 90th percentile of the ratios.
    pub p90: f64,
}

impl Pair {
    /// Routed over direct; `None` where the direct RTT is 0.
    pub fn ratio(&self) -> Option<f64> {
        (self.direct > Span::ZERO).then(|| self.routed.as_micros() as f64 / self.direct.as_micros() as f64)
    }
}

impl Stretch {
    /// The stretch of all pairs that have a direct path to compare with; `None` if none has.
    pub fn of(pairs: &[Pair]) -> Option<Stretch> {
        Stretch::of_far(pairs, Span::ZERO)
    }

    /// The stretch of the pairs at least this far apart: between neighbours a fraction of a millisecond of work is a large ratio.
    pub fn of_far(pairs: &[Pair], direct_min: Span) -> Option<Stretch> {
        let far = |pair: &&Pair| pair.direct >= direct_min && pair.direct > Span::ZERO;
        let mut kept: Vec<Pair> = pairs.iter().filter(far).copied().collect();
        // Stable: pairs of one distance stay as they came, so that no part of ten gets all the slow ones.
        kept.sort_by_key(|pair| pair.direct);
        let ratios = sorted(kept.iter().filter_map(Pair::ratio));
        let routed = sorted(kept.iter().map(|pair| pair.routed.as_millis_f64()));
        let direct = sorted(kept.iter().map(|pair| pair.direct.as_millis_f64()));
        Some(Stretch {
            pairs: kept.len(),
            left_out: pairs.len() - kept.len(),
            ratio_of_means: mean(&routed)? / mean(&direct)?,
            ratio_of_medians: quantile(&routed, 0.5)? / quantile(&direct, 0.5)?,
            mean: mean(&ratios)?,
            p50: quantile(&ratios, 0.5)?,
            p90: quantile(&ratios, 0.9)?,
            p99: quantile(&ratios, 0.99)?,
            max: *ratios.last()?,
            below_one: ratios.iter().filter(|ratio| **ratio < 1.0).count() as f64 / ratios.len() as f64,
            deciles: deciles(&kept),
        })
    }

    /// The median of each tenth of the pairs by distance, the nearest first, in one line.
    pub fn by_distance(&self) -> String {
        self.deciles.iter().map(|decile| format!("{:.2}", decile.p50)).collect::<Vec<_>>().join(" ")
    }
}

/// Ten parts of pairs in ascending order of distance, as equal as their number allows.
fn deciles(ascending: &[Pair]) -> Vec<Decile> {
    let bound = |part: usize| part * ascending.len() / DECILES;
    (0..DECILES).filter_map(|part| decile(&ascending[bound(part)..bound(part + 1)])).collect()
}

fn decile(pairs: &[Pair]) -> Option<Decile> {
    let (first, last) = (pairs.first()?, pairs.last()?);
    let ratios = sorted(pairs.iter().filter_map(Pair::ratio));
    let total = |of: fn(&Pair) -> Span| pairs.iter().map(|pair| of(pair).as_millis_f64()).sum::<f64>();
    Some(Decile {
        from_ms: first.direct.as_millis_f64(),
        to_ms: last.direct.as_millis_f64(),
        middle_ms: pairs[(pairs.len() - 1) / 2].direct.as_millis_f64(),
        pairs: pairs.len(),
        ratio_of_means: total(|pair| pair.routed) / total(|pair| pair.direct),
        mean: mean(&ratios)?,
        p50: quantile(&ratios, 0.5)?,
        p90: quantile(&ratios, 0.9)?,
    })
}

/// Into how many parts the pairs are split by distance: as in Zhao et al., JSAC 2004, whose nearest tenth is the hard one.
const DECILES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(routed_ms: u64, direct_ms: u64) -> Pair {
        Pair { routed: Span::from_millis(routed_ms), direct: Span::from_millis(direct_ms) }
    }

    #[test]
    fn every_definition_gives_the_value_worked_out_by_hand() {
        // Ratios 2, 1.5, 0.8, 1; routed 20 + 60 + 80 + 200 = 360, direct 10 + 40 + 100 + 200 = 350.
        let pairs = [pair(200, 200), pair(20, 10), pair(80, 100), pair(60, 40), pair(5, 0)];
        let stretch = Stretch::of(&pairs).unwrap();
        assert_eq!((stretch.pairs, stretch.left_out), (4, 1));
        assert!((stretch.ratio_of_means - 360.0 / 350.0).abs() < 1e-12);
        assert!((stretch.ratio_of_medians - 60.0 / 40.0).abs() < 1e-12);
        assert!((stretch.mean - 5.3 / 4.0).abs() < 1e-12);
        assert_eq!((stretch.p50, stretch.p90, stretch.p99, stretch.max), (1.0, 2.0, 2.0, 2.0));
        assert_eq!(stretch.below_one, 0.25);
        assert_eq!(stretch.deciles.iter().map(|decile| decile.p50).collect::<Vec<_>>(), [2.0, 1.5, 0.8, 1.0]);
        assert_eq!(stretch.by_distance(), "2.00 1.50 0.80 1.00");
    }

    #[test]
    fn a_minimum_leaves_the_neighbours_out() {
        let pairs = [pair(200, 200), pair(20, 10), pair(80, 100), pair(60, 40)];
        let far = Stretch::of_far(&pairs, Span::from_millis(40)).unwrap();
        assert_eq!((far.pairs, far.left_out, far.max), (3, 1, 1.5));
        assert_eq!(Stretch::of_far(&pairs, Span::from_secs(1)), None);
        assert_eq!(Stretch::of(&[]), None);
    }

    #[test]
    fn deciles_hold_a_tenth_each_in_order_of_distance() {
        let pairs: Vec<Pair> = (1..=100).rev().map(|direct| pair(direct * 2, direct)).collect();
        let deciles = Stretch::of(&pairs).unwrap().deciles;
        assert_eq!(deciles.len(), 10);
        assert!(deciles.iter().all(|decile| decile.pairs == 10 && decile.mean == 2.0 && decile.ratio_of_means == 2.0));
        assert_eq!((deciles[0].middle_ms, deciles[9].middle_ms), (5.0, 95.0));
        assert_eq!((deciles[0].from_ms, deciles[0].to_ms, deciles[9].to_ms), (1.0, 10.0, 100.0));
    }

    #[test]
    fn the_json_has_the_names_that_others_read() {
        let json = serde_json::to_value(Stretch::of(&[pair(3, 2)]).unwrap()).unwrap();
        for field in ["ratio_of_means", "ratio_of_medians", "mean", "p50", "p90", "p99", "max"] {
            assert_eq!(json[field], 1.5, "{field}");
        }
        assert_eq!(json["deciles"][0]["from_ms"], 2.0);
    }
}
