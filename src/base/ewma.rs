//! Smoothed averages.
//!
//! Owns: the exponentially weighted mean, and the round-trip estimate of TCP built on it.
//! Never does: take a sample by itself.

use super::time::Span;

/// An exponentially weighted moving average. Its first samples are averaged evenly, so that it is
/// not ruled by the very first.
#[derive(Clone, Copy, Debug)]
pub struct Ewma {
    value: f64,
    weight: f64,
    samples: u32,
}

impl Ewma {
    /// An empty average that gives each new sample this weight (0 to 1) once it has seen `1/weight`.
    pub const fn new(weight: f64) -> Ewma {
        Ewma { value: 0.0, weight, samples: 0 }
    }

    /// Takes a sample in.
    pub fn add(&mut self, sample: f64) {
        self.samples = self.samples.saturating_add(1);
        let weight = self.weight.max(1.0 / f64::from(self.samples));
        self.value += weight * (sample - self.value);
    }

    /// The average, if there was a sample.
    pub fn value(&self) -> Option<f64> {
        (self.samples > 0).then_some(self.value)
    }

    /// How many samples were taken in.
    pub fn samples(&self) -> u32 {
        self.samples
    }
}

/// Round-trip time as TCP estimates it (RFC 6298): smoothed mean and mean deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RttEstimate {
    smoothed: Span,
    variation: Span,
}

impl RttEstimate {
    /// The estimate after a first sample. RFC 6298 §2.2 begins with a variation of half of it, and so with three times the round trip;
    /// an eighth makes that half as long again. Of the pairs of PlanetLab hosts 90 % have a 90th percentile within 1.12 times
    /// their median, 95 % within 1.24, 99 % within 2.2 (`planetlab490_p90` against `planetlab490_median`).
    pub fn first(sample: Span) -> RttEstimate {
        RttEstimate { smoothed: sample, variation: sample / 8 }
    }

    /// Takes a further sample in, with the gains of RFC 6298 §2.3 (1/8 and 1/4).
    pub fn add(&mut self, sample: Span) {
        let deviation = self.smoothed.saturating_sub(sample) + sample.saturating_sub(self.smoothed);
        self.variation = (self.variation * 3 + deviation) / 4;
        self.smoothed = (self.smoothed * 7 + sample) / 8;
    }

    /// The smoothed round trip.
    pub fn smoothed(&self) -> Span {
        self.smoothed
    }

    /// How long to wait before a silence means something: `srtt + 4 var` (RFC 6298 §2.3; Bamboo,
    /// USENIX ATC 2004, §5 found it the best of the timeouts tried), but at least `floor`.
    pub fn patience(&self, floor: Span) -> Span {
        (self.smoothed + self.variation * 4).max(self.smoothed + floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_samples_count_evenly() {
        let mut mean = Ewma::new(0.1);
        assert_eq!(mean.value(), None);
        for sample in [1.0, 2.0, 3.0] {
            mean.add(sample);
        }
        assert!((mean.value().unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_steady_round_trip_earns_a_short_patience() {
        let mut rtt = RttEstimate::first(Span::from_millis(100));
        assert_eq!(rtt.patience(Span::ZERO), Span::from_millis(150));
        for _ in 0..50 {
            rtt.add(Span::from_millis(100));
        }
        assert_eq!(rtt.smoothed(), Span::from_millis(100));
        assert!(rtt.patience(Span::from_millis(10)) <= Span::from_millis(111));
    }
}
