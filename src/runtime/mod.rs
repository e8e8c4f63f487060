//! One node on a real computer.
//!
//! Owns: the host of the machines: sockets, threads, the disk, the clock, the local API, configuration.
//! Never does: decide anything about the overlay: that is the machines' business.

pub mod config;
pub mod data_dir;
pub mod store;
