//! The consensus library's type parameters, filled in once.
//!
//! Promises: after this file there are no generics; every other file and the node use these names.
//! Refuses: reaching disk or wire. These types have no bytes; the codec gives each a frozen shape of its own.

use std::fmt;

use crate::state::{self, LogPosition, State};

openraft::declare_raft_types!(
    /// What this cluster agrees on, for the consensus library.
    pub TypeConfig:
        D = state::Entry,
        R = state::Reply,
        NodeId = u64,
        Node = Node,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = TokioRuntime,
);

type TokioRuntime = openraft::impls::TokioRuntime;

/// Where a node is reached, as the consensus library carries it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Node {
    /// The node's one port, `host:port`.
    pub address: String,
}

/// Names one leader: a term and the node voted for in it.
pub type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;
/// A leader a majority has voted for: in this mode, its term.
pub type CommittedLeaderId = openraft::type_config::alias::CommittedLeaderIdOf<TypeConfig>;
/// A position in the log.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// A vote given, or a leadership acknowledged.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// An entry of the log with its position.
pub type RaftEntry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// What an entry of the log carries: nothing, a [`state::Entry`] or a membership.
pub type Payload = openraft::type_config::alias::PayloadOf<TypeConfig>;
/// Who votes and who only listens.
pub type Membership = openraft::Membership<u64, Node>;
/// A membership with the position that made it so.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
/// What the log store tells of itself.
pub type LogState = openraft::LogState<TypeConfig>;
/// Told when an append is durable.
pub type IoFlushed = openraft::storage::IOFlushed<TypeConfig>;

impl Node {
    /// A node reached at `address`.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Image {
    /// The last entry applied to the state.
    pub applied: Option<LogPosition>,
    /// The membership in force there.
    pub membership: StoredMembership,
    /// The state.
    pub state: State,
}

impl Image {
    /// What the consensus library calls it.
    pub fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied.map(log_id), last_membership: self.membership.clone() }
    }
}

/// The log id of a position.
pub fn log_id(position: LogPosition) -> LogId {
    LogId::new_term_index(position.term, position.index)
}

/// The position of a log id.
pub fn position(log_id: LogId) -> LogPosition {
    LogPosition { term: log_id.committed_leader_id().term, index: log_id.index }
}

/// The consensus library writes entries into its own log lines: the kind says enough there.
impl fmt::Display for state::Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found { .. } => "found",
            Self::Admit { .. } => "admit",
            Self::Announce { .. } => "announce",
            Self::SetDraining { .. } => "set-draining",
            Self::RemoveNode { .. } => "remove-node",
            Self::ImportLines { .. } => "import-lines",
            Self::ImportMeters { .. } => "import-meters",
            Self::RemoveLine { .. } => "remove-line",
            Self::RemoveMeter { .. } => "remove-meter",
            Self::SetMeterEnabled { .. } => "set-meter-enabled",
            Self::Assign { .. } => "assign",
            Self::Revoke { .. } => "revoke",
            Self::Release { .. } => "release",
            Self::Submit { .. } => "submit",
            Self::Start { .. } => "start",
            Self::Finish { .. } => "finish",
            Self::Cancel { .. } => "cancel",
            Self::Expire { .. } => "expire",
            Self::Retire { .. } => "retire",
            Self::UnitsSeen { .. } => "units-seen",
            Self::RegisterLines { .. } => "register-lines",
            Self::RegisterMeters { .. } => "register-meters",
            Self::SwitchMeter { .. } => "switch-meter",
            Self::ForgetMeter { .. } => "forget-meter",
            Self::SetCalendar { .. } => "set-calendar",
            Self::SetPolicy { .. } => "set-policy",
            Self::RemovePolicy { .. } => "remove-policy",
            Self::SettleDuties { .. } => "settle-duties",
        })
    }
}
