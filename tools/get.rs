//! `arras get`
//!
//! Owns: fetching an object to a file (all of it or nothing) or to stdout, and checking it against its id.
//! Never does: leave half a file under the name that was asked for.

use crate::client::{Api, object};
use crate::output::{Exit, FAILED, Output, write_out};
use crate::place::{finish, fold};
use arras::base::Id;
use arras::runtime::objects::{CHUNK_BYTES, Tree};
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// `arras get ID`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The object's id: 64 hex digits.
    id: String,
    /// Where to write it; `-`, or without this: stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The one blob of this id as it is, even if it is a manifest.
    #[arg(long)]
    raw: bool,
}

/// Fetches, checks, and only then gives the file its name. To stdout the bytes go as they come: there the
/// exit code says whether they were sound.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let id = object(&arguments.id)?;
    let place = destination(arguments.output.as_deref())?;
    let kind = if arguments.raw { "blobs" } else { "objects" };
    let mut answer = api.stream("GET", &format!("/v1/{kind}/{id}"), None)?;
    let length = answer.body().content_length();
    let bar = output.bar(length.unwrap_or(0), &arguments.id[..8]);
    let mut from = answer.body_mut().with_config().limit(u64::MAX).reader();
    let mut sink = match place {
        Some(path) => Sink::to(path)?,
        None => Sink::Stdout,
    };
    let mut check = Check { tree: Some(Tree::new()), chunk: Vec::new(), bytes: 0, plain: blake3::Hasher::new() };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = from.read(&mut buffer).map_err(|error| broken(&error));
        let bytes = read.map(|length| &buffer[..length]).inspect_err(|_| bar.finish_and_clear())?;
        if bytes.is_empty() {
            break;
        }
        check.take(bytes);
        sink.write(bytes)?;
        bar.inc(bytes.len() as u64);
    }
    bar.finish_and_clear();
    let bytes = check.bytes;
    if length.is_some_and(|length| length != bytes) {
        return Err(broken(&format!("{bytes} bytes came of {}", length.unwrap_or(0))));
    }
    if !check.proves(&id, arguments.raw) {
        return Err(Exit::new(FAILED, format!("what came is not {id}: nothing was kept")));
    }
    sink.keep()?;
    match place {
        Some(path) => {
            let shape = json!({ "id": arguments.id, "bytes": bytes, "file": path.display().to_string() });
            output.print(&shape, || format!("{bytes} bytes  {}", path.display()))
        }
        None => Ok(()),
    }
}

/// Where `-o` leads; nothing is stdout.
pub fn destination(path: Option<&Path>) -> Result<Option<&Path>, Exit> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) if path.is_dir() => Err(Exit::new(FAILED, format!("{}: is a directory", path.display()))),
        place => Ok(place),
    }
}

fn broken(why: &dyn std::fmt::Display) -> Exit {
    Exit::new(FAILED, format!("the object broke off: {why}"))
}

/// What came so far, as far as its id needs it.
struct Check {
    tree: Option<Tree>,
    chunk: Vec<u8>,
    bytes: u64,
    plain: blake3::Hasher,
}

impl Check {
    fn take(&mut self, bytes: &[u8]) {
        if self.bytes <= CHUNK_BYTES as u64 {
            self.plain.update(bytes);
        }
        self.bytes += bytes.len() as u64;
        fold(&mut self.tree, &mut self.chunk, bytes);
    }

    /// Whether this is the content of the manifest with this id, or the blob of this id.
    fn proves(mut self, id: &Id, raw: bool) -> bool {
        let whole = self.bytes <= CHUNK_BYTES as u64;
        if whole && self.plain.finalize().as_bytes() == id.as_bytes() {
            return true;
        }
        !raw && finish(&mut self.tree, self.chunk) == Some(*id)
    }
}

/// Where bytes go: to stdout as they come, into a file all or none.
pub enum Sink {
    /// To stdout.
    Stdout,
    /// A file beside the one meant; dropped without [`Sink::keep`], it goes.
    Beside { file: File, beside: Unkept, meant: PathBuf },
    /// What is there and is no regular file.
    Through { file: File, meant: PathBuf },
}

fn failed(meant: &Path, error: &io::Error) -> Exit {
    Exit::new(FAILED, format!("{}: {error}", meant.display()))
}

/// A file that is removed when dropped.
pub struct Unkept(PathBuf);

impl Drop for Unkept {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

impl Sink {
    /// A regular file appears whole or not at all; a device or a pipe is written to, and a link stays one.
    pub fn to(meant: &Path) -> Result<Sink, Exit> {
        match fs::metadata(meant) {
            Ok(is) if is.is_file() => Sink::beside(&fs::canonicalize(meant).map_err(|error| failed(meant, &error))?),
            Ok(_) => Ok(Sink::Through {
                file: File::options().write(true).open(meant).map_err(|error| failed(meant, &error))?,
                meant: meant.to_path_buf(),
            }),
            Err(_) => Sink::beside(meant),
        }
    }

    fn beside(meant: &Path) -> Result<Sink, Exit> {
        let name = meant.file_name().ok_or_else(|| Exit::new(FAILED, format!("{}: names no file", meant.display())))?;
        let beside = meant.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let file = File::create(&beside).map_err(|error| failed(meant, &error))?;
        Ok(Sink::Beside { file, beside: Unkept(beside), meant: meant.to_path_buf() })
    }

    /// Takes these bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Exit> {
        match self {
            Sink::Stdout => write_out(bytes),
            Sink::Beside { file, meant, .. } | Sink::Through { file, meant } => {
                file.write_all(bytes).map_err(|error| failed(meant, &error))
            }
        }
    }

    /// All is written: the file gets its name.
    pub fn keep(self) -> Result<(), Exit> {
        let Sink::Beside { file, beside, meant } = self else { return Ok(()) };
        file.sync_all().and_then(|()| fs::rename(&beside.0, &meant)).map_err(|error| failed(&meant, &error))
    }
}

/// Bytes read from the node at once. A guess.
const READ_BYTES: usize = 256 << 10;
