//! An overlay built directly: the tables nodes would have, without the messages by which they get them.
//!
//! Owns: the recipe, the nodes' names, places and tables in a few hundred bytes each, and the view of any
//! node, made when it is asked for.
//! Never does: route (`walk.rs` does), or claim that a protocol ran: every output says "built directly", and from how
//! large a sample, or after how many rounds of gossip, each slot was filled.

mod gossip;
mod reach;
mod rules;
mod slots;
#[cfg(test)]
mod tests;
mod walk;

pub use rules::Rule;
pub use walk::{Trip, Walker};

use super::density::{Teller, own_size};
use super::underlay::Underlay;
use crate::base::{Chance, Coordinate, Id, RttEstimate};
use crate::identity::{Contact, NodeName, PublicKey, Role};
use crate::overlay::RouteView;
use crate::overlay::router::size::median_size;
use crate::overlay::view::{LeafView, PeerView, Way};
use crate::wire::probe::{Bearing, REACH_NEAR, ReachEntry};
use gossip::Gossip;
use slots::{Slots, keep, nearest};
use std::fmt;
use std::sync::Arc;

/// How tables are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// How many nodes, at least 1.
    pub nodes: usize,
    /// Leaf-set members on each side: exactly the nearest on the ring.
    pub leaf_set_per_side: usize,
    /// Bits a slot of the prefix table fixes beyond what its node shares with this one, 1 to 8. 4 is the
    /// Router's table; the rule of the next hop works with any.
    pub slot_bits: u32,
    /// Contacts in each slot, 1 to 8: the nearest by round trip of the sample.
    pub contacts_per_slot: usize,
    /// Contacts of a node, leaf set included. The leaf set and the first contact of each slot come before
    /// second contacts, second before third; within a round the slots nearest the root of the table first.
    pub contacts_max: usize,
    /// Nodes that are looked at for each slot, drawn evenly; all, where a slot has no more.
    pub sample: usize,
    /// Rounds of constrained gossip, from tables filled at random; 0: no gossip, slots are filled from the sample.
    pub gossip_rounds: usize,
    /// Links each node tells its neighbours of, the nearest first; 0: nobody tells.
    pub adverts: usize,
    /// Whether nodes know each other's coordinates, learnt by Vivaldi over their own contacts.
    pub coordinates: bool,
}

/// The tables of many nodes, which are numbered in the order of their ids.
pub struct Built {
    recipe: Recipe,
    contacts: Vec<Arc<Contact>>,
    /// The contacts beyond the leaf set, node after node, each node's in order.
    tables: Vec<u32>,
    /// Where each node's part of `tables` begins, and at the end where the last one ends.
    begins: Vec<u64>,
    /// Empty without coordinates.
    coordinates: Vec<Coordinate>,
    /// Round trips all nodes measured to fill their tables.
    measured: u64,
}

impl Recipe {
    /// The Router's own tables (leaf set of 16 a side, base 16, three contacts a slot), from samples of 32
    /// (twice what Gummadi et al., SIGCOMM 2003, found nearly as good as looking at all).
    pub fn of(nodes: usize) -> Recipe {
        Recipe {
            nodes,
            leaf_set_per_side: 16,
            slot_bits: 4,
            contacts_per_slot: 3,
            contacts_max: 256,
            sample: 32,
            gossip_rounds: 0,
            adverts: REACH_NEAR,
            coordinates: true,
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gossip_rounds {
            0 => write!(f, "built directly, sample {} per slot", self.sample),
            rounds => write!(f, "built directly, {rounds} rounds of constrained gossip from random contacts"),
        }
    }
}

impl Built {
    /// Draws names and fills tables over this underlay. `progress` is told how many nodes have theirs.
    pub fn new(recipe: Recipe, underlay: &dyn Underlay, chance: &mut Chance, progress: &mut dyn FnMut(usize)) -> Built {
        let contacts = drawn_contacts(recipe.nodes.max(1), &mut chance.fork());
        let mut slots = Slots::new(&contacts, recipe.slot_bits);
        let (mut tables, mut begins) = (Vec::new(), vec![0]);
        let (mut drawing, nodes) = (chance.fork(), contacts.len());
        let gossip =
            (recipe.gossip_rounds > 0).then(|| Gossip::settled(&mut slots, nodes, &recipe, underlay, &mut drawing));
        let mut measured = gossip.as_ref().map_or(0, |gossip| gossip.measured);
        for node in 0..nodes {
            if let Some(gossip) = &gossip {
                keep(node, nodes, &recipe, gossip.kept(node), &mut tables);
            } else {
                let ranges = slots.ranges(node);
                measured += ranges.iter().map(|range| range.len().min(recipe.sample) as u64).sum::<u64>();
                let chosen = ranges.into_iter().map(|range| nearest(node, range, &recipe, underlay, &mut drawing));
                keep(node, nodes, &recipe, chosen, &mut tables);
            }
            begins.push(tables.len() as u64);
            if node % PROGRESS_EVERY == 0 {
                progress(node);
            }
        }
        tables.shrink_to_fit();
        let mut built = Built { recipe, contacts, tables, begins, coordinates: Vec::new(), measured };
        if recipe.coordinates {
            built.coordinates = built.learnt_coordinates(underlay, &mut chance.fork());
        }
        built
    }

    /// How it was built.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Round trips a node measured in the mean to fill its slots.
    pub fn measured_per_node(&self) -> f64 {
        self.measured as f64 / self.len() as f64
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// Whether there are none; there always is one.
    pub fn is_empty(&self) -> bool {
        self.contacts.is_empty()
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> Id {
        self.contacts[node].id()
    }

    /// The number of the node of this id.
    pub fn index_of(&self, id: &Id) -> Option<usize> {
        self.contacts.binary_search_by(|contact| contact.id().cmp(id)).ok()
    }

    /// The node numerically closest to a key among those that pass.
    pub fn root_of(&self, key: &Id, passes: impl Fn(usize) -> bool) -> Option<usize> {
        let nodes = self.len();
        let above = self.contacts.partition_point(|contact| contact.id() < *key);
        let after = (0..nodes).map(|step| (above + step) % nodes).find(|node| passes(*node))?;
        let before = (1..=nodes).map(|step| (above + nodes - step) % nodes).find(|node| passes(*node))?;
        Some(if self.id(after).is_nearer(key, &self.id(before)) { after } else { before })
    }

    /// The nodes numerically closest to a key, the closest first.
    pub fn replica_set(&self, key: &Id, count: usize) -> Vec<usize> {
        let nodes = self.len();
        let above = self.contacts.partition_point(|contact| contact.id() < *key);
        let reach = count.min(nodes);
        let sides = (0..reach).flat_map(|step| [(above + step) % nodes, (above + 2 * nodes - step - 1) % nodes]);
        let mut set: Vec<usize> = sides.collect();
        set.sort_by_cached_key(|node| (self.id(*node).distance(key), *node));
        set.dedup();
        set.truncate(count);
        set
    }

    /// All whom a node knows, in order.
    pub fn contacts_of(&self, node: usize) -> Vec<usize> {
        let table = self.table(node).iter().map(|peer| *peer as usize);
        let mut all: Vec<usize> = table.chain(self.leaves(node)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Its table.
    fn table(&self, node: usize) -> &[u32] {
        &self.tables[self.begins[node] as usize..self.begins[node + 1] as usize]
    }

    /// Whether one node knows the other.
    fn knows(&self, node: usize, other: usize) -> bool {
        self.table(node).contains(&(other as u32)) || self.leaves(node).any(|leaf| leaf == other)
    }

    /// How many contacts each node has; and how many links each of these nodes would hold: to whom it knows, and to who knows it.
    /// Tables are filled without regard to the other end, so that links may be more than the budget, which counts the contacts.
    pub fn degrees(&self, of: impl Iterator<Item = usize>) -> (Vec<usize>, Vec<usize>) {
        let mut known_by = vec![0; self.len()];
        let count = |node: usize| {
            let contacts = self.contacts_of(node);
            contacts.iter().for_each(|contact| known_by[*contact] += 1);
            contacts.len()
        };
        let contacts: Vec<usize> = (0..self.len()).map(count).collect();
        let mutual =
            |node: usize| self.contacts_of(node).into_iter().filter(|contact| self.knows(*contact, node)).count();
        let links = of.map(|node| contacts[node] + known_by[node] - mutual(node)).collect();
        (contacts, links)
    }

    /// Where a node sees itself in latency space, if nodes do.
    pub fn coordinate(&self, node: usize) -> Option<Coordinate> {
        self.coordinates.get(node).copied()
    }

    /// What the Router of this node would show: a link to each contact.
    pub fn view(&self, node: usize, underlay: &dyn Underlay) -> RouteView {
        let peer = |peer: usize| PeerView {
            contact: Arc::clone(&self.contacts[peer]),
            coordinate: self.coordinate(peer),
            way: Way::Link { rtt: RttEstimate::first(underlay.round_trip(node, peer)) },
            ready: true,
        };
        RouteView {
            me: Arc::clone(&self.contacts[node]),
            bearing: Bearing { coordinate: self.coordinate(node).unwrap_or_default(), ready: true, nodes: 0 },
            ready: true,
            peers: self.contacts_of(node).into_iter().map(peer).collect(),
            adverts: Arc::default(),
            leaf_set: self.leaf_set(node),
        }
    }

    /// The nodes next to this one on the ring.
    pub fn leaf_set(&self, node: usize) -> LeafView {
        let ids = |peers: Vec<usize>| peers.into_iter().map(|peer| self.id(peer)).collect();
        LeafView {
            before: ids(self.side(node, true)),
            after: ids(self.side(node, false)),
            is_whole_ring: self.len() - 1 < 2 * self.recipe.leaf_set_per_side,
        }
    }

    /// What this node makes of how many there are.
    pub fn teller(&self, node: usize) -> Teller {
        let (id, leaf_set) = (self.id(node), self.leaf_set(node));
        let own = |node: usize| own_size(&self.id(node), &self.leaf_set(node));
        let shown = match leaf_set.is_whole_ring {
            true => own(node),
            false => {
                let leaves: Vec<usize> = self.leaves(node).collect();
                let others = self.contacts_of(node).into_iter().filter(|peer| !leaves.contains(peer));
                let all = others.chain([node]).filter_map(own).collect();
                median_size(all, leaf_set.len())
            }
        };
        Teller { id, leaf_set, shown }
    }

    /// What this node tells its neighbours of its links, in the order of ids.
    pub fn advert_of(&self, node: usize, underlay: &dyn Underlay) -> Arc<[ReachEntry]> {
        let entry = |peer: usize| ReachEntry { peer: self.id(peer).prefix_u64(), rtt: underlay.round_trip(node, peer) };
        ReachEntry::nearest(self.contacts_of(node).into_iter().map(entry).collect(), self.recipe.adverts)
    }

    /// The nearest on one side, nearest first.
    fn side(&self, node: usize, before: bool) -> Vec<usize> {
        let (nodes, count) = (self.len(), self.recipe.leaf_set_per_side.min(self.len() - 1));
        let at = |step: usize| if before { (node + nodes - step) % nodes } else { (node + step) % nodes };
        (1..=count).map(at).collect()
    }

    fn leaves(&self, node: usize) -> impl Iterator<Item = usize> {
        self.side(node, true).into_iter().chain(self.side(node, false))
    }

    /// Coordinates as Vivaldi settles them: in each round every node measures one of its contacts.
    fn learnt_coordinates(&self, underlay: &dyn Underlay, chance: &mut Chance) -> Vec<Coordinate> {
        let nodes = self.len();
        let mut coordinates = vec![Coordinate::default(); nodes];
        for _ in 0..(VIVALDI_STEPS / nodes).clamp(VIVALDI_ROUNDS_MIN, VIVALDI_ROUNDS) {
            for node in 0..nodes {
                let Some(peer) = self.any_contact(node, chance) else { continue };
                let direction = std::array::from_fn(|_| chance.unit() as f32 - 0.5);
                let other = coordinates[peer];
                coordinates[node].learn(&other, underlay.round_trip(node, peer), direction);
            }
        }
        coordinates
    }

    fn any_contact(&self, node: usize, chance: &mut Chance) -> Option<usize> {
        let table = self.table(node);
        let per_side = self.recipe.leaf_set_per_side.min(self.len() - 1);
        let drawn = chance.index(table.len() + 2 * per_side);
        match drawn.checked_sub(table.len()) {
            None => Some(table[drawn] as usize),
            Some(_) if per_side == 0 => None,
            Some(leaf) => Some((node + self.len() - per_side + leaf + usize::from(leaf >= per_side)) % self.len()),
        }
    }
}

/// Contacts in the order of their ids. Their keys are random bytes and nobody has signed them: a
/// signature costs 20 us, and no one here checks any.
fn drawn_contacts(nodes: usize, chance: &mut Chance) -> Vec<Arc<Contact>> {
    let contact = |_| {
        let name = NodeName { key: PublicKey::from_bytes(chance.bytes32()), nonce: 0 };
        Arc::new(Contact::unsigned(name, Role::Server))
    };
    let mut contacts: Vec<Arc<Contact>> = (0..nodes).map(contact).collect();
    contacts.sort_unstable_by_key(|contact| contact.id());
    contacts
}

/// Rounds of Vivaldi until coordinates have settled: of 5,000 nodes on a plane predictions are off by 52 % in the median after
/// 64 rounds, by 14 to 16 % after 192, by 0.1 % after 768 (measured 2026-11-26).
const VIVALDI_ROUNDS: usize = 768;
/// Steps of all nodes together, which is what rounds cost: a quarter of a minute. A guess.
const VIVALDI_STEPS: usize = 1 << 26;
/// Fewest rounds, for networks too large to let all settle.
const VIVALDI_ROUNDS_MIN: usize = 64;
/// Nodes between two words of progress. A guess.
const PROGRESS_EVERY: usize = 1_024;
