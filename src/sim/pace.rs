//! Many wishes, one after another.
//!
//! Owns: the even pace at which nodes of a world are asked for things, and the wait for what comes of each.
//! Never does: know what is wished, or keep more than the wishes under way.

use super::stage::Stage;
use crate::base::{Instant, Span};
use crate::overlay::{Command, Failure, Reply, RequestId};
use std::collections::VecDeque;

/// What came of a wish.
pub(super) struct Outcome {
    /// Who wished.
    pub(super) from: usize,
    /// When.
    pub(super) asked: Instant,
    /// How long after it and what, if anything.
    pub(super) result: Option<(Span, Result<Reply, Failure>)>,
    /// Whether there need be none: whoever wished has crashed.
    pub(super) excused: bool,
}

/// How fast and how patient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Wishes a second, of all nodes together.
    pub(super) per_second: f64,
    /// Longer than any result takes.
    pub(super) wait: Span,
}

impl Stage {
    /// Wishes at an even pace what `wish` says for each number below `count` when its moment has come, and waits for all;
    /// outcomes come in the order of wishing, and the operations are forgotten.
    pub(super) fn at_pace(
        &mut self,
        count: usize,
        wish: impl Fn(&Stage, usize) -> (usize, Command),
        pace: Pace,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Outcome> {
        let begun = self.now();
        let mut outcomes = Vec::new();
        let mut under_way: VecDeque<(usize, RequestId, Instant)> = VecDeque::new();
        for index in 0..count {
            self.run_until(begun + Span::from_micros((index as f64 * 1e6 / pace.per_second) as u64));
            let (from, command) = wish(self, index);
            let request = self.world.wish(from, command);
            under_way.push_back((from, request, self.now()));
            while under_way.front().is_some_and(|(.., asked)| self.now().since(*asked) > pace.wait) {
                outcomes.extend(under_way.pop_front().map(|wish| self.outcome(wish)));
            }
            progress(outcomes.len());
        }
        let until = self.now() + pace.wait;
        while self.world.unanswered() > 0 && self.now() < until {
            self.pass(LOOK_EVERY);
        }
        outcomes.extend(under_way.into_iter().map(|wish| self.outcome(wish)));
        progress(outcomes.len());
        outcomes
    }

    fn outcome(&mut self, (from, request, asked): (usize, RequestId, Instant)) -> Outcome {
        let operation = self.world.forget(from, request);
        let excused = operation.as_ref().is_some_and(|operation| operation.excused);
        let came = operation.and_then(|operation| operation.results.into_iter().next());
        Outcome { from, asked, result: came.map(|(at, result)| (at.since(asked), result)), excused }
    }
}

/// How often it is looked whether all have their results. A guess.
const LOOK_EVERY: Span = Span::from_millis(200);
