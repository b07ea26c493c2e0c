//! The loads of all lines of a registry.
//!
//! ```text
//!   registry --diff--> groups of each line (+1, -1 a meter) --> load of the lines that changed --> worst first
//! ```
//!
//! Promises: a look at a registry that did not change costs nothing, and one that did what changed. Refuses: asking for
//! the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use protocol::meter::{LineId, MeterId};
use raft_store::state::registry::{Line, Meter, Registry};

use super::{Ask, Group, Load, Measured, Shares, Spans, load};
use crate::timetable::Timetables;

/// The loads, and what they were made from.
#[derive(Debug)]
pub struct Book {
    shares: Shares,
    measured: Measured,
    /// What was measured is taken over up to this.
    version: u64,
    lines: OrdMap<LineId, Line>,
    meters: OrdMap<MeterId, Meter>,
    timetables: Timetables,
    spans: Spans,
    groups: BTreeMap<LineId, Vec<Group>>,
    loads: BTreeMap<LineId, Load>,
    /// Lines that are asked too much, the worst first.
    over: Vec<LineId>,
}

impl Book {
    /// Knows no line.
    pub fn new(shares: Shares, measured: Measured) -> Self {
        Self {
            shares,
            measured,
            version: 0,
            lines: OrdMap::new(),
            meters: OrdMap::new(),
            timetables: Timetables::default(),
            spans: Spans::default(),
            groups: BTreeMap::new(),
            loads: BTreeMap::new(),
            over: Vec::new(),
        }
    }

    /// Takes over what changed since the last look.
    pub fn follow(&mut self, registry: &Registry, now: u64) {
        let (mut changed, version) = self.measured.since(self.version);
        self.version = version;
        changed.extend(self.changed(registry));
        if changed.is_empty() {
            return;
        }
        for line in changed {
            let groups = self.groups.get(&line).filter(|groups| !groups.is_empty());
            let rated = self.lines.get(&line).zip(groups);
            let rated = rated.and_then(|(Line { id, spec }, groups)| {
                let read_ms = |ask: Ask| self.measured.read_ms(*id, ask).unwrap_or_else(|| ask.read_ms(spec));
                load(spec, groups, read_ms, self.shares, &mut self.spans, now)
            });
            match rated {
                Some(load) => drop(self.loads.insert(line, load)),
                None => drop(self.loads.remove(&line)),
            }
        }
        let mut over: Vec<_> = self.loads.iter().filter(|(_, load)| load.is_over()).collect();
        over.sort_by_key(|(line, load)| (std::cmp::Reverse(load.permille), **line));
        self.over = over.into_iter().map(|(line, _)| *line).collect();
    }

    /// What is asked of a line; `None`: nothing.
    pub fn of(&self, line: LineId) -> Option<&Load> {
        self.loads.get(&line)
    }

    /// Lines that are asked too much, by name, the worst first.
    pub fn over(&self) -> impl ExactSizeIterator<Item = (&str, &Load)> {
        let shown = |line: &LineId| {
            let name = self.lines.get(line).map_or("", |line| line.spec.name.as_str());
            (name, self.loads.get(line))
        };
        let known: Vec<_> = self.over.iter().map(shown).filter_map(|(name, load)| Some((name, load?))).collect();
        known.into_iter()
    }

    #[cfg(test)]
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The lines whose load may be another.
    fn changed(&mut self, registry: &Registry) -> BTreeSet<LineId> {
        let (lines, meters) = (self.lines.clone(), self.meters.clone());
        let mut changed = BTreeSet::new();
        for item in lines.diff(&registry.lines) {
            changed.insert(match item {
                DiffItem::Add(line, _) | DiffItem::Remove(line, _) | DiffItem::Update { new: (line, _), .. } => *line,
            });
        }
        for item in meters.diff(&registry.meters) {
            let (old, new) = match item {
                DiffItem::Add(_, meter) => (None, Some(meter)),
                DiffItem::Remove(_, meter) => (Some(meter), None),
                DiffItem::Update { old: (_, old), new: (_, new) } => (Some(old), Some(new)),
            };
            changed.extend([old, new].into_iter().flatten().map(|meter| meter.line));
            new.into_iter().for_each(|meter| self.count(meter, true));
            old.into_iter().for_each(|meter| self.count(meter, false));
        }
        (self.lines, self.meters) = (registry.lines.clone(), registry.meters.clone());
        changed
    }

    /// Counts a meter that came, or one that went.
    fn count(&mut self, meter: &Meter, comes: bool) {
        if !meter.enabled {
            return;
        }
        let (table, ask) = (self.timetables.of(meter), Ask::of(&meter.address));
        let groups = self.groups.entry(meter.line).or_default();
        let same = |group: &Group| group.ask == ask && Arc::ptr_eq(&group.table, &table);
        match groups.iter().position(same).and_then(|place| groups.get_mut(place)) {
            Some(group) if comes => group.meters += 1,
            Some(group) => group.meters = group.meters.saturating_sub(1),
            None if comes => groups.push(Group { table, ask, meters: 1 }),
            None => {}
        }
        groups.retain(|group| group.meters > 0);
        if groups.is_empty() {
            self.groups.remove(&meter.line);
        }
    }
}
