//! The five fields of a table of cron.
//!
//! ```text
//!   minute  hour  day of month  month  day of week       *  5  1-5  */15  8-20/2  1,15
//! ```
//!
//! Promises: as cron has it: where both the day of the month and that of the week are restricted, either will do; 0 and
//! 7 are Sunday. Refuses: names of months and days, and anything that comes never.

use std::fmt;

/// Which minutes, hours and days, as sets of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cron {
    /// Bit n: minute n.
    pub minutes: u64,
    /// Bit n: hour n.
    pub hours: u32,
    /// Bit n: day n of the month; bit 0 is none.
    pub days: u32,
    /// Bit n: month n; bit 0 is none.
    pub months: u16,
    /// Bit n: day n of the week, 0 is Sunday.
    pub weekdays: u8,
}

/// A field: its name, its first and last value.
type Field = (&'static str, u32, u32);
const FIELDS: [Field; 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7)];

const ALL_DAYS: u32 = 0xFFFF_FFFE;
const ALL_WEEKDAYS: u8 = 0x7F;
/// Days of each month, at most.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Five fields; else the one at fault, its value and what it has to be.
    pub(super) fn parse(fields: [&str; 5]) -> Result<Self, String> {
        let [minutes, hours, days, months, weekdays] = fields;
        let [minute, hour, day, month, weekday] = FIELDS;
        let weekdays = set(weekday, weekdays)?;
        let cron = Self {
            minutes: set(minute, minutes)?,
            hours: set(hour, hours)? as u32,
            days: set(day, days)? as u32,
            months: set(month, months)? as u16,
            weekdays: (weekdays | weekdays >> 7) as u8 & ALL_WEEKDAYS,
        };
        cron.is_possible().then_some(cron).ok_or_else(|| format!("{} names no day there is", fields.join(" ")))
    }

    /// Whether it names any moment of any year.
    pub(super) fn is_possible(&self) -> bool {
        let within =
            self.minutes >> 60 == 0 && self.hours >> 24 == 0 && self.months >> 13 == 0 && self.weekdays >> 7 == 0;
        let some = self.minutes != 0 && self.hours != 0 && self.months & 0x1FFE != 0 && self.weekdays != 0;
        let by_week = self.weekdays != ALL_WEEKDAYS;
        let by_month = MONTH_DAYS
            .iter()
            .zip(1..)
            .any(|(last, month)| self.months >> month & 1 == 1 && (1..=*last).any(|day| self.days >> day & 1 == 1));
        within && some && (by_month || by_week) && self.days & ALL_DAYS != 0
    }

    /// Whether the day counts: its month, its day of the month, and that of the week (0 is Sunday).
    pub fn has_day(&self, month: u8, day: u8, weekday: u8) -> bool {
        let of_month = self.days.checked_shr(day.into()).unwrap_or(0) & 1 == 1;
        let of_week = self.weekdays.checked_shr(weekday.into()).unwrap_or(0) & 1 == 1;
        let either = self.days != ALL_DAYS && self.weekdays != ALL_WEEKDAYS;
        let day_counts = if either { of_month || of_week } else { of_month && of_week };
        self.months.checked_shr(month.into()).unwrap_or(0) & 1 == 1 && day_counts
    }

    /// Minutes after midnight of a day that counts, in order.
    pub fn minutes_of_day(&self) -> impl Iterator<Item = u16> + '_ {
        let hours = (0..24_u16).filter(|hour| self.hours >> hour & 1 == 1);
        hours.flat_map(|hour| (0..60_u16).filter(|minute| self.minutes >> minute & 1 == 1).map(move |m| hour * 60 + m))
    }

    /// Whether it goes through all hours, so that an hour that comes twice counts twice.
    pub const fn is_every_hour(&self) -> bool {
        self.hours == 0x00FF_FFFF
    }
}

fn set(field: Field, text: &str) -> Result<u64, String> {
    let mut bits = 0;
    for part in text.split(',') {
        bits |= range(field, part)?;
    }
    Ok(bits)
}

fn range((name, first, last): Field, text: &str) -> Result<u64, String> {
    let wrong = || format!("{name} {text} is not *, a number, a range or a step between {first} and {last}");
    let (span, step) = match text.split_once('/') {
        Some((span, step)) => (span, number(step).filter(|step| *step > 0).ok_or_else(wrong)?),
        None => (text, 1),
    };
    let (from, to) = match span.split_once('-') {
        _ if span == "*" => (first, last.min(if name == "day of week" { 6 } else { last })),
        Some((from, to)) => (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?),
        None if text.contains('/') => return Err(wrong()),
        None => (number(span).ok_or_else(wrong)?, number(span).ok_or_else(wrong)?),
    };
    if from < first || to > last || from > to {
        return Err(wrong());
    }
    Ok((from..=to).step_by(step as usize).fold(0, |bits, value| bits | 1 << value))
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sets = [self.minutes, self.hours.into(), self.days.into(), self.months.into(), self.weekdays.into()];
        for (place, (bits, (name, first, last))) in sets.into_iter().zip(FIELDS).enumerate() {
            let last = if name == "day of week" { 6 } else { last };
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{}", shown(bits, first, last))?;
        }
        Ok(())
    }
}

/// `*`, or numbers and ranges.
fn shown(bits: u64, first: u32, last: u32) -> String {
    let all: Vec<u32> = (first..=last).filter(|value| bits >> value & 1 == 1).collect();
    if all.len() == (last - first + 1) as usize {
        return "*".to_owned();
    }
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in all {
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == value => *to = value,
            _ => runs.push((value, value)),
        }
    }
    let run = |(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}
