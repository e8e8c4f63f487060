//! Why bytes are not a latency matrix.
//!
//! Owns: one variant per mistake, and the one line that tells the user what to mend.
//! Never does: print more than a short, escaped piece of the input.

use super::{HOSTS_MAX, RTT_MAX};
use std::fmt;

/// Why bytes are not a latency matrix. Shown as one line without the file's name, which the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatrixError {
    /// There is nothing in the file.
    Empty,
    /// A binary matrix came without its sidecar.
    NoSidecar {
        /// The name the sidecar should have.
        expected: String,
    },
    /// The sidecar is not JSON, or `hosts` is not in it.
    Sidecar {
        /// What the JSON parser said.
        reason: String,
    },
    /// The sidecar describes another layout than the one that can be read.
    SidecarField {
        /// Its name.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        wanted: &'static str,
    },
    /// Too few hosts for a path, or more than [`HOSTS_MAX`].
    Hosts {
        /// How many there are.
        found: u64,
    },
    /// The binary matrix has another size than its sidecar says.
    Size {
        /// Bytes found; of a packed file at most one more than wanted, since unpacking stops there.
        found: u64,
        /// Bytes wanted.
        wanted: u64,
        /// The hosts of the sidecar.
        hosts: usize,
    },
    /// The file is packed, and cannot be unpacked.
    Gzip {
        /// What the unpacker said.
        reason: String,
    },
    /// The CSV is longer than the largest matrix that is allowed.
    TooLong {
        /// The line at which reading stopped, from 1.
        line: usize,
    },
    /// A line of the CSV is not text.
    NotText {
        /// The line, from 1.
        line: usize,
    },
    /// A line of the CSV has more or fewer cells than the first.
    RaggedLine {
        /// The line, from 1.
        line: usize,
        /// Its values.
        found: usize,
        /// The values of the first line.
        wanted: usize,
    },
    /// The CSV has not as many lines as columns.
    NotSquare {
        /// Lines of values.
        rows: usize,
        /// Values in each.
        columns: usize,
    },
    /// First line and column count 0, 1, 2 …: labels or latencies, nobody can tell.
    AmbiguousLabels,
    /// A cell that should be a number is not.
    NotANumber {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What stands there, shortened.
        text: String,
    },
    /// A number no round trip can have: infinite, or above [`RTT_MAX`].
    Absurd {
        /// Where it stands.
        place: Place,
        /// What stands there, shortened.
        text: String,
    },
    /// An entry is missing, and nothing may be filled.
    Missing {
        /// The source host, from 0.
        from: usize,
        /// The destination host, from 0.
        to: usize,
    },
    /// An entry is missing in both directions, and no single other host was measured from both.
    Unfillable {
        /// The source host, from 0.
        from: usize,
        /// The destination host, from 0.
        to: usize,
    },
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a text, both from 1.
    Cell {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In a matrix, both from 0.
    Pair {
        /// The source host.
        from: usize,
        /// The destination host.
        to: usize,
    },
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatrixError::Empty => write!(f, "the latency file is empty"),
            MatrixError::NoSidecar { expected } => {
                write!(f, "a .u32le matrix needs its sidecar `{}` beside it", excerpt(expected, 200))
            }
            MatrixError::Sidecar { reason } => write!(f, "the sidecar is not usable JSON: {reason}"),
            MatrixError::SidecarField { field, found, wanted } => {
                write!(f, "the sidecar says `{field}`: {found}; only {wanted} can be read")
            }
            MatrixError::Hosts { found: 1 } => write!(f, "a matrix of 1 host has no paths; at least 2 are needed"),
            MatrixError::Hosts { found } => write!(f, "{found} hosts; a matrix has 2 to {HOSTS_MAX}"),
            MatrixError::Size { found, wanted, hosts } => {
                let more = if found > wanted { "more than that" } else { "fewer" };
                write!(
                    f,
                    "{hosts} hosts need {wanted} bytes ({hosts} x {hosts} x 4), but there are {more} ({found} read)"
                )
            }
            MatrixError::Gzip { reason } => write!(f, "the gzip data is damaged or cut short: {reason}"),
            MatrixError::TooLong { line } => {
                write!(f, "line {line}: too long for a CSV of at most {HOSTS_MAX} hosts")
            }
            MatrixError::NotText { line } => write!(f, "line {line}: not text; a CSV of milliseconds is expected"),
            MatrixError::RaggedLine { line, found, wanted } => {
                write!(f, "not square: line {line} has {found} values, the first has {wanted}")
            }
            MatrixError::NotSquare { rows, columns } => {
                write!(f, "not square: {rows} lines of {columns} comma-separated values")
            }
            MatrixError::AmbiguousLabels => {
                write!(f, "line 1 and column 1 may be labels (0, 1, 2 ...) or latencies: remove them or use names")
            }
            MatrixError::NotANumber { line, column, text } => {
                write!(f, "line {line}, column {column}: `{text}` is not a number of milliseconds")
            }
            MatrixError::Absurd { place, text } => {
                write!(f, "{place}: `{text}` is no round trip (at most {RTT_MAX}; a CSV is in milliseconds)")
            }
            MatrixError::Missing { from, to } => {
                write!(f, "the RTT from host {from} to host {to} is missing (hosts count from 0)")
            }
            MatrixError::Unfillable { from, to } => write!(
                f,
                "the RTT from host {from} to host {to} is missing both ways and no detour over one other host was measured"
            ),
        }
    }
}

impl std::error::Error for MatrixError {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cell { line, column } => write!(f, "line {line}, column {column}"),
            Place::Pair { from, to } => write!(f, "from host {from} to host {to}"),
        }
    }
}

/// The first characters of a foreign text, control characters escaped.
pub(super) fn excerpt(text: &str, chars: usize) -> String {
    let visible = |ch: char| if ch.is_control() { ch.escape_default().to_string() } else { ch.to_string() };
    let shown: String = text.chars().take(chars).map(visible).collect();
    if text.chars().nth(chars).is_some() { shown + "..." } else { shown }
}
