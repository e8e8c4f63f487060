//! Objects where much changes at once, or much is asked for.
//!
//! Owns: what is put before a network grows to many times its size, or a keeper comes back without its disk, and where it is
//! afterwards; and what words of copies are worth, true and untrue.
//! Never does: storms: they have a script.

use super::super::node::Feed;
use super::super::objects::{draw_asks, draw_objects};
use super::super::underlay::Plane;
use super::super::{Plan, Stage};
use super::crawl::counted;
use crate::base::{Chance, Id, Span};
use crate::overlay::forwarder;
use crate::survey::{Find, Finds};
use crate::wire::object::Value;
use crate::wire::routing::{Held, Holds};
use crate::wire::{Blob, Routing};

/// So many nodes of small leaf sets at rest, and so many values that one of them has put.
fn stored(seed: u64, nodes: usize, values: u8) -> (Stage, Vec<Value>) {
    let mut plan = Plan::from_seed(seed);
    (plan.router.leaf_set_per_side, plan.router.link_budget) = (4, 16);
    let mut stage = Stage::with(plan);
    stage.join_crowd(nodes);
    stage.rest();
    let values: Vec<Value> = (0..values).map(|n| Value::Blob(Blob::from(vec![n; 20]))).collect();
    for value in &values {
        stage.put_value(0, value.clone(), None).expect("put");
    }
    (stage, values)
}

/// Whoever kept a value among twelve nodes does not see its place any more among a hundred. Whoever does asks nobody who does
/// not, so it must be brought there.
#[test]
fn what_was_put_among_few_is_found_among_many() {
    for seed in 1..=3 {
        let (mut stage, values) = stored(seed, 12, 40);
        stage.join_crowd(100);
        stage.rest();
        stage.pass(Span::from_secs(60));
        for value in &values {
            let from = stage.any_ready(None).expect("ready nodes");
            assert_eq!(stage.get(from, value.id()), Ok(value.clone()), "seed {seed}");
        }
        let now = stage.now();
        let keeps_out_of_sight = |object: &Id| {
            let keeps = |node: &&crate::sim::Node| node.disk.holds(object, now).is_some();
            stage.world.nodes().iter().filter(keeps).any(|node| node.view().is_some_and(|view| !view.covers(object)))
        };
        let left = values.iter().filter(|value| keeps_out_of_sight(&value.id())).count();
        assert_eq!(left, 0, "seed {seed}: copies that stayed where they were");
    }
}

/// A node is back with an empty disk before anybody missed it: its fellows must not go by what it had.
#[test]
fn who_comes_back_at_once_without_its_disk_has_its_copies_again() {
    for (seed, away) in [(1, 1), (2, 1), (3, 5), (4, 5), (5, 20), (6, 40)] {
        let (mut stage, _) = stored(seed, 30, 60);
        stage.rest();
        let kept = |stage: &Stage| {
            let now = stage.now();
            stage.world.nodes().iter().map(|node| node.disk.sound(now).count()).collect::<Vec<_>>()
        };
        let before = kept(&stage);
        let victim = (0..30).max_by_key(|node| before[*node]).expect("nodes");
        stage.kill(victim);
        stage.pass(Span::from_secs(away));
        stage.world.lose_disk(victim);
        stage.restart(victim);
        stage.pass(Span::from_secs(60));
        stage.rest();
        let after = kept(&stage);
        assert_eq!(after[victim], before[victim], "seed {seed}, away for {away} s");
    }
}

/// Four neighbours of one node say that they have copies of everything. (They pass on what is asked of them: what liars answer, the
/// asker proves.)
#[test]
fn neighbours_that_say_they_have_what_they_have_not_cost_a_get_little_and_soon_nothing() {
    for seed in 1..=3 {
        let (mut stage, values) = stored(seed, 60, 240);
        let asker = 7;
        let mut copies: Vec<Held> = values.iter().map(|value| Held::of(&value.id())).collect();
        copies.sort_unstable();
        let view = stage.world.nodes()[asker].view().expect("it is up");
        let linked = view.peers.iter().filter(|peer| peer.link().is_some()).map(|peer| peer.contact.id());
        let liars: Vec<Id> = linked.take(4).collect();
        let (mut took, mut asked) = (Vec::new(), Vec::new());
        for (number, value) in values.iter().enumerate() {
            if number == 40 {
                for from in &liars {
                    let message = Routing::Holds(Holds { part: 0, copies: copies.clone() });
                    stage.world.feed(asker, Feed::Forwarder(forwarder::Input::Heard { from: *from, message }));
                }
            }
            let begun = stage.now();
            assert_eq!(stage.get(asker, value.id()), Ok(value.clone()), "seed {seed}: value {number}");
            took.push(stage.now().since(begun).as_secs_f64());
            let readings = stage.world.nodes()[asker].readings();
            asked.extend(readings.iter().filter(|r| r.name == "forwarder_copies_missed_total").map(|r| r.value));
        }
        let mean = |took: &[f64]| took.iter().sum::<f64>() / took.len() as f64;
        let (before, first, last) = (mean(&took[..40]), mean(&took[40..80]), mean(&took[200..]));
        let (at_first, at_last) = (asked[79] - asked[39], asked[239] - asked[199]);
        assert!(first.max(last) < 2.0 * before, "seed {seed}: {first:.3} and {last:.3} s a get instead of {before:.3}");
        assert!(
            at_first > 10.0 && at_last < at_first * 0.2,
            "seed {seed}: {at_first} of 40 words untrue at first, {at_last} last"
        );
    }
}

/// 64 nodes of 20 links each: whoever asks for much soon has a way of two links to most of what there is.
#[test]
fn who_asks_for_much_hears_of_copies_and_comes_to_them_quicker() {
    for seed in 1..=2 {
        let mut plan = Plan::from_seed(seed);
        plan.underlay = Box::new(Plane::new(seed, Span::from_millis(200)));
        (plan.router.leaf_set_per_side, plan.router.link_budget) = (4, 20);
        let mut stage = Stage::with(plan);
        stage.join_in_crowds(64, &mut |_| {});
        stage.settle(Span::from_secs(120));
        let nodes = stage.ready();
        let drawn = draw_objects(&mut Chance::from_seed(seed), &nodes, 5, 1);
        let published = stage.publish_all(drawn, 20.0, &mut |_| {});
        let asks = draw_asks(&mut Chance::from_seed(seed), &nodes, &published.objects, 30);
        let gets = stage.fetch_all(&asks, &published.objects, 20.0, &mut |_| {});
        let gets: Vec<Find> = gets.into_iter().map(|get| get.expect("found")).collect();
        let median = |gets: &[Find]| Finds::of(gets).and_then(|f| f.stretch).expect("pairs").p50;
        let (first, last) = (median(&gets[..128]), median(&gets[gets.len() / 2..]));
        assert!(last < first * 0.75 && last < 1.5, "seed {seed}: stretch {first:.2} at first, {last:.2} then");
        let told = |name| counted(&stage, name, None);
        assert!(told("forwarder_copies_heard_of") > 0.0 && told("forwarder_pointed_total") > 0.0);
        let (asked, missed) = (told("forwarder_copies_asked_total"), told("forwarder_copies_missed_total"));
        assert!(missed < asked * 0.05, "seed {seed}: {missed} of {asked} words came to nothing");
    }
}
