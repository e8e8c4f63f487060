//! What neighbours say they hold.
//!
//! Owns: for each neighbour the beginnings of the ids it holds copies of, as it says, and how often that was true.
//! Never does: choose a hop, or answer anything: whoever is asked for its word's sake proves what it answers.
//!
//! Whoever looks for a copy of what is wanted much asks the neighbour that has one, if any has, instead of going towards the
//! key: so each copy serves all neighbours of the node that holds it, not only those whose way leads there. Summaries of what is
//! near are Fan, Cao, Almeida and Broder's (SIGCOMM 1998) and, over an overlay's links, Rhea and Kubiatowicz's (INFOCOM 2002).
//! These are lists, not Bloom filters: of 64 neighbours one would be wrong now and then.

use super::next_hop::Step;
use crate::base::{BoundedMap, Ewma, Id, Instant, Span};
use crate::wire::routing::{HOLDS_MAX, Held, Holds};

/// What all neighbours say.
#[derive(Clone, Debug, Default)]
pub struct Hearsay {
    said: BoundedMap<Id, Said, NEIGHBOURS_MAX>,
}

/// What one of them says.
#[derive(Clone, Debug)]
struct Said {
    /// By part of what it holds, in order, and when it was said.
    parts: Vec<(u8, Box<[Held]>, Instant)>,
    forgiven: Instant,
    /// How often it had what it was asked for.
    kept: Ewma,
}

/// A neighbour that says that it has a copy, and how likely it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// Which.
    pub id: Id,
    /// By what its word was worth, 0 to 1.
    pub chance: f64,
}

impl Hearsay {
    /// A neighbour says what it holds, instead of what it said before of this part.
    pub fn hear(&mut self, now: Instant, from: Id, holds: Holds) {
        if self.said.get(&from).is_none() {
            let mut said = Said { parts: Vec::new(), forgiven: now, kept: Ewma::new(WORD_WEIGHT) };
            (0..CREDIT).for_each(|_| said.kept.add(1.0));
            if self.said.insert(from, said).is_err() {
                return;
            }
        }
        let Some(said) = self.said.get_mut(&from) else { return };
        if now.since(said.forgiven) >= FORGIVEN_EVERY {
            said.forgiven = now;
            said.kept.add(1.0);
        }
        said.parts.retain(|(part, ..)| *part != holds.part);
        let room = HOLDS_MAX - said.len();
        let mut copies = holds.copies;
        copies.truncate(room);
        copies.sort_unstable();
        if !copies.is_empty() && said.parts.len() < PARTS_MAX {
            said.parts.push((holds.part, copies.into(), now));
        }
    }

    /// The link to a neighbour is gone.
    pub fn forget(&mut self, peer: &Id) {
        self.said.remove(peer);
    }

    /// The neighbours that say they have a copy.
    pub fn holders(&self, now: Instant, key: &Id) -> Vec<Holder> {
        let held = Held::of(key);
        let is_here = |(_, copies, at): &(u8, Box<[Held]>, Instant)| {
            now.since(*at) < WORD_LASTS && copies.binary_search(&held).is_ok()
        };
        let has_it = |said: &Said| said.parts.iter().any(is_here);
        let holders = self.said.iter().filter(|(_, said)| has_it(said));
        holders.map(|(id, said)| Holder { id: *id, chance: said.kept.value().unwrap_or(0.0) }).collect()
    }

    /// What came of a step, if that was for a neighbour's word: it had a copy, or not. Of a detour it may be the relay that had no
    /// link.
    pub fn judge(&mut self, step: &Step, had_it: bool) {
        if step.by_hearsay && (had_it || step.to == step.target) {
            self.learn(&step.target, had_it);
        }
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

    /// How many copies are known.
    pub fn copies(&self) -> usize {
        self.said.iter().map(|(_, said)| said.len()).sum()
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
}

/// Neighbours heard: as many as are told ([`crate::overlay::directory`] tells the 64 nearest), and some that think
/// themselves near. With [`HOLDS_MAX`] copies each, of three bytes, that is 288 KiB at most.
const NEIGHBOURS_MAX: usize = 96;
/// The last twenty tries count. A guess.
const WORD_WEIGHT: f64 = 0.05;
/// As if so many words had been true before the first was tried: leases end before that is told. A guess.
const CREDIT: usize = 8;

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
            hearsay.holders(at(0), &id(number)).into_iter().map(|holder| holder.id).collect()
        };
        let mut both = vec![one, other];
        both.sort_unstable();
        assert_eq!((ids(&hearsay, 1), ids(&hearsay, 3), ids(&hearsay, 4)), (vec![one], both, vec![]));
        hearsay.hear(at(0), one, holds(0, &[4]));
        assert_eq!((ids(&hearsay, 1), ids(&hearsay, 4), hearsay.copies()), (vec![], vec![one], 3));
        (0..10).for_each(|_| hearsay.learn(&one, false));
        assert!(hearsay.holders(at(0), &id(4))[0].chance < 0.5);
        // It goes on telling: one more chance in a while. And what it told last it does not have for ever.
        (1..8).for_each(|n| hearsay.hear(at(6 * n), one, holds(0, &[4])));
        assert!(hearsay.holders(at(43), &id(4))[0].chance > 0.5);
        hearsay.contradict(&one);
        hearsay.contradict(&one);
        assert!(hearsay.holders(at(43), &id(4))[0].chance < 0.6 && hearsay.holders(at(103), &id(4)).is_empty());
        hearsay.forget(&one);
        assert_eq!((ids(&hearsay, 4), hearsay.copies()), (vec![], 1));
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
        assert_eq!(hearsay.holders(at(0), &id(1)).len(), NEIGHBOURS_MAX - 1);
        assert!(hearsay.refused() > 0);
    }
}
