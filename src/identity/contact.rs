//! How to reach a node, in its own words.
//!
//! Owns: the signed contact: name, addresses, role, sequence number; and which of two is newer.
//! Never does: find out whether the addresses work, or check a signature unasked: that costs 45 us
//! and is the caller's to schedule.

use super::key::{SecretKey, Signature};
use super::puzzle::NodeName;
use crate::base::Id;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// A node's own signed word on who and where it is. Gossiped and stored as one unit; of two for the
/// same node the higher sequence number counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Spoken", into = "Spoken")]
pub struct Contact {
    id: Id,
    name: NodeName,
    addresses: Vec<SocketAddr>,
    role: Role,
    sequence: u64,
    signature: Signature,
}

/// What a node is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Routes, roots and stores.
    Server,
    /// Uses the overlay, and never roots objects: unreachable or short-lived.
    Client,
}

/// What is wrong with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactFault {
    /// More addresses than [`ADDRESSES_MAX`], or none at all.
    Addresses {
        /// How many it names.
        found: usize,
    },
    /// The admission puzzle is not solved.
    Puzzle {
        /// Leading zero bits the network asks for.
        bits: u32,
    },
    /// The signature is not by this key over these fields.
    Signature,
}

impl Contact {
    /// Signs a contact. At most [`ADDRESSES_MAX`] addresses are kept.
    pub fn sign(key: &SecretKey, name: NodeName, addresses: &[SocketAddr], role: Role, sequence: u64) -> Contact {
        debug_assert_eq!(key.public(), name.key);
        let addresses: Vec<SocketAddr> = addresses.iter().copied().take(ADDRESSES_MAX).collect();
        let signature = key.sign(PURPOSE, &signed_bytes(&name, &addresses, role, sequence));
        Contact { id: name.id(), name, addresses, role, sequence, signature }
    }

    /// A contact without address under a signature nobody made: [`Contact::check`] refuses it. For
    /// simulations of more nodes than anybody would sign for, where nothing is checked.
    pub fn unsigned(name: NodeName, role: Role) -> Contact {
        let signature = Signature::from_bytes([0; 64]);
        Contact { id: name.id(), name, addresses: Vec::new(), role, sequence: 0, signature }
    }

    /// Checks everything a stranger can check: address count, puzzle, signature. About 45 us.
    pub fn check(&self, puzzle_bits: u32) -> Result<(), ContactFault> {
        if self.addresses.is_empty() || self.addresses.len() > ADDRESSES_MAX {
            return Err(ContactFault::Addresses { found: self.addresses.len() });
        }
        if !self.name.satisfies(puzzle_bits) {
            return Err(ContactFault::Puzzle { bits: puzzle_bits });
        }
        let signed = signed_bytes(&self.name, &self.addresses, self.role, self.sequence);
        if !self.name.key.verifies(PURPOSE, &signed, &self.signature) {
            return Err(ContactFault::Signature);
        }
        Ok(())
    }

    /// Whether this says something newer than `other` about the same node.
    pub fn supersedes(&self, other: &Contact) -> bool {
        self.id == other.id && self.sequence > other.sequence
    }

    /// The node's place on the ring.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Its key and nonce.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// Where it can be reached, best first: 1 to [`ADDRESSES_MAX`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where to try first.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// What it is to others.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Grows each time the node says something new about itself.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// What travels: the id is a hash of the name, so sending it as well would only invite lies.
#[derive(Serialize, Deserialize)]
struct Spoken {
    name: NodeName,
    addresses: Vec<SocketAddr>,
    role: Role,
    sequence: u64,
    signature: Signature,
}

impl From<Spoken> for Contact {
    fn from(from: Spoken) -> Contact {
        let Spoken { name, addresses, role, sequence, signature } = from;
        Contact { id: name.id(), name, addresses, role, sequence, signature }
    }
}

impl From<Contact> for Spoken {
    fn from(from: Contact) -> Spoken {
        let Contact { name, addresses, role, sequence, signature, .. } = from;
        Spoken { name, addresses, role, sequence, signature }
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.id)?;
        if let Some(address) = self.address() {
            write!(f, "@{address}")?;
        }
        if self.role == Role::Client { f.write_str(" client") } else { Ok(()) }
    }
}

impl fmt::Display for ContactFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContactFault::Addresses { found } => {
                write!(f, "contact names {found} addresses, 1 to {ADDRESSES_MAX} are allowed")
            }
            ContactFault::Puzzle { bits } => write!(f, "contact does not solve the admission puzzle of {bits} bits"),
            ContactFault::Signature => f.write_str("contact is not signed by its own key"),
        }
    }
}

impl std::error::Error for ContactFault {}

/// The signed fields, written out by hand: a signature must not depend on a codec's release.
fn signed_bytes(name: &NodeName, addresses: &[SocketAddr], role: Role, sequence: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96 + addresses.len() * 24);
    bytes.extend_from_slice(name.key.as_bytes());
    bytes.extend_from_slice(&name.nonce.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.push(match role {
        Role::Server => 0,
        Role::Client => 1,
    });
    for address in addresses {
        let text = address.to_string();
        bytes.push(text.len() as u8);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// Addresses in a contact: one of each family from inside and outside is plenty.
pub const ADDRESSES_MAX: usize = 4;

const PURPOSE: &str = "arras 1 contact";

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(seed: u8, sequence: u64) -> Contact {
        let key = SecretKey::from_seed([seed; 32]);
        let name = NodeName::solve(key.public(), 4);
        Contact::sign(&key, name, &["127.0.0.1:7420".parse().unwrap()], Role::Server, sequence)
    }

    #[test]
    fn a_contact_checks_out_as_signed_and_not_otherwise() {
        let honest = contact(1, 1);
        assert_eq!(honest.check(4), Ok(()));
        assert_eq!(honest.check(60), Err(ContactFault::Puzzle { bits: 60 }));
        let mut moved = honest.clone();
        moved.addresses[0] = "127.0.0.1:9".parse().unwrap();
        assert_eq!(moved.check(4), Err(ContactFault::Signature));
        let mut nowhere = honest;
        nowhere.addresses.clear();
        assert_eq!(nowhere.check(4), Err(ContactFault::Addresses { found: 0 }));
    }

    #[test]
    fn the_higher_sequence_number_wins_for_the_same_node_only() {
        assert!(contact(1, 2).supersedes(&contact(1, 1)));
        assert!(!contact(1, 1).supersedes(&contact(1, 1)));
        assert!(!contact(2, 2).supersedes(&contact(1, 1)));
    }
}
