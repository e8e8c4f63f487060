//! Does load spread itself, and do answers come to where they are wanted?
//!
//! Owns: the simulated overlay with and without representatives; objects asked for by Zipf's law from a cold start, a
//! sudden reversal of what is popular, one object that everybody wants at once, and a new version of a hot record.
//! Never does: measure without the other way beside it: both run on the same nodes, objects and asks.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "hot/schemes.rs"]
mod schemes;
#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::base::{Chance, Id, Span};
use arras::identity::SecretKey;
use arras::overlay::directory::Leases;
use arras::sim::demand::{Popularity, Window};
use arras::sim::underlay::Measured;
use arras::sim::{Plan, Stage};
use arras::survey::number::decimals;
use arras::survey::plot::{Axis, Cdf, Line, Lines, Scale, Series};
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use arras::wire::object::{Record, Value};
use clap::Parser;
use schemes::Scheme;
use serde_json::{Value as Json, json};
use std::process::ExitCode;
use std::time::Instant;
use support::bars::BarList;
use support::{Fault, cost, lab, output, say};

/// Hot objects in the simulator, with and without representatives.
#[derive(Parser, Clone)]
struct Args {
    /// Nodes on PlanetLab hosts. Beehive (NSDI 2004, section 4) had 1,024.
    #[arg(long, default_value_t = 1_024)]
    nodes: usize,
    /// Small objects. Beehive had 40,960.
    #[arg(long, default_value_t = 40_960)]
    objects: usize,
    /// The exponent of Zipf's law; Beehive's trace had 0.91.
    #[arg(long, default_value_t = 0.91)]
    alpha: f64,
    /// Gets a second, of all nodes together; Beehive's trace had 7, and a thousand times as many is asked of us.
    #[arg(long, default_value_t = 7_000.0)]
    rate: f64,
    /// Windows from the cold start, and as many after the reversal as half of them.
    #[arg(long, default_value_t = 10)]
    windows: usize,
    /// Seconds of each.
    #[arg(long, default_value_t = 60)]
    window_s: u64,
    /// Leaf-set members a side.
    #[arg(long, default_value_t = 8)]
    leaf_set: usize,
    /// Links of a node.
    #[arg(long, default_value_t = 64)]
    links: usize,
    /// Only one of both: "on" or "off".
    #[arg(long)]
    only: Option<String>,
    /// Whether other schemes are carried over the same network beside it.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    schemes: bool,
    /// Draws everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Few nodes, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one overlay went through.
struct Told {
    name: &'static str,
    /// From the cold start.
    zipf: Vec<Window>,
    reversed: Vec<Window>,
    /// One object takes 30 % of all, in windows of ten seconds.
    crowd: Vec<Window>,
    /// Every node asks for one object in the same second, again and again.
    all_at_once: Vec<Window>,
    record: Option<Fresh>,
}

/// How soon a new version of a hot record is everywhere.
struct Fresh {
    representatives: usize,
    asked: usize,
    /// Of the gets asked a second after the put was acknowledged or later, the share with the new version.
    new_after_1_s: f64,
    /// When the last get with the old version was asked, in seconds after that.
    last_old_s: f64,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.nodes, args.objects, args.rate) = (60, 200, 200.0);
        (args.windows, args.window_s, args.leaf_set, args.links) = (2, 10, 4, 24);
    }
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("hot: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let both = [("off", Leases::off()), ("on", Leases::default())];
    let chosen = both.into_iter().filter(|(name, _)| args.only.as_ref().is_none_or(|only| only == name));
    let mut told = Vec::new();
    for (name, leases) in chosen {
        told.push(run(args, name, leases)?);
    }
    let mut table = Table::new("hot objects", HEADINGS);
    told.iter().for_each(|told| rows(&mut table, told));
    println!("{table}");
    let steady = told.iter().find(|told| told.name == "on").and_then(|told| told.zipf.last());
    let schemes = match args.schemes {
        true => schemes::Ground::new(args)?.compare(args, steady.map(|window| window.hops)),
        false => Vec::new(),
    };
    println!("{}", schemes::table(&schemes));
    let bars = bars(args, &told, &schemes);
    println!("{}", bars.table());
    let mut report = Report::new("Hot objects", [setting(args)]);
    report.full(bars.cards("against the bars"));
    report.half(curve("Hops a get", "hops", &told, |window| window.hops));
    report.half(curve("Busiest node", "its requests over the mean", &told, busiest));
    report.full(loads(&told));
    report.full(table);
    report.full(schemes::table(&schemes));
    let json = json!({
        "environment": cost::environment(),
        "setting": setting(args),
        "runs": told.iter().map(told_json).collect::<Vec<_>>(),
        "schemes": schemes::json(&schemes),
        "bars": bars.json(),
    });
    output::write("hot", &json, &report)
}

fn setting(args: &Args) -> String {
    format!(
        "{} nodes on PlanetLab hosts, {} leaf-set members a side, {} links, {} objects of 64 bytes on four nodes each, Zipf {}, \
         {} gets a second; windows of {} s; seed {}",
        args.nodes, args.leaf_set, args.links, args.objects, args.alpha, args.rate, args.window_s, args.seed
    )
}

/// Builds one overlay and lets it through everything.
fn run(args: &Args, name: &'static str, leases: Leases) -> Result<Told, Fault> {
    let begun = Instant::now();
    let mut chance = Chance::from_seed(args.seed);
    let matrix = lab::matrix("planetlab490_median")?;
    let underlay = Measured::new(matrix, args.nodes, Span::from_millis(1), &mut chance.fork());
    let mut plan = Plan { underlay: Box::new(underlay), through_codec: false, ..Plan::from_seed(args.seed) };
    (plan.router.leaf_set_per_side, plan.router.link_budget) = (args.leaf_set, args.links);
    plan.directory.leases = leases;
    let mut stage = Stage::with(plan);
    stage.join_in_crowds(args.nodes, &mut |_| {});
    stage.settle(Span::from_secs(120));
    let nodes = stage.ready();
    say(&format!("{name}: {} of {} nodes ready after {:.0} s", nodes.len(), args.nodes, begun.elapsed().as_secs_f64()));
    let values: Vec<Value> = (0..args.objects as u64).map(|number| lab::value(args.seed, number, 64)).collect();
    let lost = stage.store_all(&values, &mut chance.fork(), PUTS_PER_S, &mut |_| {}).failures;
    say(&format!("{name}: objects put, {} failed, {:.0} s", lost.len(), begun.elapsed().as_secs_f64()));
    let mut ids: Vec<Id> = values.iter().map(Value::id).collect();
    let popularity = Popularity::zipf(args.objects, args.alpha);
    let mut asks = Asks { nodes, chance, popularity };
    let count = |seconds: u64| (seconds as f64 * args.rate) as usize;
    let windows = |stage: &mut Stage, asks: &mut Asks, ids: &[Id], number: usize, what: &str| {
        let window = |_| {
            let window = stage.get_at_pace(args.rate, &asks.zipf(ids, count(args.window_s)), &mut |_| {});
            say(&format!("{name}: {what}: {:.3} hops, {:.0} s", window.hops, begun.elapsed().as_secs_f64()));
            window
        };
        (0..number).map(window).collect::<Vec<_>>()
    };
    let zipf = windows(&mut stage, &mut asks, &ids, args.windows, "from the cold start");
    ids.reverse();
    let reversed = windows(&mut stage, &mut asks, &ids, args.windows.div_ceil(2), "reversed");
    let loved = ids[ids.len() / 2];
    let crowd = (0..CROWD_WINDOWS)
        .map(|_| stage.get_at_pace(args.rate, &asks.crowd(&ids, loved, count(CROWD_S)), &mut |_| {}))
        .collect();
    let wanted = ids[ids.len() / 3];
    let once: Vec<(usize, Id)> = asks.nodes.iter().map(|node| (*node, wanted)).collect();
    let all_at_once = (0..CROWD_WINDOWS).map(|_| stage.get_at_pace(once.len() as f64, &once, &mut |_| {})).collect();
    let record = fresh(&mut stage, &mut asks)?;
    say(&format!("{name}: done after {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(Told { name, zipf, reversed, crowd, all_at_once, record })
}

/// Who asks for what.
struct Asks {
    nodes: Vec<usize>,
    chance: Chance,
    popularity: Popularity,
}

impl Asks {
    fn zipf(&mut self, ids: &[Id], count: usize) -> Vec<(usize, Id)> {
        let ask = |_| (self.nodes[self.chance.index(self.nodes.len())], ids[self.popularity.draw(&mut self.chance)]);
        (0..count).map(ask).collect()
    }

    /// The same, but for one object that three in ten want.
    fn crowd(&mut self, ids: &[Id], loved: Id, count: usize) -> Vec<(usize, Id)> {
        let mut asks = self.zipf(ids, count);
        asks.iter_mut().for_each(|ask| ask.1 = if self.chance.happens(CROWD_SHARE) { loved } else { ask.1 });
        asks
    }
}

/// Everybody reads one record; then it changes.
fn fresh(stage: &mut Stage, asks: &mut Asks) -> Result<Option<Fresh>, Fault> {
    let owner = SecretKey::from_seed([7; 32]);
    let record = |version: u64| Value::Record(Record::sign(&owner, b"hot", version, vec![version as u8; 64]));
    let writer = asks.nodes[0];
    let put = |stage: &mut Stage, version: u64| stage.put_value(writer, record(version), None);
    put(stage, 1)?;
    let object = record(1).id();
    let rate = asks.nodes.len() as f64 * RECORD_RATE;
    let all: Vec<(usize, Id)> =
        (0..(rate * RECORD_S) as usize).map(|_| (asks.nodes[asks.chance.index(asks.nodes.len())], object)).collect();
    let before = stage.get_at_pace(rate, &all, &mut |_| {});
    put(stage, 2)?;
    let after = stage.get_at_pace(rate, &all, &mut |_| {});
    let late: Vec<u64> =
        after.versions.iter().filter(|(asked, _)| *asked >= Span::from_secs(1)).map(|(_, version)| *version).collect();
    let new = late.iter().filter(|version| **version == 2).count();
    let last_old = after.versions.iter().filter(|(_, version)| *version < 2).map(|(asked, _)| asked.as_secs_f64());
    Ok(Some(Fresh {
        representatives: before.stands,
        asked: after.asked,
        new_after_1_s: new as f64 / late.len().max(1) as f64,
        last_old_s: last_old.fold(0.0, f64::max),
    }))
}

fn busiest(window: &Window) -> f64 {
    window.load().map_or(f64::NAN, |load| load.max / load.mean)
}

fn rows(table: &mut Table, told: &Told) {
    let phases = [
        ("Zipf", &told.zipf),
        ("reversed", &told.reversed),
        ("crowd", &told.crowd),
        ("all at once", &told.all_at_once),
    ];
    for (phase, windows) in phases {
        for (index, window) in windows.iter().enumerate() {
            let load = window.load();
            let over = |of: fn(&arras::survey::distribution::Summary) -> f64| {
                load.map_or_else(|| Cell::from("-"), |load| Cell::from(decimals(of(&load) / load.mean, 2)))
            };
            table.row([
                Cell::from(format!("{}, {phase} {}", told.name, index + 1)),
                Cell::from(decimals(window.hops, 3)),
                Cell::from(window.took_ms.map_or("-".to_owned(), |took| decimals(took.mean, 1))),
                over(|load| load.max),
                over(|load| load.p99),
                Cell::from(window.stands.to_string()),
                Cell::from(decimals(window.lease_messages as f64 / window.asked.max(1) as f64, 3)),
                Cell::from(format!("{} of {}", window.failures.values().sum::<usize>(), window.asked)),
            ]);
        }
    }
}

fn bars(args: &Args, told: &[Told], schemes: &[Scheme]) -> BarList {
    let mut bars = BarList::default();
    let Some(on) = told.iter().find(|told| told.name == "on") else { return bars };
    let steady = on.zipf.last();
    bars.at_most("hops a get", steady.map(|window| window.hops), 0.9, "");
    let half = on.reversed.get(1).or(on.reversed.last()).zip(steady);
    bars.at_most("reversal: hops over that", half.map(|(now, then)| now.hops / then.hops), 1.1, "");
    let copies = steady.map(|window| window.stands as f64 / args.nodes as f64);
    bars.shown("copies a node, leased", copies, "");
    let beehive = schemes.last();
    bars.at_most("copies over Beehive's", copies.zip(beehive).map(|(copies, other)| copies / other.copies), 0.7, "");
    bars.at_most("busiest / mean", steady.map(busiest), 2.0, "");
    let p99 = steady.and_then(Window::load).map(|load| load.p99 / load.mean);
    bars.at_most("p99 / mean", p99, 1.5, "");
    bars.at_most("crowd: busiest / mean", on.crowd.get(3).map(busiest), 3.0, "");
    bars.at_most("at once: busiest / mean", on.all_at_once.get(3).map(busiest), 3.0, "");
    let failed = [&on.zipf, &on.reversed, &on.crowd, &on.all_at_once].into_iter().flatten();
    bars.at_most(
        "gets lost",
        Some(failed.map(|window| window.failures.values().sum::<usize>()).sum::<usize>() as f64),
        0.0,
        "",
    );
    let record = on.record.as_ref();
    bars.at_least("record: new after 1 s", record.map(|fresh| fresh.new_after_1_s), 0.99, "");
    bars.at_most("record: old until", record.map(|fresh| fresh.last_old_s), 30.0, "s");
    bars
}

/// How the load lies on the nodes, before and after: in the last window of steady popularity.
fn loads(told: &[Told]) -> Cdf {
    let series = |told: &Told| {
        let window = told.zipf.last()?;
        let mean = window.load()?.mean;
        let name = format!("representatives {}", told.name);
        Some(Series::new(name, window.loads.iter().map(|load| load / mean)))
    };
    Cdf {
        title: "Load of a node".to_owned(),
        note: "requests handled in the last window before the reversal, own ones and those of others".to_owned(),
        x_label: "requests over the mean".to_owned(),
        scale: Scale::Linear,
        series: told.iter().filter_map(series).collect(),
        marks: Vec::new(),
    }
}

fn curve(title: &str, what: &str, told: &[Told], of: impl Fn(&Window) -> f64) -> Lines {
    let lines: Vec<Line> = told
        .iter()
        .map(|told| {
            let windows = told.zipf.iter().chain(&told.reversed).enumerate();
            let points = windows.map(|(index, window)| (index as f64 + 1.0, of(window))).collect();
            Line { name: format!("representatives {}", told.name), points }
        })
        .collect();
    let most = lines.iter().map(|line| line.points.len()).max().unwrap_or(1);
    let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)).chain([0.0]).collect::<Vec<_>>();
    Lines {
        title: title.to_owned(),
        note: "window by window; the reversal comes after two thirds of them".to_owned(),
        x: Axis::counting("window", 1.0, most as f64),
        y: Axis::covering(what, Scale::Linear, values),
        lines,
        marks: Vec::new(),
    }
}

fn told_json(told: &Told) -> Json {
    let all = |windows: &[Window]| windows.iter().map(window_json).collect::<Vec<_>>();
    let record = told.record.as_ref().map(|fresh| {
        json!({
            "things_answered_for_others": fresh.representatives,
            "asked": fresh.asked,
            "new_after_1_s": fresh.new_after_1_s,
            "last_old_s": fresh.last_old_s,
        })
    });
    json!({
        "representatives": told.name,
        "zipf": all(&told.zipf),
        "reversed": all(&told.reversed),
        "crowd": all(&told.crowd),
        "all_at_once": all(&told.all_at_once),
        "record": record,
    })
}

fn window_json(window: &Window) -> Json {
    json!({
        "asked": window.asked,
        "failures": window.failures,
        "hops": window.hops,
        "took_ms": window.took_ms,
        "load": window.load(),
        "stands": window.stands,
        "lease_messages": window.lease_messages,
    })
}

const HEADINGS: [&str; 8] =
    ["", "hops", "ms", "busiest / mean", "p99 / mean", "answered for others", "lease messages a get", "failed"];
/// Puts a second, of all nodes together: how long it takes is not what is measured.
const PUTS_PER_S: f64 = 1_000.0;
/// The crowd: windows, seconds of each, and its share of all gets.
const CROWD_WINDOWS: usize = 5;
const CROWD_S: u64 = 10;
const CROWD_SHARE: f64 = 0.3;
/// Reads of the hot record: by each node a second, and for how long.
const RECORD_RATE: f64 = 2.0;
const RECORD_S: f64 = 40.0;
