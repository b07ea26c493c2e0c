//! A line that was down over freezes, a meter that kept them: real processes, a real MariaDB, a CJ/T 188 meter that is asked
//! for its months, and the accounts afterwards.
//!
//! Nobody waits for a month to end: the meter's duty is proposed as one that began ten weeks ago, by the peers' own call,
//! and the accounts are opened that far back.

#![allow(clippy::indexing_slicing, reason = "the harness knows how many nodes it started")]

mod harness;
mod server;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use harness::{Node, complaint, eventually, free_port, run};
use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use protocol::api::peer::ProposeRequest;
use protocol::api::peer::cluster_client::ClusterClient;
use protocol::cjt188::frame::Scanner;
use protocol::cjt188::heat::{Heat, Shown, Status};
use protocol::cjt188::slave::{Counts, Slave};
use protocol::cjt188::total::Total;
use protocol::cjt188::unit::UnitCode;
use protocol::meter::{Address, CivilTime};
use raft_store::codec::encode_entry;
use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, UnixMillis};
use server::Server;

const NUMBER: [u8; 7] = [0x12, 0x34, 0, 0, 0, 0, 0x07];
/// A model of nobody's, like the generic one but that it says how months are kept.
const PROFILE: &str = "name = 'keeps-months'\ndialect = 'cjt188'\nsource = 'a test'\nmeter_type = 0x20\n\
                       read_di = [0x1F, 0x90]\nvalve_di = [0xA0, 0x17]\n\
                       months = { settles = 'begins', first = 'latest' }\n\
                       [[column]]\nquantity = 'energy'\nfield = 'energy'\ndecimals = 2\n";
/// kWh at the last settlements, the latest first.
const KEPT: [u32; 4] = [300, 200, 100, 0];
const WEEKS: i64 = 10;
const SETTINGS: &str = "[polling]\nspread_percent = 0\nreconnect_max = \"300ms\"\n\n\
                        [ledger]\nevery = \"500ms\"\n\n[backfill]\nask_every = \"500ms\"\n";

fn now() -> Zoned {
    Timestamp::now().to_zoned(TimeZone::UTC)
}

/// The first, or the second where the first is about to come: no month ends while the test runs.
fn settlement_day() -> u8 {
    if now().day() == now().days_in_month() { 2 } else { 1 }
}

fn civil(time: &Zoned) -> CivilTime {
    let small = |n: i8| n.unsigned_abs();
    let (year, month, day) = (time.year().unsigned_abs(), small(time.month()), small(time.day()));
    let (hour, minute, second) = (small(time.hour()), small(time.minute()), small(time.second()));
    CivilTime { year, month, day, hour, minute, second }
}

/// What it shows now.
fn counts() -> Counts {
    let shown = |digits, unit| Shown { digits: Some(digits), unit };
    Counts::Heat(Heat {
        settled: shown(0, UnitCode::KWh),
        energy: shown(40_000, UnitCode::KWh),
        power: shown(0, UnitCode::KW),
        flow: shown(0, UnitCode::M3PerHour),
        volume: shown(0, UnitCode::M3),
        supply_temp: Some(6514),
        return_temp: Some(4115),
        hours: Some(28),
        clock: Some(civil(&now())),
        status: Status([0, 0]),
    })
}

/// The gateway comes back, with the meter behind it.
fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let total = |kwh: u32| Total(Shown { digits: Some(kwh * 100), unit: UnitCode::KWh });
    let months = KEPT.map(total).to_vec();
    let slave = Slave { months, settlement_day: Some(settlement_day()), ..Slave::new(NUMBER, 0x20, counts()) };
    let slave = Arc::new(std::sync::Mutex::new(slave));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut scanner, mut piece) = (Scanner::new(), [0; 256]);
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                scanner.push(piece.get(..count).expect("as much was read"));
                while let Some(frame) = scanner.next() {
                    let Ok(frame) = frame else { continue };
                    let mut slave = slave.lock().expect("no meter panics");
                    slave.counts = counts();
                    let answer = slave.answer(&frame).map(|answer| answer.encode()).unwrap_or_default();
                    if stream.write_all(&answer).is_err() {
                        break;
                    }
                }
            }
        }
    });
}

/// A line at `port` and its meter, due by `schedule` since `since`.
fn inventory(port: u16, schedule: &str, since: UnixMillis) -> [Entry; 2] {
    let line = LineSpec {
        name: "north".to_owned(),
        endpoint: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port },
        baud: 9600,
        parity: Parity::Even,
        extra_answer_ms: 200,
        repeats: 1,
        requires: BTreeMap::new(),
    };
    let meter = MeterSpec {
        name: "m1".to_owned(),
        line: line.name.clone(),
        address: Address::Cjt188(NUMBER),
        profile: Some("keeps-months".to_owned()),
        schedule: Schedule { interval_s: 3600, offset_s: 0 },
        enabled: true,
    };
    let own = Own::Words(schedule.parse().expect("a schedule"));
    let detail = MeterDetail { schedule: own, ..MeterDetail::default() };
    [
        Entry::RegisterLines { at: since, lines: vec![(line, LineDetail::default())] },
        Entry::RegisterMeters { at: since, meters: vec![(meter, detail)] },
    ]
}

async fn propose(node: &Node, cluster: &str, entry: &Entry) {
    let entry_record = encode_entry(entry).expect("it is an entry");
    let mut request = tonic::Request::new(ProposeRequest { entry_record });
    request.metadata_mut().insert("hearth-cluster", cluster.parse().expect("an id"));
    ClusterClient::new(node.channel()).propose(request).await.expect("it is applied");
}

/// Gives a table a day as old as `since`: slots of days that it does not have are not accounted for.
fn begin_earlier(server: &Server, table: &str, since: &str) {
    let first = server.sql(&format!(
        "SELECT partition_name, partition_description FROM information_schema.partitions WHERE table_schema = 'hearth' \
         AND table_name = '{table}' AND partition_name LIKE 'p2%' ORDER BY 1 LIMIT 1"
    ));
    let first = first.expect("it has days");
    let (name, ends) = first.trim().split_once('\t').expect("a name and an end");
    let day = since.get(..10).expect("a date");
    let early = day.replace('-', "");
    let split = format!(
        "ALTER TABLE {table} REORGANIZE PARTITION {name} INTO (PARTITION p{early} VALUES LESS THAN ('{day} 23:59:59'), \
         PARTITION {name} VALUES LESS THAN ({ends}))"
    );
    server.sql(&split).expect("it is split");
}

/// A node that knows what is due since then, and was started again with its accounts opened that far back: while it ran, they
/// were about to pass over a time of which they had not been told yet.
async fn node(dir: &Path, server: &Server, entries: &[Entry], since: &str) -> Node {
    let profiles = dir.join("profiles");
    std::fs::create_dir(&profiles).expect("a folder");
    std::fs::write(profiles.join("months.toml"), PROFILE).expect("a file");
    let more = ["--profiles", profiles.to_str().expect("a plain path")];
    let settings = format!("[mysql]\nendpoints = [\"{}\"]\n\n{SETTINGS}", server.url());
    let mut node = Node::new(dir, "n1", &settings);
    node.init();
    node.start_with(&more);
    let cluster = node.ready().await.cluster_id;
    for entry in entries {
        propose(&node, &cluster, entry).await;
    }
    let is_told =
        || async { server.sql("SELECT made_to FROM schedule WHERE made_to > 0").filter(|made| !made.is_empty()) };
    eventually("the accounts know the meter", is_told).await;
    node.stop();
    let reopen = format!(
        "UPDATE schedule SET made_from = NULL, made_to = NULL; \
         UPDATE ledger_horizon SET begins = '{since}', horizon = '{since}'"
    );
    server.sql(&reopen).expect("they are there");
    ["reading", "missed"].iter().for_each(|table| begin_earlier(server, table, since));
    node.start_with(&more);
    node.ready().await;
    node
}

#[tokio::test]
async fn freezes_that_a_line_was_down_over_come_from_the_meters_months_and_are_counted_as_backfilled() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let Some(server) = Server::start(&dir.path().join("database")) else { return };
    let since = now().checked_sub(WEEKS.weeks()).expect("a moment");
    let words = since.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let (port, day) = (free_port(), settlement_day());
    let schedule = format!("every 6h; daily 00:00; monthly {day} 00:00");
    let since = UnixMillis(since.timestamp().as_millisecond().unsigned_abs());
    let node = node(dir.path(), &server, &inventory(port, &schedule, since), &words).await;
    let months = |outcome: &str| {
        let sql = format!("SELECT COUNT(*) FROM slot_ledger WHERE freeze_of = 2 AND outcome = '{outcome}'");
        server.sql(&sql).and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0)
    };
    let all_missed = || async { Some(months("missed")).filter(|missed| *missed >= 2) };
    let missed = eventually("the freezes are missed while the line is down", all_missed).await;

    serve(port);
    let filled = || async { (months("backfilled") == missed).then_some(()) };
    eventually("the freezes are backfilled", filled).await;
    assert_eq!(months("missed"), 0);

    let energies = "SELECT energy_joule DIV 3600000, quality, HOUR(slot), DAY(slot), DATE_FORMAT(meter_time, '%d %H:%i'), \
                    raw <> '' FROM reading WHERE quality & 4096 ORDER BY slot DESC";
    let rows = server.sql(energies).expect("rows");
    let rows: Vec<_> = rows.lines().map(str::to_owned).collect();
    let expected = KEPT.iter().map(|kwh| format!("{kwh}\t4096\t0\t{day}\t{day:02} 00:00\t1"));
    assert_eq!(rows, expected.take(missed).collect::<Vec<_>>());
    let marks = "SELECT COUNT(*) FROM missed x JOIN reading r USING (meter_id, slot, kind)";
    assert_eq!(server.sql(marks).as_deref(), Some("0\n"), "no mark stands beside a reading");

    let from = words.replace(' ', "T") + "Z";
    let counted = run(&["ledger", "--from", &from, "-o", "json", "--at", &node.address()]);
    assert!(counted.status.success(), "{}", complaint(&counted));
    let counted: serde_json::Value = serde_json::from_slice(&counted.stdout).expect("JSON");
    let number = |name: &str| counted.get("total")?.get(name)?.as_u64();
    assert_eq!((number("backfilled"), number("unaccounted")), (Some(missed as u64), Some(0)), "{counted}");
}
