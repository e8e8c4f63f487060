//! One node on a real computer.
//!
//! Owns: the clock, the transport, and whatever else needs an operating system.
//! Never does: decide anything about the protocol: machines do, and this hosts them.

pub mod clock;
pub mod net;
