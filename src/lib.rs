//! arras
pub mod base;
pub mod identity;
pub mod runtime;
pub mod wire;
