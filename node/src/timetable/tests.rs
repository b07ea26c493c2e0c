#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use protocol::meter::{Address, LineId};
use raft_store::state::plant::calendar::{Calendar, MonthDay};
use raft_store::state::plant::detail::{MeterDetail, Own};
use raft_store::state::plant::schedule::{Freeze, Priority};
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, LogPosition, Reply, State, UnixMillis, apply};

use super::{Slot, Timetable, Timetables, Zone, replanned};

fn moment(text: &str) -> u64 {
    text.parse::<Timestamp>().unwrap().as_millisecond().unsigned_abs()
}

fn shown(moment: u64) -> String {
    Timestamp::from_millisecond(i64::try_from(moment).unwrap()).unwrap().to_string()
}

fn heated() -> Calendar {
    let day = |text: &str| text.parse().unwrap();
    Calendar { yearly: Some((day("11-15"), day("03-15"))), ..Calendar::default() }
}

fn timetable(schedule: &str, zone: &str) -> Timetable {
    Timetable::new(&schedule.parse().unwrap(), &heated(), &Zone::named(zone).unwrap())
}

fn begins(schedule: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    timetable(schedule, zone).between(moment(from), moment(to)).map(|slot| shown(slot.begin)).collect()
}

#[test]
fn an_interval_goes_by_the_epoch_and_a_slot_ends_where_the_next_begins() {
    let table = timetable("every 15m offset 5m", "UTC");
    let slot = table.at(moment("2026-11-23T09:04:59.999Z")).unwrap();
    assert_eq!(
        (shown(slot.begin).as_str(), shown(slot.end).as_str()),
        ("2026-11-23T08:50:00Z", "2026-11-23T09:05:00Z")
    );
    let next = table.after(slot.begin).unwrap();
    assert_eq!((next.begin, next.on_time_until, next.end), (slot.end, next.end, slot.end + 900_000));
    assert_eq!(table.between(0, 1_200_001).map(|slot| slot.begin).collect::<Vec<_>>(), [300_000, 1_200_000]);
    assert_eq!(timetable("every 15m", "UTC").between(0, 900_000).count(), 1, "the epoch itself");
}

#[test]
fn the_freeze_of_a_day_is_at_midnight_where_the_plant_is_also_when_clocks_change() {
    let days = begins("daily 00:00", "Europe/Helsinki", "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(days, ["2026-03-27T22:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"], "a day of 23 hours");
    let days = begins("daily 00:00", "Europe/Helsinki", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(days, ["2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z"], "a day of 25 hours");
    let slot = timetable("daily 00:00", "Europe/Helsinki").at(moment("2026-10-25T21:30:00Z"));
    assert_eq!(slot, None, "it is over after 24 hours");
    let days = begins("daily 00:00", "Asia/Shanghai", "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z");
    assert_eq!(days, ["2026-11-23T16:00:00Z", "2026-11-24T16:00:00Z"]);
}

#[test]
fn what_falls_into_the_hour_left_out_is_moved_and_never_lost_and_the_hour_that_comes_twice_counts_once() {
    let spring = ("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z");
    assert_eq!(begins("daily 03:30", "Europe/Helsinki", spring.0, spring.1), ["2026-03-29T01:30:00Z"]);
    let autumn = ("2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z");
    assert_eq!(begins("daily 03:30", "Europe/Helsinki", autumn.0, autumn.1), ["2026-10-25T00:30:00Z"]);
    let quarters = begins("cron */15 * * * *", "Europe/Helsinki", "2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z");
    assert_eq!(quarters.len(), 100, "through all hours, both count");
    let quarters = begins("cron */15 * * * *", "Europe/Helsinki", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z");
    assert_eq!(quarters.len(), 92);
}

#[test]
fn a_month_has_one_freeze_on_its_day_or_its_last() {
    let months = begins("monthly last 23:00", "UTC", "2027-01-01T00:00:00Z", "2027-04-01T00:00:00Z");
    assert_eq!(months, ["2027-01-31T23:00:00Z", "2027-02-28T23:00:00Z", "2027-03-31T23:00:00Z"]);
    let months = begins("monthly 1 00:00", "Asia/Shanghai", "2026-10-15T00:00:00Z", "2026-12-15T00:00:00Z");
    assert_eq!(months, ["2026-10-31T16:00:00Z", "2026-11-30T16:00:00Z"]);
    let slot = timetable("monthly 1 00:00", "Asia/Shanghai").after(moment("2026-10-15T00:00:00Z")).unwrap();
    assert_eq!((slot.freeze, slot.end - slot.begin), (Some(Freeze::Month), 86_400_000));
    assert_eq!(slot.on_time_until - slot.begin, 3_600_000);
}

#[test]
fn rules_together_name_each_moment_once_with_the_most_of_each() {
    let table = timetable("every 6h; daily 00:00; monthly 1 00:00 within 2h priority high", "UTC");
    let slots: Vec<Slot> = table.between(moment("2026-11-30T12:00:00Z"), moment("2026-12-02T06:00:00Z")).collect();
    let said: Vec<_> = slots.iter().map(|slot| (shown(slot.begin), slot.freeze, slot.priority)).collect();
    let expected = [
        ("2026-11-30T12:00:00Z", None, Priority::Normal),
        ("2026-11-30T18:00:00Z", None, Priority::Normal),
        ("2026-12-01T00:00:00Z", Some(Freeze::Month), Priority::High),
        ("2026-12-01T06:00:00Z", None, Priority::Normal),
        ("2026-12-01T12:00:00Z", None, Priority::Normal),
        ("2026-12-01T18:00:00Z", None, Priority::Normal),
        ("2026-12-02T00:00:00Z", Some(Freeze::Day), Priority::Normal),
    ];
    assert_eq!(said, expected.map(|(begin, freeze, priority)| (begin.to_owned(), freeze, priority)));
    assert_eq!(slots[2].on_time_until - slots[2].begin, 7_200_000);
    assert_eq!(slots[2].end, slots[3].begin, "the day's length gives way to the next slot");
}

#[test]
fn the_season_decides_by_the_plant_s_date_and_between_seasons_nothing_is_open() {
    let schedule = "every 6h in season; daily 00:00 off season";
    let autumn = begins(schedule, "Asia/Shanghai", "2026-11-13T00:00:00Z", "2026-11-15T00:00:00Z");
    assert_eq!(
        autumn,
        ["2026-11-13T16:00:00Z", "2026-11-14T18:00:00Z"],
        "15 November begins at 16:00 UTC the day before"
    );
    let spring = begins(schedule, "Asia/Shanghai", "2027-03-15T06:00:00Z", "2027-03-17T00:00:00Z");
    assert_eq!(
        spring,
        ["2027-03-15T06:00:00Z", "2027-03-15T12:00:00Z", "2027-03-15T16:00:00Z", "2027-03-16T16:00:00Z"]
    );
    let table = timetable("every 15m in season", "UTC");
    let last = table.at(moment("2027-03-15T23:50:00Z")).unwrap();
    assert_eq!(last.end, last.begin + 900_000);
    assert_eq!(table.at(last.end), None);
    assert_eq!(shown(table.after(last.begin).unwrap().begin), "2027-11-15T00:00:00Z");
}

#[test]
fn what_comes_once_in_four_years_is_found_and_a_zone_that_is_none_is_named() {
    let table = timetable("cron 0 0 29 2 *", "UTC");
    assert_eq!(shown(table.after(moment("2028-03-01T00:00:00Z")).unwrap().begin), "2032-02-29T00:00:00Z");
    let error = Zone::named("Asia/Shangai").unwrap_err().to_string();
    assert!(error.contains("Asia/Shangai") && error.contains("IANA"), "{error}");
}

fn done(state: &mut State, entry: &Entry) {
    let reply = apply(state, LogPosition { term: 1, index: 1 }, entry);
    assert!(!matches!(reply, Reply::Rows(_) | Reply::Refused(_)), "{reply:?}");
}

/// A line with so many meters, of these schedules in turn.
fn plant(meters: u8, schedules: &[&str]) -> State {
    let mut state = State::default();
    let line = LineSpec {
        name: "l".to_owned(),
        endpoint: Endpoint::Serial { path: "/dev/ttyS0".to_owned() },
        baud: 2_400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires: std::collections::BTreeMap::new(),
    };
    done(&mut state, &Entry::ImportLines { at: UnixMillis(1), lines: vec![line] });
    let meter = |number: u8| MeterSpec {
        name: format!("m{number}"),
        line: "l".to_owned(),
        address: Address::MbusPrimary(number),
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    };
    let detail = |schedule: &&str| {
        let schedule = Own::Words(schedule.parse().unwrap());
        MeterDetail { schedule, ..MeterDetail::default() }
    };
    let meters = (1..=meters).map(meter).zip(schedules.iter().map(detail).cycle()).collect();
    done(&mut state, &Entry::RegisterMeters { at: UnixMillis(2), meters });
    state
}

fn tables(state: &State, timetables: &mut Timetables) -> Vec<Arc<Timetable>> {
    state.registry.meters.values().map(|meter| timetables.of(state, meter)).collect()
}

#[test]
fn meters_of_one_schedule_share_a_timetable_that_is_forgotten_with_its_last_holder() {
    let mut timetables = Timetables::default();
    let schedules: Vec<String> = (1..=100).map(|seconds| format!("every {seconds}s")).collect();
    let words: Vec<&str> = schedules.iter().map(String::as_str).collect();
    let held = tables(&plant(200, &words), &mut timetables);
    assert!(Arc::ptr_eq(&held[0], &held[100]) && !Arc::ptr_eq(&held[0], &held[1]));
    assert_eq!((held[4].at(12_000).map(|slot| slot.begin), timetables.len()), (Some(10_000), 100));
    drop(held);
    let held = tables(&plant(200, &["daily 00:00"]), &mut timetables);
    for seconds in 200..1_000 {
        drop(tables(&plant(1, &[&format!("every {seconds}s")]), &mut timetables));
    }
    assert!(timetables.len() < 64 + 2, "{} are remembered", timetables.len());
    assert!(Arc::ptr_eq(&held[7], &tables(&plant(1, &["daily 00:00"]), &mut timetables)[0]));
}

#[test]
fn a_calendar_changes_the_slots_of_those_that_go_by_it_and_only_theirs() {
    let mut timetables = Timetables::default();
    let mut state = plant(2, &["every 15m", "daily 00:00 in season"]);
    let before = tables(&state, &mut timetables);
    let day = |month, day| MonthDay { month, day };
    let calendar =
        Calendar { zone: "Asia/Shanghai".to_owned(), yearly: Some((day(11, 15), day(3, 15))), ..Calendar::default() };
    let known = state.clone();
    done(&mut state, &Entry::SetCalendar { at: UnixMillis(3), calendar });
    assert_eq!(replanned(&known, &state).into_iter().collect::<Vec<_>>(), [LineId(1)]);
    let after = tables(&state, &mut timetables);
    assert!(Arc::ptr_eq(&before[0], &after[0]));
    let next = |table: &Timetable| shown(table.after(moment("2026-06-01T00:00:00Z")).unwrap().begin);
    assert_eq!((next(&before[1]).as_str(), next(&after[1]).as_str()), ("2026-06-02T00:00:00Z", "2026-11-14T16:00:00Z"));
}

#[test]
fn what_does_not_touch_meters_or_schedules_replans_no_line() {
    let mut state = plant(3, &["every 15m"]);
    let known = state.clone();
    done(&mut state, &Entry::Expire { at: UnixMillis(9) });
    assert!(replanned(&known, &state).is_empty());
    done(&mut state, &Entry::SwitchMeter { at: UnixMillis(9), name: "m2".to_owned(), enabled: false });
    assert_eq!(replanned(&known, &state).len(), 1);
}

const SCHEDULES: [&str; 6] = [
    "every 7m",
    "every 1h in season; daily 00:00",
    "cron */20 1-5 * * *; monthly last 02:30",
    "daily 02:30; daily 03:00",
    "every 90m offset 17m off season; cron 0 12 1-7 * 1",
    "monthly 15 00:00",
];
#[test]
fn stretches_are_cut_where_clocks_are_changed_and_nowhere_else() {
    let (october, april) = (1_790_812_800_000, 1_806_537_600_000);
    let helsinki = Zone::named("Europe/Helsinki").unwrap();
    let (back, forth) = (1_792_890_000_000, 1_806_195_600_000);
    let expected = [(october, back, 10_800), (back, forth, 7_200), (forth, april, 10_800)];
    assert_eq!(helsinki.stretches(october, april), expected, "25 October and 28 March, one o'clock UTC");
    assert_eq!(helsinki.stretches(back, back + 1), [(back, back + 1, 7_200)]);
    assert_eq!(Zone::named("Asia/Shanghai").unwrap().stretches(october, april), [(october, april, 28_800)]);
    assert_eq!(Zone::utc().stretches(0, u64::MAX), [(0, u64::MAX, 0)]);
    assert_eq!(helsinki.stretches(april, april), []);
}

const ZONES: [&str; 4] = ["UTC", "Europe/Helsinki", "America/Havana", "Australia/Lord_Howe"];

proptest! {
    #[test]
    fn slots_follow_each_other_without_overlap_however_they_are_asked_for(
        schedule in prop::sample::select(&SCHEDULES[..]), zone in prop::sample::select(&ZONES[..]),
        from in 1_770_000_000_u64..1_830_000_000, hours in 1_u64..72
    ) {
        let table = timetable(schedule, zone);
        let (from, to) = (from * 1_000, (from + hours * 3_600) * 1_000);
        let slots: Vec<Slot> = table.between(from, to).collect();
        let mut at = from - 1;
        for slot in &slots {
            prop_assert_eq!(table.after(at), Some(*slot));
            prop_assert!(slot.begin > at && slot.begin < slot.on_time_until && slot.on_time_until <= slot.end);
            for inside in [slot.begin, (slot.begin + slot.end) / 2, slot.end - 1] {
                prop_assert_eq!(table.at(inside), Some(*slot));
            }
            at = slot.begin;
        }
        prop_assert!(slots.iter().zip(slots.iter().skip(1)).all(|(a, b)| a.end <= b.begin));
        prop_assert!(table.after(at).is_none_or(|next| next.begin >= to));
    }
}
