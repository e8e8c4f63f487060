//! Nodes in lands of their own, with weather between them.
//!
//! Owns: as many real processes as there are lands, joined through the relay, and asking each from within
//! its own.
//! Never does: pass a test on a machine that has no namespaces without a word: it says what is missing.

use super::client::Client;
use super::land::Land;
use super::process::{PATIENCE, Process, until};
use super::relay::{Relay, Weather, address, home};
use std::io::Write;
use std::thread;

/// Nodes, the ways between them, and their lands: dropped in this order.
pub struct Country {
    pub nodes: Vec<Process>,
    pub relay: Relay,
    lands: Vec<Land>,
    _root: tempfile::TempDir,
}

impl Country {
    /// So many nodes that have found each other in this weather; nothing where the machine has no network namespaces.
    pub fn of(count: usize, seed: u64, weather: Weather) -> Option<Country> {
        let addresses: Vec<_> = (0..count).map(address).collect();
        let lands = match (0..count).map(|_| Land::with(&addresses)).collect::<Result<Vec<_>, _>>() {
            Ok(lands) => lands,
            Err(why) => {
                // Past the harness, which keeps what passing tests print to itself.
                let line = format!("skipped: no network namespaces here (root, unshare and ip are needed): {why}\n");
                std::io::stderr().write_all(line.as_bytes()).expect("said");
                return None;
            }
        };
        let relay = Relay::between(&lands, seed, weather);
        let root = tempfile::tempdir().expect("a directory");
        let start = |index: usize| {
            let (dir, listen, seed) = (root.path().join(format!("node-{index}")), home(index), home(0).to_string());
            let listen = listen.to_string();
            let seed = if index == 0 { vec![] } else { vec!["--seed", &seed] };
            lands[index].inside(|| Process::start(&dir, &[&["--listen", &listen], &seed[..]].concat()))
        };
        let nodes = (0..count).map(start).collect();
        let country = Country { nodes, relay, lands, _root: root };
        country.await_leaves(0..count, count - 1);
        Some(country)
    }

    /// Does this from within a node's land, with a client of its API.
    pub fn at<T: Send>(&self, node: usize, work: impl FnOnce(&Client) -> T + Send) -> T {
        let client = Client::of(&self.nodes[node].api);
        self.lands[node].inside(|| work(&client))
    }

    /// The same at all of these at once, in order of their numbers.
    pub fn at_all<T: Send>(
        &self,
        nodes: impl Iterator<Item = usize>,
        work: impl Fn(usize, &Client) -> T + Send + Sync,
    ) -> Vec<T> {
        let work = &work;
        thread::scope(|scope| {
            let asked: Vec<_> =
                nodes.map(|node| scope.spawn(move || self.at(node, |client| work(node, client)))).collect();
            asked.into_iter().map(|asked| asked.join().expect("asked")).collect()
        })
    }

    /// Waits until each of these is ready and has so many others in its leaf set.
    #[track_caller]
    pub fn await_leaves(&self, nodes: impl Iterator<Item = usize>, count: usize) {
        for node in nodes {
            self.at(node, |client| {
                let what = format!("node {node} has {count} leaves; it has {:?}", client.leaves());
                until(&what, PATIENCE, || (client.leaves() == Some(count as u64)).then_some(()));
            });
        }
    }

    /// Pulls this node's plug, or puts it in again: with it out, the kernel knows no way to any other node.
    pub fn plug(&self, node: usize, plugged: bool) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let verb = if plugged { "add" } else { "del" };
            self.lands[node].ip(&["addr", verb, &format!("{}/32", address(other)), "dev", "lo"]);
        }
    }
}
