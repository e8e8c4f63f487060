//! Many stored values: put by nodes of a world, asked for by others while nodes come and go.
//!
//! Owns: what is put, who puts it and who asks for it, drawn evenly; the pace; the account of the copies that are left.
//! Never does: ask twice for what was not got, or leave a failure out.

use super::pace::{Outcome, Pace};
use super::stage::Stage;
use crate::base::{Chance, Id, Span};
use crate::identity::SecretKey;
use crate::overlay::{Command, Failure, Reply};
use crate::wire::Blob;
use crate::wire::object::{Record, Value};
use std::collections::BTreeMap;

/// What came of putting.
#[derive(Clone, Debug, Default)]
pub struct Deposited {
    /// What was acknowledged, by id.
    pub objects: Vec<Id>,
    /// Of these, records.
    pub records: usize,
    /// Why the rest was not.
    pub failures: Vec<String>,
}

/// What came of a get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gotten {
    /// The value came, after so long.
    Value(Span),
    /// Whoever asked has crashed.
    Excused,
    /// It did not come.
    Failed(String),
}

/// The copies of some objects at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// For each object, nodes that run and have a sound copy on disk.
    pub copies: Vec<usize>,
    /// Objects of which nobody has a copy, not even on the disk of a node that is away.
    pub lost: usize,
    /// Objects of which only nodes that are away have one.
    pub out_of_reach: usize,
}

/// Draws so many values of [`VALUE_BYTES`]: each tenth one is a record, the others are blobs.
pub fn draw_values(chance: &mut Chance, count: usize) -> Vec<Value> {
    let mut draw = |index: usize| {
        let bytes: Vec<u8> = (0..4).flat_map(|_| chance.bytes32()).take(VALUE_BYTES).collect();
        match index % RECORD_EACH {
            0 => Value::Record(Record::sign(&SecretKey::from_seed(chance.bytes32()), b"", 1, bytes)),
            _ => Value::Blob(Blob::from(bytes)),
        }
    };
    (0..count).map(&mut draw).collect()
}

impl Stage {
    /// Lets nodes that are ready put these, at an even pace of `per_second`.
    pub fn store_all(
        &mut self,
        values: &[Value],
        chance: &mut Chance,
        per_second: f64,
        progress: &mut dyn FnMut(usize),
    ) -> Deposited {
        let nodes = self.ready();
        let putters: Vec<usize> = values.iter().map(|_| nodes[chance.index(nodes.len())]).collect();
        let wish = |_: &Stage, index: usize| {
            let value = values[index].clone();
            (putters[index], Command::Put { value, lifetime: LIFETIME, replicas: 0, expected: None })
        };
        let outcomes = self.at_pace(values.len(), wish, Pace { per_second, wait: ANSWER_MAX }, progress);
        let mut deposited = Deposited::default();
        for (value, outcome) in values.iter().zip(outcomes) {
            match outcome.result {
                Some((_, Ok(Reply::Stored { object, .. }))) => {
                    deposited.objects.push(object);
                    deposited.records += usize::from(value.version() > 0);
                }
                other => deposited.failures.push(failure(other)),
            }
        }
        deposited
    }

    /// Lets nodes that are ready at that moment get random ones of these, each get tried once, at an even pace of
    /// `per_second`. Nodes come and go meanwhile, if that has begun.
    pub fn get_all(
        &mut self,
        objects: &[Id],
        chance: &mut Chance,
        (count, per_second): (usize, f64),
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Gotten> {
        if objects.is_empty() {
            return Vec::new();
        }
        let drawn: Vec<(Id, f64)> = (0..count).map(|_| (objects[chance.index(objects.len())], chance.unit())).collect();
        let wish = |stage: &Stage, index: usize| {
            let (object, place) = drawn[index];
            let ready = stage.ready();
            let askers = if ready.is_empty() { stage.up() } else { ready };
            let asker = askers.get((place * askers.len() as f64) as usize).copied().unwrap_or(0);
            (asker, Command::Get { object })
        };
        let outcomes = self.at_pace(count, wish, Pace { per_second, wait: ANSWER_MAX }, progress);
        outcomes.into_iter().zip(&drawn).map(|(outcome, (object, _))| gotten(outcome, object)).collect()
    }

    /// The copies there are of these objects now.
    pub fn account(&self, objects: &[Id]) -> Account {
        let mut held: BTreeMap<Id, (usize, usize)> = BTreeMap::new();
        for node in self.world.nodes() {
            for (object, _) in node.disk.sound(self.now()) {
                let (running, away) = held.entry(*object).or_default();
                *(if node.is_up() { running } else { away }) += 1;
            }
        }
        let mut account = Account::default();
        for object in objects {
            let (running, away) = held.get(object).copied().unwrap_or_default();
            account.copies.push(running);
            account.lost += usize::from(running + away == 0);
            account.out_of_reach += usize::from(running == 0 && away > 0);
        }
        account
    }
}

fn gotten(outcome: Outcome, object: &Id) -> Gotten {
    match outcome.result {
        Some((took, Ok(Reply::Value { value, .. }))) if value.id() == *object => Gotten::Value(took),
        _ if outcome.excused => Gotten::Excused,
        other => Gotten::Failed(failure(other)),
    }
}

fn failure(result: Option<(Span, Result<Reply, Failure>)>) -> String {
    match result {
        None => "no result".to_owned(),
        Some((_, Err(failure))) => failure.to_string(),
        Some((_, Ok(_))) => "another reply than was asked for".to_owned(),
    }
}

/// Bytes of each value: as small as what distributed tables are measured with. A guess.
pub const VALUE_BYTES: usize = 100;
/// One in so many is a record.
const RECORD_EACH: usize = 10;
/// Longer than the patience of any operation of a directory.
const ANSWER_MAX: Span = Span::from_secs(25);
/// Longer than any run of [`HOURS_MAX`], and less than a Directory grants.
const LIFETIME: Span = Span::from_hours(24 * 29);
/// Longest run in which nothing expires, in virtual hours.
pub const HOURS_MAX: f64 = 24.0 * 28.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::churn::{Churn, Habits, Lifetimes, Pattern};

    #[test]
    fn what_is_put_is_there_while_nodes_come_and_go() {
        let mut stage = Stage::bare(5);
        stage.join_in_crowds(16, &mut |_| {});
        let mut chance = Chance::from_seed(1);
        let values = draw_values(&mut chance, 100);
        let deposited = stage.store_all(&values, &mut chance, 50.0, &mut |_| {});
        assert_eq!((deposited.objects.len(), deposited.records, deposited.failures.len()), (100, 10, 0));
        stage.pass(Span::from_secs(30));
        let account = stage.account(&deposited.objects);
        assert!(account.lost == 0 && account.copies.iter().all(|copies| (4..=5).contains(copies)), "{account:?}");
        let span = |mins| Lifetimes::of_mean(1.0, Span::from_mins(mins));
        let plain = Some(Pattern { sessions: span(20), absences: span(5) });
        stage.begin_churn(Churn::new(Habits { plain, ..Habits::default() }, Chance::from_seed(4)));
        let gotten = stage.get_all(&deposited.objects, &mut chance, (300, 0.5), &mut |_| {});
        let had = gotten.iter().filter(|gotten| matches!(gotten, Gotten::Value(_))).count();
        assert!(gotten.len() == 300 && had > 290, "{had} of 300");
        let churn = stage.churn().expect("begun");
        assert!(churn.crashes > 3 && churn.kept_by_crashed > churn.crashes as u64 * 100, "{churn:?}");
        assert_eq!(stage.account(&deposited.objects).lost, 0);
    }

    #[test]
    fn a_copy_that_was_damaged_counts_no_more_and_is_mended_unasked() {
        let mut plan = crate::sim::Plan::from_seed(6);
        plan.directory.upkeep.scrub_interval = Span::from_mins(20);
        let mut stage = Stage::with(plan);
        stage.join_in_crowds(10, &mut |_| {});
        let mut chance = Chance::from_seed(1);
        let objects = stage.store_all(&draw_values(&mut chance, 30), &mut chance, 50.0, &mut |_| {}).objects;
        stage.pass(Span::from_mins(2));
        let before = stage.account(&objects).copies;
        let holder = stage
            .up()
            .into_iter()
            .find(|node| stage.world.nodes()[*node].disk.holds(&objects[9], stage.now()).is_some());
        assert!(stage.world.damage(holder.expect("one has it"), &objects[9]));
        assert_eq!(stage.account(&objects).copies[9], before[9] - 1);
        // The interval, and that of comparisons with what it may be late.
        stage.pass(Span::from_mins(20 + 13));
        assert!(stage.account(&objects).copies[9] >= 4, "{:?} {before:?}", stage.account(&objects).copies);
    }
}
