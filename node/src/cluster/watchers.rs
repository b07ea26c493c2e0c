//! Who watches what is committed.
//!
//! ```text
//!   commit --> of its meter? --> [ queue, admin.watch_records ] --> Committed::next
//!                                   |
//!                                   +-- full: the watcher loses its place, and is told after what it still has
//! ```
//!
//! Promises: telling never waits for a watcher, and costs nothing where nobody watches; a record is in memory once, however
//! many watch; a watcher that does not keep up holds no more of them than its queue, whatever is written meanwhile. Refuses: remembering what was committed before a watcher came.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::api::peer::SpoolRecord;
use protocol::meter::MeterId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// All watchers.
#[derive(Debug)]
pub(super) struct Watchers {
    watchers: Mutex<Vec<Watcher>>,
    room: usize,
}

#[derive(Debug)]
struct Watcher {
    meter: Option<MeterId>,
    queue: mpsc::Sender<Arc<SpoolRecord>>,
    missed: Arc<AtomicU64>,
}

/// A watcher's end.
#[derive(Debug)]
pub struct Committed {
    queue: mpsc::Receiver<Arc<SpoolRecord>>,
    missed: Arc<AtomicU64>,
}

/// Why a watcher is told nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It did not keep up.
    #[error("{0} records of one commit found its queue full")]
    Behind(u64),
    /// Nobody commits any more.
    #[error("nothing is committed here any more")]
    Over,
}

impl Watchers {
    /// Nobody yet; each may lag by `room` records, at least 1.
    pub(super) fn new(room: usize) -> Self {
        Self { watchers: Mutex::default(), room: room.max(1) }
    }

    /// Watches `meter`, or all, from now on.
    pub(super) fn watch(&self, meter: Option<MeterId>) -> Committed {
        let (sender, queue) = mpsc::channel(self.room);
        let missed = Arc::<AtomicU64>::default();
        self.with(|watchers| {
            watchers.retain(|watcher| !watcher.queue.is_closed());
            watchers.push(Watcher { meter, queue: sender, missed: Arc::clone(&missed) });
        });
        Committed { queue, missed }
    }

    /// Tells `records`.
    pub(super) fn tell<'r>(&self, records: impl Iterator<Item = &'r SpoolRecord>) {
        self.with(|watchers| {
            if watchers.is_empty() {
                return;
            }
            for record in records {
                let wants = |watcher: &Watcher| watcher.meter.is_none_or(|meter| meter.0 == record.meter);
                if watchers.iter().any(wants) {
                    let shared = Arc::new(record.clone());
                    watchers.iter().filter(|watcher| wants(watcher)).for_each(|watcher| watcher.tell(&shared));
                }
            }
            watchers.retain(Watcher::is_told_more);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Watcher>) -> T) -> T {
        act(&mut self.watchers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watcher {
    /// One that had no room once is told nothing more: what it was told would have a hole.
    fn tell(&self, record: &Arc<SpoolRecord>) {
        let is_behind = self.missed.load(Ordering::Acquire) > 0;
        if is_behind || matches!(self.queue.try_send(Arc::clone(record)), Err(TrySendError::Full(_))) {
            self.missed.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn is_told_more(&self) -> bool {
        !self.queue.is_closed() && self.missed.load(Ordering::Acquire) == 0
    }
}

impl Committed {
    /// The next record that was committed, in the order of commits.
    pub async fn next(&mut self) -> Result<Arc<SpoolRecord>, Lost> {
        self.queue.recv().await.ok_or_else(|| match self.missed.load(Ordering::Acquire) {
            0 => Lost::Over,
            missed => Lost::Behind(missed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(meter: u64, slot: u64) -> SpoolRecord {
        SpoolRecord { meter, slot, ..SpoolRecord::default() }
    }

    fn told(meter: u64, slot: u64) -> Result<Arc<SpoolRecord>, Lost> {
        Ok(Arc::new(record(meter, slot)))
    }

    #[tokio::test]
    async fn a_watcher_is_told_what_is_committed_of_its_meter_in_order() {
        let watchers = Watchers::new(10);
        watchers.tell([record(1, 0)].iter());
        let (mut all, mut one) = (watchers.watch(None), watchers.watch(Some(MeterId(1))));
        watchers.tell([record(1, 1), record(2, 1), record(1, 2)].iter());
        drop(watchers);
        let mut seen = [Vec::new(), Vec::new()];
        for (watcher, seen) in [&mut all, &mut one].into_iter().zip(&mut seen) {
            while let Ok(record) = watcher.next().await {
                seen.push((record.meter, record.slot));
            }
            assert_eq!(watcher.next().await, Err(Lost::Over));
        }
        assert_eq!(seen, [vec![(1, 1), (2, 1), (1, 2)], vec![(1, 1), (1, 2)]]);
    }

    #[tokio::test]
    async fn one_that_does_not_keep_up_gets_what_fits_and_is_told_then_and_others_lose_nothing() {
        let watchers = Watchers::new(2);
        let (mut all, mut one) = (watchers.watch(None), watchers.watch(Some(MeterId(3))));
        let records: Vec<_> = (1..=5).map(|meter| record(meter, 1)).collect();
        watchers.tell(records.iter());
        watchers.tell(records.iter());
        assert_eq!([all.next().await, all.next().await], [told(1, 1), told(2, 1)]);
        assert_eq!(all.next().await, Err(Lost::Behind(3)));
        assert_eq!([one.next().await, one.next().await], [told(3, 1), told(3, 1)]);
    }

    #[test]
    fn one_that_is_gone_is_forgotten() {
        let watchers = Watchers::new(1);
        drop(watchers.watch(None));
        watchers.tell([].iter());
        assert_eq!(watchers.with(|watchers| watchers.len()), 0);
    }
}
