//! One timetable for each distinct schedule of many meters.
//!
//! Promises: meters of equal schedules share one for as long as anybody holds it; what nobody holds is forgotten.
//! Refuses: following a change: whoever holds a timetable asks again where [`replanned`] says so.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use protocol::meter::{LineId, MeterId};
use raft_store::state::State;
use raft_store::state::plant::calendar::Calendar;
use raft_store::state::plant::duty::Plan;
use raft_store::state::plant::schedule::Schedule;
use raft_store::state::registry::Meter;

use super::{Timetable, Zone};

/// Schedules kept before those that nobody holds are looked for.
const ENTRIES_LEAST: usize = 64;

/// A timetable that may be held, and its calendar.
type Held = (Option<Calendar>, Weak<Timetable>);

/// The timetables that are held.
#[derive(Debug)]
pub struct Timetables {
    held: HashMap<Schedule, Vec<Held>>,
    /// With this many schedules it is time to forget.
    forget_at: usize,
}

impl Default for Timetables {
    fn default() -> Self {
        Self { held: HashMap::new(), forget_at: ENTRIES_LEAST }
    }
}

impl Timetables {
    /// When `meter` is read.
    pub fn of(&mut self, state: &State, meter: &Meter) -> Arc<Timetable> {
        let Plan { schedule, calendar } = state.plant.plan_of(&state.registry, meter);
        let same = |(of, table): &Held| table.upgrade().filter(|_| *of == calendar);
        if let Some(held) = self.held.get(&schedule).and_then(|held| held.iter().find_map(same)) {
            return held;
        }
        let table = Arc::new(made(&schedule, calendar.as_ref()));
        self.forget();
        let held = self.held.entry(schedule).or_default();
        held.retain(|(_, table)| table.strong_count() > 0);
        held.push((calendar, Arc::downgrade(&table)));
        table
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    fn forget(&mut self) {
        if self.held.len() >= self.forget_at {
            self.held.retain(|_, held| held.iter().any(|(_, table)| table.strong_count() > 0));
            self.forget_at = ENTRIES_LEAST.max(self.held.len() * 2);
        }
    }
}

fn made(schedule: &Schedule, calendar: Option<&Calendar>) -> Timetable {
    let Some(calendar) = calendar else { return Timetable::new(schedule, &Calendar::default(), &Zone::utc()) };
    let zone = Zone::named(&calendar.zone).unwrap_or_else(|error| {
        // A calendar is refused where it names no zone; a node of another release may know more of them.
        tracing::error!(%error, "schedules go by UTC");
        Zone::utc()
    });
    Timetable::new(schedule, calendar, &zone)
}

/// Lines on which meters, or when they are read, may differ between two states; costs what changed.
pub fn replanned(before: &State, after: &State) -> BTreeSet<LineId> {
    let (old, new) = (&before.plant, &after.plant);
    if old.policies != new.policies || old.calendar != new.calendar {
        return [before, after].into_iter().flat_map(|state| state.registry.lines.keys().copied()).collect();
    }
    let mut lines = keys(&old.lines, &new.lines);
    for item in before.registry.meters.diff(&after.registry.meters) {
        match item {
            DiffItem::Add(_, meter) | DiffItem::Remove(_, meter) => drop(lines.insert(meter.line)),
            DiffItem::Update { old, new } => lines.extend([old.1.line, new.1.line]),
        }
    }
    let mut meters: BTreeSet<MeterId> = keys(&old.meters, &new.meters);
    meters.extend(keys(&old.duties.current, &new.duties.current));
    lines.extend(meters.iter().filter_map(|id| after.registry.meters.get(id)).map(|meter| meter.line));
    lines
}

/// What two maps have different.
fn keys<K: Ord + Copy, V: PartialEq>(before: &OrdMap<K, V>, after: &OrdMap<K, V>) -> BTreeSet<K> {
    let changed = before.diff(after).map(|item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => *key,
        DiffItem::Update { new, .. } => *new.0,
    });
    changed.collect()
}
