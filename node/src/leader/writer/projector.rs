//! What the database still has to be told about lines and meters.
//!
//! Promises: finding out that nothing changed costs nothing; a change costs what changed, one of a policy a look at every
//! meter. Refuses: knowing SQL.

use std::collections::BTreeSet;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use protocol::meter::MeterId;
use raft_store::state::State;
use raft_store::state::plant::Plant;
use raft_store::state::plant::duty::Duties;
use raft_store::state::registry::{Meter, Registry};

use crate::mysql::{LineRow, MeterRow, Projection};

/// What the database was told last.
#[derive(Debug, Default)]
pub(super) struct Projector {
    told: Option<Told>,
}

/// What rows are made from.
#[derive(Debug)]
pub(super) struct Told {
    registry: Registry,
    plant: Plant,
}

impl Told {
    fn of(state: &State) -> Self {
        // What is due changes often, and makes no row.
        let plant = Plant { duties: Duties::default(), ..state.plant.clone() };
        Self { registry: state.registry.clone(), plant }
    }

    fn is_alike(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.plant, &other.plant);
        self.registry.lines.ptr_eq(&other.registry.lines)
            && self.registry.meters.ptr_eq(&other.registry.meters)
            && ours.lines.ptr_eq(&theirs.lines)
            && ours.meters.ptr_eq(&theirs.meters)
            && ours.policies.ptr_eq(&theirs.policies)
    }

    fn reads_alike(&self, other: &Self, meter: &Meter) -> bool {
        self.plant.schedule_of(&self.registry, meter).0 == other.plant.schedule_of(&other.registry, meter).0
    }

    fn line_rows(&self) -> impl Iterator<Item = LineRow> {
        self.registry.lines.values().map(|line| LineRow::of(&self.plant, line))
    }

    fn meter_rows(&self) -> impl Iterator<Item = MeterRow> {
        self.registry.meters.values().map(|meter| MeterRow::of(&self.plant, &self.registry, meter))
    }
}

impl Projector {
    /// What to tell about `state`, and what was told then; `None` if nothing changed.
    pub(super) fn due(&self, state: &State) -> Option<(Projection, Told)> {
        let next = Told::of(state);
        match &self.told {
            None => Some((complete(&next), next)),
            Some(told) if told.is_alike(&next) => None,
            Some(told) => Some((changes(told, &next), next)),
        }
    }

    /// The database was told that.
    pub(super) fn told(&mut self, told: Told) {
        self.told = Some(told);
    }

    /// The next connection may lead to another server.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }
}

fn complete(next: &Told) -> Projection {
    Projection {
        complete: true,
        lines: next.line_rows().collect(),
        meters: next.meter_rows().collect(),
        ..Projection::default()
    }
}

fn changes(told: &Told, next: &Told) -> Projection {
    let (mut lines, lines_gone) = turned(&told.registry.lines, &next.registry.lines);
    let (mut meters, meters_gone) = turned(&told.registry.meters, &next.registry.meters);
    for line in touched(&told.plant.lines, &next.plant.lines) {
        lines.insert(line);
        // A line's labels and schedule are its meters', too.
        meters.extend(next.registry.meters_of(line).map(|meter| meter.id));
    }
    meters.extend(touched(&told.plant.meters, &next.plant.meters));
    meters.extend(rescheduled(told, next));
    let lines = lines.iter().filter_map(|line| next.registry.lines.get(line));
    let meters = meters.iter().filter_map(|meter| next.registry.meters.get(meter));
    Projection {
        complete: false,
        lines: lines.map(|line| LineRow::of(&next.plant, line)).collect(),
        meters: meters.map(|meter| MeterRow::of(&next.plant, &next.registry, meter)).collect(),
        lines_gone: lines_gone.into_iter().map(|line| line.0).collect(),
        meters_gone: meters_gone.into_iter().map(|meter| meter.0).collect(),
    }
}

/// Meters that are read otherwise since a policy changed.
fn rescheduled(told: &Told, next: &Told) -> BTreeSet<MeterId> {
    if told.plant.policies.ptr_eq(&next.plant.policies) {
        return BTreeSet::new();
    }
    let other = next.registry.meters.values().filter(|meter| !told.reads_alike(next, meter));
    other.map(|meter| meter.id).collect()
}

/// What is there and is not as it was, and what is there no more.
fn turned<K: Ord + Copy, V: PartialEq>(before: &OrdMap<K, V>, after: &OrdMap<K, V>) -> (BTreeSet<K>, BTreeSet<K>) {
    touched(before, after).partition(|key| after.contains_key(key))
}

/// What is not as it was.
fn touched<K: Ord + Copy, V: PartialEq>(before: &OrdMap<K, V>, after: &OrdMap<K, V>) -> impl Iterator<Item = K> {
    before.diff(after).map(|change| match change {
        DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } | DiffItem::Remove(key, _) => *key,
    })
}

#[cfg(test)]
mod tests {
    use protocol::meter::Address;
    use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};
    use raft_store::state::plant::policy::Policy;
    use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
    use raft_store::state::{Entry, LogPosition, Reply, UnixMillis, apply};

    use super::*;

    const AT: UnixMillis = UnixMillis(1_000);

    fn commit(state: &mut State, entry: &Entry) {
        let reply = apply(state, LogPosition { term: 1, index: 1 }, entry);
        assert!(!matches!(reply, Reply::Refused(_) | Reply::Rows(_)), "{entry:?}: {reply:?}");
    }

    fn lines(station: &str, names: &[&str]) -> Entry {
        let row = |name: &&str| {
            let spec = LineSpec {
                name: (*name).to_owned(),
                endpoint: Endpoint::Tcp { host: format!("gw-{name}"), port: 4001 },
                baud: 2400,
                parity: Parity::Even,
                extra_answer_ms: 0,
                repeats: 2,
                requires: [].into(),
            };
            let labels = [("station".to_owned(), station.to_owned())].into();
            (spec, LineDetail { labels, schedule: None })
        };
        Entry::RegisterLines { at: AT, lines: names.iter().map(row).collect() }
    }

    fn meters(rows: &[(&str, &str, Own)]) -> Entry {
        let row = |(name, line, own): &(&str, &str, Own)| {
            let spec = MeterSpec {
                name: (*name).to_owned(),
                line: (*line).to_owned(),
                address: Address::MbusPrimary(1),
                profile: None,
                schedule: Schedule { interval_s: 900, offset_s: 0 },
                enabled: true,
            };
            let labels = [("building".to_owned(), "3".to_owned()), ("riser".to_owned(), "east".to_owned())].into();
            (spec, MeterDetail { labels, schedule: own.clone(), ..MeterDetail::default() })
        };
        Entry::RegisterMeters { at: AT, meters: rows.iter().map(row).collect() }
    }

    /// Two lines of station S1, each with one meter; only the first inherits its schedule. The database was told.
    fn told() -> (State, Projector) {
        let mut state = State::default();
        commit(&mut state, &lines("S1", &["l1", "l2"]));
        commit(&mut state, &meters(&[("m1", "l1", Own::Inherited), ("m2", "l2", Own::Interval)]));
        let mut projector = Projector::default();
        let (projection, told) = projector.due(&state).expect("everything is to be told");
        assert!(projection.complete && projection.lines.len() == 2 && projection.meters.len() == 2);
        projector.told(told);
        (state, projector)
    }

    fn names(state: &State, projector: &Projector) -> (Vec<String>, Vec<String>) {
        let (projection, _) = projector.due(state).expect("something changed");
        assert!(!projection.complete);
        let lines = projection.lines.into_iter().map(|line| line.name);
        (lines.collect(), projection.meters.into_iter().map(|meter| meter.name).collect())
    }

    #[test]
    fn nothing_is_told_twice_not_even_where_meters_became_due_otherwise() {
        let (mut state, projector) = told();
        assert!(projector.due(&state).is_none());
        let calendar =
            raft_store::state::plant::calendar::Calendar { zone: "Asia/Shanghai".to_owned(), ..Default::default() };
        commit(&mut state, &Entry::SetCalendar { at: AT, calendar });
        assert!(projector.due(&state).is_none(), "the calendar stands in no row");
    }

    #[test]
    fn another_label_of_a_line_is_told_of_its_meters_and_of_no_others() {
        let (mut state, projector) = told();
        commit(&mut state, &lines("S2", &["l1"]));
        assert_eq!(names(&state, &projector), (vec!["l1".to_owned()], vec!["m1".to_owned()]));
        let (projection, _) = projector.due(&state).expect("something changed");
        let row = projection.meters.first().expect("one meter");
        assert_eq!(row.whereabouts.places, ["", "S2", "", "3", "", ""].map(str::to_owned));
        assert_eq!(row.whereabouts.labels.as_deref(), Some(r#"{"riser":"east"}"#));
    }

    #[test]
    fn a_policy_is_told_of_the_meters_that_follow_it() {
        let (mut state, projector) = told();
        let policy = Policy {
            name: "bills".to_owned(),
            rank: 1,
            selector: "station=S1".parse().expect("a selector"),
            schedule: "daily 00:00".parse().expect("a schedule"),
        };
        commit(&mut state, &Entry::SetPolicy { at: AT, policy });
        assert_eq!(names(&state, &projector), (vec![], vec!["m1".to_owned()]));
        let (projection, _) = projector.due(&state).expect("something changed");
        let row = projection.meters.first().expect("one meter");
        assert_eq!((row.schedule.as_str(), row.interval_s), ("daily 00:00", 0));
    }

    #[test]
    fn a_meter_that_is_gone_is_told_as_gone() {
        let (mut state, projector) = told();
        commit(&mut state, &Entry::ForgetMeter { at: AT, name: "m1".to_owned() });
        let (projection, _) = projector.due(&state).expect("something changed");
        assert!(projection.meters.is_empty() && projection.meters_gone == BTreeSet::from([1]), "{projection:?}");
    }
}
