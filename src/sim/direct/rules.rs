//! Other rules of the next hop, to compare the Forwarder's own with.
//!
//! Owns: prefix routing as Pastry and Tapestry have it, by the best contact or by the longest prefix.
//! Never does: serve a node: nodes have one rule (`overlay/forwarder/next_hop.rs`), experiments choose.

use crate::base::Span;
use crate::overlay::RouteView;
use crate::overlay::forwarder::ahead::Ahead;
use crate::overlay::forwarder::next_hop::{Course, Hop, Known, by_leaf_set, longer_or_closer, next_hop, reached};
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
    let covered = view.covers(course.key);
    if covered && let Some(hop) = by_leaf_set(view, course) {
        return hop;
    }
    let course = Course { closing: course.closing || covered, ..course };
    let (mut longer, mut closer): (Option<(_, Known, Why)>, Option<Known>) = (None, None);
    for known in reached(view, course) {
        match longer_or_closer(course, &known.id) {
            Some(why @ Why::LongerPrefix { digits }) => {
                let place = (order(usize::from(digits), known.rtt), known.id);
                if longer.as_ref().is_none_or(|(best, ..)| place < *best) {
                    longer = Some((place, known, why));
                }
            }
            Some(_) if closer.is_none_or(|best| known.id.is_nearer(course.key, &best.id)) => closer = Some(known),
            _ => {}
        }
    }
    let chosen = longer.map(|(_, known, why)| (known, why)).or(closer.map(|known| (known, Why::SamePrefixCloser)));
    chosen.map_or(Hop::Stuck, |(known, why)| Hop::Forward(known.step(course, why)))
}
