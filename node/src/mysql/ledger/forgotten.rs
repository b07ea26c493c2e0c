//! Slots of days that are about to be dropped: they leave the accounts first.
//!
//! ```text
//!   begins, horizon, what is made ---> the day after it      one transaction, under the lock of all that carry accounts on
//!   moments of the day and before: gone, some at a time      what is read or marked is still there meanwhile
//!   then the day is dropped
//! ```
//!
//! Promises: no slot is ever due whose readings or marks were dropped; slots of such days that were not closed are not
//! closed either: nobody could tell any more what became of them. Refuses: dropping readings.

use jiff::civil::Date;
use mysql_async::{Params, Value};

use crate::mysql::{Database, DatabaseError};

/// What stands before the first day that is kept does not count.
const BEGIN: &str =
    "UPDATE ledger_horizon SET begins = GREATEST(begins, ?), horizon = GREATEST(horizon, ?) WHERE id = 1";
/// And is not made again.
const MADE: &str = "UPDATE schedule SET made_to = ? WHERE made_to < ?";
const LOCK: &str = "SELECT id FROM ledger_horizon WHERE id = 1 FOR UPDATE";
const LEFT: &str = "SELECT 1 FROM schedule_slot WHERE slot < ? LIMIT 1";

impl Database {
    /// Takes the slots before `first`, a day of UTC, out of the accounts.
    pub(in crate::mysql) async fn forget_slots(&mut self, first: Date) -> Result<(), DatabaseError> {
        let first = Value::from(format!("{first} 00:00:00"));
        let remove = format!("DELETE FROM schedule_slot WHERE slot < ? LIMIT {}", self.config.batch_rows);
        loop {
            self.session.execute("START TRANSACTION").await?;
            let done = self.forget_some(&first, &remove).await;
            self.session.end_transaction(done).await?;
            let left = self.session.query(LEFT, Params::Positional(vec![first.clone()])).await?;
            if left.is_empty() {
                return Ok(());
            }
        }
    }

    async fn forget_some(&mut self, first: &Value, remove: &str) -> Result<(), DatabaseError> {
        self.session.query(LOCK, Params::Empty).await?;
        self.session.execute_with(BEGIN, vec![first.clone(), first.clone()]).await?;
        self.session.execute_with(MADE, vec![first.clone(), first.clone()]).await?;
        self.session.execute_with(remove, vec![first.clone()]).await
    }
}
