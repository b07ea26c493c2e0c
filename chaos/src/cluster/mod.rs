//! Several `hearth` processes that are one cluster.
//!
//! Promises: a node that is down is not asked. Refuses: waiting for the cluster to come to rest.

pub mod process;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use protocol::api::admin::{
    ImportLinesRequest, ImportMetersRequest, ImportReply, Line, LineSpec, ListLinesRequest, MeterSpec, StatusReply,
};
use tokio::time::sleep;

use crate::field::config::{Config, LineConfig};
use process::Process;

/// For a node that was just started to answer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// From look to look.
pub const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Lines in one answer.
const PAGE: u32 = 10_000;

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Process>,
}

impl Cluster {
    /// Starts a new cluster of `count` nodes with its files in `dir`.
    pub async fn start(hearth: &Path, dir: &Path, count: u8) -> Result<Self> {
        Self::start_with(hearth, dir, &vec![String::new(); usize::from(count)]).await
    }

    /// The same, of as many nodes as there are settings of their own.
    pub async fn start_with(hearth: &Path, dir: &Path, settings: &[String]) -> Result<Self> {
        let mut nodes: Vec<Process> = Vec::new();
        for (number, more) in (1..).zip(settings) {
            let mut node = Process::new(hearth, dir, number, more)?;
            match nodes.first() {
                None => node.command("init", &["--cluster-name", "chaos"]).await?,
                Some(first) => node.command("join", &["--peer", &first.address.to_string()]).await?,
            }
            node.start()?;
            answers(&node).await?;
            nodes.push(node);
        }
        Ok(Self { nodes })
    }

    /// Imports all lines and meters of the field.
    pub async fn import(&self, config: &Config, endpoints: &[String]) -> Result<()> {
        self.import_lines(config, endpoints).await?;
        let node = self.up().next().context("no node runs")?;
        let meters = config.lines.iter().flat_map(|line| meter_specs(config, line)).collect();
        let request = ImportMetersRequest { meters, key: "meters".to_owned() };
        whole(&node.meters().import(request).await.context("import of meters")?.into_inner())
    }

    /// Imports the lines of the field only: nobody tells who is on them.
    pub async fn import_lines(&self, config: &Config, endpoints: &[String]) -> Result<()> {
        let node = self.up().next().context("no node runs")?;
        let lines = config.lines.iter().zip(endpoints).map(|(line, at)| line_spec(config, line, at)).collect();
        let request = ImportLinesRequest { lines, key: "lines".to_owned() };
        whole(&node.lines().import(request).await.context("import of lines")?.into_inner())
    }

    /// Waits until every line has an owner, at most `limit`.
    pub async fn until_held(&self, limit: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let lines = self.lines().await.unwrap_or_default();
            if !lines.is_empty() && lines.iter().all(|line| line.node > 0) {
                return Ok(());
            }
            ensure!(began.elapsed() < limit, "a line without an owner for {limit:?}: see the node's log");
            sleep(LOOK_EVERY).await;
        }
    }

    /// The nodes that run.
    pub fn up(&self) -> impl Iterator<Item = &Process> {
        self.nodes.iter().filter(|node| node.is_up())
    }

    /// kill -9 of all nodes that run.
    pub async fn kill_all(&mut self) -> Result<()> {
        for node in self.nodes.iter_mut().filter(|node| node.is_up()) {
            node.kill().await?;
        }
        Ok(())
    }

    /// Starts all nodes again.
    pub fn start_all(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Process::start)
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Process] {
        &self.nodes
    }

    /// The node of this name.
    pub fn node(&mut self, name: &str) -> Result<&mut Process> {
        self.nodes.iter_mut().find(|node| node.name == name).with_context(|| format!("node {name}: no such node"))
    }

    /// What the first node that can say says of the cluster.
    pub async fn status(&self) -> Option<StatusReply> {
        for node in self.up() {
            if let Some(status) = node.status(false).await {
                return Some(status);
            }
        }
        None
    }

    /// All lines, as the first node that can say says.
    pub async fn lines(&self) -> Option<Vec<Line>> {
        for node in self.up() {
            let request = ListLinesRequest { limit: PAGE, ..ListLinesRequest::default() };
            if let Ok(reply) = node.lines().list(request).await {
                return Some(reply.into_inner().lines);
            }
        }
        None
    }
}

async fn answers(node: &Process) -> Result<()> {
    let began = Instant::now();
    while node.status(false).await.is_none() {
        if began.elapsed() > START_LIMIT {
            bail!("node {} does not answer within {START_LIMIT:?}: see its log", node.name);
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn line_spec(config: &Config, line: &LineConfig, endpoint: &str) -> LineSpec {
    LineSpec {
        name: line.name.clone(),
        endpoint: device(endpoint),
        baud: line.baud,
        parity: "even".to_owned(),
        extra_answer_ms: u32::try_from(config.extra_answer_ms).unwrap_or(u32::MAX),
        repeats: Some(u32::from(config.repeats)),
        ..LineSpec::default()
    }
}

/// The endpoint with the device itself instead of the field's link to it: a console takes nothing outside `/dev`.
fn device(endpoint: &str) -> String {
    let target = endpoint.strip_prefix("serial://").and_then(|link| std::fs::canonicalize(link).ok());
    target.map_or(endpoint.to_owned(), |path| format!("serial://{}", path.display()))
}

fn meter_specs<'a>(config: &'a Config, line: &'a LineConfig) -> impl Iterator<Item = MeterSpec> + 'a {
    line.named.iter().map(|meter| MeterSpec {
        name: meter.name.clone(),
        line: line.name.clone(),
        dialect: meter.dialect.clone(),
        address: meter.address.clone(),
        profile: meter.profile.clone(),
        interval_s: config.interval_s,
        offset_s: config.offset_s,
        ..MeterSpec::default()
    })
}

/// An import that took every row.
pub fn whole(reply: &ImportReply) -> Result<()> {
    let refused = reply.errors.first().map(|error| format!("{}: {}", error.column, error.message));
    ensure!(refused.is_none(), "import refused: {refused:?}");
    Ok(())
}
