//! `hearth schedule`: when meters are read.
//!
//! ```text
//!   list, set, remove   policies: schedules for all meters of a selector
//!   show METER          by what a meter is read, whose word that is, and its next slots
//!   check WORDS         what the words mean, without a cluster
//! ```
//!
//! Promises: a change says how many meters it gives other slots, and asks. Refuses: schedules of single meters and lines:
//! those are imported with them.

use clap::Subcommand;
use protocol::api::admin as api;
use raft_store::state::plant::schedule::{Freeze, Priority, Schedule};
use tonic::Response;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::format::{count, moment};
use super::json;
use super::output::{Out, table};
use crate::clock::wall_now;
use crate::timetable::{self, Slot, Timetable, Zone};

/// What words may stand in a schedule.
const WORDS: &str = "Words: rules joined by ; - every SPAN [offset SPAN], daily HH:MM, monthly DAY|last HH:MM, cron M H D M W; \
                     behind each, in any order: in season or off season, within SPAN, priority low or high. A SPAN is \
                     90s, 15m, 1h30m or 1d. Times are the plant's (see hearth calendar); every counts from the epoch, \
                     UTC.";

/// What may be done with schedules.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the policies in the order in which they count.
    List,
    /// Shows a policy.
    Get {
        /// Its name.
        name: String,
    },
    /// Makes or replaces a policy: a schedule for all meters of a selector that have none of their own.
    #[command(after_help = WORDS)]
    Set(Set),
    /// Forgets a policy; its meters follow the next one, their line, or are read every 15 minutes.
    Remove {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Shows by what a meter is read, whose word that is, and its next slots.
    Show {
        /// The meter's name.
        meter: String,
        /// How many slots.
        #[arg(long, default_value_t = 10)]
        slots: u32,
    },
    /// Says what words mean: no cluster is asked.
    #[command(after_help = WORDS)]
    Check(Check),
}

/// A policy.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// Its name.
    name: String,
    /// When its meters are read, in words: "every 15m in season; daily 00:00".
    schedule: String,
    /// Which meters: station=S1,building=12*, all of which have to hold; by label, name, line, profile, dialect.
    #[arg(long = "for", value_name = "SELECTOR")]
    selector: String,
    /// Of several policies that select a meter the one of the lowest rank counts.
    #[arg(long, default_value_t = 100)]
    rank: u32,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

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

/// Carries it out.
pub async fn run(command: Command, session: &Session, out: Out) -> Result<(), Failure> {
    match command {
        Command::List => {
            let policies = list(session).await?;
            out.show(|| json::policies(&policies), || policies_table(&policies))
        }
        Command::Get { name } => {
            let policies = list(session).await?;
            let missing = || Failure::Refused(format!("schedule policy {name} does not exist"));
            let policy = policies.into_iter().find(|policy| policy.name == name).ok_or_else(missing)?;
            out.show(|| json::policy(&policy), || policies_table(std::slice::from_ref(&policy)))
        }
        Command::Set(set) => self::set(set, session, out).await,
        Command::Remove { name, yes } => remove(name, yes, session, out).await,
        Command::Show { meter, slots } => {
            let asked = api::UpcomingRequest { meter: meter.clone(), after: 0, limit: slots };
            let reply = session.plant().upcoming(asked).await.map_err(Failure::of_look)?.into_inner();
            out.show(|| json::upcoming(&reply), || upcoming_text(&format!("meter     {meter}"), &reply))
        }
        Command::Check(args) => check(&args, out),
    }
}

async fn list(session: &Session) -> Result<Vec<api::SchedulePolicy>, Failure> {
    let reply = session.plant().list_policies(api::ListPoliciesRequest {}).await;
    reply.map(|reply| reply.into_inner().policies).map_err(Failure::of_look)
}

async fn set(set: Set, session: &Session, out: Out) -> Result<(), Failure> {
    let Set { name, schedule, selector, rank, yes } = set;
    let policy = api::SchedulePolicy { name: name.clone(), rank, selector, schedule, selected: 0, following: 0 };
    let ask = async |dry_run| {
        let request = api::SetPolicyRequest { policy: Some(policy.clone()), dry_run, key: String::new() };
        session.plant().set_policy(request).await.map(Response::into_inner)
    };
    let foreseen = ask(true).await.map_err(Failure::of_look)?;
    settled(&format!("policy {name} is set: {}", effect(&foreseen)), &foreseen, yes)?;
    let done = ask(false).await.map_err(Failure::of_change)?;
    out.show(|| json::schedule_effect(&done), || effect(&done))
}

async fn remove(name: String, yes: bool, session: &Session, out: Out) -> Result<(), Failure> {
    let ask = async |dry_run| {
        let request = api::RemovePolicyRequest { name: name.clone(), dry_run, key: String::new() };
        session.plant().remove_policy(request).await.map(Response::into_inner)
    };
    let foreseen = ask(true).await.map_err(Failure::of_look)?;
    confirm(Danger::Schedule, &format!("policy {name} is forgotten: {}", effect(&foreseen)), yes)?;
    let done = ask(false).await.map_err(Failure::of_change)?;
    out.show(|| json::schedule_effect(&done), || effect(&done))
}

/// What a change does, in words.
pub(super) fn effect(effect: &api::ScheduleEffect) -> String {
    let [changed, all] = [effect.meters_changed, effect.meters].map(|meters| count(meters.into()));
    format!("{changed} of {all} enabled meters get other slots")
}

/// Goes on with a yes, or where no meter gets other slots.
pub(super) fn settled(text: &str, foreseen: &api::ScheduleEffect, yes: bool) -> Result<(), Failure> {
    confirm(Danger::Schedule, text, yes || foreseen.meters_changed == 0)
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

fn policies_table(policies: &[api::SchedulePolicy]) -> String {
    let row = |policy: &api::SchedulePolicy| {
        let api::SchedulePolicy { name, rank, selector, schedule, selected, following } = policy.clone();
        [rank.to_string(), name, selector, selected.to_string(), following.to_string(), schedule]
    };
    let header = ["RANK", "NAME", "FOR", "SELECTS", "FOLLOWED BY", "SCHEDULE"];
    table(header, &["RANK", "SELECTS", "FOLLOWED BY"], policies.iter().map(row))
}

fn upcoming_text(title: &str, reply: &api::UpcomingReply) -> String {
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
