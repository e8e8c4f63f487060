//! The transport's limits, by name.
//!
//! Owns: every bound of a queue or table of this module that is not QUIC's own (those are in `tuning.rs`).
//! Never does: count: `event::Refusals` does.

use crate::base::Span;
use crate::wire::MESSAGE_BYTES_MAX;

/// Links in whatever state: far above any link budget; some 20 MiB and up when all are used.
pub const LINKS_MAX: usize = 4_096;
/// Handshakes by others under way at once. A guess: at 0.3 ms of work each, a tenth of a second's worth.
pub const HANDSHAKES_MAX: usize = 512;
/// Above this many, a dialler must first prove that its address is its own (RFC 9000 §8.1.2): costs it
/// one round trip and us no memory. Above the 64 nodes that a lab starts at once. A guess.
pub const RETRY_ABOVE: usize = 128;
/// How long a dial or a handshake may take until the link is up, over all addresses of a contact: an
/// overlay has other peers to try. A guess, five retransmissions on a 100 ms path.
pub const DIAL_TIMEOUT: Span = Span::from_secs(5);
/// Messages a link keeps that cannot be handed to QUIC yet.
pub const QUEUE_MESSAGES_MAX: usize = 256;
/// Bytes of them: a few of the longest messages.
pub const QUEUE_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
/// Bytes of half-received messages of one link: two of the longest under way and one arriving.
pub const ASSEMBLY_BYTES_MAX: usize = 3 * MESSAGE_BYTES_MAX;
/// The same over all links of a node.
pub const ASSEMBLY_TOTAL_BYTES_MAX: usize = 64 * MESSAGE_BYTES_MAX;
/// Bytes in a hello: 64 for the network's name, some 300 for the contact, and room to grow.
pub const HELLO_BYTES_MAX: usize = 2 << 10;
/// Bytes of a refusal's text that we read or show.
pub const REASON_BYTES_MAX: usize = 256;
/// Events waiting for the owner; at this many, packets stay in the socket.
pub const EVENTS_MAX: usize = 16_384;
/// Bytes of packets the socket would not take; the newest are dropped beyond.
pub const BACKLOG_BYTES_MAX: usize = 1 << 20;
/// Receive calls in one turn, so that one node of many does not keep the thread: 256 packets or more.
pub const READS_PER_TURN: usize = 8;
/// Transmits of one link in one flush, for the same reason; each is up to [`SEGMENTS_MAX`] packets.
pub const TRANSMITS_PER_TURN: usize = 32;
/// Packets in one transmit: what quinn uses, 10 packets are one initial congestion window.
pub const SEGMENTS_MAX: usize = 10;
/// A second link to the same peer is taken for the other half of a simultaneous dial if it was begun
/// within this time after the first came up, later for the sign of a restart: a peer that has our link
/// does not dial us.
pub const DUPLICATE_WINDOW: Span = Span::from_secs(3);
/// How long a duplicate is kept for what is in flight on it: three round trips of the slowest path that
/// an overlay would keep.
pub const RETIRE_SPAN: Span = Span::from_secs(1);
/// How much longer at most when whole messages are under way on it.
pub const RETIRE_MAX: Span = Span::from_secs(10);
/// Socket buffers asked from the system, in bytes: 4 MiB hold 50 ms of a 600 Mbit/s burst.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Addresses of seeds asked at once.
pub const SEEDS_MAX: usize = 64;
/// Pings under way.
pub const PINGS_MAX: usize = 4_096;
/// A ping is repeated after this, and given up after twice this: two of the slowest round trips of the
/// measured matrices fit.
pub const PING_PATIENCE: Span = Span::from_millis(500);
/// Pings answered in a second, over all sources.
pub const PONGS_PER_SECOND: u32 = 10_000;
/// Pings answered in a second to one source (sources are counted in [`PONG_BUCKETS`] hashed buckets).
pub const PONGS_PER_SOURCE: u16 = 100;
/// Buckets of sources: a guess, 512 bytes of memory a node.
pub const PONG_BUCKETS: usize = 256;
/// Bytes of packets held back by an imposed delay; the newest are dropped beyond.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// Warnings about peers turned away: one line in this time, with the number not shown.
pub const WARN_EVERY: Span = Span::from_secs(5);
