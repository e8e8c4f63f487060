//! Which values this shard keeps.
//!
//! Owns: the index (version, bytes, time left, standing) of what is on disk, what is being written,
//! and the order of expiry. Holds one interest for each blob: a blob met on the way may be answered
//! here, a record only at its root, where the newest version is known first.
//! Never does: hold bytes, or write.

use super::admission::Room;
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::Terms;
use crate::overlay::view::Interest;
use crate::wire::object::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// The index of one shard.
pub(super) struct Values {
    entries: BTreeMap<Id, Entry>,
    by_expiry: BTreeSet<(Instant, Id)>,
    writing: BTreeMap<Id, Writing>,
    /// Entries of which a newer version was here and could not be written.
    overtaken: BTreeSet<Id>,
    bytes: u64,
    bytes_being_written: u64,
    interest: Arc<Interest>,
}

/// One value on disk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// A record's sequence number; 0 for a blob.
    pub(super) version: u64,
    pub(super) bytes: u64,
    /// For what, and until when.
    pub(super) terms: Terms<Instant>,
    /// Tells two records of equal version apart, if it is known: the head of the signature.
    pub(super) stamp: Option<u64>,
    /// For whom it is kept; nobody if it is this node's own, or was loaded.
    pub(super) source: Option<Id>,
    /// Nodes known to keep it, this one included.
    pub(super) copies: u8,
    /// The replica set all of which is known to have what it should have of this, as
    /// [`super::repair`] hashes it; 0 if unknown.
    pub(super) settled: u64,
}

/// Writes of one object under way.
struct Writing {
    count: u32,
    version: u64,
    /// Of the last of them: what is behind it in the disk's order is to keep at least these.
    terms: Terms<Instant>,
}

/// How a value compares with what is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// It is new, newer, or to be kept longer: write it.
    Newer,
    /// It is here, for long enough.
    Same,
    /// A newer one, or another of the same version, is here.
    Older { version: u64 },
    /// The same version is being written just now.
    UnderWay,
}

impl Values {
    pub(super) fn new(interest: Arc<Interest>) -> Values {
        Values {
            entries: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            writing: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            bytes: 0,
            bytes_being_written: 0,
            interest,
        }
    }

    /// Notes that a write has been given to the disk.
    pub(super) fn begin(&mut self, object: Id, version: u64, bytes: u64, terms: Terms<Instant>) {
        let writing = self.writing.entry(object).or_insert(Writing { count: 0, version, terms });
        writing.count += 1;
        writing.terms = terms;
        writing.version = writing.version.max(version);
        self.bytes_being_written += bytes;
    }

    /// Notes that the disk is done with it, whatever came of it.
    pub(super) fn end(&mut self, object: &Id, bytes: u64) {
        self.bytes_being_written -= bytes;
        if let Some(writing) = self.writing.get_mut(object) {
            writing.count -= 1;
            if writing.count == 0 {
                self.writing.remove(object);
            }
        }
    }

    /// Enters what is on disk; gives back what it replaces.
    pub(super) fn insert(&mut self, object: Id, entry: Entry) -> Option<Entry> {
        let old = self.remove(&object);
        if entry.version == 0 {
            self.interest.add(&object);
        }
        self.bytes += entry.bytes;
        self.by_expiry.insert((entry.first_end(), object));
        self.entries.insert(object, entry);
        old
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, object: &Id) -> Option<Entry> {
        let entry = self.entries.remove(object)?;
        if entry.version == 0 {
            self.interest.remove(object);
        }
        self.bytes -= entry.bytes;
        self.by_expiry.remove(&(entry.first_end(), *object));
        self.overtaken.remove(object);
        Some(entry)
    }

    /// Notes that it is kept on these terms now.
    pub(super) fn set_terms(&mut self, object: &Id, terms: Terms<Instant>) {
        let Some(entry) = self.entries.get_mut(object) else { return };
        self.by_expiry.remove(&(entry.first_end(), *object));
        entry.terms = terms;
        self.by_expiry.insert((entry.first_end(), *object));
    }

    /// Notes how many nodes are known to keep it.
    pub(super) fn note_copies(&mut self, object: &Id, copies: u8) {
        if let Some(entry) = self.entries.get_mut(object) {
            entry.copies = copies.max(1);
        }
    }

    /// Notes for which replica set (by its hash) all is well with this value; 0 for none.
    pub(super) fn settle(&mut self, object: &Id, set: u64) {
        if let Some(entry) = self.entries.get_mut(object) {
            entry.settled = set;
        }
        if set != 0 {
            self.overtaken.remove(object);
        }
    }

    /// Notes that this version was here and could not be written: what is kept, if it is older, may not be the newest any
    /// more, until it is replaced or all others have the same. Says whether it is older.
    pub(super) fn overtake(&mut self, object: &Id, version: u64) -> bool {
        let is_older = self.entries.get(object).is_some_and(|entry| entry.version < version);
        if is_older {
            self.overtaken.insert(*object);
        }
        is_older
    }

    /// Whether others may have a newer version than is kept here.
    pub(super) fn is_overtaken(&self, object: &Id) -> bool {
        self.overtaken.contains(object)
    }

    /// What is kept of this object.
    pub(super) fn get(&self, object: &Id) -> Option<&Entry> {
        self.entries.get(object)
    }

    /// The same, if its time is not up.
    pub(super) fn live(&self, object: &Id, now: Instant) -> Option<&Entry> {
        self.get(object).filter(|entry| entry.is_live(now))
    }

    /// The newest version here, those being written included; `None` if there is none.
    pub(super) fn newest(&self, object: &Id) -> Option<u64> {
        let kept = self.entries.get(object).map(|entry| entry.version);
        kept.max(self.writing.get(object).map(|writing| writing.version))
    }

    /// How this value, to be kept on these terms, compares with what is here.
    pub(super) fn compare(&self, object: &Id, value: &Value, terms: &Terms<Instant>) -> Comparison {
        let version = value.version();
        if let Some(writing) = self.writing.get(object) {
            if writing.version > version {
                return Comparison::Older { version: writing.version };
            }
            if writing.version == version && version > 0 {
                return Comparison::UnderWay;
            }
        }
        let Some(entry) = self.entries.get(object) else { return Comparison::Newer };
        let is_other = matches!((entry.stamp, stamp_of(value)), (Some(here), Some(there)) if here != there);
        if entry.version > version || (entry.version == version && is_other) {
            return Comparison::Older { version: entry.version };
        }
        // Of a replica the longest wish holds, of what is published here the latest.
        let is_longer = |wish: Instant, here: Option<Instant>| here.is_none_or(|here| wish > here + LIFETIME_SLACK);
        let is_shorter = |wish: Instant, here: Option<Instant>| here.is_some_and(|here| wish + LIFETIME_SLACK < here);
        let (kept, published) = (entry.terms.replica, entry.terms.published);
        let is_changed = terms.replica.is_some_and(|wish| is_longer(wish, kept))
            || terms.published.is_some_and(|wish| is_longer(wish, published) || is_shorter(wish, published));
        if entry.version < version || is_changed { Comparison::Newer } else { Comparison::Same }
    }

    /// On what terms this version is to be kept, if it is wished on these: what is kept, or being written, is kept on.
    pub(super) fn joined(&self, object: &Id, version: u64, wished: Terms<Instant>) -> Terms<Instant> {
        let written = self.writing.get(object).map(|writing| (writing.version, writing.terms));
        let kept = self.entries.get(object).map(|entry| (entry.version, entry.terms));
        let Some((version_before, before)) = written.or(kept) else { return wished };
        let joined = wished.or(before);
        // Another version is put for as long as its client says.
        if version_before != version {
            return joined;
        }
        Terms { replica: joined.replica.max(before.replica), ..joined }
    }

    /// The room there is for a value under this id.
    pub(super) fn room(&self, object: &Id) -> Room {
        Room {
            bytes: self.bytes + self.bytes_being_written,
            values: self.entries.len() + self.writing.len(),
            replaces: self.entries.get(object).map(|entry| entry.bytes),
        }
    }

    /// The entry behind this id in order; behind the last comes the first.
    pub(super) fn next_round(&self, cursor: Option<Id>) -> Option<(Id, Entry)> {
        let start = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.entries.range((start, Bound::Unbounded)).next().or_else(|| self.entries.first_key_value());
        next.map(|(object, entry)| (*object, entry.clone()))
    }

    /// The entries whose ids begin with these 64 bits or those, or with any between, in order.
    pub(super) fn between(&self, first: u64, last: u64) -> impl Iterator<Item = (&Id, &Entry)> {
        let end = last.checked_add(1).map_or(Bound::Unbounded, |behind| Bound::Excluded(Id::from_prefix(behind)));
        let range = (first <= last).then(|| self.entries.range((Bound::Included(Id::from_prefix(first)), end)));
        range.into_iter().flatten()
    }

    /// Whether this version of the object, or a newer one, is being written.
    pub(super) fn is_writing(&self, object: &Id, version: u64) -> bool {
        self.writing.get(object).is_some_and(|writing| writing.version >= version)
    }

    /// Whether any version of the object is being written.
    pub(super) fn is_being_written(&self, object: &Id) -> bool {
        self.writing.contains_key(object)
    }

    /// All entries, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        self.entries.iter()
    }

    /// What is not to be kept any more for something. What is being written anew waits for that: the disk would drop the
    /// new for the old.
    pub(super) fn expired(&self, now: Instant) -> Option<Id> {
        let mut due = self.by_expiry.iter().take_while(|(at, _)| *at <= now).map(|(_, object)| *object);
        due.find(|object| !self.is_being_written(object))
    }

    /// When that is so of the next one.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// The blobs kept here, in order.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Id> {
        self.entries.iter().filter(|(_, entry)| entry.version == 0).map(|(object, _)| *object)
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes kept.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn assert_invariants(&self) {
        assert_eq!(self.by_expiry.len(), self.entries.len());
        assert!(self.writing.values().all(|writing| writing.count > 0));
        assert!(self.overtaken.iter().all(|object| self.entries.contains_key(object)));
    }
}

impl Entry {
    /// How much longer it is to be kept for its root.
    pub(super) fn remaining(&self, now: Instant) -> Span {
        self.terms.replica.map_or(Span::ZERO, |until| now.until(until))
    }

    /// How much longer it is to be kept at all.
    pub(super) fn left(&self, now: Instant) -> Span {
        self.terms.end().map_or(Span::ZERO, |end| now.until(end))
    }

    /// Whether its time is not up.
    pub(super) fn is_live(&self, now: Instant) -> bool {
        self.terms.is_running(now)
    }

    /// Whether this node published it.
    pub(super) fn is_published(&self) -> bool {
        self.terms.published.is_some()
    }

    /// Whether it is kept for its root.
    pub(super) fn is_replica(&self) -> bool {
        self.terms.replica.is_some()
    }

    fn first_end(&self) -> Instant {
        self.terms.first_end().unwrap_or(Instant::ORIGIN)
    }

    /// Whether it is kept for its root, and its time is not up.
    pub(super) fn is_live_replica(&self, now: Instant) -> bool {
        self.is_replica() && self.remaining(now) > Span::ZERO
    }
}

/// What tells two records of one version apart. Ed25519 signatures are a function of key and message
/// (RFC 8032), so equal records have equal ones.
pub(super) fn stamp_of(value: &Value) -> Option<u64> {
    match value {
        Value::Blob(_) => None,
        Value::Record(record) => {
            let mut head = [0; 8];
            head.copy_from_slice(&record.signature.as_bytes()[..8]);
            Some(u64::from_le_bytes(head))
        }
    }
}

/// A lifetime longer by less than this is not worth a write. A guess.
const LIFETIME_SLACK: Span = Span::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SecretKey;
    use crate::wire::Blob;
    use crate::wire::object::Record;
    use proptest::prelude::*;

    fn entry(version: u64, bytes: u64, expires: u64) -> Entry {
        Entry {
            version,
            bytes,
            terms: Terms::replica(Instant::from_micros(expires)),
            stamp: None,
            source: None,
            copies: 1,
            settled: 0,
        }
    }

    #[test]
    fn of_two_records_with_one_version_the_first_stays() {
        let mut values = Values::new(Arc::new(Interest::new((1, 2))));
        let key = SecretKey::from_seed([1; 32]);
        let record = |sequence, text: &str| Value::Record(Record::sign(&key, b"", sequence, text.into()));
        let (one, other) = (record(3, "one"), record(3, "other"));
        let kept = Entry { stamp: stamp_of(&one), ..entry(3, 3, 50) };
        values.insert(one.id(), kept);
        let compare =
            |value: &Value, expires| values.compare(&value.id(), value, &Terms::replica(Instant::from_micros(expires)));
        assert_eq!(compare(&one, 50), Comparison::Same);
        assert_eq!(compare(&one, 5_000_000), Comparison::Newer);
        assert_eq!(compare(&other, 50), Comparison::Older { version: 3 });
        assert_eq!(compare(&record(2, "old"), 50), Comparison::Older { version: 3 });
        assert_eq!(compare(&record(4, "new"), 50), Comparison::Newer);
        assert_eq!(compare(&Value::Blob(Blob::from(vec![1])), 50), Comparison::Newer);
    }

    #[test]
    fn a_range_is_by_the_first_64_bits_and_ends_where_the_ring_does() {
        let mut values = Values::new(Arc::new(Interest::new((1, 2))));
        let ids = [Id::ZERO, Id::from_prefix(5), Id::from_prefix(6), Id::MAX];
        ids.iter().for_each(|id| _ = values.insert(*id, entry(0, 1, 50)));
        let found = |first, last| -> Vec<Id> { values.between(first, last).map(|(id, _)| *id).collect() };
        assert_eq!((found(0, u64::MAX), found(5, 5)), (ids.to_vec(), vec![ids[1]]));
        assert_eq!((found(6, u64::MAX), found(6, 5)), (ids[2..].to_vec(), Vec::new()));
    }

    proptest! {
        #[test]
        fn bytes_expiry_and_interest_follow_the_entries(
            steps in prop::collection::vec((0u8..10, 0u64..3, 0u64..100, 0u64..50, any::<bool>()), 0..100)
        ) {
            let interest = Arc::new(Interest::new((1, 2)));
            let mut values = Values::new(Arc::clone(&interest));
            for (name, version, bytes, expires, put) in steps {
                let id = Id::hash_of(&[name]);
                if put { values.insert(id, entry(version, bytes, expires)); } else { values.remove(&id); }
                values.assert_invariants();
                let blobs: Vec<_> = values.iter().filter(|(_, e)| e.version == 0).map(|(id, _)| *id).collect();
                prop_assert_eq!(interest.len(), blobs.len());
                prop_assert!(blobs.iter().all(|id| interest.contains(id)));
                prop_assert_eq!(values.bytes(), values.iter().map(|(_, e)| e.bytes).sum::<u64>());
                prop_assert_eq!(values.next_expiry(), values.iter().filter_map(|(_, e)| e.terms.end()).min());
            }
        }
    }
}
