//! One node on a real computer, or many.
//!
//! Owns: threads, sockets, the clock, the disk, and the local API: everything the machines may not know
//! of.
//! Never does: decide anything about the overlay.

pub mod clock;
pub mod crew;
pub mod data_dir;
pub mod host;
pub mod lab;
mod metrics;
pub mod net;
pub mod pending;
mod post;
mod seat;
pub mod store;
mod turn;
mod workers;
