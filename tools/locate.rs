//! `arras locate`
//!
//! Owns: printing who holds an object.
//! Never does: fetch it.

use crate::client::{Api, segment};
use crate::output::{Exit, Output, field};

/// `arras locate ID`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// 64 hex digits are an id; other text is hashed, and the id printed.
    key: String,
}

/// Prints the holders, nearest first.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let answer = api.json("GET", &format!("/v1/locate/{}", segment(&arguments.key)), None)?;
    output.print(&answer, || {
        let mut text = format!("object {}\n", field(&answer, "id"));
        for holder in answer["holders"].as_array().into_iter().flatten() {
            let contact = &holder["contact"];
            let address = contact["addresses"][0].as_str().unwrap_or("-");
            let kind = if holder["replica"] == true { "replica" } else { "publisher" };
            text.push_str(&format!("{}  {address:<21}  {kind}\n", field(contact, "id")));
        }
        text
    })
}
