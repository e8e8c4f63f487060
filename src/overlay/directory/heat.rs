//! What is wanted much, and through whom.
//!
//! Owns: a bounded table of the objects asked for most, with the pace of their requests in all and by the neighbour they
//! came through.
//! Never does: decide what follows, or grow: whatever is asked for, it stays within its rows.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi, ICDT 2005): a new object takes the row of the least wanted and inherits its
//! count, as a bound of the error. So whatever has more than one part in `rows` of all requests has a row, in whatever order
//! they come. Which way requests come does not depend on the object, as long as they all go to this node: so a neighbour's
//! share of all of them tells sooner than what it brought for one object. Counts fade, by forward decay (Cormode et al., ICDE 2009): each request weighs more than those before it, so
//! that the order of two rows never changes by time alone. Rows go by a keyed hash: nobody outside can aim at one.

use crate::base::{Id, Instant, Span};
use crate::overlay::view::keyed_hash;
use std::collections::{BTreeMap, BTreeSet};

/// The table of one shard.
pub(super) struct Heat {
    keys: (u64, u64),
    limit: usize,
    /// From so many requests on they tell of a pace.
    least: f64,
    rows: BTreeMap<u64, Row>,
    /// The rows by weight (its bits: of positive numbers they are in order).
    order: BTreeSet<(u64, u64)>,
    /// Weights are relative to this moment.
    since: Instant,
    /// All requests, and those through each neighbour.
    all: Pace,
    by_neighbour: BTreeMap<Id, Neighbour>,
    /// What all of them have added to the rows.
    weighed: f64,
}

/// Whom requests come through.
#[derive(Clone, Copy, Debug)]
struct Neighbour {
    pace: Pace,
    /// What its requests have added to the rows.
    weight: f64,
}

/// One object.
struct Row {
    object: Id,
    weight: f64,
    /// Of the weight, what a predecessor in this row left: at most so much too much.
    inherited: f64,
    pace: Pace,
    /// Requests that others answered and told of, over the last hour.
    told: f64,
    /// Requests a second as they were when most came here, fading: those that are answered elsewhere are not told at once.
    remembered: f64,
    /// When the last two were true.
    at: Instant,
    /// By neighbour, the busiest few.
    through: Vec<(Id, Pace)>,
}

/// How often something happens, over the last minutes and the last seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    slow: f64,
    quick: f64,
    begun: Instant,
    /// When the last crowd began: nothing was left of those before.
    quick_begun: Instant,
    at: Instant,
}

/// What the table knows of an object after one more request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// Requests a second in the whole network, as far as is known here.
    pub(super) demand: f64,
    /// Those through this neighbour.
    pub(super) through: f64,
    /// Requests a second as they were known before this one.
    pub(super) before: f64,
}

impl Wanted {
    /// Whether the demand has passed a power of two.
    pub(super) fn has_doubled(&self) -> bool {
        self.demand > 0.0 && (self.before == 0.0 || self.demand.log2().floor() > self.before.log2().floor())
    }

    /// Whether the demand has risen to `level`.
    pub(super) fn reached(&self, level: f64) -> bool {
        self.before < level && self.demand >= level
    }
}

impl Heat {
    /// An empty table of so many rows, with a secret for hashing.
    pub(super) fn new(keys: (u64, u64), limit: usize) -> Heat {
        let (rows, order) = (BTreeMap::new(), BTreeSet::new());
        let (since, all) = (Instant::ORIGIN, Pace::new(Instant::ORIGIN));
        let (limit, by_neighbour) = (limit.max(1), BTreeMap::new());
        Heat { keys, limit, least: SLOW_LEAST, rows, order, since, all, by_neighbour, weighed: 0.0 }
    }

    /// The same, where another number of requests tells of a pace.
    pub(super) fn telling_from(self, least: f64) -> Heat {
        Heat { least, ..self }
    }

    /// Notes a request for an object that came through this neighbour. `told`: how many more were answered elsewhere before,
    /// as the asker says.
    pub(super) fn note(&mut self, now: Instant, object: &Id, through: Id, told: f64) -> Wanted {
        let (share, least) = (self.note_share(now, through), self.least);
        let wanted = self.change(now, (object, through), (1.0, told), |row| {
            let wanted = row.note(now, told, least);
            let counted = row.note_through(now, through, least);
            Wanted { through: counted.max(wanted.demand * share), ..wanted }
        });
        wanted.unwrap_or_default()
    }

    /// Notes a request that counts for the object, but not for whom it came through: whoever asks sees to itself.
    pub(super) fn note_in_all(&mut self, now: Instant, object: &Id, by: Id, told: f64) -> Wanted {
        let least = self.least;
        self.neighbour(now, by);
        self.change(now, (object, by), (1.0, told), |row| row.note(now, told, least)).unwrap_or_default()
    }

    /// Notes that so many requests for an object were answered elsewhere, as this neighbour says.
    pub(super) fn note_told(&mut self, now: Instant, object: &Id, from: Id, told: f64) {
        self.neighbour(now, from);
        let least = self.least;
        self.change(now, (object, from), (0.0, told), |row| row.remember(now, told, least));
    }

    /// Requests a second for an object in the whole network, as far as is known here; 0 if it has no row.
    pub(super) fn demand(&self, now: Instant, object: &Id) -> f64 {
        self.rows.get(&self.hash(object)).map_or(0.0, |row| row.demand(now, self.least))
    }

    /// The objects wanted most, with their requests a second.
    pub(super) fn hottest(&self, now: Instant, count: usize) -> Vec<(Id, f64)> {
        let rows = self.order.iter().rev().take(count).filter_map(|(_, name)| self.rows.get(name));
        rows.map(|row| (row.object, row.demand(now, self.least))).collect()
    }

    /// Rows in use.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.rows.len() <= self.limit && self.rows.len() == self.order.len());
        assert!(self.rows.values().all(|row| row.through.len() <= THROUGH_MAX));
        assert!(self.by_neighbour.len() <= NEIGHBOURS_MAX);
    }

    /// The share of all requests that come through this neighbour, counting one more; cautious where there were few.
    fn note_share(&mut self, now: Instant, neighbour: Id) -> f64 {
        self.all.add(now, 1.0);
        let neighbour = self.neighbour(now, neighbour);
        neighbour.pace.add(now, 1.0);
        neighbour.pace.cautious() / self.all.slow
    }

    fn neighbour(&mut self, now: Instant, id: Id) -> &mut Neighbour {
        if self.by_neighbour.len() >= NEIGHBOURS_MAX && !self.by_neighbour.contains_key(&id) {
            self.by_neighbour.clear();
            self.weighed = 0.0;
        }
        self.by_neighbour.entry(id).or_insert(Neighbour { pace: Pace::new(now), weight: 0.0 })
    }

    /// How much of so much weight a neighbour may add: where there are many, none adds more than its share of all, and
    /// nowhere by its word alone.
    fn allowed(&mut self, from: &Id, asked: f64, told: f64) -> f64 {
        let are_many = self.by_neighbour.len() >= MANY_NEIGHBOURS;
        let Some(neighbour) = self.by_neighbour.get_mut(from) else { return asked };
        let others = self.weighed - neighbour.weight;
        let room = (others * SHARE_MAX / (1.0 - SHARE_MAX) - neighbour.weight).max(0.0);
        let allowed = if are_many { (asked + told).min(room) } else { asked + told.min(room) };
        neighbour.weight += allowed;
        self.weighed += allowed;
        allowed
    }

    /// The share of all requests that come through each neighbour, cautious where there were few.
    pub(super) fn shares(&self, now: Instant) -> impl Iterator<Item = (Id, f64)> + '_ {
        let all = self.all.slow_at(now).max(1.0);
        self.by_neighbour.iter().map(move |(id, Neighbour { pace, .. })| {
            let slow = Pace { slow: pace.slow_at(now), ..*pace };
            (*id, slow.cautious() / all)
        })
    }

    /// Changes the row of an object that weighs so many requests more, those that came here and those that were told of.
    /// Whoever has used up its share takes no other object's row: then there is none to change.
    fn change<T>(
        &mut self,
        now: Instant,
        (object, from): (&Id, Id),
        (asked, told): (f64, f64),
        change: impl FnOnce(&mut Row) -> T,
    ) -> Option<T> {
        self.rebase(now);
        let name = self.hash(object);
        let each = growth(self.since, now);
        let added = self.allowed(&from, asked * each, told * each);
        if added == 0.0 && self.rows.len() >= self.limit && !self.rows.contains_key(&name) {
            return None;
        }
        let mut row = self.take_row(now, name, object);
        row.weight += added;
        let told = change(&mut row);
        self.order.insert((row.weight.to_bits(), name));
        self.rows.insert(name, row);
        Some(told)
    }

    /// Takes the object's row out of the table, or that of the least wanted.
    fn take_row(&mut self, now: Instant, name: u64, object: &Id) -> Row {
        if let Some(row) = self.rows.remove(&name) {
            self.order.remove(&(row.weight.to_bits(), name));
            return row;
        }
        let mut inherited = 0.0;
        if self.rows.len() >= self.limit
            && let Some((bits, least)) = self.order.pop_first()
        {
            self.rows.remove(&least);
            inherited = f64::from_bits(bits);
        }
        let (pace, told, remembered) = (Pace::new(now), 0.0, 0.0);
        Row { object: *object, weight: inherited, inherited, pace, told, remembered, at: now, through: Vec::new() }
    }

    /// Before weights become too large for a number they are all made smaller.
    fn rebase(&mut self, now: Instant) {
        if now.since(self.since) < FADE * REBASE_FADES {
            return;
        }
        let share = 1.0 / growth(self.since, now);
        self.since = now;
        self.weighed *= share;
        self.by_neighbour.values_mut().for_each(|neighbour| neighbour.weight *= share);
        self.order.clear();
        for (name, row) in &mut self.rows {
            row.weight *= share;
            row.inherited *= share;
            self.order.insert((row.weight.to_bits(), *name));
        }
    }

    fn hash(&self, object: &Id) -> u64 {
        keyed_hash(self.keys, object)
    }
}

impl Row {
    /// One request more, and so many that were answered elsewhere.
    fn note(&mut self, now: Instant, told: f64, least: f64) -> Wanted {
        let before = self.demand(now, least);
        self.pace.add(now, 1.0);
        self.remember(now, told, least);
        Wanted { before, demand: self.demand(now, least), through: 0.0 }
    }

    fn demand(&self, now: Instant, least: f64) -> f64 {
        let fading = fading(now.since(self.at), MEMORY);
        let known = self.pace.rate(now, least) + self.told * fading / MEMORY.as_secs_f64();
        known.max(self.remembered * fading)
    }

    fn remember(&mut self, now: Instant, told: f64, least: f64) {
        self.told = self.told * fading(now.since(self.at), MEMORY) + told;
        self.remembered = self.demand(now, least);
        self.at = now;
    }

    fn note_through(&mut self, now: Instant, neighbour: Id, least: f64) -> f64 {
        let place = self.through.iter().position(|(id, _)| *id == neighbour).unwrap_or_else(|| {
            let fresh = (neighbour, Pace::new(now));
            if self.through.len() < THROUGH_MAX {
                self.through.push(fresh);
                return self.through.len() - 1;
            }
            let slowest = |place: &usize| self.through[*place].1.slow_at(now).to_bits();
            let least = (0..self.through.len()).min_by_key(slowest).unwrap_or(0);
            self.through[least] = fresh;
            least
        });
        let pace = &mut self.through[place].1;
        pace.add(now, 1.0);
        pace.rate(now, least)
    }
}

impl Pace {
    /// Nothing yet.
    pub(super) fn new(now: Instant) -> Pace {
        Pace { slow: 0.0, quick: 0.0, begun: now, quick_begun: now, at: now }
    }

    /// So many more.
    pub(super) fn add(&mut self, now: Instant, count: f64) {
        let passed = now.since(self.at);
        self.slow = self.slow * fading(passed, FADE) + count;
        let left = self.quick * fading(passed, FADE_QUICK);
        if left < QUICK_OVER {
            self.quick_begun = now;
        }
        self.quick = left + count;
        self.at = now;
    }

    /// Times a second: over the last minutes, or over the last seconds where there were enough of them to tell.
    fn rate(&self, now: Instant, least: f64) -> f64 {
        let quick = self.quick * fading(now.since(self.at), FADE_QUICK);
        let slow = self.slow_at(now);
        let over = |count: f64, least: f64, fade: Span, begun: Instant| {
            // What has just begun cannot have faded yet; and the first of them only began it.
            let begins = fading(now.since(begun), fade);
            let span = fade.as_secs_f64() * (1.0 - begins);
            if count >= least { (count - begins) / span.max(SPAN_LEAST_S) } else { 0.0 }
        };
        over(quick, QUICK_LEAST, FADE_QUICK, self.quick_begun).max(over(slow, least, FADE, self.begun))
    }

    /// What there is certainly, as far as one standard deviation of so many goes.
    fn cautious(&self) -> f64 {
        (self.slow - self.slow.sqrt()).max(0.0)
    }

    fn slow_at(&self, now: Instant) -> f64 {
        self.slow * fading(now.since(self.at), FADE)
    }
}

fn growth(since: Instant, now: Instant) -> f64 {
    (now.since(since).as_secs_f64() / FADE.as_secs_f64()).exp()
}

fn fading(passed: Span, fade: Span) -> f64 {
    (-passed.as_secs_f64() / fade.as_secs_f64()).exp()
}

/// Rows of one node's table, over all shards: 700 bytes each, so some 700 KiB where each has its eight neighbours.
pub(super) const ROWS_MAX: usize = 1_024;
/// Neighbours told apart over all rows; beyond it they are counted anew. Twice the default link budget of 256.
const NEIGHBOURS_MAX: usize = 512;
/// Where there are so many neighbours none has more than such a share of all weight: one that asks for thousands of its own
/// objects, or says that it answered for them, drives out little of what the others want. Guesses: fewer may well bring more each.
const MANY_NEIGHBOURS: usize = 8;
const SHARE_MAX: f64 = 0.25;
/// Neighbours told apart in one row. A guess: what comes through more is spread already.
const THROUGH_MAX: usize = 8;
/// A request counts for so long, in the mean. A guess: the longest in which popularity may be taken for steady.
const FADE: Span = Span::from_mins(10);
/// The same for crowds that come all at once. A guess.
const FADE_QUICK: Span = Span::from_secs(30);
/// No pace is told of less than so many seconds. A guess.
const SPAN_LEAST_S: f64 = 3.0;
/// What is answered elsewhere is remembered for so long, in the mean: leases of blobs last an hour.
const MEMORY: Span = Span::from_hours(1);
/// Fewer requests than this tell of no rate: one in seven of Poisson's threes is chance alone. A guess.
const SLOW_LEAST: f64 = 2.5;
/// The same within seconds. A guess.
const QUICK_LEAST: f64 = 6.0;
/// With less than this left of a crowd the next request begins another. A guess.
const QUICK_OVER: f64 = 1.0;
/// Weights are made smaller before they have grown by e to this.
const REBASE_FADES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Chance;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Span::from_millis(ms)
    }

    fn object(number: u64) -> Id {
        Id::hash_of(&number.to_le_bytes())
    }

    #[test]
    fn a_steady_pace_is_told_and_silence_forgets_it() {
        let mut heat = Heat::new((1, 2), 16);
        let neighbour = object(99);
        let mut wanted = Wanted { demand: 0.0, through: 0.0, before: 0.0 };
        for second in 0..3_600 {
            let through = if second % 2 == 0 { neighbour } else { object(98) };
            wanted = heat.note(at(second * 1_000), &object(1), through, 0.0);
        }
        assert!((wanted.demand - 1.0).abs() < 0.1, "{wanted:?}");
        let last = heat.note(at(3_600_000), &object(1), neighbour, 0.0);
        assert!((last.through - 0.5).abs() < 0.1, "{last:?}");
        assert!(heat.demand(at(3_600_000 + 3_600_000), &object(1)) < 0.4);
        assert!(heat.demand(at(3_600_000 + 36_000_000), &object(1)) < 0.001);
        assert_eq!(heat.demand(at(0), &object(2)), 0.0);
    }

    #[test]
    fn a_crowd_is_seen_within_a_second_and_a_single_request_is_none() {
        let mut heat = Heat::new((1, 2), 16);
        assert_eq!(heat.note(at(0), &object(1), object(97), 0.0).demand, 0.0);
        let rate = (0..50).map(|n| heat.note(at(10 * n), &object(2), object(97), 0.0).demand).last().unwrap();
        assert!(rate > 8.0, "50 requests in half a second: {rate}");
    }

    #[test]
    fn a_crowd_for_what_was_wanted_now_and_then_is_seen_as_soon() {
        let mut heat = Heat::new((1, 2), 16);
        (0..20).for_each(|n| _ = heat.note(at(100_000 * n), &object(1), object(97), 0.0));
        assert!(heat.demand(at(2_000_000), &object(1)) < 0.02);
        let crowd = (0..50).map(|n| heat.note(at(2_000_000 + 10 * n), &object(1), object(97), 0.0).demand);
        let rate = crowd.last().unwrap();
        assert!(rate > 8.0, "50 requests in half a second: {rate}");
    }

    #[test]
    fn what_others_answer_counts_as_soon_as_it_is_told_and_is_remembered_until_then() {
        let mut heat = Heat::new((1, 2), 16);
        let neighbour = object(99);
        (0..600).for_each(|second| _ = heat.note(at(second * 1_000), &object(1), neighbour, 0.0));
        let before = heat.demand(at(600_000), &object(1));
        // All is answered elsewhere now.
        let later = heat.demand(at(1_800_000), &object(1));
        assert!(later > before * 0.6, "{before}, then {later}");
        heat.note_told(at(3_600_000), &object(1), neighbour, 3_000.0);
        assert!((0.7..1.2).contains(&heat.demand(at(3_600_000), &object(1))));
        // And one more request through this neighbour, which brings all there is, tells how many come that way.
        let wanted = heat.note(at(3_601_000), &object(2), neighbour, 40_000.0);
        assert!(wanted.demand > 10.0 && wanted.through > wanted.demand * 0.2, "{wanted:?}");
    }

    /// Zipf's law in the midst of requests for objects that are asked for once each, as somebody would make them who
    /// wants the hot ones forgotten.
    #[test]
    fn no_stream_of_strangers_drives_out_what_is_wanted() {
        const ROWS: usize = 128;
        let mut heat = Heat::new((1, 2), ROWS);
        let mut chance = Chance::from_seed(5);
        let mut exact: BTreeMap<u64, f64> = BTreeMap::new();
        for step in 0..200_000u64 {
            let is_junk = chance.happens(0.5);
            let name = if is_junk { 1_000_000 + step } else { (chance.unit().powi(6) * 1_000.0) as u64 };
            *exact.entry(name).or_insert(0.0) += 1.0;
            heat.note(at(step), &object(name), object(97), 0.0);
            heat.assert_invariants();
        }
        let total: f64 = exact.values().sum();
        let due: Vec<u64> = exact.iter().filter(|(_, n)| **n > total / ROWS as f64).map(|(name, _)| *name).collect();
        assert!(due.len() >= 3, "{due:?}");
        for name in due {
            assert!(heat.demand(at(200_000), &object(name)) > 0.0, "{name} has a row");
        }
        let hottest = heat.hottest(at(200_000), 1);
        assert_eq!(hottest[0].0, object(0));
    }

    #[test]
    fn one_neighbour_that_heats_its_own_objects_does_not_drive_out_what_the_others_want() {
        const ROWS: usize = 128;
        for tells in [false, true] {
            let mut heat = Heat::new((1, 2), ROWS);
            let (mut chance, liar) = (Chance::from_seed(6), object(500));
            let wanted = |heat: &Heat, step| (0..60).filter(|name| heat.demand(at(step), &object(*name)) > 0.0).count();
            for step in 0..120_000u64 {
                // Nine neighbours want sixty objects, one request in fifty; all others are one neighbour's.
                if step % 50 == 0 {
                    let (name, through) = (chance.index(60) as u64, object(900 + chance.index(9) as u64));
                    heat.note(at(step * 10), &object(name), through, 0.0);
                } else if tells {
                    heat.note_told(at(step * 10), &object(10_000 + step % 2_000), liar, 60_000.0);
                } else {
                    heat.note(at(step * 10), &object(10_000 + step % 2_000), liar, 0.0);
                }
                heat.assert_invariants();
            }
            assert_eq!(wanted(&heat, 1_200_000), 60, "tells: {tells}");
        }
    }

    #[test]
    fn among_few_neighbours_one_may_bring_nearly_all() {
        let mut heat = Heat::new((1, 2), 16);
        for step in 0..20_000u64 {
            heat.note(at(step * 10), &object(step % 64), object(500 + u64::from(step % 100 == 0)), 0.0);
            heat.note(at(step * 10), &object(7), object(500), 0.0);
        }
        assert_eq!(heat.hottest(at(200_000), 1)[0].0, object(7));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counts_are_exact_but_for_what_was_inherited(
            steps in prop::collection::vec((0u64..20, 0u64..120_000), 1..300), rows in 1usize..12
        ) {
            let mut heat = Heat::new((3, 4), rows);
            let (mut now, mut all, mut exact) = (0, 0.0, BTreeMap::<u64, Vec<u64>>::new());
            for (name, pause) in steps {
                now += pause;
                exact.entry(name).or_default().push(now);
                heat.note(at(now), &object(name), object(97), 0.0);
                heat.assert_invariants();
            }
            let weigh = |times: &Vec<u64>| times.iter().map(|time| growth(heat.since, at(*time))).sum::<f64>();
            for times in exact.values() {
                all += weigh(times);
            }
            let mut held = 0.0;
            for row in heat.rows.values() {
                held += row.weight;
                let (name, _) = exact.iter().find(|(name, _)| object(**name) == row.object).unwrap();
                let truth = weigh(&exact[name]);
                prop_assert!(row.weight >= truth * 0.999 && row.weight - row.inherited <= truth * 1.001);
            }
            prop_assert!(held <= all * 1.001);
            for (name, times) in &exact {
                let is_due = weigh(times) > all / rows as f64 * 1.001;
                prop_assert!(!is_due || heat.rows.values().any(|row| row.object == object(*name)));
            }
        }
    }
}
