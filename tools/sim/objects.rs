//! The objects of a simulation: how they are placed and asked for, and what is told of it.
//!
//! Owns: the order of work in both ways to an overlay, the JSON field and the lines of the table.
//! Never does: leave out a claim that was refused or an object that was not found.

use super::options::{Build, Options};
use arras::base::{Chance, Id};
use arras::sim::direct::Walker;
use arras::sim::objects::{Published, Walked, draw_asks, draw_objects};
use arras::sim::{Stage, Underlay};
use arras::survey::table::Cell;
use arras::survey::{Find, Finds, Table};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What came of the objects.
pub struct Objects {
    /// How many there were.
    objects: usize,
    /// What came of publishing them; nothing is published on tables built directly.
    published: Option<Published>,
    /// Writes and messages that met a limit while objects were published and asked for, by limit.
    refused: BTreeMap<String, u64>,
    /// The asks, and what came of each.
    finds: Vec<Result<Find, String>>,
    /// The same asks once more, the object fetched; not on tables built directly.
    gets: Vec<Result<Find, String>>,
    /// What would have come of them if the first copy come to had answered; not by the whole protocol.
    come_to: Vec<Find>,
}

/// Publishes and locates by the whole protocol; nothing if no objects are asked for.
pub fn by_protocol(stage: &mut Stage, options: &Options, chance: &mut Chance, bar: &ProgressBar) -> Option<Objects> {
    let each = options.objects.asks_per_node?;
    let (nodes, per_second) = (stage.ready(), options.rate() * options.nodes() as f64);
    let before = refused(stage);
    let drawn = draw_objects(&mut chance.fork(), &nodes, options.objects_per_node(), options.copies());
    super::overlay::counting(bar, "publishing", drawn.len() * options.copies());
    let mut published = stage.publish_all(drawn, per_second, &mut |done| bar.set_position(done as u64));
    let objects = std::mem::take(&mut published.objects);
    let asks = draw_asks(&mut chance.fork(), &nodes, &objects, each);
    super::overlay::counting(bar, "locating", asks.len());
    let finds = stage.locate_all(&asks, &objects, per_second, &mut |done| bar.set_position(done as u64));
    super::overlay::counting(bar, "getting", asks.len());
    let gets = stage.fetch_all(&asks, &objects, per_second, &mut |done| bar.set_position(done as u64));
    let met = refused(stage).into_iter().map(|(limit, count)| {
        let already = before.get(&limit).copied().unwrap_or(0);
        (limit, count - already)
    });
    let refused = met.filter(|(_, count)| *count > 0).collect();
    Some(Objects { objects: objects.len(), published: Some(published), refused, finds, gets, come_to: Vec::new() })
}

/// Asks over tables built directly, each time for an object of its own; nothing if no objects are asked for.
pub fn directly(
    walker: &mut Walker<'_>,
    options: &Options,
    underlay: &dyn Underlay,
    chance: &mut Chance,
    bar: &ProgressBar,
) -> Option<Objects> {
    let each = options.objects.asks_per_node?;
    let mut keys = chance.fork();
    let nodes = 0..options.nodes();
    let asks: Vec<(usize, Id)> = nodes
        .flat_map(|node| std::iter::repeat_n(node, each))
        .map(|node| (node, Id::from_bytes(keys.bytes32())))
        .collect();
    super::overlay::counting(bar, "finding", asks.len());
    let walked = walker.find_all(&asks, options.copies(), underlay, &mut |done| bar.set_position(done as u64));
    let come_to = walked.iter().flatten().map(|walked| walked.come_to).collect();
    let finds = walked.into_iter().map(|walked| walked.map(|Walked { named, .. }| named)).collect();
    let (refused, gets) = (BTreeMap::new(), Vec::new());
    Some(Objects { objects: asks.len(), published: None, refused, finds, gets, come_to })
}

/// The objects as JSON; null if none were asked for.
pub fn json(options: &Options, objects: Option<&Objects>) -> Value {
    let Some(objects) = objects else { return Value::Null };
    let found: Vec<Find> = objects.finds.iter().flatten().copied().collect();
    let failures = counted(objects.finds.iter().filter_map(|find| find.as_ref().err()));
    let mut all = json!({
        "objects": objects.objects,
        "copies": options.copies(),
        "counted": counting_of(options),
        "asks": objects.finds.len(),
        "failed": objects.finds.len() - found.len(),
        "failures": failures,
        "refused": objects.refused,
        "claims": null,
        "come_to": Finds::of(&objects.come_to),
        "got": null,
    });
    if !objects.gets.is_empty() {
        let got: Vec<Find> = objects.gets.iter().flatten().copied().collect();
        all["got"] = json!({
            "counted": "from the wish to get until the object is there and checked, over the round trip to the nearest holder",
            "failed": objects.gets.len() - got.len(),
            "failures": counted(objects.gets.iter().filter_map(|find| find.as_ref().err())),
            "stretch": Finds::of(&got).and_then(|finds| finds.stretch),
        });
    }
    if let Some(published) = &objects.published {
        all["claims"] = json!({
            "made": published.claims,
            "failed": published.failures.len(),
            "failures": counted(published.failures.iter()),
            "roots_missing": published.roots_missing,
        });
    }
    if let (Value::Object(all), Value::Object(finds)) = (&mut all, json!(Finds::of(&found))) {
        all.extend(finds);
    }
    all
}

/// What makes the command fail although it ran.
pub fn verdict(outcome: &Value) -> Result<(), String> {
    let objects = &outcome["objects"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let failed = count(&objects["failed"]) + count(&objects["got"]["failed"]);
    let unclaimed = count(&objects["claims"]["failed"]);
    match (failed, unclaimed) {
        (0, 0) => Ok(()),
        (0, _) => Err(format!("{unclaimed} of {} claims stand nowhere", objects["claims"]["made"])),
        _ => Err(format!("{failed} of {} objects asked for were not found", objects["asks"])),
    }
}

/// The table of the objects; nothing if none were asked for.
pub fn text(outcome: &Value) -> String {
    let objects = &outcome["objects"];
    if !objects.is_object() {
        return String::new();
    }
    let mut table = Table::new("", ["", "mean", "p50", "p90", "p99", "max"]);
    let mut stretch = |name: &str, of: &Value, parts: &[&str]| {
        let cell = |part: &&str| of[*part].as_f64().map_or_else(|| Cell::from("-"), Cell::from);
        table.row(std::iter::once(Cell::from(name)).chain(parts.iter().map(cell)));
    };
    let (all, few) = (["mean", "p50", "p90", "p99", "max"], ["mean", "p50", "p90"]);
    stretch("object stretch", &objects["stretch"], &all);
    stretch("the same, nearest tenth", &objects["stretch"]["deciles"][0], &few);
    stretch("stretch until located", &objects["locate_stretch"], &all);
    stretch("the same, nearest tenth", &objects["locate_stretch"]["deciles"][0], &few);
    let got = &objects["got"];
    if got.is_object() {
        stretch("stretch until fetched", &got["stretch"], &all);
        stretch("the same, nearest tenth", &got["stretch"]["deciles"][0], &few);
    }
    let (claims, refused) = (&objects["claims"], &objects["refused"]);
    let mut lines = quality(objects, "");
    lines.push(("asks / not found".to_owned(), format!("{} / {}", objects["asks"], objects["failed"])));
    if got.is_object() {
        lines.push(("gets / failed".to_owned(), format!("{} / {}", objects["asks"], got["failed"])));
    }
    lines.extend(quality(&objects["come_to"], "first copy come to: "));
    if claims.is_object() {
        let missing = &claims["roots_missing"];
        lines.push((
            "claims / failed / roots missing".to_owned(),
            format!("{} / {} / {missing}", claims["made"], claims["failed"]),
        ));
        lines.push(("refused, by limit".to_owned(), refused.to_string()));
    }
    for (name, value) in lines {
        table.row([Cell::from(name), Cell::from(value)]);
    }
    let head = format!(
        "{} objects, {} copies each: {}",
        objects["objects"],
        objects["copies"],
        objects["counted"].as_str().unwrap_or("-")
    );
    format!("\n{head}\n{table}")
}

/// How near the copies found are, in lines of the table; none where none were found.
fn quality(finds: &Value, whose: &str) -> Vec<(String, String)> {
    if !finds["finds"].is_u64() {
        return Vec::new();
    }
    let percent = |part: &str| format!("{:.2} %", finds[part].as_f64().unwrap_or(0.0) * 100.0);
    let pair = |a: &str, b: &str| format!("{} / {}", percent(a), percent(b));
    vec![
        (format!("{whose}nearest / one of two nearest"), pair("nearest_share", "top_two_share")),
        (format!("{whose}extra delay, mean of ratios / of means"), pair("extra_delay", "extra_delay_of_means")),
    ]
}

/// What a figure is made of, in words.
fn counting_of(options: &Options) -> &'static str {
    match options.build() {
        Build::Direct => {
            "each on the nodes numerically closest to its key; the message's way to the first of them it comes to and \
             back, and one round trip to the one the asker expects to be nearest, over the round trip to the nearest"
        }
        Build::Protocol | Build::Crowd => {
            "each published by its holders; from the wish to locate until its answer, and one round trip to the holder a \
             get would fetch from first, over the round trip to the nearest"
        }
    }
}

fn counted<'a>(reasons: impl Iterator<Item = &'a String>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    reasons.for_each(|reason| *counts.entry(reason.as_str()).or_default() += 1);
    counts
}

/// All that met a limit so far, on all nodes.
fn refused(stage: &Stage) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let readings = stage.world.nodes().iter().flat_map(arras::sim::Node::readings);
    for reading in readings.filter(|reading| ["directory_refused_total", "dropped_total"].contains(&reading.name)) {
        let limit = reading.label.map_or_else(|| reading.name.to_owned(), |(_, limit)| limit);
        *counts.entry(limit).or_default() += reading.value as u64;
    }
    counts
}
