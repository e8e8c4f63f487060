//! What a lab measures of its nodes.
//!
//! Owns: many lookups at once with their times, agreement on roots, and the state and traffic each node
//! carries, as one value that prints as JSON.
//! Never does: leave a failure out: what did not come back counts as failed.

use super::Lab;
use crate::base::{Chance, Id, Span};
use crate::machine::Reading;
use crate::overlay::{Command, Failure, Reply};
use crate::runtime::host::LocalNode;
use crate::survey::stretch::{Pair, Stretch};
use crate::survey::{Summary, stretch};
use crossbeam::channel::{Receiver, Sender, bounded};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The measured overlay: the JSON of `arras lab --measure stretch --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Nodes in the lab.
    pub nodes: usize,
    /// Lookups asked.
    pub lookups: usize,
    /// Lookups without an answer, or answered by another node than the key's true root.
    pub failed: usize,
    /// Whether every key asked of several nodes had one root, the numerically closest node.
    pub roots_agree: bool,
    /// Hops of the answered lookups; self-rooted ones are left out.
    pub hops: Figures,
    /// Routed round trip over direct round trip; self-rooted lookups are left out.
    pub stretch: Option<Stretch>,
    /// Routed round trips in ms; self-rooted lookups are left out.
    pub lookup_ms: Figures,
    /// Direct round trips between askers and roots in ms.
    pub direct_ms: Figures,
    /// What each node knows, holds open, and costs.
    #[serde(flatten)]
    pub state: State,
    /// What the lookups had the Forwarders do.
    #[serde(flatten)]
    pub carried: Carried,
    /// Self-rooted lookups.
    pub self_rooted: usize,
    /// How long the lookups took in all.
    pub took_s: f64,
    /// Error of the imposed latency over all packets, in ms: median and 90th percentile, worst node.
    pub imposed_error_ms: Option<(f64, f64)>,
    /// What went wrong, by kind, if anything did.
    pub failures: Vec<(String, usize)>,
}

/// What lies behind the figures of [`Measured`]; lookups that failed or were self-rooted are left out.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Routed against direct round trip, where the direct one is known.
    pub pairs: Vec<Pair>,
    /// Hops of each lookup.
    pub hops: Vec<f64>,
}

/// What each node knows, holds open, and costs.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct State {
    /// Nodes each node knows.
    pub contacts_per_node: Figures,
    /// Links each node has.
    pub links_per_node: Figures,
    /// UDP payload each node sent and received per second while lookups ran.
    pub bytes_per_node_s: Figures,
    /// The same while nobody asked anything; absent if that was not measured.
    pub idle_bytes_per_node_s: Option<Figures>,
    /// Resident memory of the whole process.
    pub rss_mib: f64,
}

/// What the lookups had the Forwarders do, all nodes together, per lookup.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Carried {
    /// Messages handed on.
    pub forwarded_per_lookup: f64,
    /// Messages handed on again after a silence.
    pub retried_per_lookup: f64,
    /// Messages handed on by a detour.
    pub detours_per_lookup: f64,
}

/// The usual figures of a distribution.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// One lookup's outcome.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Who asked, by number.
    pub asker: usize,
    /// For which key.
    pub key: Id,
    /// From asking to the answer, on the asker's side.
    pub took: Span,
    /// What came of it: the root and the hops.
    pub result: Result<(Id, u8), Failure>,
}

impl Figures {
    /// The figures of these samples; zeroes if there are none.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Figures {
        Summary::of(samples).map_or_else(Figures::default, |summary| Figures {
            mean: summary.mean,
            p50: summary.p50,
            p90: summary.p90,
            p99: summary.p99,
            max: summary.max,
        })
    }
}

/// Asks these lookups, at most `at_once` under way, and waits for all. `progress` is told how many are
/// done.
pub fn look_up(
    nodes: &[Arc<LocalNode>],
    questions: &[(usize, Id)],
    at_once: usize,
    progress: &mut dyn FnMut(usize),
) -> Vec<Looked> {
    let (tell, told): (Sender<Looked>, Receiver<Looked>) = bounded(at_once.max(1));
    let mut looked = Vec::with_capacity(questions.len());
    let mut under_way = 0;
    for &(asker, key) in questions {
        if under_way >= at_once.max(1)
            && let Ok(done) = told.recv()
        {
            under_way -= 1;
            looked.push(done);
            progress(looked.len());
        }
        under_way += 1;
        let (tell, began) = (tell.clone(), Instant::now());
        let done = move |result: Result<Reply, Failure>| {
            let took = Span::from(began.elapsed());
            let result = result.and_then(|reply| match reply {
                Reply::Root(root) => Ok((root.contact.id(), root.hops)),
                _ => Err(Failure::NotFound),
            });
            // There is room for every lookup under way.
            let _ = tell.send(Looked { asker, key, took, result });
        };
        nodes[asker].wish(Command::Lookup { key, traced: false }, Box::new(done));
    }
    drop(tell);
    for done in told {
        looked.push(done);
        progress(looked.len());
    }
    looked
}

/// Draws askers and keys.
pub fn questions(chance: &mut Chance, nodes: usize, count: usize) -> Vec<(usize, Id)> {
    (0..count).map(|_| (chance.index(nodes), Id::from_bytes(chance.bytes32()))).collect()
}

impl Lab {
    /// Whether every node names the same root for each key, the numerically closest node. Gives the keys
    /// on which they do not, with how many nodes are wrong.
    pub fn disagreements(&self, keys: &[Id], progress: &mut dyn FnMut(usize)) -> Vec<(Id, usize)> {
        let nodes = self.local_nodes();
        let questions: Vec<(usize, Id)> =
            keys.iter().flat_map(|key| (0..nodes.len()).map(move |node| (node, *key))).collect();
        let looked = look_up(&nodes, &questions, AT_ONCE, progress);
        let wrong = |key: &Id| {
            let truth = self.true_root(key);
            let ill = |look: &&Looked| look.key == *key && look.result.as_ref().ok().map(|(root, _)| *root) != truth;
            looked.iter().filter(ill).count()
        };
        keys.iter().map(|key| (*key, wrong(key))).filter(|(_, wrong)| *wrong > 0).collect()
    }

    /// Measures: `lookups` random lookups from random nodes, after `warm_up` unmeasured ones that teach
    /// the nodes what lies ahead; and the roots of `keys` keys asked of every node.
    pub fn measure(
        &mut self,
        lookups: usize,
        warm_up: usize,
        keys: usize,
        progress: &mut dyn FnMut(&str, usize, usize),
    ) -> Measured {
        self.measure_samples(lookups, warm_up, keys, progress).0
    }

    /// As [`Lab::measure`], with the samples behind the figures, for plots.
    pub fn measure_samples(
        &mut self,
        lookups: usize,
        warm_up: usize,
        keys: usize,
        progress: &mut dyn FnMut(&str, usize, usize),
    ) -> (Measured, Samples) {
        let mut chance = self.chance();
        let nodes = self.local_nodes();
        let warm = questions(&mut chance, nodes.len(), warm_up);
        look_up(&nodes, &warm, AT_ONCE, &mut |done| progress("warming up", done, warm_up));
        let keys: Vec<Id> = (0..keys).map(|_| Id::from_bytes(chance.bytes32())).collect();
        let asked = keys.len() * nodes.len();
        let wrong = self.disagreements(&keys, &mut |done| progress("asking for roots", done, asked));
        let asking = questions(&mut chance, nodes.len(), lookups);
        let carried = self.sums(&CARRIED);
        let (before, began) = (self.traffic(), Instant::now());
        let looked = look_up(&nodes, &asking, AT_ONCE, &mut |done| progress("looking up", done, lookups));
        let took = began.elapsed();
        let rates = self.rates_since(&before, took);
        let (mut measured, samples) = self.judge(&looked);
        measured.roots_agree = wrong.is_empty();
        measured.state.bytes_per_node_s = rates;
        measured.took_s = took.as_secs_f64();
        let per_lookup = |index: usize, after: &[f64; 3]| (after[index] - carried[index]) / lookups.max(1) as f64;
        let after = self.sums(&CARRIED);
        measured.carried = Carried {
            forwarded_per_lookup: per_lookup(0, &after),
            retried_per_lookup: per_lookup(1, &after),
            detours_per_lookup: per_lookup(2, &after),
        };
        (measured, samples)
    }

    /// Bytes per node and second while nobody asks anything.
    pub fn measure_idle(&self, span: Duration) -> Figures {
        let (before, began) = (self.traffic(), Instant::now());
        std::thread::sleep(span);
        self.rates_since(&before, began.elapsed())
    }

    /// The nodes, for whoever asks many at once.
    pub fn local_nodes(&self) -> Vec<Arc<LocalNode>> {
        self.nodes().iter().map(|node| node.node.clone()).collect()
    }

    fn judge(&self, looked: &[Looked]) -> (Measured, Samples) {
        let mut pairs: Vec<Pair> = Vec::new();
        let (mut hops, mut times, mut self_rooted) = (Vec::new(), Vec::new(), 0);
        let mut failures: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        let mut fail = |what: String| *failures.entry(what).or_default() += 1;
        let links = self.link_rtts();
        for look in looked {
            match &look.result {
                Err(failure) => fail(failure.to_string()),
                Ok((root, _)) if Some(*root) != self.true_root(&look.key) => fail("wrong root".to_owned()),
                Ok((_, 0)) => self_rooted += 1,
                Ok((root, taken)) => {
                    hops.push(f64::from(*taken));
                    times.push(look.took.as_millis_f64());
                    let to = self.index_of(root);
                    let imposed = to.and_then(|to| self.direct_rtt(look.asker, to));
                    let direct = imposed.or_else(|| links[look.asker].get(root).copied());
                    pairs.extend(direct.map(|direct| Pair { routed: look.took, direct }));
                }
            }
        }
        let states: Vec<_> = self.nodes().iter().filter_map(super::LabNode::status).collect();
        let linked = |peer: &&crate::overlay::router::status::PeerStatus| peer.link_rtt.is_some();
        let measured = Measured {
            nodes: self.nodes().len(),
            lookups: looked.len(),
            failed: failures.values().sum(),
            roots_agree: false,
            hops: Figures::of(hops.iter().copied()),
            stretch: stretch::Stretch::of(&pairs),
            lookup_ms: Figures::of(times),
            direct_ms: Figures::of(pairs.iter().map(|pair| pair.direct.as_millis_f64())),
            state: State {
                contacts_per_node: Figures::of(states.iter().map(|state| state.peers.len() as f64)),
                links_per_node: Figures::of(
                    states.iter().map(|state| state.peers.iter().filter(linked).count() as f64),
                ),
                bytes_per_node_s: Figures::default(),
                idle_bytes_per_node_s: None,
                rss_mib: rss_mib(),
            },
            carried: Carried::default(),
            self_rooted,
            took_s: 0.0,
            imposed_error_ms: self.imposed_error(),
            failures: failures.into_iter().collect(),
        };
        (measured, Samples { pairs, hops })
    }

    /// The smoothed round trips of each node's links: the direct round trip where none is imposed.
    fn link_rtts(&self) -> Vec<std::collections::BTreeMap<Id, Span>> {
        let of = |node: &super::LabNode| {
            let peers = node.status().map(|status| status.peers).unwrap_or_default();
            peers.into_iter().filter_map(|peer| Some((peer.id, peer.link_rtt?))).collect()
        };
        self.nodes().iter().map(of).collect()
    }

    fn imposed_error(&self) -> Option<(f64, f64)> {
        let errors: Vec<(Span, Span)> = self.nodes().iter().filter_map(|node| node.node.lateness()).collect();
        let worst = |errors: &mut dyn Iterator<Item = Span>| errors.max().map(|span| span.as_millis_f64());
        let median = worst(&mut errors.iter().map(|(median, _)| *median))?;
        Some((median, worst(&mut errors.iter().map(|(_, p90)| *p90))?))
    }

    /// Bytes each node has sent and received so far.
    fn traffic(&self) -> Vec<f64> {
        self.nodes().iter().map(|node| sum_of(&node.node.readings(), "net_bytes_total")).collect()
    }

    /// These readings, each summed over all nodes.
    fn sums<const N: usize>(&self, names: &[&str; N]) -> [f64; N] {
        let mut sums = [0.0; N];
        for node in self.nodes() {
            let readings = node.node.readings();
            sums.iter_mut().zip(names).for_each(|(sum, name)| *sum += sum_of(&readings, name));
        }
        sums
    }

    fn rates_since(&self, before: &[f64], span: Duration) -> Figures {
        let now = self.traffic();
        Figures::of(now.iter().zip(before).map(|(now, before)| (now - before) / span.as_secs_f64().max(1e-9)))
    }
}

/// Resident memory of this process in MiB, as the system tells it; 0 where it does not.
pub fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// User and system time of this process so far, in seconds; 0 where the system does not tell.
pub fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted behind the command's closing bracket, in hundredths of a second
    // (USER_HZ is 100 on every Linux).
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

/// A reading of this name, summed over its labels.
pub fn sum_of(readings: &[Reading], name: &str) -> f64 {
    readings.iter().filter(|reading| reading.name == name).map(|reading| reading.value).sum()
}

/// What Forwarders count of the messages they carry.
const CARRIED: [&str; 3] = ["forwarder_forwarded_total", "forwarder_retried_total", "forwarder_detours_total"];
/// Lookups under way at once: enough to be done soon, few enough not to queue at two cores (with 192, debug
/// builds of 40 nodes answered after most of a second).
pub const AT_ONCE: usize = 64;
