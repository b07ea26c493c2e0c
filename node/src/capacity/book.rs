//! The loads of all lines of a state.
//!
//! ```text
//!   state --diff--> lines that changed --> groups of their meters --> their loads --> worst first
//! ```
//!
//! Promises: a look at a state that did not change costs nothing, and one that did what changed. Refuses: asking for the
//! state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use protocol::meter::LineId;
use raft_store::state::State;
use raft_store::state::registry::Line;

use super::{Ask, Group, Load, Measured, Shares, Spans, load};
use crate::timetable::{Timetables, replanned};

/// The loads, and what they were made from.
#[derive(Debug)]
pub struct Book {
    shares: Shares,
    measured: Measured,
    /// What was measured is taken over up to this.
    version: u64,
    state: State,
    timetables: Timetables,
    spans: Spans,
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
            state: State::default(),
            timetables: Timetables::default(),
            spans: Spans::default(),
            loads: BTreeMap::new(),
            over: Vec::new(),
        }
    }

    /// Takes over what changed since the last look.
    pub fn follow(&mut self, state: &State, now: u64) {
        let (mut changed, version) = self.measured.since(self.version);
        self.version = version;
        changed.extend(self.changed(state));
        if changed.is_empty() {
            return;
        }
        for line in changed {
            match self.rated(line, now) {
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
            let name = self.state.registry.lines.get(line).map_or("", |line| line.spec.name.as_str());
            (name, self.loads.get(line))
        };
        let known: Vec<_> = self.over.iter().map(shown).filter_map(|(name, load)| Some((name, load?))).collect();
        known.into_iter()
    }

    /// The lines whose load may be another.
    fn changed(&mut self, state: &State) -> BTreeSet<LineId> {
        let mut changed = replanned(&self.state, state);
        for item in self.state.registry.lines.diff(&state.registry.lines) {
            changed.insert(match item {
                DiffItem::Add(line, _) | DiffItem::Remove(line, _) | DiffItem::Update { new: (line, _), .. } => *line,
            });
        }
        self.state = state.clone();
        changed
    }

    /// What is asked of a line of the state.
    fn rated(&mut self, line: LineId, now: u64) -> Option<Load> {
        let Line { spec, .. } = self.state.registry.lines.get(&line)?;
        let mut groups: Vec<Group> = Vec::new();
        for meter in self.state.registry.meters_of(line).filter(|meter| meter.enabled) {
            let (table, ask) = (self.timetables.of(&self.state, meter), Ask::of(&meter.address));
            let same = |group: &&mut Group| group.ask == ask && Arc::ptr_eq(&group.table, &table);
            match groups.iter_mut().find(same) {
                Some(group) => group.meters += 1,
                None => groups.push(Group { table, ask, meters: 1 }),
            }
        }
        let read_ms = |ask: Ask| self.measured.read_ms(line, ask).unwrap_or_else(|| ask.read_ms(spec));
        load(spec, &groups, read_ms, self.shares, &mut self.spans, now)
    }
}
