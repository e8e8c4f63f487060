//! `arras record`
//!
//! Owns: the owner's side of records: making a key, signing a version, and checking one that came.
//! Never does: show a secret key to anybody, the node included, or overwrite one.

use crate::client::{Api, object, segment};
use crate::get::{Sink, destination};
use crate::output::{Exit, FAILED, NOT_FOUND, Output, USAGE, field, write_out};
use crate::place::source;
use arras::base::Id;
use arras::identity::{PublicKey, SecretKey};
use arras::runtime::api::Written;
use arras::runtime::data_dir::random_seed;
use arras::wire::object::{Record, SALT_BYTES_MAX, VALUE_BYTES_MAX, record_id};
use log::warn;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// `arras record key|put|get`
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Make a key: write the secret half to a new file for you alone, print the public half.
    Key {
        /// The new file. One that is there stays as it is.
        file: PathBuf,
    },
    /// Sign a version of a record here and put it on the overlay; print its id and version.
    Put(Put),
    /// Fetch the newest version of a record, checked.
    Get(Get),
}

/// `arras record put --key FILE --salt TEXT FILE`
#[derive(clap::Args, Debug)]
pub struct Put {
    /// What the record is to say: a file of up to 1 MiB; `-` is stdin.
    file: String,
    /// The owner's secret key, as `arras record key` writes it: 64 hex digits.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Which of the owner's records, up to 64 bytes; may be empty.
    #[arg(long, value_name = "TEXT")]
    salt: String,
    /// The version; without it one more than --expected, or than the one found.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequence: Option<u64>,
    /// Put it only if this version is there (0: none); without it, and without --sequence, the one found.
    #[arg(long, value_name = "VERSION")]
    expected: Option<u64>,
    /// How long it is to be kept (1h, 30d); the network may grant less.
    #[arg(long, value_name = "SPAN")]
    lifetime: Option<String>,
    /// On how many nodes; the node's configuration says how many by default.
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
}

/// `arras record get ID`
#[derive(clap::Args, Debug)]
pub struct Get {
    /// The record's id: 64 hex digits.
    #[arg(required_unless_present = "owner", conflicts_with_all = ["owner", "salt"])]
    id: Option<String>,
    /// Instead of the id: the owner's public key, 64 hex digits.
    #[arg(long, value_name = "HEX", requires = "salt")]
    owner: Option<String>,
    /// Which of the owner's records.
    #[arg(long, value_name = "TEXT", requires = "owner")]
    salt: Option<String>,
    /// Where to write what it says; `-`, or without this: stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, api: &Api, output: Output) -> Result<(), Exit> {
    match &arguments.verb {
        Verb::Key { file } => make_key(file, output),
        Verb::Put(asked) => put(asked, api, output),
        Verb::Get(asked) => get(asked, api, output),
    }
}

fn make_key(path: &Path, output: Output) -> Result<(), Exit> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Exit::new(FAILED, format!("{}: is there already, and stays as it is", path.display()))
        }
        _ => Exit::new(FAILED, format!("{}: {error}", path.display())),
    };
    let seed = random_seed().map_err(|error| error.to_string())?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = writeln!(file, "{}", Id::from_bytes(seed)).and_then(|()| file.sync_all());
    written.map_err(failed)?;
    let public = Id::from_bytes(*SecretKey::from_seed(seed).public().as_bytes());
    output.print(&json!({ "file": path, "owner": public.to_string() }), || public.to_string())
}

fn put(asked: &Put, api: &Api, output: Output) -> Result<(), Exit> {
    let (key, salt) = (read_key(&asked.key)?, salt(&asked.salt)?);
    let bytes = value(&asked.file)?;
    let id = record_id(&key.public(), salt);
    let expected = match (asked.sequence, asked.expected) {
        (None, None) => Some(version(api, &id)?),
        (_, expected) => expected,
    };
    let next = || expected.unwrap_or(0).checked_add(1);
    let sequence = asked.sequence.or_else(next);
    let sequence = sequence.ok_or_else(|| Exit::new(FAILED, format!("{id}: there is no higher version")))?;
    let written = json!(Written::of(&Record::sign(&key, salt, sequence, bytes))).to_string();
    let mut path = "/v1/records?".to_owned();
    path.extend(expected.iter().map(|version| format!("expected={version}&")));
    path.extend(asked.lifetime.iter().map(|span| format!("lifetime={}&", segment(span))));
    path.extend(asked.replicas.iter().map(|count| format!("replicas={count}&")));
    let mut answer = api.json("PUT", path.trim_end_matches(['?', '&']), Some(&mut written.as_bytes()))?;
    if field(&answer, "id") != id.to_string() {
        return Err(Exit::new(FAILED, format!("the node put something else than record {id}")));
    }
    answer["version"] = json!(sequence);
    output.print(&answer, || format!("{id}  version {sequence}  on {} nodes", field(&answer, "replicas")))
}

fn get(asked: &Get, api: &Api, output: Output) -> Result<(), Exit> {
    let id = match (&asked.id, &asked.owner, &asked.salt) {
        (Some(id), ..) => object(id)?,
        (None, Some(owner), Some(text)) => {
            let key = owner.parse::<Id>().map_err(|why| Exit::new(USAGE, format!("--owner {owner}: {why}")))?;
            record_id(&PublicKey::from_bytes(*key.as_bytes()), salt(text)?)
        }
        _ => return Err(Exit::new(USAGE, "a record is named by its id, or by --owner and --salt")),
    };
    let place = destination(asked.output.as_deref())?;
    let (record, shape) = fetch(api, &id)?;
    let (version, bytes) = (record.sequence, &record.bytes.0);
    match place {
        Some(path) => {
            let mut sink = Sink::to(path)?;
            sink.write(bytes)?;
            sink.keep()?;
            let shape = json!({ "id": id.to_string(), "version": version, "bytes": bytes.len(), "file": path });
            output.print(&shape, || format!("version {version}  {} bytes  {}", bytes.len(), path.display()))
        }
        None if output.json => output.print(&shape, String::new),
        None => write_out(bytes),
    }
}

/// The record of this id, and the JSON it came in, if its owner signed it.
fn fetch(api: &Api, id: &Id) -> Result<(Record, Value), Exit> {
    let shape = api.json("GET", &format!("/v1/records/{id}"), None)?;
    let wrong = |why: &str| Exit::new(FAILED, format!("what came is not record {id}: {why}"));
    let mut written = shape.clone();
    written.as_object_mut().map(|fields| fields.remove("id"));
    let written: Written = serde_json::from_value(written).map_err(|error| wrong(&error.to_string()))?;
    let record = written.read().map_err(|why| wrong(&why))?;
    if record.id() != *id {
        return Err(wrong("it has another id"));
    }
    if !record.holds() {
        return Err(wrong("its owner did not sign it"));
    }
    Ok((record, shape))
}

/// The version that is there; 0 if none is.
fn version(api: &Api, id: &Id) -> Result<u64, Exit> {
    match fetch(api, id) {
        Ok((record, _)) => Ok(record.sequence),
        Err(exit) if exit.code == NOT_FOUND => Ok(0),
        Err(exit) => Err(exit),
    }
}

fn read_key(path: &Path) -> Result<SecretKey, Exit> {
    let failed = |why: &dyn std::fmt::Display| Exit::new(FAILED, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let seed = text.trim().parse::<Id>();
    let seed = seed.map_err(|_| failed(&"is no key: 64 hex digits are one; `arras record key FILE` makes one"))?;
    let mode = std::fs::metadata(path).map_err(|error| failed(&error))?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!("{} is open to others (mode {:o}): chmod 600 closes it", path.display(), mode & 0o777);
    }
    Ok(SecretKey::from_seed(*seed.as_bytes()))
}

fn salt(text: &str) -> Result<&[u8], Exit> {
    if text.len() > SALT_BYTES_MAX {
        return Err(Exit::new(USAGE, format!("--salt has {} bytes, but may have {SALT_BYTES_MAX}", text.len())));
    }
    Ok(text.as_bytes())
}

/// What the record is to say; nothing is something too.
fn value(name: &str) -> Result<Vec<u8>, Exit> {
    let (mut source, _) = source(name)?;
    let mut bytes = Vec::new();
    let read = source.by_ref().take(VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Exit::new(FAILED, format!("{name}: {error}")))?;
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(Exit::new(
            FAILED,
            format!("{name}: has more than {VALUE_BYTES_MAX} bytes, which a record may have"),
        ));
    }
    Ok(bytes)
}
