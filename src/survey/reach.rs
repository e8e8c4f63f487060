//! Who still finds whom when nodes are dead and nobody has repaired anything.
//!
//! Owns: drawing the dead, sending lookups, and telling how each ended, beside what the graph would allow.
//! Never does: know a routing rule; that is a [`Walker`], or whoever carries lookups and counts their [`Ends`].

use super::components::Components;
use super::distribution::{Share, Summary};
use super::graph::Undirected;
use crate::base::Chance;
use serde::{Deserialize, Serialize};

/// A routing rule over tables that stand still.
pub trait Walker {
    /// What is looked up.
    type Key;

    /// How many nodes there are, numbered from 0.
    fn node_count(&self) -> usize;

    /// A random key.
    fn key(&self, chance: &mut Chance) -> Self::Key;

    /// The node that should answer for the key among the living; `None` if none can.
    fn root(&self, key: &Self::Key, is_dead: &[bool]) -> Option<u32>;

    /// Where `at`, which lives, passes a lookup on; it may find out that a contact is dead by `is_dead`, of its contacts only.
    fn step(&self, at: u32, key: &Self::Key, is_dead: &[bool]) -> Step;
}

/// What a node does with a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Passes it on to this node.
    To(u32),
    /// Takes itself for the root and answers.
    Answer,
    /// Knows nobody to pass it on to.
    Stuck,
}

/// How a lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the root, after so many hops.
    Root {
        /// Passed on so often.
        hops: u32,
    },
    /// At a node that took itself for the root and is not.
    Elsewhere,
    /// At a node that knew nobody, or passed it to a dead one.
    Lost,
    /// After too many hops.
    Astray,
}

/// How lookups fare with this share of the nodes dead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// The share (0 to 1) of the nodes that are dead.
    pub dead: f64,
    /// Lookups that ended at the root.
    pub found: Share,
    /// How many ended at a node that is not the root and does not know it.
    pub elsewhere: usize,
    /// How many ended because a node knew nobody, or nobody that lives.
    pub lost: usize,
    /// How many had not ended after the hops allowed.
    pub astray: usize,
    /// Hops of those that found the root; `None` if none did.
    pub hops: Option<Summary>,
    /// In how many lookups the living graph joins origin and root: what the best routing could find with these links.
    pub joined: Option<Share>,
}

/// How many lookups to send, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReachEffort {
    /// Lookups for each share of dead nodes, from random living nodes to random keys.
    pub lookups: usize,
    /// A lookup is given up after so many hops.
    pub hops_max: u32,
}

impl Default for ReachEffort {
    /// 10,000 lookups tell a failure rate of 0.1 % from none; 64 hops are more than any table of 256-bit ids of base 16 needs.
    fn default() -> ReachEffort {
        ReachEffort { lookups: 10_000, hops_max: 64 }
    }
}

/// How lookups fare with each of these shares (0 to 1) of the nodes dead, drawn anew for each share. Given the graph of links it
/// also tells what could have been found. A share that leaves nobody alive is left out.
pub fn reach<W: Walker>(
    walker: &W,
    graph: Option<&Undirected>,
    shares: &[f64],
    effort: ReachEffort,
    chance: &mut Chance,
) -> Vec<Reach> {
    shares.iter().filter_map(|dead| reach_at(walker, graph, *dead, effort, &mut chance.fork())).collect()
}

fn reach_at<W: Walker>(
    walker: &W,
    graph: Option<&Undirected>,
    dead: f64,
    effort: ReachEffort,
    chance: &mut Chance,
) -> Option<Reach> {
    let (is_dead, living) = fallen(walker.node_count(), dead, chance);
    let mut ends = Ends::new(graph, &is_dead);
    for _ in 0..effort.lookups {
        let (key, origin) = (walker.key(chance), *chance.pick(&living)?);
        let root = walker.root(&key, &is_dead);
        ends.add(walk(walker, (origin, &key), root, &is_dead, effort.hops_max), origin, root);
    }
    ends.told(dead)
}

/// One lookup.
fn walk<W: Walker>(walker: &W, from: (u32, &W::Key), root: Option<u32>, is_dead: &[bool], hops_max: u32) -> End {
    let (mut at, key) = from;
    for hops in 0..=hops_max {
        match walker.step(at, key, is_dead) {
            Step::Answer if Some(at) == root => return End::Root { hops },
            Step::Answer => return End::Elsewhere,
            Step::To(next) if !is_dead.get(next as usize).copied().unwrap_or(true) => at = next,
            Step::To(_) | Step::Stuck => return End::Lost,
        }
    }
    End::Astray
}

/// Draws who is dead; gives that, and the living.
pub fn fallen(nodes: usize, dead: f64, chance: &mut Chance) -> (Vec<bool>, Vec<u32>) {
    let mut order: Vec<u32> = (0..nodes as u32).collect();
    chance.shuffle(&mut order);
    let living = order.split_off((dead.clamp(0.0, 1.0) * nodes as f64).round() as usize);
    let mut is_dead = vec![false; nodes];
    order.into_iter().for_each(|node| is_dead[node as usize] = true);
    (is_dead, living)
}

/// The parts of what lives.
fn parts(graph: &Undirected, is_dead: &[bool]) -> Components {
    let mut parts = Components::of_none(graph.node_count());
    let lives = |node: u32| !is_dead[node as usize];
    graph.nodes().filter(|node| lives(*node)).for_each(|node| parts.add(node));
    let between = graph.edges().filter(|edge| lives(edge.from) && lives(edge.to));
    between.for_each(|edge| parts.join(edge.from, edge.to));
    parts
}

/// How lookups ended so far, with these dead.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The parts of what lives, if there is a graph.
    parts: Option<Components>,
    hops: Vec<f64>,
    elsewhere: usize,
    lost: usize,
    astray: usize,
    joined: usize,
}

impl Ends {
    /// None yet. Given the graph of links it is also counted what could have been found.
    pub fn new(graph: Option<&Undirected>, is_dead: &[bool]) -> Ends {
        let parts = graph.map(|graph| parts(graph, is_dead));
        Ends { parts, hops: Vec::new(), elsewhere: 0, lost: 0, astray: 0, joined: 0 }
    }

    /// Counts one lookup from this node for a key of this root.
    pub fn add(&mut self, end: End, origin: u32, root: Option<u32>) {
        match end {
            End::Root { hops } => self.hops.push(f64::from(hops)),
            End::Elsewhere => self.elsewhere += 1,
            End::Lost => self.lost += 1,
            End::Astray => self.astray += 1,
        }
        let joined = |parts: &mut Components| root.is_some_and(|root| parts.are_joined(origin, root));
        self.joined += usize::from(self.parts.as_mut().is_some_and(joined));
    }

    /// What that comes to, this share being dead; `None` if there was no lookup.
    pub fn told(self, dead: f64) -> Option<Reach> {
        let lookups = self.hops.len() + self.elsewhere + self.lost + self.astray;
        Some(Reach {
            dead,
            found: Share::of(self.hops.len(), lookups)?,
            elsewhere: self.elsewhere,
            lost: self.lost,
            astray: self.astray,
            hops: Summary::of(self.hops),
            joined: Share::of(self.joined, lookups).filter(|_| self.parts.is_some()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{links, random};
    use super::*;

    /// A ring on which each node knows so many after it, and passes on to the farthest living one not beyond the key.
    struct Ring {
        nodes: u32,
        known: u32,
    }

    impl Walker for Ring {
        type Key = u32;

        fn node_count(&self) -> usize {
            self.nodes as usize
        }

        fn key(&self, chance: &mut Chance) -> u32 {
            chance.index(self.nodes as usize) as u32
        }

        /// The first living node from the key backwards.
        fn root(&self, key: &u32, is_dead: &[bool]) -> Option<u32> {
            let places = (0..self.nodes).map(|back| (key + self.nodes - back) % self.nodes);
            places.into_iter().find(|node| !is_dead[*node as usize])
        }

        fn step(&self, at: u32, key: &u32, is_dead: &[bool]) -> Step {
            let left = (key + self.nodes - at) % self.nodes;
            let ahead = (1..=left.min(self.known)).rev().map(|ahead| (at + ahead) % self.nodes);
            match ahead.into_iter().find(|node| !is_dead[*node as usize]) {
                Some(next) => Step::To(next),
                None if left <= self.known => Step::Answer,
                None => Step::Stuck,
            }
        }
    }

    /// Passes on to the next of two for ever.
    struct Circle;

    impl Walker for Circle {
        type Key = ();
        fn node_count(&self) -> usize {
            2
        }
        fn key(&self, _: &mut Chance) {}
        fn root(&self, _: &(), _: &[bool]) -> Option<u32> {
            Some(0)
        }
        fn step(&self, at: u32, _: &(), _: &[bool]) -> Step {
            Step::To(1 - at)
        }
    }

    const EFFORT: ReachEffort = ReachEffort { lookups: 2_000, hops_max: 64 };

    #[test]
    fn on_a_whole_ring_every_lookup_takes_the_hops_counted_by_hand() {
        let found = reach(&Ring { nodes: 100, known: 10 }, None, &[0.0], EFFORT, &mut Chance::from_seed(1))[0];
        let hops = found.hops.unwrap();
        // A distance of d takes ceil(d / 10) hops: 1 to 10 ten times each but the last nine times, 0 once.
        assert_eq!((found.found.share, hops.max, found.joined), (1.0, 10.0, None));
        assert!((hops.mean - (450.0 + 90.0) / 100.0).abs() < 0.2, "{hops:?}");
    }

    #[test]
    fn a_gap_wider_than_the_tables_loses_lookups() {
        let ring = Ring { nodes: 4_000, known: 2 };
        let graph =
            links(4_000, &(0..4_000).flat_map(|n| [(n, (n + 1) % 4_000), (n, (n + 2) % 4_000)]).collect::<Vec<_>>());
        let effort = ReachEffort { hops_max: 4_000, ..EFFORT };
        let found = reach(&ring, Some(&graph), &[0.0, 0.02, 1.0], effort, &mut Chance::from_seed(2));
        assert_eq!((found.len(), found[0].found.share), (2, 1.0));
        // About 4,000 * 0.02² = 1.6 gaps of two: a path that crosses one ends there.
        let (hurt, joined) = (found[1], found[1].joined.unwrap());
        assert!(hurt.lost > 0 && hurt.found.share < joined.share, "{hurt:?}");
        assert_eq!(hurt.lost + hurt.elsewhere + hurt.found.happened, 2_000);
    }

    #[test]
    fn a_walk_in_circles_is_given_up_and_a_dead_end_is_lost() {
        let found = reach(&Circle, None, &[0.0, 0.5], EFFORT, &mut Chance::from_seed(3));
        assert_eq!((found[0].astray, found[1].lost, found[0].hops), (2_000, 2_000, None));
    }

    #[test]
    fn what_the_graph_joins_is_counted_among_the_living_only() {
        let graph = random(200, 3, 1).undirected().unwrap();
        let found = reach(&Ring { nodes: 200, known: 3 }, Some(&graph), &[0.0, 0.9], EFFORT, &mut Chance::from_seed(4));
        assert_eq!(found[0].joined.unwrap().share, 1.0);
        assert!(found[1].joined.unwrap().share < 0.9);
    }
}
