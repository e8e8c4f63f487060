//! arras
pub mod base;
pub mod identity;
pub mod machine;
pub mod overlay;
pub mod runtime;
pub mod wire;
