//! Who is known by name, and who is next.
//!
//! Owns: every node's session (pending, open, closed), the order of visits, and whose word alone is
//! believed no more.
//! Never does: speak, or tell the time.

use super::tuning::{NAMES_MAX, VOID_MAX};
use super::visit::{Edge, Interview};
use crate::base::{Id, Instant, Span};
use crate::identity::{Contact, Role};
use crate::wire::Profile;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A node known by name.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) contact: Arc<Contact>,
    pub(super) session: Session,
    /// Visits begun.
    pub(super) sessions: u8,
    /// Messages to it and from it.
    pub(super) sent: u16,
    pub(super) heard: u16,
    /// Of these, what came unasked.
    pub(super) unasked: u16,
    /// Who named it first; nobody for a seed.
    namer: Option<u32>,
    /// How often it was named by others.
    named: u32,
    /// How many nodes it alone named that came to nothing.
    void: u32,
}

/// How far this crawl is with a node.
#[derive(Clone, Debug)]
pub(super) enum Session {
    /// It waits for its turn, or for its next one.
    Pending,
    /// It is dialled.
    Dialling,
    /// The link is up.
    Open(Box<Interview>),
    /// No more is asked of it.
    Closed(Verdict),
}

/// What came of a node.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It told at least its leaf set.
    Visited(Box<Visit>),
    /// It did not.
    Failed(Fault),
}

/// What a visit brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// What the node said of itself, if it answered that.
    pub profile: Option<Profile>,
    /// The shortest round trip seen.
    pub rtt: Span,
    /// Whom it named, in the order of their numbers.
    pub edges: Vec<Edge>,
    /// Whether everything asked was answered.
    pub complete: bool,
    /// When the link came up.
    pub since: Instant,
    /// When the visit ended.
    pub until: Instant,
}

/// Why a visit came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its contact has no address that can be dialled from here.
    NoAddress,
    /// Nothing came back from any address.
    DialTimedOut,
    /// It turned the crawler away, for want of room or another reason of its own.
    Refused,
    /// It belongs to another network.
    OtherNetwork,
    /// It speaks another version.
    OtherVersion,
    /// Whoever lives at its address has another key.
    OtherKey,
    /// The link came up, and nothing that was asked was answered.
    Silent,
    /// The link was lost, or closed by the node, before the node had told its leaf set.
    LinkLost,
    /// It sent what is not a message.
    Malformed,
    /// It was named by one node only, whose names had come to nothing too often.
    Doubted,
    /// The crawl was stopped.
    Stopped,
    /// Anything else in the transport.
    Transport,
}

impl Fault {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Fault::NoAddress => "no_address",
            Fault::DialTimedOut => "dial_timed_out",
            Fault::Refused => "refused",
            Fault::OtherNetwork => "other_network",
            Fault::OtherVersion => "other_version",
            Fault::OtherKey => "other_key",
            Fault::Silent => "silent",
            Fault::LinkLost => "link_lost",
            Fault::Malformed => "malformed",
            Fault::Doubted => "doubted",
            Fault::Stopped => "stopped",
            Fault::Transport => "transport",
        }
    }

    /// Whether another try may come to something.
    pub(super) fn may_pass(self) -> bool {
        matches!(
            self,
            Fault::DialTimedOut | Fault::Refused | Fault::Silent | Fault::LinkLost | Fault::Transport | Fault::OtherKey
        )
    }
}

/// All nodes known by name, in the order in which they were named.
#[derive(Clone, Debug, Default)]
pub(super) struct Frontier {
    nodes: Vec<Known>,
    by_id: BTreeMap<Id, u32>,
    queue: VecDeque<u32>,
    /// Nodes with a visit begun.
    begun: usize,
    pub(super) refused: u64,
}

/// What a name is to the frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// It was known.
    Old(u32),
    /// It was not.
    New(u32),
    /// There is no room, or the contact does not hold.
    Refused,
}

impl Frontier {
    /// The number of the node of this id.
    pub(super) fn index_of(&self, id: &Id) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// This node.
    pub(super) fn at(&self, index: u32) -> &Known {
        &self.nodes[index as usize]
    }

    /// This node, to change.
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Known {
        &mut self.nodes[index as usize]
    }

    /// All nodes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.nodes.iter()
    }

    /// How many nodes are known by name.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many were dialled or visited so far.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    /// How many wait for their first turn.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// A node is named: by this one, or by a link to a seed. New ones wait for their turn. `holds` checks
    /// the contact's signature and puzzle, and is asked only about news.
    pub(super) fn name(&mut self, contact: &Contact, namer: Option<u32>, holds: impl Fn(&Contact) -> bool) -> Name {
        let Some(index) = self.index_of(&contact.id()) else { return self.admit(contact, namer, holds) };
        let known = &mut self.nodes[index as usize];
        if namer.is_some() && known.namer != namer {
            known.named += 1;
        }
        let waits = matches!(known.session, Session::Pending | Session::Closed(Verdict::Failed(_)));
        if waits && contact.supersedes(&known.contact) && holds(contact) {
            known.contact = Arc::new(contact.clone());
        }
        if matches!(known.session, Session::Closed(Verdict::Failed(Fault::Doubted))) && known.named > 1 {
            known.session = Session::Pending;
            self.queue.push_back(index);
        }
        Name::Old(index)
    }

    /// The next node that was never visited.
    pub(super) fn next(&mut self) -> Option<u32> {
        loop {
            let index = self.queue.pop_front()?;
            let known = self.at(index);
            if known.sessions > 0 || !matches!(known.session, Session::Pending) {
                continue;
            }
            if self.is_doubted(index) {
                self.at_mut(index).session = Session::Closed(Verdict::Failed(Fault::Doubted));
                continue;
            }
            return Some(index);
        }
    }

    /// A visit to this node begins.
    pub(super) fn begin(&mut self, index: u32, session: Session) {
        let known = self.at_mut(index);
        let first = known.sessions == 0;
        known.sessions = known.sessions.saturating_add(1);
        known.session = session;
        self.begun += usize::from(first);
    }

    /// No more is asked of this node.
    pub(super) fn close(&mut self, index: u32, verdict: Verdict) {
        let (failed, known) = (matches!(verdict, Verdict::Failed(_)), self.at_mut(index));
        known.session = Session::Closed(verdict);
        if failed
            && known.named <= 1
            && let Some(namer) = known.namer
        {
            self.at_mut(namer).void += 1;
        }
    }

    fn admit(&mut self, contact: &Contact, namer: Option<u32>, holds: impl Fn(&Contact) -> bool) -> Name {
        if self.nodes.len() >= NAMES_MAX || contact.role() != Role::Server || !holds(contact) {
            self.refused += 1;
            return Name::Refused;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(Known {
            contact: Arc::new(contact.clone()),
            session: Session::Pending,
            sessions: 0,
            sent: 0,
            heard: 0,
            unasked: 0,
            namer,
            named: u32::from(namer.is_some()),
            void: 0,
        });
        self.by_id.insert(contact.id(), index);
        self.queue.push_back(index);
        Name::New(index)
    }

    fn is_doubted(&self, index: u32) -> bool {
        let known = self.at(index);
        known.named <= 1 && known.namer.is_some_and(|namer| self.at(namer).void >= VOID_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NodeName, SecretKey};

    fn contact(seed: u8, role: Role) -> Contact {
        let key = SecretKey::from_seed([seed; 32]);
        let name = NodeName { key: key.public(), nonce: 0 };
        Contact::sign(&key, name, &["127.0.0.1:7420".parse().expect("an address")], role, 1)
    }

    #[test]
    fn a_node_is_visited_once_however_often_it_is_named() {
        let mut frontier = Frontier::default();
        let (one, two) = (contact(1, Role::Server), contact(2, Role::Server));
        assert_eq!(frontier.name(&one, None, |_| true), Name::New(0));
        assert_eq!(frontier.name(&two, Some(0), |_| true), Name::New(1));
        assert_eq!(frontier.name(&two, Some(1), |_| true), Name::Old(1));
        assert_eq!((frontier.next(), frontier.next(), frontier.next()), (Some(0), Some(1), None));
        assert_eq!(frontier.name(&contact(3, Role::Client), Some(0), |_| true), Name::Refused);
        assert_eq!(frontier.name(&contact(4, Role::Server), Some(0), |_| false), Name::Refused);
        assert_eq!((frontier.len(), frontier.refused), (2, 2));
    }

    #[test]
    fn whoever_names_too_many_that_are_not_there_is_believed_no_more_alone() {
        let mut frontier = Frontier::default();
        frontier.name(&contact(1, Role::Server), None, |_| true);
        frontier.name(&contact(2, Role::Server), None, |_| true);
        for seed in 3..3 + VOID_MAX as u8 {
            let Name::New(index) = frontier.name(&contact(seed, Role::Server), Some(0), |_| true) else {
                panic!("nobody named it before")
            };
            frontier.close(index, Verdict::Failed(Fault::DialTimedOut));
        }
        let late = contact(200, Role::Server);
        let Name::New(late_index) = frontier.name(&late, Some(0), |_| true) else { panic!("new") };
        assert_eq!((frontier.next(), frontier.next(), frontier.next()), (Some(0), Some(1), None));
        assert!(matches!(frontier.at(late_index).session, Session::Closed(Verdict::Failed(Fault::Doubted))));
        frontier.name(&late, Some(1), |_| true);
        assert_eq!(frontier.next(), Some(late_index), "another node's word as well");
    }
}
