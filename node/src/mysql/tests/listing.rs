use protocol::api::peer::spool_record::Content;
use protocol::api::peer::{SpoolRecord, SpooledMiss, SpooledReading};
use protocol::meter::{Quality, Quantity};

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
        ..MeterRow::default()
    }
}

async fn filled(place: &Place) {
    let mut database = place.migrated().await;
    let lines =
        vec![LineRow { id: 3, name: "cellar".to_owned(), endpoint: "tcp://gw:1".to_owned(), ..LineRow::default() }];
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
        let query = ReadingQuery { meter: meter.map(str::to_owned), from, to, limit, ..ReadingQuery::default() };
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
    let query =
        ReadingQuery { meter: Some("flat two".to_owned()), to: Some(NINE + 1), limit: 1, ..ReadingQuery::default() };
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

fn marked(record: SpoolRecord, marks: Quality) -> SpoolRecord {
    match record.content {
        Some(Content::Reading(reading)) => {
            let reading = SpooledReading { quality: marks.0, ..reading };
            SpoolRecord { content: Some(Content::Reading(reading)), ..record }
        }
        _ => record,
    }
}

fn heard(record: SpoolRecord) -> SpoolRecord {
    match record.content {
        Some(Content::Miss(miss)) => {
            let miss = SpooledMiss { raw: vec![0x68, 0x16], identity: "22220000".to_owned(), ..miss };
            SpoolRecord { content: Some(Content::Miss(miss)), ..record }
        }
        _ => record,
    }
}

#[tokio::test]
async fn readings_in_doubt_are_found_by_their_marks_with_the_frames_that_were_kept() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let records = [
        marked(reading(1, NINE, 1), Quality::ROUNDED),
        marked(reading(1, NINE + QUARTER, 2), Quality::INDEX_BACK.with(Quality::ROUNDED)),
        marked(reading(2, NINE, 3), Quality::JUMP.with(Quality::CLOCK_OFF)),
        heard(miss(2, NINE + QUARTER, "wrong-meter")),
        miss(2, NINE + 2 * QUARTER, "no-answer"),
    ];
    database.write(&records).await.unwrap();
    let reader = Reader::new(place.config());
    let list = async |marks, kept| {
        let query = ReadingQuery { limit: 9, marks: Some(marks), kept, ..ReadingQuery::default() };
        reader.list(&query).await.unwrap()
    };
    let short = |rows: &[crate::mysql::ReadingRow]| {
        rows.iter().map(|row| (row.meter_id, (row.slot - NINE) / QUARTER)).collect::<Vec<_>>()
    };
    assert_eq!(short(&list(Quality::INDEX_BACK, false).await), [(1, 1)]);
    let all = list(Quality(!Quality::HARMLESS.0), true).await;
    assert_eq!(short(&all), [(2, 1), (1, 1), (2, 0)]);
    assert_eq!((all[0].raw.as_slice(), all[0].identity.as_str()), (&[0x68, 0x16][..], "22220000"));
    assert_eq!((all[1].raw.as_slice(), all[1].identity.as_str()), (&[0x68, 0x00, 0xFF, 0x27][..], "12345678"));

    let view = place.sql("SELECT meter_id, doubts, identity, raw FROM reading_flagged ORDER BY meter_id").await;
    assert_eq!(view, ["1|rounded,index-back|12345678|6800FF27", "2|clock-off,jump|12345678|6800FF27"]);
    let stored = place.sql("SELECT reason, HEX(raw), identity FROM missed ORDER BY slot").await;
    assert_eq!(stored[0], "wrong-meter|6816|22220000");
    assert_eq!(place.sql("SELECT DISTINCT shape FROM reading").await, ["77"]);
}

#[tokio::test]
async fn the_view_of_doubts_has_the_words_of_the_console() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let every = Quality::NAMED.iter().fold(Quality::default(), |all, (mark, _)| all.with(*mark));
    database.write(&[marked(reading(1, NINE, 1), every)]).await.unwrap();
    let words = Quality::NAMED.map(|(_, word)| word).join(",");
    assert_eq!(place.sql("SELECT doubts FROM reading_flagged").await, [words]);
}
