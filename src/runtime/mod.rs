//! One node on a real computer, or many.
//!
//! Owns: threads, sockets, the clock, the disk, and the local API: everything the machines may not know
//! of.
//! Never does: decide anything about the overlay.

pub mod api;
pub mod clock;
pub mod config;
pub mod crew;
pub mod data_dir;
pub mod handle;
pub mod host;
pub mod lab;
#[cfg(test)]
pub mod memory_port;
mod metrics;
pub mod net;
pub mod node;
pub mod objects;
pub mod pending;
mod post;
mod seat;
pub mod store;
mod turn;
mod workers;

pub use config::Config;
pub use handle::{Handle, NodePort};
pub use node::{Node, StartError};
