//! The consensus as the rest of the node sees it: propose, confirm, who votes, who leads.
//!
//! Promises: an entry that was never appended is told from one whose fate is unknown; library types stay in here and in
//! `network`, `raft_service` and `wire`. Refuses: forwarding (that is [`super::Cluster`]'s).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, ReadPolicy, SnapshotPolicy};
use protocol::meter::NodeId;
use raft_store::state::{Entry, Reply};
use raft_store::types::{Node, TypeConfig};
use raft_store::{Limits, LogStore, Machine, MachineHandle, Raft, SnapshotError, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::network::Network;
use super::{Leadership, ProposeError};
use crate::config;

/// The store's folder in a node's data directory.
const FOLDER: &str = "raft";

/// Why the consensus cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No sound snapshot meets its log.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Its settings contradict each other.
    #[error("consensus settings: {0}")]
    Settings(String),
    /// It stopped at once.
    #[error("the consensus stopped: {0}")]
    Stopped(String),
}

/// Who votes and who follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Votes {
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who only follows.
    pub learners: BTreeSet<NodeId>,
    /// The index of the last entry of this node's log.
    pub last: u64,
    /// How far each node is known to have followed; empty where this node does not lead.
    pub followed: BTreeMap<NodeId, u64>,
}

impl Votes {
    /// Whether `node` votes or follows.
    pub fn is_known(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }

    /// How many entries `node` lacks, as far as this node knows.
    pub fn lag(&self, node: NodeId) -> Option<u64> {
        self.followed.get(&node).map(|index| self.last.saturating_sub(*index))
    }
}

/// A handle to the consensus; clones share it.
#[derive(Clone)]
pub struct Consensus {
    node: NodeId,
    raft: Raft,
    propose_timeout: Duration,
}

impl std::fmt::Debug for Consensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consensus").field("node", &self.node).finish_non_exhaustive()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn settings(cluster: &str, config: &config::Raft) -> Result<openraft::Config, StartError> {
    let wanted = openraft::Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: millis(config.heartbeat),
        election_timeout_min: millis(config.election_min),
        election_timeout_max: millis(config.election_max),
        install_snapshot_timeout: millis(config.snapshot_timeout),
        max_payload_entries: config.append_entries,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every),
        max_in_snapshot_log_to_keep: config.keep_entries,
        enable_pre_vote: Some(true),
        // A leader that was killed comes back as a follower: others may have been elected meanwhile.
        enable_leader_restore: Some(false),
        ..openraft::Config::default()
    };
    wanted.validate().map_err(|error| StartError::Settings(error.to_string()))
}

impl Consensus {
    /// Opens the store in `data_dir` and starts taking part as `node`.
    pub async fn start(
        node: NodeId,
        cluster: &str,
        data_dir: &Path,
        network: Network,
        config: &config::Raft,
    ) -> Result<(Self, MachineHandle), StartError> {
        let folder = data_dir.join(FOLDER);
        let settings = Arc::new(settings(cluster, config)?);
        let log = LogStore::open(&folder, &Limits::default())?;
        let (machine, handle) = Machine::open(&folder, &log)?;
        let raft = Raft::new(node.0, settings, network, log, machine).await;
        let raft = raft.map_err(|error| StartError::Stopped(error.to_string()))?;
        Ok((Self { node, raft, propose_timeout: config.propose_timeout }, handle))
    }

    /// The library's handle, for the service that takes its calls.
    pub fn raft(&self) -> Raft {
        self.raft.clone()
    }

    /// Makes this node the only voter of a new cluster, unless it is in one.
    pub async fn found(&self, address: &str) -> Result<(), StartError> {
        let stopped = |error: String| StartError::Stopped(error);
        if self.raft.is_initialized().await.map_err(|error| stopped(error.to_string()))? {
            return Ok(());
        }
        let alone = BTreeMap::from([(self.node.0, Node::new(address))]);
        self.raft.initialize(alone).await.map_err(|error| stopped(error.to_string()))
    }

    /// Commits `entry`, if this node leads; what became of it, and its index.
    pub async fn propose(&self, entry: Entry) -> Result<(Reply, u64), ProposeError> {
        let response = self.write(self.raft.client_write(entry)).await?;
        Ok((response.data, response.log_id.index))
    }

    async fn write(
        &self,
        write: impl Future<Output = Result<ClientWriteResponse<TypeConfig>, WriteError>>,
    ) -> Result<ClientWriteResponse<TypeConfig>, ProposeError> {
        let limit = self.propose_timeout;
        match timeout(limit, write).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unwritten(error)),
            Err(_) => Err(ProposeError::Unknown(format!("not committed within {limit:?}"))),
        }
    }

    /// Commits an empty entry, if this node leads: everything proposed here before stands below its index.
    pub async fn barrier(&self) -> Result<u64, ProposeError> {
        Ok(self.write(self.raft.write_blank()).await?.log_id.index)
    }

    /// Asks a quorum whether this node still leads; the index that a linearizable read must have applied.
    pub async fn confirm(&self) -> Result<u64, ProposeError> {
        let limit = self.propose_timeout;
        let read = timeout(limit, self.raft.get_read_linearizer(ReadPolicy::ReadIndex)).await;
        let read = read.map_err(|_| ProposeError::NoLeader(format!("no quorum answered within {limit:?}")))?;
        let linearizer = read.map_err(|error| ProposeError::NoLeader(error.to_string()))?;
        Ok(linearizer.read_log_id().index())
    }

    /// Lets `node` follow the log.
    pub async fn follow(&self, node: NodeId, address: &str) -> Result<(), ProposeError> {
        self.write(self.raft.add_learner(node.0, Node::new(address), false)).await.map(drop)
    }

    /// Lets exactly `voters` vote; who no longer does goes on following.
    pub async fn vote(&self, voters: BTreeSet<NodeId>) -> Result<(), ProposeError> {
        let voters: BTreeSet<u64> = voters.into_iter().map(|node| node.0).collect();
        self.write(self.raft.change_membership(voters, true)).await.map(drop)
    }

    /// Forgets a node that does not vote.
    pub async fn forget(&self, node: NodeId) -> Result<(), ProposeError> {
        let gone = ChangeMembers::RemoveNodes(BTreeSet::from([node.0]));
        self.write(self.raft.change_membership(gone, false)).await.map(drop)
    }

    /// Tells the library to hand leadership to `to`.
    pub async fn transfer(&self, to: NodeId) -> Result<(), ProposeError> {
        self.raft.trigger().transfer_leader(to.0).await.map_err(|error| ProposeError::NoLeader(error.to_string()))
    }

    /// Who votes and who follows.
    pub fn votes(&self) -> Votes {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        let nodes = |ids: &mut dyn Iterator<Item = u64>| ids.map(NodeId).collect::<BTreeSet<_>>();
        let known =
            |(node, upto): (u64, Option<raft_store::types::LogId>)| (NodeId(node), upto.map_or(0, |id| id.index));
        Votes {
            voters: nodes(&mut membership.voter_ids()),
            learners: nodes(&mut membership.learner_ids()),
            last: metrics.last_log_index.unwrap_or(0),
            followed: metrics.replication.unwrap_or_default().into_iter().map(known).collect(),
        }
    }

    /// Who leads, as it changes. Ends when the consensus does.
    pub async fn follow_leadership(&self, seen: watch::Sender<Leadership>) {
        let mut metrics = self.raft.metrics();
        loop {
            let now = {
                let metrics = metrics.borrow_and_update();
                let leader = metrics.current_leader.map(NodeId);
                Leadership { term: metrics.current_term, leader, mine: leader == Some(self.node) }
            };
            seen.send_if_modified(|before| std::mem::replace(before, now) != now);
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends when the consensus has stopped by itself, which it only does when it cannot go on: why.
    pub async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(reason) = &metrics.borrow_and_update().running_state {
                return reason.to_string();
            }
            if metrics.changed().await.is_err() {
                return "it was shut down".to_owned();
            }
        }
    }

    /// Stops taking part.
    pub async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the consensus did not stop cleanly");
        }
    }
}

type WriteError = RaftError<TypeConfig, ClientWriteError<TypeConfig>>;

/// What a failed write says about the entry's fate.
fn unwritten(error: WriteError) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            ProposeError::NoLeader(format!("this node does not lead ({:?})", forward.reason))
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
            ProposeError::NoLeader(format!("membership not changed: {error}"))
        }
        other => ProposeError::Unknown(other.to_string()),
    }
}
