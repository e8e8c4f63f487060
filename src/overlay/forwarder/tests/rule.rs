//! The rule decided by example: small views, keys and the hop expected; and that no path loops.
//!
//! Owns: the views of nodes that know a few others, near and far.
//! Never does: carry messages: `tests.rs` does.

use super::super::ahead::Scale;
use super::super::hearsay::Holder;
use super::super::next_hop::{Course, DIRECT, Hop, Word, next_hop};
use super::super::*;
use super::{contact, view};
use crate::base::{Id, Instant, Load, RttEstimate, Span};
use crate::overlay::view::{Advert, LeafView, PeerView, Way};
use crate::wire::probe::ReachEntry;
use crate::wire::routing::{HOPS_MAX, Why};
use proptest::prelude::*;

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
        let holders = [Holder { id: far.id(), word: Word::Own, chance }];
        let course = Course { any_answers: true, holders: &holders, ..course(&key, &floor) };
        let Hop::Forward(step) = next_hop(&view, course, &ahead) else { panic!("no way") };
        (step.target, step.word.is_some())
    };
    assert_eq!(hop(50, 0.95), (far.id(), true));
    assert_eq!(hop(150, 0.95), (root.id(), false));
    assert_eq!(hop(50, 0.0), (root.id(), false), "its word is worth nothing");
    // The root itself asks no neighbour: it has it, or finds it out.
    let mut view = knows(me, &[(far, 50)]);
    view.leaf_set.is_whole_ring = true;
    let (here, holders) = (me.id(), [Holder { id: far.id(), word: Word::Own, chance: 1.0 }]);
    let course = Course { any_answers: true, holders: &holders, ..course(&here, &floor) };
    assert_eq!(next_hop(&view, course, &ahead), Hop::Root);
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
    RouteView { me: Arc::clone(me), bearing: Default::default(), ready: true, peers, leaf_set, adverts: Arc::default() }
}

/// Of a message that starts at this node.
fn course<'a>(key: &'a Id, floor: &'a Id) -> Course<'a> {
    Course {
        key,
        closing: false,
        floor: Some(floor),
        avoid: &[],
        is_detoured: false,
        any_answers: false,
        holders: &[],
        long: DIRECT,
    }
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
            let course = Course { key: &key, closing, floor: Some(&me), avoid: &[], is_detoured: false, any_answers: false, holders: &[], long: DIRECT };
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
