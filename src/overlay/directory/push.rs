//! Sending copies to those who lack them.
//!
//! Owns: the queue of pushes, how many are under way, and how many bytes a second they may take.
//! Never does: choose what is pushed to whom: the peer asks for it, after an offer.

use super::Directory;
use super::away::Due;
use super::away::{Purpose, ReadThen};
use super::ground::Counter;
use super::repair::REPAIR_STEP;
use crate::base::{Id, Instant, Span};
use crate::wire::directory::{Answer, OFFER_MAX, Refusal, Request};
use crate::wire::object::Value;
use std::collections::VecDeque;

/// Pushes at one shard.
#[derive(Default)]
pub(super) struct Pushes {
    queue: VecDeque<(Id, Id)>,
    under_way: usize,
    allowance: Allowance,
    /// Whether the next push waits for the allowance.
    is_waiting: bool,
}

/// A bucket that fills with the bytes that may be sent, up to those of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    bytes: f64,
    /// When that was so; `None` while it is still full.
    at: Option<Instant>,
}

impl Directory {
    /// A peer lacks these of what was offered.
    pub(super) fn on_wanted(&mut self, from: Id, objects: &[Id]) {
        if !self.ground.view.leaf_set.contains(&from) {
            return self.ground.tally.count(Counter::Ignored, "wanted_by_stranger");
        }
        for object in objects.iter().take(OFFER_MAX) {
            if self.is_mine(object) && self.values.get(object).is_some_and(|entry| entry.is_replica()) {
                self.push_later(*object, from);
            }
        }
        self.push_more();
        if !self.repair.is_idle() {
            self.ground.deadlines.set_earlier(Due::Repair, self.ground.now + REPAIR_STEP);
        }
    }

    /// A peer has nothing of these. The root sends it what is so small that asking first would cost as much: who else
    /// keeps them may think the same of a root at the same time.
    pub(super) fn give_or_offer(&mut self, to: Id, objects: impl Iterator<Item = Id>) {
        let is_small = |object: &Id| self.values.get(object).is_some_and(|entry| entry.bytes <= UNASKED_BYTES_MAX);
        let is_given = |object: &Id| self.ground.view.is_root_of(object) && is_small(object);
        let (given, offered): (Vec<Id>, Vec<Id>) = objects.partition(is_given);
        given.into_iter().for_each(|object| self.push_later(object, to));
        self.offer(to, offered);
        self.push_more();
    }

    /// Whether repair may send so many bytes now; they are counted, then.
    pub(super) fn may_push(&mut self, bytes: u64) -> bool {
        let per_s = self.ground.limits.repair_bytes_per_s;
        self.repair.pushes.allowance.take(self.ground.now, bytes + PUSH_HEAD_BYTES, per_s)
    }

    fn push_later(&mut self, object: Id, to: Id) {
        if self.repair.pushes.len() >= PUSHES_QUEUED_MAX {
            self.repair.is_unfinished = true;
            return self.ground.tally.count(Counter::Repairs, "push_queue_full");
        }
        self.repair.pushes.queue.push_back((object, to));
        if let Some(in_hand) = self.repair.in_hand.get_mut(&object) {
            in_hand.pushes += 1;
        }
    }

    /// Begins as many pushes as may be under way, and as the allowance allows.
    pub(super) fn push_more(&mut self) {
        while self.repair.pushes.under_way < PUSHES_AT_ONCE {
            let Some(&(object, to)) = self.repair.pushes.queue.front() else { return };
            let bytes = self.values.get(&object).map_or(0, |entry| entry.bytes);
            if !self.may_push(bytes) {
                if !self.repair.pushes.is_waiting {
                    self.ground.tally.count(Counter::Repairs, "push_waited");
                }
                // The next step of repair tries again.
                self.repair.pushes.is_waiting = true;
                return;
            }
            self.repair.pushes.is_waiting = false;
            self.repair.pushes.queue.pop_front();
            self.repair.pushes.under_way += 1;
            match self.cache.touch(&object) {
                Some(value) => self.on_read_to_push(object, to, Some(value)),
                None => self.read(object, ReadThen::Push(to)),
            }
        }
    }

    /// A value to be pushed was read.
    pub(super) fn on_read_to_push(&mut self, object: Id, to: Id, value: Option<Value>) {
        let remaining = self.values.get(&object).map(|entry| entry.remaining(self.ground.now));
        let (Some(value), Some(lifetime), Some(contact)) = (value, remaining, self.ground.contact(&to)) else {
            self.push_over(&object);
            return self.push_more();
        };
        let lifetime = self.ground.limits.lifetime(lifetime);
        let wait = self.ground.answer_wait(&to) + PUSH_SLACK;
        let request = Request::Replicate { value, lifetime, receipt: false };
        self.ask(&contact, request, Purpose::Push(object), wait);
    }

    /// What became of a push; `None` if the peer was silent.
    pub(super) fn on_pushed(&mut self, object: Id, from: Id, answer: Option<Answer>) {
        self.push_over(&object);
        match answer {
            Some(Answer::Kept | Answer::Refused(Refusal::Stale { .. })) => {
                self.ground.tally.count(Counter::Repairs, "pushed");
                self.confirm(&object, None, from);
            }
            _ => {
                self.ground.tally.count(Counter::Repairs, "push_failed");
                self.unsettle(&object);
            }
        }
        self.push_more();
    }

    fn push_over(&mut self, object: &Id) {
        self.repair.pushes.under_way = self.repair.pushes.under_way.saturating_sub(1);
        if let Some(in_hand) = self.repair.in_hand.get_mut(object) {
            in_hand.pushes = in_hand.pushes.saturating_sub(1);
        }
    }
}

impl Pushes {
    /// Whether nothing is to be pushed just now.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way == 0
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.under_way <= PUSHES_AT_ONCE);
        assert!(self.queue.len() <= PUSHES_QUEUED_MAX);
    }
}

impl Allowance {
    /// Takes so many bytes if they are there. More than one second's worth is taken once that is there, and the next
    /// ones wait the longer.
    fn take(&mut self, now: Instant, bytes: u64, per_s: u64) -> bool {
        let full = per_s as f64;
        let grown = self.at.map_or(full, |at| self.bytes + now.since(at).as_secs_f64() * full);
        self.bytes = grown.min(full);
        self.at = Some(now);
        if self.bytes < (bytes as f64).min(full) {
            return false;
        }
        self.bytes -= bytes as f64;
        true
    }
}

/// Values up to this size are sent to who has nothing of a range without asking: an offer, and the word that it is
/// wanted, take some 80 bytes a value. A guess.
const UNASKED_BYTES_MAX: u64 = 512;
/// Values read and sent at once: at most 16 MiB on their way.
const PUSHES_AT_ONCE: usize = 16;
/// Values waiting to be pushed: eight offers' worth.
const PUSHES_QUEUED_MAX: usize = 2_048;
/// Beyond a peer's usual wait, for a megabyte on a slow line. A guess.
pub(super) const PUSH_SLACK: Span = Span::from_secs(4);
/// What a push costs beside the value: question and answer, and the packets around them. A guess.
const PUSH_HEAD_BYTES: u64 = 150;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_over_a_while_is_what_the_rate_allows() {
        for bytes in [10, 1_000, 2_500] {
            let (mut allowance, mut sent) = (Allowance::default(), 0);
            for step in 0..10_000 {
                let now = Instant::ORIGIN + Span::from_millis(10 * step);
                while allowance.take(now, bytes, 1_000) {
                    sent += bytes;
                }
            }
            // 100 seconds, one second's worth at the start, and what the last one had on credit.
            assert!((99_000..=101_000 + bytes).contains(&sent), "{sent} of {bytes} each");
        }
    }

    #[test]
    fn after_a_long_rest_there_is_one_second_of_it() {
        let mut allowance = Allowance::default();
        assert!(allowance.take(Instant::ORIGIN, 1_000, 1_000) && !allowance.take(Instant::ORIGIN, 1, 1_000));
        let late = Instant::ORIGIN + Span::from_hours(1);
        assert!(allowance.take(late, 1_000, 1_000) && !allowance.take(late, 1, 1_000));
    }
}
