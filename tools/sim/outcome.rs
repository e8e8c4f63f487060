//! What a simulation found, for programs and for people.
//!
//! Owns: the lab's fields and those a simulation has beyond them, as one JSON object, and the tables.
//! Never does: leave out how the overlay was built, or show a zero where nothing was measured.

use super::objects;
use super::options::{Build, Options, RuleName};
use super::overlay::{Found, recipe};
use super::scenario::{Published, figure};
use super::{befall, stored, struck, survey};
use crate::output::NEAREST_FIRST;
use arras::base::Span;
use arras::runtime::lab::measure::{Carried, Figures, Measured, State};
use arras::sim::look::Look;
use arras::survey::table::Cell;
use arras::survey::{Pair, Stretch, Table};
use arras::wire::Family;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The outcome as JSON: the fields of `arras lab --measure stretch --json`, and more.
pub fn json(options: &Options, found: &Found) -> Value {
    let measured = measured(options, found);
    let pairs = pairs(found);
    let far = Stretch::of_far(&pairs, FAR);
    let mut all = object(json!(measured));
    if found.world.is_none() {
        all["bytes_per_node_s"] = Value::Null;
    }
    all.extend(object(json!({
        "stretch_over_20_ms": far,
        "failed_share": measured.failed as f64 / measured.lookups.max(1) as f64,
        "seed": options.seed(),
        "underlay": options.underlay(),
        "access": access(options),
        "build": build(options),
        "experience": experience(options),
        "rule": options.rule(),
        "roots_remembered": options.lookups.remember.unwrap_or(0),
        "measured_per_node": found.costs.measured_per_node,
        "leaf_set": options.leaf_set(),
        "contacts_per_slot": options.contacts_per_slot(),
        "slot_bits": options.slot_bits(),
        "link_budget": options.link_budget(),
        "asker_site": options.lookups.asker_site,
        "hops_shares": hops_shares(found),
        "detours": options.detours(),
        "dead": options.dead(),
        "build_s": found.costs.build_s,
        "lookups_per_s": measured.lookups as f64 / found.costs.lookups_s.max(1e-9),
        "trace_hash": found.trace_hash,
        "objects": objects::json(options, found.objects.as_ref()),
        "stored": stored::json(options, found.stored.as_ref()),
    })));
    all.extend(object(world(options, found)));
    if let Some(surveyed) = &found.survey {
        all.insert("topology".to_owned(), json!(surveyed.topology));
    }
    Value::Object(all)
}

/// What makes the command fail although it ran. With dead nodes and nothing repaired, or where nodes come and go or packets
/// are lost, failures are a result.
pub fn verdict(options: &Options, outcome: &Value) -> Result<(), String> {
    stored::verdict(outcome)?;
    let failed = outcome["failed"].as_u64().unwrap_or(0);
    befall::mended_verdict(&outcome["mended"])?;
    if options.dead() > 0.0 || options.is_rough() {
        return Ok(());
    }
    if failed > 0 {
        return Err(format!("{failed} of {} lookups failed", outcome["lookups"]));
    }
    match outcome["roots_agree"].as_bool() {
        Some(true) => objects::verdict(outcome),
        _ => Err("not all nodes name the same roots".to_owned()),
    }
}

/// The tables for people.
pub fn text(name: &str, outcome: &Value, published: &[Published]) -> String {
    let of = |field: &str| outcome[field].as_str().unwrap_or("-").to_owned();
    let head = format!(
        "{name}: {} nodes over {} ({}), seed {}, {}; leaf set {} a side, {} a slot of {} bits, link budget {}{}; {}",
        outcome["nodes"],
        of("underlay"),
        of("access"),
        outcome["seed"],
        of("build"),
        outcome["leaf_set"],
        outcome["contacts_per_slot"],
        outcome["slot_bits"],
        outcome["link_budget"],
        if outcome["detours"] == false { ", no detours" } else { "" },
        of("experience"),
    );
    let by_distance = Stretch::deserialize(&outcome["stretch"]).map_or_else(|_| "-".to_owned(), |it| it.by_distance());
    let hops = shares_text(&outcome["hops_shares"]);
    let mut text = format!(
        "{head}\n{}{NEAREST_FIRST}: {by_distance}\nshare of 0, 1, ... hops: {hops}\n{}{}",
        figures_table(outcome),
        objects::text(outcome),
        stored::text(outcome)
    );
    if !published.is_empty() {
        text.push_str(&format!("\n{}", published_table(outcome, published)));
    }
    text
}

fn measured(options: &Options, found: &Found) -> Measured {
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    for (look, right) in found.looks.iter().zip(&found.is_right) {
        match (&look.root, right) {
            (Err(why), _) => *failures.entry(why.clone()).or_default() += 1,
            (Ok(_), false) => *failures.entry("wrong root".to_owned()).or_default() += 1,
            (Ok(_), true) => {}
        }
    }
    let pairs = pairs(found);
    let answered = || survey::answered(&found.looks, &found.is_right);
    let lookups = found.looks.len();
    let handed_on: usize = found.looks.iter().map(|look| look.hops).sum();
    let per_lookup = |count: usize| count as f64 / lookups.max(1) as f64;
    Measured {
        nodes: options.nodes(),
        lookups,
        failed: failures.values().sum(),
        roots_agree: found.roots_agree,
        hops: Figures::of(answered().map(|look| look.hops as f64)),
        stretch: Stretch::of(&pairs),
        lookup_ms: Figures::of(pairs.iter().map(|pair| pair.routed.as_millis_f64())),
        direct_ms: Figures::of(pairs.iter().map(|pair| pair.direct.as_millis_f64())),
        state: State {
            contacts_per_node: found.contacts,
            links_per_node: found.links,
            bytes_per_node_s: found.world.as_ref().map(|world| world.traffic.bytes_per_node_s).unwrap_or_default(),
            idle_bytes_per_node_s: None,
            rss_mib: found.costs.rss_mib,
        },
        carried: Carried {
            forwarded_per_lookup: per_lookup(handed_on + found.beside.in_vain),
            retried_per_lookup: per_lookup(found.beside.in_vain),
            detours_per_lookup: per_lookup(found.beside.detours),
        },
        self_rooted: found.looks.iter().filter(|look| look.root.is_ok() && look.hops == 0).count(),
        took_s: found.costs.lookups_s,
        imposed_error_ms: None,
        failures: failures.into_iter().collect(),
    }
}

/// The share of the lookups answered rightly that took no hop, one hop and so on.
fn hops_shares(found: &Found) -> Vec<f64> {
    let hops: Vec<usize> = survey::answered(&found.looks, &found.is_right).map(|look| look.hops).collect();
    let mut shares = vec![0.0; hops.iter().max().map_or(0, |most| most + 1)];
    hops.iter().for_each(|count| shares[*count] += 1.0 / hops.len() as f64);
    shares
}

/// Routed against direct, of the lookups that were answered rightly by another node.
fn pairs(found: &Found) -> Vec<Pair> {
    survey::answered(&found.looks, &found.is_right).map(Look::pair).collect()
}

/// What only a world has; nulls otherwise.
fn world(options: &Options, found: &Found) -> Value {
    let Some(world) = &found.world else {
        return json!({ "settled": null, "churn": null, "mended": null, "struck": null, "events": null, "events_per_s": null, "virtual_s": null, "overflowed": null, "messages": null, "bytes": null, "measured_over_s": null, "maintenance_per_node_s": null, "sent_per_node_s": null });
    };
    let by_family = |counts: &[u64; 4]| -> Value {
        let names = Family::ALL.iter().map(|family| format!("{family:?}").to_lowercase());
        names.zip(counts).map(|(name, count)| (name, json!(count))).collect::<Map<_, _>>().into()
    };
    json!({
        "settled": {
            "after_s": world.settled.after.as_secs_f64(),
            "at_rest": world.settled.at_rest,
            "changing_per_30_s": world.settled.changing,
        },
        "churn": world.churn.as_ref().map(|churn| churn.json(options)),
        "mended": befall::mended_json(world.mended.as_ref()),
        "struck": struck::json(found, &world.struck),
        "events": world.tally.events,
        "events_per_s": world.tally.events as f64 / world.cpu_s.max(1e-9),
        "virtual_s": world.virtual_s,
        "overflowed": world.tally.overflowed,
        "messages": by_family(&world.tally.messages),
        "bytes": by_family(&world.tally.bytes),
        "measured_over_s": world.traffic.span_s,
        "maintenance_per_node_s": maintenance(&world.traffic.sent),
        "sent_per_node_s": by_kind(&world.traffic.sent),
    })
}

/// All that was sent but messages in flight; dials and linkless measurements count as a message each.
fn maintenance(sent: &[(&'static str, f64, f64)]) -> Value {
    let other = || sent.iter().filter(|(kind, ..)| !["forward", "return", "accept"].contains(kind));
    // The sum of nothing is -0.
    let messages = 0.0 + other().map(|(_, messages, _)| messages).sum::<f64>();
    json!({ "messages": messages, "bytes": 0.0 + other().map(|(.., bytes)| bytes).sum::<f64>() })
}

fn by_kind(sent: &[(&'static str, f64, f64)]) -> Value {
    let each = |(kind, messages, bytes): &(&str, f64, f64)| {
        (kind.replace(' ', "_"), json!({ "messages": messages, "bytes": bytes }))
    };
    sent.iter().map(each).collect::<Map<_, _>>().into()
}

fn build(options: &Options) -> String {
    match options.build() {
        Build::Protocol => "built by the whole protocol, one node after another".to_owned(),
        Build::Crowd => "built by the whole protocol, in crowds".to_owned(),
        Build::Direct => recipe(options).to_string(),
    }
}

fn experience(options: &Options) -> String {
    let experience = match options.build() {
        Build::Protocol | Build::Crowd if options.survey.dir.is_some() => {
            "each node learns from its own lookups, which are traced"
        }
        Build::Protocol | Build::Crowd => "each node learns from its own lookups",
        Build::Direct if options.rule() == RuleName::BestContact => "by the best contact, own links alone",
        Build::Direct if options.rule() == RuleName::LongestPrefix => "by the longest prefix, own links alone",
        Build::Direct if options.learning() => "one experience shared by all nodes",
        Build::Direct => "no experience, the rule's guess alone",
    };
    match options.lookups.remember.unwrap_or(0) {
        0 => experience.to_owned(),
        roots => format!("{experience}; each asker remembers {roots} roots"),
    }
}

fn access(options: &Options) -> String {
    let each = format!("each end's access link takes {} one way", options.access());
    match options.underlay() {
        "none" => "20 ms one way between all".to_owned(),
        "plane" => format!("side {} one way, {each}", options.side()),
        "sphere" => format!("pole to pole {} one way, {each}", options.side()),
        "transit-stub" | "transit-stub-1092" => each,
        _ => format!("{each} where there are more nodes than hosts"),
    }
}

fn figures_table(outcome: &Value) -> Table {
    let mut table = Table::new("", ["", "mean", "p50", "p90", "p99", "max"]);
    for (name, field) in FIGURES {
        if outcome[field].is_object() {
            let cell = |part: &str| outcome[field][part].as_f64().map_or_else(|| Cell::from("-"), Cell::from);
            let parts = ["mean", "p50", "p90", "p99", "max"].map(cell);
            table.row(std::iter::once(Cell::from(name)).chain(parts));
        }
    }
    let ratio = outcome["stretch"]["ratio_of_means"].as_f64();
    let mut lines = vec![
        ("stretch, ratio of means".to_owned(), ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"))),
        ("lookups / failed".to_owned(), format!("{} / {}", outcome["lookups"], outcome["failed"])),
        ("roots agree".to_owned(), if outcome["roots_agree"] == true { "yes" } else { "NO" }.to_owned()),
        ("built in s / lookups per s".to_owned(), pair(&outcome["build_s"], &outcome["lookups_per_s"])),
        ("memory, MiB".to_owned(), outcome["rss_mib"].as_f64().map_or_else(String::new, |mib| format!("{mib:.0}"))),
        ("trace hash".to_owned(), outcome["trace_hash"].as_str().unwrap_or("-").to_owned()),
    ];
    let measured = outcome["measured_per_node"].as_f64();
    lines.extend(
        measured.map(|count| ("round trips measured per node for the slots".to_owned(), format!("{count:.0}"))),
    );
    if outcome["events"].is_u64() {
        let settled = &outcome["settled"];
        let rest = if settled["at_rest"] == true { "at rest" } else { "NOT at rest" };
        lines.push(("tables".to_owned(), format!("{rest} after {} s", settled["after_s"])));
        lines.push(("events / per s and core".to_owned(), pair(&outcome["events"], &outcome["events_per_s"])));
        lines.push(("virtual s".to_owned(), format!("{:.0}", outcome["virtual_s"].as_f64().unwrap_or(0.0))));
    }
    if let Some(dropped) = outcome["overflowed"].as_u64().filter(|dropped| *dropped > 0) {
        lines.push(("datagrams dropped before a full uplink".to_owned(), dropped.to_string()));
    }
    if outcome["maintenance_per_node_s"].is_object() {
        let of = |what: &str| outcome["maintenance_per_node_s"][what].as_f64().unwrap_or(0.0);
        let value = format!("{:.3} / {:.0}", of("messages"), of("bytes"));
        lines.push(("maintenance messages / bytes per node and s".to_owned(), value));
    }
    if let Some(span) = outcome["measured_over_s"].as_f64() {
        // Adverts are told every quarter of an hour: less says little of what rest costs.
        lines.push(("that and bytes measured over, virtual s".to_owned(), format!("{span:.0}")));
    }
    if outcome["mended"].is_object() {
        lines.extend(befall::mended_lines(&outcome["mended"]));
    }
    if outcome["struck"].is_object() {
        lines.extend(struck::lines(&outcome["struck"]));
    }
    if let Some(churn) = outcome["churn"].as_object() {
        let of = |name: &str| churn[name].as_u64().unwrap_or(0);
        lines.push(("crashes / returns".to_owned(), format!("{} / {}; {} up", of("crashes"), of("returns"), of("up"))));
        if let Some(sessions) = churn["sessions"].as_object() {
            let of = |name: &str| sessions[name].as_u64().unwrap_or(0);
            let taken = format!("{} of {}; {} up at first", of("nodes_taken"), of("nodes_in_file"), of("up_at_first"));
            lines.push(("measured sessions, nodes taken".to_owned(), taken));
        }
        if of("disks_lost") > 0 {
            lines.push(("returns without disk".to_owned(), of("disks_lost").to_string()));
        }
        lines.push(("left out, asker crashed".to_owned(), of("excused").to_string()));
    }
    for (name, value) in lines {
        table.row([Cell::from(name), Cell::from(value)]);
    }
    table
}

fn published_table(outcome: &Value, published: &[Published]) -> Table {
    let mut table = Table::new("", ["figure", "published", "ours", "published by"]);
    for other in published {
        let ours = figure(outcome, &other.figure).map_or_else(|| Cell::from("-"), Cell::from);
        table.row([Cell::from(other.figure.clone()), Cell::from(other.value), ours, Cell::from(other.of.clone())]);
    }
    table
}

fn shares_text(shares: &Value) -> String {
    let shares = shares.as_array().into_iter().flatten().filter_map(Value::as_f64);
    shares.map(|share| format!("{share:.4}")).collect::<Vec<_>>().join(" ")
}

fn pair(a: &Value, b: &Value) -> String {
    format!("{:.1} / {:.0}", a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The rows of figures: what each is called, and its field.
const FIGURES: [(&str, &str); 8] = [
    ("stretch", "stretch"),
    ("stretch, pairs over 20 ms", "stretch_over_20_ms"),
    ("hops", "hops"),
    ("lookup ms", "lookup_ms"),
    ("direct ms", "direct_ms"),
    ("contacts per node", "contacts_per_node"),
    ("links per node", "links_per_node"),
    ("bytes per node and s", "bytes_per_node_s"),
];
/// Pairs nearer than this are left out of one of the two stretches: between neighbours little is much.
const FAR: Span = Span::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_was_sent_maintenance_is_zero_without_a_sign() {
        for sent in [&[][..], &[("forward", 1.0, 9.0)]] {
            assert_eq!(maintenance(sent).to_string(), r#"{"bytes":0.0,"messages":0.0}"#);
        }
    }
}
