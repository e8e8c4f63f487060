//! The rule decided by example, and messages carried between a few forwarders in virtual time.
//!
//! Owns: tables of views, keys and the hop expected, and a small relay.
//! Never does: test a whole overlay: conversations and storms do.

use super::*;
use crate::base::{Id, Instant, Load, RttEstimate, Span};
use crate::identity::{NodeName, Role, SecretKey};
use crate::overlay::contract::{Asker, Copies, Fact, Failure, Place, Reply};
use crate::overlay::view::{Advert, LeafView, PeerView, Way};
use crate::wire::Message;
use crate::wire::probe::ReachEntry;
use crate::wire::routing::{Errand, Heard, Held, Holds, Outcome, ReturnHeader, Why};
use std::collections::VecDeque;

mod rule;

fn contact(seed: u8) -> Arc<Contact> {
    let key = SecretKey::from_seed([seed; 32]);
    let name = NodeName::solve(key.public(), 0);
    Arc::new(Contact::sign(&key, name, &["127.0.0.1:1".parse().unwrap()], Role::Server, 1))
}

/// Forwarders whose views are drawn from one list of nodes in the order of ids: each knows its ring
/// neighbours (`leaf` a side) and every `stride`-th other node, with a link to all of these.
struct Ring {
    nodes: Vec<Forwarder>,
    ids: Vec<Id>,
    now: Instant,
    mail: VecDeque<(Id, Id, Message)>,
    deaf: Vec<Id>,
    told: Vec<(Id, Fact)>,
    answers: Vec<Result<Reply, Failure>>,
}

impl Ring {
    fn of(count: u8, leaf: usize, stride: usize) -> Ring {
        let mut contacts: Vec<Arc<Contact>> = (1..=count).map(contact).collect();
        contacts.sort_by_key(|contact| contact.id());
        let ids: Vec<Id> = contacts.iter().map(|contact| contact.id()).collect();
        let mut out = Outbox::new();
        let nodes = (0..contacts.len())
            .map(|me| {
                let interest = Arc::new(Interest::new((1, 2)));
                let mut node = Forwarder::new(contacts[me].clone(), Tuning::default(), interest);
                let view = Arc::new(view(&contacts, me, leaf, stride));
                node.handle(Instant::ORIGIN, Input::View(view), &mut out);
                node
            })
            .collect();
        let now = Instant::from_micros(1);
        Ring { nodes, ids, now, mail: VecDeque::new(), deaf: vec![], told: vec![], answers: vec![] }
    }

    fn give(&mut self, to: usize, input: Input) {
        let mut out = Outbox::new();
        self.nodes[to].handle(self.now, input, &mut out);
        for effect in out.drain() {
            match effect {
                Effect::Send { to: peer, message } => self.mail.push_back((self.ids[to], peer, message)),
                Effect::Tell(fact) => self.told.push((self.ids[to], fact)),
                Effect::Answer { result, .. } => self.answers.push(result),
                other => panic!("a forwarder has no business with {other:?}"),
            }
        }
    }

    fn index(&self, id: &Id) -> usize {
        self.ids.binary_search(id).expect("a node of the ring")
    }

    /// Delivers everything, letting time pass only when nothing is under way.
    fn run(&mut self) {
        loop {
            while let Some((from, to, message)) = self.mail.pop_front() {
                let bytes = Bytes::from(message.encode());
                let Ok(Message::Routing(message)) = Message::decode(&bytes) else { panic!("not routing") };
                if !self.deaf.contains(&to) {
                    self.give(self.index(&to), Input::Heard { from, message });
                }
            }
            let next = (0..self.nodes.len()).filter_map(|i| Some((self.nodes[i].next_deadline()?, i))).min();
            let Some((at, index)) = next else { return };
            self.now = self.now.max(at);
            self.give(index, Input::Due);
        }
    }

    fn wish(&mut self, from: usize, key: Id, traced: bool) {
        let command = Command::Lookup { key, traced };
        self.give(from, Input::Wished { request: RequestId(1), command });
    }

    fn lookup(&mut self, from: usize, key: Id, traced: bool) -> Result<Root, Failure> {
        self.wish(from, key, traced);
        self.run();
        assert_eq!(self.answers.len(), 1, "exactly one result");
        match self.answers.pop().expect("just counted")? {
            Reply::Root(root) => Ok(root),
            other => panic!("not a root: {other:?}"),
        }
    }

    /// Changes what a node sees.
    fn change_view(&mut self, at: usize, change: impl FnOnce(&mut RouteView)) {
        let mut view = (*self.nodes[at].view).clone();
        change(&mut view);
        self.give(at, Input::View(Arc::new(view)));
    }

    /// Takes a node's link to the target away; `via` advertises one.
    fn only_through(&mut self, at: usize, via: Id, target: Id) {
        let link = ReachEntry { peer: target.prefix_u64(), rtt: Span::from_millis(1) };
        self.change_view(at, |view| {
            let links = view.peers.iter_mut().filter(|peer| peer.contact.id() == target);
            links.for_each(|peer| peer.way = Way::None);
            view.adverts = Arc::new([Advert { via, rtt: Span::from_millis(3), links: Arc::new([link]) }]);
        });
    }

    fn truth(&self, key: &Id) -> Id {
        *self.ids.iter().min_by_key(|id| (id.distance(key), **id)).expect("nodes")
    }
}

use crate::overlay::contract::Root;

fn view(contacts: &[Arc<Contact>], me: usize, leaf: usize, stride: usize) -> RouteView {
    let count = contacts.len();
    let at = |offset: usize| contacts[(me + offset) % count].id();
    let leaf_set = LeafView {
        after: (1..=leaf.min(count - 1)).map(at).collect(),
        before: (1..=leaf.min(count - 1)).map(|offset| at(count - offset)).collect(),
        is_whole_ring: count - 1 <= leaf * 2,
    };
    let mut known: Vec<Id> = leaf_set.iter().collect();
    known.extend((1..count).step_by(stride).map(at));
    let link = Way::Link { rtt: RttEstimate::first(Span::from_millis(10)) };
    let peers = contacts
        .iter()
        .filter(|contact| known.contains(&contact.id()) && contact.id() != contacts[me].id())
        .map(|contact| PeerView { contact: contact.clone(), coordinate: None, way: link, ready: true })
        .collect();
    let me = contacts[me].clone();
    RouteView { me, bearing: Default::default(), ready: true, peers, leaf_set, adverts: Arc::default() }
}

#[test]
fn every_lookup_ends_at_the_numerically_closest_node() {
    let mut ring = Ring::of(60, 2, 7);
    let mut chance = crate::base::Chance::from_seed(3);
    for from in 0..60 {
        let key = Id::from_bytes(chance.bytes32());
        let root = ring.lookup(from, key, true).expect("a root");
        assert_eq!(root.contact.id(), ring.truth(&key));
        assert_eq!(root.trace.len(), usize::from(root.hops));
        assert!(root.trace.windows(2).all(|pair| pair[0].next == pair[1].at));
        assert!(root.hops < 12);
    }
    assert!(ring.nodes.iter().all(|node| node.flights.is_empty() && node.deadlines.is_empty()));
}

#[test]
fn a_silent_hop_costs_a_retry_and_the_router_hears_of_it() {
    let mut ring = Ring::of(30, 2, 3);
    let key = ring.ids[14].with_digit(63, 0);
    let path = ring.lookup(0, key, true).expect("a root").trace;
    let silent = path[0].next;
    assert_ne!(silent, ring.truth(&key), "the example needs two hops");
    ring.deaf.push(silent);
    ring.told.clear();
    let began = ring.now;
    let root = ring.lookup(0, key, false).expect("a root");
    assert_eq!(root.contact.id(), ring.truth(&key));
    assert!(root.took < Span::from_millis(200), "took {}", root.took);
    assert!(ring.told.iter().any(|(_, fact)| matches!(fact, Fact::HopSilent { peer } if *peer == silent)));
    assert!(ring.now.since(began) < Span::from_secs(1));
}

#[test]
fn a_dead_root_gives_one_typed_failure() {
    let mut ring = Ring::of(20, 2, 3);
    let key = ring.ids[10];
    ring.deaf.push(key);
    assert!(matches!(ring.lookup(0, key, false), Err(Failure::Silence { .. } | Failure::TimedOut)));
}

#[test]
fn a_detour_is_taken_and_ends_where_it_was_meant_to() {
    let mut ring = Ring::of(20, 9, 1);
    let (me, via, target) = (ring.ids[0], ring.ids[5], ring.ids[10]);
    ring.only_through(0, via, target);
    let root = ring.lookup(0, target, true).expect("a root");
    assert_eq!(root.contact.id(), target);
    let steps: Vec<(Id, Id)> = root.trace.iter().map(|hop| (hop.at, hop.next)).collect();
    assert_eq!(steps, [(me, via), (via, target)]);
    // An advert names no more than the beginning of an id.
    let Why::Detour { to } = root.trace[0].why else { panic!("{:?}", root.trace[0].why) };
    assert_eq!(to.prefix_u64(), target.prefix_u64());
}

/// A suspected peer is no way, not even the one that another chose: nobody waits for it again and again.
#[test]
fn a_detour_to_a_suspected_peer_is_not_carried_out() {
    let mut ring = Ring::of(20, 2, 1);
    let (me, via, target) = (ring.ids[0], ring.ids[5], ring.ids[10]);
    ring.only_through(0, via, target);
    ring.change_view(5, |view| {
        view.peers.iter_mut().filter(|peer| peer.contact.id() == target).for_each(|peer| peer.ready = false);
    });
    ring.wish(0, target, false);
    let (from, to, message) = ring.mail.pop_front().expect("a message");
    assert_eq!((from, to), (me, via));
    let Message::Routing(message) = message else { panic!("not routing") };
    ring.give(5, Input::Heard { from, message });
    let handed: Vec<Id> = ring.mail.iter().map(|(_, to, _)| *to).collect();
    assert!(handed.len() == 1 && handed[0] != target, "{handed:?}");
}

/// Messages waited for peers in vain: the next does not begin with any of these while there is another way.
#[test]
fn who_was_silent_just_now_is_not_tried_first() {
    let mut ring = Ring::of(40, 2, 3);
    let key = ring.ids[20];
    let first_hop = |ring: &mut Ring| {
        ring.wish(0, key, false);
        let to = ring.mail.pop_back().expect("a message").1;
        ring.mail.clear();
        to
    };
    let silent = first_hop(&mut ring);
    assert_eq!(first_hop(&mut ring), silent);
    let begun = ring.now;
    ring.now = ring.nodes[0].next_deadline().expect("a deadline");
    ring.give(0, Input::Due);
    // The first message went on to another, and waits there.
    let second = ring.mail.pop_back().expect("a message").1;
    assert!(second != silent && first_hop(&mut ring) == second);
    while ring.nodes[0].patience.is_silent(ring.now, &silent) && !ring.nodes[0].patience.is_silent(ring.now, &second) {
        ring.now = ring.nodes[0].next_deadline().expect("a deadline");
        ring.give(0, Input::Due);
        ring.mail.clear();
    }
    assert!(ring.now.since(begun) < Span::from_secs(1) && ![silent, second].contains(&first_hop(&mut ring)));
    ring.now += Span::from_secs(2);
    assert_eq!(first_hop(&mut ring), silent);
}

#[test]
fn two_nodes_that_each_believe_the_other_has_the_link_do_not_hand_a_message_to_and_fro() {
    let mut ring = Ring::of(20, 9, 1);
    let (one, other, target) = (ring.ids[0], ring.ids[5], ring.ids[10]);
    for (index, via) in [(0, other), (5, one)] {
        ring.only_through(index, via, target);
    }
    let root = ring.lookup(0, target, true).expect("a root");
    assert_eq!(root.contact.id(), target);
    assert!(root.hops <= 3, "{} hops", root.hops);
}

/// Three neighbours say they have a link to a node that this one has none to, and it is dead: the first that was believed has
/// none. The others are not asked one after another, nor all again after a while.
#[test]
fn a_far_end_that_one_neighbour_has_no_way_to_is_not_gone_for_through_the_next() {
    let mut ring = Ring::of(20, 2, 1);
    let target = ring.ids[10];
    let relays = [ring.ids[3], ring.ids[5], ring.ids[7]];
    let link = ReachEntry { peer: target.prefix_u64(), rtt: Span::from_millis(1) };
    let advert = |via: Id| Advert { via, rtt: Span::from_millis(3), links: Arc::new([link]) };
    ring.change_view(0, |view| {
        view.peers.retain(|peer| peer.contact.id() != target);
        view.adverts = relays.map(advert).into();
    });
    ring.wish(0, target, false);
    let mut asked = Vec::new();
    while ring.now < Instant::ORIGIN + Span::from_secs(3) {
        for (_, to, message) in std::mem::take(&mut ring.mail) {
            let Message::Routing(Routing::Forward(header, _)) = message else { continue };
            let Some(detour) = header.detour else { continue };
            assert!(detour.to.begins_like(&target) && relays.contains(&to));
            asked.push(to);
            let outcome = Outcome::NoRoute { at: to };
            let label = header.label;
            let back = ReturnHeader { label, outcome, hops: 1, last: Span::ZERO, load: Load::NONE, trace: vec![] };
            ring.give(0, Input::Heard { from: to, message: Routing::Return(back, Bytes::new()) });
        }
        let Some(at) = ring.nodes[0].next_deadline() else { break };
        ring.now = ring.now.max(at);
        ring.give(0, Input::Due);
    }
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
fn the_directory_on_the_way_is_asked_and_may_pass() {
    let mut ring = Ring::of(20, 2, 3);
    let key = ring.ids[10];
    ring.nodes[0].interest.add(&key);
    let asker = Asker { shard: 0, number: 5 };
    let patience = Span::from_secs(5);
    let payload = Bytes::from_static(b"?");
    ring.give(
        0,
        Input::Route(Wish { asker, key, errand: Errand::Nearest, payload, patience, copies: Copies::WillNotDo }),
    );
    let Some((_, Fact::Arrived(arrival))) = ring.told.pop() else { panic!("no visit") };
    assert_eq!(arrival.place, Place::OnTheWay);
    ring.give(0, Input::Onward { label: arrival.label });
    ring.mail.make_contiguous();
    while let Some((from, to, message)) = ring.mail.pop_front() {
        let Message::Routing(message) = message else { panic!("not routing") };
        ring.give(ring.index(&to), Input::Heard { from, message });
    }
    let Some((at, Fact::Arrived(arrival))) = ring.told.pop() else { panic!("no arrival") };
    assert_eq!((at, arrival.place, arrival.origin), (key, Place::Root, ring.ids[0]));
    let root = ring.index(&at);
    ring.give(root, Input::Respond { label: arrival.label, payload: Bytes::from_static(b"!") });
    ring.run();
    let returned = ring.told.pop();
    let Some((_, Fact::Returned { asker: whose, outcome, payload, .. })) = returned else { panic!("{returned:?}") };
    assert_eq!((whose, outcome, &payload[..]), (asker, Outcome::Answered { by: key }, &b"!"[..]));
}

/// One neighbour has heard of a copy at a neighbour of its own, which has none any more: from there on the message goes by the rule,
/// whatever others say.
#[test]
fn a_message_goes_two_steps_for_others_word_and_no_further() {
    let mut ring = Ring::of(20, 2, 1);
    let (key, teller, holder) = (ring.ids[11], ring.ids[19], ring.ids[15]);
    let held = Held::of(&key);
    let near = Way::Link { rtt: RttEstimate::first(Span::from_millis(1)) };
    let come_near = |view: &mut RouteView, id: Id| {
        view.peers.iter_mut().filter(|peer| peer.contact.id() == id).for_each(|peer| peer.way = near);
    };
    ring.change_view(0, |view| come_near(view, teller));
    ring.change_view(19, |view| come_near(view, holder));
    let heard = vec![Heard::of(held, Span::from_millis(1)).expect("near")];
    ring.give(0, Input::Heard { from: teller, message: Routing::Hearsay(heard) });
    ring.give(19, Input::Heard { from: holder, message: Routing::Holds(Holds { part: 0, copies: vec![held] }) });
    let liar = Routing::Holds(Holds { part: 0, copies: vec![held] });
    ring.give(15, Input::Heard { from: ring.ids[1], message: liar });
    let (asker, payload, patience) = (Asker { shard: 0, number: 1 }, Bytes::new(), Span::from_secs(5));
    let copies = Copies::WillDo { fetch: Span::from_millis(200) };
    ring.give(0, Input::Route(Wish { asker, key, errand: Errand::Nearest, payload, patience, copies }));
    let mut steps = Vec::new();
    while let Some((from, to, message)) = ring.mail.pop_front() {
        let Message::Routing(message) = message else { panic!("not routing") };
        if let Routing::Forward(header, _) = &message {
            steps.push((to, header.words));
        }
        ring.give(ring.index(&to), Input::Heard { from, message });
    }
    assert_eq!(steps[..2], [(teller, 1), (holder, 0)]);
    assert!(steps.len() > 2 && steps[2..].iter().all(|(to, words)| *to != ring.ids[1] && *words == 0), "{steps:?}");
    let Some((at, Fact::Arrived(arrival))) = ring.told.pop() else { panic!("no arrival") };
    assert_eq!((at, arrival.place, arrival.may_point), (key, Place::Root, false));
    ring.give(11, Input::Respond { label: arrival.label, payload: Bytes::new() });
    ring.run();
    let Some((_, Fact::Returned { word_of, .. })) = ring.told.pop() else { panic!("no answer") };
    assert_eq!(word_of, Some(teller), "so that nothing it may lead to is taken for the root's word");
}

#[test]
fn what_a_directory_points_to_a_holder_is_handed_there_over_a_link_or_a_neighbours() {
    for through in [None, Some(7)] {
        let mut ring = Ring::of(20, 2, 1);
        let (key, holder) = (ring.ids[11], ring.ids[4]);
        if let Some(via) = through {
            ring.only_through(11, ring.ids[via], holder);
            // Whoever carries it there knows of holders as well, and is not asked.
            ring.nodes[via].interest.add(&key);
        }
        ring.nodes[4].interest.add(&key);
        let (asker, payload, patience) = (Asker { shard: 0, number: 1 }, Bytes::from_static(b"?"), Span::from_secs(5));
        let copies = Copies::WillDo { fetch: Span::ZERO };
        ring.give(0, Input::Route(Wish { asker, key, errand: Errand::Nearest, payload, patience, copies }));
        let arrived = |ring: &mut Ring| {
            while ring.told.is_empty() {
                let Some((from, to, message)) = ring.mail.pop_front() else { panic!("lost") };
                let Message::Routing(message) = message else { panic!("not routing") };
                ring.give(ring.index(&to), Input::Heard { from, message });
            }
            let Some((at, Fact::Arrived(arrival))) = ring.told.pop() else { panic!("no arrival") };
            (ring.index(&at), arrival)
        };
        let (at, arrival) = arrived(&mut ring);
        assert_eq!((at, arrival.may_point), (11, true));
        // A holder nobody knows a way to: it arrives once more, to be answered here.
        ring.give(11, Input::Point { label: arrival.label, holder: Id::MAX });
        let (at, again) = arrived(&mut ring);
        assert_eq!((at, again.label, again.may_point), (11, arrival.label, false));
        ring.give(11, Input::Onward { label: arrival.label });
        let (at, arrival) = arrived(&mut ring);
        assert_eq!((at, arrival.place), (11, Place::Root));
        ring.give(11, Input::Respond { label: arrival.label, payload: Bytes::new() });
        ring.run();
        ring.told.clear();
        // The same once more, to one there is a way to.
        let wish = Wish { asker, key, errand: Errand::Nearest, payload: Bytes::new(), patience, copies };
        ring.give(0, Input::Route(wish));
        let (_, arrival) = arrived(&mut ring);
        ring.give(11, Input::Point { label: arrival.label, holder });
        let (at, arrival) = arrived(&mut ring);
        assert_eq!((at, arrival.place, arrival.may_point), (4, Place::OnTheWay, false), "through {through:?}");
        ring.give(4, Input::Respond { label: arrival.label, payload: Bytes::from_static(b"!") });
        ring.run();
        let Some((_, Fact::Returned { outcome, payload, .. })) = ring.told.pop() else { panic!("no answer") };
        assert_eq!((outcome, &payload[..]), (Outcome::Answered { by: holder }, &b"!"[..]));
        // Who claims to have it, and takes it, and says nothing, is not waited for.
        let wish = Wish { asker, key, errand: Errand::Nearest, payload: Bytes::new(), patience, copies };
        ring.give(0, Input::Route(wish));
        let (_, arrival) = arrived(&mut ring);
        ring.give(11, Input::Point { label: arrival.label, holder });
        assert_eq!(arrived(&mut ring).0, 4);
        ring.run();
        let is_back = |(at, fact): &(Id, Fact)| {
            let arrival = if let Fact::Arrived(arrival) = fact { Some(arrival) } else { None };
            *at == key && arrival.is_some_and(|arrival| arrival.place == Place::Root && !arrival.may_point)
        };
        assert!(ring.told.iter().any(is_back), "through {through:?}");
    }
}

/// A neighbour far from the way says that it has what it has not: the message reaches the root from there, the neighbour's
/// word counts less, and soon it is not asked any more.
#[test]
fn a_word_that_is_not_true_costs_a_hop_and_is_believed_less_and_less() {
    let mut ring = Ring::of(20, 2, 3);
    let (key, liar) = (ring.ids[11], ring.ids[19]);
    let holds = Holds { part: 0, copies: vec![Held::of(&key)] };
    let near = Way::Link { rtt: RttEstimate::first(Span::from_millis(1)) };
    ring.change_view(0, |view| {
        view.peers.iter_mut().filter(|peer| peer.contact.id() == liar).for_each(|peer| peer.way = near);
    });
    ring.give(0, Input::Heard { from: liar, message: Routing::Holds(holds) });
    let asked = |ring: &Ring| {
        let mut readings = Vec::new();
        ring.nodes[0].readings(&mut readings);
        readings.iter().find(|reading| reading.name == "forwarder_copies_asked_total").map(|reading| reading.value)
    };
    for number in 0..30 {
        let asker = Asker { shard: 0, number };
        let (patience, payload) = (Span::from_secs(5), Bytes::new());
        let wish = Wish {
            asker,
            key,
            errand: Errand::Nearest,
            payload,
            patience,
            copies: Copies::WillDo { fetch: Span::ZERO },
        };
        ring.give(0, Input::Route(wish));
        let first = ring.mail.front().expect("a message").1;
        assert!(number > 0 || first == liar, "asked first");
        while ring.told.is_empty() {
            let Some((from, to, message)) = ring.mail.pop_front() else { panic!("lost") };
            let Message::Routing(message) = message else { panic!("not routing") };
            ring.give(ring.index(&to), Input::Heard { from, message });
        }
        let Some((at, Fact::Arrived(arrival))) = ring.told.pop() else { panic!("no arrival") };
        assert_eq!((at, arrival.place), (key, Place::Root));
        ring.give(ring.index(&at), Input::Respond { label: arrival.label, payload: Bytes::new() });
        ring.run();
        assert!(matches!(ring.told.pop(), Some((_, Fact::Returned { .. }))));
    }
    let asked = asked(&ring).expect("counted");
    assert!((5.0..15.0).contains(&asked), "asked {asked} times");
}

/// The first who is handed a message answers it, be it the root or not.
#[test]
fn who_answers_teaches_who_the_root_is_only_where_none_but_the_root_answers() {
    let chances = |errand: Errand| {
        let mut ring = Ring::of(60, 2, 7);
        let keys: Vec<Id> = (0..60u8).map(|n| Id::hash_of(&[n])).collect();
        for (number, key) in keys.iter().enumerate() {
            let asker = Asker { shard: 0, number: number as u64 };
            let patience = Span::from_secs(5);
            ring.give(
                0,
                Input::Route(Wish {
                    asker,
                    key: *key,
                    errand,
                    payload: Bytes::new(),
                    patience,
                    copies: Copies::WillNotDo,
                }),
            );
        }
        let me = ring.ids[0];
        let of = |ring: &Ring| -> Vec<f64> {
            let nearest = |key: &Id| *ring.ids[1..].iter().min_by_key(|id| (id.distance(key), **id)).expect("nodes");
            keys.iter().map(|key| ring.nodes[0].ahead.root_chance(&nearest(key), key)).collect()
        };
        let before = of(&ring);
        for (from, to, message) in std::mem::take(&mut ring.mail) {
            let Message::Routing(Routing::Forward(sent, _)) = message else { continue };
            assert_eq!(from, me);
            let outcome = Outcome::Answered { by: to };
            let (hops, last, load, trace) = (1, Span::ZERO, Load::NONE, Vec::new());
            let header = ReturnHeader { label: sent.label, outcome, hops, last, load, trace };
            ring.give(0, Input::Heard { from: to, message: Routing::Return(header, Bytes::new()) });
        }
        (before, of(&ring))
    };
    for errand in [Errand::Lookup, Errand::Root, Errand::Deposit] {
        let (before, after) = chances(errand);
        assert_ne!(before, after, "{errand:?}");
    }
    let (before, after) = chances(Errand::Nearest);
    assert_eq!(before, after);
}

#[test]
fn a_node_without_anybody_says_that_it_is_not_ready() {
    let mut alone = Forwarder::new(contact(1), Tuning::default(), Arc::new(Interest::new((0, 0))));
    let mut out = Outbox::new();
    let command = Command::Lookup { key: Id::MAX, traced: false };
    alone.handle(Instant::ORIGIN, Input::Wished { request: RequestId(1), command }, &mut out);
    let effects: Vec<Effect> = out.drain().collect();
    assert!(matches!(&effects[..], [Effect::Answer { result: Err(Failure::NotReady), .. }]), "{effects:?}");
}
