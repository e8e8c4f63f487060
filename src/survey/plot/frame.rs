//! What surrounds every plot.
//!
//! Owns: title, note, legend, axes and grid, and the colours of series.
//! Never does: draw data.

use super::axis::Axis;
use super::svg::{Anchor, Area, Canvas, Ink, Type, fitted, fitted_bold, text_width, wrapped};

/// What stands above a plot.
#[derive(Clone, Debug, Default)]
pub(super) struct Heading<'a> {
    pub title: &'a str,
    pub note: &'a str,
    pub legend: Vec<Key>,
}

/// A line of the legend.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub name: String,
    pub sign: Sign,
}

/// How a series is shown in the legend.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign {
    Line(Ink),
    Dot(&'static str),
    Box(&'static str),
}

/// The inner area of a plot, whose edges are the ends of its axes.
pub(super) struct Field<'a> {
    pub area: Area,
    pub x: &'a Axis,
    pub y: &'a Axis,
}

impl Heading<'_> {
    /// The height it takes.
    pub fn height(&self, width: f64) -> f64 {
        let note = wrapped(self.note, NOTE.size, width).len() as f64 * NOTE_LINE;
        let legend = self.legend_rows(width).len() as f64 * LEGEND_LINE;
        TITLE.size + 8.0 + note + if legend > 0.0 { legend + 4.0 } else { 0.0 }
    }

    /// Draws it at the top of the area and returns what is left.
    pub fn draw(&self, canvas: &mut Canvas, area: Area) -> Area {
        let mut y = area.y + TITLE.size;
        canvas.text(area.x, y, &fitted_bold(self.title, TITLE.size, area.width), TITLE.bold());
        for line in wrapped(self.note, NOTE.size, area.width) {
            y += NOTE_LINE;
            canvas.text(area.x, y + 2.0, &line, NOTE);
        }
        y += 8.0;
        for row in self.legend_rows(area.width) {
            y += LEGEND_LINE;
            for (x, key) in row {
                key.draw(canvas, area.x + x, y - 2.0, area.width - x);
            }
        }
        area.inset(0.0, self.height(area.width), 0.0, 0.0)
    }

    /// The keys with their offsets, in as many rows as they need.
    fn legend_rows(&self, width: f64) -> Vec<Vec<(f64, &Key)>> {
        let mut rows: Vec<Vec<(f64, &Key)>> = Vec::new();
        let mut x = f64::INFINITY;
        for key in &self.legend {
            let wide = SIGN_WIDTH + text_width(&key.name, NOTE.size);
            if x + wide > width {
                rows.push(Vec::new());
                x = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, key));
            }
            x += wide + LEGEND_GAP;
        }
        rows
    }
}

impl Key {
    fn draw(&self, canvas: &mut Canvas, x: f64, base: f64, width: f64) {
        let middle = base - NOTE.size * 0.35;
        match self.sign {
            Sign::Line(ink) => canvas.line(&[(x, middle), (x + SIGN_WIDTH - 6.0, middle)], ink),
            Sign::Dot(colour) => canvas.dot((x + 10.0, middle), 4.0, colour, false),
            Sign::Box(fill) => {
                canvas.rect(Area { x: x + 4.0, y: middle - 5.0, width: 14.0, height: 10.0 }, fill, 2.0);
            }
        }
        let name = fitted(&self.name, NOTE.size, width - SIGN_WIDTH);
        canvas.text(x + SIGN_WIDTH, base, &name, Type::plain(NOTE.size, DARK));
    }
}

impl<'a> Field<'a> {
    /// Draws grid, marks and labels of two axes into the area and returns the inner one.
    pub fn framed(canvas: &mut Canvas, area: Area, x: &'a Axis, y: &'a Axis) -> Field<'a> {
        let y_ticks = y.ticks();
        let widest = y_ticks.iter().map(|(_, text)| text_width(text, TICK.size)).fold(0.0, f64::max);
        let x_ticks = x.ticks();
        let last = x_ticks.last().map_or(0.0, |(_, text)| text_width(text, TICK.size) / 2.0);
        let inner = area.inset(widest + 30.0, 8.0, last + 2.0, AXIS_HEIGHT);
        let field = Field { area: inner, x, y };
        for (value, text) in &y_ticks {
            let (_, at) = field.at(x.from(), *value);
            canvas.line(&[(inner.x, at), (inner.right(), at)], GRID);
            canvas.text(inner.x - 8.0, at + TICK.size * 0.35, text, TICK.anchored(Anchor::End));
        }
        field.bottom_axis(canvas);
        let centre = inner.y + inner.height / 2.0;
        let label = fitted(&y.label, LABEL.size, inner.height);
        canvas.upright_text(area.x + LABEL.size, centre, &label, LABEL.anchored(Anchor::Middle));
        field
    }

    /// Draws the lower axis only.
    pub fn bottom_axis(&self, canvas: &mut Canvas) {
        let (inner, x) = (self.area, self.x);
        let mut free_from = f64::NEG_INFINITY;
        for (value, text) in x.ticks() {
            let (at, _) = self.at(value, self.y.from());
            canvas.line(&[(at, inner.y), (at, inner.bottom())], GRID);
            let half = text_width(&text, TICK.size) / 2.0;
            if at - half > free_from {
                canvas.text(at, inner.bottom() + 17.0, &text, TICK.anchored(Anchor::Middle));
                free_from = at + half + 8.0;
            }
        }
        canvas.line(&[(inner.x, inner.bottom()), (inner.right(), inner.bottom())], Ink::full(MIDDLE, 1.0));
        let label = fitted(&x.label, LABEL.size, inner.width);
        canvas.text(inner.x + inner.width / 2.0, inner.bottom() + 36.0, &label, LABEL.anchored(Anchor::Middle));
    }

    /// Where a point lies.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let Area { x: left, width, height, .. } = self.area;
        (left + self.x.place(x) * width, self.area.y + (1.0 - self.y.place(y)) * height)
    }

    /// A dashed upright line at this value of the lower axis, named on the side that has room, at this share of
    /// the height (0 is the bottom).
    pub fn mark(&self, canvas: &mut Canvas, value: f64, name: &str, height: f64) {
        let (at, _) = self.at(value, self.y.from());
        canvas.line(&[(at, self.area.y), (at, self.area.bottom())], REFERENCE);
        let (right, left) = (self.area.right() - at - 5.0, at - 5.0 - self.area.x);
        let (x, anchor, room) =
            if right >= left { (at + 5.0, Anchor::Start, right) } else { (at - 5.0, Anchor::End, left) };
        let y = self.area.bottom() - 6.0 - height * (self.area.height - TICK.size - 6.0);
        canvas.text_over(x, y, &fitted(name, TICK.size, room), Type::plain(TICK.size, DARK).anchored(anchor));
    }
}

/// The line of the series with this index: another colour each, and another dash when the colours repeat.
pub(super) fn series_ink(index: usize) -> Ink {
    const DASHES: [&str; 4] = ["", "7 4", "2 3", "10 3 2 3"];
    Ink { colour: series_colour(index), width: 2.2, dash: DASHES[(index / PALETTE.len()) % DASHES.len()] }
}

/// The colour of the series with this index.
pub(super) fn series_colour(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}

/// Okabe and Ito, "Color Universal Design" (2008), without black and yellow, which mean text and vanish on white.
const PALETTE: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Text that is read first.
pub(super) const DARK: &str = "#222222";
/// Text and lines beside the data.
pub(super) const MIDDLE: &str = "#5c6166";
/// The background of a plot.
pub(super) const PAPER: &str = "#ffffff";
/// Titles of plots.
pub(super) const TITLE: Type = Type::plain(15.0, DARK);
/// Notes and legends.
pub(super) const NOTE: Type = Type::plain(12.0, MIDDLE);
/// Names of axes.
pub(super) const LABEL: Type = Type::plain(12.0, DARK);
/// Values along axes.
pub(super) const TICK: Type = Type::plain(11.0, MIDDLE);
/// Lines to compare with.
pub(super) const REFERENCE: Ink = Ink { colour: MIDDLE, width: 1.2, dash: "4 3" };
/// What the values and the name of the lower axis take.
pub(super) const AXIS_HEIGHT: f64 = 44.0;

const GRID: Ink = Ink::full("#e4e6e8", 1.0);
const NOTE_LINE: f64 = 16.0;
const LEGEND_LINE: f64 = 19.0;
const LEGEND_GAP: f64 = 18.0;
const SIGN_WIDTH: f64 = 26.0;
