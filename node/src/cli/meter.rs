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
use super::import::{read, show_import};
use super::output::{Out, table};
use super::{json, pages, rows};

/// What may be done with meters.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Creates or updates meters from a CSV file: all rows or none.
    #[command(after_help = "Columns, named by the first row: name, line, dialect (mbus, cjt188, modbus), address \
                            (mbus: 1 to 250, or 16 hex digits of a secondary address, with - and 8 of the fabrication \
                            number where two share it; cjt188: up to 14 digits; modbus: 1 to 247); of modbus meters and optional of others: profile; optional: interval_s, offset_s, \
                            disabled (true or false).")]
    Import {
        /// The file; - is stdin.
        file: PathBuf,
    },
    /// Lists meters by name.
    List {
        /// Only those on this line.
        #[arg(long, default_value = "", hide_default_value = true)]
        line: String,
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
        Command::List { line, name } => {
            let meters = list(session, line, name).await?;
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

pub(super) async fn list(session: &Session, line: String, name: String) -> Result<Vec<api::Meter>, Failure> {
    let asked = api::ListMetersRequest { line, name_contains: name, limit: pages::SIZE, page_token: String::new() };
    pages::all(async |page_token| {
        let asked = api::ListMetersRequest { page_token, ..asked.clone() };
        let page = session.meters().list(asked).await.map_err(Failure::of_look)?.into_inner();
        Ok((page.meters, page.next_page_token))
    })
    .await
}

fn schedule(spec: &api::MeterSpec) -> String {
    match (spec.disabled, spec.offset_s) {
        (true, _) => "disabled".to_owned(),
        (false, 0) => format!("every {} s", spec.interval_s),
        (false, offset) => format!("every {} s + {offset} s", spec.interval_s),
    }
}

fn meters_table(meters: &[api::Meter]) -> String {
    let row = |meter: &api::Meter| {
        let spec = meter.spec.clone().unwrap_or_default();
        let schedule = schedule(&spec);
        [spec.name, spec.line, meter.node.to_string(), spec.dialect, spec.address, spec.profile, schedule]
    };
    table(["NAME", "LINE", "NODE", "DIALECT", "ADDRESS", "PROFILE", "READ"], &["NODE"], meters.iter().map(row))
}

fn shown(meter: &api::Meter) -> String {
    let spec = meter.spec.clone().unwrap_or_default();
    let profile = if spec.profile.is_empty() { "recognised by its answer" } else { spec.profile.as_str() };
    [
        format!("meter    {} (id {})", spec.name, meter.id),
        format!("line     {} (id {}), held by node {}", spec.line, meter.line_id, meter.node),
        format!("address  {} {}", spec.dialect, spec.address),
        format!("profile  {profile}"),
        format!("read     {}", schedule(&spec)),
    ]
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
    fn a_schedule_is_told_in_seconds_and_a_disabled_meter_as_such() {
        let spec = |offset_s, disabled| api::MeterSpec { interval_s: 900, offset_s, disabled, ..Default::default() };
        assert_eq!(schedule(&spec(0, false)), "every 900 s");
        assert_eq!(schedule(&spec(30, false)), "every 900 s + 30 s");
        assert_eq!(schedule(&spec(30, true)), "disabled");
    }
}
