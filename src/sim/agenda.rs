//! What is to happen, and when.
//!
//! Owns: the virtual clock and the queue of events; ties are broken by the order of scheduling.
//! Never does: know what an event means, or run backwards.

use crate::base::{Instant, Span};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events in the order of their moments.
pub(super) struct Agenda<E> {
    now: Instant,
    queue: BinaryHeap<Reverse<Entry<E>>>,
    scheduled: u64,
    at_this_moment: u32,
}

struct Entry<E> {
    at: Instant,
    order: u64,
    event: E,
}

impl<E> Agenda<E> {
    /// Nothing to happen.
    pub fn new() -> Agenda<E> {
        Agenda { now: Instant::ORIGIN, queue: BinaryHeap::new(), scheduled: 0, at_this_moment: 0 }
    }

    /// Lets this happen then; what is scheduled for the past happens now.
    pub fn at(&mut self, at: Instant, event: E) {
        self.scheduled += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), order: self.scheduled, event }));
    }

    /// Lets this happen after a while.
    pub fn after(&mut self, span: Span, event: E) {
        self.at(self.now + span, event);
    }

    /// Goes on to the next event, if it is due by `until`; else to `until`.
    ///
    /// Panics if time stands still: machines that keep each other busy at one moment for ever would
    /// otherwise hang the test.
    pub fn next(&mut self, until: Instant) -> Option<E> {
        if self.queue.peek().is_none_or(|Reverse(entry)| entry.at > until) {
            self.now = self.now.max(until);
            self.at_this_moment = 0;
            return None;
        }
        let Reverse(entry) = self.queue.pop()?;
        self.at_this_moment = if entry.at == self.now { self.at_this_moment + 1 } else { 0 };
        assert!(self.at_this_moment < STUCK, "STUCK at {:?}: {STUCK} events and time stands still", self.now);
        self.now = entry.at;
        Some(entry.event)
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.now
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Events at one moment after which something is wrong. A guess, far above what any crowd causes.
const STUCK: u32 = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_at_one_moment_come_in_the_order_of_scheduling() {
        let mut agenda = Agenda::new();
        agenda.after(Span::from_secs(2), "late");
        agenda.after(Span::from_secs(1), "first");
        agenda.after(Span::from_secs(1), "second");
        let until = Instant::ORIGIN + Span::from_secs(1);
        assert_eq!((agenda.next(until), agenda.next(until), agenda.next(until)), (Some("first"), Some("second"), None));
        assert_eq!(agenda.now(), until);
    }

    #[test]
    #[should_panic(expected = "time stands still")]
    fn a_busy_loop_is_noticed() {
        let mut agenda = Agenda::new();
        loop {
            agenda.after(Span::ZERO, ());
            agenda.next(Instant::ORIGIN);
        }
    }
}
