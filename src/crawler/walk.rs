//! The walk itself.
//!
//! Owns: visits begun within the bounds of politeness, questions asked and asked again, visits ended, and the
//! end of the crawl.
//! Never does: choose what to ask (`visit` does) or whom to visit next (`frontier` does).

use super::frontier::{Fault, Known, Name, Session, Verdict};
use super::tuning::{MESSAGES_MAX, SEED_MAX};
use super::visit::{Interview, Topic};
use super::{Crawler, Due, Effect, Visit, Walk};
use crate::base::{Id, Instant, Span};
use crate::identity::Contact;
use crate::machine::Outbox;
use crate::wire::membership::About;
use crate::wire::probe::Bearing;
use crate::wire::{Card, CloseReason, Membership, Message, Probe};
use std::net::SocketAddr;
use std::sync::Arc;

impl Crawler {
    /// Begins: what is known goes to the frontier, and seeds are dialled.
    pub(super) fn start(
        &mut self,
        now: Instant,
        contacts: Vec<Contact>,
        seeds: Vec<SocketAddr>,
        out: &mut Outbox<Effect>,
    ) {
        self.walk = Walk::Going { since: now, open: 0, retries: 0 };
        let bits = self.tuning.puzzle_bits;
        for contact in contacts.iter().filter(|contact| contact.id() != self.me) {
            self.frontier.name(contact, None, |contact| contact.check(bits).is_ok());
        }
        for address in seeds {
            self.seeds.insert(address);
            out.push(Effect::DialSeed { address });
        }
        self.due.set(Due::Seeds, now + SEED_MAX);
    }

    /// A link is up: its node is asked.
    pub(super) fn on_link_up(&mut self, now: Instant, contact: &Arc<Contact>, rtt: Span, out: &mut Outbox<Effect>) {
        if self.is_over() {
            return out.push(Effect::HangUp { peer: contact.id(), reason: CloseReason::Unused });
        }
        self.seeds.retain(|address| !contact.addresses().contains(address));
        let index = match self.frontier.name(contact, None, |_| true) {
            Name::Old(index) | Name::New(index) => index,
            Name::Refused => return out.push(Effect::HangUp { peer: contact.id(), reason: CloseReason::Unused }),
        };
        let interview = Session::Open(Box::new(Interview::begin(now, rtt)));
        match self.frontier.at(index).session {
            Session::Dialling => self.frontier.at_mut(index).session = interview,
            // A seed: nobody dialled it by its name.
            Session::Pending => {
                if self.due.clear(&Due::Again(index)) {
                    self.count(0, -1);
                }
                self.frontier.begin(index, interview);
                self.count(1, 0);
                self.due.set(Due::Visit(index), now + self.tuning.visit_max);
            }
            Session::Open(_) => {}
            Session::Closed(_) => out.push(Effect::HangUp { peer: contact.id(), reason: CloseReason::Unused }),
        }
        self.ask_more(now, index, out);
    }

    /// A node said something.
    pub(super) fn on_heard(&mut self, now: Instant, from: &Id, message: Message, out: &mut Outbox<Effect>) {
        let Some(index) = self.frontier.index_of(from) else { return };
        let known = self.frontier.at_mut(index);
        known.heard = known.heard.saturating_add(1);
        match message {
            // A node that pings on and on is not answered any more.
            Message::Probe(Probe::Ping { round, .. }) if known_spent(known) <= MESSAGES_MAX => {
                known.sent = known.sent.saturating_add(1);
                self.tally.pings += 1;
                let pong = Probe::Pong { round, bearing: Bearing::default() };
                out.push(Effect::Send { to: *from, message: Box::new(Message::Probe(pong)) });
            }
            Message::Membership(Membership::Contacts { round, about, cards, .. }) => {
                self.on_contacts(now, index, (round, about), &cards);
                self.after_answer(now, index, out);
            }
            Message::Membership(Membership::Profile { round, profile }) => {
                if let Session::Open(interview) = &mut known.session
                    && interview.answered(now, round, Topic::Profile)
                {
                    interview.profile = Some(profile);
                }
                self.after_answer(now, index, out);
            }
            // Both counts end at the same mark, so that neither overtakes the other.
            _ if known.heard < u16::MAX => known.unasked += 1,
            _ => {}
        }
    }

    fn on_contacts(&mut self, now: Instant, index: u32, (round, about): (u32, About), cards: &[Card]) {
        let known = self.frontier.at_mut(index);
        let (of, Session::Open(interview)) = (known.contact.id(), &mut known.session) else { return };
        if !interview.answered(now, round, Topic::Contacts(about)) {
            return;
        }
        self.tally.cards += cards.len() as u64;
        let bits = self.tuning.puzzle_bits;
        let mut named = Vec::with_capacity(cards.len());
        for Card { contact, .. } in cards {
            let id = contact.id();
            if id == of || id == self.me {
                continue;
            }
            if matches!(about, About::Row(row) if of.shared_prefix(&id) != usize::from(row)) {
                self.tally.misplaced += 1;
                continue;
            }
            match self.frontier.name(contact, Some(index), |contact| contact.check(bits).is_ok()) {
                Name::Old(to) | Name::New(to) => named.push((to, id)),
                Name::Refused => {}
            }
        }
        if let Session::Open(interview) = &mut self.frontier.at_mut(index).session {
            interview.learn(about, &named);
        }
    }

    /// The next batch comes after a pause; without one the visit ends.
    fn after_answer(&mut self, now: Instant, index: u32, out: &mut Outbox<Effect>) {
        let Known { contact, session: Session::Open(interview), .. } = self.frontier.at_mut(index) else { return };
        if interview.awaited() > 0 {
            return self.await_answer(index);
        }
        self.due.clear(&Due::Answer(index));
        if interview.next_topics(&contact.id()).is_empty() {
            return self.conclude(now, index, out);
        }
        self.due.set_earlier(Due::Batch(index), now + self.tuning.pause);
    }

    /// Asks what is to be asked next, as far as the node may have messages.
    fn ask_more(&mut self, now: Instant, index: u32, out: &mut Outbox<Effect>) {
        let Known { contact, session: Session::Open(interview), .. } = self.frontier.at_mut(index) else { return };
        let topics = interview.next_topics(&contact.id());
        for topic in topics {
            self.last_round = self.last_round.wrapping_add(1).max(1);
            self.ask(now, index, (self.last_round, topic), out);
        }
        self.after_answer_or_none(now, index, out);
    }

    /// Nothing may be on its way after a batch, if the node had all its messages before.
    fn after_answer_or_none(&mut self, now: Instant, index: u32, out: &mut Outbox<Effect>) {
        match &self.frontier.at(index).session {
            Session::Open(interview) if interview.awaited() == 0 => self.conclude(now, index, out),
            _ => self.await_answer(index),
        }
    }

    fn ask(&mut self, now: Instant, index: u32, (round, topic): (u32, Topic), out: &mut Outbox<Effect>) {
        let known = self.frontier.at_mut(index);
        let spent = known_spent(known);
        let Session::Open(interview) = &mut known.session else { return };
        if usize::from(spent) + interview.awaited() + 2 > usize::from(MESSAGES_MAX) {
            self.tally.spared += 1;
            return interview.forgo(round, topic);
        }
        interview.sent(now, round, topic);
        known.sent = known.sent.saturating_add(1);
        self.tally.questions += 1;
        let message = match topic {
            Topic::Profile => Membership::ProfileWanted { round },
            Topic::Contacts(about) => Membership::ContactsWanted { round, about },
        };
        out.push(Effect::Send { to: known.contact.id(), message: Box::new(Message::Membership(message)) });
    }

    fn await_answer(&mut self, index: u32) {
        let Session::Open(interview) = &self.frontier.at(index).session else { return };
        match interview.due() {
            Some(at) => self.due.set(Due::Answer(index), at),
            None => {
                self.due.clear(&Due::Answer(index));
            }
        }
    }

    fn on_answer_due(&mut self, now: Instant, index: u32, out: &mut Outbox<Effect>) {
        let Session::Open(interview) = &mut self.frontier.at_mut(index).session else { return };
        let overdue = interview.overdue(now);
        self.tally.given_up += overdue.given_up as u64;
        for question in overdue.again {
            self.tally.repeated += 1;
            self.ask(now, index, question, out);
        }
        self.after_answer(now, index, out);
    }

    /// The visit is over; what it brought decides what came of it.
    fn conclude(&mut self, now: Instant, index: u32, out: &mut Outbox<Effect>) {
        self.end(now, index, Fault::Silent, out);
    }

    /// The visit is over, for this reason if it brought nothing: then the node may get another.
    fn end(&mut self, now: Instant, index: u32, fault: Fault, out: &mut Outbox<Effect>) {
        let known = self.frontier.at_mut(index);
        let peer = known.contact.id();
        let verdict = match std::mem::replace(&mut known.session, Session::Pending) {
            Session::Open(interview) if interview.is_worth_keeping() => Some(visited(now, *interview)),
            Session::Open(_) | Session::Dialling => None,
            other => {
                known.session = other;
                return;
            }
        };
        out.push(Effect::HangUp { peer, reason: CloseReason::Unused });
        for due in [Due::Visit(index), Due::Batch(index), Due::Answer(index)] {
            self.due.clear(&due);
        }
        self.count(-1, 0);
        let spent = known_spent(self.frontier.at(index));
        let again = fault.may_pass() && self.frontier.at(index).sessions < self.tuning.sessions;
        match verdict {
            Some(verdict) => self.frontier.close(index, verdict),
            None if again && spent.saturating_add(LEAST_VISIT) <= MESSAGES_MAX => {
                self.count(0, 1);
                let wait = self.chance.jittered(self.tuning.retry_after, RETRY_JITTER);
                self.due.set(Due::Again(index), now + wait);
            }
            None => self.frontier.close(index, Verdict::Failed(fault)),
        }
    }

    /// Deadlines have come.
    pub(super) fn on_due(&mut self, now: Instant, out: &mut Outbox<Effect>) {
        while let Some(name) = self.due.pop_due(now) {
            match name {
                Due::Seeds => self.seeds_silent.extend(std::mem::take(&mut self.seeds)),
                Due::Again(index) => {
                    self.count(0, -1);
                    if matches!(self.frontier.at(index).session, Session::Pending) {
                        self.dial(now, index, out);
                    }
                }
                Due::Visit(index) => {
                    let dialling = matches!(self.frontier.at(index).session, Session::Dialling);
                    let fault = if dialling { Fault::DialTimedOut } else { Fault::Silent };
                    self.end(now, index, fault, out);
                }
                Due::Batch(index) => self.ask_more(now, index, out),
                Due::Answer(index) => self.on_answer_due(now, index, out),
            }
        }
    }

    fn dial(&mut self, now: Instant, index: u32, out: &mut Outbox<Effect>) {
        self.frontier.begin(index, Session::Dialling);
        self.count(1, 0);
        self.tally.dials += 1;
        self.due.set(Due::Visit(index), now + self.tuning.visit_max);
        out.push(Effect::Dial { contact: Arc::clone(&self.frontier.at(index).contact) });
    }

    /// Begins visits while there is room, and ends the crawl when nothing is left to do.
    pub(super) fn advance(&mut self, now: Instant, out: &mut Outbox<Effect>) {
        loop {
            let Walk::Going { open, .. } = self.walk else { return };
            if open >= self.tuning.workers || self.frontier.begun() >= self.tuning.limit {
                break;
            }
            let Some(index) = self.frontier.next() else { break };
            self.dial(now, index, out);
        }
        if let Walk::Going { since, open: 0, retries: 0 } = self.walk
            && self.seeds.is_empty()
        {
            self.walk = Walk::Over { since, until: now, stopped: false };
            out.push(Effect::Finished);
        }
    }

    /// Ends the crawl now.
    pub(super) fn stop(&mut self, now: Instant, out: &mut Outbox<Effect>) {
        let Walk::Going { since, .. } = self.walk else { return };
        self.tuning.sessions = 0;
        self.tuning.limit = 0;
        self.seeds.clear();
        for index in 0..self.frontier.len() as u32 {
            if self.due.clear(&Due::Again(index)) {
                self.frontier.close(index, Verdict::Failed(Fault::Stopped));
            }
            self.end(now, index, Fault::Stopped, out);
        }
        self.walk = Walk::Over { since, until: now, stopped: true };
        out.push(Effect::Finished);
    }

    fn count(&mut self, opened: isize, retries_begun: isize) {
        if let Walk::Going { open, retries, .. } = &mut self.walk {
            *open = open.saturating_add_signed(opened);
            *retries = retries.saturating_add_signed(retries_begun);
        }
    }

    /// A link or a dial is gone.
    pub(super) fn fell_through(&mut self, now: Instant, peer: &Id, fault: Fault, out: &mut Outbox<Effect>) {
        if let Some(index) = self.frontier.index_of(peer) {
            self.end(now, index, fault, out);
        }
    }
}

fn visited(now: Instant, interview: Interview) -> Verdict {
    let complete = interview.is_complete();
    let Interview { since, rtt, profile, edges, .. } = interview;
    let edges = edges.into_values().collect();
    Verdict::Visited(Box::new(Visit { profile, rtt, edges, complete, since, until: now }))
}

fn known_spent(known: &Known) -> u16 {
    known.sent.saturating_add(known.heard.saturating_sub(known.unasked))
}

/// A visit to a node in a small network: its ping, and three questions.
const LEAST_VISIT: u16 = 8;
/// Retries of nodes that failed together are spread this much.
const RETRY_JITTER: f64 = 0.5;
