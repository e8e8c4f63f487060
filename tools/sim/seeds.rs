//! One run under several seeds.
//!
//! Owns: the mean of each figure over the seeds, and how sure it is.
//! Never does: run anything, or count a lookup where a seed must be counted.

use super::scenario::{Published, figure};
use arras::survey::table::Cell;
use arras::survey::{Interval, Table};
use serde_json::{Map, Value, json};

/// Figures that are told over seeds; a scenario's published ones besides.
const FIGURES: [&str; 19] = [
    "stretch.ratio_of_means",
    "stretch_over_20_ms.p90",
    "hops.mean",
    "hops.max",
    "contacts_per_node.mean",
    "contacts_per_node.max",
    "bytes_per_node_s.mean",
    "failed_share",
    "lookups_per_s",
    "objects.stretch.p50",
    "objects.stretch.p90",
    "objects.stretch.deciles.0.p50",
    "objects.locate_stretch.p50",
    "objects.nearest_share",
    "objects.top_two_share",
    "objects.extra_delay",
    "objects.come_to.nearest_share",
    "objects.come_to.top_two_share",
    "objects.come_to.extra_delay",
];

/// The means of all figures that every outcome has, as JSON.
pub fn json(name: &str, outcomes: &[Value], published: &[Published]) -> Value {
    let mut means = Map::new();
    for name in FIGURES.into_iter().chain(published.iter().map(|other| other.figure.as_str())) {
        let found: Vec<f64> = outcomes.iter().filter_map(|outcome| figure(outcome, name)).collect();
        if found.len() == outcomes.len()
            && let Some(interval) = Interval::of(found)
        {
            means.insert(name.to_owned(), json!(interval));
        }
    }
    let build = outcomes.first().map(|outcome| &outcome["build"]);
    json!({ "run": name, "seeds": outcomes.len(), "build": build, "over_seeds": means })
}

/// The same as a table.
pub fn text(over_seeds: &Value, published: &[Published]) -> String {
    let word = |name: &str| over_seeds[name].as_str().unwrap_or("-");
    let head = format!("{}, {} seeds; {}", word("run"), over_seeds["seeds"], word("build"));
    let mut table = Table::new("", ["figure", "mean", "95 % from", "to", "published"]);
    for (name, interval) in over_seeds["over_seeds"].as_object().into_iter().flatten() {
        let cell = |part: &str| interval[part].as_f64().map_or_else(|| Cell::from("-"), Cell::from);
        let theirs = published.iter().find(|other| other.figure == *name);
        let theirs = theirs.map_or_else(|| Cell::from("-"), |other| Cell::from(other.value));
        table.row([Cell::from(name.clone()), cell("mean"), cell("low"), cell("high"), theirs]);
    }
    format!("{head}\n{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_all_have_get_a_mean_and_an_interval() {
        let outcome = |hops: f64| json!({ "hops": { "mean": hops }, "build": "built somehow" });
        let told = json("x", &[outcome(3.0), outcome(4.0), outcome(5.0)], &[]);
        let hops = &told["over_seeds"]["hops.mean"];
        assert_eq!((hops["mean"].as_f64(), hops["count"].as_u64()), (Some(4.0), Some(3)));
        // Student's t for two degrees of freedom is 4.303; the mean's error is 1 / sqrt(3).
        assert!((hops["low"].as_f64().expect("low") - (4.0 - 4.303 / 3f64.sqrt())).abs() < 1e-3, "{hops}");
        assert!(told["over_seeds"].get("hops.max").is_none());
        assert_eq!(told["build"], "built somehow");
        let text = text(&told, &[]);
        assert!(text.starts_with("x, 3 seeds; built somehow\n") && text.contains("hops.mean"), "{text}");
    }
}
