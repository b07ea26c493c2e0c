//! The horizon, moved forward over slots that are over.
//!
//! ```text
//!   horizon        next moments        limit
//!   ---|---------------|-----------------|-->     due, over by then, and neither read nor marked: marked as missed;
//!      `-- one transaction --'                    marks beside a reading go; then the horizon is there
//! ```
//!
//! Promises: bounded transactions; the horizon passes nothing that is neither read nor marked; a reading that is committed
//! meanwhile wins against the mark, whoever is first. Refuses: moving it further than it is told.

use mysql_async::{Params, Row, Value};

use super::super::statement::Insert;
use super::super::transaction::ANSWERED_BEFORE;
use super::{Ledger, LedgerError, cell, millis};

/// How far a sweep may go. Unix ms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Slots that were over by then may be closed.
    pub limit: u64,
    /// When nodes were heard for the last time whose spools nobody waits for any longer.
    pub lost: Vec<u64>,
    /// How long after a slot was over its record may come, ms.
    pub grace: u64,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Where the horizon is, Unix ms.
    pub horizon: u64,
    /// Slots it marked.
    pub marked: u64,
}

/// The mark of the ledger itself: by no node.
const MARKS: Insert = Insert {
    table: "missed",
    columns: &["meter_id", "slot", "kind", "reason", "detail", "attempts", "at", "node_id", "line_id", "epoch"],
    on_duplicate: "meter_id = missed.meter_id",
};

/// From the moments to the meters that were due then; what is there is only looked up.
const MISSING: &str = "SELECT STRAIGHT_JOIN d.meter_id, s.slot, d.line_id, {begin}, {end}, {until} \
    FROM schedule_slot s \
    JOIN duty d ON d.schedule_id = s.schedule_id AND d.due_from <= s.slot \
      AND (d.due_until IS NULL OR s.slot < d.due_until) \
    LEFT JOIN reading r ON r.meter_id = d.meter_id AND r.slot = s.slot AND r.kind = 1 \
    LEFT JOIN missed x ON x.meter_id = d.meter_id AND x.slot = s.slot AND x.kind = 1 \
    WHERE s.ends > ? AND s.ends <= ? AND r.meter_id IS NULL AND x.meter_id IS NULL AND d.meter_id >= ? \
    ORDER BY d.meter_id, s.slot LIMIT ";

/// The last of the next few moments at which slots are over, with all that are over then.
const NEXT: &str = "SELECT MAX(t.ends_ms) FROM (SELECT {end} AS ends_ms FROM schedule_slot s \
    WHERE s.ends > ? AND s.ends <= ? ORDER BY s.ends LIMIT ";

impl Ledger {
    /// Closes the slots that are over at the next few moments within `bounds`, and moves the horizon over them.
    pub async fn sweep(&mut self, known: u64, bounds: &Bounds) -> Result<Swept, LedgerError> {
        let (mut marked, mut from) = (0, Some(Place::default()));
        let mut horizon = 0;
        while let Some(place) = from {
            self.session.execute("START TRANSACTION").await?;
            let swept = self.sweep_part(known, bounds, place).await;
            let part = self.end(swept).await?;
            (horizon, from) = (part.horizon, part.next);
            marked += part.marked;
        }
        Ok(Swept { horizon, marked })
    }

    async fn sweep_part(&mut self, known: u64, bounds: &Bounds, place: Place) -> Result<Part, LedgerError> {
        let book = self.locked(known).await?;
        // Somebody else closed these moments meanwhile: of the next ones no meter was looked at.
        let meter = if place.horizon == book.horizon { place.meter } else { 0 };
        if bounds.limit <= book.horizon {
            return Ok(Part { horizon: book.horizon, ..Part::default() });
        }
        let (horizon, limit) = (self.value(book.horizon)?, self.value(bounds.limit)?);
        let sql = format!("{}{}) t", NEXT, self.settings.moments_per_sweep).replace("{end}", &millis("s.ends"));
        let next = self.session.query(&sql, Params::Positional(vec![horizon.clone(), limit])).await?;
        // Where no slot ends the horizon may go as far as it is let.
        let next: u64 = next.first().and_then(|row| cell::<Option<u64>>(row, 0)).flatten().unwrap_or(bounds.limit);
        let to = self.value(next)?;
        let missing = self.missing(vec![horizon, to.clone(), meter.into()]).await?;
        self.mark(&missing, bounds).await?;
        let marked = missing.len() as u64;
        if missing.len() >= self.settings.batch_rows {
            let meter = missing.last().and_then(|row| cell(row, 0)).unwrap_or_default();
            let next = Some(Place { horizon: book.horizon, meter });
            return Ok(Part { horizon: book.horizon, marked, next });
        }
        self.session.execute_with("UPDATE ledger_horizon SET horizon = ? WHERE id = 1", vec![to]).await?;
        Ok(Part { horizon: next, marked, next: None })
    }

    async fn missing(&mut self, params: Vec<Value>) -> Result<Vec<Row>, LedgerError> {
        let sql = format!("{}{}", MISSING, self.settings.batch_rows)
            .replace("{begin}", &millis("s.slot"))
            .replace("{end}", &millis("s.ends"))
            .replace("{until}", &millis("d.due_until"));
        Ok(self.session.query(&sql, Params::Positional(params)).await?)
    }

    /// Readings before marks, as everywhere: what was committed since it was looked for takes its mark away.
    async fn mark(&mut self, missing: &[Row], bounds: &Bounds) -> Result<(), LedgerError> {
        if missing.is_empty() {
            return Ok(());
        }
        let now = self.value(crate::clock::wall_now().0)?;
        let marks: Option<Vec<_>> = missing.iter().map(|row| mark(row, bounds, &now)).collect();
        let marks = marks.ok_or_else(|| self.wrong("schedule_slot"))?;
        let keys = marks.iter().map(|mark| mark.iter().take(3).cloned().collect()).collect();
        MARKS.put(&mut self.session, marks).await?;
        Ok(ANSWERED_BEFORE.take(&mut self.session, keys).await?)
    }

    /// Due slots that were over after `from` and by `to`, Unix ms, and that are neither read nor marked.
    pub async fn unaccounted(&mut self, from: u64, to: u64) -> Result<u64, LedgerError> {
        let sql = "SELECT COUNT(*) FROM slot_ledger WHERE outcome = 'unaccounted' AND ends > ? AND ends <= ?";
        let span = vec![self.value(from)?, self.value(to)?];
        let rows = self.session.query(sql, Params::Positional(span)).await?;
        rows.first().and_then(|row| cell(row, 0)).ok_or_else(|| self.wrong("slot_ledger").into())
    }

    /// Drops moments and duties that were over before `before`, Unix ms, and those of days the readings no longer have:
    /// some of each, at most. Where the ledger begins.
    pub async fn prune(&mut self, known: u64, before: u64) -> Result<u64, LedgerError> {
        let before = before.max(self.first_day().await?);
        let (moment, most) = (self.value(before)?, self.settings.slots_per_look);
        let work = [
            "UPDATE ledger_horizon SET begins = GREATEST(begins, ?) WHERE id = 1".to_owned(),
            format!("DELETE FROM schedule_slot WHERE slot < ? LIMIT {most}"),
            format!("DELETE FROM duty WHERE due_until < ? LIMIT {most}"),
        ];
        self.session.execute("START TRANSACTION").await?;
        let pruned = async {
            let book = self.locked(known).await?;
            // What is not closed yet is not dropped either.
            if before < book.horizon {
                for sql in work {
                    self.session.execute_with(&sql, vec![moment.clone()]).await?;
                }
            }
            Ok(book.begins)
        };
        let pruned = pruned.await;
        let begins = self.end(pruned).await?;
        // Of no use to anybody: nobody has to wait for it.
        let counted = format!("DELETE FROM slot_tally WHERE day < DATE(?) LIMIT {most}");
        self.session.execute_with(&counted, vec![self.value(begins)?]).await?;
        Ok(begins)
    }

    /// The first day that both tables of slots have, Unix ms; 0 where that cannot be told.
    async fn first_day(&mut self) -> Result<u64, LedgerError> {
        let sql = "SELECT CAST(MAX(first_day) AS CHAR) FROM (SELECT MIN(partition_name) AS first_day \
                   FROM information_schema.partitions WHERE table_schema = DATABASE() \
                   AND table_name IN ('reading', 'missed') AND partition_name LIKE 'p2%' GROUP BY table_name) t";
        let rows = self.session.query(sql, Params::Empty).await?;
        let name = rows.first().and_then(|row| cell::<Option<String>>(row, 0)).flatten().unwrap_or_default();
        let day = name.strip_prefix('p').and_then(|day| jiff::civil::Date::strptime("%Y%m%d", day).ok());
        let begins = day.and_then(|day| jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
        Ok(begins.map_or(0, |begins| u64::try_from(begins.as_millisecond()).unwrap_or(0)))
    }
}

#[derive(Default)]
struct Part {
    horizon: u64,
    marked: u64,
    /// Where the next part goes on; `None`: the horizon was moved.
    next: Option<Place>,
}

/// How far a sweep is: behind this horizon the meters before this one are looked at.
#[derive(Clone, Copy, Default)]
struct Place {
    horizon: u64,
    meter: u64,
}

fn mark(row: &Row, bounds: &Bounds, now: &Value) -> Option<Vec<Value>> {
    let (begin, end, until): (u64, u64, Option<u64>) = (cell(row, 3)?, cell(row, 4)?, cell(row, 5)?);
    let (reason, detail) = reason(begin, end, until, bounds);
    let mut values = vec![row.as_ref(0)?.clone(), row.as_ref(1)?.clone(), Value::UInt(1)];
    values.extend([reason.into(), detail.into(), Value::UInt(0), now.clone(), Value::UInt(0)]);
    values.extend([row.as_ref(2)?.clone(), Value::UInt(0)]);
    Some(values)
}

/// Why nobody accounted for a slot, as far as that can be told.
pub(super) fn reason(begin: u64, end: u64, until: Option<u64>, bounds: &Bounds) -> (&'static str, &'static str) {
    let lost = |heard: &u64| begin <= *heard && end.saturating_add(bounds.grace) > *heard;
    if bounds.lost.iter().any(lost) {
        return ("node-lost", "a node is gone that may have read it; its spool still counts");
    }
    if until.is_some_and(|until| until < end) {
        return ("duty-ended", "the meter was switched off, moved, removed or scheduled anew before the slot was over");
    }
    ("no-owner", "nobody had the line from its beginning to its end")
}
