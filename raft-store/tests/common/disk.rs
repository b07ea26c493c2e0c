//! A store on the disk, and entries that tell where they belong.

use std::path::Path;

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorageExt;
use raft_store::state::{Entry, LogPosition};
use raft_store::types::{Payload, RaftEntry, log_id};
use raft_store::{Limits, LogStore};

pub(crate) fn open(folder: &Path) -> LogStore {
    LogStore::open(folder, &Limits::default()).unwrap()
}

/// An entry whose content is its position.
pub(crate) fn entry(term: u64, index: u64) -> RaftEntry {
    let payload = Payload::Normal(Entry::RemoveMeter { name: format!("meter-{term}-{index}") });
    RaftEntry { log_id: log_id(LogPosition { term, index }), payload }
}

/// Appends and waits until it is durable.
pub(crate) async fn append(log: &mut LogStore, entries: impl IntoIterator<Item = RaftEntry>) {
    log.blocking_append(entries.into_iter().collect::<Vec<_>>()).await.unwrap();
}

pub(crate) async fn read_all(log: &mut LogStore) -> Vec<RaftEntry> {
    log.try_get_log_entries(..).await.unwrap()
}
