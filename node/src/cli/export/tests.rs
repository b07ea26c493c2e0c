//! Each format is read back by somebody else's reader, and compared with what was stored.
#![allow(clippy::indexing_slicing, clippy::panic)]

use std::fs::File;
use std::path::Path;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;
use calamine::{Data, Reader as _, Xlsx as Workbook, open_workbook};
use protocol::api::admin::ExportRow;

use super::columns::COLUMNS;
use super::parquet::GROUP_ROWS;
use super::sink::{self, Job};
use super::target::Target;
use super::xlsx::Xlsx;
use super::{Format, by_ending};

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
    let (jobs, receiver) = tokio::sync::mpsc::channel(8);
    for part in rows.chunks(20_000) {
        jobs.try_send(Job::Rows(part.to_vec())).expect("there is room");
    }
    jobs.try_send(Job::End).expect("there is room");
    let dir = path.parent().expect("a folder");
    sink::write(format, File::create(path).expect("a file"), dir, receiver).expect("it is written");
}

fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_path(path).expect("a file");
    csv.records().map(|record| record.expect("sound").iter().map(str::to_owned).collect()).collect()
}

const HEADER: &str = "meter|line|slot [UTC]|kind|read_at [UTC]|energy [kWh]|cooling_energy [kWh]|volume [m3]|power [kW]\
    |flow [m3/h]|supply_temp [degC]|return_temp [degC]|temp_difference [K]|operating_time [s]|on_time [s]|error_flags\
    |meter_time|valve|quality|missed";

#[test]
fn csv_is_read_back_digit_by_digit() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.csv");
    written(Format::Csv, &path, &rows());
    let read: Vec<_> = csv_rows(&path).into_iter().map(|row| row.join("|")).collect();
    assert_eq!(
        read,
        [
            HEADER,
            "flat, \"one\"\nleft|=cellar|2026-11-23T09:00:00.000Z|scheduled|2026-11-23T09:00:01.234Z|1250|0|12.345678|-0.0015\
         |1|65.12|-0.005|65.125|3600|7200|255|2026-11-23T10:00:01|open|1|",
            "#9|Кот & 热|1970-01-01T00:00:00.000Z||9999-12-30T00:00:00.000Z|2562047788015.2155019||-9223372036854.775808||||||\
         -9223372036854775808||9223372036854775807|||4294967295|",
            "m2|l|2026-11-23T09:00:00.000Z||1970-01-01T00:00:00.000Z|||||||||||||||no-answer: three, attempts",
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
         '2026-11-23T10:00:01|'open|1|",
        day(NINE),
        day(NINE + 1_234)
    );
    assert_eq!(read[1], full);
    let extreme = format!(
        "'#9|'Кот & 热|25569||{}|'2562047788015.2155019||'-9223372036854.775808||||||'-9223372036854775808||\
         '9223372036854775807|||4294967295|",
        day(253_402_128_000_000)
    );
    assert_eq!(read[2], extreme);
    assert_eq!(read[3], format!("'m2|'l|{}||25569|||||||||||||||'no-answer: three, attempts", day(NINE)));
    assert_eq!(read.len(), 4);
}

#[test]
fn a_sheet_that_is_full_is_continued_on_the_next_one_under_the_same_header() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("a.xlsx");
    let mut xlsx = Xlsx::new(dir.path(), 3).expect("a workbook");
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
        assert_eq!(row.len(), COLUMNS.len());
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
    assert_eq!((schema.num_columns(), reader.metadata().num_row_groups()), (COLUMNS.len(), 0));
}

#[test]
fn what_was_not_ended_in_words_is_no_file_a_reader_takes() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    for (format, name) in [(Format::Xlsx, "a.xlsx"), (Format::Parquet, "a.parquet")] {
        let path = dir.path().join(name);
        let (jobs, receiver) = tokio::sync::mpsc::channel(2);
        jobs.try_send(Job::Rows(rows())).expect("there is room");
        drop(jobs);
        sink::write(format, File::create(&path).expect("a file"), dir.path(), receiver).expect("it stops");
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
