//! What the benches share.
//!
//! Owns: cost snapshots, phases in a closed loop, bars, output files, labs, and the rivals' table.
//! Never does: know what a single bench asks.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

pub mod bars;
pub mod cost;
pub mod http;
pub mod lab;
pub mod operations_page;
pub mod output;
pub mod peer;
pub mod phase;
pub mod pump;
pub mod rivals;

/// What ends a bench early.
pub type Fault = Box<dyn std::error::Error>;

/// Says which part of the bench runs now, on stderr: stdout is for results.
pub fn say(what: &str) {
    eprintln!("  {what}");
}
