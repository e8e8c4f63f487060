//! `arras lab`: many nodes in one process, under measured latencies.
//!
//! Owns: the command's options, its order of work, and what makes it fail.
//! Never does: measure (the library's lab does), or draw (`report.rs`).

mod hold;
mod objects;
mod report;

use crate::latency::{self, MissingEntries};
use crate::output::{Exit, Output, USAGE, steps};
use arras::base::Id;
use arras::runtime::host::{NodeTuning, Threads};
use arras::runtime::lab::measure::{Measured, Samples};
use arras::runtime::lab::{Lab, LabError, LabSetup, NODES_MAX};
use arras::survey::LatencyMatrix;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Many whole nodes in one process on loopback, each bound to a host of a latency matrix.
#[derive(Args, Debug)]
pub struct LabArgs {
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    measuring: Measuring,
    /// Files to place and to fetch again from other nodes
    #[arg(long, value_name = "FILE", num_args = 1..)]
    place: Vec<PathBuf>,
    /// Print the path of one lookup of this key (64 hex digits, or a text that is hashed)
    #[arg(long, value_name = "KEY")]
    route: Option<String>,
    /// Write an SVG report
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Keep the nodes running with their APIs up, until SIGINT or SIGTERM
    #[arg(long)]
    hold: bool,
    /// Where the nodes' stores live; a temporary directory that is removed at the end if not given
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What the lab is made of.
#[derive(Args, Debug)]
struct Shape {
    /// How many nodes
    #[arg(long, default_value_t = 48)]
    nodes: usize,
    /// Latencies to impose: a .u32le.gz file with its .json beside it, a square CSV of round trips in ms (gzip
    /// or not), or `none`
    #[arg(long, value_name = "FILE|none", default_value = "none")]
    latency: String,
    /// What to do about missing entries of the latency file
    #[arg(long, value_enum, default_value_t = MissingEntries::Fill)]
    missing: MissingEntries,
    /// Draws the hosts, the keys, and what is measured
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leaf-set members on each side
    #[arg(long, value_name = "PER_SIDE", default_value_t = 16)]
    leaf_set: usize,
    /// Contacts in each slot of the prefix table
    #[arg(long, default_value_t = 3)]
    contacts_per_slot: usize,
    /// Links each node keeps, leaf set included
    #[arg(long, default_value_t = 256)]
    link_budget: usize,
    /// Whether nodes tell their neighbours what their links cost, and go through others where that is quicker
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    detours: bool,
}

/// What is measured.
#[derive(Args, Debug)]
struct Measuring {
    /// What to measure
    #[arg(long, value_enum)]
    measure: Option<Measure>,
    /// Random lookups to measure
    #[arg(long, default_value_t = 2_000)]
    lookups: usize,
    /// Lookups before, unmeasured: they teach the nodes what lies ahead; 40 a node if not given
    #[arg(long)]
    warm_up: Option<usize>,
    /// Keys whose root every node is asked for
    #[arg(long, default_value_t = 50)]
    keys: usize,
    /// Seconds to let the overlay settle at most, once all nodes are ready
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    settle: u64,
    /// Seconds to measure idle traffic for
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    idle: u64,
}

/// What `--measure` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Routed round trip over direct round trip
    Stretch,
}

/// All that a run found; `--json` prints it as one object.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(flatten)]
    measured: Option<Measured>,
    seed: u64,
    latency: String,
    leaf_set: usize,
    contacts_per_slot: usize,
    link_budget: usize,
    detours: bool,
    settled_s: f64,
    /// What lies behind the figures, for the plots.
    #[serde(skip)]
    samples: Samples,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<objects::Objects>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<report::Path>,
}

/// Runs the lab.
pub fn run(args: &LabArgs, output: Output) -> Result<(), Exit> {
    let Output { json, quiet } = output;
    check(args).map_err(|line| Exit::new(USAGE, line))?;
    let matrix = read_matrix(args)?;
    let temporary = TemporaryDir::new(args.data_dir.as_deref())?;
    let mut lab = start(args, matrix, temporary.path(), quiet)?;
    let settled_s = settle(&lab, Duration::from_secs(args.measuring.settle), quiet);
    let objects = (!args.place.is_empty()).then(|| objects::exercise(&mut lab, &args.place, quiet)).transpose()?;
    let (measured, samples) =
        measure(args, &mut lab, quiet).map_or((None, Samples::default()), |(it, samples)| (Some(it), samples));
    let route = args.route.as_ref().map(|key| report::trace(&lab, key_of(key))).transpose()?;
    let outcome = Outcome {
        measured,
        seed: args.shape.seed,
        latency: args.shape.latency.clone(),
        leaf_set: args.shape.leaf_set,
        contacts_per_slot: args.shape.contacts_per_slot,
        link_budget: args.shape.link_budget,
        detours: args.shape.detours,
        settled_s,
        samples,
        objects,
        route,
    };
    if json {
        println!("{}", serde_json::to_string(&outcome).map_err(|error| error.to_string())?);
    } else {
        print!("{}", report::text(&outcome));
    }
    if let Some(path) = &args.report {
        report::write(&outcome, path)?;
    }
    let verdict = verdict(&outcome);
    if args.hold {
        hold::until_signalled(&lab, json)?;
    }
    Ok(verdict?)
}

/// Whether the options make a lab at all; the text is for the user.
fn check(args: &LabArgs) -> Result<(), String> {
    let Shape { nodes, leaf_set, contacts_per_slot, link_budget, .. } = args.shape;
    if nodes == 0 || nodes > NODES_MAX {
        return Err(format!("--nodes: {}", LabError::Nodes { asked: nodes }));
    }
    check_tables(leaf_set, link_budget, contacts_per_slot)
}

/// Whether a node can have such tables; the text is for the user.
pub fn check_tables(leaf_set: usize, link_budget: usize, contacts_per_slot: usize) -> Result<(), String> {
    if leaf_set == 0 || leaf_set > 24 {
        return Err(format!("--leaf-set takes 1 to 24 nodes a side, not {leaf_set}"));
    }
    if link_budget < leaf_set * 2 {
        return Err(format!("--link-budget {link_budget} is less than the leaf set needs ({})", leaf_set * 2));
    }
    if contacts_per_slot == 0 || contacts_per_slot > 8 {
        return Err(format!("--contacts-per-slot takes 1 to 8, not {contacts_per_slot}"));
    }
    Ok(())
}

fn read_matrix(args: &LabArgs) -> Result<Option<LatencyMatrix>, String> {
    let named = (args.shape.latency != "none").then_some(&args.shape.latency);
    named.map(|name| latency::read(name, args.shape.missing)).transpose()
}

fn start(args: &LabArgs, matrix: Option<LatencyMatrix>, dir: &Path, quiet: bool) -> Result<Lab, String> {
    let mut tuning = NodeTuning::default();
    tuning.router.leaf_set_per_side = args.shape.leaf_set;
    tuning.router.contacts_per_slot = args.shape.contacts_per_slot;
    tuning.router.link_budget = args.shape.link_budget;
    tuning.router.detours = args.shape.detours;
    let setup = LabSetup {
        nodes: args.shape.nodes,
        matrix,
        seed: args.shape.seed,
        tuning,
        dir: dir.to_owned(),
        threads: Threads { objects: 1, storage: STORAGE_THREADS },
    };
    let bar = steps("starting nodes", args.shape.nodes, quiet);
    let lab = Lab::start(setup, &mut |started| bar.set_position(started as u64)).map_err(|error| error.to_string())?;
    bar.set_message("joining");
    lab.await_ready(READY_PATIENCE, &mut |ready| bar.set_position(ready as u64)).map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    Ok(lab)
}

/// Waits until no node's links or leaf set change any more; says how long that took.
fn settle(lab: &Lab, patience: Duration, quiet: bool) -> f64 {
    let began = Instant::now();
    let bar = steps("settling", 0, quiet);
    let picture = || -> Vec<(Vec<Id>, usize)> {
        let states = lab.nodes().iter().filter_map(arras::runtime::lab::LabNode::status);
        let of = |state: arras::overlay::router::RouterStatus| {
            let links = state.peers.iter().filter(|peer| peer.link_rtt.is_some()).count();
            ([state.leaf_before, state.leaf_after].concat(), links)
        };
        states.map(of).collect()
    };
    let (mut last, mut since) = (picture(), Instant::now());
    while began.elapsed() < patience && since.elapsed() < QUIET_SPAN {
        std::thread::sleep(Duration::from_millis(500));
        bar.tick();
        let now = picture();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    bar.finish_and_clear();
    began.elapsed().as_secs_f64()
}

fn measure(args: &LabArgs, lab: &mut Lab, quiet: bool) -> Option<(Measured, Samples)> {
    args.measuring.measure?;
    let bar = steps("measuring", args.measuring.lookups, quiet);
    let warm_up = args.measuring.warm_up.unwrap_or(args.shape.nodes * WARM_UP_PER_NODE);
    let (mut measured, samples) =
        lab.measure_samples(args.measuring.lookups, warm_up, args.measuring.keys, &mut |what, done, of| {
            bar.set_message(what.to_owned());
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        });
    bar.finish_and_clear();
    if args.measuring.idle > 0 {
        measured.state.idle_bytes_per_node_s = Some(lab.measure_idle(Duration::from_secs(args.measuring.idle)));
    }
    Some((measured, samples))
}

/// What makes the command fail although it ran.
fn verdict(outcome: &Outcome) -> Result<(), String> {
    if let Some(measured) = &outcome.measured {
        if measured.failed > 0 {
            return Err(format!("{} of {} lookups failed", measured.failed, measured.lookups));
        }
        if !measured.roots_agree {
            return Err("not all nodes name the same roots".to_owned());
        }
    }
    match &outcome.objects {
        Some(objects) if objects.wrong > 0 => Err(format!("{} fetches failed or brought other bytes", objects.wrong)),
        _ => Ok(()),
    }
}

/// 64 hex digits are an id; any other text is hashed.
fn key_of(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| Id::hash_of(text.as_bytes()))
}

/// The lab's directory, removed at the end unless the user named it.
struct TemporaryDir {
    path: PathBuf,
    keep: bool,
}

impl TemporaryDir {
    fn new(named: Option<&Path>) -> Result<TemporaryDir, String> {
        let unnamed = || std::env::temp_dir().join(format!("arras-lab-{}", std::process::id()));
        let path = named.map_or_else(unnamed, Path::to_path_buf);
        std::fs::create_dir_all(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => format!("{} is a file, not a directory (--data-dir)", path.display()),
            _ => format!("{}: {error}", path.display()),
        })?;
        Ok(TemporaryDir { path, keep: named.is_some() })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}

/// How long nodes may take to join: 64 nodes at 675 ms round trip take some ten seconds here.
const READY_PATIENCE: Duration = Duration::from_secs(120);
/// An overlay that has not changed for so long has settled.
const QUIET_SPAN: Duration = Duration::from_secs(4);
/// Storage threads that serve all nodes: each node has a database of its own, and one thread would wait for
/// one disk flush after the other (with 4, puts by 64 at once went from 750 to 5,300 writes a second).
const STORAGE_THREADS: usize = 4;
/// Unmeasured lookups a node, if not given.
const WARM_UP_PER_NODE: usize = 40;
