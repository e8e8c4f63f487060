//! Who is who, as mathematics.
//!
//! Owns: keys and signatures, the puzzle that prices an identity, and the signed contact.
//! Never does: read a key from a file, or draw one from the system's entropy: a host hands in the seed.

pub mod contact;
pub mod key;
pub mod puzzle;

pub use contact::{Contact, ContactFault, Role};
pub use key::{PublicKey, SecretKey, Signature};
pub use puzzle::NodeName;
