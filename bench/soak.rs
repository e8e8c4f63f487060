//! Does an overlay that is hurt for minutes keep its word, and its memory?
//!
//! Owns: processes of the `arras` command on loopback under load: some are paused, some killed and started
//! again, some left alone; a line of figures every while; and the verdict: results, objects, memory.
//! Never does: count the memory of a process that was started again: it begins anew.

#![expect(clippy::disallowed_methods, reason = "a soak runs in real time")]

#[path = "../integration/support/client.rs"]
mod client;
#[allow(dead_code, reason = "each test uses its part")]
#[path = "../integration/support/kept.rs"]
mod kept;
#[allow(dead_code, reason = "each test uses its part")]
#[path = "../integration/support/load.rs"]
mod load;
#[allow(dead_code, reason = "each test uses its part")]
#[path = "../integration/support/process.rs"]
mod process;

use arras::base::Chance;
use clap::Parser;
use client::Client;
use kept::kept_in;
use load::{Load, Plan};
use process::{PATIENCE, Process, Town, until};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nodes under load that are paused, killed and started again.
#[derive(Parser)]
struct Args {
    /// How long, in minutes.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Nodes, at least 6: a third is left alone, a third paused now and then, a third killed.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(6..))]
    nodes: u16,
    /// Of what is asked and who is hurt when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A network that is hurt.
struct Soak {
    town: Town,
    load: Load,
    chance: Chance,
    begun: Instant,
    /// Who is paused, since when and for how long.
    paused: Option<(usize, Instant, Duration)>,
    next_pause: Instant,
    next_kill: Instant,
    next_sample: Instant,
    next_line: Instant,
    pauses: usize,
    kills: usize,
    /// Of every process, MiB: one row a sample.
    memory: Vec<Vec<f64>>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    let mut soak = Soak::begin(&args);
    while soak.begun.elapsed() < length {
        soak.tick();
        sleep(TICK);
    }
    let complaints = soak.end();
    for complaint in &complaints {
        println!("FAILED: {complaint}");
    }
    if complaints.is_empty() {
        println!("soaked for {} minutes: every operation had a result, and no object is lost", args.minutes);
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

impl Soak {
    fn begin(args: &Args) -> Soak {
        let town = Town::of(usize::from(args.nodes));
        let plan = Plan { seed: args.seed, clients: CLIENTS, pause: BREATH, lasting: LASTING, passing: Some(PASSING) };
        let load = Load::on(&apis(&town), plan);
        let now = Instant::now();
        Soak {
            town,
            load,
            chance: Chance::from_seed(args.seed ^ 1),
            begun: now,
            paused: None,
            next_pause: now + REST,
            next_kill: now + REST,
            next_sample: now,
            next_line: now,
            pauses: 0,
            kills: 0,
            memory: Vec::new(),
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let due = |moment: Instant| moment <= now;
        if self.paused.is_some_and(|(_, since, length)| due(since + length)) {
            self.thaw();
        }
        if self.paused.is_none() && due(self.next_pause) {
            self.freeze(now);
        }
        if due(self.next_kill) {
            self.kill();
            self.next_kill = now + self.chance_of(KILL_EVERY);
        }
        if due(self.next_sample) {
            let sizes = self.town.nodes.iter().map(|node| node.resident_kib().unwrap_or(0) as f64 / 1_024.0);
            self.memory.push(sizes.collect());
            self.next_sample = now + SAMPLE_EVERY;
        }
        if due(self.next_line) {
            self.line();
            self.next_line = now + LINE_EVERY;
        }
    }

    /// Half as long to half as long again.
    fn chance_of(&mut self, span: Duration) -> Duration {
        span.mul_f64(0.5 + self.chance.unit())
    }

    fn third(&self) -> usize {
        self.town.nodes.len() / 3
    }

    fn freeze(&mut self, now: Instant) {
        let node = self.third() + self.chance.index(self.third());
        // The last in every turn is the long one.
        let length = PAUSES[self.pauses % PAUSES.len()];
        self.load.shut(node);
        self.town.nodes[node].freeze();
        self.paused = Some((node, now, length));
        self.pauses += 1;
    }

    fn thaw(&mut self) {
        if let Some((node, ..)) = self.paused.take() {
            self.town.nodes[node].thaw();
            self.load.open(node, &self.town.nodes[node].api);
        }
        self.next_pause = Instant::now() + self.chance_of(PAUSE_EVERY);
    }

    fn kill(&mut self) {
        let first = 2 * self.third();
        let node = first + self.chance.index(self.town.nodes.len() - first);
        self.load.shut(node);
        let (dir, overlay, id) = self.town.nodes.remove(node).kill();
        let again = Process::start(&dir, &["--listen", &overlay, "--seed", &self.town.nodes[0].overlay]);
        assert_eq!(again.id, id, "it comes back as who it was");
        self.load.open(node, &again.api);
        self.town.nodes.insert(node, again);
        self.kills += 1;
    }

    fn line(&self) {
        let (good, failed, broken, owed) =
            self.load.book(|book| (book.good, book.failed.clone(), book.broken.len(), book.promises.len()));
        let memory: Vec<String> = self.memory.iter().rev().take(1).flatten().map(|mib| format!("{mib:.0}")).collect();
        println!(
            "{:4.0} s  good {good}, failed {failed:?}, broken {broken}, owed {owed}; pauses {}, kills {}; MiB {}",
            self.begun.elapsed().as_secs_f64(),
            self.pauses,
            self.kills,
            memory.join(" ")
        );
    }

    /// Everybody is well again; what is there to complain of.
    fn end(mut self) -> Vec<String> {
        self.thaw();
        for node in &self.town.nodes {
            let client = Client::of(&node.api);
            let others = self.town.nodes.len() as u64 - 1;
            until("all are there again", PATIENCE, || (client.leaves() == Some(others)).then_some(()));
        }
        self.line();
        let book = self.load.stop();
        let broken = book.broken.iter().map(|what| format!("without a result, or wrong: {what}"));
        let missing = book.missing(&apis(&self.town), PATIENCE);
        let lost = missing.iter().map(|promise| format!("{} is lost", promise.id));
        let mut complaints: Vec<String> = broken.chain(lost).collect();
        let failed = book.failed.values().sum::<usize>();
        if failed * 100 > book.good {
            complaints.push(format!("{failed} operations failed, {} were good", book.good));
        }
        let whole = 2 * (self.town.nodes.len() / 3);
        let grown = (0..whole).filter_map(|node| growth(node, &self.memory)).collect::<Vec<_>>();
        match self.begun.elapsed() >= 3 * PASSING {
            true => complaints.extend(grown),
            false => println!("memory is not judged: what is kept grows for {PASSING:?}, a third of the time at most"),
        }
        // A store that does not open is a panic with its own words.
        let values = self.town.nodes.into_iter().map(|node| kept_in(&node.kill().0).len());
        println!("values on disk, node by node: {:?}", values.collect::<Vec<_>>());
        complaints
    }
}

/// Whether this process's memory is flat: after a third of the time to settle, its median in the last third
/// is hardly above that in the second.
fn growth(node: usize, memory: &[Vec<f64>]) -> Option<String> {
    let third = memory.len() / 3;
    let median = |samples: &[Vec<f64>]| {
        let mut sizes: Vec<f64> = samples.iter().map(|sizes| sizes[node]).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        sizes.get(sizes.len() / 2).copied().unwrap_or_default()
    };
    let (second, last) = (median(&memory[third..2 * third]), median(&memory[2 * third..]));
    println!("node {node}: {second:.1} MiB in the second third, {last:.1} MiB in the last");
    let most = second * (1.0 + GROWTH_MAX) + SLACK_MIB;
    (last > most).then(|| format!("node {node} grew from {second:.1} to {last:.1} MiB, {most:.1} allowed"))
}

fn apis(town: &Town) -> Vec<String> {
    town.nodes.iter().map(|node| node.api.clone()).collect()
}

/// Clients and their pause: some hundred operations a second, half of what two cores can do. A guess.
const CLIENTS: usize = 4;
const BREATH: Duration = Duration::from_millis(20);
/// Objects that are to last to the end. A guess.
const LASTING: usize = 300;
/// The others end after this, so that from then on as many end as come and memory has to be flat. A guess.
const PASSING: Duration = Duration::from_secs(100);
/// Before the first blow.
const REST: Duration = Duration::from_secs(10);
/// Shorter than a probe takes, longer than it takes, and longer than anybody waits for a node.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(60)];
/// From one pause's end to the next. A guess.
const PAUSE_EVERY: Duration = Duration::from_secs(15);
/// From one kill to the next. A guess.
const KILL_EVERY: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
const LINE_EVERY: Duration = Duration::from_secs(15);
/// What an allocator's moods may come to, beside a share of the whole. A guess.
const SLACK_MIB: f64 = 2.0;
const GROWTH_MAX: f64 = 0.1;
