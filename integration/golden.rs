//! Are the bytes on the wire still those of the last release?
//!
//! Owns: `golden.txt`, the bytes of one message of every kind.
//! Never does: accept a change silently: `ACCEPT=1 cargo test --test golden` rewrites the file, and the
//! review sees it. Lines may be added; a changed line breaks every node in the field.

#[path = "support/samples.rs"]
mod samples;

use arras::wire::Message;
use bytes::Bytes;
use std::fmt::Write;

#[test]
fn the_bytes_of_every_message_are_those_written_down() {
    let mut now = String::new();
    for (name, message) in samples::messages() {
        let bytes = message.encode();
        write!(now, "{name} ").expect("a string");
        bytes.iter().for_each(|byte| write!(now, "{byte:02x}").expect("a string"));
        now.push('\n');
        assert_eq!(Message::decode(&Bytes::from(bytes)), Ok(message), "{name} survives its bytes");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/integration/golden.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(path, now).expect("golden.txt can be written");
        return;
    }
    let golden = std::fs::read_to_string(path).expect("golden.txt");
    for (was, is) in golden.lines().zip(now.lines()) {
        assert_eq!(is, was, "the wire format has changed");
    }
    assert_eq!(now.lines().count(), golden.lines().count(), "a message is not written down yet: ACCEPT=1");
}
