//! Tails of distributions.
//!
//! Owns: the share of nodes that have at least so many links (the CCDF), as lines.
//! Never does: bin; each point is a value that occurs.

use super::axis::{Axis, Scale};
use super::curves::Mark;
use super::lines::{Line, Lines};
use crate::survey::distribution::{quantile, sorted};
use crate::survey::graph::Graph;
use crate::survey::number::{brief, decimals};

/// In- and out-degree of a graph, from how many nodes have at least any down to the one that has most.
pub fn degree_tail(title: impl Into<String>, note: impl Into<String>, graph: &Graph) -> Lines {
    let out = sorted(graph.nodes().map(|node| graph.out_degree(node) as f64));
    let inward = sorted(graph.in_degrees().into_iter().map(f64::from));
    let largest = out.last().copied().unwrap_or(0.0).max(inward.last().copied().unwrap_or(0.0));
    let median = quantile(&inward, 0.5).unwrap_or(0.0);
    let scale = if largest > LOG_FROM * median.max(1.0) { Scale::Log } else { Scale::Linear };
    let lines = vec![tail("known by others (in)", &inward), tail("knows others (out)", &out)];
    let shares = lines.iter().flat_map(|line| &line.points).map(|point| point.1).collect::<Vec<_>>();
    let log = if scale == Scale::Log { ", log scale" } else { "" };
    let unknown = inward.iter().take_while(|degree| **degree == 0.0).count();
    let none = format!("{} nodes are known by nobody.", decimals(unknown as f64, 0));
    Lines {
        title: title.into(),
        note: if unknown > 0 { format!("{} {none}", note.into()).trim().to_string() } else { note.into() },
        x: Axis::covering(format!("degree at least (edges{log})"), scale, [1.0, largest.max(1.0)]),
        y: Axis::covering("share of nodes (%, log scale)", Scale::Log, shares.into_iter().chain([100.0])),
        lines,
        marks: vec![Mark { value: median, name: format!("median in-degree {}", brief(median)) }],
    }
}

/// The points (value, percent of the samples that are at least so large) of ascending samples, those of 0 left out.
fn tail(name: &str, sorted: &[f64]) -> Line {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut before = 0;
    for same in sorted.chunk_by(|one, other| one == other) {
        let share = 100.0 * (sorted.len() - before) as f64 / sorted.len() as f64;
        if same[0] > 0.0 {
            // Up to this value the share is what it is here: a stair.
            points.extend(points.last().map(|(last, _)| (*last, share)));
            points.push((same[0], share));
        }
        before += same.len();
    }
    // A plot has fewer pixels; the ends stay.
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.last().copied();
    let mut thinned: Vec<(f64, f64)> = points.into_iter().step_by(every).collect();
    thinned.extend(last.filter(|last| thinned.last() != Some(last)));
    Line { name: name.to_string(), points: thinned }
}

/// Degrees that differ by more than this from their median need a log axis to be seen. A guess.
const LOG_FROM: f64 = 8.0;
/// Points of a line.
const POINTS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::graph::tests::graph;

    #[test]
    fn a_tail_counts_those_that_have_at_least_so_many() {
        let line = tail("", &[0.0, 1.0, 1.0, 4.0]);
        assert_eq!(line.points, [(1.0, 75.0), (1.0, 25.0), (4.0, 25.0)]);
    }

    #[test]
    fn those_whom_nobody_knows_are_told() {
        let plot = degree_tail("t", "A star.", &graph(4, &[(1, 0), (2, 0), (3, 0)]));
        assert_eq!(plot.note, "A star. 3 nodes are known by nobody.");
        assert_eq!(plot.lines[1].points, [(1.0, 75.0)]);
    }
}
