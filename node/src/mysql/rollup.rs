//! Days and months of each meter, made from its readings, and its slots counted by day; made again when something comes late.
//!
//! ```text
//!   writer: rows of a day that is over --+  before their spool is told
//!                                        v
//!   keeper: a day has ended ---------> rollup_due (day) --> reading_day --> rollup_due (month) --> reading_month
//!           its slots are closed ----> rollup_due (tally) --> slot_tally
//!                                        looked at, read, then: still the same mark? write and take the mark away
//! ```
//!
//! Promises: what is read is read without a lock; a mark is taken away only in the transaction that writes what it asked
//! for, and only if nobody marked again meanwhile, so that a crash, a late row or a second keeper costs work, never a
//! value. A day whose readings retention has begun to drop stays as it is. Refuses: adding up differences.

mod day;
pub(super) mod due;
mod month;
mod plant;
pub(super) mod tally;

pub use plant::Plant;

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use mysql_async::{Params, Value};
use raft_store::state::UnixMillis;

use super::statement::Insert;
use super::{Database, DatabaseError};
use due::{Before, Chunk, Span};

const DAYS: Insert = Insert { table: "reading_day", columns: day::COLUMNS, on_duplicate: day::REPLACE };
const MONTHS: Insert = Insert { table: "reading_month", columns: month::COLUMNS, on_duplicate: month::REPLACE };

impl Database {
    /// One chunk of each kind of work there is at `now`; false: there was none.
    pub async fn roll_up(&mut self, plant: &Plant, now: UnixMillis) -> Result<bool, DatabaseError> {
        let days = self.roll_days(plant, now).await?;
        let months = self.roll_months(now).await?;
        let counted = self.tally(plant, now).await?;
        // A day that has ended waits for what is marked: marks stay few even when years are made at once.
        let ended = days < self.config.rollup_meters && self.mark_ended(plant, now).await?;
        let closed = counted < self.config.rollup_meters && self.mark_closed(plant, now).await?;
        Ok(days > 0 || months > 0 || counted > 0 || ended || closed)
    }

    async fn roll_days(&mut self, plant: &Plant, now: UnixMillis) -> Result<usize, DatabaseError> {
        let Some(chunk) = self.due(Span::Day, now).await? else { return Ok(0) };
        let rows = self.days_of(plant, &chunk).await?;
        let months = due::months_of(chunk.day, plant.day_of(now));
        self.settle(&chunk, DAYS, rows, &months, now).await?;
        Ok(chunk.marks.len())
    }

    async fn days_of(&mut self, plant: &Plant, chunk: &Chunk) -> Result<BTreeMap<u64, Vec<Value>>, DatabaseError> {
        let kept = self.progress("kept").await?;
        let (begin, end) = plant.bounds(chunk.day);
        if kept.is_some_and(|kept| begin < Plant::utc().bounds(kept.day).0) {
            return Ok(BTreeMap::new());
        }
        let samples = self.samples(begin, end, &chunk.meters()).await?;
        Ok(samples
            .into_iter()
            .map(|(meter, samples)| (meter, day::row(meter, chunk.day, begin, end, &samples)))
            .collect())
    }

    async fn samples(
        &mut self,
        begin: u64,
        end: u64,
        meters: &str,
    ) -> Result<BTreeMap<u64, Vec<day::Sample>>, DatabaseError> {
        let ask = day::SELECT.replace("{meters}", meters);
        let params = Params::Positional(vec![self.moment(begin)?, self.moment(end)?]);
        let mut samples = BTreeMap::<u64, Vec<_>>::new();
        for row in self.session.query(&ask, params).await? {
            let (meter, sample) = day::Sample::of(row).map_err(|column| self.session.unexpected("column", column))?;
            samples.entry(meter).or_default().push(sample);
        }
        Ok(samples)
    }

    async fn roll_months(&mut self, now: UnixMillis) -> Result<usize, DatabaseError> {
        let Some(chunk) = self.due(Span::Month, now).await? else { return Ok(0) };
        let before = chunk.day.saturating_sub(1.month());
        let next = chunk.day.saturating_add(1.month());
        let ask = month::SELECT.replace("{meters}", &chunk.meters());
        let params = Params::Positional(vec![before.to_string().into(), next.to_string().into()]);
        let mut days = BTreeMap::<u64, Vec<_>>::new();
        for row in self.session.query(&ask, params).await? {
            let (meter, day) = month::Day::of(row).map_err(|column| self.session.unexpected("column", column))?;
            days.entry(meter).or_default().push(day);
        }
        let rows = days.iter().filter_map(|(meter, days)| Some((*meter, month::row(*meter, chunk.day, days)?)));
        let rows = rows.collect();
        self.settle(&chunk, MONTHS, rows, &[], now).await?;
        Ok(chunk.marks.len())
    }

    /// Writes what is still asked for, and takes its marks away.
    async fn settle(
        &mut self,
        chunk: &Chunk,
        table: Insert,
        rows: BTreeMap<u64, Vec<Value>>,
        months: &[Date],
        now: UnixMillis,
    ) -> Result<(), DatabaseError> {
        self.session.execute("START TRANSACTION").await?;
        let done = self.settle_in(chunk, table, rows, months, now).await;
        self.end_transaction(done).await
    }

    async fn settle_in(
        &mut self,
        chunk: &Chunk,
        table: Insert,
        mut rows: BTreeMap<u64, Vec<Value>>,
        months: &[Date],
        now: UnixMillis,
    ) -> Result<(), DatabaseError> {
        let meters = self.unchanged(chunk).await?;
        let rows: Vec<_> = meters.iter().filter_map(|meter| rows.remove(meter)).collect();
        table.put(&mut self.session, rows).await?;
        let months = months.iter().flat_map(|month| meters.iter().map(|meter| (*month, *meter)));
        self.mark(Span::Month, months.collect(), now).await?;
        self.unmark(chunk, &meters).await
    }

    /// Marks every meter with readings on a day that has been over for the grace time; false: there is no such day.
    async fn mark_ended(&mut self, plant: &Plant, now: UnixMillis) -> Result<bool, DatabaseError> {
        let Some((day, after)) = self.next_ended(plant).await? else { return Ok(false) };
        let (begin, end) = plant.bounds(day);
        if UnixMillis(end) > now.before(self.config.rollup_grace) {
            return Ok(false);
        }
        let ask = format!(
            "SELECT DISTINCT meter_id FROM reading WHERE slot >= ? AND slot < ? AND meter_id > ? \
             ORDER BY meter_id LIMIT {}",
            self.config.batch_rows
        );
        let params = Params::Positional(vec![self.moment(begin)?, self.moment(end)?, after.into()]);
        // Nothing of that day is under way any more: its marks need not lie.
        self.mark_some(Span::Day, "rolled", (day, plant), (&ask, params), now.before(self.config.rollup_settle)).await
    }

    /// Marks the meters of `day` that a question finds, `mysql.batch_rows` at most, as if it were `at`, and puts down how far
    /// `duty` is; true.
    async fn mark_some(
        &mut self,
        span: Span,
        duty: &str,
        (day, plant): (Date, &Plant),
        (ask, params): (&str, Params),
        at: UnixMillis,
    ) -> Result<bool, DatabaseError> {
        let rows = self.session.query(ask, params).await?;
        let meters: Vec<u64> = rows.into_iter().filter_map(|row| row.get(0)).collect();
        let full = meters.len() == self.config.batch_rows;
        let progress = match meters.last() {
            Some(last) if full => (day, *last),
            _ => (day.saturating_add(1.day()), 0),
        };
        self.session.execute("START TRANSACTION").await?;
        let mut done = self.mark(span, meters.into_iter().map(|meter| (day, meter)).collect(), at).await;
        if done.is_ok() {
            done = self.set_progress(duty, progress, plant.name()).await;
        }
        self.end_transaction(done).await.map(|()| true)
    }

    /// The first day not yet marked, and the last of its meters that was.
    async fn next_ended(&mut self, plant: &Plant) -> Result<Option<(Date, u64)>, DatabaseError> {
        if let Some(rolled) = self.progress("rolled").await?.filter(|rolled| rolled.zone == plant.name()) {
            return Ok(Some((rolled.day, rolled.after_meter)));
        }
        let ask = "SELECT CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', MIN(slot)) DIV 1000 AS SIGNED) FROM reading";
        let rows = self.session.query(ask, Params::Empty).await?;
        let first = rows.into_iter().next().and_then(|row| row.get::<Option<u64>, _>(0)).flatten();
        let kept = self.progress("kept").await?.map(|kept| kept.day);
        let first = first.map(|first| plant.day_of(UnixMillis(first)));
        Ok(first.map(|first| (kept.map_or(first, |kept| kept.max(first)), 0)))
    }

    pub(super) fn moment(&self, millis: u64) -> Result<Value, DatabaseError> {
        super::rows::moment("moment", millis).map_err(|text| DatabaseError::Poison(self.session.fault(text)))
    }
}
