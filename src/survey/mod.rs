//! Arithmetic on results.
//!
//! Owns: latency matrices, summaries of samples, stretch, and how both are shown: plots and tables.
//! Never does: measure anything, read or write a file, or ask for the time.

pub mod distribution;
pub mod matrix;
pub mod stretch;

pub use distribution::{Interval, Repeats, Summary};
pub use matrix::{LatencyMatrix, MatrixError, Missing};
pub use stretch::{Pair, Stretch};
