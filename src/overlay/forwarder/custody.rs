//! Who has the message now.
//!
//! Owns: custody receipts, given and awaited; the retry when one does not come, or when a carrier is
//! gone.
//! Never does: decide that a peer is dead: it tells the Router of the silence.

use super::ahead::Scale;
use super::flight::Stage;
use super::{Due, Forwarder, STOCK_PAUSE, Surroundings};
use crate::base::{Id, Instant, Span};
use crate::machine::Outbox;
use crate::overlay::contract::{Effect, Fact, Failure};
use crate::overlay::view::RouteView;
use crate::wire::routing::{Errand, Outcome};
use crate::wire::{Message, Routing, codec};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Receipts not yet sent. They wait a little: the reply often overtakes them and says as much.
#[derive(Debug, Default)]
pub struct Receipts {
    by_peer: BTreeMap<Id, Vec<u32>>,
}

impl Receipts {
    /// Notes that a peer's labelled message is in our custody. Says whether it is the first that waits.
    pub fn note(&mut self, peer: Id, label: u32) -> bool {
        let first = self.by_peer.is_empty();
        self.by_peer.entry(peer).or_default().push(label);
        first
    }

    /// The reply goes out: no receipt is needed.
    pub fn forget(&mut self, peer: &Id, label: u32) {
        if let Some(labels) = self.by_peer.get_mut(peer) {
            labels.retain(|&noted| noted != label);
            if labels.is_empty() {
                self.by_peer.remove(peer);
            }
        }
    }

    /// Sends all that wait.
    pub fn send(&mut self, out: &mut Outbox<Effect>) {
        for (to, labels) in std::mem::take(&mut self.by_peer) {
            out.push(Effect::Send { to, message: Message::Routing(Routing::Accept(labels)) });
        }
    }
}

impl Forwarder {
    pub(super) fn give_receipt(&mut self, now: Instant, peer: Id, label: u32) {
        if self.receipts.note(peer, label) {
            self.deadlines.set_earlier(Due::Receipts, now + RECEIPT_DELAY);
        }
    }

    pub(super) fn on_accept(&mut self, now: Instant, from: Id, labels: &[u32]) {
        self.patience.hear(&from);
        for label in labels {
            let Some(flight) = self.flights.get_mut(label) else { continue };
            if let Stage::Sent { step, at } = &flight.stage
                && step.to == from
            {
                self.patience.learn(from, now.since(*at));
                flight.stage = Stage::Carried { step: step.clone(), at: *at };
                self.deadlines.clear(&Due::Custody(*label));
            }
        }
    }

    pub(super) fn on_custody_due(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        let Some(flight) = self.flights.get_mut(&label) else { return };
        match &flight.stage {
            Stage::Sent { step, .. } => {
                let peer = step.to;
                self.counts.silent_hops += 1;
                self.patience.lose(now, peer);
                out.push(Effect::Tell(Fact::HopSilent { peer }));
                if self.patience.spend(now) {
                    self.try_another(now, label, peer, out);
                } else {
                    let wait = self.custody_patience(&self.view, &peer);
                    self.deadlines.set(Due::Custody(label), now + wait);
                }
            }
            Stage::Waiting => {
                // Whoever was silent may have been only busy; the far ends of detours that led nowhere are no peers.
                flight.avoid.retain(|id| self.view.peer(id).is_none());
                self.proceed(now, label, out);
            }
            Stage::Carried { .. } | Stage::Visiting => {}
        }
    }

    /// A wish of our own, or what was handed to a holder, takes longer than it should: whoever took custody may have died with it, or
    /// the answer was lost, for which nobody waits but us. It goes again by another way, after twice the time the next time; the
    /// first answer counts.
    pub(super) fn on_second_due(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        let Some(flight) = self.flights.get(&label) else { return };
        let again = now + now.since(flight.began);
        if again < flight.until {
            self.deadlines.set(Due::Second(label), again);
        }
        if let Stage::Carried { step, .. } = &flight.stage {
            let peer = step.to;
            if self.patience.spend(now) {
                self.try_another(now, label, peer, out);
            }
        }
    }

    pub(super) fn on_link_down(&mut self, now: Instant, peer: Id, out: &mut Outbox<Effect>) {
        self.patience.forget(&peer);
        self.ahead.loads.forget(&peer);
        self.hearsay.forget(&peer);
        self.hearsay.listening.forget(&peer);
        let stranded: Vec<u32> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.holder().is_some_and(|step| step.to == peer))
            .map(|(label, _)| *label)
            .collect();
        for label in stranded {
            self.try_another(now, label, peer, out);
        }
    }

    /// Takes stock of the surroundings if they changed, but not with every view: that looks at all that adverts name.
    pub(super) fn take_stock(&mut self, now: Instant) {
        let Surroundings { has_changed, taken } = self.surroundings;
        if has_changed && taken.is_none_or(|taken| now.since(taken) >= STOCK_PAUSE) {
            self.surroundings = Surroundings { has_changed: false, taken: Some(now) };
            self.ahead.set_scale(Scale::of(&self.view));
        }
    }

    pub(super) fn on_view(&mut self, now: Instant, view: Arc<RouteView>, out: &mut Outbox<Effect>) {
        self.surroundings.has_changed = true;
        if view.me != self.view.me {
            self.me_encoded = Bytes::from(codec::encode(&*view.me));
        }
        self.view = view;
        let waiting: Vec<u32> =
            self.flights.iter().filter(|(_, flight)| flight.stage == Stage::Waiting).map(|(label, _)| *label).collect();
        for label in waiting {
            self.proceed(now, label, out);
        }
    }

    /// This peer did not help: on by another way, or word back that there is none.
    pub(super) fn try_another(&mut self, now: Instant, label: u32, peer: Id, out: &mut Outbox<Effect>) {
        let me = self.view.id();
        let Some(flight) = self.flights.get_mut(&label) else { return };
        if !flight.avoid.contains(&peer) {
            flight.avoid.push(peer);
        }
        if let Some(step) = flight.holder() {
            self.hearsay.judge(step, None, Span::ZERO);
        }
        self.counts.retried += 1;
        if flight.tries < self.tuning.tries_max {
            self.proceed(now, label, out);
        } else if flight.is_own() {
            // Nobody else can try for us: until the patience ends, or the Router has a better view.
            flight.stage = Stage::Waiting;
            self.deadlines.set(Due::Custody(label), now + OWN_PAUSE);
        } else {
            self.conclude(now, label, Outcome::Silence { at: me }, out);
        }
    }

    pub(super) fn on_patience_due(&mut self, now: Instant, label: u32, out: &mut Outbox<Effect>) {
        let me = self.view.id();
        self.counts.timed_out += 1;
        if let Some(flight) = self.flights.get(&label) {
            if let Some(step) = flight.holder() {
                self.hearsay.judge(step, None, Span::ZERO);
            }
            match flight.source {
                super::flight::Source::Client { request } => {
                    self.forget(label);
                    out.push(Effect::Answer { request, result: Err(Failure::TimedOut) });
                }
                _ => self.conclude(now, label, Outcome::Silence { at: me }, out),
            }
        }
    }

    /// How long to wait for custody from this peer.
    pub(super) fn custody_patience(&self, view: &RouteView, peer: &Id) -> Span {
        let link = view.peer(peer).and_then(|peer| peer.link());
        self.patience.for_peer(peer, link, self.tuning.custody_floor) + RECEIPT_DELAY
    }

    /// Whether the answer to such an errand comes as fast as the network allows, so that its time
    /// teaches what lies ahead.
    pub(super) fn teaches(errand: Errand) -> bool {
        matches!(errand, Errand::Lookup)
    }
}

/// Pause between tries of a message of this node's own once the usual number of them is used up. A guess:
/// a third of what the Router takes to bury a silent neighbour.
const OWN_PAUSE: Span = Span::from_millis(500);
/// How long a receipt waits for company, or for the reply to make it needless: a quarter of the custody
/// floor.
const RECEIPT_DELAY: Span = Span::from_millis(5);
