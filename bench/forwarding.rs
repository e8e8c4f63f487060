//! How many messages a second does one node forward, and how much later does a hop make them?
//!
//! Owns: one whole node on a host of its own, 64 neighbours on other threads that load it over real
//! sockets and QUIC, and the Forwarder alone with nothing around it.
//! Never does: count work of the neighbours as the node's: the node's thread is told by its name.

#[allow(dead_code, clippy::disallowed_methods, reason = "each bench uses its part; benches measure real time")]
mod support;

use arras::base::{Chance, Coordinate, Id, Instant, Load, RttEstimate, Span};
use arras::identity::{Contact, NodeName, Role, SecretKey};
use arras::machine::{Machine, Outbox};
use arras::overlay::forwarder::{self, Forwarder};
use arras::overlay::router::{self, Agreement};
use arras::overlay::view::{LeafView, PeerView, Way};
use arras::overlay::{Effect, Interest, RouteView};
use arras::runtime::clock::Clock;
use arras::runtime::host::{Host, LocalNode, NodeSetup, NodeTuning, Threads};
use arras::runtime::store::Store;
use arras::survey::number::number;
use arras::survey::plot::{Cdf, Scale, Series};
use arras::survey::table::Cell;
use arras::survey::{Report, Table};
use arras::wire::probe::Bearing;
use arras::wire::routing::{Errand, Header, Outcome, ReturnHeader};
use arras::wire::{Message, Routing};
use bytes::Bytes;
use clap::Parser;
use crossbeam::channel::{Receiver, unbounded};
use serde_json::{Value, json};
use std::hint::black_box;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::bars::BarList;
use support::cost::{Snap, round, sig, thread_cpu_us};
use support::peer::PeerPlan;
use support::phase::{median, percentile};
use support::pump::{Arrived, Order, Pump, Tally};
use support::{Fault, cost, output, say};

/// One node between many links.
#[derive(Parser)]
struct Args {
    /// Links of the node under test that carry load.
    #[arg(long, default_value_t = 64)]
    links: usize,
    /// Messages each neighbour keeps outstanding, a run each.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    each: Vec<usize>,
    /// Length of a round in seconds, and how many.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Single messages timed.
    #[arg(long, default_value_t = 2_000)]
    singles: usize,
    /// Only the Forwarder alone, without sockets: for a profiler.
    #[arg(long)]
    machine_only: bool,
    /// Short rounds, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One load's figures: medians over the rounds.
struct Flooded {
    each: usize,
    /// Messages handed on a second: ways there and back.
    carried: f64,
    /// Of these, ways there: lookups relayed.
    relayed: f64,
    /// Microseconds of the node's thread for each message carried.
    thread_us: f64,
    /// Share of a core the node's thread had.
    thread_share: f64,
    lost: f64,
    refused: f64,
    others: f64,
}

/// The node under test and all around it.
struct Bed {
    node: LocalNode,
    _host: Host,
    _dir: tempfile::TempDir,
    crowd: Pump,
    far: Pump,
    tally: Arc<Tally>,
    singles: Receiver<Arrived>,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.secs, args.rounds, args.singles) = (1.0, 1, 300);
    }
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("forwarding: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), Fault> {
    let environment = cost::environment();
    let (alone_us, codec_us) = (machine_alone(args.links), codec_alone());
    say(&format!("the Forwarder alone: {alone_us:.2} µs a message; decoding and encoding it {codec_us:.2} µs more"));
    if args.machine_only {
        return Ok(());
    }
    let bed = Bed::set_up(args.links)?;
    let keys = Arc::new(bed.keys());
    let flooded: Vec<Flooded> = args.each.iter().map(|each| bed.flood(args, *each, &keys)).collect();
    std::thread::sleep(Duration::from_secs(1));
    let (direct, through) = bed.time_singles(args.singles, &keys)?;
    let mut table = Table::new("Forwarding between links", HEADINGS);
    for load in &flooded {
        let per_core = 1e6 / load.thread_us;
        let figures =
            [load.carried, load.relayed, load.thread_us, per_core, load.thread_share * 100.0, load.lost, load.refused];
        let cells = figures.map(number).into_iter().chain([format!("{:.0}", load.others * 100.0)]);
        table.row(std::iter::once(load.each.to_string()).chain(cells).map(Cell::from));
    }
    let bars = bars(&flooded, &direct, &through, (alone_us, codec_us));
    println!("{table}\n{}", bars.table());
    let loads: Vec<Value> = flooded.iter().map(Flooded::json).collect();
    let times = |samples: &[f64]| json!({"p50": sig(median(samples)), "p99": sig(percentile(samples, 99.0)), "samples": samples.len()});
    let json = json!({
        "bench": "arras-forwarding",
        "config": {"links": args.links, "secs": args.secs, "rounds": args.rounds},
        "env": environment,
        "loadavg_end": cost::load(),
        "loads": loads,
        "machine_alone_us": sig(alone_us),
        "codec_us": sig(codec_us),
        "direct_us": times(&direct),
        "through_us": times(&through),
        "bars": bars.json(),
    });
    let mut report = Report::new(
        "arras: forwarding through one node",
        [format!(
            "One whole node, {} neighbours on other threads, real sockets and QUIC on loopback; each neighbour keeps messages \
             of about 130 bytes outstanding to keys of other neighbours, which answer at once. All threads share {} cores.",
            args.links,
            cost::cores()
        )],
    );
    report.full(bars.cards("Bars")).full(table);
    report.full(Cdf {
        title: "One way between two neighbours, nothing else going on".to_owned(),
        note: "Sender and receiver on threads of their own; a hop costs one more wake-up of a sleeping thread."
            .to_owned(),
        x_label: "microseconds".to_owned(),
        scale: Scale::Log,
        series: vec![Series::new("direct link", direct), Series::new("through one node", through)],
        marks: Vec::new(),
    });
    output::write("forwarding", &json, &report)
}

fn bars(flooded: &[Flooded], direct: &[f64], through: &[f64], (alone_us, codec_us): (f64, f64)) -> BarList {
    let mut bars = BarList::default();
    let best = |of: fn(&Flooded) -> f64| flooded.iter().map(of).fold(f64::NAN, f64::max);
    let cheapest = flooded.iter().map(|load| load.thread_us).fold(f64::NAN, f64::min);
    bars.at_least("forwarded a thread second", Some(1e6 / cheapest), 60_000.0, "/s");
    bars.at_least("forwarded a second, wall", Some(best(|load| load.carried)), 60_000.0, "/s");
    bars.shown("relayed there and back", Some(best(|load| load.relayed)), "/s");
    let added = |percent: f64| Some(percentile(through, percent) - percentile(direct, percent));
    bars.shown("a hop adds, p50, idle", added(50.0), "µs");
    bars.at_most("a hop adds, p99, idle", added(99.0), 150.0, "µs");
    let strictly = Some(percentile(through, 99.0) - median(direct));
    bars.shown("p99 through – p50 direct", strictly, "µs");
    bars.shown("the Forwarder alone, a message", Some(alone_us), "µs");
    bars.shown("decode and encode", Some(codec_us), "µs");
    bars
}

impl Flooded {
    fn json(&self) -> Value {
        json!({
            "outstanding_each": self.each,
            "carried_per_s": sig(self.carried),
            "relayed_per_s": sig(self.relayed),
            "thread_us_per_message": sig(self.thread_us),
            "carried_per_thread_cpu_s": sig(1e6 / self.thread_us),
            "thread_share_of_core": round(self.thread_share),
            "lost": self.lost,
            "refused": self.refused,
            "other_cpu_share": round(self.others),
        })
    }
}

impl Bed {
    /// The node, `links` neighbours on one thread, one more on another, all linked to the node.
    fn set_up(links: usize) -> Result<Bed, Fault> {
        let (dir, mut chance) = (output::scratch()?, Chance::from_seed(1));
        let agreement = Agreement { network: "bench".to_owned(), ..Agreement::default() };
        let host = Host::start(Threads { objects: 1, storage: 1 })?;
        let mut tuning = NodeTuning::default();
        (tuning.router.leaf_set_per_side, tuning.router.link_budget) = (LEAF_SET, links * 2);
        let secret = SecretKey::from_seed(chance.bytes32());
        let node = host.add(NodeSetup {
            name: NodeName::solve(secret.public(), agreement.puzzle_bits),
            secret,
            sequence: 1,
            role: Role::Server,
            listen: address(0),
            advertise: Vec::new(),
            agreement: agreement.clone(),
            tuning,
            store: (Store::open(dir.path(), 128 << 10)?, Vec::new()),
            seeds: Vec::new(),
            saved: Vec::new(),
            save_contacts: Box::new(|_| {}),
            imposed: None,
        })?;
        let seed = node.contact().address().ok_or("the node has no address")?;
        let plans = |numbers: std::ops::Range<usize>, chance: &mut Chance| -> Vec<PeerPlan> {
            let tuning = router::Tuning { leaf_set_per_side: 4, link_budget: 12, ..router::Tuning::default() };
            let plan = |number| PeerPlan {
                listen: address(number),
                seed,
                tuning: tuning.clone(),
                agreement: agreement.clone(),
                chance: chance.fork(),
            };
            numbers.map(plan).collect()
        };
        let (tally, (tell, singles), clock) = (Arc::new(Tally::default()), unbounded(), Clock::start());
        let crowd = Pump::start("bench-crowd", plans(1..links + 1, &mut chance), clock, tally.clone(), tell.clone())?;
        let far = Pump::start("bench-far", plans(links + 1..links + 2, &mut chance), clock, tally.clone(), tell)?;
        let bed = Bed { node, _host: host, _dir: dir, crowd, far, tally, singles };
        bed.await_links(links + 1)?;
        Ok(bed)
    }

    fn await_links(&self, wanted: usize) -> Result<(), Fault> {
        let me = self.node.contact().clone();
        for round in 0..600 {
            let ((ready, linked), (far_ready, far_linked)) = (self.crowd.state(me.id()), self.far.state(me.id()));
            if round % 20 == 0 {
                say(&format!("{} of {wanted} neighbours ready, {} linked", ready + far_ready, linked + far_linked));
            }
            if ready + far_ready == wanted && linked + far_linked == wanted {
                std::thread::sleep(Duration::from_secs(2));
                return Ok(());
            }
            // Whoever's Router sees no need for a link to the node under test is told to have one.
            if round > 20 && round % 10 == 0 {
                (0..self.crowd.contacts.len())
                    .for_each(|peer| self.crowd.order(Order::Dial { peer, contact: me.clone() }));
                self.far.order(Order::Dial { peer: 0, contact: me.clone() });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("the neighbours did not come together".into())
    }

    /// Keys whose root is a neighbour of the crowd, with that root.
    fn keys(&self) -> Vec<(Id, Id)> {
        let far = self.far.contacts.iter().map(|contact| contact.id());
        let crowd: Vec<Id> = self.crowd.contacts.iter().map(|contact| contact.id()).collect();
        let all: Vec<Id> = crowd.iter().copied().chain(far).chain([self.node.id()]).collect();
        let mut chance = Chance::from_seed(2);
        let root = |key: &Id| all.iter().min_by_key(|id| (id.distance(key), **id)).copied();
        let drawn = std::iter::repeat_with(|| Id::from_bytes(chance.bytes32()));
        drawn.filter_map(|key| Some((key, root(&key)?))).filter(|(_, root)| crowd.contains(root)).take(KEYS).collect()
    }

    /// So many messages outstanding of each neighbour, in rounds.
    fn flood(&self, args: &Args, each: usize, keys: &Arc<Vec<(Id, Id)>>) -> Flooded {
        self.crowd.order(Order::Flood { through: self.node.id(), each, keys: keys.clone() });
        std::thread::sleep(Duration::from_millis(500));
        let mut rounds = Vec::new();
        for _ in 0..args.rounds {
            let (before, snap, thread) = (self.counts(), Snap::now(), thread_cpu_us(IO_THREAD));
            std::thread::sleep(Duration::from_secs_f64(args.secs));
            let (after, cost) = (self.counts(), snap.cost());
            let thread_us = thread_cpu_us(IO_THREAD) - thread;
            let [answered, lost, refused] = std::array::from_fn(|index| (after[index] - before[index]) as f64);
            rounds.push(Flooded {
                each,
                carried: 2.0 * answered / cost.secs,
                relayed: answered / cost.secs,
                thread_us: thread_us / (2.0 * answered).max(1.0),
                thread_share: thread_us / 1e6 / cost.secs,
                lost,
                refused,
                others: cost.others,
            });
        }
        self.crowd.order(Order::Flood { through: self.node.id(), each: 0, keys: Arc::default() });
        std::thread::sleep(Duration::from_millis(500));
        let of = |figure: fn(&Flooded) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        let sum = |figure: fn(&Flooded) -> f64| rounds.iter().map(figure).sum();
        let flooded = Flooded {
            each,
            carried: of(|round| round.carried),
            relayed: of(|round| round.relayed),
            thread_us: of(|round| round.thread_us),
            thread_share: of(|round| round.thread_share),
            lost: sum(|round| round.lost),
            refused: sum(|round| round.refused),
            others: of(|round| round.others),
        };
        say(&format!("{each} each: {:.0}/s carried, {:.1} µs of the thread each", flooded.carried, flooded.thread_us));
        flooded
    }

    fn counts(&self) -> [u64; 3] {
        [&self.tally.answered, &self.tally.lost, &self.tally.refused].map(|count| count.load(Ordering::Relaxed))
    }

    /// One way from a neighbour of the crowd to the far one, over their own link and through the node, in
    /// turn, with nothing else going on.
    fn time_singles(&self, count: usize, _keys: &Arc<Vec<(Id, Id)>>) -> Result<(Vec<f64>, Vec<f64>), Fault> {
        let far = self.far.contacts[0].clone();
        self.crowd.order(Order::Dial { peer: 0, contact: far.clone() });
        std::thread::sleep(Duration::from_millis(500));
        while self.singles.try_recv().is_ok() {}
        let (mut direct, mut through, mut missed) = (Vec::new(), Vec::new(), 0);
        for number in 0..count * 2 {
            let by_node = number % 2 == 1;
            let to = if by_node { self.node.id() } else { far.id() };
            self.crowd.order(Order::Single { peer: 0, to, key: far.id() });
            match self.singles.recv_timeout(Duration::from_secs(1)) {
                Ok(arrived) if by_node && arrived.hops == 2 => through.push(arrived.took.as_micros() as f64),
                Ok(arrived) if !by_node && arrived.hops == 1 => direct.push(arrived.took.as_micros() as f64),
                _ => missed += 1,
            }
            // Long enough for every thread to fall asleep again.
            std::thread::sleep(Duration::from_millis(2));
        }
        say(&format!(
            "one way: direct {:.0} µs, through the node {:.0} µs, {missed} missed",
            median(&direct),
            median(&through)
        ));
        if direct.is_empty() || through.is_empty() {
            return Err("no single message arrived".into());
        }
        Ok((direct, through))
    }
}

/// The Forwarder with a hand-made view of so many linked neighbours and nothing around it: microseconds
/// for each message it carries, there and back.
fn machine_alone(links: usize) -> f64 {
    let mut chance = Chance::from_seed(3);
    let mut contact = |number: usize| {
        let secret = SecretKey::from_seed(chance.bytes32());
        let name = NodeName::solve(secret.public(), 0);
        Arc::new(Contact::sign(&secret, name, &[address(number)], Role::Server, 1))
    };
    let me = contact(0);
    let mut peers: Vec<PeerView> = (1..=links)
        .map(|number| PeerView {
            contact: contact(number),
            coordinate: Some(Coordinate::default()),
            way: Way::Link { rtt: RttEstimate::first(Span::from_micros(100 + number as u64)) },
            ready: true,
        })
        .collect();
    peers.sort_by_key(|peer| peer.contact.id());
    let mut around: Vec<Id> = peers.iter().map(|peer| peer.contact.id()).collect();
    around.sort_by_key(|id| me.id().clockwise(id));
    let after: Vec<Id> = around.iter().take(LEAF_SET).copied().collect();
    let before: Vec<Id> = around.iter().rev().take(LEAF_SET).copied().collect();
    let ids: Vec<Id> = peers.iter().map(|peer| peer.contact.id()).collect();
    let leaf_set = LeafView { before, after, is_whole_ring: false };
    let view = RouteView {
        me: me.clone(),
        bearing: Bearing::default(),
        ready: true,
        peers,
        leaf_set,
        adverts: Arc::default(),
    };
    let mut machine = Forwarder::new(
        me,
        forwarder::Tuning { origin_rate: u32::MAX, ..Default::default() },
        Arc::new(Interest::new((1, 2))),
    );
    let mut out = Outbox::new();
    machine.handle(Instant::ORIGIN, forwarder::Input::View(Arc::new(view)), &mut out);
    let keys: Vec<Id> = (0..KEYS).map(|_| Id::from_bytes(chance.bytes32())).collect();
    let mut carried = 0u64;
    let began = cost::cpu_us();
    for number in 0..ALONE {
        let now = Instant::from_micros(number as u64 * 15);
        let from = ids[number % ids.len()];
        let header = header(number as u32, keys[number % KEYS], from);
        let message = Routing::Forward(header, Bytes::from_static(&[7; 32]));
        machine.handle(now, forwarder::Input::Heard { from, message }, &mut out);
        let sent: Vec<Effect> = out.drain().collect();
        for effect in sent {
            let Effect::Send { to, message: Message::Routing(Routing::Forward(header, payload)) } = effect else {
                continue;
            };
            let (label, outcome) = (header.label, Outcome::Answered { by: to });
            let (hops, last, load, trace) = (header.hops, Span::ZERO, Load::NONE, Vec::new());
            let reply = ReturnHeader { label, outcome, hops, last, load, trace };
            carried += 2;
            machine.handle(
                now,
                forwarder::Input::Heard { from: to, message: Routing::Return(reply, payload) },
                &mut out,
            );
        }
        black_box(out.drain().count());
    }
    (cost::cpu_us() - began) / carried.max(1) as f64
}

/// Decoding and encoding one forwarded message, in microseconds.
fn codec_alone() -> f64 {
    let mut chance = Chance::from_seed(4);
    let header = header(7, Id::from_bytes(chance.bytes32()), Id::from_bytes(chance.bytes32()));
    let mut bytes = Bytes::from(Message::Routing(Routing::Forward(header, Bytes::from_static(&[7; 32]))).encode());
    let began = cost::cpu_us();
    for _ in 0..ALONE {
        let Ok(message) = Message::decode(&bytes) else { return f64::NAN };
        bytes = Bytes::from(black_box(message).encode());
    }
    (cost::cpu_us() - began) / ALONE as f64
}

fn header(label: u32, key: Id, origin: Id) -> Header {
    let patience = Span::from_secs(10);
    Header {
        label,
        key,
        origin,
        errand: Errand::Lookup,
        traced: false,
        hops: 1,
        patience,
        closing: false,
        detour: None,
        words: 0,
    }
}

/// An address each: 127.2.0.x.
fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([127, 2, 0, number as u8 + 1], 0))
}

const HEADINGS: [&str; 9] = [
    "outstanding each",
    "messages/s",
    "lookups/s",
    "thread µs each",
    "per thread second",
    "thread %",
    "lost",
    "refused",
    "others %",
];
/// The name `runtime/turn.rs` gives its thread.
const IO_THREAD: &str = "arras-io";
/// The largest leaf set there is: most keys are in it, the others take the choice by latency.
const LEAF_SET: usize = 24;
/// Keys drawn.
const KEYS: usize = 4_096;
/// Messages for the machine alone.
const ALONE: usize = 200_000;
