//! A graph for other programs, as GraphML.
//!
//! Owns: nodes with what is known of them and edges with their round trips, as Gephi, networkx and yEd read them
//! (<http://graphml.graphdrawing.org/specification.html>).
//! Never does: read GraphML, or hold the text of a large graph in memory.

use super::csv::{Column, Values};
use super::graph::Graph;
use super::xml::escaped;
use std::io::{self, Write};

/// Writes the graph: what is known of it as a whole (names, which are words without blanks, and texts), nodes `n0`, `n1`, …
/// with their degrees and these columns, directed edges with `rtt_ms` where known.
pub fn graphml(graph: &Graph, whole: &[(&str, &str)], columns: &[Column], into: &mut dyn Write) -> io::Result<()> {
    writeln!(into, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(into, "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">")?;
    whole.iter().try_for_each(|(name, _)| key(into, name, "graph", "string"))?;
    key(into, "out_degree", "node", "int")?;
    key(into, "in_degree", "node", "int")?;
    for (index, column) in columns.iter().enumerate() {
        let kind = if matches!(column.values, Values::Numbers(_)) { "double" } else { "string" };
        let name = escaped(&column.name);
        writeln!(into, "  <key id=\"c{index}\" for=\"node\" attr.name=\"{name}\" attr.type=\"{kind}\"/>")?;
    }
    key(into, "rtt_ms", "edge", "double")?;
    writeln!(into, "  <graph edgedefault=\"directed\">")?;
    for (name, text) in whole {
        writeln!(into, "    <data key=\"{name}\">{}</data>", escaped(text))?;
    }
    nodes(graph, columns, into)?;
    edges(graph, into)?;
    writeln!(into, "  </graph>\n</graphml>")
}

fn key(into: &mut dyn Write, name: &str, of: &str, kind: &str) -> io::Result<()> {
    writeln!(into, "  <key id=\"{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>")
}

fn nodes(graph: &Graph, columns: &[Column], into: &mut dyn Write) -> io::Result<()> {
    for (node, inward) in graph.nodes().zip(graph.in_degrees()) {
        write!(into, "    <node id=\"n{node}\"><data key=\"out_degree\">{}</data>", graph.out_degree(node))?;
        write!(into, "<data key=\"in_degree\">{inward}</data>")?;
        for (index, value) in columns.iter().map(|column| column.at(node)).enumerate() {
            if let Some(value) = value {
                write!(into, "<data key=\"c{index}\">{}</data>", escaped(&value))?;
            }
        }
        writeln!(into, "</node>")?;
    }
    Ok(())
}

fn edges(graph: &Graph, into: &mut dyn Write) -> io::Result<()> {
    for edge in graph.edges() {
        write!(into, "    <edge source=\"n{}\" target=\"n{}\"", edge.from, edge.to)?;
        match edge.rtt() {
            Some(rtt) => writeln!(into, "><data key=\"rtt_ms\">{}</data></edge>", rtt.as_millis_f64())?,
            None => writeln!(into, "/>")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::graph::Edge;
    use super::*;
    use crate::base::Span;

    #[test]
    fn a_graph_of_two_is_written_as_the_format_asks() {
        let edges = [Edge::new(0, 1).with_rtt(Span::from_millis(7)), Edge::new(1, 0)];
        let graph = Graph::from_edges(2, &edges).unwrap();
        let columns = [Column::texts("label", ["a<b>&\u{1}".to_string()]), Column::numbers("x", [f64::INFINITY, -0.5])];
        let mut bytes = Vec::new();
        graphml(&graph, &[("build", "as <told>")], &columns, &mut bytes).unwrap();
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="build" for="graph" attr.name="build" attr.type="string"/>
  <key id="out_degree" for="node" attr.name="out_degree" attr.type="int"/>
  <key id="in_degree" for="node" attr.name="in_degree" attr.type="int"/>
  <key id="c0" for="node" attr.name="label" attr.type="string"/>
  <key id="c1" for="node" attr.name="x" attr.type="double"/>
  <key id="rtt_ms" for="edge" attr.name="rtt_ms" attr.type="double"/>
  <graph edgedefault="directed">
    <data key="build">as &lt;told&gt;</data>
    <node id="n0"><data key="out_degree">1</data><data key="in_degree">1</data><data key="c0">a&lt;b&gt;&amp; </data></node>
    <node id="n1"><data key="out_degree">1</data><data key="in_degree">1</data><data key="c1">-0.5</data></node>
    <edge source="n0" target="n1"><data key="rtt_ms">7</data></edge>
    <edge source="n1" target="n0"/>
  </graph>
</graphml>
"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
