//! A crawler in a world.
//!
//! Owns: the host of the live crawler's machine in virtual time: a guest with links and no place in the
//! overlay; and the nodes that keep silent or lie to it.
//! Never does: tell the crawler what the world knows: it sees what comes over its links.

use super::node::{Feed, index_of};
use super::world::World;
use crate::base::{Chance, Coordinate, Id, Instant, Span};
use crate::crawler::{Census, Crawler, Effect, Fault, Input, Tuning};
use crate::identity::{Contact, NodeName, Role, SecretKey};
use crate::machine::{Machine, Outbox};
use crate::overlay::router;
use crate::wire::{Card, Membership, Message};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

/// A crawl of a world, step by step. The underlay must have room for one node more.
pub struct Expedition {
    guest: usize,
    crawler: Crawler,
    manners: Manners,
    chance: Chance,
    /// Dials to ids that nobody in the world bears, and when they are given up.
    void: VecDeque<(Instant, Id)>,
}

/// Who does not answer as it should.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// Nodes that accept a link and answer no question.
    pub mute: BTreeSet<usize>,
    /// Nodes that name so many that do not exist in every answer.
    pub liars: BTreeMap<usize, u32>,
}

impl Expedition {
    /// A guest arrives and begins at these nodes, known by their addresses only.
    pub fn begin(world: &mut World, seeds: &[usize], tuning: Tuning, manners: Manners) -> Expedition {
        let guest = world.add(Role::Client);
        world.nodes[guest].mail = Some(Vec::new());
        let mut chance = Chance::from_seed(world.plan().seed ^ GUEST_SEED);
        let tuning = Tuning { puzzle_bits: world.plan().agreement.puzzle_bits, ..tuning };
        let crawler = Crawler::new(world.nodes()[guest].contact().id(), tuning, chance.fork());
        let address = |seed: &usize| world.nodes()[*seed].contact().address();
        let seeds: Vec<SocketAddr> = seeds.iter().filter_map(address).collect();
        let mut expedition = Expedition { guest, crawler, manners, chance, void: VecDeque::new() };
        expedition.hand(world, Input::Start { contacts: Vec::new(), seeds });
        expedition
    }

    /// A whole crawl, begun at these nodes; it is stopped if it takes longer than this.
    pub fn whole(world: &mut World, seeds: &[usize], tuning: Tuning, manners: Manners, at_most: Span) -> Census {
        let until = world.now() + at_most;
        let mut expedition = Expedition::begin(world, seeds, tuning, manners);
        if !expedition.run_until(world, until) {
            expedition.hand(world, Input::Stop);
        }
        expedition.census(world)
    }

    /// Lets time pass until the crawl is over, but not beyond that moment; says whether it is over.
    pub fn run_until(&mut self, world: &mut World, until: Instant) -> bool {
        while !self.crawler.is_over() && world.now() < until {
            let void = self.void.front().map(|(at, _)| *at);
            let due = [self.crawler.next_deadline(), void].into_iter().flatten().min();
            let guest = self.guest;
            world.run_while(due.map_or(until, |due| due.min(until)), |world| {
                world.nodes[guest].mail.as_ref().is_some_and(Vec::is_empty)
            });
            let mail = world.nodes[guest].mail.as_mut().map(std::mem::take).unwrap_or_default();
            for input in mail {
                if let Some(input) = self.twisted(world, input) {
                    self.hand(world, input);
                }
            }
            while let Some((_, peer)) = self.void.pop_front_if(|(at, _)| *at <= world.now()) {
                self.hand(world, Input::DialFailed { peer, why: Fault::DialTimedOut });
            }
            if self.crawler.next_deadline().is_some_and(|due| due <= world.now()) {
                self.hand(world, Input::Due);
            }
        }
        self.crawler.is_over()
    }

    /// What was found so far.
    pub fn census(&self, world: &World) -> Census {
        self.crawler.census(world.now())
    }

    fn hand(&mut self, world: &mut World, input: Input) {
        let mut out = Outbox::new();
        self.crawler.handle(world.now(), input, &mut out);
        let effects: Vec<Effect> = out.drain().collect();
        for effect in effects {
            self.carry_out(world, effect);
        }
    }

    fn carry_out(&mut self, world: &mut World, effect: Effect) {
        match effect {
            Effect::DialSeed { address } => world.dial_seed(self.guest, index_of(&address), address),
            Effect::Dial { contact } if world.named(&contact.id()).is_none() => {
                self.void.push_back((world.now() + NOBODY, contact.id()));
            }
            Effect::Dial { contact } => world.dial(self.guest, &contact.id()),
            Effect::Send { to, message } => world.send(self.guest, &to, *message),
            Effect::HangUp { peer, reason } => world.hang_up(self.guest, &peer, reason),
            Effect::Finished => {}
        }
    }

    /// What of this reaches the crawler, and how.
    fn twisted(&mut self, world: &World, input: Input) -> Option<Input> {
        let Input::Heard { from, mut message } = input else { return Some(input) };
        let who = world.named(&from);
        let asked = matches!(*message, Message::Membership(_));
        if asked && who.is_some_and(|who| self.manners.mute.contains(&who)) {
            return None;
        }
        let lies = who.and_then(|who| self.manners.liars.get(&who)).copied().unwrap_or(0);
        if let Message::Membership(Membership::Contacts { cards, .. }) = &mut *message {
            cards.extend((0..lies).map(|_| invented(&mut self.chance)));
        }
        Some(Input::Heard { from, message })
    }
}

impl World {
    /// What the transport has to tell a guest.
    pub(super) fn feed_guest(&mut self, index: usize, feed: Feed) {
        let Some(mail) = &mut self.nodes[index].mail else { return };
        let Feed::Router(input) = feed else { return };
        mail.extend(match input {
            router::Input::LinkUp { contact, rtt, .. } => Some(Input::LinkUp { contact, rtt }),
            router::Input::LinkDown { peer, .. } => Some(Input::LinkDown { peer }),
            router::Input::DialFailed { peer } => Some(Input::DialFailed { peer, why: Fault::DialTimedOut }),
            router::Input::SeedSilent { address } => Some(Input::SeedSilent { address }),
            _ => None,
        });
    }

    /// A node says something to a guest.
    pub(super) fn say_to_guest(&mut self, index: usize, from: Id, message: Message) {
        if let Some(mail) = &mut self.nodes[index].mail {
            mail.push(Input::Heard { from, message: Box::new(message) });
        }
    }
}

/// A sound contact of a node that does not exist.
fn invented(chance: &mut Chance) -> Card {
    let key = SecretKey::from_seed(chance.bytes32());
    let name = NodeName { key: key.public(), nonce: 0 };
    let address = SocketAddr::from(([192, 0, 2, 1], 7_420));
    let contact = Contact::sign(&key, name, &[address], Role::Server, 1);
    Card { contact: contact.into(), coordinate: Coordinate::default() }
}

/// When a dial to nobody is given up: as any other dial.
const NOBODY: Span = Span::from_secs(5);
/// Sets the guest's draws apart from the world's.
const GUEST_SEED: u64 = 0x4775_6573_7400_0000;
