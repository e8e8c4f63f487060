//! What the transport's counters are called.
//!
//! Owns: the names of the transport's metrics.
//! Never does: count.

use super::net::{NetCounters, Traffic};
use crate::machine::Reading;

/// The transport's counters as readings.
pub fn of_transport(counters: &NetCounters, into: &mut Vec<Reading>) {
    traffic("sent", &counters.sent, into);
    traffic("received", &counters.received, into);
    let refused = &counters.refused;
    for (limit, count) in [
        ("net.queue", refused.queue_full),
        ("net.links_max", refused.links_full),
        ("net.handshakes_max", refused.handshakes_full),
        ("net.assembly", refused.assembly_full),
        ("net.backlog", refused.backlog_full),
        ("net.pings", refused.pings_refused),
    ] {
        into.push(Reading::counter("dropped_total", count).labelled("limit", limit));
    }
    into.extend([
        Reading::counter("net_messages_lost_total", refused.messages_lost),
        Reading::counter("net_send_errors_total", refused.send_errors),
        Reading::counter("net_retries_asked_total", refused.retries_asked),
        Reading::counter("net_garbage_total", refused.garbage),
        Reading::counter("net_dials_total", counters.dials),
        Reading::counter("net_dials_failed_total", counters.dials_failed),
        Reading::counter("net_accepted_total", counters.accepted),
        Reading::counter("net_turned_away_total", counters.turned_away),
        Reading::counter("net_links_up_total", counters.links_up),
        Reading::counter("net_duplicates_total", counters.duplicates),
        Reading::gauge("net_links", counters.links as f64),
    ]);
}

fn traffic(direction: &str, traffic: &Traffic, into: &mut Vec<Reading>) {
    for (name, count) in [
        ("net_packets_total", traffic.packets),
        ("net_bytes_total", traffic.bytes),
        ("net_calls_total", traffic.calls),
        ("net_messages_total", traffic.messages),
        ("net_message_bytes_total", traffic.message_bytes),
        ("net_stream_messages_total", traffic.stream_messages),
    ] {
        into.push(Reading::counter(name, count).labelled("direction", direction));
    }
}
