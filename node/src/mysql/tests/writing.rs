use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledValue};
use protocol::meter::Quality;

use super::{NINE, QUARTER, miss, reading};
use crate::mysql::testing::Place;
use crate::mysql::{Database, DatabaseError, Written};

const READINGS: &str = "SELECT meter_id, slot, kind, energy_joule FROM reading ORDER BY 1, 2, 3";
const MISSES: &str = "SELECT meter_id, slot, kind, reason FROM missed ORDER BY 1, 2, 3";

fn changed(mut record: SpoolRecord, change: impl FnOnce(&mut protocol::api::peer::SpooledReading)) -> SpoolRecord {
    match &mut record.content {
        Some(Content::Reading(reading)) => change(reading),
        other => panic!("{other:?}"),
    }
    record
}

/// Servers differ in the spaces of a JSON document.
fn compact(rows: Vec<String>) -> Vec<String> {
    rows.into_iter().map(|row| row.replace("\": ", "\":")).collect()
}

fn all(rows: u64) -> Written {
    Written { rows, rejected: Vec::new() }
}

#[tokio::test]
async fn every_field_of_a_reading_arrives_exactly() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let mut record = changed(reading(u64::MAX, NINE + 7, 0), |reading| {
        reading.values = (1..=11).map(|quantity| SpooledValue { quantity, value: -i64::from(quantity) }).collect();
        reading.values[0].value = i64::MIN;
        reading.values[10].value = i64::MAX;
        reading.values.push(SpooledValue { quantity: 40, value: 5 });
        reading.raw = (0..=255).collect();
    });
    record.command = 77;
    record.kind = Kind::OnDemand.into();
    assert_eq!(database.write(&[record]).await.unwrap(), all(1));
    let row = place
        .sql(
            "SELECT meter_id, slot, kind, read_at, node_id, line_id, epoch, energy_joule, cooling_energy_joule, \
             volume_millilitre, power_milliwatt, flow_millilitre_per_hour, supply_milli_celsius, return_milli_celsius, \
             difference_millikelvin, operating_seconds, on_seconds, error_flags, meter_time, valve, quality, attempts, \
             command_id, identity, HEX(raw), extra FROM reading",
        )
        .await;
    let raw: String = (0..=255).map(|byte| format!("{byte:02X}")).collect();
    let expected = format!(
        "18446744073709551615|2026-11-23 09:00:00.007|2|2026-11-23 09:00:01.507|1|3|2|-9223372036854775808|-2|-3|-4|-5|-6|\
         -7|-8|-9|-10|9223372036854775807|2026-11-23 10:00:01|1|1|1|77|12345678|{raw}|{{\"quantity_40\":5}}"
    );
    assert_eq!(compact(row), [expected]);
}

#[tokio::test]
async fn writing_again_changes_nothing_and_the_first_of_two_polls_of_a_slot_stays() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let batch = [reading(2, NINE, 20), reading(1, NINE, 10), miss(3, NINE, "no-answer")];
    let expected = ["1|2026-11-23 09:00:00.000|1|10", "2|2026-11-23 09:00:00.000|1|20"];
    for _ in 0..3 {
        assert_eq!(database.write(&batch).await.unwrap(), all(3));
        assert_eq!(place.sql(READINGS).await, expected);
        assert_eq!(place.sql(MISSES).await, ["3|2026-11-23 09:00:00.000|1|no-answer"]);
    }
    let later = SpoolRecord { at: NINE + 9000, ..reading(1, NINE, 11) };
    database.write(&[later]).await.unwrap();
    assert_eq!(place.sql(READINGS).await, expected);
    let (late, early) = (reading(5, NINE, 2), SpoolRecord { at: NINE, ..reading(5, NINE, 1) });
    database.write(&[late, early]).await.unwrap();
    assert_eq!(place.sql(READINGS).await[2], "5|2026-11-23 09:00:00.000|1|1", "the older of one batch");
}

#[tokio::test]
async fn what_a_meter_kept_takes_the_place_of_a_missed_mark_and_never_of_what_was_polled() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let kept = |meter, value| {
        let record = changed(reading(meter, NINE, value), |reading| reading.quality = Quality::BACKFILLED.0);
        SpoolRecord { origin: 1, at: NINE + 9_000_000, ..record }
    };
    database.write(&[miss(1, NINE, "no-answer"), reading(2, NINE, 20)]).await.unwrap();
    database.write(&[kept(1, 10), kept(2, 21)]).await.unwrap();
    database.write(&[kept(3, 31), reading(3, NINE, 30)]).await.unwrap();
    database.write(&[miss(1, NINE, "no-answer")]).await.unwrap();
    let rows = place.sql("SELECT meter_id, energy_joule, quality FROM reading ORDER BY 1").await;
    assert_eq!(rows, ["1|10|4096", "2|20|1", "3|30|1"]);
    assert!(place.sql(MISSES).await.is_empty());
}

#[tokio::test]
async fn what_was_polled_and_came_late_takes_the_place_of_what_the_meter_kept_as_a_whole() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    for writer in place.writers().await {
        database.use_writer(writer);
        let kept = changed(reading(1, NINE, 10), |reading| {
            (reading.quality, reading.shape, reading.valve, reading.raw) = (Quality::BACKFILLED.0, 5, 2, vec![1]);
            (reading.meter_time, reading.identity) = (String::new(), String::new());
        });
        let kept = SpoolRecord { line: 9, epoch: 9, node: 9, at: NINE + 9_000_000, attempts: 9, origin: 1, ..kept };
        database.write(std::slice::from_ref(&kept)).await.unwrap();
        database.write(&[reading(1, NINE, 11)]).await.unwrap();
        let replaced = place.sql("SELECT * FROM reading").await;
        database.write(&[kept]).await.unwrap();
        assert_eq!(place.sql("SELECT * FROM reading").await, replaced, "and not the other way round");
        place.sql("DELETE FROM reading").await;
        database.write(&[reading(1, NINE, 11)]).await.unwrap();
        assert_eq!(place.sql("SELECT * FROM reading").await, replaced, "as if nothing had been there: {writer:?}");
        place.sql("DELETE FROM reading").await;
    }
}

async fn marks_and_readings(place: &Place, database: &mut Database) {
    database.write(&[miss(1, NINE, "no-answer"), miss(2, NINE, "no-answer")]).await.unwrap();
    database.write(&[reading(1, NINE, 10)]).await.unwrap();
    assert_eq!(place.sql(MISSES).await, ["2|2026-11-23 09:00:00.000|1|no-answer"], "a reading removes the mark");
    database.write(&[miss(1, NINE, "line-down"), miss(2, NINE, "line-down")]).await.unwrap();
    assert_eq!(place.sql(MISSES).await, ["2|2026-11-23 09:00:00.000|1|no-answer"], "a mark never replaces a reading");
    database.write(&[miss(3, NINE, "no-answer"), reading(3, NINE, 30)]).await.unwrap();
    database.write(&[reading(4, NINE, 40), miss(4, NINE, "no-answer")]).await.unwrap();
    assert_eq!(place.sql(MISSES).await, ["2|2026-11-23 09:00:00.000|1|no-answer"], "both in one batch");
    let on_demand = SpoolRecord { kind: Kind::OnDemand.into(), ..reading(2, NINE, 20) };
    database.write(&[on_demand]).await.unwrap();
    assert_eq!(place.sql(MISSES).await.len(), 1, "a reading of another kind answers another slot");
    let readings = place.sql("SELECT meter_id, energy_joule FROM reading ORDER BY 1").await;
    assert_eq!(readings, ["1|10", "2|20", "3|30", "4|40"]);
}

#[tokio::test]
async fn a_slot_has_a_reading_or_a_mark_and_never_both() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    for writer in place.writers().await {
        database.use_writer(writer);
        marks_and_readings(&place, &mut database).await;
        for table in ["reading", "missed"] {
            place.sql(&format!("DELETE FROM {table}")).await;
        }
    }
}

/// Readings whose every column holds something that could be taken for something else.
fn odd_readings() -> Vec<SpoolRecord> {
    let words = ["", "it's", "a\tb\nc", "\\N", "\\", "\"", "热量表", "NULL", "\r\0\u{1a}", "?%;--"];
    let all: Vec<u8> = (0..=255).collect();
    let mut records: Vec<_> = (0..256)
        .map(|n: u64| {
            changed(reading(u64::MAX - n, NINE + n, if n.is_multiple_of(2) { i64::MIN } else { i64::MAX }), |reading| {
                reading.raw = all.iter().map(|byte| byte.wrapping_add(n as u8)).take(1 + n as usize).collect();
                reading.identity = words[n as usize % words.len()].to_owned();
                reading.values.extend(n.is_multiple_of(3).then_some(SpooledValue { quantity: 99, value: i64::MIN }));
                let times = ["2026-02-30T25:00:00", "2026-02-28T23:59:59", "it's \t \\ \" 30/2"];
                reading.meter_time = times[n as usize % 3].to_owned();
                reading.valve = n as u32 % 4;
                reading.quality = u32::MAX - n as u32;
            })
        })
        .collect();
    for (record, n) in records.iter_mut().zip(0..) {
        record.command = n * 7;
        record.node = u64::MAX;
    }
    records.extend((0..20).map(|n| miss(500 + n, NINE, words[n as usize % words.len()])));
    records
}

#[tokio::test]
async fn every_writer_leaves_the_same_rows_whatever_bytes_are_in_them() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let (batch, mut first) = (odd_readings(), None);
    for writer in place.writers().await {
        database.use_writer(writer);
        for _ in 0..2 {
            assert_eq!(database.write(&batch).await.unwrap(), all(276), "{}", writer.name());
            let mut rows = place.sql("SELECT r.*, HEX(raw), HEX(identity) FROM reading r ORDER BY meter_id").await;
            rows.extend(place.sql("SELECT m.*, HEX(reason) FROM missed m ORDER BY meter_id").await);
            assert_eq!(rows.len(), 276);
            assert!(*first.get_or_insert_with(|| rows.clone()) == rows, "{} differs", writer.name());
        }
        place.sql("DELETE FROM reading").await;
        place.sql("DELETE FROM missed").await;
    }
    let raw = place.sql("SELECT COUNT(*) FROM reading").await;
    assert_eq!(raw, ["0"]);
}

/// How often the connections of `database` did `what`.
async fn times(database: &mut Database, what: &str) -> u64 {
    let mut times = 0;
    for session in std::iter::once(&mut database.session).chain(&mut database.beside) {
        let found = session.ask(format!("SHOW SESSION STATUS LIKE '{what}'")).await.unwrap().remove(0);
        times += mysql_async::from_row::<(String, String)>(found).1.parse::<u64>().unwrap();
    }
    times
}

#[tokio::test]
async fn a_file_is_taken_as_it_is_whatever_bytes_are_in_it() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let writers = place.writers().await;
    let Some(files) = writers.into_iter().find(|writer| writer.files) else {
        return eprintln!("skipped: this server takes no files");
    };
    database.use_writer(files);
    // Also one with all columns, one without most of them, and moments with and without thousandths.
    for batch in [odd_readings(), vec![reading(1, NINE, 1), reading(1, NINE + 500, 2), reading(1, NINE + QUARTER, 3)]] {
        let before = (times(&mut database, "Com_load").await, times(&mut database, "Com_rollback").await);
        let batch: Vec<_> = batch.iter().collect();
        assert_eq!(database.write_knowing(&batch, |_| true).await.unwrap(), all(batch.len() as u64));
        let after = (times(&mut database, "Com_load").await, times(&mut database, "Com_rollback").await);
        assert!(after.0 > before.0 && after.1 == before.1, "{before:?} {after:?}");
    }
}

#[tokio::test]
async fn a_column_that_only_the_last_row_has_arrives_and_one_that_none_has_is_null() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    for (writer, meter) in place.writers().await.into_iter().zip(1..) {
        database.use_writer(writer);
        let mut batch: Vec<_> = (0..200).map(|n| reading(meter, NINE + n * QUARTER, 1)).collect();
        batch.push(changed(reading(meter, NINE + 200 * QUARTER, 2), |reading| {
            reading.values.push(SpooledValue { quantity: 2, value: 7 });
        }));
        assert_eq!(database.write(&batch).await.unwrap(), all(201));
        let sql = format!(
            "SELECT COUNT(*), COUNT(cooling_energy_joule), MAX(cooling_energy_joule), COUNT(on_seconds), COUNT(extra) \
             FROM reading WHERE meter_id = {meter}"
        );
        assert_eq!(place.sql(&sql).await, ["201|1|7|0|0"], "{}", writer.name());
    }
}

#[tokio::test]
async fn the_first_row_of_a_slot_stays_also_where_the_writer_believes_that_there_is_none() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    for (writer, meter) in place.writers().await.into_iter().zip(1..) {
        database.use_writer(writer);
        database.write(&[reading(meter, NINE, 10)]).await.unwrap();
        let batch = [reading(meter, NINE, 11), reading(meter, NINE + QUARTER, 12), reading(meter, NINE + QUARTER, 13)];
        for is_fresh in [true, false] {
            assert_eq!(database.write_knowing(&batch.each_ref(), |_| is_fresh).await.unwrap(), all(3));
            let sql = format!("SELECT energy_joule FROM reading WHERE meter_id = {meter} ORDER BY slot");
            assert_eq!(place.sql(&sql).await, ["10", "12"], "{}", writer.name());
        }
    }
}

#[tokio::test]
async fn a_mark_of_a_sweep_gives_way_to_a_node_s_own_and_no_other_mark_does() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let sweep = |meter| SpoolRecord { node: 0, at: NINE + 60_000, ..miss(meter, NINE, "no-owner") };
    for (writer, meter) in place.writers().await.into_iter().zip(1..) {
        database.use_writer(writer);
        let sql = format!("SELECT reason, node_id, at, epoch FROM missed WHERE meter_id = {meter}");
        database.write(&[sweep(meter)]).await.unwrap();
        database.write(&[SpoolRecord { at: NINE + 90_000, ..sweep(meter) }]).await.unwrap();
        assert_eq!(place.sql(&sql).await, ["no-owner|0|2026-11-23 09:01:00.000|2"]);
        database.write(&[SpoolRecord { epoch: 9, ..miss(meter, NINE, "no-answer") }]).await.unwrap();
        assert_eq!(place.sql(&sql).await, ["no-answer|1|2026-11-23 09:00:01.500|9"], "{}", writer.name());
        database.write(&[sweep(meter), miss(meter, NINE, "line-down")]).await.unwrap();
        assert_eq!(place.sql(&sql).await, ["no-answer|1|2026-11-23 09:00:01.500|9"], "{}", writer.name());
    }
}

#[tokio::test]
async fn a_server_that_takes_no_file_any_more_is_written_to_by_statements() {
    let Some(place) = Place::settable().await else { return };
    let mut database = place.migrated().await;
    assert_eq!(database.writer().name(), "load-data");
    place.sql("SET GLOBAL local_infile = 0").await;
    let refused = database.write(&[reading(1, NINE, 10)]).await;
    assert!(matches!(refused, Err(DatabaseError::Retry(_))), "{refused:?}");
    assert_eq!(database.write(&[reading(1, NINE, 10)]).await.unwrap(), all(1));
    assert_eq!(place.sql(READINGS).await.len(), 1);
}

#[tokio::test]
async fn one_connection_that_fails_costs_and_doubles_nothing_of_what_the_other_wrote() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let batch: Vec<_> = (0..1000).map(|meter| reading(meter, NINE, 1)).collect();
    let id = database.beside[0].connection_id().await;
    place.sql(&format!("KILL {id}")).await;
    let lost = database.write(&batch).await;
    assert!(matches!(lost, Err(DatabaseError::Lost(_))), "{lost:?}");
    assert_eq!(place.sql("SELECT COUNT(*), MAX(meter_id) FROM reading").await, ["500|499"], "the other part is there");
    let mut again = Database::connect(&place.config()).await.unwrap();
    assert_eq!(again.write(&batch).await.unwrap(), all(1000));
    assert_eq!(place.sql("SELECT COUNT(*) FROM reading").await, ["1000"]);
}

#[tokio::test]
async fn a_record_that_fits_no_row_is_set_aside_with_its_bytes_and_the_rest_is_written() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let no_kind = SpoolRecord { kind: 0, ..reading(1, NINE, 1) };
    let long = changed(reading(2, NINE, 2), |reading| reading.raw = vec![7; 8193]);
    let no_moment = SpoolRecord { slot: u64::MAX, ..reading(3, NINE, 3) };
    let twice = changed(reading(4, NINE, 4), |reading| reading.values.push(SpooledValue { quantity: 1, value: 5 }));
    let empty = SpoolRecord { content: None, ..reading(5, NINE, 5) };
    let batch = [no_kind, reading(9, NINE, 9), long, no_moment, twice, empty, miss(6, NINE, &"x".repeat(33))];
    for _ in 0..2 {
        let written = database.write(&batch).await.unwrap();
        assert_eq!((written.rows, written.rejected), (1, vec![0, 2, 3, 4, 5, 6]));
    }
    assert_eq!(place.sql("SELECT meter_id FROM reading").await, ["9"]);
    let rejected = place.sql("SELECT meter_id, error_code, error FROM rejected ORDER BY meter_id").await;
    let expected = [
        "1|0|kind 0 is none",
        "2|0|raw of 8193 bytes is longer than 8192",
        "3|0|slot 18446744073709551615 is no moment of this era",
        "4|0|quantity 1 is given twice",
        "5|0|it holds neither a reading nor a miss",
        "6|0|reason of 33 characters is longer than 32",
    ];
    assert_eq!(rejected, expected, "each once, however often it comes");
    let bytes = place.sql("SELECT HEX(record) FROM rejected WHERE meter_id = 1").await;
    let hex: String = prost::Message::encode_to_vec(&batch[0]).iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(bytes, [hex]);
}

#[tokio::test]
async fn rows_the_server_refuses_are_found_by_halving_and_set_aside_with_its_words() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    place.sql("ALTER TABLE reading ADD CONSTRAINT plausible CHECK (energy_joule < 1000000)").await;
    let batch: Vec<_> = (0..100).map(|n| reading(n, NINE, if n % 33 == 7 { 2_000_000 } else { 5 })).collect();
    let mut written = database.write(&batch).await.unwrap();
    written.rejected.sort_unstable();
    assert_eq!((written.rows, written.rejected), (97, vec![7, 40, 73]));
    assert_eq!(place.sql("SELECT COUNT(*), MAX(energy_joule) FROM reading").await, ["97|5"]);
    let rejected = place.sql("SELECT meter_id, error_code, error LIKE '%plausible%' FROM rejected ORDER BY 1").await;
    let code = if place.is_mariadb().await { 4025 } else { 3819 };
    assert_eq!(rejected, [7, 40, 73].map(|meter| format!("{meter}|{code}|1")));
}

#[tokio::test]
async fn a_clock_no_calendar_knows_is_kept_in_words_and_costs_no_reading() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let odd = changed(reading(1, NINE, 1), |reading| reading.meter_time = "2026-02-30T25:00:00".to_owned());
    assert_eq!(database.write(&[odd]).await.unwrap(), all(1));
    let row = place.sql("SELECT meter_time IS NULL, extra FROM reading").await;
    assert_eq!(compact(row), [r#"1|{"meter_time":"2026-02-30T25:00:00"}"#]);
}

#[tokio::test]
async fn a_batch_larger_than_a_packet_goes_in_several_and_arrives_whole() {
    let Some(place) = Place::settable().await else { return };
    place.sql("SET GLOBAL max_allowed_packet = 65536").await;
    let mut database = place.migrated().await;
    // Types differ between the first chunk and the next: absent values, then present ones.
    let batch: Vec<_> = (0..400)
        .map(|n| {
            changed(reading(n, NINE, 1), |reading| {
                reading.raw = vec![b'\''; 1500];
                if n < 200 {
                    reading.values.clear();
                    reading.valve = 0;
                    reading.meter_time.clear();
                }
            })
        })
        .collect();
    assert_eq!(database.write(&batch).await.unwrap(), all(400));
    let counts = place.sql("SELECT COUNT(*), COUNT(energy_joule), COUNT(valve), MIN(LENGTH(raw)) FROM reading").await;
    assert_eq!(counts, ["400|200|200|1500"]);
}

#[tokio::test]
async fn two_writers_at_once_leave_every_slot_with_a_reading_or_a_mark() {
    let Some(place) = Place::shared().await else { return };
    let (mut one, mut two) = (place.migrated().await, place.migrated().await);
    for round in 0..20 {
        let slot = NINE + round * QUARTER;
        let readings: Vec<_> = (0..50).map(|meter| reading(meter, slot, 1)).collect();
        let misses: Vec<_> = (25..75).map(|meter| miss(meter, slot, "no-answer")).collect();
        let (first, second) = tokio::join!(until_written(&mut one, &readings), until_written(&mut two, &misses));
        assert_eq!((first, second), (50, 50));
    }
    let both = "SELECT COUNT(*) FROM reading JOIN missed USING (meter_id, slot, kind)";
    assert_eq!(place.sql(both).await, ["0"]);
    assert_eq!(place.sql("SELECT COUNT(*) FROM reading").await, ["1000"]);
    assert_eq!(place.sql("SELECT COUNT(*) FROM missed").await, ["500"]);
}

async fn until_written(database: &mut Database, records: &[SpoolRecord]) -> u64 {
    loop {
        match database.write(records).await {
            Ok(written) => return written.rows,
            Err(crate::mysql::DatabaseError::Retry(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
