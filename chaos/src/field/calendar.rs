//! The civil calendar, as far as a meter's clock needs it.
//!
//! Promises: the proleptic Gregorian date and time of a moment, UTC. Refuses: zones and leap seconds.

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
    /// The civil time of a moment.
    pub fn of(moment: Stamp) -> Self {
        let seconds = moment.wall.div_euclid(MICROS_PER_SECOND);
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        let (hour, minute, second) = ((of_day / 3600) as u8, (of_day / 60 % 60) as u8, (of_day % 60) as u8);
        Self { year, month, day, hour, minute, second }
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
    }
}
