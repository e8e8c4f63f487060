//! Who is out there, and who knows whom?
//!
//! Owns: what can happen to the crawler, its dispatch, and the walk: visits begun within the bounds of
//! politeness, questions asked and asked again, visits ended.
//! Never does: take part in the overlay: it introduces itself as a client, answers pings, and says nothing
//! else of itself. It opens no socket, and its arithmetic is in `census` and `coverage`.

pub mod census;
pub mod change;
pub mod coverage;
mod frontier;
pub mod rows;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod tuning;
mod visit;

pub use census::{Census, Node, Outcome};
pub use change::Change;
pub use coverage::Coverage;
pub use frontier::{Fault, Visit};
pub use summary::Summary;
pub use tuning::Tuning;
pub use visit::Edge;

use crate::base::{Chance, Coordinate, Deadlines, Id, Instant, Span};
use crate::identity::Contact;
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::membership::About;
use crate::wire::{Card, CloseReason, Membership, Message, Probe};
use frontier::{Frontier, Known, Name, Session, Verdict};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tuning::{MESSAGES_MAX, SEED_MAX, WORKERS_MAX};
use visit::{Interview, Topic};

/// What can happen to the crawler.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin: with these contacts, and with whatever nodes live at these addresses.
    Start {
        /// Contacts known by name.
        contacts: Vec<Contact>,
        /// Addresses, dialled by [`Effect::DialSeed`].
        seeds: Vec<SocketAddr>,
    },
    /// A link is up: handshake done, contact proven and checked by the host.
    LinkUp {
        /// With whom.
        contact: Arc<Contact>,
        /// The handshake's round trip.
        rtt: Span,
    },
    /// A link is gone.
    LinkDown {
        /// With whom.
        peer: Id,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Whom it was for.
        peer: Id,
        /// Why.
        why: Fault,
    },
    /// No link came of a seed's address.
    SeedSilent {
        /// Which.
        address: SocketAddr,
    },
    /// A node said something.
    Heard {
        /// Who.
        from: Id,
        /// What.
        message: Box<Message>,
    },
    /// A node said what is not a message.
    Malformed {
        /// Who.
        from: Id,
    },
    /// End now: open visits are cut short, and nobody else is visited.
    Stop,
    /// A deadline has come.
    Due,
}

/// What the crawler wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a link to whatever node lives at this address. Comes back as `LinkUp` or `SeedSilent`.
    DialSeed {
        /// Where.
        address: SocketAddr,
    },
    /// Open a link. Comes back as `LinkUp` or `DialFailed`.
    Dial {
        /// To whom.
        contact: Arc<Contact>,
    },
    /// Say this over the link. Without a link it is lost.
    Send {
        /// Whom to.
        to: Id,
        /// What.
        message: Box<Message>,
    },
    /// Close the link, or give its dial up.
    HangUp {
        /// Which.
        peer: Id,
        /// Why, as the node will read it.
        reason: CloseReason,
    },
    /// The census is complete.
    Finished,
}

/// The machine that walks an overlay.
pub struct Crawler {
    me: Id,
    tuning: Tuning,
    chance: Chance,
    frontier: Frontier,
    due: Deadlines<Due>,
    /// Addresses of seeds that have not come to a link or to nothing.
    seeds: BTreeSet<SocketAddr>,
    seeds_silent: Vec<SocketAddr>,
    tally: Tally,
    walk: Walk,
    last_round: u32,
}

/// How far the whole crawl is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// It waits for its start.
    Unstarted,
    /// Visits are under way.
    Going { since: Instant, open: usize, retries: usize },
    /// It has ended.
    Over { since: Instant, until: Instant, stopped: bool },
}

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The seeds' addresses had their time.
    Seeds,
    /// A node that did not answer gets another visit.
    Again(u32),
    /// A visit has taken too long.
    Visit(u32),
    /// A node gets its next batch of questions.
    Batch(u32),
    /// An answer is overdue.
    Answer(u32),
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Dials begun.
    pub dials: u64,
    /// Of these, those that came to nothing.
    pub dials_failed: u64,
    /// Questions sent, repeated ones included.
    pub questions: u64,
    /// Questions sent again for want of an answer.
    pub repeated: u64,
    /// Questions that stayed without an answer.
    pub given_up: u64,
    /// Questions not asked, because the node would have had too many messages.
    pub spared: u64,
    /// Pings answered.
    pub pings: u64,
    /// Contacts read in answers.
    pub cards: u64,
    /// Contacts that do not belong into the row they were named in.
    pub misplaced: u64,
}

impl Crawler {
    /// A crawler that has not started: it waits for [`Input::Start`]. `me` is the id it introduces itself by.
    pub fn new(me: Id, tuning: Tuning, chance: Chance) -> Crawler {
        let tuning = Tuning { workers: tuning.workers.clamp(1, WORKERS_MAX), ..tuning };
        Crawler {
            me,
            tuning,
            chance,
            frontier: Frontier::default(),
            due: Deadlines::new(),
            seeds: BTreeSet::new(),
            seeds_silent: Vec::new(),
            tally: Tally::default(),
            walk: Walk::Unstarted,
            last_round: 0,
        }
    }

    /// Whether the census is complete.
    pub fn is_over(&self) -> bool {
        matches!(self.walk, Walk::Over { .. })
    }

    /// How many nodes are closed, open, and known by name.
    pub fn progress(&self) -> (usize, usize, usize) {
        let open = match self.walk {
            Walk::Going { open, retries, .. } => open + retries,
            _ => 0,
        };
        (self.frontier.begun().saturating_sub(open), open, self.frontier.len())
    }

    /// What was found, as far as the crawl has come.
    pub fn census(&self, now: Instant) -> Census {
        let (since, until, stopped) = match self.walk {
            Walk::Unstarted => (now, now, false),
            Walk::Going { since, .. } => (since, now, true),
            Walk::Over { since, until, stopped } => (since, until, stopped),
        };
        Census::of(
            &self.frontier,
            census::Frame {
                took: until.since(since),
                began: since,
                stopped,
                tally: self.tally,
                seeds_silent: self.seeds_silent.clone(),
            },
        )
    }

    fn start(&mut self, now: Instant, contacts: Vec<Contact>, seeds: Vec<SocketAddr>, out: &mut Outbox<Effect>) {
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

    fn on_link_up(&mut self, now: Instant, contact: &Arc<Contact>, rtt: Span, out: &mut Outbox<Effect>) {
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

    fn on_heard(&mut self, now: Instant, from: &Id, message: Message, out: &mut Outbox<Effect>) {
        let Some(index) = self.frontier.index_of(from) else { return };
        let known = self.frontier.at_mut(index);
        known.heard = known.heard.saturating_add(1);
        match message {
            // A node that pings on and on is not answered any more.
            Message::Probe(Probe::Ping { round, .. }) if known_spent(known) <= MESSAGES_MAX => {
                known.sent = known.sent.saturating_add(1);
                self.tally.pings += 1;
                let pong = Probe::Pong { round, coordinate: Coordinate::default(), ready: false };
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

    fn on_due(&mut self, now: Instant, out: &mut Outbox<Effect>) {
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
    fn advance(&mut self, now: Instant, out: &mut Outbox<Effect>) {
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

    fn stop(&mut self, now: Instant, out: &mut Outbox<Effect>) {
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
}

impl Machine for Crawler {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Outbox<Effect>) {
        match input {
            Input::Start { contacts, seeds } if self.walk == Walk::Unstarted => self.start(now, contacts, seeds, out),
            Input::Start { .. } => {}
            Input::LinkUp { contact, rtt } => self.on_link_up(now, &contact, rtt, out),
            Input::LinkDown { peer } => self.fell_through(now, &peer, Fault::LinkLost, out),
            Input::DialFailed { peer, why } => {
                self.tally.dials_failed += 1;
                self.fell_through(now, &peer, why, out);
            }
            Input::SeedSilent { address } => {
                self.seeds_silent.extend(self.seeds.take(&address));
            }
            Input::Heard { from, message } => self.on_heard(now, &from, *message, out),
            Input::Malformed { from } => self.fell_through(now, &from, Fault::Malformed, out),
            Input::Stop => self.stop(now, out),
            Input::Due => self.on_due(now, out),
        }
        self.advance(now, out);
    }

    fn next_deadline(&self) -> Option<Instant> {
        (!self.is_over()).then(|| self.due.next()).flatten()
    }

    fn readings(&self, into: &mut Vec<Reading>) {
        let (closed, open, named) = self.progress();
        let gauges = [
            ("crawler_named", named),
            ("crawler_open", open),
            ("crawler_begun", closed + open),
            ("crawler_queued", self.frontier.queued()),
        ];
        into.extend(gauges.map(|(name, value)| Reading::gauge(name, value as f64)));
        into.push(Reading::counter("crawler_questions_total", self.tally.questions));
        into.push(Reading::counter("crawler_names_refused_total", self.frontier.refused));
    }
}

impl Crawler {
    fn fell_through(&mut self, now: Instant, peer: &Id, fault: Fault, out: &mut Outbox<Effect>) {
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
