//! Who lives at a seed's address?
//!
//! Owns: the question a node asks of an address of which it knows no key yet, and its answer: the
//! contact of whoever lives there. A dial by that contact follows, which proves the key and tells
//! networks apart with a reason.
//! Never does: answer with more bytes than were asked with: the asker's address is not proved.

use super::limits::{PING_PATIENCE, SEEDS_MAX};
use crate::base::{Deadlines, Id, Instant};
use crate::identity::Contact;
use crate::wire::codec;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The questions of one node, both ways.
pub(super) struct Seeds {
    secret: [u8; 32],
    asked: BTreeMap<SocketAddr, u8>,
    due: Deadlines<SocketAddr>,
    fresh: Vec<SocketAddr>,
    /// Whose dial comes from which address.
    dialled: BTreeMap<Id, SocketAddr>,
}

impl Seeds {
    pub fn new() -> Seeds {
        let mut secret = [0; 32];
        // Without entropy answers can be forged by those who see no question; the key is proved later.
        let _ = SystemRandom::new().fill(&mut secret);
        let (asked, dialled) = (BTreeMap::new(), BTreeMap::new());
        Seeds { secret, asked, due: Deadlines::new(), fresh: Vec::new(), dialled }
    }

    /// Wants to know who lives there; says whether there is room for the question.
    #[must_use]
    pub fn ask(&mut self, address: SocketAddr) -> bool {
        if self.asked.len() >= SEEDS_MAX {
            return false;
        }
        if self.asked.insert(address, 0).is_none() {
            self.fresh.push(address);
        }
        true
    }

    /// The next question to send.
    pub fn next_packet(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let address = self.fresh.pop()?;
        let mut packet = vec![0; QUESTION_BYTES];
        packet[0] = WHO;
        packet[1..NONCE_END].copy_from_slice(&self.nonce(address));
        self.due.set(address, now + PING_PATIENCE);
        Some((address, packet))
    }

    /// Whether these bytes are one of our questions or answers.
    pub fn concerns(bytes: &[u8]) -> bool {
        matches!(bytes.first(), Some(&(WHO | HERE)))
    }

    /// The answer to a question, if it leaves enough room.
    pub fn answer(bytes: &[u8], me: &Contact) -> Option<Vec<u8>> {
        if bytes.first() != Some(&WHO) || bytes.len() < QUESTION_BYTES {
            return None;
        }
        let mut answer = vec![HERE];
        answer.extend_from_slice(&bytes[1..NONCE_END]);
        codec::encode_onto(me, &mut answer);
        (answer.len() <= bytes.len()).then_some(answer)
    }

    /// The contact in an answer to a question of ours.
    pub fn on_answer(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<Arc<Contact>> {
        if bytes.len() < NONCE_END || bytes[0] != HERE || bytes[1..NONCE_END] != self.nonce(from) {
            return None;
        }
        let contact: Contact = codec::decode(&bytes[NONCE_END..]).ok()?;
        self.asked.remove(&from)?;
        self.due.clear(&from);
        self.dialled.insert(contact.id(), from);
        Some(Arc::new(contact))
    }

    /// The address for which this node was dialled, once.
    pub fn take_dialled(&mut self, peer: &Id) -> Option<SocketAddr> {
        self.dialled.remove(peer)
    }

    /// Repeats what is due; gives back the addresses that stayed silent.
    pub fn on_timeout(&mut self, now: Instant) -> Vec<SocketAddr> {
        let mut silent = Vec::new();
        while let Some(address) = self.due.pop_due(now) {
            let Some(tries) = self.asked.get_mut(&address) else { continue };
            *tries += 1;
            if *tries < TRIES {
                self.fresh.push(address);
            } else {
                self.asked.remove(&address);
                silent.push(address);
            }
        }
        silent
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.next()
    }

    pub fn has_packets(&self) -> bool {
        !self.fresh.is_empty()
    }

    fn nonce(&self, address: SocketAddr) -> [u8; NONCE_BYTES] {
        let keyed = blake3::keyed_hash(&self.secret, address.to_string().as_bytes());
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&keyed.as_bytes()[..NONCE_BYTES]);
        nonce
    }
}

/// Beside the pings' kinds 1 and 2; neither has QUIC's fixed bit.
const WHO: u8 = 3;
const HERE: u8 = 4;
const NONCE_BYTES: usize = 16;
const NONCE_END: usize = 1 + NONCE_BYTES;
/// A contact with four IPv6 addresses takes some 220 bytes.
const QUESTION_BYTES: usize = 400;
/// A question is asked this often before its address counts as silent.
const TRIES: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{NodeName, Role, SecretKey};

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn contact() -> Contact {
        let key = SecretKey::from_seed([1; 32]);
        let name = NodeName { key: key.public(), nonce: 0 };
        let addresses: Vec<SocketAddr> = (1..5).map(|port| format!("[2001:db8::1]:{port}").parse().unwrap()).collect();
        Contact::sign(&key, name, &addresses, Role::Server, u64::MAX)
    }

    #[test]
    fn a_question_finds_the_contact_behind_an_address() {
        let mut seeds = Seeds::new();
        assert!(seeds.ask(address(9)));
        let (to, question) = seeds.next_packet(Instant::ORIGIN).unwrap();
        assert!(to == address(9) && Seeds::concerns(&question) && !super::super::ping::is_quic(question[0]));
        let answer = Seeds::answer(&question, &contact()).unwrap();
        assert!(answer.len() <= question.len(), "never more than was asked with");
        assert_eq!(seeds.on_answer(address(8), &answer), None, "from another address");
        assert_eq!(seeds.on_answer(address(9), &answer).as_deref(), Some(&contact()));
        assert_eq!(seeds.on_answer(address(9), &answer), None, "asked once, answered once");
        assert_eq!(seeds.take_dialled(&contact().id()), Some(address(9)));
    }

    #[test]
    fn a_silent_address_is_asked_a_few_times_and_named() {
        let mut seeds = Seeds::new();
        assert!(seeds.ask(address(9)));
        let (mut now, mut asked) = (Instant::ORIGIN, 0);
        loop {
            asked += usize::from(seeds.next_packet(now).is_some());
            now = seeds.next_timeout().unwrap();
            let silent = seeds.on_timeout(now);
            if !silent.is_empty() {
                assert_eq!((silent, asked), (vec![address(9)], usize::from(TRIES)));
                break;
            }
        }
    }

    #[test]
    fn a_short_question_gets_no_answer() {
        assert_eq!(Seeds::answer(&[WHO; 30], &contact()), None);
    }
}
