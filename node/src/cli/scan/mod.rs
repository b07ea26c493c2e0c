//! `hearth scan`: who is on a line.
//!
//! ```text
//!   --import-file there? ask --> scan, progress on stderr --> table or JSON --> import file
//! ```
//!
//! Promises: a file is overwritten only after a yes, asked before the scan; what was found is shown even where the scan
//! was cut short, and that is said and the exit code; meters that are registered are told as known. Refuses: registering
//! anybody.

mod file;
mod found;
mod progress;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use protocol::api::admin as api;
use protocol::scan::Method;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::meter;
use super::output::Out;
use found::{Finding, Known};
use progress::Progress;

/// What `hearth scan --help` says beyond the options.
pub const AFTER_HELP: &str = "\
Methods:
  primary    M-Bus, one primary address after the other: SND_NKE, and REQ_UD2 to whoever answers
  secondary  M-Bus, depth-first over the digits of the identification; A to E only where 0 to 9 brought nobody, or
             with --hex-digits
  cjt188     the address of whoever is alone on the line; several meters are told as a collision
  modbus     one unit after the other: one register is read, any answer tells of a slave

Where no method is named, those of the dialects of the line's meters are used; on a line without meters cjt188,
secondary, primary; over Modbus TCP modbus, and no other. The line's polls and commands go first, between probes.
Ctrl-C ends the scan.

Exit code 0 only where everything was looked at.";

/// Arguments of `hearth scan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The line's name.
    line: String,
    /// How to look; may be given several times, in this order.
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<Method>,
    /// The first primary address or unit; 0 is the primary address of meters nobody has given one.
    #[arg(long)]
    from: Option<u8>,
    /// The last primary address or unit.
    #[arg(long)]
    to: Option<u8>,
    /// Only secondary addresses like this: 8 digits, F for any; 16 with manufacturer, version and medium.
    #[arg(long, default_value = "", hide_default_value = true)]
    mask: String,
    /// Try the digits A to E of identifications beside decimal ones, too.
    #[arg(long)]
    hex_digits: bool,
    /// Probes, at most; as many as the node allows (survey.probes, 20,000) if absent.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    limit: u32,
    /// Writes the meters that are not registered yet to a file for `hearth meter import`.
    #[arg(long, value_name = "FILE")]
    import_file: Option<PathBuf>,
    /// Seconds between readings, in that file.
    #[arg(long, default_value_t = 900)]
    interval: u32,
    /// Do not ask before overwriting the file.
    #[arg(long, short)]
    yes: bool,
}

/// What a scan brought.
#[derive(Debug, Default)]
struct Outcome {
    found: Vec<api::FoundMeter>,
    probes: u32,
    is_complete: bool,
    /// Why it ended before its end.
    cut: Option<Failure>,
}

/// Carries it out.
pub async fn run(args: &Args, session: &Session, out: Out) -> Result<(), Failure> {
    if let Some(path) = args.import_file.as_ref().filter(|path| path.exists()) {
        confirm(Danger::Removal, &format!("what is in {} is overwritten", path.display()), args.yes)?;
    }
    let outcome = scan(args, session).await?;
    let known = Known::new(&meter::list(session, args.line.clone(), String::new(), String::new()).await?, &args.line);
    let findings = found::merged(&outcome.found, &known);
    out.show(|| found::json(&args.line, &findings, outcome.probes, outcome.is_complete), || found::table(&findings))?;
    if let Some(path) = &args.import_file {
        write_file(path, args, session, &findings).await?;
    }
    let what = format!("{} found, probes made: {}", meters(findings.len()), outcome.probes);
    match outcome.cut {
        Some(failure) => {
            eprintln!("hearth: {what} before the scan was cut short");
            Err(failure)
        }
        None if !outcome.is_complete => Err(Failure::Refused(format!(
            "{what}, and not everything was looked at: raise --limit, or narrow the scan"
        ))),
        None => {
            eprintln!("{what}");
            Ok(())
        }
    }
}

fn meters(count: usize) -> String {
    if count == 1 { "1 meter".to_owned() } else { format!("{count} meters") }
}

async fn scan(args: &Args, session: &Session) -> Result<Outcome, Failure> {
    let request = api::ScanLineRequest {
        name: args.line.clone(),
        methods: args.methods.iter().map(|method| method.name().to_owned()).collect(),
        from: args.from.map(u32::from),
        to: args.to.map(u32::from),
        mask: args.mask.to_ascii_uppercase(),
        probes: args.limit,
        hex_digits: args.hex_digits,
    };
    let mut stream = session.lines().scan(request).await.map_err(Failure::of_look)?.into_inner();
    let (mut outcome, mut progress) = (Outcome::default(), Progress::new());
    loop {
        let report = tokio::select! {
            report = stream.message() => report,
            _ = tokio::signal::ctrl_c() => {
                outcome.cut = Some(Failure::Refused("ended by Ctrl-C".to_owned()));
                break;
            }
            () = progress.beat() => continue,
        };
        match report {
            Ok(Some(report)) => {
                outcome.probes = report.probes;
                progress.report(&report, outcome.found.len() + report.found.len());
                outcome.found.extend(report.found);
                if report.over {
                    outcome.is_complete = report.complete;
                    break;
                }
            }
            Ok(None) => break,
            Err(status) if outcome.probes == 0 => return Err(Failure::of_look(status)),
            Err(status) => {
                outcome.cut = Some(Failure::of_look(status));
                break;
            }
        }
    }
    progress.end();
    Ok(outcome)
}

async fn write_file(
    path: &std::path::Path,
    args: &Args,
    session: &Session,
    findings: &[Finding],
) -> Result<(), Failure> {
    let taken = meter::list(session, String::new(), String::new(), format!("{}-", args.line)).await?;
    let rows = file::rows(findings, &args.line, args.interval, &taken);
    file::write(path, &rows).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
    eprintln!("{} in {}: look, then `hearth meter import {}`", meters(rows.len()), path.display(), path.display());
    if rows.iter().any(|row| row.disabled) {
        eprintln!("modbus does not say what its registers mean: name the profile of these rows, and enable them");
    }
    Ok(())
}
