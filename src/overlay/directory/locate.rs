//! A local client asks who holds an object.
//!
//! Owns: the order in which the object's roots are asked, and the order of the answer.
//! Never does: ask the holders.

use super::Directory;
use super::ground::nearest_holders;
use super::wishes::Work;
use crate::overlay::contract::{Failure, Reply};
use crate::wire::directory::{Answer, Refusal, Request};
use crate::wire::routing::Errand;

impl Directory {
    /// Tries (again), the next of the object's roots.
    pub(super) fn locate_try(&mut self, number: u64) {
        let Some(wish) = self.wishes.get_mut(number) else { return };
        let object = wish.object;
        wish.tries += 1;
        let root = object.salted(salt_of(wish.tries));
        let request = Request::Locate { object, root, coordinate: self.ground.view.coordinate };
        self.route_for(number, root, Errand::Nearest, &request);
    }

    /// Somebody answered.
    pub(super) fn on_locate_answer(&mut self, number: u64, which: u64, answer: Answer) {
        match answer {
            Answer::Holders { holders } if !holders.is_empty() => {
                let mut holders = nearest_holders(holders, &self.ground.view.coordinate);
                self.ground.by_expected_rtt(&mut holders);
                self.finish(number, Ok(Reply::Holders(holders)));
            }
            Answer::NotFound | Answer::Holders { .. } => {
                let Some(wish) = self.wishes.get_mut(number).filter(|wish| wish.current == which) else { return };
                let Work::Locate { unknown } = &mut wish.work else { return };
                *unknown |= 1 << salt_of(wish.tries);
                if *unknown == ALL_ROOTS {
                    return self.finish(number, Err(Failure::NotFound));
                }
                // The next root is another node: no pause is owed to it.
                self.locate_try(number);
            }
            answer => {
                let failure = match answer {
                    Answer::Refused(refusal) => Failure::Refused(refusal),
                    _ => Failure::Refused(Refusal::Forged),
                };
                self.try_failed(number, Some(which), failure);
            }
        }
    }
}

/// Which of the object's roots is asked by the try of this number, counted from 1: each in turn.
pub(super) fn salt_of(tries: u32) -> u8 {
    (tries.saturating_sub(1) % u32::from(super::ROOTS_PER_OBJECT)) as u8
}

/// A bit for each root.
pub(super) const ALL_ROOTS: u8 = (1 << super::ROOTS_PER_OBJECT) - 1;
