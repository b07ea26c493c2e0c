//! Which dial-in units are connected, and to which node.
//!
//! ```text
//!            UnitsSeen{came}                 UnitsSeen{came} of another node, or of a newer connection
//!   absent ------------------> Present{node} --------------------------> Present{other}
//!      ^                           |
//!      +---------------------------+  UnitsSeen{gone} of this very connection; another life of its node;
//!                                     its node is forgotten; its line is, or gets another channel
//! ```
//!
//! Promises: a line has at most one node where its unit is, the one that said so last; what a node said in an earlier
//! life is void with the first word of the next. Refuses: knowing whether that node is alive (that is the leader's to
//! see), and moving lines (that is the assigner's).

use imbl::OrdMap;
use protocol::meter::{LineId, NodeId};

use super::UnixMillis;
use super::registry::Registry;

/// The units that are connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// By the unit's line.
    pub units: OrdMap<LineId, Present>,
}

/// Where a unit is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// The node it called.
    pub node: NodeId,
    /// Which life of that node said so: a number by chance that each start of a node has anew.
    pub life: u64,
    /// Which connection of that life; later ones have greater numbers.
    pub connection: u64,
    /// Since when.
    pub since: UnixMillis,
}

/// What one life of a node saw of its units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting<'a> {
    pub(super) at: UnixMillis,
    pub(super) node: NodeId,
    pub(super) life: u64,
    pub(super) came: &'a [(LineId, u64)],
    pub(super) gone: &'a [(LineId, u64)],
}

impl Presence {
    /// Where the unit of `line` is.
    pub fn of(&self, line: LineId) -> Option<&Present> {
        self.units.get(&line)
    }

    /// What `node` said in another life than `life`.
    fn void(&self, node: NodeId, life: u64) -> Vec<LineId> {
        let void = self.units.iter().filter(|(_, present)| present.node == node && present.life != life);
        void.map(|(line, _)| *line).collect()
    }

    pub(super) fn see(&mut self, seen: Sighting<'_>, registry: &Registry) -> u32 {
        let void = self.void(seen.node, seen.life);
        for line in &void {
            self.units.remove(line);
        }
        let gone = seen.gone.iter().filter(|(line, connection)| self.go(seen, *line, *connection)).count();
        let is_dial_in =
            |line: LineId| registry.lines.get(&line).is_some_and(|line| line.spec.endpoint.unit().is_some());
        let came = seen.came.iter().filter(|(line, _)| is_dial_in(*line));
        let came = came.filter(|(line, connection)| self.come(seen, *line, *connection)).count();
        u32::try_from(void.len() + gone + came).unwrap_or(u32::MAX)
    }

    fn go(&mut self, seen: Sighting<'_>, line: LineId, connection: u64) -> bool {
        let is_it = |p: &Present| (p.node, p.life, p.connection) == (seen.node, seen.life, connection);
        self.units.get(&line).is_some_and(is_it) && self.units.remove(&line).is_some()
    }

    fn come(&mut self, seen: Sighting<'_>, line: LineId, connection: u64) -> bool {
        let is_newer = |p: &Present| (p.node, p.life) == (seen.node, seen.life) && p.connection >= connection;
        if self.units.get(&line).is_some_and(is_newer) {
            return false;
        }
        let Sighting { at: since, node, life, .. } = seen;
        self.units.insert(line, Present { node, life, connection, since });
        true
    }

    pub(super) fn forget_node(&mut self, node: NodeId) {
        let elsewhere = self.units.iter().filter(|(_, present)| present.node != node);
        self.units = elsewhere.map(|(line, present)| (*line, *present)).collect();
    }

    pub(super) fn forget_line(&mut self, line: LineId) {
        self.units.remove(&line);
    }

    pub(super) fn check(&self, registry: &Registry, is_member: impl Fn(NodeId) -> bool) -> Result<(), String> {
        let is_dial_in = |line: &LineId| registry.lines.get(line).is_some_and(|l| l.spec.endpoint.unit().is_some());
        if let Some(line) = self.units.keys().find(|line| !is_dial_in(line)) {
            return Err(format!("a unit is connected for line {line}, which is no dial-in line"));
        }
        match self.units.iter().find(|(_, present)| !is_member(present.node)) {
            Some((line, p)) => Err(format!("the unit of line {line} is at node {}, which does not exist", p.node)),
            None => Ok(()),
        }
    }
}
