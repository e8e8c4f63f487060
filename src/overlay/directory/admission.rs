//! The one gate for whatever others want written here.
//!
//! Owns: the limits of a shard, the write rate and value count of each source, and the decision.
//! Never does: write, or check a signature (that is a job, after the gate, so that junk beyond a share
//! costs no arithmetic). The source is the neighbour that handed the write in: who asked first can be
//! made up, a neighbour cannot.

use super::tuning::Tuning;
use crate::base::{Id, Instant, Span};
use crate::wire::directory::{Refusal, ShareLimit};
use crate::wire::object::{SALT_BYTES_MAX, VALUE_BYTES_MAX, Value};
use std::collections::BTreeMap;

/// A node's limits, as far as they are this shard's.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) quota_bytes: u64,
    /// Of the whole node: what a refusal names.
    pub(super) quota_bytes_in_all: u64,
    pub(super) values: usize,
    pub(super) values_per_source: usize,
    pub(super) pointers: usize,
    pub(super) pointers_per_object: usize,
    pub(super) pointers_per_holder: usize,
    pub(super) passing: usize,
    pub(super) writes_per_s: f64,
    pub(super) lifetime_max: Span,
    pub(super) wishes: usize,
    pub(super) cache_bytes: u64,
    pub(super) lease_bytes: u64,
    pub(super) repair_bytes_per_s: u64,
}

/// What is here already, as a write meets it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// Bytes kept and being written.
    pub(super) bytes: u64,
    /// Values kept and being written.
    pub(super) values: usize,
    /// Bytes this write would replace, if it replaces something.
    pub(super) replaces: Option<u64>,
}

/// The gate.
pub(super) struct Admission {
    sources: BTreeMap<Id, Source>,
}

/// What one neighbour has had written here.
struct Source {
    /// Writes it may still ask for at once.
    tokens: f64,
    /// When they were counted.
    at: Instant,
    /// Values kept for it.
    values: usize,
}

impl Limits {
    /// One of `shards` equal parts of the node's limits, rounded up.
    pub(super) fn part_of(tuning: &Tuning, shards: usize) -> Limits {
        let part = |whole: usize| whole.div_ceil(shards);
        Limits {
            quota_bytes: tuning.quota_bytes / shards as u64,
            quota_bytes_in_all: tuning.quota_bytes,
            values: part(tuning.values_max),
            values_per_source: part(tuning.shares.values_per_source),
            pointers: part(tuning.pointers_max),
            pointers_per_object: tuning.shares.pointers_per_object,
            pointers_per_holder: part(tuning.shares.pointers_per_holder),
            passing: part(tuning.pointers_max) / PASSING_SHARE,
            writes_per_s: f64::from(tuning.shares.writes_per_source_per_s) / shards as f64,
            lifetime_max: tuning.lifetime_max,
            wishes: part(tuning.wishes_max),
            cache_bytes: tuning.cache_bytes / shards as u64,
            lease_bytes: tuning.leases.bytes / shards as u64,
            repair_bytes_per_s: (tuning.upkeep.repair_bytes_per_s / shards as u64).max(1),
        }
    }

    /// Whether a value of this form and size may be here at all.
    pub(super) fn form(&self, value: &Value) -> Result<(), Refusal> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Refusal::TooLarge { limit: VALUE_BYTES_MAX as u32 });
        }
        match value {
            Value::Record(record) if record.salt.0.len() > SALT_BYTES_MAX => Err(Refusal::Forged),
            // Version 0 says "there is none yet" (compare-and-swap): no record can have it.
            Value::Record(record) if record.sequence == 0 => Err(Refusal::Stale { version: 0 }),
            _ => Ok(()),
        }
    }

    /// Whether so many more bytes fit.
    pub(super) fn fits(&self, bytes: u64, room: Room) -> Result<(), Refusal> {
        let after = room.bytes.saturating_sub(room.replaces.unwrap_or(0)).saturating_add(bytes);
        let is_full = room.replaces.is_none() && room.values >= self.values;
        if after > self.quota_bytes || is_full {
            return Err(Refusal::Quota { limit: self.quota_bytes_in_all });
        }
        Ok(())
    }

    /// The lifetime granted to who asks for this one.
    pub(super) fn lifetime(&self, asked: Span) -> Span {
        asked.min(self.lifetime_max)
    }
}

impl Admission {
    pub(super) fn new() -> Admission {
        Admission { sources: BTreeMap::new() }
    }

    /// Whether this source may have a value written; takes one from its rate. Own writes (`source` is
    /// `None`) know no shares, but the quota.
    pub(super) fn value(
        &mut self,
        limits: &Limits,
        now: Instant,
        source: Option<Id>,
        value: &Value,
        room: Room,
    ) -> Result<(), Refusal> {
        limits.form(value)?;
        if let Some(source) = source {
            let share = self.take(limits, now, source)?;
            if room.replaces.is_none() && share.values >= limits.values_per_source {
                return Err(Refusal::Share { limit: ShareLimit::ValuesPerSource });
            }
        }
        limits.fits(value.len() as u64, room)
    }

    /// Whether this source may have a pointer written; takes one from its rate.
    pub(super) fn pointer(&mut self, limits: &Limits, now: Instant, source: Option<Id>) -> Result<(), Refusal> {
        match source {
            Some(source) => self.take(limits, now, source).map(|_| ()),
            None => Ok(()),
        }
    }

    /// What this source had done costs so many more of its share; what it has not it will lack.
    pub(super) fn charge(&mut self, source: &Id, writes: usize) {
        if let Some(share) = self.sources.get_mut(source) {
            share.tokens -= writes as f64;
        }
    }

    /// A value is kept for this source now.
    pub(super) fn add_value(&mut self, now: Instant, source: Id) {
        self.sources.entry(source).or_insert(Source { tokens: 0.0, at: now, values: 0 }).values += 1;
    }

    /// It is no more.
    pub(super) fn remove_value(&mut self, source: Id) {
        if let Some(share) = self.sources.get_mut(&source) {
            share.values = share.values.saturating_sub(1);
        }
    }

    /// Sources remembered.
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    fn take(&mut self, limits: &Limits, now: Instant, source: Id) -> Result<&Source, Refusal> {
        let burst = (limits.writes_per_s * WRITE_BURST_S).max(1.0);
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            // A source without values whose rate has recovered is as good as one never seen.
            self.sources.retain(|_, share| {
                share.values > 0 || now.since(share.at).as_secs_f64() * limits.writes_per_s + share.tokens < burst
            });
            if self.sources.len() >= SOURCES_MAX {
                return Err(Refusal::Share { limit: ShareLimit::WriteRate });
            }
        }
        let share = self.sources.entry(source).or_insert(Source { tokens: burst, at: now, values: 0 });
        share.tokens = (share.tokens + now.since(share.at).as_secs_f64() * limits.writes_per_s).min(burst);
        share.at = now;
        if share.tokens < 1.0 {
            return Err(Refusal::Share { limit: ShareLimit::WriteRate });
        }
        share.tokens -= 1.0;
        Ok(share)
    }
}

/// The configuration key of the limit a refusal names, for counters.
pub(super) fn limit_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotReady => "not_ready",
        Refusal::TooLarge { .. } => "value_bytes_max",
        Refusal::Quota { .. } => "store.quota_bytes",
        Refusal::Share { limit: ShareLimit::PointersPerObject } => "directory.pointers_per_object",
        Refusal::Share { limit: ShareLimit::PointersPerHolder } => "directory.pointers_per_holder",
        Refusal::Share { limit: ShareLimit::ValuesPerSource } => "directory.values_per_source",
        Refusal::Share { limit: ShareLimit::WriteRate } => "directory.writes_per_source_per_s",
        Refusal::Forged => "forged",
        Refusal::Stale { .. } => "stale",
        Refusal::Conflict { .. } => "conflict",
        Refusal::TooFewReplicas { .. } => "too_few_replicas",
        Refusal::Disk => "disk",
        Refusal::Busy => "busy",
    }
}

/// Seconds' worth of writes a source may ask for at once: `Shares::writes_per_source_per_s` says four.
const WRITE_BURST_S: f64 = 4.0;
/// Neighbours remembered: sixteen times the default link budget of 256.
pub(super) const SOURCES_MAX: usize = 4_096;
/// Copies of pointers kept in passing may take one part in this of all, and of what one holder may take up. A guess.
pub(super) const PASSING_SHARE: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::Shares;
    use super::*;
    use crate::wire::Blob;

    fn limits(tuning: Tuning) -> Limits {
        Limits::part_of(&tuning, 1)
    }

    #[test]
    fn a_source_that_writes_too_fast_is_refused_until_its_share_recovers() {
        let limits =
            limits(Tuning { shares: Shares { writes_per_source_per_s: 2, ..Shares::default() }, ..Tuning::default() });
        let mut gate = Admission::new();
        let source = Some(Id::MAX);
        let mut admitted = 0;
        while gate.pointer(&limits, Instant::ORIGIN, source).is_ok() {
            admitted += 1;
        }
        assert_eq!(admitted, 8);
        assert!(gate.pointer(&limits, Instant::ORIGIN, Some(Id::ZERO)).is_ok(), "others are not touched");
        assert!(gate.pointer(&limits, Instant::ORIGIN, None).is_ok(), "nor is the node itself");
        assert!(gate.pointer(&limits, Instant::ORIGIN + Span::from_secs(1), source).is_ok());
    }

    #[test]
    fn the_quota_counts_what_a_write_replaces() {
        let limits = limits(Tuning { quota_bytes: 100, ..Tuning::default() });
        let room = Room { bytes: 90, values: 1, replaces: None };
        assert_eq!(limits.fits(11, room), Err(Refusal::Quota { limit: 100 }));
        assert_eq!(limits.fits(10, room), Ok(()));
        assert_eq!(limits.fits(100, Room { replaces: Some(90), ..room }), Ok(()));
    }

    #[test]
    fn a_value_too_large_is_refused_before_anything_else() {
        let limits = limits(Tuning::default());
        let large = Value::Blob(Blob::from(vec![0; VALUE_BYTES_MAX + 1]));
        assert_eq!(limits.form(&large), Err(Refusal::TooLarge { limit: VALUE_BYTES_MAX as u32 }));
    }

    #[test]
    fn the_table_of_sources_never_outgrows_its_limit() {
        let limits =
            limits(Tuning { shares: Shares { writes_per_source_per_s: 1, ..Shares::default() }, ..Tuning::default() });
        let mut gate = Admission::new();
        let mut chance = crate::base::Chance::from_seed(1);
        for step in 0..3 * SOURCES_MAX as u64 {
            let _ = gate.pointer(&limits, Instant::from_micros(step), Some(Id::from_bytes(chance.bytes32())));
        }
        assert!(gate.len() <= SOURCES_MAX);
    }
}
