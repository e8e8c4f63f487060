//! What nodes know of others is sound.
//!
//! Owns: the comparison of every view and prefix table with the rules of its form, and with who lives.
//! Never does: ask for more than time allows: a death is known everywhere after a while only ([`DEAD_MAX`], [`TOLD_MAX`]).
//! Leaf sets and the number of links are looked at elsewhere.

use super::Wrong;
use crate::base::{Id, Span};
use crate::overlay::view::{Advert, PeerView, RouteView};
use crate::sim::narrate::node_name;
use crate::sim::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Looks through the views and tables of all nodes that run.
pub fn check(world: &World) -> Vec<Wrong> {
    let gone = Gone::of(world);
    let (router, mut wrongs) = (&world.plan().router, Vec::new());
    for (index, node) in world.nodes().iter().enumerate() {
        let Some(mind) = &node.mind else { continue };
        let slots: Vec<((u8, u8), &[Id])> = mind.router.slots().collect();
        let complaints = form(&mind.view).into_iter();
        let complaints = complaints.chain(table(&mind.view.id(), &slots, router.contacts_per_slot));
        let complaints = complaints.chain(gone.complaints(&mind.view));
        wrongs.extend(complaints.map(|what| Wrong::new("sound tables", format!("{}: {what}", node_name(index)))));
    }
    wrongs
}

/// What is wrong with the form of a view: peers and adverts stand in order, each once; none is this node; an advert comes
/// over a link.
fn form(view: &RouteView) -> Vec<String> {
    let me = view.id();
    let mut wrongs = Vec::new();
    if !view.peers.windows(2).all(|pair| pair[0].contact.id() < pair[1].contact.id()) {
        wrongs.push("its peers are not in order, or one is there twice".to_owned());
    }
    if view.peer(&me).is_some() || view.leaf_set.contains(&me) {
        wrongs.push("it is its own peer".to_owned());
    }
    for side in [&view.leaf_set.before, &view.leaf_set.after] {
        if side.iter().collect::<BTreeSet<_>>().len() < side.len() {
            wrongs.push("a node stands twice on one side of its leaf set".to_owned());
        }
    }
    let vias: BTreeSet<Id> = view.adverts.iter().map(|advert| advert.via).collect();
    if vias.len() < view.adverts.len() {
        wrongs.push("two adverts of one node".to_owned());
    }
    for Advert { via, links, .. } in view.adverts.iter() {
        if view.peer(via).and_then(PeerView::link).is_none() {
            wrongs.push(format!("an advert of {via:?}, to whom there is no link"));
        }
        if !links.windows(2).all(|pair| pair[0].peer < pair[1].peer) {
            wrongs.push(format!("the advert of {via:?} is not in order"));
        }
    }
    wrongs
}

/// What is wrong with a prefix table: everybody stands where his digits say, once, and no slot is too full.
fn table(me: &Id, slots: &[((u8, u8), &[Id])], contacts_max: usize) -> Vec<String> {
    let mut wrongs = Vec::new();
    for ((row, digit), contacts) in slots {
        let row_length = usize::from(*row);
        let belongs = |id: &&Id| *id != me && me.shared_prefix(id) == row_length && id.digit(row_length) == *digit;
        if !contacts.iter().all(|id| belongs(&id)) {
            wrongs.push(format!("somebody stands in slot {row}:{digit:x} who belongs elsewhere"));
        }
        if contacts.len() > contacts_max || contacts.iter().collect::<BTreeSet<_>>().len() < contacts.len() {
            wrongs.push(format!("slot {row}:{digit:x} is too full, or has somebody twice"));
        }
    }
    wrongs
}

/// For how long each node that does not root keys has not run; by the beginning of its id.
struct Gone(BTreeMap<u64, Span>);

impl Gone {
    fn of(world: &World) -> Gone {
        let now = world.now();
        let gone = world.nodes().iter().filter_map(|node| {
            let since = node.gone_since?;
            Some((node.contact().id().prefix_u64(), now.since(since)))
        });
        Gone(gone.collect())
    }

    /// Whom a view still names though he is long gone.
    fn complaints(&self, view: &RouteView) -> Vec<String> {
        let is_gone = |prefix: u64, most: Span| self.0.get(&prefix).is_some_and(|gone| *gone > most);
        let mut wrongs: Vec<String> = Vec::new();
        for peer in &view.peers {
            let id = peer.contact.id();
            if is_gone(id.prefix_u64(), DEAD_MAX) {
                wrongs.push(format!("{id:?} is long gone and still its peer"));
            }
        }
        for advert in view.adverts.iter() {
            if let Some(entry) = advert.links.iter().find(|entry| is_gone(entry.peer, TOLD_MAX)) {
                wrongs.push(format!("{:016x} is long gone and still in the advert of {:?}", entry.peer, advert.via));
            }
        }
        wrongs
    }
}

/// When a dead node is nobody's peer any more: a quiet link rests for ten minutes at most, then a beat and four pings with
/// doubling patience go unanswered; and some room.
pub const DEAD_MAX: Span = Span::from_mins(15);
/// When nobody's neighbours advertise it: links that change little are told every quarter of an hour; and some room.
pub const TOLD_MAX: Span = Span::from_mins(35);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::stage::Stage;
    use std::sync::Arc;

    /// What the checker says after a node's view was changed.
    fn complaints(stage: &mut Stage, change: impl Fn(&mut RouteView)) -> Vec<Wrong> {
        let mind = stage.world.nodes[2].mind.as_mut().expect("it runs");
        let before = Arc::clone(&mind.view);
        let mut view = (*before).clone();
        change(&mut view);
        mind.view = Arc::new(view);
        let wrongs = check(&stage.world);
        stage.world.nodes[2].mind.as_mut().expect("it runs").view = before;
        wrongs
    }

    #[test]
    fn views_out_of_form_are_complained_of() {
        let mut stage = Stage::of(6, 3);
        assert_eq!(check(&stage.world), []);
        let mut wrong = |change: fn(&mut RouteView)| {
            let wrongs = complaints(&mut stage, change);
            assert!(!wrongs.is_empty() && wrongs.iter().all(|wrong| wrong.property == "sound tables"), "{wrongs:?}");
        };
        wrong(|view| view.peers.swap(0, 1));
        wrong(|view| view.peers.insert(0, view.peers[0].clone()));
        wrong(|view| view.leaf_set.after.push(view.leaf_set.after[0]));
        wrong(|view| view.leaf_set.after.push(view.me.id()));
        wrong(|view| view.adverts = view.adverts.iter().chain(view.adverts.iter().take(1)).cloned().collect());
        wrong(|view| view.peers.clear());
    }

    #[test]
    fn who_stands_in_a_slot_he_does_not_belong_to_is_complained_of() {
        let me = Id::ZERO;
        let (five, deep) = (Id::ZERO.with_digit(0, 5), Id::ZERO.with_digit(2, 7));
        assert_eq!(table(&me, &[((0, 5), &[five]), ((2, 7), &[deep])], 3), Vec::<String>::new());
        for slots in
            [&[((0, 6), &[five][..])][..], &[((1, 5), &[five])], &[((0, 5), &[five, five])], &[((2, 0), &[me])]]
        {
            assert!(!table(&me, slots, 3).is_empty(), "{slots:?}");
        }
        let crowd: Vec<Id> = (0..4).map(|last| five.with_digit(63, last)).collect();
        assert_eq!(table(&me, &[((0, 5), &crowd[..])], 3).len(), 1);
    }

    #[test]
    fn the_dead_are_forgotten_in_time_and_who_is_not_is_complained_of() {
        let mut stage = Stage::of(12, 4);
        let (dead, before) = (stage.id(5), stage.world.nodes()[2].view().cloned().expect("it runs"));
        stage.kill(5);
        stage.pass(TOLD_MAX + Span::from_secs(1));
        assert_eq!(check(&stage.world), []);
        let peer = before.peer(&dead).expect("everybody is linked").clone();
        let wrongs = complaints(&mut stage, |view| {
            let place = view.peers.partition_point(|other| other.contact.id() < dead);
            view.peers.insert(place, peer.clone());
        });
        assert!(wrongs.len() == 1 && wrongs[0].what.contains("still its peer"), "{wrongs:?}");
        let advert =
            before.adverts.iter().find(|advert| advert.via != dead && advert.link_to(dead.prefix_u64()).is_some());
        let advert = advert.expect("somebody told of it").clone();
        let wrongs = complaints(&mut stage, |view| {
            let other = view.adverts.iter().filter(|other| other.via != advert.via).cloned();
            view.adverts = other.chain([advert.clone()]).collect();
        });
        assert!(wrongs.len() == 1 && wrongs[0].what.contains("still in the advert"), "{wrongs:?}");
    }
}
