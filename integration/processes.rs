//! Do separate processes make one overlay that keeps its word, and does each say clearly what is wrong?
//!
//! Owns: nodes as real processes of the `arras` command on loopback: placed and fetched with its own tools,
//! killed, stopped, started again, and given bad input.
//! Never does: judge speed, or wait for luck: everything is polled with a deadline.

#![expect(clippy::disallowed_methods, reason = "processes are waited for in real time")]

#[path = "support/process.rs"]
mod process;

use process::{PATIENCE, Process, Town, arras, arras_with, until};
use serde_json::Value;

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n ^ (n >> 7) ^ (n >> 15)) as u8).collect()
}

/// The id in a line of JSON, or at the beginning of a line of text.
fn id_of(line: &str) -> String {
    line.split_whitespace().next().expect("an id").to_owned()
}

#[test]
fn six_processes_form_an_overlay_and_what_one_places_the_others_fetch() {
    let town = Town::of(6);
    let (small, large, piped) = (content(1_000), content(3 << 20), content(40_000));
    let files = [town.file("small", &small), town.file("large", &large)];
    let placed = town.nodes[0].arras(&["place", &files[0], &files[1]]).sound().text();
    let mut objects: Vec<(String, &[u8])> = placed.lines().map(id_of).zip([&small[..], &large[..]]).collect();
    assert_eq!(objects.len(), 2, "{placed}");
    let stdin = town.nodes[1].arras_with(&["place", "-", "--json"], &piped).sound().json();
    objects.push((stdin["id"].as_str().expect("an id").to_owned(), &piped));
    for node in &town.nodes {
        for (id, expected) in &objects {
            assert!(node.fetch(id, PATIENCE) == *expected, "{} has other bytes for {id}", node.api);
        }
    }
    let back = town.path("back").display().to_string();
    town.nodes[5].arras(&["get", &objects[1].0, "-o", &back]).sound();
    assert!(std::fs::read(&back).expect("read") == large);
}
