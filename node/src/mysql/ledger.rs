//! The ledger's own connection: duties and moments into the tables, and the horizon forward over them.
//!
//! ```text
//!   ledger_horizon   one row: whose duties, told up to which entry of the log, closed up to which moment
//!        | locked first by every transaction
//!        +-- tell     duties as the state has them        +-- make    moments of schedules, ahead
//!        +-- sweep    what nobody accounted for is missed, then the horizon moves over it
//!        +-- forgotten, by the keeper: days that are about to be dropped leave the accounts
//! ```
//!
//! Promises: of two leaders at once only the one whose duties the tables have carries them on, whatever the other
//! believes: the log's index decides. Asking again changes nothing. Refuses: knowing where duties come from, and deciding
//! how far the horizon may go.

mod forgotten;
mod sweep;

use mysql_async::prelude::FromValue;
use mysql_async::{Params, Row, Value};

use super::DatabaseError;
use super::rows::moment;
use super::session::{Purpose, Session};
use super::statement::Insert;
use crate::config;

pub use sweep::Bounds;

/// Why the ledger was not carried on.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Somebody else told it since: read it anew.
    #[error("the ledger was told up to entry {there} of the log, and not up to {here}: another leader carries it on")]
    Overtaken {
        /// What the tables say.
        there: u64,
        /// What was expected.
        here: u64,
    },
}

/// Where the ledger stands. Moments are Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Book {
    /// The entry of the log up to which duties were told.
    pub applied: u64,
    /// Slots that begin before this are not accounted for.
    pub begins: u64,
    /// What was over by then is accounted for.
    pub horizon: u64,
}

/// A row of `schedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Of what follows: the same words, the same id.
    pub id: u64,
    /// Its rules in words.
    pub expression: String,
    /// Zone and seasons it goes by; empty: none.
    pub calendar: String,
}

/// A row of `duty`. Moments are Unix ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyRow {
    /// The meter.
    pub meter: u64,
    /// Slots that begin from this moment on ..
    pub from: u64,
    /// .. and before this one; `None`: it is still due.
    pub until: Option<u64>,
    /// By this schedule.
    pub schedule: u64,
    /// On this line.
    pub line: u64,
    /// What it is.
    pub model: String,
}

/// A row of `schedule_slot`. Moments are Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRow {
    /// It begins.
    pub begin: u64,
    /// It is over.
    pub end: u64,
    /// Read later is late.
    pub on_time_until: u64,
    /// 1 low, 2 normal, 3 high.
    pub priority: u8,
    /// 1 of a day, 2 of a month.
    pub freeze: Option<u8>,
}

/// How far the moments of a schedule are made. Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The schedule.
    pub schedule: u64,
    /// Slots that begin before this are in the table, from where they were first needed.
    pub to: u64,
    /// No meter is due by it from here on; `None`: some meter is.
    pub needed_until: Option<u64>,
}

const SCHEDULES: Insert = Insert {
    table: "schedule",
    columns: &["schedule_id", "expression", "calendar"],
    on_duplicate: "schedule_id = schedule.schedule_id",
};
const DUTIES: Insert = Insert {
    table: "duty",
    columns: &["meter_id", "due_from", "due_until", "schedule_id", "line_id", "model"],
    on_duplicate: "due_until = {new:due_until}, schedule_id = {new:schedule_id}, line_id = {new:line_id}, \
                   model = {new:model}",
};
// A moment that was told stays as it was told.
const SLOTS: Insert = Insert {
    table: "schedule_slot",
    columns: &["schedule_id", "slot", "ends", "on_time_until", "priority", "freeze_of"],
    on_duplicate: "slot = schedule_slot.slot",
};
const MODEL_CHARS: usize = 128;

/// A moment in a column as Unix ms.
pub(super) fn millis(column: &str) -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column}) DIV 1000")
}

/// A connection that carries the ledger on.
#[derive(Debug)]
pub struct Ledger {
    session: Session,
    settings: config::Ledger,
    cluster: String,
}

impl Ledger {
    /// Connects, and opens the book of `cluster`: a new one, that begins at `now`, where there is none or another's.
    pub async fn open(
        config: &config::Mysql,
        settings: &config::Ledger,
        cluster: &str,
        now: u64,
    ) -> Result<(Self, Book), LedgerError> {
        let config = config::Mysql { statement_timeout: settings.statement_timeout, ..config.clone() };
        let session = Session::open_any(&config, Purpose::Write).await?;
        let mut ledger = Self { session, settings: settings.clone(), cluster: cluster.to_owned() };
        let begins = ledger.value(now)?;
        let first = "INSERT INTO ledger_horizon (id, cluster, applied, begins, horizon) VALUES (1, ?, 0, ?, ?) \
                     ON DUPLICATE KEY UPDATE id = ledger_horizon.id";
        ledger.session.execute_with(first, vec![cluster.into(), begins.clone(), begins.clone()]).await?;
        let taken = "UPDATE ledger_horizon SET cluster = ?, applied = 0, begins = ?, horizon = ? \
                     WHERE id = 1 AND cluster <> ?";
        ledger.session.execute_with(taken, vec![cluster.into(), begins.clone(), begins, cluster.into()]).await?;
        let book = ledger.book("").await?;
        let book = book.ok_or_else(|| ledger.wrong("ledger_horizon"))?;
        Ok((ledger, book))
    }

    /// The duties that have not ended, as the tables have them.
    pub async fn open_duties(&mut self) -> Result<Vec<DutyRow>, LedgerError> {
        let sql = format!(
            "SELECT meter_id, {}, schedule_id, line_id, model FROM duty WHERE due_until IS NULL",
            millis("due_from")
        );
        let rows = self.session.query(&sql, Params::Empty).await?;
        let duty = |row: &Row| {
            let (meter, from, schedule) = (cell(row, 0)?, cell(row, 1)?, cell(row, 2)?);
            Some(DutyRow { meter, from, until: None, schedule, line: cell(row, 3)?, model: cell(row, 4)? })
        };
        rows.iter().map(duty).collect::<Option<_>>().ok_or_else(|| self.wrong("duty").into())
    }

    /// Makes the tables say `duties`, which are the whole difference between entry `known` of the log and `applied`.
    pub async fn tell(
        &mut self,
        known: u64,
        applied: u64,
        schedules: &[ScheduleRow],
        duties: &[DutyRow],
    ) -> Result<(), LedgerError> {
        if applied < known {
            return Err(LedgerError::Overtaken { there: known, here: applied });
        }
        let rows = duties.iter().map(|duty| self.duty(duty)).collect::<Result<Vec<_>, _>>()?;
        let mut schedules: Vec<_> = schedules.iter().map(ScheduleRow::values).collect();
        let mut known = known;
        for part in rows.chunks(self.settings.batch_rows) {
            self.session.execute("START TRANSACTION").await?;
            let told = self.tell_part(known, applied, std::mem::take(&mut schedules), part.to_vec()).await;
            self.end(told).await?;
            known = applied;
        }
        Ok(())
    }

    async fn tell_part(
        &mut self,
        known: u64,
        applied: u64,
        schedules: Vec<Vec<Value>>,
        duties: Vec<Vec<Value>>,
    ) -> Result<(), LedgerError> {
        self.locked(known).await?;
        SCHEDULES.put(&mut self.session, schedules).await?;
        DUTIES.put(&mut self.session, duties).await?;
        let mark = "UPDATE ledger_horizon SET applied = ? WHERE id = 1";
        Ok(self.session.execute_with(mark, vec![applied.into()]).await?)
    }

    /// How far the moments of every schedule by which some meter is or was due are made.
    pub async fn made(&mut self) -> Result<Vec<Made>, LedgerError> {
        let sql = format!(
            "SELECT s.schedule_id, COALESCE({}, {}), MAX(d.due_until IS NULL), {} \
             FROM ledger_horizon h JOIN schedule s JOIN duty d ON d.schedule_id = s.schedule_id WHERE h.id = 1 \
             GROUP BY s.schedule_id, s.made_to, h.horizon",
            millis("s.made_to"),
            millis("h.horizon"),
            millis("MAX(d.due_until)")
        );
        let rows = self.session.query(&sql, Params::Empty).await?;
        let made = |row: &Row| {
            let (is_due, until): (u64, Option<u64>) = (cell(row, 2)?, cell(row, 3)?);
            Some(Made { schedule: cell(row, 0)?, to: cell(row, 1)?, needed_until: until.filter(|_| is_due == 0) })
        };
        rows.iter().map(made).collect::<Option<_>>().ok_or_else(|| self.wrong("schedule").into())
    }

    /// Puts down that the slots of a schedule that begin from `from` on and before `to` are `slots`.
    pub async fn make(
        &mut self,
        known: u64,
        schedule: u64,
        (from, to): (u64, u64),
        slots: &[SlotRow],
    ) -> Result<(), LedgerError> {
        let rows = slots.iter().map(|slot| self.slot(schedule, slot)).collect::<Result<Vec<_>, _>>()?;
        let (from, to) = (self.value(from)?, self.value(to)?);
        self.session.execute("START TRANSACTION").await?;
        let made = async {
            self.locked(known).await?;
            SLOTS.put(&mut self.session, rows).await?;
            let mark = "UPDATE schedule SET made_from = COALESCE(made_from, ?), made_to = ? WHERE schedule_id = ?";
            Ok(self.session.execute_with(mark, vec![from, to, schedule.into()]).await?)
        };
        let made = made.await;
        self.end(made).await
    }

    /// The book, if it is where `known` says; it stays so until the transaction ends.
    async fn locked(&mut self, known: u64) -> Result<Book, LedgerError> {
        match self.book(" FOR UPDATE").await? {
            Some(book) if book.applied == known => Ok(book),
            book => Err(LedgerError::Overtaken { there: book.map_or(0, |book| book.applied), here: known }),
        }
    }

    async fn book(&mut self, lock: &str) -> Result<Option<Book>, LedgerError> {
        let sql = format!(
            "SELECT applied, {}, {} FROM ledger_horizon WHERE id = 1 AND cluster = ?{lock}",
            millis("begins"),
            millis("horizon")
        );
        let rows = self.session.query(&sql, Params::Positional(vec![self.cluster.as_str().into()])).await?;
        let book = |row: &Row| Some(Book { applied: cell(row, 0)?, begins: cell(row, 1)?, horizon: cell(row, 2)? });
        Ok(rows.first().and_then(book))
    }

    /// Commits what went well, and takes back what did not.
    async fn end<T>(&mut self, done: Result<T, LedgerError>) -> Result<T, LedgerError> {
        match done {
            Ok(done) => Ok(self.session.execute("COMMIT").await.map(|()| done)?),
            Err(error @ LedgerError::Database(DatabaseError::Lost(_))) => Err(error),
            Err(error) => Err(self.session.execute("ROLLBACK").await.map_or_else(Into::into, |()| error)),
        }
    }

    fn duty(&self, duty: &DutyRow) -> Result<Vec<Value>, DatabaseError> {
        let until = duty.until.map_or(Ok(Value::NULL), |until| self.value(until))?;
        let model: String = duty.model.chars().take(MODEL_CHARS).collect();
        let mut values = vec![duty.meter.into(), self.value(duty.from)?, until];
        values.extend([duty.schedule.into(), duty.line.into(), model.into()]);
        Ok(values)
    }

    fn slot(&self, schedule: u64, slot: &SlotRow) -> Result<Vec<Value>, DatabaseError> {
        let mut values = vec![schedule.into(), self.value(slot.begin)?, self.value(slot.end)?];
        values.extend([self.value(slot.on_time_until)?, slot.priority.into()]);
        values.push(slot.freeze.map_or(Value::NULL, Into::into));
        Ok(values)
    }

    fn value(&self, millis: u64) -> Result<Value, DatabaseError> {
        moment("moment", millis).map_err(|text| DatabaseError::Poison(self.session.fault(text)))
    }

    fn wrong(&self, table: &str) -> DatabaseError {
        self.session.unexpected("table", table)
    }
}

/// A column by its place.
pub(super) fn cell<T: FromValue>(row: &Row, place: usize) -> Option<T> {
    row.get_opt::<T, _>(place)?.ok()
}

impl ScheduleRow {
    fn values(&self) -> Vec<Value> {
        vec![self.id.into(), self.expression.as_str().into(), self.calendar.as_str().into()]
    }
}
