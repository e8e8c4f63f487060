//! A record as it is sent and told.
//!
//! Owns: its form in JSON, every run of bytes in hex, and what exactly is wrong with one that is none.
//! Never does: check the signature: that is for whoever keeps or uses the record.

use super::shape::{hex, unhex};
use crate::identity::{PublicKey, Signature};
use crate::wire::object::{Record, SALT_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// A signed record: every run of bytes in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    owner: String,
    #[serde(default)]
    salt: String,
    sequence: u64,
    bytes: String,
    signature: String,
}

impl Written {
    /// The form of this record.
    pub fn of(record: &Record) -> Written {
        Written {
            owner: hex(record.owner.as_bytes()),
            salt: hex(&record.salt.0),
            sequence: record.sequence,
            bytes: hex(&record.bytes.0),
            signature: hex(record.signature.as_bytes()),
        }
    }

    /// The record, its signature unchecked; the error is one line.
    pub fn read(&self) -> Result<Record, String> {
        let wrong = |what: &str| format!("not a record: {what}");
        let owner = unhex(&self.owner).and_then(|bytes| bytes.try_into().ok());
        let owner = owner.ok_or_else(|| wrong("owner is a public key of 64 hex digits"))?;
        let salt = unhex(&self.salt).ok_or_else(|| wrong("salt is in hex, two digits a byte"))?;
        if salt.len() > SALT_BYTES_MAX {
            return Err(format!("salt has {} bytes, but may have {SALT_BYTES_MAX}", salt.len()));
        }
        if self.sequence == 0 {
            return Err("sequence is 0, but a record's versions count from 1".to_owned());
        }
        let bytes = unhex(&self.bytes).ok_or_else(|| wrong("bytes are in hex, two digits a byte"))?;
        let signature = unhex(&self.signature).and_then(|bytes| bytes.try_into().ok());
        let signature = signature.ok_or_else(|| wrong("signature has 128 hex digits"))?;
        Ok(Record {
            owner: PublicKey::from_bytes(owner),
            salt: salt.into(),
            sequence: self.sequence,
            bytes: bytes.into(),
            signature: Signature::from_bytes(signature),
        })
    }
}
