//! Sites that die whole.
//!
//! Owns: which nodes share a site, and letting all of one crash at one moment and come back together.
//! Never does: say what a site is: the underlay does.

use super::habits::Habits;
use super::{Cause, Churn, Turn};
use crate::base::{Chance, Span};
use crate::sim::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};

impl Stage {
    /// All nodes by the site they are at; none where the underlay knows no sites.
    pub fn sites(&self) -> BTreeMap<usize, Vec<usize>> {
        let underlay = &self.world.plan().underlay;
        let mut sites: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for node in 0..self.world.nodes().len() {
            if let Some(site) = underlay.site(node) {
                sites.entry(site).or_default().push(node);
            }
        }
        sites
    }

    /// Now all nodes at this site crash; after `away` those that do not stay away for another reason come back. Gives how
    /// many crashed. A site that is dead already stays so until its time is over.
    pub fn strike_site(&mut self, site: usize, away: Span) -> usize {
        let mut churn = self.churn.take().unwrap_or_else(still);
        let (now, before) = (self.now(), churn.crashes);
        if churn.turns.when(&Turn::Site(site)).is_none() {
            for node in self.sites().remove(&site).unwrap_or_default() {
                self.turn(&mut churn, node, Cause::Site);
            }
            churn.turns.set(Turn::Site(site), now + away);
        }
        let crashed = churn.crashes - before;
        self.churn = Some(churn);
        crashed
    }

    pub(super) fn revive_site(&mut self, churn: &mut Churn, site: usize) {
        let at_site = self.sites().remove(&site).unwrap_or_default();
        let dead = |churn: &Churn, node: &usize| {
            churn.members.get(node).is_some_and(|member| member.away_for.contains(&Cause::Site))
        };
        let dead: BTreeSet<usize> = at_site.into_iter().filter(|node| dead(churn, node)).collect();
        dead.into_iter().for_each(|node| self.turn(churn, node, Cause::Site));
    }
}

/// Nodes that stay, as long as their sites live.
fn still() -> Churn {
    Churn::new(Habits::default(), Chance::from_seed(STILL))
}

/// Nothing is drawn of it.
const STILL: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Plan;
    use crate::sim::churn::Pattern;
    use crate::sim::underlay::{Shape, TransitStub};

    fn stage(nodes: usize) -> Stage {
        let shape = Shape { transit_domains: 1, transit_routers: 2, stub_domains: 2, stub_routers: 3 };
        let underlay = Box::new(TransitStub::new(shape, nodes, &mut Chance::from_seed(1)));
        let mut stage = Stage::with(Plan { underlay, ..Plan::from_seed(2) });
        stage.join_in_crowds(nodes, &mut |_| {});
        stage
    }

    #[test]
    fn a_site_dies_whole_and_comes_back_together() {
        let mut stage = stage(20);
        let sites = stage.sites();
        assert_eq!((sites.len(), sites.values().map(Vec::len).sum::<usize>()), (4, 20));
        let (site, nodes) = sites.into_iter().next().expect("four of them");
        assert_eq!(stage.strike_site(site, Span::from_secs(60)), nodes.len());
        assert_eq!(stage.strike_site(site, Span::from_secs(600)), 0, "it is dead already");
        stage.pass(Span::from_secs(59));
        assert!(nodes.iter().all(|node| !stage.up().contains(node)));
        stage.pass(Span::from_secs(2));
        assert_eq!(stage.up().len(), 20);
        assert!(stage.rest());
        assert_eq!(stage.wrongs(), []);
    }

    #[test]
    fn who_was_away_already_comes_back_when_both_reasons_are_over() {
        let mut stage = stage(12);
        let lifetimes = |secs| crate::sim::churn::Lifetimes::of_mean(1.0, Span::from_secs(secs));
        let plain = Some(Pattern { sessions: lifetimes(40), absences: lifetimes(40) });
        stage.begin_churn(Churn::new(Habits { plain, ..Habits::default() }, Chance::from_seed(3)));
        let (site, nodes) = stage.sites().into_iter().next().expect("a site");
        stage.strike_site(site, Span::from_mins(5));
        for _ in 0..29 {
            stage.pass(Span::from_secs(10));
            assert!(nodes.iter().all(|node| !stage.world.nodes()[*node].is_up()));
        }
        stage.pass(Span::from_mins(3));
        assert!(nodes.iter().any(|node| stage.world.nodes()[*node].is_up()));
        let churn = stage.churn().expect("begun");
        assert!(stage.up().iter().all(|node| churn.members.get(node).is_none_or(|m| m.away_for.is_empty())));
    }
}
