//! SVG, written by hand.
//!
//! Owns: shapes, escaped text, and how wide a text is likely to be.
//! Never does: need a script, a style sheet or a font that is not everywhere.

use crate::survey::xml::escaped;
use std::fmt::Write;

/// A drawing in the making. Lengths are in pixels at natural size, from the upper left corner.
#[derive(Debug, Default)]
pub struct Canvas {
    body: String,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
}

/// A line's look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ink {
    /// As `#rrggbb`.
    pub colour: &'static str,
    /// In pixels.
    pub width: f64,
    /// Lengths of dashes and gaps; empty for a full line.
    pub dash: &'static str,
}

/// A text's look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Type {
    /// Height in pixels.
    pub size: f64,
    /// As `#rrggbb`.
    pub colour: &'static str,
    /// Whether it is bold.
    pub bold: bool,
    /// Which end of the text the point given is.
    pub anchor: Anchor,
}

/// Which end of a text its point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Canvas {
    /// A filled rectangle with corners of this radius.
    pub fn rect(&mut self, area: Area, fill: &str, radius: f64) {
        let Area { x, y, width, height } = area;
        let (width, height) = (width.max(0.0), height.max(0.0));
        let _ = write!(self.body, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
        let corners = if radius > 0.0 { format!(" rx=\"{radius}\"") } else { String::new() };
        let _ = writeln!(self.body, "{corners} fill=\"{fill}\"/>");
    }

    /// A line through these points.
    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink) {
        let _ = write!(self.body, "<path d=\"");
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(self.body, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
        }
        let Ink { colour, width, dash } = ink;
        let _ = write!(self.body, "\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"");
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        let _ = writeln!(self.body, "{dash} stroke-linejoin=\"round\"/>");
    }

    /// A dot, with a white rim if it must stand out.
    pub fn dot(&mut self, centre: (f64, f64), radius: f64, fill: &str, rim: bool) {
        let rim = if rim { " stroke=\"#ffffff\" stroke-width=\"1.5\"" } else { "" };
        let (x, y) = centre;
        let _ = writeln!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\"{rim}/>");
    }

    /// Small dots, see-through and smaller where they are many, so that a crowd shows how dense it is.
    pub fn cloud(&mut self, centres: impl ExactSizeIterator<Item = (f64, f64)>, fill: &str) {
        let (radius, opacity) = match centres.len() {
            0..=300 => (3.0, 0.7),
            301..=1_500 => (2.5, 0.45),
            _ => (2.0, 0.28),
        };
        let _ = writeln!(self.body, "<g fill=\"{fill}\" fill-opacity=\"{opacity}\">");
        for (x, y) in centres {
            let _ = write!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
        }
        let _ = writeln!(self.body, "</g>");
    }

    /// Equal dots with thin white rims, so that they can be told apart where they touch.
    pub fn dots(&mut self, centres: impl Iterator<Item = (f64, f64)>, radius: f64, fill: &str) {
        let _ = writeln!(self.body, "<g fill=\"{fill}\" stroke=\"#ffffff\" stroke-width=\"0.6\">");
        for (x, y) in centres {
            let _ = write!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>");
        }
        let _ = writeln!(self.body, "</g>");
    }

    /// Many straight lines, see-through, so that a bundle shows how dense it is.
    pub fn web(&mut self, lines: impl Iterator<Item = [(f64, f64); 2]>, ink: Ink, opacity: f64) {
        let Ink { colour, width, .. } = ink;
        let look = format!("stroke=\"{colour}\" stroke-width=\"{width}\" stroke-opacity=\"{opacity:.2}\"");
        let _ = writeln!(self.body, "<g fill=\"none\" {look}>");
        // Each its own path: within one path crossings would not add up.
        for [(x, y), (to_x, to_y)] in lines {
            let _ = write!(self.body, "<path d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>");
        }
        let _ = writeln!(self.body, "</g>");
    }

    /// A text with its base line at `y`.
    pub fn text(&mut self, x: f64, y: f64, text: &str, look: Type) {
        self.placed_text(&format!("x=\"{x:.1}\" y=\"{y:.1}\""), text, look);
    }

    /// A text that stays readable over lines and bars: it has a white rim.
    pub fn text_over(&mut self, x: f64, y: f64, text: &str, look: Type) {
        let rim = "stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"";
        self.placed_text(&format!("x=\"{x:.1}\" y=\"{y:.1}\" {rim}"), text, look);
    }

    /// A text that reads upwards, its base line at `x`.
    pub fn upright_text(&mut self, x: f64, y: f64, text: &str, look: Type) {
        self.placed_text(&format!("transform=\"translate({x:.1} {y:.1}) rotate(-90)\""), text, look);
    }

    /// The finished drawing.
    pub fn finish(self, width: f64, height: f64, background: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{background}\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn placed_text(&mut self, place: &str, text: &str, look: Type) {
        let anchor = match look.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
        let Type { size, colour, .. } = look;
        let _ = write!(self.body, "<text {place} font-size=\"{size}\" fill=\"{colour}\"{anchor}{weight}>");
        let _ = writeln!(self.body, "{}</text>", escaped(text));
    }
}

impl Area {
    /// The area without this much at each of its edges.
    pub fn inset(self, left: f64, top: f64, right: f64, bottom: f64) -> Area {
        let (width, height) = ((self.width - left - right).max(1.0), (self.height - top - bottom).max(1.0));
        Area { x: self.x + left, y: self.y + top, width, height }
    }

    /// Its right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Its lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

impl Ink {
    /// A full line.
    pub const fn full(colour: &'static str, width: f64) -> Ink {
        Ink { colour, width, dash: "" }
    }
}

impl Type {
    /// Plain text of this size and colour, beginning at its point.
    pub const fn plain(size: f64, colour: &'static str) -> Type {
        Type { size, colour, bold: false, anchor: Anchor::Start }
    }

    /// The same in bold.
    pub const fn bold(self) -> Type {
        Type { bold: true, ..self }
    }

    /// The same at another end of its point.
    pub const fn anchored(self, anchor: Anchor) -> Type {
        Type { anchor, ..self }
    }
}

/// What a text of this size takes at most, in pixels: Helvetica's widths with an eighth to spare for wider fonts.
pub fn text_width(text: &str, size: f64) -> f64 {
    let em = |ch: char| match ch {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | '|' | ':' | ';' | '!' => 0.27,
        ' ' | 'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | '/' | '-' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.88,
        'A'..='Z' => 0.7,
        ' '..='~' => 0.55,
        '\u{2e80}'.. => 1.0,
        _ => 0.65,
    };
    text.chars().map(em).sum::<f64>() * size * 1.12
}

/// The same for bold text, of which some fonts are a sixth wider.
pub fn bold_width(text: &str, size: f64) -> f64 {
    text_width(text, size * BOLD)
}

/// [`fitted`] for bold text.
pub fn fitted_bold(text: &str, size: f64, width: f64) -> String {
    fitted(text, size * BOLD, width)
}

/// The text, cut with an ellipsis where it would be wider than this.
pub fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_string();
    }
    let mut cut: Vec<char> = text.chars().collect();
    while !cut.is_empty() && text_width(&cut.iter().collect::<String>(), size) + size > width {
        cut.pop();
    }
    cut.into_iter().collect::<String>().trim_end().to_string() + "…"
}

/// The text in lines no wider than this, broken at blanks; a longer word is cut.
pub fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + size * 0.4 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(word, size, width)),
        }
    }
    lines
}

/// Width of bold to plain: a guess that held for DejaVu Sans, the widest of the usual fonts.
const BOLD: f64 = 1.16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_leave_its_element() {
        let mut canvas = Canvas::default();
        canvas.text(1.0, 2.0, "<b a=\"1\">&\u{0}\n</b>", Type::plain(12.0, "#000000"));
        let svg = canvas.finish(10.0, 10.0, "#ffffff");
        assert!(svg.contains(">&lt;b a=&quot;1&quot;&gt;&amp;  &lt;/b&gt;</text>"), "{svg}");
    }

    #[test]
    fn texts_are_cut_and_broken_to_fit() {
        let text = "a rather long sentence that has to be broken into lines";
        for width in [40.0, 120.0, 1_000.0] {
            assert!(text_width(&fitted(text, 12.0, width), 12.0) <= width);
            assert!(wrapped(text, 12.0, width).iter().all(|line| text_width(line, 12.0) <= width));
        }
        assert_eq!(wrapped(text, 12.0, 1_000.0), [text]);
        assert_eq!(wrapped(" ", 12.0, 100.0), [""; 0]);
    }
}
