//! The moments that one rule names.
//!
//! Promises: `first_after` and `last_until` name a moment only if `names` does, and pass over none. Refuses: looking
//! further than [`DAYS_AHEAD`] for what comes so rarely.

use jiff::ToSpan;
use jiff::civil::Date;
use raft_store::state::plant::calendar::{self, Calendar, MonthDay};
use raft_store::state::plant::schedule::{Rule, Season, Times};

use super::zone::{Shown, Zone};

/// A 29 February may be eight years away.
const DAYS_AHEAD: usize = 8 * 366 + 2;
/// What begins on a civil day ends within two: no slot is longer than a day where times are civil.
const DAYS_BACK: i64 = 2;
/// Seasons looked at for an interval that rests.
const SEASONS_AHEAD: usize = 4;

/// A rule in its plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moments {
    pub(super) rule: Rule,
    calendar: Calendar,
    zone: Zone,
}

impl Moments {
    pub(super) const fn new(rule: Rule, calendar: Calendar, zone: Zone) -> Self {
        Self { rule, calendar, zone }
    }

    /// Whether it names this very moment.
    pub(super) fn names(&self, moment: u64) -> bool {
        self.last_until(moment) == Some(moment)
    }

    /// Milliseconds from moment to moment of an interval that is on time from one to the next.
    pub(super) fn interval_ms(&self) -> Option<u64> {
        match self.rule.times {
            Times::Every { interval_s, .. } if self.rule.within_s() == interval_s => {
                Some(u64::from(interval_s) * 1_000)
            }
            _ => None,
        }
    }

    /// The first moment after `moment`.
    pub(super) fn first_after(&self, moment: u64) -> Option<u64> {
        match self.rule.times {
            Times::Every { interval_s, offset_s } => self.next_multiple(interval_s, offset_s, moment),
            _ => {
                let day = self.zone.civil(moment)?.date().checked_sub(1.day()).ok()?;
                let mut days = day.series(1.day()).take(DAYS_AHEAD);
                days.find_map(|day| self.on(day).into_iter().find(|begin| *begin > moment))
            }
        }
    }

    /// The last moment not after `moment`, if a slot that began then may still be open.
    pub(super) fn last_until(&self, moment: u64) -> Option<u64> {
        match self.rule.times {
            Times::Every { interval_s, offset_s } => {
                multiple_until(interval_s, offset_s, moment).filter(|begin| self.is_in_season(*begin))
            }
            _ => {
                let today = self.zone.civil(moment)?.date();
                let mut days = (0..=DAYS_BACK).filter_map(|back| today.checked_sub(back.days()).ok());
                days.find_map(|day| self.on(day).into_iter().rfind(|begin| *begin <= moment))
            }
        }
    }

    fn next_multiple(&self, interval_s: u32, offset_s: u32, moment: u64) -> Option<u64> {
        let mut after = moment;
        for _ in 0..SEASONS_AHEAD {
            let begin = match multiple_until(interval_s, offset_s, after) {
                Some(last) => last.checked_add(u64::from(interval_s) * 1_000)?,
                None => u64::from(offset_s) * 1_000,
            };
            if self.is_in_season(begin) {
                return Some(begin);
            }
            // An interval of many days may pass over a season as a whole.
            after = self.season_begins(begin)?.checked_sub(1)?.max(after);
        }
        None
    }

    /// The first moment of the first day of the season, at `moment` or later.
    fn season_begins(&self, moment: u64) -> Option<u64> {
        let day = self.zone.civil(moment)?.date();
        let mut days = day.series(1.day()).take(DAYS_AHEAD).skip(1);
        self.zone.day_begins(days.find(|day| self.has_season(*day))?)
    }

    fn is_in_season(&self, moment: u64) -> bool {
        self.rule.season == Season::Always || self.zone.civil(moment).is_some_and(|time| self.has_season(time.date()))
    }

    fn has_season(&self, day: Date) -> bool {
        match self.rule.season {
            Season::Always => true,
            Season::Heating => self.calendar.is_heated(date(day)),
            Season::Idle => !self.calendar.is_heated(date(day)),
        }
    }

    /// The moments on a civil day, in order; none for an interval.
    fn on(&self, day: Date) -> Vec<u64> {
        if !self.has_season(day) {
            return Vec::new();
        }
        let mut moments = match &self.rule.times {
            Times::Every { .. } => Vec::new(),
            Times::Daily { minute } => self.at(day, [*minute].into_iter(), false),
            Times::Monthly { day: wanted, minute } => {
                let wanted = wanted.map_or(day.days_in_month(), |wanted| i8::try_from(wanted).unwrap_or(i8::MAX));
                if day.day() == wanted { self.at(day, [*minute].into_iter(), false) } else { Vec::new() }
            }
            Times::Cron(cron) => {
                let (month, of_month) = (day.month().unsigned_abs(), day.day().unsigned_abs());
                let of_week = day.weekday().to_sunday_zero_offset().unsigned_abs();
                let counts = cron.has_day(month, of_month, of_week);
                if counts { self.at(day, cron.minutes_of_day(), cron.is_every_hour()) } else { Vec::new() }
            }
        };
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// The moments of these minutes of a day; `twice`: those that come twice count twice.
    fn at(&self, day: Date, minutes: impl Iterator<Item = u16>, twice: bool) -> Vec<u64> {
        let shown = |minute: u16| {
            let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
            self.zone.shown(day.at(hour, minute, 0, 0))
        };
        let both = |(first, second): Shown| [Some(first), second.filter(|_| twice)];
        minutes.filter_map(shown).flat_map(both).flatten().collect()
    }
}

/// The last multiple of the interval, plus the offset, not after `moment`; `None` before the first.
fn multiple_until(interval_s: u32, offset_s: u32, moment: u64) -> Option<u64> {
    let (interval, offset) = (u64::from(interval_s) * 1_000, u64::from(offset_s) * 1_000);
    let since = moment.checked_sub(offset)?;
    Some(since.checked_div(interval)? * interval + offset)
}

fn date(day: Date) -> calendar::Date {
    let of_year = MonthDay { month: day.month().unsigned_abs(), day: day.day().unsigned_abs() };
    calendar::Date { year: day.year().unsigned_abs(), day: of_year }
}
