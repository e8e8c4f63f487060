//! The vocabulary of tests: a few nodes, virtual time, and verbs.
//!
//! Owns: what a test says to a world, in words of the field; nodes are named by their numbers.
//! Never does: know how a machine works, or wait in real time.

use super::check::{self, Wrong};
use super::churn::Churn;
use super::density::Teller;
use super::underlay::Plane;
use super::world::{Plan, World};
use crate::base::{Chance, Id, Instant, Span};
use crate::identity::Role;
use crate::overlay::router::size::SIZE_READING;
use crate::overlay::{Command, Failure, Reply, RequestId, Root};
use crate::wire::Blob;
use crate::wire::directory::Holder;
use crate::wire::object::{Receipt, Record, Value};

/// A world with a script's verbs. Everything a test draws comes from the seed as well.
pub struct Stage {
    /// The world on the stage.
    pub world: World,
    pub(super) churn: Option<Churn>,
    seed: u64,
    chance: Chance,
}

impl Stage {
    /// Nodes 0 to `n - 1` on a plane 60 ms wide, joined one after another and at rest.
    pub fn of(n: usize, seed: u64) -> Stage {
        let mut stage = Stage::bare(seed);
        stage.join(n);
        stage.rest();
        stage
    }

    /// An empty stage on a plane 60 ms wide.
    pub fn bare(seed: u64) -> Stage {
        let underlay = Box::new(Plane::new(seed, PLANE_SIDE));
        Stage::with(Plan { underlay, ..Plan::from_seed(seed) })
    }

    /// An empty stage after this plan.
    pub fn with(plan: Plan) -> Stage {
        let seed = plan.seed;
        Stage { world: World::new(plan), churn: None, seed, chance: Chance::from_seed(seed ^ STAGE_SEED) }
    }

    /// Adds this many nodes, each when the one before is ready, through a node drawn from those that
    /// are. Panics, naming the seed, if one is not ready within a minute.
    pub fn join(&mut self, count: usize) {
        for _ in 0..count {
            let node = self.enter();
            let ready = self.wait_until(JOIN_MAX, |world| world.nodes()[node].is_ready());
            assert!(ready, "seed {}: node {node} is not ready {JOIN_MAX} after its start", self.seed);
        }
    }

    /// Adds this many nodes at one moment, through nodes drawn from those that are ready (the very
    /// first through none).
    pub fn join_crowd(&mut self, count: usize) {
        for _ in 0..count {
            self.enter();
        }
    }

    /// Adds one node and lets it begin to join; gives its number.
    pub fn enter(&mut self) -> usize {
        let gate = self.any_ready(None).or_else(|| self.up().first().copied());
        self.enter_through(gate)
    }

    /// Adds one node and lets it begin to join through this one (through none, the first of a network);
    /// gives its number.
    pub fn enter_through(&mut self, gate: Option<usize>) -> usize {
        let node = self.world.add(Role::Server);
        self.world.start(node, &Vec::from_iter(gate));
        node
    }

    /// Crashes a node.
    pub fn kill(&mut self, node: usize) {
        self.world.kill(node);
    }

    /// Starts a crashed or departed node again: same key, same disk, its saved contacts, and one
    /// living node as its configured seed.
    pub fn restart(&mut self, node: usize) {
        let gate = self.any_ready(Some(node)).or_else(|| self.up().first().copied());
        self.world.start(node, &Vec::from_iter(gate));
    }

    /// Lets a node leave in good order, and waits until it is gone.
    pub fn leave(&mut self, node: usize) {
        self.world.leave(node);
        self.wait_until(JOIN_MAX, |world| !world.nodes()[node].is_up());
    }

    /// Splits the network into these groups; nodes in none form one more.
    pub fn partition(&mut self, groups: &[Vec<usize>]) {
        self.world.weather.partition(groups);
    }

    /// Ends the partition.
    pub fn heal(&mut self) {
        self.world.weather.heal();
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Span) {
        self.run_until(self.now() + span);
    }

    /// Lets time pass until all is quiet: no wish open, no node leaving, and nothing but maintenance
    /// for [`QUIET`]. Says whether it came to that within [`REST_MAX`].
    pub fn rest(&mut self) -> bool {
        let until = self.world.now() + REST_MAX;
        let begun = self.world.now();
        self.world.run_while(until, |world| {
            let quiet = world.now().since(world.stirred().max(begun)) >= QUIET;
            !quiet || world.unanswered() > 0 || world.nodes().iter().any(|node| node.is_leaving())
        })
    }

    /// Lets time pass until this holds, but no longer than that; says whether it holds.
    pub fn wait_until(&mut self, at_most: Span, holds: impl Fn(&World) -> bool) -> bool {
        let until = self.world.now() + at_most;
        self.world.run_while(until, |world| !holds(world))
    }

    /// Who is the root of this key, asked at that node, with the path?
    pub fn lookup(&mut self, from: usize, key: Id) -> Result<Root, Failure> {
        match self.ask(from, Command::Lookup { key, traced: true })? {
            Reply::Root(root) => Ok(root),
            other => panic!("seed {}: a lookup brought {other:?}", self.seed),
        }
    }

    /// Puts a blob for an hour on the configured number of nodes.
    pub fn put(&mut self, from: usize, bytes: &[u8]) -> Result<(Id, Vec<Receipt>), Failure> {
        self.put_value(from, Value::Blob(Blob::from(bytes.to_vec())), None)
    }

    /// Puts a version of a node's own record.
    pub fn put_record(&mut self, from: usize, salt: &[u8], sequence: u64, bytes: &[u8]) -> Result<Id, Failure> {
        let record = Record::sign(self.world.nodes()[from].key(), salt, sequence, bytes.to_vec());
        self.put_value(from, Value::Record(record), None).map(|(object, _)| object)
    }

    /// Puts a value for an hour.
    pub fn put_value(
        &mut self,
        from: usize,
        value: Value,
        expected: Option<u64>,
    ) -> Result<(Id, Vec<Receipt>), Failure> {
        match self.ask(from, Command::Put { value, lifetime: HOUR, replicas: 0, expected })? {
            Reply::Stored { object, receipts } => Ok((object, receipts)),
            other => panic!("seed {}: a put brought {other:?}", self.seed),
        }
    }

    /// Fetches an object.
    pub fn get(&mut self, from: usize, object: Id) -> Result<Value, Failure> {
        match self.ask(from, Command::Get { object })? {
            Reply::Value { value, .. } => Ok(value),
            other => panic!("seed {}: a get brought {other:?}", self.seed),
        }
    }

    /// Publishes a blob for an hour; gives its id and at how many roots the claim stands.
    pub fn publish(&mut self, from: usize, bytes: &[u8]) -> Result<(Id, u8), Failure> {
        let value = Value::Blob(Blob::from(bytes.to_vec()));
        match self.ask(from, Command::Publish { value, lifetime: None })? {
            Reply::Published { object, roots } => Ok((object, roots)),
            other => panic!("seed {}: a publish brought {other:?}", self.seed),
        }
    }

    /// Withdraws a node's claim; gives at how many roots.
    pub fn unpublish(&mut self, from: usize, object: Id) -> Result<u8, Failure> {
        match self.ask(from, Command::Unpublish { object })? {
            Reply::Unpublished { roots, .. } => Ok(roots),
            other => panic!("seed {}: an unpublish brought {other:?}", self.seed),
        }
    }

    /// Who holds this object?
    pub fn locate(&mut self, from: usize, object: Id) -> Result<Vec<Holder>, Failure> {
        match self.ask(from, Command::Locate { object })? {
            Reply::Holders { holders, .. } => Ok(holders),
            other => panic!("seed {}: a locate brought {other:?}", self.seed),
        }
    }

    /// Wishes something and waits for the result; if none comes within a minute it is "timed out" here,
    /// and the wish stays open for the checker to find.
    pub fn ask(&mut self, from: usize, command: Command) -> Result<Reply, Failure> {
        let request = self.world.wish(from, command);
        self.wait_until(ANSWER_MAX, |world| has_result(world, from, request));
        self.result(from, request).unwrap_or(Err(Failure::TimedOut))
    }

    /// Wishes something and does not wait.
    pub fn wish(&mut self, from: usize, command: Command) -> RequestId {
        self.world.wish(from, command)
    }

    /// The result of a wish, if there is one by now.
    pub fn result(&self, from: usize, request: RequestId) -> Option<Result<Reply, Failure>> {
        let operation = self.world.operation(from, request)?;
        operation.results.first().map(|(_, result)| result.clone())
    }

    /// The nodes that run, in order.
    pub fn up(&self) -> Vec<usize> {
        let nodes = self.world.nodes().iter().enumerate();
        nodes.filter(|(_, node)| node.is_up()).map(|(index, _)| index).collect()
    }

    /// The nodes that run and root keys, in order.
    pub fn ready(&self) -> Vec<usize> {
        let nodes = self.world.nodes().iter().enumerate();
        nodes.filter(|(_, node)| node.is_ready()).map(|(index, _)| index).collect()
    }

    /// A ready node drawn from all but this one.
    pub fn any_ready(&mut self, but: Option<usize>) -> Option<usize> {
        let ready: Vec<usize> = self.ready().into_iter().filter(|node| Some(*node) != but).collect();
        self.chance.pick(&ready).copied()
    }

    /// A key drawn from the seed.
    pub fn key(&mut self) -> Id {
        Id::from_bytes(self.chance.bytes32())
    }

    /// The stage's own chance, for what a test draws.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> Id {
        self.world.nodes()[node].contact().id()
    }

    /// The ready living node numerically closest to a key: the truth no node can see.
    pub fn root_of(&self, key: &Id) -> Option<usize> {
        check::roots::truth(&self.world, key)
    }

    /// What this node makes of how many there are; `None` before it shows anything.
    pub fn teller(&self, node: usize) -> Option<Teller> {
        let node = &self.world.nodes()[node];
        let (id, leaf_set) = (node.contact().id(), node.view()?.leaf_set.clone());
        let shown = node.readings().into_iter().find(|reading| reading.name == SIZE_READING);
        Some(Teller { id, leaf_set, shown: shown.map(|reading| reading.value) })
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Runs every checker; the stage should be at rest. Lookups and gets are made on the way.
    pub fn wrongs(&mut self) -> Vec<Wrong> {
        check::all(self)
    }
}

fn has_result(world: &World, node: usize, request: RequestId) -> bool {
    world.operation(node, request).is_some_and(|operation| !operation.results.is_empty())
}

/// How long nothing but maintenance must happen before a stage counts as quiet: longer than the
/// transport's idle time-out, so that whatever died has been noticed.
pub const QUIET: Span = Span::from_secs(45);
/// How long [`Stage::rest`] waits for quiet at most.
pub const REST_MAX: Span = Span::from_secs(600);

/// Across a continent, one way. A guess.
const PLANE_SIDE: Span = Span::from_millis(60);
/// How long a join may take. A guess: ten times what it should.
const JOIN_MAX: Span = Span::from_secs(60);
/// Longer than any operation's patience.
const ANSWER_MAX: Span = Span::from_secs(60);
/// How long test objects live.
const HOUR: Span = Span::from_hours(1);
/// Sets the stage's own draws apart from the world's.
const STAGE_SEED: u64 = 0x5374_6167_6500_0000;
