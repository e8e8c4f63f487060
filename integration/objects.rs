//! Are objects kept, found and fetched by whole nodes on real sockets and disks?
//!
//! Owns: a lab of a few nodes on loopback: put, get, publish, locate, unpublish.
//! Never does: judge speed: that is `bench/`.

use arras::base::Span;
use arras::overlay::directory::ROOTS_PER_OBJECT;
use arras::overlay::{Command, Failure, Reply};
use arras::runtime::host::{NodeTuning, Threads};
use arras::runtime::lab::{Lab, LabSetup};
use arras::wire::Blob;
use arras::wire::directory::KnownAs;
use arras::wire::object::Value;
use std::time::Duration;

#[test]
fn what_one_node_places_every_other_fetches() {
    let dir = tempfile::tempdir().expect("a directory");
    let threads = Threads { objects: 2, storage: 1 };
    let tuning = NodeTuning::default();
    let setup = LabSetup { nodes: 10, matrix: None, seed: 7, tuning, dir: dir.path().to_owned(), threads };
    let lab = Lab::start(setup, &mut |_| {}).expect("a lab");
    lab.await_ready(Duration::from_secs(60), &mut |_| {}).expect("ready");
    let nodes = lab.nodes();
    let lifetime = Span::from_hours(1);
    for (index, bytes) in [0, 1, 1_000, 8_192, 8_193, 300_000, 1 << 20].into_iter().enumerate() {
        let value = Value::Blob(Blob::from(vec![index as u8; bytes]));
        let put = Command::Put { value: value.clone(), lifetime, replicas: 0, expected: None };
        match nodes[index].ask(put) {
            Ok(Reply::Stored { receipts, .. }) => assert!(receipts.len() >= 3, "{bytes} bytes: {receipts:?}"),
            other => panic!("{bytes} bytes: {other:?}"),
        }
        for node in nodes {
            match node.ask(Command::Get { object: value.id() }) {
                Ok(Reply::Value { value: found, .. }) => assert!(found == value),
                other => panic!("{bytes} bytes: {other:?}"),
            }
        }
    }
    let value = Value::Blob(Blob::from(b"published".to_vec()));
    let object = value.id();
    match nodes[3].ask(Command::Publish { value: value.clone(), lifetime: None }) {
        Ok(Reply::Published { roots, .. }) => assert_eq!(roots, ROOTS_PER_OBJECT),
        other => panic!("{other:?}"),
    }
    for node in nodes {
        match node.ask(Command::Locate { object }) {
            Ok(Reply::Holders { holders, .. }) => assert_eq!(holders.len(), 1),
            other => panic!("{other:?}"),
        }
        assert!(matches!(node.ask(Command::Get { object }), Ok(Reply::Value { .. })));
    }
    assert!(matches!(
        nodes[3].ask(Command::Unpublish { object }),
        Ok(Reply::Unpublished { roots: ROOTS_PER_OBJECT, .. })
    ));
    // A copy on a path that has changed since (detours change with what links cost just then) stays until its claim's lifetime
    // ends: soft state. No root may say so any more, nor whoever answers for one.
    let mut deceived = 0;
    for node in nodes {
        match node.ask(Command::Locate { object }) {
            Err(Failure::NotFound) => {}
            Ok(Reply::Holders { by, .. }) => {
                assert_eq!(by.known_as, KnownAs::Passing);
                let key = object.salted(by.salt);
                match node.ask(Command::Lookup { key, traced: false }) {
                    Ok(Reply::Root(root)) => assert_ne!(root.contact.id(), by.node),
                    other => panic!("{other:?}"),
                }
                deceived += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // Withdrawals go the claims' ways as a rule.
    assert!(deceived <= nodes.len() / 2, "{deceived} of {}", nodes.len());
}
