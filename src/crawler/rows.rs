//! A crawl, line by line.
//!
//! Owns: one line of JSON a node (`visits.ndjson`), one a node with those it names (`neighbors.ndjson`), and
//! one of CSV an edge.
//! Never does: write a file.

use super::census::{Census, Node, Outcome};
use super::summary::role;
use super::visit::Edge;
use crate::base::Id;
use serde_json::{Value, json};
use std::fmt::Write;

/// What is known of each node, one JSON object a node, in the order in which they were named.
pub fn visits(census: &Census) -> impl Iterator<Item = String> + '_ {
    let named_by = census.named_by();
    census.nodes.iter().zip(named_by).map(|(node, named_by)| visit(census, node, named_by).to_string())
}

/// Whom each visited node names, one JSON object a node.
pub fn neighbors(census: &Census) -> impl Iterator<Item = String> + '_ {
    census.visited().map(|(_, node, visit)| {
        let named: Vec<Value> = visit
            .edges
            .iter()
            .map(|edge| json!({ "id": hex(census, edge.to), "leaf_set": edge.leaf, "row": edge.row }))
            .collect();
        json!({ "id": node.id().to_string(), "neighbors": named }).to_string()
    })
}

/// Whom each visited node names, as CSV with a header: `from,to,leaf_set,row,predicted_rtt_ms`. The last two
/// are empty where they are not known.
pub fn edges(census: &Census) -> impl Iterator<Item = String> + '_ {
    let header = "from,to,leaf_set,row,predicted_rtt_ms".to_owned();
    let lines = census
        .visited()
        .flat_map(move |(from, _, visit)| visit.edges.iter().map(move |edge| edge_line(census, from, edge)));
    std::iter::once(header).chain(lines)
}

fn visit(census: &Census, node: &Node, named_by: u32) -> Value {
    let (outcome, error) = match &node.outcome {
        Outcome::Visited(visit) if visit.complete => ("visited", None),
        Outcome::Visited(_) => ("partial", None),
        Outcome::Failed(fault) => ("failed", Some(fault.name())),
        Outcome::Unvisited => ("unvisited", None),
    };
    let addresses: Vec<String> = node.contact.addresses().iter().map(ToString::to_string).collect();
    let mut line = json!({
        "id": node.id().to_string(),
        "addresses": addresses,
        "role": role(node.contact.role()),
        "sequence": node.contact.sequence(),
        "outcome": outcome,
        "error": error,
        "sessions": node.sessions,
        "sent": node.sent,
        "received": node.heard,
        "named_by": named_by,
    });
    if let Some(visit) = node.visit() {
        line["at_s"] = json!(visit.since.since(census.frame.began).as_secs_f64());
        line["took_ms"] = json!(visit.until.since(visit.since).as_millis_f64());
        line["rtt_ms"] = json!(visit.rtt.as_millis_f64());
        line["names"] = json!(visit.edges.len());
        if let Some(profile) = &visit.profile {
            line["program"] = json!(profile.program);
            line["uptime_s"] = json!(profile.uptime.as_secs_f64());
            line["ready"] = json!(profile.ready);
            line["links"] = json!(profile.links);
            line["known"] = json!(profile.known);
            line["rows"] = json!(profile.rows);
            line["coordinate"] = json!(profile.coordinate);
        }
    }
    line
}

fn edge_line(census: &Census, from: u32, edge: &Edge) -> String {
    let place = |index: u32| census.nodes[index as usize].coordinate();
    let mut line = format!("{},{},{}", hex(census, from), hex(census, edge.to), u8::from(edge.leaf));
    // Writing to a string does not fail.
    let _ = match edge.row {
        Some(row) => write!(line, ",{row},"),
        None => write!(line, ",,"),
    };
    if let Some((here, there)) = place(from).zip(place(edge.to)) {
        let _ = write!(line, "{:.3}", here.rtt_to(&there).as_millis_f64());
    }
    line
}

fn hex(census: &Census, index: u32) -> String {
    let id: Id = census.nodes[index as usize].id();
    id.to_string()
}
