//! A partition for every day to come, so that writing stays in small trees.
//!
//! ```text
//!   slot  ... first day | day | day | ... | last day made | p_future
//!             ^ also all before it                          ^ all after it: rows are never without a place
//! ```
//!
//! Promises: the days from yesterday to `mysql.partitions_ahead` days from now exist after a run; rows that were already
//! in `p_future` move into their day. Refuses: dropping any.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use mysql_async::Params;
use raft_store::state::UnixMillis;

use super::{Database, DatabaseError};

const TABLES: [&str; 2] = ["reading", "missed"];

impl Database {
    /// Makes the partitions that are missing at `now`.
    pub async fn make_partitions(&mut self, now: UnixMillis) -> Result<(), DatabaseError> {
        let today = day_of(now);
        for table in TABLES {
            if let Some(statement) = self.missing(table, today).await? {
                self.lock_schema().await?;
                let done = self.make(table, today, statement).await;
                self.unlock_schema(done).await?;
            }
        }
        Ok(())
    }

    /// Looks again under the lock: another node may just have made them.
    async fn make(&mut self, table: &str, today: Date, planned: String) -> Result<(), DatabaseError> {
        match self.missing(table, today).await? {
            Some(statement) if statement == planned => {
                self.session.execute_within(self.config.migrate_timeout, &statement).await
            }
            Some(_) => Err(DatabaseError::Retry(self.session.fault("another node is making partitions"))),
            None => Ok(()),
        }
    }

    async fn missing(&mut self, table: &str, today: Date) -> Result<Option<String>, DatabaseError> {
        let ask = "SELECT partition_name FROM information_schema.partitions \
                   WHERE table_schema = DATABASE() AND table_name = ?";
        let rows = self.session.query(ask, Params::Positional(vec![table.into()])).await?;
        let names: Vec<_> = rows.into_iter().filter_map(|row| row.get::<Option<String>, _>(0).flatten()).collect();
        Ok(plan(table, &names, today, self.config.partitions_ahead))
    }
}

fn day_of(now: UnixMillis) -> Date {
    let moment = i64::try_from(now.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    Offset::UTC.to_datetime(moment.unwrap_or(Timestamp::UNIX_EPOCH)).date()
}

/// The statement that makes the days missing between yesterday and `ahead` days from `today`, if any are.
pub(super) fn plan(table: &str, existing: &[String], today: Date, ahead: u32) -> Option<String> {
    let last = existing.iter().filter_map(|name| Date::strptime("p%Y%m%d", name).ok()).max();
    let yesterday = today.saturating_sub(1.day());
    let first = last.map_or(yesterday, |last| last.saturating_add(1.day()).max(yesterday));
    let end = today.saturating_add(i64::from(ahead).days());
    let days: Vec<_> = first.series(1.day()).take_while(|day| *day <= end).map(partition).collect();
    (!days.is_empty()).then(|| {
        let days = days.join(", ");
        format!(
            "ALTER TABLE {table} REORGANIZE PARTITION p_future INTO \
             ({days}, PARTITION p_future VALUES LESS THAN (MAXVALUE))"
        )
    })
}

fn partition(day: Date) -> String {
    let next = day.saturating_add(1.day());
    format!("PARTITION {} VALUES LESS THAN ('{next} 00:00:00')", day.strftime("p%Y%m%d"))
}
