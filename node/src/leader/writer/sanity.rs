//! Judges a reading by the one its meter gave before.
//!
//! ```text
//!   last       12 345 kWh   18:00   form A   meter 11110059
//!   record      9 876 kWh   18:15   form B   meter 22220000   -->  unit-changed, meter-changed
//!                 |           |        |             `- another meter: its counters are not compared
//!                 |           |        `- another unit, or another profile: only said
//!                 |           `- so much time, and an hour at least: a display moves in steps
//!                 `- lower: index-back; more than such a connection carries in that time: jump
//! ```
//!
//! A counter that went round from 99 999 999 to 0 is an index that stepped back: nobody but a person knows how many digits
//! it has, and who bills has to look. Which of two readings is the earlier is told by the moment the value was the
//! meter's: when it was accepted, or its slot where it was fetched from the meter's history. A record earlier than the last
//! one is compared the other way round, and is never who changed.
//!
//! Promises: pure; the record that the last one was gets its own marks again, so that a repetition says the same. Refuses:
//! dropping or mending values; comparing what the table would not take.

use protocol::api::peer::spool_record::Content;
use protocol::api::peer::{SpoolRecord, SpooledReading};
use protocol::meter::{Quality, Quantity, Shape};

use crate::config;
use crate::mysql::Last;

/// The marks that are given here.
pub(super) const JUDGED: Quality =
    Quality::INDEX_BACK.with(Quality::JUMP).with(Quality::UNIT_CHANGED).with(Quality::METER_CHANGED);

const MILLIS_PER_HOUR: i128 = 3_600_000;
/// A counter's next step (a GJ, a MWh, ten m3) may come between two readings however close they are.
const SHORTEST_MS: i128 = MILLIS_PER_HOUR;
/// Over a longer time what a meter draws at its end tells nothing of what it drew.
const OWN_RATE_MS: i128 = 24 * MILLIS_PER_HOUR;
const JOULES_PER_KILOWATT_HOUR: i128 = 3_600_000;
const MILLIWATTS_PER_KILOWATT: i128 = 1_000_000;
const MILLILITRES_PER_M3: i128 = 1_000_000;

/// What a connection can carry. Hourly amounts, in the counters' fixed units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    energy: Rate,
    volume: Rate,
    own_factor: i128,
}

/// The most a counter may move in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    /// Of any connection.
    most: i128,
    /// Of one whose meter says at what rate it counts; less is in no doubt.
    floor: i128,
}

impl From<&config::Sanity> for Rules {
    fn from(settings: &config::Sanity) -> Self {
        let rate =
            |most: u32, floor: u32, unit| Rate { most: i128::from(most) * unit, floor: i128::from(floor) * unit };
        let config::Sanity { power_max_kw, own_power_floor_kw, flow_max_m3h, own_flow_floor_m3h, .. } = *settings;
        Self {
            energy: rate(power_max_kw, own_power_floor_kw, JOULES_PER_KILOWATT_HOUR),
            volume: rate(flow_max_m3h, own_flow_floor_m3h, MILLILITRES_PER_M3),
            own_factor: settings.own_factor.into(),
        }
    }
}

/// Gives every reading of `records`, which are in the order of their meters and slots, its marks; `last` is the newest reading
/// of a meter that is stored.
pub(super) fn mark<'a>(records: &mut [&mut SpoolRecord], last: impl Fn(u64) -> Option<&'a Last>, rules: &Rules) {
    let mut newest: Option<(u64, Last)> = None;
    for record in records {
        let here = newest.as_ref().filter(|(meter, _)| *meter == record.meter).map(|(_, last)| last);
        // What is stored may be much newer than a backlog: its own neighbour says more.
        let is_nearer = |known: &&Last| here.is_none_or(|here| here.slot < known.slot && known.slot <= record.slot);
        let known = last(record.meter).filter(is_nearer).or(here);
        let marks = judge(known, record, rules);
        if let Some(Content::Reading(reading)) = &mut record.content {
            reading.quality = reading.quality & !JUDGED.0 | marks.0;
        }
        newest = Last::of(record).map(|last| (record.meter, last)).or(newest);
    }
}

/// The marks that `record` gets, of [`JUDGED`], where `last` is the newest reading of its meter that is stored.
pub(super) fn judge(last: Option<&Last>, record: &SpoolRecord, rules: &Rules) -> Quality {
    let (Some(last), Some(Content::Reading(reading))) = (last, &record.content) else { return Quality::default() };
    if (last.slot, i32::from(last.kind)) == (record.slot, record.kind) {
        return Quality(last.quality & JUDGED.0);
    }
    let elapsed = moment(reading.quality, record.slot, record.at) - moment(last.quality, last.slot, last.read_at);
    let is_other = !last.identity.is_empty() && !reading.identity.is_empty() && last.identity != reading.identity;
    let is_reshaped = Shape(last.shape).differs_from(Shape(reading.shape));
    let is_later = elapsed >= 0;
    let counters = if is_other { Quality::default() } else { counters(last, reading, elapsed, rules) };
    let changes = [(is_other, Quality::METER_CHANGED), (is_reshaped && !is_other, Quality::UNIT_CHANGED)];
    let changes = changes.into_iter().filter(|(is_so, _)| *is_so && is_later);
    changes.fold(counters, |marks, (_, mark)| marks.with(mark))
}

/// What the counters say, `elapsed` ms after the last ones; negative: before them.
fn counters(last: &Last, reading: &SpooledReading, elapsed: i128, rules: &Rules) -> Quality {
    let rate = |quantity, unit| value(reading, quantity).map(|rate| i128::from(rate).abs() * unit);
    let power = rate(Quantity::Power, JOULES_PER_KILOWATT_HOUR).map(|rate| rate / MILLIWATTS_PER_KILOWATT);
    let flow = rate(Quantity::Flow, 1);
    let compared = [
        (last.energy, Quantity::Energy, rules.energy, power),
        (last.cooling, Quantity::CoolingEnergy, rules.energy, power),
        (last.volume, Quantity::Volume, rules.volume, flow),
    ];
    compared.into_iter().fold(Quality::default(), |marks, (before, quantity, rate, own)| {
        let (Some(before), Some(value)) = (before, value(reading, quantity)) else { return marks };
        let moved = i128::from(value) - i128::from(before);
        let rise = if elapsed < 0 { -moved } else { moved };
        marks.with(counter(rise, elapsed.abs(), rate, own, rules))
    })
}

/// What one counter says that rose by `rise` in `elapsed` ms, at `own` an hour as its meter says.
fn counter(rise: i128, elapsed: i128, rate: Rate, own: Option<i128>, rules: &Rules) -> Quality {
    if rise < 0 {
        return Quality::INDEX_BACK;
    }
    let own = own.filter(|own| *own > 0 && elapsed <= OWN_RATE_MS);
    let most = own.map_or(rate.most, |own| (own * rules.own_factor).max(rate.floor).min(rate.most));
    if rise * MILLIS_PER_HOUR > most * elapsed.max(SHORTEST_MS) { Quality::JUMP } else { Quality::default() }
}

fn value(reading: &SpooledReading, wanted: Quantity) -> Option<i64> {
    let number = Quantity::ALL.iter().zip(1..).find(|(quantity, _)| **quantity == wanted).map(|(_, number)| number)?;
    reading.values.iter().find(|value| value.quantity == number).map(|value| value.value)
}

/// When the values were the meter's, Unix ms.
fn moment(quality: u32, slot: u64, read_at: u64) -> i128 {
    i128::from(if Quality(quality).has(Quality::BACKFILLED) { slot } else { read_at })
}

#[cfg(test)]
mod tests;
