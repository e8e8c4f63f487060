//! What does a node weigh, and what each of its links?
//!
//! Owns: labs of several sizes and link budgets, each in a process of its own, the plane through their
//! resident memory, and a node on its own with 50 links.
//! Never does: compare two labs in one process: memory freed is not memory returned.

#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::base::Chance;
use arras::identity::{NodeName, Role, SecretKey};
use arras::overlay::router::Agreement;
use arras::overlay::{Command, Reply};
use arras::runtime::host::{Host, NodeSetup, NodeTuning, Threads};
use arras::runtime::lab::measure::rss_mib;
use arras::runtime::store::Store;
use arras::survey::number::number;
use arras::survey::plot::{Bars, Better, Group, Scale};
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use clap::Parser;
use crossbeam::channel::bounded;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command as Process, ExitCode, Stdio};
use std::time::{Duration, Instant};
use support::bars::BarList;
use support::cost::{Snap, cpu_us, sig};
use support::lab::{Plan, tuning};
use support::{Fault, cost, output, say};

/// Resident memory per node and link.
#[derive(Parser)]
struct Args {
    /// Fewer and smaller labs, to see that it works.
    #[arg(long)]
    quick: bool,
    /// How long the node on its own is watched, in seconds.
    #[arg(long, default_value_t = 15.0)]
    secs: f64,
    /// Run one lab and tell its memory: "nodes,leaf set,link budget,seconds to live".
    #[arg(long, hide = true)]
    lab: Option<String>,
    /// Run one node on its own that joins here, and tell its memory.
    #[arg(long, hide = true)]
    alone: Option<SocketAddr>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one lab tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Weighed {
    nodes: usize,
    leaf_set: usize,
    link_budget: usize,
    /// Ends of links, all nodes together: every link has two.
    link_ends: f64,
    /// Before the first node.
    empty_mib: f64,
    /// When settled.
    rss_mib: f64,
    /// Of a core, all nodes, while nothing is asked.
    idle_share: f64,
    /// Where a node can join.
    seed: SocketAddr,
}

/// What the node on its own tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Alone {
    links: usize,
    rss_mib: f64,
    peak_mib: f64,
    idle_share: f64,
    secs: f64,
    threads: Vec<(String, f64)>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (&args.lab, &args.alone) {
        (Some(plan), _) => be_lab(plan),
        (None, Some(seed)) => be_alone(*seed, args.secs),
        (None, None) => bench(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("memory: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let environment = cost::environment();
    let plans: &[(usize, usize, usize)] = if args.quick { &PLANS[..3] } else { &PLANS };
    let mut weighed = Vec::new();
    for (nodes, leaf_set, budget) in plans {
        let (mut lab, told) = start_lab(*nodes, *leaf_set, *budget)?;
        say(&format!("{nodes} nodes, budget {budget}: {:.1} MiB, {:.0} link ends", told.rss_mib, told.link_ends));
        drop(lab.stdin.take());
        lab.wait()?;
        weighed.push(told);
    }
    let alone = weigh_alone(args)?;
    let plane = plane(&weighed);
    let mut table = Table::new("Labs", HEADINGS);
    for lab in &weighed {
        let per_node = (lab.rss_mib - lab.empty_mib) / lab.nodes as f64;
        let links = lab.link_ends / lab.nodes as f64;
        let figures = [links, lab.rss_mib, per_node, 100.0 * lab.idle_share / lab.nodes as f64];
        let plan = [lab.nodes, lab.leaf_set, lab.link_budget].map(|value| value.to_string());
        table.row(plan.into_iter().chain(figures.map(number)).map(Cell::from));
    }
    let bars = bars(&weighed, plane, &alone);
    println!("{table}\n{}", bars.table());
    println!("threads of the node on its own, CPU ms each: {:?}", alone.threads);
    let (base, node, link) = plane.unwrap_or_default();
    let json = json!({
        "bench": "arras-memory",
        "env": environment,
        "loadavg_end": cost::load(),
        "labs": weighed,
        "plane": {"base_mib": sig(base), "node_kib": sig(node * 1024.0), "link_end_kib": sig(link * 1024.0)},
        "alone": alone,
        "bars": bars.json(),
    });
    output::write("memory", &json, &report(&weighed, &bars, &table))
}

fn bars(weighed: &[Weighed], plane: Option<(f64, f64, f64)>, alone: &Alone) -> BarList {
    let mut bars = BarList::default();
    let of = |nodes: usize| weighed.iter().find(|lab| lab.nodes == nodes && lab.link_budget == 24);
    let per_node = of(50).map(|lab| (lab.rss_mib - lab.empty_mib) / lab.nodes as f64);
    bars.at_most("lab of 50: a node", per_node, 1.5, "MiB");
    bars.shown("slope: a node", plane.map(|plane| plane.1 * 1024.0), "KiB");
    bars.shown("slope: an end of a link", plane.map(|plane| plane.2 * 1024.0), "KiB");
    bars.at_most(format!("alone, {} links: resident", alone.links), Some(alone.rss_mib), 30.0, "MiB");
    bars.at_most("the same: idle, of a core", Some(alone.idle_share * 100.0), 0.5, "%");
    bars
}

fn report(weighed: &[Weighed], bars: &BarList, table: &Table) -> Report {
    let lines =
        ["Each lab in a process of its own; memory is what the system says is resident (VmRSS), less what the \
                  process had before its first node."];
    let mut report = Report::new("arras: memory per node and per link", lines);
    report.full(bars.cards("Bars"));
    let group = |lab: &Weighed| Group {
        name: format!("{} nodes, {:.0} links each", lab.nodes, lab.link_ends / lab.nodes as f64),
        values: vec![Some((lab.rss_mib - lab.empty_mib) * 1024.0 / lab.nodes as f64)],
    };
    report.full(Bars {
        title: "Memory a node".to_owned(),
        note: String::new(),
        x_label: "KiB".to_owned(),
        scale: Scale::Linear,
        better: Better::Lower,
        series: vec!["arras".to_owned()],
        groups: weighed.iter().map(group).collect(),
    });
    report.full(table.clone());
    report
}

fn start_lab(nodes: usize, leaf_set: usize, budget: usize) -> Result<(Child, Weighed), Fault> {
    start_child(&["--lab".to_owned(), format!("{nodes},{leaf_set},{budget}")])
}

fn start_child<T: for<'a> Deserialize<'a>>(arguments: &[String]) -> Result<(Child, T), Fault> {
    let mut child = Process::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(told) => Ok((child, told)),
        Err(_) => {
            drop(child.stdin.take());
            child.wait()?;
            Err(format!("a part of the bench failed: {}", arguments.join(" ")).into())
        }
    }
}

fn weigh_alone(args: &Args) -> Result<Alone, Fault> {
    let (mut lab, told) = start_lab(NEIGHBOURS, 16, 256)?;
    let secs = if args.quick { 3.0 } else { args.secs };
    let arguments = ["--alone".to_owned(), told.seed.to_string(), "--secs".to_owned(), secs.to_string()];
    let alone = start_child::<Alone>(&arguments);
    drop(lab.stdin.take());
    lab.wait()?;
    let (mut child, alone) = alone?;
    drop(child.stdin.take());
    child.wait()?;
    say(&format!(
        "on its own with {} links: {:.1} MiB, {:.2} % of a core",
        alone.links,
        alone.rss_mib,
        alone.idle_share * 100.0
    ));
    Ok(alone)
}

/// The child's part: one lab, told once it is settled, kept until the parent hangs up.
fn be_lab(plan: &str) -> Result<(), Fault> {
    let plan: Vec<usize> = plan.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let &[nodes, leaf_set, link_budget] = plan.as_slice() else { return Err("three numbers wanted".into()) };
    let empty_mib = rss_mib();
    let bench = Plan { nodes, matrix: None, seed: 1, tuning: tuning(leaf_set, link_budget) }.start()?;
    std::thread::sleep(SETTLE);
    let before = Snap::now();
    std::thread::sleep(Duration::from_secs(3));
    let cost = before.cost();
    let rss_mib = rss_mib();
    let links = |status: arras::overlay::router::RouterStatus| {
        status.peers.iter().filter(|peer| peer.link_rtt.is_some()).count() as f64
    };
    let link_ends = bench.lab.nodes().iter().filter_map(|node| node.status()).map(links).sum();
    let seed = bench.lab.nodes()[0].node.contact().address().ok_or("no address")?;
    let idle_share = cost.cpu_us / 1e6 / cost.secs;
    let told = Weighed { nodes, leaf_set, link_budget, link_ends, empty_mib, rss_mib, idle_share, seed };
    println!("{}", serde_json::to_string(&told)?);
    until_hung_up();
    Ok(())
}

/// The child's part: one node, told once it has its links and has been watched.
fn be_alone(seed: SocketAddr, secs: f64) -> Result<(), Fault> {
    let dir = output::scratch()?;
    let host = Host::start(Threads { objects: 1, storage: 1 })?;
    let secret = SecretKey::from_seed(Chance::from_seed(u64::from(std::process::id())).bytes32());
    let agreement = Agreement { network: "lab".to_owned(), ..Agreement::default() };
    let node = host.add(NodeSetup {
        name: NodeName::solve(secret.public(), agreement.puzzle_bits),
        secret,
        sequence: 1,
        role: Role::Server,
        listen: "127.3.0.1:0".parse()?,
        advertise: Vec::new(),
        agreement,
        tuning: NodeTuning::default(),
        store: (Store::open(dir.path(), STORE_CACHE_BYTES)?, Vec::new()),
        seeds: vec![seed],
        saved: Vec::new(),
        save_contacts: Box::new(|_| {}),
        imposed: None,
    })?;
    let links = || {
        let (tell, told) = bounded(1);
        node.wish(Command::RouterStatus, Box::new(move |result| drop(tell.send(result))));
        match told.recv_timeout(Duration::from_secs(5)) {
            Ok(Ok(Reply::Router(status))) => status.peers.iter().filter(|peer| peer.link_rtt.is_some()).count(),
            _ => 0,
        }
    };
    let until = Instant::now() + LINKS_PATIENCE;
    while links() < NEIGHBOURS && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(REST);
    let (before, began) = (cpu_us(), Instant::now());
    std::thread::sleep(Duration::from_secs_f64(secs));
    let idle_share = (cpu_us() - before) / 1e6 / began.elapsed().as_secs_f64();
    let threads = cost::by_thread().into_iter().map(|(name, cpu)| (name, sig(cpu / 1e3))).collect();
    let (links, rss_mib, peak_mib) = (links(), rss_mib(), cost::peak_mib());
    println!("{}", serde_json::to_string(&Alone { links, rss_mib, peak_mib, idle_share, secs, threads })?);
    until_hung_up();
    Ok(())
}

fn until_hung_up() {
    // The parent closes its end, or is gone: both mean the same.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The plane `memory = base + node · nodes + link · link ends` nearest to the labs by least squares, in
/// MiB; nothing if the labs do not span one.
fn plane(weighed: &[Weighed]) -> Option<(f64, f64, f64)> {
    let mut rows = [[0.0f64; 4]; 3];
    for lab in weighed {
        let point = [1.0, lab.nodes as f64, lab.link_ends];
        for (row, left) in rows.iter_mut().zip(point) {
            for (cell, right) in row.iter_mut().zip(point.into_iter().chain([lab.rss_mib])) {
                *cell += left * right;
            }
        }
    }
    for pivot in 0..3 {
        let largest = (pivot..3).max_by(|a, b| rows[*a][pivot].abs().total_cmp(&rows[*b][pivot].abs()))?;
        rows.swap(pivot, largest);
        if rows[pivot][pivot].abs() < 1e-9 {
            return None;
        }
        let lead = rows[pivot];
        for (index, row) in rows.iter_mut().enumerate() {
            if index != pivot {
                let factor = row[pivot] / lead[pivot];
                row.iter_mut().zip(lead).for_each(|(cell, lead)| *cell -= factor * lead);
            }
        }
    }
    Some((rows[0][3] / rows[0][0], rows[1][3] / rows[1][1], rows[2][3] / rows[2][2]))
}

const HEADINGS: [&str; 7] =
    ["nodes", "leaf set", "budget", "links a node", "RSS MiB", "MiB a node", "idle % of a core a node"];
/// Nodes, leaf set a side, link budget: sizes and links vary independently, so that a plane is spanned.
const PLANS: [(usize, usize, usize); 7] =
    [(12, 4, 8), (50, 4, 8), (50, 8, 24), (50, 16, 64), (100, 4, 8), (100, 8, 24), (25, 8, 24)];
/// Neighbours of the node on its own: issue 2, "Bars".
const NEIGHBOURS: usize = 50;
/// Memory for the database cache of the node on its own: as in the lab.
const STORE_CACHE_BYTES: usize = 128 << 10;
/// From readiness until links and tables have come to rest.
const SETTLE: Duration = Duration::from_secs(10);
/// The same for the node on its own, whose idleness is to be judged: a node learns where everybody is for its
/// first 90 s (`router::probe`), and is not idle before.
const REST: Duration = Duration::from_secs(100);
/// How long the node on its own may take to get its links.
const LINKS_PATIENCE: Duration = Duration::from_secs(60);
