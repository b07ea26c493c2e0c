//! The cluster itself: its status, and which nodes are in it.
//!
//! Promises: a node is forgotten only when it is dead or drained. Refuses: forgetting the leader.

use protocol::api::admin as api;
use protocol::api::admin::cluster_server::Cluster;
use protocol::api::peer::{HeardNode, LeaderViewReply};
use protocol::meter::NodeId;
use raft_store::state::{Entry, State};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

use super::rules::{Rpc, authorize};
use super::sight::Sight;
use super::status::build;
use super::watching::{Feed, Watch};
use super::{Admin, convert};
use crate::clock::wall_now;
use crate::cluster::{Applied, Leadership};

/// Answers a second to a watcher that names no number.
const STATUS_PER_SECOND: u32 = 2;

#[tonic::async_trait]
impl Cluster for Admin {
    type WatchStatusStream = Watch<api::StatusReply>;

    async fn status(&self, request: Request<api::StatusRequest>) -> Result<Response<api::StatusReply>, Status> {
        authorize(&request, Rpc::ClusterStatus)?;
        let api::StatusRequest { local, digest } = request.into_inner();
        self.within(async {
            let (status, state) = if local { self.local_status().await } else { self.true_status().await? };
            let state_digest = if digest { digest_of(state).await? } else { String::new() };
            Ok(api::StatusReply { state_digest, ..status })
        })
        .await
    }

    async fn watch_status(
        &self,
        request: Request<api::WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        authorize(&request, Rpc::ClusterWatchStatus)?;
        let most = self.config.admin.status_per_second;
        let asked = request.into_inner().max_per_second;
        let per_second = if asked == 0 { STATUS_PER_SECOND.min(most) } else { asked.min(most) };
        let pause = Duration::from_secs(1) / per_second.max(1);
        let admin = self.clone();
        self.watch(move |feed| admin.feed_status(feed, pause)).map(Response::new)
    }

    async fn drain(&self, request: Request<api::DrainRequest>) -> Result<Response<api::DrainReply>, Status> {
        authorize(&request, Rpc::ClusterDrain)?;
        let node = NodeId(request.into_inner().node);
        let entry = Entry::SetDraining { node, draining: true };
        self.within(async { self.propose(entry).await.map(|_| api::DrainReply {}) }).await
    }

    async fn resume(&self, request: Request<api::ResumeRequest>) -> Result<Response<api::ResumeReply>, Status> {
        authorize(&request, Rpc::ClusterResume)?;
        let node = NodeId(request.into_inner().node);
        let entry = Entry::SetDraining { node, draining: false };
        self.within(async { self.propose(entry).await.map(|_| api::ResumeReply {}) }).await
    }

    async fn remove(&self, request: Request<api::RemoveRequest>) -> Result<Response<api::RemoveReply>, Status> {
        authorize(&request, Rpc::ClusterRemove)?;
        let node = NodeId(request.into_inner().node);
        self.within(async {
            let applied = self.read().await?;
            let view = self.view().await?;
            let leader = self.leadership().leader;
            if let Some(text) = removal_obstacle(&applied.state, &view, leader, node) {
                return Err(Status::failed_precondition(text));
            }
            self.propose(Entry::RemoveNode { node }).await.map(|_| api::RemoveReply {})
        })
        .await
    }

    async fn transfer_leader(
        &self,
        request: Request<api::TransferLeaderRequest>,
    ) -> Result<Response<api::TransferLeaderReply>, Status> {
        authorize(&request, Rpc::ClusterTransferLeader)?;
        let to = Some(request.into_inner().to).filter(|to| *to > 0).map(NodeId);
        self.within(async {
            let leader = self.cluster.transfer(to).await.map_err(convert::refusal)?;
            Ok(api::TransferLeaderReply { leader: leader.0 })
        })
        .await
    }
}

impl Admin {
    pub(super) fn leadership(&self) -> Leadership {
        *self.cluster.leadership().borrow()
    }

    async fn view(&self) -> Result<LeaderViewReply, Status> {
        self.cluster.leader_view().await.map_err(convert::refusal)
    }

    fn show(&self, applied: &Applied, leadership: Leadership, view: Option<&LeaderViewReply>) -> api::StatusReply {
        let own = self.metrics.report();
        let node = self.cluster.node();
        let loads = self.loads(&applied.state);
        build(Sight { applied, leadership, view, node, own: &own, at: wall_now(), loads: &loads, config: &self.config })
    }

    async fn true_status(&self) -> Result<(api::StatusReply, State), Status> {
        let applied = self.read().await?;
        let view = self.view().await?;
        Ok((self.show(&applied, self.leadership(), Some(&view)), applied.state))
    }

    /// From this node's memory; only a leader has the leader's view there.
    async fn local_status(&self) -> (api::StatusReply, State) {
        let applied = self.cluster.applied().borrow().clone();
        let leadership = self.leadership();
        let view = if leadership.mine { self.view().await.ok() } else { None };
        (self.show(&applied, leadership, view.as_ref()), applied.state)
    }

    /// For a watcher, who must see a cluster that has no leader too: this node's memory, and that nobody leads.
    async fn status_without_leader(&self) -> api::StatusReply {
        let applied = self.cluster.applied().borrow().clone();
        let leadership = Leadership { leader: None, mine: false, ..self.leadership() };
        self.show(&applied, leadership, None)
    }

    async fn feed_status(self, feed: Arc<Feed<api::StatusReply>>, pause: Duration) -> Result<(), Status> {
        let mut last = None;
        loop {
            // Whoever is not answered within two elections has no leader, as far as a watcher is concerned.
            let limit = self.config.raft.election_max * 2;
            let status = match tokio::time::timeout(limit, self.true_status()).await {
                Ok(Ok((status, _))) => status,
                Ok(Err(_)) | Err(_) => self.status_without_leader().await,
            };
            let seen = Some(without_moment(status.clone()));
            if seen != last {
                last = seen;
                if feed.send(status).await.is_err() {
                    return Ok(());
                }
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// A status without what changes by itself.
fn without_moment(mut status: api::StatusReply) -> api::StatusReply {
    status.at = 0;
    for node in &mut status.nodes {
        node.heard_ms_ago = None;
        if let Some(report) = &mut node.report {
            report.resident_bytes = 0;
        }
    }
    status
}

/// What forbids forgetting `node`.
fn removal_obstacle(state: &State, view: &LeaderViewReply, leader: Option<NodeId>, node: NodeId) -> Option<String> {
    let member = state.membership.members.get(&node)?;
    if leader == Some(node) {
        let text =
            format!("node {node} ({}) leads: hand leadership over with `hearth node transfer-leader`", member.name);
        return Some(text);
    }
    let health = view.nodes.iter().find(|heard| heard.node == node.0).map(HeardNode::health);
    let lives = matches!(health, Some(api::NodeHealth::Alive | api::NodeHealth::Suspect));
    (lives && !member.draining)
        .then(|| format!("node {node} ({}) lives: drain it first with `hearth node drain {node}`", member.name))
}

/// The digest of a state, hexadecimal. Encoding it takes its time: not in the threads that serve tasks.
async fn digest_of(state: State) -> Result<String, Status> {
    let digest = tokio::task::spawn_blocking(move || raft_store::codec::digest(&state)).await;
    let digest = digest.map_err(|error| Status::internal(error.to_string()))?;
    digest.map(|digest| digest.to_string()).map_err(|error| Status::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::tests::{heard, seen, view};
    use crate::admin::testing;

    #[test]
    fn a_living_node_is_drained_before_it_is_forgotten() {
        let mut state = testing::cluster_of_three();
        let obstacle = |state: &State| removal_obstacle(state, &view(), Some(NodeId(1)), NodeId(3));
        assert!(obstacle(&state).is_some_and(|text| text.contains("hearth node drain 3")));
        testing::applied(&mut state, vec![Entry::SetDraining { node: NodeId(3), draining: true }]);
        assert_eq!(obstacle(&state), None);
    }

    #[test]
    fn a_dead_node_may_be_forgotten_and_the_leader_never() {
        let state = testing::cluster_of_three();
        let mut view = view();
        *view.nodes.get_mut(2).expect("three nodes") = heard(3, api::NodeRole::Voter, api::NodeHealth::Dead);
        assert_eq!(removal_obstacle(&state, &view, Some(NodeId(1)), NodeId(3)), None);
        let leads = removal_obstacle(&state, &view, Some(NodeId(3)), NodeId(3));
        assert!(leads.is_some_and(|text| text.contains("transfer-leader")));
    }

    #[test]
    fn time_passing_alone_is_no_change_of_status() {
        let first = seen(testing::cluster_of_three(), Some(&view()), Some(1));
        let mut later = first.clone();
        later.at += 500;
        later.nodes.iter_mut().for_each(|node| node.heard_ms_ago = Some(400));
        assert_eq!(without_moment(first.clone()), without_moment(later.clone()));
        later.meters += 1;
        assert_ne!(without_moment(first), without_moment(later));
    }
}
