//! The way between lands, and the weather on it.
//!
//! Owns: a socket at each node's address in every other land, one thread that carries packets between them,
//! and what becomes of each packet: lost, doubled, late, overtaken, or stopped where a way is cut.
//! Never does: look into a packet. Chance has a seed; when packets come has none.

use super::land::Land;
use arras::base::Chance;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What befalls packets. Fair weather is the default.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// The share that is lost, 0 to 1.
    pub loss: f64,
    /// The share that comes twice, 0 to 1.
    pub twice: f64,
    /// How long each is under way.
    pub delay: Duration,
    /// At most this much longer, evenly drawn: who left later may come sooner.
    pub spread: Duration,
    /// Ways, from and to, that let nothing through.
    pub cut: BTreeSet<(usize, usize)>,
}

/// How many packets had which fate.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub came: u64,
    pub lost: u64,
    pub doubled: u64,
    pub overtaken: u64,
    pub stopped: u64,
}

/// Carries packets until it is dropped.
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    weather: Mutex<Weather>,
    tally: Mutex<Tally>,
    stop: AtomicBool,
}

/// A packet under way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Instant,
    number: u64,
    way: (usize, usize),
    bytes: Vec<u8>,
}

struct Carrier {
    /// At this way's beginning: it has the address of the node at the way's end.
    ends: BTreeMap<(usize, usize), UdpSocket>,
    homes: Vec<SocketAddr>,
    held: BinaryHeap<Reverse<Packet>>,
    /// The latest packet that came, by its number.
    latest: BTreeMap<(usize, usize), u64>,
    chance: Chance,
    number: u64,
    shared: Arc<Shared>,
}

/// The address of this node, in every land.
pub fn address(node: usize) -> Ipv4Addr {
    // A guess: a range hardly anybody uses; within the lands nothing else exists anyway.
    Ipv4Addr::new(10, 77, 0, 1 + node as u8)
}

/// Where this node listens, in every land.
pub fn home(node: usize) -> SocketAddr {
    SocketAddr::from((address(node), 7420))
}

impl Relay {
    /// Connects these lands, each with all addresses.
    pub fn between(lands: &[Land], seed: u64, weather: Weather) -> Relay {
        let nodes = 0..lands.len();
        let ways = nodes.clone().flat_map(|from| nodes.clone().map(move |to| (from, to)));
        let poll = Poll::new().expect("a poll");
        let mut ends = BTreeMap::new();
        for (from, to) in ways.filter(|(from, to)| from != to) {
            let socket = lands[from].inside(|| UdpSocket::bind(home(to)).expect("an address of the land"));
            ends.insert((from, to), socket);
        }
        for ((from, to), socket) in &mut ends {
            let token = Token(from * lands.len() + to);
            poll.registry().register(socket, token, Interest::READABLE).expect("registered");
        }
        let shared = Arc::new(Shared { weather: Mutex::new(weather), ..Shared::default() });
        let carrier = Carrier {
            ends,
            homes: nodes.map(home).collect(),
            held: BinaryHeap::new(),
            latest: BTreeMap::new(),
            chance: Chance::from_seed(seed),
            number: 0,
            shared: Arc::clone(&shared),
        };
        Relay { shared, thread: Some(thread::spawn(move || carrier.run(poll))) }
    }

    /// Changes the weather.
    pub fn change(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut lock(&self.shared.weather));
    }

    /// What became of the packets so far.
    pub fn tally(&self) -> Tally {
        lock(&self.shared.tally).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "the relay has panicked");
    }
}

impl Carrier {
    fn run(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(64);
        while !self.shared.stop.load(Ordering::Relaxed) {
            let next = self.held.peek().map(|Reverse(packet)| packet.due.saturating_duration_since(Instant::now()));
            let polled = poll.poll(&mut events, Some(next.unwrap_or(PAUSE).min(PAUSE)));
            assert!(polled.is_ok() || polled.is_err_and(|error| error.kind() == ErrorKind::Interrupted));
            for event in &events {
                let nodes = self.homes.len();
                self.take((event.token().0 / nodes, event.token().0 % nodes));
            }
            self.deliver();
        }
    }

    /// Takes what waits at the beginning of a way.
    fn take(&mut self, way: (usize, usize)) {
        let mut buffer = [0; 65_536];
        loop {
            match self.ends[&way].recv_from(&mut buffer) {
                Ok((length, from)) if from == self.homes[way.0] => self.send(way, &buffer[..length]),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the relay cannot read: {error}"),
            }
        }
    }

    fn send(&mut self, way: (usize, usize), bytes: &[u8]) {
        let weather = lock(&self.shared.weather).clone();
        let mut tally = lock(&self.shared.tally);
        if weather.cut.contains(&way) {
            tally.stopped += 1;
            return;
        }
        if self.chance.happens(weather.loss) {
            tally.lost += 1;
            return;
        }
        let twice = self.chance.happens(weather.twice);
        tally.doubled += u64::from(twice);
        for _ in 0..=u8::from(twice) {
            self.number += 1;
            let due = Instant::now() + weather.delay + weather.spread.mul_f64(self.chance.unit());
            self.held.push(Reverse(Packet { due, number: self.number, way, bytes: bytes.to_vec() }));
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self.held.peek().is_some_and(|Reverse(packet)| packet.due <= now) {
            let Some(Reverse(Packet { number, way, bytes, .. })) = self.held.pop() else { return };
            let (from, to) = way;
            let sent = self.ends[&(to, from)].send_to(&bytes, self.homes[to]);
            let latest = self.latest.entry(way).or_default();
            let mut tally = lock(&self.shared.tally);
            tally.came += u64::from(sent.is_ok());
            tally.lost += u64::from(sent.is_err());
            tally.overtaken += u64::from(number < *latest);
            *latest = number.max(*latest);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How soon the thread sees that it is to stop.
const PAUSE: Duration = Duration::from_millis(50);
