use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use protocol::api::admin::database_status::State as DatabaseState;
use protocol::api::peer::SpoolRecord;
use protocol::meter::{Address, LineId, MeterId};
use raft_store::state::registry::{Endpoint, Line, LineSpec, Meter, Parity, Schedule};

use super::site::{Leader, Odd, Outbox, assert_stored, config, until};
use super::{NINE, reading};
use crate::config::Mysql;
use crate::mysql::CommandRow;
use crate::mysql::testing::Place;

#[tokio::test]
async fn what_every_node_accepted_is_in_the_database_and_forgotten_by_its_spool() {
    let Some(place) = Place::shared().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let outboxes = futures::future::join_all(dirs.iter().map(|dir| Outbox::open(dir.path()))).await;
    let leader = Leader::start(&config(place.config()), &outboxes.iter().collect::<Vec<_>>());
    let mut commits = leader.board.commits(None);
    let mut all = Vec::new();
    for (outbox, node) in outboxes.iter().zip(0..) {
        let records: Vec<_> = (0..200).map(|n| reading(node * 100 + n % 100, n / 100)).collect();
        outbox.append(&records).await;
        all.extend(records);
    }
    for outbox in &outboxes {
        outbox.until_empty().await;
    }
    assert_stored(&place, &all).await;
    let status = leader.board.database();
    assert_eq!((status.state, status.rows_written), (DatabaseState::Ok.into(), 600));
    assert!(status.last_commit_at > 0 && place.url("root").contains(&status.endpoint), "{status:?}");
    for _ in 0..600 {
        commits.next().await.unwrap();
    }
    leader.stop().await;
}

#[tokio::test]
async fn a_reading_that_comes_while_a_backlog_is_drained_does_not_wait_for_its_end() {
    let Some(place) = Place::shared().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    let backlog: Vec<_> = (0..2_000).map(|n| reading(n, 0)).collect();
    outbox.append(&backlog).await;
    // A record a transaction: the backlog takes seconds.
    let narrow = Mysql { batch_rows: 1, gather_rows: 1, pulls_ahead: 3, lane_records: 100, ..place.config() };
    let soon = Mysql { fresh_every: Duration::from_millis(50), ..narrow };
    let leader = Leader::start(&config(soon), &[&outbox]);
    let mut commits = leader.board.commits(None);
    commits.next().await.unwrap();
    let fresh = reading(9_999, 1);
    outbox.append(std::slice::from_ref(&fresh)).await;
    let mut before = 0;
    while *commits.next().await.unwrap() != fresh {
        before += 1;
    }
    assert!(before < 1_000, "{before} of the backlog were written first");
    assert!(outbox.spool.pressure().records > 1_000, "what is fresh is not forgotten before what is old");
    outbox.until_empty().await;
    assert_stored(&place, &[backlog, vec![fresh]].concat()).await;
    leader.stop().await;
}

#[tokio::test]
async fn a_slow_server_is_given_so_little_of_a_backlog_at_once_that_what_is_fresh_waits_no_longer() {
    let Some(place) = Place::shared().await else { return };
    place.migrated().await;
    place.sql("CREATE TRIGGER slow BEFORE INSERT ON reading FOR EACH ROW SET @slow = SLEEP(0.0005)").await;
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    let backlog: Vec<_> = (0..30_000).map(|n| reading(n, 0)).collect();
    outbox.append(&backlog).await;
    let slow =
        Mysql { batch_rows: 500, gather_time: Duration::from_millis(500), lane_records: 5_000, ..place.config() };
    // All of the backlog can wait at once.
    let soon = Mysql { fresh_every: Duration::from_millis(50), pulls_ahead: 60, ..slow };
    let leader = Leader::start(&config(soon), &[&outbox]);
    let rows = async || place.sql("SELECT COUNT(*) FROM reading").await[0].parse::<u64>().unwrap();
    // All that is pulled ahead waits by now.
    until("some of it is written", async || rows().await >= 5_000).await;
    let fresh = reading(99_999, 1);
    let written = rows().await;
    outbox.append(std::slice::from_ref(&fresh)).await;
    let is_there = "SELECT meter_id FROM reading WHERE meter_id = 99999";
    until("what is fresh is written", async || !place.sql(is_there).await.is_empty()).await;
    let before = rows().await - written;
    assert!(before < 5_000, "{before} of the backlog were written first");
    place.sql("DROP TRIGGER slow").await;
    outbox.until_empty().await;
    assert_stored(&place, &[backlog, vec![fresh]].concat()).await;
    leader.stop().await;
}

#[tokio::test]
async fn two_writers_at_once_and_a_new_one_later_leave_every_record_once() {
    let Some(place) = Place::shared().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    let records: Vec<_> = (0..500).map(|n| reading(n % 50, n / 50)).collect();
    outbox.append(&records[..400]).await;
    let config = config(place.config());
    let (old, new) = (Leader::start(&config, &[&outbox]), Leader::start(&config, &[&outbox]));
    outbox.until_empty().await;
    old.stop().await;
    outbox.append(&records[400..]).await;
    outbox.until_empty().await;
    new.stop().await;
    outbox.append(&records[..10]).await;
    let third = Leader::start(&config, &[&outbox]);
    outbox.until_empty().await;
    assert_stored(&place, &records).await;
    third.stop().await;
}

#[tokio::test]
async fn a_record_no_table_takes_is_set_aside_and_holds_nothing_up() {
    let Some(place) = Place::shared().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    let good = [reading(1, 0), reading(2, 0)];
    let poison = SpoolRecord { kind: 0, ..reading(3, 0) };
    outbox.append(&[good[0].clone(), poison, good[1].clone()]).await;
    let leader = Leader::start(&config(place.config()), &[&outbox]);
    let mut commits = leader.board.commits(None);
    outbox.until_empty().await;
    assert_stored(&place, &good).await;
    assert_eq!(place.sql("SELECT meter_id FROM rejected").await, ["3"]);
    let status = leader.board.database();
    assert_eq!((status.rows_written, status.rows_rejected), (2, 1));
    let shown = [commits.next().await.unwrap(), commits.next().await.unwrap()];
    assert_eq!(shown.map(Arc::unwrap_or_clone), good, "what was set aside is not shown as committed");
    assert!(leader.metrics.exposition().contains("hearth_rows_rejected_total 1"));
    leader.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_as_a_record_is_set_aside_with_its_bytes_and_holds_nothing_up() {
    let Some(place) = Place::shared().await else { return };
    let good = [reading(1, 0), reading(2, 0)];
    let records = [good[0].encode_to_vec(), vec![0xFF; 7], good[1].encode_to_vec()];
    let odd = Odd::serve(records.map(Bytes::from).to_vec()).await;
    let leader = Leader::start(&config(place.config()), &[]);
    leader.members_at(std::slice::from_ref(&odd.address));
    until("all of it is acknowledged", async || *odd.acknowledged.borrow() == 3).await;
    assert_stored(&place, &good).await;
    assert_eq!(place.sql("SELECT meter_id, node_id, HEX(record) FROM rejected").await, ["0|1|FFFFFFFFFFFFFF"]);
    assert!(place.sql("SELECT error FROM rejected").await[0].starts_with("record 2 of spool 9 cannot be read: "));
    let status = leader.board.database();
    assert_eq!((status.rows_written, status.rows_rejected), (2, 1));
    leader.stop().await;
}

#[tokio::test]
async fn a_node_is_followed_to_another_address_and_to_another_spool() {
    let Some(place) = Place::shared().await else { return };
    let (dir, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outbox = Outbox::open(dir.path()).await;
    let leader = Leader::start(&config(place.config()), &[&outbox]);
    outbox.append(&[reading(1, 0)]).await;
    outbox.until_empty().await;
    outbox.close().await;

    let moved = Outbox::open(dir.path()).await;
    moved.append(&[reading(1, 1)]).await;
    leader.members(&[&moved]);
    moved.until_empty().await;
    moved.close().await;

    let replaced = Outbox::open(fresh.path()).await;
    replaced.append(&[reading(1, 2)]).await;
    leader.members(&[&replaced]);
    replaced.until_empty().await;
    assert_stored(&place, &[reading(1, 0), reading(1, 1), reading(1, 2)]).await;
    leader.stop().await;
}

fn line(id: u64, name: &str) -> Line {
    let spec = LineSpec {
        name: name.to_owned(),
        endpoint: Endpoint::Tcp { host: "gw".to_owned(), port: 4001 },
        baud: 2400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires: BTreeMap::new(),
    };
    Line { id: LineId(id), spec }
}

fn meter(id: u64, name: &str) -> Meter {
    Meter {
        id: MeterId(id),
        name: name.to_owned(),
        line: LineId(1),
        address: Address::MbusPrimary(7),
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    }
}

#[tokio::test]
async fn the_copies_of_lines_and_meters_follow_the_registry() {
    let Some(place) = Place::shared().await else { return };
    let leader = Leader::start(&config(place.config()), &[]);
    leader.until_state(DatabaseState::Ok).await;
    leader.applied.send_modify(|applied| {
        let registry = &mut applied.state.registry;
        registry.lines.insert(LineId(1), line(1, "cellar"));
        registry.meters.insert(MeterId(1), meter(1, "one"));
        registry.meters.insert(MeterId(2), meter(2, "two"));
    });
    let meters = async || place.sql("SELECT meter_id, name, enabled FROM meter ORDER BY 1").await;
    until("both meters are copied", async || meters().await == ["1|one|1", "2|two|1"]).await;
    leader.applied.send_modify(|applied| {
        applied.state.registry.meters.remove(&MeterId(1));
        applied.state.registry.meters.insert(MeterId(2), Meter { enabled: false, ..meter(2, "two") });
    });
    until("the change is copied", async || meters().await == ["2|two|0"]).await;
    assert_eq!(place.sql("SELECT name, endpoint FROM line").await, ["cellar|tcp://gw:4001"]);
    leader.stop().await;
}

#[tokio::test]
async fn a_name_the_table_does_not_take_keeps_no_reading_waiting() {
    let Some(place) = Place::shared().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    let leader = Leader::start(&config(place.config()), &[&outbox]);
    leader.applied.send_modify(|applied| {
        applied.state.registry.lines.insert(LineId(1), line(1, &"x".repeat(500)));
    });
    outbox.append(&[reading(1, 0)]).await;
    outbox.until_empty().await;
    until("people are told", async || {
        leader.board.events().iter().any(|event| event.text.starts_with("lines and meters cannot be copied"))
    })
    .await;
    leader.stop().await;
}

#[tokio::test]
async fn commands_that_ended_are_stored_when_the_answer_says_so() {
    let Some(place) = Place::shared().await else { return };
    let leader = Leader::start(&config(place.config()), &[]);
    let row = CommandRow {
        id: 4,
        meter: 1,
        line: 1,
        action: "read-now".to_owned(),
        key: "k".to_owned(),
        requested_at: NINE,
        deadline: NINE,
        ended_at: NINE,
        state: "verified".to_owned(),
        detail: String::new(),
        starts: Vec::new(),
    };
    for _ in 0..2 {
        leader.history.store(vec![row.clone()]).await.unwrap();
        assert_eq!(place.sql("SELECT command_id, state FROM command").await, ["4|verified"]);
    }
    let history = leader.history.clone();
    leader.stop().await;
    let error = history.store(vec![row]).await.unwrap_err().to_string();
    assert!(error.contains("does not lead any more"), "{error}");
}
