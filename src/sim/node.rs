//! One whole node in a world.
//!
//! Owns: its key and disk, which outlive it, and its machines while it lives; and which input of which
//! machine a fact, a message or a wish becomes.
//! Never does: carry out an effect that leaves the node: that is the world's.

use super::canary::Canary;
use super::clock::Clock;
use super::disk::Disk;
use super::world::Plan;
use crate::base::{Chance, Instant, Span};
use crate::identity::{Contact, NodeName, Role, SecretKey};
use crate::machine::{Machine, Outbox, Reading};
use crate::overlay::directory::{self, Directory, Setup};
use crate::overlay::forwarder::{self, Forwarder};
use crate::overlay::router::{self, Router};
use crate::overlay::{Command, Effect, Fact, Hearers, Interest, RequestId, RouteView, Sharding, Station};
use crate::wire::{Card, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// A node: what outlives a crash, and its mind while it runs.
pub struct Node {
    /// Its disk.
    pub disk: Disk,
    pub(super) key: SecretKey,
    pub(super) contact: Arc<Contact>,
    /// Starts so far: what was under way in an earlier life does not reach a later one.
    pub(super) life: u32,
    pub(super) saved: Vec<Card>,
    /// Where it joins through, as its configuration says.
    pub(super) seeds: Vec<SocketAddr>,
    pub(super) mind: Option<Mind>,
    /// Its clock, by which its machines live.
    pub(super) clock: Clock,
    /// Until when its uplink is busy with what it has sent.
    pub(super) uplink_busy: Instant,
    /// Since when it does not run, if it ever did.
    pub(super) gone_since: Option<Instant>,
    /// What passed through its hands.
    pub(super) counts: Counts,
    /// Its joining in this life: when it began, with how many messages, and what came of it.
    pub(super) joining: Joining,
    /// For a guest, which has links and no mind: what its host has not read yet.
    pub(super) mail: Option<Vec<crate::crawler::Input>>,
    chance: Chance,
}

/// What passed through a node's hands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Bytes of messages sent and received.
    pub traffic: u64,
    /// Messages sent and received; a dial and a linkless ping of its own count as one each.
    pub messages: u64,
    /// Requests of others that came in.
    pub asked_of: u64,
}

/// How a node comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joining {
    began: Instant,
    messages: u64,
    joined: Option<Joined>,
}

/// What it took a node to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// From its start until it was ready to root keys.
    pub after: Span,
    /// Messages it sent and received meanwhile; a dial and a linkless ping of its own count as one each.
    pub messages: u64,
}

/// The machines of a running node.
pub(super) struct Mind {
    pub forwarder: Forwarder,
    pub router: Router,
    pub shards: Vec<Directory>,
    pub sharding: Sharding,
    pub view: Arc<RouteView>,
    pub departure: Departure,
    /// The wake-ups under way, at most one a machine.
    pub wakes: BTreeMap<Station, Instant>,
    /// When the last thing sent from one machine to another arrives: later ones must not overtake it.
    pub lanes: BTreeMap<(Station, Station), Instant>,
    /// Until when the worker and the disk of a machine are busy: their results come back in order.
    pub busy: BTreeMap<(Station, Helper), Instant>,
}

/// Who does slow things for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Helper {
    Worker,
    Disk,
}

/// How far a node is with leaving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// It stays.
    None,
    /// These shards still hand over.
    HandingOver(BTreeSet<usize>),
    /// The Router says farewell.
    Farewell,
}

/// An input for one machine of a node.
#[derive(Clone, Debug)]
pub(super) enum Feed {
    Forwarder(forwarder::Input),
    Router(router::Input),
    Shard(usize, directory::Input),
}

impl Node {
    /// A node that has not started. Its key and address follow from the world's chance and its number.
    pub(super) fn new(index: usize, mut chance: Chance, role: Role, plan: &Plan) -> Node {
        let key = SecretKey::from_seed(chance.bytes32());
        let name = NodeName::solve(key.public(), plan.agreement.puzzle_bits);
        let contact = Arc::new(Contact::sign(&key, name, &[address_of(index)], role, 0));
        Node {
            disk: Disk::default(),
            key,
            contact,
            life: 0,
            saved: Vec::new(),
            seeds: Vec::new(),
            mind: None,
            mail: None,
            clock: Clock::drawn(plan.seed, index, plan.drift_ppm),
            uplink_busy: Instant::ORIGIN,
            gone_since: None,
            counts: Counts::default(),
            joining: Joining { began: Instant::ORIGIN, messages: 0, joined: None },
            chance,
        }
    }

    /// Gives it a fresh mind; the caller starts the machines.
    pub(super) fn awaken(&mut self, now: Instant, plan: &Plan) {
        self.life += 1;
        self.joining = Joining { began: now, messages: self.counts.messages, joined: None };
        self.gone_since = None;
        let before = &self.contact;
        let (name, role) = (*before.name(), before.role());
        let me = Arc::new(Contact::sign(&self.key, name, before.addresses(), role, u64::from(self.life)));
        self.contact = me.clone();
        let chance = &mut self.chance;
        let interest = Arc::new(Interest::new((chance.next_u64(), chance.next_u64())));
        let sharding = Sharding::new((chance.next_u64(), chance.next_u64()), plan.shards);
        let shard = |shard: usize, chance: Chance| {
            Directory::new(Setup {
                me: me.clone(),
                key: self.key.clone(),
                sharding,
                shard,
                tuning: plan.directory.clone(),
                interest: interest.clone(),
                chance,
            })
        };
        let shards = (0..sharding.count()).map(|index| shard(index, chance.fork())).collect();
        let forwarder = Forwarder::new(me.clone(), plan.forwarder.clone(), interest.clone());
        let router = Router::new(me.clone(), plan.agreement.clone(), plan.router.clone(), chance.fork());
        self.mind = Some(Mind {
            forwarder,
            router,
            shards,
            sharding,
            view: Arc::new(RouteView::alone(me, false)),
            departure: Departure::None,
            wakes: BTreeMap::new(),
            lanes: BTreeMap::new(),
            busy: BTreeMap::new(),
        });
    }

    /// Its contact as signed for its present life.
    pub fn contact(&self) -> &Arc<Contact> {
        &self.contact
    }

    /// Its key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.mind.is_some()
    }

    /// Whether it is on its way out.
    pub fn is_leaving(&self) -> bool {
        self.mind.as_ref().is_some_and(|mind| mind.departure != Departure::None)
    }

    /// What its Router showed last, while it runs.
    pub fn view(&self) -> Option<&Arc<RouteView>> {
        self.mind.as_ref().map(|mind| &mind.view)
    }

    /// Whether it runs and roots keys.
    pub fn is_ready(&self) -> bool {
        self.view().is_some_and(|view| view.ready)
    }

    /// Encoded bytes of all messages it has sent and received; the transport's own are not counted.
    pub fn traffic(&self) -> u64 {
        self.counts.traffic
    }

    /// What it took to become ready in this life, if it has.
    pub fn joined(&self) -> Option<Joined> {
        self.joining.joined
    }

    /// It is ready.
    pub(super) fn note_ready(&mut self, now: Instant) {
        let Joining { began, messages, joined } = &mut self.joining;
        joined.get_or_insert(Joined { after: now.since(*began), messages: self.counts.messages - *messages });
    }

    /// Requests that came in from other nodes: routed, or straight to its directory.
    pub fn asked_of(&self) -> u64 {
        self.counts.asked_of
    }

    /// All there is to be read off its machines.
    pub fn readings(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        if let Some(mind) = &self.mind {
            mind.forwarder.readings(&mut readings);
            mind.router.readings(&mut readings);
            mind.shards.iter().for_each(|shard| shard.readings(&mut readings));
        }
        readings
    }
}

impl Mind {
    /// Hands an input to its machine.
    pub fn handle(&mut self, now: Instant, feed: Feed, out: &mut Outbox<Effect>) {
        match feed {
            Feed::Forwarder(input) => self.forwarder.handle(now, input, out),
            Feed::Router(input) => self.router.handle(now, input, out),
            Feed::Shard(index, input) => self.shards[index].handle(now, input, out),
        }
    }

    /// When this machine must be woken.
    pub fn next_deadline(&self, station: Station) -> Option<Instant> {
        match station {
            Station::Forwarder => self.forwarder.next_deadline(),
            Station::Router => self.router.next_deadline(),
            Station::Shard(index) => self.shards[index].next_deadline(),
        }
    }

    /// What a message from a peer becomes.
    pub fn heard(&self, from: crate::base::Id, message: Message) -> Vec<Feed> {
        let stations = self.stations(self.sharding.handler(&message));
        let feed = |station: &Station| match (station, message.clone()) {
            (_, Message::Routing(message)) => Feed::Forwarder(forwarder::Input::Heard { from, message }),
            (_, Message::Probe(message)) => Feed::Router(router::Input::Probe { from, message }),
            (_, Message::Membership(message)) => Feed::Router(router::Input::Membership { from, message }),
            (station, Message::Directory(message)) => {
                Feed::Shard(shard_index(*station), directory::Input::Heard { from, message })
            }
        };
        stations.iter().map(feed).collect()
    }

    /// What a fact becomes, and for whom.
    pub fn told(&self, fact: Fact, canary: Option<Canary>) -> Vec<Feed> {
        let stations = self.stations(self.sharding.hearers(&fact));
        let heard = |to: Station| canary.map_or_else(|| fact.clone(), |canary| canary.bend(fact.clone(), to));
        stations.into_iter().filter_map(|station| fact_for(station, heard(station))).collect()
    }

    /// What a local client's wish becomes.
    pub fn wished(&self, request: RequestId, command: Command) -> Feed {
        match self.sharding.fulfiller(&command) {
            Station::Forwarder => Feed::Forwarder(forwarder::Input::Wished { request, command }),
            Station::Router => Feed::Router(router::Input::Wished { request, command }),
            Station::Shard(index) => Feed::Shard(index, directory::Input::Wished { request, command }),
        }
    }

    /// When something that takes this long is done by a helper of this machine.
    pub fn done_at(&mut self, now: Instant, station: Station, helper: Helper, takes: Span) -> Instant {
        let free = self.busy.entry((station, helper)).or_insert(now);
        *free = now.max(*free) + takes;
        *free
    }

    fn stations(&self, hearers: Hearers) -> Vec<Station> {
        let shards = (0..self.shards.len()).map(Station::Shard);
        match hearers {
            Hearers::One(station) => vec![station],
            Hearers::Shards => shards.collect(),
            Hearers::ForwarderAndShards => std::iter::once(Station::Forwarder).chain(shards).collect(),
        }
    }
}

impl Feed {
    /// Whose it is.
    pub fn station(&self) -> Station {
        match self {
            Feed::Forwarder(_) => Station::Forwarder,
            Feed::Router(_) => Station::Router,
            Feed::Shard(index, _) => Station::Shard(*index),
        }
    }

    /// The "due" input of a machine.
    pub fn due(station: Station) -> Feed {
        match station {
            Station::Forwarder => Feed::Forwarder(forwarder::Input::Due),
            Station::Router => Feed::Router(router::Input::Due),
            Station::Shard(index) => Feed::Shard(index, directory::Input::Due),
        }
    }

    /// Its kind in a word or two, for the trace hash.
    pub fn kind(&self) -> &'static str {
        match self {
            Feed::Forwarder(input) => forwarder_kind(input),
            Feed::Router(input) => router_kind(input),
            Feed::Shard(_, input) => directory_kind(input),
        }
    }
}

/// Where the node of this number lives: a /24 of its own, so that no limit on neighbours in one
/// network prefix is met. There is room for eight million.
pub fn address_of(index: usize) -> SocketAddr {
    assert!(index < 1 << 23, "there is no address for node {index}");
    let ip = Ipv4Addr::new(127 - (index >> 16) as u8, (index >> 8) as u8, index as u8, 1);
    SocketAddr::new(IpAddr::V4(ip), PORT)
}

/// The number of the node that lives at this address.
pub(super) fn index_of(address: &SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) if address.port() == PORT => {
            let [top, high, low, _] = ip.octets();
            Some(usize::from(127u8.checked_sub(top)?) << 16 | usize::from(high) << 8 | usize::from(low))
        }
        _ => None,
    }
}

fn shard_index(station: Station) -> usize {
    match station {
        Station::Shard(index) => index,
        Station::Forwarder | Station::Router => 0,
    }
}

/// What a fact is to a machine; nothing if it is not for it.
fn fact_for(station: Station, fact: Fact) -> Option<Feed> {
    use directory::Input as Shard;
    use forwarder::Input as Forward;
    Some(match (station, fact) {
        (Station::Forwarder, Fact::View(view)) => Feed::Forwarder(Forward::View(view)),
        (Station::Forwarder, Fact::Route(wish)) => Feed::Forwarder(Forward::Route(wish)),
        (Station::Forwarder, Fact::Respond { label, payload }) => Feed::Forwarder(Forward::Respond { label, payload }),
        (Station::Forwarder, Fact::Onward { label }) => Feed::Forwarder(Forward::Onward { label }),
        (Station::Forwarder, Fact::Point { label, holder }) => Feed::Forwarder(Forward::Point { label, holder }),
        (Station::Router, Fact::HopSilent { peer }) => Feed::Router(router::Input::HopSilent { peer }),
        (Station::Shard(index), Fact::View(view)) => Feed::Shard(index, Shard::View(view)),
        (Station::Shard(index), Fact::Arrived(arrival)) => Feed::Shard(index, Shard::Arrived(arrival)),
        (Station::Shard(index), Fact::Returned { asker, outcome, payload, word_of }) => {
            Feed::Shard(index, Shard::Returned { asker, outcome, payload, word_of })
        }
        _ => return None,
    })
}

fn forwarder_kind(input: &forwarder::Input) -> &'static str {
    use forwarder::Input;
    match input {
        Input::Heard { .. } => "forwarder heard",
        Input::View(_) => "forwarder view",
        Input::Route(_) => "forwarder route",
        Input::Respond { .. } => "forwarder respond",
        Input::Onward { .. } => "forwarder onward",
        Input::Point { .. } => "forwarder point",
        Input::LinkDown { .. } => "forwarder link down",
        Input::Wished { .. } => "forwarder wished",
        Input::Due => "forwarder due",
    }
}

fn router_kind(input: &router::Input) -> &'static str {
    use router::Input;
    match input {
        Input::Start { .. } => "router start",
        Input::Membership { .. } => "router membership",
        Input::Probe { .. } => "router probe",
        Input::LinkUp { .. } => "router link up",
        Input::LinkDown { .. } => "router link down",
        Input::DialFailed { .. } => "router dial failed",
        Input::SeedSilent { .. } => "router seed silent",
        Input::Links(_) => "router links",
        Input::Echo { .. } => "router echo",
        Input::Done { .. } => "router done",
        Input::HopSilent { .. } => "router hop silent",
        Input::Wished { .. } => "router wished",
        Input::Due => "router due",
    }
}

fn directory_kind(input: &directory::Input) -> &'static str {
    use directory::Input;
    match input {
        Input::Loaded(_) => "directory loaded",
        Input::Heard { .. } => "directory heard",
        Input::View(_) => "directory view",
        Input::Arrived(_) => "directory arrived",
        Input::Returned { .. } => "directory returned",
        Input::Done { .. } => "directory done",
        Input::DiskDone { .. } => "directory disk done",
        Input::Wished { .. } => "directory wished",
        Input::Leaving => "directory leaving",
        Input::Due => "directory due",
    }
}

/// DESIGN §10.
const PORT: u16 = 7420;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_of_a_million_nodes_has_an_address_and_a_network_of_its_own() {
        for index in [0, 1, 255, 256, 65_535, 65_536, 999_999, (1 << 23) - 1] {
            assert_eq!(index_of(&address_of(index)), Some(index));
        }
        assert_eq!(address_of(65_535).ip(), IpAddr::from([127, 255, 255, 1]));
        assert_eq!(address_of(65_536).ip(), IpAddr::from([126, 0, 0, 1]));
        assert_eq!(index_of(&SocketAddr::from(([192, 0, 2, 1], PORT))), None);
    }
}
