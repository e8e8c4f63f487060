//! A node's data directory.
//!
//! Owns: the lock on it, the identity key, the saved contacts, the contact's sequence number, and how a file
//! is replaced so that a crash leaves the old one or the new one.
//! Never does: invent a second identity where there is one it cannot read, or keep a node from starting for
//! want of saved contacts.

use super::puzzle;
use crate::identity::{NodeName, SecretKey};
use crate::wire::{Card, codec};
use log::{info, warn};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An open data directory: this process's own until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Who a node is: its key, and its name with the puzzle solved.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The secret key.
    pub key: SecretKey,
    /// The name that goes with it.
    pub name: NodeName,
}

/// Why a data directory cannot be used. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDirError {
    /// Another process has it.
    Locked {
        /// The directory.
        path: PathBuf,
        /// Which process, if it said so.
        pid: Option<u32>,
    },
    /// There is a file where the directory should be.
    File {
        /// The file.
        path: PathBuf,
    },
    /// The identity file is not one.
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The system's random source failed.
    NoRandomness,
    /// The system refused something.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
}

impl DataDir {
    /// Makes the directory if need be (for its owner alone), and takes it for this process.
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        let failed = |error: io::Error| DataDirError::io(path, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => DataDirError::File { path: path.to_path_buf() },
            _ => failed(error),
        })?;
        let name = path.join(LOCK_FILE);
        let mut lock = owner_only().read(true).create(true).truncate(false).open(&name).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only for the message: without a pid it still says enough.
                let _ = lock.read_to_string(&mut text);
                return Err(DataDirError::Locked { path: path.to_path_buf(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let write_pid = |lock: &mut File| -> io::Result<()> {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        write_pid(&mut lock).map_err(failed)?;
        Ok(DataDir { path: path.to_path_buf(), _lock: lock })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity kept here; the first time, a new one from the system's randomness, with a puzzle of
    /// this many bits solved. A key that exists but cannot be read is an error: a new one would be another
    /// node. A puzzle that has become harder is solved again, and moves the node on the ring.
    pub fn identity(&self, puzzle_bits: u32) -> Result<Identity, DataDirError> {
        let path = self.path.join(IDENTITY_FILE);
        let failed = |error: io::Error| DataDirError::io(&path, &error);
        let (key, nonce) = match fs::read_to_string(&path) {
            Ok(text) => {
                self.keep_private(&path)?;
                let (seed, nonce) = parse_identity(&text)
                    .map_err(|detail| DataDirError::Identity { path: path.clone(), detail: detail.to_owned() })?;
                (SecretKey::from_seed(seed), Some(nonce))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (SecretKey::from_seed(random_seed()?), None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(DataDirError::Identity { path, detail: "it is not text".to_owned() });
            }
            Err(error) => return Err(failed(error)),
        };
        if let Some(nonce) = nonce {
            let name = NodeName { key: key.public(), nonce };
            if name.satisfies(puzzle_bits) {
                return Ok(Identity { key, name });
            }
            warn!("the network's puzzle asks for {puzzle_bits} bits: solving it anew, this node moves on the ring");
        }
        // Nobody can end this but by ending the process: there is nothing to tidy up yet.
        let name = puzzle::solve(key.public(), puzzle_bits, &mut || true);
        let name = name.expect("a search that goes on ends with a find");
        let text = format!("{IDENTITY_MAGIC} {} {}\n", hex(key.seed()), name.nonce);
        replace(&path, text.as_bytes()).map_err(failed)?;
        info!("new identity {} in {}", name.id(), path.display());
        Ok(Identity { key, name })
    }

    /// A sequence number for this start's contact: higher than any before, even where the clock was set
    /// back or the file was lost.
    pub fn next_sequence(&self, unix_millis: u64) -> Result<u64, DataDirError> {
        let path = self.path.join(SEQUENCE_FILE);
        let before = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
        let next = before.saturating_add(1).max(unix_millis);
        replace(&path, format!("{next}\n").as_bytes()).map_err(|error| DataDirError::io(&path, &error))?;
        Ok(next)
    }

    /// The contacts of the last run, unchecked: none if there are none, or if the file is damaged or of
    /// another release, for that must not keep a node from starting.
    pub fn contacts(&self) -> Vec<Card> {
        let path = self.path.join(CONTACTS_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                warn!("saved contacts {} are not used: {error}", path.display());
                return Vec::new();
            }
        };
        match parse_contacts(&bytes) {
            Ok(cards) => cards,
            Err(detail) => {
                warn!("saved contacts {} are not used: {detail}; starting from the seeds", path.display());
                Vec::new()
            }
        }
    }

    /// Keeps these contacts (the first [`CONTACTS_MAX`] of them) for the next start, all or none.
    pub fn save_contacts(&self, cards: &[Card]) -> Result<(), DataDirError> {
        let body = codec::encode(&cards[..cards.len().min(CONTACTS_MAX)].to_vec());
        let mut bytes = Vec::with_capacity(CONTACTS_HEAD + body.len());
        bytes.extend_from_slice(CONTACTS_MAGIC);
        bytes.extend_from_slice(blake3::hash(&body).as_bytes());
        bytes.extend_from_slice(&body);
        let path = self.path.join(CONTACTS_FILE);
        replace(&path, &bytes).map_err(|error| DataDirError::io(&path, &error))
    }

    /// Says where this node's API listens, for tools that know the directory only.
    pub fn note_api(&self, address: SocketAddr) -> Result<(), DataDirError> {
        let path = self.path.join(API_ADDRESS_FILE);
        replace(&path, format!("{address}\n").as_bytes()).map_err(|error| DataDirError::io(&path, &error))
    }

    /// The API's token, made the first time: 64 hex digits, for the owner's eyes only.
    pub fn api_token(&self) -> Result<String, DataDirError> {
        let path = self.path.join(API_TOKEN_FILE);
        if let Ok(text) = fs::read_to_string(&path)
            && !text.trim().is_empty()
        {
            self.keep_private(&path)?;
            return Ok(text.trim().to_owned());
        }
        let token = hex(&random_seed()?);
        replace(&path, format!("{token}\n").as_bytes()).map_err(|error| DataDirError::io(&path, &error))?;
        Ok(token)
    }

    /// A secret is for its owner alone, whatever a copy made of its mode.
    fn keep_private(&self, path: &Path) -> Result<(), DataDirError> {
        let tighten = || -> io::Result<()> {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                warn!("{} was open to others (mode {:o}): closed to 600", path.display(), mode & 0o777);
                fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            }
            Ok(())
        };
        tighten().map_err(|error| DataDirError::io(path, &error))
    }
}

/// Puts these bytes in the file's place so that a crash leaves the old file or the new one: write beside,
/// sync, rename, sync the directory. For the owner's eyes only.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = owner_only().create(true).truncate(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if let Err(error) = written {
        // What is left beside is of no use; the first error counts.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

impl DataDirError {
    fn io(path: &Path, error: &io::Error) -> DataDirError {
        DataDirError::Io { path: path.to_path_buf(), detail: error.to_string() }
    }
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDirError::Locked { path, pid: Some(pid) } => write!(
                f,
                "data directory {} is used by process {pid}: stop that node, or choose another directory (--data-dir)",
                path.display()
            ),
            DataDirError::Locked { path, pid: None } => write!(
                f,
                "data directory {} is used by another node: stop it, or choose another directory (--data-dir)",
                path.display()
            ),
            DataDirError::File { path } => write!(
                f,
                "data directory {} is a file, not a directory: choose another one (--data-dir)",
                path.display()
            ),
            DataDirError::Identity { path, detail } => write!(
                f,
                "identity {} cannot be read: {detail}; restore it from a copy, or remove it to become a new node",
                path.display()
            ),
            DataDirError::NoRandomness => f.write_str("the system's random source failed: no key can be made"),
            DataDirError::Io { path, detail } => write!(f, "{}: {detail}", path.display()),
        }
    }
}

impl std::error::Error for DataDirError {}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// The secret bytes of a new key, from the system's random source.
pub fn random_seed() -> Result<[u8; 32], DataDirError> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| DataDirError::NoRandomness)?;
    Ok(seed)
}

fn hex(bytes: &[u8; 32]) -> String {
    crate::base::Id::from_bytes(*bytes).to_string()
}

/// `arras-key-1 <64 hex digits> <nonce>`
fn parse_identity(text: &str) -> Result<([u8; 32], u64), &'static str> {
    let mut words = text.split_whitespace();
    if words.next() != Some(IDENTITY_MAGIC) {
        return Err("it does not begin with arras-key-1");
    }
    let seed: crate::base::Id =
        words.next().and_then(|seed| seed.parse().ok()).ok_or("the key is not 64 hex digits")?;
    let nonce = words.next().and_then(|nonce| nonce.parse().ok()).ok_or("the nonce is not a number")?;
    if words.next().is_some() {
        return Err("there is something behind the nonce");
    }
    Ok((*seed.as_bytes(), nonce))
}

fn parse_contacts(bytes: &[u8]) -> Result<Vec<Card>, &'static str> {
    let rest = bytes.strip_prefix(CONTACTS_MAGIC).ok_or("not a contacts file of this release")?;
    let (sum, body) = rest.split_at_checked(32).ok_or("cut short")?;
    if blake3::hash(body).as_bytes() != sum {
        return Err("damaged");
    }
    let cards: Vec<Card> = codec::decode(body).map_err(|_| "not a list of contacts")?;
    if cards.len() > CONTACTS_MAX { Err("more contacts than are ever saved") } else { Ok(cards) }
}

/// Contacts saved: four times the largest link budget we tried, some 200 KiB. A guess.
pub const CONTACTS_MAX: usize = 1_024;

const LOCK_FILE: &str = "lock";
const IDENTITY_FILE: &str = "identity.key";
const SEQUENCE_FILE: &str = "sequence";
const CONTACTS_FILE: &str = "contacts.bin";
const API_ADDRESS_FILE: &str = "api.addr";
const API_TOKEN_FILE: &str = "api.token";
const IDENTITY_MAGIC: &str = "arras-key-1";
/// The digit grows when the layout of the cards changes.
const CONTACTS_MAGIC: &[u8] = b"arras contacts 1\n";
const CONTACTS_HEAD: usize = CONTACTS_MAGIC.len() + 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Coordinate;
    use crate::identity::{Contact, Role};

    fn fresh() -> (tempfile::TempDir, DataDir) {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = DataDir::open(&temporary.path().join("node")).expect("opens");
        (temporary, dir)
    }

    fn card(seed: u8) -> Card {
        let key = SecretKey::from_seed([seed; 32]);
        let address = "127.0.0.1:7420".parse().expect("an address");
        let contact = Contact::sign(&key, NodeName::solve(key.public(), 0), &[address], Role::Server, 1);
        Card { contact: contact.into(), coordinate: Coordinate::default() }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_second_node_on_the_same_directory_is_told_whose_it_is() {
        let (_temporary, dir) = fresh();
        let refused = DataDir::open(dir.path()).expect_err("locked");
        assert_eq!(refused, DataDirError::Locked { path: dir.path().to_path_buf(), pid: Some(std::process::id()) });
        let path = dir.path().to_path_buf();
        drop(dir);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn a_file_in_the_directorys_place_is_told_and_left_alone() {
        let temporary = tempfile::tempdir().expect("a directory");
        let path = temporary.path().join("node");
        fs::write(&path, "mine").expect("written");
        let refused = DataDir::open(&path).expect_err("a file");
        assert!(refused.to_string().contains("node is a file, not a directory"), "{refused}");
        assert_eq!(fs::read(&path).expect("read"), b"mine");
    }

    #[test]
    fn an_identity_stays_is_private_and_is_never_replaced_silently() {
        let (_temporary, dir) = fresh();
        let first = dir.identity(8).expect("made");
        let path = dir.path().join(IDENTITY_FILE);
        assert_eq!((mode(dir.path()), mode(&path)), (0o700, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("loosened");
        assert_eq!(dir.identity(8).expect("read").name, first.name);
        assert_eq!(mode(&path), 0o600);
        let harder = dir.identity(12).expect("solved anew");
        assert!(harder.name.satisfies(12) && harder.name.key == first.name.key);
        for bad in ["", "arras-key-1 12 0", "ssh-rsa x 1", &format!("arras-key-1 {} x", "0".repeat(64))] {
            fs::write(&path, bad).expect("written");
            assert!(matches!(dir.identity(8), Err(DataDirError::Identity { .. })), "{bad}");
            assert_eq!(fs::read_to_string(&path).expect("untouched"), bad);
        }
    }

    #[test]
    fn sequence_numbers_rise_whatever_the_clock_does() {
        let (_temporary, dir) = fresh();
        assert_eq!(dir.next_sequence(1_000).expect("one"), 1_000);
        assert_eq!(dir.next_sequence(10).expect("two"), 1_001);
        fs::write(dir.path().join(SEQUENCE_FILE), "rubbish").expect("written");
        assert_eq!(dir.next_sequence(2_000).expect("three"), 2_000);
    }

    #[test]
    fn contacts_come_back_and_a_damaged_file_only_costs_them() {
        let (_temporary, dir) = fresh();
        assert_eq!(dir.contacts(), vec![]);
        let cards = vec![card(1), card(2)];
        dir.save_contacts(&cards).expect("saved");
        assert_eq!(dir.contacts(), cards);
        let path = dir.path().join(CONTACTS_FILE);
        let sound = fs::read(&path).expect("read");
        for cut in [0, 5, CONTACTS_HEAD, sound.len() - 1] {
            fs::write(&path, &sound[..cut]).expect("written");
            assert_eq!(dir.contacts(), vec![]);
        }
        let mut flipped = sound.clone();
        flipped[CONTACTS_HEAD + 9] ^= 1;
        fs::write(&path, flipped).expect("written");
        assert_eq!(dir.contacts(), vec![]);
    }

    #[test]
    fn only_so_many_contacts_are_kept() {
        let (_temporary, dir) = fresh();
        dir.save_contacts(&vec![card(1); CONTACTS_MAX + 5]).expect("saved");
        assert_eq!(dir.contacts().len(), CONTACTS_MAX);
    }

    #[test]
    fn a_token_is_made_once_and_private() {
        let (_temporary, dir) = fresh();
        let token = dir.api_token().expect("made");
        assert_eq!((dir.api_token().expect("read"), token.len()), (token, 64));
        assert_eq!(mode(&dir.path().join(API_TOKEN_FILE)), 0o600);
    }
}
