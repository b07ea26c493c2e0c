//! Who votes: a pure choice of the next change, and the duty that carries it out.
//!
//! ```text
//!   admitted ---> learner ---> voter          when caught up and heard from for membership.stable_for
//!                    ^           |
//!                    +-----------+            when dead, and a stand-by can take its place in the same change
//! ```
//!
//! Promises: one change at a time; voters stay odd in number (but for the two steps of growing), a dead voter gives way
//! only to a living one. Refuses: shrinking the vote because nodes are dead: that would trade a majority for luck.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::meter::NodeId;
use raft_store::state::State;
use tokio_util::sync::CancellationToken;

use super::ticks::Ticks;
use crate::clock::Moment;
use crate::cluster::board::Board;
use crate::cluster::consensus::Votes;
use crate::cluster::hearing::Hearing;
use crate::cluster::{Applied, Cluster};
use crate::config::Config;

/// A change of who follows and who votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Let a node follow the log.
    Follow(NodeId),
    /// Let these nodes vote, and no others; who no longer votes goes on following.
    Vote(BTreeSet<NodeId>),
    /// Forget a node.
    Forget(NodeId),
}

/// What the choice rests on.
#[derive(Debug)]
pub struct View<'a> {
    /// The replicated state.
    pub state: &'a State,
    /// Who votes and follows now.
    pub votes: &'a Votes,
    /// Nodes that were caught up and heard from long enough.
    pub stable: BTreeSet<NodeId>,
    /// Nodes that are dead.
    pub dead: BTreeSet<NodeId>,
    /// This node.
    pub leader: NodeId,
    /// Voters, at most.
    pub voters: usize,
}

/// The next change, if one is due.
pub fn next_change(view: &View<'_>) -> Option<Change> {
    follow(view).or_else(|| forget(view)).or_else(|| vote(view))
}

fn follow(view: &View<'_>) -> Option<Change> {
    let mut members = view.state.membership.members.keys();
    members.find(|node| !view.votes.is_known(**node)).map(|node| Change::Follow(*node))
}

fn forget(view: &View<'_>) -> Option<Change> {
    let removed = |node: &&NodeId| !view.state.membership.members.contains_key(*node);
    let gone = view.votes.voters.iter().chain(&view.votes.learners).find(removed)?;
    if view.votes.voters.contains(gone) {
        return Some(Change::Vote(view.votes.voters.iter().copied().filter(|node| node != gone).collect()));
    }
    Some(Change::Forget(*gone))
}

fn vote(view: &View<'_>) -> Option<Change> {
    let draining = |node: &NodeId| view.state.membership.members.get(node).is_some_and(|member| member.draining);
    let fit = |node: &&NodeId| view.stable.contains(node) && !draining(node) && !view.votes.voters.contains(node);
    let mut standby = view.votes.learners.iter().filter(fit).copied();
    let replaceable = |node: &&NodeId| (view.dead.contains(node) || draining(node)) && **node != view.leader;
    if let Some(gone) = view.votes.voters.iter().find(replaceable) {
        let next = standby.next()?;
        let others = view.votes.voters.iter().copied().filter(|node| node != gone);
        return Some(Change::Vote(others.chain([next]).collect()));
    }
    grow(view, &standby.collect::<Vec<_>>())
}

/// Adds as many voters as keep their number odd; one more at a time.
fn grow(view: &View<'_>, standby: &[NodeId]) -> Option<Change> {
    let now = view.votes.voters.len();
    let reachable = (now + standby.len()).min(view.voters);
    let wanted = if reachable % 2 == 1 { reachable } else { reachable.saturating_sub(1) };
    let next = standby.first().filter(|_| now < wanted)?;
    Some(Change::Vote(view.votes.voters.iter().copied().chain([*next]).collect()))
}

/// The membership duty of the leading node.
#[derive(Debug)]
pub struct Membership {
    cluster: Cluster,
    hearing: Hearing,
    board: Board,
    config: Arc<Config>,
    /// Since when a node has been caught up and heard from without a break.
    sound_since: BTreeMap<NodeId, Moment>,
}

impl Membership {
    /// The duty of this leadership.
    pub fn new(cluster: Cluster, config: Arc<Config>) -> Self {
        let (hearing, board) = (cluster.hearing(), cluster.board());
        Self { cluster, hearing, board, config, sound_since: BTreeMap::new() }
    }

    /// Looks and changes until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = Ticks::every(self.config.membership.every);
        while ticks.next(&stop).await {
            let applied = self.cluster.applied().borrow().clone();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look(&applied) => {}
            }
        }
    }

    async fn look(&mut self, applied: &Applied) {
        let votes = self.cluster.votes();
        let now = Moment::now();
        let members = applied.state.membership.members.keys().copied();
        let Some((term, silences)) = self.hearing.silences(members, now) else { return };
        // In a state older than this leadership, or than the cluster's founding, members would seem to be removed.
        if applied.term != term || !applied.state.membership.members.contains_key(&self.cluster.node()) {
            return;
        }
        let spans: BTreeMap<NodeId, Duration> = silences.into_iter().map(|(node, s)| (node, s.span)).collect();
        let dead_after = self.config.lease.dead_after;
        let view = View {
            state: &applied.state,
            stable: self.stable(&votes, &spans, now),
            dead: spans.iter().filter(|(_, span)| **span >= dead_after).map(|(node, _)| *node).collect(),
            votes: &votes,
            leader: self.cluster.node(),
            voters: self.config.membership.voters,
        };
        if let Some(change) = next_change(&view) {
            self.carry_out(change, &applied.state).await;
        }
    }

    fn stable(&mut self, votes: &Votes, spans: &BTreeMap<NodeId, Duration>, now: Moment) -> BTreeSet<NodeId> {
        let settings = &self.config.membership;
        let heard = |node: &NodeId| spans.get(node).is_some_and(|span| *span < self.config.lease.length);
        let caught_up = |node: &NodeId| votes.lag(*node).is_some_and(|lag| lag <= settings.caught_up_entries);
        let known = votes.voters.iter().chain(&votes.learners);
        let sound: BTreeSet<NodeId> = known.filter(|node| heard(node) && caught_up(node)).copied().collect();
        self.sound_since.retain(|node, _| sound.contains(node));
        for node in sound {
            self.sound_since.entry(node).or_insert(now);
        }
        let long_enough = |since: &Moment| now.since(*since) >= settings.stable_for;
        self.sound_since.iter().filter(|(_, since)| long_enough(since)).map(|(node, _)| *node).collect()
    }

    async fn carry_out(&self, change: Change, state: &State) {
        let (text, result) = match change {
            Change::Follow(node) => {
                let address = state.membership.members.get(&node).map(|m| m.address.clone()).unwrap_or_default();
                (format!("node {node} follows the log"), self.cluster.follow(node, &address).await)
            }
            Change::Vote(voters) => {
                let names: Vec<String> = voters.iter().map(ToString::to_string).collect();
                (format!("nodes {} vote", names.join(", ")), self.cluster.vote(voters).await)
            }
            Change::Forget(node) => (format!("node {node} is forgotten"), self.cluster.forget(node).await),
        };
        match result {
            Ok(()) => self.board.event(text),
            // The next look sees what became of it.
            Err(error) => tracing::warn!(%error, change = %text, "membership not changed"),
        }
    }
}

#[cfg(test)]
mod tests;
