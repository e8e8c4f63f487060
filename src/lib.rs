//! arras
pub mod base;
pub mod identity;
pub mod machine;
pub mod overlay;
pub mod runtime;
pub mod sim;
pub mod survey;
pub mod wire;
