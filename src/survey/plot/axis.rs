//! Axes.
//!
//! Owns: where a value lies between the ends of an axis, and which round values are marked.
//! Never does: draw.

use crate::survey::number::{decimals, number};

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences take equal lengths.
    #[default]
    Linear,
    /// Equal ratios take equal lengths; only values above 0 can be shown.
    Log,
}

/// An axis from one round value to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is shown, with its unit: `direct RTT (ms)`.
    pub label: String,
    scale: Scale,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis that covers these values, and 0 if it is linear. Values it cannot show are passed over.
    pub fn covering(label: impl Into<String>, scale: Scale, values: impl IntoIterator<Item = f64>) -> Axis {
        let shown = values.into_iter().filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let ends = shown.fold(None, |ends: Option<(f64, f64)>, value| {
            Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let ticks = match (scale, ends) {
            (Scale::Linear, ends) => {
                let (low, high) = ends.unwrap_or((0.0, 1.0));
                linear_ticks(low.min(0.0), high.max(0.0))
            }
            (Scale::Log, ends) => {
                let (low, high) = ends.unwrap_or((1.0, 10.0));
                log_ticks(low.clamp(1e-12, 1e15), high.clamp(1e-12, 1e15))
            }
        };
        let (from, to) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
        Axis { label: label.into(), scale, from, to, ticks }
    }

    /// A linear axis of whole numbers, with half a number of room at both ends: for counts, each its own bar.
    pub fn counting(label: impl Into<String>, first: f64, last: f64) -> Axis {
        let step = ((last - first) / 12.0).ceil().max(1.0);
        let count = ((last - first) / step).floor().max(0.0) as usize;
        let ticks = (0..=count.min(12)).map(|index| first + index as f64 * step).collect();
        Axis { label: label.into(), scale: Scale::Linear, from: first - 0.5, to: last + 0.5, ticks }
    }

    /// The same axis under another name.
    pub fn named(self, label: impl Into<String>) -> Axis {
        Axis { label: label.into(), ..self }
    }

    /// Where the value lies: 0 at the beginning, 1 at the end; values beyond an end lie at it.
    pub fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The value it begins with.
    pub fn from(&self) -> f64 {
        self.from
    }

    /// The value it ends with.
    pub fn to(&self) -> f64 {
        self.to
    }

    /// The values to mark, with their text.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let written = |value: f64| match self.scale {
            Scale::Linear => {
                let step = self.ticks.windows(2).next().map_or(1.0, |pair| pair[1] - pair[0]);
                if self.to.abs().max(self.from.abs()) >= 1e12 || step < 1e-6 {
                    number(value)
                } else {
                    decimals(value, (-(step * 1.001).log10().floor()).max(0.0) as usize)
                }
            }
            Scale::Log if (1e-6..1e12).contains(&value) => {
                decimals(value, (-(value * 1.001).log10().floor()).max(0.0) as usize)
            }
            Scale::Log => number(value),
        };
        self.ticks.iter().map(|&value| (value, written(value))).collect()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten, at most eight of them, from at most `low` to at least `high`.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let span = if high - low > 0.0 && (high - low).is_finite() { high - low } else { 1.0 };
    let rough = span / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|unit| unit * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(power * 10.0);
    let first = (low / step + 1e-9).floor() as i64;
    let last = ((low + span) / step - 1e-9).ceil() as i64;
    (first..=last.clamp(first + 1, first + 12)).map(|index| index as f64 * step).collect()
}

/// Powers of ten, with 2 and 5 times them where there are few, or every second or third where there are many.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32 - 1, high.log10().ceil() as i32 + 1);
    let decades = (high / low).log10();
    if decades <= 3.0 {
        let fine = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|unit| unit * 10f64.powi(power)));
        return enclosing(fine.collect(), low, high);
    }
    let every = (decades / 7.0).ceil().max(1.0) as i32;
    let coarse = (first - every..=last + every).filter(|power| power % every == 0).map(|power| 10f64.powi(power));
    enclosing(coarse.collect(), low, high)
}

/// The candidates between the last one not above `low` and the first one not below `high`; at least two.
fn enclosing(candidates: Vec<f64>, low: f64, high: f64) -> Vec<f64> {
    let begin = candidates.iter().rposition(|value| *value <= low * (1.0 + 1e-9)).unwrap_or(0);
    let end = candidates.iter().position(|value| *value >= high * (1.0 - 1e-9)).unwrap_or(candidates.len() - 1);
    candidates[begin..=end.max(begin + 1).min(candidates.len() - 1)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        let linear = |values: &[f64]| written(&Axis::covering("", Scale::Linear, values.iter().copied()));
        assert_eq!(linear(&[3.0, 97.0]), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(linear(&[0.3]), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(linear(&[22_000.0]), ["0", "5,000", "10,000", "15,000", "20,000", "25,000"]);
        let log = |values: &[f64]| written(&Axis::covering("", Scale::Log, values.iter().copied()));
        assert_eq!(log(&[0.3, 7.0]), ["0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(log(&[9.0, 60_000.0]), ["1", "10", "100", "1,000", "10,000", "100,000"]);
        assert_eq!(log(&[5.0, -1.0, 0.0]), ["5", "10"]);
    }

    proptest! {
        #[test]
        fn any_values_lie_on_their_axis(values in prop::collection::vec(any::<f64>(), 0..20), log in any::<bool>()) {
            let scale = if log { Scale::Log } else { Scale::Linear };
            let axis = Axis::covering("x", scale, values.iter().copied());
            prop_assert!((2..=30).contains(&axis.ticks().len()), "{:?}", axis);
            for value in values {
                prop_assert!((0.0..=1.0).contains(&axis.place(value)));
            }
        }
    }
}
