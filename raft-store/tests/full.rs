//! A disk without room: whoever waits for the log is told why it cannot be written, also behind the write that failed.
//!
//! The test starts itself again as a child whose files cannot grow.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]
#![allow(clippy::disallowed_methods, reason = "a test has processes")]

mod common;

use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use common::disk::{entry, open};
use openraft::RaftLogReader;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use raft_store::LogStore;
use raft_store::types::Vote;

/// Tells the child its folder.
const FOLDER: &str = "HEARTH_FULL_FOLDER";
/// No file of the child can be larger, bytes.
const ROOM: u64 = 4096;
/// More changes than there is room for, and fewer than the log lets wait.
const CHANGES: u64 = 400;

/// Whoever is to be woken waits until it is open: the writing thread, that is.
struct Gate(Mutex<()>);

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock());
    }
}

/// Votes and entries in turn.
async fn change(mut log: LogStore, number: u64) -> Result<(), String> {
    if number.is_multiple_of(2) {
        log.save_vote(&Vote::new(number, 1)).await.map_err(|error| error.to_string())
    } else {
        log.blocking_append([entry(1, number / 2)]).await.map_err(|error| error.to_string())
    }
}

#[test]
#[ignore = "the child of the other test"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let log = open(Path::new(&folder));
    let gate = Arc::new(Gate(Mutex::new(())));
    let closed = gate.0.lock().unwrap();
    let waker = Waker::from(Arc::clone(&gate));
    let mut changes: Vec<(Pin<Box<dyn Future<Output = _>>>, _)> = Vec::new();
    for number in 0..CHANGES {
        let mut change: Pin<Box<dyn Future<Output = _>>> = Box::pin(change(log.clone(), number));
        let early = change.as_mut().poll(&mut Context::from_waker(&waker));
        changes.push((change, early));
    }
    println!("\nwaiting {}", changes.iter().filter(|(_, early)| early.is_pending()).count());
    drop(closed);
    for ((change, early), number) in changes.into_iter().zip(0..) {
        let done = match early {
            std::task::Poll::Ready(done) => done,
            std::task::Poll::Pending => futures::executor::block_on(change),
        };
        match done {
            Ok(()) => println!("\nsaved {number}"),
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
    let told = |what: &str| -> Vec<&str> { said.lines().filter_map(|line| line.strip_prefix(what)).collect() };
    let (waiting, failed) = (told("waiting "), told("failed "));
    let saved: Vec<u64> = told("saved ").iter().map(|number| number.parse().unwrap()).collect();
    assert_eq!((failed.len() + saved.len()) as u64, CHANGES, "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(waiting[0].parse::<u64>().unwrap() > CHANGES * 3 / 4, "{waiting:?} of them waited");
    assert!(failed.len() as u64 > CHANGES / 2, "{saved:?}");
    for error in failed {
        assert!(error.contains("os error 27"), "{error}");
    }
    assert!(saved.len() > 2 && saved.iter().copied().eq(0..saved.len() as u64), "{saved:?}");
    let vote = open(folder.path()).read_vote().await.unwrap();
    let last = saved.iter().rfind(|number| number.is_multiple_of(2));
    assert!(vote >= last.map(|term| Vote::new(*term, 1)), "{vote:?} of {saved:?}");
}
