//! This node's place on the ring and in the table.
//!
//! Owns: the leaf set of all present nodes, that of the ready ones, the prefix table; whom to dial to
//! make the leaf set exact; and the exchange that keeps it so.
//! Never does: judge who lives.

use super::own::{Due, Turn};
use super::peers::{Greeting, Link, Peer};
use super::table::Table;
use super::trickle::Trickle;
use super::{LeafSet, Router};
use crate::base::{Id, Instant, Span};
use crate::wire::membership::About;
use crate::wire::{Card, Membership};
use std::collections::BTreeSet;

/// Who stands where.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// Nearest of all present servers, ready or not.
    pub(super) all: LeafSet,
    /// Nearest of those that root keys.
    pub(super) ready: LeafSet,
    /// The prefix table, over all known servers.
    pub(super) table: Table,
    /// Whether presence, readiness or knowledge of nodes changed since the last review.
    pub(super) stale: bool,
    /// Whether the leaf set changed since the last exchange.
    has_news: bool,
    exchange: Trickle,
    refresh: Trickle,
    next_row: u8,
}

impl Ring {
    /// The nodes next to this one on the ring, ready or not, and the next that are ready.
    pub(super) fn next_ones(&self) -> BTreeSet<Id> {
        &self.all.next_ones() | &self.ready.next_ones()
    }

    pub(super) fn new(me: &Id, tuning: &super::Tuning) -> Ring {
        let nobody = LeafSet::around(me, tuning.leaf_set_per_side, &[]);
        Ring {
            all: nobody.clone(),
            ready: nobody,
            table: Table::default(),
            stale: false,
            has_news: false,
            exchange: Trickle::new(tuning.leaf_set_interval),
            refresh: Trickle::new(tuning.table_interval),
            next_row: 0,
        }
    }
}

impl Router {
    /// Brings leaf sets up to date with what is known of nodes, and does what follows from a change.
    pub(super) fn review_ring(&mut self, t: &mut Turn) {
        self.ring.stale = false;
        if self.own.is_client() {
            return;
        }
        let (me, per_side) = (self.own.id(), self.own.tuning.leaf_set_per_side);
        let all = self.peers.leaf_set(&me, per_side, Peer::is_present);
        let ready = self.peers.leaf_set(&me, per_side, |peer| peer.is_present() && peer.ready);
        if ready != self.ring.ready {
            self.ring.ready = ready;
            self.publication.is_urgent = true;
        }
        if all != self.ring.all {
            let before = std::mem::replace(&mut self.ring.all, all);
            self.on_ring_changed(t, &before);
        }
        if self.join.is_placing() {
            self.dial_candidates(t);
            self.greet_members(t);
        }
    }

    /// The table anew, of all known servers that answered, and those not tried yet after them.
    pub(super) fn review_table(&mut self) {
        let here = self.own.coordinate;
        let servers = self.peers.iter().filter(|peer| peer.is_server() && !peer.suspected);
        let nodes = servers.map(|peer| (peer.id(), peer.nearness(&here)));
        self.ring.table = Table::of(&self.own.id(), self.own.tuning.contacts_per_slot, nodes);
    }

    /// Announces this node to another.
    pub(super) fn greet(&mut self, t: &mut Turn, id: Id) {
        if self.own.is_client() {
            return;
        }
        let Some(peer) = self.peers.at(&id).filter(|peer| peer.is_linked() && peer.is_server()) else { return };
        let tries = match peer.greeting {
            Greeting::Sent { tries, .. } => tries + 1,
            _ => 0,
        };
        let round = self.own.next_round();
        peer.greeting = Greeting::Sent { round, at: t.now, tries };
        self.announce(t, id, round);
    }

    /// Tells a linked node that may know another side of the ring who stands in this leaf set: it answers whom it knows that
    /// stands nearer. Costs a sixth of the cards it would name if it were asked about this place.
    pub(super) fn compare_rings(&mut self, t: &mut Turn, id: Id) {
        let round = self.own.next_round();
        self.announce(t, id, round);
    }

    fn announce(&self, t: &mut Turn, id: Id, round: u32) {
        let (card, leaf_set) = (self.own.card(), self.ring.all.prefixes());
        t.tell(id, Membership::Announce { round, ready: self.join.says_ready(), card, leaf_set });
    }

    /// A node announces itself: it is told of those it lacks.
    pub(super) fn on_announce(
        &mut self,
        t: &mut Turn,
        from: Id,
        (round, ready): (u32, bool),
        card: Card,
        leaf_set: &[u64],
    ) {
        if card.contact.id() != from {
            return;
        }
        let leaf_set = self.resolved(leaf_set);
        self.note_readiness(t, &from, ready);
        let cards = self.missing_for(t.now, &from, &leaf_set);
        let mine = self.ring.all.prefixes();
        t.tell(from, Membership::LeafSet { round, ready: self.join.says_ready(), cards, leaf_set: mine });
        self.note_coordinate(&from, card.coordinate);
        self.consider(t, vec![card], false);
        self.ask_after_missing(t, &from, &leaf_set);
        if let Some(peer) = self.peers.at(&from).filter(|peer| peer.greeting == Greeting::Due) {
            peer.greeting = Greeting::Answered; // Both have told all they know.
        }
        let may_ask = self.peers.find(&from).is_some_and(|peer| peer.greeting == Greeting::Answered);
        if may_ask && self.names_strangers(t.now, &leaf_set) {
            self.greet(t, from);
        }
    }

    /// A node's leaf set, and whom this node seems to lack.
    pub(super) fn on_leaf_set(
        &mut self,
        t: &mut Turn,
        from: Id,
        (round, ready): (u32, bool),
        cards: Vec<Card>,
        leaf_set: &[u64],
    ) {
        let leaf_set = self.resolved(leaf_set);
        self.note_readiness(t, &from, ready);
        self.consider(t, cards, false);
        self.ask_after_missing(t, &from, &leaf_set);
        self.names_strangers(t.now, &leaf_set);
        if let Some(peer) = self.peers.at(&from)
            && matches!(peer.greeting, Greeting::Sent { round: sent, .. } if sent == round)
        {
            peer.greeting = Greeting::Answered;
        }
    }

    /// The nodes whose ids begin so, as far as they are known here, dead or alive; of strangers the first id that begins so.
    fn resolved(&self, prefixes: &[u64]) -> Vec<Id> {
        let me = self.own.id();
        let known = |prefix: u64| match prefix == me.prefix_u64() {
            true => Some(me),
            false => self.peers.named(prefix).or_else(|| self.graves.named(prefix)),
        };
        prefixes.iter().map(|prefix| known(*prefix).unwrap_or_else(|| Id::from_prefix(*prefix))).collect()
    }

    /// Members of this leaf set that another should have in its own, and has not: they may be dead, and word of it lost.
    /// Those heard lately are asked if they say nothing more.
    fn ask_after_missing(&mut self, t: &mut Turn, from: &Id, listed: &[Id]) {
        if !self.peers.find(from).is_some_and(|peer| peer.ready) {
            return; // It is still finding its neighbours.
        }
        let mut listed = listed.to_vec();
        listed.sort_unstable();
        listed.dedup();
        let theirs = LeafSet::around(from, listed.len().div_ceil(2), &listed);
        let is_missing = |id: &Id| listed.binary_search(id).is_err() && id != from && theirs.is_within(id);
        let missing: Vec<Id> = self.ring.all.iter().filter(is_missing).collect();
        for id in missing {
            let Some(peer) = self.peers.find(&id).filter(|peer| peer.is_linked()) else { continue };
            match peer.heard.filter(|heard| t.now.since(*heard) <= HEARD_LATELY) {
                // It may have died just after that.
                Some(_) => self.expect(t.now, id, HEARD_LATELY),
                None => self.ping(t, &id, "missing"),
            }
        }
    }

    /// A node said whether it roots keys.
    pub(super) fn note_readiness(&mut self, t: &mut Turn, from: &Id, ready: bool) {
        if let Some(peer) = self.peers.at(from)
            && peer.ready != ready
        {
            peer.ready = ready;
            self.ring.stale = true;
            self.publication.is_stale = true;
            self.reach_changed(t);
        }
    }

    /// A turn of the leaf-set exchange with one member by lot; with one of the next ones if there is news. Newcomers announce
    /// themselves to all, and of the dead all are told; this finds what was lost on the way.
    pub(super) fn exchange_leaf_sets(&mut self, t: &mut Turn) {
        let wait = self.ring.exchange.next(&mut self.own.chance);
        self.own.due.set(Due::LeafSet, t.now + wait);
        self.ring.stale = true;
        let has_news = std::mem::replace(&mut self.ring.has_news, false);
        let told: Vec<Id> =
            if has_news { self.ring.all.next_ones().into_iter().collect() } else { self.ring.all.iter().collect() };
        if let Some(id) = self.own.chance.pick(&told).copied() {
            self.greet(t, id);
        }
    }

    /// A turn of the table's maintenance: one row asked of a node in it, and one node anywhere asked who
    /// is near this one's place: two rings that know nothing of each other are found out so.
    pub(super) fn refresh_table(&mut self, t: &mut Turn) {
        let wait = self.ring.refresh.next(&mut self.own.chance);
        self.own.due.set(Due::Table, t.now + wait);
        self.plan_soon(t.now, Span::ZERO);
        let rows = self.ring.table.rows().max(1);
        self.ring.next_row = (self.ring.next_row + 1) % rows;
        let row = self.ring.next_row;
        let in_row: Vec<Id> =
            self.ring.table.row(row).flatten().filter(|id| self.peers.is_linked(id)).copied().collect();
        if let Some(id) = self.own.chance.pick(&in_row).copied() {
            self.ask(t, id, About::Row(row));
        }
        let linked: Vec<Id> = self.peers.linked().filter(|peer| peer.is_server()).map(Peer::id).collect();
        if let Some(id) = self.own.chance.pick(&linked).copied() {
            if self.own.is_client() {
                self.ask(t, id, About::Place(self.own.id()));
            } else {
                self.compare_rings(t, id);
            }
        }
    }

    /// Asks a linked node for contacts; says under which round.
    pub(super) fn ask(&mut self, t: &mut Turn, id: Id, about: About) -> u32 {
        let round = self.own.next_round();
        t.tell(id, Membership::ContactsWanted { round, about });
        round
    }

    /// Answers a question for contacts.
    pub(super) fn on_contacts_wanted(&mut self, t: &mut Turn, from: Id, round: u32, about: About) {
        let cards = match about {
            About::LeafSet => self.cards(t.now, self.ring.all.iter().collect()),
            About::Row(row) => self.cards_of_row(t.now, row, &from),
            About::Place(place) => self.cards_about_place(t.now, &place, &from),
            About::Nearby => self.cards_nearby(t.now, &from),
            About::Node(prefix) => self.cards(t.now, self.peers.named(prefix).into_iter().collect()),
        };
        t.tell(from, Membership::Contacts { round, about, ready: self.join.says_ready(), cards });
    }

    /// Starts the periodic exchanges.
    pub(super) fn start_exchanges(&mut self, t: &Turn) {
        let wait = self.ring.exchange.next(&mut self.own.chance);
        self.own.soon(t.now, Due::LeafSet, wait);
        let wait = self.ring.refresh.next(&mut self.own.chance);
        self.own.soon(t.now, Due::Table, wait);
    }

    fn on_ring_changed(&mut self, t: &mut Turn, before: &LeafSet) {
        self.publication.is_stale = true;
        self.publication.is_unsaved = true;
        self.plan_soon(t.now, PLAN_AFTER_CHANGE);
        self.watch_neighbours(t.now);
        self.ring.has_news = true;
        let wait = self.own.chance.jittered(EXCHANGE_AFTER, 0.5);
        self.own.soon(t.now, Due::LeafSet, wait);
        if !self.join.is_placing() {
            return;
        }
        // Who comes next in place of a dead one the farthest on that side knows.
        let is_dead = |id: &Id| self.peers.find(id).is_none();
        let sides = [(before.before(), self.ring.all.before()), (before.after(), self.ring.all.after())];
        let short = sides.into_iter().filter(|(before, _)| before.iter().any(is_dead));
        let asked: Vec<Id> = short.filter_map(|(_, now)| now.last().copied()).collect();
        for id in asked {
            self.greet(t, id);
        }
    }

    /// Known nodes that would stand in the leaf set if they lived as gossip says: a link will tell.
    fn dial_candidates(&mut self, t: &mut Turn) {
        for id in self.candidates(t.now) {
            self.dial(t, &id);
        }
    }

    fn candidates(&self, now: Instant) -> Vec<Id> {
        let (me, per_side) = (self.own.id(), self.own.tuning.leaf_set_per_side);
        let refused = |p: &Peer| p.refused.at.is_some_and(|at| now.since(at) < REFUSED_PAUSE);
        let hopeful = |p: &Peer| p.is_present() || (p.is_server() && !refused(p));
        let wanted = self.peers.leaf_set(&me, per_side, hopeful);
        let unlinked = |id: &Id| self.peers.find(id).is_some_and(|peer| matches!(peer.link, Link::None));
        wanted.iter().filter(unlinked).collect()
    }

    /// Who dialled this node greets it, most likely; if not, it is greeted when the link is looked at first.
    fn greet_members(&mut self, t: &mut Turn) {
        let waits = self.join.is_settled();
        let is_due = |p: &Peer| p.is_linked() && p.greeting == Greeting::Due && !(waits && p.theirs);
        let due = |id: &Id| self.peers.find(id).is_some_and(is_due);
        let strangers: Vec<Id> = self.ring.all.iter().filter(due).collect();
        for id in strangers {
            self.greet(t, id);
        }
    }

    fn missing_for(&self, now: Instant, asker: &Id, listed: &[Id]) -> Vec<Card> {
        let per_side = self.own.tuning.leaf_set_per_side;
        let mut ids: Vec<Id> = self.peers.leaf_set(asker, per_side, Peer::is_present).iter().collect();
        ids.extend(listed);
        ids.sort_unstable();
        ids.dedup();
        let wanted = LeafSet::around(asker, per_side, &ids);
        self.cards(now, wanted.iter().filter(|id| !listed.contains(id)).collect())
    }

    /// Whether some of these belong into the leaf set and nothing is known of them. The dead among them are knocked on soon.
    fn names_strangers(&mut self, now: Instant, ids: &[Id]) -> bool {
        let me = self.own.id();
        let mut found = false;
        for id in ids.iter().filter(|id| self.ring.all.has_place_for(&me, id)) {
            if self.graves.contains(id) {
                self.graves.mention_in_ring(id, now);
            } else if self.peers.find(id).is_none() && !self.gossip.is_checking(id) {
                found = true;
            }
        }
        self.schedule_knocks();
        found
    }
}

/// Links are chosen again soon after the leaf set changed. A guess.
const PLAN_AFTER_CHANGE: Span = Span::from_millis(200);
/// The neighbours are told of a change after this long, so that several are told at once. A guess.
const EXCHANGE_AFTER: Span = Span::from_secs(3);
/// A member heard within this long is not asked at once because another does not name it, but if it says nothing for as
/// long again. A guess.
const HEARD_LATELY: Span = Span::from_secs(10);
/// How long a candidate that refused is left in peace: it has told us meanwhile whom we lack, or will find
/// that it lacks us. A guess.
const REFUSED_PAUSE: Span = Span::from_secs(2);
