//! One day of one meter.
//!
//! Promises: registers are the first and the last the meter gave, in the order of slots, never a sum; a mean is the exact
//! sum over the count, rounded half away from zero; what no reading had is NULL. Refuses: judging.

use jiff::civil::Date;
use mysql_async::prelude::FromValue;
use mysql_async::{Row, Value};

use crate::mysql::rows::moment;

pub(super) const SELECT: &str = "SELECT meter_id, \
    CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', slot) DIV 1000 AS SIGNED), \
    energy_joule, cooling_energy_joule, volume_millilitre, supply_milli_celsius, return_milli_celsius, \
    difference_millikelvin, flow_millilitre_per_hour, power_milliwatt, quality, identity \
    FROM reading WHERE slot >= ? AND slot < ? AND meter_id IN ({meters}) ORDER BY meter_id, slot, kind";

pub(super) const COLUMNS: &[&str] = &[
    "meter_id",
    "day",
    "readings",
    "first_slot",
    "last_slot",
    "energy_first_joule",
    "energy_last_joule",
    "cooling_energy_first_joule",
    "cooling_energy_last_joule",
    "volume_first_millilitre",
    "volume_last_millilitre",
    "energy_last_slot",
    "supply_min_milli_celsius",
    "supply_max_milli_celsius",
    "supply_mean_milli_celsius",
    "return_min_milli_celsius",
    "return_max_milli_celsius",
    "return_mean_milli_celsius",
    "difference_min_millikelvin",
    "difference_max_millikelvin",
    "difference_mean_millikelvin",
    "flow_min_millilitre_per_hour",
    "flow_max_millilitre_per_hour",
    "flow_mean_millilitre_per_hour",
    "power_max_milliwatt",
    "identity_first",
    "identity_last",
    "steps_back",
    "doubts",
    "worst_gap_s",
];

pub(super) const REPLACE: &str = "readings = {new:readings}, \
    first_slot = {new:first_slot}, \
    last_slot = {new:last_slot}, \
    energy_first_joule = {new:energy_first_joule}, \
    energy_last_joule = {new:energy_last_joule}, \
    cooling_energy_first_joule = {new:cooling_energy_first_joule}, \
    cooling_energy_last_joule = {new:cooling_energy_last_joule}, \
    volume_first_millilitre = {new:volume_first_millilitre}, \
    volume_last_millilitre = {new:volume_last_millilitre}, \
    energy_last_slot = {new:energy_last_slot}, \
    supply_min_milli_celsius = {new:supply_min_milli_celsius}, \
    supply_max_milli_celsius = {new:supply_max_milli_celsius}, \
    supply_mean_milli_celsius = {new:supply_mean_milli_celsius}, \
    return_min_milli_celsius = {new:return_min_milli_celsius}, \
    return_max_milli_celsius = {new:return_max_milli_celsius}, \
    return_mean_milli_celsius = {new:return_mean_milli_celsius}, \
    difference_min_millikelvin = {new:difference_min_millikelvin}, \
    difference_max_millikelvin = {new:difference_max_millikelvin}, \
    difference_mean_millikelvin = {new:difference_mean_millikelvin}, \
    flow_min_millilitre_per_hour = {new:flow_min_millilitre_per_hour}, \
    flow_max_millilitre_per_hour = {new:flow_max_millilitre_per_hour}, \
    flow_mean_millilitre_per_hour = {new:flow_mean_millilitre_per_hour}, \
    power_max_milliwatt = {new:power_max_milliwatt}, \
    identity_first = {new:identity_first}, \
    identity_last = {new:identity_last}, \
    steps_back = {new:steps_back}, \
    doubts = {new:doubts}, \
    worst_gap_s = {new:worst_gap_s}";

/// What of a reading its day is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) slot: u64,
    /// Energy, cooling energy, volume.
    pub(super) registers: [Option<i64>; 3],
    /// Supply, return, difference, flow.
    pub(super) states: [Option<i64>; 4],
    pub(super) power: Option<i64>,
    pub(super) quality: u32,
    pub(super) identity: String,
}

/// The column, or the name it should have.
pub(super) fn take<T: FromValue>(row: &mut Row, place: usize) -> Result<T, &'static str> {
    row.take_opt::<T, _>(place).and_then(Result::ok).ok_or("of a rollup")
}

impl Sample {
    pub(super) fn of(mut row: Row) -> Result<(u64, Self), &'static str> {
        let row = &mut row;
        let sample = Self {
            slot: take(row, 1)?,
            registers: [take(row, 2)?, take(row, 3)?, take(row, 4)?],
            states: [take(row, 5)?, take(row, 6)?, take(row, 7)?, take(row, 8)?],
            power: take(row, 9)?,
            quality: take(row, 10)?,
            identity: take(row, 11)?,
        };
        Ok((take(row, 0)?, sample))
    }
}

/// The row of `reading_day` for `samples`, which are not empty and in the order of their slots.
pub(super) fn row(meter: u64, day: Date, begin: u64, end: u64, samples: &[Sample]) -> Vec<Value> {
    let slot =
        |sample: Option<&Sample>| sample.and_then(|sample| moment("slot", sample.slot).ok()).unwrap_or(Value::NULL);
    let mut values: Vec<Value> = vec![meter.into(), day.to_string().into(), (samples.len() as u64).into()];
    values.extend([slot(samples.first()), slot(samples.last())]);
    let registers: [Vec<i64>; 3] =
        std::array::from_fn(|place| given(samples, |sample| sample.registers.get(place).copied().flatten()));
    for given in &registers {
        values.extend([given.first().copied().into(), given.last().copied().into()]);
    }
    let with_energy = |sample: &&Sample| matches!(sample.registers, [Some(_), ..]);
    values.push(slot(samples.iter().rev().find(with_energy)));
    for place in 0..4 {
        let given = given(samples, |sample| sample.states.get(place).copied().flatten());
        values.extend([given.iter().min().copied().into(), given.iter().max().copied().into(), mean(&given).into()]);
    }
    values.push(samples.iter().filter_map(|sample| sample.power).max().into());
    let mut identities = samples.iter().map(|sample| sample.identity.as_str()).filter(|identity| !identity.is_empty());
    let first = identities.next().unwrap_or_default();
    values.extend([first.into(), identities.next_back().unwrap_or(first).into()]);
    let back: usize = registers.iter().map(|given| steps_back(given)).sum();
    values.push((back as u64).into());
    values.push(samples.iter().fold(0, |doubts, sample| doubts | sample.quality).into());
    values.push((worst_gap(begin, end, samples) / 1000).into());
    values
}

fn given(samples: &[Sample], what: impl Fn(&Sample) -> Option<i64>) -> Vec<i64> {
    samples.iter().filter_map(what).collect()
}

/// Times a value is less than the one before it.
fn steps_back(values: &[i64]) -> usize {
    values.iter().zip(values.iter().skip(1)).filter(|(one, next)| next < one).count()
}

/// Rounded half away from zero.
pub(super) fn mean(values: &[i64]) -> Option<i64> {
    let count = i128::try_from(values.len()).ok().filter(|count| *count > 0)?;
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    i64::try_from((2 * sum + sum.signum() * count) / (2 * count)).ok()
}

fn worst_gap(begin: u64, end: u64, samples: &[Sample]) -> u64 {
    let slots = samples.iter().map(|sample| sample.slot);
    let from = std::iter::once(begin).chain(slots.clone());
    from.zip(slots.chain([end])).map(|(from, to)| to.saturating_sub(from)).max().unwrap_or(0)
}
