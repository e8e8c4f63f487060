//! Which of an object's roots is near.
//!
//! Owns: the guess, from the view alone, how long the way to a key's root and back is.
//! Never does: ask anybody, or know what the key stands for.

use crate::base::{Id, Span};
use crate::overlay::view::RouteView;

/// The round trip to whoever roots this key, as far as the view shows: to the nearest node to the key among those with a
/// link and those two links away, by the best way there. The true root may be one further. `None` where nobody is known.
pub(super) fn expected_way(view: &RouteView, key: &Id) -> Option<Span> {
    let me = view.ready.then(|| (view.id(), Span::ZERO));
    let linked = view.peers.iter().filter(|peer| peer.ready).filter_map(|peer| Some((peer.contact.id(), peer.rtt()?)));
    let prefix = key.prefix_u64();
    let beyond = view
        .adverts
        .iter()
        .flat_map(|advert| advert.next_to(prefix).map(|entry| (Id::from_prefix(entry.peer), advert.rtt + entry.rtt)));
    // Adverts name nodes by the beginning of their ids: so all are compared.
    let all = me.into_iter().chain(linked).chain(beyond).map(|(id, rtt)| (Id::from_prefix(id.prefix_u64()), rtt));
    all.min_by_key(|(id, rtt)| (id.distance(key), *rtt)).map(|(_, rtt)| rtt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RttEstimate;
    use crate::identity::{Contact, NodeName, PublicKey, Role};
    use crate::overlay::view::{Advert, PeerView, Way};
    use crate::wire::probe::ReachEntry;
    use std::sync::Arc;

    fn contact(seed: u8) -> Arc<Contact> {
        let name = NodeName { key: PublicKey::from_bytes([seed; 32]), nonce: 0 };
        Arc::new(Contact::unsigned(name, Role::Server))
    }

    const fn ms(ms: u64) -> Span {
        Span::from_millis(ms)
    }

    #[test]
    fn the_way_is_that_to_the_nearest_node_known_be_it_over_a_link_or_beyond_one() {
        let mut view = RouteView::alone(contact(0), true);
        let peer = |seed: u8, rtt: u64| PeerView {
            contact: contact(seed),
            coordinate: None,
            way: Way::Link { rtt: RttEstimate::first(ms(rtt)) },
            ready: true,
        };
        view.peers = vec![peer(1, 30), peer(2, 50)];
        view.peers.sort_by_key(|peer| peer.contact.id());
        assert_eq!(expected_way(&view, &contact(1).id()), Some(ms(30)));
        assert_eq!(expected_way(&view, &contact(0).id()), Some(Span::ZERO), "this node is the root itself");
        let entry = |seed: u8, rtt: u64| ReachEntry { peer: contact(seed).id().prefix_u64(), rtt: ms(rtt) };
        let mut links = vec![entry(3, 5), entry(2, 7), entry(4, 9)];
        links.sort_by_key(|entry| entry.peer);
        view.adverts = Arc::new([Advert { via: contact(1).id(), rtt: ms(31), links: links.into() }]);
        assert_eq!(expected_way(&view, &contact(3).id()), Some(ms(36)), "nobody but a neighbour's neighbour");
        assert_eq!(expected_way(&view, &contact(2).id()), Some(ms(38)), "quicker through another");
        view.ready = false;
        view.peers.clear();
        view.adverts = Arc::default();
        assert_eq!(expected_way(&view, &contact(1).id()), None);
    }
}
