//! One message in this node's hands.
//!
//! Owns: what is remembered of it until its reply has gone back: whence it came, where it went, how
//! long it may take.
//! Never does: move it.

use super::hearsay::Words;
use super::next_hop::{Course, DIRECT, Step, Word};
use crate::base::{Id, Instant, Span};
use crate::overlay::contract::{Asker, Copies, RequestId};
use crate::wire::routing::{Detour, Errand, Header, WORDS_MAX};
use bytes::Bytes;

/// A message from when it came in to when its reply has gone back.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Whence it came.
    pub source: Source,
    /// Its header as it came in; for one's own as if a peer had sent it.
    pub header: Header,
    /// What it carries.
    pub payload: Bytes,
    /// When it came in.
    pub began: Instant,
    /// When the source stops waiting.
    pub until: Instant,
    /// Where it is.
    pub stage: Stage,
    /// Peers tried in vain.
    pub avoid: Vec<Id>,
    /// How often it was handed on.
    pub tries: u8,
    /// Whether this node's directory has pointed it to a holder.
    pub pointed: bool,
}

/// Whence a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From a peer, under its label.
    Peer {
        /// Which.
        id: Id,
        /// Its label.
        label: u32,
    },
    /// From a local client.
    Client {
        /// Its wish.
        request: RequestId,
    },
    /// From a directory shard of this node.
    Shard {
        /// Its wish.
        asker: Asker,
        /// Whether a copy will do, whoever has it.
        copies: Copies,
    },
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// With this node's directory.
    Visiting,
    /// Handed to a peer, which has not taken custody yet.
    Sent {
        /// How it went.
        step: Step,
        /// When.
        at: Instant,
    },
    /// A peer has taken custody.
    Carried {
        /// How it went.
        step: Step,
        /// When it was handed over.
        at: Instant,
    },
    /// Nobody to hand it to just now.
    Waiting,
}

impl Flight {
    /// What the next hop must respect.
    pub fn course<'a>(&'a self, me: &'a Id, ready: bool) -> Course<'a> {
        let own = matches!(self.source, Source::Client { .. } | Source::Shard { .. });
        let floor = match &self.header.detour {
            Some(detour) => Some(&detour.floor),
            None if own && !ready => None,
            None => Some(me),
        };
        let is_detoured = self.header.detour.is_some();
        Course {
            key: &self.header.key,
            closing: self.header.closing,
            floor,
            avoid: &self.avoid,
            is_detoured,
            any_answers: self.header.errand == Errand::Nearest,
            holders: &[],
            long: DIRECT,
        }
    }

    /// The header under which it goes on.
    pub fn onward(&self, label: u32, step: &Step, me: &Id, now: Instant) -> Header {
        let floor = self.header.detour.map_or(*me, |detour| detour.floor);
        let for_copy = step.word.is_some();
        let detour = (step.to != step.target).then_some(Detour { to: step.target, floor, for_copy });
        Header {
            label,
            key: self.header.key,
            origin: self.header.origin,
            errand: self.header.errand,
            traced: self.header.traced,
            hops: self.header.hops + 1,
            patience: now.until(self.until),
            closing: step.closing,
            detour,
            words: self.header.words.saturating_sub(match step.word {
                Some(Word::Own) => WORDS_MAX,
                Some(Word::Heard(_)) => 1,
                None => 0,
            }),
        }
    }

    /// The peer that has it or was handed it.
    pub fn holder(&self) -> Option<&Step> {
        match &self.stage {
            Stage::Sent { step, .. } | Stage::Carried { step, .. } => Some(step),
            Stage::Visiting | Stage::Waiting => None,
        }
    }

    /// Which neighbours' words count: for who looks for a copy, any; on the way there, those that have one, if it was somebody's word
    /// that sent the message off. First of all only, and not on a detour.
    pub fn seeks_copy(&self) -> Option<Words> {
        match (self.header.words, self.source) {
            _ if self.tries > 0 || self.header.detour.is_some() => None,
            (WORDS_MAX, Source::Shard { .. }) => Some(Words::All),
            (1, Source::Peer { .. }) => Some(Words::Own),
            _ => None,
        }
    }

    /// Whether the directory may point it to a holder.
    pub fn may_be_pointed(&self) -> bool {
        self.header.words > 0 && !self.pointed && self.header.detour.is_none()
    }

    /// What is still to come once it was answered, where no word led. Whoever sent it off for a word's sake has weighed that.
    pub fn fetch(&self) -> Span {
        match self.source {
            Source::Shard { copies: Copies::WillDo { fetch }, .. } => fetch,
            Source::Peer { .. } if self.header.words == 1 => WEIGHED,
            _ => Span::ZERO,
        }
    }

    /// Whether it looks for a copy, goes the first way it was sent, and nobody's word led it.
    pub fn goes_long(&self, step: &Step) -> bool {
        let seeks = self.is_own() && self.header.words == WORDS_MAX;
        seeks && self.tries == 1 && step.word.is_none() && !self.pointed
    }

    /// Whether this node asked, so that it must see to the end of it.
    pub fn is_own(&self) -> bool {
        !matches!(self.source, Source::Peer { .. })
    }

    /// The header of a message that starts here.
    pub fn own_header(key: Id, origin: Id, errand: Errand, traced: bool, patience: Span) -> Header {
        let (hops, closing, detour, words) = (0, false, None, 0);
        Header { label: 0, key, origin, errand, traced, hops, patience, closing, detour, words }
    }
}

/// More than any way takes.
const WEIGHED: Span = Span::from_secs(10);
