//! The newest record wins.
//!
//! Owns: the comparison of every copy in a record's replica set with the newest acknowledged version, and gets from several
//! nodes at once.
//! Never does: look at copies outside the replica set: those are on their way out, and their holders serve nobody.

use super::objects::promises;
use super::{LOOKUP_MAX, Wrong};
use crate::base::Id;
use crate::overlay::{Command, Reply, RequestId};
use crate::sim::narrate::node_name;
use crate::sim::stage::Stage;

/// Compares copies on disks, and asks nodes drawn from all; the stage should be at rest.
pub fn check(stage: &mut Stage) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let now = stage.now();
    let records: Vec<(Id, u64)> = promises(&stage.world)
        .into_iter()
        .filter(|(_, promise)| promise.is_record && promise.expires > now)
        .map(|(object, promise)| (object, promise.version))
        .collect();
    for &(object, version) in &records {
        wrongs.extend(stale(stage, &object, version));
    }
    let mut asked: Vec<(usize, RequestId, Id, u64)> = Vec::new();
    for (object, version) in records {
        for _ in 0..ASKERS {
            let Some(from) = stage.any_ready(None) else { break };
            asked.push((from, stage.wish(from, Command::Get { object }), object, version));
        }
    }
    stage.wait_until(LOOKUP_MAX, |world| world.unanswered() == 0);
    for (from, request, object, version) in asked {
        let came = match stage.result(from, request) {
            Some(Ok(Reply::Value { value, .. })) if value.version() >= version => continue,
            Some(Ok(Reply::Value { value, .. })) => format!("version {}", value.version()),
            Some(Ok(other)) => format!("{other:?}"),
            Some(Err(failure)) => failure.to_string(),
            None => "nothing".to_owned(),
        };
        let what = format!("{} got {came} of {object:?}, version {version} was acknowledged", node_name(from));
        wrongs.push(Wrong::new("the newest record wins", what));
    }
    wrongs
}

/// Copies in the replica set that are older than what was acknowledged, or than another copy in it.
fn stale(stage: &Stage, object: &Id, acknowledged: u64) -> Vec<Wrong> {
    let (now, nodes) = (stage.now(), stage.world.nodes());
    let mut nearest = stage.ready();
    nearest.sort_by_key(|node| (stage.id(*node).distance(object), stage.id(*node)));
    nearest.truncate(usize::from(stage.world.plan().directory.replicas));
    let copy = |node: &usize| {
        let (version, terms) = nodes[*node].disk.holds(object, now)?;
        terms.replica.map(|_| (*node, version))
    };
    let copies: Vec<(usize, u64)> = nearest.iter().filter_map(copy).collect();
    let newest = copies.iter().map(|(_, version)| *version).max().unwrap_or(0).max(acknowledged);
    let behind = copies.into_iter().filter(|(_, version)| *version < newest);
    let complaint = |(node, version): (usize, u64)| {
        let what = format!("{} keeps version {version} of {object:?}, the newest is {newest}", node_name(node));
        Wrong::new("the newest record wins", what)
    };
    behind.map(complaint).collect()
}

/// Nodes that are asked for each record. A guess: as many as see different replicas nearest.
const ASKERS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::overlay::contract::{DiskOp, Terms};
    use crate::wire::object::{Record, Value};

    #[test]
    fn an_old_copy_in_the_replica_set_is_complained_of() {
        let mut stage = Stage::of(8, 5);
        stage.put_record(0, b"salt", 1, b"old").expect("kept");
        let object = stage.put_record(3, b"salt", 1, b"another").expect("kept");
        let old = Record::sign(stage.world.nodes()[3].key(), b"salt", 1, b"another".to_vec());
        stage.put_record(3, b"salt", 2, b"new").expect("kept");
        stage.rest();
        assert_eq!(check(&mut stage), []);
        let root = stage.root_of(&object).expect("a root");
        let now = stage.now();
        let op = DiskOp::KeepValue { value: Value::Record(old), terms: Terms::replica(Span::from_hours(1)) };
        stage.world.nodes[root].disk.carry_out(now, op);
        let wrongs = check(&mut stage);
        assert!(wrongs.iter().any(|wrong| wrong.what.contains("keeps version 1")), "{wrongs:?}");
        assert!(wrongs.iter().all(|wrong| wrong.property == "the newest record wins"));
    }

    #[test]
    fn gets_that_bring_an_old_record_are_complained_of() {
        let mut stage = Stage::of(8, 6);
        let object = stage.put_record(0, b"salt", 3, b"bytes").expect("kept");
        let from = 4;
        // A wish that was acknowledged, as far as anybody can tell, and reached no disk.
        let value = Value::Record(Record::sign(stage.world.nodes()[0].key(), b"salt", 4, b"more".to_vec()));
        let lifetime = Span::from_hours(1);
        stage.partition(&[vec![from]]);
        let request = stage.wish(from, Command::Put { value, lifetime, replicas: 0, expected: None });
        let stored = Reply::Stored { object, receipts: Vec::new() };
        stage.world.end(from, request, Ok(stored));
        stage.kill(from);
        stage.heal();
        stage.rest();
        let wrongs = check(&mut stage);
        assert!(wrongs.iter().any(|wrong| wrong.what.contains("got version 3")), "{wrongs:?}");
    }
}
