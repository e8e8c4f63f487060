//! Solving the network's puzzle where somebody waits for it.
//!
//! Owns: telling how long it may take while it goes on, and ending it early.
//! Never does: decide how hard the puzzle is, or what a solution is: the identity does.

use super::clock::Clock;
use crate::base::Span;
use crate::identity::{NodeName, PublicKey};
use log::warn;

/// The name that solves the puzzle of so many bits; none if `goes_on`, asked some ten times a second or more often, says
/// no. What takes longer than a moment says so in the log, and how far it is.
pub fn solve(key: PublicKey, bits: u32, goes_on: &mut dyn FnMut() -> bool) -> Option<NodeName> {
    let clock = Clock::start();
    let begun = clock.now();
    let (mut name, mut due) = (NodeName { key, nonce: 0 }, begun + TOLD_FIRST);
    loop {
        let end = name.nonce.saturating_add(TRIES_BETWEEN);
        while name.nonce < end {
            if name.satisfies(bits) {
                return Some(name);
            }
            name.nonce += 1;
        }
        if !goes_on() {
            return None;
        }
        let now = clock.now();
        if now >= due {
            due = now + TOLD_EVERY;
            warn!("{}", progress(bits, name.nonce, now.since(begun)));
        }
    }
}

/// How far it is, and how far it may have to go.
fn progress(bits: u32, tried: u64, spent: Span) -> String {
    let expected = 2f64.powi(bits.min(64) as i32);
    let seconds = spent.as_secs_f64();
    let per_s = tried as f64 / seconds.max(1e-6);
    format!(
        "solving the network's puzzle of {bits} bits: {tried} of some {expected:.0} tries in {seconds:.0} s; at this pace it \
         takes {:.0} s on average, and may take several times that",
        expected / per_s
    )
}

/// Tries between two looks at the clock: some 20 ms.
const TRIES_BETWEEN: u64 = 1 << 16;
/// When it is told that this takes a while.
const TOLD_FIRST: Span = Span::from_secs(1);
/// How often it is told again.
const TOLD_EVERY: Span = Span::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_solution_is_found_and_a_wish_to_end_is_heard() {
        let key = PublicKey::from_bytes([9; 32]);
        assert_eq!(solve(key, 10, &mut || true), Some(NodeName::solve(key, 10)));
        let mut asked = 0;
        let stopped = solve(key, 64, &mut || {
            asked += 1;
            asked < 3
        });
        assert_eq!((stopped, asked), (None, 3));
    }

    #[test]
    fn the_progress_names_the_bits_and_the_tries_expected() {
        let line = progress(30, 1 << 20, Span::from_secs(2));
        assert!(line.contains("puzzle of 30 bits: 1048576 of some 1073741824 tries in 2 s"), "{line}");
        assert!(line.contains("takes 2048 s on average"), "{line}");
    }
}
