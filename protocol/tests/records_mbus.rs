//! Every record of the telegrams of real M-Bus meters against what an established decoder makes of it.
#![allow(clippy::panic, reason = "a test says what disagrees")]

mod common;

use common::{bytes, telegrams, text};
use protocol::mbus::frame::{Frame, Scanner};
use protocol::mbus::payload::Payload;
use protocol::mbus::record::{Function, Record};
use serde_json::Value as Json;

/// Measured: telegrams, records with data, maker's blocks; all of them are compared.
const TELEGRAMS: usize = 38;
const RECORDS: usize = 423;
const BLOCKS: usize = 24;

/// Where the standard decides against the other decoder: telegram, record, our value and unit, and why.
const EXCEPTIONS: [(&str, usize, &str, &str, &str); 11] = [
    ("ACW_Itron-BM-plus-m", 2, "invalid", "", NO_MONTH),
    ("REL-Relay-Padpuls2", 1, "invalid", "", NO_MONTH),
    ("itron_bm_+m", 2, "invalid", "", NO_MONTH),
    ("siemens_wfh21", 3, "invalid", "", NO_MONTH),
    ("landis+gyr_ultraheat_t230", 32, "****-01-01T00:00", "", ANY_YEAR),
    ("landis+gyr_ultraheat_t230", 19, "invalid", "", TIME_OF),
    ("landis+gyr_ultraheat_t230", 20, "invalid", "", TIME_OF),
    ("landis+gyr_ultraheat_t230", 21, "2011-08-26T20:50", "", TIME_OF),
    ("landis+gyr_ultraheat_t230", 22, "2011-08-09T11:43", "", TIME_OF),
    ("SEN_Pollustat", 12, "11582321", "s", DURATION_OF),
    ("SEN_Pollustat", 13, "756", "s", DURATION_OF),
];
const NO_MONTH: &str = "annex A, types F and G: the month is 1 to 12, or 15 for every month; 0 is none";
const ANY_YEAR: &str = "annex A, type F: year 127 is every year";
const TIME_OF: &str =
    "table 15, VIFE 6A, 6B, 6E and 6F: the value is the date and time of the maximum, not the maximum";
const DURATION_OF: &str = "table 15, VIFE 50 to 5F: the value is how long a limit was exceeded, not the quantity";

/// One record in words.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    function: &'static str,
    storage: u64,
    tariff: u64,
    subunit: u64,
    quantity: String,
    unit: String,
}

const fn function(function: Function) -> &'static str {
    match function {
        Function::Instantaneous => "Instantaneous value",
        Function::Maximum => "Maximum value",
        Function::Minimum => "Minimum value",
        Function::DuringError => "Value during error state",
    }
}

fn ours(record: &Record<'_>) -> Shown {
    Shown {
        function: function(record.place.function),
        storage: record.place.storage,
        tariff: record.place.tariff.into(),
        subunit: record.place.subunit.into(),
        quantity: record.name.to_string(),
        unit: record.unit.to_owned(),
    }
}

fn theirs(record: &Json) -> Shown {
    let count = |key| record.get(key).and_then(Json::as_u64).unwrap_or_default();
    Shown {
        function: match text(record, "function") {
            "Instantaneous value" | "Actual value" => "Instantaneous value",
            "Maximum value" => "Maximum value",
            "Minimum value" => "Minimum value",
            "Value during error state" => "Value during error state",
            other => panic!("{other}"),
        },
        storage: count("storage"),
        tariff: count("tariff"),
        subunit: count("subunit"),
        quantity: match (text(record, "quantity"), text(record, "unit")) {
            // The other decoder does not name the quantities of the fixed structure.
            ("", "kWh") => "Energy",
            ("", "l") => "Volume",
            (quantity, _) => quantity,
        }
        .to_owned(),
        unit: match text(record, "unit") {
            "m^3" | "l" => "m3",
            "m^3/h" => "m3/h",
            "kWh" => "Wh",
            "-" | "Reserved" => "",
            unit if unit.ends_with("°C") => "°C",
            unit => unit,
        }
        .to_owned(),
    }
}

/// The expected value in the base unit: numbers as millionths of it, anything else as text.
fn expected(record: &Json) -> String {
    let value = text(record, "value");
    match text(record, "unit") {
        "kWh" => format!("{value}000"),
        "l" => format!("0.{value:0>3}"),
        _ => value.to_owned(),
    }
}

/// Equal texts, numbers equal in as many digits as the other decoder prints, or times equal to the minute.
fn agree(ours: &str, theirs: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    ours == theirs
        || format!("{ours}:00Z") == theirs
        || number(ours).zip(number(theirs)).is_some_and(|(a, b)| (a - b).abs() <= 6e-7 + b.abs() * 1e-15)
}

fn is_block(record: &&Json) -> bool {
    matches!(text(record, "function"), "Manufacturer specific" | "More records follow")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// The maker's block, if one is expected: how it is told and its bytes.
fn compare_block(name: &str, payload: &Payload<'_>, records: &[Json]) -> usize {
    let expected = records.iter().find(is_block);
    let ours = payload.makers.map(hex);
    assert_eq!(ours.as_deref(), expected.map(|block| text(block, "value")), "{name}: maker's data");
    let more = expected.is_some_and(|block| text(block, "function") == "More records follow");
    assert_eq!(payload.more_follow, more, "{name}: more follow");
    usize::from(expected.is_some())
}

/// How many records agree; what does not is said.
fn compare(name: &str, payload: &Payload<'_>, records: &[Json]) -> (usize, Vec<String>) {
    let expected_records: Vec<&Json> = records.iter().filter(|record| !is_block(record)).collect();
    assert_eq!(payload.records.len(), expected_records.len(), "{name}: records");
    let mut faults = Vec::new();
    for (nth, (record, json)) in payload.records.iter().zip(&expected_records).enumerate() {
        let value = record.value.to_string();
        let exception = EXCEPTIONS.iter().find(|exception| (exception.0, exception.1) == (name, nth));
        let (mut shown, mut wanted) = (theirs(json), expected(json));
        if let Some((_, _, value, unit, clause)) = exception {
            println!("{name} {nth}: {wanted} is {value} {unit} by {clause}");
            (shown.unit, wanted) = ((*unit).to_owned(), (*value).to_owned());
        }
        if ours(record) != shown || !agree(&value, &wanted) {
            faults.push(format!("{name} {nth}: {:?} {value:?}, expected {shown:?} {wanted:?}", ours(record)));
        }
    }
    (expected_records.len() - faults.len(), faults)
}

#[test]
fn every_record_of_every_telegram_reads_as_an_established_decoder_reads_it() {
    let Some(telegrams) = telegrams("mbus.json") else { return };
    let (mut agreed, mut blocks, mut faults) = (0, 0, Vec::new());
    for telegram in &telegrams {
        let name = text(telegram, "name");
        let mut scanner = Scanner::new();
        scanner.push(&bytes(text(telegram, "hex")));
        let Some(Ok(Frame::Long { ci, data, .. })) = scanner.next() else { panic!("{name}: no long frame") };
        let payload = Payload::parse(ci, &data).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let records = telegram.get("records").and_then(Json::as_array).expect("records");
        let (count, said) = compare(name, &payload, records);
        (agreed, blocks) = (agreed + count, blocks + compare_block(name, &payload, records));
        faults.extend(said);
    }
    println!("{} telegrams, {agreed} records and {blocks} blocks agree", telegrams.len());
    assert!(faults.is_empty(), "{} records disagree:\n{}", faults.len(), faults.join("\n"));
    assert_eq!((telegrams.len(), agreed, blocks), (TELEGRAMS, RECORDS, BLOCKS));
}
