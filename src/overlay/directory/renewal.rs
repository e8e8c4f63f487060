//! Rounds in which all that is published here is renewed.
//!
//! Owns: when a round begins, which objects are due in it, their claims in the order of the ids under which they are
//! rooted, and the queue of those that are renewed singly.
//! Never does: ask a root (that is `walk`), or sign a claim (that is `publish`).
//!
//! The ring is walked eighth by eighth: of each, all claims are sorted at once, so that there are never more of them in
//! memory than objects (eight roots an object), and a root is asked once about all it has to do with.

use super::Directory;
use super::away::Due;
use super::ground::Counter;
use super::regions::is_by_region;
use super::walk::Walker;
use crate::base::{Id, Instant, Span};
use crate::wire::directory::{Range, RangeSum, claim_version};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A round under way.
pub(super) struct Round {
    number: u32,
    started: Instant,
    /// When the next one must begin.
    next: Option<Instant>,
    phase: Phase,
    /// The claims of the present part of the ring.
    pub(super) list: BTreeMap<Id, Listed>,
    pub(super) walkers: Vec<Walker>,
}

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Which objects are due is looked up, from the one behind this on.
    Marking { cursor: Option<Id>, marked: usize },
    /// The claims of a part of the ring are sorted, from those of the object behind this on.
    Gathering { part: u64, cursor: Option<Id> },
    /// They are renewed.
    Walking { part: u64 },
}

/// A claim of this node's, by its root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) object: Id,
    pub(super) salt: u8,
    /// Whether this round is to renew it. What is not due is listed because the root counts it.
    pub(super) is_due: bool,
}

/// What is renewed singly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Single {
    /// An object, at all its roots.
    Object(Id),
    /// At one root: a claim that it lacks, or one to be withdrawn, if the object is published no more.
    Root { object: Id, salt: u8 },
}

impl Directory {
    /// A published object is due.
    pub(super) fn on_renew(&mut self, object: Id) {
        let Some(lifetime) = self.publications.lifetime(&object).filter(|_| self.leaving.is_none()) else { return };
        if !self.ground.view.ready {
            let pause = self.ground.chance.jittered(RENEW_PAUSE, 0.5);
            return self.ground.wake(Due::Renew(object), pause);
        }
        if self.publications.round.is_some() {
            // It came after the round began: the next one will find it, or it comes back.
            let pause = self.ground.chance.jittered(lifetime / ROUND_PATIENCE, 0.5);
            return self.ground.wake(Due::Renew(object), pause);
        }
        if is_by_region(self.publications.len(), self.ground.view.spacing()) {
            self.ground.wake(Due::Renew(object), RENEW_PAUSE);
            return self.round_start();
        }
        if self.publications.deposits() >= DEPOSITS_MAX {
            let pause = self.ground.chance.jittered(RENEW_PAUSE, 0.5);
            return self.ground.wake(Due::Renew(object), pause);
        }
        self.renew_singly(Single::Object(object));
    }

    /// A round begins, or takes its next step.
    pub(super) fn on_round(&mut self) {
        if self.leaving.is_some() {
            return self.publications.end_renewals();
        }
        match self.publications.round.as_ref().map(|round| round.phase) {
            None if self.ground.view.ready => self.round_start(),
            None => self.ground.wake(Due::Round, RENEW_PAUSE),
            Some(Phase::Marking { cursor, marked }) => self.mark(cursor, marked),
            Some(Phase::Gathering { part, cursor }) => self.gather(part, cursor),
            Some(Phase::Walking { .. }) => {}
        }
    }

    /// The next of those that are renewed singly.
    pub(super) fn on_singly(&mut self) {
        if !self.ground.view.ready {
            return self.ground.wake(Due::Singly, RENEW_PAUSE);
        }
        for _ in 0..SINGLY_AT_ONCE {
            if self.publications.deposits() >= DEPOSITS_MAX || self.leaving.is_some() {
                break;
            }
            let Some(single) = self.publications.singly.pop_front() else { break };
            self.renew_singly(single);
            if matches!(single, Single::Object(_)) {
                break;
            }
        }
        if !self.publications.singly.is_empty() {
            self.ground.wake(Due::Singly, SINGLY_PAUSE);
        }
    }

    /// This is to be renewed singly, as soon as there is room.
    pub(super) fn queue_single(&mut self, single: Single) {
        self.publications.singly.push_back(single);
        self.ground.deadlines.set_earlier(Due::Singly, self.ground.now + SINGLY_PAUSE);
    }

    /// All walkers have come to the end of their part of the ring.
    pub(super) fn part_over(&mut self) {
        let Some(round) = &mut self.publications.round else { return };
        let Phase::Walking { part } = round.phase else { return };
        round.list.clear();
        if part + 1 < PARTS {
            round.phase = Phase::Gathering { part: part + 1, cursor: None };
            return self.ground.wake(Due::Round, ROUND_STEP);
        }
        self.round_over();
    }

    fn round_start(&mut self) {
        self.publications.rounds = self.publications.rounds.wrapping_add(1);
        self.ground.tally.count(Counter::Renewals, "round");
        self.publications.round = Some(Round {
            number: self.publications.rounds,
            started: self.ground.now,
            next: None,
            phase: Phase::Marking { cursor: None, marked: 0 },
            list: BTreeMap::new(),
            walkers: Vec::new(),
        });
        self.ground.wake(Due::Round, ROUND_STEP);
    }

    fn round_over(&mut self) {
        let Some(round) = self.publications.round.take() else { return };
        if let Some(next) = round.next {
            self.ground.deadlines.set(Due::Round, next.max(self.ground.now + RENEW_PAUSE));
        }
    }

    /// Marks the objects that are due before a round that began in a quarter of their lifetime would have renewed them.
    fn mark(&mut self, cursor: Option<Id>, marked: usize) {
        let Some(round) = &mut self.publications.round else { return };
        let (mut last, mut count) = (None, 0);
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        for (object, publication) in
            self.publications.by_object.range_mut((from, Bound::Unbounded)).take(MARKED_AT_ONCE)
        {
            last = Some(*object);
            let (lifetime, due) = (publication.lifetime, Due::Renew(*object));
            let horizon = round.started + lifetime / AHEAD;
            if self.ground.deadlines.when(&due).is_none_or(|at| at > horizon) {
                continue;
            }
            (publication.round, count) = (round.number, count + 1);
            let next = round.started + lifetime / 2;
            round.next = Some(round.next.map_or(next, |other| other.min(next)));
            // Even if all goes well nobody may forget to renew: each has a deadline behind that of the next round.
            let reserve = self.ground.chance.jittered(lifetime / (2 * AHEAD), 0.5);
            self.ground.deadlines.set(due, next + reserve);
        }
        let marked = marked + count;
        if last.is_some() {
            round.phase = Phase::Marking { cursor: last, marked };
        } else if is_by_region(marked, self.ground.view.spacing()) {
            round.phase = Phase::Gathering { part: 0, cursor: None };
        } else {
            let number = round.number;
            let due = self.publications.by_object.iter().filter(|(_, publication)| publication.round == number);
            let due: Vec<Id> = due.map(|(object, _)| *object).collect();
            due.into_iter().for_each(|object| self.queue_single(Single::Object(object)));
            self.publications.round = None;
            return;
        }
        self.ground.wake(Due::Round, ROUND_STEP);
    }

    /// Sorts the claims of a part of the ring.
    fn gather(&mut self, part: u64, cursor: Option<Id>) {
        let Some(round) = &mut self.publications.round else { return };
        let Some(range) = part_of_ring(part) else { return };
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        for (object, publication) in self.publications.by_object.range((from, Bound::Unbounded)).take(GATHERED_AT_ONCE)
        {
            last = Some(*object);
            let is_due = publication.round == round.number;
            list(&mut round.list, range, object, is_due);
        }
        if last.is_some() {
            round.phase = Phase::Gathering { part, cursor: last };
            return self.ground.wake(Due::Round, ROUND_STEP);
        }
        round.phase = Phase::Walking { part };
        round.walkers = range.parts(WALKERS).map(Walker::new).collect();
        for walker in 0..round.walkers.len() as u8 {
            self.ground.wake(Due::Walk(walker), ROUND_STEP);
        }
    }

    /// An object is published while a round may be under way: roots will count its claims.
    pub(super) fn list_published(&mut self, object: &Id) {
        let Some(round) = &mut self.publications.round else { return };
        if let Some(range) = round.range() {
            list(&mut round.list, range, object, false);
        }
    }

    /// An object is withdrawn while a round may be under way.
    pub(super) fn unlist(&mut self, object: &Id) {
        let Some(round) = self.publications.round.as_mut().filter(|round| !round.list.is_empty()) else { return };
        for salt in 0..super::ROOTS_PER_OBJECT {
            round.list.remove(&object.salted(salt));
        }
    }

    /// What a root should have of this node's, if it knows nothing else.
    pub(super) fn own_sum(&self, salt: u64, range: &Range) -> RangeSum {
        let mut sum = RangeSum::default();
        let Some(round) = &self.publications.round else { return sum };
        for (root, listed) in round.listed(range) {
            if let Some(version) = self.own_version(&listed.object) {
                sum.add(salt, root, version);
            }
        }
        sum
    }

    /// What this node's claim of an object says.
    pub(super) fn own_version(&self, object: &Id) -> Option<u64> {
        let lifetime = self.publications.lifetime(object)?;
        Some(claim_version(self.ground.view.me.sequence(), lifetime))
    }
}

impl Round {
    /// The listed claims with roots in this range, in order.
    pub(super) fn listed(&self, range: &Range) -> impl Iterator<Item = (&Id, &Listed)> {
        let last = range.last;
        self.list.range(Id::from_prefix(range.first)..).take_while(move |(root, _)| root.prefix_u64() <= last)
    }

    /// The part of the ring whose claims are listed.
    fn range(&self) -> Option<Range> {
        match self.phase {
            Phase::Marking { .. } => None,
            Phase::Gathering { part, .. } | Phase::Walking { part } => part_of_ring(part),
        }
    }
}

/// Lists those of an object's claims whose roots lie in this range, unless they are listed.
fn list(list: &mut BTreeMap<Id, Listed>, range: Range, object: &Id, is_due: bool) {
    for salt in 0..super::ROOTS_PER_OBJECT {
        let root = object.salted(salt);
        if range.contains(&Range::at(&root)) {
            list.entry(root).or_insert(Listed { object: *object, salt, is_due });
        }
    }
}

fn part_of_ring(part: u64) -> Option<Range> {
    Range { first: 0, last: u64::MAX }.parts(PARTS).nth(part as usize)
}

/// Parts in which the ring is walked: each has as many claims as there are objects.
const PARTS: u64 = super::ROOTS_PER_OBJECT as u64;
/// Those who walk a part at once, each one region after the other. A guess: some four regions a round trip.
const WALKERS: u64 = 4;
/// A round renews what would be due within one part in this of its lifetime.
const AHEAD: u64 = 4;
/// Between two steps of marking and sorting.
const ROUND_STEP: Span = Span::from_millis(10);
/// Objects looked at in one step: some 1 ms.
const MARKED_AT_ONCE: usize = 4_096;
/// Objects whose eight roots are computed in one step: some 1 ms.
const GATHERED_AT_ONCE: usize = 1_024;
/// An object that is due while a round is under way comes back after one part in this of its lifetime.
const ROUND_PATIENCE: u64 = 64;
/// Claims on their way at once where they are renewed singly; further ones wait. A guess: three routed messages each.
pub(super) const DEPOSITS_MAX: usize = 256;
/// Pause before a renewal that could not be begun. A guess.
pub(super) const RENEW_PAUSE: Span = Span::from_secs(1);
/// Renewed singly: one object, or so many claims at single roots, in this time: 1,600 claims a second. A guess.
const SINGLY_AT_ONCE: usize = super::ROOTS_PER_OBJECT as usize;
pub(super) const SINGLY_PAUSE: Span = Span::from_millis(5);
/// With so many claims waiting to be renewed singly no walker goes on: they take some three seconds.
pub(super) const SINGLY_MAX: usize = 4_096;
