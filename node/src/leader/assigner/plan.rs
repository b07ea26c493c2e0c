//! The pure part of the assigner: what ought to move, and why.
//!
//! A line whose unit calls in lives where its unit is connected, and follows it. Labels, balance and a drain do not move
//! it away from there: a node that may hold no lines lets its units go, and they call another. Where the unit is not
//! connected, or to a node that may hold no lines, its line stays with a living owner, and an ownerless one goes to any
//! node: somebody has to account for its slots.
//!
//! Promises: no clock, no dice, no I/O; ordered maps, so the same view gives the same plan. Refuses: more moves at once
//! than it is told.

use std::collections::{BTreeMap, BTreeSet};

use protocol::meter::{LineId, NodeId};
use raft_store::state::State;
use raft_store::state::assignment::{Move, Ownership, Phase, Revocation};
use raft_store::state::membership::Labels;
use raft_store::state::plant::schedule::{Rule, Times};

/// A line's share of a node's load: polls an hour.
pub type Load = u64;

/// What the leader knows when it plans.
#[derive(Debug)]
pub struct View<'a> {
    /// The replicated state.
    pub state: &'a State,
    /// Nodes that may get lines: members, heard from, clock right, not draining.
    pub eligible: BTreeSet<NodeId>,
    /// Nodes whose lease has surely ended.
    pub dead: BTreeSet<NodeId>,
    /// The load of each line.
    pub loads: &'a BTreeMap<LineId, Load>,
    /// Whether an imbalance may be mended now: it has lasted.
    pub may_balance: bool,
    /// The fullest node may carry this many percent more than the emptiest.
    pub imbalance_percent: u32,
    /// Planned moves under way at once, at most.
    pub moves_under_way: usize,
}

/// What ought to move.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Lines without a living owner, by cause.
    pub assigns: BTreeMap<String, Vec<Move>>,
    /// Lines whose owner is to let go, by cause.
    pub revocations: BTreeMap<String, Vec<Revocation>>,
    /// Lines that no node may have: what they require.
    pub homeless: Vec<LineId>,
    /// Whether some node carries too much, mended now or not.
    pub imbalanced: bool,
}

/// What ought to move in `view`.
pub fn plan(view: &View<'_>) -> Plan {
    let mut planner = Planner::new(view);
    planner.house_the_ownerless();
    planner.follow_the_units();
    planner.empty_the_draining();
    planner.balance();
    planner.plan
}

struct Planner<'a> {
    view: &'a View<'a>,
    /// Load each eligible node has, or will have once moves under way are done.
    carried: BTreeMap<NodeId, Load>,
    under_way: usize,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(view: &'a View<'a>) -> Self {
        let mut carried: BTreeMap<NodeId, Load> = view.eligible.iter().map(|node| (*node, 0)).collect();
        let mut under_way = 0;
        for (line, ownership) in &view.state.assignment.lines {
            let home = match ownership.phase {
                Phase::Orphan => None,
                Phase::Held { node } => Some(node),
                Phase::Revoking { to, .. } => {
                    under_way += 1;
                    to
                }
            };
            if let Some(load) = home.and_then(|node| carried.get_mut(&node)) {
                *load += load_of(view, *line);
            }
        }
        Self { view, carried, under_way, plan: Plan::default() }
    }

    fn requires(&self, line: LineId) -> Option<&'a Labels> {
        self.view.state.registry.lines.get(&line).map(|line| &line.spec.requires)
    }

    fn is_dial_in(&self, line: LineId) -> bool {
        self.view.state.registry.lines.get(&line).is_some_and(|line| line.spec.endpoint.unit().is_some())
    }

    /// The node that a line's unit is connected to, if it may hold lines.
    fn unit_at(&self, line: LineId) -> Option<NodeId> {
        let node = self.view.state.presence.of(line)?.node;
        self.view.eligible.contains(&node).then_some(node)
    }

    fn may_have(&self, node: NodeId, line: LineId) -> bool {
        if self.is_dial_in(line) {
            return self.unit_at(line).is_none_or(|home| home == node);
        }
        let member = self.view.state.membership.members.get(&node);
        let Some((member, requires)) = member.zip(self.requires(line)) else { return false };
        requires.iter().all(|(key, value)| member.labels.get(key) == Some(value))
    }

    /// The least loaded node that may have `line`; the lowest id among equals.
    fn least_loaded(&self, line: LineId) -> Option<NodeId> {
        let fit = self.carried.iter().filter(|(node, _)| self.may_have(**node, line));
        fit.min_by_key(|(node, load)| (**load, **node)).map(|(node, _)| *node)
    }

    fn carry(&mut self, node: NodeId, load: Load) {
        *self.carried.entry(node).or_default() += load;
    }

    /// Why a line has no living owner; `None` if it has one.
    fn ownerless(&self, ownership: &Ownership) -> Option<String> {
        match ownership.phase.owner() {
            None => Some(ownership.cause.clone()),
            Some(node) if self.view.dead.contains(&node) => Some(format!("node {node} is dead")),
            Some(node) if !self.view.state.membership.members.contains_key(&node) => {
                Some(format!("node {node} was removed"))
            }
            Some(_) => None,
        }
    }

    fn house_the_ownerless(&mut self) {
        for (line, ownership) in &self.view.state.assignment.lines {
            let Some(cause) = self.ownerless(ownership) else { continue };
            let Some(to) = self.least_loaded(*line) else {
                self.plan.homeless.push(*line);
                continue;
            };
            self.carry(to, load_of(self.view, *line));
            self.plan.assigns.entry(cause).or_default().push(Move { line: *line, from: ownership.epoch, to });
        }
    }

    fn revoke(&mut self, line: LineId, ownership: &Ownership, to: Option<NodeId>, cause: String) {
        self.under_way += 1;
        let revocation = Revocation { line, epoch: ownership.epoch, to };
        self.plan.revocations.entry(cause).or_default().push(revocation);
    }

    fn follow_the_units(&mut self) {
        for line in self.view.state.presence.units.keys() {
            let Some(ownership) = self.view.state.assignment.lines.get(line) else { continue };
            let Some(home) = self.unit_at(*line).filter(|_| self.ownerless(ownership).is_none()) else { continue };
            let is_new = match ownership.phase {
                Phase::Held { node } => node != home && self.under_way < self.view.moves_under_way,
                // It is on its way to where the unit was before. One that is to be nobody's is being removed.
                Phase::Revoking { to, .. } => to.is_some_and(|to| to != home),
                Phase::Orphan => false,
            };
            if is_new {
                self.carry(home, load_of(self.view, *line));
                self.revoke(*line, ownership, Some(home), format!("its unit is connected to node {home}"));
            }
        }
    }

    /// Whether this plan moves it already.
    fn is_moved(&self, line: LineId) -> bool {
        self.plan.revocations.values().flatten().any(|revocation| revocation.line == line)
    }

    fn empty_the_draining(&mut self) {
        for (line, ownership) in &self.view.state.assignment.lines {
            let Phase::Held { node } = ownership.phase else { continue };
            let draining = self.view.state.membership.members.get(&node).is_some_and(|member| member.draining);
            if !draining || self.view.dead.contains(&node) || self.under_way >= self.view.moves_under_way {
                continue;
            }
            let is_home = self.view.state.presence.of(*line).is_some_and(|present| present.node == node);
            if self.is_dial_in(*line) && (is_home || self.is_moved(*line)) {
                continue;
            }
            let to = self.least_loaded(*line);
            if let Some(to) = to {
                self.carry(to, load_of(self.view, *line));
            }
            self.revoke(*line, ownership, to, format!("node {node} is draining"));
        }
    }

    fn is_quiet(&self) -> bool {
        self.under_way == 0 && self.plan.assigns.is_empty()
    }

    fn balance(&mut self) {
        let Some((mut fullest, mut emptiest)) = self.extremes() else { return };
        if !self.is_quiet() || !self.too_far_apart(fullest.1, emptiest.1) {
            return;
        }
        self.plan.imbalanced = true;
        while self.view.may_balance && self.under_way < self.view.moves_under_way {
            let Some(line) = self.best_move(fullest, emptiest) else { return };
            self.shift(line, fullest.0, emptiest.0);
            match self.extremes() {
                Some(next) => (fullest, emptiest) = next,
                None => return,
            }
        }
    }

    /// The fullest and the emptiest node with their loads.
    fn extremes(&self) -> Option<((NodeId, Load), (NodeId, Load))> {
        let own = |(node, load): (&NodeId, &Load)| (*node, *load);
        let fullest = self.carried.iter().max_by_key(|(node, load)| (**load, std::cmp::Reverse(**node))).map(own)?;
        let emptiest = self.carried.iter().min_by_key(|(node, load)| (**load, **node)).map(own)?;
        Some((fullest, emptiest))
    }

    fn too_far_apart(&self, fullest: Load, emptiest: Load) -> bool {
        let allowed = emptiest + emptiest * u64::from(self.view.imbalance_percent) / 100;
        fullest > allowed
    }

    /// The line whose move from the fullest to the emptiest node mends the most, if any does: it must weigh less than
    /// what lies between them, and the nearer to half of that the better.
    fn best_move(&self, fullest: (NodeId, Load), emptiest: (NodeId, Load)) -> Option<LineId> {
        let gap = fullest.1.saturating_sub(emptiest.1);
        let moved: BTreeSet<LineId> = self.plan.revocations.values().flatten().map(|r| r.line).collect();
        let lines = self.view.state.assignment.lines.iter();
        let fit = lines.filter(|(line, o)| o.phase == Phase::Held { node: fullest.0 } && !moved.contains(*line));
        let fit = fit.filter(|(line, _)| !self.is_dial_in(**line) && self.may_have(emptiest.0, **line));
        let weighed = fit.map(|(line, _)| (load_of(self.view, *line), *line)).filter(|(load, _)| *load < gap);
        weighed.min_by_key(|(load, line)| ((load * 2).abs_diff(gap), *line)).map(|(_, line)| line)
    }

    fn shift(&mut self, line: LineId, from: NodeId, to: NodeId) {
        let load = load_of(self.view, line);
        let Some(ownership) = self.view.state.assignment.lines.get(&line) else { return };
        if let Some(carried) = self.carried.get_mut(&from) {
            *carried = carried.saturating_sub(load);
        }
        self.carry(to, load);
        self.revoke(line, ownership, Some(to), "balance".to_owned());
    }
}

/// A line with no meters still weighs something: it has to live somewhere.
fn load_of(view: &View<'_>, line: LineId) -> Load {
    view.loads.get(&line).copied().unwrap_or(0).max(1)
}

/// The load of every line: polls an hour of its enabled meters, in season and off it.
pub fn loads(state: &State) -> BTreeMap<LineId, Load> {
    let mut loads = BTreeMap::new();
    for meter in state.registry.meters.values().filter(|meter| meter.enabled) {
        let (schedule, _) = state.plant.schedule_of(&state.registry, meter);
        let polls: Load = schedule.rules().iter().map(polls_an_hour).sum();
        *loads.entry(meter.line).or_default() += polls + 1;
    }
    loads
}

/// Of one rule, cut.
fn polls_an_hour(rule: &Rule) -> Load {
    match &rule.times {
        Times::Every { interval_s, .. } => 3_600 / Load::from((*interval_s).max(1)),
        Times::Cron(cron) => Load::from(cron.minutes.count_ones() * cron.hours.count_ones() / 24),
        Times::Daily { .. } | Times::Monthly { .. } => 0,
    }
}

#[cfg(test)]
mod tests;
