//! What the transport tells its owner.
//!
//! Owns: events, typed reasons and errors, reports and counters.
//! Never does: anything: these are values.

use crate::base::{Id, Span};
use crate::identity::Contact;
use crate::wire::CloseReason;
use crate::wire::probe::Bearing;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Something happened on the transport.
#[derive(Clone, Debug)]
pub enum NetEvent {
    /// A link is up: the peer has proved its key, speaks our version and belongs to our network.
    LinkUp {
        /// The peer's word on itself, checked.
        contact: Arc<Contact>,
        /// How it says it stands.
        bearing: Bearing,
        /// Where its packets come from, whatever its contact says.
        address: SocketAddr,
        /// Whether this end dialled.
        dialled: bool,
        /// The first round-trip estimate.
        rtt: Span,
    },
    /// A link that was up is gone.
    LinkDown {
        /// The peer.
        peer: Id,
        /// Why.
        why: DownReason,
    },
    /// A dial did not become a link; what waited for it is dropped.
    DialFailed {
        /// The peer.
        peer: Id,
        /// Why.
        why: DialFault,
    },
    /// No link came of a seed's address.
    SeedFailed {
        /// Which.
        address: SocketAddr,
        /// Why.
        why: DialFault,
    },
    /// Somebody dialled us and was turned away, or turned away from us, before the link was up.
    DiallerRefused {
        /// Where it dialled from.
        address: SocketAddr,
        /// Whether we closed, or they.
        ours: bool,
        /// The code, if it was one of ours.
        reason: Option<CloseReason>,
        /// The text that went with it.
        text: String,
    },
    /// A message. Its bytes share memory with the packet they came in: copy what you keep for long.
    Message {
        /// Who sent it.
        from: Id,
        /// The message.
        bytes: Bytes,
    },
    /// A ping was answered.
    Pong {
        /// As given with the ping.
        token: u64,
        /// The round trip.
        rtt: Span,
    },
    /// A ping and its repetition were not answered in time.
    PingSilent {
        /// As given with the ping.
        token: u64,
    },
}

/// Why a link that was up is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// The peer closed it.
    ClosedByPeer {
        /// Its reason, if we know the code.
        reason: Option<CloseReason>,
        /// Its words.
        text: String,
    },
    /// This end closed it.
    ClosedByUs(CloseReason),
    /// Nothing was heard for the idle timeout.
    IdleTimeout,
    /// The peer's host answered that it knows no such link: it was restarted.
    Reset,
    /// The same peer came with a new link: it was restarted, or had lost this one. A `LinkUp` follows.
    Replaced,
    /// The peer's QUIC or ours found the other at fault.
    Transport {
        /// What the QUIC implementation says.
        text: String,
    },
}

/// Why a dial failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFault {
    /// None of the contact's addresses is of the socket's family, or one is unusable.
    NoAddress,
    /// No answer in time from any address.
    TimedOut,
    /// The peer turned us away, or we it.
    Refused {
        /// Whether it was this end that refused.
        ours: bool,
        /// The code, if it is one of ours.
        reason: Option<CloseReason>,
        /// The text that went with it: names both values where two differ.
        text: String,
    },
    /// Whoever answered has another key than the dialled contact.
    OtherKey,
    /// No common protocol version (ALPN).
    NoCommonVersion,
    /// As many links as may be.
    LinksFull {
        /// The limit met.
        limit: usize,
    },
    /// The dialled contact is our own.
    Oneself,
    /// This node has no contact yet to introduce itself with.
    NoContact,
    /// This end gave the dial up.
    HungUp,
    /// Anything else the QUIC implementation found wrong.
    Transport {
        /// What it says.
        text: String,
    },
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// There is no link to this peer.
    NoLink,
    /// The link's queue is full: newest refused.
    Full {
        /// The limit met, in bytes.
        limit: usize,
    },
    /// Longer than any message may be.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

/// Why there is no transport.
#[derive(Debug)]
pub enum NetError {
    /// Another process has the port.
    PortInUse(SocketAddr),
    /// The address is not one of this host's.
    AddressNotAvailable(SocketAddr),
    /// The operating system does not permit it.
    NotPermitted(SocketAddr),
    /// The key or the cryptography does not serve.
    Tls(rustls::Error),
    /// Something else of the operating system.
    System(std::io::Error),
}

/// How a link does, for those that saw traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkReport {
    /// The peer.
    pub peer: Id,
    /// Smoothed round trip.
    pub rtt: Span,
    /// The smallest round trip seen.
    pub rtt_min: Span,
    /// How long nothing was heard.
    pub silent_for: Span,
    /// How long nothing was acknowledged although something sent waits for it; zero if nothing waits.
    pub unacknowledged_for: Span,
    /// UDP payload sent since the link began, in bytes.
    pub sent_bytes: u64,
    /// UDP payload received since the link began, in bytes.
    pub received_bytes: u64,
}

/// Traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// UDP packets.
    pub packets: u64,
    /// Bytes of UDP payload.
    pub bytes: u64,
    /// System calls.
    pub calls: u64,
    /// Messages.
    pub messages: u64,
    /// Bytes of messages.
    pub message_bytes: u64,
    /// Those of the messages that took a stream.
    pub stream_messages: u64,
}

/// How often each limit was met; the limits are named in `limits.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Messages refused because a link's queue was full.
    pub queue_full: u64,
    /// Messages lost with a dial that failed or a link that went down before they were sent.
    pub messages_lost: u64,
    /// Dials or dialled links refused because of `LINKS_MAX`.
    pub links_full: u64,
    /// Handshakes ignored because of `HANDSHAKES_MAX`.
    pub handshakes_full: u64,
    /// Handshakes asked to prove their address first (`RETRY_ABOVE`).
    pub retries_asked: u64,
    /// Incoming messages stopped because too many bytes were under way.
    pub assembly_full: u64,
    /// Packets dropped because the socket's backlog or the imposed delay's queue was full.
    pub backlog_full: u64,
    /// Packets the system refused to send.
    pub send_errors: u64,
    /// Pings not sent or not answered because of their limits.
    pub pings_refused: u64,
    /// Packets that were neither QUIC nor ours.
    pub garbage: u64,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCounters {
    /// What went out.
    pub sent: Traffic,
    /// What came in.
    pub received: Traffic,
    /// What was turned away.
    pub refused: Refusals,
    /// Dials begun.
    pub dials: u64,
    /// Dials failed.
    pub dials_failed: u64,
    /// Handshakes begun by others.
    pub accepted: u64,
    /// Peers turned away after the handshake, by either end.
    pub turned_away: u64,
    /// Links that came up.
    pub links_up: u64,
    /// Links that were the second to the same peer and were retired.
    pub duplicates: u64,
    /// Links now, in whatever state (a gauge).
    pub links: u64,
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::ClosedByPeer { reason: Some(reason), text } if text.is_empty() => {
                write!(f, "closed by peer: {reason}")
            }
            DownReason::ClosedByPeer { text, .. } => write!(f, "closed by peer: {text}"),
            DownReason::ClosedByUs(reason) => write!(f, "closed by us: {reason}"),
            DownReason::IdleTimeout => f.write_str("nothing heard for the idle timeout"),
            DownReason::Reset => f.write_str("the peer knows no such link any more"),
            DownReason::Replaced => f.write_str("replaced by a new link from the same peer"),
            DownReason::Transport { text } => write!(f, "QUIC: {text}"),
        }
    }
}

impl fmt::Display for DialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialFault::NoAddress => f.write_str("no address this socket can reach"),
            DialFault::TimedOut => f.write_str("no answer in time"),
            DialFault::Refused { ours: true, text, .. } => write!(f, "refused by us: {text}"),
            DialFault::Refused { ours: false, text, .. } => write!(f, "refused by peer: {text}"),
            DialFault::OtherKey => f.write_str("another key answers at that address"),
            DialFault::NoCommonVersion => f.write_str("no common protocol version"),
            DialFault::LinksFull { limit } => write!(f, "as many links as may be ({limit})"),
            DialFault::Oneself => f.write_str("that is this very node"),
            DialFault::NoContact => f.write_str("this node has no contact of its own yet"),
            DialFault::HungUp => f.write_str("given up"),
            DialFault::Transport { text } => write!(f, "QUIC: {text}"),
        }
    }
}

impl fmt::Display for SendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendFault::NoLink => f.write_str("no link to this peer"),
            SendFault::Full { limit } => write!(f, "the link's queue is full: the limit is {limit} bytes"),
            SendFault::TooLong { bytes } => write!(f, "a message of {bytes} bytes is too long"),
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetError::PortInUse(address) => {
                write!(f, "UDP {address} is in use: stop the other process or listen on another port")
            }
            NetError::AddressNotAvailable(address) => {
                write!(f, "UDP {address} is not an address of this host: listen on 0.0.0.0 or on one it has")
            }
            NetError::NotPermitted(address) => {
                write!(f, "not permitted to listen on UDP {address}: ports below 1024 need a privilege")
            }
            NetError::Tls(fault) => write!(f, "the node key does not serve for TLS: {fault}"),
            NetError::System(fault) => write!(f, "the UDP socket failed: {fault}"),
        }
    }
}

impl std::error::Error for DialFault {}
impl std::error::Error for SendFault {}
impl std::error::Error for NetError {}
