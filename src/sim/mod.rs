//! Many nodes, one thread, one seed.
//!
//! Owns: a host for whole nodes in virtual time: the world and its network, its weather, the
//! vocabulary of tests, and the checkers.
//! Never does: open a socket, start a thread, or ask what time it is. It runs the very machines the
//! live node runs, and knows nothing of the `runtime` beside it. Same seed, same trace hash.

mod agenda;
mod book;
pub mod burden;
mod canary;
mod carry;
pub mod check;
pub mod churn;
mod clock;
pub mod crawl;
pub mod demand;
pub mod density;
pub mod direct;
mod disk;
pub mod grow;
mod links;
pub mod look;
pub mod mend;
pub mod narrate;
mod network;
mod node;
pub mod objects;
mod pace;
mod reigns;
pub mod stage;
pub mod stored;
#[cfg(test)]
mod tests;
pub mod underlay;
pub mod weather;
mod wishes;
mod work;
pub mod world;

pub use book::{Note, Sent, Tally, Watched};
pub use canary::Canary;
pub use disk::{Disk, DiskWeather};
pub use node::{Joined, Node};
pub use stage::Stage;
pub use underlay::Underlay;
pub use weather::Weather;
pub use wishes::Operation;
pub use world::{Plan, World};
