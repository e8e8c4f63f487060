//! What splitting and joining promise. Manifests hold 5 children here, so that small content has levels.
//!
//! Owns: the tests of objects over a port in memory.
//! Never does: need a network.

use super::*;
use crate::runtime::memory_port::MemoryPort;
use proptest::prelude::*;
use std::sync::Arc;

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

fn round_trip(bytes: usize) -> (Placed, usize) {
    let port = MemoryPort::new();
    let handle = Handle::new(Arc::clone(&port) as _);
    let given = content(bytes);
    let placed = handle.place(&mut &given[..]).expect("placed");
    let mut back = Vec::new();
    assert_eq!(handle.fetch_to(placed.id, &mut back).expect("fetched"), bytes as u64);
    assert!(given == back, "{bytes} bytes came back otherwise");
    assert_eq!((placed.bytes, placed.blobs >= port.count() as u64), (bytes as u64, true));
    (placed, port.count())
}

#[test]
fn content_of_every_shape_comes_back() {
    for bytes in [0, 1, 64 << 10, (64 << 10) + 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1] {
        round_trip(bytes);
    }
    assert_eq!(round_trip(100).1, 1, "small content is in its manifest");
    assert_eq!(round_trip(5 * CHUNK_BYTES).1, 6, "five chunks and a manifest");
    assert_eq!(round_trip(5 * CHUNK_BYTES + 1).1, 9, "six chunks, two manifests, and one above");
    round_trip(27 * CHUNK_BYTES + 12_345);
}

#[test]
fn the_same_content_has_the_same_id_wherever_it_is_cut_by_its_source() {
    struct Dribble<'a>(&'a [u8]);
    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let end = into.len().min(70_001);
            self.0.read(&mut into[..end])
        }
    }
    let handle = Handle::new(MemoryPort::new() as _);
    let given = content(CHUNK_BYTES * 2 + 5);
    let whole = handle.place(&mut &given[..]).expect("placed");
    assert_eq!(handle.place(&mut Dribble(&given)).expect("placed"), whole);
}

#[test]
fn a_missing_piece_and_a_lying_manifest_are_errors_not_bytes() {
    let port = MemoryPort::new();
    let handle = Handle::new(Arc::clone(&port) as _);
    let missing = Manifest { size: 10, level: 0, children: vec![Id::MAX], inline: Blob::default() };
    let (id, _) = handle.put(missing.encode()).expect("put");
    let error = handle.fetch_to(id, &mut Vec::new()).expect_err("missing");
    assert!(matches!(error, ObjectError::Piece { piece: Id::MAX, failure: Failure::NotFound }), "{error}");
    let (chunk, _) = handle.put(content(5)).expect("put");
    for (size, level, children) in [(6, 0, vec![chunk]), (CHUNK_BYTES as u64 + 5, 0, vec![chunk]), (5, 1, vec![chunk])]
    {
        let (id, _) = handle.put(Manifest { size, level, children, inline: Blob::default() }.encode()).expect("put");
        let error = handle.fetch_to(id, &mut Vec::new()).expect_err("lies");
        assert!(matches!(error, ObjectError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_plain_blob_is_fetched_as_it_is() {
    let handle = Handle::new(MemoryPort::new() as _);
    let (id, receipts) = handle.put(&b"plain"[..]).expect("put");
    let mut back = Vec::new();
    assert_eq!((handle.fetch_to(id, &mut back).expect("fetched"), receipts.len()), (5, 1));
    assert_eq!(back, b"plain");
}

#[test]
fn a_silent_node_costs_the_timeout_and_not_for_ever() {
    let port = MemoryPort::new();
    port.silent.store(true, std::sync::atomic::Ordering::Relaxed);
    let handle = Handle::new(port as _).with_timeout(Span::from_millis(20));
    let error = handle.place(&mut &content(10)[..]).expect_err("silence");
    assert!(matches!(error, ObjectError::Piece { failure: Failure::TimedOut, .. }), "{error}");
    assert_eq!(handle.lookup(Id::MAX), Err(Failure::TimedOut));
}

proptest! {
    #[test]
    fn no_bytes_make_a_manifest_that_is_followed_astray(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut blob = b"arras manifest 1\n".to_vec();
        blob.extend_from_slice(&bytes);
        if let Ok(Some(manifest)) = Manifest::decode(&blob, Id::ZERO) {
            let sum: u64 = (0..manifest.children.len()).map(|index| manifest.child_size(index)).sum();
            prop_assert!(manifest.children.is_empty() || sum == manifest.size);
        }
    }
}
