//! The log across restarts: what was acknowledged is there, what was torn is cut, what is damaged is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]
#![allow(clippy::disallowed_methods, reason = "a test damages files")]

mod common;

use std::path::{Path, PathBuf};

use common::disk::{append, entry, open, read_all};
use futures::StreamExt;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use raft_store::state::LogPosition;
use raft_store::types::{Vote, log_id};
use raft_store::{Limits, LogStore, StoreError};

fn at(term: u64, index: u64) -> raft_store::types::LogId {
    log_id(LogPosition { term, index })
}

/// The only log file of a small store.
fn log_file(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "wal")).collect();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

/// A store of ten entries and two votes, closed; with the length of its file after each change.
async fn ten_entries(folder: &Path) -> Vec<u64> {
    let mut log = open(folder);
    let mut lengths = Vec::new();
    for index in 0..10 {
        append(&mut log, [entry(1, index)]).await;
        lengths.push(std::fs::metadata(log_file(folder)).unwrap().len());
        if index % 5 == 4 {
            log.save_vote(&Vote::new(index, 1)).await.unwrap();
        }
    }
    lengths
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path());
    log.save_vote(&Vote::new_committed(3, 2)).await.unwrap();
    append(&mut log, (0..20).map(|index| entry(3, index))).await;
    log.save_committed(Some(at(3, 15))).await.unwrap();
    log.truncate_after(Some(at(3, 17))).await.unwrap();
    log.purge(at(3, 4)).await.unwrap();
    drop(log);
    let mut log = open(folder.path());
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(3, 2)));
    assert_eq!(log.read_committed().await.unwrap(), Some(at(3, 15)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(at(3, 4)), Some(at(3, 17))));
    assert_eq!(read_all(&mut log).await, (5..18).map(|index| entry(3, index)).collect::<Vec<_>>());
}

#[tokio::test]
async fn entries_are_readable_once_the_append_has_returned() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path());
    log.append([entry(1, 0)], raft_store::types::IoFlushed::noop()).await.unwrap();
    assert_eq!(read_all(&mut log).await, [entry(1, 0)]);
}

#[tokio::test]
async fn a_hole_in_the_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path());
    append(&mut log, [entry(1, 0)]).await;
    log.append([entry(1, 2)], raft_store::types::IoFlushed::noop()).await.unwrap_err();
}

#[tokio::test]
async fn a_vote_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path());
    log.save_vote(&Vote::new(5, 1)).await.unwrap();
    log.save_vote(&Vote::new(4, 1)).await.unwrap_err();
    log.save_vote(&Vote::new(5, 2)).await.unwrap_err();
    log.save_vote(&Vote::new_committed(5, 2)).await.unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(5, 2)));
}

#[tokio::test]
async fn a_limited_read_gives_at_least_one_entry_and_stops_at_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { read_bytes: 100, ..Limits::default() };
    let mut log = LogStore::open(folder.path(), &limits).unwrap();
    append(&mut log, (0..20).map(|index| entry(1, index))).await;
    let some = log.limited_get_log_entries(3, 20).await.unwrap();
    assert!(!some.is_empty() && some.len() < 17, "{}", some.len());
    assert_eq!(some[0], entry(1, 3));
}

#[tokio::test]
async fn a_stream_of_entries_read_in_pieces_misses_none() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { read_bytes: 200, ..Limits::default() };
    let mut log = LogStore::open(folder.path(), &limits).unwrap();
    append(&mut log, (0..100).map(|index| entry(1, index))).await;
    let streamed: Vec<_> = log.entries_stream(7..).await.map(Result::unwrap).collect().await;
    assert_eq!(streamed, (7..100).map(|index| entry(1, index)).collect::<Vec<_>>());
}

#[tokio::test]
async fn purging_frees_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { file_bytes: 4096, cache_bytes: 1024, ..Limits::default() };
    let mut log = LogStore::open(folder.path(), &limits).unwrap();
    for index in 0..500 {
        append(&mut log, [entry(1, index)]).await;
    }
    let before = log.disk_bytes();
    log.purge(at(1, 480)).await.unwrap();
    append(&mut log, [entry(1, 500)]).await;
    assert!(log.disk_bytes() * 4 < before, "{} of {before}", log.disk_bytes());
    drop(log);
    let mut log = LogStore::open(folder.path(), &limits).unwrap();
    assert_eq!(read_all(&mut log).await, (481..=500).map(|index| entry(1, index)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let Err(StoreError::Lock(error)) = LogStore::open(folder.path(), &Limits::default()) else {
        panic!("opened twice")
    };
    let process = std::process::id();
    let text = format!("folder {} is in use by process {process}: ", folder.path().display());
    assert!(error.to_string().starts_with(&text), "{error}");
    drop(first);
    open(folder.path());
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_is_cut_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let lengths = ten_entries(folder.path()).await;
    let file = log_file(folder.path());
    let whole = std::fs::read(&file).unwrap();
    for length in lengths[6]..whole.len() as u64 {
        std::fs::remove_dir_all(folder.path().join("log")).unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        std::fs::write(&file, &whole[..usize::try_from(length).unwrap()]).unwrap();
        let kept = lengths.iter().filter(|end| **end <= length).count() as u64;
        let mut log = open(folder.path());
        assert_eq!(read_all(&mut log).await, (0..kept).map(|index| entry(1, index)).collect::<Vec<_>>(), "{length}");
        append(&mut log, [entry(2, kept)]).await;
    }
}

#[tokio::test]
async fn a_tail_of_zeros_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let lengths = ten_entries(folder.path()).await;
    let file = log_file(folder.path());
    let mut bytes = std::fs::read(&file).unwrap();
    let end = usize::try_from(lengths[8]).unwrap();
    bytes[end..].fill(0);
    bytes.extend([0; 4096]);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(read_all(&mut open(folder.path())).await, (0..9).map(|index| entry(1, index)).collect::<Vec<_>>());
}

/// The last record alone cannot be told from one that was torn while it was written; every other one can.
#[tokio::test]
async fn a_flipped_byte_loses_no_acknowledged_entry_silently() {
    let folder = tempfile::tempdir().unwrap();
    let lengths = ten_entries(folder.path()).await;
    let file = log_file(folder.path());
    let whole = std::fs::read(&file).unwrap();
    let last_record = usize::try_from(lengths[9]).unwrap();
    for at in 0..last_record {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&file, &damaged).unwrap();
        let Err(StoreError::Damage(damage)) = LogStore::open(folder.path(), &Limits::default()) else {
            panic!("byte {at}: opened, or another error")
        };
        assert_eq!(damage.file, file);
        assert!(damage.offset <= at as u64, "byte {at}: {damage}");
        assert!(damage.to_string().contains("let it join anew"), "{damage}");
        assert_eq!(std::fs::read(&file).unwrap(), damaged, "a refused file is left as it is");
    }
}

#[tokio::test]
async fn damage_in_an_older_file_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { file_bytes: 1024, ..Limits::default() };
    let mut log = LogStore::open(folder.path(), &limits).unwrap();
    append(&mut log, (0..100).map(|index| entry(1, index))).await;
    drop(log);
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path().join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    files.sort();
    let bytes = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], &bytes[..bytes.len() - 3]).unwrap();
    let Err(error) = LogStore::open(folder.path(), &limits) else { panic!("opened") };
    assert!(error.to_string().contains(&files[1].display().to_string()), "{error}");
    std::fs::write(&files[1], &bytes).unwrap();
    LogStore::open(folder.path(), &limits).unwrap();
}
