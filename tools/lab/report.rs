//! What a lab found, for people.
//!
//! Owns: the text on stdout, the SVG report, and the trace of one path.
//! Never does: measure anything but that one path.

use super::Outcome;
use crate::output::NEAREST_FIRST;
use arras::base::Id;
use arras::overlay::{Command, Reply};
use arras::runtime::lab::Lab;
use arras::runtime::lab::measure::{Figures, Measured, Samples};
use arras::survey::plot::{Cdf, Histogram, KeyFigure, KeyFigures, Scale, Series, StretchByDistance, Verdict};
use arras::survey::table::Cell;
use arras::survey::{Report, Stretch, Table};
use arras::wire::routing::Why;
use serde::Serialize;
use std::fmt::Write;

/// The path of one lookup.
#[derive(Debug, Serialize)]
pub struct Path {
    /// The key.
    pub key: Id,
    /// Who asked.
    pub from: Id,
    /// Its root.
    pub root: Id,
    /// From asking to the answer, in ms.
    pub took_ms: f64,
    /// The direct round trip to the root, in ms, if one is imposed.
    pub direct_ms: Option<f64>,
    /// The hops, first one first.
    pub hops: Vec<PathHop>,
}

/// One hop of it.
#[derive(Debug, Serialize)]
pub struct PathHop {
    /// The node that was handed the message.
    pub node: Id,
    /// Where it is.
    pub address: String,
    /// The chooser's round trip to it, in ms.
    pub rtt_ms: f64,
    /// Why it was chosen.
    pub why: String,
}

/// Looks a key up from the node that is farthest from its root by the path's length in hops, tracing it.
pub fn trace(lab: &Lab, key: Id) -> Result<Path, String> {
    let mut longest: Option<(usize, arras::overlay::Root)> = None;
    for (index, node) in lab.nodes().iter().enumerate() {
        let reply = node.ask(Command::Lookup { key, traced: true }).map_err(|failure| failure.to_string())?;
        let Reply::Root(root) = reply else { return Err("the node answered something else".to_owned()) };
        if longest.as_ref().is_none_or(|(_, known)| root.hops > known.hops) {
            longest = Some((index, root));
        }
    }
    let Some((from, root)) = longest else { return Err("the lab has no nodes".to_owned()) };
    let to = lab.index_of(&root.contact.id());
    let hop = |hop: &arras::wire::routing::TraceHop| PathHop {
        node: hop.next,
        address: hop.address.map_or_else(|| "?".to_owned(), |address| address.to_string()),
        rtt_ms: hop.rtt.as_millis_f64(),
        why: why(hop.why),
    };
    Ok(Path {
        key,
        from: lab.nodes()[from].node.id(),
        root: root.contact.id(),
        took_ms: root.took.as_millis_f64(),
        direct_ms: to.and_then(|to| lab.direct_rtt(from, to)).map(|rtt| rtt.as_millis_f64()),
        hops: root.trace.iter().map(hop).collect(),
    })
}

fn why(why: Why) -> String {
    match why {
        Why::LeafSet => "root in the leaf set".to_owned(),
        Why::LongerPrefix { digits } => format!("shares {digits} digits with the key"),
        Why::SamePrefixCloser => "numerically closer".to_owned(),
        Why::Holds => "says that it holds a copy".to_owned(),
        Why::Detour { to } => format!("quicker way to {}", to.short()),
    }
}

/// The text on stdout.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(measured) = &outcome.measured {
        // Writing to a string does not fail.
        let table = table(outcome, measured);
        let _ = write!(text, "{}\n{table}", table.title());
    }
    if let Some(objects) = &outcome.objects {
        let _ = writeln!(
            text,
            "\nobjects: {} files ({:.1} MiB) placed in {:.1} s, fetched {} times from other nodes in {:.1} s, {} wrong; \
             replicas per object {:.1} (fewest {})",
            objects.files,
            objects.bytes as f64 / (1 << 20) as f64,
            objects.place_s,
            objects.fetches,
            objects.fetch_s,
            objects.wrong,
            objects.replicas_mean,
            objects.replicas_min,
        );
        for fault in &objects.faults {
            let _ = writeln!(text, "  {fault}");
        }
    }
    if let Some(stretch) = outcome.measured.as_ref().and_then(|measured| measured.stretch.as_ref()) {
        let _ = writeln!(text, "\n{NEAREST_FIRST}: {}", stretch.by_distance());
    }
    if let Some(path) = &outcome.route {
        let table = path_table(path);
        let _ = write!(text, "\n{}\n{table}", table.title());
    }
    text
}

fn table(outcome: &Outcome, measured: &Measured) -> Table {
    let title = format!(
        "{} nodes, latency {}, seed {}, leaf set {} a side, link budget {}{}, settled in {:.1} s",
        measured.nodes,
        outcome.latency,
        outcome.seed,
        outcome.leaf_set,
        outcome.link_budget,
        if outcome.detours { "" } else { ", no detours" },
        outcome.settled_s
    );
    let mut table = Table::new(title, ["", "mean", "p50", "p90", "p99", "max"]);
    let mut row = |name: &str, figures: &Figures| {
        let Figures { mean, p50, p90, p99, max } = *figures;
        let mut cells = vec![Cell::from(name)];
        cells.extend([mean, p50, p90, p99, max].map(Cell::from));
        table.row(cells);
    };
    if let Some(stretch) = &measured.stretch {
        let Stretch { mean, p50, p90, p99, max, .. } = *stretch;
        row("stretch", &Figures { mean, p50, p90, p99, max });
    }
    row("hops", &measured.hops);
    row("lookup ms", &measured.lookup_ms);
    row("direct ms", &measured.direct_ms);
    row("contacts per node", &measured.state.contacts_per_node);
    row("links per node", &measured.state.links_per_node);
    row("bytes per node and s", &measured.state.bytes_per_node_s);
    let ratio = measured.stretch.as_ref().map_or_else(|| "-".to_owned(), |it| format!("{:.3}", it.ratio_of_means));
    let lines = [
        ("stretch, ratio of means", ratio),
        ("lookups / failed", format!("{} / {}", measured.lookups, measured.failed)),
        ("roots agree", if measured.roots_agree { "yes" } else { "NO" }.to_owned()),
        (
            "messages per lookup: handed on / again / by a detour",
            format!(
                "{:.2} / {:.3} / {:.2}",
                measured.carried.forwarded_per_lookup,
                measured.carried.retried_per_lookup,
                measured.carried.detours_per_lookup
            ),
        ),
        ("memory per node, MiB", format!("{:.2}", measured.state.rss_mib / measured.nodes.max(1) as f64)),
        (
            "imposed latency, error ms p50 / p90",
            measured.imposed_error_ms.map_or_else(|| "-".to_owned(), |(p50, p90)| format!("{p50:.2} / {p90:.2}")),
        ),
    ];
    for (name, value) in lines {
        table.row([Cell::from(name), Cell::from(value)]);
    }
    table
}

fn path_table(path: &Path) -> Table {
    let stretch = path
        .direct_ms
        .filter(|direct| *direct > 0.0)
        .map_or_else(String::new, |direct| format!(", direct {direct:.1} ms, stretch {:.2}", path.took_ms / direct));
    let (from, root) = (path.from.short(), path.root.short());
    let title =
        format!("path of key {} from {from} to its root {root}: {:.1} ms{stretch}", path.key.short(), path.took_ms);
    let mut table = Table::new(title, ["hop", "node", "address", "rtt ms", "why"]);
    for (index, hop) in path.hops.iter().enumerate() {
        table.row([
            Cell::from(index + 1),
            Cell::from(hop.node.short()),
            Cell::from(hop.address.clone()),
            Cell::from(hop.rtt_ms),
            Cell::from(hop.why.clone()),
        ]);
    }
    table
}

/// Writes the SVG report.
pub fn write(outcome: &Outcome, path: &std::path::Path) -> Result<(), String> {
    let lines = [
        format!(
            "latency {}, seed {}, leaf set {} a side, {} contacts a slot, link budget {}; all nodes in one process, \
             each packet held back by half the pair's round trip on the sending side",
            outcome.latency, outcome.seed, outcome.leaf_set, outcome.contacts_per_slot, outcome.link_budget
        ),
        "stretch: round trip of the routed lookup and its reply over the direct round trip; self-rooted left out"
            .to_owned(),
    ];
    let nodes = outcome.measured.as_ref().map_or(0, |measured| measured.nodes);
    let mut report = Report::new(format!("arras lab: {nodes} nodes"), lines);
    report.full(figures(outcome));
    if let Some(measured) = &outcome.measured {
        panels(&mut report, &outcome.samples);
        report.full(table(outcome, measured));
    }
    if let Some(path) = &outcome.route {
        report.full(path_table(path));
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    std::fs::write(path, report.to_svg()).map_err(|error| format!("{}: {error}", path.display()))
}

fn panels(report: &mut Report, samples: &Samples) {
    let ratios = samples.pairs.iter().filter_map(|pair| pair.ratio());
    report.half(Cdf {
        title: "Stretch".to_owned(),
        note: "share of lookups whose routed round trip is at most this many times the direct one".to_owned(),
        x_label: "routed / direct".to_owned(),
        scale: Scale::Log,
        series: vec![Series::new("lookups", ratios)],
        marks: Vec::new(),
    });
    let times = |routed: bool| {
        let of = move |pair: &arras::survey::Pair| if routed { pair.routed } else { pair.direct }.as_millis_f64();
        samples.pairs.iter().map(of).collect::<Vec<_>>()
    };
    report.half(Cdf {
        title: "Lookup latency".to_owned(),
        note: "share of lookups answered within this time, beside the direct round trips".to_owned(),
        x_label: "ms".to_owned(),
        scale: Scale::Linear,
        series: vec![Series::new("routed", times(true)), Series::new("direct", times(false))],
        marks: Vec::new(),
    });
    report.half(StretchByDistance::new("Stretch by distance", "each dot a lookup", &samples.pairs));
    report.half(Histogram::new("Hops", "lookups by hops taken", "hops", samples.hops.iter().copied()));
}

fn figures(outcome: &Outcome) -> KeyFigures {
    let figure = |label: &str, value: String, verdict| KeyFigure {
        label: label.to_owned(),
        value,
        note: String::new(),
        verdict,
    };
    let held = |good: bool| if good { Verdict::Met } else { Verdict::Missed };
    let mut figures = Vec::new();
    if let Some(measured) = &outcome.measured {
        if let Some(stretch) = &measured.stretch {
            figures.push(figure("stretch, ratio of means", format!("{:.3}", stretch.ratio_of_means), Verdict::Open));
            figures.push(figure("stretch, median", format!("{:.3}", stretch.p50), Verdict::Open));
        }
        figures.push(figure("hops, mean", format!("{:.2}", measured.hops.mean), Verdict::Open));
        figures.push(figure("lookup, median", format!("{:.1} ms", measured.lookup_ms.p50), Verdict::Open));
        let failed = format!("{} of {}", measured.failed, measured.lookups);
        figures.push(figure("failed lookups", failed, held(measured.failed == 0)));
        let agree = if measured.roots_agree { "yes" } else { "no" };
        figures.push(figure("one root per key", agree.to_owned(), held(measured.roots_agree)));
    }
    if let Some(objects) = &outcome.objects {
        let wrong = format!("{} of {}", objects.wrong, objects.fetches);
        figures.push(figure("wrong fetches", wrong, held(objects.wrong == 0)));
        figures.push(figure("replicas per object", format!("{:.1}", objects.replicas_mean), Verdict::Open));
    }
    KeyFigures { title: "What was found".to_owned(), figures }
}
