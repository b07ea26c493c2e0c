//! A run without a follower: from its death until others poll its lines.
//!
//! Promises: the moments are those of the first bytes on the lines. Refuses: believing what nodes say of themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use protocol::api::admin::NodeRole;
use tokio::time::sleep;

use super::RUN_LIMIT;
use super::dice::Dice;
use super::witness::Witness;
use crate::clock::Stamp;
use crate::cluster::{Cluster, LOOK_EVERY};

/// How long it took, from the kill.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Until another node polled the first of its lines.
    pub first: Duration,
    /// Until another node had polled the last of them.
    pub last: Duration,
}

/// What became of a run.
#[derive(Debug)]
pub struct NodeRun {
    /// How many lines lost their node.
    pub lines: usize,
    /// How long it took; or what did not come about.
    pub taken: Result<Taken>,
}

/// Kills a follower that holds lines, measures, and starts it again.
pub async fn run(cluster: &mut Cluster, witness: &Witness, dice: &mut Dice) -> Result<NodeRun> {
    let status = cluster.status().await.context("no node tells the status")?;
    let is_meant = |role| role == NodeRole::Voter as i32;
    let fit: Vec<_> = status.nodes.iter().filter(|node| is_meant(node.role) && node.lines_held > 0).collect();
    let victim = *dice.pick(&fit).context("no follower holds lines")?;
    let lines = cluster.lines().await.context("no node lists the lines")?;
    let lines = lines.into_iter().filter(|line| line.node == victim.id).filter_map(|line| Some(line.spec?.name));
    let lines: Vec<String> = lines.collect();
    ensure!(!lines.is_empty(), "node {} lost its lines before it was killed", victim.name);
    witness.forget();
    let process = cluster.node(&victim.name)?;
    let names = process.names();
    let killed = process.kill().await?;
    let taken = taken_over(witness, &lines, &names, killed).await;
    cluster.node(&victim.name)?.start()?;
    Ok(NodeRun { lines: lines.len(), taken })
}

async fn taken_over(witness: &Witness, lines: &[String], dead: &BTreeSet<String>, killed: Stamp) -> Result<Taken> {
    loop {
        let polled = lines.iter().filter_map(|line| witness.first_of_others(line, dead, killed));
        let after = |moment: i64| Duration::from_micros(u64::try_from(moment - killed.mono).unwrap_or(0));
        let polled: Vec<Duration> = polled.map(after).collect();
        match (polled.iter().min(), polled.iter().max()) {
            (Some(first), Some(last)) if polled.len() == lines.len() => {
                return Ok(Taken { first: *first, last: *last });
            }
            _ => {}
        }
        let (done, all) = (polled.len(), lines.len());
        ensure!(killed.elapsed() < RUN_LIMIT, "{done} of {all} lines are polled by others within {RUN_LIMIT:?}");
        sleep(LOOK_EVERY).await;
    }
}
