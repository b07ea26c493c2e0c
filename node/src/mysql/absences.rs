//! Which freezes nobody read, of meters that can still be asked.
//!
//! ```text
//!   duty that stands --> marks of its meter, before its newest reading --> those whose slot freezes a month, a day
//! ```
//!
//! Promises: every answer comes within `backfill.statement_timeout`, on a connection of its own that writes nothing; months
//! before days, the newest first. Refuses: meters that were not read since: who is silent cannot tell of the past either,
//! and has the most marks; slots of an earlier duty; answering without a limit on rows.

use mysql_async::{Params, Row};

use super::DatabaseError;
use super::asking::Asking;
use super::ledger::{cell, millis};
use super::rows::moment;
use super::session::Session;
use crate::config;

/// A freeze that was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedFreeze {
    /// The meter.
    pub meter: u64,
    /// The slot, Unix ms.
    pub slot: u64,
    /// 1 of a day, 2 of a month.
    pub freeze: u32,
}

/// A handle that asks; clones share one connection.
#[derive(Debug, Clone)]
pub struct Absences {
    asking: Asking,
    limit: u32,
}

impl Absences {
    /// A handle that connects with its first question.
    pub fn new(config: &config::Mysql, settings: &config::Backfill) -> Self {
        let config = config::Mysql { statement_timeout: settings.statement_timeout, ..config.clone() };
        Self { asking: Asking::new(config), limit: settings.freezes_per_ask }
    }

    /// The missed freezes of `meters` whose slot begins at `since` (Unix ms) or later, at most `backfill.freezes_per_ask`.
    pub async fn of(&self, meters: &[u64], since: u64) -> Result<Vec<MissedFreeze>, DatabaseError> {
        if meters.is_empty() {
            return Ok(Vec::new());
        }
        let question = async |session: &mut Session| {
            let since = moment("since", since).map_err(|text| DatabaseError::Poison(session.fault(text)))?;
            let rows = session.query(&question(meters, self.limit), Params::Positional(vec![since])).await?;
            rows.iter().map(freeze).collect::<Option<_>>().ok_or_else(|| session.unexpected("table", "missed"))
        };
        self.asking.ask(question).await
    }
}

fn question(meters: &[u64], limit: u32) -> String {
    let meters = meters.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let slot = millis("x.slot");
    format!(
        "SELECT STRAIGHT_JOIN d.meter_id, {slot}, s.freeze_of FROM duty d \
         JOIN reading_latest n ON n.meter_id = d.meter_id \
         JOIN missed x ON x.meter_id = d.meter_id AND x.kind = 1 AND x.slot >= ? AND x.slot >= d.due_from \
           AND x.slot < n.slot \
         JOIN schedule_slot s ON s.schedule_id = d.schedule_id AND s.slot = x.slot AND s.freeze_of IS NOT NULL \
         WHERE d.meter_id IN ({meters}) AND d.due_until IS NULL \
         ORDER BY s.freeze_of DESC, x.slot DESC, d.meter_id LIMIT {limit}"
    )
}

fn freeze(row: &Row) -> Option<MissedFreeze> {
    Some(MissedFreeze { meter: cell(row, 0)?, slot: cell(row, 1)?, freeze: cell(row, 2)? })
}
