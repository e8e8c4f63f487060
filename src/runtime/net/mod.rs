//! One node's transport: QUIC over one UDP socket, driven by somebody else's loop.
//!
//! Owns: the links, from dial to goodbye, and pings without a link.
//! Never does: wait, start a thread, or understand a message. The law for its owner, in every turn: feed
//! (`readable`, `writable`, `on_timeout`), take every event, act (`send`, `dial`, ...), then `flush`; wait
//! until `next_timeout` at most.

mod event;
mod greeting;
pub mod imposed;
mod inbound;
mod life;
pub mod limits;
mod link;
mod links;
mod outbound;
mod ping;
mod seed;
mod socket;
mod tls;
mod tuning;

pub use event::{DialFault, DownReason, LinkReport, NetCounters, NetError, NetEvent, Refusals, SendFault, Traffic};
pub use imposed::{ImposedDelay, Lateness, PathDelay};
pub use socket::NetBuffers;

use crate::base::{Id, Instant, Span};
use crate::identity::{Contact, SecretKey};
use crate::runtime::clock::Clock;
use crate::wire::probe::Bearing;
use crate::wire::{CloseReason, Parcel};
use greeting::Greeting;
use life::Warnings;
use links::Links;
use mio::{Registry, Token};
use ping::Pings;
use quinn_proto::{ClientConfig, Endpoint};
use seed::Seeds;
use socket::Socket;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a transport needs to begin.
pub struct NetOptions {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The node's key: it is what TLS proves.
    pub secret: SecretKey,
    /// The network's name: peers of another one are turned away.
    pub network: String,
    /// The admission puzzle a peer's contact must have solved, in bits.
    pub puzzle_bits: u32,
    /// The lab's latency, if this node lives in one.
    pub imposed: Option<ImposedDelay>,
    /// The loop's clock.
    pub clock: Clock,
}

/// One node's transport.
pub struct Net {
    socket: Socket,
    endpoint: Endpoint,
    client: ClientConfig,
    clock: Clock,
    greeting: Greeting,
    links: Links,
    pings: Pings,
    seeds: Seeds,
    events: VecDeque<NetEvent>,
    counters: NetCounters,
    warnings: Warnings,
    /// The socket was not read to its end.
    unread: bool,
}

impl Net {
    /// Opens the socket and registers it. Nothing is accepted and nothing dialled before
    /// [`Net::set_contact`].
    pub fn bind(options: NetOptions, registry: &Registry, token: Token) -> Result<Net, NetError> {
        Net::speaking(tls::alpn(), options, registry, token)
    }

    fn speaking(alpn: &[u8], options: NetOptions, registry: &Registry, token: Token) -> Result<Net, NetError> {
        let configs = tuning::configs(&options.secret, alpn).map_err(NetError::Tls)?;
        let socket = Socket::bind(options.listen, options.imposed, registry, token)?;
        let endpoint =
            Endpoint::new(Arc::new(configs.endpoint), Some(Arc::new(configs.server)), !socket.may_fragment(), None);
        Ok(Net {
            socket,
            endpoint,
            client: configs.client,
            clock: options.clock,
            pings: Pings::new(&options.network),
            seeds: Seeds::new(),
            greeting: Greeting::new(options.network, options.puzzle_bits),
            links: Links::default(),
            events: VecDeque::new(),
            counters: NetCounters::default(),
            warnings: Warnings::default(),
            unread: false,
        })
    }

    /// Where the socket listens.
    pub fn local_addr(&self) -> Result<SocketAddr, NetError> {
        self.socket.local_addr().map_err(NetError::System)
    }

    /// How this node introduces itself from now on; links that are up are not told.
    pub fn set_contact(&mut self, contact: Arc<Contact>) {
        self.greeting.set_contact(contact);
    }

    /// How this node says it stands from now on, with the first words of each link.
    pub fn set_bearing(&mut self, bearing: Bearing) {
        self.greeting.set_bearing(bearing);
    }

    /// Begins a link to this peer, unless there is one or one is being dialled. The outcome is an event:
    /// `LinkUp` or `DialFailed`.
    pub fn dial(&mut self, contact: &Arc<Contact>, now: Instant) {
        let seats = self.links.seats(&contact.id());
        if seats.up.is_none() && seats.dialling.is_none() {
            self.begin_dial(contact, now);
        }
    }

    /// Sends over the link that is up; a datagram if the message fits one and may be lost, else a stream. Neither
    /// confirms delivery.
    pub fn send(&mut self, peer: &Id, parcel: Parcel) -> Result<(), SendFault> {
        let Some((handle, link)) = self.links.up(peer) else { return Err(SendFault::NoLink) };
        let taken = link.offer(parcel);
        self.offered(handle, taken)
    }

    /// Sends over the link that is up, or dials and keeps the message (within limits) until it is.
    pub fn reach(&mut self, contact: &Arc<Contact>, parcel: Parcel, now: Instant) -> Result<(), SendFault> {
        let peer = contact.id();
        self.dial(contact, now);
        let seats = self.links.seats(&peer);
        let Some(handle) = seats.up.or(seats.dialling) else { return Err(SendFault::NoLink) };
        let Some(link) = self.links.at(handle) else { return Err(SendFault::NoLink) };
        let taken = link.offer(parcel);
        self.offered(handle, taken)
    }

    /// Closes whatever there is to this peer. What was not sent yet is lost: `flush` first what matters.
    pub fn hang_up(&mut self, peer: &Id, reason: CloseReason, now: Instant) {
        let seats = self.links.seats(peer);
        for handle in [seats.retiring, seats.dialling, seats.up].into_iter().flatten() {
            self.drop_link(handle, reason, now);
        }
    }

    /// Closes all links, for a node that stops; `flush` carries the goodbyes out.
    pub fn hang_up_all(&mut self, reason: CloseReason, now: Instant) {
        let peers: Vec<Id> = self.links.peers().copied().collect();
        for peer in peers {
            self.hang_up(&peer, reason, now);
        }
    }

    /// Measures the round trip to an address without a link: `Pong` or `PingSilent` with this token
    /// follows. A ping lost is repeated once.
    pub fn ping(&mut self, address: SocketAddr, token: u64) {
        if let Some(event) = self.pings.ask(address, token) {
            self.events.push_back(event);
        }
    }

    /// Begins a link to whatever node lives at this address: `LinkUp` or `SeedFailed` follows.
    pub fn dial_seed(&mut self, address: SocketAddr) {
        if !self.seeds.ask(address) {
            self.events
                .push_back(NetEvent::SeedFailed { address, why: DialFault::LinksFull { limit: limits::SEEDS_MAX } });
        }
    }

    /// Whether nothing is held back any more that was to be sent.
    pub fn is_drained(&self) -> bool {
        self.socket.next_release().is_none()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<NetEvent> {
        self.events.pop_front()
    }

    /// Whether a link to this peer is up.
    pub fn is_up(&self, peer: &Id) -> bool {
        self.links.seats(peer).up.is_some()
    }

    /// All peers with a link that is up, in order.
    pub fn peers_up(&self) -> impl Iterator<Item = &Id> {
        self.links.peers_up()
    }

    /// When to come back at the latest: at once if `readable` or `flush` stopped short.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.unread
            || self.pings.has_packets()
            || self.seeds.has_packets()
            || (self.links.is_dirty() && !self.socket.is_blocked())
        {
            return Some(Instant::ORIGIN);
        }
        let due =
            [self.links.next_due(), self.pings.next_timeout(), self.seeds.next_timeout(), self.socket.next_release()];
        due.into_iter().flatten().min()
    }

    /// Whether `readable` must be called again without waiting for the poll.
    pub fn has_unread(&self) -> bool {
        self.unread
    }

    /// How the links do that had traffic since the last call.
    pub fn link_reports(&mut self, now: Instant) -> Vec<LinkReport> {
        let mut reports = Vec::new();
        for handle in self.links.take_active() {
            let Some(link) = self.links.at(handle) else { continue };
            let Some(peer) = link.peer().map(|contact| contact.id()) else { continue };
            let stats = link.conn.stats();
            reports.push(LinkReport {
                peer,
                rtt: Span::from(stats.path.rtt),
                rtt_min: Span::from(stats.path.min_rtt),
                silent_for: now.since(link.heard),
                unacknowledged_for: link.unacknowledged_for(&stats, now),
                sent_bytes: stats.udp_tx.bytes,
                received_bytes: stats.udp_rx.bytes,
            });
        }
        reports
    }

    /// Totals since the start.
    pub fn counters(&self) -> NetCounters {
        let mut counters = self.counters;
        let (sent, received) = (&self.socket.sent, &self.socket.received);
        counters.sent = Traffic { packets: sent.packets, bytes: sent.bytes, calls: sent.calls, ..counters.sent };
        counters.received =
            Traffic { packets: received.packets, bytes: received.bytes, calls: received.calls, ..counters.received };
        counters.refused.backlog_full = self.socket.packets_dropped();
        counters.refused.send_errors = self.socket.errors;
        counters.refused.pings_refused = self.pings.refused;
        counters.links = self.links.len() as u64;
        counters
    }

    /// How exactly the imposed delay was held, if there is one.
    pub fn lateness(&self) -> Option<&Lateness> {
        self.socket.imposed().map(ImposedDelay::lateness)
    }

    fn offered(&mut self, handle: usize, taken: Result<(), SendFault>) -> Result<(), SendFault> {
        match taken {
            Ok(()) => self.links.soil(handle),
            Err(SendFault::Full { .. }) => self.counters.refused.queue_full += 1,
            Err(_) => {}
        }
        taken
    }
}

#[cfg(test)]
mod tests;
