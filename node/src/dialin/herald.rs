//! Tells the cluster which units are here, and the units' calls which of them have a line.
//!
//! ```text
//!   directory (who is here)  --+                    +--> UnitsSeen{came, gone}: what the state does not show yet
//!   applied state (who is    --+--> difference -----+--> hang up: the state shows the unit at another node
//!   said to be where)          |                    +--> lines by unit
//!   lease, draining, farewell -+--> whether this node takes units at all
//! ```
//!
//! Promises: what is here and what the state shows of this node's present life agree, again and again until they do;
//! changes of `units.gather` go in one entry, bounded; a connection that was agreed on and then seen elsewhere is the
//! stale one, and ends. Refuses: moving lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::meter::{LineId, NodeId};
use raft_store::state::presence::Present;
use raft_store::state::{Entry, State};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::directory::Directory;
use super::unit::Unit;
use crate::clock::wall_now;
use crate::cluster::Cluster;
use crate::cluster::lease::Lease;
use crate::config::{self, Config};

/// What this node says of its units.
#[derive(Debug)]
pub(crate) struct Herald {
    cluster: Cluster,
    directory: Directory,
    config: Arc<Config>,
    telling: Telling,
    known: State,
}

/// What was told, and what there is to tell.
#[derive(Debug)]
pub(super) struct Telling {
    node: NodeId,
    life: u64,
    /// Connections that a committed entry told of.
    told: BTreeSet<u64>,
}

/// What there is to tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) came: Vec<(LineId, u64)>,
    pub(super) gone: Vec<(LineId, u64)>,
    /// An earlier life of this node still counts.
    pub(super) is_first: bool,
    /// Connections of units that are elsewhere by now.
    pub(super) stale: Vec<u64>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.came.is_empty() && self.gone.is_empty() && !self.is_first
    }
}

impl Telling {
    pub(super) const fn new(node: NodeId, life: u64) -> Self {
        Self { node, life, told: BTreeSet::new() }
    }

    fn is_mine(&self, present: &Present) -> bool {
        (present.node, present.life) == (self.node, self.life)
    }

    /// What `state` does not show of the units that are `here`, each the connection of a line.
    pub(super) fn news(&mut self, here: &BTreeMap<LineId, u64>, state: &State) -> News {
        let connections: BTreeSet<u64> = here.values().copied().collect();
        self.told.retain(|connection| connections.contains(connection));
        let mut news = News::default();
        for (line, connection) in here {
            match state.presence.of(*line) {
                Some(present) if self.is_mine(present) && present.connection == *connection => {
                    self.told.insert(*connection);
                }
                Some(present) if present.node != self.node && self.told.contains(connection) => {
                    news.stale.push(*connection);
                }
                _ => news.came.push((*line, *connection)),
            }
        }
        for (line, present) in state.presence.units.iter().filter(|(_, present)| present.node == self.node) {
            match here.get(line) {
                _ if present.life != self.life => news.is_first = true,
                Some(_) => {}
                None => news.gone.push((*line, present.connection)),
            }
        }
        news
    }
}

impl Herald {
    /// The herald of this life of the node.
    pub(crate) fn new(cluster: Cluster, directory: Directory, config: Arc<Config>) -> Self {
        // A number of the clock is as good as one by chance: it only has to differ from the last life's.
        let life = getrandom::u64().unwrap_or_else(|_| wall_now().0);
        let telling = Telling::new(cluster.node(), life);
        Self { cluster, directory, config, telling, known: State::default() }
    }

    /// Tells until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut bell = self.directory.bell();
        let mut ticks = interval(self.config.units.gather);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let state = self.cluster.applied().borrow().state.clone();
            let rung = bell.has_changed().unwrap_or(false);
            bell.mark_unchanged();
            self.directory.set_open(self.takes_units(&state));
            if !self.follow(&state) && !rung {
                continue;
            }
            let told = tokio::select! {
                () = stop.cancelled() => break,
                told = self.tell(&state) => told,
            };
            if !told {
                // Looked at again as if nothing were known.
                self.known = State::default();
                tokio::time::sleep(self.config.units.retry).await;
            }
        }
        self.directory.set_open(false);
    }

    /// Whether this node may hold lines: what it may not hold shall call elsewhere.
    fn takes_units(&self, state: &State) -> bool {
        let fits = state.membership.may_hold(self.cluster.node()) && !self.cluster.farewell().is_said();
        fits && has_lease(&self.cluster.lease(), &self.config.lease)
    }

    /// Whether `state` differs from the last one in what matters here.
    fn follow(&mut self, state: &State) -> bool {
        let known = &self.known;
        let same_lines = known.registry.lines.ptr_eq(&state.registry.lines);
        if !same_lines {
            let units =
                state.registry.lines.values().filter_map(|line| Some((line.spec.endpoint.unit()?.clone(), line.id)));
            self.directory.set_lines(Arc::new(units.collect()));
        }
        let same = same_lines && known.presence.units.ptr_eq(&state.presence.units);
        if !same {
            self.known = state.clone();
        }
        !same
    }

    /// Whether everything there was to tell is committed.
    async fn tell(&mut self, state: &State) -> bool {
        let units = self.directory.units();
        let lines = self.directory.lines().borrow().clone();
        let line_of = |unit: &Arc<Unit>| Some((*lines.get(&unit.id)?, unit.connection));
        let here: BTreeMap<LineId, u64> = units.iter().filter_map(line_of).collect();
        let news = self.telling.news(&here, state);
        for unit in units.iter().filter(|unit| news.stale.contains(&unit.connection)) {
            tracing::info!(unit = %unit.id, "the unit called another node: its old connection here is closed");
            unit.gone.cancel();
        }
        if news.is_empty() {
            return true;
        }
        let at_once = self.config.units.units_per_entry;
        let parts = news.came.len().max(news.gone.len()).div_ceil(at_once).max(1);
        for part in 0..parts {
            let came: Vec<_> = news.came.iter().skip(part * at_once).take(at_once).copied().collect();
            let gone = news.gone.iter().skip(part * at_once).take(at_once).copied().collect();
            if !self.propose(came, gone).await {
                return false;
            }
        }
        true
    }

    async fn propose(&mut self, came: Vec<(LineId, u64)>, gone: Vec<(LineId, u64)>) -> bool {
        let Telling { node, life, .. } = self.telling;
        let connections: Vec<u64> = came.iter().map(|(_, connection)| *connection).collect();
        let entry = Entry::UnitsSeen { at: wall_now(), node, life, came, gone };
        match self.cluster.propose(entry).await {
            Ok(_) => {
                self.telling.told.extend(connections);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "which units are here is told again");
                false
            }
        }
    }
}

/// A node whose lines may be another's by now has no business with their units.
fn has_lease(lease: &Lease, settings: &config::Lease) -> bool {
    !lease.remaining().is_zero() || lease.ended_for() < settings.dead_after.saturating_sub(settings.length)
}
