//! A user adds a meter model by writing one file: checked, served, and readings stored by its columns.

#![allow(clippy::indexing_slicing, reason = "tests know what they wrote")]

mod harness;

use std::path::{Path, PathBuf};

use harness::{Node, complaint, eventually, run};
use prost::Message as _;
use protocol::api::admin::commands_client::CommandsClient;
use protocol::api::admin::lines_client::LinesClient;
use protocol::api::admin::meters_client::MetersClient;
use protocol::api::admin::{
    GetCommandRequest, ImportLinesRequest, ImportMetersRequest, LineSpec, MeterSpec, SubmitCommandRequest,
};
use protocol::api::peer::spool_client::SpoolClient;
use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{PullRequest, SpoolRecord, SpooledReading};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The telegram of a real Engelmann WaterStar at address 11: 0.332 m3 now, 0.331 m3 at the last set day.
const WATERSTAR: &str = "68515168080B7254029904C51400060C27000004782E254C00046D0A0CCD1304134C01000044134B0100008401134C010000\
                         426CBF1C026CDF1C043B00000000143B160800000223A70401FD1700049028080000003F16";

/// The profile that the manual explains: it reads the set day's volume, so that nobody takes it for the generic one.
fn waterstar() -> String {
    let manual = include_str!("../../docs/profiles.md");
    let text = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    text.expect("the manual shows a profile").to_owned()
}

fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

fn check(path: &Path) -> (Option<i32>, String, String) {
    let output = run(&["profile", "check", path.to_str().expect("text")]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), complaint(&output))
}

fn json(args: &[&str]) -> Value {
    let output = run(&[args, &["-o", "json"]].concat());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_sound_profile_passes_and_one_that_differs_says_what_was_expected_and_what_came() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let good = written(dir.path(), "good.toml", &waterstar());
    let (code, told, _) = check(&good);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("EFE, version 0, medium 6") && told.contains("golden 1  read-now  ok"), "{told}");
    let bad = written(dir.path(), "bad.toml", &waterstar().replace("331000", "332000"));
    let (code, told, _) = check(&bad);
    assert!(code == Some(1) && told.contains("volume: expected 332000, got 331000"), "{told}");
    let both = json(&["profile", "check", good.to_str().expect("text"), bad.to_str().expect("text")]);
    let differences = &both["profiles"][1]["golden"][0]["differences"];
    assert_eq!(both["profiles"][0]["ok"], true);
    assert_eq!(differences[0], serde_json::json!({"what": "volume", "expected": "332000", "got": "331000"}));
}

#[test]
fn what_is_not_understood_or_was_never_held_against_a_meter_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let misspelt = written(dir.path(), "misspelt.toml", &waterstar().replace("storage = 1", "storrage = 1"));
    let (code, _, told) = check(&misspelt);
    let line = waterstar().lines().take_while(|line| !line.starts_with("storage")).count() + 1;
    let named = [&format!("misspelt.toml, line {line}"), "storrage", "`storage`"];
    assert!(code == Some(1) && named.iter().all(|part| told.contains(part)), "{told}");
    let uncovered = waterstar().split("[[golden]]").next().expect("a split has a first part").to_owned();
    let (code, told, _) = check(&written(dir.path(), "uncovered.toml", &uncovered));
    assert!(code == Some(1) && told.contains("add one that a meter of the model was heard to say"), "{told}");
    let unknown = waterstar().replace("\"EFE\"", "\"KAM\"");
    let (code, told, _) = check(&written(dir.path(), "unknown.toml", &unknown));
    assert!(code == Some(1) && told.contains("recognised as: expected waterstar, got mbus-generic"), "{told}");
    let (code, _, told) = check(&dir.path().join("nowhere.toml"));
    assert!(code == Some(1) && told.contains("nowhere.toml"), "{told}");
}

#[test]
fn what_show_writes_is_a_profile_that_passes_and_list_says_where_each_is_from() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let own = written(dir.path(), "waterstar.toml", &waterstar());
    let copies = tempfile::tempdir().expect("a scratch directory");
    let folder = dir.path().to_str().expect("text");
    let listed = json(&["profile", "list", "--profiles", folder]);
    let profiles = listed["profiles"].as_array().expect("a list");
    for profile in profiles {
        let name = profile["name"].as_str().expect("a name");
        let is_own = name == "waterstar";
        assert_eq!(profile["origin"], if is_own { own.to_str().expect("text") } else { "built-in" });
        let shown = run(&["profile", "show", name, "--profiles", folder]);
        let path = written(copies.path(), "copy.toml", &String::from_utf8_lossy(&shown.stdout));
        let (code, told, complaint) = check(&path);
        assert_eq!(code, Some(0), "{name}: {told}{complaint}");
    }
    assert!(profiles.len() > 12, "{}", profiles.len());
    let refused = run(&["profile", "show", "waterstar"]);
    assert!(refused.status.code() == Some(1) && complaint(&refused).contains("hearth profile list"));
}

#[test]
fn a_node_with_a_profile_that_is_not_understood_does_not_start_and_names_the_file() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let node = Node::new(dir.path(), "n1", "");
    node.init();
    written(dir.path(), "bad.toml", "name = \"bad\"\n");
    let config = node.config.to_str().expect("text");
    let output = run(&["serve", "--config", config, "--profiles", dir.path().to_str().expect("text")]);
    let text = complaint(&output);
    assert!(output.status.code() == Some(1) && text.contains("bad.toml") && text.contains("dialect"), "{text}");
}

/// A water meter at the end of a TCP line that says `telegram` to every read, whatever it is asked before.
async fn meter(telegram: &str) -> String {
    let telegram = bytes(telegram);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let telegram = telegram.clone();
            tokio::spawn(async move {
                let mut request = [0; 5];
                while stream.read_exact(&mut request).await.is_ok() {
                    let reply: &[u8] = if request[1] == 0x40 { &[0xE5] } else { &telegram };
                    stream.write_all(reply).await.expect("the master listens");
                }
            });
        }
    });
    at
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

async fn import(node: &Node, lines: &[(&str, &str)], profiles: &[(&str, &str)]) -> Vec<String> {
    let line = |(name, endpoint): &(&str, &str)| LineSpec {
        name: (*name).to_owned(),
        endpoint: (*endpoint).to_owned(),
        ..LineSpec::default()
    };
    let request = ImportLinesRequest { lines: lines.iter().map(line).collect(), key: String::new() };
    let reply = LinesClient::new(node.channel()).import(request).await.expect("imported").into_inner();
    assert_eq!(reply.errors, []);
    let meter = |(line, profile): &(&str, &str)| MeterSpec {
        name: format!("meter on {line}"),
        line: (*line).to_owned(),
        dialect: "mbus".to_owned(),
        address: "11".to_owned(),
        profile: (*profile).to_owned(),
        interval_s: 24 * 3600,
        ..MeterSpec::default()
    };
    let request = ImportMetersRequest { meters: profiles.iter().map(meter).collect(), key: String::new() };
    let reply = MetersClient::new(node.channel()).import(request).await.expect("answered").into_inner();
    reply.errors.iter().map(|error| format!("row {} {}: {}", error.row, error.column, error.message)).collect()
}

/// Reads the meter now; what the command says in the end.
async fn read_now(node: &Node, line: &str) -> String {
    let request = SubmitCommandRequest {
        meter: format!("meter on {line}"),
        action: "read-now".to_owned(),
        deadline_ms: 60_000,
        key: line.to_owned(),
    };
    let id = node.commands().submit(request).await.expect("queued").into_inner().id;
    let ended = || async {
        let reply = CommandsClient::new(node.channel()).get(GetCommandRequest { id }).await.ok()?.into_inner();
        (!matches!(reply.state.as_str(), "queued" | "running")).then_some(reply)
    };
    let command = eventually("the command ends", ended).await;
    assert_eq!(command.state, "verified", "{}", command.detail);
    command.detail
}

/// What the node's outbox holds of readings that a command asked for.
async fn stored(node: &Node) -> Vec<SpooledReading> {
    let request = PullRequest { spool: 0, after: 0, max_records: 100, max_bytes: 1 << 20, ..PullRequest::default() };
    let reply = SpoolClient::new(node.channel()).pull(request).await.expect("pulled").into_inner();
    let records = reply.records.into_iter().map(|spooled| SpoolRecord::decode(spooled.record).expect("a record"));
    let contents = records.filter(|record| record.kind() == Kind::OnDemand).filter_map(|record| record.content);
    let reading = |content| if let Content::Reading(reading) = content { Some(reading) } else { None };
    contents.filter_map(reading).collect()
}

#[tokio::test]
async fn a_model_added_by_one_file_is_recognised_or_named_and_its_readings_are_stored_by_its_columns() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let folder = dir.path().join("profiles");
    std::fs::create_dir(&folder).expect("made");
    written(&folder, "waterstar.toml", &waterstar());
    let generic = run(&["profile", "show", "mbus-generic"]);
    written(&folder, "generic.toml", &String::from_utf8_lossy(&generic.stdout));
    let mut node = Node::new(dir.path(), "n1", "");
    node.init();
    node.start_with(&["--profiles", folder.to_str().expect("text")]);
    node.ready().await;
    let log = std::fs::read_to_string(node.log()).expect("it has a log");
    let stands_in = |line: &str| line.contains("mbus-generic") && line.contains("generic.toml");
    assert!(log.lines().any(|line| stands_in(line) && line.contains("stands in for the built-in profile")), "{log}");

    let (first, second, third) = (meter(WATERSTAR).await, meter(WATERSTAR).await, meter(WATERSTAR).await);
    let lines = [("first", first.as_str()), ("second", second.as_str()), ("third", third.as_str())];
    let refused = import(&node, &lines, &[("first", ""), ("second", "watrstar")]).await;
    assert!(refused.len() == 1 && refused[0].starts_with("row 2 profile: profile \"watrstar\""), "{refused:?}");
    assert!(refused[0].contains("mbus-generic") && refused[0].contains("waterstar"), "{refused:?}");
    let meters = [("first", ""), ("second", "waterstar"), ("third", "mbus-generic")];
    assert_eq!(import(&node, &lines, &meters).await, Vec::<String>::new());

    assert_eq!(read_now(&node, "first").await, "volume 0.331 m3 (waterstar)");
    assert_eq!(read_now(&node, "second").await, "volume 0.331 m3 (waterstar)");
    assert_eq!(read_now(&node, "third").await, "volume 0.332 m3 (mbus-generic)");
    let volumes = |reading: &SpooledReading| {
        reading.values.iter().filter(|value| value.quantity == 3).map(|value| value.value).collect::<Vec<_>>()
    };
    let stored = stored(&node).await;
    let by_column: Vec<_> = stored.iter().filter(|reading| reading.values.len() == 1).flat_map(volumes).collect();
    let generic: Vec<_> = stored.iter().filter(|reading| reading.values.len() > 1).flat_map(volumes).collect();
    assert_eq!((by_column, generic), (vec![331_000, 331_000], vec![332_000]));
}
