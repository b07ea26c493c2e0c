//! A part of a batch in one transaction of one connection.
//!
//! ```text
//!   readings     those nothing can stand in the way of, by the fast way; the others: the first one of a slot stays, and
//!                one that was read for it takes the place of one from the meter's history
//!   marks        of slots that have a reading now: looked up by slot, removed by key
//!   misses       the first mark of a slot stays, but for one a sweep made
//!   marks        of these that have a reading: removed
//! ```
//!
//! Promises: readings come before marks in every transaction, so that two writers cannot leave a mark beside a reading: who
//! makes a mark waits for a reading of its slot that is under way, or keeps it waiting and is seen by it. Looking for
//! answered marks costs what marks there are in the slots, takes no lock, and is the transaction's first look, so that it
//! sees what was committed until then. Refuses: trying again.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use mysql_async::Value;
use protocol::meter::Quality;

use super::DatabaseError;
use super::rows::{self, Key, RecordRow, civil_moment};
use super::session::Session;
use super::statement::{Delete, Insert};
use super::text::push_literal;

static READ_OVER_BACKFILLED: LazyLock<String> = LazyLock::new(read_over_backfilled);
static READINGS: LazyLock<Insert> =
    LazyLock::new(|| Insert { table: "reading", columns: rows::READING, on_duplicate: &READ_OVER_BACKFILLED });
/// A sweep's mark (node 0) gives way to a node's own. Assigned from left to right: what is compared has to change last.
const MARKS: Insert = Insert {
    table: "missed",
    columns: rows::MISSED,
    on_duplicate: "reason = IF(missed.node_id = 0 AND {new:node_id} > 0, {new:reason}, missed.reason), \
                   detail = IF(missed.node_id = 0 AND {new:node_id} > 0, {new:detail}, missed.detail), \
                   attempts = IF(missed.node_id = 0 AND {new:node_id} > 0, {new:attempts}, missed.attempts), \
                   at = IF(missed.node_id = 0 AND {new:node_id} > 0, {new:at}, missed.at), \
                   line_id = IF(missed.node_id = 0 AND {new:node_id} > 0, {new:line_id}, missed.line_id), \
                   epoch = IF(missed.node_id = 0 AND {new:node_id} > 0, {new:epoch}, missed.epoch), \
                   node_id = IF(missed.node_id = 0, {new:node_id}, missed.node_id)",
};
const ANSWERED: Delete = Delete { table: "missed", key: &["meter_id", "slot", "kind"], and: "" };
pub(super) const ANSWERED_BEFORE: Delete = Delete {
    and: " AND EXISTS (SELECT 1 FROM reading r WHERE r.meter_id = missed.meter_id AND r.slot = missed.slot \
          AND r.kind = missed.kind)",
    ..ANSWERED
};
/// The first columns of `reading` are its key.
const KEY_COLUMNS: usize = 3;
/// Slots named in one question.
const SLOTS_AT_ONCE: usize = 500;

/// What was read for its slot takes the place of what the meter's history said of it; else the first one stays. Assigned
/// from left to right: `quality`, which is compared, has to change last.
fn read_over_backfilled() -> String {
    let mark = Quality::BACKFILLED.0;
    let others = rows::READING.iter().skip(KEY_COLUMNS).filter(|column| **column != "quality");
    let assigned = others.chain(&["quality"]).map(|column| {
        format!("{column} = IF(reading.quality & {mark} AND NOT {{new:quality}} & {mark}, {{new:{column}}}, reading.{column})")
    });
    assigned.collect::<Vec<_>>().join(", ")
}

impl Session {
    /// Commits `rows`, which are in the order of their key, all or none.
    pub(super) async fn commit(&mut self, rows: &[RecordRow<'_>]) -> Result<(), DatabaseError> {
        if rows.is_empty() || (self.writer().files && self.try_commit(rows, true).await?) {
            return Ok(());
        }
        self.try_commit(rows, false).await.map(drop)
    }

    /// Whether it was committed; where not `fast`, it always is.
    async fn try_commit(&mut self, rows: &[RecordRow<'_>], fast: bool) -> Result<bool, DatabaseError> {
        self.execute("START TRANSACTION").await?;
        match self.put(rows, fast).await {
            Ok(false) => self.execute("ROLLBACK").await.map(|()| false),
            done => self.end_transaction(done.map(drop)).await.map(|()| true),
        }
    }

    /// Whether the fast way did nothing but add rows.
    async fn put(&mut self, rows: &[RecordRow<'_>], fast: bool) -> Result<bool, DatabaseError> {
        let (misses, readings): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.missed);
        let (fresh, others): (Vec<_>, Vec<_>) = readings.iter().partition(|row| fast && row.fresh);
        if !READINGS.load(self, &fresh).await? {
            return Ok(false);
        }
        READINGS.put_rows(self, &others).await?;
        let answered = self.answered(&readings).await?;
        ANSWERED.take(self, answered).await?;
        MARKS.put_rows(self, &misses).await?;
        ANSWERED_BEFORE.take(self, keys(misses.iter().map(|row| row.key))).await?;
        Ok(true)
    }

    /// The keys of marks beside which a reading stands now, in the slots and among the meters of `readings`.
    async fn answered(&mut self, readings: &[&RecordRow<'_>]) -> Result<Vec<Vec<Value>>, DatabaseError> {
        let [Some(first), Some(last)] = [readings.first(), readings.last()] else { return Ok(Vec::new()) };
        let meters = (first.key.meter, last.key.meter);
        let slots: BTreeSet<_> = readings.iter().map(|row| row.key.slot).collect();
        let slots: Vec<_> = slots.into_iter().collect();
        let mut answered = Vec::new();
        for slots in slots.chunks(SLOTS_AT_ONCE) {
            let found = self.ask(question(slots, meters)).await?;
            let key = |row: mysql_async::Row| mysql_async::from_row_opt::<(u64, u64, u8)>(row).ok();
            answered.extend(found.into_iter().filter_map(key).map(|(meter, slot, kind)| Key { meter, slot, kind }));
        }
        Ok(keys(answered.into_iter()))
    }
}

fn question(slots: &[u64], (first, last): (u64, u64)) -> String {
    let mut list = Vec::new();
    for slot in slots.iter().filter_map(|slot| civil_moment("slot", *slot).ok()) {
        push_literal(&mut list, rows::Cell::Moment(slot));
        list.push(b',');
    }
    list.pop();
    let list = String::from_utf8_lossy(&list);
    format!(
        "SELECT STRAIGHT_JOIN m.meter_id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', m.slot) DIV 1000, m.kind \
         FROM missed m FORCE INDEX (by_slot) \
         JOIN reading r ON r.meter_id = m.meter_id AND r.slot = m.slot AND r.kind = m.kind \
         WHERE m.slot IN ({list}) AND m.meter_id BETWEEN {first} AND {last}"
    )
}

// A key that is in a row was a moment before: it is one again.
fn keys(keys: impl Iterator<Item = Key>) -> Vec<Vec<Value>> {
    keys.filter_map(|key| key.values().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_replaces_every_column_of_a_backfilled_one_but_its_key_and_quality_last() {
        let assigned = READINGS.on_duplicate.split(" = IF(").filter_map(|part| part.rsplit(", ").next());
        let assigned: Vec<_> = assigned.take(rows::READING.len() - 3).collect();
        let (last, others) = assigned.split_last().expect("columns");
        assert_eq!((*last, Quality::BACKFILLED.0), ("quality", 4096));
        let wanted: Vec<_> = rows::READING.iter().skip(3).filter(|column| **column != "quality").copied().collect();
        assert_eq!(others, wanted);
    }
}
