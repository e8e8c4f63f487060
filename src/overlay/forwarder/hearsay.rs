//! What neighbours say they hold, and what they have heard of.
//!
//! Owns: for each neighbour the beginnings of the ids it holds copies of, as it says, and of those its own neighbours do; and how
//! often that was true.
//! Never does: choose a hop, or answer anything: whoever is asked for its word's sake proves what it answers.
//!
//! Whoever looks for a copy asks the neighbour that has one, or has heard of one, instead of going towards the key: so each copy
//! serves all who are two links away from the node that holds it, not only those whose way leads there. Summaries of what is near
//! are Fan, Cao, Almeida and Broder's (SIGCOMM 1998) and, over an overlay's links and attenuated, Rhea and Kubiatowicz's (INFOCOM
//! 2002). These are lists, not Bloom filters: of 64 neighbours one would be wrong now and then.

use super::listening::Listening;
use super::next_hop::{Step, Word};
use crate::base::{BoundedMap, Ewma, Id, Instant, Span};
use crate::wire::routing::{HEARERS, HEARSAY_MAX, HOLDS_MAX, Heard, Held, Holds};
use std::collections::BTreeMap;

/// What all neighbours say.
#[derive(Clone, Debug, Default)]
pub struct Hearsay {
    said: BoundedMap<Id, Said, NEIGHBOURS_MAX>,
    /// What searches that no word led took, and what was expected, in seconds.
    long: Option<(Ewma, Ewma)>,
    /// Words that came to nothing.
    missed: u64,
    pub(super) listening: Listening,
}

/// What one of them says.
#[derive(Clone, Debug)]
struct Said {
    /// By part of what it holds, in order, and when it was said.
    parts: Vec<(u8, Box<[Held]>, Instant)>,
    /// What it has heard of, in order, and when it said so.
    heard: (Box<[Heard]>, Instant),
    forgiven: Instant,
    /// How often it had what it was asked for.
    kept: Ewma,
}

/// A neighbour that says that it has a copy, or has heard of one, and how likely that is true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// Which.
    pub id: Id,
    /// What it says.
    pub word: Word,
    /// By what its word was worth, 0 to 1.
    pub chance: f64,
}

/// Which neighbours' words count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Of those that have a copy themselves.
    Own,
    /// Of those as well that have heard of one.
    All,
}

impl Hearsay {
    /// A neighbour says what it holds, instead of what it said before of this part.
    pub fn hear(&mut self, now: Instant, from: Id, holds: Holds) {
        let Some(said) = self.said_by(now, from) else { return };
        said.parts.retain(|(part, ..)| *part != holds.part);
        let room = HOLDS_MAX - said.len();
        let mut copies = holds.copies;
        copies.truncate(room);
        copies.sort_unstable();
        if !copies.is_empty() && said.parts.len() < PARTS_MAX {
            said.parts.push((holds.part, copies.into(), now));
        }
    }

    /// A neighbour says what it has heard of, instead of what it said before.
    pub fn hear_of(&mut self, now: Instant, from: Id, mut heard: Vec<Heard>) {
        let Some(said) = self.said_by(now, from) else { return };
        heard.truncate(HEARSAY_MAX);
        heard.sort_unstable();
        said.heard = (heard.into(), now);
    }

    fn said_by(&mut self, now: Instant, from: Id) -> Option<&mut Said> {
        if self.said.get(&from).is_none() {
            let mut kept = Ewma::new(WORD_WEIGHT);
            (0..CREDIT).for_each(|_| kept.add(1.0));
            let said = Said { parts: Vec::new(), heard: (Box::default(), now), forgiven: now, kept };
            self.said.insert(from, said).ok()?;
        }
        let said = self.said.get_mut(&from)?;
        if now.since(said.forgiven) >= FORGIVEN_EVERY {
            said.forgiven = now;
            said.kept.add(1.0);
        }
        Some(said)
    }

    /// What to tell who asks what was heard of: of each the nearest copy, of all the nearest ones, in order of their names.
    /// `near`: who counts, with the way there, the nearest first.
    pub fn to_tell(&self, now: Instant, near: &[(Span, Id)]) -> Vec<Heard> {
        let mut told = BTreeMap::new();
        for (rtt, id) in near {
            let Some(said) = self.said.get(id).filter(|said| said.chance() >= TOLD_ON) else { continue };
            for heard in said.held(now).filter_map(|held| Heard::of(*held, *rtt)) {
                if told.len() < HEARSAY_MAX {
                    told.entry(heard.held).or_insert(heard);
                }
            }
        }
        told.into_values().collect()
    }

    /// The link to a neighbour is gone.
    pub fn forget(&mut self, peer: &Id) {
        self.said.remove(peer);
    }

    /// The neighbours that say they have a copy, or have heard of one, if those count.
    pub fn holders(&self, now: Instant, key: &Id, words: Words) -> Vec<Holder> {
        let held = Held::of(key);
        let word = |said: &Said| match said.has(now, &held) {
            true => Some(Word::Own),
            false if words == Words::All => Some(Word::Heard(said.has_heard_of(now, &held)?)),
            false => None,
        };
        let holder = |(id, said): (&Id, &Said)| Some(Holder { id: *id, word: word(said)?, chance: said.chance() });
        self.said.iter().filter_map(holder).collect()
    }

    /// What came of a step after `waited`, if that was for a neighbour's word: `by` answered, or nobody. Of a detour it may be the
    /// relay that had no link. Who has heard of a copy is judged by how soon the answer came, whoever it was from.
    pub fn judge(&mut self, step: &Step, by: Option<&Id>, waited: Span) {
        let was_true = match step.word {
            None => return,
            Some(Word::Own) => by == Some(&step.target),
            Some(Word::Heard(rtt)) => by.is_some() && waited <= (step.rtt + rtt).scaled(AS_SOON) + AS_SOON_FLOOR,
        };
        if was_true || step.to == step.target {
            self.learn(&step.target, was_true);
        }
        self.missed += u64::from(!was_true);
    }

    /// A neighbour answered, but with no copy.
    pub fn contradict(&mut self, from: &Id) {
        // Once for that it answered at all, which was taken for a copy.
        self.learn(from, false);
        self.learn(from, false);
    }

    fn learn(&mut self, from: &Id, had_it: bool) {
        if let Some(said) = self.said.get_mut(from) {
            said.kept.add(f64::from(u8::from(had_it)));
        }
    }

    /// How often as long as expected a search takes that no word leads, in the mean: pointers on its way may send it on.
    pub fn long(&self) -> f64 {
        let ratio = |(took, expected): (Ewma, Ewma)| Some(took.value()? / expected.value()?.max(1e-4));
        self.long.and_then(ratio).map_or(1.0, |ratio| ratio.clamp(1.0, LONG_MAX))
    }

    /// One took so long.
    pub fn learn_long(&mut self, expected: Span, took: Span) {
        let (all, sought) = self.long.get_or_insert((Ewma::new(LONG_WEIGHT), Ewma::new(LONG_WEIGHT)));
        all.add(took.as_secs_f64());
        sought.add(expected.as_secs_f64());
    }

    /// Whether searches without a word take so long, with what is fetched after them, that words are worth asking for.
    pub fn is_long(&self, fetch: Span) -> bool {
        self.long() >= LONG_FROM || fetch >= FETCH_FROM
    }

    /// How many copies are known at neighbours.
    pub fn copies(&self) -> usize {
        self.said.iter().map(|(_, said)| said.len()).sum()
    }

    /// How many words came to nothing.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// How many words of copies at neighbours' neighbours are kept.
    pub fn heard_of(&self) -> usize {
        self.said.iter().map(|(_, said)| said.heard.0.len()).sum()
    }

    /// Neighbours there was no room for.
    pub fn refused(&self) -> u64 {
        self.said.refused()
    }
}

impl Said {
    fn len(&self) -> usize {
        self.parts.iter().map(|(_, copies, _)| copies.len()).sum()
    }

    fn chance(&self) -> f64 {
        self.kept.value().unwrap_or(0.0)
    }

    fn held(&self, now: Instant) -> impl Iterator<Item = &Held> {
        self.parts.iter().filter(move |(.., at)| now.since(*at) < WORD_LASTS).flat_map(|(_, copies, _)| copies)
    }

    fn has(&self, now: Instant, held: &Held) -> bool {
        let is_here = |(_, copies, at): &(u8, Box<[Held]>, Instant)| {
            now.since(*at) < WORD_LASTS && copies.binary_search(held).is_ok()
        };
        self.parts.iter().any(is_here)
    }

    /// How far the copy is from it that it has heard of.
    fn has_heard_of(&self, now: Instant, held: &Held) -> Option<Span> {
        let (heard, at) = &self.heard;
        let place = heard.binary_search_by_key(held, |heard| heard.held).ok()?;
        (now.since(*at) < WORD_LASTS).then(|| heard[place].rtt())
    }
}

/// Neighbours heard: as many as are told, and some that think themselves near. With [`HOLDS_MAX`] copies each, of three bytes, that
/// is 384 KiB at most; with four bytes for each of [`HEARSAY_MAX`] they have heard of, where much is sought, 1,408 KiB.
const NEIGHBOURS_MAX: usize = HEARERS + 32;
/// The last twenty tries count. A guess.
const WORD_WEIGHT: f64 = 0.05;
/// As if so many words had been true before the first was tried: leases end before that is told. A guess.
const CREDIT: usize = 8;

/// The last ten searches count. A guess.
const LONG_WEIGHT: f64 = 0.1;
const LONG_MAX: f64 = 10.0;
/// Where the roots keep what is sought words of what is two links away win 6 % of the time of a get, but make forwarders' load uneven
/// (400 nodes of 100 links, Zipf's law, 2026-11-28: 99th percentile over mean 1.60 instead of 1.48). Where they only point to it
/// the factor is two and more.
const LONG_FROM: f64 = 1.5;
const FETCH_FROM: Span = Span::from_millis(10);
/// Words that are worth less are not told on: no better than those this node itself goes by.
const TOLD_ON: f64 = super::next_hop::BELIEVED;
/// An answer that comes so many times as late as was said, and so much, is none from a copy that is where it was said to be. Guesses.
const AS_SOON: f64 = 1.5;
const AS_SOON_FLOOR: Span = Span::from_millis(20);
/// A word lasts as long as a lease of what cannot change does by default.
const WORD_LASTS: Span = Span::from_hours(1);
/// How often a neighbour that goes on telling gets one more chance. A guess.
const FORGIVEN_EVERY: Span = Span::from_mins(5);
/// Parts of one neighbour: as many as a node has shards at most.
const PARTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Instant {
        Instant::ORIGIN + Span::from_mins(minutes)
    }

    fn id(number: u8) -> Id {
        Id::hash_of(&[number])
    }

    fn holds(part: u8, numbers: &[u8]) -> Holds {
        Holds { part, copies: numbers.iter().map(|number| Held::of(&id(*number))).collect() }
    }

    #[test]
    fn the_last_word_of_each_part_counts_and_is_worth_what_it_was() {
        let (mut hearsay, one, other) = (Hearsay::default(), id(100), id(101));
        hearsay.hear(at(0), one, holds(0, &[1, 2]));
        hearsay.hear(at(0), one, holds(1, &[3]));
        hearsay.hear(at(0), other, holds(0, &[3]));
        let ids = |hearsay: &Hearsay, number: u8| -> Vec<Id> {
            hearsay.holders(at(0), &id(number), Words::All).into_iter().map(|holder| holder.id).collect()
        };
        let mut both = vec![one, other];
        both.sort_unstable();
        assert_eq!((ids(&hearsay, 1), ids(&hearsay, 3), ids(&hearsay, 4)), (vec![one], both, vec![]));
        hearsay.hear(at(0), one, holds(0, &[4]));
        assert_eq!((ids(&hearsay, 1), ids(&hearsay, 4), hearsay.copies()), (vec![], vec![one], 3));
        (0..10).for_each(|_| hearsay.learn(&one, false));
        assert!(hearsay.holders(at(0), &id(4), Words::All)[0].chance < 0.5);
        // It goes on telling: one more chance in a while. And what it told last it does not have for ever.
        (1..8).for_each(|n| hearsay.hear(at(6 * n), one, holds(0, &[4])));
        assert!(hearsay.holders(at(43), &id(4), Words::All)[0].chance > 0.5);
        hearsay.contradict(&one);
        hearsay.contradict(&one);
        assert!(
            hearsay.holders(at(43), &id(4), Words::All)[0].chance < 0.6
                && hearsay.holders(at(103), &id(4), Words::All).is_empty()
        );
        hearsay.forget(&one);
        assert_eq!((ids(&hearsay, 4), hearsay.copies()), (vec![], 1));
    }

    #[test]
    fn what_neighbours_hold_is_told_on_with_the_way_there_the_nearest_copy_of_each() {
        let (mut hearsay, near, far) = (Hearsay::default(), id(100), id(101));
        hearsay.hear(at(0), near, holds(0, &[1, 2]));
        hearsay.hear(at(0), far, holds(0, &[2, 3]));
        let ways = [(Span::from_millis(9), near), (Span::from_millis(200), far)];
        let told = hearsay.to_tell(at(1), &ways);
        assert!(told.is_sorted());
        let rtt = |number: u8| {
            let held = Held::of(&id(number));
            told.iter().find(|heard| heard.held == held).map(|heard| heard.rtt().as_micros() / 1_000)
        };
        assert_eq!((rtt(1), rtt(2), rtt(3), told.len()), (Some(8), Some(8), Some(200), 3));
        // Nothing of who is not near any more, of who is not to be believed, and of what was said long ago.
        assert_eq!(hearsay.to_tell(at(1), &ways[1..]).len(), 2);
        (0..20).for_each(|_| hearsay.learn(&near, false));
        assert_eq!((hearsay.to_tell(at(1), &ways).len(), hearsay.to_tell(at(61), &ways).len()), (2, 0));
    }

    #[test]
    fn who_has_heard_of_a_copy_is_believed_by_how_soon_the_answer_comes() {
        let (mut hearsay, teller, holder) = (Hearsay::default(), id(100), id(101));
        let heard = Heard::of(Held::of(&id(1)), Span::from_millis(40)).expect("near");
        hearsay.hear_of(at(0), teller, vec![heard]);
        let word = Word::Heard(Span::from_millis(40));
        let told = |hearsay: &Hearsay, minutes: u64| hearsay.holders(at(minutes), &id(1), Words::All);
        assert_eq!(told(&hearsay, 1), [Holder { id: teller, word, chance: 1.0 }]);
        assert!(hearsay.holders(at(1), &id(1), Words::Own).is_empty() && told(&hearsay, 61).is_empty());
        let rtt = Span::from_millis(10);
        let (why, nearest) = (crate::wire::routing::Why::Holds, None);
        let step = Step { to: teller, target: teller, rtt, cost: rtt, why, closing: false, nearest, word: Some(word) };
        (0..20).for_each(|_| hearsay.judge(&step, Some(&holder), Span::from_millis(70)));
        assert_eq!((hearsay.missed(), told(&hearsay, 1)[0].chance), (0, 1.0));
        (0..20).for_each(|_| hearsay.judge(&step, Some(&holder), Span::from_millis(300)));
        assert_eq!(hearsay.missed(), 20);
        assert!(told(&hearsay, 1)[0].chance < 0.5);
        // Its own copy counts more.
        hearsay.hear(at(1), teller, holds(0, &[1]));
        assert_eq!(told(&hearsay, 2)[0].word, Word::Own);
    }

    #[test]
    fn nobody_fills_more_than_its_room() {
        let mut hearsay = Hearsay::default();
        let copies: Vec<Held> = (0..HOLDS_MAX as u32).map(|n| Held::of(&Id::hash_of(&n.to_le_bytes()))).collect();
        for part in 0..3 {
            hearsay.hear(at(0), id(1), Holds { part, copies: copies.clone() });
        }
        assert_eq!(hearsay.copies(), HOLDS_MAX);
        for number in 0..=NEIGHBOURS_MAX as u32 {
            hearsay.hear(at(0), Id::hash_of(&number.to_le_bytes()), holds(0, &[1]));
        }
        assert_eq!(hearsay.holders(at(0), &id(1), Words::All).len(), NEIGHBOURS_MAX - 1);
        assert!(hearsay.refused() > 0);
    }
}
