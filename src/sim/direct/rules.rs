//! Other rules of the next hop, to compare the Forwarder's own with.
//!
//! Owns: prefix routing as Pastry and Tapestry have it, by the best contact or by the longest prefix.
//! Never does: serve a node: nodes have one rule (`overlay/forwarder/next_hop.rs`), experiments choose.

use crate::base::{Id, Span};
use crate::overlay::RouteView;
use crate::overlay::forwarder::ahead::Ahead;
use crate::overlay::forwarder::next_hop::{Course, Hop, Step, next_hop};
use crate::overlay::view::PeerView;
use crate::wire::routing::Why;

/// How a hop's node chooses the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The Forwarder's: of all that is progress the lowest expected latency to the root.
    ExpectedLatency,
    /// Of those that share at least one digit more the nearest by round trip (Castro et al., MSR-TR-2002-82).
    BestContact,
    /// Of those that share the most digits the nearest by round trip.
    LongestPrefix,
}

impl Rule {
    /// Where the message goes next. The rules to compare with use the links of this node alone: neither adverts nor what
    /// lookups taught.
    pub(super) fn next_hop(self, view: &RouteView, course: Course<'_>, ahead: &Ahead) -> Hop {
        match self {
            Rule::ExpectedLatency => next_hop(view, course, ahead),
            Rule::BestContact => by_prefix(view, course, |_, rtt| (0, rtt)),
            Rule::LongestPrefix => by_prefix(view, course, |digits, rtt| (usize::MAX - digits, rtt)),
        }
    }
}

/// The leaf set decides where it covers the key; else the first, as `order` has it, of those that share more digits; else
/// the nearest on the ring of those that share as many and are nearer. (Rowstron and Druschel, Middleware 2001, §2.3.)
fn by_prefix(view: &RouteView, course: Course<'_>, order: impl Fn(usize, Span) -> (usize, Span)) -> Hop {
    let me = view.id();
    let forward = |(id, rtt): (Id, Span), why: Why, closing: bool| {
        Hop::Forward(Step { to: id, target: id, rtt, why, closing, nearest: None })
    };
    let closing = course.closing || view.covers(course.key);
    let usable = |peer: &PeerView| {
        let rtt = peer.link()?.smoothed();
        let id = peer.contact.id();
        (peer.ready && !course.avoid.contains(&id)).then_some((id, rtt))
    };
    if view.covers(course.key) {
        match view.root_in_leaf_set(course.key) {
            Some(root) if root == me => return Hop::Root,
            Some(root) => {
                if let Some(found) = view.peer(&root).and_then(usable) {
                    return forward(found, Why::LeafSet, true);
                }
            }
            None => {}
        }
    }
    let shared = course.key.shared_prefix(&me);
    let longer = |(id, rtt): (Id, Span)| {
        let digits = course.key.shared_prefix(&id);
        (digits > shared && !closing).then_some((order(digits, rtt), id, rtt, digits))
    };
    if let Some((_, id, rtt, digits)) = view.peers.iter().filter_map(usable).filter_map(longer).min() {
        return forward((id, rtt), Why::LongerPrefix { digits: digits as u8 }, closing);
    }
    let closer =
        |(id, _): &(Id, Span)| (closing || course.key.shared_prefix(id) == shared) && id.is_nearer(course.key, &me);
    let nearer = |best: (Id, Span), next: (Id, Span)| if next.0.is_nearer(course.key, &best.0) { next } else { best };
    match view.peers.iter().filter_map(usable).filter(closer).reduce(nearer) {
        Some(found) => forward(found, Why::SamePrefixCloser, closing),
        None => Hop::Stuck,
    }
}
