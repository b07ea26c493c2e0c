use super::{NINE, QUARTER, reading};
use crate::mysql::Last;
use crate::mysql::testing::Place;

#[tokio::test]
async fn the_newest_of_each_meter_is_told_once_and_never_goes_back() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    for writer in place.writers().await {
        database.use_writer(writer);
        database.write_latest(&[(1, NINE, 2), (2, NINE, 1)]).await.unwrap();
        database.write_latest(&[(1, NINE - QUARTER, 1), (2, NINE + QUARTER, 2)]).await.unwrap();
        database.write_latest(&[(1, NINE, 1)]).await.unwrap();
        let rows = place.sql("SELECT meter_id, slot, kind FROM reading_latest ORDER BY 1").await;
        assert_eq!(rows, ["1|2026-11-23 09:00:00.000|2", "2|2026-11-23 09:15:00.000|2"], "{}", writer.name());
        place.sql("DELETE FROM reading_latest").await;
    }
}

#[tokio::test]
async fn the_last_reading_is_told_as_its_record_said_it() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let records: Vec<_> = (1..2500).map(|meter| reading(meter, NINE + meter, -7)).collect();
    database.write(&records).await.unwrap();
    let newest: Vec<_> = records.iter().map(|record| (record.meter, record.slot, 1)).collect();
    database.write_latest(&newest).await.unwrap();
    let meters: Vec<_> = (0..3000).collect();
    let mut found = database.last_readings(&meters).await.unwrap();
    found.sort_by_key(|(meter, _)| *meter);
    let expected: Vec<_> = records.iter().map(|record| (record.meter, Last::of(record).unwrap())).collect();
    assert!(found == expected, "{:?} differs from {:?}", found.first(), expected.first());
}
