//! How much longer is the way through the overlay than the direct one?
//!
//! Owns: live labs under the carried latencies (PlanetLab, AWS), two configurations, several seeds, and
//! the table, JSON and page of what they show.
//! Never does: count a lookup twice: runs are independent by seed, and intervals are over seeds.

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::runtime::lab::measure::{Figures, Measured, Samples};
use arras::survey::number::{decimals, number};
use arras::survey::plot::{Cdf, Histogram, Mark, Scale, Series, StretchByDistance};
use arras::survey::table::Cell;
use arras::survey::{Interval, Pair, Report, Stretch, Table};
use clap::Parser;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use support::bars::BarList;
use support::lab::{Plan, matrix, tuning};
use support::{Fault, cost, output, say};

/// Live stretch under measured latencies.
#[derive(Parser)]
struct Args {
    /// Lookups measured in each run.
    #[arg(long, default_value_t = 5_000)]
    lookups: usize,
    /// A seed; give several for intervals.
    #[arg(long = "seed")]
    seeds: Vec<u64>,
    /// Nodes in each lab.
    #[arg(long, default_value_t = 64)]
    nodes: usize,
    /// One seed and few lookups, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One network and configuration.
struct Setting {
    matrix: &'static str,
    name: &'static str,
    leaf_set_per_side: usize,
    link_budget: usize,
}

/// One setting's runs, one a seed.
struct Runs {
    setting: &'static Setting,
    measured: Vec<Measured>,
    samples: Vec<Samples>,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.seeds.is_empty() {
        args.seeds = vec![1, 2, 3];
    }
    if args.quick {
        args.seeds.truncate(1);
        args.lookups = args.lookups.min(500);
    }
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("stretch: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let environment = cost::environment();
    let mut all = Vec::new();
    for setting in &SETTINGS {
        let mut runs = Runs { setting, measured: Vec::new(), samples: Vec::new() };
        for &seed in &args.seeds {
            say(&format!("{}: seed {seed}", setting.label()));
            let (mut measured, samples) = run(args, setting, seed)?;
            if !(all.is_empty() && runs.measured.is_empty()) {
                // Memory that an earlier lab of this process has freed is not given back.
                measured.state.rss_mib = f64::NAN;
            }
            runs.measured.push(measured);
            runs.samples.push(samples);
        }
        all.push(runs);
    }
    let (table, bars) = (table(&all), bars(&all));
    println!("{table}");
    println!("{}", bars.table());
    output::write("stretch", &json_of(args, environment, &all, &bars), &report(args, &all, &table, &bars))
}

fn run(args: &Args, setting: &Setting, seed: u64) -> Result<(Measured, Samples), Fault> {
    let plan = Plan {
        nodes: args.nodes,
        matrix: Some(matrix(setting.matrix)?),
        seed,
        tuning: tuning(setting.leaf_set_per_side, setting.link_budget),
    };
    let mut bench = plan.start()?;
    // Leaf sets and tables go on improving for a while after readiness.
    std::thread::sleep(if args.quick { Duration::from_secs(2) } else { SETTLE });
    let idle = bench.lab.measure_idle(if args.quick { Duration::from_secs(2) } else { IDLE });
    let warm_up = args.lookups / 2;
    let keys = if args.quick { 10 } else { KEYS };
    let (mut measured, samples) = bench.lab.measure_samples(args.lookups, warm_up, keys, &mut |_, _, _| {});
    measured.state.idle_bytes_per_node_s = Some(idle);
    for (what, times) in &measured.failures {
        say(&format!("{times} lookups failed: {what}"));
    }
    Ok((measured, samples))
}

impl Setting {
    fn label(&self) -> String {
        format!("{} · {}", short(self.matrix), self.name)
    }
}

fn short(matrix: &str) -> &str {
    if matrix.starts_with("planetlab") { "PlanetLab" } else { "AWS" }
}

/// Figure by figure: a name, and its value in one run.
type Row = (&'static str, fn(&Measured) -> Option<f64>);

fn table(all: &[Runs]) -> Table {
    let headings = std::iter::once("mean over seeds (95 % interval)".to_owned());
    let mut table =
        Table::new("Mean over seeds (95 % interval)", headings.chain(all.iter().map(|runs| runs.setting.label())));
    for (name, of) in ROWS {
        let cells = all.iter().map(|runs| Cell::from(cell(runs.measured.iter().filter_map(of))));
        table.row(std::iter::once(Cell::from(name)).chain(cells));
    }
    table
}

fn cell(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    match Interval::of(values.iter().copied()) {
        Some(interval) => format!("{} ±{}", number(interval.mean), number(interval.high - interval.mean)),
        None => values.first().map_or_else(|| "-".to_owned(), |value| number(*value)),
    }
}

fn bars(all: &[Runs]) -> BarList {
    let mut bars = BarList::default();
    let mean = |runs: &Runs, of: fn(&Measured) -> Option<f64>| {
        let values: Vec<f64> = runs.measured.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    for runs in all {
        let label = runs.setting.label();
        let failed = runs.measured.iter().map(|run| run.failed).sum::<usize>() as f64;
        let apart = runs.measured.iter().filter(|run| !run.roots_agree).count() as f64;
        bars.at_most(format!("{label}: lookups failed"), Some(failed), 0.0, "");
        bars.at_most(format!("{label}: roots disagree"), Some(apart), 0.0, "");
        let ratio = mean(runs, |run| run.stretch.as_ref().map(|stretch| stretch.ratio_of_means));
        let median = mean(runs, |run| run.stretch.as_ref().map(|stretch| stretch.p50));
        if runs.setting.matrix.starts_with("planetlab") && runs.setting.link_budget == TIGHT_BUDGET {
            bars.at_most(format!("{label}: ratio of means"), ratio, 1.18, "");
            bars.at_most(format!("{label}: p50"), median, 1.05, "");
        } else {
            bars.shown(format!("{label}: ratio of means"), ratio, "");
            bars.shown(format!("{label}: p50"), median, "");
        }
        let late = runs.measured.iter().filter_map(|run| Some(run.imposed_error_ms?.0)).fold(f64::NAN, f64::max);
        bars.at_most(format!("{label}: imposed delay off, p50"), Some(late), 1.0, "ms");
    }
    bars
}

fn json_of(args: &Args, environment: Value, all: &[Runs], bars: &BarList) -> Value {
    let runs = |runs: &Runs| {
        let seeds: Vec<Value> = (args.seeds.iter().zip(&runs.measured))
            .map(|(seed, measured)| json!({"seed": seed, "measured": measured}))
            .collect();
        let means: serde_json::Map<String, Value> = ROWS
            .iter()
            .map(|(name, of)| {
                let values: Vec<f64> = runs.measured.iter().filter_map(of).collect();
                let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
                let interval = Interval::of(values).map(|interval| [interval.low, interval.high]);
                ((*name).to_owned(), json!({"mean": mean, "interval_95": interval}))
            })
            .collect();
        let pairs: Vec<Pair> = runs.samples.iter().flat_map(|samples| samples.pairs.iter().copied()).collect();
        json!({
            "matrix": runs.setting.matrix,
            "leaf_set_per_side": runs.setting.leaf_set_per_side,
            "link_budget": runs.setting.link_budget,
            "means": means,
            "all_pairs": Stretch::of(&pairs),
            "seeds": seeds,
        })
    };
    json!({
        "bench": "arras-stretch",
        "config": {"nodes": args.nodes, "lookups": args.lookups, "seeds": args.seeds},
        "env": environment,
        "loadavg_end": cost::load(),
        "settings": all.iter().map(runs).collect::<Vec<_>>(),
        "bars": bars.json(),
    })
}

fn report(args: &Args, all: &[Runs], table: &Table, bars: &BarList) -> Report {
    let seeds: Vec<String> = args.seeds.iter().map(u64::to_string).collect();
    let lookups = decimals(args.lookups as f64, 0);
    let lines = [
        format!(
            "{} whole nodes in one process on loopback, every packet held back by half the measured round trip; {lookups} \
             random lookups a run; seeds {}.",
            args.nodes,
            seeds.join(", ")
        ),
        "Stretch: round trip of the routed lookup and its reply over the direct round trip between asker and root. Lookups \
         whose asker is the root are left out."
            .to_owned(),
    ];
    let mut report = Report::new("Stretch of the overlay under measured latencies", lines);
    report.full(bars.cards("Bars"));
    let pooled =
        |runs: &Runs| -> Vec<Pair> { runs.samples.iter().flat_map(|samples| samples.pairs.iter().copied()).collect() };
    for matrix in [SETTINGS[0].matrix, SETTINGS[2].matrix] {
        let of: Vec<&Runs> = all.iter().filter(|runs| runs.setting.matrix == matrix).collect();
        let series = |runs: &&Runs| Series::new(runs.setting.name, pooled(runs).iter().filter_map(Pair::ratio));
        report.half(Cdf {
            title: format!("{}: stretch of each lookup", short(matrix)),
            note: "All seeds together.".to_owned(),
            x_label: "stretch (routed / direct)".to_owned(),
            scale: Scale::Log,
            series: of.iter().map(series).collect(),
            marks: vec![Mark { value: 1.0, name: "direct".to_owned() }],
        });
        let times =
            |runs: &&Runs| Series::new(runs.setting.name, pooled(runs).iter().map(|pair| pair.routed.as_millis_f64()));
        let direct =
            of.first().map(|runs| Series::new("direct", pooled(runs).iter().map(|pair| pair.direct.as_millis_f64())));
        report.half(Cdf {
            title: format!("{}: time of a lookup", short(matrix)),
            note: "From asking to the answer, against the direct round trip of the same pairs.".to_owned(),
            x_label: "milliseconds".to_owned(),
            scale: Scale::Linear,
            series: of.iter().map(times).chain(direct).collect(),
            marks: Vec::new(),
        });
    }
    for runs in all {
        let label = runs.setting.label();
        report.half(StretchByDistance::new(format!("{label}: by distance"), "", &pooled(runs)));
        let hops = runs.samples.iter().flat_map(|samples| samples.hops.iter().copied());
        report.half(Histogram::new(format!("{label}: hops"), "", "hops of a lookup", hops));
    }
    report.full(table.clone());
    report
}

fn figure(of: Option<Figures>, which: fn(&Figures) -> f64) -> Option<f64> {
    of.as_ref().map(which)
}

const ROWS: [Row; 24] = [
    ("failed", |run| Some(run.failed as f64)),
    ("roots agree (share of seeds)", |run| Some(f64::from(u8::from(run.roots_agree)))),
    ("stretch, ratio of means", |run| run.stretch.as_ref().map(|stretch| stretch.ratio_of_means)),
    ("stretch, mean", |run| run.stretch.as_ref().map(|stretch| stretch.mean)),
    ("stretch, p50", |run| run.stretch.as_ref().map(|stretch| stretch.p50)),
    ("stretch, p90", |run| run.stretch.as_ref().map(|stretch| stretch.p90)),
    ("stretch, p99", |run| run.stretch.as_ref().map(|stretch| stretch.p99)),
    ("below 1 (share)", |run| run.stretch.as_ref().map(|stretch| stretch.below_one)),
    ("hops, mean", |run| Some(run.hops.mean)),
    ("hops, max", |run| Some(run.hops.max)),
    ("lookup ms, p50", |run| Some(run.lookup_ms.p50)),
    ("lookup ms, p90", |run| Some(run.lookup_ms.p90)),
    ("lookup ms, p99", |run| Some(run.lookup_ms.p99)),
    ("direct ms, p50", |run| Some(run.direct_ms.p50)),
    ("contacts a node, mean", |run| Some(run.state.contacts_per_node.mean)),
    ("contacts a node, max", |run| Some(run.state.contacts_per_node.max)),
    ("links a node, mean", |run| Some(run.state.links_per_node.mean)),
    ("links a node, max", |run| Some(run.state.links_per_node.max)),
    ("bytes a node and s, idle", |run| figure(run.state.idle_bytes_per_node_s, |figures| figures.mean)),
    ("bytes a node and s, loaded", |run| Some(run.state.bytes_per_node_s.mean)),
    ("lookups per second", |run| Some(run.lookups as f64 / run.took_s.max(1e-9))),
    ("RSS MiB a node (first lab only)", |run| Some(run.state.rss_mib / run.nodes as f64).filter(|mib| mib.is_finite())),
    ("imposed error ms, p50 (worst node)", |run| run.imposed_error_ms.map(|error| error.0)),
    ("imposed error ms, p90 (worst node)", |run| run.imposed_error_ms.map(|error| error.1)),
];

const SETTINGS: [Setting; 4] = [
    Setting { matrix: "planetlab490_median", name: "24 links", leaf_set_per_side: 4, link_budget: TIGHT_BUDGET },
    Setting { matrix: "planetlab490_median", name: "defaults", leaf_set_per_side: 16, link_budget: 256 },
    Setting { matrix: "aws33_p50", name: "24 links", leaf_set_per_side: 4, link_budget: TIGHT_BUDGET },
    Setting { matrix: "aws33_p50", name: "defaults", leaf_set_per_side: 16, link_budget: 256 },
];

/// The link budget at which 64 nodes route over several hops: issue 2, "Bars".
const TIGHT_BUDGET: usize = 24;
/// Keys whose root every node is asked for.
const KEYS: usize = 100;
/// Between readiness and measuring.
const SETTLE: Duration = Duration::from_secs(10);
/// How long doing nothing is measured.
const IDLE: Duration = Duration::from_secs(5);
