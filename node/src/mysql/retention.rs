//! What has been kept long enough goes: whole days by dropping their partition, frames by emptying them.
//!
//! ```text
//!   today - retention
//!          v
//!   [gone] | oldest day kept | day | ... | today      a reading older than that lands in the oldest day kept
//! ```
//!
//! Promises: a row is never deleted by itself; a day is dropped under the schema lock, and who waits for that lock gives
//! way before the writer has waited long. `kept` in `keeper_progress` moves first, so that no rollup is made again from
//! what is left of its day; and the day's slots leave the accounts first, so that none of them is unaccounted for.
//! Refuses: dropping today, and guessing what a partition of another name holds.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use mysql_async::{Params, Value};
use raft_store::state::UnixMillis;

use super::{Database, DatabaseError, Plant};
use crate::config;

const NAME: &str = "p%Y%m%d";

impl Database {
    /// A connection for the keeper: it reads without locks, and gives way instead of holding others up.
    pub async fn connect_keeper(config: &config::Mysql) -> Result<Self, DatabaseError> {
        let mut database = Self::connect(&config::Mysql { connections: 1, ..config.clone() }).await?;
        let seconds = config.keeper_lock_wait.as_secs().max(1);
        database.session.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        database
            .session
            .execute(&format!("SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}"))
            .await?;
        Ok(database)
    }

    /// Drops days that were kept long enough at `now`, `mysql.retention_drops` at most; how many.
    pub async fn drop_old(&mut self, now: UnixMillis) -> Result<usize, DatabaseError> {
        let today = Plant::utc().day_of(now);
        let mut dropped = 0;
        for (table, kept) in [("reading", self.config.retention), ("missed", self.config.missed_retention)] {
            let Some(first) = first_kept(today, kept) else { continue };
            let days = self.days_before(table, first).await?;
            for day in days.into_iter().take(self.config.retention_drops.saturating_sub(dropped)) {
                self.lock_schema().await?;
                let done = self.drop_day(table, day).await;
                self.unlock_schema(done).await?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    async fn drop_day(&mut self, table: &str, day: Date) -> Result<(), DatabaseError> {
        // Looked at again under the lock: another leader may just have dropped it.
        let next = day.saturating_add(1.day());
        if !self.days_before(table, next).await?.contains(&day) {
            return Ok(());
        }
        // A slot whose reading or mark is gone would be due, and nothing of it there.
        self.forget_slots(next).await?;
        if table == "reading" {
            self.set_progress("kept", (next, 0), "UTC").await?;
        }
        let drop = format!("ALTER TABLE {table} DROP PARTITION {}", day.strftime(NAME));
        self.session.execute_within(self.config.migrate_timeout, &drop).await
    }

    /// The days before `first` that have a partition, oldest first.
    async fn days_before(&mut self, table: &str, first: Date) -> Result<Vec<Date>, DatabaseError> {
        let ask = "SELECT partition_name FROM information_schema.partitions \
                   WHERE table_schema = DATABASE() AND table_name = ? ORDER BY partition_ordinal_position";
        let rows = self.session.query(ask, Params::Positional(vec![table.into()])).await?;
        let names = rows.into_iter().filter_map(|row| row.get::<Option<String>, _>(0).flatten());
        let days = names.filter_map(|name| Date::strptime(NAME, name).ok());
        Ok(days.filter(|day| *day < first).collect())
    }

    /// Empties one chunk of frames that were kept long enough at `now`; false: there is none.
    pub async fn empty_frames(&mut self, now: UnixMillis) -> Result<bool, DatabaseError> {
        let Some(first) = first_kept(Plant::utc().day_of(now), self.config.raw_retention) else { return Ok(false) };
        let progress = self.progress("raw").await?;
        let days = self.days_before("reading", first).await?;
        let from = progress.as_ref().map_or(Date::MIN, |progress| progress.day);
        let Some(day) = days.into_iter().find(|day| *day >= from) else { return Ok(false) };
        let after = progress.filter(|progress| progress.day == day).map_or(0, |progress| progress.after_meter);
        let last = self.empty_after(day, after).await?;
        let next = last.map_or((day.saturating_add(1.day()), 0), |last| (day, last));
        self.set_progress("raw", next, "UTC").await?;
        Ok(true)
    }

    /// Empties frames of the next meters; the last of them, `None` at the end of the day.
    async fn empty_after(&mut self, day: Date, after: u64) -> Result<Option<u64>, DatabaseError> {
        let partition = day.strftime(NAME);
        let ask = format!(
            "SELECT MAX(meter_id) FROM (SELECT meter_id FROM reading PARTITION ({partition}) \
             WHERE meter_id > ? ORDER BY meter_id LIMIT {}) AS chunk",
            self.config.batch_rows
        );
        let rows = self.session.query(&ask, Params::Positional(vec![after.into()])).await?;
        let Some(last) = rows.into_iter().next().and_then(|row| row.get::<Option<u64>, _>(0)).flatten() else {
            return Ok(None);
        };
        let empty = format!(
            "UPDATE reading PARTITION ({partition}) SET raw = '' WHERE meter_id > ? AND meter_id <= ? AND raw <> ''"
        );
        self.session.execute_with(&empty, vec![Value::UInt(after), Value::UInt(last)]).await?;
        Ok(Some(last))
    }
}

/// The first day that stays; `None`: all do.
fn first_kept(today: Date, kept: Duration) -> Option<Date> {
    let days = i64::try_from(kept.as_secs() / (24 * 3600)).ok().filter(|days| *days > 0)?;
    Some(today.saturating_sub(days.days()))
}
