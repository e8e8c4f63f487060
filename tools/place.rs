//! `arras place`
//!
//! Owns: reading files or stdin, streaming them to the node, and the check that what arrived is what was sent.
//! Never does: place nothing: an empty source is an error, for it is nearly always a mistake.

use crate::client::Api;
use crate::output::{Exit, FAILED, Output, field};
use arras::base::Id;
use arras::runtime::objects::{CHUNK_BYTES, ObjectError, Tree};
use bytes::Bytes;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// `arras place FILE...`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Files to place; `-` is stdin.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How long they are to be kept (1h, 30d); the network may grant less.
    #[arg(long, value_name = "SPAN")]
    lifetime: Option<String>,
    /// On how many nodes; the node's configuration says how many by default.
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
}

/// Places each file, one after the other. A failed one does not stop the rest; the first failure's code is
/// the command's.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    let mut path = "/v1/objects?".to_owned();
    path.extend(arguments.lifetime.iter().map(|span| format!("lifetime={}&", crate::client::segment(span))));
    path.extend(arguments.replicas.iter().map(|count| format!("replicas={count}&")));
    let path = path.trim_end_matches(['?', '&']);
    let mut first: Option<Exit> = None;
    for name in &arguments.files {
        if let Err(exit) = place(name, path, api, output) {
            if arguments.files.len() == 1 {
                return Err(exit);
            }
            eprintln!("arras: {}", exit.line);
            first.get_or_insert(exit);
        }
    }
    first.map_or(Ok(()), |exit| Err(Exit { line: String::new(), ..exit }))
}

fn place(name: &str, path: &str, api: &Api, output: Output) -> Result<(), Exit> {
    let (mut source, size) = open(name)?;
    let bar = output.bar(size, name);
    let mut counted = Counted { source: &mut source, tree: Some(Tree::new()), chunk: Vec::new(), bar: &bar };
    let answer = api.json("POST", path, Some(&mut counted));
    let sent = counted.id();
    bar.finish_and_clear();
    let mut answer = answer.map_err(|exit| Exit { line: format!("{name}: {}", exit.line), ..exit })?;
    let (id, sent) = (field(&answer, "id").into_owned(), sent.map(|id| id.to_string()));
    if sent.as_deref() != Some(&id) {
        return Err(Exit::new(FAILED, format!("{name}: the node placed something else than was sent")));
    }
    answer["file"] = name.into();
    output.print(&answer, || format!("{id}  {name}"))
}

/// A source that is there, readable and not empty, and its size (0: unknown).
pub fn open(name: &str) -> Result<(Box<dyn BufRead>, u64), Exit> {
    let failed = |why: &dyn std::fmt::Display| Exit::new(FAILED, format!("{name}: {why}"));
    let (mut source, size) = source(name)?;
    if source.fill_buf().map_err(|error| failed(&error))?.is_empty() {
        return Err(failed(&"is empty: there is nothing to place"));
    }
    Ok((source, size))
}

/// A source that is there, and its size (0: unknown).
pub fn source(name: &str) -> Result<(Box<dyn BufRead>, u64), Exit> {
    let failed = |why: &dyn std::fmt::Display| Exit::new(FAILED, format!("{name}: {why}"));
    if name == "-" {
        return Ok((Box::new(BufReader::new(io::stdin())), 0));
    }
    let file = File::open(Path::new(name)).map_err(|error| failed(&error))?;
    let meta = file.metadata().map_err(|error| failed(&error))?;
    if meta.is_dir() {
        return Err(failed(&"is a directory: name the files in it"));
    }
    Ok((Box::new(BufReader::with_capacity(READ_BYTES, file)), meta.len()))
}

/// A source that shows its progress, and works out the id of what went through it.
struct Counted<'a> {
    source: &'a mut dyn BufRead,
    tree: Option<Tree>,
    chunk: Vec<u8>,
    bar: &'a ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(into)?;
        self.bar.inc(length as u64);
        fold(&mut self.tree, &mut self.chunk, &into[..length]);
        Ok(length)
    }
}

impl Counted<'_> {
    fn id(mut self) -> Option<Id> {
        finish(&mut self.tree, self.chunk)
    }
}

/// Takes content into a tree whose blobs nobody keeps: only the id counts.
pub fn fold(tree: &mut Option<Tree>, chunk: &mut Vec<u8>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - chunk.len()));
        chunk.extend_from_slice(now);
        bytes = later;
        if chunk.len() == CHUNK_BYTES {
            push(tree, std::mem::take(chunk));
        }
    }
}

/// The id of all that was folded.
pub fn finish(tree: &mut Option<Tree>, chunk: Vec<u8>) -> Option<Id> {
    if !chunk.is_empty() {
        push(tree, chunk);
    }
    tree.take()?.finish(&mut drop_blob).ok().map(|(id, _)| id)
}

fn push(tree: &mut Option<Tree>, chunk: Vec<u8>) {
    if let Some(inner) = tree
        && inner.push(chunk.into(), &mut drop_blob).is_err()
    {
        *tree = None;
    }
}

fn drop_blob(_: Bytes) -> Result<(), ObjectError> {
    Ok(())
}

/// Bytes read from a file at once. A guess.
const READ_BYTES: usize = 256 << 10;
