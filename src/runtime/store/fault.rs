//! What can be wrong with the store.
//!
//! Owns: the typed errors of opening it, and how the database's own errors map to ours.
//! Never does: repair, or touch a file.

use crate::overlay::contract::DiskFault;
use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another process has it open.
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a sound database. Nothing was changed: values this node has promised to keep may
    /// be in it, so it is for a person to decide.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// In the database's words.
        detail: String,
    },
    /// The file was written by a newer release.
    Format {
        /// The file.
        path: PathBuf,
        /// The layout found.
        found: u64,
    },
    /// No space left on the device.
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Anything else, in the system's words.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
}

/// What went wrong in one transaction.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database was open and said this.
    Database(redb::Error),
    /// It panicked: redb does so on some damaged pages.
    Panicked(String),
    /// It could not be opened again after an earlier fault.
    Reopen(StoreError),
}

impl StoreError {
    /// What a failed opening means.
    pub(super) fn of(error: DatabaseError, path: PathBuf) -> StoreError {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError::Locked { path },
            DatabaseError::UpgradeRequired(found) => StoreError::Format { path, found: u64::from(found) },
            DatabaseError::Storage(StorageError::Io(error)) => StoreError::of_io(&error, path),
            DatabaseError::Storage(StorageError::Corrupted(detail)) => StoreError::Corrupt { path, detail },
            other => StoreError::Corrupt { path, detail: other.to_string() },
        }
    }

    /// What a failed system call means.
    pub(super) fn of_io(error: &io::Error, path: PathBuf) -> StoreError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            // redb reports a file that is not its own, or cut short, in these two ways.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                StoreError::Corrupt { path, detail: error.to_string() }
            }
            _ => StoreError::Io { path, detail: error.to_string() },
        }
    }
}

impl Trouble {
    /// What the machines are told.
    pub(super) fn fault(&self) -> DiskFault {
        match self {
            Trouble::Database(redb::Error::Io(error)) if is_full(error) => DiskFault::Full,
            Trouble::Database(error) => DiskFault::Io(error.to_string()),
            Trouble::Panicked(words) => DiskFault::Io(format!("the database is damaged: {words}")),
            Trouble::Reopen(StoreError::Full { .. }) => DiskFault::Full,
            Trouble::Reopen(error) => DiskFault::Io(error.to_string()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Locked { path } => {
                write!(
                    f,
                    "store {} is open in another process: stop that one, or use another data directory",
                    path.display()
                )
            }
            StoreError::Corrupt { path, detail } => write!(
                f,
                "store {path} is damaged ({detail}); nothing was changed: restore it from a copy, or move it away \
                 (mv {path} {path}.damaged) to start empty and be refilled by the other replicas",
                path = path.display()
            ),
            StoreError::Format { path, found } => {
                write!(
                    f,
                    "store {} has layout {found}, which this release does not read: use the newer release",
                    path.display()
                )
            }
            StoreError::Full { path } => {
                write!(f, "no space left for store {}: free some, or move the data directory", path.display())
            }
            StoreError::Io { path, detail } => write!(f, "store {}: {detail}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<TransactionError> for Trouble {
    fn from(error: TransactionError) -> Trouble {
        Trouble::Database(error.into())
    }
}

impl From<TableError> for Trouble {
    fn from(error: TableError) -> Trouble {
        Trouble::Database(error.into())
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Trouble {
        Trouble::Database(error.into())
    }
}

impl From<CommitError> for Trouble {
    fn from(error: CommitError) -> Trouble {
        Trouble::Database(error.into())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
