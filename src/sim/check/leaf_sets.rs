//! At rest every leaf set is exact.
//!
//! Owns: the comparison of every view with the ring as it is.
//! Never does: excuse a node that runs and is not ready: at rest all are.

use super::Wrong;
use crate::base::Id;
use crate::sim::narrate::node_name;
use crate::sim::world::World;

/// Compares every running server's leaf set with its true neighbours.
pub fn check(world: &World) -> Vec<Wrong> {
    let per_side = world.plan().router.leaf_set_per_side;
    let ready: Vec<Id> = world.nodes().iter().filter(|node| node.is_ready()).map(|node| node.contact().id()).collect();
    let mut wrongs = Vec::new();
    for (index, node) in world.nodes().iter().enumerate() {
        let Some(view) = node.view() else { continue };
        if !view.ready {
            wrongs.push(Wrong::new("ready at rest", format!("{} is not ready", node_name(index))));
            continue;
        }
        let me = view.id();
        let (before, after) = neighbours(&me, &ready, per_side);
        let (held_before, held_after) = (&view.leaf_set.before, &view.leaf_set.after);
        for (side, truth, held) in [("before", before, held_before), ("after", after, held_after)] {
            if truth != *held {
                let what =
                    format!("{} {side}: {} instead of {}", node_name(index), names(world, held), names(world, &truth));
                wrongs.push(Wrong::new("exact leaf sets", what));
            }
        }
        let whole = ready.len() <= 2 * per_side && ready.len() - 1 <= view.leaf_set.len();
        if whole != view.leaf_set.is_whole_ring {
            let said = view.leaf_set.is_whole_ring;
            let what = format!("{} says whole ring: {said}, among {}", node_name(index), ready.len());
            wrongs.push(Wrong::new("exact leaf sets", what));
        }
    }
    wrongs
}

/// The nearest `per_side` others on each side, nearest first.
fn neighbours(me: &Id, ready: &[Id], per_side: usize) -> (Vec<Id>, Vec<Id>) {
    let mut others: Vec<Id> = ready.iter().copied().filter(|id| id != me).collect();
    others.sort_by_key(|id| me.clockwise(id));
    let after = others.iter().copied().take(per_side).collect();
    let before = others.iter().rev().copied().take(per_side).collect();
    (before, after)
}

fn names(world: &World, ids: &[Id]) -> String {
    let name = |id: &Id| world.index_of(id).map_or("?".to_owned(), node_name);
    format!("[{}]", ids.iter().map(name).collect::<Vec<_>>().join(" "))
}
