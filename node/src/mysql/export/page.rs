//! One question of an export: some rows of one table behind a key.
//!
//! Promises: the rows come in the order of the primary key, and the server finds them by it. Refuses: more than it was
//! told to ask for.

use mysql_async::prelude::FromValue;
use mysql_async::{Params, Row, Value};
use protocol::meter::Quantity;

use super::ExportedRow;
use super::spans::Span;
use crate::mysql::DatabaseError;
use crate::mysql::read::{METER_TIME, MILLIS};
use crate::mysql::rows::{Key, QUANTITIES, moment};
use crate::mysql::session::Session;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// `reading` or `missed`.
    pub(super) table: &'static str,
    pub(super) span: Span,
    /// Only these; `None`: all.
    pub(super) meters: Option<&'a [u64]>,
    /// Only beyond this.
    pub(super) after: Option<Key>,
    /// Only up to this, with it.
    pub(super) upto: Option<Key>,
    /// At most.
    pub(super) rows: usize,
}

impl Page<'_> {
    pub(super) async fn ask(&self, session: &mut Session) -> Result<Vec<ExportedRow>, DatabaseError> {
        let is_missed = self.table == "missed";
        let (condition, values) = self.condition().map_err(|text| DatabaseError::Poison(session.fault(text)))?;
        let sql = format!(
            "SELECT {} FROM {} t FORCE INDEX (PRIMARY) WHERE {condition} \
             ORDER BY t.meter_id, t.slot, t.kind LIMIT {}",
            columns(is_missed),
            self.table,
            self.rows
        );
        let rows = session.query(&sql, Params::Positional(values)).await?;
        let rows = rows.into_iter().map(|row| taken(row, is_missed));
        rows.collect::<Result<_, _>>().map_err(|column| session.unexpected("column", &column))
    }

    fn condition(&self) -> Result<(String, Vec<Value>), String> {
        let mut condition = "t.slot >= ?".to_owned();
        let mut values = vec![moment("slot", self.span.from)?];
        if let Some(to) = self.span.to {
            condition.push_str(" AND t.slot < ?");
            values.push(moment("slot", to)?);
        }
        if let Some(meters) = self.meters {
            condition.push_str(&format!(" AND t.meter_id IN ({})", vec!["?"; meters.len()].join(", ")));
            values.extend(meters.iter().map(|meter| Value::UInt(*meter)));
        }
        // Written out: of rows compared as one the servers do not all see that the key finds them.
        for (key, way, or_equal) in [(self.after, '>', ""), (self.upto, '<', "=")] {
            let Some(key) = key else { continue };
            condition.push_str(&format!(
                " AND t.meter_id {way}= ? AND (t.meter_id {way} ? OR t.slot {way} ? \
                 OR (t.slot = ? AND t.kind {way}{or_equal} ?))"
            ));
            let (meter, slot) = (Value::UInt(key.meter), moment("slot", key.slot)?);
            values.extend([meter.clone(), meter, slot.clone(), slot, Value::UInt(key.kind.into())]);
        }
        Ok((condition, values))
    }
}

fn columns(is_missed: bool) -> String {
    let millis = |column: &str| MILLIS.replace("{column}", column);
    let at = millis(if is_missed { "t.at" } else { "t.read_at" });
    let common = format!("t.meter_id, {}, t.kind, {at}, t.line_id", millis("t.slot"));
    if is_missed {
        return format!("{common}, t.reason, t.detail");
    }
    let quantities = QUANTITIES.map(|column| format!("t.{column}")).join(", ");
    format!("{common}, {quantities}, {METER_TIME}, t.valve, t.quality")
}

/// The cells of a row, one after the other; an error names the cell by its number.
struct Cells {
    values: std::vec::IntoIter<Value>,
    taken: usize,
}

impl Cells {
    fn next<T: FromValue>(&mut self) -> Result<T, String> {
        self.taken += 1;
        let value = self.values.next().ok_or_else(|| self.taken.to_string())?;
        T::from_value_opt(value).map_err(|_| self.taken.to_string())
    }
}

fn taken(row: Row, is_missed: bool) -> Result<ExportedRow, String> {
    let mut cells = Cells { values: row.unwrap().into_iter(), taken: 0 };
    let mut row = ExportedRow {
        meter_id: cells.next()?,
        slot: cells.next()?,
        kind: cells.next()?,
        at: cells.next()?,
        line_id: cells.next()?,
        ..ExportedRow::default()
    };
    if is_missed {
        let (reason, detail): (String, String) = (cells.next()?, cells.next()?);
        row.missed = Some(if detail.is_empty() { reason } else { format!("{reason}: {detail}") });
        return Ok(row);
    }
    let mut values = [None; Quantity::ALL.len()];
    for value in &mut values {
        *value = cells.next()?;
    }
    row.values = values;
    row.meter_time = cells.next::<Option<String>>()?.unwrap_or_default();
    row.valve = cells.next::<Option<u8>>()?.unwrap_or_default();
    row.quality = Some(cells.next()?);
    Ok(row)
}
