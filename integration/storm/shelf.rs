//! A node that holds much, in bad weather: its claims are renewed region by region while roots come and go.
//!
//! Owns: one node that publishes many objects for a short time and withdraws some, nodes that crash, join and come back,
//! loss, a restart of the holder; and what must hold: each claim is at its root, what was withdrawn is nowhere.
//! Never does: split the network: then a claim has two roots, and other promises are at stake.

use arras::base::{Chance, Id, Span};
use arras::overlay::directory::ROOTS_PER_OBJECT;
use arras::overlay::{Command, Failure};
use arras::sim::{Plan, Stage};
use arras::wire::Blob;
use arras::wire::object::Value;

/// Lets a storm of this seed have its way; gives one line about it and what does not hold.
pub fn weather(seed: u64) -> (String, Vec<String>) {
    let mut chance = Chance::from_seed(seed ^ SHELF);
    let mut plan = Plan::from_seed(seed);
    (plan.router.leaf_set_per_side, plan.router.link_budget) = (4, 16);
    plan.directory.pointer_lifetime = LIFETIME;
    let mut stage = Stage::with(plan);
    stage.join_crowd(20 + chance.index(30));
    stage.rest();
    let holder = stage.any_ready(None).expect("ready nodes");
    let mut shown = Vec::new();
    for number in 0..OBJECTS {
        let value = Value::Blob(Blob::from(format!("{seed} {number}").into_bytes()));
        shown.push(value.id());
        stage.wish(holder, Command::Publish { value, lifetime: None });
        stage.pass(Span::from_millis(10));
    }
    stage.world.weather.loss = 0.03 * chance.unit();
    let (mut withdrawn, mut down, mut by_range) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..ROUNDS {
        for _ in 0..1 + chance.index(3) {
            match chance.index(3) {
                0 => down.extend(stage.any_ready(Some(holder)).inspect(|node| stage.kill(*node))),
                1 => _ = stage.enter(),
                _ => down.pop().into_iter().for_each(|node| stage.restart(node)),
            }
        }
        for _ in 0..WITHDRAWN_A_ROUND {
            let object = shown.swap_remove(chance.index(shown.len()));
            stage.wish(holder, Command::Unpublish { object });
            withdrawn.push(object);
        }
        stage.pass(ROUND);
        if round == ROUNDS / 2 {
            by_range = renewals(&stage, holder, "by_range");
            stage.kill(holder);
            stage.pass(Span::from_secs(5));
            stage.restart(holder);
        }
    }
    stage.world.weather.loss = 0.0;
    down.into_iter().for_each(|node| stage.restart(node));
    stage.rest();
    stage.pass(LIFETIME * 2);
    let mut wrongs = misplaced(&stage, holder, &shown, &withdrawn);
    for _ in 0..ASKS {
        let Some(asker) = stage.any_ready(Some(holder)) else { break };
        let (here, gone) = (shown[chance.index(shown.len())], withdrawn[chance.index(withdrawn.len())]);
        let id = stage.id(holder);
        let found = stage.locate(asker, here);
        if !found.as_ref().is_ok_and(|holders| holders.iter().any(|found| found.contact.id() == id)) {
            wrongs.push(format!("node {asker} located {here:?}: {found:?}"));
        }
        let found = stage.locate(asker, gone);
        if found != Err(Failure::NotFound) {
            wrongs.push(format!("node {asker} located {gone:?}, which was withdrawn: {found:?}"));
        }
    }
    let again = renewals(&stage, holder, "by_range");
    if by_range == 0.0 || again == 0.0 {
        wrongs.push(format!("{by_range} claims were renewed by range before the restart, {again} after it"));
    }
    let singly = renewals(&stage, holder, "singly");
    let nodes = stage.ready().len();
    (format!("shelf {seed}: {nodes} nodes, since the restart {again} claims renewed by range, {singly} singly"), wrongs)
}

/// Claims that are not where they belong, or should be nowhere.
fn misplaced(stage: &Stage, holder: usize, shown: &[Id], withdrawn: &[Id]) -> Vec<String> {
    let (now, id) = (stage.now(), stage.id(holder));
    let points =
        |root: &Id| stage.root_of(root).is_some_and(|node| stage.world.nodes()[node].disk.points(root, &id, now));
    let roots = |objects: &[Id]| -> Vec<Id> {
        objects.iter().flat_map(|object| (0..ROOTS_PER_OBJECT).map(|salt| object.salted(salt))).collect()
    };
    let missing = roots(shown).into_iter().filter(|root| !points(root)).map(|root| {
        let node = stage.root_of(&root);
        format!("no claim under {root:?} at its root {node:?}")
    });
    let left = roots(withdrawn).into_iter().filter(points).map(|root| format!("a withdrawn claim under {root:?}"));
    missing.chain(left).collect()
}

fn renewals(stage: &Stage, node: usize, step: &str) -> f64 {
    let readings = stage.world.nodes()[node].readings();
    let is_it = |reading: &&arras::machine::Reading| {
        let label = reading.label.as_ref().map(|(_, value)| value.as_str());
        reading.name == "directory_renewals_total" && label == Some(step)
    };
    readings.iter().filter(is_it).map(|reading| reading.value).sum()
}

/// For what else a seed draws stays what it is.
const SHELF: u64 = 0x0073_6865_6c66;
/// Enough for renewal by region at two shards and fifty nodes.
const OBJECTS: usize = 300;
/// Of each claim: so there are six intervals of renewal in a storm.
const LIFETIME: Span = Span::from_mins(2);
const ROUNDS: usize = 16;
const ROUND: Span = Span::from_secs(20);
const WITHDRAWN_A_ROUND: usize = 5;
/// Locates in the end, of what is there and of what is not.
const ASKS: usize = 20;
