//! What nodes ask of each other about the cluster: a place, a lease, a commit, a read index, the leader's view.
//!
//! Promises: only nodes of this cluster are heard (a newcomer only by `Join`); a heartbeat is answered only under the
//! rules of [`super::hearing`]. Refuses: answering for another node, but for `Join`, which is forwarded to the leader.

use protocol::api::admin::{NodeHealth, NodeRole};
use protocol::api::peer as messages;
use protocol::api::peer::cluster_server;
use protocol::meter::NodeId;
use raft_store::codec::{decode_entry, encode_reply};
use raft_store::state::membership::Newcomer;
use raft_store::state::{Entry, Reply, UnixMillis};
use tonic::{Request, Response, Status};

use super::hearing::{Heartbeat, Silence};
use super::{Cluster, ProposeError, peers};
use crate::clock::{Moment, wall_now};

/// Answers the calls.
#[derive(Debug, Clone)]
pub struct ClusterService {
    cluster: Cluster,
}

impl ClusterService {
    /// For `cluster`.
    pub const fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Nodes of other clusters are not heard.
    fn refuse_strangers<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let applied = self.cluster.applied();
        let ours = &applied.borrow().state.membership.cluster_id;
        peers::refuse_strangers(ours, request.metadata())
    }

    fn refuse_unless_leading(&self) -> Result<(), Status> {
        let leadership = *self.cluster.leadership().borrow();
        if leadership.mine {
            return Ok(());
        }
        let leader = leadership.leader.map_or_else(|| "no node".to_owned(), |node| format!("node {node}"));
        Err(Status::failed_precondition(format!("node {} does not lead, {leader} does", self.cluster.node())))
    }

    fn role(&self, node: NodeId) -> NodeRole {
        let votes = self.cluster.votes();
        if self.cluster.leadership().borrow().leader == Some(node) {
            NodeRole::Leader
        } else if votes.voters.contains(&node) {
            NodeRole::Voter
        } else if votes.learners.contains(&node) {
            NodeRole::Learner
        } else {
            NodeRole::Joining
        }
    }

    fn health(&self, silence: &Silence) -> NodeHealth {
        let lease = self.cluster.lease_settings();
        if silence.span >= lease.dead_after {
            NodeHealth::Dead
        } else if silence.span >= lease.heartbeat * 3 {
            NodeHealth::Suspect
        } else {
            NodeHealth::Alive
        }
    }
}

/// The gRPC status of a proposal that was not answered with what became of it; [`super::unproposed`] reads it.
fn status(error: ProposeError) -> Status {
    match error {
        ProposeError::Refused(refused) => Status::failed_precondition(refused.to_string()),
        ProposeError::NoLeader(text) => Status::aborted(text),
        ProposeError::Unknown(text) => Status::unknown(text),
    }
}

#[tonic::async_trait]
impl cluster_server::Cluster for ClusterService {
    async fn join(&self, request: Request<messages::JoinRequest>) -> Result<Response<messages::JoinReply>, Status> {
        let messages::JoinRequest { cluster_id, name, address, labels, key } = request.into_inner();
        let applied = self.cluster.read().await.map_err(status)?;
        let ours = &applied.state.membership;
        if ours.cluster_id.is_empty() {
            return Err(Status::unavailable("the cluster is just being founded: ask again"));
        }
        if !cluster_id.is_empty() && cluster_id != ours.cluster_id {
            let text = format!("this is cluster {} ({}), not {cluster_id}", ours.cluster_id, ours.cluster_name);
            return Err(Status::failed_precondition(text));
        }
        let newcomer = Newcomer { name, address, labels: labels.into_iter().collect() };
        let reply = self.cluster.propose(Entry::Admit { at: wall_now(), newcomer, key }).await.map_err(status)?;
        let Reply::Admitted(node) = reply else { return Err(Status::internal("admission was answered otherwise")) };
        let peers =
            ours.members.iter().map(|(id, member)| messages::Peer { node: id.0, address: member.address.clone() });
        Ok(Response::new(messages::JoinReply {
            cluster_id: ours.cluster_id.clone(),
            cluster_name: ours.cluster_name.clone(),
            node: node.0,
            peers: peers.collect(),
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<messages::HeartbeatRequest>,
    ) -> Result<Response<messages::HeartbeatReply>, Status> {
        self.refuse_strangers(&request)?;
        self.refuse_unless_leading()?;
        let message = request.into_inner();
        let node = NodeId(message.node);
        if !self.cluster.applied().borrow().state.membership.members.contains_key(&node) {
            return Err(Status::permission_denied(format!("node {node} is no member of this cluster")));
        }
        let report = message.report.unwrap_or_default();
        let beat = Heartbeat { node, wall_clock: UnixMillis(message.wall_clock), report };
        let answer = self.cluster.hearing().hear(beat, Moment::now(), wall_now());
        let answer =
            answer.ok_or_else(|| Status::unavailable("the leader has no fresh quorum, or moves your lines"))?;
        Ok(Response::new(messages::HeartbeatReply {
            term: answer.term,
            sequence: message.sequence,
            wall_clock: wall_now().0,
            applied: answer.applied,
        }))
    }

    async fn propose(
        &self,
        request: Request<messages::ProposeRequest>,
    ) -> Result<Response<messages::ProposeReply>, Status> {
        self.refuse_strangers(&request)?;
        let entry = decode_entry(&request.into_inner().entry_record);
        let entry = entry.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let (reply, index) = self.cluster.consensus().propose(entry).await.map_err(status)?;
        let reply_record = encode_reply(&reply).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(messages::ProposeReply { reply_record, index }))
    }

    async fn read_index(
        &self,
        request: Request<messages::ReadIndexRequest>,
    ) -> Result<Response<messages::ReadIndexReply>, Status> {
        self.refuse_strangers(&request)?;
        let index = self.cluster.consensus().confirm().await.map_err(status)?;
        let term = self.cluster.leadership().borrow().term;
        Ok(Response::new(messages::ReadIndexReply { index, term }))
    }

    async fn leader_view(
        &self,
        request: Request<messages::LeaderViewRequest>,
    ) -> Result<Response<messages::LeaderViewReply>, Status> {
        self.refuse_strangers(&request)?;
        self.refuse_unless_leading()?;
        let members: Vec<NodeId> = self.cluster.applied().borrow().state.membership.members.keys().copied().collect();
        let silences = self.cluster.hearing().silences(members.into_iter(), Moment::now());
        let (term, silences) = silences.ok_or_else(|| Status::unavailable("the leader has only just been elected"))?;
        let heard = |(node, silence): (NodeId, Silence)| messages::HeardNode {
            node: node.0,
            heard_ms_ago: u64::try_from(silence.span.as_millis()).unwrap_or(u64::MAX),
            health: self.health(&silence).into(),
            role: self.role(node).into(),
            report: silence.report,
        };
        Ok(Response::new(messages::LeaderViewReply {
            term,
            nodes: silences.into_iter().map(heard).collect(),
            database: Some(self.cluster.board().database()),
            events: self.cluster.board().events(),
            ledger: Some(self.cluster.board().ledger()),
        }))
    }

    async fn transfer(
        &self,
        request: Request<messages::TransferLeadershipRequest>,
    ) -> Result<Response<messages::TransferLeadershipReply>, Status> {
        self.refuse_strangers(&request)?;
        self.refuse_unless_leading()?;
        let to = request.into_inner().to;
        let to = (to != 0).then_some(NodeId(to));
        let leader = self.cluster.hand_over(to).await.map_err(status)?;
        Ok(Response::new(messages::TransferLeadershipReply { leader: leader.0 }))
    }
}
