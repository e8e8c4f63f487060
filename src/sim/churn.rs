//! Nodes that come and go.
//!
//! Owns: how long sessions and absences last, and the moments at which the nodes of a stage crash and come back.
//! Never does: let a node leave in good order, or change what it remembers: key, disk and saved contacts stay.

use super::stage::Stage;
use crate::base::{Chance, Deadlines, Instant, Span};
use crate::identity::Role;
use std::collections::BTreeMap;

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

/// The coming and going of a stage's nodes.
#[derive(Clone, Debug)]
pub struct Churn {
    sessions: Lifetimes,
    absences: Lifetimes,
    chance: Chance,
    turns: Deadlines<usize>,
    /// How long each node has been away in all, before the absence that began at the moment beside it.
    away: BTreeMap<usize, (Span, Option<Instant>)>,
    /// Crashes so far.
    pub crashes: usize,
    /// Returns so far.
    pub returns: usize,
    /// Bytes of values that nodes kept when they crashed, one crash with another: what others have to copy.
    pub kept_by_crashed: u64,
}

impl Churn {
    /// Sessions and absences that last so long.
    pub fn new(sessions: Lifetimes, absences: Lifetimes, chance: Chance) -> Churn {
        let (turns, away) = (Deadlines::new(), BTreeMap::new());
        Churn { sessions, absences, chance, turns, away, crashes: 0, returns: 0, kept_by_crashed: 0 }
    }

    /// How many are away on average where so many run.
    pub fn away_beside(up: usize, sessions: Lifetimes, absences: Lifetimes) -> usize {
        (up as f64 * absences.mean().as_secs_f64() / sessions.mean().as_secs_f64()).round() as usize
    }

    /// How long this node has been away in all by `now`.
    pub fn away(&self, node: usize, now: Instant) -> Span {
        let (before, since) = self.away.get(&node).copied().unwrap_or_default();
        before + since.map_or(Span::ZERO, |since| now.since(since))
    }
}

impl Stage {
    /// From now on every node crashes and comes back, as often as `churn` says, whenever time passes by [`Stage::pass`] or
    /// at the pace of many wishes; not in waiting for one result. All those that run are somewhere in a
    /// session that began before; as many more as are away then ([`Churn::away_beside`]) come later, so that the
    /// number of those that run stays as it is.
    pub fn begin_churn(&mut self, mut churn: Churn) {
        let (now, up) = (self.now(), self.up());
        let away = Churn::away_beside(up.len(), churn.sessions, churn.absences);
        for node in up {
            let rest = churn.sessions.rest(&mut churn.chance);
            churn.turns.set(node, now + rest);
        }
        for _ in 0..away {
            let node = self.world.add(Role::Server);
            let rest = churn.absences.rest(&mut churn.chance);
            churn.turns.set(node, now + rest);
            churn.away.insert(node, (Span::ZERO, Some(now)));
        }
        self.churn = Some(churn);
    }

    /// The coming and going so far, if it has begun.
    pub fn churn(&self) -> Option<&Churn> {
        self.churn.as_ref()
    }

    /// Lets time pass until then; nodes come and go meanwhile, if that has begun.
    pub(super) fn run_until(&mut self, until: Instant) {
        while let Some(at) = self.churn.as_ref().and_then(|churn| churn.turns.next()).filter(|at| *at <= until) {
            self.world.run_until(at);
            self.take_turns();
        }
        self.world.run_until(until);
    }

    fn take_turns(&mut self) {
        let Some(mut churn) = self.churn.take() else { return };
        let now = self.now();
        while let Some(node) = churn.turns.pop_due(now) {
            let lasts = if self.world.nodes()[node].is_up() {
                self.kill(node);
                churn.crashes += 1;
                let kept = self.world.nodes()[node].disk.sound(now).map(|(_, bytes)| bytes);
                churn.kept_by_crashed += kept.sum::<u64>();
                churn.away.entry(node).or_default().1 = Some(now);
                churn.absences
            } else {
                self.restart(node);
                churn.returns += 1;
                churn.away.insert(node, (churn.away(node, now), None));
                churn.sessions
            };
            churn.turns.set(node, now + lasts.draw(&mut churn.chance));
        }
        self.churn = Some(churn);
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

    #[test]
    fn nodes_crash_and_come_back_and_the_overlay_stands() {
        let mut stage = Stage::bare(3);
        stage.join_in_crowds(16, &mut |_| {});
        let span = |secs| Lifetimes::of_mean(1.0, Span::from_secs(secs));
        stage.begin_churn(Churn::new(span(120), span(30), Chance::from_seed(4)));
        stage.pass(Span::from_mins(10));
        let churn = stage.churn().expect("begun");
        assert!(churn.crashes > 30 && churn.returns > 30, "{churn:?}");
        assert_eq!(stage.up().len() + churn.crashes, 16 + churn.returns, "{churn:?}");
        let away: f64 = (0..20).map(|node| churn.away(node, stage.now()).as_millis_f64()).sum();
        assert!((0.1..0.35).contains(&(away / (20.0 * 600e3))), "a fifth of the time: {away}");
        assert!((9..=20).contains(&stage.up().len()) && !stage.ready().is_empty(), "sixteen on average");
    }
}
