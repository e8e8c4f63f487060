//! Arithmetic on results.
//!
//! Owns: latency matrices, summaries of samples, stretch, stress, copies found, the quality of a topology, and how results are shown: tables,
//! CSV, GraphML and plots.
//! Never does: measure anything, read or write a file, or ask for the time.

pub mod betweenness;
pub mod clustering;
pub mod components;
pub mod concentration;
pub mod csv;
pub mod cut;
pub mod degree;
mod diameter;
pub mod distribution;
mod draw;
pub mod finds;
pub mod graph;
pub mod graphml;
pub mod matrix;
pub mod number;
pub mod page;
pub mod partition;
pub mod paths;
pub mod plot;
pub mod projection;
pub mod reach;
pub mod removal;
pub mod size;
pub mod stress;
pub mod stretch;
mod sweep;
pub mod table;
mod told;
pub mod topology;
mod xml;

pub use distribution::{Interval, Repeats, Share, Summary};
pub use finds::{Find, Finds};
pub use graph::{Edge, Graph, Undirected};
pub use matrix::{LatencyMatrix, MatrixError, Missing};
pub use plot::Report;
pub use stretch::{Pair, Stretch};
pub use table::Table;
pub use topology::Topology;
