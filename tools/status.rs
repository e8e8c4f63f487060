//! `arras status`
//!
//! Owns: printing how the node stands.
//! Never does: wait for it to become ready, but it can fail until it is.

use crate::client::Api;
use crate::output::{Exit, FAILED, Output, field};

/// `arras status`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Fail unless the node is ready: its leaf set is confirmed.
    #[arg(long)]
    ready: bool,
    /// One line.
    #[arg(long)]
    brief: bool,
}

/// Prints the summary.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let answer = api.json("GET", "/v1/status", None)?;
    let state = field(&answer, "state");
    if arguments.ready && answer["ready"] != true {
        return Err(Exit::new(FAILED, format!("not ready: {state}")));
    }
    if arguments.brief {
        return output.print(&answer, || {
            let id: String = field(&answer, "id").chars().take(8).collect();
            let (links, leaves) = (field(&answer, "links"), field(&answer, "leaf_set"));
            let values = field(&answer["directory"], "values");
            format!("{id}  {state}  {links} links, {leaves} in the leaf set, {values} values")
        });
    }
    output.print(&answer, || {
        let directory = &answer["directory"];
        let addresses: Vec<&str> = answer["addresses"].as_array().into_iter().flatten().filter_map(|a| a.as_str()).collect();
        let size = answer["size_estimate"].as_f64().map_or("unknown".to_owned(), |size| format!("about {size:.0} nodes"));
        format!(
            "node      {}\nnetwork   {}, {size}\naddress   {}\nstate     {}\npeers     {} known, {} links, {} in the leaf set\n\
             table     {} slots by row\nvalues    {} ({} bytes), root of {}\npointers  {}, publishing {}\nleases    {} given, answering for others: {} ({} bytes)\nwishes    {} under way\n\
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
            field(directory, "leases_given"),
            field(directory, "answers_for_others"),
            field(directory, "answers_for_others_bytes"),
            field(directory, "wishes"),
            field(directory, "refused"),
            field(&answer, "version"),
        ) + &hottest(directory)
    })
}

/// The objects asked for most, and who answers for them.
fn hottest(directory: &serde_json::Value) -> String {
    let line = |hot: &serde_json::Value| {
        let representatives = hot["representatives"].as_array().map_or(0, Vec::len);
        let own = hot["own_lease_left_s"]
            .as_u64()
            .map_or(String::new(), |left| format!(", answered for another ({left} s more)"));
        format!(
            "hot       {}  {} an hour, {representatives} representatives{own}\n",
            field(hot, "id"),
            field(hot, "per_hour")
        )
    };
    directory["hottest"].as_array().into_iter().flatten().take(HOTTEST_SHOWN).map(line).collect()
}

/// Hot objects shown.
const HOTTEST_SHOWN: usize = 5;
