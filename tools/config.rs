//! `arras config`
//!
//! Owns: writing, checking and showing a node's configuration.
//! Never does: overwrite a file, or show the token.

use crate::output::{Exit, FAILED, Output, USAGE, check_log};
use arras::runtime::Config;
use arras::runtime::config::{self, Given, KEYS, Resolved};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;

/// `arras config init|check|show`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Print (or write) a commented file with the defaults.
    Init {
        /// Every key, not only the common ones.
        #[arg(long)]
        all: bool,
        /// Where to write it; without this, stdout. A file that is there stays as it is.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say whether a node would start with this configuration.
    Check(Source),
    /// Print every key and its value. Flags count over environment (ARRAS_*) over file over defaults.
    Show {
        #[command(flatten)]
        source: Source,
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
}

/// The layers above the defaults.
#[derive(clap::Args, Debug, Default)]
pub struct Source {
    /// The configuration file [default: arras.toml in the data directory or /etc/arras].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Any key, as in router.link_budget=64. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, output: Output) -> Result<(), Exit> {
    match &arguments.verb {
        Verb::Init { all, output: path } => init(*all, path.as_ref(), output),
        Verb::Check(source) => {
            let resolved = source.resolve(Vec::new())?;
            let warnings = &resolved.warnings;
            output.print(&json!({ "ok": true, "warnings": warnings }), || {
                warnings.iter().map(|line| format!("warning: {line}\n")).chain(["ok\n".to_owned()]).collect()
            })
        }
        Verb::Show { source, origin } => {
            let resolved = source.resolve(Vec::new())?;
            output.print(&shape(&resolved), || config::show_text(&resolved, *origin))
        }
    }
}

impl Source {
    /// Puts the layers together; `flags` are a subcommand's own.
    pub fn resolve(&self, flags: Vec<Given>) -> Result<Resolved, Exit> {
        let mut given = flags;
        if let Some(dir) = &self.data_dir {
            given.push(named("--data-dir", "node.data_dir", &dir.display().to_string()));
        }
        for pair in &self.set {
            let (key, text) = pair.split_once('=').ok_or_else(|| {
                Exit::new(USAGE, format!("--set {pair}: it is KEY=VALUE, as in router.link_budget=64"))
            })?;
            given.push(named("--set", key.trim(), text.trim()));
        }
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
            .collect();
        let resolved = config::resolve(&given, &environment, self.config.as_deref())
            .map_err(|error| Exit::new(USAGE, error.to_string()))?;
        check_log(&resolved.config.node.log).map_err(|why| {
            let origin = resolved.origins.get("node.log").map_or("default".to_owned(), ToString::to_string);
            Exit::new(USAGE, format!("node.log {why} ({origin})"))
        })?;
        Ok(resolved)
    }
}

/// A value given by a flag.
pub fn named(flag: &str, key: &str, text: &str) -> Given {
    Given { flag: flag.to_owned(), key: key.to_owned(), text: text.to_owned() }
}

fn init(all: bool, path: Option<&PathBuf>, output: Output) -> Result<(), Exit> {
    let defaults = Source::default().resolve(Vec::new()).map(|resolved| resolved.config.node.data_dir);
    let text = config::init_text(&Config::new(defaults?), all);
    let Some(path) = path else { return output.print(&json!({ "toml": text }), || text.clone()) };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Exit::new(FAILED, format!("{}: is there already, and stays as it is", path.display()))
        }
        _ => Exit::new(FAILED, format!("{}: {error}", path.display())),
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    output.print(&json!({ "file": path.display().to_string() }), || format!("{}", path.display()))
}

fn shape(resolved: &Resolved) -> Value {
    let mut keys = Map::new();
    for key in KEYS {
        let hidden = key.name == "api.token" && resolved.config.api.token.is_some();
        let value = if hidden { "(set, not shown)".to_owned() } else { (key.show)(&resolved.config) };
        let origin = resolved.origins.get(key.name).map_or("default".to_owned(), ToString::to_string);
        keys.insert(key.name.to_owned(), json!({ "value": value, "origin": origin }));
    }
    Value::Object(keys)
}
