//! Renewing claims region by region, told as stories.
//!
//! Owns: what is promised about the claims of a node that publishes much.
//! Never does: look into a shard: what counts is what is said, what is counted and what is on disk.

use super::*;
use crate::base::Instant;
use crate::wire::directory::{Claimed, Range, RangeSum, Slice};

const LIFETIME: Span = Span::from_mins(10);
const OBJECTS: usize = 300;
const HOLDER: usize = 0;

/// A town of eight whose first node publishes much.
fn publishers(objects: usize) -> (Town, Vec<Value>) {
    let mut town = Town::of(8, Tuning { pointer_lifetime: LIFETIME, ..Tuning::default() });
    let values: Vec<Value> = (0..objects).map(|n| blob(&n.to_string())).collect();
    for value in &values {
        let command = Command::Publish { value: value.clone(), lifetime: None };
        assert!(matches!(town.ask(HOLDER, command), Ok(Reply::Published { roots: ROOTS_PER_OBJECT, .. })));
    }
    (town, values)
}

/// Each object's claims that are on disk where they are rooted, with their ends.
fn rooted(town: &Town, value: &Value) -> Vec<(usize, Id, Instant)> {
    let holder = town.id(HOLDER);
    let roots = (0..ROOTS_PER_OBJECT).map(|salt| value.id().salted(salt));
    let claim = |root: Id| {
        let at = town.nearest(&root)[0];
        let (pointer, until) = town.nodes[at].pointers.get(&(root, holder))?;
        (!pointer.withdraws() && *until > town.now).then_some((at, root, *until))
    };
    roots.filter_map(claim).collect()
}

fn living(town: &Town, values: &[Value]) -> usize {
    values.iter().map(|value| rooted(town, value).len()).sum()
}

fn renewals(town: &Town, step: &str) -> f64 {
    town.reading_of(HOLDER, "directory_renewals_total", step)
}

#[test]
fn claims_renewed_by_region_live_on_for_a_fraction_of_the_messages() {
    let (mut town, values) = publishers(OBJECTS);
    let all = OBJECTS * usize::from(ROOTS_PER_OBJECT);
    assert_eq!(town.routed, all);
    let (routed, said) = (town.routed, town.said.len());
    for _ in 0..10 {
        town.rest(LIFETIME / 2);
        assert_eq!(living(&town, &values), all);
    }
    let rounds = renewals(&town, "round") / 2.0;
    assert!((9.0..=12.0).contains(&rounds), "{rounds} rounds of two shards in five lifetimes");
    let (routed, said) = (town.routed - routed, town.said.len() - said);
    let own = values.iter().flat_map(|value| rooted(&town, value)).filter(|(at, _, _)| *at == HOLDER).count();
    println!("{rounds} rounds: {routed} routed, {said} said; {own} of {all} claims are with the holder itself");
    let beside = routed as f64 - rounds * own as f64 + said as f64;
    assert!(beside < rounds * all as f64 / 10.0, "{beside} messages to others");
    assert_eq!(renewals(&town, "singly"), renewals(&town, "round") / 2.0 * own as f64);
    assert_eq!(
        (renewals(&town, "silent"), renewals(&town, "given_up"), renewals(&town, "range_split")),
        (0.0, 0.0, 0.0)
    );
    for value in &values[..20] {
        assert_eq!(holders(town.ask(5, Command::Locate { object: value.id() })), [town.id(HOLDER)]);
    }
}

#[test]
fn few_objects_are_renewed_singly() {
    let (mut town, values) = publishers(2);
    town.rest(LIFETIME * 3);
    assert_eq!(living(&town, &values), 2 * usize::from(ROOTS_PER_OBJECT));
    assert_eq!(renewals(&town, "question"), 0.0);
    assert!(renewals(&town, "singly") > 0.0);
}

#[test]
fn a_root_that_lost_some_claims_gets_these_again_and_no_others() {
    let (mut town, values) = publishers(OBJECTS);
    town.rest(LIFETIME);
    let own = values.iter().flat_map(|value| rooted(&town, value)).filter(|(at, _, _)| *at == HOLDER).count();
    let (at, _, _) = rooted(&town, &values[0]).into_iter().find(|(at, _, _)| *at != HOLDER).unwrap();
    town.kill(at);
    let before = town.nodes[at].pointers.len();
    let mut number = 0;
    town.nodes[at].pointers.retain(|_, _| {
        number += 1;
        number % 40 != 0
    });
    let lost = before - town.nodes[at].pointers.len();
    assert!(lost >= 3, "{lost}");
    town.restart(at);
    let (singly, rounds) = (renewals(&town, "singly"), renewals(&town, "round"));
    town.rest(LIFETIME / 2 + Span::from_mins(1));
    assert_eq!(renewals(&town, "round") - rounds, 2.0);
    assert_eq!(living(&town, &values), OBJECTS * usize::from(ROOTS_PER_OBJECT));
    assert_eq!(renewals(&town, "singly") - singly, (lost + own) as f64);
}

#[test]
fn a_root_that_lost_all_gets_all_of_its_region_again() {
    let (mut town, values) = publishers(OBJECTS);
    town.rest(LIFETIME);
    let (at, _, _) = rooted(&town, &values[0]).into_iter().find(|(at, _, _)| *at != HOLDER).unwrap();
    town.kill(at);
    town.nodes[at].pointers.clear();
    town.restart(at);
    town.rest(LIFETIME / 2 + Span::from_mins(1));
    assert!(renewals(&town, "range_lacking") > 0.0);
    assert_eq!(living(&town, &values), OBJECTS * usize::from(ROOTS_PER_OBJECT));
}

#[test]
fn a_claim_that_was_never_withdrawn_at_one_root_is_found_and_withdrawn() {
    let (mut town, values) = publishers(OBJECTS);
    // A claim of an earlier life, of which the holder knows nothing any more.
    let forgotten = (0..).map(|n| blob(&format!("forgotten {n}"))).find(|value| town.nearest(&value.id())[0] != HOLDER);
    let forgotten = forgotten.unwrap().id();
    let key = SecretKey::from_seed([HOLDER as u8 + 1; 32]);
    let pointer = Pointer::sign(&key, (*town.nodes[HOLDER].contact).clone(), forgotten, 9, LIFETIME);
    let (at, from) = (town.nearest(&forgotten)[0], town.id(town.nearest(&forgotten)[1]));
    let request = Request::Publish { root: forgotten, pointer, remaining: LIFETIME };
    town.hear(at, from, Wire::Ask { number: 1, request });
    town.rest(Span::from_secs(1));
    assert!(matches!(town.ask(5, Command::Locate { object: forgotten }), Ok(Reply::Holders { .. })));
    town.rest(LIFETIME / 2 + Span::from_mins(1));
    assert_eq!((renewals(&town, "too_many"), renewals(&town, "withdrawn")), (1.0, 1.0));
    assert!(town.nodes[at].pointers[&(forgotten, town.id(HOLDER))].0.withdraws());
    assert!(matches!(town.ask(5, Command::Locate { object: forgotten }), Err(Failure::NotFound)));
    assert_eq!(living(&town, &values), OBJECTS * usize::from(ROOTS_PER_OBJECT));
}

#[test]
fn what_is_withdrawn_while_it_is_renewed_does_not_come_back() {
    let (mut town, values) = publishers(OBJECTS);
    while renewals(&town, "round") == 0.0 {
        town.rest(Span::from_millis(10));
    }
    // A round takes some seconds: at each moment of it something is withdrawn.
    let mut withdrawn = 0;
    for value in &values[..100] {
        town.rest(Span::from_millis(20));
        withdrawn += usize::from(town.ask(HOLDER, Command::Unpublish { object: value.id() }).is_ok());
    }
    assert_eq!(withdrawn, 100);
    town.rest(LIFETIME);
    for value in &values[..100] {
        assert!(rooted(&town, value).is_empty());
        assert!(matches!(town.ask(3, Command::Locate { object: value.id() }), Err(Failure::NotFound)));
    }
    assert_eq!(living(&town, &values), 200 * usize::from(ROOTS_PER_OBJECT));
}

#[test]
fn nodes_that_come_and_die_take_over_regions_and_their_claims() {
    let (mut town, values) = publishers(OBJECTS);
    for seed in 20..24 {
        let new = town.add(seed);
        town.look_around();
        town.rest(LIFETIME / 4);
        town.kill(new - 7);
        town.look_around();
        town.rest(LIFETIME / 2);
    }
    town.rest(LIFETIME);
    assert_eq!(living(&town, &values), OBJECTS * usize::from(ROOTS_PER_OBJECT));
}

#[test]
fn nobody_extends_the_claims_of_others() {
    let (mut town, values) = publishers(OBJECTS);
    let liar = 5;
    let slice = Slice { keys: (1, 1), shard: 0, shards: 1 };
    let ranges = vec![Range { first: 0, last: u64::MAX }];
    town.kill(HOLDER);
    town.look_around();
    for minute in 0..15 {
        for at in (1..8).filter(|at| *at != liar) {
            let from = town.id(liar);
            let ranges = ranges.clone();
            town.hear(at, from, Wire::Renew { salt: minute, slice, ranges, named: true });
        }
        town.rest(Span::from_mins(1));
    }
    let told = town.said.iter().filter_map(|(_, to, message)| match message {
        Message::Directory(Wire::Renewed { sums, claims, .. }) if *to == town.id(liar) => Some((sums.clone(), claims)),
        _ => None,
    });
    assert!(told.clone().count() > 100);
    assert!(told.clone().all(|(sums, claims)| claims.is_empty() && sums.iter().all(|sum| sum.count == 0)));
    assert_eq!(living(&town, &values), 0);
}

#[test]
fn roots_that_say_anything_cost_a_bounded_number_of_questions_and_no_claim() {
    let (mut town, values) = publishers(OBJECTS);
    town.deaf = Some(|_, message| matches!(message, Message::Directory(Wire::Renew { .. })));
    let mut heard = town.said.len();
    for _ in 0..(LIFETIME.as_millis() * 2 / 50) {
        town.rest(Span::from_millis(50));
        for (asker, root, message) in town.said.split_off(heard) {
            let Message::Directory(Wire::Renew { salt, slice, ranges, named }) = message else { continue };
            let covered = Range { first: ranges[0].first, last: ranges[ranges.len() - 1].last };
            // Some have always too many, some always others.
            let count = if root.digit(0) % 2 == 0 { 10_000 } else { 10 };
            let sums = ranges.iter().map(|_| RangeSum { count, digest: [7; 16] }).collect();
            let invented = |at: u64| Claimed { object: Id::from_prefix(covered.first + at), salt: 0, version: 1 };
            let claims = if named { (0..256).map(invented).collect() } else { Vec::new() };
            let told = Wire::Renewed { salt, asker: slice.shard, shard: 0, shards: 1, covered, sums, claims };
            let asker = (0..8).find(|index| town.id(*index) == asker).unwrap();
            town.hear(asker, root, told);
        }
        heard = town.said.len();
    }
    assert_eq!(living(&town, &values), OBJECTS * usize::from(ROOTS_PER_OBJECT));
    assert!(renewals(&town, "given_up") > 0.0 && renewals(&town, "withdrawn") > 0.0);
    let regions = renewals(&town, "region");
    let (questions, too_many) = (renewals(&town, "question"), renewals(&town, "too_many"));
    assert!(questions <= 64.0 * regions, "{questions} questions in {regions} regions");
    assert!(too_many <= 256.0 * regions, "{too_many} withdrawals in {regions} regions");
}

#[test]
fn a_root_that_starts_again_still_knows_how_long_it_extended_claims() {
    let (mut town, values) = publishers(OBJECTS);
    let made = town.now;
    town.rest(LIFETIME / 2 + Span::from_mins(1));
    let all = OBJECTS * usize::from(ROOTS_PER_OBJECT);
    for at in 1..8 {
        town.kill(at);
        town.restart(at);
    }
    // No renewal any more: what lives now lives by what was on disk.
    town.kill(HOLDER);
    town.look_around();
    town.rest(town.now.until(made + LIFETIME + Span::from_secs(30)));
    let at_others =
        |town: &Town| values.iter().flat_map(|value| rooted(town, value)).filter(|(at, _, _)| *at != HOLDER).count();
    let own = town.nodes[HOLDER].pointers.len();
    assert!(at_others(&town) > all / 2, "{} of {all}, {own} were with the holder", at_others(&town));
    for value in &values[..20] {
        assert_eq!(holders(town.ask(5, Command::Locate { object: value.id() })), [town.id(HOLDER)]);
    }
}

#[test]
fn a_holder_that_starts_again_elsewhere_renews_by_region_and_is_found_there() {
    let (mut town, values) = publishers(OBJECTS);
    town.rest(LIFETIME / 4);
    town.kill(HOLDER);
    town.moves(HOLDER);
    town.restart(HOLDER);
    town.rest(Span::from_secs(30));
    let all = OBJECTS * usize::from(ROOTS_PER_OBJECT);
    assert_eq!(living(&town, &values), all);
    let own = values.iter().flat_map(|value| rooted(&town, value)).filter(|(at, _, _)| *at == HOLDER).count();
    assert_eq!(renewals(&town, "by_range") + renewals(&town, "singly"), all as f64);
    assert_eq!(renewals(&town, "singly"), own as f64);
    let moved = town.nodes[HOLDER].contact.sequence();
    for value in &values {
        for (at, root, _) in rooted(&town, value) {
            let (pointer, _) = &town.nodes[at].pointers[&(root, town.id(HOLDER))];
            assert_eq!((pointer.holder.sequence(), pointer.holds()), (moved, true));
        }
    }
}
