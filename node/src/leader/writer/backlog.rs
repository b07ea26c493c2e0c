//! How many records wait in each node's spool, as the pullers last heard.
//!
//! Promises: a number for people; nothing is decided by it. Refuses: being exact.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::meter::NodeId;

/// A handle to the numbers; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog {
    records: Arc<Mutex<BTreeMap<NodeId, u64>>>,
}

impl Backlog {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<NodeId, u64>) -> T) -> T {
        act(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn heard(&self, node: NodeId, records: u64) {
        self.with(|all| all.insert(node, records));
    }

    pub(super) fn forget(&self, node: NodeId) {
        self.with(|all| all.remove(&node));
    }

    pub(super) fn records(&self) -> u64 {
        self.with(|all| all.values().sum())
    }
}
