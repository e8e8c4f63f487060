//! How a directory shard stands, for people and tools.
//!
//! Owns: the answer to [`Command::DirectoryStatus`](crate::overlay::Command::DirectoryStatus).
//! Never does: feed back into decisions.

use serde::{Deserialize, Serialize};

/// One shard in numbers; those of all shards add up to the node's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryStatus {
    /// Values kept.
    pub values: u64,
    /// Bytes of them.
    pub value_bytes: u64,
    /// Of these, values whose replica set this node leads as the root.
    pub rooted: u64,
    /// Pointers remembered, for whomever.
    pub pointers: u64,
    /// Objects this node publishes itself.
    pub published: u64,
    /// Local wishes under way.
    pub wishes: u64,
    /// Writes refused so far, for whatever limit.
    pub refused: u64,
}
