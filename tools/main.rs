//! The `arras` command.
//!
//! Owns: choosing the subcommand.
//! Never does: any work itself.
mod lab;
use clap::{Parser, Subcommand};
#[derive(Parser)]
struct Arras {
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Verb,
}
#[derive(Subcommand)]
enum Verb {
    Lab(lab::LabArgs),
}
fn main() {
    env_logger::init();
    let arras = Arras::parse();
    let Verb::Lab(args) = arras.command;
    if let Err(error) = lab::run(&args, arras.json, false) {
        eprintln!("arras: {error}");
        std::process::exit(1);
    }
}
