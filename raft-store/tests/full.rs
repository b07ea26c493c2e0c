//! A disk without room: whoever waits for the log is told why it cannot be written, also behind the write that failed.
//!
//! The test starts itself again as a child whose files cannot grow.

#![allow(clippy::unwrap_used, reason = "a test may stop")]
#![allow(clippy::disallowed_methods, reason = "a test has processes")]

mod common;

use std::path::Path;
use std::process::Command;

use common::disk::open;
use futures::future::join_all;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use raft_store::types::Vote;

/// Tells the child its folder.
const FOLDER: &str = "HEARTH_FULL_FOLDER";
/// No file of the child can be larger, bytes.
const ROOM: u64 = 4096;
/// More than there is room for.
const VOTES: u64 = 1_000;

#[test]
#[ignore = "the child of the other test"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let log = open(Path::new(&folder));
    let vote = |term| {
        let mut log = log.clone();
        async move { log.save_vote(&Vote::new(term, 1)).await }
    };
    // All of them wait before the first is told.
    let saved = futures::executor::block_on(join_all((1..=VOTES).map(vote)));
    for (saved, term) in saved.into_iter().zip(1..) {
        match saved {
            Ok(()) => println!("\nsaved {term}"),
            Err(error) => println!("\nfailed {error}"),
        }
    }
}

#[tokio::test]
async fn everybody_who_waits_behind_a_write_that_failed_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    // A write beyond the limit shall fail, not kill.
    let limited = "trap '' XFSZ; exec prlimit --fsize=\"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", limited, &ROOM.to_string()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    let failed: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("failed ")).collect();
    let saved: Vec<u64> = said.lines().filter_map(|line| line.strip_prefix("saved ")?.parse().ok()).collect();
    assert_eq!((failed.len() + saved.len()) as u64, VOTES, "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(failed.len() > 100, "{saved:?}");
    for error in failed {
        assert!(error.contains("os error 27"), "{error}");
    }
    assert!(!saved.is_empty() && saved.iter().copied().eq(1..=saved.len() as u64), "{saved:?}");
    let vote = open(folder.path()).read_vote().await.unwrap();
    assert!(vote >= saved.last().map(|term| Vote::new(*term, 1)), "{vote:?} of {saved:?}");
}
