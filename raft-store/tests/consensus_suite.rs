//! The consensus library's own storage suite, against the real store on a real disk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

use openraft::testing::log::{StoreBuilder, Suite};
use raft_store::types::TypeConfig;
use raft_store::{Limits, LogStore, Machine};
use tempfile::TempDir;

struct OnDisk;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), openraft::StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let log = LogStore::open(folder.path(), &Limits::default()).unwrap();
        let (machine, _) = Machine::open(folder.path(), &log).unwrap();
        Ok((folder, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_the_suite_of_the_consensus_library() {
    Suite::test_all(OnDisk).await.unwrap();
}
