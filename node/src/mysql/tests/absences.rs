//! Which freezes are missing.

use super::{NINE, QUARTER, miss, reading};
use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{Absences, Database, DutyRow, Ledger, MissedFreeze, ScheduleRow, SlotRow};

fn duty(meter: u64, from: u64, until: Option<u64>) -> DutyRow {
    DutyRow { meter, from, until, schedule: 5, line: 3, model: "pulse".to_owned() }
}

const fn slot(nth: u64, freeze: Option<u8>) -> SlotRow {
    let begin = NINE + nth * QUARTER;
    SlotRow { begin, end: begin + QUARTER, on_time_until: begin + QUARTER, priority: 2, freeze }
}

/// Slots 0 and 3 freeze a month, 1 a day, 2 nothing; all are missed by meters 1 to 4, and 5 freezes a month and is read by
/// 1 to 3. Meter 2 is due from slot 3 on, meter 3 no more.
async fn plant(place: &Place) -> (Database, Absences) {
    let mut database = place.migrated().await;
    let mut ledger = Ledger::open(&place.config(), &config::Ledger::default(), "plant", NINE).await.unwrap().0;
    let schedule = ScheduleRow { id: 5, expression: "x".to_owned(), calendar: String::new() };
    let from = NINE + 3 * QUARTER;
    let duties =
        [duty(1, 0, None), duty(2, 0, Some(from)), duty(2, from, None), duty(3, 0, Some(from)), duty(4, 0, None)];
    ledger.tell(0, 7, &[schedule], &duties).await.unwrap();
    let slots = [slot(0, Some(2)), slot(1, Some(1)), slot(2, None), slot(3, Some(2)), slot(5, Some(2))];
    ledger.make(7, 5, (NINE, NINE + 9 * QUARTER), &slots).await.unwrap();
    let of = |meter: u64| (0..4).map(move |nth| miss(meter, NINE + nth * QUARTER, "no-answer"));
    let mut records: Vec<_> = (1..=4).flat_map(of).collect();
    records.extend((1..=3).map(|meter| reading(meter, NINE + 5 * QUARTER, 5)));
    database.write(&records).await.unwrap();
    let newest: Vec<_> = (1..=3).map(|meter| (meter, NINE + 5 * QUARTER, 1)).collect();
    database.write_latest(&newest).await.unwrap();
    let settings = config::Backfill { freezes_per_ask: 3, ..config::Backfill::default() };
    (database, Absences::new(&place.config(), &settings))
}

const fn missed(meter: u64, nth: u64, freeze: u32) -> MissedFreeze {
    MissedFreeze { meter, slot: NINE + nth * QUARTER, freeze }
}

#[tokio::test]
async fn missed_freezes_of_a_standing_duty_are_told_months_first_of_meters_that_were_read_since() {
    let Some(place) = Place::shared().await else { return };
    let (mut database, absences) = plant(&place).await;
    let all = absences.of(&[1], 0).await.unwrap();
    assert_eq!(all, [missed(1, 3, 2), missed(1, 0, 2), missed(1, 1, 1)]);
    assert_eq!(absences.of(&[2, 3, 4], 0).await.unwrap(), [missed(2, 3, 2)], "3 is not due, 4 was never read");
    assert_eq!(absences.of(&[1], NINE + QUARTER).await.unwrap(), [missed(1, 3, 2), missed(1, 1, 1)]);
    assert_eq!(absences.of(&[1, 2], 0).await.unwrap().len(), 3, "no more than was asked for");
    assert_eq!(absences.of(&[], 0).await.unwrap(), []);

    database.write(&[reading(1, NINE + 3 * QUARTER, 4)]).await.unwrap();
    assert_eq!(absences.of(&[1], 0).await.unwrap(), [missed(1, 0, 2), missed(1, 1, 1)], "it was backfilled");
}
