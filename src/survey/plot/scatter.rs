//! Stretch by distance.
//!
//! Owns: one dot per pair, direct RTT against stretch, and the median and 90th percentile of each tenth of the pairs.
//! Never does: hide how many dots were left out to keep the file small.

use super::axis::{Axis, Scale};
use super::frame::{Field, Heading, Key, NOTE, REFERENCE, Sign, TICK};
use super::svg::{Anchor, Area, Canvas, Ink};
use super::{FIELD_HEIGHT, Panel};
use crate::survey::distribution::{quantile, sorted};
use crate::survey::number::{brief, decimals};
use crate::survey::stretch::{Pair, Stretch};

/// Stretch against direct RTT, both on log axes.
#[derive(Clone, Debug, Default)]
pub struct StretchByDistance {
    title: String,
    note: String,
    drawn: Vec<(f64, f64)>,
    /// Between these the stretch axis reaches at least; what lies beyond sits at its edge.
    reach: (f64, f64),
    stretch: Option<Stretch>,
}

impl StretchByDistance {
    /// The plot of these pairs; those without a direct path are left out.
    pub fn new(title: impl Into<String>, note: impl Into<String>, pairs: &[Pair]) -> StretchByDistance {
        let point = |pair: &Pair| Some((pair.direct.as_millis_f64(), pair.ratio()?));
        let all: Vec<(f64, f64)> = pairs.iter().filter_map(point).filter(|(_, ratio)| *ratio > 0.0).collect();
        let every = all.len().div_ceil(DOTS_MAX).max(1);
        let drawn: Vec<(f64, f64)> = all.iter().step_by(every).copied().collect();
        let ratios = sorted(all.iter().map(|dot| dot.1));
        let reach = (quantile(&ratios, REACH.0).unwrap_or(1.0), quantile(&ratios, REACH.1).unwrap_or(1.0));
        let mut notes = vec![note.into()];
        if every > 1 {
            let (drawn, all) = (decimals(drawn.len() as f64, 0), decimals(all.len() as f64, 0));
            notes.push(format!("Dots: {drawn} of {all} pairs; the lines count all of them."));
        }
        let mut plot =
            StretchByDistance { title: title.into(), note: String::new(), drawn, reach, stretch: Stretch::of(pairs) };
        let top = plot.y_axis().to();
        let beyond = ratios.len() - ratios.partition_point(|ratio| *ratio <= top);
        if let (1.., Some(last)) = (beyond, ratios.last()) {
            let told = if beyond == 1 { "pair lies" } else { "pairs lie" };
            notes.push(format!("{} {told} above the axis, up to {}.", decimals(beyond as f64, 0), brief(*last)));
        }
        plot.note = notes.join(" ").trim().to_string();
        plot
    }

    fn y_axis(&self) -> Axis {
        Axis::covering("stretch (routed / direct)", Scale::Log, [self.reach.0, self.reach.1, 0.8, 1.2])
    }

    fn heading(&self) -> Heading<'_> {
        let key = |name: &str, sign| Key { name: name.to_string(), sign };
        let legend = vec![
            key("a pair", Sign::Dot(DOT)),
            key("median of a tenth", Sign::Line(MEDIAN)),
            key("90th percentile", Sign::Line(TAIL)),
        ];
        Heading { title: &self.title, note: &self.note, legend }
    }
}

impl Panel for StretchByDistance {
    fn height(&self, width: f64) -> f64 {
        self.heading().height(width) + FIELD_HEIGHT
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area);
        let deciles = self.stretch.as_ref().map_or(&[][..], |stretch| &stretch.deciles);
        let direct = self.drawn.iter().map(|dot| dot.0);
        let x = Axis::covering("direct RTT (ms)", Scale::Log, direct.chain(deciles.iter().map(|part| part.from_ms)));
        let y = self.y_axis();
        let field = Field::framed(canvas, below, &x, &y);
        if deciles.is_empty() {
            let (centre_x, centre_y) = (field.area.x + field.area.width / 2.0, field.area.y + field.area.height / 2.0);
            canvas.text(centre_x, centre_y, "no pairs", NOTE.anchored(Anchor::Middle));
            return;
        }
        canvas.cloud(self.drawn.iter().map(|&(direct, ratio)| field.at(direct, ratio)), DOT);
        let (_, even) = field.at(x.from(), 1.0);
        canvas.line(&[(field.area.x, even), (field.area.right(), even)], REFERENCE);
        canvas.text_over(field.area.right() - 4.0, even + 13.0, "direct path", TICK.anchored(Anchor::End));
        let line = |of: fn(&crate::survey::stretch::Decile) -> f64| -> Vec<(f64, f64)> {
            deciles.iter().map(|part| field.at(part.middle_ms, of(part))).collect()
        };
        canvas.line(&line(|part| part.p90), TAIL);
        let medians = line(|part| part.p50);
        canvas.line(&medians, MEDIAN);
        for centre in medians {
            canvas.dot(centre, 5.0, MEDIAN.colour, true);
        }
    }
}

/// Dots drawn at most: about 150 kB of SVG, and more only make a blot.
const DOTS_MAX: usize = 4_000;
/// The quantiles of stretch that the axis shows at least: a neighbour of 0.1 ms may have a stretch of thousands.
const REACH: (f64, f64) = (0.001, 0.998);
const DOT: &str = "#0072b2";
const MEDIAN: Ink = Ink::full("#d55e00", 2.4);
const TAIL: Ink = Ink { colour: "#d55e00", width: 1.8, dash: "5 3" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    #[test]
    fn many_pairs_are_thinned_and_the_note_says_so() {
        let pair = Pair { routed: Span::from_millis(3), direct: Span::from_millis(2) };
        let plot = StretchByDistance::new("t", "64 nodes.", &vec![pair; 10_000]);
        assert_eq!(plot.drawn.len(), 3_334);
        assert_eq!(plot.note, "64 nodes. Dots: 3,334 of 10,000 pairs; the lines count all of them.");
        assert_eq!(super::super::frame::series_colour(0), DOT);
    }
}
