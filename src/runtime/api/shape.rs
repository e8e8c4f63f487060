//! The shapes of answers.
//!
//! Owns: what each thing looks like in JSON. Tools and dashboards hold on to these names: they are added to,
//! never changed.
//! Never does: ask for anything.

use super::Written;
use crate::base::{Id, Span};
use crate::identity::{Contact, Role};
use crate::overlay::Located;
use crate::overlay::Root;
use crate::overlay::directory::{DirectoryStatus, HotObject};
use crate::overlay::router::RouterStatus;
use crate::overlay::router::status::PeerStatus;
use crate::wire::directory::{Holder, KnownAs};
use crate::wire::object::{Receipt, Record};
use crate::wire::routing::{TraceHop, Why};
use serde_json::{Value, json};

pub(super) fn id(id: &Id) -> Value {
    Value::String(id.to_string())
}

fn ids(all: &[Id]) -> Value {
    all.iter().map(id).collect()
}

/// Milliseconds with fractions.
fn millis(span: Span) -> Value {
    json!(span.as_millis_f64())
}

pub(super) fn contact(contact: &Contact) -> Value {
    json!({
        "id": id(&contact.id()),
        "addresses": contact.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "role": match contact.role() { Role::Server => "server", Role::Client => "client" },
        "sequence": contact.sequence(),
    })
}

pub(super) fn status(own: &Contact, network: &str, router: &RouterStatus, directory: &DirectoryStatus) -> Value {
    json!({
        "id": id(&router.id),
        "network": network,
        "addresses": own.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "version": env!("CARGO_PKG_VERSION"),
        "ready": router.ready,
        "state": router.state,
        "size_estimate": router.size_estimate,
        "peers": router.peers.len(),
        "links": router.peers.iter().filter(|peer| peer.link_rtt.is_some()).count(),
        "leaf_set": router.peers.iter().filter(|peer| peer.in_leaf_set).count(),
        "rows": router.row_fill,
        "directory": {
            "values": directory.values,
            "value_bytes": directory.value_bytes,
            "rooted": directory.rooted,
            "pointers": directory.pointers,
            "published": directory.published,
            "wishes": directory.wishes,
            "refused": directory.refused,
            "answers_for_others": directory.stands,
            "answers_for_others_bytes": directory.stand_bytes,
            "leases_given": directory.leases,
            "hottest": directory.hottest.iter().map(hot).collect::<Vec<_>>(),
        },
    })
}

fn hot(hot: &HotObject) -> Value {
    let lease = |(peer, left_s): &(Id, u64)| json!({ "id": id(peer), "left_s": left_s });
    json!({
        "id": id(&hot.object),
        "per_hour": hot.per_hour,
        "representatives": hot.representatives.iter().map(lease).collect::<Vec<_>>(),
        "own_lease_left_s": hot.leased_s,
    })
}

/// Who answered a locate, and why that node.
pub(super) fn located(object: &Id, by: &Located) -> Value {
    let known_as = match by.known_as {
        KnownAs::Root => "root",
        KnownAs::Keeper => "keeper",
        KnownAs::Passing => "passing",
        KnownAs::Representative => "representative",
    };
    json!({ "id": id(&by.node), "as": known_as, "under": id(&object.salted(by.salt)), "salt": by.salt })
}

pub(super) fn leaf_set(router: &RouterStatus) -> Value {
    json!({ "before": ids(&router.leaf_before), "id": id(&router.id), "after": ids(&router.leaf_after) })
}

/// The prefix table: its occupied slots a row, and who is in it.
pub(super) fn table(router: &RouterStatus) -> Value {
    let members = router.peers.iter().filter(|peer| peer.in_table).map(peer).collect::<Vec<_>>();
    json!({ "rows": router.row_fill, "contacts": members })
}

pub(super) fn peer(peer: &PeerStatus) -> Value {
    json!({
        "id": id(&peer.id),
        "address": peer.address.map(|address| address.to_string()),
        "link_rtt_ms": peer.link_rtt.map(millis),
        "estimated_rtt_ms": peer.estimated_rtt.map(millis),
        "in_leaf_set": peer.in_leaf_set,
        "row": peer.row,
        "in_table": peer.in_table,
        "ready": peer.ready,
        "client": peer.client,
        "suspected": peer.suspected,
    })
}

/// A root and the way to it. `direct` is the round trip straight to it, and whether that was measured on a
/// link; the stretch is against it. One's own keys have none.
pub(super) fn root(key: &Id, root: &Root, direct: Option<(Span, bool)>) -> Value {
    let stretch = direct.filter(|(rtt, _)| *rtt > Span::ZERO && root.hops > 0);
    json!({
        "key": id(key),
        "root": contact(&root.contact),
        "hops": root.hops,
        "took_ms": millis(root.took),
        "direct_ms": direct.map(|(rtt, _)| millis(rtt)),
        "direct_measured": direct.map(|(_, measured)| measured),
        "stretch": stretch.map(|(rtt, _)| root.took.as_secs_f64() / rtt.as_secs_f64()),
        "path": root.trace.iter().map(hop).collect::<Vec<_>>(),
    })
}

fn hop(hop: &TraceHop) -> Value {
    json!({
        "at": id(&hop.at),
        "next": id(&hop.next),
        "address": hop.address.map(|address| address.to_string()),
        "rtt_ms": millis(hop.rtt),
        "waited_ms": millis(hop.waited),
        "why": why(hop.why),
    })
}

fn why(why: Why) -> String {
    match why {
        Why::LeafSet => "leaf set: the root itself".to_owned(),
        Why::LongerPrefix { digits } => format!("longer prefix: {digits} digits"),
        Why::SamePrefixCloser => "same prefix, closer".to_owned(),
        Why::Holds => "says that it holds a copy".to_owned(),
        Why::Detour { to } => format!("detour: the quicker way to {}", to.short()),
    }
}

pub(super) fn holder(holder: &Holder) -> Value {
    json!({ "contact": contact(&holder.contact), "replica": holder.replica })
}

/// What became of a put.
pub(super) fn stored(object: &Id, receipts: &[Receipt]) -> Value {
    let receipt = |receipt: &Receipt| {
        json!({
            "keeper_key": hex(receipt.keeper.as_bytes()),
            "version": receipt.version,
            "lifetime_s": receipt.lifetime.as_secs_f64(),
        })
    };
    json!({ "id": id(object), "replicas": receipts.len(), "receipts": receipts.iter().map(receipt).collect::<Vec<_>>() })
}

/// A signed record and its id.
pub(super) fn record(record: &Record) -> Value {
    let mut shape = json!(Written::of(record));
    shape["id"] = id(&record.id());
    shape
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of an even number of hex digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
