//! Which links to hold.
//!
//! Owns: links going up and down, the choice of those worth having within the budget, and of those that
//! give way.
//! Never does: close a link to a leaf-set member, or one so young that it has not served yet.

use super::own::{Due, Turn};
use super::peers::{Greeting, Link, Peer};
use super::reach::detour;
use super::table::{Nearness, Slot, slot_of};
use super::trickle::Trickle;
use super::{Down, Router};
use crate::base::{Id, Instant, RttEstimate, Span};
use crate::identity::{Contact, Role};
use crate::overlay::contract::Effect;
use crate::wire::CloseReason;
use crate::wire::probe::Bearing;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the choice of links looks at in one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prospect {
    pub(super) id: Id,
    /// Where it stands in the table.
    pub(super) slot: Slot,
    /// Its round trip, measured or predicted, if anything is known.
    pub(super) rtt: Option<Span>,
    /// The quickest way to it over another link.
    pub(super) detour: Option<Span>,
    /// A number as good as drawn for this pair of nodes: where nothing else tells links apart, each node
    /// shall prefer others.
    pub(super) lot: u64,
    /// Whether it must be held: a leaf-set member.
    pub(super) is_leaf: bool,
    /// Whether it is a client, which routes nothing for others.
    pub(super) is_guest: bool,
    /// Whether there is a link already.
    pub(super) is_linked: bool,
    /// Whether the other end dialled that link.
    pub(super) is_theirs: bool,
}

/// All prospects, the most useful link first: the leaf set; the nearest of each slot, so that every prefix has its first
/// hop; then, where the neighbours' adverts show the whole network, by what the link saves against the quickest detour.
/// In a network too large for that (`per_slot` says how many of a slot to hold), the second and third nearest of each
/// slot, links that others chose, and whoever is near. Clients last. A link that is there counts as somewhat more useful,
/// so that choices do not flap.
pub(super) fn by_usefulness(prospects: &[Prospect], per_slot: Option<usize>) -> Vec<Id> {
    let felt = |each: &Prospect| each.felt_rtt(per_slot.is_some());
    let servers = prospects.iter().filter(|prospect| !prospect.is_guest);
    let mut in_slots: Vec<(Slot, Span, Id)> = servers.map(|each| (each.slot, felt(each), each.id)).collect();
    in_slots.sort_unstable();
    let firsts = in_slots.chunk_by(|one, next| one.0 == next.0);
    let firsts = firsts.flat_map(|slot| slot.iter().take(per_slot.unwrap_or(1)).enumerate());
    let mut places: Vec<(Id, usize)> = firsts.map(|(place, (.., id))| (*id, place)).collect();
    places.sort_unstable();
    let rank = |each: &Prospect| -> (u8, u64, u64, Id) {
        let place = places.binary_search_by_key(&each.id, |(id, _)| *id).ok().map(|found| places[found].1);
        let rtt = felt(each).as_micros();
        let saving = u64::MAX - each.saving().as_micros();
        let (tier, order) = match (each.is_leaf, place, per_slot) {
            _ if each.is_guest => (u8::MAX, saving),
            (true, ..) => (0, saving),
            (_, Some(_), None) => (1, saving),
            (_, Some(place), Some(_)) => (1 + place as u8, u64::from(each.slot.0)),
            (_, None, None) => (2, saving),
            (_, None, Some(_)) => (if each.is_theirs { u8::MAX - 2 } else { u8::MAX - 1 }, rtt),
        };
        (tier, order, each.lot, each.id)
    };
    let mut ranked: Vec<(u8, u64, u64, Id)> = prospects.iter().map(rank).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(.., id)| id).collect()
}

impl Prospect {
    fn felt_rtt(&self, is_vast: bool) -> Span {
        let rtt = self.rtt.unwrap_or(UNKNOWN_RTT);
        match (self.is_linked, is_vast) {
            (true, false) => rtt.scaled(INCUMBENT),
            (true, true) => rtt.scaled(INCUMBENT_VAST),
            (false, _) => rtt,
        }
    }

    /// What the link saves on a trip to this very node; where no detour is known yet, the same for all.
    fn saving(&self) -> Span {
        let rtt = self.rtt.unwrap_or(UNKNOWN_RTT);
        let detour = self.detour.unwrap_or(rtt + UNKNOWN_RTT);
        let saving = detour.saturating_sub(rtt);
        if self.is_linked { saving.scaled(1.0 / INCUMBENT) + INCUMBENT_BONUS } else { saving }
    }
}

/// A number as good as drawn for a node and another, whose id begins so.
pub(super) fn lot(me: &Id, other: u64) -> u64 {
    (me.prefix_u64() ^ other).wrapping_mul(LOT_MIXER)
}

/// How often a link may give way to a better one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swaps {
    pace: Trickle,
    next: Instant,
    planned: Instant,
}

impl Swaps {
    pub(super) fn new() -> Swaps {
        Swaps { pace: Trickle::new(SWAP_PACE), next: Instant::ORIGIN, planned: Instant::ORIGIN }
    }
}

impl Router {
    /// A link is up.
    pub(super) fn on_link_up(
        &mut self,
        t: &mut Turn,
        (contact, bearing): (Arc<Contact>, Bearing),
        dialled: bool,
        rtt: Span,
    ) {
        self.not_alone(t.now);
        let id = contact.id();
        if id == self.own.id() {
            return t.hang_up(id, CloseReason::Oneself);
        }
        let was_dead = self.graves.raise(&id);
        let peer = self.peers.learn(Arc::clone(&contact), None);
        if peer.contact.sequence() != contact.sequence() || !peer.is_linked() {
            peer.greeting = Greeting::Due;
        }
        peer.link = Link::Up { rtt: RttEstimate::first(rtt), told: rtt, since: t.now, is_deaf: false };
        peer.theirs = !dialled;
        peer.measured = Some((rtt, t.now));
        peer.refused.until = None;
        peer.suspected = false;
        self.ring.stale = true;
        self.publication.is_stale = true;
        self.publication.is_unsaved = true;
        self.heard_from(t, &id);
        self.note_bearing(t, &id, bearing);
        if contact.role() == Role::Server {
            self.note_new_link(t.now, id);
            self.plan_soon(t.now, PLAN_AFTER_LINK);
        }
        self.watch(t, id);
        self.join_from(t, id);
        self.review_ring(t);
        if was_dead && self.join.is_placing() {
            self.ask_the_returned(t, id);
        }
        self.reach_changed(t);
        self.shed_above(t, self.links_max());
    }

    /// A link is gone.
    pub(super) fn on_link_down(&mut self, t: &mut Turn, id: Id, why: Down) {
        if why == Down::Closed(CloseReason::Duplicate) {
            return; // The other of the two links stays.
        }
        let in_ring = self.ring.all.contains(&id);
        if self.forget_guest(&id) {
            return;
        }
        let Some(peer) = self.peers.at(&id).filter(|peer| peer.is_linked()) else { return };
        peer.link = Link::None;
        peer.greeting = Greeting::Due;
        let wanted = peer.wanted;
        self.reach.forget(&id);
        self.reach_changed(t);
        self.ring.stale = true;
        self.publication.is_stale = true;
        match why {
            Down::Closed(CloseReason::Leaving) => self.bury(t, &id, "left"),
            Down::Closed(
                CloseReason::Oneself | CloseReason::Network | CloseReason::Version | CloseReason::Identity,
            ) => {
                self.bury(t, &id, "foreign");
            }
            Down::Closed(CloseReason::Budget) => {
                self.own.tally.count("router_links_refused_total");
                if let Some(peer) = self.peers.at(&id) {
                    peer.refuse(t.now, &mut self.own.chance);
                }
            }
            // The other end has no use for it, or believed this node dead: both are for a new link to tell.
            Down::Closed(CloseReason::Unused) if wanted && !in_ring => self.dial(t, &id),
            Down::Lost | Down::Closed(_) if in_ring || wanted => self.doubt_lost(t, &id),
            Down::Lost | Down::Closed(_) | Down::Ours => {}
        }
        self.plan_soon(t.now, PLAN_AFTER_LINK);
        self.knock_when_alone(t);
    }

    /// A dial came to nothing.
    pub(super) fn on_dial_failed(&mut self, t: &mut Turn, id: Id) {
        let Some(peer) = self.peers.at(&id) else { return };
        if !matches!(peer.link, Link::Dialling { .. }) {
            return;
        }
        peer.link = Link::None;
        self.own.tally.count("router_dials_failed_total");
        self.plan_soon(t.now, PLAN_AFTER_LINK);
        // A doubted node has others asked after it first: its verdict is due in any case.
        if !self.peers.find(&id).is_some_and(|peer| peer.suspected) {
            self.bury(t, &id, "unreachable");
        }
    }

    /// Opens a link, unless there is one or it is being opened.
    pub(super) fn dial(&mut self, t: &mut Turn, id: &Id) {
        if let Some(peer) = self.peers.at(id)
            && matches!(peer.link, Link::None)
        {
            peer.link = Link::Dialling { since: t.now };
            let contact = Arc::clone(&peer.contact);
            self.own.tally.count("router_dials_total");
            t.out.push(Effect::Dial { contact });
        }
    }

    /// Chooses the links to hold: dials some that are worth it, closes those that are too many.
    pub(super) fn plan_links(&mut self, t: &mut Turn) {
        self.review_table();
        self.swaps.planned = t.now;
        let ranked = self.ranked(t.now);
        let budget = self.own.tuning.link_budget;
        let fits = ranked.len() <= budget;
        let is_vast = self.is_vast();
        let quota = if is_vast { self.own_choice() } else { budget };
        let wanted: BTreeSet<Id> = ranked.iter().take(quota).copied().collect();
        for peer in self.peers.iter_mut() {
            peer.wanted = wanted.contains(&peer.id());
        }
        self.shed_above(t, budget);
        // A leaf-set member that refused is asked again.
        self.ring.stale = true;
        if !self.join.is_settled() {
            return;
        }
        if !fits {
            self.seek_nearer(t);
        }
        let unlinked = |id: &&Id| self.peers.find(id).is_some_and(|peer| matches!(peer.link, Link::None));
        let missing: Vec<Id> = ranked.iter().take(quota).filter(unlinked).copied().collect();
        if missing.is_empty() {
            return;
        }
        let dialling = self.peers.iter().filter(|peer| matches!(peer.link, Link::Dialling { .. })).count();
        let busy = self.peers.links() + dialling;
        // Some room is left for those who choose this node.
        let grows = if fits { budget } else { budget - budget / ROOM_SHARE };
        let at_once = if fits { DIALS_AT_ONCE } else { DIALS_AT_ONCE / 2 };
        let count = grows.saturating_sub(busy).min(at_once.saturating_sub(dialling));
        for id in missing.iter().take(count) {
            self.dial(t, id);
        }
        let mut again = t.now + self.own.chance.jittered(PLAN_AGAIN, 0.5);
        if count == 0 && dialling == 0 {
            if t.now >= self.swaps.next {
                self.own.tally.count("router_swaps_total");
                // Where nearness alone tells, one swap does not change what the next is worth.
                let (count, pause) = match is_vast {
                    true => (SWAPS_VAST, self.own.chance.jittered(SWAP_PAUSE_VAST, 0.5)),
                    false => (1, self.swaps.pace.next(&mut self.own.chance)),
                };
                for id in missing.iter().take(count) {
                    self.dial(t, id);
                }
                self.swaps.next = t.now + pause;
            }
            again = again.max(self.swaps.next);
        }
        self.plan_soon(t.now, again.since(t.now));
    }

    /// Lets links be chosen again after `wait`, or somewhat later where they were just now.
    pub(super) fn plan_soon(&mut self, now: Instant, wait: Span) {
        if self.own.due.when(&Due::Plan).is_some_and(|due| due <= now + wait) {
            return; // The most usual case, and what follows counts the network.
        }
        let pause = if self.is_vast() { PLAN_PAUSE_VAST } else { PLAN_PAUSE };
        let at = (now + wait).max(self.swaps.planned + pause);
        self.own.due.set_earlier(Due::Plan, at);
    }

    /// Whether the network is too large for the neighbours' adverts to show it whole: then nearness within each slot
    /// tells which links are of use.
    pub(super) fn is_vast(&self) -> bool {
        let budget = self.own.tuning.link_budget as f64;
        self.size_estimate().is_some_and(|size| size > budget * budget / VAST_SHARE)
    }

    /// How many links this node chooses where the network is vast: half of those beyond the leaf set. The others are
    /// for those who choose this node.
    fn own_choice(&self) -> usize {
        let leaf_set = (2 * self.own.tuning.leaf_set_per_side).min(self.own.tuning.link_budget);
        leaf_set + (self.own.tuning.link_budget - leaf_set) / 2
    }

    fn ranked(&self, now: Instant) -> Vec<Id> {
        by_usefulness(&self.prospects(now), self.is_vast().then_some(self.own.tuning.contacts_per_slot))
    }

    /// How many links may be up for a moment: newcomers need theirs for a few round trips.
    pub(super) fn links_max(&self) -> usize {
        self.own.tuning.link_budget * 2 + LINKS_SPARE
    }

    /// Closes the least useful links above this number. Young ones are spared, unless the number is the
    /// very limit.
    fn shed_above(&mut self, t: &mut Turn, limit: usize) {
        let spare_young = limit < self.links_max();
        let guests = if spare_young { self.young_guests(t.now) } else { 0 };
        let links = self.peers.links() - guests;
        if links <= limit {
            return;
        }
        let ranked = self.ranked(t.now);
        let mut excess = links - limit;
        for id in ranked.into_iter().rev() {
            let Some(peer) = self.peers.at(&id).filter(|peer| peer.is_linked()) else { continue };
            let young = matches!(peer.link, Link::Up { since, .. } if t.now.since(since) < YOUNG);
            if excess == 0 || self.ring.all.contains(&id) {
                break;
            }
            if young && spare_young {
                self.plan_soon(t.now, YOUNG);
                continue;
            }
            excess -= 1;
            peer.link = Link::None;
            peer.greeting = Greeting::Due;
            peer.refuse(t.now, &mut self.own.chance);
            self.own.tally.count_as("router_evictions_total", "budget");
            self.reach.forget(&id);
            self.ring.stale = true;
            self.publication.is_stale = true;
            t.hang_up(id, CloseReason::Budget);
        }
    }

    fn prospects(&self, now: Instant) -> Vec<Prospect> {
        let (me, here) = (self.own.id(), self.own.coordinate);
        // Where nearness alone tells, or all can be linked, the ways beside a link do not matter.
        let adverts = if self.is_vast() || self.all_fit() { Arc::default() } else { self.reach.adverts() };
        let open = |peer: &&Peer| {
            peer.is_linked() || (peer.is_worth_telling(now) && peer.refused.until.is_none_or(|until| until <= now))
        };
        let prospect = |peer: &Peer| {
            let rtt = match peer.nearness(&here) {
                Nearness::Measured(rtt) | Nearness::Predicted(rtt) => Some(rtt),
                Nearness::Unknown => None,
            };
            let id = peer.id();
            let bound = rtt.unwrap_or(UNKNOWN_RTT) + UNKNOWN_RTT;
            let detour = if peer.is_server() { detour(&adverts, &id, bound).map(|(_, rtt)| rtt) } else { rtt };
            Some(Prospect {
                id,
                slot: slot_of(&me, &id)?,
                rtt,
                detour,
                lot: lot(&me, id.prefix_u64()),
                is_leaf: self.ring.all.contains(&id),
                is_guest: !peer.is_server(),
                is_linked: peer.is_linked(),
                is_theirs: peer.is_linked() && peer.theirs,
            })
        };
        self.peers.iter().filter(open).filter_map(prospect).collect()
    }
}

/// The round trip assumed where nothing is known: the median of our PlanetLab data is 160 ms.
const UNKNOWN_RTT: Span = Span::from_millis(200);
/// The odd number next to 2^64 over the golden ratio (Knuth, TAOCP 3, §6.4): mixes the bits of a pair.
const LOT_MIXER: u64 = 0x9e37_79b9_7f4a_7c15;
/// How much nearer a link that is there is felt to be, and what it saves more. Guesses, against flapping.
const INCUMBENT: f64 = 0.6;
const INCUMBENT_BONUS: Span = Span::from_millis(5);
/// The same in a vast network, where a nearer contact is what makes paths short. A guess.
const INCUMBENT_VAST: f64 = 0.85;
/// A network is vast from an eighth of the square of the link budget on: adverts overlap, and name only the nearest links; and
/// links have two ends, so that where each node chose all of its own, two in three of those that others need most would give
/// way. From a quarter on 1,024 nodes of 72 links had stretch 1.170 and 1.175 (p90 1.57, 1.55; seeds 1, 2), from a tenth on 1.160, 1.170
/// (1.50, 1.51), and 600 nodes the same (2026-11-26).
const VAST_SHARE: f64 = 8.0;
/// How long a link that was up is spared: a few round trips of the slowest pair of our data. A guess.
const YOUNG: Span = Span::from_secs(3);
/// Links for the moment beyond twice the budget. A guess.
const LINKS_SPARE: usize = 32;
/// One in this many links is left for others to take before this node dials for the table's sake. A guess.
const ROOM_SHARE: usize = 8;
/// Shortest and longest pause between swaps of a link for a better one. Guesses: a swap moves the detours
/// of all neighbours, which must settle before the next is judged.
const SWAP_PACE: (Span, Span) = (Span::from_secs(4), Span::from_mins(10));
/// Swaps at once and the pause between them in a vast network. Guesses.
const SWAPS_VAST: usize = 4;
const SWAP_PAUSE_VAST: Span = Span::from_secs(5);
/// Handshakes for the table's sake at once: 0.8 ms of processor each (measured 2026-11-23). A guess.
const DIALS_AT_ONCE: usize = 8;
/// Least pause between choices: one looks at all known nodes. Guesses.
const PLAN_PAUSE: Span = Span::from_millis(200);
const PLAN_PAUSE_VAST: Span = Span::from_secs(2);
/// Pauses before links are chosen (again). Guesses.
const PLAN_AGAIN: Span = Span::from_millis(700);
const PLAN_AFTER_LINK: Span = Span::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn prospect(digit: u8, last: u8, rtt: u64, detour: Option<u64>) -> Prospect {
        let id = Id::ZERO.with_digit(0, digit).with_digit(63, last);
        let slot = slot_of(&Id::ZERO, &id).expect("another node");
        let detour = detour.map(Span::from_millis);
        Prospect {
            id,
            slot,
            rtt: Some(Span::from_millis(rtt)),
            detour,
            lot: 0,
            is_leaf: false,
            is_guest: false,
            is_linked: false,
            is_theirs: false,
        }
    }

    #[test]
    fn leaf_set_then_slots_then_savings() {
        let far_leaf = Prospect { is_leaf: true, ..prospect(1, 0, 300, Some(100)) };
        let nearest_of_slot = prospect(5, 0, 20, Some(19));
        let saves_much = prospect(5, 1, 100, Some(250));
        let saves_little = prospect(5, 2, 90, Some(95));
        let ranked = by_usefulness(&[saves_little, nearest_of_slot, saves_much, far_leaf], None);
        assert_eq!(ranked, [far_leaf.id, nearest_of_slot.id, saves_much.id, saves_little.id]);
    }

    #[test]
    fn in_a_vast_network_the_nearest_of_each_slot_come_first_and_others_choices_before_what_is_merely_near() {
        let first = prospect(5, 0, 20, Some(21));
        let second = prospect(5, 1, 40, Some(300));
        let third = prospect(5, 2, 50, Some(300));
        let theirs = Prospect { is_linked: true, is_theirs: true, ..prospect(5, 3, 90, None) };
        let far_slot = prospect(6, 0, 200, Some(201));
        let ranked = by_usefulness(&[theirs, third, second, first, far_slot], Some(2));
        assert_eq!(ranked, [first.id, far_slot.id, second.id, theirs.id, third.id]);
    }

    #[test]
    fn a_clients_link_is_the_last_of_all() {
        let guest = Prospect { is_guest: true, is_linked: true, ..prospect(7, 0, 1, None) };
        assert_eq!(by_usefulness(&[guest, prospect(5, 1, 90, Some(95)), prospect(5, 0, 20, None)], None)[2], guest.id);
    }

    #[test]
    fn a_link_that_is_there_gives_way_only_to_a_clearly_better_one() {
        let held = Prospect { is_linked: true, ..prospect(5, 0, 25, Some(20)) };
        assert_eq!(by_usefulness(&[prospect(5, 1, 22, Some(20)), held], None)[0], held.id);
        assert_eq!(by_usefulness(&[prospect(5, 1, 12, Some(20)), held], None)[1], held.id);
    }
}
