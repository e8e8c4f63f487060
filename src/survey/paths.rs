//! How far nodes are from each other in hops.
//!
//! Owns: mean path length, the spread of path lengths and the diameter: exact for graphs up to a size, estimated with stated
//! bounds above it.
//! Never does: give an estimate without saying so, or count pairs without a path as near or far: they are counted apart.

use super::diameter::Bounds;
use super::distribution::Interval;
use super::draw;
use super::graph::{Graph, Undirected};
use super::sweep::{LANES, Sweep, count, set};
use crate::base::Chance;
use serde::{Deserialize, Serialize};

/// Path lengths in hops over ordered pairs of different nodes that have a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// To how many nodes all paths were followed: to all of them, or to a random sample.
    pub targets: usize,
    /// Whether that was all of them.
    pub exact: bool,
    /// The mean length.
    pub mean: f64,
    /// Of a sampled mean the 95 % interval.
    pub interval: Option<Interval>,
    /// The share (0 to 1) of the paths that have 1, 2, … hops.
    pub by_hops: Vec<f64>,
    /// The share (0 to 1) of the pairs that have no path.
    pub unreachable: f64,
    /// The longest of all shortest paths has at least so many hops: one of this length was found.
    pub diameter_min: u32,
    /// And at most so many; the same if known exactly, `None` if nothing bounds it.
    pub diameter_max: Option<u32>,
}

/// How much work to put into path lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathEffort {
    /// Up to so many nodes every pair is counted.
    pub exact_up_to: usize,
    /// Above that all paths to so many random nodes are.
    pub targets: usize,
}

impl Default for PathEffort {
    /// Exact up to 20,000 nodes (0.8 s on one core at 80 edges a node). 512 targets give the mean of a random graph
    /// to half a per cent (the test's 128 to 0.6 %, 95 of 100 times).
    fn default() -> PathEffort {
        PathEffort { exact_up_to: 20_000, targets: 512 }
    }
}

impl Paths {
    /// Along directed edges; `None` if no pair has a path.
    pub fn of(graph: &Graph, effort: PathEffort, chance: &mut Chance) -> Option<Paths> {
        if graph.node_count() <= effort.exact_up_to {
            return exact(graph);
        }
        let reversed = graph.reversed();
        let mut bounds = Bounds::of_edges(graph, &reversed);
        let paths = sampled(graph, effort, chance, &mut bounds)?;
        Some(bounded(paths, &bounds))
    }

    /// Along links that carry both ways; `None` if there is none. Of a graph that falls apart each part counts by itself.
    pub fn of_links(graph: &Undirected, effort: PathEffort, chance: &mut Chance) -> Option<Paths> {
        if graph.node_count() <= effort.exact_up_to {
            return exact(graph);
        }
        let mut bounds = Bounds::of_links(graph);
        let paths = sampled(graph, effort, chance, &mut bounds)?;
        Some(bounded(paths, &bounds))
    }
}

/// All pairs.
fn exact(graph: &Graph) -> Option<Paths> {
    let mut sweep = Sweep::new(graph);
    let mut tally = Tally::default();
    let all: Vec<u32> = graph.nodes().collect();
    for targets in all.chunks(LANES) {
        sweep
            .run(targets, |level, reached| tally.add(level, reached.iter().map(|lanes| u64::from(count(lanes))).sum()));
    }
    tally.paths(graph.node_count(), graph.node_count())
}

/// Paths to a random sample of targets; what they tell about the diameter goes into the bounds.
fn sampled(graph: &Graph, effort: PathEffort, chance: &mut Chance, bounds: &mut Bounds<'_>) -> Option<Paths> {
    let sample = draw::distinct(graph.node_count(), effort.targets.max(2), chance);
    let mut sweep = Sweep::new(graph);
    let (mut tally, mut by_target) = (Tally::default(), Vec::new());
    for targets in sample.chunks(LANES) {
        let mut each = vec![Tally::default(); targets.len()];
        sweep.run(targets, |level, reached| {
            reached.iter().flat_map(set).for_each(|lane| each[lane].add(level, 1));
        });
        each.iter().for_each(|one| tally.join(one));
        by_target.extend(each.iter().map(|one| (one.hops() as f64, one.count() as f64)));
        bounds.learn(targets, &mut sweep);
    }
    bounds.look_at_the_widest();
    let paths = tally.paths(graph.node_count(), sample.len())?;
    Some(Paths { interval: ratio_interval(&by_target), ..paths })
}

/// The same with what the bounds know.
fn bounded(paths: Paths, bounds: &Bounds<'_>) -> Paths {
    Paths { diameter_min: paths.diameter_min.max(bounds.at_least()), diameter_max: bounds.at_most(), ..paths }
}

/// The interval of hops over paths, both summed over the targets drawn: targets that few nodes reach count for less (the ratio
/// estimator, Cochran, "Sampling Techniques", 1977, chapter 6).
fn ratio_interval(by_target: &[(f64, f64)]) -> Option<Interval> {
    let (hops, paths) = by_target.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let (ratio, paths_a_target) = (hops / paths, paths / by_target.len() as f64);
    Interval::of(by_target.iter().map(|(hops, paths)| ratio + (hops - ratio * paths) / paths_a_target))
}

/// How many paths have how many hops.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Of 1, 2, … hops.
    paths: Vec<u64>,
}

impl Tally {
    fn add(&mut self, hops: u32, paths: u64) {
        let place = hops as usize - 1;
        self.paths.resize(self.paths.len().max(place + 1), 0);
        self.paths[place] += paths;
    }

    fn join(&mut self, other: &Tally) {
        (1..).zip(&other.paths).for_each(|(hops, paths)| self.add(hops, *paths));
    }

    fn count(&self) -> u64 {
        self.paths.iter().sum()
    }

    fn hops(&self) -> u64 {
        (1..).zip(&self.paths).map(|(hops, paths)| hops * paths).sum()
    }

    fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.hops() as f64 / self.count() as f64)
    }

    fn paths(&self, nodes: usize, targets: usize) -> Option<Paths> {
        let (longest, pairs) = (self.paths.len() as u32, targets as f64 * (nodes as f64 - 1.0));
        Some(Paths {
            targets,
            exact: targets == nodes,
            mean: self.mean()?,
            interval: None,
            by_hops: self.paths.iter().map(|paths| *paths as f64 / self.count() as f64).collect(),
            unreachable: 1.0 - self.count() as f64 / pairs,
            diameter_min: longest,
            diameter_max: (targets == nodes).then_some(longest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{graph, links, petgraph_of, random, small};
    use super::*;
    use proptest::prelude::*;

    const SAMPLED: PathEffort = PathEffort { exact_up_to: 0, targets: 3 };

    fn all(graph: &Graph) -> Option<Paths> {
        Paths::of(graph, PathEffort::default(), &mut Chance::from_seed(1))
    }

    #[test]
    fn a_path_of_four_is_counted_by_hand() {
        // Both ways: six pairs at 1 hop, four at 2, two at 3.
        let path = all(&links(4, &[(0, 1), (1, 2), (2, 3)])).unwrap();
        assert_eq!((path.mean, path.diameter_min, path.diameter_max), (20.0 / 12.0, 3, Some(3)));
        assert_eq!((path.by_hops, path.unreachable, path.exact), (vec![0.5, 4.0 / 12.0, 2.0 / 12.0], 0.0, true));
        // One way: half of the pairs have no path.
        let one_way = all(&graph(4, &[(0, 1), (1, 2), (2, 3)])).unwrap();
        assert_eq!((one_way.mean, one_way.unreachable, one_way.diameter_max), (10.0 / 6.0, 0.5, Some(3)));
        assert_eq!(all(&graph(3, &[])), None);
    }

    #[test]
    fn a_sample_of_a_large_random_graph_is_near_the_truth_and_says_how_near() {
        let graph = random(3_000, 12, 5);
        let exact = all(&graph).unwrap();
        let effort = PathEffort { exact_up_to: 0, targets: 128 };
        let sample = Paths::of(&graph, effort, &mut Chance::from_seed(2)).unwrap();
        let interval = sample.interval.unwrap();
        assert!((sample.mean / exact.mean - 1.0).abs() < 0.005, "{} {}", sample.mean, exact.mean);
        assert!(interval.high - interval.low < 0.05 && !sample.exact && sample.targets == 128, "{interval:?}");
        assert!(sample.diameter_min <= exact.diameter_min && Some(exact.diameter_min) <= sample.diameter_max);
        assert!(sample.diameter_max.unwrap() <= exact.diameter_min + 2, "{sample:?} {exact:?}");
    }

    #[test]
    fn the_interval_of_a_sample_holds_the_truth_where_targets_differ() {
        // Half of the nodes know nobody: the others reach all, with targets that are reached by few among them.
        let whole = random(1_000, 5, 6);
        let edges: Vec<(u32, u32)> =
            whole.edges().filter(|edge| edge.from % 2 == 0).map(|edge| (edge.from, edge.to)).collect();
        let graph = graph(1_000, &edges);
        let exact = all(&graph).unwrap();
        let effort = PathEffort { exact_up_to: 0, targets: 100 };
        let holds = |seed: &u64| {
            let sample = Paths::of(&graph, effort, &mut Chance::from_seed(*seed)).unwrap();
            let interval = sample.interval.unwrap();
            assert!((interval.mean - sample.mean).abs() < 1e-9);
            interval.low <= exact.mean && exact.mean <= interval.high
        };
        let held = (0..50).filter(holds).count();
        // 47.5 are expected, below 43 one in a hundred times.
        assert!(held >= 43, "{held} of 50");
    }

    #[test]
    fn without_a_way_back_nothing_bounds_a_sampled_diameter() {
        // Ten hubs known to all others.
        let star: Vec<(u32, u32)> = (10..2_000).flat_map(|rim| (0..10).map(move |hub| (rim, hub))).collect();
        let effort = PathEffort { exact_up_to: 0, targets: 300 };
        let one_way = Paths::of(&graph(2_000, &star), effort, &mut Chance::from_seed(3)).unwrap();
        assert_eq!((one_way.diameter_min, one_way.diameter_max), (1, None));
        let both_ways = Paths::of_links(&links(2_000, &star), effort, &mut Chance::from_seed(3)).unwrap();
        assert_eq!((both_ways.diameter_min, both_ways.diameter_max), (2, Some(3)));
    }

    proptest! {
        #[test]
        fn means_and_diameters_are_those_of_petgraph(graph in small()) {
            let hops = petgraph::algo::floyd_warshall(&petgraph_of(&graph), |_| 1u32).unwrap();
            let far: Vec<u32> = hops.into_values().filter(|hops| *hops > 0 && *hops < u32::MAX).collect();
            let found = all(&graph);
            prop_assert_eq!(found.is_none(), far.is_empty());
            if let Some(found) = found {
                prop_assert_eq!(found.diameter_max, far.iter().copied().max());
                prop_assert!((found.mean - far.iter().sum::<u32>() as f64 / far.len() as f64).abs() < 1e-9);
            }
        }

        #[test]
        fn bounds_of_a_sample_enclose_the_truth(graph in small(), seed in any::<u64>()) {
            let undirected = graph.undirected().unwrap();
            let sampled = [
                (all(&graph), Paths::of(&graph, SAMPLED, &mut Chance::from_seed(seed))),
                (all(&undirected), Paths::of_links(&undirected, SAMPLED, &mut Chance::from_seed(seed))),
            ];
            for (exact, sampled) in sampled {
                if let (Some(exact), Some(sampled)) = (exact, sampled) {
                    prop_assert!(sampled.diameter_min <= exact.diameter_min);
                    prop_assert!(sampled.diameter_max.is_none_or(|most| most >= exact.diameter_min));
                }
            }
        }
    }
}
