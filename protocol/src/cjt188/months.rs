//! Which of a meter's twelve months holds the total of a moment.
//!
//! ```text
//!   settlement day 5, at the midnight that begins it            clock 2026-11-26
//!   .. 09-05 00:00    10-05 00:00    11-05 00:00 ......|
//!         D122           D121           D120               first = "latest"
//!         D121           D120            --                first = "previous": the latest stands in the current data
//! ```
//!
//! The totals carry no date, and makers differ in the rest: only a profile that says all of it has months.
//!
//! Promises: pure; a month is named only where profile, settlement day and the meter's clock leave one. Refuses: days that
//! this month or one on the way does not have, and the minutes around a settlement: the total may be put down between two
//! answers.

use serde::{Deserialize, Deserializer, de};

use super::identifier::MONTHS;
use crate::meter::{CivilTime, SetDay};

/// How a model keeps its months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Months {
    /// At which midnight of the settlement day the total is put down.
    pub settles: SetDay,
    /// What D120 holds.
    pub first: First,
    /// The settlement day; absent: the meter is asked for it (8103).
    #[serde(default, deserialize_with = "day")]
    pub day: Option<u8>,
}

/// What the first month holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    /// The total of the latest settlement.
    Latest,
    /// The one before it.
    Previous,
}

/// From this minute of the last hour before a settlement no month is named.
const LAST_MINUTES: u8 = 55;
/// Up to this minute of the first hour after it, either: a meter takes its time to put its total down.
const FIRST_MINUTES: u8 = 5;

impl Months {
    /// The month, 1 (D120) to 12, that holds the total of `wanted`, while the meter's clock shows `clock` and `day` is its
    /// settlement day; or why none does, in words.
    pub(super) fn holding(&self, wanted: CivilTime, clock: CivilTime, day: u8) -> Result<u8, String> {
        let mut month = self.latest(clock, day)?;
        let first = match self.first {
            First::Latest => 1,
            First::Previous => 0,
        };
        for back in first..=MONTHS {
            let settled = self.settled(month, day)?;
            if settled <= wanted {
                let is_held = settled == wanted && back > 0;
                return is_held.then_some(back).ok_or_else(|| none(wanted));
            }
            month = before(month);
        }
        Err(none(wanted))
    }

    /// The month whose settlement is the latest.
    fn latest(&self, clock: CivilTime, day: u8) -> Result<(u16, u8), String> {
        let this = (clock.year, clock.month);
        let settled = self.settled(this, day)?;
        let is_over = settled <= clock;
        let hour = CivilTime { minute: 0, second: 0, ..clock };
        if hour == settled && clock.minute < FIRST_MINUTES {
            return Err(format!("its month ended a moment before {clock}: its total may not be put down yet"));
        }
        let next = self.settled(if is_over { after(this) } else { this }, day);
        let ends = clock.day_end().filter(|_| clock.hour == 23 && clock.minute >= LAST_MINUTES);
        if ends.is_some() && ends == next.ok() {
            return Err(format!("its month ends with the day {clock}: its total may be put down any moment"));
        }
        Ok(if is_over { this } else { before(this) })
    }

    fn settled(&self, (year, month): (u16, u8), day: u8) -> Result<CivilTime, String> {
        let settled = self.settles.of(&CivilTime { year, month, day, hour: 0, minute: 0, second: 0 });
        settled.ok_or_else(|| format!("settlement day {day} does not come in {year:04}-{month:02}"))
    }
}

fn none(wanted: CivilTime) -> String {
    format!("none of its months holds the total of {wanted}")
}

const fn before((year, month): (u16, u8)) -> (u16, u8) {
    if month <= 1 { (year.saturating_sub(1), 12) } else { (year, month - 1) }
}

const fn after((year, month): (u16, u8)) -> (u16, u8) {
    if month >= 12 { (year.saturating_add(1), 1) } else { (year, month + 1) }
}

fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    let day = u8::deserialize(from)?;
    if (1..=31).contains(&day) {
        return Ok(Some(day));
    }
    Err(de::Error::custom(format_args!("day {day} is none of a month: write 1 to 31, or leave it out")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(month: u8, day: u8, hour: u8, minute: u8) -> CivilTime {
        CivilTime { year: 2026, month, day, hour, minute, second: 0 }
    }

    const fn midnight(month: u8, day: u8) -> CivilTime {
        at(month, day, 0, 0)
    }

    fn months(settles: SetDay, first: First) -> Months {
        Months { settles, first, day: None }
    }

    const LATEST: Months = Months { settles: SetDay::Begins, first: First::Latest, day: None };
    const CLOCK: CivilTime = at(11, 26, 14, 30);

    #[test]
    fn the_first_month_is_the_latest_settlement_or_the_one_before_it_as_the_profile_says() {
        let previous = months(SetDay::Begins, First::Previous);
        for (wanted, latest, before) in
            [(midnight(11, 5), Ok(1), None), (midnight(10, 5), Ok(2), Some(1)), (midnight(9, 5), Ok(3), Some(2))]
        {
            assert_eq!(LATEST.holding(wanted, CLOCK, 5), latest, "{wanted}");
            assert_eq!(previous.holding(wanted, CLOCK, 5).ok(), before, "{wanted}");
        }
    }

    #[test]
    fn a_settlement_that_is_still_to_come_in_this_month_was_in_the_last() {
        assert_eq!(LATEST.holding(midnight(10, 28), CLOCK, 28), Ok(1));
        assert_eq!(LATEST.holding(midnight(11, 26), CLOCK, 26), Ok(1));
        let ends = months(SetDay::Ends, First::Latest);
        assert!(ends.holding(midnight(11, 1), CLOCK, 31).expect_err("30 days").contains("2026-11"));
        assert_eq!(ends.holding(midnight(11, 26), CLOCK, 25), Ok(1));
        assert_eq!(ends.holding(midnight(10, 27), CLOCK, 26), Ok(1));
    }

    #[test]
    fn twelve_months_are_kept_over_the_turn_of_the_year_and_no_thirteenth() {
        let of = |year, month| CivilTime { year, ..midnight(month, 1) };
        assert_eq!(LATEST.holding(of(2025, 12), CLOCK, 1), Ok(12));
        assert!(LATEST.holding(of(2025, 11), CLOCK, 1).is_err());
        assert!(LATEST.holding(of(2026, 12), CLOCK, 1).is_err(), "it is still to come");
    }

    #[test]
    fn another_moment_than_a_settlement_is_in_no_month() {
        for wanted in [midnight(11, 4), midnight(11, 6), at(11, 5, 0, 1), midnight(12, 5)] {
            let refused = LATEST.holding(wanted, CLOCK, 5).expect_err("none");
            assert!(refused.contains(&wanted.to_string()), "{refused}");
        }
    }

    #[test]
    fn a_day_that_a_month_on_the_way_does_not_have_names_nothing_beyond() {
        let clock = at(4, 10, 12, 0);
        assert_eq!(LATEST.holding(midnight(3, 30), clock, 30), Ok(1));
        let refused = LATEST.holding(midnight(1, 30), clock, 30).expect_err("February");
        assert!(refused.contains("day 30 does not come in 2026-02"), "{refused}");
    }

    #[test]
    fn in_the_last_minutes_before_a_settlement_nothing_is_named() {
        assert!(LATEST.holding(midnight(11, 5), at(12, 4, 23, 55), 5).expect_err("soon").contains("any moment"));
        assert_eq!(LATEST.holding(midnight(11, 5), at(12, 4, 23, 54), 5), Ok(1));
        assert_eq!(LATEST.holding(midnight(11, 5), at(12, 3, 23, 59), 5), Ok(1));
        assert!(LATEST.holding(midnight(11, 5), at(11, 4, 23, 59), 5).is_err());
        let ends = months(SetDay::Ends, First::Latest);
        assert!(ends.holding(midnight(11, 6), at(12, 5, 23, 59), 5).is_err());
    }

    #[test]
    fn in_the_first_minutes_after_a_settlement_nothing_is_named() {
        for minute in [0, 4] {
            assert!(
                LATEST.holding(midnight(11, 5), at(12, 5, 0, minute), 5).expect_err("just").contains("not be put down")
            );
        }
        assert_eq!(LATEST.holding(midnight(12, 5), at(12, 5, 0, 5), 5), Ok(1));
        let ends = months(SetDay::Ends, First::Latest);
        assert!(ends.holding(midnight(11, 6), at(12, 6, 0, 4), 5).is_err());
        assert_eq!(ends.holding(midnight(12, 6), at(12, 6, 0, 5), 5), Ok(1));
    }

    #[test]
    fn a_settlement_day_is_one_of_a_month() {
        let read = |day: &str| toml::from_str::<Months>(&format!("settles = 'begins'\nfirst = 'latest'\n{day}"));
        assert_eq!(read("day = 31").expect("a day").day, Some(31));
        assert_eq!(read("").expect("asked").day, None);
        assert!(read("day = 32").expect_err("none").message().contains("write 1 to 31"));
        assert!(toml::from_str::<Months>("settles = 'begins'").expect_err("half").message().contains("first"));
    }
}
