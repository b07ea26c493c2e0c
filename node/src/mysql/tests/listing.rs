use protocol::meter::Quantity;

use super::{NINE, QUARTER, miss, reading};
use crate::mysql::project::{LineRow, MeterRow};
use crate::mysql::testing::Place;
use crate::mysql::{Projection, Reader, ReadingQuery};

fn meter(id: u64, name: &str) -> MeterRow {
    MeterRow {
        id,
        name: name.to_owned(),
        line: 1,
        dialect: "mbus".to_owned(),
        address: id.to_string(),
        interval_s: 900,
        offset_s: 0,
        enabled: true,
    }
}

async fn filled(place: &Place) {
    let mut database = place.migrated().await;
    let lines = vec![LineRow { id: 3, name: "cellar".to_owned(), endpoint: "tcp://gw:1".to_owned() }];
    let meters = vec![meter(1, "flat one"), meter(2, "flat two")];
    database.project(&Projection { complete: true, lines, meters, ..Projection::default() }).await.unwrap();
    let slots = [NINE, NINE + QUARTER, NINE + 2 * QUARTER];
    let mut records: Vec<_> = slots.iter().map(|slot| reading(1, *slot, 3_600_000)).collect();
    records.extend([reading(2, NINE, 7), miss(2, NINE + QUARTER, "no-answer"), reading(9, NINE, 8)]);
    database.write(&records).await.unwrap();
}

#[tokio::test]
async fn readings_and_missed_slots_are_listed_newest_first_with_their_meter_s_name() {
    let Some(place) = Place::shared().await else { return };
    filled(&place).await;
    let reader = Reader::new(place.config());
    let list = async |meter: Option<&str>, from, to, limit| {
        let query = ReadingQuery { meter: meter.map(str::to_owned), from, to, limit };
        reader.list(&query).await.unwrap()
    };
    let short = |rows: Vec<crate::mysql::ReadingRow>| {
        rows.into_iter().map(|row| (row.meter, (row.slot - NINE) / QUARTER, row.missed)).collect::<Vec<_>>()
    };
    let one = |slot| ("flat one".to_owned(), slot, None);
    let missed = ("flat two".to_owned(), 1, Some("no-answer: three attempts".to_owned()));
    let two = ("flat two".to_owned(), 0, None);
    assert_eq!(short(list(Some("flat two"), None, None, 10).await), [missed.clone(), two.clone()]);
    assert_eq!(short(list(None, None, None, 3).await), [one(2), missed.clone(), one(1)]);
    assert_eq!(short(list(None, None, Some(NINE + QUARTER), 9).await), [(String::new(), 0, None), two, one(0)]);
    assert_eq!(short(list(None, Some(NINE + QUARTER), Some(NINE + 2 * QUARTER), 9).await), [missed, one(1)]);
    assert_eq!(short(list(Some("nobody"), None, None, 9).await), []);
}

#[tokio::test]
async fn a_listed_reading_is_what_was_written() {
    let Some(place) = Place::shared().await else { return };
    filled(&place).await;
    let query = ReadingQuery { meter: Some("flat two".to_owned()), to: Some(NINE + 1), limit: 1, from: None };
    let row = Reader::new(place.config()).list(&query).await.unwrap().remove(0);
    assert_eq!((row.slot, row.at, row.kind, row.node), (NINE, NINE + 1500, 1, 1));
    assert_eq!(row.values, [(Quantity::Energy, 7), (Quantity::SupplyTemp, 65_123)]);
    assert_eq!((row.meter_time.as_str(), row.valve, row.quality), ("2026-11-23T10:00:01", 1, 1));
    assert_eq!(row.raw, [0x68, 0x00, 0xFF, 0x27]);
}

#[tokio::test]
async fn the_view_speaks_in_the_units_people_use() {
    let Some(place) = Place::shared().await else { return };
    filled(&place).await;
    let mut database = place.migrated().await;
    database.write_latest(&[(1, NINE + 2 * QUARTER, 1), (2, NINE, 1)]).await.unwrap();
    let ask = "SELECT meter, line, slot, energy_kwh, volume_m3 IS NULL, supply_celsius FROM reading_latest_kwh ORDER BY meter_id";
    let rows = place.sql(ask).await;
    assert_eq!(rows[0], "flat one|cellar|2026-11-23 09:30:00.000|1.000000|1|65.123");
    assert_eq!(rows[1], "flat two|cellar|2026-11-23 09:00:00.000|0.000002|1|65.123");
}

#[tokio::test]
async fn a_reader_whose_server_was_away_answers_again_when_it_is_back() {
    let Some(place) = Place::alone().await else { return };
    filled(&place).await;
    let reader = Reader::new(place.config());
    let query = ReadingQuery { limit: 100, ..ReadingQuery::default() };
    assert_eq!(reader.list(&query).await.unwrap().len(), 6);
    place.stop();
    reader.list(&query).await.unwrap_err();
    reader.list(&query).await.unwrap_err();
    place.resume().await;
    assert_eq!(reader.list(&query).await.unwrap().len(), 6);
}
