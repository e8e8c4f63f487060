//! What a crawl leaves on disk.
//!
//! Owns: `crawl.json`, `visits.ndjson`, `neighbors.ndjson`, `edges.csv`, the survey's files, each replaced as a
//! whole, and `changes.ndjson`, which grows.
//! Never does: decide what a line says.

use super::survey::Surveyed;
use crate::output::{Exit, FAILED};
use arras::crawler::{Census, Change, Summary, rows};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The files of a directory.
pub struct Files {
    dir: PathBuf,
    neighbors: bool,
}

impl Files {
    /// Files below this directory, which is made if there is none.
    pub fn below(dir: &Path, neighbors: bool) -> Result<Files, Exit> {
        fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
        Ok(Files { dir: dir.to_owned(), neighbors })
    }

    /// Their names, for people.
    pub fn names(&self) -> String {
        let more = if self.neighbors { ", neighbors.ndjson" } else { "" };
        format!(
            "{}: crawl.json, visits.ndjson, edges.csv, survey.json, topology.svg, topology.graphml{more}",
            self.dir.display()
        )
    }

    /// Writes what a crawl found.
    pub fn write(&mut self, census: &Census, summary: &Summary, change: Option<&Change>) -> Result<(), Exit> {
        let mut whole = json!(summary);
        whole["finished_unix_s"] = json!(unix_seconds());
        self.replace("crawl.json", std::iter::once(whole.to_string()))?;
        self.replace("visits.ndjson", rows::visits(census))?;
        self.replace("edges.csv", rows::edges(census))?;
        if self.neighbors {
            self.replace("neighbors.ndjson", rows::neighbors(census))?;
        }
        let surveyed = Surveyed::of(census).map_err(|error| Exit::new(FAILED, error.to_string()))?;
        self.replace("survey.json", std::iter::once(json!(surveyed.topology).to_string()))?;
        self.replace_with("topology.graphml", |file| surveyed.graphml(file))?;
        let page = surveyed.page(summary).map_err(|error| Exit::new(FAILED, error.to_string()))?;
        self.replace("topology.svg", std::iter::once(page))?;
        change.map_or(Ok(()), |change| self.append("changes.ndjson", change))
    }

    /// Written beside it and renamed: a reader sees the old file or the new one.
    fn replace(&self, name: &str, mut lines: impl Iterator<Item = String>) -> Result<(), Exit> {
        self.replace_with(name, |file| lines.try_for_each(|line| writeln!(file, "{line}")))
    }

    fn replace_with(&self, name: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Exit> {
        let (path, fresh) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let written = File::create(&fresh).and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush()
        });
        written.and_then(|()| fs::rename(&fresh, &path)).map_err(|error| failed(&path, &error))
    }

    fn append(&self, name: &str, change: &Change) -> Result<(), Exit> {
        let path = self.dir.join(name);
        let mut line = json!(change);
        line["unix_s"] = json!(unix_seconds());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{line}")).map_err(|error| failed(&path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Exit {
    Exit::new(FAILED, format!("{}: {error}", path.display()))
}

/// Seconds since 1970; 0 if the clock is before that.
#[expect(clippy::disallowed_methods, reason = "files carry calendar time")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
