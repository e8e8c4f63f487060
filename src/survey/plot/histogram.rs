//! How often samples fall where.
//!
//! Owns: equal bins over the range of the samples, with their median marked.
//! Never does: drop the far ones: those beyond the axis are counted in the note.

use super::axis::{Axis, Scale};
use super::frame::{Field, Heading, NOTE, series_colour};
use super::svg::{Anchor, Area, Canvas};
use super::{FIELD_HEIGHT, Panel};
use crate::survey::distribution::{quantile, sorted};
use crate::survey::number::{brief, decimals};

/// A histogram of one set of samples.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    title: String,
    note: String,
    x_label: String,
    sorted: Vec<f64>,
    reach: f64,
}

impl Histogram {
    /// The histogram of these samples, in any order; those that are not finite are left out.
    pub fn new(
        title: impl Into<String>,
        note: impl Into<String>,
        x_label: impl Into<String>,
        samples: impl IntoIterator<Item = f64>,
    ) -> Histogram {
        let sorted = sorted(samples);
        let reach = quantile(&sorted, REACH).unwrap_or(1.0);
        let mut plot = Histogram { title: title.into(), note: note.into(), x_label: x_label.into(), sorted, reach };
        let end = plot.x_axis().to();
        let beyond = plot.sorted.len() - plot.sorted.partition_point(|sample| *sample <= end);
        if let (1.., Some(last)) = (beyond, plot.sorted.last()) {
            let lie = if beyond == 1 { "sample lies" } else { "samples lie" };
            let told = format!("{} {lie} beyond the axis, up to {}.", decimals(beyond as f64, 0), brief(*last));
            plot.note = format!("{} {told}", plot.note).trim().to_string();
        }
        plot
    }

    fn heading(&self) -> Heading<'_> {
        Heading { title: &self.title, note: &self.note, legend: Vec::new() }
    }

    /// Whether the samples are whole numbers near enough to each other for a bar each.
    fn is_whole(&self) -> bool {
        let span = self.sorted.last().zip(self.sorted.first()).map(|(last, first)| last - first);
        span.is_some_and(|span| span < BINS as f64) && self.sorted.iter().all(|sample| sample.fract() == 0.0)
    }

    fn x_axis(&self) -> Axis {
        match (self.sorted.first(), self.sorted.last()) {
            (Some(first), Some(last)) if self.is_whole() => Axis::counting(self.x_label.clone(), *first, *last),
            (first, _) => {
                let least = first.copied().unwrap_or(0.0);
                Axis::covering(self.x_label.clone(), Scale::Linear, [least, self.reach])
            }
        }
    }

    /// Begin, end and samples of each bin between the ends of the axis.
    fn bins(&self, x: &Axis) -> Vec<(f64, f64, usize)> {
        let count = if self.is_whole() { (x.to() - x.from()).round() as usize } else { BINS };
        let width = (x.to() - x.from()) / count as f64;
        let up_to = |end: f64| self.sorted.partition_point(|sample| *sample <= end);
        let bin = |index: usize| {
            let (from, to) = (x.from() + index as f64 * width, x.from() + (index + 1) as f64 * width);
            // The first bin holds its lower end too.
            let before = if index == 0 { 0 } else { up_to(from) };
            (from, to, up_to(to).saturating_sub(before))
        };
        (0..count).map(bin).collect()
    }
}

impl Panel for Histogram {
    fn height(&self, width: f64) -> f64 {
        self.heading().height(width) + FIELD_HEIGHT
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area);
        let x = self.x_axis();
        let bins = self.bins(&x);
        let most = bins.iter().map(|bin| bin.2 as f64).chain([1.0]);
        let y = Axis::covering("samples", Scale::Linear, most);
        let field = Field::framed(canvas, below, &x, &y);
        if self.sorted.is_empty() {
            let (centre_x, centre_y) = (field.area.x + field.area.width / 2.0, field.area.y + field.area.height / 2.0);
            canvas.text(centre_x, centre_y, "no samples", NOTE.anchored(Anchor::Middle));
            return;
        }
        for (from, to, count) in bins.into_iter().filter(|bin| bin.2 > 0) {
            let ((left, top), (right, bottom)) = (field.at(from, count as f64), field.at(to, 0.0));
            let gap = if self.is_whole() { (right - left) * 0.1 } else { 0.5 };
            let bar = Area { x: left + gap, y: top, width: (right - left - 2.0 * gap).max(0.6), height: bottom - top };
            canvas.rect(bar, series_colour(0), 0.0);
        }
        if let Some(median) = quantile(&self.sorted, 0.5) {
            field.mark(canvas, median, &format!("median {}", brief(median)), 1.0);
        }
    }
}

/// Bins over the axis: fine enough for a tail, wide enough to be seen.
const BINS: usize = 60;
/// The axis reaches at least to this quantile.
const REACH: f64 = 0.995;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_get_a_bar_each_and_nothing_is_counted_twice() {
        let hops = Histogram::new("", "", "hops", [1.0, 3.0, 3.0, 4.0]);
        let bins = hops.bins(&hops.x_axis());
        assert_eq!(bins, [(0.5, 1.5, 1), (1.5, 2.5, 0), (2.5, 3.5, 2), (3.5, 4.5, 1)]);
        let many: Vec<f64> = (0..1_000).map(|index| f64::from(index) / 7.0).collect();
        let plot = Histogram::new("", "", "ms", many);
        assert_eq!(plot.bins(&plot.x_axis()).iter().map(|bin| bin.2).sum::<usize>(), 1_000);
    }

    #[test]
    fn far_samples_are_told_in_the_note() {
        let plot = Histogram::new("", "As measured.", "ms", (0..999).map(f64::from).chain([1e6]));
        assert_eq!(plot.note, "As measured. 1 sample lies beyond the axis, up to 1,000,000.");
    }
}
