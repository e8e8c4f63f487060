//! Keys and signatures: Ed25519 (RFC 8032).
//!
//! Owns: signing, verifying, and the two DER wrappings (RFC 8410) a raw-public-key TLS needs.
//! Never does: invent a key: the 32 secret bytes come from the host. `ring` is the only cryptography
//! in the tree (rustls brings it), so nothing else signs.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The secret half of a node's or publisher's key.
pub struct SecretKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey([u8; 32]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature([u8; 64]);

impl SecretKey {
    /// The key that belongs to these 32 secret bytes.
    pub fn from_seed(seed: [u8; 32]) -> SecretKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("every 32 bytes are an Ed25519 seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        SecretKey { seed, pair, public: PublicKey(public) }
    }

    /// Signs `message` for one purpose. The purpose keeps a signature made for one thing from being
    /// shown for another.
    pub fn sign(&self, purpose: &'static str, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(&separated(purpose, message)).as_ref());
        Signature(bytes)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret bytes, for the host to keep.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// PKCS #8 version 1 (RFC 8410 §7), the form in which TLS takes the key.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        const PREFIX: [u8; 16] =
            [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        [&PREFIX[..], &self.seed[..]].concat()
    }
}

impl PublicKey {
    /// The key with these bytes. Whether they are a point of the curve shows when verifying.
    pub const fn from_bytes(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` was made with the secret half for this purpose and message. About 45 us on
    /// the machines we measured: a job, not something for the I/O thread.
    pub fn verifies(&self, purpose: &'static str, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&separated(purpose, message), &signature.0).is_ok()
    }

    /// SubjectPublicKeyInfo (RFC 8410 §4), the form in which TLS shows the key (RFC 7250).
    pub fn to_spki(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0[..]].concat()
    }

    /// The key in a SubjectPublicKeyInfo, if that is an Ed25519 one.
    pub fn from_spki(der: &[u8]) -> Option<PublicKey> {
        let key = der.strip_prefix(&SPKI_PREFIX)?;
        Some(PublicKey(key.try_into().ok()?))
    }
}

impl Signature {
    /// The signature with these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Signature {
        Signature(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// `purpose` and message, so joined that no two pairs give the same bytes.
fn separated(purpose: &'static str, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(purpose.len() + 1 + message.len());
    bytes.extend_from_slice(purpose.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(message);
    bytes
}

impl Clone for SecretKey {
    fn clone(&self) -> SecretKey {
        SecretKey::from_seed(self.seed)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(64 bytes)")
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(64)?;
        self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Signature;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 bytes of an Ed25519 signature")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Signature, A::Error> {
                let mut bytes = [0; 64];
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
                }
                Ok(Signature(bytes))
            }
        }
        deserializer.deserialize_tuple(64, Bytes)
    }
}

const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_purpose_and_message_only() {
        let (key, other) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let signature = key.sign("test", b"hello");
        assert!(key.public().verifies("test", b"hello", &signature));
        assert!(!key.public().verifies("test", b"hullo", &signature));
        assert!(!key.public().verifies("rest", b"hello", &signature));
        assert!(!other.public().verifies("test", b"hello", &signature));
    }

    #[test]
    fn the_key_of_rfc_8032_test_1_is_found() {
        let seed = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
        assert_eq!(format!("{:?}", SecretKey::from_seed(seed).public()), "d75a9801");
    }

    #[test]
    fn the_public_key_survives_its_wrapping() {
        let public = SecretKey::from_seed([3; 32]).public();
        assert_eq!(PublicKey::from_spki(&public.to_spki()), Some(public));
        assert_eq!(PublicKey::from_spki(b"nonsense"), None);
    }
}
