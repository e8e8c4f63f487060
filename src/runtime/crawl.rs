//! A crawl of a live overlay.
//!
//! Owns: the host of the crawler's machine: one thread, one socket, a key made for the occasion.
//! Never does: take part: it introduces itself as a client, keeps nothing, and its port is free again when it
//! is through.

use super::clock::Clock;
use super::data_dir::random_seed;
use super::net::{DialFault, Net, NetBuffers, NetError, NetEvent, NetOptions};
use super::puzzle;
use crate::base::{Chance, Instant, Span};
use crate::crawler::{Census, Crawler, Effect, Fault, Input, Tuning};
use crate::identity::{Contact, NodeName, Role, SecretKey};
use crate::machine::{Machine, Outbox};
use crate::wire::{CloseReason, Message};
use mio::{Events, Poll, Token};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What a crawl needs to begin.
#[derive(Clone, Debug)]
pub struct CrawlSetup {
    /// Addresses of nodes to begin at, all of one address family.
    pub seeds: Vec<SocketAddr>,
    /// The network's name.
    pub network: String,
    /// How to walk; `puzzle_bits` must be the network's.
    pub tuning: Tuning,
}

/// How far a crawl is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Nodes of which no more is asked.
    pub closed: usize,
    /// Nodes being visited.
    pub open: usize,
    /// Nodes known by name.
    pub named: usize,
}

/// Why there is no census.
#[derive(Debug)]
pub enum CrawlError {
    /// It was ended before it had an identity to introduce itself with.
    Stopped,
    /// The socket cannot be opened, or failed.
    Net(NetError),
}

/// Crawls. `goes_on` is told of the progress some ten times a second, and may end the crawl early: what was
/// found until then is the result.
pub fn crawl(setup: &CrawlSetup, goes_on: &mut dyn FnMut(Progress) -> bool) -> Result<Census, CrawlError> {
    let secret = fresh_key().map_err(CrawlError::Net)?;
    let nobody = Progress { closed: 0, open: 0, named: 0 };
    let name = puzzle::solve(secret.public(), setup.tuning.puzzle_bits, &mut || goes_on(nobody));
    let mut walk = Walk::begin(setup, secret, name.ok_or(CrawlError::Stopped)?).map_err(CrawlError::Net)?;
    walk.run(goes_on).map_err(CrawlError::Net)?;
    Ok(walk.crawler.census(walk.clock.now()))
}

/// One crawl under way.
struct Walk {
    poll: Poll,
    net: Net,
    clock: Clock,
    crawler: Crawler,
    buffers: NetBuffers,
    out: Outbox<Effect>,
}

impl Walk {
    fn begin(setup: &CrawlSetup, secret: SecretKey, name: NodeName) -> Result<Walk, NetError> {
        let clock = Clock::start();
        let poll = Poll::new().map_err(NetError::System)?;
        let options = NetOptions {
            listen: listen_for(&setup.seeds),
            secret: secret.clone(),
            network: setup.network.clone(),
            puzzle_bits: setup.tuning.puzzle_bits,
            imposed: None,
            clock,
        };
        let mut net = Net::bind(options, poll.registry(), SOCKET)?;
        let me = Contact::sign(&secret, name, &[net.local_addr()?], Role::Client, 1);
        let chance = Chance::from_seed(me.id().prefix_u64());
        let crawler = Crawler::new(me.id(), setup.tuning.clone(), chance);
        net.set_contact(Arc::new(me));
        let mut walk = Walk { poll, net, clock, crawler, buffers: NetBuffers::new(), out: Outbox::new() };
        walk.feed(clock.now(), Input::Start { contacts: Vec::new(), seeds: setup.seeds.clone() });
        Ok(walk)
    }

    /// Turns of the loop, until the crawl is over and its goodbyes are said.
    fn run(&mut self, goes_on: &mut dyn FnMut(Progress) -> bool) -> Result<(), NetError> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut told = self.clock.now();
        self.settle();
        while !self.crawler.is_over() || !self.net.is_drained() {
            self.wait(&mut events).map_err(NetError::System)?;
            let now = self.clock.now();
            if events.iter().any(mio::event::Event::is_writable) {
                self.net.writable();
            }
            if !events.is_empty() || self.net.has_unread() {
                self.net.readable(now, &mut self.buffers);
            }
            self.net.on_timeout(now);
            self.settle();
            if now.since(told) >= TELL {
                told = now;
                let (closed, open, named) = self.crawler.progress();
                if !goes_on(Progress { closed, open, named }) {
                    self.feed(now, Input::Stop);
                    self.settle();
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.clock.now();
        let due = [self.net.next_timeout(), self.crawler.next_deadline()].into_iter().flatten().min();
        let wait = due.map_or(TELL, |due| now.until(due).min(TELL));
        match self.poll.poll(events, Some(Duration::from(wait))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Hands everything that happened to the crawler, and sends what it wants.
    fn settle(&mut self) {
        let now = self.clock.now();
        while let Some(event) = self.net.poll_event() {
            if let Some(input) = self.input_of(now, event) {
                self.feed(now, input);
            }
        }
        if self.crawler.next_deadline().is_some_and(|due| due <= now) {
            self.feed(now, Input::Due);
        }
        self.net.flush(now, &mut self.buffers);
    }

    fn input_of(&mut self, now: Instant, event: NetEvent) -> Option<Input> {
        Some(match event {
            NetEvent::Message { from, bytes } => match Message::decode(&bytes) {
                Ok(message) => Input::Heard { from, message: Box::new(message) },
                Err(_) => {
                    self.net.hang_up(&from, CloseReason::Malformed, now);
                    Input::Malformed { from }
                }
            },
            NetEvent::LinkUp { contact, rtt, .. } => Input::LinkUp { contact, rtt },
            NetEvent::LinkDown { peer, .. } => Input::LinkDown { peer },
            // The crawler's own doing.
            NetEvent::DialFailed { why: DialFault::HungUp, .. } => return None,
            NetEvent::DialFailed { peer, why } => Input::DialFailed { peer, why: fault(&why) },
            NetEvent::SeedFailed { address, why } => {
                log::warn!("no node of this network at seed {address}: {why}");
                Input::SeedSilent { address }
            }
            NetEvent::DiallerRefused { .. } | NetEvent::Pong { .. } | NetEvent::PingSilent { .. } => return None,
        })
    }

    fn feed(&mut self, now: Instant, input: Input) {
        self.crawler.handle(now, input, &mut self.out);
        let mut effects = std::mem::take(&mut self.out);
        for effect in effects.drain() {
            match effect {
                Effect::DialSeed { address } => self.net.dial_seed(address),
                Effect::Dial { contact } => self.net.dial(&contact, now),
                // Without a link, or with a full one, the answer does not come, and is asked for again.
                Effect::Send { to, message } => drop(self.net.send(&to, message.parcel())),
                Effect::HangUp { peer, reason } => self.net.hang_up(&peer, reason, now),
                Effect::Finished => {}
            }
        }
        self.out = effects;
    }
}

impl fmt::Display for CrawlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrawlError::Stopped => f.write_str("stopped before it had solved the network's puzzle"),
            CrawlError::Net(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CrawlError {}

/// What a failed dial is to the census.
fn fault(why: &DialFault) -> Fault {
    match why {
        DialFault::NoAddress => Fault::NoAddress,
        DialFault::TimedOut => Fault::DialTimedOut,
        DialFault::OtherKey => Fault::OtherKey,
        DialFault::NoCommonVersion => Fault::OtherVersion,
        DialFault::Refused { reason: Some(CloseReason::Network), .. } => Fault::OtherNetwork,
        DialFault::Refused { reason: Some(CloseReason::Version), .. } => Fault::OtherVersion,
        DialFault::Refused { reason: Some(CloseReason::Identity), ours: true, .. } => Fault::OtherKey,
        DialFault::Refused { .. } => Fault::Refused,
        DialFault::LinksFull { .. }
        | DialFault::Oneself
        | DialFault::NoContact
        | DialFault::HungUp
        | DialFault::Transport { .. } => Fault::Transport,
    }
}

/// Where to listen so that all seeds can be reached: loopback for loopback, else anywhere.
fn listen_for(seeds: &[SocketAddr]) -> SocketAddr {
    let local = seeds.iter().all(|seed| seed.ip().is_loopback());
    let ip: IpAddr = match (seeds.first().is_some_and(SocketAddr::is_ipv6), local) {
        (true, true) => Ipv6Addr::LOCALHOST.into(),
        (true, false) => Ipv6Addr::UNSPECIFIED.into(),
        (false, true) => Ipv4Addr::LOCALHOST.into(),
        (false, false) => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

fn fresh_key() -> Result<SecretKey, NetError> {
    let seed = random_seed().map_err(|error| NetError::System(io::Error::other(error.to_string())))?;
    Ok(SecretKey::from_seed(seed))
}

/// The one socket.
const SOCKET: Token = Token(0);
/// Sockets looked at in one turn: there is one.
const EVENTS_PER_TURN: usize = 8;
/// How often the progress is told.
const TELL: Span = Span::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crawl_of_nobody_ends_and_names_the_silent_seed() {
        let holder = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let seed = holder.local_addr().expect("bound");
        let setup = CrawlSetup { seeds: vec![seed], network: "test".into(), tuning: Tuning::default() };
        let census = crawl(&setup, &mut |_| true).expect("a socket");
        assert!(census.nodes.is_empty());
        assert_eq!(census.frame.seeds_silent, [seed]);
    }

    #[test]
    fn a_crawl_is_ended_while_it_solves_the_puzzle() {
        let tuning = Tuning { puzzle_bits: 60, ..Tuning::default() };
        let seeds = vec!["127.0.0.1:1".parse().expect("an address")];
        let setup = CrawlSetup { seeds, network: "test".into(), tuning };
        assert!(matches!(crawl(&setup, &mut |_| false), Err(CrawlError::Stopped)));
    }

    #[test]
    fn the_socket_is_of_the_seeds_kind() {
        let table = [
            ("127.0.0.2:1", "127.0.0.1:0"),
            ("192.0.2.1:1", "0.0.0.0:0"),
            ("[::1]:1", "[::1]:0"),
            ("[2001:db8::1]:1", "[::]:0"),
        ];
        for (seed, listen) in table {
            assert_eq!(listen_for(&[seed.parse().expect("an address")]).to_string(), listen);
        }
    }
}
