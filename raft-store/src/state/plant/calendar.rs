//! The plant's calendar: its time zone, and when it heats.
//!
//! ```text
//!   every year    11-15 .. 03-15         both days heated; may go over the end of the year
//!   2026          2026-11-01 .. 2027-04-05    the season that begins in 2026, where it is another
//! ```
//!
//! Promises: a date is in the season or not, whatever is left unsaid: without a rule it is always heated. Refuses:
//! knowing zones: the name is given on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use protocol::meter::WordError;

/// A day of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonthDay {
    /// 1..=12.
    pub month: u8,
    /// 1..=31.
    pub day: u8,
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Four digits.
    pub year: u16,
    /// Its day in the year.
    pub day: MonthDay,
}

/// The plant's calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// IANA name of the plant's zone.
    pub zone: String,
    /// First and last day of the season of every year; `None`: all year.
    pub yearly: Option<(MonthDay, MonthDay)>,
    /// First and last day of seasons that are another, by the year in which the yearly one would begin.
    pub seasons: BTreeMap<u16, (Date, Date)>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: "UTC".to_owned(), yearly: None, seasons: BTreeMap::new() }
    }
}

impl Calendar {
    /// Whether it is heated on `date`.
    pub fn is_heated(&self, date: Date) -> bool {
        if self.yearly.is_none() && self.seasons.is_empty() {
            return true;
        }
        // The season of a year may have begun in the year before, or begin in the one before its own by exception.
        (date.year.saturating_sub(2)..=date.year.saturating_add(1))
            .filter_map(|year| self.season_of(year))
            .any(|(first, last)| (first..=last).contains(&date))
    }

    /// First and last day of the season that begins in `year`.
    pub fn season_of(&self, year: u16) -> Option<(Date, Date)> {
        let yearly = |(first, last): (MonthDay, MonthDay)| {
            let end = if first <= last { year } else { year.saturating_add(1) };
            (Date { year, day: first }, Date { year: end, day: last })
        };
        self.seasons.get(&year).copied().or_else(|| self.yearly.map(yearly))
    }
}

impl MonthDay {
    /// Whether some year has it.
    pub const fn is_possible(self) -> bool {
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 29,
            _ => return false,
        };
        self.day >= 1 && self.day <= days
    }
}

fn digits<const N: usize>(text: &str) -> Option<u16> {
    (text.len() == N && text.bytes().all(|c| c.is_ascii_digit())).then(|| text.parse().ok())?
}

impl FromStr for MonthDay {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let parsed = text.split_once('-').and_then(|(month, day)| {
            let (month, day) = (u8::try_from(digits::<2>(month)?).ok()?, u8::try_from(digits::<2>(day)?).ok()?);
            Some(Self { month, day }).filter(|day| day.is_possible())
        });
        parsed.ok_or_else(|| WordError::new("day of the year", text, "month and day such as 11-15"))
    }
}

impl FromStr for Date {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let parsed = text.split_once('-').and_then(|(year, day)| Some((digits::<4>(year)?, day.parse().ok()?)));
        let parsed = parsed.map(|(year, day)| Self { year, day });
        parsed.ok_or_else(|| WordError::new("date", text, "year, month and day such as 2026-11-15"))
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{}", self.year, self.day)
    }
}
