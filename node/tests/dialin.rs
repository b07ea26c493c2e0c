//! Units that call real nodes: whoever they call polls their line.

#![allow(clippy::indexing_slicing, reason = "tests know how many nodes they started")]

mod harness;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::{Node, cluster_of, complaint, eventually, free_port, hearth, run};
use protocol::api::admin::cluster_client::ClusterClient;
use protocol::api::admin::lines_client::LinesClient;
use protocol::api::admin::meters_client::MetersClient;
use protocol::api::admin::{
    DrainRequest, GetLineRequest, ImportLinesRequest, ImportMetersRequest, Line, LineSpec, MeterSpec,
};
use protocol::mbus::header::{Header, Status};
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const UNIT: &str = "12345678";
const WORD: &[u8] = b"1234567813800138000";

/// Three nodes with a port for units each, a dial-in line `D` and a meter on it that is read every second.
async fn cluster(root: &std::path::Path) -> (Vec<Node>, Vec<SocketAddr>) {
    let ports: Vec<SocketAddr> = (0..3).map(|_| SocketAddr::from(([127, 0, 0, 1], free_port()))).collect();
    let extras: Vec<String> = ports
        .iter()
        .map(|port| {
            format!("[[dialin]]\nlisten = \"{port}\"\nregister = [\"{{id:8d}}{{phone:11d}}\"]\nheartbeat = [\"FE\"]\n")
        })
        .collect();
    let nodes = cluster_of(root, &extras).await;
    let line = LineSpec { name: "D".to_owned(), endpoint: format!("dialin://{UNIT}"), ..LineSpec::default() };
    let request = ImportLinesRequest { lines: vec![line], key: String::new() };
    let reply = LinesClient::new(nodes[0].channel()).import(request).await.expect("imported").into_inner();
    assert_eq!(reply.errors, []);
    let meter = MeterSpec {
        name: "M".to_owned(),
        line: "D".to_owned(),
        dialect: "mbus".to_owned(),
        address: "1".to_owned(),
        interval_s: 1,
        ..MeterSpec::default()
    };
    let request = ImportMetersRequest { meters: vec![meter], key: String::new() };
    let reply = MetersClient::new(nodes[0].channel()).import(request).await.expect("imported").into_inner();
    assert_eq!(reply.errors, []);
    (nodes, ports)
}

/// A unit with one M-Bus meter: it calls one address until it is told to call another.
struct Unit {
    calls: JoinHandle<()>,
    /// How often its meter was read over the present connection and those before.
    read: Arc<AtomicU64>,
}

impl Unit {
    /// Calls `addresses` in turn, for ever.
    fn calling(addresses: Vec<SocketAddr>) -> Self {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&read);
        let calls = tokio::spawn(async move {
            for address in addresses.into_iter().cycle() {
                if let Ok(stream) = TcpStream::connect(address).await {
                    serve(stream, &counted).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { calls, read }
    }

    fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.calls.abort();
    }
}

/// Registers, and answers for its meter until the connection ends; a heartbeat comes in the midst of the first answer.
async fn serve(mut stream: TcpStream, read: &AtomicU64) {
    if stream.write_all(WORD).await.is_err() {
        return;
    }
    let mut piece = [0; 256];
    let mut first = true;
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        let request = &piece[..count];
        let answer = match request {
            [0x10, 0x40, 1, ..] => vec![0xE5],
            [0x10, 0x5B | 0x7B, 1, ..] => {
                read.fetch_add(1, Ordering::SeqCst);
                telegram(std::mem::take(&mut first))
            }
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn telegram(with_heartbeat: bool) -> Vec<u8> {
    let header = Header { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4, access: 9, status: Status(0) };
    let builder = ReplyBuilder::new(&header).energy(EnergyUnit::KilowattHour, 4711).power_watts(1200);
    let mut wire = builder.frame(1).expect("it fits").encode();
    if with_heartbeat {
        wire.insert(wire.len() / 2, 0xFE);
    }
    wire
}

async fn line(node: &Node) -> Option<Line> {
    let request = GetLineRequest { name: "D".to_owned() };
    let reply = tokio::time::timeout(Duration::from_secs(2), LinesClient::new(node.channel()).get(request)).await;
    Some(reply.ok()?.ok()?.into_inner())
}

/// The line, once node `owner` holds it; asked of `node`.
async fn held_by(node: &Node, owner: u64) -> Line {
    let held = || async { line(node).await.filter(|line| line.node == owner && line.to == 0) };
    eventually(&format!("node {owner} holds the line"), held).await
}

/// How many readings node `id` has accepted.
async fn accepted(node: &Node, id: u64) -> Option<u64> {
    let status = node.status(false).await?;
    Some(status.nodes.iter().find(|node| node.id == id)?.report.as_ref()?.readings_accepted)
}

/// Waits until node `id` accepts one more reading.
async fn goes_on(node: &Node, id: u64) {
    let before = eventually("the status tells readings", || accepted(node, id)).await;
    let more = || async { accepted(node, id).await.filter(|now| *now > before) };
    eventually(&format!("node {id} goes on reading"), more).await;
}

#[tokio::test]
async fn a_line_follows_its_unit_from_node_to_node_and_past_a_dead_one() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (mut nodes, ports) = cluster(dir.path()).await;
    let status = nodes[0].ready().await;
    let id = |n: usize| status.nodes.iter().find(|node| node.name == nodes[n].name).map_or(0, |node| node.id);
    let ids = [id(0), id(1), id(2)];

    let unit = Unit::calling(vec![ports[0]]);
    let at_first = held_by(&nodes[0], ids[0]).await;
    goes_on(&nodes[0], ids[0]).await;
    assert!(unit.read() > 0);
    let explained = || async {
        let why = line(&nodes[0]).await?.why;
        why.contains(&format!("its unit is connected to node {}", ids[0])).then_some(())
    };
    eventually("why says where the unit is", explained).await;
    drop(unit);

    let unit = Unit::calling(vec![ports[1]]);
    let moved = held_by(&nodes[0], ids[1]).await;
    assert_eq!(moved.epoch, at_first.epoch + 1);
    goes_on(&nodes[0], ids[1]).await;

    nodes[1].kill();
    drop(unit);
    let unit = Unit::calling(vec![ports[2]]);
    let rescued = held_by(&nodes[0], ids[2]).await;
    assert_eq!(rescued.epoch, moved.epoch + 1);
    goes_on(&nodes[0], ids[2]).await;
    drop(unit);
}

#[tokio::test]
async fn a_unit_that_calls_elsewhere_leaves_its_half_open_connection_behind() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (nodes, ports) = cluster(dir.path()).await;
    // It says who it is and is never heard again: nobody hung up.
    let mut half_open = eventually("node 1 takes the unit", || async {
        let mut stream = TcpStream::connect(ports[0]).await.ok()?;
        stream.write_all(WORD).await.ok()?;
        let held = line(&nodes[0]).await?.why.contains("is connected to node 1");
        let mut byte = [0];
        let open = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut byte)).await;
        (held || !matches!(open, Ok(Ok(0) | Err(_)))).then_some(stream)
    })
    .await;
    held_by(&nodes[0], 1).await;
    let unit = Unit::calling(vec![ports[1]]);
    held_by(&nodes[0], 2).await;
    goes_on(&nodes[0], 2).await;
    let ended = tokio::time::timeout(harness::PATIENCE, async {
        let mut piece = [0; 256];
        while matches!(half_open.read(&mut piece).await, Ok(1..)) {}
    });
    ended.await.expect("node 1 closes the connection that was replaced");
    drop(unit);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_unit_is_scanned_and_traced_where_the_unit_is_and_asked_of_any_node() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (nodes, ports) = cluster(dir.path()).await;
    let nowhere = run(&["scan", "D", "--method", "primary", "--to", "2", "--at", &nodes[0].address()]);
    assert!(!nowhere.status.success() && complaint(&nowhere).contains("no owner"), "{}", complaint(&nowhere));
    let unit = Unit::calling(vec![ports[1]]);
    let status = nodes[0].ready().await;
    let owner = status.nodes.iter().find(|node| node.name == nodes[1].name).map_or(0, |node| node.id);
    held_by(&nodes[0], owner).await;
    goes_on(&nodes[0], owner).await;
    let at = nodes[0].address();
    let mut trace = hearth();
    trace.args(["line", "trace", "D", "-o", "json", "--at", &at]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut trace = trace.spawn().expect("hearth starts");
    let rows = BufReader::new(trace.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut rows = rows.map(|row| serde_json::from_str::<Value>(&row).expect("one object a line"));
    let first = rows.next().expect("the trace begins");
    assert!(
        first["note"].as_str().is_some_and(|note| note.contains(&format!("node {owner} owns the line"))),
        "{first}"
    );
    let scan = run(&["scan", "D", "--method", "primary", "--to", "3", "-o", "json", "--at", &at]);
    assert!(scan.status.success(), "{}", complaint(&scan));
    let scan: Value = serde_json::from_slice(&scan.stdout).expect("JSON");
    let meters = scan["meters"].as_array().expect("a list");
    let told: Vec<_> = meters.iter().map(|meter| (&meter["address"], &meter["identity"]["id"])).collect();
    assert_eq!(told, [(&"1".into(), &"12345678".into())], "{scan:#}");
    let is_told = |row: &Value| row["asker"]["kind"] == "scan" && row["text"] == "SND_NKE to 3";
    assert!(rows.any(|row| is_told(&row)));
    trace.kill().expect("it can be killed");
    trace.wait().expect("it ended");
    drop(unit);
}

#[tokio::test]
async fn a_draining_node_sends_its_units_to_others() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (nodes, ports) = cluster(dir.path()).await;
    let unit = Unit::calling(vec![ports[0], ports[1]]);
    let first = eventually("the unit is read", || async {
        let held = line(&nodes[0]).await.filter(|line| line.why.contains("its unit is connected to node"))?;
        (unit.read() > 0).then_some(held.node)
    })
    .await;
    let request = DrainRequest { node: first, key: String::new() };
    ClusterClient::new(nodes[2].channel()).drain(request).await.expect("it drains");
    let other = 3 - first;
    held_by(&nodes[2], other).await;
    goes_on(&nodes[2], other).await;
}

#[tokio::test]
async fn a_stopping_node_sends_its_units_to_others_and_its_next_life_begins_without_them() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (mut nodes, ports) = cluster(dir.path()).await;
    let unit = Unit::calling(vec![ports[1], ports[2]]);
    let first = eventually("the unit is read", || async {
        let held = line(&nodes[0]).await.filter(|line| line.why.contains("its unit is connected to node"))?;
        (unit.read() > 0 && held.to == 0).then_some(held.node)
    })
    .await;
    let stopping = usize::try_from(first - 1).expect("small");
    assert!(nodes[stopping].stop().success());
    let other = 5 - first;
    let moved = held_by(&nodes[0], other).await;
    goes_on(&nodes[0], other).await;
    nodes[stopping].start();
    nodes[stopping].ready().await;
    assert_eq!(held_by(&nodes[0], other).await.epoch, moved.epoch);
    // Killed with its unit, and back at once: the unit was not with its new life before it calls.
    nodes[usize::try_from(other - 1).expect("small")].kill();
    drop(unit);
    nodes[usize::try_from(other - 1).expect("small")].start();
    let gone = || async { line(&nodes[0]).await.filter(|line| line.why.contains("is not connected to any node")) };
    eventually("the earlier life's word is void", gone).await;
}

#[tokio::test]
async fn a_unit_without_a_line_is_listed_with_the_node_it_called() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (nodes, ports) = cluster(dir.path()).await;
    let called = || async {
        let mut stream = TcpStream::connect(ports[1]).await.ok()?;
        stream.write_all(b"8765432113800138000").await.ok()?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let status = nodes[0].status(false).await?;
        let node = status.nodes.iter().find(|node| node.name == nodes[1].name)?;
        (!node.report.as_ref()?.unknown_units.is_empty()).then_some((node.id, stream))
    };
    let (id, _stream) = eventually("node 2 tells of it", called).await;
    let output = harness::run(&["line", "unregistered", "--at", &nodes[0].address(), "-o", "json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", harness::complaint(&output));
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told["units"][0]["unit"], "87654321");
    assert_eq!(told["units"][0]["node"], id);
    let output = harness::run(&["status", "--at", &nodes[0].address()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("dialin://87654321"));
}
