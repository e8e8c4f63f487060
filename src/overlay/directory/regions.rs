//! How claims are renewed region by region: the arithmetic.
//!
//! Owns: which ids a node roots beyond doubt, when asking by region pays, what follows from two sums of claims, and
//! how a range is cut: pure functions.
//! Never does: ask anybody, or know whose claims there are.

use super::ranges::{NAMED_MAX, Verdict};
use crate::base::Id;
use crate::overlay::view::RouteView;
use crate::wire::directory::{Range, RangeSum};

/// Of the ids that begin as `asked` says those which this node roots whoever is asked: it stands there, is ready, and
/// both next nodes are farther. What begins like the very middle between two nodes is neither's: 2^-63 of the ring.
pub(super) fn rooted_part(view: &RouteView, asked: Range) -> Option<Range> {
    let (before, after) = (view.leaf_set.before.first()?, view.leaf_set.after.first()?);
    let me = view.id().prefix_u64();
    let below = (me.wrapping_sub(before.prefix_u64()) / 2).checked_sub(1).filter(|_| view.ready)?;
    let above = (after.prefix_u64().wrapping_sub(me) / 2).checked_sub(1)?;
    let (first, last) = (me.wrapping_sub(below), me.wrapping_add(above));
    let pieces = match first <= last {
        true => [Range { first, last }, NOTHING],
        // It lies across the ring's beginning.
        false => [Range { first: 0, last }, Range { first, last: u64::MAX }],
    };
    pieces.into_iter().find_map(|piece| piece.within(&asked))
}

/// Whether so many objects, with all their claims, are better renewed by region: the ring's share of one node, by the
/// view, must hold enough claims of this shard's for a question to cost less than they do.
pub(super) fn is_by_region(objects: usize, spacing: Option<f64>) -> bool {
    let claims = objects as f64 * f64::from(super::ROOTS_PER_OBJECT);
    spacing.is_some_and(|spacing| claims * spacing >= CLAIMS_A_REGION_MIN)
}

/// What follows if the root has `theirs` where the holder has `own`.
pub(super) fn found(own: &RangeSum, theirs: &RangeSum, range: &Range) -> Verdict {
    if own == theirs {
        Verdict::Same
    } else if theirs.count == 0 {
        Verdict::Lacking
    } else if u64::from(own.count.max(theirs.count)) <= NAMED_MAX || range.first == range.last {
        Verdict::Name
    } else {
        Verdict::Split
    }
}

impl Range {
    /// What the two have in common, if anything.
    pub(super) fn within(&self, other: &Range) -> Option<Range> {
        let common = Range { first: self.first.max(other.first), last: self.last.min(other.last) };
        (common.first <= common.last).then_some(common)
    }

    /// All that begins as this id does.
    pub(super) fn at(id: &Id) -> Range {
        Range { first: id.prefix_u64(), last: id.prefix_u64() }
    }

    /// Whether all of the other lies in this one.
    pub(super) fn contains(&self, other: &Range) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// At most `count` parts of nearly equal length, in order. Roots are hashes: so they hold nearly equal numbers.
    pub(super) fn parts(self, count: u64) -> impl Iterator<Item = Range> {
        let length = (self.last - self.first) / count.max(1);
        let mut next = Some(self.first);
        std::iter::from_fn(move || {
            let first = next?;
            let last = first.saturating_add(length).min(self.last);
            next = last.checked_add(1).filter(|next| *next <= self.last);
            Some(Range { first, last })
        })
    }
}

/// Claims of a shard's in one region from which on a question pays. A guess: finding the root is a routed message there
/// and back, as a claim is, the question and the answers of two shards are three more, a new link as many packets again.
const CLAIMS_A_REGION_MIN: f64 = 8.0;
/// A range of nothing.
pub(super) const NOTHING: Range = Range { first: 1, last: 0 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Contact, NodeName, PublicKey, Role};
    use crate::overlay::view::LeafView;
    use crate::wire::directory::DIGEST_BYTES;
    use proptest::prelude::*;
    use std::sync::Arc;

    const ALL: Range = Range { first: 0, last: u64::MAX };

    fn contact(seed: u8) -> Arc<Contact> {
        let name = NodeName { key: PublicKey::from_bytes([seed; 32]), nonce: 0 };
        Arc::new(Contact::unsigned(name, Role::Server))
    }

    /// Everybody's view of everybody.
    fn views(count: u8) -> Vec<RouteView> {
        let all: Vec<Arc<Contact>> = (0..count).map(contact).collect();
        let view = |me: &Arc<Contact>| {
            let mut others: Vec<Id> = all.iter().map(|other| other.id()).filter(|id| *id != me.id()).collect();
            others.sort_by_key(|other| me.id().clockwise(other));
            let mut view = RouteView::alone(Arc::clone(me), true);
            let before = others.iter().rev().copied().collect();
            view.leaf_set = LeafView { before, after: others, is_whole_ring: true };
            view
        };
        all.iter().map(view).collect()
    }

    proptest! {
        #[test]
        fn each_id_is_rooted_by_one_node_and_by_that_which_is_nearest(count in 2u8..12, keys in prop::collection::vec(any::<[u8; 32]>(), 1..20)) {
            let views = views(count);
            for key in keys.into_iter().map(Id::from_bytes) {
                let place = Range::at(&key);
                let roots: Vec<&RouteView> = views.iter().filter(|view| rooted_part(view, place).is_some()).collect();
                prop_assert_eq!(roots.len(), 1);
                prop_assert!(roots[0].is_root_of(&key));
            }
        }

        #[test]
        fn the_ends_of_a_region_are_its_own_and_hardly_anything_is_nobodys(count in 2u8..12) {
            for view in views(count) {
                let mut covered: u128 = 0;
                for eighth in ALL.parts(8) {
                    let Some(part) = rooted_part(&view, eighth) else { continue };
                    prop_assert!(eighth.contains(&part));
                    covered += u128::from(part.last - part.first) + 1;
                    let mut end = [0xff; 32];
                    end[..8].copy_from_slice(&part.last.to_be_bytes());
                    prop_assert!(view.is_root_of(&Id::from_prefix(part.first)) && view.is_root_of(&Id::from_bytes(end)));
                }
                let (before, after) = (view.leaf_set.before[0], view.leaf_set.after[0]);
                let half = |from: &Id, to: &Id| u128::from(to.prefix_u64().wrapping_sub(from.prefix_u64()) / 2);
                let whole = half(&before, &view.id()) + half(&view.id(), &after);
                prop_assert!(whole - covered <= 2);
            }
        }

        #[test]
        fn parts_leave_nothing_out(first: u64, length: u64, count in 1u64..40) {
            let whole = Range { first, last: first.saturating_add(length) };
            let parts: Vec<Range> = whole.parts(count).collect();
            prop_assert!(parts.len() as u64 <= count + 1);
            prop_assert_eq!((parts[0].first, parts[parts.len() - 1].last), (whole.first, whole.last));
            prop_assert!(parts.windows(2).all(|pair| pair[0].last + 1 == pair[1].first));
            prop_assert!(parts.iter().all(|part| part.first <= part.last));
        }
    }

    #[test]
    fn a_node_that_is_not_ready_or_alone_roots_nothing_for_sure() {
        let mut view = views(3).remove(0);
        assert!(rooted_part(&view, Range { first: view.id().prefix_u64(), last: u64::MAX }).is_some());
        view.ready = false;
        assert_eq!(rooted_part(&view, ALL), None);
        assert_eq!(rooted_part(&RouteView::alone(contact(1), true), ALL), None);
    }

    #[test]
    fn regions_pay_where_a_node_roots_many_of_the_claims() {
        assert!(is_by_region(125_000, Some(1.0 / 100.0)));
        assert!(is_by_region(1_000, Some(1.0 / 1_000.0)));
        assert!(!is_by_region(999, Some(1.0 / 1_000.0)));
        assert!(!is_by_region(125_000, None));
        assert!(!is_by_region(0, Some(1.0)));
    }

    #[test]
    fn few_are_named_many_are_split_and_of_nothing_all_is_made_anew() {
        let of = |count: u32, byte: u8| RangeSum { count, digest: [byte; DIGEST_BYTES] };
        let none = RangeSum::default();
        assert_eq!(found(&of(20, 1), &of(20, 1), &ALL), Verdict::Same);
        assert_eq!(found(&none, &none, &ALL), Verdict::Same);
        assert_eq!(found(&of(20, 1), &none, &ALL), Verdict::Lacking);
        assert_eq!(found(&of(16, 1), &of(15, 2), &ALL), Verdict::Name);
        assert_eq!(found(&none, &of(1, 2), &ALL), Verdict::Name);
        assert_eq!(found(&of(16, 1), &of(17, 2), &ALL), Verdict::Split);
        assert_eq!(found(&of(17, 1), &of(1, 2), &ALL), Verdict::Split);
        assert_eq!(found(&of(17, 1), &of(17, 2), &Range { first: 5, last: 5 }), Verdict::Name);
    }
}
