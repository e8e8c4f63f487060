//! Does any input break the decoder?
//!
//! Owns: bending and breaking valid messages from a seed, a bounded number of times (`FUZZ_INPUTS`,
//! `FUZZ_SEED`).
//! Never does: look at meaning: whatever decodes must encode to something that decodes to the same.

#[path = "support/samples.rs"]
mod samples;

use arras::base::Chance;
use arras::wire::{Hello, Message};
use bytes::Bytes;

#[test]
fn no_input_breaks_the_decoder() {
    let inputs = number("FUZZ_INPUTS", 60_000);
    let seed = number("FUZZ_SEED", 1);
    println!("fuzz: {inputs} inputs from seed {seed}");
    let corpus: Vec<Vec<u8>> = samples::messages().iter().map(|(_, message)| message.encode()).collect();
    let mut chance = Chance::from_seed(seed);
    let (mut decoded, mut refused) = (0u64, 0u64);
    for index in 0..inputs {
        let input = Bytes::from(bent(&corpus, &mut chance));
        // Whatever these say, they say it without a panic.
        let _ = Hello::decode(&input);
        match Message::decode(&input) {
            Ok(message) => {
                decoded += 1;
                let again = Message::decode(&Bytes::from(message.encode()));
                assert_eq!(again, Ok(message), "input {index} of seed {seed} is not stable: {input:02x?}");
            }
            Err(_) => refused += 1,
        }
    }
    println!("fuzz: {decoded} decoded, {refused} refused");
    assert!(decoded > 0 && refused > 0, "the inputs must reach both sides of the decoder");
}

/// A valid message, bent in one to four ways.
fn bent(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = corpus[chance.index(corpus.len())].clone();
    for _ in 0..=chance.index(4) {
        let at = chance.index(bytes.len().max(1));
        match chance.index(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << chance.index(8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 250, 251, 252, 253, 254, 255][chance.index(10)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, chance.next_u64() as u8),
            4 => bytes.extend_from_slice(&chance.bytes32()[..chance.index(32)]),
            5 => {
                // A head of one message with the tail of another.
                let other = &corpus[chance.index(corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[chance.index(other.len())..]);
            }
            // A length of up to 2^64 in the codec's longest form.
            _ => {
                let mut length = vec![253];
                length.extend_from_slice(&(chance.next_u64() >> chance.index(64)).to_le_bytes());
                bytes.splice(at..at, length);
            }
        }
    }
    bytes
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}
