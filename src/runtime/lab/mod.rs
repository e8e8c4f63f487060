//! Many nodes in one process, under measured latencies.
//!
//! Owns: drawing hosts from a matrix, one loopback address a node, starting whole nodes, and waiting
//! until they are an overlay.
//! Never does: shorten anything: every node has its own key, socket, machines and store, and every
//! packet between two nodes crosses the system's loopback, half the pair's round trip late.

pub mod measure;

use crate::base::{Chance, Id, Span};
use crate::identity::{NodeName, Role, SecretKey};
use crate::overlay::router::{Agreement, RouterStatus};
use crate::overlay::{Command, Failure, Reply};
use crate::runtime::host::{Host, LocalNode, NodeSetup, NodeTuning, Threads};
use crate::runtime::net::NetError;
use crate::runtime::net::imposed::PathDelay;
use crate::runtime::node::LAB_NETWORK;
use crate::runtime::store::{Store, StoreError};
use crate::survey::LatencyMatrix;
use crossbeam::channel::bounded;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a lab is made of.
pub struct LabSetup {
    /// How many nodes, 1 to [`NODES_MAX`].
    pub nodes: usize,
    /// The latencies to impose; none if absent.
    pub matrix: Option<LatencyMatrix>,
    /// Draws the hosts, the keys, and what is measured.
    pub seed: u64,
    /// The nodes' choices, the same for all.
    pub tuning: NodeTuning,
    /// Where the nodes' stores live: an existing directory, one below it for each node.
    pub dir: PathBuf,
    /// Threads that serve all nodes.
    pub threads: Threads,
}

/// Many nodes in one process.
pub struct Lab {
    nodes: Vec<LabNode>,
    host: Host,
    setup: LabSetup,
    paths: Arc<Paths>,
    chance: Chance,
}

/// One of a lab's nodes.
pub struct LabNode {
    /// The node.
    pub node: Arc<LocalNode>,
    /// Its host in the matrix.
    pub host: usize,
}

/// Why there is no lab.
#[derive(Debug)]
pub enum LabError {
    /// More nodes than addresses, or none.
    Nodes {
        /// How many were asked for.
        asked: usize,
    },
    /// A thread could not be started, or a directory not made.
    System(io::Error),
    /// A node's store could not be opened.
    Store(StoreError),
    /// A node's socket could not be opened.
    Net(NetError),
    /// Not all nodes were ready in time.
    NotReady {
        /// How many were.
        ready: usize,
        /// Of how many.
        nodes: usize,
    },
}

impl Lab {
    /// Starts the nodes: the first alone, the others with one of the earlier ones as a seed each. Each
    /// start is told to `progress`. Returns before they are ready.
    pub fn start(setup: LabSetup, progress: &mut dyn FnMut(usize)) -> Result<Lab, LabError> {
        if setup.nodes == 0 || setup.nodes > NODES_MAX {
            return Err(LabError::Nodes { asked: setup.nodes });
        }
        let host = Host::start(setup.threads).map_err(LabError::System)?;
        let mut chance = Chance::from_seed(setup.seed);
        let hosts = match &setup.matrix {
            Some(matrix) => matrix.draw_hosts(&mut chance.fork(), setup.nodes),
            None => vec![0; setup.nodes],
        };
        let paths = Arc::new(Paths { matrix: setup.matrix.clone(), hosts });
        let mut lab = Lab { nodes: Vec::new(), host, setup, paths, chance };
        for index in 0..lab.setup.nodes {
            lab.add()?;
            progress(index + 1);
        }
        Ok(lab)
    }

    /// Starts one more node; beyond the number the lab was set up for it sits on a host drawn again.
    pub fn add(&mut self) -> Result<&LabNode, LabError> {
        let index = self.nodes.len();
        if index >= NODES_MAX {
            return Err(LabError::Nodes { asked: index + 1 });
        }
        let dir = self.setup.dir.join(format!("node-{index:04}"));
        let store = open_store(&dir)?;
        let secret = SecretKey::from_seed(self.chance.bytes32());
        let agreement = Agreement { network: LAB_NETWORK.to_owned(), ..Agreement::default() };
        let name = NodeName::solve(secret.public(), agreement.puzzle_bits);
        // A few of the first nodes serve as seeds, so that none of them does all the work.
        let seed = (index > 0).then(|| self.chance.index(index.min(SEEDS)));
        let node = self.host.add(NodeSetup {
            secret,
            name,
            sequence: 1,
            role: Role::Server,
            listen: SocketAddr::new(address(index), 0),
            advertise: Vec::new(),
            agreement,
            tuning: self.setup.tuning.clone(),
            store: (store, Vec::new()),
            seeds: seed.and_then(|seed| self.nodes[seed].node.contact().address()).into_iter().collect(),
            saved: Vec::new(),
            save_contacts: Box::new(|_| {}),
            imposed: self.paths.matrix.is_some().then(|| self.paths.clone().delays_from(index)),
        });
        let node = Arc::new(node.map_err(LabError::Net)?);
        let host = self.paths.host(index);
        self.nodes.push(LabNode { node, host });
        Ok(&self.nodes[index])
    }

    /// Waits until every node is ready; `progress` is told how many are.
    pub fn await_ready(&self, patience: Duration, progress: &mut dyn FnMut(usize)) -> Result<(), LabError> {
        let until = Instant::now() + patience;
        loop {
            let ready = self.nodes.iter().filter(|node| node.status().is_some_and(|status| status.ready)).count();
            progress(ready);
            if ready == self.nodes.len() {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(LabError::NotReady { ready, nodes: self.nodes.len() });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// The nodes.
    pub fn nodes(&self) -> &[LabNode] {
        &self.nodes
    }

    /// The direct round trip between two nodes as imposed; nothing if none is.
    pub fn direct_rtt(&self, from: usize, to: usize) -> Option<Span> {
        let matrix = self.paths.matrix.as_ref()?;
        let (a, b) = (self.paths.host(from), self.paths.host(to));
        Some((matrix.rtt(a, b) + matrix.rtt(b, a)) / 2)
    }

    /// The node with this id.
    pub fn index_of(&self, id: &Id) -> Option<usize> {
        self.nodes.iter().position(|node| node.node.id() == *id)
    }

    /// Which node is the root of this key, from the full list: the truth lookups are held against.
    pub fn true_root(&self, key: &Id) -> Option<Id> {
        self.nodes.iter().map(|node| node.node.id()).min_by_key(|id| (id.distance(key), *id))
    }

    /// A stream of chance for whoever measures.
    pub fn chance(&mut self) -> Chance {
        self.chance.fork()
    }
}

impl LabNode {
    /// Has a wish fulfilled, and waits for it.
    pub fn ask(&self, command: Command) -> Result<Reply, Failure> {
        let (tell, told) = bounded(1);
        self.node.wish(command, Box::new(move |result| drop(tell.send(result))));
        told.recv_timeout(ASK_PATIENCE).unwrap_or(Err(Failure::TimedOut))
    }

    /// How its routing stands.
    pub fn status(&self) -> Option<RouterStatus> {
        match self.ask(Command::RouterStatus) {
            Ok(Reply::Router(status)) => Some(*status),
            _ => None,
        }
    }
}

/// Which node sits on which host, and what that means for packets between them.
struct Paths {
    matrix: Option<LatencyMatrix>,
    hosts: Vec<usize>,
}

impl Paths {
    fn host(&self, node: usize) -> usize {
        self.hosts[node % self.hosts.len()]
    }

    /// What node `from` must hold its packets back for: half of it, by the rule of the transport, so the
    /// round trip told for an asymmetric pair is twice the way there.
    fn delays_from(self: Arc<Self>, from: usize) -> PathDelay {
        Arc::new(move |to: SocketAddr| {
            let (Some(matrix), Some(to)) = (&self.matrix, node_at(to.ip())) else { return Span::ZERO };
            matrix.rtt(self.host(from), self.host(to))
        })
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabError::Nodes { asked } => write!(f, "a lab has 1 to {NODES_MAX} nodes, not {asked}"),
            LabError::System(error) => write!(f, "the lab could not be set up: {error}"),
            LabError::Store(error) => error.fmt(f),
            LabError::Net(error) => error.fmt(f),
            LabError::NotReady { ready, nodes } => write!(f, "only {ready} of {nodes} nodes were ready in time"),
        }
    }
}

impl std::error::Error for LabError {}

fn open_store(dir: &Path) -> Result<Store, LabError> {
    std::fs::create_dir_all(dir).map_err(LabError::System)?;
    Store::open(dir, STORE_CACHE_BYTES).map_err(LabError::Store)
}

/// Node `n` lives at 127.1.x.y: an address each, so that paths can be told apart by address.
fn address(node: usize) -> IpAddr {
    let [high, low] = ((node + 1) as u16).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 1, high, low))
}

fn node_at(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(v4) if v4.octets()[..2] == [127, 1] => {
            let [_, _, high, low] = v4.octets();
            usize::from(u16::from_be_bytes([high, low])).checked_sub(1)
        }
        _ => None,
    }
}

/// Nodes in one lab: file descriptors (two a node) and memory allow more, patience does not.
pub const NODES_MAX: usize = 2_000;
/// How many of the first nodes serve the others as seeds.
const SEEDS: usize = 8;
/// Memory for one node's database cache: the bar is 1.5 MiB a node in all.
const STORE_CACHE_BYTES: usize = 128 << 10;
/// How often readiness is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a lab waits for one answer: the longest patience of a wish, and a little.
const ASK_PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_an_address_and_is_found_by_it() {
        for node in [0, 1, 254, 255, 256, NODES_MAX - 1] {
            assert_eq!(node_at(address(node)), Some(node));
        }
        assert_eq!(node_at(IpAddr::V4(Ipv4Addr::LOCALHOST)), None);
    }
}
