//! The rules of the house.
//!
//! Owns: each rule with its reason, its check, what it must catch and what it must let pass.
//! Never does: read a file.

use super::source::Source;

/// A rule.
pub struct Rule {
    pub name: &'static str,
    pub check: fn(&Source) -> Vec<(usize, String)>,
    /// Files (path, text) it must catch.
    pub planted: &'static [(&'static str, &'static str)],
    /// Files it must let pass.
    pub allowed: &'static [(&'static str, &'static str)],
}

pub const RULES: &[Rule] = &[
    Rule {
        name: "imports point downwards",
        check: imports,
        planted: &[
            ("src/base/x.rs", "use crate::wire::Message;\n"),
            ("src/wire/x.rs", "fn f() { crate::overlay::RouteView::alone(); }\n"),
            ("src/overlay/x.rs", "use crate::{base::Id, sim::World};\n"),
            ("src/overlay/router/x.rs", "use super::super::super::runtime::Host;\n"),
            ("src/runtime/x.rs", "use crate::sim::Stage;\n"),
            ("src/sim/x.rs", "use crate::runtime::clock::Clock;\n"),
            ("src/survey/x.rs", "use crate::overlay::Fact;\n"),
        ],
        allowed: &[
            ("src/sim/x.rs", "use crate::{overlay::Fact, survey::matrix::LatencyMatrix};\n"),
            ("tools/x.rs", "use arras::runtime::Host;\nuse arras::sim::Stage;\n"),
            ("src/overlay/x.rs", "use super::wire_like;\n"),
        ],
    },
    Rule {
        name: "the three machines do not name each other",
        check: siblings,
        planted: &[
            ("src/overlay/router/x.rs", "use crate::overlay::directory::Tuning;\n"),
            ("src/overlay/directory/x.rs", "use super::super::forwarder;\n"),
            ("src/overlay/forwarder/mod.rs", "use super::{contract::Fact, router};\n"),
        ],
        allowed: &[
            ("src/overlay/mod.rs", "use crate::overlay::directory::Tuning;\n"),
            ("src/overlay/router/x.rs", "use super::super::contract::Fact;\nuse super::table;\n"),
            ("src/overlay/forwarder/x.rs", "use crate::wire::directory::Answer;\n"),
        ],
    },
    Rule {
        name: "no I/O, clock, thread, entropy or hash order below the hosts",
        check: absences,
        planted: &[
            ("src/base/x.rs", "use std::time::Instant;\n"),
            ("src/wire/x.rs", "fn f() { std::fs::read(p); }\n"),
            ("src/overlay/x.rs", "use std::collections::{BTreeMap, HashMap};\n"),
            ("src/sim/x.rs", "use std::{net::UdpSocket, fmt};\n"),
            ("src/overlay/x.rs", "use std::{fmt, thread};\n"),
            ("src/identity/x.rs", "use ring::rand::SystemRandom;\n"),
            ("src/survey/x.rs", "fn f(t: std::time::SystemTime) {}\n"),
        ],
        allowed: &[
            ("src/overlay/x.rs", "use std::net::{IpAddr, SocketAddr};\nuse crate::base::Instant;\n"),
            ("src/base/x.rs", "use std::time::Duration;\n"),
            ("src/runtime/x.rs", "use std::fs;\nuse std::time::Instant;\n"),
        ],
    },
    Rule {
        name: "every file says what it owns and never does",
        check: header,
        planted: &[
            ("src/base/x.rs", "NO HEADER\nuse std::fmt;\n"),
            ("tools/x.rs", "NO HEADER\n//! A tool.\n//!\n//! Owns: something.\n"),
            ("src/base/y.rs", "NO HEADER\n//! Two\n//! lines.\n//! Owns: x.\n//! Never does: y.\n"),
        ],
        allowed: &[("src/base/x.rs", "use std::fmt;\n"), ("src/lib.rs", "NO HEADER\n//! The front page.\n")],
    },
    Rule {
        name: "files, functions and structs stay small",
        check: sizes,
        planted: &[
            ("src/base/x.rs", "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}\n"),
            (
                "src/base/x.rs",
                "struct S { a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8 }\n",
            ),
            (
                "src/base/x.rs",
                "fn f() {\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n}\n",
            ),
        ],
        allowed: &[("src/base/x.rs", "fn f(&self, a: (u8, u8), b: u8, c: u8, d: u8, e: u8) {}\n")],
    },
    Rule {
        name: "nothing unsafe and nothing unfinished",
        check: unfinished,
        planted: &[
            ("src/base/x.rs", "fn f() { unsafe { g() } }\n"),
            ("tools/x.rs", "fn f() { todo!() }\n"),
            ("src/base/x.rs", "fn f() { unimplemented!() }\n"),
            ("src/base/x.rs", "// TODO: later\n"),
            ("integration/x.rs", "#[ignore]\nfn f() {}\n"),
        ],
        allowed: &[("src/base/x.rs", "fn is_unsafe_name() {}\n")],
    },
];

/// The rings, lowest first; within a ring nobody imports anybody but itself unless it says so.
const RINGS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("machine", &["base"]),
    ("identity", &["base", "machine"]),
    ("wire", &["base", "machine", "identity"]),
    ("survey", &["base", "machine", "identity", "wire"]),
    ("overlay", &["base", "machine", "identity", "wire", "survey"]),
    ("crawler", &["base", "machine", "identity", "wire", "survey"]),
    ("sim", &["base", "machine", "identity", "wire", "survey", "overlay", "crawler"]),
    ("runtime", &["base", "machine", "identity", "wire", "survey", "overlay", "crawler"]),
];

/// The three machines.
const MACHINES: [&str; 3] = ["forwarder", "router", "directory"];

/// What nothing below `runtime` and outside `tools`, `bench` and `integration` names.
const ABSENT: &[&str] = &[
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::os",
    "std::io::stdin",
    "std::process",
    "std::env",
    "std::thread",
    "std::fs",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::hash::RandomState",
    "rand",
    "getrandom",
    "ring::rand",
    "mio",
    "quinn_proto",
    "quinn_udp",
    "crossbeam",
    "tokio",
];

/// Names that give the same away without their path.
const ABSENT_NAMES: &[&str] =
    &["HashMap", "HashSet", "SystemTime", "SystemRandom", "UdpSocket", "TcpStream", "TcpListener"];

/// Files that compose others and only dispatch: HABITS, "Guarding the composer".
const COMPOSERS: &[&str] = &[
    "src/overlay/mod.rs",
    "src/overlay/forwarder/mod.rs",
    "src/overlay/router/mod.rs",
    "src/overlay/directory/mod.rs",
    "src/runtime/turn.rs",
];

const FILE_LINES_MAX: usize = 600;
const COMPOSER_LINES_MAX: usize = 350;
const FUNCTION_LINES_MAX: usize = 70;
const PARAMETERS_MAX: usize = 6;
const FIELDS_MAX: usize = 14;

fn imports(source: &Source) -> Vec<(usize, String)> {
    let Some(ring) = source.module().and_then(|module| module.first().cloned()) else { return Vec::new() };
    let Some((_, below)) = RINGS.iter().find(|(name, _)| *name == ring) else { return Vec::new() };
    let names_ring = |name: &String| RINGS.iter().any(|(ring, _)| ring == name);
    let named = source.named_modules().into_iter().filter_map(|(line, path)| Some((line, path.first()?.clone())));
    let upward = named.filter(|(_, name)| names_ring(name) && *name != ring && !below.contains(&name.as_str()));
    upward.map(|(line, name)| (line, format!("{ring} names {name}"))).collect()
}

fn siblings(source: &Source) -> Vec<(usize, String)> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some(machine) = module.get(1).filter(|name| module[0] == "overlay" && MACHINES.contains(&name.as_str())) else {
        return Vec::new();
    };
    let named = source.named_modules().into_iter();
    let sibling = named.filter(|(_, path)| {
        path.first().is_some_and(|ring| ring == "overlay")
            && path.get(1).is_some_and(|name| name != machine && MACHINES.contains(&name.as_str()))
    });
    sibling.map(|(line, path)| (line, format!("{machine} names {}", path[1]))).collect()
}

fn absences(source: &Source) -> Vec<(usize, String)> {
    let Some(module) = source.module() else { return Vec::new() };
    if module[0] == "runtime" || module[0] == "lib" || module.iter().any(|name| name == "tests") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, path) in source.foreign_paths() {
        let absent = ABSENT.iter().find(|absent| path == **absent || path.starts_with(&format!("{absent}::")));
        found.extend(absent.map(|absent| (line, absent.to_string())));
    }
    for (line, text) in source.code_lines() {
        let word = |name: &&&str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == **name);
        found.extend(ABSENT_NAMES.iter().filter(word).map(|name| (line, name.to_string())));
    }
    found
}

fn header(source: &Source) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.text().lines().take_while(|line| line.starts_with("//!")).collect();
    if lines.is_empty() {
        return vec![(1, "no header".to_owned())];
    }
    if source.path() == "src/lib.rs" {
        return Vec::new();
    }
    let has = |word: &str| lines.iter().any(|line| line.starts_with(&format!("//! {word}: ")));
    let mut missing: Vec<(usize, String)> =
        ["Owns", "Never does"].iter().filter(|word| !has(word)).map(|word| (1, format!("no `{word}:`"))).collect();
    if lines.get(1).is_some_and(|line| *line != "//!") {
        missing.push((2, "the subject takes one line, then a blank one".to_owned()));
    }
    missing
}

fn sizes(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let limit = if COMPOSERS.contains(&source.path()) { COMPOSER_LINES_MAX } else { FILE_LINES_MAX };
    let lines = source.text().lines().count();
    if lines > limit {
        found.push((limit, format!("{lines} lines, {limit} allowed")));
    }
    for function in source.functions() {
        if function.lines > FUNCTION_LINES_MAX {
            let what = format!("{} has {} lines, {FUNCTION_LINES_MAX} allowed", function.name, function.lines);
            found.push((function.line, what));
        }
        if function.parameters > PARAMETERS_MAX {
            let what = format!("{} has {} parameters, {PARAMETERS_MAX} allowed", function.name, function.parameters);
            found.push((function.line, what));
        }
    }
    for item in source.structs().iter().filter(|item| item.fields > FIELDS_MAX) {
        found.push((item.line, format!("{} has {} fields, {FIELDS_MAX} allowed", item.name, item.fields)));
    }
    found
}

fn unfinished(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in source.code().lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.any(|word| word == "unsafe") {
            found.push((index + 1, "unsafe".to_owned()));
        }
        let unfinished = ["todo!", "unimplemented!", "#[ignore"].into_iter().find(|word| line.contains(word));
        found.extend(unfinished.map(|word| (index + 1, word.to_owned())));
    }
    for (line, text) in source.comment_lines() {
        let unfinished = ["TODO", "FIXME", "XXX"].into_iter().find(|word| text.contains(word));
        found.extend(unfinished.map(|word| (line, word.to_owned())));
    }
    found
}
