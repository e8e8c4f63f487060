//! Degrees.
//!
//! Owns: how many others the nodes know, by how many they are known, and how much of that a few collect.
//! Never does: count an edge twice.

use super::concentration::Concentration;
use super::distribution::Summary;
use super::graph::Graph;
use serde::{Deserialize, Serialize};

/// Degrees of a directed graph, in edges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Degrees {
    /// How many others a node knows.
    pub out: Summary,
    /// How many others know a node.
    pub inward: Summary,
    /// How unevenly being known is spread; `None` if there is no edge.
    pub concentration: Option<Concentration>,
}

impl Degrees {
    /// The degrees of this graph; `None` if it has no node.
    pub fn of(graph: &Graph) -> Option<Degrees> {
        let inward: Vec<f64> = graph.in_degrees().into_iter().map(f64::from).collect();
        Some(Degrees {
            out: Summary::of(graph.nodes().map(|node| graph.out_degree(node) as f64))?,
            inward: Summary::of(inward.iter().copied())?,
            concentration: Concentration::of(inward),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{graph, petgraph_of, small};
    use super::*;
    use petgraph::Direction;
    use proptest::prelude::*;

    #[test]
    fn a_star_whose_rim_knows_its_centre_is_concentrated_there() {
        let degrees = Degrees::of(&graph(4, &[(1, 0), (2, 0), (3, 0)])).unwrap();
        assert_eq!((degrees.out.mean, degrees.out.max, degrees.inward.max, degrees.inward.p50), (0.75, 1.0, 3.0, 0.0));
        let concentration = degrees.concentration.unwrap();
        assert_eq!((concentration.gini, concentration.max_to_mean, concentration.top_percent), (0.75, 4.0, 1.0));
        assert_eq!(Degrees::of(&graph(2, &[])).unwrap().concentration, None);
        assert_eq!(Degrees::of(&graph(0, &[])), None);
    }

    proptest! {
        #[test]
        fn degrees_are_those_of_petgraph(graph in small()) {
            let other = petgraph_of(&graph);
            let of = |way| Summary::of(other.node_indices().map(|node| other.edges_directed(node, way).count() as f64));
            let degrees = Degrees::of(&graph).unwrap();
            prop_assert_eq!(Some(degrees.out), of(Direction::Outgoing));
            prop_assert_eq!(Some(degrees.inward), of(Direction::Incoming));
        }
    }
}
