//! Other ways to spread hot objects, on the same network.
//!
//! Owns: the same asks carried by the same rule of the next hop over tables built directly, with nothing but the replica
//! set, with caches on the path, with salted roots, and with Beehive's levels; hops, load and copies of each.
//! Never does: flatter the others or us: each has what it needs at no cost, at once, from the first ask on, and no copy of theirs ever ends.

use super::Args;
use crate::support::{Fault, lab};
use arras::base::{Chance, Id, Span};
use arras::sim::demand::Popularity;
use arras::sim::direct::{Built, Recipe, Walker};
use arras::sim::underlay::Measured;
use arras::survey::Table;
use arras::survey::distribution::Summary;
use arras::survey::number::decimals;
use arras::survey::table::Cell;
use arras::wire::object::Value;
use serde_json::{Value as Json, json};

/// What one scheme came to, over its last asks.
pub struct Scheme {
    pub name: String,
    pub hops: f64,
    ms: f64,
    load: Option<Summary>,
    /// Copies a node, the replica set of four left out.
    pub copies: f64,
    /// Hops whose answers brought a copy along, a get: what caches cost in bytes where values are small.
    carried: f64,
}

/// The network, the objects in the order of how popular they are, and who asks.
pub struct Ground {
    underlay: Measured,
    objects: Vec<Id>,
    popularity: Popularity,
    recipe: Recipe,
    seed: u64,
}

/// Where copies are, and how they come about.
enum Rule {
    /// On the replica set alone.
    None,
    /// On every node an answer passes, for ever.
    PathCaches,
    /// On the roots of so many salted ids, the nearest of which is asked.
    SaltedRoots(u8),
    /// On all nodes that share so many digits with the object: of the most popular ones as many as bring this many hops
    /// in the mean where each hop fixes a digit (Beehive, NSDI 2004, section 3.1).
    Levels(f64),
}

impl Ground {
    pub fn new(args: &Args) -> Result<Ground, Fault> {
        let mut chance = Chance::from_seed(args.seed);
        let matrix = lab::matrix("planetlab490_median")?;
        let underlay = Measured::new(matrix, args.nodes, Span::from_millis(1), &mut chance.fork());
        let objects = (0..args.objects as u64).map(|number| lab::value(args.seed, number, 64)).map(|v| Value::id(&v));
        let recipe = Recipe {
            leaf_set_per_side: args.leaf_set,
            contacts_max: args.links,
            sample: SAMPLE,
            ..Recipe::of(args.nodes)
        };
        let popularity = Popularity::zipf(args.objects, args.alpha);
        Ok(Ground { underlay, objects: objects.collect(), popularity, recipe, seed: args.seed })
    }

    /// All schemes. `hops`: what ours came to, so that Beehive's levels can be brought to the same.
    pub fn compare(&self, args: &Args, hops: Option<f64>) -> Vec<Scheme> {
        let asks = if args.quick { 2_000 } else { ASKS };
        let prefix = Recipe { adverts: 0, contacts_per_slot: 1, ..self.recipe };
        let alpha = args.alpha;
        let mut told = vec![
            self.run("nothing", self.recipe, &Rule::None, asks, alpha),
            self.run("caches on the path", self.recipe, &Rule::PathCaches, asks, alpha),
            self.run("salted roots, 8", self.recipe, &Rule::SaltedRoots(8), asks, alpha),
            self.run("nothing, prefix routing", prefix, &Rule::None, asks, alpha),
            self.run("caches on the path, prefix routing", prefix, &Rule::PathCaches, asks, alpha),
            self.run("Beehive for 1 hop, prefix routing", prefix, &Rule::Levels(1.0), asks, alpha),
        ];
        if let Some(hops) = hops {
            let (mut low, mut high) = (0.05, 3.0);
            for _ in 0..BISECTIONS {
                let middle = (low + high) / 2.0;
                let seen = self.run("", prefix, &Rule::Levels(middle), asks / 10, alpha).hops;
                if seen > hops { high = middle } else { low = middle }
            }
            let name = format!("Beehive for {} hops, prefix routing", decimals(hops, 2));
            told.push(self.run(&name, prefix, &Rule::Levels(low), asks, alpha));
        }
        told
    }

    fn run(&self, name: &str, recipe: Recipe, rule: &Rule, asks: usize, alpha: f64) -> Scheme {
        let mut chance = Chance::from_seed(self.seed);
        let built = Built::new(recipe, &self.underlay, &mut chance.fork(), &mut |_| {});
        let mut walker = Walker::new(&built, &self.underlay);
        let nodes = built.len();
        for _ in 0..nodes * TAUGHT {
            walker.walk(chance.index(nodes), Id::from_bytes(chance.bytes32()));
        }
        let kept = |object: &Id| nearest(&built, object, REPLICAS);
        let mut holders: Vec<Vec<usize>> = self.objects.iter().map(kept).collect();
        place(&mut holders, &built, &self.objects, rule, alpha);
        let (mut hops, mut ms, mut carried) = (0, 0.0, 0);
        let (mut loads, mut measured) = (vec![0.0; nodes], 0);
        for ask in 0..asks {
            let (from, which) = (chance.index(nodes), self.popularity.draw(&mut chance));
            let object = self.objects[which];
            let key = match rule {
                Rule::SaltedRoots(salts) => nearest_salt(&walker, from, object, *salts),
                _ => object,
            };
            let trip = walker.walk_to(from, key, &holders[which]);
            let caches = matches!(rule, Rule::PathCaches);
            if caches && !holders[which].contains(&from) {
                holders[which].push(from);
                let (_, between) = trip.path.split_last().unwrap_or((&from, &[]));
                holders[which].extend(between);
            }
            if ask >= asks - asks / 4 {
                measured += 1;
                hops += trip.path.len();
                ms += trip.routed.as_millis_f64();
                carried += if caches { trip.path.len() } else { 0 };
                loads[from] += 1.0;
                trip.path.iter().for_each(|node| loads[*node] += 1.0);
            }
        }
        let copies = holders.iter().map(Vec::len).sum::<usize>() as f64 / nodes as f64;
        let copies = copies - (self.objects.len() * REPLICAS.min(nodes)) as f64 / nodes as f64;
        let each = |sum: f64| sum / f64::from(measured.max(1));
        let (hops, ms, carried) = (each(hops as f64), each(ms), each(carried as f64));
        Scheme { name: name.to_owned(), hops, ms, load: Summary::of(loads), copies, carried }
    }
}

/// Puts copies where the rule wants them from the beginning.
fn place(holders: &mut [Vec<usize>], built: &Built, objects: &[Id], rule: &Rule, alpha: f64) {
    match rule {
        Rule::None | Rule::PathCaches => {}
        Rule::SaltedRoots(salts) => {
            for (holders, object) in holders.iter_mut().zip(objects) {
                let roots = (1..*salts).filter_map(|salt| built.root_of(&object.salted(salt), |_| true));
                holders.extend(roots);
                holders.sort_unstable();
                holders.dedup();
            }
        }
        Rule::Levels(target) => {
            let shares = levels(built.len(), *target, alpha);
            for (rank, (holders, object)) in holders.iter_mut().zip(objects).enumerate() {
                let place = (rank + 1) as f64 / objects.len() as f64;
                let Some(level) = shares.iter().position(|share| place <= *share) else { continue };
                holders.extend((0..built.len()).filter(|node| built.id(*node).shared_prefix(object) >= level));
                holders.sort_unstable();
                holders.dedup();
            }
        }
    }
}

/// For each level from 0 on the share of the most popular objects that are replicated at it or a lower one, so that a get
/// takes `target` hops in the mean with the fewest copies: Beehive's closed form, in base 16.
pub fn levels(nodes: usize, target: f64, alpha: f64) -> Vec<f64> {
    let digits = (nodes as f64).log(16.0).ceil().max(1.0) as i32;
    let d = 16f64.powf((1.0 - alpha) / alpha);
    // A level that all objects would be at is no level: the sum is over the others.
    let most = (1..=digits).rev().find(|levels| share(*levels, levels - 1, target, d, alpha) <= 1.0).unwrap_or(0);
    let shares = (0..digits).map(|level| if level < most { share(most, level, target, d, alpha) } else { 1.0 });
    shares.collect()
}

fn share(levels: i32, level: i32, target: f64, d: f64, alpha: f64) -> f64 {
    let sum: f64 = (0..levels).map(|power| d.powi(power)).sum();
    (d.powi(level) * (f64::from(levels) - target).max(0.0) / sum).powf(1.0 / (1.0 - alpha))
}

/// The salted id whose root the asker expects to be nearest.
fn nearest_salt(walker: &Walker<'_>, from: usize, object: Id, salts: u8) -> Id {
    let built = walker.built();
    let keys: Vec<Id> = (0..salts).map(|salt| object.salted(salt)).collect();
    let roots: Vec<usize> = keys.iter().filter_map(|key| built.root_of(key, |_| true)).collect();
    let ways = walker.expected_rtts(from, &roots);
    let best = ways.iter().enumerate().min_by_key(|(_, way)| **way).map_or(0, |(index, _)| index);
    keys[best]
}

/// The nodes numerically closest to an object.
fn nearest(built: &Built, object: &Id, count: usize) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    while found.len() < count.min(built.len()) {
        found.extend(built.root_of(object, |node| !found.contains(&node)));
    }
    found
}

/// One row a scheme.
pub fn table(schemes: &[Scheme]) -> Table {
    let headings = ["", "hops", "ms", "busiest / mean", "p99 / mean", "copies a node", "copies carried a get"];
    let mut table = Table::new("other schemes, built directly", headings);
    for scheme in schemes {
        let over = |of: fn(&Summary) -> f64| {
            scheme.load.map_or_else(|| Cell::from("-"), |load| Cell::from(decimals(of(&load) / load.mean, 2)))
        };
        table.row([
            Cell::from(scheme.name.clone()),
            Cell::from(decimals(scheme.hops, 3)),
            Cell::from(decimals(scheme.ms, 1)),
            over(|load| load.max),
            over(|load| load.p99),
            Cell::from(decimals(scheme.copies, 0)),
            Cell::from(decimals(scheme.carried, 2)),
        ]);
    }
    table
}

pub fn json(schemes: &[Scheme]) -> Vec<Json> {
    let one = |scheme: &Scheme| {
        json!({
            "scheme": scheme.name,
            "hops": scheme.hops,
            "ms": scheme.ms,
            "load": scheme.load,
            "copies_per_node": scheme.copies,
            "carried_per_get": scheme.carried,
        })
    };
    schemes.iter().map(one).collect()
}

/// Gets carried for each scheme; the last quarter is measured.
const ASKS: usize = 400_000;
/// Nodes looked at for each slot: as good as all.
const SAMPLE: usize = 512;
/// Lookups a node that teach what lies ahead, before.
const TAUGHT: usize = 20;
/// Copies an object has anyway.
const REPLICAS: usize = 4;
/// Halvings of the range in which Beehive's target lies.
const BISECTIONS: usize = 10;
