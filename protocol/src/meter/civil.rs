//! Civil time, without a zone.
//!
//! Promises: shown so that words sort as moments do. Refuses: knowing what time it is, and zones.

use std::fmt;

/// The meter's own clock, as it shows it: civil time without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilTime {
    /// Four-digit year.
    pub year: u16,
    /// 1..=12.
    pub month: u8,
    /// 1..=31.
    pub day: u8,
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=59.
    pub second: u8,
}

impl CivilTime {
    /// Whether the calendar has this date and the day this time.
    pub const fn is_possible(&self) -> bool {
        let leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return false,
        };
        self.day >= 1 && self.day <= days && self.hour <= 23 && self.minute <= 59 && self.second <= 59
    }

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

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
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
