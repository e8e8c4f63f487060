//! A disk in memory.
//!
//! Owns: what a node has on stable storage, how long its disk takes, and the faults of disks.
//! Never does: keep what was not acknowledged: an operation takes effect when its answer goes out, so
//! that a crash before loses it and a crash after does not.

use crate::base::{Id, Instant, Span};
use crate::overlay::contract::{DiskDone, DiskFault, DiskOp, Stored, Terms};
use crate::wire::object::{Pointer, Value};
use std::collections::BTreeMap;

/// One node's disk. It outlives the node's crashes.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    values: BTreeMap<Id, KeptValue>,
    pointers: BTreeMap<(Id, Id), KeptPointer>,
    /// What is wrong with it.
    pub weather: DiskWeather,
}

/// What is wrong with a disk, if anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiskWeather {
    /// No space left: nothing new is kept.
    pub full: bool,
    /// Every operation fails.
    pub failing: bool,
    /// How many times longer than a sound disk it takes.
    pub slowness: f64,
}

#[derive(Clone, Debug)]
struct KeptValue {
    value: Value,
    terms: Terms<Instant>,
    /// Whether the bytes are still those that were written.
    is_sound: bool,
}

#[derive(Clone, Debug)]
struct KeptPointer {
    pointer: Pointer,
    expires: Instant,
}

impl KeptValue {
    fn is_live(&self, now: Instant) -> bool {
        self.terms.is_running(now)
    }
}

impl Disk {
    /// Does it, at this moment.
    pub(super) fn carry_out(&mut self, now: Instant, op: DiskOp) -> DiskDone {
        if self.weather.failing {
            return DiskDone::Failed(DiskFault::Io("input/output error".to_owned()));
        }
        if self.weather.full && op.adds() {
            return DiskDone::Failed(DiskFault::Full);
        }
        match op {
            DiskOp::KeepValue { value, terms } => {
                let object = value.id();
                let kept = KeptValue { value, terms: terms.map(|span| now + span), is_sound: true };
                self.values.insert(object, kept);
                DiskDone::Kept
            }
            DiskOp::SetTerms { object, terms } => {
                if let Some(kept) = self.values.get_mut(&object) {
                    kept.terms = terms.map(|span| now + span);
                }
                DiskDone::Kept
            }
            DiskOp::KeepPointer { root, pointer, remaining } => {
                let holder = pointer.holder.id();
                self.pointers.insert((root, holder), KeptPointer { pointer, expires: now + remaining });
                DiskDone::Kept
            }
            DiskOp::ExtendPointers { holder, rows } => {
                for (root, remaining) in rows {
                    if let Some(kept) = self.pointers.get_mut(&(root, holder.id())) {
                        kept.expires = now + remaining;
                        kept.pointer.adopt(&holder);
                    }
                }
                DiskDone::Kept
            }
            DiskOp::DropValue { object } => {
                self.values.remove(&object);
                DiskDone::Dropped
            }
            DiskOp::DropPointer { root, holder } => {
                self.pointers.remove(&(root, holder));
                DiskDone::Dropped
            }
            DiskOp::ReadValue { object } => {
                let kept = self.values.get(&object).filter(|kept| kept.is_live(now) && kept.is_sound);
                DiskDone::Read(kept.map(|kept| kept.value.clone()))
            }
        }
    }

    /// All that was kept is gone.
    pub(super) fn wipe(&mut self) {
        self.values.clear();
        self.pointers.clear();
    }

    /// How long this takes.
    pub(super) fn time_for(&self, op: &DiskOp) -> Span {
        let sound = match op {
            DiskOp::ReadValue { .. } => READ,
            DiskOp::ExtendPointers { rows, .. } => WRITE + ROW * rows.len() as u64,
            _ => WRITE,
        };
        sound.scaled(self.weather.slowness)
    }

    /// All that is there and has not expired, as a start finds it.
    pub(super) fn load(&self, now: Instant) -> Vec<Stored> {
        let values = self.values.iter().filter(|(_, kept)| kept.is_live(now)).map(|(object, kept)| Stored::Value {
            object: *object,
            version: kept.value.version(),
            bytes: kept.value.len() as u64,
            terms: kept.terms.running(now).map(|until| now.until(until)),
        });
        let pointers = self.pointers.iter().filter(|(_, kept)| kept.expires > now);
        let pointers = pointers.map(|((root, _), kept)| Stored::Pointer {
            root: *root,
            pointer: Box::new(kept.pointer.clone()),
            remaining: now.until(kept.expires),
        });
        values.chain(pointers).collect()
    }

    /// All values that are kept at this moment and sound: id and bytes.
    pub fn sound(&self, now: Instant) -> impl Iterator<Item = (&Id, u64)> {
        let sound = self.values.iter().filter(move |(_, kept)| kept.is_live(now) && kept.is_sound);
        sound.map(|(object, kept)| (object, kept.value.len() as u64))
    }

    /// Damages the copy of this object: only who reads it will know. Says whether there is one.
    pub(super) fn damage(&mut self, object: &Id) -> bool {
        let kept = self.values.get_mut(object);
        kept.map(|kept| kept.is_sound = false).is_some()
    }

    /// The version of what is kept of this object, and sound, at this moment, and for what it is.
    pub fn holds(&self, object: &Id, now: Instant) -> Option<(u64, Terms<Instant>)> {
        let kept = self.values.get(object).filter(|kept| kept.is_live(now) && kept.is_sound)?;
        Some((kept.value.version(), kept.terms.running(now)))
    }

    /// Whether a holder's claim under this root is there at this moment: not withdrawn, not expired.
    pub fn points(&self, root: &Id, holder: &Id, now: Instant) -> bool {
        let kept = self.pointers.get(&(*root, *holder));
        kept.is_some_and(|kept| kept.expires > now && !kept.pointer.withdraws())
    }

    /// How many values and pointers there are, expired ones included.
    pub fn len(&self) -> (usize, usize) {
        (self.values.len(), self.pointers.len())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.pointers.is_empty()
    }
}

impl Default for DiskWeather {
    fn default() -> DiskWeather {
        DiskWeather { full: false, failing: false, slowness: 1.0 }
    }
}

/// A durable write: redb on the machines we measured, 220 us (2026-11).
const WRITE: Span = Span::from_micros(220);
/// A further row in the same transaction: 35,700 small puts a second in batches (issue 2), so 28 us.
const ROW: Span = Span::from_micros(28);
/// A read, mostly from the page cache. A guess.
const READ: Span = Span::from_micros(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Blob;

    fn keep(text: &str) -> (Id, DiskOp) {
        let value = Value::Blob(Blob::from(text.as_bytes().to_vec()));
        (value.id(), DiskOp::KeepValue { value, terms: Terms::replica(Span::from_secs(10)) })
    }

    #[test]
    fn a_disk_keeps_until_the_lifetime_is_over() {
        let mut disk = Disk::default();
        let (object, op) = keep("x");
        assert!(matches!(disk.carry_out(Instant::ORIGIN, op), DiskDone::Kept));
        let (soon, late) = (Instant::ORIGIN + Span::from_secs(9), Instant::ORIGIN + Span::from_secs(10));
        assert!(matches!(disk.carry_out(soon, DiskOp::ReadValue { object }), DiskDone::Read(Some(_))));
        assert_eq!(disk.load(soon).len(), 1);
        assert!(matches!(disk.carry_out(late, DiskOp::ReadValue { object }), DiskDone::Read(None)));
        assert_eq!((disk.load(late).len(), disk.holds(&object, late)), (0, None));
    }

    #[test]
    fn a_damaged_value_is_found_by_reading_it_and_mended_by_writing_it() {
        let mut disk = Disk::default();
        let (object, op) = keep("x");
        assert!(!disk.damage(&object));
        disk.carry_out(Instant::ORIGIN, op.clone());
        assert!(disk.damage(&object) && disk.load(Instant::ORIGIN).len() == 1);
        assert!(matches!(disk.carry_out(Instant::ORIGIN, DiskOp::ReadValue { object }), DiskDone::Read(None)));
        assert_eq!((disk.holds(&object, Instant::ORIGIN), disk.sound(Instant::ORIGIN).count()), (None, 0));
        disk.carry_out(Instant::ORIGIN, op);
        assert!(matches!(disk.carry_out(Instant::ORIGIN, DiskOp::ReadValue { object }), DiskDone::Read(Some(_))));
        assert_eq!(disk.sound(Instant::ORIGIN).map(|(_, bytes)| bytes).sum::<u64>(), 1);
    }

    #[test]
    fn a_full_disk_still_reads_and_drops() {
        let mut disk = Disk::default();
        let (object, op) = keep("x");
        disk.carry_out(Instant::ORIGIN, op);
        disk.weather.full = true;
        let done = disk.carry_out(Instant::ORIGIN, keep("y").1);
        assert!(matches!(done, DiskDone::Failed(DiskFault::Full)));
        assert!(matches!(disk.carry_out(Instant::ORIGIN, DiskOp::ReadValue { object }), DiskDone::Read(Some(_))));
        assert!(matches!(disk.carry_out(Instant::ORIGIN, DiskOp::DropValue { object }), DiskDone::Dropped));
        assert!(disk.is_empty());
    }
}
