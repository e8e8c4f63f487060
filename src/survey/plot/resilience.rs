//! What a graph stands, as lines.
//!
//! Owns: removal curves, the likelihood of falling apart, and lookups that arrive, over the share of nodes that are dead.
//! Never does: cut an axis; shares run from 0 to 100 %.

use super::axis::{Axis, Scale};
use super::curves::Mark;
use super::lines::{Line, Lines};
use crate::survey::number::brief;
use crate::survey::partition::Partition;
use crate::survey::reach::Reach;
use crate::survey::removal::{Left, Removal};

/// The largest part as a share of the nodes that stay, a line for each attack.
pub fn removal_curves(title: impl Into<String>, note: impl Into<String>, removals: &[Removal]) -> Lines {
    let line = |removal: &Removal| {
        let name = match removal.shattered_at() {
            Some(share) => format!("{} (half at {} %)", removal.attack.name(), brief(percent(share))),
            None => format!("{} (never below half)", removal.attack.name()),
        };
        // Of a handful of nodes the largest part is large whatever happened.
        let tells = |left: &&Left| left.living >= LIVING_MIN;
        let points = removal.curve.iter().filter(tells).map(|left| (percent(left.removed), percent(left.of_living)));
        Line { name, points: points.collect() }
    };
    Lines {
        title: title.into(),
        note: note.into(),
        x: percents("nodes removed (%)"),
        y: percents("largest part of those that stay (%)"),
        lines: removals.iter().map(line).collect(),
        marks: Vec::new(),
    }
}

/// How likely the living are parted: counted, with its interval, and expected.
pub fn partition_curve(title: impl Into<String>, note: impl Into<String>, partitions: &[Partition]) -> Lines {
    let line = |name: &str, of: fn(&Partition) -> f64| Line {
        name: name.to_string(),
        points: partitions.iter().map(|one| (percent(one.dead), percent(of(one)))).collect(),
    };
    Lines {
        title: title.into(),
        note: note.into(),
        x: percents("nodes dead (%)"),
        y: percents("share (%)"),
        lines: vec![
            line("parted in so many trials", |one| one.parted.share),
            line("expected from degrees", |one| one.expected),
            line("at most (95 %)", |one| one.parted.high),
            line("living nodes cut off", |one| one.cut_off),
        ],
        marks: Vec::new(),
    }
}

/// The share of lookups that find the root without repair, and what the graph would allow.
pub fn reach_curve(title: impl Into<String>, note: impl Into<String>, reaches: &[Reach]) -> Lines {
    let found = reaches.iter().map(|one| (percent(one.dead), percent(one.found.share)));
    let mut lines = vec![Line { name: "found the root".to_string(), points: found.collect() }];
    let joined = reaches.iter().filter_map(|one| Some((percent(one.dead), percent(one.joined?.share))));
    let joined: Vec<(f64, f64)> = joined.collect();
    if !joined.is_empty() {
        lines.push(Line { name: "root joined by living links".to_string(), points: joined });
    }
    let first_failure = reaches.iter().find(|one| one.found.share < 1.0);
    let mark = |one: &Reach| Mark { value: percent(one.dead), name: "first failure".to_string() };
    Lines {
        title: title.into(),
        note: note.into(),
        x: percents("nodes dead (%)"),
        y: percents("lookups (%)"),
        lines,
        marks: first_failure.map(mark).into_iter().collect(),
    }
}

fn percents(label: &str) -> Axis {
    Axis::covering(label, Scale::Linear, [0.0, 100.0])
}

fn percent(share: f64) -> f64 {
    // A share that was written as 0.29 is 29, not 28.999…
    (share * 1e8).round() / 1e6
}

/// A guess.
const LIVING_MIN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::removal::Attack;

    #[test]
    fn the_legend_says_where_a_graph_shatters() {
        let left = |removed, living, of_living| Left { removed, living, largest: 0, parts: 1, of_living, of_all: 0.0 };
        let curve = vec![left(0.0, 100, 1.0), left(0.29, 71, 0.4), left(0.95, 5, 1.0)];
        let plot = removal_curves("t", "", &[Removal { attack: Attack::Degree, curve }]);
        assert_eq!(plot.lines[0].name, "by degree (half at 29 %)");
        assert_eq!(plot.lines[0].points, [(0.0, 100.0), (29.0, 40.0)]);
    }
}
