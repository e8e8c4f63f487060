//! Who claims to hold what.
//!
//! Owns: the claims under the roots this shard answers for and the copies made in passing, the order
//! of their sequence numbers, and their expiry. Holds one interest for each root with a live claim.
//! Never does: check a signature, or write to disk.
//!
//! A claim that is withdrawn or has lapsed leaves its sequence number behind for a while, so that the
//! same claim, replayed, loses.

use super::admission::{Limits, PASSING_SHARE};
use super::extend::Extended;
use crate::base::{Id, Instant, Span};
use crate::identity::Contact;
use crate::overlay::view::Interest;
use crate::wire::directory::{Range, Refusal, ShareLimit};
use crate::wire::object::Pointer;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// The claims one shard knows.
pub(super) struct Pointers {
    claims: BTreeMap<(Id, Id), Claim>,
    by_expiry: BTreeSet<(Instant, Id, Id)>,
    per_holder: BTreeMap<Id, usize>,
    passing: usize,
    interest: Arc<Interest>,
}

/// One holder's latest word under one root.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) pointer: Pointer,
    /// A live claim ends then; a gone one is forgotten then.
    pub(super) expires: Instant,
    /// Whether it counts; else only its sequence number does.
    pub(super) is_live: bool,
    /// Whether it is here because this node is the root (then it is on disk too), or in passing.
    pub(super) is_rooted: bool,
}

/// How a claim compares with what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It is newer.
    Newer,
    /// It is the very one known, good for so much longer.
    Same { remaining: Span },
}

impl Pointers {
    pub(super) fn new(interest: Arc<Interest>) -> Pointers {
        Pointers {
            claims: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            per_holder: BTreeMap::new(),
            passing: 0,
            interest,
        }
    }

    /// Whether the claim is newer than what its holder said before, and fits the limits.
    pub(super) fn weigh(
        &self,
        limits: &Limits,
        now: Instant,
        root: &Id,
        pointer: &Pointer,
        is_rooted: bool,
    ) -> Result<Weight, Refusal> {
        let holder = pointer.holder.id();
        if let Some(known) = self.claims.get(&(*root, holder)) {
            if known.pointer.sequence == pointer.sequence && known.pointer.signature == pointer.signature {
                if !known.is_live && !pointer.withdraws() {
                    return Err(Refusal::Stale { version: known.pointer.sequence });
                }
                // A copy in passing becomes the root's when the root's own message comes.
                let is_upgrade = is_rooted && !known.is_rooted && known.is_live;
                return Ok(match is_upgrade {
                    true => Weight::Newer,
                    false => Weight::Same { remaining: now.until(known.expires) },
                });
            }
            if known.pointer.sequence >= pointer.sequence {
                return Err(Refusal::Stale { version: known.pointer.sequence });
            }
            return Ok(Weight::Newer);
        }
        if self.of_root(root).count() >= limits.pointers_per_object {
            return Err(Refusal::Share { limit: ShareLimit::PointersPerObject });
        }
        // Copies in passing never take the room of claims that are rooted here.
        let share = if is_rooted { limits.pointers_per_holder } else { limits.pointers_per_holder / PASSING_SHARE };
        if self.per_holder.get(&holder).is_some_and(|count| *count >= share) {
            return Err(Refusal::Share { limit: ShareLimit::PointersPerHolder });
        }
        if self.claims.len() >= limits.pointers || (!is_rooted && self.passing >= limits.passing) {
            return Err(Refusal::Busy);
        }
        Ok(Weight::Newer)
    }

    /// Takes in a claim (or a withdrawal) that was weighed and checked, good for `remaining`.
    pub(super) fn insert(&mut self, now: Instant, root: Id, pointer: Pointer, remaining: Span, is_rooted: bool) {
        let holder = pointer.holder.id();
        let old = self.remove(&root, &holder);
        let is_live = !pointer.withdraws();
        let mut expires = now + remaining;
        if let (false, Some(old)) = (is_live, &old) {
            expires = expires.max(old.expires);
        }
        if is_live {
            // The same claim again never lasts longer than it did.
            if let Some(same) = old.as_ref().filter(|old| old.pointer.sequence == pointer.sequence) {
                expires = expires.min(same.expires);
            }
        }
        let is_rooted = is_rooted || old.is_some_and(|old| old.is_rooted);
        self.put(root, Claim { pointer, expires, is_live, is_rooted });
    }

    /// Lets a live claim that is rooted here hold as long again as it was signed for, and with the holder's newest
    /// contact: at the word of the holder itself, not of a claim that anybody may hand in again.
    pub(super) fn extend(
        &mut self,
        now: Instant,
        (root, holder): (&Id, &Id),
        lifetime_max: Span,
        newest: Option<&Contact>,
    ) -> Option<Extended> {
        let claim = self.claims.get_mut(&(*root, *holder)).filter(|claim| claim.is_live && claim.is_rooted)?;
        let is_moved = newest.is_some_and(|newest| claim.pointer.adopt(newest));
        let until = claim.extension(now, lifetime_max);
        if let Some(until) = until {
            self.by_expiry.remove(&(claim.expires, *root, *holder));
            self.by_expiry.insert((until, *root, *holder));
            claim.expires = until;
        }
        Some(claim.extended(now, is_moved || until.is_some()))
    }

    /// Takes a claim out.
    pub(super) fn remove(&mut self, root: &Id, holder: &Id) -> Option<Claim> {
        let claim = self.claims.remove(&(*root, *holder))?;
        self.by_expiry.remove(&(claim.expires, *root, *holder));
        self.passing -= usize::from(!claim.is_rooted);
        if let Some(count) = self.per_holder.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                self.per_holder.remove(holder);
            }
        }
        if claim.is_live {
            self.interest.remove(root);
        }
        Some(claim)
    }

    /// Turns a claim of the root's into a copy in passing: another node is the root now.
    pub(super) fn demote(&mut self, limits: &Limits, root: &Id, holder: &Id) {
        let Some(mut claim) = self.remove(root, holder) else { return };
        if claim.is_live && self.passing < limits.passing {
            claim.is_rooted = false;
            self.put(*root, claim);
        }
    }

    /// Ends what has outlived its time; gives back what was on disk under these names and is to go.
    pub(super) fn expire(&mut self, now: Instant, at_most: usize) -> Vec<(Id, Id)> {
        let mut gone = Vec::new();
        for _ in 0..at_most {
            let Some((at, root, holder)) = self.by_expiry.first().copied() else { break };
            if at > now {
                break;
            }
            let Some(mut claim) = self.remove(&root, &holder) else { continue };
            if claim.is_rooted {
                gone.push((root, holder));
            }
            if claim.is_live && claim.is_rooted {
                claim.is_live = false;
                claim.expires = now + claim.pointer.lifetime;
                self.put(root, claim);
            }
        }
        gone
    }

    /// The live claims under this root.
    pub(super) fn live(&self, root: &Id) -> impl Iterator<Item = &Claim> {
        self.of_root(root).filter(|claim| claim.is_live)
    }

    /// The claim behind this place in the order of roots and holders; behind the last comes the first.
    pub(super) fn next_round(&self, cursor: Option<(Id, Id)>) -> Option<((Id, Id), Claim)> {
        let start = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.claims.range((start, Bound::Unbounded)).next().or_else(|| self.claims.first_key_value());
        next.map(|(name, claim)| (*name, claim.clone()))
    }

    /// One holder's latest word.
    pub(super) fn get(&self, root: &Id, holder: &Id) -> Option<&Claim> {
        self.claims.get(&(*root, *holder))
    }

    /// All claims under roots within this range, in their order.
    pub(super) fn between(&self, range: Range) -> impl Iterator<Item = (&(Id, Id), &Claim)> {
        let first = (Id::from_prefix(range.first), Id::ZERO);
        let rest = self.claims.range(first..);
        rest.take_while(move |((root, _), _)| root.prefix_u64() <= range.last)
    }

    /// When the next one's time is up.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.by_expiry.first().map(|(at, _, _)| *at)
    }

    /// How many are remembered, gone ones included.
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    /// How many of them in passing.
    pub(super) fn passing(&self) -> usize {
        self.passing
    }

    pub(super) fn assert_invariants(&self, limits: &Limits) {
        assert_eq!(self.by_expiry.len(), self.claims.len());
        assert!(self.claims.len() <= limits.pointers, "more pointers than allowed");
        assert!(self.passing <= self.claims.len());
    }

    fn put(&mut self, root: Id, claim: Claim) {
        let holder = claim.pointer.holder.id();
        self.by_expiry.insert((claim.expires, root, holder));
        self.passing += usize::from(!claim.is_rooted);
        *self.per_holder.entry(holder).or_insert(0) += 1;
        if claim.is_live {
            self.interest.add(&root);
        }
        self.claims.insert((root, holder), claim);
    }

    fn of_root(&self, root: &Id) -> impl Iterator<Item = &Claim> {
        self.claims.range((*root, Id::ZERO)..=(*root, Id::MAX)).map(|(_, claim)| claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NodeName, Role, SecretKey};
    use crate::overlay::directory::{Shares, Tuning};
    use proptest::prelude::*;

    fn limits() -> Limits {
        let tuning = Tuning {
            pointers_max: 8,
            shares: Shares { pointers_per_object: 2, pointers_per_holder: 6, ..Shares::default() },
            ..Tuning::default()
        };
        Limits::part_of(&tuning, 1)
    }

    fn pointer(seed: u8, sequence: u64, lifetime: Span) -> Pointer {
        let key = SecretKey::from_seed([seed; 32]);
        let name = NodeName::solve(key.public(), 0);
        let contact = Contact::sign(&key, name, &["127.0.0.1:1".parse().unwrap()], Role::Server, 1);
        Pointer::sign(&key, contact, Id::MAX, sequence, lifetime)
    }

    fn claim(pointers: &mut Pointers, now: u64, pointer: &Pointer) -> Result<Weight, Refusal> {
        let now = Instant::ORIGIN + Span::from_secs(now);
        let weight = pointers.weigh(&limits(), now, &Id::MAX, pointer, true)?;
        let remaining = if pointer.withdraws() { Span::from_secs(100) } else { pointer.lifetime };
        if weight == Weight::Newer {
            pointers.insert(now, Id::MAX, pointer.clone(), remaining, true);
        }
        Ok(weight)
    }

    #[test]
    fn a_replayed_or_withdrawn_claim_loses() {
        let mut pointers = Pointers::new(Arc::new(Interest::new((1, 2))));
        let span = Span::from_secs(100);
        let (first, second) = (pointer(1, 1, span), pointer(1, 2, span));
        assert_eq!(claim(&mut pointers, 0, &second), Ok(Weight::Newer));
        assert_eq!(claim(&mut pointers, 10, &first), Err(Refusal::Stale { version: 2 }));
        assert_eq!(claim(&mut pointers, 10, &second), Ok(Weight::Same { remaining: Span::from_secs(90) }));
        assert_eq!(claim(&mut pointers, 20, &pointer(1, 3, Span::ZERO)), Ok(Weight::Newer));
        assert_eq!(pointers.live(&Id::MAX).count(), 0);
        assert_eq!(claim(&mut pointers, 30, &second), Err(Refusal::Stale { version: 3 }));
        assert!(pointers.interest.is_empty());
        pointers.expire(Instant::ORIGIN + Span::from_secs(120), 10);
        assert_eq!(pointers.len(), 0);
    }

    #[test]
    fn a_lapsed_claim_cannot_be_replayed_for_as_long_again() {
        let mut pointers = Pointers::new(Arc::new(Interest::new((1, 2))));
        let claimed = pointer(1, 1, Span::from_secs(100));
        assert!(claim(&mut pointers, 0, &claimed).is_ok());
        assert_eq!(pointers.expire(Instant::ORIGIN + Span::from_secs(100), 10).len(), 1);
        assert_eq!(claim(&mut pointers, 150, &claimed), Err(Refusal::Stale { version: 1 }));
        assert_eq!(pointers.live(&Id::MAX).count(), 0);
    }

    #[test]
    fn only_a_live_rooted_claim_is_extended_and_never_beyond_what_was_signed_or_is_granted() {
        let mut pointers = Pointers::new(Arc::new(Interest::new((1, 2))));
        let at = |seconds: u64| Instant::ORIGIN + Span::from_secs(seconds);
        let claimed = pointer(1, 1, Span::from_secs(100));
        let holder = claimed.holder.id();
        let extend = |pointers: &mut Pointers, now: u64, limit: u64| {
            let limit = Span::from_secs(limit);
            let extended = pointers.extend(at(now), (&Id::MAX, &holder), limit, None);
            extended.map(|extended| extended.remaining)
        };
        pointers.insert(at(0), Id::MAX, claimed.clone(), Span::from_secs(100), false);
        assert_eq!(extend(&mut pointers, 10, 1_000), None, "a copy in passing");
        assert!(claim(&mut pointers, 10, &claimed).is_ok());
        assert_eq!(extend(&mut pointers, 50, 1_000), Some(Some(Span::from_secs(100))));
        assert_eq!(extend(&mut pointers, 51, 1_000), Some(None), "hardly longer");
        assert_eq!(extend(&mut pointers, 60, 20), Some(None), "no claim becomes shorter");
        assert_eq!(pointers.get(&Id::MAX, &holder).map(|claim| claim.expires), Some(at(150)));
        // Who hands in the same claim again gains nothing by it.
        assert_eq!(claim(&mut pointers, 60, &claimed), Ok(Weight::Same { remaining: Span::from_secs(90) }));
        pointers.assert_invariants(&limits());
        pointers.expire(at(150), 10);
        assert_eq!(extend(&mut pointers, 151, 1_000), None, "a lapsed claim");
        assert_eq!(claim(&mut pointers, 152, &claimed), Err(Refusal::Stale { version: 1 }));
        assert!(claim(&mut pointers, 153, &pointer(1, 2, Span::from_secs(100))).is_ok());
        assert!(claim(&mut pointers, 154, &pointer(1, 3, Span::ZERO)).is_ok());
        assert_eq!(extend(&mut pointers, 155, 1_000), None, "a withdrawn claim");
    }

    #[test]
    fn holders_of_one_object_are_limited() {
        let mut pointers = Pointers::new(Arc::new(Interest::new((1, 2))));
        let span = Span::from_secs(100);
        assert!(claim(&mut pointers, 0, &pointer(1, 1, span)).is_ok());
        assert!(claim(&mut pointers, 0, &pointer(2, 1, span)).is_ok());
        let refused = Err(Refusal::Share { limit: ShareLimit::PointersPerObject });
        assert_eq!(claim(&mut pointers, 0, &pointer(3, 1, span)), refused);
    }

    #[test]
    fn copies_in_passing_take_a_part_of_their_holders_share_only() {
        let mut pointers = Pointers::new(Arc::new(Interest::new((1, 2))));
        let shares = Shares { pointers_per_holder: 8, ..Shares::default() };
        let limits = Limits::part_of(&Tuning { pointers_max: 100, shares, ..Tuning::default() }, 1);
        let claimed = pointer(1, 1, Span::from_secs(100));
        let mut admitted = |is_rooted: bool, names: std::ops::Range<u8>| {
            let of = |name: u8| {
                let (now, root) = (Instant::ORIGIN, Id::hash_of(&[name]));
                let weight = pointers.weigh(&limits, now, &root, &claimed, is_rooted);
                weight.map(|_| pointers.insert(now, root, claimed.clone(), claimed.lifetime, is_rooted))
            };
            names.map(of).filter(Result::is_ok).count()
        };
        assert_eq!(admitted(false, 0..10), 2);
        assert_eq!(admitted(true, 10..20), 6);
        assert_eq!(admitted(true, 20..30), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn interest_and_limits_hold_whatever_is_claimed(
            steps in prop::collection::vec((0u8..4, 0u8..6, 0u64..5, 0u64..60, any::<bool>(), any::<bool>()), 0..80)
        ) {
            let interest = Arc::new(Interest::new((1, 2)));
            let mut pointers = Pointers::new(Arc::clone(&interest));
            let mut now = Instant::ORIGIN;
            for (holder, root, sequence, seconds, is_rooted, expires) in steps {
                let root = Id::hash_of(&[root]);
                let claimed = pointer(holder, sequence, Span::from_secs(seconds));
                if pointers.weigh(&limits(), now, &root, &claimed, is_rooted) == Ok(Weight::Newer) {
                    pointers.insert(now, root, claimed, Span::from_secs(seconds), is_rooted);
                }
                if expires {
                    now += Span::from_secs(10);
                    pointers.expire(now, 100);
                }
                pointers.assert_invariants(&limits());
                prop_assert!(pointers.passing <= limits().passing.max(2));
                let live: BTreeSet<Id> =
                    pointers.claims.iter().filter(|(_, c)| c.is_live).map(|((root, _), _)| *root).collect();
                prop_assert_eq!(interest.len(), live.len());
            }
            for (root, holder) in pointers.claims.keys().copied().collect::<Vec<_>>() {
                pointers.remove(&root, &holder);
            }
            prop_assert!(interest.is_empty() && pointers.per_holder.is_empty() && pointers.passing == 0);
        }
    }
}
