//! Small values that were wanted lately.
//!
//! Owns: copies in memory of some of the values kept on disk, bounded by bytes, the least recently
//! used leaving first.
//! Never does: answer for what is not on disk as well.

use crate::base::Id;
use crate::wire::object::Value;
use std::collections::BTreeMap;

/// The memory before the disk.
pub(super) struct Cache {
    limit: u64,
    bytes: u64,
    stamp: u64,
    by_object: BTreeMap<Id, (Value, u64)>,
    by_age: BTreeMap<u64, Id>,
}

impl Cache {
    pub(super) fn new(limit: u64) -> Cache {
        Cache { limit, bytes: 0, stamp: 0, by_object: BTreeMap::new(), by_age: BTreeMap::new() }
    }

    /// Remembers a value, if it is small enough to be one of several.
    pub(super) fn insert(&mut self, object: Id, value: Value) {
        self.remove(&object);
        let weight = weight(&value);
        if weight > self.limit / LARGEST_SHARE {
            return;
        }
        self.stamp += 1;
        self.bytes += weight;
        self.by_object.insert(object, (value, self.stamp));
        self.by_age.insert(self.stamp, object);
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.by_age.first_key_value() else { break };
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }

    /// The value, which is now the most recently used.
    pub(super) fn touch(&mut self, object: &Id) -> Option<Value> {
        let (value, stamp) = self.by_object.get_mut(object)?;
        self.by_age.remove(stamp);
        self.stamp += 1;
        *stamp = self.stamp;
        self.by_age.insert(self.stamp, *object);
        Some(value.clone())
    }

    /// Forgets a value.
    pub(super) fn remove(&mut self, object: &Id) {
        if let Some((value, stamp)) = self.by_object.remove(object) {
            self.bytes -= weight(&value);
            self.by_age.remove(&stamp);
        }
    }

    /// Bytes remembered, overhead included.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.bytes <= self.limit, "cache of {} bytes, the limit is {}", self.bytes, self.limit);
        assert_eq!(self.by_age.len(), self.by_object.len());
    }
}

fn weight(value: &Value) -> u64 {
    value.len() as u64 + OVERHEAD_BYTES
}

/// A value takes at most one part in this of the cache. A guess.
const LARGEST_SHARE: u64 = 4;
/// Bytes of two map entries and a value's frame: counted on a 64-bit machine, rounded.
const OVERHEAD_BYTES: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Blob;
    use proptest::prelude::*;

    #[test]
    fn the_least_recently_used_leaves_first() {
        let mut cache = Cache::new(1_200);
        let ids: Vec<Id> = (0..5u8).map(|n| Id::hash_of(&[n])).collect();
        for id in &ids[..4] {
            cache.insert(*id, Value::Blob(Blob::from(vec![0; 40])));
        }
        assert!(cache.touch(&ids[0]).is_some());
        cache.insert(ids[4], Value::Blob(Blob::from(vec![0; 40])));
        assert!(cache.touch(&ids[1]).is_none());
        assert!(cache.touch(&ids[0]).is_some() && cache.touch(&ids[4]).is_some());
    }

    proptest! {
        #[test]
        fn no_sequence_of_uses_passes_the_limit(steps in prop::collection::vec((0u8..20, 0usize..600, 0u8..3), 0..200)) {
            let mut cache = Cache::new(3_000);
            for (name, bytes, what) in steps {
                let id = Id::hash_of(&[name]);
                match what {
                    0 => cache.insert(id, Value::Blob(Blob::from(vec![name; bytes]))),
                    1 => cache.remove(&id),
                    _ => { cache.touch(&id); }
                }
                cache.assert_invariants();
            }
        }
    }
}
