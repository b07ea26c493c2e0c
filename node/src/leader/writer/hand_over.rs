//! What the pullers hand to the writing loop.
//!
//! ```text
//!   puller of node 1 --+--> fresh    --+
//!   puller of node 2 --+               +--> fresh ones first --> writing loop
//!   puller of node 3 --+--> backlog  --+
//! ```
//!
//! Promises: bounded; who pulls has room for it first; a fresh batch waits for the one that is being written, and for no other
//! of a backlog. Refuses: looking into records.

use protocol::api::peer::SpoolRecord;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::lanes::{Lane, Over};
use crate::mysql::Strange;

/// Records of one pull on their way to the database.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<SpoolRecord>,
    /// What came with them and is none.
    pub(super) strange: Vec<Strange>,
    /// Told once they are committed, and the newest readings with them.
    pub(super) committed: oneshot::Sender<()>,
    /// Given back when the records are not in memory any more.
    pub(super) place: OwnedSemaphorePermit,
}

/// Room for a batch that is sure.
pub(super) type Room = OwnedPermit<Batch>;

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
    held: Option<(Lane, Batch)>,
}

/// Room for `batches` on each way.
pub(super) fn hand_over(batches: usize) -> (Giving, Taking) {
    let ((fresh, take_fresh), (backlog, take_backlog)) = (mpsc::channel(batches), mpsc::channel(batches));
    (Giving { fresh, backlog }, Taking { fresh: take_fresh, backlog: take_backlog, held: None })
}

impl Giving {
    /// Room for one, if there is some.
    pub(super) fn room(&self, lane: Lane) -> Result<Option<Room>, Over> {
        match self.way(lane).clone().try_reserve_owned() {
            Ok(room) => Ok(Some(room)),
            Err(TrySendError::Full(_)) => Ok(None),
            Err(TrySendError::Closed(_)) => Err(Over),
        }
    }

    /// Waits until there is room, or the writing loop is gone.
    pub(super) async fn until_room(&self, lane: Lane) {
        // Whoever waited looks whether it is gone.
        let _ = self.way(lane).reserve().await;
    }

    const fn way(&self, lane: Lane) -> &mpsc::Sender<Batch> {
        match lane {
            Lane::Fresh => &self.fresh,
            Lane::Backlog => &self.backlog,
        }
    }
}

impl Taking {
    /// The next one; none where every puller is gone.
    pub(super) async fn next(&mut self) -> Option<(Lane, Batch)> {
        if let Ok(batch) = self.fresh.try_recv() {
            return Some((Lane::Fresh, batch));
        }
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        tokio::select! {
            biased;
            Some(batch) = self.fresh.recv() => Some((Lane::Fresh, batch)),
            Some(batch) = self.backlog.recv() => Some((Lane::Backlog, batch)),
            else => None,
        }
    }

    /// The next one of `lane` that is there and has at most `most` records.
    pub(super) fn take_within(&mut self, lane: Lane, most: usize) -> Option<Batch> {
        let held = self.held.take_if(|(held, _)| *held == lane).map(|(_, batch)| batch);
        let way = match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Backlog => &mut self.backlog,
        };
        let next = if self.held.is_some() { None } else { held.or_else(|| way.try_recv().ok()) }?;
        if next.records.len() <= most {
            return Some(next);
        }
        self.held = Some((lane, next));
        None
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_none() && self.fresh.is_empty() && self.backlog.is_empty()
    }
}
