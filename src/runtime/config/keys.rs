//! Every key by name.
//!
//! Owns: the one table from which flags, environment, file, `config init` and `config show` all work: name,
//! what it means, how text becomes its value and back.
//! Never does: compare keys with each other; that is `check`.

use super::{Config, Scope};
use crate::base::Span;
use crate::identity::Role;
use std::net::SocketAddr;
use std::str::FromStr;

/// One thing that can be configured.
pub struct Key {
    /// `subject.name`.
    pub name: &'static str,
    /// What it is, with unit and range.
    pub doc: &'static str,
    /// Whether the short file of `config init` shows it.
    pub common: bool,
    /// How it is written in TOML.
    pub kind: Kind,
    /// Takes a value in text; the error says what was expected.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value in text.
    pub show: fn(&Config) -> String,
}

/// How a value is written in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A whole number of bytes, or a string such as "10GiB".
    Bytes,
    /// A string such as "250ms", "10s", "5min" or "2h".
    Span,
    /// An array of strings.
    List,
}

impl Key {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("ARRAS_{}", self.name.to_uppercase().replace('.', "_"))
    }
}

/// The key of this name, or a line that names the nearest.
pub fn named(name: &str) -> Result<&'static Key, String> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    let nearest = KEYS.iter().min_by_key(|key| edits(key.name, name));
    match nearest {
        Some(key) if edits(key.name, name) <= name.len() / 2 => {
            Err(format!("there is no key {name}; did you mean {}?", key.name))
        }
        _ => Err(format!("there is no key {name}; `arras config init --all` prints them all")),
    }
}

macro_rules! plain {
    ($kind:ident, $name:literal, $subject:ident.$field:ident $(.$part:ident)?, $common:literal, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            common: $common,
            kind: Kind::$kind,
            set: |config, text| value(text).map(|value| config.$subject.$field$(.$part)? = value),
            show: |config| config.$subject.$field$(.$part)?.to_string(),
        }
    };
}

macro_rules! span {
    ($name:literal, $subject:ident.$field:ident $(.$part:tt)?, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            common: false,
            kind: Kind::Span,
            set: |config, text| span(text).map(|value| config.$subject.$field$(.$part)? = value),
            show: |config| span_text(config.$subject.$field$(.$part)?),
        }
    };
}

macro_rules! bytes {
    ($name:literal, $subject:ident.$field:ident $(.$part:ident)?, $common:literal, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            common: $common,
            kind: Kind::Bytes,
            set: |config, text| bytes(text).map(|value| config.$subject.$field$(.$part)? = value),
            show: |config| bytes_text(config.$subject.$field$(.$part)? as u64),
        }
    };
}

macro_rules! addresses {
    ($name:literal, $subject:ident.$field:ident, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            common: true,
            kind: Kind::List,
            set: |config, text| addresses(text).map(|value| config.$subject.$field = value),
            show: |config| list_text(&config.$subject.$field),
        }
    };
}

/// All keys, in the order of the file.
pub static KEYS: &[Key] = &[
    plain!(
        Text,
        "network.name",
        network.network,
        true,
        "The network's name, 1 to 64 bytes: nodes of another network are refused."
    ),
    plain!(
        Number,
        "network.puzzle_bits",
        network.puzzle_bits,
        false,
        "Leading zero bits of the admission puzzle, 0 to 40. The same on every node."
    ),
    Key {
        name: "node.data_dir",
        doc: "Where identity, contacts and store are. Default: $ARRAS_HOME, else $XDG_DATA_HOME/arras, else ~/.arras.",
        common: true,
        kind: Kind::Text,
        set: |config, text| non_empty(text).map(|text| config.node.data_dir = text.into()),
        show: |config| config.node.data_dir.display().to_string(),
    },
    Key {
        name: "node.role",
        doc: "server routes and stores; client uses the overlay and never roots objects.",
        common: false,
        kind: Kind::Text,
        set: |config, text| {
            let one_of = [("server", Role::Server), ("client", Role::Client)];
            choice(text, &one_of).map(|role| config.node.role = role)
        },
        show: |config| match config.node.role {
            Role::Server => "server".to_owned(),
            Role::Client => "client".to_owned(),
        },
    },
    plain!(
        Text,
        "node.log",
        node.log,
        true,
        "Log lines written: error, warn, info, debug or trace; per module as in info,arras::runtime=debug."
    ),
    plain!(Number, "node.shards", node.shards, false, "Directory shards, 1 to 64."),
    plain!(
        Text,
        "overlay.listen",
        overlay.listen,
        true,
        "UDP address for peers. Anything but loopback should say in overlay.advertise how others reach it."
    ),
    addresses!(
        "overlay.advertise",
        overlay.advertise,
        "Addresses told to others, best first, at most 4. Empty: the one listened on."
    ),
    addresses!(
        "overlay.seeds",
        overlay.seeds,
        "Nodes to join through (ADDRESS:PORT). Empty for the first node of a network."
    ),
    Key {
        name: "overlay.scope",
        doc: "lan believes private and loopback addresses; public only such as the Internet routes.",
        common: false,
        kind: Kind::Text,
        set: |config, text| {
            let one_of = [("lan", Scope::Lan), ("public", Scope::Public)];
            choice(text, &one_of).map(|scope| config.overlay.scope = scope)
        },
        show: |config| match config.overlay.scope {
            Scope::Lan => "lan".to_owned(),
            Scope::Public => "public".to_owned(),
        },
    },
    plain!(
        Text,
        "api.listen",
        api.listen,
        true,
        "TCP address of the local API. Anything but loopback needs api.token."
    ),
    Key {
        name: "api.token",
        doc: "If set, every request must carry it (Authorization: Bearer ...). Empty: none.",
        common: false,
        kind: Kind::Text,
        set: |config, text| {
            config.api.token = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        },
        show: |config| config.api.token.clone().unwrap_or_default(),
    },
    bytes!("store.quota_bytes", directory.quota_bytes, true, "Bytes of values kept for others."),
    bytes!("store.cache_bytes", store.cache_bytes, false, "Memory for the database's cache."),
    span!(
        "store.scrub_interval",
        directory.upkeep.scrub_interval,
        "Within this each kept value is read once, to see whether it is sound; at least 1min."
    ),
    plain!(
        Number,
        "router.leaf_set_per_side",
        router.leaf_set_per_side,
        false,
        "Leaf-set members on each side, 1 to 24."
    ),
    plain!(
        Number,
        "router.contacts_per_slot",
        router.contacts_per_slot,
        false,
        "Contacts in each slot of the prefix table, 1 to 8."
    ),
    plain!(
        Number,
        "router.link_budget",
        router.link_budget,
        false,
        "Live links kept, leaf set included: at least twice router.leaf_set_per_side."
    ),
    plain!(
        Flag,
        "router.detours",
        router.detours,
        false,
        "Whether it tells neighbours what its links cost, and goes through others where that is quicker: true or false."
    ),
    span!("router.leaf_set_interval_min", router.leaf_set_interval.0, "Shortest interval of leaf-set exchange."),
    span!(
        "router.leaf_set_interval_max",
        router.leaf_set_interval.1,
        "Longest interval of leaf-set exchange, reached while nothing changes."
    ),
    span!(
        "router.table_interval_min",
        router.table_interval.0,
        "Shortest interval of prefix-table maintenance, one row a turn."
    ),
    span!("router.table_interval_max", router.table_interval.1, "Longest interval of prefix-table maintenance."),
    span!(
        "router.probe_after",
        router.probe_after,
        "How long the next node on the ring may be quiet before it is probed; other links by the deaths seen."
    ),
    span!(
        "router.rejoin_pause_max",
        router.rejoin_pause_max,
        "Longest pause between attempts to rejoin when nobody is left."
    ),
    span!("forwarder.patience", forwarder.patience, "How long a lookup waits for its result, 1ms to 10min."),
    span!(
        "forwarder.custody_floor",
        forwarder.custody_floor,
        "Least wait for a next hop's custody beyond its round trip."
    ),
    plain!(
        Number,
        "forwarder.origin_rate",
        forwarder.origin_rate,
        false,
        "Messages one origin may have forwarded per second on average."
    ),
    plain!(Number, "forwarder.tries_max", forwarder.tries_max, false, "Next hops tried for one message, 1 to 255."),
    plain!(Number, "directory.replicas", directory.replicas, true, "Copies of a value, the root's included, 1 to 16."),
    span!("directory.lifetime_max", directory.lifetime_max, "Longest lifetime granted to a value or pointer."),
    span!(
        "directory.pointer_lifetime",
        directory.pointer_lifetime,
        "Lifetime of a published pointer; renewed when half of it is gone."
    ),
    plain!(
        Number,
        "directory.pointers_per_object",
        directory.shares.pointers_per_object,
        false,
        "Holders remembered for one object."
    ),
    plain!(
        Number,
        "directory.pointers_per_holder",
        directory.shares.pointers_per_holder,
        false,
        "Objects remembered for one holder."
    ),
    plain!(Number, "directory.pointers_max", directory.pointers_max, false, "Pointers remembered in all."),
    plain!(Number, "directory.values_max", directory.values_max, false, "Values kept in all."),
    plain!(
        Number,
        "directory.values_per_source",
        directory.shares.values_per_source,
        false,
        "Values kept for one source."
    ),
    plain!(
        Number,
        "directory.writes_per_source_per_s",
        directory.shares.writes_per_source_per_s,
        false,
        "Writes one source may ask for per second on average."
    ),
    bytes!(
        "directory.inline_bytes_max",
        directory.inline_bytes_max,
        false,
        "Values up to this size travel within the routed reply."
    ),
    span!("directory.patience", directory.patience, "How long a put, get or publish waits for its result."),
    span!(
        "directory.repair_interval",
        directory.upkeep.repair_interval,
        "Longest pause between comparisons of what replica sets hold."
    ),
    span!(
        "directory.lease",
        directory.leases.immutable,
        "How long others answer for this node with a much wanted blob; 0 with lease_mutable: never."
    ),
    span!(
        "directory.lease_mutable",
        directory.leases.mutable,
        "The same with records and pointers: nothing older than this is ever answered."
    ),
    bytes!(
        "directory.lease_bytes",
        directory.leases.bytes,
        false,
        "Bytes this node holds in memory to answer for others."
    ),
    bytes!(
        "directory.repair_bytes_per_s",
        directory.upkeep.repair_bytes_per_s,
        false,
        "Bytes of values that repair may send in a second, at least 1KiB."
    ),
];

fn value<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.trim().parse().map_err(|why| format!("cannot be {text:?}: {why}"))
}

fn non_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("cannot be empty".to_owned()) } else { Ok(text) }
}

fn choice<T: Copy>(text: &str, one_of: &[(&str, T)]) -> Result<T, String> {
    let found = one_of.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = one_of.iter().map(|(name, _)| *name).collect();
        format!("cannot be {text:?}: it is {}", names.join(" or "))
    })
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(value).collect()
}

fn list_text(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

/// The span in a text such as `250us`, `250ms`, `10s`, `5min`, `2h` or `30d`; the error says so.
pub fn span(text: &str) -> Result<Span, String> {
    let wrong = || format!("cannot be {text:?}: it is a number with a unit, as in 250ms, 10s, 5min, 2h or 30d");
    let (number, unit) = text.trim().split_at(text.trim().find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let (_, micros) = SPAN_UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    Ok(Span::from_micros(number.checked_mul(*micros).ok_or_else(wrong)?))
}

fn span_text(span: Span) -> String {
    let micros = span.as_micros();
    let fits = SPAN_UNITS.iter().rev().find(|(_, unit)| micros >= *unit && micros.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&SPAN_UNITS[0]);
    format!("{}{name}", micros / unit)
}

fn bytes<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let wrong = || format!("cannot be {text:?}: it is a number of bytes, as in 65536, 64KiB, 64MiB or 10GiB");
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (_, scale) = BYTE_UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(*scale).and_then(|bytes| T::try_from(bytes).ok()).ok_or_else(wrong)
}

fn bytes_text(bytes: u64) -> String {
    let fits = BYTE_UNITS.iter().rev().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&BYTE_UNITS[0]);
    format!("{}{name}", bytes / unit)
}

/// Edits between two names (Levenshtein 1966).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

const SPAN_UNITS: [(&str, u64); 6] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];
const BYTE_UNITS: [(&str, u64); 5] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
