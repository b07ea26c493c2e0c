//! Records into the database, once each.
//!
//! ```text
//!   records -> rows, sorted by key -> one transaction:  readings: the first one of a slot stays
//!                     |                                 missed marks of these slots go
//!                     |                                 misses: only where there is no reading
//!                     |                                 newest reading of each meter
//!                     +-- refused row <- bisection <--- a row was refused
//!                              v
//!                          rejected
//! ```
//!
//! Promises: writing again what was written changes nothing, whether or not its answer arrived; one bad row stops no
//! other. Readings come before marks in every transaction, so that two writers cannot leave a mark beside a reading.
//! Refuses: trying again.

use std::collections::BTreeMap;

use mysql_async::Value;
use prost::Message;
use protocol::api::peer::SpoolRecord;

use super::rows::{self, Key, RecordRow};
use super::statement::{Delete, Insert};
use super::{Database, DatabaseError};
use crate::clock::wall_now;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Records that are in the tables now.
    pub rows: u64,
    /// The places, in the batch, of those that were set aside.
    pub rejected: Vec<usize>,
}

pub(super) const READINGS: Insert =
    Insert { table: "reading", columns: rows::READING, on_duplicate: "meter_id = reading.meter_id" };
const MARKS: Insert = Insert { table: "missed", columns: rows::MISSED, on_duplicate: "meter_id = missed.meter_id" };
const LATEST: Insert = Insert {
    table: "reading_latest",
    columns: &["meter_id", "slot", "kind"],
    // Assigned from left to right: what is compared has to change last.
    on_duplicate: "kind = IF({new:slot} > reading_latest.slot, {new:kind}, reading_latest.kind), \
                   slot = GREATEST(reading_latest.slot, {new:slot})",
};
const ANSWERED: Delete = Delete { table: "missed", key: &["meter_id", "slot", "kind"], and: "" };
pub(super) const ANSWERED_BEFORE: Delete = Delete {
    and: " AND EXISTS (SELECT 1 FROM reading r WHERE r.meter_id = missed.meter_id AND r.slot = missed.slot \
          AND r.kind = missed.kind)",
    ..ANSWERED
};
const REJECT: &str = "INSERT INTO rejected \
    (digest, rejected_at, meter_id, slot_ms, node_id, error_code, error, record) \
    VALUES (UNHEX(SHA2(?, 256)), ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE digest = rejected.digest";
const ERROR_CHARS: usize = 512;

/// Why one record was set aside.
struct Rejection {
    index: usize,
    code: u16,
    text: String,
}

impl Database {
    /// Writes `records`, each once however often this is asked.
    pub async fn write(&mut self, records: &[SpoolRecord]) -> Result<Written, DatabaseError> {
        let (rows, mut rejections) = sort_out(records);
        // Halves of halves: never more than the logarithm of the batch.
        let mut parts = vec![rows.as_slice()];
        while let Some(part) = parts.pop() {
            match (self.commit(part).await, part) {
                (Ok(()), _) => {}
                (Err(DatabaseError::Poison(fault) | DatabaseError::TooBig(fault)), [row]) => {
                    rejections.push(Rejection { index: row.index, code: fault.code, text: fault.text });
                }
                (Err(DatabaseError::Poison(_) | DatabaseError::TooBig(_)), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        for rejection in &rejections {
            self.reject(records, rejection).await?;
        }
        let rejected: Vec<_> = rejections.into_iter().map(|rejection| rejection.index).collect();
        Ok(Written { rows: records.len().saturating_sub(rejected.len()) as u64, rejected })
    }

    async fn commit(&mut self, rows: &[RecordRow]) -> Result<(), DatabaseError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.session.execute("START TRANSACTION").await?;
        let written = self.put(rows).await;
        self.end_transaction(written).await
    }

    /// Commits what went well, and takes back what did not.
    pub(super) async fn end_transaction(&mut self, done: Result<(), DatabaseError>) -> Result<(), DatabaseError> {
        match done {
            Ok(()) => self.session.execute("COMMIT").await,
            Err(error @ DatabaseError::Lost(_)) => Err(error),
            Err(error) => self.session.execute("ROLLBACK").await.and(Err(error)),
        }
    }

    async fn put(&mut self, rows: &[RecordRow]) -> Result<(), DatabaseError> {
        let (misses, readings): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.missed);
        let values = |rows: &[&RecordRow]| rows.iter().map(|row| row.values.clone()).collect();
        READINGS.put(&mut self.session, values(&readings)).await?;
        ANSWERED.take(&mut self.session, keys(&readings)).await?;
        MARKS.put(&mut self.session, values(&misses)).await?;
        ANSWERED_BEFORE.take(&mut self.session, keys(&misses)).await?;
        LATEST.put(&mut self.session, latest(&readings)).await?;
        self.mark_late(wall_now(), &readings).await
    }

    async fn reject(&mut self, records: &[SpoolRecord], rejection: &Rejection) -> Result<(), DatabaseError> {
        let Some(record) = records.get(rejection.index) else { return Ok(()) };
        let bytes = record.encode_to_vec();
        let now = rows::moment("now", wall_now().0).unwrap_or(Value::NULL);
        let text: String = rejection.text.chars().take(ERROR_CHARS).collect();
        let values = vec![
            bytes.clone().into(),
            now,
            record.meter.into(),
            record.slot.into(),
            record.node.into(),
            rejection.code.into(),
            text.into(),
            bytes.into(),
        ];
        self.session.execute_with(REJECT, values).await
    }
}

/// The rows of `records` in the order of their key and age, and the records that are none.
fn sort_out(records: &[SpoolRecord]) -> (Vec<RecordRow>, Vec<Rejection>) {
    let (mut rows, mut rejections) = (Vec::with_capacity(records.len()), Vec::new());
    for (index, record) in records.iter().enumerate() {
        match RecordRow::new(index, record) {
            Ok(row) => rows.push(row),
            Err(text) => rejections.push(Rejection { index, code: 0, text }),
        }
    }
    rows.sort_by_key(|row| (row.key, row.at));
    (rows, rejections)
}

// A key that is in a row was a moment before: it is one again.
fn keys(rows: &[&RecordRow]) -> Vec<Vec<Value>> {
    rows.iter().filter_map(|row| row.key.values().ok()).collect()
}

/// The newest reading of each meter among `readings`, which are in the order of their key.
fn latest(readings: &[&RecordRow]) -> Vec<Vec<Value>> {
    let newest: BTreeMap<u64, Key> = readings.iter().map(|row| (row.key.meter, row.key)).collect();
    newest.into_values().filter_map(|key| key.values().ok()).collect()
}
