//! The log: votes, entries, truncations, purges and commits as one stream of checksummed records.
//!
//! ```text
//!   <folder>/lock              held while the store is open; the holder's process id
//!   <folder>/log/r-<offset>.wal   records, oldest file first     (a file is <offset> bytes into the whole stream)
//! ```
//!
//! Promises: what is acknowledged is on the disk; entries are readable before they are durable; the log has no hole;
//! a tail torn by a crash is cut, any other damage refuses to open and names file, offset and remedy.
//! Refuses: going on after a failed write. From then on every call fails, and the node has to stop.

mod inspect;
mod lock;
mod wal;

use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, stream};
use openraft::storage::RaftLogStorage;
use openraft::{OptionalSend, RaftLogReader};
use raft_log::RaftLog;
use raft_log::api::raft_log_writer::RaftLogWriter;
use tokio::sync::oneshot;

use crate::codec;
use crate::folder;
use crate::state::LogPosition;
use crate::types::{IoFlushed, LogId, LogState, RaftEntry, TypeConfig, Vote, log_id, position};

pub use inspect::Damage;
use inspect::InspectError;
pub use lock::{FolderLock, LockError};
use wal::{Cause, Flushed, Told, Wal, WalPayload, WalPosition, WalVote};

/// The folder of the log within the store's folder.
const LOG_FOLDER: &str = "log";

/// How much the log may take of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A log file is closed at this length, bytes. Purging frees whole files.
    pub file_bytes: usize,
    /// Entries kept in memory for readers, bytes.
    pub cache_bytes: usize,
    /// Entries kept in memory for readers, number.
    pub cache_entries: usize,
    /// Written and not yet on the disk, bytes; beyond it writers wait.
    pub queue_bytes: usize,
    /// Entries handed to one reader at once, bytes.
    pub read_bytes: usize,
    /// A log file is read with a buffer this long when it is opened, bytes.
    pub replay_buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            cache_entries: 100_000,
            queue_bytes: 64 << 20,
            read_bytes: 8 << 20,
            replay_buffer_bytes: 1 << 20,
        }
    }
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A log file is damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// A file or folder cannot be used.
    #[error("{} cannot be used: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The log of one node. Cheap to clone: all clones are one log, and it stays locked while one of them lives.
#[derive(Clone)]
pub struct LogStore {
    wal: Arc<Mutex<RaftLog<Wal>>>,
    _lock: Arc<FolderLock>,
    limits: Limits,
    cause: Cause,
}

impl LogStore {
    /// Opens the log of the store in the folder `store`, which is made if it does not exist.
    ///
    /// # Errors
    /// The folder is in use or unusable, or a file in it is damaged.
    pub fn open(store: &Path, limits: &Limits) -> Result<Self, StoreError> {
        let logs = store.join(LOG_FOLDER);
        folder::make(&logs).map_err(|source| StoreError::File { path: logs.clone(), source })?;
        let lock = FolderLock::take(store)?;
        inspect::inspect(&logs)?;
        let wal = RaftLog::open(Arc::new(wal_config(&logs, limits)));
        let wal = wal.map_err(|source| StoreError::File { path: logs, source })?;
        Ok(Self { wal: Arc::new(Mutex::new(wal)), _lock: Arc::new(lock), limits: *limits, cause: Cause::default() })
    }

    /// The last entry that was purged: the log begins after it.
    pub fn purged(&self) -> Option<LogPosition> {
        self.wal().log_state().purged().map(|purged| purged.0)
    }

    /// The last entry.
    pub fn last(&self) -> Option<LogPosition> {
        self.wal().log_state().last().map(|last| last.0)
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.wal().on_disk_size()
    }

    /// The lock is held for memory work and for hand-over to the writing thread, never for a flush. A panic under it
    /// cannot leave half a change: the log checks a record before it takes it.
    fn wal(&self) -> MutexGuard<'_, RaftLog<Wal>> {
        self.wal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change and returns when it is on the disk.
    async fn durably<T>(&self, change: impl FnOnce(&mut RaftLog<Wal>) -> io::Result<T> + Send) -> io::Result<()> {
        let (sender, flushed) = oneshot::channel();
        self.hand_over(Told::Waiter(sender), change)?;
        let stopped = |_| Err(io::Error::other("the log's writing thread has stopped: restart the node"));
        flushed.await.unwrap_or_else(stopped).map_err(|error| self.because(&self.wal(), error))
    }

    /// Makes one change; `told` is told when it is on the disk.
    fn hand_over<T>(&self, told: Told, change: impl FnOnce(&mut RaftLog<Wal>) -> io::Result<T>) -> io::Result<()> {
        let mut wal = self.wal();
        let flushed = || Some(Flushed::new(told, &self.cause));
        let handed_over = change(&mut wal).and_then(|_| wal.flush(true, flushed()));
        handed_over.map_err(|error| self.because(&wal, error))
    }

    /// `error`, or what it follows from: the write that failed first, also where nobody was to be told of that one.
    fn because(&self, wal: &RaftLog<Wal>, error: io::Error) -> io::Error {
        let cause = self.cause.get().cloned().or_else(|| wal.wait_worker_idle().err().map(|cause| cause.to_string()));
        cause.map_or(error, |cause| io::Error::other(format!("the log cannot be written: {cause}")))
    }

    /// Entries from `start` on, before `end`; the first always, the others within `bytes`.
    fn read(&self, start: u64, end: u64, bytes: usize) -> io::Result<Vec<RaftEntry>> {
        let mut entries = Vec::new();
        let mut taken = 0;
        for record in self.wal().read(start, end.max(start)) {
            let (at, payload) = record?;
            taken += payload.0.len();
            if taken > bytes && !entries.is_empty() {
                break;
            }
            entries.push((at, payload));
        }
        check_contiguous(&entries)?;
        entries.into_iter().map(|(at, payload)| open_entry(at, &payload)).collect()
    }

    /// The same in pieces; nothing follows an error.
    fn pieces(self, start: u64, end: u64) -> impl Iterator<Item = Vec<io::Result<RaftEntry>>> {
        let mut next = start;
        std::iter::from_fn(move || {
            let piece = self.read(next, end, self.limits.read_bytes);
            next = piece.as_ref().ok().and_then(|piece| piece.last()).map_or(end, |last| last.log_id.index + 1);
            match piece {
                Ok(entries) if entries.is_empty() => None,
                Ok(entries) => Some(entries.into_iter().map(Ok).collect()),
                Err(error) => Some(vec![Err(error)]),
            }
        })
    }
}

fn wal_config(folder: &Path, limits: &Limits) -> raft_log::Config {
    raft_log::Config {
        wal: raft_log::chunked_wal::Config {
            dir: folder.display().to_string(),
            read_buffer_size: Some(limits.replay_buffer_bytes),
            chunk_max_records: None,
            chunk_max_size: Some(limits.file_bytes),
            truncate_incomplete_record: Some(true),
            // The consensus library batches; waiting for more here only adds its length to every write.
            flush_batch_wait: Some(Duration::ZERO),
            flush_batch_max_items: None,
            flush_queue_max_bytes: Some(limits.queue_bytes),
        },
        log_cache_max_items: Some(limits.cache_entries),
        log_cache_capacity: Some(limits.cache_bytes),
    }
}

fn seal_entry(entry: &RaftEntry) -> io::Result<(WalPosition, WalPayload)> {
    let payload = codec::encode_payload(&entry.payload)?;
    Ok((WalPosition(position(entry.log_id)), WalPayload(payload.into())))
}

fn open_entry(at: WalPosition, payload: &WalPayload) -> io::Result<RaftEntry> {
    let payload = codec::decode_payload(&payload.0)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("entry {}: {error}", at.0.index)))?;
    Ok(RaftEntry { log_id: log_id(at.0), payload })
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

fn check_contiguous(entries: &[(WalPosition, WalPayload)]) -> io::Result<()> {
    let pairs = entries.iter().zip(entries.iter().skip(1));
    match pairs.into_iter().find(|((a, _), (b, _))| a.0.index + 1 != b.0.index) {
        Some(((a, _), (b, _))) => {
            let text = format!("log jumps from entry {} to entry {}", a.0.index, b.0.index);
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
        None => Ok(()),
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + std::fmt::Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX)
    }

    /// In pieces: after a restart this may be the whole log.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<RaftEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + std::fmt::Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        stream::iter(self.clone().pieces(start, end).flatten())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.wal().log_state().vote().map(|vote| vote.0))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<RaftEntry>> {
        self.read(start, end, self.limits.read_bytes)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState> {
        let wal = self.wal();
        let state = wal.log_state();
        Ok(LogState {
            last_purged_log_id: state.purged().map(|purged| log_id(purged.0)),
            last_log_id: state.last().map(|last| log_id(last.0)),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = WalVote(*vote);
        self.durably(|wal| wal.save_vote(vote)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed.map(|id| WalPosition(position(id))) else { return Ok(()) };
        let (saved, last) = {
            let wal = self.wal();
            (wal.log_state().committed().copied(), wal.log_state().last().copied())
        };
        // Behind what is saved, or beyond the log (a snapshot came in, the purge follows): nothing to keep.
        if Some(committed) <= saved || Some(committed) > last {
            return Ok(());
        }
        self.durably(|wal| wal.commit(committed)).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.wal().log_state().committed().map(|committed| log_id(committed.0)))
    }

    async fn append<I>(&mut self, entries: I, callback: IoFlushed) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let sealed = entries.into_iter().map(|entry| seal_entry(&entry)).collect::<io::Result<Vec<_>>>()?;
        self.hand_over(Told::Raft(callback), |wal| wal.append(sealed))
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let first_gone = last.map_or(0, |id| id.index.saturating_add(1));
        if self.last().is_none_or(|last| last.index < first_gone) {
            return Ok(());
        }
        self.durably(|wal| wal.truncate(first_gone)).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.durably(|wal| wal.purge(WalPosition(position(upto)))).await
    }
}

impl From<InspectError> for StoreError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Damage(damage) => Self::Damage(damage),
            InspectError::Read { path, source } => Self::File { path, source },
        }
    }
}
