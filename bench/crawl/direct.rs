//! A large overlay whose tables are what they should be.
//!
//! Owns: nodes that answer a crawler from the truth about the ring: leaf sets of 16 a side, up to 3 contacts a
//! slot drawn by lot, the dead named until they would be noticed; sessions as in IPFS 2022.
//! Never does: run a node. It answers what a full node would, so that 100,000 fit.

use arras::base::{Chance, Coordinate, Id, Instant, Span};
use arras::crawler::{Census, Crawler, Effect, Fault, Input, Tuning};
use arras::identity::{Contact, NodeName, Role, SecretKey};
use arras::machine::{Machine, Outbox};
use arras::wire::membership::About;
use arras::wire::probe::Bearing;
use arras::wire::{Card, Membership, Message, Probe, Profile};
use std::collections::BTreeMap;

/// The overlay, and the time in it.
pub struct Direct {
    /// By id.
    nodes: Vec<Toy>,
    events: BTreeMap<(Instant, u64), Input>,
    scheduled: u64,
    pub now: Instant,
    chance: Chance,
    loss: f64,
}

struct Toy {
    contact: Contact,
    born: Instant,
    died: Instant,
    rtt: Span,
}

impl Direct {
    /// This many nodes at any moment, with sessions so many times shorter than in IPFS 2022 (0: without end).
    pub fn of(count: usize, times: f64, loss: f64, seed: u64) -> Direct {
        let mut chance = Chance::from_seed(seed);
        let lives = lives(count, times, &mut chance);
        let mut nodes: Vec<Toy> = lives.into_iter().map(|life| Toy::new(life, &mut chance)).collect();
        nodes.sort_unstable_by_key(|node| node.contact.id());
        Direct { nodes, events: BTreeMap::new(), scheduled: 0, now: START, chance, loss }
    }

    /// Who lives at this moment, by id.
    pub fn alive(&self, at: Instant) -> Vec<Id> {
        self.nodes.iter().filter(|node| node.lives(at)).map(|node| node.contact.id()).collect()
    }

    /// A whole crawl from a node drawn by lot.
    pub fn crawl(&mut self, workers: usize) -> Census {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|index| self.nodes[*index].lives(self.now)).collect();
        let seed = self.chance.pick(&alive).map(|index| self.nodes[*index].contact.clone());
        let tuning = Tuning { workers, puzzle_bits: 0, ..Tuning::default() };
        let mut crawler = Crawler::new(Id::ZERO, tuning, self.chance.fork());
        let mut out = Outbox::new();
        self.events.clear();
        crawler.handle(self.now, Input::Start { contacts: Vec::from_iter(seed), seeds: Vec::new() }, &mut out);
        loop {
            let effects: Vec<Effect> = out.drain().collect();
            effects.into_iter().for_each(|effect| self.carry_out(effect));
            if crawler.is_over() {
                return crawler.census(self.now);
            }
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let due = crawler.next_deadline();
            match event.filter(|at| due.is_none_or(|due| *at <= due)) {
                Some(at) => {
                    self.now = at;
                    if let Some((_, input)) = self.events.pop_first() {
                        crawler.handle(at, input, &mut out);
                    }
                }
                None => {
                    self.now = due.expect("a crawl that is not over waits for something");
                    crawler.handle(self.now, Input::Due, &mut out);
                }
            }
        }
    }

    fn after(&mut self, span: Span, input: Input) {
        self.scheduled += 1;
        self.events.insert((self.now + span, self.scheduled), input);
    }

    fn index_of(&self, id: &Id) -> Option<usize> {
        self.nodes.binary_search_by_key(id, |node| node.contact.id()).ok()
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { contact } => {
                let (peer, index) = (contact.id(), self.index_of(&contact.id()));
                match index.map(|index| &self.nodes[index]).filter(|node| node.lives(self.now)).map(|node| node.rtt) {
                    Some(rtt) => {
                        self.after(rtt + rtt / 2, Input::LinkUp { contact, rtt });
                        let ping = Probe::Ping { round: 1, bearing: Bearing::default() };
                        let message = Box::new(Message::Probe(ping));
                        self.after(rtt * 2, Input::Heard { from: peer, message });
                    }
                    None => self.after(DIAL_MAX, Input::DialFailed { peer, why: Fault::DialTimedOut }),
                }
            }
            Effect::Send { to, message } => self.answer(&to, &message),
            Effect::HangUp { .. } | Effect::DialSeed { .. } | Effect::Finished => {}
        }
    }

    fn answer(&mut self, of: &Id, message: &Message) {
        let lost = self.chance.happens(self.loss) || self.chance.happens(self.loss);
        let Some(index) = self.index_of(of).filter(|index| !lost && self.nodes[*index].lives(self.now)) else { return };
        let answer = match message {
            Message::Membership(Membership::ContactsWanted { round, about }) => {
                let card = |index: usize| Card {
                    contact: self.nodes[index].contact.clone().into(),
                    coordinate: Coordinate::default(),
                };
                let cards = self.named(index, *about).into_iter().map(card).collect();
                Membership::Contacts { round: *round, about: *about, ready: true, cards }
            }
            Message::Membership(Membership::ProfileWanted { round }) => {
                let ends = [self.walk(index, 1, true), self.walk(index, 1, false)].concat();
                let shared = ends.iter().map(|end| of.shared_prefix(&self.nodes[*end].contact.id()));
                let profile = Profile {
                    program: "direct".to_owned(),
                    uptime: self.now.since(self.nodes[index].born),
                    coordinate: Coordinate::default(),
                    ready: true,
                    links: 0,
                    known: 0,
                    rows: shared.max().map_or(0, |shared| shared as u8 + 1),
                };
                Membership::Profile { round: *round, profile }
            }
            _ => return,
        };
        let (rtt, message) = (self.nodes[index].rtt, Box::new(Message::Membership(answer)));
        self.after(rtt, Input::Heard { from: *of, message });
    }

    fn named(&self, index: usize, about: About) -> Vec<usize> {
        let About::Row(row) = about else {
            return [self.walk(index, PER_SIDE, true), self.walk(index, PER_SIDE, false)].concat();
        };
        let (me, row) = (self.nodes[index].contact.id(), usize::from(row));
        let mut named = Vec::new();
        for digit in (0..16).filter(|digit| *digit != me.digit(row)) {
            let within = |id: &Id| id.shared_prefix(&me).min(row) == row && id.digit(row) == digit;
            let first = (0..64).fold(me, |id, at| match at {
                at if at < row => id,
                at if at == row => id.with_digit(at, digit),
                at => id.with_digit(at, 0),
            });
            let begin = self.nodes.partition_point(|node| node.contact.id() < first);
            let count = self.nodes[begin..].partition_point(|node| within(&node.contact.id()));
            // The same for each question, and another for each asker.
            let lot = (me.prefix_u64() ^ (row as u64) << 8 ^ u64::from(digit)).wrapping_mul(MIXER) >> 16;
            let from = (lot % count.max(1) as u64) as usize;
            let slot = (0..count).map(|step| begin + (from + step) % count);
            named.extend(slot.filter(|index| self.nodes[*index].is_named(self.now)).take(PER_SLOT));
        }
        named
    }

    /// The nearest that are named, on one side.
    fn walk(&self, index: usize, count: usize, after: bool) -> Vec<usize> {
        let len = self.nodes.len();
        let step = |steps: usize| if after { (index + steps) % len } else { (index + len - steps) % len };
        (1..len).map(step).filter(|other| self.nodes[*other].is_named(self.now)).take(count).collect()
    }
}

impl Toy {
    fn new((born, died): (Instant, Instant), chance: &mut Chance) -> Toy {
        let key = SecretKey::from_seed(chance.bytes32());
        let name = NodeName { key: key.public(), nonce: 0 };
        let address = std::net::SocketAddr::from(([192, 0, 2, 1], 7_420));
        let rtt = Span::from_millis(20 + chance.below(160));
        Toy { contact: Contact::sign(&key, name, &[address], Role::Server, 1), born, died, rtt }
    }

    fn lives(&self, at: Instant) -> bool {
        self.born <= at && at < self.died
    }

    fn is_named(&self, at: Instant) -> bool {
        self.born + JOINED_AFTER <= at && at < self.died + NOTICED_AFTER
    }
}

/// Births and deaths: a population in its steady state at the start, and as many births as deaths after it.
fn lives(count: usize, times: f64, chance: &mut Chance) -> Vec<(Instant, Instant)> {
    let never = Instant::from_micros(u64::MAX);
    if times <= 0.0 {
        return vec![(Instant::ORIGIN, never); count];
    }
    let session = |chance: &mut Chance| {
        let hours = WEIBULL_SCALE_H * (-(1.0 - chance.unit()).ln()).powf(1.0 / WEIBULL_SHAPE);
        Span::from_hours(1).scaled(hours / times)
    };
    // Who is there at a moment is likelier to be of a long session, and anywhere within it.
    let pool: Vec<Span> = (0..POOL).map(|_| session(chance)).collect();
    let total: f64 = pool.iter().map(|span| span.as_secs_f64()).sum();
    let mut lives = Vec::with_capacity(count * 2);
    for _ in 0..count {
        let mut mark = chance.unit() * total;
        let of = pool.iter().find(|span| {
            mark -= span.as_secs_f64();
            mark <= 0.0
        });
        let left = of.or(pool.last()).copied().unwrap_or(Span::ZERO).scaled(chance.unit());
        lives.push((Instant::ORIGIN, START + left));
    }
    let mean = total / POOL as f64;
    let mut at = START;
    while at < START + HORIZON {
        at += Span::from_micros((-(1.0 - chance.unit()).ln() * mean / count as f64 * 1e6) as u64);
        lives.push((at, at + session(chance)));
    }
    lives
}

/// The crawl begins when everybody who is there has been there for a while.
const START: Instant = Instant::from_micros(3_600_000_000);
/// Births are drawn for so long.
const HORIZON: Span = Span::from_hours(1);
/// IPFS 2022: 50 % of the sessions within 2 h, 80 % within 8 h (Trautwein et al., SIGCOMM 2022).
const WEIBULL_SHAPE: f64 = 0.608;
const WEIBULL_SCALE_H: f64 = 3.66;
/// Sessions drawn to draw from.
const POOL: usize = 1_000;
/// How long a join takes, and a death is not noticed: the Router's idle time-out.
const JOINED_AFTER: Span = Span::from_secs(2);
const NOTICED_AFTER: Span = Span::from_secs(30);
/// The transport's dial time-out.
const DIAL_MAX: Span = Span::from_secs(5);
/// The Router's defaults.
const PER_SIDE: usize = 16;
const PER_SLOT: usize = 3;
/// The odd number next to 2^64 over the golden ratio (Knuth, TAOCP 3, §6.4).
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;
