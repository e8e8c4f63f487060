//! What the store promises, and keeps when the disk fails.
//!
//! Owns: the tests of the store and its threads.
//! Never does: touch anything outside a temporary directory.

use super::*;
use crate::base::Span;
use crate::identity::{Contact, NodeName, Role, SecretKey};
use crate::overlay::contract::Terms;
use crate::wire::codec::Blob;
use crate::wire::object::{Pointer, Record};
use proptest::prelude::*;
use redb::StorageBackend;
use redb::backends::FileBackend;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

pub(super) const NOW: UnixMillis = UnixMillis(1_000_000);

pub(super) fn blob(text: &str) -> Value {
    Value::Blob(Blob::from(text.as_bytes().to_vec()))
}

pub(super) fn keep(value: &Value, secs: u64) -> DiskOp {
    DiskOp::KeepValue { value: value.clone(), terms: Terms::replica(Span::from_secs(secs)) }
}

pub(super) fn pointer(seed: u8, object: Id) -> Pointer {
    let key = SecretKey::from_seed([seed; 32]);
    let name = NodeName::solve(key.public(), 0);
    let contact = Contact::sign(&key, name, &["127.0.0.1:1".parse().expect("an address")], Role::Server, 1);
    Pointer::sign(&key, contact, object, 1, Span::from_hours(1))
}

/// Does these for shard 0, and says what came of each.
pub(super) fn done(store: &mut Store, ops: Vec<DiskOp>) -> Vec<DiskDone> {
    let batch = ops.into_iter().enumerate();
    let batch = batch.map(|(n, op)| Request { shard: 0, ticket: Ticket(n as u64), op }).collect();
    let mut reports = Vec::new();
    store.apply(batch, NOW, &mut |report| {
        assert_eq!(report.ticket, Ticket(reports.len() as u64), "reports come in order");
        reports.push(report.done);
    });
    reports
}

fn read(store: &mut Store, object: Id) -> Option<Value> {
    match done(store, vec![DiskOp::ReadValue { object }]).pop() {
        Some(DiskDone::Read(value)) => value,
        other => panic!("{other:?}"),
    }
}

pub(super) fn loaded(store: &mut Store, now: UnixMillis) -> Vec<Stored> {
    let mut all = Vec::new();
    store.load(now, 2, &mut |portion| all.extend(portion)).expect("loads");
    all
}

#[test]
fn what_is_kept_is_there_after_a_restart_with_the_rest_of_its_lifetime() {
    let dir = tempfile::tempdir().expect("a directory");
    let (value, claim) = (blob("hello"), pointer(1, Id::MAX));
    {
        let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
        let keep_pointer =
            DiskOp::KeepPointer { root: Id::ZERO, pointer: claim.clone(), remaining: Span::from_secs(50) };
        let reports = done(&mut store, vec![keep(&value, 100), keep_pointer, DiskOp::ReadValue { object: value.id() }]);
        assert!(matches!(&reports[..], [DiskDone::Kept, DiskDone::Kept, DiskDone::Read(Some(v))] if *v == value));
    }
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens again");
    let later = NOW.after(Span::from_secs(10));
    match &loaded(&mut store, later)[..] {
        [
            Stored::Value { object, version: 0, bytes: 5, terms },
            Stored::Pointer { root: Id::ZERO, pointer, remaining: rest },
        ] => {
            assert_eq!(
                (*object, *terms, *rest),
                (value.id(), Terms::replica(Span::from_secs(90)), Span::from_secs(40))
            );
            assert_eq!(**pointer, claim);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(loaded(&mut store, NOW.after(Span::from_secs(60))).len(), 1, "the pointer has expired");
    assert_eq!(loaded(&mut store, later).len(), 1, "and was forgotten for good");
}

#[test]
fn extended_pointers_last_longer_after_a_restart_and_nothing_else_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let (claim, other) = (pointer(1, Id::MAX), pointer(2, Id::MAX));
    let keep = |pointer: &Pointer| DiskOp::KeepPointer {
        root: Id::ZERO,
        pointer: pointer.clone(),
        remaining: Span::from_secs(50),
    };
    let key = SecretKey::from_seed([1; 32]);
    let addresses = ["127.0.0.1:2".parse().expect("an address")];
    let moved = Arc::new(Contact::sign(&key, *claim.holder.name(), &addresses, Role::Server, 2));
    let rows = vec![(Id::ZERO, Span::from_secs(80)), (Id::MAX, Span::from_secs(80))];
    {
        let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
        let extend = DiskOp::ExtendPointers { holder: Arc::clone(&moved), rows };
        let reports = done(&mut store, vec![keep(&claim), keep(&other), extend]);
        assert!(matches!(reports[..], [DiskDone::Kept, DiskDone::Kept, DiskDone::Kept]));
    }
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens again");
    match &loaded(&mut store, NOW.after(Span::from_secs(60)))[..] {
        [Stored::Pointer { root: Id::ZERO, pointer, remaining }] => {
            assert_eq!((*remaining, &pointer.holder, pointer.holds()), (Span::from_secs(20), &*moved, true));
        }
        others => panic!("{others:?}"),
    }
}

#[test]
fn a_newer_record_replaces_the_older_and_a_drop_removes_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
    let key = SecretKey::from_seed([7; 32]);
    let record = |sequence, text: &str| Value::Record(Record::sign(&key, b"s", sequence, text.as_bytes().to_vec()));
    done(&mut store, vec![keep(&record(1, "one"), 9), keep(&record(2, "two"), 9)]);
    let id = record(1, "one").id();
    assert_eq!(read(&mut store, id), Some(record(2, "two")));
    assert!(matches!(loaded(&mut store, NOW)[..], [Stored::Value { version: 2, .. }]));
    assert!(matches!(done(&mut store, vec![DiskOp::DropValue { object: id }])[..], [DiskDone::Dropped]));
    assert_eq!(read(&mut store, id), None);
}

#[test]
fn values_of_every_size_come_back_whole_and_a_shorter_version_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
    for size in [0, 1, row::PIECE_BYTES - 9, row::PIECE_BYTES, row::PIECE_BYTES + 1, 1 << 20] {
        let value = Value::Blob(Blob::from(vec![7; size]));
        assert!(matches!(done(&mut store, vec![keep(&value, 9)])[..], [DiskDone::Kept]));
        assert_eq!(read(&mut store, value.id()), Some(value));
    }
    let key = SecretKey::from_seed([7; 32]);
    for (sequence, size) in [(1, 300_000), (2, 100_000), (3, 5), (4, 1 << 20)] {
        let record = Value::Record(Record::sign(&key, b"s", sequence, vec![1; size]));
        done(&mut store, vec![keep(&record, 9)]);
        assert_eq!(read(&mut store, record.id()), Some(record));
    }
}

#[test]
fn a_value_that_does_not_stand_under_its_id_is_taken_as_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
    let value = blob("sound");
    done(&mut store, vec![keep(&value, 9)]);
    let transaction = store.database.as_ref().expect("open").begin_write().expect("writes");
    let other = codec::encode(&blob("other"));
    transaction.open_table(PIECES).expect("a table").insert(&piece_key(&value.id(), 0), other.as_slice()).expect("in");
    transaction.commit().expect("commits");
    assert_eq!((read(&mut store, value.id()), store.corrupt()), (None, 1));
}

#[test]
fn a_second_opening_and_a_damaged_file_are_refused_with_nothing_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(STORE_FILE);
    let store = Store::open(dir.path(), 1 << 20).expect("opens");
    assert_eq!(Store::open(dir.path(), 1 << 20).err(), Some(StoreError::Locked { path: path.clone() }));
    drop(store);
    let nonsense = vec![0x5a; 64 << 10];
    std::fs::write(&path, &nonsense).expect("writes");
    assert!(matches!(Store::open(dir.path(), 1 << 20), Err(StoreError::Corrupt { .. })));
    assert_eq!(std::fs::read(&path).expect("reads"), nonsense);
}

#[test]
fn a_beginning_that_was_interrupted_is_begun_again() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(BEGUN_FILE), vec![0; 64 << 10]).expect("writes");
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
    assert!(matches!(done(&mut store, vec![keep(&blob("kept"), 9)])[..], [DiskDone::Kept]));
    drop(store);
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens again");
    assert_eq!(read(&mut store, blob("kept").id()), Some(blob("kept")));
    assert!(!dir.path().join(BEGUN_FILE).exists());
}

#[test]
fn a_layout_of_a_newer_release_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), 1 << 20).expect("opens");
    let transaction = store.database.as_ref().expect("open").begin_write().expect("writes");
    transaction.open_table(PARTICULARS).expect("a table").insert(LAYOUT, 9).expect("in");
    transaction.commit().expect("commits");
    drop(store);
    assert!(matches!(Store::open(dir.path(), 1 << 20), Err(StoreError::Format { found: 9, .. })));
}

#[test]
fn a_store_of_the_layout_before_is_read_and_becomes_one_of_this() {
    let dir = tempfile::tempdir().expect("a directory");
    let value = blob("from before");
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
    assert!(matches!(done(&mut store, vec![keep(&value, 100)])[..], [DiskDone::Kept]));
    // As the first layout had it: version, one moment for all, bytes, what it is kept for (here both), pieces.
    let mut old = [0; 27];
    old[8..16].copy_from_slice(&NOW.after(Span::from_secs(60)).0.to_le_bytes());
    (old[16], old[24], old[25]) = (11, 2, 1);
    let transaction = store.database.as_ref().expect("open").begin_write().expect("writes");
    transaction.open_table(HEADERS).expect("a table").insert(value.id().as_bytes(), &old[..]).expect("in");
    transaction.open_table(PARTICULARS).expect("a table").insert(LAYOUT, LAYOUT_BEFORE).expect("in");
    transaction.commit().expect("commits");
    drop(store);
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens again");
    let minute = Some(Span::from_secs(60));
    match &loaded(&mut store, NOW)[..] {
        [Stored::Value { bytes: 11, terms: Terms { replica, published }, .. }] => {
            assert_eq!((*replica, *published), (minute, minute));
        }
        other => panic!("{other:?}"),
    }
    // Its publication ends; as a replica it stays for as long as it was to.
    let terms = Terms::replica(Span::from_secs(30));
    let set = DiskOp::SetTerms { object: value.id(), terms };
    let reports = done(&mut store, vec![set, DiskOp::ReadValue { object: value.id() }]);
    assert!(matches!(&reports[..], [DiskDone::Kept, DiskDone::Read(Some(read))] if *read == value));
    drop(store);
    let mut store = Store::open(dir.path(), 1 << 20).expect("opens once more");
    assert!(matches!(&loaded(&mut store, NOW)[..], [Stored::Value { terms: kept, .. }] if *kept == terms));
    let read = store.database.as_ref().expect("open").begin_read().expect("reads");
    let layout = read.open_table(PARTICULARS).expect("a table").get(LAYOUT).expect("read").expect("there").value();
    assert_eq!(layout, LAYOUT_NOW);
}

/// A file that stops growing, or fails to sync, when told.
#[derive(Debug)]
struct Failing {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Failing {
    fn check(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

#[test]
fn a_full_disk_promises_nothing_loses_nothing_and_is_forgiven_when_there_is_space_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&full);
    let opener = move |path: &Path| {
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        Builder::new().create_with_backend(Failing { file: FileBackend::new(file)?, full: Arc::clone(&seen) })
    };
    let mut store = Store::open_with(dir.path().join(STORE_FILE), Box::new(opener)).expect("opens");
    let (early, late) = (blob("early"), blob("late"));
    assert!(matches!(done(&mut store, vec![keep(&early, 99)])[..], [DiskDone::Kept]));
    full.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let reports = done(&mut store, vec![keep(&late, 99), DiskOp::DropValue { object: early.id() }]);
        assert!(
            matches!(&reports[..], [DiskDone::Failed(DiskFault::Full), DiskDone::Failed(DiskFault::Full)]),
            "{reports:?}"
        );
    }
    full.store(false, Ordering::Relaxed);
    assert_eq!(read(&mut store, early.id()), Some(early));
    assert!(matches!(done(&mut store, vec![keep(&late, 99)])[..], [DiskDone::Kept]));
    assert_eq!(read(&mut store, late.id()), Some(late));
}

#[test]
fn one_thread_serves_many_stores_each_shard_in_order() {
    let pool = StoragePool::new(2).expect("threads");
    let (sender, reports) = mpsc::channel();
    let dirs: Vec<_> = (0..5).map(|_| tempfile::tempdir().expect("a directory")).collect();
    let handles: Vec<StoreHandle> = dirs
        .iter()
        .enumerate()
        .map(|(node, dir)| {
            let sender = sender.clone();
            let report = move |shard, ticket, done| drop(sender.send((node, shard, ticket, done)));
            pool.attach(Store::open(dir.path(), 256 << 10).expect("opens"), Box::new(report))
        })
        .collect();
    let rounds = 20u64;
    for round in 0..rounds {
        for (node, handle) in handles.iter().enumerate() {
            for shard in 0..2 {
                let value = blob(&format!("{node} {shard} {round}"));
                let ticket = |n| Ticket(round * 2 + n);
                handle.send(shard, ticket(0), keep(&value, 99)).expect("room");
                handle.send(shard, ticket(1), DiskOp::ReadValue { object: value.id() }).expect("room");
            }
        }
    }
    let mut next: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for _ in 0..rounds * 2 * 2 * 5 {
        let (node, shard, ticket, done) = reports.recv_timeout(Duration::from_secs(20)).expect("a report");
        let expected = next.entry((node, shard)).or_insert(0);
        assert_eq!(ticket, Ticket(*expected));
        *expected += 1;
        assert!(matches!(done, DiskDone::Kept | DiskDone::Read(Some(_))), "{done:?}");
    }
    for handle in handles {
        handle.close();
    }
    for dir in &dirs {
        let mut store = Store::open(dir.path(), 256 << 10).expect("closed stores open again");
        assert_eq!(loaded(&mut store, NOW).len(), rounds as usize * 2);
    }
}

#[test]
fn a_full_queue_refuses_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let pool = StoragePool::new(1).expect("a thread");
    let (block, blocked) = mpsc::channel::<()>();
    let report = move |_, _, _| {
        // Ends with an error when the test lets go.
        let _ = blocked.recv();
    };
    let handle = pool.attach(Store::open(dir.path(), 1 << 20).expect("opens"), Box::new(report));
    let big = Value::Blob(Blob::from(vec![0; 1 << 20]));
    let refused = (0..200).any(|n| handle.send(0, Ticket(n), keep(&big, 9)).is_err());
    assert!(refused);
    let mut readings = Vec::new();
    handle.readings(&mut readings);
    assert!(readings.iter().any(|reading| reading.name == "dropped_total" && reading.value >= 1.0));
    drop(block);
}

#[derive(Clone, Debug)]
enum Step {
    Keep(u8, u64),
    Drop(u8),
    Read(u8),
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8, 1..50u64).prop_map(|(name, secs)| Step::Keep(name, secs)),
        2 => (0..6u8).prop_map(Step::Drop),
        3 => (0..6u8).prop_map(Step::Read),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_sequence_of_steps_tells_the_store_from_a_map(steps in prop::collection::vec(any_step(), 1..40)) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(dir.path(), 1 << 20).expect("opens");
        let mut model: BTreeMap<u8, u64> = BTreeMap::new();
        let named = |name: u8| blob(&format!("value {name}"));
        for step in steps {
            match step {
                Step::Keep(name, secs) => {
                    done(&mut store, vec![keep(&named(name), secs)]);
                    model.insert(name, secs);
                }
                Step::Drop(name) => {
                    done(&mut store, vec![DiskOp::DropValue { object: named(name).id() }]);
                    model.remove(&name);
                }
                Step::Read(name) => {
                    prop_assert_eq!(read(&mut store, named(name).id()).is_some(), model.contains_key(&name));
                }
                Step::Restart => {
                    drop(store);
                    store = Store::open(dir.path(), 1 << 20).expect("opens");
                    let mut lifetimes: Vec<Span> = loaded(&mut store, NOW).iter().map(|stored| match stored {
                        Stored::Value { terms, .. } => terms.end().expect("kept for something"),
                        Stored::Pointer { remaining, .. } => *remaining,
                    }).collect();
                    lifetimes.sort();
                    let mut expected: Vec<Span> = model.values().map(|secs| Span::from_secs(*secs)).collect();
                    expected.sort();
                    prop_assert_eq!(lifetimes, expected);
                }
            }
        }
    }
}

#[test]
fn a_pool_ends_and_closes_its_stores_though_a_handle_is_held() {
    let dir = tempfile::tempdir().expect("a directory");
    let pool = StoragePool::new(1).expect("a thread");
    let (sender, reports) = mpsc::channel();
    let report = move |_, _, done| drop(sender.send(done));
    let handle = pool.attach(Store::open(dir.path(), 1 << 20).expect("opens"), Box::new(report));
    let value = Value::Blob(Blob::from(b"kept".to_vec()));
    handle.send(0, Ticket(1), keep(&value, 9)).expect("room");
    drop(pool);
    assert!(matches!(reports.recv(), Ok(DiskDone::Kept)), "what was asked before is done");
    assert!(handle.send(0, Ticket(2), keep(&value, 9)).is_err());
    Store::open(dir.path(), 1 << 20).expect("closed, so another may open it");
    handle.close();
}
