//! The lab's latency, imposed by the sending side.
//!
//! Owns: packets held back for half a given round trip, in order per destination, and the record of how
//! exactly they were released.
//! Never does: know a latency matrix, or send.

use super::limits::HELD_BYTES_MAX;
use crate::base::{Instant, Span};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The round trip to impose on the path to an address.
pub type PathDelay = Arc<dyn Fn(SocketAddr) -> Span + Send + Sync>;

/// Holds every outgoing packet back for half the round trip towards its destination.
///
/// Waiting is rounded up to whole milliseconds by the poll, so a deadline met exactly would be met half
/// a millisecond late on average. Deadlines are told `EARLY` early and what is due within that time is
/// released: the error is centred.
pub struct ImposedDelay {
    round_trip: PathDelay,
    held: BTreeMap<(Instant, u64), HeldPacket>,
    held_bytes: usize,
    tails: BTreeMap<SocketAddr, Instant>,
    serial: u64,
    dropped: u64,
    lateness: Lateness,
}

/// A packet, or a train of equal ones to the same destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldPacket {
    pub destination: SocketAddr,
    pub source: Option<IpAddr>,
    pub congestion: Option<quinn_udp::EcnCodepoint>,
    pub segment: Option<usize>,
    pub bytes: Box<[u8]>,
}

impl ImposedDelay {
    /// Imposes these round trips, half on each sender.
    pub fn new(round_trip: PathDelay) -> ImposedDelay {
        ImposedDelay {
            round_trip,
            held: BTreeMap::new(),
            held_bytes: 0,
            tails: BTreeMap::new(),
            serial: 0,
            dropped: 0,
            lateness: Lateness::default(),
        }
    }

    /// Takes a packet; beyond [`HELD_BYTES_MAX`] it is dropped and counted. The copy is made only for
    /// packets that are kept.
    pub(super) fn hold(&mut self, now: Instant, packet: &quinn_udp::Transmit<'_>) {
        if self.held_bytes + packet.contents.len() > HELD_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        let mut due = now + (self.round_trip)(packet.destination) / 2;
        // Never before what went to the same destination earlier.
        if self.tails.len() >= TAILS_MAX {
            self.tails.retain(|_, tail| *tail > now);
        }
        let tail = self.tails.entry(packet.destination).or_insert(due);
        due = due.max(*tail);
        *tail = due;
        self.held_bytes += packet.contents.len();
        self.serial += 1;
        let held = HeldPacket {
            destination: packet.destination,
            source: packet.src_ip,
            congestion: packet.ecn,
            segment: packet.segment_size,
            bytes: packet.contents.into(),
        };
        self.held.insert((due, self.serial), held);
    }

    /// When to come back.
    pub(super) fn next(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((due, _), _)| *due - EARLY)
    }

    /// The next packet that is due by `now`.
    pub(super) fn release(&mut self, now: Instant) -> Option<HeldPacket> {
        let (due, _) = *self.held.first_key_value()?.0;
        if due > now + EARLY {
            return None;
        }
        let (_, packet) = self.held.pop_first()?;
        self.held_bytes -= packet.bytes.len();
        self.lateness.record(due, now);
        Some(packet)
    }

    /// How exactly packets were released.
    pub fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// Packets (or trains of them) dropped at the limit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl fmt::Debug for ImposedDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImposedDelay({} packets held)", self.held.len())
    }
}

/// By how much releases missed their moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Misses by size, whichever direction, in steps of [`STEP`]; the last holds all beyond.
    misses: Vec<u32>,
    late_micros: u64,
    early_micros: u64,
    released: u64,
}

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness { misses: vec![0; STEPS], late_micros: 0, early_micros: 0, released: 0 }
    }
}

impl Lateness {
    fn record(&mut self, due: Instant, released: Instant) {
        let (late, early) = (released.since(due), due.since(released));
        let step = ((late + early).as_micros() / STEP.as_micros()) as usize;
        self.misses[step.min(STEPS - 1)] += 1;
        self.late_micros += late.as_micros();
        self.early_micros += early.as_micros();
        self.released += 1;
    }

    /// Adds another record, for a lab's total.
    pub fn merge(&mut self, other: &Lateness) {
        for (mine, theirs) in self.misses.iter_mut().zip(&other.misses) {
            *mine += theirs;
        }
        self.late_micros += other.late_micros;
        self.early_micros += other.early_micros;
        self.released += other.released;
    }

    /// The miss that this share (0 to 1) of the releases stayed within, to 50 us; nothing if there were
    /// none.
    pub fn quantile(&self, share: f64) -> Option<Span> {
        let wanted = (self.released as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        let step = self.misses.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        Some(STEP * (step as u64 + 1))
    }

    /// The mean error in microseconds, late positive: 0 if centred.
    pub fn mean_micros(&self) -> f64 {
        (self.late_micros as f64 - self.early_micros as f64) / self.released.max(1) as f64
    }

    /// How many packets or trains were released.
    pub fn released(&self) -> u64 {
        self.released
    }
}

/// Half of the poll's granularity.
const EARLY: Span = Span::from_micros(500);
/// Resolution of the record.
const STEP: Span = Span::from_micros(50);
/// Up to 20 ms: beyond, the machine is overloaded and the number does not matter.
const STEPS: usize = 400;
/// Destinations remembered before those with nothing held are forgotten.
const TAILS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn transmit(port: u16, contents: &[u8]) -> quinn_udp::Transmit<'_> {
        let destination = SocketAddr::from(([127, 0, 0, 1], port));
        quinn_udp::Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn a_packet_is_held_for_half_the_round_trip_to_its_destination() {
        let delay = |to: SocketAddr| Span::from_millis(u64::from(to.port()));
        let mut imposed = ImposedDelay::new(Arc::new(delay));
        imposed.hold(at(0), &transmit(100, b"far"));
        imposed.hold(at(0), &transmit(20, b"near"));
        assert_eq!(imposed.next(), Some(at(10) - EARLY));
        assert_eq!(imposed.release(at(9)), None);
        assert_eq!(&*imposed.release(at(10)).unwrap().bytes, b"near");
        assert_eq!(imposed.release(at(10)), None);
        assert_eq!(&*imposed.release(at(51)).unwrap().bytes, b"far");
        assert_eq!(imposed.lateness().released(), 2);
        assert_eq!(imposed.lateness().quantile(0.5), Some(STEP));
        assert_eq!(imposed.lateness().mean_micros(), 500.0);
        assert_eq!(imposed.held_bytes, 0);
    }

    #[test]
    fn packets_to_one_destination_keep_their_order_when_its_delay_shrinks() {
        use std::sync::atomic::{AtomicU64, Ordering};
        let millis = Arc::new(AtomicU64::new(100));
        let read = millis.clone();
        let mut imposed = ImposedDelay::new(Arc::new(move |_| Span::from_millis(read.load(Ordering::Relaxed))));
        imposed.hold(at(0), &transmit(1, b"first"));
        millis.store(2, Ordering::Relaxed);
        imposed.hold(at(1), &transmit(1, b"second"));
        assert_eq!(imposed.release(at(49)), None);
        assert_eq!(&*imposed.release(at(50)).unwrap().bytes, b"first");
        assert_eq!(&*imposed.release(at(50)).unwrap().bytes, b"second");
    }

    #[test]
    fn beyond_its_limit_the_newest_are_dropped_and_counted() {
        let mut imposed = ImposedDelay::new(Arc::new(|_| Span::from_secs(1)));
        let big = vec![0; HELD_BYTES_MAX];
        imposed.hold(at(0), &transmit(1, &big));
        imposed.hold(at(0), &transmit(1, b"x"));
        assert_eq!((imposed.held.len(), imposed.dropped()), (1, 1));
    }
}
