//! What must hold for the whole overlay, which no node can see.
//!
//! Owns: the list of checkers, one property a file.
//! Never does: repair. A checker may ask (look up, get); it changes nothing else.

pub mod leaf_sets;
pub mod memory;
pub mod newest;
pub mod objects;
pub mod operations;
pub mod roots;
pub mod tables;
pub mod timers;

use super::stage::Stage;
use crate::base::Span;
use std::fmt;

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which property.
    pub property: &'static str,
    /// What is seen instead.
    pub what: String,
}

impl Wrong {
    /// This property does not hold: here is what is seen.
    pub fn new(property: &'static str, what: impl Into<String>) -> Wrong {
        Wrong { property, what: what.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.what)
    }
}

/// All of them, on a stage at rest.
pub fn all(stage: &mut Stage) -> Vec<Wrong> {
    let mut wrongs = leaf_sets::check(&stage.world);
    wrongs.extend(tables::check(&stage.world));
    wrongs.extend(timers::check(&stage.world));
    wrongs.extend(newest::check(stage));
    wrongs.extend(roots::check(stage, KEYS));
    wrongs.extend(objects::check(stage));
    wrongs.extend(operations::check(&stage.world));
    wrongs.extend(memory::check(&stage.world));
    wrongs
}

/// Keys whose root is asked of every node. A guess: with 40 nodes 800 lookups.
const KEYS: usize = 20;
/// Longer than the patience of a lookup or a get.
const LOOKUP_MAX: Span = Span::from_secs(30);
