//! One node at the event loop: its transport and its Forwarder.
//!
//! Owns: what the loop does for one node: events of the transport to the machines, effects of the
//! machines to the transport.
//! Never does: wait. What the Router has no room for waits here, within a limit.

use super::net::{DownReason, LinkReport, Net, NetBuffers, NetEvent};
use super::post::{IoItem, Post};
use super::turn::Errand;
use crate::base::{BoundedQueue, Id, Instant, Span};
use crate::machine::{Machine, Outbox, Reading};
use crate::overlay::forwarder::{self, Forwarder};
use crate::overlay::router::{self, Down};
use crate::overlay::{Effect, Hearers, Station, directory};
use crate::wire::{CloseReason, Message, Parcel};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// One node at the loop.
pub struct Seat {
    net: Net,
    forwarder: Forwarder,
    post: Arc<Post>,
    out: Outbox<Effect>,
    /// Whom each ping is for, by its token.
    measured: BTreeMap<u64, Id>,
    next_token: u64,
    /// What the Router's full queue did not take.
    held: BoundedQueue<router::Input, HELD_MAX>,
    report_at: Instant,
    malformed: u64,
}

impl From<LinkReport> for router::LinkReport {
    fn from(report: LinkReport) -> router::LinkReport {
        let LinkReport { peer, rtt, silent_for, unacknowledged_for, .. } = report;
        router::LinkReport { peer, rtt, silent_for, unacknowledged_for }
    }
}

impl Seat {
    /// A node that is about to sit down.
    pub fn new(net: Net, forwarder: Forwarder, post: Arc<Post>) -> Seat {
        Seat {
            net,
            forwarder,
            post,
            out: Outbox::new(),
            measured: BTreeMap::new(),
            next_token: 0,
            held: BoundedQueue::new(),
            report_at: Instant::ORIGIN,
            malformed: 0,
        }
    }

    /// The socket is ready.
    pub fn on_ready(&mut self, now: Instant, writable: bool, buffers: &mut NetBuffers) {
        if writable {
            self.net.writable();
        }
        self.net.readable(now, buffers);
    }

    /// The time that [`Seat::settle`] named has come.
    pub fn on_due(&mut self, now: Instant, buffers: &mut NetBuffers) {
        if self.net.has_unread() {
            self.net.readable(now, buffers);
        }
        self.net.on_timeout(now);
        if self.forwarder.next_deadline().is_some_and(|at| at <= now) {
            self.forward(now, forwarder::Input::Due);
        }
        if self.report_at <= now {
            self.report(now);
        }
        while let Some(input) = self.held.pop() {
            if let Some(input) = self.post.offer_router(input) {
                self.held.put_back(input);
                break;
            }
        }
    }

    /// Another thread asks something of this node.
    pub fn on_item(&mut self, now: Instant, item: IoItem) {
        match item {
            IoItem::Send(to, parcel) => self.send(&to, parcel),
            // A refusal is counted by the transport; deadlines stand behind every message.
            IoItem::Reach(contact, parcel) => drop(self.net.reach(&contact, parcel, now)),
            IoItem::Dial(contact) => self.net.dial(&contact, now),
            IoItem::DialSeed(address) => self.net.dial_seed(address),
            IoItem::HangUp(peer, reason) => self.net.hang_up(&peer, reason, now),
            IoItem::Measure(contact) => self.measure(contact.id(), contact.address()),
            IoItem::Forwarder(input) => {
                if let forwarder::Input::View(view) = &input {
                    self.net.set_bearing(view.bearing);
                }
                self.forward(now, input);
            }
            IoItem::Loop(Errand::Readings(reply)) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.try_send(self.readings());
            }
            IoItem::Loop(Errand::Lateness(reply)) => {
                let late = self.net.lateness().and_then(|late| Some((late.quantile(0.5)?, late.quantile(0.9)?)));
                let _ = reply.try_send(late);
            }
            IoItem::Loop(Errand::Attach(_) | Errand::Detach { .. }) => {}
        }
    }

    /// Takes every event, carries out what comes of it, and sends. Says when to come back.
    pub fn settle(&mut self, now: Instant, buffers: &mut NetBuffers) -> Option<Instant> {
        while let Some(event) = self.net.poll_event() {
            self.on_event(now, event);
        }
        self.net.flush(now, buffers);
        let held = (!self.held.is_empty()).then(|| now + HELD_PAUSE);
        let report = (self.report_at > now).then_some(self.report_at).or(Some(now));
        [self.net.next_timeout(), self.forwarder.next_deadline(), report, held].into_iter().flatten().min()
    }

    /// Says goodbye on all links, after all that was to be said.
    pub fn say_goodbye(&mut self, now: Instant, buffers: &mut NetBuffers) {
        self.net.flush(now, buffers);
        self.net.hang_up_all(CloseReason::Leaving, now);
        self.net.flush(now, buffers);
    }

    /// Whether all that was to be sent has been.
    pub fn is_drained(&self) -> bool {
        self.net.is_drained()
    }

    fn on_event(&mut self, now: Instant, event: NetEvent) {
        match event {
            NetEvent::Message { from, bytes } => self.on_message(now, from, &bytes),
            NetEvent::LinkUp { contact, bearing, dialled, rtt, .. } => {
                self.tell_router(router::Input::LinkUp { contact, bearing, dialled, rtt });
            }
            NetEvent::LinkDown { peer, why } => {
                self.tell_router(router::Input::LinkDown { peer, why: down(&why) });
                self.forward(now, forwarder::Input::LinkDown { peer });
            }
            NetEvent::DialFailed { peer, .. } => self.tell_router(router::Input::DialFailed { peer }),
            NetEvent::SeedFailed { address, why } => {
                log::warn!("no node of this network at seed {address}: {why}");
                self.tell_router(router::Input::SeedSilent { address });
            }
            NetEvent::DiallerRefused { .. } => {}
            NetEvent::Pong { token, rtt } => self.on_echo(token, Some(rtt)),
            NetEvent::PingSilent { token } => self.on_echo(token, None),
        }
    }

    fn on_message(&mut self, now: Instant, from: Id, bytes: &Bytes) {
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(fault) => {
                self.malformed += 1;
                log::warn!("{}: {fault}; link closed", from.short());
                return self.net.hang_up(&from, CloseReason::Malformed, now);
            }
        };
        let handler = self.post.sharding().handler(&message);
        match message {
            Message::Routing(message) => self.forward(now, forwarder::Input::Heard { from, message }),
            Message::Probe(message) => self.tell_router(router::Input::Probe { from, message }),
            Message::Membership(message) => self.tell_router(router::Input::Membership { from, message }),
            Message::Directory(message) => match handler {
                Hearers::One(Station::Shard(shard)) => {
                    self.post.offer_shard(shard, directory::Input::Heard { from, message });
                }
                _ => {
                    for shard in 0..self.post.sharding().count() {
                        self.post.offer_shard(shard, directory::Input::Heard { from, message: message.clone() });
                    }
                }
            },
        }
    }

    /// Feeds the Forwarder, and carries out what it wants.
    fn forward(&mut self, now: Instant, input: forwarder::Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            self.forwarder.handle(now, input, &mut self.out);
            let mut effects = std::mem::take(&mut self.out);
            for effect in effects.drain() {
                match effect {
                    Effect::Send { to, message } => self.send(&to, message.parcel()),
                    // Only a shed request gives an input back, and each input tells of at most one.
                    Effect::Tell(fact) => next = self.post.tell_from_io(fact).or(next),
                    Effect::Answer { request, result } => self.post.pending().close(request, result),
                    other => debug_assert!(false, "a forwarder has no business with {other:?}"),
                }
            }
            self.out = effects;
        }
    }

    fn send(&mut self, to: &Id, parcel: Parcel) {
        // No link, or no room: the transport counts it, custody and deadlines notice.
        let _ = self.net.send(to, parcel);
    }

    fn measure(&mut self, peer: Id, address: Option<SocketAddr>) {
        let Some(address) = address else { return self.tell_router(router::Input::Echo { peer, rtt: None }) };
        self.next_token += 1;
        self.measured.insert(self.next_token, peer);
        self.net.ping(address, self.next_token);
    }

    fn on_echo(&mut self, token: u64, rtt: Option<Span>) {
        if let Some(peer) = self.measured.remove(&token) {
            self.tell_router(router::Input::Echo { peer, rtt });
        }
    }

    fn report(&mut self, now: Instant) {
        self.report_at = now + REPORT_INTERVAL;
        let reports = self.net.link_reports(now);
        if reports.is_empty() {
            return;
        }
        self.tell_router(router::Input::Links(reports.into_iter().map(router::LinkReport::from).collect()));
    }

    fn tell_router(&mut self, input: router::Input) {
        if !self.held.is_empty() {
            self.hold(input);
        } else if let Some(input) = self.post.offer_router(input) {
            self.hold(input);
        }
    }

    fn hold(&mut self, input: router::Input) {
        if self.held.push(input).is_err() {
            log::error!("the Router is {HELD_MAX} inputs behind: membership was shed");
        }
    }

    fn readings(&self) -> Vec<Reading> {
        let mut into = Vec::new();
        self.forwarder.readings(&mut into);
        super::metrics::of_transport(&self.net.counters(), &mut into);
        into.extend([
            Reading::counter("messages_malformed_total", self.malformed),
            Reading::counter("dropped_total", self.held.refused()).labelled("limit", "runtime.held_max"),
            Reading::counter("dropped_total", self.post.shed()).labelled("limit", "runtime.items_max"),
            Reading::gauge("runtime_wishes", self.post.pending().len() as f64),
            Reading::counter("dropped_total", self.post.pending().refused()).labelled("limit", "runtime.wishes_max"),
        ]);
        into
    }
}

fn down(why: &DownReason) -> Down {
    match why {
        DownReason::ClosedByPeer { reason: Some(reason), .. } => Down::Closed(*reason),
        DownReason::ClosedByPeer { reason: None, .. } => Down::Closed(CloseReason::Unused),
        DownReason::ClosedByUs(_) => Down::Ours,
        DownReason::IdleTimeout | DownReason::Reset | DownReason::Replaced | DownReason::Transport { .. } => Down::Lost,
    }
}

/// Inputs that wait for the Router here once its own queue is full: membership traffic of minutes.
const HELD_MAX: usize = 65_536;
/// Pause before the Router is offered again what it had no room for.
const HELD_PAUSE: Span = Span::from_millis(5);
/// How often the Router hears which links are alive.
const REPORT_INTERVAL: Span = Span::from_secs(1);
