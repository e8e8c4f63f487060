//! How fast is one operation, so many at once?
//!
//! Owns: the closed loop that keeps operations outstanding from one client, in rounds, and the figures of
//! a phase under the names of the rivals' harness.
//! Never does: hide an operation: what failed is counted, and only its latency is left out.

use super::cost::{Snap, round, sig};
use crossbeam::channel::{Sender, bounded};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// One phase to be.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Operations outstanding.
    pub at_once: usize,
    /// How often it is repeated.
    pub rounds: usize,
    /// Most operations in a round.
    pub ops_max: usize,
    /// No operation begins later than this in a round, in seconds.
    pub secs: f64,
}

/// How an operation tells that it is done; from any thread, once.
pub struct Told<T> {
    slot: usize,
    tell: Sender<(usize, T)>,
}

/// One round.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Operations that succeeded.
    pub ops: usize,
    /// From the first issue to the last answer, in seconds.
    pub secs: f64,
    /// Their latencies, in microseconds.
    pub took_us: Vec<f64>,
    /// CPU of the whole process per operation, in microseconds.
    pub cpu_us: f64,
    /// Loopback packets per operation.
    pub packets: f64,
    /// Loopback bytes per operation.
    pub bytes: f64,
    /// CPU share of everyone else.
    pub others: f64,
    /// Datagrams dropped for a full receive buffer.
    pub drops: f64,
}

/// What a phase came to.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Operations outstanding.
    pub at_once: usize,
    /// Its rounds.
    pub rounds: Vec<Round>,
    /// Operations that failed.
    pub errors: usize,
    /// How the first one failed.
    pub first_error: Option<String>,
    /// Further figures.
    pub extra: Map<String, Value>,
}

impl<T> Told<T> {
    /// Tells the result.
    pub fn tell(self, result: T) {
        // There is room for every operation outstanding; nobody hears one that came after the end.
        let _ = self.tell.try_send((self.slot, result));
    }
}

/// Runs a phase: `issue` begins the operation of this number (counted on over the rounds), `check` says
/// whether its result is right. Both run on the calling thread, and the latency ends before the check.
pub fn run<T>(
    spec: &Spec,
    issue: &mut dyn FnMut(usize, Told<T>),
    check: &mut dyn FnMut(usize, T) -> Result<(), String>,
) -> Phase {
    let mut phase = Phase { name: spec.name.clone(), at_once: spec.at_once, ..Phase::default() };
    let mut next = 0;
    for _ in 0..spec.rounds {
        let before = Snap::now();
        let mut done = one_round(spec, &mut next, issue, check, &mut phase);
        std::thread::sleep(SETTLE);
        let cost = before.cost();
        let tried = done.1.max(1) as f64;
        done.0.cpu_us = cost.cpu_us / tried;
        done.0.packets = cost.packets / tried;
        done.0.bytes = cost.bytes / tried;
        done.0.others = cost.others;
        done.0.drops = cost.drops;
        phase.rounds.push(done.0);
    }
    phase
}

/// The round, and how many operations it tried.
fn one_round<T>(
    spec: &Spec,
    next: &mut usize,
    issue: &mut dyn FnMut(usize, Told<T>),
    check: &mut dyn FnMut(usize, T) -> Result<(), String>,
    phase: &mut Phase,
) -> (Round, usize) {
    let (tell, told) = bounded::<(usize, T)>(spec.at_once);
    let mut slots = vec![(0, Instant::now()); spec.at_once];
    let mut free: Vec<usize> = (0..spec.at_once).rev().collect();
    let (mut round, begun) = (Round::default(), Instant::now());
    let (mut issued, mut tried, mut last) = (0, 0, begun);
    loop {
        while issued < spec.ops_max && begun.elapsed().as_secs_f64() < spec.secs {
            let Some(slot) = free.pop() else { break };
            slots[slot] = (*next, Instant::now());
            issue(*next, Told { slot, tell: tell.clone() });
            (*next, issued) = (*next + 1, issued + 1);
        }
        if free.len() == spec.at_once {
            break;
        }
        let Ok((slot, result)) = told.recv_timeout(PATIENCE) else {
            phase.errors += spec.at_once - free.len();
            phase.first_error.get_or_insert_with(|| "no result at all".to_owned());
            break;
        };
        let (number, since) = slots[slot];
        last = Instant::now();
        tried += 1;
        match check(number, result) {
            Ok(()) => round.took_us.push(last.duration_since(since).as_secs_f64() * 1e6),
            Err(fault) => {
                phase.errors += 1;
                phase.first_error.get_or_insert(fault);
            }
        }
        free.push(slot);
    }
    round.ops = round.took_us.len();
    round.secs = last.duration_since(begun).as_secs_f64();
    (round, tried)
}

impl Phase {
    /// Operations that succeeded, over all rounds.
    pub fn ops(&self) -> usize {
        self.rounds.iter().map(|round| round.ops).sum()
    }

    /// Operations per second: the median over the rounds.
    pub fn rate(&self) -> f64 {
        median(&self.each(|round| round.ops as f64 / round.secs.max(1e-9)))
    }

    /// Median latency in microseconds: the median of the rounds' medians.
    pub fn p50_us(&self) -> f64 {
        median(&self.each(|round| percentile(&round.took_us, 50.0)))
    }

    /// 99th percentile in microseconds, over all rounds: one may hold too few samples.
    pub fn p99_us(&self) -> f64 {
        percentile(&self.all_us(), 99.0)
    }

    /// CPU of the whole process per operation in microseconds: the median over the rounds.
    pub fn cpu_us(&self) -> f64 {
        median(&self.each(|round| round.cpu_us))
    }

    /// CPU share of everyone else: the median over the rounds.
    pub fn others(&self) -> f64 {
        median(&self.each(|round| round.others))
    }

    /// Under the names of the rivals' harness.
    pub fn json(&self) -> Value {
        let all = self.all_us();
        let rates = self.each(|round| round.ops as f64 / round.secs.max(1e-9));
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("name", json!(self.name));
        put("concurrency", json!(self.at_once));
        put("rounds", json!(self.rounds.len()));
        put("ops", json!(self.ops()));
        put("errors", json!(self.errors));
        if let Some(fault) = &self.first_error {
            put("first_error", json!(fault));
        }
        put("ops_per_s", json!(sig(self.rate())));
        put("ops_per_s_rounds", json!(rates.iter().map(|rate| sig(*rate)).collect::<Vec<_>>()));
        put("p50_us", json!(sig(self.p50_us())));
        put("p99_us", json!(sig(self.p99_us())));
        put("mean_us", json!(sig(all.iter().sum::<f64>() / all.len().max(1) as f64)));
        put("max_us", json!(sig(all.iter().copied().fold(0.0, f64::max))));
        put("cpu_us_per_op", json!(sig(self.cpu_us())));
        put("lo_packets_per_op", json!(sig(median(&self.each(|round| round.packets)))));
        put("lo_bytes_per_op", json!(sig(median(&self.each(|round| round.bytes)))));
        put("udp_rcvbuf_drops", json!(self.rounds.iter().map(|round| round.drops).sum::<f64>()));
        put("other_cpu_share", json!(round(self.others())));
        object.extend(self.extra.clone());
        Value::Object(object)
    }

    /// Its cells in the table of phases.
    pub fn cells(&self) -> Vec<String> {
        use arras::survey::number::number;
        let of = |figure: fn(&Round) -> f64| number(median(&self.each(figure)));
        vec![
            self.name.clone(),
            self.at_once.to_string(),
            self.ops().to_string(),
            self.errors.to_string(),
            number(self.rate()),
            number(self.p50_us()),
            number(self.p99_us()),
            number(self.cpu_us()),
            of(|round| round.packets),
            of(|round| round.bytes),
            format!("{:.0}", 100.0 * self.others()),
        ]
    }

    /// The headings of that table.
    pub fn headings() -> [&'static str; 11] {
        ["phase", "at once", "ops", "err", "ops/s", "p50 us", "p99 us", "cpu us/op", "pkt/op", "B/op", "others %"]
    }

    fn each(&self, figure: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().filter(|round| round.ops > 0).map(figure).collect()
    }

    fn all_us(&self) -> Vec<f64> {
        self.rounds.iter().flat_map(|round| round.took_us.iter().copied()).collect()
    }
}

/// The middle one, or the mean of the middle two; 0 for none.
pub fn median(values: &[f64]) -> f64 {
    arras::survey::Repeats::of(values.iter().copied()).map_or(0.0, |repeats| repeats.median)
}

/// Nearest rank; 0 for none.
pub fn percentile(samples: &[f64], percent: f64) -> f64 {
    use arras::survey::distribution::{quantile, sorted};
    quantile(&sorted(samples.iter().copied()), percent / 100.0).unwrap_or(0.0)
}

/// Trailing background work is charged to the round that caused it: as long as in the rivals' harness.
const SETTLE: Duration = Duration::from_millis(150);
/// No operation of ours takes longer: the longest patience of a wish is 20 s.
const PATIENCE: Duration = Duration::from_secs(40);
