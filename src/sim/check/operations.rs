//! Every wish ends in exactly one result, in time.
//!
//! Owns: the count of results per wish, and how long they took.
//! Never does: judge the result itself. A wish of a node that crashed is excused from having one.

use super::Wrong;
use crate::base::Span;
use crate::sim::narrate::{node_name, wish_name};
use crate::sim::world::World;

/// Looks through all wishes so far; the stage should be at rest.
pub fn check(world: &World) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    for (node, _, operation) in world.operations() {
        let wish = format!("{} of {} at {:?}", wish_name(&operation.command), node_name(node), operation.asked);
        match operation.results.as_slice() {
            [] if operation.excused => {}
            [] => wrongs.push(Wrong::new("one result per wish", format!("{wish} has none"))),
            [(at, _)] if at.since(operation.asked) > LATE => {
                let took = at.since(operation.asked);
                wrongs.push(Wrong::new("results in time", format!("{wish} took {took}")));
            }
            [_] => {}
            several => wrongs.push(Wrong::new("one result per wish", format!("{wish} has {}", several.len()))),
        }
    }
    wrongs
}

/// The longest patience of any machine (20 s), and a second for being late.
const LATE: Span = Span::from_secs(21);
