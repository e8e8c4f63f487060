//! The first words on a link, and whether they are accepted.
//!
//! Owns: what this node says of itself, the order of the checks on what a peer says, and the text of a
//! refusal.
//! Never does: close a link.

use crate::base::Id;
use crate::identity::{Contact, PublicKey};
use crate::wire::hello::{HelloFault, WIRE_VERSION};
use crate::wire::probe::Bearing;
use crate::wire::{CloseReason, Hello};
use bytes::Bytes;
use std::sync::Arc;

/// What a peer must agree with, and our own hello.
pub(super) struct Greeting {
    network: String,
    puzzle_bits: u32,
    own: Option<Arc<Contact>>,
    bearing: Bearing,
    /// What is said instead of an honest hello.
    #[cfg(test)]
    instead: Option<Bytes>,
}

/// Who a peer is, and how it says it stands.
pub(super) type Accepted = (Arc<Contact>, Bearing);

/// Why a peer is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: CloseReason,
    /// Names both values where two differ; sent to the peer as it is.
    pub text: String,
}

impl Greeting {
    pub fn new(network: String, puzzle_bits: u32) -> Greeting {
        Greeting {
            network,
            puzzle_bits,
            own: None,
            bearing: Bearing::default(),
            #[cfg(test)]
            instead: None,
        }
    }

    pub fn set_contact(&mut self, contact: Arc<Contact>) {
        self.own = Some(contact);
    }

    pub fn set_bearing(&mut self, bearing: Bearing) {
        self.bearing = bearing;
    }

    /// Says these bytes instead of an honest hello.
    #[cfg(test)]
    pub fn say(&mut self, hello: Bytes) {
        self.instead = Some(hello);
    }

    /// Our hello; nothing before the contact is set.
    pub fn own(&self) -> Option<Bytes> {
        #[cfg(test)]
        if self.instead.is_some() {
            return self.instead.clone();
        }
        let contact = Contact::clone(self.own.as_ref()?);
        let (network, bearing) = (self.network.clone(), self.bearing);
        Some(Hello { version: WIRE_VERSION, network, bearing, contact }.encode().into())
    }

    /// Our contact; nothing before it is set.
    pub fn own_contact(&self) -> Option<&Contact> {
        self.own.as_deref()
    }

    /// Our id; nothing before the contact is set.
    pub fn own_id(&self) -> Option<Id> {
        self.own.as_ref().map(|contact| contact.id())
    }

    /// Judges a peer's hello against the key that TLS proved: version first, then network, then the
    /// contact. `dialled` is whom we wanted.
    pub fn judge(&self, hello: &Bytes, proven: &PublicKey, dialled: Option<&Id>) -> Result<Accepted, Refusal> {
        let hello = Hello::decode(hello).map_err(|fault| match fault {
            HelloFault::Version { theirs } => refusal(
                CloseReason::Version,
                format!("peer speaks wire version {theirs}, this node speaks {WIRE_VERSION}: upgrade the older one"),
            ),
            HelloFault::Malformed => refusal(CloseReason::Malformed, "peer's first words are not a hello".into()),
        })?;
        if hello.network != self.network {
            let text =
                format!("peer belongs to network '{}', this node to '{}'", printable(&hello.network), self.network);
            return Err(refusal(CloseReason::Network, text));
        }
        let contact = hello.contact;
        if contact.name().key != *proven {
            let text = format!("peer's contact names key {:?}, TLS proved {proven:?}", contact.name().key);
            return Err(refusal(CloseReason::Identity, text));
        }
        if self.own_id() == Some(contact.id()) {
            return Err(refusal(CloseReason::Oneself, "peer is this very node".into()));
        }
        if let Some(dialled) = dialled.filter(|dialled| **dialled != contact.id()) {
            let text = format!("peer is {}, {} was dialled", contact.id().short(), dialled.short());
            return Err(refusal(CloseReason::Identity, text));
        }
        contact.check(self.puzzle_bits).map_err(|fault| refusal(CloseReason::Identity, fault.to_string()))?;
        Ok((Arc::new(contact), hello.bearing))
    }
}

fn refusal(reason: CloseReason, text: String) -> Refusal {
    Refusal { reason, text }
}

/// A stranger's text for a log line: control characters would let it write lines of its own.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(super::limits::REASON_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NodeName, Role, SecretKey};

    fn contact(seed: u8) -> (SecretKey, Arc<Contact>) {
        let key = SecretKey::from_seed([seed; 32]);
        let name = NodeName { key: key.public(), nonce: 0 };
        let contact = Contact::sign(&key, name, &["127.0.0.1:1".parse().unwrap()], Role::Server, 1);
        (key, Arc::new(contact))
    }

    fn greeting(network: &str, puzzle_bits: u32, seed: u8) -> Greeting {
        let mut greeting = Greeting::new(network.into(), puzzle_bits);
        greeting.set_contact(contact(seed).1);
        greeting
    }

    fn reason(judged: Result<Accepted, Refusal>) -> CloseReason {
        judged.unwrap_err().reason
    }

    #[test]
    fn a_peer_of_our_network_with_its_own_contact_is_accepted() {
        let (key, theirs) = contact(2);
        let mut other = greeting("a", 0, 2);
        let bearing = Bearing { ready: true, nodes: 7, ..Bearing::default() };
        other.set_bearing(bearing);
        let hello = other.own().unwrap();
        assert_eq!(greeting("a", 0, 1).judge(&hello, &key.public(), Some(&theirs.id())), Ok((theirs, bearing)));
    }

    #[test]
    fn each_difference_has_its_reason_and_names_both_values() {
        let me = greeting("a", 0, 1);
        let (key, theirs) = contact(2);
        let hello = greeting("b", 0, 2).own().unwrap();
        let text = me.judge(&hello, &key.public(), None).unwrap_err().text;
        assert_eq!(text, "peer belongs to network 'b', this node to 'a'");
        let hello = greeting("a", 0, 2).own().unwrap();
        let other = contact(3).0.public();
        assert_eq!(reason(me.judge(&hello, &other, None)), CloseReason::Identity);
        assert_eq!(reason(me.judge(&hello, &key.public(), Some(&contact(3).1.id()))), CloseReason::Identity);
        assert_eq!(reason(greeting("a", 60, 1).judge(&hello, &key.public(), None)), CloseReason::Identity);
        assert_eq!(reason(greeting("a", 0, 2).judge(&hello, &key.public(), None)), CloseReason::Oneself);
        let old = Hello {
            version: WIRE_VERSION + 1,
            network: "a".into(),
            bearing: Bearing::default(),
            contact: Contact::clone(&theirs),
        }
        .encode()
        .into();
        let refusal = me.judge(&old, &key.public(), None).unwrap_err();
        assert_eq!(refusal.reason, CloseReason::Version);
        let ours = format!("speaks {WIRE_VERSION}");
        assert!(
            refusal.text.contains(&format!("version {}", WIRE_VERSION + 1)) && refusal.text.contains(&ours),
            "{}",
            refusal.text
        );
        assert_eq!(reason(me.judge(&Bytes::from_static(b""), &key.public(), None)), CloseReason::Malformed);
    }

    #[test]
    fn a_strangers_text_cannot_break_a_line() {
        assert_eq!(printable("a\nb\x1b[2J"), "a?b?[2J");
    }
}
