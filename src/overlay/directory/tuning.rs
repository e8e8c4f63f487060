//! How the directory may be tuned.
//!
//! Owns: the knobs, their defaults and where these come from.
//! Never does: change at run time.

use crate::base::Span;

/// Most copies of one value, the root's included. A guess: as many as a leaf set of default size has on one side.
pub const REPLICAS_MAX: u8 = 16;

/// What one node may choose for itself about objects. Limits are for the whole node; each shard gets
/// its part.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// Copies of a value, the root's included, 1 to [`REPLICAS_MAX`]. DESIGN §7.
    pub replicas: u8,
    /// Bytes of values kept for others.
    pub quota_bytes: u64,
    /// Longest lifetime granted to a value or pointer.
    pub lifetime_max: Span,
    /// Lifetime of a published pointer; it is renewed when half of it is gone.
    pub pointer_lifetime: Span,
    /// Pointers remembered in all.
    pub pointers_max: usize,
    /// Values kept in all.
    pub values_max: usize,
    /// What one publisher or source may take up.
    pub shares: Shares,
    /// Values up to this size travel within the routed reply; larger ones are fetched over a link.
    pub inline_bytes_max: u32,
    /// How long a local wish waits for its result.
    pub patience: Span,
    /// How what is kept stays whole.
    pub upkeep: Upkeep,
    /// Local wishes under way at once.
    pub wishes_max: usize,
    /// How load is spread over representatives.
    pub leases: Leases,
    /// Bytes of small values remembered in memory, so that a much wanted one costs no disk read.
    pub cache_bytes: u64,
}

/// How what is kept stays whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Upkeep {
    /// Longest pause between comparisons of what replica sets hold.
    pub repair_interval: Span,
    /// Bytes of values that repair may send in a second, at least 1,024: lookups and answers come first.
    pub repair_bytes_per_s: u64,
    /// Within this each kept value is read once from disk, to see whether it is sound.
    pub scrub_interval: Span,
}

/// How long others answer for a node, and it for others.
#[derive(Clone, Debug, PartialEq)]
pub struct Leases {
    /// Of what cannot change. Zero, with the next one: nobody ever answers for another.
    pub immutable: Span,
    /// Of records and pointers: nothing older than this is ever answered.
    pub mutable: Span,
    /// Bytes held for others in memory.
    pub bytes: u64,
}

/// What one publisher or source may take up.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// Holders remembered for one object.
    pub pointers_per_object: usize,
    /// Objects remembered for one holder.
    pub pointers_per_holder: usize,
    /// Values kept for one source (the neighbour or client that handed them in).
    pub values_per_source: usize,
    /// Writes one source may ask for per second on average; bursts of four times as many.
    pub writes_per_source_per_s: u32,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            replicas: 4,
            quota_bytes: 10 << 30,
            lifetime_max: Span::from_hours(24 * 30),
            pointer_lifetime: Span::from_hours(2),
            shares: Shares::default(),
            pointers_max: 2_000_000,
            values_max: 2_000_000,
            inline_bytes_max: 8 << 10,
            patience: Span::from_secs(20),
            upkeep: Upkeep::default(),
            wishes_max: 8_192,
            leases: Leases::default(),
            cache_bytes: 1 << 20,
        }
    }
}

impl Leases {
    /// No representatives at all.
    pub fn off() -> Leases {
        Leases { immutable: Span::ZERO, mutable: Span::ZERO, bytes: 0 }
    }

    /// Whether there are to be none.
    pub fn is_off(&self) -> bool {
        self.immutable == Span::ZERO && self.mutable == Span::ZERO
    }
}

impl Default for Leases {
    fn default() -> Leases {
        Leases { immutable: Span::from_hours(1), mutable: Span::from_secs(30), bytes: 8 << 20 }
    }
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        Upkeep {
            repair_interval: Span::from_mins(10),
            // A guess: a fifteenth of a gigabit line; four peers push 10 GiB in less than six minutes.
            repair_bytes_per_s: 8 << 20,
            // A guess, between the days and months in which file systems read theirs: 10 GiB in a week are 18 KB/s.
            scrub_interval: Span::from_hours(7 * 24),
        }
    }
}

impl Default for Shares {
    fn default() -> Shares {
        Shares {
            pointers_per_object: 64,
            pointers_per_holder: 200_000,
            values_per_source: 500_000,
            writes_per_source_per_s: 5_000,
        }
    }
}
