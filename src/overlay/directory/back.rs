//! What comes back: answers, silence, finished work, the disk's word, the view, the first load.
//!
//! Owns: finding who goes on with it.
//! Never does: go on with it.

use super::Directory;
use super::away::{Due, Pending, Purpose, ReadThen, Replier};
use super::ground::Counter;
use super::serve::trimmed;
use super::values::Entry;
use super::wishes::Work;
use crate::base::Id;
use crate::overlay::contract::{DiskDone, JobDone, Stored, Terms, Ticket};
use crate::overlay::view::RouteView;
use crate::wire::directory::{Answer, Refusal, Request};
use crate::wire::object::Value;
use std::sync::Arc;

impl Directory {
    /// A peer asks over a link.
    pub(super) fn on_ask(&mut self, from: Id, number: u64, request: Request) {
        let replier = Replier::Peer { to: from, number, subject: request.subject() };
        self.serve(replier, Some(from), request);
    }

    /// A peer answers over a link.
    pub(super) fn on_answer(&mut self, from: Id, number: u64, answer: Answer) {
        match self.away.asks.get(&number) {
            Some(asked) if asked.to == from => {}
            Some(_) => return self.ground.tally.count(Counter::Ignored, "answer_by_another"),
            None => return self.ground.tally.count(Counter::Ignored, "late_answer"),
        }
        self.ask_over(number, Some(trimmed(answer)));
    }

    /// A peer has not answered.
    pub(super) fn on_silence(&mut self, number: u64) {
        self.ask_over(number, None);
    }

    /// The forwarder owed an outcome, and none came.
    pub(super) fn on_route_lost(&mut self, number: u64) {
        self.ground.tally.count(Counter::Ignored, "route_lost");
        let outcome = crate::wire::routing::Outcome::Silence { at: self.ground.me() };
        self.on_returned(number, outcome, &bytes::Bytes::new(), None);
    }

    /// Work is done.
    pub(super) fn on_done(&mut self, ticket: Ticket, done: JobDone) {
        let Some(pending) = self.away.tickets.remove(&ticket) else {
            return self.ground.tally.count(Counter::Ignored, "unknown_ticket");
        };
        match (pending, done) {
            (Pending::Receipts(wish), JobDone::Receipts(receipts)) => self.on_receipts_checked(wish, receipts),
            (Pending::Fetched { wish, from, replicas }, JobDone::Value { value, .. }) => {
                self.on_fetched_checked(wish, from, replicas, value);
            }
            (Pending::Enlist(offered), JobDone::Value { value, .. }) => self.on_enlist_checked(offered, value),
            (Pending::RootPut(put), JobDone::Value { value, .. }) => self.on_root_put_checked(put, value.is_some()),
            (Pending::Replica { replier, receipt, source, lifetime }, JobDone::Value { value, .. }) => match value {
                Some(value) => self.keep_replica((replier, receipt), source, value, lifetime),
                None => self.refuse(replier, Refusal::Forged),
            },
            (Pending::Pointer { replier, source, root, remaining }, JobDone::Pointer(pointer)) => {
                self.on_pointer_checked((replier, source), (root, remaining), pointer);
            }
            _ => self.ground.tally.count(Counter::Ignored, "wrong_work"),
        }
    }

    /// The disk is done.
    pub(super) fn on_disk_done(&mut self, ticket: Ticket, done: DiskDone) {
        let Some(pending) = self.away.tickets.remove(&ticket) else {
            return self.ground.tally.count(Counter::Ignored, "unknown_ticket");
        };
        match pending {
            Pending::Keep(keeping) => self.on_kept(*keeping, &done),
            Pending::KeepPointer { replier, claim, remaining } => {
                self.on_pointer_kept(replier, claim, remaining, &done)
            }
            Pending::Extended { to, answer } => self.on_extended(to, *answer, &done),
            Pending::Read { object, then } => match done {
                DiskDone::Read(value) => self.on_read(object, then, value),
                _ => self.on_unread(object, then),
            },
            Pending::Amend { row, why } => self.on_amended(row, why, &done),
            _ => self.ground.tally.count(Counter::Ignored, "wrong_work"),
        }
    }

    /// What was on disk at the start.
    pub(super) fn on_loaded(&mut self, stored: Vec<Stored>) {
        let now = self.ground.now;
        for stored in stored {
            match stored {
                Stored::Value { object, version, bytes, terms } => {
                    // Limits may be lower than before the restart.
                    let replica = terms.replica.map(|span| self.ground.limits.lifetime(span));
                    let terms = Terms { replica, ..terms }.map(|span| now + span);
                    let entry = Entry { version, bytes, terms, stamp: None, source: None, copies: 1, settled: 0 };
                    let is_published = entry.is_published();
                    self.enter(object, entry);
                    if is_published {
                        self.publish_again(object);
                    }
                }
                Stored::Pointer { root, pointer, remaining } => {
                    // Limits may be lower than before the restart: what does not fit is left out.
                    let limits = &self.ground.limits;
                    if self.pointers.weigh(limits, now, &root, &pointer, true).is_ok() {
                        self.pointers.insert(now, root, *pointer, remaining, true);
                    }
                }
            }
        }
        self.schedule_expiry();
    }

    /// The Router has a new view.
    pub(super) fn on_view(&mut self, view: Arc<RouteView>) {
        let before = std::mem::replace(&mut self.ground.view, view);
        let now = &self.ground.view;
        if before.leaf_set != now.leaf_set || before.ready != now.ready {
            self.ground.leaf_set_since = self.ground.now;
            self.repair_soon();
        }
    }

    /// Whether this shard is the one for this id.
    pub(super) fn is_mine(&self, object: &Id) -> bool {
        self.sharding.shard_of(object) == self.ground.shard
    }

    fn ask_over(&mut self, number: u64, answer: Option<Answer>) {
        let Some(asked) = self.away.asks.remove(&number) else { return };
        self.ground.deadlines.clear(&Due::Ask(number));
        match (asked.purpose, answer) {
            (Purpose::Put(wish), Some(answer)) => self.on_put_answer(wish, None, answer),
            (Purpose::Put(wish), None) => self.on_put_silence(wish, asked.to),
            (Purpose::Fetch(wish), answer) => self.on_fetched(wish, asked.to, asked.since, answer),
            (Purpose::Replica(put), answer) => self.on_replica(put, asked.to, answer),
            (Purpose::Survey(survey), answer) => self.on_survey(survey, answer),
            (Purpose::Push(object), answer) => self.on_pushed(object, asked.to, answer),
            (Purpose::Enlist(offered), answer) => self.on_enlist_fetched(offered, answer),
            (Purpose::HandOver { root, holder }, answer) => self.on_handed_over(root, holder, answer),
        }
    }

    /// The disk could not say: the value may well be there.
    fn on_unread(&mut self, object: Id, then: ReadThen) {
        self.ground.tally.count(Counter::Reads, "failed");
        match then {
            ReadThen::Reply { replier, request } => self.cannot_read(replier, &object, &request),
            ReadThen::Scrub => self.on_read_to_scrub("unread"),
            ReadThen::Wish(_) | ReadThen::Push(_) | ReadThen::BringHome => self.on_read_done(object, then, None),
        }
    }

    fn on_read(&mut self, object: Id, then: ReadThen, value: Option<Value>) {
        if value.is_none() && self.forget(&object) {
            self.ground.tally.count(Counter::Reads, "lost");
            log::warn!("the value {object} is on disk no more, or damaged: forgotten here, repair will bring it back");
        }
        self.on_read_done(object, then, value);
    }

    fn on_read_done(&mut self, object: Id, then: ReadThen, value: Option<Value>) {
        match then {
            ReadThen::Reply { replier, request } => self.on_read_to_reply(replier, &request, value),
            ReadThen::Wish(wish) => {
                if matches!(self.wishes.get(wish).map(|wish| &wish.work), Some(Work::Get(_))) {
                    self.on_read_for_wish(wish, value);
                }
            }
            ReadThen::Push(to) => self.on_read_to_push(object, to, value),
            ReadThen::BringHome => self.on_read_to_bring_home(object, value),
            ReadThen::Scrub => self.on_read_to_scrub(if value.is_some() { "sound" } else { "damaged" }),
        }
    }

    /// Everything a shard owns is consistent with itself and within its limits.
    pub(super) fn assert_invariants(&self) {
        self.values.assert_invariants();
        self.pointers.assert_invariants(&self.ground.limits);
        self.cache.assert_invariants();
        self.repair.assert_invariants();
        self.spread.heat.assert_invariants();
        self.spread.stands.assert_invariants();
        assert!(self.wishes.len() <= self.ground.limits.wishes, "more wishes than allowed");
        assert!(self.admission.len() <= super::admission::SOURCES_MAX, "more sources than allowed");
    }
}
