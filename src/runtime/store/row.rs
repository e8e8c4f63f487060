//! Rows on disk.
//!
//! Owns: the tables' names, and the bytes of keys, headers and claims.
//! Never does: open a transaction, or ask what time it is.

use crate::base::{Id, Span};
use crate::overlay::contract::{Stored, Terms};
use crate::wire::codec;
use crate::wire::object::Pointer;
use redb::TableDefinition;

/// A moment on the wall clock: milliseconds since 1970. Expiries survive a restart only as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

/// What is known of a value without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u64,
    pub terms: Terms<UnixMillis>,
    pub bytes: u64,
    pub pieces: u16,
}

impl UnixMillis {
    /// Now, by the system's clock; 1970 if that is set before it.
    pub fn now() -> UnixMillis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment this span later.
    pub fn after(self, span: Span) -> UnixMillis {
        UnixMillis(self.0.saturating_add(span.as_millis()))
    }

    /// How long until then; nothing if it has passed.
    pub fn until(self, later: UnixMillis) -> Span {
        Span::from_millis(later.0.saturating_sub(self.0))
    }
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let moment = |until: Option<UnixMillis>| until.map_or(0, |until| until.0);
        let mut row = [0; HEADER_BYTES];
        row[..8].copy_from_slice(&self.version.to_le_bytes());
        row[8..16].copy_from_slice(&moment(self.terms.replica).to_le_bytes());
        row[16..24].copy_from_slice(&moment(self.terms.published).to_le_bytes());
        row[24..32].copy_from_slice(&self.bytes.to_le_bytes());
        row[32..].copy_from_slice(&self.pieces.to_le_bytes());
        row
    }

    pub(super) fn decode(row: &[u8]) -> Option<Header> {
        let moment = |at: usize| Some(UnixMillis(word(row, at))).filter(|until| until.0 > 0);
        match row.len() {
            HEADER_BYTES => Some(Header {
                version: word(row, 0),
                terms: Terms { replica: moment(8), published: moment(16) },
                bytes: word(row, 24),
                pieces: u16::from_le_bytes([row[32], row[33]]),
            }),
            OLD_HEADER_BYTES => Header::decode_old(row),
            _ => None,
        }
    }

    /// A row of the first layout: one moment for all that a value is kept for, and which that is.
    fn decode_old(row: &[u8]) -> Option<Header> {
        let until = UnixMillis(word(row, 8));
        let terms = match row[24] {
            0 => Terms::replica(until),
            1 => Terms::published(until),
            2 => Terms { replica: Some(until), published: Some(until) },
            _ => return None,
        };
        let pieces = u16::from_le_bytes([row[25], row[26]]);
        Some(Header { version: word(row, 0), terms, bytes: word(row, 16), pieces })
    }

    /// What a shard is told of it at the start, if it is to be kept for anything still.
    pub(super) fn stored(&self, object: Id, now: UnixMillis) -> Option<Stored> {
        let terms = self.terms.running(now);
        terms.end()?;
        let terms = terms.map(|until| now.until(until));
        Some(Stored::Value { object, version: self.version, bytes: self.bytes, terms })
    }
}

/// The key of one piece of a value.
pub(super) fn piece_key(object: &Id, piece: u16) -> [u8; PIECE_KEY_BYTES] {
    let mut key = [0; PIECE_KEY_BYTES];
    key[..32].copy_from_slice(object.as_bytes());
    key[32..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// The key of a holder's pointer under a root.
pub(super) fn pointer_key(root: &Id, holder: &Id) -> [u8; POINTER_KEY_BYTES] {
    let mut key = [0; POINTER_KEY_BYTES];
    key[..32].copy_from_slice(root.as_bytes());
    key[32..].copy_from_slice(holder.as_bytes());
    key
}

/// The root in a pointer's key.
pub(super) fn root_of(key: &[u8; POINTER_KEY_BYTES]) -> Id {
    let mut root = [0; 32];
    root.copy_from_slice(&key[..32]);
    Id::from_bytes(root)
}

/// A pointer's row: expiry, then the claim.
pub(super) fn pointer_row(pointer: &Pointer, expiry: UnixMillis) -> Vec<u8> {
    let mut row = expiry.0.to_le_bytes().to_vec();
    codec::encode_onto(pointer, &mut row);
    row
}

/// What a pointer's row says.
pub(super) fn pointer_of(row: &[u8]) -> Option<(UnixMillis, Pointer)> {
    let (expiry, claim) = row.split_at_checked(8)?;
    Some((UnixMillis(word(expiry, 0)), codec::decode(claim).ok()?))
}

fn word(row: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&row[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// Object id to [`Header`]: read in full at a start, so the bytes of values are elsewhere.
pub(super) const HEADERS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("headers");
/// Object id and number to a piece of the encoded value.
pub(super) const PIECES: TableDefinition<&[u8; PIECE_KEY_BYTES], &[u8]> = TableDefinition::new("pieces");
/// Root and holder to expiry and claim.
pub(super) const POINTERS: TableDefinition<&[u8; POINTER_KEY_BYTES], &[u8]> = TableDefinition::new("pointers");
/// Particulars of the store itself.
pub(super) const PARTICULARS: TableDefinition<&str, u64> = TableDefinition::new("particulars");

/// The key of the layout's number in [`PARTICULARS`].
pub(super) const LAYOUT: &str = "layout";
/// The layout this code writes. It grows when rows change in a way older code misreads.
pub(super) const LAYOUT_NOW: u64 = 2;
/// The earlier layout, all of whose rows are still read: its headers had one moment of expiry.
pub(super) const LAYOUT_BEFORE: u64 = 1;

/// Bytes of an encoded value in one row. redb gives a row the next power of two of pages: a value of 1 MiB
/// and a few bytes in one row takes 2 MiB (measured 2026-11-23: 204 MiB for 100), in such pieces 1.06.
pub(super) const PIECE_BYTES: usize = (64 << 10) - 256;

pub(super) const POINTER_KEY_BYTES: usize = 64;
pub(super) const PIECE_KEY_BYTES: usize = 34;
const HEADER_BYTES: usize = 34;
const OLD_HEADER_BYTES: usize = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_its_bytes_and_nonsense_does_not_pass() {
        let terms = Terms { replica: None, published: Some(UnixMillis(99)) };
        let header = Header { version: 7, terms, bytes: 1 << 20, pieces: 17 };
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!(Header::decode(&[0; 3]), None);
        assert_eq!(Header::decode(&[9; OLD_HEADER_BYTES]), None);
    }

    #[test]
    fn a_header_of_the_first_layout_is_read() {
        let mut row = [0; OLD_HEADER_BYTES];
        (row[0], row[8], row[16], row[24], row[25]) = (7, 99, 5, 2, 1);
        let terms = Terms { replica: Some(UnixMillis(99)), published: Some(UnixMillis(99)) };
        assert_eq!(Header::decode(&row), Some(Header { version: 7, terms, bytes: 5, pieces: 1 }));
    }

    #[test]
    fn an_expiry_never_wraps() {
        assert_eq!(UnixMillis(5).after(Span::MAX).0, 5 + Span::MAX.as_millis());
        assert_eq!(UnixMillis(9).until(UnixMillis(5)), Span::ZERO);
    }
}
