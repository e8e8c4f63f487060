//! How busy a node is.
//!
//! Owns: the measure of load that nodes tell each other, in one byte.
//! Never does: take a measurement, or judge what is much.

use serde::{Deserialize, Serialize};

/// Messages a second, in eighths of a power of two: off by at most 5 %, from none to four billion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Load(u8);

impl Load {
    /// Nothing to do.
    pub const NONE: Load = Load(0);

    /// So many messages a second. Negative numbers and what is none count as none.
    pub fn of(per_second: f64) -> Load {
        Load(((per_second.max(0.0) + 1.0).log2() * STEPS).round().min(f64::from(u8::MAX)) as u8)
    }

    /// Messages a second.
    pub fn per_second(self) -> f64 {
        (f64::from(self.0) / STEPS).exp2() - 1.0
    }
}

/// Steps to a power of two.
const STEPS: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_told_to_within_a_twentieth() {
        for load in [1.0, 7.3, 90.0, 1_234.0, 56_789.0, 3e8] {
            let told = Load::of(load).per_second();
            assert!((told + 1.0) / (load + 1.0) < 1.05 && (load + 1.0) / (told + 1.0) < 1.05, "{load}: {told}");
        }
        assert_eq!((Load::of(0.0), Load::of(-3.0), Load::of(f64::NAN)), (Load::NONE, Load::NONE, Load::NONE));
        assert_eq!(Load::NONE.per_second(), 0.0);
        assert!(Load::of(f64::INFINITY).per_second() > 3e9);
    }
}
