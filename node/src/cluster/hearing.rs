//! Who was heard when: the leader's side of the lease.
//!
//! ```text
//!   leadership of term t first knows of a node at m      it counts as heard at m
//!   quorum asked at q, and confirmed        heartbeats are answered until q + lease.quorum_fresh
//!   heartbeat of node n received at h       n is silent for now - h
//! ```
//!
//! Why that is enough: an answer given by a leader that has lost its office was given before q + quorum_fresh, and its
//! successor was elected after q. So the lease it renewed ends before (election + quorum_fresh + lease.length), and the
//! successor moves no line before (election + lease.dead_after), which the configuration keeps larger.
//!
//! A node whose lines are being given away is **condemned**: in one step with the judgement that it was silent too long,
//! its heartbeats stop being answered, until everything proposed on that judgement is in the log. And every answer names
//! the log index up to which a node must have applied before the lease counts: nobody speaks on an ownership that ended
//! while he was away.
//!
//! Promises: no heartbeat is answered without a fresh quorum; silence is counted from what was **received**, on a clock
//! that runs through suspend. Refuses: deciding who is dead (that is the assigner's).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::api::admin::NodeReport;
use protocol::meter::NodeId;
use raft_store::state::UnixMillis;

use crate::clock::Moment;

/// A handle to the table; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Hearing {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// The term this node leads; 0 where it leads none.
    term: u64,
    quorum_until: Moment,
    /// Whoever has a lease must have applied the log up to here.
    floor: u64,
    nodes: BTreeMap<NodeId, Heard>,
    /// When each node was first asked about: a newcomer is not silent since before it came.
    known: BTreeMap<NodeId, Moment>,
    condemned: BTreeSet<NodeId>,
}

/// What a heartbeat is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The leader's term.
    pub term: u64,
    /// The lease counts once the log is applied up to here.
    pub applied: u64,
}

/// The last heartbeat of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When it was received.
    pub at: Moment,
    /// What the node said of itself.
    pub report: NodeReport,
}

/// A heartbeat as received.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Who sent it.
    pub node: NodeId,
    /// The sender's wall clock.
    pub wall_clock: UnixMillis,
    /// What it says of itself.
    pub report: NodeReport,
}

impl Hearing {
    fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// This node leads `term`: every node counts as heard when it is first asked about. Nothing, if it leads that term
    /// already.
    pub fn lead(&self, term: u64) {
        self.with(|table| {
            if table.term != term {
                *table = Table { term, ..Table::default() };
            }
        });
    }

    /// This node leads no more, or is about to hand its leadership over: no heartbeat is answered from now on.
    pub fn give_up(&self) {
        self.with(|table| *table = Table::default());
    }

    /// A quorum, asked at `asked`, confirmed that this node leads `term`, and everything committed before is at or
    /// below `index`.
    pub fn quorum_confirmed(&self, term: u64, asked: Moment, fresh: Duration, index: u64) {
        self.with(|table| {
            if table.term == term {
                table.quorum_until = table.quorum_until.max(asked + fresh);
                table.floor = table.floor.max(index);
            }
        });
    }

    /// Judges, at `now`, which of `nodes` have been silent for `limit`: none of them is answered from now on. All that
    /// are condemned, earlier ones too; empty where this node does not lead `term`.
    pub fn condemn(
        &self,
        term: u64,
        nodes: impl Iterator<Item = NodeId>,
        now: Moment,
        limit: Duration,
    ) -> BTreeSet<NodeId> {
        self.with(|table| {
            if table.term != term {
                return BTreeSet::new();
            }
            let silent: Vec<NodeId> = nodes.filter(|node| table.silence(*node, now) >= limit).collect();
            table.condemned.extend(silent);
            table.condemned.clone()
        })
    }

    /// Whatever was proposed because of the silence of `nodes` in `term` stands in the log at or below `index`: they are
    /// answered again once they are heard.
    pub fn absolve(&self, term: u64, nodes: &BTreeSet<NodeId>, index: u64) {
        self.with(|table| {
            if table.term == term {
                table.floor = table.floor.max(index);
                table.condemned.retain(|node| !nodes.contains(node));
            }
        });
    }

    /// Takes note of a heartbeat at `now`. What to answer; `None`: it must not be answered.
    pub fn hear(&self, beat: Heartbeat, now: Moment, wall: UnixMillis) -> Option<Answer> {
        self.with(|table| {
            if table.term == 0 {
                return None;
            }
            let offset = i128::from(beat.wall_clock.0) - i128::from(wall.0);
            let clock_offset_ms = i64::try_from(offset).unwrap_or(i64::MAX);
            let report = NodeReport { clock_offset_ms, ..beat.report };
            table.nodes.insert(beat.node, Heard { at: now, report });
            let may_answer = now < table.quorum_until && !table.condemned.contains(&beat.node);
            may_answer.then_some(Answer { term: table.term, applied: table.floor })
        })
    }

    /// The term this node leads, and how long each of `nodes` has been silent at `now`; `None` where it leads none.
    pub fn silences(
        &self,
        nodes: impl Iterator<Item = NodeId>,
        now: Moment,
    ) -> Option<(u64, BTreeMap<NodeId, Silence>)> {
        self.with(|table| {
            let mut silence = |node: NodeId| {
                let report = table.nodes.get(&node).map(|heard| heard.report.clone());
                Silence { span: table.silence(node, now), report }
            };
            let silences = nodes.map(|node| (node, silence(node))).collect();
            (table.term != 0).then_some((table.term, silences))
        })
    }

    /// Forgets nodes that are none any more.
    pub fn keep_only(&self, is_member: impl Fn(NodeId) -> bool) {
        self.with(|table| {
            table.nodes.retain(|node, _| is_member(*node));
            table.known.retain(|node, _| is_member(*node));
        });
    }
}

impl Table {
    fn silence(&mut self, node: NodeId, now: Moment) -> Duration {
        let known = *self.known.entry(node).or_insert(now);
        now.since(self.nodes.get(&node).map_or(known, |heard| heard.at))
    }
}

/// How long a node has been silent.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Since its last heartbeat was received, or since this leadership first knew of it.
    pub span: Duration,
    /// What it last said of itself to this leader.
    pub report: Option<NodeReport>,
}

#[cfg(test)]
mod tests;
