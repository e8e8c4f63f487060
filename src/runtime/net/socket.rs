//! The UDP socket.
//!
//! Owns: binding, the batched system calls, the backlog of what the system would not take, and the seam
//! where a lab imposes its latency.
//! Never does: look into a packet.

use super::event::{NetError, Traffic};
use super::imposed::{HeldPacket, ImposedDelay};
use super::limits::{BACKLOG_BYTES_MAX, SOCKET_BUFFER_BYTES};
use crate::base::Instant;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::array;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;

/// Scratch memory for receiving and sending, one per thread: lent to each of its nodes in turn.
pub struct NetBuffers {
    data: Box<[u8]>,
    meta: [RecvMeta; BATCH_SIZE],
    /// Where QUIC writes outgoing packets.
    pub(super) out: Vec<u8>,
}

impl NetBuffers {
    /// 2 MiB of address space on Linux, of which the system backs what is used.
    pub fn new() -> NetBuffers {
        NetBuffers {
            data: vec![0; BATCH_SIZE * SLOT_BYTES].into_boxed_slice(),
            meta: [RecvMeta::default(); BATCH_SIZE],
            out: Vec::with_capacity(SLOT_BYTES),
        }
    }

    /// What the last receive call put into slot `index`.
    pub(super) fn slot(&self, index: usize) -> (&RecvMeta, &[u8]) {
        let meta = &self.meta[index];
        let start = index * SLOT_BYTES;
        (meta, &self.data[start..start + meta.len.min(SLOT_BYTES)])
    }
}

impl Default for NetBuffers {
    fn default() -> Self {
        NetBuffers::new()
    }
}

/// The socket and what waits for it.
pub(super) struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    registry: Registry,
    token: Token,
    blocked: bool,
    backlog: VecDeque<HeldPacket>,
    backlog_bytes: usize,
    imposed: Option<ImposedDelay>,
    pub sent: Traffic,
    pub received: Traffic,
    pub dropped: u64,
    pub errors: u64,
}

impl Socket {
    pub fn bind(
        listen: SocketAddr,
        imposed: Option<ImposedDelay>,
        registry: &Registry,
        token: Token,
    ) -> Result<Socket, NetError> {
        let mut io = mio::net::UdpSocket::bind(listen).map_err(|fault| match fault.kind() {
            ErrorKind::AddrInUse => NetError::PortInUse(listen),
            ErrorKind::AddrNotAvailable => NetError::AddressNotAvailable(listen),
            ErrorKind::PermissionDenied => NetError::NotPermitted(listen),
            _ => NetError::System(fault),
        })?;
        let state = UdpSocketState::new(UdpSockRef::from(&io)).map_err(NetError::System)?;
        for (what, outcome) in [
            ("receive", state.set_recv_buffer_size(UdpSockRef::from(&io), SOCKET_BUFFER_BYTES)),
            ("send", state.set_send_buffer_size(UdpSockRef::from(&io), SOCKET_BUFFER_BYTES)),
        ] {
            if let Err(fault) = outcome {
                log::debug!("socket {what} buffer stays as it is: {fault}");
            }
        }
        let registry = registry.try_clone().map_err(NetError::System)?;
        registry.register(&mut io, token, Interest::READABLE).map_err(NetError::System)?;
        Ok(Socket {
            io,
            state,
            registry,
            token,
            blocked: false,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            imposed,
            sent: Traffic::default(),
            received: Traffic::default(),
            dropped: 0,
            errors: 0,
        })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    pub fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    pub fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    pub fn imposed(&self) -> Option<&ImposedDelay> {
        self.imposed.as_ref()
    }

    /// One receive call: how many slots of `buffers` it filled; nothing if there is nothing to read.
    pub fn receive(&mut self, buffers: &mut NetBuffers) -> Option<usize> {
        let mut chunks = buffers.data.chunks_exact_mut(SLOT_BYTES);
        let mut slots: [IoSliceMut<'_>; BATCH_SIZE] =
            array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        match self.state.recv(UdpSockRef::from(&self.io), &mut slots, &mut buffers.meta) {
            Ok(filled) => {
                self.received.calls += 1;
                for meta in &buffers.meta[..filled] {
                    self.received.packets += meta.len.div_ceil(meta.stride.max(1)) as u64;
                    self.received.bytes += meta.len as u64;
                }
                Some(filled)
            }
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => None,
            Err(fault) => {
                // An ICMP error of an earlier packet, usually; QUIC's own timeouts deal with its cause.
                log::debug!("UDP receive: {fault}");
                self.errors += 1;
                None
            }
        }
    }

    /// Sends, or holds back as the lab wants it. `now` is read from the clock just before.
    pub fn send(&mut self, now: Instant, packet: &Transmit<'_>) {
        match &mut self.imposed {
            Some(imposed) => imposed.hold(now, packet),
            None => self.emit(packet),
        }
    }

    /// Sends what has been held back long enough.
    pub fn release(&mut self, now: Instant) {
        while let Some(packet) = self.imposed.as_mut().and_then(|imposed| imposed.release(now)) {
            self.emit(&as_transmit(&packet));
        }
    }

    /// When something held back is due.
    pub fn next_release(&self) -> Option<Instant> {
        self.imposed.as_ref().and_then(ImposedDelay::next)
    }

    /// Whether the system takes no more for now; [`Socket::writable`] ends it.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The system takes packets again.
    pub fn writable(&mut self) {
        self.blocked = false;
        while let Some(packet) = self.backlog.pop_front() {
            self.backlog_bytes -= packet.bytes.len();
            self.emit(&as_transmit(&packet));
            if self.blocked {
                // `emit` has put it at the end; it belongs at the front.
                self.backlog.rotate_right(1);
                return;
            }
        }
        self.interest(Interest::READABLE);
    }

    /// Drops and errors of the lab's queue and of the socket's.
    pub fn packets_dropped(&self) -> u64 {
        self.dropped + self.imposed.as_ref().map_or(0, ImposedDelay::dropped)
    }

    fn emit(&mut self, packet: &Transmit<'_>) {
        if self.blocked {
            return self.keep(packet);
        }
        match self.state.try_send(UdpSockRef::from(&self.io), packet) {
            Ok(()) => {
                self.sent.calls += 1;
                self.sent.packets += packet.segment_size.map_or(1, |size| packet.contents.len().div_ceil(size)) as u64;
                self.sent.bytes += packet.contents.len() as u64;
            }
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                self.interest(Interest::READABLE | Interest::WRITABLE);
                self.keep(packet);
            }
            // Among them EMSGSIZE, by which MTU discovery learns; lost packets are QUIC's to repeat.
            Err(_) => self.errors += 1,
        }
    }

    fn keep(&mut self, packet: &Transmit<'_>) {
        if self.backlog_bytes + packet.contents.len() > BACKLOG_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.backlog_bytes += packet.contents.len();
        self.backlog.push_back(HeldPacket {
            destination: packet.destination,
            source: packet.src_ip,
            congestion: packet.ecn,
            segment: packet.segment_size,
            bytes: packet.contents.into(),
        });
    }

    /// Writability is asked for only while something waits: otherwise every packet that leaves the
    /// system's buffer would wake the loop.
    fn interest(&mut self, interest: Interest) {
        if let Err(fault) = self.registry.reregister(&mut self.io, self.token, interest) {
            log::error!("cannot change what the UDP socket is polled for: {fault}");
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.registry.deregister(&mut self.io);
    }
}

fn as_transmit(packet: &HeldPacket) -> Transmit<'_> {
    Transmit {
        destination: packet.destination,
        ecn: packet.congestion,
        contents: &packet.bytes,
        segment_size: packet.segment,
        src_ip: packet.source,
    }
}

/// The longest train of packets that Linux hands over in one piece (UDP GRO).
const SLOT_BYTES: usize = 64 << 10;
