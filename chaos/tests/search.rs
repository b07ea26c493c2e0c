//! A real node searches a slow line for meters nobody told it of: the program that measures it says so in its own words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{CHAOS, hearth};

fn search(hearth: &Path, meters: &str) -> Output {
    let args = ["search", "--baud", "2400", "--json", "--meters", meters];
    Command::new(CHAOS).args(args).arg("--hearth").arg(hearth).output().unwrap()
}

#[test]
fn every_meter_is_found_once_and_probes_and_time_are_told() {
    let Some(hearth) = hearth() else { return };
    let output = search(&hearth, "8");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["meters"], &report["found"], &report["verdict"]), (&8.into(), &8.into(), &"kept".into()));
    let (needed, tally) = (report["needed"].as_u64().unwrap(), &report["tally"]);
    // Beside the walk over the digits, each meter is asked once by the whole address it gave.
    let probes = tally["probes"].as_u64().unwrap();
    assert!(probes >= needed + 8 && probes < 2 * needed + 8, "{report}");
    assert_eq!(report["told"], tally["probes"], "{report}");
    // One answer to whoever is behind the mask, one to the meter alone; and one for each mask with several behind it.
    assert!(tally["readouts"].as_u64().unwrap() >= 16 + tally["collided"].as_u64().unwrap(), "{report}");
    let efficiency = tally["efficiency"].as_f64().unwrap();
    // What is measured by `make bench-search` is told there; here the machine is busy with other tests.
    assert!(efficiency > 0.5 && efficiency <= 1.0, "{report}");
}

#[test]
fn more_meters_than_a_line_carries_are_refused() {
    let output = search(Path::new(CHAOS), "1001");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--meters 1001"));
}
