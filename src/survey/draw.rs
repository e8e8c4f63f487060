//! Samples from a graph.
//!
//! Owns: drawing distinct nodes at random.
//! Never does: draw from anything but the chance it is given.

use crate::base::Chance;

/// `count` distinct numbers below `nodes` in random order; all of them if there are fewer.
pub(super) fn distinct(nodes: usize, count: usize, chance: &mut Chance) -> Vec<u32> {
    let mut all: Vec<u32> = (0..nodes as u32).collect();
    let count = count.min(nodes);
    for at in 0..count {
        all.swap(at, at + chance.index(nodes - at));
    }
    all.truncate(count);
    all
}

/// Two different numbers below `nodes`, which is at least 2.
pub(super) fn pair(nodes: usize, chance: &mut Chance) -> (u32, u32) {
    let first = chance.index(nodes);
    let other = chance.index(nodes - 1);
    (first as u32, (other + usize::from(other >= first)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_drawn_equally_often_and_none_twice() {
        let mut chance = Chance::from_seed(1);
        let mut seen = [0; 10];
        for _ in 0..2_000 {
            let mut drawn = distinct(10, 3, &mut chance);
            drawn.iter().for_each(|node| seen[*node as usize] += 1);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), 3);
        }
        assert!(seen.iter().all(|times| (500..700).contains(times)), "{seen:?}");
        assert_eq!(distinct(2, 5, &mut chance).len(), 2);
    }

    #[test]
    fn a_pair_is_two_nodes_and_every_pair_is_drawn() {
        let mut chance = Chance::from_seed(2);
        let mut seen = [[0; 3]; 3];
        for _ in 0..6_000 {
            let (a, b) = pair(3, &mut chance);
            seen[a as usize][b as usize] += 1;
        }
        for (a, row) in seen.iter().enumerate() {
            assert!(
                row.iter().enumerate().all(|(b, times)| if a == b { *times == 0 } else { *times > 900 }),
                "{seen:?}"
            );
        }
    }
}
