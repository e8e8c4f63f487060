//! How much of an overlay does a crawl see, at what cost, and how much changes meanwhile?
//!
//! Owns: simulated overlays, crawled twice back to back, at rest and under churn: of full nodes that joined by
//! the protocol, or (`--direct`) large ones that answer from the truth; recall against the truth, messages a
//! node, and the distortion of the picture.
//! Never does: mix the two: each line says which it is.

#[path = "crawl/direct.rs"]
mod direct;

use arras::base::{Chance, Id, Span};
use arras::crawler::{Census, Change, Summary, Tuning};
use arras::overlay::router;
use arras::sim::crawl::{Expedition, Manners};
use arras::sim::underlay::Plane;
use arras::sim::{Plan, Stage};
use clap::Parser;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Crawls of simulated overlays.
#[derive(Parser)]
struct Args {
    /// Nodes.
    #[arg(long, default_value_t = 1_000)]
    nodes: usize,
    /// A seed; give several for more runs.
    #[arg(long = "seed", default_values_t = [1])]
    seeds: Vec<u64>,
    /// Nodes visited at once.
    #[arg(long, default_value_t = 64)]
    workers: usize,
    /// How much faster than in IPFS 2022 (mean session 5.4 h) nodes come and go; 0 for a world at rest. May be
    /// given more than once.
    #[arg(long = "churn", default_values_t = [0.0, 1.0, 20.0])]
    churn: Vec<f64>,
    /// Nodes that answer from the truth about the ring instead of full nodes: 100,000 fit.
    #[arg(long)]
    direct: bool,
    /// Share of messages lost each way, with --direct.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Few nodes, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let mut args = Args::parse();
    if args.quick {
        args.nodes = args.nodes.min(120);
    }
    println!("nodes  churn  seed  crawl s  recall %  messages/node (max)  distortion % nodes, edges  stale %");
    for seed in &args.seeds {
        if args.direct {
            args.churn.iter().for_each(|churn| show(&args, *seed, &directly(&args, *seed, *churn)));
            continue;
        }
        let mut stage = grown(args.nodes, *seed);
        for churn in &args.churn {
            let line = measured(&mut stage, &args, *churn);
            show(&args, *seed, &line);
        }
    }
}

fn show(args: &Args, seed: u64, line: &Value) {
    println!("{}", text(args, seed, line));
    println!("{line}");
}

/// Two crawls of a large overlay that answers from the truth.
#[expect(clippy::disallowed_methods, reason = "the machine's speed is measured in real time")]
fn directly(args: &Args, seed: u64, churn: f64) -> Value {
    let mut overlay = direct::Direct::of(args.nodes, churn, args.loss, seed);
    let before: BTreeSet<Id> = overlay.alive(overlay.now).into_iter().collect();
    let clock = std::time::Instant::now();
    let first = overlay.crawl(args.workers);
    let real_s = clock.elapsed().as_secs_f64();
    let after: BTreeSet<Id> = overlay.alive(overlay.now).into_iter().collect();
    let second = overlay.crawl(args.workers);
    let found: BTreeSet<Id> = first.visited().map(|(_, node, _)| node.id()).collect();
    let mut line = compared(args, churn, (&before, &found, &after), (&first, &second));
    line["direct"] = json!(true);
    line["loss"] = json!(args.loss);
    line["came_and_went"] = json!(after.symmetric_difference(&before).count());
    line["real_s"] = json!(real_s);
    line
}

/// An overlay whose nodes joined by the protocol, a tenth of its size at a time.
fn grown(nodes: usize, seed: u64) -> Stage {
    let router = router::Tuning { link_budget: LINK_BUDGET, ..router::Tuning::default() };
    let underlay = Box::new(Plane::new(seed, Span::from_millis(60)));
    let mut stage = Stage::with(Plan { underlay, router, through_codec: false, ..Plan::from_seed(seed) });
    stage.join(1);
    while stage.up().len() < nodes {
        let up = stage.up().len();
        stage.join_crowd((up / 10).clamp(1, nodes - up));
        stage.wait_until(Span::from_secs(30), |world| {
            world.nodes().iter().filter(|node| node.is_up()).all(|node| node.is_ready())
        });
    }
    stage.pass(Span::from_secs(60));
    stage
}

/// Two crawls, one right after the other.
fn measured(stage: &mut Stage, args: &Args, churn: f64) -> Value {
    let mut weather = Churn::of(stage, args.nodes, churn);
    let ids = |stage: &Stage| -> BTreeSet<Id> { stage.ready().into_iter().map(|node| stage.id(node)).collect() };
    let before = ids(stage);
    let first = crawl(stage, args.workers, &mut weather);
    let after = ids(stage);
    let second = crawl(stage, args.workers, &mut weather);
    let found: BTreeSet<Id> = first.visited().map(|(_, node, _)| node.id()).collect();
    let mut line = compared(args, churn, (&before, &found, &after), (&first, &second));
    line["came_and_went"] = json!(weather.events);
    line["link_budget"] = json!(LINK_BUDGET);
    line
}

/// What the first crawl found, against who lived before and after it, and against the second.
fn compared(
    args: &Args,
    churn: f64,
    (before, found, after): (&BTreeSet<Id>, &BTreeSet<Id>, &BTreeSet<Id>),
    (first, second): (&Census, &Census),
) -> Value {
    // Those that lived all the while could have been seen.
    let due: BTreeSet<Id> = before.intersection(after).copied().collect();
    let missed = due.difference(found).count();
    let stale = found.difference(after).count();
    let change = Change::between(first, second);
    let summary = Summary::of(first);
    let both = first.visited().count() + second.visited().count();
    let edges = summary.nodes.edges + Summary::of(second).nodes.edges;
    json!({
        "nodes": args.nodes,
        "workers": args.workers,
        "churn": churn,
        "recall": 1.0 - missed as f64 / due.len() as f64,
        "stale": stale as f64 / found.len() as f64,
        "distortion_truth": found.symmetric_difference(after).count() as f64 / (found.len() + after.len()) as f64,
        "distortion_nodes": (change.came.len() + change.went.len()) as f64 / both as f64,
        "distortion_edges": (change.edges_came + change.edges_went) as f64 / edges as f64,
        "crawl": summary,
    })
}

fn crawl(stage: &mut Stage, workers: usize, churn: &mut Churn) -> Census {
    let seed = stage.any_ready(None).expect("somebody is ready");
    let tuning = Tuning { workers, ..Tuning::default() };
    let mut expedition = Expedition::begin(&mut stage.world, &[seed], tuning, Manners::default());
    loop {
        let until = churn.next.unwrap_or(stage.now() + Span::from_mins(60));
        if expedition.run_until(&mut stage.world, until) {
            return expedition.census(&stage.world);
        }
        churn.happen(stage);
    }
}

/// Nodes come and go: as many one as the other, each pair at a moment drawn without memory.
struct Churn {
    next: Option<arras::base::Instant>,
    mean: Span,
    chance: Chance,
    events: usize,
}

impl Churn {
    fn of(stage: &mut Stage, nodes: usize, times: f64) -> Churn {
        let mean = if times > 0.0 { SESSION.scaled(1.0 / (times * nodes as f64)) } else { Span::ZERO };
        let chance = stage.chance().fork();
        let mut churn = Churn { next: None, mean, chance, events: 0 };
        churn.next = (times > 0.0).then(|| stage.now() + churn.wait());
        churn
    }

    fn wait(&mut self) -> Span {
        self.mean.scaled(-(1.0 - self.chance.unit()).ln())
    }

    /// One node goes, half of them without a word, and one comes.
    fn happen(&mut self, stage: &mut Stage) {
        if self.next.is_none_or(|at| at > stage.now()) {
            return;
        }
        self.events += 1;
        if let Some(node) = stage.any_ready(None) {
            if self.chance.happens(0.5) { stage.kill(node) } else { stage.world.leave(node) }
        }
        stage.enter();
        let wait = self.wait();
        self.next = Some(stage.now() + wait);
    }
}

fn text(args: &Args, seed: u64, line: &Value) -> String {
    let percent = |name: &str| line[name].as_f64().unwrap_or(f64::NAN) * 100.0;
    let per_node = &line["crawl"]["messages"]["per_node"];
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    format!(
        "{:>5}  {:>5}  {seed:>4}  {:>7.2}  {:>8.3}  {:>13.2} ({:>3})  {:>17.3}, {:>5.3}  {:>7.3}",
        args.nodes,
        number(&line["churn"]),
        number(&line["crawl"]["duration_s"]),
        percent("recall"),
        number(&per_node["mean"]),
        number(&per_node["max"]),
        percent("distortion_nodes"),
        percent("distortion_edges"),
        percent("stale"),
    )
}

/// Links a node keeps: fewer than the default, so that a thousand nodes do not all know each other.
const LINK_BUDGET: usize = 96;
/// Mean session in IPFS, 2022: 5.4 h (Trautwein et al., SIGCOMM 2022; drawn without memory here).
const SESSION: Span = Span::from_micros(19_440_000_000);
