//! Who owns which line, numbered by epoch.
//!
//! ```text
//!                 Assign (epoch + 1)
//!    Orphan ---------------------------> Held{node}
//!      ^                                  |      ^  \
//!      | Release, no taker         Revoke |      |   \ Assign after the owner's death (epoch + 1)
//!      |                                  v      |    v
//!      +------------------------- Revoking{node, to}  Held{other}
//!                                         |
//!                                         +-- Release --> Held{to} (epoch + 1, acknowledged)
//! ```
//!
//! Promises: an epoch has one owner, epochs only grow, and a change decided on an old epoch changes nothing.
//! Refuses: deciding anything (that is the assigner's) and knowing who is alive (that is the leader's to see).

use imbl::OrdMap;
use protocol::meter::{Epoch, LineId, NodeId};

use super::UnixMillis;

/// The ownership of every line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// By line.
    pub lines: OrdMap<LineId, Ownership>,
}

/// The ownership of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The number of the present (or last) ownership; 0 before the first.
    pub epoch: Epoch,
    /// Who owns it.
    pub phase: Phase,
    /// Whether the owner before let go in words. If not, a new owner listens before it speaks.
    pub acknowledged: bool,
    /// Since when it is so.
    pub since: UnixMillis,
    /// Why it is so, for people.
    pub cause: String,
}

/// Who owns a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody.
    Orphan,
    /// This node.
    Held {
        /// The owner.
        node: NodeId,
    },
    /// Still this node, which is asked to let go.
    Revoking {
        /// The owner.
        node: NodeId,
        /// Who gets it then; `None`: nobody.
        to: Option<NodeId>,
    },
}

impl Phase {
    /// The owner, also one that is asked to let go.
    pub const fn owner(self) -> Option<NodeId> {
        match self {
            Self::Orphan => None,
            Self::Held { node } | Self::Revoking { node, .. } => Some(node),
        }
    }
}

/// Gives a line to a node, provided its epoch is still `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The line.
    pub line: LineId,
    /// The epoch on which this was decided.
    pub from: Epoch,
    /// The new owner.
    pub to: NodeId,
}

/// Asks the owner of a line to let go, provided its epoch is still `epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// The line.
    pub line: LineId,
    /// The epoch on which this was decided.
    pub epoch: Epoch,
    /// Who gets it then; `None`: nobody.
    pub to: Option<NodeId>,
}

impl Assignment {
    pub(super) fn add_line(&mut self, at: UnixMillis, line: LineId) {
        let cause = "new line".to_owned();
        let fresh = Ownership { epoch: Epoch(0), phase: Phase::Orphan, acknowledged: true, since: at, cause };
        self.lines.insert(line, fresh);
    }

    pub(super) fn remove_line(&mut self, line: LineId) {
        self.lines.remove(&line);
    }

    /// The owner of `line`, also one that is asked to let go.
    pub fn owner(&self, line: LineId) -> Option<NodeId> {
        self.lines.get(&line)?.phase.owner()
    }

    /// Whether `node` owns `line` under `epoch`.
    pub fn is_held(&self, line: LineId, node: NodeId, epoch: Epoch) -> bool {
        self.lines.get(&line).is_some_and(|o| o.epoch == epoch && o.phase.owner() == Some(node))
    }

    /// How many lines `node` owns.
    pub fn held_by(&self, node: NodeId) -> usize {
        self.lines.values().filter(|o| o.phase.owner() == Some(node)).count()
    }

    pub(super) fn assign(
        &mut self,
        at: UnixMillis,
        moves: &[Move],
        cause: &str,
        may_hold: impl Fn(NodeId) -> bool,
    ) -> u32 {
        moves.iter().filter(|m| may_hold(m.to)).map(|m| u32::from(self.assign_one(at, *m, cause))).sum()
    }

    fn assign_one(&mut self, at: UnixMillis, wanted: Move, cause: &str) -> bool {
        let Some(line) = self.lines.get_mut(&wanted.line).filter(|o| o.epoch == wanted.from) else { return false };
        // An orphan was released in words (or never owned): its mark stands. An owner passed over said nothing.
        line.acknowledged = line.acknowledged && line.phase == Phase::Orphan;
        line.give(at, wanted.to, cause.to_owned());
        true
    }

    pub(super) fn revoke(&mut self, at: UnixMillis, wanted: &[Revocation], cause: &str) -> u32 {
        wanted.iter().map(|r| u32::from(self.revoke_one(at, *r, cause))).sum()
    }

    fn revoke_one(&mut self, at: UnixMillis, wanted: Revocation, cause: &str) -> bool {
        let Some(line) = self.lines.get_mut(&wanted.line).filter(|o| o.epoch == wanted.epoch) else { return false };
        let Some(node) = line.phase.owner() else { return false };
        line.phase = Phase::Revoking { node, to: wanted.to };
        line.since = at;
        line.cause = cause.to_owned();
        true
    }

    pub(super) fn release(
        &mut self,
        at: UnixMillis,
        node: NodeId,
        lines: &[(LineId, Epoch)],
        may_hold: impl Fn(NodeId) -> bool,
    ) -> u32 {
        let released = lines.iter().map(|(line, epoch)| self.release_one(at, node, *line, *epoch, &may_hold));
        released.map(u32::from).sum()
    }

    fn release_one(
        &mut self,
        at: UnixMillis,
        node: NodeId,
        line: LineId,
        epoch: Epoch,
        may_hold: impl Fn(NodeId) -> bool,
    ) -> bool {
        let Some(line) = self.lines.get_mut(&line).filter(|o| o.epoch == epoch) else { return false };
        let next = match line.phase {
            Phase::Revoking { node: owner, to } if owner == node => to.filter(|to| may_hold(*to)),
            Phase::Held { node: owner } if owner == node => None,
            _ => return false,
        };
        line.acknowledged = true;
        match next {
            Some(to) => line.give(at, to, line.cause.clone()),
            None => line.orphan(at, format!("released by node {node}")),
        }
        true
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let nobody = |o: &&Ownership| o.epoch == Epoch(0) && o.phase != Phase::Orphan;
        match self.lines.values().find(nobody) {
            Some(o) => Err(format!("a line is owned under epoch 0: {o:?}")),
            None => Ok(()),
        }
    }
}

impl Ownership {
    fn give(&mut self, at: UnixMillis, node: NodeId, cause: String) {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.phase = Phase::Held { node };
        self.since = at;
        self.cause = cause;
    }

    fn orphan(&mut self, at: UnixMillis, cause: String) {
        self.phase = Phase::Orphan;
        self.since = at;
        self.cause = cause;
    }
}
