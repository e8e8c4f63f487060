//! What happens in a storm.
//!
//! Owns: everything drawn from a storm's seed, and the order of its acts.
//! Never does: more at once than the promise allows: fewer than a majority of one replica set crash
//! between two rests, so whatever was acknowledged must survive.

use arras::base::{Chance, Id, Span};
use arras::overlay::Command;
use arras::sim::check::{Wrong, leaf_sets};
use arras::sim::narrate::{Narrator, node_name};
use arras::sim::underlay::{Plane, Uniform};
use arras::sim::{Canary, DiskWeather, Plan, Stage, Underlay};
use arras::wire::Blob;
use arras::wire::object::{Record, Value};
use std::collections::BTreeMap;

/// A storm, drawn and not yet begun.
pub struct Storm {
    seed: u64,
    nodes: usize,
    acts: usize,
    chance: Chance,
    /// For ways that lean and are cut: what else a seed draws stays what it was.
    ways: Chance,
    /// For blows beside the acts, for the same reason.
    blows: Chance,
    stage: Stage,
    objects: Vec<Id>,
    published: Vec<(usize, Id)>,
    talkative: bool,
    grey: Vec<usize>,
    slow_disks: Vec<usize>,
}

/// What befalls nodes beside an act.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// Nodes of one site, no two near each other on the ring, crash at one moment and come back together.
    SiteDeath,
    /// One node crashes and comes back over and over.
    Flapping,
    /// Some nodes are slow until the storm is over.
    Grey,
    /// One node crashes and comes back with an empty disk.
    LostDisk,
    /// One node's disk is full or fails for a while, or is slow until the storm is over.
    BadDisk,
}

/// One act of a storm.
#[derive(Clone, Copy, Debug)]
enum Act {
    Crash,
    Restart,
    Join,
    Leave,
    Partition,
    Wishes,
}

impl Storm {
    /// The storm of this seed: 50 to 200 nodes, as often below as above a hundred; small tables in half of the cases, so that
    /// routing is really multi-hop.
    pub fn draw(seed: u64, canary: Option<Canary>) -> Storm {
        let mut chance = Chance::from_seed(seed ^ STORM);
        let nodes = (50.0 * 4.0_f64.powf(chance.unit())).round() as usize;
        let mut plan = Plan { underlay: underlay(&mut chance), canary, ..Plan::from_seed(seed) };
        plan.shards = 1 + chance.index(3);
        if chance.happens(0.5) {
            plan.router.leaf_set_per_side = 4;
            plan.router.link_budget = 16;
        }
        let stage = Stage::with(plan);
        let acts = 2 + chance.index(3);
        let (ways, blows) = (Chance::from_seed(seed ^ WAYS), Chance::from_seed(seed ^ BLOWS));
        let (objects, published, grey, slow_disks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Storm { seed, nodes, acts, chance, ways, blows, stage, objects, published, talkative: false, grey, slow_disks }
    }

    /// Lets it happen; gives one line about it and what does not hold afterwards.
    pub fn weather(mut self, talkative: bool) -> (String, Vec<Wrong>) {
        self.talkative = talkative;
        if talkative {
            self.stage.world.take_notes();
        }
        let first = self.nodes / 2;
        self.stage.join(first.min(5));
        self.stage.join_crowd(first.saturating_sub(5));
        self.rest("half of the nodes have joined");
        self.wishes();
        self.blow();
        self.stage.join_crowd(self.nodes - first);
        self.pass(Span::from_secs(10));
        for _ in 0..self.acts {
            let act = self.draw_act();
            self.say(&format!("{act:?}"));
            self.cut();
            self.play(act);
            self.strike();
            let pause = Span::from_secs(self.chance.below(20));
            self.pass(pause);
        }
        self.calm();
        let rested = self.rest("the storm is over");
        self.watch_leaf_sets();
        let mut wrongs = self.stage.wrongs();
        wrongs.extend(self.lost_claims());
        if !rested {
            wrongs.push(Wrong::new("rest", "the overlay did not come to rest"));
        }
        (self.line(), wrongs)
    }

    /// For whoever replays a seed: do leaf sets that are wrong at rest mend by themselves?
    fn watch_leaf_sets(&mut self) {
        let mut waited = 0;
        while self.talkative && waited < 600 {
            let wrongs = leaf_sets::check(&self.stage.world);
            if wrongs.is_empty() {
                break;
            }
            self.say(&format!("{} leaf sets wrong {waited} s after the rest: {}", wrongs.len(), wrongs[0]));
            self.pass(Span::from_secs(60));
            waited += 60;
        }
    }

    fn play(&mut self, act: Act) {
        match act {
            Act::Crash => self.crash(),
            Act::Restart => self.restart(),
            Act::Join => self.stage.join_crowd(1),
            Act::Leave => {
                if let Some(node) = self.stage.any_ready(None).filter(|_| self.stage.ready().len() > FEWEST) {
                    self.published.retain(|(holder, _)| *holder != node);
                    self.stage.leave(node);
                }
            }
            Act::Partition => self.partition(),
            Act::Wishes => self.wishes(),
        }
    }

    /// One node dies, and after a rest perhaps another: with four copies and a majority of three on
    /// disk, a single death at a time loses nothing.
    fn crash(&mut self) {
        if let Some(node) = self.stage.any_ready(None).filter(|_| self.stage.ready().len() > FEWEST) {
            self.say(&format!("{} dies", node_name(node)));
            self.published.retain(|(holder, _)| *holder != node);
            self.stage.kill(node);
            for _ in 0..12 {
                self.pass(Span::from_secs(5));
                self.say("waiting");
            }
        }
    }

    fn restart(&mut self) {
        let dead: Vec<usize> =
            (0..self.stage.world.nodes().len()).filter(|node| !self.stage.world.nodes()[*node].is_up()).collect();
        if let Some(node) = self.chance.pick(&dead).copied() {
            self.say(&format!("{} starts again", node_name(node)));
            self.stage.restart(node);
        }
    }

    fn partition(&mut self) {
        let group = self.stage.up().into_iter().filter(|_| self.chance.happens(0.4)).collect();
        self.stage.partition(&[group]);
        let span = Span::from_secs(5 + self.chance.below(115));
        self.pass(span);
        self.stage.heal();
    }

    /// After some acts something befalls some nodes. At most one copy of a value is away for it at a time, and time enough
    /// passes afterwards for that to be mended.
    fn strike(&mut self) {
        let ready = self.stage.ready();
        if !self.blows.happens(BLOW) || ready.len() <= FEWEST {
            return;
        }
        let blows = [Blow::SiteDeath, Blow::Flapping, Blow::Grey, Blow::LostDisk, Blow::BadDisk];
        let (blow, node) = (blows[self.blows.index(blows.len())], ready[self.blows.index(ready.len())]);
        self.say(&format!("{blow:?} at {}", node_name(node)));
        match blow {
            Blow::SiteDeath => {
                let site = self.site();
                self.fell(&site);
                let away = Span::from_secs(5 + self.blows.below(90));
                self.pass(away);
                self.raise(&site);
            }
            Blow::Flapping => {
                for _ in 0..2 + self.blows.index(4) {
                    self.fell(&[node]);
                    self.pass(FLAP_AWAY);
                    self.raise(&[node]);
                    self.pass(FLAP_THERE);
                }
            }
            Blow::Grey => {
                for _ in 0..1 + self.blows.index(ready.len() / GREY_SHARE + 1) {
                    let (node, by) =
                        (ready[self.blows.index(ready.len())], Span::from_millis(20 + self.blows.below(380)));
                    self.stage.world.weather.slow_down(node, by);
                    self.grey.push(node);
                }
                return;
            }
            Blow::LostDisk => {
                self.fell(&[node]);
                let away = Span::from_secs(self.blows.below(60));
                self.pass(away);
                self.stage.world.lose_disk(node);
                self.raise(&[node]);
            }
            Blow::BadDisk => self.spoil_disk(node),
        }
        self.pass(MENDED);
    }

    /// A disk that is full or fails is well again when others have asked for much meanwhile; a slow one when all is over.
    fn spoil_disk(&mut self, node: usize) {
        let (full, failing, slowness) = match self.blows.index(3) {
            0 => (true, false, 1.0),
            1 => (false, true, 1.0),
            _ => (false, false, DISK_SLOWNESS * self.blows.unit()),
        };
        *self.stage.world.disk_weather(node) = DiskWeather { full, failing, slowness };
        self.wishes();
        if full || failing {
            *self.stage.world.disk_weather(node) = DiskWeather::default();
        } else {
            self.slow_disks.push(node);
        }
    }

    /// Nodes that crash together: of those in order round the ring every so many.
    fn site(&mut self) -> Vec<usize> {
        let mut ring = self.stage.ready();
        ring.sort_by_key(|node| self.stage.id(*node));
        let apart = SITE_APART + self.blows.index(SITE_APART);
        let first = self.blows.index(apart);
        let last = ring.len().saturating_sub(SITE_APART);
        ring.iter().take(last).skip(first).step_by(apart).copied().collect()
    }

    fn fell(&mut self, nodes: &[usize]) {
        self.published.retain(|(holder, _)| !nodes.contains(holder));
        nodes.iter().for_each(|node| self.stage.kill(*node));
    }

    fn raise(&mut self, nodes: &[usize]) {
        for node in nodes {
            let gate = self.blows.pick(&self.stage.ready()).copied();
            self.stage.world.start(*node, &Vec::from_iter(gate));
        }
    }

    /// In some storms some ways are cut in one direction, until a partition ends or the storm is over.
    fn cut(&mut self) {
        if !self.ways.happens(CUT) {
            return;
        }
        let up = self.stage.up();
        for _ in 0..1 + self.ways.index(up.len() / CUTS_SHARE) {
            if let (Some(from), Some(to)) = (self.ways.pick(&up), self.ways.pick(&up)) {
                self.stage.world.weather.cut(*from, *to);
            }
        }
    }

    /// Puts, records, claims, gets and lookups, all at once and from everywhere.
    fn wishes(&mut self) {
        for round in 0..WISHES {
            let Some(from) = self.stage.any_ready(None) else { return };
            let text = format!("storm {} object {} of {}", self.seed, round, self.objects.len());
            let value = match round % 4 {
                0 | 1 => Value::Blob(Blob::from(text.into_bytes())),
                _ => {
                    let sequence = 1 + self.objects.len() as u64;
                    let key = self.stage.world.nodes()[0].key();
                    Value::Record(Record::sign(key, format!("salt {}", round).as_bytes(), sequence, text.into_bytes()))
                }
            };
            let object = value.id();
            let lifetime = Span::from_hours(2);
            let command = match round % 4 {
                0 | 2 | 3 => Command::Put { value, lifetime, replicas: 0, expected: None },
                _ => Command::Publish { value, lifetime: None },
            };
            if matches!(command, Command::Publish { .. }) {
                self.published.push((from, object));
            }
            self.objects.push(object);
            self.stage.wish(from, command);
            if let (Some(asker), Some(object)) = (self.stage.any_ready(None), self.chance.pick(&self.objects).copied())
            {
                self.stage.wish(asker, Command::Get { object });
                let key = self.stage.key();
                self.stage.wish(asker, Command::Lookup { key, traced: false });
            }
        }
        self.pass(Span::from_secs(15));
    }

    /// Claims of living holders must be found from everywhere.
    fn lost_claims(&mut self) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        for (holder, object) in std::mem::take(&mut self.published) {
            let was_acknowledged = self.stage.world.operations().any(|(node, _, operation)| {
                node == holder
                    && matches!(&operation.command, Command::Publish { value, .. } if value.id() == object)
                    && matches!(operation.results.first(), Some((_, Ok(_))))
            });
            let Some(asker) = self.stage.any_ready(Some(holder)).filter(|_| was_acknowledged) else { continue };
            let holder_id = self.stage.id(holder);
            let found = self.stage.locate(asker, object);
            if !found.as_ref().is_ok_and(|holders| holders.iter().any(|found| found.contact.id() == holder_id)) {
                let found = found.map(|holders| holders.len());
                let what = format!("{} holds {object:?}; {} located {found:?}", node_name(holder), node_name(asker));
                wrongs.push(Wrong::new("claims are found", what));
            }
        }
        wrongs
    }

    fn blow(&mut self) {
        let weather = &mut self.stage.world.weather;
        weather.loss = 0.03 * self.chance.unit();
        weather.jitter = 0.5 * self.chance.unit();
        weather.duplication = 0.02 * self.chance.unit();
        weather.fact_delay_max = Span::from_micros(self.chance.below(5_000));
        if self.ways.happens(LEANING) {
            weather.lean(self.ways.unit(), self.ways.next_u64());
        }
    }

    fn calm(&mut self) {
        let weather = &mut self.stage.world.weather;
        weather.heal();
        weather.lean(0.0, 0);
        (weather.loss, weather.jitter, weather.duplication) = (0.0, 0.0, 0.0);
        weather.fact_delay_max = Span::ZERO;
        self.grey.drain(..).for_each(|node| weather.slow_down(node, Span::ZERO));
        for node in std::mem::take(&mut self.slow_disks) {
            *self.stage.world.disk_weather(node) = DiskWeather::default();
        }
    }

    fn draw_act(&mut self) -> Act {
        let acts =
            [Act::Crash, Act::Crash, Act::Restart, Act::Join, Act::Leave, Act::Partition, Act::Wishes, Act::Wishes];
        acts[self.chance.index(acts.len())]
    }

    fn rest(&mut self, why: &str) -> bool {
        let rested = self.stage.rest();
        self.say(&format!("rest ({why}): {rested}"));
        rested
    }

    fn pass(&mut self, span: Span) {
        self.stage.pass(span);
    }

    /// One line about how things stand, and what was said most since the last.
    fn say(&mut self, what: &str) {
        if !self.talkative {
            return;
        }
        let (up, ready) = (self.stage.up().len(), self.stage.ready().len());
        let narrator = Narrator::of(&self.stage.world);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for note in self.stage.world.notes() {
            let line = narrator.tell(&note);
            let kind = if line.contains(" -> ") { line.split(' ').nth(3) } else { line.split(' ').next_back() };
            *kinds.entry(kind.unwrap_or_default().to_owned()).or_default() += 1;
        }
        let mut kinds: Vec<(usize, String)> = kinds.into_iter().map(|(kind, count)| (count, kind)).collect();
        kinds.sort_by(|a, b| b.cmp(a));
        let most: Vec<String> = kinds.iter().take(6).map(|(count, kind)| format!("{kind} {count}")).collect();
        println!("{:?}  {up:>2} up {ready:>2} ready  {what}  [{}]", self.stage.now(), most.join(", "));
    }

    fn line(&self) -> String {
        let world = &self.stage.world;
        let tally = world.tally();
        format!(
            "seed {:<4} nodes {:>2} up {:>2}  {:?}  inputs {:>7}  messages {:>7}  wishes {:>4}  hash {}",
            self.seed,
            world.nodes().len(),
            self.stage.up().len(),
            self.stage.now(),
            tally.inputs,
            tally.messages.iter().sum::<u64>(),
            world.operations().count(),
            world.trace_hash(),
        )
    }
}

fn underlay(chance: &mut Chance) -> Box<dyn Underlay> {
    match chance.below(3) {
        0 => Box::new(Uniform(Span::from_millis(1 + chance.below(80)))),
        _ => Box::new(Plane::new(chance.next_u64(), Span::from_millis(10 + chance.below(150)))),
    }
}

/// Nodes below which nobody dies or leaves any more: the replica sets must stay whole.
const FEWEST: usize = 10;
/// Rounds of wishes in one act.
const WISHES: usize = 8;
/// How likely a storm has ways that are longer there than back, and an act begins with cuts. Guesses.
const LEANING: f64 = 0.5;
const CUT: f64 = 0.3;
/// How likely an act is followed by a blow. A guess: one or two in most storms.
const BLOW: f64 = 0.4;
/// How long a flapping node is away and there: nobody has noticed its death when it is back. Guesses.
const FLAP_AWAY: Span = Span::from_secs(10);
const FLAP_THERE: Span = Span::from_secs(30);
/// How many times longer than a sound disk a slow one takes at most: two seconds a write, as a dying one does. A guess.
const DISK_SLOWNESS: f64 = 10_000.0;
/// At most one grey node for so many that run. A guess.
const GREY_SHARE: usize = 10;
/// Nodes of one site are this far apart on the ring at least: replica sets are of four and their margin, so none has two.
const SITE_APART: usize = 8;
/// After this long a copy that was lost has been made again, as after a crash.
const MENDED: Span = Span::from_secs(60);
/// At most one cut for so many nodes that run. A guess.
const CUTS_SHARE: usize = 5;
/// Sets a storm's draws apart from those of its world, and those of the ways and the blows apart from both.
const STORM: u64 = 0x5374_6f72_6d00_0000;
const WAYS: u64 = 0x5761_7973_0000_0000;
const BLOWS: u64 = 0x426c_6f77_7300_0000;
