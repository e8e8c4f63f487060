//! The stored values of a simulation: put before nodes come and go, asked for while they do, counted at the end.
//!
//! Owns: the order of work, what repair cost against what it must, the JSON field and the lines of the text.
//! Never does: count what was sent for puts as repair, or leave out a get that failed.

use super::options::Options;
use arras::base::Chance;
use arras::runtime::lab::measure::Figures;
use arras::sim::stored::{Account, Deposited, Gotten, draw_values};
use arras::sim::{Sent, Stage};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What came of it.
pub struct Stored {
    deposited: Deposited,
    gotten: Vec<Gotten>,
    account: Account,
    /// Messages and bytes of repair by kind, while gets were asked.
    repair: Vec<(&'static str, u64, u64)>,
    /// Crashes meanwhile, and the bytes of values those nodes kept.
    crashes: usize,
    kept_by_crashed: u64,
}

/// Puts what the options say; nothing if they say nothing.
pub fn put(stage: &mut Stage, options: &Options, chance: &mut Chance, bar: &ProgressBar) -> Option<Deposited> {
    let count = options.objects.store?;
    super::overlay::counting(bar, "putting", count);
    let values = draw_values(&mut chance.fork(), count);
    let per_second = options.rate() * options.nodes() as f64;
    let deposited = stage.store_all(&values, &mut chance.fork(), per_second, &mut |done| bar.set_position(done as u64));
    stage.pass(super::options::AFTER_PUTS);
    Some(deposited)
}

/// Asks for what was put, as long as the options say.
pub fn watch(
    stage: &mut Stage,
    options: &Options,
    deposited: Option<Deposited>,
    chance: &mut Chance,
    bar: &ProgressBar,
) -> Option<Stored> {
    let deposited = deposited?;
    let count = (options.store_hours() * 3_600.0 * options.gets_per_s()).round() as usize;
    super::overlay::counting(bar, "getting", count);
    let crashed = |stage: &Stage| stage.churn().map_or((0, 0), |churn| (churn.crashes, churn.kept_by_crashed));
    let (before, (crashes, kept)) = (stage.world.sent().clone(), crashed(stage));
    let pace = (count, options.gets_per_s());
    let mut progress = |done| bar.set_position(done as u64);
    let gotten = stage.get_all(&deposited.objects, &mut chance.fork(), pace, &mut progress);
    let after = crashed(stage);
    let account = stage.account(&deposited.objects);
    let repair = repair(stage.world.sent(), &before);
    Some(Stored { deposited, gotten, account, repair, crashes: after.0 - crashes, kept_by_crashed: after.1 - kept })
}

/// The stored values as JSON; null if there were none.
pub fn json(options: &Options, stored: Option<&Stored>) -> Value {
    let Some(stored) = stored else { return Value::Null };
    let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut had, mut excused, mut took_ms) = (0, 0, Vec::new());
    for gotten in &stored.gotten {
        match gotten {
            Gotten::Value(took) => (had, _) = (had + 1, took_ms.push(took.as_millis_f64())),
            Gotten::Excused => excused += 1,
            Gotten::Failed(why) => *failures.entry(why).or_default() += 1,
        }
    }
    let asked = stored.gotten.len() - excused;
    let by_kind: serde_json::Map<String, Value> = stored
        .repair
        .iter()
        .map(|(kind, messages, bytes)| ((*kind).to_owned(), json!({ "messages": messages, "bytes": bytes })))
        .collect();
    let bytes: u64 = stored.repair.iter().map(|(.., bytes)| bytes).sum();
    json!({
        "put": stored.deposited.objects.len(),
        "records": stored.deposited.records,
        "put_failed": stored.deposited.failures.len(),
        "hours": options.store_hours(),
        "gets": asked,
        "gets_excused": excused,
        "gets_failed": asked - had,
        "first_try_share": had as f64 / asked.max(1) as f64,
        "failures": failures,
        "get_ms": Figures::of(took_ms.into_iter()),
        "lost": stored.account.lost,
        "out_of_reach": stored.account.out_of_reach,
        "copies": Figures::of(stored.account.copies.iter().map(|copies| *copies as f64)),
        "fewest_copies": stored.account.copies.iter().min(),
        "crashes": stored.crashes,
        "disks": "crashed nodes keep their disk",
        "repair": by_kind,
        "repair_bytes": bytes,
        "theory_bytes": stored.kept_by_crashed,
        "repair_over_theory": (stored.kept_by_crashed > 0).then(|| bytes as f64 / stored.kept_by_crashed as f64),
    })
}

/// The lines for people; nothing if nothing was put.
pub fn text(outcome: &Value) -> String {
    let stored = &outcome["stored"];
    if !stored.is_object() {
        return String::new();
    }
    let float = |of: &Value| of.as_f64().unwrap_or(0.0);
    let ratio = stored["repair_over_theory"].as_f64().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "\n{} values put ({} of them records, {} refused), asked for during {} h; {}\n\
         lost {}, out of reach {}; copies {:.2} in the mean, {} at the least\n\
         {} gets, {} failed: {:.4} % had at the first try, {:.0} ms in the mean\n\
         repair {} bytes; {} crashed nodes kept {} bytes: {ratio} times what must be copied\n",
        stored["put"],
        stored["records"],
        stored["put_failed"],
        stored["hours"],
        stored["disks"].as_str().unwrap_or("-"),
        stored["lost"],
        stored["out_of_reach"],
        float(&stored["copies"]["mean"]),
        stored["fewest_copies"],
        stored["gets"],
        stored["gets_failed"],
        float(&stored["first_try_share"]) * 100.0,
        float(&stored["get_ms"]["mean"]),
        stored["repair_bytes"],
        stored["crashes"],
        stored["theory_bytes"],
    )
}

/// What makes the command fail although it ran.
pub fn verdict(outcome: &Value) -> Result<(), String> {
    match outcome["stored"]["lost"].as_u64() {
        Some(lost) if lost > 0 => Err(format!("{lost} of {} values are lost", outcome["stored"]["put"])),
        _ => Ok(()),
    }
}

fn repair(sent: &Sent, before: &Sent) -> Vec<(&'static str, u64, u64)> {
    sent.since(before).into_iter().filter(|(kind, messages, _)| REPAIR.contains(kind) && *messages > 0).collect()
}

/// What repair says, each kind by its name.
const REPAIR: [&str; 7] = ["compare", "compared", "offer", "wanted", "kept", "push", "pushed"];
