//! Latency files on the command line.
//!
//! Owns: reading one with its sidecar, what `--missing` names, and that a number in a text is a measured one.
//! Never does: parse: the library's survey does.

use arras::survey::matrix::{MatrixError, sidecar_name};
use arras::survey::{LatencyMatrix, Missing};
use clap::ValueEnum;
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{BufRead, BufReader};

/// What `--missing` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingEntries {
    /// From the other direction, else by the best detour over one other host, else refuse
    Fill,
    /// Refuse the file
    Refuse,
}

/// Reads a latency file. The text of an error is one line for the user.
pub fn read(name: &str, missing: MissingEntries) -> Result<LatencyMatrix, String> {
    let said = |error: &dyn Display| format!("{name}: {error}");
    let bytes = std::fs::read(name).map_err(|error| said(&error))?;
    let is_csv = sidecar_name(name).is_none();
    let sidecar = sidecar_name(name).and_then(|name| std::fs::read(name).ok());
    let missing = match missing {
        MissingEntries::Fill => Missing::Fill,
        MissingEntries::Refuse => Missing::Refuse,
    };
    let matrix = LatencyMatrix::from_file(name, &bytes, sidecar.as_deref(), missing);
    // Else it is no text, or one without measure.
    if is_csv && matches!(matrix, Ok(_) | Err(MatrixError::Missing { .. } | MatrixError::Unfillable { .. })) {
        measured(&bytes).map_err(|why| said(&why))?;
    }
    matrix.map_err(|error| said(&error))
}

/// No round trip is below zero, and none is "nan". The library takes both for "not measured" and fills them, but they may
/// as well be mistakes; so here only what is empty or `-` is not measured.
fn measured(bytes: &[u8]) -> Result<(), String> {
    let text: Box<dyn BufRead> =
        if bytes.starts_with(&GZIP) { Box::new(BufReader::new(MultiGzDecoder::new(bytes))) } else { Box::new(bytes) };
    for (row, line) in text.lines().map_while(Result::ok).enumerate() {
        for (column, cell) in line.split(',').enumerate() {
            let cell = cell.trim().trim_matches('"').trim();
            if cell.parse::<f64>().is_ok_and(|millis| millis.is_nan() || millis < 0.0) {
                let place = format!("line {}, column {}", row + 1, column + 1);
                return Err(format!(
                    "{place}: `{cell}` is no round trip; what was not measured is left empty, or is `-`"
                ));
            }
        }
    }
    Ok(())
}

/// How a gzip file begins (RFC 1952, §2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn refused(name: &str, content: &[u8]) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(name).display().to_string();
        std::fs::write(&path, content).expect("written");
        read(&path, MissingEntries::Fill).map(|_| "taken".to_owned()).unwrap_or_else(|line| line)
    }

    #[test]
    fn a_round_trip_below_zero_is_refused_with_its_place() {
        for (content, says) in [
            ("0,1,2\n1,0,-3\n2,3,0\n", "rtt.csv: line 2, column 3: `-3` is no round trip"),
            ("a,b,c\n0,1,2\n1,0,nan\n2,3,0\n", "line 3, column 3: `nan` is no round trip"),
            ("0,1,2\n1,0,3\n2,\"-0.5\",0\n", "line 3, column 2: `-0.5`"),
            ("0,-1\n,0\n", "line 1, column 2: `-1`"),
            ("0,-\n,0\n", "host 0 to host 1 is missing both ways"),
            ("0,1,2\n1,0,\n2,3,0\n", "taken"),
            ("0,1,2\n1,0,x\n2,3,0\n", "line 2, column 3: `x`"),
        ] {
            let said = refused("rtt.csv", content.as_bytes());
            assert!(said.contains(says), "{content}: {said}");
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"0,1\n-1,0\n").expect("packed");
        let said = refused("rtt.csv.gz", &packed.finish().expect("packed"));
        assert!(said.contains("line 2, column 1: `-1`"), "{said}");
    }
}
