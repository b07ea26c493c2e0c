//! The demo's simulated field: the `chaos` program as a process of its own, and what it tells about itself.
//!
//! Promises: lines and meters are registered as the field wrote them down; what a valve really did is read from the
//! meter's own ledger, not from the cluster. Refuses: any arrangement with the field beside its files.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use protocol::api::admin::{LineSpec, MeterSpec};
use protocol::meter::Action;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader as AsyncReader};
use tokio::time::timeout;

use super::place::Place;
use super::processes::{Process, Program};
use super::town;

/// For all simulated lines to be served.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// For the ledger to be written out.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Names the file of the `chaos` program; otherwise it is looked for beside this one.
pub(super) const CHAOS_VARIABLE: &str = "HEARTH_CHAOS";

/// How large a field is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Lines.
    pub(super) lines: u32,
    /// Meters on all of them.
    pub(super) meters: u32,
    /// How many of the lines are serial ports.
    pub(super) serial: u32,
    /// How many of them are behind units that call.
    pub(super) dialin: u32,
    /// From slot to slot, seconds.
    pub(super) interval_s: u32,
    /// Of all physics.
    pub(super) seed: u64,
}

/// The simulated field.
#[derive(Debug)]
pub(super) struct Field {
    dir: PathBuf,
    chaos: PathBuf,
    process: Option<Process>,
}

/// Where the `chaos` program is.
pub(super) fn chaos() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(CHAOS_VARIABLE) {
        let file = PathBuf::from(named);
        ensure!(file.is_file(), "{CHAOS_VARIABLE} names {}, which is no file", file.display());
        return Ok(file);
    }
    let beside = std::env::current_exe().context("this program's own file")?.with_file_name("chaos");
    let remedy = format!("build it (`cargo build --release -p chaos`), or name it in {CHAOS_VARIABLE}");
    ensure!(
        beside.is_file(),
        "the simulated meters are a program of their own, not found at {}: {remedy}",
        beside.display()
    );
    Ok(beside)
}

impl Field {
    /// A field that is not there yet.
    pub(super) fn plan(place: &Place) -> Result<Self> {
        Ok(Self { dir: place.folder("field")?, chaos: chaos()?, process: None })
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The program it is.
    pub(super) fn program(&self) -> &Path {
        &self.chaos
    }

    /// Its ledger.
    pub(super) fn ledger(&self) -> Ledger {
        Ledger { file: self.dir.join("ledger.jsonl") }
    }

    /// Starts it and waits until every line is served; its units call `calls` in turn.
    pub(super) async fn start(&mut self, size: Size, calls: &[SocketAddr]) -> Result<()> {
        let mut args: Vec<OsString> = vec!["field".into(), "--dir".into(), self.dir.clone().into()];
        let numbers = [("--lines", size.lines), ("--meters", size.meters), ("--serial", size.serial)];
        let more = [("--dialin", size.dialin), ("--baud", 9600), ("--interval-s", size.interval_s)];
        for (flag, number) in numbers.into_iter().chain(more) {
            args.extend([flag.into(), number.to_string().into()]);
        }
        args.extend(calls.iter().flat_map(|call| ["--call".into(), call.to_string().into()]));
        args.extend(["--seed".into(), size.seed.to_string().into()]);
        let log = self.dir.join("log");
        let program = Program { name: "chaos field".to_owned(), path: self.chaos.clone(), args, log };
        let (process, stdout) = program.start_listening()?;
        let mut said = AsyncReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = said.next_line().await.context("chaos field")? {
                if line.starts_with("ready") {
                    return Ok(());
                }
            }
            bail!("chaos field ended{}", process.log_tail())
        };
        timeout(READY_LIMIT, ready)
            .await
            .with_context(|| format!("chaos field is not ready within {READY_LIMIT:?}"))??;
        // Whatever it says later must not block it.
        tokio::task::spawn_local(async move { while let Ok(Some(_)) = said.next_line().await {} });
        self.process = Some(process);
        Ok(())
    }

    /// Ends it: the meters fall silent, and the ledger is complete.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        ensure!(
            process.stop(STOP_LIMIT).await?,
            "chaos field did not stop within {STOP_LIMIT:?}: its ledger is cut short"
        );
        Ok(())
    }

    /// What it ended with, if it ended unasked.
    pub(super) fn fallen(&mut self) -> Option<String> {
        let process = self.process.as_mut()?;
        let status = process.ended()?;
        let text = format!("chaos field ended by itself, {status}{}", process.log_tail());
        self.process = None;
        Some(text)
    }

    /// The lines to register, each with its place.
    pub(super) fn lines(&self) -> Result<Vec<LineSpec>> {
        let lines = self.line_rows()?.into_iter().zip(0..);
        Ok(lines.map(|(line, number)| LineSpec { labels: town::line(number), ..line }).collect())
    }

    /// The meters to register, each with its place; some of them with a schedule in words.
    pub(super) fn meters(&self) -> Result<Vec<MeterSpec>> {
        Ok(town::settle(self.meter_rows()?))
    }

    fn line_rows(&self) -> Result<Vec<LineSpec>> {
        rows(&self.dir.join("lines.csv"), "name,endpoint,baud,parity,extra_answer_ms,repeats", |cells| {
            let [name, endpoint, baud, parity, extra, repeats] = cells else { return None };
            Some(LineSpec {
                name: (*name).to_owned(),
                endpoint: device(endpoint),
                baud: baud.parse().ok()?,
                parity: (*parity).to_owned(),
                extra_answer_ms: extra.parse().ok()?,
                repeats: Some(repeats.parse().ok()?),
                ..LineSpec::default()
            })
        })
    }

    fn meter_rows(&self) -> Result<Vec<MeterSpec>> {
        rows(&self.dir.join("meters.csv"), "name,line,dialect,address,profile,interval_s,offset_s", |cells| {
            let [name, line, dialect, address, profile, interval, offset] = cells else { return None };
            Some(MeterSpec {
                name: (*name).to_owned(),
                line: (*line).to_owned(),
                dialect: (*dialect).to_owned(),
                address: (*address).to_owned(),
                profile: (*profile).to_owned(),
                interval_s: interval.parse().ok()?,
                offset_s: offset.parse().ok()?,
                ..MeterSpec::default()
            })
        })
    }
}

/// A node takes serial ports only under /dev; the field's terminals are links to such.
fn device(endpoint: &str) -> String {
    let port = endpoint.strip_prefix("serial://").map(Path::new).and_then(|link| link.canonicalize().ok());
    port.map_or_else(|| endpoint.to_owned(), |port| format!("serial://{}", port.display()))
}

fn rows<T>(file: &Path, head: &str, row: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut lines = text.lines();
    let found = lines.next().unwrap_or_default();
    ensure!(found == head, "{}: the columns are \"{found}\", expected \"{head}\"", file.display());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            row(&cells).with_context(|| format!("{}: row \"{line}\" does not fit \"{head}\"", file.display()))
        })
        .collect()
}

/// What the meters themselves wrote down.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    file: PathBuf,
}

/// The part of an entry that is of interest here.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Noted {
    Meter {
        meter: String,
        dialect: String,
        #[serde(default)]
        valve: bool,
    },
    Valve {
        meter: String,
        state: String,
    },
    #[serde(other)]
    Else,
}

impl Ledger {
    fn noted(&self) -> Result<impl Iterator<Item = Noted> + use<>> {
        let file = std::fs::File::open(&self.file).with_context(|| self.file.display().to_string())?;
        // The last line may still be on its way.
        Ok(BufReader::new(file).lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()))
    }

    /// The meters that have a valve. Those of CJ/T 188 first: there a valve is part of the standard, elsewhere of a profile.
    pub(super) fn valves(&self) -> Result<Vec<String>> {
        let meters = self.noted()?.filter_map(|noted| match noted {
            Noted::Meter { meter, dialect, valve: true } => Some((dialect != "cjt188", meter)),
            _ => None,
        });
        let mut meters: Vec<_> = meters.collect();
        meters.sort_by_key(|(is_later, _)| *is_later);
        Ok(meters.into_iter().map(|(_, meter)| meter).collect())
    }

    /// What the meter's valve was last seen doing by the meter itself.
    fn valve(&self, name: &str) -> Result<Option<String>> {
        let states = self.noted()?.filter_map(|noted| match noted {
            Noted::Valve { meter, state } if meter == name => Some(state),
            _ => None,
        });
        Ok(states.last())
    }

    /// Whether the meter itself wrote down that its valve arrived where `action` wants it.
    pub(super) fn arrived(&self, meter: &str, action: Action) -> Result<bool> {
        let wanted = match action {
            Action::ValveOpen => "open",
            Action::ValveClose => "closed",
            Action::ReadNow => return Ok(true),
        };
        Ok(self.valve(meter)?.as_deref() == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(files: &[(&str, &str)]) -> (tempfile::TempDir, Field) {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        let field = Field { dir: dir.path().to_owned(), chaos: PathBuf::new(), process: None };
        (dir, field)
    }

    #[test]
    fn lines_and_meters_are_read_as_the_field_wrote_them() {
        let (_dir, field) = field(&[
            (
                "lines.csv",
                "name,endpoint,baud,parity,extra_answer_ms,repeats\n\
                 line-001,serial:///dev/pts/3,9600,even,300,2\n",
            ),
            (
                "meters.csv",
                "name,line,dialect,address,profile,interval_s,offset_s\n\
                 line-001-m001,line-001,cjt188,11110000001001,,10,3\n",
            ),
        ]);
        let lines = field.lines().expect("lines");
        assert_eq!(
            lines.first().map(|line| (line.endpoint.as_str(), line.repeats)),
            Some(("serial:///dev/pts/3", Some(2)))
        );
        let meters = field.meters().expect("meters");
        assert_eq!(meters.first().map(|meter| (meter.interval_s, meter.offset_s)), Some((10, 3)));
    }

    #[test]
    fn a_link_to_a_serial_port_is_registered_as_the_port_it_leads_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let link = dir.path().join("tty0");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        assert_eq!(device(&format!("serial://{}", link.display())), "serial:///dev/null");
        assert_eq!(device("tcp://127.0.0.1:4001"), "tcp://127.0.0.1:4001");
    }

    #[test]
    fn a_row_that_does_not_fit_is_named() {
        let (_dir, field) =
            field(&[("lines.csv", "name,endpoint,baud,parity,extra_answer_ms,repeats\nx,y,fast,even,0,2\n")]);
        let text = field.lines().expect_err("a refusal").to_string();
        assert!(text.contains("x,y,fast,even,0,2"), "{text}");
    }

    #[test]
    fn a_valve_is_where_the_meter_last_wrote_it_down() {
        let ledger = concat!(
            r#"{"event":"start","at":{"mono":1,"wall":1},"seed":0}"#,
            "\n",
            r#"{"event":"meter","meter":"m1","line":"l","dialect":"mbus","address":"1","interval_s":10,"offset_s":0,"valve":true}"#,
            "\n",
            r#"{"event":"meter","meter":"m2","line":"l","dialect":"mbus","address":"2","interval_s":10,"offset_s":0}"#,
            "\n",
            r#"{"event":"valve","at":{"mono":2,"wall":2},"meter":"m1","line":"l","state":"moving","cause":1}"#,
            "\n",
            r#"{"event":"valve","at":{"mono":3,"wall":3},"meter":"m1","line":"l","state":"closed","cause":1}"#,
            "\n{\"event\":\"val",
        );
        let (_dir, field) = field(&[("ledger.jsonl", ledger)]);
        assert_eq!(field.ledger().valves().expect("valves"), ["m1"]);
        assert!(field.ledger().arrived("m1", Action::ValveClose).expect("an answer"));
        assert!(!field.ledger().arrived("m1", Action::ValveOpen).expect("an answer"));
        assert!(!field.ledger().arrived("m2", Action::ValveClose).expect("an answer"));
    }
}
