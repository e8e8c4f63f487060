//! Who rooted keys when.
//!
//! Owns: the spans in which each node was ready, and from them whether a node was the root of a key at some moment.
//! Never does: judge what a node says of itself: it takes the word of its view, as lookups do.

use crate::base::{Id, Instant};

/// The spans in which nodes were ready, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub(super) struct Reigns {
    all: Vec<Reign>,
}

#[derive(Clone, Copy, Debug)]
struct Reign {
    node: usize,
    from: Instant,
    /// The first moment at which it was over.
    until: Option<Instant>,
}

impl Reigns {
    /// A node is ready from now on, or is not.
    pub(super) fn note(&mut self, node: usize, ready: bool, now: Instant) {
        if ready {
            self.all.push(Reign { node, from: now, until: None });
        } else if let Some(reign) = self.all.iter_mut().rev().find(|reign| reign.node == node && reign.until.is_none())
        {
            reign.until = Some(now);
        }
    }

    /// Whether at some moment from `from` to `until` this node was ready and no ready node was nearer to the key.
    pub(super) fn was_root(
        &self,
        node: usize,
        key: &Id,
        (from, until): (Instant, Instant),
        id: impl Fn(usize) -> Id,
    ) -> bool {
        let own = id(node);
        let meets = |reign: &&Reign| reign.from <= until && reign.until.is_none_or(|end| end > from);
        let matters = |reign: &&Reign| reign.node == node || id(reign.node).is_nearer(key, &own);
        let seen: Vec<Reign> = self.all.iter().filter(meets).filter(matters).copied().collect();
        // Who is the root changes only where a span begins or ends.
        let turns = seen.iter().flat_map(|reign| [Some(reign.from), reign.until]).flatten();
        let mut moments = turns.chain([from]).filter(|at| (from..=until).contains(at));
        let is_ready = |reign: &Reign, at: Instant| reign.from <= at && reign.until.is_none_or(|end| end > at);
        moments.any(|at| {
            let mut ready = seen.iter().filter(|reign| is_ready(reign, at)).peekable();
            ready.peek().is_some() && ready.all(|reign| reign.node == node)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    #[test]
    fn a_node_is_the_root_while_it_is_ready_and_none_nearer_is() {
        let at = |secs| Instant::ORIGIN + Span::from_secs(secs);
        let mut reigns = Reigns::default();
        let far = Id::from_prefix(1 << 40);
        let ids = [Id::ZERO, far];
        // Node 0, next to the key, is away from 20 to 30; node 1 is there from 10 to 40.
        for (node, ready, secs) in [(0, true, 0), (1, true, 10), (0, false, 20), (0, true, 30), (1, false, 40)] {
            reigns.note(node, ready, at(secs));
        }
        let was_root = |node, from, until| reigns.was_root(node, &Id::ZERO, (at(from), at(until)), |node| ids[node]);
        let table = [
            (0, 0, 5, true),
            (0, 21, 29, false),
            (0, 21, 30, true),
            (1, 11, 19, false),
            (1, 11, 20, true),
            (1, 25, 25, true),
            (1, 30, 50, false),
            (1, 0, 9, false),
        ];
        for (node, from, until, expected) in table {
            assert_eq!(was_root(node, from, until), expected, "{node} {from} {until}");
        }
    }
}
