//! Conversations between directories, in virtual time.
//!
//! Owns: what is promised about objects, told as stories.
//! Never does: test routing.

mod busy;
mod durable;
mod publications;
mod renewal;
mod representatives;
mod town;

use super::{ROOTS_PER_OBJECT, Shares, Tuning, Upkeep};
use crate::base::{Id, Span};
use crate::identity::SecretKey;
use crate::overlay::{Command, Failure, Reply};
use crate::wire::directory::{OfferEntry, Refusal, Request, ShareLimit};
use crate::wire::object::{Pointer, Receipt, Record, Value};
use crate::wire::{Blob, Directory as Wire, Message};
use town::{Answered, Town};

fn blob(text: &str) -> Value {
    Value::Blob(Blob::from(text.as_bytes().to_vec()))
}

fn large(seed: u8) -> Value {
    Value::Blob(Blob::from(vec![seed; 100_000]))
}

fn record(sequence: u64, text: &str) -> Value {
    Value::Record(Record::sign(&SecretKey::from_seed([99; 32]), b"salt", sequence, text.into()))
}

fn put(value: &Value) -> Command {
    Command::Put { value: value.clone(), lifetime: HOUR, replicas: 0, expected: None }
}

fn swap(value: &Value, expected: u64) -> Command {
    Command::Put { value: value.clone(), lifetime: HOUR, replicas: 0, expected: Some(expected) }
}

fn get(object: Id) -> Command {
    Command::Get { object }
}

fn publish(value: &Value) -> Command {
    Command::Publish { value: value.clone(), lifetime: None }
}

fn receipts(answer: Answered) -> Vec<Receipt> {
    match answer {
        Ok(Reply::Stored { receipts, .. }) => receipts,
        other => panic!("not stored: {other:?}"),
    }
}

fn value_of(answer: Answered) -> Value {
    match answer {
        Ok(Reply::Value { value, .. }) => value,
        other => panic!("no value: {other:?}"),
    }
}

fn holders(answer: Answered) -> Vec<Id> {
    match answer {
        Ok(Reply::Holders { holders, .. }) => holders.iter().map(|holder| holder.contact.id()).collect(),
        other => panic!("no holders: {other:?}"),
    }
}

fn refusal(answer: Answered) -> Refusal {
    match answer {
        Err(Failure::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_is_put_is_kept_by_four_and_got_from_everywhere() {
    let mut town = Town::of(9, Tuning::default());
    for value in [blob("small"), large(1), record(1, "record")] {
        let kept = receipts(town.ask(2, put(&value)));
        assert!(kept.len() >= 3 && kept.iter().all(Receipt::holds));
        town.rest(Span::from_secs(1));
        assert_eq!(town.copies(&value.id()), 4);
        for node in 0..9 {
            assert_eq!(value_of(town.ask(node, get(value.id()))), value);
        }
    }
}

#[test]
fn one_two_and_three_nodes_are_a_network() {
    for count in 1..=3 {
        let mut town = Town::of(count, Tuning::default());
        for value in [blob("small"), large(2), record(4, "record")] {
            let kept = receipts(town.ask(0, put(&value)));
            assert!(kept.len() > usize::from(count) / 2);
            town.rest(Span::from_secs(1));
            assert_eq!(town.copies(&value.id()), usize::from(count));
            for node in 0..usize::from(count) {
                assert_eq!(value_of(town.ask(node, get(value.id()))), value);
            }
        }
        let published = blob("published");
        assert!(matches!(town.ask(0, publish(&published)), Ok(Reply::Published { roots: ROOTS_PER_OBJECT, .. })));
        for node in 0..usize::from(count) {
            assert_eq!(holders(town.ask(node, Command::Locate { object: published.id() })), [town.id(0)]);
            assert_eq!(value_of(town.ask(node, get(published.id()))), published);
        }
        assert!(matches!(town.ask(0, get(Id::MAX)), Err(Failure::NotFound)));
        assert!(matches!(town.ask(0, Command::Locate { object: Id::MAX }), Err(Failure::NotFound)));
    }
}

#[test]
fn a_put_survives_one_dead_replica_and_a_spare_takes_its_place() {
    let mut town = Town::of(9, Tuning::default());
    let value = blob("value");
    let replica = town.nearest(&value.id())[2];
    town.kill(replica);
    let asker = town.nearest(&value.id())[5];
    assert!(receipts(town.ask(asker, put(&value))).len() >= 3);
    town.rest(Span::from_secs(6));
    assert_eq!(town.copies(&value.id()), 4);
}

#[test]
fn too_few_replicas_are_a_refusal_and_not_a_promise() {
    let tuning = Tuning { patience: Span::from_secs(3), ..Tuning::default() };
    let mut town = Town::of(5, tuning);
    let value = blob("value");
    let order = town.nearest(&value.id());
    for node in &order[1..] {
        town.nodes[*node].disk_fails = true;
    }
    assert_eq!(refusal(town.ask(order[0], put(&value))), Refusal::Disk);
    let other = blob("other");
    let order = town.nearest(&other.id());
    order[1..].iter().for_each(|node| town.kill(*node));
    let refused = refusal(town.ask(order[0], put(&other)));
    assert!(matches!(refused, Refusal::TooFewReplicas { stored: 1, needed: 3 } | Refusal::Disk), "{refused:?}");
}

#[test]
fn the_newest_record_wins_at_every_replica() {
    let mut town = Town::of(7, Tuning::default());
    let object = record(1, "").id();
    receipts(town.ask(0, put(&record(2, "two"))));
    assert_eq!(refusal(town.ask(1, put(&record(1, "one")))), Refusal::Stale { version: 2 });
    assert_eq!(refusal(town.ask(1, put(&record(2, "another two")))), Refusal::Stale { version: 2 });
    receipts(town.ask(1, put(&record(2, "two"))));
    receipts(town.ask(2, put(&record(3, "three"))));
    town.rest(Span::from_secs(1));
    let versions: Vec<u64> = town.nodes.iter().filter_map(|n| n.values.get(&object)).map(|v| v.0.version()).collect();
    assert_eq!(versions, [3, 3, 3, 3]);
    assert_eq!(value_of(town.ask(5, get(object))), record(3, "three"));
}

#[test]
fn compare_and_swap_lets_one_of_two_writers_through() {
    let mut town = Town::of(7, Tuning::default());
    receipts(town.ask(0, swap(&record(1, "one"), 0)));
    assert_eq!(refusal(town.ask(1, swap(&record(2, "late"), 0))), Refusal::Conflict { version: 1 });
    let (a, b) = (town.wish(1, swap(&record(2, "two"), 1)), town.wish(2, swap(&record(3, "three"), 1)));
    town.rest(Span::from_secs(25));
    let won = [a, b].iter().filter(|request| town.answers[request][0].is_ok()).count();
    assert_eq!(won, 1);
    // The same again is no conflict: the answer may have been lost.
    let again = if town.answers[&a][0].is_ok() { swap(&record(2, "two"), 1) } else { swap(&record(3, "three"), 1) };
    receipts(town.ask(3, again));
}

#[test]
fn a_root_new_in_its_place_knows_no_version_and_asks_before_it_swaps() {
    let mut town = Town::of(7, Tuning::default());
    let value = record(5, "five");
    receipts(town.ask(0, put(&value)));
    town.rest(Span::from_secs(1));
    let root = town.nearest(&value.id())[0];
    town.nodes[root].values.clear();
    town.restart(root);
    let refused = refusal(town.ask(0, swap(&record(6, "six"), 0)));
    assert_eq!(refused, Refusal::Conflict { version: 5 });
}

#[test]
fn a_root_behind_its_neighbours_catches_up_when_it_notices() {
    let mut town = Town::of(7, Tuning::default());
    let object = record(1, "").id();
    receipts(town.ask(0, put(&record(5, "five"))));
    town.rest(Span::from_secs(1));
    let root = town.nearest(&object)[0];
    town.nodes[root].values.clear();
    town.restart(root);
    assert_eq!(refusal(town.ask(0, put(&record(2, "two")))), Refusal::Stale { version: 5 });
    town.rest(Span::from_secs(1));
    assert_eq!(town.nodes[root].values[&object].0, record(5, "five"));
}

#[test]
fn a_root_back_from_the_dead_does_not_answer_with_an_old_record() {
    let mut town = Town::of(7, Tuning::default());
    let object = record(1, "").id();
    receipts(town.ask(0, put(&record(1, "one"))));
    town.rest(Span::from_secs(40));
    let order = town.nearest(&object);
    town.kill(order[0]);
    town.look_around();
    receipts(town.ask(order[5], put(&record(2, "two"))));
    town.restart(order[0]);
    assert_eq!(value_of(town.ask(order[5], get(object))), record(2, "two"));
    town.rest(Span::from_secs(10));
    assert_eq!(town.nodes[order[0]].values[&object].0, record(2, "two"));
}

#[test]
fn a_claim_withdrawn_while_it_is_renewed_stays_withdrawn() {
    let mut town = Town::of(8, Tuning { pointer_lifetime: Span::from_secs(20), ..Tuning::default() });
    let value = blob("value");
    assert!(town.ask(0, publish(&value)).is_ok());
    town.loss = 0.3;
    for _ in 0..6 {
        town.rest(Span::from_secs(9));
        let withdrawn = town.ask(0, Command::Unpublish { object: value.id() });
        town.loss = 0.0;
        if withdrawn.is_ok() {
            break;
        }
    }
    town.rest(Span::from_secs(10));
    assert!(matches!(town.ask(4, Command::Locate { object: value.id() }), Err(Failure::NotFound)));
}

#[test]
fn forged_records_are_refused_and_spread_nowhere() {
    let mut town = Town::of(5, Tuning::default());
    let Value::Record(mut forged) = record(7, "true") else { panic!() };
    forged.bytes = Blob::from(b"false".to_vec());
    let forged = Value::Record(forged);
    assert_eq!(refusal(town.ask(0, put(&forged))), Refusal::Forged);
    let root = town.nearest(&forged.id())[0];
    let from = town.id((root + 1) % 5);
    let request = Request::Replicate { value: forged.clone(), lifetime: HOUR, receipt: true };
    town.hear(root, from, Wire::Ask { number: 1, request });
    town.rest(Span::from_secs(1));
    assert_eq!(town.copies(&forged.id()), 0);
}

#[test]
fn the_quota_and_the_shares_are_named_when_they_refuse() {
    let tuning = Tuning { quota_bytes: 1_000, patience: Span::from_secs(2), ..Tuning::default() };
    let mut town = Town::of(1, tuning);
    let too_much = Value::Blob(Blob::from(vec![1; 501]));
    assert_eq!(refusal(town.ask(0, put(&too_much))), Refusal::Quota { limit: 1_000 });
    assert_eq!(refusal(town.ask(0, publish(&too_much))), Refusal::Quota { limit: 1_000 });
    assert!(town.reading(0, "directory_refused_total") > 0.0);
    let oversized = Value::Blob(Blob::from(vec![1; (1 << 20) + 1]));
    assert_eq!(refusal(town.ask(0, put(&oversized))), Refusal::TooLarge { limit: 1 << 20 });

    let tuning = Tuning {
        shares: Shares { values_per_source: 2, ..Shares::default() },
        patience: Span::from_secs(2),
        ..Tuning::default()
    };
    let mut town = Town::of(2, tuning);
    let refused = (0..20).map(|n| town.ask(n % 2, put(&blob(&n.to_string())))).find_map(Result::err);
    assert_eq!(refused, Some(Failure::Refused(Refusal::Share { limit: ShareLimit::ValuesPerSource })));
}

#[test]
fn values_and_claims_end_with_their_lifetime() {
    let mut town = Town::of(6, Tuning { pointer_lifetime: Span::from_secs(20), ..Tuning::default() });
    let value = blob("short-lived");
    let command = Command::Put { value: value.clone(), lifetime: Span::from_secs(20), replicas: 0, expected: None };
    receipts(town.ask(0, command));
    let published = blob("published");
    assert!(town.ask(1, publish(&published)).is_ok());
    town.rest(Span::from_secs(60));
    assert_eq!(town.copies(&value.id()), 0);
    assert!(matches!(town.ask(3, get(value.id())), Err(Failure::NotFound)));
    assert_eq!(holders(town.ask(3, Command::Locate { object: published.id() })), [town.id(1)], "it was renewed");
    town.kill(1);
    town.look_around();
    town.rest(Span::from_secs(21));
    assert!(matches!(town.ask(3, Command::Locate { object: published.id() }), Err(Failure::NotFound)));
}

#[test]
fn a_withdrawn_claim_is_gone_and_its_replay_loses() {
    let mut town = Town::of(8, Tuning::default());
    let (small, big) = (blob("small"), large(9));
    let object = small.id();
    assert!(town.ask(0, publish(&small)).is_ok());
    assert!(town.ask(0, publish(&big)).is_ok());
    assert!(town.ask(3, publish(&small)).is_ok());
    assert_eq!(value_of(town.ask(5, get(big.id()))), big);
    let mut found = holders(town.ask(6, Command::Locate { object }));
    found.sort();
    let mut both = vec![town.id(0), town.id(3)];
    both.sort();
    assert_eq!(found, both);
    let root = town.nearest(&object)[0];
    let old: Vec<Pointer> = town.nodes[root].pointers.values().map(|(pointer, _)| pointer.clone()).collect();
    assert!(matches!(
        town.ask(3, Command::Unpublish { object }),
        Ok(Reply::Unpublished { roots: ROOTS_PER_OBJECT, .. })
    ));
    assert!(matches!(town.ask(3, Command::Unpublish { object }), Err(Failure::NotFound)));
    for pointer in old {
        let request = Request::Publish { root: pointer.object, pointer, remaining: HOUR };
        let from = town.id(7);
        town.hear(root, from, Wire::Ask { number: 9, request });
    }
    town.rest(Span::from_secs(1));
    for node in 0..8 {
        assert_eq!(holders(town.ask(node, Command::Locate { object })), [town.id(0)]);
    }
}

#[test]
fn a_published_object_is_found_although_its_first_root_died() {
    let mut town = Town::of(8, Tuning::default());
    let value = blob("value");
    let order = town.nearest(&value.id());
    assert!(town.ask(order[4], publish(&value)).is_ok());
    town.kill(order[0]);
    town.kill(order[1]);
    town.look_around();
    assert_eq!(value_of(town.ask(order[6], get(value.id()))), value);
    assert_eq!(holders(town.ask(order[7], Command::Locate { object: value.id() })), [town.id(order[4])]);
}

#[test]
fn a_silent_holder_costs_a_hedge_and_not_the_value() {
    let mut town = Town::of(8, Tuning::default());
    let value = large(3);
    receipts(town.ask(0, put(&value)));
    town.rest(Span::from_secs(1));
    let order = town.nearest(&value.id());
    town.kill(order[1]);
    town.kill(order[2]);
    let before = town.now;
    assert_eq!(value_of(town.ask(order[6], get(value.id()))), value);
    assert!(town.now.since(before) < Span::from_secs(2), "{:?}", town.now.since(before));
}

#[test]
fn copies_come_back_after_deaths_and_move_to_newcomers() {
    let mut town = Town::of(9, Tuning::default());
    let values: Vec<Value> = (0..40).map(|n| blob(&n.to_string())).chain([large(5), record(3, "r")]).collect();
    for value in &values {
        receipts(town.ask(0, put(value)));
    }
    town.rest(Span::from_secs(1));
    town.kill(4);
    town.kill(5);
    town.look_around();
    town.rest(Span::from_secs(30));
    for value in &values {
        assert_eq!(town.copies(&value.id()), 4);
    }
    for seed in 20..24 {
        town.add(seed);
    }
    town.look_around();
    town.rest(Span::from_secs(60));
    for value in &values {
        let order = town.nearest(&value.id());
        for node in &order[..4] {
            assert!(town.nodes[*node].values.contains_key(&value.id()), "rank is owed a copy");
        }
        assert!(town.copies(&value.id()) <= 5, "copies beyond the margin have gone");
    }
    for node in 0..town.nodes.len() {
        assert_eq!(town.reading(node, "directory_repair_queue"), 0.0);
    }
}

#[test]
fn a_root_that_lacks_a_value_asks_its_neighbours_first() {
    let mut town = Town::of(9, Tuning::default());
    let value = blob("value");
    receipts(town.ask(0, put(&value)));
    town.rest(Span::from_secs(1));
    let root = town.nearest(&value.id())[0];
    town.nodes[root].values.clear();
    town.restart(root);
    let asker = town.nearest(&value.id())[7];
    assert_eq!(value_of(town.ask(asker, get(value.id()))), value);
}

#[test]
fn a_leaving_node_hands_over_and_leaves_once() {
    let mut town = Town::of(8, Tuning::default());
    let value = blob("handed over");
    let order = town.nearest(&value.id());
    // Only the leaver has it: the others lost theirs.
    receipts(town.ask(order[0], put(&value)));
    assert!(town.ask(order[0], publish(&blob("mine"))).is_ok());
    town.rest(Span::from_secs(20));
    for node in &order[1..] {
        town.nodes[*node].values.remove(&value.id());
        town.restart(*node);
    }
    let request = town.wish(order[0], get(Id::MAX));
    town.leave(order[0]);
    assert!(matches!(town.answers[&request][..], [Err(Failure::Stopping)]));
    town.rest(Span::from_secs(5));
    assert_eq!(town.nodes[order[0]].left, 2, "once for each shard");
    town.kill(order[0]);
    town.look_around();
    assert_eq!(value_of(town.ask(order[7], get(value.id()))), value);
    let gone = Command::Locate { object: blob("mine").id() };
    assert!(matches!(town.ask(order[7], gone), Err(Failure::NotFound)));
}

#[test]
fn a_restart_keeps_values_and_publishes_again() {
    let mut town = Town::of(6, Tuning::default());
    let (value, published) = (blob("value"), blob("published"));
    receipts(town.ask(0, put(&value)));
    assert!(town.ask(2, publish(&published)).is_ok());
    for node in 0..6 {
        town.kill(node);
    }
    for node in 0..6 {
        town.nodes[node].pointers.clear();
        town.restart(node);
    }
    town.rest(Span::from_secs(5));
    assert_eq!(value_of(town.ask(3, get(value.id()))), value);
    assert_eq!(holders(town.ask(3, Command::Locate { object: published.id() })), [town.id(2)]);
    assert!(matches!(town.ask(2, Command::Unpublish { object: published.id() }), Ok(Reply::Unpublished { .. })));
    assert!(matches!(town.ask(4, get(published.id())), Err(Failure::NotFound)));
}

#[test]
fn every_wish_has_exactly_one_result_whatever_is_lost() {
    for seed in 0..4 {
        let mut town = Town::of(8, Tuning { patience: Span::from_secs(10), ..Tuning::default() });
        town.chance = crate::base::Chance::from_seed(seed);
        town.loss = 0.2;
        let values: Vec<Value> = (0..12).map(|n| blob(&n.to_string())).chain([large(1), record(1, "r")]).collect();
        for (index, value) in values.iter().enumerate() {
            town.wish(index % 8, put(value));
            town.wish((index + 3) % 8, publish(value));
        }
        town.rest(Span::from_secs(11));
        for (index, value) in values.iter().enumerate() {
            town.wish((index + 1) % 8, get(value.id()));
            town.wish((index + 2) % 8, Command::Locate { object: value.id() });
            town.wish((index + 3) % 8, Command::Unpublish { object: value.id() });
        }
        town.kill(7);
        town.rest(Span::from_secs(11));
        let doomed: Vec<_> = town.answers.iter().filter(|(_, answers)| answers.len() != 1).collect();
        assert!(doomed.len() <= 12, "only those the dead node was asked: {doomed:?}");
        assert!(doomed.iter().all(|(_, answers)| answers.is_empty()));
        let happy = town.answers.values().filter(|answers| matches!(answers[..], [Ok(_)])).count();
        assert!(happy * 10 > town.answers.len() * 6, "{happy} of {}", town.answers.len());
        for node in 0..7 {
            assert_eq!(town.reading(node, "directory_wishes"), 0.0);
        }
    }
}

#[test]
fn nothing_is_left_behind_when_all_is_withdrawn_and_expired() {
    let mut town = Town::of(6, Tuning { pointer_lifetime: Span::from_secs(30), ..Tuning::default() });
    for n in 0..10 {
        let value = blob(&n.to_string());
        let lifetime = Span::from_secs(30);
        receipts(town.ask(0, Command::Put { value: value.clone(), lifetime, replicas: 0, expected: None }));
        assert!(town.ask(n % 6, Command::Publish { value: value.clone(), lifetime: None }).is_ok());
        assert!(town.ask(n % 6, Command::Unpublish { object: value.id() }).is_ok());
    }
    town.rest(Span::from_mins(5));
    for node in 0..6 {
        assert!(town.nodes[node].interest.is_empty(), "{:?}", town.nodes[node].interest);
        for name in ["asks", "routed", "work", "wishes", "root_puts", "surveys", "pointers", "objects", "store_bytes"] {
            assert_eq!(town.reading(node, &format!("directory_{name}")), 0.0, "{name}");
        }
    }
}

#[test]
fn wishes_beyond_the_limit_are_refused_by_name() {
    let mut town = Town::of(3, Tuning { wishes_max: 2, ..Tuning::default() });
    let requests: Vec<_> = (0..20).map(|n| town.wish(0, get(Id::hash_of(&[n])))).collect();
    let limited =
        requests.iter().filter(|r| matches!(town.answers[r][..], [Err(Failure::Limit("directory.wishes_max"))]));
    assert_eq!(limited.count(), 18);
}

#[test]
fn a_hot_small_value_is_answered_without_the_disk() {
    let mut town = Town::of(6, Tuning::default());
    let value = blob("hot");
    receipts(town.ask(0, put(&value)));
    let root = town.nearest(&value.id())[0];
    for _ in 0..10 {
        let asker = town.nearest(&value.id())[5];
        assert_eq!(value_of(town.ask(asker, get(value.id()))), value);
    }
    let mut readings = Vec::new();
    town.nodes
        .iter()
        .for_each(|node| node.shards.iter().for_each(|s| crate::machine::Machine::readings(s, &mut readings)));
    let from_disk =
        readings.iter().any(|r| r.name == "directory_reads_total" && format!("{:?}", r.label).contains("disk"));
    assert!(!from_disk && town.reading(root, "directory_cache_bytes") > 0.0);
}

#[test]
fn a_strangers_wanted_is_not_served() {
    let mut town = Town::of(4, Tuning::default());
    let value = blob("value");
    receipts(town.ask(0, put(&value)));
    let root = town.nearest(&value.id())[0];
    town.hear(root, Id::MAX, Wire::Wanted { objects: vec![value.id()] });
    town.rest(Span::from_secs(1));
    assert!(!town.said.iter().any(|(_, to, m)| *to == Id::MAX && matches!(m, Message::Directory(Wire::Ask { .. }))));
}

#[test]
fn what_was_asked_for_and_never_came_is_asked_for_again() {
    let mut town = Town::of(4, Tuning::default());
    let object = Id::hash_of(b"offered and not sent");
    let (root, other) = (town.nearest(&object)[0], town.nearest(&object)[1]);
    let teller = town.id(other);
    let wanted = |town: &Town| {
        town.said
            .iter()
            .filter(|(_, to, m)| *to == teller && matches!(m, Message::Directory(Wire::Wanted { .. })))
            .count()
    };
    for (pause, asked) in [(1, 1), (10, 1), (1, 2)] {
        let entry = OfferEntry { object, version: 0, remaining: HOUR };
        town.hear(root, teller, Wire::Offer { entries: vec![entry] });
        town.rest(Span::from_secs(pause));
        assert_eq!(wanted(&town), asked);
    }
}

const HOUR: Span = Span::from_hours(1);
