//! Who is out there, and who knows whom?
//!
//! Owns: what can happen to the crawler, and its dispatch.
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
mod walk;

pub use census::{Census, Node, Outcome};
pub use change::Change;
pub use coverage::Coverage;
pub use frontier::{Fault, Visit};
pub use summary::Summary;
pub use tuning::Tuning;
pub use visit::Edge;

use crate::base::{Chance, Deadlines, Id, Instant, Span};
use crate::identity::Contact;
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::{CloseReason, Message};
use frontier::Frontier;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tuning::WORKERS_MAX;

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
