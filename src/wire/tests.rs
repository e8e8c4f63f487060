//! Messages survive their bytes, and no bytes break the decoder.
//!
//! Owns: round trips, limits and broken bytes of every family.
//! Never does: test what a message means.

use super::directory::{Answer, Request};
use super::probe::Bearing;
use super::routing::{Errand, Header, Heard, Held, Holds, Outcome, ReturnHeader};
use super::*;
use crate::base::{Id, Load, Span};
use proptest::prelude::*;

fn header() -> Header {
    Header {
        label: 7,
        key: Id::MAX,
        origin: Id::ZERO,
        errand: Errand::Nearest,
        traced: false,
        hops: 3,
        patience: Span::from_secs(5),
        closing: false,
        detour: None,
        words: 0,
    }
}

fn samples() -> Vec<Message> {
    let returned = ReturnHeader {
        label: 9,
        outcome: Outcome::Answered { by: Id::MAX },
        hops: 2,
        last: Span::ZERO,
        load: Load::NONE,
        trace: vec![],
    };
    vec![
        Message::Routing(Routing::Forward(header(), Bytes::from_static(b"payload"))),
        Message::Routing(Routing::Return(returned, Bytes::new())),
        Message::Routing(Routing::Accept(vec![1, 2, 300])),
        Message::Routing(Routing::Holds(Holds { part: 3, copies: vec![Held::of(&Id::MAX)] })),
        Message::Routing(Routing::HearsayWanted),
        Message::Routing(Routing::Hearsay(Vec::from_iter(Heard::of(Held::of(&Id::MAX), Span::from_millis(35))))),
        Message::Probe(Probe::Ping { round: 1, bearing: Bearing::default() }),
        Message::Membership(Membership::Leaving { heirs: vec![] }),
        Message::Directory(Directory::Ask { number: 1, request: Request::Fetch { object: Id::MAX } }),
        Message::Directory(Directory::Answer {
            number: 1,
            object: Id::MAX,
            answer: Answer::NotFound,
            load: Load::NONE,
        }),
    ]
}

#[test]
fn every_message_survives_its_bytes() {
    for message in samples() {
        assert_eq!(Message::decode(&Bytes::from(message.encode())), Ok(message));
    }
}

#[test]
fn trailing_bytes_are_refused_where_no_payload_follows() {
    for message in &samples()[2..] {
        let mut bytes = message.encode();
        bytes.push(0);
        assert_eq!(Message::decode(&Bytes::from(bytes)), Err(Malformed::NotAValue), "{message:?}");
    }
}

#[test]
fn a_message_past_its_limits_is_refused() {
    let long = Bytes::from(vec![1; MESSAGE_BYTES_MAX + 1]);
    assert!(matches!(Message::decode(&long), Err(Malformed::TooLong { .. })));
    let links = vec![probe::ReachEntry { peer: 1, rtt: Span::ZERO }; probe::REACH_MAX + 1];
    let crowded = Bytes::from(Message::Probe(Probe::Reach { links: links.into() }).encode());
    assert_eq!(Message::decode(&crowded), Err(Malformed::OutOfRange { what: "reach" }));
    let travelled = Header { hops: routing::HOPS_MAX + 1, ..header() };
    let bytes = Message::Routing(Routing::Forward(travelled, Bytes::new())).encode();
    assert_eq!(Message::decode(&Bytes::from(bytes)), Err(Malformed::OutOfRange { what: "hops" }));
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    // A list of 2^62 cards, then nothing.
    let mut bytes = vec![MEMBERSHIP, 4, 253];
    bytes.extend_from_slice(&(1u64 << 62).to_le_bytes());
    assert!(Message::decode(&Bytes::from(bytes)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_break_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Message::decode(&Bytes::from(bytes));
    }

    #[test]
    fn no_bent_message_breaks_the_decoder(which in 0usize..7, at in 0usize..400, bit in 0u8..8, cut in 0usize..400) {
        let mut bytes = samples()[which].encode();
        let length = bytes.len();
        bytes[at % length] ^= 1 << bit;
        bytes.truncate(length - cut % length);
        if let Ok(message) = Message::decode(&Bytes::from(bytes)) {
            prop_assert_eq!(Message::decode(&Bytes::from(message.encode())), Ok(message));
        }
    }
}

#[test]
fn of_many_links_a_quarter_of_those_told_are_the_nearest_and_the_others_are_drawn() {
    use super::probe::ReachEntry;
    let entry = |peer: u64| ReachEntry { peer, rtt: Span::from_millis(1 + peer * 7 % 100) };
    let links: Vec<ReachEntry> = (0..100).map(entry).collect();
    let ids = |told: &[ReachEntry]| Vec::from_iter(told.iter().map(|entry| entry.peer));
    let nearest = ids(&ReachEntry::nearest(links.clone(), 2));
    assert_eq!(nearest, [0, 43], "1 and 2 ms");
    let told = ids(&ReachEntry::spread(links.clone(), 8, |entry| 100 - entry.peer));
    assert_eq!(told, [0, 43, 94, 95, 96, 97, 98, 99]);
    assert_eq!(ids(&ReachEntry::spread(links, 100, |_| 0)).len(), 100);
}
