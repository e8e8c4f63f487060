//! How a node is configured.
//!
//! Owns: the configuration as the runtime takes it, and the four layers it comes from: flags over environment
//! (`ARRAS_*`) over a TOML file over defaults, with the origin of every value.
//! Never does: take an unknown key for a known one, or change after the start.

mod check;
mod file;
pub mod keys;
mod text;

pub use check::{Finding, Severity, check};
pub use keys::{KEYS, Key};
pub use text::{init_text, show_text};

use crate::identity::Role;
use crate::overlay::{directory, forwarder, router};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// All a node needs to know to start. Nested by subject; [`KEYS`] names each field for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What all nodes of the network must agree on.
    pub network: router::Agreement,
    /// This process.
    pub node: Node,
    /// Its place on the Internet.
    pub overlay: Overlay,
    /// Its local API.
    pub api: Api,
    /// Its disk; the quota is in `directory`, which keeps it.
    pub store: Disk,
    /// Membership.
    pub router: router::Tuning,
    /// Messages in flight.
    pub forwarder: forwarder::Tuning,
    /// Objects.
    pub directory: directory::Tuning,
}

/// The process.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where key, contacts and store are.
    pub data_dir: PathBuf,
    /// What this node is to others.
    pub role: Role,
    /// Which log lines are written, in the form of `env_logger`: `info`, `warn,arras::runtime=debug`.
    pub log: String,
    /// Directory shards, 1 to 64: one a core is plenty.
    pub shards: usize,
}

/// Where the node listens for its peers, and what it tells them.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The UDP address listened on. The default is loopback: a node learns nothing yet about how it is
    /// seen from outside, so a public one needs its address said.
    pub listen: SocketAddr,
    /// Addresses told to others, best first; if empty, the one listened on.
    pub advertise: Vec<SocketAddr>,
    /// Nodes to join through. Empty for the first node of a network.
    pub seeds: Vec<SocketAddr>,
    /// Which addresses of others are believed.
    pub scope: Scope,
}

/// Which addresses may stand in a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any, loopback and private ones included.
    Lan,
    /// Only addresses the Internet routes.
    Public,
}

/// The local API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The TCP address listened on. Anything but loopback needs a token.
    pub listen: SocketAddr,
    /// If set, requests that change anything (and all requests from elsewhere than loopback) must carry it.
    pub token: Option<String>,
}

/// The disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Memory for the database's cache, in bytes.
    pub cache_bytes: usize,
}

/// A configuration, and where each value of it comes from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The configuration.
    pub config: Config,
    /// Key to origin; a key that is not here has its default.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What is odd, but no reason not to start: one line each.
    pub warnings: Vec<String>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

/// A value given on the command line: the flag as typed, the key, the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The flag, for messages.
    pub flag: String,
    /// Which key.
    pub key: String,
    /// Its value in text.
    pub text: String,
}

/// Why there is no configuration: one line, naming the place and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl Config {
    /// The defaults over a data directory.
    pub fn new(data_dir: PathBuf) -> Config {
        Config {
            network: router::Agreement::default(),
            node: Node { data_dir, role: Role::Server, log: "info".to_owned(), shards: SHARDS },
            overlay: Overlay {
                listen: loopback(OVERLAY_PORT),
                advertise: Vec::new(),
                seeds: Vec::new(),
                scope: Scope::Lan,
            },
            api: Api { listen: loopback(API_PORT), token: None },
            store: Disk { cache_bytes: CACHE_BYTES },
            router: router::Tuning::default(),
            forwarder: forwarder::Tuning::default(),
            directory: directory::Tuning::default(),
        }
    }

    /// The addresses to tell others of.
    pub fn advertised(&self) -> Vec<SocketAddr> {
        if self.overlay.advertise.is_empty() { vec![self.overlay.listen] } else { self.overlay.advertise.clone() }
    }
}

/// Puts the layers together. `environment` is all of it; `file` is the file asked for by name, else the one
/// in the data directory or `/etc/arras` is taken if there is one. Errors of [`check()`] are errors here.
pub fn resolve(
    given: &[Given],
    environment: &[(String, String)],
    file: Option<&Path>,
) -> Result<Resolved, ConfigError> {
    let of = |name: &str| environment.iter().find(|(key, text)| key == name && !text.is_empty()).map(|(_, text)| text);
    let mut resolved =
        Resolved { config: Config::new(default_data_dir(of)), origins: BTreeMap::new(), warnings: Vec::new() };
    let asked = file.map(Path::to_path_buf).or_else(|| of("ARRAS_CONFIG").map(PathBuf::from));
    let dir = given.iter().rev().find(|given| given.key == DATA_DIR_KEY).map(|given| PathBuf::from(&given.text));
    let dir = dir.or_else(|| of("ARRAS_NODE_DATA_DIR").map(PathBuf::from));
    let dir = dir.unwrap_or_else(|| resolved.config.node.data_dir.clone());
    let found = asked.or_else(|| [dir.join(FILE), Path::new(ETC).join(FILE)].into_iter().find(|path| path.exists()));
    if let Some(path) = found {
        file::read(&path, &mut resolved)?;
    }
    resolved.take_environment(environment)?;
    for Given { flag, key, text } in given {
        let key = keys::named(key).map_err(|hint| ConfigError(format!("{flag}: {hint}")))?;
        (key.set)(&mut resolved.config, text).map_err(|why| ConfigError(format!("{flag}: {} {why}", key.name)))?;
        resolved.origins.insert(key.name, Origin::Flag(flag.clone()));
    }
    for finding in check(&resolved.config) {
        match finding.severity {
            Severity::Error => return Err(ConfigError(resolved.located(&finding))),
            Severity::Warning => resolved.warnings.push(resolved.located(&finding)),
        }
    }
    Ok(resolved)
}

impl Resolved {
    /// Sets a key from a layer.
    fn take_environment(&mut self, environment: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, text) in environment.iter().filter(|(name, _)| name.starts_with("ARRAS_")) {
            if text.is_empty() || OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable() == *name) else {
                self.warnings.push(format!("environment variable {name} is no key of arras: ignored"));
                continue;
            };
            (key.set)(&mut self.config, text).map_err(|why| ConfigError(format!("environment {name}: {why}")))?;
            self.origins.insert(key.name, Origin::Environment(name.clone()));
        }
        Ok(())
    }

    /// A finding with the origin of the value it is about.
    fn located(&self, finding: &Finding) -> String {
        match self.origins.get(finding.key) {
            Some(origin) => format!("{}: {} ({origin})", finding.key, finding.text),
            None => format!("{}: {}", finding.key, finding.text),
        }
    }
}

/// `$ARRAS_HOME`, else `$XDG_DATA_HOME/arras` if that is set, else `~/.arras`.
fn default_data_dir<'a>(of: impl Fn(&str) -> Option<&'a String>) -> PathBuf {
    if let Some(home) = of("ARRAS_HOME") {
        return PathBuf::from(home);
    }
    if let Some(xdg) = of("XDG_DATA_HOME") {
        return Path::new(xdg).join("arras");
    }
    of("HOME").map_or_else(|| PathBuf::from(".arras"), |home| Path::new(home).join(".arras"))
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// DESIGN §10: overlay UDP 7420, API 7421.
pub const OVERLAY_PORT: u16 = 7420;
/// DESIGN §10: overlay UDP 7420, API 7421.
pub const API_PORT: u16 = 7421;
/// The configuration's name in the data directory and under `/etc/arras`.
pub const FILE: &str = "arras.toml";
const ETC: &str = "/etc/arras";
const DATA_DIR_KEY: &str = "node.data_dir";
/// Variables of the tools, not of a node.
const OTHER_VARIABLES: [&str; 5] = ["ARRAS_HOME", "ARRAS_CONFIG", "ARRAS_API", "ARRAS_TOKEN", "ARRAS_TIMEOUT"];
/// A guess: directory work is a small part of a node's.
const SHARDS: usize = 2;
/// A guess: the index of some million small values.
const CACHE_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
