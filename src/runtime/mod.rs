//! One node on a real computer.
//!
//! Owns: the host of the machines: sockets, threads, the disk, the clock, the local API, configuration.
//! Never does: decide anything about the overlay: that is the machines' business.

pub mod api;
pub mod config;
pub mod data_dir;
pub mod handle;
#[cfg(test)]
pub mod memory_port;
pub mod objects;
pub mod store;

pub use config::Config;
pub use handle::{Handle, NodePort};
