//! A real node polls slow lines: the program that accounts for their time says so in its own words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{CHAOS, hearth};

fn efficiency(hearth: &Path, meters: &str) -> Output {
    let args = ["efficiency", "--baud", "9600", "--slots", "2", "--json", "--meters", meters];
    Command::new(CHAOS).args(args).arg("--hearth").arg(hearth).output().unwrap()
}

#[test]
fn a_busy_line_is_accounted_for_and_dead_meters_make_no_live_one_late() {
    let Some(hearth) = hearth() else { return };
    let output = efficiency(&hearth, "10");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let busy = &report["busy"][0];
    assert_eq!((&busy["baud"], &busy["account"]["readings"]), (&9600.into(), &10.into()), "{report}");
    let efficiency = busy["efficiency"].as_f64().unwrap();
    // What is measured by `make bench-efficiency` is told there; here the machine is busy with other tests.
    assert!(efficiency > 0.5 && efficiency <= 1.0, "{report}");
    let dead = &report["dead"];
    assert_eq!((&dead["live"], &dead["dead"]), (&10.into(), &1.into()), "{report}");
    for line in ["spared", "burdened"] {
        assert_eq!((&dead[line]["slots"], &dead[line]["late"]), (&20.into(), &0.into()), "{report}");
    }
}

#[test]
fn a_line_without_meters_is_refused() {
    let output = efficiency(Path::new(CHAOS), "0");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--meters 0"));
}
