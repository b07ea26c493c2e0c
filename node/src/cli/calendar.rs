//! `hearth calendar`: the plant's time zone and heating seasons.
//!
//! Promises: what is not named stays as it is; a change says how many meters it gives other slots, and asks. Refuses:
//! guessing a zone.

use clap::Subcommand;
use protocol::api::admin as api;
use tonic::Response;

use super::client::Session;
use super::failure::Failure;
use super::json;
use super::output::Out;
use super::schedule::{effect, settled};

/// What may be done with the calendar.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the plant's time zone and heating seasons.
    Show,
    /// Changes what is named and nothing else.
    #[command(after_help = "Example: hearth calendar set --zone Asia/Shanghai --season 11-15..03-15 \
                            --season-of 2026=2026-11-01..2027-04-05")]
    Set(Set),
}

/// What is changed.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true, id = "changes", args = ["zone", "season", "season_of"])]
pub struct Set {
    /// IANA name such as Asia/Shanghai.
    #[arg(long)]
    zone: Option<String>,
    /// First and last day of every year's heating season, both heated: 11-15..03-15; always: all year.
    #[arg(long, value_name = "DAYS")]
    season: Option<String>,
    /// The season that begins in a year, where it is another: 2026=2026-11-01..2027-04-05; 2026=yearly takes it back.
    #[arg(long, value_name = "YEAR=DAYS")]
    season_of: Vec<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Carries it out.
pub async fn run(command: Command, session: &Session, out: Out) -> Result<(), Failure> {
    let calendar = session.plant().get_calendar(api::GetCalendarRequest {}).await;
    let calendar = calendar.map(Response::into_inner).map_err(Failure::of_look)?;
    match command {
        Command::Show => out.show(|| json::calendar(&calendar), || shown(&calendar)),
        Command::Set(set) => {
            let calendar = changed(calendar, &set)?;
            let request = |dry_run| {
                let calendar = Some(calendar.clone());
                set_calendar(session, api::SetCalendarRequest { calendar, dry_run, key: String::new() })
            };
            let foreseen = request(true).await.map_err(Failure::of_look)?;
            settled(&format!("the calendar changes: {}", effect(&foreseen)), &foreseen, set.yes)?;
            let done = request(false).await.map_err(Failure::of_change)?;
            out.show(|| json::schedule_effect(&done), || format!("{}\n{}", shown(&calendar), effect(&done)))
        }
    }
}

async fn set_calendar(
    session: &Session,
    request: api::SetCalendarRequest,
) -> Result<api::ScheduleEffect, tonic::Status> {
    session.plant().set_calendar(request).await.map(Response::into_inner)
}

fn changed(mut calendar: api::Calendar, set: &Set) -> Result<api::Calendar, Failure> {
    if let Some(zone) = &set.zone {
        calendar.zone.clone_from(zone);
    }
    match set.season.as_deref() {
        None => {}
        Some("always") => calendar.season.clear(),
        Some(days) => days.clone_into(&mut calendar.season),
    }
    for text in &set.season_of {
        let wrong =
            || Failure::Usage(format!("--season-of {text}: write YEAR=DAYS such as 2026=2026-11-01..2027-04-05"));
        let (year, days) = text.split_once('=').ok_or_else(wrong)?;
        let year: u32 = year.parse().map_err(|_| wrong())?;
        calendar.seasons.retain(|season| season.year != year);
        if days != "yearly" {
            calendar.seasons.push(api::SeasonOf { year, days: days.to_owned() });
        }
    }
    calendar.seasons.sort_by_key(|season| season.year);
    Ok(calendar)
}

fn shown(calendar: &api::Calendar) -> String {
    let season = if calendar.season.is_empty() { "all year" } else { calendar.season.as_str() };
    let mut rows = vec![format!("zone    {}", calendar.zone), format!("season  {season}")];
    rows.extend(calendar.seasons.iter().map(|season| format!("{}    {}", season.year, season.days)));
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(zone: Option<&str>, season: Option<&str>, season_of: &[&str]) -> Set {
        let season_of = season_of.iter().map(|text| (*text).to_owned()).collect();
        Set { zone: zone.map(str::to_owned), season: season.map(str::to_owned), season_of, yes: false }
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let own = |year, days: &str| api::SeasonOf { year, days: days.to_owned() };
        let before = api::Calendar {
            zone: "Asia/Shanghai".to_owned(),
            season: "11-15..03-15".to_owned(),
            seasons: vec![own(2025, "a"), own(2026, "b")],
        };
        let after = changed(before.clone(), &set(None, None, &["2026=yearly", "2024=c"])).expect("sound");
        assert_eq!(after, api::Calendar { seasons: vec![own(2024, "c"), own(2025, "a")], ..before.clone() });
        let after = changed(before.clone(), &set(Some("UTC"), Some("always"), &[])).expect("sound");
        assert_eq!(after, api::Calendar { zone: "UTC".to_owned(), season: String::new(), ..before });
    }

    #[test]
    fn a_season_without_its_year_is_wrong_usage() {
        for bad in ["2026-11-01..2027-04-05", "x=2026-11-01..2027-04-05"] {
            let failure = changed(api::Calendar::default(), &set(None, None, &[bad])).expect_err("no year");
            assert_eq!(failure.code(), 2);
        }
    }
}
