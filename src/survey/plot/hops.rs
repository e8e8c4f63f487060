//! How many hops apart nodes are, as lines.
//!
//! Owns: the share of the pairs that are within so many hops.
//! Never does: count pairs that have no path.

use super::axis::{Axis, Scale};
use super::lines::{Line, Lines};
use crate::survey::number::{decimals, number};
use crate::survey::paths::Paths;

/// A line for each set of paths, from none at 0 hops to all at the longest.
pub fn hops_curve(title: impl Into<String>, note: impl Into<String>, paths: &[(&str, &Paths)]) -> Lines {
    let line = |(name, paths): &(&str, &Paths)| {
        let mut within = 0.0;
        let mut points = vec![(0.0, 0.0)];
        for (hops, share) in (1u32..).zip(&paths.by_hops) {
            within += share;
            points.push((f64::from(hops), 100.0 * within));
        }
        Line { name: format!("{name} (mean {}, {})", number(paths.mean), longest(paths)), points }
    };
    let farthest = paths.iter().map(|(_, paths)| paths.by_hops.len()).max().unwrap_or(1);
    Lines {
        title: title.into(),
        note: note.into(),
        x: Axis::covering("hops at most", Scale::Linear, [farthest as f64]),
        y: Axis::covering("pairs (%)", Scale::Linear, [0.0, 100.0]),
        lines: paths.iter().map(line).collect(),
        marks: Vec::new(),
    }
}

fn longest(paths: &Paths) -> String {
    let least = decimals(f64::from(paths.diameter_min), 0);
    match paths.diameter_max {
        Some(most) if most == paths.diameter_min => format!("at most {least}"),
        Some(most) => format!("diameter {least} to {most}"),
        None => format!("diameter at least {least}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Chance;
    use crate::survey::graph::tests::links;

    #[test]
    fn the_line_ends_at_the_longest_path_with_all_pairs() {
        let path = links(4, &[(0, 1), (1, 2), (2, 3)]);
        let paths = Paths::of(&path, Default::default(), &mut Chance::from_seed(1)).unwrap();
        let plot = hops_curve("", "", &[("links", &paths)]);
        assert_eq!(plot.lines[0].name, "links (mean 1.67, at most 3)");
        assert_eq!(plot.lines[0].points.last().map(|point| point.1.round()), Some(100.0));
        assert_eq!(plot.lines[0].points.len(), 4);
    }
}
