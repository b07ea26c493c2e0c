//! The past of a line's meters: which earlier freezes an answer's history fills.
//!
//! ```text
//!   history   2026-11-01 00:00  4711 kWh   in the meters' zone -->  a moment
//!   timetable a freeze of the meter begins at that moment      -->  that slot's value, marked as backfilled
//! ```
//!
//! An ordinary answer's history is offered whether or not its slots were missed, each once by each owner of the line; what
//! was polled stays. What has to be asked for is asked for where it is missing:
//!
//! ```text
//!   seeker --leader, database--> wants: what each line lacks --> chores: what it asks for next, in spare time
//! ```
//!
//! Promises: pure: a value is offered for the freeze at its very moment, or not at all; months before days, the newest
//! first, a bounded number of each answer. Refuses: freezes that were not due, the slot that is open, doubtful clocks.

mod chores;
mod seeker;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use protocol::meter::{CivilTime, Frozen, MeterId, Quality, Reading, Shape};
use raft_store::state::UnixMillis;
use raft_store::state::plant::schedule::Freeze;

use super::orders::Charge;
use super::sanity;
use super::schedule::millis;
use crate::config::Backfill;
use crate::timetable::Zone;

pub(super) use chores::{Came, Chores};
pub(super) use seeker::Seeker;
pub(super) use wants::Wants;

/// What of the past is wanted, and what was offered.
#[derive(Debug)]
pub(super) struct Past {
    reach_ms: u64,
    offered: BTreeMap<MeterId, BTreeSet<u64>>,
}

/// A reading for an earlier slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) slot: UnixMillis,
    pub(super) reading: Reading,
}

impl Past {
    pub(super) fn new(config: &Backfill) -> Self {
        Self { reach_ms: millis(config.reach()), offered: BTreeMap::new() }
    }

    /// Forgets meters that are not among `meters`.
    pub(super) fn keep(&mut self, is_here: impl Fn(MeterId) -> bool) {
        self.offered.retain(|meter, _| is_here(*meter));
    }

    /// What `reading`, the answer heard at `now`, fills of the past of the meter, at most so many; none of it was offered
    /// yet.
    pub(super) fn fills(
        &self,
        charge: &Charge,
        reading: &Reading,
        zone: &Zone,
        now: UnixMillis,
        most: usize,
    ) -> Vec<Earlier> {
        if reading.quality.has(Quality::CLOCK_OFF) {
            return Vec::new();
        }
        let offered = self.offered.get(&charge.meter.id);
        let mut wanted = Vec::new();
        for kept in &reading.history {
            let Some((slot, freeze)) = self.freeze(charge, kept.at, zone, now) else { continue };
            let is_known = offered.is_some_and(|offered| offered.contains(&slot))
                || wanted.iter().any(|(_, known, _)| *known == slot);
            if !is_known {
                wanted.push((freeze, slot, kept));
            }
        }
        wanted.sort_by_key(|(freeze, slot, _)| std::cmp::Reverse((*freeze, *slot)));
        wanted.truncate(most);
        wanted.into_iter().map(|(_, slot, kept)| earlier(slot, kept, reading)).collect()
    }

    /// That slot is durable: it is offered no more.
    pub(super) fn offered(&mut self, meter: MeterId, slot: UnixMillis, now: UnixMillis) {
        let offered = self.offered.entry(meter).or_default();
        offered.insert(slot.0);
        *offered = offered.split_off(&now.0.saturating_sub(self.reach_ms));
    }

    /// Whether that slot was offered.
    pub(super) fn is_offered(&self, meter: MeterId, slot: UnixMillis) -> bool {
        self.offered.get(&meter).is_some_and(|offered| offered.contains(&slot.0))
    }

    /// What the meter's clock showed when the freeze `slot` began; `None`: it was offered, or nothing fills it.
    pub(super) fn moment(&self, charge: &Charge, slot: UnixMillis, zone: &Zone, now: UnixMillis) -> Option<CivilTime> {
        let shown = sanity::shown(slot.0, zone).filter(|_| !self.is_offered(charge.meter.id, slot))?;
        self.freeze(charge, shown, zone, now).filter(|(begin, _)| *begin == slot.0).map(|_| shown)
    }

    /// The freeze of the meter that begins when its clock shows `at`, if it is over and within reach.
    fn freeze(&self, charge: &Charge, at: CivilTime, zone: &Zone, now: UnixMillis) -> Option<(u64, Freeze)> {
        let moments = sanity::meant(at, zone);
        // In the hour that comes twice nobody knows which one it was.
        let [Some(moment), None] = moments else { return None };
        let is_due = moment >= charge.since.0 && moment < now.0 && now.0 - moment <= self.reach_ms;
        let slot = charge.table.at(moment).filter(|slot| is_due && slot.begin == moment && slot.end <= now.0)?;
        Some((moment, slot.freeze?))
    }
}

/// The reading of that slot: what the meter kept, and the answer it came in.
fn earlier(slot: u64, kept: &Frozen, reading: &Reading) -> Earlier {
    let reading = Reading {
        measurements: kept.measurements.clone(),
        meter_time: Some(kept.at),
        valve: None,
        quality: kept.quality.with(Quality::BACKFILLED),
        shape: Shape::default(),
        history: Vec::new(),
        ..reading.clone()
    };
    Earlier { slot: UnixMillis(slot), reading }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::meter::{Address, LineId, Measurement, Quantity};
    use raft_store::state::plant::calendar::Calendar;
    use raft_store::state::registry::{Meter, Schedule};

    use super::*;
    use crate::timetable::Timetable;

    const ZONE: &str = "Asia/Shanghai";

    fn at(text: &str) -> UnixMillis {
        UnixMillis(text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond().unsigned_abs())
    }

    fn charge(schedule: &str) -> Charge {
        let zone = Zone::or_utc(ZONE);
        let table = Timetable::new(&schedule.parse().expect("a schedule"), &Calendar::default(), &zone);
        let meter = Meter {
            id: MeterId(1),
            name: "m1".to_owned(),
            line: LineId(1),
            address: Address::MbusPrimary(1),
            profile: None,
            schedule: Schedule { interval_s: 1, offset_s: 0 },
            enabled: true,
        };
        Charge { meter, table: Arc::new(table), since: UnixMillis(0), identity: None }
    }

    fn kept(month: u8, day: u8, hour: u8, value: i64) -> Frozen {
        let at = CivilTime { year: 2026, month, day, hour, minute: 0, second: 0 };
        let measurements = vec![Measurement { quantity: Quantity::Energy, value }];
        Frozen { at, measurements, quality: Quality::default() }
    }

    fn answer(history: Vec<Frozen>) -> Reading {
        Reading {
            identity: "12345678".to_owned(),
            profile: "p".to_owned(),
            measurements: vec![Measurement { quantity: Quantity::Energy, value: 99 }],
            meter_time: None,
            valve: None,
            quality: Quality::default(),
            shape: Shape(7),
            history,
            raw: vec![0x68],
        }
    }

    fn past() -> Past {
        Past::new(&Backfill { days: 400, ..Backfill::default() })
    }

    const NOW: &str = "2026-11-26T04:10:00Z";
    const HOURS_AND_FREEZES: &str = "every 1h; daily 00:00; monthly 1 00:00";

    fn slots(past: &Past, charge: &Charge, reading: &Reading) -> Vec<(String, i64)> {
        some(past, charge, reading, usize::MAX)
    }

    fn some(past: &Past, charge: &Charge, reading: &Reading, most: usize) -> Vec<(String, i64)> {
        let shown =
            |slot: UnixMillis| jiff::Timestamp::from_millisecond(slot.0.cast_signed()).expect("a moment").to_string();
        let fills = past.fills(charge, reading, &Zone::or_utc(ZONE), at(NOW), most);
        let value = |earlier: &Earlier| earlier.reading.value(Quantity::Energy).expect("an energy");
        fills.iter().map(|earlier| (shown(earlier.slot), value(earlier))).collect()
    }

    #[test]
    fn a_value_fills_the_freeze_that_begins_when_it_was_kept_in_the_meters_zone() {
        let (past, reading) = (past(), answer(vec![kept(11, 1, 0, 42)]));
        let fills = past.fills(&charge(HOURS_AND_FREEZES), &reading, &Zone::or_utc(ZONE), at(NOW), 9);
        let earlier = fills.first().expect("one is filled");
        assert_eq!(earlier.slot, at("2026-10-31T16:00:00Z"));
        assert_eq!(earlier.reading.value(Quantity::Energy), Some(42));
        assert_eq!((earlier.reading.quality, earlier.reading.shape), (Quality::BACKFILLED, Shape::default()));
        assert_eq!((&earlier.reading.identity, &earlier.reading.raw), (&reading.identity, &reading.raw));
    }

    #[test]
    fn a_value_of_another_moment_than_a_freeze_that_was_due_fills_nothing() {
        let charge = charge(HOURS_AND_FREEZES);
        let none = |charge: &Charge, kept| slots(&past(), charge, &answer(vec![kept])).is_empty();
        assert!(none(&charge, kept(11, 1, 1, 42)), "an hour is no freeze");
        assert!(none(&charge, kept(12, 1, 0, 42)), "it is still to come");
        assert!(
            none(&charge, Frozen { at: CivilTime { year: 2025, ..kept(9, 1, 0, 1).at }, ..kept(9, 1, 0, 1) }),
            "too old"
        );
        let since = Charge { since: at("2026-10-31T16:00:01Z"), ..charge.clone() };
        assert!(none(&since, kept(11, 1, 0, 42)), "it was not due");
        assert!(none(&self::charge("daily 00:00"), kept(11, 26, 0, 42)), "its slot is open: it can be polled");
        assert!(!none(&charge, kept(11, 26, 0, 42)));
    }

    #[test]
    fn months_come_before_days_a_few_of_each_answer_and_each_once() {
        let charge = charge(HOURS_AND_FREEZES);
        let history = vec![kept(11, 20, 0, 5), kept(10, 1, 0, 3), kept(11, 1, 0, 4), kept(11, 1, 0, 4)];
        let (mut past, reading) = (past(), answer(history));
        let first = some(&past, &charge, &reading, 2);
        assert_eq!(first.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4, 3]);
        for (slot, _) in &first {
            past.offered(MeterId(1), at(slot), at(NOW));
        }
        assert_eq!(slots(&past, &charge, &reading), [("2026-11-19T16:00:00Z".to_owned(), 5)]);
        past.keep(|_| false);
        assert_eq!(some(&past, &charge, &reading, 2), first);
    }

    #[test]
    fn the_history_of_a_meter_whose_clock_is_off_is_of_other_moments() {
        let reading = Reading { quality: Quality::CLOCK_OFF, ..answer(vec![kept(11, 1, 0, 42)]) };
        assert_eq!(slots(&past(), &charge(HOURS_AND_FREEZES), &reading), []);
    }

    #[test]
    fn a_missed_freeze_is_asked_for_by_what_the_meters_clock_showed_until_it_is_offered() {
        let (mut past, charge) = (past(), charge(HOURS_AND_FREEZES));
        let moment = |past: &Past, slot| past.moment(&charge, at(slot), &Zone::or_utc(ZONE), at(NOW));
        let first = "2026-10-31T16:00:00Z";
        assert_eq!(moment(&past, first), Some(kept(11, 1, 0, 0).at));
        assert_eq!(moment(&past, "2026-10-31T17:00:00Z"), None, "an hour is no freeze");
        assert_eq!(moment(&past, "2026-12-31T16:00:00Z"), None, "it is still to come");
        past.offered(MeterId(1), at(first), at(NOW));
        assert_eq!(moment(&past, first), None);
    }

    #[test]
    fn no_days_are_no_history() {
        let past = Past::new(&Backfill { days: 0, ..Backfill::default() });
        assert_eq!(slots(&past, &charge(HOURS_AND_FREEZES), &answer(vec![kept(11, 1, 0, 42)])), []);
    }
}
