//! Each format is read back by somebody else's reader, and compared with what was stored.
#![allow(clippy::indexing_slicing, clippy::panic)]

use std::fs::File;
use std::path::Path;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;
use calamine::{Data, Reader as _, Xlsx as Workbook, open_workbook};
use protocol::api::admin as api;
use protocol::api::admin::ExportRow;
use protocol::meter::Quality;
use tonic::Status;

use super::parquet::GROUP_ROWS;
use super::sink::{self, Job};
use super::target::Target;
use super::xlsx::Xlsx;
use super::{Args, Format, by_ending, run};
use crate::cli::client::Session;
use crate::cli::failure::Failure;
use crate::cli::fake::Fake;
use crate::cli::zone::Zone;

/// 2026-11-23 09:00:00 UTC.
const NINE: u64 = 1_795_424_400_000;

/// A reading with everything, awkward names, one with the largest and smallest numbers, and a missed slot.
fn rows() -> Vec<ExportRow> {
    let full = ExportRow {
        meter_id: 1,
        meter: "flat, \"one\"\nleft".to_owned(),
        line: "=cellar".to_owned(),
        slot: NINE,
        kind: "scheduled".to_owned(),
        read_at: NINE + 1_234,
        energy_joule: Some(4_500_000_000),
        cooling_energy_joule: Some(0),
        volume_millilitre: Some(12_345_678),
        power_milliwatt: Some(-1_500),
        flow_millilitre_per_hour: Some(1_000_000),
        supply_milli_celsius: Some(65_120),
        return_milli_celsius: Some(-5),
        difference_millikelvin: Some(65_125),
        operating_seconds: Some(3_600),
        on_seconds: Some(7_200),
        error_flags: Some(255),
        meter_time: "2026-11-23T10:00:01".to_owned(),
        valve: "open".to_owned(),
        quality: Some(1),
        missed: String::new(),
    };
    let extreme = ExportRow {
        meter: "#9".to_owned(),
        line: "Кот & 热".to_owned(),
        slot: 0,
        read_at: 253_402_128_000_000,
        energy_joule: Some(i64::MAX),
        volume_millilitre: Some(i64::MIN),
        operating_seconds: Some(i64::MIN),
        error_flags: Some(i64::MAX),
        quality: Some(u32::MAX),
        ..ExportRow::default()
    };
    let missed = "no-answer: three, attempts".to_owned();
    let missed = ExportRow { meter: "m2".to_owned(), line: "l".to_owned(), slot: NINE, missed, ..ExportRow::default() };
    vec![full, extreme, missed]
}

fn written(format: Format, path: &Path, rows: &[ExportRow]) {
    written_for(&Zone::named("UTC").expect("a zone"), format, path, rows);
}

fn written_for(zone: &Zone, format: Format, path: &Path, rows: &[ExportRow]) {
    let (jobs, receiver) = tokio::sync::mpsc::channel(8);
    for part in rows.chunks(20_000) {
        jobs.try_send(Job::Rows(part.to_vec())).expect("there is room");
    }
    jobs.try_send(Job::End).expect("there is room");
    let dir = path.parent().expect("a folder");
    let count = sink::write(format, File::create(path).expect("a file"), dir, zone, receiver).expect("it is written");
    assert_eq!(count, Some(rows.len() as u64));
}

fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_path(path).expect("a file");
    csv.records().map(|record| record.expect("sound").iter().map(str::to_owned).collect()).collect()
}

/// The words of every mark there can be.
fn every_mark() -> String {
    Quality(u32::MAX).words().join("+")
}

const HEADER: &str = "meter|line|slot [UTC]|kind|read_at [UTC]|energy [kWh]|cooling_energy [kWh]|volume [m3]|power [kW]\
    |flow [m3/h]|supply_temp [degC]|return_temp [degC]|temp_difference [K]|operating_time [s]|on_time [s]|error_flags\
    |meter_time|valve|quality|quality_words|missed";

#[test]
fn csv_is_read_back_digit_by_digit() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.csv");
    written(Format::Csv, &path, &rows());
    let read = csv_rows(&path).into_iter().map(|row| row.join("|").replace(&every_mark(), "EVERY"));
    assert_eq!(
        read.collect::<Vec<_>>(),
        [
            HEADER,
            "flat, \"one\"\nleft|=cellar|2026-11-23T09:00:00.000Z|scheduled|2026-11-23T09:00:01.234Z|1250|0|12.345678|-0.0015\
         |1|65.12|-0.005|65.125|3600|7200|255|2026-11-23T10:00:01|open|1|rounded|",
            "#9|Кот & 热|1970-01-01T00:00:00.000Z||9999-12-30T00:00:00.000Z|2562047788015.2155019||-9223372036854.775808||||||\
         -9223372036854775808||9223372036854775807|||4294967295|EVERY|",
            "m2|l|2026-11-23T09:00:00.000Z||1970-01-01T00:00:00.000Z||||||||||||||||no-answer: three, attempts",
        ]
    );
}

fn sheet(path: &Path, sheet: usize) -> Vec<Vec<Data>> {
    let mut book: Workbook<_> = open_workbook(path).expect("a workbook");
    let range = book.worksheet_range_at(sheet).expect("a sheet").expect("sound");
    range.rows().map(<[Data]>::to_vec).collect()
}

fn shown(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) => format!("'{text}"),
        Data::Float(number) => number.to_string(),
        Data::DateTime(at) => at.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn xlsx_has_numbers_where_they_are_exact_and_text_where_a_spreadsheet_would_round() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.xlsx");
    written(Format::Xlsx, &path, &rows());
    let read: Vec<_> = sheet(&path, 0).iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect();
    let header: Vec<_> = HEADER.split('|').map(|name| format!("'{name}")).collect();
    assert_eq!(read[0], header.join("|"));
    // Days since 1899-12-30.
    let day = |at: u64| at as f64 / 86_400_000.0 + 25_569.0;
    let full = format!(
        "'flat, \"one\"\nleft|'=cellar|{}|'scheduled|{}|1250|0|12.345678|-0.0015|1|65.12|-0.005|65.125|3600|7200|255|\
         '2026-11-23T10:00:01|'open|1|'rounded|",
        day(NINE),
        day(NINE + 1_234)
    );
    assert_eq!(read[1], full);
    let extreme = format!(
        "'#9|'Кот & 热|25569||{}|'2562047788015.2155019||'-9223372036854.775808||||||'-9223372036854775808||\
         '9223372036854775807|||4294967295|'{}|",
        day(253_402_128_000_000),
        every_mark()
    );
    assert_eq!(read[2], extreme);
    assert_eq!(read[3], format!("'m2|'l|{}||25569||||||||||||||||'no-answer: three, attempts", day(NINE)));
    assert_eq!(read.len(), 4);
}

#[test]
fn a_sheet_that_is_full_is_continued_on_the_next_one_under_the_same_header() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.xlsx");
    let mut xlsx = Xlsx::new(dir.path(), &Zone::named("UTC").expect("a zone"), 3).expect("a workbook");
    let row = |n: i64| ExportRow { meter: "m".to_owned(), energy_joule: Some(n * 3_600_000), ..ExportRow::default() };
    xlsx.rows(&(1..=5).map(row).collect::<Vec<_>>()).expect("written");
    xlsx.end(File::create(&path).expect("a file")).expect("packed");
    let energies = |n| sheet(&path, n).iter().map(|row| shown(&row[5])).collect::<Vec<_>>();
    assert_eq!(energies(0), ["'energy [kWh]", "1", "2"]);
    assert_eq!(energies(1), ["'energy [kWh]", "3", "4"]);
    assert_eq!(energies(2), ["'energy [kWh]", "5"]);
}

fn parquet_rows(path: &Path) -> Vec<Vec<(String, Field)>> {
    let reader = SerializedFileReader::new(File::open(path).expect("a file")).expect("parquet");
    let rows = reader.get_row_iter(None).expect("rows").map(|row| row.expect("sound"));
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect()).collect()
}

fn field(row: &[(String, Field)], name: &str) -> Field {
    row.iter().find(|(column, _)| column == name).map(|(_, field)| field.clone()).expect("the column")
}

#[test]
fn parquet_has_the_integers_that_are_stored_and_null_for_what_is_absent() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.parquet");
    written(Format::Parquet, &path, &rows());
    let read = parquet_rows(&path);
    let text = |text: &str| Field::Str(text.to_owned());
    assert_eq!(read.len(), 3);
    for (row, stored) in read.iter().zip(rows()) {
        let long = |value: Option<i64>| value.map_or(Field::Null, Field::Long);
        let words = |value: &str| if value.is_empty() { Field::Null } else { text(value) };
        assert_eq!(field(row, "meter"), text(&stored.meter));
        assert_eq!(field(row, "line"), text(&stored.line));
        assert_eq!(field(row, "slot"), Field::TimestampMillis(stored.slot as i64));
        assert_eq!(field(row, "kind"), text(&stored.kind));
        assert_eq!(field(row, "read_at"), Field::TimestampMillis(stored.read_at as i64));
        assert_eq!(field(row, "energy_joule"), long(stored.energy_joule));
        assert_eq!(field(row, "cooling_energy_joule"), long(stored.cooling_energy_joule));
        assert_eq!(field(row, "volume_millilitre"), long(stored.volume_millilitre));
        assert_eq!(field(row, "power_milliwatt"), long(stored.power_milliwatt));
        assert_eq!(field(row, "flow_millilitre_per_hour"), long(stored.flow_millilitre_per_hour));
        assert_eq!(field(row, "supply_milli_celsius"), long(stored.supply_milli_celsius));
        assert_eq!(field(row, "return_milli_celsius"), long(stored.return_milli_celsius));
        assert_eq!(field(row, "difference_millikelvin"), long(stored.difference_millikelvin));
        assert_eq!(field(row, "operating_seconds"), long(stored.operating_seconds));
        assert_eq!(field(row, "on_seconds"), long(stored.on_seconds));
        assert_eq!(field(row, "error_flags"), long(stored.error_flags));
        assert_eq!(field(row, "meter_time"), words(&stored.meter_time));
        assert_eq!(field(row, "valve"), words(&stored.valve));
        assert_eq!(field(row, "quality"), stored.quality.map_or(Field::Null, Field::UInt));
        assert_eq!(field(row, "missed"), words(&stored.missed));
        let marks = super::columns::words(stored.quality).unwrap_or_default();
        assert_eq!(field(row, "quality_words"), words(&marks));
        assert_eq!(field(row, "slot_local"), Field::TimestampMillis(stored.slot as i64));
        assert_eq!(field(row, "read_at_local"), Field::TimestampMillis(stored.read_at as i64));
        assert_eq!(row.len(), 23);
    }
}

#[test]
fn row_groups_are_bounded_and_together_they_are_everything() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.parquet");
    let row = |slot: u64| ExportRow { meter: (slot / 7).to_string(), slot, ..ExportRow::default() };
    let count = GROUP_ROWS as u64 + 3;
    written(Format::Parquet, &path, &(0..count).map(row).collect::<Vec<_>>());
    let reader = SerializedFileReader::new(File::open(&path).expect("a file")).expect("parquet");
    let sizes: Vec<_> = reader.metadata().row_groups().iter().map(|group| group.num_rows() as usize).collect();
    assert_eq!(sizes, [GROUP_ROWS, 3]);
    let slots = parquet_rows(&path).into_iter().map(|row| (field(&row, "slot"), field(&row, "meter")));
    for (slot, read) in (0..).zip(slots) {
        assert_eq!(read, (Field::TimestampMillis(slot), Field::Str((slot / 7).to_string())));
    }
}

#[test]
fn an_export_of_nothing_has_its_header_in_every_format() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = |ending: &str| dir.path().join(format!("a.{ending}"));
    written(Format::Csv, &path("csv"), &[]);
    written(Format::Xlsx, &path("xlsx"), &[]);
    written(Format::Parquet, &path("parquet"), &[]);
    assert_eq!(csv_rows(&path("csv")), [HEADER.split('|').collect::<Vec<_>>()]);
    assert_eq!(sheet(&path("xlsx"), 0).len(), 1);
    let reader = SerializedFileReader::new(File::open(path("parquet")).expect("a file")).expect("parquet");
    let schema = reader.metadata().file_metadata().schema_descr();
    assert_eq!((schema.num_columns(), reader.metadata().num_row_groups()), (23, 0));
}

#[test]
fn what_was_not_ended_in_words_is_no_file_a_reader_takes() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    for (format, name) in [(Format::Xlsx, "a.xlsx"), (Format::Parquet, "a.parquet")] {
        let path = dir.path().join(name);
        let (jobs, receiver) = tokio::sync::mpsc::channel(2);
        jobs.try_send(Job::Rows(rows())).expect("there is room");
        drop(jobs);
        let zone = Zone::named("UTC").expect("a zone");
        let count = sink::write(format, File::create(&path).expect("a file"), dir.path(), &zone, receiver);
        assert_eq!(count.expect("it stops"), None);
        assert!(open_workbook::<Workbook<_>, _>(&path).is_err());
        assert!(SerializedFileReader::new(File::open(&path).expect("a file")).is_err());
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_file_has_its_name_only_once_it_is_complete_and_none_is_overwritten_unasked() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.csv");
    let target = Target::open(&path, false).expect("nothing is there");
    assert!(names(dir.path()).iter().all(|name| name.starts_with(".a.csv-") && name.ends_with(".partial")));
    drop(target);
    assert_eq!(names(dir.path()), [""; 0]);
    let (first, second) = (Target::open(&path, false).expect("free"), Target::open(&path, false).expect("free"));
    first.finish().expect("it gets its name");
    let failure = second.finish().expect_err("the first was sooner");
    assert!(failure.code() == 1 && failure.to_string().contains("--force"), "{failure}");
    let failure = Target::open(&path, false).expect_err("it exists");
    assert!(failure.to_string().contains("exists") && failure.to_string().contains("--force"), "{failure}");
    Target::open(&path, true).expect("asked to").finish().expect("overwritten");
    assert_eq!(names(dir.path()), ["a.csv"]);
}

#[test]
fn the_format_follows_from_the_ending_or_has_to_be_named() {
    assert_eq!(by_ending(Path::new("a.b/c.CSV")).expect("known"), Format::Csv);
    assert_eq!(by_ending(Path::new("a.xlsx")).expect("known"), Format::Xlsx);
    assert_eq!(by_ending(Path::new("a.parquet")).expect("known"), Format::Parquet);
    for unknown in ["-", "a", "a.txt"] {
        let failure = by_ending(Path::new(unknown)).expect_err("unknown");
        assert!(failure.code() == 2 && failure.to_string().contains("--format"), "{failure}");
    }
}

#[test]
fn local_times_stand_beside_utc_through_the_change_of_clocks_and_say_their_zone() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = |ending: &str| dir.path().join(format!("a.{ending}"));
    let zone = Zone::named("Europe/Helsinki").expect("a zone");
    // 2026-10-25: 03:30 comes twice there, at 00:30 and at 01:30 UTC.
    let row = |slot| ExportRow { slot, read_at: slot + 1_500, ..ExportRow::default() };
    let rows = [row(1_792_888_200_000), row(1_792_891_800_000)];
    for (format, ending) in [(Format::Csv, "csv"), (Format::Xlsx, "xlsx"), (Format::Parquet, "parquet")] {
        written_for(&zone, format, &path(ending), &rows);
    }
    let csv: Vec<_> = csv_rows(&path("csv")).into_iter().map(|row| row[2..7].join("|")).collect();
    assert_eq!(
        csv,
        [
            "slot [UTC]|slot [Europe/Helsinki]|kind|read_at [UTC]|read_at [Europe/Helsinki]",
            "2026-10-25T00:30:00.000Z|2026-10-25 03:30:00.000||2026-10-25T00:30:01.500Z|2026-10-25 03:30:01.500",
            "2026-10-25T01:30:00.000Z|2026-10-25 03:30:00.000||2026-10-25T01:30:01.500Z|2026-10-25 03:30:01.500",
        ]
    );
    let local = (1_792_888_200_000_u64 + 3 * 3_600_000) as i64;
    let days = shown(&sheet(&path("xlsx"), 0)[1][3]);
    assert_eq!(days, (local as f64 / 86_400_000.0 + 25_569.0).to_string());
    for row in parquet_rows(&path("parquet")) {
        assert_eq!(field(&row, "slot_local"), Field::TimestampMillis(local));
    }
}

#[test]
fn a_date_without_a_zone_begins_at_the_midnight_of_the_exports_zone() {
    let millis = |zone: &str, text: &str| {
        let zone = Zone::named(zone).expect("a zone");
        zone.millis("--from", Some(crate::cli::when::when(text).expect("a moment"))).expect("after 1970")
    };
    assert_eq!(millis("Asia/Shanghai", "2026-01-01"), 1_767_196_800_000);
    assert_eq!(millis("UTC", "2026-01-01"), 1_767_225_600_000);
    assert_eq!(millis("Asia/Shanghai", "2026-01-01T00:00:00Z"), 1_767_225_600_000);
    assert!(Zone::named("Mars/Base").is_err_and(|text| text.contains("Mars/Base") && text.contains("Asia/Shanghai")));
}

/// What becomes of an export of which the node sends these parts, and the files there are afterwards.
async fn received(parts: Vec<Result<api::ExportPart, Status>>) -> (Option<Failure>, Vec<String>) {
    let at = Fake { parts, ..Fake::default() }.serve().await;
    let session = Session::open(&[at]).await.expect("it answers");
    let dir = tempfile::tempdir().expect("a scratch directory");
    let args = Args {
        file: dir.path().join("a.csv"),
        from: None,
        to: None,
        zone: Some(Zone::named("UTC").expect("a zone")),
        format: None,
        meters: Vec::new(),
        line: String::new(),
        missed: false,
        force: false,
    };
    (run(args, &session).await.err(), names(dir.path()))
}

fn part(rows: usize, total: Option<u64>) -> Result<api::ExportPart, Status> {
    Ok(api::ExportPart { about: 9, rows: vec![ExportRow::default(); rows], total })
}

#[tokio::test]
async fn a_stream_that_ends_without_its_count_or_with_another_leaves_no_file() {
    let (failure, files) = received(vec![part(0, None), part(2, None), part(1, None), part(0, Some(3))]).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(files, ["a.csv"]);
    let broken = [
        (vec![part(0, None), part(2, None)], "without saying that it is the end"),
        (vec![], "without saying that it is the end"),
        (vec![part(2, None), part(0, Some(3))], "2 rows came of the 3 there are"),
        (vec![part(2, Some(2)), part(2, None)], "without saying that it is the end"),
        (vec![part(2, None), Err(Status::internal("it broke"))], "it broke"),
    ];
    for (parts, word) in broken {
        let (failure, files) = received(parts).await;
        let failure = failure.expect("it is not complete");
        assert!(failure.code() == 1 && failure.to_string().contains(word), "{failure}");
        assert_eq!(files, [""; 0]);
    }
}
