//! Where do results go?
//!
//! Owns: `target/bench/NAME.json` and `.svg`, written whole or not at all.
//! Never does: write anywhere else.

use super::Fault;
use arras::survey::Report;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the results, made if need be.
pub fn folder() -> Result<PathBuf, Fault> {
    let folder = scratch_root().parent().unwrap_or(Path::new(".")).join("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A fresh folder on disk (not in memory: what is fsynced must be) that goes with the value.
pub fn scratch() -> Result<tempfile::TempDir, Fault> {
    fs::create_dir_all(scratch_root())?;
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(scratch_root())?)
}

/// Writes both files of a bench, and says where.
pub fn write(name: &str, json: &Value, report: &Report) -> Result<(), Fault> {
    let folder = folder()?;
    let mut text = serde_json::to_string_pretty(json)?;
    text.push('\n');
    for (kind, content) in [("json", text), ("svg", report.to_svg())] {
        let path = folder.join(format!("{name}.{kind}"));
        let draft = folder.join(format!("{name}.{kind}.new"));
        fs::write(&draft, content)?;
        fs::rename(&draft, &path)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn scratch_root() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
