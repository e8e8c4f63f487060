//! What did that cost the machine?
//!
//! Owns: snapshots of this process's CPU time, the loopback device and the machine, and their differences.
//! Never does: sample while something runs: two snapshots, one subtraction.

use arras::survey::plot::Better;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// The state of the machine at one moment, as the system tells it; zeroes where it does not.
#[derive(Clone, Copy, Debug)]
pub struct Snap {
    at: Instant,
    /// User and system time of all threads of this process, in microseconds.
    cpu_us: f64,
    /// Busy time of all cores, in microseconds, in steps of 10 ms.
    busy_us: f64,
    /// Time the hypervisor gave to others, in microseconds.
    stolen_us: f64,
    packets: f64,
    bytes: f64,
    drops: f64,
}

/// What happened between two snapshots.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// How long it was.
    pub secs: f64,
    /// CPU of this process, in microseconds.
    pub cpu_us: f64,
    /// CPU of everyone else and stolen time, as a share of the whole machine, 0 to 1.
    pub others: f64,
    /// Packets over the loopback device, whoever sent them.
    pub packets: f64,
    /// Bytes of them, headers included.
    pub bytes: f64,
    /// Datagrams the system dropped since a receive buffer was full.
    pub drops: f64,
}

impl Snap {
    /// Now.
    pub fn now() -> Snap {
        let stat = read("/proc/stat");
        let ticks: Vec<f64> = numbers(stat.lines().next().unwrap_or_default()).collect();
        let tick = |index: usize| ticks.get(index).copied().unwrap_or(0.0) * TICK_US;
        let devices = read("/proc/net/dev");
        let loopback = devices.lines().find_map(|line| line.trim_start().strip_prefix("lo:")).unwrap_or_default();
        let loopback: Vec<f64> = numbers(loopback).collect();
        Snap {
            at: Instant::now(),
            cpu_us: cpu_us(),
            busy_us: [0, 1, 2, 5, 6].into_iter().map(tick).sum(),
            stolen_us: tick(7),
            packets: loopback.get(1).copied().unwrap_or(0.0),
            bytes: loopback.first().copied().unwrap_or(0.0),
            drops: receive_drops(&read("/proc/net/snmp")),
        }
    }

    /// What happened since.
    pub fn cost(&self) -> Cost {
        let now = Snap::now();
        let secs = now.at.duration_since(self.at).as_secs_f64();
        let cpu_us = (now.cpu_us - self.cpu_us).max(0.0);
        let all = now.busy_us - self.busy_us + now.stolen_us - self.stolen_us;
        let whole = secs * 1e6 * cores() as f64;
        Cost {
            secs,
            cpu_us,
            others: if whole > 0.0 { ((all - cpu_us) / whole).clamp(0.0, 1.0) } else { 0.0 },
            packets: now.packets - self.packets,
            bytes: now.bytes - self.bytes,
            drops: now.drops - self.drops,
        }
    }
}

impl Cost {
    /// As the cost of doing nothing is told.
    pub fn idle_json(&self) -> Value {
        json!({
            "secs": round(self.secs),
            "cpu_ms_per_s": sig(self.cpu_us / 1e3 / self.secs),
            "lo_packets_per_s": sig(self.packets / self.secs),
            "lo_bytes_per_s": sig(self.bytes / self.secs),
        })
    }
}

/// What nobody doing anything costs for so long.
pub fn idle(span: Duration) -> Cost {
    let before = Snap::now();
    std::thread::sleep(span);
    before.cost()
}

/// CPU time of all living threads of this process, in microseconds.
pub fn cpu_us() -> f64 {
    threads().iter().map(|thread| thread.cpu_us).sum()
}

/// CPU time so far of the threads of this name, in microseconds. Linux keeps 15 characters of a name.
pub fn thread_cpu_us(name: &str) -> f64 {
    threads().iter().filter(|thread| thread.name == name).map(|thread| thread.cpu_us).sum()
}

/// CPU time by thread name, most first, in microseconds.
pub fn by_thread() -> Vec<(String, f64)> {
    let mut sums: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    for thread in threads() {
        *sums.entry(thread.name).or_default() += thread.cpu_us;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums
}

/// How many threads this process has.
pub fn thread_count() -> usize {
    threads().len()
}

/// Peak resident memory in MiB.
pub fn peak_mib() -> f64 {
    let status = read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Cores there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// The load averages.
pub fn load() -> String {
    read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The machine and the moment, as every result file begins.
pub fn environment() -> Value {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let devices = read("/proc/net/dev");
    json!({
        "unix_time": since.map_or(0, |since| since.as_secs()),
        "cores": cores(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "loadavg_start": load(),
        "only_loopback_device": devices.lines().skip(2).all(|line| line.trim_start().starts_with("lo:")),
        "receive_buffer_max_kib": read("/proc/sys/net/core/rmem_max").trim().parse::<f64>().unwrap_or(0.0) / 1024.0,
    })
}

/// Four significant digits: keeps JSON readable without hiding small figures.
pub fn sig(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// Two decimals.
pub fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Whether a figure is at least as good as its bar.
pub fn meets(value: f64, bar: f64, better: Better) -> bool {
    match better {
        Better::Higher => value >= bar,
        Better::Lower => value <= bar,
        Better::Neither => true,
    }
}

struct Thread {
    name: String,
    cpu_us: f64,
}

/// The scheduler's own account (`schedstat`, nanoseconds); `stat` has steps of 10 ms only.
fn threads() -> Vec<Thread> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let of = |task: fs::DirEntry| {
        let path = task.path();
        let name = fs::read_to_string(path.join("comm")).ok()?.trim().to_owned();
        let account = fs::read_to_string(path.join("schedstat")).ok();
        let exact = account.and_then(|account| numbers(&account).next()).map(|nanos| nanos / 1e3);
        let coarse = || fs::read_to_string(path.join("stat")).ok().map(|stat| stat_cpu_us(&stat));
        Some(Thread { name, cpu_us: exact.or_else(coarse)? })
    };
    tasks.filter_map(Result::ok).filter_map(of).collect()
}

/// Fields 14 and 15 of `stat`, counted behind the command's closing bracket.
pub fn stat_cpu_us(stat: &str) -> f64 {
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * TICK_US
}

/// `RcvbufErrors` of UDP: a line of names, and one of values below it.
pub fn receive_drops(snmp: &str) -> f64 {
    let mut udp = snmp.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (udp.next().unwrap_or_default(), udp.next().unwrap_or_default());
    let column = names.split_whitespace().position(|name| name == "RcvbufErrors");
    column.and_then(|column| values.split_whitespace().nth(column)?.parse().ok()).unwrap_or(0.0)
}

fn numbers(line: &str) -> impl Iterator<Item = f64> + '_ {
    line.split_whitespace().filter_map(|word| word.parse().ok())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// USER_HZ is 100 on every Linux.
const TICK_US: f64 = 10_000.0;
