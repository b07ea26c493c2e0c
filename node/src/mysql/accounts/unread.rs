//! Meters that were not read, and why.
//!
//! ```text
//!   counted days   slot_tally: missed, by reason
//!   other days     marks that no reading stands beside, and slots behind the horizon that have neither
//! ```
//!
//! Promises: no slot that was read is looked at, but for those behind the horizon. Refuses: slots that are unaccounted for:
//! that there are none is asked by a query of its own, which looks at every slot.

use mysql_async::{Params, Row, Value};

use super::tallied::{Run, Tallied};
use super::{Span, UnreadRow, only};
use crate::mysql::DatabaseError;
use crate::mysql::ledger::{cell, millis};
use crate::mysql::rows::moment;
use crate::mysql::session::Session;

/// Slots of one duty, as they are put together.
struct Part {
    sql: String,
    values: Vec<Value>,
}

/// Meters by number and reason, behind `after`, at most `limit`.
pub(super) async fn ask(
    session: &mut Session,
    span: &Span,
    after: Option<(u64, String)>,
    limit: u32,
) -> Result<Vec<UnreadRow>, DatabaseError> {
    let tallied = Tallied::of(session, (span.from, span.to), None).await?;
    let first = after.as_ref().map_or(0, |(meter, _)| *meter);
    let mut parts: Vec<_> = tallied.runs.iter().map(|run| counted(&run.counted(&tallied.marked), first)).collect();
    parts.extend(tallied.marked.iter().map(|day| missed((day.from, day.to), first).of_marked(day)));
    parts.extend(tallied.gaps.iter().flat_map(|gap| [missed(*gap, first), waiting(*gap, first)]));
    let Some(sql) = parts.iter().map(|part| part.sql.clone()).reduce(|all, part| format!("{all} UNION ALL {part}"))
    else {
        return Ok(Vec::new());
    };
    let mut values: Vec<Value> = parts.into_iter().flat_map(|part| part.values).collect();
    values.extend(span.only.iter().map(|(_, name)| name.as_str().into()));
    let behind = match after {
        None => "",
        Some((meter, reason)) => {
            values.extend([meter.into(), meter.into(), reason.into()]);
            " AND (v.meter_id > ? OR v.meter_id = ? AND v.reason > ?)"
        }
    };
    let (first, last, newest) = (millis("t.first"), millis("t.last"), millis("n.slot"));
    let sql = format!(
        "SELECT t.meter_id, t.meter, t.line, t.reason, t.slots, {first}, {last}, COALESCE({newest}, 0) FROM (\
         SELECT v.meter_id, COALESCE(MAX(m.name), '') AS meter, COALESCE(MAX(l.name), '') AS line, v.reason, \
         CAST(SUM(v.slots) AS UNSIGNED) AS slots, MIN(v.first) AS first, MAX(v.last) AS last FROM ({sql}) v \
         LEFT JOIN meter m ON m.meter_id = v.meter_id LEFT JOIN line l ON l.line_id = v.line_id \
         LEFT JOIN schedule c ON c.schedule_id = v.schedule_id WHERE v.slots > 0{}{behind} \
         GROUP BY v.meter_id, v.reason ORDER BY v.meter_id, v.reason LIMIT {limit}) t \
         LEFT JOIN reading_latest n ON n.meter_id = t.meter_id ORDER BY t.meter_id, t.reason",
        only(span)
    );
    let rows = session.query(&sql, Params::Positional(values)).await?;
    let unread: Option<_> = rows.iter().map(unread).collect();
    unread.ok_or_else(|| session.unexpected("table", "slot_ledger"))
}

const DUTY: &str = "d.meter_id, d.line_id, d.model, d.schedule_id";

impl Part {
    /// The same of the meters that are marked on `day`.
    fn of_marked(self, day: &Run) -> Self {
        let marked =
            format!("AND EXISTS (SELECT 1 FROM rollup_due u WHERE {} AND u.meter_id = x.meter_id)", day.marked());
        Self { sql: format!("{} {marked}", self.sql), ..self }
    }
}

fn counted(condition: &str, first: u64) -> Part {
    let sql = format!(
        "SELECT STRAIGHT_JOIN {DUTY}, t.node_id, t.reason, t.missed AS slots, t.first_slot AS first, t.last_slot AS last \
         FROM slot_tally t JOIN duty d ON d.meter_id = t.meter_id AND d.due_from = t.due_from \
         WHERE {condition} AND t.missed > 0 AND t.meter_id >= ?"
    );
    Part { sql, values: vec![first.into()] }
}

fn missed(gap: (u64, u64), first: u64) -> Part {
    let sql = format!(
        "SELECT STRAIGHT_JOIN {DUTY}, x.node_id, x.reason, 1 AS slots, x.slot AS first, x.slot AS last FROM missed x FORCE INDEX (by_slot) \
         JOIN duty d ON d.meter_id = x.meter_id AND d.due_from <= x.slot \
         AND (d.due_until IS NULL OR x.slot < d.due_until) \
         JOIN schedule_slot s ON s.schedule_id = d.schedule_id AND s.slot = x.slot \
         LEFT JOIN reading r ON r.meter_id = x.meter_id AND r.slot = x.slot AND r.kind = 1 \
         WHERE x.slot >= ? AND x.slot < ? AND x.slot <= UTC_TIMESTAMP(3) AND x.kind = 1 AND x.meter_id >= ? \
         AND r.meter_id IS NULL"
    );
    Part { sql, values: within(gap, first) }
}

fn waiting(gap: (u64, u64), first: u64) -> Part {
    let sql = "SELECT v.meter_id, v.line_id, v.model, v.schedule_id, v.node_id, v.outcome AS reason, 1 AS slots, \
               v.slot AS first, v.slot AS last \
               FROM slot_ledger v WHERE v.slot >= ? AND v.slot < ? AND v.meter_id >= ? \
               AND v.ends > (SELECT horizon FROM ledger_horizon WHERE id = 1) AND v.outcome = 'waiting'";
    Part { sql: sql.to_owned(), values: within(gap, first) }
}

fn within((from, to): (u64, u64), first: u64) -> Vec<Value> {
    let at = |millis| moment("slot", millis).unwrap_or(Value::NULL);
    vec![at(from), at(to), first.into()]
}

fn unread(row: &Row) -> Option<UnreadRow> {
    Some(UnreadRow {
        meter_id: cell(row, 0)?,
        meter: cell(row, 1)?,
        line: cell(row, 2)?,
        reason: cell(row, 3)?,
        slots: cell(row, 4)?,
        first: cell(row, 5)?,
        last: cell(row, 6)?,
        last_read: cell(row, 7)?,
    })
}
