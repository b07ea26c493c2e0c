//! What is flagged, what is not, and that nothing panics.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::api::peer::SpooledValue;

use super::*;

const KWH: i64 = 3_600_000;
const M3: i64 = 1_000_000;
const KW: i64 = 1_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// 2026-03-29 00:00 UTC: an hour before Europe's clocks go forward.
const NIGHT: u64 = 1_774_742_400_000;

fn rules() -> Rules {
    Rules::from(&config::Sanity::default())
}

fn record(slot: u64, at: u64, values: &[(u32, i64)]) -> SpoolRecord {
    let values = values.iter().map(|(quantity, value)| SpooledValue { quantity: *quantity, value: *value }).collect();
    let shape = Shape::of_profile("mbus-generic").with(Quantity::Energy, 1, 3).0;
    let reading = SpooledReading { values, identity: "11110059".to_owned(), shape, ..SpooledReading::default() };
    SpoolRecord { meter: 7, slot, kind: 1, at, content: Some(Content::Reading(reading)), ..SpoolRecord::default() }
}

fn changed(mut record: SpoolRecord, change: impl FnOnce(&mut SpooledReading)) -> SpoolRecord {
    if let Some(Content::Reading(reading)) = &mut record.content {
        change(reading);
    }
    record
}

/// Energy in kWh at `minute`.
fn at(minute: u64, kwh: i64) -> SpoolRecord {
    record(NIGHT + minute * MINUTE, NIGHT + minute * MINUTE + 500, &[(1, kwh * KWH)])
}

fn marks(first: &SpoolRecord, second: &SpoolRecord) -> Vec<String> {
    judge(Some(&Last::of(first).unwrap()), second, &rules()).words()
}

/// What each record of a journey is marked with, written one by one as they came.
fn journey(records: &[SpoolRecord]) -> Vec<Quality> {
    let mut newest = BTreeMap::<u64, Last>::new();
    let judged = records.iter().cloned().map(|record| {
        let mut written = [record];
        mark(&mut written.each_mut(), |meter| newest.get(&meter), &rules());
        let last = Last::of(&written[0]).unwrap();
        let quality = Quality(last.quality & JUDGED.0);
        if newest.get(&written[0].meter).is_none_or(|known| known.slot < last.slot) {
            newest.insert(written[0].meter, last);
        }
        quality
    });
    judged.collect()
}

#[test]
fn a_counter_that_falls_by_the_least_steps_back_and_one_that_stands_does_not() {
    assert_eq!(marks(&at(0, 100), &at(15, 99)), ["index-back"]);
    assert!(marks(&at(0, 100), &at(15, 100)).is_empty());
    let volume = |minute, m3: i64| record(NIGHT + minute * MINUTE, NIGHT + minute * MINUTE, &[(3, m3 * M3)]);
    assert_eq!(marks(&volume(0, 5), &volume(15, 4)), ["index-back"]);
    let cold = |minute, kwh: i64| record(NIGHT + minute * MINUTE, NIGHT + minute * MINUTE, &[(2, kwh * KWH)]);
    assert_eq!(marks(&cold(0, 5), &cold(15, 4)), ["index-back"]);
}

#[test]
fn a_counter_that_went_round_is_an_index_that_stepped_back() {
    assert_eq!(marks(&at(0, 99_999_999), &at(15, 2)), ["index-back"]);
}

#[test]
fn more_than_any_connection_carries_is_a_jump() {
    // 100 MW for an hour at least.
    assert!(marks(&at(0, 0), &at(15, 100_000)).is_empty());
    assert_eq!(marks(&at(0, 0), &at(15, 100_001)), ["jump"]);
    assert!(marks(&at(0, 0), &at(24 * 60, 2_400_000)).is_empty(), "a day of it");
    let volume = |minute, m3: i64| record(NIGHT + minute * MINUTE, NIGHT + minute * MINUTE, &[(3, m3 * M3)]);
    assert!(marks(&volume(0, 0), &volume(15, 5_000)).is_empty());
    assert_eq!(marks(&volume(0, 0), &volume(15, 5_001)), ["jump"]);
}

#[test]
fn a_meter_that_draws_little_cannot_have_counted_much() {
    let drawing = |kwh, kw: i64| record(NIGHT + HOUR, NIGHT + HOUR, &[(1, kwh * KWH), (4, kw * KW)]);
    // Twenty times what it draws, and 1 MW at least.
    assert!(marks(&at(0, 0), &drawing(1_000, 5)).is_empty());
    assert_eq!(marks(&at(0, 0), &drawing(1_001, 5)), ["jump"]);
    assert!(marks(&at(0, 0), &drawing(1_001, 500)).is_empty());
    assert!(marks(&at(0, 0), &drawing(1_001, 0)).is_empty(), "it was just shut");
    let days = record(NIGHT + 48 * HOUR, NIGHT + 48 * HOUR, &[(1, 60_000 * KWH), (4, 5 * KW)]);
    assert!(marks(&at(0, 0), &days).is_empty(), "two days on, what it draws tells nothing");
}

#[test]
fn another_meter_is_said_once_and_its_counters_are_not_compared() {
    let other = changed(at(15, 3), |reading| reading.identity = "22220000".to_owned());
    let next = changed(at(30, 4), |reading| reading.identity = "22220000".to_owned());
    assert_eq!(journey(&[at(0, 9_000), other, next]), [Quality(0), Quality::METER_CHANGED, Quality(0)]);
}

#[test]
fn another_unit_is_said_and_its_counters_are_compared_all_the_same() {
    let joules = Shape::of_profile("mbus-generic").with(Quantity::Energy, 2, 9).0;
    assert_eq!(marks(&at(0, 100), &changed(at(15, 100), |reading| reading.shape = joules)), ["unit-changed"]);
    let fell = changed(at(15, 1), |reading| reading.shape = joules);
    assert_eq!(marks(&at(0, 100), &fell), ["index-back", "unit-changed"]);
    assert!(marks(&at(0, 100), &changed(at(15, 100), |reading| reading.shape = 0)).is_empty(), "of an older release");
}

#[test]
fn an_earlier_record_is_compared_the_other_way_round_and_is_never_who_changed() {
    assert!(marks(&at(60, 100), &at(0, 99)).is_empty());
    assert_eq!(marks(&at(60, 100), &at(0, 101)), ["index-back"]);
    let other = changed(at(0, 101), |reading| reading.identity = "22220000".to_owned());
    assert!(marks(&at(60, 100), &other).is_empty());
}

#[test]
fn a_value_from_the_meters_history_counts_as_of_its_slot() {
    let backfilled = changed(record(NIGHT, NIGHT + 9 * HOUR, &[(1, 80 * KWH)]), |reading| {
        reading.quality = Quality::BACKFILLED.0;
    });
    assert!(marks(&at(60, 100), &backfilled).is_empty());
    assert_eq!(marks(&at(60, 70), &backfilled), ["index-back"]);
}

#[test]
fn a_read_now_asked_for_before_a_late_slot_was_read_is_no_step_back() {
    // The slot of 00:00 is read at 00:14; the read-now asked for at 00:05 was answered at once.
    let late = record(NIGHT, NIGHT + 14 * MINUTE, &[(1, 101 * KWH)]);
    let now = SpoolRecord { kind: 2, ..record(NIGHT + 5 * MINUTE, NIGHT + 5 * MINUTE, &[(1, 100 * KWH)]) };
    assert!(marks(&late, &now).is_empty());
    assert!(marks(&now, &late).is_empty());
}

#[test]
fn a_first_reading_and_a_missed_slot_are_in_no_doubt() {
    assert_eq!(judge(None, &at(0, 5), &rules()), Quality(0));
    let miss = SpoolRecord { content: Some(Content::Miss(protocol::api::peer::SpooledMiss::default())), ..at(15, 0) };
    assert_eq!(judge(Last::of(&at(0, 5)).as_ref(), &miss, &rules()), Quality(0));
    assert_eq!(Last::of(&miss), None);
}

#[test]
fn records_of_one_batch_are_judged_by_one_another_in_the_order_of_their_slots() {
    let other = |record: SpoolRecord| SpoolRecord { meter: 8, ..record };
    let mut batch = [at(15, 100), at(30, 99), at(45, 99), other(at(15, 1)), other(at(30, 2))];
    let stored = Last::of(&at(0, 100)).unwrap();
    mark(&mut batch.each_mut(), |meter| Some(&stored).filter(|_| meter == 7), &rules());
    let marked =
        |batch: &[SpoolRecord]| -> Vec<u32> { batch.iter().map(|record| Last::of(record).unwrap().quality).collect() };
    let back = Quality::INDEX_BACK.0;
    assert_eq!(marked(&batch), [0, back, 0, 0, 0]);
    let first = marked(&batch);
    mark(&mut batch.each_mut(), |meter| Some(&stored).filter(|_| meter == 7), &rules());
    assert_eq!(marked(&batch), first, "written again on another connection");
}

fn any_reading() -> impl Strategy<Value = SpoolRecord> {
    let extreme = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()];
    let values = prop::collection::vec((0_u32..14, extreme), 0..12);
    (any::<(u64, u64, i32, u32, u32)>(), values, "[12]{0,2}").prop_map(
        |((slot, at, kind, shape, quality), values, id)| {
            let record = changed(record(slot, at, &values), |reading| {
                (reading.shape, reading.quality, reading.identity) = (shape, quality, id);
            });
            SpoolRecord { kind: kind.rem_euclid(4), ..record }
        },
    )
}

proptest! {
    #[test]
    fn whatever_two_records_say_a_judgement_is_made_and_gives_only_its_own_marks(
        first in any_reading(), second in any_reading(),
    ) {
        let marks = judge(Last::of(&first).as_ref(), &second, &rules());
        prop_assert!(JUDGED.has(marks));
    }

    #[test]
    fn a_record_repeated_gets_the_marks_it_was_stored_with(first in any_reading(), second in any_reading()) {
        let second = changed(second, |reading| reading.quality &= !JUDGED.0);
        let marks = judge(Last::of(&first).as_ref(), &second, &rules());
        let stored = changed(second.clone(), |reading| reading.quality |= marks.0);
        prop_assert_eq!(judge(Last::of(&stored).as_ref(), &second, &rules()), marks);
    }

    /// Slots of a quarter of an hour over a night in which clocks are put forward, with read-nows between and values of the
    /// meter's history last; each value is what the counter was at its moment.
    #[test]
    fn a_plausible_journey_raises_nothing(
        steps in prop::collection::vec((0_u64..14 * MINUTE, any::<bool>(), 0_i64..2_000), 2..60),
        old in prop::collection::vec(0_u64..60, 0..5),
    ) {
        // Up to 2 MW, in whole kWh.
        let counted = |moment: u64| -> i64 {
            let quarters = usize::try_from(moment.saturating_sub(NIGHT) / (15 * MINUTE)).unwrap();
            steps.iter().take(quarters).map(|(_, _, kw)| kw / 4).sum::<i64>() * KWH + 5_000 * KWH
        };
        let reading = |slot, at: u64, kw: i64| record(slot, at, &[(1, counted(at)), (3, counted(at) / 50), (4, kw * KW)]);
        let mut records = Vec::new();
        for (nth, (late, asks, kw)) in (0_u64..).zip(&steps) {
            let slot = NIGHT + nth * 15 * MINUTE;
            records.push(reading(slot, slot + late, *kw));
            if *asks {
                let asked = slot + 5 * MINUTE;
                records.push(SpoolRecord { kind: 2, ..reading(asked, asked + 900, *kw) });
            }
        }
        for quarters in old {
            let slot = NIGHT.saturating_sub(quarters * 15 * MINUTE);
            let record = record(slot, NIGHT + 90 * HOUR, &[(1, counted(slot)), (3, counted(slot) / 50)]);
            records.push(changed(record, |reading| reading.quality = Quality::BACKFILLED.0));
        }
        let judged = journey(&records);
        prop_assert!(judged.iter().all(|marks| *marks == Quality(0)), "{judged:?}");
    }
}
