//! Who still finds whom over tables that were built directly, when nodes are dead and nobody repairs.
//!
//! Owns: lookups between the living by the Forwarder's rule, at each share of dead nodes, and how they ended.
//! Never does: leave anybody dead, or let nodes learn who is: each finds out by trying in vain.

use super::{Trip, Walker};
use crate::base::Chance;
use crate::survey::graph::Undirected;
use crate::survey::reach::{End, Ends, Reach, fallen};
use crate::wire::routing::HOPS_MAX;

impl Walker<'_> {
    /// How this many lookups of living nodes' ids fare at each of these shares (0 to 1) of dead nodes, drawn anew for each; a share that
    /// leaves nobody is left out. Given the graph of links it is also told what could have been found.
    pub fn reach(
        &mut self,
        graph: Option<&Undirected>,
        shares: &[f64],
        lookups: usize,
        chance: &mut Chance,
    ) -> Vec<Reach> {
        let nodes = self.built().len();
        let told = |dead: &f64| {
            let mut chance = chance.fork();
            let (is_dead, living) = fallen(nodes, *dead, &mut chance);
            self.revive();
            self.kill((0..nodes).filter(|node| is_dead[*node]));
            let mut ends = Ends::new(graph, &is_dead);
            for _ in 0..lookups {
                // Of ids: the neighbours of a dead root go on believing in it, as nobody repairs, and own up to nothing.
                let (from, to) = (*chance.pick(&living)?, *chance.pick(&living)?);
                let key = self.built().id(to as usize);
                let root = self.root_of(&key);
                let trip = self.walk(from as usize, key);
                ends.add(end(&trip, root), from, root.map(|root| root as u32));
            }
            ends.told(*dead)
        };
        let reached = shares.iter().filter_map(told).collect();
        self.revive();
        reached
    }
}

fn end(trip: &Trip, root: Option<usize>) -> End {
    match trip.root {
        Some(_) if trip.root == root => End::Root { hops: trip.path.len() as u32 },
        Some(_) => End::Elsewhere,
        None if trip.path.len() > usize::from(HOPS_MAX) => End::Astray,
        None => End::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::sim::direct::{Built, Recipe};
    use crate::sim::underlay::Uniform;
    use crate::survey::Graph;

    #[test]
    fn with_nobody_dead_all_is_found_and_with_more_dead_less() {
        let (underlay, mut chance) = (Uniform(Span::from_millis(20)), Chance::from_seed(5));
        let recipe = Recipe { leaf_set_per_side: 2, contacts_per_slot: 1, adverts: 0, ..Recipe::of(600) };
        let built = Built::new(recipe, &underlay, &mut chance, &mut |_| {});
        let rows = (0..built.len()).map(|node| built.contacts_of(node).into_iter().map(|peer| peer as u32));
        let graph = Graph::from_rows(rows).expect("a graph").undirected().expect("small");
        let mut walker = Walker::new(&built, &underlay);
        let reached = walker.reach(Some(&graph), &[0.0, 0.3, 0.6, 1.0], 300, &mut chance);
        let found: Vec<f64> = reached.iter().map(|reach| reach.found.share).collect();
        assert!(found.len() == 3 && found[0] == 1.0 && found[1] < 1.0 && found[2] < found[1], "{found:?}");
        assert!(reached.iter().all(|reach| reach.joined.is_some_and(|joined| joined.share >= reach.found.share)));
        assert!((0..built.len()).all(|node| !walker.is_dead(node)), "all live again");
    }
}
