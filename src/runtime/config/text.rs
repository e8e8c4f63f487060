//! The configuration on paper.
//!
//! Owns: the commented file that `config init` writes, and the table that `config show` prints.
//! Never does: read anything.

use super::keys::{KEYS, Key, Kind};
use super::{Config, Resolved};
use std::fmt::Write;

/// A commented TOML file with this configuration's values: the common keys, or all of them. Values are
/// commented out where they are the default, so that later defaults still reach the node.
pub fn init_text(config: &Config, all: bool) -> String {
    let default = Config::new(config.node.data_dir.clone());
    let mut text = String::from(
        "# arras configuration. Flags count over environment (ARRAS_*) over this file over defaults;\n\
         # `arras config show --origin` says what a node would use, and where it comes from.\n",
    );
    let mut subject = "";
    for key in KEYS.iter().filter(|key| all || key.common) {
        let (of, field) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != subject {
            subject = of;
            // Writing to a string cannot fail.
            let _ = write!(text, "\n[{of}]\n");
        }
        let mark = if (key.show)(config) == (key.show)(&default) { "# " } else { "" };
        let _ = write!(text, "# {}\n{mark}{field} = {}\n", key.doc, literal(key, config));
    }
    if !all {
        text.push_str("\n# `arras config init --all` lists every key.\n");
    }
    text
}

/// Every key with its value, one a line; with its origin if asked. The token is not shown.
pub fn show_text(resolved: &Resolved, origin: bool) -> String {
    let mut text = String::new();
    for key in KEYS {
        let mut line = format!("{} = {}", key.name, literal(key, &resolved.config));
        if key.name == "api.token" && resolved.config.api.token.is_some() {
            line = format!("{} = \"(set, not shown)\"", key.name);
        }
        if origin {
            let from = resolved.origins.get(key.name).map_or("default".to_owned(), ToString::to_string);
            line = format!("{line:<58} # {from}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn literal(key: &Key, config: &Config) -> String {
    let text = (key.show)(config);
    match key.kind {
        Kind::Flag | Kind::Number => text,
        Kind::Text | Kind::Span | Kind::Bytes => quoted(&text),
        Kind::List => {
            let parts: Vec<String> = text.split(',').filter(|part| !part.is_empty()).map(quoted).collect();
            format!("[{}]", parts.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
