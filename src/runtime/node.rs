//! A node as a process runs it: from a configuration to a goodbye.
//!
//! Owns: opening the data directory and the store, starting the threads, the node and its API, and
//! stopping them in order.
//! Never does: exit the process, or catch a signal: that is the tool's.

use super::api::{self, ApiError, ApiServer, Served};
use super::config::Config;
use super::data_dir::{DataDir, DataDirError};
use super::handle::{Done, Handle, NodePort};
use super::host::{Host, LocalNode, NodeSetup, NodeTuning, Threads};
use super::net::NetError;
use super::store::{Store, StoreError, UnixMillis};
use crate::base::Span;
use crate::identity::Contact;
use crate::machine::Reading;
use crate::overlay::Command;
use crate::overlay::contract::Stored;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A running node.
pub struct Node {
    port: Arc<Port>,
    served: Served,
    // Last, so that they end last: the threads, then the lock on the data directory.
    _api: ApiServer,
    _host: Host,
    _dir: Arc<DataDir>,
}

/// Why there is no node.
#[derive(Debug)]
pub enum StartError {
    /// The data directory is another node's, damaged, or not to be had.
    DataDir(DataDirError),
    /// The store cannot be opened.
    Store(StoreError),
    /// The API's address cannot be listened on.
    Api(ApiError),
    /// The UDP socket cannot be opened.
    Net(NetError),
    /// A thread cannot be started.
    System(io::Error),
}

impl Node {
    /// Starts a node. It joins by itself, for ever: whether it has its place yet is what its status, or
    /// [`Handle::wait_ready`], tells.
    pub fn start(config: Config) -> Result<Node, StartError> {
        let dir = Arc::new(DataDir::open(&config.node.data_dir).map_err(StartError::DataDir)?);
        // Addresses first: what is in use is the likeliest trouble.
        let listener = api::bind(config.api.listen).map_err(StartError::Api)?;
        let token = api_token(&config, &dir)?;
        let identity = dir.identity(config.network.puzzle_bits).map_err(StartError::DataDir)?;
        let now = UnixMillis::now();
        let sequence = dir.next_sequence(now.0).map_err(StartError::DataDir)?;
        let store = open_store(&config, now)?;
        let host = Host::start(Threads { objects: config.node.shards, storage: 1 }).map_err(StartError::System)?;
        let keeping = dir.clone();
        let setup = NodeSetup {
            secret: identity.key,
            name: identity.name,
            sequence,
            role: config.node.role,
            listen: config.overlay.listen,
            advertise: config.overlay.advertise.clone(),
            agreement: config.network.clone(),
            tuning: NodeTuning {
                router: config.router.clone(),
                forwarder: config.forwarder.clone(),
                directory: config.directory.clone(),
                shards: config.node.shards,
            },
            store,
            seeds: config.overlay.seeds.clone(),
            saved: dir.contacts(),
            save_contacts: Box::new(move |cards| {
                if let Err(error) = keeping.save_contacts(&cards) {
                    log::warn!("contacts are not saved for the next start: {error}");
                }
            }),
            imposed: None,
        };
        let local = host.add(setup).map_err(StartError::Net)?;
        let port = Arc::new(Port { local, network: config.network.network });
        let api = ApiServer::start().map_err(StartError::System)?;
        let served = api.serve(listener, port.clone(), token.as_deref()).map_err(StartError::System)?;
        dir.note_api(served.address()).map_err(StartError::DataDir)?;
        Ok(Node { port, served, _api: api, _host: host, _dir: dir })
    }

    /// A handle for programs.
    pub fn handle(&self) -> Handle {
        Handle::new(self.port.clone())
    }

    /// The port under the handle.
    pub fn port(&self) -> Arc<dyn NodePort> {
        self.port.clone()
    }

    /// Where its API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.served.address()
    }

    /// Where the node listens for its peers.
    pub fn address(&self) -> Option<SocketAddr> {
        self.port.local.contact().address()
    }

    /// Hands over, says farewell and closes, within this patience. Says whether all was done in time.
    pub fn stop(self, patience: Span) -> bool {
        self.port.local.leave(patience)
    }

    /// Stops at once, as a crash would: what was acknowledged is on disk.
    pub fn crash(self) {
        self.port.local.crash();
    }
}

/// The way to a node of this process.
struct Port {
    local: LocalNode,
    network: String,
}

impl NodePort for Port {
    fn contact(&self) -> Arc<Contact> {
        self.local.contact().clone()
    }

    fn network(&self) -> String {
        self.network.clone()
    }

    fn shards(&self) -> usize {
        self.local.shards()
    }

    fn wish(&self, command: Command, done: Done) {
        self.local.wish(command, done);
    }

    fn readings(&self, done: Box<dyn FnOnce(Vec<Reading>) + Send>) {
        self.local.readings_to(done);
    }
}

impl NodePort for LocalNode {
    fn contact(&self) -> Arc<Contact> {
        LocalNode::contact(self).clone()
    }

    fn network(&self) -> String {
        LAB_NETWORK.to_owned()
    }

    fn shards(&self) -> usize {
        LocalNode::shards(self)
    }

    fn wish(&self, command: Command, done: Done) {
        LocalNode::wish(self, command, done);
    }

    fn readings(&self, done: Box<dyn FnOnce(Vec<Reading>) + Send>) {
        self.readings_to(done);
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::DataDir(error) => error.fmt(f),
            StartError::Store(error) => error.fmt(f),
            StartError::Api(error) => error.fmt(f),
            StartError::Net(error) => error.fmt(f),
            StartError::System(error) => write!(f, "the node's threads cannot be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// The API's token, if it needs one: the configured one, or the data directory's where others than this
/// computer could reach it.
fn api_token(config: &Config, dir: &DataDir) -> Result<Option<String>, StartError> {
    if config.api.token.is_some() || config.api.listen.ip().is_loopback() {
        return Ok(config.api.token.clone());
    }
    dir.api_token().map(Some).map_err(StartError::DataDir)
}

fn open_store(config: &Config, now: UnixMillis) -> Result<(Store, Vec<Stored>), StartError> {
    let mut store = Store::open(&config.node.data_dir, config.store.cache_bytes).map_err(StartError::Store)?;
    let mut stored = Vec::new();
    store.load(now, LOAD_PORTION, &mut |portion| stored.extend(portion)).map_err(StartError::Store)?;
    Ok((store, stored))
}

/// The network of every lab.
pub(super) const LAB_NETWORK: &str = "lab";
/// Entries read from disk at once.
const LOAD_PORTION: usize = 4_096;
