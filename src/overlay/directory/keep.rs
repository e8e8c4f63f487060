//! The one way a value gets onto this node's disk.
//!
//! Owns: the last look at version and room before a write, the write, and the entry once it is safe.
//! Never does: acknowledge what is not on stable storage.

use super::Directory;
use super::amend::{Row, Why};
use super::away::{Due, Pending, Replier};
use super::values::{Comparison, Entry, stamp_of};
use crate::base::{Id, Span};
use crate::overlay::contract::{DiskDone, DiskOp, Terms, Ticket};
use crate::wire::directory::{Answer, Refusal};
use crate::wire::object::Value;

/// A write under way.
pub(super) struct Keeping {
    object: Id,
    entry: Entry,
    /// For the cache, if it is small.
    value: Value,
    then: KeptThen,
}

/// Whom a write is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeptThen {
    /// A put rooted here.
    Root(u64),
    /// A replica: the word goes to this one, signed or not.
    Replica { replier: Replier, receipt: bool },
    /// A local publish.
    Published(u64),
}

/// What is to be kept, and for whom.
pub(super) struct Keep {
    pub(super) value: Value,
    /// For what, and how long from now.
    pub(super) terms: Terms<Span>,
    /// Who handed it in; `None` for this node's own.
    pub(super) source: Option<Id>,
    pub(super) then: KeptThen,
}

impl Directory {
    /// Writes a checked value, unless it is here already or may not be.
    pub(super) fn keep(&mut self, object: Id, keep: Keep) {
        let Keep { value, terms, source, then } = keep;
        let (now, limits) = (self.ground.now, &self.ground.limits);
        let granted = Terms { replica: terms.replica.map(|span| limits.lifetime(span)), ..terms };
        let terms = granted.map(|span| now + span);
        match self.values.compare(&object, &value, &terms) {
            Comparison::Newer => {}
            Comparison::Same => {
                let remaining = self.values.get(&object).map_or(Span::ZERO, |entry| entry.remaining(now));
                let granted = granted.replica.unwrap_or(Span::ZERO).min(remaining);
                return self.kept(object, then, Ok((value.version(), granted)));
            }
            Comparison::Older { version } => return self.kept(object, then, Err(Refusal::Stale { version })),
            Comparison::UnderWay => return self.kept(object, then, Err(Refusal::Busy)),
        }
        let bytes = value.len() as u64;
        if let Err(refusal) = self.ground.limits.fits(bytes, self.values.room(&object)) {
            return self.kept(object, then, Err(refusal));
        }
        let (stamp, version) = (stamp_of(&value), value.version());
        let terms = self.values.joined(&object, version, terms);
        let entry = Entry { version, bytes, terms, stamp, source, copies: 1, settled: 0 };
        self.values.begin(object, version, bytes, terms);
        let op = DiskOp::KeepValue { value: value.clone(), terms: terms.map(|until| now.until(until)) };
        let keeping = Keeping { object, entry, value, then };
        self.give_to_disk(Pending::Keep(Box::new(keeping)), op);
    }

    /// The disk has kept it, or not.
    pub(super) fn on_kept(&mut self, keeping: Keeping, done: &DiskDone) {
        let Keeping { object, entry, value, then } = keeping;
        self.values.end(&object, entry.bytes);
        if !matches!(done, DiskDone::Kept) {
            self.ground.tally.count(super::ground::Counter::Refused, "disk");
            if self.values.overtake(&object, entry.version) {
                self.ask_again(&object);
            }
            return self.kept(object, then, Err(Refusal::Disk));
        }
        let (version, remaining, is_published) =
            (entry.version, entry.remaining(self.ground.now), entry.is_published());
        self.enter(object, entry);
        if is_published && !matches!(then, KeptThen::Published(_)) {
            self.unpublish_if_failed(&object);
        }
        self.cache.insert(object, value);
        if version > 0 {
            self.spread_change(&object, None);
        }
        self.kept(object, then, Ok((version, remaining)));
    }

    /// Enters into the index what is on disk.
    pub(super) fn enter(&mut self, object: Id, entry: Entry) {
        if let Some(source) = entry.source {
            self.admission.add_value(self.ground.now, source);
        }
        match self.values.insert(object, entry) {
            Some(old) => old.source.into_iter().for_each(|source| self.admission.remove_value(source)),
            None => self.repair.note_value(),
        }
        self.scrub_start();
        self.schedule_expiry();
    }

    /// Forgets a value, here and on disk. Not while it is being written: the disk would drop the new one with it. Says
    /// whether it is forgotten.
    pub(super) fn forget(&mut self, object: &Id) -> bool {
        self.forget_for(object, Why::Wrong)
    }

    /// The same, and why.
    pub(super) fn forget_for(&mut self, object: &Id, why: Why) -> bool {
        if self.values.is_being_written(object) {
            return false;
        }
        let Some(entry) = self.values.remove(object) else { return false };
        if let Some(source) = entry.source {
            self.admission.remove_value(source);
        }
        // Nobody holds what is damaged.
        if entry.is_published() {
            self.publication_over(object);
        }
        self.cache.remove(object);
        self.dismiss(object);
        self.amend(Row::Value(*object), why);
        true
    }

    /// A write says that this is published here, as the one before it did that failed: then it is not.
    fn unpublish_if_failed(&mut self, object: &Id) {
        let is_settled = self.leaving.is_none() && !self.values.is_being_written(object);
        if is_settled && !self.publications.is_published(object) {
            self.end_published(object, Why::Wrong);
        }
    }

    /// A value is published here no more: it stays if it is kept for its root, here and on disk.
    pub(super) fn end_published(&mut self, object: &Id, why: Why) {
        let Some(entry) = self.values.get(object) else { return };
        let terms = Terms { published: None, ..entry.terms };
        if terms.end().is_none() {
            self.forget_for(object, why);
            return;
        }
        self.values.set_terms(object, terms);
        self.amend(Row::Value(*object), why);
    }

    /// Ends what has outlived its time.
    pub(super) fn on_expiry(&mut self) {
        for _ in 0..EXPIRED_AT_ONCE {
            let Some(object) = self.values.expired(self.ground.now) else { break };
            self.lapse(object);
        }
        for (root, holder) in self.pointers.expire(self.ground.now, EXPIRED_AT_ONCE) {
            self.amend(Row::Pointer { root, holder }, Why::Over);
        }
        self.schedule_expiry();
    }

    /// A value is not to be kept any more for something: for anything else it stays. What the disk has says when that ends, too.
    fn lapse(&mut self, object: Id) {
        let Some(entry) = self.values.get(&object) else { return };
        let (before, running) = (entry.terms, entry.terms.running(self.ground.now));
        if before.published.is_some() && running.published.is_none() {
            self.publication_over(&object);
        }
        match running.end() {
            Some(_) => self.values.set_terms(&object, running),
            None => _ = self.forget_for(&object, Why::Over),
        }
    }

    /// Wakes for the next expiry.
    pub(super) fn schedule_expiry(&mut self) {
        let next = [self.values.next_expiry(), self.pointers.next_expiry()].into_iter().flatten().min();
        match next {
            // Not at each single one's moment: many expire together.
            // And never put off what is due: something is written all the time.
            Some(at) => self.ground.deadlines.set_earlier(Due::Expiry, at.max(self.ground.now + EXPIRY_PAUSE)),
            None => _ = self.ground.deadlines.clear(&Due::Expiry),
        }
    }

    pub(super) fn give_to_disk(&mut self, pending: Pending, op: DiskOp) {
        let ticket = Ticket(self.ground.number());
        self.away.tickets.insert(ticket, pending);
        self.ground.disk(ticket, op);
    }

    fn kept(&mut self, object: Id, then: KeptThen, result: Result<(u64, Span), Refusal>) {
        match then {
            KeptThen::Root(put) => self.on_root_copy(put, result),
            KeptThen::Published(wish) => self.on_published_value(wish, object, result.map(|_| ())),
            KeptThen::Replica { replier, receipt } => {
                let answer = match result {
                    Ok(_) if !receipt => Answer::Kept,
                    Ok((version, lifetime)) => {
                        Answer::Stored { receipts: vec![self.ground.receipt(object, version, lifetime)] }
                    }
                    Err(refusal) => Answer::Refused(refusal),
                };
                self.reply(replier, answer);
            }
        }
    }
}

/// Entries ended in one go, so that a shard is never busy for long. A guess.
const EXPIRED_AT_ONCE: usize = 256;
/// Least pause between two goes: 25,600 entries a second, nearly as many as can be put. A guess.
const EXPIRY_PAUSE: Span = Span::from_millis(10);
