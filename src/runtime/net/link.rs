//! One link: a QUIC connection and the messages on their way through it.
//!
//! Owns: how a message travels (datagram if it fits and may be lost, else a stream of its own), what waits to be sent, and
//! what has been half received.
//! Never does: know other links, or judge a hello.

use super::event::SendFault;
use super::greeting::Refusal;
use super::limits::{
    ASSEMBLY_BYTES_MAX, ASSEMBLY_TOTAL_BYTES_MAX, HELLO_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX,
};
use super::tuning::{DATAGRAM_BYTES_MAX, STREAMS_MAX, STREAMS_MAX_BUSY};
use crate::base::{Instant, Span};
use crate::identity::{Contact, PublicKey};
use crate::wire::{MESSAGE_BYTES_MAX, Parcel};
use bytes::{Bytes, BytesMut};
use quinn_proto::{Connection, ConnectionStats, Dir, ReadError, SendDatagramError, StreamId, VarInt, WriteError};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A link in whatever state.
pub(super) struct Link {
    pub conn: Connection,
    pub phase: Phase,
    /// Whom we dialled, if it was us.
    pub dialled: Option<Dial>,
    /// When its handshake began.
    pub begun: Instant,
    /// When a packet last came in.
    pub heard: Instant,
    /// When its present phase must be over, whatever QUIC thinks.
    pub patience: Option<Instant>,
    /// The moment it is listed under among the deadlines: never after the true one.
    pub armed: Option<Instant>,
    pub marks: Marks,
    pub traffic: LinkTraffic,
    acknowledged: Acknowledged,
    outgoing: Outgoing,
    incoming: BTreeMap<StreamId, BytesMut>,
    incoming_bytes: usize,
}

/// How far a link has come.
pub(super) enum Phase {
    /// TLS is not done.
    Handshake,
    /// TLS proved this key; the peer's hello is not in.
    Greeting { key: PublicKey },
    /// The peer that was dialled is to be turned away, once its TLS is done as well: before, it could not read why (RFC 9000
    /// §10.2.3).
    Refusing { refusal: Refusal },
    /// Both hellos were accepted.
    Up { contact: Arc<Contact>, since: Instant },
    /// The second of two links to the same peer: still read, never written to, closed soon.
    Retiring { contact: Arc<Contact>, since: Instant },
    /// Closed or lost: QUIC absorbs what is still in flight.
    Over,
}

/// A dial: the contact, and which of its addresses are still to be tried.
pub(super) struct Dial {
    pub contact: Arc<Contact>,
    pub untried: Vec<SocketAddr>,
    /// For each of them.
    pub patience: Span,
}

/// Which lists a link is on.
#[derive(Default)]
pub(super) struct Marks {
    pub touched: bool,
    pub dirty: bool,
    pub active: bool,
}

/// Message counts of one link since they were last taken.
#[derive(Default)]
pub(super) struct LinkTraffic {
    pub messages_out: u64,
    pub message_bytes_out: u64,
    pub stream_messages_out: u64,
    pub messages_lost: u64,
    pub assemblies_stopped: u64,
}

/// What was acknowledged by the last look.
#[derive(Default)]
struct Acknowledged {
    /// The round trip, which is another with every new acknowledgement. (The acknowledgements themselves tell nothing: QUIC
    /// repeats the last one with whatever it sends.)
    rtt: Duration,
    /// Frames sent that ask for an acknowledgement.
    asked: u64,
    /// Since when one is waited for in vain.
    waits: Option<Instant>,
}

#[derive(Default)]
struct Outgoing {
    waiting: VecDeque<Parcel>,
    waiting_bytes: usize,
    /// A stream that flow control has not let us write to its end. One at a time, so that a peer's
    /// window never fills with many beginnings.
    partial: Option<(StreamId, Bytes)>,
}

/// What reading a stream led to.
pub(super) enum Heard {
    Message(Bytes),
    /// More bytes than a message may have.
    TooLong,
    Nothing,
}

impl Link {
    pub fn new(conn: Connection, dialled: Option<Dial>, now: Instant, patience: Instant) -> Link {
        Link {
            conn,
            phase: Phase::Handshake,
            dialled,
            begun: now,
            heard: now,
            patience: Some(patience),
            armed: None,
            marks: Marks::default(),
            traffic: LinkTraffic::default(),
            acknowledged: Acknowledged::default(),
            outgoing: Outgoing::default(),
            incoming: BTreeMap::new(),
            incoming_bytes: 0,
        }
    }

    /// How long nothing was acknowledged though something was sent, as of the looks so far: call it once a second or so.
    /// (What waits when acknowledgements for other things come in the same second, QUIC's own probe asks for again.)
    pub fn unacknowledged_for(&mut self, stats: &ConnectionStats, now: Instant) -> Span {
        let (sent, rtt) = (&stats.frame_tx, stats.path.rtt);
        let asked = sent.stream + sent.datagram + sent.ping;
        let before = &self.acknowledged;
        let waits = match before.waits {
            _ if rtt != before.rtt => None,
            None if asked > before.asked => Some(now),
            waits => waits,
        };
        self.acknowledged = Acknowledged { rtt, asked, waits };
        waits.map_or(Span::ZERO, |since| now.since(since))
    }

    /// The peer, once its hello is accepted.
    pub fn peer(&self) -> Option<&Arc<Contact>> {
        match &self.phase {
            Phase::Up { contact, .. } | Phase::Retiring { contact, .. } => Some(contact),
            _ => None,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether nothing of whole messages is under way in either direction.
    pub fn is_quiet(&mut self) -> bool {
        self.outgoing.waiting.is_empty()
            && self.outgoing.partial.is_none()
            && self.incoming.is_empty()
            && self.conn.streams().send_streams() == 0
    }

    /// Sends our hello on a stream of its own, which is the first: nothing was opened before.
    pub fn say_hello(&mut self, hello: Bytes) {
        if let Some(id) = self.conn.streams().open(Dir::Uni) {
            self.write(id, hello);
        }
    }

    /// Takes a message: to QUIC if it can be, else into the queue.
    pub fn offer(&mut self, parcel: Parcel) -> Result<(), SendFault> {
        if parcel.bytes.len() > MESSAGE_BYTES_MAX {
            return Err(SendFault::TooLong { bytes: parcel.bytes.len() });
        }
        let length = parcel.bytes.len() as u64;
        let is_datagram = self.is_datagram(&parcel);
        match self.phase {
            Phase::Over => return Err(SendFault::NoLink),
            Phase::Handshake | Phase::Refusing { .. } => self.queue(parcel)?,
            _ if is_datagram => {
                let full = SendFault::Full { limit: DATAGRAM_BYTES_MAX };
                self.conn.datagrams().send(parcel.bytes, false).map_err(|_| full)?;
            }
            _ => {
                self.queue(parcel)?;
                self.pump();
            }
        }
        self.traffic.messages_out += 1;
        self.traffic.message_bytes_out += length;
        Ok(())
    }

    /// Hands as much of the queue to QUIC as it takes.
    pub fn pump(&mut self) {
        loop {
            if let Some((id, bytes)) = self.outgoing.partial.take() {
                self.write(id, bytes);
                if self.outgoing.partial.is_some() {
                    return;
                }
            }
            let Some(parcel) = self.outgoing.waiting.front().cloned() else { return };
            if self.is_datagram(&parcel) {
                match self.conn.datagrams().send(parcel.bytes, false) {
                    Err(SendDatagramError::Blocked(_)) => return,
                    Ok(()) => {}
                    Err(_) => self.traffic.messages_lost += 1,
                }
                self.unqueue();
            } else {
                let Some(id) = self.conn.streams().open(Dir::Uni) else { return };
                self.traffic.stream_messages_out += 1;
                self.unqueue();
                self.write(id, parcel.bytes);
            }
        }
    }

    /// Whether the queue waits for QUIC.
    pub fn has_queue(&self) -> bool {
        self.outgoing.partial.is_some() || !self.outgoing.waiting.is_empty()
    }

    /// Takes the queue's messages away, for another link or to count them as lost.
    pub fn take_queue(&mut self) -> VecDeque<Parcel> {
        self.outgoing.waiting_bytes = 0;
        let queue = std::mem::take(&mut self.outgoing.waiting);
        self.traffic.messages_out = self.traffic.messages_out.saturating_sub(queue.len() as u64);
        queue
    }

    /// The peer does not want the rest of this stream.
    pub fn on_stopped(&mut self, id: StreamId) {
        self.traffic.messages_lost += 1;
        let _ = self.conn.send_stream(id).reset(VarInt::from_u32(0));
        if self.outgoing.partial.as_ref().is_some_and(|(partial, _)| *partial == id) {
            self.outgoing.partial = None;
        }
    }

    /// Whether TLS is done at the other end as well: the one that dialled is told so.
    pub fn is_confirmed(&self) -> bool {
        self.dialled.is_none() || self.conn.stats().frame_rx.handshake_done > 0
    }

    /// The peer's hello, when all of it is in.
    pub fn read_hello(&mut self) -> Heard {
        if self.incoming.is_empty() {
            let Some(id) = self.conn.streams().accept(Dir::Uni) else { return Heard::Nothing };
            self.incoming.insert(id, BytesMut::new());
        }
        let Some(id) = self.incoming.first_key_value().map(|(id, _)| *id) else { return Heard::Nothing };
        self.read(id, HELLO_BYTES_MAX, &mut 0)
    }

    /// Accepts the next stream the peer has opened.
    pub fn accept_stream(&mut self) -> Option<StreamId> {
        let id = self.conn.streams().accept(Dir::Uni)?;
        self.incoming.insert(id, BytesMut::new());
        Some(id)
    }

    /// Reads what has come in on a stream. `total` counts bytes of half-received messages on all links.
    pub fn read_message(&mut self, id: StreamId, total: &mut usize) -> Heard {
        if !self.incoming.contains_key(&id) {
            return Heard::Nothing;
        }
        if self.incoming_bytes >= ASSEMBLY_BYTES_MAX || *total >= ASSEMBLY_TOTAL_BYTES_MAX {
            self.traffic.assemblies_stopped += 1;
            let _ = self.conn.recv_stream(id).stop(VarInt::from_u32(0));
            self.forget(id, total);
            return Heard::Nothing;
        }
        self.read(id, MESSAGE_BYTES_MAX, total)
    }

    /// Gives back what half-received messages count for.
    pub fn forget_incoming(&mut self, total: &mut usize) {
        *total = total.saturating_sub(self.incoming_bytes);
        self.incoming_bytes = 0;
        self.incoming.clear();
    }

    fn read(&mut self, id: StreamId, limit: usize, total: &mut usize) -> Heard {
        let Some(assembly) = self.incoming.get_mut(&id) else { return Heard::Nothing };
        let before = assembly.len();
        let mut outcome = None;
        {
            let mut stream = self.conn.recv_stream(id);
            let Ok(mut chunks) = stream.read(true) else {
                self.forget(id, total);
                return Heard::Nothing;
            };
            while outcome.is_none() && assembly.len() <= limit {
                match chunks.next(usize::MAX) {
                    // Copied: a chunk keeps the whole packet it came in alive, however few its bytes.
                    Ok(Some(chunk)) => assembly.extend_from_slice(&chunk.bytes),
                    Ok(None) => outcome = Some(true),
                    Err(ReadError::Blocked) => break,
                    Err(ReadError::Reset(_)) => outcome = Some(false),
                }
            }
            let _ = chunks.finalize();
        }
        let grown = assembly.len() - before;
        let too_long = assembly.len() > limit;
        self.incoming_bytes += grown;
        *total += grown;
        match outcome {
            _ if too_long => Heard::TooLong,
            Some(true) => {
                if id.index() == u64::from(STREAMS_MAX) {
                    self.conn.set_max_concurrent_streams(Dir::Uni, VarInt::from_u32(STREAMS_MAX_BUSY));
                }
                Heard::Message(self.forget(id, total).freeze())
            }
            Some(false) => {
                self.forget(id, total);
                Heard::Nothing
            }
            None => Heard::Nothing,
        }
    }

    fn forget(&mut self, id: StreamId, total: &mut usize) -> BytesMut {
        let assembly = self.incoming.remove(&id).unwrap_or_default();
        self.incoming_bytes = self.incoming_bytes.saturating_sub(assembly.len());
        *total = total.saturating_sub(assembly.len());
        assembly
    }

    /// Whether it goes in a datagram.
    fn is_datagram(&mut self, parcel: &Parcel) -> bool {
        !parcel.is_vital && self.conn.datagrams().max_size().is_some_and(|limit| parcel.bytes.len() <= limit)
    }

    fn queue(&mut self, parcel: Parcel) -> Result<(), SendFault> {
        let queue = &mut self.outgoing;
        if queue.waiting.len() >= QUEUE_MESSAGES_MAX || queue.waiting_bytes + parcel.bytes.len() > QUEUE_BYTES_MAX {
            return Err(SendFault::Full { limit: QUEUE_BYTES_MAX });
        }
        queue.waiting_bytes += parcel.bytes.len();
        queue.waiting.push_back(parcel);
        Ok(())
    }

    fn unqueue(&mut self) {
        let length = self.outgoing.waiting.pop_front().map_or(0, |parcel| parcel.bytes.len());
        self.outgoing.waiting_bytes = self.outgoing.waiting_bytes.saturating_sub(length);
    }

    fn write(&mut self, id: StreamId, bytes: Bytes) {
        let mut rest = [bytes];
        let mut stream = self.conn.send_stream(id);
        while !rest[0].is_empty() {
            match stream.write_chunks(&mut rest) {
                Ok(written) if written.chunks == 1 => break,
                Ok(_) => {}
                Err(WriteError::Blocked) => {
                    let [rest] = rest;
                    self.outgoing.partial = Some((id, rest));
                    return;
                }
                Err(_) => {
                    self.traffic.messages_lost += 1;
                    return;
                }
            }
        }
        let _ = stream.finish();
    }
}
