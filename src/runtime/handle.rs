//! A node inside one's own program.
//!
//! Owns: the port through which local clients reach a node, and the blocking handle over it: lookups, values,
//! claims, whole objects.
//! Never does: know threads or sockets; whoever runs the node implements the port.

use super::objects::{self, Kept, ObjectError, Placed};
use crate::base::{Id, Span};
use crate::identity::Contact;
use crate::machine::Reading;
use crate::overlay::directory::DirectoryStatus;
use crate::overlay::router::RouterStatus;
use crate::overlay::{Command, Failure, Reply, Root};
use crate::wire::codec::Blob;
use crate::wire::directory::Holder;
use crate::wire::object::{Receipt, Record, Value};
use crossbeam::channel::{RecvTimeoutError, bounded};
use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What takes the one result of a wish. It is called on a thread of the node's: it must be quick and must
/// not wait.
pub type Done = Box<dyn FnOnce(Result<Reply, Failure>) + Send>;

/// How local clients reach a running node. Every wish gets exactly one result, by the machines' own
/// deadlines; after the node has stopped it is [`Failure::Stopping`].
pub trait NodePort: Send + Sync {
    /// The node's contact as it is now signed.
    fn contact(&self) -> Arc<Contact>;

    /// The name of its network.
    fn network(&self) -> String;

    /// How many directory shards it has: one status each.
    fn shards(&self) -> usize;

    /// Wishes for this; where too much waits already the result is [`Failure::Limit`] at once.
    fn wish(&self, command: Command, done: Done);

    /// Reads everything there is to read off the node: `done` gets it, from another thread perhaps.
    fn readings(&self, done: Box<dyn FnOnce(Vec<Reading>) + Send>);
}

/// A running node, as a program uses it. Cheap to clone; every call blocks until there is a result, at most
/// for the handle's timeout.
///
/// ```no_run
/// # fn example(handle: arras::runtime::Handle) -> Result<(), Box<dyn std::error::Error>> {
/// let placed = handle.place(&mut std::fs::File::open("picture.png")?)?;
/// handle.fetch_to(placed.id, &mut std::fs::File::create("copy.png")?)?;
/// println!("{} is kept, its root is {}", placed.id, handle.lookup(placed.id)?.contact.id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    port: Arc<dyn NodePort>,
    timeout: Span,
    kept: Kept,
}

/// How a node stands: its routing, and all its shards together.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStatus {
    /// The routing.
    pub router: RouterStatus,
    /// The shards, added up.
    pub directory: DirectoryStatus,
}

impl Handle {
    /// A handle with the default timeout ([`TIMEOUT`]).
    pub fn new(port: Arc<dyn NodePort>) -> Handle {
        Handle { port, timeout: TIMEOUT, kept: Kept::default() }
    }

    /// The same with another timeout for each wish.
    pub fn with_timeout(self, timeout: Span) -> Handle {
        Handle { timeout, ..self }
    }

    /// The same, keeping what it puts for this long and on so many nodes.
    pub fn keeping(self, kept: Kept) -> Handle {
        Handle { kept, ..self }
    }

    /// The node's place on the ring.
    pub fn id(&self) -> Id {
        self.port.contact().id()
    }

    /// Who and where the node is.
    pub fn contact(&self) -> Arc<Contact> {
        self.port.contact()
    }

    /// The port under the handle.
    pub fn port(&self) -> &Arc<dyn NodePort> {
        &self.port
    }

    /// Who is the root of this key?
    pub fn lookup(&self, key: Id) -> Result<Root, Failure> {
        root_of(self.ask(Command::Lookup { key, traced: false })?)
    }

    /// The same with the path: every hop reports itself.
    pub fn route(&self, key: Id) -> Result<Root, Failure> {
        root_of(self.ask(Command::Lookup { key, traced: true })?)
    }

    /// Keeps up to 1 MiB of bytes on the replica set of their root; the id is their hash.
    pub fn put(&self, bytes: impl Into<bytes::Bytes>) -> Result<(Id, Vec<Receipt>), Failure> {
        self.put_value(Value::Blob(Blob(bytes.into())), None)
    }

    /// Keeps a version of a record. With `expected`, only where the version there is this one (0: none).
    pub fn put_record(&self, record: Record, expected: Option<u64>) -> Result<(Id, Vec<Receipt>), Failure> {
        self.put_value(Value::Record(record), expected)
    }

    /// Fetches a value from whoever is best, checked.
    pub fn get(&self, object: Id) -> Result<Value, Failure> {
        match self.ask(Command::Get { object })? {
            Reply::Value { value, .. } => Ok(value),
            _ => Err(Failure::NotFound),
        }
    }

    /// Keeps this here for so long, or until it is withdrawn, and tells the overlay that this node holds it: id, and roots
    /// that know.
    pub fn publish(&self, bytes: impl Into<bytes::Bytes>, lifetime: Option<Span>) -> Result<(Id, u8), Failure> {
        let value = Value::Blob(Blob(bytes.into()));
        match self.ask(Command::Publish { value, lifetime })? {
            Reply::Published { object, roots } => Ok((object, roots)),
            _ => Err(Failure::NotFound),
        }
    }

    /// Withdraws the claim and forgets the value: roots that know.
    pub fn unpublish(&self, object: Id) -> Result<u8, Failure> {
        match self.ask(Command::Unpublish { object })? {
            Reply::Unpublished { roots, .. } => Ok(roots),
            _ => Err(Failure::NotFound),
        }
    }

    /// Who holds this? Nearest first.
    pub fn locate(&self, object: Id) -> Result<Vec<Holder>, Failure> {
        match self.ask(Command::Locate { object })? {
            Reply::Holders { holders, .. } => Ok(holders),
            _ => Err(Failure::NotFound),
        }
    }

    /// How the node stands.
    pub fn status(&self) -> Result<NodeStatus, Failure> {
        let Reply::Router(router) = self.ask(Command::RouterStatus)? else { return Err(Failure::NotFound) };
        let mut directory = DirectoryStatus::default();
        for shard in 0..self.port.shards() {
            if let Reply::Directory(part) = self.ask(Command::DirectoryStatus { shard })? {
                add(&mut directory, &part);
            }
        }
        Ok(NodeStatus { router: *router, directory })
    }

    /// Waits until the node has its confirmed place in the overlay; false if that takes longer than this.
    pub fn wait_ready(&self, patience: Span) -> bool {
        let end = Instant::now() + Duration::from(patience);
        loop {
            if let Ok(Reply::Router(status)) = self.ask(Command::RouterStatus)
                && status.ready
            {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(READY_PAUSE);
        }
    }

    /// Keeps whole content of any size, split into blobs under a manifest whose id names it.
    pub fn place(&self, from: &mut dyn Read) -> Result<Placed, ObjectError> {
        objects::place(self, from, self.kept, &mut |_| {})
    }

    /// Writes whole content, checked, in order: how many bytes.
    pub fn fetch_to(&self, object: Id, to: &mut dyn Write) -> Result<u64, ObjectError> {
        objects::fetch(self, object, to, &mut |_| {})
    }

    /// How long it waits for the result of one wish.
    pub fn timeout(&self) -> Span {
        self.timeout
    }

    /// Wishes, and waits for the result.
    pub fn ask(&self, command: Command) -> Result<Reply, Failure> {
        let (sender, receiver) = bounded(1);
        self.port.wish(
            command,
            // Nobody waiting any more is fine.
            Box::new(move |result| drop(sender.send(result))),
        );
        match receiver.recv_timeout(self.timeout.into()) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(Failure::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::Stopping),
        }
    }

    fn put_value(&self, value: Value, expected: Option<u64>) -> Result<(Id, Vec<Receipt>), Failure> {
        let Kept { lifetime, replicas } = self.kept;
        match self.ask(Command::Put { value, lifetime, replicas, expected })? {
            Reply::Stored { object, receipts } => Ok((object, receipts)),
            _ => Err(Failure::NotFound),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:?})", self.id())
    }
}

/// Adds one shard to the others.
pub fn add(sum: &mut DirectoryStatus, part: &DirectoryStatus) {
    sum.values += part.values;
    sum.value_bytes += part.value_bytes;
    sum.rooted += part.rooted;
    sum.pointers += part.pointers;
    sum.published += part.published;
    sum.wishes += part.wishes;
    sum.refused += part.refused;
    sum.stands += part.stands;
    sum.stand_bytes += part.stand_bytes;
    sum.leases += part.leases;
    sum.hottest.extend(part.hottest.iter().cloned());
    sum.hottest.sort_by_key(|hot| std::cmp::Reverse(hot.per_hour));
}

fn root_of(reply: Reply) -> Result<Root, Failure> {
    match reply {
        Reply::Root(root) => Ok(root),
        _ => Err(Failure::NotFound),
    }
}

/// How long a handle waits for one result, unless told otherwise: beyond the longest patience of the machines
/// (20 s), so that theirs, which say more, come first.
pub const TIMEOUT: Span = Span::from_secs(30);
/// Between two looks whether the node is ready. A guess.
const READY_PAUSE: Duration = Duration::from_millis(5);
