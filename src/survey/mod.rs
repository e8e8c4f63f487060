//! Arithmetic on results.
//!
//! Owns: latency matrices, summaries of samples, stretch, and how results are shown: tables and plots.
//! Never does: measure anything, read or write a file, or ask for the time.

pub mod distribution;
pub mod matrix;
pub mod number;
pub mod plot;
pub mod stretch;
pub mod table;

pub use distribution::{Interval, Repeats, Summary};
pub use matrix::{LatencyMatrix, MatrixError, Missing};
pub use plot::Report;
pub use stretch::{Pair, Stretch};
pub use table::Table;
