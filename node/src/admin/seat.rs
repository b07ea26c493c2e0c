//! Who speaks on a line now: the node to ask for its bytes.
//!
//! Promises: one owner under one epoch, or words why there is none. Refuses: moving lines.

use protocol::meter::{Epoch, LineId, NodeId};
use raft_store::Applied;
use raft_store::state::State;
use raft_store::state::assignment::{Ownership, Phase};
use tokio::sync::watch;
use tonic::{Code, Status};

use super::convert;

/// One ownership of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The line.
    pub line: LineId,
    /// Its owner.
    pub node: NodeId,
    /// The ownership's number.
    pub epoch: Epoch,
}

impl Seat {
    /// The owner of the line called `name`.
    pub fn of(state: &State, name: &str) -> Result<Self, Status> {
        let line = state.registry.line_named(name).ok_or_else(|| convert::missing("line", name))?;
        Self::held(state, line.id).ok_or_else(|| {
            let text = format!("line {name} has no owner now: `hearth line show {name}` says why, try again then");
            Status::unavailable(text)
        })
    }

    /// The owner of `line`, if it has one that is not asked to let go of it.
    pub fn held(state: &State, line: LineId) -> Option<Self> {
        match state.assignment.lines.get(&line)? {
            Ownership { phase: Phase::Held { node }, epoch, .. } => Some(Self { line, node: *node, epoch: *epoch }),
            _ => None,
        }
    }

    /// Waits until this ownership is over.
    pub async fn is_over(&self, applied: &mut watch::Receiver<Applied>) {
        let Self { line, node, epoch } = *self;
        // Without news of the state the owner's own word ends the stream.
        if applied.wait_for(|applied| !applied.state.assignment.is_held(line, node, epoch)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What a peer's refusal means to the console: a peer that cannot be reached is named.
pub fn of_peer(status: Status, node: NodeId) -> Status {
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => {
            Status::unavailable(format!("node {node}, which owns the line, does not answer: {}", status.message()))
        }
        _ => status,
    }
}
