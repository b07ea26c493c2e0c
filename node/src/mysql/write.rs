//! Records into the database, once each.
//!
//! ```text
//!   records, sorted by key -> one part for each connection, no meter in two -> rows of mysql.batch_rows at a time:
//!                   rows -> transaction --- committed
//!                             ^         +----------- a row was refused, or it was too much at once
//!                             +-- halves <-+              v
//!                                               a half of one row -> rejected
//! ```
//!
//! Promises: writing again what was written changes nothing, whether or not its answer arrived; one bad row stops no
//! other; a connection that fails loses nothing of what another wrote, and is repeated with all of it. Refuses: trying
//! again.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::join_all;
use jiff::civil::Date;
use mysql_async::Value;
use prost::Message;
use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;

use super::rollup::Plant;
use super::rollup::due::late;
use super::rows::{self, RecordRow};
use super::session::Session;
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

/// What lay in a spool as a record and cannot be read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strange {
    /// Whose spool it was.
    pub node: u64,
    /// As it lay there.
    pub bytes: Bytes,
    /// Why it is none.
    pub why: String,
}

const REJECT: &str = "INSERT INTO rejected \
    (digest, rejected_at, meter_id, slot_ms, node_id, error_code, error, record) \
    VALUES (UNHEX(SHA2(?, 256)), ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE digest = rejected.digest";
const ERROR_CHARS: usize = 512;
/// Rows a second connection is worth its transaction for.
const LEAST_ROWS: usize = 100;

/// Why one record was set aside.
struct Rejection {
    index: usize,
    code: u16,
    text: String,
}

impl Database {
    /// Writes `records`, each once however often this is asked. `is_fresh` says of which of them no row can be there yet:
    /// where it is wrong the batch takes longer.
    pub async fn write_knowing(
        &mut self,
        records: &[&SpoolRecord],
        is_fresh: impl Fn(&SpoolRecord) -> bool,
    ) -> Result<Written, DatabaseError> {
        // Nobody takes a day for counted that is about to change.
        self.mark_uncounted(&over(&self.plant, records), wall_now()).await?;
        let sorted = sort(records, is_fresh);
        let sessions = std::iter::once(&mut self.session).chain(&mut self.beside);
        let parts = parts(&sorted, self.config.connections);
        let most = self.config.batch_rows;
        let outcomes = join_all(sessions.zip(parts).map(|(session, part)| write_part(session, part, most))).await;
        let rejections = all_of(outcomes)?;
        for rejection in &rejections {
            self.reject(records, rejection).await?;
        }
        // After the readings: who pulled them is told only when both are in, and sends them again otherwise.
        let is_reading = |record: &&SpoolRecord| matches!(record.content, Some(Content::Reading(_)));
        let read: Vec<_> = records.iter().copied().filter(is_reading).collect();
        self.mark_late(over(&self.plant, &read), wall_now()).await?;
        self.mark_uncounted(&over(&self.plant, records), wall_now()).await?;
        let rejected: Vec<_> = rejections.into_iter().map(|rejection| rejection.index).collect();
        Ok(Written { rows: records.len().saturating_sub(rejected.len()) as u64, rejected })
    }

    /// The same, where nothing is known.
    #[cfg(test)]
    pub async fn write(&mut self, records: &[SpoolRecord]) -> Result<Written, DatabaseError> {
        self.write_knowing(&records.iter().collect::<Vec<_>>(), |_| true).await
    }

    pub(super) async fn end_transaction(&mut self, done: Result<(), DatabaseError>) -> Result<(), DatabaseError> {
        self.session.end_transaction(done).await
    }

    /// Puts `strange` into `rejected`, once however often this is asked: of no meter and no slot, since nobody can tell.
    pub async fn set_aside(&mut self, strange: &Strange) -> Result<(), DatabaseError> {
        let Strange { node, bytes, why } = strange;
        let (record, bytes) = (SpoolRecord { node: *node, ..SpoolRecord::default() }, bytes.to_vec());
        self.put_aside(&record, bytes, &Rejection { index: 0, code: 0, text: why.clone() }).await
    }

    async fn reject(&mut self, records: &[&SpoolRecord], rejection: &Rejection) -> Result<(), DatabaseError> {
        let Some(record) = records.get(rejection.index) else { return Ok(()) };
        self.put_aside(record, record.encode_to_vec(), rejection).await
    }

    async fn put_aside(
        &mut self,
        record: &SpoolRecord,
        bytes: Vec<u8>,
        rejection: &Rejection,
    ) -> Result<(), DatabaseError> {
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

/// Days of meters that are over, and that `records` are of.
fn over(plant: &Plant, records: &[&SpoolRecord]) -> BTreeSet<(Date, u64)> {
    late(plant, wall_now(), records.iter().map(|record| (record.meter, record.slot)))
}

/// A record in the order of its key and age.
#[derive(Debug, Clone, Copy)]
struct Sorted<'r> {
    index: usize,
    record: &'r SpoolRecord,
    fresh: bool,
}

fn sort<'r>(records: &[&'r SpoolRecord], is_fresh: impl Fn(&SpoolRecord) -> bool) -> Vec<Sorted<'r>> {
    let sorted = |(index, record): (usize, &&'r SpoolRecord)| Sorted { index, record, fresh: false };
    let mut sorted: Vec<_> = records.iter().enumerate().map(sorted).collect();
    let key = |record: &SpoolRecord| (record.meter, record.slot, record.kind);
    // By what was read, then by age; the place keeps equals in their order.
    sorted.sort_unstable_by_key(|Sorted { index, record, .. }| (key(record), record.at, *index));
    let mut before = None;
    for Sorted { record, fresh, .. } in &mut sorted {
        *fresh = before.replace(key(record)) != Some(key(record)) && is_fresh(record);
    }
    sorted
}

/// `sorted` in at most `count` parts of about one size, none of which has a meter of another.
fn parts<'p, 'r>(sorted: &'p [Sorted<'r>], count: usize) -> Vec<&'p [Sorted<'r>]> {
    let count = count.min(sorted.len() / LEAST_ROWS).max(1);
    let (mut parts, mut rest) = (Vec::with_capacity(count), sorted);
    for left in (1..=count).rev() {
        let aim = rest.len() / left;
        let last = rest.get(aim.saturating_sub(1)).map(|sorted| sorted.record.meter);
        let end = rest.partition_point(|sorted| Some(sorted.record.meter) <= last);
        let (part, others) = rest.split_at(end);
        parts.push(part);
        rest = others;
    }
    parts
}

/// Transactions of `most` rows; the rows of one are made when its turn comes.
async fn write_part(session: &mut Session, part: &[Sorted<'_>], most: usize) -> Result<Vec<Rejection>, DatabaseError> {
    let mut rejections = Vec::new();
    for chunk in part.chunks(most) {
        let mut rows = Vec::with_capacity(chunk.len());
        for Sorted { index, record, fresh } in chunk {
            match RecordRow::new(*index, record) {
                Ok(mut row) => {
                    row.fresh = *fresh;
                    rows.push(row);
                }
                Err(text) => rejections.push(Rejection { index: *index, code: 0, text }),
            }
        }
        rejections.extend(write_rows(session, &rows).await?);
    }
    Ok(rejections)
}

/// Halves of halves: never more than the logarithm of `rows`.
async fn write_rows(session: &mut Session, rows: &[RecordRow<'_>]) -> Result<Vec<Rejection>, DatabaseError> {
    let (mut open, mut rejections) = (vec![rows], Vec::new());
    while let Some(part) = open.pop() {
        match (session.commit(part).await, part) {
            (Ok(()), _) => {}
            (Err(DatabaseError::Poison(fault) | DatabaseError::TooBig(fault)), [row]) => {
                rejections.push(Rejection { index: row.index, code: fault.code, text: fault.text });
            }
            (Err(DatabaseError::Poison(_) | DatabaseError::TooBig(_)), _) => {
                let (first, second) = part.split_at(part.len() / 2);
                open.extend([second, first]);
            }
            (Err(error), _) => return Err(error),
        }
    }
    Ok(rejections)
}

/// What every part rejected; else the error that asks for most: a connection that is lost has to be made again first.
fn all_of(outcomes: Vec<Result<Vec<Rejection>, DatabaseError>>) -> Result<Vec<Rejection>, DatabaseError> {
    let (mut rejections, mut worst) = (Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            Ok(more) => rejections.extend(more),
            Err(error @ DatabaseError::Retry(_)) => worst = worst.or(Some(error)),
            Err(error) => worst = Some(error),
        }
    }
    worst.map_or(Ok(rejections), Err)
}
