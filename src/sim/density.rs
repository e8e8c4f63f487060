//! How well the nodes of a simulation know how many they are.
//!
//! Owns: each node's estimate from its own leaf set, and from that and the roots of random keys, against the truth.
//! Never does: estimate (`survey::size` does, as the Router does), or ask a node.

use crate::base::{Chance, Id};
use crate::overlay::view::LeafView;
use crate::survey::size::{Sighting, SizeError, SizeEstimate};

/// How far the estimates of these nodes (id and leaf set) are off: from the leaf set alone, and with the roots of this
/// many random keys each. `root_of` is where a lookup that ends rightly ends.
pub fn size_errors(
    nodes: &[(Id, LeafView)],
    truth: usize,
    lookups: usize,
    root_of: impl Fn(&Id) -> Option<Id>,
    chance: &mut Chance,
) -> (Option<SizeError>, Option<SizeError>) {
    let (mut own, mut by_lookups) = (Vec::new(), Vec::new());
    for (me, leaf_set) in nodes {
        let around = Sighting::own(me, &leaf_set.before, &leaf_set.after);
        if leaf_set.is_whole_ring || around.is_none() {
            // Everybody is known, and counted; keys tell no more.
            let all = (leaf_set.len() + 1) as f64;
            own.push(all);
            by_lookups.push(all);
            continue;
        }
        let keys = (0..lookups).map(|_| Id::from_bytes(chance.bytes32()));
        let roots: Vec<Sighting> = keys.filter_map(|key| Some(Sighting::nearest(&key, &root_of(&key)?))).collect();
        own.extend(SizeEstimate::of(around).map(|estimate| estimate.nodes));
        by_lookups.extend(SizeEstimate::of(roots.into_iter().chain(around)).map(|estimate| estimate.nodes));
    }
    (SizeError::of(own, truth), SizeError::of(by_lookups, truth).filter(|_| lookups > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::sim::direct::{Built, Recipe};
    use crate::sim::underlay::Uniform;

    fn errors(nodes: usize) -> (SizeError, SizeError) {
        let (underlay, mut chance) = (Uniform(Span::from_millis(20)), Chance::from_seed(5));
        let recipe = Recipe { coordinates: false, ..Recipe::of(nodes) };
        let built = Built::new(recipe, &underlay, &mut chance, &mut |_| {});
        let leaf_sets: Vec<_> =
            (0..built.len()).step_by(4).map(|node| (built.id(node), built.leaf_set(node))).collect();
        let root_of = |key: &Id| built.root_of(key, |_| true).map(|root| built.id(root));
        let (own, by_lookups) = size_errors(&leaf_sets, nodes, 32, root_of, &mut chance);
        (own.expect("estimates"), by_lookups.expect("estimates"))
    }

    #[test]
    fn a_leaf_set_tells_to_an_eighth_and_lookups_make_it_better() {
        let (own, by_lookups) = errors(4_000);
        assert!((0.10..0.15).contains(&own.error.p50), "{own:?}");
        assert!(by_lookups.error.p50 < 0.10 && by_lookups.error.p50 < own.error.p50, "{by_lookups:?}");
    }

    #[test]
    fn few_nodes_count_each_other() {
        let (own, by_lookups) = errors(20);
        assert_eq!((own.error.max, by_lookups.error.max, own.bias), (0.0, 0.0, 0.0));
    }
}
