//! What the console asks the ledger: due slots by outcome, and who did not read.
//!
//! Promises: every statement of an answer ends within `ledger.statement_timeout`, on a connection of its own that writes
//! nothing; every due slot is in exactly one count. Refuses: answering without a limit on rows.

mod summary;
mod tallied;
mod unread;

use mysql_async::{Params, Row};

use super::DatabaseError;
use super::asking::Asking;
use super::ledger::{cell, millis};
use super::session::Session;
use crate::config;

/// What due slots may be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// What people call it.
    pub name: &'static str,
    /// Of `v`, which has the numbers of meter, line, schedule and node, and of meter `m`, line `l` and schedule `c`.
    sql: &'static str,
}

/// Everything due slots may be grouped by.
pub const GROUPS: [Group; 12] = [
    Group { name: "region", sql: "COALESCE(m.region, '')" },
    Group { name: "station", sql: "COALESCE(m.station, '')" },
    Group { name: "community", sql: "COALESCE(m.community, '')" },
    Group { name: "building", sql: "COALESCE(m.building, '')" },
    Group { name: "line", sql: "COALESCE(l.name, CONCAT('#', v.line_id))" },
    Group { name: "model", sql: "v.model" },
    Group { name: "meter", sql: "COALESCE(m.name, CONCAT('#', v.meter_id))" },
    Group { name: "node", sql: "COALESCE(CAST(NULLIF(v.node_id, 0) AS CHAR), '')" },
    Group { name: "schedule", sql: "COALESCE(c.expression, '')" },
    Group { name: "reason", sql: "COALESCE(v.reason, '')" },
    Group { name: "hour", sql: "DATE_FORMAT(FROM_DAYS(v.hour DIV 24) + INTERVAL v.hour % 24 HOUR, '%Y-%m-%d %H:00')" },
    Group { name: "day", sql: "DATE_FORMAT(FROM_DAYS(v.day), '%Y-%m-%d')" },
];

/// Which slots are asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    /// Slots that begin from this moment on, Unix ms.
    pub from: u64,
    /// And before this one, Unix ms.
    pub to: u64,
    /// Of a group with this name: (what [`GROUPS`] calls it, the name).
    pub only: Vec<(Group, String)>,
}

/// Due slots by outcome; they add up to `due`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// What was asked for, in its order.
    pub names: Vec<String>,
    /// All of them.
    pub due: u64,
    /// Read in time.
    pub on_time: u64,
    /// Read later.
    pub late: u64,
    /// Taken from what the meter keeps.
    pub backfilled: u64,
    /// Missed.
    pub missed: u64,
    /// Over; a spool may still have them.
    pub waiting: u64,
    /// Not over.
    pub open: u64,
    /// Over, and nothing is there.
    pub unaccounted: u64,
}

/// Slots of one meter that were not read for one reason. Moments are Unix ms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnreadRow {
    /// The meter.
    pub meter_id: u64,
    /// Its name; empty where it is no more.
    pub meter: String,
    /// Its line's name.
    pub line: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub slots: u64,
    /// The first ..
    pub first: u64,
    /// .. and the last.
    pub last: u64,
    /// The newest slot it was ever read by; 0: none.
    pub last_read: u64,
}

/// A handle that asks; clones share one connection.
#[derive(Debug, Clone)]
pub struct Accounts {
    asking: Asking,
}

impl Accounts {
    /// A handle that connects with its first question.
    pub fn new(config: &config::Mysql, settings: &config::Ledger) -> Self {
        let config = config::Mysql { statement_timeout: settings.statement_timeout, ..config.clone() };
        Self { asking: Asking::new(config) }
    }

    /// Meters with slots that were not read, by meter and reason, behind `after`, at most `limit`.
    pub async fn unread(
        &self,
        span: &Span,
        after: Option<(u64, String)>,
        limit: u32,
    ) -> Result<Vec<UnreadRow>, DatabaseError> {
        self.at_once(async |session| unread::ask(session, span, after, limit).await).await
    }

    /// Since when, and up to when, slots are accounted for, Unix ms; zeros where the ledger has not begun.
    pub async fn horizon(&self) -> Result<(u64, u64), DatabaseError> {
        let sql = format!("SELECT {}, {} FROM ledger_horizon WHERE id = 1", millis("begins"), millis("horizon"));
        let question = async |session: &mut Session| {
            let rows = session.query(&sql, Params::Empty).await?;
            let pair = |row: &Row| Some((cell(row, 0)?, cell(row, 1)?));
            let pair = rows.first().map_or(Some((0, 0)), pair);
            pair.ok_or_else(|| session.unexpected("table", "ledger_horizon"))
        };
        self.asking.ask(question).await
    }

    /// What `question` finds, all of it as of one moment.
    async fn at_once<T>(
        &self,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let asked = async |session: &mut Session| {
            session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
            let found = question(session).await;
            let ended = session.end_transaction(found.as_ref().map(drop).map_err(Clone::clone)).await;
            ended.and(found)
        };
        self.asking.ask(asked).await
    }
}

fn only(span: &Span) -> String {
    span.only.iter().map(|(group, _)| format!(" AND {} = ?", group.sql)).collect()
}
