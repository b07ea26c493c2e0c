//! The plant's calendar as a message.
//!
//! Promises: it is shown as it is read; a fault names the value and the remedy. Refuses: a zone nobody knows.

use protocol::api::admin as api;
use raft_store::state::plant::calendar::{Calendar, Date};

use crate::timetable;

/// The plant's calendar.
pub fn calendar(message: &api::Calendar) -> Result<Calendar, String> {
    let zone = if message.zone.is_empty() { "UTC" } else { message.zone.as_str() };
    let seasons = message.seasons.iter().map(|season| (season.year, season.days.as_str()));
    timetable::calendar(zone, &message.season, seasons).map(|(calendar, _)| calendar)
}

/// As [`calendar`] reads it.
pub fn calendar_message(calendar: &Calendar) -> api::Calendar {
    let season = calendar.yearly.map(|(first, last)| format!("{first}..{last}")).unwrap_or_default();
    let of_year = |(year, (first, last)): (&u16, &(Date, Date))| api::SeasonOf {
        year: u32::from(*year),
        days: format!("{first}..{last}"),
    };
    let seasons = calendar.seasons.iter().map(of_year).collect();
    api::Calendar { zone: calendar.zone.clone(), season, seasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_is_shown_as_it_is_read() {
        let seasons = vec![api::SeasonOf { year: 2026, days: "2026-11-01..2027-04-05".to_owned() }];
        let message = api::Calendar { zone: "Asia/Shanghai".to_owned(), season: "11-15..03-15".to_owned(), seasons };
        assert_eq!(calendar(&message).map(|read| calendar_message(&read)), Ok(message));
        let none = calendar_message(&calendar(&api::Calendar::default()).expect("the default"));
        assert_eq!((none.zone.as_str(), none.season.as_str()), ("UTC", ""));
    }

    #[test]
    fn a_calendar_that_is_none_is_refused_by_what_is_wrong() {
        let with = |zone: &str, season: &str, year, days: &str| {
            let seasons = if days.is_empty() { vec![] } else { vec![api::SeasonOf { year, days: days.to_owned() }] };
            calendar(&api::Calendar { zone: zone.to_owned(), season: season.to_owned(), seasons }).expect_err("refused")
        };
        assert!(with("Asia/Peking", "", 0, "").contains("Asia/Peking"));
        assert!(with("", "11-15", 0, "").contains("11-15..03-15"));
        assert!(with("", "13-15..03-15", 0, "").contains("13-15"));
        assert!(with("", "", 2026, "2027-04-05..2026-11-01").contains("season of 2026"));
        assert!(with("", "", 2026, "2028-11-01..2029-04-05").contains("season of 2026"));
        assert!(with("", "", 2026, "2026-11-01..2028-04-05").contains("season of 2026"));
    }
}
