//! Findings as rows, as JSON, and as a file that is imported as it is.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;

use super::*;
use crate::cli::rows;

fn found(method: &str, address: &str, secondary: &str, fault: &str) -> api::FoundMeter {
    let dialect = if matches!(method, "primary" | "secondary") { "mbus" } else { method };
    api::FoundMeter {
        method: method.to_owned(),
        dialect: dialect.to_owned(),
        address: address.to_owned(),
        secondary: secondary.to_owned(),
        meter_type: if method == "cjt188" { 0x20 } else { 0 },
        profile: if secondary == TWO { "mbus-two".to_owned() } else { String::new() },
        fault: fault.to_owned(),
    }
}

fn registered(name: &str, address: &str) -> api::Meter {
    let (name, line, dialect) = (name.to_owned(), "L1".to_owned(), "mbus".to_owned());
    let spec = api::MeterSpec { name, line, dialect, address: address.to_owned(), ..api::MeterSpec::default() };
    api::Meter { spec: Some(spec), ..api::Meter::default() }
}

const ONE: &str = "123456782C2D0104";
const TWO: &str = "876543212C2D0107";

fn all() -> Vec<api::FoundMeter> {
    vec![
        found("cjt188", "11110012345678", "", ""),
        found("secondary", ONE, ONE, ""),
        found("secondary", TWO, TWO, ""),
        found("secondary", "99999999FFFFFFFF", "", "collision"),
        found("primary", "17", ONE, ""),
        found("primary", "0", TWO, ""),
        found("primary", "30", "", "collision"),
        found("modbus", "3", "", ""),
    ]
}

#[test]
fn a_meter_found_in_two_ways_is_one_row_and_a_known_one_has_its_name() {
    let findings = found::merged(&all(), &Known::new(&[registered("old", "17")], "L1"));
    assert_eq!(findings.len(), 6);
    assert_eq!((findings[1].primary.as_deref(), findings[1].known.as_deref()), (Some("17"), Some("old")));
    let elsewhere = found::merged(&all(), &Known::new(&[registered("old", "17")], "L2"));
    assert_eq!(elsewhere[1].known, None, "a meter of another line is another meter");
    let table = found::table(&findings);
    for told in [
        "12345678  KAM",
        "mbus-two",
        "known as old",
        "several meters answer at once",
        "no primary address yet",
        "to be named",
    ] {
        assert!(table.contains(told), "{told}:\n{table}");
    }
}

#[test]
fn twins_that_their_fabrication_numbers_tell_apart_are_two_rows_with_an_address_each() {
    let twins = [format!("{ONE}-00123456"), format!("{ONE}-70123456")];
    let seen: Vec<_> = twins.iter().map(|address| found("secondary", address, address, "")).collect();
    let findings = found::merged(&seen, &Known::new(&[registered("old", &twins[1])], "L1"));
    assert_eq!(
        findings.iter().map(|finding| finding.address()).collect::<Vec<_>>(),
        [Some(&*twins[0]), Some(&*twins[1])]
    );
    assert_eq!([&findings[0].known, &findings[1].known].map(Option::as_deref), [None, Some("old")]);
    assert!(findings.iter().all(|finding| finding.identity().is_some_and(|(id, ..)| id == "12345678")));
}

#[test]
fn meters_that_share_a_secondary_address_are_one_row_that_nobody_can_read() {
    let three = [found("secondary", ONE, ONE, ""), found("secondary", ONE, ONE, ""), found("secondary", ONE, ONE, "")];
    let findings = found::merged(&three, &Known::default());
    assert_eq!((findings.len(), findings[0].fault.as_str(), findings[0].address()), (1, "collision", None));
    assert!(found::table(&findings).contains("several have this address"));
    // One of them has a primary address of its own.
    let findings = found::merged(&[&three[..], &[found("primary", "17", ONE, "")]].concat(), &Known::default());
    assert_eq!((findings.len(), findings[1].address()), (2, Some("17")));
}

#[test]
fn meters_told_apart_by_their_fabrication_number_are_rows_with_an_address_and_a_name_each() {
    let [one, other] = ["-00000041", "-00000042"].map(|number| found("secondary", &format!("{ONE}{number}"), ONE, ""));
    let findings = found::merged(&[one, other], &Known::default());
    let rows = file::rows(&findings, "L1", 900, &[]);
    let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.address.as_str())).collect();
    let expected =
        [("L1-12345678-00000041", "123456782C2D0104-00000041"), ("L1-12345678-00000042", "123456782C2D0104-00000042")];
    assert_eq!(told, expected);
    assert!(found::table(&findings).matches("KAM").count() == 2);
}

#[test]
fn json_has_every_field_of_every_meter() {
    let findings = found::merged(&all(), &Known::default());
    let json = found::json("L1", &findings, 300, true);
    assert_eq!((&json["line"], &json["probes"], &json["complete"]), (&"L1".into(), &300.into(), &true.into()));
    let meter = &json["meters"][1];
    assert_eq!((&meter["address"], &meter["identity"]["manufacturer"]), (&"17".into(), &"KAM".into()));
    assert_eq!((&meter["methods"][0], &meter["methods"][1]), (&"secondary".into(), &"primary".into()));
    assert_eq!((&meter["profile"], &json["meters"][2]["profile"]), (&Value::Null, &"mbus-two".into()));
    assert_eq!((&json["meters"][0]["medium"], &json["meters"][3]["fault"]), (&"heat".into(), &"collision".into()));
}

#[test]
fn the_import_file_is_read_back_and_leaves_out_who_is_known_or_cannot_be_read() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("meters.csv");
    let findings = found::merged(&all(), &Known::new(&[registered("old", "17")], "L1"));
    let rows = file::rows(&findings, "L1", 3_600, &[registered("L1-87654321", "9")]);
    file::write(&path, &rows).expect("written");
    let read = rows::meters("meters.csv", std::fs::File::open(&path).expect("it is there")).expect("sound");
    assert_eq!(read, rows);
    let told: Vec<_> = read.iter().map(|row| (row.name.as_str(), row.address.as_str(), row.disabled)).collect();
    assert_eq!(
        told,
        [("L1-11110012345678", "11110012345678", false), ("L1-87654321-2", TWO, false), ("L1-3", "3", true)]
    );
    assert_eq!(read.iter().map(|row| row.profile.as_str()).collect::<Vec<_>>(), ["", "mbus-two", ""]);
    assert!(read.iter().all(|row| row.interval_s == 3_600 && row.line == "L1"));
}

#[test]
fn progress_tells_probes_meters_and_the_time_that_is_left() {
    let report = api::ScanReport { probes: 100, left: 150, ..api::ScanReport::default() };
    let told = progress::told(&report, 4, std::time::Duration::from_secs(30));
    assert_eq!(told, "100 probes of about 250, 4 found, about 45 s left");
}
