//! From the replicated state to rows of duties.
//!
//! Promises: the same state gives the same rows and the same ids of schedules on every node; a difference is complete:
//! what the database has open and the state does not know is closed. Finding out that nothing changed costs nothing.
//! Refuses: working out moments.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use raft_store::state::State;
use raft_store::state::plant::calendar::Calendar;
use raft_store::state::plant::duty::Plan;
use raft_store::state::plant::schedule::{Freeze, Priority, Schedule};

use crate::mysql::{DutyRow, ScheduleRow, SlotRow};
use crate::timetable::Slot;

/// What the database was told.
#[derive(Debug)]
pub(super) struct Told {
    applied: u64,
    open: BTreeMap<u64, DutyRow>,
    /// The number behind the last ended duty that was told.
    ended: u64,
    state: Option<State>,
}

/// What the database has to be told.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) schedules: Vec<ScheduleRow>,
    pub(super) duties: Vec<DutyRow>,
    open: BTreeMap<u64, DutyRow>,
    ended: u64,
    state: State,
}

impl Told {
    /// Up to entry `applied` of the log, and `open` are the duties that have not ended.
    pub(super) fn new(applied: u64, open: Vec<DutyRow>) -> Self {
        Self { applied, open: open.into_iter().map(|row| (row.meter, row)).collect(), ended: 0, state: None }
    }

    /// The entry of the log up to which it was told.
    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    /// What `state` says that was not told; `None`: it is the state that was told.
    pub(super) fn difference(&self, state: &State, now: u64) -> Option<Telling> {
        if self.state.as_ref().is_some_and(|told| is_same(told, state)) {
            return None;
        }
        let mut ids = Ids::default();
        let open = standing(state, &mut ids);
        let mut rows = BTreeMap::new();
        for stale in self.open.values().filter(|row| open.get(&row.meter).is_none_or(|new| new.from != row.from)) {
            let since = state.plant.duties.current.get(&protocol::meter::MeterId(stale.meter));
            let until = since.map_or(now, |standing| standing.since.0).max(stale.from);
            rows.insert((stale.meter, stale.from), DutyRow { until: Some(until), ..stale.clone() });
        }
        for (_, ended) in state.plant.duties.ended.range(self.ended..) {
            let row = DutyRow {
                meter: ended.meter.0,
                from: ended.since.0,
                until: Some(ended.until.0),
                schedule: ids.of_plan(&ended.plan),
                line: ended.line.0,
                model: self.model_of(state, ended.meter.0),
            };
            rows.insert((row.meter, row.from), row);
        }
        let told = |row: &&DutyRow| self.open.get(&row.meter) == Some(row);
        rows.extend(open.values().filter(|row| !told(row)).map(|row| ((row.meter, row.from), row.clone())));
        let (schedules, duties) = (ids.rows, rows.into_values().collect());
        Some(Telling { schedules, duties, open, ended: state.plant.duties.next_ended, state: state.clone() })
    }

    /// The database has it; up to entry `applied`, where that was told with it.
    pub(super) fn told(&mut self, telling: Telling, applied: Option<u64>) {
        (self.open, self.ended, self.state) = (telling.open, telling.ended, Some(telling.state));
        self.applied = applied.unwrap_or(self.applied);
    }

    /// A meter that is no more is what it last was.
    fn model_of(&self, state: &State, meter: u64) -> String {
        let last = || self.open.get(&meter).map(|row| row.model.clone());
        model(state, meter).or_else(last).unwrap_or_default()
    }

    /// The last ended duty of `state`, if it was told.
    pub(super) fn settled(&self, state: &State) -> Option<u64> {
        state.plant.duties.ended.keys().next_back().copied().filter(|last| *last < self.ended)
    }
}

/// Whether nothing that decides about duties changed; where this cannot be told at once it counts as changed.
fn is_same(told: &State, state: &State) -> bool {
    let ((a, b), (p, q)) = ((&told.registry, &state.registry), (&told.plant, &state.plant));
    a.meters.ptr_eq(&b.meters)
        && a.lines.ptr_eq(&b.lines)
        && p.policies.ptr_eq(&q.policies)
        && p.lines.ptr_eq(&q.lines)
        && p.meters.ptr_eq(&q.meters)
        && p.duties.current.ptr_eq(&q.duties.current)
        && p.duties.next_ended == q.duties.next_ended
        && p.calendar == q.calendar
}

/// Every meter that is due, by its id.
fn standing(state: &State, ids: &mut Ids) -> BTreeMap<u64, DutyRow> {
    let mut rows = BTreeMap::new();
    for (id, standing) in state.plant.duties.current.iter().filter(|(_, standing)| standing.due) {
        let Some(meter) = state.registry.meters.get(id) else { continue };
        let schedule = state.plant.schedule_of(&state.registry, meter).0;
        let row = DutyRow {
            meter: id.0,
            from: standing.since.0,
            until: None,
            schedule: ids.of(&schedule, &state.plant.calendar),
            line: meter.line.0,
            model: model(state, id.0).unwrap_or_default(),
        };
        rows.insert(id.0, row);
    }
    rows
}

/// Its profile; its dialect where it is recognised by its answer.
fn model(state: &State, meter: u64) -> Option<String> {
    let meter = state.registry.meters.get(&protocol::meter::MeterId(meter))?;
    Some(meter.profile.clone().unwrap_or_else(|| meter.address.dialect().name().to_owned()))
}

/// What makes the slots of every schedule that the state knows, by the schedule's id.
pub(super) fn plans(state: &State) -> BTreeMap<u64, Arc<Plan>> {
    let mut ids = Ids::default();
    let mut plans = BTreeMap::new();
    for ended in state.plant.duties.ended.values() {
        plans.entry(ids.of_plan(&ended.plan)).or_insert_with(|| Arc::clone(&ended.plan));
    }
    for meter in state.registry.meters.values().filter(|meter| meter.enabled) {
        let schedule = state.plant.schedule_of(&state.registry, meter).0;
        let id = ids.of(&schedule, &state.plant.calendar);
        plans.entry(id).or_insert_with(|| Arc::new(state.plant.plan_of(&state.registry, meter)));
    }
    plans
}

/// A slot as it is told.
pub(super) const fn slot(slot: Slot) -> SlotRow {
    let priority = match slot.priority {
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 3,
    };
    let freeze = match slot.freeze {
        None => None,
        Some(Freeze::Day) => Some(1),
        Some(Freeze::Month) => Some(2),
    };
    SlotRow { begin: slot.begin, end: slot.end, on_time_until: slot.on_time_until, priority, freeze }
}

/// The ids of schedules, worked out once each.
#[derive(Default)]
struct Ids {
    /// In the plant's calendar.
    known: HashMap<Schedule, u64>,
    rows: Vec<ScheduleRow>,
}

impl Ids {
    fn of(&mut self, schedule: &Schedule, calendar: &Calendar) -> u64 {
        if let Some(id) = self.known.get(schedule) {
            return *id;
        }
        let id = self.note(schedule, schedule.needs_calendar().then_some(calendar));
        self.known.insert(schedule.clone(), id);
        id
    }

    /// In a calendar that may not be the plant's any more.
    fn of_plan(&mut self, plan: &Plan) -> u64 {
        self.note(&plan.schedule, plan.calendar.as_ref())
    }

    fn note(&mut self, schedule: &Schedule, calendar: Option<&Calendar>) -> u64 {
        let (expression, calendar) = (schedule.to_string(), calendar.map(words).unwrap_or_default());
        let id = fingerprint(&format!("{expression}\n{calendar}"));
        if !self.rows.iter().any(|row| row.id == id) {
            self.rows.push(ScheduleRow { id, expression, calendar });
        }
        id
    }
}

/// `Asia/Shanghai; 11-15 to 03-15; 2026: 2026-11-01 to 2027-04-05`
fn words(calendar: &Calendar) -> String {
    let mut text = calendar.zone.clone();
    // Writing into a String cannot fail.
    if let Some((first, last)) = calendar.yearly {
        let _ = write!(text, "; {first} to {last}");
    }
    for (year, (first, last)) in &calendar.seasons {
        let _ = write!(text, "; {year}: {first} to {last}");
    }
    text
}

/// FNV-1a, of 63 bits, so that every client of a database can hold it. Durable: the ids of schedules.
fn fingerprint(text: &str) -> u64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash >> 1
}
