//! `hearth meter`: the meters.
//!
//! Promises: an import that has a fault changes nothing and shows every fault. Refuses: guessing names.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use protocol::api::admin as api;
use tonic::Response;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::format::labels;
use super::import::{read, show_import};
use super::output::{Out, table};
use super::{json, pages, rows};

/// What may be done with meters.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Creates or updates meters from a CSV file: all rows or none.
    #[command(after_help = "Columns, named by the first row: name, line, dialect (mbus, cjt188, modbus), address \
                            (mbus: 1 to 250, or 16 hex digits of a secondary address, with - and 8 of the fabrication \
                            number where two share it; cjt188: up to 14 digits; modbus: 1 to 247); of modbus meters and \
                            optional of others: profile; optional: schedule (every 15m in season; daily 00:00) or, as \
                            before, interval_s and offset_s; disabled (true or false); identity (what the meter has to \
                            say it is); region, station, community, building, unit, household and labels (others, \
                            name=value;name=value), which go before its line's. A meter without a schedule is read as \
                            the first policy says that selects it, else its line, else every 15 minutes. A row says \
                            all there is of its meter: what it leaves out is taken back.")]
    Import {
        /// The file; - is stdin.
        file: PathBuf,
    },
    /// Lists meters by name.
    List {
        /// Only those on this line.
        #[arg(long, default_value = "", hide_default_value = true)]
        line: String,
        /// Only those that have this label, their own or their line's: station=S1 or building=12*; all of several.
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// Only those whose name contains this.
        #[arg(default_value = "", hide_default_value = true)]
        name: String,
    },
    /// Shows a meter.
    Show {
        /// Its name.
        name: String,
    },
    /// Forgets a meter; its readings stay in the database.
    Remove {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Starts a meter's schedule.
    Enable {
        /// Its name.
        name: String,
    },
    /// Stops a meter's schedule.
    Disable {
        /// Its name.
        name: String,
    },
}

/// Carries it out.
pub async fn run(command: Command, session: &Session, out: Out) -> Result<(), Failure> {
    match command {
        Command::Import { file } => import(&file, session, out).await,
        Command::List { line, labels, name } => {
            let meters = list(session, line, labels.join(","), name).await?;
            out.show(|| json::meters(&meters), || meters_table(&meters))
        }
        Command::Show { name } => {
            let meter = get(session, name).await?;
            out.show(|| json::meter(&meter), || shown(&meter))
        }
        Command::Remove { name, yes } => {
            let meter = get(session, name.clone()).await?;
            confirm(Danger::Removal, &removal(&meter), yes)?;
            let request = api::RemoveMeterRequest { name: name.clone(), key: String::new() };
            session.meters().remove(request).await.map_err(Failure::of_change)?;
            eprintln!("meter {name} is forgotten");
            Ok(())
        }
        Command::Enable { name } => enable(session, name, true, out).await,
        Command::Disable { name } => enable(session, name, false, out).await,
    }
}

async fn import(file: &Path, session: &Session, out: Out) -> Result<(), Failure> {
    let meters = read(file, rows::meters, out)?;
    let request = api::ImportMetersRequest { meters, key: String::new() };
    let reply = session.meters().import(request).await.map_err(Failure::of_change)?.into_inner();
    show_import(&reply, out)
}

async fn enable(session: &Session, name: String, enabled: bool, out: Out) -> Result<(), Failure> {
    let request = api::SetMeterEnabledRequest { name, enabled, key: String::new() };
    let meter = session.meters().set_enabled(request).await.map_err(Failure::of_change)?.into_inner();
    out.show(|| json::meter(&meter), || shown(&meter))
}

async fn get(session: &Session, name: String) -> Result<api::Meter, Failure> {
    let reply = session.meters().get(api::GetMeterRequest { name }).await;
    reply.map(Response::into_inner).map_err(Failure::of_look)
}

pub(super) async fn list(
    session: &Session,
    line: String,
    selector: String,
    name: String,
) -> Result<Vec<api::Meter>, Failure> {
    let asked =
        api::ListMetersRequest { line, name_contains: name, limit: pages::SIZE, page_token: String::new(), selector };
    pages::all(async |page_token| {
        let asked = api::ListMetersRequest { page_token, ..asked.clone() };
        let page = session.meters().list(asked).await.map_err(Failure::of_look)?.into_inner();
        Ok((page.meters, page.next_page_token))
    })
    .await
}

fn schedule(meter: &api::Meter) -> String {
    if meter.spec.as_ref().is_some_and(|spec| spec.disabled) { "disabled".to_owned() } else { meter.schedule.clone() }
}

fn meters_table(meters: &[api::Meter]) -> String {
    let row = |meter: &api::Meter| {
        let spec = meter.spec.clone().unwrap_or_default();
        let (node, by, labels) = (meter.node.to_string(), meter.schedule_by.clone(), labels(&meter.labels));
        [spec.name, spec.line, node, spec.dialect, spec.address, spec.profile, schedule(meter), by, labels]
    };
    let header = ["NAME", "LINE", "NODE", "DIALECT", "ADDRESS", "PROFILE", "READ", "BY", "LABELS"];
    table(header, &["NODE"], meters.iter().map(row))
}

fn shown(meter: &api::Meter) -> String {
    let spec = meter.spec.clone().unwrap_or_default();
    let profile = if spec.profile.is_empty() { "recognised by its answer" } else { spec.profile.as_str() };
    let identity = if spec.identity.is_empty() { "any" } else { spec.identity.as_str() };
    [
        format!("meter    {} (id {})", spec.name, meter.id),
        format!("line     {} (id {}), held by node {}", spec.line, meter.line_id, meter.node),
        format!("address  {} {}", spec.dialect, spec.address),
        format!("profile  {profile}"),
        format!("read     {} (by {})", schedule(meter), meter.schedule_by),
        format!("labels   {}", labels(&meter.labels)),
        format!("identity {identity}"),
    ]
    .map(|row| row.trim_end().to_owned())
    .join("\n")
}

fn removal(meter: &api::Meter) -> String {
    let spec = meter.spec.clone().unwrap_or_default();
    format!(
        "meter {} ({} {} on line {}) is forgotten; its readings stay in the database",
        spec.name, spec.dialect, spec.address, spec.line
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_shows_by_what_it_is_read_and_whose_word_that_is() {
        let spec = api::MeterSpec { name: "m".to_owned(), identity: "12".to_owned(), ..Default::default() };
        let (schedule, schedule_by) = ("daily 00:00".to_owned(), "policy bills".to_owned());
        let labels = [("station".to_owned(), "S1".to_owned()), ("building".to_owned(), "3".to_owned())].into();
        let mut meter = api::Meter { spec: Some(spec), schedule, schedule_by, labels, ..Default::default() };
        let text = shown(&meter);
        assert!(text.contains("read     daily 00:00 (by policy bills)\nlabels   building=3 station=S1"), "{text}");
        assert!(text.ends_with("identity 12"), "{text}");
        meter.spec = Some(api::MeterSpec { disabled: true, ..Default::default() });
        assert!(shown(&meter).contains("read     disabled"));
    }
}
