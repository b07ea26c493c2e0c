#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod bounded;
mod failover;
mod galera;
mod journeys;
mod outages;
mod site;

use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledReading, SpooledValue};

/// 2026-11-23 09:00:00 UTC.
const NINE: u64 = 1_795_424_400_000;

/// A reading that can be told from every other by its value.
pub(super) fn reading(meter: u64, slot: u64) -> SpoolRecord {
    let value = SpooledValue { quantity: 1, value: i64::try_from(meter * 1000 + slot).unwrap() };
    let content = SpooledReading { values: vec![value], ..SpooledReading::default() };
    SpoolRecord {
        meter,
        node: 1,
        slot: NINE + slot * 900_000,
        kind: Kind::Scheduled.into(),
        at: NINE,
        content: Some(Content::Reading(content)),
        ..SpoolRecord::default()
    }
}
