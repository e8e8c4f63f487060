//! What is published for a time, and disks that do not forget, told as stories.
//!
//! Owns: what is promised about the end of a publication.
//! Never does: look into a shard: what counts is what is said, what is counted and what is on disk.

use super::*;

fn publish_for(value: &Value, lifetime: Span) -> Command {
    Command::Publish { value: value.clone(), lifetime: Some(lifetime) }
}

fn found(town: &mut Town, asker: usize, value: &Value) -> Option<Vec<Id>> {
    let answer = town.ask(asker, Command::Locate { object: value.id() });
    answer.is_ok().then(|| holders(answer))
}

#[test]
fn what_is_published_for_a_time_ends_then_after_a_restart_as_well() {
    let mut town = Town::of(6, Tuning::default());
    let (short, long) = (blob("for five minutes"), blob("for a day"));
    assert!(town.ask(1, publish_for(&short, Span::from_mins(5))).is_ok());
    assert!(town.ask(1, publish_for(&long, Span::from_hours(24))).is_ok());
    town.rest(Span::from_mins(2));
    town.kill(1);
    town.restart(1);
    town.rest(Span::from_mins(2));
    assert_eq!(found(&mut town, 3, &short), Some(vec![town.id(1)]), "claimed again after the restart");
    town.rest(Span::from_mins(1) + Span::from_secs(10));
    assert_eq!(found(&mut town, 3, &short), None);
    assert!(!town.nodes[1].values.contains_key(&short.id()), "the bytes are gone as well");
    assert!(matches!(town.ask(4, get(short.id())), Err(Failure::NotFound)));
    town.rest(Span::from_hours(20));
    assert_eq!(found(&mut town, 3, &long), Some(vec![town.id(1)]), "renewed as long as it is published");
    town.rest(Span::from_hours(4));
    assert_eq!(found(&mut town, 3, &long), None);
}

#[test]
fn a_short_publication_is_not_renewed_without_end() {
    let mut town = Town::of(6, Tuning::default());
    let value = blob("for an instant");
    let before = town.routed;
    assert!(town.ask(1, publish_for(&value, Span::from_millis(1))).is_ok());
    town.rest(Span::from_hours(3));
    let claims = 2 * usize::from(ROOTS_PER_OBJECT);
    let routed = town.routed - before;
    assert!(
        routed <= 2 * claims,
        "{routed} messages: claims, their withdrawals, and once more what a root knew better"
    );
    assert!(!town.nodes[1].values.contains_key(&value.id()));
}

#[test]
fn the_latest_word_of_its_publisher_says_how_long() {
    let mut town = Town::of(6, Tuning::default());
    let value = blob("value");
    assert!(town.ask(1, publish(&value)).is_ok());
    assert!(town.ask(1, publish_for(&value, Span::from_mins(5))).is_ok());
    town.rest(Span::from_mins(6));
    assert_eq!(found(&mut town, 3, &value), None);
}

#[test]
fn what_is_published_no_more_stays_where_it_is_a_replica() {
    let mut town = Town::of(6, Tuning::default());
    let value = blob("value");
    receipts(town.ask(0, put(&value)));
    let holder = town.nearest(&value.id())[0];
    assert!(town.ask(holder, publish_for(&value, Span::from_mins(5))).is_ok());
    town.rest(Span::from_mins(6));
    assert_eq!(town.reading(holder, "directory_published"), 0.0);
    town.restart(holder);
    assert_eq!(town.reading(holder, "directory_published"), 0.0, "the disk knows as well");
    assert_eq!(value_of(town.ask(3, get(value.id()))), value);
    assert!(town.ask(holder, publish(&value)).is_ok());
    assert!(town.ask(holder, Command::Unpublish { object: value.id() }).is_ok());
    town.restart(holder);
    assert_eq!(town.reading(holder, "directory_published"), 0.0);
    assert_eq!(value_of(town.ask(3, get(value.id()))), value);
    town.rest(HOUR);
    assert_eq!(town.copies(&value.id()), 0, "as a replica it ends when it was to end");
}

#[test]
fn a_disk_that_does_not_forget_is_told_again_and_its_client_is_told() {
    let mut town = Town::of(6, Tuning { pointer_lifetime: Span::from_mins(10), ..Tuning::default() });
    let (value, kept) = (blob("withdrawn"), blob("put"));
    assert!(town.ask(1, publish(&value)).is_ok());
    receipts(town.ask(0, put(&kept)));
    (0..6).for_each(|node| town.nodes[node].drops_fail = true);
    let refused = town.ask(1, Command::Unpublish { object: value.id() });
    assert!(matches!(refused, Err(Failure::Refused(Refusal::Disk))), "{refused:?}");
    town.rest(Span::from_hours(2));
    assert_eq!(found(&mut town, 3, &value), None, "its roots were told all the same");
    let refused = town.ask(1, Command::Unpublish { object: value.id() });
    assert!(matches!(refused, Err(Failure::Refused(Refusal::Disk))), "a restart would publish it again: {refused:?}");
    assert!(town.nodes[1].values.contains_key(&value.id()) && town.copies(&kept.id()) > 0, "the disks did not forget");
    assert!((0..6).any(|node| town.reading(node, "directory_disk_amiss") > 0.0));
    (0..6).for_each(|node| town.nodes[node].drops_fail = false);
    town.rest(Span::from_mins(20));
    assert_eq!((town.copies(&value.id()), town.copies(&kept.id())), (0, 0));
    assert!((0..6).all(|node| town.nodes[node].pointers.is_empty()), "claims as well");
    assert!((0..6).all(|node| town.reading(node, "directory_disk_amiss") == 0.0));
    town.restart(1);
    town.rest(Span::from_mins(1));
    assert_eq!(found(&mut town, 3, &value), None, "a restart does not publish it again");
}

#[test]
fn a_value_written_while_its_old_row_waits_to_be_dropped_stays() {
    let mut town = Town::of(1, Tuning::default());
    let value = blob("again");
    assert!(town.ask(0, publish(&value)).is_ok());
    town.nodes[0].drops_fail = true;
    assert!(town.ask(0, Command::Unpublish { object: value.id() }).is_err());
    town.nodes[0].drops_fail = false;
    assert!(town.ask(0, publish(&value)).is_ok());
    town.rest(Span::from_mins(1));
    town.restart(0);
    assert_eq!(town.reading(0, "directory_published"), 1.0);
    assert_eq!(value_of(town.ask(0, get(value.id()))), value);
}

/// Both at once: the second is asked before the disk has done the first.
fn at_once(town: &mut Town, node: usize, commands: [Command; 2]) {
    town.disk_time = Span::from_secs(1);
    let asked = commands.map(|command| town.wish(node, command));
    town.rest(Span::from_secs(5));
    for request in asked {
        assert!(matches!(town.answers[&request][..], [Ok(_)]), "{:?}", town.answers[&request]);
    }
    town.disk_time = Span::ZERO;
}

#[test]
fn a_put_and_a_publish_at_once_are_both_kept() {
    for is_put_first in [false, true] {
        let mut town = Town::of(1, Tuning::default());
        let value = blob("both");
        let mut commands = [publish_for(&value, Span::from_hours(5)), put(&value)];
        if is_put_first {
            commands.reverse();
        }
        at_once(&mut town, 0, commands);
        town.restart(0);
        assert_eq!(town.reading(0, "directory_published"), 1.0);
        assert!(town.nodes[0].values[&value.id()].1.replica.is_some(), "kept for its root as well");
        town.rest(Span::from_hours(2));
        assert_eq!(value_of(town.ask(0, get(value.id()))), value);
        assert!(town.ask(0, Command::Unpublish { object: value.id() }).is_ok());
        assert!(town.nodes[0].values.is_empty());
    }
}

#[test]
fn of_two_puts_at_once_the_longer_holds() {
    let mut town = Town::of(1, Tuning::default());
    let value = blob("twice");
    let put_for = |lifetime| Command::Put { value: value.clone(), lifetime, replicas: 0, expected: None };
    at_once(&mut town, 0, [put_for(Span::from_hours(24)), put_for(Span::from_mins(1))]);
    town.rest(Span::from_hours(20));
    assert_eq!(value_of(town.ask(0, get(value.id()))), value);
}

#[test]
fn nobody_is_said_to_hold_what_was_damaged() {
    let mut town = Town::of(6, Tuning::default());
    let value = blob("damaged");
    assert!(town.ask(1, publish(&value)).is_ok());
    town.restart(1);
    town.rest(Span::from_mins(1));
    assert_eq!(found(&mut town, 3, &value), Some(vec![town.id(1)]));
    town.nodes[1].values.remove(&value.id());
    assert!(town.ask(1, get(value.id())).is_err());
    town.rest(Span::from_mins(1));
    assert_eq!(found(&mut town, 3, &value), None, "long before its claims end");
    assert_eq!(town.reading(1, "directory_published"), 0.0);
}
