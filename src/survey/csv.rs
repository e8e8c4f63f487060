//! Results for other programs, as CSV.
//!
//! Owns: the figures of a survey, its curves, and the nodes of a graph, one record a line (RFC 4180, with plain line feeds).
//! Never does: round, separate thousands, or open a file; it writes to what it is given.

use super::graph::Graph;
use super::topology::Topology;
use serde_json::Value;
use std::io::{self, Write};

/// What is known of each node beside its edges.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name: a word without blanks.
    pub name: String,
    /// One value a node.
    pub values: Values,
}

/// The values of a column, one a node; a missing one is empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; what is not finite is missing.
    Numbers(Vec<f64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Column {
    /// A column of numbers.
    pub fn numbers(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Column {
        Column { name: name.into(), values: Values::Numbers(values.into_iter().collect()) }
    }

    /// A column of texts.
    pub fn texts(name: impl Into<String>, values: impl IntoIterator<Item = String>) -> Column {
        Column { name: name.into(), values: Values::Texts(values.into_iter().collect()) }
    }

    /// What is known of this node, `None` if nothing.
    pub(super) fn at(&self, node: u32) -> Option<String> {
        match &self.values {
            Values::Numbers(values) => values.get(node as usize).filter(|value| value.is_finite()).map(f64::to_string),
            Values::Texts(values) => values.get(node as usize).filter(|text| !text.is_empty()).cloned(),
        }
    }
}

/// Every single figure of the survey: `measure,value`, the measure by its path in the JSON: `paths.mean`. Lists have files of their own.
pub fn figures(topology: &Topology, into: &mut dyn Write) -> io::Result<()> {
    writeln!(into, "measure,value")?;
    figures_below("", &serde_json::to_value(topology)?, into)
}

fn figures_below(path: &str, value: &Value, into: &mut dyn Write) -> io::Result<()> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            figures_below(&path, value, into)
        }),
        Value::Array(_) | Value::Null => Ok(()),
        Value::String(text) => writeln!(into, "{path},{}", quoted(text)),
        Value::Bool(_) | Value::Number(_) => writeln!(into, "{path},{value}"),
    }
}

/// What is left as nodes go, a line a point of each curve.
pub fn removal(topology: &Topology, into: &mut dyn Write) -> io::Result<()> {
    writeln!(into, "attack,removed,living,largest,parts,of_living,of_all")?;
    for removal in &topology.removal {
        for left in &removal.curve {
            let (name, super::removal::Left { removed, living, largest, parts, of_living, of_all }) =
                (removal.attack.name(), left);
            writeln!(into, "{},{removed},{living},{largest},{parts},{of_living},{of_all}", quoted(name))?;
        }
    }
    Ok(())
}

/// How likely the living are parted, a line a share of dead nodes.
pub fn partition(topology: &Topology, into: &mut dyn Write) -> io::Result<()> {
    writeln!(into, "dead,trials,parted,low,high,cut_off,isolated,expected")?;
    for one in &topology.partition {
        let (parted, trials) = (one.parted, one.parted.trials);
        write!(into, "{},{trials},{},{},{},", one.dead, parted.share, parted.low, parted.high)?;
        writeln!(into, "{},{},{}", one.cut_off, one.isolated, one.expected)?;
    }
    Ok(())
}

/// The nodes with their degrees and what else is known of them, a line each.
pub fn nodes(graph: &Graph, columns: &[Column], into: &mut dyn Write) -> io::Result<()> {
    let names: String = columns.iter().map(|column| format!(",{}", quoted(&column.name))).collect();
    writeln!(into, "node,out_degree,in_degree{names}")?;
    for (node, inward) in graph.nodes().zip(graph.in_degrees()) {
        let known: String =
            columns.iter().map(|column| format!(",{}", quoted(&column.at(node).unwrap_or_default()))).collect();
        writeln!(into, "{node},{},{inward}{known}", graph.out_degree(node))?;
    }
    Ok(())
}

/// The edges with their round trips in milliseconds where known, a line each.
pub fn edges(graph: &Graph, into: &mut dyn Write) -> io::Result<()> {
    writeln!(into, "from,to,rtt_ms")?;
    for edge in graph.edges() {
        let rtt = edge.rtt().map_or(String::new(), |rtt| rtt.as_millis_f64().to_string());
        writeln!(into, "{},{},{rtt}", edge.from, edge.to)?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    let needs_quotes = text.contains(['"', ',', '\n', '\r']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Edge;
    use super::super::topology::tests::sample;
    use super::*;
    use crate::base::Span;

    fn text(write: impl Fn(&mut dyn Write) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn nodes_and_edges_are_lines() {
        let edges = [Edge::new(0, 1).with_rtt(Span::from_micros(12_500)), Edge::new(1, 0), Edge::new(2, 0)];
        let graph = Graph::from_edges(3, &edges).unwrap();
        assert_eq!(text(|into| super::edges(&graph, into)), "from,to,rtt_ms\n0,1,12.5\n1,0,\n2,0,\n");
        let columns = [
            Column::texts("label", ["a \"b\", c", "", "d"].map(str::to_string)),
            Column::numbers("x", [1.5, f64::NAN]),
        ];
        let expected = "node,out_degree,in_degree,label,x\n0,1,2,\"a \"\"b\"\", c\",1.5\n1,1,1,,\n2,1,0,d,\n";
        assert_eq!(text(|into| nodes(&graph, &columns, into)), expected);
    }

    #[test]
    fn figures_have_the_names_of_the_json_and_curves_a_line_a_point() {
        let (_, topology) = sample();
        let figures = text(|into| figures(&topology, into));
        assert!(figures.starts_with("measure,value\n") && figures.contains("\nnodes,300\n"), "{figures}");
        assert!(figures.contains(&format!("\npaths.mean,{}\n", topology.paths.as_ref().unwrap().mean)));
        assert!(figures.lines().all(|line| line.split(',').count() == 2));
        let points: usize = topology.removal.iter().map(|removal| removal.curve.len()).sum();
        let removal = text(|into| removal(&topology, into));
        assert_eq!(removal.lines().count(), 1 + points);
        assert!(removal.contains("\n\"by degree, re-ranked\",0.5,150,"), "{removal}");
        assert_eq!(text(|into| partition(&topology, into)).lines().count(), 1 + topology.partition.len());
    }
}
