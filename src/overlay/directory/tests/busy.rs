//! Holders that have too much to do, told as a story.
//!
//! Owns: what is promised to those who ask them.
//! Never does: look into a shard: what counts is what is said and what the asker gets.

use super::super::away::WORK_MAX;
use super::*;
use crate::wire::directory::Answer;

#[test]
fn whoever_asks_a_holder_with_too_much_to_do_is_told_of_others_and_gets_it_there() {
    let mut town = Town::of(8, Tuning { cache_bytes: 0, ..Tuning::default() });
    let value = large(3);
    receipts(town.ask(0, put(&value)));
    let (object, near) = (value.id(), town.nearest(&value.id()));
    let (busy, idle, askers) = (&near[..3], near[3], &near[4..]);
    town.disk_time = Span::from_secs(1);
    for node in busy {
        for number in 0..WORK_MAX as u64 + 1 {
            town.hear(*node, Id::MAX, Wire::Ask { number, request: Request::Fetch { object } });
        }
    }
    let requests: Vec<_> = askers.iter().map(|asker| town.wish(*asker, get(object))).collect();
    town.rest(Span::from_secs(3));
    for request in requests {
        match town.answers[&request][..] {
            [Ok(Reply::Value { value: ref got, from, .. })] => assert_eq!((got, from), (&value, town.id(idle))),
            ref other => panic!("no value: {other:?}"),
        }
    }
    let named = |to: Id| {
        let said = town.said.iter().filter(move |(_, hearer, _)| *hearer == to);
        said.filter_map(|(_, _, message)| match message {
            Message::Directory(Wire::Answer { answer: Answer::Busy { others }, load, .. }) => {
                Some((others.iter().map(|other| other.contact.id()).collect::<Vec<_>>(), load.per_second()))
            }
            _ => None,
        })
    };
    let (others, load) = named(Id::MAX).next().expect("the last stranger is sent away");
    assert!(others.contains(&town.id(idle)) && others.len() == 3, "{others:?}");
    assert!(load > 100.0, "{load}: thousands within a moment");
    assert!(askers.iter().any(|asker| named(town.id(*asker)).next().is_some()), "nobody came to a busy one first");
    assert!(busy.iter().all(|node| town.reading_of(*node, "directory_refused_total", "shed") > 0.0));
}
