//! A local client asks who holds an object.
//!
//! Owns: the order in which the object's roots are asked, and the order of the answer.
//! Never does: ask the holders.

use super::Directory;
use super::ground::nearest_holders;
use super::near_root::expected_way;
use super::wishes::Work;
use crate::base::{Id, Span};
use crate::overlay::contract::{Failure, Located, Reply};
use crate::wire::directory::{Answer, Refusal, Request};
use crate::wire::routing::Errand;

/// A locate under way.
#[derive(Default)]
pub(super) struct LocateWork {
    /// The roots that said that they know nobody, a bit each.
    unknown: u8,
    /// Questions that are not answered, with the root they went to.
    under_way: Vec<(u64, u8)>,
}

impl Directory {
    /// Asks the object's own root, which alone knows of placed copies, and beside it the nearest of the salted ones if
    /// that is clearly nearer: whoever answers first will do. What this node knows itself is looked at first.
    pub(super) fn locate_start(&mut self, number: u64) {
        let Some(object) = self.wishes.get(number).map(|wish| wish.object) else { return };
        let nearer = self.nearer_root(&object);
        if nearer.is_none_or(|(way, _)| way > Span::ZERO) {
            self.locate_try(number);
        }
        if let Some((_, salt)) = nearer {
            self.locate_ask(number, salt);
        }
    }

    /// Tries (again), the next of the object's roots.
    pub(super) fn locate_try(&mut self, number: u64) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        wish.tries += 1;
        let tries = wish.tries;
        let Work::Locate(work) = &wish.work else { return };
        let is_due = |salt: &u8| work.unknown & (1 << salt) == 0 && work.under_way.iter().all(|(_, at)| at != salt);
        let next = (0..u32::from(super::ROOTS_PER_OBJECT)).map(|step| salt_of(tries + step)).find(is_due);
        if let Some(salt) = next {
            self.locate_ask(number, salt);
        }
    }

    /// Somebody answered.
    pub(super) fn on_locate_answer(&mut self, number: u64, which: u64, node: Id, answer: Answer) {
        match answer {
            Answer::Holders { holders, known_as } if !holders.is_empty() => {
                let salt = self.locate_ended(number, which).map_or(0, |(_, salt)| salt);
                let mut holders = nearest_holders(holders, &self.ground.view.bearing.coordinate);
                self.ground.by_expected_rtt(&mut holders);
                let by = Located { node, known_as, salt };
                self.finish(number, Ok(Reply::Holders { holders, by }));
            }
            Answer::NotFound | Answer::Holders { .. } => {
                let Some((work, salt)) = self.locate_ended(number, which) else { return };
                work.unknown |= 1 << salt;
                if work.unknown == ALL_ROOTS {
                    return self.finish(number, Err(Failure::NotFound));
                }
                // The next root is another node: no pause is owed to it.
                if work.under_way.is_empty() {
                    self.locate_try(number);
                }
            }
            Answer::Refused(refusal) => self.locate_failed(number, which, Failure::Refused(refusal)),
            _ => self.locate_failed(number, which, Failure::Refused(Refusal::Forged)),
        }
    }

    /// A question came to nothing: another try is due if no other is under way.
    pub(super) fn locate_failed(&mut self, number: u64, which: u64, failure: Failure) {
        let Some((work, _)) = self.locate_ended(number, which) else { return };
        if work.under_way.is_empty() {
            self.try_failed(number, None, failure);
        }
    }

    fn locate_ask(&mut self, number: u64, salt: u8) {
        let Some(object) = self.wishes.get(number).map(|wish| wish.object) else { return };
        let root = object.salted(salt);
        let request = Request::Locate { object, root, coordinate: self.ground.view.bearing.coordinate };
        let which = self.route_for(number, root, Errand::Nearest, &request);
        if let Some(Work::Locate(work)) = self.wishes.get_mut(number).map(|wish| &mut wish.work) {
            work.under_way.push((which, salt));
        }
    }

    /// Takes a question off those under way; gives the root it went to.
    fn locate_ended(&mut self, number: u64, which: u64) -> Option<(&mut LocateWork, u8)> {
        let Work::Locate(work) = &mut self.wishes.get_mut(number)?.work else { return None };
        let place = work.under_way.iter().position(|(asked, _)| *asked == which)?;
        let (_, salt) = work.under_way.swap_remove(place);
        Some((work, salt))
    }

    /// The nearest of the salted roots, where it is clearly nearer than the object's own, and how far it is.
    fn nearer_root(&self, object: &Id) -> Option<(Span, u8)> {
        let way = |salt: u8| {
            let root = object.salted(salt);
            // What points there is known here: the forwarder asks this node first.
            let is_here = self.pointers.live(&root).next().is_some();
            if is_here { Some(Span::ZERO) } else { expected_way(&self.ground.view, &root) }
        };
        let own = way(0)?;
        let (nearest, salt) = (1..super::ROOTS_PER_OBJECT).filter_map(|salt| Some((way(salt)?, salt))).min()?;
        (nearest < own.scaled(CLEARLY_NEARER)).then_some((nearest, salt))
    }
}

/// Which of the object's roots is asked by the try of this number, counted from 1: each in turn.
pub(super) fn salt_of(tries: u32) -> u8 {
    (tries.saturating_sub(1) % u32::from(super::ROOTS_PER_OBJECT)) as u8
}

/// A bit for each root.
pub(super) const ALL_ROOTS: u8 = u8::MAX >> (8 - super::ROOTS_PER_OBJECT);
/// A second root is asked where its way is at most this part of that to the first: less is not worth a message. A guess.
const CLEARLY_NEARER: f64 = 0.8;
