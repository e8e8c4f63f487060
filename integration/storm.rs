//! Storms: does the overlay hold whatever the weather?
//!
//! Owns: drawing a storm from a seed (size, underlay, weather, crashes, joins, leaves, partitions, wishes;
//! sites that die, nodes that flap, are slow or lose their disk), and asking every checker once it is over.
//! Never does: know a machine. `STORM_SEED=n` runs one seed and says more; `STORM_SEEDS` and `STORM_FROM`
//! choose how many and the first; `STORM_FRESH=n` adds the n-th five.

#[path = "storm/crowd.rs"]
mod crowd;
#[path = "storm/script.rs"]
mod script;
#[path = "storm/shelf.rs"]
mod shelf;

use arras::sim::Canary;
use parking_lot::Mutex;
use script::Storm;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn after_every_storm_all_checkers_hold() {
    let one = number(ONE);
    let from = one.or(number("STORM_FROM")).unwrap_or(1);
    let count = one.map_or(number("STORM_SEEDS").unwrap_or(SEEDS), |_| 1);
    // CI gives another number every hour.
    let fresh = number("STORM_FRESH").filter(|_| one.is_none()).map_or(0..0, |turn| turn * FRESH..(turn + 1) * FRESH);
    let seeds: Vec<u64> = (from..from + count).chain(fresh).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let weather_all = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !holds(*seed, one.is_some()) {
                failed.lock().push(*seed);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(weather_all);
        }
    });
    let mut failed = failed.into_inner();
    failed.sort_unstable();
    let replay =
        failed.first().map(|seed| format!(": {failed:?}; replay one: {}", replay(ONE, *seed))).unwrap_or_default();
    println!("{} storms ran, {} failed{replay}", seeds.len(), failed.len());
    assert!(failed.is_empty(), "storms failed{replay}");
}

/// Whether all checkers hold after the storm of this seed; tells its story.
fn holds(seed: u64, says_more: bool) -> bool {
    match catch_unwind(AssertUnwindSafe(|| Storm::draw(seed, None).weather(says_more))) {
        Ok((story, wrongs)) if wrongs.is_empty() => println!("{story}  ok"),
        Ok((story, wrongs)) => {
            let shown: Vec<String> = wrongs.iter().take(SHOWN).map(|wrong| format!("  {wrong}\n")).collect();
            println!("{story}  WRONG\n{}  {} in all; replay: {}", shown.concat(), wrongs.len(), replay(ONE, seed));
            return false;
        }
        Err(_) => {
            println!("seed {seed}  CRASH; replay: {}", replay(ONE, seed));
            return false;
        }
    }
    true
}

fn replay(variable: &str, seed: u64) -> String {
    format!("{variable}={seed} cargo test --test storm -- --nocapture")
}

#[test]
fn a_storm_is_the_same_storm_again() {
    let first = Storm::draw(TWICE, None).weather(false).0;
    assert_eq!(Storm::draw(TWICE, None).weather(false).0, first);
}

/// The net catches fish: with a bug in every node all of these storms end in wrongs, of the kind to be expected.
#[test]
fn a_bug_to_order_is_caught() {
    for seed in BUGGED {
        let (story, wrongs) = Storm::draw(seed, Some(Canary::RootsUnvouched)).weather(false);
        assert!(wrongs.iter().any(|wrong| wrong.property == "one root per key"), "{story}: {wrongs:?}");
    }
}

/// What everybody wants is neither stale nor back from the dead, whatever the weather; `CROWD_SEED=n` runs one seed.
#[test]
fn in_every_crowd_leases_bound_what_is_old_and_end() {
    nothing_is_wrong("CROWD_SEED", CROWDS, crowd::weather);
}

/// A node that holds much keeps every claim alive and loses what it withdraws; `SHELF_SEED=n` runs one seed.
#[test]
fn in_every_storm_claims_are_renewed_where_they_belong() {
    nothing_is_wrong("SHELF_SEED", SHELVES, shelf::weather);
}

/// All seeds from 1 on, or the one that this variable names.
fn nothing_is_wrong(variable: &str, seeds: u64, weather: fn(u64) -> (String, Vec<String>)) {
    let one = number(variable);
    for seed in one.map_or(1..=seeds, |seed| seed..=seed) {
        // Said beforehand: a crash says no more than this.
        println!("replay: {}", replay(variable, seed));
        let (story, wrongs) = weather(seed);
        println!("{story}");
        assert!(wrongs.is_empty(), "{story}: {:#?}", &wrongs[..wrongs.len().min(SHOWN)]);
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Names the one storm to run.
const ONE: &str = "STORM_SEED";
/// Seeds of one turn beside those that are always run.
const FRESH: u64 = 5;
/// `make storm` runs as many as it is told to.
const SEEDS: u64 = 200;
/// Storms with a bug.
const BUGGED: [u64; 3] = [1, 2, 3];
/// Crowds.
const CROWDS: u64 = 12;
/// Storms around a node that holds much.
const SHELVES: u64 = 8;
/// The seed that is run twice.
const TWICE: u64 = 1;
/// Complaints shown of one storm.
const SHOWN: usize = 12;
