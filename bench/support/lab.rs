//! How does a bench get an overlay?
//!
//! Owns: reading the carried matrices, starting a lab and waiting until it is settled, and the values
//! that are put into it.
//! Never does: measure.

use super::{Fault, output};
use arras::base::{Chance, Span};
use arras::runtime::host::{NodeTuning, Threads};
use arras::runtime::lab::{Lab, LabSetup};
use arras::survey::{LatencyMatrix, Missing};
use arras::wire::Blob;
use arras::wire::object::Value;
use std::path::Path;
use std::time::Duration;

/// A lab, and the folder its stores live in, which goes with it.
pub struct BenchLab {
    /// The lab.
    pub lab: Lab,
    _dir: tempfile::TempDir,
}

/// What a lab is to be.
pub struct Plan {
    /// Nodes.
    pub nodes: usize,
    /// Latencies to impose.
    pub matrix: Option<LatencyMatrix>,
    /// Draws everything.
    pub seed: u64,
    /// The nodes' choices.
    pub tuning: NodeTuning,
}

impl Plan {
    /// Starts it and waits until all nodes are ready.
    pub fn start(self) -> Result<BenchLab, Fault> {
        let dir = output::scratch()?;
        let setup = LabSetup {
            nodes: self.nodes,
            matrix: self.matrix,
            seed: self.seed,
            tuning: self.tuning,
            dir: dir.path().to_path_buf(),
            threads: Threads { objects: 1, storage: STORAGE_THREADS },
        };
        let lab = Lab::start(setup, &mut |_| {})?;
        lab.await_ready(READY_PATIENCE, &mut |_| {})?;
        Ok(BenchLab { lab, _dir: dir })
    }
}

/// These choices of leaf set and link budget; otherwise the defaults.
pub fn tuning(leaf_set_per_side: usize, link_budget: usize) -> NodeTuning {
    let mut tuning = NodeTuning::default();
    tuning.router.leaf_set_per_side = leaf_set_per_side;
    tuning.router.link_budget = link_budget;
    tuning
}

/// The carried matrix of this name.
pub fn matrix(name: &str) -> Result<LatencyMatrix, Fault> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/data");
    let file = format!("{name}.u32le.gz");
    let bytes = std::fs::read(data.join(&file))?;
    let sidecar = std::fs::read(data.join(format!("{name}.json")))?;
    Ok(LatencyMatrix::from_file(&file, &bytes, Some(&sidecar), Missing::Refuse)?)
}

/// The value of this number: from the number alone, so that whoever gets it can check it.
pub fn value(seed: u64, number: u64, bytes: usize) -> Value {
    let mut chance = Chance::from_seed(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95));
    let mut content = Vec::with_capacity(bytes + 32);
    while content.len() < bytes {
        content.extend_from_slice(&chance.bytes32());
    }
    content.truncate(bytes);
    Value::Blob(Blob::from(content))
}

/// How long the values of a bench are kept.
pub const LIFETIME: Span = Span::from_hours(1);
/// A lab that is not ready by then has failed.
const READY_PATIENCE: Duration = Duration::from_secs(120);
/// Disks of different nodes do not wait for each other: a put has four of them write.
const STORAGE_THREADS: usize = 4;
