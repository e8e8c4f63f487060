//! Values everybody speaks in.
//!
//! Owns: identifiers on the ring, moments and spans, seeded chance, named deadlines, bounded
//! collections, and smoothed averages.
//! Never does: know what a node, a message or an object is.

pub mod bounded;
pub mod chance;
pub mod coordinate;
pub mod deadlines;
pub mod ewma;
pub mod id;
pub mod load;
pub mod time;

pub use bounded::{BoundedMap, BoundedQueue, Full};
pub use chance::Chance;
pub use coordinate::Coordinate;
pub use deadlines::Deadlines;
pub use ewma::{Ewma, RttEstimate};
pub use id::{Distance, Id};
pub use load::Load;
pub use time::{Instant, Span};
