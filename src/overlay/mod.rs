//! One node's mind.
//!
//! Owns: the names of the three machines, and the wiring: which fact is whose to hear, which command
//! and message is whose to handle.
//! Never does: I/O, or anything else than dispatch. No machine names another; each sees the facts the
//! others tell, the `RouteView` and the `Interest`.

pub mod contract;
pub mod directory;
pub mod forwarder;
pub mod loads;
pub mod router;
pub mod terms;
pub mod view;

pub use contract::{Command, Effect, Fact, Failure, Located, Reply, RequestId, Root};
pub use view::{Interest, RouteView};

use crate::base::Id;
use crate::wire::directory::Slice;
use crate::wire::{Directory as DirectoryMessage, Message};

/// Which machine of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Station {
    /// Messages in flight.
    Forwarder,
    /// Membership and tables.
    Router,
    /// One directory shard.
    Shard(usize),
}

/// To whom something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearers {
    /// To one machine.
    One(Station),
    /// To the Forwarder and every shard.
    ForwarderAndShards,
    /// To every shard: each takes what is its own.
    Shards,
}

/// How ids are spread over the shards of one node: by a keyed hash, so that nobody outside can aim. The peers with
/// whom a node compares what both keep are told the keys: what one shard has of a range they cannot tell else.
#[derive(Clone, Copy, Debug)]
pub struct Sharding {
    keys: (u64, u64),
    count: usize,
}

impl Sharding {
    /// A spread over `count` shards (at least 1) with a secret of this node's own.
    pub fn new(keys: (u64, u64), count: usize) -> Sharding {
        Sharding { keys, count: count.max(1) }
    }

    /// The shard that owns this id.
    pub fn shard_of(&self, id: &Id) -> usize {
        (view::keyed_hash(self.keys, id) % self.count as u64) as usize
    }

    /// How many shards there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What a peer needs to know to tell which ids are this shard's. A configuration has at most 64 shards.
    pub fn slice(&self, shard: usize) -> Slice {
        let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        Slice { keys: self.keys, shard: small(shard), shards: small(self.count) }
    }

    /// Whether an id belongs to a shard of another node, as that told of it.
    pub fn is_of_slice(id: &Id, slice: &Slice) -> bool {
        Sharding::new(slice.keys, usize::from(slice.shards)).shard_of(id) == usize::from(slice.shard)
    }

    /// Who hears a fact.
    pub fn hearers(&self, fact: &Fact) -> Hearers {
        match fact {
            Fact::View(_) => Hearers::ForwarderAndShards,
            Fact::HopSilent { .. } => Hearers::One(Station::Router),
            Fact::Route(_) | Fact::Respond { .. } | Fact::Onward { .. } | Fact::Point { .. } => {
                Hearers::One(Station::Forwarder)
            }
            Fact::Returned { asker, .. } => Hearers::One(Station::Shard(asker.shard)),
            Fact::Arrived(arrival) => Hearers::One(Station::Shard(self.shard_of(&arrival.key))),
        }
    }

    /// Who handles a message from a peer.
    pub fn handler(&self, message: &Message) -> Hearers {
        match message {
            Message::Routing(_) => Hearers::One(Station::Forwarder),
            Message::Probe(_) | Message::Membership(_) => Hearers::One(Station::Router),
            Message::Directory(DirectoryMessage::Ask { request, .. }) => {
                Hearers::One(Station::Shard(self.shard_of(&request.subject())))
            }
            Message::Directory(DirectoryMessage::Answer { object, .. }) => {
                Hearers::One(Station::Shard(self.shard_of(object)))
            }
            Message::Directory(
                DirectoryMessage::Enlist { root, .. }
                | DirectoryMessage::Serving { root, .. }
                | DirectoryMessage::Decline { root }
                | DirectoryMessage::Dismiss { root },
            ) => Hearers::One(Station::Shard(self.shard_of(root))),
            Message::Directory(
                DirectoryMessage::Offer { .. }
                | DirectoryMessage::Wanted { .. }
                | DirectoryMessage::Kept { .. }
                | DirectoryMessage::Compare { .. }
                | DirectoryMessage::Renew { .. },
            ) => Hearers::Shards,
            Message::Directory(DirectoryMessage::Compared { asker, .. } | DirectoryMessage::Renewed { asker, .. }) => {
                Hearers::One(Station::Shard(usize::from(*asker).min(self.count - 1)))
            }
        }
    }

    /// Who fulfils a local client's wish.
    pub fn fulfiller(&self, command: &Command) -> Station {
        match command {
            Command::Lookup { .. } => Station::Forwarder,
            Command::RouterStatus | Command::Leave => Station::Router,
            Command::DirectoryStatus { shard } => Station::Shard((*shard).min(self.count - 1)),
            Command::Put { value, .. } | Command::Publish { value, .. } => Station::Shard(self.shard_of(&value.id())),
            Command::Get { object } | Command::Unpublish { object } | Command::Locate { object } => {
                Station::Shard(self.shard_of(object))
            }
        }
    }
}
