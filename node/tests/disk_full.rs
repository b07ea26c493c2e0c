//! A node whose disk is full: real processes whose files cannot grow. It stops with a clear word, and what it had
//! acknowledged is there once there is room.

#![allow(clippy::indexing_slicing, reason = "tests know how many nodes they started")]

#[allow(dead_code, reason = "every test binary uses its own part")]
mod field;
mod harness;

use std::process::ExitStatus;

use protocol::api::admin::lines_client::LinesClient;
use protocol::api::admin::meters_client::MetersClient;
use protocol::api::admin::{ImportLinesRequest, ImportMetersRequest, LineSpec, MeterSpec};
use protocol::api::peer::PullRequest;
use protocol::api::peer::spool_client::SpoolClient;

use harness::{Node, eventually};

/// No file of the node can be larger, bytes.
const ROOM: u64 = 3 << 20;

async fn until_it_ends(node: &mut Node) -> ExitStatus {
    let began = std::time::Instant::now();
    loop {
        if let Some(status) = node.ended() {
            return status;
        }
        assert!(began.elapsed() < harness::PATIENCE, "it runs on");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn last_word(node: &Node) -> String {
    let log = std::fs::read_to_string(node.log()).expect("a log");
    log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

fn assert_told(node: &Node, status: ExitStatus, words: &[&str]) {
    let word = last_word(node);
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {word}");
    for expected in words {
        assert!(word.contains(expected), "\"{expected}\" is told: {word}");
    }
    println!("{word}");
}

/// Lines to gateways with 250 meters each, read every second.
async fn import_meters(node: &Node, lines: usize) {
    let ports: Vec<_> = (0..lines).map(|_| field::serve(1..=250)).collect();
    let line = |(n, port): (usize, &u16)| LineSpec {
        name: format!("L{n}"),
        endpoint: format!("tcp://127.0.0.1:{port}"),
        ..LineSpec::default()
    };
    let request = ImportLinesRequest { lines: ports.iter().enumerate().map(line).collect(), key: String::new() };
    LinesClient::new(node.channel()).import(request).await.expect("imported");
    let meter = |n: usize| MeterSpec {
        name: format!("M{n}"),
        line: format!("L{}", n / 250),
        dialect: "mbus".to_owned(),
        address: (n % 250 + 1).to_string(),
        interval_s: 1,
        ..MeterSpec::default()
    };
    let request = ImportMetersRequest { meters: (0..lines * 250).map(meter).collect(), key: String::new() };
    let reply = MetersClient::new(node.channel()).import(request).await.expect("imported").into_inner();
    assert_eq!(reply.errors, []);
}

/// The sequences in the node's spool.
async fn spooled(node: &Node) -> Vec<u64> {
    let (mut client, mut found) = (SpoolClient::new(node.channel()).max_decoding_message_size(1 << 25), Vec::new());
    let mut spool = 0;
    loop {
        let after = found.last().copied().unwrap_or_default();
        let request = PullRequest { spool, after, max_records: 5_000, max_bytes: 1 << 22, ..PullRequest::default() };
        let reply = client.pull(request).await.expect("pulled").into_inner();
        if reply.records.is_empty() {
            return found;
        }
        spool = reply.spool;
        found.extend(reply.records.iter().map(|record| record.sequence));
    }
}

#[tokio::test]
async fn a_spool_without_room_stops_the_node_with_a_clear_word_and_keeps_what_was_accepted() {
    let root = tempfile::tempdir().expect("a directory");
    let mut node = Node::new(root.path(), "n1", "[polling]\nstart_spread = \"0s\"");
    node.init();
    node.start_with_file_limit(ROOM);
    node.ready().await;
    import_meters(&node, 8).await;
    let mut accepted = 0;
    let began = std::time::Instant::now();
    while node.ended().is_none() {
        assert!(began.elapsed() < harness::PATIENCE, "it runs on with {accepted} records");
        if let Some(report) = node.status(true).await.and_then(|status| status.nodes.first()?.report.clone()) {
            accepted = accepted.max(report.readings_accepted + report.readings_missed);
        }
    }
    let status = until_it_ends(&mut node).await;
    assert_told(&node, status, &["spool.redb", "os error 27", "room", "start the node again"]);
    assert!(accepted > 1_000, "{accepted} were accepted");

    node.start();
    node.ready().await;
    let found = spooled(&node).await;
    assert!(found.len() as u64 >= accepted, "{} of {accepted} are there", found.len());
    assert!(found.iter().copied().eq(1..=found.len() as u64), "none is left out");
    assert!(node.stop().success());
}

/// Imports lines, `at_once` in one entry, until the node is gone; how many were acknowledged.
async fn import_until_it_ends(node: &mut Node, at_once: usize) -> usize {
    let (began, mut acknowledged) = (std::time::Instant::now(), 0);
    while node.ended().is_none() {
        assert!(began.elapsed() < harness::PATIENCE, "it runs on with {acknowledged} lines");
        let line = |n: usize| LineSpec {
            name: format!("L{}", acknowledged + n),
            endpoint: format!("tcp://nowhere-{}.invalid:1", acknowledged + n),
            ..LineSpec::default()
        };
        let request = ImportLinesRequest { lines: (0..at_once).map(line).collect(), key: String::new() };
        if let Ok(reply) = LinesClient::new(node.channel()).import(request).await {
            acknowledged += reply.into_inner().created as usize;
        }
    }
    acknowledged
}

async fn lines(node: &Node) -> usize {
    node.status(false).await.and_then(|status| status.lines).map_or(0, |lines| lines.total as usize)
}

#[tokio::test]
async fn a_log_without_room_stops_the_node_with_a_clear_word_and_keeps_what_was_agreed() {
    let root = tempfile::tempdir().expect("a directory");
    let mut node = Node::new(root.path(), "n1", "[raft]\nsnapshot_every = 1000000");
    node.init();
    node.start_with_file_limit(ROOM);
    node.ready().await;
    let acknowledged = import_until_it_ends(&mut node, 5_000).await;
    let status = until_it_ends(&mut node).await;
    let dir = node.data_dir.display().to_string();
    assert_told(&node, status, &["consensus", &dir, "os error 27", "room", "start the node again"]);
    assert!(acknowledged > 10, "{acknowledged} lines");

    node.start();
    node.ready().await;
    let found = eventually("the lines are there", || async { Some(lines(&node).await).filter(|n| *n >= acknowledged) });
    assert!(found.await <= acknowledged + 5_000, "one entry may have been agreed and not answered");
    assert!(node.stop().success());
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_stops_the_node_with_a_clear_word_and_keeps_what_was_agreed() {
    let root = tempfile::tempdir().expect("a directory");
    let mut node = Node::new(root.path(), "n1", "[raft]\nsnapshot_every = 50");
    node.init();
    node.start();
    node.ready().await;
    let place = std::fs::read_dir(&node.data_dir).expect("files").flatten().map(|entry| entry.path());
    let place = place.chain([node.data_dir.clone()]).map(|dir| dir.join("snapshots")).find(|dir| dir.is_dir());
    let place = place.expect("a place for snapshots");
    std::fs::remove_dir_all(&place).expect("removed");
    std::fs::write(&place, "in the way").expect("a file");
    let acknowledged = import_until_it_ends(&mut node, 1).await;
    let status = until_it_ends(&mut node).await;
    assert_told(&node, status, &["consensus", "snapshot", "start the node again"]);
    assert!(acknowledged > 10, "{acknowledged} lines");

    std::fs::remove_file(&place).expect("removed");
    node.start();
    node.ready().await;
    eventually("the lines are there", || async { Some(lines(&node).await).filter(|n| *n >= acknowledged) }).await;
    assert!(node.stop().success());
}
