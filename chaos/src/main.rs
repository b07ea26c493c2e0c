//! The command line of the stranger: serve a field, judge a run, kill nodes and measure.
//!
//! Promises: data on standard output, everything else on standard error; exit code 0 only for a field that ended in
//! good order, or for promises that were kept. Refuses: talking to the product.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use chaos::field::Field;
use chaos::field::config::Config;
use chaos::field::generate::{self, Numbers};
use chaos::judge::{self, Options};
use chaos::ledger;
use chaos::steady::plant::Plant;
use chaos::steady::report::Bounds;
use chaos::{drain, efficiency, failover, search, steady};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often a running field makes sure that its ledger still can be written.
const CHECK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
#[command(name = "chaos", version, about = "Simulated meters with a ledger of truth, and the judge of promises")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves simulated lines until SIGTERM or SIGINT; `chaos field --help` shows a field in words
    #[command(after_long_help = concat!(
        "A field in words, with every word there is (--config FILE):\n\n",
        include_str!("field/config/example.toml")
    ))]
    Field(FieldArgs),
    /// Compares a ledger with the product's tables; exit code 1 where a promise was broken
    Judge(JudgeArgs),
    /// Kills nodes of a real cluster and measures how long it is without them; exit code 1 where a run did not finish
    /// in time, or two nodes spoke on one line at once
    Failover(FailoverArgs),
    /// Polls slow lines and measures how much of their time is used, and what dead meters cost the live ones; exit code
    /// 1 where a live meter was late because of them
    Efficiency(EfficiencyArgs),
    /// Has a slow line searched for secondary addresses and measures probes and time; exit code 1 where a meter was not
    /// found, or not once
    Search(SearchArgs),
    /// Fills the spools of three stopped nodes, starts them and measures rows a second into the database, in turns with the
    /// database's own LOAD DATA of the same rows; exit code 1 where a row was lost, doubled or changed
    Drain(DrainArgs),
    /// Has meters read at a steady rate and measures the time from an answer on the line to its committed row, and what
    /// processors and memory that takes; exit code 1 where a reading was lost, doubled or changed, or a named bound was passed
    Steady(SteadyArgs),
    /// The meters of `steady`, in a process of their own
    #[command(hide = true)]
    SteadyField(SteadyFieldArgs),
}

#[derive(Debug, Args)]
struct FieldArgs {
    /// The field in words (TOML); instead of the numbers below
    #[arg(long, conflicts_with_all = ["dir", "lines", "meters", "serial", "dialin", "call", "silent", "seed", "baud", "interval_s"])]
    config: Option<PathBuf>,
    /// Where lines.csv, meters.csv, ledger.jsonl and the ttyN links appear
    #[arg(long, required_unless_present = "config")]
    dir: Option<PathBuf>,
    /// How many lines
    #[arg(long, default_value_t = 40)]
    lines: u32,
    /// How many meters in all
    #[arg(long, default_value_t = 800)]
    meters: u32,
    /// How many of the lines are pseudo-terminals; the others are TCP gateways
    #[arg(long, default_value_t = 0)]
    serial: u32,
    /// How many of the lines, the last ones, are behind units that call the addresses of --call
    #[arg(long, default_value_t = 0, requires = "call")]
    dialin: u32,
    /// An address that units call, one after another
    #[arg(long, value_name = "ADDRESS:PORT")]
    call: Vec<std::net::SocketAddr>,
    /// How many meters never answer
    #[arg(long, default_value_t = 0)]
    silent: u32,
    /// The seed of all physics
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Line speed, bit/s
    #[arg(long, default_value_t = 9600)]
    baud: u32,
    /// Seconds between the slots of each meter
    #[arg(long, default_value_t = 10)]
    interval_s: u32,
    /// Also stop when standard input closes
    #[arg(long)]
    stop_with_stdin: bool,
}

#[derive(Debug, Args)]
struct JudgeArgs {
    /// The field's directory
    #[arg(long)]
    dir: PathBuf,
    /// The product's database: mysql://user:password@host:port/name
    #[arg(long)]
    mysql: String,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// How far the wall clocks of nodes and field may differ, ms
    #[arg(long, default_value_t = judge::CLOCK_TOLERANCE_MS)]
    clock_tolerance_ms: i64,
}

#[derive(Debug, Args)]
struct FailoverArgs {
    /// How many kills of the leader, and as many of a follower
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// How many lines
    #[arg(long, default_value_t = 40)]
    lines: u32,
    /// How many meters in all
    #[arg(long, default_value_t = 800)]
    meters: u32,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Args)]
struct EfficiencyArgs {
    /// The speeds of the lines, bit/s; may be repeated
    #[arg(long = "baud", value_delimiter = ',', default_values_t = [300, 2400, 9600])]
    bauds: Vec<u32>,
    /// Live meters on each line
    #[arg(long, default_value_t = 60)]
    meters: u32,
    /// Slots looked at on the lines with and without dead meters
    #[arg(long, default_value_t = 8)]
    slots: u32,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Args)]
struct SearchArgs {
    /// The speed of the line, bit/s
    #[arg(long, default_value_t = 2400)]
    baud: u32,
    /// Meters on it
    #[arg(long, default_value_t = 250)]
    meters: u32,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Args)]
struct DrainArgs {
    /// Rows of one round
    #[arg(long, default_value_t = 300_000)]
    rows: u64,
    /// Meters they are of: a multiple of three, so that each node has as many
    #[arg(long, default_value_t = 12_000)]
    meters: u64,
    /// Rounds, each with a drain and two LOAD DATA: of rows in the order of the spools, and sorted by the key
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Rounds that do not empty the table, and no LOAD DATA: the first and the last part of a growing table are compared
    #[arg(long)]
    grow: bool,
    /// The buffer pool of the private server, MiB
    #[arg(long, default_value_t = 1024)]
    pool_mib: u32,
    /// Settings of `[mysql]` on every node, in place of the defaults: `connections = 1`; may be repeated
    #[arg(long = "set", value_name = "KEY = VALUE")]
    settings: Vec<String>,
    /// A server to measure instead of a private MariaDB: mysql://user:password@host:port; its database `hearth_bench` is
    /// made, and dropped
    #[arg(long)]
    mysql: Option<String>,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Args)]
struct SteadyArgs {
    #[command(flatten)]
    plant: Plant,
    /// How long it is measured, s
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How long the load runs before that, s
    #[arg(long, default_value_t = 30)]
    warm_up: u64,
    /// The buffer pool of the private server, MiB
    #[arg(long, default_value_t = 1024)]
    pool_mib: u32,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Args)]
struct SteadyFieldArgs {
    #[command(flatten)]
    plant: Plant,
    /// The seed of all physics
    #[arg(long)]
    seed: u64,
    /// Where the notes of answers go
    #[arg(long)]
    dir: PathBuf,
}

/// What every measurement takes.
#[derive(Debug, Args)]
struct BenchArgs {
    /// The binary of the product; else the one beside this program
    #[arg(long, env = "HEARTH_BIN")]
    hearth: Option<PathBuf>,
    /// The seed of physics and dice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the nodes' files, their logs and the ledger here; else they are gone with a good end
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Field(args) => serve(args).await,
        Command::Judge(args) => judge(args).await,
        Command::Failover(args) => failover(args).await,
        Command::Efficiency(args) => efficiency(args).await,
        Command::Search(args) => search(args).await,
        Command::Drain(args) => drain(args).await,
        Command::Steady(args) => steady(args).await,
        Command::SteadyField(args) => steady_field(args).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("chaos: {error:#}");
        ExitCode::from(2)
    })
}

async fn serve(args: FieldArgs) -> Result<ExitCode> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => generate::config(&numbers(&args)?)?,
    };
    let signals = Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    let field = Field::open(&config).await?;
    announce(&field)?;
    let outcome = stopped(&field, signals, args.stop_with_stdin).await;
    field.close().await?;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn numbers(args: &FieldArgs) -> Result<Numbers> {
    let FieldArgs { lines, meters, serial, dialin, silent, seed, baud, interval_s, .. } = *args;
    ensure!(serial <= lines, "--serial {serial} is more than --lines {lines}");
    ensure!(
        dialin <= lines - serial,
        "--dialin {dialin} is more than what --serial {serial} leaves of --lines {lines}"
    );
    ensure!(silent <= meters, "--silent {silent} is more than --meters {meters}");
    let dir = args.dir.clone().context("--dir is needed")?;
    let call = args.call.clone();
    Ok(Numbers { dir, lines, meters, serial, dialin, call, silent, baud, interval_s, seed })
}

fn announce(field: &Field) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "ready {}", field.dir().display()).and_then(|()| out.flush()).context("standard output")
}

/// Taken before the field says that it is ready: whoever waits for that may send one at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

async fn stopped(field: &Field, mut signals: Signals, with_stdin: bool) -> Result<()> {
    let mut check = tokio::time::interval(CHECK_EVERY);
    let stdin = async { if with_stdin { stdin_closed().await } else { std::future::pending().await } };
    tokio::pin!(stdin);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.interrupt.recv() => return Ok(()),
            () = &mut stdin => return Ok(()),
            _ = check.tick() => field.check()?,
        }
    }
}

/// Waits on a thread of its own: a read of standard input cannot be cancelled, and must not hold up the end.
async fn stdin_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read is as good as closed.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let _ = wait.await;
}

async fn judge(args: JudgeArgs) -> Result<ExitCode> {
    let events = ledger::reader::read(&args.dir.join(ledger::FILE_NAME))?;
    let tables = judge::database::read(&args.mysql).await?;
    let options = Options { clock_tolerance_ms: args.clock_tolerance_ms };
    let report = judge::judge(&events, &tables, options);
    let text = if args.json { serde_json::to_string(&report)? + "\n" } else { report.table() };
    std::io::stdout().write_all(text.as_bytes()).context("standard output")?;
    Ok(if report.is_kept() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn failover(args: FailoverArgs) -> Result<ExitCode> {
    let FailoverArgs { runs, lines, meters, bench } = args;
    let (hearth, seed) = (bench.hearth()?, bench.seed);
    let options = failover::Options { hearth, runs, lines, meters, seed }.checked()?;
    bench.measure(async |dir| failover::run(&options, dir).await, |report| (report.is_kept(), report.table())).await
}

async fn efficiency(args: EfficiencyArgs) -> Result<ExitCode> {
    let EfficiencyArgs { bauds, meters, slots, bench } = args;
    let (hearth, seed) = (bench.hearth()?, bench.seed);
    let options = efficiency::Options { hearth, bauds, meters, slots, seed }.checked()?;
    bench.measure(async |dir| efficiency::run(&options, dir).await, |report| (report.is_kept(), report.table())).await
}

async fn search(args: SearchArgs) -> Result<ExitCode> {
    let SearchArgs { baud, meters, bench } = args;
    let (hearth, seed) = (bench.hearth()?, bench.seed);
    let options = search::Options { hearth, baud, meters, seed }.checked()?;
    bench.measure(async |dir| search::run(&options, dir).await, |report| (report.is_kept(), report.table())).await
}

async fn drain(args: DrainArgs) -> Result<ExitCode> {
    let DrainArgs { rows, meters, rounds, grow, pool_mib, settings, mysql, bench } = args;
    let hearth = bench.hearth()?;
    let options = drain::Options { hearth, rows, meters, rounds, grow, pool_mib, settings, mysql }.checked()?;
    bench.measure(async |dir| drain::run(&options, dir).await, |report| (report.is_kept(), report.table())).await
}

async fn steady(args: SteadyArgs) -> Result<ExitCode> {
    let SteadyArgs { plant, seconds, warm_up, pool_mib, bounds, bench } = args;
    let (hearth, plant) = (bench.hearth()?, Plant { seed: bench.seed, ..plant });
    let options = steady::Options { hearth, plant, seconds, warm_up, pool_mib, bounds }.checked()?;
    bench.measure(async |dir| steady::run(&options, dir).await, |report| (report.is_kept(), report.table())).await
}

async fn steady_field(args: SteadyFieldArgs) -> Result<ExitCode> {
    let SteadyFieldArgs { plant, seed, dir } = args;
    let plant = Plant { seed, ..plant };
    plant.check()?;
    let served = tokio::task::spawn_blocking(move || steady::field::serve(&plant, &dir)).await;
    served.context("the field")?.map(|()| ExitCode::SUCCESS)
}

impl BenchArgs {
    fn hearth(&self) -> Result<PathBuf> {
        self.hearth.clone().map_or_else(beside, Ok)
    }

    /// Measures in a directory of its own, which is kept where the end was not good, and prints the report.
    async fn measure<R: Serialize>(
        self,
        run: impl AsyncFnOnce(&Path) -> Result<R>,
        judged: impl Fn(&R) -> (bool, String),
    ) -> Result<ExitCode> {
        let mut scratch = tempfile::Builder::new().prefix("chaos-").tempdir().context("a scratch directory")?;
        let dir = self.dir.unwrap_or_else(|| scratch.path().to_owned());
        let measured = tokio::select! {
            measured = run(&dir) => measured,
            stopped = tokio::signal::ctrl_c() => Err(stopped.map_or_else(Into::into, |()| anyhow!("interrupted"))),
        };
        let is_kept = measured.as_ref().is_ok_and(|report| judged(report).0);
        if !is_kept {
            eprintln!("chaos: logs and ledger stay in {}", dir.display());
            scratch.disable_cleanup(dir == scratch.path());
        }
        let report = measured?;
        let text = if self.json { serde_json::to_string(&report)? + "\n" } else { judged(&report).1 };
        std::io::stdout().write_all(text.as_bytes()).context("standard output")?;
        Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// The product's binary in the directory of this one.
fn beside() -> Result<PathBuf> {
    Ok(std::env::current_exe().context("this program's own path")?.with_file_name("hearth"))
}
