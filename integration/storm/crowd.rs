//! A crowd in bad weather: what everybody wants changes, is withdrawn, and nodes crash meanwhile.
//!
//! Owns: a hot record that is updated, a hot published object that is withdrawn, those who ask for both, crashes and loss;
//! and what must hold: nothing older than a lease, nothing withdrawn that comes back, no lease that stays, no root that
//! does all the work.
//! Never does: crash a root of either object, or split the network: then other promises are at stake.

use arras::base::{Chance, Id, Instant, Span};
use arras::identity::SecretKey;
use arras::overlay::directory::ROOTS_PER_OBJECT;
use arras::overlay::{Command, Reply};
use arras::sim::{Plan, Stage};
use arras::wire::Blob;
use arras::wire::directory::KnownAs;
use arras::wire::object::{Record, Value};

/// Lets a crowd of this seed have its way; gives one line about it and what does not hold.
pub fn weather(seed: u64) -> (String, Vec<String>) {
    let mut chance = Chance::from_seed(seed ^ CROWD);
    let mut plan = Plan::from_seed(seed);
    (plan.router.leaf_set_per_side, plan.router.link_budget) = (4, 16);
    plan.directory.leases.immutable = Span::from_mins(2);
    let lease = plan.directory.leases.mutable;
    let mut stage = Stage::with(plan);
    stage.join_crowd(40 + chance.index(40));
    stage.rest();
    let owner = SecretKey::from_seed([7; 32]);
    let record = |version: u64| Value::Record(Record::sign(&owner, b"hot", version, vec![version as u8; 40]));
    let (hot, shown) = (record(1).id(), Value::Blob(Blob::from(b"shown".to_vec())));
    let holder = stage.any_ready(None).expect("ready nodes");
    stage.put_value(holder, record(1), None).expect("the first version");
    stage.publish(holder, b"shown").expect("published");
    let root = stage.root_of(&hot);
    // A root that is down while a claim is withdrawn comes back with it: until the claim's own end it knows no better.
    let roots: Vec<_> =
        (0..ROOTS_PER_OBJECT).map(|salt| stage.root_of(&shown.id().salted(salt))).chain([root]).collect();
    let root_asked = |stage: &Stage| root.map_or(0, |root| stage.world.nodes()[root].asked_of());
    let before = root_asked(&stage);
    stage.world.weather.loss = 0.02 * chance.unit();
    let (mut withdrawn, mut most) = (None, 0);
    let stands = |stage: &Stage| stage.world.nodes().iter().map(leases).sum::<u64>();
    let mut down = Vec::new();
    for round in 1..=ROUNDS {
        stage.wish(holder, Command::Put { value: record(round + 1), lifetime: HOUR, replicas: 0, expected: None });
        if round == ROUNDS / 2 {
            stage.unpublish(holder, shown.id()).expect("withdrawn");
            withdrawn = Some(stage.now());
        }
        if let Some(node) = down.pop() {
            stage.restart(node);
        } else if let Some(node) = stage.any_ready(Some(holder)).filter(|node| !roots.contains(&Some(*node))) {
            stage.kill(node);
            down.push(node);
        }
        for _ in 0..ASKS_A_ROUND {
            let Some(asker) = stage.any_ready(None) else { break };
            let command = match chance.happens(0.7) {
                true => Command::Get { object: hot },
                false => Command::Locate { object: shown.id() },
            };
            stage.wish(asker, command);
            stage.pass(ROUND / ASKS_A_ROUND);
        }
        most = most.max(stands(&stage));
    }
    let asked = root_asked(&stage) - before;
    stage.world.weather.loss = 0.0;
    down.into_iter().for_each(|node| stage.restart(node));
    stage.rest();
    // Longer than the longest lease.
    stage.pass(Span::from_mins(3));
    let mut wrongs = stale(&stage, hot, lease);
    wrongs.extend(withdrawn.into_iter().flat_map(|since| back_again(&stage, shown.id(), since + lease)));
    let left = stands(&stage);
    if left > 0 {
        wrongs.push(format!("{left} leases are left, long after the last request"));
    }
    let all = ROUNDS * ASKS_A_ROUND;
    if asked * 3 > all {
        wrongs.push(format!("the root was asked {asked} times of {all}"));
    }
    if most == 0 {
        wrongs.push("nobody ever had a lease".to_owned());
    }
    (format!("crowd {seed}: {} nodes, {most} leases at most", stage.world.nodes().len()), wrongs)
}

/// Answers older than what was acknowledged a whole lease before they were asked for.
fn stale(stage: &Stage, hot: Id, lease: Span) -> Vec<String> {
    let acknowledged: Vec<(Instant, u64)> = stage
        .world
        .operations()
        .filter_map(|(_, _, operation)| match (&operation.command, operation.results.first()) {
            (Command::Put { value, .. }, Some((at, Ok(Reply::Stored { object, .. })))) if *object == hot => {
                Some((*at, value.version()))
            }
            _ => None,
        })
        .collect();
    let mut wrongs = Vec::new();
    for (node, _, operation) in stage.world.operations() {
        let (Command::Get { object }, Some((_, Ok(Reply::Value { value, from, .. })))) =
            (&operation.command, operation.results.first())
        else {
            continue;
        };
        let due = acknowledged.iter().filter(|(at, _)| *at + lease + SLACK <= operation.asked);
        let due = due.map(|(_, version)| *version).max().unwrap_or(0);
        if *object == hot && value.version() < due {
            let (got, asked) = (value.version(), operation.asked);
            wrongs.push(format!("node {node} got version {got} at {asked:?} from {from:?}, {due} was due"));
        }
    }
    wrongs
}

/// Locates that found what was withdrawn a whole lease before they were asked.
fn back_again(stage: &Stage, shown: Id, since: Instant) -> Vec<String> {
    let found = |(node, _, operation): (usize, _, &arras::sim::Operation)| {
        let Some((_, Ok(Reply::Holders { by, .. }))) = operation.results.first() else { return None };
        let is_late = matches!(operation.command, Command::Locate { object } if object == shown);
        // Copies that pointers leave on their way to a root are no leases: they last as long as the claim did.
        let is_leased = by.known_as != KnownAs::Passing;
        (is_late && is_leased && operation.asked >= since + SLACK)
            .then(|| format!("node {node} found what was withdrawn at {:?}, by {by:?}", operation.asked))
    };
    stage.world.operations().filter_map(found).collect()
}

/// Leases a node has and has given.
fn leases(node: &arras::sim::Node) -> u64 {
    let names = ["directory_stands", "directory_leases"];
    node.readings().iter().filter(|reading| names.contains(&reading.name)).map(|reading| reading.value as u64).sum()
}

/// For what else a seed draws stays what it is.
const CROWD: u64 = 0x0063_726f_7764;
/// Rounds of a storm, how long each is, and how often is asked in each.
const ROUNDS: u64 = 16;
const ROUND: Span = Span::from_secs(10);
const ASKS_A_ROUND: u64 = 300;
const HOUR: Span = Span::from_hours(1);
/// A put's answer is on its way while the change is spread; a get may be answered a patience after it was asked.
const SLACK: Span = Span::from_secs(5);
