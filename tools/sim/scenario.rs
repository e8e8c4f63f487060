//! Scenario files: published set-ups, and what was published.
//!
//! Owns: reading one, and finding a published figure's place in our outcome.
//! Never does: run anything.

use super::options::Options;
use crate::output::{Exit, FAILED, USAGE};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// A scenario: options for all runs, and the runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it asks.
    pub question: String,
    /// Options for all runs.
    #[serde(default)]
    pub options: Options,
    /// The runs.
    #[serde(rename = "run")]
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What it is called.
    pub name: String,
    /// Options of this run alone.
    #[serde(default)]
    pub options: Options,
    /// What others reached.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// A published figure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where ours stands in the JSON: names joined by dots, numbers from 0 within lists.
    pub figure: String,
    /// Theirs.
    pub value: f64,
    /// Whose, and under what conditions that are not ours.
    pub of: String,
}

impl Scenario {
    /// Reads a scenario file.
    pub fn read(path: &Path) -> Result<Scenario, Exit> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Exit::new(FAILED, format!("{}: {error}", path.display())))?;
        let scenario: Scenario = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text[..start.min(text.len())].matches('\n').count() + 1;
            Exit::new(USAGE, format!("{}:{line}: {}", path.display(), error.message()))
        })?;
        if scenario.runs.is_empty() {
            return Err(Exit::new(USAGE, format!("{}: there is no [[run]]", path.display())));
        }
        Ok(scenario)
    }
}

/// The figure of this name in an outcome.
pub fn figure<'a>(outcome: &'a Value, name: &str) -> Option<f64> {
    let step = |value: &'a Value, part: &str| match value {
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    };
    name.split('.').try_fold(outcome, step)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_house_is_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/scenarios");
        let files: Vec<_> =
            std::fs::read_dir(&folder).expect("scenarios").map(|file| file.expect("one").path()).collect();
        assert!(files.len() >= 3);
        for path in files {
            let scenario = Scenario::read(&path).expect("sound");
            for run in &scenario.runs {
                let options = run.options.clone().over(&scenario.options);
                options.check().unwrap_or_else(|exit| panic!("{}: {}: {}", path.display(), run.name, exit.line));
            }
        }
    }

    #[test]
    fn a_key_nobody_knows_is_refused_by_name() {
        let text = "question = \"?\"\n[options.network]\nnods = 3\n[[run]]\nname = \"x\"\n";
        let error = toml::from_str::<Scenario>(text).expect_err("refused").to_string();
        assert!(error.contains("nods"), "{error}");
    }

    #[test]
    fn a_figure_is_found_by_its_path() {
        let outcome = serde_json::json!({"hops": {"mean": 3.5}, "deciles": [{"p50": 2.5}]});
        assert_eq!(figure(&outcome, "deciles.0.p50"), Some(2.5));
        assert_eq!(figure(&outcome, "deciles.1.p50"), None);
        assert_eq!(figure(&outcome, "hops.mean"), Some(3.5));
        assert_eq!(figure(&outcome, "hops.median"), None);
    }
}
