//! The contract between a machine and its host.
//!
//! Owns: the one law, and the few verbs with which a host drives any machine.
//! Never does: know what a machine is for, or what a host runs on.

use crate::base::Instant;
use std::fmt;

/// A deterministic state machine with a single owner: same seed, same inputs, same effects.
///
/// The law: after each [`Machine::handle`], carry out every effect in the outbox, in order, before the
/// next `handle`; and when [`Machine::next_deadline`] has come, hand in the machine's "due" input.
/// Feeding an input late is allowed (a host may be busy), feeding inputs with time running backwards
/// is not. `handle` cannot fail: what a peer does wrong is an observation, not an error of ours.
pub trait Machine {
    /// What can happen to it.
    type Input;
    /// What it wants done.
    type Effect;

    /// Takes one input in, and says in `out` what is to be done.
    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Outbox<Self::Effect>);

    /// When it must be woken at the latest, if ever.
    fn next_deadline(&self) -> Option<Instant>;

    /// Appends what there is to read off this machine now: the length of every table it owns, and a
    /// counter for every limit.
    fn readings(&self, into: &mut Vec<Reading>);
}

/// What a machine wants done, in order. The host drains it after every input.
pub struct Outbox<E> {
    effects: Vec<E>,
}

/// One value to be read off a machine: becomes a metric on a live node, a column in a simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The metric's name without the leading `arras_`: `subsystem_thing_unit`.
    pub name: &'static str,
    /// A label and its value, if the metric has one.
    pub label: Option<(&'static str, String)>,
    /// Whether it only grows.
    pub kind: ReadingKind,
    /// Its value.
    pub value: f64,
}

/// How a reading behaves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl<E> Outbox<E> {
    /// An empty outbox.
    pub fn new() -> Outbox<E> {
        Outbox { effects: Vec::new() }
    }

    /// Appends an effect.
    pub fn push(&mut self, effect: E) {
        self.effects.push(effect);
    }

    /// Takes all effects out, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, E> {
        self.effects.drain(..)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Outbox::new()
    }
}

impl<E: fmt::Debug> fmt::Debug for Outbox<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.effects).finish()
    }
}

impl Reading {
    /// A value that goes up and down.
    pub fn gauge(name: &'static str, value: f64) -> Reading {
        Reading { name, label: None, kind: ReadingKind::Gauge, value }
    }

    /// A value that only grows.
    pub fn counter(name: &'static str, value: u64) -> Reading {
        Reading { name, label: None, kind: ReadingKind::Counter, value: value as f64 }
    }

    /// The same with a label.
    pub fn labelled(mut self, label: &'static str, value: impl Into<String>) -> Reading {
        self.label = Some((label, value.into()));
        self
    }
}
