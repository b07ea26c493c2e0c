//! The keeper of the tables: days made ahead and dropped, days and months rolled up, slots counted, on a connection of its own.
//!
//! Promises: it never holds the writer up for longer than `mysql.keeper_lock_wait`; whatever it was at when leadership or
//! the connection ended goes on where it stopped. Refuses: writing a reading.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ticks::Ticks;
use crate::clock::{Moment, wall_now};
use crate::cluster::Cluster;
use crate::config;
use crate::mysql::{Database, DatabaseError};

/// Looks between two tries of a change of partitions.
const LOOKS_BETWEEN_TRIES: u32 = 6;

/// The duty that keeps the tables.
#[derive(Debug)]
pub struct Keeper {
    cluster: Cluster,
    config: config::Mysql,
    partitioned: Option<Moment>,
    /// Looks before a change of partitions that did not come about is tried again.
    rest: u32,
    failing: bool,
}

impl Keeper {
    /// A keeper of the database of `config`.
    pub const fn new(cluster: Cluster, config: config::Mysql) -> Self {
        Self { cluster, config, partitioned: None, rest: 0, failing: false }
    }

    /// Keeps until `stop`; what is under way then is taken back by the server.
    pub async fn run(mut self, stop: CancellationToken) {
        if self.config.endpoints.is_empty() {
            return stop.cancelled().await;
        }
        let mut ticks = Ticks::every(self.config.keeper_every);
        let mut database = None;
        while ticks.next(&stop).await {
            let Some(done) = stop.run_until_cancelled(self.look(&mut database)).await else { return };
            self.report(&done);
        }
    }

    async fn look(&mut self, held: &mut Option<Database>) -> Result<(), DatabaseError> {
        // Put back only after it went well: a connection that failed may be in the middle of anything.
        let mut database = match held.take() {
            Some(database) => database,
            None => self.connect().await?,
        };
        self.keep(&mut database).await?;
        *held = Some(database);
        Ok(())
    }

    async fn connect(&self) -> Result<Database, DatabaseError> {
        let mut database = Database::connect_keeper(&self.config).await?;
        database.migrate().await?;
        Ok(database)
    }

    async fn keep(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        // A table that somebody holds keeps days from being made and dropped, and nothing else.
        let partitioned = self.keep_partitions(database).await;
        if let Err(DatabaseError::Lost(_)) = partitioned {
            return partitioned;
        }
        self.roll_up(database).await?;
        partitioned
    }

    async fn keep_partitions(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        let age = self.partitioned.map_or(Duration::MAX, |made| Moment::now().since(made));
        if age < self.config.partitions_every || self.rest > 0 {
            self.rest = self.rest.saturating_sub(1);
            return Ok(());
        }
        // Users of the table wait behind a change that waits: it is not tried at every look.
        self.rest = LOOKS_BETWEEN_TRIES;
        database.make_partitions(wall_now()).await?;
        // With more to drop than one look may, the next goes on.
        if database.drop_old(wall_now()).await? < self.config.retention_drops {
            self.partitioned = Some(Moment::now());
        }
        self.rest = 0;
        Ok(())
    }

    async fn roll_up(&self, database: &mut Database) -> Result<(), DatabaseError> {
        database.stand_in(&self.cluster.applied().borrow().state.plant.calendar.zone);
        let plant = database.plant().clone();
        for _ in 0..self.config.keeper_chunks {
            let rolled = database.roll_up(&plant, wall_now()).await?;
            let emptied = database.empty_frames(wall_now()).await?;
            if !rolled && !emptied {
                break;
            }
        }
        Ok(())
    }

    /// Tells of the first failure of a row; the next look tries again.
    fn report(&mut self, done: &Result<(), DatabaseError>) {
        if let Err(error) = done
            && !self.failing
        {
            self.cluster.board().event(format!("the tables cannot be kept, will try again: {error}"));
        }
        self.failing = done.is_err();
    }
}
