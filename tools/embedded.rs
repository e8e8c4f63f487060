//! A node inside your own program: `cargo run --example embedded`
//!
//! Owns: the shortest whole life of a node: start, place a text, read it back, leave.
//! Never does: stand for the `arras` command, which shows how each step can fail.

use arras::base::{Id, Span};
use arras::runtime::{Config, Node};
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Joins through these nodes (none: a network of its own), keeps a text on the overlay, and reads it back.
pub fn say(text: &'static str, data_dir: PathBuf, seeds: Vec<SocketAddr>) -> Result<Id, Box<dyn Error>> {
    let mut config = Config::new(data_dir);
    config.overlay.listen = "127.0.0.1:0".parse()?; // port 0: any that is free
    config.api.listen = "127.0.0.1:0".parse()?;
    config.overlay.seeds = seeds;
    let node = Node::start(config)?;
    let overlay = node.handle();
    if !overlay.wait_ready(Span::from_secs(30)) {
        return Err("the overlay did not take this node in".into());
    }
    let (id, receipts) = overlay.put(text)?;
    println!("{} copies of {id}: {:?}", receipts.len(), overlay.get(id)?);
    node.stop(Span::from_secs(10));
    Ok(id)
}

/// Two runs with the same directory are the same node.
pub fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    say("hello", dir.path().to_owned(), Vec::new())?;
    Ok(())
}
