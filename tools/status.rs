//! `arras status`
//!
//! Owns: printing how the node stands.
//! Never does: wait for it to become ready.

use crate::client::Api;
use crate::output::{Exit, Output, field};

/// `arras status`
#[derive(clap::Args, Debug)]
pub struct Arguments {}

/// Prints the summary.
pub fn run(_arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let answer = api.json("GET", "/v1/status", None)?;
    output.print(&answer, || {
        let directory = &answer["directory"];
        let addresses: Vec<&str> = answer["addresses"].as_array().into_iter().flatten().filter_map(|a| a.as_str()).collect();
        let size = answer["size_estimate"].as_f64().map_or("unknown".to_owned(), |size| format!("about {size:.0} nodes"));
        format!(
            "node      {}\nnetwork   {}, {size}\naddress   {}\nstate     {}\npeers     {} known, {} links, {} in the leaf set\n\
             table     {} slots by row\nvalues    {} ({} bytes), root of {}\npointers  {}, publishing {}\nwishes    {} under way\n\
             refused   {} writes\nversion   {}\n",
            field(&answer, "id"),
            field(&answer, "network"),
            addresses.join(", "),
            field(&answer, "state"),
            field(&answer, "peers"),
            field(&answer, "links"),
            field(&answer, "leaf_set"),
            field(&answer, "rows"),
            field(directory, "values"),
            field(directory, "value_bytes"),
            field(directory, "rooted"),
            field(directory, "pointers"),
            field(directory, "published"),
            field(directory, "wishes"),
            field(directory, "refused"),
            field(&answer, "version"),
        )
    })
}
