//! Which lines two states see differently.
//!
//! Promises: what both states share is not looked at, so the cost follows what changed. Refuses: saying what is to be
//! done about it.

use std::collections::BTreeSet;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use protocol::meter::LineId;
use raft_store::state::State;

use crate::timetable::replanned;

/// The lines between two states.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Ownership, channel, meters or their schedules differ.
    pub(super) lines: BTreeSet<LineId>,
    /// The open commands differ, or where the unit is.
    pub(super) commands: BTreeSet<LineId>,
}

impl Changes {
    pub(super) fn between(before: &State, after: &State) -> Self {
        let mut lines = keys(&before.assignment.lines, &after.assignment.lines);
        lines.extend(keys(&before.registry.lines, &after.registry.lines));
        lines.extend(replanned(before, after));
        let mut commands = keys(&before.commands.open, &after.commands.open);
        commands.extend(keys(&before.presence.units, &after.presence.units));
        Self { lines, commands }
    }
}

fn keys<V: PartialEq>(before: &OrdMap<LineId, V>, after: &OrdMap<LineId, V>) -> BTreeSet<LineId> {
    let changed = before.diff(after).map(|item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => *key,
        DiffItem::Update { new, .. } => *new.0,
    });
    changed.collect()
}
