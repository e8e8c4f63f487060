//! The first words on a link.
//!
//! Owns: what both ends say of themselves before anything else, and why a link is refused or closed.
//! Never does: carry overlay messages.

use super::codec;
use super::probe::Bearing;
use crate::identity::Contact;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Said by both ends first, on a stream of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The wire version the sender speaks.
    pub version: u16,
    /// The network it belongs to, at most [`NETWORK_BYTES_MAX`] bytes of UTF-8.
    pub network: String,
    /// How it stands, so that nobody need ask once the link is up.
    pub bearing: Bearing,
    /// Who it is; the key must be the one TLS proved.
    pub contact: Contact,
}

/// Why a link was refused or closed: an application close code, with a text that both sides show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The node stops or leaves.
    Leaving,
    /// The other end speaks another version of this protocol.
    Version,
    /// The other end belongs to another network.
    Network,
    /// The other end's contact is not what its key proves, is not signed, or its puzzle is not solved.
    Identity,
    /// The other end said something that is not a message.
    Malformed,
    /// The link budget is used up by more useful links.
    Budget,
    /// Both ends dialled; the other link stays.
    Duplicate,
    /// Not needed any more.
    Unused,
    /// The other end is this very node.
    Oneself,
}

impl CloseReason {
    /// The application close code.
    pub fn code(self) -> u32 {
        ALL.iter().position(|(reason, _)| *reason == self).unwrap_or(0) as u32 + 1
    }

    /// The reason behind an application close code.
    pub fn from_code(code: u64) -> Option<CloseReason> {
        let index = usize::try_from(code.checked_sub(1)?).ok()?;
        ALL.get(index).map(|(reason, _)| *reason)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALL[self.code() as usize - 1].1)
    }
}

impl Hello {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// What these bytes say, if they are a hello of any version: the version comes first, so that it
    /// can be named even where the rest has changed.
    pub fn decode(bytes: &Bytes) -> Result<Hello, HelloFault> {
        let (version, _): (u16, usize) = codec::decode_head(bytes).map_err(|_| HelloFault::Malformed)?;
        if version != WIRE_VERSION {
            return Err(HelloFault::Version { theirs: version });
        }
        let hello: Hello = codec::decode(bytes).map_err(|_| HelloFault::Malformed)?;
        if hello.network.len() > NETWORK_BYTES_MAX {
            return Err(HelloFault::Malformed);
        }
        Ok(hello)
    }
}

/// Why a hello is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloFault {
    /// The peer speaks another version.
    Version {
        /// Which.
        theirs: u16,
    },
    /// Not a hello.
    Malformed,
}

/// In the order of their codes, from 1; append only.
const ALL: [(CloseReason, &str); 9] = [
    (CloseReason::Leaving, "leaving"),
    (CloseReason::Version, "speaks another wire version"),
    (CloseReason::Network, "belongs to another network"),
    (CloseReason::Identity, "identity does not hold"),
    (CloseReason::Malformed, "sent a malformed message"),
    (CloseReason::Budget, "link budget used up"),
    (CloseReason::Duplicate, "duplicate of another link"),
    (CloseReason::Unused, "link not needed"),
    (CloseReason::Oneself, "dialled oneself"),
];

/// The version this code speaks. The ALPN token below changes with it only when even the hello does.
pub const WIRE_VERSION: u16 = 13;
/// TLS application protocol: DESIGN §4.
pub const ALPN: &[u8] = b"arras/1";
/// Bytes in a network's name: a guess at what a person still types.
pub const NETWORK_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_comes_back_from_it() {
        for (index, (reason, _)) in ALL.iter().enumerate() {
            assert_eq!(reason.code() as usize, index + 1);
            assert_eq!(CloseReason::from_code(u64::from(reason.code())), Some(*reason));
        }
        assert_eq!(CloseReason::from_code(0), None);
        assert_eq!(CloseReason::from_code(99), None);
    }
}
