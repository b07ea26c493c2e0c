//! The way of the lines' words into the replicated log.
//!
//! Promises: a proposal that was handed over is made even if its line is gone by then; a bounded number is under way
//! at once. Refuses: repeating a proposal: only its owner knows whether it still stands.

use std::sync::Arc;

use raft_store::state::{Entry, Reply};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, ProposeError};

/// What became of a proposal.
pub(super) type Answered = Result<Reply, ProposeError>;

/// An entry and where its answer goes.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) entry: Entry,
    pub(super) reply: oneshot::Sender<Answered>,
}

/// A handle; clones share the way.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    queue: mpsc::Sender<Proposal>,
}

impl Outlet {
    /// A way with room for `waiting` proposals, and its other end.
    pub(super) fn new(waiting: usize) -> (Self, mpsc::Receiver<Proposal>) {
        let (queue, proposals) = mpsc::channel(waiting.max(1));
        (Self { queue }, proposals)
    }

    /// Proposes `entry` and answers what became of it.
    pub(super) async fn propose(&self, entry: Entry) -> Answered {
        let (reply, answer) = oneshot::channel();
        let stopped = || ProposeError::NoLeader("this node's lines have stopped".to_owned());
        self.queue.send(Proposal { entry, reply }).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(ProposeError::Unknown("this node's lines have stopped".to_owned())))
    }
}

/// Hands proposals to the cluster, `at_once` of them at a time, until every [`Outlet`] is gone.
pub(super) async fn forward(cluster: Cluster, mut proposals: mpsc::Receiver<Proposal>, at_once: usize) {
    let room = Arc::new(Semaphore::new(at_once.max(1)));
    let mut under_way = JoinSet::new();
    while let Some(Proposal { entry, reply }) = proposals.recv().await {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let cluster = cluster.clone();
        under_way.spawn(async move {
            // The line may be gone by now; then nobody waits for the answer.
            let _ = reply.send(cluster.propose(entry).await);
            drop(permit);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}
