//! A topology on a map.
//!
//! Owns: nodes where their coordinates are, coloured by their links, and the links between them as thin lines.
//! Never does: lay a graph out; places are given. It says what it left out to keep the file small.

use super::Panel;
use super::frame::{DARK, Heading, Key, MIDDLE, NOTE, Sign};
use super::svg::{Anchor, Area, Canvas, Ink, Type};
use crate::survey::distribution::{quantile, sorted};
use crate::survey::graph::Undirected;
use crate::survey::number::{brief, decimals};

/// A picture of a graph whose nodes have places in a plane.
#[derive(Clone, Debug)]
pub struct Map {
    title: String,
    note: String,
    /// What a coordinate is measured in.
    unit: String,
    /// Left, top, right and bottom of what is shown, in that unit.
    view: [f64; 4],
    /// Ends of links.
    links: Vec<[(f64, f64); 2]>,
    /// Fewest links first, so that nodes of many are drawn over them.
    classes: Vec<Class>,
}

/// Nodes of about as many links.
#[derive(Clone, Debug)]
struct Class {
    from: usize,
    to: usize,
    nodes: usize,
    places: Vec<(f64, f64)>,
}

impl Map {
    /// The picture of this graph with its nodes at these places, in the given unit (`ms`). Nodes without a finite place, and their
    /// links, are left out.
    pub fn new(
        title: impl Into<String>,
        note: impl Into<String>,
        unit: impl Into<String>,
        graph: &Undirected,
        places: &[(f64, f64)],
    ) -> Map {
        let place = |node: u32| places.get(node as usize).copied().filter(|(x, y)| x.is_finite() && y.is_finite());
        let placed: Vec<(u32, (f64, f64))> = graph.nodes().filter_map(|node| Some((node, place(node)?))).collect();
        let view = view(&placed);
        let between =
            || graph.edges().filter(|edge| edge.from < edge.to).filter_map(|e| Some([place(e.from)?, place(e.to)?]));
        let link_count = between().count();
        let every = link_count.div_ceil(LINKS_MAX).max(1);
        let links: Vec<[(f64, f64); 2]> = between().step_by(every).collect();
        let mut notes = vec![note.into()];
        let counted = |count: usize| decimals(count as f64, 0);
        if every > 1 {
            notes.push(format!("Links drawn: {} of {}.", counted(links.len()), counted(link_count)));
        }
        let sparse = placed.len().div_ceil(NODES_MAX).max(1);
        if sparse > 1 {
            notes.push(format!(
                "Nodes drawn: {} of {}.",
                counted(placed.len().div_ceil(sparse)),
                counted(placed.len())
            ));
        }
        match graph.node_count() - placed.len() {
            0 => {}
            lost => notes.push(format!("{} without a place are left out.", counted(lost))),
        }
        let outside = placed.iter().filter(|(_, place)| !is_inside(&view, *place)).count();
        if outside > 0 {
            notes.push(format!("{} farther out lie at the edge.", counted(outside)));
        }
        let classes = classes(graph, &placed, sparse);
        Map { title: title.into(), note: notes.join(" ").trim().to_string(), unit: unit.into(), view, links, classes }
    }

    fn heading(&self) -> Heading<'_> {
        let key = |(index, class): (usize, &Class)| {
            let range =
                if class.from == class.to { class.from.to_string() } else { format!("{} to {}", class.from, class.to) };
            let links = if class.to == 1 { "link" } else { "links" };
            let name = format!("{range} {links} ({} nodes)", decimals(class.nodes as f64, 0));
            Key { name, sign: Sign::Dot(self.colour(index)) }
        };
        Heading { title: &self.title, note: &self.note, legend: self.classes.iter().enumerate().map(key).collect() }
    }

    /// Few classes take the ends of the scale.
    fn colour(&self, class: usize) -> &'static str {
        COLOURS[(class * (COLOURS.len() - 1)).checked_div(self.classes.len() - 1).unwrap_or(COLOURS.len() - 1)]
    }

    /// How many pixels a unit takes, the same in both directions.
    fn pixels(&self, area: Area) -> f64 {
        let [left, top, right, bottom] = self.view;
        (area.width / (right - left)).min(area.height / (bottom - top))
    }

    fn at(&self, area: Area, (x, y): (f64, f64)) -> (f64, f64) {
        let [left, top, right, bottom] = self.view;
        let pixels = self.pixels(area);
        let (x, y) = (x.clamp(left, right) - (left + right) / 2.0, y.clamp(top, bottom) - (top + bottom) / 2.0);
        (area.x + area.width / 2.0 + x * pixels, area.y + area.height / 2.0 + y * pixels)
    }

    /// A bar of a round length.
    fn scale_bar(&self, canvas: &mut Canvas, area: Area, pixels: f64) {
        let most = area.width / 5.0 / pixels;
        let power = 10f64.powf(most.log10().floor());
        let length = [5.0, 2.0, 1.0].iter().map(|unit| unit * power).find(|length| *length <= most).unwrap_or(power);
        let (left, y) = (area.x, area.bottom() + SCALE_HEIGHT - 6.0);
        let right = left + length * pixels;
        let ticks = [left, right].map(|x| [(x, y - 4.0), (x, y + 4.0)]);
        ticks.iter().for_each(|tick| canvas.line(tick, Ink::full(MIDDLE, 1.2)));
        canvas.line(&[(left, y), (right, y)], Ink::full(MIDDLE, 1.2));
        let text = format!("{} {}", brief(length), self.unit);
        canvas.text(right + 8.0, y + 4.0, text.trim(), Type::plain(NOTE.size, DARK));
    }
}

impl Panel for Map {
    fn height(&self, width: f64) -> f64 {
        let [left, top, right, bottom] = self.view;
        let wanted = width * (bottom - top) / (right - left);
        self.heading().height(width) + wanted.clamp(HEIGHT.0, HEIGHT.1) + SCALE_HEIGHT + 12.0
    }

    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let below = self.heading().draw(canvas, area).inset(8.0, 12.0, 8.0, SCALE_HEIGHT);
        if self.classes.is_empty() {
            let (x, y) = (below.x + below.width / 2.0, below.y + below.height / 2.0);
            canvas.text(x, y, "no nodes", NOTE.anchored(Anchor::Middle));
            return;
        }
        let ends = |link: &[(f64, f64); 2]| link.map(|end| self.at(below, end));
        let opacity = (INK / self.links.len().max(1) as f64).clamp(0.05, 0.6);
        canvas.web(self.links.iter().map(ends), LINK, opacity);
        let crowd = self.classes.iter().map(|class| class.places.len()).sum::<usize>();
        let size = if crowd > CROWD { 0.7 } else { 1.0 };
        for (index, class) in self.classes.iter().enumerate() {
            let share = (index + 1) as f64 / self.classes.len() as f64;
            let centres = class.places.iter().map(|place| self.at(below, *place));
            canvas.dots(centres, size * (2.2 + 2.0 * share), self.colour(index));
        }
        self.scale_bar(canvas, below, self.pixels(below));
    }
}

/// What is shown: all but the farthest few, with an extent even if all nodes are in one place.
fn view(placed: &[(u32, (f64, f64))]) -> [f64; 4] {
    let reach = |of: fn(&(f64, f64)) -> f64| {
        // Coordinates are guesses; beyond this one is no coordinate, and twice it is no number.
        let values = sorted(placed.iter().map(|(_, place)| of(place).clamp(-FARTHEST, FARTHEST)));
        let end = |q| quantile(&values, q).unwrap_or(0.0);
        let (from, to) = (end(REACH.0), end(REACH.1));
        let half = if to > from { (to - from) * 0.55 } else { 0.5 };
        let half = half.max(from.abs() * 1e-6).max(1e-6);
        ((from + to) / 2.0 - half, (from + to) / 2.0 + half)
    };
    let ((left, right), (top, bottom)) = (reach(|place| place.0), reach(|place| place.1));
    [left, top, right, bottom]
}

fn is_inside(view: &[f64; 4], (x, y): (f64, f64)) -> bool {
    (view[0]..=view[2]).contains(&x) && (view[1]..=view[3]).contains(&y)
}

/// Up to five parts of the nodes by degree, equal degrees together, as equal as that allows.
fn classes(graph: &Undirected, placed: &[(u32, (f64, f64))], sparse: usize) -> Vec<Class> {
    let degrees = sorted(placed.iter().map(|(node, _)| graph.out_degree(*node) as f64));
    let bound = |part: usize| quantile(&degrees, part as f64 / COLOURS.len() as f64).unwrap_or(0.0) as usize;
    let mut bounds: Vec<usize> = (1..=COLOURS.len()).map(bound).collect();
    bounds.dedup();
    let mut classes: Vec<Class> =
        bounds.iter().map(|to| Class { from: usize::MAX, to: *to, nodes: 0, places: Vec::new() }).collect();
    for (index, (node, place)) in placed.iter().enumerate() {
        let degree = graph.out_degree(*node);
        let class = &mut classes[bounds.partition_point(|to| *to < degree)];
        (class.from, class.nodes) = (class.from.min(degree), class.nodes + 1);
        if index % sparse == 0 {
            class.places.push(*place);
        }
    }
    classes
}

/// From green for few links to dark violet for many: "viridis" (Smith and van der Walt 2015), which the colour-blind see too,
/// without its yellow, which vanishes on white.
const COLOURS: [&str; 5] = ["#a0da39", "#4ac16d", "#1fa187", "#277f8e", "#46327e"];
const LINK: Ink = Ink::full("#6b7480", 0.6);
/// Links drawn at most: some 150 kB of SVG, and more only make a blot.
const LINKS_MAX: usize = 5_000;
/// Nodes drawn at most, for the same reasons.
const NODES_MAX: usize = 6_000;
/// From so many nodes on the dots are smaller.
const CROWD: usize = 1_000;
/// How much ink all links together get: of 400 links each is as dark as it may be, of 5,000 hardly visible alone. By eye.
const INK: f64 = 500.0;
/// The quantiles of coordinates that the picture reaches at least: one lost node must not squeeze all others.
const REACH: (f64, f64) = (0.005, 0.995);
/// No latency, distance or degree of longitude is so large.
const FARTHEST: f64 = 1e9;
/// The least and largest height of the picture, in pixels.
const HEIGHT: (f64, f64) = (240.0, 560.0);
/// Room for the bar that tells the scale.
const SCALE_HEIGHT: f64 = 26.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::graph::tests::{links, random};

    #[test]
    fn nodes_are_classed_by_their_links_and_the_lost_are_told() {
        let star = links(5, &[(0, 1), (0, 2), (0, 3), (0, 4)]);
        let places = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (f64::NAN, 0.0)];
        let map = Map::new("t", "A star.", "ms", &star, &places);
        let classes: Vec<_> = map.classes.iter().map(|class| (class.from, class.to, class.nodes)).collect();
        assert_eq!((classes, map.links.len()), (vec![(1, 1, 3), (4, 4, 1)], 3));
        assert_eq!(map.note, "A star. 1 without a place are left out.");
        assert_eq!((map.colour(0), map.colour(1)), (COLOURS[0], COLOURS[4]));
    }

    #[test]
    fn a_large_graph_is_thinned_and_says_so() {
        let graph = random(7_000, 4, 1).undirected().unwrap();
        let places: Vec<(f64, f64)> = (0..7_000).map(|node| (f64::from(node % 70), f64::from(node / 70))).collect();
        let map = Map::new("", "", "ms", &graph, &places);
        assert!(map.links.len() <= LINKS_MAX && map.note.starts_with("Links drawn: "), "{}", map.note);
        assert!(map.note.contains("Nodes drawn: 3,500 of 7,000."), "{}", map.note);
        assert!(super::super::page(&map, 900.0).len() < 600_000);
    }
}
