//! What a manifest says.
//!
//! Owns: its bytes, the tree of manifests over content of any size, and what makes one sound.
//! Never does: fetch or put; it emits blobs.

use super::ObjectError;
use crate::base::Id;
use crate::wire::codec::{self, Blob};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How content is put together. The same content has the same manifest, and so the same id, everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Bytes of content below this.
    pub size: u64,
    /// 0: the children are content; otherwise they are manifests of the level below.
    pub level: u8,
    /// In order; all but the last are full.
    pub children: Vec<Id>,
    /// Content short enough to be here itself; there are no children then.
    pub inline: Blob,
}

/// Takes the chunks of content in order, and emits every blob to keep: chunks and manifests.
pub struct Tree {
    /// The first chunk, until it is clear whether there is more.
    first: Option<Bytes>,
    /// Whether there was a chunk at all.
    begun: bool,
    /// Ids that wait for their manifest, level by level, and bytes of content below each level.
    levels: Vec<(Vec<Id>, u64)>,
}

/// What takes a blob out of a tree.
pub type Emit<'a> = dyn FnMut(Bytes) -> Result<(), ObjectError> + 'a;

impl Manifest {
    /// The blob: a line that says what it is, and the manifest.
    pub fn encode(&self) -> Bytes {
        let mut bytes = MAGIC.to_vec();
        codec::encode_onto(self, &mut bytes);
        bytes.into()
    }

    /// The manifest in a blob; nothing if it does not say it is one.
    pub fn decode(blob: &[u8], id: Id) -> Result<Option<Manifest>, ObjectError> {
        let Some(body) = blob.strip_prefix(MAGIC) else { return Ok(None) };
        let malformed = |what| ObjectError::Malformed { piece: id, what };
        let manifest: Manifest = codec::decode(body).map_err(|_| malformed("not a manifest of this release"))?;
        if manifest.is_sound() { Ok(Some(manifest)) } else { Err(malformed("a manifest that contradicts itself")) }
    }

    /// Bytes of content below a child.
    pub fn child_size(&self, index: usize) -> u64 {
        let span = span_of(self.level);
        (self.size - (self.size.min(index as u64 * span))).min(span)
    }

    fn is_sound(&self) -> bool {
        if !self.inline.0.is_empty() || self.children.is_empty() {
            return self.level == 0 && self.children.is_empty() && self.size == self.inline.0.len() as u64;
        }
        self.level <= LEVEL_MAX
            && self.children.len() <= FANOUT
            && self.children.len() as u64 == self.size.div_ceil(span_of(self.level))
    }
}

impl Tree {
    /// A tree over nothing yet.
    pub fn new() -> Tree {
        Tree { first: None, begun: false, levels: vec![(Vec::new(), 0)] }
    }

    /// Takes the next chunk: [`CHUNK_BYTES`], except the last. Says how many blobs were emitted.
    pub fn push(&mut self, chunk: Bytes, emit: &mut Emit<'_>) -> Result<u64, ObjectError> {
        if !std::mem::replace(&mut self.begun, true) {
            self.first = Some(chunk);
            return Ok(0);
        }
        let mut emitted = 0;
        if let Some(first) = self.first.take() {
            emitted += self.add(0, Id::hash_of(&first), first.len() as u64, emit)? + 1;
            emit(first)?;
        }
        emitted += self.add(0, Id::hash_of(&chunk), chunk.len() as u64, emit)? + 1;
        emit(chunk)?;
        Ok(emitted)
    }

    /// The id of the whole; emits the manifests still missing, the topmost last.
    pub fn finish(mut self, emit: &mut Emit<'_>) -> Result<(Id, u64), ObjectError> {
        let mut emitted = 0;
        if let Some(first) = self.first.take().or_else(|| (!self.begun).then(Bytes::new)) {
            if first.len() <= INLINE_BYTES_MAX {
                let size = first.len() as u64;
                let blob = Manifest { size, level: 0, children: Vec::new(), inline: Blob(first) }.encode();
                let id = Id::hash_of(&blob);
                emit(blob)?;
                return Ok((id, 1));
            }
            emitted += self.add(0, Id::hash_of(&first), first.len() as u64, emit)? + 1;
            emit(first)?;
        }
        let mut level = 0;
        loop {
            let (children, size) = std::mem::take(&mut self.levels[level]);
            if level + 1 == self.levels.len() {
                if level > 0 && children.len() == 1 {
                    return Ok((children[0], emitted));
                }
                return Ok((emit_manifest(level, children, size, emit)?, emitted + 1));
            }
            if !children.is_empty() {
                let id = emit_manifest(level, children, size, emit)?;
                emitted += 1 + self.add(level + 1, id, size, emit)?;
            }
            level += 1;
        }
    }

    /// Adds a child to a level; a full level becomes a manifest in the level above.
    fn add(&mut self, level: usize, id: Id, size: u64, emit: &mut Emit<'_>) -> Result<u64, ObjectError> {
        if self.levels.len() == level {
            self.levels.push((Vec::new(), 0));
        }
        let (children, below) = &mut self.levels[level];
        children.push(id);
        *below += size;
        if children.len() < FANOUT {
            return Ok(0);
        }
        let (children, size) = std::mem::take(&mut self.levels[level]);
        let id = emit_manifest(level, children, size, emit)?;
        Ok(1 + self.add(level + 1, id, size, emit)?)
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

fn emit_manifest(level: usize, children: Vec<Id>, size: u64, emit: &mut Emit<'_>) -> Result<Id, ObjectError> {
    let level = level as u8;
    let blob = Manifest { size, level, children, inline: Blob::default() }.encode();
    let id = Id::hash_of(&blob);
    emit(blob)?;
    Ok(id)
}

/// Bytes of content below one full child of a manifest of this level.
fn span_of(level: u8) -> u64 {
    (0..level).fold(CHUNK_BYTES as u64, |span, _| span.saturating_mul(FANOUT as u64))
}

/// Bytes in a piece of content: issue 2, "split into 1 MiB blobs", the largest value there is.
pub const CHUNK_BYTES: usize = crate::wire::object::VALUE_BYTES_MAX;
/// Children of a manifest: 32 bytes each, and the head, are just below the largest value.
const FANOUT: usize = if cfg!(test) { 5 } else { 32_000 };
/// Content up to this size is in the manifest itself: one put instead of two. A guess.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// Two levels above the chunks' own are 32 exabytes.
const LEVEL_MAX: u8 = if cfg!(test) { 9 } else { 2 };
/// The digit grows with the layout.
const MAGIC: &[u8] = b"arras manifest 1\n";
