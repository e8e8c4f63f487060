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

/// What is on disk under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    /// A value.
    Value(Id),
    /// A holder's claim.
    Pointer { root: Id, holder: Id },
}

/// What a local client withdrew: it hears of it once a restart will not bring it back.
pub(super) struct Unpublished {
    pub(super) publication: Publication,
    pub(super) wish: u64,
}

impl Directory {
    /// Tells the disk what this shard has of a value's terms, or that it has it no more; or that it has no such claim.
    pub(super) fn amend(&mut self, row: Row, unpublished: Option<Unpublished>) {
        let now = self.ground.now;
        let op = match row {
            Row::Value(object) => match self.values.get(&object) {
                Some(entry) => DiskOp::SetTerms { object, terms: entry.terms.map(|until| now.until(until)) },
                None => DiskOp::DropValue { object },
            },
            Row::Pointer { root, holder } => DiskOp::DropPointer { root, holder },
        };
        self.give_to_disk(Pending::Amend { row, unpublished }, op);
    }

    /// The disk has done so, or not.
    pub(super) fn on_amended(&mut self, row: Row, unpublished: Option<Unpublished>, done: &DiskDone) {
        let is_done = !matches!(done, DiskDone::Failed(_));
        if !is_done {
            self.ground.tally.count(Counter::Refused, "disk");
            self.amend_again(row);
        }
        if let (Row::Value(object), Some(unpublished)) = (row, unpublished) {
            self.on_unpublished(object, &unpublished, is_done);
        }
    }

    /// The pause after a failure is over.
    pub(super) fn on_amend_due(&mut self) {
        for row in self.away.amiss.iter().copied().take(AMENDED_AT_ONCE).collect::<Vec<_>>() {
            self.away.amiss.remove(&row);
            let is_as_told = match row {
                // Written meanwhile, the disk has what this shard has.
                Row::Pointer { root, holder } => self.pointers.get(&root, &holder).is_some_and(|claim| claim.is_rooted),
                Row::Value(object) if self.values.is_being_written(&object) => {
                    self.amend_again(row);
                    continue;
                }
                Row::Value(_) => false,
            };
            if !is_as_told {
                self.amend(row, None);
            }
        }
        if !self.away.amiss.is_empty() {
            self.ground.deadlines.set_earlier(Due::Amend, self.ground.now + AMEND_PAUSE);
        }
    }

    fn amend_again(&mut self, row: Row) {
        if self.away.amiss.len() >= AMISS_MAX {
            return self.ground.tally.count(Counter::Refused, "directory.amiss_max");
        }
        self.away.amiss.insert(row);
        let pause = self.ground.chance.jittered(AMEND_AFTER, 0.5);
        self.ground.deadlines.set_earlier(Due::Amend, self.ground.now + pause);
    }
}

/// Pause before a disk that failed is told again. A guess: a full disk is looked after in minutes.
const AMEND_AFTER: Span = Span::from_secs(10);
/// Rows told again in one go, and the pause between two.
const AMENDED_AT_ONCE: usize = 256;
const AMEND_PAUSE: Span = Span::from_millis(100);
/// Rows remembered, some 6 MiB. What is beyond stays on disk until its time is up.
const AMISS_MAX: usize = 65_536;
