//! Ways through others.
//!
//! Owns: what each linked node says its own links cost, the quickest detour to each node that follows,
//! and when this node tells its own (a distance vector, one hop deep).
//! Never does: believe an absurd round trip, or keep what a node said beyond its link.

use super::Router;
use super::own::{Due, Turn};
use super::peers::{Link, Peer};
use super::trickle::Trickle;
use crate::base::id::ID_BYTES;
use crate::base::{Id, Instant, RttEstimate, Span};
use crate::overlay::view::Way;
use crate::wire::Probe;
use crate::wire::membership::About;
use crate::wire::probe::{REACH_MAX, ReachEntry};
use std::collections::{BTreeMap, BTreeSet};

/// Adverts heard, and the detours they give.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    adverts: BTreeMap<Id, Advert>,
    /// By the first 64 bits of the target's id: through whom, and how long the round trip is.
    detours: BTreeMap<u64, (Id, Span)>,
    /// Linked nodes that are reached quicker through another, as told last.
    better: BTreeSet<Id>,
    told: BTreeMap<u64, Span>,
    pace: Trickle,
    is_stale: bool,
    computed: Instant,
}

#[derive(Clone, Debug)]
struct Advert {
    links: Vec<(u64, Span)>,
    at: Instant,
}

impl Reach {
    pub(super) fn new() -> Reach {
        Reach {
            adverts: BTreeMap::new(),
            detours: BTreeMap::new(),
            better: BTreeSet::new(),
            told: BTreeMap::new(),
            pace: Trickle::new(PACE),
            is_stale: false,
            computed: Instant::ORIGIN,
        }
    }

    /// The link to this node is gone, and with it all ways through it.
    pub(super) fn forget(&mut self, id: &Id) {
        if self.adverts.remove(id).is_some() {
            self.detours.retain(|_, (via, _)| via != id);
            self.is_stale = true;
        }
        self.better.remove(id);
    }

    /// The quickest detour's round trip.
    pub(super) fn detour(&self, id: &Id) -> Option<Span> {
        self.detours.get(&id.prefix_u64()).map(|(_, through)| *through)
    }

    /// Whether the detours must be computed anew.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// How many detours are known.
    pub(super) fn len(&self) -> usize {
        self.detours.len()
    }

    /// The best way to this node.
    pub(super) fn way(&self, peer: &Peer) -> Way {
        let detour = self.detours.get(&peer.contact.id().prefix_u64()).copied();
        match (peer.link, detour) {
            (Link::Up { rtt, .. }, Some((via, through))) if self.better.contains(&peer.id()) => {
                Way::LinkButBetter { rtt, via, through }
            }
            (Link::Up { rtt, .. }, _) => Way::Link { rtt },
            (_, Some((via, through))) => Way::Through { via, through },
            (_, None) => Way::None,
        }
    }
}

/// Whether the detour is to be preferred to the link, given that it was (`before`). Two thresholds, so
/// that it does not flap.
fn is_better(link: &RttEstimate, through: Span, before: bool) -> bool {
    let direct = link.smoothed();
    if before {
        return through < direct.scaled(LEAVE);
    }
    through < direct.scaled(ENTER) && direct.saturating_sub(through) >= GAIN_MIN
}

impl Router {
    /// A node tells what its links cost.
    pub(super) fn on_reach(&mut self, t: &mut Turn, from: Id, links: Vec<ReachEntry>) {
        if !self.peers.is_linked(&from) {
            return;
        }
        let sane = |entry: &ReachEntry| entry.rtt > Span::ZERO && entry.rtt <= RTT_MAX;
        let links: Vec<(u64, Span)> =
            links.iter().filter(|entry| sane(entry)).take(REACH_MAX).map(|entry| (entry.peer, entry.rtt)).collect();
        self.ask_after_strangers(t, from, &links);
        if let Some(advert) = self.reach.adverts.get_mut(&from).filter(|advert| advert.links == links) {
            advert.at = t.now;
            return;
        }
        self.reach.adverts.insert(from, Advert { links, at: t.now });
        self.reach.is_stale = true;
        self.publication.has_drifted = true;
    }

    /// Links came, went or drifted: the neighbours are told soon.
    pub(super) fn reach_changed(&mut self, t: &mut Turn) {
        self.reach.is_stale = true;
        let links = self.links_to_tell();
        if !differs(&self.reach.told, &links) {
            return;
        }
        self.reach.pace.reset();
        let wait = self.reach.pace.next(&mut self.own.chance);
        self.own.soon(t.now, Due::Reach, wait);
    }

    /// Tells the neighbours what the links cost: at most 64 entries of about 16 bytes to each link; with
    /// 24 links 9 KiB each time, once in a minute or two when nothing changes.
    pub(super) fn tell_reach(&mut self, t: &mut Turn) {
        let wait = self.reach.pace.next(&mut self.own.chance);
        self.own.due.set(Due::Reach, t.now + wait);
        let links = self.links_to_tell();
        if links.len() < 2 {
            return;
        }
        self.reach.told = links.iter().map(|entry| (entry.peer, entry.rtt)).collect();
        let linked: Vec<Id> = self.peers.linked().map(Peer::id).collect();
        for id in linked {
            t.probe(id, Probe::Reach { links: links.clone() });
        }
    }

    /// Computes the detours anew if anything they rest on changed; at most twice a second.
    pub(super) fn review_reach(&mut self, now: Instant) {
        if !self.reach.is_stale || now.since(self.reach.computed) < COMPUTE_PAUSE {
            return;
        }
        self.reach.is_stale = false;
        self.reach.computed = now;
        self.reach.adverts.retain(|_, advert| now.since(advert.at) < ADVERT_LASTS);
        let mut detours: BTreeMap<u64, (Id, Span)> = BTreeMap::new();
        for (via, advert) in &self.reach.adverts {
            let Some(here) = self.peers.find(via).filter(|p| !p.suspected).and_then(Peer::link_rtt) else { continue };
            for (target, there) in &advert.links {
                let through = here + *there + RELAY_COST;
                // The way told before stays unless another is clearly quicker.
                let stays = self.reach.detours.get(target).is_some_and(|(old, _)| old == via);
                let felt = if stays { through.scaled(STAY) } else { through };
                let best = detours.entry(*target).or_insert((*via, felt));
                if felt < best.1 {
                    *best = (*via, felt);
                }
            }
        }
        for (target, (via, through)) in &mut detours {
            if self.reach.detours.get(target).is_some_and(|(old, _)| old == via) {
                *through = through.scaled(1.0 / STAY);
            }
        }
        detours.remove(&self.own.id().prefix_u64());
        self.reach.detours = detours;
        self.review_better();
    }

    /// An advert names nodes this one does not know: in a network small enough, one of them is asked after,
    /// which brings its neighbours as well.
    fn ask_after_strangers(&mut self, t: &mut Turn, from: Id, links: &[(u64, Span)]) {
        if !self.join.is_settled() || self.peers.len() >= KNOWN_ENOUGH {
            return;
        }
        let known = |prefix: u64| {
            let first = place_of(prefix);
            self.peers.next_from(&first).is_some_and(|id| id.prefix_u64() == prefix)
                || self.graves.recent().iter().any(|id| id.prefix_u64() == prefix)
                || self.own.id().prefix_u64() == prefix
        };
        let strangers: Vec<u64> = links.iter().map(|(prefix, _)| *prefix).filter(|prefix| !known(*prefix)).collect();
        if let Some(prefix) = self.own.chance.pick(&strangers) {
            self.ask(t, from, About::Place(place_of(*prefix)));
        }
    }

    fn review_better(&mut self) {
        let reach = &self.reach;
        let better = self.peers.linked().filter(|peer| {
            let Link::Up { rtt, .. } = peer.link else { return false };
            let id = peer.id();
            reach.detour(&id).is_some_and(|through| is_better(&rtt, through, reach.better.contains(&id)))
        });
        self.reach.better = better.map(Peer::id).collect();
    }

    fn links_to_tell(&self) -> Vec<ReachEntry> {
        let mut links: Vec<(bool, Span, Id)> = self
            .peers
            .linked()
            .filter(|peer| peer.is_server() && peer.ready && !peer.suspected)
            .filter_map(|peer| Some((!self.ring.all.contains(&peer.id()), peer.link_rtt()?, peer.id())))
            .collect();
        links.sort_unstable();
        links.truncate(REACH_MAX);
        links.into_iter().map(|(_, rtt, id)| ReachEntry { peer: id.prefix_u64(), rtt }).collect()
    }
}

/// The first place whose id begins so.
fn place_of(prefix: u64) -> Id {
    let mut bytes = [0; ID_BYTES];
    bytes[..8].copy_from_slice(&prefix.to_be_bytes());
    Id::from_bytes(bytes)
}

/// Whether these links are not those told, or cost clearly something else.
fn differs(told: &BTreeMap<u64, Span>, links: &[ReachEntry]) -> bool {
    let same = |entry: &ReachEntry| {
        told.get(&entry.peer).is_some_and(|told| {
            let (old, new) = (told.as_micros(), entry.rtt.as_micros());
            old.abs_diff(new) <= old.max(new) * DRIFT_PERCENT / 100 + DRIFT_FLOOR_US
        })
    };
    told.len() != links.len() || !links.iter().all(same)
}

/// Known nodes at which nobody is asked after any more: everybody, in a network where that makes the best
/// paths. A guess.
const KNOWN_ENOUGH: usize = 200;
/// Shortest and longest interval between adverts. Guesses: a new link is of use within seconds.
const PACE: (Span, Span) = (Span::from_secs(2), Span::from_secs(120));
/// An advert not renewed within two of the longest intervals and a half is forgotten.
const ADVERT_LASTS: Span = Span::from_mins(5);
/// Least pause between computations of the detours. A guess.
const COMPUTE_PAUSE: Span = Span::from_millis(500);
/// What a relay adds to a round trip: two hand-overs. Issue 2 allows 150 us a hop.
const RELAY_COST: Span = Span::from_micros(300);
/// A detour is entered when it is 3 % quicker and saves 1 ms, and left when it is not 1 % quicker any more: a
/// smoothed round trip moves less. Entering at a tenth and 2 ms left 3 % of all latency on the table (64 PlanetLab
/// hosts, everybody linked, simulated, 6 seeds, 2026-11-25: ratio of means 0.955 against 0.927).
const ENTER: f64 = 0.97;
const LEAVE: f64 = 0.99;
const GAIN_MIN: Span = Span::from_millis(1);
/// Another relay must be this much quicker than the present one. A guess.
const STAY: f64 = 0.97;
/// Longest believable round trip of a link.
const RTT_MAX: Span = Span::from_secs(10);
/// Drift that is worth telling before the next advert is due. A guess; the floor keeps the noise of a fast network
/// (half a millisecond and more, where processors are busy) from being news.
const DRIFT_PERCENT: u64 = 20;
const DRIFT_FLOOR_US: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detour_is_entered_and_left_at_different_marks() {
        let link = RttEstimate::first(Span::from_millis(100));
        let table = [(98, false, false), (96, false, true), (98, true, true), (99, true, false)];
        for (through, before, better) in table {
            assert_eq!(is_better(&link, Span::from_millis(through), before), better, "{through} {before}");
        }
        assert!(!is_better(&RttEstimate::first(Span::from_millis(3)), Span::from_micros(2_100), false));
    }

    #[test]
    fn small_drift_is_not_worth_telling() {
        let told = BTreeMap::from([(1, Span::from_millis(100))]);
        let entry = |peer, millis| ReachEntry { peer, rtt: Span::from_millis(millis) };
        assert!(!differs(&told, &[entry(1, 110)]));
        assert!(differs(&told, &[entry(1, 130)]));
        assert!(differs(&told, &[entry(2, 100)]));
    }
}
