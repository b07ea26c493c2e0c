//! The writing loop: the only one that talks to the database while this node leads.
//!
//! ```text
//!   connect -> migrate -> project -> what is pending -> "back" --> next: batch | commands | registry
//!      ^                                                               |
//!      +-- back-off <-- "away" <---------- any error that lasts <------+
//! ```
//!
//! Promises: a batch leaves only by being committed; copies of the registry never keep readings waiting for a person.
//! Refuses: reading anything back.

use std::time::Duration;

use protocol::api::peer::SpoolRecord;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::history::{HistoryError, Job};
use super::projector::Projector;
use super::puller::Batch;
use crate::cluster::Applied;
use crate::cluster::board::Board;
use crate::config;
use crate::metrics::Metrics;
use crate::mysql::{Database, DatabaseError, Written};
use report::Report;

mod report;

pub(super) struct Scribe {
    config: config::Mysql,
    metrics: Metrics,
    report: Report,
    batches: mpsc::Receiver<Batch>,
    jobs: mpsc::Receiver<Job>,
    applied: watch::Receiver<Applied>,
    projector: Projector,
    pending: Option<Pending>,
    // A batch that did not fit beside the others.
    held: Option<Batch>,
    pause: Duration,
}

/// Records of one transaction, and who waits for it.
struct Pending {
    records: Vec<SpoolRecord>,
    committed: Vec<oneshot::Sender<()>>,
}

impl Scribe {
    pub(super) fn new(
        config: config::Mysql,
        board: Board,
        metrics: Metrics,
        backlog: Backlog,
        batches: mpsc::Receiver<Batch>,
        jobs: mpsc::Receiver<Job>,
        applied: watch::Receiver<Applied>,
    ) -> Self {
        let (report, projector, pause) = (Report::new(board, backlog), Projector::default(), config.retry_min);
        Self { config, metrics, report, batches, jobs, applied, projector, pending: None, held: None, pause }
    }

    /// Writes until `stop`; what is under way then is taken back by the server, or pulled again by the next leader.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.run_for_good()).await;
    }

    async fn run_for_good(&mut self) {
        loop {
            let Err(error) = self.one_connection().await else { return };
            self.metrics.write_failed();
            self.report.away(&error);
            self.projector.forget();
            let pause = if error.needs_person() { self.config.retry_max } else { self.pause };
            self.pause = (self.pause * 2).min(self.config.retry_max);
            sleep(pause).await;
        }
    }

    /// Ends well only when nobody can ask for anything any more.
    async fn one_connection(&mut self) -> Result<(), DatabaseError> {
        let mut database = Database::connect(&self.config).await?;
        database.migrate().await?;
        self.project(&mut database).await?;
        self.write_pending(&mut database).await?;
        self.report.back(database.endpoint());
        self.pause = self.config.retry_min;
        loop {
            tokio::select! {
                batch = next(&mut self.held, &mut self.batches) => match batch {
                    Some(batch) => self.pending = Some(self.merge(batch)),
                    None => return Ok(()),
                },
                Some(job) = self.jobs.recv() => self.store(&mut database, job).await?,
                Ok(()) = self.applied.changed() => self.project(&mut database).await?,
            }
            self.write_pending(&mut database).await?;
        }
    }

    /// `first`, and what else is there already and fits.
    fn merge(&mut self, first: Batch) -> Pending {
        let mut pending = Pending { records: first.records, committed: vec![first.committed] };
        while let Ok(batch) = self.batches.try_recv() {
            if pending.records.len().saturating_add(batch.records.len()) > self.config.batch_rows {
                self.held = Some(batch);
                break;
            }
            pending.records.extend(batch.records);
            pending.committed.push(batch.committed);
        }
        pending
    }

    async fn write_pending(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        let Some(pending) = &self.pending else { return Ok(()) };
        let written = write(database, &pending.records, &self.config, &self.metrics).await?;
        if let Some(pending) = self.pending.take() {
            self.publish(pending, &written);
        }
        Ok(())
    }

    fn publish(&mut self, pending: Pending, written: &Written) {
        self.metrics.rows_written(written.rows);
        self.metrics.rows_rejected(written.rejected.len() as u64);
        // A puller that is gone needs no answer: its spool still has the records.
        for committed in pending.committed {
            let _ = committed.send(());
        }
        self.report.committed(pending.records, written);
    }

    async fn store(&mut self, database: &mut Database, job: Job) -> Result<(), DatabaseError> {
        if job.done.is_closed() {
            return Ok(());
        }
        let stored = database.write_commands(&job.commands).await;
        let answer = stored.as_ref().copied().map_err(|error| HistoryError::Unavailable(error.to_string()));
        // Whoever asked may have stopped waiting, and will ask again.
        let _ = job.done.send(answer);
        tolerate_refused_rows(stored).map(drop)
    }

    async fn project(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        let state = self.applied.borrow_and_update().state.clone();
        database.stand_in(&state.plant.calendar.zone);
        let Some((projection, told)) = self.projector.due(&state) else { return Ok(()) };
        if let Some(error) = tolerate_refused_rows(database.project(&projection).await)? {
            self.report.note(format!("lines and meters cannot be copied to the database: {error}"));
        }
        self.projector.told(told);
        Ok(())
    }
}

async fn next(held: &mut Option<Batch>, batches: &mut mpsc::Receiver<Batch>) -> Option<Batch> {
    match held.take() {
        Some(batch) => Some(batch),
        None => batches.recv().await,
    }
}

/// Writes, again and again on the same connection where that may help.
async fn write(
    database: &mut Database,
    records: &[SpoolRecord],
    config: &config::Mysql,
    metrics: &Metrics,
) -> Result<Written, DatabaseError> {
    let mut pause = config.retry_min;
    for _ in 0..config.retries {
        match database.write(records).await {
            Err(DatabaseError::Retry(_)) => metrics.write_failed(),
            answer => return answer,
        }
        sleep(pause).await;
        pause = (pause * 2).min(config.retry_max);
    }
    database.write(records).await
}

/// A row that is refused will be refused by every connection: it must not end this one.
fn tolerate_refused_rows(done: Result<(), DatabaseError>) -> Result<Option<DatabaseError>, DatabaseError> {
    match done {
        Ok(()) => Ok(None),
        Err(error @ (DatabaseError::Poison(_) | DatabaseError::TooBig(_))) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}
