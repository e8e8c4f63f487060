//! What everybody asks for.
//!
//! Owns: popularity by Zipf's law, asks at a pace, and what they cost in hops and load, window by window.
//! Never does: know how load is spread: it sees what the nodes count and what the askers get.

use super::node::Node;
use super::pace::{Outcome, Pace};
use super::stage::Stage;
use crate::base::{Chance, Id, Span};
use crate::overlay::{Command, Reply};
use crate::survey::distribution::Summary;
use std::collections::BTreeMap;

/// How often each of some objects is asked for: the one of rank `r` (from 1) in proportion to `1 / r^alpha` (Zipf's law, as in
/// Beehive, NSDI 2004).
#[derive(Clone, Debug)]
pub struct Popularity {
    /// The share of all up to each rank.
    up_to: Vec<f64>,
}

/// What some span of asking was like.
#[derive(Clone, Debug)]
pub struct Window {
    /// Gets asked in it.
    pub asked: usize,
    /// Of these, those that did not come, by reason.
    pub failures: BTreeMap<String, usize>,
    /// Messages from node to node for each get, until it is answered: none where the asker answers itself. What is said to
    /// holders directly (a large object fetched) is one more.
    pub hops: f64,
    /// From the wish to the value, in ms.
    pub took_ms: Option<Summary>,
    /// Requests handled by each node: its own, and those of others that it answered or handed on.
    pub loads: Vec<f64>,
    /// Things nodes answer for others at the end, over all nodes.
    pub stands: usize,
    /// Messages by which leases were given, asked for, declined and recalled.
    pub lease_messages: u64,
    /// The least version that came, for each moment of asking since the window began: for records.
    pub versions: Vec<(Span, u64)>,
}

impl Window {
    /// The loads of the nodes; `None` without nodes.
    pub fn load(&self) -> Option<Summary> {
        Summary::of(self.loads.iter().copied())
    }
}

impl Popularity {
    /// Of so many objects (at least one) by this exponent.
    pub fn zipf(objects: usize, alpha: f64) -> Popularity {
        let weights: Vec<f64> = (1..=objects.max(1)).map(|rank| (rank as f64).powf(-alpha)).collect();
        let whole: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let up_to = weights.iter().map(|weight| {
            sum += weight;
            sum / whole
        });
        Popularity { up_to: up_to.collect() }
    }

    /// One of them, from 0, the most popular.
    pub fn draw(&self, chance: &mut Chance) -> usize {
        let drawn = chance.unit();
        self.up_to.partition_point(|up_to| *up_to <= drawn).min(self.up_to.len() - 1)
    }

    /// The share of all that is asked of the `count` most popular.
    pub fn share_of_first(&self, count: usize) -> f64 {
        count.checked_sub(1).map_or(0.0, |last| self.up_to[last.min(self.up_to.len() - 1)])
    }
}

impl Stage {
    /// Lets these askers get these objects, one after another, at an even pace of `per_second`.
    pub fn get_at_pace(&mut self, per_second: f64, asks: &[(usize, Id)], progress: &mut dyn FnMut(usize)) -> Window {
        let before: Vec<u64> = self.world.nodes().iter().map(Node::asked_of).collect();
        let (sent, begun) = (self.world.sent().clone(), self.now());
        let wish = |_: &Stage, index: usize| {
            let (asker, object) = asks[index];
            (asker, Command::Get { object })
        };
        let outcomes = self.at_pace(asks.len(), wish, Pace { per_second, wait: ANSWER_MAX }, progress);
        let mut load: Vec<f64> = self.world.nodes().iter().map(|node| node.asked_of() as f64).collect();
        load.iter_mut().zip(before).for_each(|(load, before)| *load -= before as f64);
        let handed_on: f64 = load.iter().sum();
        outcomes.iter().for_each(|outcome| load[outcome.from] += 1.0);
        let lease_kinds = ["enlist", "serving", "decline", "dismiss", "holds"];
        let lease_messages = self.world.sent().since(&sent).into_iter();
        let lease_messages = lease_messages.filter(|(kind, ..)| lease_kinds.contains(kind)).map(|(_, count, _)| count);
        let mut window = Window {
            asked: outcomes.len(),
            failures: BTreeMap::new(),
            hops: handed_on / outcomes.len().max(1) as f64,
            took_ms: None,
            loads: load,
            stands: self.world.nodes().iter().map(stands).sum(),
            lease_messages: lease_messages.sum(),
            versions: Vec::new(),
        };
        let mut took = Vec::new();
        for Outcome { asked, result, .. } in outcomes {
            match result {
                Some((span, Ok(Reply::Value { value, .. }))) => {
                    took.push(span.as_millis_f64());
                    if value.version() > 0 {
                        window.versions.push((asked.since(begun), value.version()));
                    }
                }
                Some((_, Err(failure))) => *window.failures.entry(failure.to_string()).or_default() += 1,
                Some((_, Ok(_))) | None => *window.failures.entry("no result".to_owned()).or_default() += 1,
            }
        }
        window.took_ms = Summary::of(took);
        window
    }
}

fn stands(node: &Node) -> usize {
    node.readings()
        .iter()
        .filter(|reading| reading.name == "directory_stands")
        .map(|reading| reading.value as usize)
        .sum()
}

/// Longer than the patience of any get.
const ANSWER_MAX: Span = Span::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popularity_follows_zipfs_law() {
        let popularity = Popularity::zipf(1_000, 0.91);
        let mut chance = Chance::from_seed(3);
        let mut counts = vec![0u32; 1_000];
        (0..200_000).for_each(|_| counts[popularity.draw(&mut chance)] += 1);
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((ratio / 10f64.powf(0.91) - 1.0).abs() < 0.1, "{ratio}");
        let first: u32 = counts[..100].iter().sum();
        assert!((f64::from(first) / 200_000.0 - popularity.share_of_first(100)).abs() < 0.01);
        assert_eq!((popularity.share_of_first(0), popularity.share_of_first(2_000)), (0.0, 1.0));
        assert_eq!(Popularity::zipf(0, 1.0).draw(&mut chance), 0);
    }

    #[test]
    fn an_object_everybody_wants_ends_up_with_everybody() {
        let mut stage = Stage::bare(5);
        stage.join_in_crowds(40, &mut |_| {});
        stage.settle(Span::from_secs(60));
        let nodes = stage.ready();
        let (object, _) = stage.put(nodes[0], b"wanted").expect("put");
        let asks: Vec<(usize, Id)> = (0..1_200).map(|n| (nodes[n % nodes.len()], object)).collect();
        let first = stage.get_at_pace(40.0, &asks, &mut |_| {});
        let then = stage.get_at_pace(40.0, &asks, &mut |_| {});
        assert!(first.failures.is_empty() && then.failures.is_empty(), "{first:?} {then:?}");
        assert!(first.hops > then.hops && then.hops < 0.1, "{} then {}", first.hops, then.hops);
        let load = then.load().expect("nodes");
        assert!(load.max <= load.mean * 2.0, "{load:?}");
        assert!(then.stands > nodes.len() / 2, "{}", then.stands);
    }
}
