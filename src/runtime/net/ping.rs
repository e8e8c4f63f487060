//! Round trips without a link.
//!
//! Owns: a packet of our own on the same socket (its first byte is not QUIC's), who waits for an answer,
//! and how many questions are answered.
//! Never does: answer with more bytes than were asked with: the asker's address is not proved.

use super::event::NetEvent;
use super::limits::{PING_PATIENCE, PINGS_MAX, PONG_BUCKETS, PONGS_PER_SECOND, PONGS_PER_SOURCE};
use crate::base::{Deadlines, Instant, Span};
use ring::rand::{SecureRandom, SystemRandom};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

/// `[kind, network hash x 8, nonce x 16]`: the same in both directions but for the kind.
pub(super) type PingPacket = [u8; PING_BYTES];

/// The pings of one node, both ways.
pub(super) struct Pings {
    network: [u8; 8],
    secret: [u8; 32],
    sources: SipHasher13,
    waiting: BTreeMap<u64, Waiting>,
    due: Deadlines<u64>,
    serial: u64,
    fresh: Vec<u64>,
    second: u64,
    answered: u32,
    answered_to: Box<[u16; PONG_BUCKETS]>,
    pub refused: u64,
}

struct Waiting {
    token: u64,
    to: SocketAddr,
    sent: [Option<Instant>; 2],
}

impl Pings {
    /// Pings of nodes of this network.
    pub fn new(network: &str) -> Pings {
        let mut secret = [0; 32];
        // Without entropy pongs can be forged by those who see no ping: no reason not to run.
        let _ = SystemRandom::new().fill(&mut secret);
        let mut hash = [0; 8];
        hash.copy_from_slice(&blake3::derive_key("arras 1 ping network", network.as_bytes())[..8]);
        let mut key = [0; 16];
        key.copy_from_slice(&secret[..16]);
        Pings {
            network: hash,
            secret,
            sources: SipHasher13::new_with_key(&key),
            waiting: BTreeMap::new(),
            due: Deadlines::new(),
            serial: 0,
            fresh: Vec::new(),
            second: 0,
            answered: 0,
            answered_to: Box::new([0; PONG_BUCKETS]),
            refused: 0,
        }
    }

    /// Wants the round trip to this address; beyond [`PINGS_MAX`] the answer is "silent" at once.
    #[must_use]
    pub fn ask(&mut self, to: SocketAddr, token: u64) -> Option<NetEvent> {
        if self.waiting.len() >= PINGS_MAX {
            self.refused += 1;
            return Some(NetEvent::PingSilent { token });
        }
        self.serial += 1;
        self.waiting.insert(self.serial, Waiting { token, to, sent: [None; 2] });
        self.fresh.push(self.serial);
        None
    }

    /// The next packet to send, stamped with the moment it is sent.
    pub fn next_packet(&mut self, now: Instant) -> Option<(SocketAddr, PingPacket)> {
        loop {
            let serial = self.fresh.pop()?;
            let Some(waiting) = self.waiting.get_mut(&serial) else { continue };
            let attempt = usize::from(waiting.sent[0].is_some());
            waiting.sent[attempt] = Some(now);
            let to = waiting.to;
            self.due.set(serial, now + PING_PATIENCE);
            return Some((to, self.packet(PING, serial << 1 | attempt as u64)));
        }
    }

    /// A packet that is not QUIC: what to send back, or what it tells the owner. Neither: not for us.
    pub fn on_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
    ) -> (Option<PingPacket>, Option<NetEvent>) {
        let Ok(mut packet) = PingPacket::try_from(bytes) else { return (None, None) };
        if packet[1..9] != self.network {
            return (None, None);
        }
        match packet[0] {
            PING if self.may_answer(now, from) => {
                packet[0] = PONG;
                (Some(packet), None)
            }
            PONG => (None, self.on_pong(now, from, &packet)),
            _ => (None, None),
        }
    }

    /// Repeats or gives up what is due.
    pub fn on_timeout(&mut self, now: Instant, events: &mut impl Extend<NetEvent>) {
        while let Some(serial) = self.due.pop_due(now) {
            let Some(waiting) = self.waiting.get(&serial) else { continue };
            if waiting.sent[1].is_none() {
                self.fresh.push(serial);
            } else {
                events.extend([NetEvent::PingSilent { token: waiting.token }]);
                self.waiting.remove(&serial);
            }
        }
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    /// Whether packets wait to be taken.
    pub fn has_packets(&self) -> bool {
        !self.fresh.is_empty()
    }

    fn on_pong(&mut self, now: Instant, from: SocketAddr, packet: &PingPacket) -> Option<NetEvent> {
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&packet[9..17]);
        let nonce = u64::from_le_bytes(nonce);
        let (serial, attempt) = (nonce >> 1, (nonce & 1) as usize);
        let waiting = self.waiting.get(&serial)?;
        let sent = waiting.sent[attempt]?;
        if waiting.to != from || *packet != self.packet(PONG, nonce) {
            return None;
        }
        let token = waiting.token;
        self.waiting.remove(&serial);
        self.due.clear(&serial);
        Some(NetEvent::Pong { token, rtt: now.since(sent).max(Span::from_micros(1)) })
    }

    /// The second half of the nonce is a keyed hash of the first: nobody guesses it.
    fn packet(&self, kind: u8, nonce: u64) -> PingPacket {
        let mut packet = [0; PING_BYTES];
        packet[0] = kind;
        packet[1..9].copy_from_slice(&self.network);
        packet[9..17].copy_from_slice(&nonce.to_le_bytes());
        let keyed = blake3::keyed_hash(&self.secret, &packet[9..17]);
        packet[17..25].copy_from_slice(&keyed.as_bytes()[..8]);
        packet
    }

    /// Sources are hashed into a few buckets emptied every second: bounded whatever is spoofed.
    pub fn may_answer(&mut self, now: Instant, from: SocketAddr) -> bool {
        let second = now.as_micros() / 1_000_000;
        if second != self.second {
            self.second = second;
            self.answered = 0;
            self.answered_to.fill(0);
        }
        let mut hasher = self.sources;
        // On the loopback each port is a node of its own.
        if from.ip().is_loopback() {
            from.hash(&mut hasher)
        } else {
            from.ip().hash(&mut hasher)
        }
        let bucket = &mut self.answered_to[hasher.finish() as usize % PONG_BUCKETS];
        if self.answered >= PONGS_PER_SECOND || *bucket >= PONGS_PER_SOURCE {
            self.refused += 1;
            return false;
        }
        *bucket += 1;
        self.answered += 1;
        true
    }
}

/// The first byte of a QUIC packet has the fixed bit (RFC 9000 §17.2, §17.3.1): that tells ours apart.
pub(super) fn is_quic(first: u8) -> bool {
    first & 0x40 != 0
}

const PING: u8 = 1;
const PONG: u8 = 2;
const PING_BYTES: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_ping_answered_is_a_round_trip() {
        let (mut one, mut other) = (Pings::new("test"), Pings::new("test"));
        assert!(one.ask(address(2), 77).is_none());
        let (to, ping) = one.next_packet(at(10)).unwrap();
        assert_eq!(to, address(2));
        assert!(!is_quic(ping[0]));
        let (pong, event) = other.on_packet(at(500), address(1), &ping);
        assert!(event.is_none());
        let (reply, event) = one.on_packet(at(35), address(2), &pong.unwrap());
        assert!(reply.is_none());
        assert!(matches!(event, Some(NetEvent::Pong { token: 77, rtt }) if rtt == Span::from_millis(25)));
        assert_eq!(one.next_timeout(), None);
    }

    #[test]
    fn a_silent_address_is_asked_twice_and_then_reported() {
        let mut pings = Pings::new("test");
        let mut events = Vec::new();
        assert!(pings.ask(address(2), 5).is_none());
        let first = pings.next_packet(at(0)).unwrap().1;
        pings.on_timeout(at(500), &mut events);
        let second = pings.next_packet(at(500)).unwrap().1;
        assert_ne!(first, second);
        assert!(events.is_empty() && !pings.has_packets());
        pings.on_timeout(at(1_000), &mut events);
        assert!(matches!(events[..], [NetEvent::PingSilent { token: 5 }]));
        assert!(pings.waiting.is_empty());
    }

    #[test]
    fn a_pong_that_was_not_asked_for_means_nothing() {
        let mut pings = Pings::new("test");
        assert!(pings.ask(address(2), 5).is_none());
        let mut pong = pings.next_packet(at(0)).unwrap().1;
        pong[0] = PONG;
        assert!(pings.on_packet(at(1), address(3), &pong).1.is_none(), "another address");
        pong[20] ^= 1;
        assert!(pings.on_packet(at(1), address(2), &pong).1.is_none(), "a guessed nonce");
        let mut elsewhere = Pings::new("other network");
        pong[0] = PING;
        assert!(elsewhere.on_packet(at(1), address(2), &pong).0.is_none());
    }

    #[test]
    fn one_source_is_answered_only_so_often() {
        let mut pings = Pings::new("test");
        let ping = pings.packet(PING, 1);
        let answered = (0..1_000).filter(|_| pings.on_packet(at(1), address(9), &ping).0.is_some()).count();
        assert_eq!(answered, usize::from(PONGS_PER_SOURCE));
        assert!(pings.on_packet(at(1_001), address(9), &ping).0.is_some());
    }
}
