use std::time::Duration;

use super::{NINE, QUARTER, miss, reading};
use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{Database, DatabaseError, ExportQuery, ExportedRow, Reader};
use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;

const PATIENCE: Duration = Duration::from_secs(20);
const DAY: u64 = 24 * 3_600_000;

/// The tables, cut between the two days of [`records`].
async fn cut_by_day(place: &Place) -> Database {
    let database = place.migrated().await;
    for table in ["reading", "missed"] {
        let days =
            "PARTITION p20261123 VALUES LESS THAN ('2026-11-24'), PARTITION p_future VALUES LESS THAN (MAXVALUE)";
        place.sql(&format!("ALTER TABLE {table} PARTITION BY RANGE COLUMNS (slot) ({days})")).await;
    }
    database
}

fn everything() -> ExportQuery {
    ExportQuery { missed: true, registered: 3, ..ExportQuery::default() }
}

async fn exported(place: &Place, page_rows: usize, query: ExportQuery) -> Vec<ExportedRow> {
    let config = config::Mysql { export_page_rows: page_rows, export_meters: 2, ..place.config() };
    let mut export = Reader::new(config).export(query).await.unwrap();
    let mut rows = Vec::new();
    while let Some(more) = export.next().await.unwrap() {
        assert!(!more.is_empty() && more.len() <= 2 * page_rows, "{} rows of {page_rows}", more.len());
        rows.extend(more);
    }
    assert_eq!(export.about(), rows.len() as u64);
    rows
}

/// Meter, day, quarter of the day, and whether it was missed.
fn short(rows: &[ExportedRow]) -> Vec<(u64, u64, u64, bool)> {
    let first = NINE - NINE % DAY;
    let place = |row: &ExportedRow| ((row.slot - first) / DAY, (row.slot - first) % DAY / QUARTER);
    rows.iter().map(|row| (row.meter_id, place(row).0, place(row).1, row.missed.is_some())).collect()
}

/// Three meters over two days, every third slot missed.
fn records() -> Vec<SpoolRecord> {
    let slots = (0..2).flat_map(|day| (0..7).map(move |n| NINE + day * DAY + n * QUARTER));
    let record = |meter, slot| {
        if u64::is_multiple_of(slot / QUARTER + meter, 3) {
            miss(meter, slot, "no-answer")
        } else {
            reading(meter, slot, 1)
        }
    };
    slots.flat_map(|slot| (1..=3).map(move |meter| record(meter, slot))).collect()
}

#[tokio::test]
async fn whatever_the_page_every_row_comes_once_by_day_meter_and_slot() {
    let Some(place) = Place::shared().await else { return };
    let mut database = cut_by_day(&place).await;
    let records = records();
    database.write(&records).await.unwrap();
    let first = NINE - NINE % DAY;
    let mut expected: Vec<_> = records
        .iter()
        .map(|r| {
            (
                r.meter,
                (r.slot - first) / DAY,
                (r.slot - first) % DAY / QUARTER,
                matches!(r.content, Some(Content::Miss(_))),
            )
        })
        .collect();
    expected.sort_by_key(|(meter, day, quarter, _)| (*day, *meter, *quarter));
    for page_rows in [1, 2, 3, 5, 42, 100] {
        assert_eq!(short(&exported(&place, page_rows, everything()).await), expected, "pages of {page_rows}");
    }
    let only_read = exported(&place, 4, ExportQuery { missed: false, ..everything() }).await;
    expected.retain(|(.., missed)| !missed);
    assert_eq!(short(&only_read), expected);
}

#[tokio::test]
async fn only_the_meters_and_slots_that_are_asked_for_are_exported() {
    let Some(place) = Place::shared().await else { return };
    let mut database = cut_by_day(&place).await;
    database.write(&records()).await.unwrap();
    let span = |from, to| ExportQuery { from: Some(from), to: Some(to), ..everything() };
    let slots: Vec<_> = exported(&place, 2, span(NINE + QUARTER, NINE + 3 * QUARTER)).await;
    assert_eq!(
        slots.iter().map(|row| (row.meter_id, (row.slot - NINE) / QUARTER)).collect::<Vec<_>>(),
        [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
    );
    let some = exported(&place, 3, ExportQuery { meters: Some(vec![3, 1, 9, 3]), ..everything() }).await;
    assert_eq!(some.iter().filter(|row| row.meter_id == 3).count(), 14);
    assert_eq!(some.iter().filter(|row| row.meter_id == 1).count(), 14);
    assert_eq!(some.len(), 28);
    for nothing in [ExportQuery { meters: Some(vec![]), ..everything() }, span(NINE + 5 * DAY, NINE + 6 * DAY)] {
        assert_eq!(exported(&place, 3, nothing).await, []);
    }
}

#[tokio::test]
async fn an_exported_row_is_what_is_stored_to_the_last_digit() {
    let Some(place) = Place::shared().await else { return };
    place.migrated().await;
    place
        .sql(
            "INSERT INTO reading (meter_id, slot, kind, read_at, node_id, line_id, epoch, energy_joule, \
             cooling_energy_joule, meter_time, valve, quality, attempts, identity, raw, extra) VALUES \
             (18446744073709551615, '2026-11-23 09:00:00.001', 2, '2026-11-23 09:00:01.999', 1, 7, 1, \
             -9223372036854775808, 9223372036854775807, NULL, 3, 4294967295, 1, '', '', '{\"meter_time\": \"2026-02-30T24:00\"}'), \
             (1, '1970-01-01 00:00:00', 1, '1970-01-01 00:00:00', 1, 7, 1, NULL, 0, '2026-11-23 10:00:01', NULL, 0, 1, '', '', NULL)",
        )
        .await;
    let rows = exported(&place, 10, everything()).await;
    let mut values = [None; 11];
    values[1] = Some(0);
    let meter_time = "2026-11-23T10:00:01".to_owned();
    let first =
        ExportedRow { meter_id: 1, kind: 1, line_id: 7, values, meter_time, quality: Some(0), ..Default::default() };
    (values[0], values[1]) = (Some(i64::MIN), Some(i64::MAX));
    let last = ExportedRow {
        meter_id: u64::MAX,
        slot: NINE + 1,
        kind: 2,
        at: NINE + 1_999,
        line_id: 7,
        values,
        meter_time: "2026-02-30T24:00".to_owned(),
        valve: 3,
        quality: Some(u32::MAX),
        missed: None,
    };
    assert_eq!(rows, [first, last]);
}

#[tokio::test]
async fn a_slot_that_is_in_both_tables_is_exported_as_the_reading() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    database.write(&[miss(1, NINE, "no-answer"), miss(1, NINE + QUARTER, "no-answer")]).await.unwrap();
    place
        .sql(
            "INSERT INTO reading (meter_id, slot, kind, read_at, node_id, line_id, epoch, quality, attempts, identity, raw) \
             VALUES (1, '2026-11-23 09:00:00', 1, '2026-11-23 09:00:01', 1, 3, 1, 0, 1, '', '')",
        )
        .await;
    for page_rows in [1, 2, 9] {
        let rows = exported(&place, page_rows, everything()).await;
        assert_eq!(rows.iter().map(|row| row.missed.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}

#[tokio::test]
async fn an_export_goes_on_where_it_was_when_its_connection_is_lost() {
    let Some(place) = Place::alone().await else { return };
    let mut database = place.migrated().await;
    database.write(&records()).await.unwrap();
    let config = config::Mysql { export_page_rows: 5, ..place.config() };
    let mut export = Reader::new(config).export(everything()).await.unwrap();
    let mut rows = export.next().await.unwrap().unwrap();
    place.stop();
    place.resume().await;
    while let Some(more) = export.next().await.unwrap() {
        rows.extend(more);
    }
    let mut keys: Vec<_> = rows.iter().map(|row| (row.meter_id, row.slot)).collect();
    keys.dedup();
    assert_eq!((keys.len(), rows.len()), (42, 42));

    place.stop();
    let mut export = Reader::new(place.config()).export(everything()).await;
    assert!(matches!(export.as_mut().unwrap_err(), DatabaseError::Lost(_)));
}

#[tokio::test]
async fn a_question_whose_asker_is_gone_is_ended_on_the_server_at_once() {
    let Some(place) = Place::shared().await else { return };
    if !place.is_mariadb().await {
        return eprintln!("skipped: tables are filled by a sequence of MariaDB's");
    }
    place.migrated().await;
    // A question that takes minutes: each of its cells is worked out. A server that computes does not see a client go.
    let costly = "detail VARCHAR(255) AS (SHA2(REPEAT(reason, 1000000), 256)) VIRTUAL";
    place.sql(&format!("ALTER TABLE missed DROP COLUMN detail, ADD COLUMN {costly}")).await;
    place
        .sql(
            "INSERT INTO missed (meter_id, slot, kind, reason, attempts, at, node_id, line_id, epoch) \
             SELECT seq, '2026-11-23', 1, 'no-answer', 1, '2026-11-23', 1, 1, 1 FROM seq_1_to_5000",
        )
        .await;
    let config = config::Mysql { statement_timeout: Duration::from_secs(600), ..place.config() };
    let mut export = Reader::new(config).export(everything()).await.unwrap();
    let asked = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE '%FROM missed t FORCE%' \
         AND info NOT LIKE '%processlist%'",
        place.name()
    );
    let (place, asked) = (&place, &asked);
    let until = async |count: &str| {
        while place.sql(asked).await != [count] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let asking = tokio::spawn(async move { export.next().await });
    tokio::time::timeout(PATIENCE, until("1")).await.expect("it is asked");
    asking.abort();
    tokio::time::timeout(PATIENCE, until("0")).await.expect("it is ended");
}
