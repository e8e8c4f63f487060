//! Values to bytes and back: the only place that names the serialisation crate.
//!
//! Owns: the layout options, the size limit asked before anything is decoded, and the refusal of
//! trailing bytes.
//! Never does: panic on what a stranger sent, or allocate by a length it has not checked.

use bincode::{DefaultOptions, Options};
use bytes::Bytes;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than anything we accept.
    TooLong {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// No value of the expected kind, or bytes left over behind it.
    NotAValue,
    /// Well-formed, but outside its range.
    OutOfRange {
        /// Which field.
        what: &'static str,
    },
}

/// The bytes of a value.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_onto(value, &mut bytes);
    bytes
}

/// Appends the bytes of a value. Going through it first, to know how long it will be, took longer than now and then moving
/// what is there.
pub fn encode_onto<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    let before = bytes.len();
    options().with_no_limit().serialize_into(&mut *bytes, value).expect("wire types are finite");
    assert!(bytes.len() - before <= MESSAGE_BYTES_MAX, "wire types are within the limit");
}

/// The value these bytes are, all of them.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    check_length(bytes)?;
    options().reject_trailing_bytes().deserialize(bytes).map_err(|_| Malformed::NotAValue)
}

/// The value at the head of these bytes, and how many bytes it took. For headers, whose payload is
/// passed on unread.
pub fn decode_head<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), Malformed> {
    check_length(bytes)?;
    let mut rest = bytes;
    let value = options().deserialize_from(&mut rest).map_err(|_| Malformed::NotAValue)?;
    Ok((value, bytes.len() - rest.len()))
}

/// A run of bytes within a message: one copy in, one copy out, never byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Blob(pub Bytes);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        struct Run;
        impl Visitor<'_> for Run {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a run of bytes")
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(Bytes::from(bytes)))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(Bytes::copy_from_slice(bytes)))
            }
        }
        deserializer.deserialize_byte_buf(Run)
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Blob {
        Blob(Bytes::from(bytes))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::TooLong { bytes, limit } => write!(f, "message of {bytes} bytes, the limit is {limit}"),
            Malformed::NotAValue => f.write_str("bytes are not a message of this version"),
            Malformed::OutOfRange { what } => write!(f, "{what} is out of range"),
        }
    }
}

impl std::error::Error for Malformed {}

fn check_length(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::TooLong { bytes: bytes.len(), limit: MESSAGE_BYTES_MAX });
    }
    Ok(())
}

fn options() -> impl Options + Copy {
    DefaultOptions::new().with_limit(MESSAGE_BYTES_MAX as u64).with_varint_encoding().allow_trailing_bytes()
}

/// The longest message: a blob of 1 MiB and room for what is said about it.
pub const MESSAGE_BYTES_MAX: usize = (1 << 20) + (16 << 10);
