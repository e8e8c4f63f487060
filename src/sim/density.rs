//! How well the nodes of a simulation know how many they are.
//!
//! Owns: each node's estimate from its own leaf set, from that and those of its contacts, and from that and the roots of
//! random keys, against the truth.
//! Never does: estimate (`survey::size` does, as the Router does), or ask a node.

use crate::base::{Chance, Id};
use crate::overlay::view::LeafView;
use crate::survey::size::{Sighting, SizeError, SizeEstimate};

/// A node that is asked how many there are.
#[derive(Clone, Debug)]
pub struct Teller {
    /// Who.
    pub id: Id,
    /// Its leaf set.
    pub leaf_set: LeafView,
    /// What it shows: made of that and of what its contacts say of theirs.
    pub shown: Option<f64>,
}

/// How far the estimates of some nodes are off.
#[derive(Clone, Copy, Debug, Default)]
pub struct SizeErrors {
    /// From each one's leaf set alone.
    pub own: Option<SizeError>,
    /// From that and what its contacts say of theirs.
    pub by_words: Option<SizeError>,
    /// From its leaf set and the roots of random keys.
    pub by_lookups: Option<SizeError>,
}

/// What a node makes of its own leaf set: as in the Router.
pub fn own_size(me: &Id, leaf_set: &LeafView) -> Option<f64> {
    if leaf_set.is_whole_ring {
        // Everybody is known, and counted.
        return Some((leaf_set.len() + 1) as f64);
    }
    Some(SizeEstimate::of(Sighting::own(me, &leaf_set.before, &leaf_set.after))?.nodes)
}

/// How far the estimates of these nodes are off; each also sees the roots of this many random keys. `root_of` is where a
/// lookup that ends rightly ends.
pub fn size_errors(
    tellers: &[Teller],
    truth: usize,
    lookups: usize,
    root_of: impl Fn(&Id) -> Option<Id>,
    chance: &mut Chance,
) -> SizeErrors {
    let (mut own, mut by_words, mut by_lookups) = (Vec::new(), Vec::new(), Vec::new());
    for Teller { id, leaf_set, shown } in tellers {
        let Some(alone) = own_size(id, leaf_set) else { continue };
        own.push(alone);
        by_words.extend(shown);
        if leaf_set.is_whole_ring {
            by_lookups.push(alone);
            continue;
        }
        let keys = (0..lookups).map(|_| Id::from_bytes(chance.bytes32()));
        let roots: Vec<Sighting> = keys.filter_map(|key| Some(Sighting::nearest(&key, &root_of(&key)?))).collect();
        let around = Sighting::own(id, &leaf_set.before, &leaf_set.after);
        by_lookups.extend(SizeEstimate::of(roots.into_iter().chain(around)).map(|estimate| estimate.nodes));
    }
    SizeErrors {
        own: SizeError::of(own, truth),
        by_words: SizeError::of(by_words, truth),
        by_lookups: SizeError::of(by_lookups, truth).filter(|_| lookups > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::sim::direct::{Built, Recipe};
    use crate::sim::underlay::Uniform;

    fn errors(nodes: usize) -> [SizeError; 3] {
        let (underlay, mut chance) = (Uniform(Span::from_millis(20)), Chance::from_seed(5));
        let recipe = Recipe { coordinates: false, ..Recipe::of(nodes) };
        let built = Built::new(recipe, &underlay, &mut chance, &mut |_| {});
        let tellers: Vec<Teller> = (0..built.len()).step_by(4).map(|node| built.teller(node)).collect();
        let root_of = |key: &Id| built.root_of(key, |_| true).map(|root| built.id(root));
        let errors = size_errors(&tellers, nodes, 32, root_of, &mut chance);
        [errors.own, errors.by_words, errors.by_lookups].map(|error| error.expect("estimates"))
    }

    #[test]
    fn a_leaf_set_tells_to_an_eighth_lookups_make_it_better_and_the_contacts_words_best() {
        let [own, by_words, by_lookups] = errors(4_000);
        assert!((0.10..0.15).contains(&own.error.p50), "{own:?}");
        assert!(by_lookups.error.p50 < 0.10 && by_lookups.error.p50 < own.error.p50, "{by_lookups:?}");
        assert!(by_words.error.p50 < 0.05 && by_words.bias.abs() < 0.02, "{by_words:?}");
    }

    #[test]
    fn few_nodes_count_each_other() {
        let [own, by_words, by_lookups] = errors(20);
        assert_eq!((own.error.max, by_words.error.max, by_lookups.error.max, own.bias), (0.0, 0.0, 0.0, 0.0));
    }
}
