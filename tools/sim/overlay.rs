//! From options to looks: builds the overlay and asks it.
//!
//! Owns: the underlay of a name, the three ways to an overlay, and the order of work in each.
//! Never does: judge what came back (`outcome.rs` does).

use super::befall::{self, ChurnFound, Struck};
use super::objects::{self, Objects};
use super::options::{Build, Options, RuleName};
use super::stored::{self, Stored};
use super::survey;
use crate::latency::{self, MissingEntries};
use crate::output::{Exit, FAILED, USAGE, steps};
use crate::surveyed::Surveyed;
use arras::base::{Chance, Id};
use arras::runtime::lab::measure::{Figures, cpu_s, rss_mib, sum_of};
use arras::sim::direct::{Built, Recipe, Rule, Walker};
use arras::sim::grow::Settled;
use arras::sim::look::{Beside, Look, questions};
use arras::sim::mend::Mended;
use arras::sim::underlay::{Measured, Plane, Shape, Sphere, TransitStub, Uniform};
use arras::sim::{Plan, Sent, Stage, Tally, Underlay};
use indicatif::ProgressBar;
use std::collections::BTreeSet;
use std::time::Instant;

/// All that came back from a simulation.
pub struct Found {
    /// The measured lookups.
    pub looks: Vec<Look>,
    /// Whether each was answered by the true root; in the order of `looks`.
    pub is_right: Vec<bool>,
    /// Whether all keys asked of several nodes had one root.
    pub roots_agree: bool,
    /// Contacts of the nodes.
    pub contacts: Figures,
    /// Links of the nodes.
    pub links: Figures,
    /// What all measured lookups took beside.
    pub beside: Beside,
    /// Hash of all that happened.
    pub trace_hash: String,
    /// What it took.
    pub costs: Costs,
    /// The objects, if any were asked for.
    pub objects: Option<Objects>,
    /// The stored values, if there were any.
    pub stored: Option<Stored>,
    /// What only a world has.
    pub world: Option<WorldFound>,
    /// Who knows whom, if that was asked for.
    pub survey: Option<Surveyed>,
}

/// What a run took of the machine, and its nodes of each other.
pub struct Costs {
    /// Real seconds until the overlay stood, and for the measured lookups; memory at the end.
    pub build_s: f64,
    pub lookups_s: f64,
    pub rss_mib: f64,
    /// Built directly: round trips a node measured in the mean to fill its slots.
    pub measured_per_node: Option<f64>,
}

/// What only the whole protocol has.
pub struct WorldFound {
    /// How the tables came to rest.
    pub settled: Settled,
    /// Who came and went, if nodes do.
    pub churn: Option<ChurnFound>,
    /// How it mended before that, if it was split or down.
    pub mended: Option<Mended>,
    /// What befell it when the measured lookups began.
    pub struck: Struck,
    /// The counts of the whole run.
    pub tally: Tally,
    /// Virtual seconds of the whole run.
    pub virtual_s: f64,
    /// Processor seconds of the whole run, which keeps one core busy.
    pub cpu_s: f64,
    /// What went on while the measured lookups ran.
    pub traffic: Traffic,
}

/// What nodes said while the measured lookups ran.
pub struct Traffic {
    /// Encoded bytes sent and received, per node and second.
    pub bytes_per_node_s: Figures,
    /// Sent by kind: messages and bytes per node and second.
    pub sent: Vec<(&'static str, f64, f64)>,
    /// What all lookups took beside.
    beside: Beside,
    /// Virtual seconds.
    pub span_s: f64,
}

/// The underlay of the options.
pub fn underlay(options: &Options, chance: &mut Chance) -> Result<Box<dyn Underlay>, Exit> {
    let (nodes, access, side) = (options.nodes_in_all(), options.access(), options.side());
    Ok(match options.underlay() {
        "none" => Box::new(Uniform(arras::base::Span::from_millis(20))),
        "plane" => Box::new(Plane::new(chance.next_u64(), side).with_access(access)),
        "sphere" => Box::new(Sphere::new(chance.next_u64(), side, access)),
        "transit-stub" => Box::new(TransitStub::new(Shape::GATECH, nodes, chance).with_access(access)),
        "transit-stub-1092" => Box::new(TransitStub::new(Shape::TAPESTRY, nodes, chance).with_access(access)),
        file => {
            let missing = options.network.missing.unwrap_or(MissingEntries::Fill);
            let matrix = latency::read(file, missing).map_err(|line| Exit::new(FAILED, line))?;
            Box::new(Measured::new(matrix, nodes, access, chance))
        }
    })
}

/// Runs one simulation.
pub fn run(options: &Options, quiet: bool) -> Result<Found, Exit> {
    let mut chance = Chance::from_seed(options.seed());
    let underlay = underlay(options, &mut chance.fork())?;
    let bar = steps("building", options.nodes(), quiet);
    let found = match options.build() {
        Build::Direct => directly(options, underlay.as_ref(), &mut chance, &bar)?,
        Build::Protocol | Build::Crowd => by_protocol(options, underlay, &mut chance, &bar)?,
    };
    bar.finish_and_clear();
    Ok(found)
}

/// The recipe of the options.
pub fn recipe(options: &Options) -> Recipe {
    let plain = Recipe::of(options.nodes());
    Recipe {
        leaf_set_per_side: options.leaf_set(),
        slot_bits: options.slot_bits(),
        contacts_per_slot: options.contacts_per_slot(),
        contacts_max: options.link_budget(),
        sample: options.tables.sample.unwrap_or(plain.sample),
        gossip_rounds: options.tables.gossip.unwrap_or(plain.gossip_rounds),
        adverts: options.tables.adverts.unwrap_or(plain.adverts),
        coordinates: options.tables.coordinates.unwrap_or(plain.coordinates),
        ..plain
    }
}

fn directly(options: &Options, underlay: &dyn Underlay, chance: &mut Chance, bar: &ProgressBar) -> Result<Found, Exit> {
    let began = Instant::now();
    let built = Built::new(recipe(options), underlay, &mut chance.fork(), &mut |done| bar.set_position(done as u64));
    let build_s = began.elapsed().as_secs_f64();
    let mut walker = Walker::new(&built, underlay);
    walker.learn(options.learning());
    walker.remember_roots(options.lookups.remember.unwrap_or(0));
    walker.go_by(match options.rule() {
        RuleName::ExpectedLatency => Rule::ExpectedLatency,
        RuleName::BestContact => Rule::BestContact,
        RuleName::LongestPrefix => Rule::LongestPrefix,
    });
    let mut dying = chance.fork();
    walker.kill((0..built.len()).filter(|_| dying.happens(options.dead())));
    let living: Vec<usize> = (0..built.len()).filter(|node| !walker.is_dead(*node)).collect();
    let at_site = of_site(options, underlay, &living)?;
    let ask = |chance: &mut Chance, askers: &[usize], count: usize| -> Vec<(usize, Id)> {
        let drawn = questions(chance, askers, count);
        if options.dead() == 0.0 {
            return drawn;
        }
        drawn.into_iter().map(|(from, _)| (from, built.id(living[chance.index(living.len())]))).collect()
    };
    let warm = ask(chance, &living, options.lookups.warm_up.unwrap_or(WARM_UP_DIRECT));
    counting(bar, "warming up", warm.len());
    walker.look_up(&warm, underlay, &mut |done| bar.set_position(done as u64));
    let mut roots_agree = true;
    for (_, key) in ask(chance, &living, options.keys()) {
        let truth = walker.root_of(&key);
        roots_agree &= questions(chance, &living, ASKERS_PER_KEY)
            .into_iter()
            .all(|(from, _)| walker.walk(from, key).root == truth);
    }
    let asked = ask(chance, &at_site, options.lookups());
    counting(bar, "looking up", asked.len());
    let began = Instant::now();
    let (looks, beside) = walker.look_up(&asked, underlay, &mut |done| bar.set_position(done as u64));
    let lookups_s = began.elapsed().as_secs_f64();
    let objects = objects::directly(&mut walker, options, underlay, chance, bar);
    let some = (0..built.len()).step_by(built.len().div_ceil(LINKS_COUNTED));
    let (contacts, links) = built.degrees(some);
    let figures = |counts: Vec<usize>| Figures::of(counts.into_iter().map(|count| count as f64));
    let mut found = Found {
        is_right: looks.iter().map(|look| look.ended_at(walker.root_of(&look.key))).collect(),
        looks,
        roots_agree,
        contacts: figures(contacts),
        links: figures(links),
        beside,
        trace_hash: walker.trace_hash(),
        costs: Costs { build_s, lookups_s, rss_mib: rss_mib(), measured_per_node: Some(built.measured_per_node()) },
        objects,
        stored: None,
        world: None,
        survey: None,
    };
    if options.survey.dir.is_some() {
        counting(bar, "surveying", 0);
        found.survey = Some(survey::of_built(&built, &mut walker, underlay, &found, chance)?);
    }
    Ok(found)
}

/// Those of these nodes that ask in the measured lookups.
fn of_site(options: &Options, underlay: &dyn Underlay, nodes: &[usize]) -> Result<Vec<usize>, Exit> {
    let Some(site) = options.lookups.asker_site else { return Ok(nodes.to_vec()) };
    let at_site: Vec<usize> = nodes.iter().copied().filter(|node| underlay.site(*node) == Some(site)).collect();
    if at_site.is_empty() {
        let sites: BTreeSet<usize> = nodes.iter().filter_map(|node| underlay.site(*node)).collect();
        let known = match (sites.first(), sites.last()) {
            (Some(first), Some(last)) => format!("those that have nodes are between {first} and {last}"),
            _ => "this underlay knows no sites".to_owned(),
        };
        return Err(Exit::new(USAGE, format!("--asker-site {site}: no node is there; {known}")));
    }
    Ok(at_site)
}

fn by_protocol(
    options: &Options,
    underlay: Box<dyn Underlay>,
    chance: &mut Chance,
    bar: &ProgressBar,
) -> Result<Found, Exit> {
    let (began, cpu_began) = (Instant::now(), cpu_s());
    let (mut stage, settled) = grown(options, plan(options, underlay, chance.next_u64()), bar);
    let build_s = began.elapsed().as_secs_f64();
    let askers = stage.ready();
    let at_site = of_site(options, stage.world.plan().underlay.as_ref(), &askers)?;
    let per_second = options.rate() * options.nodes() as f64;
    let deposited = stored::put(&mut stage, options, chance, bar);
    befall::begin(&mut stage, options, chance);
    let ask = |stage: &mut Stage, chance: &mut Chance, (what, traced): (&str, bool), askers: &[usize], count: usize| {
        counting(bar, what, count);
        let asked = questions(chance, askers, count);
        stage.look_up(&asked, per_second, traced, &mut |done| bar.set_position(done as u64))
    };
    let warm_up = options.lookups.warm_up.unwrap_or(options.nodes() * WARM_UP_PER_NODE);
    ask(&mut stage, chance, ("warming up", false), &askers, warm_up);
    let roots_agree = agree(&mut stage, options, chance, per_second);
    let mended = befall::rift(&mut stage, options, chance);
    let before = Ledger::of(&stage);
    let mut struck = befall::strike(&mut stage, options, chance)?;
    let lookups_began = Instant::now();
    let looks = ask(&mut stage, chance, ("looking up", options.survey.dir.is_some()), &at_site, options.lookups());
    let lookups_s = lookups_began.elapsed().as_secs_f64();
    struck.look_back(&stage);
    let traffic = Ledger::of(&stage).since(before);
    let objects = objects::by_protocol(&mut stage, options, chance, bar);
    let stored = stored::watch(&mut stage, options, deposited, chance, bar);
    let churn = ChurnFound::of(&stage, options.lookups() - looks.len());
    let views = || stage.world.nodes().iter().filter_map(|node| node.view());
    let mut found = Found {
        is_right: looks.iter().map(|look| stage.is_right(look)).collect(),
        looks,
        roots_agree,
        contacts: Figures::of(views().map(|view| view.peers.len() as f64)),
        links: Figures::of(stage.up().into_iter().map(|node| stage.world.link_count(node) as f64)),
        beside: traffic.beside,
        trace_hash: stage.world.trace_hash(),
        costs: Costs { build_s, lookups_s, rss_mib: rss_mib(), measured_per_node: None },
        objects,
        stored,
        world: Some(WorldFound {
            settled,
            churn,
            mended,
            struck,
            tally: *stage.world.tally(),
            virtual_s: stage.now().since(arras::base::Instant::ORIGIN).as_secs_f64(),
            cpu_s: cpu_s() - cpu_began,
            traffic,
        }),
        survey: None,
    };
    if options.survey.dir.is_some() {
        counting(bar, "surveying", 0);
        found.survey = Some(survey::of_world(&stage, &found, chance)?);
    }
    Ok(found)
}

/// An overlay that has joined and come to rest, or as near to that as its time allows.
fn grown(options: &Options, plan: Plan, bar: &ProgressBar) -> (Stage, Settled) {
    let mut stage = Stage::with(plan);
    match options.build() {
        Build::Protocol => (0..options.nodes()).for_each(|node| {
            stage.join(1);
            bar.set_position(node as u64);
        }),
        Build::Crowd | Build::Direct => {
            stage.join_in_crowds(options.nodes(), &mut |ready| bar.set_position(ready as u64));
        }
    }
    counting(bar, "settling", 0);
    let settled = stage.settle(options.settle());
    (stage, settled)
}

fn plan(options: &Options, underlay: Box<dyn Underlay>, seed: u64) -> Plan {
    // A simulated node has one thread: one shard does all that two would do.
    let mut plan = Plan { underlay, through_codec: false, shards: 1, ..Plan::from_seed(seed) };
    plan.router.leaf_set_per_side = options.leaf_set();
    plan.router.contacts_per_slot = options.contacts_per_slot();
    plan.router.link_budget = options.link_budget();
    plan.router.detours = options.detours();
    plan.drift_ppm = options.rough.drift_ppm.unwrap_or(0);
    plan
}

/// Whether some nodes name the numerically closest node for each of some keys.
fn agree(stage: &mut Stage, options: &Options, chance: &mut Chance, per_second: f64) -> bool {
    let askers = stage.ready();
    let keys: Vec<Id> = (0..options.keys()).map(|_| Id::from_bytes(chance.bytes32())).collect();
    let of = |key: &Id, chance: &mut Chance| -> Vec<(usize, Id)> {
        questions(chance, &askers, ASKERS_PER_KEY).into_iter().map(|(from, _)| (from, *key)).collect()
    };
    let asked: Vec<(usize, Id)> = keys.iter().flat_map(|key| of(key, chance)).collect();
    let looks = stage.look_up(&asked, per_second, false, &mut |_| {});
    looks.iter().all(|look| stage.is_right(look))
}

/// What each node has counted by some moment, and how many seconds it was there.
struct Ledger {
    bytes: Vec<u64>,
    /// What the Forwarders counted: hand-overs tried again, and detours.
    carried: Vec<[f64; 2]>,
    sent: Sent,
    there_s: Vec<f64>,
    at_s: f64,
}

impl Ledger {
    fn of(stage: &Stage) -> Ledger {
        let carried = |node: &arras::sim::Node| {
            let readings = node.readings();
            ["forwarder_retried_total", "forwarder_detours_total"].map(|name| sum_of(&readings, name))
        };
        let nodes = stage.world.nodes();
        let at_s = stage.now().since(arras::base::Instant::ORIGIN).as_secs_f64();
        let away = |node| stage.churn().map_or(0.0, |churn| churn.away(node, stage.now()).as_secs_f64());
        Ledger {
            bytes: nodes.iter().map(arras::sim::Node::traffic).collect(),
            carried: nodes.iter().map(carried).collect(),
            sent: stage.world.sent().clone(),
            there_s: (0..nodes.len()).map(|node| at_s - away(node)).collect(),
            at_s,
        }
    }

    /// What nodes said for every second they were there, and hand-overs tried again by all.
    fn since(self, before: Ledger) -> Traffic {
        let span_s = self.at_s - before.at_s;
        let bytes = self.bytes.into_iter().zip(before.bytes).map(|(after, before)| (after - before) as f64);
        let there_s = self.there_s.into_iter().zip(before.there_s).map(|(after, before)| after - before);
        let there_s: Vec<f64> = there_s.collect();
        // Of nodes that were there for a moment only nothing can be said.
        let rates = bytes.zip(&there_s).filter(|(_, there_s)| **there_s > span_s / 10.0).map(|(bytes, s)| bytes / s);
        // A node that crashed counts from nothing again; what it had counted before is lost.
        let more = |(after, before): (f64, f64)| if after >= before { after - before } else { after };
        let carried: Vec<([f64; 2], [f64; 2])> = self.carried.into_iter().zip(before.carried).collect();
        let counted =
            |which: usize| carried.iter().map(|(after, before)| more((after[which], before[which]))).sum::<f64>();
        let node_s: f64 = there_s.iter().sum();
        let sent = self.sent.since(&before.sent).into_iter();
        Traffic {
            bytes_per_node_s: Figures::of(rates),
            sent: sent.map(|(kind, count, bytes)| (kind, count as f64 / node_s, bytes as f64 / node_s)).collect(),
            beside: Beside { in_vain: counted(0) as usize, detours: counted(1) as usize },
            span_s,
        }
    }
}

pub fn counting(bar: &ProgressBar, what: &str, of: usize) {
    bar.set_message(what.to_owned());
    bar.set_length(of as u64);
    bar.set_position(0);
}

/// Unmeasured lookups where one experience is shared by all nodes: some hundred for each of its classes.
const WARM_UP_DIRECT: usize = 20_000;
/// Unmeasured lookups a node, as in the lab.
const WARM_UP_PER_NODE: usize = 40;
/// Nodes that are asked for the root of one key.
const ASKERS_PER_KEY: usize = 20;

/// Links are counted exactly up to so many nodes, above of as many or half as many spread over all.
const LINKS_COUNTED: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::super::outcome;
    use super::*;

    #[test]
    fn where_nodes_come_and_go_lookups_are_judged_by_who_rooted_the_key_then() {
        let mut options = Options::default();
        options.network.nodes = Some(24);
        (options.tables.leaf_set, options.tables.settle) = (Some(8), Some(30));
        (options.lookups.lookups, options.lookups.warm_up, options.lookups.keys) = (Some(600), Some(400), Some(4));
        (options.churn.session_min, options.churn.absence_min) = (Some(4.0), Some(1.0));
        options.check().expect("sound");
        let found = run(&options, true).expect("runs");
        let outcome = outcome::json(&options, &found);
        let churn = |name: &str| outcome["churn"][name].as_u64().unwrap_or(0);
        assert!(churn("crashes") > 2 && churn("returns") > 0, "{outcome}");
        assert_eq!(churn("up"), 24 - (churn("crashes") - churn("returns")));
        assert_eq!(outcome["lookups"].as_u64(), Some(600 - churn("excused")));
        assert!(outcome["failed"].as_u64().is_some_and(|failed| failed < 30), "{outcome}");
        assert!(outcome["bytes_per_node_s"]["mean"].as_f64().is_some_and(|bytes| bytes > 10.0));
        let again = run(&options, true).expect("runs");
        assert_eq!(again.trace_hash, found.trace_hash);
    }

    /// A small overlay with few lookups.
    fn small(nodes: usize) -> Options {
        let mut options = Options::default();
        options.network.nodes = Some(nodes);
        (options.tables.leaf_set, options.tables.settle) = (Some(8), Some(30));
        (options.lookups.lookups, options.lookups.warm_up, options.lookups.keys) = (Some(200), Some(100), Some(2));
        options
    }

    fn outcome(options: Options) -> serde_json::Value {
        options.check().expect("sound");
        let options = options.resolved().expect("readable");
        outcome::json(&options, &run(&options, true).expect("runs"))
    }

    #[test]
    fn measured_sessions_say_who_is_there() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut lines = "node,up_s,down_s\n".to_owned();
        (0..12).for_each(|node| lines.push_str(&format!("{node},0,100000\n")));
        (12..16).for_each(|node| lines.push_str(&format!("{node},{},100000\n", 1_000 + node)));
        std::fs::write(file.path(), lines).expect("written");
        let mut options = small(14);
        (options.churn.sessions, options.churn.sessions_from) = (Some(file.path().to_owned()), Some(1_000.0));
        let outcome = outcome(options);
        let sessions = &outcome["churn"]["sessions"];
        assert_eq!(
            (&outcome["nodes"], &sessions["nodes_taken"], &sessions["come_later"]),
            (&12.into(), &14.into(), &2.into())
        );
        assert_eq!((&outcome["churn"]["returns"], &outcome["churn"]["up"]), (&2.into(), &14.into()));
    }

    #[test]
    fn a_site_that_dies_is_back_together_and_rough_weather_is_borne() {
        let mut options = small(40);
        options.network.underlay = Some("transit-stub-1092".to_owned());
        (options.blows.site_death, options.blows.site_away_min) = (Some(0.1), Some(0.1));
        options.lookups.rate = Some(0.2);
        (options.rough.grey, options.rough.one_way, options.rough.drift_ppm) = (Some(0.1), Some(0.01), Some(200));
        (options.rough.jitter, options.rough.duplication, options.rough.asymmetry) = (Some(0.2), Some(0.1), Some(0.3));
        let outcome = outcome(options);
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        assert!(count(&outcome["struck"]["sites"]) >= 3 && count(&outcome["struck"]["killed"]) >= 3, "{outcome}");
        assert_eq!((&outcome["churn"]["returns"], &outcome["churn"]["up"]), (&outcome["struck"]["killed"], &40.into()));
        assert!(count(&outcome["failed"]) < 20, "{outcome}");
        let mut alone = small(8);
        alone.blows.site_death = Some(0.5);
        let refused = run(&alone, true).err().map(|exit| exit.line).unwrap_or_default();
        assert!(refused.contains("no two nodes share a site"), "{refused}");
    }
}
