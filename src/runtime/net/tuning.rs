//! How QUIC is set up for an overlay: many links, most of them idle, small messages.
//!
//! Owns: every number handed to the QUIC implementation, with its reason.
//! Never does: change a running connection.

use super::tls;
use crate::base::Span;
use crate::identity::SecretKey;
use crate::wire::MESSAGE_BYTES_MAX;
use quinn_proto::{
    AckFrequencyConfig, ClientConfig, EndpointConfig, HashedConnectionIdGenerator, IdleTimeout, MtuDiscoveryConfig,
    NoneTokenStore, ServerConfig, TransportConfig, ValidationTokenConfig, VarInt,
};
use ring::hmac;
use std::sync::Arc;

/// What an endpoint is made of.
pub(super) struct Configs {
    pub endpoint: EndpointConfig,
    pub client: ClientConfig,
    pub server: ServerConfig,
}

/// The QUIC configuration of the node with this key.
pub(super) fn configs(key: &SecretKey, alpn: &[u8]) -> Result<Configs, rustls::Error> {
    let (client_tls, server_tls) = tls::configs(key, alpn)?;
    let transport = Arc::new(transport());
    let mut client = ClientConfig::new(Arc::new(client_tls));
    client.transport_config(transport.clone()).token_store(Arc::new(NoneTokenStore));
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    let mut server = ServerConfig::with_crypto(Arc::new(server_tls));
    server
        .transport_config(transport)
        .validation_token_config(tokens)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_MAX * 8);
    Ok(Configs { endpoint: endpoint(key), client, server })
}

/// Reset tokens and connection ids follow from the node's key, so that a node that was killed and
/// started again still answers the links of its former life with a valid reset: the other end notices
/// in one round trip instead of after the idle timeout.
fn endpoint(key: &SecretKey) -> EndpointConfig {
    let reset = blake3::derive_key("arras 1 stateless reset", key.seed());
    let mut ids = [0; 8];
    ids.copy_from_slice(&blake3::derive_key("arras 1 connection id", key.seed())[..8]);
    let ids = u64::from_le_bytes(ids);
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset)));
    config
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)))
        // The fixed bit tells QUIC from our pings: nobody may clear it.
        .grease_quic_bit(false);
    config
}

fn transport() -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_EVERY));
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.minimum_change(MTU_STEP);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT.as_millis() as u32))))
        .stream_receive_window(VarInt::from_u32(MESSAGE_BYTES_MAX as u32))
        .receive_window(VarInt::from_u32(2 * MESSAGE_BYTES_MAX as u32))
        .send_window(2 * MESSAGE_BYTES_MAX as u64)
        // One message after the other: half of two messages is of no use to anybody.
        .send_fairness(false)
        .initial_rtt(INITIAL_RTT.into())
        .mtu_discovery_config(Some(mtu))
        .ack_frequency_config(Some(acks))
        .crypto_buffer_size(CRYPTO_BYTES_MAX)
        .allow_spin(false)
        .datagram_receive_buffer_size(Some(DATAGRAM_BYTES_MAX))
        .datagram_send_buffer_size(DATAGRAM_BYTES_MAX);
    config
}

/// Three times the longest rest of a link (`overlay/router/watch.rs`): who lives and who is wanted the overlay knows
/// better. With the 30 s that RFC 9308 §3.2 suggests for the sake of address translators every link had to be kept alive,
/// which was most of what a node at rest sent; clients, which may sit behind one, keep theirs alive still.
pub(super) const IDLE_TIMEOUT: Span = Span::from_mins(30);
/// Messages on streams a peer may have under way at once on a fresh link. Each costs the receiver some
/// 50 bytes even unused: 32 instead of 16 made an idle link 0.8 KiB bigger (2,016 links, 2026-11-23).
pub(super) const STREAMS_MAX: u32 = 16;
/// The same on a link that has carried [`STREAMS_MAX`] such messages: most never do. A guess at plenty for
/// one round trip.
pub(super) const STREAMS_MAX_BUSY: u32 = 64;
/// Bytes of datagrams a link keeps in each direction before it refuses (sending) or drops (receiving
/// before the peer's hello is in): a guess, 1,000 packets' worth of small messages.
pub(super) const DATAGRAM_BYTES_MAX: usize = 256 << 10;
/// A packet in ten is acknowledged at once when they come in a row: acknowledgements are a third of
/// the packets otherwise (RFC 9000 §13.2.2 asks for one in two without the extension).
const ACK_EVERY: u32 = 9;
/// A path's MTU is either the largest looked for, found with one probe, or the least: more than half of the 252 bytes between
/// the two. A search in steps of 20, the library's default, takes four probes at each end, with which a link that
/// comes up costs 15.4 KB instead of 7.1 (both ends, loopback, 2026-11-27).
const MTU_STEP: u16 = 130;
/// RFC 9002 says 333 ms for want of anything better; the median of the measured latency matrices is
/// below 100 ms, and a lost first packet costs three times this.
const INITIAL_RTT: Span = Span::from_millis(100);
/// A handshake with raw keys needs less than 1 KiB a side.
const CRYPTO_BYTES_MAX: usize = 8 << 10;
/// Attempts seen and not yet accepted or refused. We decide at once, so hardly more than one exists.
const INCOMING_MAX: usize = 64;
/// Bytes kept for one of them.
const INCOMING_BYTES_MAX: u64 = 16 << 10;
