//! The shared memory of the cluster: propose, read, watch, who leads, and the lease.
//!
//! ```text
//!             admin   leader   polling
//!                \      |      /
//!   Cluster:   propose read watch votes lease board hearing
//!                |                          |
//!            consensus <--- wire --->  other nodes: raft_service, service (in), network, peers (out)
//! ```
//!
//! Promises: [`Cluster::propose`] answers what became of an entry, wherever the leader is; [`Cluster::read`] is
//! linearizable; [`Cluster::applied`] shows this node's own copy as it grows. Refuses: deciding anything.

pub mod board;
pub mod consensus;
pub mod farewell;
pub mod hearing;
pub mod heartbeat;
mod history;
pub mod identity;
pub mod lease;
pub mod network;
pub mod peers;
pub mod quorum;
pub mod raft_service;
pub mod service;
mod watchers;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::api::peer as messages;
use protocol::api::peer::cluster_client::ClusterClient;
use protocol::meter::NodeId;
pub use raft_store::Applied;
use raft_store::MachineHandle;
use raft_store::codec::{decode_reply, encode_entry};
use raft_store::state::{Entry, Refused, Reply};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use board::Board;
use consensus::{Consensus, Votes};
use farewell::Farewell;
use hearing::Hearing;
pub use history::{Missing, MissingError};
use lease::Lease;
use peers::{Peer, Peers};
pub use watchers::Lost;

/// Who leads, as this node knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leadership {
    /// The term.
    pub term: u64,
    /// The leader of that term, once known.
    pub leader: Option<NodeId>,
    /// Whether that is this node.
    pub mine: bool,
}

/// Why a proposal was not answered with what became of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// The replicated state refused it; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No leader is known, or it cannot be reached; nothing was changed.
    #[error("no leader can be reached: {0}")]
    NoLeader(String),
    /// It was sent, and no answer came: it may or may not be carried out.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// A handle to the cluster; clones share it.
#[derive(Debug, Clone)]
pub struct Cluster {
    node: NodeId,
    config: Arc<Config>,
    consensus: Consensus,
    machine: MachineHandle,
    leadership: watch::Receiver<Leadership>,
    lease: Lease,
    hearing: Hearing,
    peers: Peers,
    board: Board,
    farewell: Farewell,
}

impl Cluster {
    /// The shared memory of `node`, over a running consensus.
    pub fn new(
        node: NodeId,
        config: Arc<Config>,
        consensus: Consensus,
        machine: MachineHandle,
        leadership: watch::Receiver<Leadership>,
        peers: Peers,
    ) -> Self {
        // A backlog comes by so many at once, however fast a watcher is.
        let watch_records = config.admin.watch_records.max(config.mysql.gather_rows);
        let board = Board::new(config.admin.events, watch_records);
        let (lease, hearing) = (Lease::default(), Hearing::default());
        let farewell = Farewell::default();
        Self { node, config, consensus, machine, leadership, lease, hearing, peers, board, farewell }
    }

    /// This node.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// This node's copy of the replicated state, as it grows.
    pub fn applied(&self) -> watch::Receiver<Applied> {
        self.machine.subscribe()
    }

    /// Who leads, as this node knows it.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// This node's right to speak on its lines.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// How this node tells the leader that it stops.
    pub fn farewell(&self) -> Farewell {
        self.farewell.clone()
    }

    /// The rules of the lease.
    pub fn lease_settings(&self) -> &config::Lease {
        &self.config.lease
    }

    /// The leader's table of who was heard when.
    pub fn hearing(&self) -> Hearing {
        self.hearing.clone()
    }

    /// The leader's board on this node; only the leader's is shown.
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// The consensus.
    pub fn consensus(&self) -> Consensus {
        self.consensus.clone()
    }

    /// Who votes and who follows, as this node knows it.
    pub fn votes(&self) -> Votes {
        self.consensus.votes()
    }

    /// Lets `node` follow the log; only on the leader.
    pub async fn follow(&self, node: NodeId, address: &str) -> Result<(), ProposeError> {
        self.consensus.follow(node, address).await
    }

    /// Lets exactly `voters` vote; only on the leader.
    pub async fn vote(&self, voters: BTreeSet<NodeId>) -> Result<(), ProposeError> {
        self.consensus.vote(voters).await
    }

    /// Forgets a node that does not vote; only on the leader.
    pub async fn forget(&self, node: NodeId) -> Result<(), ProposeError> {
        self.consensus.forget(node).await
    }

    /// A channel to another node (or this one) of the cluster.
    pub fn peer(&self, node: NodeId) -> Result<Peer, ProposeError> {
        let applied = self.machine.applied();
        let member = applied.state.membership.members.get(&node).ok_or_else(|| Refused::missing("node", node))?;
        self.peers.channel(node, &member.address).map_err(|error| ProposeError::NoLeader(error.to_string()))
    }

    fn leader(&self) -> Result<NodeId, ProposeError> {
        let leader = self.leadership.borrow().leader;
        leader.ok_or_else(|| ProposeError::NoLeader("none is elected".to_owned()))
    }

    fn client(&self, node: NodeId) -> Result<ClusterClient<Peer>, ProposeError> {
        let limit = usize::try_from(self.config.raft.message_bytes.as_u64()).unwrap_or(usize::MAX);
        let client = ClusterClient::new(self.peer(node)?);
        Ok(client.max_decoding_message_size(limit).max_encoding_message_size(limit))
    }

    fn leader_client(&self) -> Result<ClusterClient<Peer>, ProposeError> {
        self.client(self.leader()?)
    }

    /// Keeps what this node knows of its peers in step with the replicated state, until `stop`.
    pub async fn follow_members(&self, stop: CancellationToken) {
        let mut applied = self.applied();
        let mut known = None;
        loop {
            let members = applied.borrow_and_update().state.membership.members.clone();
            if known.as_ref() != Some(&members) {
                self.peers.learn(members.iter().map(|(node, member)| (*node, member.address.clone())));
                self.hearing.keep_only(|node| members.contains_key(&node));
                known = Some(members);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = applied.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Tells the cluster where this node is reached, if it believes otherwise, until it believes so. Every member is
    /// asked in turn: at its old address this node cannot have been told who leads.
    pub async fn announce(&self, stop: CancellationToken) {
        let mut applied = self.applied();
        let address = self.config.advertise();
        let known = |now: &Applied| now.state.membership.members.get(&self.node).map(|me| me.address.clone());
        loop {
            let (known, members) = {
                let now = applied.borrow_and_update();
                (known(&now), now.state.membership.members.keys().copied().collect::<Vec<_>>())
            };
            if known.as_ref().is_some_and(|known| *known != address) {
                for node in members.into_iter().filter(|node| *node != self.node) {
                    let entry = Entry::Announce { node: self.node, address: address.clone() };
                    if self.propose_to(node, entry).await.is_ok() {
                        break;
                    }
                }
            } else if known.is_some() {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = applied.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(self.config.raft.election_max) => {}
            }
        }
    }

    /// Commits `entry` through the leader and answers what became of it ([`Reply::Refused`] comes as an error). This
    /// node has applied it then.
    pub async fn propose(&self, entry: Entry) -> Result<Reply, ProposeError> {
        let (reply, index) = if self.leadership.borrow().mine {
            self.consensus.propose(entry).await?
        } else {
            self.forward(entry).await?
        };
        self.applied_at(index).await?;
        match reply {
            Reply::Refused(refused) => Err(refused.into()),
            reply => Ok(reply),
        }
    }

    async fn forward(&self, entry: Entry) -> Result<(Reply, u64), ProposeError> {
        self.propose_to(self.leader()?, entry).await
    }

    /// Commits `entry` through `node`, which does it only if it leads; what became of it, and its index.
    async fn propose_to(&self, node: NodeId, entry: Entry) -> Result<(Reply, u64), ProposeError> {
        let record = encode_entry(&entry).map_err(|error| Refused::Conflict(error.to_string()))?;
        let mut client = self.client(node)?;
        let request = messages::ProposeRequest { entry_record: record };
        let limit = self.config.raft.propose_timeout + self.config.raft.connect_timeout;
        let answer = timeout(limit, client.propose(request)).await;
        let answer =
            answer.map_err(|_| ProposeError::Unknown(format!("the leader did not answer within {limit:?}")))?;
        let messages::ProposeReply { reply_record, index } = answer.map_err(|status| unproposed(&status))?.into_inner();
        let reply = decode_reply(&reply_record).map_err(|error| ProposeError::Unknown(error.to_string()))?;
        Ok((reply, index))
    }

    /// This node's copy of the state, at least as new as every change answered before this call.
    pub async fn read(&self) -> Result<Applied, ProposeError> {
        let index = if self.leadership.borrow().mine {
            self.consensus.confirm().await?
        } else {
            let mut client = self.leader_client()?;
            let limit = self.config.raft.propose_timeout;
            let answer = timeout(limit, client.read_index(messages::ReadIndexRequest {})).await;
            let answer = answer.map_err(|_| ProposeError::NoLeader(format!("no answer within {limit:?}")))?;
            answer.map_err(|status| ProposeError::NoLeader(status.message().to_owned()))?.into_inner().index
        };
        self.applied_at(index).await
    }

    /// This node's copy of the state once the entry at `index` is applied.
    async fn applied_at(&self, index: u64) -> Result<Applied, ProposeError> {
        let limit = self.config.raft.propose_timeout;
        let applied = timeout(limit, self.machine.wait_for(index)).await;
        let applied = applied.map_err(|_| ProposeError::Unknown(format!("not applied here within {limit:?}")))?;
        applied.ok_or_else(|| ProposeError::Unknown("this node is stopping".to_owned()))
    }

    /// What only the leader knows: who was heard when, the database, events.
    pub async fn leader_view(&self) -> Result<messages::LeaderViewReply, ProposeError> {
        let mut client = self.leader_client()?;
        let limit = self.config.raft.propose_timeout;
        let answer = timeout(limit, client.leader_view(messages::LeaderViewRequest {})).await;
        let answer = answer.map_err(|_| ProposeError::NoLeader(format!("no answer within {limit:?}")))?;
        answer.map(tonic::Response::into_inner).map_err(|status| ProposeError::NoLeader(status.message().to_owned()))
    }

    /// Asks the leader to hand its leadership to `to`, or to the best voter; answers who leads then.
    pub async fn transfer(&self, to: Option<NodeId>) -> Result<NodeId, ProposeError> {
        let mut client = self.leader_client()?;
        let request = messages::TransferLeadershipRequest { to: to.map_or(0, |node| node.0) };
        let limit = self.config.raft.propose_timeout;
        let answer = timeout(limit, client.transfer(request)).await;
        let answer = answer.map_err(|_| ProposeError::Unknown(format!("no answer within {limit:?}")))?;
        answer.map(|reply| NodeId(reply.into_inner().leader)).map_err(|status| unproposed(&status))
    }

    /// Hands this node's leadership over; answers who leads then. From here on no heartbeat is answered by this node.
    pub async fn hand_over(&self, to: Option<NodeId>) -> Result<NodeId, ProposeError> {
        let to = self.successor(to)?;
        self.hearing.give_up();
        self.consensus.transfer(to).await?;
        let mut leadership = self.leadership();
        let limit = self.config.raft.election_max * 3;
        let changed = timeout(limit, leadership.wait_for(|now| !now.mine && now.leader.is_some())).await;
        match changed {
            Ok(Ok(now)) => now.leader.ok_or_else(|| ProposeError::NoLeader("none is elected".to_owned())),
            _ => Err(ProposeError::NoLeader(format!("node {to} did not take the leadership within {limit:?}"))),
        }
    }

    fn successor(&self, to: Option<NodeId>) -> Result<NodeId, ProposeError> {
        let votes = self.votes();
        let others = || votes.voters.iter().filter(|node| **node != self.node);
        match to {
            Some(to) if votes.voters.contains(&to) => Ok(to),
            Some(to) => Err(Refused::Conflict(format!("node {to} does not vote: only a voter can lead")).into()),
            None => others()
                .min_by_key(|node| votes.lag(**node).unwrap_or(u64::MAX))
                .copied()
                .ok_or_else(|| Refused::Conflict("there is no other voter".to_owned()).into()),
        }
    }
}

/// What a failed call to the leader says about a proposal's fate.
fn unproposed(status: &tonic::Status) -> ProposeError {
    let text = status.message().to_owned();
    match status.code() {
        tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument => Refused::Conflict(text).into(),
        tonic::Code::Aborted | tonic::Code::PermissionDenied => ProposeError::NoLeader(text),
        _ if was_never_sent(status) => ProposeError::NoLeader(text),
        _ => ProposeError::Unknown(text),
    }
}

/// Whether the call failed because there was no connection to send it on.
fn was_never_sent(status: &tonic::Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}
