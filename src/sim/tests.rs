//! The world's own promises.
//!
//! Owns: tests that hold whatever the machines do.
//! Never does: test a machine: conversations and storms do.

mod crawl;
mod membership;
mod objects;

use super::stage::Stage;
use crate::base::Span;
use crate::overlay::Command;

/// A short turbulent story; everything in it follows from the seed.
fn story(seed: u64) -> (String, u64) {
    let mut stage = Stage::bare(seed);
    stage.world.weather.loss = 0.02;
    stage.world.weather.jitter = 0.3;
    stage.world.weather.fact_delay_max = Span::from_millis(2);
    stage.join_crowd(5);
    stage.pass(Span::from_secs(20));
    let key = stage.key();
    stage.wish(3, Command::Lookup { key, traced: true });
    stage.kill(1);
    stage.pass(Span::from_secs(20));
    stage.restart(1);
    stage.pass(Span::from_secs(20));
    (stage.world.trace_hash(), stage.world.tally().inputs)
}

#[test]
fn the_same_seed_tells_the_same_story_twice_in_one_process() {
    let (first, inputs) = story(7);
    assert_eq!(story(7), (first.clone(), inputs));
    assert!(inputs > 10, "the story is no story: {inputs} inputs");
    assert_ne!(story(8).0, first, "another seed must tell another story");
}

#[test]
fn what_is_sent_waits_for_its_nodes_uplink() {
    let longest = |uplink: Option<u64>| {
        let mut stage = Stage::of(8, 6);
        let (object, _) = stage.put(0, &[7; 20_000]).expect("eight nodes keep a value");
        stage.rest();
        stage.world.weather.uplink = uplink;
        let took = |node| {
            let began = stage.now();
            stage.get(node, object).expect("it is kept");
            stage.now().since(began)
        };
        (0..8).map(took).max().expect("eight")
    };
    let (at_once, slow) = (longest(None), longest(Some(40_000)));
    let longer = slow.saturating_sub(at_once);
    assert!(longer >= Span::from_millis(500) && longer < Span::from_millis(1_500), "{at_once}, then {slow}");
    // Less than nodes at rest say to one another: not all of it can wait.
    let mut stage = Stage::of(8, 6);
    stage.world.weather.uplink = Some(20);
    stage.pass(Span::from_mins(5));
    assert!(stage.world.tally().overflowed > 0);
}

/// The net catches fish: checkers that never complain prove nothing.
#[test]
fn the_checkers_complain_of_a_split_network_and_are_content_once_it_has_healed() {
    let mut stage = Stage::of(8, 3);
    assert_eq!(stage.wrongs(), []);
    stage.partition(&[vec![0, 1, 2]]);
    stage.pass(Span::from_secs(90));
    let wrongs = stage.wrongs();
    let complained = |property| wrongs.iter().any(|wrong| wrong.property == property);
    assert!(complained("one root per key") && complained("exact leaf sets"), "{wrongs:?}");
    stage.heal();
    stage.pass(Span::from_secs(120));
    assert!(stage.rest());
    assert_eq!(stage.wrongs(), []);
}

#[test]
fn the_checkers_miss_an_object_whose_keepers_all_died_at_once() {
    let mut stage = Stage::of(8, 4);
    let (object, receipts) = stage.put(0, b"bytes").expect("eight nodes keep a value");
    assert!(receipts.len() >= 3);
    stage.rest();
    let now = stage.now();
    let keepers: Vec<usize> =
        stage.up().into_iter().filter(|node| stage.world.nodes()[*node].disk.holds(&object, now).is_some()).collect();
    keepers.iter().for_each(|node| stage.kill(*node));
    stage.rest();
    let lost =
        |wrongs: Vec<super::check::Wrong>| wrongs.iter().any(|wrong| wrong.property == "no acknowledged object lost");
    assert!(lost(stage.wrongs()));
    keepers.iter().for_each(|node| stage.restart(*node));
    stage.rest();
    assert!(!lost(stage.wrongs()), "a crash loses nothing that was acknowledged: the disks still have it");
}

#[test]
fn a_full_disk_is_a_refusal_and_no_promise() {
    let mut stage = Stage::of(1, 5);
    stage.world.disk_weather(0).full = true;
    assert!(stage.put(0, b"bytes").is_err());
    stage.world.disk_weather(0).full = false;
    assert!(stage.put(0, b"bytes").is_ok());
}

#[test]
fn a_paused_node_does_afterwards_what_it_did_not_do_meanwhile() {
    let mut stage = Stage::of(3, 6);
    let until = stage.now() + Span::from_secs(3);
    stage.world.weather.pause(1, until);
    let key = stage.key();
    assert!(stage.lookup(1, key).is_ok());
    assert!(stage.now() >= until);
}

#[test]
fn a_dead_node_answers_no_wish() {
    let mut stage = Stage::bare(1);
    stage.join_crowd(1);
    stage.kill(0);
    let key = stage.key();
    assert_eq!(stage.lookup(0, key), Err(crate::overlay::Failure::Stopping));
}
