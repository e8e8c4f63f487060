//! One visit: what is asked of a node, and when that is all.
//!
//! Owns: the questions on their way, what was answered, and which rows of the prefix table are worth a
//! question after the leaf set is known.
//! Never does: send, or know any other node.

use super::tuning::{BATCH, LEAF_SET_TRIES, PATIENCE_FLOOR, TRIES};
use crate::base::{Id, Instant, Span};
use crate::wire::Profile;
use crate::wire::membership::About;
use std::collections::BTreeMap;

/// What can be asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// What it is.
    Profile,
    /// Its contacts.
    Contacts(About),
}

/// A node is named by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Who is named, as a number in the census.
    pub to: u32,
    /// Whether as a member of the leaf set.
    pub leaf: bool,
    /// In which row of the prefix table, if in any that was asked for.
    pub row: Option<u8>,
}

/// A visit under way: the link is up.
#[derive(Clone, Debug)]
pub(super) struct Interview {
    pub(super) since: Instant,
    /// The shortest round trip seen.
    pub(super) rtt: Span,
    pub(super) profile: Option<Profile>,
    pub(super) edges: BTreeMap<u32, Edge>,
    asked: BTreeMap<u32, Question>,
    leaf_set: Option<Vec<Id>>,
    next_row: u8,
    /// The first row that was answered with nobody.
    empty_row: Option<u8>,
    given_up: u8,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    topic: Topic,
    asked: Instant,
    tries: u8,
}

/// What is to be done about questions that had their time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overdue {
    /// To be asked again, under the same round.
    pub(super) again: Vec<(u32, Topic)>,
    /// Asked often enough.
    pub(super) given_up: usize,
}

impl Interview {
    /// A link with this round trip is up.
    pub(super) fn begin(now: Instant, rtt: Span) -> Interview {
        Interview {
            since: now,
            rtt,
            profile: None,
            edges: BTreeMap::new(),
            asked: BTreeMap::new(),
            leaf_set: None,
            next_row: 0,
            empty_row: None,
            given_up: 0,
        }
    }

    /// What to ask next of the node of this id, at most a batch; nothing if all is known or on its way.
    pub(super) fn next_topics(&self, of: &Id) -> Vec<Topic> {
        if !self.asked.is_empty() {
            return Vec::new();
        }
        if self.next_row == 0 {
            return vec![Topic::Profile, Topic::Contacts(About::LeafSet), Topic::Contacts(About::Row(0))];
        }
        let rows = self.next_row..self.rows_end(of);
        rows.take(BATCH).map(|row| Topic::Contacts(About::Row(row))).collect()
    }

    /// A question has been sent.
    pub(super) fn sent(&mut self, now: Instant, round: u32, topic: Topic) {
        let question = self.asked.entry(round).or_insert(Question { topic, asked: now, tries: 0 });
        question.asked = now;
        question.tries += 1;
        self.pass_row(topic);
    }

    /// The answer to a question of this round and topic; says whether it was expected. Round trips count
    /// only where a question was asked once: else nobody knows which one was answered (Karn).
    pub(super) fn answered(&mut self, now: Instant, round: u32, topic: Topic) -> bool {
        if self.asked.get(&round).is_none_or(|question| question.topic != topic) {
            return false;
        }
        if let Some(question) = self.asked.remove(&round)
            && question.tries == 1
        {
            self.rtt = self.rtt.min(now.since(question.asked)).max(Span::from_micros(1));
        }
        true
    }

    /// Whom the node named in answer to a question.
    pub(super) fn learn(&mut self, about: About, named: &[(u32, Id)]) {
        match about {
            About::LeafSet => self.leaf_set = Some(named.iter().map(|(_, id)| *id).collect()),
            About::Row(row) if named.is_empty() => self.empty_row = Some(self.empty_row.map_or(row, |r| r.min(row))),
            _ => {}
        }
        for (to, _) in named {
            let edge = self.edges.entry(*to).or_insert(Edge { to: *to, leaf: false, row: None });
            match about {
                About::Row(row) => edge.row = Some(row),
                _ => edge.leaf = true,
            }
        }
    }

    /// Takes those questions out that had their time, and says what to do about them.
    pub(super) fn overdue(&mut self, now: Instant) -> Overdue {
        let mut overdue = Overdue::default();
        let (rtt, asked) = (self.rtt, &mut self.asked);
        asked.retain(|round, question| {
            if now < question.due(rtt) {
                return true;
            }
            if question.tries < question.topic.tries() {
                overdue.again.push((*round, question.topic));
                return true;
            }
            overdue.given_up += 1;
            false
        });
        self.given_up += overdue.given_up as u8;
        overdue
    }

    /// A question is not asked after all.
    pub(super) fn forgo(&mut self, round: u32, topic: Topic) {
        self.asked.remove(&round);
        self.given_up += 1;
        self.pass_row(topic);
    }

    /// When the first answer is overdue.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asked.values().map(|question| question.due(self.rtt)).min()
    }

    /// How many answers are awaited.
    pub(super) fn awaited(&self) -> usize {
        self.asked.len()
    }

    /// Whether the node told its neighbours: then the visit was not in vain.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.leaf_set.is_some()
    }

    /// Whether everything asked was answered.
    pub(super) fn is_complete(&self) -> bool {
        self.given_up == 0 && self.asked.is_empty() && self.is_worth_keeping()
    }

    fn pass_row(&mut self, topic: Topic) {
        if let Topic::Contacts(About::Row(row)) = topic {
            self.next_row = self.next_row.max(row + 1);
        }
    }

    /// Rows from here on hold nobody that is not in the leaf set: the node says there are none; or those
    /// who share so many digits all lie between the ends of the leaf set; or a row was empty.
    fn rows_end(&self, of: &Id) -> u8 {
        let Some(leaf_set) = &self.leaf_set else { return self.next_row };
        let told = self.profile.as_ref().map(|profile| profile.rows);
        let told = told.unwrap_or_else(|| self.empty_row.unwrap_or(ROWS));
        told.min(beyond_leaf_set(of, leaf_set)).min(ROWS)
    }
}

impl Topic {
    /// How often it is asked in all.
    fn tries(self) -> u8 {
        if self == Topic::Contacts(About::LeafSet) { LEAF_SET_TRIES } else { TRIES }
    }
}

impl Question {
    fn due(&self, rtt: Span) -> Instant {
        let patience = rtt * 3 + PATIENCE_FLOOR;
        self.asked + if self.tries > 1 { patience * 2 } else { patience }
    }
}

/// How many rows of a node's prefix table may hold somebody its leaf set does not: those who share `n`
/// digits with it are all in the leaf set once it reaches, on each side, beyond the region of `n` digits.
pub(super) fn beyond_leaf_set(of: &Id, leaf_set: &[Id]) -> u8 {
    let reach = |after: bool| {
        let side = leaf_set.iter().filter(|id| (of.clockwise(id) <= id.clockwise(of)) == after);
        side.map(|id| of.shared_prefix(id)).min()
    };
    match (reach(false), reach(true)) {
        (Some(before), Some(after)) => before.max(after) as u8 + 1,
        _ => ROWS,
    }
}

/// Rows of a prefix table: one per digit of an id.
const ROWS: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digits: &[u8]) -> Id {
        digits.iter().enumerate().fold(Id::ZERO, |id, (index, digit)| id.with_digit(index, *digit))
    }

    fn profile(rows: u8) -> Profile {
        let coordinate = Default::default();
        Profile { program: String::new(), uptime: Span::ZERO, coordinate, ready: true, links: 0, known: 0, rows }
    }

    #[test]
    fn rows_within_the_reach_of_the_leaf_set_are_not_asked_for() {
        let me = id(&[5, 5]);
        let table: [(&[Id], u8); 4] = [
            (&[id(&[5, 4]), id(&[5, 6])], 2), // all of 55.. is covered: rows 0 and 1
            (&[id(&[4, 9]), id(&[6, 1])], 1), // all of 5... is covered: row 0
            (&[id(&[4, 9]), id(&[5, 5, 1]), id(&[5, 5, 2])], 3), // on one side the reach ends within 55
            (&[id(&[5, 6])], ROWS),           // nobody on one side: nothing is known
        ];
        for (leaf_set, rows) in table {
            assert_eq!(beyond_leaf_set(&me, leaf_set), rows, "{leaf_set:?}");
        }
    }

    #[test]
    fn a_visit_asks_in_batches_and_ends_where_the_node_says_its_rows_end() {
        let (me, now) = (id(&[5, 5, 5, 5]), Instant::ORIGIN);
        let mut visit = Interview::begin(now, Span::from_millis(10));
        let first = visit.next_topics(&me);
        assert_eq!(first, [Topic::Profile, Topic::Contacts(About::LeafSet), Topic::Contacts(About::Row(0))]);
        for (round, topic) in (1..).zip(&first) {
            visit.sent(now, round, *topic);
        }
        assert!(visit.next_topics(&me).is_empty(), "answers are awaited");
        assert!(visit.answered(now + Span::from_millis(8), 1, first[0]) && visit.rtt == Span::from_millis(8));
        assert!(!visit.answered(now, 2, first[0]), "another question's answer");
        assert!(visit.answered(now + Span::from_millis(9), 2, first[1]) && visit.answered(now, 3, first[2]));
        visit.profile = Some(profile(3));
        let near = [(1, id(&[5, 5, 5, 4])), (2, id(&[5, 5, 5, 6]))];
        visit.learn(About::LeafSet, &near);
        assert_eq!(visit.next_topics(&me), [1, 2].map(|row| Topic::Contacts(About::Row(row))));
        for row in [1, 2] {
            visit.sent(now, 3 + u32::from(row), Topic::Contacts(About::Row(row)));
            assert!(visit.answered(now, 3 + u32::from(row), Topic::Contacts(About::Row(row))));
        }
        assert!(visit.next_topics(&me).is_empty() && visit.is_complete());
    }

    #[test]
    fn an_answer_overdue_is_asked_for_again_and_given_up_in_the_end() {
        let mut visit = Interview::begin(Instant::ORIGIN, Span::from_millis(10));
        visit.sent(Instant::ORIGIN, 1, Topic::Profile);
        for tries in 1..=TRIES {
            let now = visit.due().expect("an answer is awaited");
            let overdue = visit.overdue(now);
            if tries < TRIES {
                assert_eq!(overdue.again, [(1, Topic::Profile)]);
                visit.sent(now, 1, Topic::Profile);
            } else {
                assert_eq!(overdue, Overdue { again: vec![], given_up: 1 });
            }
        }
        assert!(visit.due().is_none() && !visit.is_complete());
    }
}
