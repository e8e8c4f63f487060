//! What every panel promises.
//!
//! Owns: all panels, full, empty and odd, checked for well-formed SVG whose shapes lie on the page.
//! Never does: judge how it looks; that takes eyes.

use super::*;
use crate::base::{Chance, Span};
use crate::survey::stretch::Pair;
use crate::survey::table::{Cell, Table};

const HOSTILE: &str = "<script>\"&'\u{1}\u{1f980} and a name much too long for any legend, axis or column of a table";

fn samples(seed: u64, count: usize) -> Vec<f64> {
    let mut chance = Chance::from_seed(seed);
    (0..count).map(|_| (chance.unit() * 6.0).exp()).collect()
}

fn pairs(count: usize) -> Vec<Pair> {
    let direct = samples(3, count);
    let pair = |(ms, extra): (f64, f64)| Pair {
        direct: Span::from_micros((ms * 1e3) as u64),
        routed: Span::from_micros((ms * (900.0 + 5.0 * extra)) as u64),
    };
    direct.into_iter().zip(samples(4, count)).map(pair).collect()
}

fn panels(text: &str, samples: &[f64], pairs: &[Pair]) -> Vec<Box<dyn Panel>> {
    let text = || text.to_string();
    let series = |_| curves::Series::new(text(), samples.iter().copied());
    let scales = [Scale::Linear, Scale::Log];
    let mut table = Table::new(text(), [text(), text()]);
    for value in samples.iter().take(5) {
        table.row([Cell::from(*value), Cell::from(text())]);
    }
    let figure = KeyFigure { label: text(), value: text(), note: text(), verdict: Verdict::Missed };
    let mut all: Vec<Box<dyn Panel>> = vec![
        Box::new(StretchByDistance::new(text(), text(), pairs)),
        Box::new(Histogram::new(text(), text(), text(), samples.iter().copied())),
        Box::new(table),
        Box::new(KeyFigures { title: text(), figures: vec![figure; samples.len() % 7] }),
    ];
    let graph = crate::survey::graph::tests::random(samples.len(), 3, 5);
    let places: Vec<(f64, f64)> = samples.iter().map(|value| (*value, value.sin() * value)).collect();
    all.push(Box::new(Map::new(text(), text(), text(), &graph.undirected().unwrap(), &places)));
    all.push(Box::new(degree_tail(text(), text(), &graph)));
    for scale in scales {
        let points: Vec<(f64, f64)> = samples.iter().map(|value| (*value, -value)).collect();
        let axis = |_| Axis::covering(text(), scale, samples.iter().copied());
        let (lines, marks) = (vec![Line { name: text(), points }; 7], vec![Mark { value: 1.0, name: text() }]);
        all.push(Box::new(Lines { title: text(), note: text(), x: axis(0), y: axis(1), lines, marks }));
        let marks = samples.iter().take(1).map(|value| Mark { value: *value, name: text() }).collect();
        let series = (0..8).map(series).collect();
        all.push(Box::new(Cdf { title: text(), note: text(), x_label: text(), scale, series, marks }));
        let values = samples.iter().map(|value| Some(*value)).chain([None, Some(0.0), Some(-1.0), Some(f64::NAN)]);
        let groups = vec![Group { name: text(), values: values.take(9).collect() }; samples.len().min(3)];
        let (better, series) = (Better::Lower, vec![text(); 9]);
        all.push(Box::new(Bars { title: text(), note: text(), x_label: text(), scale, better, series, groups }));
    }
    all
}

/// Elements opened and closed in order, attributes quoted, no stray `<` or `&`, no number that is none.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        assert!(tag.matches('"').count() % 2 == 0, "{tag}");
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name)),
            (false, false) => open.push(name),
            (false, true) => {}
        }
        for entity in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;", "quot;"].iter().any(|known| entity.starts_with(known)), "{text}");
        }
        assert!(!text.chars().any(|ch| ch.is_control() && ch != '\n'), "{text:?}");
    }
    assert_eq!(open, [""; 0]);
}

/// All values of this attribute.
fn numbers<'a>(svg: &'a str, attribute: &'a str) -> impl Iterator<Item = f64> + 'a {
    let quoted = svg.split(attribute).skip(1);
    quoted.filter_map(|rest| rest.split('"').next()).filter_map(|number| number.parse().ok())
}

#[test]
fn every_panel_draws_well_formed_svg_of_any_data_within_its_page() {
    let one = [Pair { routed: Span::from_millis(2), direct: Span::from_millis(2) }];
    let huge = [f64::MAX, f64::MIN, 1e-300, 0.0, f64::NAN, f64::INFINITY];
    for (text, samples, pairs) in [
        ("title", samples(1, 1_000), pairs(5_000)),
        (HOSTILE, samples(2, 5), pairs(9)),
        ("", vec![], vec![]),
        ("same", vec![7.0; 20], one.to_vec()),
        ("huge", huge.to_vec(), vec![Pair { routed: Span::MAX, direct: Span::from_micros(1) }]),
    ] {
        for panel in panels(text, &samples, &pairs) {
            for width in [10.0, 560.0, 1_100.0] {
                let svg = page(panel.as_ref(), width);
                assert_well_formed(&svg);
                let height = panel.height(width.max(320.0) - 40.0) + 40.0;
                let inside = |limit: f64| move |value: f64| (-0.1..=limit + 0.1).contains(&value);
                assert!(numbers(&svg, " x=\"").all(inside(width.max(320.0))), "{text} {width}");
                assert!(numbers(&svg, " y=\"").all(inside(height)), "{text} {width}");
                assert!(numbers(&svg, " cy=\"").all(inside(height)), "{text} {width}");
            }
        }
    }
}

#[test]
fn a_report_sets_two_halves_side_by_side_and_a_full_panel_alone() {
    let half = || Histogram::new("h", "", "ms", [1.0, 2.0]);
    let mut report = Report::new("Report & more", ["seed 7"]);
    report.half(half()).half(half()).full(half()).half(half());
    let svg = report.to_svg();
    assert_well_formed(&svg);
    let cards = |width: &str| svg.matches(&format!("width=\"{width}\"")).count();
    assert_eq!((cards("558.0"), cards("1136.0")), (3, 1));
    assert!(svg.contains("Report &amp; more"));
    assert_eq!(svg, report.to_svg(), "the same data, the same bytes");
    assert_well_formed(&Report::default().to_svg());
}

#[test]
fn a_file_of_many_pairs_stays_small() {
    let plot = StretchByDistance::new("stretch", "", &pairs(100_000));
    assert!(page(&plot, 800.0).len() < 300_000);
}
