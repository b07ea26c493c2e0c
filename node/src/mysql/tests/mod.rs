#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod absences;
mod accounting;
mod asking;
mod classes;
mod connecting;
mod encrypted;
mod exporting;
mod galera;
mod latest;
mod listing;
mod migrating;
mod projecting;
mod retaining;
mod rolling;
mod speed;
mod writing;

use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledMiss, SpooledReading, SpooledValue};

/// 2026-11-23 09:00:00 UTC.
const NINE: u64 = 1_795_424_400_000;
const QUARTER: u64 = 15 * 60 * 1000;

fn reading(meter: u64, slot: u64, joule: i64) -> SpoolRecord {
    let reading = SpooledReading {
        values: vec![SpooledValue { quantity: 1, value: joule }, SpooledValue { quantity: 6, value: 65_123 }],
        meter_time: "2026-11-23T10:00:01".to_owned(),
        valve: 1,
        quality: 1,
        raw: vec![0x68, 0x00, 0xFF, 0x27],
        identity: "12345678".to_owned(),
        shape: 77,
    };
    SpoolRecord {
        meter,
        line: 3,
        epoch: 2,
        node: 1,
        slot,
        kind: Kind::Scheduled.into(),
        at: slot + 1500,
        attempts: 1,
        origin: 0,
        content: Some(Content::Reading(reading)),
        command: 0,
    }
}

fn miss(meter: u64, slot: u64, reason: &str) -> SpoolRecord {
    let miss = SpooledMiss { reason: reason.to_owned(), detail: "three attempts".to_owned(), ..SpooledMiss::default() };
    SpoolRecord { content: Some(Content::Miss(miss)), ..reading(meter, slot, 0) }
}
