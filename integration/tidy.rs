//! Taste as a test.
//!
//! Owns: the rules of the house as data: who may import whom, what is absent below the hosts, headers
//! and sizes; and for each rule a planted offence that it must catch.
//! Never does: excuse a file by name. A rule that needs an exception is changed here, for all.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use rules::{RULES, Rule};
use source::Source;
use std::path::Path;

#[test]
fn every_file_of_the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = source::all(root);
    assert!(sources.len() > 50, "only {} files found under {}", sources.len(), root.display());
    let offences: Vec<String> =
        sources.iter().flat_map(|source| RULES.iter().flat_map(|rule| complaints(rule, source))).collect();
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

/// The net catches fish: each planted offence is caught, by its rule and no other.
#[test]
fn every_rule_catches_its_planted_offence() {
    for rule in RULES {
        for (path, text) in rule.planted {
            let source = Source::new(path, &planted(text));
            assert!(!complaints(rule, &source).is_empty(), "`{}` misses {path}:\n{text}", rule.name);
            let others = RULES.iter().filter(|other| other.name != rule.name);
            let others: Vec<String> = others.flat_map(|other| complaints(other, &source)).collect();
            assert!(others.is_empty(), "the offence planted for `{}` also offends: {others:?}", rule.name);
        }
        for (path, text) in rule.allowed {
            let found = complaints(rule, &Source::new(path, &planted(text)));
            assert!(found.is_empty(), "`{}` is too strict: {found:?}", rule.name);
        }
    }
}

#[test]
fn comments_and_texts_do_not_count_as_code() {
    let source = Source::new("src/base/x.rs", "// use std::fs;\nlet a = \"std::fs and {\"; /* { */ let b = '{';\n");
    assert!(!source.code().contains("std::fs") && !source.code().contains('{'), "{}", source.code());
    assert_eq!(source.text().lines().count(), source.code().lines().count());
}

#[test]
fn functions_and_structs_are_measured_whatever_their_generics() {
    let text = "fn long<T: Fn(u8) -> u8>(a: T, b: (u8, u8), c: [u8; 2]) -> impl Fn(u8, u8)\nwhere T: Copy {\n  1;\n}\n\
                struct Pair<T> {\n  a: Vec<(T, T)>,\n  pub b: u8,\n}\nfn decl(a: u8);\n";
    let source = Source::new("src/base/x.rs", text);
    let functions: Vec<_> = source.functions().iter().map(|f| (f.name.clone(), f.lines, f.parameters)).collect();
    assert_eq!(functions, [("long".to_owned(), 4, 3), ("decl".to_owned(), 1, 1)]);
    let structs: Vec<_> = source.structs().iter().map(|s| (s.name.clone(), s.fields)).collect();
    assert_eq!(structs, [("Pair".to_owned(), 2)]);
}

fn complaints(rule: &Rule, source: &Source) -> Vec<String> {
    let found = (rule.check)(source);
    found.into_iter().map(|(line, what)| format!("{}:{line}: {}: {what}", source.path(), rule.name)).collect()
}

/// A planted text under a proper header, unless it brings (or lacks) one on purpose.
fn planted(text: &str) -> String {
    match text.strip_prefix("NO HEADER\n") {
        Some(text) => text.to_owned(),
        None => format!("//! A planted file.\n//!\n//! Owns: an offence.\n//! Never does: run.\n\n{text}"),
    }
}
