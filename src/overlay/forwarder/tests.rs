//! The rule decided by example, and messages carried between a few forwarders in virtual time.
//!
//! Owns: tables of views, keys and the hop expected, and a small relay.
//! Never does: test a whole overlay: conversations and storms do.

use super::ahead::Scale;
use super::hearsay::Holder;
use super::next_hop::{Course, Hop, next_hop};
use super::*;
use crate::base::{Id, Instant, Load, RttEstimate, Span};
use crate::identity::{NodeName, Role, SecretKey};
use crate::overlay::contract::{Asker, Copies, Fact, Failure, Place, Reply};
use crate::overlay::view::{Advert, LeafView, PeerView, Way};
use crate::wire::probe::ReachEntry;
use crate::wire::routing::{Errand, Held, Holds, Outcome, ReturnHeader, Why};
use crate::wire::{Message, routing::HOPS_MAX};
use proptest::prelude::*;
use std::collections::VecDeque;

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
    RouteView { me, coordinate: Default::default(), ready: true, peers, leaf_set, adverts: Arc::default() }
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

/// Forty nodes, by their distance to the first.
fn forty() -> Vec<Arc<Contact>> {
    let mut contacts: Vec<Arc<Contact>> = (1..=40).map(contact).collect();
    let key = contacts[1].id();
    contacts.sort_by_key(|contact| contact.id().distance(&key));
    contacts
}

/// What is stored is kept by the few nodes nearest to its key.
#[test]
fn what_any_node_may_answer_goes_to_a_near_keeper_and_what_the_root_must_to_the_root() {
    let by_distance = forty();
    let key = by_distance[0].id();
    let [root, keeper, me] = [0, 1, 30].map(|place| &by_distance[place]);
    let view = knows(me, &[(root, 100), (keeper, 10)]);
    let floor = me.id();
    let mut ahead = Ahead::new();
    ahead.set_scale(scale(1.0 / 40.0));
    let to = |ahead: &Ahead, any_answers: bool| {
        let course = Course { closing: true, any_answers, ..course(&key, &floor) };
        let Hop::Forward(step) = next_hop(&view, course, ahead) else { panic!("no way") };
        step.target
    };
    assert_eq!((to(&ahead, false), to(&ahead, true)), (root.id(), keeper.id()));
    // Pointers stand with the root alone, and experience says so.
    (0..10).for_each(|_| ahead.learn_answer(&keeper.id(), &key, false));
    assert_eq!(to(&ahead, true), root.id());
}

#[test]
fn a_neighbour_that_says_it_has_a_copy_is_asked_wherever_it_stands_if_that_is_quicker() {
    let by_distance = forty();
    let key = by_distance[0].id();
    let [root, me, far] = [0, 20, 39].map(|place| &by_distance[place]);
    let floor = me.id();
    let mut ahead = Ahead::new();
    ahead.set_scale(scale(1.0 / 40.0));
    let hop = |rtt: u64, chance: f64| {
        let view = knows(me, &[(root, 100), (far, rtt)]);
        let holders = [Holder { id: far.id(), chance }];
        let course = Course { any_answers: true, holders: &holders, ..course(&key, &floor) };
        let Hop::Forward(step) = next_hop(&view, course, &ahead) else { panic!("no way") };
        (step.target, step.by_hearsay)
    };
    assert_eq!(hop(50, 0.95), (far.id(), true));
    assert_eq!(hop(150, 0.95), (root.id(), false));
    assert_eq!(hop(50, 0.0), (root.id(), false), "its word is worth nothing");
    // The root itself asks no neighbour: it has it, or finds it out.
    let mut view = knows(me, &[(far, 50)]);
    view.leaf_set.is_whole_ring = true;
    let (here, holders) = (me.id(), [Holder { id: far.id(), chance: 1.0 }]);
    let course = Course { any_answers: true, holders: &holders, ..course(&here, &floor) };
    assert_eq!(next_hop(&view, course, &ahead), Hop::Root);
}

/// A neighbour far from the way says that it has what it has not: the message reaches the root from there, the neighbour's
/// word counts less, and soon it is not asked any more.
#[test]
fn a_word_that_is_not_true_costs_a_hop_and_is_believed_less_and_less() {
    let mut ring = Ring::of(20, 2, 3);
    let (key, liar) = (ring.ids[11], ring.ids[19]);
    let holds = Holds { part: 0, copies: vec![Held::of(&key)] };
    let mut view = (*ring.nodes[0].view).clone();
    let near = Way::Link { rtt: RttEstimate::first(Span::from_millis(1)) };
    view.peers.iter_mut().filter(|peer| peer.contact.id() == liar).for_each(|peer| peer.way = near);
    ring.give(0, Input::View(Arc::new(view)));
    ring.give(0, Input::Heard { from: liar, message: Routing::Holds(holds) });
    let asked = |ring: &Ring| {
        let mut readings = Vec::new();
        ring.nodes[0].readings(&mut readings);
        readings.iter().find(|reading| reading.name == "forwarder_copies_asked_total").map(|reading| reading.value)
    };
    for number in 0..30 {
        let asker = Asker { shard: 0, number };
        let (patience, payload) = (Span::from_secs(5), Bytes::new());
        let wish = Wish { asker, key, errand: Errand::Nearest, payload, patience, copies: Copies::WillDo };
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

/// The view of a node without a leaf set that knows these, each over a link of so many milliseconds.
fn knows(me: &Arc<Contact>, others: &[(&Arc<Contact>, u64)]) -> RouteView {
    let peer = |(contact, millis): &(&Arc<Contact>, u64)| PeerView {
        contact: Arc::clone(contact),
        coordinate: None,
        way: Way::Link { rtt: RttEstimate::first(Span::from_millis(*millis)) },
        ready: true,
    };
    let mut peers: Vec<PeerView> = others.iter().map(peer).collect();
    peers.sort_by_key(|peer| peer.contact.id());
    let leaf_set = LeafView::default();
    RouteView {
        me: Arc::clone(me),
        coordinate: Default::default(),
        ready: true,
        peers,
        leaf_set,
        adverts: Arc::default(),
    }
}

/// Of a message that starts at this node.
fn course<'a>(key: &'a Id, floor: &'a Id) -> Course<'a> {
    Course { key, closing: false, floor: Some(floor), avoid: &[], is_detoured: false, any_answers: false, holders: &[] }
}

/// Of a node that knows two others of a network this dense.
fn scale(spacing: f64) -> Scale {
    Scale { spacing, per_side: 16, known: 2, distant: Some(Span::from_millis(100)) }
}

/// The first of these nodes of which this holds.
fn some(contacts: &[Arc<Contact>], holds: impl Fn(&Id) -> bool) -> &Arc<Contact> {
    contacts.iter().find(|contact| holds(&contact.id())).expect("one of two hundred")
}

#[test]
fn a_node_that_fixes_a_digit_beats_one_that_is_merely_closer_and_hardly_nearer() {
    let contacts: Vec<Arc<Contact>> = (1..=200).map(contact).collect();
    let key = Id::ZERO.with_digit(0, 6).with_digit(1, 8);
    let me = some(&contacts, |id| id.digit(0) == 1);
    let closer = some(&contacts, |id| id.digit(0) == 4);
    let fixes = some(&contacts, |id| id.digit(0) == 6 && id.digit(1) > 10);
    let (near, far) = (knows(me, &[(closer, 10), (fixes, 20)]), knows(me, &[(closer, 10), (fixes, 300)]));
    let mut ahead = Ahead::new();
    ahead.set_scale(scale(1e-3));
    let floor = me.id();
    let course = course(&key, &floor);
    let Hop::Forward(step) = next_hop(&near, course, &ahead) else { panic!("no way") };
    assert_eq!((step.to, step.why), (fixes.id(), Why::LongerPrefix { digits: 1 }));
    // A digit is not worth any price; and the other is all there is when this one is to be avoided.
    let Hop::Forward(step) = next_hop(&far, course, &ahead) else { panic!("no way") };
    assert_eq!((step.to, step.why), (closer.id(), Why::SamePrefixCloser));
    let avoid = [fixes.id()];
    let Hop::Forward(step) = next_hop(&near, Course { avoid: &avoid, ..course }, &ahead) else { panic!("no way") };
    assert_eq!((step.to, step.why), (closer.id(), Why::SamePrefixCloser));
}

#[test]
fn a_root_across_a_digits_boundary_is_gone_for_straight_where_everybody_is_known() {
    let contacts: Vec<Arc<Contact>> = (1..=200).map(contact).collect();
    let key = (8..64).fold(Id::ZERO.with_digit(0, 6), |key, place| key.with_digit(place, 15));
    let me = some(&contacts, |id| id.digit(0) == 1);
    let root = some(&contacts, |id| id.digit(0) == 5 && id.digit(1) > 11);
    let same_digit = some(&contacts, |id| id.digit(0) == 6 && id.digit(1) > 8);
    let (view, mut ahead) = (knows(me, &[(root, 100), (same_digit, 1)]), Ahead::new());
    let floor = me.id();
    let course = course(&key, &floor);
    ahead.set_scale(scale(1.0 / 3.0));
    let Hop::Forward(step) = next_hop(&view, course, &ahead) else { panic!("no way") };
    assert_eq!((step.to, step.closing), (root.id(), false));
    let floor = some(&contacts, |id| id.digit(0) == 6 && id.digit(1) > 8 && *id != same_digit.id()).id();
    let Hop::Forward(step) = next_hop(&view, Course { floor: Some(&floor), ..course }, &ahead) else {
        panic!("no way")
    };
    assert_eq!((step.to, step.closing), (root.id(), true), "the root shares fewer digits than the floor");
    ahead.set_scale(scale(1e-3));
    let Hop::Forward(step) = next_hop(&view, course, &ahead) else { panic!("no way") };
    assert_eq!(step.to, same_digit.id(), "among many unknown nodes the nearest known is hardly the root");
}

#[test]
fn of_two_ways_as_good_as_equal_the_less_busy_is_taken() {
    let contacts: Vec<Arc<Contact>> = (1..=200).map(contact).collect();
    let key = Id::ZERO.with_digit(0, 6).with_digit(1, 8);
    let me = some(&contacts, |id| id.digit(0) == 1);
    let one = some(&contacts, |id| id.digit(0) == 6 && id.digit(1) > 10);
    let other = some(&contacts, |id| id.digit(0) == 6 && id.digit(1) > 10 && *id != one.id());
    let (floor, mut ahead) = (me.id(), Ahead::new());
    ahead.set_scale(scale(1e-3));
    let to = |ahead: &Ahead, view: &RouteView| match next_hop(view, course(&key, &floor), ahead) {
        Hop::Forward(step) => step.to,
        other => panic!("{other:?}"),
    };
    let (alike, apart) = (knows(me, &[(one, 20), (other, 24)]), knows(me, &[(one, 20), (other, 300)]));
    assert_eq!((to(&ahead, &alike), to(&ahead, &apart)), (one.id(), one.id()));
    let now = Instant::ORIGIN + Span::from_secs(10);
    ahead.loads.hear(now, one.id(), Load::of(900.0));
    ahead.loads.hear(now + Span::from_secs(3), other.id(), Load::of(100.0));
    assert_eq!((to(&ahead, &alike), to(&ahead, &apart)), (other.id(), one.id()));
}

#[test]
fn a_near_neighbours_neighbour_that_has_the_key_in_its_leaf_set_is_worth_the_detour() {
    let contacts: Vec<Arc<Contact>> = (1..=200).map(contact).collect();
    let key = Id::ZERO.with_digit(0, 6).with_digit(1, 8);
    let me = some(&contacts, |id| id.digit(0) == 1);
    let near = some(&contacts, |id| id.digit(0) == 9);
    let fixes = some(&contacts, |id| id.digit(0) == 6 && id.digit(1) > 10);
    let covers = key.with_digit(3, 1);
    let mut view = knows(me, &[(near, 4), (fixes, 30)]);
    let mut ahead = Ahead::new();
    ahead.set_scale(scale(1e-3));
    assert!(ahead.is_covered(&covers, &key) && !ahead.is_covered(&fixes.id(), &key));
    let (floor, avoid) = (me.id(), [near.id()]);
    let course = course(&key, &floor);
    let hop = |view: &RouteView, course| match next_hop(view, course, &ahead) {
        Hop::Forward(step) => (step.to, step.target.prefix_u64()),
        other => panic!("{other:?}"),
    };
    assert_eq!(hop(&view, course), (fixes.id(), fixes.id().prefix_u64()));
    let link = |id: &Id, millis| ReachEntry { peer: id.prefix_u64(), rtt: Span::from_millis(millis) };
    let mut links = [link(&covers, 6), link(&me.id(), 4), link(&fixes.id(), 28)];
    links.sort_unstable();
    view.adverts = Arc::new([Advert { via: near.id(), rtt: Span::from_millis(4), links: Arc::new(links) }]);
    assert_eq!(hop(&view, course), (near.id(), covers.prefix_u64()));
    // Not through whom was tried in vain, nor by a second detour.
    assert_eq!(hop(&view, Course { avoid: &avoid, ..course }).0, fixes.id());
    assert_eq!(hop(&view, Course { is_detoured: true, ..course }).0, fixes.id());
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

proptest! {
    #[test]
    fn each_hop_is_progress_and_no_path_loops(key in any::<[u8; 32]>(), from in 0usize..40, stride in 3usize..12) {
        let key = Id::from_bytes(key);
        let mut contacts: Vec<Arc<Contact>> = (1..=40).map(contact).collect();
        contacts.sort_by_key(|contact| contact.id());
        let views: Vec<RouteView> = (0..40).map(|me| view(&contacts, me, 2, stride)).collect();
        let (mut at, mut closing, mut hops) = (from, false, 0);
        loop {
            let me = views[at].id();
            let course = Course { key: &key, closing, floor: Some(&me), avoid: &[], is_detoured: false, any_answers: false, holders: &[] };
            match next_hop(&views[at], course, &Ahead::new()) {
                Hop::Root => break,
                Hop::Stuck => prop_assert!(false, "stuck at {me:?}"),
                Hop::Forward(step) => {
                    let longer = key.shared_prefix(&step.to) > key.shared_prefix(&me);
                    prop_assert!(longer && !closing || step.to.is_nearer(&key, &me));
                    closing = step.closing;
                    at = contacts.binary_search_by_key(&step.to, |contact| contact.id()).expect("a node");
                    hops += 1;
                    prop_assert!(hops < usize::from(HOPS_MAX));
                }
            }
        }
        let truth = contacts.iter().map(|c| c.id()).min_by_key(|id| (id.distance(&key), *id));
        prop_assert_eq!(Some(views[at].id()), truth);
    }
}
