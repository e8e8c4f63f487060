//! What an identity costs.
//!
//! Owns: the node's id as a hash of its key and a nonce, and the puzzle the nonce must solve
//! (S/Kademlia, ICPADS 2007, §4.1: static puzzle).
//! Never does: decide how much an identity should cost: that is the network's agreement.

use super::key::PublicKey;
use crate::base::Id;
use serde::{Deserialize, Serialize};

/// A public key with the nonce that makes it a node: together they are the node's place on the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeName {
    /// The node's key.
    pub key: PublicKey,
    /// What the owner searched for to satisfy the puzzle.
    pub nonce: u64,
}

impl NodeName {
    /// Searches for the smallest nonce whose id satisfies the puzzle: about `2^bits` hashes of
    /// 0.1 us each. `bits` is 0 (free) to 64.
    pub fn solve(key: PublicKey, bits: u32) -> NodeName {
        let mut name = NodeName { key, nonce: 0 };
        while !name.satisfies(bits) {
            name.nonce += 1;
        }
        name
    }

    /// The node's place on the ring: `BLAKE3(key ‖ nonce)`. Nobody chooses it.
    pub fn id(&self) -> Id {
        Id::from_bytes(*self.digest("arras 1 node id").as_bytes())
    }

    /// Whether the puzzle of this many leading zero bits is solved. It is asked of a second hash, so
    /// that ids stay even on the ring whatever the price.
    pub fn satisfies(&self, bits: u32) -> bool {
        let digest = self.digest("arras 1 admission puzzle");
        let mut head = [0; 8];
        head.copy_from_slice(&digest.as_bytes()[..8]);
        u64::from_be_bytes(head).leading_zeros() >= bits.min(64)
    }

    fn digest(&self, purpose: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(self.key.as_bytes());
        hasher.update(&self.nonce.to_le_bytes());
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solved_puzzle_is_solved_and_changes_the_id() {
        let key = PublicKey::from_bytes([9; 32]);
        let name = NodeName::solve(key, 8);
        assert!(name.satisfies(8));
        assert!((0..name.nonce).all(|nonce| !NodeName { key, nonce }.satisfies(8)));
        assert_ne!(NodeName { key, nonce: 1 }.id(), NodeName { key, nonce: 2 }.id());
    }
}
