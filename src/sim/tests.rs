//! The world's own promises.
//!
//! Owns: tests that hold whatever the machines do.
//! Never does: test a machine: conversations and storms do.

mod membership;

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
fn a_dead_node_answers_no_wish() {
    let mut stage = Stage::bare(1);
    stage.join_crowd(1);
    stage.kill(0);
    let key = stage.key();
    assert_eq!(stage.lookup(0, key), Err(crate::overlay::Failure::Stopping));
}
