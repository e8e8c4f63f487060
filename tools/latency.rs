//! Latency files on the command line.
//!
//! Owns: reading one with its sidecar, and what `--missing` names.
//! Never does: parse: the library's survey does.

use arras::survey::matrix::sidecar_name;
use arras::survey::{LatencyMatrix, Missing};
use clap::ValueEnum;
use serde::Deserialize;
use std::fmt::Display;

/// What `--missing` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
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
    let sidecar = sidecar_name(name).and_then(|name| std::fs::read(name).ok());
    let missing = match missing {
        MissingEntries::Fill => Missing::Fill,
        MissingEntries::Refuse => Missing::Refuse,
    };
    LatencyMatrix::from_file(name, &bytes, sidecar.as_deref(), missing).map_err(|error| said(&error))
}
