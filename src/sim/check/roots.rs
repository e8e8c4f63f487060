//! Every key has one root, whoever asks.
//!
//! Owns: the truth about roots, and the lookups that compare it with what nodes say.
//! Never does: look while the overlay is still moving: at rest only.

use super::{LOOKUP_MAX, Wrong};
use crate::base::Id;
use crate::overlay::{Command, Failure, Reply, RequestId};
use crate::sim::narrate::node_name;
use crate::sim::stage::Stage;
use crate::sim::world::World;

/// The ready living node numerically closest to the key.
pub fn truth(world: &World, key: &Id) -> Option<usize> {
    let ready = world.nodes().iter().enumerate().filter(|(_, node)| node.is_ready());
    let nearer = |best: Option<(usize, Id)>, (index, id): (usize, Id)| match best {
        Some((_, held)) if held.is_nearer(key, &id) => best,
        _ => Some((index, id)),
    };
    ready.map(|(index, node)| (index, node.contact().id())).fold(None, nearer).map(|(index, _)| index)
}

/// Asks every ready node for the root of `keys` keys drawn from the stage's seed.
pub fn check(stage: &mut Stage, keys: usize) -> Vec<Wrong> {
    let keys: Vec<Id> = (0..keys).map(|_| stage.key()).collect();
    let mut wrongs = Vec::new();
    for key in keys {
        let asked: Vec<(usize, RequestId)> = stage
            .ready()
            .into_iter()
            .map(|from| (from, stage.wish(from, Command::Lookup { key, traced: false })))
            .collect();
        stage.wait_until(LOOKUP_MAX, |world| world.unanswered() == 0);
        let truth = truth(&stage.world, &key);
        for (from, request) in asked {
            wrongs.extend(compare(stage, key, truth, (from, stage.result(from, request))));
        }
    }
    wrongs
}

fn compare(
    stage: &Stage,
    key: Id,
    truth: Option<usize>,
    (from, said): (usize, Option<Result<Reply, Failure>>),
) -> Option<Wrong> {
    let said = match said {
        Some(Ok(Reply::Root(root))) => match stage.world.index_of(&root.contact.id()) {
            found if found == truth => return None,
            Some(found) => node_name(found),
            None => "a stranger".to_owned(),
        },
        Some(Ok(other)) => format!("{other:?}"),
        Some(Err(failure)) => failure.to_string(),
        None => "nothing".to_owned(),
    };
    let truth = truth.map_or("nobody".to_owned(), node_name);
    let from = node_name(from);
    Some(Wrong::new("one root per key", format!("{from} says of key {key:?}: {said}, but it is {truth}")))
}
