//! Asking the neighbours what they have heard of.
//!
//! Owns: when this node asks, what it answers who asks, and how often.
//! Never does: ask where little is sought, or go on asking soon where it was of no use.

use super::Forwarder;
use super::next_hop::Word;
use crate::base::{BoundedMap, Id, Instant, Span};
use crate::machine::Outbox;
use crate::overlay::contract::Effect;
use crate::wire::routing::{HEARERS, Heard};
use crate::wire::{Message, Routing};

/// What became of looking for copies, and who was told what.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Since when the next two count.
    since: Instant,
    /// Searches that went towards the key, for want of a word.
    long: u32,
    /// Searches that went where somebody had heard of a copy.
    short: u32,
    /// Not to ask again before.
    next: Instant,
    pause: Span,
    /// What is told for a while, and as of when.
    told: Vec<Heard>,
    told_at: Option<Instant>,
    /// Who was told, and when.
    answered: BoundedMap<Id, Instant, ANSWERED_MAX>,
}

impl Default for Listening {
    fn default() -> Listening {
        let (since, next) = (Instant::ORIGIN, Instant::ORIGIN);
        let (told, told_at, answered) = (Vec::new(), None, BoundedMap::new());
        Listening { since, long: 0, short: 0, next, pause: PAUSE_FIRST, told, told_at, answered }
    }
}

impl Listening {
    /// A search of this node's goes so. Says whether the neighbours are to be asked.
    fn note(&mut self, now: Instant, word: Option<Word>) -> bool {
        if now.since(self.since) >= WINDOW {
            (self.since, self.long, self.short) = (now, 0, 0);
        }
        match word {
            None => self.long += 1,
            Some(Word::Heard(_)) => self.short += 1,
            Some(Word::Own) => {}
        }
        if self.long < SEARCHES_LEAST || now < self.next {
            return false;
        }
        if now.since(self.next) >= WINDOW {
            // It was quiet: what was of no use then may be of use now.
            self.pause = PAUSE_FIRST;
        }
        self.next = now + self.pause;
        let was_of_use = self.short * USEFUL_SHARE >= self.long;
        self.pause = (self.pause * 2).min(if was_of_use { PAUSE_MAX } else { PAUSE_USELESS });
        (self.since, self.long, self.short) = (now, 0, 0);
        true
    }

    /// The link to a neighbour is gone.
    pub fn forget(&mut self, peer: &Id) {
        self.answered.remove(peer);
    }

    /// Neighbours that were not answered for want of room.
    pub fn refused(&self) -> u64 {
        self.answered.refused()
    }
}

impl Forwarder {
    /// A search for a copy goes out, by somebody's word or for want of one.
    pub(super) fn note_search(&mut self, now: Instant, word: Option<Word>, out: &mut Outbox<Effect>) {
        if !self.hearsay.listening.note(now, word) {
            return;
        }
        for (_, to) in self.view.nearest_linked(HEARERS) {
            out.push(Effect::Send { to, message: Message::Routing(Routing::HearsayWanted) });
        }
    }

    /// A neighbour asks what was heard of. Who asks too often, or where nothing was, is not answered.
    pub(super) fn on_hearsay_wanted(&mut self, now: Instant, from: Id, out: &mut Outbox<Effect>) {
        let is_early = |at: &Instant| now.since(*at) < ANSWER_PAUSE;
        if self.hearsay.listening.answered.get(&from).is_some_and(is_early) {
            return self.count_stray();
        }
        if self.hearsay.listening.answered.insert(from, now).is_err() {
            return;
        }
        if self.hearsay.listening.told_at.is_none_or(|at| now.since(at) >= TOLD_FRESH) {
            self.hearsay.listening.told = self.hearsay.to_tell(now, &self.view.nearest_linked(HEARERS));
            self.hearsay.listening.told_at = Some(now);
        }
        if !self.hearsay.listening.told.is_empty() {
            let heard = self.hearsay.listening.told.clone();
            out.push(Effect::Send { to: from, message: Message::Routing(Routing::Hearsay(heard)) });
        }
    }

    /// A neighbour says what it has heard of.
    pub(super) fn on_hearsay(&mut self, now: Instant, from: Id, heard: Vec<Heard>) {
        // Others cannot be asked.
        if self.view.peer(&from).is_some_and(|peer| peer.ready) {
            self.hearsay.hear_of(now, from, heard);
        }
    }
}

/// Searches that go the long way before neighbours are asked, within a window. Asking all and being told costs 512 KiB at most, as
/// a rule a tenth of that. Guesses.
const SEARCHES_LEAST: u32 = 4;
const WINDOW: Span = Span::from_mins(30);
/// Pause between two times; twice as long each time, up to half of what a word lasts, and where fewer than one search in so many
/// was answered by what was told, longer. Guesses.
const PAUSE_FIRST: Span = Span::from_secs(10);
const PAUSE_MAX: Span = Span::from_mins(30);
const PAUSE_USELESS: Span = Span::from_hours(4);
const USEFUL_SHARE: u32 = 10;
/// Who asks is answered once in this time, with what was put together this long ago at most.
const ANSWER_PAUSE: Span = Span::from_secs(5);
const TOLD_FRESH: Span = Span::from_secs(3);
/// Neighbours remembered: four times as many as are asked.
const ANSWERED_MAX: usize = 4 * HEARERS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_seeks_much_in_vain_asks_and_where_that_is_of_no_use_seldom() {
        let asked = |word: Option<Word>, hours: u64| {
            let mut listening = Listening::default();
            let seconds = (0..hours * 3_600).step_by(10);
            let notes = seconds.map(|second| (second, if second % 40 == 0 { None } else { word }));
            notes.filter(|(second, word)| listening.note(Instant::ORIGIN + Span::from_secs(*second), *word)).count()
        };
        // After 10 s, 20, 40 and so on, and each half hour then.
        let heard = Some(Word::Heard(Span::ZERO));
        let (useful, useless) = (asked(heard, 10), asked(None, 10));
        assert!((22..=30).contains(&useful) && (10..=14).contains(&useless), "{useful} {useless}");
        // Twice an hour something is sought.
        let mut listening = Listening::default();
        let at = |hour: u64| Instant::ORIGIN + Span::from_mins(30) * hour;
        assert!((0..100).all(|hour| !listening.note(at(hour), None)));
    }
}
