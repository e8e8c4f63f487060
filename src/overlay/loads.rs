//! How busy this node is, and those it hands messages to.
//!
//! Owns: the count of what is handled here, what linked nodes say of themselves with every reply, and by how much a way
//! through a busier one is made to seem longer.
//! Never does: choose a hop, or refuse work.
//!
//! Nodes in good places are on everybody's shortest ways. A node that handles more than is usual around here is worth
//! going round where that costs less time than it has more work: so ways that are as good as equal share the load, and nobody takes a
//! way that is much longer.

use crate::base::{Id, Instant, Load, Span};
use std::collections::BTreeMap;

/// What is known of loads here.
#[derive(Clone, Debug)]
pub struct Loads {
    /// How many times as much the whole node handles as is counted here.
    times: f64,
    /// Messages handled, fading.
    handled: f64,
    at: Instant,
    said: BTreeMap<Id, (Load, Instant)>,
    /// Who handles more than is usual, in the order of ids, and by how much a way through it seems longer.
    busy: Vec<(Id, f64)>,
    /// What is usual around here, in messages a second.
    usual: f64,
    judged: Instant,
}

impl Loads {
    /// Nothing is known. What is counted here is one part in `parts` of what the node handles, at least 1.
    pub fn new(parts: usize) -> Loads {
        let times = parts.max(1) as f64;
        let (at, judged) = (Instant::ORIGIN, Instant::ORIGIN);
        Loads { times, handled: 0.0, at, said: BTreeMap::new(), busy: Vec::new(), usual: USUAL_LEAST, judged }
    }

    /// One more message is handled here.
    pub fn handle(&mut self, now: Instant) {
        self.handled = self.handled_at(now) + 1.0;
        self.at = now;
    }

    /// What this node says of itself.
    pub fn own(&self, now: Instant) -> Load {
        Load::of(self.times * self.handled_at(now) / FADE.as_secs_f64())
    }

    /// A linked node says how busy it is.
    pub fn hear(&mut self, now: Instant, from: Id, load: Load) {
        if self.said.len() < SAID_MAX || self.said.contains_key(&from) {
            self.said.insert(from, (load, now));
        }
        if now.since(self.judged) >= JUDGED_EVERY {
            self.judge(now);
        }
    }

    /// The link to a node is gone.
    pub fn forget(&mut self, peer: &Id) {
        self.said.remove(peer);
        self.busy.retain(|(id, _)| id != peer);
    }

    /// By what factor a way through this node is made to seem longer: 1 unless it is busier than usual.
    pub fn factor(&self, id: &Id) -> f64 {
        match self.busy.binary_search_by_key(id, |(busy, _)| *busy) {
            Ok(place) => self.busy[place].1,
            Err(_) => 1.0,
        }
    }

    /// What this node handles, as part of what is usual around here: 2 is twice as much.
    pub fn pressure(&self, now: Instant) -> f64 {
        self.own(now).per_second() / self.usual
    }

    /// What this node said last; nothing if it has not for long.
    pub fn said(&self, id: &Id) -> Option<Load> {
        self.said.get(id).map(|(load, _)| *load)
    }

    /// How many linked nodes have said how busy they are.
    pub fn heard(&self) -> usize {
        self.said.len()
    }

    fn judge(&mut self, now: Instant) {
        self.judged = now;
        self.said.retain(|_, (_, at)| now.since(*at) < REMEMBERED);
        let of = |(load, _): &(Load, Instant)| load.per_second();
        let all: f64 = self.said.values().map(of).sum::<f64>() + self.own(now).per_second();
        self.usual = (all / (self.said.len() + 1) as f64).max(USUAL_LEAST);
        let usual = self.usual;
        let factor = |(load, _): &(Load, Instant)| 1.0 + PRICE * excess(*load, usual).min(EXCESS_MAX);
        let busy = self.said.iter().map(|(id, said)| (*id, factor(said))).filter(|(_, factor)| *factor > 1.0);
        self.busy = busy.collect();
    }

    fn handled_at(&self, now: Instant) -> f64 {
        self.handled * (-now.since(self.at).as_secs_f64() / FADE.as_secs_f64()).exp()
    }
}

/// By how much a load is more than what is usual, in parts of that; 0 if it is not.
pub(super) fn excess(load: Load, usual: f64) -> f64 {
    (load.per_second() / usual - 1.0).max(0.0)
}

/// A message counts for so long, in the mean: shorter, and chance is taken for load; longer, and a crowd goes unseen. A guess.
const FADE: Span = Span::from_secs(10);
/// How often what was said is judged anew. A guess.
const JUDGED_EVERY: Span = Span::from_secs(2);
/// Whoever has said nothing for so long may have grown idle. A guess.
const REMEMBERED: Span = Span::from_secs(60);
/// Nodes whose word is kept: four times the default link budget of 256.
const SAID_MAX: usize = 1_024;
/// Below so many messages a second nobody is busy: a core handles a hundred thousand. A guess.
pub(super) const USUAL_LEAST: f64 = 5.0;
/// How much longer a way through a node with twice the usual load is made to seem, as a share. 200 nodes, Zipf 0.91
/// (2026-11-26): busiest over mean 2.19, 99th percentile 1.74, 26.6 ms a get without; 1.64, 1.43, 27.4 with 0.1; 1.51, 1.37,
/// 27.7 with 0.2.
const PRICE: f64 = 0.2;
/// Beyond so many times the usual load more makes no difference. A guess.
const EXCESS_MAX: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Span::from_millis(ms)
    }

    fn id(number: u64) -> Id {
        Id::hash_of(&number.to_le_bytes())
    }

    #[test]
    fn what_is_handled_is_told_and_forgotten() {
        let mut loads = Loads::new(1);
        (0..3_000).for_each(|step| loads.handle(at(step * 20)));
        let told = loads.own(at(60_000)).per_second();
        assert!((told / 50.0 - 1.0).abs() < 0.1, "{told}");
        assert_eq!(loads.factor(&id(0)), 1.0);
        assert!(loads.own(at(120_000)).per_second() < 0.2);
        assert!((loads.pressure(at(60_000)) / (told / USUAL_LEAST) - 1.0).abs() < 0.01, "nobody has said anything");
    }

    #[test]
    fn the_way_through_a_busy_node_seems_longer_as_long_as_it_says_so() {
        let mut loads = Loads::new(1);
        for second in 0..10 {
            (0..9).for_each(|node| loads.hear(at(second * 1_000), id(node), Load::of(100.0)));
            loads.hear(at(second * 1_000), id(9), Load::of(400.0));
        }
        assert_eq!(loads.factor(&id(0)), 1.0);
        assert_eq!(loads.factor(&id(77)), 1.0, "who has said nothing");
        let busy = loads.factor(&id(9));
        assert!(busy > 1.2 && busy <= 1.0 + PRICE * EXCESS_MAX, "{busy}");
        loads.hear(at(20_000), id(9), Load::of(70.0));
        assert_eq!(loads.factor(&id(9)), 1.0);
        loads.hear(at(30_000), id(9), Load::of(400.0));
        assert!(loads.factor(&id(9)) > 1.0);
        loads.forget(&id(9));
        assert_eq!((loads.factor(&id(9)), loads.heard()), (1.0, 9));
    }

    #[test]
    fn where_little_happens_nobody_is_busy_and_the_table_is_bounded() {
        let mut loads = Loads::new(1);
        (0..2 * SAID_MAX as u64).for_each(|node| loads.hear(at(5_000), id(node), Load::of(0.1)));
        loads.hear(at(9_000), id(0), Load::of(0.9));
        assert_eq!((loads.factor(&id(0)), loads.heard()), (1.0, SAID_MAX));
        loads.hear(at(90_000), id(0), Load::NONE);
        assert_eq!(loads.heard(), 1, "the others have said nothing for long");
    }
}
