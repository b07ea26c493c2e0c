//! What the pullers hand to the writing loop.
//!
//! ```text
//!   puller of node 1 --+--> fresh    --+
//!   puller of node 2 --+               +--> fresh ones first --> writing loop
//!   puller of node 3 --+--> backlog  --+
//! ```
//!
//! Promises: bounded; who hands over waits while there is no room; a fresh batch never waits behind a backlog. Refuses:
//! looking into records.

use protocol::api::peer::SpoolRecord;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::lanes::Lane;

/// Records of one pull on their way to the database.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<SpoolRecord>,
    /// Told once they are committed, and the newest readings with them.
    pub(super) committed: oneshot::Sender<()>,
    /// Given back when the records are not in memory any more.
    pub(super) place: OwnedSemaphorePermit,
}

/// Where pullers hand over; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Giving {
    fresh: mpsc::Sender<Batch>,
    backlog: mpsc::Sender<Batch>,
}

/// Where the writing loop takes.
#[derive(Debug)]
pub(super) struct Taking {
    fresh: mpsc::Receiver<Batch>,
    backlog: mpsc::Receiver<Batch>,
    // One that did not fit beside the others.
    held: Option<Batch>,
}

/// Room for `batches` on each way.
pub(super) fn hand_over(batches: usize) -> (Giving, Taking) {
    let ((fresh, take_fresh), (backlog, take_backlog)) = (mpsc::channel(batches), mpsc::channel(batches));
    (Giving { fresh, backlog }, Taking { fresh: take_fresh, backlog: take_backlog, held: None })
}

impl Giving {
    /// Waits for room; fails where the writing loop is gone.
    pub(super) async fn give(&self, lane: Lane, batch: Batch) -> Result<(), SendError<Batch>> {
        match lane {
            Lane::Fresh => self.fresh.send(batch).await,
            Lane::Backlog => self.backlog.send(batch).await,
        }
    }
}

impl Taking {
    /// The next one; none where every puller is gone.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        tokio::select! {
            biased;
            Some(batch) = self.fresh.recv() => Some(batch),
            Some(batch) = self.backlog.recv() => Some(batch),
            else => None,
        }
    }

    /// The next one that is there and has at most `most` records.
    pub(super) fn take_within(&mut self, most: usize) -> Option<Batch> {
        let next = self.held.take().or_else(|| self.fresh.try_recv().ok()).or_else(|| self.backlog.try_recv().ok())?;
        if next.records.len() <= most {
            return Some(next);
        }
        self.held = Some(next);
        None
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_none() && self.fresh.is_empty() && self.backlog.is_empty()
    }
}
