//! From the links to the socket, and the passing of time.
//!
//! Owns: asking the dirty links for packets, sending them in trains, and whose deadline has come.
//! Never does: look at a link that neither is dirty nor due.

use super::limits::{SEGMENTS_MAX, TRANSMITS_PER_TURN};
use super::socket::NetBuffers;
use super::{DialFault, Net, NetEvent, SendFault};
use crate::base::Instant;
use crate::wire::Parcel;
use std::collections::VecDeque;
use std::time;

impl Net {
    /// Sends what there is to send. Stops short when the socket takes no more, or when one link has had
    /// its share: [`Net::next_timeout`] then says so.
    pub fn flush(&mut self, now: Instant, buffers: &mut NetBuffers) {
        let system_now = self.clock.to_system(now);
        let dirty = self.links.take_dirty();
        for &handle in &dirty {
            self.transmit(handle, system_now, buffers);
        }
        self.links.reuse_dirty(dirty);
        while let Some((to, packet)) = self.pings.next_packet(self.clock.now()) {
            let packet =
                quinn_udp::Transmit { destination: to, ecn: None, contents: &packet, segment_size: None, src_ip: None };
            self.socket.send(self.clock.now(), &packet);
        }
        while let Some((to, packet)) = self.seeds.next_packet(self.clock.now()) {
            let packet =
                quinn_udp::Transmit { destination: to, ecn: None, contents: &packet, segment_size: None, src_ip: None };
            self.socket.send(self.clock.now(), &packet);
        }
        if self.socket.next_release().is_some() {
            self.socket.release(self.clock.now());
        }
    }

    /// Time has passed. Only what is due is looked at.
    pub fn on_timeout(&mut self, now: Instant) {
        if self.socket.next_release().is_some() {
            self.socket.release(self.clock.now());
        }
        let system_now = self.clock.to_system(now);
        while let Some(handle) = self.links.pop_due(now) {
            let Some(link) = self.links.at(handle) else { continue };
            let is_due = link.conn.poll_timeout().is_some_and(|moment| moment <= system_now);
            let is_impatient = link.patience.is_some_and(|patience| patience <= now);
            if is_due {
                link.conn.handle_timeout(system_now);
                self.links.touch(handle);
                self.links.soil(handle);
            }
            if is_impatient {
                self.on_patience(handle, now);
            }
            self.links.arm(handle, &self.clock);
        }
        self.attend_touched(now);
        self.pings.on_timeout(now, &mut self.events);
        let silent = self.seeds.on_timeout(now).into_iter();
        self.events.extend(silent.map(|address| NetEvent::SeedFailed { address, why: DialFault::TimedOut }));
    }

    fn transmit(&mut self, handle: usize, system_now: time::Instant, buffers: &mut NetBuffers) {
        let Some(link) = self.links.at(handle) else { return };
        let segments = self.socket.segments_max().clamp(1, SEGMENTS_MAX);
        let mut stopped_short = true;
        for _ in 0..TRANSMITS_PER_TURN {
            if self.socket.is_blocked() {
                break;
            }
            buffers.out.clear();
            let Some(transmit) = link.conn.poll_transmit(system_now, segments, &mut buffers.out) else {
                stopped_short = false;
                break;
            };
            // Read once per train: a delay imposed must not count from the turn's beginning.
            let moment = if self.socket.imposed().is_some() { self.clock.now() } else { Instant::ORIGIN };
            self.socket.send(moment, &on_socket(&transmit, &buffers.out));
        }
        while let Some(event) = link.conn.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(quinn_proto::ConnectionHandle(handle), event) {
                link.conn.handle_event(event);
                stopped_short = true;
            }
        }
        let counts = std::mem::take(&mut link.traffic);
        self.counters.sent.messages += counts.messages_out;
        self.counters.sent.message_bytes += counts.message_bytes_out;
        self.counters.sent.stream_messages += counts.stream_messages_out;
        self.counters.refused.messages_lost += counts.messages_lost;
        self.counters.refused.assembly_full += counts.assemblies_stopped;
        if link.conn.is_drained() {
            return self.links.remove(handle);
        }
        if stopped_short {
            self.links.soil(handle);
        }
        self.links.arm(handle, &self.clock);
    }

    /// Messages of one link that never were sent, over another or lost.
    pub(super) fn move_queue(&mut self, queue: VecDeque<Parcel>, to: Option<usize>) {
        for parcel in queue {
            let taken = match to.and_then(|handle| self.links.at(handle)) {
                Some(link) => link.offer(parcel),
                None => Err(SendFault::NoLink),
            };
            if taken.is_err() {
                self.counters.refused.messages_lost += 1;
            }
        }
        if let Some(handle) = to {
            self.links.soil(handle);
        }
    }
}

/// QUIC's transmit as the socket takes it.
pub(super) fn on_socket<'a>(transmit: &quinn_proto::Transmit, out: &'a [u8]) -> quinn_udp::Transmit<'a> {
    quinn_udp::Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn.and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
        contents: &out[..transmit.size],
        segment_size: transmit.segment_size,
        src_ip: transmit.src_ip,
    }
}
