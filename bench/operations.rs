//! What do lookup, put and get cost, one at a time and many at once?
//!
//! Owns: one lab without imposed latency, a closed loop of operations from one client node, and their
//! figures beside the bars and the rivals' published ones.
//! Never does: skip a check: every value got is compared with what was put.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::base::{Chance, Id};
use arras::overlay::{Command, Failure, Reply};
use arras::runtime::host::LocalNode;
use arras::runtime::lab::measure::rss_mib;
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use clap::Parser;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::cost::{Snap, round, sig};
use support::http::{Answer, Ask, Clients};
use support::lab::{BenchLab, LIFETIME, Plan, tuning, value};
use support::operations_page;
use support::phase::{Phase, Spec, Told, median, run};
use support::{Fault, cost, output, say};

/// Operations per second, latency and CPU, from one client node of a lab on loopback.
#[derive(Parser)]
struct Args {
    /// Nodes in the lab.
    #[arg(long, default_value_t = 50)]
    nodes: usize,
    /// Leaf-set members on each side.
    #[arg(long, default_value_t = 8)]
    leaf_set: usize,
    /// Links a node keeps.
    #[arg(long, default_value_t = 24)]
    link_budget: usize,
    /// Rounds of each phase.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Longest time of a round in seconds.
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
    /// Bytes in a value.
    #[arg(long, default_value_t = 1024)]
    value: usize,
    /// Nodes that join one after the other.
    #[arg(long, default_value_t = 5)]
    joins: usize,
    /// Operations outstanding, a phase each.
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    conc: Vec<usize>,
    /// Draws keys and values.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Short rounds, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A lab and what was put into it.
struct Bench<'a> {
    args: &'a Args,
    lab: BenchLab,
    nodes: Vec<Arc<LocalNode>>,
    /// Numbers of the values that are there, and their ids.
    kept: Vec<(u64, Id)>,
    chance: Chance,
    phases: Vec<Phase>,
    parts: Map<String, Value>,
}

type Outcome = Result<Reply, Failure>;

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.secs, args.joins) = (args.secs.min(0.5), args.joins.min(2));
    }
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("operations: {fault}");
            println!("{}", json!({"bench": "arras", "error": fault.to_string()}));
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let (environment, whole) = (cost::environment(), Snap::now());
    let mut bench = Bench::start(args)?;
    for &at_once in &args.conc {
        bench.lookups(at_once);
    }
    for &at_once in &args.conc {
        bench.puts(at_once);
    }
    // Replication beyond the majority, and its disk writes, come to rest.
    std::thread::sleep(REST);
    for &at_once in &args.conc {
        bench.gets(at_once);
    }
    bench.hot_key();
    for &at_once in &args.conc {
        bench.through_http(at_once)?;
    }
    bench.joins();
    bench.finish(environment, &whole)
}

impl Bench<'_> {
    fn start(args: &Args) -> Result<Bench<'_>, Fault> {
        let (before, began) = (rss_mib(), Instant::now());
        let plan =
            Plan { nodes: args.nodes, matrix: None, seed: args.seed, tuning: tuning(args.leaf_set, args.link_budget) };
        let lab = plan.start()?;
        let secs = began.elapsed().as_secs_f64();
        std::thread::sleep(SETTLE);
        let per_node = (rss_mib() - before) * 1024.0 / args.nodes as f64;
        let states: Vec<_> = lab.lab.nodes().iter().filter_map(|node| node.status()).collect();
        let links = |peers: &[arras::overlay::router::status::PeerStatus]| {
            peers.iter().filter(|peer| peer.link_rtt.is_some()).count() as f64
        };
        let contacts: Vec<f64> = states.iter().map(|state| state.peers.len() as f64).collect();
        let linked: Vec<f64> = states.iter().map(|state| links(&state.peers)).collect();
        let mut parts = Map::new();
        parts.insert(
            "setup".to_owned(),
            json!({"secs": sig(secs), "table_entries_median": median(&contacts), "links_median": median(&linked),
                   "rss_per_node_kib": sig(per_node)}),
        );
        say(&format!("{} nodes ready after {secs:.1} s, {per_node:.0} KiB each", args.nodes));
        let before = counters(&lab);
        parts.insert("idle".to_owned(), cost::idle(IDLE).idle_json());
        let after = counters(&lab);
        let rate = |(name, count): (&String, &f64)| {
            let rate = (count - before.get(name).copied().unwrap_or(0.0)) / IDLE.as_secs_f64();
            (rate > 0.0).then(|| (name.clone(), json!(sig(rate))))
        };
        parts.insert("idle_counters_per_s".to_owned(), Value::Object(after.iter().filter_map(rate).collect()));
        let nodes = lab.lab.local_nodes();
        let chance = Chance::from_seed(args.seed ^ 0x6f70_6572);
        Ok(Bench { args, lab, nodes, kept: Vec::new(), chance, phases: Vec::new(), parts })
    }

    fn spec(&self, name: &str, at_once: usize) -> Spec {
        Spec { name: name.to_owned(), at_once, rounds: self.args.rounds, ops_max: usize::MAX, secs: self.args.secs }
    }

    fn done(&mut self, phase: Phase) {
        say(&phase.cells().join("  "));
        if let Some(fault) = &phase.first_error {
            say(&format!("    first error: {fault}"));
        }
        self.phases.push(phase);
    }

    /// Who is the root of a random key? Held against the true root.
    fn lookups(&mut self, at_once: usize) {
        let (asker, mut chance) = (self.nodes[0].clone(), self.chance.fork());
        let keys: Vec<Id> = (0..KEYS).map(|_| Id::from_bytes(chance.bytes32())).collect();
        let roots: Vec<Option<Id>> = keys.iter().map(|key| self.lab.lab.true_root(key)).collect();
        let mut hops = Vec::new();
        let mut phase = run(
            &self.spec("lookup", at_once),
            &mut |number, told| {
                wish(&asker, Command::Lookup { key: keys[number % KEYS], traced: false }, told);
            },
            &mut |number, outcome: Outcome| match outcome {
                Ok(Reply::Root(root)) if Some(root.contact.id()) == roots[number % KEYS] => {
                    hops.push(f64::from(root.hops));
                    Ok(())
                }
                Ok(_) => Err("wrong root".to_owned()),
                Err(failure) => Err(failure.to_string()),
            },
        );
        let mean = hops.iter().sum::<f64>() / hops.len().max(1) as f64;
        phase.extra.insert("hops_mean".to_owned(), json!(sig(mean)));
        self.done(phase);
    }

    /// New values on 4 nodes; the answer comes when a majority has them on disk.
    fn puts(&mut self, at_once: usize) {
        let (writer, seed, bytes) = (self.nodes[0].clone(), self.args.seed, self.args.value);
        let first = self.kept.last().map_or(0, |(number, _)| number + 1);
        let (mut kept, mut receipts) = (Vec::new(), Vec::new());
        let mut phase = run(
            &self.spec("put", at_once),
            &mut |number, told| {
                let value = value(seed, first + number as u64, bytes);
                wish(&writer, Command::Put { value, lifetime: LIFETIME, replicas: REPLICAS, expected: None }, told);
            },
            &mut |number, outcome: Outcome| match outcome {
                Ok(Reply::Stored { object, receipts: given }) if given.len() > usize::from(REPLICAS) / 2 => {
                    kept.push((first + number as u64, object));
                    receipts.push(given.len() as f64);
                    Ok(())
                }
                Ok(Reply::Stored { receipts, .. }) => Err(format!("{} receipts only", receipts.len())),
                Ok(_) => Err("another answer".to_owned()),
                Err(failure) => Err(failure.to_string()),
            },
        );
        phase.extra.insert("receipts_median".to_owned(), json!(median(&receipts)));
        kept.sort_unstable();
        self.kept.extend(kept);
        self.done(phase);
    }

    /// Values that the reader does not hold, compared byte by byte.
    fn gets(&mut self, at_once: usize) {
        let (reader, seed, bytes) = (self.nodes[1 % self.nodes.len()].clone(), self.args.seed, self.args.value);
        let mut away = self.not_held_by(&reader.id());
        self.chance.fork().shuffle(&mut away);
        if away.is_empty() {
            return say("no value is away from the reader: get is left out");
        }
        let mut own = 0;
        let mut phase = run(
            &self.spec("get", at_once),
            &mut |number, told| wish(&reader, Command::Get { object: away[number % away.len()].1 }, told),
            &mut |number, outcome: Outcome| {
                if let Ok(Reply::Value { from, .. }) = &outcome {
                    own += usize::from(*from == reader.id());
                }
                is_value(outcome, &value(seed, away[number % away.len()].0, bytes))
            },
        );
        phase.extra.insert("answered_by_reader_itself".to_owned(), json!(own));
        phase.extra.insert("keys".to_owned(), json!(away.len()));
        self.done(phase);
    }

    /// Every node asks for the same value.
    fn hot_key(&mut self) {
        let Some(&(number, object)) = self.kept.first() else { return };
        let (nodes, expected) = (self.nodes.clone(), value(self.args.seed, number, self.args.value));
        let phase = run(
            &self.spec("hot_key_all_nodes", nodes.len()),
            &mut |number, told| wish(&nodes[number % nodes.len()], Command::Get { object }, told),
            &mut |_, outcome: Outcome| is_value(outcome, &expected),
        );
        self.done(phase);
    }

    /// The same three operations through the HTTP API, a client thread and connection for each outstanding.
    fn through_http(&mut self, at_once: usize) -> Result<(), Fault> {
        let (seed, bytes, lifetime) = (self.args.seed ^ 0x6874_7470, self.args.value, LIFETIME.as_secs_f64());
        let writer = Clients::start(self.nodes[0].clone(), at_once)?;
        let mut chance = self.chance.fork();
        let keys: Vec<Id> = (0..KEYS).map(|_| Id::from_bytes(chance.bytes32())).collect();
        let roots: Vec<String> = keys.iter().filter_map(|key| Some(self.lab.lab.true_root(key)?.to_string())).collect();
        let lookup = run(
            &self.spec("lookup_http", at_once),
            &mut |number, told| writer.ask(Ask::Get(format!("/v1/root/{}", keys[number % KEYS])), told),
            &mut |number, answer: Answer| {
                let answer = String::from_utf8_lossy(&answer?).into_owned();
                if answer.contains(&roots[number % KEYS]) { Ok(()) } else { Err("wrong root".to_owned()) }
            },
        );
        self.done(lookup);
        let first = at_once as u64 * 1_000_000;
        let path = format!("/v1/blobs?replicas={REPLICAS}&lifetime={lifetime}s");
        let put = run(
            &self.spec("put_http", at_once),
            &mut |number, told| {
                let content = content(&value(seed, first + number as u64, bytes));
                writer.ask(Ask::Post(path.clone(), content), told);
            },
            &mut |_, answer: Answer| answer.map(drop),
        );
        self.done(put);
        let reader = Clients::start(self.nodes[1 % self.nodes.len()].clone(), at_once)?;
        let away = self.not_held_by(&self.nodes[1 % self.nodes.len()].id());
        if away.is_empty() {
            return Ok(());
        }
        let get = run(
            &self.spec("get_http", at_once),
            &mut |number, told| reader.ask(Ask::Get(format!("/v1/blobs/{}", away[number % away.len()].1)), told),
            &mut |number, answer: Answer| {
                let expected = value(self.args.seed, away[number % away.len()].0, bytes);
                if answer? == content(&expected) { Ok(()) } else { Err("wrong bytes".to_owned()) }
            },
        );
        self.done(get);
        Ok(())
    }

    /// One more node, with new keys: from its start to its first right answer.
    fn joins(&mut self) {
        let (mut took_ms, mut start_ms, mut fault) = (Vec::new(), Vec::new(), None);
        for join in 0..self.args.joins {
            let Some(&(number, object)) = self.kept.get(join * 13 % self.kept.len().max(1)) else { break };
            let expected = value(self.args.seed, number, self.args.value);
            let began = Instant::now();
            if let Err(error) = self.lab.lab.add() {
                fault.get_or_insert(error.to_string());
                continue;
            }
            start_ms.push(began.elapsed().as_secs_f64() * 1e3);
            let Some(node) = self.lab.lab.nodes().last() else { break };
            match first_right_answer(&|| node.ask(Command::Get { object }), &expected) {
                Ok(()) => took_ms.push(began.elapsed().as_secs_f64() * 1e3),
                Err(error) => {
                    fault.get_or_insert(error);
                }
            }
        }
        let all: Vec<f64> = took_ms.iter().map(|ms| sig(*ms)).collect();
        say(&format!("join: first right answer after {all:?} ms, of which socket, key and store {start_ms:.1?}"));
        self.parts.insert(
            "join".to_owned(),
            json!({"joins": self.args.joins, "errors": self.args.joins - took_ms.len(), "first_error": fault,
                   "first_get_ms_median": sig(median(&took_ms)), "first_get_ms_all": all,
                   "of_which_start_ms_median": sig(median(&start_ms))}),
        );
    }

    /// The values of whose replica set this node is not.
    fn not_held_by(&self, reader: &Id) -> Vec<(u64, Id)> {
        let ids: Vec<Id> = self.nodes.iter().map(|node| node.id()).collect();
        let is_away = |object: &Id| {
            let nearer = ids.iter().filter(|id| *id != reader && id.is_nearer(object, reader)).count();
            nearer >= usize::from(REPLICAS)
        };
        self.kept.iter().filter(|(_, object)| is_away(object)).copied().collect()
    }

    fn finish(self, environment: Value, whole: &Snap) -> Result<(), Fault> {
        let mut table = Table::new("All phases", Phase::headings());
        for phase in &self.phases {
            table.row(phase.cells().into_iter().map(Cell::from));
        }
        println!("{table}");
        for (name, part) in &self.parts {
            println!("{name}: {part}");
        }
        let bars = operations_page::bars(&self.phases, &self.parts);
        println!("\n{}", bars.table());
        println!("{}", operations_page::beside_rivals(&self.phases, &self.parts));
        println!("{}", support::rivals::NOTE);
        let mut object = Map::new();
        object.insert("bench".to_owned(), json!("arras"));
        object.insert("versions".to_owned(), json!({"arras": env!("CARGO_PKG_VERSION")}));
        object.insert("config".to_owned(), self.config());
        object.insert("env".to_owned(), environment);
        object.insert("phases".to_owned(), self.phases.iter().map(Phase::json).collect());
        object.extend(self.parts.clone());
        object.insert("bars".to_owned(), bars.json());
        let totals: Map<String, Value> =
            counters(&self.lab).into_iter().map(|(name, sum)| (name, json!(sum))).collect();
        object.insert("counters_total".to_owned(), Value::Object(totals));
        let cost = whole.cost();
        for (name, value) in [
            ("rss_end_mib", round(rss_mib())),
            ("rss_peak_mib", round(cost::peak_mib())),
            ("threads_end", cost::thread_count() as f64),
            ("wall_s", round(cost.secs)),
            ("cpu_s", round(cost.cpu_us / 1e6)),
            ("other_cpu_share", round(cost.others)),
        ] {
            object.insert(name.to_owned(), json!(value));
        }
        object.insert("loadavg_end".to_owned(), json!(cost::load()));
        let object = Value::Object(object);
        let report: Report = operations_page::report(&self.config_line(), &self.phases, &self.parts, &bars, &table);
        output::write("operations", &object, &report)?;
        println!("{object}");
        Ok(())
    }

    fn config(&self) -> Value {
        let args = self.args;
        json!({"nodes": args.nodes, "transport": "quic", "leaf_set_per_side": args.leaf_set, "link_budget": args.link_budget,
               "value_bytes": args.value, "replicas": REPLICAS, "durability": "majority fsynced", "seed": args.seed,
               "through": "library handle; phases named _http through the HTTP API"})
    }

    fn config_line(&self) -> String {
        let args = self.args;
        format!(
            "{} whole nodes in one process on loopback, no imposed latency; link budget {}, leaf set {} a side; values of {} \
             bytes on {REPLICAS} nodes, a majority fsynced before a put is answered; one client node; {} rounds of {} s.",
            args.nodes, args.link_budget, args.leaf_set, args.value, args.rounds, args.secs
        )
    }
}

/// Every counter of every node, added up.
fn counters(bench: &BenchLab) -> std::collections::BTreeMap<String, f64> {
    let mut sums = std::collections::BTreeMap::new();
    for reading in bench.lab.nodes().iter().flat_map(|node| node.node.readings()) {
        if reading.kind == arras::machine::ReadingKind::Counter {
            let label = reading.label.map_or_else(String::new, |(_, value)| format!("{{{value}}}"));
            *sums.entry(format!("{}{label}", reading.name)).or_default() += reading.value;
        }
    }
    sums
}

fn wish(node: &LocalNode, command: Command, told: Told<Outcome>) {
    node.wish(command, Box::new(move |outcome| told.tell(outcome)));
}

fn is_value(outcome: Outcome, expected: &arras::wire::object::Value) -> Result<(), String> {
    match outcome {
        Ok(Reply::Value { value, .. }) if value == *expected => Ok(()),
        Ok(Reply::Value { .. }) => Err("wrong bytes".to_owned()),
        Ok(_) => Err("another answer".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn content(value: &arras::wire::object::Value) -> Vec<u8> {
    match value {
        arras::wire::object::Value::Blob(blob) => blob.0.to_vec(),
        arras::wire::object::Value::Record(record) => record.bytes.0.to_vec(),
    }
}

/// Asks until the answer is right: a node that is not ready yet says so at once.
fn first_right_answer(ask: &dyn Fn() -> Outcome, expected: &arras::wire::object::Value) -> Result<(), String> {
    let until = Instant::now() + JOIN_PATIENCE;
    loop {
        match is_value(ask(), expected) {
            Ok(()) => return Ok(()),
            Err(fault) if Instant::now() >= until => return Err(fault),
            Err(_) => std::thread::sleep(JOIN_PAUSE),
        }
    }
}

/// Copies of a value: issue 2, "Bars".
const REPLICAS: u8 = 4;
/// Keys looked up, over and over.
const KEYS: usize = 4_096;
/// Between readiness and the first phase: tables fill.
const SETTLE: Duration = Duration::from_secs(5);
/// How long doing nothing is measured: as in the rivals' harness.
const IDLE: Duration = Duration::from_secs(2);
/// Between puts and gets.
const REST: Duration = Duration::from_millis(500);
/// A node that has no right answer by then has not joined.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts of a node that joins.
const JOIN_PAUSE: Duration = Duration::from_micros(200);
