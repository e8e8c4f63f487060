//! What the disk is to forget, or to keep for something else.
//!
//! Owns: the rows that the disk has otherwise than this shard, because it failed: it is told again until it does as told.
//! Never does: write a value or a claim.

use super::Directory;
use super::away::{Due, Pending};
use super::ground::Counter;
use super::publish::Publication;
use crate::base::{Id, Span};
use crate::overlay::contract::{DiskDone, DiskOp};
use std::collections::BTreeSet;
use std::ops::Bound;

/// What is on disk under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    /// A value.
    Value(Id),
    /// A holder's claim.
    Pointer { root: Id, holder: Id },
}

/// Why the disk is told.
pub(super) enum Why {
    /// Its time is up: a start would leave it out.
    Over,
    /// It is not as it is on disk: a start would bring back what was.
    Wrong,
    /// The same, and a local client hears of it once that cannot be any more.
    Unpublished { publication: Publication, wish: u64 },
}

/// Rows that the disk has otherwise than this shard.
#[derive(Default)]
pub(super) struct Amiss {
    rows: BTreeSet<Row>,
    /// The one told last.
    cursor: Option<Row>,
    /// Before the disk is told again: longer with each failure.
    pause: Option<Span>,
}

impl Directory {
    /// Tells the disk what this shard has of a value's terms, or that it has it no more; or that it has no such claim.
    pub(super) fn amend(&mut self, row: Row, why: Why) {
        let now = self.ground.now;
        let op = match row {
            Row::Value(object) => match self.values.get(&object) {
                Some(entry) => DiskOp::SetTerms { object, terms: entry.terms.map(|until| now.until(until)) },
                None => DiskOp::DropValue { object },
            },
            Row::Pointer { root, holder } => DiskOp::DropPointer { root, holder },
        };
        self.give_to_disk(Pending::Amend { row, why }, op);
    }

    /// The disk has done so, or not.
    pub(super) fn on_amended(&mut self, row: Row, why: Why, done: &DiskDone) {
        let is_done = !matches!(done, DiskDone::Failed(_));
        if is_done {
            self.away.amiss.pause = None;
        } else {
            self.ground.tally.count(Counter::Refused, "disk");
            let room = if matches!(why, Why::Over) { AMISS_MAX / 2 } else { AMISS_MAX };
            if !self.away.amiss.insert(row, room) {
                self.ground.tally.count(Counter::Refused, "directory.amiss_max");
            }
            let after = self.ground.chance.jittered(self.away.amiss.next_pause(), 0.5);
            // Not earlier for what is left to tell: the disk is ill.
            self.ground.deadlines.set(Due::Amend, self.ground.now + after);
        }
        if let (Row::Value(object), Why::Unpublished { publication, wish }) = (row, why) {
            self.on_unpublished(object, &publication, wish, is_done);
        }
    }

    /// The pause after a failure is over.
    pub(super) fn on_amend_due(&mut self) {
        let amiss = &mut self.away.amiss;
        amiss.pause = Some(amiss.next_pause());
        for row in amiss.take_next(AMENDED_AT_ONCE) {
            match row {
                // Written meanwhile, the disk has what this shard has.
                Row::Pointer { root, holder }
                    if self.pointers.get(&root, &holder).is_some_and(|claim| claim.is_rooted) => {}
                Row::Value(object) if self.values.is_being_written(&object) => {
                    self.away.amiss.insert(row, usize::MAX);
                }
                _ => self.amend(row, Why::Wrong),
            }
        }
        if self.away.amiss.len() > 0 {
            self.ground.wake(Due::Amend, AMEND_PAUSE);
        }
    }

    /// Whether the disk is yet to be told of this value, or has failed to do so.
    pub(super) fn is_amiss(&self, object: &Id) -> bool {
        let of_it = |pending: &Pending| matches!(pending, Pending::Amend { row, .. } if *row == Row::Value(*object));
        self.away.amiss.rows.contains(&Row::Value(*object)) || self.away.tickets.values().any(of_it)
    }
}

impl Amiss {
    /// How many.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn insert(&mut self, row: Row, room: usize) -> bool {
        let fits = self.rows.len() < room;
        if fits {
            self.rows.insert(row);
        }
        fits
    }

    /// Before the disk is told again, if it fails now.
    fn next_pause(&self) -> Span {
        self.pause.map_or(AMEND_AFTER, |pause| (pause * 2).min(AMEND_AFTER_MAX))
    }

    /// Takes the next ones behind those taken last; behind the last come the first.
    fn take_next(&mut self, count: usize) -> Vec<Row> {
        let behind = self.cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut next: Vec<Row> = self.rows.range((behind, Bound::Unbounded)).take(count).copied().collect();
        if next.is_empty() {
            next = self.rows.iter().take(count).copied().collect();
        }
        next.iter().for_each(|row| _ = self.rows.remove(row));
        self.cursor = next.last().copied();
        next
    }
}

/// Pause before a disk that failed is told again, doubled with each failure up to the limit: it fails what is written with
/// it, and is opened again. Guesses: a full disk is looked after in minutes.
const AMEND_AFTER: Span = Span::from_secs(10);
const AMEND_AFTER_MAX: Span = Span::from_mins(10);
/// Rows told again in one go, and the pause between two while all goes well.
const AMENDED_AT_ONCE: usize = 256;
const AMEND_PAUSE: Span = Span::from_millis(100);
/// Rows remembered, some 6 MiB; half of them if their time is up, which a start finds by itself. What is beyond stays on
/// disk, and comes back with a start unless its time is up by then.
const AMISS_MAX: usize = 65_536;
