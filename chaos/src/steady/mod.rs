//! A load that goes on: how long a reading takes from the line to its committed row, and what that costs.
//!
//! ```text
//!   field (own process) <--polls-- three hearth processes --rows--> private MariaDB <--looks-- sampler
//!      |                                                                |                        |
//!      +-- notes: which reading, when                 all rows, once the load is over       first sight
//!      |                                                                |                        |
//!      +-------------------------------> check <------------------------+------------------------+
//! ```
//!
//! After a warm-up, time and memory of each process are taken for as long as it was asked for; then the field falls
//! silent, and when nothing more arrives in the database every row is held against the notes.
//!
//! Promises: latency is an upper bound, by the time from look to look; a load that the machine does not carry is told as
//! such; no process is left behind. Refuses: settings that make server or nodes less durable.

mod check;
mod child;
pub mod field;
mod notes;
pub mod plant;
pub mod report;
mod sampler;
mod tables;
mod usage;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::clock::Stamp;
use crate::cluster::Cluster;
use crate::drain::server::Server;
use crate::drain::tables::Tables;
use check::Book;
use child::FieldProcess;
use plant::Plant;
use report::{Bounds, Latency, Rates, Report};
use sampler::Seen;
use tables::Database;
use usage::{Usage, Watched};

const NODES: usize = 3;
/// For tables to be made, for meters to be in them, for lines to be held.
const SET_UP_LIMIT: Duration = Duration::from_secs(5 * 60);
/// For a backlog to be written when the load is over.
const DRAIN_LIMIT: Duration = Duration::from_secs(15 * 60);
/// From look to look at what is being set up, or drained.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Nothing more arrives when nothing did for this long: longer than the writer's longest pause.
const QUIET: Duration = Duration::from_secs(6);

/// What to measure, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The binary of the product.
    pub hearth: PathBuf,
    /// The load.
    pub plant: Plant,
    /// How long it is measured.
    pub seconds: u64,
    /// How long it runs before that.
    pub warm_up: u64,
    /// Memory of the private server, MiB.
    pub pool_mib: u32,
    /// What must not be passed.
    pub bounds: Bounds,
}

impl Options {
    /// The same, with the binary's whole path. Refuses what cannot be measured.
    pub fn checked(self) -> Result<Self> {
        let Self { hearth, plant, seconds, .. } = &self;
        ensure!(hearth.is_file(), "hearth binary {}: no such file: build it, or name it by --hearth", hearth.display());
        ensure!(*seconds > 0, "--seconds 0 measures nothing: ask for at least 1");
        plant.check()?;
        let hearth = hearth.canonicalize().with_context(|| format!("hearth binary {}", hearth.display()))?;
        Ok(Self { hearth, ..self })
    }
}

/// Measures in `dir`, which must be empty.
pub async fn run(options: &Options, dir: &Path) -> Result<Report> {
    let server = Server::start(&dir.join("database"), options.pool_mib).await?;
    let mut tables = Tables::create(&server.url).await?;
    let own = format!("{}\n[mysql]\nendpoints = [\"{}\"]\n", options.plant.settings(), tables.url());
    let cluster = Cluster::start_with(&options.hearth, dir, &vec![own; NODES]).await?;
    tables.until_made(SET_UP_LIMIT).await?;
    let bench = Bench { options, dir: dir.join("field"), url: tables.url().to_owned(), cluster };
    bench.all(&server).await
}

struct Bench<'b> {
    options: &'b Options,
    dir: PathBuf,
    url: String,
    cluster: Cluster,
}

/// What was taken while the load ran.
struct Measured {
    from: Stamp,
    to: Stamp,
    committed: f64,
    usage: Usage,
    leaders: [String; 2],
}

impl Bench<'_> {
    async fn all(&self, server: &Server) -> Result<Report> {
        let plant = self.options.plant;
        let field = FieldProcess::start(&plant, &self.dir).await?;
        let mut database = Database::connect(&self.url).await?;
        let ids = self.set_up(&field, &mut database).await?;
        let (until, told) = watch::channel(None);
        let sampler = tokio::spawn(sampler::run(plant, ids.clone(), self.url.clone(), told));
        eprintln!("chaos: {} meters are read, {} s to warm up", plant.meters(), self.options.warm_up);
        sleep(Duration::from_secs(self.options.warm_up)).await;
        let measured = self.measure(&self.watched(&field, server)?, &mut database).await?;
        until.send(Some(measured.to.wall / 1000)).context("the sampler ended early")?;
        let seen = joined(sampler).await?;
        field.stop().await?;
        until_quiet(&mut database).await?;
        self.judged(&measured, seen, &ids, &mut database).await
    }

    /// Tells the cluster of the plant and waits until all lines are held; the product's numbers of the meters.
    async fn set_up(&self, field: &FieldProcess, database: &mut Database) -> Result<Vec<u64>> {
        let plant = self.options.plant;
        let config = plant.config(&self.dir)?;
        plant.import(&self.cluster, &config, &field.endpoints).await?;
        let began = Instant::now();
        while self.held().await != Some(config.lines.len() as u64) {
            ensure!(began.elapsed() < SET_UP_LIMIT, "lines without an owner for {SET_UP_LIMIT:?}: see the node's log");
            sleep(LOOK_EVERY).await;
        }
        let ids = database.meters(plant.meters() as usize, SET_UP_LIMIT).await?;
        let names = config.lines.iter().flat_map(|line| &line.named);
        let id = |name: &String| ids.get(name).copied().with_context(|| format!("meter {name} is not in the database"));
        names.map(|meter| id(&meter.name)).collect()
    }

    async fn held(&self) -> Option<u64> {
        Some(self.cluster.status().await?.lines?.held)
    }

    async fn leader(&self) -> String {
        let status = self.cluster.status().await.unwrap_or_default();
        let leader = status.nodes.into_iter().find(|node| node.id == status.leader);
        leader.map_or_else(|| "nobody".to_owned(), |node| node.name)
    }

    fn watched(&self, field: &FieldProcess, server: &Server) -> Result<Vec<Watched>> {
        let nodes = self.cluster.nodes().iter().map(|node| (node.name.as_str(), node.pid()));
        let others = [("mariadb", server.pid()), ("field", field.pid()), ("this", Some(std::process::id()))];
        let watched = |(name, pid): (&str, Option<u32>)| {
            Ok(Watched { name: name.to_owned(), pid: pid.with_context(|| format!("{name} does not run"))? })
        };
        nodes.chain(others).map(watched).collect()
    }

    async fn measure(&self, processes: &[Watched], database: &mut Database) -> Result<Measured> {
        let leader = self.leader().await;
        let (before, began) = (database.count().await?, Instant::now());
        let from = Stamp::now();
        let usage = usage::watch(processes, Instant::now() + Duration::from_secs(self.options.seconds)).await?;
        let (to, passed) = (Stamp::now(), began.elapsed());
        let committed = (database.count().await? - before) as f64 / passed.as_secs_f64();
        Ok(Measured { from, to, committed, usage, leaders: [leader, self.leader().await] })
    }

    async fn judged(&self, measured: &Measured, seen: Seen, ids: &[u64], database: &mut Database) -> Result<Report> {
        let Measured { from, to, committed, usage, leaders } = measured;
        let plant = self.options.plant;
        let mut book = Book::new(plant);
        notes::read(&self.dir, |note| book.note(note))?;
        let numbers: HashMap<u64, u32> = ids.iter().copied().zip(0..).collect();
        database.rows(|row| book.row(numbers.get(&row.meter_id).copied(), &row)).await?;
        let marks = database.marks().await?.into_iter();
        let marks: Vec<_> = marks.filter_map(|mark| Some((*numbers.get(&mark.meter_id)?, mark))).collect();
        let latency = latency(&book, seen, from.mono, to.mono);
        let answered = book.given(from.mono, to.mono) as f64 / usage.passed_s;
        let rates = Rates { due: f64::from(plant.rate), answered, committed: *committed };
        let counts = book.close(&marks, from.wall / 1000, to.wall / 1000).clone();
        Ok(Report::new(self.options, rates, latency, counts, usage.clone(), leaders.clone()))
    }
}

/// Of the readings given from `from` to `to`, monotonic µs. One that nobody saw took as long as was looked for it, or more.
fn latency(book: &Book, seen: Seen, from: i64, to: i64) -> Latency {
    let Seen { sights, looks } = seen;
    let seen: HashMap<_, _> = sights.into_iter().map(|sight| ((sight.meter, sight.volume), sight.seen)).collect();
    let give_up = crate::clock::micros(sampler::GIVE_UP);
    let sampled: Vec<_> = book.sampled(from, to).collect();
    let first = |given: &notes::Given| seen.get(&(given.meter, given.volume)).map(|seen| seen - given.at.mono);
    let unseen = sampled.iter().filter(|given| first(given).is_none()).count();
    Latency::of(sampled.iter().map(|given| first(given).unwrap_or(give_up)).collect(), unseen, looks)
}

async fn joined(sampler: JoinHandle<Result<Seen>>) -> Result<Seen> {
    sampler.await.context("the sampler")?.context("looking at the database")
}

/// Waits until no row arrives any more.
async fn until_quiet(database: &mut Database) -> Result<()> {
    let began = Instant::now();
    let (mut rows, mut since) = (database.count().await?, Instant::now());
    while since.elapsed() < QUIET {
        ensure!(began.elapsed() < DRAIN_LIMIT, "rows still arrive {DRAIN_LIMIT:?} after the last answer");
        sleep(LOOK_EVERY).await;
        let count = database.count().await?;
        if count != rows {
            (rows, since) = (count, Instant::now());
        }
    }
    Ok(())
}
