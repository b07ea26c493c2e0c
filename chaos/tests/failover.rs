//! Real nodes are killed: the program that measures them says so in its own words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{CHAOS, hearth};

fn failover(hearth: &Path, lines: &str) -> Output {
    let args = ["failover", "--runs", "1", "--meters", "24", "--json", "--lines", lines];
    Command::new(CHAOS).args(args).arg("--hearth").arg(hearth).output().unwrap()
}

#[test]
fn a_killed_leader_and_a_killed_follower_are_survived_and_timed() {
    let Some(hearth) = hearth() else { return };
    let output = failover(&hearth, "6");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["verdict"], &report["overlaps"]), (&"kept".into(), &0.into()), "{report}");
    for times in ["leader_command", "leader_elected", "node_first_line", "node_last_line"] {
        let times = &report[times];
        assert_eq!(times["all_ms"].as_array().unwrap().len(), 1, "{report}");
        assert_eq!((&times["median_ms"], &times["worst_ms"]), (&times["all_ms"][0], &times["all_ms"][0]), "{report}");
    }
    // It was heard a heartbeat or two before, and until its lease is over a silent node might still speak.
    assert!(report["node_first_line"]["median_ms"].as_u64().unwrap() >= 2000, "{report}");
    assert!(report["node_lines"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!(report["memory"]["nodes"].as_object().unwrap().len(), 3, "{report}");
    assert_eq!(report["failures"].as_array().unwrap().len(), 0, "{report}");
}

#[test]
fn a_binary_that_is_not_there_is_named() {
    let output = failover(Path::new("/nowhere/hearth"), "6");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/nowhere/hearth") && said.contains("--hearth"), "{said}");
}

#[test]
fn fewer_lines_than_nodes_are_refused() {
    let output = failover(Path::new(CHAOS), "2");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("--lines 2"), "{said}");
}
