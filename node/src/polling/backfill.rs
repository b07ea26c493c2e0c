//! Which earlier freezes an answer's history fills.
//!
//! ```text
//!   history   2026-11-01 00:00  4711 kWh   in the meters' zone -->  a moment
//!   timetable a freeze of the meter begins at that moment      -->  that slot's value, marked as backfilled
//! ```
//!
//! Whether a slot was missed is not known here: each is offered once by each owner of the line, and what was polled stays.
//!
//! Promises: pure: a value is offered for the freeze at its very moment, or not at all; months before days, the newest
//! first, a bounded number of each answer. Refuses: freezes that were not due, the slot that is open, doubtful clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::meter::{Frozen, MeterId, Quality, Reading, Shape};
use raft_store::state::UnixMillis;
use raft_store::state::plant::schedule::Freeze;

use super::orders::Charge;
use super::sanity;
use crate::config::Backfill;
use crate::timetable::Zone;

const DAY: Duration = Duration::from_secs(86_400);

/// What of the past is wanted, and what was offered.
#[derive(Debug)]
pub(super) struct Past {
    reach_ms: u64,
    per_answer: usize,
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
        let reach = DAY.saturating_mul(config.days);
        let reach_ms = u64::try_from(reach.as_millis()).unwrap_or(u64::MAX);
        Self { reach_ms, per_answer: config.per_answer as usize, offered: BTreeMap::new() }
    }

    /// Forgets meters that are not among `meters`.
    pub(super) fn keep(&mut self, is_here: impl Fn(MeterId) -> bool) {
        self.offered.retain(|meter, _| is_here(*meter));
    }

    /// What `reading`, the answer heard at `now`, fills of the past of the meter; none of it was offered yet.
    pub(super) fn fills(&self, charge: &Charge, reading: &Reading, zone: &Zone, now: UnixMillis) -> Vec<Earlier> {
        if reading.quality.has(Quality::CLOCK_OFF) {
            return Vec::new();
        }
        let offered = self.offered.get(&charge.meter.id);
        let mut wanted = Vec::new();
        for kept in &reading.history {
            let Some((slot, freeze)) = self.freeze(charge, kept, zone, now) else { continue };
            let is_known = offered.is_some_and(|offered| offered.contains(&slot))
                || wanted.iter().any(|(_, known, _)| *known == slot);
            if !is_known {
                wanted.push((freeze, slot, kept));
            }
        }
        wanted.sort_by_key(|(freeze, slot, _)| std::cmp::Reverse((*freeze, *slot)));
        wanted.truncate(self.per_answer);
        wanted.into_iter().map(|(_, slot, kept)| earlier(slot, kept, reading)).collect()
    }

    /// That slot is durable: it is offered no more.
    pub(super) fn offered(&mut self, meter: MeterId, slot: UnixMillis, now: UnixMillis) {
        let offered = self.offered.entry(meter).or_default();
        offered.insert(slot.0);
        *offered = offered.split_off(&now.0.saturating_sub(self.reach_ms));
    }

    /// The freeze of the meter that begins when `kept` was kept, if it is over and within reach.
    fn freeze(&self, charge: &Charge, kept: &Frozen, zone: &Zone, now: UnixMillis) -> Option<(u64, Freeze)> {
        let moments = sanity::meant(kept.at, zone);
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

    use protocol::meter::{Address, CivilTime, LineId, Measurement, Quantity};
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

    fn past(per_answer: u32) -> Past {
        Past::new(&Backfill { days: 400, per_answer })
    }

    const NOW: &str = "2026-11-26T04:10:00Z";
    const HOURS_AND_FREEZES: &str = "every 1h; daily 00:00; monthly 1 00:00";

    fn slots(past: &Past, charge: &Charge, reading: &Reading) -> Vec<(String, i64)> {
        let shown =
            |slot: UnixMillis| jiff::Timestamp::from_millisecond(slot.0.cast_signed()).expect("a moment").to_string();
        let fills = past.fills(charge, reading, &Zone::or_utc(ZONE), at(NOW));
        let value = |earlier: &Earlier| earlier.reading.value(Quantity::Energy).expect("an energy");
        fills.iter().map(|earlier| (shown(earlier.slot), value(earlier))).collect()
    }

    #[test]
    fn a_value_fills_the_freeze_that_begins_when_it_was_kept_in_the_meters_zone() {
        let (past, reading) = (past(9), answer(vec![kept(11, 1, 0, 42)]));
        let fills = past.fills(&charge(HOURS_AND_FREEZES), &reading, &Zone::or_utc(ZONE), at(NOW));
        let earlier = fills.first().expect("one is filled");
        assert_eq!(earlier.slot, at("2026-10-31T16:00:00Z"));
        assert_eq!(earlier.reading.value(Quantity::Energy), Some(42));
        assert_eq!((earlier.reading.quality, earlier.reading.shape), (Quality::BACKFILLED, Shape::default()));
        assert_eq!((&earlier.reading.identity, &earlier.reading.raw), (&reading.identity, &reading.raw));
    }

    #[test]
    fn a_value_of_another_moment_than_a_freeze_that_was_due_fills_nothing() {
        let charge = charge(HOURS_AND_FREEZES);
        let none = |charge: &Charge, kept| slots(&past(9), charge, &answer(vec![kept])).is_empty();
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
        let (mut past, reading) = (past(2), answer(history));
        let first = slots(&past, &charge, &reading);
        assert_eq!(first.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4, 3]);
        for (slot, _) in &first {
            past.offered(MeterId(1), at(slot), at(NOW));
        }
        assert_eq!(slots(&past, &charge, &reading), [("2026-11-19T16:00:00Z".to_owned(), 5)]);
        past.keep(|_| false);
        assert_eq!(slots(&past, &charge, &reading), first);
    }

    #[test]
    fn the_history_of_a_meter_whose_clock_is_off_is_of_other_moments() {
        let reading = Reading { quality: Quality::CLOCK_OFF, ..answer(vec![kept(11, 1, 0, 42)]) };
        assert_eq!(slots(&past(9), &charge(HOURS_AND_FREEZES), &reading), []);
    }

    #[test]
    fn no_days_are_no_history() {
        let past = Past::new(&Backfill { days: 0, per_answer: 9 });
        assert_eq!(slots(&past, &charge(HOURS_AND_FREEZES), &answer(vec![kept(11, 1, 0, 42)])), []);
    }
}
