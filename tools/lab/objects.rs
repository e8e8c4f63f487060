//! Files placed from some nodes and fetched from others.
//!
//! Owns: the exercise of `arras lab --place`, and its count of what came back wrong.
//! Never does: trust an answer: every byte is compared with the file.

use crate::output::steps;
use arras::base::{Chance, Id};
use arras::runtime::Handle;
use arras::runtime::lab::Lab;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What came of placing and fetching.
#[derive(Debug, Default, Serialize)]
pub struct Objects {
    /// Files placed.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Fetches, each from another node than the placer.
    pub fetches: usize,
    /// Fetches that failed or brought other bytes.
    pub wrong: usize,
    /// Keepers of each object's manifest, fewest.
    pub replicas_min: usize,
    /// Keepers of each object's manifest, mean.
    pub replicas_mean: f64,
    /// Seconds to place all.
    pub place_s: f64,
    /// Seconds to fetch all.
    pub fetch_s: f64,
    /// The first few faults, in words.
    pub faults: Vec<String>,
}

/// Places each file from a node drawn, and fetches it from [`FETCHES`] others.
pub fn exercise(lab: &mut Lab, files: &[PathBuf], quiet: bool) -> Result<Objects, String> {
    let mut chance = lab.chance();
    let handles: Vec<Handle> = lab.local_nodes().into_iter().map(|node| Handle::new(node)).collect();
    let mut objects = Objects { files: files.len(), ..Objects::default() };
    let progress = steps("placing files", files.len(), quiet);
    let began = Instant::now();
    let mut placed: Vec<(usize, Id)> = Vec::new();
    for path in files {
        let from = chance.index(handles.len());
        let file = File::open(path).map_err(|error| said(path, &error))?;
        let done = handles[from].place(&mut BufReader::new(file)).map_err(|error| said(path, &error))?;
        objects.bytes += done.bytes;
        placed.push((from, done.id));
        progress.inc(1);
    }
    objects.place_s = began.elapsed().as_secs_f64();
    progress.set_message("fetching files");
    progress.set_position(0);
    let began = Instant::now();
    for (path, &(placer, id)) in files.iter().zip(&placed) {
        for reader in others(&mut chance, handles.len(), placer) {
            objects.fetches += 1;
            if let Err(fault) = fetch(&handles[reader], id, path) {
                objects.wrong += 1;
                if objects.faults.len() < FAULTS_SHOWN {
                    objects.faults.push(format!("{} from node {reader}: {fault}", path.display()));
                }
            }
        }
        progress.inc(1);
    }
    objects.fetch_s = began.elapsed().as_secs_f64();
    // The root knows its replica set; nodes on the way name only themselves.
    let root = |id: &Id| lab.true_root(id).and_then(|root| lab.index_of(&root));
    let keepers: Vec<usize> =
        placed.iter().map(|(_, id)| root(id).map_or(0, |root| keepers(&handles[root], *id))).collect();
    objects.replicas_min = keepers.iter().copied().min().unwrap_or(0);
    objects.replicas_mean = keepers.iter().sum::<usize>() as f64 / keepers.len().max(1) as f64;
    progress.finish_and_clear();
    Ok(objects)
}

/// Nodes to fetch from: not the placer, unless there is nobody else.
fn others(chance: &mut Chance, nodes: usize, placer: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..nodes).filter(|node| *node != placer || nodes == 1).collect();
    chance.shuffle(&mut all);
    all.truncate(FETCHES);
    all
}

fn keepers(handle: &Handle, id: Id) -> usize {
    handle.locate(id).map_or(0, |holders| holders.len())
}

fn fetch(handle: &Handle, id: Id, path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut comparing = Comparing { original: BufReader::new(file), differs: false };
    handle.fetch_to(id, &mut comparing).map_err(|error| error.to_string())?;
    let mut rest = [0];
    let more = comparing.original.read(&mut rest).map_err(|error| error.to_string())?;
    if comparing.differs || more > 0 { Err("other bytes than were placed".to_owned()) } else { Ok(()) }
}

/// A writer that compares what it gets with a file, so that nothing large is kept.
struct Comparing {
    original: BufReader<File>,
    differs: bool,
}

impl Write for Comparing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut expected = vec![0; bytes.len()];
        match self.original.read_exact(&mut expected) {
            Ok(()) => self.differs |= expected != bytes,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.differs = true,
            Err(error) => return Err(error),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn said(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// Nodes each file is fetched from.
const FETCHES: usize = 2;
/// Faults told in words.
const FAULTS_SHOWN: usize = 5;
