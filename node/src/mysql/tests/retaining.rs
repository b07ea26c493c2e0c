use std::time::Duration;

use raft_store::state::UnixMillis;

use super::{NINE, reading};
use crate::config;
use crate::mysql::Database;
use crate::mysql::testing::Place;

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
