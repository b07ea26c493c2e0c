use std::time::Duration;

use raft_store::state::UnixMillis;

use super::{NINE, miss, reading};
use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{Bounds, Database, DutyRow, Ledger, ScheduleRow, SlotRow};

const DAY: u64 = 86_400_000;

#[tokio::test]
async fn old_days_are_dropped_and_a_reading_older_than_all_of_them_is_written_all_the_same() {
    let Some(place) = Place::shared().await else { return };
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let base = place.config();
    let config = config::Mysql {
        retention: days(10),
        missed_retention: Duration::ZERO,
        raw_retention: days(5),
        partitions_ahead: 30,
        ..base
    };
    let mut database = Database::connect_keeper(&config).await.unwrap();
    database.migrate_at(UnixMillis(NINE - 20 * DAY)).await.unwrap();
    let records: Vec<_> = [20, 11, 8, 5, 3].map(|age| reading(1, NINE - age * DAY, age as i64)).to_vec();
    database.write(&records).await.unwrap();
    while database.drop_old(UnixMillis(NINE)).await.unwrap() > 0 {}
    assert_eq!(place.sql("SELECT energy_joule FROM reading ORDER BY slot").await, ["8", "5", "3"]);
    let missed = "SELECT COUNT(*) FROM information_schema.partitions WHERE table_name = 'missed' \
        AND table_schema = DATABASE()";
    assert_ne!(place.sql(missed).await, ["0"]);
    let written = database.write(&[reading(1, NINE - 400 * DAY, 400)]).await.unwrap();
    assert_eq!((written.rows, written.rejected.len()), (1, 0));
    assert_eq!(place.sql("SELECT energy_joule FROM reading ORDER BY slot LIMIT 1").await, ["400"]);
    while database.empty_frames(UnixMillis(NINE)).await.unwrap() {}
    let frames = place.sql("SELECT energy_joule, LENGTH(raw) FROM reading ORDER BY slot").await;
    assert_eq!(frames, ["400|0", "8|0", "5|4", "3|4"]);
}

#[tokio::test]
async fn at_no_moment_is_a_slot_unaccounted_for_because_its_day_was_dropped() {
    let Some(place) = Place::shared().await else { return };
    let two = Duration::from_secs(2 * 86_400);
    let config = config::Mysql { retention: two, missed_retention: two, ..place.config() };
    let mut database = Database::connect_keeper(&config).await.unwrap();
    database.migrate_at(UnixMillis(NINE - 5 * DAY)).await.unwrap();
    let settings = config::Ledger::default();
    let (mut ledger, _) = Ledger::open(&config, &settings, "plant", NINE - 5 * DAY).await.unwrap();
    let hourly = ScheduleRow { id: 5, expression: "daily 09:00".to_owned(), calendar: String::new() };
    let duty = |meter| DutyRow { meter, from: 0, until: None, schedule: 5, line: 3, model: "pulse".to_owned() };
    ledger.tell(0, 7, &[hourly], &[duty(1), duty(2)]).await.unwrap();
    let slot = |begin| SlotRow { begin, end: begin + DAY, on_time_until: begin + DAY, priority: 2, freeze: None };
    let slots: Vec<_> = (0..5).map(|day| slot(NINE - (5 - day) * DAY)).collect();
    ledger.make(7, 5, (NINE - 5 * DAY, NINE), &slots).await.unwrap();
    let of_day = |age: u64| [reading(1, NINE - age * DAY, 1), miss(2, NINE - age * DAY, "no-answer")];
    database.write(&(1..=5).flat_map(of_day).collect::<Vec<_>>()).await.unwrap();
    let bounds = Bounds { limit: NINE, ..Bounds::default() };
    while ledger.sweep(7, &bounds).await.unwrap().horizon < NINE {}
    let unaccounted = "SELECT COUNT(*) FROM slot_ledger WHERE outcome = 'unaccounted'";
    let due = "SELECT COUNT(*) FROM slot_ledger";
    assert_eq!((place.sql(unaccounted).await, place.sql(due).await), (vec!["0".to_owned()], vec!["10".to_owned()]));

    // Each day by itself, as the keeper does: whatever is dropped, nothing is unaccounted for behind it.
    let one = config::Mysql { retention_drops: 1, ..config };
    let mut keeper = Database::connect_keeper(&one).await.unwrap();
    let mut drops = 0;
    while keeper.drop_old(UnixMillis(NINE)).await.unwrap() > 0 {
        drops += 1;
        assert_eq!(place.sql(unaccounted).await, ["0"]);
    }
    assert!(drops >= 6, "{drops} days of two tables");
    assert_eq!(place.sql(due).await, ["4"]);
    assert_eq!(place.sql("SELECT DATE(begins) FROM ledger_horizon").await, ["2026-11-21"]);
    // A day that was not closed: the ledger does not close it, and goes on behind it.
    place.sql("UPDATE ledger_horizon SET horizon = '2026-11-20'").await;
    while keeper.drop_old(UnixMillis(NINE + DAY)).await.unwrap() > 0 {}
    assert_eq!(place.sql("SELECT DATE(horizon), DATE(begins) FROM ledger_horizon").await, ["2026-11-22|2026-11-22"]);
    assert!(ledger.made().await.unwrap().iter().all(|made| made.to >= NINE - NINE % DAY - DAY));
}
