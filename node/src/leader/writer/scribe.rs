//! The writing loop: the only one that talks to the database while this node leads.
//!
//! ```text
//!   connect -> migrate -> project -> what is pending -> "back" --> next: batch | commands | registry
//!      ^                                                               |
//!      +-- back-off <-- "away" <---------- any error that lasts <------+
//!
//!   batch: what waits, sorted -> ask for the last readings of its meters -> judge -> write -> committed, and kept for
//!          the newest readings are told (no batch waits, or every mysql.latest_every) -> its puller is told
//! ```
//!
//! Promises: a batch leaves only by being committed, and its spool forgets it only after the newest readings that came with
//! it are told: who is stopped between the two leaves all of it to be written again. Copies of the registry never keep
//! readings waiting for a person; what is fresh waits for one write, which takes about `mysql.gather_time`. Refuses: more of what was written than the last reading of each meter.

use std::collections::HashSet;
use std::time::Duration;

use protocol::api::peer::SpoolRecord;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::hand_over::{Batch, Taking};
use super::history::{HistoryError, Job};
use super::lanes::Lane;
use super::newest::Newest;
use super::projector::Projector;
use super::sanity;
use crate::cluster::Applied;
use crate::cluster::board::Board;
use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::mysql::{Database, DatabaseError, Strange, Written};
use pace::Pace;
use report::Report;

mod pace;
mod report;

pub(super) struct Scribe {
    config: config::Mysql,
    rules: sanity::Rules,
    metrics: Metrics,
    report: Report,
    batches: Taking,
    jobs: mpsc::Receiver<Job>,
    applied: watch::Receiver<Applied>,
    projector: Projector,
    newest: Newest,
    pending: Option<Pending>,
    untold: Untold,
    pace: Pace,
    pause: Duration,
}

/// Who waits for the newest readings to be told.
#[derive(Default)]
struct Untold {
    committed: Vec<oneshot::Sender<()>>,
    since: Option<Instant>,
}

/// Records that are written together, and who waits for them.
#[derive(Default)]
struct Pending {
    batches: Vec<Vec<SpoolRecord>>,
    strange: Vec<Strange>,
    committed: Vec<oneshot::Sender<()>>,
    places: Vec<OwnedSemaphorePermit>,
}

impl Pending {
    fn add(&mut self, Batch { records, strange, committed, place }: Batch) {
        self.batches.push(records);
        self.strange.extend(strange);
        self.committed.push(committed);
        self.places.push(place);
    }

    fn count(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }
}

/// Records by key, then by age. A server takes many slots of one meter at once with less work than one slot of many.
fn in_order(batches: &mut [Vec<SpoolRecord>]) -> Vec<&mut SpoolRecord> {
    let records = batches.iter_mut().flatten();
    let mut order: Vec<_> =
        records.map(|record| ((record.meter, record.slot, record.kind, record.at), record)).collect();
    order.sort_by_key(|(key, _)| *key);
    order.into_iter().map(|(_, record)| record).collect()
}

impl Scribe {
    pub(super) fn new(
        config: &Config,
        board: Board,
        metrics: Metrics,
        backlog: Backlog,
        batches: Taking,
        jobs: mpsc::Receiver<Job>,
        applied: watch::Receiver<Applied>,
    ) -> Self {
        let (rules, config) = ((&config.sanity).into(), config.mysql.clone());
        let (report, projector, pause) = (Report::new(board, backlog), Projector::default(), config.retry_min);
        let (newest, pending, untold, pace) = (Newest::default(), None, Untold::default(), Pace::new(&config));
        Self { config, rules, metrics, report, batches, jobs, applied, projector, newest, pending, untold, pace, pause }
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
                batch = self.batches.next() => match batch {
                    Some((lane, batch)) => self.pending = Some(self.gather(lane, batch)),
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
        self.untold.since.is_some_and(|since| self.batches.is_empty() || since.elapsed() >= self.config.latest_every)
    }

    /// `first`, and what else of its lane is there already and fits.
    fn gather(&mut self, lane: Lane, first: Batch) -> Pending {
        let mut pending = Pending::default();
        let mut next = Some(first);
        while let Some(batch) = next {
            pending.add(batch);
            next = self.batches.take_within(lane, self.pace.rows().saturating_sub(pending.count()));
        }
        pending
    }

    async fn write_pending(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        if let Some(pending) = &mut self.pending {
            let began = Instant::now();
            let mut records = in_order(&mut pending.batches);
            let unknown = self.newest.unknown(records.iter().map(|record| record.meter));
            let found = database.last_readings(&unknown).await?;
            self.newest.learn(unknown, found);
            sanity::mark(&mut records, |meter| self.newest.last(meter), &self.rules);
            let records: Vec<&SpoolRecord> = records.into_iter().map(|record| &*record).collect();
            let patience = Patience::new(&self.config, &self.metrics);
            let written = write(database, &records, &self.newest, patience).await?;
            for strange in &pending.strange {
                if let Some(error) = tolerate_refused_rows(database.set_aside(strange).await)? {
                    self.report.note(format!("not even set aside: {}: {error}", strange.why));
                }
            }
            let rejected: HashSet<_> = written.rejected.iter().collect();
            let stored = records.iter().enumerate().filter(|(place, _)| !rejected.contains(place));
            let stored = stored.map(|(_, record)| *record);
            self.newest.written_last_first(stored.clone().rev());
            let set_aside = written.rejected.len().saturating_add(pending.strange.len()) as u64;
            self.report.committed(stored, written.rows, set_aside);
            self.pace.took(records.len(), began.elapsed());
            self.publish(written.rows, set_aside);
        }
        if self.is_latest_due() { self.tell_latest(database).await } else { Ok(()) }
    }

    fn publish(&mut self, rows: u64, set_aside: u64) {
        self.metrics.rows_written(rows);
        self.metrics.rows_rejected(set_aside);
        let Pending { committed, .. } = self.pending.take().unwrap_or_default();
        self.untold.committed.extend(committed);
        self.untold.since.get_or_insert_with(Instant::now);
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

/// Writes, again and again on the same connection where that may help.
async fn write(
    database: &mut Database,
    records: &[&SpoolRecord],
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
