//! One node on a real computer, or many.
//!
//! Owns: threads, sockets, the clock, the disk, and the local API: everything the machines may not know
//! of.
//! Never does: decide anything about the overlay.

pub mod api;
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub mod clock;
pub mod config;
pub mod crawl;
pub mod crew;
pub mod data_dir;
#[expect(clippy::disallowed_methods, reason = "a caller waits in real time")]
pub mod handle;
pub mod host;
#[expect(clippy::disallowed_methods, reason = "a lab measures itself")]
pub mod lab;
#[cfg(test)]
pub mod memory_port;
mod metrics;
pub mod net;
pub mod node;
pub mod objects;
pub mod pending;
mod post;
mod puzzle;
mod seat;
#[expect(clippy::disallowed_methods, reason = "rows carry calendar time; batches are timed")]
pub mod store;
mod turn;
mod workers;

pub use config::Config;
pub use handle::{Handle, NodePort};
pub use node::{Node, StartError};
