//! What fits together and what does not.
//!
//! Owns: the rules over several keys, and the ranges of single ones.
//! Never does: change a value to make it fit.

use super::keys::KEYS;
use super::{Config, Scope};
use crate::base::Span;
use crate::identity::contact::ADDRESSES_MAX;
use crate::overlay::directory::tuning::REPLICAS_MAX;
use crate::wire::hello::NETWORK_BYTES_MAX;
use crate::wire::object::VALUE_BYTES_MAX;
use std::net::{IpAddr, SocketAddr};

/// Something about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether a node can start with it.
    pub severity: Severity,
    /// The key to change.
    pub key: &'static str,
    /// What is wrong, and what would do.
    pub text: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but hardly as meant.
    Warning,
    /// No node starts with it.
    Error,
}

/// Everything that does not fit, errors first.
pub fn check(config: &Config) -> Vec<Finding> {
    let mut rules = Rules { found: Vec::new() };
    ranges(config, &mut rules);
    addresses(config, &mut rules);
    relations(config, &mut rules);
    rules.found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    rules.found
}

struct Rules {
    found: Vec<Finding>,
}

impl Rules {
    fn must(&mut self, holds: bool, key: &'static str, text: impl FnOnce() -> String) {
        self.note(holds, Severity::Error, key, text);
    }

    fn should(&mut self, holds: bool, key: &'static str, text: impl FnOnce() -> String) {
        self.note(holds, Severity::Warning, key, text);
    }

    fn note(&mut self, holds: bool, severity: Severity, key: &'static str, text: impl FnOnce() -> String) {
        debug_assert!(KEYS.iter().any(|known| known.name == key), "{key}");
        if !holds {
            self.found.push(Finding { severity, key, text: text() });
        }
    }

    fn within(&mut self, key: &'static str, value: u64, low: u64, high: u64) {
        self.must((low..=high).contains(&value), key, || format!("is {value}, but must be {low} to {high}"));
    }
}

fn ranges(config: &Config, rules: &mut Rules) {
    let (router, directory, forwarder) = (&config.router, &config.directory, &config.forwarder);
    rules.within("router.leaf_set_per_side", router.leaf_set_per_side as u64, 1, 24);
    rules.within("router.contacts_per_slot", router.contacts_per_slot as u64, 1, 8);
    rules.within("directory.replicas", u64::from(directory.replicas), 1, u64::from(REPLICAS_MAX));
    rules.within("forwarder.tries_max", u64::from(forwarder.tries_max), 1, 255);
    rules.within("forwarder.origin_rate", u64::from(forwarder.origin_rate), 1, u64::from(u32::MAX));
    rules.within("network.puzzle_bits", u64::from(config.network.puzzle_bits), 0, 40);
    rules.within("node.shards", config.node.shards as u64, 1, 64);
    rules.within("directory.inline_bytes_max", u64::from(directory.inline_bytes_max), 0, VALUE_BYTES_MAX as u64);
    rules.must(directory.upkeep.repair_bytes_per_s >= 1 << 10, "directory.repair_bytes_per_s", || {
        format!("is {}, but must be at least 1KiB", directory.upkeep.repair_bytes_per_s)
    });
    rules.must(directory.upkeep.scrub_interval >= Span::from_mins(1), "store.scrub_interval", || {
        format!("is {}, but must be at least 1min", directory.upkeep.scrub_interval)
    });
    let name = config.network.network.len();
    rules.must((1..=NETWORK_BYTES_MAX).contains(&name), "network.name", || {
        format!("has {name} bytes, but must have 1 to {NETWORK_BYTES_MAX}")
    });
    let patience = forwarder.patience;
    let sound = patience >= Span::from_millis(1) && patience <= Span::from_mins(10);
    rules.must(sound, "forwarder.patience", || format!("is {patience}, but must be 1ms to 10min"));
}

fn addresses(config: &Config, rules: &mut Rules) {
    let (overlay, api) = (&config.overlay, &config.api);
    rules.must(api.listen.ip().is_loopback() || api.token.is_some(), "api.listen", || {
        format!("{} is open to others: set api.token, or listen on 127.0.0.1", api.listen)
    });
    rules.must(!overlay.listen.ip().is_unspecified() || !overlay.advertise.is_empty(), "overlay.listen", || {
        format!("nobody can dial {}: say in overlay.advertise how others reach this node", overlay.listen)
    });
    rules.must(overlay.advertise.len() <= ADDRESSES_MAX, "overlay.advertise", || {
        format!("names {} addresses, but a contact holds {ADDRESSES_MAX}", overlay.advertise.len())
    });
    for address in &overlay.advertise {
        rules.must(!address.ip().is_unspecified() && address.port() != 0, "overlay.advertise", || {
            format!("nobody can dial {address}")
        });
    }
    for seed in &overlay.seeds {
        rules.must(!seed.ip().is_unspecified() && seed.port() != 0, "overlay.seeds", || {
            format!("nobody can dial {seed}")
        });
    }
    if overlay.scope == Scope::Public {
        let hidden = config.advertised().into_iter().find(|address| !is_public(address));
        rules.must(hidden.is_none(), "overlay.scope", || {
            let address = hidden.map(|address| address.to_string()).unwrap_or_default();
            format!("is public, but {address} is not an address of the Internet: set overlay.advertise")
        });
    }
}

fn relations(config: &Config, rules: &mut Rules) {
    let (router, directory, forwarder) = (&config.router, &config.directory, &config.forwarder);
    let leaves = 2 * router.leaf_set_per_side;
    rules.must(router.link_budget >= leaves, "router.link_budget", || {
        format!("is {}, but the leaf set alone needs {leaves} (twice router.leaf_set_per_side)", router.link_budget)
    });
    rules.must(usize::from(directory.replicas) <= leaves + 1, "directory.replicas", || {
        format!("is {}, but a root and its leaf set are only {} nodes", directory.replicas, leaves + 1)
    });
    let ordered = |(low, high): (Span, Span)| Span::ZERO < low && low <= high;
    rules.must(ordered(router.leaf_set_interval), "router.leaf_set_interval_min", || {
        "must be above zero and at most router.leaf_set_interval_max".to_owned()
    });
    rules.must(ordered(router.table_interval), "router.table_interval_min", || {
        "must be above zero and at most router.table_interval_max".to_owned()
    });
    rules.should(router.probe_after < IDLE_TIMEOUT, "router.probe_after", || {
        format!(
            "is {}, but the transport gives a silent link up after {IDLE_TIMEOUT}: it will never act",
            router.probe_after
        )
    });
    rules.must(directory.pointer_lifetime <= directory.lifetime_max, "directory.pointer_lifetime", || {
        format!("is longer than directory.lifetime_max ({})", directory.lifetime_max)
    });
    rules.should(directory.patience >= forwarder.patience, "directory.patience", || {
        format!("is shorter than forwarder.patience ({}): a put gives up before its lookup does", forwarder.patience)
    });
    rules.should(directory.quota_bytes >= VALUE_BYTES_MAX as u64, "store.quota_bytes", || {
        "holds not even one value of the largest size".to_owned()
    });
    let shares = [
        ("directory.pointers_per_object", directory.shares.pointers_per_object, directory.pointers_max, "pointers_max"),
        ("directory.pointers_per_holder", directory.shares.pointers_per_holder, directory.pointers_max, "pointers_max"),
        ("directory.values_per_source", directory.shares.values_per_source, directory.values_max, "values_max"),
    ];
    for (key, share, whole, of) in shares {
        rules.should(share <= whole, key, || format!("is {share}, above directory.{of} ({whole}): it will never act"));
    }
}

/// Whether the Internet routes this address. The shared and benchmark ranges (RFC 6890) are left to the
/// operator.
fn is_public(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

/// The transport's idle time-out.
const IDLE_TIMEOUT: Span = Span::from_mins(30);
