//! `hearth scan` and `hearth line trace` against real nodes: asked of any of them, on lines that are polled and lines
//! that are not.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod field;
mod harness;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use harness::{Node, cluster, complaint, eventually, hearth, run};
use serde_json::Value;

/// Imports a line to a gateway, and waits until it is held; its owner's place among the nodes.
async fn add_line(nodes: &[Node], dir: &Path, port: u16, extra_answer_ms: u32) -> usize {
    let file = dir.join("lines.csv");
    let text =
        format!("name,endpoint,baud,extra_answer_ms,repeats\nL1,tcp://127.0.0.1:{port},38400,{extra_answer_ms},0\n");
    std::fs::write(&file, text).expect("written");
    let at = nodes[0].address();
    let imported = run(&["line", "import", file.to_str().expect("text"), "--at", &at]);
    assert!(imported.status.success(), "{}", complaint(&imported));
    let owner = eventually("the line is held", || async { owner(&nodes[0]).filter(|owner| *owner > 0) }).await;
    usize::try_from(owner).expect("few nodes") - 1
}

fn owner(node: &Node) -> Option<u64> {
    json(&run(&["line", "show", "L1", "-o", "json", "--at", &node.address()]))?["node"].as_u64()
}

fn add_meters(nodes: &[Node], dir: &Path, rows: &str) {
    let file = dir.join("meters.csv");
    std::fs::write(&file, format!("name,line,dialect,address,interval_s\n{rows}")).expect("written");
    let imported = run(&["meter", "import", file.to_str().expect("text"), "--at", &nodes[0].address()]);
    assert!(imported.status.success(), "{}", complaint(&imported));
}

fn json(output: &Output) -> Option<Value> {
    serde_json::from_slice(&output.stdout).ok()
}

fn addresses(scan: &Value, key: &str) -> Vec<String> {
    let meters = scan["meters"].as_array().expect("a list");
    meters.iter().filter_map(|meter| meter[key].as_str()).map(ToOwned::to_owned).collect()
}

/// Readings accepted and slots missed by all nodes.
async fn slots(node: &Node) -> (u64, u64) {
    let status = node.ready().await;
    let reports = status.nodes.iter().filter_map(|node| node.report.as_ref());
    reports.fold((0, 0), |(read, missed), report| (read + report.readings_accepted, missed + report.readings_missed))
}

fn start(args: &[&str]) -> Child {
    let child = hearth().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.expect("hearth starts")
}

#[tokio::test]
async fn an_empty_line_is_scanned_through_any_node_and_what_was_found_is_imported() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 2, "").await;
    add_line(&nodes, dir.path(), field::serve([3, 5, 41]), 5).await;
    let file = dir.path().join("found.csv");
    for node in &nodes {
        let (at, path) = (node.address(), file.to_str().expect("text"));
        let args = ["scan", "L1", "--to", "45", "--import-file", path, "--yes", "-o", "json", "--at", &at];
        let output = run(&args);
        assert!(output.status.success(), "{}", complaint(&output));
        let scan = json(&output).expect("JSON");
        let mut primaries = addresses(&scan, "primary");
        primaries.sort();
        assert_eq!(
            (primaries, &scan["complete"]),
            (vec!["3".to_owned(), "41".to_owned(), "5".to_owned()], &true.into())
        );
        assert!(scan["meters"].as_array().expect("a list").iter().all(|m| m["identity"]["manufacturer"] == "ELS"));
    }
    let again = run(&["scan", "L1", "--import-file", file.to_str().expect("text"), "--at", &nodes[0].address()]);
    assert_eq!(again.status.code(), Some(2), "nobody can be asked whether the file is overwritten");
    let imported = run(&["meter", "import", file.to_str().expect("text"), "--at", &nodes[0].address()]);
    assert!(imported.status.success(), "{}", complaint(&imported));
    let args = ["scan", "L1", "--method", "primary", "--to", "45", "-o", "json", "--at", &nodes[1].address()];
    let scan = json(&run(&args)).expect("JSON");
    assert_eq!(addresses(&scan, "known"), ["L1-3", "L1-5", "L1-41"]);
}

#[tokio::test]
async fn a_polled_line_is_scanned_and_traced_and_misses_no_slot() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 2, "").await;
    // Patient: whoever answers late on a busy machine is not missed.
    let owner = add_line(&nodes, dir.path(), field::serve(1..=12), 150).await;
    let polled: String = (1..=6).map(|n| format!("M{n},L1,mbus,{n},1\n")).collect();
    let by_secondary = format!("M7,L1,mbus,{:08X}15930104,1\n", field::id(7));
    add_meters(&nodes, dir.path(), &(polled + &by_secondary));
    let before =
        eventually("meters are read", || async { Some(slots(&nodes[0]).await).filter(|(read, _)| *read > 7) }).await;
    // Asked of the node that does not own the line.
    let at = nodes[1 - owner].address();
    let (path, args) = (dir.path().join("trace"), ["line", "trace", "L1", "--for", "5m", "-o", "json", "--at", &at]);
    let file = std::fs::File::create(&path).expect("a file can be made");
    let mut trace = hearth().args(args).stdout(file).spawn().expect("hearth starts");
    let output = run(&["scan", "L1", "--to", "40", "-o", "json", "--at", &at]);
    assert!(output.status.success(), "{}", complaint(&output));
    let scan = json(&output).expect("JSON");
    let mut primaries: Vec<u32> = addresses(&scan, "primary").iter().filter_map(|a| a.parse().ok()).collect();
    primaries.sort_unstable();
    assert_eq!(primaries, (1..=12).collect::<Vec<_>>());
    assert_eq!(addresses(&scan, "known").len(), 7, "{scan:#}");
    let after = slots(&nodes[0]).await;
    assert!(after.0 > before.0 && after.1 == before.1, "read and missed: {before:?}, then {after:?}");

    // For as long as the scan took, however busy the machine is.
    trace.kill().and_then(|()| trace.wait()).expect("it runs");
    let text = std::fs::read_to_string(&path).expect("text");
    let text = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert!(rows[0]["note"].as_str().is_some_and(|note| note.contains("owns the line")), "{}", rows[0]);
    let has = |kind: &str, text: &str| {
        rows.iter().any(|row| row["asker"]["kind"] == kind && row["text"].as_str().is_some_and(|t| t.contains(text)))
    };
    assert!(has("scan", "SELECT 10000001 1593 01 04") && has("scan", "SND_NKE to 40"));
    assert!(has("poll", "RSP_UD from 1: 10000001 ELS heat_outlet, 1 records, energy 1.234 MWh"));
    assert!(rows.iter().any(|row| row["asker"]["meter"] == "M7" && row["asker"]["slot"].as_u64().is_some()));
    assert!(rows.iter().all(|row| row["note"].is_null() || row["hex"].is_null()));
}

#[tokio::test]
async fn when_the_owner_stops_a_trace_follows_the_line_and_a_scan_ends_in_words() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut nodes = cluster(dir.path(), 3, "").await;
    let owner = add_line(&nodes, dir.path(), field::serve([1]), 400).await;
    add_meters(&nodes, dir.path(), "M1,L1,mbus,1,1\n");
    let at = nodes[(owner + 1) % 3].address();
    let mut trace = start(&["line", "trace", "L1", "-o", "json", "--at", &at]);
    let mut rows = BufReader::new(trace.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut row = || -> Value { serde_json::from_str(&rows.next().expect("the trace goes on")).expect("JSON") };
    let first = row();
    assert_eq!(first["note"], format!("node {} owns the line, epoch 1", owner + 1));
    let scan = start(&["scan", "L1", "--method", "primary", "--at", &at]);
    while row()["asker"]["kind"] != "scan" {}
    assert!(nodes[owner].stop().success());
    let next = loop {
        let row = row();
        if row["note"].is_string() {
            break row;
        }
    };
    assert!(next["note"].as_str().is_some_and(|note| !note.contains(&format!("node {} ", owner + 1))), "{next}");
    while row()["asker"]["kind"] != "poll" {}
    trace.kill().expect("it can be killed");
    trace.wait().expect("it ended");
    let scanned = scan.wait_with_output().expect("it ends by itself");
    assert_eq!(scanned.status.code(), Some(1), "{}", complaint(&scanned));
    let words = complaint(&scanned);
    assert!(words.contains("cut short") && words.contains("again"), "{words}");
}

#[tokio::test]
async fn a_line_that_is_down_does_not_exist_or_is_being_scanned_is_told() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 1, "").await;
    let at = nodes[0].address();
    let output = run(&["scan", "L1", "--at", &at]);
    assert_eq!((output.status.code(), complaint(&output).contains("line L1 does not exist")), (Some(1), true));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
    add_line(&nodes, dir.path(), gone, 0).await;
    let output = run(&["scan", "L1", "--at", &at]);
    assert_eq!(
        (output.status.code(), complaint(&output).contains("line-down")),
        (Some(1), true),
        "{}",
        complaint(&output)
    );
    for (args, told) in [
        (["--from", "9", "--to", "3"], "begin with the lower address"),
        (["--mask", "12", "--method", "secondary"], "8 digits of the identification"),
        (["--method", "tertiary", "--to", "3"], "primary, secondary, cjt188, modbus"),
    ] {
        let output = run(&[&["scan", "L1", "--at", &at][..], &args].concat());
        assert!(!output.status.success() && complaint(&output).contains(told), "{told}: {}", complaint(&output));
    }

    add_line(&nodes, dir.path(), field::serve([1]), 300).await;
    let mut first = start(&["scan", "L1", "--method", "primary", "--at", &at]);
    // Nothing else speaks on the line: the first row is of the scan.
    let row = run(&["line", "trace", "L1", "--count", "1", "--at", &at]);
    let row = String::from_utf8_lossy(&row.stdout).into_owned();
    assert!(row.contains("-> scan") && row.contains("SND_NKE to"), "{row}");
    let output = run(&["scan", "L1", "--to", "1", "--at", &at]);
    assert_eq!((output.status.code(), complaint(&output).contains("scanned already")), (Some(1), true));
    first.kill().expect("it can be killed");
    first.wait().expect("it ended");
    // Whoever asked is gone: the line is free within one probe.
    let free = || async {
        Some(run(&["scan", "L1", "--method", "primary", "--to", "1", "--at", &at])).filter(|o| o.status.success())
    };
    eventually("the line is free again", free).await;
}
