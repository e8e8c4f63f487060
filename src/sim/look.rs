//! Many lookups, and what came of each.
//!
//! Owns: asking nodes for the roots of keys; the outcome of a lookup, however the overlay was built.
//! Never does: leave a failure out.

use super::direct::{Trip, Walker};
use super::pace::{Outcome, Pace};
use super::stage::Stage;
use super::underlay::Underlay;
use crate::base::{Chance, Id, Instant, Span};
use crate::overlay::{Command, Reply};
use crate::survey::Pair;

/// One lookup's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Who asked.
    pub from: usize,
    /// For which key.
    pub key: Id,
    /// When; the same moment for all where no time passes.
    pub asked: Instant,
    /// Who answered, or what went wrong.
    pub root: Result<usize, String>,
    /// Hops taken; 0 if the asker is the root itself.
    pub hops: usize,
    /// The nodes it came to, the root last, as far as the path is known: of messages only if they were traced.
    pub path: Vec<usize>,
    /// From asking to the answer.
    pub routed: Span,
    /// The direct round trip between asker and root; nothing where there is no root.
    pub direct: Span,
}

/// Draws askers and keys.
pub fn questions(chance: &mut Chance, askers: &[usize], count: usize) -> Vec<(usize, Id)> {
    let draw = |_| Some((*chance.pick(askers)?, Id::from_bytes(chance.bytes32())));
    (0..count).filter_map(draw).collect()
}

impl Look {
    /// Its way against the direct one.
    pub fn pair(&self) -> Pair {
        Pair { routed: self.routed, direct: self.direct }
    }

    /// Whether it was answered by this node: the true root, in the judgement of whoever asks.
    pub fn ended_at(&self, root: Option<usize>) -> bool {
        self.root.as_ref().ok().copied() == root
    }

    /// What a walk over directly built tables came to.
    pub fn of(trip: &Trip, underlay: &dyn Underlay) -> Look {
        let direct = trip.root.map_or(Span::ZERO, |root| underlay.round_trip(trip.from, root));
        Look {
            from: trip.from,
            key: trip.key,
            asked: Instant::ORIGIN,
            root: trip.root.ok_or_else(|| "no way on".to_owned()),
            hops: trip.path.len(),
            path: trip.path.clone(),
            routed: trip.routed,
            direct,
        }
    }
}

/// What lookups had the nodes do beside handing them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Second hand-overs, after a dead or silent node.
    pub in_vain: usize,
    /// Hand-overs to a relay on the way to the node that was chosen.
    pub detours: usize,
}

impl Walker<'_> {
    /// Carries these lookups one after another; gives the outcomes, and what they took beside.
    pub fn look_up(
        &mut self,
        questions: &[(usize, Id)],
        underlay: &dyn Underlay,
        progress: &mut dyn FnMut(usize),
    ) -> (Vec<Look>, Beside) {
        let (mut looks, mut beside) = (Vec::with_capacity(questions.len()), Beside::default());
        for &(from, key) in questions {
            let trip = self.walk(from, key);
            beside.in_vain += trip.in_vain;
            beside.detours += trip.detours;
            looks.push(Look::of(&trip, underlay));
            progress(looks.len());
        }
        (looks, beside)
    }
}

impl Stage {
    /// Asks these lookups at an even pace of `per_second` and waits for all; outcomes come in the order of asking. If
    /// `traced`, answers tell their path: they are longer by that. For an asker that is not ready another one asks, and
    /// lookups whose asker crashed meanwhile are left out.
    pub fn look_up(
        &mut self,
        questions: &[(usize, Id)],
        per_second: f64,
        traced: bool,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Look> {
        let wish = |stage: &Stage, index: usize| {
            let (from, key) = questions[index];
            (stage.stand_in(from), Command::Lookup { key, traced })
        };
        let outcomes = self.at_pace(questions.len(), wish, Pace { per_second, wait: ANSWER_MAX }, progress);
        let answered =
            questions.iter().zip(outcomes).filter(|(_, outcome)| outcome.result.is_some() || !outcome.excused);
        answered.map(|((_, key), outcome)| self.look(*key, outcome)).collect()
    }

    /// This node if it is ready, else the next ready one by number.
    fn stand_in(&self, node: usize) -> usize {
        let nodes = self.world.nodes();
        let ready = (node..nodes.len()).chain(0..node).find(|other| nodes[*other].is_ready());
        ready.unwrap_or(node)
    }

    /// Whether the lookup was answered by a node that was the true root at some moment from asking to the answer.
    pub fn is_right(&self, look: &Look) -> bool {
        let span = (look.asked, look.asked + look.routed);
        look.root.as_ref().is_ok_and(|root| self.world.was_root(*root, &look.key, span))
    }

    /// What came of a lookup.
    fn look(&self, key: Id, outcome: Outcome) -> Look {
        let Outcome { from, asked, result, .. } = outcome;
        let (root, path) = (Err("no result".to_owned()), Vec::new());
        let mut look = Look { from, key, asked, root, hops: 0, path, routed: Span::ZERO, direct: Span::ZERO };
        let Some((routed, result)) = result else { return look };
        look.routed = routed;
        match result {
            Ok(Reply::Root(found)) => {
                look.hops = usize::from(found.hops);
                look.path = found.trace.iter().filter_map(|hop| self.world.index_of(&hop.next)).collect();
                look.root = self.world.index_of(&found.contact.id()).ok_or_else(|| "an unknown root".to_owned());
            }
            Ok(_) => look.root = Err("another reply than was asked for".to_owned()),
            Err(failure) => look.root = Err(failure.to_string()),
        }
        if let Ok(root) = look.root {
            look.direct = self.world.plan().underlay.round_trip(from, root);
        }
        look
    }
}

/// Longer than the patience of any lookup.
const ANSWER_MAX: Span = Span::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Plan;

    #[test]
    fn lookups_at_a_pace_are_all_answered_and_forgotten() {
        let mut stage = Stage::bare(2);
        stage.join_in_crowds(12, &mut |_| {});
        stage.settle(Span::from_secs(60));
        let askers = stage.ready();
        let asked = questions(&mut Chance::from_seed(3), &askers, 100);
        let begun = stage.now();
        let looks = stage.look_up(&asked, 10.0, true, &mut |_| {});
        assert_eq!(looks.len(), 100);
        for (look, (from, key)) in looks.iter().zip(&asked) {
            assert_eq!((look.from, look.key, look.root.clone().ok()), (*from, *key, stage.root_of(key)));
            assert_eq!(look.hops == 0, look.root == Ok(look.from));
            assert!(look.hops == 0 || look.routed >= Span::from_micros(500));
            assert_eq!(
                (look.path.len(), look.path.last().copied()),
                (look.hops, look.root.clone().ok().filter(|_| look.hops > 0))
            );
        }
        assert!(stage.now().since(begun) >= Span::from_secs(10));
        assert_eq!(stage.world.operations().count(), 0);
        assert!(stage.look_up(&asked[..10], 10.0, false, &mut |_| {}).iter().all(|look| look.path.is_empty()));
    }

    /// As in the live labs' test, but of the longest path of all: there a busy machine makes detours look quick.
    #[test]
    fn paths_stay_short_though_links_are_few() {
        for seed in 1..=4 {
            let mut plan = Plan { through_codec: false, ..Plan::from_seed(seed) };
            (plan.router.leaf_set_per_side, plan.router.link_budget) = (4, 24);
            let mut stage = Stage::with(plan);
            stage.join_in_crowds(40, &mut |_| {});
            stage.settle(Span::from_secs(5));
            let asked = questions(&mut Chance::from_seed(seed), &stage.ready(), 2_000);
            let looks = stage.look_up(&asked, 40.0, false, &mut |_| {});
            assert!(looks.iter().all(|look| stage.is_right(look)));
            let longest = looks.iter().map(|look| look.hops).max();
            assert!(longest.is_some_and(|hops| hops <= 6), "seed {seed}: {longest:?} hops");
        }
    }
}
