//! A run without a leader: from its death to the next command that is taken.
//!
//! Promises: both survivors are asked at once, again and again, with one idempotency key, as a console does that wants
//! its command queued. Refuses: waiting for the command to be carried out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::{join, select_ok};
use protocol::api::admin::commands_client::CommandsClient;
use protocol::api::admin::{NodeRole, SubmitCommandRequest};
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use super::RUN_LIMIT;
use crate::cluster::Cluster;
use crate::cluster::process::Process;

/// For one attempt at a command; doubled with every attempt that gets no answer: on a slow machine none would get one.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(200);
/// The pause after an attempt that was refused.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(5);
/// From look to look for a new leader.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Nobody waits for the command longer than this, ms.
const DEADLINE_MS: u64 = 60_000;

/// How long it took, from the kill; or what did not come about.
#[derive(Debug)]
pub struct LeaderRun {
    /// Until a command was taken.
    pub command: Result<Duration>,
    /// Until a survivor knew a new leader.
    pub elected: Result<Duration>,
}

/// Kills the leader, measures, and starts it again.
pub async fn run(cluster: &mut Cluster, meter: &str, key: &str) -> Result<LeaderRun> {
    let status = cluster.status().await.context("no node tells the status")?;
    let leader = status.nodes.iter().find(|node| node.role == NodeRole::Leader as i32).context("nobody leads")?;
    let began = Instant::now();
    cluster.node(&leader.name)?.kill().await?;
    let request = SubmitCommandRequest {
        meter: meter.into(),
        action: "read-now".into(),
        deadline_ms: DEADLINE_MS,
        key: key.into(),
    };
    let taken = select_ok(cluster.up().map(|node| Box::pin(submit(node.commands(), request.clone(), began))));
    let elected = select_ok(cluster.up().map(|node| Box::pin(follows_another(node, leader.id, began))));
    let (command, elected) = join(taken, elected).await;
    let run = LeaderRun { command: command.map(|(time, _)| time), elected: elected.map(|(time, _)| time) };
    cluster.node(&leader.name)?.start()?;
    Ok(run)
}

async fn submit(mut node: CommandsClient<Channel>, request: SubmitCommandRequest, began: Instant) -> Result<Duration> {
    let mut limit = ATTEMPT_LIMIT;
    loop {
        let refused = match timeout(limit, node.submit(request.clone())).await {
            Ok(Ok(_)) => return Ok(began.elapsed()),
            Ok(Err(status)) => status.message().to_owned(),
            Err(_) => {
                limit *= 2;
                "no answer".to_owned()
            }
        };
        ensure!(began.elapsed() < RUN_LIMIT, "no command was taken within {RUN_LIMIT:?}: {refused}");
        sleep(ATTEMPT_PAUSE).await;
    }
}

async fn follows_another(node: &Process, dead: u64, began: Instant) -> Result<Duration> {
    loop {
        let leader = node.status(true).await.map_or(0, |status| status.leader);
        if leader != 0 && leader != dead {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < RUN_LIMIT, "no new leader was seen within {RUN_LIMIT:?}");
        sleep(LOOK_EVERY).await;
    }
}
