//! Keeping replica sets whole.
//!
//! Owns: the pass over all kept values and pointers after a change of the leaf set and once in a
//! while, the offers under way, the pushes of what is lacking, and the hand-over of pointers.
//! Never does: decide to whom something is owed (that is `duty`), or hurry: everything is paced.

use super::Directory;
use super::away::{Due, Purpose, ReadThen};
use super::duty::{duty, is_welcome};
use super::ground::Counter;
use super::pointers::Claim;
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::DiskOp;
use crate::wire::Directory as Message;
use crate::wire::directory::{Answer, OFFER_MAX, OfferEntry, Refusal, Request};
use crate::wire::object::Value;
use std::collections::{BTreeMap, VecDeque};

/// Repair at one shard.
#[derive(Default)]
pub(super) struct Repair {
    /// Where the pass is among the values, and how many are still to be looked at.
    value_cursor: Option<Id>,
    values_left: usize,
    /// The same among the pointers.
    pointer_cursor: Option<(Id, Id)>,
    pointers_left: usize,
    /// Whether a pass is under way; else the next one is waited for.
    is_passing: bool,
    /// Whether the pass looks at what is settled, too.
    is_thorough: bool,
    /// Whether something was left undone, so that the next pass must be soon.
    is_unfinished: bool,
    /// Passes in a row that left something undone.
    backoff: u32,
    in_hand: BTreeMap<Id, InHand>,
    pushes: VecDeque<(Id, Id)>,
    pushing: usize,
    handing_over: usize,
    /// What was asked for lately, and until when it is not asked for again.
    wanted: BTreeMap<Id, Instant>,
}

/// A value offered to those who must have it.
struct InHand {
    /// Who has not said yet that it has it.
    unconfirmed: Vec<Id>,
    audience: usize,
    mark: u64,
    departs: bool,
    until: Instant,
}

impl Directory {
    /// The leaf set has changed: look soon at everything kept.
    pub(super) fn repair_soon(&mut self) {
        self.repair.backoff = 0;
        self.pass_start(false);
        let after = self.ground.chance.jittered(REPAIR_DELAY, 0.5);
        self.ground.deadlines.set_earlier(Due::Repair, self.ground.now + after);
    }

    /// Looks at everything as one who leaves: whatever was settled.
    pub(super) fn repair_for_leaving(&mut self) {
        self.repair.in_hand.clear();
        self.pass_start(true);
        self.on_repair();
    }

    /// Takes the next step.
    pub(super) fn on_repair(&mut self) {
        let now = self.ground.now;
        let before = self.repair.in_hand.len();
        self.repair.in_hand.retain(|_, in_hand| in_hand.until > now);
        self.repair.is_unfinished |= self.repair.in_hand.len() < before;
        self.repair.wanted.retain(|_, until| *until > now);
        if !self.repair.is_passing {
            self.pass_start(true);
        }
        self.scan_values();
        self.scan_pointers();
        self.push_more();
        if !self.repair.is_idle() {
            return self.ground.wake(Due::Repair, REPAIR_STEP);
        }
        self.repair.is_passing = false;
        let longest = self.ground.tuning.repair_interval;
        let pause = match self.repair.is_unfinished {
            true => (REPAIR_RETRY * (1 << self.repair.backoff.min(10))).min(longest),
            false => longest,
        };
        self.repair.backoff = if self.repair.is_unfinished { self.repair.backoff + 1 } else { 0 };
        let pause = self.ground.chance.jittered(pause, 0.25);
        self.ground.wake(Due::Repair, pause);
    }

    /// A peer keeps these, and thinks this node should.
    pub(super) fn on_offer(&mut self, from: Id, entries: &[OfferEntry]) {
        let (mut kept, mut wanted, mut newer) = (Vec::new(), Vec::new(), Vec::new());
        let replicas = usize::from(self.ground.tuning.replicas);
        for entry in entries.iter().take(OFFER_MAX) {
            let object = entry.object;
            if !self.is_mine(&object) || self.leaving.is_some() {
                continue;
            }
            let here = self.values.get(&object).filter(|here| here.is_replica());
            match here.map(|here| (here.version, here.remaining(self.ground.now))) {
                Some((version, _)) if version == entry.version => kept.push(object),
                Some((version, remaining)) if version > entry.version => {
                    newer.push(OfferEntry { object, version, remaining });
                }
                _ => {
                    let is_writing = self.values.is_writing(&object, entry.version);
                    let is_asked = self.repair.wanted.get(&object).is_some_and(|until| *until > self.ground.now);
                    let has_room = self.repair.wanted.len() < WANTED_MAX
                        && self.ground.limits.fits(0, self.values.room(&object)).is_ok();
                    if !is_writing && !is_asked && has_room && is_welcome(&self.ground.view, &object, replicas) {
                        self.repair.wanted.insert(object, self.ground.now + IN_HAND_WAIT);
                        wanted.push(object);
                    }
                }
            }
        }
        if !kept.is_empty() {
            self.ground.send_linked(from, Message::Kept { objects: kept });
        }
        if !wanted.is_empty() {
            self.ground.send_linked(from, Message::Wanted { objects: wanted });
        }
        if !newer.is_empty() {
            self.ground.send_linked(from, Message::Offer { entries: newer });
        }
    }

    /// A peer has these of what was offered.
    pub(super) fn on_peer_keeps(&mut self, from: Id, objects: &[Id]) {
        for object in objects.iter().take(OFFER_MAX) {
            self.confirm(object, from);
        }
    }

    /// A peer lacks these of what was offered.
    pub(super) fn on_wanted(&mut self, from: Id, objects: &[Id]) {
        if !self.ground.view.leaf_set.contains(&from) {
            return self.ground.tally.count(Counter::Ignored, "wanted_by_stranger");
        }
        for object in objects.iter().take(OFFER_MAX) {
            if self.is_mine(object) && self.values.get(object).is_some_and(|entry| entry.is_replica()) {
                if self.repair.pushes.len() >= PUSHES_QUEUED_MAX {
                    self.repair.is_unfinished = true;
                    self.ground.tally.count(Counter::Repairs, "push_queue_full");
                    break;
                }
                self.repair.pushes.push_back((*object, from));
            }
        }
        self.push_more();
        if !self.repair.is_idle() {
            self.ground.deadlines.set_earlier(Due::Repair, self.ground.now + REPAIR_STEP);
        }
    }

    /// A value to be pushed was read.
    pub(super) fn on_read_to_push(&mut self, object: Id, to: Id, value: Option<Value>) {
        let remaining = self.values.get(&object).map(|entry| entry.remaining(self.ground.now));
        let (Some(value), Some(lifetime), Some(contact)) = (value, remaining, self.ground.contact(&to)) else {
            self.repair.pushing = self.repair.pushing.saturating_sub(1);
            return self.push_more();
        };
        let lifetime = self.ground.limits.lifetime(lifetime);
        let wait = self.ground.answer_wait(&to) + PUSH_SLACK;
        self.ask(&contact, Request::Replicate { value, lifetime }, Purpose::Push(object), wait);
    }

    /// What became of a push; `None` if the peer was silent.
    pub(super) fn on_pushed(&mut self, object: Id, from: Id, answer: Option<Answer>) {
        self.repair.pushing = self.repair.pushing.saturating_sub(1);
        match answer {
            Some(Answer::Stored { .. } | Answer::Refused(Refusal::Stale { .. })) => {
                self.ground.tally.count(Counter::Repairs, "pushed");
                self.confirm(&object, from);
            }
            _ => {
                self.ground.tally.count(Counter::Repairs, "push_failed");
                self.repair.is_unfinished = true;
                self.repair.in_hand.remove(&object);
            }
        }
        self.push_more();
    }

    /// What became of a pointer's hand-over.
    pub(super) fn on_handed_over(&mut self, root: Id, holder: Id, answer: Option<Answer>) {
        self.repair.handing_over = self.repair.handing_over.saturating_sub(1);
        match answer {
            Some(Answer::Published { .. } | Answer::Refused(Refusal::Stale { .. })) => {
                self.ground.tally.count(Counter::Repairs, "pointer_handed_over");
                if !self.ground.view.is_root_of(&root) && self.leaving.is_none() {
                    self.pointers.demote(&self.ground.limits, &root, &holder);
                    self.give_to_disk(super::away::Pending::Drop, DiskOp::DropPointer { root, holder });
                }
            }
            _ => self.repair.is_unfinished = true,
        }
    }

    fn pass_start(&mut self, is_thorough: bool) {
        self.ground.tally.count(Counter::Repairs, "pass");
        self.repair.values_left = self.values.len();
        self.repair.pointers_left = self.pointers.len();
        self.repair.is_thorough = is_thorough;
        self.repair.is_passing = true;
        self.repair.is_unfinished = false;
    }

    /// Looks at the next values, and offers what is owed.
    fn scan_values(&mut self) {
        let mut offers: BTreeMap<Id, Vec<OfferEntry>> = BTreeMap::new();
        let scanned = self.repair.values_left.min(SCAN_AT_ONCE);
        for _ in 0..scanned {
            if self.repair.in_hand.len() >= IN_HAND_MAX {
                break;
            }
            self.repair.values_left -= 1;
            let Some((object, entry)) = self.values.next_round(self.repair.value_cursor) else {
                self.repair.values_left = 0;
                break;
            };
            self.repair.value_cursor = Some(object);
            let is_over = entry.remaining(self.ground.now) == Span::ZERO;
            if !entry.is_replica() || is_over || self.repair.in_hand.contains_key(&object) {
                continue;
            }
            let replicas = usize::from(self.ground.tuning.replicas);
            let Some(duty) = duty(&self.ground.view, &object, replicas, self.leaving.is_some()) else { continue };
            let mark = duty.mark();
            if entry.settled == mark && !self.repair.is_thorough {
                continue;
            }
            let remaining = self.ground.limits.lifetime(entry.remaining(self.ground.now));
            for peer in &duty.audience {
                let offered = OfferEntry { object, version: entry.version, remaining };
                offers.entry(*peer).or_default().push(offered);
            }
            let in_hand = InHand {
                audience: duty.audience.len(),
                unconfirmed: duty.audience,
                mark,
                departs: duty.departs,
                until: self.ground.now + IN_HAND_WAIT,
            };
            self.repair.in_hand.insert(object, in_hand);
        }
        for (peer, entries) in offers {
            let Some(contact) = self.ground.contact(&peer) else { continue };
            for entries in entries.chunks(OFFER_MAX) {
                self.ground.tally.count(Counter::Repairs, "offer");
                self.ground.send(&contact, Message::Offer { entries: entries.to_vec() });
            }
        }
    }

    /// Looks at the next pointers, and hands over those that another node roots now.
    fn scan_pointers(&mut self) {
        for _ in 0..self.repair.pointers_left.min(SCAN_AT_ONCE) {
            if self.repair.handing_over >= HAND_OVERS_AT_ONCE {
                break;
            }
            self.repair.pointers_left -= 1;
            let Some(((root, holder), claim)) = self.pointers.next_round(self.repair.pointer_cursor) else {
                self.repair.pointers_left = 0;
                break;
            };
            self.repair.pointer_cursor = Some((root, holder));
            self.hand_over(root, holder, claim);
        }
    }

    /// Hands a claim (or a withdrawal) to the node that roots it instead of this one, if there is one.
    pub(super) fn hand_over(&mut self, root: Id, holder: Id, claim: Claim) {
        // A leaving node's own claims are being withdrawn.
        let is_own = self.leaving.is_some() && holder == self.ground.me();
        let is_worth_it = claim.is_rooted && ((claim.is_live && !is_own) || claim.pointer.withdraws());
        let Some(heir) = self.pointer_heir(&root).filter(|_| is_worth_it) else { return };
        let Some(contact) = self.ground.contact(&heir) else { return };
        let remaining = self.ground.now.until(claim.expires);
        let request = Request::Publish { root, pointer: claim.pointer, remaining };
        let wait = self.ground.answer_wait(&heir);
        self.repair.handing_over += 1;
        self.ask(&contact, request, Purpose::HandOver { root, holder }, wait);
    }

    /// Who roots this instead of this node, as far as it can know.
    fn pointer_heir(&self, root: &Id) -> Option<Id> {
        let view = &self.ground.view;
        if !view.ready || !view.covers(root) {
            return None;
        }
        if self.leaving.is_some() {
            return self.ground.fellows(root, 2).first().copied();
        }
        view.root_in_leaf_set(root).filter(|id| *id != view.id())
    }

    fn push_more(&mut self) {
        while self.repair.pushing < PUSHES_AT_ONCE {
            let Some((object, to)) = self.repair.pushes.pop_front() else { return };
            self.repair.pushing += 1;
            match self.cache.touch(&object) {
                Some(value) => self.on_read_to_push(object, to, Some(value)),
                None => self.read(object, ReadThen::Push(to)),
            }
        }
    }

    /// This peer has what was offered to it.
    fn confirm(&mut self, object: &Id, from: Id) {
        let Some(in_hand) = self.repair.in_hand.get_mut(object) else { return };
        in_hand.unconfirmed.retain(|id| *id != from);
        if !in_hand.unconfirmed.is_empty() {
            return;
        }
        let Some(in_hand) = self.repair.in_hand.remove(object) else { return };
        if in_hand.departs && self.values.get(object).is_some_and(|entry| !entry.is_published()) {
            self.ground.tally.count(Counter::Repairs, "copy_dropped");
            return self.forget(object);
        }
        self.values.settle(object, in_hand.mark);
        let copies = in_hand.audience as u8 + 1;
        if self.ground.view.is_root_of(object) || self.values.get(object).is_some_and(|entry| entry.copies < copies) {
            self.values.note_copies(object, copies);
        }
    }
}

impl Repair {
    /// One more value than the pass under way reckoned with: without this it would end one too early.
    pub(super) fn note_value(&mut self) {
        self.values_left += usize::from(self.is_passing);
    }

    /// The same of a pointer.
    pub(super) fn note_pointer(&mut self) {
        self.pointers_left += usize::from(self.is_passing);
    }

    /// Whether nothing is to be looked at, offered or pushed just now.
    pub(super) fn is_idle(&self) -> bool {
        self.values_left == 0
            && self.pointers_left == 0
            && self.in_hand.is_empty()
            && self.pushes.is_empty()
            && self.pushing == 0
            && self.handing_over == 0
    }

    /// Values offered, or waiting to be pushed.
    pub(super) fn len(&self) -> usize {
        self.in_hand.len() + self.pushes.len()
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.in_hand.len() <= IN_HAND_MAX);
        assert!(self.pushing <= PUSHES_AT_ONCE);
        assert!(self.pushes.len() <= PUSHES_QUEUED_MAX);
        assert!(self.wanted.len() <= WANTED_MAX);
    }
}

/// From a change of the leaf set to the first look: several changes come together. A guess.
const REPAIR_DELAY: Span = Span::from_millis(500);
/// Between two steps of a pass.
const REPAIR_STEP: Span = Span::from_millis(50);
/// After a pass that left something undone, doubled with each in a row. A guess.
const REPAIR_RETRY: Span = Span::from_secs(2);
/// Values and pointers looked at in one step: some 20 us each, so 5 ms. A guess.
const SCAN_AT_ONCE: usize = 256;
/// Values offered at once. Two offers' worth.
const IN_HAND_MAX: usize = 512;
/// How long an offer may go unanswered. A guess.
const IN_HAND_WAIT: Span = Span::from_secs(5);
/// Values read and sent at once: at most 16 MiB on their way.
const PUSHES_AT_ONCE: usize = 16;
/// Values waiting to be pushed: eight offers' worth.
const PUSHES_QUEUED_MAX: usize = 2_048;
/// Beyond a peer's usual wait, for a megabyte on a slow line. A guess.
const PUSH_SLACK: Span = Span::from_secs(4);
/// Pointers handed over at once. A guess.
const HAND_OVERS_AT_ONCE: usize = 64;
/// Values asked for that have not come: as many as eight peers may have in hand.
const WANTED_MAX: usize = 4_096;
