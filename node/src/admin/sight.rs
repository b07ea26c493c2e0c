//! What this node sees of the cluster at one moment.
//!
//! Promises: borrowed, not copied; what only the leader knows may be absent. Refuses: asking anybody.

use protocol::api::admin as api;
use protocol::api::peer::LeaderViewReply;
use protocol::meter::NodeId;
use raft_store::state::UnixMillis;

use crate::capacity::Book;
use crate::cluster::{Applied, Leadership};
use crate::config::Config;

/// Everything a status is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// The replicated state.
    pub applied: &'a Applied,
    /// Who leads.
    pub leadership: Leadership,
    /// What only the leader knows; absent where it was not asked or does not answer.
    pub view: Option<&'a LeaderViewReply>,
    /// The node that answers.
    pub node: NodeId,
    /// What the node that answers says of itself.
    pub own: &'a api::NodeReport,
    /// This moment.
    pub at: UnixMillis,
    /// What the lines of the state are asked.
    pub loads: &'a Book,
    /// The limits beyond which something is a problem.
    pub config: &'a Config,
}
