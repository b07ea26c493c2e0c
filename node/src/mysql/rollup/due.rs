//! What has to be made: marks in `rollup_due`, and how far the keeper is.
//!
//! Promises: a mark is never the same twice, so that one that came while its day was read is told from the one before.
//! Refuses: deciding what a mark asks for.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use mysql_async::{Params, Value};
use raft_store::state::UnixMillis;

use super::Plant;
use crate::mysql::statement::{Delete, Insert};
use crate::mysql::{Database, DatabaseError};

const DUE: Insert = Insert {
    table: "rollup_due",
    columns: &["span", "day", "meter_id", "mark", "marked_at"],
    on_duplicate: "mark = {new:mark}, marked_at = {new:marked_at}",
};
const DONE: Delete = Delete { table: "rollup_due", key: &["span", "day", "meter_id"], and: "" };

/// What a mark asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Day = 1,
    Month = 2,
    Tally = 3,
}

/// Marks of one day or month.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) span: Span,
    pub(super) day: Date,
    /// By meter.
    pub(super) marks: BTreeMap<u64, u64>,
}

/// How far a duty of the keeper is.
#[derive(Debug)]
pub(in crate::mysql) struct Progress {
    pub(in crate::mysql) day: Date,
    pub(in crate::mysql) after_meter: u64,
    pub(in crate::mysql) zone: String,
}

impl Chunk {
    /// The meters, as they stand in a list of SQL.
    pub(super) fn meters(&self) -> String {
        self.marks.keys().fold(String::new(), |mut list, meter| {
            let comma = if list.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(list, "{comma}{meter}");
            list
        })
    }
}

/// The days and meters of `slots` (meter and slot) whose day was over at `now`.
pub(in crate::mysql) fn late(
    plant: &Plant,
    now: UnixMillis,
    slots: impl Iterator<Item = (u64, u64)>,
) -> BTreeSet<(Date, u64)> {
    let today = plant.bounds(plant.day_of(now)).0;
    let over = slots.filter(|(_, slot)| *slot < today);
    over.map(|(meter, slot)| (plant.day_of(UnixMillis(slot)), meter)).collect()
}

/// The months that rest on `day`: its own, and the next once that has begun.
pub(super) fn months_of(day: Date, today: Date) -> Vec<Date> {
    let own = day.first_of_month();
    let next = own.saturating_add(1.month());
    [own, next].into_iter().filter(|month| *month == own || *month <= today).collect()
}

impl Database {
    /// Asks for days of meters that are over. Before their spool is told that their readings are stored: what a crash leaves
    /// unmarked comes again.
    pub(in crate::mysql) async fn mark_late(
        &mut self,
        days: BTreeSet<(Date, u64)>,
        now: UnixMillis,
    ) -> Result<(), DatabaseError> {
        self.mark(Span::Day, days, now).await
    }

    pub(super) async fn mark(
        &mut self,
        span: Span,
        due: BTreeSet<(Date, u64)>,
        at: UnixMillis,
    ) -> Result<(), DatabaseError> {
        let (mark, at) = (chance(), self.moment(at.0)?);
        let row = |(day, meter): (Date, u64)| {
            vec![(span as u8).into(), day.to_string().into(), meter.into(), mark.into(), at.clone()]
        };
        DUE.put(&mut self.session, due.into_iter().map(row).collect()).await
    }

    /// The first marks that have lain for `mysql.rollup_settle`, all of one day.
    pub(super) async fn due(&mut self, span: Span, now: UnixMillis) -> Result<Option<Chunk>, DatabaseError> {
        let ask = format!(
            "SELECT DATE_FORMAT(day, '%Y-%m-%d'), meter_id, mark FROM rollup_due \
             WHERE span = ? AND marked_at <= ? ORDER BY day, meter_id LIMIT {}",
            self.config.rollup_meters
        );
        let settled = self.moment(now.before(self.config.rollup_settle).0)?;
        let rows = self.session.query(&ask, Params::Positional(vec![(span as u8).into(), settled])).await?;
        let mut chunk = None;
        for row in rows {
            let row = mysql_async::from_row_opt::<(String, u64, u64)>(row).ok();
            let row = row.and_then(|(day, meter, mark)| Some((Date::from_str(&day).ok()?, meter, mark)));
            let (day, meter, mark) = row.ok_or_else(|| self.session.unexpected("column", "day"))?;
            let chunk = chunk.get_or_insert_with(|| Chunk { span, day, marks: BTreeMap::new() });
            if day == chunk.day {
                chunk.marks.insert(meter, mark);
            }
        }
        Ok(chunk)
    }

    /// The meters whose mark is the one that was looked at, locked until the transaction ends.
    pub(super) async fn unchanged(&mut self, chunk: &Chunk) -> Result<Vec<u64>, DatabaseError> {
        let ask = format!(
            "SELECT meter_id, mark FROM rollup_due WHERE span = ? AND day = ? AND meter_id IN ({}) \
             ORDER BY meter_id FOR UPDATE",
            chunk.meters()
        );
        let params = Params::Positional(vec![(chunk.span as u8).into(), chunk.day.to_string().into()]);
        let rows = self.session.query(&ask, params).await?;
        let marks = rows.into_iter().filter_map(|row| mysql_async::from_row_opt::<(u64, u64)>(row).ok());
        Ok(marks.filter(|(meter, mark)| chunk.marks.get(meter) == Some(mark)).map(|(meter, _)| meter).collect())
    }

    pub(super) async fn unmark(&mut self, chunk: &Chunk, meters: &[u64]) -> Result<(), DatabaseError> {
        let day: Value = chunk.day.to_string().into();
        let key = |meter: &u64| vec![(chunk.span as u8).into(), day.clone(), (*meter).into()];
        DONE.take(&mut self.session, meters.iter().map(key).collect()).await
    }

    pub(in crate::mysql) async fn progress(&mut self, duty: &str) -> Result<Option<Progress>, DatabaseError> {
        let ask = "SELECT DATE_FORMAT(day, '%Y-%m-%d'), after_meter, zone FROM keeper_progress WHERE duty = ?";
        let rows = self.session.query(ask, Params::Positional(vec![duty.into()])).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let row = mysql_async::from_row_opt::<(String, u64, String)>(row).ok();
        let progress = row
            .and_then(|(day, after_meter, zone)| Some(Progress { day: Date::from_str(&day).ok()?, after_meter, zone }));
        progress.ok_or_else(|| self.session.unexpected("column", "day")).map(Some)
    }

    pub(in crate::mysql) async fn set_progress(
        &mut self,
        duty: &str,
        (day, after): (Date, u64),
        zone: &str,
    ) -> Result<(), DatabaseError> {
        let put = "REPLACE INTO keeper_progress (duty, day, after_meter, zone) VALUES (?, ?, ?, ?)";
        let row = vec![duty.into(), day.to_string().into(), after.into(), zone.into()];
        self.session.execute_with(put, row).await
    }
}

/// A number nobody had before: the keys of a hasher are by chance.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Moments before others.
pub(super) trait Before {
    fn before(self, span: Duration) -> Self;
}

impl Before for UnixMillis {
    fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}
