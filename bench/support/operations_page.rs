//! How do the operations' figures stand beside the bars and the rivals?
//!
//! Owns: the bars of the operations bench, the table beside the rivals' published figures, and the page.
//! Never does: measure.

use super::bars::BarList;
use super::phase::Phase;
use super::rivals::{self, SYSTEMS};
use arras::survey::number::number;
use arras::survey::plot::{Bars, Better, Group, Scale};
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use serde_json::{Map, Value};

/// The phase of this name with so many at once.
pub fn find<'a>(phases: &'a [Phase], name: &str, at_once: usize) -> Option<&'a Phase> {
    phases.iter().find(|phase| phase.name == name && phase.at_once == at_once && phase.ops() > 0)
}

/// Issue 2, "Bars", as far as this bench measures them.
pub fn bars(phases: &[Phase], parts: &Map<String, Value>) -> BarList {
    let mut bars = BarList::default();
    let p50_ms = |name: &str| find(phases, name, 1).map(|phase| phase.p50_us() / 1e3);
    let rate = |name: &str| find(phases, name, 64).map(Phase::rate);
    bars.at_most("lookup p50, one at a time", p50_ms("lookup"), 0.4, "ms");
    bars.at_least("lookups, 64 at once", rate("lookup"), 10_000.0, "/s");
    bars.at_most("lookup CPU, 64 at once", find(phases, "lookup", 64).map(Phase::cpu_us), 150.0, "µs");
    bars.at_most("get p50, one at a time", p50_ms("get"), 0.6, "ms");
    bars.at_least("gets, 64 at once", rate("get"), 6_000.0, "/s");
    bars.at_most("put p50, one at a time", p50_ms("put"), 3.0, "ms");
    bars.at_least("puts, 64 at once", rate("put"), 1_000.0, "/s");
    let part = |part: &str, field: &str| parts.get(part).and_then(|part| part[field].as_f64());
    let joined = part("join", "first_get_ms_median").filter(|ms| *ms > 0.0);
    bars.at_most("join: first right answer", joined, 20.0, "ms");
    let memory = part("setup", "rss_per_node_kib").map(|kib| kib / 1024.0);
    bars.at_most("memory a node", memory, 1.5, "MiB");
    let errors = phases.iter().map(|phase| phase.errors).sum::<usize>() as f64;
    bars.at_most("operations failed", Some(errors), 0.0, "");
    bars
}

/// Ours beside the published figures.
pub fn beside_rivals(phases: &[Phase], parts: &Map<String, Value>) -> Table {
    let headings = ["ops/s · p50 ms · CPU µs/op", "at once", "arras (this run)"].into_iter().chain(SYSTEMS);
    let mut table = Table::new("Beside the rivals (their figures as published with issue 2)", headings);
    for name in OPERATIONS {
        for at_once in [1, 64] {
            let ours = find(phases, name, at_once).map_or_else(
                || "-".to_owned(),
                |phase| {
                    format!("{} · {} · {}", number(phase.rate()), number(phase.p50_us() / 1e3), number(phase.cpu_us()))
                },
            );
            let theirs = SYSTEMS.iter().map(|system| {
                let shown = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), number);
                rivals::cell(system, name, at_once).map_or_else(
                    || "-".to_owned(),
                    |cell| format!("{} · {} · {}", number(cell.rate), shown(cell.p50_ms), shown(cell.cpu_us)),
                )
            });
            let cells = [name.to_owned(), at_once.to_string(), ours].into_iter().chain(theirs);
            table.row(cells.map(Cell::from));
        }
    }
    let memory = parts.get("setup").and_then(|setup| setup["rss_per_node_kib"].as_f64());
    let ours = memory.map_or_else(|| "-".to_owned(), |kib| format!("{} KiB", number(kib)));
    let theirs = rivals::MEMORY_KIB.iter().map(|(_, kib)| format!("{} KiB", number(*kib)));
    table.row(["memory a node".to_owned(), String::new(), ours].into_iter().chain(theirs).map(Cell::from));
    table
}

/// The page.
pub fn report(config: &str, phases: &[Phase], parts: &Map<String, Value>, bars: &BarList, table: &Table) -> Report {
    let lines = [config.to_owned(), rivals::NOTE.to_owned()];
    let mut report = Report::new("arras: operations per second, latency, CPU", lines);
    report.full(bars.cards("Bars"));
    for at_once in [1, 64] {
        report.half(chart(
            phases,
            at_once,
            (format!("Operations per second, {at_once} at once"), "operations per second", Better::Higher),
            (|phase| Some(phase.rate()), |cell| Some(cell.rate)),
        ));
    }
    for at_once in [1, 64] {
        report.half(chart(
            phases,
            at_once,
            (format!("Median latency, {at_once} at once"), "milliseconds", Better::Lower),
            (|phase| Some(phase.p50_us() / 1e3), |cell| cell.p50_ms),
        ));
    }
    for at_once in [1, 64] {
        report.half(chart(
            phases,
            at_once,
            (format!("CPU of all nodes per operation, {at_once} at once"), "microseconds", Better::Lower),
            (|phase| Some(phase.cpu_us()), |cell| cell.cpu_us),
        ));
    }
    report.full(beside_rivals(phases, parts));
    report.full(table.clone());
    report
}

type Ours = fn(&Phase) -> Option<f64>;
type Theirs = fn(&rivals::Cell) -> Option<f64>;

fn chart(phases: &[Phase], at_once: usize, named: (String, &str, Better), (ours, theirs): (Ours, Theirs)) -> Bars {
    let (title, x_label, better) = named;
    let group = |name: &&str| {
        let own = find(phases, name, at_once).and_then(ours);
        let others = SYSTEMS.iter().map(|system| rivals::cell(system, name, at_once).and_then(theirs));
        Group { name: (*name).to_owned(), values: std::iter::once(own).chain(others).collect() }
    };
    Bars {
        title,
        note: "Rivals: published figures, not this run.".to_owned(),
        x_label: x_label.to_owned(),
        scale: Scale::Log,
        better,
        series: std::iter::once("arras").chain(SYSTEMS).map(str::to_owned).collect(),
        groups: OPERATIONS.iter().map(group).collect(),
    }
}

const OPERATIONS: [&str; 3] = ["lookup", "put", "get"];
