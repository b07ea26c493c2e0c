//! Points in time (EN 13757-3 annex A): types F (4 bytes), G (2), I (6) and J (3), by their bits.
//!
//! ```text
//!   F  minute+IV | hour+hundreds+DST | day+year low 3 | month+year high 4
//!   G  day+year low 3 | month+year high 4
//!   I  second | minute+IV | hour+weekday | day+year low 3 | month+year high 4 | week
//!   J  second | minute | hour
//! ```
//!
//! Promises: the IV bit makes the point invalid; "every minute", "every day" .. are absences, not numbers; day 31 is
//! the 31st. Refuses: time zones.

use std::fmt;

use crate::meter::CivilTime;

/// Which parts a type of point in time has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parts {
    /// Date and time of day (types F and I).
    #[default]
    DateTime,
    /// Date alone (type G).
    Date,
    /// Time of day alone (type J).
    TimeOfDay,
}

/// A point in time, or a set of them: what is `None` is "every", or not part of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimePoint {
    /// Which parts its type has.
    pub parts: Parts,
    /// Four-digit year.
    pub year: Option<u16>,
    /// 1..=12.
    pub month: Option<u8>,
    /// 1..=31.
    pub day: Option<u8>,
    /// 0..=23.
    pub hour: Option<u8>,
    /// 0..=59.
    pub minute: Option<u8>,
    /// 0..=59.
    pub second: Option<u8>,
}

impl TimePoint {
    /// Reads the type that `bytes` of this length are, least significant first; `None` where invalid or no such type.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [minute, hour, day, month] => Self::type_f(*minute, *hour, *day, *month),
            [0xFF, 0xFF] => None,
            [day, month] => Self::date(*day, *month, 0).map(|point| Self { parts: Parts::Date, ..point }),
            [second, minute, hour, day, month, _week] => Self::type_i(*second, *minute, *hour, *day, *month),
            [second, minute, hour] => Self { parts: Parts::TimeOfDay, ..Self::default() }.at(
                *hour & 0x1F,
                *minute & 0x3F,
                Some(*second & 0x3F),
            ),
            _ => None,
        }
    }

    /// The bytes of type F: to the minute, years 1900 to 2299; `None` for others and for what no calendar has.
    pub fn encode(time: CivilTime) -> Option<[u8; 4]> {
        let CivilTime { year, month, day, hour, minute, .. } = time;
        let since = year.checked_sub(1900).filter(|since| *since < 400 && time.is_possible())?;
        let (hundreds, year) = ((since / 100) as u8, (since % 100) as u8);
        Some([minute, hour | hundreds << 5, day | (year & 0b111) << 5, month | (year >> 3) << 4])
    }

    /// The instant, if every part is given and the calendar has it; without seconds it is second 0.
    pub fn civil(&self) -> Option<CivilTime> {
        let time = CivilTime {
            year: self.year?,
            month: self.month?,
            day: self.day?,
            hour: self.hour?,
            minute: self.minute?,
            second: self.second.unwrap_or(0),
        };
        time.is_possible().then_some(time)
    }

    /// Whether every part down to the minute is given: it means one instant.
    pub const fn is_whole(&self) -> bool {
        let date = self.year.is_some() && self.month.is_some() && self.day.is_some();
        date && self.hour.is_some() && self.minute.is_some()
    }

    fn type_f(minute: u8, hour: u8, day: u8, month: u8) -> Option<Self> {
        if minute & 0x80 != 0 {
            return None;
        }
        Self::date(day, month, (hour >> 5) & 0b11)?.at(hour & 0x1F, minute & 0x3F, None)
    }

    fn type_i(second: u8, minute: u8, hour: u8, day: u8, month: u8) -> Option<Self> {
        if minute & 0x80 != 0 {
            return None;
        }
        Self::date(day, month, 0)?.at(hour & 0x1F, minute & 0x3F, Some(second & 0x3F))
    }

    fn date(day: u8, month: u8, hundreds: u8) -> Option<Self> {
        let year = match (day >> 5) | (month >> 4 << 3) {
            127 => None,
            year @ 0..=99 => Some(century(hundreds, year) + u16::from(year)),
            _ => return None,
        };
        let month = every(15, month & 0x0F, 1, 12)?;
        let day = every(0, day & 0x1F, 1, 31)?;
        Some(Self { year, month, day, ..Self::default() })
    }

    fn at(self, hour: u8, minute: u8, second: Option<u8>) -> Option<Self> {
        let second = match second {
            Some(second) => every(63, second, 0, 59)?,
            None => None,
        };
        Some(Self { hour: every(31, hour, 0, 23)?, minute: every(63, minute, 0, 59)?, second, ..self })
    }
}

impl fmt::Display for TimePoint {
    /// As ISO 8601 writes it, `*` for each part that is "every"; without seconds where the type has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two = |part: Option<u8>| part.map_or_else(|| "**".to_owned(), |number| format!("{number:02}"));
        let year = self.year.map_or_else(|| "****".to_owned(), |year| format!("{year:04}"));
        if self.parts != Parts::TimeOfDay {
            write!(f, "{year}-{}-{}", two(self.month), two(self.day))?;
        }
        match self.parts {
            Parts::Date => return Ok(()),
            Parts::DateTime => f.write_str("T")?,
            Parts::TimeOfDay => {}
        }
        write!(f, "{}:{}", two(self.hour), two(self.minute))?;
        self.second.map_or(Ok(()), |second| write!(f, ":{second:02}"))
    }
}

/// Without hundred-year bits, years up to 80 are of this century.
const fn century(hundreds: u8, year: u8) -> u16 {
    match hundreds {
        0 if year <= 80 => 2000,
        0 => 1900,
        _ => 1900 + 100 * hundreds as u16,
    }
}

/// `Some(None)` for the code that means "every"; `None` for a number out of range.
fn every(all: u8, number: u8, least: u8, most: u8) -> Option<Option<u8>> {
    match number {
        _ if number == all => Some(None),
        _ if (least..=most).contains(&number) => Some(Some(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_thirty_one_is_the_thirty_first() {
        let point = TimePoint::decode(&[0x3B, 0x17, 0x5F, 0x1C]).expect("valid");
        assert_eq!(point.civil().expect("an instant").to_string(), "2010-12-31T23:59:00");
    }

    #[test]
    fn the_iv_bit_makes_a_time_invalid() {
        assert_eq!(TimePoint::decode(&[0xBB, 0x17, 0x5F, 0x1C]), None);
        assert_eq!(TimePoint::decode(&[0x00, 0x80, 0x17, 0x5F, 0x1C, 0x00]), None);
    }

    #[test]
    fn hundred_year_bits_decide_the_century() {
        let year = |hour: u8, day: u8, month: u8| TimePoint::decode(&[0, hour, day, month]).and_then(|p| p.year);
        assert_eq!(year(0x00, 0x5F, 0x1C), Some(2010));
        assert_eq!(year(0x20, 0x5F, 0x1C), Some(2010));
        assert_eq!(year(0x40, 0x5F, 0x1C), Some(2110));
        assert_eq!(year(0x00, 0x3F, 0xCC), Some(1997));
    }

    #[test]
    fn every_is_not_a_number() {
        let point = TimePoint::decode(&[0x3F, 0x1F, 0xE0, 0xFF]).expect("valid");
        assert_eq!(point, TimePoint::default());
        assert_eq!(point.civil(), None);
    }

    #[test]
    fn a_time_of_day_is_three_bytes() {
        let point = TimePoint::decode(&[30, 15, 22]).expect("valid");
        assert_eq!((point.hour, point.minute, point.second), (Some(22), Some(15), Some(30)));
    }

    #[test]
    fn a_time_that_was_encoded_reads_back() {
        for (year, hour) in [(1981, 0), (1999, 23), (2026, 7), (2099, 12), (2250, 1)] {
            let time = CivilTime { year, month: 12, day: 31, hour, minute: 59, second: 0 };
            let bytes = TimePoint::encode(time).expect("type F has it");
            assert_eq!(TimePoint::decode(&bytes).and_then(|point| point.civil()), Some(time));
        }
        let time = CivilTime { year: 2026, month: 2, day: 30, hour: 0, minute: 0, second: 0 };
        assert_eq!(TimePoint::encode(time), None);
        assert_eq!(TimePoint::encode(CivilTime { year: 2300, day: 1, ..time }), None);
    }

    #[test]
    fn a_point_shows_the_parts_its_type_has_and_a_star_for_every() {
        for (bytes, text) in [
            (&[0x3B, 0x17, 0x5F, 0x1C][..], "2010-12-31T23:59"),
            (&[0x3F, 0x1F, 0xE0, 0xFF], "****-**-**T**:**"),
            (&[0x5F, 0x1C], "2010-12-31"),
            (&[0xFF, 0x1C], "2015-12-31"),
            (&[0xE1, 0xF1], "****-01-01"),
            (&[30, 15, 22], "22:15:30"),
            (&[30, 0x3B, 0x17, 0x5F, 0x1C, 0], "2010-12-31T23:59:30"),
        ] {
            assert_eq!(TimePoint::decode(bytes).map(|p| p.to_string()).as_deref(), Some(text), "{bytes:02X?}");
        }
    }

    #[test]
    fn the_daylight_saving_bit_is_no_part_of_the_hour() {
        let summer = TimePoint::decode(&[0x3B, 0x97, 0x5F, 0x1C]).and_then(|p| p.civil());
        assert_eq!(summer, TimePoint::decode(&[0x3B, 0x17, 0x5F, 0x1C]).and_then(|p| p.civil()));
    }

    #[test]
    fn all_zeros_are_no_date() {
        assert_eq!(TimePoint::decode(&[0, 0]), None);
        assert_eq!(TimePoint::decode(&[0xFF, 0xFF]), None);
    }
}
