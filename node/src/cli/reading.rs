//! `hearth reading`: what meters said.
//!
//! Promises: times are taken and shown in UTC, but where an export names another zone. Refuses: rounding: JSON carries the
//! exact integers and their unit.

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use protocol::api::admin as api;
use protocol::meter::Quality;

use super::client::Session;
use super::export;
use super::failure::Failure;
use super::format::{moment, value};
use super::json;
use super::output::{Out, table};
use super::when::moment_ms;

/// Days searched for marks where nothing else is said.
const SEARCHED_DAYS: i64 = 7;

/// What may be done with readings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists readings from the database, newest first.
    List {
        /// Only those of this meter.
        #[arg(default_value = "", hide_default_value = true)]
        meter: String,
        /// Slots from this moment on: 2026-01-31, 2026-01-31T06:00:00Z, or a time ago such as 2h.
        #[arg(long, value_parser = moment_ms)]
        from: Option<u64>,
        /// Slots up to this moment.
        #[arg(long, value_parser = moment_ms)]
        to: Option<u64>,
        /// Readings, at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Only readings in doubt, and missed slots of which an answer was kept. Without --from: of the last seven days.
        #[arg(long)]
        flagged: bool,
        /// Only readings with this mark: index-back, jump, unit-changed, meter-changed, clock-off, implausible .. May be
        /// given more than once. Without --from: of the last seven days.
        #[arg(long = "flag", value_name = "MARK", value_parser = mark)]
        flags: Vec<String>,
    },
    /// Shows readings as they are committed to the database.
    Watch {
        /// Only those of this meter.
        #[arg(default_value = "", hide_default_value = true)]
        meter: String,
    },
    /// Writes readings from the database to a file: CSV, XLSX or Parquet.
    #[command(after_long_help = export::AFTER_HELP)]
    Export(export::Args),
}

/// Carries it out.
pub async fn run(command: Command, session: &Session, out: Out) -> Result<(), Failure> {
    match command {
        Command::List { meter, from, to, limit, flagged, flags } => {
            let open = if flagged || !flags.is_empty() { lately() } else { 0 };
            let (from, to) = (from.unwrap_or(open), to.unwrap_or(0));
            let request = api::ListReadingsRequest { meter, from, to, limit, flagged, flags };
            let reply = session.readings().list(request).await.map_err(Failure::of_look)?.into_inner();
            out.show(|| json::readings(&reply.readings), || readings_table(&reply.readings))
        }
        Command::Watch { meter } => {
            let request = api::WatchReadingsRequest { meter };
            let mut stream = session.readings().watch(request).await.map_err(Failure::of_look)?.into_inner();
            while let Some(reading) = stream.message().await.map_err(Failure::of_look)? {
                out.item(|| json::reading(&reading), || row(&reading).join("  ").trim_end().to_owned())?;
            }
            Ok(())
        }
        Command::Export(args) => export::run(args, session).await,
    }
}

/// The beginning of what is searched for marks where nothing else is said, Unix ms: marks have no index.
fn lately() -> u64 {
    let days = SignedDuration::from_hours(24 * SEARCHED_DAYS);
    Timestamp::now().checked_sub(days).ok().and_then(|from| u64::try_from(from.as_millisecond()).ok()).unwrap_or(0)
}

/// A mark by its name.
fn mark(text: &str) -> Result<String, String> {
    let names = || format!("use one of {}", Quality::NAMED.map(|(_, name)| name).join(", "));
    Quality::named(text).map(|_| text.to_owned()).ok_or_else(names)
}

fn readings_table(readings: &[api::Reading]) -> String {
    table(["SLOT (UTC)", "METER", "KIND", "NODE", "VALUES"], &["NODE"], readings.iter().map(row))
}

fn row(reading: &api::Reading) -> [String; 5] {
    [moment(reading.slot), reading.meter.clone(), reading.kind.clone(), reading.node.to_string(), said(reading)]
}

fn said(reading: &api::Reading) -> String {
    if !reading.missed.is_empty() {
        return format!("missed: {}", reading.missed);
    }
    let mut words: Vec<_> = reading.values.iter().map(value).collect();
    if !reading.valve.is_empty() {
        words.push(format!("valve={}", reading.valve));
    }
    if !reading.doubts.is_empty() {
        words.push(format!("doubts={}", reading.doubts.join("+")));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_slot_says_why_and_a_read_one_what() {
        let energy = api::Value { quantity: "energy".to_owned(), value: 7_200_000, unit: "J".to_owned() };
        let read = api::Reading { values: vec![energy], valve: "open".to_owned(), ..Default::default() };
        let read = api::Reading { doubts: vec!["low-battery".to_owned(), "jump".to_owned()], ..read };
        assert_eq!(said(&read), "energy=2.000 kWh, valve=open, doubts=low-battery+jump");
        let missed = api::Reading { missed: "no-answer".to_owned(), ..Default::default() };
        assert_eq!(said(&missed), "missed: no-answer");
    }
}
