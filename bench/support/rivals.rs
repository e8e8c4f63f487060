//! What would a user pick instead?
//!
//! Owns: the rivals' figures as published with the issue: 2 cores, 50 nodes in one process on loopback,
//! values in memory, nothing on disk. They were not measured in the run they are shown beside.
//! Never does: measure a rival.

/// One rival's figures for one operation.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Who.
    pub system: &'static str,
    /// The phase in our terms.
    pub phase: &'static str,
    /// Operations outstanding.
    pub at_once: usize,
    /// Operations per second.
    pub rate: f64,
    /// Median latency in ms; absent where the table has none.
    pub p50_ms: Option<f64>,
    /// CPU of all nodes per operation in microseconds; absent where the table has none.
    pub cpu_us: Option<f64>,
}

/// The figure of a system for a phase.
pub fn cell(system: &str, phase: &str, at_once: usize) -> Option<&'static Cell> {
    TABLE.iter().find(|cell| cell.system == system && cell.phase == phase && cell.at_once == at_once)
}

/// The systems, in the table's order.
pub const SYSTEMS: [&str; 4] = ["rust-libp2p kad", "OpenDHT", "mainline", "pastry-dht"];

/// Memory per node, in KiB.
pub const MEMORY_KIB: [(&str, f64); 4] =
    [("rust-libp2p kad", 7_475.0), ("OpenDHT", 187.0), ("mainline", 66.0), ("pastry-dht", 82.0)];

/// Said wherever the figures are shown.
pub const NOTE: &str = "Rivals' figures are those published with issue 2 (same kind of machine, 2 cores, 50 nodes in one \
                        process, values in memory only); they were not measured in this run.";

const fn of(system: &'static str, phase: &'static str, at_once: usize, figures: (f64, f64, f64)) -> Cell {
    let (rate, p50_ms, cpu_us) = figures;
    Cell { system, phase, at_once, rate, p50_ms: Some(p50_ms), cpu_us: Some(cpu_us) }
}

const fn rate_only(system: &'static str, phase: &'static str, at_once: usize, rate: f64) -> Cell {
    Cell { system, phase, at_once, rate, p50_ms: None, cpu_us: None }
}

const LIBP2P: &str = SYSTEMS[0];
const OPENDHT: &str = SYSTEMS[1];
const MAINLINE: &str = SYSTEMS[2];
const PASTRY: &str = SYSTEMS[3];

const TABLE: [Cell; 20] = [
    of(LIBP2P, "lookup", 1, (238.0, 4.1, 7_700.0)),
    of(MAINLINE, "lookup", 1, (9.0, 112.0, 2_700.0)),
    of(LIBP2P, "lookup", 64, (278.0, 220.0, 6_300.0)),
    of(MAINLINE, "lookup", 64, (30.0, 2_086.0, 1_500.0)),
    of(LIBP2P, "put", 1, (158.0, 6.3, 11_500.0)),
    of(OPENDHT, "put", 1, (588.0, 1.6, 2_300.0)),
    of(MAINLINE, "put", 1, (9.0, 112.0, 3_700.0)),
    of(PASTRY, "put", 1, (2_508.0, 0.40, 450.0)),
    of(LIBP2P, "put", 64, (217.0, 279.0, 8_400.0)),
    of(OPENDHT, "put", 64, (594.0, 53.0, 1_800.0)),
    rate_only(MAINLINE, "put", 64, 9.0),
    of(PASTRY, "put", 64, (6_628.0, 9.3, 270.0)),
    of(LIBP2P, "get", 1, (1_663.0, 0.59, 1_100.0)),
    of(OPENDHT, "get", 1, (719.0, 1.3, 2_400.0)),
    of(MAINLINE, "get", 1, (80.0, 2.4, 2_400.0)),
    of(PASTRY, "get", 1, (2_205.0, 0.46, 530.0)),
    of(LIBP2P, "get", 64, (2_219.0, 28.0, 840.0)),
    of(OPENDHT, "get", 64, (981.0, 75.0, 2_000.0)),
    rate_only(MAINLINE, "get", 64, 30.0),
    of(PASTRY, "get", 64, (5_942.0, 10.0, 310.0)),
];
