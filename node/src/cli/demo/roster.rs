//! Which nodes the demo has started, for everyone who only wants to look.
//!
//! Promises: shows each node once, in the order in which they were added, with its process while it runs.
//! Refuses: starting or stopping anything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// One node as its process is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name, `node-1` ..
    pub(super) name: String,
    /// Its one port.
    pub(super) address: SocketAddr,
    /// Its process, while it runs.
    pub(super) pid: Option<i32>,
}

/// A handle to the list; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    rows: Arc<Mutex<Vec<Row>>>,
}

impl Roster {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Row>) -> T) -> T {
        act(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The node is like this now.
    pub(super) fn set(&self, row: Row) {
        self.with(|rows| match rows.iter_mut().find(|known| known.name == row.name) {
            Some(known) => *known = row,
            None => rows.push(row),
        });
    }

    /// All nodes.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.with(|rows| rows.clone())
    }

    /// The nodes that run.
    pub(super) fn running(&self) -> Vec<Row> {
        self.with(|rows| rows.iter().filter(|row| row.pid.is_some()).cloned().collect())
    }
}
