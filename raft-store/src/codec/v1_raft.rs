//! Version 1 of what the consensus keeps: positions, votes, memberships, log entries, snapshots. Frozen.
//!
//! Promises: the consensus library's types are taken apart here and put together again; none has bytes of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::mirror::{Mirror, mirror_struct, unique};
use super::seq::Seq;
use super::{CodecError, v1_entry, v1_state};
use crate::state::LogPosition;
use crate::types::{self, LogId};

mirror_struct!(Position = LogPosition { term: u64, index: u64 });

impl Mirror for LogId {
    type Stored = Position;

    fn store(&self) -> Position {
        types::position(*self).store()
    }

    fn restore(stored: Position) -> Result<Self, CodecError> {
        Mirror::restore(stored).map(types::log_id)
    }
}

/// A vote: for whom, in which term, and whether a majority has acknowledged it.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(super) struct Vote {
    term: u64,
    node: u64,
    committed: bool,
}

impl Mirror for types::Vote {
    type Stored = Vote;

    fn store(&self) -> Vote {
        Vote { term: self.leader_id.term, node: self.leader_id.voted_for, committed: self.committed }
    }

    fn restore(stored: Vote) -> Result<Self, CodecError> {
        let Vote { term, node, committed } = stored;
        Ok(if committed { Self::new_committed(term, node) } else { Self::new(term, node) })
    }
}

/// Who votes (two groups while a change is under way) and where every node is reached.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(super) struct Membership {
    voters: Seq<Seq<u64>>,
    nodes: Seq<(u64, String)>,
}

impl Mirror for types::Membership {
    type Stored = Membership;

    fn store(&self) -> Membership {
        let groups = self.get_joint_config().iter().map(|group| Seq(group.iter().copied().collect()));
        let nodes = self.nodes().map(|(id, node)| (*id, node.address.clone()));
        Membership { voters: Seq(groups.collect()), nodes: Seq(nodes.collect()) }
    }

    fn restore(stored: Membership) -> Result<Self, CodecError> {
        let Membership { voters, nodes } = stored;
        if voters.0.is_empty() && nodes.0.is_empty() {
            return Ok(Self::default());
        }
        let groups = voters.0.into_iter().map(group).collect::<Result<Vec<_>, _>>()?;
        let nodes: Vec<_> = nodes.0.into_iter().map(|(id, address)| (id, types::Node { address })).collect();
        let nodes: BTreeMap<_, _> = unique("node", nodes, u64::to_string)?;
        Self::new(groups, nodes).map_err(|error| CodecError::impossible("membership", error))
    }
}

fn group(ids: Seq<u64>) -> Result<BTreeSet<u64>, CodecError> {
    let ids: BTreeMap<u64, ()> = unique("voter", ids.0.into_iter().map(|id| (id, ())).collect(), u64::to_string)?;
    Ok(ids.into_keys().collect())
}

/// What a log entry carries.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(super) enum Payload {
    Blank,
    Normal(v1_entry::Entry),
    Membership(Membership),
}

impl Mirror for types::Payload {
    type Stored = Payload;

    fn store(&self) -> Payload {
        match self {
            Self::Blank => Payload::Blank,
            Self::Normal(entry) => Payload::Normal(entry.store()),
            Self::Membership(membership) => Payload::Membership(membership.store()),
        }
    }

    fn restore(stored: Payload) -> Result<Self, CodecError> {
        Ok(match stored {
            Payload::Blank => Self::Blank,
            Payload::Normal(entry) => Self::Normal(Mirror::restore(entry)?),
            Payload::Membership(membership) => Self::Membership(Mirror::restore(membership)?),
        })
    }
}

mirror_struct!(RaftEntry = types::RaftEntry { log_id: Position, payload: Payload });

/// A membership with the position that made it so.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(super) struct StoredMembership {
    log_id: Option<Position>,
    membership: Membership,
}

impl Mirror for types::StoredMembership {
    type Stored = StoredMembership;

    fn store(&self) -> StoredMembership {
        StoredMembership { log_id: self.log_id().store(), membership: self.membership().store() }
    }

    fn restore(stored: StoredMembership) -> Result<Self, CodecError> {
        Ok(Self::new(Mirror::restore(stored.log_id)?, Mirror::restore(stored.membership)?))
    }
}

mirror_struct!(Image = types::Image {
    applied: Option<Position>,
    membership: StoredMembership,
    state: v1_state::State,
});
