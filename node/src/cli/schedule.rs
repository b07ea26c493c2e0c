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

mod check;
mod tables;

use clap::Subcommand;
use protocol::api::admin as api;
use tonic::Response;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::format::count;
use super::json;
use super::output::Out;
pub use check::{Check, check};
use tables::{policies_table, upcoming_text};

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
