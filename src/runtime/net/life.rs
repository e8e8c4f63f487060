//! A link's life: dial, greeting, up, second links, goodbye.
//!
//! Owns: every change of a link's phase, and the rule which of two links to one peer stays.
//! Never does: touch the socket, or carry messages.
//!
//! Two links to the same peer come about in two ways. Both ends dialled at once: the link dialled by the
//! smaller id stays, both ends know it, and the other is read until nothing is in flight on it. Or the
//! peer was restarted (or lost the link unheard) and dials again: its new link replaces the old. A peer
//! that has our link does not dial us, so a link begun well after the first came up is a restart.

use super::event::{DialFault, DownReason, NetEvent};
use super::greeting::{Accepted, Refusal, printable};
use super::inbound::count;
use super::limits::{DIAL_TIMEOUT, DUPLICATE_WINDOW, LINKS_MAX, REASON_BYTES_MAX, RETIRE_MAX, RETIRE_SPAN, WARN_EVERY};
use super::link::{Dial, Heard, Link, Phase};
use super::links::Seats;
use super::{Net, tls};
use crate::base::{Instant, Span};
use crate::identity::Contact;
use crate::wire::{CloseReason, Parcel};
use bytes::Bytes;
use quinn_proto::{ConnectionError, Dir, Event, StreamEvent, TransportErrorCode, VarInt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// Log lines about peers turned away, so many that a stranger could fill a disk.
#[derive(Default)]
pub(super) struct Warnings {
    next: Option<Instant>,
    hidden: u64,
}

impl Warnings {
    fn say(&mut self, now: Instant, line: std::fmt::Arguments<'_>) {
        if self.next.is_some_and(|next| now < next) {
            self.hidden += 1;
            return log::debug!("{line}");
        }
        self.next = Some(now + WARN_EVERY);
        match std::mem::take(&mut self.hidden) {
            0 => log::warn!("{line}"),
            hidden => log::warn!("{line} (and {hidden} more like it, not shown)"),
        }
    }
}

impl Net {
    /// Takes what the touched connections have to tell.
    pub(super) fn attend_touched(&mut self, now: Instant) {
        while let Some(handle) = self.links.next_touched() {
            self.attend(handle, now);
        }
    }

    pub(super) fn begin_dial(&mut self, contact: &Arc<Contact>, now: Instant) {
        self.counters.dials += 1;
        let Ok(local) = self.socket.local_addr() else { return self.dial_failed(contact, DialFault::NoAddress) };
        let usable = |address: &SocketAddr| address.is_ipv4() == local.is_ipv4() && address.port() != 0;
        let untried: Vec<SocketAddr> = contact.addresses().iter().copied().filter(usable).collect();
        match self.greeting.own_id() {
            None => return self.dial_failed(contact, DialFault::NoContact),
            Some(me) if me == contact.id() => return self.dial_failed(contact, DialFault::Oneself),
            Some(_) => {}
        }
        if self.links.len() >= LINKS_MAX {
            self.counters.refused.links_full += 1;
            return self.dial_failed(contact, DialFault::LinksFull { limit: LINKS_MAX });
        }
        let patience = DIAL_TIMEOUT / untried.len().max(1) as u64;
        self.attempt(Dial { contact: contact.clone(), untried, patience }, VecDeque::new(), now);
    }

    /// Dials the next address; without one the dial has failed.
    fn attempt(&mut self, mut dial: Dial, queue: VecDeque<Parcel>, now: Instant) {
        let peer = dial.contact.id();
        let name = tls::name_of(&dial.contact.name().key);
        let mut fault = DialFault::NoAddress;
        while !dial.untried.is_empty() {
            let address = dial.untried.remove(0);
            let system_now = self.clock.to_system(now);
            match self.endpoint.connect(system_now, self.client.clone(), address, &name) {
                Ok((handle, conn)) => {
                    let patience = now + dial.patience;
                    self.links.insert(handle, Link::new(conn, Some(dial), now, patience));
                    let seats = self.links.seats(&peer);
                    self.links.set_seats(peer, Seats { dialling: Some(handle.0), ..seats });
                    return self.move_queue(queue, Some(handle.0));
                }
                Err(error) => fault = DialFault::Transport { text: error.to_string() },
            }
        }
        self.move_queue(queue, None);
        self.dial_failed(&dial.contact, fault);
    }

    fn dial_failed(&mut self, contact: &Contact, why: DialFault) {
        self.counters.dials_failed += 1;
        if let Some(address) = self.seeds.take_dialled(&contact.id()) {
            self.events.push_back(NetEvent::SeedFailed { address, why: why.clone() });
        }
        if self.links.seats(&contact.id()).up.is_none() {
            self.events.push_back(NetEvent::DialFailed { peer: contact.id(), why });
        }
    }

    fn attend(&mut self, handle: usize, now: Instant) {
        while let Some(event) = self.links.at(handle).and_then(|link| link.conn.poll()) {
            match event {
                Event::Connected => self.on_connected(handle, now),
                Event::ConnectionLost { reason } => self.on_lost(handle, &reason, now),
                Event::Stream(event) => self.on_stream(handle, event, now),
                Event::DatagramReceived => self.take_datagrams(handle),
                Event::HandshakeDataReady => self.on_dialled(handle),
                Event::DatagramsUnblocked => {}
            }
        }
        if let Some(link) = self.links.at(handle).filter(|link| link.has_queue() && !link.is_over()) {
            if !matches!(link.phase, Phase::Handshake | Phase::Refusing { .. }) {
                link.pump();
            }
            self.links.soil(handle);
        }
        if let Some(link) = self.links.at(handle)
            && let Phase::Refusing { refusal } = &link.phase
            && link.is_confirmed()
        {
            let refusal = refusal.clone();
            self.refuse(handle, refusal, now);
        }
    }

    /// A dialler's first flight is here: the hello goes out with the answer (0.5-RTT data, RFC 9001 §5.7), a whole round trip
    /// before the dialler has proved who it is. A contact is no secret.
    fn on_dialled(&mut self, handle: usize) {
        if let Some(link) = self.links.at(handle).filter(|link| link.dialled.is_none())
            && let Some(hello) = self.greeting.own()
        {
            link.say_hello(hello);
        }
    }

    fn on_connected(&mut self, handle: usize, now: Instant) {
        let Some(link) = self.links.at(handle).filter(|link| matches!(link.phase, Phase::Handshake)) else { return };
        let Some(key) = tls::proven_key(link.conn.crypto_session()) else {
            let text = "no key was shown".to_string();
            return self.refuse(handle, Refusal { reason: CloseReason::Identity, text }, now);
        };
        link.phase = Phase::Greeting { key };
        if link.dialled.is_some()
            && let Some(hello) = self.greeting.own()
        {
            link.say_hello(hello);
        }
        // What waited goes along right behind: the peer keeps it until it has accepted the hello.
        link.pump();
        self.read_hello(handle, now);
    }

    fn on_stream(&mut self, handle: usize, event: StreamEvent, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        match (event, &link.phase) {
            (StreamEvent::Stopped { id, .. }, _) => link.on_stopped(id),
            (StreamEvent::Opened { .. } | StreamEvent::Readable { .. }, Phase::Greeting { .. }) => {
                self.read_hello(handle, now);
            }
            (StreamEvent::Opened { dir: Dir::Uni }, Phase::Up { .. } | Phase::Retiring { .. }) => {
                self.accept_streams(handle, now);
            }
            (StreamEvent::Readable { id }, Phase::Up { .. } | Phase::Retiring { .. }) => {
                self.read_message(handle, id, now);
            }
            _ => {}
        }
    }

    fn read_hello(&mut self, handle: usize, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        let Phase::Greeting { key } = link.phase else { return };
        let judged = match link.read_hello() {
            Heard::Nothing => return,
            Heard::TooLong => self.greeting.judge(&Bytes::new(), &key, None),
            Heard::Message(hello) => {
                let dialled = link.dialled.as_ref().map(|dial| dial.contact.id());
                self.greeting.judge(&hello, &key, dialled.as_ref())
            }
        };
        match judged {
            Ok(contact) => self.settle(handle, contact, now),
            Err(refusal) if !link.is_confirmed() => link.phase = Phase::Refusing { refusal },
            Err(refusal) => self.refuse(handle, refusal, now),
        }
    }

    /// The peer's hello is accepted: which of the peer's links is the one to use?
    fn settle(&mut self, handle: usize, (contact, bearing): Accepted, now: Instant) {
        let peer = contact.id();
        let mut seats = self.links.seats(&peer);
        let Some(link) = self.links.at(handle) else { return };
        let (ours, begun) = (link.dialled.is_some(), link.begun);
        link.patience = None;
        link.phase = Phase::Up { contact: contact.clone(), since: now };
        if ours {
            seats.dialling = None;
        } else {
            self.links.handshakes = self.links.handshakes.saturating_sub(1);
        }
        let ours_stays = self.greeting.own_id().is_some_and(|me| me < peer);
        let rival =
            seats.up.and_then(|rival| self.links.at(rival).map(|link| (rival, up_since(link), link.dialled.is_some())));
        match rival {
            Some((rival, since, rival_ours)) if rival_ours != ours && begun <= since + DUPLICATE_WINDOW => {
                self.counters.duplicates += 1;
                let (stays, goes) = if ours == ours_stays { (handle, rival) } else { (rival, handle) };
                self.links.set_seats(peer, Seats { up: Some(stays), ..seats });
                self.retire(goes, stays, now);
            }
            Some((rival, ..)) => {
                self.close(rival, CloseReason::Duplicate, "replaced by a newer link", now);
                self.events.push_back(NetEvent::LinkDown { peer, why: DownReason::Replaced });
                self.links.set_seats(peer, Seats { up: Some(handle), ..self.links.seats(&peer) });
                self.announce(handle, (contact, bearing));
            }
            None => {
                self.links.set_seats(peer, Seats { up: Some(handle), ..seats });
                self.announce(handle, (contact, bearing));
            }
        }
        if let Some(dialling) = self.links.seats(&peer).dialling {
            self.give_way(dialling, handle, ours_stays, now);
        }
        self.take_datagrams(handle);
        self.accept_streams(handle, now);
    }

    fn announce(&mut self, handle: usize, (contact, bearing): Accepted) {
        let Some(link) = self.links.at(handle) else { return };
        self.counters.links_up += 1;
        self.events.push_back(NetEvent::LinkUp {
            contact,
            bearing,
            address: link.conn.remote_address(),
            dialled: link.dialled.is_some(),
            rtt: Span::from(link.conn.rtt()),
        });
    }

    /// A link came up while our own dial to the same peer is under way: what waits there need not, and
    /// if ours would not stay anyway it is given up as long as nothing was sent on it.
    fn give_way(&mut self, dialling: usize, up: usize, ours_stays: bool, now: Instant) {
        let Some(link) = self.links.at(dialling).filter(|link| matches!(link.phase, Phase::Handshake)) else { return };
        let queue = link.take_queue();
        self.move_queue(queue, Some(up));
        if !ours_stays {
            self.counters.duplicates += 1;
            self.close(dialling, CloseReason::Duplicate, "", now);
        }
    }

    /// The second of two links: read on for a while, but not written to any more.
    fn retire(&mut self, handle: usize, stays: usize, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        let Some(contact) = link.peer().cloned() else { return };
        let queue = link.take_queue();
        let peer = contact.id();
        link.phase = Phase::Retiring { contact, since: now };
        link.patience = Some(now + RETIRE_SPAN);
        self.links.arm(handle, &self.clock);
        self.move_queue(queue, Some(stays));
        let seats = self.links.seats(&peer);
        if let Some(older) = seats.retiring.filter(|older| *older != handle) {
            self.close(older, CloseReason::Duplicate, "", now);
        }
        self.links.set_seats(peer, Seats { retiring: Some(handle), ..self.links.seats(&peer) });
        // Should the one that stays be dead after all (the peer restarted within the window), a reset
        // says so before this one is closed.
        if let Some(link) = self.links.at(stays) {
            link.conn.ping();
            self.links.soil(stays);
        }
    }

    /// A link's own patience is at its end.
    pub(super) fn on_patience(&mut self, handle: usize, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        let is_quiet = link.is_quiet();
        match link.phase {
            Phase::Handshake | Phase::Greeting { .. } | Phase::Refusing { .. } => {
                self.end_attempt(handle, DialFault::TimedOut, now);
                self.close_connection(handle, CloseReason::Unused, "handshake took too long", now);
            }
            Phase::Retiring { since, .. } if !is_quiet && now < since + RETIRE_MAX => {
                link.patience = Some(now + RETIRE_SPAN);
            }
            Phase::Retiring { .. } => self.close(handle, CloseReason::Duplicate, "", now),
            Phase::Up { .. } | Phase::Over => link.patience = None,
        }
    }

    /// The owner wants no link to this peer.
    pub(super) fn drop_link(&mut self, handle: usize, reason: CloseReason, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        match &link.phase {
            Phase::Up { contact, .. } => {
                let peer = contact.id();
                self.close(handle, reason, "", now);
                self.events.push_back(NetEvent::LinkDown { peer, why: DownReason::ClosedByUs(reason) });
            }
            Phase::Handshake | Phase::Greeting { .. } | Phase::Refusing { .. } => {
                if let Some(dial) = &mut link.dialled {
                    dial.untried.clear();
                }
                self.end_attempt(handle, DialFault::HungUp, now);
                self.close_connection(handle, reason, "", now);
            }
            Phase::Retiring { .. } => self.close(handle, reason, "", now),
            Phase::Over => {}
        }
    }

    fn take_datagrams(&mut self, handle: usize) {
        let Some(link) = self.links.at(handle) else { return };
        let Some(from) = link.peer().map(|contact| contact.id()) else { return };
        while let Some(bytes) = link.conn.datagrams().recv() {
            count(&mut self.counters.received, &bytes);
            self.events.push_back(NetEvent::Message { from, bytes });
        }
    }

    fn accept_streams(&mut self, handle: usize, now: Instant) {
        while let Some(id) = self.links.at(handle).filter(|link| !link.is_over()).and_then(Link::accept_stream) {
            self.read_message(handle, id, now);
        }
    }

    fn read_message(&mut self, handle: usize, id: quinn_proto::StreamId, now: Instant) {
        let mut total = self.links.assembling;
        let Some(link) = self.links.at(handle) else { return };
        let heard = link.read_message(id, &mut total);
        let from = link.peer().map(|contact| contact.id());
        self.links.assembling = total;
        match (heard, from) {
            (Heard::Message(bytes), Some(from)) => {
                count(&mut self.counters.received, &bytes);
                self.counters.received.stream_messages += 1;
                self.events.push_back(NetEvent::Message { from, bytes });
            }
            (Heard::TooLong, Some(peer)) => {
                self.warnings.say(now, format_args!("{} sent a message beyond the limit: link closed", peer.short()));
                self.close(handle, CloseReason::Malformed, "message beyond the limit", now);
                let why = DownReason::ClosedByUs(CloseReason::Malformed);
                self.events.push_back(NetEvent::LinkDown { peer, why });
            }
            _ => {}
        }
    }

    /// Turns a peer away after TLS; it is told why.
    fn refuse(&mut self, handle: usize, refusal: Refusal, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        let address = link.conn.remote_address();
        let Refusal { reason, text } = refusal;
        self.counters.turned_away += 1;
        self.warnings.say(now, format_args!("turned {address} away: {text}"));
        let closing = text.clone();
        if let Some(dial) = &mut link.dialled {
            dial.untried.clear();
            self.end_attempt(handle, DialFault::Refused { ours: true, reason: Some(reason), text }, now);
        } else {
            self.events.push_back(NetEvent::DiallerRefused { address, ours: true, reason: Some(reason), text });
        }
        self.close_connection(handle, reason, &closing, now);
    }

    /// QUIC says that a connection is gone.
    fn on_lost(&mut self, handle: usize, reason: &ConnectionError, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        match &link.phase {
            Phase::Over => {}
            Phase::Handshake | Phase::Greeting { .. } | Phase::Refusing { .. } if link.dialled.is_some() => {
                let fault = dial_fault(reason);
                if let (DialFault::Refused { text, .. }, Some(dial)) = (&fault, &mut link.dialled) {
                    dial.untried.clear();
                    let address = link.conn.remote_address();
                    self.counters.turned_away += 1;
                    self.warnings.say(now, format_args!("{address} turned this node away: {text}"));
                }
                self.end_attempt(handle, fault, now);
            }
            Phase::Handshake | Phase::Greeting { .. } | Phase::Refusing { .. } => {
                let address = link.conn.remote_address();
                self.links.end(handle);
                self.on_dialler_lost(address, reason, now);
            }
            Phase::Retiring { .. } => self.end_link(handle),
            Phase::Up { contact, .. } => {
                let peer = contact.id();
                self.end_link(handle);
                if !self.promote(peer, now) {
                    self.events.push_back(NetEvent::LinkDown { peer, why: down_reason(reason) });
                }
            }
        }
    }

    /// Somebody who dialled us went away before the link was up.
    pub(super) fn on_dialler_lost(&mut self, address: SocketAddr, reason: &ConnectionError, now: Instant) {
        let (code, text) = match reason {
            ConnectionError::ApplicationClosed(close) => {
                let code = CloseReason::from_code(close.error_code.into_inner());
                if matches!(code, Some(CloseReason::Duplicate)) {
                    return;
                }
                (code, closing_text(&close.reason))
            }
            ConnectionError::TransportError(error) if is_alpn_alert(error.code) => {
                (Some(CloseReason::Version), "no common protocol version".to_string())
            }
            // A dialler that gives up within the handshake may not say why (RFC 9000 §10.2.3).
            ConnectionError::ConnectionClosed(close) if close.error_code == TransportErrorCode::APPLICATION_ERROR => {
                return;
            }
            ConnectionError::ConnectionClosed(close) => (None, closing_text(&close.reason)),
            ConnectionError::TransportError(error) => (None, error.to_string()),
            _ => return,
        };
        self.counters.turned_away += 1;
        self.warnings.say(now, format_args!("no link with {address}: {text}"));
        self.events.push_back(NetEvent::DiallerRefused { address, ours: false, reason: code, text });
    }

    /// The link in use is gone; if the peer has another that was to be retired, it is used again.
    fn promote(&mut self, peer: crate::base::Id, now: Instant) -> bool {
        let seats = self.links.seats(&peer);
        let Some(handle) = seats.retiring else { return false };
        let Some(link) = self.links.at(handle) else { return false };
        let Some(contact) = link.peer().cloned() else { return false };
        link.phase = Phase::Up { contact, since: now };
        link.patience = None;
        self.links.set_seats(peer, Seats { up: Some(handle), retiring: None, ..seats });
        true
    }

    /// A dial's attempt is over: the next address, or the dial has failed.
    fn end_attempt(&mut self, handle: usize, fault: DialFault, now: Instant) {
        let Some(link) = self.links.at(handle) else { return };
        let (dial, queue) = (link.dialled.take(), link.take_queue());
        let Some(dial) = dial else {
            self.links.end(handle);
            return self.move_queue(queue, None);
        };
        let contact = dial.contact.clone();
        self.links.vacate(contact.id(), handle);
        link_over(self, handle);
        if dial.untried.is_empty() {
            self.move_queue(queue, None);
            self.dial_failed(&contact, fault);
        } else {
            self.attempt(dial, queue, now);
        }
    }

    /// Closes a link, whatever it was; says nothing to the owner.
    fn close(&mut self, handle: usize, reason: CloseReason, text: &str, now: Instant) {
        self.end_link(handle);
        self.close_connection(handle, reason, text, now);
    }

    fn end_link(&mut self, handle: usize) {
        if let Some(link) = self.links.at(handle) {
            let queue = link.take_queue();
            self.move_queue(queue, None);
        }
        self.links.end(handle);
    }

    fn close_connection(&mut self, handle: usize, reason: CloseReason, text: &str, now: Instant) {
        let system_now = self.clock.to_system(now);
        let Some(link) = self.links.at(handle) else { return };
        let text = if text.is_empty() { reason.to_string() } else { text.to_string() };
        link.conn.close(system_now, VarInt::from_u32(reason.code()), Bytes::from(text));
        self.links.soil(handle);
    }
}

/// The phase of a dialled link whose dial lives on elsewhere, or not at all.
fn link_over(net: &mut Net, handle: usize) {
    if let Some(link) = net.links.at(handle) {
        link.phase = Phase::Over;
        link.patience = None;
    }
}

fn up_since(link: &Link) -> Instant {
    match link.phase {
        Phase::Up { since, .. } => since,
        _ => Instant::ORIGIN,
    }
}

fn closing_text(reason: &Bytes) -> String {
    printable(&String::from_utf8_lossy(&reason[..reason.len().min(REASON_BYTES_MAX)]))
}

fn down_reason(reason: &ConnectionError) -> DownReason {
    match reason {
        ConnectionError::ApplicationClosed(close) => DownReason::ClosedByPeer {
            reason: CloseReason::from_code(close.error_code.into_inner()),
            text: closing_text(&close.reason),
        },
        ConnectionError::TimedOut => DownReason::IdleTimeout,
        ConnectionError::Reset => DownReason::Reset,
        other => DownReason::Transport { text: printable(&other.to_string()) },
    }
}

fn dial_fault(reason: &ConnectionError) -> DialFault {
    match reason {
        ConnectionError::ApplicationClosed(close) => DialFault::Refused {
            ours: false,
            reason: CloseReason::from_code(close.error_code.into_inner()),
            text: closing_text(&close.reason),
        },
        ConnectionError::ConnectionClosed(close) if is_alpn_alert(close.error_code) => DialFault::NoCommonVersion,
        ConnectionError::TransportError(error) if is_alpn_alert(error.code) => DialFault::NoCommonVersion,
        ConnectionError::TransportError(error) if is_crypto(error.code) => DialFault::OtherKey,
        ConnectionError::TimedOut => DialFault::TimedOut,
        other => DialFault::Transport { text: printable(&other.to_string()) },
    }
}

/// TLS alert `no_application_protocol` (RFC 7301 §3.2) as a QUIC error (RFC 9001 §4.8).
fn is_alpn_alert(code: TransportErrorCode) -> bool {
    u64::from(code) == 0x100 + 120
}

/// Any TLS alert. Of those raised by ourselves as the dialler, the only one our own peers can cause is
/// that the key is another's.
fn is_crypto(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}
