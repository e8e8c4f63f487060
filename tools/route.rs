//! `arras route`
//!
//! Owns: printing the path to a key's root, hop by hop, and its stretch.
//! Never does: measure; the hops report what they saw.

use crate::client::{Api, segment};
use crate::output::{Exit, Output, field, millis, short};
use serde_json::Value;

/// `arras route KEY`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// 64 hex digits are a key; other text is hashed, and the key printed.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key: String,
}

/// Prints the path.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let answer = api.json("GET", &format!("/v1/route/{}", segment(&arguments.key)), None)?;
    output.print(&answer, || text(&answer))
}

fn text(answer: &Value) -> String {
    let mut text = format!("key   {}\nroot  {}\n", field(answer, "key"), field(&answer["root"], "id"));
    let path: Vec<&Value> = answer["path"].as_array().into_iter().flatten().collect();
    if !path.is_empty() {
        text.push_str("hop  node              address                      rtt      waited  why\n");
    }
    for (index, hop) in path.iter().enumerate() {
        text.push_str(&format!(
            "{:>3}  {:<16}  {:<21}  {:>10}  {:>10}  {}\n",
            index + 1,
            short(&field(hop, "next")),
            field(hop, "address"),
            millis(hop, "rtt_ms"),
            millis(hop, "waited_ms"),
            field(hop, "why")
        ));
    }
    if answer["hops"] == 0 {
        text.push_str("this node is the root itself\n");
        return text;
    }
    let direct = match answer["direct_measured"].as_bool() {
        Some(true) => format!("direct {} (on the link)", millis(answer, "direct_ms")),
        Some(false) => format!("direct {} (estimated: no link)", millis(answer, "direct_ms")),
        None => "direct unknown: the root is no peer of this node".to_owned(),
    };
    let stretch = answer["stretch"].as_f64().map(|stretch| format!(", stretch {stretch:.2}")).unwrap_or_default();
    text.push_str(&format!("{} hops in {}, {direct}{stretch}\n", field(answer, "hops"), millis(answer, "took_ms")));
    text
}
