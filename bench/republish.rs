//! What does it cost a node that holds very much to keep its claims alive?
//!
//! Owns: a simulated overlay in which one node publishes very many objects and the others locate them: the first
//! publication, two intervals of renewal, and a restart of the holder; messages, bytes, CPU, and the claims that live.
//! Never does: take a node's word for a claim: what counts is what its roots have on disk.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::base::{Chance, Span};
use arras::overlay::directory::ROOTS_PER_OBJECT;
use arras::runtime::lab::measure::rss_mib;
use arras::sim::objects::{Object, draw_asks};
use arras::sim::underlay::Measured;
use arras::sim::{Plan, Sent, Stage, Watched};
use arras::survey::number::decimals;
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use clap::Parser;
use serde_json::{Value as Json, json};
use std::process::ExitCode;
use std::time::Instant;
use support::bars::BarList;
use support::cost::cpu_us;
use support::{Fault, cost, lab, output, say};

/// One node that holds very much, in the simulator.
#[derive(Parser, Clone)]
struct Args {
    /// Nodes on PlanetLab hosts.
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// Objects that one of them publishes, at eight roots each.
    #[arg(long, default_value_t = 125_000)]
    objects: usize,
    /// Objects it publishes a second at first.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Locates a second meanwhile, of all others together.
    #[arg(long, default_value_t = 1.0)]
    locates: f64,
    /// Leaf-set members a side.
    #[arg(long, default_value_t = 8)]
    leaf_set: usize,
    /// Links of a node.
    #[arg(long, default_value_t = 48)]
    links: usize,
    /// Draws everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Few nodes and objects, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What happened in some virtual time.
struct Window {
    name: &'static str,
    secs: f64,
    /// Said by the holder, by kind.
    holder: Vec<(&'static str, u64, u64)>,
    /// Said by the others, by kind, all together.
    others: Vec<(&'static str, u64, u64)>,
    located: usize,
    asked: usize,
    /// Of a locate, in the median.
    took_ms: f64,
    cpu_s: f64,
    alive: usize,
    /// The holder's counters of renewals, what was added.
    renewals: Vec<(String, f64)>,
    rss_mib: f64,
}

/// The overlay and what is asked of it.
struct Scene {
    stage: Stage,
    chance: Chance,
    objects: Vec<Object>,
    nodes: Vec<usize>,
    locates: f64,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.nodes, args.objects) = (24, 500);
    }
    match bench(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("republish: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<bool, Fault> {
    let mut scene = scene(args)?;
    let all = args.objects * usize::from(ROOTS_PER_OBJECT);
    let before = rss_mib();
    let mut windows = vec![scene.window("nothing published", &mut |scene| scene.pass(IDLE))];
    let mut failures = Vec::new();
    windows.push(scene.window("first publication", &mut |scene| {
        let published = scene.stage.publish_all(scene.objects.clone(), args.rate, &mut |_| {});
        failures = published.failures;
        Vec::new()
    }));
    for name in ["first interval", "second interval"] {
        windows.push(scene.window(name, &mut |scene| scene.locate_for(INTERVAL)));
    }
    scene.stage.kill(HOLDER);
    scene.stage.pass(Span::from_secs(60));
    scene.stage.restart(HOLDER);
    windows.push(scene.window("after a restart", &mut |scene| scene.locate_for(RESTART)));
    let table = table(&windows);
    println!("{table}");
    let bars = bars(&windows, all, failures.len());
    println!("{}", bars.table());
    let lines = [setting(args)];
    let mut report = Report::new("Keeping many claims alive", lines);
    report.full(bars.cards("against the bars"));
    report.full(table);
    let json = json!({
        "environment": cost::environment(),
        "setting": setting(args),
        "rss_mib_before": before,
        "windows": windows.iter().map(Window::json).collect::<Vec<_>>(),
        "bars": bars.json(),
    });
    output::write("republish", &json, &report)?;
    Ok(windows.last().is_some_and(|window| window.alive == all))
}

fn setting(args: &Args) -> String {
    format!(
        "{} nodes on PlanetLab hosts, {} leaf-set members a side, {} links, two shards; one publishes {} objects at {} roots each, \
         for two hours; seed {}",
        args.nodes, args.leaf_set, args.links, args.objects, ROOTS_PER_OBJECT, args.seed
    )
}

fn scene(args: &Args) -> Result<Scene, Fault> {
    let begun = Instant::now();
    let mut chance = Chance::from_seed(args.seed);
    let matrix = lab::matrix("planetlab490_median")?;
    let underlay = Measured::new(matrix, args.nodes, Span::from_millis(1), &mut chance.fork());
    let mut plan = Plan { underlay: Box::new(underlay), through_codec: false, ..Plan::from_seed(args.seed) };
    (plan.router.leaf_set_per_side, plan.router.link_budget) = (args.leaf_set, args.links);
    let mut stage = Stage::with(plan);
    stage.join_in_crowds(args.nodes, &mut |_| {});
    stage.settle(Span::from_secs(120));
    let nodes = stage.ready();
    say(&format!("{} of {} nodes ready after {:.0} s", nodes.len(), args.nodes, begun.elapsed().as_secs_f64()));
    let object = |_| Object { bytes: chance.bytes32(), holders: vec![HOLDER] };
    let objects: Vec<Object> = (0..args.objects).map(object).collect();
    Ok(Scene { stage, chance, objects, nodes, locates: args.locates })
}

impl Scene {
    fn pass(&mut self, span: Span) -> Vec<Result<f64, String>> {
        self.stage.pass(span);
        Vec::new()
    }

    /// Lets others locate the objects for so long: how long each took, in milliseconds.
    fn locate_for(&mut self, span: Span) -> Vec<Result<f64, String>> {
        let others: Vec<usize> = self.nodes.iter().copied().filter(|node| *node != HOLDER).collect();
        let count = (span.as_secs_f64() * self.locates) as usize;
        let mut asks = draw_asks(&mut self.chance, &others, &self.objects, count.div_ceil(others.len()));
        asks.truncate(count);
        let until = self.stage.now() + span;
        let finds = self.stage.locate_all(&asks, &self.objects, self.locates, &mut |_| {});
        self.stage.pass(self.stage.now().until(until));
        finds.into_iter().map(|find| find.map(|find| find.located.as_millis_f64())).collect()
    }

    /// Lets something happen, and tells what it cost.
    fn window(
        &mut self,
        name: &'static str,
        happens: &mut dyn FnMut(&mut Scene) -> Vec<Result<f64, String>>,
    ) -> Window {
        let (since, cpu, began) = (self.stage.now(), cpu_us(), Instant::now());
        self.stage.world.watch(HOLDER);
        let renewals = self.renewals();
        let answers = happens(self);
        let asked = answers.len();
        let mut took: Vec<f64> = answers.into_iter().filter_map(Result::ok).collect();
        took.sort_by(f64::total_cmp);
        let was = |step: &str| renewals.iter().find(|(name, _)| name == step).map_or(0.0, |(_, count)| *count);
        let added = self.renewals().into_iter().map(|(step, count)| {
            let more = count - was(&step);
            (step, more)
        });
        let said = |of: fn(&Watched) -> &Sent| {
            self.stage.world.watched().map_or_else(Vec::new, |watched| of(watched).since(&Sent::default()))
        };
        let (holder, others) = (said(|watched| &watched.own), said(|watched| &watched.others));
        say(&format!("{name}: {:.0} s, {:.0} MiB", began.elapsed().as_secs_f64(), rss_mib()));
        Window {
            name,
            secs: self.stage.now().since(since).as_secs_f64(),
            holder,
            others,
            located: took.len(),
            asked,
            took_ms: took.get(took.len() / 2).copied().unwrap_or(f64::NAN),
            cpu_s: (cpu_us() - cpu) / 1e6,
            alive: self.alive(),
            renewals: added.filter(|(_, count)| *count > 0.0).collect(),
            rss_mib: rss_mib(),
        }
    }

    /// The holder's counters; a restart sets them back.
    fn renewals(&self) -> Vec<(String, f64)> {
        let mut sums: Vec<(String, f64)> = Vec::new();
        for reading in self.stage.world.nodes()[HOLDER].readings() {
            let Some((_, step)) = reading.label.filter(|_| reading.name == "directory_renewals_total") else {
                continue;
            };
            match sums.iter_mut().find(|(name, _)| *name == step) {
                Some((_, sum)) => *sum += reading.value,
                None => sums.push((step, reading.value)),
            }
        }
        sums
    }

    /// Claims that are on their roots' disks.
    fn alive(&self) -> usize {
        let (world, now, holder) = (&self.stage.world, self.stage.now(), self.stage.id(HOLDER));
        let roots = self.objects.iter().flat_map(|object| {
            let id = object.id();
            (0..ROOTS_PER_OBJECT).map(move |salt| id.salted(salt))
        });
        let is_there = |root: &arras::base::Id| {
            self.stage.root_of(root).is_some_and(|node| world.nodes()[node].disk.points(root, &holder, now))
        };
        roots.filter(is_there).count()
    }
}

fn total(said: &[(&'static str, u64, u64)]) -> (u64, u64) {
    said.iter().fold((0, 0), |(counts, all), (_, count, bytes)| (counts + count, all + bytes))
}

fn of(said: &[(&'static str, u64, u64)], kind: &str) -> (u64, u64) {
    said.iter().find(|(name, ..)| *name == kind).map_or((0, 0), |(_, count, bytes)| (*count, *bytes))
}

impl Window {
    fn json(&self) -> Json {
        let kinds = |said: &[(&'static str, u64, u64)]| -> Json {
            let kind = |(kind, count, bytes): &(&'static str, u64, u64)| json!({"kind": kind, "messages": count, "bytes": bytes});
            said.iter().filter(|(_, count, _)| *count > 0).map(kind).collect()
        };
        json!({
            "name": self.name,
            "virtual_s": self.secs,
            "holder": kinds(&self.holder),
            "others": kinds(&self.others),
            "located": self.located,
            "asked": self.asked,
            "took_ms": self.took_ms,
            "cpu_s": self.cpu_s,
            "claims_alive": self.alive,
            "renewals": self.renewals,
            "rss_mib": self.rss_mib,
        })
    }
}

fn table(windows: &[Window]) -> Table {
    let headings = [
        "",
        "virtual s",
        "holder: messages",
        "bytes",
        "of these renew",
        "bytes",
        "others: messages",
        "bytes",
        "of these renewed",
        "bytes",
        "located of",
        "asked",
        "ms",
        "claims alive",
        "CPU s",
        "MiB",
    ];
    let mut table = Table::new("keeping many claims alive", headings);
    for window in windows {
        let pairs =
            [total(&window.holder), of(&window.holder, "renew"), total(&window.others), of(&window.others, "renewed")];
        let numbers = pairs.into_iter().flat_map(|(count, bytes)| [count, bytes]);
        let ends = [window.located.to_string(), window.asked.to_string(), decimals(window.took_ms, 1)];
        let last = [window.alive.to_string(), decimals(window.cpu_s, 1), decimals(window.rss_mib, 0)];
        let first = [window.name.to_owned(), decimals(window.secs, 0)];
        let cells = first.into_iter().chain(numbers.map(|number| number.to_string())).chain(ends).chain(last);
        table.row(cells.map(Cell::from).collect::<Vec<_>>());
    }
    table
}

/// The cost of one interval beside that of claiming each object anew, which the first publication is.
fn bars(windows: &[Window], all: usize, failures: usize) -> BarList {
    let mut bars = BarList::default();
    let find = |name: &str| windows.iter().find(|window| window.name == name);
    let (idle, first, second) = (find("nothing published"), find("first publication"), find("second interval"));
    let beyond = |window: Option<&Window>, of: fn((u64, u64)) -> u64| {
        let (window, idle) = (window?, idle?);
        let rest = of(total(&idle.holder)) as f64 / idle.secs * window.secs;
        Some(of(total(&window.holder)) as f64 - rest)
    };
    let share = |of: fn((u64, u64)) -> u64| Some(beyond(second, of)? / beyond(first, of)?);
    let alive = windows.iter().skip(1).map(|window| window.alive).min();
    bars.at_least("claims alive at the worst moment looked at", alive.map(|alive| alive as f64), all as f64, "");
    bars.at_most("claims that failed at first", Some(failures as f64), 0.0, "");
    let asked: usize = windows.iter().map(|window| window.asked).sum();
    let located: usize = windows.iter().map(|window| window.located).sum();
    bars.at_least("locates answered", Some(located as f64 / asked.max(1) as f64), 1.0, "");
    bars.shown("holder: messages an interval beyond those at rest", beyond(second, |(count, _)| count), "");
    bars.shown("holder: bytes an interval beyond those at rest", beyond(second, |(_, bytes)| bytes), "");
    bars.at_most("messages, over those of claiming singly", share(|(count, _)| count), 0.05, "");
    bars.at_most("bytes, over those of claiming singly", share(|(_, bytes)| bytes), 0.05, "");
    bars
}

/// The node that publishes.
const HOLDER: usize = 0;
/// How long it is looked what nodes say that publish nothing.
const IDLE: Span = Span::from_mins(10);
/// Between two renewals: half of a claim's lifetime, which is two hours in the simulator.
const INTERVAL: Span = Span::from_hours(1);
/// Watched after a restart of the holder.
const RESTART: Span = Span::from_mins(10);
