//! Telegrams of real M-Bus meters against the values an established decoder gives for them.
#![allow(clippy::panic, reason = "a test says what disagrees")]

mod common;

use common::{bytes, converse, millionths, target, telegrams, text};
use protocol::exchange::{Answer, Exchange};
use protocol::mbus::frame::{Frame, Scanner};
use protocol::mbus::payload::Payload;
use protocol::meter::{Address, Quantity, Reading};
use serde_json::Value;

/// Measured: telegrams that become a reading, all of them.
const READINGS_FLOOR: usize = 38;
/// Measured: values that agree with the expected ones.
const VALUES_FLOOR: usize = 97;
/// Measured: clocks that agree with the expected ones.
const CLOCKS_FLOOR: usize = 17;

const QUANTITIES: [(&str, Quantity); 7] = [
    ("Energy", Quantity::Energy),
    ("Volume", Quantity::Volume),
    ("Power", Quantity::Power),
    ("Volume flow", Quantity::Flow),
    ("Flow temperature", Quantity::SupplyTemp),
    ("Return temperature", Quantity::ReturnTemp),
    ("Temperature difference", Quantity::TempDifference),
];

/// Where the two decoders differ by intention.
const EXCEPTIONS: [(&str, &str); 3] = [
    // A maker's own VIFE (FF) stands behind the VIF: what it makes of the power only a profile can say.
    ("electricity-meter-1", "Power"),
    // The other decoder does not name the quantities of the fixed structure: 6531 kWh and 69 l.
    ("sen_pollusonic_2", "Energy"),
    ("sen_pollusonic_2", "Volume"),
];

/// Reads the telegram through a whole dialogue; the meter says the same again when asked for more.
fn read(wire: &[u8]) -> Answer {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    let Some(Ok(Frame::Long { address, .. })) = scanner.next() else {
        return Answer::Lost(protocol::exchange::LineFault::Garbled);
    };
    let mut exchange = Exchange::read(&target(Address::MbusPrimary(address), 0));
    converse(&mut exchange, |request| if request.get(1) == Some(&0x40) { vec![0xE5] } else { wire.to_vec() }).0
}

/// The current value of `name` in the expected records, in the fixed unit, with what rounding may add to it.
fn expected(records: &[Value], name: &str) -> Option<(i128, i128)> {
    let is_zero = |record: &Value, key| record.get(key).and_then(Value::as_i64) == Some(0);
    let record = records.iter().find(|record| {
        text(record, "function").starts_with("Instantaneous")
            && text(record, "quantity") == name
            && ["storage", "tariff", "subunit"].into_iter().all(|key| is_zero(record, key))
    })?;
    let millionths = millionths(text(record, "value"));
    Some(match text(record, "unit") {
        "Wh" => (millionths * 3600, 501_800),
        "m^3" | "m^3/h" => (millionths * 1_000_000, 1_000_000),
        "W" | "K" => (millionths * 1000, 500_500),
        unit if unit.ends_with('C') => (millionths * 1000, 500_500),
        _ => (millionths, 500_001),
    })
}

/// Whether the meter's clock is the expected one; nothing where there is none to compare.
fn compare_clock(name: &str, reading: &Reading, records: &[Value]) -> usize {
    let Some(ours) = reading.meter_time else { return 0 };
    let current = |record: &&Value| record.get("storage").and_then(Value::as_i64) == Some(0);
    let mut times = records.iter().filter(current).filter(|r| text(r, "quantity") == "Time point (date & time)");
    let theirs = times.next().map(|record| text(record, "value")).unwrap_or_default();
    assert_eq!(format!("{ours}Z"), theirs, "{name}");
    1
}

fn count(name: &str, wire: &[u8], records: &[Value]) -> usize {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    let Some(Ok(Frame::Long { ci, data, .. })) = scanner.next() else { panic!("{name}: no long frame") };
    let ours = Payload::parse(ci, &data).expect("readable").records.len();
    let is_block =
        |record: &&Value| matches!(text(record, "function"), "Manufacturer specific" | "More records follow");
    let theirs = records.len() - records.iter().filter(is_block).count();
    assert_eq!(ours, theirs, "{name}: records");
    ours
}

fn compare(name: &str, reading: &Reading, records: &[Value]) -> usize {
    let mut compared = 0;
    for (word, quantity) in QUANTITIES {
        let ours = reading.value(quantity);
        let theirs = expected(records, word);
        match (ours, theirs) {
            (Some(ours), Some((theirs, tolerance))) => {
                let off = (i128::from(ours) * 1_000_000 - theirs).abs();
                assert!(off <= tolerance, "{name}: {word} is {ours}, expected {theirs} millionths");
                compared += 1;
            }
            (None, None) => {}
            _ if EXCEPTIONS.contains(&(name, word)) => {}
            (ours, theirs) => panic!("{name}: {word} is {ours:?}, expected {theirs:?} millionths"),
        }
    }
    compared
}

#[test]
fn real_meters_read_as_an_established_decoder_reads_them() {
    let Some(telegrams) = telegrams("mbus.json") else { return };
    let (mut readings, mut values, mut clocks, mut records_seen) = (0, 0, 0, 0);
    for telegram in &telegrams {
        let name = text(telegram, "name");
        match read(&bytes(text(telegram, "hex"))) {
            Answer::Reading(reading) => {
                readings += 1;
                let none = Vec::new();
                let records = telegram.get("records").and_then(Value::as_array).unwrap_or(&none);
                values += compare(name, &reading, records);
                clocks += compare_clock(name, &reading, records);
                records_seen += count(name, &bytes(text(telegram, "hex")), records);
            }
            other => println!("{name}: {other:?}"),
        }
    }
    println!("{readings} of {} read; {values} values, {clocks} clocks, {records_seen} records agree", telegrams.len());
    assert!(readings >= READINGS_FLOOR && values >= VALUES_FLOOR && clocks >= CLOCKS_FLOOR);
}
