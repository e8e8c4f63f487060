//! What hangs together.
//!
//! Owns: sets of nodes that grow together, and how many and how large they are.
//! Never does: take a node out again; removal is counted backwards.

/// Disjoint sets of nodes, joined by size, with halved paths (Tarjan and van Leeuwen 1984). At first no node is there.
#[derive(Clone, Debug)]
pub struct Components {
    parent: Vec<u32>,
    size: Vec<u32>,
    count: usize,
    largest: u32,
}

impl Components {
    /// Room for nodes `0..nodes`, none of which is there yet.
    pub fn of_none(nodes: usize) -> Components {
        Components { parent: (0..nodes as u32).collect(), size: vec![0; nodes], count: 0, largest: 0 }
    }

    /// The node comes, alone at first. It must not be there already.
    pub fn add(&mut self, node: u32) {
        debug_assert!(!self.has(node), "node {node} is there already");
        self.size[node as usize] = 1;
        self.count += 1;
        self.largest = self.largest.max(1);
    }

    /// The sets of these two nodes, both of which are there, become one.
    pub fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let one_is_larger = self.size[one as usize] >= self.size[other as usize];
        let (root, leaf) = if one_is_larger { (one, other) } else { (other, one) };
        self.parent[leaf as usize] = root;
        self.size[root as usize] += self.size[leaf as usize];
        self.largest = self.largest.max(self.size[root as usize]);
        self.count -= 1;
    }

    /// Whether the node is there.
    pub fn has(&self, node: u32) -> bool {
        self.size[node as usize] > 0
    }

    /// Whether the two are in one set.
    pub fn are_joined(&mut self, one: u32, other: u32) -> bool {
        self.has(one) && self.has(other) && self.root(one) == self.root(other)
    }

    /// How many nodes are in the set of this one.
    pub fn size_at(&mut self, node: u32) -> usize {
        let root = self.root(node);
        self.size[root as usize] as usize
    }

    /// How many sets there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many nodes the largest has.
    pub fn largest(&self) -> usize {
        self.largest as usize
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let above = self.parent[self.parent[node as usize] as usize];
            self.parent[node as usize] = above;
            node = above;
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{petgraph_of, small};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_grow_together() {
        let mut sets = Components::of_none(5);
        (0..4).for_each(|node| sets.add(node));
        sets.join(0, 1);
        sets.join(2, 1);
        sets.join(0, 2);
        assert_eq!((sets.count(), sets.largest(), sets.size_at(2), sets.size_at(3)), (2, 3, 3, 1));
        assert!(sets.are_joined(0, 2) && !sets.are_joined(0, 3) && !sets.are_joined(4, 4));
    }

    proptest! {
        #[test]
        fn there_are_as_many_as_petgraph_finds(graph in small()) {
            let mut sets = Components::of_none(graph.node_count());
            graph.nodes().for_each(|node| sets.add(node));
            graph.edges().for_each(|edge| sets.join(edge.from, edge.to));
            prop_assert_eq!(sets.count(), petgraph::algo::connected_components(&petgraph_of(&graph)));
        }
    }
}
