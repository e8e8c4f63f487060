//! Slow arithmetic, done in place.
//!
//! Owns: carrying out a machine's jobs, and what they cost in virtual time.
//! Never does: check one contact's signature twice: a world has few, and repeats them often.

use crate::base::Span;
use crate::identity::Contact;
use crate::overlay::contract::{Job, JobDone};
use std::collections::BTreeSet;

/// Carries out jobs.
#[derive(Debug, Default)]
pub(super) struct Bench {
    sound: BTreeSet<Contact>,
}

impl Bench {
    /// What comes of a job, in a network that asks for this puzzle.
    pub fn carry_out(&mut self, job: Job, puzzle_bits: u32) -> JobDone {
        job.perform(|contact| self.is_sound(contact, puzzle_bits))
    }

    fn is_sound(&mut self, contact: &Contact, puzzle_bits: u32) -> bool {
        if self.sound.contains(contact) {
            return true;
        }
        let sound = contact.check(puzzle_bits).is_ok();
        if sound && self.sound.len() < SOUND_MAX {
            self.sound.insert(contact.clone());
        }
        sound
    }
}

/// How long a worker takes for a job.
pub(super) fn time_for(job: &Job) -> Span {
    match job {
        Job::CheckCards(cards) => SIGNATURE * cards.len() as u64,
        Job::CheckValue { value, .. } => SIGNATURE + Span::from_micros(value.len() as u64 / HASHED_BYTES_PER_US),
        Job::CheckPointer(_) => SIGNATURE * 2,
        Job::CheckReceipts { receipts, .. } => SIGNATURE * receipts.len() as u64,
    }
}

/// Ed25519 verification by `ring` on the machines we measured (2026-11).
const SIGNATURE: Span = Span::from_micros(45);
/// BLAKE3 on one core, roughly. A guess.
const HASHED_BYTES_PER_US: u64 = 1_000;
/// Contacts remembered as sound: more than any world here has nodes and lives.
const SOUND_MAX: usize = 100_000;
