//! How fast a backlog gets into the database, beside the database's own way to load a file.
//!
//! ```text
//!   round:  three stopped nodes, spools filled --start--> leader --> database      first row .. last row
//!           the same rows in a file            --LOAD DATA LOCAL INFILE, one connection-->   start .. end
//!             once in the order of the spools, slot after slot, and once sorted by the table's key
//!           table emptied between them; the nodes do not run beside LOAD DATA
//! ```
//!
//! The files are written by the first round's table. All write into the table that the product made, with its keys and days,
//! on a server with the settings it comes with (durable) but for its memory.
//!
//! Promises: `kept` means that after every drain the table held every row once, and after every further one the same; a
//! wait that reached its limit is a failure by name; no process is left behind. Refuses: judging speed: it is told.

pub mod report;
pub(crate) mod server;
pub(crate) mod tables;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use protocol::api::admin::StatusReply;
use tokio::time::sleep;

use crate::cluster::Cluster;
use report::{Loads, Report, Round, Speed};
use server::Server;
use tables::{Order, Tables};

const NODES: u64 = 3;
/// For the nodes to have a leader, and for every round to end.
const ROUND_LIMIT: Duration = Duration::from_secs(15 * 60);
/// From look to look at what was written.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const DAY_MS: u64 = 24 * 3600 * 1000;
const SLOT_MS: u64 = 15 * 60 * 1000;

/// What to measure, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The binary of the product.
    pub hearth: PathBuf,
    /// Rows of one round.
    pub rows: u64,
    /// Meters they are of.
    pub meters: u64,
    /// How many rounds.
    pub rounds: u32,
    /// Whether the table grows from round to round, and nothing is compared.
    pub grow: bool,
    /// Memory of the private server, MiB.
    pub pool_mib: u32,
    /// Settings of `[mysql]` on every node, in place of the defaults.
    pub settings: Vec<String>,
    /// A server instead of the private one, without a database.
    pub mysql: Option<String>,
}

impl Options {
    /// The same, with the binary's whole path. Refuses what cannot be measured.
    pub fn checked(self) -> Result<Self> {
        let Self { hearth, rows, meters, rounds, .. } = &self;
        ensure!(hearth.is_file(), "hearth binary {}: no such file: build it, or name it by --hearth", hearth.display());
        ensure!(*rounds > 0, "--rounds 0 measures nothing: ask for at least 1");
        let whole = NODES * (rows / NODES / (meters / NODES).max(1)) * (meters / NODES);
        ensure!(
            *meters >= NODES && whole == *rows,
            "--rows {rows} are no whole slots of --meters {meters} on {NODES} nodes"
        );
        let hearth = hearth.canonicalize().with_context(|| format!("hearth binary {}", hearth.display()))?;
        Ok(Self { hearth, ..self })
    }

    const fn slots(&self) -> u64 {
        self.rows / self.meters
    }
}

/// Measures in `dir`, which must be empty.
pub async fn run(options: &Options, dir: &Path) -> Result<Report> {
    let server = match &options.mysql {
        Some(url) => Server::named(url),
        None => Server::start(&dir.join("database"), options.pool_mib).await?,
    };
    let mut tables = Tables::create(&server.url).await?;
    let own = options.settings.join("\n");
    let settings = format!("\n[mysql]\nendpoints = [\"{}\"]\n{own}\n", tables.url());
    let cluster = Cluster::start_with(&options.hearth, dir, &vec![settings; NODES as usize]).await?;
    let mut bench = Bench { options, cluster, dir: dir.to_owned(), from: today()?, report: Report::new(options) };
    let measured = bench.all(&server, &mut tables).await;
    bench.cluster.kill_all().await?;
    tables.drop_all().await?;
    measured?;
    Ok(bench.report)
}

/// Midnight, Unix ms: days from yesterday on have their partitions.
fn today() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_millis() as u64;
    Ok(now / DAY_MS * DAY_MS)
}

struct Bench<'b> {
    options: &'b Options,
    cluster: Cluster,
    dir: PathBuf,
    from: u64,
    report: Report,
}

impl Bench<'_> {
    async fn all(&mut self, server: &Server, tables: &mut Tables) -> Result<()> {
        tables.until_made(ROUND_LIMIT).await?;
        let mut sum = None;
        for number in 0..self.options.rounds {
            let from = if self.options.grow {
                self.from + u64::from(number) * self.options.slots() * SLOT_MS
            } else {
                self.from
            };
            let drain = self.drain(server, from, self.options.rows).await?;
            let found = tables.count().await?;
            let expected = self.options.rows * if self.options.grow { u64::from(number) + 1 } else { 1 };
            self.report.expect("rows", expected, found);
            let load = if self.options.grow { None } else { Some(self.load(server, tables, &mut sum).await?) };
            self.report.round(Round { drain, load });
        }
        self.replay(server, tables, sum).await
    }

    /// What was drained has to be the same each time; then the server loads it itself.
    async fn load(&mut self, server: &Server, tables: &mut Tables, sum: &mut Option<u64>) -> Result<Loads> {
        let drained = tables.checksum().await?;
        self.report.expect("checksum", *sum.get_or_insert(drained), drained);
        for order in [Order::OfSpools, Order::OfKey] {
            if !self.file(order).exists() {
                tables.export(order, &self.file(order)).await?;
            }
        }
        let of_spools = self.load_in(Order::OfSpools, server, tables, drained).await?;
        let of_key = self.load_in(Order::OfKey, server, tables, drained).await?;
        Ok(Loads { of_spools, of_key })
    }

    fn file(&self, order: Order) -> PathBuf {
        self.dir.join(format!("rows.{order:?}.tsv"))
    }

    async fn load_in(&mut self, order: Order, server: &Server, tables: &mut Tables, drained: u64) -> Result<Speed> {
        tables.empty().await?;
        let before = server.cpu();
        let took = server.load(&self.file(order), tables).await?;
        let server_us = self.each(before, server.cpu());
        self.report.expect("checksum of what was loaded", drained, tables.checksum().await?);
        tables.empty().await?;
        let rows = self.options.rows as f64 / took.as_secs_f64();
        Ok(Speed { rows, server_us, leader_us: None, others_us: None })
    }

    /// Microseconds of processor time for each row of a round.
    fn each(&self, before: Option<Duration>, after: Option<Duration>) -> Option<f64> {
        Some(after?.checked_sub(before?)?.as_secs_f64() * 1e6 / self.options.rows as f64)
    }

    /// The same rows into the table that has them.
    async fn replay(&mut self, server: &Server, tables: &mut Tables, sum: Option<u64>) -> Result<()> {
        if sum.is_none() {
            return Ok(());
        }
        self.drain(server, self.from, self.options.rows).await?;
        let speed = self.drain(server, self.from, self.options.rows).await?;
        self.report.replayed(speed);
        self.report.expect("rows after a replay", self.options.rows, tables.count().await?);
        self.report.expect("checksum after a replay", sum.unwrap_or(0), tables.checksum().await?);
        Ok(())
    }

    /// Rows a second from the first to the last; the nodes do not run after.
    async fn drain(&mut self, server: &Server, from: u64, rows: u64) -> Result<Speed> {
        self.cluster.kill_all().await?;
        let meters = self.options.meters / NODES;
        for (node, number) in self.cluster.nodes().iter().zip(0..) {
            let [first, meters, slots, from] =
                [number * meters, meters, self.options.slots(), from].map(|number| number.to_string());
            let more = ["fill-spool", "--first", &first, "--meters", &meters, "--slots", &slots, "--from", &from];
            node.command("bench", &more).await?;
        }
        let before = server.cpu();
        self.cluster.start_all()?;
        let rows = self.until_written(rows).await?;
        self.until_forgotten().await?;
        let server_us = self.each(before, server.cpu());
        let (leader_us, others_us) = self.nodes_us().await;
        self.cluster.kill_all().await?;
        Ok(Speed { rows, server_us, leader_us, others_us })
    }

    /// Of the leader, and of the others together, since they were started.
    async fn nodes_us(&self) -> (Option<f64>, Option<f64>) {
        let leader = self.cluster.status().await.map_or(0, |status| status.leader);
        let (mut led, mut others) = (None, Some(0.0));
        for node in self.cluster.nodes() {
            let id = node.status(true).await.map(|status| status.answered_by);
            let took = self.each(Some(Duration::ZERO), node.cpu());
            if id == Some(leader) {
                led = took;
            } else {
                others = others.zip(took).map(|(all, took)| all + took);
            }
        }
        (led, others)
    }

    /// Waits until every spool knows that its records are written.
    async fn until_forgotten(&self) -> Result<()> {
        let began = Instant::now();
        for node in self.cluster.nodes() {
            while node.status(true).await.is_none_or(|status| held(&status) != Some(0)) {
                ensure!(began.elapsed() < ROUND_LIMIT, "the spool of {} holds on to what is written", node.name);
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    async fn until_written(&self, rows: u64) -> Result<f64> {
        let (began, mut first) = (Instant::now(), None);
        loop {
            let database = self.cluster.status().await.and_then(|status| status.database).unwrap_or_default();
            let written = database.rows_written;
            if written > 0 {
                let (at, there) = *first.get_or_insert((Instant::now(), written));
                if written >= rows {
                    return Ok((written - there) as f64 / at.elapsed().as_secs_f64().max(0.001));
                }
            }
            ensure!(
                began.elapsed() < ROUND_LIMIT,
                "{written} of {rows} rows within {ROUND_LIMIT:?}: {}",
                database.error
            );
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Records in the spool of the node that answered.
fn held(status: &StatusReply) -> Option<u64> {
    let node = status.nodes.iter().find(|node| node.id == status.answered_by)?;
    Some(node.report.as_ref()?.spool_records)
}
