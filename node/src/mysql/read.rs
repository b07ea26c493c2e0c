//! What the console lists: readings and missed slots, newest first.
//!
//! Promises: every answer comes within the limits of the configuration; a connection that was lost is made again with the
//! next question. Refuses: answering without a limit on rows.

use std::cmp::Reverse;
use std::sync::Arc;

use mysql_async::prelude::FromValue;
use mysql_async::{Params, Row, Value};
use protocol::meter::{Quality, Quantity};

use super::DatabaseError;
use super::asking::Asking;
use super::rows::moment;
use super::session::Session;
use crate::config;

/// Which readings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadingQuery {
    /// Of the meter of this name; `None`: of all.
    pub meter: Option<String>,
    /// Slots from this moment on, Unix ms.
    pub from: Option<u64>,
    /// Slots before this moment, Unix ms.
    pub to: Option<u64>,
    /// Rows, at most.
    pub limit: u32,
    /// Only readings with any of these marks, and no missed slots; `None`: all.
    pub marks: Option<Quality>,
    /// Beside readings with marks, the missed slots that kept what was heard.
    pub kept: bool,
}

/// A reading, or a slot that was missed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadingRow {
    /// The meter.
    pub meter_id: u64,
    /// Its name; empty where the meter is no more.
    pub meter: String,
    /// The slot, Unix ms.
    pub slot: u64,
    /// 1 scheduled, 2 on-demand.
    pub kind: u8,
    /// When it was accepted or given up, Unix ms.
    pub at: u64,
    /// The node that did.
    pub node: u64,
    /// The values the meter gave.
    pub values: Vec<(Quantity, i64)>,
    /// The meter's own clock, ISO 8601; empty where it gave none.
    pub meter_time: String,
    /// 1 open, 2 closed, 3 fault; 0: no valve.
    pub valve: u8,
    /// Doubts.
    pub quality: u32,
    /// The frames as they came; of a missed slot, what was heard instead.
    pub raw: Vec<u8>,
    /// Who answered; of a missed slot, who answered instead.
    pub identity: String,
    /// Why the slot was missed; `None` for a reading.
    pub missed: Option<String>,
}

/// A handle that reads; clones share one connection.
#[derive(Debug, Clone)]
pub struct Reader {
    asking: Asking,
}

pub(super) const MILLIS: &str = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column}) DIV 1000";
const READING: &str = "t.energy_joule, t.cooling_energy_joule, t.volume_millilitre, t.power_milliwatt, \
    t.flow_millilitre_per_hour, t.supply_milli_celsius, t.return_milli_celsius, t.difference_millikelvin, \
    t.operating_seconds, t.on_seconds, t.error_flags, {meter_time} AS meter_time, t.valve, t.quality, t.raw, t.identity";
const MISS: &str = "t.reason, t.detail, t.raw, t.identity";

/// The meter's own clock as it gave it: one that shows no time there is is kept in `extra`.
pub(super) const METER_TIME: &str =
    "COALESCE(DATE_FORMAT(t.meter_time, '%Y-%m-%dT%H:%i:%s'), JSON_UNQUOTE(JSON_EXTRACT(t.extra, '$.meter_time')))";

impl Reader {
    /// The settings it connects by.
    pub(super) fn settings(&self) -> Arc<config::Mysql> {
        Arc::clone(self.asking.config())
    }

    /// A reader that connects with its first question.
    pub fn new(config: config::Mysql) -> Self {
        Self { asking: Asking::new(config) }
    }

    /// Readings and missed slots, newest first.
    pub async fn list(&self, query: &ReadingQuery) -> Result<Vec<ReadingRow>, DatabaseError> {
        self.asking.ask(async |session| list(session, query).await).await
    }
}

async fn list(session: &mut Session, query: &ReadingQuery) -> Result<Vec<ReadingRow>, DatabaseError> {
    let marked = query.marks.map(|marks| format!(" AND t.quality & {} <> 0", marks.0)).unwrap_or_default();
    let readings =
        ask(session, query, ["reading", "t.read_at", &READING.replace("{meter_time}", METER_TIME), &marked]).await?;
    let kept = if query.marks.is_some() { " AND t.raw IS NOT NULL" } else { "" };
    let misses = match (query.marks, query.kept) {
        (Some(_), false) => Vec::new(),
        _ => ask(session, query, ["missed", "t.at", MISS, kept]).await?,
    };
    let wrong = |column: &str| session.unexpected("column", column);
    let readings = readings.iter().map(reading);
    let mut rows = readings.chain(misses.iter().map(miss)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    rows.sort_by_key(|row| Reverse((row.slot, row.meter_id, row.kind)));
    rows.truncate(query.limit as usize);
    Ok(rows)
}

async fn ask(
    session: &mut Session,
    query: &ReadingQuery,
    [table, at, columns, and]: [&str; 4],
) -> Result<Vec<Row>, DatabaseError> {
    let (condition, values) = condition(query).map_err(|text| DatabaseError::Poison(session.fault(text)))?;
    let millis = |column: &str| MILLIS.replace("{column}", column);
    let (slot, at) = (millis("t.slot"), millis(at));
    // The names are joined to the few rows that are left.
    let sql = format!(
        "SELECT t.meter_id, COALESCE(m.name, '') AS name, {slot} AS slot_ms, t.kind, {at} AS at_ms, t.node_id, {columns} \
         FROM (SELECT t.* FROM {table} t WHERE {condition}{and} ORDER BY t.slot DESC, t.meter_id DESC, t.kind DESC LIMIT {}) t \
         LEFT JOIN meter m ON m.meter_id = t.meter_id",
        query.limit
    );
    session.query(&sql, if values.is_empty() { Params::Empty } else { Params::Positional(values) }).await
}

fn condition(query: &ReadingQuery) -> Result<(String, Vec<Value>), String> {
    let (mut condition, mut values) = ("1 = 1".to_owned(), Vec::new());
    if let Some(name) = &query.meter {
        condition.push_str(" AND t.meter_id = (SELECT meter_id FROM meter WHERE name = ?)");
        values.push(name.as_str().into());
    }
    for (operator, bound) in [(">=", query.from), ("<", query.to)] {
        if let Some(bound) = bound {
            condition.push_str(&format!(" AND t.slot {operator} ?"));
            values.push(moment("slot", bound)?);
        }
    }
    Ok((condition, values))
}

type Wrong = &'static str;

fn column<T: FromValue>(row: &Row, name: Wrong) -> Result<T, Wrong> {
    row.get_opt::<T, _>(name).and_then(Result::ok).ok_or(name)
}

fn common(row: &Row) -> Result<ReadingRow, Wrong> {
    Ok(ReadingRow {
        meter_id: column(row, "meter_id")?,
        meter: column(row, "name")?,
        slot: column(row, "slot_ms")?,
        kind: column(row, "kind")?,
        at: column(row, "at_ms")?,
        node: column(row, "node_id")?,
        ..ReadingRow::default()
    })
}

fn reading(row: &Row) -> Result<ReadingRow, Wrong> {
    let mut values = Vec::new();
    for (quantity, name) in Quantity::ALL.into_iter().zip(super::rows::QUANTITIES) {
        values.extend(column::<Option<i64>>(row, name)?.map(|value| (quantity, value)));
    }
    Ok(ReadingRow {
        values,
        meter_time: column::<Option<String>>(row, "meter_time")?.unwrap_or_default(),
        valve: column::<Option<u8>>(row, "valve")?.unwrap_or_default(),
        quality: column(row, "quality")?,
        raw: column(row, "raw")?,
        identity: column(row, "identity")?,
        ..common(row)?
    })
}

fn miss(row: &Row) -> Result<ReadingRow, Wrong> {
    let (reason, detail): (String, String) = (column(row, "reason")?, column(row, "detail")?);
    let missed = if detail.is_empty() { reason } else { format!("{reason}: {detail}") };
    let raw = column::<Option<Vec<u8>>>(row, "raw")?.unwrap_or_default();
    Ok(ReadingRow { missed: Some(missed), raw, identity: column(row, "identity")?, ..common(row)? })
}
