//! Appends entries to the ledger's file.
//!
//! Promises: entries of one writer keep their order; each is handed to the file at most [`FLUSH_EVERY`] later, and
//! [`Writer::close`] returns when the last one is there. A ledger that cannot be written ends the field: a stranger
//! that forgets is no witness. Refuses: appending to a ledger of an earlier run.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Event;

/// The longest time an entry waits before it is handed to the file.
pub const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// The handle by which everything in the field writes. Cheap to clone through an `Arc`.
#[derive(Debug)]
pub struct Ledger {
    entries: mpsc::UnboundedSender<Event>,
    numbers: AtomicU64,
    followers: Mutex<Vec<mpsc::UnboundedSender<Event>>>,
}

/// The task that owns the file.
#[derive(Debug)]
pub struct Writer {
    task: JoinHandle<Result<()>>,
}

impl Ledger {
    /// Opens a new ledger in `path` and starts its task.
    pub async fn create(path: &Path) -> Result<(Self, Writer)> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).await;
        let file = file.with_context(|| format!("ledger {}: cannot be created (an old one stays)", path.display()))?;
        // Unbounded on purpose: the pace is set by the lines' own speed, and dropping an entry would be a lie.
        let (entries, inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(write_all(file, inbox));
        let ledger = Self { entries, numbers: AtomicU64::new(1), followers: Mutex::default() };
        Ok((ledger, Writer { task }))
    }

    /// Appends an entry.
    pub fn write(&self, event: Event) {
        self.followers().retain(|follower| follower.send(event.clone()).is_ok());
        // The task only ends early on a write error, which `Writer::close` reports.
        let _ = self.entries.send(event);
    }

    /// Every entry from now on, as it is written, until the ledger is closed.
    pub fn follow(&self) -> mpsc::UnboundedReceiver<Event> {
        let (follower, events) = mpsc::unbounded_channel();
        self.followers().push(follower);
        events
    }

    fn followers(&self) -> MutexGuard<'_, Vec<mpsc::UnboundedSender<Event>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number never given before in this ledger.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Writer {
    /// Waits for the last entry to be in the file. Every [`Ledger`] handle must be gone before.
    pub async fn close(self) -> Result<()> {
        self.task.await.context("ledger task")?
    }

    /// Whether the task ended before it was asked to, which only an error makes it do.
    pub fn has_failed(&self) -> bool {
        self.task.is_finished()
    }
}

async fn write_all(file: File, mut inbox: mpsc::UnboundedReceiver<Event>) -> Result<()> {
    let mut file = BufWriter::new(file);
    let mut tick = interval_at(Instant::now() + FLUSH_EVERY, FLUSH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            entry = inbox.recv() => match entry {
                Some(event) => append(&mut file, &event).await?,
                None => break,
            },
            _ = tick.tick() => file.flush().await.context("ledger: flush")?,
        }
    }
    file.flush().await.context("ledger: last flush")?;
    file.get_ref().sync_all().await.context("ledger: sync")
}

async fn append(file: &mut BufWriter<File>, event: &Event) -> Result<()> {
    let mut text = serde_json::to_vec(event).context("ledger entry")?;
    text.push(b'\n');
    file.write_all(&text).await.context("ledger: append")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ledger::reader;

    #[tokio::test]
    async fn a_follower_hears_what_the_file_holds_from_then_on_until_the_ledger_is_closed() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("ledger.jsonl");
        let (ledger, writer) = Ledger::create(&path).await.expect("a new ledger");
        let entries = [Event::Start { at: Stamp::now(), seed: 1 }, Event::Stop { at: Stamp::now() }];
        ledger.write(entries[0].clone());
        drop(ledger.follow());
        let mut follower = ledger.follow();
        ledger.write(entries[1].clone());
        drop(ledger);
        writer.close().await.expect("closed");
        assert_eq!((follower.recv().await, follower.recv().await), (Some(entries[1].clone()), None));
        assert_eq!(reader::read(&path).expect("a whole ledger"), entries);
    }
}
