//! Deadlines with names.
//!
//! Owns: when something named is due, and which is due first.
//! Never does: fire by itself, or keep a stale timer: setting a name again moves it.

use super::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// At most one moment per name, and the earliest at hand. All operations are O(log n).
#[derive(Clone, Debug)]
pub struct Deadlines<N> {
    by_name: BTreeMap<N, Instant>,
    by_time: BTreeSet<(Instant, N)>,
}

impl<N: Ord + Clone> Deadlines<N> {
    /// No deadlines.
    pub fn new() -> Deadlines<N> {
        Deadlines { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Makes `name` due at this moment, wherever it was before.
    pub fn set(&mut self, name: N, at: Instant) {
        if let Some(old) = self.by_name.insert(name.clone(), at) {
            self.by_time.remove(&(old, name.clone()));
        }
        self.by_time.insert((at, name));
    }

    /// Makes `name` due at this moment unless it is due earlier already.
    pub fn set_earlier(&mut self, name: N, at: Instant) {
        if self.by_name.get(&name).is_none_or(|&old| at < old) {
            self.set(name, at);
        }
    }

    /// Forgets `name`; says whether it was set.
    pub fn clear(&mut self, name: &N) -> bool {
        match self.by_name.remove(name) {
            Some(at) => self.by_time.remove(&(at, name.clone())),
            None => false,
        }
    }

    /// Takes the earliest name that is due by `now`; names due at one moment come in their order.
    pub fn pop_due(&mut self, now: Instant) -> Option<N> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }

    /// When the earliest is due.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// When `name` is due, if it is set.
    pub fn when(&self, name: &N) -> Option<Instant> {
        self.by_name.get(name).copied()
    }

    /// How many names are set.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl<N: Ord + Clone> Default for Deadlines<N> {
    fn default() -> Self {
        Deadlines::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_name_set_again_moves() {
        let mut deadlines = Deadlines::new();
        deadlines.set("probe", at(5));
        deadlines.set("probe", at(9));
        assert_eq!(deadlines.pop_due(at(5)), None);
        deadlines.set_earlier("probe", at(10));
        assert_eq!(deadlines.next(), Some(at(9)));
        assert_eq!(deadlines.pop_due(at(9)), Some("probe"));
        assert!(deadlines.is_empty());
    }

    proptest! {
        #[test]
        fn behaves_like_a_plain_list_of_names(steps in prop::collection::vec((0u8..8, 0u64..50, 0u8..3), 0..200)) {
            let mut deadlines = Deadlines::new();
            let mut model: BTreeMap<u8, u64> = BTreeMap::new();
            for (name, moment, what) in steps {
                match what {
                    0 => { deadlines.set(name, at(moment)); model.insert(name, moment); }
                    1 => { prop_assert_eq!(deadlines.clear(&name), model.remove(&name).is_some()); }
                    _ => {
                        let due = model.iter().map(|(n, t)| (*t, *n)).min().filter(|(t, _)| *t <= moment);
                        prop_assert_eq!(deadlines.pop_due(at(moment)), due.map(|(_, n)| n));
                        if let Some((_, n)) = due { model.remove(&n); }
                    }
                }
                prop_assert_eq!(deadlines.len(), model.len());
                prop_assert_eq!(deadlines.next(), model.values().min().map(|t| at(*t)));
            }
        }
    }
}
