//! From the socket to the links.
//!
//! Owns: draining the socket, telling QUIC from pings, and which handshakes are let in.
//! Never does: act on what a connection then has to tell: that is `life.rs`.

use super::event::NetEvent;
use super::limits::{DIAL_TIMEOUT, EVENTS_MAX, HANDSHAKES_MAX, LINKS_MAX, READS_PER_TURN, RETRY_ABOVE};
use super::link::{Link, Phase};
use super::seed::Seeds;
use super::socket::NetBuffers;
use super::{Net, ping};
use crate::base::Instant;
use bytes::{Bytes, BytesMut};
use quinn_proto::{ConnectionEvent, ConnectionHandle, DatagramEvent, EcnCodepoint, Incoming, Transmit};
use quinn_udp::RecvMeta;
use std::time;

impl Net {
    /// The socket has packets. Reads a bounded number; [`Net::has_unread`] says whether to call again.
    pub fn readable(&mut self, now: Instant, buffers: &mut NetBuffers) {
        self.unread = true;
        let system_now = self.clock.to_system(now);
        for _ in 0..READS_PER_TURN {
            if self.events.len() >= EVENTS_MAX {
                break;
            }
            let Some(filled) = self.socket.receive(buffers) else {
                self.unread = false;
                break;
            };
            let mut out = std::mem::take(&mut buffers.out);
            for index in 0..filled {
                let (meta, bytes) = buffers.slot(index);
                for packet in bytes.chunks(meta.stride.max(1)) {
                    self.on_packet(now, system_now, (meta, packet), &mut out);
                }
            }
            buffers.out = out;
            self.attend_touched(now);
        }
    }

    /// The socket takes packets again; `flush` follows.
    pub fn writable(&mut self) {
        self.socket.writable();
    }

    fn on_packet(
        &mut self,
        now: Instant,
        system_now: time::Instant,
        (meta, bytes): (&RecvMeta, &[u8]),
        out: &mut Vec<u8>,
    ) {
        let Some(&first) = bytes.first() else { return };
        if !ping::is_quic(first) {
            return self.on_ping(meta, bytes);
        }
        let congestion = meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
        out.clear();
        match self.endpoint.handle(system_now, meta.addr, meta.dst_ip, congestion, BytesMut::from(bytes), out) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => self.on_connection(now, handle, event),
            Some(DatagramEvent::NewConnection(incoming)) => self.on_incoming(now, system_now, incoming, out),
            Some(DatagramEvent::Response(transmit)) => self.respond(&transmit, out),
            None => {}
        }
    }

    fn on_connection(&mut self, now: Instant, handle: ConnectionHandle, event: ConnectionEvent) {
        let Some(link) = self.links.at(handle.0) else { return };
        link.heard = now;
        link.conn.handle_event(event);
        // Small messages at once, so that a burst never fills QUIC's buffer of them.
        if let Phase::Up { contact, .. } | Phase::Retiring { contact, .. } = &link.phase {
            let from = contact.id();
            while let Some(bytes) = link.conn.datagrams().recv() {
                count(&mut self.counters.received, &bytes);
                self.events.push_back(NetEvent::Message { from, bytes });
            }
        }
        self.links.touch(handle.0);
        self.links.soil(handle.0);
    }

    fn on_incoming(&mut self, now: Instant, system_now: time::Instant, incoming: Incoming, out: &mut Vec<u8>) {
        out.clear();
        if self.greeting.own_contact().is_none() || self.links.handshakes >= HANDSHAKES_MAX {
            self.counters.refused.handshakes_full += 1;
            return self.endpoint.ignore(incoming);
        }
        if self.links.len() >= LINKS_MAX {
            self.counters.refused.links_full += 1;
            let transmit = self.endpoint.refuse(incoming, out);
            return self.respond(&transmit, out);
        }
        if self.links.handshakes >= RETRY_ABOVE && !incoming.remote_address_validated() {
            self.counters.refused.retries_asked += 1;
            match self.endpoint.retry(incoming, out) {
                Ok(transmit) => self.respond(&transmit, out),
                Err(fault) => self.endpoint.ignore(fault.into_incoming()),
            }
            return;
        }
        let address = incoming.remote_address();
        match self.endpoint.accept(incoming, system_now, out, None) {
            Ok((handle, conn)) => {
                self.counters.accepted += 1;
                self.links.handshakes += 1;
                self.links.insert(handle, Link::new(conn, None, now, now + DIAL_TIMEOUT));
            }
            Err(fault) => {
                if let Some(transmit) = &fault.response {
                    self.respond(transmit, out);
                }
                self.on_dialler_lost(address, &fault.cause, now);
            }
        }
    }

    fn on_ping(&mut self, meta: &RecvMeta, bytes: &[u8]) {
        // The clock, not the turn's time: what lies between is not the path's.
        let now = self.clock.now();
        if Seeds::concerns(bytes) {
            return self.on_seed_packet(now, meta, bytes);
        }
        let (reply, event) = self.pings.on_packet(now, meta.addr, bytes);
        if reply.is_none() && event.is_none() {
            self.counters.refused.garbage += 1;
        }
        if let Some(reply) = reply {
            self.reply(now, meta, &reply);
        }
        self.events.extend(event);
    }

    fn on_seed_packet(&mut self, now: Instant, meta: &RecvMeta, bytes: &[u8]) {
        if let Some(contact) = self.seeds.on_answer(meta.addr, bytes) {
            if self.links.seats(&contact.id()).up.is_some() {
                self.seeds.take_dialled(&contact.id());
            }
            self.dial(&contact, now);
        } else if self.pings.may_answer(now, meta.addr)
            && let Some(answer) = self.greeting.own_contact().and_then(|me| Seeds::answer(bytes, me))
        {
            self.reply(now, meta, &answer);
        }
    }

    fn reply(&mut self, now: Instant, meta: &RecvMeta, contents: &[u8]) {
        let packet = quinn_udp::Transmit {
            destination: meta.addr,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: meta.dst_ip,
        };
        self.socket.send(now, &packet);
    }

    fn respond(&mut self, transmit: &Transmit, out: &[u8]) {
        let now = self.clock.now();
        self.socket.send(now, &super::outbound::on_socket(transmit, out));
    }
}

/// Counts a message that came in.
pub(super) fn count(traffic: &mut super::Traffic, bytes: &Bytes) {
    traffic.messages += 1;
    traffic.message_bytes += bytes.len() as u64;
}
