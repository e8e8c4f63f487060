//! The power fails at any instant.
//!
//! Owns: a disk that keeps only what was synced for certain, and of the rest any part in sectors; the test that a store on it
//! keeps what it has promised, and of an unfinished batch all or nothing.
//! Never does: run outside of tests.

use super::tests::{NOW, blob, done, keep, loaded, pointer};
use super::*;
use crate::base::{Chance, Span};
use parking_lot::Mutex;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A disk in memory, shared by all that open it one after another.
#[derive(Clone, Debug, Default)]
struct Platter(Arc<Mutex<Surface>>);

#[derive(Debug, Default)]
struct Surface {
    /// What was synced.
    stable: Vec<u8>,
    /// What the system shows: with all that was written since.
    shown: Vec<u8>,
    /// Written since the last sync, in order.
    unsynced: Vec<Change>,
    /// Changes and syncs until the power fails; `None` is never.
    left: Option<u64>,
    /// Changes and syncs so far.
    used: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Surface {
    fn spend(&mut self) -> io::Result<()> {
        self.used += 1;
        match &mut self.left {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The power is back. Of what was not synced each sector is there or not: disks write in any order.
    fn reboot(&mut self, chance: &mut Chance) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Length(length) => {
                    if chance.happens(0.5) {
                        self.stable.resize(length.max(self.stable.len()), 0);
                    }
                }
                Change::Bytes(offset, bytes) => {
                    for (sector, part) in bytes.chunks(SECTOR).enumerate() {
                        let from = offset + sector * SECTOR;
                        if chance.happens(0.5)
                            && let Some(there) = self.stable.get_mut(from..from + part.len())
                        {
                            there.copy_from_slice(part);
                        }
                    }
                }
            }
        }
        self.shown = self.stable.clone();
        self.left = None;
    }
}

impl StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().shown.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let surface = self.0.lock();
        let from = offset as usize;
        let there = surface.shown.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(there);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut surface = self.0.lock();
        surface.spend()?;
        surface.shown.resize(len as usize, 0);
        surface.unsynced.push(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut surface = self.0.lock();
        surface.spend()?;
        surface.unsynced.clear();
        surface.stable = surface.shown.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut surface = self.0.lock();
        surface.spend()?;
        let from = offset as usize;
        let Some(there) = surface.shown.get_mut(from..from + data.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        there.copy_from_slice(data);
        surface.unsynced.push(Change::Bytes(from, data.to_vec()));
        Ok(())
    }
}

impl Platter {
    fn store(&self) -> Result<Store, StoreError> {
        let platter = self.clone();
        let opener = move |_: &Path| Builder::new().set_cache_size(1 << 20).create_with_backend(platter.clone());
        Store::open_with(PathBuf::from("a platter"), Box::new(opener))
    }
}

/// What is in a store: values by id, and the roots of pointers.
type Content = BTreeMap<Id, bool>;

/// The batches of one run, the same for every cut: values small and of several pieces, pointers, and drops of both.
fn batches() -> Vec<Vec<DiskOp>> {
    let large = Value::Blob(crate::wire::codec::Blob::from(vec![9; 3 * row::PIECE_BYTES]));
    let claim = |root| DiskOp::KeepPointer { root, pointer: pointer(1, Id::MAX), remaining: Span::from_hours(1) };
    vec![
        vec![keep(&blob("one"), 99), keep(&blob("two"), 99), claim(Id::ZERO)],
        vec![keep(&large, 99)],
        vec![DiskOp::DropValue { object: blob("one").id() }, keep(&blob("three"), 99)],
        vec![claim(Id::MAX), DiskOp::DropPointer { root: Id::ZERO, holder: pointer(1, Id::MAX).holder.id() }],
        vec![DiskOp::DropValue { object: large.id() }, keep(&blob("four"), 99)],
    ]
}

fn after(mut content: Content, batch: &[DiskOp]) -> Content {
    for op in batch {
        match op {
            DiskOp::KeepValue { value, .. } => drop(content.insert(value.id(), true)),
            DiskOp::KeepPointer { root, .. } => drop(content.insert(*root, false)),
            DiskOp::DropValue { object } => drop(content.remove(object)),
            DiskOp::DropPointer { root, .. } => drop(content.remove(root)),
            _ => {}
        }
    }
    content
}

/// All that is there, each value read and found sound.
fn content(store: &mut Store) -> Content {
    let found = loaded(store, NOW).into_iter().map(|stored| match stored {
        Stored::Value { object, .. } => (object, true),
        Stored::Pointer { root, .. } => (root, false),
    });
    let found: Content = found.collect();
    for object in found.iter().filter(|(_, is_value)| **is_value).map(|(object, _)| *object) {
        let read = done(store, vec![DiskOp::ReadValue { object }]).pop();
        assert!(matches!(read, Some(DiskDone::Read(Some(_)))), "{object}: {read:?}");
    }
    found
}

/// Begins a store (`tests.rs` sees to beginnings that are interrupted) and runs until the power fails after so many changes
/// and syncs, if it does. Gives what was promised, what else may be there, and how many changes and syncs there were.
fn run(platter: &Platter, left: Option<u64>) -> (Content, Content, u64) {
    let mut store = platter.store().expect("opens");
    let used = platter.0.lock().used;
    platter.0.lock().left = left;
    let mut promised = Content::new();
    for batch in batches() {
        let next = after(promised.clone(), &batch);
        let reports = done(&mut store, batch);
        if reports.iter().any(|report| matches!(report, DiskDone::Failed(_))) {
            assert!(reports.iter().all(|report| matches!(report, DiskDone::Failed(_))), "{reports:?}");
            return (promised, next, platter.0.lock().used - used);
        }
        promised = next;
    }
    drop(store);
    let used = platter.0.lock().used - used;
    (promised.clone(), promised, used)
}

#[test]
fn what_was_promised_is_there_whenever_the_power_fails_and_a_batch_is_whole_or_not_at_all() {
    let whole = Platter::default();
    let (all, _, steps) = run(&whole, None);
    assert_eq!(content(&mut whole.store().expect("opens")), all);
    assert!(steps > 20, "{steps} changes and syncs");
    let mut failed = 0;
    for left in 0..steps {
        for seed in 0..REBOOTS {
            let platter = Platter::default();
            let (promised, next, _) = run(&platter, Some(left));
            failed += usize::from(promised != all);
            platter.0.lock().reboot(&mut Chance::from_seed(left * REBOOTS + seed));
            let mut store = platter.store().unwrap_or_else(|error| panic!("after {left} steps, seed {seed}: {error}"));
            let found = content(&mut store);
            assert!(found == promised || found == next, "after {left} steps, seed {seed}: {found:?}");
            let late = blob("afterwards");
            assert!(matches!(done(&mut store, vec![keep(&late, 99)])[..], [DiskDone::Kept]), "it is of use again");
        }
    }
    assert!(failed > 20, "in {failed} runs the power failed before all was promised");
}

/// The least that a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Ways in which the disk is found for each instant at which the power fails.
const REBOOTS: u64 = 4;
