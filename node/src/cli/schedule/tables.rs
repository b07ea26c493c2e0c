//! Policies and slots as people read them.
//!
//! Promises: times are those of the plant's zone, and of UTC where a slot begins. Refuses: asking anything.

use protocol::api::admin as api;

use crate::cli::format::moment;
use crate::cli::output::table;
use crate::timetable::Zone;

/// Policies in the order in which they count.
pub(super) fn policies_table(policies: &[api::SchedulePolicy]) -> String {
    let row = |policy: &api::SchedulePolicy| {
        let api::SchedulePolicy { name, rank, selector, schedule, selected, following } = policy.clone();
        [rank.to_string(), name, selector, selected.to_string(), following.to_string(), schedule]
    };
    let header = ["RANK", "NAME", "FOR", "SELECTS", "FOLLOWED BY", "SCHEDULE"];
    table(header, &["RANK", "SELECTS", "FOLLOWED BY"], policies.iter().map(row))
}

/// The next slots, under `title` and what makes them.
pub(super) fn upcoming_text(title: &str, reply: &api::UpcomingReply) -> String {
    let by = if reply.schedule_by.is_empty() { String::new() } else { format!(" (by {})", reply.schedule_by) };
    let mut text = format!("{title}\nschedule  {}{by}\nzone      {}", reply.schedule, reply.zone);
    if reply.disabled {
        text.push_str("\nthe meter is disabled: none of these slots is due");
    }
    if reply.slots.is_empty() {
        text.push_str("\nno slot begins for years");
        return text;
    }
    format!("{text}\n{}", slots_table(reply))
}

fn slots_table(reply: &api::UpcomingReply) -> String {
    let zone = Zone::named(&reply.zone).ok();
    let civil = |at: u64| {
        let time = zone.as_ref().and_then(|zone| zone.civil(at));
        time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
    };
    let row = |slot: &api::UpcomingSlot| {
        let shown = [civil(slot.begin), moment(slot.begin), civil(slot.on_time_until), civil(slot.end)];
        let [begin, utc, on_time, end] = shown;
        [begin, utc, on_time, end, slot.priority.clone(), slot.freeze.clone()]
    };
    let header = ["BEGINS", "BEGINS (UTC)", "ON TIME UNTIL", "ENDS", "PRIORITY", "FREEZE"];
    table(header, &[], reply.slots.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_show_who_follows_them() {
        let policy = api::SchedulePolicy {
            name: "bills".to_owned(),
            rank: 5,
            selector: "station=S1".to_owned(),
            schedule: "daily 00:00".to_owned(),
            selected: 12,
            following: 10,
        };
        let text = policies_table(&[policy]);
        assert!(text.contains("5  bills  station=S1       12           10  daily 00:00"), "{text}");
    }
}
