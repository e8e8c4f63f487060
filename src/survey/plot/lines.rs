//! Lines.
//!
//! Owns: several series of points over a common pair of axes.
//! Never does: smooth, or join what lies on both sides of a gap.

use super::Panel;
use super::axis::Axis;
use super::curves::Mark;
use super::frame::{Field, Heading, Key, NOTE, Sign, series_ink};
use super::svg::{Anchor, Area, Canvas};

/// A line for each series.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What is shown.
    pub title: String,
    /// How it was measured; may be empty.
    pub note: String,
    /// The lower axis.
    pub x: Axis,
    /// The axis on the left.
    pub y: Axis,
    /// The series, each a line; more than a few cannot be told apart.
    pub lines: Vec<Line>,
    /// Values of the lower axis to compare with.
    pub marks: Vec<Mark>,
}

/// A named series of points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points, in the order in which they are joined. One that is not finite is a gap; one beyond an axis lies at its end.
    pub points: Vec<(f64, f64)>,
}

impl Lines {
    fn heading(&self) -> Heading<'_> {
        let key = |(index, line): (usize, &Line)| Key { name: line.name.clone(), sign: Sign::Line(series_ink(index)) };
        Heading { title: &self.title, note: &self.note, legend: self.lines.iter().enumerate().map(key).collect() }
    }
}

impl Panel for Lines {
    fn height(&self, width: f64) -> f64 {
        self.heading().height(width) + super::FIELD_HEIGHT
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area);
        let field = Field::framed(canvas, below, &self.x, &self.y);
        for mark in &self.marks {
            field.mark(canvas, mark.value, &mark.name, 0.0);
        }
        let is_shown = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        // The first line is drawn last: where lines lie on each other it is the one to compare with.
        for (index, line) in self.lines.iter().enumerate().rev() {
            let shown = line.points.chunk_by(|one, other| is_shown(one) == is_shown(other));
            for points in shown.filter(|points| is_shown(&points[0])) {
                let placed: Vec<(f64, f64)> = points.iter().map(|(x, y)| field.at(*x, *y)).collect();
                match placed[..] {
                    [alone] => canvas.dot(alone, 3.0, series_ink(index).colour, false),
                    _ => canvas.line(&placed, series_ink(index)),
                }
            }
        }
        if !self.lines.iter().any(|line| line.points.iter().any(is_shown)) {
            let (centre_x, centre_y) = (field.area.x + field.area.width / 2.0, field.area.y + field.area.height / 2.0);
            canvas.text(centre_x, centre_y, "nothing to show", NOTE.anchored(Anchor::Middle));
        }
    }
}
