//! How good are the paths, in virtual time, and what do they cost?
//!
//! Owns: worlds of whole nodes on hosts of a latency matrix, their lookups, and one row of figures each.
//! Never does: measure a real network: `bench/stretch.rs` does.

use arras::base::{Chance, Id, Span};
use arras::overlay::{Command, Reply};
use arras::sim::underlay::Measured;
use arras::sim::{Plan, Stage, World};
use arras::survey::{LatencyMatrix, Missing, Pair, Stretch};

struct Options {
    nodes: usize,
    file: String,
    leaf_set: usize,
    budget: usize,
    slots: usize,
    settle: u64,
    lookups: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let number = |name: &str, default: usize| value(name).map_or(default, |text| text.parse().expect("a number"));
    let options = Options {
        nodes: number("--nodes", 64),
        file: value("--latency").unwrap_or("bench/data/planetlab490_median.u32le.gz".to_owned()),
        leaf_set: number("--leaf-set", 4),
        budget: number("--link-budget", 24),
        slots: number("--contacts-per-slot", 3),
        settle: number("--settle", 120) as u64,
        lookups: number("--lookups", 5_000),
    };
    let (first, count) = (number("--seed", 1) as u64, number("--seeds", 3) as u64);
    println!("seed  ratio-of-means  mean   p50    p90    p99    hops  max  failed  links  contacts  B/s/node  events/s");
    for seed in first..first + count {
        run(&options, seed);
    }
}

fn run(options: &Options, seed: u64) {
    let bytes = std::fs::read(&options.file).expect("a matrix");
    let sidecar = std::fs::read(options.file.replace(".u32le.gz", ".json")).ok();
    let matrix = LatencyMatrix::from_file(&options.file, &bytes, sidecar.as_deref(), Missing::Fill).expect("sound");
    let mut chance = Chance::from_seed(seed);
    let mut plan = Plan::from_seed(seed);
    plan.underlay = Box::new(Measured::new(matrix, options.nodes, &mut chance));
    plan.router.leaf_set_per_side = options.leaf_set;
    plan.router.link_budget = options.budget;
    plan.router.contacts_per_slot = options.slots;
    plan.through_codec = false;
    plan.shards = 1;
    let began = std::time::Instant::now();
    let mut stage = Stage::with(plan);
    stage.join(1);
    for _ in 1..options.nodes {
        stage.join_crowd(1);
        stage.pass(Span::from_millis(50));
    }
    stage.pass(Span::from_secs(options.settle));
    look_up(&mut stage, options.nodes * 40, &mut chance);
    let bytes_before = bytes_of(&stage.world);
    let at = stage.now();
    let (pairs, hops, failed) = look_up(&mut stage, options.lookups, &mut chance);
    let span = stage.now().since(at).as_secs_f64();
    let stretch = Stretch::of(&pairs).expect("pairs");
    oracle(&stage.world, options.nodes);
    let links = (0..options.nodes).map(|node| stage.world.link_count(node)).sum::<usize>() as f64 / options.nodes as f64;
    let views = stage.world.nodes().iter().filter_map(|node| node.view());
    let contacts = views.map(|view| view.peers.len()).sum::<usize>() as f64 / options.nodes as f64;
    let rate = (bytes_of(&stage.world) - bytes_before) as f64 / span / options.nodes as f64;
    println!(
        "{seed:<4}  {:<14.3}  {:<5.2}  {:<5.3}  {:<5.2}  {:<5.2}  {:<4.2}  {:<3}  {failed:<6}  {links:<5.1}  {contacts:<8.1}  {rate:<8.0}  {:.0}",
        stretch.ratio_of_means,
        stretch.mean,
        stretch.p50,
        stretch.p90,
        stretch.p99,
        hops.iter().sum::<f64>() / hops.len() as f64,
        hops.iter().copied().fold(0.0, f64::max),
        stage.world.tally().inputs as f64 / began.elapsed().as_secs_f64(),
    );
}

fn bytes_of(world: &World) -> u64 {
    world.tally().bytes.iter().sum()
}

fn look_up(stage: &mut Stage, count: usize, chance: &mut Chance) -> (Vec<Pair>, Vec<f64>, usize) {
    let ready = stage.ready();
    let mut asked = Vec::new();
    for _ in 0..count {
        let from = ready[chance.index(ready.len())];
        let key = Id::from_bytes(chance.bytes32());
        asked.push((from, key, stage.wish(from, Command::Lookup { key, traced: true })));
        stage.pass(Span::from_millis(5));
    }
    stage.pass(Span::from_secs(12));
    let (mut pairs, mut hops, mut failed) = (Vec::new(), Vec::new(), 0);
    for (from, key, request) in asked {
        match stage.result(from, request) {
            Some(Ok(Reply::Root(root))) => {
                let to = stage.world.index_of(&root.contact.id()).expect("a node");
                if stage.root_of(&key) != Some(to) {
                    failed += 1;
                } else if to != from {
                    let direct = stage.world.plan().underlay.round_trip(from, to);
                    if std::env::var("SHOW").is_ok() && root.hops >= 5 {
                        let key_of = |id: &Id| format!("{:.6}", id.to_string());
                        let via: Vec<String> = root.trace.iter().map(|h| format!("{}->{} {:?} rtt {:.1}", key_of(&h.at), key_of(&h.next), h.why, h.rtt.as_millis_f64())).collect();
                        println!("direct {:.1} took {:.1} key {:.6} root {:.6}: {}", direct.as_millis_f64(), root.took.as_millis_f64(), key.to_string(), root.contact.id().to_string(), via.join("; "));
                        let view = stage.world.nodes()[from].view().expect("up");
                        let peer = view.peer(&root.contact.id());
                        println!("     now way to root: {:?}  covers {}", peer.map(|p| p.way), view.covers(&key));
                    }
                    pairs.push(Pair { routed: root.took, direct });
                    hops.push(f64::from(root.hops));
                }
            }
            _ => failed += 1,
        }
    }
    (pairs, hops, failed)
}

/// The best that the links allow, by hops.
fn oracle(world: &World, nodes: usize) {
    let rtt = |a: usize, b: usize| world.plan().underlay.round_trip(a, b).as_millis_f64();
    let linked: Vec<Vec<bool>> = (0..nodes)
        .map(|a| {
            let view = world.nodes()[a].view().expect("up");
            (0..nodes).map(|b| a != b && view.peer(&world.nodes()[b].contact().id()).is_some_and(|p| p.link().is_some())).collect()
        })
        .collect();
    let inf = 1e9;
    let mut best: Vec<Vec<f64>> =
        (0..nodes).map(|a| (0..nodes).map(|b| if linked[a][b] { rtt(a, b) } else { inf }).collect()).collect();
    let first = best.clone();
    let mut out = Vec::new();
    for _ in 2..=4 {
        let before = best.clone();
        for a in 0..nodes {
            for b in 0..nodes {
                for via in 0..nodes {
                    best[a][b] = best[a][b].min(first[a][via] + before[via][b]);
                }
            }
        }
        let (mut routed, mut direct, mut none) = (0.0, 0.0, 0);
        for a in 0..nodes {
            for b in 0..nodes {
                if a != b {
                    if best[a][b] >= inf { none += 1; continue; }
                    routed += best[a][b];
                    direct += rtt(a, b);
                }
            }
        }
        out.push(format!("{:.3} ({none} none)", routed / direct));
    }
    let two: Vec<Vec<f64>> = (0..nodes)
        .map(|a| (0..nodes).map(|b| (0..nodes).map(|v| first[a][v] + first[v][b]).fold(first[a][b], f64::min)).collect())
        .collect();
    let (mut none, mut through, mut better, mut link) = (0, vec![], 0, 0);
    let (mut stale, mut sum_way, mut sum_two) = (0, 0.0, 0.0);
    for a in 0..nodes {
        let view = world.nodes()[a].view().expect("up");
        for b in 0..nodes {
            if a == b { continue; }
            let Some(peer) = view.peer(&world.nodes()[b].contact().id()) else { none += 1; continue };
            use arras::overlay::view::Way;
            match peer.way {
                Way::None => none += 1,
                Way::Link { .. } => link += 1,
                Way::LinkButBetter { .. } => better += 1,
                Way::Through { via, through: told } => {
                    let v = world.index_of(&via).expect("node");
                    if first[a][v] + first[v][b] >= inf { stale += 1; }
                    through.push(told.as_millis_f64() / two[a][b]);
                    sum_way += told.as_millis_f64();
                    sum_two += two[a][b];
                }
            }
        }
    }
    through.sort_by(f64::total_cmp);
    println!("      ways: none {none} link {link} better {better} through {} stale {stale}; told/two p50 {:.3} p90 {:.3} p99 {:.3} sums {:.3}",
        through.len(), through[through.len()/2], through[through.len()*9/10], through[through.len()*99/100], sum_way/sum_two);
    println!("      oracle over the links, 2, 3, 4 hops: {}", out.join(", "));
}
