//! `arras crawl`
//!
//! Owns: the command's options, where it begins, and its order of work: one crawl, or one after the other.
//! Never does: walk (the library's crawler does), or write a line (`crawl/files.rs` and `crawl/text.rs`).

#[path = "crawl/files.rs"]
mod files;
#[path = "crawl/survey.rs"]
mod survey;
#[path = "crawl/text.rs"]
mod text;

use crate::Shared;
use crate::client::Api;
use crate::output::{Exit, FAILED, Output, UNREACHABLE, USAGE};
use arras::base::Span;
use arras::crawler::{Census, Change, Summary, Tuning, tuning};
use arras::identity::Contact;
use arras::runtime::config::keys;
use arras::runtime::crawl::{CrawlError, CrawlSetup, Progress, crawl};
use files::Files;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `arras crawl`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Overlay address of a node to begin at (more than one is fine); without it the node behind --api.
    #[arg(long, value_name = "ADDRESS:PORT")]
    seed: Vec<SocketAddr>,
    /// The network's name; without it that of the node behind --api, or `arras` with --seed.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// The network's admission puzzle, in bits.
    #[arg(long, value_name = "BITS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=40))]
    puzzle_bits: u32,
    /// Nodes visited at once, 1 to 1024.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Nodes visited at most, at least 1.
    #[arg(long, value_name = "NODES")]
    limit: Option<NonZeroUsize>,
    /// Where to write crawl.json, visits.ndjson, edges.csv, survey.json, topology.svg and topology.graphml, each anew with
    /// every crawl.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write neighbors.ndjson as well: for each node those it names, with their whole ids.
    #[arg(long, requires = "out")]
    neighbors: bool,
    /// Crawl again after each such span (10s, 30min) and report what came and went, until SIGINT or SIGTERM;
    /// with --out also to changes.ndjson. Where no seed answers any more it begins at nodes of the crawl before.
    #[arg(long, value_name = "SPAN")]
    watch: Option<String>,
    /// End after so many crawls.
    #[arg(long, value_name = "CRAWLS", requires = "watch")]
    rounds: Option<NonZeroUsize>,
    /// Say what would be done, and send nothing to the overlay.
    #[arg(long)]
    dry_run: bool,
}

/// Crawls, once or again and again.
pub fn run(arguments: &Arguments, shared: &Shared, api: &Api, output: Output) -> Result<(), Exit> {
    let setup = setup(arguments, shared, api)?;
    let pause = arguments.watch.as_deref().map(|text| keys::span(text).map_err(|why| usage("--watch", &why)));
    let pause = pause.transpose()?;
    if arguments.dry_run {
        return output.print(&plan(arguments, &setup), || text::plan(arguments, &setup));
    }
    let files = arguments.out.as_ref().map(|dir| Files::below(dir, arguments.neighbors)).transpose()?;
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, ended.clone())
            .map_err(|error| Exit::new(FAILED, format!("signals: {error}")))?;
    }
    let mut watch = Watch { output, files, ended, before: None, round: 0 };
    loop {
        match watch.round(&setup)? {
            Round::Found(census) => watch.report(&setup, *census)?,
            Round::Silent => eprintln!("arras: crawl {}: {}, nor where nodes were before", watch.round, nobody(&setup)),
            Round::Ended => return Ok(()),
        }
        let Some(pause) = pause else { return Ok(()) };
        if arguments.rounds.is_some_and(|rounds| watch.round >= rounds.get()) || !watch.rests(pause) {
            return Ok(());
        }
    }
}

/// Crawl after crawl.
struct Watch {
    output: Output,
    files: Option<Files>,
    ended: Arc<AtomicBool>,
    before: Option<Census>,
    round: usize,
}

/// What became of one round of a watch.
enum Round {
    Found(Box<Census>),
    /// Nobody answers, neither where it begins nor those found before.
    Silent,
    /// It was ended before it began.
    Ended,
}

impl Watch {
    /// One crawl from where it begins; where nobody answers there, from nodes of the crawl before. That nobody answers is
    /// a failure in the first only.
    fn round(&mut self, setup: &CrawlSetup) -> Result<Round, Exit> {
        self.round += 1;
        let Some(census) = self.crawl(setup)? else { return Ok(Round::Ended) };
        if !is_silent(&census) {
            return Ok(Round::Found(Box::new(census)));
        }
        let Some(before) = &self.before else { return Err(Exit::new(UNREACHABLE, nobody(setup))) };
        let seeds = answered(before, setup);
        if seeds.is_empty() {
            return Ok(Round::Silent);
        }
        let Some(mut again) = self.crawl(&CrawlSetup { seeds, ..setup.clone() })? else { return Ok(Round::Ended) };
        if is_silent(&again) {
            return Ok(Round::Silent);
        }
        again.frame.seeds_silent.splice(0..0, census.frame.seeds_silent);
        Ok(Round::Found(Box::new(again)))
    }

    /// One crawl; nothing if a later one was ended before it began.
    fn crawl(&self, setup: &CrawlSetup) -> Result<Option<Census>, Exit> {
        let bar = bar(self.output);
        let census = crawl(setup, &mut |Progress { closed, open, named }| {
            bar.set_message(format!("{closed} of {named} nodes, {open} being visited"));
            bar.tick();
            !self.ended.load(Ordering::Relaxed)
        });
        bar.finish_and_clear();
        match census {
            Err(CrawlError::Stopped) if self.before.is_some() => Ok(None),
            census => census.map(Some).map_err(|error| Exit::new(FAILED, error.to_string())),
        }
    }

    fn report(&mut self, setup: &CrawlSetup, census: Census) -> Result<(), Exit> {
        let summary = Summary::of(&census);
        let change = self.before.as_ref().map(|before| Change::between(before, &census));
        if let Some(files) = &mut self.files {
            files.write(setup, &census, &summary, change.as_ref())?;
        }
        let mut value = json!(summary);
        if let Some(change) = &change {
            value["change"] = json!(change);
        }
        self.output.print(&value, || {
            let change = change.as_ref().map(text::change).unwrap_or_default();
            text::summary(&summary, self.files.as_ref().map(Files::names)) + &change
        })?;
        let stopped = summary.stopped && self.before.is_none();
        self.before = Some(census);
        if stopped { Err(Exit::new(FAILED, "stopped before it was through")) } else { Ok(()) }
    }

    /// Waits; says whether to go on.
    fn rests(&self, pause: Span) -> bool {
        let mut left = Duration::from(pause);
        while left > Duration::ZERO && !self.ended.load(Ordering::Relaxed) {
            let step = left.min(GLANCE);
            std::thread::sleep(step);
            left -= step;
        }
        !self.ended.load(Ordering::Relaxed)
    }
}

/// Where to begin, and how to walk.
fn setup(arguments: &Arguments, shared: &Shared, api: &Api) -> Result<CrawlSetup, Exit> {
    let visit_max = keys::span(&shared.timeout).map_err(|why| usage("--timeout", &why))?;
    let (seeds, network) = if arguments.seed.is_empty() {
        let node = api.json("GET", "/v1/id", None)?;
        let network = node["network"].as_str().unwrap_or(NETWORK).to_owned();
        (addresses(&node), network)
    } else {
        (arguments.seed.clone(), NETWORK.to_owned())
    };
    let first =
        *seeds.first().ok_or_else(|| Exit::new(FAILED, "the node behind --api names no address; give --seed"))?;
    let tuning = Tuning {
        workers: usize::from(arguments.workers),
        limit: arguments.limit.map_or(usize::MAX, NonZeroUsize::get),
        puzzle_bits: arguments.puzzle_bits,
        visit_max,
        ..Tuning::default()
    };
    Ok(CrawlSetup {
        // One socket is of one family.
        seeds: seeds.into_iter().filter(|seed| seed.is_ipv4() == first.is_ipv4()).collect(),
        network: arguments.network.clone().unwrap_or(network),
        tuning,
    })
}

/// Whether nobody answered, though there was time.
fn is_silent(census: &Census) -> bool {
    census.nodes.is_empty() && !census.frame.stopped
}

fn nobody(setup: &CrawlSetup) -> String {
    let seeds: Vec<String> = setup.seeds.iter().map(ToString::to_string).collect();
    format!("no node of network '{}' answers at {}", setup.network, seeds.join(", "))
}

/// Addresses of nodes that a crawl visited, spread over all of them, of the family of the seeds and none of these.
fn answered(census: &Census, setup: &CrawlSetup) -> Vec<SocketAddr> {
    let is_ipv4 = setup.seeds.first().is_none_or(SocketAddr::is_ipv4);
    let fits = |address: &SocketAddr| address.is_ipv4() == is_ipv4 && !setup.seeds.contains(address);
    let address = |contact: &Contact| contact.addresses().iter().copied().find(fits);
    let all: Vec<SocketAddr> = census.visited().filter_map(|(_, node, _)| address(&node.contact)).collect();
    let step = all.len().div_ceil(SEEDS_AGAIN).max(1);
    all.into_iter().step_by(step).collect()
}

fn addresses(node: &Value) -> Vec<SocketAddr> {
    let texts = node["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// What `--dry-run --json` prints.
fn plan(arguments: &Arguments, setup: &CrawlSetup) -> Value {
    json!({
        "seeds": setup.seeds.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "network": setup.network,
        "workers": setup.tuning.workers,
        "limit": arguments.limit,
        "visit_max_s": setup.tuning.visit_max.as_secs_f64(),
        "messages_per_node_max": tuning::MESSAGES_MAX,
        "out": arguments.out,
        "watch": arguments.watch,
    })
}

fn usage(flag: &str, why: &str) -> Exit {
    Exit::new(USAGE, format!("{flag} {why}"))
}

fn bar(output: Output) -> ProgressBar {
    if output.quiet || output.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// The network a node belongs to unless its configuration says otherwise.
const NETWORK: &str = "arras";
/// Nodes of the crawl before that a round begins at when its first address is silent. A guess: that as many spread over
/// an overlay all die between two rounds is an outage.
const SEEDS_AGAIN: usize = 16;
/// How often a wait looks for a signal.
const GLANCE: Duration = Duration::from_millis(100);
