//! A cluster at rest: the state from which every run begins.
//!
//! ```text
//!   three alive, all vote, one leads -> every line held, none on its way, each node has its share
//!     -> every line was polled by the node that holds it, after all that came true
//! ```
//!
//! Promises: says what was still missing when the time was over. Refuses: changing anything.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use protocol::api::admin::{LineCounts, NodeHealth, NodeRole, StatusReply};
use tokio::time::sleep;

use super::witness::Witness;
use super::{NODES, SETTLE_LIMIT};
use crate::clock::Stamp;
use crate::cluster::{Cluster, LOOK_EVERY};

/// A node has its share with at least this many percent of what an even spread would give it: lines differ in weight.
const LEAST_SHARE_PERCENT: u64 = 50;

/// What is waited for.
#[derive(Debug)]
pub struct Settled<'a> {
    witness: &'a Witness,
    lines: u64,
}

impl<'a> Settled<'a> {
    /// A cluster that holds and polls so many lines.
    pub fn new(witness: &'a Witness, lines: u32) -> Self {
        Self { witness, lines: u64::from(lines) }
    }

    /// Waits until `cluster` is at rest.
    pub async fn wait(&self, cluster: &Cluster) -> Result<()> {
        let began = Instant::now();
        self.witness.forget();
        // Only what is polled after the lines came to rest counts.
        let mut quiet_since = None;
        loop {
            let missing = match self.look(cluster, &mut quiet_since).await {
                Ok(()) => return Ok(()),
                Err(missing) => missing,
            };
            if began.elapsed() > SETTLE_LIMIT {
                return Err(missing.context(format!("not at rest within {SETTLE_LIMIT:?}")));
            }
            sleep(LOOK_EVERY * 4).await;
        }
    }

    async fn look(&self, cluster: &Cluster, quiet_since: &mut Option<Stamp>) -> Result<()> {
        let status = cluster.status().await.context("no node tells the status")?;
        let quiet = all_vote(&status).and_then(|()| self.all_held(&status));
        if let Err(missing) = quiet {
            *quiet_since = None;
            return Err(missing);
        }
        let since = *quiet_since.get_or_insert_with(Stamp::now);
        self.all_polled(cluster, &status, since).await
    }

    fn all_held(&self, status: &StatusReply) -> Result<()> {
        let counts = status.lines.unwrap_or_default();
        let LineCounts { held, moving, orphaned, .. } = counts;
        ensure!(held == self.lines, "{held} of {} lines are held, {moving} move, {orphaned} have no node", self.lines);
        let least = (self.lines * LEAST_SHARE_PERCENT / 100 / u64::from(NODES)).max(1);
        let poor = status.nodes.iter().find(|node| u64::from(node.lines_held) < least);
        let poor = poor.map(|node| format!("node {} holds {} lines", node.name, node.lines_held));
        ensure!(poor.is_none(), "{}: expected at least {least}", poor.unwrap_or_default());
        Ok(())
    }

    async fn all_polled(&self, cluster: &Cluster, status: &StatusReply, since: Stamp) -> Result<()> {
        let lines = cluster.lines().await.context("no node lists the lines")?;
        for line in lines {
            let name = line.spec.map(|spec| spec.name).unwrap_or_default();
            let owner = status.nodes.iter().find(|node| node.id == line.node).map(|node| &node.name);
            let owner = cluster.up().find(|node| Some(&node.name) == owner);
            let owner = owner.with_context(|| format!("line {name} is held by nobody who runs"))?;
            let polled = self.witness.first_of(&name, &owner.names(), since).is_some();
            ensure!(polled, "line {name} is not polled by node {}, which holds it", owner.name);
        }
        Ok(())
    }
}

fn all_vote(status: &StatusReply) -> Result<()> {
    let votes = |role| role == NodeRole::Leader as i32 || role == NodeRole::Voter as i32;
    let alive = |health| health == NodeHealth::Alive as i32;
    let fit = status.nodes.iter().filter(|node| votes(node.role) && alive(node.health)).count();
    ensure!(fit == usize::from(NODES), "{fit} of {NODES} nodes are alive and vote");
    Ok(())
}
