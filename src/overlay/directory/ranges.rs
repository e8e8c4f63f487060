//! How the contents of two nodes are compared without naming them.
//!
//! Owns: the digest of a set of kept versions, what follows from two of them, and how a range is split: pure functions.
//! Never does: know who is asked, or what is kept.

use crate::base::Id;
use crate::wire::directory::{DIGEST_BYTES, RangeSum};

/// What follows for a range from what both sides have in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same versions of the same objects.
    Same,
    /// The peer has nothing of it.
    Lacking,
    /// Not the same, but most may be: compare smaller ranges.
    Split,
    /// Too few, or too different: offer each by name.
    Name,
}

impl RangeSum {
    /// The sum of this many versions. The order does not matter, and sums of parts add up: the shards of a node
    /// answer each for itself. That a sum of hashes cannot be met by other versions takes a salt which nobody knew
    /// when the objects were made (Bellare and Micciancio, EUROCRYPT 1997, on sums of hashes without one).
    pub(super) fn of<'a>(salt: u64, versions: impl Iterator<Item = (&'a Id, u64)>) -> RangeSum {
        let mut sum = RangeSum::default();
        versions.for_each(|(object, version)| sum.add(salt, object, version));
        sum
    }

    /// One more version.
    pub(super) fn add(&mut self, salt: u64, object: &Id, version: u64) {
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(&salt.to_le_bytes());
        bytes[8..16].copy_from_slice(&version.to_le_bytes());
        bytes[16..].copy_from_slice(object.as_bytes());
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&Id::hash_of(&bytes).as_bytes()[..DIGEST_BYTES]);
        self.merge(&RangeSum { count: 1, digest });
    }

    /// What another shard has besides.
    pub(super) fn merge(&mut self, other: &RangeSum) {
        self.count = self.count.saturating_add(other.count);
        let digest = u128::from_le_bytes(self.digest).wrapping_add(u128::from_le_bytes(other.digest));
        self.digest = digest.to_le_bytes();
    }

    /// What follows if the peer has `theirs` where this is here.
    pub(super) fn judged(&self, theirs: &RangeSum) -> Verdict {
        let (here, there) = (u64::from(self.count), u64::from(theirs.count));
        if self == theirs {
            Verdict::Same
        } else if there == 0 {
            Verdict::Lacking
        } else if here <= NAMED_MAX || there < here / ALIKE || there > here * ALIKE {
            Verdict::Name
        } else {
            Verdict::Split
        }
    }
}

/// At most [`SPLIT`] parts of nearly equal length, in order.
pub(super) fn split<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    all.chunks(all.len().div_ceil(SPLIT).max(1))
}

/// Parts of a range that differs. A guess: two rounds find one value among 256.
pub(super) const SPLIT: usize = 16;
/// So few are offered by name rather than split. A guess: two more questions would cost half as much.
pub(super) const NAMED_MAX: u64 = 16;
/// If one side has this many times as many as the other, hardly any part will be the same. A guess.
const ALIKE: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(salt: u64, versions: &[(Id, u64)]) -> RangeSum {
        RangeSum::of(salt, versions.iter().map(|(object, version)| (object, *version)))
    }

    fn named(names: Vec<(u16, u64)>) -> Vec<(Id, u64)> {
        names.into_iter().map(|(name, version)| (Id::hash_of(&name.to_le_bytes()), version)).collect()
    }

    proptest! {
        #[test]
        fn sums_of_parts_in_any_order_are_the_sum_of_the_whole(
            names in prop::collection::vec((any::<u16>(), 0u64..3), 0..80), salt: u64, turn: usize, cut: usize
        ) {
            let whole = named(names);
            let mut turned = whole.clone();
            turned.rotate_left(turn % whole.len().max(1));
            let (one, other) = turned.split_at(cut % (turned.len() + 1));
            let mut parts = sum(salt, one);
            parts.merge(&sum(salt, other));
            prop_assert_eq!(parts, sum(salt, &whole));
            prop_assert_eq!(parts.judged(&sum(salt, &whole)), Verdict::Same);
        }

        #[test]
        fn one_version_more_less_or_newer_is_seen_under_every_salt(
            names in prop::collection::vec((any::<u16>(), 0u64..3), 1..80), salt: u64, at: usize
        ) {
            let whole = named(names);
            let at = at % whole.len();
            let (mut less, mut newer) = (whole.clone(), whole.clone());
            less.remove(at);
            newer[at].1 += 1;
            for other in [less, newer] {
                prop_assert_ne!(sum(salt, &whole).judged(&sum(salt, &other)), Verdict::Same);
                prop_assert_ne!(sum(salt, &other).judged(&sum(salt, &whole)), Verdict::Same);
            }
            prop_assert_ne!(sum(salt, &whole).digest, sum(salt ^ 1, &whole).digest);
        }

        #[test]
        fn a_split_leaves_nothing_out_and_has_few_parts(len in 0usize..600) {
            let all: Vec<usize> = (0..len).collect();
            let parts: Vec<&[usize]> = split(&all).collect();
            prop_assert!(parts.len() <= SPLIT && parts.iter().all(|part| !part.is_empty()));
            prop_assert_eq!(parts.concat(), all);
        }
    }

    #[test]
    fn few_or_very_different_are_named_and_the_rest_is_split() {
        let of = |count: u32, byte: u8| RangeSum { count, digest: [byte; DIGEST_BYTES] };
        assert_eq!(of(16, 1).judged(&of(16, 2)), Verdict::Name);
        assert_eq!(of(17, 1).judged(&of(17, 2)), Verdict::Split);
        assert_eq!(of(200, 1).judged(&of(99, 2)), Verdict::Name);
        assert_eq!(of(200, 1).judged(&of(100, 2)), Verdict::Split);
        assert_eq!(of(200, 1).judged(&of(401, 2)), Verdict::Name);
        assert_eq!(of(200, 1).judged(&RangeSum::default()), Verdict::Lacking);
        assert_eq!(of(0, 0).judged(&RangeSum::default()), Verdict::Same);
    }
}
