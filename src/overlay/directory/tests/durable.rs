//! Comparing, pushing and scrubbing, told as stories.
//!
//! Owns: what is promised about copies that nobody asks for.
//! Never does: look into a shard: what counts is what is said and what is on disk.

use super::*;
use crate::wire::directory::Answer;

fn put_for_a_day(value: Value) -> Command {
    Command::Put { value, lifetime: Span::from_hours(24), replicas: 0, expected: None }
}

fn scrubbing(mins: u64) -> Tuning {
    let upkeep = Upkeep { scrub_interval: Span::from_mins(mins), ..Upkeep::default() };
    Tuning { upkeep, ..Tuning::default() }
}

#[test]
fn comparing_what_is_settled_costs_a_few_bytes_a_value() {
    let mut town = Town::of(9, Tuning::default());
    for n in 0..2_000 {
        receipts(town.ask(n % 9, put_for_a_day(blob(&n.to_string()))));
    }
    town.rest(Span::from_mins(15));
    let before = town.said.len();
    town.rest(Span::from_hours(1));
    let bytes: usize = town.said[before..].iter().map(|(_, _, message)| message.encode().len()).sum();
    let copies: usize = town.nodes.iter().map(|node| node.values.len()).sum();
    println!("{bytes} bytes for {copies} copies");
    assert_eq!(copies, 8_000);
    // By name it was 5.4 MB (2026-11-26): 112 bytes a copy and pass.
    assert!(bytes < 400_000, "{bytes} bytes in {} messages", town.said.len() - before);
}

#[test]
fn one_lost_among_many_is_found_by_ranges_and_brought_back() {
    let mut town = Town::of(6, scrubbing(5));
    let values: Vec<Value> = (0..600).map(|n| blob(&n.to_string())).collect();
    for value in &values {
        receipts(town.ask(0, put_for_a_day(value.clone())));
    }
    town.rest(Span::from_mins(20));
    let object = values[77].id();
    let member = town.nearest(&object)[2];
    town.nodes[member].values.remove(&object);
    let before = town.said.len();
    town.rest(Span::from_mins(5 + 13));
    assert_eq!((town.copies(&object), town.reading_of(member, "directory_reads_total", "lost")), (4, 1.0));
    let offered = town.said[before..].iter().filter_map(|(_, to, message)| match message {
        Message::Directory(Wire::Offer { entries }) if *to == town.id(member) => Some(entries.len()),
        _ => None,
    });
    let offered: usize = offered.sum();
    assert!((1..=40).contains(&offered), "{offered} were named to find one");
}

#[test]
fn a_value_that_nobody_asks_for_is_read_and_a_damaged_one_mended() {
    let tuning = scrubbing(30);
    let mut town = Town::of(6, tuning);
    let values: Vec<Value> = (0..40).map(|n| blob(&n.to_string())).collect();
    for value in &values {
        receipts(town.ask(0, put_for_a_day(value.clone())));
    }
    town.rest(Span::from_mins(1));
    let found = |town: &Town, what: &str| -> f64 {
        (0..6).map(|node| town.reading_of(node, "directory_scrubs_total", what)).sum()
    };
    let sound = found(&town, "sound");
    town.rest(Span::from_hours(3));
    let rounds = (found(&town, "sound") - sound) / 160.0;
    assert!((5.5..=6.5).contains(&rounds), "{rounds} rounds in three hours");
    let object = values[7].id();
    let (root, member) = (town.nearest(&object)[0], town.nearest(&object)[3]);
    for node in [root, member] {
        town.nodes[node].values.remove(&object);
    }
    assert_eq!(town.copies(&object), 2);
    // The interval, and that of comparisons with what it may be late.
    town.rest(Span::from_mins(30 + 13));
    assert_eq!((town.copies(&object), found(&town, "damaged")), (4, 2.0));
}

#[test]
fn repair_sends_no_more_bytes_than_it_may() {
    let tuning = Tuning { upkeep: Upkeep { repair_bytes_per_s: 100_000, ..Upkeep::default() }, ..Tuning::default() };
    let mut town = Town::of(6, tuning);
    let values: Vec<Value> = (0..30).map(large).collect();
    for value in &values {
        receipts(town.ask(0, put_for_a_day(value.clone())));
    }
    town.rest(Span::from_secs(30));
    let (before, since) = (town.said.len(), town.now);
    town.kill(3);
    town.look_around();
    town.rest(Span::from_secs(20));
    for node in (0..6).filter(|node| *node != 3) {
        let me = town.id(node);
        let pushed = town.said[before..].iter().filter(|(from, _, message)| {
            *from == me && matches!(message, Message::Directory(Wire::Ask { request: Request::Replicate { .. }, .. }))
        });
        // At each of two shards half of it, one second's worth at once, and one value on credit.
        let allowed = town.now.since(since).as_secs_f64() * 100_000.0 / 100_000.0 + 3.0;
        assert!(pushed.count() as f64 <= allowed);
    }
    town.rest(Span::from_mins(5));
    assert!(values.iter().all(|value| town.copies(&value.id()) == 4), "and in the end all is there");
    assert!((0..6).any(|node| town.reading_of(node, "directory_repairs_total", "push_waited") > 0.0));
}

#[test]
fn a_record_that_a_full_disk_could_not_take_is_not_served_in_its_older_version_and_asked_for_again() {
    let mut town = Town::of(9, Tuning::default());
    let (old, new) = (record(1, "old"), record(2, "new"));
    let object = old.id();
    receipts(town.ask(0, put_for_a_day(old)));
    town.rest(Span::from_mins(1));
    let member = town.nearest(&object)[2];
    town.nodes[member].disk_fails = true;
    receipts(town.ask(0, put_for_a_day(new.clone())));
    town.rest(Span::from_secs(3));
    let kept = |town: &Town| town.nodes[member].values[&object].0.version();
    assert_eq!(kept(&town), 1, "what is on disk stays: it may be all that is left");
    let (before, asker) = (town.said.len(), town.nearest(&object)[0]);
    let asked = Wire::Ask { number: 1 << 40, request: Request::Fetch { object } };
    town.hear(member, town.id(asker), asked);
    town.rest(Span::from_secs(1));
    let answers = town.said[before..].iter().filter_map(|(from, _, message)| match message {
        Message::Directory(Wire::Answer { object: of, answer, .. }) if *from == town.id(member) && *of == object => {
            Some(answer.clone())
        }
        _ => None,
    });
    assert_eq!(answers.collect::<Vec<_>>(), [Answer::NotFound]);
    town.nodes[member].disk_fails = false;
    town.rest(Span::from_secs(30));
    assert_eq!(kept(&town), 2);
    for node in 0..9 {
        assert_eq!(value_of(town.ask(node, get(object))), new);
    }
}

#[test]
fn a_value_that_is_put_again_while_its_time_ends_stays() {
    let mut town = Town::of(1, Tuning::default());
    let value = blob("again");
    let put_for =
        |secs| Command::Put { value: value.clone(), lifetime: Span::from_secs(secs), replicas: 0, expected: None };
    receipts(town.ask(0, put_for(5)));
    town.rest(Span::from_millis(4_500));
    // The write is under way when the first lifetime ends.
    town.disk_time = Span::from_secs(1);
    receipts(town.ask(0, put_for(3_600)));
    town.rest(Span::from_secs(30));
    assert!(town.nodes[0].values.contains_key(&value.id()), "what was promised for an hour is on disk");
    town.restart(0);
    assert_eq!(value_of(town.ask(0, get(value.id()))), value);
}

#[test]
fn what_has_outlived_its_time_goes_while_others_are_put_all_the_time() {
    let mut town = Town::of(1, Tuning::default());
    let put_for_a_second = |n: u64| Command::Put {
        value: blob(&n.to_string()),
        lifetime: Span::from_secs(1),
        replicas: 0,
        expected: None,
    };
    for n in 0..200 {
        receipts(town.ask(0, put_for_a_second(n)));
        town.rest(Span::from_millis(40));
    }
    let kept = town.nodes[0].values.len();
    assert!(kept <= 40, "{kept} kept, 25 a second were put for a second");
    assert!(matches!(town.ask(0, get(blob("3").id())), Err(Failure::NotFound)));
}

#[test]
fn a_value_that_cannot_be_read_for_a_while_is_not_given_up() {
    let mut town = Town::of(1, Tuning::default());
    let value = blob("there");
    receipts(town.ask(0, put_for_a_day(value.clone())));
    town.restart(0);
    town.nodes[0].reads_fail = true;
    assert!(
        matches!(town.ask(0, get(value.id())), Err(Failure::Refused(Refusal::Disk))),
        "it is here, and not found is no answer"
    );
    town.rest(Span::from_hours(1));
    town.nodes[0].reads_fail = false;
    assert_eq!(value_of(town.ask(0, get(value.id()))), value);
}

#[test]
fn a_claim_that_a_disk_did_not_take_is_not_promised_at_the_second_try() {
    let mut town = Town::of(6, Tuning::default());
    let value = blob("claimed");
    let roots: Vec<Id> = (0..ROOTS_PER_OBJECT).map(|salt| value.id().salted(salt)).collect();
    let failing = town.nearest(&roots[0])[0];
    let publisher = (0..6).find(|node| *node != failing).unwrap();
    let at_failing = roots.iter().filter(|root| town.nearest(root)[0] == failing).count();
    town.nodes[failing].disk_fails = true;
    let told = match town.ask(publisher, publish(&value)) {
        Ok(Reply::Published { roots, .. }) => usize::from(roots),
        other => panic!("{other:?}"),
    };
    assert_eq!(told, roots.len() - at_failing, "as many as have it on disk");
    assert!(town.nodes[failing].pointers.is_empty());
    town.nodes[failing].disk_fails = false;
    town.rest(Span::from_mins(30));
    assert_eq!(town.nodes[failing].pointers.len(), at_failing, "and the next renewal brings it there");
}

#[test]
fn a_compare_and_swap_without_the_word_of_a_majority_changes_nothing() {
    let mut town = Town::of(8, Tuning { patience: Span::from_secs(3), ..Tuning::default() });
    let object = record(1, "").id();
    receipts(town.ask(0, put_for_a_day(record(1, "one"))));
    let order = town.nearest(&object);
    // Everybody but the root is unreachable, and nobody has noticed.
    order[1..].iter().for_each(|node| town.kill(*node));
    let refused = refusal(town.ask(order[0], swap(&record(2, "two"), 1)));
    assert!(matches!(refused, Refusal::TooFewReplicas { stored: 0, .. }), "{refused:?}");
    assert_eq!(town.nodes[order[0]].values[&object].0, record(1, "one"));
}
