//! How a directory shard stands, for people and tools.
//!
//! Owns: the answer to [`Command::DirectoryStatus`](crate::overlay::Command::DirectoryStatus), and
//! what is read off a shard for metrics.
//! Never does: feed back into decisions.

use super::Directory;
use super::ground::Counter;
use crate::base::Id;
use crate::machine::Reading;
use serde::{Deserialize, Serialize};

/// One shard in numbers; those of all shards add up to the node's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryStatus {
    /// Values kept.
    pub values: u64,
    /// Bytes of them.
    pub value_bytes: u64,
    /// Of these, values whose replica set this node leads as the root.
    pub rooted: u64,
    /// Pointers remembered, for whomever.
    pub pointers: u64,
    /// Objects this node publishes itself.
    pub published: u64,
    /// Local wishes under way.
    pub wishes: u64,
    /// Writes refused so far, for whatever limit.
    pub refused: u64,
    /// Objects this node answers for others.
    pub stands: u64,
    /// Bytes of them.
    pub stand_bytes: u64,
    /// Leases given to representatives.
    pub leases: u64,
    /// The objects asked for most, the hottest first.
    pub hottest: Vec<HotObject>,
}

/// An object that is asked for much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotObject {
    /// The id under which it is asked for.
    pub object: Id,
    /// Requests an hour, as answered here or told by representatives.
    pub per_hour: u64,
    /// Who answers for this node, and for how many more seconds.
    pub representatives: Vec<(Id, u64)>,
    /// Whether this node answers for another itself, and for how many more seconds.
    pub leased_s: Option<u64>,
}

impl Directory {
    /// How this shard stands.
    pub(super) fn status(&self) -> DirectoryStatus {
        let view = &self.ground.view;
        let rooted = self.values.iter().filter(|(object, entry)| entry.is_replica() && view.is_root_of(object));
        DirectoryStatus {
            values: self.values.len() as u64,
            value_bytes: self.values.bytes(),
            rooted: rooted.count() as u64,
            pointers: self.pointers.len() as u64,
            published: self.publications.len() as u64,
            wishes: self.wishes.len() as u64,
            refused: self.ground.tally.total(Counter::Refused),
            stands: self.spread.stands.len() as u64,
            stand_bytes: self.spread.stands.bytes(),
            leases: self.spread.stands.given_len() as u64,
            hottest: self.hottest(),
        }
    }

    fn hottest(&self) -> Vec<HotObject> {
        let now = self.ground.now;
        let seconds = |until| now.until(until).as_millis() / 1_000;
        let hot = |(object, rate): (Id, f64)| {
            let representatives = self.spread.stands.representatives(&object);
            HotObject {
                object,
                per_hour: (rate * 3_600.0) as u64,
                representatives: representatives.into_iter().map(|(peer, until)| (peer, seconds(until))).collect(),
                leased_s: self.spread.stands.get(&object).map(|stand| seconds(stand.until)),
            }
        };
        self.spread.heat.hottest(now, HOTTEST_SHOWN).into_iter().map(hot).filter(|hot| hot.per_hour > 0).collect()
    }

    /// What is to be read off this shard.
    pub(super) fn read_off(&self, into: &mut Vec<Reading>) {
        let gauges = [
            ("directory_objects", self.values.len() as f64),
            ("directory_store_bytes", self.values.bytes() as f64),
            ("directory_pointers", self.pointers.len() as f64),
            ("directory_pointers_passing", self.pointers.passing() as f64),
            ("directory_published", self.publications.len() as f64),
            ("directory_deposits_under_way", self.publications.deposits() as f64),
            ("directory_renewals_listed", self.publications.listed() as f64),
            ("directory_renewals_waiting", self.publications.singly.len() as f64),
            ("directory_wishes", self.wishes.len() as f64),
            ("directory_root_puts", self.puts.len() as f64),
            ("directory_surveys", self.surveys.len() as f64),
            ("directory_asks", self.away.asks.len() as f64),
            ("directory_routed", self.away.routed.len() as f64),
            ("directory_disk_amiss", self.away.amiss.len() as f64),
            ("directory_work", self.away.tickets.len() as f64),
            ("directory_repair_queue", self.repair.len() as f64),
            ("directory_stands", self.spread.stands.len() as f64),
            ("directory_stand_bytes", self.spread.stands.bytes() as f64),
            ("directory_leases", self.spread.stands.given_len() as f64),
            ("directory_heat_rows", self.spread.heat.len() as f64),
            ("directory_cache_bytes", self.cache.bytes() as f64),
            ("directory_sources", self.admission.len() as f64),
            ("directory_deadlines", self.ground.deadlines.len() as f64),
        ];
        into.extend(gauges.map(|(name, value)| Reading::gauge(name, value)));
        into.extend(self.ground.tally.iter().map(|(counter, label, count)| {
            let (name, key) = metric(counter);
            Reading::counter(name, count).labelled(key, label)
        }));
    }
}

/// Hot objects named in a status.
const HOTTEST_SHOWN: usize = 8;

fn metric(counter: Counter) -> (&'static str, &'static str) {
    match counter {
        Counter::Gets => ("directory_gets_total", "outcome"),
        Counter::Locates => ("directory_locates_total", "outcome"),
        Counter::Puts => ("directory_puts_total", "outcome"),
        Counter::Publishes => ("directory_publishes_total", "outcome"),
        Counter::Served => ("directory_served_total", "request"),
        Counter::Refused => ("directory_refused_total", "limit"),
        Counter::Renewals => ("directory_renewals_total", "step"),
        Counter::Repairs => ("directory_repairs_total", "step"),
        Counter::Leases => ("directory_leases_total", "step"),
        Counter::Reads => ("directory_reads_total", "source"),
        Counter::Scrubs => ("directory_scrubs_total", "found"),
        Counter::Ignored => ("directory_ignored_total", "kind"),
    }
}
