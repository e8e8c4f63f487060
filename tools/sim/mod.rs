//! `arras sim`: up to a million nodes in virtual time.
//!
//! Owns: the command, one run or those of a scenario, and what makes it fail.
//! Never does: simulate (`overlay.rs` lets the library do it), or print anything but outcomes on stdout.

mod befall;
mod given;
mod objects;
mod options;
mod outcome;
mod overlay;
mod scenario;
mod seeds;
mod stored;
mod struck;
mod survey;
mod traced;
mod turbulence;

use crate::output::{Exit, FAILED, Output};
use options::Options;
use scenario::{Run, Scenario};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Many nodes in virtual time: the machines of a live node, or tables filled directly and the
/// Forwarder's rule.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The runs of a scenario file (see bench/scenarios/); flags count over what it says
    #[arg(long, value_name = "FILE.toml")]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Runs the simulation, or all of a scenario's; with `--json` one object a line.
pub fn run(arguments: &Arguments, output: Output) -> Result<(), Exit> {
    let flags = &arguments.options;
    let scenario = arguments.scenario.as_deref().map(Scenario::read).transpose()?;
    let (question, below, mut runs) = match scenario {
        Some(scenario) => (Some(scenario.question), scenario.options, scenario.runs),
        None => {
            let run = Run { name: "simulation".to_owned(), options: Options::default(), published: Vec::new() };
            (None, Options::default(), vec![run])
        }
    };
    if let Some(question) = question.filter(|_| !output.json) {
        crate::output::write_out(format!("{question}\n\n").as_bytes())?;
    }
    let of_file = |run: &Run| run.options.clone().over(&below);
    let options = |run: &Run| flags.clone().over(&of_file(run));
    runs.iter().try_for_each(|run| options(run).check())?;
    if let Some(file) = &arguments.scenario {
        let changed = runs.iter_mut().flat_map(|run| rename(run, &given::over_file(flags, &of_file(run)))).collect();
        note(file, &changed, output);
    }
    let mut wrong = Vec::new();
    for run in &runs {
        let options = options(run).resolved()?;
        let mut outcomes = Vec::new();
        for options in options.each_seed() {
            let found = overlay::run(&options, output.quiet)?;
            let mut value = told(run, outcome::json(&options, &found));
            let is_only = runs.len() == 1 && options.network.seeds.is_none();
            let surveyed = survey::keep(&options, &run.name, is_only, &found, &mut value)?;
            output.print(&value, || outcome::text(&run.name, &value, &run.published) + &surveyed + "\n")?;
            wrong.extend(outcome::verdict(&options, &value).err().map(|line| blame(&run.name, &options, &line)));
            outcomes.push(value);
        }
        if outcomes.len() > 1 {
            let value = seeds::json(&run.name, &outcomes, &run.published);
            output.print(&value, || seeds::text(&value, &run.published) + "\n")?;
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Exit::new(FAILED, wrong.join("; "))) }
}

/// What is wrong in a run, and how it is run again.
fn blame(name: &str, options: &Options, line: &str) -> String {
    let alone = if options.network.seeds.is_some() { " --seeds 1" } else { "" };
    format!("{name}: {line} (the same again: --seed {}{alone})", options.seed())
}

/// A run that flags made another one says so in its name; gives the flags.
fn rename(run: &mut Run, changed: &[String]) -> Vec<String> {
    if !changed.is_empty() {
        run.name = format!("{} (with {})", run.name, changed.join(" "));
    }
    changed.to_vec()
}

/// Tells people that what runs is not what the file says.
fn note(file: &Path, changed: &BTreeSet<String>, output: Output) {
    if changed.is_empty() || output.quiet {
        return;
    }
    let flags = changed.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let file = file.display();
    eprintln!("arras: flags over {file}: {flags}; its names and the published figures are of the runs as it has them");
}

/// An outcome with its run's name and what was published.
fn told(run: &Run, mut outcome: serde_json::Value) -> serde_json::Value {
    let theirs = |other: &scenario::Published| json!({ "figure": other.figure, "value": other.value, "of": other.of });
    outcome["published"] = run.published.iter().map(theirs).collect();
    outcome["run"] = json!(run.name);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_seed_under_which_it_comes_again() {
        let mut options = Options::default();
        assert_eq!(blame("simulation", &options, "x"), "simulation: x (the same again: --seed 1)");
        options.network.seeds = Some(3);
        let last = &options.each_seed()[2];
        assert_eq!(blame("simulation", last, "x"), "simulation: x (the same again: --seed 3 --seeds 1)");
    }
}
