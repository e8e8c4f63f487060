//! One message of every kind, always the same.
//!
//! Owns: the list that golden bytes and fuzzing start from.
//! Never does: check anything.

use arras::base::{Coordinate, Id, Load, Span};
use arras::identity::{Contact, NodeName, Role, SecretKey};
use arras::wire::directory::{
    Answer, Claimed, Entry, Holder, KnownAs, OfferEntry, Range, RangeSum, Refusal, Request, ShareLimit, Slice,
    claim_version,
};
use arras::wire::membership::About;
use arras::wire::object::{Pointer, Receipt, Record, Value};
use arras::wire::probe::{Bearing, ReachEntry};
use arras::wire::routing::{Detour, Errand, Header, Heard, Held, Holds, Outcome, ReturnHeader, TraceHop, Why};
use arras::wire::{Blob, Card, Directory, Membership, Message, Probe, Profile, Routing};
use bytes::Bytes;

/// Every variant of every family, with a name for it.
pub fn messages() -> Vec<(&'static str, Message)> {
    [routing(), probes(), membership(), requests(), answers()].concat()
}

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

fn contact() -> Contact {
    let addresses = ["192.0.2.1:7420".parse().expect("v4"), "[2001:db8::1]:7420".parse().expect("v6")];
    Contact::sign(&key(), NodeName::solve(key().public(), 4), &addresses, Role::Server, 3)
}

fn card() -> Card {
    Card { contact: contact().into(), coordinate: Coordinate::default() }
}

fn id(first: u8) -> Id {
    Id::from_bytes([first; 32])
}

fn header(detour: Option<Detour>) -> Header {
    Header {
        label: 300,
        key: id(1),
        origin: id(2),
        errand: Errand::Deposit,
        traced: true,
        hops: 2,
        patience: Span::from_secs(5),
        closing: true,
        detour,
        words: 1,
    }
}

fn routing() -> Vec<(&'static str, Message)> {
    let detour = Detour { to: id(3), floor: id(4), for_copy: true };
    let hop = |why| TraceHop {
        at: id(5),
        next: id(6),
        address: "192.0.2.1:7420".parse().ok(),
        rtt: Span::from_millis(20),
        waited: Span::from_millis(25),
        why,
    };
    let trace = vec![
        hop(Why::LeafSet),
        hop(Why::LongerPrefix { digits: 2 }),
        hop(Why::SamePrefixCloser),
        hop(Why::Holds),
        hop(Why::Detour { to: id(3) }),
    ];
    let returned = |outcome, trace| {
        let header = ReturnHeader {
            label: 300,
            outcome,
            hops: 3,
            last: Span::from_micros(40_000),
            load: Load::of(120.0),
            trace,
        };
        Message::Routing(Routing::Return(header, Bytes::from_static(b"answer")))
    };
    let payload = Bytes::from_static(b"request");
    vec![
        ("routing.forward", Message::Routing(Routing::Forward(header(None), payload.clone()))),
        ("routing.forward.detour", Message::Routing(Routing::Forward(header(Some(detour)), payload))),
        ("routing.return.answered", returned(Outcome::Answered { by: id(7) }, trace)),
        ("routing.return.no-route", returned(Outcome::NoRoute { at: id(7) }, vec![])),
        ("routing.return.hop-budget", returned(Outcome::HopBudget { at: id(7) }, vec![])),
        ("routing.return.silence", returned(Outcome::Silence { at: id(7) }, vec![])),
        ("routing.return.busy", returned(Outcome::Busy { at: id(7) }, vec![])),
        ("routing.accept", Message::Routing(Routing::Accept(vec![1, 300, u32::MAX]))),
        (
            "routing.holds",
            Message::Routing(Routing::Holds(Holds { part: 1, copies: vec![Held::of(&id(1)), Held::of(&id(2))] })),
        ),
        ("routing.hearsay-wanted", Message::Routing(Routing::HearsayWanted)),
        (
            "routing.hearsay",
            Message::Routing(Routing::Hearsay(Vec::from_iter(Heard::of(Held::of(&id(1)), Span::from_millis(47))))),
        ),
    ]
}

fn probes() -> Vec<(&'static str, Message)> {
    let bearing = Bearing { ready: true, nodes: 300, ..Bearing::default() };
    let links = vec![ReachEntry { peer: 0x0102_0304_0506_0708, rtt: Span::from_millis(80) }];
    [
        ("probe.ping", Probe::Ping { round: 1, bearing }),
        ("probe.pong", Probe::Pong { round: 1, bearing }),
        ("probe.ping-for", Probe::PingFor { round: 2, suspect: card() }),
        ("probe.pong-for", Probe::PongFor { round: 2, suspect: id(1), alive: false }),
        ("probe.reach", Probe::Reach { links: links.into() }),
        ("probe.beat", Probe::Beat { bearing }),
        ("probe.gone", Probe::Gone { suspect: id(1) }),
    ]
    .map(|(name, probe)| (name, Message::Probe(probe)))
    .to_vec()
}

fn membership() -> Vec<(&'static str, Message)> {
    let leaf_set = vec![id(1).prefix_u64(), id(2).prefix_u64()];
    let wanted = |about| Membership::ContactsWanted { round: 9, about };
    let contacts = Membership::Contacts { round: 9, about: About::LeafSet, ready: true, cards: vec![card()] };
    let profile = Profile {
        program: "arras/0.1.0".to_owned(),
        uptime: Span::from_hours(3),
        coordinate: Coordinate::default(),
        ready: true,
        links: 40,
        known: 320,
        rows: 4,
    };
    [
        ("membership.contacts-wanted.leaf-set", wanted(About::LeafSet)),
        ("membership.contacts-wanted.row", wanted(About::Row(2))),
        ("membership.contacts-wanted.place", wanted(About::Place(id(9)))),
        ("membership.contacts-wanted.nearby", wanted(About::Nearby)),
        ("membership.contacts-wanted.node", wanted(About::Node(9))),
        ("membership.contacts", contacts),
        (
            "membership.announce",
            Membership::Announce { round: 1, ready: true, card: card(), leaf_set: leaf_set.clone() },
        ),
        ("membership.leaf-set", Membership::LeafSet { round: 1, ready: false, cards: vec![card()], leaf_set }),
        ("membership.leaving", Membership::Leaving { heirs: vec![card()] }),
        ("membership.profile-wanted", Membership::ProfileWanted { round: 9 }),
        ("membership.profile", Membership::Profile { round: 9, profile }),
    ]
    .map(|(name, message)| (name, Message::Membership(message)))
    .to_vec()
}

fn record() -> Record {
    Record::sign(&key(), b"salt", 5, b"fifth".to_vec())
}

fn requests() -> Vec<(&'static str, Message)> {
    let pointer = Pointer::sign(&key(), contact(), id(1), 4, Span::from_hours(1));
    let blob = Value::Blob(Blob::from(b"bytes".to_vec()));
    let lifetime = Span::from_hours(24);
    let coordinate = Coordinate::default();
    let put = Request::Put { value: blob.clone(), lifetime, replicas: 4, expected: None };
    let swap = Request::Put { value: Value::Record(record()), lifetime, replicas: 4, expected: Some(4) };
    let mut list: Vec<(&'static str, Message)> = [
        ("directory.ask.publish", Request::Publish { root: id(1), pointer, remaining: Span::from_mins(50) }),
        ("directory.ask.locate", Request::Locate { object: id(1), root: id(2), coordinate }),
        ("directory.ask.put.blob", put),
        ("directory.ask.put.record", swap),
        ("directory.ask.get", Request::Get { object: id(1), coordinate, inline_bytes_max: 8_192, served: 3 }),
        ("directory.ask.fetch", Request::Fetch { object: id(1) }),
        ("directory.ask.replicate", Request::Replicate { value: blob, lifetime, receipt: true }),
        ("directory.ask.who", Request::Who { object: id(1) }),
    ]
    .map(|(name, request)| (name, Message::Directory(Directory::Ask { number: 77, request })))
    .to_vec();
    let entries = vec![OfferEntry { object: id(1), version: 5, remaining: Span::from_hours(2) }];
    list.push(("directory.offer", Message::Directory(Directory::Offer { entries })));
    list.push(("directory.wanted", Message::Directory(Directory::Wanted { objects: vec![id(1)] })));
    list.push(("directory.kept", Message::Directory(Directory::Kept { objects: vec![id(1)] })));
    list.extend(representatives());
    let slice = Slice { keys: (3, 4), shard: 1, shards: 2 };
    let ranges = vec![Range { first: 1 << 60, last: 2 << 60 }];
    list.push(("directory.compare", Message::Directory(Directory::Compare { salt: 99, slice, ranges })));
    let sums = vec![RangeSum { count: 300, digest: [7; 16] }];
    let compared = Directory::Compared { salt: 99, asker: 1, shard: 0, shards: 2, sums };
    list.push(("directory.compared", Message::Directory(compared)));
    list.extend(renewals(slice));
    list
}

fn renewals(slice: Slice) -> Vec<(&'static str, Message)> {
    let range = Range { first: 1 << 60, last: 2 << 60 };
    let renew = Directory::Renew { salt: 98, slice, ranges: vec![range], named: true };
    let claims = vec![Claimed { object: id(1), salt: 3, version: claim_version(9, Span::from_hours(2)) }];
    let sums = vec![RangeSum { count: 1, digest: [8; 16] }];
    let renewed = Directory::Renewed { salt: 98, asker: 1, shard: 0, shards: 2, covered: range, sums, claims };
    [("directory.renew", renew), ("directory.renewed", renewed)]
        .map(|(name, message)| (name, Message::Directory(message)))
        .to_vec()
}

fn representatives() -> Vec<(&'static str, Message)> {
    let pointer = Pointer::sign(&key(), contact(), id(1), 4, Span::from_hours(1));
    let enlist = |entry| Directory::Enlist { root: id(1), entry, lease: Span::from_mins(5), demand: 900 };
    [
        ("directory.enlist.value", enlist(Entry::Value(Value::Record(record())))),
        ("directory.enlist.claims", enlist(Entry::Claims(vec![pointer]))),
        ("directory.enlist.same", enlist(Entry::Same { version: 5 })),
        ("directory.enlist.large", enlist(Entry::Large)),
        ("directory.serving", Directory::Serving { root: id(1), version: 5, served: 700 }),
        ("directory.decline", Directory::Decline { root: id(1) }),
        ("directory.dismiss", Directory::Dismiss { root: id(1) }),
    ]
    .map(|(name, message)| (name, Message::Directory(message)))
    .to_vec()
}

fn answers() -> Vec<(&'static str, Message)> {
    let holder =
        Holder { contact: contact(), coordinate: Some(Coordinate::default()), replica: true, load: Load::of(40.0) };
    let receipt = Receipt::sign(&key(), id(1), 5, Span::from_hours(24));
    [
        ("directory.answer.published", Answer::Published { lifetime: Span::from_hours(1) }),
        (
            "directory.answer.holders",
            Answer::Holders { holders: vec![holder.clone()], known_as: KnownAs::Representative },
        ),
        ("directory.answer.stored", Answer::Stored { receipts: vec![receipt] }),
        (
            "directory.answer.value",
            Answer::Value { value: Value::Record(record()), replicas: 4, lease: Span::from_mins(5), for_all: true },
        ),
        ("directory.answer.busy", Answer::Busy { others: vec![holder] }),
        ("directory.answer.not-found", Answer::NotFound),
        ("directory.answer.refused.not-ready", Answer::Refused(Refusal::NotReady)),
        ("directory.answer.refused.too-large", Answer::Refused(Refusal::TooLarge { limit: 1 << 20 })),
        ("directory.answer.refused.quota", Answer::Refused(Refusal::Quota { limit: 1 << 30 })),
        ("directory.answer.refused.share", Answer::Refused(Refusal::Share { limit: ShareLimit::WriteRate })),
        ("directory.answer.refused.forged", Answer::Refused(Refusal::Forged)),
        ("directory.answer.refused.stale", Answer::Refused(Refusal::Stale { version: 6 })),
        ("directory.answer.refused.conflict", Answer::Refused(Refusal::Conflict { version: 6 })),
        (
            "directory.answer.refused.too-few-replicas",
            Answer::Refused(Refusal::TooFewReplicas { stored: 1, needed: 3 }),
        ),
        ("directory.answer.refused.disk", Answer::Refused(Refusal::Disk)),
        ("directory.answer.refused.busy", Answer::Refused(Refusal::Busy)),
        ("directory.answer.kept", Answer::Kept),
    ]
    .map(|(name, answer)| {
        (name, Message::Directory(Directory::Answer { number: 77, object: id(1), answer, load: Load::of(90.0) }))
    })
    .to_vec()
}
