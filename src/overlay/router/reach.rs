//! Ways through others.
//!
//! Owns: what each linked node says its own links cost, the quickest detour to each node that follows,
//! and when this node tells its own (a distance vector, one hop deep).
//! Never does: believe an absurd round trip, or keep what a node said beyond its link.

use super::Router;
use super::links::lot;
use super::own::{Due, Turn};
use super::peers::{Link, Peer, Peers};
use crate::base::{Id, Instant, RttEstimate, Span};
use crate::overlay::view::{Advert, Way};
use crate::wire::Probe;
use crate::wire::membership::About;
use crate::wire::probe::{REACH_MAX, REACH_NEAR, ReachEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Adverts heard, and the links that are not the best way.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    heard: BTreeMap<Id, Heard>,
    /// What was heard from linked nodes that are not doubted, and the way to them, the nearest first.
    adverts: Arc<[Advert]>,
    /// Linked nodes that are reached quicker through another: through whom, and how long the round trip is.
    better: BTreeMap<Id, (Id, Span)>,
    told: Arc<[ReachEntry]>,
    /// How much later or sooner than another this node tells of changes: drawn anew whenever it has told, not with each change,
    /// of which the soonest moment would count.
    lag: f64,
    /// Who was linked since that was told to all.
    untold: BTreeSet<Id>,
    /// Whether what links cost is true for long enough to be told, and to be counted on. Until it has seen one fail a node thinks so.
    pays: bool,
    is_stale: bool,
    computed: Instant,
}

#[derive(Clone, Debug)]
struct Heard {
    /// In the order of ids.
    links: Arc<[ReachEntry]>,
    at: Instant,
}

impl Reach {
    pub(super) fn new() -> Reach {
        Reach {
            heard: BTreeMap::new(),
            adverts: Arc::default(),
            better: BTreeMap::new(),
            told: Arc::new([]),
            lag: 1.0,
            untold: BTreeSet::new(),
            pays: true,
            is_stale: false,
            computed: Instant::ORIGIN,
        }
    }

    /// The link to this node is gone, and with it all ways through it.
    pub(super) fn forget(&mut self, id: &Id) {
        self.untold.remove(id);
        if self.heard.remove(id).is_some() {
            self.doubt(id);
        }
        self.better.remove(id);
    }

    /// Nothing is to go through this node or to it, until it is heard again.
    pub(super) fn doubt(&mut self, id: &Id) {
        let prefix = [id.prefix_u64()];
        let others = self.adverts.iter().filter(|advert| advert.via != *id);
        self.adverts = others.map(|advert| Advert { links: without(&advert.links, &prefix), ..*advert }).collect();
        self.better.retain(|to, (via, _)| via != id && to != id);
        self.is_stale = true;
    }

    /// The neighbours that say they are linked to this node, but for those that `teller` says it is linked to itself.
    pub(super) fn linked_to<'a>(&'a self, id: &Id, teller: Option<&Id>) -> impl Iterator<Item = Id> + 'a {
        let told = teller.and_then(|teller| self.heard.get(teller)).map(|heard| &heard.links);
        let (id, teller) = (*id, teller.copied());
        let others =
            self.heard.iter().filter(move |(other, heard)| teller != Some(**other) && is_among(&heard.links, &id));
        others.map(|(other, _)| *other).filter(move |other| told.is_none_or(|links| !is_among(links, other)))
    }

    /// This node is dead, whatever its neighbours have said.
    pub(super) fn strike(&mut self, id: &Id) {
        for heard in self.heard.values_mut() {
            heard.links = without(&heard.links, &[id.prefix_u64()]);
        }
        self.doubt(id);
    }

    /// Nodes that were doubted may be trusted again.
    pub(super) fn trust(&mut self) {
        self.is_stale = true;
    }

    /// Whether links must be compared with the ways beside them anew.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// How many links are not the best way.
    pub(super) fn len(&self) -> usize {
        self.better.len()
    }

    /// The best way to this node.
    pub(super) fn way(&self, peer: &Peer) -> Way {
        match (peer.link, self.better.get(&peer.id())) {
            (Link::Up { rtt, .. }, Some(&(via, through))) => Way::LinkButBetter { rtt, via, through },
            (Link::Up { rtt, .. }, None) => Way::Link { rtt },
            _ => Way::None,
        }
    }

    /// What the linked nodes that are not doubted said, and the way to them, the nearest first, as of the last review.
    pub(super) fn adverts(&self) -> Arc<[Advert]> {
        Arc::clone(&self.adverts)
    }

    /// What of that messages may be sent by.
    pub(super) fn ways(&self) -> Arc<[Advert]> {
        if self.pays { self.adverts() } else { Arc::default() }
    }

    fn gather(&mut self, peers: &Peers) {
        let doubted: Vec<u64> = peers.iter().filter(|peer| peer.suspected).map(|peer| peer.id().prefix_u64()).collect();
        let advert = |(via, heard): (&Id, &Heard)| {
            let rtt = peers.find(via).filter(|peer| !peer.suspected).and_then(Peer::link_rtt)? + RELAY_COST;
            Some(Advert { via: *via, rtt, links: without(&heard.links, &doubted) })
        };
        let mut adverts: Vec<Advert> = self.heard.iter().filter_map(advert).collect();
        adverts.sort_unstable_by_key(|advert| (advert.rtt, advert.via));
        self.adverts = adverts.into();
    }

    /// Finds the links that are not the best way, with the way that is; `links` in the order of ids. Gives how many
    /// adverts' words were not believed.
    fn compare(&mut self, links: &[(Id, RttEstimate)], peers: &Peers) -> usize {
        let (better, lies) = self.ways_beside(links);
        self.better = better;
        for lie in &lies {
            if let Some(heard) = self.heard.get_mut(&lie.by) {
                heard.links = with(&heard.links, lie.of, lie.truth);
            }
        }
        if !lies.is_empty() {
            self.gather(peers);
        }
        lies.len()
    }

    /// A word that would make a way the best one is held against what the other end of that link says of it.
    fn ways_beside(&self, links: &[(Id, RttEstimate)]) -> (BTreeMap<Id, (Id, Span)>, Vec<Lie>) {
        let beside = |(id, rtt): &(Id, RttEstimate)| Beside {
            prefix: id.prefix_u64(),
            via: None,
            through: rtt.smoothed(),
            told: self.better.get(id).map(|(via, _)| *via),
            before: None,
        };
        let (mut ways, mut lies): (Vec<Beside>, _) = (links.iter().map(beside).collect(), Vec::new());
        let longest = ways.iter().map(|way| way.through).max().unwrap_or(Span::ZERO);
        for advert in self.adverts.iter().take_while(|advert| advert.rtt < longest) {
            let (entries, mut at) = (&advert.links[..], 0);
            for (way, (id, _)) in ways.iter_mut().zip(links) {
                while entries.get(at).is_some_and(|entry| entry.peer < way.prefix) {
                    at += 1;
                }
                let Some(entry) = entries.get(at).filter(|entry| entry.peer == way.prefix) else { continue };
                let (mut through, was_told) = (advert.rtt + entry.rtt, way.told == Some(advert.via));
                if through >= way.through && !was_told {
                    continue;
                }
                if let Some(truth) = self.contradicted(&advert.via, id, entry.rtt) {
                    lies.push(Lie { by: advert.via, of: entry.peer, truth });
                    through = advert.rtt + truth;
                }
                if through < way.through {
                    (way.through, way.via) = (through, Some(advert.via));
                }
                if was_told {
                    way.before = Some((advert.via, through));
                }
            }
        }
        let better = |((id, rtt), way): (&(Id, RttEstimate), Beside)| {
            let best = (way.via?, way.through);
            // The way told before stays unless another is clearly quicker.
            let (via, through) = way.before.filter(|(_, before)| before.scaled(STAY) <= best.1).unwrap_or(best);
            is_better(rtt, through, self.better.contains_key(id)).then_some((*id, (via, through)))
        };
        (links.iter().zip(ways).filter_map(better).collect(), lies)
    }

    /// What the other end of a link says of it, where it says clearly more than this one.
    fn contradicted(&self, by: &Id, of: &Id, said: Span) -> Option<Span> {
        let links = &self.heard.get(of)?.links;
        let place = links.binary_search_by_key(&by.prefix_u64(), |entry| entry.peer).ok()?;
        Some(links[place].rtt).filter(|word| is_clearly_less(said, *word))
    }
}

/// These links but those to nodes that begin so.
fn without(links: &Arc<[ReachEntry]>, prefixes: &[u64]) -> Arc<[ReachEntry]> {
    let place = |prefix: &u64| links.binary_search_by_key(prefix, |entry| entry.peer).ok();
    let mut named = prefixes.iter().filter_map(place);
    match (named.next(), named.next()) {
        (None, _) => Arc::clone(links),
        // Of a known length: one allocation.
        (Some(at), None) => links[..at].iter().chain(&links[at + 1..]).copied().collect(),
        _ => links.iter().filter(|entry| !prefixes.contains(&entry.peer)).copied().collect(),
    }
}

/// These links, one of them with another round trip.
fn with(links: &[ReachEntry], peer: u64, rtt: Span) -> Arc<[ReachEntry]> {
    links.iter().map(|entry| if entry.peer == peer { ReachEntry { peer, rtt } } else { *entry }).collect()
}

/// Whether one end of a link says so much less of it than the other that chance does not explain it.
fn is_clearly_less(one: Span, other: Span) -> bool {
    one < other.scaled(WORD_SHARE) && other.saturating_sub(one) > WORD_FLOOR
}

/// Where one end of a link says clearly less of it than the other, the other is believed: so nobody draws others' traffic
/// by saying that all are near to it.
struct Lie {
    by: Id,
    of: u64,
    truth: Span,
}

/// The quickest way beside a link.
struct Beside {
    /// To a node whose id begins so.
    prefix: u64,
    via: Option<Id>,
    through: Span,
    /// Through whom the way beside it was, as of the last time; and that way as it is now.
    told: Option<Id>,
    before: Option<(Id, Span)>,
}

/// The quickest way to this node through another, and its round trip, if that is below the bound; `adverts` as from
/// [`Reach::adverts`].
pub(super) fn detour(adverts: &[Advert], id: &Id, bound: Span) -> Option<(Id, Span)> {
    let prefix = id.prefix_u64();
    let mut best: Option<(Id, Span)> = None;
    for advert in adverts {
        let bound = best.map_or(bound, |(_, through)| through);
        if advert.rtt >= bound {
            break;
        }
        if let Some((through, _)) = advert.link_to(prefix) {
            best = if through < bound { Some((advert.via, through)) } else { best };
        }
    }
    best
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
    pub(super) fn on_reach(&mut self, t: &mut Turn, from: Id, links: Arc<[ReachEntry]>) {
        if !self.own.tuning.detours || !self.peers.is_linked(&from) {
            return;
        }
        let links = sane(links);
        let links = without(&links, &self.graves.named_among(&links));
        if let Some(advert) = self.reach.heard.get_mut(&from).filter(|advert| advert.links == links) {
            advert.at = t.now;
            return;
        }
        self.ask_after_strangers(t, from, &links);
        self.reach.heard.insert(from, Heard { links, at: t.now });
        self.reach.is_stale = true;
        self.publication.has_drifted = true;
    }

    /// Links came, went or drifted: the neighbours are told soon.
    pub(super) fn reach_changed(&mut self, t: &mut Turn) {
        self.reach.is_stale = true;
        if !self.own.tuning.detours || !self.join.is_settled() {
            return; // All at once when it is in.
        }
        let links = self.links_to_tell();
        let changed = differences(&self.reach.told, &links);
        if changed > 0 {
            let halves = links.len() as f64 / (2.0 * changed as f64);
            let wait = self.tell_after(t.now.since(self.own.started), halves);
            self.own.soon(t.now, Due::Reach, wait.scaled(self.reach.lag));
        }
    }

    /// Tells the neighbours what the links cost, if that pays: as a rule 64 entries of about 12 bytes to 64 of them, 50 KiB
    /// each time, once in a quarter of an hour when nothing changes.
    pub(super) fn tell_reach(&mut self, t: &mut Turn) {
        self.judge_adverts(t.now);
        let wait = self.own.chance.jittered(if self.reach.pays { TELL_AGAIN } else { JUDGE_AGAIN }, 0.5);
        self.own.due.set(Due::Reach, t.now + wait);
        if !self.reach.pays {
            return;
        }
        let links = self.links_to_tell();
        if links.len() < 2 {
            return;
        }
        self.reach.told = Arc::clone(&links);
        self.reach.lag = 0.5 + self.own.chance.unit();
        self.reach.untold.clear();
        self.tell_of(t, &links, |_| true);
    }

    /// Tells of these links those of the listeners that are meant.
    fn tell_of(&self, t: &mut Turn, links: &Arc<[ReachEntry]>, is_meant: impl Fn(&Peer) -> bool) {
        let told = self.listeners();
        for peer in self.peers.linked().filter(|peer| is_among(&told, &peer.id()) && is_meant(peer)) {
            t.probe(peer.id(), Probe::Reach { links: Arc::clone(links) });
        }
    }

    /// There is a link to this server: unless all are told before, it is told soon. Without that it might wait for a
    /// quarter of an hour.
    pub(super) fn note_new_link(&mut self, now: Instant, id: Id) {
        if self.reach.told.len() >= 2 {
            self.reach.untold.insert(id);
            let wait = self.own.chance.jittered(TELL_NEW, 0.5);
            self.own.soon(now, Due::NewLinks, wait);
        }
    }

    /// Tells those of the newly linked that are ready and among those told.
    pub(super) fn tell_new_links(&mut self, t: &mut Turn) {
        let untold = std::mem::take(&mut self.reach.untold);
        // Who is still joining has its turn later, and whose link is only just made; who takes as long as that hears with all.
        let is_early = |id: &&Id| {
            self.peers.find(id).is_some_and(|peer| match peer.link {
                Link::Up { since, .. } if peer.ready => t.now.since(since) < TELL_NEW / 2,
                Link::Up { since, .. } => t.now.since(since) < TELL_NEW * 3,
                _ => false,
            })
        };
        let (early, due): (Vec<Id>, Vec<Id>) = untold.iter().partition(is_early);
        self.reach.untold = early.into_iter().collect();
        if !self.reach.untold.is_empty() {
            self.own.soon(t.now, Due::NewLinks, TELL_NEW);
        }
        if !self.reach.pays {
            return;
        }
        let links = self.links_to_tell();
        if links.len() < 2 {
            return;
        }
        self.tell_of(t, &links, |peer| peer.ready && due.contains(&peer.id()));
    }

    /// Judges whether adverts pay here, by how long links live.
    pub(super) fn judge_adverts(&mut self, now: Instant) {
        let chosen = self.peers.linked().filter(|peer| peer.wanted && peer.is_server()).count();
        let lives = self.watch.links_live(now, self.own.started, chosen);
        let pays = lives >= if self.reach.pays { PAYS.0 } else { PAYS.1 };
        if pays != self.reach.pays {
            self.reach.pays = pays;
            self.reach.is_stale = true;
            self.publication.has_drifted = true;
            self.own.tally.count(if pays { "router_adverts_resumed_total" } else { "router_adverts_stopped_total" });
        }
    }

    /// Compares all links with the ways beside them if anything these rest on changed; not too often.
    pub(super) fn review_reach(&mut self, now: Instant) {
        if !self.reach.is_stale || now.since(self.reach.computed) < self.drift_pause(now) {
            return;
        }
        self.reach.is_stale = false;
        self.reach.computed = now;
        self.reach.heard.retain(|_, advert| now.since(advert.at) < ADVERT_LASTS);
        self.reach.gather(&self.peers);
        let link = |peer: &Peer| match peer.link {
            Link::Up { rtt, .. } if self.reach.pays => Some((peer.id(), rtt)),
            _ => None,
        };
        let links: Vec<(Id, RttEstimate)> = self.peers.iter().filter_map(link).collect();
        for _ in 0..self.reach.compare(&links, &self.peers) {
            self.own.tally.count("router_adverts_doubted_total");
        }
    }

    /// How long it waits to be told that something costs more or less than before: shortly while this node is new.
    pub(super) fn drift_pause(&self, now: Instant) -> Span {
        if now.since(self.own.started) < DRIFT_YOUNG { DRIFT_PAUSE_YOUNG } else { DRIFT_PAUSE }
    }

    /// An advert names nodes this one does not know: in a network small enough, one of them is asked after,
    /// which brings its neighbours as well.
    fn ask_after_strangers(&mut self, t: &mut Turn, from: Id, links: &[ReachEntry]) {
        if !self.join.is_settled() || self.peers.len() >= self.known_max() {
            return;
        }
        let me = self.own.id().prefix_u64();
        let is_strange = |prefix: &u64| *prefix != me && self.graves.named(*prefix).is_none();
        let strangers: Vec<u64> = self.peers.unnamed(links).filter(is_strange).collect();
        if let Some(prefix) = self.own.chance.pick(&strangers) {
            self.ask(t, from, About::Place(Id::from_prefix(*prefix)));
        }
    }

    /// How soon a node of this age tells of its links, if the half of them is so many times what changed: the more there is
    /// to tell, the sooner.
    fn tell_after(&self, age: Span, halves: f64) -> Span {
        if age < YOUNG {
            // Its links are being chosen: who follows late chooses by what was.
            let most = if self.is_vast() { TELL_AGAIN } else { TELL_YOUNG };
            return TELL_YOUNG.scaled(halves).min(most);
        }
        let most = if self.all_fit() { TELL_SMALL } else { TELL_AGAIN };
        let after = if age < GROWN { TELL_AFTER } else { TELL_AFTER * 3 };
        after.scaled(halves * halves).min(most)
    }

    /// What is told of.
    fn links_to_tell(&self) -> Arc<[ReachEntry]> {
        self.some_of(self.peers.linked().filter(|peer| peer.is_server() && peer.ready && !peer.suspected))
    }

    /// Who is told.
    fn listeners(&self) -> Arc<[ReachEntry]> {
        self.some_of(self.peers.linked())
    }

    /// Of these links as many as are told of, and told: in a vast network the nearest.
    fn some_of<'a>(&self, linked: impl Iterator<Item = &'a Peer>) -> Arc<[ReachEntry]> {
        let entry = |peer: &Peer| Some(ReachEntry { peer: peer.id().prefix_u64(), rtt: peer.link_rtt()? });
        let (links, width) = (linked.filter_map(entry).collect(), self.reach_width());
        if self.is_vast() {
            return ReachEntry::nearest(links, width);
        }
        let me = self.own.id();
        ReachEntry::spread(links, width, |entry| lot(&me, entry.peer))
    }

    /// How many links are told, and to how many neighbours.
    fn reach_width(&self) -> usize {
        if self.all_fit() { REACH_MAX } else { REACH_NEAR }
    }

    /// Whether everybody known can be linked.
    pub(super) fn all_fit(&self) -> bool {
        self.peers.len() <= self.own.tuning.link_budget
    }
}

/// Whether a node is among these, in the order of ids.
fn is_among(links: &[ReachEntry], id: &Id) -> bool {
    links.binary_search_by_key(&id.prefix_u64(), |entry| entry.peer).is_ok()
}

/// What of an advert can be believed, in the order of ids: as a rule all of it.
fn sane(links: Arc<[ReachEntry]>) -> Arc<[ReachEntry]> {
    let believable = |entry: &ReachEntry| entry.rtt > Span::ZERO && entry.rtt <= RTT_MAX;
    let in_order = links.windows(2).all(|pair| pair[0].peer < pair[1].peer);
    if in_order && links.len() <= REACH_MAX && links.iter().all(believable) {
        return links;
    }
    let mut kept: Vec<ReachEntry> = links.iter().filter(|entry| believable(entry)).take(REACH_MAX).copied().collect();
    kept.sort_unstable();
    kept.dedup_by_key(|entry| entry.peer);
    kept.into()
}

/// How many of these links were not told, or cost clearly something else; and how many of those told are gone.
fn differences(told: &[ReachEntry], links: &[ReachEntry]) -> usize {
    let same = |entry: &&ReachEntry| {
        told.binary_search_by_key(&entry.peer, |told| told.peer).is_ok_and(|index| {
            let (old, new) = (told[index].rtt.as_micros(), entry.rtt.as_micros());
            old.abs_diff(new) <= old.max(new) * DRIFT_PERCENT / 100 + DRIFT_FLOOR_US
        })
    };
    told.len().max(links.len()) - links.iter().filter(same).count()
}

/// How soon a node tells of its links when half of them are new: a young one, and in twice the time of a quarter, but at
/// once where adverts show the whole network; one that has found its place, and in four times the time of a quarter, so that
/// where nodes come and go it is not telling all the time; an old one. At the latest where each link makes everybody's paths;
/// and elsewhere, or when nothing changes. Guesses; slower ones for the young cost 64 nodes of 24 links 5 % of stretch in
/// their first minutes.
const TELL_YOUNG: Span = Span::from_secs(6);
const YOUNG: Span = Span::from_mins(3);
const TELL_AFTER: Span = Span::from_secs(16);
const GROWN: Span = Span::from_mins(10);
const TELL_SMALL: Span = Span::from_secs(60);
const TELL_AGAIN: Span = Span::from_mins(15);
/// How soon a new link's other end is told: once a newcomer is in, and a link that was made for a moment gone again.
const TELL_NEW: Span = Span::from_secs(10);
/// Adverts pay where links live as long as this. 300 nodes on PlanetLab hosts, 48 links, sessions of 5, 10, 20 and 40 minutes
/// (2026-11-27, two seeds): stretch 1.87, 1.65, 1.46, 1.27 with them, 1.75, 1.60, 1.45, 1.33 without, at 1,940, 980, 510, 280
/// bytes a node and second instead of 610, 290, 150, 80; so a fifth of what is told names the dead. Where they did not pay they do
/// so again from the second on, so that a node does not turn to and fro: a guess.
const PAYS: (Span, Span) = (Span::from_mins(20), Span::from_mins(30));
/// How soon that is judged again where they do not. A guess.
const JUDGE_AGAIN: Span = Span::from_secs(60);
/// An advert not renewed within two and a half of these intervals is forgotten.
const ADVERT_LASTS: Span = Span::from_mins(40);
/// Least pause between views, and comparisons of links with the ways beside them, where only costs changed: in a
/// simulation of 200 nodes views made for that at once were 60 % of all work (2026-11-25), and of 400 nodes at rest,
/// made every other second, a quarter (2026-11-26).
const DRIFT_PAUSE: Span = Span::from_secs(10);
const DRIFT_PAUSE_YOUNG: Span = Span::from_secs(2);
const DRIFT_YOUNG: Span = Span::from_mins(5);
/// What a relay adds to a round trip: two hand-overs of 150 us each, and the price of the relay's own
/// work, so that where all are equally near nobody goes round by others.
const RELAY_COST: Span = Span::from_millis(1);
/// A detour is entered when it is 3 % quicker and saves 1 ms, and left when it is not 1 % quicker any more: a
/// smoothed round trip moves less. Entering at a tenth and 2 ms left 3 % of all latency on the table (64 PlanetLab
/// hosts, everybody linked, simulated, 6 seeds, 2026-11-25: ratio of means 0.955 against 0.927).
const ENTER: f64 = 0.97;
const LEAVE: f64 = 0.99;
const GAIN_MIN: Span = Span::from_millis(1);
/// Both ends of a link measure the same round trip, each smoothed for itself. Guesses, wide enough for jitter and a busy end.
const WORD_SHARE: f64 = 0.75;
const WORD_FLOOR: Span = Span::from_millis(4);
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
        let entry = |peer, millis| ReachEntry { peer, rtt: Span::from_millis(millis) };
        let told = [entry(1, 100)];
        assert_eq!(differences(&told, &[entry(1, 110)]), 0);
        assert_eq!(differences(&told, &[entry(1, 130)]), 1);
        assert_eq!(differences(&told, &[entry(2, 100)]), 1);
        assert_eq!(differences(&told, &[entry(1, 100), entry(2, 100)]), 1);
        assert_eq!(differences(&told, &[]), 1);
    }

    /// Node 9 is near and says that all others are near to it.
    #[test]
    fn of_a_link_the_longer_word_of_its_two_ends_counts() {
        let id = |first: u8| Id::from_prefix(u64::from(first) << 56);
        let entry = |to: u8, millis| ReachEntry { peer: id(to).prefix_u64(), rtt: Span::from_millis(millis) };
        let mut reach = Reach::new();
        let told = [
            (1, 80, vec![entry(2, 10), entry(9, 100)]),
            (2, 20, vec![entry(1, 10), entry(9, 1)]),
            (9, 5, vec![entry(1, 1), entry(2, 1), entry(3, 1)]),
        ];
        let mut links = Vec::new();
        for (node, millis, said) in told {
            reach.heard.insert(id(node), Heard { links: said.clone().into(), at: Instant::ORIGIN });
            let (via, rtt) = (id(node), Span::from_millis(millis));
            reach.adverts = reach.adverts.iter().cloned().chain([Advert { via, rtt, links: said.into() }]).collect();
            links.push((id(node), RttEstimate::first(rtt)));
        }
        links.insert(2, (id(3), RttEstimate::first(Span::from_millis(80))));
        reach.adverts = reach.adverts.iter().rev().cloned().collect();
        let (better, lies) = reach.ways_beside(&links);
        // Node 1 says otherwise; node 2 says the same; of node 3 nothing is heard.
        let lies: Vec<_> = lies.iter().map(|lie| (lie.by, lie.of, lie.truth)).collect();
        assert_eq!(lies, [(id(9), id(1).prefix_u64(), Span::from_millis(100))]);
        assert_eq!(Vec::from_iter(better.keys().copied()), [id(1), id(2), id(3)]);
        let by = |to| better[&id(to)].0;
        assert_eq!((by(1), by(2), by(3)), (id(2), id(9), id(9)));
    }
}
