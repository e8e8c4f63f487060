//! A small network of routers.
//!
//! Owns: links with their delays, a random connected graph over a plane, and all shortest paths.
//! Never does: grow large: the tables take the square of the routers.

use crate::base::Chance;

/// Routers numbered from 0, and the links between them.
#[derive(Clone, Debug)]
pub struct Graph {
    routers: usize,
    /// Both ends and the delay in microseconds.
    links: Vec<(usize, usize, u32)>,
}

/// All shortest paths of a graph.
#[derive(Clone, Debug)]
pub struct Paths {
    routers: usize,
    /// Row = from, column = to, in microseconds.
    delay_us: Vec<u32>,
    /// The link by which the shortest path begins, and the router at its other end.
    first: Vec<(u32, u32)>,
}

/// A place on a plane, in milliseconds of one-way delay.
pub type Place = [f64; 2];

impl Graph {
    /// Routers without links.
    pub fn new(routers: usize) -> Graph {
        Graph { routers, links: Vec::new() }
    }

    /// Routers at these places; each two are linked with this probability, drawn anew until all hang
    /// together (as GT-ITM does), and a link takes the straight line.
    pub fn drawn(places: &[Place], probability: f64, chance: &mut Chance) -> Graph {
        loop {
            let mut graph = Graph::new(places.len());
            for a in 0..places.len() {
                for b in 0..a {
                    if chance.happens(probability) {
                        graph.link(a, b, delay_us(places[a], places[b]));
                    }
                }
            }
            if graph.is_connected() {
                return graph;
            }
        }
    }

    /// Links two routers; gives the link's number.
    pub fn link(&mut self, a: usize, b: usize, delay_us: u32) -> usize {
        self.links.push((a, b, delay_us));
        self.links.len() - 1
    }

    /// The links: both ends and the delay in microseconds.
    pub fn links(&self) -> &[(usize, usize, u32)] {
        &self.links
    }

    /// All shortest paths (Floyd 1962). Panics where the graph does not hang together.
    pub fn paths(&self) -> Paths {
        let n = self.routers;
        let (mut delay_us, mut first) = (vec![FAR; n * n], vec![(0, 0); n * n]);
        (0..n).for_each(|router| delay_us[router * n + router] = 0);
        for (number, &(a, b, delay)) in self.links.iter().enumerate() {
            for (from, to) in [(a, b), (b, a)] {
                if delay < delay_us[from * n + to] {
                    (delay_us[from * n + to], first[from * n + to]) = (delay, (number as u32, to as u32));
                }
            }
        }
        for over in 0..n {
            for from in 0..n {
                for to in 0..n {
                    let detour = delay_us[from * n + over].saturating_add(delay_us[over * n + to]);
                    if detour < delay_us[from * n + to] {
                        (delay_us[from * n + to], first[from * n + to]) = (detour, first[from * n + over]);
                    }
                }
            }
        }
        assert!(delay_us.iter().all(|delay| *delay != FAR), "the routers do not hang together");
        Paths { routers: n, delay_us, first }
    }

    fn is_connected(&self) -> bool {
        let mut group: Vec<usize> = (0..self.routers).collect();
        for &(a, b, _) in &self.links {
            let (kept, lost) = (group[a], group[b]);
            group.iter_mut().filter(|each| **each == lost).for_each(|each| *each = kept);
        }
        group.windows(2).all(|pair| pair[0] == pair[1])
    }
}

impl Paths {
    /// How long the shortest path takes, in microseconds.
    pub fn delay_us(&self, from: usize, to: usize) -> u32 {
        self.delay_us[from * self.routers + to]
    }

    /// The numbers of its links, in order.
    pub fn links(&self, from: usize, to: usize) -> Vec<u32> {
        let (mut at, mut links) = (from, Vec::new());
        while at != to {
            let (link, next) = self.first[at * self.routers + to];
            links.push(link);
            at = next as usize;
        }
        links
    }
}

/// How long a link between these places takes, in microseconds; never nothing.
pub fn delay_us(a: Place, b: Place) -> u32 {
    ((a[0] - b[0]).hypot(a[1] - b[1]) * 1e3).max(1.0) as u32
}

const FAR: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_path_takes_the_detour_that_pays() {
        let mut graph = Graph::new(4);
        for (a, b, delay) in [(0, 1, 10), (1, 2, 10), (0, 2, 50), (2, 3, 5)] {
            graph.link(a, b, delay);
        }
        let paths = graph.paths();
        assert_eq!((paths.delay_us(0, 3), paths.delay_us(3, 0)), (25, 25));
        assert_eq!((paths.links(0, 3), paths.links(3, 0)), (vec![0, 1, 3], vec![3, 1, 0]));
        assert_eq!((paths.delay_us(2, 2), paths.links(2, 2)), (0, vec![]));
    }

    #[test]
    fn a_drawn_graph_hangs_together_however_few_its_links() {
        let mut chance = Chance::from_seed(4);
        let places: Vec<Place> = (0..8).map(|_| [chance.unit(), chance.unit()]).collect();
        for _ in 0..20 {
            let graph = Graph::drawn(&places, 0.2, &mut chance);
            assert!(graph.links().len() >= 7 && graph.is_connected());
            graph.paths();
        }
    }
}
