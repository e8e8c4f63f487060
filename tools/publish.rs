//! `arras publish`
//!
//! Owns: handing a file to the node to hold and announce.
//! Never does: copy it to other nodes; that is `place`.

use crate::client::{Api, segment};
use crate::output::{Exit, FAILED, Output, field};
use crate::place::open;
use arras::wire::object::VALUE_BYTES_MAX;

/// `arras publish FILE`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// A file of up to 1 MiB; `-` is stdin.
    file: String,
    /// How long it is to be published (1h, 30d); until it is withdrawn by default.
    #[arg(long, value_name = "SPAN")]
    lifetime: Option<String>,
}

/// Publishes, and prints the id.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let name = &arguments.file;
    let (mut source, size) = open(name)?;
    if size > VALUE_BYTES_MAX as u64 {
        let line =
            format!("{name}: has {size} bytes, and {VALUE_BYTES_MAX} can be published; `arras place` takes any size");
        return Err(Exit::new(FAILED, line));
    }
    let lifetime = arguments.lifetime.as_deref().map(|span| format!("?lifetime={}", segment(span))).unwrap_or_default();
    let answer = api.json("POST", &format!("/v1/publish{lifetime}"), Some(&mut source))?;
    output.print(&answer, || format!("{}  {name}  at {} roots", field(&answer, "id"), field(&answer, "roots")))
}
