//! `arras unpublish`
//!
//! Owns: withdrawing what this node publishes.
//! Never does: touch copies that others keep.

use crate::client::{Api, object};
use crate::output::{Exit, Output, field};

/// `arras unpublish ID`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The object's id: 64 hex digits.
    id: String,
}

/// Withdraws the claim.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let id = object(&arguments.id)?;
    let answer = api.json("DELETE", &format!("/v1/publish/{id}"), None)?;
    output.print(&answer, || format!("{id}  withdrawn at {} roots", field(&answer, "roots")))
}
