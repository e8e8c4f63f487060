//! A put at the root of its object.
//!
//! Owns: puts under way here: the root's own copy, the copies asked of the next in the replica set,
//! the receipts, and the answer once a majority has it on disk.
//! Never does: promise what fewer than a majority keep. A compare-and-swap first asks the replica set
//! for its newest version: the root may be new in its place.

use super::Directory;
use super::away::{Due, Pending, Purpose, Replier};
use super::ground::{Counter, majority};
use super::keep::{Keep, KeptThen};
use super::tuning::REPLICAS_MAX;
use crate::base::{Id, Span};
use crate::overlay::contract::{Job, Terms, Ticket};
use crate::wire::directory::{Answer, Refusal, Request};
use crate::wire::object::{Receipt, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Puts under way at this root.
pub(super) type RootPuts = BTreeMap<u64, RootPut>;

/// One of them.
pub(super) struct RootPut {
    /// Whom to answer; nobody once answered.
    replier: Option<Replier>,
    object: Id,
    value: Value,
    lifetime: Span,
    expected: Option<u64>,
    source: Option<Id>,
    /// Copies wanted, this node's included.
    copies: usize,
    /// Copies that must be on disk before the answer.
    needed: usize,
    receipts: Vec<Receipt>,
    /// Asked, and no answer yet.
    waiting: BTreeSet<Id>,
    /// Further members of the leaf set, the nearest last.
    spare: Vec<Id>,
    /// What was refused last, for when nothing better can be said.
    refused: Option<Refusal>,
}

/// A put as it arrives.
pub(super) struct PutAsked {
    pub(super) value: Value,
    pub(super) lifetime: Span,
    pub(super) replicas: u8,
    pub(super) expected: Option<u64>,
}

impl Directory {
    /// Somebody wants a value kept by this node and its neighbours.
    pub(super) fn root_put(&mut self, replier: Replier, source: Option<Id>, asked: PutAsked) {
        let object = asked.value.id();
        if let Err(refusal) = self.may_put(&object, source, &asked.value) {
            self.ground.tally.count(Counter::Refused, super::admission::limit_name(&refusal));
            return self.reply(replier, Answer::Refused(refusal));
        }
        let copies = match asked.replicas {
            0 => usize::from(self.ground.tuning.replicas),
            replicas => usize::from(replicas.min(REPLICAS_MAX)),
        };
        let fellows = self.ground.fellows(&object, usize::MAX);
        let needed = majority(copies.min(fellows.len() + 1));
        let put = RootPut {
            replier: Some(replier),
            object,
            value: asked.value,
            lifetime: self.ground.limits.lifetime(asked.lifetime),
            expected: asked.expected,
            source,
            copies,
            needed,
            receipts: Vec::new(),
            waiting: BTreeSet::new(),
            spare: fellows.into_iter().rev().collect(),
            refused: None,
        };
        let number = self.ground.number();
        self.ground.wake(Due::RootPut(number), ROOT_PUT_WAIT);
        let value = put.value.clone();
        self.puts.insert(number, put);
        match value {
            Value::Blob(_) => self.root_put_checked(number),
            Value::Record(_) => {
                let ticket = Ticket(self.ground.number());
                self.away.tickets.insert(ticket, Pending::RootPut(number));
                self.ground.work(ticket, Job::CheckValue { id: object, value });
            }
        }
    }

    /// The record's signature was checked.
    pub(super) fn on_root_put_checked(&mut self, number: u64, is_sound: bool) {
        match is_sound {
            true => self.root_put_checked(number),
            false => self.root_put_refuse(number, Refusal::Forged),
        }
    }

    /// Too few of the replica set have told.
    pub(super) fn on_root_put_unsurveyed(&mut self, number: u64, needed: usize) {
        self.root_put_refuse(number, Refusal::TooFewReplicas { stored: 0, needed: needed as u8 });
    }

    /// The replica set has told its newest version, for a compare-and-swap.
    pub(super) fn on_root_put_surveyed(&mut self, number: u64, newest: Option<u64>) {
        let Some(put) = self.puts.get(&number) else { return };
        let here = self.values.newest(&put.object).max(newest).unwrap_or(0);
        let is_retry = here == put.value.version() && here > 0;
        match put.expected {
            Some(expected) if expected != here && !is_retry => {
                self.root_put_refuse(number, Refusal::Conflict { version: here });
            }
            _ => self.root_put_spread(number),
        }
    }

    /// This node's own copy is on disk, or is not.
    pub(super) fn on_root_copy(&mut self, number: u64, result: Result<(u64, Span), Refusal>) {
        match result {
            Ok((version, lifetime)) => {
                let Some(put) = self.puts.get_mut(&number) else { return };
                let receipt = self.ground.receipt(put.object, version, lifetime);
                put.receipts.push(receipt);
                self.root_put_judge(number);
            }
            Err(refusal) => self.root_put_refuse(number, refusal),
        }
    }

    /// A neighbour answered about its copy; `None` if it was silent.
    pub(super) fn on_replica(&mut self, number: u64, from: Id, answer: Option<Answer>) {
        let Some(put) = self.puts.get_mut(&number) else { return };
        if !put.waiting.remove(&from) {
            return;
        }
        if !matches!(answer, Some(Answer::Stored { .. })) {
            // Another takes its place for now; it may still keep an older version.
            self.repair_soon();
        }
        let Some(put) = self.puts.get_mut(&number) else { return };
        match answer {
            Some(Answer::Stored { receipts }) => {
                let keeper = self.ground.view.peer(&from).map(|peer| peer.contact.name().key);
                let fits = |receipt: &Receipt| {
                    receipt.object == put.object
                        && receipt.version == put.value.version()
                        && keeper.is_none_or(|key| key == receipt.keeper)
                };
                match receipts.into_iter().find(fits) {
                    Some(receipt) => put.receipts.push(receipt),
                    None => self.root_put_next(number),
                }
            }
            Some(Answer::Refused(Refusal::Stale { version })) => {
                // This root is behind its neighbour: catch up at once.
                let objects = vec![put.object];
                self.ground.send_linked(from, crate::wire::Directory::Wanted { objects });
                return self.root_put_refuse(number, Refusal::Stale { version });
            }
            Some(Answer::Refused(refusal)) => {
                put.refused = Some(refusal);
                self.root_put_next(number);
            }
            Some(_) | None => self.root_put_next(number),
        }
        self.root_put_judge(number);
    }

    /// Time is up for an answer.
    pub(super) fn on_root_put_due(&mut self, number: u64) {
        let Some(put) = self.puts.remove(&number) else { return };
        let Some(replier) = put.replier else { return };
        self.ground.tally.count(Counter::Refused, "too_few_replicas");
        let (stored, needed) = (put.receipts.len() as u8, put.needed as u8);
        self.reply(replier, Answer::Refused(Refusal::TooFewReplicas { stored, needed }));
    }

    fn may_put(&mut self, object: &Id, source: Option<Id>, value: &Value) -> Result<(), Refusal> {
        if !self.ground.view.is_root_of(object) || self.leaving.is_some() {
            return Err(Refusal::NotReady);
        }
        if self.puts.len() >= ROOT_PUTS_MAX || self.away.is_crowded() {
            return Err(Refusal::Busy);
        }
        let room = self.values.room(object);
        self.admission.value(&self.ground.limits, self.ground.now, source, value, room)?;
        match self.values.newest(object) {
            Some(version) if version > value.version() => Err(Refusal::Stale { version }),
            _ => Ok(()),
        }
    }

    /// The value is sound: it may be spread, once a compare-and-swap has asked around.
    fn root_put_checked(&mut self, number: u64) {
        let Some(put) = self.puts.get(&number) else { return };
        if put.expected.is_none() {
            return self.root_put_spread(number);
        }
        let (object, copies) = (put.object, put.copies);
        self.survey_for_put(number, object, copies);
    }

    fn root_put_spread(&mut self, number: u64) {
        let Some(put) = self.puts.get(&number) else { return };
        let (object, first) = (put.object, put.copies - 1);
        let keep = Keep {
            value: put.value.clone(),
            terms: Terms::replica(put.lifetime),
            source: put.source,
            then: KeptThen::Root(number),
        };
        for _ in 0..first {
            self.root_put_next(number);
        }
        self.keep(object, keep);
    }

    /// Asks the next of the leaf set for a copy, if there is one.
    fn root_put_next(&mut self, number: u64) {
        let Some(put) = self.puts.get_mut(&number) else { return };
        while let Some(peer) = put.spare.pop() {
            let Some(contact) = self.ground.contact(&peer) else { continue };
            put.waiting.insert(peer);
            let request = Request::Replicate { value: put.value.clone(), lifetime: put.lifetime, receipt: true };
            let wait = self.ground.answer_wait(&peer);
            self.ask(&contact, request, Purpose::Replica(number), wait);
            return;
        }
    }

    /// Answers if a majority has it; is done if all asked have answered.
    fn root_put_judge(&mut self, number: u64) {
        let Some(put) = self.puts.get_mut(&number) else { return };
        let me = self.ground.key.public();
        let is_kept_here = put.receipts.iter().any(|receipt| receipt.keeper == me);
        let is_stored = is_kept_here && put.receipts.len() >= put.needed;
        if let Some(replier) = put.replier.take_if(|_| is_stored) {
            let answer = Answer::Stored { receipts: put.receipts.clone() };
            self.reply(replier, answer);
        }
        let Some(put) = self.puts.get(&number) else { return };
        let (object, copies) = (put.object, put.receipts.len() as u8);
        if is_kept_here {
            self.values.note_copies(&object, copies);
        }
        let is_hopeless = put.replier.is_some() && put.spare.is_empty();
        if put.waiting.is_empty() && is_kept_here && (put.replier.is_none() || is_hopeless) {
            let refused = put.refused;
            match refused.filter(|_| is_hopeless) {
                // All others refuse for one reason: that is what the asker should read.
                Some(refusal) => self.root_put_refuse(number, refusal),
                None => {
                    self.ground.deadlines.clear(&Due::RootPut(number));
                    self.on_root_put_due(number);
                }
            }
        }
    }

    fn root_put_refuse(&mut self, number: u64, refusal: Refusal) {
        let Some(put) = self.puts.remove(&number) else { return };
        self.ground.deadlines.clear(&Due::RootPut(number));
        if let Some(replier) = put.replier {
            self.ground.tally.count(Counter::Refused, super::admission::limit_name(&refusal));
            self.reply(replier, Answer::Refused(refusal));
        }
    }
}

/// How long a put may take at its root: four waits for a silent neighbour in a row. A guess.
const ROOT_PUT_WAIT: Span = Span::from_secs(5);
/// Puts under way at one shard. As [`super::away::WORK_MAX`].
const ROOT_PUTS_MAX: usize = 4_096;
