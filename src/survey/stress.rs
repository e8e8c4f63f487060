//! What overlay traffic does to the links and nodes it crosses.
//!
//! Owns: copies of messages per physical link, and messages passed on per node.
//! Never does: route; it is given the physical links of each overlay message.

use super::concentration::Concentration;
use super::distribution::Summary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Link stress as it adds up.
#[derive(Clone, Debug)]
pub struct LinkLoad {
    /// Messages over each link so far.
    messages: Vec<u64>,
    /// How often an operation put so many copies on one link.
    copies: BTreeMap<u64, u64>,
    operations: u64,
    /// Links of the operation at hand, for use again.
    crossed: Vec<u32>,
}

/// What the links carry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkStress {
    /// How many operations were counted.
    pub operations: u64,
    /// Copies of one operation's messages on a link, over the links it used ("stress", Chu et al., SIGMETRICS 2000). 1 is what a
    /// single message on the direct path costs.
    pub copies: Summary,
    /// Messages of all operations on a link, over the links used at all.
    pub load: Summary,
    /// How unevenly the links used are loaded.
    pub concentration: Option<Concentration>,
    /// The share (0 to 1) of all links that were used.
    pub used: f64,
}

/// What the links carry beside what they would carry if each operation took the direct path, as IP itself would.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstDirect {
    /// The same operations on the direct path.
    pub direct: LinkStress,
    /// Links crossed by all messages together, over those crossed on the direct path.
    pub crossings: f64,
    /// Messages on the busiest link, over those on the busiest link of the direct path.
    pub busiest: f64,
}

/// What the nodes pass on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStress {
    /// Messages passed on by a node, idle ones included.
    pub messages: Summary,
    /// Largest, 99th percentile and spread over the mean.
    pub concentration: Concentration,
    /// The share (0 to 1) of nodes that passed nothing on.
    pub idle: f64,
}

impl LinkLoad {
    /// Nothing yet, on links numbered from 0.
    pub fn new(links: usize) -> LinkLoad {
        LinkLoad { messages: vec![0; links], copies: BTreeMap::new(), operations: 0, crossed: Vec::new() }
    }

    /// Counts one operation: of each of its overlay messages the physical links that it crosses. A link that one message crosses
    /// twice counts twice. Links that are not there are passed over.
    pub fn add<P: IntoIterator<Item = u32>>(&mut self, messages: impl IntoIterator<Item = P>) {
        self.crossed.clear();
        self.crossed.extend(messages.into_iter().flatten().filter(|link| (*link as usize) < self.messages.len()));
        self.crossed.sort_unstable();
        for copies in self.crossed.chunk_by(|one, other| one == other) {
            self.messages[copies[0] as usize] += copies.len() as u64;
            *self.copies.entry(copies.len() as u64).or_default() += 1;
        }
        self.operations += 1;
    }

    /// Messages over each link.
    pub fn messages(&self) -> &[u64] {
        &self.messages
    }

    /// The figures so far; `None` if no link was used.
    pub fn stress(&self) -> Option<LinkStress> {
        let used = || self.messages.iter().filter(|messages| **messages > 0).map(|messages| *messages as f64);
        Some(LinkStress {
            operations: self.operations,
            copies: Summary::of_counts(self.copies.iter().map(|(copies, times)| (*copies as f64, *times)))?,
            load: Summary::of(used())?,
            concentration: Concentration::of(used()),
            used: used().count() as f64 / self.messages.len() as f64,
        })
    }
}

impl AgainstDirect {
    /// Compares two loads of the same links; `None` if one of them is nothing.
    pub fn of(routed: &LinkLoad, direct: &LinkLoad) -> Option<AgainstDirect> {
        let over = |of: fn(&[u64]) -> u64| of(routed.messages()) as f64 / of(direct.messages()) as f64;
        routed.stress()?;
        Some(AgainstDirect {
            direct: direct.stress()?,
            crossings: over(|messages| messages.iter().sum()),
            busiest: over(|messages| messages.iter().copied().max().unwrap_or(0)),
        })
    }
}

impl NodeStress {
    /// From the messages that each node passed on; `None` if nobody passed on any.
    pub fn of(messages: &[u64]) -> Option<NodeStress> {
        let all = || messages.iter().map(|messages| *messages as f64);
        Some(NodeStress {
            messages: Summary::of(all())?,
            concentration: Concentration::of(all())?,
            idle: all().filter(|messages| *messages == 0.0).count() as f64 / messages.len() as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_operations_over_five_links_are_counted_by_hand() {
        let mut load = LinkLoad::new(5);
        // Three overlay hops: link 0 is crossed by all three, link 1 by two, link 2 by one.
        load.add([vec![0, 1], vec![1, 0, 2], vec![0]]);
        load.add([vec![3], vec![99]]);
        let stress = load.stress().unwrap();
        assert_eq!(load.messages(), [3, 2, 1, 1, 0]);
        assert_eq!(
            (stress.operations, stress.copies.count, stress.copies.mean, stress.copies.max),
            (2, 4, 7.0 / 4.0, 3.0)
        );
        assert_eq!((stress.copies.p50, stress.load.p90, stress.used), (1.0, 3.0, 0.8));
        assert_eq!(LinkLoad::new(3).stress(), None);
    }

    #[test]
    fn a_detour_is_told_against_the_direct_path() {
        let (mut routed, mut direct) = (LinkLoad::new(4), LinkLoad::new(4));
        assert_eq!(AgainstDirect::of(&routed, &direct), None);
        routed.add([vec![0, 1], vec![1, 2, 3]]);
        direct.add([vec![0, 3]]);
        let against = AgainstDirect::of(&routed, &direct).unwrap();
        assert_eq!((against.crossings, against.busiest, against.direct.load.max), (2.5, 2.0, 1.0));
    }

    #[test]
    fn a_node_that_passes_everything_on_stands_out() {
        let stress = NodeStress::of(&[0, 0, 0, 8]).unwrap();
        assert_eq!((stress.messages.mean, stress.idle, stress.concentration.max_to_mean), (2.0, 0.75, 4.0));
        assert!((stress.concentration.variation - 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(NodeStress::of(&[0, 0]), None);
    }
}
