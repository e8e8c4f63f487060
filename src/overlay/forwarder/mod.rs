//! Messages in flight.
//!
//! Owns: what can happen to the Forwarder, and its dispatch.
//! Never does: decide who belongs to the overlay, or read a payload.

pub mod ahead;
mod custody;
mod flight;
pub mod hearsay;
mod journey;
mod listening;
pub mod next_hop;
mod patience;
mod shares;
pub mod tuning;

pub use tuning::Tuning;

use super::contract::{Command, Effect, Label, RequestId, Wish};
use super::view::{Interest, RouteView};
use crate::base::{Deadlines, Id, Instant, Span};
use crate::identity::Contact;
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::{Routing, codec};
use ahead::Ahead;
use bytes::Bytes;
use custody::Receipts;
use flight::Flight;
use hearsay::Hearsay;
use patience::Patience;
use shares::Shares;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What can happen to the Forwarder.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer said this.
    Heard {
        /// Who.
        from: Id,
        /// What.
        message: Routing,
    },
    /// The Router has a new view.
    View(Arc<RouteView>),
    /// A directory shard wants this routed.
    Route(Wish),
    /// A directory shard answers an arrival.
    Respond {
        /// Of the arrival.
        label: Label,
        /// The answer.
        payload: Bytes,
    },
    /// A directory shard cannot answer an arrival: on with it.
    Onward {
        /// Of the arrival.
        label: Label,
    },
    /// A directory shard knows who has what an arrival is for.
    Point {
        /// Of the arrival.
        label: Label,
        /// Who.
        holder: Id,
    },
    /// The link to a peer is gone.
    LinkDown {
        /// Which.
        peer: Id,
    },
    /// A local client's wish.
    Wished {
        /// The host's name for it.
        request: RequestId,
        /// The wish; only [`Command::Lookup`] comes here.
        command: Command,
    },
    /// A deadline has come.
    Due,
}

/// The machine that carries messages: takes them in, picks the next hop, keeps custody until the next
/// one has it, and brings replies back the way the message came.
pub struct Forwarder {
    view: Arc<RouteView>,
    /// This node's contact, encoded: the payload of every answer to a lookup.
    me_encoded: Bytes,
    tuning: Tuning,
    interest: Arc<Interest>,
    ahead: Ahead,
    hearsay: Hearsay,
    surroundings: Surroundings,
    shares: Shares,
    flights: BTreeMap<u32, Flight>,
    receipts: Receipts,
    patience: Patience,
    deadlines: Deadlines<Due>,
    next_label: u32,
    counts: Counts,
}

/// What the Forwarder waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Custody receipts have waited long enough to be sent.
    Receipts,
    /// The peer that was handed this flight should have taken custody, or a waiting flight should be
    /// tried again.
    Custody(u32),
    /// The source of this flight stops waiting.
    Patience(u32),
    /// This flight of our own, or one handed to a holder, has taken suspiciously long.
    Second(u32),
}

/// When the surroundings were last taken stock of.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    /// Whether the view changed since.
    has_changed: bool,
    taken: Option<Instant>,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    forwarded: u64,
    delivered: u64,
    answered: u64,
    retried: u64,
    detours: u64,
    copies_asked: u64,
    pointed: u64,
    silent_hops: u64,
    timed_out: u64,
    stray: u64,
    refused_flights: u64,
}

impl Forwarder {
    /// A Forwarder that knows nobody until it gets a view.
    pub fn new(me: Arc<Contact>, tuning: Tuning, interest: Arc<Interest>) -> Forwarder {
        Forwarder {
            me_encoded: Bytes::from(codec::encode(&*me)),
            view: Arc::new(RouteView::alone(me, false)),
            shares: Shares::new(tuning.origin_rate),
            tuning,
            interest,
            ahead: Ahead::new(),
            hearsay: Hearsay::default(),
            surroundings: Surroundings::default(),
            flights: BTreeMap::new(),
            receipts: Receipts::default(),
            patience: Patience::new(),
            deadlines: Deadlines::new(),
            next_label: 1,
            counts: Counts::default(),
        }
    }

    fn on_due(&mut self, now: Instant, due: Due, out: &mut Outbox<Effect>) {
        match due {
            Due::Receipts => self.receipts.send(out),
            Due::Custody(label) => self.on_custody_due(now, label, out),
            Due::Second(label) => self.on_second_due(now, label, out),
            Due::Patience(label) => self.on_patience_due(now, label, out),
        }
    }
}

impl Machine for Forwarder {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Outbox<Effect>) {
        match input {
            Input::Heard { from, message: Routing::Forward(header, payload) } => {
                self.on_forward(now, from, header, payload, out);
            }
            Input::Heard { from, message: Routing::Return(header, payload) } => {
                self.on_return(now, from, header, payload, out);
            }
            Input::Heard { from, message: Routing::Accept(labels) } => self.on_accept(now, from, &labels),
            Input::Heard { from, message: Routing::Holds(holds) } => self.on_holds(now, from, holds),
            Input::Heard { from, message: Routing::HearsayWanted } => self.on_hearsay_wanted(now, from, out),
            Input::Heard { from, message: Routing::Hearsay(heard) } => self.on_hearsay(now, from, heard),
            Input::View(view) => self.on_view(now, view, out),
            Input::Route(wish) => self.on_wish(now, wish, out),
            Input::Respond { label, payload } => self.on_respond(now, label.0, payload, out),
            Input::Onward { label } => self.on_onward(now, label.0, out),
            Input::Point { label, holder } => self.on_point(now, label.0, &holder, out),
            Input::LinkDown { peer } => self.on_link_down(now, peer, out),
            Input::Wished { request, command } => self.on_wished(now, request, &command, out),
            Input::Due => {
                while let Some(due) = self.deadlines.pop_due(now) {
                    self.on_due(now, due, out);
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    fn readings(&self, into: &mut Vec<Reading>) {
        into.extend([
            Reading::gauge("forwarder_flights", self.flights.len() as f64),
            Reading::gauge("forwarder_origins", self.shares.len() as f64),
            Reading::gauge("forwarder_loads", self.ahead.loads.heard() as f64),
            Reading::gauge("forwarder_copies_near", self.hearsay.copies() as f64),
            Reading::gauge("forwarder_copies_heard_of", self.hearsay.heard_of() as f64),
            Reading::counter("forwarder_forwarded_total", self.counts.forwarded),
            Reading::counter("forwarder_delivered_total", self.counts.delivered),
            Reading::counter("forwarder_answered_total", self.counts.answered),
            Reading::counter("forwarder_retried_total", self.counts.retried),
            Reading::counter("forwarder_detours_total", self.counts.detours),
            Reading::counter("forwarder_copies_asked_total", self.counts.copies_asked),
            Reading::counter("forwarder_copies_missed_total", self.hearsay.missed()),
            Reading::counter("forwarder_pointed_total", self.counts.pointed),
            Reading::counter("forwarder_retries_spared_total", self.patience.spared()),
            Reading::counter("forwarder_silent_hops_total", self.counts.silent_hops),
            Reading::counter("forwarder_timed_out_total", self.counts.timed_out),
            Reading::counter("forwarder_stray_total", self.counts.stray),
            Reading::counter("dropped_total", self.shares.refused()).labelled("limit", "forwarder.origin_rate"),
            Reading::counter("dropped_total", self.hearsay.refused()).labelled("limit", "forwarder.hearsay_neighbours"),
            Reading::counter("dropped_total", self.hearsay.listening.refused())
                .labelled("limit", "forwarder.hearsay_askers"),
            Reading::counter("dropped_total", self.counts.refused_flights).labelled("limit", "forwarder.flights_max"),
        ]);
    }
}

/// Least pause between two stocktakings of the surroundings. A guess: within it a network hardly grows.
const STOCK_PAUSE: Span = Span::from_secs(2);
/// Messages in a node's hands at once: at 10 s of patience and a hundred thousand a second more than
/// a node can carry anyway; some 300 bytes each.
const FLIGHTS_MAX: usize = 65_536;

#[cfg(test)]
mod tests;
