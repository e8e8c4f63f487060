//! What befalls the nodes of a simulation, carried out.
//!
//! Owns: the weather, the coming and going, the rift and the blow of the options, each at its moment.
//! Never does: judge how the nodes fare (`outcome.rs` does).

use super::options::Options;
use crate::output::{Exit, FAILED};
use arras::base::{Chance, Span};
use arras::sim::churn::Churn;
use arras::sim::mend::{Mended, Rift};
use arras::sim::{Joined, Stage};
use serde_json::{Value, json};

/// The coming and going of a whole run.
pub struct ChurnFound {
    /// Crashes, and returns.
    pub crashes: usize,
    pub returns: usize,
    /// Returns without disk.
    pub disks_lost: usize,
    /// Measured lookups left out since their asker crashed.
    pub excused: usize,
    /// Nodes that run at the end.
    pub up: usize,
}

/// Many at once, at the moment the measured lookups began.
pub struct Struck {
    /// Nodes killed, and nodes that began to join.
    pub killed: usize,
    pub joining: usize,
    /// Nodes before them: those that join are numbered from here on.
    pub before: usize,
    /// Sites that died whole; their nodes are among those killed.
    pub sites: usize,
    /// When, since the beginning of the run.
    pub at: arras::base::Instant,
    /// What joining took those that are ready by the end, and the round trip each has to the others in the median.
    pub joined: Vec<(Joined, Span)>,
}

impl Struck {
    /// The lookups are over: what it took those to join that have.
    pub fn look_back(&mut self, stage: &Stage) {
        let nodes = stage.world.nodes().iter().enumerate().skip(self.before).take(self.joining);
        let step = self.before.div_ceil(PEERS_LOOKED_AT).max(1);
        for (node, joined) in nodes.filter_map(|(index, node)| Some((index, node.joined()?))) {
            let there = (0..self.before).step_by(step).map(|peer| stage.world.plan().underlay.round_trip(node, peer));
            let mut trips: Vec<Span> = there.collect();
            trips.sort_unstable();
            self.joined.extend(trips.get(trips.len() / 2).map(|trip| (joined, *trip)));
        }
    }
}

impl ChurnFound {
    /// What came and went by now, if anything does.
    pub fn of(stage: &Stage, excused: usize) -> Option<ChurnFound> {
        let churn = stage.churn()?;
        let (crashes, returns, disks_lost) = (churn.crashes, churn.returns, churn.disks_lost);
        Some(ChurnFound { crashes, returns, disks_lost, excused, up: stage.up().len() })
    }

    /// As JSON, with what was taken of measured sessions.
    pub fn json(&self, options: &Options) -> Value {
        json!({
            "crashes": self.crashes,
            "returns": self.returns,
            "disks_lost": self.disks_lost,
            "excused": self.excused,
            "up": self.up,
            "sessions": options.traced.as_ref().map(|traced| traced.json()),
        })
    }
}

/// The overlay stands: the weather turns rough, and nodes begin to come and go.
pub fn begin(stage: &mut Stage, options: &Options, chance: &mut Chance) {
    let (churn, rough) = (&options.churn, &options.rough);
    let weather = &mut stage.world.weather;
    weather.loss = rough.loss.unwrap_or(0.0);
    weather.jitter = rough.jitter.unwrap_or(0.0);
    weather.duplication = rough.duplication.unwrap_or(0.0);
    weather.uplink = rough.uplink_kbit.map(|kbit| kbit * 125);
    if let Some(share) = rough.asymmetry {
        weather.lean(share, chance.next_u64());
    }
    if churn.is_any() {
        let losing = |churn: Churn| churn.losing_disks(options.churn.lost_disks.unwrap_or(0.0));
        match &options.traced {
            Some(traced) => {
                let churn = losing(Churn::new(Default::default(), chance.fork()));
                stage.begin_traced(&traced.trace, traced.from, churn);
            }
            None => stage.begin_churn(losing(Churn::new(churn.habits(), chance.fork()))),
        }
    }
    if let Some(share) = rough.grey {
        let mut chance = chance.fork();
        for node in (0..options.nodes_in_all()).filter(|_| chance.happens(share)) {
            stage.world.weather.slow_down(node, rough.grey_by());
        }
    }
    if let Some(share) = rough.one_way {
        stage.world.weather.break_ways(share, chance.next_u64());
    }
}

/// The network is split or down for a while, if the options say so; then it is looked at how it mends.
pub fn rift(stage: &mut Stage, options: &Options, chance: &mut Chance) -> Option<Mended> {
    let (halves, outage) = (options.blows.partition_min, options.blows.outage_min);
    let (rift, minutes) = halves.map(|span| (Rift::Halves, span)).or(outage.map(|span| (Rift::Outage, span)))?;
    Some(stage.rift(rift, super::options::millis(minutes * 60e3), &mut chance.fork()))
}

/// Kills and adds as many nodes at once as the options say.
pub fn strike(stage: &mut Stage, options: &Options, chance: &mut Chance) -> Result<Struck, Exit> {
    let mut up = stage.up();
    chance.shuffle(&mut up);
    let share = |share: f64| (up.len() as f64 * share).round() as usize;
    let (mut killed, joining) = (share(options.mass_death()), share(options.mass_join()));
    up.iter().take(killed).for_each(|node| stage.kill(*node));
    let mut struck = 0;
    if let Some(share) = options.blows.site_death {
        let mut sites: Vec<usize> = sites(stage)?;
        chance.shuffle(&mut sites);
        struck = ((sites.len() as f64 * share).round() as usize).max(1);
        for site in sites.into_iter().take(struck) {
            killed += stage.strike_site(site, options.blows.site_away());
        }
    }
    let before = stage.world.nodes().len();
    stage.join_crowd(joining);
    Ok(Struck { killed, joining, before, sites: struck, at: stage.now(), joined: Vec::new() })
}

/// All sites; refuses an underlay on which no two nodes share one.
fn sites(stage: &Stage) -> Result<Vec<usize>, Exit> {
    let sites = stage.sites();
    if sites.values().all(|nodes| nodes.len() < 2) {
        let how = "take a transit-stub, or a latency file and more nodes than it has hosts";
        return Err(Exit::new(FAILED, format!("--site-death: no two nodes share a site; {how}")));
    }
    Ok(sites.into_keys().collect())
}

/// How it mended as JSON; null if nothing was split.
pub fn mended_json(mended: Option<&Mended>) -> Value {
    let Some(mended) = mended else { return Value::Null };
    let after = |span: Option<Span>| span.map(Span::as_secs_f64);
    json!({
        "rift": match mended.rift {
            Rift::Halves => "partition",
            Rift::Outage => "outage",
        },
        "lasted_s": mended.lasted.as_secs_f64(),
        "ring_after_s": after(mended.ring),
        "roots_after_s": after(mended.roots),
        "records_after_s": after(mended.records),
        "records": mended.written,
        "unwritten": mended.unwritten,
        "wrong_at_rest": mended.wrongs.iter().map(|wrong| wrong.to_string()).collect::<Vec<_>>(),
    })
}

/// The same for people.
pub fn mended_lines(mended: &Value) -> Vec<(String, String)> {
    let after = |name: &str| mended[name].as_f64().map_or("not yet".to_owned(), |s| format!("{s:.0}"));
    let all = ["ring_after_s", "roots_after_s", "records_after_s"].map(after).join(" / ");
    let wrong = mended["wrong_at_rest"].as_array().map_or(0, Vec::len);
    let rift = mended["rift"].as_str().unwrap_or("-");
    let minutes = mended["lasted_s"].as_f64().unwrap_or(0.0) / 60.0;
    vec![
        (format!("after {minutes} min of {rift}: leaf sets exact / one root a key / newest records, s"), all),
        ("records / writes refused".to_owned(), format!("{} / {}", mended["records"], mended["unwritten"])),
        ("wrong at rest".to_owned(), wrong.to_string()),
    ]
}

/// What makes the command fail although it ran: what never mended, or is wrong at rest.
pub fn mended_verdict(mended: &Value) -> Result<(), String> {
    if !mended.is_object() {
        return Ok(());
    }
    for name in ["ring_after_s", "roots_after_s", "records_after_s"] {
        if mended[name].is_null() {
            return Err(format!("the network did not mend: mended.{name} is null"));
        }
    }
    match mended["wrong_at_rest"].as_array().and_then(|wrongs| wrongs.first()) {
        Some(wrong) => Err(format!("at rest after the network mended: {wrong}")),
        None => Ok(()),
    }
}

/// Peers whose round trips tell what a node's usual one is. A guess: the median of so many is off by a few percent.
const PEERS_LOOKED_AT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_mended_or_is_wrong_at_rest_fails() {
        let mended = |after: Option<f64>, wrongs: &[&str]| json!({ "ring_after_s": 1.0, "roots_after_s": after, "records_after_s": 3.0, "wrong_at_rest": wrongs });
        assert_eq!(mended_verdict(&Value::Null), Ok(()));
        assert_eq!(mended_verdict(&mended(Some(2.0), &[])), Ok(()));
        assert!(mended_verdict(&mended(None, &[])).is_err_and(|why| why.contains("roots_after_s")));
        assert!(mended_verdict(&mended(Some(2.0), &["x"])).is_err());
        assert_eq!(mended_lines(&mended(None, &[]))[0].1, "1 / not yet / 3");
    }
}
