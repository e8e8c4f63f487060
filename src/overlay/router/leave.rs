//! Farewells.
//!
//! Owns: this node's leaving, and what others' leaving changes here.
//! Never does: hand over objects: the shards have done so before.

use super::own::Turn;
use super::peers::Peer;
use super::{Join, Router};
use crate::base::Id;
use crate::overlay::contract::Effect;
use crate::wire::{Card, Membership};

impl Router {
    /// Says farewell to everybody linked. Afterwards nothing is done any more.
    pub(super) fn leave(&mut self, t: &mut Turn) {
        if matches!(self.join, Join::Gone) {
            return t.out.push(Effect::Left);
        }
        let heirs = self.cards(t.now, self.ring.all.iter().collect());
        let linked: Vec<Id> = self.peers.linked().map(Peer::id).collect();
        for id in linked {
            t.tell(id, Membership::Leaving { heirs: heirs.clone() });
        }
        self.save_contacts(t);
        self.join = Join::Gone;
        self.own.due = Default::default();
        self.publish(t);
        t.out.push(Effect::Left);
    }

    /// A node leaves: it goes at once, and those it names may take its place.
    pub(super) fn on_leaving(&mut self, t: &mut Turn, from: Id, heirs: Vec<Card>) {
        self.bury(t, &from, "left");
        self.review_ring(t);
        self.consider(t, heirs, false);
    }
}
