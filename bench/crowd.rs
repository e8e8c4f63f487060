//! What do live nodes make of a crowd that wants one object?
//!
//! Owns: a lab under PlanetLab latencies whose nodes all get the same object through their HTTP APIs, in a closed loop, with
//! and without representatives; throughput, and the root's share of the requests.
//! Never does: let a node ask that keeps a copy itself.

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::machine::Reading;
use arras::overlay::directory::Leases;
use arras::overlay::{Command, Reply};
use arras::runtime::host::LocalNode;
use arras::survey::plot::{Bars, Better, Group, Scale};
use arras::survey::{Report, Table};
use arras::wire::object::Value;
use clap::Parser;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use support::bars::BarList;
use support::cost::sig;
use support::http::{Answer, Ask, Clients};
use support::lab::{LIFETIME, Plan, matrix, tuning, value};
use support::phase::{Phase, Spec, run};
use support::{Fault, cost, output, say};

/// One object that all nodes of a lab want.
#[derive(Parser, Clone)]
struct Args {
    /// Nodes in the lab.
    #[arg(long, default_value_t = 48)]
    nodes: usize,
    /// Gets outstanding at each node.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Seconds of a round; there are three, and the middle one counts.
    #[arg(long, default_value_t = 5.0)]
    secs: f64,
    /// Bytes of the object.
    #[arg(long, default_value_t = 1_024)]
    value: usize,
    /// Draws everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Few nodes and short rounds, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one lab came to.
struct Told {
    name: &'static str,
    phase: Phase,
    /// Requests for the object that reached the root's directory, over all gets.
    root_share: f64,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.nodes, args.secs) = (12, 0.5);
    }
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("crowd: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let off = hammer(args, "off", Leases::off())?;
    let on = hammer(args, "on", Leases::default())?;
    let mut bars = BarList::default();
    bars.at_least("throughput, representatives on over off", Some(on.phase.rate() / off.phase.rate()), 20.0, "");
    let limit = 2.0 / args.nodes as f64 * 3.0;
    bars.at_most("the root's share of the requests", Some(on.root_share), limit, "");
    bars.at_most("gets that failed", Some((on.phase.errors + off.phase.errors) as f64), 0.0, "");
    let mut table =
        Table::new("one object, all nodes", ["representatives", "gets/s", "p50 ms", "p99 ms", "root's share"]);
    for told in [&off, &on] {
        let phase = &told.phase;
        let figures = [phase.rate(), phase.p50_us() / 1e3, phase.p99_us() / 1e3, told.root_share];
        table.row(std::iter::once(told.name.to_owned()).chain(figures.map(|figure| sig(figure).to_string())));
    }
    println!("{table}\n{}", bars.table());
    let setting = format!(
        "{} live nodes under PlanetLab latencies on one machine, {} gets outstanding at each through its HTTP API, {} bytes; seed {}",
        args.nodes, args.at_once, args.value, args.seed
    );
    let mut report = Report::new("A crowd on one object", [setting.clone()]);
    report.full(bars.cards("against the bars"));
    report.full(Bars {
        title: "Gets a second".to_owned(),
        note: "median of three rounds".to_owned(),
        x_label: "gets a second".to_owned(),
        scale: Scale::Log,
        better: Better::Higher,
        series: vec!["without representatives".to_owned(), "with".to_owned()],
        groups: vec![Group {
            name: "all nodes".to_owned(),
            values: vec![Some(off.phase.rate()), Some(on.phase.rate())],
        }],
    });
    let told = |told: &Told| json!({ "representatives": told.name, "phase": told.phase.json(), "root_share": told.root_share });
    let json = json!({
        "environment": cost::environment(),
        "setting": setting,
        "runs": [told(&off), told(&on)],
        "bars": bars.json(),
    });
    output::write("crowd", &json, &report)
}

/// Starts a lab, puts one object, and lets all nodes but those that keep it get it again and again.
fn hammer(args: &Args, name: &'static str, leases: Leases) -> Result<Told, Fault> {
    let mut tuning = tuning(4, 24);
    tuning.directory.leases = leases;
    let plan = Plan { nodes: args.nodes, matrix: Some(matrix("planetlab490_median")?), seed: args.seed, tuning };
    let lab = plan.start()?;
    std::thread::sleep(COMES_TO_REST);
    let nodes = lab.lab.local_nodes();
    let content = value(args.seed, 1, args.value);
    let object = content.id();
    let put = Command::Put { value: content.clone(), lifetime: LIFETIME, replicas: 0, expected: None };
    let stored = lab.lab.nodes()[0].ask(put);
    if !matches!(stored, Ok(Reply::Stored { .. })) {
        return Err(format!("not stored: {stored:?}").into());
    }
    // The nearest to the object keep it: they would ask themselves.
    let mut askers = nodes.clone();
    askers.sort_by_key(|node| node.id().distance(&object));
    let root = askers[0].clone();
    askers.drain(..KEEPERS.min(askers.len() - 1));
    let clients =
        askers.iter().map(|node| Clients::start(node.clone(), args.at_once)).collect::<Result<Vec<_>, _>>()?;
    let before = asked_of(&root);
    let path = format!("/v1/blobs/{object}");
    let expected = content_of(&content);
    let spec = Spec {
        name: format!("crowd_{name}"),
        at_once: args.at_once * clients.len(),
        rounds: ROUNDS,
        ops_max: usize::MAX,
        secs: args.secs,
    };
    let mut gets = 0usize;
    let phase = run(
        &spec,
        &mut |number, told| clients[number % clients.len()].ask(Ask::Get(path.clone()), told),
        &mut |_, answer: Answer| {
            gets += 1;
            if answer? == expected { Ok(()) } else { Err("wrong bytes".to_owned()) }
        },
    );
    let root_share = (asked_of(&root) - before) / gets.max(1) as f64;
    say(&format!("{name}: {:.0} gets/s, the root had {:.2} % of the requests", phase.rate(), root_share * 100.0));
    Ok(Told { name, phase, root_share })
}

/// Gets and fetches that the directory of a node was asked for.
fn asked_of(node: &LocalNode) -> f64 {
    let is_asked = |reading: &Reading| {
        let label = reading.label.as_ref().map(|(_, request)| request.as_str());
        reading.name == "directory_served_total" && matches!(label, Some("get" | "fetch"))
    };
    node.readings().iter().filter(|reading| is_asked(reading)).map(|reading| reading.value).sum()
}

fn content_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Blob(bytes) => bytes.0.to_vec(),
        Value::Record(record) => record.bytes.0.to_vec(),
    }
}

/// Links are chosen in the first seconds. A guess.
const COMES_TO_REST: Duration = Duration::from_secs(20);
/// Nodes that keep the object, and one more for good measure: the default of four copies.
const KEEPERS: usize = 5;
/// Rounds of a phase.
const ROUNDS: usize = 3;
