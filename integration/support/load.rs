//! Clients that go on asking while nodes are hurt.
//!
//! Owns: puts, gets and lookups at nodes that are up, a book of what became of each, and the search for
//! objects that were promised.
//! Never does: hurt a node, or excuse an operation at a node that was up from its beginning to its end.

use super::client::{Client, Stored, Trouble};
use arras::base::Chance;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the clients do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub clients: usize,
    /// Between two operations of one client.
    pub pause: Duration,
    /// So many objects are put to be kept for an hour, before the rest.
    pub lasting: usize,
    /// How long the rest is kept. `None`: there is no rest.
    pub passing: Option<Duration>,
}

/// An object that was acknowledged.
#[derive(Clone, Debug)]
pub struct Promise {
    pub id: String,
    /// The keys of those who have signed for it, in hex digits.
    pub keepers: Vec<String>,
    /// From it the bytes come again.
    seed: u64,
    /// When nobody need have it any more.
    ends: Instant,
}

/// One lookup at a node that was up all the while.
#[derive(Clone, Debug)]
pub struct Lookup {
    pub begun: Instant,
    pub took: Duration,
    /// The id of the root.
    pub root: Result<String, Trouble>,
}

/// What became of everything.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub promises: Vec<Promise>,
    pub lookups: Vec<Lookup>,
    /// Operations with a value.
    pub good: usize,
    /// Operations with an error, by what was done and the error's kind.
    pub failed: BTreeMap<String, usize>,
    /// Operations without a result, and answers that are wrong, at nodes that were up all the while. There must be none.
    pub broken: Vec<String>,
    /// Operations without a value at nodes that were hurt meanwhile.
    pub excused: usize,
}

/// Clients at work, until they are stopped.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    plan: Plan,
    doors: Vec<Mutex<Door>>,
    book: Mutex<Book>,
    stop: AtomicBool,
}

/// One node, as clients know it.
struct Door {
    client: Client,
    open: bool,
    /// How often it was shut.
    shut: u64,
}

/// What a client does next.
enum Deed {
    Put { seed: u64, kept: Duration },
    Get(Promise),
    Root(String),
}

impl Load {
    /// Clients begin to ask the nodes whose APIs these are.
    pub fn on(apis: &[String], plan: Plan) -> Load {
        let door = |api: &String| Mutex::new(Door { client: Client::of(api), open: true, shut: 0 });
        let doors = apis.iter().map(door).collect();
        let mut chance = Chance::from_seed(plan.seed);
        let count = plan.clients;
        let shared = Arc::new(Shared { plan, doors, book: Mutex::default(), stop: AtomicBool::new(false) });
        let clients = (0..count).map(|_| {
            let (shared, chance) = (Arc::clone(&shared), chance.fork());
            thread::spawn(move || shared.work(chance))
        });
        Load { clients: clients.collect(), shared }
    }

    /// Nobody is to ask this node until it is opened again: it is about to be hurt.
    pub fn shut(&self, node: usize) {
        let mut door = lock(&self.shared.doors[node]);
        door.open = false;
        door.shut += 1;
    }

    /// The node is well, and its API is here.
    pub fn open(&self, node: usize, api: &str) {
        let mut door = lock(&self.shared.doors[node]);
        door.client = Client::of(api);
        door.open = true;
    }

    /// What there is so far.
    pub fn book<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&lock(&self.shared.book))
    }

    /// Ends the clients' work, each after what it is doing.
    pub fn stop(mut self) -> Book {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("a client without a panic");
        }
        std::mem::take(&mut lock(&self.shared.book))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn work(&self, mut chance: Chance) {
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(self.plan.pause);
            let node = chance.index(self.doors.len());
            let (client, shut) = {
                let door = lock(&self.doors[node]);
                if !door.open {
                    continue;
                }
                (door.client.clone(), door.shut)
            };
            let deed = self.next(&mut chance);
            let begun = Instant::now();
            let done = done(&client, &deed);
            let hurt = lock(&self.doors[node]).shut != shut;
            self.enter(&deed, begun, done, hurt);
        }
    }

    /// Half of all are lookups; the rest are gets and, while there is something left to put, puts.
    fn next(&self, chance: &mut Chance) -> Deed {
        let (lookup, put) = (chance.happens(0.5), chance.happens(0.5));
        let (seed, book) = (chance.next_u64(), lock(&self.book));
        let lasting = book.promises.len() < self.plan.lasting;
        let kept = if lasting { Some(LASTING) } else { self.plan.passing };
        let known = book.promises.get(chance.index(book.promises.len()));
        match (kept, known) {
            _ if lookup => Deed::Root(format!("key-{seed}")),
            (Some(kept), _) if put => Deed::Put { seed, kept },
            (_, Some(promise)) if promise.ends > Instant::now() + MARGIN => Deed::Get(promise.clone()),
            _ => Deed::Root(format!("key-{seed}")),
        }
    }

    fn enter(&self, deed: &Deed, begun: Instant, done: Result<Done, Trouble>, hurt: bool) {
        let took = begun.elapsed();
        let mut book = lock(&self.book);
        if hurt && done.is_err() {
            book.excused += 1;
            return;
        }
        match &done {
            Ok(_) => book.good += 1,
            Err(trouble @ Trouble::Refused(_)) => {
                *book.failed.entry(format!("{} {trouble}", deed.name())).or_default() += 1;
            }
            Err(trouble) => book.broken.push(format!("{} after {took:?}: {trouble}", deed.name())),
        }
        match (deed, done) {
            (Deed::Put { seed, kept }, Ok(Done::Put(stored))) => {
                let Stored { id, keepers } = stored;
                book.promises.retain(|promise| promise.ends > begun);
                book.promises.push(Promise { id, keepers, seed: *seed, ends: begun + *kept });
            }
            (Deed::Get(promise), Ok(Done::Got(bytes))) if bytes != promise.bytes() => {
                book.broken.push(format!("{} has other bytes", promise.id));
            }
            (Deed::Root(_), Ok(Done::Root(root))) => book.lookups.push(Lookup { begun, took, root: Ok(root) }),
            (Deed::Root(_), Err(trouble)) => book.lookups.push(Lookup { begun, took, root: Err(trouble) }),
            _ => {}
        }
    }
}

/// What a client got.
enum Done {
    Put(Stored),
    Got(Vec<u8>),
    Root(String),
}

fn done(client: &Client, deed: &Deed) -> Result<Done, Trouble> {
    match deed {
        Deed::Put { seed, kept } => client.put(&bytes(*seed), &format!("{}s", kept.as_secs())).map(Done::Put),
        Deed::Get(promise) => client.get(&promise.id).map(Done::Got),
        Deed::Root(key) => client.root(key).map(Done::Root),
    }
}

impl Deed {
    fn name(&self) -> &'static str {
        match self {
            Deed::Put { .. } => "put",
            Deed::Get(_) => "get",
            Deed::Root(_) => "lookup",
        }
    }
}

impl Promise {
    pub fn bytes(&self) -> Vec<u8> {
        bytes(self.seed)
    }
}

impl Book {
    /// The promises these nodes do not keep: each is asked for at one of them after the other, until it comes
    /// or the patience ends. What ends sooner is not asked for.
    pub fn missing(&self, apis: &[String], patience: Duration) -> Vec<Promise> {
        let end = Instant::now() + patience;
        let owed: Vec<&Promise> = self.promises.iter().filter(|promise| promise.ends > end).collect();
        let clients: Vec<Client> = apis.iter().map(|api| Client::of(api)).collect();
        let lacks = |(index, promise): (usize, &&Promise)| {
            let mut clients = clients.iter().cycle().skip(index % clients.len());
            while clients.next().is_some_and(|client| client.get(&promise.id) != Ok(promise.bytes())) {
                if Instant::now() > end {
                    return Some((*promise).clone());
                }
                thread::sleep(Duration::from_millis(100));
            }
            None
        };
        let seek = |owed: &[&Promise]| owed.iter().enumerate().filter_map(lacks).collect::<Vec<_>>();
        thread::scope(|scope| {
            let portions = owed.chunks(owed.len().div_ceil(SEEKERS).max(1));
            let seekers: Vec<_> = portions.map(|owed| scope.spawn(move || seek(owed))).collect();
            seekers.into_iter().flat_map(|seeker| seeker.join().expect("sought")).collect()
        })
    }

    /// No operation at a node that was up ended without a result or with a wrong one.
    #[track_caller]
    pub fn assert_results(&self) {
        let shown = &self.broken[..self.broken.len().min(SHOWN)];
        assert!(shown.is_empty(), "{} of {} broken: {shown:?}", self.broken.len(), self.good);
    }

    /// Of the lookups begun in this time, how many there are, and how many failed.
    pub fn lookups_in(&self, time: std::ops::Range<Instant>) -> (usize, Vec<&Lookup>) {
        let begun: Vec<&Lookup> = self.lookups.iter().filter(|lookup| time.contains(&lookup.begun)).collect();
        (begun.len(), begun.into_iter().filter(|lookup| lookup.root.is_err()).collect())
    }
}

/// The bytes that belong to a seed: 128 to 7,968 of them.
fn bytes(seed: u64) -> Vec<u8> {
    let mut chance = Chance::from_seed(seed);
    let blocks = 4 + chance.index(246);
    (0..blocks).flat_map(|_| chance.bytes32()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than any test.
const LASTING: Duration = Duration::from_secs(3_600);
/// What ends within this is no longer asked for: it may end while it is on its way.
const MARGIN: Duration = Duration::from_secs(30);
/// Threads that search. A guess.
const SEEKERS: usize = 4;
/// Broken operations shown.
const SHOWN: usize = 12;
