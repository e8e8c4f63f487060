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
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key: String,
    /// Also say which node answered, and as what: the object's root, one that keeps it, one that pointers passed by on
    /// their way, or one that answers for another because many ask.
    #[arg(long)]
    explain: bool,
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
        if arguments.explain {
            let answered = &answer["answered"];
            text.push_str(&format!(
                "answered by {} as {}, asked under {} (salt {})\n",
                field(answered, "id"),
                known_as(answered["as"].as_str()),
                field(answered, "under"),
                field(answered, "salt"),
            ));
        }
        text
    })
}

fn known_as(name: Option<&str>) -> &'static str {
    match name {
        Some("root") => "the root of that id",
        Some("keeper") => "one that keeps a copy",
        Some("passing") => "one that the pointers passed by",
        Some("representative") => "a representative: many ask for it",
        _ => "something this command does not know",
    }
}
