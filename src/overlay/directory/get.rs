//! A local client gets an object.
//!
//! Owns: the way from the wish to the bytes: what is here, what answers on the route, which of the
//! holders to fetch from, when to ask a second one as well.
//! Never does: hand out what was not checked against its id.

use super::Directory;
use super::away::{Due, Pending, Purpose};
use super::choose::Known;
use super::wishes::Work;
use crate::base::{Id, Instant, RttEstimate, Span};
use crate::identity::Contact;
use crate::overlay::contract::{Copies, Failure, Job, Reply, Ticket};
use crate::wire::directory::{Answer, Holder, Refusal, Request};
use crate::wire::object::Value;
use crate::wire::routing::Errand;
use std::sync::Arc;

/// A get under way.
#[derive(Default)]
pub(super) struct GetWork {
    /// Holders not asked yet, the best last.
    holders: Vec<Arc<Contact>>,
    /// Holders that were asked in this try.
    asked: Vec<Id>,
    /// Holders asked that have not answered.
    waiting: u8,
    /// Values being checked.
    checking: u8,
    /// Roots that said that they know nobody, a bit each.
    unknown: u8,
    /// Who said that it had a copy, or had heard of one, where nothing came of it.
    misled_by: Option<Id>,
    /// When an answer came that no neighbour's word led to.
    answered: Option<Instant>,
    /// The lease that came with a routed answer, whether everybody should take it, and by whom.
    lease: Option<(Id, (Span, bool))>,
}

impl GetWork {
    /// Whether a neighbour that says it has a copy may be asked.
    pub(super) fn copies(&self, fetch: Span) -> Copies {
        self.misled_by.map_or(Copies::WillDo { fetch }, Copies::MisledBy)
    }
}

/// Whether this is what a neighbour may answer that says it has a copy: what cannot change, or who has it.
pub(super) fn is_copy(answer: &Answer) -> bool {
    match answer {
        Answer::Value { value, .. } => matches!(value, Value::Blob(_)),
        Answer::Holders { holders, .. } | Answer::Busy { others: holders } => !holders.is_empty(),
        _ => false,
    }
}

impl Directory {
    pub(super) fn get_start(&mut self, number: u64) {
        let Some(wish) = self.wishes.get(number) else { return };
        let object = wish.object;
        self.note_own_request(&object);
        if let Some(value) = self.own_answer(&object) {
            return self.get_finish(number, value, self.ground.me(), 1);
        }
        // A record kept here may be outdated: its root knows.
        match self.values.live(&object, self.ground.now) {
            Some(entry) if entry.version == 0 => match self.cache.touch(&object) {
                Some(value) => self.get_finish(number, value, self.ground.me(), 1),
                None => self.read_for(number, object),
            },
            _ => self.get_try(number),
        }
    }

    /// A value kept here was read, or could not be.
    pub(super) fn on_read_for_wish(&mut self, number: u64, value: Option<Value>) {
        match value {
            Some(value) => {
                let replicas = self.values.get(&value.id()).map_or(1, |entry| entry.copies);
                self.get_finish(number, value, self.ground.me(), replicas);
            }
            None => self.get_try(number),
        }
    }

    /// Tries (again): the root first, then those who point at holders under the salted roots.
    pub(super) fn get_try(&mut self, number: u64) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        let object = wish.object;
        wish.tries += 1;
        let salt = super::locate::salt_of(wish.tries);
        if salt == 0 {
            let served = self.spread.stands.tell(&object);
            let coordinate = self.ground.view.bearing.coordinate;
            let inline_bytes_max = self.ground.tuning.inline_bytes_max;
            let request = Request::Get { object, coordinate, inline_bytes_max, served };
            self.route_for(number, object, Errand::Nearest, &request);
        } else {
            let root = object.salted(salt);
            let request = Request::Locate { object, root, coordinate: self.ground.view.bearing.coordinate };
            self.route_for(number, root, Errand::Nearest, &request);
        }
    }

    /// The routed try was answered, by whom the neighbour's word led to if there was one.
    pub(super) fn get_answered(&mut self, number: u64, word_of: Option<Id>) {
        let now = self.ground.now;
        if let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
            work.answered = word_of.is_none().then_some(now);
        }
    }

    /// Somebody answered the routed try.
    pub(super) fn on_get_answer(&mut self, number: u64, which: u64, by: Option<Id>, answer: Answer) {
        let me = self.ground.me();
        match answer {
            Answer::Value { value, replicas, lease, for_all } => {
                let by = by.unwrap_or(me);
                if let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
                    work.lease = Some((by, (lease, for_all)));
                }
                self.get_check(number, value, by, replicas);
            }
            Answer::Holders { holders, .. } | Answer::Busy { others: holders } if !holders.is_empty() => {
                self.get_from(number, holders);
            }
            Answer::NotFound | Answer::Holders { .. } | Answer::Busy { .. } => {
                let Some(wish) = self.wishes.get_mut(number).filter(|wish| wish.current == which) else { return };
                let Work::Get(work) = &mut wish.work else { return };
                work.unknown |= 1 << super::locate::salt_of(wish.tries);
                if work.unknown == super::locate::ALL_ROOTS {
                    return self.finish(number, Err(Failure::NotFound));
                }
                // The next root is another node: no pause is owed to it.
                self.get_try(number);
            }
            Answer::Refused(refusal) => self.get_failed(number, which, Failure::Refused(refusal)),
            _ => self.get_failed(number, which, Failure::Refused(Refusal::Forged)),
        }
    }

    /// A neighbour was asked only because it says that it has a copy, or has heard of one, and what came back is none, or what may
    /// have changed since: now the way everything goes.
    pub(super) fn get_misled(&mut self, number: u64, which: u64, word_of: Option<Id>) {
        let Some(wish) = self.wishes.get_mut(number).filter(|wish| wish.current == which) else { return };
        let Work::Get(work) = &mut wish.work else { return };
        work.misled_by = word_of;
        wish.tries -= 1;
        self.get_try(number);
    }

    /// A holder answered a fetch; `None` if it was silent.
    pub(super) fn on_fetched(&mut self, number: u64, from: Id, since: Instant, answer: Option<Answer>) {
        let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) else { return };
        work.waiting = work.waiting.saturating_sub(1);
        match answer {
            Some(Answer::Value { value, replicas, .. }) => {
                let took = self.ground.now.since(since);
                match &mut self.wishes.fetch_time {
                    Some(estimate) => estimate.add(took),
                    None => self.wishes.fetch_time = Some(RttEstimate::first(took)),
                }
                self.get_check(number, value, from, replicas);
            }
            Some(Answer::Busy { others }) => {
                self.get_also_from(number, others);
                self.get_next(number);
            }
            _ => self.get_next(number),
        }
    }

    /// A fetched value was checked.
    pub(super) fn on_fetched_checked(&mut self, number: u64, from: Id, replicas: u8, value: Option<Value>) {
        let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) else { return };
        work.checking = work.checking.saturating_sub(1);
        match value {
            Some(value) => self.get_finish(number, value, from, replicas),
            None => self.get_forged(number, from),
        }
    }

    /// What somebody answered does not stand under its id.
    fn get_forged(&mut self, number: u64, from: Id) {
        log::debug!("{} answered a get with a value that does not stand under its id", from.short());
        if let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
            work.misled_by = Some(from);
        }
        self.get_next(number);
    }

    /// The best holder takes long: ask the next as well.
    pub(super) fn on_hedge(&mut self, number: u64) {
        let Some(Work::Get(work)) = self.wishes.get(number).map(|wish| &wish.work) else { return };
        if !work.holders.is_empty() {
            self.get_next(number);
        }
    }

    fn get_check(&mut self, number: u64, value: Value, from: Id, replicas: u8) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        let object = wish.object;
        let Work::Get(work) = &mut wish.work else { return };
        if matches!(value, Value::Blob(_)) && value.len() <= INLINE_CHECK_BYTES_MAX {
            if value.proves(&object) {
                return self.get_finish(number, value, from, replicas);
            }
            return self.get_forged(number, from);
        }
        work.checking += 1;
        let ticket = Ticket(self.ground.number());
        self.away.tickets.insert(ticket, Pending::Fetched { wish: number, from, replicas });
        self.ground.work(ticket, Job::CheckValue { id: object, value });
    }

    /// Fetches from the best of these.
    fn get_from(&mut self, number: u64, holders: Vec<Holder>) {
        if let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
            work.unknown = 0;
            work.holders.clear();
            work.asked.clear();
        }
        self.get_also_from(number, holders);
        self.get_next(number);
    }

    /// These have it too, and are asked before those already known.
    fn get_also_from(&mut self, number: u64, mut holders: Vec<Holder>) {
        let me = self.ground.me();
        let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) else { return };
        holders.retain(|holder| holder.contact.id() != me && !work.asked.contains(&holder.contact.id()));
        work.holders.retain(|known| holders.iter().all(|holder| holder.contact.id() != known.id()));
        let known = |holder: &Holder| {
            let said = self.ground.loads.said(&holder.contact.id());
            Known { rtt: self.ground.expected_rtt(holder), load: said.unwrap_or(holder.load) }
        };
        let known: Vec<Known> = holders.iter().map(known).collect();
        let order = super::choose::order(&known, &mut self.ground.chance);
        work.holders.extend(order.iter().rev().map(|index| Arc::new(holders[*index].contact.clone())));
    }

    /// Asks the next holder, or gives this try up if there is none and nobody else may answer.
    fn get_next(&mut self, number: u64) {
        let fetch_time = self.wishes.fetch_time;
        let Some(wish) = self.wishes.get_mut(number) else { return };
        let object = wish.object;
        let Work::Get(work) = &mut wish.work else { return };
        let Some(contact) = work.holders.pop() else {
            if work.waiting == 0 && work.checking == 0 && wish.current != 0 {
                let which = wish.current;
                // What is here, and was not answered with, could not be read.
                let here = self.values.live(&object, self.ground.now);
                let is_here = here.is_some_and(|entry| entry.version == 0);
                let failure = if is_here { Failure::Refused(Refusal::Disk) } else { Failure::NotFound };
                self.get_failed(number, which, failure);
            }
            return;
        };
        work.waiting += 1;
        work.asked.push(contact.id());
        let hedge = fetch_time.map_or(HEDGE_UNKNOWN, |estimate| estimate.patience(HEDGE_FLOOR));
        let rtt = self.ground.view.peer(&contact.id()).and_then(|peer| peer.rtt()).unwrap_or(Span::ZERO);
        self.ground.wake(Due::Hedge(number), hedge.max(rtt * 2));
        let wait = self.remaining(number).min(FETCH_WAIT);
        self.ask(&contact, Request::Fetch { object }, Purpose::Fetch(number), wait);
    }

    fn get_failed(&mut self, number: u64, which: u64, failure: Failure) {
        if let Some(Work::Get(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
            work.unknown = 0;
        }
        self.ground.deadlines.clear(&Due::Hedge(number));
        self.try_failed(number, Some(which), failure);
    }

    fn get_finish(&mut self, number: u64, value: Value, from: Id, replicas: u8) {
        let (lease, answered) = match self.wishes.get(number).map(|wish| &wish.work) {
            Some(Work::Get(work)) => (work.lease.filter(|(by, _)| *by == from), work.answered),
            _ => (None, None),
        };
        if let Some(answered) = answered {
            self.wishes.learn_fetch(self.ground.now.since(answered));
        }
        if let Some((by, lease)) = lease {
            self.take_lease(&value, by, lease);
        }
        self.finish(number, Ok(Reply::Value { value, from, replicas }));
    }
}

/// Blobs up to this size are hashed in place: 3 us by BLAKE3's own figures, less than a hand-over.
const INLINE_CHECK_BYTES_MAX: usize = 8 << 10;
/// Wait before a second holder is asked, while no fetch has been measured. A guess.
const HEDGE_UNKNOWN: Span = Span::from_millis(300);
/// Least wait beyond the mean before a second holder is asked: four deviations and this leave fewer
/// than one in twenty to be asked twice. A guess.
const HEDGE_FLOOR: Span = Span::from_millis(20);
/// Longest wait for one holder: a megabyte on a slow line. A guess.
const FETCH_WAIT: Span = Span::from_secs(6);
