//! `hearth line`: the lines.
//!
//! Promises: an import that has a fault changes nothing and shows every fault. Refuses: guessing names.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use protocol::api::admin as api;
use tonic::Response;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::format::{labels, moment, word};
use super::import::{read, show_import};
use super::output::{Out, table};
use super::{json, pages, rows, trace, unregistered};

/// What may be done with lines.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Creates or updates lines from a CSV file: all rows or none.
    #[command(after_help = "Columns, named by the first row: name, endpoint (tcp://HOST:PORT, \
                            modbus-tcp://HOST:PORT, serial:///dev/NAME or dialin://UNIT); optional: \
                            baud, parity, extra_answer_ms, repeats, requires (name=value;name=value), schedule \
                            (of its meters that have no other: every 15m in season; daily 00:00), region, station, \
                            community, building, unit, household and labels (others, name=value;name=value), which \
                            its meters have, too. A row says all there is of its line: what it leaves out is taken \
                            back.")]
    Import {
        /// The file; - is stdin.
        file: PathBuf,
    },
    /// Lists lines by name. LOAD is what reading takes of the time there is for it, at the worst.
    List {
        /// Only those held by this node, by id.
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        node: u64,
        /// Only those whose name contains this.
        #[arg(default_value = "", hide_default_value = true)]
        name: String,
    },
    /// Shows a line and why it is where it is.
    Show {
        /// Its name.
        name: String,
    },
    /// Lists units that called in and have no line.
    Unregistered,
    /// Forgets a line that has no meters.
    Remove {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Shows every change of ownership from now on.
    Watch {
        /// First the present state of every line.
        #[arg(long)]
        present: bool,
    },
    /// Shows what is said and heard on a line, as it happens, in hex and in words.
    #[command(
        after_help = "A row: time (UTC), -> said or <- heard, what asked (poll, read-back, command, scan and its \
                            meter), the frame in words, its bytes. What is no frame is noise."
    )]
    Trace(trace::Args),
}

/// Carries it out.
pub async fn run(command: Command, session: &Session, out: Out) -> Result<(), Failure> {
    match command {
        Command::Import { file } => import(&file, session, out).await,
        Command::List { node, name } => {
            let lines = list(session, node, name).await?;
            out.show(|| json::lines(&lines), || lines_table(&lines))
        }
        Command::Show { name } => {
            let line = get(session, name).await?;
            out.show(|| json::line(&line), || shown(&line))
        }
        Command::Unregistered => unregistered::run(session, out).await,
        Command::Remove { name, yes } => {
            let line = get(session, name.clone()).await?;
            confirm(Danger::Removal, &removal(&line), yes)?;
            let request = api::RemoveLineRequest { name: name.clone(), key: String::new() };
            session.lines().remove(request).await.map_err(Failure::of_change)?;
            eprintln!("line {name} is forgotten");
            Ok(())
        }
        Command::Watch { present } => {
            let request = api::WatchLinesRequest { send_present: present };
            let mut stream = session.lines().watch(request).await.map_err(Failure::of_look)?.into_inner();
            while let Some(line) = stream.message().await.map_err(Failure::of_look)? {
                out.item(|| json::line(&line), || change(&line))?;
            }
            Ok(())
        }
        Command::Trace(args) => trace::run(&args, session, out).await,
    }
}

async fn import(file: &Path, session: &Session, out: Out) -> Result<(), Failure> {
    let lines = read(file, rows::lines, out)?;
    let request = api::ImportLinesRequest { lines, key: String::new() };
    let reply = session.lines().import(request).await.map_err(Failure::of_change)?.into_inner();
    show_import(&reply, out)
}

async fn get(session: &Session, name: String) -> Result<api::Line, Failure> {
    let reply = session.lines().get(api::GetLineRequest { name }).await;
    reply.map(Response::into_inner).map_err(Failure::of_look)
}

async fn list(session: &Session, node: u64, name: String) -> Result<Vec<api::Line>, Failure> {
    let asked = api::ListLinesRequest { node, name_contains: name, limit: pages::SIZE, page_token: String::new() };
    pages::all(async |page_token| {
        let asked = api::ListLinesRequest { page_token, ..asked.clone() };
        let page = session.lines().list(asked).await.map_err(Failure::of_look)?.into_inner();
        Ok((page.lines, page.next_page_token))
    })
    .await
}

fn phase(line: &api::Line) -> String {
    word(line.phase().as_str_name(), "PHASE_")
}

fn owner(line: &api::Line) -> String {
    match (line.node, line.to) {
        (0, _) => "-".to_owned(),
        (node, 0) => node.to_string(),
        (node, to) => format!("{node} -> {to}"),
    }
}

fn lines_table(lines: &[api::Line]) -> String {
    let row = |line: &api::Line| {
        let spec = line.spec.clone().unwrap_or_default();
        let (epoch, meters, labels) = (line.epoch.to_string(), line.meters.to_string(), labels(&spec.labels));
        [spec.name, spec.endpoint, phase(line), owner(line), epoch, meters, load(line), spec.schedule, labels]
    };
    let titles = ["NAME", "ENDPOINT", "PHASE", "NODE", "EPOCH", "METERS", "LOAD", "SCHEDULE", "LABELS"];
    table(titles, &["EPOCH", "METERS", "LOAD"], lines.iter().map(row))
}

/// Percent, rounded up: what is too much is shown as more than 100.
fn load(line: &api::Line) -> String {
    line.load_permille.map_or_else(String::new, |permille| format!("{} %", permille.div_ceil(10)))
}

fn shown(line: &api::Line) -> String {
    let spec = line.spec.clone().unwrap_or_default();
    [
        format!("line      {} (id {})", spec.name, line.id),
        format!("endpoint  {}, {} bit/s, parity {}", spec.endpoint, spec.baud, spec.parity),
        format!("answers   {} ms more than the standard, {} repeats", spec.extra_answer_ms, spec.repeats.unwrap_or(0)),
        format!("requires  {}", labels(&spec.requires)),
        format!("labels    {}", labels(&spec.labels)),
        format!("schedule  {}", if spec.schedule.is_empty() { "none of its own" } else { spec.schedule.as_str() }),
        format!("meters    {}", line.meters),
        format!("load      {} of the time in which they have to be read", load(line)),
        format!("owner     {}, {}, epoch {}, since {} UTC", owner(line), phase(line), line.epoch, moment(line.since)),
        format!("why       {}", line.why),
    ]
    .map(|row| row.trim_end().to_owned())
    .join("\n")
}

fn change(line: &api::Line) -> String {
    let name = line.spec.as_ref().map(|spec| spec.name.as_str()).unwrap_or_default();
    let (since, phase) = (moment(line.since), phase(line));
    format!("{since}  {name}  {phase}  node {}  epoch {}  {}", owner(line), line.epoch, line.why)
}

fn removal(line: &api::Line) -> String {
    let spec = line.spec.clone().unwrap_or_default();
    format!("line {} ({}) with {} meters is forgotten", spec.name, spec.endpoint, line.meters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_line_shows_from_where_to_where() {
        let moving = api::Line { node: 2, to: 3, ..api::Line::default() };
        assert_eq!(owner(&moving), "2 -> 3");
        assert_eq!(owner(&api::Line::default()), "-");
    }

    #[test]
    fn a_load_is_shown_in_percent_and_never_as_less_than_it_is() {
        let loaded = |permille| load(&api::Line { load_permille: permille, ..api::Line::default() });
        assert_eq!([Some(1_001), Some(70), None].map(loaded), ["101 %", "7 %", ""]);
    }
}
