//! How near a copy an overlay finds, and what finding it costs.
//!
//! Owns: the comparison of the copy found with the nearest one there is, over many questions.
//! Never does: ask, or know where anybody is: distances are handed in.

use super::distribution::{mean, sorted};
use super::stretch::{Pair, Stretch};
use crate::base::Span;
use serde::Serialize;

/// One object that was found. All spans are round trips, and begin at whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Find {
    /// Until the asker knew whom to turn to.
    pub located: Span,
    /// Until the asker had the copy.
    pub fetched: Span,
    /// Straight to the holder that was chosen.
    pub chosen: Span,
    /// Straight to the nearest holder.
    pub nearest: Span,
    /// Holders that are nearer than the chosen one.
    pub nearer: usize,
}

/// Many objects found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finds {
    /// How many.
    pub finds: usize,
    /// The time until the asker had the copy, over the round trip to the nearest holder.
    pub stretch: Option<Stretch>,
    /// The time until the asker knew whom to turn to, over the same.
    pub locate_stretch: Option<Stretch>,
    /// In this share no holder is nearer than the chosen one.
    pub nearest_share: f64,
    /// In this share at most one is.
    pub top_two_share: f64,
    /// The round trip to the chosen holder over that to the nearest, less 1: the mean of the ratios. Finds whose nearest
    /// holder is no way off are left out.
    pub extra_delay: f64,
    /// The same as a ratio of means: near holders weigh less.
    pub extra_delay_of_means: f64,
}

impl Find {
    /// A holder was found; `holders` are the round trips to all there are, the chosen one among them. `fetch` is what
    /// had still to be travelled when it was known.
    pub fn of(located: Span, fetch: Span, chosen: Span, holders: &[Span]) -> Find {
        let nearest = holders.iter().copied().min().unwrap_or(chosen);
        let nearer = holders.iter().filter(|holder| **holder < chosen).count();
        Find { located, fetched: located + fetch, chosen, nearest, nearer }
    }
}

impl Finds {
    /// The figures of these; `None` if there are none.
    pub fn of(finds: &[Find]) -> Option<Finds> {
        let against = |routed: fn(&Find) -> Span| -> Vec<Pair> {
            finds.iter().map(|find| Pair { routed: routed(find), direct: find.nearest }).collect()
        };
        let share = |nearer: usize| {
            finds.iter().filter(|find| find.nearer <= nearer).count() as f64 / finds.len().max(1) as f64
        };
        let detours = against(|find| find.chosen);
        let ratios = sorted(detours.iter().filter_map(Pair::ratio));
        let total = |of: fn(&Pair) -> Span| detours.iter().map(|pair| of(pair).as_millis_f64()).sum::<f64>();
        (!finds.is_empty()).then(|| Finds {
            finds: finds.len(),
            stretch: Stretch::of(&against(|find| find.fetched)),
            locate_stretch: Stretch::of(&against(|find| find.located)),
            nearest_share: share(0),
            top_two_share: share(1),
            extra_delay: mean(&ratios).map_or(0.0, |mean| mean - 1.0),
            extra_delay_of_means: total(|pair| pair.routed) / total(|pair| pair.direct).max(f64::MIN_POSITIVE) - 1.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Span {
        Span::from_millis(ms)
    }

    #[test]
    fn the_figures_are_those_worked_out_by_hand() {
        let finds = [
            // Nearest of three: located in 20, had after 60, where 40 would do.
            Find::of(ms(20), ms(40), ms(40), &[ms(50), ms(40), ms(90)]),
            // Second: 30 + 20 where 10 would do; half of the holders are nearer.
            Find::of(ms(30), ms(20), ms(20), &[ms(10), ms(20)]),
            // Third: 100 + 100 where 50 would do.
            Find::of(ms(100), ms(100), ms(100), &[ms(80), ms(50), ms(100)]),
            // Two holders equally near: neither is nearer than the other.
            Find::of(ms(0), ms(8), ms(8), &[ms(8), ms(8)]),
        ];
        let found = Finds::of(&finds).expect("some");
        assert_eq!((found.finds, found.nearest_share, found.top_two_share), (4, 0.5, 0.75));
        // Ratios 1, 2, 2 and 1; 168 ms in all where 108 would do.
        assert!((found.extra_delay - 0.5).abs() < 1e-12);
        assert!((found.extra_delay_of_means - (168.0 / 108.0 - 1.0)).abs() < 1e-12);
        // Had after 60, 50, 200 and 8 ms: ratios 1.5, 5, 4 and 1.
        let stretch = found.stretch.expect("pairs");
        assert_eq!((stretch.p50, stretch.max, stretch.mean), (1.5, 5.0, 2.875));
        // Located in 20, 30, 100 and 0 ms: ratios 0.5, 3, 2 and 0.
        assert_eq!(found.locate_stretch.expect("pairs").mean, 1.375);
    }

    #[test]
    fn nothing_found_has_no_figures_and_a_copy_at_hand_no_ratio() {
        assert_eq!(Finds::of(&[]), None);
        let at_hand = Find::of(Span::ZERO, Span::ZERO, Span::ZERO, &[Span::ZERO, ms(3)]);
        let found = Finds::of(&[at_hand]).expect("one");
        assert_eq!((found.stretch, found.nearest_share, found.extra_delay), (None, 1.0, 0.0));
    }
}
