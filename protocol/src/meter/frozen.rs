//! What a meter kept of the past.
//!
//! Promises: exact values of a moment the meter itself dated, or that its profile and its clock name together. Refuses:
//! undated values, and moments that are guessed.

use serde::Deserialize;

use super::quantity::{Measurement, Quantity};
use super::reading::{CivilTime, Quality};

/// The counters of one moment, as the meter kept them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The moment by the meter's clock; the end of a day is the midnight that begins the next.
    pub at: CivilTime,
    /// Counters in fixed units, at most one per quantity, at least one.
    pub measurements: Vec<Measurement>,
    /// Doubts about these values.
    pub quality: Quality,
}

/// At which end of a day that has no time of day a model keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetDay {
    /// At the midnight that begins it.
    Begins,
    /// At the midnight that ends it.
    Ends,
}

/// What a meter that has to be asked for its history keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// A value of each month.
    Months,
    /// A value of each day, and so of each month.
    Days,
}

impl SetDay {
    /// The midnight at that end of the day of `time`, if the calendar has it.
    pub fn of(self, time: &CivilTime) -> Option<CivilTime> {
        let midnight = CivilTime { hour: 0, minute: 0, second: 0, ..*time };
        match self {
            Self::Begins => midnight.is_possible().then_some(midnight),
            Self::Ends => midnight.day_end(),
        }
    }
}

impl Frozen {
    /// What of a meter's history means something without the rest of its moment: what it counts.
    pub const COUNTERS: [Quantity; 3] = [Quantity::Energy, Quantity::CoolingEnergy, Quantity::Volume];
}

impl CivilTime {
    /// The midnight that ends its day, if the calendar has it.
    pub fn day_end(&self) -> Option<Self> {
        let Self { year, month, day, .. } = *self;
        let midnight = |year, month, day| Self { year, month, day, hour: 0, minute: 0, second: 0 };
        if !midnight(year, month, day).is_possible() {
            return None;
        }
        let follows = [
            midnight(year, month, day.saturating_add(1)),
            midnight(year, month.saturating_add(1), 1),
            midnight(year.checked_add(1)?, 1, 1),
        ];
        follows.into_iter().find(Self::is_possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_calendar_begins_the_next() {
        let end = |year, month, day| {
            let time = CivilTime { year, month, day, hour: 23, minute: 59, second: 0 };
            time.day_end().map(|end| end.to_string())
        };
        assert_eq!(end(2026, 10, 31).as_deref(), Some("2026-11-01T00:00:00"));
        assert_eq!(end(2026, 12, 31).as_deref(), Some("2027-01-01T00:00:00"));
        assert_eq!(end(2028, 2, 28).as_deref(), Some("2028-02-29T00:00:00"));
        assert_eq!(end(2026, 2, 28).as_deref(), Some("2026-03-01T00:00:00"));
        assert_eq!(end(2026, 2, 30), None);
    }
}
