//! Links of which one way only works.
//!
//! Owns: what the end that is not heard any more can tell of it.
//! Never does: decide when that matters: the Router does.

use super::*;

/// One end reads nothing any more, and goes on talking.
#[test]
fn an_end_that_is_heard_but_acknowledges_nothing_is_told_apart() {
    let mut fleet = Fleet::linked([1, 2]);
    let (talker, deaf) = (fleet.id(0), fleet.id(1));
    let report = |fleet: &mut Fleet| {
        let now = fleet.clock.now();
        fleet.nodes[0].net.link_reports(now).pop().map(|report| report.unacknowledged_for)
    };
    fleet.idle(Span::from_millis(100));
    assert_eq!(report(&mut fleet), Some(Span::ZERO));
    let mut reader = fleet.nodes.pop().expect("the deaf one");
    let said = Span::from_millis(50);
    let mut waits = Vec::new();
    fleet.nodes[0].net.send(&deaf, parcel(1, 30)).unwrap();
    while waits.last().is_none_or(|waits| *waits < said * 10) {
        reader.net.send(&talker, parcel(2, 30)).unwrap();
        reader.net.flush(fleet.clock.now(), &mut fleet.buffers);
        fleet.idle(said);
        waits.extend(report(&mut fleet));
        assert!(waits.len() < 200, "never: {waits:?}");
    }
    assert!(fleet.nodes[0].messages.len() >= 5, "heard all the while");
    reader.net.readable(fleet.clock.now(), &mut fleet.buffers);
    fleet.nodes.push(reader);
    fleet.until("the message", |nodes| nodes[1].messages.len() == 1);
    fleet.nodes[1].net.send(&talker, parcel(3, 30)).unwrap();
    let heard_since = fleet.nodes[0].messages.len();
    fleet.until("its word", |nodes| nodes[0].messages.len() > heard_since);
    assert_eq!(report(&mut fleet), Some(Span::ZERO), "it acknowledges before it says more");
}
