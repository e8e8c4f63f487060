//! Who lives.
//!
//! Owns: pings, doubt, the question to others about a doubted node, and the verdict; and how far this
//! node trusts its own clock (Lifeguard, Dadgar et al. 2018: a node that is late itself accuses more
//! slowly).
//! Never does: declare a node dead that others hear, or on its own word alone while it has others to ask.

use super::own::{Due, Turn};
use super::peers::{Link, Peer};
use super::{LinkReport, Router};
use crate::base::{Deadlines, Id, Instant, RttEstimate, Span};
use crate::wire::{Card, Probe};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Doubts under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Liveness {
    doubts: BTreeMap<Id, Doubt>,
    /// When each linked node is to be looked at for its silence.
    looks: Deadlines<Id>,
    errands: BTreeMap<Id, Vec<(Id, u32)>>,
    /// 0 is well; grows while this node is late or wrong, and lengthens its patience.
    unfitness: u32,
}

/// What is done about one silent node.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    stage: Stage,
    since: Instant,
    vouched: bool,
    rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It was pinged.
    Pinged,
    /// Others were asked after it.
    AskedAfter,
}

/// What to do when a doubted node had its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Ask others.
    AskOthers,
    /// Somebody heard it: try again.
    TryAgain,
    /// It is dead, or dead to this node.
    Dead,
}

impl Doubt {
    fn verdict(&self) -> Verdict {
        match self.stage {
            Stage::Pinged => Verdict::AskOthers,
            Stage::AskedAfter if self.vouched && self.rounds < VOUCHED_ROUNDS => Verdict::TryAgain,
            Stage::AskedAfter if !self.vouched && self.rounds < UNHEARD_ROUNDS => Verdict::TryAgain,
            Stage::AskedAfter => Verdict::Dead,
        }
    }
}

impl Liveness {
    /// How many nodes are doubted.
    pub(super) fn doubted(&self) -> usize {
        self.doubts.len()
    }

    /// How far this node distrusts its own accusations.
    pub(super) fn unfitness(&self) -> u32 {
        self.unfitness
    }
}

impl Router {
    /// This node was heard from: whatever was doubted, it lives.
    pub(super) fn heard_from(&mut self, t: &mut Turn, id: &Id) {
        let Some(peer) = self.peers.at(id) else { return };
        peer.heard = Some(t.now);
        peer.missed_echoes = 0;
        if !peer.is_linked() {
            return;
        }
        if peer.suspected {
            peer.suspected = false;
            self.reach.trust();
            self.ring.stale = true;
            self.own.tally.count("router_suspicions_refuted_total");
            self.liveness.unfitness = (self.liveness.unfitness + 1).min(UNFITNESS_MAX);
        }
        if self.liveness.doubts.remove(id).is_some() {
            self.own.due.clear(&Due::Doubt(*id));
        }
        self.finish_errands(t, id, true);
    }

    /// What the host heard on the links within the last second.
    pub(super) fn on_links(&mut self, t: &mut Turn, reports: Vec<LinkReport>) {
        let mut drifted = false;
        for report in reports {
            let asked = self.liveness.doubts.get(&report.peer).map(|doubt| doubt.since);
            let heard = t.now - report.silent_for;
            let Some(peer) = self.peers.at(&report.peer) else { continue };
            if let Link::Up { rtt, told, .. } = &mut peer.link {
                take_report(rtt, report.rtt);
                peer.measured = Some((rtt.smoothed(), t.now));
                let (now, before) = (rtt.smoothed().as_micros(), told.as_micros());
                drifted |= now.abs_diff(before) * 10 > before.max(DRIFT_FLOOR_US * 10);
            }
            if asked.is_none_or(|asked| heard > asked) {
                peer.heard = peer.heard.max(Some(heard));
                if asked.is_some() {
                    self.heard_from(t, &report.peer);
                }
            }
        }
        if drifted {
            self.publication.has_drifted = true;
            self.reach_changed(t);
        }
    }

    /// Looks for links that fell silent, and pings some to learn their coordinates.
    pub(super) fn sweep(&mut self, t: &mut Turn) {
        let mut pinged = self.silent(t.now);
        let is_young = t.now.since(self.own.started) < LEARNING;
        if is_young || self.own.chance.happens(LEARNING_RATE) {
            let drawn = self.own.chance.index(self.liveness.looks.len());
            pinged.extend(self.peers.linked().nth(drawn).map(Peer::id));
        }
        if self.ring.all != self.ring.ready {
            // Word of a neighbour's readiness may have been lost; the pong says it again.
            let unready = |id: &Id| self.peers.find(id).is_some_and(|peer| !peer.ready);
            pinged.extend(self.ring.all.iter().filter(unready));
        }
        for id in pinged {
            self.ping(t, &id);
        }
        self.liveness.errands.retain(|id, _| self.liveness.doubts.contains_key(id));
        if (t.now.as_micros() / SWEEP.as_micros()).is_multiple_of(UNFITNESS_HEALS) {
            self.liveness.unfitness = self.liveness.unfitness.saturating_sub(1);
        }
        if !self.liveness.looks.is_empty() {
            self.own.due.set(Due::Sweep, t.now + SWEEP);
        }
    }

    /// A link is up: from now on its silence is noticed.
    pub(super) fn watch(&mut self, t: &Turn, id: Id) {
        self.liveness.looks.set(id, t.now + self.own.tuning.probe_after);
        self.own.soon(t.now, Due::Sweep, SWEEP);
    }

    /// The wanted links that were silent for too long, of those that were to be looked at by now.
    fn silent(&mut self, now: Instant) -> Vec<Id> {
        let probe_after = self.own.tuning.probe_after;
        let mut silent = Vec::new();
        while let Some(id) = self.liveness.looks.pop_due(now) {
            let Some(peer) = self.peers.find(&id).filter(|peer| peer.is_linked()) else { continue };
            let patience = if self.ring.all.contains(&id) { probe_after } else { probe_after * 5 / 2 };
            let quiet_at = peer.heard.map_or(now, |heard| heard + patience);
            let again = if quiet_at > now { quiet_at } else { now + probe_after };
            if quiet_at <= now && peer.wanted {
                silent.push(id);
            }
            self.liveness.looks.set(id, again);
        }
        silent
    }

    /// Whatever was doubted about this node matters no more.
    pub(super) fn drop_doubt(&mut self, id: &Id) {
        self.liveness.doubts.remove(id);
        self.own.due.clear(&Due::Doubt(*id));
        self.liveness.errands.remove(id);
    }

    /// Asks a linked node whether it is there.
    pub(super) fn ping(&mut self, t: &mut Turn, id: &Id) {
        if self.liveness.doubts.contains_key(id) || !self.peers.is_linked(id) {
            return;
        }
        self.send_ping(t, *id);
        let doubt = Doubt { stage: Stage::Pinged, since: t.now, vouched: false, rounds: 0 };
        self.liveness.doubts.insert(*id, doubt);
        self.own.due.set(Due::Doubt(*id), t.now + self.patience(id));
    }

    /// The Forwarder waited in vain: ask at once.
    pub(super) fn on_hop_silent(&mut self, t: &mut Turn, id: Id) {
        self.own.tally.count("router_hops_silent_total");
        self.ping(t, &id);
    }

    /// A wanted link was lost: dial again, and ask others meanwhile.
    pub(super) fn doubt_lost(&mut self, t: &mut Turn, id: &Id) {
        self.dial(t, id);
        self.suspect(t, id, Doubt { stage: Stage::AskedAfter, since: t.now, vouched: false, rounds: 0 });
    }

    /// A doubted node had its time. `late` is how much later than due this is handled.
    pub(super) fn on_doubt_due(&mut self, t: &mut Turn, id: Id, late: Span) {
        let Some(mut doubt) = self.liveness.doubts.get(&id).copied() else { return };
        if late > LATE {
            // The answer may wait behind this very input.
            self.liveness.unfitness = (self.liveness.unfitness + 1).min(UNFITNESS_MAX);
            self.own.tally.count("router_late_total");
            self.own.due.set(Due::Doubt(id), t.now + self.patience(&id));
            return;
        }
        match doubt.verdict() {
            Verdict::AskOthers => self.suspect(t, &id, Doubt { stage: Stage::AskedAfter, ..doubt }),
            Verdict::TryAgain => {
                doubt.rounds += 1;
                doubt.vouched = false;
                self.dial(t, &id);
                self.suspect(t, &id, doubt);
            }
            Verdict::Dead => self.bury(t, &id, "silent"),
        }
    }

    /// Somebody hears nothing of this node, and asks this one to try.
    pub(super) fn on_ping_for(&mut self, t: &mut Turn, from: Id, round: u32, suspect: Card) {
        let id = suspect.contact.id();
        if id == self.own.id() {
            return;
        }
        if self.graves.contains(&id) {
            return t.probe(from, Probe::PongFor { round, suspect: id, alive: false });
        }
        let room = self.liveness.errands.len() < ERRANDS_MAX || self.liveness.errands.contains_key(&id);
        if !self.peers.is_linked(&id) || !room {
            return;
        }
        let askers = self.liveness.errands.entry(id).or_default();
        if askers.len() < ASKED_AFTER {
            askers.push((from, round));
        }
        self.ping(t, &id);
    }

    /// What came of another's trying.
    pub(super) fn on_pong_for(&mut self, id: &Id, alive: bool) {
        if let Some(doubt) = self.liveness.doubts.get_mut(id) {
            doubt.vouched |= alive;
        }
    }

    /// This node is gone: it leaves every table, and is remembered.
    pub(super) fn bury(&mut self, t: &mut Turn, id: &Id, why: &'static str) {
        self.liveness.doubts.remove(id);
        self.own.due.clear(&Due::Doubt(*id));
        self.finish_errands(t, id, false);
        self.reach.forget(id);
        let Some(peer) = self.peers.remove(id) else { return };
        if peer.is_linked() && why == "silent" {
            t.hang_up(*id, crate::wire::CloseReason::Unused);
        }
        self.own.tally.count_as("router_evictions_total", why);
        self.graves.bury(Arc::clone(&peer.contact), t.now, &mut self.own.chance);
        self.schedule_knocks();
        self.ring.stale = true;
        self.publication.is_stale = true;
        self.publication.is_unsaved = true;
        self.plan_soon(t.now, PLAN_AFTER_DEATH);
        self.knock_when_alone(t);
    }

    fn suspect(&mut self, t: &mut Turn, id: &Id, doubt: Doubt) {
        let Some(peer) = self.peers.at(id) else { return };
        if !peer.suspected {
            peer.suspected = true;
            self.reach.doubt(id);
            self.own.tally.count("router_suspicions_total");
        }
        let card = peer.card();
        let round = self.own.next_round();
        let mut others: Vec<Id> =
            self.peers.linked().filter(|peer| !peer.suspected && peer.is_server()).map(Peer::id).collect();
        self.own.chance.shuffle(&mut others);
        // Its neighbours on the ring are the likeliest to have a link to it.
        others.sort_by_key(|other| !self.ring.all.contains(other));
        for other in others.into_iter().take(ASKED_AFTER) {
            t.probe(other, Probe::PingFor { round, suspect: card.clone() });
        }
        self.send_ping(t, *id);
        self.liveness.doubts.insert(*id, Doubt { since: t.now, ..doubt });
        self.own.due.set(Due::Doubt(*id), t.now + self.patience(id) + INDIRECT);
    }

    fn send_ping(&mut self, t: &mut Turn, id: Id) {
        if self.peers.is_linked(&id) {
            let round = self.own.next_round();
            self.own.tally.count("router_probes_total");
            t.probe(id, Probe::Ping { round, coordinate: self.own.coordinate });
        }
    }

    fn finish_errands(&mut self, t: &mut Turn, id: &Id, alive: bool) {
        for (asker, round) in self.liveness.errands.remove(id).unwrap_or_default() {
            t.probe(asker, Probe::PongFor { round, suspect: *id, alive });
        }
    }

    fn patience(&self, id: &Id) -> Span {
        let estimate = match self.peers.find(id).map(|peer| peer.link) {
            Some(Link::Up { rtt, .. }) => rtt.patience(PATIENCE_FLOOR).min(PATIENCE_MAX),
            _ => PATIENCE_MAX,
        };
        estimate + estimate * u64::from(self.liveness.unfitness) / 2
    }
}

/// A report that is far off replaces the estimate, which began with a handshake under load.
fn take_report(estimate: &mut RttEstimate, reported: Span) {
    let known = estimate.smoothed();
    if reported > known.scaled(1.5) || reported < known.scaled(0.7) {
        *estimate = RttEstimate::first(reported);
    } else {
        estimate.add(reported);
    }
}

/// How often links are looked over: the host reports once a second.
pub(super) const SWEEP: Span = Span::from_secs(1);
/// A ping waits at least this much longer than its round trip: a host with 64 nodes on two cores is
/// that busy at times. And at most this long: thrice the slowest pair of our data. Guesses.
const PATIENCE_FLOOR: Span = Span::from_millis(500);
const PATIENCE_MAX: Span = Span::from_secs(2);
/// What others get to ask and answer. A guess: two slow round trips.
const INDIRECT: Span = Span::from_millis(800);
/// Others asked after a silent node: SWIM (DSN 2002) §5 uses three.
const ASKED_AFTER: usize = 3;
/// Rounds of trying while others vouch for the node: it lives, but not for us. A guess.
const VOUCHED_ROUNDS: u32 = 4;
/// Rounds of trying while nobody says anything: in a busy moment it is we who do not hear. Without it labs
/// under full load buried the living (2026-11-23).
const UNHEARD_ROUNDS: u32 = 1;
/// A deadline handled this late says that this node is overloaded. A guess.
const LATE: Span = Span::from_millis(100);
/// Lifeguard §4: the health multiplier saturates at 8.
const UNFITNESS_MAX: u32 = 8;
/// Sweeps until one point of unfitness is forgiven. A guess.
const UNFITNESS_HEALS: u64 = 5;
/// Nodes asked after for others at once. A guess.
const ERRANDS_MAX: usize = 64;
/// A new node pings one link a second for this long to learn its coordinate, later seldom: Vivaldi needs
/// about 60 samples. Guesses.
const LEARNING: Span = Span::from_secs(90);
const LEARNING_RATE: f64 = 0.1;
/// Drift of a round trip below this is noise, in us: it changes no choice between paths across the Internet,
/// while round trips on one busy machine drift by more than 10 % all the time (with 100 us, 50 idle nodes
/// published 575 views a second).
const DRIFT_FLOOR_US: u64 = 2_000;
/// Links are chosen anew soon after a death. A guess.
const PLAN_AFTER_DEATH: Span = Span::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_dead_only_after_others_were_asked_and_none_heard_it() {
        let doubt = |stage, vouched, rounds| Doubt { stage, since: Instant::ORIGIN, vouched, rounds };
        let table = [
            (Stage::Pinged, false, 0, Verdict::AskOthers),
            (Stage::Pinged, true, 0, Verdict::AskOthers),
            (Stage::AskedAfter, true, 0, Verdict::TryAgain),
            (Stage::AskedAfter, true, VOUCHED_ROUNDS, Verdict::Dead),
            (Stage::AskedAfter, false, 0, Verdict::TryAgain),
            (Stage::AskedAfter, false, UNHEARD_ROUNDS, Verdict::Dead),
        ];
        for (stage, vouched, rounds, verdict) in table {
            assert_eq!(doubt(stage, vouched, rounds).verdict(), verdict, "{stage:?} {vouched} {rounds}");
        }
    }

    #[test]
    fn a_report_far_off_replaces_an_estimate_made_under_load() {
        let mut estimate = RttEstimate::first(Span::from_millis(200));
        take_report(&mut estimate, Span::from_millis(60));
        assert_eq!(estimate.smoothed(), Span::from_millis(60));
        take_report(&mut estimate, Span::from_millis(68));
        assert_eq!(estimate.smoothed(), Span::from_millis(61));
    }
}
