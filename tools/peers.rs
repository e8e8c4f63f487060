//! `arras peers`
//!
//! Owns: printing the nodes this node knows.
//! Never does: ask them anything.

use crate::client::Api;
use crate::output::{Exit, Output, field, millis, short};

/// `arras peers`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Whole ids instead of their first 16 digits.
    #[arg(long)]
    long: bool,
}

/// Prints a line for each.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let answer = api.json("GET", "/v1/peers", None)?;
    output.print(&answer, || {
        let width = if arguments.long { 64 } else { 16 };
        let mut text = format!("{:<width$}  {:<21}  {:>10}  row  what\n", "node", "address", "rtt");
        for peer in answer["peers"].as_array().into_iter().flatten() {
            let id = field(peer, "id");
            let rtt = if peer["link_rtt_ms"].is_null() {
                format!("~{}", millis(peer, "estimated_rtt_ms"))
            } else {
                millis(peer, "link_rtt_ms")
            };
            let what: Vec<&str> =
                [("in_leaf_set", "leaf"), ("in_table", "table"), ("client", "client"), ("suspected", "suspected")]
                    .iter()
                    .filter(|(name, _)| peer[*name] == true)
                    .map(|(_, word)| *word)
                    .chain((peer["ready"] == false).then_some("not ready"))
                    .collect();
            text.push_str(&format!(
                "{:<width$}  {:<21}  {rtt:>10}  {:>3}  {}\n",
                if arguments.long { &id } else { short(&id) },
                field(peer, "address"),
                field(peer, "row"),
                what.join(" ")
            ));
        }
        text
    })
}
