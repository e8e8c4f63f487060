//! What came and went between two crawls.
//!
//! Owns: the comparison of two censuses.
//! Never does: say why.

use super::census::Census;
use crate::base::{Id, Span};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What differs between two crawls, by the nodes that were visited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Visited now and not before.
    #[serde(serialize_with = "hex")]
    pub came: Vec<Id>,
    /// Visited before and not now.
    #[serde(serialize_with = "hex")]
    pub went: Vec<Id>,
    /// Visited both times, and started anew in between by its own word.
    #[serde(serialize_with = "hex")]
    pub restarted: Vec<Id>,
    /// Visited both times.
    pub stayed: usize,
    /// Edges between nodes visited both times that are there now only.
    pub edges_came: usize,
    /// Those that were there before only.
    pub edges_went: usize,
}

impl Change {
    /// What differs.
    pub fn between(before: &Census, now: &Census) -> Change {
        let (old, new) = (uptimes(before), uptimes(now));
        let mut change = Change::default();
        for (id, uptime) in &new {
            match old.get(id) {
                None => change.came.push(*id),
                Some(then) => {
                    change.stayed += 1;
                    if then.zip(*uptime).is_some_and(|(then, now)| now < then) {
                        change.restarted.push(*id);
                    }
                }
            }
        }
        change.went = old.keys().filter(|id| !new.contains_key(id)).copied().collect();
        let stayed = |id: &Id| old.contains_key(id) && new.contains_key(id);
        let (edges_before, edges_now) = (edges(before, &stayed), edges(now, &stayed));
        change.edges_came = edges_now.iter().filter(|edge| edges_before.binary_search(edge).is_err()).count();
        change.edges_went = edges_before.iter().filter(|edge| edges_now.binary_search(edge).is_err()).count();
        change
    }
}

/// Ids as people and other programs write them.
fn hex<S: Serializer>(ids: &[Id], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(Id::to_string))
}

fn uptimes(census: &Census) -> BTreeMap<Id, Option<Span>> {
    census.visited().map(|(_, node, visit)| (node.id(), visit.profile.as_ref().map(|profile| profile.uptime))).collect()
}

fn edges(census: &Census, among: &impl Fn(&Id) -> bool) -> Vec<(Id, Id)> {
    let id = |index: u32| census.nodes[index as usize].id();
    let all = census.visited().flat_map(|(from, _, visit)| visit.edges.iter().map(move |edge| (id(from), id(edge.to))));
    let mut edges: Vec<(Id, Id)> = all.filter(|(from, to)| among(from) && among(to)).collect();
    edges.sort_unstable();
    edges
}
