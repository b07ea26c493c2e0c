//! The command line: one noun, one file.
//!
//! Promises: data on stdout, everything else on stderr; exit codes as documented in the help; dangerous acts show their
//! effect and ask. Refuses: changing a cluster by any other way than its console service.

mod bench;
mod calendar;
mod client;
mod command;
mod confirm;
mod decode;
mod demo;
mod export;
mod failure;
#[cfg(test)]
mod fake;
mod flat;
mod format;
mod import;
mod init;
mod join;
mod json;
mod ledger;
mod line;
mod meter;
mod node;
mod output;
mod pages;
mod profile;
mod reading;
mod rows;
mod scan;
mod schedule;
mod screen;
mod serve;
mod status;
#[cfg(test)]
mod testing;
mod trace;
mod unregistered;
mod when;
mod zone;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::Session;
use failure::Failure;
use output::{Format, Out};

/// What `hearth --help` says beyond the commands.
const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  refused or failed; for `hearth status`: something is critical; for `--wait`: the command did not succeed
  2  the command line is wrong
  3  the cluster (for readings: its database) cannot be reached, or has no leader; nothing was changed
  4  the outcome is unknown: look before trying again

Output:
  -o table is for people and may change. -o json is stable: the names are those of the fields in admin.proto
  (snake_case), enums are lower-case words, times are Unix milliseconds in UTC, bytes are hex digits. A list is an
  object with one array; a stream is one object a line. -o csv is that JSON laid flat (RFC 4180): one line of columns, named
  as the fields, then one line for each item; numbers raw, values of meters in a column for each quantity and its stored
  unit (energy [J]), labels in one cell. Data goes to stdout, everything else to stderr.";

/// A clustered head-end for heat metering.
#[derive(Debug, Parser)]
#[command(name = "hearth", version, after_long_help = AFTER_HELP, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command that talks to a cluster.
#[derive(Debug, clap::Args)]
struct Global {
    /// Nodes to ask, HOST:PORT, comma separated; the first that answers is asked.
    #[arg(long, global = true, env = "HEARTH_AT", value_delimiter = ',', default_value = "127.0.0.1:7400")]
    at: Vec<String>,
    /// How data is written to stdout.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Founds a cluster with this node as its first.
    Init(init::Args),
    /// Runs this node.
    Serve(serve::Args),
    /// Joins this node to a cluster.
    Join(join::Args),
    /// Shows a whole cluster at work on this machine.
    Demo(demo::Args),
    /// The cluster on one screen, with what is wrong and what to do next.
    Status(status::Args),
    /// The nodes: list, drain, resume, remove, hand leadership over.
    #[command(subcommand)]
    Node(node::Command),
    /// The lines: import, list, show, remove, watch, trace.
    #[command(subcommand)]
    Line(line::Command),
    /// The meters: import, list, show, remove, enable, disable.
    #[command(subcommand)]
    Meter(meter::Command),
    /// When meters are read: policies for many at once, the next slots of one, words without a cluster.
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// The plant's time zone and heating seasons: show, set.
    #[command(subcommand)]
    Calendar(calendar::Command),
    /// The readings: list, watch, export.
    #[command(subcommand)]
    Reading(reading::Command),
    /// What was due and what became of it: success rates by region, line, hour .., and who was not read.
    #[command(after_long_help = ledger::AFTER_HELP)]
    Ledger(ledger::Args),
    /// What is asked of meters: submit, show, list, cancel, watch.
    #[command(subcommand)]
    Command(command::Command),
    /// Looks for meters on a line: who is there, and which of them are not registered.
    #[command(after_long_help = scan::AFTER_HELP)]
    Scan(scan::Args),
    /// Decodes a telegram without a cluster.
    Decode(decode::Args),
    /// What a measurement needs from inside a node.
    #[command(hide = true)]
    Bench(bench::Args),
    /// The meter models that are known: check a profile of one's own, list, show.
    #[command(subcommand)]
    Profile(profile::Command),
}

/// Reads the command line and carries it out.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn carry_out(cli: Cli) -> Result<(), Failure> {
    let out = Out::new(cli.global.output);
    let at = cli.global.at;
    match cli.command {
        Command::Init(args) => Ok(init::run(&args)?),
        Command::Serve(args) => Ok(serve::run(&args)?),
        Command::Join(args) => Ok(join::run(&args)?),
        Command::Demo(args) => Ok(demo::run(args)?),
        Command::Status(args) => with_runtime(status::run(args, &at, out)),
        Command::Node(command) => with_session(&at, async |session| node::run(command, session, out).await),
        Command::Line(command) => with_session(&at, async |session| line::run(command, session, out).await),
        Command::Meter(command) => with_session(&at, async |session| meter::run(command, session, out).await),
        Command::Schedule(schedule::Command::Check(args)) => schedule::check(&args, out),
        Command::Schedule(command) => with_session(&at, async |session| schedule::run(command, session, out).await),
        Command::Calendar(command) => with_session(&at, async |session| calendar::run(command, session, out).await),
        Command::Reading(command) => with_session(&at, async |session| reading::run(command, session, out).await),
        Command::Ledger(args) => with_session(&at, async |session| ledger::run(args, session, out).await),
        Command::Command(command) => with_runtime(command::run(command, &at, out)),
        Command::Scan(args) => with_session(&at, async |session| scan::run(&args, session, out).await),
        Command::Bench(args) => Ok(bench::run(&args)?),
        Command::Decode(args) => decode::run(&args, cli.global.output),
        Command::Profile(command) => profile::run(&command, cli.global.output),
    }
}

fn with_session(at: &[String], work: impl AsyncFnOnce(&Session) -> Result<(), Failure>) -> Result<(), Failure> {
    with_runtime(async {
        let session = Session::open(at).await?;
        work(&session).await
    })
}

fn with_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Refused(format!("no runtime: {error}")))?.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn several_nodes_may_be_named_after_any_command() {
        let cli = Cli::try_parse_from(["hearth", "line", "list", "--at", "a:1,b:2", "-o", "json"]).expect("sound");
        assert_eq!(cli.global.at, ["a:1", "b:2"]);
        assert_eq!(cli.global.output, Format::Json);
    }

    #[test]
    fn the_help_documents_every_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        for code in ["\n  0  ", "\n  1  ", "\n  2  ", "\n  3  ", "\n  4  "] {
            assert!(help.contains(code), "{code:?} is not in the help");
        }
    }

    #[test]
    fn an_unknown_output_is_refused_as_usage() {
        let refused = Cli::try_parse_from(["hearth", "status", "-o", "xml"]).expect_err("no such output");
        assert_eq!(refused.exit_code(), 2);
    }
}
