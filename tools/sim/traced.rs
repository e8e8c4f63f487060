//! Sessions that somebody measured, on the command line.
//!
//! Owns: reading the file, and how many of its nodes are taken.
//! Never does: parse a line: the library does.

use crate::output::{Exit, FAILED};
use arras::base::Span;
use arras::sim::churn::Trace;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What was read.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The sessions of the nodes taken.
    pub trace: Trace,
    /// The moment of the trace at which the overlay stands.
    pub from: Span,
    path: PathBuf,
    /// Nodes in the file.
    there: usize,
}

impl Traced {
    /// Reads a file and takes its first nodes, so many at most. Somebody must be there at the first moment.
    pub fn read(path: &Path, nodes_max: usize, from: Span) -> Result<Traced, Exit> {
        let said = |error: &dyn std::fmt::Display| Exit::new(FAILED, format!("{}: {error}", path.display()));
        let packed = std::fs::read(path).map_err(|error| said(&error))?;
        let mut text = String::new();
        let read = match packed.starts_with(&GZIP) {
            true => MultiGzDecoder::new(&packed[..]).read_to_string(&mut text),
            false => (&packed[..]).read_to_string(&mut text),
        };
        read.map_err(|error| said(&error))?;
        let trace = Trace::parse(&text).map_err(|error| said(&error))?;
        let there = trace.len();
        let trace = trace.first(nodes_max);
        if trace.up_at(from) == 0 {
            let taken = trace.len();
            return Err(said(&format!("of the first {taken} nodes none is there at second {}", from.as_secs_f64())));
        }
        Ok(Traced { trace, from, path: path.to_owned(), there })
    }

    /// Nodes that are there at the first moment.
    pub fn up(&self) -> usize {
        self.trace.up_at(self.from)
    }

    /// Nodes that are there then or later.
    pub fn in_all(&self) -> usize {
        self.trace.up_from(self.from)
    }

    /// What was taken of what there is.
    pub fn json(&self) -> Value {
        json!({
            "file": self.path.display().to_string(),
            "nodes_in_file": self.there,
            "nodes_taken": self.trace.len(),
            "from_s": self.from.as_secs_f64(),
            "up_at_first": self.up(),
            "come_later": self.in_all() - self.up(),
        })
    }
}

/// How a gzip file begins (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_its_first_nodes_are_taken() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "node,up_s,down_s\na,0,10\nb,5,20\nc,0,30\n").expect("written");
        let traced = Traced::read(file.path(), 2, Span::from_secs(2)).expect("sound");
        assert_eq!((traced.up(), traced.in_all(), traced.json()["nodes_in_file"].as_u64()), (1, 2, Some(3)));
        let nobody = Traced::read(file.path(), 2, Span::from_secs(20)).expect_err("refused");
        assert!(nobody.line.contains("of the first 2 nodes none is there at second 20"), "{}", nobody.line);
        std::fs::write(file.path(), "node,up_s,down_s\na,0\n").expect("written");
        let bad = Traced::read(file.path(), 2, Span::ZERO).expect_err("refused");
        assert!(bad.line.ends_with("line 2: 2 fields instead of three"), "{}", bad.line);
    }
}
