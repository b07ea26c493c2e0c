//! `hearth reading export`: everything a span of slots has in the database, in one file.
//!
//! ```text
//!   node --> parts --> [ PARTS_AHEAD ] --> a thread that writes --> temporary file --> FILE
//!                                                                        +-- broken or interrupted: removed
//! ```
//!
//! Promises: FILE is there only when it is complete: when as many rows were written as the node says in its last part that
//! there were; memory is bounded, however much is exported; numbers are those that are stored ([`columns`]). Refuses: an
//! existing file, unless told otherwise, and an end of the stream that says nothing.

mod columns;
mod comma;
mod parquet;
mod progress;
mod sink;
mod target;
#[cfg(test)]
mod tests;
mod xlsx;

use std::path::{Path, PathBuf};

use protocol::api::admin as api;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::client::Session;
use super::failure::Failure;
use super::format::count;
use super::when::{When, when};
use super::zone::Zone;
use progress::Progress;
use sink::Job;
use target::Target;

/// What `hearth reading export --help` says beyond the options.
pub const AFTER_HELP: &str = "\
Examples:
  hearth reading export november.parquet --from 2026-11-01 --to 2026-12-01
  hearth reading export bill.xlsx --from 2026-11-01 --to 2026-11-02 --line cellar --missed
  hearth reading export - --format csv --from 24h --meter 'flat 1' 'flat 2' | gzip > flats.csv.gz

Columns:
  meter, line, slot, kind, read_at, the quantities, meter_time, valve, quality, quality_words, missed. What a meter did
  not say is empty. A meter or line that is no more is told as #ID. quality is the number that is stored, quality_words
  its marks in words (low-battery+jump), empty where there is none. meter_time is the meter's own clock.
  csv      quantities in kWh, m3, kW, m3/h, degC, K and s, exact; kWh to seven digits, which is finer than the joule
           that is stored: times 3600000 and rounded it is that joule
  xlsx     the same as numbers; one that has more than 15 digits is text, since spreadsheets would round it. A sheet
           that is full is continued on the next
  parquet  the integers that are stored, with their unit in the column's name; slot and read_at as timestamps

Times:
  slot and read_at stand there twice: in UTC, which is never ambiguous, and beside it as the clocks of the plant's zone
  showed them, which is what a bill goes by: slot [UTC], slot [Asia/Shanghai] (parquet: slot, slot_local). --zone names
  another zone; with UTC, csv and xlsx have the UTC columns only. --from and --to go by the same zone: --from 2026-11-01
  begins at midnight there. A moment with Z or an offset is what it says.

Rows come by day of UTC, and in a day by meter and slot. Exit code 0 only where all of it was written: the cluster says at
the end how many rows there were, and as many are in the file. Where that is not so there is no file.";

/// Parts that wait to be written, at most.
const PARTS_AHEAD: usize = 4;

/// Arguments of `hearth reading export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to, or - for stdout.
    file: PathBuf,
    /// Slots from this moment on: 2026-11-01 (by --zone), 2026-11-01T06:00:00Z, or a time ago such as 2h.
    #[arg(long, value_parser = when)]
    from: Option<When>,
    /// Slots before this moment.
    #[arg(long, value_parser = when)]
    to: Option<When>,
    /// The zone of local times, and of --from and --to: an IANA name such as Europe/Helsinki, or UTC; the plant's if
    /// absent.
    #[arg(long, value_name = "NAME", value_parser = Zone::named)]
    zone: Option<Zone>,
    /// csv, xlsx or parquet; by the file's ending if absent.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only these meters; #ID names one that is no more.
    #[arg(long = "meter", value_name = "NAME", num_args = 1.., conflicts_with = "line")]
    meters: Vec<String>,
    /// Only the meters that are on this line.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    line: String,
    /// Slots that were missed, too, each with its reason.
    #[arg(long)]
    missed: bool,
    /// Overwrite the file, if there is one.
    #[arg(long)]
    force: bool,
}

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Comma-separated text, for anything.
    Csv,
    /// For spreadsheets.
    Xlsx,
    /// For data tools.
    Parquet,
}

/// Carries it out.
pub async fn run(args: Args, session: &Session) -> Result<(), Failure> {
    let format = args.format.map_or_else(|| by_ending(&args.file), Ok)?;
    let mut stop = Stop::new().map_err(|error| Failure::Refused(format!("signals of the system: {error}")))?;
    let target = Target::open(&args.file, args.force)?;
    let zone = match args.zone {
        Some(zone) => zone,
        None => Zone::of_plant(session).await?,
    };
    let request = api::ExportReadingsRequest {
        meters: args.meters,
        line: args.line,
        from: zone.millis("--from", args.from)?,
        to: zone.millis("--to", args.to)?,
        missed: args.missed,
    };
    let rows = tokio::select! {
        rows = transfer(request, session, &target, format, &zone) => rows?,
        () = stop.comes() => return Err(Failure::Refused(format!("interrupted: {} was not written", target.name()))),
    };
    let name = target.name();
    target.finish()?;
    eprintln!("{} {} in {name}", count(rows), if rows == 1 { "row" } else { "rows" });
    Ok(())
}

fn by_ending(file: &Path) -> Result<Format, Failure> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Ok(Format::Csv),
        "xlsx" => Ok(Format::Xlsx),
        "parquet" => Ok(Format::Parquet),
        _ => Err(Failure::Usage(format!(
            "{} ends with none of .csv, .xlsx and .parquet: name the format with --format",
            file.display()
        ))),
    }
}

/// From the node to the writing thread; the rows there were.
async fn transfer(
    request: api::ExportReadingsRequest,
    session: &Session,
    target: &Target,
    format: Format,
    zone: &Zone,
) -> Result<u64, Failure> {
    let mut parts = session.readings().export(request).await.map_err(Failure::of_look)?.into_inner();
    let (jobs, ended) = start(target, format, zone)?;
    let mut progress = Progress::new();
    let (mut rows, mut total) = (0, None);
    while let Some(part) = parts.message().await.map_err(Failure::of_look)? {
        rows += part.rows.len() as u64;
        total = part.total;
        progress.at(rows, part.about);
        if jobs.send(Job::Rows(part.rows)).await.is_err() {
            // The writer's own words say why it takes nothing any more.
            return written(ended, target).await.and(Err(target.incomplete("its writer ended early")));
        }
    }
    progress.closing();
    let total = total.ok_or_else(|| {
        target.incomplete(&format!("the node ended after {} rows without saying that it is the end", count(rows)))
    })?;
    let _ = jobs.send(Job::End).await;
    let written = written(ended, target).await?;
    progress.end();
    match written {
        Some(rows) if rows == total => Ok(rows),
        _ => Err(target.incomplete(&format!("{} rows came of the {} there are", count(rows), count(total)))),
    }
}

type Ended = oneshot::Receiver<anyhow::Result<Option<u64>>>;

/// The rows the writing thread wrote; `None` where it was not told that this was all.
async fn written(ended: Ended, target: &Target) -> Result<Option<u64>, Failure> {
    let end = ended.await.unwrap_or_else(|_| Err(anyhow::anyhow!("the writer ended without a word")));
    end.map_err(|error| target.fault(&error))
}

/// A thread that writes what it is sent, so that neither the node nor a signal waits for a disk.
fn start(target: &Target, format: Format, zone: &Zone) -> Result<(mpsc::Sender<Job>, Ended), Failure> {
    let (file, dir, zone) = (target.writer()?, target.dir(), zone.clone());
    let (jobs, jobs_receiver) = mpsc::channel(PARTS_AHEAD);
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = end.send(sink::write(format, file, &dir, &zone, jobs_receiver));
    });
    Ok((jobs, ended))
}

/// The wish of the outside that it ends.
struct Stop([Signal; 3]);

impl Stop {
    fn new() -> std::io::Result<Self> {
        let take = |kind| signal(kind);
        Ok(Self([take(SignalKind::interrupt())?, take(SignalKind::terminate())?, take(SignalKind::hangup())?]))
    }

    async fn comes(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hang_up.recv() => (),
        }
    }
}
