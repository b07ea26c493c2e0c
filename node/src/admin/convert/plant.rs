//! The plant as messages: schedules, labels, the calendar, policies, slots.
//!
//! Promises: a fault names the value and the remedy; labels fit their columns in the tables, and a selector can name
//! every one of them. Refuses: working out moments.

use std::collections::HashMap;

use protocol::api::admin as api;
use raft_store::state::State;
use raft_store::state::membership::Labels;
use raft_store::state::plant::calendar::{Calendar, Date};
use raft_store::state::plant::policy::{Policy, Selector};
use raft_store::state::plant::schedule::{Freeze, Priority, Schedule};
use raft_store::state::registry::Meter;

use super::words;
use crate::timetable::{self, Slot};

/// Labels of a line or a meter, at most.
const LABELS: usize = 32;
/// Characters of a schedule in words, at most.
const SCHEDULE_CHARACTERS: usize = 1_024;
/// Characters of a selector, at most.
const SELECTOR_CHARACTERS: usize = 2_048;
/// Characters of the identity of a meter, at most.
const IDENTITY_CHARACTERS: usize = 64;
/// What a selector names that is no label.
const NO_LABELS: [&str; 4] = ["name", "line", "profile", "dialect"];
/// Whose word a schedule may be, where it is no policy's.
const NO_POLICIES: [&str; 3] = ["meter", "line", "default"];

/// A schedule in words.
pub fn schedule(words: &str) -> Result<Schedule, String> {
    let count = words.chars().count();
    if count > SCHEDULE_CHARACTERS {
        return Err(format!("has {count} characters: write at most {SCHEDULE_CHARACTERS}"));
    }
    words.parse::<Schedule>().map_err(|error| error.to_string())
}

/// Labels of a line or a meter. What says nothing is left out.
pub fn labels(pairs: HashMap<String, String>) -> Result<Labels, String> {
    let said = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let labels = said.map(label).collect::<Result<Labels, String>>()?;
    if labels.len() > LABELS {
        return Err(format!("{} labels: give at most {LABELS}", labels.len()));
    }
    Ok(labels)
}

fn label((key, value): (String, String)) -> Result<(String, String), String> {
    let key = words::name(key).map_err(|fault| format!("label name {fault}"))?;
    if NO_LABELS.contains(&key.as_str()) {
        return Err(format!("label {key} would stand for the meter's own {key} in a selector: call it otherwise"));
    }
    if key.contains(['=', ',', ';']) {
        return Err(format!("label name \"{key}\" has a sign that selectors need: leave out = , and ;"));
    }
    let value = words::name(value).map_err(|fault| format!("label {key}: {fault}"))?;
    if value.contains([',', ';']) || value.ends_with('*') {
        let remedy = "leave out , and ; and a * at the end";
        return Err(format!("label {key}: \"{value}\" has a sign that selectors need: {remedy}"));
    }
    Ok((key, value))
}

/// The identity a meter has to give; none for an empty one. Capital and small letters are the same, kept as capitals.
pub fn identity(text: &str) -> Result<Option<String>, String> {
    let sound = text.len() <= IDENTITY_CHARACTERS && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !sound {
        let remedy = format!("write up to {IDENTITY_CHARACTERS} letters, digits and -, as the meter gives it");
        return Err(format!("\"{text}\" is no identity: {remedy}"));
    }
    Ok(Some(text.to_ascii_uppercase()).filter(|text| !text.is_empty()))
}

/// Meters by labels; none for an empty one.
pub fn selector(text: &str) -> Result<Option<Selector>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().count() > SELECTOR_CHARACTERS {
        return Err(format!("selector has more than {SELECTOR_CHARACTERS} characters: name fewer values"));
    }
    text.parse().map(Some).map_err(|error: protocol::meter::WordError| error.to_string())
}

/// A schedule for all meters of a selector.
pub fn policy(message: api::SchedulePolicy) -> Result<Policy, String> {
    let name = words::name(message.name).map_err(|fault| format!("policy name {fault}"))?;
    if NO_POLICIES.contains(&name.as_str()) {
        return Err(format!("policy name {name} says whose else a schedule may be: call it otherwise"));
    }
    let selector = selector(&message.selector)?.ok_or("selector is empty: write name=* for all meters")?;
    Ok(Policy { name, rank: message.rank, selector, schedule: schedule(&message.schedule)? })
}

/// A policy, with how many meters it selects and how many follow it.
pub fn policy_message(policy: &Policy, selected: u32, following: u32) -> api::SchedulePolicy {
    api::SchedulePolicy {
        name: policy.name.clone(),
        rank: policy.rank,
        selector: policy.selector.to_string(),
        schedule: policy.schedule.to_string(),
        selected,
        following,
    }
}

/// `meter`, `line`, `default`, or a policy with its name.
pub fn schedule_by(whose: &str) -> String {
    if NO_POLICIES.contains(&whose) { whose.to_owned() } else { format!("policy {whose}") }
}

/// A meter's own labels and its line's.
pub fn labels_of(state: &State, meter: &Meter) -> HashMap<String, String> {
    let line = state.plant.lines.get(&meter.line).map(|line| &line.labels);
    let own = state.plant.meters.get(&meter.id).map(|meter| &meter.labels);
    let all = line.into_iter().chain(own).flatten();
    all.map(|(key, value)| (key.clone(), value.clone())).collect()
}

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

/// A slot.
pub fn slot(slot: Slot) -> api::UpcomingSlot {
    let priority = match slot.priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    };
    let freeze = match slot.freeze {
        Some(Freeze::Day) => "day",
        Some(Freeze::Month) => "month",
        None => "",
    };
    let (priority, freeze) = (priority.to_owned(), freeze.to_owned());
    api::UpcomingSlot { begin: slot.begin, end: slot.end, on_time_until: slot.on_time_until, priority, freeze }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_label_that_a_selector_could_not_name_is_refused() {
        assert!(labels(pairs(&[("station", "S1"), ("building", "3号楼"), ("unit", "")])).is_ok_and(|l| l.len() == 2));
        for (key, value) in [("name", "x"), ("dialect", "x"), ("a=b", "x"), ("a", "x,y"), ("a", "x;y"), ("a", "x*")] {
            assert!(labels(pairs(&[(key, value)])).is_err(), "{key}={value} was taken");
        }
        let long = "x".repeat(129);
        assert!(labels(pairs(&[("building", &long)])).is_err_and(|f| f.contains("building") && f.contains("128")));
    }

    #[test]
    fn every_label_that_is_taken_can_be_selected() {
        let taken = labels(pairs(&[("station", "S 1"), ("pump house", "a*b=c")])).expect("sound labels");
        for (key, value) in taken {
            let text = format!("{key}={value}");
            assert_eq!(selector(&text).map(|s| s.map(|s| s.to_string())), Ok(Some(text)));
        }
    }

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

    #[test]
    fn a_policy_needs_a_selector_words_and_a_name_of_its_own() {
        let with = |name: &str, selector: &str, schedule: &str| {
            policy(api::SchedulePolicy {
                name: name.to_owned(),
                selector: selector.to_owned(),
                schedule: schedule.to_owned(),
                ..Default::default()
            })
        };
        assert!(with("bills", "station=S1", "daily 00:00").is_ok());
        assert!(with("line", "station=S1", "daily 00:00").is_err_and(|f| f.contains("call it otherwise")));
        assert!(with("bills", "", "daily 00:00").is_err_and(|f| f.contains("name=*")));
        assert!(with("bills", "station=S1", "hourly").is_err_and(|f| f.contains("hourly")));
    }

    #[test]
    fn an_identity_is_kept_in_capitals_and_nothing_is_none() {
        assert_eq!(identity("12345678-2d2c"), Ok(Some("12345678-2D2C".to_owned())));
        assert_eq!(identity(""), Ok(None));
        assert!(identity("1 2").is_err() && identity(&"1".repeat(65)).is_err());
    }
}
