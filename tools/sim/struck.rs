//! After many crashed or joined at one moment.
//!
//! Owns: how the lookups asked since then fared, and from when on all was well again.
//! Never does: strike (`befall.rs` does), or judge a lookup.

use super::befall::Struck;
use super::overlay::Found;
use arras::base::Span;
use arras::sim::Joined;
use arras::survey::distribution::Summary;
use arras::survey::number::decimals;
use serde_json::{Value, json};

/// How the lookups fared after many crashed or joined at once; null if none did.
pub fn json(found: &Found, struck: &Struck) -> Value {
    if struck.killed + struck.joining == 0 {
        return Value::Null;
    }
    let fates = found.looks.iter().zip(&found.is_right).map(|(look, right)| (look.asked.since(struck.at), *right));
    let fates: Vec<(Span, bool)> = fates.collect();
    let failed_between = |from: u64, to: u64| {
        let there = |at: &Span| *at >= Span::from_secs(from) && *at < Span::from_secs(to);
        let asked = fates.iter().filter(|(at, _)| there(at));
        let failed = asked.clone().filter(|(_, right)| !right).count();
        json!({ "lookups": asked.count(), "failed": failed })
    };
    json!({
        "killed": struck.killed,
        "joining": struck.joining,
        "sites": struck.sites,
        "joined": joined(struck),
        "recovered_after_s": recovered(&fates).map(Span::as_secs_f64),
        "within_10_s": failed_between(0, 10),
        "within_30_s": failed_between(10, 30),
        "later": failed_between(30, u64::from(u32::MAX)),
    })
}

/// What joining took those that are ready: seconds, messages (sent and received; a dial counts as one), and the time in
/// round trips as each has them to the others in the median.
fn joined(struck: &Struck) -> Value {
    let all = |of: fn(&(Joined, Span)) -> f64| Summary::of(struck.joined.iter().map(of));
    json!({
        "ready": struck.joined.len(),
        "s": all(|(joined, _)| joined.after.as_secs_f64()),
        "messages": all(|(joined, _)| joined.messages as f64),
        "round_trips": all(|(joined, trip)| joined.after.as_secs_f64() / trip.as_secs_f64().max(1e-6)),
    })
}

/// When all went well again: of the lookups asked from then on 99.9 % were right.
fn recovered(fates: &[(Span, bool)]) -> Option<Span> {
    let (mut wrong, mut since) = (0_usize, None);
    for (count, (at, right)) in fates.iter().rev().enumerate() {
        wrong += usize::from(!right);
        if wrong * 1_000 <= count + 1 {
            since = Some(*at);
        }
    }
    since
}

/// The same for people.
pub fn lines(struck: &Value) -> Vec<(String, String)> {
    let count = |window: &str, what: &str| struck[window][what].as_u64().unwrap_or(0);
    let window = |name: &str| format!("{} of {}", count(name, "failed"), count(name, "lookups"));
    let windows = ["within_10_s", "within_30_s", "later"].map(window).join(" / ");
    let after = struck["recovered_after_s"].as_f64().map_or("not yet".to_owned(), |s| format!("{s:.1}"));
    let joined = &struck["joined"];
    let median = |what: &str| joined[what]["p50"].as_f64().map_or("-".to_owned(), |value| decimals(value, 1));
    let took = ["s", "messages", "round_trips"].map(median).join(" / ");
    vec![
        ("crashed / joining at once".to_owned(), format!("{} / {}", struck["killed"], struck["joining"])),
        ("sites that died whole".to_owned(), struck["sites"].to_string()),
        ("failed of those asked in 10 s / then to 30 s / later".to_owned(), windows),
        ("all well again after s".to_owned(), after),
        ("joined; s / messages / round trips it took, median".to_owned(), format!("{}; {took}", joined["ready"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_well_again_from_the_moment_after_which_one_in_a_thousand_fails() {
        let fates = |wrong: &[usize]| -> Vec<(Span, bool)> {
            (0..5_000).map(|each| (Span::from_millis(each as u64 * 10), !wrong.contains(&each))).collect()
        };
        assert_eq!(recovered(&fates(&[])), Some(Span::ZERO));
        let first: Vec<usize> = (0..300).collect();
        assert_eq!(recovered(&fates(&first)), Some(Span::from_millis(2_960)), "four of the last 4,704 may fail");
        assert_eq!(recovered(&fates(&[4_999])), Some(Span::ZERO), "one of all may fail");
        assert_eq!(recovered(&fates(&(4_900..5_000).collect::<Vec<_>>())), None);
    }
}
