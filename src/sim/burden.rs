//! What lookups load the network with.
//!
//! Owns: the physical links and the nodes that lookups cross, beside what the direct path would cross.
//! Never does: count the answer: it goes back the same way and doubles everything.

use super::look::Look;
use super::underlay::Underlay;
use crate::survey::stress::{AgainstDirect, LinkLoad, LinkStress, NodeStress};

/// What these lookups put on physical links, and that against the direct path; `None` where the underlay has none, or
/// no lookup crosses any. Each must tell its path.
pub fn link_stress<'a>(
    looks: impl IntoIterator<Item = &'a Look>,
    underlay: &dyn Underlay,
) -> Option<(LinkStress, AgainstDirect)> {
    if underlay.links() == 0 {
        return None;
    }
    let (mut routed, mut direct) = (LinkLoad::new(underlay.links()), LinkLoad::new(underlay.links()));
    for look in looks {
        let Some(root) = look.path.last() else { continue };
        let begins = std::iter::once(&look.from).chain(&look.path);
        routed.add(begins.zip(&look.path).map(|(from, to)| underlay.path(*from, *to)));
        direct.add([underlay.path(look.from, *root)]);
    }
    Some((routed.stress()?, AgainstDirect::of(&routed, &direct)?))
}

/// How these lookups load the nodes that pass them on: neither asker nor root. `None` if nobody passes on any.
pub fn node_stress<'a>(looks: impl IntoIterator<Item = &'a Look>, nodes: usize) -> Option<NodeStress> {
    let mut passed = vec![0u64; nodes];
    for look in looks {
        let between = look.path.split_last().map_or(&[][..], |(_, between)| between);
        between.iter().for_each(|node| passed[*node] += 1);
    }
    NodeStress::of(&passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Id, Instant, Span};
    use crate::sim::underlay::Uniform;

    /// Nodes along a road, a link between each and the next.
    struct Road;

    impl Underlay for Road {
        fn one_way(&self, from: usize, to: usize) -> Span {
            Span::from_millis(from.abs_diff(to) as u64)
        }

        fn path(&self, from: usize, to: usize) -> Vec<u32> {
            (from.min(to) as u32..from.max(to) as u32).collect()
        }

        fn links(&self) -> usize {
            9
        }
    }

    fn look(from: usize, path: &[usize]) -> Look {
        let (root, hops) = (Ok(*path.last().unwrap_or(&from)), path.len());
        let (key, routed, direct) = (Id::ZERO, Span::ZERO, Span::ZERO);
        Look { from, key, asked: Instant::ORIGIN, root, hops, path: path.to_vec(), routed, direct }
    }

    #[test]
    fn a_hop_too_far_crosses_links_twice() {
        // From 0 over 5 back to 3: links 0 to 4, then 4 and 3 again.
        let looks = [look(0, &[5, 3]), look(7, &[])];
        let (routed, against) = link_stress(&looks, &Road).expect("links");
        assert_eq!((routed.operations, routed.copies.max, routed.load.max), (1, 2.0, 2.0));
        assert_eq!((against.crossings, against.busiest), (7.0 / 3.0, 2.0));
        assert_eq!(link_stress(&looks, &Uniform(Span::ZERO)), None);
    }

    #[test]
    fn who_asks_or_answers_passes_nothing_on() {
        let looks = [look(0, &[1, 2, 3]), look(1, &[2, 4]), look(1, &[])];
        let stress = node_stress(&looks, 5).expect("some");
        assert_eq!((stress.messages.max, stress.messages.mean, stress.idle), (2.0, 0.6, 0.6));
        assert_eq!(node_stress(&looks[2..], 5), None);
    }
}
