//! The `arras` command.
//!
//! Owns: what all subcommands share on the command line, and the exit code.
//! Never does: the work of a subcommand: one file each.

mod client;
mod config;
mod crawl;
mod folder;
mod get;
#[expect(clippy::disallowed_methods, reason = "a lab is measured in real time")]
mod lab;
mod latency;
mod locate;
mod node;
mod output;
mod peers;
mod place;
mod publish;
mod record;
mod route;
#[expect(clippy::disallowed_methods, reason = "a simulation's own speed is measured in real time")]
mod sim;
mod status;
mod surveyed;
mod unpublish;

use clap::{Parser, Subcommand};
use client::Api;
use output::{Exit, Output};
use std::process::ExitCode;

/// A peer-to-peer overlay network: run a node, place objects, find them, look at paths.
///
/// All subcommands but `node`, `lab`, `sim` and `config` talk to the local API of a running node (`crawl` only to
/// find its first node). Exit codes: 0 ok, 1 failed,
/// 2 usage, 3 not found, 4 timed out, 5 node unreachable.
#[derive(Parser, Debug)]
#[command(name = "arras", version)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(clap::Args, Debug, Clone)]
struct Shared {
    /// The node's API: ADDRESS:PORT or http://ADDRESS:PORT.
    #[arg(long, global = true, env = "ARRAS_API", default_value = "127.0.0.1:7421", value_name = "URL")]
    api: String,
    /// The API's token, if it needs one.
    #[arg(long, global = true, env = "ARRAS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// How long to wait for each result (250ms, 10s, 5min).
    #[arg(long, global = true, env = "ARRAS_TIMEOUT", default_value = "30s", value_name = "SPAN")]
    timeout: String,
    /// Print JSON: one object, or one a line.
    #[arg(long, global = true)]
    json: bool,
    /// Say more on stderr (twice: everything).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a node in the foreground; SIGINT or SIGTERM leaves gracefully.
    Node(node::Arguments),
    /// Place files (or stdin) on the overlay and print their ids.
    Place(place::Arguments),
    /// Fetch an object by its id, checked.
    Get(get::Arguments),
    /// Keep a file of up to 1 MiB here and tell the overlay that this node holds it.
    Publish(publish::Arguments),
    /// Withdraw a publication.
    Unpublish(unpublish::Arguments),
    /// Put, fetch and sign records: bytes under their owner's signature, in versions.
    Record(record::Arguments),
    /// Print who holds an object, nearest first.
    Locate(locate::Arguments),
    /// Print the path to a key's root, hop by hop, and its stretch.
    Route(route::Arguments),
    /// Print how the node stands.
    Status(status::Arguments),
    /// Print the nodes this node knows.
    Peers(peers::Arguments),
    /// Walk the whole overlay, politely: who is there, and who knows whom.
    ///
    /// Visits every node that can be found, asks for its profile, leaf set and prefix table, and hangs up. It takes no
    /// part in the overlay, and exchanges at most 16 messages with a node. --timeout is how long one visit may take.
    Crawl(crawl::Arguments),
    /// Run many nodes in one process under measured latencies, and measure them.
    Lab(lab::LabArgs),
    /// Run up to a million nodes in virtual time, and measure their lookups.
    Sim(Box<sim::Arguments>),
    /// Write, check or show a node's configuration.
    Config(config::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.shared.json, quiet: arguments.shared.quiet };
    match run(arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            if !exit.line.is_empty() {
                eprintln!("arras: {}", exit.line);
            }
            ExitCode::from(exit.code)
        }
    }
}

fn run(arguments: Arguments, output: Output) -> Result<(), Exit> {
    let Arguments { shared, command } = arguments;
    match command {
        Command::Node(arguments) => return node::run(&arguments, &shared, output, &node::start),
        Command::Config(arguments) => return config::run(&arguments, output),
        Command::Lab(arguments) => {
            output::start_log(["error", "warn", "info"][shared.verbose.min(2) as usize]);
            return lab::run(&arguments, output);
        }
        Command::Sim(arguments) => {
            output::start_log(["error", "warn", "info"][shared.verbose.min(2) as usize]);
            return sim::run(&arguments, output);
        }
        _ => output::start_log(if shared.quiet {
            "error"
        } else {
            ["warn", "info", "debug"][shared.verbose.min(2) as usize]
        }),
    }
    let api = Api::new(&shared)?;
    match command {
        Command::Crawl(arguments) => crawl::run(&arguments, &shared, &api, output),
        Command::Place(arguments) => place::run(&arguments, &api, output),
        Command::Get(arguments) => get::run(&arguments, &api, output),
        Command::Publish(arguments) => publish::run(&arguments, &api, output),
        Command::Unpublish(arguments) => unpublish::run(&arguments, &api, output),
        Command::Record(arguments) => record::run(&arguments, &api, output),
        Command::Locate(arguments) => locate::run(&arguments, &api, output),
        Command::Route(arguments) => route::run(&arguments, &api, output),
        Command::Status(arguments) => status::run(&arguments, &api, output),
        Command::Peers(arguments) => peers::run(&arguments, &api, output),
        Command::Node(_) | Command::Config(_) | Command::Lab(_) | Command::Sim(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "../src/runtime/memory_port.rs"]
mod memory_port;
#[cfg(test)]
mod tests;
