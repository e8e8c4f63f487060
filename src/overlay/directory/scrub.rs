//! Reading what nobody asks for, so that damage is found while others still have a sound copy.
//!
//! Owns: the walk over all kept values, one read at a time, evenly over the interval.
//! Never does: judge a value (whoever reads it from disk does), or mend one: what is damaged is forgotten as after any
//! other read, and repair brings it back.

use super::Directory;
use super::away::{Due, ReadThen};
use super::ground::Counter;
use crate::base::{Id, Instant, Span};

/// The walk at one shard.
#[derive(Default)]
pub(super) struct Scrub {
    /// The value read last; at first a place drawn at random, so that a node that never stays for a whole interval
    /// does not read the same ones each time.
    cursor: Option<Id>,
    /// Values that should have been read by then and were not: less than 1, except after a crowd.
    owed: f64,
    at: Option<Instant>,
    is_reading: bool,
}

impl Directory {
    /// Begins the walk, unless it is under way: there is something to read.
    pub(super) fn scrub_start(&mut self) {
        if self.ground.deadlines.when(&Due::Scrub).is_none() {
            if self.repair.scrub.cursor.is_none() {
                self.repair.scrub.cursor = Some(Id::from_bytes(self.ground.chance.bytes32()));
            }
            (self.repair.scrub.owed, self.repair.scrub.at) = (0.0, Some(self.ground.now));
            let pause = self.scrub_pause();
            self.ground.wake(Due::Scrub, pause);
        }
    }

    /// Reads the next value, if it is time and there is nothing better to do.
    pub(super) fn on_scrub(&mut self) {
        let (now, interval) = (self.ground.now, self.ground.tuning.upkeep.scrub_interval);
        if self.values.len() == 0 {
            return;
        }
        let since = self.repair.scrub.at.map_or(Span::ZERO, |at| now.since(at));
        let share = since.as_secs_f64() / interval.as_secs_f64();
        let owed = self.repair.scrub.owed + share * self.values.len() as f64;
        (self.repair.scrub.owed, self.repair.scrub.at) = (owed.min(OWED_MAX), Some(now));
        if self.repair.scrub.is_reading || self.away.is_crowded() {
            return self.ground.wake(Due::Scrub, LOOK_AGAIN);
        }
        if self.repair.scrub.owed >= 1.0
            && let Some((object, entry)) = self.values.next_round(self.repair.scrub.cursor)
        {
            self.repair.scrub.owed -= 1.0;
            self.repair.scrub.cursor = Some(object);
            // What has outlived its time may be gone from disk already.
            if entry.is_live(now) {
                self.repair.scrub.is_reading = true;
                self.read(object, ReadThen::Scrub);
            }
        }
        let pause = if self.repair.scrub.owed >= 1.0 { LOOK_AGAIN } else { self.scrub_pause() };
        self.ground.wake(Due::Scrub, pause);
    }

    /// A value was read, or could not be; if it was damaged, it has been forgotten.
    pub(super) fn on_read_to_scrub(&mut self, outcome: &'static str) {
        self.repair.scrub.is_reading = false;
        self.ground.tally.count(Counter::Scrubs, outcome);
    }

    /// Until the next value is to be read; no longer than a while, since there may be more by then.
    fn scrub_pause(&self) -> Span {
        let rest = (1.0 - self.repair.scrub.owed).max(0.0);
        let pause = self.ground.tuning.upkeep.scrub_interval.scaled(rest / self.values.len().max(1) as f64);
        pause.clamp(LOOK_AGAIN, PAUSE_MAX)
    }
}

/// After a moment at which nothing could be read, and between reads that are late: ten a second are no load for a disk.
const LOOK_AGAIN: Span = Span::from_millis(100);
/// Longest pause between two looks. A guess.
const PAUSE_MAX: Span = Span::from_mins(1);
/// Reads caught up with after a crowd or a sleep: the rest are read in the next round. A guess.
const OWED_MAX: f64 = 1_000.0;
