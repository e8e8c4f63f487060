//! What lies ahead of a node that gets a message.
//!
//! Owns: how likely a node is the key's root, what a way to an unknown root costs, and the price of finding it,
//! learnt from experience.
//! Never does: choose a hop.

use crate::base::{Ewma, Id, Span};
use crate::overlay::loads::Loads;
use crate::overlay::view::RouteView;

/// What is to be expected beyond a node, from three things: whether it is the root, which density tells; the round
/// trip to a root anywhere, which the leaf set shows, for its members are anywhere; and what is spent on the way
/// before the root is known, which replies tell. Only the last is learnt, without the last hop: where the root
/// happens to be is most of a lookup's time and tells nothing of the next.
#[derive(Clone, Debug)]
pub struct Ahead {
    /// The mean share of the ring between two nodes.
    spacing: f64,
    /// Leaf-set members on one side, of this node and, by guess, of all.
    per_side: f64,
    /// The share of the network's nodes that are known with a way to them, 0 to 1.
    known: f64,
    distant: Span,
    extra: [Ewma; CLASSES],
    /// How often the nearest known node was the root, by its distance to the key.
    rooted: [Ewma; CLASSES],
    /// Of what not only the root may answer: how often the node it was handed to answered, by its distance to the key.
    answered: [Ewma; CLASSES],
    /// How busy those are through whom a way may lead.
    pub loads: Loads,
}

/// What a node can tell about its surroundings when its view changes.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The mean share of the ring between two nodes.
    pub spacing: f64,
    /// Leaf-set members on one side.
    pub per_side: usize,
    /// How many other nodes are known with a way to them.
    pub known: usize,
    /// The mean round trip to the members of the leaf set.
    pub distant: Option<Span>,
}

impl Scale {
    /// Of a node with this view.
    pub fn of(view: &RouteView) -> Scale {
        let rtt = |id: Id| Some(view.peer(&id)?.link()?.smoothed());
        let leaf_rtts: Vec<Span> = view.leaf_set.iter().filter_map(rtt).collect();
        let total = leaf_rtts.iter().fold(Span::ZERO, |total, rtt| total + *rtt);
        Scale {
            spacing: view.spacing().unwrap_or(1.0),
            per_side: view.leaf_set.before.len().min(view.leaf_set.after.len()),
            known: known(view),
            distant: (!leaf_rtts.is_empty()).then(|| total / leaf_rtts.len() as u64),
        }
    }
}

/// How many ready nodes there is a way to, each counted once: exactly while they are few, else as the part of the ring
/// opposite tells, for a node knows those around it best.
fn known(view: &RouteView) -> usize {
    let named: usize = view.adverts.iter().map(|advert| advert.links.len()).sum();
    let parts = (named / COUNTED).next_power_of_two();
    let width = u64::MAX / parts as u64;
    let opposite = view.id().prefix_u64().wrapping_add(1 << 63).wrapping_sub(width / 2);
    let inside = |prefix: &u64| prefix.wrapping_sub(opposite) <= width;
    let linked = view.peers.iter().filter(|peer| peer.ready && peer.rtt().is_some());
    let linked = linked.map(|peer| peer.contact.id().prefix_u64());
    let named = view.adverts.iter().flat_map(|advert| advert.links.iter().map(|entry| entry.peer));
    let mut prefixes: Vec<u64> = linked.chain(named).filter(inside).collect();
    prefixes.retain(|prefix| *prefix != view.id().prefix_u64());
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes.len() * parts
}

impl Ahead {
    /// No experience.
    pub fn new() -> Ahead {
        let none = [Ewma::new(SAMPLE_WEIGHT); CLASSES];
        Ahead {
            spacing: 1.0,
            per_side: 1.0,
            known: 0.0,
            distant: RTT_GUESS,
            extra: none,
            rooted: none,
            answered: none,
            loads: Loads::new(1),
        }
    }

    /// Sets what is known of the surroundings.
    pub fn set_scale(&mut self, scale: Scale) {
        self.spacing = scale.spacing.max(f64::MIN_POSITIVE);
        self.per_side = scale.per_side.max(1) as f64;
        self.known = ((scale.known + 1) as f64 * self.spacing).min(1.0);
        self.distant = scale.distant.unwrap_or(self.distant);
    }

    /// Takes in what a lookup cost beyond `node`, its last hop left out.
    pub fn learn(&mut self, node: &Id, key: &Id, spent: Span) {
        self.extra[self.class(node, key)].add(spent.as_micros() as f64);
    }

    /// Takes in whether the nearest known node was the root.
    pub fn learn_root(&mut self, nearest: &Id, key: &Id, was_root: bool) {
        self.rooted[half_octave(self.steps(nearest, key))].add(f64::from(u8::from(was_root)));
    }

    /// Takes in whether the node that was handed what any node may answer did so.
    pub fn learn_answer(&mut self, node: &Id, key: &Id, has_answered: bool) {
        self.answered[half_octave(self.steps(node, key))].add(f64::from(u8::from(has_answered)));
    }

    /// How likely this node answers what any node may: before there is experience, as likely as it is among the few nearest to
    /// the key, which keep what is stored under it. Nodes fall evenly: a Poisson law over those that are nearer.
    pub fn answer_chance(&self, node: &Id, key: &Id) -> f64 {
        let steps = self.steps(node, key);
        let learnt = &self.answered[half_octave(steps)];
        let learnt = learnt.value().filter(|_| learnt.samples() >= SAMPLES_MIN);
        learnt.unwrap_or_else(|| fewer_than(KEEPERS, 2.0 * steps))
    }

    /// How likely the nearest known node is the root: no other within its distance on either side of the key. Nodes
    /// fall evenly, so that is a Poisson law over those that are not known. How many these are a leaf set of eight tells
    /// to a third only: experience is better as soon as there is some.
    pub fn root_chance(&self, node: &Id, key: &Id) -> f64 {
        let steps = self.steps(node, key);
        let learnt = &self.rooted[half_octave(steps)];
        let learnt = learnt.value().filter(|_| learnt.samples() >= SAMPLES_MIN_ROOTED);
        learnt.unwrap_or_else(|| (-2.0 * steps * (1.0 - self.known)).exp())
    }

    /// Whether a node's leaf set as good as certainly holds the key's root.
    pub fn is_covered(&self, node: &Id, key: &Id) -> bool {
        self.steps(node, key) <= COVERED * self.per_side
    }

    /// The round trip to a root that may be anywhere.
    pub fn distant(&self) -> Span {
        self.distant
    }

    /// What will be spent beyond this node, if it is not the root, before the last hop.
    pub fn extra(&self, node: &Id, key: &Id) -> Span {
        let class = self.class(node, key);
        let learnt = self.extra[class].value().filter(|_| self.extra[class].samples() >= SAMPLES_MIN);
        // Without experience: half of a typical round trip for each digit still to be fixed.
        let guess = || self.distant.as_micros() as f64 * (class as f64 - 4.0).max(0.0) / 16.0;
        Span::from_micros(learnt.unwrap_or_else(guess) as u64)
    }

    /// Half-octaves of how far the node is from covering the key: within a leaf set's reach numbers count, beyond it the
    /// bits that the key and the node do not share.
    fn class(&self, node: &Id, key: &Id) -> usize {
        let steps = self.steps(node, key);
        let apart = (node.prefix_u64() ^ key.prefix_u64()) as f64 / 2f64.powi(64) / self.spacing;
        let reaches = if steps <= self.per_side { steps } else { apart.max(steps) } / self.per_side;
        half_octave(reaches)
    }

    fn steps(&self, node: &Id, key: &Id) -> f64 {
        node.distance(key).as_ring_share() / self.spacing
    }
}

/// In steps of half an octave, from a quarter on.
fn half_octave(value: f64) -> usize {
    ((value.max(f64::MIN_POSITIVE).log2() * 2.0 + 4.0).max(0.0) as usize).min(CLASSES - 1)
}

/// How likely fewer than so many things happen, by Poisson's law, of which `mean` happen on average.
fn fewer_than(count: u32, mean: f64) -> f64 {
    let terms = (0..count).scan((-mean).exp(), |term, happened| {
        let this = *term;
        *term *= mean / f64::from(happened + 1);
        Some(this)
    });
    terms.sum()
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead::new()
    }
}

/// From a quarter of a leaf set's reach to 2^30 times as far: half a billion nodes and more.
const CLASSES: usize = 64;
/// A new sample's weight: the last hundred count. A guess.
const SAMPLE_WEIGHT: f64 = 0.02;
/// Names that are looked through when the known nodes are counted. A guess.
const COUNTED: usize = 2_048;
/// Samples before experience beats the guess. A guess.
const SAMPLES_MIN: u32 = 4;
const SAMPLES_MIN_ROOTED: u32 = 10;
/// How many nodes keep a value, as a first guess: the default of `directory.replicas`.
const KEEPERS: u32 = 4;
/// Until a leaf set is known: a guess at the Internet's median.
const RTT_GUESS: Span = Span::from_millis(100);
/// Of a side of the leaf set: 16 gaps sum up to within a quarter of their mean nine times in ten.
const COVERED: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(known: usize) -> Scale {
        Scale { spacing: 1.0 / 64.0, per_side: 4, known, distant: Some(Span::from_millis(80)) }
    }

    #[test]
    fn experience_replaces_the_guess() {
        let mut ahead = Ahead::new();
        ahead.set_scale(scale(20));
        let (near, far, key) = (Id::ZERO, Id::ZERO.with_digit(0, 7), Id::ZERO);
        assert!(ahead.extra(&far, &key) > ahead.extra(&near, &key));
        assert!(ahead.is_covered(&near, &key) && !ahead.is_covered(&far, &key));
        for _ in 0..10 {
            ahead.learn(&far, &key, Span::from_millis(7));
        }
        assert_eq!(ahead.extra(&far, &key), Span::from_millis(7));
    }

    #[test]
    fn who_is_near_enough_to_keep_a_value_is_expected_to_answer_until_experience_says_otherwise() {
        let mut ahead = Ahead::new();
        ahead.set_scale(scale(20));
        let (key, near, far) = (Id::ZERO, Id::ZERO.with_digit(2, 4), Id::ZERO.with_digit(1, 15));
        assert!(ahead.answer_chance(&key, &key) == 1.0 && ahead.answer_chance(&near, &key) > 0.95);
        assert!(ahead.answer_chance(&far, &key) < 0.2, "{}", ahead.answer_chance(&far, &key));
        (0..10).for_each(|_| ahead.learn_answer(&near, &key, false));
        assert_eq!(ahead.answer_chance(&near, &key), 0.0);
        assert!((fewer_than(2, 1.0) - 2.0 / 1f64.exp()).abs() < 1e-12 && fewer_than(4, 0.0) == 1.0);
    }

    #[test]
    fn where_everybody_is_known_the_nearest_is_the_root() {
        let mut ahead = Ahead::new();
        let apart = Id::ZERO.with_digit(1, 7);
        ahead.set_scale(scale(63));
        assert_eq!(ahead.root_chance(&Id::ZERO, &apart), 1.0);
        ahead.set_scale(scale(20));
        let chance = ahead.root_chance(&Id::ZERO, &apart);
        assert!(chance > 0.05 && chance < 0.15, "{chance}: {} steps", 7.0 / 4.0);
        assert_eq!(ahead.root_chance(&apart, &apart), 1.0);
    }
}
