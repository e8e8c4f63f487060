//! Conversations about load: who answers for whom, for how long, and with what.
//!
//! Owns: stories of heat, leases, changes and lies.
//! Never does: measure how well load is spread: the bench `hot` does.

use super::town::Town;
use super::{blob, get, holders, large, publish, put, receipts, record, value_of};
use crate::base::{Id, Span};
use crate::identity::SecretKey;
use crate::overlay::directory::{Leases, Tuning};
use crate::overlay::{Command, Failure, Reply};
use crate::wire::directory::Entry;
use crate::wire::object::{Record, Value};
use crate::wire::routing::Held;
use crate::wire::{Directory as Wire, Message, Routing};

#[test]
fn much_asked_through_one_neighbour_makes_it_a_representative_until_it_cools() {
    let mut town = Town::of(9, Tuning::default());
    let value = record(1, "wanted");
    let object = value.id();
    receipts(town.ask(0, put(&value)));
    town.rest(Span::from_secs(60));
    let nearest = town.nearest(&object);
    let (root, relay, asker) = (nearest[0], nearest[1], nearest[8]);
    for _ in 0..40 {
        assert_eq!(value_of(town.ask(asker, get(object))), value);
    }
    assert_eq!(town.reading(relay, "directory_stands"), 1.0);
    let served = |town: &Town| town.reading(root, "directory_served_total");
    let before = served(&town);
    (0..40).for_each(|_| assert_eq!(value_of(town.ask(asker, get(object))), value));
    assert_eq!(served(&town), before, "the root is spared");
    // Nobody asks any more: the lease lapses on both sides, and nothing is left.
    town.rest(Span::from_mins(3));
    for node in 0..9 {
        assert_eq!(town.reading(node, "directory_stands") + town.reading(node, "directory_leases"), 0.0);
    }
    assert_eq!(value_of(town.ask(asker, get(object))), value);
}

/// Makes the second nearest node a representative for the object; gives back the root, that node, and an asker.
fn heated(town: &mut Town, object: Id) -> (usize, usize, usize) {
    let nearest = town.nearest(&object);
    let (root, relay, asker) = (nearest[0], nearest[1], *nearest.last().unwrap());
    (0..40).for_each(|_| _ = value_of(town.ask(asker, get(object))));
    assert_eq!(town.reading(relay, "directory_stands"), 1.0);
    (root, relay, asker)
}

#[test]
fn a_representative_hears_of_a_new_version_and_without_word_forgets_the_old_one_in_time() {
    let mut town = Town::of(9, Tuning::default());
    let object = record(1, "one").id();
    receipts(town.ask(0, put(&record(1, "one"))));
    town.rest(Span::from_secs(60));
    let (_, relay, asker) = heated(&mut town, object);
    receipts(town.ask(0, put(&record(2, "two"))));
    town.rest(Span::from_millis(50));
    assert_eq!(value_of(town.ask(asker, get(object))), record(2, "two"));
    assert_eq!(town.reading(relay, "directory_stands"), 1.0, "by the representative");
    // Another version, of which no word gets through to it.
    town.deaf = Some(|_, message| matches!(message, Message::Directory(Wire::Enlist { .. })));
    receipts(town.ask(0, put(&record(3, "three"))));
    town.rest(Tuning::default().leases.mutable);
    town.rest(Span::from_secs(1));
    assert_eq!(value_of(town.ask(asker, get(object))), record(3, "three"));
}

#[test]
fn who_writes_reads_what_it_wrote_even_as_a_representative() {
    let mut town = Town::of(9, Tuning::default());
    let object = record(1, "one").id();
    receipts(town.ask(0, put(&record(1, "one"))));
    town.rest(Span::from_secs(60));
    let (_, relay, _) = heated(&mut town, object);
    town.deaf = Some(|_, message| matches!(message, Message::Directory(Wire::Enlist { .. })));
    receipts(town.ask(relay, put(&record(2, "two"))));
    assert_eq!(value_of(town.ask(relay, get(object))), record(2, "two"));
}

#[test]
fn what_is_withdrawn_is_withdrawn_from_representatives_too() {
    let mut town = Town::of(9, Tuning { replicas: 1, ..Tuning::default() });
    let value = blob("published");
    let object = value.id();
    let nearest = town.nearest(&object);
    let (relay, asker) = (nearest[1], nearest[8]);
    let holder = nearest[5];
    assert!(matches!(town.ask(holder, publish(&value)), Ok(Reply::Published { .. })));
    town.rest(Span::from_secs(1));
    for _ in 0..60 {
        holders(town.ask(asker, Command::Locate { object }));
    }
    assert!(matches!(town.ask(holder, Command::Unpublish { object }), Ok(Reply::Unpublished { .. })));
    town.rest(Span::from_secs(1));
    for node in [relay, asker] {
        assert!(matches!(town.ask(node, Command::Locate { object }), Err(Failure::NotFound)), "{node}");
    }
}

#[test]
fn an_object_everybody_wants_comes_with_a_lease_and_askers_tell_what_they_answered_themselves() {
    let leases = Leases { immutable: Span::from_mins(5), ..Leases::default() };
    let mut town = Town::of(9, Tuning { replicas: 1, leases, ..Tuning::default() });
    let value = blob("wanted by all");
    let object = value.id();
    receipts(town.ask(0, put(&value)));
    let asker = town.nearest(&object)[8];
    for _ in 0..80 {
        assert_eq!(value_of(town.ask(asker, get(object))), value);
    }
    assert_eq!(town.reading(asker, "directory_stands"), 1.0);
    let before = town.said.len();
    (0..20).for_each(|_| _ = value_of(town.ask(asker, get(object))));
    let about = |message: &Message| matches!(message, Message::Directory(Wire::Ask { .. } | Wire::Answer { .. }));
    assert!(!town.said[before..].iter().any(|(.., message)| about(message)), "it asks nobody");
    town.rest(Span::from_mins(5));
    assert_eq!(town.reading(asker, "directory_stands"), 0.0);
    assert_eq!(value_of(town.ask(asker, get(object))), value);
}

#[test]
fn who_asks_again_within_minutes_keeps_a_copy_for_itself() {
    for (pause, kept) in [(Span::from_mins(20), 0.0), (Span::from_mins(2), 1.0)] {
        let mut town = Town::of(9, Tuning { replicas: 1, ..Tuning::default() });
        let value = blob("asked for by one");
        let object = value.id();
        receipts(town.ask(0, put(&value)));
        let asker = town.nearest(&object)[8];
        for _ in 0..3 {
            assert_eq!(value_of(town.ask(asker, get(object))), value);
            town.rest(pause);
        }
        let all = (0..9).map(|node| town.reading(node, "directory_stands")).sum::<f64>();
        assert_eq!((town.reading(asker, "directory_stands"), all), (kept, kept), "every {pause}");
    }
}

#[test]
fn nobody_is_made_to_answer_with_what_is_old_forged_or_of_no_concern_to_it() {
    let mut town = Town::of(9, Tuning::default());
    let (old, new) = (record(1, "old"), record(2, "new"));
    let object = new.id();
    receipts(town.ask(0, put(&new)));
    town.rest(Span::from_secs(60));
    let (root, relay, asker) = heated(&mut town, object);
    let (liar, root_id) = (town.id(root), town.id(root));
    let enlist = |value: &Value| Wire::Enlist {
        root: object,
        entry: Entry::Value(value.clone()),
        lease: Span::from_hours(100),
        demand: u32::MAX,
    };
    let mut forged = Record::sign(&SecretKey::from_seed([99; 32]), b"salt", 9, b"forged".to_vec());
    forged.sequence = 10;
    for bad in [&old, &Value::Record(forged), &blob("another object")] {
        town.hear(relay, liar, enlist(bad));
        town.rest(Span::from_millis(100));
        assert_eq!(value_of(town.ask(asker, get(object))), new);
    }
    // The farthest node's word about it is not the way from there to the root.
    let far = town.id(asker);
    town.hear(town.nearest(&object)[2], far, enlist(&record(3, "newer")));
    town.rest(Span::from_millis(100));
    assert_eq!(town.reading(town.nearest(&object)[2], "directory_stands"), 0.0);
    // However long a lease is promised, it is no longer than this node allows.
    town.hear(relay, root_id, enlist(&record(3, "newer")));
    town.rest(Tuning::default().leases.mutable + Span::from_secs(1));
    assert_eq!(town.reading(relay, "directory_stands"), 0.0);
}

/// A replica may be older than any lease: its keeper leases on what never changes, and of a record only what was leased to it.
#[test]
fn who_merely_keeps_a_record_leases_it_to_nobody() {
    let mut town = Town::of(9, Tuning::default());
    let enlists = |town: &mut Town, value: &Value| {
        receipts(town.ask(0, put(value)));
        town.rest(Span::from_secs(60));
        let (object, version) = (value.id(), value.version());
        let nearest = town.nearest(&object);
        let (keeper, asker) = (town.id(nearest[1]), town.id(nearest[8]));
        let before = town.said.len();
        let enlist = |(from, _, message): &&(Id, Id, Message)| {
            *from == keeper && matches!(message, Message::Directory(Wire::Enlist { root, .. }) if *root == object)
        };
        for told in [version, 99] {
            town.hear(nearest[1], asker, Wire::Serving { root: object, version: told, served: 1_000 });
        }
        town.rest(Span::from_millis(100));
        town.said[before..].iter().filter(enlist).count()
    };
    assert_eq!(enlists(&mut town, &record(1, "changes")), 0);
    assert_eq!(enlists(&mut town, &blob("never changes")), 2);
}

#[test]
fn another_granters_word_prolongs_a_lease_and_goes_down_the_tree() {
    let mut town = Town::of(9, Tuning::default());
    let value = record(1, "wanted");
    let object = value.id();
    receipts(town.ask(0, put(&value)));
    town.rest(Span::from_secs(60));
    let (root, relay, asker) = heated(&mut town, object);
    (0..40).for_each(|_| _ = value_of(town.ask(asker, get(object))));
    assert_eq!(town.reading(asker, "directory_stands"), 1.0, "enlisted by the representative");
    let (root_id, asker_id) = (town.id(root), town.id(asker));
    let lease = Tuning::default().leases.mutable;
    town.rest(lease * 2 / 3);
    let before = town.said.len();
    let same = |demand: u32| Wire::Enlist { root: object, entry: Entry::Same { version: 1 }, lease, demand };
    town.hear(relay, root_id, same(3_600_000));
    town.rest(Span::from_millis(100));
    let told = |(_, to, message): &(Id, Id, Message)| {
        let is_told = matches!(message, Message::Directory(Wire::Enlist { demand, .. }) if *demand >= 3_600_000);
        *to == asker_id && is_told
    };
    assert!(town.said[before..].iter().any(told), "that everybody wants it");
    // Another than who gave the lease: it holds for as long as the later word goes.
    town.hear(asker, root_id, same(1));
    town.rest(lease * 2 / 3);
    assert_eq!(town.reading(asker, "directory_stands"), 1.0);
    assert!(
        !town.said[before..].iter().any(|(.., message)| matches!(message, Message::Directory(Wire::Decline { .. })))
    );
    // And that one may end it.
    town.hear(asker, root_id, Wire::Dismiss { root: object });
    town.rest(Span::from_millis(100));
    assert_eq!(town.reading(asker, "directory_stands"), 0.0);
}

#[test]
fn neighbours_are_told_what_is_held_once_that_is_worth_a_message() {
    let leases = Leases { immutable: Span::from_mins(5), ..Leases::default() };
    let mut town = Town::of(9, Tuning { replicas: 1, leases, ..Tuning::default() });
    let values: Vec<Value> = (0..60).map(|number| blob(&format!("wanted {number}"))).collect();
    let asker = 0;
    let mut objects = Vec::new();
    for value in &values {
        receipts(town.ask(1, put(value)));
        let is_here = town.nearest(&value.id())[0] == asker;
        (0..if is_here { 0 } else { 80 }).for_each(|_| _ = value_of(town.ask(asker, get(value.id()))));
        objects.extend((!is_here).then(|| value.id()));
    }
    town.rest(Span::from_secs(20));
    assert!(town.reading(asker, "directory_stands") > 40.0);
    let me = town.id(asker);
    let told = |message: &Message| match message {
        Message::Routing(Routing::Holds(holds)) => Some(holds.clone()),
        _ => None,
    };
    let by_me: Vec<_> =
        town.said.iter().filter(|(from, ..)| *from == me).filter_map(|(.., message)| told(message)).collect();
    // Each shard for itself, to each of eight neighbours, and not with every copy.
    assert!(by_me.len() >= 16 && by_me.len() <= 8 * 12, "{} messages", by_me.len());
    let last = |part: u8| by_me.iter().rev().find(|holds| holds.part == part).expect("each shard tells").copies.clone();
    let all = [last(0), last(1)].concat();
    let named = objects.iter().filter(|object| all.contains(&Held::of(object))).count();
    assert!(named * 3 > objects.len() * 2, "{named} of {}", objects.len());
    assert!(by_me.iter().all(|holds| holds.copies.is_sorted()));
    // What has ended is told as well; and a network that nobody asks anything tells nothing.
    town.rest(Span::from_mins(65));
    let before = town.said.len();
    town.rest(Span::from_mins(60));
    assert!(!town.said[before..].iter().any(|(.., message)| told(message).is_some()));
}

#[test]
fn without_leases_nobody_answers_for_another() {
    let mut town = Town::of(9, Tuning { leases: Leases::off(), ..Tuning::default() });
    let value = record(1, "wanted");
    receipts(town.ask(0, put(&value)));
    let asker = town.nearest(&value.id())[8];
    (0..60).for_each(|_| _ = value_of(town.ask(asker, get(value.id()))));
    for node in 0..9 {
        assert_eq!(town.reading(node, "directory_stands") + town.reading(node, "directory_heat_rows"), 0.0);
    }
}

#[test]
fn a_large_hot_object_is_fetched_by_its_representative_and_answered_there() {
    let mut town = Town::of(9, Tuning { replicas: 1, ..Tuning::default() });
    let value = large(3);
    let object = value.id();
    receipts(town.ask(0, put(&value)));
    let nearest = town.nearest(&object);
    let (root, relay, asker) = (nearest[0], nearest[1], nearest[8]);
    for _ in 0..40 {
        assert_eq!(value_of(town.ask(asker, get(object))), value);
    }
    assert_eq!(town.reading(relay, "directory_stands"), 1.0);
    let before = town.reading(root, "directory_served_total");
    assert_eq!(value_of(town.ask(asker, get(object))), value);
    assert_eq!(town.reading(root, "directory_served_total"), before);
}
