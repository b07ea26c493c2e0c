//! Places, schedules and the calendar from the command line, against a real node.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod harness;

use std::path::Path;
use std::process::Output;

use harness::{Node, cluster, complaint, run};
use serde_json::Value;

const LINES: &str = "name,endpoint,region,station,schedule\n\
                     L1,tcp://127.0.0.1:1,north,S1,every 1h\n\
                     L2,tcp://127.0.0.1:2,north,S2,\n";
const METERS: &str = "name,line,dialect,address,schedule,interval_s,identity,community,building,unit,household,labels\n\
                      own,L1,mbus,1,every 15m in season; daily 00:00,,12345678,阳光花园,3号楼,2,401,riser=east\n\
                      older,L1,mbus,2,,600,,,,,,\n\
                      theirs,L1,mbus,3,,,,,4号楼,,,\n\
                      nobodys,L2,mbus,1,,,,,,,,\n";

fn ask(node: &Node, args: &[&str]) -> Output {
    run(&[args, &["-o", "json", "--at", &node.address()]].concat())
}

fn told(node: &Node, args: &[&str]) -> Value {
    let output = ask(node, args);
    assert!(output.status.success(), "{args:?}: {}", complaint(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn import(node: &Node, dir: &Path, noun: &str, text: &str) -> Value {
    let file = dir.join("import.csv");
    std::fs::write(&file, text).expect("written");
    let output = ask(node, &[noun, "import", file.to_str().expect("text")]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complaint(&output)))
}

/// By what each meter is read and whose word that is, by name.
fn read_by(node: &Node) -> Vec<(String, String, String)> {
    let listed = told(node, &["meter", "list"]);
    let text = |meter: &Value, key: &str| meter[key].as_str().expect("text").to_owned();
    let meters = listed["meters"].as_array().expect("a list");
    meters.iter().map(|meter| (text(meter, "name"), text(meter, "schedule"), text(meter, "schedule_by"))).collect()
}

fn names(listed: &Value) -> Vec<&str> {
    listed["meters"].as_array().expect("a list").iter().filter_map(|meter| meter["name"].as_str()).collect()
}

async fn plant(dir: &Path) -> Vec<Node> {
    let nodes = cluster(dir, 1, "").await;
    assert_eq!(import(&nodes[0], dir, "line", LINES)["created"], 2);
    assert_eq!(import(&nodes[0], dir, "meter", METERS)["created"], 4);
    nodes
}

fn by(name: &str, schedule: &str, by: &str) -> (String, String, String) {
    (name.to_owned(), schedule.to_owned(), by.to_owned())
}

#[tokio::test]
async fn a_meter_is_found_by_its_place_and_says_by_whose_word_it_is_read() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = plant(dir.path()).await;
    let expected = [
        by("nobodys", "every 15m", "default"),
        by("older", "every 10m", "meter"),
        by("own", "every 15m in season; daily 00:00", "meter"),
        by("theirs", "every 1h", "line"),
    ];
    assert_eq!(read_by(&nodes[0]), expected);
    let found = told(&nodes[0], &["meter", "list", "--label", "station=S1", "--label", "building=3*"]);
    assert_eq!(names(&found), ["own"]);
    let own = &found["meters"][0];
    assert_eq!((own["identity"].as_str(), own["labels"]["region"].as_str()), (Some("12345678"), Some("north")));
    assert_eq!(own["labels"]["riser"], "east");
    assert_eq!(told(&nodes[0], &["line", "show", "L1"])["labels"]["station"], "S1");
}

#[tokio::test]
async fn importing_again_takes_back_what_is_left_out_and_a_fault_changes_nothing() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = plant(dir.path()).await;
    assert_eq!(import(&nodes[0], dir.path(), "meter", METERS)["unchanged"], 4);
    let both = "name,line,dialect,address,schedule,interval_s,building\nown,L1,mbus,1,hourly,,\"a,b\"\nolder,L1,mbus,2,daily 00:00,60,\n";
    let errors = import(&nodes[0], dir.path(), "meter", both)["errors"].clone();
    let faults: Vec<_> = errors.as_array().expect("a list").iter().map(|e| (&e["row"], &e["column"])).collect();
    let [one, two, building] = [Value::from(1), Value::from(2), Value::from("labels")];
    assert_eq!(faults, [(&one, &Value::from("schedule")), (&one, &building), (&two, &Value::from("schedule"))]);
    let less = "name,line,dialect,address\nown,L1,mbus,1\n";
    assert_eq!(import(&nodes[0], dir.path(), "meter", less)["updated"], 1);
    let own = told(&nodes[0], &["meter", "show", "own"]);
    assert_eq!((own["schedule"].as_str(), own["schedule_by"].as_str()), (Some("every 1h"), Some("line")));
    assert_eq!((own["identity"].as_str(), own["labels"].get("building")), (Some(""), None));
}

#[tokio::test]
async fn a_policy_shows_its_effect_and_asks_before_meters_get_other_slots() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = plant(dir.path()).await;
    let set = ["schedule", "set", "bills", "daily 00:00", "--for", "region=north"];
    let refused = ask(&nodes[0], &set);
    assert_eq!(refused.status.code(), Some(2));
    assert!(complaint(&refused).contains("2 of 4 enabled meters get other slots"), "{}", complaint(&refused));
    assert_eq!(told(&nodes[0], &["schedule", "list"])["policies"], Value::Array(vec![]));
    let done = told(&nodes[0], &[&set[..], &["--yes"]].concat());
    assert_eq!(done["meters_changed"], 2);
    let policy = told(&nodes[0], &["schedule", "get", "bills"]);
    assert_eq!((policy["selected"].as_u64(), policy["following"].as_u64()), (Some(4), Some(2)));
    assert!(read_by(&nodes[0]).contains(&by("theirs", "daily 00:00", "policy bills")));
    assert_eq!(told(&nodes[0], &[&set[..], &["--rank", "7"]].concat())["meters_changed"], 0, "nobody need be asked");
    assert_eq!(told(&nodes[0], &["schedule", "remove", "bills", "--yes"])["meters_changed"], 2);
    assert!(read_by(&nodes[0]).contains(&by("theirs", "every 1h", "line")));
    assert_eq!(ask(&nodes[0], &["schedule", "remove", "bills", "--yes"]).status.code(), Some(1));
}

#[tokio::test]
async fn the_calendar_decides_what_moments_words_name() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = plant(dir.path()).await;
    let set = ["calendar", "set", "--zone", "Asia/Shanghai", "--season", "11-15..03-15", "--yes"];
    // Only one meter's words go by the calendar.
    assert_eq!(told(&nodes[0], &set)["meters_changed"], 1);
    let seasons = told(&nodes[0], &["calendar", "set", "--season-of", "2026=2026-11-01..2027-04-05", "--yes"]);
    assert_eq!(seasons["meters_changed"], 1);
    let calendar = told(&nodes[0], &["calendar", "show"]);
    assert_eq!((calendar["zone"].as_str(), calendar["season"].as_str()), (Some("Asia/Shanghai"), Some("11-15..03-15")));
    assert_eq!(calendar["seasons"][0]["days"], "2026-11-01..2027-04-05");
    let shown = told(&nodes[0], &["schedule", "show", "own", "--slots", "200"]);
    let freezes = |slot: &&Value| slot["freeze"] == "day";
    let midnight = shown["slots"].as_array().expect("a list").iter().find(freezes).expect("a day has one");
    assert_eq!(midnight["begin"].as_u64().expect("a moment") % 86_400_000, 57_600_000, "midnight there is 16:00 UTC");
    let refused = ask(&nodes[0], &["calendar", "set", "--zone", "Asia/Peking", "--yes"]);
    assert!(!refused.status.success() && complaint(&refused).contains("Asia/Peking"), "{}", complaint(&refused));
}

#[test]
fn words_are_checked_without_a_cluster() {
    let output =
        run(&["schedule", "check", "every 15m in season; daily  00:00", "--zone", "Asia/Shanghai", "--slots", "3"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("every 15m in season; daily 00:00"), "{text}");
    let refused = run(&["schedule", "check", "hourly"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("every 15m"), "{}", complaint(&refused));
}
