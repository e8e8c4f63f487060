//! Content of any size.
//!
//! Owns: how content is split into blobs under a manifest, how it is put together again, and the check of
//! every piece and of the whole.
//! Never does: hold more than a window of pieces in memory, or hand out a byte that is not checked.

mod manifest;
mod window;

pub use manifest::{CHUNK_BYTES, Manifest, Tree};

use super::handle::Handle;
use crate::base::{Id, Span};
use crate::overlay::{Command, Failure, Reply};
use crate::wire::codec::Blob;
use crate::wire::object::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use window::Window;

/// For how long, and on how many nodes, something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How long; longer than the root grants is cut down there.
    pub lifetime: Span,
    /// On how many nodes; 0 for the node's configured number.
    pub replicas: u8,
}

/// Content that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The manifest's id, which names the whole.
    pub id: Id,
    /// Bytes of content.
    pub bytes: u64,
    /// Blobs put, manifests included.
    pub blobs: u64,
}

/// Why content was not placed or fetched.
#[derive(Debug)]
pub enum ObjectError {
    /// Its source could not be read.
    Source(io::Error),
    /// Its destination could not be written.
    Sink(io::Error),
    /// A piece could not be put or fetched.
    Piece {
        /// Which.
        piece: Id,
        /// Why.
        failure: Failure,
    },
    /// The manifest or a piece is not what it must be.
    Malformed {
        /// Which.
        piece: Id,
        /// What is wrong.
        what: &'static str,
    },
}

/// Puts everything the source has. `progress` hears of the bytes that are kept, as they grow.
pub fn place(
    handle: &Handle,
    from: &mut dyn Read,
    kept: Kept,
    progress: &mut dyn FnMut(u64),
) -> Result<Placed, ObjectError> {
    let mut window = Window::new(handle, WINDOW);
    let (mut tree, mut bytes, mut blobs) = (Tree::new(), 0, 0);
    loop {
        let chunk = read_chunk(from).map_err(ObjectError::Source)?;
        if chunk.is_empty() {
            break;
        }
        bytes += chunk.len() as u64;
        blobs += tree.push(chunk, &mut |blob| window.put(blob, kept, progress))?;
    }
    let (id, more) = tree.finish(&mut |blob| window.put(blob, kept, progress))?;
    blobs += more;
    window.drain(progress)?;
    progress(bytes);
    Ok(Placed { id, bytes, blobs })
}

/// Writes the content named by a manifest, or the one blob of this id if it is no manifest: how many bytes.
/// `progress` hears of the whole first (0 where unknown), then of the bytes written.
pub fn fetch(
    handle: &Handle,
    object: Id,
    to: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, ObjectError> {
    let head = blob(handle, object)?;
    let Some(manifest) = Manifest::decode(&head, object)? else {
        progress(Progress::Whole(head.len() as u64));
        to.write_all(&head).map_err(ObjectError::Sink)?;
        return Ok(head.len() as u64);
    };
    progress(Progress::Whole(manifest.size));
    let mut written = 0;
    write_tree(handle, &manifest, to, &mut |bytes| {
        written += bytes;
        progress(Progress::Written(written));
    })?;
    to.flush().map_err(ObjectError::Sink)?;
    Ok(written)
}

/// How a fetch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The whole has so many bytes.
    Whole(u64),
    /// So many are written.
    Written(u64),
}

fn write_tree(
    handle: &Handle,
    manifest: &Manifest,
    to: &mut dyn Write,
    written: &mut dyn FnMut(u64),
) -> Result<(), ObjectError> {
    if manifest.level > 0 {
        for (index, child) in manifest.children.iter().enumerate() {
            let inner = Manifest::decode(&blob(handle, *child)?, *child)?;
            let fits = |inner: &Manifest| inner.level + 1 == manifest.level && inner.size == manifest.child_size(index);
            let inner =
                inner.filter(fits).ok_or(ObjectError::Malformed { piece: *child, what: "not the part expected" })?;
            write_tree(handle, &inner, to, written)?;
        }
        return Ok(());
    }
    if !manifest.inline.0.is_empty() {
        to.write_all(&manifest.inline.0).map_err(ObjectError::Sink)?;
        written(manifest.size);
        return Ok(());
    }
    let mut window = Window::new(handle, WINDOW);
    let mut early: BTreeMap<usize, bytes::Bytes> = BTreeMap::new();
    let (mut asked, mut next) = (0, 0);
    while next < manifest.children.len() {
        while asked < manifest.children.len() && window.has_room() && asked - next < WINDOW {
            window.start(asked, manifest.children[asked], Command::Get { object: manifest.children[asked] });
            asked += 1;
        }
        let (index, reply) = window.next()?;
        early.insert(index, sound(reply, manifest.children[index])?);
        while let Some(chunk) = early.remove(&next) {
            if chunk.len() as u64 != manifest.child_size(next) {
                return Err(ObjectError::Malformed {
                    piece: manifest.children[next],
                    what: "not of the length expected",
                });
            }
            to.write_all(&chunk).map_err(ObjectError::Sink)?;
            written(chunk.len() as u64);
            next += 1;
        }
    }
    Ok(())
}

/// One blob, checked.
fn blob(handle: &Handle, object: Id) -> Result<bytes::Bytes, ObjectError> {
    let mut window = Window::new(handle, 1);
    window.start(0, object, Command::Get { object });
    sound(window.next()?.1, object)
}

/// The bytes of a reply, if they stand under this id. The node has checked them; the hash is cheap enough
/// (0.3 ms a MiB) to trust nothing between it and here.
fn sound(reply: Reply, object: Id) -> Result<bytes::Bytes, ObjectError> {
    match reply {
        Reply::Value { value: Value::Blob(Blob(bytes)), .. } if Id::hash_of(&bytes) == object => Ok(bytes),
        Reply::Value { value: Value::Record(_), .. } => {
            Err(ObjectError::Malformed { piece: object, what: "a record, not a blob" })
        }
        _ => Err(ObjectError::Malformed { piece: object, what: "not what its id says" }),
    }
}

/// Up to one chunk; less only at the end of the source.
fn read_chunk(from: &mut dyn Read) -> io::Result<bytes::Bytes> {
    let mut chunk = Vec::new();
    from.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}

impl Default for Kept {
    /// The configured number of replicas, for as long as the network grants by default.
    fn default() -> Kept {
        Kept { lifetime: Span::from_hours(24 * 30), replicas: 0 }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::Source(error) => write!(f, "cannot read the content: {error}"),
            ObjectError::Sink(error) => write!(f, "cannot write the content: {error}"),
            ObjectError::Piece { piece, failure } => write!(f, "object {piece}: {failure}"),
            ObjectError::Malformed { piece, what } => write!(f, "object {piece} is {what}"),
        }
    }
}

impl std::error::Error for ObjectError {}

/// Pieces under way at once for one object: 8 MiB keep a path of 100 ms busy at 600 Mbit/s. A guess.
const WINDOW: usize = 8;

#[cfg(test)]
mod tests;
