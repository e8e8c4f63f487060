//! What the Router's subjects share about this node itself.
//!
//! Owns: its contact, coordinate, tuning, chance, named deadlines and tallies; and the turn, which
//! carries the time and the outbox through one input.
//! Never does: decide anything.

use super::Tuning;
use crate::base::{Chance, Coordinate, Deadlines, Id, Instant, Span};
use crate::identity::Contact;
use crate::identity::contact::Role;
use crate::machine::{Outbox, Reading};
use crate::overlay::contract::Effect;
use crate::wire::{Card, CloseReason, Membership, Message, Probe};
use std::collections::BTreeMap;
use std::sync::Arc;

/// This node.
pub(super) struct Own {
    pub(super) me: Arc<Contact>,
    pub(super) coordinate: Coordinate,
    pub(super) tuning: Tuning,
    pub(super) chance: Chance,
    pub(super) due: Deadlines<Due>,
    pub(super) tally: Tally,
    /// When it started.
    pub(super) started: Instant,
    last_round: u32,
}

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A doubted node had its time to answer.
    Doubt(Id),
    /// Look for silent and stale links.
    Sweep,
    /// The join may have stalled.
    Join,
    /// Exchange leaf sets.
    LeafSet,
    /// Choose links.
    Plan,
    /// Measure candidates.
    Measure,
    /// Publish what changed.
    View,
    /// Tell the neighbours what the links cost.
    Reach,
    /// The newly linked are told of them as well.
    NewLinks,
    /// Refresh a row of the table.
    Table,
    /// Knock on somebody: nobody is linked.
    Alone,
    /// Knock on the dead.
    Graves,
    /// Save contacts.
    Save,
}

/// One input's time and outbox.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) out: &'a mut Outbox<Effect>,
}

/// Counters by metric name and label.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<(&'static str, &'static str), u64>);

impl Own {
    pub(super) fn new(me: Arc<Contact>, tuning: Tuning, chance: Chance) -> Own {
        Own {
            me,
            coordinate: Coordinate::default(),
            tuning,
            chance,
            due: Deadlines::new(),
            tally: Tally::default(),
            started: Instant::ORIGIN,
            last_round: 0,
        }
    }

    /// This node's id.
    pub(super) fn id(&self) -> Id {
        self.me.id()
    }

    /// Whether it roots nothing.
    pub(super) fn is_client(&self) -> bool {
        self.me.role() == Role::Client
    }

    /// Its card.
    pub(super) fn card(&self) -> Card {
        Card { contact: Arc::clone(&self.me), coordinate: self.coordinate }
    }

    /// A number for a question, never 0.
    pub(super) fn next_round(&mut self) -> u32 {
        self.last_round = self.last_round.wrapping_add(1).max(1);
        self.last_round
    }

    /// Makes `name` due after `wait`, unless it is due earlier.
    pub(super) fn soon(&mut self, now: Instant, name: Due, wait: Span) {
        self.due.set_earlier(name, now + wait);
    }
}

impl Turn<'_> {
    /// Speaks about membership.
    pub(super) fn tell(&mut self, to: Id, message: Membership) {
        self.out.push(Effect::Send { to, message: Message::Membership(message) });
    }

    /// Probes.
    pub(super) fn probe(&mut self, to: Id, message: Probe) {
        self.out.push(Effect::Send { to, message: Message::Probe(message) });
    }

    /// Closes a link.
    pub(super) fn hang_up(&mut self, peer: Id, reason: CloseReason) {
        self.out.push(Effect::HangUp { peer, reason });
    }
}

impl Tally {
    /// One more.
    pub(super) fn count(&mut self, name: &'static str) {
        self.count_as(name, "");
    }

    /// One more under this value of the metric's label.
    pub(super) fn count_as(&mut self, name: &'static str, label: &'static str) {
        *self.0.entry((name, label)).or_insert(0) += 1;
    }

    /// What was counted.
    pub(super) fn read(&self, into: &mut Vec<Reading>) {
        for ((name, label), count) in &self.0 {
            let reading = Reading::counter(name, *count);
            into.push(if label.is_empty() { reading } else { reading.labelled("reason", *label) });
        }
    }
}
