//! Results as pictures.
//!
//! Owns: the plots the project's benches and reports are made of, each a [`Panel`] that draws itself as SVG.
//! Never does: compute a result, write a file, or need more than a browser to be read. Colours can be told apart by the
//! colour-blind; everything foreign is escaped.

mod axis;
mod bars;
mod curves;
mod frame;
mod histogram;
mod hops;
mod lines;
mod report;
mod resilience;
mod scatter;
mod svg;
mod tail;
#[cfg(test)]
mod tests;
mod topology;

pub use axis::{Axis, Scale};
pub use bars::{Bars, Better, Group};
pub use curves::{Cdf, Mark, Series};
pub use histogram::Histogram;
pub use hops::hops_curve;
pub use lines::{Line, Lines};
pub use report::{KeyFigure, KeyFigures, Report, Verdict};
pub use resilience::{partition_curve, reach_curve, removal_curves};
pub use scatter::StretchByDistance;
pub use svg::{Area, Canvas};
pub use tail::degree_tail;
pub use topology::Map;

/// Something that can be drawn alone or on a report page.
pub trait Panel {
    /// The height it wants at this width, in pixels.
    fn height(&self, width: f64) -> f64;

    /// Draws itself; the area is at least as high as it wanted.
    fn draw(&self, canvas: &mut Canvas, area: Area);
}

/// The panel alone, as an SVG file this many pixels wide (at least 320).
pub fn page(panel: &dyn Panel, width: f64) -> String {
    let width = if width.is_finite() { width.clamp(WIDTH_MIN, WIDTH_MAX) } else { WIDTH_MIN };
    let inner = width - 2.0 * MARGIN;
    let height = panel.height(inner);
    let mut canvas = Canvas::default();
    panel.draw(&mut canvas, Area { x: MARGIN, y: MARGIN, width: inner, height });
    canvas.finish(width, height + 2.0 * MARGIN, frame::PAPER)
}

/// The height of a plot's field with its axes, where nothing else decides it.
const FIELD_HEIGHT: f64 = 300.0;
/// White around a plot that stands alone.
const MARGIN: f64 = 20.0;
/// Narrower plots have no room for their axes.
const WIDTH_MIN: f64 = 320.0;
/// Wider ones do not fit on any screen.
const WIDTH_MAX: f64 = 4_000.0;
