//! Contacts by hearsay.
//!
//! Owns: which cards from others are worth a check of their signature, the checks under way, and what
//! may be told to others about third nodes.
//! Never does: believe an unchecked card, or a card no newer than its node's death.

use super::Router;
use super::nearer::SLOT_OPEN;
use super::own::{Due, Turn};
use super::peers::{ERROR_OF_USE, Peer};
use super::table::slot_of;
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::{Effect, Job, Ticket};
use crate::wire::Card;
use crate::wire::membership::CARDS_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// The checks under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Gossip {
    jobs: BTreeMap<Ticket, Batch>,
    checking: BTreeSet<Id>,
    last_ticket: u64,
}

#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<Id>,
    urgent: bool,
    since: Instant,
}

impl Gossip {
    /// Whether a check is under way that the join waits for. A check that takes too long is not
    /// waited for.
    pub(super) fn awaits(&self, now: Instant) -> bool {
        self.jobs.values().any(|batch| batch.urgent && now.since(batch.since) < CHECK_PATIENCE)
    }

    /// How many cards are being checked.
    pub(super) fn checking(&self) -> usize {
        self.checking.len()
    }

    /// Whether a node's card is being checked whose id begins like this.
    pub(super) fn is_checking(&self, id: &Id) -> bool {
        let next = self.checking.range(Id::from_prefix(id.prefix_u64())..).next();
        next.is_some_and(|checked| checked.begins_like(id))
    }
}

impl Router {
    /// Takes cards in by hearsay: what is new goes to be checked, first those that may belong into the
    /// leaf set (all of them if `urgent`).
    pub(super) fn consider(&mut self, t: &mut Turn, cards: Vec<Card>, urgent: bool) {
        let me = self.own.id();
        let mut fresh: Vec<Card> = cards.into_iter().filter(|card| self.is_news(t, card)).collect();
        fresh.sort_by_key(|card| card.contact.id().distance(&me));
        fresh.dedup_by_key(|card| card.contact.id());
        let urgent_max = 2 * self.own.tuning.leaf_set_per_side + URGENT_SPARE;
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        let is_full = self.peers.len() >= self.known_max();
        for card in fresh {
            let matters = urgent || self.ring.all.has_place_for(&me, &card.contact.id());
            if !matters && is_full && !self.is_promising(&card) {
                continue;
            }
            if matters && first.len() < urgent_max { first.push(card) } else { rest.push(card) }
        }
        self.check(t, first, true);
        self.check(t, rest, false);
    }

    /// Those of the cards that hold were checked.
    pub(super) fn on_checked(&mut self, t: &mut Turn, ticket: Ticket, cards: Vec<Card>) {
        let Some(batch) = self.gossip.jobs.remove(&ticket) else { return };
        for id in &batch.ids {
            self.gossip.checking.remove(id);
        }
        if cards.len() < batch.ids.len() {
            self.own.tally.count("router_cards_refused_total");
        }
        for card in cards {
            let Card { contact, coordinate } = card;
            if !self.graves.outlasts(&contact) {
                self.graves.raise(&contact.id());
                self.peers.learn(contact, Some(coordinate));
            }
        }
        self.ring.stale = true;
        self.forget_surplus();
        self.knock_when_alone(t);
        self.plan_soon(t.now, PLAN_AFTER_NEWS);
        self.own.soon(t.now, Due::Measure, MEASURE_AFTER_NEWS);
    }

    /// Those worth naming to others that are nearest to this place on each side, and of each row up to
    /// the one this node shares with the place, the nearest of each slot.
    pub(super) fn cards_about_place(&self, now: Instant, place: &Id, asker: &Id) -> Vec<Card> {
        let told = |id: &&Id| *id != asker && *id != place;
        let tellable = |peer: &Peer| peer.is_worth_telling(now) && peer.id() != *asker;
        let near = self.peers.leaf_set(place, self.own.tuning.leaf_set_per_side, tellable);
        let mut named: Vec<Id> = near.iter().collect();
        for row in 0..=self.own.id().shared_prefix(place).min(63) as u8 {
            named.extend(self.ring.table.row(row).filter_map(|slot| slot.first()).filter(told));
        }
        self.cards(now, named)
    }

    /// The nearest by round trip.
    pub(super) fn cards_nearby(&self, now: Instant, asker: &Id) -> Vec<Card> {
        let mut near: Vec<(Span, Id)> = self
            .peers
            .iter()
            .filter(|peer| peer.id() != *asker && peer.is_worth_telling(now))
            .filter_map(|peer| Some((peer.rtt()?, peer.id())))
            .collect();
        near.sort_unstable();
        self.cards(now, near.into_iter().take(NEARBY_TOLD).map(|(_, id)| id).collect())
    }

    /// Those of one row of the table.
    pub(super) fn cards_of_row(&self, now: Instant, row: u8, asker: &Id) -> Vec<Card> {
        let ids = self.ring.table.row(row).flatten().filter(|id| *id != asker).copied().collect();
        self.cards(now, ids)
    }

    /// The cards of these, as far as they are worth telling and a message holds.
    pub(super) fn cards(&self, now: Instant, ids: Vec<Id>) -> Vec<Card> {
        let mut named = BTreeSet::new();
        ids.into_iter()
            .filter(|id| named.insert(*id))
            .filter_map(|id| self.peers.find(&id))
            .filter(|peer| peer.is_worth_telling(now))
            .take(CARDS_MAX)
            .map(|peer| peer.card())
            .collect()
    }

    /// How many nodes are known at most, beside those that must be.
    pub(super) fn known_max(&self) -> usize {
        self.own.tuning.link_budget + super::peers::KNOWN_SPARE
    }

    /// Forgets nodes beyond the limit that stand nowhere.
    pub(super) fn forget_surplus(&mut self) {
        let known_max = self.known_max();
        // Not for each newcomer: all known nodes are looked at.
        if self.peers.len() <= known_max + SURPLUS {
            return;
        }
        let (me, ring) = (self.own.id(), &self.ring);
        self.peers.make_room(known_max, |peer| {
            let linked = !matches!(peer.link, super::peers::Link::None) || peer.suspected;
            let (id, heard) = (peer.id(), peer.heard.is_some() || peer.measured.is_some());
            let fills_a_gap = slot_of(&me, &id).is_some_and(|slot| ring.table.slot(slot).is_empty());
            linked || fills_a_gap || ring.all.has_place_for(&me, &id) || (heard && ring.table.contains(&me, &id))
        });
    }

    /// Whether a card may bring a nearer contact of its slot, as far as coordinates tell. Where as many nodes are known as may
    /// be, others would be measured and forgotten at once: four of five measurements were for those (400 nodes, 64 links,
    /// sessions of 138 minutes, 2026-11-26).
    fn is_promising(&self, card: &Card) -> bool {
        let Some(slot) = slot_of(&self.own.id(), &card.contact.id()) else { return false };
        let (here, there) = (&self.own.coordinate, &card.coordinate);
        let is_told = here.error() < ERROR_OF_USE && there.error() < ERROR_OF_USE;
        let held = self.farthest_held(slot);
        if is_told { here.rtt_to(there) < held.scaled(CLEARLY) } else { held == SLOT_OPEN }
    }

    fn is_news(&mut self, t: &Turn, card: &Card) -> bool {
        let id = card.contact.id();
        if id == self.own.id() || self.gossip.is_checking(&id) {
            return false;
        }
        if self.graves.outlasts(&card.contact) {
            self.graves.mention(&id, t.now);
            self.schedule_knocks();
            return false;
        }
        let Some(peer) = self.peers.at(&id) else { return true };
        if !peer.is_linked() {
            peer.coordinate = Some(card.coordinate);
        }
        card.contact.supersedes(&peer.contact)
    }

    fn check(&mut self, t: &mut Turn, mut cards: Vec<Card>, urgent: bool) {
        self.gossip.jobs.retain(|_, batch| t.now.since(batch.since) < CHECK_FORGOTTEN);
        let room = CHECKING_MAX.saturating_sub(self.gossip.checking.len());
        if cards.len() > room {
            self.own.tally.count_as("router_limit_total", "cards_checking");
            cards.truncate(room);
        }
        if cards.is_empty() {
            return;
        }
        self.gossip.last_ticket += 1;
        let ticket = Ticket(self.gossip.last_ticket);
        let ids: Vec<Id> = cards.iter().map(|card| card.contact.id()).collect();
        self.gossip.checking.extend(&ids);
        self.gossip.jobs.insert(ticket, Batch { ids, urgent, since: t.now });
        t.out.push(Effect::Work { ticket, job: Job::CheckCards(cards) });
    }
}

/// Nodes known beyond the limit before some are forgotten. A guess.
const SURPLUS: usize = 16;
/// A coordinate promises a nearer contact from this share of the round trip to the one that would give way. A guess.
const CLEARLY: f64 = 0.8;
/// Cards being checked at once: 512 signatures are 20 ms of a core. A guess.
const CHECKING_MAX: usize = 512;
/// Urgent cards of one answer beyond a full leaf set. A guess.
const URGENT_SPARE: usize = 4;
/// How long the join waits for a check, and after which time a job that never came back is forgotten.
/// Guesses: a check of a full message takes 4 ms.
const CHECK_PATIENCE: Span = Span::from_secs(1);
const CHECK_FORGOTTEN: Span = Span::from_secs(30);
/// Contacts named as nearby: enough to step closer, few enough to be measured at once. A guess.
const NEARBY_TOLD: usize = 12;
/// News are gathered a little before links are chosen and candidates measured. Guesses.
const PLAN_AFTER_NEWS: Span = Span::from_millis(200);
const MEASURE_AFTER_NEWS: Span = Span::from_millis(20);
