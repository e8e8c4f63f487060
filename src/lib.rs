//! arras
#[cfg(test)]
extern crate self as arras;

pub mod base;
pub mod identity;
pub mod machine;
pub mod overlay;
pub mod runtime;
pub mod wire;
