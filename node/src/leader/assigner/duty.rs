//! The duty that looks at the assignment again and again while this node leads, and proposes what the plan says.
//!
//! Promises: a node's lines are given away only after it was silent for lease.dead_after, as received by this very
//! leadership, and is not answered any more; what was decided in one term is not carried out in another. Refuses: waiting for a move to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::api::admin::NodeReport;
use protocol::meter::{LineId, NodeId};
use raft_store::state::assignment::{Move, Revocation};
use raft_store::state::{Entry, State};
use tokio_util::sync::CancellationToken;

use super::plan::{Load, Plan, View, loads, plan};
use crate::clock::{Moment, wall_now};
use crate::cluster::board::Board;
use crate::cluster::hearing::{Hearing, Silence};
use crate::cluster::{Applied, Cluster};
use crate::config::Config;
use crate::leader::ticks::Ticks;

/// The assigner of the leading node.
#[derive(Debug)]
pub struct Assigner {
    cluster: Cluster,
    hearing: Hearing,
    board: Board,
    config: Arc<Config>,
    /// Of the registry as of the index beside it.
    loads: BTreeMap<LineId, Load>,
    loads_of: Option<State>,
    imbalanced_since: Option<Moment>,
    dead: BTreeSet<NodeId>,
    homeless: usize,
    /// What each node's spool accepted when last heard.
    pressed: BTreeMap<NodeId, u32>,
}

impl Assigner {
    /// The assigner of this leadership.
    pub fn new(cluster: Cluster, config: Arc<Config>) -> Self {
        Self {
            hearing: cluster.hearing(),
            board: cluster.board(),
            cluster,
            config,
            loads: BTreeMap::new(),
            loads_of: None,
            imbalanced_since: None,
            dead: BTreeSet::new(),
            homeless: 0,
            pressed: BTreeMap::new(),
        }
    }

    /// Looks and proposes until `stop`: at every tick, and whenever the state changed.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = Ticks::every(self.config.assigner.every);
        while ticks.next(&stop).await {
            let applied = self.cluster.applied().borrow().clone();
            // What is cut off is decided anew by the next office, or by another leader.
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look(&applied) => {}
            }
        }
    }

    async fn look(&mut self, applied: &Applied) {
        let members = applied.state.membership.members.keys().copied();
        let now = Moment::now();
        let Some((term, silences)) = self.hearing.silences(members, now) else { return };
        // A state older than this leadership's first entry would have the plan made on ownerships long gone.
        if applied.term != term {
            return;
        }
        self.refresh_loads(&applied.state);
        let members = silences.keys().copied();
        let dead = self.hearing.condemn(term, members, now, self.config.lease.dead_after);
        self.announce_deaths(dead, &silences);
        self.announce_pressure(&silences);
        let view = View {
            state: &applied.state,
            eligible: self.eligible(applied, &silences),
            dead: self.dead.clone(),
            loads: &self.loads,
            may_balance: self.imbalance_lasted(now),
            imbalance_percent: self.config.assigner.imbalance_percent,
            moves_under_way: self.config.assigner.moves_under_way,
        };
        let plan = plan(&view);
        self.note_imbalance(&plan, now);
        self.note_homeless(&plan);
        self.carry_out(term, plan).await;
        self.absolve(term, &silences).await;
    }

    /// Nodes that were heard again get answers again, once everything decided on their silence stands in the log.
    async fn absolve(&self, term: u64, silences: &BTreeMap<NodeId, Silence>) {
        let heard = |node: &&NodeId| silences.get(node).is_none_or(|s| s.span < self.config.lease.length);
        let back: BTreeSet<NodeId> = self.dead.iter().filter(heard).copied().collect();
        if back.is_empty() {
            return;
        }
        match self.cluster.consensus().barrier().await {
            Ok(index) => self.hearing.absolve(term, &back, index),
            // The next look tries again.
            Err(error) => tracing::warn!(%error, "nodes that are back cannot be answered yet"),
        }
    }

    fn refresh_loads(&mut self, state: &State) {
        let known = self.loads_of.as_ref().is_some_and(|of| is_read_alike(of, state));
        if !known {
            self.loads = loads(state);
            self.loads_of = Some(state.clone());
        }
    }

    fn eligible(&self, applied: &Applied, silences: &BTreeMap<NodeId, Silence>) -> BTreeSet<NodeId> {
        let lease = &self.config.lease;
        let limit = i64::try_from(lease.clock_limit.as_millis()).unwrap_or(i64::MAX);
        let fit = silences.iter().filter(|(node, silence)| {
            let fit = |r: &NodeReport| r.clock_offset_ms.abs() <= limit && !r.stopping;
            let fit = silence.report.as_ref().is_some_and(fit) && !self.dead.contains(node);
            silence.span < lease.length && fit && applied.state.membership.may_hold(**node)
        });
        fit.map(|(node, _)| *node).collect()
    }

    fn announce_deaths(&mut self, dead: BTreeSet<NodeId>, silences: &BTreeMap<NodeId, Silence>) {
        for node in dead.difference(&self.dead) {
            let span = silences.get(node).map(|silence| silence.span).unwrap_or_default();
            self.board.event(format!("node {node} is dead: not heard from for {:.1} s", span.as_secs_f64()));
        }
        for node in self.dead.difference(&dead) {
            self.board.event(format!("node {node} is alive again"));
        }
        self.dead = dead;
    }

    /// Tells when a node's spool presses on what it accepts, or no more.
    fn announce_pressure(&mut self, silences: &BTreeMap<NodeId, Silence>) {
        for (node, silence) in silences {
            let Some(report) = &silence.report else { continue };
            let before = self.pressed.insert(*node, report.spool_level).unwrap_or_default();
            if before != report.spool_level {
                let accepts = match report.spool_level {
                    0 => "accepts everything again",
                    1 => "accepts no reads that people ask for",
                    2 => "accepts readings of fewer slots",
                    _ => "accepts no readings",
                };
                self.board.event(format!("spool of node {node} at {} %: it {accepts}", report.spool_percent));
            }
        }
    }

    fn imbalance_lasted(&self, now: Moment) -> bool {
        self.imbalanced_since.is_some_and(|since| now.since(since) >= self.config.assigner.imbalance_for)
    }

    fn note_imbalance(&mut self, plan: &Plan, now: Moment) {
        self.imbalanced_since = plan.imbalanced.then(|| self.imbalanced_since.unwrap_or(now));
    }

    fn note_homeless(&mut self, plan: &Plan) {
        let count = plan.homeless.len();
        if count != self.homeless && count > 0 {
            self.board.event(format!("{count} lines have no node that may hold them"));
        }
        self.homeless = count;
    }

    async fn carry_out(&self, term: u64, plan: Plan) {
        for (cause, moves) in plan.assigns {
            for part in moves.chunks(self.config.assigner.moves_per_entry) {
                self.assign(term, part.to_vec(), &cause).await;
            }
        }
        for (cause, lines) in plan.revocations {
            for part in lines.chunks(self.config.assigner.moves_per_entry) {
                self.revoke(part.to_vec(), &cause).await;
            }
        }
    }

    async fn assign(&self, term: u64, moves: Vec<Move>, cause: &str) {
        let text = format!("{} lines assigned to {}: {cause}", moves.len(), targets(moves.iter().map(|m| m.to)));
        let entry = Entry::Assign { at: wall_now(), term, moves, cause: cause.to_owned() };
        self.propose(entry, text).await;
    }

    async fn revoke(&self, lines: Vec<Revocation>, cause: &str) {
        let to = targets(lines.iter().filter_map(|r| r.to));
        let text = format!("{} lines asked to move to {to}: {cause}", lines.len());
        let entry = Entry::Revoke { at: wall_now(), lines, cause: cause.to_owned() };
        self.propose(entry, text).await;
    }

    async fn propose(&self, entry: Entry, text: String) {
        match self.cluster.propose(entry).await {
            Ok(_) => self.board.event(text),
            // The next look sees what became of it.
            Err(error) => tracing::warn!(%error, "assignment not committed"),
        }
    }
}

/// The nodes, each once, as people write them.
fn targets(nodes: impl Iterator<Item = NodeId>) -> String {
    let nodes: BTreeSet<NodeId> = nodes.collect();
    let names: Vec<String> = nodes.iter().map(|node| format!("node {node}")).collect();
    names.join(", ")
}

/// Whether nothing changed that decides how often meters are read.
fn is_read_alike(before: &State, after: &State) -> bool {
    let (old, new) = (&before.plant, &after.plant);
    before.registry.meters.ptr_eq(&after.registry.meters)
        && old.meters.ptr_eq(&new.meters)
        && old.lines.ptr_eq(&new.lines)
        && old.policies.ptr_eq(&new.policies)
}
