//! What this node holds for others, and says so.
//!
//! Owns: the objects published here, the claims and withdrawals on their way to the objects' roots.
//! Never does: keep the claims of others, or decide when and how a claim is renewed (that is `renewal`).
//!
//! A claim that is deposited leaves a copy at each hop; one that is renewed by range does not: copies in passing end with
//! the lifetime they were made for, and from then on a locate goes all the way to a root.

use super::Directory;
use super::amend::Why;
use super::away::{Due, Routed};
use super::ground::Counter;
use super::keep::{Keep, KeptThen};
use super::renewal::{Round, SINGLY_MAX, Single};
use super::wishes::Work;
use crate::base::{Id, Span};
use crate::overlay::contract::{Failure, Reply, Terms};
use crate::wire::directory::{Answer, Refusal, Request};
use crate::wire::object::{Pointer, Value};
use crate::wire::routing::Errand;
use std::collections::{BTreeMap, VecDeque};

/// What is published here.
#[derive(Default)]
pub(super) struct Publications {
    pub(super) by_object: BTreeMap<Id, Publication>,
    deposits: BTreeMap<u64, Deposit>,
    /// The round of renewals under way, and how many there were.
    pub(super) round: Option<Round>,
    pub(super) rounds: u32,
    /// What waits to be renewed singly.
    pub(super) singly: VecDeque<Single>,
}

/// A published object.
pub(super) struct Publication {
    /// Of the latest claim.
    sequence: u64,
    /// Of each claim.
    pub(super) lifetime: Span,
    /// The last round in which it was due.
    pub(super) round: u32,
}

/// A claim, or a withdrawal, on its way to the object's roots.
struct Deposit {
    pointer: Pointer,
    /// How long the roots shall remember it.
    remaining: Span,
    roots: [Rooting; super::ROOTS_PER_OBJECT as usize],
    /// How often some root knew a later claim, and all was signed anew.
    outdated: u8,
    wish: Option<u64>,
}

/// How a claim fares at one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rooting {
    UnderWay {
        tries: u8,
    },
    Done,
    Failed,
    /// No business of this deposit's: the claim there holds.
    Spared,
}

impl Directory {
    /// A local client publishes: the value first, then the claim.
    pub(super) fn publish_start(&mut self, number: u64, value: Value, lifetime: Option<Span>) {
        if let Err(refusal) = self.ground.limits.form(&value) {
            return self.finish(number, Err(Failure::Refused(refusal)));
        }
        let lifetime = lifetime.map_or(PUBLISHED_LIFETIME, |lifetime| lifetime.min(PUBLISHED_LIFETIME));
        let (object, then) = (value.id(), KeptThen::Published(number));
        self.keep(object, Keep { value, terms: Terms::published(lifetime), source: None, then });
    }

    /// The value is on disk, or is not.
    pub(super) fn on_published_value(&mut self, number: u64, object: Id, result: Result<(), Refusal>) {
        if let Err(refusal) = result {
            return self.finish(number, Err(Failure::Refused(refusal)));
        }
        if self.leaving.is_some() {
            return; // Told already. The next start publishes it.
        }
        let (first, lifetime) = (self.first_sequence(), self.claim_lifetime(&object));
        let publication =
            self.publications.by_object.entry(object).or_insert(Publication { sequence: first, lifetime, round: 0 });
        publication.lifetime = lifetime;
        let wish = self.wishes.get(number).is_some().then_some(number);
        self.claim(object, wish);
    }

    /// A local client withdraws.
    pub(super) fn unpublish_start(&mut self, number: u64) {
        let Some(object) = self.wishes.get(number).map(|wish| wish.object) else { return };
        if !self.values.get(&object).is_some_and(|entry| entry.is_published()) {
            // What the disk has not been told, or has not done, a start would bring back.
            let failure = if self.is_amiss(&object) { Failure::Refused(Refusal::Disk) } else { Failure::NotFound };
            return self.finish(number, Err(failure));
        }
        if self.values.is_being_written(&object) {
            // What is written says that it is published.
            return self.finish(number, Err(Failure::Refused(Refusal::Busy)));
        }
        let Some(publication) = self.end_publication(&object) else {
            return self.finish(number, Err(Failure::NotFound));
        };
        self.end_published(&object, Why::Unpublished { publication, wish: number });
    }

    /// The disk has the word that this is published no more, or is given it again later: roots are told.
    pub(super) fn on_unpublished(&mut self, object: Id, publication: &Publication, wish: u64, is_on_disk: bool) {
        if !is_on_disk {
            self.finish(wish, Err(Failure::Refused(Refusal::Disk)));
        }
        let wish = self.wishes.get(wish).is_some().then_some(wish);
        self.withdraw(object, publication, wish);
    }

    /// The time for which it was published is over. Its roots are told at a pace: many may end together. Where too many do,
    /// claims are left to end by themselves, as those of a node that crashed.
    pub(super) fn publication_over(&mut self, object: &Id) {
        if self.end_publication(object).is_none() {
            return;
        }
        // Walkers wait for a queue that is full.
        if self.publications.singly.len() >= SINGLY_MAX / 2 {
            self.ground.tally.count(Counter::Renewals, "left_to_end");
        } else {
            let salts = 0..super::ROOTS_PER_OBJECT;
            salts.for_each(|salt| self.queue_single(Single::Root { object: *object, salt }));
        }
    }

    fn end_publication(&mut self, object: &Id) -> Option<Publication> {
        self.ground.deadlines.clear(&Due::Renew(*object));
        self.unlist(object);
        self.publications.by_object.remove(object)
    }

    /// An object loaded from disk was published before the restart: renew it soon, not all at once.
    pub(super) fn publish_again(&mut self, object: Id) {
        let (sequence, lifetime) = (self.first_sequence(), self.claim_lifetime(&object));
        self.publications.by_object.insert(object, Publication { sequence, lifetime, round: 0 });
        let spread = RENEW_SPREAD * self.publications.by_object.len() as u64 + RENEW_SPREAD;
        let after = Span::from_micros(self.ground.chance.below(spread.as_micros()));
        self.ground.wake(Due::Renew(object), after);
    }

    /// A root (or somebody on the way) answered about a claim.
    pub(super) fn on_deposit(&mut self, number: u64, salt: u8, answer: Result<Answer, Failure>) {
        let Some(deposit) = self.publications.deposits.get_mut(&number) else { return };
        let Some(rooting) = deposit.roots.get_mut(usize::from(salt)) else { return };
        match answer {
            Ok(Answer::Published { .. }) => *rooting = Rooting::Done,
            Ok(Answer::Refused(Refusal::Stale { version })) => return self.on_outdated(number, salt, version),
            _ => {
                let tries = match *rooting {
                    Rooting::UnderWay { tries } => tries,
                    Rooting::Done | Rooting::Failed | Rooting::Spared => return,
                };
                if tries >= DEPOSIT_TRIES_MAX {
                    *rooting = Rooting::Failed;
                } else {
                    let pause = self.ground.chance.jittered(DEPOSIT_PAUSE * (1 << tries), 0.5);
                    return self.ground.wake(Due::Deposit(number, salt), pause);
                }
            }
        }
        self.deposit_judge(number);
    }

    /// One root is tried (again).
    pub(super) fn deposit_try(&mut self, number: u64, salt: u8) {
        let Some(deposit) = self.publications.deposits.get_mut(&number) else { return };
        let is_history = deposit.is_history(&self.publications.by_object);
        if let Some(rooting) = deposit.roots.get_mut(usize::from(salt)).filter(|_| is_history) {
            // Withdrawn, or published again, since the last try.
            *rooting = Rooting::Failed;
            return self.deposit_judge(number);
        }
        if let Some(Rooting::UnderWay { tries }) = deposit.roots.get_mut(usize::from(salt)) {
            *tries += 1;
        }
        let root = deposit.pointer.object.salted(salt);
        let request = Request::Publish { root, pointer: deposit.pointer.clone(), remaining: deposit.remaining };
        let routed = Routed::Deposit { deposit: number, salt };
        self.route_as(routed, (root, Errand::Deposit), &request, DEPOSIT_WAIT);
    }

    /// The client's patience ends while the claim is still on its way to some root.
    pub(super) fn deposit_impatient(&mut self, wish: u64, failure: Failure) {
        let deposit = self.publications.deposits.values_mut().find(|deposit| deposit.wish == Some(wish));
        let roots = deposit.map_or(0, |deposit| {
            deposit.wish = None;
            deposit.rooted()
        });
        self.deposit_finish(wish, roots, failure);
    }

    /// Withdraws every claim of this node, since it leaves. The values stay on disk: a node that
    /// comes back publishes them again.
    pub(super) fn withdraw_all(&mut self) {
        let ended = self.publications.singly.iter().copied();
        let ended: Vec<Single> = ended.filter(|single| self.publications.is_withdrawal(single)).collect();
        ended.into_iter().take(WITHDRAWALS_MAX).for_each(|single| self.renew_singly(single));
        self.publications.end_renewals();
        let all = std::mem::take(&mut self.publications.by_object);
        for (object, publication) in all.into_iter().take(WITHDRAWALS_MAX) {
            self.ground.deadlines.clear(&Due::Renew(object));
            self.withdraw(object, &publication, None);
        }
    }

    /// Claims an object anew at all its roots, or at one; what is published no more is withdrawn there.
    pub(super) fn renew_singly(&mut self, single: Single) {
        match single {
            Single::Object(object) => {
                self.ground.tally.add(Counter::Renewals, "singly", u64::from(super::ROOTS_PER_OBJECT));
                self.claim(object, None);
            }
            Single::Root { object, salt } if self.publications.is_under_way(&object, salt) => {}
            Single::Root { object, salt } => {
                let is_published = self.publications.is_published(&object);
                self.ground.tally.count(Counter::Renewals, if is_published { "singly" } else { "withdrawn" });
                let (pointer, remaining) = self.next_pointer(object);
                let mut roots = [Rooting::Spared; super::ROOTS_PER_OBJECT as usize];
                if let Some(rooting) = roots.get_mut(usize::from(salt)) {
                    *rooting = Rooting::UnderWay { tries: 0 };
                }
                self.deposit_at(Deposit { pointer, remaining, roots, outdated: 0, wish: None });
            }
        }
    }

    /// The next claim of an object; of one that is published no more, a withdrawal.
    fn next_pointer(&mut self, object: Id) -> (Pointer, Span) {
        if let Some(publication) = self.publications.by_object.get_mut(&object) {
            publication.sequence = publication.sequence.saturating_add(1);
            let (sequence, lifetime) = (publication.sequence, publication.lifetime);
            return (self.signed(object, sequence, lifetime), lifetime);
        }
        // If the root knows a later claim, it will say so.
        (self.signed(object, self.first_sequence(), Span::ZERO), self.ground.tuning.pointer_lifetime)
    }

    /// How long each claim of this is to last: no longer than it is published, but long enough to be worth renewing.
    fn claim_lifetime(&self, object: &Id) -> Span {
        let longest = self.ground.tuning.pointer_lifetime.min(self.ground.limits.lifetime_max);
        let published = self.values.get(object).and_then(|entry| entry.terms.published);
        published.map_or(longest, |until| self.ground.now.until(until).max(CLAIM_LIFETIME_MIN).min(longest))
    }

    fn signed(&self, object: Id, sequence: u64, lifetime: Span) -> Pointer {
        Pointer::sign(&self.ground.key, (*self.ground.view.me).clone(), object, sequence, lifetime)
    }

    fn withdraw(&mut self, object: Id, publication: &Publication, wish: Option<u64>) {
        let sequence = publication.sequence.saturating_add(1);
        let pointer = self.signed(object, sequence, Span::ZERO);
        self.deposit_start(pointer, publication.lifetime, wish);
    }

    /// Signs the next claim, and sends it to all roots.
    fn claim(&mut self, object: Id, wish: Option<u64>) {
        if !self.publications.is_published(&object) {
            return;
        }
        let (pointer, lifetime) = self.next_pointer(object);
        // Even if all goes well nobody may forget to renew.
        self.ground.wake(Due::Renew(object), lifetime / 2);
        self.list_published(&object);
        self.deposit_start(pointer, lifetime, wish);
    }

    fn deposit_start(&mut self, pointer: Pointer, remaining: Span, wish: Option<u64>) {
        let roots = [Rooting::UnderWay { tries: 0 }; super::ROOTS_PER_OBJECT as usize];
        self.deposit_at(Deposit { pointer, remaining, roots, outdated: 0, wish });
    }

    fn deposit_at(&mut self, deposit: Deposit) {
        let number = self.ground.number();
        let salts = deposit.salts_under_way();
        self.publications.deposits.insert(number, deposit);
        salts.into_iter().for_each(|salt| self.deposit_try(number, salt));
    }

    /// Some root knows a later claim by this node: from before a restart, or replayed from there. All
    /// is signed anew with a higher number.
    fn on_outdated(&mut self, number: u64, salt: u8, version: u64) {
        let Some(deposit) = self.publications.deposits.get_mut(&number) else { return };
        let sequence = deposit.pointer.sequence;
        if version < sequence {
            // The answer is to an earlier signing.
            self.ground.wake(Due::Deposit(number, salt), DEPOSIT_PAUSE);
            return;
        }
        // What was withdrawn meanwhile must not come back, nor the reverse.
        let is_history = deposit.is_history(&self.publications.by_object);
        if is_history || deposit.outdated >= OUTDATED_MAX || version - sequence > SEQUENCE_LEAP_MAX {
            deposit.roots[usize::from(salt)] = Rooting::Failed;
            return self.deposit_judge(number);
        }
        deposit.outdated += 1;
        let (object, lifetime) = (deposit.pointer.object, deposit.pointer.lifetime);
        let me = (*self.ground.view.me).clone();
        deposit.pointer = Pointer::sign(&self.ground.key, me, object, version + 1, lifetime);
        let meant = deposit.roots.iter_mut().filter(|rooting| **rooting != Rooting::Spared);
        meant.for_each(|rooting| *rooting = Rooting::UnderWay { tries: 0 });
        let salts = deposit.salts_under_way();
        if let Some(publication) = self.publications.by_object.get_mut(&object) {
            publication.sequence = publication.sequence.max(version + 1);
        }
        salts.into_iter().for_each(|salt| self.deposit_try(number, salt));
    }

    /// If no root is under way any more, the deposit is over.
    fn deposit_judge(&mut self, number: u64) {
        let Some(deposit) = self.publications.deposits.get(&number) else { return };
        if deposit.roots.iter().any(|rooting| matches!(rooting, Rooting::UnderWay { .. })) {
            return;
        }
        let Some(deposit) = self.publications.deposits.remove(&number) else { return };
        let roots = deposit.rooted();
        let object = deposit.pointer.object;
        if let Some(publication) = self.publications.by_object.get(&object) {
            let share = if roots == super::ROOTS_PER_OBJECT { 2 } else { 8 };
            let after = self.ground.chance.jittered(publication.lifetime / share, 0.2);
            // A claim at one root: the others are due when they were, and the next round sees what became of it.
            if !deposit.is_partial() {
                self.ground.wake(Due::Renew(object), after);
            }
        }
        if let Some(wish) = deposit.wish {
            self.deposit_finish(wish, roots, Failure::TimedOut);
        }
    }

    fn deposit_finish(&mut self, wish: u64, roots: u8, failure: Failure) {
        let Some(Wishing { object, is_publish }) = self.wishing(wish) else { return };
        let result = match (roots, is_publish) {
            (0, _) => Err(failure),
            (roots, true) => Ok(Reply::Published { object, roots }),
            (roots, false) => Ok(Reply::Unpublished { object, roots }),
        };
        self.finish(wish, result);
    }

    fn wishing(&self, wish: u64) -> Option<Wishing> {
        let wish = self.wishes.get(wish)?;
        Some(Wishing { object: wish.object, is_publish: matches!(wish.work, Work::Publish) })
    }

    /// A number above those of earlier starts, if this node's contact grew since; else a root will say
    /// that it is outdated.
    fn first_sequence(&self) -> u64 {
        self.ground.view.me.sequence().saturating_mul(CLAIMS_PER_START)
    }
}

/// What a wish to publish or unpublish is about.
struct Wishing {
    object: Id,
    is_publish: bool,
}

impl Deposit {
    /// At how many roots the claim holds.
    fn rooted(&self) -> u8 {
        self.roots.iter().filter(|rooting| matches!(rooting, Rooting::Done | Rooting::Spared)).count() as u8
    }

    /// Whether its object was withdrawn, or published again, since.
    fn is_history(&self, published: &BTreeMap<Id, Publication>) -> bool {
        published.contains_key(&self.pointer.object) == self.pointer.withdraws()
    }

    fn is_partial(&self) -> bool {
        self.roots.contains(&Rooting::Spared)
    }

    fn salts_under_way(&self) -> Vec<u8> {
        let salts = (0u8..).zip(&self.roots);
        salts.filter(|(_, rooting)| matches!(rooting, Rooting::UnderWay { .. })).map(|(salt, _)| salt).collect()
    }
}

impl Publications {
    /// Objects published here.
    pub(super) fn len(&self) -> usize {
        self.by_object.len()
    }

    /// How long each claim of a published object lasts.
    pub(super) fn lifetime(&self, object: &Id) -> Option<Span> {
        self.by_object.get(object).map(|publication| publication.lifetime)
    }

    /// No more renewals: the node leaves.
    pub(super) fn end_renewals(&mut self) {
        self.round = None;
        self.singly.clear();
    }

    /// Claims listed in the round under way.
    pub(super) fn listed(&self) -> usize {
        self.round.as_ref().map_or(0, |round| round.list.len())
    }

    /// Whether a claim of this is on its way there, or a withdrawal if it is published no more.
    fn is_under_way(&self, object: &Id, salt: u8) -> bool {
        self.deposits.values().any(|deposit| {
            let rooting = deposit.roots.get(usize::from(salt));
            let is_it = deposit.pointer.object == *object && !deposit.is_history(&self.by_object);
            is_it && matches!(rooting, Some(Rooting::UnderWay { .. }))
        })
    }

    fn is_withdrawal(&self, single: &Single) -> bool {
        matches!(single, Single::Root { object, .. } if !self.is_published(object))
    }

    /// Whether this is published.
    pub(super) fn is_published(&self, object: &Id) -> bool {
        self.by_object.contains_key(object)
    }

    /// Claims on their way.
    pub(super) fn deposits(&self) -> usize {
        self.deposits.len()
    }
}

/// A published value stays until it is withdrawn: ten years.
const PUBLISHED_LIFETIME: Span = Span::from_hours(24 * 365 * 10);
/// Claims of what is published for less are for so long: more than the tries at its roots take. A guess.
const CLAIM_LIFETIME_MIN: Span = Span::from_secs(60);
/// After a restart objects are spread at 200 a second, unless so many are renewed by region. A guess.
const RENEW_SPREAD: Span = Span::from_millis(5);
/// Tries for one root, and the pause after the first, doubled with each. Guesses.
const DEPOSIT_TRIES_MAX: u8 = 5;
const DEPOSIT_PAUSE: Span = Span::from_millis(100);
/// Wait for one root's answer. A guess.
const DEPOSIT_WAIT: Span = Span::from_secs(4);
/// How often one claim is signed anew because a root knows a later one. A guess.
const OUTDATED_MAX: u8 = 3;
/// A root that claims to know a sequence number so much higher lies: no node renews so often.
const SEQUENCE_LEAP_MAX: u64 = 1 << 32;
/// Claims by one node between two versions of its contact, at least. A guess; see `on_outdated`.
const CLAIMS_PER_START: u64 = 1 << 10;
/// Claims withdrawn by a leaving shard: what its few seconds allow. A guess.
const WITHDRAWALS_MAX: usize = 1_024;
