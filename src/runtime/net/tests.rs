//! Nodes talking over real sockets on the loopback, all on one thread.
//!
//! Owns: a small loop of several nodes, and what must hold between them.
//! Never does: sleep and hope: every wait is for a condition, with a generous deadline.

mod silence;

use super::*;
use crate::identity::{NodeName, Role};
use crate::wire::hello::WIRE_VERSION;
use crate::wire::probe::Bearing;
use crate::wire::{Hello, MESSAGE_BYTES_MAX};
use bytes::Bytes;
use mio::{Events, Poll};
use std::time::Duration;

struct Fleet {
    poll: Poll,
    polled: Events,
    buffers: NetBuffers,
    clock: Clock,
    nodes: Vec<Node>,
}

struct Node {
    net: Net,
    contact: Arc<Contact>,
    heard: Vec<NetEvent>,
    messages: Vec<(Id, Bytes)>,
}

impl Fleet {
    fn new() -> Fleet {
        Fleet {
            poll: Poll::new().unwrap(),
            polled: Events::with_capacity(64),
            buffers: NetBuffers::new(),
            clock: Clock::start(),
            nodes: Vec::new(),
        }
    }

    fn of(seeds: impl IntoIterator<Item = u8>) -> Fleet {
        let mut fleet = Fleet::new();
        for seed in seeds {
            fleet.add(seed, "test", None);
        }
        fleet
    }

    fn options(&self, seed: u8, network: &str) -> NetOptions {
        NetOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret: SecretKey::from_seed([seed; 32]),
            network: network.into(),
            puzzle_bits: 0,
            imposed: None,
            clock: self.clock,
        }
    }

    fn add(&mut self, seed: u8, network: &str, imposed: Option<PathDelay>) -> usize {
        let options = NetOptions { imposed: imposed.map(ImposedDelay::new), ..self.options(seed, network) };
        self.add_speaking(tls::alpn(), seed, options)
    }

    fn add_speaking(&mut self, alpn: &[u8], seed: u8, options: NetOptions) -> usize {
        let token = Token(self.nodes.len());
        let mut net = Net::speaking(alpn, options, self.poll.registry(), token).unwrap();
        let contact = contact_of(seed, net.local_addr().unwrap());
        net.set_contact(contact.clone());
        self.nodes.push(Node { net, contact, heard: Vec::new(), messages: Vec::new() });
        token.0
    }

    fn id(&self, node: usize) -> Id {
        self.nodes[node].contact.id()
    }

    fn dial(&mut self, from: usize, to: usize) {
        let contact = self.nodes[to].contact.clone();
        let now = self.clock.now();
        self.nodes[from].net.dial(&contact, now);
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        for node in &mut self.nodes {
            node.net.flush(now, &mut self.buffers);
        }
        let due = self.nodes.iter().filter_map(|node| node.net.next_timeout()).min();
        let wait = due.map_or(Span::from_millis(50), |due| self.clock.now().until(due)).min(Span::from_millis(50));
        self.poll.poll(&mut self.polled, Some(Duration::from(wait))).unwrap();
        let now = self.clock.now();
        for event in &self.polled {
            // Whose turn a test has taken away hears nothing.
            let Some(Node { net, .. }) = self.nodes.get_mut(event.token().0) else { continue };
            if event.is_writable() {
                net.writable();
            }
            if event.is_readable() {
                net.readable(now, &mut self.buffers);
            }
        }
        for node in &mut self.nodes {
            if node.net.has_unread() {
                node.net.readable(now, &mut self.buffers);
            }
            node.net.on_timeout(now);
            while let Some(event) = node.net.poll_event() {
                match event {
                    NetEvent::Message { from, bytes } => node.messages.push((from, bytes)),
                    event => node.heard.push(event),
                }
            }
        }
    }

    /// Turns until the condition holds; fails after 20 s.
    fn until(&mut self, what: &str, done: impl Fn(&[Node]) -> bool) {
        let deadline = self.clock.now() + Span::from_secs(20);
        while !done(&self.nodes) {
            self.turn();
            let heard: Vec<_> = self.nodes.iter().map(|node| &node.heard).collect();
            assert!(self.clock.now() < deadline, "{what}: never; heard {heard:#?}");
        }
    }

    /// Turns for a while: for things that must not happen.
    fn idle(&mut self, span: Span) {
        let deadline = self.clock.now() + span;
        while self.clock.now() < deadline {
            self.turn();
        }
    }

    fn linked(seeds: [u8; 2]) -> Fleet {
        let mut fleet = Fleet::of(seeds);
        fleet.dial(0, 1);
        fleet.until("link", |nodes| nodes.iter().all(|node| node.ups() == 1));
        fleet
    }
}

impl Node {
    fn ups(&self) -> usize {
        self.heard.iter().filter(|event| matches!(event, NetEvent::LinkUp { .. })).count()
    }

    fn downs(&self) -> Vec<&DownReason> {
        self.heard
            .iter()
            .filter_map(|event| if let NetEvent::LinkDown { why, .. } = event { Some(why) } else { None })
            .collect()
    }

    fn dial_fault(&self) -> Option<&DialFault> {
        self.heard.iter().find_map(|event| if let NetEvent::DialFailed { why, .. } = event { Some(why) } else { None })
    }

    fn refused_dialler(&self) -> Option<&str> {
        self.heard.iter().find_map(|event| {
            if let NetEvent::DiallerRefused { text, .. } = event { Some(text.as_str()) } else { None }
        })
    }
}

fn contact_of(seed: u8, address: SocketAddr) -> Arc<Contact> {
    let key = SecretKey::from_seed([seed; 32]);
    let name = NodeName { key: key.public(), nonce: 0 };
    Arc::new(Contact::sign(&key, name, &[address], Role::Server, 1))
}

fn message(tag: u8, length: usize) -> Bytes {
    (0..length).map(|index| (index as u8).wrapping_mul(31) ^ tag).collect::<Vec<u8>>().into()
}

fn parcel(tag: u8, length: usize) -> Parcel {
    Parcel { bytes: message(tag, length), is_vital: false }
}

#[test]
fn both_ends_of_a_link_know_who_the_other_is_and_how_it_stands() {
    let mut fleet = Fleet::of([1, 2]);
    let standing = |node: usize| Bearing { ready: node == 1, nodes: 40 + node as u32, ..Bearing::default() };
    (0..2).for_each(|node| fleet.nodes[node].net.set_bearing(standing(node)));
    fleet.dial(0, 1);
    fleet.until("link", |nodes| nodes.iter().all(|node| node.ups() == 1));
    for (node, other, dialled_here) in [(0, 1, true), (1, 0, false)] {
        let NetEvent::LinkUp { contact, bearing, dialled, rtt, address } = &fleet.nodes[node].heard[0] else {
            panic!()
        };
        assert_eq!(**contact, *fleet.nodes[other].contact);
        assert_eq!(*bearing, standing(other));
        assert_eq!((*dialled, Some(*address)), (dialled_here, fleet.nodes[other].contact.address()));
        assert!(*rtt > Span::ZERO && *rtt < Span::from_secs(1));
        assert!(fleet.nodes[node].net.is_up(&fleet.id(other)));
    }
}

#[test]
fn who_dials_has_its_link_after_one_round_trip() {
    let mut fleet = Fleet::new();
    let rtt = Span::from_millis(200);
    let imposed = || Some(Arc::new(move |_| rtt) as PathDelay);
    fleet.add(1, "test", imposed());
    fleet.add(2, "test", imposed());
    fleet.dial(0, 1);
    // The other end must hear from the dialler once more, so it is half a round trip later.
    fleet.until("the dialler's end", |nodes| nodes[0].ups() == 1);
    assert_eq!(fleet.nodes[1].ups(), 0);
    let peer = fleet.id(1);
    fleet.nodes[0].net.send(&peer, parcel(1, 100)).unwrap();
    fleet.until("what was said at once", |nodes| nodes[1].messages.len() == 1);
    assert_eq!(fleet.nodes[1].ups(), 1);
}

#[test]
fn a_link_that_comes_up_costs_little() {
    let mut fleet = Fleet::linked([1, 2]);
    // Probes of the path's MTU follow the handshake.
    fleet.idle(Span::from_millis(200));
    let now = fleet.clock.now();
    let sent = |node: &mut Node| node.net.link_reports(now)[0].sent_bytes;
    let bytes: u64 = fleet.nodes.iter_mut().map(sent).sum();
    println!("{bytes} bytes of UDP payload, both ends");
    assert!(bytes < 9_000, "{bytes}");
}

#[test]
fn messages_of_all_sizes_arrive_whole_both_ways() {
    let mut fleet = Fleet::linked([1, 2]);
    let sizes = [0, 1, 100, 1_150, 1_500, 40_000, 1 << 20, MESSAGE_BYTES_MAX];
    for (from, to) in [(0, 1), (1, 0)] {
        let peer = fleet.id(to);
        for (tag, size) in sizes.iter().enumerate() {
            fleet.nodes[from].net.send(&peer, parcel(tag as u8, *size)).unwrap();
            fleet.turn();
        }
    }
    fleet.until("all messages", |nodes| nodes.iter().all(|node| node.messages.len() == sizes.len()));
    for (node, other) in [(0, 1), (1, 0)] {
        let mut got: Vec<&Bytes> = fleet.nodes[node].messages.iter().map(|(_, bytes)| bytes).collect();
        got.sort_by_key(|bytes| bytes.len());
        for (tag, (bytes, size)) in got.iter().zip(sizes).enumerate() {
            assert_eq!(**bytes, message(tag as u8, size));
        }
        let from = fleet.id(other);
        assert!(fleet.nodes[node].messages.iter().all(|(sender, _)| *sender == from));
    }
    let (sent, received) = (fleet.nodes[0].net.counters().sent, fleet.nodes[1].net.counters().received);
    assert_eq!((sent.messages, sent.message_bytes), (received.messages, received.message_bytes));
    assert_eq!(sent.stream_messages, received.stream_messages);
    let reports = fleet.nodes[0].net.link_reports(fleet.clock.now());
    assert!(reports.len() == 1 && reports[0].sent_bytes > 2 << 20 && reports[0].rtt > Span::ZERO, "{reports:?}");
    assert_eq!(fleet.nodes[0].net.links.assembling, 0);
}

/// A datagram that is lost is gone; what a stream carries is sent until it has arrived.
#[test]
fn what_nobody_says_again_goes_by_a_stream_however_short_it_is() {
    let mut fleet = Fleet::linked([1, 2]);
    let peer = fleet.id(1);
    let word = crate::wire::Message::Probe(crate::wire::Probe::Gone { suspect: Id::MAX });
    fleet.nodes[0].net.send(&peer, word.parcel()).unwrap();
    fleet.nodes[0].net.send(&peer, parcel(1, 100)).unwrap();
    fleet.until("both", |nodes| nodes[1].messages.len() == 2);
    assert!(fleet.nodes[1].messages.iter().any(|(_, bytes)| *bytes == word.encode()));
    assert_eq!(
        (fleet.nodes[0].net.counters().sent.messages, fleet.nodes[0].net.counters().sent.stream_messages),
        (2, 1)
    );
}

#[test]
fn a_message_too_long_or_to_a_stranger_is_an_error() {
    let mut fleet = Fleet::linked([1, 2]);
    let (known, stranger) = (fleet.id(1), Id::hash_of(b"nobody"));
    let net = &mut fleet.nodes[0].net;
    assert_eq!(net.send(&stranger, Parcel::default()), Err(SendFault::NoLink));
    let bytes = MESSAGE_BYTES_MAX + 1;
    assert_eq!(net.send(&known, parcel(0, bytes)), Err(SendFault::TooLong { bytes }));
    let refused = (0..10_000).find_map(|_| net.send(&known, parcel(0, 1_000)).err());
    assert!(matches!(refused, Some(SendFault::Full { .. })));
    assert_eq!(net.counters().refused.queue_full, 1);
}

#[test]
fn a_message_may_be_sent_before_there_is_a_link() {
    let mut fleet = Fleet::of([1, 2]);
    let (contact, now) = (fleet.nodes[1].contact.clone(), fleet.clock.now());
    for tag in 0..10 {
        fleet.nodes[0].net.reach(&contact, parcel(tag, 900 * usize::from(tag)), now).unwrap();
    }
    fleet.until("messages", |nodes| nodes[1].messages.len() == 10);
    assert_eq!((fleet.nodes[0].ups(), fleet.nodes[1].ups()), (1, 1));
}

#[test]
fn a_burst_of_middling_messages_outlasts_every_limit_on_streams() {
    let mut fleet = Fleet::linked([1, 2]);
    let peer = fleet.id(1);
    for round in 1..=2 {
        for tag in 0..200 {
            fleet.nodes[0].net.send(&peer, parcel(tag, 5_000)).unwrap();
        }
        fleet.until("burst", |nodes| nodes[1].messages.len() == 200 * round);
    }
    let counters = fleet.nodes[0].net.counters();
    assert_eq!((counters.sent.stream_messages, counters.refused.messages_lost), (400, 0));
}

#[test]
fn a_peer_of_another_network_is_turned_away_and_both_hear_why() {
    let mut fleet = Fleet::new();
    fleet.add(1, "a", None);
    fleet.add(2, "b", None);
    fleet.dial(0, 1);
    fleet.until("refusal", |nodes| nodes[0].dial_fault().is_some() && nodes[1].refused_dialler().is_some());
    let fault = fleet.nodes[0].dial_fault().unwrap().to_string();
    let seen = fleet.nodes[1].refused_dialler().unwrap();
    assert!(fault.contains("'a'") && fault.contains("'b'"), "{fault}");
    assert!(seen.contains("'a'") && seen.contains("'b'"), "{seen}");
    assert!(fleet.nodes.iter().all(|node| node.ups() == 0));
}

#[test]
fn a_peer_of_another_version_is_turned_away_and_both_hear_why() {
    let mut fleet = Fleet::of([1, 2]);
    let contact = Contact::clone(&fleet.nodes[0].contact);
    let hello =
        Hello { version: WIRE_VERSION + 1, network: "test".into(), bearing: Bearing::default(), contact }.encode();
    fleet.nodes[0].net.greeting.say(hello.into());
    fleet.dial(0, 1);
    fleet.until("refusal", |nodes| nodes[0].dial_fault().is_some() || nodes[0].downs().len() == 1);
    fleet.until("refusal", |nodes| nodes[1].refused_dialler().is_some());
    assert!(fleet.nodes[1].refused_dialler().unwrap().contains(&format!("version {}", WIRE_VERSION + 1)));
    assert_eq!(fleet.nodes[1].ups(), 0);
}

#[test]
fn no_common_protocol_token_is_a_clear_fault() {
    let mut fleet = Fleet::of([1]);
    let options = fleet.options(2, "test");
    fleet.add_speaking(b"arras/99", 2, options);
    fleet.dial(0, 1);
    fleet.until("refusal", |nodes| nodes[0].dial_fault().is_some() && nodes[1].refused_dialler().is_some());
    assert_eq!(fleet.nodes[0].dial_fault(), Some(&DialFault::NoCommonVersion));
    assert!(fleet.nodes[1].refused_dialler().unwrap().contains("version"));
}

#[test]
fn a_contact_that_its_key_did_not_sign_is_turned_away() {
    let mut fleet = Fleet::of([1, 2]);
    let contact = Contact::clone(&fleet.nodes[0].contact);
    let mut hello =
        Hello { version: WIRE_VERSION, network: "test".into(), bearing: Bearing::default(), contact }.encode();
    *hello.last_mut().unwrap() ^= 1;
    fleet.nodes[0].net.greeting.say(hello.into());
    fleet.dial(0, 1);
    fleet.until("refusal", |nodes| nodes[1].refused_dialler().is_some());
    assert!(fleet.nodes[1].refused_dialler().unwrap().contains("not signed"));
    let contact = Contact::clone(&fleet.nodes[1].contact);
    let stolen = Hello { version: WIRE_VERSION, network: "test".into(), bearing: Bearing::default(), contact }.encode();
    fleet.nodes[0].net.greeting.say(stolen.into());
    fleet.nodes[1].heard.clear();
    fleet.idle(Span::from_millis(50));
    fleet.dial(0, 1);
    fleet.until("refusal", |nodes| nodes[1].refused_dialler().is_some());
    assert!(fleet.nodes[1].refused_dialler().unwrap().contains("TLS proved"));
}

#[test]
fn another_node_at_the_dialled_address_is_found_out() {
    let mut fleet = Fleet::of([1, 2]);
    let wanted = contact_of(3, fleet.nodes[1].net.local_addr().unwrap());
    let now = fleet.clock.now();
    fleet.nodes[0].net.dial(&wanted, now);
    fleet.until("fault", |nodes| nodes[0].dial_fault().is_some());
    assert_eq!(fleet.nodes[0].dial_fault(), Some(&DialFault::OtherKey));
    let me = fleet.nodes[0].contact.clone();
    fleet.nodes[0].heard.clear();
    fleet.nodes[0].net.dial(&me, now);
    fleet.until("fault", |nodes| nodes[0].dial_fault().is_some());
    assert_eq!(fleet.nodes[0].dial_fault(), Some(&DialFault::Oneself));
}

#[test]
fn two_that_dial_each_other_at_once_end_up_with_one_link_and_lose_nothing() {
    for delay in [0, 20] {
        let mut fleet = Fleet::new();
        let imposed = || (delay > 0).then(|| Arc::new(move |_| Span::from_millis(delay)) as PathDelay);
        fleet.add(1, "test", imposed());
        fleet.add(2, "test", imposed());
        let contacts = [fleet.nodes[0].contact.clone(), fleet.nodes[1].contact.clone()];
        let now = fleet.clock.now();
        for tag in 0..20 {
            fleet.nodes[0].net.reach(&contacts[1], parcel(tag, 3_000), now).unwrap();
            fleet.nodes[1].net.reach(&contacts[0], parcel(tag, 30), now).unwrap();
        }
        fleet.until("messages", |nodes| nodes.iter().all(|node| node.messages.len() == 20));
        for tag in 20..40 {
            fleet.nodes[0].net.send(&contacts[1].id(), parcel(tag, 30)).unwrap();
            fleet.nodes[1].net.send(&contacts[0].id(), parcel(tag, 3_000)).unwrap();
            fleet.turn();
        }
        fleet.until("one connection", |nodes| nodes.iter().all(|node| node.net.counters().links == 1));
        assert!(fleet.nodes.iter().all(|node| node.messages.len() == 40));
        assert!(fleet.nodes.iter().all(|node| node.ups() == 1 && node.downs().is_empty()));
        assert_eq!(fleet.nodes[0].net.counters().refused.messages_lost, 0);
    }
}

#[test]
fn a_ping_needs_no_link() {
    let mut fleet = Fleet::of([1, 2]);
    let there = fleet.nodes[1].net.local_addr().unwrap();
    let nowhere = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    fleet.nodes[0].net.ping(there, 7);
    fleet.nodes[0].net.ping(nowhere.local_addr().unwrap(), 8);
    fleet.until("pong and silence", |nodes| nodes[0].heard.len() == 2);
    assert!(matches!(fleet.nodes[0].heard[0], NetEvent::Pong { token: 7, rtt } if rtt < Span::from_millis(200)));
    assert!(matches!(fleet.nodes[0].heard[1], NetEvent::PingSilent { token: 8 }));
    assert_eq!(fleet.nodes[1].net.counters().links, 0);
    let mut packet = [0; 100];
    let first = nowhere.recv_from(&mut packet).unwrap().0;
    assert_eq!((first, nowhere.recv_from(&mut packet).unwrap().0), (25, 25), "asked twice");
}

#[test]
fn an_imposed_delay_is_the_round_trip_that_is_measured() {
    let mut fleet = Fleet::new();
    let imposed = || Some(Arc::new(|_| Span::from_millis(30)) as PathDelay);
    fleet.add(1, "test", imposed());
    fleet.add(2, "test", imposed());
    fleet.dial(0, 1);
    fleet.until("link", |nodes| nodes.iter().all(|node| node.ups() == 1));
    let there = fleet.nodes[1].net.local_addr().unwrap();
    for token in 0..20 {
        fleet.nodes[0].net.ping(there, token);
        fleet.until("pong", |nodes| nodes[0].heard.len() == 2 + token as usize);
    }
    let mut trips: Vec<Span> = fleet.nodes[0]
        .heard
        .iter()
        .filter_map(|event| if let NetEvent::Pong { rtt, .. } = event { Some(*rtt) } else { None })
        .collect();
    trips.sort();
    let reports = fleet.nodes[0].net.link_reports(fleet.clock.now());
    let lateness = fleet.nodes[0].net.lateness().unwrap();
    println!(
        "median ping {}, link rtt {} (min {}), held to within {:?} at the median, mean error {:.0} us",
        trips[10],
        reports[0].rtt,
        reports[0].rtt_min,
        lateness.quantile(0.5),
        lateness.mean_micros()
    );
    assert!(trips[10] >= Span::from_millis(28) && trips[10] < Span::from_millis(60), "{trips:?}");
    assert!(reports[0].rtt_min >= Span::from_millis(28), "{reports:?}");
    assert!(lateness.released() > 20);
}

/// Stops node 1 without a word and starts it again with the same key at the same address.
fn restart(fleet: &mut Fleet) {
    let listen = fleet.nodes[1].net.local_addr().unwrap();
    let node = fleet.nodes.pop().unwrap();
    drop(node);
    let options = NetOptions { listen, ..fleet.options(2, "test") };
    fleet.add_speaking(tls::alpn(), 2, options);
}

#[test]
fn a_restarted_peer_that_is_spoken_to_answers_with_a_reset() {
    let mut fleet = Fleet::linked([1, 2]);
    fleet.idle(Span::from_millis(100));
    restart(&mut fleet);
    let peer = fleet.id(1);
    fleet.nodes[0].net.send(&peer, parcel(1, 200)).unwrap();
    fleet.until("reset", |nodes| nodes[0].downs().len() == 1);
    assert_eq!(*fleet.nodes[0].downs()[0], DownReason::Reset);
    fleet.dial(0, 1);
    fleet.until("link", |nodes| nodes[0].ups() == 2 && nodes[1].ups() == 1);
}

#[test]
fn a_restarted_peer_that_dials_replaces_its_old_link() {
    for wait in [Span::from_millis(50), DUPLICATE_WINDOW_AND_MORE] {
        for (dialler, other) in [(0, 1), (1, 0)] {
            let mut fleet = Fleet::of([1, 2]);
            fleet.dial(dialler, other);
            fleet.until("link", |nodes| nodes.iter().all(|node| node.ups() == 1));
            fleet.idle(wait);
            restart(&mut fleet);
            fleet.dial(1, 0);
            fleet.until("new link", |nodes| nodes[1].ups() == 1 && nodes[0].net.peers_up().count() == 1);
            fleet.idle(Span::from_millis(1_500));
            fleet.until("one link", |nodes| nodes.iter().all(|node| node.net.counters().links == 1));
            let peers = [fleet.id(0), fleet.id(1)];
            fleet.nodes[0].net.send(&peers[1], parcel(1, 200)).unwrap();
            fleet.nodes[1].net.send(&peers[0], parcel(2, 200)).unwrap();
            fleet.until("messages", |nodes| nodes.iter().all(|node| node.messages.len() == 1));
        }
    }
}

const DUPLICATE_WINDOW_AND_MORE: Span = Span::from_millis(3_200);

#[test]
fn a_closed_link_tells_the_peer_why() {
    let mut fleet = Fleet::linked([1, 2]);
    let (peer, now) = (fleet.id(1), fleet.clock.now());
    fleet.nodes[0].net.hang_up(&peer, CloseReason::Leaving, now);
    assert_eq!(fleet.nodes[0].net.send(&peer, Parcel::default()), Err(SendFault::NoLink));
    fleet.until("down", |nodes| nodes.iter().all(|node| node.downs().len() == 1));
    assert_eq!(*fleet.nodes[0].downs()[0], DownReason::ClosedByUs(CloseReason::Leaving));
    let theirs = DownReason::ClosedByPeer { reason: Some(CloseReason::Leaving), text: "leaving".into() };
    assert_eq!(*fleet.nodes[1].downs()[0], theirs);
    fleet.until("no links", |nodes| nodes.iter().all(|node| node.net.counters().links == 0));
}

#[test]
fn a_dial_to_nobody_fails_within_its_time() {
    let mut fleet = Fleet::of([1]);
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = contact_of(9, silent.local_addr().unwrap());
    let begun = fleet.clock.now();
    fleet.nodes[0].net.reach(&nobody, parcel(1, 100), begun).unwrap();
    fleet.until("fault", |nodes| nodes[0].dial_fault().is_some());
    assert_eq!(fleet.nodes[0].dial_fault(), Some(&DialFault::TimedOut));
    let took = fleet.clock.now().since(begun);
    assert!(took >= limits::DIAL_TIMEOUT && took < limits::DIAL_TIMEOUT * 2, "{took}");
    assert_eq!(fleet.nodes[0].net.counters().refused.messages_lost, 1);
}

#[test]
fn a_second_address_is_tried_when_the_first_is_silent() {
    let mut fleet = Fleet::of([1, 2]);
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let key = SecretKey::from_seed([2; 32]);
    let addresses = [silent.local_addr().unwrap(), fleet.nodes[1].net.local_addr().unwrap()];
    let contact = Contact::sign(&key, NodeName { key: key.public(), nonce: 0 }, &addresses, Role::Server, 2);
    let now = fleet.clock.now();
    fleet.nodes[0].net.reach(&Arc::new(contact), parcel(3, 10), now).unwrap();
    fleet.until("message", |nodes| nodes[1].messages.len() == 1 && nodes[0].ups() == 1);
}

#[test]
fn garbage_is_ignored() {
    let mut fleet = Fleet::linked([1, 2]);
    let there = fleet.nodes[1].net.local_addr().unwrap();
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut chance = crate::base::Chance::from_seed(5);
    for round in 0..400 {
        let length = 1 + chance.index(1_400);
        let mut packet: Vec<u8> = (0..length).map(|_| chance.next_u64() as u8).collect();
        if round % 4 == 0 {
            // A long header of QUIC version 1 with rubbish behind it.
            packet[0] |= 0xc0;
            packet.splice(1..length.min(5), [0, 0, 0, 1]);
        }
        stranger.send_to(&packet, there).unwrap();
        fleet.turn();
    }
    let peer = fleet.id(1);
    fleet.nodes[0].net.send(&peer, parcel(1, 100)).unwrap();
    fleet.until("message", |nodes| nodes[1].messages.len() == 1);
    assert_eq!((fleet.nodes[1].ups(), fleet.nodes[1].downs().len()), (1, 0));
    assert!(fleet.nodes[1].net.counters().refused.garbage > 50);
}

#[test]
fn a_port_in_use_is_said_so() {
    let fleet = Fleet::of([1]);
    let listen = fleet.nodes[0].net.local_addr().unwrap();
    let options = NetOptions { listen, ..fleet.options(2, "test") };
    let fault = Net::bind(options, fleet.poll.registry(), Token(9)).err().unwrap();
    assert!(matches!(fault, NetError::PortInUse(_)) && fault.to_string().contains("in use"), "{fault}");
}

#[test]
fn an_idle_link_wants_nothing_until_its_timeout() {
    let mut fleet = Fleet::linked([1, 2]);
    fleet.idle(Span::from_millis(500));
    let now = fleet.clock.now();
    for node in &fleet.nodes {
        let next = node.net.next_timeout().unwrap();
        assert!(now.until(next) > Span::from_secs(20), "{}", now.until(next));
    }
}
