//! Which of several holders is asked.
//!
//! Owns: their order: near ones first, busy ones later, and a draw of two among those that are as good as equal.
//! Never does: ask, or know what is held.

use crate::base::{Chance, Load, Span};
use crate::overlay::loads::{USUAL_LEAST, excess};

/// How a holder is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Known {
    /// The round trip to expect, if anything is known.
    pub(super) rtt: Option<Span>,
    /// How busy it is, as far as is known.
    pub(super) load: Load,
}

/// The order in which to ask them: by the round trip, which seems longer to those with more to do than the others. Where
/// they have much to do, two are drawn of those that are about as good as the best, and the less busy one of both goes
/// first: so a crowd that learns of the same holders at the same moment does not run to the same one (Mitzenmacher, IEEE TPDS 2001).
pub(super) fn order(holders: &[Known], chance: &mut Chance) -> Vec<usize> {
    let loads = holders.iter().map(|holder| holder.load.per_second());
    let usual = loads.clone().sum::<f64>() / holders.len().max(1) as f64;
    let felt = |holder: &Known| match holder.rtt {
        Some(rtt) => rtt.scaled(1.0 + PRICE * excess(holder.load, usual.max(USUAL_LEAST))),
        None => Span::MAX,
    };
    let mut order: Vec<usize> = (0..holders.len()).collect();
    order.sort_by_key(|index| felt(&holders[*index]));
    let is_quiet = loads.fold(0.0, f64::max) < USUAL_LEAST;
    let Some(best) = order.first().map(|index| felt(&holders[*index])).filter(|_| !is_quiet) else { return order };
    let alike = order.iter().take_while(|index| felt(&holders[**index]) <= best.scaled(ALIKE)).count();
    if alike > 1 {
        let (one, other) = (chance.index(alike), chance.index(alike));
        let chosen = [one, other].into_iter().min_by_key(|place| (holders[order[*place]].load, *place));
        chosen.into_iter().for_each(|place| order[..=place].rotate_right(1));
    }
    order
}

/// How much longer the way to a holder with twice the usual load seems, as a share. A guess: what it has to do before
/// takes its time.
const PRICE: f64 = 0.5;
/// Round trips up to so many times the best are about as good. A guess.
const ALIKE: f64 = 1.3;

#[cfg(test)]
mod tests {
    use super::*;

    fn known(ms: u64, load: f64) -> Known {
        Known { rtt: Some(Span::from_millis(ms)), load: Load::of(load) }
    }

    #[test]
    fn where_nobody_is_busy_the_nearest_is_asked_first_and_the_unknown_last() {
        let holders = [Known { rtt: None, load: Load::NONE }, known(30, 2.0), known(29, 1.0), known(90, 0.0)];
        for seed in 0..20 {
            assert_eq!(order(&holders, &mut Chance::from_seed(seed)), [2, 1, 3, 0]);
        }
        assert_eq!(order(&[], &mut Chance::from_seed(1)), [0; 0]);
    }

    #[test]
    fn a_crowd_spreads_over_holders_that_are_about_as_near_and_leaves_the_busiest_alone() {
        let holders = [known(20, 50.0), known(22, 50.0), known(24, 50.0), known(24, 400.0), known(90, 10.0)];
        let mut first = [0; 5];
        let mut chance = Chance::from_seed(7);
        for _ in 0..900 {
            let order = order(&holders, &mut chance);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4], "each once");
            first[order[0]] += 1;
        }
        assert!(first[..3].iter().all(|count| *count > 60), "{first:?}");
        assert_eq!(&first[3..], [0, 0]);
    }

    #[test]
    fn of_two_holders_drawn_the_less_busy_is_asked() {
        let holders = [known(20, 60.0), known(21, 40.0)];
        let mut chance = Chance::from_seed(3);
        let firsts = (0..400).filter(|_| order(&holders, &mut chance)[0] == 1).count();
        assert!((260..=340).contains(&firsts), "three in four draws name it: {firsts}");
    }
}
