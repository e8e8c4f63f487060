//! A message's way through this node.
//!
//! Owns: taking a message in, handing it on or to the directory, and bringing its reply back.
//! Never does: choose the hop (`next_hop.rs`), or wait for custody (`custody.rs`).

use super::flight::{Flight, Source, Stage};
use super::hearsay::Words;
use super::next_hop::{Course, Hop, Step, Word, around_silent, hand_over, next_hop, step_to};
use super::{Due, FLIGHTS_MAX, Forwarder};
use crate::base::{Id, Instant, Load, Span};
use crate::identity::Contact;
use crate::machine::Outbox;
use crate::overlay::contract::{
    Arrival, Command, Copies, Effect, Fact, Failure, Label, Place, Reply, RequestId, Root, Wish,
};
use crate::wire::codec;
use crate::wire::routing::{Errand, HOPS_MAX, Header, Holds, Outcome, ReturnHeader, TraceHop, WORDS_MAX, Why};
use crate::wire::{Message, Routing};
use bytes::Bytes;

impl Forwarder {
    pub(super) fn on_forward(
        &mut self,
        now: Instant,
        from: Id,
        header: Header,
        payload: Bytes,
        out: &mut Outbox<Effect>,
    ) {
        let source = Source::Peer { id: from, label: header.label };
        if !self.shares.take(now, &header.origin) {
            return self.turn_away(now, &source, &header, out);
        }
        if let Some(label) = self.take_in(now, source, header, payload, out) {
            self.give_receipt(now, from, self.flights[&label].header.label);
            self.arrive(now, label, out);
        }
    }

    pub(super) fn on_wished(&mut self, now: Instant, request: RequestId, command: &Command, out: &mut Outbox<Effect>) {
        let Command::Lookup { key, traced } = command else {
            debug_assert!(false, "the wiring sends only lookups here");
            return;
        };
        if !self.view.ready && self.view.peers.is_empty() {
            return out.push(Effect::Answer { request, result: Err(Failure::NotReady) });
        }
        let me = self.view.id();
        let header = Flight::own_header(*key, me, Errand::Lookup, *traced, self.tuning.patience);
        if let Some(label) = self.take_in(now, Source::Client { request }, header, Bytes::new(), out) {
            self.arrive(now, label, out);
        }
    }

    pub(super) fn on_wish(&mut self, now: Instant, wish: Wish, out: &mut Outbox<Effect>) {
        if let Copies::MisledBy(liar) = wish.copies {
            self.hearsay.contradict(&liar);
        }
        let words = if matches!(wish.copies, Copies::WillDo { .. }) { WORDS_MAX } else { 0 };
        let header = Flight::own_header(wish.key, self.view.id(), wish.errand, false, wish.patience);
        let header = Header { words, ..header };
        let source = Source::Shard { asker: wish.asker, copies: wish.copies };
        if let Some(label) = self.take_in(now, source, header, wish.payload, out) {
            self.arrive(now, label, out);
        }
    }

    pub(super) fn on_respond(&mut self, now: Instant, label: u32, payload: Bytes, out: &mut Outbox<Effect>) {
        let Some(flight) = self.flights.get(&label) else { return self.count_stray() };
        let header = ReturnHeader {
            label: 0,
            outcome: Outcome::Answered { by: self.view.id() },
            hops: flight.header.hops,
            last: Span::ZERO,
            load: Load::NONE,
            trace: Vec::new(),
        };
        self.counts.answered += 1;
        self.bring_back(now, label, header, payload, out);
    }

    pub(super) fn on_onward(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        match self.flights.get(&label) {
            Some(flight) if flight.stage == Stage::Visiting => self.proceed(now, label, out),
            _ => self.count_stray(),
        }
    }

    /// The directory knows who has what the message is for: there, if there is a way; else the directory answers after all.
    pub(super) fn on_point(&mut self, now: Instant, label: u32, holder: &Id, out: &mut Outbox<Effect>) {
        let view = self.view.clone();
        let me = view.id();
        let Some(flight) = self.flights.get_mut(&label).filter(|flight| flight.may_be_pointed()) else {
            return self.count_stray();
        };
        flight.pointed = true;
        let step = step_to(&view, holder, flight.course(&me, view.ready), Why::Holds);
        match step.filter(|_| flight.header.hops < HOPS_MAX) {
            Some(step) => {
                self.counts.pointed += 1;
                // Anybody may claim to have it: who takes it and does not answer is not waited for.
                self.deadlines.set(Due::Second(label), now + step.rtt * 2 + POINTED_WAIT);
                self.hand_on(now, label, Step { word: Some(Word::Own), ..step }, out);
            }
            None => self.arrive(now, label, out),
        }
    }

    pub(super) fn on_return(
        &mut self,
        now: Instant,
        from: Id,
        mut header: ReturnHeader,
        payload: Bytes,
        out: &mut Outbox<Effect>,
    ) {
        let label = header.label;
        let Some(flight) = self.flights.get(&label) else { return self.count_stray() };
        // Only whoever was handed the message may answer it.
        let current = flight.holder().is_some_and(|step| step.to == from);
        if !current && !flight.avoid.contains(&from) {
            return self.count_stray();
        }
        self.ahead.loads.hear(now, from, header.load);
        self.patience.hear(&from);
        let Outcome::Answered { by } = header.outcome else {
            // That way is no way; while there is another, the source need not know.
            if current {
                self.avoid_far_end(label, from, header.outcome);
                self.try_another(now, label, from, out);
            }
            return;
        };
        if let (Stage::Sent { step, at } | Stage::Carried { step, at }, true) = (&flight.stage, current) {
            let waited = now.since(*at);
            if matches!(flight.stage, Stage::Sent { .. }) {
                // No receipt came before: the reply itself is the first word.
                self.patience.learn(from, waited.min(step.rtt + RECEIPT_SPAN));
            }
            if by == step.to {
                header.last = step.rtt;
            }
            let is_search = !step.is_handed_over() && step.word.is_none() && !by.begins_like(&step.target);
            if flight.tries == 1 && is_search && Forwarder::teaches(flight.header.errand) {
                let spent = waited.saturating_sub(step.rtt + header.last);
                self.ahead.learn(&step.target, &flight.header.key, spent);
            }
            if flight.goes_long(step) {
                self.hearsay.learn_long(step.cost, waited);
            }
            let key = &flight.header.key;
            match (flight.header.errand, step.nearest) {
                _ if flight.tries > 1 || step.is_handed_over() => {}
                _ if step.word.is_some() => self.hearsay.judge(step, Some(&by), waited),
                // What others answer as well says nothing of who the root is.
                (Errand::Nearest, _) => self.ahead.learn_answer(&step.target, key, by.begins_like(&step.target)),
                (_, Some(nearest)) => self.ahead.learn_root(&nearest, key, by.begins_like(&nearest)),
                (_, None) => {}
            }
            if flight.header.traced && header.trace.len() <= usize::from(HOPS_MAX) {
                header.trace.push(self.trace_hop(step, waited));
            }
        }
        self.bring_back(now, label, header, payload, out);
    }

    /// The relay of a detour has no way to its far end: others that once said they have are not asked one after another, if this node
    /// has no link there either.
    fn avoid_far_end(&mut self, label: u32, relay: Id, outcome: Outcome) {
        let Some(flight) = self.flights.get_mut(&label) else { return };
        let far_end = flight.holder().filter(|step| step.to != step.target).map(|step| step.target);
        let has_no_link = |id: &Id| self.view.peer_like(id).is_none_or(|peer| peer.link().is_none());
        if let Some(id) = far_end.filter(has_no_link)
            && outcome == (Outcome::NoRoute { at: relay })
        {
            flight.avoid.push(id);
        }
    }

    pub(super) fn on_holds(&mut self, now: Instant, from: Id, holds: Holds) {
        // Others cannot be asked.
        if self.view.peer(&from).is_some_and(|peer| peer.ready) {
            self.hearsay.hear(now, from, holds);
        }
    }

    /// Takes a message into this node's hands, if there is room.
    fn take_in(
        &mut self,
        now: Instant,
        source: Source,
        header: Header,
        payload: Bytes,
        out: &mut Outbox<Effect>,
    ) -> Option<u32> {
        if self.flights.len() >= FLIGHTS_MAX {
            self.counts.refused_flights += 1;
            self.turn_away(now, &source, &header, out);
            return None;
        }
        self.ahead.loads.handle(now);
        let label = self.next_label;
        self.next_label = self.next_label.wrapping_add(1).max(1);
        let patience = header.patience.min(PATIENCE_MAX);
        let until = now + patience;
        self.deadlines.set(Due::Patience(label), until);
        let (avoid, stage) = (Vec::new(), Stage::Waiting);
        let flight = Flight { source, header, payload, began: now, until, stage, avoid, tries: 0, pointed: false };
        if flight.is_own() {
            let is_lookup = flight.header.errand == Errand::Lookup;
            let wait = if is_lookup { self.patience.for_answer().min(patience / 3) } else { patience / 3 };
            self.deadlines.set(Due::Second(label), now + wait);
        }
        self.flights.insert(label, flight);
        Some(label)
    }

    /// Looks whether this node's directory has a say in it, and sends it on.
    fn arrive(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        let Some(flight) = self.flights.get(&label) else { return };
        let is_for_another = flight.header.detour.is_some_and(|detour| detour.for_copy);
        match flight.header.errand {
            Errand::Nearest if !is_for_another && self.interest.contains(&flight.header.key) => {
                self.visit(now, label, Place::OnTheWay, out);
            }
            Errand::Lookup | Errand::Root | Errand::Nearest | Errand::Deposit => self.proceed(now, label, out),
        }
    }

    /// Moves a message one step: to the root's business if this is it, else to the next hop.
    pub(super) fn proceed(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        self.take_stock(now);
        let view = self.view.clone();
        let me = view.id();
        let Some(flight) = self.flights.get_mut(&label) else { return };
        let holders = |words| self.hearsay.holders(now, &flight.header.key, words);
        let holders = flight.seeks_copy().map_or_else(Vec::new, holders);
        let mut course = flight.course(&me, view.ready);
        if !holders.is_empty() {
            course = Course { holders: &holders, long: (self.hearsay.long(), flight.fetch()), ..course };
        }
        let relayed = flight.header.detour.and_then(|detour| hand_over(&view, detour, course));
        let hop = match relayed {
            Some(step) if !view.is_root_of(&flight.header.key) => Hop::Forward(step),
            _ => next_hop(&view, course, &self.ahead),
        };
        // What others wait for in vain is not tried first.
        let is_silent = |peer: &Id| self.patience.is_silent(now, peer);
        let hop = match hop {
            Hop::Forward(step) => Hop::Forward(around_silent(&view, course, &self.ahead, step, is_silent)),
            hop => hop,
        };
        match hop {
            Hop::Root => self.deliver(now, label, out),
            Hop::Forward(_) if flight.header.hops >= HOPS_MAX => {
                self.conclude(now, label, Outcome::HopBudget { at: me }, out);
            }
            Hop::Forward(step) => self.hand_on(now, label, step, out),
            // Whoever chose this node for a link it does not have can choose better.
            Hop::Stuck if flight.header.detour.is_some() => {
                self.conclude(now, label, Outcome::NoRoute { at: me }, out);
            }
            Hop::Stuck => {
                flight.stage = Stage::Waiting;
                self.deadlines.set(Due::Custody(label), now + STUCK_PAUSE);
            }
        }
    }

    fn hand_on(&mut self, now: Instant, label: u32, step: Step, out: &mut Outbox<Effect>) {
        let me = self.view.id();
        let patience = self.custody_patience(&self.view, &step.to);
        let is_search = |flight: &&Flight| {
            let seeks = !flight.pointed && flight.seeks_copy() == Some(Words::All);
            seeks && (step.word.is_some() || self.hearsay.is_long(flight.fetch()))
        };
        if self.flights.get(&label).filter(is_search).is_some() {
            self.note_search(now, step.word, out);
        }
        let Some(flight) = self.flights.get_mut(&label) else { return };
        if flight.header.errand == Errand::Deposit && flight.tries == 0 && flight.header.hops > 0 {
            let arrival = arrival(label, flight, &me, Place::Passing, self.ahead.loads.pressure(now));
            out.push(Effect::Tell(Fact::Arrived(arrival)));
        }
        flight.tries = flight.tries.saturating_add(1);
        let header = flight.onward(label, &step, &me, now);
        let message = Message::Routing(Routing::Forward(header, flight.payload.clone()));
        self.counts.forwarded += 1;
        self.patience.earn();
        self.counts.detours += u64::from(step.to != step.target);
        self.counts.copies_asked += u64::from(step.word.is_some());
        self.deadlines.set(Due::Custody(label), now + patience);
        out.push(Effect::Send { to: step.to, message });
        flight.stage = Stage::Sent { step, at: now };
    }

    /// This node is the root.
    fn deliver(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        let Some(flight) = self.flights.get(&label) else { return };
        self.counts.delivered += 1;
        match flight.header.errand {
            Errand::Lookup => {
                self.on_respond(now, label, self.me_encoded.clone(), out);
            }
            Errand::Root | Errand::Nearest | Errand::Deposit => self.visit(now, label, Place::Root, out),
        }
    }

    fn visit(&mut self, now: Instant, label: u32, place: Place, out: &mut Outbox<Effect>) {
        let me = self.view.id();
        let pressure = self.ahead.loads.pressure(now);
        self.deadlines.clear(&Due::Custody(label));
        if let Some(flight) = self.flights.get_mut(&label) {
            flight.stage = Stage::Visiting;
            out.push(Effect::Tell(Fact::Arrived(arrival(label, flight, &me, place, pressure))));
        }
    }

    /// Ends a message's way without an answer.
    pub(super) fn conclude(&mut self, now: Instant, label: u32, outcome: Outcome, out: &mut Outbox<Effect>) {
        let hops = self.flights.get(&label).map_or(0, |flight| flight.header.hops);
        let header = ReturnHeader { label: 0, outcome, hops, last: Span::ZERO, load: Load::NONE, trace: Vec::new() };
        self.bring_back(now, label, header, Bytes::new(), out);
    }

    /// Gives a reply to where the message came from, and forgets the message.
    fn bring_back(&mut self, now: Instant, label: u32, header: ReturnHeader, payload: Bytes, out: &mut Outbox<Effect>) {
        let Some(flight) = self.forget(label) else { return };
        match flight.source {
            Source::Peer { id, label } => {
                self.receipts.forget(&id, label);
                let load = self.ahead.loads.own(now);
                let message = Message::Routing(Routing::Return(ReturnHeader { label, load, ..header }, payload));
                out.push(Effect::Send { to: id, message });
            }
            Source::Shard { asker, .. } => {
                let word_of = flight.holder().filter(|step| step.word.is_some()).map(|step| step.target);
                out.push(Effect::Tell(Fact::Returned { asker, outcome: header.outcome, payload, word_of }));
            }
            Source::Client { request } => {
                if flight.tries == 1 && matches!(header.outcome, Outcome::Answered { .. }) {
                    self.patience.learn_answer(now.since(flight.began));
                }
                let result = root_of(header, &payload, now.since(flight.began));
                out.push(Effect::Answer { request, result });
            }
        }
    }

    pub(super) fn forget(&mut self, label: u32) -> Option<Flight> {
        let flight = self.flights.remove(&label)?;
        self.deadlines.clear(&Due::Custody(label));
        self.deadlines.clear(&Due::Patience(label));
        if flight.is_own() || flight.pointed {
            self.deadlines.clear(&Due::Second(label));
        }
        Some(flight)
    }

    /// No room, or its origin's share is used up: the source learns at once.
    fn turn_away(&self, now: Instant, source: &Source, header: &Header, out: &mut Outbox<Effect>) {
        let outcome = Outcome::Busy { at: self.view.id() };
        match *source {
            Source::Peer { id, label } => {
                let (hops, last, load) = (header.hops, Span::ZERO, self.ahead.loads.own(now));
                let header = ReturnHeader { label, outcome, hops, last, load, trace: Vec::new() };
                out.push(Effect::Send { to: id, message: Message::Routing(Routing::Return(header, Bytes::new())) });
            }
            Source::Client { request } => {
                out.push(Effect::Answer { request, result: Err(Failure::Limit("forwarder.flights_max")) });
            }
            Source::Shard { asker, .. } => {
                let payload = Bytes::new();
                out.push(Effect::Tell(Fact::Returned { asker, outcome, payload, word_of: None }));
            }
        }
    }

    fn trace_hop(&self, step: &Step, waited: Span) -> TraceHop {
        let peer = self.view.peer(&step.to);
        TraceHop {
            at: self.view.id(),
            next: step.to,
            address: peer.and_then(|peer| peer.contact.address()),
            rtt: peer.and_then(|peer| peer.link()).map_or(step.rtt, |link| link.smoothed()),
            waited,
            why: step.why,
        }
    }

    pub(super) fn count_stray(&mut self) {
        self.counts.stray += 1;
    }
}

fn arrival(label: u32, flight: &Flight, me: &Id, place: Place, pressure: f64) -> Arrival {
    let from = match flight.source {
        Source::Peer { id, .. } => id,
        Source::Client { .. } | Source::Shard { .. } => *me,
    };
    let Header { key, origin, .. } = flight.header;
    let (label, may_point, payload) = (Label(label), flight.may_be_pointed(), flight.payload.clone());
    Arrival { label, key, origin, from, place, may_point, pressure, payload }
}

/// What a local client learns from the reply to its lookup.
fn root_of(header: ReturnHeader, payload: &[u8], took: Span) -> Result<Reply, Failure> {
    let Outcome::Answered { by } = header.outcome else {
        return Err(Failure::of(header.outcome).unwrap_or(Failure::TimedOut));
    };
    let contact: Contact = codec::decode(payload).map_err(|_| Failure::NoRoute { at: by })?;
    if contact.id() != by {
        return Err(Failure::NoRoute { at: by });
    }
    let trace = header.trace.into_iter().rev().collect();
    Ok(Reply::Root(Root { contact, hops: header.hops, took, trace }))
}

/// A reply that overtakes the receipt says that custody took no longer than this beyond the round trip.
const RECEIPT_SPAN: Span = Span::from_millis(50);
/// Beside two round trips: what a holder may take to read it. As long as whoever fetches waits before it asks a second one.
const POINTED_WAIT: Span = Span::from_millis(300);
/// A stranger's patience is believed up to this: ten times the default.
const PATIENCE_MAX: Span = Span::from_secs(100);
/// Pause before a message that nobody can take is tried again; a new view wakes it earlier.
const STUCK_PAUSE: Span = Span::from_millis(250);
