//! Memory stays within bounds, and what was under way comes to an end.
//!
//! Owns: the bounds of the lengths nodes report.
//! Never does: measure bytes of this process: a reading is what a machine says it holds.

use super::Wrong;
use crate::machine::{Reading, ReadingKind};
use crate::sim::narrate::node_name;
use crate::sim::world::World;

/// Compares every gauge of every node with what a world of this size can justify.
pub fn check(world: &World) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let (nodes, wishes) = (world.nodes().len() as f64, world.operations().count() as f64);
    let most = ENTRIES_FLOOR + ENTRIES_PER_NODE * nodes + ENTRIES_PER_WISH * wishes;
    for (index, node) in world.nodes().iter().enumerate() {
        for reading in node.readings().iter().filter(|reading| reading.kind == ReadingKind::Gauge) {
            if !reading.value.is_finite() || reading.value < 0.0 {
                let what = format!("{} reads {} = {}", node_name(index), reading.name, reading.value);
                wrongs.push(Wrong::new("sane readings", what));
            } else if is_length(reading) && reading.value > most {
                let what = format!("{} reads {} = {}, bound {most}", node_name(index), reading.name, reading.value);
                wrongs.push(Wrong::new("memory within bounds", what));
            }
        }
        let links = world.link_count(index);
        let budget = world.plan().router.link_budget + LINKS_BESIDE;
        if links > budget {
            let what = format!("{} has {links} links, budget {budget}", node_name(index));
            wrongs.push(Wrong::new("memory within bounds", what));
        }
    }
    wrongs
}

/// Whether a gauge tells a length: bytes, times and shares have no bound here.
fn is_length(reading: &Reading) -> bool {
    let units = ["_bytes", "_seconds", "_ms", "_us", "_ratio"];
    !units.iter().any(|unit| reading.name.ends_with(unit))
}

/// Links that come and go outside the budget: direct requests, and neighbours that dial us.
const LINKS_BESIDE: usize = 32;
/// Tables have some entries whatever the world. A guess.
const ENTRIES_FLOOR: f64 = 64.0;
/// Contact, coordinate, reach, probe, and what a node remembers about each other. Reach tables hold up
/// to 64 entries a neighbour.
const ENTRIES_PER_NODE: f64 = 80.0;
/// A wish leaves at most this many entries anywhere: its pointers or values, and their sources.
const ENTRIES_PER_WISH: f64 = 16.0;
