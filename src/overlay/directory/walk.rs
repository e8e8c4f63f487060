//! Walking the regions of a ring, and renewing in each what this node claims.
//!
//! Owns: the walkers: finding a region's root, the question, what differs, down to names.
//! Never does: remember a region beyond its end, or trust a root with more than it was trusted with when the claims
//! were made: a liar can only withhold.

use super::Directory;
use super::away::{Due, Routed};
use super::ground::Counter;
use super::ranges::{SPLIT, Verdict};
use super::regions::{found, rooted_part};
use super::renewal::{Listed, RENEW_PAUSE, SINGLY_MAX, Single};
use crate::base::{Id, Span};
use crate::identity::Contact;
use crate::overlay::contract::Failure;
use crate::wire::Directory as Message;
use crate::wire::directory::{Answer, CLAIMED_MAX, Claimed, RANGES_MAX, Range, RangeSum, Request};
use crate::wire::routing::Errand;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who walks a stretch of the ring, one region after the other.
pub(super) struct Walker {
    /// What lies ahead; nothing at the end.
    left: Option<Range>,
    step: Step,
    /// In vain, in the present region.
    tries: u8,
}

/// What a walker is at.
enum Step {
    /// It goes on when it is woken.
    Resting,
    /// It has asked who roots the next claim.
    Seeking { number: u64 },
    /// It has asked the root.
    Asking(Box<Question>),
}

/// A question to one root.
struct Question {
    peer: Arc<Contact>,
    salt: u64,
    ranges: Vec<Range>,
    named: bool,
    /// The claim for which the root was sought.
    key: Id,
    rest: Rest,
    /// Shards of the root that have answered.
    heard: BTreeSet<u8>,
    told: Option<Renewed>,
    /// Whether they do not cover the same.
    is_torn: bool,
}

/// What is still to be asked about a region that differs.
#[derive(Default)]
struct Rest {
    /// The region, once its root has said how far it goes.
    region: Option<Range>,
    to_split: Vec<Range>,
    /// With the number of claims that the root has there.
    to_name: Vec<(Range, u32)>,
    /// Asked about it so far.
    questions: u32,
    /// Claims found too many so far.
    too_many: usize,
}

/// A root's answer.
pub(super) struct Renewed {
    pub(super) covered: Range,
    pub(super) sums: Vec<RangeSum>,
    pub(super) claims: Vec<Claimed>,
}

impl Directory {
    /// A walker goes on, or was not answered.
    pub(super) fn on_walk(&mut self, number: u8) {
        if self.leaving.is_some() {
            return self.publications.end_renewals();
        }
        match self.walker(number).map(|walker| &walker.step) {
            Some(Step::Resting) => self.walk(number),
            Some(Step::Asking(_)) => {
                self.ground.tally.count(Counter::Renewals, "silent");
                self.in_vain(number);
            }
            Some(Step::Seeking { .. }) | None => {}
        }
    }

    /// Somebody says that it roots the walker's next claim, or nobody does.
    pub(super) fn on_root_found(&mut self, number: u8, route: u64, answer: Result<Answer, Failure>) {
        let is_sought =
            |walker: &&mut Walker| matches!(walker.step, Step::Seeking { number: sought } if sought == route);
        let Some(walker) = self.walker(number).filter(is_sought) else { return };
        walker.step = Step::Resting;
        let Some(key) = self.next_due(number).map(|(root, _)| root) else { return self.walk(number) };
        let root = match answer {
            Ok(Answer::Holders { holders, .. }) => holders.into_iter().next(),
            _ => None,
        };
        match root.map(|root| root.contact) {
            Some(root) if root.id() != self.ground.me() => self.ask_region(number, key, Arc::new(root)),
            _ => self.in_vain(number),
        }
    }

    /// A shard of a root answers.
    pub(super) fn on_renewed(&mut self, from: Id, salt: u64, (shard, shards): (u8, u8), told: Renewed) {
        let walkers = self.publications.round.iter_mut().flat_map(|round| &mut round.walkers);
        let asking = walkers.zip(0u8..).find_map(|(walker, number)| match &mut walker.step {
            Step::Asking(question) if question.salt == salt && question.peer.id() == from => Some((number, question)),
            _ => None,
        });
        let fits = |question: &Question| question.ranges.len() == told.sums.len() && shard < shards;
        let Some((number, question)) = asking.filter(|(_, question)| fits(question)) else {
            return self.ground.tally.count(Counter::Ignored, "renewed");
        };
        if question.heard.insert(shard) {
            question.take_in(told);
        }
        if question.heard.len() < usize::from(shards) {
            return;
        }
        self.ground.deadlines.clear(&Due::Walk(number));
        let Some(walker) = self.walker(number) else { return };
        if let Step::Asking(question) = std::mem::replace(&mut walker.step, Step::Resting) {
            self.judge(number, *question);
        }
    }

    fn walker(&mut self, number: u8) -> Option<&mut Walker> {
        self.publications.round.as_mut()?.walkers.get_mut(usize::from(number))
    }

    /// The next claim of a walker's to be renewed.
    fn next_due(&self, number: u8) -> Option<(Id, Listed)> {
        let round = self.publications.round.as_ref()?;
        let left = round.walkers.get(usize::from(number))?.left?;
        round.listed(&left).find(|(_, listed)| listed.is_due).map(|(root, listed)| (*root, *listed))
    }

    /// Begins with the next region.
    fn walk(&mut self, number: u8) {
        if !self.ground.view.ready || self.publications.singly.len() >= SINGLY_MAX {
            return self.ground.wake(Due::Walk(number), RENEW_PAUSE);
        }
        let Some((key, listed)) = self.next_due(number) else { return self.stretch_over(number) };
        let place = Range::at(&key);
        let Some(walker) = self.walker(number) else { return };
        let (tries, left) = (walker.tries, walker.left.unwrap_or(place));
        let view = &self.ground.view;
        if view.is_root_of(&key) {
            // Nobody asks itself: claims with this very node go the way of new ones, which is none at all.
            let own = rooted_part(view, left).filter(|own| own.contains(&place));
            return match own {
                Some(own) => self.renew_range_singly(number, own),
                None => {
                    self.queue_single(Single::Root { object: listed.object, salt: listed.salt });
                    self.go_on_behind(number, place.last);
                }
            };
        }
        let known = view.root_in_leaf_set(&key).filter(|_| tries == 0 && view.covers(&key));
        match known.and_then(|root| self.ground.contact(&root)) {
            Some(root) => self.ask_region(number, key, root),
            None => {
                let to = (key, Errand::Root);
                let routed = Routed::Who { walker: number };
                let route = self.route_as(routed, to, &Request::Who { object: key }, WHO_WAIT);
                if let Some(walker) = self.walker(number) {
                    walker.step = Step::Seeking { number: route };
                }
            }
        }
    }

    /// Asks a root about all that lies ahead, as far as this node may have to compare it.
    fn ask_region(&mut self, number: u8, key: Id, root: Arc<Contact>) {
        let Some(round) = &self.publications.round else { return };
        let Some(left) = round.walkers.get(usize::from(number)).and_then(|walker| walker.left) else { return };
        let enough = round.listed(&left).nth(CLAIMS_ASKED_MAX).map(|(root, _)| root.prefix_u64());
        let last = enough.map_or(left.last, |prefix| prefix.max(key.prefix_u64()));
        // Nobody is believed to root very much more than its share.
        let longest = self.ground.view.spacing().map(|spacing| spacing * REGION_SHARES_MAX);
        let last = last.min(region_behind(&key, longest).last);
        self.ask_root(number, Question::new(root, key, vec![Range { first: left.first, last }], Rest::default()));
    }

    fn ask_root(&mut self, number: u8, mut question: Question) {
        question.salt = self.ground.chance.next_u64();
        let slice = self.sharding.slice(self.ground.shard);
        let (salt, ranges, named) = (question.salt, question.ranges.clone(), question.named);
        self.ground.tally.count(Counter::Renewals, "question");
        self.ground.send(&question.peer, Message::Renew { salt, slice, ranges, named });
        let wait = self.ground.answer_wait(&question.peer.id());
        self.ground.wake(Due::Walk(number), wait);
        if let Some(walker) = self.walker(number) {
            walker.step = Step::Asking(Box::new(question));
        }
    }

    /// All shards of a root have answered.
    fn judge(&mut self, number: u8, question: Question) {
        let Question { peer, ranges, named, key, mut rest, told, is_torn, salt, .. } = question;
        let Some(told) = told else { return };
        let (covered, place) = (told.covered, Range::at(&key));
        let is_enough = match rest.region {
            None => covered.contains(&place),
            Some(_) => !is_torn && ranges.iter().all(|range| covered.contains(range)),
        };
        if !is_enough {
            self.ground.tally.count(Counter::Renewals, "not_covered");
            return self.in_vain(number);
        }
        if is_torn {
            // Its shards have gone differently far: once more, as far as all of them went.
            return match self.walker(number).map(|walker| walker.tries) {
                Some(tries) if tries < TRIES_MAX => {
                    self.note_try(number);
                    self.ask_root(number, Question::new(peer, key, vec![covered], Rest::default()));
                }
                _ => self.in_vain(number),
            };
        }
        if rest.region.is_none() {
            self.ground.tally.count(Counter::Renewals, "region");
            rest.region = Some(covered);
        }
        for (range, theirs) in ranges.iter().zip(&told.sums) {
            let Some(range) = range.within(&covered) else { continue };
            match named {
                true => self.compare_names(range, &told.claims, &mut rest),
                false => self.compare_sums((salt, range), theirs, &mut rest),
            }
        }
        rest.questions += 1;
        match rest.next_question() {
            Some(_) if rest.questions >= QUESTIONS_MAX => self.give_up(number),
            Some((ranges, named)) => {
                self.ask_root(number, Question { named, ..Question::new(peer, key, ranges, rest) });
            }
            None => self.go_on_behind(number, rest.region.map_or(place.last, |region| region.last)),
        }
    }

    fn compare_sums(&mut self, (salt, range): (u64, Range), theirs: &RangeSum, rest: &mut Rest) {
        let own = self.own_sum(salt, &range);
        match found(&own, theirs, &range) {
            Verdict::Same => self.ground.tally.add(Counter::Renewals, "by_range", u64::from(own.count)),
            Verdict::Lacking => {
                self.ground.tally.count(Counter::Renewals, "range_lacking");
                self.queue_range(&range, |_| true);
            }
            Verdict::Name => {
                self.ground.tally.count(Counter::Renewals, "range_named");
                rest.to_name.push((range, theirs.count));
            }
            Verdict::Split => {
                self.ground.tally.count(Counter::Renewals, "range_split");
                rest.to_split.extend(range.parts(SPLIT as u64));
            }
        }
    }

    /// What the root lacks is made anew, what it has too many is withdrawn.
    fn compare_names(&mut self, range: Range, claims: &[Claimed], rest: &mut Rest) {
        let named = claims.iter().map(|claimed| (claimed.object.salted(claimed.salt), claimed));
        let is_within = |root: &Id| range.contains(&Range::at(root));
        let mut theirs: BTreeMap<Id, &Claimed> = named.filter(|(root, _)| is_within(root)).collect();
        let Some(round) = &self.publications.round else { return };
        let own: Vec<(Id, Listed)> = round.listed(&range).map(|(root, listed)| (*root, *listed)).collect();
        for (root, Listed { object, salt, .. }) in own {
            let told = theirs.remove(&root).map(|claimed| claimed.version);
            match told.is_some() && told == self.own_version(&object) {
                true => self.ground.tally.count(Counter::Renewals, "by_name"),
                false => self.queue_single(Single::Root { object, salt }),
            }
        }
        let all_salts = 0..super::ROOTS_PER_OBJECT;
        for Claimed { object, salt, .. } in theirs.into_values().copied() {
            let is_forgotten = all_salts.contains(&salt) && self.own_version(&object).is_none();
            if is_forgotten && rest.too_many < TOO_MANY_MAX {
                rest.too_many += 1;
                self.ground.tally.count(Counter::Renewals, "too_many");
                self.queue_single(Single::Root { object, salt });
            }
        }
    }

    /// It came to nothing: once more after a pause, or singly.
    fn in_vain(&mut self, number: u8) {
        self.note_try(number);
        let Some(walker) = self.walker(number) else { return };
        walker.step = Step::Resting;
        let tries = walker.tries;
        if tries < TRIES_MAX {
            let pause = self.ground.chance.jittered(RENEW_PAUSE * (1 << tries), 0.5);
            return self.ground.wake(Due::Walk(number), pause);
        }
        self.give_up(number);
    }

    /// As much as a region has in the mean is renewed singly.
    fn give_up(&mut self, number: u8) {
        let Some((key, _)) = self.next_due(number) else { return self.walk(number) };
        self.ground.tally.count(Counter::Renewals, "given_up");
        let expected = region_behind(&key, self.ground.view.spacing());
        self.renew_range_singly(number, expected);
    }

    fn note_try(&mut self, number: u8) {
        if let Some(walker) = self.walker(number) {
            walker.tries += 1;
        }
    }

    /// All that is due in this range, which is the next of a walker's, is renewed singly.
    fn renew_range_singly(&mut self, number: u8, range: Range) {
        let left = self.walker(number).and_then(|walker| walker.left);
        if let Some(range) = left.and_then(|left| left.within(&range)) {
            self.queue_range(&range, |listed| listed.is_due);
            self.go_on_behind(number, range.last);
        }
    }

    fn queue_range(&mut self, range: &Range, is_meant: impl Fn(&Listed) -> bool) {
        let Some(round) = &self.publications.round else { return };
        let meant: Vec<Listed> = round.listed(range).map(|(_, listed)| *listed).filter(is_meant).collect();
        for Listed { object, salt, .. } in meant {
            self.queue_single(Single::Root { object, salt });
        }
    }

    /// The walker is done with everything up to here.
    fn go_on_behind(&mut self, number: u8, last: u64) {
        let Some(walker) = self.walker(number) else { return };
        let ahead = |left: Range| Some(Range { first: last.checked_add(1)?, last: left.last });
        walker.left = walker.left.and_then(ahead).filter(|left| left.first <= left.last);
        (walker.tries, walker.step) = (0, Step::Resting);
        self.ground.wake(Due::Walk(number), REGION_PAUSE);
    }

    fn stretch_over(&mut self, number: u8) {
        if let Some(walker) = self.walker(number) {
            walker.left = None;
        }
        let round = self.publications.round.as_ref();
        if round.is_some_and(|round| round.walkers.iter().all(|walker| walker.left.is_none())) {
            self.part_over();
        }
    }
}

impl Walker {
    pub(super) fn new(stretch: Range) -> Walker {
        Walker { left: Some(stretch), step: Step::Resting, tries: 0 }
    }
}

impl Question {
    fn new(peer: Arc<Contact>, key: Id, ranges: Vec<Range>, rest: Rest) -> Question {
        let (heard, told) = (BTreeSet::new(), None);
        Question { peer, salt: 0, ranges, named: false, key, rest, heard, told, is_torn: false }
    }

    /// What one more shard says.
    fn take_in(&mut self, told: Renewed) {
        let Some(before) = &mut self.told else {
            self.told = Some(told);
            return;
        };
        self.is_torn |= before.covered != told.covered;
        let Range { first, last } = told.covered;
        before.covered = Range { first: before.covered.first.max(first), last: before.covered.last.min(last) };
        before.sums.iter_mut().zip(&told.sums).for_each(|(sum, more)| sum.merge(more));
        before.claims.extend(told.claims);
    }
}

impl Rest {
    /// The ranges to be asked about next, in order, and whether by name.
    fn next_question(&mut self) -> Option<(Vec<Range>, bool)> {
        if !self.to_split.is_empty() {
            let behind = self.to_split.split_off(self.to_split.len().min(RANGES_MAX));
            let mut ranges = std::mem::replace(&mut self.to_split, behind);
            ranges.sort_unstable_by_key(|range| range.first);
            return Some((ranges, false));
        }
        self.to_name.sort_unstable_by_key(|(range, _)| range.first);
        let mut names = 0;
        let fits = |(_, count): &&(Range, u32)| {
            names += *count as usize;
            names <= CLAIMED_MAX
        };
        let many = self.to_name.iter().take(RANGES_MAX).take_while(fits).count().max(1);
        let ranges: Vec<Range> = self.to_name.drain(..many.min(self.to_name.len())).map(|(range, _)| range).collect();
        (!ranges.is_empty()).then_some((ranges, true))
    }
}

/// What begins like this key and behind it, for such a share of the ring.
fn region_behind(key: &Id, share: Option<f64>) -> Range {
    let first = key.prefix_u64();
    let length = (share.unwrap_or(0.0) * u64::MAX as f64) as u64;
    Range { first, last: first.saturating_add(length) }
}

/// One in 300 regions is longer than so many times the mean (two halves of exponential gaps): it takes another question.
/// A root that lies about how far it goes keeps no more claims than these from being renewed.
const REGION_SHARES_MAX: f64 = 8.0;
/// Questions about one region that differs, before its claims are renewed singly: so a root that says anything ends.
/// Twelve find half of 2,048 claims missing here and there.
const QUESTIONS_MAX: u32 = 64;
/// Claims withdrawn in one region and round because a root says it has them: each is a message to somebody. More in
/// the next round.
const TOO_MANY_MAX: usize = 256;
/// Own claims compared in one question: their sum takes some 1 ms.
const CLAIMS_ASKED_MAX: usize = 2_048;
/// Tries for one region before its claims are renewed singly. A guess: the same as for a dead link.
const TRIES_MAX: u8 = 3;
/// Between two regions of one walker: with four walkers at most 80 questions a second. A guess.
const REGION_PAUSE: Span = Span::from_millis(50);
/// Wait for the word who roots a claim; as for a deposit's.
const WHO_WAIT: Span = Span::from_secs(4);
