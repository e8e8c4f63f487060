//! Does the simulator tell the truth?
//!
//! Owns: 64 nodes on the same hosts of one latency matrix, once in virtual time and once on sockets, and the comparison of their
//! stretch. Their ids are drawn anew, as live ones are the work of a puzzle that simulated nodes need not solve.
//! Never does: judge the stretch itself.

use serde_json::Value;
use std::process::Command;

const LATENCY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/data/planetlab490_median.u32le.gz");
/// How far apart the two may be.
const APART_MAX: f64 = 0.05;
/// A busy machine adds to what the sockets take, never to virtual time: one undisturbed run of these is enough.
const RUNS: usize = 3;

fn stretch(command: &str, more: &[&str]) -> f64 {
    let common =
        ["--nodes", "64", "--seed", "1", "--leaf-set", "4", "--link-budget", "24", "--lookups", "3000", "--json"];
    let mut arras = Command::new(env!("CARGO_BIN_EXE_arras"));
    let output = arras.arg(command).args(common).args(more).output().expect("arras runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["failed"], &told["roots_agree"]), (&0.into(), &true.into()), "{command}");
    told["stretch"]["ratio_of_means"].as_f64().expect("a number")
}

#[test]
fn stretch_in_virtual_time_is_that_on_sockets_within_five_percent() {
    let simulated = stretch("sim", &["--underlay", LATENCY]);
    let agrees = |live: f64| (live / simulated - 1.0).abs() <= APART_MAX;
    let mut live = Vec::new();
    while live.len() < RUNS && !live.last().copied().is_some_and(agrees) {
        live.push(stretch("lab", &["--latency", LATENCY, "--measure", "stretch"]));
    }
    assert!(live.last().copied().is_some_and(agrees), "simulated {simulated}, live {live:?}");
}
