//! A puller for every member, as members come, go and move.
//!
//! Promises: a node that is admitted is pulled without anybody asking; one whose address changed is pulled there; one
//! that was removed is let go. Refuses: judging who is alive: an unreachable spool is simply asked again.

use std::collections::BTreeMap;

use imbl::OrdMap;
use protocol::meter::NodeId;
use raft_store::state::membership::Member;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::hand_over::Giving;
use super::puller::{Limits, Puller};
use crate::cluster::Applied;
use crate::cluster::peers::Peer;

pub(super) struct Pullers {
    limits: Limits,
    out: Giving,
    backlog: Backlog,
    running: BTreeMap<NodeId, (String, CancellationToken)>,
    tasks: JoinSet<()>,
}

impl Pullers {
    pub(super) fn new(limits: Limits, out: Giving, backlog: Backlog) -> Self {
        Self { limits, out, backlog, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Follows the members until `stop`; `dial` gives the channel to one.
    pub(super) async fn run(
        mut self,
        mut applied: watch::Receiver<Applied>,
        dial: impl Fn(NodeId) -> Result<Peer, String>,
        stop: CancellationToken,
    ) {
        let mut followed: Option<OrdMap<NodeId, Member>> = None;
        loop {
            let members = applied.borrow_and_update().state.membership.members.clone();
            if !followed.as_ref().is_some_and(|followed| followed.ptr_eq(&members)) {
                followed = self.follow(&members, &dial).then_some(members);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = applied.changed() => if changed.is_err() { break },
                () = sleep(self.limits.retry_max), if followed.is_none() => {}
                Some(_) = self.tasks.join_next() => {}
            }
        }
        self.running.values().for_each(|(_, running)| running.cancel());
        while self.tasks.join_next().await.is_some() {}
    }

    /// Whether every member is being pulled now.
    fn follow(&mut self, members: &OrdMap<NodeId, Member>, dial: &impl Fn(NodeId) -> Result<Peer, String>) -> bool {
        let backlog = &self.backlog;
        self.running.retain(|node, (address, running)| {
            let stays = members.get(node).is_some_and(|member| member.address == *address);
            if !stays {
                running.cancel();
                backlog.forget(*node);
            }
            stays
        });
        let mut complete = true;
        for (node, member) in members.iter().filter(|(node, _)| !self.running.contains_key(*node)).collect::<Vec<_>>() {
            match dial(*node) {
                Ok(peer) => self.start(*node, member.address.clone(), peer),
                Err(error) => {
                    tracing::warn!(%node, %error, "spool cannot be pulled");
                    complete = false;
                }
            }
        }
        complete
    }

    fn start(&mut self, node: NodeId, address: String, peer: Peer) {
        let running = CancellationToken::new();
        let puller = Puller::new(node, peer, self.limits.clone(), self.out.clone(), self.backlog.clone());
        let until = running.clone();
        self.tasks.spawn(async move { until.run_until_cancelled(puller.run()).await.unwrap_or_default() });
        self.running.insert(node, (address, running));
    }
}
