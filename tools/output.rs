//! What people and programs read.
//!
//! Owns: exit codes, printing to stdout, the progress bar and the log on stderr.
//! Never does: mix the two streams: results go to stdout, everything else to stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// How a command ends if not well: the code, and the one line for stderr (none if all was said).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// One of the codes below.
    pub code: u8,
    /// What is wrong, and what would do.
    pub line: String,
}

/// Something failed.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// There is no such object.
pub const NOT_FOUND: u8 = 3;
/// No result in time.
pub const TIMED_OUT: u8 = 4;
/// There is no node at the API's address.
pub const UNREACHABLE: u8 = 5;

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
}

impl Exit {
    /// A failure of this code.
    pub fn new(code: u8, line: impl Into<String>) -> Exit {
        Exit { code, line: line.into() }
    }
}

/// A line alone is that of a failure.
impl From<String> for Exit {
    fn from(line: String) -> Exit {
        Exit::new(FAILED, line)
    }
}

impl Output {
    /// Prints the value as one line of JSON, or the text.
    pub fn print(self, value: &Value, text: impl FnOnce() -> String) -> Result<(), Exit> {
        let mut line = if self.json { value.to_string() } else { text() };
        if !line.ends_with('\n') {
            line.push('\n');
        }
        write_out(line.as_bytes())
    }

    /// A bar for so many bytes (0: unknown), drawn only where a person looks on.
    pub fn bar(self, bytes: u64, name: &str) -> ProgressBar {
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target((bytes > 0).then_some(bytes), ProgressDrawTarget::stderr());
        let form = if bytes > 0 {
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
        } else {
            "{msg} {spinner} {bytes} {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        bar
    }
}

/// A bar for so many steps on stderr; indicatif draws it only where that is a terminal.
pub fn steps(what: &str, of: usize, quiet: bool) -> ProgressBar {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(of as u64) };
    if let Ok(style) = ProgressStyle::with_template("{msg:20} {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// What the row is called that has the median stretch of each tenth of the pairs.
pub const NEAREST_FIRST: &str = "stretch, median of each tenth of the pairs, nearest first";

#[cfg(test)]
thread_local! {
    /// What this test's thread has printed.
    pub static PRINTED: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Writes to stdout. A reader that has gone (`| head`) is no failure worth a line.
pub fn write_out(bytes: &[u8]) -> Result<(), Exit> {
    #[cfg(test)]
    PRINTED.with_borrow_mut(|printed| printed.extend_from_slice(bytes));
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Exit::new(FAILED, ""),
        _ => Exit::new(FAILED, format!("stdout: {error}")),
    })
}

/// Starts the log on stderr; `filter` in the form of `env_logger`.
pub fn start_log(filter: &str) {
    // A second start (tests) changes nothing.
    let _ = env_logger::Builder::new().parse_filters(filter).target(env_logger::Target::Stderr).try_init();
}

/// Whether this says which log lines to write, in the form of `env_logger`: levels, `module=level`, and behind a `/` what
/// the lines must contain. There a word that is no level is a module; here only one of our own is, so that a level
/// misspelt is told. The error is for the user.
pub fn check_log(filter: &str) -> Result<(), String> {
    let (parts, text) = filter.split_once('/').unwrap_or((filter, ""));
    if text.contains('/') {
        return Err(format!("cannot be {filter:?}: it has at most one `/`, before the text of the lines meant"));
    }
    let is_level = |word: &str| word.parse::<log::LevelFilter>().is_ok();
    let is_module = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-:".contains(c));
    let is_ours = |name: &str| is_module(name) && (name == "arras" || name.starts_with("arras::"));
    let is_sound = |part: &&str| match part.split_once('=') {
        Some((name, level)) => is_module(name.trim()) && is_level(level.trim()),
        None => is_level(part) || is_ours(part),
    };
    match parts.split(',').map(str::trim).filter(|part| !part.is_empty()).find(|part| !is_sound(part)) {
        Some(wrong) => Err(format!(
            "cannot be {wrong:?}: it is off, error, warn, info, debug or trace, per module as in info,arras::runtime=debug"
        )),
        None => Ok(()),
    }
}

/// A field as text: a string without quotes, `-` for nothing.
pub fn field<'a>(value: &'a Value, name: &str) -> std::borrow::Cow<'a, str> {
    match &value[name] {
        Value::Null => "-".into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

/// A field of milliseconds as text.
pub fn millis(value: &Value, name: &str) -> String {
    value[name].as_f64().map_or("-".to_owned(), |millis| format!("{millis:.2} ms"))
}

/// The first digits of an id, as far as they fit a table.
pub fn short(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}
