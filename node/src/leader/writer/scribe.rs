//! The writing loop: the only one that talks to the database while this node leads.
//!
//! ```text
//!   connect -> migrate -> project -> what is pending -> "back" --> next: batch | commands | registry
//!      ^                                                               |
//!      +-- back-off <-- "away" <---------- any error that lasts <------+
//!
//!   batch: ask for the last readings of its meters -> judge -> write -> committed, and kept for
//!          the newest readings are told (no batch waits, or every mysql.latest_every) -> its puller is told
//! ```
//!
//! Promises: a batch leaves only by being committed, and its spool forgets it only after the newest readings that came with
//! it are told: who is stopped between the two leaves all of it to be written again. Copies of the registry never keep
//! readings waiting for a person. Refuses: more of what was written than the last reading of each meter.

use std::collections::HashSet;
use std::time::Duration;

use protocol::api::peer::SpoolRecord;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::history::{HistoryError, Job};
use super::newest::Newest;
use super::projector::Projector;
use super::puller::Batch;
use super::sanity;
use crate::cluster::Applied;
use crate::cluster::board::Board;
use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::mysql::{Database, DatabaseError, Written};
use report::Report;

mod report;

pub(super) struct Scribe {
    config: config::Mysql,
    rules: sanity::Rules,
    metrics: Metrics,
    report: Report,
    batches: mpsc::Receiver<Batch>,
    jobs: mpsc::Receiver<Job>,
    applied: watch::Receiver<Applied>,
    projector: Projector,
    newest: Newest,
    pending: Option<Pending>,
    // A batch that did not fit beside the others.
    held: Option<Batch>,
    untold: Untold,
    pause: Duration,
}

/// Who waits for the newest readings to be told.
#[derive(Default)]
struct Untold {
    committed: Vec<oneshot::Sender<()>>,
    since: Option<Instant>,
}

/// Records of one transaction, and who waits for it.
struct Pending {
    records: Vec<SpoolRecord>,
    committed: Vec<oneshot::Sender<()>>,
}

impl Scribe {
    pub(super) fn new(
        config: &Config,
        board: Board,
        metrics: Metrics,
        backlog: Backlog,
        batches: mpsc::Receiver<Batch>,
        jobs: mpsc::Receiver<Job>,
        applied: watch::Receiver<Applied>,
    ) -> Self {
        let (rules, config) = ((&config.sanity).into(), config.mysql.clone());
        let (report, projector, pause) = (Report::new(board, backlog), Projector::default(), config.retry_min);
        let (newest, pending, held, untold) = (Newest::default(), None, None, Untold::default());
        Self { config, rules, metrics, report, batches, jobs, applied, projector, newest, pending, held, untold, pause }
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
            self.newest.forget();
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
        self.report.back(database.endpoint(), database.writer());
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

    /// Nobody waits behind what was committed, or it has waited long enough.
    fn is_latest_due(&self) -> bool {
        let is_idle = self.held.is_none() && self.batches.is_empty();
        self.untold.since.is_some_and(|since| is_idle || since.elapsed() >= self.config.latest_every)
    }

    /// `first`, and what else is there already and fits.
    fn merge(&mut self, first: Batch) -> Pending {
        let mut pending = Pending { records: first.records, committed: vec![first.committed] };
        let most = self.config.batch_rows.saturating_mul(self.config.connections);
        while let Ok(batch) = self.batches.try_recv() {
            if pending.records.len().saturating_add(batch.records.len()) > most {
                self.held = Some(batch);
                break;
            }
            pending.records.extend(batch.records);
            pending.committed.push(batch.committed);
        }
        pending
    }

    async fn write_pending(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        if let Some(pending) = &mut self.pending {
            let unknown = self.newest.unknown(&pending.records);
            let found = database.last_readings(&unknown).await?;
            self.newest.learn(unknown, found);
            sanity::mark(&mut pending.records, |meter| self.newest.last(meter), &self.rules);
            let patience = Patience::new(&self.config, &self.metrics);
            let written = write(database, &pending.records, &self.newest, patience).await?;
            if let Some(pending) = self.pending.take() {
                self.publish(pending, &written);
            }
        }
        if self.is_latest_due() { self.tell_latest(database).await } else { Ok(()) }
    }

    fn publish(&mut self, pending: Pending, written: &Written) {
        self.metrics.rows_written(written.rows);
        self.metrics.rows_rejected(written.rejected.len() as u64);
        let rejected: HashSet<_> = written.rejected.iter().collect();
        let stored = pending.records.iter().enumerate().filter(|(place, _)| !rejected.contains(place));
        stored.for_each(|(_, record)| self.newest.written(record));
        self.untold.committed.extend(pending.committed);
        self.untold.since.get_or_insert_with(Instant::now);
        self.report.committed(pending.records, written);
    }

    async fn tell_latest(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        let untold = self.newest.untold();
        let mut patience = Patience::new(&self.config, &self.metrics);
        while !untold.is_empty() {
            match database.write_latest(&untold).await {
                Ok(()) => break,
                Err(error) => patience.after(error).await?,
            }
        }
        self.newest.told();
        let Untold { committed, .. } = std::mem::take(&mut self.untold);
        // A puller that is gone needs no answer: its spool still has the records.
        for committed in committed {
            let _ = committed.send(());
        }
        Ok(())
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
    newest: &Newest,
    mut patience: Patience<'_>,
) -> Result<Written, DatabaseError> {
    loop {
        match database.write_knowing(records, |record| newest.is_fresh(record)).await {
            Ok(written) => return Ok(written),
            Err(error) => patience.after(error).await?,
        }
    }
}

/// How often, and after which pauses, one connection is asked the same again.
struct Patience<'p> {
    metrics: &'p Metrics,
    left: u32,
    pause: Duration,
    pause_max: Duration,
}

impl<'p> Patience<'p> {
    const fn new(config: &config::Mysql, metrics: &'p Metrics) -> Self {
        Self { metrics, left: config.retries, pause: config.retry_min, pause_max: config.retry_max }
    }

    /// Waits where it may help to ask again; else gives `error` back.
    async fn after(&mut self, error: DatabaseError) -> Result<(), DatabaseError> {
        if !matches!(error, DatabaseError::Retry(_)) || self.left == 0 {
            return Err(error);
        }
        self.metrics.write_failed();
        sleep(self.pause).await;
        self.left -= 1;
        self.pause = (self.pause * 2).min(self.pause_max);
        Ok(())
    }
}

/// A row that is refused will be refused by every connection: it must not end this one.
fn tolerate_refused_rows(done: Result<(), DatabaseError>) -> Result<Option<DatabaseError>, DatabaseError> {
    match done {
        Ok(()) => Ok(None),
        Err(error @ (DatabaseError::Poison(_) | DatabaseError::TooBig(_))) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}
