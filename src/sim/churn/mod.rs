//! Nodes that come and go.
//!
//! Owns: why each node of a stage is away, and the moments at which it crashes and comes back.
//! Never does: let a node leave in good order, or change what it remembers: key, disk and saved contacts stay, but for disks
//! that are lost.

mod habits;
mod lifetimes;
mod night;
mod sites;
mod trace;

pub use habits::{Habits, Pattern};
pub use lifetimes::Lifetimes;
pub use night::Night;
pub use trace::{BadLine, Trace};

use super::stage::Stage;
use crate::base::{Chance, Deadlines, Instant, Span};
use crate::identity::Role;
use habits::{Away, Kind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The coming and going of a stage's nodes.
#[derive(Clone, Debug)]
pub struct Churn {
    habits: Habits,
    chance: Chance,
    turns: Deadlines<Turn>,
    members: BTreeMap<usize, Member>,
    lost_disks: f64,
    /// Crashes so far.
    pub crashes: usize,
    /// Returns so far.
    pub returns: usize,
    /// How many of these were without their disk.
    pub disks_lost: usize,
    /// Bytes of values that nodes kept when they crashed, one crash with another: what others have to copy.
    pub kept_by_crashed: u64,
}

/// A node that comes and goes.
#[derive(Clone, Debug, Default)]
struct Member {
    kind: Kind,
    /// How long after the beginning it turns, if that was measured: those ahead.
    traced: VecDeque<Instant>,
    /// Why it is away: it is back once there is no reason left.
    away_for: BTreeSet<Cause>,
    /// How long it has been away in all, before the absence that began at the moment beside it.
    away: (Span, Option<Instant>),
}

/// Why a node is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// It is between two sessions.
    Own,
    /// It is night.
    Night,
    /// Its site is dead.
    Site,
}

/// What changes at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// A node's session or absence ends.
    Own(usize),
    /// A node falls asleep or awakes.
    Night(usize),
    /// A dead site is back.
    Site(usize),
}

impl Churn {
    /// Nodes of these habits.
    pub fn new(habits: Habits, chance: Chance) -> Churn {
        let (turns, members) = (Deadlines::new(), BTreeMap::new());
        let (crashes, returns, disks_lost, kept_by_crashed) = (0, 0, 0, 0);
        Churn { habits, chance, turns, members, lost_disks: 0.0, crashes, returns, disks_lost, kept_by_crashed }
    }

    /// The same, and this share (0 to 1) of those that come back have lost their disk, with what they kept and their saved
    /// contacts; their key they have.
    #[must_use]
    pub fn losing_disks(self, share: f64) -> Churn {
        Churn { lost_disks: share, ..self }
    }

    /// How long this node has been away in all by `now`.
    pub fn away(&self, node: usize, now: Instant) -> Span {
        let (before, since) = self.members.get(&node).map(|member| member.away).unwrap_or_default();
        before + since.map_or(Span::ZERO, |since| now.since(since))
    }

    /// A node of this kind is there from now on, in the midst of a session; or is away, in the midst of an absence.
    fn enrol(&mut self, node: usize, kind: Kind, away: Option<Away>, now: Instant) {
        let mut member = Member { kind, ..Member::default() };
        let (own, night) = away.map_or((false, false), |away| (away.own, away.night));
        member.away_for.extend(own.then_some(Cause::Own));
        member.away_for.extend(night.then_some(Cause::Night));
        member.away.1 = away.map(|_| now);
        if let Some(pattern) = kind.pattern {
            let lasts = if own { pattern.absences } else { pattern.sessions };
            self.turns.set(Turn::Own(node), now + lasts.rest(&mut self.chance));
        }
        self.members.insert(node, member);
        self.plan_night(node, now);
    }

    fn plan_night(&mut self, node: usize, now: Instant) {
        let Some(member) = self.members.get(&node) else { return };
        let Some((night, rank)) = self.habits.night.zip(member.kind.rank) else { return };
        if let Some(span) = night.until_turn(rank, member.away_for.contains(&Cause::Night), now) {
            self.turns.set(Turn::Night(node), now + span);
        }
    }

    /// When the session or absence that begins now ends.
    fn plan_own(&mut self, node: usize, now: Instant) {
        let Some(member) = self.members.get_mut(&node) else { return };
        if let Some(pattern) = member.kind.pattern {
            let lasts = if member.away_for.contains(&Cause::Own) { pattern.absences } else { pattern.sessions };
            self.turns.set(Turn::Own(node), now + lasts.draw(&mut self.chance));
        } else if let Some(at) = member.traced.pop_front() {
            self.turns.set(Turn::Own(node), at);
        }
    }
}

impl Stage {
    /// From now on every node crashes and comes back, as often as `churn` says, whenever time passes by [`Stage::pass`] or
    /// at the pace of many wishes; not in waiting for one result. All those that run are somewhere in a
    /// session that began before; as many more as are away then ([`Habits::away_beside`]) come later, so that the
    /// number of those that run stays as it is, but for nights.
    pub fn begin_churn(&mut self, mut churn: Churn) {
        let (now, up) = (self.now(), self.up());
        churn.habits.night = churn.habits.night.map(|night| night.beginning(now));
        let kinds = churn.habits.kinds_up(up.len(), now, &mut churn.chance);
        let away = churn.habits.kinds_away(up.len(), now, &mut churn.chance);
        for (node, kind) in up.into_iter().zip(kinds) {
            churn.enrol(node, kind, None, now);
        }
        for (kind, away) in away {
            let node = self.world.add(Role::Server);
            churn.enrol(node, kind, Some(away), now);
        }
        self.churn = Some(churn);
    }

    /// The same by measured sessions, of which `from` is now: the nodes that run are those that are there then, in the
    /// order of the trace; those that come later are added.
    pub fn begin_traced(&mut self, trace: &Trace, from: Span, mut churn: Churn) {
        let (now, mut up) = (self.now(), self.up().into_iter());
        for life in trace.lives(from) {
            let running = if life.is_up { up.next() } else { None };
            let node = running.unwrap_or_else(|| self.world.add(Role::Server));
            let traced = life.turns.into_iter().map(|turn| now + turn).collect();
            let mut member = Member { traced, ..Member::default() };
            if running.is_none() {
                member.away_for.insert(Cause::Own);
                member.away.1 = Some(now);
            }
            churn.members.insert(node, member);
            churn.plan_own(node, now);
        }
        self.churn = Some(churn);
    }

    /// The coming and going so far, if it has begun.
    pub fn churn(&self) -> Option<&Churn> {
        self.churn.as_ref()
    }

    /// Lets time pass until then; nodes come and go meanwhile, if that has begun.
    pub(super) fn run_until(&mut self, until: Instant) {
        while let Some(at) = self.churn.as_ref().and_then(|churn| churn.turns.next()).filter(|at| *at <= until) {
            self.world.run_until(at);
            self.take_turns();
        }
        self.world.run_until(until);
    }

    fn take_turns(&mut self) {
        let Some(mut churn) = self.churn.take() else { return };
        let now = self.now();
        while let Some(turn) = churn.turns.pop_due(now) {
            match turn {
                Turn::Own(node) => {
                    self.turn(&mut churn, node, Cause::Own);
                    churn.plan_own(node, now);
                }
                Turn::Night(node) => {
                    self.turn(&mut churn, node, Cause::Night);
                    churn.plan_night(node, now);
                }
                Turn::Site(site) => self.revive_site(&mut churn, site),
            }
        }
        self.churn = Some(churn);
    }

    /// A reason for a node to be away is there, or is there no more.
    fn turn(&mut self, churn: &mut Churn, node: usize, cause: Cause) {
        let now = self.now();
        let member = churn.members.entry(node).or_default();
        let was_there = member.away_for.is_empty();
        if !member.away_for.remove(&cause) {
            member.away_for.insert(cause);
        }
        if was_there && !member.away_for.is_empty() {
            member.away.1 = Some(now);
            churn.crashes += 1;
            churn.kept_by_crashed += self.world.nodes()[node].disk.sound(now).map(|(_, bytes)| bytes).sum::<u64>();
            self.kill(node);
        } else if !was_there && member.away_for.is_empty() {
            let since = member.away.1.take();
            member.away.0 += since.map_or(Span::ZERO, |since| now.since(since));
            churn.returns += 1;
            if churn.lost_disks > 0.0 && churn.chance.happens(churn.lost_disks) {
                churn.disks_lost += 1;
                self.world.lose_disk(node);
            }
            self.restart(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(there: u64, away: u64) -> Pattern {
        let lifetimes = |secs| Lifetimes::of_mean(1.0, Span::from_secs(secs));
        Pattern { sessions: lifetimes(there), absences: lifetimes(away) }
    }

    fn stage(nodes: usize, seed: u64) -> Stage {
        let mut stage = Stage::bare(seed);
        stage.join_in_crowds(nodes, &mut |_| {});
        stage
    }

    #[test]
    fn nodes_crash_and_come_back_and_the_overlay_stands() {
        let mut stage = stage(16, 3);
        let habits = Habits { plain: Some(pattern(120, 30)), ..Habits::default() };
        stage.begin_churn(Churn::new(habits, Chance::from_seed(4)));
        stage.pass(Span::from_mins(10));
        let churn = stage.churn().expect("begun");
        assert!(churn.crashes > 30 && churn.returns > 30, "{churn:?}");
        assert_eq!(stage.up().len() + churn.crashes, 16 + churn.returns, "{churn:?}");
        let away: f64 = (0..20).map(|node| churn.away(node, stage.now()).as_millis_f64()).sum();
        assert!((0.1..0.35).contains(&(away / (20.0 * 600e3))), "a fifth of the time: {away}");
        assert!((9..=20).contains(&stage.up().len()) && !stage.ready().is_empty(), "sixteen on average");
    }

    #[test]
    fn those_that_flap_come_and_go_and_all_others_stay() {
        let mut stage = stage(12, 5);
        let habits = Habits { flapping: Some((0.25, pattern(30, 10))), ..Habits::default() };
        stage.begin_churn(Churn::new(habits, Chance::from_seed(6)));
        assert_eq!(stage.world.nodes().len(), 13, "three flap, and one more that is away");
        stage.pass(Span::from_mins(10));
        let churn = stage.churn().expect("begun");
        let gone = (0..13).filter(|node| churn.away(*node, stage.now()) > Span::ZERO).count();
        assert_eq!(gone, 4, "{churn:?}");
        assert!(churn.crashes > 30, "four of them every forty seconds: {}", churn.crashes);
    }

    #[test]
    fn at_midnight_fewer_are_there_and_at_noon_all_are_back() {
        let mut stage = stage(16, 7);
        let habits = Habits { night: Some(Night::of(0.5, 12.0, Instant::ORIGIN)), ..Habits::default() };
        stage.begin_churn(Churn::new(habits, Chance::from_seed(8)));
        assert_eq!(stage.world.nodes().len(), 16, "at noon nobody is away");
        stage.pass(Span::from_hours(12));
        let at_midnight = stage.up().len();
        assert!((4..=12).contains(&at_midnight), "{at_midnight}");
        stage.pass(Span::from_hours(12));
        assert_eq!(stage.ready().len(), 16);
        let churn = stage.churn().expect("begun");
        assert_eq!((churn.crashes, churn.returns), (16 - at_midnight, 16 - at_midnight));
    }

    #[test]
    fn sessions_of_a_trace_are_those_of_the_nodes() {
        let text = "node,up_s,down_s\na,0,500\nb,0,150\nb,200,900\nc,130,900\nd,0,90\n";
        let trace = Trace::parse(text).expect("sound");
        let mut stage = stage(trace.up_at(Span::from_secs(100)), 9);
        stage.begin_traced(&trace, Span::from_secs(100), Churn::new(Habits::default(), Chance::from_seed(1)));
        let up_after = |stage: &mut Stage, secs: u64| {
            stage.pass(Span::from_secs(secs));
            stage.up()
        };
        assert_eq!(up_after(&mut stage, 29), [0, 1], "d has gone for ever, c has not come");
        assert_eq!(up_after(&mut stage, 2), [0, 1, 2]);
        assert_eq!(up_after(&mut stage, 20), [0, 2]);
        assert_eq!(up_after(&mut stage, 50), [0, 1, 2]);
        assert_eq!(up_after(&mut stage, 300), [1, 2]);
        assert_eq!(stage.churn().map(|churn| churn.away(1, stage.now())), Some(Span::from_secs(50)));
        assert_eq!(stage.world.nodes().len(), 3);
    }

    #[test]
    fn who_lost_its_disk_comes_back_as_itself_and_with_nothing() {
        let mut stage = stage(8, 11);
        let (object, _) = stage.put(0, b"bytes").expect("kept");
        let keeper = |stage: &Stage| {
            stage.up().into_iter().find(|node| stage.world.nodes()[*node].disk.holds(&object, stage.now()).is_some())
        };
        let node = keeper(&stage).expect("somebody keeps it");
        let id = stage.id(node);
        let mut churn = Churn::new(Habits::default(), Chance::from_seed(1)).losing_disks(1.0);
        stage.turn(&mut churn, node, Cause::Own);
        assert!(!stage.world.nodes()[node].is_up() && !stage.world.nodes()[node].disk.is_empty());
        stage.turn(&mut churn, node, Cause::Own);
        assert!(stage.world.nodes()[node].is_up() && stage.world.nodes()[node].disk.is_empty());
        assert_eq!((stage.id(node), churn.disks_lost), (id, 1));
        assert!(stage.rest());
        assert_eq!(stage.wrongs(), []);
    }
}
