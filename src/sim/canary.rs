//! Bugs to order.
//!
//! Owns: what a host of nodes might do to them by mistake, so that the checkers can show that they notice.
//! Never does: anything unless a plan asks for it.

use crate::overlay::view::{LeafView, RouteView};
use crate::overlay::{Fact, Station};
use std::sync::Arc;

/// A bug that a world has if its plan says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Forwarders are not told of the node before theirs on the ring: they root keys to which that one is closer, with a
    /// leaf set that cannot vouch for it.
    RootsUnvouched,
    /// Directories are never woken: whatever they wait for does not come.
    ForgetsDirectories,
}

impl Canary {
    /// Whether this machine's deadlines are forgotten.
    pub(super) fn forgets(self, station: Station) -> bool {
        self == Canary::ForgetsDirectories && matches!(station, Station::Shard(_))
    }

    /// What becomes of a fact on its way to this machine.
    pub(super) fn bend(self, fact: Fact, to: Station) -> Fact {
        match (self, fact, to) {
            (Canary::RootsUnvouched, Fact::View(view), Station::Forwarder) => {
                let before = view.leaf_set.before.iter().skip(1).copied().collect();
                let leaf_set = LeafView { before, ..view.leaf_set.clone() };
                Fact::View(Arc::new(RouteView { leaf_set, ..(*view).clone() }))
            }
            (_, fact, _) => fact,
        }
    }
}
