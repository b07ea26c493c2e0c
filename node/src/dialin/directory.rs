//! Who is here: the units by id, their lines, and who called without having one.
//!
//! Promises: a unit that calls again replaces its own earlier connection, which is most likely half open; connections
//! are numbered, later ones greater; counting never outlives a connection. Refuses: I/O.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::dialin::Intake;
use protocol::meter::LineId;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::unit::{Attached, Unit};
use super::unknown::Unknown;
use crate::config;
use crate::metrics::Metrics;

/// The lines of units, by unit.
pub(crate) type Lines = Arc<BTreeMap<String, LineId>>;

/// A handle to who is here; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    settings: Arc<config::Units>,
    metrics: Metrics,
    book: Arc<Mutex<Book>>,
    /// Rings when a unit came or went.
    bell: watch::Sender<u64>,
    lines: watch::Sender<Lines>,
    is_open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Book {
    units: BTreeMap<String, Arc<Unit>>,
    unknown: Unknown,
    connections: u64,
    per_address: BTreeMap<IpAddr, usize>,
}

impl Directory {
    /// A node that takes no unit yet.
    pub(crate) fn new(settings: config::Units, metrics: Metrics) -> Self {
        Self {
            settings: Arc::new(settings),
            metrics,
            book: Arc::default(),
            bell: watch::channel(0).0,
            lines: watch::channel(Lines::default()).0,
            is_open: watch::channel(false).0,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> &config::Units {
        &self.settings
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The unit `id` for its line alone; `None` if it is not here, or another line has it still.
    pub(crate) fn attach(&self, id: &str) -> Option<Attached> {
        let unit = self.book().units.get(id).cloned()?;
        Attached::new(&unit, self.settings.pieces)
    }

    /// A unit registered; what it was here before is gone.
    pub(super) fn enter(&self, id: &str, peer: SocketAddr, stream: TcpStream, manner: Intake) -> Arc<Unit> {
        let mut book = self.book();
        book.connections += 1;
        let unit = Arc::new(Unit::new(id.to_owned(), book.connections, peer, stream, manner));
        if let Some(before) = book.units.insert(id.to_owned(), Arc::clone(&unit)) {
            before.gone.cancel();
        }
        drop(book);
        self.metrics.unit_connected(true);
        self.ring();
        unit
    }

    /// The connection of `unit` has ended.
    pub(super) fn leave(&self, unit: &Arc<Unit>) {
        unit.cut();
        let mut book = self.book();
        if book.units.get(&unit.id).is_some_and(|here| here.connection == unit.connection) {
            book.units.remove(&unit.id);
        }
        drop(book);
        self.metrics.unit_connected(false);
        self.ring();
    }

    fn ring(&self) {
        self.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Who is here.
    pub(super) fn units(&self) -> Vec<Arc<Unit>> {
        self.book().units.values().cloned().collect()
    }

    /// One more connection from `address`, unless it has `most` already.
    pub(super) fn count_in(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let mut book = self.book();
        let count = book.per_address.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted { address, directory: self.clone() })
    }

    pub(super) fn lines(&self) -> watch::Receiver<Lines> {
        self.lines.subscribe()
    }

    pub(crate) fn set_lines(&self, lines: Lines) {
        self.book().unknown.forget(|unit| lines.contains_key(unit));
        self.lines.send_replace(lines);
        self.show_unknown();
    }

    /// A unit that has no line called.
    pub(super) fn unknown_called(&self, unit: &str, peer: SocketAddr) {
        self.book().unknown.called(unit, &peer.to_string(), self.settings.unknown_kept);
        self.show_unknown();
    }

    fn show_unknown(&self) {
        let (count, newest) = self.book().unknown.newest(self.settings.unknown_shown);
        self.metrics.units_unknown(count, newest);
    }

    /// Whether this node takes units now.
    pub(super) fn is_open(&self) -> watch::Receiver<bool> {
        self.is_open.subscribe()
    }

    pub(crate) fn set_open(&self, open: bool) {
        self.is_open.send_if_modified(|was| std::mem::replace(was, open) != open);
    }
}

/// One connection of an address, until dropped.
#[derive(Debug)]
pub(super) struct Counted {
    address: IpAddr,
    directory: Directory,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut book = self.directory.book();
        match book.per_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(book.per_address.remove(&self.address)),
        }
    }
}
