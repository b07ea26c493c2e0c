//! Slots of a day counted by duty, node and reason: what the accounts of days gone by are added up from.
//!
//! ```text
//!   horizon behind the end of every slot of a day --> rollup_due (tally) of its meters --+
//!   writer: something comes for a day that was counted --> rollup_due (tally)   ---------+--> slot_tally
//! ```
//!
//! Promises: what is counted is what the view `slot_ledger` says of the day's closed slots; a mark stands from before what
//! comes later is written until it is counted, which is `mysql.rollup_settle` later: while a batch is written in less, a meter
//! without a mark is counted as it is. Days are those of one zone: another one begins anew. Refuses: counting what is still
//! open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;
use mysql_async::{Params, Row, Value};
use raft_store::state::UnixMillis;

use super::Plant;
use super::due::{Chunk, Span};
use crate::mysql::ledger::{cell, millis};
use crate::mysql::statement::Insert;
use crate::mysql::{Database, DatabaseError};

/// How far days are counted, in `keeper_progress`.
pub(in crate::mysql) const DUTY: &str = "tallied";
/// What a mark in `rollup_due` asks for where it asks for this.
pub(in crate::mysql) const SPAN: u8 = Span::Tally as u8;
/// Of days that are those of no zone yet.
const NO_ZONE: &str = "-";

const TALLIES: Insert = Insert {
    table: "slot_tally",
    columns: &[
        "meter_id",
        "due_from",
        "day",
        "node_id",
        "reason",
        "on_time",
        "late",
        "backfilled",
        "missed",
        "first_slot",
        "last_slot",
    ],
    on_duplicate: "on_time = {new:on_time}, late = {new:late}, backfilled = {new:backfilled}, missed = {new:missed}, \
                   first_slot = {new:first_slot}, last_slot = {new:last_slot}",
};

/// Readings `r` of slots `s` by outcome.
pub(in crate::mysql) const ON_TIME: &str = "SUM((r.quality & 4096) = 0 AND r.read_at <= s.on_time_until)";
pub(in crate::mysql) const LATE: &str = "SUM((r.quality & 4096) = 0 AND r.read_at > s.on_time_until)";
pub(in crate::mysql) const BACKFILLED: &str = "SUM((r.quality & 4096) <> 0)";

const READ: &str = "SELECT STRAIGHT_JOIN d.meter_id, d.due_from, r.node_id, '', CAST({on_time} AS UNSIGNED), \
    CAST({late} AS UNSIGNED), CAST({backfilled} AS UNSIGNED), 0, MIN(r.slot), MAX(r.slot) \
    FROM duty d JOIN reading r FORCE INDEX (PRIMARY) ON r.meter_id = d.meter_id AND r.kind = 1 \
    JOIN schedule_slot s ON s.schedule_id = d.schedule_id AND s.slot = r.slot \
    WHERE d.meter_id IN ({meters}) AND r.slot >= ? AND r.slot < ? \
    AND d.due_from <= r.slot AND (d.due_until IS NULL OR r.slot < d.due_until) \
    GROUP BY d.meter_id, d.due_from, r.node_id";
const MISSED: &str = "SELECT STRAIGHT_JOIN d.meter_id, d.due_from, x.node_id, x.reason, 0, 0, 0, COUNT(*), \
    MIN(x.slot), MAX(x.slot) \
    FROM duty d JOIN missed x FORCE INDEX (PRIMARY) ON x.meter_id = d.meter_id AND x.kind = 1 \
    JOIN schedule_slot s ON s.schedule_id = d.schedule_id AND s.slot = x.slot \
    LEFT JOIN reading r ON r.meter_id = x.meter_id AND r.slot = x.slot AND r.kind = 1 \
    WHERE d.meter_id IN ({meters}) AND x.slot >= ? AND x.slot < ? AND r.meter_id IS NULL \
    AND d.due_from <= x.slot AND (d.due_until IS NULL OR x.slot < d.due_until) \
    GROUP BY d.meter_id, d.due_from, x.node_id, x.reason";
/// The day is closed: nothing that began on it ends behind the horizon.
const CLOSED: &str = "SELECT 1 FROM ledger_horizon h WHERE h.id = 1 AND h.horizon >= ? AND NOT EXISTS \
    (SELECT 1 FROM schedule_slot s WHERE s.slot >= ? AND s.slot < ? AND s.ends > h.horizon AND EXISTS \
    (SELECT 1 FROM duty d WHERE d.schedule_id = s.schedule_id AND d.due_from <= s.slot \
    AND (d.due_until IS NULL OR s.slot < d.due_until)))";
const METERS: &str = "SELECT DISTINCT d.meter_id FROM duty d \
    WHERE d.due_from < ? AND (d.due_until IS NULL OR d.due_until > ?) AND d.meter_id > ? ORDER BY d.meter_id LIMIT";

impl Database {
    /// Counts the meters of one day that marks ask for; how many.
    pub(super) async fn tally(&mut self, plant: &Plant, now: UnixMillis) -> Result<usize, DatabaseError> {
        let Some(chunk) = self.due(Span::Tally, now).await? else { return Ok(0) };
        let counted = self.counted(plant, &chunk).await?;
        self.session.execute("START TRANSACTION").await?;
        let done = self.tell_counted(plant, &chunk, counted).await;
        let told = done.as_ref().is_ok_and(|told| *told);
        self.end_transaction(done.map(drop)).await?;
        Ok(if told { chunk.marks.len() } else { 0 })
    }

    async fn counted(&mut self, plant: &Plant, chunk: &Chunk) -> Result<BTreeMap<u64, Vec<Vec<Value>>>, DatabaseError> {
        let (begin, end) = plant.bounds(chunk.day);
        let mut counted = BTreeMap::<u64, Vec<_>>::new();
        let read = READ.replace("{on_time}", ON_TIME).replace("{late}", LATE).replace("{backfilled}", BACKFILLED);
        for ask in [read.as_str(), MISSED] {
            let ask = ask.replace("{meters}", &chunk.meters());
            let params = Params::Positional(vec![self.moment(begin)?, self.moment(end)?]);
            for row in self.session.query(&ask, params).await? {
                let (meter, values) =
                    values(&row, chunk.day).ok_or_else(|| self.session.unexpected("table", "slot_ledger"))?;
                counted.entry(meter).or_default().push(values);
            }
        }
        Ok(counted)
    }

    /// False where days are those of another zone by now.
    async fn tell_counted(
        &mut self,
        plant: &Plant,
        chunk: &Chunk,
        mut counted: BTreeMap<u64, Vec<Vec<Value>>>,
    ) -> Result<bool, DatabaseError> {
        let meters = self.unchanged(chunk).await?;
        if self.progress(DUTY).await?.is_none_or(|tallied| tallied.zone != plant.name()) {
            return Ok(false);
        }
        if meters.is_empty() {
            return Ok(true);
        }
        let list = meters.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let remove = format!("DELETE FROM slot_tally WHERE day = ? AND meter_id IN ({list})");
        self.session.execute_with(&remove, vec![chunk.day.to_string().into()]).await?;
        let rows = meters.iter().filter_map(|meter| counted.remove(meter)).flatten().collect();
        TALLIES.put(&mut self.session, rows).await?;
        self.unmark(chunk, &meters).await.map(|()| true)
    }

    /// Marks every meter that was due on the first day that is closed and not counted; false: there is no such day.
    pub(super) async fn mark_closed(&mut self, plant: &Plant, now: UnixMillis) -> Result<bool, DatabaseError> {
        let Some((day, after)) = self.next_closed(plant).await? else { return Ok(false) };
        let (begin, end) = plant.bounds(day);
        let bounds = vec![self.moment(end)?, self.moment(begin)?, self.moment(end)?];
        if self.session.query(CLOSED, Params::Positional(bounds)).await?.is_empty() {
            return Ok(false);
        }
        let ask = format!("{METERS} {}", self.config.batch_rows);
        let params = Params::Positional(vec![self.moment(end)?, self.moment(begin)?, after.into()]);
        // What comes late for that day may be under way: its marks lie for a while, like that one's.
        self.mark_some(Span::Tally, DUTY, (day, plant), (&ask, params), now).await
    }

    async fn next_closed(&mut self, plant: &Plant) -> Result<Option<(Date, u64)>, DatabaseError> {
        let progress = self.progress(DUTY).await?;
        if let Some(tallied) = progress.as_ref().filter(|tallied| tallied.zone == plant.name()) {
            return Ok(Some((tallied.day, tallied.after_meter)));
        }
        let ask = format!("SELECT {} FROM ledger_horizon h WHERE h.id = 1", millis("h.begins"));
        let rows = self.session.query(&ask, Params::Empty).await?;
        let Some(begins) = rows.first().and_then(|row| cell::<u64>(row, 0)) else { return Ok(None) };
        let first = plant.day_of(UnixMillis(begins));
        if progress.is_some() {
            self.begin_anew(first).await?;
        }
        self.set_progress(DUTY, (first, 0), plant.name()).await?;
        Ok(Some((first, 0)))
    }

    /// Days were those of another zone: a row of one would be counted beside those of its neighbours.
    async fn begin_anew(&mut self, first: Date) -> Result<(), DatabaseError> {
        // From here on nobody adds anything up, until the days of the new zone are counted.
        self.set_progress(DUTY, (first, 0), NO_ZONE).await?;
        self.session.execute("TRUNCATE TABLE slot_tally").await?;
        self.session.execute_with("DELETE FROM rollup_due WHERE span = ?", vec![SPAN.into()]).await
    }

    /// Marks those of `days` (day and meter) that were counted, or are about to be.
    pub(in crate::mysql) async fn mark_uncounted(
        &mut self,
        days: &BTreeSet<(Date, u64)>,
        now: UnixMillis,
    ) -> Result<(), DatabaseError> {
        if days.is_empty() {
            return Ok(());
        }
        let Some(tallied) = self.progress(DUTY).await? else { return Ok(()) };
        // Where the keeper goes by another zone, a slot may be of the day before or after.
        let around = if tallied.zone == self.plant.name() { 0..=0 } else { -1..=1 };
        let days =
            days.iter().flat_map(|(day, meter)| around.clone().map(|by| (day.saturating_add(by.days()), *meter)));
        self.mark(Span::Tally, days.filter(|(day, _)| *day <= tallied.day).collect(), now).await
    }
}

/// The meter and the row of `slot_tally`.
fn values(row: &Row, day: Date) -> Option<(u64, Vec<Value>)> {
    let at = |place: usize| row.as_ref(place).cloned();
    let values = [at(0), at(1), Some(day.to_string().into())].into_iter().chain((2..10).map(at));
    Some((cell(row, 0)?, values.collect::<Option<_>>()?))
}
