//! What a simulation is made of.
//!
//! Owns: the options, as flags and as the keys of a scenario file, their defaults and limits.
//! Never does: run anything.

use super::traced::Traced;
use super::turbulence::{Blows, Churn, Rough};
use crate::latency::MissingEntries;
use crate::output::{Exit, USAGE};
use arras::base::{Instant, Span};
use arras::sim::stored::HOURS_MAX;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All options. What is not given here is taken from the scenario, else the default.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub tables: Tables,
    #[command(flatten)]
    pub lookups: Lookups,
    #[command(flatten)]
    pub churn: Churn,
    #[command(flatten)]
    pub rough: Rough,
    #[command(flatten)]
    pub blows: Blows,
    #[command(flatten)]
    pub objects: Objects,
    #[command(flatten)]
    pub survey: Survey,
    /// The measured sessions, once they are read.
    #[arg(skip)]
    #[serde(skip)]
    pub traced: Option<Arc<Traced>>,
}

/// What is kept of who knows whom.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Survey {
    /// Surveys who knows whom, and the load of the measured lookups (traced, if messages carry them), into this
    /// directory: survey.json, topology.svg, topology.graphml, figures.csv, removal.csv, partition.csv, nodes.csv,
    /// edges.csv; of several runs or seeds each into a directory below it
    #[arg(long = "survey", value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// The nodes and what lies below them.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// How many nodes [default: 100]
    #[arg(long)]
    pub nodes: Option<usize>,
    /// Latencies: a file as `arras lab --latency` reads it, `transit-stub` (5,050 routers), `transit-stub-1092`,
    /// `plane`, `sphere`, or `none` (20 ms everywhere) [default: none]
    #[arg(long, value_name = "FILE|NAME")]
    pub underlay: Option<String>,
    /// One way over one access link, in ms; both ends add theirs. On a latency file only where there are more nodes
    /// than hosts [default: 1]
    #[arg(long, value_name = "MS")]
    pub access_ms: Option<f64>,
    /// One way along the side of the plane, or from pole to pole of the sphere, in ms [default: 100]
    #[arg(long, value_name = "MS")]
    pub side_ms: Option<f64>,
    /// What to do about missing entries of the latency file [default: fill]
    #[arg(long, value_enum)]
    pub missing: Option<MissingEntries>,
    /// Draws everything [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Runs under this many seeds, that one and those after it, with means and 95 % intervals at the end [default: 1]
    #[arg(long)]
    pub seeds: Option<u64>,
}

/// What the nodes know of each other, and how they come to know it.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tables {
    /// How the overlay comes about [default: crowd]
    #[arg(long, value_enum)]
    pub build: Option<Build>,
    /// Leaf-set members on each side [default: 16]
    #[arg(long, value_name = "PER_SIDE")]
    pub leaf_set: Option<usize>,
    /// Contacts in each slot of the prefix table [default: 3]
    #[arg(long)]
    pub contacts_per_slot: Option<usize>,
    /// Links each node keeps, leaf set included [default: 256]
    #[arg(long)]
    pub link_budget: Option<usize>,
    /// Built directly only: nodes looked at to fill a slot; without meaning where --gossip fills it [default: 32]
    #[arg(long)]
    pub sample: Option<usize>,
    /// Built directly only: slots are filled at random and then by so many rounds of constrained gossip, not from a
    /// sample [default: none]
    #[arg(long, value_name = "ROUNDS")]
    pub gossip: Option<usize>,
    /// Whether nodes tell their neighbours what their links cost, and go through others where that is quicker; where built
    /// directly --adverts says it [default: true]
    #[arg(long)]
    pub detours: Option<bool>,
    /// Built directly only: links each node tells its neighbours of, 0 for none [default: 64]
    #[arg(long)]
    pub adverts: Option<usize>,
    /// Built directly only: bits a slot fixes, 1 to 8 [default: 4]
    #[arg(long)]
    pub slot_bits: Option<u32>,
    /// Built directly only: whether nodes know coordinates [default: true]
    #[arg(long)]
    pub coordinates: Option<bool>,
    /// Seconds of virtual time to let the tables come to rest at most; not when built directly [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub settle: Option<u64>,
}

/// What is asked of them.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lookups {
    /// Random lookups to measure [default: 5000]
    #[arg(long)]
    pub lookups: Option<usize>,
    /// Lookups before, unmeasured: they teach the nodes what lies ahead [default: 40 a node; 20,000 if built directly]
    #[arg(long)]
    pub warm_up: Option<usize>,
    /// Keys whose root up to 20 nodes each are asked for [default: 50]
    #[arg(long)]
    pub keys: Option<usize>,
    /// Lookups each node asks per second, and claims and asks for objects; without meaning if built directly
    /// [default: 1]
    #[arg(long, value_name = "PER_S")]
    pub rate: Option<f64>,
    /// Only nodes of this site ask in the measured lookups: the host of a latency file by its number there, from 0, or a stub
    /// domain [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub asker_site: Option<usize>,
    /// Built directly only: whether lookups teach what lies ahead (one experience, shared by all nodes); else the
    /// rule goes by its guess alone [default: true]
    #[arg(long)]
    pub learning: Option<bool>,
    /// Built directly only: how the next hop is chosen [default: expected-latency]
    #[arg(long, value_enum)]
    pub rule: Option<RuleName>,
    /// Built directly only: roots beyond its links that each asker remembers [default: none]
    #[arg(long, value_name = "COUNT")]
    pub remember: Option<usize>,
    /// Built directly only: this share of the nodes is dead, unknown to the rest; lookups are of living nodes' ids
    /// [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub dead: Option<f64>,
}

/// Objects that nodes hold and ask for, after the lookups.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Objects {
    /// Objects each node publishes; not when built directly, where each is asked for once and nothing is published
    /// [default: none]
    #[arg(long, value_name = "COUNT")]
    pub objects_per_node: Option<usize>,
    /// Nodes that hold each object: the one that made it and others at random; if built directly those numerically
    /// closest to its key [default: 1]
    #[arg(long, value_name = "COUNT")]
    pub copies: Option<usize>,
    /// Random objects held by others that each node asks for [default: none]
    #[arg(long, value_name = "COUNT")]
    pub asks_per_node: Option<usize>,
    /// Values put before nodes come and go, of 100 bytes, each tenth one a record; not when built directly
    /// [default: none]
    #[arg(long, value_name = "COUNT")]
    pub store: Option<usize>,
    /// Hours of virtual time in which they are asked for, at the end [default: 1]
    #[arg(long, value_name = "HOURS")]
    pub store_hours: Option<f64>,
    /// Random ones of them asked for in a second, by all nodes together [default: 1]
    #[arg(long, value_name = "PER_S")]
    pub gets_per_s: Option<f64>,
}

/// What `--build` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Build {
    /// By the whole protocol, one node after another
    Protocol,
    /// By the whole protocol, in crowds as large as what is there already
    Crowd,
    /// Tables filled directly from a sample for each slot; lookups carried by the Forwarder's rule
    Direct,
}

/// What `--rule` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleName {
    /// Of all that is progress the lowest expected latency to the root: what nodes do
    #[default]
    ExpectedLatency,
    /// Of those that share more digits the nearest
    BestContact,
    /// Of those that share the most digits the nearest
    LongestPrefix,
}

impl Options {
    /// These, and where they say nothing, those.
    pub fn over(self, below: &Options) -> Options {
        let (network, tables, lookups, objects) = (&below.network, &below.tables, &below.lookups, &below.objects);
        Options {
            network: Network {
                nodes: self.network.nodes.or(network.nodes),
                underlay: self.network.underlay.or_else(|| network.underlay.clone()),
                access_ms: self.network.access_ms.or(network.access_ms),
                side_ms: self.network.side_ms.or(network.side_ms),
                missing: self.network.missing.or(network.missing),
                seed: self.network.seed.or(network.seed),
                seeds: self.network.seeds.or(network.seeds),
            },
            tables: Tables {
                build: self.tables.build.or(tables.build),
                leaf_set: self.tables.leaf_set.or(tables.leaf_set),
                contacts_per_slot: self.tables.contacts_per_slot.or(tables.contacts_per_slot),
                link_budget: self.tables.link_budget.or(tables.link_budget),
                sample: self.tables.sample.or(tables.sample),
                gossip: self.tables.gossip.or(tables.gossip),
                detours: self.tables.detours.or(tables.detours),
                adverts: self.tables.adverts.or(tables.adverts),
                slot_bits: self.tables.slot_bits.or(tables.slot_bits),
                coordinates: self.tables.coordinates.or(tables.coordinates),
                settle: self.tables.settle.or(tables.settle),
            },
            lookups: Lookups {
                lookups: self.lookups.lookups.or(lookups.lookups),
                warm_up: self.lookups.warm_up.or(lookups.warm_up),
                keys: self.lookups.keys.or(lookups.keys),
                rate: self.lookups.rate.or(lookups.rate),
                asker_site: self.lookups.asker_site.or(lookups.asker_site),
                learning: self.lookups.learning.or(lookups.learning),
                rule: self.lookups.rule.or(lookups.rule),
                remember: self.lookups.remember.or(lookups.remember),
                dead: self.lookups.dead.or(lookups.dead),
            },
            churn: self.churn.over(&below.churn),
            rough: self.rough.over(&below.rough),
            blows: self.blows.over(&below.blows),
            objects: Objects {
                objects_per_node: self.objects.objects_per_node.or(objects.objects_per_node),
                copies: self.objects.copies.or(objects.copies),
                asks_per_node: self.objects.asks_per_node.or(objects.asks_per_node),
                store: self.objects.store.or(objects.store),
                store_hours: self.objects.store_hours.or(objects.store_hours),
                gets_per_s: self.objects.gets_per_s.or(objects.gets_per_s),
            },
            survey: Survey { dir: self.survey.dir.or_else(|| below.survey.dir.clone()) },
            traced: None,
        }
    }

    /// Refuses what makes no sense.
    pub fn check(&self) -> Result<(), Exit> {
        let usage = |what: String| Err(Exit::new(USAGE, what));
        let (tables, leaf_set) = (&self.tables, self.leaf_set());
        if !(1..=NODES_MAX).contains(&self.nodes()) {
            return usage(format!("--nodes takes 1 to {NODES_MAX}, not {}", self.nodes()));
        }
        crate::lab::check_tables(leaf_set, self.link_budget(), self.contacts_per_slot()).or_else(usage)?;
        if !(1..=1_000).contains(&self.network.seeds.unwrap_or(1)) {
            return usage("--seeds takes 1 to 1000".to_owned());
        }
        let directly = self.build() == Build::Direct;
        let only = [
            ("--sample", tables.sample.is_some()),
            ("--gossip", tables.gossip.is_some()),
            ("--adverts", tables.adverts.is_some()),
            ("--slot-bits", tables.slot_bits.is_some()),
            ("--coordinates", tables.coordinates.is_some()),
            ("--learning", self.lookups.learning.is_some()),
            ("--rule", self.lookups.rule.is_some()),
            ("--remember", self.lookups.remember.is_some()),
            ("--dead", self.lookups.dead.is_some()),
        ];
        if let Some((name, _)) = only.iter().find(|(_, given)| *given && !directly) {
            return usage(format!("{name} needs --build direct"));
        }
        if directly && tables.detours.is_some() {
            return usage("--detours does not go with --build direct: --adverts 0 is without".to_owned());
        }
        if directly && (tables.settle.is_some() || self.lookups.rate.is_some()) {
            return usage("--settle and --rate mean nothing with --build direct".to_owned());
        }
        if tables.sample == Some(0) || !(1..=8).contains(&self.slot_bits()) {
            return usage("--sample takes at least 1, --slot-bits 1 to 8".to_owned());
        }
        if !(0.0..1.0).contains(&self.dead()) {
            return usage(format!("--dead takes a share from 0 to below 1, not {}", self.dead()));
        }
        if self.survey.dir.is_some() && self.lookups.dead.is_some() {
            return usage("--survey kills shares of the nodes by itself; it goes without --dead".to_owned());
        }
        if !(self.rate() > 0.0 && self.rate() <= 1_000.0) {
            return usage(format!("--rate takes more than 0 and at most 1000, not {}", self.rate()));
        }
        let spans = [self.network.access_ms, self.network.side_ms];
        if spans.into_iter().flatten().any(|ms| !(0.0..=60_000.0).contains(&ms)) {
            return usage("--access-ms and --side-ms take 0 to 60000".to_owned());
        }
        self.check_underlay().or_else(usage)?;
        let checked = self.check_turbulence().and_then(|()| self.check_objects()).and_then(|()| self.check_stored());
        checked.map_err(|what| Exit::new(USAGE, what))
    }

    /// A word that names neither an underlay nor a file is more likely a name misspelt than a file forgotten.
    fn check_underlay(&self) -> Result<(), String> {
        let name = self.underlay();
        if UNDERLAYS.contains(&name) || name.contains(['.', '/']) || Path::new(name).exists() {
            return Ok(());
        }
        let known = UNDERLAYS.join(", ");
        Err(format!("--underlay {name}: there is no such file, and the names are {known}"))
    }

    /// What befalls the nodes.
    fn check_turbulence(&self) -> Result<(), String> {
        let is_direct = self.build() == Build::Direct;
        self.churn.check(&[
            ("--build direct", is_direct),
            ("--asks-per-node", self.objects.asks_per_node.is_some()),
            ("--survey", self.survey.dir.is_some()),
        ])?;
        if self.churn.lost_disks.is_some() && !self.churn.is_any() && self.blows.site_death.is_none() {
            return Err("--lost-disks needs nodes that come back: --session-min, --sessions, --site-death".to_owned());
        }
        self.rough.check(is_direct)?;
        self.blows.check(is_direct, self.churn.is_any())
    }

    fn check_objects(&self) -> Result<(), String> {
        let (objects, directly) = (&self.objects, self.build() == Build::Direct);
        if objects.asks_per_node.is_none() {
            return match objects.objects_per_node.or(objects.copies) {
                Some(_) => Err("--objects-per-node and --copies need --asks-per-node".to_owned()),
                None => Ok(()),
            };
        }
        if directly && objects.objects_per_node.is_some() {
            return Err("--objects-per-node means nothing with --build direct, where nothing is published".to_owned());
        }
        if !directly && objects.objects_per_node.is_none() {
            return Err("--asks-per-node needs --objects-per-node, or --build direct".to_owned());
        }
        if self.dead() > 0.0 {
            return Err("--asks-per-node does not go with --dead: the copies of the dead are lost".to_owned());
        }
        for (name, count) in
            [("--objects-per-node", self.objects_per_node()), ("--asks-per-node", self.asks_per_node())]
        {
            if !(1..=PER_NODE_MAX).contains(&count) {
                return Err(format!("{name} takes 1 to {PER_NODE_MAX}, not {count}"));
            }
        }
        let most = COPIES_MAX.min(self.nodes() - 1);
        if !(1..=most).contains(&self.copies()) {
            let why = format!("{COPIES_MAX}, and fewer than there are nodes");
            return Err(format!("--copies takes 1 to {why}, not {}", self.copies()));
        }
        Ok(())
    }

    fn check_stored(&self) -> Result<(), String> {
        let objects = &self.objects;
        let Some(count) = objects.store else {
            return match objects.store_hours.or(objects.gets_per_s) {
                Some(_) => Err("--store-hours and --gets-per-s need --store".to_owned()),
                None => Ok(()),
            };
        };
        if self.build() == Build::Direct {
            return Err("--store does not go with --build direct".to_owned());
        }
        if !(1..=STORE_MAX).contains(&count) {
            return Err(format!("--store takes 1 to {STORE_MAX}, not {count}"));
        }
        if !(self.store_hours() > 0.0 && self.store_hours() <= HOURS_MAX) {
            return Err(format!("--store-hours takes more than 0 and at most {HOURS_MAX}, not {}", self.store_hours()));
        }
        if !(self.gets_per_s() > 0.0 && self.gets_per_s() <= 10_000.0) {
            return Err(format!("--gets-per-s takes more than 0 and at most 10000, not {}", self.gets_per_s()));
        }
        Ok(())
    }

    /// The same under each of its seeds.
    pub fn each_seed(&self) -> Vec<Options> {
        let count = self.network.seeds.unwrap_or(1);
        let under = |seed: u64| {
            let mut options = self.clone();
            options.network.seed = Some(seed);
            options
        };
        (0..count).map(|each| under(self.seed() + each)).collect()
    }

    pub fn nodes(&self) -> usize {
        self.network.nodes.unwrap_or(100)
    }

    pub fn underlay(&self) -> &str {
        self.network.underlay.as_deref().unwrap_or("none")
    }

    pub fn access(&self) -> Span {
        millis(self.network.access_ms.unwrap_or(1.0))
    }

    pub fn side(&self) -> Span {
        millis(self.network.side_ms.unwrap_or(100.0))
    }

    pub fn seed(&self) -> u64 {
        self.network.seed.unwrap_or(1)
    }

    pub fn build(&self) -> Build {
        self.tables.build.unwrap_or(Build::Crowd)
    }

    pub fn leaf_set(&self) -> usize {
        self.tables.leaf_set.unwrap_or(16)
    }

    pub fn contacts_per_slot(&self) -> usize {
        self.tables.contacts_per_slot.unwrap_or(3)
    }

    pub fn link_budget(&self) -> usize {
        self.tables.link_budget.unwrap_or(256)
    }

    /// Whether ways through others are taken.
    pub fn detours(&self) -> bool {
        self.tables.detours.unwrap_or(self.tables.adverts != Some(0))
    }

    pub fn slot_bits(&self) -> u32 {
        self.tables.slot_bits.unwrap_or(4)
    }

    pub fn lookups(&self) -> usize {
        self.lookups.lookups.unwrap_or(5_000)
    }

    pub fn keys(&self) -> usize {
        self.lookups.keys.unwrap_or(50)
    }

    pub fn rate(&self) -> f64 {
        self.lookups.rate.unwrap_or(1.0)
    }

    pub fn dead(&self) -> f64 {
        self.lookups.dead.unwrap_or(0.0)
    }

    pub fn learning(&self) -> bool {
        self.lookups.learning.unwrap_or(true)
    }

    pub fn rule(&self) -> RuleName {
        self.lookups.rule.unwrap_or_default()
    }

    /// The same with the measured sessions read, if there are any: then there are as many nodes as are there at first.
    pub fn resolved(mut self) -> Result<Options, Exit> {
        if let Some(path) = &self.churn.sessions {
            let traced = Traced::read(path, self.nodes(), self.churn.sessions_from())?;
            self.network.nodes = Some(traced.up());
            self.traced = Some(Arc::new(traced));
        }
        Ok(self)
    }

    /// Nodes that are there at some time: those at the beginning, those that come while others are away, and those that
    /// join at once.
    pub fn nodes_in_all(&self) -> usize {
        let up = self.nodes();
        let with_others = match &self.traced {
            Some(traced) => traced.in_all(),
            None => up + self.churn.habits().away_beside(up, Instant::ORIGIN),
        };
        with_others + (up as f64 * self.mass_join()).ceil() as usize
    }

    pub fn mass_death(&self) -> f64 {
        self.blows.mass_death.unwrap_or(0.0)
    }

    pub fn mass_join(&self) -> f64 {
        self.blows.mass_join.unwrap_or(0.0)
    }

    /// Whether so much befalls the nodes that lookups that fail are a result.
    pub fn is_rough(&self) -> bool {
        let blows = self.mass_death() > 0.0 || self.blows.site_death.is_some();
        let weather = [self.rough.loss, self.rough.grey, self.rough.one_way];
        self.churn.is_any()
            || blows
            || self.rough.uplink_kbit.is_some()
            || weather.into_iter().flatten().any(|share| share > 0.0)
    }

    pub fn objects_per_node(&self) -> usize {
        self.objects.objects_per_node.unwrap_or(1)
    }

    pub fn copies(&self) -> usize {
        self.objects.copies.unwrap_or(1)
    }

    pub fn asks_per_node(&self) -> usize {
        self.objects.asks_per_node.unwrap_or(1)
    }

    pub fn store_hours(&self) -> f64 {
        self.objects.store_hours.unwrap_or(1.0)
    }

    pub fn gets_per_s(&self) -> f64 {
        self.objects.gets_per_s.unwrap_or(1.0)
    }

    pub fn settle(&self) -> Span {
        Span::from_secs(self.tables.settle.unwrap_or(300))
    }
}

pub fn millis(ms: f64) -> Span {
    Span::from_micros((ms * 1e3).round() as u64)
}

/// The underlays that are no file (`overlay.rs` makes them).
const UNDERLAYS: [&str; 5] = ["none", "plane", "sphere", "transit-stub", "transit-stub-1092"];
/// Room in the addresses of simulated nodes.
const NODES_MAX: usize = 1 << 23;
/// Objects or asks of one node. A guess: what a run of an hour can do.
const PER_NODE_MAX: usize = 10_000;
/// Values put: a guess at what fits into memory, four copies each.
const STORE_MAX: usize = 10_000_000;
/// From the last put to the first crash: copies still under way arrive. A guess.
pub const AFTER_PUTS: Span = Span::from_secs(60);
/// Holders of one object: as many as a root remembers by default.
const COPIES_MAX: usize = 64;
