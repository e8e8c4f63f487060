//! What lies between the nodes.
//!
//! Owns: packets on their way, dials, handshakes, links going down: what QUIC does on a live node, as
//! far as a machine can tell.
//! Never does: keep order between packets: a message never waits behind another's loss.

use super::book::Note;
use super::links::End;
use super::node::Feed;
use super::world::{Happening, World};
use crate::base::{Id, Instant, Span};
use crate::overlay::router::{Down, LinkReport};
use crate::overlay::{forwarder, router};
use crate::wire::directory::Request;
use crate::wire::probe::Bearing;
use crate::wire::{CloseReason, Directory, Family, Message, Routing};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A message on its way over a link.
#[derive(Clone)]
pub(super) struct Packet {
    pub from: usize,
    pub to: usize,
    link: u64,
    message: Message,
    bytes: Bytes,
    /// Lost is lost; the other kind is sent again.
    is_datagram: bool,
    sent: Instant,
}

/// Dials under way, by who dials whom.
#[derive(Default)]
pub(super) struct Dials {
    under_way: BTreeMap<(usize, usize), Dial>,
    /// Links that stand at the end of who dialled only, by number, and how that node said it stands.
    half_open: BTreeMap<(usize, usize), (u64, Bearing)>,
    begun: u64,
}

struct Dial {
    number: u64,
    /// The address that is to be called silent if it comes to nothing.
    seed: Option<SocketAddr>,
    /// How the other said it stands: as of when the dial began, half a round trip earlier than it does.
    heard: Bearing,
    /// What is to be said when the link is up.
    waiting: Vec<Message>,
}

impl Dials {
    /// The node that dialled is gone.
    pub fn forget(&mut self, from: usize) {
        self.under_way.retain(|(dialler, _), _| *dialler != from);
    }

    fn take(&mut self, from: usize, to: usize, number: u64) -> Option<Dial> {
        if self.under_way.get(&(from, to))?.number != number {
            return None;
        }
        self.under_way.remove(&(from, to))
    }
}

impl World {
    /// Says this over the link, if there is one.
    pub(super) fn send(&mut self, from: usize, to: &Id, message: Message) {
        let to = self.named(to).filter(|to| self.links.end(from, *to).is_some());
        match to {
            Some(to) => self.post(from, to, message),
            None => self.book.tally.unsent += 1,
        }
    }

    /// Says this, and dials first if there is no link.
    pub(super) fn reach(&mut self, from: usize, to: &Id, message: Message) {
        let Some(to) = self.named(to).filter(|to| *to != from) else {
            self.book.tally.unreached += 1;
            return;
        };
        if self.links.end(from, to).is_some() {
            return self.post(from, to, message);
        }
        self.begin_dial(from, to, None);
        let waiting = self.dials.under_way.get_mut(&(from, to)).map(|dial| &mut dial.waiting);
        match waiting.filter(|waiting| waiting.len() < WAITING_MAX) {
            Some(waiting) => waiting.push(message),
            None => self.book.tally.unreached += 1,
        }
    }

    /// Opens a link for the Router.
    pub(super) fn dial(&mut self, from: usize, to: &Id) {
        match self.named(to).filter(|to| *to != from) {
            // A live transport says nothing either: the word of the link is on its way.
            Some(known) if self.links.end(from, known).is_some() => {}
            Some(known) => self.begin_dial(from, known, None),
            None => self.later(from, DIAL_MAX, Feed::Router(router::Input::DialFailed { peer: *to })),
        }
    }

    /// Opens a link to whoever lives at an address, for the Router.
    pub(super) fn dial_seed(&mut self, from: usize, to: Option<usize>, address: SocketAddr) {
        match to.filter(|to| *to != from && *to < self.nodes.len()) {
            Some(known) if self.links.end(from, known).is_some() => {}
            Some(known) => self.begin_dial(from, known, Some(address)),
            None => self.later(from, DIAL_MAX, Feed::Router(router::Input::SeedSilent { address })),
        }
    }

    /// Closes a link from this end.
    pub(super) fn hang_up(&mut self, index: usize, peer: &Id, reason: CloseReason) {
        let life = self.nodes[index].life;
        if let Some(peer) = self.named(peer) {
            self.dials.under_way.remove(&(index, peer));
        }
        if let Some(peer) = self.named(peer).filter(|peer| self.close(index, *peer, reason)) {
            self.agenda.after(Span::ZERO, Happening::Down { node: index, life, peer, why: Down::Ours });
        }
    }

    /// Takes this end down and lets the other know; says whether there was a link.
    pub(super) fn close(&mut self, index: usize, peer: usize, reason: CloseReason) -> bool {
        let Some(link) = self.links.close(index, peer) else { return false };
        if self.weather.passes(index, peer) {
            let span = self.travel(index, peer);
            self.agenda.after(span, Happening::Closed { at: peer, peer: index, link, reason: Some(reason) });
        }
        true
    }

    /// Word of the other end's closing arrives.
    pub(super) fn hear_close(&mut self, at: usize, peer: usize, link: u64, reason: Option<CloseReason>) {
        if self.links.end_of(at, peer, link).is_some() {
            self.links.close(at, peer);
            self.link_down(at, peer, reason.map_or(Down::Lost, Down::Closed));
        }
    }

    /// Measures a round trip without a link.
    pub(super) fn measure(&mut self, from: usize, peer: Id) {
        self.book.sent.add("echo wanted", 0);
        self.nodes[from].counts.messages += 1;
        let answers = |to: &usize| self.nodes[*to].is_up() && self.weather.passes_both_ways(from, *to);
        let answerer = self.named(&peer).filter(answers);
        let rtt = answerer.map(|to| self.travel(from, to) + self.travel(to, from));
        let lost = rtt.is_some() && self.chance.happens(self.weather.loss);
        let rtt = rtt.filter(|rtt| !lost && *rtt < MEASURE_MAX);
        let echo = Feed::Router(router::Input::Echo { peer, rtt });
        self.later(from, rtt.unwrap_or(MEASURE_MAX), echo);
    }

    /// A dial's packets have gone to and fro: the dialler has its end of the link, unless they were lost. What it says at once
    /// goes right behind its last packet of the handshake, with which the other has its own.
    pub(super) fn shake_hands(&mut self, from: usize, to: usize, number: u64) {
        if self.dials.under_way.get(&(from, to)).is_none_or(|dial| dial.number != number) {
            return;
        }
        let lost = (0..3).any(|_| self.chance.happens(self.weather.loss));
        if lost || !self.nodes[to].is_up() || !self.weather.passes_both_ways(from, to) {
            self.agenda.after(HANDSHAKE_AGAIN, Happening::Handshake { from, to, number });
            return;
        }
        let Some(dial) = self.dials.take(from, to, number) else { return };
        if let Some((link, _)) = self.dials.half_open.get(&(to, from)).copied() {
            // The other has dialled as well and is a little ahead: that link will do.
            self.accept(to, from, link);
        }
        let here = self.links.end(from, to).map(|end| end.number);
        let there = self.links.end(to, from).map(|end| end.number);
        if here.is_none() || here != there {
            self.open_half(from, to, dial.heard);
        }
        dial.waiting.into_iter().for_each(|message| self.send_waiting(from, to, message));
    }

    /// The dialler's end stands, in place of one that still stood from an earlier link. It goes first, in the machine's eyes;
    /// but whatever this does then finds the new link.
    fn open_half(&mut self, from: usize, to: usize, heard: Bearing) {
        let (rtt, now) = (self.handshake_rtt(from, to), self.now());
        let link = self.links.number();
        let is_stale = self.links.open(from, to, link, now, rtt);
        self.book.tally.links += 1;
        self.dials.half_open.insert((from, to), (link, self.bearing(from)));
        let travel = self.travel(from, to);
        self.agenda.after(travel, Happening::Accepted { from, to, link });
        if is_stale {
            self.link_down(from, to, Down::Lost);
        }
        self.book.note(|| Note::LinkUp { at: now, from, to });
        self.feed_link_up(from, (to, heard), true, rtt);
    }

    /// The first packet of a dialler that has its end of the link arrives at the other: it has its own as well.
    pub(super) fn accept(&mut self, from: usize, to: usize, link: u64) {
        let is_meant = |half: &&(u64, Bearing)| half.0 == link;
        let Some((_, heard)) = self.dials.half_open.get(&(from, to)).filter(is_meant).copied() else { return };
        self.dials.half_open.remove(&(from, to));
        if !self.nodes[to].is_up() || self.links.end_of(from, to, link).is_none() {
            return;
        }
        let answered = self.dials.under_way.remove(&(to, from));
        let (rtt, now) = (self.handshake_rtt(from, to), self.now());
        if self.links.open(to, from, link, now, rtt) {
            self.link_down(to, from, Down::Lost);
        }
        self.feed_link_up(to, (from, heard), false, rtt);
        let waiting = answered.map(|dial| dial.waiting).unwrap_or_default();
        waiting.into_iter().for_each(|message| self.send_waiting(to, from, message));
    }

    fn handshake_rtt(&self, from: usize, to: usize) -> Span {
        self.plan.underlay.round_trip(from, to) + self.weather.slowness(from, to) * 2
    }

    /// A dial has taken too long.
    pub(super) fn give_up(&mut self, from: usize, to: usize, number: u64) {
        let Some(dial) = self.dials.take(from, to, number) else { return };
        self.book.tally.unreached += dial.waiting.len() as u64;
        let peer = self.nodes[to].contact.id();
        if let Some(address) = dial.seed {
            self.feed(from, Feed::Router(router::Input::SeedSilent { address }));
        }
        self.feed(from, Feed::Router(router::Input::DialFailed { peer }));
    }

    /// A packet sets out.
    pub(super) fn launch(&mut self, packet: Box<Packet>) {
        let (from, to) = (packet.from, packet.to);
        if self.links.end_of(from, to, packet.link).is_none() {
            return;
        }
        let Some(queued) = self.queue(&packet) else {
            self.book.tally.overflowed += 1;
            return;
        };
        let (passes, now) = (self.weather.passes(from, to), self.now());
        if !passes && let Some(end) = self.links.end_of(from, to, packet.link) {
            end.waits = end.waits.or(Some(now));
        }
        if !passes || self.chance.happens(self.weather.loss) {
            if packet.is_datagram {
                self.book.tally.lost += 1;
                return;
            }
            self.book.tally.resent += 1;
            let rtt = self.plan.underlay.round_trip(from, to);
            self.agenda.after(queued + (rtt + rtt / 2).max(RESEND_MIN), Happening::Again(packet));
            return;
        }
        let travel = queued + self.travel(from, to);
        if packet.is_datagram && self.chance.happens(self.weather.duplication) {
            self.book.tally.duplicated += 1;
            let late = travel + Span::from_micros(self.chance.below(travel.as_micros() + 1));
            self.agenda.after(late, Happening::Arrives(packet.clone()));
        }
        self.agenda.after(travel, Happening::Arrives(packet));
    }

    /// A packet waits for its node's uplink and then keeps it busy: how long until the uplink has sent it. `None`: too much
    /// waits, and it is dropped; what goes by stream waits however long, as its sender would.
    fn queue(&mut self, packet: &Packet) -> Option<Span> {
        let (now, takes) = (self.now(), self.weather.on_uplink(packet.bytes.len()));
        let busy = self.nodes[packet.from].uplink_busy.max(now);
        if packet.is_datagram && busy.since(now) > UPLINK_WAIT_MAX {
            return None;
        }
        self.nodes[packet.from].uplink_busy = busy + takes;
        Some((busy + takes).since(now))
    }

    /// A packet arrives.
    pub(super) fn arrive(&mut self, packet: Box<Packet>) {
        let (from, to, link, sent) = (packet.from, packet.to, packet.link, packet.sent);
        self.accept(from, to, link);
        let at = self.now();
        let (back, is_heard) = (self.way(to, from), self.weather.passes(to, from));
        if self.links.hear(to, from, link, at).is_none() {
            return self.reset(&packet, back);
        }
        // The acknowledgement: it is on its way, and nothing but its arrival matters.
        if is_heard && let Some(end) = self.links.hear(from, to, link, at + back) {
            end.rtt.add(at.since(sent) + back);
            end.waits = None;
        }
        let Packet { message, bytes, .. } = *packet;
        self.nodes[to].counts.traffic += bytes.len() as u64;
        self.nodes[to].counts.messages += 1;
        self.nodes[to].counts.asked_of += u64::from(is_request(&message));
        self.book.record(at, to, "said", &bytes);
        if matches!(message, Message::Directory(Directory::Ask { .. } | Directory::Answer { .. })) {
            self.stir();
        }
        self.book.note(|| Note::Said { at, from, to, message: Box::new(message.clone()) });
        let id = self.nodes[from].contact.id();
        if self.nodes[to].mail.is_some() {
            return self.say_to_guest(to, id, message);
        }
        let feeds = self.nodes[to].mind.as_ref().map(|mind| mind.heard(id, message)).unwrap_or_default();
        feeds.into_iter().for_each(|feed| self.feed(to, feed));
    }

    /// A packet came over a link of which its receiver knows nothing: a node that runs says so, even in a
    /// later life (the live transport's stateless reset); a dead one says nothing.
    fn reset(&mut self, packet: &Packet, back: Span) {
        if self.nodes[packet.to].is_up() && self.weather.passes(packet.to, packet.from) {
            let (at, peer, link) = (packet.from, packet.to, packet.link);
            self.agenda.after(back, Happening::Closed { at, peer, link, reason: None });
        }
    }

    /// A machine's end of a link is gone.
    pub(super) fn link_down(&mut self, node: usize, peer: usize, why: Down) {
        let at = self.now();
        self.book.note(|| Note::LinkDown { at, node, peer, why });
        let peer = self.nodes[peer].contact.id();
        self.feed(node, Feed::Router(router::Input::LinkDown { peer, why }));
        self.feed(node, Feed::Forwarder(forwarder::Input::LinkDown { peer }));
    }

    /// Another second has passed for a node: its host reports the links on which something was heard,
    /// and gives up those on which nothing was for too long.
    pub(super) fn tick(&mut self, index: usize) {
        let now = self.now();
        // Once a way works again the transport, which goes on asking, is answered well before anybody minds.
        let waits = |peer: usize, end: &End| end.waits.filter(|_| !self.weather.passes_both_ways(index, peer));
        let report = |(peer, end): (usize, End)| LinkReport {
            peer: self.nodes[peer].contact.id(),
            rtt: end.rtt.smoothed(),
            silent_for: now.since(end.heard),
            unacknowledged_for: waits(peer, &end).map_or(Span::ZERO, |since| now.since(since)),
        };
        let reports: Vec<LinkReport> = self.links.take_fresh(index, now).into_iter().map(report).collect();
        let lost = self.links.silent_for(index, now, IDLE_MAX);
        if !reports.is_empty() {
            self.feed(index, Feed::Router(router::Input::Links(reports)));
        }
        for peer in lost {
            if self.links.close(index, peer).is_some() {
                self.link_down(index, peer, Down::Lost);
            }
        }
    }

    /// Puts a message on its way over a link that stands at this end.
    fn post(&mut self, from: usize, to: usize, message: Message) {
        let Some(link) = self.links.end(from, to).map(|end| end.number) else { return };
        let bytes = Bytes::from(message.encode());
        let message = if self.plan.through_codec { decoded(&bytes, &message) } else { message };
        let family = family_index(message.family());
        self.book.tally.messages[family] += 1;
        self.book.tally.bytes[family] += bytes.len() as u64;
        self.book.sent.add(message.kind(), bytes.len());
        self.nodes[from].counts.traffic += bytes.len() as u64;
        self.nodes[from].counts.messages += 1;
        if let Some(watched) = &mut self.book.watched {
            watched.said_by(from).add(message.kind(), bytes.len());
        }
        let is_datagram = bytes.len() <= DATAGRAM_BYTES_MAX && !message.is_vital();
        let sent = self.now();
        self.launch(Box::new(Packet { from, to, link, message, bytes, is_datagram, sent }));
    }

    fn send_waiting(&mut self, from: usize, to: usize, message: Message) {
        if self.links.end(from, to).is_some() {
            self.post(from, to, message);
        } else {
            self.book.tally.unreached += 1;
        }
    }

    fn begin_dial(&mut self, from: usize, to: usize, seed: Option<SocketAddr>) {
        if let Some(dial) = self.dials.under_way.get_mut(&(from, to)) {
            dial.seed = dial.seed.or(seed);
            return;
        }
        self.dials.begun += 1;
        self.book.sent.add("dial", 0);
        self.nodes[from].counts.messages += 1;
        let number = self.dials.begun;
        self.dials.under_way.insert((from, to), Dial { number, seed, heard: self.bearing(to), waiting: Vec::new() });
        let rtt = self.travel(from, to) + self.travel(to, from);
        self.agenda.after(rtt, Happening::Handshake { from, to, number });
        self.agenda.after(DIAL_MAX, Happening::GivenUp { from, to, number });
    }

    /// What a node says of itself with the first words on a link.
    fn bearing(&self, node: usize) -> Bearing {
        self.nodes[node].mind.as_ref().map(|mind| mind.view.bearing).unwrap_or_default()
    }

    fn feed_link_up(&mut self, at: usize, (peer, bearing): (usize, Bearing), dialled: bool, rtt: Span) {
        let contact = self.nodes[peer].contact.clone();
        self.feed(at, Feed::Router(router::Input::LinkUp { contact, bearing, dialled, rtt }));
    }

    fn later(&mut self, node: usize, after: Span, feed: Feed) {
        let life = self.nodes[node].life;
        self.agenda.after(after, Happening::Fed { node, life, feed: Box::new(feed) });
    }

    /// How long a packet takes today.
    fn travel(&mut self, from: usize, to: usize) -> Span {
        let plain = self.way(from, to);
        let jitter = plain.scaled(self.weather.jitter * self.chance.unit());
        plain + jitter
    }

    /// How long a packet takes if nothing more happens to it.
    fn way(&self, from: usize, to: usize) -> Span {
        let one_way = |from, to| self.plan.underlay.one_way(from, to);
        self.weather.way((from, to), one_way(from, to), one_way(to, from)) + self.weather.slowness(from, to)
    }
}

/// The message as the other end reads it. What a machine sends must be readable: a message too long or
/// out of its limits is a fault of its sender.
fn decoded(bytes: &Bytes, message: &Message) -> Message {
    match Message::decode(bytes) {
        Ok(decoded) => decoded,
        Err(malformed) => panic!("a machine sent what nobody can read ({malformed}): {message:?}"),
    }
}

fn family_index(family: Family) -> usize {
    Family::ALL.iter().position(|each| *each == family).unwrap_or(0)
}

/// How long a link may be silent before the transport gives it up, both ways. The live node's figure.
pub const IDLE_MAX: Span = Span::from_mins(30);
/// How long a dial may take. The live node's figure.
const DIAL_MAX: Span = Span::from_secs(5);
/// When a lost handshake packet is sent again: three initial round-trip guesses (RFC 9002 §6.2.2).
const HANDSHAKE_AGAIN: Span = Span::from_secs(1);
/// How long a measurement waits for its echo. The live node's figure.
const MEASURE_MAX: Span = Span::from_secs(1);
/// Messages that may wait for one link. A guess.
const WAITING_MAX: usize = 64;
/// Largest message that goes in one QUIC datagram: the smallest packet QUIC allows (RFC 9000 §14), less
/// its headers.
pub(super) const DATAGRAM_BYTES_MAX: usize = 1_150;
/// Soonest a lost stream packet is sent again: the delayed acknowledgement and the loss timer.
const RESEND_MIN: Span = Span::from_millis(50);
/// How long a datagram waits for its node's uplink at most: a home router's full buffer. A guess, of the order that measurements of
/// access links found (Dischinger et al., IMC 2007: hundreds of milliseconds to seconds).
const UPLINK_WAIT_MAX: Span = Span::from_secs(1);
/// Whether somebody asks for something for a client: routed, or a fetch.
fn is_request(message: &Message) -> bool {
    matches!(
        message,
        Message::Routing(Routing::Forward(..))
            | Message::Directory(Directory::Ask { request: Request::Fetch { .. }, .. })
    )
}
