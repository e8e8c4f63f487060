//! What a node keeps on disk.
//!
//! Owns: the database file: values and pointers by id, one durable commit for many writes, and opening it
//! again after a fault.
//! Never does: run a thread (that is `writer`), decide what is worth keeping, or answer a write before it is
//! on stable storage.

mod fault;
mod row;
pub mod writer;

pub use fault::StoreError;
pub use row::UnixMillis;
pub use writer::{StoragePool, StoreHandle};

use crate::base::Id;
use crate::identity::Contact;
use crate::overlay::contract::{DiskDone, DiskFault, DiskOp, Stored, Ticket};
use crate::wire::codec;
use crate::wire::object::Value;
use fault::Trouble;
use log::warn;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, Table, WriteTransaction};
use row::{HEADERS, Header, LAYOUT, LAYOUT_BEFORE, LAYOUT_NOW, PARTICULARS, PIECES, POINTERS, piece_key};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// One node's values and pointers on disk.
pub struct Store {
    path: PathBuf,
    opener: Opener,
    /// `None` after a fault: the database refuses everything then, and is opened again at the next use.
    database: Option<Database>,
    corrupt: u64,
}

/// What a shard wants of the disk.
#[derive(Debug)]
pub struct Request {
    /// Which shard.
    pub shard: usize,
    /// Its name for it.
    pub ticket: Ticket,
    /// What.
    pub op: DiskOp,
}

/// What the disk did for a shard.
#[derive(Debug)]
pub struct Report {
    /// Which shard.
    pub shard: usize,
    /// Its name for it.
    pub ticket: Ticket,
    /// What came of it.
    pub done: DiskDone,
}

type Opener = Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send>;

impl Store {
    /// Opens (or begins) the store of a data directory, with this much memory for the database's cache.
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Store, StoreError> {
        let opener = move |path: &Path| Builder::new().set_cache_size(cache_bytes).create(path);
        let path = dir.join(STORE_FILE);
        if !path.exists() {
            Store::begin(dir, &path, Box::new(opener))?;
        }
        Store::open_with(path, Box::new(opener))
    }

    /// Begins a store under another name, and gives it its own once it is whole and on stable storage: a beginning that was
    /// interrupted is not taken for a damaged store.
    fn begin(dir: &Path, path: &Path, opener: Opener) -> Result<(), StoreError> {
        let begun = dir.join(BEGUN_FILE);
        let of_io = |error: &io::Error| StoreError::of_io(error, begun.clone());
        match std::fs::remove_file(&begun) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of_io(&error)),
            _ => {}
        }
        drop(Store::open_with(begun.clone(), opener)?);
        let synced = File::open(&begun).and_then(|file| file.sync_all());
        let named = synced.and_then(|()| std::fs::rename(&begun, path));
        // The file's name must be as durable as its content.
        named.and_then(|()| File::open(dir)?.sync_all()).map_err(|error| of_io(&error))
    }

    /// The same over a database opened by other means: how tests let the disk fail.
    fn open_with(path: PathBuf, opener: Opener) -> Result<Store, StoreError> {
        let mut store = Store { path, opener, database: None, corrupt: 0 };
        store.reopen()?;
        Ok(store)
    }

    /// Hands out what is kept, a portion of at most `portion` entries at a time, before anything else is
    /// asked of the store. What has expired meanwhile, or cannot be read, is forgotten.
    pub fn load(
        &mut self,
        now: UnixMillis,
        portion: usize,
        each: &mut dyn FnMut(Vec<Stored>),
    ) -> Result<(), StoreError> {
        let mut waste = Waste::default();
        let scanned = guarded(|| scan(self.ready()?, now, portion.max(1), each, &mut waste));
        scanned.map_err(|trouble| self.trouble_at_start(trouble))?;
        self.corrupt += waste.unreadable;
        if waste.unreadable > 0 {
            warn!("{}: {} unreadable entries were dropped", self.path.display(), waste.unreadable);
        }
        if waste.is_empty() {
            return Ok(());
        }
        guarded(|| waste.sweep(self.ready()?)).map_err(|trouble| self.trouble_at_start(trouble))
    }

    /// Does all of this, in order, and reports each by `report`, per shard in order. All writes share one
    /// commit, and are reported once that is on stable storage; a read with no write of its shard before it
    /// does not wait for that. If the commit fails, so does every write of the batch.
    pub fn apply(&mut self, batch: Vec<Request>, now: UnixMillis, report: &mut dyn FnMut(Report)) {
        let mut writing: BTreeSet<usize> = BTreeSet::new();
        let mut behind = Vec::with_capacity(batch.len());
        for request in batch {
            match request.op {
                DiskOp::ReadValue { object } if !writing.contains(&request.shard) => {
                    let done = self.read(&object);
                    report(Report { shard: request.shard, ticket: request.ticket, done });
                }
                _ => {
                    writing.insert(request.shard);
                    behind.push(request);
                }
            }
        }
        if behind.is_empty() {
            return;
        }
        let written = guarded(|| write(self.ready()?, &behind, now));
        let fault = written.map_err(|trouble| self.give_up(trouble)).err();
        for Request { shard, ticket, op } in behind {
            let done = match (&fault, op) {
                (_, DiskOp::ReadValue { object }) => self.read(&object),
                (Some(fault), _) => DiskDone::Failed(fault.clone()),
                (None, DiskOp::DropValue { .. } | DiskOp::DropPointer { .. }) => DiskDone::Dropped,
                (None, _) => DiskDone::Kept,
            };
            report(Report { shard, ticket, done });
        }
    }

    /// Values and pointers found unreadable so far.
    pub fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// Bytes of the database file.
    pub fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&mut self, object: &Id) -> DiskDone {
        let read = guarded(|| {
            let transaction = self.ready()?.begin_read()?;
            let pieces = transaction.open_table(PIECES)?;
            let mut bytes = Vec::new();
            for piece in
                pieces.range::<&[u8; row::PIECE_KEY_BYTES]>(&piece_key(object, 0)..=&piece_key(object, u16::MAX))?
            {
                bytes.extend_from_slice(piece?.1.value());
            }
            Ok((!bytes.is_empty()).then(|| sound_value(&bytes, object)))
        });
        match read {
            Ok(None) => DiskDone::Read(None),
            Ok(Some(Some(value))) => DiskDone::Read(Some(value)),
            Ok(Some(None)) => {
                self.corrupt += 1;
                warn!("{}: value {object} does not stand under its id: taken as missing", self.path.display());
                DiskDone::Read(None)
            }
            Err(trouble) => DiskDone::Failed(self.give_up(trouble)),
        }
    }

    /// The open database, opened again if an earlier fault closed it.
    fn ready(&mut self) -> Result<&Database, Trouble> {
        if self.database.is_none() {
            self.reopen().map_err(Trouble::Reopen)?;
        }
        self.database.as_ref().ok_or(Trouble::Panicked("not open".to_owned()))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let opened = catch_unwind(AssertUnwindSafe(|| (self.opener)(&self.path)));
        let database = match opened {
            Ok(opened) => opened.map_err(|error| StoreError::of(error, self.path.clone()))?,
            Err(panic) => return Err(StoreError::Corrupt { path: self.path.clone(), detail: words_of(&*panic) }),
        };
        let prepared = guarded(|| prepare(&database));
        match prepared {
            Ok(LAYOUT_NOW) => self.database = Some(database),
            Ok(found) => return Err(StoreError::Format { path: self.path.clone(), found }),
            Err(trouble) => return Err(self.trouble_at_start(trouble)),
        }
        Ok(())
    }

    /// After any fault the database is closed: redb refuses all further use of it, and only opening it
    /// again tells what is really on disk.
    fn give_up(&mut self, trouble: Trouble) -> DiskFault {
        let database = self.database.take();
        // Closing writes as well, and so may fail again.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
        let fault = trouble.fault();
        warn!("{}: {trouble:?}", self.path.display());
        fault
    }

    fn trouble_at_start(&self, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Reopen(error) => error,
            Trouble::Panicked(detail) => StoreError::Corrupt { path: self.path.clone(), detail },
            Trouble::Database(redb::Error::Io(error)) => StoreError::of_io(&error, self.path.clone()),
            Trouble::Database(error) => StoreError::Corrupt { path: self.path.clone(), detail: error.to_string() },
        }
    }
}

/// Rows found at the start that are to go.
#[derive(Default)]
struct Waste {
    values: Vec<Id>,
    pointers: Vec<[u8; row::POINTER_KEY_BYTES]>,
    unreadable: u64,
}

impl Waste {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.pointers.is_empty()
    }

    fn sweep(&self, database: &Database) -> Result<(), Trouble> {
        let transaction = database.begin_write()?;
        {
            let mut tables = Tables::open(&transaction)?;
            self.values.iter().try_for_each(|object| tables.drop_value(object))?;
            for key in &self.pointers {
                tables.pointers.remove(key)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// Makes the tables of a new database, and says which layout an old one has. One of the layout before is of the present one
/// from now on: its rows are read as they are, and earlier releases would not understand those that are written now.
fn prepare(database: &Database) -> Result<u64, Trouble> {
    if let Ok(table) = database.begin_read()?.open_table(PARTICULARS)
        && let Some(layout) = table.get(LAYOUT)?.map(|layout| layout.value()).filter(|layout| *layout != LAYOUT_BEFORE)
    {
        return Ok(layout);
    }
    let transaction = database.begin_write()?;
    transaction.open_table(PARTICULARS)?.insert(LAYOUT, LAYOUT_NOW)?;
    transaction.open_table(HEADERS)?;
    transaction.open_table(PIECES)?;
    transaction.open_table(POINTERS)?;
    transaction.commit()?;
    Ok(LAYOUT_NOW)
}

fn scan(
    database: &Database,
    now: UnixMillis,
    portion: usize,
    each: &mut dyn FnMut(Vec<Stored>),
    waste: &mut Waste,
) -> Result<(), Trouble> {
    let transaction = database.begin_read()?;
    let mut found = Vec::new();
    let mut hand_over = |stored: Stored| {
        found.push(stored);
        if found.len() >= portion {
            each(std::mem::take(&mut found));
        }
    };
    for entry in transaction.open_table(HEADERS)?.iter()? {
        let (key, row) = entry?;
        let (object, header) = (Id::from_bytes(*key.value()), Header::decode(row.value()));
        match header.and_then(|header| header.stored(object, now)) {
            Some(stored) => hand_over(stored),
            None => {
                waste.unreadable += u64::from(header.is_none());
                waste.values.push(object);
            }
        }
    }
    for entry in transaction.open_table(POINTERS)?.iter()? {
        let (key, row) = entry?;
        match row::pointer_of(row.value()) {
            Some((expiry, pointer)) if expiry > now => hand_over(Stored::Pointer {
                root: row::root_of(key.value()),
                pointer: Box::new(pointer),
                remaining: now.until(expiry),
            }),
            claim => {
                waste.unreadable += u64::from(claim.is_none());
                waste.pointers.push(*key.value());
            }
        }
    }
    if !found.is_empty() {
        each(found);
    }
    Ok(())
}

/// All the writes of a batch in one durable transaction.
fn write(database: &Database, batch: &[Request], now: UnixMillis) -> Result<(), Trouble> {
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        batch.iter().try_for_each(|request| tables.write(&request.op, now))?;
    }
    Ok(transaction.commit()?)
}

/// The tables as one transaction sees them.
struct Tables<'t> {
    headers: Table<'t, &'static [u8; 32], &'static [u8]>,
    pieces: Table<'t, &'static [u8; row::PIECE_KEY_BYTES], &'static [u8]>,
    pointers: Table<'t, &'static [u8; row::POINTER_KEY_BYTES], &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, Trouble> {
        Ok(Tables {
            headers: transaction.open_table(HEADERS)?,
            pieces: transaction.open_table(PIECES)?,
            pointers: transaction.open_table(POINTERS)?,
        })
    }

    fn write(&mut self, op: &DiskOp, now: UnixMillis) -> Result<(), Trouble> {
        match op {
            DiskOp::KeepValue { value, terms } => {
                let (object, bytes) = (value.id(), codec::encode(value));
                let pieces = bytes.chunks(row::PIECE_BYTES);
                let header = Header {
                    version: value.version(),
                    terms: terms.map(|span| now.after(span)),
                    bytes: value.len() as u64,
                    pieces: pieces.len() as u16,
                };
                let before = self.headers.insert(object.as_bytes(), header.encode().as_slice())?;
                let before = before.and_then(|row| Header::decode(row.value())).map_or(0, |header| header.pieces);
                for (number, piece) in (0..).zip(pieces) {
                    self.pieces.insert(&piece_key(&object, number), piece)?;
                }
                for number in header.pieces..before {
                    self.pieces.remove(&piece_key(&object, number))?;
                }
            }
            DiskOp::SetTerms { object, terms } => {
                let header = self.headers.get(object.as_bytes())?.and_then(|row| Header::decode(row.value()));
                if let Some(header) = header {
                    let header = Header { terms: terms.map(|span| now.after(span)), ..header };
                    self.headers.insert(object.as_bytes(), header.encode().as_slice())?;
                }
            }
            DiskOp::KeepPointer { root, pointer, remaining } => {
                let claim = row::pointer_row(pointer, now.after(*remaining));
                self.pointers.insert(&row::pointer_key(root, &pointer.holder.id()), claim.as_slice())?;
            }
            DiskOp::ExtendPointers { holder, rows } => {
                for (root, remaining) in rows {
                    self.extend_pointer(root, holder, now.after(*remaining))?;
                }
            }
            DiskOp::DropValue { object } => self.drop_value(object)?,
            DiskOp::DropPointer { root, holder } => {
                self.pointers.remove(&row::pointer_key(root, holder))?;
            }
            DiskOp::ReadValue { .. } => {}
        }
        Ok(())
    }

    fn extend_pointer(&mut self, root: &Id, holder: &Contact, expiry: UnixMillis) -> Result<(), Trouble> {
        let key = row::pointer_key(root, &holder.id());
        let kept = self.pointers.get(&key)?.and_then(|row| row::pointer_of(row.value()));
        if let Some((_, mut pointer)) = kept {
            pointer.adopt(holder);
            self.pointers.insert(&key, row::pointer_row(&pointer, expiry).as_slice())?;
        }
        Ok(())
    }

    fn drop_value(&mut self, object: &Id) -> Result<(), Trouble> {
        self.headers.remove(object.as_bytes())?;
        let (first, last) = (piece_key(object, 0), piece_key(object, u16::MAX));
        self.pieces.retain_in::<&[u8; row::PIECE_KEY_BYTES], _>(&first..=&last, |_, _| false)?;
        Ok(())
    }
}

/// The value in a row, if it is one and stands under its id.
fn sound_value(row: &[u8], object: &Id) -> Option<Value> {
    codec::decode::<Value>(row).ok().filter(|value| value.proves(object))
}

/// Runs this, and takes a panic within as the fault it is: redb panics on some damaged pages, and one
/// node's damaged file must not stop the thread that serves others.
fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Trouble::Panicked(words_of(&*panic))))
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "panic".to_owned())
}

/// The database's name in the data directory: DESIGN §11 and FIELD D.3.
pub const STORE_FILE: &str = "store.redb";
/// Its name until it is whole.
const BEGUN_FILE: &str = "store.redb.new";

#[cfg(test)]
mod power;
#[cfg(test)]
mod tests;
