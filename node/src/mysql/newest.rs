//! The last reading of each meter: what the table says of it, and telling it.
//!
//! Promises: telling the same again, or less than is known, changes nothing. Refuses: remembering any.

use mysql_async::{Row, Value};
use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;

use super::rows::moment;
use super::statement::Insert;
use super::{Database, DatabaseError};

/// The last reading of a meter, by its slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Last {
    /// Unix ms.
    pub slot: u64,
    /// 1 scheduled, 2 on-demand.
    pub kind: u8,
    /// When it was accepted, Unix ms.
    pub read_at: u64,
    /// Joule.
    pub energy: Option<i64>,
    /// Joule.
    pub cooling: Option<i64>,
    /// Millilitre.
    pub volume: Option<i64>,
    /// In what form its counters came; 0: not known.
    pub shape: u32,
    /// What the meter calls itself; empty where it does not.
    pub identity: String,
    /// Doubts.
    pub quality: u32,
}

/// Numbers of quantities, as in peer.proto.
const ENERGY: u32 = 1;
const COOLING: u32 = 2;
const VOLUME: u32 = 3;
/// Meters asked about at once.
const METERS_AT_ONCE: usize = 1_000;
const LATEST: Insert = Insert {
    table: "reading_latest",
    columns: &["meter_id", "slot", "kind"],
    // Assigned from left to right: what is compared has to change last.
    on_duplicate: "kind = IF({new:slot} > reading_latest.slot, {new:kind}, reading_latest.kind), \
                   slot = GREATEST(reading_latest.slot, {new:slot})",
};

impl Last {
    /// What `record` says, if it is a reading.
    pub fn of(record: &SpoolRecord) -> Option<Self> {
        let Some(Content::Reading(reading)) = &record.content else { return None };
        let value = |quantity| reading.values.iter().find(|value| value.quantity == quantity).map(|value| value.value);
        Some(Self {
            slot: record.slot,
            kind: u8::try_from(record.kind).ok()?,
            read_at: record.at,
            energy: value(ENERGY),
            cooling: value(COOLING),
            volume: value(VOLUME),
            shape: reading.shape,
            identity: reading.identity.clone(),
            quality: reading.quality,
        })
    }

    fn of_row(row: &Row) -> Option<(u64, Self)> {
        let number = |place: usize| row.get_opt::<u64, _>(place)?.ok();
        let value = |place: usize| row.get_opt::<Option<i64>, _>(place)?.ok();
        let last = Self {
            slot: number(1)?,
            kind: u8::try_from(number(2)?).ok()?,
            read_at: number(3)?,
            energy: value(4)?,
            cooling: value(5)?,
            volume: value(6)?,
            identity: row.get_opt::<String, _>(7)?.ok()?,
            quality: u32::try_from(number(8)?).ok()?,
            shape: u32::try_from(number(9)?).ok()?,
        };
        Some((number(0)?, last))
    }
}

impl Database {
    /// The last reading of each of `meters` that has one.
    pub async fn last_readings(&mut self, meters: &[u64]) -> Result<Vec<(u64, Last)>, DatabaseError> {
        let mut found = Vec::with_capacity(meters.len());
        for meters in meters.chunks(METERS_AT_ONCE) {
            let rows = self.session.ask(question(meters)).await?;
            found.extend(rows.iter().filter_map(Last::of_row));
        }
        Ok(found)
    }

    /// Tells the newest slot and its kind of meters, `(meter, slot, kind)`; all or none.
    pub async fn write_latest(&mut self, newest: &[(u64, u64, u8)]) -> Result<(), DatabaseError> {
        let row = |(meter, slot, kind): &(u64, u64, u8)| {
            Some(vec![Value::UInt(*meter), moment("slot", *slot).ok()?, Value::UInt((*kind).into())])
        };
        self.session.execute("START TRANSACTION").await?;
        // A slot that is in a row of `reading` is a moment.
        let written = LATEST.put(&mut self.session, newest.iter().filter_map(row).collect()).await;
        self.session.end_transaction(written).await
    }
}

fn question(meters: &[u64]) -> String {
    let list = meters.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let millis = |column: &str| format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column}) DIV 1000");
    format!(
        "SELECT l.meter_id, {}, l.kind, {}, r.energy_joule, r.cooling_energy_joule, r.volume_millilitre, r.identity, \
         r.quality, r.shape FROM reading_latest l \
         JOIN reading r ON r.meter_id = l.meter_id AND r.slot = l.slot AND r.kind = l.kind \
         WHERE l.meter_id IN ({list})",
        millis("l.slot"),
        millis("r.read_at"),
    )
}
