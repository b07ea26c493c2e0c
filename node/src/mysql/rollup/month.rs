//! One month of one meter, from its days and those of the month before.
//!
//! Promises: what a month used is one register less another: the last of the month and the last of the month before it.
//! Refuses: a month without a reading.

use std::str::FromStr;

use jiff::civil::Date;
use mysql_async::{Row, Value};

use super::day::take;

pub(super) const SELECT: &str = "SELECT meter_id, DATE_FORMAT(day, '%Y-%m-%d'), readings, \
    energy_first_joule, cooling_energy_first_joule, volume_first_millilitre, \
    energy_last_joule, cooling_energy_last_joule, volume_last_millilitre, \
    DATE_FORMAT(energy_last_slot, '%Y-%m-%d %H:%i:%s.%f'), power_max_milliwatt, identity_last, steps_back, doubts \
    FROM reading_day WHERE day >= ? AND day < ? AND meter_id IN ({meters}) ORDER BY meter_id, day";

pub(super) const COLUMNS: &[&str] = &[
    "meter_id",
    "month",
    "days",
    "readings",
    "energy_before_joule",
    "energy_last_joule",
    "cooling_energy_before_joule",
    "cooling_energy_last_joule",
    "volume_before_millilitre",
    "volume_last_millilitre",
    "energy_before_slot",
    "energy_last_slot",
    "power_max_milliwatt",
    "identity_before",
    "identity_last",
    "steps_back",
    "doubts",
];

pub(super) const REPLACE: &str = "days = {new:days}, \
    readings = {new:readings}, \
    energy_before_joule = {new:energy_before_joule}, \
    energy_last_joule = {new:energy_last_joule}, \
    cooling_energy_before_joule = {new:cooling_energy_before_joule}, \
    cooling_energy_last_joule = {new:cooling_energy_last_joule}, \
    volume_before_millilitre = {new:volume_before_millilitre}, \
    volume_last_millilitre = {new:volume_last_millilitre}, \
    energy_before_slot = {new:energy_before_slot}, \
    energy_last_slot = {new:energy_last_slot}, \
    power_max_milliwatt = {new:power_max_milliwatt}, \
    identity_before = {new:identity_before}, \
    identity_last = {new:identity_last}, \
    steps_back = {new:steps_back}, \
    doubts = {new:doubts}";

/// What of a day its month is made of.
#[derive(Debug)]
pub(super) struct Day {
    day: Date,
    readings: u64,
    first: [Option<i64>; 3],
    last: [Option<i64>; 3],
    slot: Option<String>,
    power: Option<i64>,
    identity: String,
    steps_back: u64,
    doubts: u32,
}

impl Day {
    pub(super) fn of(mut row: Row) -> Result<(u64, Self), &'static str> {
        let row = &mut row;
        let day = take::<String>(row, 1)?;
        let day = Self {
            day: Date::from_str(&day).map_err(|_| "day")?,
            readings: take(row, 2)?,
            first: [take(row, 3)?, take(row, 4)?, take(row, 5)?],
            last: [take(row, 6)?, take(row, 7)?, take(row, 8)?],
            slot: take(row, 9)?,
            power: take(row, 10)?,
            identity: take(row, 11)?,
            steps_back: take(row, 12)?,
            doubts: take(row, 13)?,
        };
        Ok((take(row, 0)?, day))
    }
}

/// The row of `reading_month`; `days` are in their order and begin with the month before.
pub(super) fn row(meter: u64, month: Date, days: &[Day]) -> Option<Vec<Value>> {
    let (before, own) = days.split_at(days.partition_point(|day| day.day < month));
    own.first()?;
    let sum = |what: fn(&Day) -> u64| own.iter().map(what).sum::<u64>();
    let mut values: Vec<Value> = vec![meter.into(), month.to_string().into(), (own.len() as u64).into()];
    values.push(sum(|day| day.readings).into());
    for place in 0..3 {
        values.extend([
            last(before, |day| register(day.last, place)).into(),
            last(own, |day| register(day.last, place)).into(),
        ]);
    }
    values.extend([last(before, |day| day.slot.clone()).into(), last(own, |day| day.slot.clone()).into()]);
    values.push(own.iter().filter_map(|day| day.power).max().into());
    let identity = |days| last(days, |day| Some(day.identity.clone()).filter(|identity| !identity.is_empty()));
    values.extend([identity(before), identity(own)].map(|identity| Value::from(identity.unwrap_or_default())));
    let back: u64 = (0..3).map(|place| back_between(before, own, place)).sum();
    values.push((sum(|day| day.steps_back) + back).into());
    values.push(own.iter().fold(0, |doubts, day| doubts | day.doubts).into());
    Some(values)
}

fn register(registers: [Option<i64>; 3], place: usize) -> Option<i64> {
    registers.get(place).copied().flatten()
}

fn last<T>(days: &[Day], what: impl Fn(&Day) -> Option<T>) -> Option<T> {
    days.iter().rev().find_map(what)
}

/// Days of `own` that begin with a register less than the one before it.
fn back_between(before: &[Day], own: &[Day], place: usize) -> u64 {
    let mut known = last(before, |day| register(day.last, place));
    let mut back = 0;
    for day in own {
        if let (Some(known), Some(first)) = (known, register(day.first, place)) {
            back += u64::from(first < known);
        }
        known = register(day.last, place).or(known);
    }
    back
}
