//! `hearth schedule check`: what words mean, without a cluster.
//!
//! Promises: the same slots as the cluster would make of them. Refuses: words that are not understood, with what would be.

use protocol::api::admin as api;
use raft_store::state::plant::schedule::{Freeze, Priority, Schedule};

use super::tables::upcoming_text;
use crate::cli::failure::Failure;
use crate::cli::json;
use crate::cli::output::Out;
use crate::clock::wall_now;
use crate::timetable::{self, Slot, Timetable};

/// Words to be looked at.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// A schedule in words.
    schedule: String,
    /// The plant's zone: an IANA name.
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// First and last day of every year's heating season: 11-15..03-15; empty: all year.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "DAYS")]
    season: String,
    /// How many slots.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    slots: u32,
}

/// What the words of `args` mean.
pub fn check(args: &Check, out: Out) -> Result<(), Failure> {
    let reply = understood(args, wall_now().0)?;
    out.show(|| json::upcoming(&reply), || upcoming_text("understood", &reply))
}

fn understood(args: &Check, now: u64) -> Result<api::UpcomingReply, Failure> {
    let schedule: Schedule = args.schedule.parse().map_err(|error| Failure::Refused(format!("{error}")))?;
    let (calendar, zone) = timetable::calendar(&args.zone, &args.season, []).map_err(Failure::Refused)?;
    let timetable = Timetable::new(&schedule, &calendar, &zone);
    let slots = std::iter::successors(timetable.after(now), |slot| timetable.after(slot.begin));
    Ok(api::UpcomingReply {
        schedule: schedule.to_string(),
        schedule_by: String::new(),
        zone: args.zone.clone(),
        disabled: false,
        slots: slots.take(args.slots as usize).map(slot).collect(),
    })
}

fn slot(slot: Slot) -> api::UpcomingSlot {
    let priority = match slot.priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    };
    let freeze = slot.freeze.map_or("", |freeze| match freeze {
        Freeze::Day => "day",
        Freeze::Month => "month",
    });
    let (priority, freeze) = (priority.to_owned(), freeze.to_owned());
    api::UpcomingSlot { begin: slot.begin, end: slot.end, on_time_until: slot.on_time_until, priority, freeze }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(schedule: &str, zone: &str, season: &str) -> Check {
        Check { schedule: schedule.to_owned(), zone: zone.to_owned(), season: season.to_owned(), slots: 2 }
    }

    #[test]
    fn words_are_told_with_their_next_slots_in_the_plants_time() {
        let told = understood(&args("daily  00:00", "Asia/Shanghai", ""), 1_795_424_400_123).expect("sound words");
        let text = upcoming_text("understood", &told);
        assert!(text.contains("schedule  daily 00:00\nzone      Asia/Shanghai"), "{text}");
        assert!(text.contains("2026-11-24 00:00:00  2026-11-23 16:00:00  2026-11-24 01:00:00"), "{text}");
        assert_eq!(told.slots.len(), 2);
    }

    #[test]
    fn the_season_decides_where_words_name_it() {
        let off = understood(&args("every 15m off season", "UTC", "11-15..03-15"), 1_795_424_400_123).expect("sound");
        // 2027-03-16 00:00 UTC
        assert_eq!(off.slots.first().map(|slot| slot.begin), Some(1_805_155_200_000));
        let never = understood(&args("every 15m off season", "UTC", ""), 0).expect("sound");
        assert!(upcoming_text("understood", &never).contains("no slot begins"));
    }

    #[test]
    fn words_that_are_not_understood_are_refused_with_what_would_be() {
        let told = |args: &Check| understood(args, 0).expect_err("refused").to_string();
        assert!(told(&args("hourly", "UTC", "")).contains("every 15m"));
        assert!(told(&args("every 15m", "Asia/Peking", "")).contains("Asia/Shanghai"));
        assert!(told(&args("every 15m", "UTC", "winter")).contains("11-15..03-15"));
    }
}
