//! What lies ahead, learnt from experience.
//!
//! Owns: the expected latency from a node that gets a message to the answer of the root, by how near
//! that node is to the key.
//! Never does: choose a hop.

use crate::base::{Ewma, Id, Span};

/// Expected latencies ahead, in two series: for nodes than which none nearer to the key is known, and
/// for all others. Within a series by the distance to the key in units of the mean spacing of nodes, in
/// powers of two: about four classes a prefix digit.
#[derive(Clone, Debug)]
pub struct Ahead {
    spacing: f64,
    /// The share of the network's nodes that are known with a way to them, 0 to 1.
    known: f64,
    typical: Ewma,
    nearest: [Ewma; CLASSES],
    farther: [Ewma; CLASSES],
}

impl Ahead {
    /// No experience.
    pub fn new() -> Ahead {
        let fresh = [Ewma::new(SAMPLE_WEIGHT); CLASSES];
        Ahead { spacing: 1.0, known: 0.0, typical: Ewma::new(SAMPLE_WEIGHT), nearest: fresh, farther: fresh }
    }

    /// Sets the mean share of the ring between two nodes, and how many other nodes are known with a way to them.
    pub fn set_spacing(&mut self, spacing: f64, known: usize) {
        self.spacing = spacing.max(f64::MIN_POSITIVE);
        self.known = ((known + 1) as f64 * self.spacing).min(1.0);
    }

    /// Takes in the round trip of a link: the yardstick while experience is missing.
    pub fn learn_link(&mut self, rtt: Span) {
        self.typical.add(rtt.as_micros() as f64);
    }

    /// Takes in that the answer came this long after a message would have reached `node` and come back.
    pub fn learn(&mut self, node: &Id, key: &Id, is_nearest_known: bool, beyond: Span) {
        let class = self.class(node, key);
        let series = if is_nearest_known { &mut self.nearest } else { &mut self.farther };
        series[class].add(beyond.as_micros() as f64);
    }

    /// The latency to expect beyond the round trip to `node`.
    pub fn expect(&self, node: &Id, key: &Id, is_nearest_known: bool) -> Span {
        let class = self.class(node, key);
        let series = if is_nearest_known { &self.nearest } else { &self.farther };
        let learnt = series[class].value().filter(|_| series[class].samples() >= SAMPLES_MIN);
        Span::from_micros(learnt.unwrap_or_else(|| self.guess(class, is_nearest_known)) as u64)
    }

    /// Without experience: a typical round trip for each digit still to be fixed, and a quarter of one
    /// even where the node may be the root, as far as there are nodes that are not known.
    fn guess(&self, class: usize, is_nearest_known: bool) -> f64 {
        let digits = (class as f64 - 2.0).max(0.0) / 4.0;
        let hops = if is_nearest_known { (0.25 + digits / 2.0) * (1.0 - self.known) } else { 1.0 + digits };
        hops * self.typical.value().unwrap_or(RTT_GUESS)
    }

    fn class(&self, node: &Id, key: &Id) -> usize {
        let steps = node.distance(key).as_ring_share() / self.spacing;
        if steps <= 0.25 {
            return 0;
        }
        ((steps.log2() + 3.0) as usize).min(CLASSES - 1)
    }
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead::new()
    }
}

/// From a quarter of the spacing to 2^29 spacings: half a billion nodes.
const CLASSES: usize = 32;
/// A new sample's weight: the last fifty count. A guess.
const SAMPLE_WEIGHT: f64 = 0.02;
/// Samples before experience beats the guess. A guess.
const SAMPLES_MIN: u32 = 4;
/// 100 ms, in microseconds, until the first link is measured: a guess at the Internet's median.
const RTT_GUESS: f64 = 100_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experience_replaces_the_guess() {
        let mut ahead = Ahead::new();
        ahead.set_spacing(1.0 / 64.0, 20);
        let (near, far, key) = (Id::ZERO, Id::ZERO.with_digit(0, 7), Id::ZERO);
        assert!(ahead.expect(&far, &key, false) > ahead.expect(&near, &key, false));
        assert!(ahead.expect(&near, &key, true) < ahead.expect(&near, &key, false));
        for _ in 0..10 {
            ahead.learn(&far, &key, false, Span::from_millis(7));
        }
        assert_eq!(ahead.expect(&far, &key, false), Span::from_millis(7));
    }

    #[test]
    fn where_everybody_is_known_nothing_is_expected_beyond_the_nearest() {
        let mut ahead = Ahead::new();
        ahead.set_spacing(1.0 / 64.0, 63);
        assert_eq!(ahead.expect(&Id::ZERO, &Id::ZERO.with_digit(0, 7), true), Span::ZERO);
    }
}
