//! How long to wait for custody, and how often to lose patience.
//!
//! Owns: the time each peer takes to say that it has a message, and the budget for handing a message to
//! another peer because the first was silent.
//! Never does: decide what to do about a silence.

use crate::base::{Id, Instant, RttEstimate, Span};
use std::collections::BTreeMap;

/// What custody receipts have taught.
#[derive(Debug)]
pub struct Patience {
    by_peer: BTreeMap<Id, Known>,
    /// How long answers to this node's own lookups take.
    answers: Option<RttEstimate>,
    budget: f64,
    /// Since when the budget has not grown with time.
    counted: Instant,
    spared: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    estimate: Option<RttEstimate>,
    /// Doublings since the last word, as TCP backs off (RFC 6298 §5.5).
    backoff: u32,
    /// When it was last silent for as long as it was given, if it has said nothing since.
    silent: Option<Instant>,
}

impl Patience {
    /// No experience, and a full budget.
    pub fn new() -> Patience {
        let counted = Instant::ORIGIN;
        Patience { by_peer: BTreeMap::new(), answers: None, budget: BUDGET_MAX, counted, spared: 0 }
    }

    /// A peer has shown after this long that it has a message.
    pub fn learn(&mut self, peer: Id, took: Span) {
        let known = self.by_peer.entry(peer).or_default();
        known.backoff = 0;
        take_in(&mut known.estimate, took);
    }

    /// A peer said something.
    pub fn hear(&mut self, peer: &Id) {
        if let Some(known) = self.by_peer.get_mut(peer) {
            known.silent = None;
        }
    }

    /// A peer was silent for as long as it was given.
    pub fn lose(&mut self, now: Instant, peer: Id) {
        let known = self.by_peer.entry(peer).or_default();
        (known.backoff, known.silent) = ((known.backoff + 1).min(BACKOFF_MAX), Some(now));
    }

    /// Whether a peer was silent just now for as long as it was given.
    pub fn is_silent(&self, now: Instant, peer: &Id) -> bool {
        let silent = self.by_peer.get(peer).and_then(|known| known.silent);
        silent.is_some_and(|silent| now.since(silent) < SPARED)
    }

    /// The link to a peer is gone, and with it what was known.
    pub fn forget(&mut self, peer: &Id) {
        self.by_peer.remove(peer);
    }

    /// A lookup of this node's own that was sent out once was answered after this long.
    pub fn learn_answer(&mut self, took: Span) {
        take_in(&mut self.answers, took);
    }

    /// How long to wait for the answer to a lookup before it goes out again: it, or the lookup after the last receipt, may
    /// have been lost.
    pub fn for_answer(&self) -> Span {
        self.answers.map_or(UNKNOWN, |estimate| estimate.patience(ANSWER_FLOOR))
    }

    /// How long to wait for this peer, over a link with this round trip, at least `floor` longer than a
    /// smooth exchange takes.
    pub fn for_peer(&self, peer: &Id, link: Option<RttEstimate>, floor: Span) -> Span {
        let known = self.by_peer.get(peer).copied().unwrap_or_default();
        let by_link = link.map_or(UNKNOWN, |rtt| rtt.patience(floor));
        let by_experience = known.estimate.map_or(Span::ZERO, |estimate| estimate.patience(floor));
        (by_link.max(by_experience) * (1 << known.backoff)).min(WAIT_MAX)
    }

    /// A message was handed on: the budget grows a little.
    pub fn earn(&mut self) {
        self.budget = (self.budget + EARNED).min(BUDGET_MAX);
    }

    /// Whether a silence may cost a second hand-over. Without a budget a busy network answers its own
    /// slowness with ever more messages; a quiet one earns too little by its messages and has what time brings.
    pub fn spend(&mut self, now: Instant) -> bool {
        let reserve = now.since(self.counted).as_secs_f64() * RESERVE;
        self.budget = (self.budget + reserve).min(BUDGET_MAX);
        self.counted = now;
        if self.budget < 1.0 {
            self.spared += 1;
            return false;
        }
        self.budget -= 1.0;
        true
    }

    /// How often the budget forbade a second hand-over.
    pub fn spared(&self) -> u64 {
        self.spared
    }
}

fn take_in(estimate: &mut Option<RttEstimate>, took: Span) {
    match estimate {
        Some(estimate) => estimate.add(took),
        None => *estimate = Some(RttEstimate::first(took)),
    }
}

/// Second hand-overs per message handed on: a tenth keeps the extra load to a tenth whatever happens (the
/// retry budget of Google's SRE book, ch. 21).
const EARNED: f64 = 0.1;
/// Second hand-overs a second that are free: ten, as in Finagle's `RetryBudget`. Nothing beside what a busy node
/// forwards; all that a quiet one needs where more than a tenth of its packets are lost.
const RESERVE: f64 = 10.0;
/// Second hand-overs in a burst, so that a node that has been idle may react to a death at once. A guess.
const BUDGET_MAX: f64 = 16.0;
/// Doublings at most: with 20 ms that is more than a second.
const BACKOFF_MAX: u32 = 6;
/// Patience with a link whose round trip is not known yet: the initial RTO of RFC 6298 §2.1.
const UNKNOWN: Span = Span::from_secs(1);
/// An answer may take this much longer than usual. A guess: one custody in vain.
const ANSWER_FLOOR: Span = Span::from_millis(300);
/// Who was silent is spared for so long: the Router has its own word on it then. 400 nodes whose sessions are Gnutella's, and the
/// same with three in ten dead at once: stretch 1.274 instead of 1.280 and 1.686 instead of 1.695, the 99th percentile 4 %
/// shorter; with 5 % of the packets lost no difference (two to four seeds, 2026-11-27).
const SPARED: Span = Span::from_secs(1);
/// Longest wait for custody: a third of the default patience of a wish.
const WAIT_MAX: Span = Span::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_peer_earns_a_longer_wait_and_a_silent_one_a_doubled() {
        let (mut patience, peer, floor) = (Patience::new(), Id::ZERO, Span::from_millis(20));
        let link = Some(RttEstimate::first(Span::from_millis(2)));
        assert_eq!(patience.for_peer(&peer, link, floor), Span::from_millis(22));
        for _ in 0..30 {
            patience.learn(peer, Span::from_millis(80));
        }
        let wait = patience.for_peer(&peer, link, floor);
        assert!(wait >= Span::from_millis(100) && wait < Span::from_millis(120), "{wait}");
        patience.lose(Instant::ORIGIN, peer);
        assert!(patience.is_silent(Instant::from_micros(900_000), &peer));
        assert!(!patience.is_silent(Instant::from_micros(1_100_000), &peer));
        assert_eq!(patience.for_peer(&peer, link, floor), wait * 2);
        patience.learn(peer, Span::from_millis(80));
        assert!(patience.for_peer(&peer, link, floor) <= wait);
    }

    #[test]
    fn second_hand_overs_stay_a_tenth_of_the_first() {
        let mut patience = Patience::new();
        let spent = (0..1_000)
            .filter(|_| {
                patience.earn();
                patience.spend(Instant::ORIGIN)
            })
            .count();
        assert!(spent <= 116 && patience.spared() == 1_000 - spent as u64, "{spent}");
    }

    #[test]
    fn a_quiet_node_may_always_hand_over_again_and_a_busy_one_hardly_more_than_a_tenth() {
        let hand_overs = |a_second: u64| {
            let mut patience = Patience::new();
            let every = 1_000_000 / a_second;
            let spent = (0..20 * a_second).filter(|number| {
                patience.earn();
                patience.spend(Instant::from_micros(number * every))
            });
            spent.count() as u64
        };
        assert_eq!(hand_overs(5), 100);
        let busy = hand_overs(10_000);
        assert!((20_000..20_300).contains(&busy), "{busy}");
    }
}
