//! Who lives.
//!
//! Owns: pings, doubt, the question to others about a doubted node, the verdict and word of it; and how far this
//! node trusts its own clock (Lifeguard, Dadgar et al. 2018: a node that is late itself accuses more
//! slowly).
//! Never does: declare a member of the leaf set dead that others hear, or on its own word alone while it has others to ask;
//! believe a word of death without having tried.

use super::own::{Due, Turn};
use super::peers::{Link, Peer};
use super::{LinkReport, Router};
use crate::base::{Id, Instant, RttEstimate, Span};
use crate::wire::{Card, Probe};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Doubts under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Liveness {
    doubts: BTreeMap<Id, Doubt>,
    errands: BTreeMap<Id, Vec<(Id, u32)>>,
    /// 0 is well; grows while this node is late or wrong, and lengthens its patience.
    unfitness: u32,
}

/// What is done about one silent node.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    stage: Stage,
    since: Instant,
    began: Instant,
    /// Whether messages wait for what comes of it.
    is_urgent: bool,
    /// Whether somebody else hears it, and how many tried in vain.
    vouched: bool,
    denied: usize,
    /// Whether somebody else heard it in any round.
    is_disputed: bool,
    rounds: u32,
    /// Whether it is looked into for others alone.
    is_errand: bool,
    /// The neighbour that found it dead: by asking around, where it is of the leaf set.
    accused_by: Option<Id>,
    /// Whether it is none of the leaf set: then it is for this node alone to give it up, after some more tries.
    is_far: bool,
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
    /// Whoever asked is told of the silence; it is no matter of this node's.
    Report,
    /// It is dead, or dead to this node.
    Dead,
}

impl Doubt {
    fn new(stage: Stage, since: Instant) -> Doubt {
        Doubt {
            stage,
            since,
            began: since,
            is_urgent: false,
            vouched: false,
            denied: 0,
            is_disputed: false,
            rounds: 0,
            is_errand: false,
            accused_by: None,
            is_far: false,
        }
    }

    /// Nobody waits for the end of a link that only fell quiet: whoever is paused for some seconds is given the time.
    fn verdict_at(&self, now: Instant) -> Verdict {
        let is_early = now.since(self.began) < PAUSE_SPARED && !self.is_urgent && self.accused_by.is_none();
        match self.verdict() {
            Verdict::Dead if is_early => Verdict::TryAgain,
            verdict => verdict,
        }
    }

    fn far_rounds(&self) -> u32 {
        if self.accused_by.is_some() { FAR_ROUNDS_ACCUSED } else { FAR_ROUNDS }
    }

    fn verdict(&self) -> Verdict {
        match self.stage {
            // Whoever accuses it has asked around: of others this node need not hear the same.
            _ if self.accused_by.is_some() && !self.vouched && !self.is_far => Verdict::Dead,
            Stage::Pinged if self.is_errand && self.rounds < ERRAND_ROUNDS => Verdict::TryAgain,
            Stage::Pinged if self.is_errand => Verdict::Report,
            Stage::Pinged if self.is_far && self.rounds < self.far_rounds() => Verdict::TryAgain,
            Stage::Pinged if self.is_far => Verdict::Dead,
            Stage::Pinged => Verdict::AskOthers,
            Stage::AskedAfter if self.vouched && self.rounds < VOUCHED_ROUNDS => Verdict::TryAgain,
            Stage::AskedAfter if !self.vouched && self.denied < DENIED && self.rounds < UNHEARD_ROUNDS => {
                Verdict::TryAgain
            }
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

    /// Some time has passed in which nothing was wrong.
    pub(super) fn recover(&mut self) {
        self.unfitness = self.unfitness.saturating_sub(1);
    }
}

impl Router {
    /// This node was heard from: whatever was doubted, it lives. Unless it hears nothing of this one: then it is of no use
    /// here, whatever it says, until it acknowledges something.
    pub(super) fn heard_from(&mut self, t: &mut Turn, id: &Id) {
        let Some(peer) = self.peers.at(id).filter(|peer| !peer.is_deaf()) else { return };
        peer.heard = Some(t.now);
        peer.missed_echoes = 0;
        if !peer.is_linked() {
            return;
        }
        if peer.suspected {
            peer.suspected = false;
            self.publication.is_stale = true;
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
            if let Link::Up { rtt, told, is_deaf, .. } = &mut peer.link {
                *is_deaf = report.unacknowledged_for >= DEAF_AFTER;
                if *is_deaf {
                    self.ping(t, &report.peer, "deaf");
                    continue;
                }
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

    /// Whatever was doubted about this node matters no more.
    pub(super) fn drop_doubt(&mut self, id: &Id) {
        self.liveness.doubts.remove(id);
        self.own.due.clear(&Due::Doubt(*id));
        self.liveness.errands.remove(id);
    }

    /// Errands whose end went another way are forgotten.
    pub(super) fn forget_errands(&mut self) {
        self.liveness.errands.retain(|id, _| self.liveness.doubts.contains_key(id));
    }

    /// Asks a linked node whether it is there.
    pub(super) fn ping(&mut self, t: &mut Turn, id: &Id, why: &'static str) {
        if let Some(doubt) = self.liveness.doubts.get_mut(id) {
            doubt.is_errand = false;
            return;
        }
        let is_far = !self.ring.all.contains(id);
        self.doubt(t, id, Doubt { is_far, ..Doubt::new(Stage::Pinged, t.now) }, why);
    }

    fn doubt(&mut self, t: &mut Turn, id: &Id, doubt: Doubt, why: &'static str) {
        if self.peers.is_linked(id) {
            self.send_ping(t, *id, why);
            self.liveness.doubts.insert(*id, doubt);
            // Who is only slow, or paused for some seconds, has time to come back.
            let floor = if doubt.is_errand { ERRAND_FLOOR } else { PATIENCE_FLOOR };
            let wait = self.patience_from(id, floor) * if doubt.is_far { 1 << doubt.rounds.min(FAR_ROUNDS) } else { 1 };
            self.own.due.set(Due::Doubt(*id), t.now + wait);
        }
    }

    /// The Forwarder waited in vain: ask at once.
    pub(super) fn on_hop_silent(&mut self, t: &mut Turn, id: Id) {
        self.own.tally.count("router_hops_silent_total");
        let quiet = |peer: &Peer| peer.heard.is_none_or(|heard| t.now.since(heard) > HEARD_JUST_NOW);
        let is_quiet = self.peers.find(&id).is_some_and(quiet);
        if is_quiet && self.ring.all.contains(&id) && !self.liveness.doubts.contains_key(&id) {
            // Lookups wait for what comes of it, and nothing speaks for its life: others are asked at once.
            self.suspect(t, &id, Doubt::new(Stage::AskedAfter, t.now));
        } else {
            self.ping(t, &id, "hop_silent");
        }
        if let Some(doubt) = self.liveness.doubts.get_mut(&id) {
            doubt.is_urgent = true;
        }
    }

    /// A wanted link was lost: dial again, and ask others meanwhile.
    pub(super) fn doubt_lost(&mut self, t: &mut Turn, id: &Id) {
        self.dial(t, id);
        self.suspect(t, id, Doubt::new(Stage::AskedAfter, t.now));
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
        match doubt.verdict_at(t.now) {
            Verdict::AskOthers => self.suspect(t, &id, Doubt { stage: Stage::AskedAfter, ..doubt }),
            Verdict::TryAgain if doubt.stage == Stage::Pinged && self.peers.is_linked(&id) => {
                if !doubt.is_errand {
                    self.avoid(&id);
                }
                self.doubt(t, &id, Doubt { rounds: doubt.rounds + 1, since: t.now, ..doubt }, "again");
            }
            Verdict::TryAgain => {
                doubt.rounds += 1;
                (doubt.vouched, doubt.denied) = (false, 0);
                self.dial(t, &id);
                self.suspect(t, &id, doubt);
            }
            Verdict::Report => {
                self.liveness.doubts.remove(&id);
                self.finish_errands(t, &id, false);
            }
            Verdict::Dead => self.find_dead(t, &id, &doubt),
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
        if !self.liveness.doubts.contains_key(&id) {
            self.doubt(t, &id, Doubt { is_errand: true, ..Doubt::new(Stage::Pinged, t.now) }, "errand");
        }
    }

    /// A neighbour says that this node is gone: one of the same leaf set has asked around, another has tried for long.
    pub(super) fn on_gone(&mut self, t: &mut Turn, from: &Id, id: &Id) {
        if !self.peers.find(from).is_some_and(|peer| peer.is_linked() && peer.is_server()) {
            return;
        }
        self.own.tally.count("router_accusations_heard_total");
        let heard = self.peers.find(id).and_then(|peer| peer.heard);
        if heard.is_some_and(|heard| t.now.since(heard) < REFUTES) {
            return self.own.tally.count("router_accusations_refuted_total");
        }
        let is_far = !self.ring.all.contains(id);
        if !is_far && !self.ring.all.contains(from) {
            return self.ping(t, id, "accused"); // It asked nobody.
        }
        match self.liveness.doubts.get_mut(id) {
            Some(doubt) => doubt.accused_by = Some(*from),
            None => {
                let doubt = Doubt { accused_by: Some(*from), is_far, ..Doubt::new(Stage::Pinged, t.now) };
                self.doubt(t, id, doubt, "accused");
            }
        }
    }

    /// Nobody hears it, or not this node. All that say they are linked to it are told, whom the one that told this node does not
    /// know. So is the leaf set, if it was of it; where the word came from another, whoever was next to the dead one tells those
    /// of its own whom the other does not know: the farthest that miss it on the far side.
    fn find_dead(&mut self, t: &mut Turn, id: &Id, doubt: &Doubt) {
        let mattered = self.ring.all.contains(id);
        let mut linked: Vec<Id> = self.reach.linked_to(id, doubt.accused_by.as_ref()).collect();
        if doubt.accused_by.is_some() {
            self.own.chance.shuffle(&mut linked);
            linked.truncate(TOLD_ON);
        }
        let mut told = BTreeSet::from_iter(linked);
        match doubt.accused_by {
            None if mattered => told.extend(self.ring.all.iter()),
            Some(accuser) if self.ring.all.next_ones().contains(id) => {
                told.extend(self.ring.all.beyond(&self.own.id(), &accuser));
            }
            _ => {}
        }
        self.bury(t, id, "silent");
        if doubt.is_disputed {
            self.graves.dispute(id, t.now);
        }
        for other in told.into_iter().filter(|other| other != id) {
            t.probe(other, Probe::Gone { suspect: *id });
        }
    }

    /// What came of another's trying.
    pub(super) fn on_pong_for(&mut self, id: &Id, alive: bool) {
        if let Some(doubt) = self.liveness.doubts.get_mut(id) {
            doubt.vouched |= alive;
            doubt.is_disputed |= alive;
            doubt.denied += usize::from(!alive);
        }
    }

    /// This node is gone: it leaves every table, and is remembered.
    pub(super) fn bury(&mut self, t: &mut Turn, id: &Id, why: &'static str) {
        self.liveness.doubts.remove(id);
        self.own.due.clear(&Due::Doubt(*id));
        self.finish_errands(t, id, false);
        self.reach.forget(id);
        self.reach.strike(id);
        let Some(peer) = self.peers.remove(id) else { return };
        if peer.wanted && peer.is_server() && ["silent", "left"].contains(&why) {
            self.watch.note_end(t.now);
            self.judge_adverts(t.now);
        }
        if why == "silent" {
            self.watch.note_death(t.now);
            if peer.is_linked() {
                t.hang_up(*id, crate::wire::CloseReason::Unused);
            }
        }
        self.own.tally.count_as("router_evictions_total", why);
        // Who stood next to it knocks soon, and all others hear of its return.
        let was_near = self.ring.next_ones().contains(id) && why != "no_echo";
        self.graves.bury(Arc::clone(&peer.contact), was_near, t.now, &mut self.own.chance);
        self.schedule_knocks();
        self.ring.stale = true;
        self.publication.is_stale = true;
        self.publication.is_unsaved = true;
        self.plan_soon(t.now, PLAN_AFTER_DEATH);
        self.knock_when_alone(t);
    }

    fn suspect(&mut self, t: &mut Turn, id: &Id, doubt: Doubt) {
        self.avoid(id);
        let Some(peer) = self.peers.find(id) else { return };
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
        self.send_ping(t, *id, "again");
        self.liveness.doubts.insert(*id, Doubt { since: t.now, ..doubt });
        self.own.due.set(Due::Doubt(*id), t.now + self.patience(id) + INDIRECT);
    }

    /// Nothing is to go through this node until it is heard again.
    fn avoid(&mut self, id: &Id) {
        if let Some(peer) = self.peers.at(id)
            && !peer.suspected
        {
            peer.suspected = true;
            self.publication.is_stale = true;
            self.reach.doubt(id);
            self.own.tally.count("router_suspicions_total");
        }
    }

    fn send_ping(&mut self, t: &mut Turn, id: Id, why: &'static str) {
        if self.peers.is_linked(&id) {
            let round = self.own.next_round();
            self.own.tally.count_as("router_probes_total", why);
            t.probe(id, Probe::Ping { round, bearing: self.bearing() });
        }
    }

    fn finish_errands(&mut self, t: &mut Turn, id: &Id, alive: bool) {
        for (asker, round) in self.liveness.errands.remove(id).unwrap_or_default() {
            t.probe(asker, Probe::PongFor { round, suspect: *id, alive });
        }
    }

    fn patience(&self, id: &Id) -> Span {
        self.patience_from(id, PATIENCE_FLOOR)
    }

    fn patience_from(&self, id: &Id, floor: Span) -> Span {
        let estimate = match self.peers.find(id).map(|peer| peer.link) {
            Some(Link::Up { rtt, .. }) => rtt.patience(floor).min(PATIENCE_MAX),
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

/// A ping waits at least this much longer than its round trip: a host with 64 nodes on two cores is
/// that busy at times. And at most this long: thrice the slowest pair of our data. Guesses.
const PATIENCE_FLOOR: Span = Span::from_millis(500);
const PATIENCE_MAX: Span = Span::from_secs(2);
/// What others get to ask twice and answer: a ping's patience twice, most often, and a round trip.
const INDIRECT: Span = Span::from_millis(900);
/// The least that a ping for others waits beyond its round trip: it is tried twice, and means nothing alone. A guess.
const ERRAND_FLOOR: Span = Span::from_millis(250);
/// How long a node is spared that nobody needs: a process stopped for five seconds is not dead (the bar), and a beat and
/// its acknowledgement took some of its time. A guess.
const PAUSE_SPARED: Span = Span::from_millis(5_500);
/// Who acknowledges nothing for so long, though it is heard, hears nothing: the transport has sent again four times by then
/// (RFC 9002 §6.2.1, with a round trip below 200 ms), and a process stopped for five seconds is back. A guess.
const DEAF_AFTER: Span = Span::from_secs(10);
/// A node heard this lately lives: a hop that did not take a message was busy, or the message was lost. A guess.
const HEARD_JUST_NOW: Span = Span::from_secs(2);
/// A node heard this lately was not found dead by anybody: that takes at least 1.9 s of silence (a ping's patience, and what others
/// get to try). So words of a living node's death, however many, make this node ask it once a second at most.
const REFUTES: Span = Span::from_secs(1);
/// So many of its neighbours a node tells of a death it was told of: all who were told by the same one know the same others.
/// Telling all of those made five words for each link of a dead node with 96 links, and paths as good. A guess.
const TOLD_ON: usize = 3;
/// Further tries at a node for others.
const ERRAND_ROUNDS: u32 = 1;
/// So many of those asked, having tried twice, need not be asked again: with a tenth of all packets lost two of three hear
/// nothing of a living node once in 250 times.
const DENIED: usize = 2;
/// Others asked after a silent node: SWIM (DSN 2002) §5 uses three.
const ASKED_AFTER: usize = 3;
/// Rounds of trying while others vouch for the node: it lives, but not for us. A guess.
const VOUCHED_ROUNDS: u32 = 4;
/// Rounds of trying while nobody says anything: in a busy moment it is we who do not hear. Without it labs
/// under full load buried the living (2026-11-23).
const UNHEARD_ROUNDS: u32 = 1;
/// Further tries at a node outside the leaf set, each with twice the patience of the last: one that is paused for five
/// seconds is still there. A guess.
const FAR_ROUNDS: u32 = 3;
/// The same at one that another found dead, who has tried as often. A guess.
const FAR_ROUNDS_ACCUSED: u32 = 2;
/// A deadline handled this late says that this node is overloaded. A guess.
const LATE: Span = Span::from_millis(100);
/// Lifeguard §4: the health multiplier saturates at 8.
const UNFITNESS_MAX: u32 = 8;
/// Nodes asked after for others at once. A guess.
const ERRANDS_MAX: usize = 64;
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
        let doubt = |stage, vouched, rounds| Doubt { vouched, rounds, ..Doubt::new(stage, Instant::ORIGIN) };
        let table = [
            (Stage::Pinged, false, 0, Verdict::AskOthers),
            (Stage::Pinged, true, 0, Verdict::AskOthers),
            (Stage::AskedAfter, true, 0, Verdict::TryAgain),
            (Stage::AskedAfter, true, VOUCHED_ROUNDS, Verdict::Dead),
            (Stage::AskedAfter, false, 0, Verdict::TryAgain),
            (Stage::AskedAfter, false, UNHEARD_ROUNDS, Verdict::Dead),
        ];
        let asked = Doubt::new(Stage::AskedAfter, Instant::ORIGIN);
        let verdict_at = |doubt: Doubt, secs| doubt.verdict_at(Instant::ORIGIN + Span::from_secs(secs));
        let denied = Doubt { denied: DENIED, ..asked };
        assert_eq!((verdict_at(denied, 2), verdict_at(denied, 6)), (Verdict::TryAgain, Verdict::Dead));
        assert_eq!(verdict_at(Doubt { is_urgent: true, ..denied }, 2), Verdict::Dead);
        assert_eq!(Doubt { denied: 1, ..asked }.verdict(), Verdict::TryAgain);
        assert_eq!(Doubt { denied: DENIED, ..asked }.verdict(), Verdict::Dead);
        for (stage, vouched, rounds, verdict) in table {
            assert_eq!(doubt(stage, vouched, rounds).verdict(), verdict, "{stage:?} {vouched} {rounds}");
        }
    }

    #[test]
    fn an_accused_node_that_does_not_answer_is_dead_and_one_looked_into_for_others_is_reported() {
        let plain = Doubt::new(Stage::Pinged, Instant::ORIGIN);
        assert_eq!(Doubt { is_errand: true, ..plain }.verdict(), Verdict::TryAgain);
        assert_eq!(Doubt { is_errand: true, rounds: ERRAND_ROUNDS, ..plain }.verdict(), Verdict::Report);
        let accused = Doubt { accused_by: Some(Id::ZERO), ..plain };
        assert_eq!(accused.verdict(), Verdict::Dead);
        assert_eq!(Doubt { vouched: true, rounds: UNHEARD_ROUNDS, ..accused }.verdict(), Verdict::AskOthers);
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
