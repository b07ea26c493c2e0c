//! Records to a reading, as a profile says.
//!
//! ```text
//!   Payload, Payload ..  +  Profile  -->  measurements, clock, valve, doubts
//! ```
//!
//! Promises: only plain records at the place the profile names become values; dated earlier ones become history. Refuses: guessing among the rest.

use super::history;
use super::payload::Payload;
use super::profile::{Profile, Valve};
use super::record::{Place, Record};
use super::value::Value;
use super::vif::Meaning;
use crate::gather::Gathering;
use crate::meter::{CivilTime, Quality, Reading, ValveState};

/// The reading in the telegrams of one answer; `asked` stands for the identity where the meter gave none.
pub(super) fn assemble(telegrams: &[Payload<'_>], profile: &Profile, asked: String, raw: Vec<u8>) -> Reading {
    let mut records: Vec<&Record<'_>> =
        Vec::with_capacity(telegrams.iter().map(|telegram| telegram.records.len()).sum());
    records.extend(telegrams.iter().flat_map(|telegram| &telegram.records));
    let mut gathering = Gathering::default();
    telegrams.iter().for_each(|telegram| gathering.doubt(telegram.status.quality()));
    for column in &profile.columns {
        let held = records.iter().filter(|record| record.is(column.record, column.place()));
        for record in held {
            match &record.value {
                Value::Number(amount) => {
                    gathering.put_corrected(column.quantity, Some(*amount), &column.correction());
                }
                Value::Invalid => gathering.put(column.quantity, None),
                Value::Time(_) | Value::Text(_) | Value::Bytes(_) | Value::Nothing => {}
            }
        }
    }
    let meter_time = clock(&records, &mut gathering);
    let valve = profile.valve.as_ref().and_then(|valve| valve_state(&records, valve));
    let identity = telegrams.iter().find_map(Payload::identity).unwrap_or(asked);
    let history = history::frozen(&records, profile);
    let shape = gathering.shape(&profile.name);
    let (measurements, quality) = gathering.finish();
    let profile = profile.name.clone();
    Reading { identity, profile, measurements, meter_time, valve, quality, shape, history, raw }
}

/// The meter's clock is its current date with time; one that is invalid is a doubt, a time of day alone is none.
fn clock(records: &[&Record<'_>], gathering: &mut Gathering) -> Option<CivilTime> {
    let record = records.iter().find(|record| record.is(Meaning::DateTime, Place::CURRENT))?;
    let (time, is_whole) = match &record.value {
        Value::Time(point) => (point.civil(), point.is_whole()),
        Value::Invalid => (None, true),
        _ => (None, false),
    };
    if time.is_none() && is_whole {
        gathering.doubt(Quality::CLOCK_OFF);
    }
    time
}

fn valve_state(records: &[&Record<'_>], valve: &Valve) -> Option<ValveState> {
    let record = records.iter().find(|record| record.is(valve.record, Place::CURRENT))?;
    match &record.value {
        Value::Number(amount) => valve.state(amount.fixed()?.value),
        _ => None,
    }
}
