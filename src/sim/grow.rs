//! From no nodes to an overlay at rest.
//!
//! Owns: joining in waves, and waiting until maintenance changes the tables no more.
//! Never does: build anything itself: the nodes join and maintain as they would on sockets.

use super::stage::Stage;
use super::world::World;
use crate::base::{Id, Span};

/// How the tables stood when the waiting ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settled {
    /// How long it took.
    pub after: Span,
    /// Whether the tables had come to rest; else the bound was reached.
    pub at_rest: bool,
    /// The share (0 to 1) of links and leaf-set entries that changed over the last [`STILL`].
    pub changing: f64,
}

impl Stage {
    /// Adds nodes until there are `nodes`, in crowds: each as large as what is there already, all at one
    /// moment, and the next once the last is ready. `progress` is told how many are ready. Panics, naming
    /// the seed, if a crowd is not ready within ten minutes.
    pub fn join_in_crowds(&mut self, nodes: usize, progress: &mut dyn FnMut(usize)) {
        while self.world.nodes().len() < nodes {
            let there = self.world.nodes().len();
            let crowd = there.max(1).min(nodes - there);
            let gates = self.ready();
            for newcomer in 0..crowd {
                self.enter_through(gates.get(newcomer % gates.len().max(1)).copied());
            }
            let (mut ready, mut waited) = (false, Span::ZERO);
            while !ready && waited < CROWD_MAX {
                self.pass(LOOK_EVERY);
                waited += LOOK_EVERY;
                ready = self.world.nodes().iter().all(|node| node.is_ready());
            }
            assert!(ready, "seed {}: a crowd of {crowd} is not ready after {CROWD_MAX}", self.seed());
            progress(there + crowd);
        }
    }

    /// Lets time pass until fewer than one in a thousand of all links and leaf-set entries change within
    /// [`STILL`], but no longer than that.
    pub fn settle(&mut self, at_most: Span) -> Settled {
        let begun = self.now();
        let mut last = picture(&self.world);
        loop {
            let span = STILL.min(at_most.saturating_sub(self.now().since(begun)));
            self.pass(span);
            let now = picture(&self.world);
            let (changing, after) = (change(&last, &now), self.now().since(begun));
            let at_rest = span == STILL && changing < AT_REST;
            if at_rest || after >= at_most {
                return Settled { after, at_rest, changing };
            }
            last = now;
        }
    }
}

/// Whom each node has a link to or in its leaf set, in order.
fn picture(world: &World) -> Vec<Vec<Id>> {
    let of = |node: &super::Node| {
        let Some(view) = node.view() else { return Vec::new() };
        let linked = |peer: &&crate::overlay::view::PeerView| {
            peer.link().is_some() || view.leaf_set.contains(&peer.contact.id())
        };
        view.peers.iter().filter(linked).map(|peer| peer.contact.id()).collect()
    };
    world.nodes().iter().map(of).collect()
}

/// The share of entries that are in one picture only.
fn change(before: &[Vec<Id>], after: &[Vec<Id>]) -> f64 {
    let missing = |from: &[Id], of: &[Id]| of.iter().filter(|id| from.binary_search(id).is_err()).count();
    let pairs = || before.iter().zip(after);
    let changed: usize = pairs().map(|(before, after)| missing(before, after) + missing(after, before)).sum();
    let all: usize = pairs().map(|(before, after)| before.len() + after.len()).sum();
    changed as f64 / all.max(1) as f64
}

/// Over how long a change is looked for.
pub const STILL: Span = Span::from_secs(30);
/// Fewer changes than this share are rest: links are swapped for better ones for ever, at most one a node in
/// ten minutes. A guess.
const AT_REST: f64 = 0.001;
/// How often readiness is looked at. A guess.
const LOOK_EVERY: Span = Span::from_millis(200);
/// How long a crowd may take. A guess.
const CROWD_MAX: Span = Span::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::check::leaf_sets;

    #[test]
    fn crowds_come_to_rest_with_exact_leaf_sets() {
        let mut stage = Stage::bare(5);
        let mut told = Vec::new();
        stage.join_in_crowds(20, &mut |ready| told.push(ready));
        assert_eq!(told, [1, 2, 4, 8, 16, 20]);
        let settled = stage.settle(Span::from_secs(300));
        assert!(settled.at_rest, "{settled:?}");
        assert!(leaf_sets::check(&stage.world).is_empty());
        let again = stage.settle(Span::from_secs(10));
        assert!(!again.at_rest && again.after == Span::from_secs(10), "too short to tell: {again:?}");
    }
}
