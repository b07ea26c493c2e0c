//! What the database still has to be told about lines and meters.
//!
//! Promises: finding out that nothing changed costs nothing; a change costs what changed. Refuses: knowing SQL.

use imbl::ordmap::DiffItem;
use raft_store::state::registry::Registry;

use crate::mysql::Projection;

/// What the database was told last.
#[derive(Debug, Default)]
pub(super) struct Projector {
    told: Option<Registry>,
}

impl Projector {
    /// What to tell about `registry`; `None` if nothing changed.
    pub(super) fn due(&self, registry: &Registry) -> Option<Projection> {
        match &self.told {
            None => Some(complete(registry)),
            Some(told) if told.lines.ptr_eq(&registry.lines) && told.meters.ptr_eq(&registry.meters) => None,
            Some(told) => Some(changes(told, registry)),
        }
    }

    /// The database was told everything about `registry`.
    pub(super) fn told(&mut self, registry: Registry) {
        self.told = Some(registry);
    }

    /// The next connection may lead to another server.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }
}

fn complete(registry: &Registry) -> Projection {
    Projection {
        complete: true,
        lines: registry.lines.values().map(Into::into).collect(),
        meters: registry.meters.values().map(Into::into).collect(),
        ..Projection::default()
    }
}

fn changes(told: &Registry, registry: &Registry) -> Projection {
    let mut projection = Projection::default();
    for change in told.lines.diff(&registry.lines) {
        match change {
            DiffItem::Add(_, line) | DiffItem::Update { new: (_, line), .. } => projection.lines.push(line.into()),
            DiffItem::Remove(id, _) => drop(projection.lines_gone.insert(id.0)),
        }
    }
    for change in told.meters.diff(&registry.meters) {
        match change {
            DiffItem::Add(_, meter) | DiffItem::Update { new: (_, meter), .. } => projection.meters.push(meter.into()),
            DiffItem::Remove(id, _) => drop(projection.meters_gone.insert(id.0)),
        }
    }
    projection
}
