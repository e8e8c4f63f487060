//! What a node that is down has on its disk.
//!
//! Owns: opening its directory and its store as the node itself would, and reading what it keeps.
//! Never does: mend anything: a store that does not open fails the test.

use arras::base::Id;
use arras::overlay::contract::Stored;
use arras::runtime::data_dir::DataDir;
use arras::runtime::store::{Store, UnixMillis};
use std::path::Path;

/// The values in the store of a node that is down.
pub fn kept_in(dir: &Path) -> Vec<Id> {
    let mut store = Store::open(dir, 1 << 20).expect("a sound store");
    let mut kept = Vec::new();
    let mut take = |portion: Vec<Stored>| {
        kept.extend(portion.into_iter().filter_map(|stored| match stored {
            Stored::Value { object, .. } => Some(object),
            Stored::Pointer { .. } => None,
        }));
    };
    store.load(UnixMillis::now(), 100, &mut take).expect("readable");
    kept
}

/// The key a node that is down signs its receipts with, in hex digits.
pub fn key_of(dir: &Path) -> String {
    let dir = DataDir::open(dir).expect("free again");
    hex(dir.identity(0).expect("an identity").name.key.as_bytes())
}

/// As the API writes bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
