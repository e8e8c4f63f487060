//! Saying farewell.
//!
//! Owns: the end of a shard: wishes are answered, claims withdrawn, values and pointers handed to
//! those who come after, within a few seconds; then "left", once.
//! Never does: wait for ever. What could not be handed over in time the other replicas repair.

use super::Directory;
use super::away::Due;
use crate::base::Span;
use crate::overlay::contract::{Effect, Failure};

/// How far a leaving shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    HandingOver,
    Left,
}

impl Directory {
    /// The node leaves.
    pub(super) fn on_leaving(&mut self) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(Leaving::HandingOver);
        for number in self.wishes.numbers() {
            self.finish(number, Err(Failure::Stopping));
        }
        self.ground.wake(Due::Leave, LEAVE_WAIT);
        self.withdraw_all();
        self.repair_for_leaving();
    }

    /// If all is handed over, this shard has left.
    pub(super) fn leave_if_done(&mut self) {
        let is_done = self.repair.is_idle() && self.publications.deposits() == 0 && self.puts.is_empty();
        if self.leaving == Some(Leaving::HandingOver) && is_done {
            self.leave();
        }
    }

    /// Time is up, or all is done.
    pub(super) fn leave(&mut self) {
        if self.leaving == Some(Leaving::HandingOver) {
            self.leaving = Some(Leaving::Left);
            self.ground.deadlines.clear(&Due::Leave);
            self.ground.out.push(Effect::Left);
        }
    }
}

/// Longest hand-over: people wait for the process to end. A guess.
const LEAVE_WAIT: Span = Span::from_secs(4);
