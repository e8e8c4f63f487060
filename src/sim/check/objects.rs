//! No acknowledged object is lost.
//!
//! Owns: the list of what was acknowledged, and the gets that prove it is still there.
//! Never does: hold a node to what it was never asked, or to what its client withdrew or outlived. The
//! script must not kill a majority of one replica set at once: nothing survives that.

use super::Wrong;
use crate::base::{Id, Instant};
use crate::overlay::{Command, Reply};
use crate::sim::narrate::node_name;
use crate::sim::stage::Stage;
use crate::sim::world::World;
use crate::wire::object::Value;
use std::collections::BTreeMap;

/// What some client has the overlay's word for.
#[derive(Clone, Copy)]
pub(super) struct Promise {
    /// The newest version.
    pub(super) version: u64,
    /// Until when it is promised.
    pub(super) expires: Instant,
    /// Whether it is a record, of which newer versions may come.
    pub(super) is_record: bool,
}

/// Fetches every object acknowledged so far from a node drawn for each.
pub fn check(stage: &mut Stage) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let now = stage.now();
    for (object, promise) in promises(&stage.world) {
        if promise.expires <= now {
            continue;
        }
        let Some(from) = stage.any_ready(None) else { break };
        let complaint = match stage.get(from, object) {
            Ok(value) if value.id() != object => "another object came".to_owned(),
            Ok(value) if value.version() < promise.version => {
                format!("version {} came, {} was acknowledged", value.version(), promise.version)
            }
            Ok(_) => continue,
            Err(failure) => failure.to_string(),
        };
        let what = format!("{object:?}, asked at {}: {complaint}; {}", node_name(from), whereabouts(stage, &object));
        wrongs.push(Wrong::new("no acknowledged object lost", what));
    }
    wrongs
}

/// The highest acknowledged version of every object put, and until when it was promised.
pub(super) fn promises(world: &World) -> BTreeMap<Id, Promise> {
    let mut promises: BTreeMap<Id, Promise> = BTreeMap::new();
    for (_, _, operation) in world.operations() {
        let (Command::Put { value, lifetime, .. }, Some((at, Ok(Reply::Stored { object, .. })))) =
            (&operation.command, operation.results.first())
        else {
            continue;
        };
        let is_record = matches!(value, Value::Record(_));
        let promise = Promise { version: value.version(), expires: *at + *lifetime, is_record };
        let held = promises.entry(*object).or_insert(Promise { version: 0, ..promise });
        if promise.version >= held.version {
            *held = promise;
        }
    }
    promises
}

/// Who has it on disk, and whose it should be: for whoever reads the complaint.
fn whereabouts(stage: &Stage, object: &Id) -> String {
    let now = stage.now();
    let on_disk = stage.world.nodes().iter().enumerate().filter_map(|(index, node)| {
        let (version, _) = node.disk.holds(object, now)?;
        let state = if node.is_ready() { "" } else { " (down)" };
        Some(format!("{}:v{version}{state}", node_name(index)))
    });
    let root = stage.root_of(object).map_or("nobody".to_owned(), node_name);
    format!("root {root}, on disk at [{}]", on_disk.collect::<Vec<_>>().join(" "))
}
