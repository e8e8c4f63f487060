//! The dead, remembered.
//!
//! Owns: who was declared dead or left, so that gossip does not bring them back; and when to knock on
//! each again.
//! Never does: declare anybody dead, or dial.

use super::LeafSet;
use crate::base::{Chance, Id, Instant, Span};
use crate::identity::Contact;
use crate::wire::probe::ReachEntry;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One node that is gone.
#[derive(Clone, Debug)]
pub(super) struct Grave {
    /// Who, as last known.
    pub(super) contact: Arc<Contact>,
    /// Since when.
    since: Instant,
    /// When to knock next.
    next_knock: Instant,
    /// When somebody knocked last, or the time of death.
    last_knock: Instant,
    pause: Span,
    /// When others said last that they hear it though this node does not: then it is the way that is broken.
    disputed: Option<Instant>,
}

/// At most [`GRAVES_MAX`] of them; the longest dead give way.
#[derive(Clone, Debug, Default)]
pub(super) struct Graveyard {
    graves: BTreeMap<Id, Grave>,
    /// When one was knocked on last of those that are long dead.
    old_knock: Option<Instant>,
    given_way: u64,
}

impl Graveyard {
    /// Remembers this node as gone. If it did not stand next to this one on the ring, it is knocked on as one long dead.
    pub(super) fn bury(&mut self, contact: Arc<Contact>, was_near: bool, now: Instant, chance: &mut Chance) {
        let id = contact.id();
        if self.graves.len() >= GRAVES_MAX && !self.graves.contains_key(&id) {
            let oldest = self.graves.iter().min_by_key(|(id, grave)| (grave.since, **id)).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.graves.remove(&oldest);
                self.given_way += 1;
            }
        }
        let pause = if was_near { PAUSE_FIRST } else { PAUSE_OLD * 2 };
        let next_knock = now + chance.jittered(pause, JITTER);
        let grave = Grave { contact, since: now, next_knock, last_knock: now, pause, disputed: None };
        self.graves.insert(id, grave);
    }

    /// Others hear it: the way to it may be mended at any time, and nobody else would say so.
    pub(super) fn dispute(&mut self, id: &Id, now: Instant) {
        if let Some(grave) = self.graves.get_mut(id) {
            grave.disputed = Some(now);
            (grave.pause, grave.next_knock) = (PAUSE_FIRST, grave.next_knock.min(now + PAUSE_FIRST));
        }
    }

    /// It was heard from directly, or said something newer: it lives.
    pub(super) fn raise(&mut self, id: &Id) -> bool {
        self.graves.remove(id).is_some()
    }

    /// Whether this word about a node is no newer than its death.
    pub(super) fn outlasts(&self, contact: &Contact) -> bool {
        self.graves.get(&contact.id()).is_some_and(|grave| grave.contact.sequence() >= contact.sequence())
    }

    /// Somebody speaks of this dead node as of the living: knock soon, but not for every rumour.
    pub(super) fn mention(&mut self, id: &Id, now: Instant) {
        if let Some(grave) = self.graves.get_mut(id) {
            grave.next_knock = grave.next_knock.min(now.max(grave.last_knock + RUMOUR_PAUSE));
            grave.pause = PAUSE_FIRST;
        }
    }

    /// A leaf set names this dead node. Soon after the death that says only that the news is slow; later, that its neighbours
    /// hear it and it may live.
    pub(super) fn mention_in_ring(&mut self, id: &Id, now: Instant) {
        if self.graves.get(id).is_some_and(|grave| now.since(grave.since) > RING_LAG) {
            self.dispute(id, now);
        }
        self.mention(id, now);
    }

    /// Takes those whose knock is due, at most `count`, and puts their next knock off. Those on the long dead are so far
    /// `apart` at least.
    pub(super) fn knocks(&mut self, now: Instant, count: usize, apart: Span, chance: &mut Chance) -> Vec<Arc<Contact>> {
        let mut due: Vec<(Instant, Id)> =
            self.graves.iter().filter(|(_, g)| g.next_knock <= now).map(|(id, g)| (g.next_knock, *id)).collect();
        due.sort_unstable();
        // Those long dead one at a time: there may be many, and a single answer is enough to find the rest.
        let is_old = |(_, id): &(Instant, Id)| self.graves[id].pause > PAUSE_OLD;
        let (old, young): (Vec<_>, Vec<_>) = due.into_iter().partition(is_old);
        let may_old = self.old_knock.is_none_or(|last| now.since(last) >= apart);
        let old: Vec<_> = old.into_iter().take(usize::from(may_old)).collect();
        if !old.is_empty() {
            self.old_knock = Some(now);
        }
        let due = young.into_iter().take(count).chain(old);
        due.filter_map(|(_, id)| self.knock(&id, now, chance)).collect()
    }

    /// Notes a knock on this one, whenever it was due.
    pub(super) fn knock(&mut self, id: &Id, now: Instant, chance: &mut Chance) -> Option<Arc<Contact>> {
        let grave = self.graves.get_mut(id)?;
        let is_disputed = grave.disputed.is_some_and(|then| now.since(then) < DISPUTED_FOR);
        grave.pause = (grave.pause * PAUSE_GROWS).min(if is_disputed { PAUSE_DISPUTED } else { PAUSE_MAX });
        grave.last_knock = now;
        grave.next_knock = now + chance.jittered(grave.pause, JITTER);
        Some(Arc::clone(&grave.contact))
    }

    /// Who lies here, as last known.
    pub(super) fn contact(&self, id: &Id) -> Option<Arc<Contact>> {
        self.graves.get(id).map(|grave| Arc::clone(&grave.contact))
    }

    /// When the next knock is due, those on the long dead being so far apart.
    pub(super) fn next_knock(&self, apart: Span) -> Option<Instant> {
        let moment = |grave: &Grave| match self.old_knock.filter(|_| grave.pause > PAUSE_OLD) {
            Some(last) => grave.next_knock.max(last + apart),
            None => grave.next_knock,
        };
        self.graves.values().map(moment).min()
    }

    /// The most recently dead first.
    pub(super) fn recent(&self) -> Vec<Id> {
        let mut ids: Vec<(Instant, Id)> = self.graves.iter().map(|(id, grave)| (grave.since, *id)).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// So many on each side that stood nearest to this place.
    pub(super) fn nearest(&self, place: &Id, per_side: usize) -> LeafSet {
        LeafSet::around(place, per_side, &Vec::from_iter(self.graves.keys().copied()))
    }

    /// Whether this one lies here.
    pub(super) fn contains(&self, id: &Id) -> bool {
        self.graves.contains_key(id)
    }

    /// Who lies here whose id begins so.
    pub(super) fn named(&self, prefix: u64) -> Option<Id> {
        let (id, _) = self.graves.range(Id::from_prefix(prefix)..).next()?;
        (id.prefix_u64() == prefix).then_some(*id)
    }

    /// Those of these links, in the order of ids, whose far end lies here.
    pub(super) fn named_among(&self, links: &[ReachEntry]) -> Vec<u64> {
        let mut rest = links;
        let mut is_among = |prefix: &u64| {
            let before = rest.iter().take_while(|entry| entry.peer < *prefix).count();
            rest = &rest[before..];
            rest.first().is_some_and(|entry| entry.peer == *prefix)
        };
        self.graves.keys().map(Id::prefix_u64).filter(|prefix| is_among(prefix)).collect()
    }

    /// How many lie here.
    pub(super) fn len(&self) -> usize {
        self.graves.len()
    }

    /// How many were forgotten for want of room.
    pub(super) fn given_way(&self) -> u64 {
        self.given_way
    }
}

/// The dead remembered: as many as the largest link budget, so that a split network can find each
/// lost link again. A guess.
pub(super) const GRAVES_MAX: usize = 256;
/// First pause before a knock, and the longest: guesses; a rebooting machine is back after one or two
/// minutes, a split network after any time.
const PAUSE_FIRST: Span = Span::from_secs(8);
const PAUSE_MAX: Span = Span::from_mins(10);
const PAUSE_GROWS: u64 = 3;
/// The longest pause for those that others heard, and for how long: a way that is mended is to be found again within a
/// minute (the bar), and outages of single ways seldom last longer than that. Guesses.
const PAUSE_DISPUTED: Span = Span::from_secs(30);
const DISPUTED_FOR: Span = Span::from_hours(1);
/// For so long after a death leaf sets may name the dead because the news is slow: neighbours find out for themselves, or are
/// told, within 50 s (20 s until the next on the ring is missed, and some 10 s each for finding two dead that stood there, and
/// for those who are told).
const RING_LAG: Span = Span::from_secs(60);
/// How far apart one node's knocks on the long dead are in a network of so many: one that is healed is whole again within a
/// minute (the bar), and any one of its nodes may find the others, so the more there are the less each does.
pub(super) fn knocks_apart(nodes: f64) -> Span {
    OLD_APART.scaled((nodes / SHARED_BY).clamp(1.0, SHARED_MAX))
}

/// From this pause on a node is long dead, and how far apart the knocks on all those are in a small network. Guesses.
const PAUSE_OLD: Span = Span::from_mins(1);
const OLD_APART: Span = Span::from_secs(30);
/// A network is small with so many nodes; and by how much the pause grows at most, to eight minutes. Guesses.
const SHARED_BY: f64 = 16.0;
const SHARED_MAX: f64 = 16.0;
/// Least pause between knocks made for rumours. A guess.
const RUMOUR_PAUSE: Span = Span::from_secs(5);
/// Share of the pause by which knocks are spread, so that a crowd does not knock at once.
const JITTER: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::contact::Role;
    use crate::identity::key::SecretKey;
    use crate::identity::puzzle::NodeName;

    fn contact(seed: u8, sequence: u64) -> Arc<Contact> {
        let key = SecretKey::from_seed([seed; 32]);
        let name = NodeName { key: key.public(), nonce: 0 };
        Arc::new(Contact::sign(&key, name, &["127.0.0.1:1".parse().expect("an address")], Role::Server, sequence))
    }

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Span::from_secs(secs)
    }

    #[test]
    fn gossip_no_newer_than_the_death_is_outlasted() {
        let mut yard = Graveyard::default();
        yard.bury(contact(1, 5), true, at(0), &mut Chance::from_seed(1));
        assert!(yard.outlasts(&contact(1, 5)) && yard.outlasts(&contact(1, 4)));
        assert!(!yard.outlasts(&contact(1, 6)) && !yard.outlasts(&contact(2, 1)));
        assert!(yard.raise(&contact(1, 5).id()) && !yard.outlasts(&contact(1, 4)));
    }

    #[test]
    fn knocks_grow_rare_and_a_rumour_brings_one_forward() {
        let (mut yard, mut chance) = (Graveyard::default(), Chance::from_seed(1));
        let id = contact(1, 1).id();
        yard.bury(contact(1, 1), true, at(0), &mut chance);
        let mut times = Vec::new();
        for second in 0..3600 {
            if !yard.knocks(at(second), 4, OLD_APART, &mut chance).is_empty() {
                times.push(second);
            }
        }
        assert!((7..=14).contains(&times.len()), "{times:?}");
        yard.mention(&id, at(3600));
        yard.mention(&id, at(3600));
        assert_eq!(yard.knocks(at(3606), 4, OLD_APART, &mut chance).len(), 1);
        yard.mention(&id, at(3607));
        assert_eq!(yard.knocks(at(3607), 4, OLD_APART, &mut chance).len(), 0);
    }

    #[test]
    fn the_graveyard_has_a_limit() {
        let (mut yard, mut chance) = (Graveyard::default(), Chance::from_seed(1));
        let key = SecretKey::from_seed([1; 32]);
        for nonce in 0..300 {
            let name = NodeName { key: key.public(), nonce };
            let contact = Contact::sign(&key, name, &["127.0.0.1:1".parse().expect("an address")], Role::Server, 1);
            yard.bury(Arc::new(contact), true, at(nonce), &mut chance);
        }
        assert_eq!((yard.len(), yard.given_way()), (GRAVES_MAX, 300 - GRAVES_MAX as u64));
    }

    #[test]
    fn one_that_others_hear_is_knocked_on_all_the_time_for_an_hour() {
        let (mut yard, mut chance) = (Graveyard::default(), Chance::from_seed(1));
        yard.bury(contact(1, 1), true, at(0), &mut chance);
        yard.dispute(&contact(1, 1).id(), at(0));
        let times: Vec<u64> =
            (0..7200).filter(|s| !yard.knocks(at(*s), 4, OLD_APART, &mut chance).is_empty()).collect();
        let (early, late) = times.split_at(times.partition_point(|second| *second < 3600));
        assert!(early.windows(2).all(|two| two[1] - two[0] < 45), "{times:?}");
        assert!(late.len() < 12, "{times:?}");
    }

    #[test]
    fn one_that_leaf_sets_name_long_after_its_death_is_disputed_from_then_on() {
        let knocks = |named_at: u64| {
            let (mut yard, mut chance) = (Graveyard::default(), Chance::from_seed(1));
            let id = contact(1, 1).id();
            yard.bury(contact(1, 1), true, at(0), &mut chance);
            let mut times = Vec::new();
            for second in 0..7200 {
                if second == named_at {
                    yard.mention_in_ring(&id, at(second));
                }
                if !yard.knocks(at(second), 4, OLD_APART, &mut chance).is_empty() {
                    times.push(second);
                }
            }
            times
        };
        let (slow, alive) = (knocks(60), knocks(1000));
        assert!(slow.len() < 20, "{slow:?}");
        let disputed: Vec<u64> = alive.into_iter().filter(|second| (1000..4600).contains(second)).collect();
        assert!(disputed.len() > 80 && disputed.windows(2).all(|two| two[1] - two[0] < 45), "{disputed:?}");
    }
}
