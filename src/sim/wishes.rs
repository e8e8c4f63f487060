//! What local clients wish for, and what becomes of it.
//!
//! Owns: every wish of a world with its results, and which of them are still open.
//! Never does: hand a wish to a node.

use crate::base::Instant;
use crate::overlay::{Command, Failure, Reply, RequestId};
use std::collections::{BTreeMap, BTreeSet};

/// A local client's wish, and what became of it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was wished.
    pub command: Command,
    /// When.
    pub asked: Instant,
    /// The results and when they came: there should be one.
    pub results: Vec<(Instant, Result<Reply, Failure>)>,
    /// Whether the node crashed before there was a result: then there need be none.
    pub excused: bool,
}

/// All wishes, by node.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    operations: BTreeMap<(usize, RequestId), Operation>,
    /// Those that have no result yet and may still expect one.
    open: BTreeSet<(usize, RequestId)>,
    /// How many there have been, those forgotten included.
    count: u64,
}

impl Wishes {
    /// A new one; gives its number.
    pub(super) fn begin(&mut self, node: usize, command: Command, asked: Instant) -> RequestId {
        self.count += 1;
        let request = RequestId(self.count);
        let operation = Operation { command, asked, results: Vec::new(), excused: false };
        self.operations.insert((node, request), operation);
        self.open.insert((node, request));
        request
    }

    /// It has a result.
    pub(super) fn end(&mut self, node: usize, request: RequestId, at: Instant, result: Result<Reply, Failure>) {
        if let Some(operation) = self.operations.get_mut(&(node, request)) {
            operation.results.push((at, result));
        }
        self.open.remove(&(node, request));
    }

    /// The node is gone: none of its open wishes need have a result.
    pub(super) fn excuse(&mut self, node: usize) {
        for request in self.open_of(node) {
            if let Some(operation) = self.operations.get_mut(&(node, request)) {
                operation.excused = true;
            }
            self.open.remove(&(node, request));
        }
    }

    /// Forgets it.
    pub(super) fn forget(&mut self, node: usize, request: RequestId) -> Option<Operation> {
        self.open.remove(&(node, request));
        self.operations.remove(&(node, request))
    }

    /// One of them.
    pub(super) fn get(&self, node: usize, request: RequestId) -> Option<&Operation> {
        self.operations.get(&(node, request))
    }

    /// All that are not forgotten.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, RequestId, &Operation)> {
        self.operations.iter().map(|((node, request), operation)| (*node, *request, operation))
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The open ones of a node.
    pub(super) fn open_of(&self, node: usize) -> Vec<RequestId> {
        let own = self.open.range((node, RequestId(0))..(node + 1, RequestId(0)));
        own.map(|(_, request)| *request).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;

    #[test]
    fn a_wish_is_open_until_it_has_a_result_or_its_node_is_gone() {
        let mut wishes = Wishes::default();
        let mut begin = |node| wishes.begin(node, Command::Get { object: Id::ZERO }, Instant::ORIGIN);
        let (first, second, other) = (begin(1), begin(1), begin(2));
        assert_eq!((wishes.open(), wishes.open_of(1)), (3, vec![first, second]));
        wishes.end(1, first, Instant::ORIGIN, Err(Failure::NotFound));
        wishes.excuse(1);
        let excused: Vec<bool> = wishes.iter().map(|(_, _, operation)| operation.excused).collect();
        assert_eq!((wishes.open_of(1), excused), (Vec::new(), vec![false, true, false]));
        wishes.end(1, second, Instant::ORIGIN, Err(Failure::NotFound));
        assert_eq!(wishes.get(1, second).map(|operation| operation.results.len()), Some(1));
        assert!(wishes.forget(2, other).is_some() && wishes.get(2, other).is_none() && wishes.open() == 0);
    }
}
