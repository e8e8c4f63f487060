//! The rule: where a message for a key goes next.
//!
//! Owns: the choice among known nodes, and the reason for it.
//! Never does: send, log, change anything, or mark anything on the message.

use super::ahead::Ahead;
use super::hearsay::Holder;
use crate::base::{Coordinate, Id, Span};
use crate::overlay::view::{PeerView, RouteView, Way};
use crate::wire::probe::ReachEntry;
use crate::wire::routing::{Detour, Why};

/// Where a message goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Nowhere: this node is the key's root.
    Root,
    /// To a linked peer.
    Forward(Step),
    /// Nobody fit for it is known, or all are to be avoided.
    Stuck,
}

/// One step on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The linked peer that gets the message.
    pub to: Id,
    /// The node the step is about: `to`, unless `to` is only the quicker way to it.
    pub target: Id,
    /// Round trip to the target as expected.
    pub rtt: Span,
    /// And to whoever answers; as much, where that was not asked.
    pub cost: Span,
    /// Why this target.
    pub why: Why,
    /// Whether only numeric closeness counts from here on.
    pub closing: bool,
    /// The nearest node to the key that was known, where the choice rested on whether that is the root.
    pub nearest: Option<Id>,
    /// What the target says of a copy, if it was chosen for that.
    pub word: Option<Word>,
}

/// What a neighbour says of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It has one.
    Own,
    /// A neighbour of its own has one, a round trip of so much from it.
    Heard(Span),
}

impl Step {
    /// Whether it carries out another node's choice: the second half of a detour.
    pub fn is_handed_over(&self) -> bool {
        matches!(self.why, Why::Detour { to } if to == self.to)
    }
}

/// What the message has behind it.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// Where it goes.
    pub key: &'a Id,
    /// Whether some hop found the key within its leaf set.
    pub closing: bool,
    /// The node that must be outdone; `None` where any node is progress (the origin is not ready).
    pub floor: Option<&'a Id>,
    /// Peers that were tried in vain.
    pub avoid: &'a [Id],
    /// Whether the message came by a detour already: then the next step is over a link of one's own. Else two
    /// nodes that each believe the other to have the link would hand it to and fro.
    pub is_detoured: bool,
    /// Whether any node that can may answer it, as those can that keep a value: else the root alone does.
    pub any_answers: bool,
    /// Neighbours that say they have a copy, or have heard of one, where that will do: asked whether that is progress or not, and so
    /// at the first two steps only. Whoever has none goes on by the rule, which from there on has its own floor.
    pub holders: &'a [Holder],
    /// How often as long as expected the way to who answers is where none of their words led, in the mean; and what is still to come
    /// then.
    pub long: (f64, Span),
}

impl Word {
    /// The round trip from who says it to the copy.
    fn beyond(self) -> Span {
        match self {
            Word::Own => Span::ZERO,
            Word::Heard(rtt) => rtt,
        }
    }

    /// How much longer than it is the way there seems.
    fn price(self) -> f64 {
        match self {
            Word::Own => 1.0,
            Word::Heard(_) => HEARD_PRICE,
        }
    }
}

impl Course<'_> {
    /// Whether the node whose id begins so was tried in vain.
    fn avoids(&self, id: &Id) -> bool {
        self.avoid.iter().any(|avoided| avoided.begins_like(id))
    }

    /// What this node says of a copy, if it may be believed.
    fn word_of(&self, id: &Id) -> Option<&Holder> {
        self.holders.iter().find(|holder| holder.id == *id).filter(|holder| holder.chance >= BELIEVED)
    }

    /// Whether this node is numerically nearer to the key than the one that must be outdone.
    fn is_nearer(&self, id: &Id) -> bool {
        self.floor.is_none_or(|floor| id.is_nearer(self.key, floor))
    }
}

/// Where a message goes next. Loop-free: each step shares a longer prefix with the key than the floor
/// does, or an equally long one and is numerically closer; once some node has the key within its leaf
/// set only numeric closeness counts, and it only grows. (Rowstron and Druschel, Middleware 2001, §2.3;
/// the choice by expected latency among all that qualify is ours, DESIGN §5.)
pub fn next_hop(view: &RouteView, course: Course<'_>, ahead: &Ahead) -> Hop {
    let covered = view.covers(course.key);
    let course = Course { closing: course.closing || covered, ..course };
    if !course.holders.is_empty()
        && !view.is_root_of(course.key)
        && let Some(step) = cheapest(view, course, ahead).filter(|step| step.word.is_some())
    {
        return Hop::Forward(step);
    }
    let course = Course { holders: &[], long: DIRECT, ..course };
    if covered && let Some(hop) = by_leaf_set(view, course) {
        return hop;
    }
    match cheapest(view, course, ahead) {
        Some(step) => Hop::Forward(step),
        None => Hop::Stuck,
    }
}

/// Where the leaf set, which covers the key, sends the message; nothing, if there is no way to the root it names.
pub(crate) fn by_leaf_set(view: &RouteView, course: Course<'_>) -> Option<Hop> {
    let root = view.root_in_leaf_set(course.key)?;
    if root == view.id() {
        return Some(Hop::Root);
    }
    let step = step_to(view, &root, course, Why::LeafSet)?;
    Some(Hop::Forward(Step { closing: true, ..step }))
}

/// The step to a node that is to be handed the message whatever the rule says: the far end of a detour. Nothing, if it is
/// suspected to be dead, or roots no keys (yet): whoever chose that way does not know it, and the rule goes on from here.
pub fn hand_over(view: &RouteView, detour: Detour, course: Course<'_>) -> Option<Step> {
    let peer = view.peer_like(&detour.to).filter(|peer| peer.ready)?;
    let (to, rtt) = (peer.contact.id(), peer.link()?.smoothed());
    let why = Why::Detour { to };
    let closing = course.closing;
    (!course.avoid.contains(&to)).then_some(Step {
        to,
        target: to,
        rtt,
        cost: rtt,
        why,
        closing,
        nearest: None,
        word: None,
    })
}

/// This step, or the next best one whose peer is not among those that were silent just now; the first if all are. To the
/// key's root itself there is no other way: whoever else gets the message hands it there.
pub fn around_silent(
    view: &RouteView,
    course: Course<'_>,
    ahead: &Ahead,
    step: Step,
    is_silent: impl Fn(&Id) -> bool,
) -> Step {
    let is_end =
        || !course.any_answers && view.covers(course.key) && view.root_in_leaf_set(course.key) == Some(step.to);
    // As a rule nobody was silent: that is asked first.
    if !is_silent(&step.to) || is_end() {
        return step;
    }
    let mut avoid = course.avoid.to_vec();
    let mut silent = step.to;
    for _ in 0..SPARED_AT_ONCE {
        avoid.push(silent);
        match next_hop(view, Course { avoid: &avoid, ..course }, ahead) {
            Hop::Forward(other) if !is_silent(&other.to) => return other,
            Hop::Forward(other) => silent = other.to,
            Hop::Root | Hop::Stuck => break,
        }
    }
    step
}

/// A node that is known, and how it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) id: Id,
    /// The round trip by the best way that is not to be avoided.
    pub(crate) rtt: Span,
    /// The linked peer at the beginning of that way.
    to: Id,
    coordinate: Option<Coordinate>,
}

/// Of all nodes that are progress, the one with the lowest expected latency to the key's root, or to who answers before it.
fn cheapest(view: &RouteView, course: Course<'_>, ahead: &Ahead) -> Option<Step> {
    let nearest = nearest_known(view, course)?;
    let chance_of = if course.any_answers { Ahead::answer_chance } else { Ahead::root_chance };
    let chance = chance_of(ahead, &nearest, course.key);
    let straight = || {
        if chance < CERTAIN {
            return None;
        }
        // What the goal has to do it has anyway.
        let felt = |known: &Known| {
            if known.to == known.id { known.rtt } else { known.rtt.scaled(ahead.loads.factor(&known.to)) }
        };
        let goal = all_known(view, course).filter(|known| known.is(&nearest)).min_by_key(felt);
        goal.and_then(|goal| straight(goal, course))
    };
    if !course.any_answers
        && let Some(step) = straight()
    {
        return Some(Step { nearest: Some(nearest), ..step });
    }
    let there = view.peer_like(&nearest).and_then(|peer| peer.coordinate);
    let mut best: Option<(Span, Step)> = None;
    for known in all_known(view, course) {
        if best.as_ref().is_some_and(|(cost, _)| known.rtt >= *cost) {
            continue;
        }
        let word = course.word_of(&known.id);
        let by_word = word.map(|_| (Why::Holds, course.closing));
        let Some((why, closing)) = by_word.or_else(|| progress(course, &known.id, ahead)) else { continue };
        let is_nearest = known.is(&nearest);
        let at_goal = if is_nearest { Span::ZERO } else { between(known.coordinate, there).unwrap_or(ahead.distant()) };
        let search = if ahead.is_covered(&known.id, course.key) { Span::ZERO } else { SEARCH_PRICE };
        let elsewhere = ahead.distant() + ahead.extra(&known.id, course.key) + search;
        let is_cheaper = |cost: Span| best.as_ref().is_none_or(|(least, _)| cost < *least);
        let beyond = at_goal.scaled(chance) + elsewhere.scaled(1.0 - chance);
        let by_rule = |beyond: Span| (known.rtt + beyond).scaled(course.long.0) + course.long.1;
        let cost = match word {
            Some(Holder { word, chance, .. }) => {
                (known.rtt + word.beyond()).scaled(*chance * word.price()) + by_rule(beyond).scaled(1.0 - chance)
            }
            // Of the nearest it is said already.
            None if is_nearest || !course.any_answers => by_rule(beyond),
            None => by_rule(beyond.scaled(1.0 - ahead.answer_chance(&known.id, course.key))),
        };
        let expected = cost;
        let cost = if is_cheaper(cost) { cost.scaled(ahead.loads.factor(&known.to)) } else { cost };
        if is_cheaper(cost) {
            let step = known.step(Course { closing, ..course }, why);
            best = Some((cost, Step { cost: expected, word: word.map(|holder| holder.word), ..step }));
        }
    }
    let step = best.map(|(_, step)| step).or_else(straight)?;
    Some(Step { nearest: Some(nearest), ..step })
}

/// All ready nodes with a way that is not to be avoided.
fn all_known<'a>(view: &'a RouteView, course: Course<'a>) -> impl Iterator<Item = Known> + 'a {
    reached(view, course).chain(two_links_away(view, course))
}

/// All ready nodes with a link that is not to be avoided.
pub(crate) fn reached<'a>(view: &'a RouteView, course: Course<'a>) -> impl Iterator<Item = Known> + 'a {
    view.peers.iter().filter(|peer| peer.ready).filter_map(move |peer| Known::over_link(peer, course))
}

/// Of the nodes two links away, those next to the key in each neighbour's advert: the numerically nearest and those
/// with the longest prefix are among them. Routing with the neighbours' neighbours in sight takes
/// `log n / log log n` hops where greedy routing takes `log n` (Manku, Naor and Wieder, STOC 2004).
fn two_links_away<'a>(view: &'a RouteView, course: Course<'a>) -> impl Iterator<Item = Known> + 'a {
    let adverts = if course.is_detoured { &[][..] } else { &view.adverts[..] };
    let prefix = course.key.prefix_u64();
    let me = view.id().prefix_u64();
    let floor = course.floor.map_or(me, Id::prefix_u64);
    adverts.iter().filter(move |advert| !course.avoid.contains(&advert.via)).flat_map(move |advert| {
        let known = |entry: &ReachEntry| Known {
            id: Id::from_prefix(entry.peer),
            rtt: advert.rtt + entry.rtt,
            to: advert.via,
            coordinate: None,
        };
        // A name is only the beginning of an id: to be nearer than the floor it must be another.
        let other = move |entry: &&ReachEntry| entry.peer != floor && entry.peer != me;
        advert.next_to(prefix).filter(other).map(known).filter(move |known| !course.avoids(&known.id))
    })
}

/// The step to the nearest node known, where it is all but certainly the root: any way there is progress that is
/// numeric progress, for from then on only that counts. So a key next to a digit's boundary is not led round it.
fn straight(goal: Known, course: Course<'_>) -> Option<Step> {
    let by_rule = longer_or_closer(course, &goal.id);
    let why = by_rule.or(course.is_nearer(&goal.id).then_some(Why::SamePrefixCloser))?;
    Some(goal.step(Course { closing: course.closing || by_rule.is_none(), ..course }, why))
}

/// What a node that is not the nearest known still has before it, at least: the way to that one, as
/// their coordinates tell, and some more: if it had a link there, its adverts would have said so, and the
/// way through it would be known.
fn between(from: Option<Coordinate>, to: Option<Coordinate>) -> Option<Span> {
    Some(from?.rtt_to(&to?).scaled(UNLINKED_FACTOR))
}

/// Whether handing the message to `id` is progress, why, and whether only numeric closeness counts from there on: so it
/// is where a node on the other side of a digit's boundary has the key within its leaf set.
fn progress(course: Course<'_>, id: &Id, ahead: &Ahead) -> Option<(Why, bool)> {
    if let Some(why) = longer_or_closer(course, id) {
        return Some((why, course.closing));
    }
    (course.is_nearer(id) && ahead.is_covered(id, course.key)).then_some((Why::SamePrefixCloser, true))
}

/// Why handing the message to `id` is progress, if it is: a longer prefix, or an equal one and numerically closer.
pub(crate) fn longer_or_closer(course: Course<'_>, id: &Id) -> Option<Why> {
    let digits = course.key.shared_prefix(id);
    let Some(floor) = course.floor else { return Some(Why::LongerPrefix { digits: digits as u8 }) };
    let to_beat = course.key.shared_prefix(floor);
    if !course.closing && digits > to_beat {
        return Some(Why::LongerPrefix { digits: digits as u8 });
    }
    ((course.closing || digits == to_beat) && id.is_nearer(course.key, floor)).then_some(Why::SamePrefixCloser)
}

impl Known {
    /// Whether it is this node, as far as adverts name it.
    fn is(&self, id: &Id) -> bool {
        self.id.begins_like(id)
    }

    /// This peer over its link, or over the quicker way beside it.
    fn over_link(peer: &PeerView, course: Course<'_>) -> Option<Known> {
        let id = peer.contact.id();
        let usable = |candidate: &Id| !course.avoid.contains(candidate);
        let (link, better) = match peer.way {
            Way::Link { rtt } => (rtt, None),
            Way::LinkButBetter { rtt, via, through } => (rtt, Some((via, through))),
            Way::None => return None,
        };
        let better = better.filter(|(via, _)| !course.is_detoured && usable(via));
        let (to, rtt) = better.unwrap_or((id, link.smoothed()));
        usable(&to).then_some(Known { id, rtt, to, coordinate: peer.coordinate })
    }

    pub(crate) fn step(&self, course: Course<'_>, why: Why) -> Step {
        let why = if self.to == self.id { why } else { Why::Detour { to: self.id } };
        let (target, closing, rtt) = (self.id, course.closing, self.rtt);
        Step { to: self.to, target, rtt, cost: rtt, why, closing, nearest: None, word: None }
    }
}

/// The step to this node, over a link or through a neighbour that has one.
pub(super) fn step_to(view: &RouteView, target: &Id, course: Course<'_>, why: Why) -> Option<Step> {
    let linked = view.peer(target).and_then(|peer| Known::over_link(peer, course));
    let through = || {
        let ways = two_links_away(view, Course { key: target, ..course });
        ways.filter(|known| known.is(target)).min_by_key(|known| known.rtt).map(|known| Known { id: *target, ..known })
    };
    Some(linked.or_else(through)?.step(course, why))
}

/// Of the ready nodes known, the nearest to the key, whether there is a way to it or not.
fn nearest_known(view: &RouteView, course: Course<'_>) -> Option<Id> {
    let peers = view.peers.iter().filter(|peer| peer.ready).map(|peer| peer.contact.id());
    let nearer = |best: Id, id: Id| if best.is_nearer(course.key, &id) { best } else { id };
    peers.chain(two_links_away(view, course).map(|known| known.id)).reduce(nearer)
}

/// So many silent peers are gone round before one of them is tried all the same. A guess.
const SPARED_AT_ONCE: usize = 4;
/// How much longer than direct the way between two nodes without a link is: the stretch of two-hop paths
/// between 64 PlanetLab hosts with 24 links each is 1.1 to 1.5 (measured 2026-11-23, before this rule).
const UNLINKED_FACTOR: f64 = 1.5;
/// Who says that it has a copy and has none in more cases than this is asked for its word's sake no more: from where it stands
/// the message may have to come back. A guess.
pub(crate) const BELIEVED: f64 = 0.5;
/// What a further hop is felt to cost beside its time, where a node does not have the key in its leaf set yet: where all
/// are near, paths of many small steps would else be as good as short ones. A guess.
const SEARCH_PRICE: Span = Span::from_millis(2);
/// From this chance on the nearest known node is taken for the root: the best way to it is known, and a step to any
/// other could only be chosen for an error of estimation. A guess.
pub(crate) const CERTAIN: f64 = 0.9;
/// As long as expected, and nothing more to come.
pub(crate) const DIRECT: (f64, Span) = (1.0, Span::ZERO);
/// Whoever has heard of a copy hands on what its neighbour answers: so its way is taken where it is clearly quicker than the others.
const HEARD_PRICE: f64 = 1.5;
