//! Requests of others, routed or over a link, and how they are answered from what is here.
//!
//! Owns: the answer to get, fetch, locate and who; the gate before replicate and publish; the way an
//! answer goes back.
//! Never does: start anything for a local client.

use super::Directory;
use super::admission::limit_name;
use super::away::{Asked, Due, Pending, Purpose, ReadThen, Replier};
use super::choose::Known;
use super::ground::{Counter, answer_bytes, nearest_holders};
use super::keep::{Keep, KeptThen};
use super::pointers::Weight;
use super::root_put::PutAsked;
use super::values::Entry;
use crate::base::{Coordinate, Id, Span};
use crate::identity::Contact;
use crate::overlay::contract::{Arrival, DiskDone, DiskOp, Effect, Fact, Job, Label, Place, Terms, Ticket};
use crate::wire::Directory as Message;
use crate::wire::codec;
use crate::wire::directory::{Answer, HOLDERS_MAX, Holder, KnownAs, Refusal, Request};
use crate::wire::object::{Pointer, Value};
use std::sync::Arc;

impl Directory {
    /// Something routed came.
    pub(super) fn on_arrived(&mut self, arrival: Arrival) {
        let replier = match arrival.place {
            Place::Root => Replier::Root(arrival.label),
            Place::OnTheWay => Replier::Way(arrival.label),
            Place::Passing => Replier::Nobody,
        };
        let source = (arrival.from != self.ground.me()).then_some(arrival.from);
        self.ground.pressure = arrival.pressure;
        self.spread.is_from_asker = arrival.from == arrival.origin;
        self.spread.may_point = arrival.may_point;
        match codec::decode::<Request>(&arrival.payload) {
            Ok(request) if request.subject() == arrival.key => self.serve(replier, source, request),
            _ => {
                self.ground.tally.count(Counter::Ignored, "malformed_request");
                match replier {
                    Replier::Way(label) => self.ground.out.push(Effect::Tell(Fact::Onward { label })),
                    replier => self.reply(replier, Answer::Refused(Refusal::Forged)),
                }
            }
        }
    }

    /// Answers a request, or starts what will.
    pub(super) fn serve(&mut self, replier: Replier, source: Option<Id>, request: Request) {
        self.ground.tally.count(Counter::Served, request_name(&request));
        self.ground.loads.handle(self.ground.now);
        match request {
            Request::Get { .. } | Request::Fetch { .. } => self.serve_get(replier, source, &request),
            Request::Locate { object, root, coordinate } => {
                self.serve_locate((replier, source), object, root, coordinate);
            }
            Request::Publish { root, pointer, remaining } => {
                self.serve_publish(replier, source, root, pointer, remaining);
            }
            Request::Replicate { value, lifetime, receipt } => {
                self.serve_replicate((replier, receipt), source, value, lifetime);
            }
            Request::Put { value, lifetime, replicas, expected } => match replier {
                Replier::Way(_) | Replier::Nobody => self.cannot(replier, &value.id(), None),
                _ => self.root_put(replier, source, PutAsked { value, lifetime, replicas, expected }),
            },
            Request::Who { object } => match replier {
                Replier::Way(_) | Replier::Nobody => self.cannot(replier, &object, None),
                _ => {
                    let me = self.ground.me();
                    let holders = self.ground.holder(&me, true).into_iter().collect();
                    self.reply(replier, Answer::Holders { holders, known_as: KnownAs::Root });
                }
            },
        }
    }

    /// Sends an answer back.
    pub(super) fn reply(&mut self, replier: Replier, answer: Answer) {
        match replier {
            Replier::Root(label) | Replier::Way(label) => {
                let payload = answer_bytes(&answer);
                self.ground.out.push(Effect::Tell(Fact::Respond { label, payload }));
            }
            Replier::Peer { to, number, subject } => {
                let load = self.ground.loads.own(self.ground.now);
                self.ground.send_linked(to, Message::Answer { number, object: subject, answer, load });
            }
            Replier::Own(wish) => self.on_put_answer(wish, None, answer),
            Replier::Nobody => {}
        }
    }

    /// Asks a peer over a link; the answer or the silence comes back for `purpose`.
    pub(super) fn ask(&mut self, contact: &Arc<Contact>, request: Request, purpose: Purpose, wait: Span) -> u64 {
        let number = self.ground.number();
        self.away.asks.insert(number, Asked { to: contact.id(), purpose, since: self.ground.now });
        self.ground.wake(Due::Ask(number), wait);
        self.ground.send(contact, Message::Ask { number, request });
        number
    }

    /// A value was read to answer with it.
    pub(super) fn on_read_to_reply(&mut self, replier: Replier, request: &Request, value: Option<Value>) {
        let object = request.subject();
        match value {
            Some(value) => {
                self.cache.insert(object, value.clone());
                self.reply_value(replier, request, value);
            }
            None => self.cannot(replier, &object, Some(request)),
        }
    }

    /// A pointer was checked.
    pub(super) fn on_pointer_checked(
        &mut self,
        (replier, source): (Replier, Id),
        (root, remaining): (Id, Span),
        pointer: Option<Pointer>,
    ) {
        let Some(pointer) = pointer else {
            self.ground.tally.count(Counter::Ignored, "forged_pointer");
            log::debug!("a forged pointer came through {}", source.short());
            return self.refuse(replier, Refusal::Forged);
        };
        let is_rooted = replier != Replier::Nobody;
        let (now, limits) = (self.ground.now, &self.ground.limits);
        match self.pointers.weigh(limits, now, &root, &pointer, is_rooted) {
            Ok(Weight::Newer) => {}
            Ok(Weight::Same { remaining }) => return self.reply(replier, Answer::Published { lifetime: remaining }),
            Err(refusal) => return self.refuse(replier, refusal),
        }
        let remaining = limits.lifetime(if pointer.withdraws() { remaining } else { remaining.min(pointer.lifetime) });
        self.pointers.insert(now, root, pointer.clone(), remaining, is_rooted);
        self.repair.note_pointer();
        self.spread_change(&root, Some(&pointer));
        self.schedule_expiry();
        let holder = pointer.holder.id();
        if let Some(claim) = self.pointers.get(&root, &holder).filter(|_| self.leaving.is_some()).cloned() {
            // The pass may be past this one.
            self.hand_over(root, holder, claim);
        }
        if is_rooted {
            let op = DiskOp::KeepPointer { root, pointer, remaining };
            self.give_to_disk(Pending::KeepPointer { replier, claim: (root, holder), remaining }, op);
        }
    }

    /// A pointer is on disk, or not: then it is known in passing, and asked for anew it is written anew.
    pub(super) fn on_pointer_kept(&mut self, replier: Replier, claim: (Id, Id), remaining: Span, done: &DiskDone) {
        match done {
            DiskDone::Kept => self.reply(replier, Answer::Published { lifetime: remaining }),
            _ => {
                self.pointers.demote(&self.ground.limits, &claim.0, &claim.1);
                self.refuse(replier, Refusal::Disk);
            }
        }
    }

    /// The disk could not say: others of the replica set may have it, and nobody shall think that it is not there.
    pub(super) fn cannot_read(&mut self, replier: Replier, object: &Id, request: &Request) {
        let has_fellows = !self.ground.fellows(object, usize::from(self.ground.tuning.replicas)).is_empty();
        match replier {
            Replier::Root(_) | Replier::Way(_) if has_fellows => self.cannot(replier, object, Some(request)),
            _ => self.refuse(replier, Refusal::Disk),
        }
    }

    fn serve_get(&mut self, replier: Replier, source: Option<Id>, request: &Request) {
        let object = request.subject();
        let (inline_bytes_max, served, asker) = match request {
            Request::Get { inline_bytes_max, served, coordinate, .. } => {
                (u64::from(*inline_bytes_max), *served, *coordinate)
            }
            _ => (u64::MAX, 0, self.ground.view.bearing.coordinate),
        };
        if let Some(answer) = self.stand_in(replier, &object, inline_bytes_max) {
            self.note_request(replier, &object, source, served);
            return self.reply(replier, answer);
        }
        let now = self.ground.now;
        let Some(entry) = self.values.live(&object, now).cloned() else {
            let is_new_here = self.is_new_here();
            let may_name =
                matches!(request, Request::Get { .. }) && !(is_new_here && matches!(replier, Replier::Root(_)));
            if may_name && self.pointers.live(&object).next().is_some() {
                let holders = self.holders_of(&object, &object, &asker);
                self.note_request(replier, &object, source, served);
                if let Some((label, holder)) = self.pointed_at(replier, &holders, &asker) {
                    self.ground.tally.count(Counter::Served, "pointed");
                    return self.ground.out.push(Effect::Tell(Fact::Point { label, holder }));
                }
                let known_as = self.known_as(replier, &object);
                return self.reply(replier, Answer::Holders { holders, known_as });
            }
            return self.cannot(replier, &object, Some(request));
        };
        // Of a record the root knows the newest version first, and who could not write that asks for it.
        let is_overtaken = self.values.is_overtaken(&object);
        let is_asked_alone = !matches!(replier, Replier::Root(_)) || entry.bytes > inline_bytes_max;
        if matches!(replier, Replier::Way(_)) && entry.version > 0 || is_overtaken && is_asked_alone {
            return self.cannot(replier, &object, Some(request));
        }
        self.note_request(replier, &object, source, served);
        if entry.version == 0 && source.is_some() {
            self.note_kept_wanted();
        }
        if entry.bytes > inline_bytes_max {
            let is_record = entry.version > 0;
            let mut holders = self.holders_of(&object, &object, &asker);
            // Others may keep an older version of a record.
            holders.retain(|holder| !is_record || holder.contact.id() == self.ground.me());
            let known_as = self.known_as(replier, &object);
            return self.reply(replier, Answer::Holders { holders, known_as });
        }
        if let Some(value) = self.cache.touch(&object) {
            self.ground.tally.count(Counter::Reads, "cache");
            return self.reply_value(replier, request, value);
        }
        if self.away.is_crowded() {
            return self.shed(replier, &object, entry.version > 0);
        }
        self.read(object, ReadThen::Reply { replier, request: Box::new(request.clone()) });
    }

    /// The holder to hand this get on to, so that nobody has to come back for its name: the best with a way there. Not where it is
    /// so near to the asker that the way from here and back takes longer than a link and a fetch.
    fn pointed_at(&mut self, replier: Replier, holders: &[Holder], asker: &Coordinate) -> Option<(Label, Id)> {
        let label = match replier {
            Replier::Root(label) | Replier::Way(label) if self.spread.may_point => label,
            _ => return None,
        };
        let me = self.ground.me();
        let known = |holder: &Holder| {
            let id = holder.contact.id();
            Known { rtt: self.ground.view.way_to(&id).filter(|_| id != me), load: holder.load }
        };
        let known: Vec<Known> = holders.iter().map(known).collect();
        let best = *super::choose::order(&known, &mut self.ground.chance).first()?;
        let there = known[best].rtt?;
        let fetch =
            holders.iter().filter_map(|holder| Some(holder.coordinate?.rtt_to(asker) * FETCH_ROUND_TRIPS)).min();
        fetch.is_none_or(|fetch| there <= fetch).then(|| (label, holders[best].contact.id()))
    }

    /// Too much is under way to read this as well: others of the replica set have it, too. Of a record they may have an
    /// older version.
    fn shed(&mut self, replier: Replier, object: &Id, is_record: bool) {
        let fellows = self.ground.fellows(object, usize::from(self.ground.tuning.replicas));
        let others: Vec<Holder> = fellows.iter().filter_map(|id| self.ground.holder(id, true)).collect();
        let is_replica = self.values.get(object).is_some_and(Entry::is_replica);
        if is_record || !is_replica || others.is_empty() || matches!(replier, Replier::Way(_)) {
            return self.refuse(replier, Refusal::Busy);
        }
        self.ground.tally.count(Counter::Refused, "shed");
        self.reply(replier, Answer::Busy { others });
    }

    /// Answers with a value kept here. A root whose neighbourhood has just changed may have missed a
    /// record's newest version, and one whose disk was full has: it asks a majority first.
    fn reply_value(&mut self, replier: Replier, request: &Request, value: Value) {
        let object = request.subject();
        let replicas = self.values.get(&object).map_or(1, |entry| entry.copies);
        let is_record = value.version() > 0;
        let (lease, for_all) = self.answer_lease(replier, &value);
        let answer = Answer::Value { value, replicas, lease, for_all };
        let may_be_old = self.is_new_here() || self.values.is_overtaken(&object);
        if is_record && matches!(replier, Replier::Root(_)) && may_be_old {
            return self.survey_for_newer(replier, &object, request, answer);
        }
        self.reply(replier, answer);
    }

    /// Whether the leaf set changed so lately that neighbours may have what this root lacks.
    fn is_new_here(&self) -> bool {
        self.ground.leaf_set_since + NEW_IN_PLACE > self.ground.now
    }

    /// Reads a value from disk.
    pub(super) fn read(&mut self, object: Id, then: ReadThen) {
        self.ground.tally.count(Counter::Reads, "disk");
        self.give_to_disk(Pending::Read { object, then }, DiskOp::ReadValue { object });
    }

    /// The answer with what is held here for another. The root itself, and who keeps it for good, answers with that.
    fn stand_in(&mut self, replier: Replier, object: &Id, inline_bytes_max: u64) -> Option<Answer> {
        let is_kept = self.values.get(object).is_some_and(|entry| entry.version == 0);
        if is_kept || matches!(replier, Replier::Root(_)) {
            return None;
        }
        let value = self.spread.stands.serve(object)?;
        self.ground.tally.count(Counter::Reads, "lease");
        if value.len() as u64 > inline_bytes_max {
            let holders = self.ground.holder(&self.ground.me(), false).into_iter().collect();
            return Some(Answer::Holders { holders, known_as: KnownAs::Representative });
        }
        let (lease, for_all) = self.answer_lease(replier, &value);
        Some(Answer::Value { value, replicas: 1, lease, for_all })
    }

    fn serve_locate(&mut self, (replier, source): (Replier, Option<Id>), object: Id, root: Id, coordinate: Coordinate) {
        let holders = self.holders_of(&object, &root, &coordinate);
        if holders.is_empty() {
            return self.cannot(replier, &root, Some(&Request::Locate { object, root, coordinate }));
        }
        self.note_request(replier, &root, source, 0);
        let known_as = self.known_as(replier, &root);
        self.reply(replier, Answer::Holders { holders, known_as });
    }

    fn known_as(&self, replier: Replier, root: &Id) -> KnownAs {
        match replier {
            Replier::Root(_) => KnownAs::Root,
            _ if self.spread.stands.get(root).is_some() => KnownAs::Representative,
            _ if self.values.get(root).is_some() => KnownAs::Keeper,
            _ => KnownAs::Passing,
        }
    }

    /// Everybody known here to have the object, nearest to the asker first.
    pub(super) fn holders_of(&self, object: &Id, root: &Id, asker: &Coordinate) -> Vec<Holder> {
        let mut holders = Vec::new();
        if let Some(entry) = self.values.get(object) {
            holders.extend(self.ground.holder(&self.ground.me(), entry.is_replica()));
            if entry.copies > 1 {
                let fellows = self.ground.fellows(object, usize::from(self.ground.tuning.replicas));
                holders.extend(fellows.iter().filter_map(|id| self.ground.holder(id, true)));
            }
        }
        for claim in self.pointers.live(root).filter(|claim| claim.pointer.object == *object) {
            let contact = claim.pointer.holder.clone();
            let coordinate = self.ground.coordinate(&contact.id());
            let load = self.ground.load(&contact.id());
            holders.push(Holder { contact, coordinate, replica: false, load });
        }
        nearest_holders(holders, asker)
    }

    fn serve_replicate(
        &mut self,
        (replier, receipt): (Replier, bool),
        source: Option<Id>,
        value: Value,
        lifetime: Span,
    ) {
        let object = value.id();
        if !self.ground.view.covers(&object) || self.leaving.is_some() {
            return self.refuse(replier, Refusal::NotReady);
        }
        if self.away.is_crowded() {
            return self.refuse(replier, Refusal::Busy);
        }
        let room = self.values.room(&object);
        let admitted = self.admission.value(&self.ground.limits, self.ground.now, source, &value, room);
        if let Err(refusal) = admitted {
            return self.refuse(replier, refusal);
        }
        let Some(source) = source else { return self.refuse(replier, Refusal::NotReady) };
        if matches!(value, Value::Blob(_)) {
            return self.keep_replica((replier, receipt), source, value, lifetime);
        }
        let ticket = Ticket(self.ground.number());
        self.away.tickets.insert(ticket, Pending::Replica { replier, receipt, source, lifetime });
        self.ground.work(ticket, Job::CheckValue { id: object, value });
    }

    /// Keeps a sound copy.
    pub(super) fn keep_replica(&mut self, whose: (Replier, bool), source: Id, value: Value, lifetime: Span) {
        let (replier, receipt) = whose;
        let then = KeptThen::Replica { replier, receipt };
        let object = value.id();
        self.keep(object, Keep { value, terms: Terms::replica(lifetime), source: Some(source), then });
    }

    fn serve_publish(&mut self, replier: Replier, source: Option<Id>, root: Id, pointer: Pointer, remaining: Span) {
        if matches!(replier, Replier::Way(_)) {
            return self.cannot(replier, &root, None);
        }
        if let Err(refusal) = self.may_publish(replier, source, &root, &pointer) {
            return self.refuse(replier, refusal);
        }
        let is_rooted = replier != Replier::Nobody;
        match self.pointers.weigh(&self.ground.limits, self.ground.now, &root, &pointer, is_rooted) {
            Ok(Weight::Newer) => {}
            Ok(Weight::Same { remaining }) => return self.reply(replier, Answer::Published { lifetime: remaining }),
            Err(refusal) => return self.refuse(replier, refusal),
        }
        let ticket = Ticket(self.ground.number());
        let source = source.unwrap_or_else(|| self.ground.me());
        self.away.tickets.insert(ticket, Pending::Pointer { replier, source, root, remaining });
        self.ground.work(ticket, Job::CheckPointer(pointer));
    }

    fn may_publish(
        &mut self,
        replier: Replier,
        source: Option<Id>,
        root: &Id,
        pointer: &Pointer,
    ) -> Result<(), Refusal> {
        if !(0..super::ROOTS_PER_OBJECT).any(|salt| pointer.object.salted(salt) == *root) {
            return Err(Refusal::Forged);
        }
        let is_away = match replier {
            Replier::Root(_) | Replier::Own(_) => !self.ground.view.ready,
            Replier::Peer { .. } => !self.ground.view.covers(root) || self.leaving.is_some(),
            Replier::Way(_) | Replier::Nobody => false,
        };
        if is_away {
            return Err(Refusal::NotReady);
        }
        if self.away.is_crowded() {
            return Err(Refusal::Busy);
        }
        self.admission.pointer(&self.ground.limits, self.ground.now, source)
    }

    /// This node does not have it: pass it on, ask around, or say so.
    fn cannot(&mut self, replier: Replier, subject: &Id, request: Option<&Request>) {
        match (replier, request) {
            (Replier::Way(label), _) => self.ground.out.push(Effect::Tell(Fact::Onward { label })),
            (Replier::Root(_), Some(request)) => self.survey(replier, subject, request),
            _ => self.reply(replier, Answer::NotFound),
        }
    }

    pub(super) fn refuse(&mut self, replier: Replier, refusal: Refusal) {
        self.ground.tally.count(Counter::Refused, limit_name(&refusal));
        match replier {
            Replier::Way(label) => self.ground.out.push(Effect::Tell(Fact::Onward { label })),
            replier => self.reply(replier, Answer::Refused(refusal)),
        }
    }
}

fn request_name(request: &Request) -> &'static str {
    match request {
        Request::Publish { .. } => "publish",
        Request::Locate { .. } => "locate",
        Request::Put { .. } => "put",
        Request::Get { .. } => "get",
        Request::Fetch { .. } => "fetch",
        Request::Replicate { .. } => "replicate",
        Request::Who { .. } => "who",
    }
}

/// An answer without more holders and receipts than it may have.
pub(super) fn trimmed(mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Holders { holders, .. } | Answer::Busy { others: holders } => holders.truncate(HOLDERS_MAX),
        Answer::Stored { receipts } => receipts.truncate(usize::from(super::tuning::REPLICAS_MAX)),
        _ => {}
    }
    answer
}

/// For so long after its leaf set changed a root thinks that its neighbours may have what it lacks.
/// A guess: repair takes seconds.
const NEW_IN_PLACE: Span = Span::from_secs(30);
/// What a holder costs the asker that has to turn to it: a link, and the fetch.
const FETCH_ROUND_TRIPS: u64 = 2;
