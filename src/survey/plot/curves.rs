//! Distributions as curves.
//!
//! Owns: the cumulative distribution of several sets of samples in one plot.
//! Never does: smooth; each point is a nearest-rank quantile.

use super::axis::{Axis, Scale};
use super::frame::{Field, Heading, Key, Sign, series_ink};
use super::svg::{Area, Canvas};
use super::{FIELD_HEIGHT, Panel};
use crate::survey::distribution::{quantile, sorted};
use crate::survey::number::brief;

/// Share of samples at most so large, a line for each series.
#[derive(Clone, Debug, Default)]
pub struct Cdf {
    /// What is shown.
    pub title: String,
    /// How it was measured; may be empty.
    pub note: String,
    /// What the samples are, with their unit.
    pub x_label: String,
    /// How the samples are spread over the lower axis.
    pub scale: Scale,
    /// The sets of samples.
    pub series: Vec<Series>,
    /// Values to compare with.
    pub marks: Vec<Mark>,
}

/// A named set of samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    name: String,
    sorted: Vec<f64>,
}

/// A value to compare with, shown as an upright line.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub value: f64,
    /// What it means.
    pub name: String,
}

impl Series {
    /// These samples, in any order; those that are not finite are left out.
    pub fn new(name: impl Into<String>, samples: impl IntoIterator<Item = f64>) -> Series {
        Series { name: name.into(), sorted: sorted(samples) }
    }

    /// The points of its line, up to the end of the axis.
    fn curve(&self, field: &Field<'_>) -> Vec<(f64, f64)> {
        let steps = self.sorted.len().min(STEPS_MAX);
        let mut points: Vec<(f64, f64)> = self.sorted.first().map(|first| field.at(*first, 0.0)).into_iter().collect();
        for step in 1..=steps {
            let share = step as f64 / steps as f64;
            match quantile(&self.sorted, share) {
                Some(value) if value <= field.x.to() => {
                    if steps < STEPS_MAX {
                        // Few samples: show the stairs they are.
                        points.push(field.at(value, 100.0 * (step - 1) as f64 / steps as f64));
                    }
                    points.push(field.at(value, 100.0 * share));
                }
                _ => {
                    let within = self.sorted.partition_point(|value| *value <= field.x.to());
                    points.push(field.at(field.x.to(), 100.0 * within as f64 / self.sorted.len() as f64));
                    break;
                }
            }
        }
        points
    }

    /// The quantile at which the plot may end: far out, but not at the one sample that squeezes all others.
    fn reach(&self) -> f64 {
        quantile(&self.sorted, REACH).unwrap_or(0.0)
    }
}

impl Cdf {
    fn heading(&self) -> Heading<'_> {
        let legend = self.series.iter().enumerate().map(|(index, series)| {
            let named = match quantile(&series.sorted, 0.5) {
                Some(median) => format!("{} (median {})", series.name, brief(median)),
                None => format!("{} (no samples)", series.name),
            };
            Key { name: named, sign: Sign::Line(series_ink(index)) }
        });
        Heading { title: &self.title, note: &self.note, legend: legend.collect() }
    }

    fn x_axis(&self) -> Axis {
        let reach = self.series.iter().map(Series::reach).fold(f64::MIN, f64::max);
        let ends = self.series.iter().filter_map(|series| series.sorted.iter().find(|value| **value > 0.0).copied());
        let marks = self.marks.iter().map(|mark| mark.value);
        let axis = Axis::covering("", self.scale, ends.chain(marks).chain([reach]));
        let cut = self.series.iter().filter_map(|series| series.sorted.last()).copied().fold(f64::MIN, f64::max);
        let beyond = if cut > axis.to() { format!("; largest {}", brief(cut)) } else { String::new() };
        axis.named(format!("{}{beyond}", self.x_label))
    }
}

impl Panel for Cdf {
    fn height(&self, width: f64) -> f64 {
        self.heading().height(width) + FIELD_HEIGHT
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area);
        let (x, y) = (self.x_axis(), Axis::covering("share of samples (%)", Scale::Linear, [0.0, 100.0]));
        let field = Field::framed(canvas, below, &x, &y);
        for mark in &self.marks {
            field.mark(canvas, mark.value, &mark.name, 0.0);
        }
        for (index, series) in self.series.iter().enumerate() {
            canvas.line(&series.curve(&field), series_ink(index));
        }
    }
}

/// Points of a curve: more than a screen has pixels for them to be told apart.
const STEPS_MAX: usize = 400;
/// Up to this share of the samples the lower axis reaches at least.
const REACH: f64 = 0.995;
