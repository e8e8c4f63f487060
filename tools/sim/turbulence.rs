//! What befalls the nodes of a simulation.
//!
//! Owns: the options of coming and going, of rough weather and of single blows, their defaults and limits.
//! Never does: let any of it happen (`overlay.rs` does).

use arras::base::{Instant, Span};
use arras::sim::churn::{Habits, Lifetimes, Night, Pattern};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Nodes that come and go from when the overlay stands; not when built directly.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Churn {
    /// How long a node stays before it crashes, in the mean [default: for good]
    #[arg(long, value_name = "MINUTES")]
    pub session_min: Option<f64>,
    /// The shape of their Weibull distribution: 1 is exponential, below 1 few last very long [default: 1]
    #[arg(long, value_name = "SHAPE")]
    pub session_shape: Option<f64>,
    /// How long it is away, in the mean, exponentially; it comes back with its key, its disk and its saved contacts
    /// [default: as long as it stays]
    #[arg(long, value_name = "MINUTES")]
    pub absence_min: Option<f64>,
    /// Measured sessions: each node is there when this file says. CSV, plain or gzip, with the heading `node,up_s,down_s`:
    /// a node's name, and from when to when it is there, in seconds. --nodes bounds how many of its nodes are taken, the
    /// first ones; the overlay is built of those that are there at --sessions-from
    #[arg(long, value_name = "FILE.csv")]
    pub sessions: Option<PathBuf>,
    /// The second of the measured sessions at which the overlay stands [default: 0]
    #[arg(long, value_name = "SECONDS")]
    pub sessions_from: Option<f64>,
    /// This share of the nodes is away at midnight, none of them at noon, a sine between [default: none]
    #[arg(long, value_name = "SHARE")]
    pub diurnal: Option<f64>,
    /// What time of day it is when the overlay stands, in hours after midnight [default: 12]
    #[arg(long, value_name = "HOURS")]
    pub hour: Option<f64>,
    /// This share of the nodes stays for 30 s and is away for 10 s, in the mean, over and over [default: none]
    #[arg(long, value_name = "SHARE")]
    pub flapping: Option<f64>,
    /// This share of the nodes always stays [default: none]
    #[arg(long, value_name = "SHARE")]
    pub steady: Option<f64>,
    /// This share of those that come back have lost their disk and saved contacts, not their key [default: none]
    #[arg(long, value_name = "SHARE")]
    pub lost_disks: Option<f64>,
}

/// Rough weather from when the overlay stands (clocks: always); not when built directly.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rough {
    /// Share of packets lost [default: none]
    #[arg(long, value_name = "SHARE")]
    pub loss: Option<f64>,
    /// Each packet takes up to this share longer than the underlay says, so that they overtake one another [default: none]
    #[arg(long, value_name = "SHARE")]
    pub jitter: Option<f64>,
    /// Share of datagrams that arrive twice [default: none]
    #[arg(long, value_name = "SHARE")]
    pub duplication: Option<f64>,
    /// Each way takes up to this share longer or shorter than the underlay says, and the way back as much shorter or longer
    /// [default: none]
    #[arg(long, value_name = "SHARE")]
    pub asymmetry: Option<f64>,
    /// Each node's uplink carries so many kilobits per second, headers included; what is sent meanwhile waits, datagrams at
    /// most a second [default: any number]
    #[arg(long, value_name = "KBIT_PER_S")]
    pub uplink_kbit: Option<u64>,
    /// This share of the nodes is grey: all that comes to them and goes from them is late [default: none]
    #[arg(long, value_name = "SHARE")]
    pub grey: Option<f64>,
    /// How late [default: 250]
    #[arg(long, value_name = "MS")]
    pub grey_ms: Option<f64>,
    /// Between the two of this share of all pairs of nodes packets pass in one direction only [default: none]
    #[arg(long, value_name = "SHARE")]
    pub one_way: Option<f64>,
    /// Each node's clock is at most so many millionths fast or slow [default: 0]
    #[arg(long, value_name = "PPM")]
    pub drift_ppm: Option<u32>,
}

/// Single blows, when the measured lookups begin; not when built directly.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blows {
    /// This share of the nodes crashes at one moment [default: none]
    #[arg(long, value_name = "SHARE")]
    pub mass_death: Option<f64>,
    /// As many as this share of the nodes begin to join at one moment [default: none]
    #[arg(long, value_name = "SHARE")]
    pub mass_join: Option<f64>,
    /// This share of the sites (hosts of a latency file that several nodes share, or stub domains), one at least, crash
    /// whole at one moment, and are back together after --site-away-min [default: none]
    #[arg(long, value_name = "SHARE")]
    pub site_death: Option<f64>,
    /// How long dead sites are away [default: 5]
    #[arg(long, value_name = "MINUTES")]
    pub site_away_min: Option<f64>,
    /// Before the measured lookups the network is in two halves for so long; then it is measured when it is one again
    /// [default: never]
    #[arg(long, value_name = "MINUTES")]
    pub partition_min: Option<f64>,
    /// The same with all links down [default: never]
    #[arg(long, value_name = "MINUTES")]
    pub outage_min: Option<f64>,
}

impl Churn {
    /// These, and where they say nothing, those.
    pub fn over(self, below: &Churn) -> Churn {
        Churn {
            session_min: self.session_min.or(below.session_min),
            session_shape: self.session_shape.or(below.session_shape),
            absence_min: self.absence_min.or(below.absence_min),
            sessions: self.sessions.or_else(|| below.sessions.clone()),
            sessions_from: self.sessions_from.or(below.sessions_from),
            diurnal: self.diurnal.or(below.diurnal),
            hour: self.hour.or(below.hour),
            flapping: self.flapping.or(below.flapping),
            steady: self.steady.or(below.steady),
            lost_disks: self.lost_disks.or(below.lost_disks),
        }
    }

    /// Whether nodes come and go.
    pub fn is_any(&self) -> bool {
        self.first_given().is_some()
    }

    /// How they do, if not by measured sessions.
    pub fn habits(&self) -> Habits {
        let minutes = |minutes: f64| super::options::millis(minutes * 60e3);
        let plain = self.session_min.map(|session| Pattern {
            sessions: Lifetimes::of_mean(self.session_shape.unwrap_or(1.0), minutes(session)),
            absences: Lifetimes::of_mean(1.0, minutes(self.absence_min.unwrap_or(session))),
        });
        let night = self.diurnal.map(|depth| Night::of(depth, self.hour.unwrap_or(NOON), Instant::ORIGIN));
        let (sessions, absences) = FLAPS.map(|span| Lifetimes::of_mean(1.0, span)).into();
        let flapping = self.flapping.map(|share| (share, Pattern { sessions, absences }));
        Habits { plain, flapping, steady: self.steady.unwrap_or(0.0), night }
    }

    /// The second of the measured sessions at which the overlay stands.
    pub fn sessions_from(&self) -> Span {
        super::options::millis(self.sessions_from.unwrap_or(0.0) * 1e3)
    }

    /// The option by which nodes come and go.
    fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--session-min", self.session_min.is_some()),
            ("--sessions", self.sessions.is_some()),
            ("--diurnal", self.diurnal.is_some()),
            ("--flapping", self.flapping.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Refuses what makes no sense; `clash` names what cannot be while nodes come and go, and whether it is asked for.
    pub fn check(&self, clash: &[(&str, bool)]) -> Result<(), String> {
        let shares = [("--diurnal", self.diurnal, 0.95), ("--flapping", self.flapping, 1.0)];
        check_shares(&shares)?;
        check_shares(&[("--steady", self.steady, 1.0), ("--lost-disks", self.lost_disks, 1.0)])?;
        let needs = [
            ("--session-shape", self.session_shape.is_some(), "--session-min", self.session_min.is_some()),
            ("--absence-min", self.absence_min.is_some(), "--session-min", self.session_min.is_some()),
            ("--sessions-from", self.sessions_from.is_some(), "--sessions", self.sessions.is_some()),
            ("--hour", self.hour.is_some(), "--diurnal", self.diurnal.is_some()),
            ("--steady", self.steady.is_some(), "nodes that come and go: --session-min or --diurnal", self.is_any()),
        ];
        if let Some((name, _, other, _)) = needs.iter().find(|(_, given, _, there)| *given && !there) {
            return Err(format!("{name} needs {other}"));
        }
        let drawn = self.session_min.is_some() || self.diurnal.is_some() || self.flapping.is_some();
        if self.sessions.is_some() && (drawn || self.steady.is_some()) {
            let others = "--session-min, --diurnal, --flapping and --steady do not go with it";
            return Err(format!("--sessions says of each node when it is there: {others}"));
        }
        if self.steady.unwrap_or(0.0) + self.flapping.unwrap_or(0.0) > 1.0 {
            return Err("--steady and --flapping are more than all nodes".to_owned());
        }
        if let Some(name) = self.first_given()
            && let Some((other, _)) = clash.iter().find(|(_, given)| *given)
        {
            return Err(format!("{name} does not go with {other}"));
        }
        self.check_spans()
    }

    fn check_spans(&self) -> Result<(), String> {
        let minutes = 0.1..=1e6;
        if [self.session_min, self.absence_min].into_iter().flatten().any(|span| !minutes.contains(&span)) {
            return Err("--session-min and --absence-min take 0.1 to 1000000 minutes".to_owned());
        }
        if self.session_shape.is_some_and(|shape| !(0.2..=5.0).contains(&shape)) {
            return Err("--session-shape takes 0.2 to 5".to_owned());
        }
        if self.sessions_from.is_some_and(|from| !(0.0..=1e9).contains(&from)) {
            return Err("--sessions-from takes 0 to 1000000000 seconds".to_owned());
        }
        match self.hour {
            Some(hour) if !(0.0..24.0).contains(&hour) => Err(format!("--hour takes 0 to below 24, not {hour}")),
            _ => Ok(()),
        }
    }
}

impl Rough {
    /// These, and where they say nothing, those.
    pub fn over(self, below: &Rough) -> Rough {
        Rough {
            loss: self.loss.or(below.loss),
            jitter: self.jitter.or(below.jitter),
            duplication: self.duplication.or(below.duplication),
            asymmetry: self.asymmetry.or(below.asymmetry),
            uplink_kbit: self.uplink_kbit.or(below.uplink_kbit),
            grey: self.grey.or(below.grey),
            grey_ms: self.grey_ms.or(below.grey_ms),
            one_way: self.one_way.or(below.one_way),
            drift_ppm: self.drift_ppm.or(below.drift_ppm),
        }
    }

    /// Refuses what makes no sense.
    pub fn check(&self, is_direct: bool) -> Result<(), String> {
        check_shares(&[("--loss", self.loss, 0.5), ("--grey", self.grey, 1.0), ("--one-way", self.one_way, 0.5)])?;
        let (jitter, twice, leaning) = (self.jitter, self.duplication, self.asymmetry);
        check_shares(&[("--jitter", jitter, 1.0), ("--duplication", twice, 1.0), ("--asymmetry", leaning, 1.0)])?;
        if self.grey_ms.is_some() && self.grey.is_none() {
            return Err("--grey-ms needs --grey".to_owned());
        }
        if self.grey_ms.is_some_and(|late| !(0.0..=60_000.0).contains(&late)) {
            return Err("--grey-ms takes 0 to 60000".to_owned());
        }
        if self.uplink_kbit.is_some_and(|kbit| !(1..=1_000_000_000).contains(&kbit)) {
            return Err("--uplink-kbit takes 1 to 1000000000".to_owned());
        }
        if self.drift_ppm.is_some_and(|ppm| ppm > DRIFT_MAX) {
            return Err(format!("--drift-ppm takes 0 to {DRIFT_MAX}"));
        }
        let given = [
            ("--loss", self.loss.is_some()),
            ("--jitter", self.jitter.is_some()),
            ("--duplication", self.duplication.is_some()),
            ("--asymmetry", self.asymmetry.is_some()),
            ("--uplink-kbit", self.uplink_kbit.is_some()),
            ("--grey", self.grey.is_some()),
            ("--one-way", self.one_way.is_some()),
            ("--drift-ppm", self.drift_ppm.is_some()),
        ];
        refuse_directly(is_direct, &given)
    }

    /// How late everything is at a grey node.
    pub fn grey_by(&self) -> Span {
        super::options::millis(self.grey_ms.unwrap_or(GREY_MS))
    }
}

impl Blows {
    /// These, and where they say nothing, those.
    pub fn over(self, below: &Blows) -> Blows {
        Blows {
            mass_death: self.mass_death.or(below.mass_death),
            mass_join: self.mass_join.or(below.mass_join),
            site_death: self.site_death.or(below.site_death),
            site_away_min: self.site_away_min.or(below.site_away_min),
            partition_min: self.partition_min.or(below.partition_min),
            outage_min: self.outage_min.or(below.outage_min),
        }
    }

    /// Refuses what makes no sense.
    pub fn check(&self, is_direct: bool, churns: bool) -> Result<(), String> {
        let shares = [("--mass-death", self.mass_death, 0.95), ("--mass-join", self.mass_join, 1.0)];
        check_shares(&shares)?;
        check_shares(&[("--site-death", self.site_death, 0.95)])?;
        if self.site_away_min.is_some() && self.site_death.is_none() {
            return Err("--site-away-min needs --site-death".to_owned());
        }
        let spans = [self.site_away_min, self.partition_min, self.outage_min];
        if spans.into_iter().flatten().any(|span| !(0.1..=10_000.0).contains(&span)) {
            return Err("--site-away-min, --partition-min and --outage-min take 0.1 to 10000 minutes".to_owned());
        }
        let given = [
            ("--mass-death", self.mass_death.is_some()),
            ("--mass-join", self.mass_join.is_some()),
            ("--site-death", self.site_death.is_some()),
            ("--partition-min", self.partition_min.is_some()),
            ("--outage-min", self.outage_min.is_some()),
        ];
        refuse_directly(is_direct, &given)?;
        match (self.partition_min, self.outage_min) {
            (Some(_), Some(_)) => Err("--partition-min and --outage-min are two runs".to_owned()),
            (None, None) => Ok(()),
            _ if churns => Err("--partition-min and --outage-min do not go with nodes that come and go".to_owned()),
            _ => Ok(()),
        }
    }

    /// How long dead sites are away.
    pub fn site_away(&self) -> Span {
        super::options::millis(self.site_away_min.unwrap_or(SITE_AWAY_MIN) * 60e3)
    }
}

fn check_shares(shares: &[(&str, Option<f64>, f64)]) -> Result<(), String> {
    let wrong =
        |(_, share, most): &&(&str, Option<f64>, f64)| share.is_some_and(|share| !(0.0..=*most).contains(&share));
    match shares.iter().find(wrong) {
        Some((name, share, most)) => {
            Err(format!("{name} takes a share from 0 to {most}, not {}", share.unwrap_or_default()))
        }
        None => Ok(()),
    }
}

fn refuse_directly(is_direct: bool, given: &[(&str, bool)]) -> Result<(), String> {
    match given.iter().find(|(_, given)| *given && is_direct) {
        Some((name, _)) => Err(format!("{name} does not go with --build direct")),
        None => Ok(()),
    }
}

/// How long a flapping node stays and is away: nobody has noticed that it is gone when it is back. A guess.
const FLAPS: [Span; 2] = [Span::from_secs(30), Span::from_secs(10)];
/// The hour at which nobody sleeps.
const NOON: f64 = 12.0;
/// How late everything is at a grey node: more than most round trips, less than any patience. A guess.
const GREY_MS: f64 = 250.0;
/// A tenth: as far as a clock of the simulator goes.
const DRIFT_MAX: u32 = 100_000;
/// How long a site is without power. A guess.
const SITE_AWAY_MIN: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn churn(change: fn(&mut Churn)) -> Result<(), String> {
        let mut churn = Churn::default();
        change(&mut churn);
        churn.check(&[])
    }

    #[test]
    fn coming_and_going_that_cannot_be_is_refused_by_name() {
        let refused = |change: fn(&mut Churn)| churn(change).expect_err("refused");
        assert!(churn(|c| c.session_min = Some(10.0)).is_ok() && churn(|c| c.diurnal = Some(0.5)).is_ok());
        assert!(refused(|c| c.absence_min = Some(1.0)).contains("--absence-min needs --session-min"));
        assert!(refused(|c| c.hour = Some(1.0)).contains("--hour needs --diurnal"));
        assert!(refused(|c| c.steady = Some(0.1)).contains("--steady needs nodes that come and go"));
        assert!(refused(|c| c.sessions_from = Some(3.0)).contains("--sessions-from needs --sessions"));
        assert!(refused(|c| c.diurnal = Some(1.5)).contains("--diurnal takes a share from 0 to 0.95, not 1.5"));
        assert!(refused(|c| (c.diurnal, c.hour) = (Some(0.5), Some(24.0))).contains("--hour"));
        assert!(refused(|c| (c.session_min, c.session_shape) = (Some(9.0), Some(0.1))).contains("--session-shape"));
        assert!(refused(|c| (c.session_min, c.absence_min) = (Some(9.0), Some(0.0))).contains("--absence-min"));
        assert!(refused(|c| (c.sessions, c.flapping) = (Some("x".into()), Some(0.1))).contains("--sessions says"));
        assert!(refused(|c| (c.steady, c.flapping) = (Some(0.6), Some(0.6))).contains("more than all"));
        let clashing = Churn { flapping: Some(0.1), ..Churn::default() };
        assert_eq!(clashing.check(&[("--survey", true)]), Err("--flapping does not go with --survey".to_owned()));
    }

    #[test]
    fn weather_and_blows_that_cannot_be_are_refused_by_name() {
        let rough = |rough: Rough, is_direct| rough.check(is_direct).expect_err("refused");
        assert!(rough(Rough { one_way: Some(0.6), ..Rough::default() }, false).contains("--one-way"));
        assert!(rough(Rough { jitter: Some(1.5), ..Rough::default() }, false).contains("--jitter"));
        assert!(rough(Rough { asymmetry: Some(0.5), ..Rough::default() }, true).contains("--build direct"));
        assert!(rough(Rough { grey_ms: Some(6.0), ..Rough::default() }, false).contains("--grey-ms needs --grey"));
        assert!(rough(Rough { drift_ppm: Some(50), ..Rough::default() }, true).contains("--build direct"));
        assert!(rough(Rough { drift_ppm: Some(1 << 20), ..Rough::default() }, false).contains("--drift-ppm"));
        let blows = |blows: Blows, churns| blows.check(false, churns).expect_err("refused");
        let parted = Blows { partition_min: Some(1.0), ..Blows::default() };
        assert!(blows(parted.clone(), true).contains("do not go with nodes that come and go"));
        assert!(blows(Blows { outage_min: Some(1.0), ..parted }, false).contains("two runs"));
        assert!(blows(Blows { site_away_min: Some(1.0), ..Blows::default() }, false).contains("--site-away-min"));
    }
}
