//! What the database shows of a steady load: all SQL of this room.
//!
//! Promises: only reads, and only what is committed; times are Unix milliseconds. Refuses: a statement that looks through
//! the table while the load runs.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};
use tokio::time::{Instant, sleep, timeout};

use super::notes::Columns;
use crate::clock::Stamp;
use crate::field::calendar::Civil;
use crate::judge::database::SCHEDULED;

/// For any one statement.
const WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const COMMITTED: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const ROWS: &str = "SELECT meter_id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', slot) DIV 1000, kind, volume_millilitre, \
    energy_joule, cooling_energy_joule, power_milliwatt, flow_millilitre_per_hour, supply_milli_celsius, \
    return_milli_celsius, difference_millikelvin, operating_seconds, on_seconds FROM reading";
const MARKS: &str =
    "SELECT meter_id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', slot) DIV 1000, kind, reason FROM missed";

/// One row of `reading`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// By the product's own number.
    pub meter_id: u64,
    /// Unix ms.
    pub slot_ms: i64,
    /// Whether it answers a slot.
    pub is_scheduled: bool,
    /// What tells the readings of a meter apart.
    pub volume: Option<i64>,
    /// The other values.
    pub columns: Columns,
}

/// One row of `missed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// By the product's own number.
    pub meter_id: u64,
    /// Unix ms.
    pub slot_ms: i64,
    /// Whether it is of a slot.
    pub is_scheduled: bool,
    /// Why.
    pub reason: String,
}

/// A connection to the database.
#[derive(Debug)]
pub struct Database {
    conn: Conn,
}

impl Database {
    /// To the database at `url`.
    pub async fn connect(url: &str) -> Result<Self> {
        let mut conn = within(Conn::new(Opts::from_url(url).context("database URL")?)).await.context("database")?;
        within(conn.query_drop(COMMITTED)).await?;
        Ok(Self { conn })
    }

    /// Waits until the product has told all its meters' names; their numbers.
    pub async fn meters(&mut self, count: usize, limit: Duration) -> Result<HashMap<String, u64>> {
        let began = Instant::now();
        loop {
            let names: Vec<(String, u64)> = within(self.conn.query("SELECT name, meter_id FROM meter")).await?;
            if names.len() >= count {
                return Ok(names.into_iter().collect());
            }
            let found = names.len();
            ensure!(began.elapsed() < limit, "{found} of {count} meters are in the database after {limit:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Which of these meters have a row for this slot, with its volume.
    pub async fn glimpse(&mut self, slot_ms: i64, meters: &[u64]) -> Result<Vec<(u64, Option<i64>)>> {
        let meters: Vec<_> = meters.iter().map(u64::to_string).collect();
        let slot = Civil::of(Stamp { mono: 0, wall: slot_ms * 1000 });
        // By the key: that of slots would go through all meters of the second.
        let ask = format!(
            "SELECT meter_id, volume_millilitre FROM reading FORCE INDEX (PRIMARY) WHERE meter_id IN ({}) \
             AND slot = '{slot}' AND kind = {SCHEDULED}",
            meters.join(",")
        );
        within(self.conn.query(ask)).await
    }

    /// How many rows there are.
    pub async fn count(&mut self) -> Result<u64> {
        Ok(within(self.conn.query_first("SELECT COUNT(*) FROM reading")).await?.unwrap_or(0))
    }

    /// Every row.
    pub async fn rows(&mut self, mut each: impl FnMut(Row)) -> Result<()> {
        let mut rows = within(self.conn.query_stream::<mysql_async::Row, _>(ROWS)).await?;
        while let Some(row) = within(rows.try_next()).await? {
            each(read(&row)?);
        }
        Ok(())
    }

    /// Every mark.
    pub async fn marks(&mut self) -> Result<Vec<Mark>> {
        let found: Vec<(u64, i64, u8, String)> = within(self.conn.query(MARKS)).await?;
        let mark =
            |(meter_id, slot_ms, kind, reason)| Mark { meter_id, slot_ms, is_scheduled: kind == SCHEDULED, reason };
        Ok(found.into_iter().map(mark).collect())
    }
}

async fn within<T>(work: impl Future<Output = mysql_async::Result<T>>) -> Result<T> {
    Ok(timeout(WITHIN, work).await.context("the database does not answer in time")??)
}

fn read(row: &mysql_async::Row) -> Result<Row> {
    let value = |place| Ok(row.get_opt::<Option<i64>, usize>(place).context("a column is not there")??);
    let number = |place| value(place).and_then(|value: Option<i64>| value.context("a key that is nothing"));
    let mut columns = Columns::default();
    for (place, column) in (4..).zip(&mut columns) {
        *column = value(place)?;
    }
    Ok(Row {
        meter_id: u64::try_from(number(0)?)?,
        slot_ms: number(1)?,
        is_scheduled: number(2)? == i64::from(SCHEDULED),
        volume: value(3)?,
        columns,
    })
}
