//! How long a link may be quiet.
//!
//! Owns: when each link is looked at, the beat that a quiet one gets, how long that is put off and how long links live, for
//! the deaths and departures this node has seen; and closing links that nobody needs.
//! Never does: doubt anybody: who does not even acknowledge a beat is pinged (`probe.rs`).

use super::Router;
use super::own::{Due, Turn};
use super::peers::{Greeting, Link, Peer};
use crate::base::{Deadlines, Id, Instant, Span};
use crate::wire::probe::Bearing;
use crate::wire::{CloseReason, Probe};
use std::collections::{BTreeMap, VecDeque};

/// What is known of quiet links.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// When each linked node is to be looked at.
    looks: Deadlines<Id>,
    /// Who should have been heard since when, for a beat or because another misses it, and was not looked at since.
    expected: BTreeMap<Id, Instant>,
    /// When nodes were found dead.
    deaths: History,
    /// When servers this node had chosen to link were found dead, or left.
    ends: History,
    healed: Instant,
    /// When a new node pings somebody next for its coordinate's sake.
    learns: Instant,
}

impl Watch {
    pub(super) fn new() -> Watch {
        Watch {
            looks: Deadlines::new(),
            expected: BTreeMap::new(),
            deaths: History::default(),
            ends: History::default(),
            healed: Instant::ORIGIN,
            learns: Instant::ORIGIN,
        }
    }

    /// A node known here was found dead.
    pub(super) fn note_death(&mut self, now: Instant) {
        self.deaths.note(now);
    }

    /// A server that this node had chosen to link is gone, in good order or not. (Whoever only links to this node says nothing
    /// by going: many such could go all the time.)
    pub(super) fn note_end(&mut self, now: Instant) {
        self.ends.note(now);
    }

    /// Whether several died within the last minute: then others may have, too.
    fn is_dying(&self, now: Instant) -> bool {
        self.deaths.at.iter().rev().nth(MANY_DEATHS - 1).is_some_and(|at| now.since(*at) < MANY_WITHIN)
    }

    /// How long any of so many links may be quiet, by how often they failed.
    fn rest(&self, now: Instant, started: Instant, links: usize) -> Span {
        // As if one failed just now, so that a node that has seen none yet is careful at first (MSPastry, DSN 2004).
        let each_lives = self.deaths.each_lives(now, started, links, 1.0);
        // Found dead after half of the rest on average, on each hop.
        each_lives.scaled(2.0 * DEAD_ON_THE_WAY / HOPS).clamp(REST.0, REST.1)
    }

    /// How long each of so many links that this node has chosen lives, by those it saw end: for ever, if none did.
    pub(super) fn links_live(&self, now: Instant, started: Instant, links: usize) -> Span {
        self.ends.each_lives(now, started, links, 0.0)
    }
}

/// When the last of something happened.
#[derive(Clone, Debug, Default)]
struct History {
    at: VecDeque<Instant>,
}

impl History {
    fn note(&mut self, now: Instant) {
        self.at.push_back(now);
        if self.at.len() > DEATHS_KEPT {
            self.at.pop_front();
        }
    }

    /// How long each of so many links lives, by how often they failed: as far back as that is kept, else since `started`, when
    /// this node did. `feared`: failures it counts as well until it has seen many; with none at all they live for ever.
    fn each_lives(&self, now: Instant, started: Instant, links: usize, feared: f64) -> Span {
        let is_full = self.at.len() == DEATHS_KEPT;
        let since = self.at.front().filter(|_| is_full).copied().unwrap_or(started);
        let failures = self.at.len() as f64 + if is_full { 0.0 } else { feared };
        now.since(since).scaled(links as f64 / failures)
    }
}

impl Router {
    /// How this node stands.
    pub(super) fn bearing(&self) -> Bearing {
        let ready = self.join.says_ready();
        let nodes = self.own_size().filter(|_| ready).map_or(0, |size| size as u32);
        Bearing { coordinate: self.own.coordinate, ready, nodes }
    }

    /// How another stands, as it says.
    pub(super) fn note_bearing(&mut self, t: &mut Turn, from: &Id, bearing: Bearing) {
        self.note_coordinate(from, bearing.coordinate);
        self.note_readiness(t, from, bearing.ready);
        if let Some(peer) = self.peers.at(from) {
            peer.nodes_said = bearing.nodes;
        }
    }

    /// A link is up: from now on its silence is noticed.
    pub(super) fn watch(&mut self, t: &Turn, id: Id) {
        self.look_soon(t.now, id, LOOK_FIRST);
    }

    /// This linked node is pinged unless it says something within so long.
    pub(super) fn expect(&mut self, now: Instant, id: Id, within: Span) {
        self.watch.expected.entry(id).or_insert(now);
        self.look_soon(now, id, within);
    }

    /// The nodes next to this one on the ring are others than before: they are looked at now.
    pub(super) fn watch_neighbours(&mut self, now: Instant) {
        for id in self.ring.all.next_ones() {
            if self.peers.is_linked(&id) {
                self.look_soon(now, id, Span::ZERO);
            }
        }
    }

    /// A turn of looking at links.
    pub(super) fn sweep(&mut self, t: &mut Turn) {
        while let Some(id) = self.watch.looks.pop_due(t.now) {
            if let Some(again) = self.look_at(t, &id) {
                self.watch.looks.set(id, again.max(t.now + SWEEP));
            }
        }
        let is_lost = self.own.coordinate.error() > LEARNT && t.now.since(self.own.started) < LEARNING;
        if is_lost && self.join.is_settled() && self.peers.links() > 0 && t.now >= self.watch.learns {
            self.watch.learns = t.now + LEARNING_PAUSE;
            let drawn = self.own.chance.index(self.peers.links());
            let drawn = self.peers.linked().nth(drawn).map(Peer::id);
            drawn.into_iter().for_each(|id| self.ping(t, &id, "learning"));
        }
        self.forget_errands();
        if t.now.since(self.watch.healed) >= UNFITNESS_HEALS {
            self.watch.healed = t.now;
            self.liveness.recover();
        }
        let learns = is_lost.then_some(self.watch.learns);
        let heals = (self.liveness.unfitness() > 0).then_some(self.watch.healed + UNFITNESS_HEALS);
        if let Some(next) = [self.watch.looks.next(), learns, heals].into_iter().flatten().min() {
            self.own.due.set(Due::Sweep, next.max(t.now + SWEEP));
        }
    }

    /// What a look at one link leads to; says when to look again, if ever.
    fn look_at(&mut self, t: &mut Turn, id: &Id) -> Option<Instant> {
        let expected = self.watch.expected.remove(id);
        let peer = self.peers.find(id).filter(|peer| peer.is_linked())?;
        let heard = peer.heard.unwrap_or(t.now);
        if let Link::Up { since, .. } = peer.link
            && peer.greeting == Greeting::Due
            && self.join.is_placing()
            && self.ring.all.contains(id)
        {
            let due = since + LOOK_FIRST;
            if due <= t.now {
                self.greet(t, *id);
            }
            return Some(due.max(t.now + ANSWER));
        }
        if expected.is_some_and(|since| heard < since) {
            self.ping(t, id, "quiet");
            return Some(t.now + ANSWER);
        }
        let is_unused = !peer.wanted && !peer.theirs && self.join.is_settled();
        if is_unused && heard + UNUSED <= t.now {
            t.hang_up(*id, CloseReason::Unused);
            return None;
        }
        let quiet_at = heard + self.may_be_quiet(t.now, peer);
        if quiet_at > t.now {
            return Some(if is_unused { quiet_at.min(heard + UNUSED) } else { quiet_at });
        }
        if peer.is_server() && !peer.ready {
            // Word of its readiness may have been lost: its pong says it again.
            self.ping(t, id, "unready");
            return Some(t.now + UNREADY);
        }
        self.own.tally.count("router_beats_total");
        self.watch.expected.insert(*id, t.now);
        t.probe(*id, Probe::Beat { bearing: self.bearing() });
        Some(t.now + ANSWER)
    }

    /// How long this link may be quiet. Each node sees to the next one on the ring, and tells its leaf set of a death there
    /// (MSPastry, DSN 2004); what the other end sees to is left to it for a while.
    fn may_be_quiet(&self, now: Instant, peer: &Peer) -> Span {
        let id = peer.id();
        let (before, after) = (self.ring.all.before().first(), self.ring.all.after().first());
        let next = self.own.tuning.probe_after / if self.watch.is_dying(now) { 3 } else { 1 };
        if peer.is_server() && !peer.ready && self.ring.all.contains(&id) {
            UNREADY
        } else if after == Some(&id) {
            next
        } else if before == Some(&id) {
            next * 3 / 2
        } else {
            let rest = self.watch.rest(now, self.own.started, self.peers.links());
            let rest = if self.own.is_client() { rest.min(KEPT_ALIVE) } else { rest };
            let rest = if peer.theirs { rest * 5 / 4 } else { rest };
            if peer.is_server() && !peer.ready { rest.min(UNREADY * 3) } else { rest }
        }
    }

    fn look_soon(&mut self, now: Instant, id: Id, wait: Span) {
        self.watch.looks.set_earlier(id, now + wait);
        self.own.soon(now, Due::Sweep, wait);
    }
}

/// Least pause between looks: the host reports once a second.
const SWEEP: Span = Span::from_secs(1);
/// When a new link is looked at first. A guess.
const LOOK_FIRST: Span = Span::from_secs(5);
/// How long a beat's acknowledgement may take until the host reports it: the slowest round trip, and a second. A guess.
const ANSWER: Span = Span::from_secs(3);
/// How long a link that this end opened and does not want stays when nothing passes over it. A guess.
const UNUSED: Span = Span::from_secs(30);
/// How long a node is left in peace that was not ready when it last said so. A guess.
const UNREADY: Span = Span::from_secs(5);
/// Deaths that tell how often links fail: MSPastry, DSN 2004, keeps a short history as well; the number is a guess.
const DEATHS_KEPT: usize = 16;
/// So many deaths within so long are no coincidence. Guesses.
const MANY_DEATHS: usize = 3;
const MANY_WITHIN: Span = Span::from_mins(1);
/// Share of the lookups that may meet a dead node at some hop, which costs them one patience there; and hops of a lookup.
/// Guesses: MSPastry tunes its probes to a share of raw losses likewise.
const DEAD_ON_THE_WAY: f64 = 0.1;
const HOPS: f64 = 3.0;
/// Shortest and longest rest of a link. The longest: less than the half hour after which the transport gives up.
const REST: (Span, Span) = (Span::from_secs(20), Span::from_mins(10));
/// How long a client's link may be quiet: an address translator may forget it soon after (RFC 9308 §3.2).
const KEPT_ALIVE: Span = Span::from_secs(25);
/// Quiet times until one point of unfitness is forgiven. A guess.
const UNFITNESS_HEALS: Span = Span::from_secs(5);
/// A new node pings a link every so often for at most so long until its coordinate is of use. Guesses.
const LEARNING_PAUSE: Span = Span::from_secs(2);
const LEARNING: Span = Span::from_secs(90);
const LEARNT: f32 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::ORIGIN + Span::from_secs(secs)
    }

    #[test]
    fn links_rest_as_long_as_they_live() {
        let mut watch = Watch::new();
        assert_eq!(watch.rest(at(1), at(0), 64), REST.0);
        assert_eq!(watch.rest(at(3_600), at(0), 64), REST.1, "no death in an hour");
        assert!(watch.links_live(at(10), at(0), 64) > Span::from_hours(1_000), "none seen, none feared");
        watch.note_end(at(3_600));
        assert_eq!(watch.links_live(at(3_600), at(0), 64), Span::from_hours(64));
        watch.note_death(at(3_600));
        // 64 links of nodes that stay for 138 minutes (Gnutella): one death in 129 s.
        (1..40).for_each(|death| watch.note_death(at(3_600 + death * 129)));
        let rest = watch.rest(at(3_600 + 39 * 129), at(0), 64).as_secs_f64();
        assert!((500.0..560.0).contains(&rest), "{rest}: 8,280 s / 15");
        // 1.4 minutes in the median.
        (1..40).for_each(|death| watch.note_death(at(10_000 + death * 2)));
        assert_eq!(watch.rest(at(10_080), at(0), 64), REST.0);
        assert_eq!(watch.deaths.at.len(), DEATHS_KEPT);
    }
}
