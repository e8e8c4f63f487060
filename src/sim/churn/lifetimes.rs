//! How long sessions and absences last.
//!
//! Owns: Weibull's distribution by shape and mean: one draw, and what is left of one under way.
//! Never does: know whose session it is.

use crate::base::{Chance, Span};

/// How long something lasts: drawn by Weibull's distribution, the usual one for sessions of peers (Stutzbach and Rejaie,
/// IMC 2006). With shape 1 it is exponential; below 1 few last very long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetimes {
    shape: f64,
    scale: Span,
}

impl Lifetimes {
    /// By shape (more than 0) and mean.
    pub fn of_mean(shape: f64, mean: Span) -> Lifetimes {
        Lifetimes { shape, scale: mean.scaled(1.0 / gamma(1.0 + 1.0 / shape)) }
    }

    /// The mean.
    pub fn mean(&self) -> Span {
        self.scale.scaled(gamma(1.0 + 1.0 / self.shape))
    }

    /// One of them.
    pub fn draw(&self, chance: &mut Chance) -> Span {
        self.scale.scaled((-(1.0 - chance.unit()).ln()).powf(1.0 / self.shape))
    }

    /// What is left of the one under way at some moment: of the long ones there is more under way than of the short.
    pub fn rest(&self, chance: &mut Chance) -> Span {
        let moment = self.mean().scaled(MEANS_BEFORE * (1.0 + chance.unit()));
        let mut end = Span::ZERO;
        while end <= moment {
            end += self.draw(chance);
        }
        end.saturating_sub(moment)
    }
}

/// Euler's gamma function for x of at least 1: Stirling's series behind a few steps of the recurrence.
fn gamma(x: f64) -> f64 {
    if x < STIRLING_FROM {
        return gamma(x + 1.0) / x;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3));
    ((x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series).exp()
}

/// From here on two terms of the series are good to 1e-9.
const STIRLING_FROM: f64 = 10.0;
/// Mean sessions before the moment that is looked at: by then nothing tells of the beginning. A guess.
const MEANS_BEFORE: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(count: usize, mut draw: impl FnMut() -> Span) -> f64 {
        (0..count).map(|_| draw().as_millis_f64() / 1e3).sum::<f64>() / count as f64
    }

    #[test]
    fn gamma_is_that_of_the_tables() {
        for (x, expected) in [(1.0, 1.0), (1.5, 0.886_226_925), (2.0, 1.0), (3.0, 2.0), (5.0, 24.0)] {
            assert!((gamma(x) / expected - 1.0).abs() < 1e-8, "{x}");
        }
    }

    #[test]
    fn sessions_have_the_mean_and_median_of_their_distribution() {
        for shape in [1.0, 0.6] {
            let lifetimes = Lifetimes::of_mean(shape, Span::from_secs(1_000));
            let mut chance = Chance::from_seed(1);
            let mean = mean_of(20_000, || lifetimes.draw(&mut chance));
            assert!((mean / 1_000.0 - 1.0).abs() < 0.04, "{shape}: {mean}");
            let below = lifetimes.scale.scaled(std::f64::consts::LN_2.powf(1.0 / shape));
            let shorter = (0..20_000).filter(|_| lifetimes.draw(&mut chance) < below).count();
            assert!((9_700..10_300).contains(&shorter), "{shape}: {shorter}");
        }
    }

    #[test]
    fn what_is_left_is_longer_the_more_sessions_differ() {
        // The mean of what is left is half the mean square over the mean: for shape k it is scale^2 gamma(1 + 2/k) / 2.
        for (shape, expected) in [(1.0, 1_000.0), (0.6, 1_860.0)] {
            let lifetimes = Lifetimes::of_mean(shape, Span::from_secs(1_000));
            let mut chance = Chance::from_seed(2);
            let mean = mean_of(4_000, || lifetimes.rest(&mut chance));
            assert!((mean / expected - 1.0).abs() < 0.15, "{shape}: {mean}");
        }
    }
}
