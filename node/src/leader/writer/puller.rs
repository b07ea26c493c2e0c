//! One node's spool, pulled in order and acknowledged after the commit.
//!
//! ```text
//!   cursor -> pull -> hand over -> (pull ahead, bounded) -> committed? -> acknowledge
//!     ^                                                        |
//!     +--------- a call failed: back off, same cursor ---------+
//! ```
//!
//! Promises: never more than `mysql.pulls_ahead` pulls of a node in memory; an acknowledgement never passes a record that
//! is not committed. Refuses: looking into records.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::api::peer::spool_client::SpoolClient;
use protocol::api::peer::{AcknowledgeRequest, PullReply, PullRequest, SpoolRecord};
use protocol::meter::NodeId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Status};

use super::backlog::Backlog;
use crate::cluster::peers::Peer;
use crate::config::Config;

/// Records of one pull on their way to the database.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<SpoolRecord>,
    /// Told once they are committed.
    pub(super) committed: oneshot::Sender<()>,
}

/// The bounds of pulling.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    records: u32,
    bytes: u32,
    message_bytes: usize,
    wait: Duration,
    call: Duration,
    ahead: usize,
    retry_min: Duration,
    pub(super) retry_max: Duration,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            records: config.spool.pull_records.min(narrow(config.mysql.batch_rows as u64)),
            bytes: narrow(config.spool.pull_bytes.as_u64()),
            message_bytes: usize::try_from(config.raft.message_bytes.as_u64()).unwrap_or(usize::MAX),
            wait: config.mysql.pull_wait,
            call: config.mysql.pull_timeout,
            ahead: config.mysql.pulls_ahead,
            retry_min: config.mysql.retry_min,
            retry_max: config.mysql.retry_max,
        }
    }
}

/// A pull that was handed over.
struct UnderWay {
    spool: u64,
    upto: u64,
    // Absent once it is committed.
    commit: Option<oneshot::Receiver<()>>,
}

pub(super) struct Puller {
    node: NodeId,
    client: SpoolClient<Peer>,
    limits: Limits,
    out: mpsc::Sender<Batch>,
    backlog: Backlog,
    spool: u64,
    after: u64,
    under_way: VecDeque<UnderWay>,
}

/// Why a puller stops for a while, or for good.
enum Pause {
    Failed(Status),
    /// The writing loop is gone.
    Over,
}

impl From<Status> for Pause {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

impl Puller {
    pub(super) fn new(node: NodeId, peer: Peer, limits: Limits, out: mpsc::Sender<Batch>, backlog: Backlog) -> Self {
        let client = SpoolClient::new(peer).max_decoding_message_size(limits.message_bytes);
        Self { node, client, limits, out, backlog, spool: 0, after: 0, under_way: VecDeque::new() }
    }

    /// Pulls until the writing loop is gone.
    pub(super) async fn run(mut self) {
        let mut pause = None;
        loop {
            match self.step().await {
                Ok(()) if pause.take().is_some() => tracing::info!(node = %self.node, "spool answers again"),
                Ok(()) => {}
                Err(Pause::Over) => return,
                Err(Pause::Failed(status)) => {
                    if pause.is_none() {
                        tracing::warn!(node = %self.node, error = %status.message(), "spool cannot be pulled");
                    }
                    let span = pause.map_or(self.limits.retry_min, |last: Duration| last * 2);
                    let span = span.min(self.limits.retry_max);
                    pause = Some(span);
                    sleep(span).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<(), Pause> {
        if self.under_way.len() < self.limits.ahead && self.hand_over_next().await? {
            return Ok(());
        }
        self.settle_oldest().await
    }

    /// Whether there was something to hand over.
    async fn hand_over_next(&mut self) -> Result<bool, Pause> {
        let wait = if self.under_way.is_empty() { self.limits.wait } else { Duration::ZERO };
        let PullReply { spool, records, .. } = self.pull(self.limits.records, wait).await?;
        self.spool = spool;
        let Some(upto) = records.last().map(|record| record.sequence) else { return Ok(false) };
        let records = records.into_iter().map(|record| record.record.unwrap_or_default()).collect();
        let (committed, commit) = oneshot::channel();
        self.out.send(Batch { records, committed }).await.map_err(|_| Pause::Over)?;
        self.after = upto;
        self.under_way.push_back(UnderWay { spool, upto, commit: Some(commit) });
        Ok(true)
    }

    async fn pull(&mut self, max_records: u32, wait: Duration) -> Result<PullReply, Status> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let max_bytes = self.limits.bytes;
        let request = PullRequest { spool: self.spool, after: self.after, max_records, max_bytes, wait_ms };
        let reply = within(wait + self.limits.call, self.client.pull(Request::new(request))).await?;
        self.backlog.heard(self.node, reply.backlog_records);
        Ok(reply)
    }

    /// Waits for the oldest pull to be committed, then has it forgotten.
    async fn settle_oldest(&mut self) -> Result<(), Pause> {
        self.await_commit().await?;
        let Some(UnderWay { spool, upto, .. }) = self.under_way.front() else { return Ok(()) };
        let request = AcknowledgeRequest { spool: *spool, upto: *upto };
        match within(self.limits.call, self.client.acknowledge(Request::new(request))).await {
            Ok(_) => drop(self.under_way.pop_front()),
            // It is not that spool any more: there is nothing left to forget.
            Err(status) if status.code() == Code::FailedPrecondition => drop(self.under_way.pop_front()),
            Err(status) => return Err(status.into()),
        }
        Ok(())
    }

    async fn await_commit(&mut self) -> Result<(), Pause> {
        while let Some(commit) = self.under_way.front_mut().and_then(|oldest| oldest.commit.as_mut()) {
            match timeout(self.limits.retry_max, commit).await {
                Ok(Ok(())) => self.under_way.iter_mut().take(1).for_each(|oldest| oldest.commit = None),
                Ok(Err(_)) => return Err(Pause::Over),
                // The database is away: say at least how much waits.
                Err(_) => drop(self.pull(0, Duration::ZERO).await?),
            }
        }
        Ok(())
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no answer within {limit:?}"));
    timeout(limit, call).await.map_err(late)?.map(tonic::Response::into_inner)
}
