//! The outbox of this node: a record is ours once [`Spool::append`] has returned, and forgotten once the database has it.
//!
//! ```text
//!   polling -- append --> queue --> committer thread --> one durable commit for all that waited
//!   leader  <-- pull(after cursor) ------ oldest first, as stored
//!   leader  <-- pull_sorted(after, upto)- by meter, as stored
//!   leader  -- acknowledge(upto) -------> forgotten, durably
//! ```
//!
//! Promises: `append` returns only when the record is durable; what is accepted is kept until acknowledged; sequences
//! grow and are never used again; the spool is bounded. After a failed write it is broken for good and says why:
//! what a failed fsync left behind is unknown, so nothing is tried again. Refuses: knowing what a
//! record says, beyond whether it is a reading or the mark of a missed slot.

mod committer;
mod pressure;
pub mod service;
mod sorted;
mod sorting;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;
use redb::Database;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::wall_now;
use crate::config;
use crate::metrics::Metrics;
use committer::{Committer, Job};
use pressure::Gauge;
pub use pressure::{Level, Pressure};
pub use sorted::Key;
use sorted::{Part, Sorted};
use sorting::{Found, Sorting};
use store::{Holds, Room, Store};

/// Why the spool did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// It holds as much as it may. Nothing was stored.
    #[error(
        "spool holds {bytes} of {max_bytes} bytes: bring the database back, or raise spool.max_bytes where the disk has room"
    )]
    Full {
        /// What it holds.
        bytes: u64,
        /// What it may hold.
        max_bytes: u64,
    },
    /// Its oldest record has waited as long as it may, or it was full and is not yet well below its bound. Nothing was
    /// stored.
    #[error("no readings are accepted: {0}")]
    Pressed(Box<Pressure>),
    /// The record is larger than a pull may carry. Nothing was stored.
    #[error("record of {bytes} bytes is larger than spool.pull_bytes = {limit}")]
    TooLarge {
        /// The record.
        bytes: u64,
        /// What may be.
        limit: u64,
    },
    /// A write failed, now or earlier; nothing is accepted any more.
    #[error(
        "spool {path} is broken: {cause}: see that its disk has room and is sound, then start the node again: what was accepted is kept"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What failed.
        cause: Arc<str>,
    },
    /// The spool was closed.
    #[error("spool is closed")]
    Closed,
    /// A cursor or an acknowledgement of another spool.
    #[error("spool {asked} is not this node's, which is {own}")]
    WrongSpool {
        /// The one that was meant.
        asked: u64,
        /// The one that is here.
        own: u64,
    },
    /// An acknowledgement of what was never stored.
    #[error("sequence {upto} was acknowledged, but {last} is the last one stored")]
    Beyond {
        /// What was acknowledged.
        upto: u64,
        /// The last sequence given.
        last: u64,
    },
    /// Another process, or another part of this one, has the file open.
    #[error("spool {path} is in use by another process: one node per node.data_dir")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("spool {path} cannot be used: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: Arc<str>,
    },
}

/// Which part of a backlog is given by meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The sequence before it.
    pub after: u64,
    /// Its last sequence, at most.
    pub upto: u64,
    /// What was given of it already.
    pub behind: Option<Key>,
}

/// What records by meter are some of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The last sequence of those that are sorted together.
    pub upto: u64,
    /// Whether more of them are left.
    pub left: bool,
    /// The last that was given now.
    pub last: Option<Key>,
}

/// Records after a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The spool they came from.
    pub spool_id: u64,
    /// Sequence and bytes of each, oldest first; the bytes are as they were stored.
    pub records: Vec<(u64, Bytes)>,
    /// The last sequence given.
    pub last: u64,
    /// Records not acknowledged yet, these among them.
    pub backlog_records: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// They are by meter; none: by sequence.
    pub sorted: Option<Rest>,
}

/// A handle to the spool; clones share it.
#[derive(Debug, Clone)]
pub struct Spool {
    jobs: mpsc::Sender<Job>,
    // Weak, so that the file is closed when the committer ends, whoever still holds a handle.
    database: Weak<Database>,
    holds: watch::Receiver<Holds>,
    failure: watch::Receiver<Option<SpoolError>>,
    facts: Arc<Facts>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Facts {
    path: PathBuf,
    spool_id: u64,
    gauge: Gauge,
    record_bytes: u64,
    sorting: Sorting,
}

/// Records that are forgotten in one commit, at most.
const FORGOTTEN_AT_ONCE: u64 = 20_000;

/// On the way to forget everything up to `upto`: what to forget first, and last `upto` itself.
fn steps(holds: Holds, upto: u64) -> impl Iterator<Item = u64> {
    let forgotten = holds.last.saturating_sub(holds.records);
    // What was never stored is refused as a whole.
    let end = if upto > holds.last { 0 } else { upto };
    let step = usize::try_from(FORGOTTEN_AT_ONCE).unwrap_or(usize::MAX);
    (forgotten..end).step_by(step).skip(1).chain([upto])
}

impl Spool {
    /// Opens the spool in `dir`, or makes a new one with an identity of its own.
    pub fn open(dir: &Path, config: &config::Spool, metrics: Metrics) -> Result<Self, SpoolError> {
        Self::start(Store::open(dir, config)?, config, metrics)
    }

    fn start(store: Store, config: &config::Spool, metrics: Metrics) -> Result<Self, SpoolError> {
        let facts = Arc::new(Facts {
            path: store.path().to_owned(),
            spool_id: store.spool_id(),
            gauge: Gauge::new(config),
            record_bytes: config.pull_bytes.as_u64(),
            sorting: Sorting::new(config.sorted_bytes.as_u64()),
        });
        let database = store.database();
        let (jobs, queue) = mpsc::channel(config.queue);
        let (committer, (holds, failure)) = Committer::new(store, queue, config.batch_records, metrics.clone());
        std::thread::Builder::new().name("spool".to_owned()).spawn(move || committer.run()).map_err(|error| {
            SpoolError::Unusable { path: facts.path.clone(), cause: Arc::from(error.to_string().as_str()) }
        })?;
        let spool = Self { jobs, database, holds, failure, facts, metrics };
        spool.pressure();
        Ok(spool)
    }

    /// The identity made when the spool was.
    pub fn id(&self) -> u64 {
        self.facts.spool_id
    }

    /// Stores `record`; its sequence, once it is durable. A reserve is kept for marks of missed slots.
    pub async fn append(&self, record: &SpoolRecord) -> Result<u64, SpoolError> {
        self.sound()?;
        let bytes = record.encode_to_vec();
        let (size, limit) = (bytes.len() as u64, self.facts.record_bytes);
        if size > limit {
            return Err(SpoolError::TooLarge { bytes: size, limit });
        }
        if matches!(record.content, Some(Content::Miss(_))) {
            return self.ask(|done| Job::Append { bytes, room: Room::Marks, done }).await;
        }
        let pressure = self.pressure();
        if pressure.level == Level::Full {
            return Err(SpoolError::Pressed(Box::new(pressure)));
        }
        let stored = self.ask(|done| Job::Append { bytes, room: Room::Readings, done }).await;
        if matches!(stored, Err(SpoolError::Full { .. })) {
            self.facts.gauge.refused();
        }
        stored
    }

    /// Forgets everything up to and including `upto`; durable when it returns. Asking again changes nothing.
    pub async fn acknowledge(&self, spool_id: u64, upto: u64) -> Result<(), SpoolError> {
        self.sound()?;
        if spool_id != self.id() {
            return Err(SpoolError::WrongSpool { asked: spool_id, own: self.id() });
        }
        // What is to be made durable meanwhile does not wait for all of it.
        let holds = *self.holds.borrow();
        for upto in steps(holds, upto) {
            self.ask(|done| Job::Acknowledge { upto, done }).await?;
        }
        self.facts.sorting.forgotten(upto);
        Ok(())
    }

    /// Records after sequence `after`, oldest first, within the bounds but at least one where one is wanted. Waits up
    /// to `wait` for the first one.
    pub async fn pull(
        &self,
        after: u64,
        max_records: usize,
        max_bytes: u64,
        wait: Duration,
    ) -> Result<Pulled, SpoolError> {
        if max_records > 0 {
            self.wait_beyond(after, wait).await?;
        }
        let records = self.read(move |database| store::read(database, after, max_records, max_bytes)).await?;
        Ok(self.pulled(records, None))
    }

    /// Records of `span` by meter, slot and sequence, within the bounds but at least one where there is one. None, and more
    /// left, where sorting them takes longer than `patience`: it goes on, and the next pull finds it done.
    pub async fn pull_sorted(
        &self,
        span: Span,
        max_records: usize,
        max_bytes: u64,
        patience: Duration,
    ) -> Result<Pulled, SpoolError> {
        let Ok(sorted) = timeout(patience, self.sorted(span)).await else {
            let rest = Rest { upto: span.upto, left: true, last: span.behind };
            return Ok(self.pulled(Vec::new(), Some(rest)));
        };
        let sorted = sorted?;
        let Part { records, last, left } = sorted.part(span.behind, max_records, max_bytes);
        let rest = Rest { upto: sorted.upto(), left, last };
        self.facts.sorting.gave(span, &sorted, left);
        Ok(self.pulled(records, Some(rest)))
    }

    async fn sorted(&self, span: Span) -> Result<Arc<Sorted>, SpoolError> {
        let turn = self.facts.sorting.turn().await;
        let bytes = match self.facts.sorting.find(span) {
            Found::Sorted(sorted) => return Ok(sorted),
            Found::Nothing(bytes) => bytes,
        };
        let (facts, held_bytes) = (Arc::clone(&self.facts), self.holds.borrow().bytes);
        // Goes on where nobody waits any more.
        self.read(move |database| {
            let sorted = Arc::new(Sorted::read(database, span.after, span.upto, bytes, held_bytes)?);
            facts.sorting.hold(&sorted, bytes);
            drop(turn);
            Ok(sorted)
        })
        .await
    }

    fn pulled(&self, records: Vec<(u64, Bytes)>, sorted: Option<Rest>) -> Pulled {
        self.pressure();
        let Holds { last, records: backlog_records, bytes: backlog_bytes, .. } = *self.holds.borrow();
        Pulled { spool_id: self.id(), records, last, backlog_records, backlog_bytes, sorted }
    }

    /// How full it is.
    pub fn pressure(&self) -> Pressure {
        let holds = *self.holds.borrow();
        let pressure = self.facts.gauge.read(holds, wall_now().0);
        self.metrics.spool_pressed(pressure.max_bytes, pressure.percent(), pressure.level.number());
        pressure
    }

    /// Waits until the spool is broken, and says why; never returns while it is sound.
    pub async fn failed(&self) -> SpoolError {
        let mut failure = self.failure.clone();
        loop {
            if let Some(error) = failure.borrow_and_update().clone() {
                return error;
            }
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether a write failed: nothing is accepted and nothing forgotten any more.
    pub fn is_broken(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Ends the spool after what waits is durable, and releases its file. Other handles find it closed.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close { done }).await.is_ok() {
            // A committer that is gone has released the file already.
            let _ = closed.await;
        }
    }

    fn sound(&self) -> Result<(), SpoolError> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Job) -> Result<T, SpoolError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).await.map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?
    }

    async fn wait_beyond(&self, after: u64, wait: Duration) -> Result<(), SpoolError> {
        let mut holds = self.holds.clone();
        let arrived = holds.wait_for(|holds| holds.records > 0 && holds.last > after);
        match timeout_at(Instant::now() + wait, arrived).await {
            Ok(Err(_)) => Err(SpoolError::Closed),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let database = self.database.upgrade().ok_or(SpoolError::Closed)?;
        let reading = tokio::task::spawn_blocking(move || read(&database));
        let unusable =
            |cause: String| SpoolError::Unusable { path: self.facts.path.clone(), cause: Arc::from(cause.as_str()) };
        reading.await.map_err(|error| unusable(error.to_string()))?.map_err(|error| unusable(error.to_string()))
    }
}
