//! Comparing what two nodes keep, range by range.
//!
//! Owns: the comparisons this shard has asked for, and the answer to those of others, of whom it remembers nothing.
//! Never does: choose what is compared with whom, or send a value: what differs is offered by name.

use super::Directory;
use super::ground::Counter;
use super::ranges::{Verdict, split};
use super::repair::IN_HAND_WAIT;
use crate::base::{Id, Instant};
use crate::overlay::Sharding;
use crate::wire::Directory as Message;
use crate::wire::directory::{RANGES_MAX, Range, RangeSum, Slice};
use std::collections::{BTreeMap, BTreeSet};

/// Comparisons under way, by their salts.
pub(super) type Comparisons = BTreeMap<u64, Comparison>;

/// Values in hand, one after the other in the order of their ids, with nothing of this shard's between them.
pub(super) type Run = Vec<(Id, u64)>;

/// One question to one peer.
pub(super) struct Comparison {
    peer: Id,
    ranges: Vec<Compared>,
    /// Shards of the peer that have answered.
    heard: BTreeSet<u8>,
    pub(super) until: Instant,
}

/// A range of it.
struct Compared {
    run: Run,
    own: RangeSum,
    theirs: RangeSum,
}

impl Directory {
    /// Asks a peer how much of these runs it has. Runs of one value are offered by name: that is less to say.
    pub(super) fn compare(&mut self, peer: Id, runs: Vec<Run>) {
        let (single, runs): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.len() == 1);
        self.offer(peer, single.iter().flatten().map(|(object, _)| *object).collect());
        let Some(contact) = self.ground.contact(&peer) else { return };
        let mut runs = runs.into_iter().peekable();
        while runs.peek().is_some() {
            let salt = self.ground.chance.next_u64();
            let compared = |run: Run| Compared {
                own: RangeSum::of(salt, run.iter().map(|(object, version)| (object, *version))),
                theirs: RangeSum::default(),
                run,
            };
            let ranges: Vec<Compared> = runs.by_ref().take(RANGES_MAX).map(compared).collect();
            let slice = self.sharding.slice(self.ground.shard);
            let message = Message::Compare { salt, slice, ranges: ranges.iter().filter_map(Compared::range).collect() };
            let until = self.ground.now + IN_HAND_WAIT;
            self.repair.hold_on(ranges.iter().flat_map(|range| range.run.iter().map(|(object, _)| object)), until);
            self.repair.comparisons.insert(salt, Comparison { peer, ranges, heard: BTreeSet::new(), until });
            self.ground.tally.count(Counter::Repairs, "compare");
            self.ground.send(&contact, message);
        }
    }

    /// A peer asks how much this shard has.
    pub(super) fn on_compare(&mut self, from: Id, salt: u64, slice: &Slice, ranges: &[Range]) {
        // Who leaves, or has more to do than it can, is silent: it will be asked again.
        if slice.shard >= slice.shards || self.leaving.is_some() || self.away.is_crowded() {
            return self.ground.tally.count(Counter::Ignored, "compare");
        }
        let now = self.ground.now;
        let mut left = COMPARED_MAX;
        let mut sum = |range: &Range| {
            let mut sum = RangeSum::default();
            for (object, entry) in self.values.between(range.first, range.last) {
                if left == 0 {
                    break;
                }
                left -= 1;
                if entry.is_live_replica(now) && Sharding::is_of_slice(object, slice) {
                    sum.add(salt, object, entry.version);
                }
            }
            sum
        };
        let sums = ranges.iter().map(&mut sum).collect();
        let own = self.sharding.slice(self.ground.shard);
        let answer = Message::Compared { salt, asker: slice.shard, shard: own.shard, shards: own.shards, sums };
        self.ground.send_linked(from, answer);
    }

    /// A shard of a peer tells how much it has.
    pub(super) fn on_compared(&mut self, from: Id, salt: u64, (shard, shards): (u8, u8), sums: &[RangeSum]) {
        let known = self.repair.comparisons.get_mut(&salt).filter(|comparison| comparison.peer == from);
        let Some(comparison) = known.filter(|known| known.ranges.len() == sums.len() && shard < shards) else {
            return self.ground.tally.count(Counter::Ignored, "compared");
        };
        if comparison.heard.insert(shard) {
            comparison.ranges.iter_mut().zip(sums).for_each(|(range, sum)| range.theirs.merge(sum));
        }
        if comparison.heard.len() < usize::from(shards) {
            return;
        }
        let Some(Comparison { ranges, .. }) = self.repair.comparisons.remove(&salt) else { return };
        let (mut runs, mut names) = (Vec::new(), Vec::new());
        for Compared { run, own, theirs } in ranges {
            match own.judged(&theirs) {
                Verdict::Same => {
                    self.ground.tally.count(Counter::Repairs, "range_same");
                    run.iter().for_each(|(object, version)| self.confirm(object, Some(*version), from));
                }
                Verdict::Lacking => {
                    self.ground.tally.count(Counter::Repairs, "range_lacking");
                    self.give_or_offer(from, run.into_iter().map(|(object, _)| object));
                }
                Verdict::Split => {
                    self.ground.tally.count(Counter::Repairs, "range_split");
                    runs.extend(split(&run).map(<[_]>::to_vec));
                }
                Verdict::Name => {
                    self.ground.tally.count(Counter::Repairs, "range_named");
                    names.extend(run.into_iter().map(|(object, _)| object));
                }
            }
        }
        self.offer(from, names);
        self.compare(from, runs);
    }
}

impl Compared {
    fn range(&self) -> Option<Range> {
        let (first, last) = (self.run.first()?.0, self.run.last()?.0);
        Some(Range { first: first.prefix_u64(), last: last.prefix_u64() })
    }
}

/// Questions under way at one shard. With half of them no new ones are begun: one look asks no more peers than that. A
/// guess: the members of a leaf set, five times over.
pub(super) const COMPARISONS_MAX: usize = 256;
/// Values looked at for one question: some 2 ms. As many as 64 shards of the asker have where one of them has 256.
const COMPARED_MAX: usize = 16_384;
