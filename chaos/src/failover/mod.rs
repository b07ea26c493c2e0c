//! How long a cluster is without a leader, and a line without its node, after a kill -9.
//!
//! ```text
//!   field (in process) <--polls-- three hearth processes <--kill, start, ask-- this
//!      |                                                                        |
//!      +--requests as they come--> witness --who spoke when on which line-------+
//!      +--ledger--> judge: did two ever speak on one line?
//! ```
//!
//! Promises: real processes, killed with SIGKILL at random moments; times run from the kill; every wait has a limit,
//! and a wait that reached it is a failure by name; no process is left behind. Refuses: setting the nodes up any
//! different from their defaults, except for the time a node must be up before it may vote.

pub mod dice;
pub mod leader;
pub mod node;
pub mod report;
pub mod settle;
pub mod witness;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::field::Field;
use crate::field::config::Config;
use crate::field::generate::{self, Numbers};
use crate::judge::facts::Facts;
use crate::judge::overlap;
use crate::ledger;
use dice::Dice;
use report::{Memory, Report};
use settle::Settled;
use witness::Witness;

/// How many nodes there are.
pub const NODES: u8 = 3;
/// How long a cluster may take to go on after a kill: beyond this the run has failed.
pub const RUN_LIMIT: Duration = Duration::from_secs(30);
/// How long a cluster may take to come to rest: all vote, all lines are held, spread and polled.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// A kill comes at any moment of this time: the nodes' timers, leases and slots are wherever they are.
const RANDOM_WAIT: Duration = Duration::from_secs(5);
/// Fewer lines than nodes could not be spread.
const LEAST_LINES: u32 = NODES as u32;
/// One terminal for so many lines.
const LINES_PER_TERMINAL: u32 = 10;
/// Seconds between the slots of each meter.
const INTERVAL_S: u32 = 10;
/// Line speed, bit/s.
const BAUD: u32 = 9600;

/// What to measure, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The binary of the product.
    pub hearth: PathBuf,
    /// How many kills of the leader, and as many of a follower.
    pub runs: u32,
    /// How many lines.
    pub lines: u32,
    /// How many meters in all.
    pub meters: u32,
    /// The seed of physics and dice.
    pub seed: u64,
}

impl Options {
    /// The same, with the binary's whole path. Refuses what cannot be measured.
    pub fn checked(self) -> Result<Self> {
        let Self { hearth, runs, lines, meters, .. } = &self;
        ensure!(hearth.is_file(), "hearth binary {}: no such file: build it, or name it by --hearth", hearth.display());
        ensure!(*runs > 0, "--runs 0 measures nothing: ask for at least 1");
        ensure!(*lines >= LEAST_LINES, "--lines {lines} cannot be spread over {LEAST_LINES} nodes: ask for more");
        ensure!(meters >= lines, "--meters {meters} leaves lines without a meter: ask for at least {lines}");
        // A bare name would be looked for in the PATH.
        let hearth = hearth.canonicalize().with_context(|| format!("hearth binary {}", hearth.display()))?;
        Ok(Self { hearth, ..self })
    }
}

/// Measures in `dir`, which must be empty.
pub async fn run(options: &Options, dir: &Path) -> Result<Report> {
    let config = field_config(options, dir)?;
    let field = Field::open(&config).await?;
    let witness = Witness::watch(&field);
    let mut report = Report::new(options);
    measure(options, dir, &config, &field, &witness, &mut report).await?;
    field.close().await?;
    let events = ledger::reader::read(&config.dir.join(ledger::FILE_NAME))?;
    report.judged(&overlap::check(&events, &Facts::of(&events)));
    Ok(report)
}

fn field_config(options: &Options, dir: &Path) -> Result<Config> {
    let Options { lines, meters, seed, .. } = *options;
    let serial = lines.div_ceil(LINES_PER_TERMINAL);
    let dir = dir.join("field");
    let (dialin, call) = (0, Vec::new());
    let (silent, baud, interval_s) = (0, BAUD, INTERVAL_S);
    generate::config(&Numbers { dir, lines, meters, serial, dialin, call, silent, baud, interval_s, seed })
}

/// All runs, on a cluster that is gone after. A cluster that cannot be set up is an error, anything later a failure.
async fn measure(
    options: &Options,
    dir: &Path,
    config: &Config,
    field: &Field,
    witness: &Witness,
    report: &mut Report,
) -> Result<()> {
    let cluster = Cluster::start(&options.hearth, dir, NODES).await?;
    cluster.import(config, field.endpoints()).await?;
    let settled = Settled::new(witness, options.lines);
    let meters = config.lines.iter().flat_map(|line| &line.named).map(|meter| meter.name.as_str()).collect();
    let dice = Dice::new(options.seed);
    let mut runs = Runs { cluster, field, witness, settled, meters, dice, report };
    if let Err(error) = runs.all(options.runs).await {
        report.failed(format!("{error:#}"));
    }
    Ok(())
}

struct Runs<'a> {
    cluster: Cluster,
    field: &'a Field,
    witness: &'a Witness,
    settled: Settled<'a>,
    /// By name.
    meters: Vec<&'a str>,
    dice: Dice,
    report: &'a mut Report,
}

impl Runs<'_> {
    async fn all(&mut self, count: u32) -> Result<()> {
        for number in 1..=count {
            self.leader(number).await.with_context(|| format!("run {number} without a leader"))?;
        }
        for number in 1..=count {
            self.node(number).await.with_context(|| format!("run {number} without a follower"))?;
        }
        self.settled.wait(&self.cluster).await.context("after the last run")?;
        self.report.memory(Memory::of(&self.cluster));
        Ok(())
    }

    async fn leader(&mut self, number: u32) -> Result<()> {
        self.some_moment().await?;
        let meter = self.dice.pick(&self.meters).context("a field without meters")?;
        let run = leader::run(&mut self.cluster, meter, &format!("failover-{number}")).await?;
        self.report.leader(number, run);
        Ok(())
    }

    async fn node(&mut self, number: u32) -> Result<()> {
        self.some_moment().await?;
        let run = node::run(&mut self.cluster, self.witness, &mut self.dice).await?;
        self.report.node(number, run);
        Ok(())
    }

    /// Waits until all is well, and some time more.
    async fn some_moment(&mut self) -> Result<()> {
        self.settled.wait(&self.cluster).await?;
        self.field.check()?;
        tokio::time::sleep(self.dice.duration(RANDOM_WAIT)).await;
        Ok(())
    }
}
