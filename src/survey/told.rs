//! A survey in words and figures.
//!
//! Owns: the tables that show a [`Topology`] to people.
//! Never does: compute; what is sampled or bounded only is told so beside the figure.

use super::number::{brief, number};
use super::paths::Paths;
use super::removal::Removal;
use super::table::{Cell, Table};
use super::topology::Topology;

impl Topology {
    /// The figures, what is left as nodes go, and lookups without repair if there were any.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.figures()];
        tables.extend((!self.removal.is_empty()).then(|| removal_table(&self.removal)));
        tables.extend((!self.partition.is_empty()).then(|| self.partition_table()));
        tables.extend((!self.measured.reach.is_empty()).then(|| self.reach_table()));
        tables
    }

    /// One figure a line.
    pub fn figures(&self) -> Table {
        let mut table = Table::new("Topology", ["measure", "value", "remark"]);
        let mut row = |name: &str, value: f64, remark: String| {
            table.row([Cell::from(name), Cell::from(brief(value)), Cell::from(remark)]);
        };
        row("nodes", self.nodes as f64, String::new());
        row("edges", self.edges as f64, format!("{} links", brief(self.links as f64)));
        let (out, inward) = (self.degrees.out, self.degrees.inward);
        row("out-degree, mean", out.mean, spread(out.p50, out.p99, out.max));
        row("in-degree, mean", inward.mean, spread(inward.p50, inward.p99, inward.max));
        if let Some(uneven) = self.degrees.concentration {
            row("in-degree, Gini", uneven.gini, String::new());
            row("in-degree, max / mean", uneven.max_to_mean, String::new());
            row("in-degree, top 1 %", uneven.top_percent * 100.0, "% of all edges".to_string());
        }
        if let Some(rtt) = self.rtt_ms {
            row("edge RTT, mean (ms)", rtt.mean, spread(rtt.p50, rtt.p99, rtt.max));
        }
        for (name, paths) in [("edges", &self.paths), ("links", &self.link_paths)] {
            if let Some(paths) = paths {
                row(&format!("hops along {name}, mean"), paths.mean, how(paths));
                row(&format!("diameter along {name}"), f64::from(paths.diameter_min), bound(paths));
            }
        }
        if let Some(found) = self.clustering {
            let how = if found.exact { "" } else { "sampled" };
            row("clustering, local", found.local, how.to_string());
            row("clustering, global", found.global, how.to_string());
        }
        if let Some(cuts) = &self.cuts {
            row("disjoint paths, mean", cuts.paths.mean, format!("{} random pairs", cuts.pairs.len()));
            row("disjoint paths, min", cuts.paths.min, String::new());
            row("as many as degree", cuts.at_degree.share * 100.0, "% of these pairs".to_string());
        }
        self.measured_figures(row);
        table
    }

    fn measured_figures(&self, mut row: impl FnMut(&str, f64, String)) {
        let measured = &self.measured;
        if let Some(stretch) = &measured.stretch {
            row("stretch, ratio of means", stretch.ratio_of_means, format!("{} pairs", brief(stretch.pairs as f64)));
            row("stretch, median", stretch.p50, format!("p90 {}, p99 {}", number(stretch.p90), number(stretch.p99)));
        }
        if let Some(links) = measured.link_stress {
            row("link stress, mean", links.copies.mean, spread(links.copies.p50, links.copies.p99, links.copies.max));
            row("physical links used", links.used * 100.0, "%".to_string());
        }
        if let Some(against) = measured.against_direct {
            let busiest = format!("the direct path's; {} times on the busiest link", number(against.busiest));
            row("physical links crossed, times", against.crossings, busiest);
        }
        if let Some(nodes) = measured.node_stress {
            row("passed on, max / mean", nodes.concentration.max_to_mean, String::new());
            row("passed on, p99 / mean", nodes.concentration.p99_to_mean, String::new());
            row("passed on, CV", nodes.concentration.variation, String::new());
        }
        let sizes = [
            ("size by the own leaf set, error", measured.size),
            ("size by the contacts' as well", measured.size_by_words),
            ("size by the own and lookups", measured.size_by_lookups),
        ];
        for (name, size) in sizes.into_iter().filter_map(|(name, size)| Some((name, size?))) {
            let off = format!("p90 {} %, bias {} %", brief_percent(size.error.p90), brief_percent(size.bias));
            row(name, size.error.p50 * 100.0, format!("% in the median; {off}"));
        }
    }

    fn partition_table(&self) -> Table {
        let mut table = Table::new("Partition", ["dead %", "parted %", "95 % interval", "expected %", "cut off %"]);
        for one in &self.partition {
            let interval = format!("{} to {}", brief_percent(one.parted.low), brief_percent(one.parted.high));
            let percent = |share: f64| brief_percent(share);
            table.row([
                percent(one.dead),
                percent(one.parted.share),
                interval,
                percent(one.expected),
                percent(one.cut_off),
            ]);
        }
        table
    }

    fn reach_table(&self) -> Table {
        let headings = ["dead %", "found %", "95 % interval", "joined %", "elsewhere", "lost", "astray", "hops"];
        let mut table = Table::new("Lookups without repair", headings);
        for one in &self.measured.reach {
            let interval = format!("{} to {}", brief_percent(one.found.low), brief_percent(one.found.high));
            let joined = one.joined.map_or("-".to_string(), |joined| brief_percent(joined.share));
            let hops = one.hops.map_or("-".to_string(), |hops| number(hops.mean));
            let ends = [one.elsewhere, one.lost, one.astray].map(|count| brief(count as f64));
            let [elsewhere, lost, astray] = ends;
            let (dead, found) = (brief_percent(one.dead), brief_percent(one.found.share));
            table.row([dead, found, interval, joined, elsewhere, lost, astray, hops]);
        }
        table
    }
}

/// The largest part as a share of those that stay, at every tenth removed and where it first falls below half.
pub fn removal_table(removals: &[Removal]) -> Table {
    let shares: Vec<f64> = (1..10).map(|tenth| f64::from(tenth) / 10.0).collect();
    let headings = shares.iter().map(|share| format!("{} %", brief_percent(*share)));
    let headings = std::iter::once("removed".to_string()).chain(headings).chain(["below half at".to_string()]);
    let mut table = Table::new("Largest part, % of those that stay", headings);
    for removal in removals {
        let left = |share: &f64| removal.at(*share).map_or("-".to_string(), |left| brief_percent(left.of_living));
        let half = removal.shattered_at().map_or("never".to_string(), |share| format!("{} %", brief_percent(share)));
        let cells = shares.iter().map(left).chain([half]);
        table.row(std::iter::once(removal.attack.name().to_string()).chain(cells));
    }
    table
}

fn spread(p50: f64, p99: f64, max: f64) -> String {
    format!("p50 {}, p99 {}, max {}", brief(p50), brief(p99), brief(max))
}

fn how(paths: &Paths) -> String {
    let apart = match paths.unreachable {
        0.0 => String::new(),
        share => format!("; {} % of the pairs have no path", brief_percent(share)),
    };
    match paths.interval {
        _ if paths.exact => format!("exact{apart}"),
        Some(interval) => {
            let half = number((interval.high - interval.low) / 2.0);
            format!("± {half} (95 %) from {} sampled targets{apart}", brief(paths.targets as f64))
        }
        None => format!("from {} sampled targets{apart}", brief(paths.targets as f64)),
    }
}

fn bound(paths: &Paths) -> String {
    match paths.diameter_max {
        Some(most) if most == paths.diameter_min => "exact".to_string(),
        Some(most) => format!("at least; at most {most}"),
        None => "at least; not bounded above".to_string(),
    }
}

/// 0 to 1 in per cent, without trailing digits that rounding made up.
fn brief_percent(share: f64) -> String {
    brief((share * 1e8).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::sample;
    use super::*;

    #[test]
    fn people_read_what_was_found_and_how() {
        let (_, topology) = sample();
        let tables = topology.tables();
        assert_eq!(tables.len(), 3);
        let rows = tables[0].rows();
        let told = |name: &str| rows.iter().find(|row| row[0] == name).map(|row| (row[1].as_str(), row[2].as_str()));
        assert_eq!(told("nodes"), Some(("300", "")));
        assert_eq!(told("hops along links, mean").unwrap().1, "exact");
        assert_eq!(told("diameter along links").unwrap().1, "exact");
        assert_eq!(told("disjoint paths, mean").unwrap().1, "20 random pairs");
        assert_eq!(told("stretch, median"), None);
        assert_eq!(tables[1].rows().len(), 4);
        assert_eq!(tables[1].headings()[1], "10 %");
    }

    #[test]
    fn bounds_are_not_told_as_values() {
        let paths = |diameter_max| Paths {
            targets: 512,
            exact: false,
            mean: 2.5,
            interval: None,
            by_hops: vec![],
            unreachable: 0.25,
            diameter_min: 4,
            diameter_max,
        };
        assert_eq!(how(&paths(None)), "from 512 sampled targets; 25 % of the pairs have no path");
        let told = [None, Some(4), Some(6)].map(|most| bound(&paths(most)));
        assert_eq!(told, ["at least; not bounded above", "exact", "at least; at most 6"]);
    }
}
