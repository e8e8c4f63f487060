//! Several wishes at once.
//!
//! Owns: the window of pieces under way, and trying a piece again where that may help.
//! Never does: exceed its size, or wait longer for a piece than the handle's timeout a try.

use super::{Handle, Kept, ObjectError};
use crate::base::Id;
use crate::overlay::{Command, Failure, Reply};
use crate::wire::codec::Blob;
use crate::wire::directory::Refusal;
use crate::wire::object::Value;
use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::collections::BTreeMap;

/// Wishes under way, each with the caller's number for it.
pub(super) struct Window<'a> {
    handle: &'a Handle,
    size: usize,
    /// As many results as wishes are under way at most, so it is bounded by `size`.
    results: (Sender<Outcome>, Receiver<Outcome>),
    under_way: BTreeMap<usize, Wish>,
    /// The number of the next blob put, and bytes kept so far.
    puts: (usize, u64),
}

type Outcome = (usize, Result<Reply, Failure>);

struct Wish {
    piece: Id,
    command: Command,
    tries: u8,
}

impl<'a> Window<'a> {
    pub(super) fn new(handle: &'a Handle, size: usize) -> Window<'a> {
        Window { handle, size, results: unbounded(), under_way: BTreeMap::new(), puts: (0, 0) }
    }

    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < self.size
    }

    /// Starts a wish; the caller has seen that there is room.
    pub(super) fn start(&mut self, number: usize, piece: Id, command: Command) {
        self.send(number, command.clone());
        self.under_way.insert(number, Wish { piece, command, tries: 1 });
    }

    /// The next result, of whichever wish it is.
    pub(super) fn next(&mut self) -> Result<(usize, Reply), ObjectError> {
        loop {
            let (number, failure) = match self.results.1.recv_timeout(self.handle.timeout().into()) {
                Ok((number, Ok(reply))) => {
                    self.under_way.remove(&number);
                    return Ok((number, reply));
                }
                Ok((number, Err(failure))) => (number, failure),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let waiting = self.under_way.first_key_value();
                    let piece = waiting.map_or(Id::ZERO, |(_, wish)| wish.piece);
                    return Err(ObjectError::Piece { piece, failure: Failure::TimedOut });
                }
            };
            let Some(wish) = self.under_way.get_mut(&number) else { continue };
            if wish.tries >= TRIES || !may_pass(&failure) {
                return Err(ObjectError::Piece { piece: wish.piece, failure });
            }
            wish.tries += 1;
            let command = wish.command.clone();
            self.send(number, command);
        }
    }

    /// Puts a blob, waiting for room first.
    pub(super) fn put(&mut self, blob: Bytes, kept: Kept, progress: &mut dyn FnMut(u64)) -> Result<(), ObjectError> {
        while !self.has_room() {
            self.finish_put(progress)?;
        }
        let number = self.puts.0;
        self.puts.0 += 1;
        let piece = Id::hash_of(&blob);
        let Kept { lifetime, replicas } = kept;
        let value = Value::Blob(Blob(blob));
        self.start(number, piece, Command::Put { value, lifetime, replicas, expected: None });
        Ok(())
    }

    /// Waits for all puts under way.
    pub(super) fn drain(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), ObjectError> {
        while !self.under_way.is_empty() {
            self.finish_put(progress)?;
        }
        Ok(())
    }

    fn finish_put(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), ObjectError> {
        let sizes: BTreeMap<usize, u64> = self
            .under_way
            .iter()
            .filter_map(|(number, wish)| match &wish.command {
                Command::Put { value, .. } => Some((*number, value.len() as u64)),
                _ => None,
            })
            .collect();
        let (number, _) = self.next()?;
        self.puts.1 += sizes.get(&number).copied().unwrap_or(0);
        progress(self.puts.1);
        Ok(())
    }

    fn send(&self, number: usize, command: Command) {
        let results = self.results.0.clone();
        // Nobody waiting any more is fine.
        self.handle.port().wish(command, Box::new(move |result| drop(results.send((number, result)))));
    }
}

/// Whether the same wish may be fulfilled a moment later.
fn may_pass(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::TimedOut
            | Failure::NoRoute { .. }
            | Failure::Silence { .. }
            | Failure::Limit(_)
            | Failure::Refused(
                Refusal::Busy
                    | Refusal::NotReady
                    | Refusal::Disk
                    | Refusal::TooFewReplicas { .. }
                    | Refusal::Share { .. }
            )
    )
}

/// Tries for each piece: one lost piece of thousands must not cost the whole. A guess.
const TRIES: u8 = 3;
