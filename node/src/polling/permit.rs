//! The question asked before every write: may this line's task speak now?
//!
//! ```text
//!   speak  =  the lease runs longer than the transmission needs
//!             and the newest applied state still names this node and this epoch
//!             and the transmission is over before the deadline, where there is one
//! ```
//!
//! Promises: a yes is only ever about the moment it is given. Refuses: remembering an answer.
//!
//! Known remainder: between the yes and the write call itself the whole process may be paused.

use std::time::Duration;

use protocol::meter::{Epoch, LineId, NodeId};
use raft_store::state::UnixMillis;
use tokio::sync::watch;

use crate::clock::wall_now;
use crate::cluster::Applied;
use crate::cluster::lease::Lease;

use super::schedule::millis;

/// Why a line may not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// The lease ends before the transmission would.
    #[error("the node's lease does not last")]
    NoLease,
    /// The line is not this node's any more.
    #[error("the line has another owner")]
    NotMine,
    /// What asked for it has a deadline, and that comes first.
    #[error("the deadline comes first")]
    TooLate,
}

/// One ownership of one line.
#[derive(Debug, Clone)]
pub(super) struct Permit {
    pub(super) lease: Lease,
    pub(super) applied: watch::Receiver<Applied>,
    pub(super) node: NodeId,
    pub(super) line: LineId,
    pub(super) epoch: Epoch,
    /// What a transmission may take beyond the time of its bytes.
    pub(super) margin: Duration,
}

impl Permit {
    /// Whether a transmission of `span` may start now.
    pub(super) fn to_speak(&self, span: Duration, deadline: Option<UnixMillis>) -> Result<(), Denied> {
        if !self.lease.may_speak(span + self.margin) {
            return Err(Denied::NoLease);
        }
        if !self.applied.borrow().state.assignment.is_held(self.line, self.node, self.epoch) {
            return Err(Denied::NotMine);
        }
        match deadline {
            Some(deadline) if wall_now().plus(millis(span)) > deadline => Err(Denied::TooLate),
            _ => Ok(()),
        }
    }
}
