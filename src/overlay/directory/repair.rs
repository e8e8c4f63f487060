//! Keeping replica sets whole.
//!
//! Owns: the pass over all kept values and pointers after a change of the leaf set and once in a
//! while, what is in hand meanwhile, the offers by name, and the hand-over of pointers.
//! Never does: decide to whom something is owed (that is `duty`), compare (`compare`), send a value
//! (`push`), or hurry: everything is paced.

use super::Directory;
use super::amend::{Row, Why};
use super::away::{Due, Purpose};
use super::compare::{COMPARISONS_MAX, Comparisons, Run};
use super::duty::{Duty, duty, is_welcome};
use super::ground::Counter;
use super::pointers::Claim;
use super::push::Pushes;
use super::scrub::Scrub;
use super::stray::STRAYS_AT_ONCE;
use super::values::Entry;
use crate::base::{Id, Instant, Span};
use crate::wire::Directory as Message;
use crate::wire::directory::{Answer, OFFER_MAX, OfferEntry, Refusal, Request};
use std::collections::{BTreeMap, BTreeSet};

/// Repair at one shard.
#[derive(Default)]
pub(super) struct Repair {
    values: Scan<Id>,
    pointers: Scan<(Id, Id)>,
    pass: Pass,
    /// When all is to be looked at again, settled or not; at once if never yet.
    thorough_at: Option<Instant>,
    /// Whether something was left undone, so that the next pass must be soon.
    pub(super) is_unfinished: bool,
    /// Passes in a row that left something undone.
    backoff: u32,
    pub(super) in_hand: BTreeMap<Id, InHand>,
    pub(super) comparisons: Comparisons,
    pub(super) pushes: Pushes,
    pub(super) scrub: Scrub,
    handing_over: usize,
    /// Values being brought home.
    pub(super) strays: BTreeSet<Id>,
    /// What was asked for lately, and until when it is not asked for again.
    wanted: BTreeMap<Id, Instant>,
}

/// How far the pass under way is.
struct Scan<K> {
    cursor: Option<K>,
    /// How many are still to be looked at.
    left: usize,
}

impl<K> Default for Scan<K> {
    fn default() -> Scan<K> {
        Scan { cursor: None, left: 0 }
    }
}

/// What a pass looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pass {
    /// None is under way; the next one is waited for.
    #[default]
    Resting,
    /// What is not known to be as it should be.
    Unsettled,
    /// Everything.
    Thorough,
}

/// A value of which those who must have it are asked.
pub(super) struct InHand {
    /// Who has not said yet that it has it.
    unconfirmed: Vec<Id>,
    version: u64,
    audience: usize,
    mark: u64,
    departs: bool,
    until: Instant,
    /// Peers to whom it is to be sent, or is being sent: so long it stays in hand.
    pub(super) pushes: u16,
}

/// What a look at some values found.
#[derive(Default)]
struct Look {
    /// For each peer what it must have.
    owed: BTreeMap<Id, Vec<Run>>,
    /// The run that may go on, and the duty of all in it.
    run: Run,
    duty: Option<Duty>,
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
        self.repair.comparisons.clear();
        self.pass_start(true);
        self.on_repair();
    }

    /// Takes the next step.
    pub(super) fn on_repair(&mut self) {
        let now = self.ground.now;
        let late = self.repair.in_hand.iter().filter(|(_, in_hand)| in_hand.until <= now && in_hand.pushes == 0);
        let late: Vec<Id> = late.map(|(object, _)| *object).collect();
        late.iter().for_each(|object| self.unsettle(object));
        self.repair.comparisons.retain(|_, comparison| comparison.until > now);
        self.repair.wanted.retain(|_, until| *until > now);
        if self.repair.pass == Pass::Resting {
            self.pass_start(false);
        }
        self.scan_values();
        self.scan_pointers();
        self.push_more();
        if !self.repair.is_idle() {
            return self.ground.wake(Due::Repair, REPAIR_STEP);
        }
        self.repair.pass = Pass::Resting;
        let longest = self.repair.thorough_at.map_or(Span::ZERO, |at| now.until(at));
        let pause = match self.repair.is_unfinished {
            true => self.ground.chance.jittered(REPAIR_RETRY * (1 << self.repair.backoff.min(10)), 0.25).min(longest),
            false => longest,
        };
        self.repair.backoff = if self.repair.is_unfinished { self.repair.backoff + 1 } else { 0 };
        self.ground.wake(Due::Repair, pause.max(REPAIR_STEP));
    }

    /// Nothing came of this one: the next pass looks at it, thorough or not.
    pub(super) fn unsettle(&mut self, object: &Id) {
        self.repair.in_hand.remove(object);
        self.repair.is_unfinished = true;
        self.values.settle(object, 0);
    }

    /// A newer version of this could not be written: whoever has it is asked for it again, as long as that takes.
    pub(super) fn ask_again(&mut self, object: &Id) {
        self.unsettle(object);
        let after = REPAIR_RETRY * (1 << self.repair.backoff.min(10));
        self.ground.deadlines.set_earlier(Due::Repair, self.ground.now + self.ground.chance.jittered(after, 0.25));
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
            self.confirm(object, None, from);
        }
    }

    /// What became of a pointer's hand-over.
    pub(super) fn on_handed_over(&mut self, root: Id, holder: Id, answer: Option<Answer>) {
        self.repair.handing_over = self.repair.handing_over.saturating_sub(1);
        match answer {
            Some(Answer::Published { .. } | Answer::Refused(Refusal::Stale { .. })) => {
                self.ground.tally.count(Counter::Repairs, "pointer_handed_over");
                if !self.ground.view.is_root_of(&root) && self.leaving.is_none() {
                    self.pointers.demote(&self.ground.limits, &root, &holder);
                    self.amend(Row::Pointer { root, holder }, Why::Wrong);
                }
            }
            _ => self.repair.is_unfinished = true,
        }
    }

    /// Begins anew. What a thorough pass has not come to yet it still looks at.
    fn pass_start(&mut self, is_thorough: bool) {
        let now = self.ground.now;
        self.ground.tally.count(Counter::Repairs, "pass");
        self.repair.values.left = self.values.len();
        self.repair.pointers.left = self.pointers.len();
        self.repair.is_unfinished = false;
        let is_due = is_thorough || self.repair.thorough_at.is_none_or(|at| at <= now);
        if is_due {
            let interval = self.ground.chance.jittered(self.ground.tuning.upkeep.repair_interval, 0.25);
            self.repair.thorough_at = Some(now + interval);
        }
        let goes_on = self.repair.pass == Pass::Thorough;
        self.repair.pass = if is_due || goes_on { Pass::Thorough } else { Pass::Unsettled };
    }

    /// Looks at the next values, and asks those who must have them.
    fn scan_values(&mut self) {
        let mut look = Look::default();
        for _ in 0..self.repair.values.left.min(SCAN_AT_ONCE) {
            let is_busy = self.repair.comparisons.len() + look.owed.len() >= COMPARISONS_MAX / 2;
            if self.repair.in_hand.len() >= IN_HAND_MAX || is_busy {
                break;
            }
            let Some((object, entry)) = self.values.next_round(self.repair.values.cursor) else {
                self.repair.values.left = 0;
                break;
            };
            if self.is_stray(&object, &entry) && !self.bring_home(object, entry.bytes) {
                break;
            }
            self.repair.values.left -= 1;
            let is_wrapped = self.repair.values.cursor.is_some_and(|cursor| cursor >= object);
            self.repair.values.cursor = Some(object);
            let duty = self.duty_to_look_at(&object, &entry);
            if is_wrapped || look.duty != duty {
                look.end_run();
            }
            let Some(duty) = duty else { continue };
            let in_hand = InHand {
                audience: duty.audience.len(),
                unconfirmed: duty.audience.clone(),
                version: entry.version,
                mark: duty.mark(),
                departs: duty.departs,
                until: self.ground.now + IN_HAND_WAIT,
                pushes: 0,
            };
            self.repair.in_hand.insert(object, in_hand);
            look.run.push((object, entry.version));
            look.duty = Some(duty);
        }
        look.end_run();
        for (peer, runs) in look.owed {
            self.compare(peer, runs);
        }
    }

    /// What is owed of this value, if it is to be looked at now. The audience is in the order of ids: that of
    /// nearness changes from value to value.
    fn duty_to_look_at(&self, object: &Id, entry: &Entry) -> Option<Duty> {
        if !entry.is_live_replica(self.ground.now) || self.repair.in_hand.contains_key(object) {
            return None;
        }
        let replicas = usize::from(self.ground.tuning.replicas);
        let mut duty = duty(&self.ground.view, object, replicas, self.leaving.is_some())?;
        duty.audience.sort_unstable();
        (entry.settled != duty.mark() || self.repair.pass == Pass::Thorough).then_some(duty)
    }

    /// Offers values to a peer by name.
    pub(super) fn offer(&mut self, peer: Id, objects: Vec<Id>) {
        let now = self.ground.now;
        self.repair.hold_on(objects.iter(), now + IN_HAND_WAIT);
        let entry = |object: Id| {
            let entry = self.values.get(&object)?;
            let remaining = self.ground.limits.lifetime(entry.remaining(now));
            Some(OfferEntry { object, version: entry.version, remaining })
        };
        let entries: Vec<OfferEntry> = objects.into_iter().filter_map(entry).collect();
        let Some(contact) = self.ground.contact(&peer) else { return };
        for entries in entries.chunks(OFFER_MAX) {
            self.ground.tally.count(Counter::Repairs, "offer");
            self.ground.send(&contact, Message::Offer { entries: entries.to_vec() });
        }
    }

    /// Looks at the next pointers, and hands over those that another node roots now.
    fn scan_pointers(&mut self) {
        for _ in 0..self.repair.pointers.left.min(SCAN_AT_ONCE) {
            if self.repair.handing_over >= HAND_OVERS_AT_ONCE {
                break;
            }
            self.repair.pointers.left -= 1;
            let Some(((root, holder), claim)) = self.pointers.next_round(self.repair.pointers.cursor) else {
                self.repair.pointers.left = 0;
                break;
            };
            self.repair.pointers.cursor = Some((root, holder));
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

    /// This peer has this, in this version if that was said.
    pub(super) fn confirm(&mut self, object: &Id, version: Option<u64>, from: Id) {
        let Some(in_hand) = self.repair.in_hand.get_mut(object) else { return };
        if version.is_some_and(|version| version != in_hand.version) {
            return;
        }
        in_hand.unconfirmed.retain(|id| *id != from);
        if !in_hand.unconfirmed.is_empty() {
            return;
        }
        let Some(in_hand) = self.repair.in_hand.remove(object) else { return };
        let Some(entry) = self.values.get(object).filter(|entry| entry.version == in_hand.version) else {
            self.repair.is_unfinished = true;
            return;
        };
        if in_hand.departs && !entry.is_published() {
            match self.forget(object) {
                true => self.ground.tally.count(Counter::Repairs, "copy_dropped"),
                false => self.repair.is_unfinished = true,
            }
            return;
        }
        let copies = in_hand.audience as u8 + 1;
        let counts = self.ground.view.is_root_of(object) || entry.copies < copies;
        self.values.settle(object, in_hand.mark);
        if counts {
            self.values.note_copies(object, copies);
        }
    }
}

impl Look {
    /// The run under way is over: it is owed to all of its audience.
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        let Some(duty) = self.duty.take().filter(|_| !run.is_empty()) else { return };
        for peer in duty.audience {
            self.owed.entry(peer).or_default().push(run.clone());
        }
    }
}

impl Repair {
    /// One more value than the pass under way reckoned with: without this it would end one too early.
    pub(super) fn note_value(&mut self) {
        self.values.left += usize::from(self.pass != Pass::Resting);
    }

    /// The same of a pointer.
    pub(super) fn note_pointer(&mut self) {
        self.pointers.left += usize::from(self.pass != Pass::Resting);
    }

    /// Whether nothing is to be looked at, offered or pushed just now.
    pub(super) fn is_idle(&self) -> bool {
        self.values.left == 0
            && self.pointers.left == 0
            && self.in_hand.is_empty()
            && self.comparisons.is_empty()
            && self.pushes.is_idle()
            && self.handing_over == 0
    }

    /// Values offered, or waiting to be pushed.
    pub(super) fn len(&self) -> usize {
        self.in_hand.len() + self.pushes.len()
    }

    /// Something is still being done about these.
    pub(super) fn hold_on<'a>(&mut self, objects: impl Iterator<Item = &'a Id>, until: Instant) {
        for object in objects {
            if let Some(in_hand) = self.in_hand.get_mut(object) {
                in_hand.until = until;
            }
        }
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.in_hand.len() <= IN_HAND_MAX);
        assert!(self.strays.len() <= STRAYS_AT_ONCE);
        assert!(self.comparisons.len() <= COMPARISONS_MAX);
        self.pushes.assert_invariants();
        assert!(self.wanted.len() <= WANTED_MAX);
    }
}

/// From a change of the leaf set to the first look: several changes come together. A guess.
const REPAIR_DELAY: Span = Span::from_millis(500);
/// Between two steps of a pass.
pub(super) const REPAIR_STEP: Span = Span::from_millis(50);
/// After a pass that left something undone, doubled with each in a row. A guess.
const REPAIR_RETRY: Span = Span::from_secs(2);
/// Values and pointers looked at in one step: some 20 us each, so 5 ms. A guess.
const SCAN_AT_ONCE: usize = 256;
/// Values asked about at once: the looks of four steps, longer than most answers take.
const IN_HAND_MAX: usize = 4 * SCAN_AT_ONCE;
/// How long an offer or a question may go unanswered. A guess.
pub(super) const IN_HAND_WAIT: Span = Span::from_secs(5);
/// Pointers handed over at once. A guess.
const HAND_OVERS_AT_ONCE: usize = 64;
/// Values asked for that have not come: as many as eight peers may have in hand.
const WANTED_MAX: usize = 4_096;
