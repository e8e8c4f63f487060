//! Wishes that wait for their result.
//!
//! Owns: a number for each wish, and whom to tell.
//! Never does: lose or repeat a result: each wish is told exactly one.

use super::handle::Done;
use crate::overlay::{Failure, Reply, RequestId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The wishes under way of one node. At most [`WISHES_MAX`].
#[derive(Default)]
pub struct Pending {
    next: AtomicU64,
    waiting: Mutex<HashMap<RequestId, Done>>,
    refused: AtomicU64,
}

impl Pending {
    /// Takes a wish in, and gives it a number; at the limit it is told so at once.
    pub fn open(&self, done: Done) -> Option<RequestId> {
        let request = RequestId(self.next.fetch_add(1, Ordering::Relaxed) + 1);
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WISHES_MAX {
            drop(waiting);
            self.refused.fetch_add(1, Ordering::Relaxed);
            done(Err(Failure::Limit("runtime.wishes_max")));
            return None;
        }
        waiting.insert(request, done);
        Some(request)
    }

    /// Tells a wish its result.
    pub fn close(&self, request: RequestId, result: Result<Reply, Failure>) {
        let done = self.waiting.lock().remove(&request);
        if let Some(done) = done {
            done(result);
        }
    }

    /// Tells all wishes that the node is stopping.
    pub fn close_all(&self) {
        let all = std::mem::take(&mut *self.waiting.lock());
        for done in all.into_values() {
            done(Err(Failure::Stopping));
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were turned away so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Wishes under way at once on one node: a guess, above what a program keeps outstanding.
pub const WISHES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn every_wish_is_told_exactly_one_result() {
        let (pending, (tell, told)) = (Pending::default(), channel());
        for _ in 0..3 {
            let tell = tell.clone();
            pending.open(Box::new(move |result| tell.send(result.err()).expect("heard")));
        }
        pending.close(RequestId(2), Err(Failure::NotFound));
        pending.close(RequestId(2), Err(Failure::NotFound));
        pending.close_all();
        drop(tell);
        let told: Vec<_> = told.iter().flatten().collect();
        assert_eq!(told, [Failure::NotFound, Failure::Stopping, Failure::Stopping]);
        assert!(pending.is_empty());
    }
}
