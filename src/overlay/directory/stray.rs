//! Copies whose place is out of sight.
//!
//! Owns: finding values kept here that lie where this node's leaf set does not reach, as after many nodes joined at once, and
//! bringing them home: each is put again as a client would put it, and then this node's copy goes.
//! Never does: judge who must have it, which this node cannot know: its root does.

use super::Directory;
use super::away::ReadThen;
use super::ground::Counter;
use super::put::PutWork;
use super::values::Entry;
use super::wishes::Work;
use crate::base::Id;
use crate::overlay::contract::{Failure, Reply};
use crate::wire::directory::Refusal;
use crate::wire::object::Value;

impl Directory {
    /// Whether this value is kept for others in a place this node sees no more.
    pub(super) fn is_stray(&self, object: &Id, entry: &Entry) -> bool {
        let view = &self.ground.view;
        let is_out_of_sight = view.ready && !view.covers(object) && self.leaving.is_none();
        is_out_of_sight && entry.is_live_replica(self.ground.now) && !entry.is_published()
    }

    /// Begins to bring this value home, unless that is under way; `false` if it must wait, for room or for its bytes.
    pub(super) fn bring_home(&mut self, object: Id, bytes: u64) -> bool {
        if self.repair.strays.contains(&object) {
            return true;
        }
        let has_room = self.repair.strays.len() < STRAYS_AT_ONCE && self.wishes.len() < self.ground.limits.wishes / 2;
        if !has_room || !self.may_push(bytes) {
            return false;
        }
        self.repair.strays.insert(object);
        match self.cache.touch(&object) {
            Some(value) => self.on_read_to_bring_home(object, Some(value)),
            None => self.read(object, ReadThen::BringHome),
        }
        true
    }

    /// It was read.
    pub(super) fn on_read_to_bring_home(&mut self, object: Id, value: Option<Value>) {
        let remaining = self.values.get(&object).map(|entry| entry.remaining(self.ground.now));
        let (Some(value), Some(remaining)) = (value, remaining) else {
            _ = self.repair.strays.remove(&object);
            return;
        };
        let lifetime = self.ground.limits.lifetime(remaining);
        let number = self.add_wish(None, object, Work::Put(PutWork::new(lifetime, 0, None)));
        self.put_start(number, value);
    }

    /// What became of it.
    pub(super) fn on_brought_home(&mut self, object: &Id, version: u64, result: &Result<Reply, Failure>) {
        self.repair.strays.remove(object);
        let Some(entry) = self.values.get(object).cloned() else { return };
        if !self.is_stray(object, &entry) {
            return; // Its place is in sight again: repair knows what is owed.
        }
        let me = self.ground.key.public();
        let is_home = match result {
            // The root may see this node where this node does not see itself.
            Ok(Reply::Stored { receipts, .. }) => receipts.iter().all(|receipt| receipt.keeper != me),
            Err(Failure::Refused(Refusal::Stale { .. })) => true,
            _ => false,
        };
        if is_home && entry.version <= version && self.forget(object) {
            return self.ground.tally.count(Counter::Repairs, "brought_home");
        }
        self.ground.tally.count(Counter::Repairs, "not_brought_home");
        self.ask_again(object);
    }
}

/// Values brought home at once. A guess: as many as repair pushes.
pub(super) const STRAYS_AT_ONCE: usize = 16;
