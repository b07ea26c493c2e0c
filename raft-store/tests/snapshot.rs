//! Snapshots and the tail of the log together are the whole log.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]
#![allow(clippy::disallowed_methods, reason = "a test damages files")]

mod common;

use std::path::{Path, PathBuf};

use common::{Step, disk, small_cluster, steps};
use futures::stream;
use openraft::RaftSnapshotBuilder;
use openraft::storage::{RaftLogStorage, RaftStateMachine};
use proptest::prelude::*;
use raft_store::state::{LogPosition, State, apply};
use raft_store::types::{Image, Payload, RaftEntry, StoredMembership, log_id};
use raft_store::{Machine, MachineHandle, SnapshotError, codec};

/// Steps as entries of a log whose terms grow.
fn log_of(steps: &[Step]) -> Vec<RaftEntry> {
    let mut term = 1;
    let entry = |(index, (step_term, entry)): (u64, &Step)| {
        term = term.max(*step_term);
        RaftEntry { log_id: log_id(LogPosition { term, index }), payload: Payload::Normal(entry.clone()) }
    };
    (0..).zip(steps).map(entry).collect()
}

async fn apply_all(machine: &mut Machine, entries: &[RaftEntry]) {
    machine.apply(stream::iter(entries.iter().map(|entry| Ok((entry.clone(), None))))).await.unwrap();
}

fn machine(folder: &Path) -> (Machine, MachineHandle) {
    Machine::open(folder, &disk::open(folder)).unwrap()
}

fn snapshot_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("snapshots")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn flip_a_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(common::cases(60))]

    #[test]
    fn a_snapshot_and_the_tail_are_the_whole_log_byte_for_byte(steps in steps(1..60), share in 0.0..1.0_f64) {
        let entries = log_of(&steps);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a short list")]
        let cut = (entries.len() as f64 * share) as usize;
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (whole, early, late) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (mut all, all_seen) = machine(whole.path());
            apply_all(&mut all, &entries).await;
            let (mut first, _) = machine(early.path());
            apply_all(&mut first, &entries[..cut]).await;
            let sent = first.get_snapshot_builder().await.build_snapshot().await.unwrap();
            let (mut second, second_seen) = machine(late.path());
            second.install_snapshot(&sent.meta, sent.snapshot).await.unwrap();
            apply_all(&mut second, &entries[cut..]).await;
            assert_eq!(all.applied_state().await.unwrap(), second.applied_state().await.unwrap());
            let (all, second) = (all_seen.applied(), second_seen.applied());
            assert_eq!((all.index, all.term), (second.index, second.term));
            assert_eq!(codec::encode_state(&all.state).unwrap(), codec::encode_state(&second.state).unwrap());
            assert_eq!(codec::digest(&all.state).unwrap(), codec::digest(&second.state).unwrap());
        });
    }
}

/// A machine in `folder` that has applied a few entries, with a snapshot after each of `at`.
async fn with_snapshots(folder: &Path, at: &[usize]) -> State {
    let steps: Vec<Step> = (0..10)
        .map(|n| {
            (
                1,
                raft_store::state::Entry::Admit {
                    at: raft_store::state::UnixMillis(n),
                    newcomer: common::newcomer(&format!("n{n}")),
                    key: format!("key-{n}"),
                },
            )
        })
        .collect();
    let mut all = vec![(1, common::found())];
    all.extend(steps);
    let entries = log_of(&all);
    let mut log = disk::open(folder);
    disk::append(&mut log, entries.clone()).await;
    let (mut machine, seen) = Machine::open(folder, &log).unwrap();
    for (count, entry) in (1..).zip(&entries) {
        apply_all(&mut machine, std::slice::from_ref(entry)).await;
        if at.contains(&count) {
            machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
        }
    }
    seen.state()
}

#[tokio::test]
async fn a_machine_opens_with_its_newest_snapshot_and_keeps_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let state = with_snapshots(folder.path(), &[3, 11]).await;
    let files = snapshot_files(folder.path());
    assert_eq!(files.len(), 1);
    assert!(files[0].ends_with("00000000000000000010-1.snapshot"), "{files:?}");
    let (_, seen) = machine(folder.path());
    assert_eq!((seen.applied().index, seen.state()), (10, state));
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_by_name_when_the_log_does_not_reach_back() {
    let folder = tempfile::tempdir().unwrap();
    with_snapshots(folder.path(), &[5]).await;
    disk::open(folder.path()).purge(log_id(LogPosition { term: 1, index: 3 })).await.unwrap();
    let file = snapshot_files(folder.path()).remove(0);
    flip_a_byte(&file);
    let Err(SnapshotError::NoneSound { damaged, purged }) = Machine::open(folder.path(), &disk::open(folder.path()))
    else {
        panic!("opened")
    };
    assert!(damaged.starts_with(&format!("{} is damaged: snapshot checksum ", file.display())), "{damaged}");
    assert_eq!(purged, 3);
}

#[tokio::test]
async fn an_older_sound_snapshot_serves_where_the_log_reaches_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    with_snapshots(folder.path(), &[3]).await;
    let older = snapshot_files(folder.path()).remove(0);
    let bytes = std::fs::read(&older).unwrap();
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    with_snapshots(folder.path(), &[6]).await;
    std::fs::write(&older, bytes).unwrap();
    flip_a_byte(&snapshot_files(folder.path())[1]);
    assert_eq!(machine(folder.path()).1.applied().index, 2);
    disk::open(folder.path()).purge(log_id(LogPosition { term: 1, index: 2 })).await.unwrap();
    assert_eq!(machine(folder.path()).1.applied().index, 2);
    disk::open(folder.path()).purge(log_id(LogPosition { term: 1, index: 3 })).await.unwrap();
    assert!(Machine::open(folder.path(), &disk::open(folder.path())).is_err());
}

#[tokio::test]
async fn a_missing_snapshot_is_refused_once_the_log_was_purged() {
    let folder = tempfile::tempdir().unwrap();
    with_snapshots(folder.path(), &[]).await;
    assert_eq!(machine(folder.path()).1.applied().index, 0);
    disk::open(folder.path()).purge(log_id(LogPosition { term: 1, index: 0 })).await.unwrap();
    let Err(error) = Machine::open(folder.path(), &disk::open(folder.path())) else { panic!("opened") };
    assert!(error.to_string().starts_with("no sound snapshot from which the log goes on: there is none;"), "{error}");
}

#[tokio::test]
async fn an_unfinished_snapshot_is_never_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    with_snapshots(folder.path(), &[3]).await;
    let sound = snapshot_files(folder.path()).remove(0);
    let unfinished = folder.path().join("snapshots/00000000000000000099-1.tmp");
    std::fs::write(&unfinished, &std::fs::read(&sound).unwrap()[..40]).unwrap();
    assert_eq!(machine(folder.path()).1.applied().index, 2);
    assert_eq!(snapshot_files(folder.path()), [sound]);
}

#[tokio::test]
async fn a_damaged_snapshot_from_another_node_changes_nothing() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_snapshots(there.path(), &[4]).await;
    let (mut sender, _) = machine(there.path());
    let sent = sender.get_current_snapshot().await.unwrap().unwrap();
    let mut bytes = sent.snapshot.as_slice().to_vec();
    bytes[100] ^= 1;
    let (mut receiver, seen) = machine(here.path());
    receiver.install_snapshot(&sent.meta, bytes.into()).await.unwrap_err();
    assert_eq!(seen.applied().index, 0);
    assert!(snapshot_files(here.path()).is_empty());
}

#[tokio::test]
async fn a_snapshot_of_another_position_than_announced_changes_nothing() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_snapshots(there.path(), &[4]).await;
    let (mut sender, _) = machine(there.path());
    let mut sent = sender.get_current_snapshot().await.unwrap().unwrap();
    sent.meta.last_log_id = Some(log_id(LogPosition { term: 1, index: 77 }));
    let (mut receiver, seen) = machine(here.path());
    receiver.install_snapshot(&sent.meta, sent.snapshot).await.unwrap_err();
    assert_eq!(seen.applied().index, 0);
    assert!(snapshot_files(here.path()).is_empty());
}

#[tokio::test]
async fn a_snapshot_that_took_long_does_not_replace_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    with_snapshots(folder.path(), &[]).await;
    let (mut here, _) = machine(folder.path());
    let mut slow = here.get_snapshot_builder().await;
    let entries = log_of(&[(1, common::found()), (1, common::found())]);
    apply_all(&mut here, &entries[..1]).await;
    let mut slow_too = here.get_snapshot_builder().await;
    apply_all(&mut here, &entries[1..]).await;
    here.get_snapshot_builder().await.build_snapshot().await.unwrap();
    slow_too.build_snapshot().await.unwrap();
    slow.build_snapshot().await.unwrap();
    assert_eq!(here.get_current_snapshot().await.unwrap().unwrap().meta.last_log_id, Some(entries[1].log_id));
    assert_eq!(snapshot_files(folder.path()).len(), 1);
}

#[tokio::test]
async fn the_view_is_published_once_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (mut machine, seen) = machine(folder.path());
    let mut view = seen.subscribe();
    view.mark_unchanged();
    let entries = log_of(&(0..100).map(|_| (1, common::found())).collect::<Vec<_>>());
    apply_all(&mut machine, &entries).await;
    assert!(view.has_changed().unwrap());
    assert_eq!(view.borrow_and_update().index, 99);
    assert!(!view.has_changed().unwrap());
    assert_eq!(seen.wait_for(99).await.unwrap().index, 99);
}

#[test]
fn an_image_round_trips_with_the_state_of_a_cluster() {
    let image = Image { applied: None, membership: StoredMembership::default(), state: small_cluster() };
    let mut again = codec::decode_snapshot(&codec::encode_snapshot(&image).unwrap()).unwrap();
    assert_eq!(again, image);
    apply(&mut again.state, LogPosition::default(), &common::found());
}
