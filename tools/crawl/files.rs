//! What a crawl leaves on disk.
//!
//! Owns: `crawl.json`, `visits.ndjson`, `neighbors.ndjson`, `edges.csv`, the survey's files, each replaced as a
//! whole, and `changes.ndjson`, which grows.
//! Never does: decide what a line says.

use super::survey;
use crate::folder::{Folder, failed};
use crate::output::{Exit, FAILED};
use arras::crawler::{Census, Change, Summary, rows};
use arras::runtime::crawl::CrawlSetup;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The files of a directory.
pub struct Files {
    folder: Folder,
    neighbors: bool,
}

impl Files {
    /// Files below this directory, which is made if there is none.
    pub fn below(dir: &Path, neighbors: bool) -> Result<Files, Exit> {
        Ok(Files { folder: Folder::make(dir)?, neighbors })
    }

    /// Their names, for people.
    pub fn names(&self) -> String {
        let more = if self.neighbors { ", neighbors.ndjson" } else { "" };
        format!(
            "{}: crawl.json, visits.ndjson, edges.csv, survey.json, topology.svg, topology.graphml{more}",
            self.folder.path().display()
        )
    }

    /// Writes what a crawl of this set-up found.
    pub fn write(
        &mut self,
        setup: &CrawlSetup,
        census: &Census,
        summary: &Summary,
        change: Option<&Change>,
    ) -> Result<(), Exit> {
        let finished = unix_seconds();
        let mut whole = json!(summary);
        whole["network"] = json!(setup.network);
        whole["seeds"] = setup.seeds.iter().map(ToString::to_string).collect();
        whole["workers"] = json!(setup.tuning.workers);
        whole["started_unix_s"] = json!(finished.saturating_sub(census.frame.took.as_secs_f64().round() as u64));
        whole["finished_unix_s"] = json!(finished);
        self.folder.replace("crawl.json", std::iter::once(whole.to_string()))?;
        self.folder.replace("visits.ndjson", rows::visits(census))?;
        self.folder.replace("edges.csv", rows::edges(census))?;
        if self.neighbors {
            self.folder.replace("neighbors.ndjson", rows::neighbors(census))?;
        }
        let surveyed = survey::survey(census).map_err(|error| Exit::new(FAILED, error.to_string()))?;
        self.folder.replace("survey.json", std::iter::once(json!(surveyed.topology).to_string()))?;
        self.folder.replace_with("topology.graphml", |file| surveyed.graphml(&[], file))?;
        let page = survey::page(&surveyed, summary).map_err(|error| Exit::new(FAILED, error.to_string()))?;
        self.folder.replace("topology.svg", std::iter::once(page))?;
        change.map_or(Ok(()), |change| self.append("changes.ndjson", change))
    }

    fn append(&self, name: &str, change: &Change) -> Result<(), Exit> {
        let path = self.folder.path().join(name);
        let mut line = json!(change);
        line["unix_s"] = json!(unix_seconds());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{line}")).map_err(|error| failed(&path, &error))
    }
}

/// Seconds since 1970; 0 if the clock is before that.
#[expect(clippy::disallowed_methods, reason = "files carry calendar time")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
