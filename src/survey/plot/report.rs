//! A page of results.
//!
//! Owns: laying panels out in two columns, tables and key figures as panels, and the page's head.
//! Never does: decide whether a result is good; a figure comes with its verdict.

use super::Panel;
use super::frame::{DARK, Heading, MIDDLE, NOTE, PAPER, TITLE};
use super::svg::{Anchor, Area, Canvas, Ink, Type, bold_width, fitted, fitted_bold, text_width, wrapped};
use crate::survey::table::Table;

/// One SVG with a title, a few lines on what was measured and how, and panels.
#[derive(Default)]
pub struct Report {
    title: String,
    lines: Vec<String>,
    panels: Vec<(Box<dyn Panel>, bool)>,
}

/// The few figures a reader wants first, as cards.
#[derive(Clone, Debug, Default)]
pub struct KeyFigures {
    /// What they are about.
    pub title: String,
    /// The cards.
    pub figures: Vec<KeyFigure>,
}

/// One card.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFigure {
    /// What it is.
    pub label: String,
    /// Its value with its unit.
    pub value: String,
    /// What to compare it with; may be empty.
    pub note: String,
    /// Whether it meets its bar.
    pub verdict: Verdict,
}

/// Whether a figure meets its bar. Said by a word as well as by a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It has none.
    #[default]
    Open,
    /// It does.
    Met,
    /// It does not.
    Missed,
}

impl Report {
    /// A page without panels. The lines say what was measured, on what, with which seeds; long ones are wrapped.
    pub fn new<L: Into<String>>(title: impl Into<String>, lines: impl IntoIterator<Item = L>) -> Report {
        Report { title: title.into(), lines: lines.into_iter().map(Into::into).collect(), panels: Vec::new() }
    }

    /// Adds a panel as wide as a column; two in a row stand side by side.
    pub fn half(&mut self, panel: impl Panel + 'static) -> &mut Report {
        self.panels.push((Box::new(panel), false));
        self
    }

    /// Adds a panel as wide as the page.
    pub fn full(&mut self, panel: impl Panel + 'static) -> &mut Report {
        self.panels.push((Box::new(panel), true));
        self
    }

    /// The page as an SVG file.
    pub fn to_svg(&self) -> String {
        let inner = PAGE_WIDTH - 2.0 * PAGE_MARGIN;
        let mut canvas = Canvas::default();
        let mut y = PAGE_MARGIN + HEAD.size;
        canvas.text(PAGE_MARGIN, y, &fitted_bold(&self.title, HEAD.size, inner), HEAD.bold());
        y += 6.0;
        for line in self.lines.iter().flat_map(|line| wrapped(line, 13.0, inner)) {
            y += 19.0;
            canvas.text(PAGE_MARGIN, y, &line, Type::plain(13.0, MIDDLE));
        }
        y += GAP;
        let mut rest = self.panels.as_slice();
        while let Some(((first, full), after)) = rest.split_first() {
            let pair = match after.first() {
                Some((second, false)) if !full => vec![first.as_ref(), second.as_ref()],
                _ => vec![first.as_ref()],
            };
            rest = &rest[pair.len()..];
            let width = if *full { inner } else { (inner - GAP) / 2.0 };
            y += row(&mut canvas, &pair, y, width) + GAP;
        }
        canvas.finish(PAGE_WIDTH, y - GAP + PAGE_MARGIN, PAGE)
    }
}

/// Draws panels of this width side by side as cards; returns the height of the highest.
fn row(canvas: &mut Canvas, panels: &[&dyn Panel], y: f64, width: f64) -> f64 {
    let inner = width - 2.0 * PADDING;
    let height = panels.iter().map(|panel| panel.height(inner)).fold(0.0, f64::max) + 2.0 * PADDING;
    for (index, panel) in panels.iter().enumerate() {
        let x = PAGE_MARGIN + index as f64 * (width + GAP);
        canvas.rect(Area { x: x - 1.0, y: y - 1.0, width: width + 2.0, height: height + 2.0 }, RIM, 7.0);
        let card = Area { x, y, width, height };
        canvas.rect(card, PAPER, 6.0);
        panel.draw(canvas, card.inset(PADDING, PADDING, PADDING, PADDING));
    }
    height
}

impl KeyFigures {
    fn heading(&self) -> Heading<'_> {
        Heading { title: &self.title, ..Heading::default() }
    }

    /// As many columns as fit, or fewer if the cards then fill their rows better.
    fn columns(&self, width: f64) -> usize {
        let most = ((width / CARD_WIDTH) as usize).max(1);
        let rows = self.figures.len().div_ceil(most).max(1);
        self.figures.len().div_ceil(rows).max(1)
    }
}

impl Panel for KeyFigures {
    fn height(&self, width: f64) -> f64 {
        let rows = self.figures.len().div_ceil(self.columns(width));
        self.heading().height(width) + rows as f64 * CARD_HEIGHT - CARD_GAP
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area);
        let columns = self.columns(area.width);
        let width = below.width / columns as f64;
        for (index, figure) in self.figures.iter().enumerate() {
            let x = below.x + (index % columns) as f64 * width;
            let y = below.y + (index / columns) as f64 * CARD_HEIGHT;
            let (colour, word) = match figure.verdict {
                Verdict::Open => ("#b9bec3", ""),
                Verdict::Met => ("#009e73", "✓ "),
                Verdict::Missed => ("#d55e00", "✗ "),
            };
            canvas.rect(Area { x, y: y + 5.0, width: 4.0, height: CARD_HEIGHT - CARD_GAP - 6.0 }, colour, 2.0);
            let room = width - 24.0;
            canvas.text(x + 14.0, y + 18.0, &fitted(&figure.label, NOTE.size, room), NOTE);
            let size = (VALUE_SIZE * room / bold_width(&figure.value, VALUE_SIZE).max(1.0)).clamp(14.0, VALUE_SIZE);
            let value = Type::plain(size.floor(), DARK).bold();
            canvas.text(x + 14.0, y + 45.0, &fitted_bold(&figure.value, value.size, room), value);
            let note = fitted(&format!("{word}{}", figure.note), NOTE.size, room);
            canvas.text(x + 14.0, y + 63.0, &note, NOTE);
        }
    }
}

/// A table looks the same on a page as in a terminal, less its rule of dashes.
impl Panel for Table {
    fn height(&self, width: f64) -> f64 {
        let heading = Heading { title: self.title(), ..Heading::default() };
        heading.height(width) + (self.rows().len() + 1) as f64 * ROW_HEIGHT + 6.0
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = Heading { title: self.title(), ..Heading::default() }.draw(canvas, area);
        let columns = self.headings().len();
        let cell_width =
            |row: &Vec<String>, column: usize| row.get(column).map_or(0.0, |cell| text_width(cell, NOTE.size));
        let wanted: Vec<f64> = (0..columns)
            .map(|column| {
                let widest = self.rows().iter().map(|row| cell_width(row, column)).fold(0.0, f64::max);
                widest.max(bold_width(&self.headings()[column], NOTE.size)) + COLUMN_GAP
            })
            .collect();
        let widths = shares(&wanted, below.width);
        canvas.line(&[(below.x, below.y + ROW_HEIGHT), (below.right(), below.y + ROW_HEIGHT)], Ink::full(MIDDLE, 1.0));
        for (index, row) in std::iter::once(self.headings()).chain(self.rows().iter().map(Vec::as_slice)).enumerate() {
            let y = below.y + index as f64 * ROW_HEIGHT;
            if index > 0 && index % 2 == 0 {
                canvas.rect(Area { x: below.x, y: y + 1.0, width: below.width, height: ROW_HEIGHT }, STRIPE, 0.0);
            }
            let look = if index == 0 { Type::plain(NOTE.size, DARK).bold() } else { Type::plain(NOTE.size, DARK) };
            let mut x = below.x;
            for (column, cell) in row.iter().enumerate() {
                let fit = if index == 0 { fitted_bold } else { fitted };
                let text = fit(cell, NOTE.size, widths[column] - COLUMN_GAP * 0.5);
                let (at, anchor) = match self.is_numeric(column) {
                    true => (x + widths[column] - COLUMN_GAP / 2.0, Anchor::End),
                    false => (x + COLUMN_GAP / 2.0, Anchor::Start),
                };
                canvas.text(at, y + ROW_HEIGHT - 6.0, &text, look.anchored(anchor));
                x += widths[column];
            }
        }
    }
}

/// Widths that fill the room: what is left over is spread evenly; where room lacks, the widest columns give way first.
fn shares(wanted: &[f64], room: f64) -> Vec<f64> {
    let total: f64 = wanted.iter().sum();
    if total <= room {
        let more = ((room - total) / wanted.len().max(1) as f64).min(COLUMN_GROWTH_MAX);
        return wanted.iter().map(|width| width + more).collect();
    }
    let mut ascending = wanted.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let (mut left, mut limit) = (room, 0.0);
    for (index, width) in ascending.iter().enumerate() {
        limit = left / (wanted.len() - index) as f64;
        if *width > limit {
            break;
        }
        left -= width;
    }
    wanted.iter().map(|width| width.min(limit)).collect()
}

/// The title of a page.
const HEAD: Type = Type::plain(TITLE.size + 9.0, DARK);
/// The page behind the cards.
const PAGE: &str = "#f4f5f6";
const RIM: &str = "#dfe2e5";
const STRIPE: &str = "#f6f7f8";
/// Fits a laptop's screen.
const PAGE_WIDTH: f64 = 1_200.0;
const PAGE_MARGIN: f64 = 32.0;
const GAP: f64 = 20.0;
const PADDING: f64 = 18.0;
/// A longer value is set smaller.
const VALUE_SIZE: f64 = 24.0;
const CARD_WIDTH: f64 = 180.0;
const CARD_HEIGHT: f64 = 82.0;
/// Between two rows of cards.
const CARD_GAP: f64 = 12.0;
const ROW_HEIGHT: f64 = 21.0;
const COLUMN_GAP: f64 = 18.0;
/// Columns do not drift further apart than this.
const COLUMN_GROWTH_MAX: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_room_or_share_what_there_is() {
        assert_eq!(shares(&[10.0, 20.0], 50.0), [20.0, 30.0]);
        assert_eq!(shares(&[10.0, 100.0, 200.0], 110.0), [10.0, 50.0, 50.0]);
        assert_eq!(shares(&[], 110.0), [0.0; 0]);
    }
}
