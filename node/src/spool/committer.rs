//! The one thread that writes the spool's file: everything that waits becomes durable in one commit.
//!
//! Promises: an answer is given only after the commit; after a failed write nothing is tried again, and every job is
//! answered with what failed. Refuses: delaying a commit to make it larger.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::SpoolError;
use super::store::{Change, Effect, Holds, Room, Store};
use crate::metrics::Metrics;

/// What is asked of the thread.
#[derive(Debug)]
pub(super) enum Job {
    Append { bytes: Vec<u8>, room: Room, done: oneshot::Sender<Result<u64, SpoolError>> },
    Acknowledge { upto: u64, done: oneshot::Sender<Result<(), SpoolError>> },
    Close { done: oneshot::Sender<()> },
}

pub(super) struct Committer {
    store: Store,
    queue: mpsc::Receiver<Job>,
    batch_records: usize,
    metrics: Metrics,
    holds: watch::Sender<Holds>,
    failure: watch::Sender<Option<SpoolError>>,
}

type Shown = (watch::Receiver<Holds>, watch::Receiver<Option<SpoolError>>);

impl Committer {
    pub(super) fn new(
        store: Store,
        queue: mpsc::Receiver<Job>,
        batch_records: usize,
        metrics: Metrics,
    ) -> (Self, Shown) {
        let (holds, held) = watch::channel(store.holds());
        let (failure, failed) = watch::channel(None);
        let committer = Self { store, queue, batch_records, metrics, holds, failure };
        committer.show();
        (committer, (held, failed))
    }

    /// Runs until the spool is closed or its last handle is gone.
    pub(super) fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = self.queue.blocking_recv() else { break };
            let mut batch = vec![first];
            while batch.len() < self.batch_records {
                let Ok(job) = self.queue.try_recv() else { break };
                batch.push(job);
            }
            closing = take_close(&mut batch);
            self.carry_out(batch);
        }
        self.queue.close();
        drop(self);
        if let Some(done) = closing {
            // Whoever closed it may have stopped waiting.
            let _ = done.send(());
        }
    }

    fn carry_out(&mut self, batch: Vec<Job>) {
        if let Some(error) = self.failure.borrow().clone() {
            return batch.into_iter().for_each(|job| job.fail(&error));
        }
        let changes: Vec<_> = batch.iter().filter_map(Job::change).collect();
        match self.store.commit(&changes) {
            Ok(effects) => {
                drop(changes);
                self.show();
                batch.into_iter().zip(effects).for_each(|(job, effect)| job.succeed(effect));
            }
            Err(error) => {
                drop(changes);
                let error = self.broken(&error);
                batch.into_iter().for_each(|job| job.fail(&error));
            }
        }
    }

    fn show(&self) {
        let holds = self.store.holds();
        self.metrics.spool_holds(holds.records, holds.bytes, holds.oldest_at);
        self.holds.send_replace(holds);
    }

    fn broken(&self, error: &redb::Error) -> SpoolError {
        let cause = Arc::from(error.to_string().as_str());
        let error = SpoolError::Broken { path: self.store.path().to_owned(), cause };
        self.failure.send_replace(Some(error.clone()));
        error
    }
}

/// Takes a request to close out of `batch`; what came after it finds the spool closed.
fn take_close(batch: &mut Vec<Job>) -> Option<oneshot::Sender<()>> {
    let at = batch.iter().position(|job| matches!(job, Job::Close { .. }))?;
    match batch.split_off(at).into_iter().next() {
        Some(Job::Close { done }) => Some(done),
        _ => None,
    }
}

impl Job {
    fn change(&self) -> Option<Change<'_>> {
        match self {
            Self::Append { bytes, room, .. } => Some(Change::Append(bytes, *room)),
            Self::Acknowledge { upto, .. } => Some(Change::Acknowledge(*upto)),
            Self::Close { .. } => None,
        }
    }

    // Whoever asked may have stopped waiting; what became of it stands all the same.
    fn succeed(self, effect: Effect) {
        match (self, effect) {
            (Self::Append { done, .. }, Effect::Appended(sequence)) => drop(done.send(Ok(sequence))),
            (Self::Acknowledge { done, .. }, Effect::Acknowledged) => drop(done.send(Ok(()))),
            (job, Effect::Refused(error)) => job.fail(&error),
            (job, Effect::Appended(_) | Effect::Acknowledged) => job.fail(&SpoolError::Closed),
        }
    }

    fn fail(self, error: &SpoolError) {
        match self {
            Self::Append { done, .. } => drop(done.send(Err(error.clone()))),
            Self::Acknowledge { done, .. } => drop(done.send(Err(error.clone()))),
            Self::Close { done } => drop(done.send(())),
        }
    }
}
