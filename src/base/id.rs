//! A place on the ring.
//!
//! Owns: the 256-bit identifier, its 64 base-16 digits, the common prefix of two, and distance
//! along the ring.
//! Never does: say who lives at a place.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A 256-bit identifier on a ring of 2^256 places, written as 64 hex digits, most significant first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Id([u8; ID_BYTES]);

/// The shorter way round the ring between two places: at most 2^255. Ordered as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance(u128, u128);

/// Why a text is not an [`Id`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseIdError {
    /// An id has exactly 64 hex digits; this text has another length.
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character that is not a hex digit.
    NotHex {
        /// Its position, from 0.
        at: usize,
    },
}

/// As numbers. Tables of nodes are trees of ids, and the first 8 bytes tell almost any two apart.
impl Ord for Id {
    fn cmp(&self, other: &Id) -> Ordering {
        self.prefix_u64().cmp(&other.prefix_u64()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Id {
    /// The id with all digits zero.
    pub const ZERO: Id = Id([0; ID_BYTES]);
    /// The id with all digits `f`.
    pub const MAX: Id = Id([0xff; ID_BYTES]);

    /// The id with these big-endian bytes.
    pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Id {
        Id(bytes)
    }

    /// The BLAKE3 hash of `bytes`: the id of a blob, or of a name.
    pub fn hash_of(bytes: &[u8]) -> Id {
        Id(*blake3::hash(bytes).as_bytes())
    }

    /// The `salt`-th other name of this id: where copies of its pointers live as well. Salt 0 is the
    /// id itself.
    pub fn salted(&self, salt: u8) -> Id {
        if salt == 0 {
            return *self;
        }
        let mut hasher = blake3::Hasher::new_derive_key("arras 1 salted root");
        hasher.update(&self.0);
        hasher.update(&[salt]);
        Id(*hasher.finalize().as_bytes())
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// The digit (0 to 15) at `index` (0 is the most significant, 63 the last).
    pub fn digit(&self, index: usize) -> u8 {
        let byte = self.0[index / 2];
        if index.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
    }

    /// This id with the digit at `index` replaced.
    pub fn with_digit(&self, index: usize, digit: u8) -> Id {
        let mut bytes = self.0;
        let byte = &mut bytes[index / 2];
        *byte = if index.is_multiple_of(2) { (*byte & 0x0f) | (digit << 4) } else { (*byte & 0xf0) | (digit & 0x0f) };
        Id(bytes)
    }

    /// How many leading digits the two share, 0 to 64.
    pub fn shared_prefix(&self, other: &Id) -> usize {
        let (one, two) = (self.halves(), other.halves());
        let bits = match (one.0 ^ two.0, one.1 ^ two.1) {
            (0, low) => u128::BITS + low.leading_zeros(),
            (high, _) => high.leading_zeros(),
        };
        bits as usize / 4
    }

    /// The shorter way round the ring to `other`.
    pub fn distance(&self, other: &Id) -> Distance {
        let ahead = self.clockwise(other);
        let behind = other.clockwise(self);
        ahead.min(behind)
    }

    /// The way from here to `other` in the direction of growing ids, 0 to 2^256 - 1.
    pub fn clockwise(&self, other: &Id) -> Distance {
        let ((from_high, from_low), (to_high, to_low)) = (self.halves(), other.halves());
        let (low, borrow) = to_low.overflowing_sub(from_low);
        Distance(to_high.wrapping_sub(from_high).wrapping_sub(u128::from(borrow)), low)
    }

    /// Whether this id is met when walking from `from` (not counted) to `to` (counted) in the
    /// direction of growing ids. The whole ring lies between an id and itself.
    pub fn is_between(&self, from: &Id, to: &Id) -> bool {
        if from == to {
            return true;
        }
        let walked = from.clockwise(self);
        walked > Distance::ZERO && walked <= from.clockwise(to)
    }

    /// Whether this id is nearer to `key` than `other` is; of two equally near the smaller id wins,
    /// so that exactly one of any set of ids is nearest.
    pub fn is_nearer(&self, key: &Id, other: &Id) -> bool {
        (self.distance(key), self) < (other.distance(key), other)
    }

    /// The first 8 digits: enough to tell nodes apart in a trace.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }

    /// The first id that begins with these 64 bits.
    pub fn from_prefix(prefix: u64) -> Id {
        let mut bytes = [0; ID_BYTES];
        bytes[..8].copy_from_slice(&prefix.to_be_bytes());
        Id(bytes)
    }

    /// Whether the two begin with the same 64 bits: adverts name a node by no more.
    pub fn begins_like(&self, other: &Id) -> bool {
        self.prefix_u64() == other.prefix_u64()
    }

    /// The most significant 64 bits.
    pub fn prefix_u64(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }

    /// The id as a number, its upper and its lower half: on the forwarding path distances are most of the work.
    fn halves(&self) -> (u128, u128) {
        let half = |range: std::ops::Range<usize>| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&self.0[range]);
            u128::from_be_bytes(bytes)
        };
        (half(0..16), half(16..32))
    }
}

impl Distance {
    /// No distance at all.
    pub const ZERO: Distance = Distance(0, 0);
    /// The largest value of the type.
    pub const MAX: Distance = Distance(u128::MAX, u128::MAX);

    /// The distance as a share of the whole ring, 0 to 1; enough precision to average and compare
    /// densities, not to order ids.
    pub fn as_ring_share(&self) -> f64 {
        const HALF: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
        (self.0 as f64 + self.1 as f64 / HALF) / HALF
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3e} of the ring", self.as_ring_share())
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Id, ParseIdError> {
        if let Some(at) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
            return Err(ParseIdError::NotHex { at });
        }
        if text.len() != DIGITS {
            return Err(ParseIdError::Length { found: text.len() });
        }
        let mut bytes = [0; ID_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = (hex_value(pair[0]) << 4) | hex_value(pair[1]);
        }
        Ok(Id(bytes))
    }
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseIdError::Length { found } => write!(f, "an id has {DIGITS} hex digits, this has {found} characters"),
            ParseIdError::NotHex { at } => write!(f, "character {} is not a hex digit", at + 1),
        }
    }
}

impl std::error::Error for ParseIdError {}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// Bytes in an id.
pub const ID_BYTES: usize = 32;
/// Base-16 digits in an id.
pub const DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_id() -> impl Strategy<Value = Id> {
        any::<[u8; 32]>().prop_map(Id)
    }

    #[test]
    fn the_example_on_the_front_page_of_pastry_holds() {
        let a: Id = format!("10233102{}", "0".repeat(56)).parse().expect("an id");
        let b: Id = format!("10233033{}", "0".repeat(56)).parse().expect("an id");
        assert_eq!(a.shared_prefix(&b), 5);
        assert_eq!((a.digit(2), a.digit(7)), (2, 2));
    }

    #[test]
    fn a_malformed_id_says_what_is_wrong_with_it() {
        assert_eq!("12".parse::<Id>(), Err(ParseIdError::Length { found: 2 }));
        assert_eq!(format!("g{}", "0".repeat(63)).parse::<Id>(), Err(ParseIdError::NotHex { at: 0 }));
    }

    #[test]
    fn distance_goes_the_shorter_way_round() {
        let one = Id::ZERO.with_digit(63, 1);
        assert_eq!(Id::MAX.clockwise(&one), Distance(0, 2));
        assert_eq!(one.distance(&Id::MAX), Distance(0, 2));
        assert!((Id::ZERO.distance(&Id::ZERO.with_digit(0, 8)).as_ring_share() - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_the_same_id(id in any_id()) {
            prop_assert_eq!(id.to_string().parse::<Id>(), Ok(id));
            prop_assert_eq!(id.to_string().to_uppercase().parse::<Id>(), Ok(id));
        }

        #[test]
        fn distance_is_symmetric_and_at_most_half_the_ring(a in any_id(), b in any_id()) {
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            prop_assert!(a.distance(&b) <= Id::ZERO.clockwise(&Id::ZERO.with_digit(0, 8)));
            prop_assert_eq!(a.distance(&b) == Distance::ZERO, a == b);
        }

        #[test]
        fn exactly_one_of_two_is_nearer(a in any_id(), b in any_id(), key in any_id()) {
            prop_assume!(a != b);
            prop_assert!(a.is_nearer(&key, &b) != b.is_nearer(&key, &a));
        }

        #[test]
        fn a_shared_prefix_is_counted_digit_by_digit(a in any_id(), b in any_id(), cut in 0usize..64) {
            let mut c = b;
            for index in 0..cut { c = c.with_digit(index, a.digit(index)); }
            let expected = (0..64).take_while(|&i| a.digit(i) == c.digit(i)).count();
            prop_assert_eq!(a.shared_prefix(&c), expected);
            prop_assert!(expected >= cut);
        }

        #[test]
        fn between_splits_the_ring_in_two(a in any_id(), b in any_id(), x in any_id()) {
            prop_assume!(a != b && x != a && x != b);
            prop_assert!(x.is_between(&a, &b) != x.is_between(&b, &a));
            prop_assert!(b.is_between(&a, &b) && !a.is_between(&a, &b));
        }
    }
}
