//! Membership, played on the stage.
//!
//! Owns: stories of joining, dying, leaving, splitting and healing, and what must hold after each.
//! Never does: look inside a Router: views, readings and lookups tell.

use super::super::check::leaf_sets;
use super::super::underlay::{Measured, Uniform};
use super::super::world::{Plan, World};
use super::super::{Stage, Underlay};
use crate::base::{Chance, Span};
use crate::overlay::router::Tuning;
use crate::survey::matrix::{LatencyMatrix, Missing};

/// A network as in the lab: leaf set of 4 a side, 24 links.
fn narrow(seed: u64, underlay: Box<dyn Underlay>) -> Plan {
    let router = Tuning { leaf_set_per_side: 4, link_budget: 24, ..Tuning::default() };
    Plan { underlay, router, ..Plan::from_seed(seed) }
}

/// Round trips as between the hosts of one machine.
fn loopback() -> Box<dyn Underlay> {
    Box::new(Uniform(Span::from_micros(25)))
}

fn planet(seed: u64, nodes: usize) -> Box<dyn Underlay> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/data/planetlab490_median");
    let matrix = std::fs::read(format!("{path}.u32le.gz")).expect("the matrix is in the repository");
    let sidecar = std::fs::read(format!("{path}.json")).expect("its sidecar is in the repository");
    let matrix = LatencyMatrix::from_u32le(&matrix, &sidecar, Missing::Fill).expect("a sound matrix");
    Box::new(Measured::new(matrix, nodes, &mut Chance::from_seed(seed)))
}

fn all_exact(world: &World) -> bool {
    leaf_sets::check(world).is_empty()
}

/// Waits until every leaf set is exact, and says how long that took.
fn exact_within(stage: &mut Stage, at_most: Span) -> Span {
    let begun = stage.now();
    let step = Span::from_millis(1).max(at_most / 50);
    while !all_exact(&stage.world) && stage.now().since(begun) < at_most {
        stage.pass(step);
    }
    let wrongs = leaf_sets::check(&stage.world);
    assert!(wrongs.is_empty(), "seed {}: not exact after {at_most}: {wrongs:#?}", stage.seed());
    stage.now().since(begun)
}

#[test]
fn one_two_and_three_nodes_are_networks() {
    for nodes in 1..=3 {
        let mut stage = Stage::with(Plan { underlay: loopback(), ..Plan::from_seed(nodes as u64) });
        stage.join(nodes);
        exact_within(&mut stage, Span::from_millis(200));
        stage.pass(Span::from_secs(100));
        exact_within(&mut stage, Span::ZERO);
    }
}

#[test]
fn fifty_nodes_that_join_one_after_another_know_their_neighbours_at_once() {
    let mut stage = Stage::with(narrow(5, loopback()));
    let mut slowest = Span::ZERO;
    for _ in 0..50 {
        let begun = stage.now();
        stage.join(1);
        slowest = slowest.max(stage.now().since(begun));
        exact_within(&mut stage, Span::from_millis(50));
    }
    assert!(slowest <= Span::from_millis(20), "a join took {slowest}");
}

#[test]
fn a_crowd_through_one_gate_settles_soon() {
    for (name, underlay, at_most) in
        [("loopback", loopback(), Span::from_secs(2)), ("planet", planet(1, 64), Span::from_secs(20))]
    {
        let mut stage = Stage::with(narrow(6, underlay));
        stage.join_crowd(64);
        stage.wait_until(at_most, |world| world.nodes().iter().all(|node| node.is_ready()));
        let ready = stage.now();
        let took = exact_within(&mut stage, at_most);
        println!("{name}: ready at {ready:?}, exact {took} later");
        stage.pass(Span::from_secs(60));
        exact_within(&mut stage, Span::ZERO);
        let links: Vec<usize> = (0..64).map(|node| stage.world.link_count(node)).collect();
        println!("{name}: links {links:?} {:?}", stage.world.tally());
    }
}

/// Round trip by the best known ways against the direct one, over all pairs: ratio of means, median.
fn stretch(world: &World) -> (f64, f64, usize) {
    let (mut routed, mut direct, mut ratios, mut wayless) = (0.0, 0.0, Vec::new(), 0);
    let nodes = world.nodes();
    for from in 0..nodes.len() {
        let Some(view) = nodes[from].view() else { continue };
        for (to, node) in nodes.iter().enumerate().filter(|(to, _)| *to != from) {
            let straight = world.plan().underlay.round_trip(from, to).as_millis_f64();
            let rtt = view.peer(&node.contact().id()).and_then(|peer| peer.rtt());
            let Some(rtt) = rtt else {
                wayless += 1;
                continue;
            };
            routed += rtt.as_millis_f64();
            direct += straight;
            ratios.push(rtt.as_millis_f64() / straight);
        }
    }
    ratios.sort_by(f64::total_cmp);
    (routed / direct, ratios[ratios.len() / 2], wayless)
}

#[test]
fn paths_of_a_narrow_planet_are_short() {
    let mut stage = Stage::with(narrow(6, planet(1, 64)));
    stage.join_crowd(64);
    for _ in 0..12 {
        stage.pass(Span::from_secs(15));
        let links: Vec<usize> = (0..64).map(|node| stage.world.link_count(node)).collect();
        let tally = stage.world.tally();
        println!(
            "{:?} stretch {:?} links mean {:.1} max {} opened {} messages {:?}",
            stage.now(),
            stretch(&stage.world),
            links.iter().sum::<usize>() as f64 / 64.0,
            links.iter().max().unwrap(),
            tally.links,
            tally.messages
        );
    }
}
