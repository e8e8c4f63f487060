//! arras
pub mod base;
pub mod identity;
pub mod survey;
