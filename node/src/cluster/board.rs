//! The leader's board: what the duties of the leader tell the console.
//!
//! Promises: posting never blocks; the newest events are kept, bounded; a slow watcher of commits loses its place, never
//! the writer's time. Refuses: durability: what must outlive a leader is in the replicated state or the database.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::api::admin::{DatabaseStatus, Event, LedgerStatus};
use protocol::api::peer::SpoolRecord;
use protocol::meter::MeterId;

use super::watchers::{Committed, Watchers};
use crate::clock::wall_now;

/// A handle to the board; clones share it.
#[derive(Debug, Clone)]
pub struct Board {
    notes: Arc<Mutex<Notes>>,
    watchers: Arc<Watchers>,
}

#[derive(Debug)]
struct Notes {
    database: DatabaseStatus,
    ledger: LedgerStatus,
    events: VecDeque<Event>,
    keep: usize,
}

impl Board {
    /// An empty board that keeps `events` events and lets each watcher lag by `watch_records` of what is committed.
    pub fn new(events: usize, watch_records: usize) -> Self {
        let (database, ledger) = (DatabaseStatus::default(), LedgerStatus::default());
        let notes = Notes { database, ledger, events: VecDeque::new(), keep: events };
        Self { notes: Arc::new(Mutex::new(notes)), watchers: Arc::new(Watchers::new(watch_records)) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Notes) -> T) -> T {
        act(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something happened that a person would want to know.
    pub fn event(&self, text: impl Into<String>) {
        let event = Event { at: wall_now().0, text: text.into() };
        tracing::info!(event = %event.text);
        self.with(|notes| {
            notes.events.push_front(event);
            notes.events.truncate(notes.keep);
        });
    }

    /// How the database is.
    pub fn set_database(&self, status: DatabaseStatus) {
        self.with(|notes| notes.database = status);
    }

    /// How the database is, as last set.
    pub fn database(&self) -> DatabaseStatus {
        self.with(|notes| notes.database.clone())
    }

    /// How the accounts of due slots stand.
    pub fn set_ledger(&self, status: LedgerStatus) {
        self.with(|notes| notes.ledger = status);
    }

    /// How the accounts stand, as last set.
    pub fn ledger(&self) -> LedgerStatus {
        self.with(|notes| notes.ledger.clone())
    }

    /// The newest events first.
    pub fn events(&self) -> Vec<Event> {
        self.with(|notes| notes.events.iter().cloned().collect())
    }

    /// These records are in the database now.
    pub fn committed<'r>(&self, records: impl Iterator<Item = &'r SpoolRecord>) {
        self.watchers.tell(records);
    }

    /// What is committed of `meter`, or of all, from now on.
    pub fn commits(&self, meter: Option<MeterId>) -> Committed {
        self.watchers.watch(meter)
    }
}
