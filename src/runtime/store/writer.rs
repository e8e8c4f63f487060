//! The threads that wait for the disk.
//!
//! Owns: the storage threads, their bounded queues, and group commit: whatever waits for a store is
//! committed at once. One thread serves the stores of many nodes (a lab has one a node).
//! Never does: reorder what one shard asked for, or block whoever asks.

use super::{Report, Request, Store, UnixMillis};
use crate::machine::Reading;
use crate::overlay::contract::{DiskDone, DiskFault, DiskOp, Ticket};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use log::error;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A few storage threads; each attached store is pinned to one of them.
pub struct StoragePool {
    lanes: Vec<Lane>,
    threads: Vec<JoinHandle<()>>,
    attached: AtomicUsize,
}

/// One node's way to its store. Dropping it closes the store once what was asked before is done.
pub struct StoreHandle {
    number: usize,
    lane: Lane,
    gauges: Arc<Gauges>,
    closed: bool,
}

/// Where results go: called on the storage thread, so it must be quick and never block for long.
pub type ReportTo = Box<dyn Fn(usize, Ticket, DiskDone) + Send>;

/// The way to one thread.
#[derive(Clone)]
struct Lane {
    sender: Sender<Errand>,
    /// Bytes of values that wait in the queue.
    bytes: Arc<AtomicUsize>,
}

enum Errand {
    Attach { number: usize, store: Box<Store>, report: ReportTo, gauges: Arc<Gauges> },
    Do { number: usize, request: Box<Request> },
    Close { number: usize, done: Sender<()> },
    Stop,
}

/// What a storage thread counts for one store.
#[derive(Default)]
struct Gauges {
    commits: AtomicU64,
    commit_micros: AtomicU64,
    writes: AtomicU64,
    reads: AtomicU64,
    failed: AtomicU64,
    corrupt: AtomicU64,
    refused: AtomicU64,
    file_bytes: AtomicU64,
}

struct Attached {
    store: Store,
    report: ReportTo,
    gauges: Arc<Gauges>,
    waiting: Vec<Request>,
}

impl StoragePool {
    /// Starts this many threads (at least one).
    pub fn new(threads: usize) -> io::Result<StoragePool> {
        let mut pool = StoragePool { lanes: Vec::new(), threads: Vec::new(), attached: AtomicUsize::new(0) };
        for index in 0..threads.max(1) {
            let (sender, receiver) = bounded(QUEUE_OPS_MAX);
            let bytes = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&bytes);
            let named = thread::Builder::new().name(format!("arras-store-{index}"));
            pool.threads.push(named.spawn(move || serve(&receiver, &counted))?);
            pool.lanes.push(Lane { sender, bytes });
        }
        Ok(pool)
    }

    /// Gives a store to the thread with its turn. Load what is in it before.
    pub fn attach(&self, store: Store, report: ReportTo) -> StoreHandle {
        let number = self.attached.fetch_add(1, Ordering::Relaxed);
        let lane = self.lanes[number % self.lanes.len()].clone();
        let gauges = Arc::new(Gauges::default());
        gauges.note(&store);
        let attach = Errand::Attach { number, store: Box::new(store), report, gauges: Arc::clone(&gauges) };
        let closed = lane.sender.send(attach).is_err();
        StoreHandle { number, lane, gauges, closed }
    }
}

impl Drop for StoragePool {
    /// Closes every store once what was asked before is done, and waits for that. Handles that are still
    /// held (a program may keep a node's handle beyond its stop) find the thread ended.
    fn drop(&mut self) {
        for lane in self.lanes.drain(..) {
            // An error means the thread has ended already.
            let _ = lane.sender.send(Errand::Stop);
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!("a storage thread ended in a panic");
            }
        }
    }
}

impl StoreHandle {
    /// Asks for this; the result comes by the store's report. Where the queue is full ([`QUEUE_OPS_MAX`],
    /// [`QUEUE_BYTES_MAX`]) nothing is done and the fault comes back at once: the caller hands it to the
    /// shard as [`DiskDone::Failed`].
    pub fn send(&self, shard: usize, ticket: Ticket, op: DiskOp) -> Result<(), DiskFault> {
        let bytes = weight(&op);
        if self.lane.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes > QUEUE_BYTES_MAX {
            return Err(self.refuse(bytes, "bytes"));
        }
        let request = Box::new(Request { shard, ticket, op });
        match self.lane.sender.try_send(Errand::Do { number: self.number, request }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(self.refuse(bytes, "requests")),
            Err(TrySendError::Disconnected(_)) => Err(DiskFault::Io("the storage thread has ended".to_owned())),
        }
    }

    /// Closes the store once all that was asked before is done and reported, and waits for that.
    pub fn close(mut self) {
        self.shut();
    }

    /// What there is to read off the store.
    pub fn readings(&self, into: &mut Vec<Reading>) {
        let gauges = &self.gauges;
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        into.push(Reading::counter("store_commits_total", read(&gauges.commits)));
        let micros = read(&gauges.commit_micros);
        into.push(Reading { value: micros as f64 / 1e6, ..Reading::counter("store_commit_seconds_total", 0) });
        into.push(Reading::counter("store_writes_total", read(&gauges.writes)));
        into.push(Reading::counter("store_reads_total", read(&gauges.reads)));
        into.push(Reading::counter("store_failed_total", read(&gauges.failed)));
        into.push(Reading::counter("store_corrupt_total", read(&gauges.corrupt)));
        into.push(Reading::counter("dropped_total", read(&gauges.refused)).labelled("limit", "store_queue"));
        into.push(Reading::gauge("store_file_bytes", read(&gauges.file_bytes) as f64));
        into.push(Reading::gauge("store_queue_bytes", self.lane.bytes.load(Ordering::Relaxed) as f64));
    }

    fn refuse(&self, bytes: usize, what: &str) -> DiskFault {
        self.lane.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.gauges.refused.fetch_add(1, Ordering::Relaxed);
        DiskFault::Io(format!("too many {what} wait for the disk already"))
    }

    fn shut(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let (done, closed) = bounded(1);
        if self.lane.sender.send(Errand::Close { number: self.number, done }).is_ok() {
            // An error means the thread has ended, and its stores with it.
            let _ = closed.recv();
        }
    }
}

impl Drop for StoreHandle {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Gauges {
    fn note(&self, store: &Store) {
        self.corrupt.store(store.corrupt(), Ordering::Relaxed);
        self.file_bytes.store(store.file_bytes(), Ordering::Relaxed);
    }
}

impl Attached {
    /// Does all that waits for this store: reads as they are, writes in one commit.
    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.waiting);
        let writes = batch.iter().filter(|request| !matches!(request.op, DiskOp::ReadValue { .. })).count();
        let reads = batch.len() - writes;
        let (gauges, report) = (&self.gauges, &self.report);
        let began = Instant::now();
        self.store.apply(batch, UnixMillis::now(), &mut |Report { shard, ticket, done }| {
            if matches!(done, DiskDone::Failed(_)) {
                gauges.failed.fetch_add(1, Ordering::Relaxed);
            }
            report(shard, ticket, done);
        });
        gauges.writes.fetch_add(writes as u64, Ordering::Relaxed);
        gauges.reads.fetch_add(reads as u64, Ordering::Relaxed);
        if writes > 0 {
            gauges.commits.fetch_add(1, Ordering::Relaxed);
            gauges.commit_micros.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            gauges.note(&self.store);
        }
    }
}

/// One storage thread: waits, takes whatever waits, and commits it store by store.
fn serve(errands: &Receiver<Errand>, bytes: &AtomicUsize) {
    let mut stores: BTreeMap<usize, Attached> = BTreeMap::new();
    let mut stopped = false;
    while !stopped && let Ok(first) = errands.recv() {
        let mut room = BATCH_BYTES_MAX;
        let mut next = Some(first);
        for _ in 0..BATCH_OPS_MAX {
            let Some(errand) = next else { break };
            if let Errand::Do { request, .. } = &errand {
                let taken = weight(&request.op);
                bytes.fetch_sub(taken, Ordering::AcqRel);
                room = room.saturating_sub(taken);
            }
            stopped |= matches!(errand, Errand::Stop);
            take(errand, &mut stores);
            next = if room == 0 || stopped { None } else { errands.try_recv().ok() };
        }
        if let Some(left) = next {
            if let Errand::Do { request, .. } = &left {
                bytes.fetch_sub(weight(&request.op), Ordering::AcqRel);
            }
            stopped |= matches!(left, Errand::Stop);
            take(left, &mut stores);
        }
        stores.values_mut().for_each(Attached::flush);
    }
    stores.values_mut().for_each(Attached::flush);
}

fn take(errand: Errand, stores: &mut BTreeMap<usize, Attached>) {
    match errand {
        Errand::Attach { number, store, report, gauges } => {
            stores.insert(number, Attached { store: *store, report, gauges, waiting: Vec::new() });
        }
        Errand::Do { number, request } => {
            if let Some(attached) = stores.get_mut(&number) {
                attached.waiting.push(*request);
            }
        }
        Errand::Close { number, done } => {
            if let Some(mut attached) = stores.remove(&number) {
                attached.flush();
            }
            // Nobody waiting any more is fine.
            let _ = done.send(());
        }
        Errand::Stop => {}
    }
}

/// Bytes of memory a request holds on to, roughly.
fn weight(op: &DiskOp) -> usize {
    match op {
        DiskOp::KeepValue { value, .. } => REQUEST_BYTES + value.len(),
        DiskOp::ExtendPointers { rows, .. } => REQUEST_BYTES + std::mem::size_of_val(rows.as_slice()),
        _ => REQUEST_BYTES,
    }
}

/// Requests that wait for one thread: a second of the 4,000 writes/s a lab asks for.
pub const QUEUE_OPS_MAX: usize = 4_096;
/// Bytes of values that wait for one thread: 64 of the largest.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Requests in one round of commits: beyond some 100 a commit the gain is small (35,700/s against 4,500/s
/// one by one, issue 2), and all wait for the slowest.
const BATCH_OPS_MAX: usize = 512;
/// Bytes of values in one round of commits. A guess.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// What a request without a value weighs: its own size and a pointer's. A guess.
const REQUEST_BYTES: usize = 512;
