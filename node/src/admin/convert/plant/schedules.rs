//! Schedules, policies and slots as messages.
//!
//! Promises: a fault names the value and the remedy. Refuses: working out moments.

use protocol::api::admin as api;
use raft_store::state::plant::policy::Policy;
use raft_store::state::plant::schedule::{Freeze, Priority, Schedule};

use super::selector;
use crate::admin::convert::words;
use crate::timetable::Slot;

/// Characters of a schedule in words, at most.
const SCHEDULE_CHARACTERS: usize = 1_024;
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
}
