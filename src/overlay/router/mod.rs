//! Who belongs where, who lives, and how near they are.
//!
//! Owns: what can happen to the Router, and its dispatch.
//! Never does: carry anybody's message.

mod gossip;
mod graveyard;
mod guest;
mod healing;
mod join;
mod leaf_set;
mod leave;
mod links;
mod nearer;
mod own;
mod peers;
mod probe;
mod proximity;
mod publish;
mod reach;
mod ring;
pub mod size;
pub mod status;
mod table;
mod trickle;
pub mod tuning;
mod watch;

pub use status::RouterStatus;
pub use tuning::{Agreement, Tuning};

use super::contract::{Command, Effect, JobDone, Reply, RequestId, Ticket};
use crate::base::{Chance, Id, Instant, Span};
use crate::identity::Contact;
use crate::machine::{Machine, Outbox, Reading};
use crate::wire::probe::Bearing;
use crate::wire::{Card, Membership, Probe};
use gossip::Gossip;
use graveyard::Graveyard;
use healing::Healing;
use join::Join;
use leaf_set::LeafSet;
use links::Swaps;
use nearer::Nearer;
use own::{Due, Own, Turn};
use peers::{Peer, Peers};
use probe::Liveness;
use proximity::Proximity;
use publish::Publication;
use reach::Reach;
use ring::Ring;
use std::net::SocketAddr;
use std::sync::Arc;
use watch::Watch;

/// What can happen to the Router.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin: with these saved contacts (unchecked), and these seed addresses whose nodes are
    /// not known by name yet. Without either, this node is the first of its network, and is ready.
    Start {
        /// From the last run.
        saved: Vec<Card>,
        /// Nodes to join through, dialled by [`Effect::DialSeed`].
        seeds: Vec<SocketAddr>,
    },
    /// A peer asked about membership or told of it.
    Membership {
        /// Who.
        from: Id,
        /// What.
        message: Membership,
    },
    /// A peer probed, or answered a probe.
    Probe {
        /// Who.
        from: Id,
        /// What.
        message: Probe,
    },
    /// A link is up: handshake done, contact proven and checked by the host.
    LinkUp {
        /// With whom.
        contact: Arc<Contact>,
        /// How it says it stands.
        bearing: Bearing,
        /// Whether this end dialled.
        dialled: bool,
        /// The handshake's round trip.
        rtt: Span,
    },
    /// A link is gone.
    LinkDown {
        /// With whom.
        peer: Id,
        /// Why.
        why: Down,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Whom it was for.
        peer: Id,
    },
    /// No node answered at a seed's address; the host will not try again unasked.
    SeedSilent {
        /// Which.
        address: SocketAddr,
    },
    /// Once a second: the links on which something was heard since.
    Links(Vec<LinkReport>),
    /// What came of [`Effect::Measure`]: the round trip, or silence.
    Echo {
        /// Of which node.
        peer: Id,
        /// The round trip, if it answered.
        rtt: Option<Span>,
    },
    /// Work is done.
    Done {
        /// The Router's name for it.
        ticket: Ticket,
        /// What came of it.
        done: JobDone,
    },
    /// The Forwarder waited in vain for this peer to take custody.
    HopSilent {
        /// Which.
        peer: Id,
    },
    /// A local client's wish.
    Wished {
        /// The host's name for it.
        request: RequestId,
        /// The wish: [`Command::RouterStatus`] or [`Command::Leave`].
        command: Command,
    },
    /// A deadline has come.
    Due,
}

/// What the host knows about a live link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkReport {
    /// With whom.
    pub peer: Id,
    /// The transport's smoothed round trip.
    pub rtt: Span,
    /// How long ago anything was heard.
    pub silent_for: Span,
    /// How long nothing was acknowledged although something sent waits for it; zero if nothing waits.
    pub unacknowledged_for: Span,
}

/// Why a link is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The peer closed it, and said why.
    Closed(crate::wire::CloseReason),
    /// Nothing was heard for too long, or the peer's host is gone.
    Lost,
    /// This end closed it.
    Ours,
}

/// The machine that knows who belongs where.
pub struct Router {
    own: Own,
    peers: Peers,
    ring: Ring,
    gossip: Gossip,
    proximity: Proximity,
    liveness: Liveness,
    watch: Watch,
    graves: Graveyard,
    reach: Reach,
    join: Join,
    healing: Healing,
    publication: Publication,
    swaps: Swaps,
    nearer: Nearer,
}

impl Router {
    /// A Router that has not started: it waits for [`Input::Start`].
    pub fn new(me: Arc<Contact>, _agreement: Agreement, tuning: Tuning, chance: Chance) -> Router {
        Router {
            ring: Ring::new(&me.id(), &tuning),
            own: Own::new(me, tuning, chance),
            peers: Peers::default(),
            gossip: Gossip::default(),
            proximity: Proximity::default(),
            liveness: Liveness::default(),
            watch: Watch::new(),
            graves: Graveyard::default(),
            reach: Reach::new(),
            join: Join::Unstarted,
            healing: Healing::default(),
            publication: Publication::default(),
            swaps: Swaps::new(),
            nearer: Nearer::new(),
        }
    }

    /// This node's contact as it is now signed.
    pub fn me(&self) -> &Arc<Contact> {
        &self.own.me
    }

    fn dispatch(&mut self, t: &mut Turn, input: Input) {
        match input {
            Input::Start { saved, seeds } => self.start(t, saved, seeds),
            Input::Membership { from, message } => {
                self.heard_from(t, &from);
                self.on_membership(t, from, message);
            }
            Input::Probe { from, message } => {
                self.heard_from(t, &from);
                self.on_probe(t, from, message);
            }
            Input::LinkUp { contact, bearing, dialled, rtt } => self.on_link_up(t, (contact, bearing), dialled, rtt),
            Input::LinkDown { peer, why } => self.on_link_down(t, peer, why),
            Input::DialFailed { peer } => self.on_dial_failed(t, peer),
            Input::SeedSilent { address: _ } => self.own.tally.count("router_seeds_silent_total"),
            Input::Links(reports) => self.on_links(t, reports),
            Input::Echo { peer, rtt } => self.on_echo(t, peer, rtt),
            Input::Done { ticket, done: JobDone::Cards(cards) } => self.on_checked(t, ticket, cards),
            Input::Done { .. } => {}
            Input::HopSilent { peer } => self.on_hop_silent(t, peer),
            Input::Wished { request, command } => self.on_wish(t, request, command),
            Input::Due => self.on_due(t),
        }
    }

    fn on_membership(&mut self, t: &mut Turn, from: Id, message: Membership) {
        match message {
            Membership::ContactsWanted { round, about } => self.on_contacts_wanted(t, from, round, about),
            Membership::Contacts { round, about: _, ready, cards } => {
                self.note_readiness(t, &from, ready);
                self.on_contacts(t, from, round, cards);
            }
            Membership::Announce { round, ready, card, leaf_set } => {
                self.on_announce(t, from, (round, ready), card, &leaf_set);
            }
            Membership::LeafSet { round, ready, cards, leaf_set } => {
                self.on_leaf_set(t, from, (round, ready), cards, &leaf_set);
            }
            Membership::Leaving { heirs } => self.on_leaving(t, from, heirs),
            Membership::ProfileWanted { round } => self.on_profile_wanted(t, from, round),
            Membership::Profile { .. } => {}
        }
    }

    fn on_probe(&mut self, t: &mut Turn, from: Id, message: Probe) {
        match message {
            Probe::Ping { round, bearing } => {
                self.note_bearing(t, &from, bearing);
                // Who has become ready roots its keys once it reads the answer: this node does not any more.
                self.show_changes(t);
                t.probe(from, Probe::Pong { round, bearing: self.bearing() });
            }
            Probe::Pong { round, bearing } => {
                self.note_bearing(t, &from, bearing);
                self.note_known_to(from, round);
            }
            Probe::Beat { bearing } => self.note_bearing(t, &from, bearing),
            Probe::PingFor { round, suspect } => self.on_ping_for(t, from, round, suspect),
            Probe::PongFor { round: _, suspect, alive } => self.on_pong_for(&suspect, alive),
            Probe::Reach { links } => self.on_reach(t, from, links),
            Probe::Gone { suspect } => self.on_gone(t, &from, &suspect),
        }
    }

    fn on_wish(&mut self, t: &mut Turn, request: RequestId, command: Command) {
        match command {
            Command::RouterStatus => {
                let result = Ok(Reply::Router(Box::new(self.status())));
                t.out.push(Effect::Answer { request, result });
            }
            Command::Leave => self.leave(t),
            _ => {}
        }
    }

    fn on_due(&mut self, t: &mut Turn) {
        while let Some(at) = self.own.due.next() {
            let late = t.now.since(at);
            let Some(name) = self.own.due.pop_due(t.now) else { return };
            match name {
                Due::Doubt(id) => self.on_doubt_due(t, id, late),
                Due::Sweep => self.sweep(t),
                Due::Join => self.on_join_due(t),
                Due::LeafSet => self.exchange_leaf_sets(t),
                Due::Plan => self.plan_links(t),
                Due::Measure => self.measure_some(t),
                Due::View => {}
                Due::Reach => self.tell_reach(t),
                Due::NewLinks => self.tell_new_links(t),
                Due::Table => self.refresh_table(t),
                Due::Alone => self.knock(t),
                Due::Graves => self.knock_on_graves(t),
                Due::Save => self.save_contacts(t),
            }
        }
    }

    /// What holds after every input; looked at after those that change who is known.
    fn assert_invariants(&self) {
        debug_assert!(self.peers.find(&self.own.id()).is_none(), "a node does not know itself");
        debug_assert!(self.peers.iter().all(|peer| !self.graves.contains(&peer.id())), "the dead are not known");
        debug_assert!(self.ring.all.iter().all(|id| self.peers.find(&id).is_some_and(Peer::is_present)));
        debug_assert!(self.ring.ready.iter().all(|id| self.peers.find(&id).is_some_and(|peer| peer.ready)));
        debug_assert!(self.proximity.outstanding() <= proximity::MEASURES_MAX);
    }
}

impl Machine for Router {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Outbox<Effect>) {
        let t = &mut Turn { now, out };
        if matches!(self.join, Join::Gone) {
            if let Input::Wished { request, command } = input {
                self.on_wish(t, request, command);
            }
            return;
        }
        let is_small = matches!(input, Input::Probe { .. } | Input::Links(_) | Input::Echo { .. });
        self.dispatch(t, input);
        if matches!(self.join, Join::Gone) {
            return;
        }
        if self.ring.stale {
            self.review_ring(t);
        }
        self.advance_join(t);
        self.show_changes(t);
        if !is_small {
            self.assert_invariants();
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.own.due.next()
    }

    fn readings(&self, into: &mut Vec<Reading>) {
        self.read(into);
    }
}
