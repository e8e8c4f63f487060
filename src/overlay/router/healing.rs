//! The way back.
//!
//! Owns: knocking while nobody is linked: saved contacts, seeds, nodes once known, the dead; and knocking
//! on the dead while others are.
//! Never does: give up. No state here is terminal.

use super::graveyard::knocks_apart;
use super::own::{Due, Turn};
use super::peers::{Link, Peer};
use super::{Join, Router};
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::Effect;
use crate::wire::Card;
use std::net::SocketAddr;
use std::sync::Arc;

/// Whom to knock on when alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Healing {
    seeds: Vec<SocketAddr>,
    next_seed: usize,
    /// Where in the list of known and dead nodes the next knock is.
    next_known: usize,
    pause: Option<Span>,
    /// When one that came back was asked last.
    asked_at: Option<Instant>,
}

impl Router {
    /// Begins.
    pub(super) fn start(&mut self, t: &mut Turn, saved: Vec<Card>, seeds: Vec<SocketAddr>) {
        if !matches!(self.join, Join::Unstarted) {
            return;
        }
        self.own.started = t.now;
        self.healing.seeds = seeds;
        self.healing.seeds.truncate(SEEDS_MAX);
        let alone = saved.is_empty() && self.healing.seeds.is_empty();
        self.join = Join::Knocking;
        if alone && self.own.is_client() {
            return;
        }
        if alone {
            return self.become_ready(t);
        }
        self.consider(t, saved, true);
        self.knock_when_alone(t);
    }

    /// Nobody is linked: somebody is knocked on at once, and again and again.
    pub(super) fn knock_when_alone(&mut self, t: &mut Turn) {
        if self.peers.links() == 0 && !matches!(self.join, Join::Gone | Join::Unstarted) {
            self.own.soon(t.now, Due::Alone, Span::ZERO);
        }
    }

    /// A turn of knocking. The pause starts at a second and doubles to its limit, jittered.
    pub(super) fn knock(&mut self, t: &mut Turn) {
        if self.peers.links() > 0 {
            self.healing.pause = None;
            return;
        }
        self.own.tally.count("router_knocks_total");
        self.knock_on_seeds(t);
        self.knock_on_known(t);
        let pause = self.healing.pause.unwrap_or(PAUSE_FIRST);
        self.healing.pause = Some((pause * 2).min(self.own.tuning.rejoin_pause_max));
        let wait = self.own.chance.jittered(pause, 0.25).min(self.own.tuning.rejoin_pause_max);
        self.own.due.set(Due::Alone, t.now + wait);
    }

    /// Somebody is linked again. If nobody was, all may be back: those who stood nearest are knocked on.
    pub(super) fn not_alone(&mut self, now: Instant) {
        self.own.due.clear(&Due::Alone);
        if self.healing.pause.take().is_some() {
            for id in self.graves.nearest(&self.own.id(), self.own.tuning.leaf_set_per_side).iter() {
                self.graves.mention(&id, now);
            }
            self.schedule_knocks();
        }
    }

    /// Knocks on the dead that are due, with a packet; who answers is dialled.
    pub(super) fn knock_on_graves(&mut self, t: &mut Turn) {
        let apart = self.knocks_apart();
        for contact in self.graves.knocks(t.now, KNOCKS_AT_ONCE, apart, &mut self.own.chance) {
            t.out.push(Effect::Measure { contact });
        }
        self.schedule_knocks();
    }

    /// What came of a knock, if it was one.
    pub(super) fn on_knock(&mut self, t: &mut Turn, id: &Id, is_answered: bool) {
        if let Some(contact) = self.graves.contact(id).filter(|_| is_answered) {
            t.out.push(Effect::Dial { contact });
        }
    }

    /// A node is back from the dead, perhaps with all of its side of a split network: whom it knows near this one's place.
    /// Where nodes come and go all the time one answer in a while says as much.
    pub(super) fn ask_the_returned(&mut self, t: &mut Turn, id: Id) {
        if self.healing.asked_at.is_none_or(|at| t.now.since(at) >= ASK_AGAIN) {
            self.healing.asked_at = Some(t.now);
            self.compare_rings(t, id);
        }
    }

    /// Sets the deadline of the next knock on the dead.
    pub(super) fn schedule_knocks(&mut self) {
        match self.graves.next_knock(self.knocks_apart()) {
            Some(at) if !matches!(self.join, Join::Gone) => self.own.due.set_earlier(Due::Graves, at),
            _ => {}
        }
    }

    fn knocks_apart(&self) -> Span {
        knocks_apart(self.own_size().unwrap_or(0.0))
    }

    /// Contacts worth keeping for the next start: those heard from.
    pub(super) fn save_contacts(&mut self, t: &mut Turn) {
        self.publication.is_unsaved = false;
        self.publication.saved_at = Some(t.now);
        let mut good: Vec<(bool, Option<Instant>, Id)> = self
            .peers
            .iter()
            .filter(|peer| peer.is_server() && peer.heard.is_some())
            .map(|peer| (peer.is_linked(), peer.heard, peer.id()))
            .collect();
        good.sort_unstable_by(|a, b| b.cmp(a));
        let cards = good.into_iter().take(SAVED_MAX).filter_map(|(_, _, id)| Some(self.peers.find(&id)?.card()));
        let cards: Vec<Card> = cards.collect();
        if !cards.is_empty() {
            t.out.push(Effect::SaveContacts(cards));
        }
    }

    fn knock_on_seeds(&mut self, t: &mut Turn) {
        for _ in 0..self.healing.seeds.len().min(KNOCKS_AT_ONCE) {
            let index = self.healing.next_seed % self.healing.seeds.len();
            self.healing.next_seed = index + 1;
            t.out.push(Effect::DialSeed { address: self.healing.seeds[index] });
        }
    }

    /// Known nodes and the dead in turn: whoever was alone for long may have buried everybody.
    fn knock_on_known(&mut self, t: &mut Turn) {
        let mut ids: Vec<Id> = self.peers.iter().filter(|peer| peer.is_server()).map(Peer::id).collect();
        ids.extend(self.graves.recent());
        for _ in 0..ids.len().min(KNOCKS_AT_ONCE) {
            let index = self.healing.next_known % ids.len();
            self.healing.next_known = index + 1;
            let id = ids[index];
            if let Some(contact) = self.graves.knock(&id, t.now, &mut self.own.chance) {
                t.out.push(Effect::Dial { contact });
            } else if let Some(peer) = self.peers.at(&id) {
                peer.link = Link::Dialling { since: t.now };
                t.out.push(Effect::Dial { contact: Arc::clone(&peer.contact) });
            }
        }
    }
}

/// Seeds kept. A guess at what a person lists.
const SEEDS_MAX: usize = 32;
/// Contacts saved for the next start. A guess: 40 KiB.
pub(super) const SAVED_MAX: usize = 256;
/// Nodes knocked on in one turn. A guess.
const KNOCKS_AT_ONCE: usize = 4;
/// Least pause between questions to nodes that came back. A guess.
const ASK_AGAIN: Span = Span::from_secs(5);
/// First pause between knocks when alone: as the tuning's page says.
const PAUSE_FIRST: Span = Span::from_secs(1);
