//! Grouped bars.
//!
//! Owns: the same figure of several systems side by side, with the value written at each bar.
//! Never does: cut an axis: linear bars begin at 0, log bars at a power of ten that the axis shows.

use super::axis::{Axis, Scale};
use super::frame::{DARK, Field, Heading, Key, LABEL, Sign, TICK, series_colour};
use super::svg::{Anchor, Area, Canvas, Type, fitted, text_width};
use super::{Panel, frame};
use crate::survey::number::brief;

/// Groups of lying bars, one bar per series in each.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// What is shown.
    pub title: String,
    /// How it was measured; may be empty.
    pub note: String,
    /// What a bar's length is, with its unit.
    pub x_label: String,
    /// Log where the systems differ by powers of ten.
    pub scale: Scale,
    /// Which way is better.
    pub better: Better,
    /// The systems, in the order of the values of each group.
    pub series: Vec<String>,
    /// What they are compared in.
    pub groups: Vec<Group>,
}

/// Which way is better; said beside the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Better {
    /// Neither.
    #[default]
    Neither,
    /// Long bars.
    Higher,
    /// Short bars.
    Lower,
}

/// One thing in which the systems are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// A value per series; `None`, and what an axis cannot show, is written as a dash.
    pub values: Vec<Option<f64>>,
}

impl Bars {
    fn heading(&self) -> Heading<'_> {
        let key = |(index, name): (usize, &String)| Key { name: name.clone(), sign: Sign::Box(series_colour(index)) };
        let legend = if self.series.len() > 1 { self.series.iter().enumerate().map(key).collect() } else { Vec::new() };
        Heading { title: &self.title, note: &self.note, legend }
    }

    fn group_height(&self) -> f64 {
        self.series.len().max(1) as f64 * BAR_PITCH + GROUP_GAP
    }

    fn shown(&self, value: Option<f64>) -> Option<f64> {
        value.filter(|value| value.is_finite() && *value >= 0.0 && (self.scale == Scale::Linear || *value > 0.0))
    }

    fn x_axis(&self) -> Axis {
        let values = self.groups.iter().flat_map(|group| &group.values).filter_map(|value| self.shown(*value));
        let values: Vec<f64> = values.collect();
        // A log bar has no natural beginning: the smallest must still be a bar, so the axis begins below half of it.
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min) / 2.0;
        let axis = Axis::covering("", self.scale, values.iter().copied().chain([smallest]));
        let better = match self.better {
            Better::Neither => "",
            Better::Higher => ", higher is better",
            Better::Lower => ", lower is better",
        };
        let log = if self.scale == Scale::Log { ", log scale" } else { "" };
        axis.named(format!("{}{better}{log}", self.x_label))
    }
}

impl Panel for Bars {
    fn height(&self, width: f64) -> f64 {
        let groups = self.groups.len().max(1) as f64 * self.group_height();
        self.heading().height(width) + groups + frame::AXIS_HEIGHT + GROUP_GAP
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area);
        let names = self.groups.iter().map(|group| text_width(&group.name, LABEL.size)).fold(0.0, f64::max);
        let left = names.min(area.width * NAMES_SHARE_MAX) + 12.0;
        let wanted = self.groups.len().max(1) as f64 * self.group_height() + GROUP_GAP / 2.0;
        let field_area = Area { height: wanted, ..below }.inset(left, 0.0, VALUE_WIDTH, 0.0);
        let (x, y) = (self.x_axis(), Axis::covering("", Scale::Linear, [1.0]));
        let field = Field { area: field_area, x: &x, y: &y };
        field.bottom_axis(canvas);
        for (index, group) in self.groups.iter().enumerate() {
            let top = field_area.y + GROUP_GAP / 2.0 + index as f64 * self.group_height();
            let middle = top + (self.group_height() - GROUP_GAP) / 2.0;
            let name = fitted(&group.name, LABEL.size, left - 12.0);
            canvas.text(field_area.x - 10.0, middle + 4.0, &name, LABEL.anchored(Anchor::End));
            for series in 0..self.series.len().max(1) {
                let value = self.shown(group.values.get(series).copied().flatten());
                self.bar(canvas, &field, top + series as f64 * BAR_PITCH, (series, value));
            }
        }
    }
}

impl Bars {
    fn bar(&self, canvas: &mut Canvas, field: &Field<'_>, top: f64, (series, value): (usize, Option<f64>)) {
        let begin = field.area.x;
        let base = top + BAR_PITCH / 2.0 + 3.0;
        let Some(value) = value else {
            canvas.text(begin + 5.0, base, "–", TICK);
            return;
        };
        let (end, _) = field.at(value, 0.0);
        let bar = Area { x: begin, y: top, width: (end - begin).max(1.0), height: BAR_PITCH - 2.0 };
        canvas.rect(bar, series_colour(series), 1.5);
        canvas.text(end + 5.0, base, &brief(value), Type::plain(TICK.size, DARK));
    }
}

const BAR_PITCH: f64 = 15.0;
const GROUP_GAP: f64 = 14.0;
/// What the names of groups may take of the width.
const NAMES_SHARE_MAX: f64 = 0.36;
/// Room for the value of a bar that ends with the axis.
const VALUE_WIDTH: f64 = 72.0;
