//! How the Forwarder may be tuned.
//!
//! Owns: the knobs, their defaults and where these come from.
//! Never does: change at run time.

use crate::base::Span;

/// What one node may choose for itself about forwarding.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// How long a local wish waits for its result, 1 ms to 10 min. Twice the longest round trip in our
    /// data (2.05 s), times three tries, rounded: a guess.
    pub patience: Span,
    /// Least wait for custody beyond the smoothed round trip: covers a busy receiver's scheduling.
    /// 20 ms: a guess, above what two loaded cores cost a neighbour here.
    pub custody_floor: Span,
    /// Messages one origin may have a node forward per second, on average; bursts of twice as many.
    pub origin_rate: u32,
    /// Next hops tried for one message before it is given up.
    pub tries_max: u8,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            patience: Span::from_secs(10),
            custody_floor: Span::from_millis(20),
            origin_rate: 20_000,
            tries_max: 5,
        }
    }
}
