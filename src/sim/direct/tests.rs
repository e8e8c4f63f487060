//! What direct construction promises.
//!
//! Owns: tables compared with brute force, lookups that all find their root, and resilience without
//! repair.
//! Never does: measure quality: `arras sim` does.

use super::*;
use crate::base::Span;
use crate::sim::underlay::{Plane, Uniform};

fn plane() -> Plane {
    Plane::new(9, Span::from_millis(100))
}

fn built(recipe: Recipe) -> Built {
    Built::new(recipe, &plane(), &mut Chance::from_seed(3), &mut |_| {})
}

#[test]
fn each_slot_has_the_nearest_where_the_sample_is_all_of_it() {
    let recipe = Recipe { sample: 500, contacts_per_slot: 2, contacts_max: 1_000, ..Recipe::of(500) };
    let (built, underlay) = (built(recipe), plane());
    for node in [0, 7, 250, 499] {
        let me = built.id(node);
        let mut wanted: Vec<usize> =
            (1..=16).flat_map(|step| [(node + step) % 500, (node + 500 - step) % 500]).collect();
        for row in 0..4 {
            for digit in 0..16 {
                let mut slot: Vec<usize> = (0..500)
                    .filter(|peer| {
                        let id = built.id(*peer);
                        *peer != node && me.shared_prefix(&id) == row && id.digit(row) == digit
                    })
                    .collect();
                slot.sort_by_key(|peer| (underlay.round_trip(node, *peer), *peer));
                wanted.extend(slot.into_iter().take(2));
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(built.contacts_of(node), wanted);
    }
}

#[test]
fn a_budget_of_contacts_is_kept_and_used() {
    let recipe = Recipe { contacts_max: 60, ..Recipe::of(2_000) };
    let built = built(recipe);
    assert!((0..2_000).all(|node| built.contacts_of(node).len() == 60));
}

#[test]
fn a_link_is_counted_once_at_each_end_whoever_knows_whom() {
    let built = built(Recipe { contacts_max: 40, ..Recipe::of(300) });
    let knows = |a: usize, b: usize| built.contacts_of(a).contains(&b);
    let wanted = |node: usize| (0..300).filter(|other| knows(node, *other) || knows(*other, node)).count();
    assert_eq!(built.degrees([0, 7, 299].into_iter()).1, [0, 7, 299].map(wanted));
    let (contacts, links) = built.degrees(0..300);
    assert!(links.into_iter().any(|links| links > 40) && contacts == [40; 300]);
}

#[test]
fn every_lookup_ends_at_the_numerically_closest_node_whatever_the_slots() {
    for slot_bits in [3, 4, 6] {
        let (built, underlay) = (built(Recipe { slot_bits, ..Recipe::of(1_000) }), plane());
        let mut walker = Walker::new(&built, &underlay);
        let mut chance = Chance::from_seed(1);
        for _ in 0..300 {
            let (from, key) = (chance.index(1_000), Id::from_bytes(chance.bytes32()));
            let trip = walker.walk(from, key);
            assert_eq!(trip.root, walker.root_of(&key));
            assert_eq!(trip.path.last().copied().unwrap_or(from), trip.root.expect("a root"));
            assert!(trip.path.len() <= 12, "{trip:?}");
        }
    }
}

#[test]
fn the_same_seed_walks_the_same_ways() {
    let hash = |seed: u64| {
        let underlay = Uniform(Span::from_millis(10));
        let mut chance = Chance::from_seed(seed);
        let built = Built::new(Recipe::of(400), &underlay, &mut chance, &mut |_| {});
        let mut walker = Walker::new(&built, &underlay);
        for _ in 0..50 {
            walker.walk(chance.index(400), Id::from_bytes(chance.bytes32()));
        }
        walker.trace_hash()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

#[test]
fn with_a_third_dead_and_nothing_repaired_the_living_are_all_found() {
    let (built, underlay) = (built(Recipe::of(1_000)), plane());
    let mut walker = Walker::new(&built, &underlay);
    let mut chance = Chance::from_seed(2);
    walker.kill((0..1_000).filter(|_| chance.happens(0.3)));
    let living: Vec<usize> = (0..1_000).filter(|node| !walker.is_dead(*node)).collect();
    let mut in_vain = 0;
    for _ in 0..300 {
        let (from, to) = (living[chance.index(living.len())], living[chance.index(living.len())]);
        let trip = walker.walk(from, built.id(to));
        assert_eq!(trip.root, Some(to));
        in_vain += trip.in_vain;
    }
    assert!(in_vain > 0);
}

#[test]
fn other_rules_find_every_root_and_choose_as_they_say() {
    for rule in [Rule::BestContact, Rule::LongestPrefix] {
        let (built, underlay) = (built(Recipe::of(1_000)), plane());
        let mut walker = Walker::new(&built, &underlay);
        walker.go_by(rule);
        let mut chance = Chance::from_seed(4);
        let mut far_off = 0;
        for _ in 0..300 {
            let (from, key) = (chance.index(1_000), Id::from_bytes(chance.bytes32()));
            let trip = walker.walk(from, key);
            assert_eq!(trip.root, walker.root_of(&key));
            let view = built.view(from, &underlay);
            let shared = |node: usize| key.shared_prefix(&built.id(node));
            let longer = |node: &usize| shared(*node) > shared(from);
            let contacts: Vec<usize> = built.contacts_of(from).into_iter().filter(longer).collect();
            if view.covers(&key) || contacts.is_empty() {
                continue;
            }
            far_off += 1;
            let most = contacts.iter().map(|node| shared(*node)).max();
            let fit = |node: &&usize| rule == Rule::BestContact || Some(shared(**node)) == most;
            let least = contacts.iter().filter(fit).map(|node| underlay.round_trip(from, *node)).min();
            assert_eq!(least, Some(underlay.round_trip(from, trip.path[0])), "{rule:?}");
        }
        assert!(far_off > 200, "{far_off}");
    }
}

#[test]
fn a_root_remembered_is_gone_to_straight_for_the_price_of_a_link() {
    let (built, underlay) = (built(Recipe::of(2_000)), plane());
    let mut walker = Walker::new(&built, &underlay);
    walker.learn(false);
    walker.remember_roots(2);
    let key = |node: usize| built.id(node);
    let far: Vec<usize> = (1..2_000).filter(|node| !built.contacts_of(0).contains(node)).take(3).collect();
    let first = walker.walk(0, key(far[0]));
    assert!(first.path.len() > 1);
    let again = walker.walk(0, key(far[0]));
    assert_eq!((again.path, again.routed), (vec![far[0]], underlay.round_trip(0, far[0]) * 2));
    // Two more, and it is forgotten.
    far[1..].iter().for_each(|node| drop(walker.walk(0, key(*node))));
    assert_eq!(walker.walk(0, key(far[0])), first);
    // One that died is tried in vain.
    walker.kill([far[0]]);
    assert!(walker.walk(0, key(far[0])).in_vain > 0);
}

#[test]
fn gossip_brings_near_contacts_into_the_slots_they_belong_in() {
    let of = |gossip_rounds| {
        let recipe = Recipe { gossip_rounds, leaf_set_per_side: 1, contacts_max: 1_000, ..Recipe::of(500) };
        built(recipe)
    };
    let underlay = plane();
    let mean = |built: &Built| {
        let far = |node: usize| built.contacts_of(node).into_iter().map(move |peer| (node, peer));
        let rtts: Vec<f64> =
            (0..500).flat_map(far).map(|(node, peer)| underlay.round_trip(node, peer).as_millis_f64()).collect();
        rtts.iter().sum::<f64>() / rtts.len() as f64
    };
    // In a slot of a single node there is nothing to choose, and those of the first row are the most.
    let all = built(Recipe { sample: 500, leaf_set_per_side: 1, contacts_max: 1_000, ..Recipe::of(500) });
    let (begun, settled) = (of(1), of(30));
    let (first, last, best) = (mean(&begun), mean(&settled), mean(&all));
    assert!((last - best).abs() < 0.1 * (first - best), "{first} {last} {best}");
    assert!(begun.measured_per_node() < settled.measured_per_node());
    for node in [0, 250, 499] {
        let me = settled.id(node);
        let slot_of = |peer: &usize| {
            let (id, row) = (settled.id(*peer), me.shared_prefix(&settled.id(*peer)));
            (row, id.digit(row))
        };
        let mut counts = std::collections::BTreeMap::new();
        settled.contacts_of(node).iter().map(slot_of).for_each(|slot| *counts.entry(slot).or_insert(0) += 1);
        // Three, and the two of the leaf set may share the slot.
        assert!(counts.values().all(|count| *count <= 5), "{counts:?}");
        let wanted: std::collections::BTreeSet<_> = all.contacts_of(node).iter().map(slot_of).collect();
        assert_eq!(wanted, counts.into_keys().collect());
    }
}

#[test]
fn one_and_two_nodes_are_overlays() {
    for nodes in 1..=2 {
        let (built, underlay) = (built(Recipe::of(nodes)), plane());
        let mut walker = Walker::new(&built, &underlay);
        let trip = walker.walk(0, Id::MAX);
        assert_eq!(trip.root, walker.root_of(&Id::MAX));
    }
}

#[test]
fn coordinates_have_settled() {
    let (built, underlay) = (built(Recipe::of(500)), plane());
    let mut chance = Chance::from_seed(5);
    let mut errors: Vec<f64> = (0..1_000)
        .map(|_| (chance.index(500), chance.index(500)))
        .collect::<Vec<_>>()
        .iter()
        .filter(|(a, b)| a != b)
        .map(|(a, b)| {
            let truth = underlay.round_trip(*a, *b).as_millis_f64();
            let told = [*a, *b].map(|node| built.coordinate(node).expect("one"));
            (told[0].rtt_to(&told[1]).as_millis_f64() - truth).abs() / truth
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 0.05, "median relative error {}", errors[errors.len() / 2]);
}
