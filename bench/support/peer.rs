//! What is a neighbour of the node under test, with nothing of its own in the way?
//!
//! Owns: a node of transport and Router but no Forwarder: a true member of the overlay whose routed
//! messages are the bench's to send and answer.
//! Never does: forward.

use super::Fault;
use arras::base::{Chance, Id, Instant, Span};
use arras::identity::{Contact, NodeName, Role, SecretKey};
use arras::machine::{Machine, Outbox};
use arras::overlay::contract::{Job, JobDone};
use arras::overlay::router::{self, Agreement, Down, Router};
use arras::overlay::{Effect, Fact};
use arras::runtime::clock::Clock;
use arras::runtime::net::{DownReason, Net, NetBuffers, NetEvent, NetOptions};
use arras::wire::{CloseReason, Message, Routing};
use mio::{Registry, Token};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// One neighbour.
pub struct Peer {
    /// Who it is.
    pub contact: Arc<Contact>,
    net: Net,
    router: Router,
    out: Outbox<Effect>,
    puzzle_bits: u32,
    measured: BTreeMap<u64, Id>,
    next_token: u64,
    report_at: Instant,
    /// Whether its Router says that it has its place.
    pub ready: bool,
}

/// What a neighbour is made of.
pub struct PeerPlan {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whom it joins through.
    pub seed: SocketAddr,
    /// Its choices.
    pub tuning: router::Tuning,
    /// What its network agrees on.
    pub agreement: Agreement,
    /// Draws its key and its chance.
    pub chance: Chance,
}

impl Peer {
    /// Opens its socket and lets its Router begin.
    pub fn start(mut plan: PeerPlan, clock: Clock, registry: &Registry, token: usize) -> Result<Peer, Fault> {
        let secret = SecretKey::from_seed(plan.chance.bytes32());
        let puzzle_bits = plan.agreement.puzzle_bits;
        let options = NetOptions {
            listen: plan.listen,
            secret: secret.clone(),
            network: plan.agreement.network.clone(),
            puzzle_bits,
            imposed: None,
            clock,
        };
        let mut net = Net::bind(options, registry, Token(token))?;
        let name = NodeName::solve(secret.public(), puzzle_bits);
        let contact = Arc::new(Contact::sign(&secret, name, &[net.local_addr()?], Role::Server, 1));
        net.set_contact(contact.clone());
        let router = Router::new(contact.clone(), plan.agreement, plan.tuning, plan.chance.fork());
        let mut peer = Peer {
            contact,
            net,
            router,
            out: Outbox::new(),
            puzzle_bits,
            measured: BTreeMap::new(),
            next_token: 0,
            report_at: Instant::ORIGIN,
            ready: false,
        };
        peer.route(clock.now(), router::Input::Start { saved: Vec::new(), seeds: vec![plan.seed] });
        Ok(peer)
    }

    /// The socket is ready.
    pub fn on_ready(&mut self, now: Instant, writable: bool, buffers: &mut NetBuffers) {
        if writable {
            self.net.writable();
        }
        self.net.readable(now, buffers);
    }

    /// Time has passed.
    pub fn on_due(&mut self, now: Instant, buffers: &mut NetBuffers) {
        if self.net.has_unread() {
            self.net.readable(now, buffers);
        }
        self.net.on_timeout(now);
        if self.router.next_deadline().is_some_and(|at| at <= now) {
            self.route(now, router::Input::Due);
        }
        if self.report_at <= now {
            self.report_at = now + Span::from_secs(1);
            let reports = self.net.link_reports(now).into_iter().map(router::LinkReport::from).collect();
            self.route(now, router::Input::Links(reports));
        }
    }

    /// Takes every event; what is routed is the bench's.
    pub fn drain(&mut self, now: Instant, heard: &mut Vec<(Id, Routing)>) {
        while let Some(event) = self.net.poll_event() {
            let input = match event {
                NetEvent::Message { from, bytes } => match Message::decode(&bytes) {
                    Ok(Message::Routing(message)) => {
                        heard.push((from, message));
                        continue;
                    }
                    Ok(Message::Membership(message)) => router::Input::Membership { from, message },
                    Ok(Message::Probe(message)) => router::Input::Probe { from, message },
                    Ok(Message::Directory(_)) => continue,
                    Err(_) => {
                        self.net.hang_up(&from, CloseReason::Malformed, now);
                        continue;
                    }
                },
                NetEvent::LinkUp { contact, bearing, dialled, rtt, .. } => {
                    router::Input::LinkUp { contact, bearing, dialled, rtt }
                }
                NetEvent::LinkDown { peer, why } => router::Input::LinkDown { peer, why: down(&why) },
                NetEvent::DialFailed { peer, .. } => router::Input::DialFailed { peer },
                NetEvent::SeedFailed { address, .. } => router::Input::SeedSilent { address },
                NetEvent::DiallerRefused { .. } => continue,
                NetEvent::Pong { token, rtt } => match self.measured.remove(&token) {
                    Some(peer) => router::Input::Echo { peer, rtt: Some(rtt) },
                    None => continue,
                },
                NetEvent::PingSilent { token } => match self.measured.remove(&token) {
                    Some(peer) => router::Input::Echo { peer, rtt: None },
                    None => continue,
                },
            };
            self.route(now, input);
        }
    }

    /// Says this over the link to a peer; says whether it was taken.
    pub fn send(&mut self, to: &Id, message: Routing) -> bool {
        self.net.send(to, Message::Routing(message).parcel()).is_ok()
    }

    /// Opens a link.
    pub fn dial(&mut self, contact: &Arc<Contact>, now: Instant) {
        self.net.dial(contact, now);
    }

    /// Whether there is a link to this node.
    pub fn is_linked(&self, id: &Id) -> bool {
        self.net.is_up(id)
    }

    /// Sends what there is to send; says when to come back.
    pub fn flush(&mut self, now: Instant, buffers: &mut NetBuffers) -> Option<Instant> {
        self.net.flush(now, buffers);
        let dues = [self.net.next_timeout(), self.router.next_deadline(), Some(self.report_at)];
        dues.into_iter().flatten().min()
    }

    fn route(&mut self, now: Instant, input: router::Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.router.handle(now, input, &mut self.out);
            let mut effects = std::mem::take(&mut self.out);
            for effect in effects.drain() {
                self.carry(now, effect, &mut inputs);
            }
            self.out = effects;
        }
    }

    fn carry(&mut self, now: Instant, effect: Effect, inputs: &mut Vec<router::Input>) {
        match effect {
            // Not taken: deadlines stand behind every message of the Router.
            Effect::Send { to, message } => drop(self.net.send(&to, message.parcel())),
            Effect::Reach { contact, message } => drop(self.net.reach(&contact, message.parcel(), now)),
            Effect::Dial { contact } => self.net.dial(&contact, now),
            Effect::DialSeed { address } => self.net.dial_seed(address),
            Effect::HangUp { peer, reason } => self.net.hang_up(&peer, reason, now),
            Effect::Measure { contact } => match contact.address() {
                Some(address) => {
                    self.next_token += 1;
                    self.measured.insert(self.next_token, contact.id());
                    self.net.ping(address, self.next_token);
                }
                None => inputs.push(router::Input::Echo { peer: contact.id(), rtt: None }),
            },
            Effect::Work { ticket, job: Job::CheckCards(mut cards) } => {
                cards.retain(|card| card.contact.check(self.puzzle_bits).is_ok());
                inputs.push(router::Input::Done { ticket, done: JobDone::Cards(cards) });
            }
            Effect::Tell(Fact::View(view)) => {
                self.ready = view.ready;
                self.net.set_bearing(view.bearing);
            }
            _ => {}
        }
    }
}

fn down(why: &DownReason) -> Down {
    match why {
        DownReason::ClosedByPeer { reason: Some(reason), .. } => Down::Closed(*reason),
        DownReason::ClosedByPeer { reason: None, .. } => Down::Closed(CloseReason::Unused),
        DownReason::ClosedByUs(_) => Down::Ours,
        DownReason::IdleTimeout | DownReason::Reset | DownReason::Replaced | DownReason::Transport { .. } => Down::Lost,
    }
}
