//! How many entries a second the log makes durable, one and many at a time, beside bare writes to the same disk.
//!
//! `cargo run --release -p raft-store --example append_rate -- FOLDER`

#![expect(clippy::disallowed_methods, reason = "measures time, and writes a file to compare with")]

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use raft_store::state::{Entry, LogPosition};
use raft_store::types::{Payload, RaftEntry, log_id};
use raft_store::{Limits, LogStore};

/// Each figure is measured for this long.
const SPAN: Duration = Duration::from_secs(3);

/// Bytes of an entry, about.
const ENTRY_BYTES: usize = 256;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("name a folder on the disk to be measured")?;
    let folder = Path::new(&folder).join("append-rate");
    for batch in [1, 16, 256] {
        let bare = bare_rate(&folder, batch)?;
        let store = store_rate(&folder, batch, false).await?;
        let both = store_rate(&folder, batch, true).await?;
        println!("batch {batch:>3}: bare {bare:>7}/s, store {store:>7}/s, with the commit saved too {both:>7}/s");
    }
    Ok(std::fs::remove_dir_all(&folder)?)
}

fn entry(index: u64) -> RaftEntry {
    let payload = Payload::Normal(Entry::RemoveMeter { name: "x".repeat(ENTRY_BYTES) });
    RaftEntry { log_id: log_id(LogPosition { term: 1, index }), payload }
}

async fn store_rate(folder: &Path, batch: u64, commit: bool) -> Result<u64> {
    let folder = folder.join(format!("store-{batch}-{commit}"));
    let mut log = LogStore::open(&folder, &Limits::default())?;
    let begun = Instant::now();
    let mut next = 0;
    while begun.elapsed() < SPAN {
        log.blocking_append((next..next + batch).map(entry).collect::<Vec<_>>()).await?;
        next += batch;
        if commit {
            log.save_committed(Some(log_id(LogPosition { term: 1, index: next - 1 }))).await?;
        }
    }
    Ok(next / SPAN.as_secs())
}

fn bare_rate(folder: &Path, batch: u64) -> Result<u64> {
    std::fs::create_dir_all(folder)?;
    let mut file = std::fs::File::create(folder.join(format!("bare-{batch}")))?;
    let bytes = vec![0; (ENTRY_BYTES + 60) * usize::try_from(batch)?];
    let begun = Instant::now();
    let mut written = 0;
    while begun.elapsed() < SPAN {
        file.write_all(&bytes)?;
        file.sync_data()?;
        written += batch;
    }
    Ok(written / SPAN.as_secs())
}
