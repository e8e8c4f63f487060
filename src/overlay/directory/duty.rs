//! To whom a kept value must be offered.
//!
//! Owns: the decision, as a pure function of the view.
//! Never does: offer.

use crate::base::Id;
use crate::overlay::view::RouteView;

/// What a node owes to the others about one value it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duty {
    /// Who must be known to have it.
    pub(super) audience: Vec<Id>,
    /// Whether this node's copy is to go once they have.
    pub(super) departs: bool,
}

/// The duty of this node about a value: as the root, to all other members of the replica set; as
/// another member, to the root; outside it, to all members, and then the copy goes. A leaving node
/// owes it to those who come after it. No duty where the view does not cover the object: who is
/// responsible there this node cannot know.
pub(super) fn duty(view: &RouteView, object: &Id, replicas: usize, is_leaving: bool) -> Option<Duty> {
    if !view.ready || !view.covers(object) {
        return None;
    }
    let me = view.id();
    let set = view.replica_set(object, replicas + MARGIN);
    let place = set.iter().position(|id| *id == me);
    let others = set.iter().filter(|id| **id != me).copied();
    let (audience, departs): (Vec<Id>, bool) = match place {
        _ if is_leaving => (others.take(replicas).collect(), false),
        Some(0) => (others.take(replicas.saturating_sub(1)).collect(), false),
        Some(_) => (others.take(1).collect(), false),
        None => (others.take(replicas).collect(), true),
    };
    (!audience.is_empty()).then_some(Duty { audience, departs })
}

/// Whether this node should take a copy that is offered.
pub(super) fn is_welcome(view: &RouteView, object: &Id, replicas: usize) -> bool {
    view.covers(object) && view.replica_set(object, replicas + MARGIN).contains(&view.id())
}

impl Duty {
    /// A number that changes with the audience; never 0.
    pub(super) fn mark(&self) -> u64 {
        let bytes: Vec<u8> = self.audience.iter().flat_map(|id| *id.as_bytes()).collect();
        Id::hash_of(&bytes).prefix_u64() | 1
    }
}

/// Ranks behind the replica set that still keep their copy: a node that comes or goes next door then
/// moves nothing. One is also what a leaving node's heir needs, which still counts it. A guess.
const MARGIN: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Contact, NodeName, Role, SecretKey};
    use crate::overlay::view::{LeafView, PeerView, Way};
    use std::sync::Arc;

    fn contacts(count: u8) -> Vec<Arc<Contact>> {
        let contact = |seed: u8| {
            let key = SecretKey::from_seed([seed; 32]);
            let name = NodeName::solve(key.public(), 0);
            Arc::new(Contact::sign(&key, name, &["127.0.0.1:1".parse().unwrap()], Role::Server, 1))
        };
        (1..=count).map(contact).collect()
    }

    fn view_of(me: usize, all: &[Arc<Contact>]) -> RouteView {
        let mut view = RouteView::alone(Arc::clone(&all[me]), true);
        let others = all.iter().enumerate().filter(|(index, _)| *index != me);
        view.leaf_set =
            LeafView { after: others.clone().map(|(_, c)| c.id()).collect(), before: Vec::new(), is_whole_ring: true };
        view.peers = others
            .map(|(_, contact)| PeerView {
                contact: Arc::clone(contact),
                coordinate: None,
                way: Way::None,
                ready: true,
            })
            .collect();
        view.peers.sort_by_key(|peer| peer.contact.id());
        view
    }

    #[test]
    fn the_root_cares_for_all_and_the_others_for_the_root() {
        let all = contacts(8);
        let object = Id::hash_of(b"object");
        let set = view_of(0, &all).replica_set(&object, 8);
        for (index, contact) in all.iter().enumerate() {
            let rank = set.iter().position(|id| *id == contact.id()).unwrap();
            let found = duty(&view_of(index, &all), &object, 3, false).unwrap();
            let expected = match rank {
                0 => Duty { audience: set[1..3].to_vec(), departs: false },
                1..=3 => Duty { audience: vec![set[0]], departs: false },
                _ => Duty { audience: set[..3].to_vec(), departs: true },
            };
            assert_eq!(found, expected, "rank {rank}");
            assert_eq!(is_welcome(&view_of(index, &all), &object, 3), rank <= 3);
        }
    }

    #[test]
    fn a_node_alone_owes_nothing() {
        let all = contacts(1);
        assert_eq!(duty(&view_of(0, &all), &Id::MAX, 4, false), None);
    }
}
