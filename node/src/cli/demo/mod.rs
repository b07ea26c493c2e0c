//! `hearth demo`: a whole cluster on one machine, with a field of simulated meters and a judge.
//!
//! ```text
//!   hearth demo --+-- mariadbd            private, on a free port
//!                 +-- chaos field         40 lines, 800 meters, a ledger of what they really said
//!                 +-- hearth serve x 3    own directories, own ports
//!                 +-- screen | script     the same acts either way
//!                 +-- chaos judge         the ledger against the tables --> exit code
//! ```
//!
//! Promises: everything it starts it also ends, on every way out; the cluster is reached only as a stranger reaches it,
//! through programs and the public API; the exit code is 0 only if the judge found everything as promised and no step
//! failed. A second signal while it ends kills what is left at once. The words of a script are in [`script`].
//! Refuses: touching a database, a service or a directory that is not its own.

mod console;
mod database;
mod ending;
mod events;
mod field;
mod interrupt;
mod live;
mod nodes;
mod place;
mod play;
mod processes;
mod roster;
mod screen;
mod script;
mod stage;
mod summary;
mod town;
mod valve;
mod watcher;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use humantime_serde::re::humantime::parse_duration;

use events::{Teller, print_line};
use field::Size;
use interrupt::Interrupt;
use place::Place;
use script::Written;
use stage::{Plan, Stage};
use summary::Report;

/// A whole cluster on this machine, with simulated meters, to look at and to break
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = script::HELP)]
pub(crate) struct Args {
    /// Play these steps instead of showing the live screen
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Let it run this long (30s, 5m) instead of showing the live screen
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "script")]
    exit_after: Option<Duration>,
    /// Keep all data in this directory, which must be empty or absent
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Nodes at the beginning
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    nodes: u8,
    /// Simulated lines
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,
    /// Simulated meters on all lines together
    #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u32).range(1..))]
    meters: u32,
    /// How many of the lines are serial ports (pseudo-terminals); the others are TCP gateways
    #[arg(long, default_value_t = 10)]
    serial: u32,
    /// How many of the others, at most, are behind units that call the nodes instead
    #[arg(long, default_value_t = 4)]
    dialin: u32,
    /// Seconds from reading to reading of one meter
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    interval_s: u32,
    /// Of the simulated heating physics
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How the demo is driven.
#[derive(Debug)]
enum Drive {
    Screen,
    Script(Vec<Written>),
    /// Until a signal, or until this much time has passed.
    Watch(Option<Duration>),
}

/// Runs the demo; an error where anything is not as promised. To be called from the program's main thread, outside any
/// runtime: the kernel ties the lives of the processes it starts to that thread.
pub(crate) fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    tokio::task::LocalSet::new().block_on(&runtime, demo(args))
}

async fn demo(args: Args) -> Result<()> {
    let plan = plan(&args)?;
    let place = Place::make(args.keep.as_deref())?;
    let drive = drive(args)?;
    let mut interrupt = Interrupt::new()?;
    let teller = Teller::new();
    let stage = tokio::select! {
        opened = Stage::open(&plan, place, teller.clone()) => opened?,
        () = interrupt.comes() => bail!("interrupted before everything had started; nothing is left running"),
    };
    let (stage, played) = play(drive, stage, &teller, &mut interrupt).await?;
    if let Err(error) = &played {
        teller.tell(format!("FAILED: {error:#}"));
    }
    let (report, fallen) = tokio::select! {
        ended = stage.close() => ended?,
        () = interrupt.comes() => bail!("interrupted while ending: everything left was killed, nothing was judged"),
    };
    report.lines().iter().for_each(|line| print_line(line));
    verdict(&report, played, &fallen)
}

/// What goes wrong is told by the exit code too; the first cause first.
fn verdict(report: &Report, played: Result<()>, fallen: &[String]) -> Result<()> {
    played?;
    if let Some(text) = fallen.first() {
        bail!("{text}");
    }
    ensure!(report.is_kept(), "the demo is not as promised: see the findings above; --keep DIR keeps the data");
    Ok(())
}

fn drive(args: Args) -> Result<Drive> {
    if let Some(file) = args.script {
        let text = std::fs::read_to_string(&file).with_context(|| format!("script {}", file.display()))?;
        return Ok(Drive::Script(script::parse(&text)?));
    }
    let on_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    Ok(match args.exit_after {
        None if on_terminal => Drive::Screen,
        exit_after => Drive::Watch(exit_after),
    })
}

fn plan(args: &Args) -> Result<Plan> {
    let Args { nodes, lines, meters, serial, dialin, interval_s, seed, .. } = *args;
    if serial > lines {
        bail!("--serial {serial} is more than --lines {lines}");
    }
    let binary = std::env::current_exe().context("this program's own file")?;
    let dialin = dialin.min(lines - serial);
    Ok(Plan { binary, nodes: usize::from(nodes), field: Size { lines, meters, serial, dialin, interval_s, seed } })
}

/// Drives the demo to its end; the inner result is how the driving went.
async fn play(
    drive: Drive,
    mut stage: Stage,
    teller: &Teller,
    interrupt: &mut Interrupt,
) -> Result<(Stage, Result<()>)> {
    let played = match drive {
        Drive::Screen => return Ok((live::play(stage, teller, interrupt).await?, Ok(()))),
        Drive::Script(steps) => tokio::select! {
            played = play::play(&mut stage, &steps, teller) => played,
            () = interrupt.comes() => Err(anyhow::anyhow!("interrupted before the script had ended")),
        },
        Drive::Watch(limit) => tokio::select! {
            played = play::watch(&mut stage, limit) => played,
            () = interrupt.comes() => { teller.tell("asked to end"); Ok(()) }
        },
    };
    Ok((stage, played))
}
