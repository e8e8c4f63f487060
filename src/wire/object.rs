//! What is kept for others, and the promises made about it.
//!
//! Owns: values (blobs and records), pointers and receipts, their ids and signatures.
//! Never does: decide who keeps what. A value proves itself; a pointer or receipt proves who said it.

use super::codec::Blob;
use crate::base::{Id, Span};
use crate::identity::{Contact, PublicKey, SecretKey, Signature};
use serde::{Deserialize, Serialize};

/// Something kept under an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Immutable bytes; the id is their BLAKE3 hash.
    Blob(Blob),
    /// Mutable bytes; the id comes from the owner's key and a salt.
    Record(Record),
}

/// Mutable bytes under their owner's signature. The higher sequence number wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose it is.
    pub owner: PublicKey,
    /// Which of the owner's records, up to [`SALT_BYTES_MAX`] bytes.
    pub salt: Blob,
    /// Grows with every change.
    pub sequence: u64,
    /// What it says.
    pub bytes: Blob,
    /// By the owner over all of the above.
    pub signature: Signature,
}

/// A holder's signed claim: "I hold this object". A claim with no lifetime withdraws all earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// What is held.
    pub object: Id,
    /// Who holds it.
    pub holder: Contact,
    /// Of two claims by one holder the higher number counts, so that a replayed one loses.
    pub sequence: u64,
    /// How long the claim is good from when it was made; zero withdraws.
    pub lifetime: Span,
    /// By the holder over object, holder id, sequence and lifetime.
    pub signature: Signature,
}

/// A keeper's signed word that it has a version of an object on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What is kept.
    pub object: Id,
    /// Which version: a record's sequence number, 0 for a blob.
    pub version: u64,
    /// For how long.
    pub lifetime: Span,
    /// Whose word it is.
    pub keeper: PublicKey,
    /// By the keeper over object, version and lifetime.
    pub signature: Signature,
}

impl Value {
    /// The id under which this is kept.
    pub fn id(&self) -> Id {
        match self {
            Value::Blob(bytes) => Id::hash_of(&bytes.0),
            Value::Record(record) => record.id(),
        }
    }

    /// Which version of the object this is: a record's sequence number, 0 for a blob.
    pub fn version(&self) -> u64 {
        match self {
            Value::Blob(_) => 0,
            Value::Record(record) => record.sequence,
        }
    }

    /// Bytes of content.
    pub fn len(&self) -> usize {
        match self {
            Value::Blob(bytes) => bytes.0.len(),
            Value::Record(record) => record.bytes.0.len(),
        }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this may stand under `id`: the hash fits, or the signature holds (about 45 us) and the
    /// salt is short enough.
    pub fn proves(&self, id: &Id) -> bool {
        match self {
            Value::Blob(_) => self.id() == *id,
            Value::Record(record) => record.id() == *id && record.holds(),
        }
    }
}

impl Record {
    /// Signs a version of a record.
    pub fn sign(owner: &SecretKey, salt: &[u8], sequence: u64, bytes: Vec<u8>) -> Record {
        let signed = record_bytes(salt, sequence, &bytes);
        let signature = owner.sign(RECORD_PURPOSE, &signed);
        Record { owner: owner.public(), salt: Blob::from(salt.to_vec()), sequence, bytes: Blob::from(bytes), signature }
    }

    /// The id of every version of this record.
    pub fn id(&self) -> Id {
        record_id(&self.owner, &self.salt.0)
    }

    /// Whether the owner signed this version and the salt is within its limit. About 45 us.
    pub fn holds(&self) -> bool {
        let signed = record_bytes(&self.salt.0, self.sequence, &self.bytes.0);
        self.salt.0.len() <= SALT_BYTES_MAX && self.owner.verifies(RECORD_PURPOSE, &signed, &self.signature)
    }
}

impl Pointer {
    /// Signs a claim; `lifetime` zero withdraws.
    pub fn sign(key: &SecretKey, holder: Contact, object: Id, sequence: u64, lifetime: Span) -> Pointer {
        let signature = key.sign(POINTER_PURPOSE, &promise_bytes(&object, sequence, lifetime, &holder.id()));
        Pointer { object, holder, sequence, lifetime, signature }
    }

    /// Whether the holder made this claim. About 45 us; the contact inside must be checked as well.
    pub fn holds(&self) -> bool {
        let signed = promise_bytes(&self.object, self.sequence, self.lifetime, &self.holder.id());
        self.holder.name().key.verifies(POINTER_PURPOSE, &signed, &self.signature)
    }

    /// Takes a newer contact of the holder over: the claim is signed for the holder's id, whatever its addresses. The
    /// contact must be proven.
    pub fn adopt(&mut self, holder: &Contact) -> bool {
        let is_newer = holder.id() == self.holder.id() && holder.supersedes(&self.holder);
        if is_newer {
            self.holder = holder.clone();
        }
        is_newer
    }

    /// Whether this withdraws earlier claims.
    pub fn withdraws(&self) -> bool {
        self.lifetime == Span::ZERO
    }
}

impl Receipt {
    /// Signs a receipt.
    pub fn sign(keeper: &SecretKey, object: Id, version: u64, lifetime: Span) -> Receipt {
        let signed = promise_bytes(&object, version, lifetime, &Id::ZERO);
        let signature = keeper.sign(RECEIPT_PURPOSE, &signed);
        Receipt { object, version, lifetime, keeper: keeper.public(), signature }
    }

    /// Whether the keeper gave this word. About 45 us.
    pub fn holds(&self) -> bool {
        let signed = promise_bytes(&self.object, self.version, self.lifetime, &Id::ZERO);
        self.keeper.verifies(RECEIPT_PURPOSE, &signed, &self.signature)
    }
}

/// The id of the record with this owner and salt.
pub fn record_id(owner: &PublicKey, salt: &[u8]) -> Id {
    let mut hasher = blake3::Hasher::new_derive_key("arras 1 record id");
    hasher.update(owner.as_bytes());
    hasher.update(salt);
    Id::from_bytes(*hasher.finalize().as_bytes())
}

fn record_bytes(salt: &[u8], sequence: u64, bytes: &[u8]) -> Vec<u8> {
    let mut signed = Vec::with_capacity(salt.len() + bytes.len() + 16);
    signed.extend_from_slice(&(salt.len() as u64).to_le_bytes());
    signed.extend_from_slice(salt);
    signed.extend_from_slice(&sequence.to_le_bytes());
    signed.extend_from_slice(bytes);
    signed
}

fn promise_bytes(object: &Id, number: u64, lifetime: Span, holder: &Id) -> Vec<u8> {
    let mut signed = Vec::with_capacity(80);
    signed.extend_from_slice(object.as_bytes());
    signed.extend_from_slice(&number.to_le_bytes());
    signed.extend_from_slice(&lifetime.as_micros().to_le_bytes());
    signed.extend_from_slice(holder.as_bytes());
    signed
}

/// Bytes of content in one value: DESIGN §7, "blobs (to 1 MiB)".
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Bytes in a record's salt: as in BEP 44 (BitTorrent mutable items).
pub const SALT_BYTES_MAX: usize = 64;

const RECORD_PURPOSE: &str = "arras 1 record";
const POINTER_PURPOSE: &str = "arras 1 pointer";
const RECEIPT_PURPOSE: &str = "arras 1 receipt";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NodeName, Role};

    #[test]
    fn a_value_stands_under_its_own_id_only() {
        let blob = Value::Blob(Blob::from(b"bytes".to_vec()));
        assert!(blob.proves(&blob.id()));
        assert!(!blob.proves(&Id::ZERO));
        let record = Record::sign(&SecretKey::from_seed([1; 32]), b"name", 3, b"v3".to_vec());
        assert!(Value::Record(record.clone()).proves(&record.id()));
        let mut forged = record;
        forged.sequence = 4;
        assert!(!Value::Record(forged.clone()).proves(&forged.id()));
    }

    #[test]
    fn a_pointer_is_its_holders_word() {
        let key = SecretKey::from_seed([1; 32]);
        let contact =
            Contact::sign(&key, NodeName::solve(key.public(), 0), &["127.0.0.1:1".parse().unwrap()], Role::Server, 1);
        let pointer = Pointer::sign(&key, contact, Id::MAX, 1, Span::from_hours(1));
        assert!(pointer.holds() && !pointer.withdraws());
        assert!(!Pointer { sequence: 2, ..pointer.clone() }.holds());
        assert!(!Pointer { lifetime: Span::ZERO, ..pointer }.holds());
    }

    #[test]
    fn a_receipt_names_a_version() {
        let receipt = Receipt::sign(&SecretKey::from_seed([1; 32]), Id::MAX, 7, Span::from_hours(1));
        assert!(receipt.holds());
        assert!(!Receipt { version: 8, ..receipt }.holds());
    }
}
