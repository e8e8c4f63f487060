//! `arras node`
//!
//! Owns: the flags of a node, its life from start to signal, and its log.
//! Never does: detach: whoever starts it watches it.

use crate::Shared;
use crate::config::{Source, named};
use crate::output::{Exit, FAILED, Output, start_log};
use arras::base::{Id, Span};
use arras::runtime::{Config, Node};
use log::{info, warn};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// `arras node`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// UDP address for peers.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Address told to others. May be repeated, best first.
    #[arg(long, value_name = "ADDRESS:PORT")]
    advertise: Vec<String>,
    /// A node to join through. May be repeated.
    #[arg(long, value_name = "ADDRESS:PORT")]
    seed: Vec<String>,
    /// TCP address of the local API.
    #[arg(long, value_name = "ADDRESS:PORT")]
    api_listen: Option<String>,
    /// The network's name.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// server or client.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Which log lines are written: info, debug, arras::runtime=trace, ...
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// A node that runs.
pub trait Running {
    /// Its place on the ring.
    fn id(&self) -> Id;
    /// Where its API listens.
    fn api(&self) -> SocketAddr;
    /// Where it listens for peers.
    fn overlay(&self) -> SocketAddr;
    /// Leaves the overlay and stops, at the latest after this long: whether it left in time.
    fn stop(self: Box<Self>, patience: Duration) -> bool;
}

/// What starts a node; the error is one line.
pub type Start<'a> = dyn Fn(Config) -> Result<Box<dyn Running>, String> + 'a;

/// Starts a node, waits for a signal, and leaves. A second signal ends it at once, and so does one before it has started:
/// a hard puzzle may take hours.
pub fn run(arguments: &Arguments, shared: &Shared, output: Output, start: &Start<'_>) -> Result<(), Exit> {
    let resolved = arguments.source.resolve(arguments.given())?;
    let filter = match (shared.quiet, shared.verbose) {
        (true, _) => "error",
        (_, 0) => resolved.config.node.log.as_str(),
        (_, 1) => "debug",
        _ => "trace",
    };
    start_log(filter);
    resolved.warnings.iter().for_each(|line| warn!("{line}"));
    let is_up = Arc::new(AtomicBool::new(false));
    let stop = watch(Arc::clone(&is_up))?;
    let node = start(resolved.config).map_err(|line| Exit::new(FAILED, line))?;
    is_up.store(true, Ordering::Relaxed);
    let (id, api, overlay) = (node.id(), node.api(), node.overlay());
    let shape = json!({ "id": id.to_string(), "overlay": overlay.to_string(), "api": format!("http://{api}") });
    output.print(&shape, || format!("node {id} listens on {overlay}, API http://{api}"))?;
    // An error means the signal thread is gone, and nobody could ever stop the node.
    let _ = stop.recv();
    info!("leaving; a second signal stops at once");
    if node.stop(LEAVE_PATIENCE) { Ok(()) } else { Err(Exit::new(FAILED, "stopped without having left in time")) }
}

/// Watches for signals from now on: the first one of a node that is up is told, any other ends the process.
fn watch(is_up: Arc<AtomicBool>) -> Result<mpsc::Receiver<i32>, Exit> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| Exit::new(FAILED, format!("signals: {error}")))?;
    let (told, stop) = mpsc::channel();
    let thread = std::thread::Builder::new().name("arras-signals".to_owned());
    let watching = thread.spawn(move || {
        for (count, signal) in signals.forever().enumerate() {
            let why = match (is_up.load(Ordering::Relaxed), count) {
                (true, 0) => {
                    // The other end waits until the process ends.
                    let _ = told.send(signal);
                    continue;
                }
                (true, _) => "at once by a second signal",
                (false, _) => "before the node had started",
            };
            eprintln!("arras: stopped {why}");
            // As shells count: 128 and the signal.
            std::process::exit(128 + signal);
        }
    });
    watching.map(|_| stop).map_err(|error| Exit::new(FAILED, format!("signal thread: {error}")))
}

impl Arguments {
    fn given(&self) -> Vec<arras::runtime::config::Given> {
        let list = |all: &[String]| (!all.is_empty()).then(|| all.join(","));
        let flags = [
            ("--listen", "overlay.listen", self.listen.clone()),
            ("--advertise", "overlay.advertise", list(&self.advertise)),
            ("--seed", "overlay.seeds", list(&self.seed)),
            ("--api-listen", "api.listen", self.api_listen.clone()),
            ("--network", "network.name", self.network.clone()),
            ("--role", "node.role", self.role.clone()),
            ("--log", "node.log", self.log.clone()),
        ];
        flags.into_iter().filter_map(|(flag, key, text)| Some(named(flag, key, &text?))).collect()
    }
}

/// Starts a node on this computer.
pub fn start(config: Config) -> Result<Box<dyn Running>, String> {
    match Node::start(config) {
        Ok(node) => Ok(Box::new(node)),
        Err(error) => Err(error.to_string()),
    }
}

impl Running for Node {
    fn id(&self) -> Id {
        self.handle().id()
    }

    fn api(&self) -> SocketAddr {
        self.api_address()
    }

    fn overlay(&self) -> SocketAddr {
        self.address().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    fn stop(self: Box<Self>, patience: Duration) -> bool {
        Node::stop(*self, Span::from(patience))
    }
}

/// How long a leaving node may hand over what it holds. A guess: 10 GiB do not fit anyway, and replicas repair
/// the rest.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);
