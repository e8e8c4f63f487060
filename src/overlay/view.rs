//! What the Router lets the others see.
//!
//! Owns: the immutable snapshot of the routing state, and `Interest`, the set of ids this node's
//! directory can answer for. They are the only structures the machines share.
//! Never does: change a snapshot, or choose a hop.

use crate::base::{Coordinate, Distance, Id, RttEstimate, Span};
use crate::identity::Contact;
use crate::wire::probe::{Bearing, ReachEntry};
use parking_lot::RwLock;
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

/// The routing state at one moment: whom this node knows and how to get there.
#[derive(Clone, Debug)]
pub struct RouteView {
    /// This node.
    pub me: Arc<Contact>,
    /// How this node stands, as it tells whoever links to it.
    pub bearing: Bearing,
    /// Whether the leaf set is confirmed: only then this node roots keys.
    pub ready: bool,
    /// Every server with a link, or that had one just now and is asked after, in the order of ids; this node is not among
    /// them.
    pub peers: Vec<PeerView>,
    /// The ready nodes next to this one on the ring.
    pub leaf_set: LeafView,
    /// What linked nodes said of their own links: the nodes two links away, each with its price.
    pub adverts: Arc<[Advert]>,
}

/// What a linked node says its links cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Who says so.
    pub via: Id,
    /// The round trip to it, and what relaying adds.
    pub rtt: Span,
    /// Its links to ready nodes, in the order of ids.
    pub links: Arc<[ReachEntry]>,
}

/// One known node.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// Who and where.
    pub contact: Arc<Contact>,
    /// Where it sees itself in latency space, if known.
    pub coordinate: Option<Coordinate>,
    /// The best way to it.
    pub way: Way,
    /// Whether it says that it roots keys. Others may carry messages, but end none.
    pub ready: bool,
}

/// How a known node is best reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over the link to it.
    Link {
        /// Its round trip.
        rtt: RttEstimate,
    },
    /// There is a link, but it is quicker through another peer, clearly enough for the detour to pay.
    LinkButBetter {
        /// The link's round trip.
        rtt: RttEstimate,
        /// The other peer.
        via: Id,
        /// The round trip through it.
        through: Span,
    },
    /// No link.
    None,
}

/// The leaf set: nearest first on each side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeafView {
    /// Counter-clockwise, towards smaller ids.
    pub before: Vec<Id>,
    /// Clockwise, towards larger ids.
    pub after: Vec<Id>,
    /// Whether the two sides meet: the leaf set is the whole network.
    pub is_whole_ring: bool,
}

impl Advert {
    /// The link to the node whose id begins so: its round trip from here, both legs, and that of the second leg.
    pub fn link_to(&self, prefix: u64) -> Option<(Span, Span)> {
        let place = self.links.binary_search_by_key(&prefix, |entry| entry.peer).ok()?;
        let there = self.links[place].rtt;
        Some((self.rtt + there, there))
    }

    /// The links to the two nodes next to this place, one on each side; once, if there is only one. The numerically
    /// nearest and those with the longest prefix are among them.
    pub fn next_to(&self, prefix: u64) -> impl Iterator<Item = &ReachEntry> {
        let (links, above) = (&self.links, self.links.partition_point(|entry| entry.peer < prefix));
        let after = links.get(above).or(links.first());
        let before = if above > 0 { links.get(above - 1) } else { links.last() };
        after.into_iter().chain(before.filter(|_| links.len() > 1))
    }
}

impl RouteView {
    /// The view of a node that knows nobody.
    pub fn alone(me: Arc<Contact>, ready: bool) -> RouteView {
        let leaf_set = LeafView { is_whole_ring: true, ..LeafView::default() };
        let (bearing, peers, adverts) = (Bearing::default(), Vec::new(), Arc::default());
        RouteView { me, bearing, ready, peers, leaf_set, adverts }
    }

    /// This node's id.
    pub fn id(&self) -> Id {
        self.me.id()
    }

    /// The known node of this id.
    pub fn peer(&self, id: &Id) -> Option<&PeerView> {
        let index = self.peers.binary_search_by(|peer| peer.contact.id().cmp(id)).ok()?;
        Some(&self.peers[index])
    }

    /// The known node whose id begins as this one does: adverts name no more than that.
    pub fn peer_like(&self, id: &Id) -> Option<&PeerView> {
        let prefix = id.prefix_u64();
        let index = self.peers.partition_point(|peer| peer.contact.id().prefix_u64() < prefix);
        self.peers.get(index).filter(|peer| peer.contact.id().begins_like(id))
    }

    /// The round trip to expect to any node: measured where there is a link; else what its coordinate predicts, within
    /// what neighbours measured: no longer than the way through one of them, no shorter than the difference of its two
    /// legs. `None` if nothing is known.
    pub fn expected_rtt(&self, id: &Id, coordinate: Option<&Coordinate>) -> Option<Span> {
        if let Some(rtt) = self.peer(id).and_then(PeerView::rtt) {
            return Some(rtt);
        }
        let mut bounds: Option<(Span, Span)> = None;
        let prefix = id.prefix_u64();
        for advert in self.adverts.iter() {
            let Some((sum, there)) = advert.link_to(prefix) else { continue };
            let apart = there.max(advert.rtt).saturating_sub(there.min(advert.rtt));
            bounds = Some(bounds.map_or((apart, sum), |(low, high)| (low.max(apart), high.min(sum))));
        }
        let predicted = coordinate.map(|coordinate| self.bearing.coordinate.rtt_to(coordinate));
        match (predicted, bounds) {
            // Real round trips break the triangle's rule now and then: the way through a neighbour is there all the same.
            (Some(predicted), Some((low, high))) => Some(predicted.max(low).min(high)),
            (None, Some((_, high))) => Some(high),
            (predicted, None) => predicted,
        }
    }

    /// Whether the key lies between the ends of the leaf set, so that its root is among the leaf set
    /// and this node.
    pub fn covers(&self, key: &Id) -> bool {
        if self.leaf_set.is_whole_ring {
            return true;
        }
        match (self.leaf_set.before.last(), self.leaf_set.after.last()) {
            (Some(first), Some(last)) => key == first || key.is_between(first, last),
            _ => false,
        }
    }

    /// The nearest to the key among the leaf set and, if it is ready, this node. Meaningful as the
    /// root only where [`RouteView::covers`] holds.
    pub fn root_in_leaf_set(&self, key: &Id) -> Option<Id> {
        let me = self.ready.then(|| self.id());
        let nearer = |best: Option<Id>, id: Id| match best {
            Some(best) if best.is_nearer(key, &id) => Some(best),
            _ => Some(id),
        };
        // A node that stands on both sides of a small ring changes nothing here.
        self.leaf_set.before.iter().chain(&self.leaf_set.after).copied().chain(me).fold(None, nearer)
    }

    /// Whether this node is the key's root as far as it can know.
    pub fn is_root_of(&self, key: &Id) -> bool {
        self.covers(key) && self.root_in_leaf_set(key) == Some(self.id())
    }

    /// The `count` nodes nearest to the key among this node and its leaf set, nearest first: the
    /// replica set, where this node is the root. This node is left out while it is not ready.
    pub fn replica_set(&self, key: &Id, count: usize) -> Vec<Id> {
        let mut ids: Vec<Id> = self.leaf_set.iter().chain(self.ready.then(|| self.id())).collect();
        ids.sort_by_key(|id| (id.distance(key), *id));
        ids.dedup();
        ids.truncate(count);
        ids
    }

    /// The round trip to this node over a link, or through a neighbour that says it has one; nothing where there is neither.
    pub fn way_to(&self, id: &Id) -> Option<Span> {
        let through =
            || self.adverts.iter().filter_map(|advert| advert.link_to(id.prefix_u64())).map(|(rtt, _)| rtt).min();
        self.peer(id).filter(|peer| peer.ready).and_then(PeerView::rtt).or_else(through)
    }

    /// The linked peers and their round trips, nearest first: at most so many.
    pub fn nearest_linked(&self, most: usize) -> Vec<(Span, Id)> {
        let linked = self.peers.iter().filter_map(|peer| Some((peer.link()?.smoothed(), peer.contact.id())));
        let mut near: Vec<(Span, Id)> = linked.collect();
        near.sort_unstable();
        near.truncate(most);
        near
    }

    /// The mean share of the ring between neighbours here: one over the size of the network, as the
    /// leaf set's density tells. `None` without a leaf set.
    pub fn spacing(&self) -> Option<f64> {
        let count = self.leaf_set.len();
        if count == 0 {
            return None;
        }
        if self.leaf_set.is_whole_ring {
            return Some(1.0 / (count + 1) as f64);
        }
        let (first, last) = (self.leaf_set.before.last()?, self.leaf_set.after.last()?);
        Some(first.clockwise(last).as_ring_share() / count as f64)
    }
}

impl PeerView {
    /// The round trip by the best way, if there is one.
    pub fn rtt(&self) -> Option<Span> {
        match self.way {
            Way::Link { rtt } => Some(rtt.smoothed()),
            Way::LinkButBetter { through, .. } => Some(through),
            Way::None => None,
        }
    }

    /// The estimate of the link's round trip, if there is a link.
    pub fn link(&self) -> Option<RttEstimate> {
        match self.way {
            Way::Link { rtt } | Way::LinkButBetter { rtt, .. } => Some(rtt),
            Way::None => None,
        }
    }
}

impl LeafView {
    /// All members, counter-clockwise ones first. In a small network a node may stand on both sides;
    /// it is named once.
    pub fn iter(&self) -> impl Iterator<Item = Id> + '_ {
        // The sides overlap only if each reaches into the other.
        let overlap = self.after.last().is_some_and(|last| self.before.contains(last));
        self.before.iter().chain(self.after.iter().filter(move |id| !overlap || !self.before.contains(id))).copied()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Whether this node is a member.
    pub fn contains(&self, id: &Id) -> bool {
        self.before.contains(id) || self.after.contains(id)
    }

    /// How far the farther end lies from `me`.
    pub fn radius(&self, me: &Id) -> Distance {
        self.iter().map(|id| id.distance(me)).max().unwrap_or(Distance::ZERO)
    }
}

/// Which ids this node's directory can say something about. Written by the shards, read by the
/// forwarder at each hop: a hit costs a visit to the shard, a miss nothing. Ids are hashed with a key
/// of this node's own, so that nobody can aim at collisions; a false hit (2^-64) only costs a visit.
pub struct Interest {
    keys: (u64, u64),
    parts: [RwLock<BTreeMap<u64, u32>>; INTEREST_PARTS],
}

impl Interest {
    /// No interest in anything, with a secret for hashing.
    pub fn new(keys: (u64, u64)) -> Interest {
        Interest { keys, parts: std::array::from_fn(|_| RwLock::new(BTreeMap::new())) }
    }

    /// Takes an interest in this id, once more.
    pub fn add(&self, id: &Id) {
        let hash = self.hash(id);
        *self.part(hash).write().entry(hash).or_insert(0) += 1;
    }

    /// Loses one interest in this id.
    pub fn remove(&self, id: &Id) {
        let hash = self.hash(id);
        let mut part = self.part(hash).write();
        if let Some(count) = part.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                part.remove(&hash);
            }
        }
    }

    /// Whether there is an interest in this id.
    pub fn contains(&self, id: &Id) -> bool {
        let hash = self.hash(id);
        self.part(hash).read().contains_key(&hash)
    }

    /// How many ids there is an interest in.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.read().len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn hash(&self, id: &Id) -> u64 {
        keyed_hash(self.keys, id)
    }

    fn part(&self, hash: u64) -> &RwLock<BTreeMap<u64, u32>> {
        &self.parts[(hash >> 60) as usize % INTEREST_PARTS]
    }
}

/// A number for an id that nobody can foresee who does not know the keys.
pub(super) fn keyed_hash(keys: (u64, u64), id: &Id) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(keys.0, keys.1);
    hasher.write(id.as_bytes());
    hasher.finish()
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interest({} ids)", self.len())
    }
}

/// Locks the interest is split over, so that shards and the forwarder seldom meet. A guess.
const INTEREST_PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NodeName, PublicKey, Role};

    fn contact(seed: u8) -> Arc<Contact> {
        let name = NodeName { key: PublicKey::from_bytes([seed; 32]), nonce: 0 };
        Arc::new(Contact::unsigned(name, Role::Server))
    }

    #[test]
    fn what_is_measured_counts_first_and_what_neighbours_measured_bounds_a_prediction() {
        const fn ms(ms: u64) -> Span {
            Span::from_millis(ms)
        }
        let (linked, other) = (contact(1), contact(2));
        let mut view = RouteView::alone(contact(0), true);
        let way = Way::Link { rtt: RttEstimate::first(ms(70)) };
        view.peers = vec![PeerView { contact: linked.clone(), coordinate: None, way, ready: true }];
        // All stand at the origin: a prediction is next to nothing.
        let here = Some(view.bearing.coordinate);
        assert_eq!(view.expected_rtt(&linked.id(), here.as_ref()), Some(ms(70)));
        assert_eq!(view.expected_rtt(&other.id(), None), None);
        assert!(view.expected_rtt(&other.id(), here.as_ref()) < Some(ms(1)));
        let told = |rtt: u64| vec![ReachEntry { peer: other.id().prefix_u64(), rtt: ms(rtt) }].into();
        let near = Advert { via: linked.id(), rtt: ms(70), links: told(20) };
        view.adverts = Arc::new([near.clone()]);
        assert_eq!(view.expected_rtt(&other.id(), here.as_ref()), Some(ms(50)), "70 less 20 at least");
        assert_eq!(view.expected_rtt(&other.id(), None), Some(ms(90)), "70 and 20 at most");
        view.adverts = Arc::new([near, Advert { via: contact(3).id(), rtt: ms(5), links: told(30) }]);
        assert_eq!(view.expected_rtt(&other.id(), here.as_ref()), Some(ms(35)), "there is a way of 35");
    }
}
