//! arras
pub mod base;
pub mod identity;
