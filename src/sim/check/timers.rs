//! Timers fire.
//!
//! Owns: the comparison of what every machine waits for with the clock, and with the wake-ups its host has planned.
//! Never does: wait: what is overdue is so now.

use super::Wrong;
use crate::overlay::Station;
use crate::sim::narrate::node_name;
use crate::sim::world::World;

/// Looks through all machines of all nodes that run. A paused node is late by right.
pub fn check(world: &World) -> Vec<Wrong> {
    let (now, mut wrongs) = (world.now(), Vec::new());
    for (index, node) in world.nodes().iter().enumerate() {
        let Some(mind) = node.mind.as_ref().filter(|_| world.weather.paused_until(index, now).is_none()) else {
            continue;
        };
        let stations =
            [Station::Forwarder, Station::Router].into_iter().chain((0..mind.shards.len()).map(Station::Shard));
        for station in stations {
            let Some(due) = mind.next_deadline(station) else { continue };
            // What is due at this very moment may not have had its turn yet.
            let at = node.clock.reaches(due);
            let complaint = match mind.wakes.get(&station) {
                _ if at < now => format!("overdue by {}", now.since(at)),
                None => "planned by nobody".to_owned(),
                Some(wake) if *wake > at => format!("planned {} too late", wake.since(at)),
                Some(_) => continue,
            };
            let what = format!("{} {station:?}: its deadline {due:?} is {complaint}", node_name(index));
            wrongs.push(Wrong::new("timers fire", what));
        }
    }
    wrongs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::sim::canary::Canary;
    use crate::sim::stage::Stage;
    use crate::sim::world::Plan;

    #[test]
    fn machines_that_are_never_woken_are_complained_of() {
        let mut stage = Stage::with(Plan { canary: Some(Canary::ForgetsDirectories), ..Plan::from_seed(2) });
        stage.join(4);
        stage.pass(Span::from_mins(1));
        let wrongs = check(&stage.world);
        assert!(!wrongs.is_empty() && wrongs.iter().all(|wrong| wrong.what.contains("Shard")), "{wrongs:?}");
    }

    #[test]
    fn clocks_that_run_fast_or_slow_make_nobody_late() {
        let mut stage = Stage::with(Plan { drift_ppm: 50_000, ..Plan::from_seed(3) });
        stage.join(8);
        for _ in 0..40 {
            stage.pass(Span::from_millis(777));
            assert_eq!(check(&stage.world), []);
        }
        assert!(stage.rest());
        assert_eq!(stage.wrongs(), []);
    }

    #[test]
    fn a_paused_node_is_late_by_right() {
        let mut stage = Stage::of(3, 4);
        let until = stage.now() + Span::from_mins(30);
        stage.world.weather.pause(1, until);
        stage.pass(Span::from_mins(29));
        assert_eq!(check(&stage.world), []);
    }
}
