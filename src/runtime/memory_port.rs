//! A node without an overlay, for tests of what stands before it.
//!
//! Owns: a port that keeps values and claims in memory, as a network of one node would.
//! Never does: appear outside tests.

use arras::base::{Coordinate, Id, Load, Span};
use arras::identity::{Contact, NodeName, Role, SecretKey};
use arras::machine::Reading;
use arras::overlay::directory::DirectoryStatus;
use arras::overlay::router::RouterStatus;
use arras::overlay::{Command, Failure, Located, Reply, Root};
use arras::runtime::handle::{Done, NodePort};
use arras::wire::directory::{Holder, KnownAs, Refusal};
use arras::wire::object::{Receipt, Value};
use arras::wire::routing::{TraceHop, Why};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The port: everything it was given, and how it is to misbehave.
pub struct MemoryPort {
    key: SecretKey,
    contact: Arc<Contact>,
    values: Mutex<BTreeMap<Id, Value>>,
    claims: Mutex<BTreeSet<Id>>,
    /// What every put and get fails with, if anything.
    pub fails: Mutex<Option<Failure>>,
    /// Whether wishes are never answered.
    pub silent: AtomicBool,
    /// What its status says.
    pub ready: AtomicBool,
}

impl MemoryPort {
    /// A ready port with nothing in it.
    pub fn new() -> Arc<MemoryPort> {
        let key = SecretKey::from_seed([5; 32]);
        let address = "127.0.0.1:7420".parse().expect("an address");
        let contact = Contact::sign(&key, NodeName::solve(key.public(), 0), &[address], Role::Server, 1);
        Arc::new(MemoryPort {
            key,
            contact: Arc::new(contact),
            values: Mutex::default(),
            claims: Mutex::default(),
            fails: Mutex::default(),
            silent: AtomicBool::new(false),
            ready: AtomicBool::new(true),
        })
    }

    /// How many values it holds.
    pub fn count(&self) -> usize {
        self.values.lock().len()
    }

    fn fulfil(&self, command: Command) -> Result<Reply, Failure> {
        if let Some(failure) = self.fails.lock().clone()
            && !matches!(command, Command::RouterStatus | Command::DirectoryStatus { .. })
        {
            return Err(failure);
        }
        match command {
            Command::Lookup { traced, .. } => Ok(Reply::Root(self.root(traced))),
            Command::Put { value, lifetime, expected, .. } => self.put(value, lifetime, expected),
            Command::Get { object } => {
                let value = self.values.lock().get(&object).cloned().ok_or(Failure::NotFound)?;
                Ok(Reply::Value { value, from: self.contact.id(), replicas: 1 })
            }
            Command::Publish { value, .. } => {
                let object = value.id();
                self.values.lock().insert(object, value);
                self.claims.lock().insert(object);
                Ok(Reply::Published { object, roots: 3 })
            }
            Command::Unpublish { object } => {
                if !self.claims.lock().remove(&object) {
                    return Err(Failure::NotFound);
                }
                self.values.lock().remove(&object);
                Ok(Reply::Unpublished { object, roots: 3 })
            }
            Command::Locate { object } => {
                if !self.values.lock().contains_key(&object) {
                    return Err(Failure::NotFound);
                }
                let coordinate = Some(Coordinate::default());
                let holders =
                    vec![Holder { contact: (*self.contact).clone(), coordinate, replica: true, load: Load::NONE }];
                let by = Located { node: self.contact.id(), known_as: KnownAs::Root, salt: 0 };
                Ok(Reply::Holders { holders, by })
            }
            Command::RouterStatus => Ok(Reply::Router(Box::new(self.status()))),
            Command::DirectoryStatus { .. } => {
                let values = self.count() as u64;
                Ok(Reply::Directory(Box::new(DirectoryStatus { values, ..DirectoryStatus::default() })))
            }
            Command::Leave => Err(Failure::Stopping),
        }
    }

    fn put(&self, value: Value, lifetime: Span, expected: Option<u64>) -> Result<Reply, Failure> {
        let (object, version) = (value.id(), value.version());
        let mut values = self.values.lock();
        let there = values.get(&object).map_or(0, Value::version);
        if expected.is_some_and(|expected| expected != there) {
            return Err(Failure::Refused(Refusal::Conflict { version: there }));
        }
        values.insert(object, value);
        Ok(Reply::Stored { object, receipts: vec![Receipt::sign(&self.key, object, version, lifetime)] })
    }

    fn root(&self, traced: bool) -> Root {
        let contact = (*self.contact).clone();
        let hop = TraceHop {
            at: contact.id(),
            next: contact.id(),
            address: contact.address(),
            rtt: Span::from_millis(2),
            waited: Span::from_millis(3),
            why: Why::LeafSet,
        };
        let trace = if traced { vec![hop] } else { Vec::new() };
        Root { contact, hops: 1, took: Span::from_millis(3), trace }
    }

    fn status(&self) -> RouterStatus {
        let ready = self.ready.load(Ordering::Relaxed);
        RouterStatus {
            id: self.contact.id(),
            ready,
            state: if ready { "ready" } else { "joining: waiting for the leaf set" }.to_owned(),
            coordinate: Coordinate::default(),
            leaf_before: Vec::new(),
            leaf_after: Vec::new(),
            row_fill: vec![0],
            size_estimate: Some(1.0),
            peers: Vec::new(),
        }
    }
}

impl NodePort for MemoryPort {
    fn contact(&self) -> Arc<Contact> {
        Arc::clone(&self.contact)
    }
    fn network(&self) -> String {
        "test".to_owned()
    }
    fn shards(&self) -> usize {
        1
    }
    fn wish(&self, command: Command, done: Done) {
        if !self.silent.load(Ordering::Relaxed) {
            done(self.fulfil(command));
        } else {
            // Kept for ever, as by a node that hangs.
            std::mem::forget(done);
        }
    }
    fn readings(&self, done: Box<dyn FnOnce(Vec<Reading>) + Send>) {
        let sent = |family: &str| Reading::counter("sent_messages_total", 3).labelled("family", family);
        done(vec![sent("routing"), Reading::gauge("store_values", self.count() as f64), sent("probe")]);
    }
}
