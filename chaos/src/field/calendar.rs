//! The civil calendar, as far as a meter's clock needs it.
//!
//! Promises: the proleptic Gregorian date and time of a moment, UTC. Refuses: zones and leap seconds.

use std::fmt;

use crate::clock::{MICROS_PER_SECOND, Stamp};

/// A date and time without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Civil {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl Civil {
    /// Seconds of Unix time.
    pub fn unix_s(&self) -> i64 {
        // Years begin in March, as in `date`.
        let (year, month) = if self.month > 2 { (self.year, self.month - 3) } else { (self.year - 1, self.month + 9) };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * i64::from(month) + 2) / 5 + i64::from(self.day) - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        days * 86_400 + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }

    /// The civil time of a moment.
    pub fn of(moment: Stamp) -> Self {
        let seconds = moment.wall.div_euclid(MICROS_PER_SECOND);
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        let (hour, minute, second) = ((of_day / 3600) as u8, (of_day / 60 % 60) as u8, (of_day % 60) as u8);
        Self { year, month, day, hour, minute, second }
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// The date of a day counted from 1970-01-01; years begin in March, so that leap days come last.
fn date(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_day_is_the_29th_of_february() {
        let civil = Civil::of(Stamp { mono: 0, wall: 1_709_210_096 * MICROS_PER_SECOND });
        assert_eq!((civil.year, civil.month, civil.day), (2024, 2, 29));
        assert_eq!((civil.hour, civil.minute, civil.second), (12, 34, 56));
        assert_eq!(civil.to_string(), "2024-02-29T12:34:56");
    }

    #[test]
    fn a_moment_told_in_civil_time_is_the_same_moment() {
        for second in (0..4_000_000_000).step_by(86_399 * 97) {
            assert_eq!(Civil::of(Stamp { mono: 0, wall: second * MICROS_PER_SECOND }).unix_s(), second);
        }
    }
}
