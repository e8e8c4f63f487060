//! Collections that say how much they hold.
//!
//! Owns: a map and a queue with a limit in their type, and the count of what they turned away.
//! Never does: grow past its limit, or drop an entry silently.

use std::collections::VecDeque;
use std::collections::btree_map::{self, BTreeMap};
use std::fmt;

/// Refused: the collection holds as many entries as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The limit that was met.
    pub limit: usize,
}

/// An ordered map of at most `MAX` entries.
#[derive(Clone, Debug)]
pub struct BoundedMap<K, V, const MAX: usize> {
    entries: BTreeMap<K, V>,
    refused: u64,
}

impl<K: Ord, V, const MAX: usize> BoundedMap<K, V, MAX> {
    /// An empty map.
    pub fn new() -> Self {
        BoundedMap { entries: BTreeMap::new(), refused: 0 }
    }

    /// Puts the entry in, replacing one of the same key; a new key beyond the limit is refused and
    /// counted, and nothing changes.
    pub fn insert(&mut self, key: K, value: V) -> Result<Option<V>, Full> {
        if self.entries.len() >= MAX && !self.entries.contains_key(&key) {
            self.refused += 1;
            return Err(Full { limit: MAX });
        }
        Ok(self.entries.insert(key, value))
    }

    /// Takes the entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key)
    }

    /// Takes the entry with the smallest key out: how a caller makes room on purpose.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        self.entries.pop_first()
    }

    /// Keeps the entries for which this holds.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(keep);
    }

    /// The value of this key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// All values, to change.
    pub fn values_mut(&mut self) -> btree_map::ValuesMut<'_, K, V> {
        self.entries.values_mut()
    }

    /// The value of this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Whether this key is present.
    pub fn contains_key(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// All entries in order.
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.entries.iter()
    }

    /// The entries whose keys lie in this range, in order.
    pub fn range<R: std::ops::RangeBounds<K>>(&self, range: R) -> btree_map::Range<'_, K, V> {
        self.entries.range(range)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many inserts met the limit so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl<K: Ord, V, const MAX: usize> Default for BoundedMap<K, V, MAX> {
    fn default() -> Self {
        BoundedMap::new()
    }
}

/// A first-in first-out queue of at most `MAX` entries.
#[derive(Clone, Debug)]
pub struct BoundedQueue<T, const MAX: usize> {
    entries: VecDeque<T>,
    refused: u64,
}

impl<T, const MAX: usize> BoundedQueue<T, MAX> {
    /// An empty queue.
    pub fn new() -> Self {
        BoundedQueue { entries: VecDeque::new(), refused: 0 }
    }

    /// Appends; beyond the limit the entry is refused and counted, and nothing changes.
    pub fn push(&mut self, entry: T) -> Result<(), Full> {
        if self.entries.len() >= MAX {
            self.refused += 1;
            return Err(Full { limit: MAX });
        }
        self.entries.push_back(entry);
        Ok(())
    }

    /// Puts an entry that was just taken out back to where it was.
    pub fn put_back(&mut self, entry: T) {
        self.entries.push_front(entry);
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<T> {
        self.entries.pop_front()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many pushes met the limit so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl<T, const MAX: usize> Default for BoundedQueue<T, MAX> {
    fn default() -> Self {
        BoundedQueue::new()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "full: the limit is {}", self.limit)
    }
}

impl std::error::Error for Full {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_map_still_replaces_what_it_holds() {
        let mut map: BoundedMap<u8, u8, 2> = BoundedMap::new();
        assert_eq!(map.insert(1, 1), Ok(None));
        assert_eq!(map.insert(2, 2), Ok(None));
        assert_eq!(map.insert(3, 3), Err(Full { limit: 2 }));
        assert_eq!(map.insert(2, 9), Ok(Some(2)));
        assert_eq!((map.len(), map.refused(), map.get(&3)), (2, 1, None));
    }

    proptest! {
        #[test]
        fn no_sequence_of_pushes_passes_the_limit(pushes in prop::collection::vec(any::<bool>(), 0..100)) {
            let mut queue: BoundedQueue<usize, 5> = BoundedQueue::new();
            let (mut model, mut refused) = (VecDeque::new(), 0);
            for (index, push) in pushes.into_iter().enumerate() {
                if push {
                    if model.len() < 5 { model.push_back(index); } else { refused += 1; }
                    let _ = queue.push(index);
                } else {
                    prop_assert_eq!(queue.pop(), model.pop_front());
                }
                prop_assert_eq!((queue.len(), queue.refused()), (model.len(), refused));
            }
        }
    }
}
