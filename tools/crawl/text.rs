//! What people read of a crawl.
//!
//! Owns: the summary, the changes and the plan in words.
//! Never does: count.

use super::Arguments;
use arras::base::Id;
use arras::crawler::{Change, Summary, tuning};
use arras::runtime::crawl::CrawlSetup;
use arras::survey::Summary as Distribution;
use arras::survey::number::number;
use std::collections::BTreeMap;
use std::fmt::Display;

/// A crawl in some lines.
pub fn summary(summary: &Summary, files: Option<String>) -> String {
    let (coverage, messages, nodes) = (&summary.coverage, &summary.messages, &summary.nodes);
    let stopped = if summary.stopped { ", stopped before it was through" } else { "" };
    let mut lines = vec![
        format!(
            "visited   {} of {} named nodes in {} s ({} nodes/s){stopped}",
            coverage.visited,
            coverage.named,
            number(summary.duration_s),
            number(summary.visited_per_s)
        ),
        format!(
            "coverage  {} % of the nodes that could be visited; {} named by nobody, as estimated from {} named once and \
             {} twice",
            number(coverage.coverage_estimate * 100.0),
            number(coverage.unseen_estimate),
            coverage.named_once,
            coverage.named_twice
        ),
        format!(
            "failed    {}{}; {} partial, {} not visited",
            coverage.failed,
            counts(&summary.errors),
            summary.partial,
            coverage.unvisited
        ),
        format!(
            "messages  {} sent, {} received; {} a node (at most {}), {} repeated, {} unanswered",
            messages.sent,
            messages.received,
            spread(messages.per_node.as_ref()),
            messages.per_node_max,
            messages.repeated,
            messages.unanswered
        ),
        format!("nodes     {} ready; programs{}", nodes.ready, counts(&nodes.programs)),
        format!("rtt       {} ms", spread(nodes.rtt_ms.as_ref())),
        format!("uptime    {} s", spread(nodes.uptime_s.as_ref())),
        format!("links     {} a node", spread(nodes.links.as_ref())),
        format!("edges     {}; {} named a node", nodes.edges, spread(nodes.named.as_ref())),
    ];
    lines.extend(files.map(|files| format!("files     {files}")));
    lines.join("\n") + "\n"
}

/// What came and went, in some lines.
pub fn change(change: &Change) -> String {
    let Change { came, went, restarted, stayed, edges_came, edges_went } = change;
    format!(
        "came      {}{}\nwent      {}{}\nrestarted {}{}\nstayed    {stayed}; {edges_came} edges came, {edges_went} went\n",
        came.len(),
        ids(came),
        went.len(),
        ids(went),
        restarted.len(),
        ids(restarted)
    )
}

/// What would be done.
pub fn plan(arguments: &Arguments, setup: &CrawlSetup) -> String {
    let seeds: Vec<String> = setup.seeds.iter().map(ToString::to_string).collect();
    let limit = arguments.limit.map_or("all nodes".to_owned(), |limit| format!("at most {limit} nodes"));
    let out = arguments.out.as_ref().map_or("nowhere".to_owned(), |dir| dir.display().to_string());
    format!(
        "seeds     {}\nnetwork   {}\nvisits    {limit}, {} at once, {} each, at most {} messages a node\nwrites    {out}\n",
        seeds.join(", "),
        setup.network,
        setup.tuning.workers,
        setup.tuning.visit_max,
        tuning::MESSAGES_MAX
    )
}

fn spread(of: Option<&Distribution>) -> String {
    of.map_or("-".to_owned(), |of| {
        format!("{} mean, {} median, {} p90, {} max", number(of.mean), number(of.p50), number(of.p90), number(of.max))
    })
}

fn counts<K: Display>(of: &BTreeMap<K, usize>) -> String {
    if of.is_empty() {
        return String::new();
    }
    let mut ranked: Vec<(usize, String)> =
        of.iter().map(|(name, count)| (*count, printable(&name.to_string()))).collect();
    ranked.sort_by(|a, b| b.cmp(a));
    let more = if ranked.len() > COUNTS_SHOWN { ", ..." } else { "" };
    let parts: Vec<String> = ranked.iter().take(COUNTS_SHOWN).map(|(count, name)| format!("{name} {count}")).collect();
    format!(" ({}{more})", parts.join(", "))
}

/// A stranger's text for a terminal: control characters would let it write lines of its own.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn ids(ids: &[Id]) -> String {
    let shown: Vec<String> = ids.iter().take(IDS_SHOWN).map(Id::short).collect();
    let more = if ids.len() > IDS_SHOWN { " ..." } else { "" };
    if shown.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(" ")) }
}

/// Ids named in a line, and kinds counted in one.
const IDS_SHOWN: usize = 8;
const COUNTS_SHOWN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_a_strangers_text_cannot_break_a_line() {
        let of = BTreeMap::from([("a\nb\x1b[2J", 1), ("arras/1", 7)]);
        assert_eq!(counts(&of), " (arras/1 7, a?b?[2J 1)");
        let many: BTreeMap<usize, usize> = (0..20).map(|kind| (kind, 1)).collect();
        assert!(counts(&many).ends_with(", ...)"));
        assert_eq!(counts::<String>(&BTreeMap::new()), "");
    }
}
