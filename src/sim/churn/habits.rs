//! How the nodes of a population come and go.
//!
//! Owns: the kinds of nodes there are, how many more there must be beside those that run, and what a node drawn from them does.
//! Never does: let a node crash or come back.

use super::lifetimes::Lifetimes;
use super::night::Night;
use crate::base::{Chance, Instant};

/// How nodes come and go; by default all stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Habits {
    /// Sessions and absences of a node that neither flaps nor always stays; `None` if it stays as well, but for nights.
    pub plain: Option<Pattern>,
    /// The share (0 to 1) of nodes that flap, and how.
    pub flapping: Option<(f64, Pattern)>,
    /// The share (0 to 1) of nodes that always stay, at night too.
    pub steady: f64,
    /// Nights: all but steady nodes know them.
    pub night: Option<Night>,
}

/// Sessions and absences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pattern {
    /// How long a node stays.
    pub sessions: Lifetimes,
    /// How long it is away.
    pub absences: Lifetimes,
}

/// What kind of node one is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Kind {
    /// Its sessions and absences, if it has such.
    pub pattern: Option<Pattern>,
    /// Its rank among those that go at night, 0 to 1; the lower, the longer it sleeps.
    pub rank: Option<f64>,
}

/// Why a node that is added is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Away {
    /// Between two sessions.
    pub own: bool,
    /// At night.
    pub night: bool,
}

impl Pattern {
    /// The share of the time that a node is there.
    fn there(&self) -> f64 {
        let (there, away) = (self.sessions.mean().as_secs_f64(), self.absences.mean().as_secs_f64());
        there / (there + away)
    }
}

impl Habits {
    /// How many are away at `now`, on average, where so many run.
    pub fn away_beside(&self, up: usize, now: Instant) -> usize {
        self.groups(up).iter().map(|group| self.away_of(group, now)).sum()
    }

    /// The kinds of `up` nodes that run, in an order drawn from chance where there are several.
    pub(super) fn kinds_up(&self, up: usize, now: Instant, chance: &mut Chance) -> Vec<Kind> {
        let groups = self.groups(up);
        let mut kinds = Vec::with_capacity(up);
        for group in &groups {
            let asleep = self.asleep(group, now);
            for _ in 0..group.up {
                let rank = self.night.filter(|_| group.sleeps).map(|_| asleep + (1.0 - asleep) * chance.unit());
                kinds.push(Kind { pattern: group.pattern, rank });
            }
        }
        if groups.iter().filter(|group| group.up > 0).count() > 1 {
            chance.shuffle(&mut kinds);
        }
        kinds
    }

    /// The kinds of those that are away beside `up` nodes that run, and why they are.
    pub(super) fn kinds_away(&self, up: usize, now: Instant, chance: &mut Chance) -> Vec<(Kind, Away)> {
        let mut kinds = Vec::new();
        for group in self.groups(up) {
            let asleep = self.asleep(&group, now);
            let gone = 1.0 - group.pattern.map_or(1.0, |pattern| pattern.there());
            for _ in 0..self.away_of(&group, now) {
                let away = match asleep {
                    0.0 => Away { own: true, night: false },
                    asleep => {
                        let own = chance.happens(gone / (1.0 - (1.0 - gone) * (1.0 - asleep)));
                        Away { own, night: !own || chance.happens(asleep) }
                    }
                };
                let rank = self.night.filter(|_| group.sleeps).map(|_| match away.night {
                    true => asleep * chance.unit(),
                    false => asleep + (1.0 - asleep) * chance.unit(),
                });
                kinds.push((Kind { pattern: group.pattern, rank }, away));
            }
        }
        kinds
    }

    /// Those that always stay, those that flap, and the rest.
    fn groups(&self, up: usize) -> [Group; 3] {
        let share = |share: f64| (up as f64 * share).round() as usize;
        let steady = share(self.steady);
        let flapping = share(self.flapping.map_or(0.0, |(share, _)| share)).min(up - steady);
        [
            Group { up: steady, pattern: None, sleeps: false },
            Group { up: flapping, pattern: self.flapping.map(|(_, pattern)| pattern), sleeps: true },
            Group { up: up - steady - flapping, pattern: self.plain, sleeps: true },
        ]
    }

    /// How many of a group are away where the others of it run.
    fn away_of(&self, group: &Group, now: Instant) -> usize {
        let there = group.pattern.map_or(1.0, |pattern| pattern.there()) * (1.0 - self.asleep(group, now));
        (group.up as f64 * (1.0 / there - 1.0)).round() as usize
    }

    fn asleep(&self, group: &Group, now: Instant) -> f64 {
        self.night.filter(|_| group.sleeps).map_or(0.0, |night| night.away_share(now))
    }
}

/// Nodes of one kind that run.
struct Group {
    up: usize,
    pattern: Option<Pattern>,
    sleeps: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    fn pattern(there: u64, away: u64) -> Pattern {
        let lifetimes = |secs| Lifetimes::of_mean(1.0, Span::from_secs(secs));
        Pattern { sessions: lifetimes(there), absences: lifetimes(away) }
    }

    #[test]
    fn as_many_are_away_as_keep_the_number_of_those_that_run() {
        let now = Instant::ORIGIN;
        let mut habits = Habits { plain: Some(pattern(60, 60)), ..Habits::default() };
        assert_eq!(habits.away_beside(100, now), 100);
        habits.steady = 0.2;
        assert_eq!(habits.away_beside(100, now), 80);
        habits.flapping = Some((0.3, pattern(30, 10)));
        assert_eq!(habits.away_beside(100, now), 50 + 10);
        // At six in the evening a quarter is away; a plain node is there for three eighths of such moments.
        habits.night = Some(Night::of(0.5, 18.0, now));
        assert_eq!(habits.away_beside(100, now), (50.0_f64 * (8.0 / 3.0 - 1.0)).round() as usize + 23);
    }

    #[test]
    fn nodes_that_are_away_have_a_reason_and_a_rank_that_fits_the_hour() {
        let now = Instant::ORIGIN;
        let night = Night::of(0.5, 18.0, now);
        let habits = Habits { plain: Some(pattern(60, 60)), night: Some(night), ..Habits::default() };
        let mut chance = Chance::from_seed(1);
        let asleep = night.away_share(now);
        let up = habits.kinds_up(3_000, now, &mut chance);
        assert!(up.iter().all(|kind| kind.rank.is_some_and(|rank| rank >= asleep)));
        let away = habits.kinds_away(3_000, now, &mut chance);
        assert!(away.iter().all(|(kind, away)| kind.rank.is_some_and(|rank| (rank < asleep) == away.night)));
        assert!(away.iter().all(|(_, away)| away.own || away.night));
        // Of all eight thousand half are between two sessions and a quarter asleep, of both kinds alike.
        let count = |which: fn(&Away) -> bool| away.iter().filter(|(_, away)| which(away)).count() as f64;
        let (own, nights, both) = (count(|a| a.own), count(|a| a.night), count(|a| a.own && a.night));
        assert!((3_800.0..4_200.0).contains(&own) && (1_850.0..2_150.0).contains(&nights), "{own} {nights}");
        assert!((900.0..1_100.0).contains(&both), "{both}");
    }

    #[test]
    fn each_kind_has_its_share_of_those_that_run() {
        let flapping = pattern(30, 10);
        let habits = Habits { flapping: Some((0.25, flapping)), steady: 0.5, ..Habits::default() };
        let kinds = habits.kinds_up(40, Instant::ORIGIN, &mut Chance::from_seed(1));
        assert_eq!((kinds.len(), kinds.iter().filter(|kind| kind.pattern == Some(flapping)).count()), (40, 10));
    }
}
