//! The product's tables as the judge sees them: all SQL of the judge.
//!
//! ```text
//!   reading (meter_id, slot, kind) -> values, read_at, node_id, epoch      meter (meter_id) -> name
//!   missed  (meter_id, slot, kind) -> reason
//! ```
//!
//! Promises: only reads; times are Unix milliseconds whatever the session's zone. Refuses: meters without a name, which
//! appear under their number.

use std::time::Duration;

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use tokio::time::timeout;

use crate::ledger::Values;

/// `reading.kind` of a reading that answers a slot.
pub const SCHEDULED: u8 = 1;
/// The longest the database may take to connect, and for each table.
pub const DATABASE_WITHIN: Duration = Duration::from_secs(120);

const READINGS: &str = "SELECT COALESCE(m.name, CONCAT('#', r.meter_id)) AS meter, \
     TIMESTAMPDIFF(MICROSECOND, '1970-01-01', r.slot) DIV 1000 AS slot_ms, r.kind AS kind, \
     TIMESTAMPDIFF(MICROSECOND, '1970-01-01', r.read_at) DIV 1000 AS read_at_ms, r.node_id AS node, r.epoch AS epoch, \
     r.energy_joule, r.cooling_energy_joule, r.volume_millilitre, r.power_milliwatt, r.flow_millilitre_per_hour, \
     r.supply_milli_celsius, r.return_milli_celsius, r.difference_millikelvin, r.operating_seconds, r.on_seconds, \
     r.valve AS valve FROM reading r LEFT JOIN meter m ON m.meter_id = r.meter_id ORDER BY r.meter_id, r.slot, r.kind";
const MISSED: &str = "SELECT COALESCE(m.name, CONCAT('#', x.meter_id)) AS meter, \
     TIMESTAMPDIFF(MICROSECOND, '1970-01-01', x.slot) DIV 1000 AS slot_ms, x.kind AS kind, x.reason AS reason \
     FROM missed x LEFT JOIN meter m ON m.meter_id = x.meter_id";

/// One row of `reading`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// The meter's name.
    pub meter: String,
    /// Unix ms.
    pub slot_ms: i64,
    /// 1 scheduled, 2 on demand.
    pub kind: u8,
    /// Unix ms.
    pub read_at_ms: i64,
    /// The node that read it.
    pub node: i64,
    /// The line's ownership under which it was read.
    pub epoch: i64,
    /// The values; their valve is unused.
    pub values: Values,
    /// 1 open, 2 closed, 3 fault.
    pub valve: Option<u8>,
}

/// One row of `missed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missed {
    /// The meter's name.
    pub meter: String,
    /// Unix ms.
    pub slot_ms: i64,
    /// 1 scheduled, 2 on demand.
    pub kind: u8,
    /// Why.
    pub reason: String,
}

/// The tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// `reading`.
    pub rows: Vec<Row>,
    /// `missed`.
    pub missed: Vec<Missed>,
}

/// Reads both tables from the database at `url`.
pub async fn read(url: &str) -> Result<Tables> {
    let options = Opts::from_url(url).context("database URL")?;
    let mut conn = within(Conn::new(options)).await.context("database: connect")?;
    let rows = within(conn.query_map(READINGS, |found| row(&found))).await.context("table reading")?;
    let missed = within(conn.query_map(MISSED, |found| mark(&found))).await.context("table missed")?;
    // Everything was read: how the connection ends changes nothing.
    let _ = within(conn.disconnect()).await;
    let rows = rows.into_iter().collect::<Result<_>>().context("table reading")?;
    let missed = missed.into_iter().collect::<Result<_>>().context("table missed")?;
    Ok(Tables { rows, missed })
}

async fn within<T>(work: impl Future<Output = mysql_async::Result<T>>) -> Result<T> {
    Ok(timeout(DATABASE_WITHIN, work).await.context("no answer in time")??)
}

fn row(row: &mysql_async::Row) -> Result<Row> {
    let number = |name| column::<Option<i64>>(row, name);
    Ok(Row {
        meter: column(row, "meter")?,
        slot_ms: column(row, "slot_ms")?,
        kind: column(row, "kind")?,
        read_at_ms: number("read_at_ms")?.unwrap_or(0),
        node: number("node")?.unwrap_or(0),
        epoch: number("epoch")?.unwrap_or(0),
        valve: column(row, "valve")?,
        values: Values {
            energy_joule: number("energy_joule")?,
            cooling_energy_joule: number("cooling_energy_joule")?,
            volume_millilitre: number("volume_millilitre")?,
            power_milliwatt: number("power_milliwatt")?,
            flow_millilitre_per_hour: number("flow_millilitre_per_hour")?,
            supply_milli_celsius: number("supply_milli_celsius")?,
            return_milli_celsius: number("return_milli_celsius")?,
            difference_millikelvin: number("difference_millikelvin")?,
            operating_seconds: number("operating_seconds")?,
            on_seconds: number("on_seconds")?,
            valve: None,
        },
    })
}

fn mark(row: &mysql_async::Row) -> Result<Missed> {
    Ok(Missed {
        meter: column(row, "meter")?,
        slot_ms: column(row, "slot_ms")?,
        kind: column(row, "kind")?,
        reason: column(row, "reason")?,
    })
}

fn column<T: mysql_async::prelude::FromValue>(row: &mysql_async::Row, name: &str) -> Result<T> {
    let value = row.get_opt(name).with_context(|| format!("column {name}: not there"))?;
    value.with_context(|| format!("column {name}: not of its type"))
}
