//! What this node's own clients wish.
//!
//! Owns: the wishes under way, their patience and their tries; each ends in exactly one result, at
//! the latest when its patience does.
//! Never does: know how a put, a get, a locate or a publish goes: each has its file.

use super::Directory;
use super::away::{Due, ReadThen, Routed};
use super::get::GetWork;
use super::ground::Counter;
use super::locate::LocateWork;
use super::put::PutWork;
use crate::base::{Ewma, Id, RttEstimate, Span};
use crate::overlay::contract::{Command, Copies, Effect, Failure, Reply, RequestId};
use crate::wire::codec;
use crate::wire::directory::{Answer, Refusal, Request};
use crate::wire::routing::{Errand, Outcome};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Wishes under way.
#[derive(Default)]
pub(super) struct Wishes {
    by_number: BTreeMap<u64, Wish>,
    /// What fetches from holders took.
    pub(super) fetch_time: Option<RttEstimate>,
    /// In seconds, from the answer to a get that no neighbour's word led to until the object was here: nothing, if it was the answer.
    fetch_beyond: Option<Ewma>,
}

/// One of them.
pub(super) struct Wish {
    /// Whose it is; of repair's own nobody's, which brings a value home.
    pub(super) request: Option<RequestId>,
    pub(super) object: Id,
    /// Tries begun.
    pub(super) tries: u32,
    /// The number of the try under way: what fails under another number is history.
    pub(super) current: u64,
    /// Why the last try failed.
    pub(super) last: Option<Failure>,
    pub(super) work: Work,
}

/// What a wish is about.
pub(super) enum Work {
    Put(PutWork),
    Get(GetWork),
    Locate(LocateWork),
    /// A publish before its value is on disk, or the deposit of its claims.
    Publish,
    Unpublish,
}

impl Directory {
    /// A local client wishes something.
    pub(super) fn on_wished(&mut self, request: RequestId, command: Command) {
        if let Command::DirectoryStatus { .. } = command {
            let reply = Reply::Directory(Box::new(self.status()));
            return self.ground.out.push(Effect::Answer { request, result: Ok(reply) });
        }
        if self.leaving.is_some() {
            return self.ground.out.push(Effect::Answer { request, result: Err(Failure::Stopping) });
        }
        if self.wishes.len() >= self.ground.limits.wishes {
            self.ground.tally.count(Counter::Refused, "directory.wishes_max");
            let result = Err(Failure::Limit("directory.wishes_max"));
            return self.ground.out.push(Effect::Answer { request, result });
        }
        match command {
            Command::Put { value, lifetime, replicas, expected } => {
                let number =
                    self.add_wish(Some(request), value.id(), Work::Put(PutWork::new(lifetime, replicas, expected)));
                self.put_start(number, value);
            }
            Command::Get { object } => {
                let number = self.add_wish(Some(request), object, Work::Get(GetWork::default()));
                self.get_start(number);
            }
            Command::Locate { object } => {
                let number = self.add_wish(Some(request), object, Work::Locate(LocateWork::default()));
                self.locate_start(number);
            }
            Command::Publish { value, lifetime } => {
                let number = self.add_wish(Some(request), value.id(), Work::Publish);
                self.publish_start(number, value, lifetime);
            }
            Command::Unpublish { object } => {
                let number = self.add_wish(Some(request), object, Work::Unpublish);
                self.unpublish_start(number);
            }
            // These are other machines' to fulfil: nothing to wait for here.
            Command::Lookup { .. } | Command::RouterStatus | Command::Leave | Command::DirectoryStatus { .. } => {
                self.ground.out.push(Effect::Answer { request, result: Err(Failure::NotFound) });
            }
        }
    }

    /// What became of something routed.
    pub(super) fn on_returned(&mut self, number: u64, outcome: Outcome, payload: &Bytes, word_of: Option<Id>) {
        let Some(routed) = self.away.routed.remove(&number) else {
            return self.ground.tally.count(Counter::Ignored, "late_return");
        };
        self.ground.deadlines.clear(&Due::Routed(number));
        let answer = match (Failure::of(outcome), codec::decode::<Answer>(payload)) {
            (Some(failure), _) => Err(failure),
            (None, Ok(answer)) => Ok(super::serve::trimmed(answer)),
            (None, Err(_)) => {
                self.ground.tally.count(Counter::Ignored, "malformed_answer");
                Err(Failure::Refused(Refusal::Forged))
            }
        };
        let by = match outcome {
            Outcome::Answered { by } => Some(by),
            _ => None,
        };
        match routed {
            Routed::Deposit { deposit, salt } => self.on_deposit(deposit, salt, answer),
            Routed::Who { walker } => self.on_root_found(walker, number, answer),
            Routed::Wish(wish) => match (self.wishes.get(wish).map(|wish| &wish.work), answer) {
                (Some(Work::Put(_)), Ok(answer)) => self.on_put_answer(wish, Some(number), answer),
                (Some(Work::Get(_)), Ok(answer)) if word_of.is_some() && !super::get::is_copy(&answer) => {
                    self.get_misled(wish, number, word_of);
                }
                (Some(Work::Get(_)), Ok(answer)) => {
                    self.get_answered(wish, word_of);
                    self.on_get_answer(wish, number, by, answer);
                }
                (Some(Work::Locate(_)), Ok(answer)) => {
                    let by = by.unwrap_or_else(|| self.ground.me());
                    self.on_locate_answer(wish, number, by, answer);
                }
                (Some(Work::Locate(_)), Err(failure)) => self.locate_failed(wish, number, failure),
                (Some(_), Ok(_)) | (None, _) => {}
                (Some(_), Err(failure)) => self.try_failed(wish, Some(number), failure),
            },
        }
    }

    /// Routes a request for a wish; gives back the number under which it is known now.
    pub(super) fn route_for(&mut self, wish: u64, key: Id, errand: Errand, request: &Request) -> u64 {
        let longest = if matches!(request, Request::Put { .. }) { PUT_TRY_WAIT } else { TRY_WAIT };
        let patience = self.remaining(wish).min(longest);
        let copies = match self.wishes.get(wish).map(|wish| &wish.work) {
            Some(Work::Get(work)) if matches!(request, Request::Get { .. }) => work.copies(self.wishes.fetch_beyond()),
            _ => Copies::WillNotDo,
        };
        let number = self.route_so(Routed::Wish(wish), (key, errand), request, (patience, copies));
        if let Some(wish) = self.wishes.get_mut(wish) {
            wish.current = number;
        }
        number
    }

    /// Routes a request.
    pub(super) fn route_as(&mut self, routed: Routed, to: (Id, Errand), request: &Request, patience: Span) -> u64 {
        self.route_so(routed, to, request, (patience, Copies::WillNotDo))
    }

    fn route_so(&mut self, routed: Routed, to: (Id, Errand), request: &Request, how: (Span, Copies)) -> u64 {
        let number = self.ground.number();
        self.away.routed.insert(number, routed);
        self.ground.wake(Due::Routed(number), how.0 + ROUTED_SLACK);
        self.ground.route(number, to, request, how);
        number
    }

    /// A try failed (`number`: which, if it has one): another one after a pause, if time is left.
    pub(super) fn try_failed(&mut self, number: u64, which: Option<u64>, failure: Failure) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        if which.is_some_and(|which| which != wish.current) {
            return;
        }
        wish.last = Some(failure);
        wish.current = 0;
        let pause = RETRY_PAUSE_MIN * (1 << wish.tries.min(6));
        let pause = self.ground.chance.jittered(pause.min(RETRY_PAUSE_MAX), 0.5);
        self.ground.wake(Due::Retry(number), pause);
    }

    /// The pause is over.
    pub(super) fn on_retry(&mut self, number: u64) {
        match self.wishes.get(number).map(|wish| &wish.work) {
            Some(Work::Put(_)) => self.put_try(number),
            Some(Work::Get(_)) => self.get_try(number),
            Some(Work::Locate(_)) => self.locate_try(number),
            Some(Work::Publish | Work::Unpublish) | None => {}
        }
    }

    /// Patience is at its end.
    pub(super) fn on_patience_end(&mut self, number: u64) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        let failure = wish.last.take().unwrap_or(Failure::TimedOut);
        if matches!(wish.work, Work::Publish | Work::Unpublish) {
            return self.deposit_impatient(number, failure);
        }
        self.finish(number, Err(failure));
    }

    /// Gives the one result. Whatever comes later for this wish finds nothing.
    pub(super) fn finish(&mut self, number: u64, result: Result<Reply, Failure>) {
        let Some(wish) = self.wishes.by_number.remove(&number) else { return };
        for due in [Due::Patience(number), Due::Retry(number), Due::Hedge(number)] {
            self.ground.deadlines.clear(&due);
        }
        let Some(request) = wish.request else {
            let version = if let Work::Put(work) = &wish.work { work.version() } else { 0 };
            return self.on_brought_home(&wish.object, version, &result);
        };
        let counter = match wish.work {
            Work::Put(_) => Counter::Puts,
            Work::Get(_) => Counter::Gets,
            Work::Locate(_) => Counter::Locates,
            Work::Publish | Work::Unpublish => Counter::Publishes,
        };
        self.ground.tally.count(counter, outcome_name(&result));
        self.ground.out.push(Effect::Answer { request, result });
    }

    /// How much patience is left.
    pub(super) fn remaining(&self, number: u64) -> Span {
        let end = self.ground.deadlines.when(&Due::Patience(number));
        end.map_or(Span::ZERO, |end| self.ground.now.until(end))
    }

    /// Reads for a wish what is kept here.
    pub(super) fn read_for(&mut self, number: u64, object: Id) {
        self.read(object, ReadThen::Wish(number));
    }

    pub(super) fn add_wish(&mut self, request: Option<RequestId>, object: Id, work: Work) -> u64 {
        let number = self.ground.number();
        self.ground.wake(Due::Patience(number), self.ground.tuning.patience);
        let wish = Wish { request, object, tries: 0, current: 0, last: None, work };
        self.wishes.by_number.insert(number, wish);
        number
    }
}

impl Wishes {
    /// How long an object is waited for after an answer that no neighbour's word led to, in the mean.
    fn fetch_beyond(&self) -> Span {
        Span::from_secs(1).scaled(self.fetch_beyond.and_then(|beyond| beyond.value()).unwrap_or(0.0))
    }

    /// It took so long this time.
    pub(super) fn learn_fetch(&mut self, took: Span) {
        self.fetch_beyond.get_or_insert(Ewma::new(FETCH_WEIGHT)).add(took.as_secs_f64());
    }

    pub(super) fn get(&self, number: u64) -> Option<&Wish> {
        self.by_number.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Wish> {
        self.by_number.get_mut(&number)
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.by_number.keys().copied().collect()
    }
}

fn outcome_name(result: &Result<Reply, Failure>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Failure::NotFound) => "not_found",
        Err(Failure::TimedOut) => "timed_out",
        Err(Failure::Refused(_)) => "refused",
        Err(_) => "failed",
    }
}

/// Longest wait for one routed try: above the longest round trip in our data (2.05 s) and a survey at
/// the root.
const TRY_WAIT: Span = Span::from_secs(4);
/// The same of a put: the root may spend five seconds on it ([`super::root_put`]).
const PUT_TRY_WAIT: Span = Span::from_secs(6);
/// By so much an outcome may be late before it counts as lost. A guess.
const ROUTED_SLACK: Span = Span::from_millis(500);
/// Pause after the first failed try, doubled with each, and the longest one. Guesses.
const RETRY_PAUSE_MIN: Span = Span::from_millis(50);
const RETRY_PAUSE_MAX: Span = Span::from_secs(2);
/// The last ten gets or so count. A guess.
const FETCH_WEIGHT: f64 = 0.1;
