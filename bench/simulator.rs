//! How many events a second and core does the simulator handle, and how much memory does a node take?
//!
//! Owns: nodes that run the whole protocol for a given virtual time with lookups at a given rate, and tables built
//! directly with lookups over them; each in a process of its own.
//! Never does: measure two overlays in one process: memory freed is not memory returned.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::base::{Chance, Span};
use arras::runtime::lab::measure::rss_mib;
use arras::sim::direct::{Built, Recipe, Walker};
use arras::sim::look::questions;
use arras::sim::underlay::Plane;
use arras::sim::{Plan, Stage};
use arras::survey::number::decimals;
use arras::survey::plot::{Bars, Better, Group, Scale};
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::process::{Command as Process, ExitCode, Stdio};
use std::time::Instant;
use support::cost::{cpu_us, sig};
use support::{Fault, cost, output, say};

/// Events a second and core, and memory a node, of the simulator.
#[derive(Parser, Clone)]
struct Args {
    /// Nodes that run the whole protocol; may be given more than once.
    #[arg(long = "nodes", default_values_t = [1_000])]
    nodes: Vec<usize>,
    /// How long they run once they are at rest, in virtual seconds.
    #[arg(long, default_value_t = 60)]
    virtual_s: u64,
    /// Lookups each of them asks per second.
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    /// Nodes whose tables are built directly; may be given more than once.
    #[arg(long = "direct", default_values_t = [100_000])]
    direct: Vec<usize>,
    /// Lookups over those.
    #[arg(long, default_value_t = 10_000)]
    lookups: usize,
    /// Draws everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Few nodes, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Be one part and tell its figures: "protocol" or "direct", with one number of nodes.
    #[arg(long, hide = true)]
    part: Option<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What nodes that run the whole protocol tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ran {
    nodes: usize,
    /// Links of a node, on the mean.
    links: f64,
    /// Until all had joined and tables had come to rest.
    grown_cpu_s: f64,
    grown_events: u64,
    /// Whether they had.
    at_rest: bool,
    virtual_s: f64,
    cpu_s: f64,
    events: u64,
    lookups: usize,
    failed: usize,
    /// Resident memory a node, less what the process had before.
    node_kib: f64,
}

/// What tables built directly tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Filled {
    nodes: usize,
    contacts: f64,
    build_cpu_s: f64,
    /// Resident memory a node after the build, less what the process had before.
    node_kib: f64,
    lookups: usize,
    failed: usize,
    lookups_cpu_s: f64,
    /// The same after the lookups: nodes they came near have told of their links.
    looked_up_node_kib: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.part.as_deref() {
        Some("protocol") => tell(&run(&args)),
        Some(_) => tell(&fill(&args)),
        None => bench(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("simulator: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let (protocol, direct) =
        if args.quick { (vec![100], vec![2_000]) } else { (args.nodes.clone(), args.direct.clone()) };
    let environment = cost::environment();
    let began = Instant::now();
    let (mut ran, mut filled) = (Vec::<Ran>::new(), Vec::<Filled>::new());
    for nodes in protocol {
        ran.push(part(args, "protocol", nodes)?);
        say(&format!("{nodes} nodes ran, {:.0} s after the start", began.elapsed().as_secs_f64()));
    }
    for nodes in direct {
        filled.push(part(args, "direct", nodes)?);
        say(&format!("{nodes} tables filled, {:.0} s after the start", began.elapsed().as_secs_f64()));
    }
    let tables = [ran_table(&ran), filled_table(&filled)];
    tables.iter().for_each(|table| println!("{table}"));
    let json = json!({
        "bench": "arras-simulator",
        "env": environment,
        "loadavg_end": cost::load(),
        "seed": args.seed,
        "rate": args.rate,
        "protocol": ran,
        "events_per_s": ran.iter().map(|ran| sig(ran.events as f64 / ran.cpu_s)).collect::<Vec<_>>(),
        "direct": filled,
    });
    output::write("simulator", &json, &report(&ran, &filled, tables))
}

/// One part in a process of its own.
fn part<T: for<'a> Deserialize<'a>>(args: &Args, part: &str, nodes: usize) -> Result<T, Fault> {
    let count = if part == "protocol" { "--nodes" } else { "--direct" };
    let told = Process::new(std::env::current_exe()?)
        .args(["--part", part, count, &nodes.to_string(), "--virtual-s", &args.virtual_s.to_string()])
        .args(["--rate", &args.rate.to_string(), "--lookups", &args.lookups.to_string()])
        .args(["--seed", &args.seed.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    Ok(serde_json::from_slice(&told.stdout).map_err(|_| format!("a part of the bench failed: {part} of {nodes}"))?)
}

fn tell(figures: &Result<impl Serialize, Fault>) -> Result<(), Fault> {
    let figures = figures.as_ref().map_err(ToString::to_string)?;
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}

/// The child's part: the whole protocol.
fn run(args: &Args) -> Result<Ran, Fault> {
    let nodes = *args.nodes.first().ok_or("how many nodes?")?;
    let empty_mib = rss_mib();
    let underlay = Box::new(Plane::new(args.seed, SIDE));
    let mut stage = Stage::with(Plan { underlay, through_codec: false, shards: 1, ..Plan::from_seed(args.seed) });
    stage.join_in_crowds(nodes, &mut |_| {});
    let settled = stage.settle(SETTLE_MAX);
    let (grown_cpu_s, grown_events) = (cpu_us() / 1e6, stage.world.tally().events);
    let per_second = args.rate * nodes as f64;
    let begun = stage.now();
    let asked =
        questions(&mut Chance::from_seed(args.seed), &stage.ready(), (per_second * args.virtual_s as f64) as usize);
    let looks = stage.look_up(&asked, per_second, false, &mut |_| {});
    let failed = looks.iter().filter(|look| !look.ended_at(stage.root_of(&look.key))).count();
    let links: usize = (0..nodes).map(|node| stage.world.link_count(node)).sum();
    Ok(Ran {
        nodes,
        links: links as f64 / nodes as f64,
        grown_cpu_s,
        grown_events,
        at_rest: settled.at_rest,
        virtual_s: stage.now().since(begun).as_secs_f64(),
        cpu_s: cpu_us() / 1e6 - grown_cpu_s,
        events: stage.world.tally().events - grown_events,
        lookups: looks.len(),
        failed,
        node_kib: (rss_mib() - empty_mib) * 1024.0 / nodes as f64,
    })
}

/// The child's part: tables built directly.
fn fill(args: &Args) -> Result<Filled, Fault> {
    let nodes = *args.direct.first().ok_or("how many nodes?")?;
    let (empty_mib, began) = (rss_mib(), cpu_us());
    let per_node = |mib: f64| (mib - empty_mib) * 1024.0 / nodes as f64;
    let (underlay, mut chance) = (Plane::new(args.seed, SIDE), Chance::from_seed(args.seed));
    let built = Built::new(Recipe::of(nodes), &underlay, &mut chance, &mut |_| {});
    let (build_cpu_s, node_kib) = ((cpu_us() - began) / 1e6, per_node(rss_mib()));
    let sampled = (0..nodes).step_by(nodes.div_ceil(CONTACTS_SAMPLE));
    let contacts: Vec<f64> = sampled.map(|node| built.contacts_of(node).len() as f64).collect();
    let asked = questions(&mut chance, &(0..nodes).collect::<Vec<_>>(), args.lookups);
    let mut walker = Walker::new(&built, &underlay);
    let began = cpu_us();
    let (looks, _) = walker.look_up(&asked, &underlay, &mut |_| {});
    let lookups_cpu_s = (cpu_us() - began) / 1e6;
    Ok(Filled {
        nodes,
        contacts: contacts.iter().sum::<f64>() / contacts.len() as f64,
        build_cpu_s,
        node_kib,
        lookups: looks.len(),
        failed: looks.iter().filter(|look| !look.ended_at(walker.root_of(&look.key))).count(),
        lookups_cpu_s,
        looked_up_node_kib: per_node(rss_mib()),
    })
}

fn ran_table(ran: &[Ran]) -> Table {
    let headings = [
        "nodes",
        "links a node",
        "growing, CPU s",
        "at rest",
        "then virtual s",
        "CPU s",
        "events",
        "events / s and core",
        "lookups",
        "failed",
        "KiB a node",
    ];
    let mut table = Table::new("The whole protocol", headings);
    for one in ran {
        let rest = if one.at_rest { "yes" } else { "NO" };
        table.row([
            Cell::from(one.nodes as f64),
            Cell::from(one.links),
            Cell::from(one.grown_cpu_s),
            Cell::from(rest),
            Cell::from(one.virtual_s),
            Cell::from(one.cpu_s),
            Cell::from(one.events as f64),
            Cell::from(one.events as f64 / one.cpu_s),
            Cell::from(one.lookups as f64),
            Cell::from(one.failed as f64),
            Cell::from(one.node_kib),
        ]);
    }
    table
}

fn filled_table(filled: &[Filled]) -> Table {
    let headings = [
        "nodes",
        "contacts a node",
        "build, CPU s",
        "KiB a node",
        "lookups",
        "failed",
        "lookups / s and core",
        "KiB a node then",
    ];
    let mut table = Table::new("Built directly", headings);
    for one in filled {
        let lookups = one.lookups as f64;
        let figures = [one.nodes as f64, one.contacts, one.build_cpu_s, one.node_kib, lookups, one.failed as f64];
        let then = [lookups / one.lookups_cpu_s, one.looked_up_node_kib];
        table.row(figures.into_iter().chain(then).map(Cell::from));
    }
    table
}

fn report(ran: &[Ran], filled: &[Filled], tables: [Table; 2]) -> Report {
    let lines = [
        "Each overlay in a process of its own, on a plane 60 ms wide; time is processor time of its one thread, memory \
                  what the system says is resident (VmRSS), less what the process had before.",
    ];
    let mut report = Report::new("arras: the simulator's speed and memory", lines);
    let bars = |title: &str, unit: &str, better: Better, groups: Vec<Group>| Bars {
        title: title.to_owned(),
        note: String::new(),
        x_label: unit.to_owned(),
        scale: Scale::Linear,
        better,
        series: vec!["arras".to_owned()],
        groups,
    };
    let group = |name: String, value: f64| Group { name, values: vec![Some(value)] };
    let speed =
        ran.iter().map(|one| group(format!("{} nodes", counted(one.nodes)), one.events as f64 / one.cpu_s)).collect();
    report.full(bars("Events handled, whole protocol", "events a second and core", Better::Higher, speed));
    let whole = ran.iter().map(|one| group(format!("{} nodes, whole protocol", counted(one.nodes)), one.node_kib));
    let direct = filled.iter().map(|one| group(format!("{} nodes, built directly", counted(one.nodes)), one.node_kib));
    report.full(bars("Memory a node", "KiB", Better::Lower, whole.chain(direct).collect()));
    tables.into_iter().for_each(|table| {
        report.full(table);
    });
    report
}

fn counted(nodes: usize) -> String {
    decimals(nodes as f64, 0)
}

/// Across a continent, one way: the stage's plane.
const SIDE: Span = Span::from_millis(60);
/// How long tables may take to come to rest: the default of `arras sim`.
const SETTLE_MAX: Span = Span::from_secs(300);
/// Nodes whose contacts are counted: all of a large overlay take as long as the build.
const CONTACTS_SAMPLE: usize = 10_000;
