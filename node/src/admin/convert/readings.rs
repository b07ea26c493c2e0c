//! Readings as messages: rows of the database, and spool records on their way into it.

use protocol::api::admin as api;
use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledMiss, SpooledReading, SpooledValue};
use protocol::meter::{MeterId, Quality, Quantity, ValveState};
use raft_store::state::State;

use crate::mysql::ReadingRow;

/// A row of the database.
pub fn stored(row: ReadingRow) -> api::Reading {
    api::Reading {
        meter_id: row.meter_id,
        meter: named(row.meter, row.meter_id),
        slot: row.slot,
        kind: kind(i32::from(row.kind)).to_owned(),
        read_at: row.at,
        node: row.node,
        values: row.values.into_iter().map(|(quantity, value)| value_message(quantity, value)).collect(),
        meter_time: row.meter_time,
        valve: valve(row.valve.into()).to_owned(),
        quality: row.quality,
        raw: row.raw,
        missed: row.missed.unwrap_or_default(),
        doubts: Quality(row.quality).words(),
        identity: row.identity,
    }
}

/// A record that is in the database now.
pub fn committed(state: &State, record: &SpoolRecord) -> api::Reading {
    let meter = state.registry.meters.get(&MeterId(record.meter)).map(|meter| meter.name.clone()).unwrap_or_default();
    let shell = api::Reading {
        meter_id: record.meter,
        meter: named(meter, record.meter),
        slot: record.slot,
        kind: kind(record.kind).to_owned(),
        read_at: record.at,
        node: record.node,
        ..api::Reading::default()
    };
    match &record.content {
        Some(Content::Reading(reading)) => with_values(shell, reading),
        Some(Content::Miss(miss)) => {
            api::Reading { missed: reason(miss), raw: miss.raw.clone(), identity: miss.identity.clone(), ..shell }
        }
        None => api::Reading { missed: "empty record".to_owned(), ..shell },
    }
}

fn with_values(shell: api::Reading, reading: &SpooledReading) -> api::Reading {
    api::Reading {
        values: reading.values.iter().filter_map(spooled_value).collect(),
        meter_time: reading.meter_time.clone(),
        valve: valve(reading.valve).to_owned(),
        quality: reading.quality,
        raw: reading.raw.clone(),
        doubts: Quality(reading.quality).words(),
        identity: reading.identity.clone(),
        ..shell
    }
}

fn reason(miss: &SpooledMiss) -> String {
    if miss.detail.is_empty() { miss.reason.clone() } else { format!("{}: {}", miss.reason, miss.detail) }
}

/// The kinds of spool records and of the table's column are the same numbers.
pub(super) fn kind(number: i32) -> &'static str {
    match Kind::try_from(number) {
        Ok(Kind::Scheduled) => "scheduled",
        Ok(Kind::OnDemand) => "on-demand",
        Ok(Kind::Unspecified) | Err(_) => "",
    }
}

/// The numbers of valves in spool records and in the table's column; 0 is none.
pub(super) const fn valve(number: u32) -> &'static str {
    match number {
        1 => ValveState::Open.name(),
        2 => ValveState::Closed.name(),
        3 => ValveState::Fault.name(),
        _ => "",
    }
}

/// A meter that is no more is shown by its id.
pub(super) fn named(name: String, id: u64) -> String {
    if name.is_empty() { format!("#{id}") } else { name }
}

/// A quantity of a later release is left out.
fn spooled_value(value: &SpooledValue) -> Option<api::Value> {
    let place = usize::try_from(value.quantity).ok()?.checked_sub(1)?;
    Quantity::ALL.get(place).map(|quantity| value_message(*quantity, value.value))
}

fn value_message(quantity: Quantity, value: i64) -> api::Value {
    api::Value { quantity: quantity.name().to_owned(), value, unit: quantity.unit().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    fn record(content: Content) -> SpoolRecord {
        let kind = Kind::OnDemand.into();
        SpoolRecord {
            meter: 1,
            slot: 900_000,
            kind,
            at: 900_500,
            node: 2,
            content: Some(content),
            ..Default::default()
        }
    }

    #[test]
    fn a_committed_reading_names_quantity_and_unit_and_leaves_unknown_quantities_out() {
        let values = vec![SpooledValue { quantity: 1, value: 3_600_000 }, SpooledValue { quantity: 99, value: 1 }];
        let reading = SpooledReading { values, valve: 2, ..SpooledReading::default() };
        let shown = committed(&testing::cluster_of_three(), &record(Content::Reading(reading)));
        assert_eq!((shown.meter.as_str(), shown.kind.as_str(), shown.valve.as_str()), ("m1", "on-demand", "closed"));
        let energy = api::Value { quantity: "energy".to_owned(), value: 3_600_000, unit: "J".to_owned() };
        assert_eq!(shown.values, [energy]);
    }

    #[test]
    fn a_row_of_the_database_is_shown_as_what_was_committed_was() {
        let row = ReadingRow { meter_id: 9, slot: 5, kind: 1, valve: 3, ..ReadingRow::default() };
        let shown = stored(ReadingRow { values: vec![(Quantity::Volume, 7)], ..row });
        assert_eq!((shown.meter.as_str(), shown.kind.as_str(), shown.valve.as_str()), ("#9", "scheduled", "fault"));
        let volume = api::Value { quantity: "volume".to_owned(), value: 7, unit: "mL".to_owned() };
        assert_eq!(shown.values, [volume]);
    }

    #[test]
    fn a_missed_slot_carries_its_reason_and_no_values() {
        let miss = SpooledMiss { reason: "no-answer".to_owned(), ..SpooledMiss::default() };
        let shown = committed(&testing::cluster_of_three(), &record(Content::Miss(miss)));
        assert_eq!((shown.missed.as_str(), shown.values.len()), ("no-answer", 0));
    }

    #[test]
    fn the_numbers_of_quantities_are_those_of_the_spool_records() {
        let number = |quantity: u32| spooled_value(&SpooledValue { quantity, value: 0 }).map(|value| value.quantity);
        assert_eq!(number(1).as_deref(), Some("energy"));
        assert_eq!(number(11).as_deref(), Some("error_flags"));
        assert_eq!((number(0), number(12)), (None, None));
    }
}
