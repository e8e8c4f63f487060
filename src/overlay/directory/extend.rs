//! A holder renews all its claims in a range at once.
//!
//! Owns: the root's part: finding the holder's claims, extending them, and the answer.
//! Never does: take anybody's word but the holder's own, over its own link; remember the question; or extend a claim
//! beyond what it was signed for, counted from now.

use super::Directory;
use super::admission::limit_name;
use super::away::Pending;
use super::ground::Counter;
use super::pointers::Pointers;
use super::regions::{NOTHING, rooted_part};
use crate::base::{Id, Instant, Span};
use crate::identity::Contact;
use crate::overlay::Sharding;
use crate::overlay::contract::{DiskDone, DiskOp};
use crate::wire::Directory as Message;
use crate::wire::directory::{CLAIMED_MAX, Claimed, Range, RangeSum, Slice, claim_version};
use std::sync::Arc;

/// What a holder asks.
pub(super) struct RenewAsked {
    pub(super) salt: u64,
    pub(super) slice: Slice,
    pub(super) ranges: Vec<Range>,
    pub(super) named: bool,
}

/// What was found of a holder's claims.
struct Look {
    /// As far as the look went.
    covered: Range,
    /// The holder's claims, each with the number of its range.
    roots: Vec<(usize, Id)>,
    /// Claims passed, whosever.
    looks: usize,
}

impl Directory {
    /// A holder renews its claims here.
    pub(super) fn on_renew_asked(&mut self, from: Id, asked: &RenewAsked) {
        let (slice, ranges) = (&asked.slice, &asked.ranges);
        let is_in_order = ranges.iter().all(|range| range.first <= range.last)
            && ranges.windows(2).all(|pair| pair[0].last < pair[1].first);
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            return self.ground.tally.count(Counter::Ignored, "renew");
        };
        // Who leaves, or has more to do than it can, is silent: it will be asked again.
        if !is_in_order || slice.shard >= slice.shards || self.leaving.is_some() || self.away.is_crowded() {
            return self.ground.tally.count(Counter::Ignored, "renew");
        }
        if let Err(refusal) = self.admission.pointer(&self.ground.limits, self.ground.now, Some(from)) {
            return self.ground.tally.count(Counter::Refused, limit_name(&refusal));
        }
        let hull = Range { first: first.first, last: last.last };
        let covered = rooted_part(&self.ground.view, hull).unwrap_or(NOTHING);
        let look = look(&self.pointers, from, asked, covered);
        self.extend(from, asked, look);
    }

    /// The disk has the extended claims, or has not: then nothing is acknowledged.
    pub(super) fn on_extended(&mut self, to: Id, answer: Message, done: &DiskDone) {
        match done {
            DiskDone::Kept => self.ground.send_linked(to, answer),
            _ => self.ground.tally.count(Counter::Refused, "disk"),
        }
    }

    /// Extends what was found, and answers once that is on disk.
    fn extend(&mut self, from: Id, asked: &RenewAsked, look: Look) {
        let now = self.ground.now;
        let holder = self.newest_contact(&from, &look);
        let mut sums = vec![RangeSum::default(); asked.ranges.len()];
        let (mut rows, mut claims) = (Vec::new(), Vec::new());
        for (range, root) in &look.roots {
            let limit = self.ground.limits.lifetime_max;
            let Some(extended) = self.pointers.extend(now, (root, &from), limit, holder.as_deref()) else { continue };
            sums[*range].add(asked.salt, root, extended.version);
            rows.extend(extended.remaining.map(|remaining| (*root, remaining)));
            if asked.named {
                let object = extended.object;
                let salt = (0..super::ROOTS_PER_OBJECT).find(|salt| object.salted(*salt) == *root);
                claims.extend(salt.map(|salt| Claimed { object, salt, version: extended.version }));
            }
        }
        self.admission.charge(&from, look.looks / LOOKS_PER_WRITE + rows.len());
        self.ground.tally.add(Counter::Renewals, "extended", rows.len() as u64);
        let own = self.sharding.slice(self.ground.shard);
        let (salt, asker, covered) = (asked.salt, asked.slice.shard, look.covered);
        let answer = Message::Renewed { salt, asker, shard: own.shard, shards: own.shards, covered, sums, claims };
        match holder.filter(|_| !rows.is_empty()) {
            Some(holder) => {
                let pending = Pending::Extended { to: from, answer: Box::new(answer) };
                self.give_to_disk(pending, DiskOp::ExtendPointers { holder, rows });
            }
            None => self.ground.send_linked(from, answer),
        }
    }

    /// The holder's contact as the Router knows it, else as it stands in its claims.
    fn newest_contact(&self, holder: &Id, look: &Look) -> Option<Arc<Contact>> {
        let known = self.ground.view.peer(holder).map(|peer| Arc::clone(&peer.contact));
        known.or_else(|| {
            let claim = self.pointers.get(&look.roots.first()?.1, holder)?;
            Some(Arc::new(claim.pointer.holder.clone()))
        })
    }
}

/// Finds the live claims of one shard of a holder's that are rooted here, as far as [`LOOKS_MAX`] and the names of an
/// answer go.
fn look(pointers: &Pointers, holder: Id, asked: &RenewAsked, covered: Range) -> Look {
    let mut look = Look { covered, roots: Vec::new(), looks: 0 };
    let parts = asked.ranges.iter().map(|range| range.within(&covered)).enumerate();
    for (number, part) in parts.filter_map(|(number, part)| Some((number, part?))) {
        for ((root, whose), claim) in pointers.between(part) {
            look.looks += 1;
            let is_full = asked.named && look.roots.len() >= CLAIMED_MAX;
            if look.looks > LOOKS_MAX || is_full {
                look.end_before(root.prefix_u64());
                return look;
            }
            let is_meant = *whose == holder && claim.is_live && claim.is_rooted;
            if is_meant && Sharding::is_of_slice(&claim.pointer.object, &asked.slice) {
                look.roots.push((number, *root));
            }
        }
    }
    look
}

impl Look {
    /// What begins so, or lies behind, was not looked at.
    fn end_before(&mut self, prefix: u64) {
        self.roots.retain(|(_, root)| root.prefix_u64() < prefix);
        self.covered = match prefix.checked_sub(1).filter(|last| *last >= self.covered.first) {
            Some(last) => Range { first: self.covered.first, last },
            None => NOTHING,
        };
    }
}

/// A claim that was extended, or need not be.
pub(super) struct Extended {
    pub(super) object: Id,
    /// See [`claim_version`].
    pub(super) version: u64,
    /// How much longer it holds, if that is to be written to disk.
    pub(super) remaining: Option<Span>,
}

impl super::pointers::Claim {
    /// Until when the claim holds if its holder renews it now; nothing if that is hardly longer.
    pub(super) fn extension(&self, now: Instant, lifetime_max: Span) -> Option<Instant> {
        let lifetime = self.pointer.lifetime.min(lifetime_max);
        let until = now + lifetime;
        (until > self.expires + lifetime / HARDLY).then_some(until)
    }

    /// What became of it.
    pub(super) fn extended(&self, now: Instant, is_changed: bool) -> Extended {
        let pointer = &self.pointer;
        Extended {
            object: pointer.object,
            version: claim_version(pointer.holder.sequence(), pointer.lifetime),
            remaining: is_changed.then(|| now.until(self.expires)),
        }
    }
}

/// Claims looked at for one question: some 2 ms.
pub(super) const LOOKS_MAX: usize = 16_384;
/// Looks that count as one write in a source's share: 64 of them take as long as a checked signature. A guess.
const LOOKS_PER_WRITE: usize = 64;
/// A claim that would hold longer by no more than one part in this of its lifetime stays as it is, so that asking again
/// costs no write.
const HARDLY: u64 = 16;
