//! What the neighbours are told of copies held here.
//!
//! Owns: when this shard tells the nearest neighbours of what it answers for others, and of what it keeps and others ask for; and
//! what of it.
//! Never does: tell of what changes: by the time that is heard the lease may be over.

use super::Directory;
use super::away::Due;
use super::ground::Counter;
use super::stands::Stand;
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::Effect;
use crate::wire::routing::{HEARERS, HOLDS_MAX, Held, Holds};
use crate::wire::{Message, Routing};
use std::collections::BTreeSet;

/// What was told, and what is new since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    told: usize,
    news: usize,
    /// Not to be told again before.
    next: Instant,
    /// When others last asked for what is kept here for good.
    kept_wanted: Option<Instant>,
    /// How much of that there was when it was last told, and until when only so much is told.
    kept_told: Option<(usize, Instant)>,
}

impl Holding {
    pub(super) fn new() -> Holding {
        Holding { told: 0, news: 0, next: Instant::ORIGIN, kept_wanted: None, kept_told: None }
    }
}

impl Directory {
    /// A copy came under a lease, or went: once there is enough of that, the neighbours are told.
    pub(super) fn note_holding(&mut self, is_immutable: bool) {
        // A client answers itself with it, and nobody else.
        if !is_immutable || !self.ground.view.ready {
            return;
        }
        let holding = &mut self.spread.holding;
        holding.news += 1;
        if holding.news < NEWS_LEAST.max(holding.told / NEWS_SHARE) {
            return;
        }
        let at = holding.next.max(self.ground.now + TOLD_FIRST);
        self.ground.deadlines.set_earlier(Due::Holding, at);
    }

    /// Others ask for what is kept here for good: the neighbours are told of all of it.
    pub(super) fn note_kept_wanted(&mut self) {
        if !self.ground.view.ready {
            return;
        }
        let (now, kept, holding) = (self.ground.now, self.values.len(), &mut self.spread.holding);
        holding.kept_wanted = Some(now);
        let at = match holding.kept_told {
            None => now,
            Some((told, until)) if told != kept => until,
            Some(_) => return,
        };
        self.ground.deadlines.set_earlier(Due::Holding, at.max(holding.next).max(now + TOLD_FIRST));
    }

    /// Tells the nearest neighbours: of what is asked for most first.
    pub(super) fn tell_holding(&mut self) {
        if !self.ground.view.ready || self.leaving.is_some() {
            return;
        }
        let now = self.ground.now;
        let stands = &self.spread.stands;
        let is_leased = |object: &Id| stands.get(object).is_some_and(Stand::is_immutable);
        // In the same message: what is kept here anyway, and asked for.
        let is_kept = |object: &Id| self.values.live(object, now).is_some_and(|entry| entry.version == 0);
        let asked_for = self.spread.heat.hottest(now, usize::MAX).into_iter().map(|(object, _)| object);
        let asked_for = asked_for.filter(|object| is_leased(object) || is_kept(object));
        let leased = || stands.held().filter(|(_, stand)| stand.is_immutable()).map(|(root, _)| *root);
        let told = leased().count();
        let is_wanted = self.spread.holding.kept_wanted.is_some_and(|at| now.since(at) < TOLD_AGAIN);
        let kept = self.values.blobs().filter(|_| is_wanted);
        let most = HOLDS_MAX / self.sharding.count();
        let mut copies = BTreeSet::new();
        for object in asked_for.chain(leased()).chain(kept) {
            if copies.len() == most {
                break;
            }
            copies.insert(Held::of(&object));
        }
        let copies: Vec<Held> = copies.into_iter().collect();
        let next = now + self.ground.chance.jittered(TOLD_PAUSE, 0.5);
        let kept_told = is_wanted.then(|| (self.values.len(), now + TOLD_PAUSE_EACH * copies.len() as u64));
        self.spread.holding = Holding { told, news: 0, next, kept_told, ..self.spread.holding };
        if told > 0 || is_wanted {
            // Some have come near since, and heard nothing; and what was told lasts an hour.
            self.ground.wake(Due::Holding, TOLD_AGAIN);
        }
        let part = self.sharding.slice(self.ground.shard).shard;
        for (_, to) in self.ground.view.nearest_linked(HEARERS) {
            self.ground.tally.count(Counter::Leases, "told");
            let holds = Holds { part, copies: copies.clone() };
            self.ground.out.push(Effect::Send { to, message: Message::Routing(Routing::Holds(holds)) });
        }
    }
}

/// Copies that came or went before it is worth a message to all of them, at least, and as one part in so many of what was told.
/// Guesses.
const NEWS_LEAST: usize = 8;
const NEWS_SHARE: usize = 2;
/// Pause before the first telling, and between two. Guesses: leases are for an hour, and what has just become hot spreads for
/// some seconds.
const TOLD_FIRST: Span = Span::from_secs(2);
const TOLD_PAUSE: Span = Span::from_secs(10);
/// Pause between two tellings of what is kept, for each copy told: so that costs 200 bytes a second at most. A guess.
const TOLD_PAUSE_EACH: Span = Span::from_secs(1);
/// And then without news, while there is anything to tell.
const TOLD_AGAIN: Span = Span::from_mins(30);
