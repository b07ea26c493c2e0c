//! Letting go of lines, many in one entry.
//!
//! ```text
//!   line's channel closed --> waiting --propose, a batch at a time--> the state shows another owner: forgotten
//!                                ^                          |
//!                                +-- not shown after a pause+
//! ```
//!
//! Promises: a release is proposed until the state shows it or the ownership is gone; while one entry is under way,
//! further lines gather for the next. Refuses: being asked before the line's channel is closed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use protocol::meter::{Epoch, LineId, NodeId};
use raft_store::state::{Entry, State};
use tokio::time::Instant;

use crate::clock::wall_now;

use super::outlet::{Answered, Outlet};

/// The lines this node lets go of.
pub(super) struct Releases {
    node: NodeId,
    outlet: Outlet,
    at_once: usize,
    pause: Duration,
    /// Each with its epoch and when it is proposed (again).
    waiting: BTreeMap<LineId, (Epoch, Instant)>,
    under_way: Option<BoxFuture<'static, Answered>>,
}

impl Releases {
    pub(super) const fn new(node: NodeId, outlet: Outlet, at_once: usize, pause: Duration) -> Self {
        Self { node, outlet, at_once, pause, waiting: BTreeMap::new(), under_way: None }
    }

    /// The channel of `line` is closed: it is let go of.
    pub(super) fn add(&mut self, line: LineId, epoch: Epoch) {
        self.waiting.entry(line).or_insert((epoch, Instant::now())).0 = epoch;
    }

    /// Forgets what the state shows as done.
    pub(super) fn follow(&mut self, state: &State) {
        self.waiting.retain(|line, (epoch, _)| state.assignment.is_held(*line, self.node, *epoch));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Proposes what waits, entry after entry. Never ends; may be dropped and called again at any time.
    pub(super) async fn drive(&mut self) {
        loop {
            let Some(under_way) = self.under_way.as_mut() else {
                self.next_entry().await;
                continue;
            };
            if let Err(error) = under_way.await {
                tracing::debug!(%error, "letting go of lines is proposed again");
            }
            self.under_way = None;
        }
    }

    /// Waits until something is to be proposed, and puts it under way.
    async fn next_entry(&mut self) {
        match self.waiting.values().map(|(_, at)| *at).min() {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
        let now = Instant::now();
        let due = self.waiting.iter_mut().filter(|(_, (_, at))| *at <= now).take(self.at_once);
        let lines = due.map(|(line, (epoch, at))| {
            *at = now + self.pause;
            (*line, *epoch)
        });
        let entry = Entry::Release { at: wall_now(), node: self.node, lines: lines.collect() };
        let outlet = self.outlet.clone();
        self.under_way = Some(async move { outlet.propose(entry).await }.boxed());
    }
}

impl std::fmt::Debug for Releases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Releases").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
