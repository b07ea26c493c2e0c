//! Who the nodes are: ids from the log that no other node ever had, addresses, labels, and who is leaving.
//!
//! Promises: a node id is never given twice, not even after its node was removed. Refuses: knowing who votes
//! (that is the consensus library's own membership) and who is alive (that is the leader's to see).

use std::collections::BTreeMap;

use imbl::OrdMap;
use protocol::meter::NodeId;

use super::{Refused, Reply, UnixMillis};

/// Labels of a node or wanted by a line, by name.
pub type Labels = BTreeMap<String, String>;

/// Join keys are remembered for this many newcomers.
const JOIN_KEYS_KEPT: usize = 1_000;

/// The nodes of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// The cluster's id; empty until it is founded.
    pub cluster_id: String,
    /// The cluster's name for people.
    pub cluster_name: String,
    /// When it was founded.
    pub founded_at: UnixMillis,
    /// The nodes by id.
    pub members: OrdMap<NodeId, Member>,
    /// The next id to give; ids grow and are never used again.
    pub next_node: u64,
    /// Which id a join key got.
    pub join_keys: OrdMap<String, NodeId>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name for people; unique.
    pub name: String,
    /// Where its one port is reached, `host:port`.
    pub address: String,
    /// Its labels.
    pub labels: Labels,
    /// Whether it is to hold no lines.
    pub draining: bool,
    /// When it was admitted.
    pub admitted_at: UnixMillis,
}

/// Who asks for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// Its name for people; unique.
    pub name: String,
    /// Where its one port is reached, `host:port`.
    pub address: String,
    /// Its labels.
    pub labels: Labels,
}

impl Membership {
    pub(super) fn found(
        &mut self,
        at: UnixMillis,
        cluster_id: &str,
        cluster_name: &str,
        first: &Newcomer,
    ) -> Result<Reply, Refused> {
        if self.is_founded() {
            return Err(Refused::Conflict(format!("cluster {} is founded already", self.cluster_id)));
        }
        self.cluster_id = cluster_id.to_owned();
        self.cluster_name = cluster_name.to_owned();
        self.founded_at = at;
        self.next_node = 1;
        self.admit(at, first, "")
    }

    pub(super) fn admit(&mut self, at: UnixMillis, newcomer: &Newcomer, key: &str) -> Result<Reply, Refused> {
        if !self.is_founded() {
            return Err(Refused::missing("cluster", "for nodes to join"));
        }
        if let Some(id) = self.join_keys.get(key).filter(|_| !key.is_empty()) {
            return Ok(Reply::Admitted(*id));
        }
        self.refuse_taken(newcomer)?;
        let id = NodeId(self.next_node);
        self.next_node += 1;
        let Newcomer { name, address, labels } = newcomer.clone();
        self.members.insert(id, Member { name, address, labels, draining: false, admitted_at: at });
        self.remember_key(key, id);
        Ok(Reply::Admitted(id))
    }

    /// Ids begin at 1 with the first node, so the next one to give tells, whatever the cluster is called.
    const fn is_founded(&self) -> bool {
        self.next_node > 0
    }

    fn refuse_taken(&self, newcomer: &Newcomer) -> Result<(), Refused> {
        for (id, member) in &self.members {
            let (thing, value) = if member.name == newcomer.name {
                ("name", &member.name)
            } else if member.address == newcomer.address {
                ("address", &member.address)
            } else {
                continue;
            };
            let text = format!("{thing} {value} belongs to node {id}: choose another, or remove that node first");
            return Err(Refused::Conflict(text));
        }
        Ok(())
    }

    fn remember_key(&mut self, key: &str, id: NodeId) {
        if key.is_empty() {
            return;
        }
        self.join_keys.insert(key.to_owned(), id);
        if self.join_keys.len() > JOIN_KEYS_KEPT {
            let oldest = self.join_keys.iter().min_by_key(|(_, id)| **id).map(|(key, _)| key.clone());
            oldest.map(|key| self.join_keys.remove(&key));
        }
    }

    fn member_mut(&mut self, node: NodeId) -> Result<&mut Member, Refused> {
        self.members.get_mut(&node).ok_or_else(|| Refused::missing("node", node))
    }

    pub(super) fn announce(&mut self, node: NodeId, address: &str) -> Result<Reply, Refused> {
        if let Some((other, _)) = self.members.iter().find(|(id, m)| **id != node && m.address == address) {
            return Err(Refused::Conflict(format!("address {address} belongs to node {other}: choose another")));
        }
        self.member_mut(node)?.address = address.to_owned();
        Ok(Reply::Done)
    }

    pub(super) fn set_draining(&mut self, node: NodeId, draining: bool) -> Result<Reply, Refused> {
        self.member_mut(node)?.draining = draining;
        Ok(Reply::Done)
    }

    pub(super) fn remove(&mut self, node: NodeId) -> Result<Reply, Refused> {
        self.members.remove(&node).ok_or_else(|| Refused::missing("node", node))?;
        // Its key would go on answering with an id that is nobody's.
        self.join_keys = self.join_keys.iter().filter(|(_, id)| **id != node).map(|(k, id)| (k.clone(), *id)).collect();
        Ok(Reply::Done)
    }

    /// Whether lines may be given to `node`.
    pub fn may_hold(&self, node: NodeId) -> bool {
        self.members.get(&node).is_some_and(|member| !member.draining)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some((key, node)) = self.join_keys.iter().find(|(_, node)| !self.members.contains_key(*node)) {
            return Err(format!("join key {key} answers with node {node}, which does not exist"));
        }
        match self.members.keys().next_back() {
            Some(last) if last.0 >= self.next_node => {
                Err(format!("node {last} exists, yet {} is the next id to give", self.next_node))
            }
            _ => Ok(()),
        }
    }
}
