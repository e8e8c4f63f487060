//! How long a network takes to be one again.
//!
//! Owns: splitting it in halves or cutting all its links for a while, writing records meanwhile, and looking every second
//! afterwards whether leaf sets, roots and records are as they must be.
//! Never does: help: the nodes find back by themselves.

use super::check::{self, Wrong};
use super::stage::Stage;
use crate::base::{Chance, Id, Instant, Span};
use crate::overlay::{Command, Reply, RequestId};
use crate::wire::object::{Record, Value};

/// What happens to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rift {
    /// Two halves, drawn at random, hear nothing of each other. Records are put and updated on one of them.
    Halves,
    /// No node hears anything of any other. Records are put and updated just before.
    Outage,
}

/// How it became one again.
#[derive(Clone, Debug)]
pub struct Mended {
    /// What had happened.
    pub rift: Rift,
    /// How long it lasted.
    pub lasted: Span,
    /// From the end of it until every leaf set was exact, and stayed so as long as was looked; `None`: not so long.
    pub ring: Option<Span>,
    /// The same until every lookup asked named the one node that is closest.
    pub roots: Option<Span>,
    /// The same until every get of a record brought the newest version that was acknowledged.
    pub records: Option<Span>,
    /// Records that were acknowledged, and writes that were not.
    pub written: usize,
    /// Writes that were refused or lost: no promise was made of them.
    pub unwritten: usize,
    /// What all checkers complain of, at rest.
    pub wrongs: Vec<Wrong>,
}

/// A question under way, and when it was asked.
struct Asked {
    at: Instant,
    node: usize,
    request: RequestId,
    what: What,
}

/// What is asked.
enum What {
    Root(Id),
    Newest { version: u64 },
}

impl Stage {
    /// Lets this happen to the network for so long, and looks how it mends. The nodes must be at rest before, and neither
    /// come nor go.
    pub fn rift(&mut self, rift: Rift, lasts: Span, chance: &mut Chance) -> Mended {
        let up = self.up();
        let mut half = up.clone();
        chance.shuffle(&mut half);
        half.truncate(up.len().div_ceil(2));
        let lifetime = lasts + KEPT_AFTER;
        let owners: Vec<usize> = (0..RECORDS).filter_map(|_| chance.pick(&up).copied()).collect();
        let old = RECORDS - RECORDS_NEW;
        let mut writes = self.write(&owners[..old.min(owners.len())], 1, lifetime, &up, chance);
        match rift {
            Rift::Halves => {
                self.partition(std::slice::from_ref(&half));
                self.pass(lasts / 2);
                writes.extend(self.write(&owners, 2, lifetime, &half, chance));
                self.pass(lasts / 2);
            }
            Rift::Outage => {
                writes.extend(self.write(&owners, 2, lifetime, &up, chance));
                self.partition(&up.iter().map(|node| vec![*node]).collect::<Vec<_>>());
                self.pass(lasts);
            }
        }
        self.heal();
        let (records, unwritten) = self.acknowledged(&writes);
        let written = records.len();
        self.watch(
            Mended {
                rift,
                lasted: lasts,
                ring: None,
                roots: None,
                records: None,
                written,
                unwritten,
                wrongs: Vec::new(),
            },
            &records,
            chance,
        )
    }

    /// Puts this version of a record of each owner, at one of these nodes each, and waits.
    fn write(
        &mut self,
        owners: &[usize],
        version: u64,
        lifetime: Span,
        at: &[usize],
        chance: &mut Chance,
    ) -> Vec<(usize, RequestId)> {
        let mut writes = Vec::new();
        for (each, owner) in owners.iter().enumerate() {
            let text = format!("record {each}, version {version}");
            let key = self.world.nodes()[*owner].key();
            let value = Value::Record(Record::sign(key, format!("{each}").as_bytes(), version, text.into_bytes()));
            let Some(from) = chance.pick(at).copied() else { break };
            writes.push((from, self.wish(from, Command::Put { value, lifetime, replicas: 0, expected: None })));
        }
        self.pass(ANSWER_MAX);
        writes
    }

    /// The newest version of each record that was acknowledged, and how many writes were not.
    fn acknowledged(&self, writes: &[(usize, RequestId)]) -> (Vec<(Id, u64)>, usize) {
        let mut newest = std::collections::BTreeMap::new();
        let mut unwritten = 0;
        for (from, request) in writes {
            let Some(operation) = self.world.operation(*from, *request) else { continue };
            match (&operation.command, operation.results.first()) {
                (Command::Put { value, .. }, Some((_, Ok(Reply::Stored { .. })))) => {
                    let held = newest.entry(value.id()).or_insert(0);
                    *held = value.version().max(*held);
                }
                _ => unwritten += 1,
            }
        }
        (newest.into_iter().collect(), unwritten)
    }

    /// Looks every second; asks all the while.
    fn watch(&mut self, mended: Mended, records: &[(Id, u64)], chance: &mut Chance) -> Mended {
        let begun = self.now();
        let (mut asked, mut ring_wrong) = (Vec::new(), None);
        for _ in 0..WATCHED_S {
            if !check::leaf_sets::check(&self.world).is_empty() {
                ring_wrong = Some(self.now());
            }
            self.question(records, chance, &mut asked);
            self.pass(SECOND);
        }
        self.pass(ANSWER_MAX);
        let (mut root_wrong, mut record_wrong) = (None, None);
        for question in asked {
            let is_right = self.is_answered(&question);
            match question.what {
                What::Root(_) if !is_right => root_wrong = Some(question.at),
                What::Newest { .. } if !is_right => record_wrong = Some(question.at),
                _ => {}
            }
            self.world.forget(question.node, question.request);
        }
        let since = |wrong: Option<Instant>| mended_after(begun, wrong);
        let (ring, roots, records) = (since(ring_wrong), since(root_wrong), since(record_wrong));
        self.rest();
        Mended { ring, roots, records, wrongs: self.wrongs(), ..mended }
    }

    fn question(&mut self, records: &[(Id, u64)], chance: &mut Chance, asked: &mut Vec<Asked>) {
        let (at, up) = (self.now(), self.up());
        let mut ask = |stage: &mut Stage, command: Command, what: What| {
            let Some(node) = chance.pick(&up).copied() else { return };
            let request = stage.wish(node, command);
            asked.push(Asked { at, node, request, what });
        };
        for _ in 0..LOOKUPS_PER_S {
            let key = self.key();
            ask(self, Command::Lookup { key, traced: false }, What::Root(key));
        }
        for &(object, version) in records {
            ask(self, Command::Get { object }, What::Newest { version });
        }
    }

    fn is_answered(&self, question: &Asked) -> bool {
        match (self.result(question.node, question.request), &question.what) {
            (Some(Ok(Reply::Root(root))), What::Root(key)) => {
                self.world.index_of(&root.contact.id()) == self.root_of(key)
            }
            (Some(Ok(Reply::Value { value, .. })), What::Newest { version }) => value.version() >= *version,
            _ => false,
        }
    }
}

/// How long after `begun` all was well for good, if something was wrong last at that moment.
fn mended_after(begun: Instant, wrong: Option<Instant>) -> Option<Span> {
    let after = wrong.map_or(Span::ZERO, |wrong| wrong.since(begun) + SECOND);
    (after + STILL <= SECOND * WATCHED_S).then_some(after)
}

/// Records, and those of them that are new during a partition. Guesses: enough that replica sets lie on both sides.
const RECORDS: usize = 30;
const RECORDS_NEW: usize = 10;
/// How long records are kept beyond the rift: longer than is looked.
const KEPT_AFTER: Span = Span::from_hours(4);
/// Longer than any operation's patience (20 s).
const ANSWER_MAX: Span = Span::from_secs(30);
const SECOND: Span = Span::from_secs(1);
/// For how many seconds it is looked: three times the bar of a minute.
const WATCHED_S: u64 = 180;
/// How long all must have been well to count as well for good. A guess.
const STILL: Span = Span::from_secs(30);
/// Lookups asked each second. A guess: one in twenty of all nodes of the largest runs.
const LOOKUPS_PER_S: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(seed: u64) -> Stage {
        let mut stage = Stage::bare(seed);
        stage.join_in_crowds(24, &mut |_| {});
        stage.settle(Span::from_secs(120));
        stage
    }

    #[test]
    fn halves_are_one_again_within_a_minute_and_the_newest_record_wins() {
        let mended = stage(3).rift(Rift::Halves, Span::from_mins(20), &mut Chance::from_seed(5));
        assert!(mended.written >= RECORDS / 2, "{mended:?}");
        for (what, after) in [("ring", mended.ring), ("roots", mended.roots), ("records", mended.records)] {
            assert!(after.is_some_and(|after| after <= Span::from_secs(60)), "{what}: {mended:?}");
        }
        assert!(mended.ring > Some(Span::ZERO), "they were apart: {mended:?}");
        assert_eq!(mended.wrongs, []);
    }

    #[test]
    fn after_an_outage_all_is_as_before_within_seconds() {
        let mended = stage(4).rift(Rift::Outage, Span::from_mins(20), &mut Chance::from_seed(6));
        assert_eq!((mended.written, mended.unwritten), (RECORDS, 0));
        // Some node's next knock is due within seconds; whoever is answered knocks on all who stood near it at once.
        for (what, after) in [("ring", mended.ring), ("roots", mended.roots), ("records", mended.records)] {
            assert!(after.is_some_and(|after| after <= Span::from_secs(15)), "{what}: {mended:?}");
        }
        assert_eq!(mended.wrongs, []);
    }

    #[test]
    fn what_was_wrong_until_lately_is_not_mended() {
        let at = |secs| Instant::ORIGIN + Span::from_secs(secs);
        assert_eq!(mended_after(at(10), None), Some(Span::ZERO));
        assert_eq!(mended_after(at(10), Some(at(14))), Some(Span::from_secs(5)));
        assert_eq!(mended_after(at(10), Some(at(10 + WATCHED_S - 31))), Some(Span::from_secs(WATCHED_S - 30)));
        assert_eq!(mended_after(at(10), Some(at(10 + WATCHED_S - 30))), None);
    }
}
