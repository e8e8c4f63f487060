//! # arras
//!
//! A peer-to-peer overlay network. Nodes find each other, route messages to *keys* instead of addresses,
//! and place, locate and fetch objects that live on many nodes at once. Prefix routing in the line of
//! Tapestry and Pastry, with paths that follow the network's measured latencies.
//!
//! ## The rings
//!
//! Outer modules use inner ones, never the other way round (`integration/tidy.rs` checks it):
//!
//! - [`base`]: values everybody speaks in: ids, time, seeded chance, deadlines, bounded collections.
//! - [`identity`]: who is who, as mathematics. [`machine`]: the contract between a machine and its host.
//! - [`wire`]: what can be said. [`survey`]: arithmetic on results.
//! - [`overlay`]: one node's mind: Router, Forwarder, Directory. No I/O. [`crawler`]: a machine of its own that
//!   walks a whole overlay and takes its census.
//! - [`sim`] and [`runtime`] host the machines: many in virtual time, or one on a real computer.
//!
//! ## The law
//!
//! A machine is `(now, input) → effects` ([`machine::Machine`]). After each input the host carries out
//! every effect, in order; when the machine's deadline has come, the host says so. Same seed and same
//! inputs give the same effects: what the simulator proves is what runs on sockets.
//!
//! ## Absent on purpose
//!
//! - Nothing below the hosts names a socket, thread, file, clock, entropy source or unordered map.
//! - `forwarder`, `router` and `directory` never name each other: facts, the `RouteView` and the
//!   `Interest` are all they share.
//! - Nothing is serialised that is not in [`wire`].
//! - No `unsafe`.
//!
//! ## Where to start reading
//!
//! The rule that gives the project its name: [`overlay::forwarder::next_hop`]. Then [`overlay`]'s wiring,
//! and [`runtime::host`] for how a node is put together.

// The tests' node is shared with the tools' tests, which know this crate by its name.
#[cfg(test)]
extern crate self as arras;

pub mod base;
pub mod crawler;
pub mod identity;
pub mod machine;
pub mod overlay;
pub mod runtime;
pub mod sim;
pub mod survey;
pub mod wire;
