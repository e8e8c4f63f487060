//! Carrying out what machines want done.
//!
//! Owns: one arm an effect, and a node's departure.
//! Never does: reorder effects of one input.

use super::book::Note;
use super::node::{Departure, Feed, Helper, index_of};
use super::work;
use super::world::{Happening, World};
use crate::base::{Id, Span};
use crate::overlay::contract::{DiskOp, Job, Ticket};
use crate::overlay::{Command, Effect, Fact, Failure, RequestId, Station, directory, router};
use crate::wire::CloseReason;

impl World {
    /// Carries out an effect of this machine of this node.
    pub(super) fn carry_out(&mut self, index: usize, station: Station, effect: Effect) {
        if !self.nodes[index].is_up() {
            return;
        }
        match effect {
            Effect::Send { to, message } => self.send(index, &to, message),
            Effect::Reach { contact, message } => self.reach(index, &contact.id(), message),
            Effect::Dial { contact } => self.dial(index, &contact.id()),
            Effect::DialSeed { address } => self.dial_seed(index, index_of(&address), address),
            Effect::HangUp { peer, reason } => self.hang_up(index, &peer, reason),
            Effect::Measure { contact } => self.measure(index, contact.id()),
            Effect::Work { ticket, job } => self.work(index, station, ticket, job),
            Effect::Disk { ticket, op } => self.disk(index, station, ticket, op),
            Effect::Tell(fact) => self.tell(index, station, fact),
            Effect::Answer { request, result } => self.end(index, request, result),
            Effect::SaveContacts(cards) => self.nodes[index].saved = cards,
            Effect::Left => self.left(index, station),
        }
    }

    /// A node closes its links and is gone.
    pub(super) fn depart(&mut self, index: usize) {
        for peer in self.links.peers(index) {
            self.close(index, peer, CloseReason::Leaving);
        }
        for request in self.open_wishes(index) {
            self.end(index, request, Err(Failure::Stopping));
        }
        self.stop(index);
    }

    fn work(&mut self, index: usize, station: Station, ticket: Ticket, job: Job) {
        let (now, takes) = (self.now(), work::time_for(&job));
        let done = self.bench.carry_out(job, self.plan.agreement.puzzle_bits);
        let feed = match station {
            Station::Router => Feed::Router(router::Input::Done { ticket, done }),
            Station::Shard(shard) => Feed::Shard(shard, directory::Input::Done { ticket, done }),
            Station::Forwarder => panic!("the Forwarder gave work away, and no input brings it back"),
        };
        self.helped(index, station, Helper::Worker, (now, takes), |node, life| Happening::Fed {
            node,
            life,
            feed: Box::new(feed),
        });
    }

    fn disk(&mut self, index: usize, station: Station, ticket: Ticket, op: DiskOp) {
        let Station::Shard(shard) = station else { panic!("{station:?} wants something of the disk") };
        let time = (self.now(), self.nodes[index].disk.time_for(&op));
        let done = |node, life| Happening::Disk { node, life, shard, ticket, op: Box::new(op) };
        self.helped(index, station, Helper::Disk, time, done);
    }

    fn helped(
        &mut self,
        index: usize,
        station: Station,
        helper: Helper,
        (now, takes): (crate::base::Instant, Span),
        done: impl FnOnce(usize, u32) -> Happening,
    ) {
        let node = &mut self.nodes[index];
        let life = node.life;
        let Some(mind) = node.mind.as_mut() else { return };
        let at = mind.done_at(now, station, helper, takes);
        self.agenda.at(at, done(index, life));
    }

    fn tell(&mut self, index: usize, station: Station, fact: Fact) {
        let now = self.now();
        if let Fact::View(view) = &fact {
            self.look(index, view.clone());
        }
        let node = &mut self.nodes[index];
        let life = node.life;
        let Some(mind) = node.mind.as_mut() else { return };
        for feed in mind.told(fact, self.plan.canary) {
            let delay = self.chance.below(self.weather.fact_delay_max.as_micros() + 1);
            let lane = mind.lanes.entry((station, feed.station())).or_insert(now);
            *lane = (now + Span::from_micros(delay)).max(*lane);
            self.agenda.at(*lane, Happening::Fed { node: index, life, feed: Box::new(feed) });
        }
    }

    /// Takes a node's new view in.
    fn look(&mut self, index: usize, view: std::sync::Arc<crate::overlay::RouteView>) {
        let at = self.now();
        let Some(mind) = self.nodes[index].mind.as_mut() else { return };
        let before = std::mem::replace(&mut mind.view, view.clone());
        if before.ready != view.ready {
            self.book.reigns.note(index, view.ready, at);
            if view.ready {
                self.nodes[index].note_ready(at);
            }
            self.book.note(|| Note::Ready { at, node: index, ready: view.ready });
        }
        if before.ready != view.ready || before.leaf_set != view.leaf_set {
            self.stir();
        }
    }

    fn left(&mut self, index: usize, station: Station) {
        let Some(mind) = self.nodes[index].mind.as_mut() else { return };
        match (station, &mut mind.departure) {
            (Station::Shard(shard), Departure::HandingOver(waiting)) => {
                waiting.remove(&shard);
                if waiting.is_empty() {
                    mind.departure = Departure::Farewell;
                    self.farewell(index);
                }
            }
            (Station::Router, Departure::Farewell) => self.depart(index),
            _ => {}
        }
    }

    fn farewell(&mut self, index: usize) {
        let life = self.nodes[index].life;
        let command = Command::Leave;
        let feed = Feed::Router(router::Input::Wished { request: FAREWELL, command });
        self.agenda.after(Span::ZERO, Happening::Fed { node: index, life, feed: Box::new(feed) });
    }

    /// The number of the node of this id. Ids nobody bears lead nowhere.
    pub(super) fn named(&self, id: &Id) -> Option<usize> {
        self.index_of(id)
    }
}

/// The host's own name for its wish that the Router leave; no local client's wish bears it.
const FAREWELL: RequestId = RequestId(0);
